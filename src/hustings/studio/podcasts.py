"""A room's feeds, as the edges serve them: feed.xml (what was recorded) and feed.atom (what it announces)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Final

from hustings.archive.made import CHAPTERS_NAME, COVER_NAME, MADE_FOLDER, MADE_TYPES, Made, MadeKind
from hustings.bus.messages import Page
from hustings.clock import Clock
from hustings.outreach import feeds
from hustings.rooms.model import Role, Room
from hustings.rooms.table import RoomStatus
from hustings.studio.context import Lang, RoomView, Translate
from hustings.studio.renderer import local
from hustings.studio.text import utc
from hustings.studio.urls import Urls

EPISODES: Final = 100
"""In one feed, the newest: readers keep what they have seen."""
_TOLD: Final = 1_500
_ANNOUNCED: Final = 500
"""Characters of a description in either feed: all of a room must fit into one message on the bus."""
_EXPECTED: Final = 3600.0
"""Seconds a broadcast is expected to take when no agenda says it."""
_GIVING: Final = ("donat", "spende", "support", "unterstütz", "fund", "förder", "patreon", "liberapay")
"""What a pinned link's words begin with when it is for giving."""
_ROLES: Final = {"host": "host", "cohost": "co-host"}
_ON: Final = (RoomStatus.LIVE, RoomStatus.PAUSED)

type Recordings = list[tuple[str, Mapping[MadeKind, Made]]]
"""Broadcast and what was made of it, newest first."""


@dataclass(frozen=True, slots=True)
class _Places:
    """Addresses of a room."""

    page: str

    def made(self, broadcast: str, name: str) -> str:
        return f"{self.page}/replay/{broadcast}/{MADE_FOLDER}/{name}"


class Podcasts:
    """Makes the feeds anew only when something in them changed."""

    def __init__(
        self,
        recordings: Callable[[str], Recordings],
        urls: Urls,
        clock: Clock,
        texts: Mapping[Lang, Translate],
    ) -> None:
        self._recordings = recordings
        self._urls = urls
        self._clock = clock
        self._texts = texts
        self._pages: dict[str, tuple[object, dict[str, Page]]] = {}
        self._announced: dict[str, float] = {}
        self._began = clock.wall()

    def pages(self, room: Room, _view: RoomView) -> Mapping[str, Page]:
        """For `Publisher.add`. None as long as nobody knows how the audience's door is reached: a feed's
        addresses are absolute."""
        if not self._urls.knows_audience:
            return {}
        recordings = self._recordings(room.slug)
        key = (room.details, room.status, room.broadcast, self._urls.room(room.slug), tuple(recordings))
        known = self._pages.get(room.slug)
        if known is None or known[0] != key:
            known = self._pages[room.slug] = (key, self._make(room, recordings))
        return known[1]

    def _make(self, room: Room, recordings: Recordings) -> dict[str, Page]:
        places = _Places(self._urls.room(room.slug))
        podcast = feeds.podcast(show(room, recordings, places.page))
        entries = tuple(self._announcements(room, recordings, places.page))
        atom = feeds.announcements(
            room.title,
            places.page,
            f"{places.page}/feed.atom",
            entries,
            room.created_at,
            room.details.language,
        )
        return {
            "feed.xml": Page(content_type=feeds.RSS_TYPE, body=podcast),
            "feed.atom": Page(content_type=feeds.ATOM_TYPE, body=atom),
        }

    def _announcements(self, room: Room, recordings: Recordings, page: str) -> list[feeds.Announcement]:
        lang: Lang = "de" if room.details.language.lower().startswith("de") else "en"
        t = self._texts[lang]
        found: list[feeds.Announcement] = []
        details = room.details
        text = (details.description or room.title)[:_ANNOUNCED]
        if details.scheduled_at is not None and room.status in (RoomStatus.SCHEDULED, RoomStatus.CANCELLED):
            when = local(utc(details.scheduled_at), details.time_zone, lang)
            name = "cancelled" if room.status is RoomStatus.CANCELLED else "planned"
            key = f"{name}/{int(details.scheduled_at)}"
            title = t(f"feed.{name}", title=room.title, when=when)
            found.append(feeds.Announcement(key, title, text, page, self._since(room, key)))
        broadcast = room.broadcast
        if broadcast is not None and broadcast.live_since is not None and room.status in _ON:
            title = t("feed.live", title=room.title)
            found.append(feeds.Announcement(f"live/{broadcast.id}", title, text, page, broadcast.live_since))
        for name, made in recordings[:EPISODES]:
            first = min(made.values(), key=lambda each: each.made_at)
            title = t("feed.recorded", title=first.episode.title)
            about = (first.episode.description or first.episode.title)[:_ANNOUNCED]
            place = f"{page}/replay/{name}/"
            found.append(
                feeds.Announcement(
                    f"recorded/{first.episode.origin or name}", title, about, place, first.made_at
                )
            )
        return found

    def _since(self, room: Room, key: str) -> float:
        """When this was announced first: after a restart, as far as is known."""
        known = self._announced.get(f"{room.slug}/{key}")
        if known is None:
            now = self._clock.wall()
            fresh = now - self._began > 1.0
            known = self._announced[f"{room.slug}/{key}"] = now if fresh else room.created_at
        return known


def show(room: Room, recordings: Recordings, page: str) -> feeds.Show:
    """The room as a podcast."""
    found = episodes(recordings, page)
    hosts = [person.name for person in room.participants.values() if person.role is Role.HOST]
    now = live(room, page)
    return feeds.Show(
        title=room.title,
        description=room.details.description,
        page=page,
        feed=f"{page}/feed.xml",
        author=", ".join(hosts[:3]) or room.title,
        language=room.details.language,
        image=next((episode.image for episode in found if episode.image), ""),
        funding=funding(room),
        episodes=found,
        live=(now,) if now is not None else (),
        built_at=built_at(recordings),
    )


def episodes(recordings: Recordings, page: str) -> tuple[feeds.Episode, ...]:
    """A room's, newest first, EPISODES at most. `page`: the room's address."""
    places = _Places(page)
    found = (_episode(places, broadcast, made["mp3"]) for broadcast, made in recordings if "mp3" in made)
    return tuple(islice(found, EPISODES))


def funding(room: Room) -> tuple[tuple[str, str], ...]:
    """(address, words) of the room's pinned links that are for giving."""
    links = room.details.links
    return tuple((link.url, link.label) for link in links if link.label.lower().startswith(_GIVING))


def built_at(recordings: Recordings) -> float:
    """When the newest of the files was made, Unix seconds; 0 without any."""
    return max((made["mp3"].made_at for _, made in recordings if "mp3" in made), default=0.0)


def _episode(places: _Places, broadcast: str, made: Made) -> feeds.Episode:
    return feeds.Episode(
        guid=made.episode.origin or broadcast,
        title=made.episode.title,
        description=made.episode.description[:_TOLD],
        page=f"{places.page}/replay/{broadcast}/",
        published_at=made.recorded_at,
        seconds=made.seconds,
        sound=feeds.Enclosure(places.made(broadcast, made.file), made.bytes, MADE_TYPES[made.kind]),
        people=tuple(feeds.Person(name, _ROLES.get(role, "guest")) for name, role in made.episode.people),
        chapters=places.made(broadcast, CHAPTERS_NAME) if made.chapters else "",
        image=places.made(broadcast, COVER_NAME) if made.cover else "",
    )


def live(room: Room, page: str) -> feeds.Live | None:
    """What is on, comes next, or was last: apps take down what they showed as live only when told so."""
    broadcast, details = room.broadcast, room.details
    expected = 60.0 * sum(topic.minutes or 0 for topic in details.topics) or _EXPECTED
    status: feeds.LiveStatus
    if broadcast is not None and broadcast.live_since is not None and room.status in _ON:
        status, guid, start, end = "live", broadcast.id, broadcast.live_since, None
    elif room.status is RoomStatus.ENDED and broadcast is not None and broadcast.live_since is not None:
        status, guid, start, end = "ended", broadcast.id, broadcast.live_since, broadcast.ended_at
    elif details.scheduled_at is not None and room.status in (RoomStatus.SCHEDULED, RoomStatus.OPEN):
        status, guid, start, end = "pending", f"{int(details.scheduled_at)}", details.scheduled_at, None
    else:
        return None
    on_stage = [person for person in room.participants.values() if person.role is not Role.LISTENER]
    return feeds.Live(
        guid=f"live/{guid}",
        title=room.title,
        status=status,
        starts_at=start,
        ends_at=end or start + expected,
        page=page,
        sound=feeds.Enclosure(f"{page}/stream.aac", 0, "audio/aac"),
        people=tuple(
            feeds.Person(person.name, _ROLES.get(person.role.value, "guest")) for person in on_stage[:50]
        ),
    )
