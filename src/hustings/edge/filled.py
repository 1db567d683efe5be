"""Pages that the studio rendered once for all recordings, or all clips, of a room: what differs are marked
places, filled here (docs/recording.md, Replay). So a page costs the studio nothing, and a room may have any
number of them.

`\\x02name|otherwise\\x03` is a place, `\\x04name\\x05...\\x06` a piece of the page for each row there is. No
text that people enter can hold these characters. All is filled in one pass: what was filled in is not looked
at again.
"""

from __future__ import annotations

import html
import math
import re
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import msgspec

from hustings.archive.about import About, Edit, Listing, Summary
from hustings.archive.said import SaidOf
from hustings.edge.clips import clip_values, refused
from hustings.edge.http import Headers, Reply, Request, Resource, make_reply
from hustings.edge.pages import RoomPages
from hustings.edge.protocol import Connection
from hustings.edge.replay import Found, Replay
from hustings.ids import is_broadcast_id
from hustings.wording import clock, date, duration, iso, position

KEPT: Final = 256
"""Filled pages in memory."""
_DAY: Final = 86_400
_MARK: Final = re.compile(
    rb"\x02([a-z0-9_]{1,24})(?:\|([^\x02\x03]{0,400}))?\x03|\x04([a-z0-9_]{1,48})\x05([^\x04\x06]*)\x06"
)

type Values = Mapping[str, str | Sequence[Mapping[str, str]]]
"""What stands in the marked places, by name; every text can stand in HTML's text and in quoted attributes."""


def fill(template: bytes, values: Values) -> bytes:
    """The page."""

    def filled(match: re.Match[bytes]) -> bytes:
        if match[3] is not None:
            rows = values.get(match[3].decode(), ())
            return b"" if isinstance(rows, str) else b"".join(fill(match[4], row) for row in rows)
        value = values.get(match[1].decode(), "")
        return value.encode() if value and isinstance(value, str) else match[2] or b""

    return _MARK.sub(filled, template)


def pieces(template: bytes) -> dict[str, bytes]:
    """The page's pieces by name, for whoever puts several kinds of them into one place."""
    return {match[3].decode(): match[4] for match in _MARK.finditer(template) if match[3] is not None}


class FilledPages:
    """Answers with such pages. `absent`: the page that says that there is nothing."""

    def __init__(self, replay: Replay, absent: Callable[[Request], Reply]) -> None:
        self._replay = replay
        self._absent = absent
        self._made: OrderedDict[tuple[str, bytes], tuple[bytes, bytes, Resource]] = OrderedDict()

    def clip(
        self, connection: Connection, request: Request, slug: str, pages: RoomPages, path: list[bytes]
    ) -> None:
        """/r/{slug}/clip/{broadcast}/{from}-{to}"""
        if len(path) != 2 or refused(path[1] + b".json") is not None:
            connection.reply(self._absent(request))
            return
        asked = [path[0], b"clip", path[1] + b".json"]
        self._fetched(
            connection, request, slug, pages, "clip", asked, lambda facts, _lang: clip_values(facts)
        )

    def last(self, request: Request, slug: str, pages: RoomPages) -> Reply | None:
        """/r/{slug}/replay/; None: the studio knows of no recording."""
        of_room = pages.recordings
        last = of_room.last if of_room is not None else None
        if of_room is None or last is None:
            return None

        def values(_facts: bytes, lang: str) -> Values:
            return {**recording_values(last, lang, of_room.keep_days), **said_values(said, lang)}

        said = pages.said.get(last.broadcast, [])
        facts = msgspec.json.encode((of_room, said))
        return self._reply(request, slug, pages, "replay", facts, values)

    def recording(
        self, connection: Connection, request: Request, slug: str, pages: RoomPages, broadcast: bytes
    ) -> None:
        """/r/{slug}/replay/{broadcast}/"""
        days = pages.recordings.keep_days if pages.recordings is not None else None

        def values(facts: bytes, lang: str) -> Values:
            about = recording_values(msgspec.json.decode(facts, type=About), lang, days)
            return {**about, **said_values(said, lang)}

        said = pages.said.get(broadcast.decode("latin-1"), [])
        asked = [broadcast, b"about.json"]
        self._fetched(connection, request, slug, pages, "replay", asked, values, msgspec.json.encode(said))

    def listing(
        self, connection: Connection, request: Request, slug: str, pages: RoomPages, path: list[bytes]
    ) -> None:
        """/r/{slug}/recordings and /r/{slug}/recordings/{broadcast}: those older than it"""
        if len(path) > 1 or (path and not is_broadcast_id(path[0].decode("latin-1"))):
            connection.reply(self._absent(request))
            return
        asked = [b"recordings", path[0] + b".json"] if path else [b"recordings.json"]

        def values(facts: bytes, lang: str) -> Values:
            return listing_values(msgspec.json.decode(facts, type=Listing), lang, first=not path)

        self._fetched(connection, request, slug, pages, "recordings", asked, values)

    def _fetched(
        self,
        connection: Connection,
        request: Request,
        slug: str,
        pages: RoomPages,
        kind: str,
        asked: list[bytes],
        values: Callable[[bytes, str], Values],
        more: bytes = b"",
    ) -> None:
        """Answers with the page of what the disk says at `asked`; `more`: what else it is made of."""

        def show(found: Found) -> None:
            if connection.closed:
                return
            if isinstance(found, Resource):
                facts, place = found.body, b"/".join(asked)
                reply = self._reply(request, slug, pages, kind, facts, values, place, more)
                connection.reply(reply if reply is not None else self._absent(request))
            elif isinstance(found, Reply) and found.status == 409 and kind == "replay":
                connection.reply(_to_the_room(slug))
            elif isinstance(found, Reply) and found.status == 404:
                connection.reply(self._absent(request))
            else:
                self._replay.reply(connection, request, found)

        if pages.template(kind, request) is None:
            # There may be a tombstone.
            self._replay.fetch(slug, asked, lambda found: self._without(connection, request, found))
        else:
            self._replay.fetch(slug, asked, show)

    def _without(self, connection: Connection, request: Request, found: Found) -> None:
        """The studio has published no such page."""
        if connection.closed:
            return
        if isinstance(found, Resource | Reply):
            connection.reply(self._absent(request))
        else:
            self._replay.reply(connection, request, found)

    def _reply(
        self,
        request: Request,
        slug: str,
        pages: RoomPages,
        kind: str,
        facts: bytes,
        values: Callable[[bytes, str], Values],
        asked: bytes = b"",
        more: bytes = b"",
    ) -> Reply | None:
        template = pages.template(kind, request)
        if template is None:
            return None
        body, headers = template
        lang = _language(headers)
        key = (slug, b"/".join((kind.encode(), lang.encode(), asked)))
        known = self._made.get(key)
        if known is not None and known[0] is body and known[1] == facts + more:
            self._made.move_to_end(key)
            return known[2].reply(request)
        filled = fill(body, values(facts, lang))
        page = Resource("text/html; charset=utf-8", filled, headers, compress=True)
        self._made[key] = (body, facts + more, page)
        while len(self._made) > KEPT:
            self._made.popitem(last=False)
        return page.reply(request)


def recording_values(about: About, lang: str, keep_days: int | None) -> Values:
    """What stands in replay.html's places."""
    until = iso(about.ended + keep_days * _DAY) if keep_days is not None else ""
    return {
        **_summary(about, lang),
        "clock": position(about.seconds),
        "seconds": f"{about.seconds:g}",
        "whole_seconds": str(math.ceil(about.seconds)),
        "kept": [{"until": until, "until_day": date(until, lang)}] if until else [],
        **{
            codec: [{"broadcast": about.broadcast}] if codec in about.formats else []
            for codec in ("aac", "opus")
        },
        "no_chapters": "" if about.chapters else "hidden",
        "chapters": [
            {
                "at": f"{each.at:g}",
                "second": str(int(each.at)),
                "clock": position(each.at),
                "title": html.escape(each.title),
            }
            for each in about.chapters
        ],
        "tracks": [
            {
                "broadcast": about.broadcast,
                "file": html.escape(each.file),
                "name": html.escape(each.name),
                "length": duration(each.seconds),
            }
            for each in about.tracks
        ],
        "with_tracks": [{}] if about.tracks else [],
        "others": [_summary(each, lang) for each in about.others],
        "no_others": "" if about.others else "hidden",
        "more": [{}] if about.more else [],
        **_edited(about.edited, lang),
    }


def _edited(edit: Edit | None, lang: str) -> Values:
    """How an edition differs from what was recorded: of each kind one row, or none."""
    if edit is None:
        return {}
    left_out = [{"n": str(edit.without)}] if edit.without else []
    return {
        "edited": [{"at": edit.at, "day": date(edit.at, lang)}],
        "edited_trimmed": [{}] if edit.trimmed else [],
        "edited_cuts": [{"n": str(edit.cuts)}] if edit.cuts else [],
        "edited_removed": [{"time": duration(edit.removed)}] if edit.removed >= 1 else [],
        "edited_gains": [{"n": str(edit.gains)}] if edit.gains else [],
        "edited_without": [] if edit.take_down else left_out,
        "edited_take_down": left_out if edit.take_down else [],
    }


def said_values(said: Sequence[SaidOf], lang: str) -> Values:
    """Statements and corrections on a recording, oldest first."""

    def row(one: SaidOf) -> dict[str, str]:
        at = f" · {position(one.position)}" if one.position is not None else ""
        return {
            "at": html.escape(one.at),
            "day": date(one.at, lang),
            "place": at,
            "who": html.escape(one.who),
            "text": html.escape(one.text),
            "link": html.escape(one.link),
            "no_link": "" if one.link else "hidden",
            "was": html.escape(one.was),
            "now": html.escape(one.now),
        }

    return {
        "statements": [row(one) for one in said if one.kind == "statement"],
        "corrections": [row(one) for one in said if one.kind == "correction"],
        "no_said": "" if said else "hidden",
    }


def listing_values(listing: Listing, lang: str, *, first: bool) -> Values:
    """What stands in recordings.html's places."""
    return {
        "recordings": [_summary(each, lang) for each in listing.recordings],
        "none": [] if listing.recordings else [{}],
        "earlier": [{"next": listing.next}] if listing.next else [],
        "newest": [] if first else [{}],
    }


def _summary(of: Summary, lang: str) -> dict[str, str]:
    return {
        "broadcast": of.broadcast,
        "recorded_at": of.recorded_at,
        "day": date(of.recorded_at, lang),
        "time": clock(of.recorded_at),
        "length": duration(of.seconds),
        "people": html.escape(", ".join(of.people)),
        "cut_off": "hidden" if of.whole else "",
    }


def _language(headers: Headers) -> str:
    return next((value for name, value in headers if name == "Content-Language"), "en")


def _to_the_room(slug: str) -> Reply:
    """It is on air: what there is of it is heard there."""
    target = (("Location", f"/r/{slug}"), ("Cache-Control", "no-store"))
    return make_reply(307, "text/plain; charset=utf-8", b"", target)
