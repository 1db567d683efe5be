"""Feeds over several rooms, as the edges serve them: all recordings of a host, and all of this server."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from heapq import nlargest
from typing import Final

from hustings.bus.messages import Page
from hustings.outreach import feeds
from hustings.rooms.model import Room
from hustings.studio.context import Lang, Translate
from hustings.studio.podcasts import EPISODES, Recordings, built_at, episodes, funding, live
from hustings.studio.publisher import SERVER, host_slug
from hustings.studio.urls import Urls

LIVE_ITEMS: Final = 20
"""What is on or comes next, in one feed."""
HOSTS: Final = 500
"""Hosts with a feed of their own, those with the newest rooms."""


class HostFeeds:
    """Made anew only when something in them changed."""

    def __init__(
        self,
        rooms: Callable[[], Iterable[Room]],
        recordings: Callable[[str], Recordings],
        urls: Urls,
        texts: Mapping[Lang, Translate],
    ) -> None:
        self._rooms = rooms
        self._recordings = recordings
        self._urls = urls
        self._texts = texts
        self._made: dict[str, tuple[object, Mapping[str, Page]]] = {}

    def pages(self) -> Mapping[str, Mapping[str, Page]]:
        """For `Publisher.add_lists`, by `SERVER` or `host_slug(account)`."""
        if not self._urls.knows_audience:
            return {}
        newest = sorted(self._rooms(), key=lambda room: -room.created_at)
        chosen: dict[str, list[Room]] = {SERVER: newest} if newest else {}
        for room in newest:
            if room.owner_id and (host_slug(room.owner_id) in chosen or len(chosen) <= HOSTS):
                chosen.setdefault(host_slug(room.owner_id), []).append(room)
        self._made = {slug: self._renewed(slug, rooms) for slug, rooms in chosen.items()}
        return {slug: pages for slug, (_, pages) in self._made.items()}

    def _renewed(self, slug: str, rooms: list[Room]) -> tuple[object, Mapping[str, Page]]:
        key = [
            (room.slug, room.details, room.status, room.broadcast, tuple(self._recordings(room.slug)))
            for room in rooms
        ]
        known = self._made.get(slug)
        if known is not None and known[0] == key:
            return known
        body = feeds.podcast(self._show(slug, rooms))
        return key, {"feed.xml": Page(content_type=feeds.RSS_TYPE, body=body)}

    def _show(self, slug: str, rooms: list[Room]) -> feeds.Show:
        base = self._urls.audience()
        places = {room.slug: self._urls.room(room.slug) for room in rooms}
        found = [
            episode for room in rooms for episode in episodes(self._recordings(room.slug), places[room.slug])
        ]
        newest = nlargest(EPISODES, found, key=lambda episode: episode.published_at)
        on = [now for room in rooms if (now := live(room, places[room.slug])) is not None]
        language = rooms[0].details.language
        t = self._texts["de" if language.lower().startswith("de") else "en"]
        server = base.partition("://")[2]
        of_server = slug == SERVER
        host = "" if of_server else _name(rooms)
        path = "/feed.xml" if of_server else f"/h/{rooms[0].owner_id}/feed.xml"
        return feeds.Show(
            title=host or server,
            description=t("feed.of_host", host=host, server=server) if host else t("feed.all", server=server),
            page=f"{base}/",
            feed=f"{base}{path}",
            author=host or server,
            language=language,
            image=next((episode.image for episode in newest if episode.image), ""),
            funding=tuple(dict.fromkeys(each for room in rooms for each in funding(room)))[:LIVE_ITEMS],
            episodes=tuple(newest),
            live=tuple(nlargest(LIVE_ITEMS, on, key=lambda now: (now.status == "live", now.starts_at))),
            built_at=max(built_at(self._recordings(room.slug)) for room in rooms),
        )


def _name(rooms: list[Room]) -> str:
    """What the rooms' owner is called on the newest stage where he has a seat of his own."""
    return next(
        (
            invitation.name
            for room in rooms
            for invitation in room.invitations.values()
            if invitation.account_id == room.owner_id
        ),
        "",
    )
