"""What is said of a recording before anything of it is heard: about.json and the list of a room's recordings
(docs/recording.md, Replay). Reads the disk; usable from several threads."""

from __future__ import annotations

import threading
from collections import OrderedDict
from pathlib import Path
from typing import Final

import msgspec

from hustings.archive.library import Library, Recorded
from hustings.archive.model import INDEX_NAME, EditedFrom
from hustings.cmaf.timeline import SAMPLE_RATE
from hustings.errors import Corrupt
from hustings.wording import iso

LISTED: Final = 20
"""Recordings on one page of the list."""
OTHERS: Final = 4
"""... named beside another one."""
PEOPLE: Final = 20
TRACKS: Final = 100
CHAPTERS: Final = 500
"""What is said of one recording at most."""
REMEMBERED: Final = 2_000
"""Recordings whose line in the list is kept in memory; some 300 bytes each."""


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """A recording in a list. `recorded_at`: ISO 8601 UTC; `people`: who spoke, first come first."""

    broadcast: str
    recorded_at: str
    seconds: float
    whole: bool
    """False when a crash cut something off."""
    people: list[str]


class Chapter(msgspec.Struct, frozen=True):
    """`at`: seconds from the recording's beginning."""

    title: str
    at: float


class Track(msgspec.Struct, frozen=True):
    """One speaker's own sound; `file` is below the recording's address."""

    name: str
    file: str
    seconds: float


class Edit(msgspec.Struct, frozen=True, kw_only=True):
    """What was done to a recording that is an edition (model.EditedFrom). `at`: ISO 8601 UTC; `removed`:
    seconds."""

    broadcast: str
    at: str
    trimmed: bool
    cuts: int
    removed: float
    gains: int
    without: int
    take_down: bool


class About(Summary, frozen=True, kw_only=True):
    """A recording, as far as a page needs it before its script runs."""

    formats: list[str]
    """Codecs of the program: aac, opus."""
    ended: float
    """Unix seconds; how long it is kept counts from it."""
    chapters: list[Chapter]
    tracks: list[Track]
    others: list[Summary]
    """The newest other recordings of the room, OTHERS at most."""
    more: bool
    """Whether there are more of them."""
    edited: Edit | None = None


class OfRoom(msgspec.Struct, frozen=True, kw_only=True):
    """What a studio lets edges say of a room's recordings. `last`: None as long as there is none."""

    last: About | None
    keep_days: int | None
    """For how many days after its end each is kept; None: for ever."""


class Listing(msgspec.Struct, frozen=True, kw_only=True):
    """One page of the list, newest first. `next`: what comes after it is older than this broadcast; "" at the
    end."""

    recordings: list[Summary]
    next: str


class RoomRecordings:
    """A room's recordings that are over and can be heard."""

    def __init__(self, library: Library) -> None:
        self._library = library
        self._known: OrderedDict[Path, tuple[tuple[int, int], Summary]] = OrderedDict()
        self._lock = threading.Lock()

    def listing(self, slug: str, before: str = "", most: int = LISTED) -> Listing:
        """The newest; with `before` those older than this broadcast. Raises OSError."""
        found: list[Summary] = []
        for each in self._library.folders(slug):
            if before and each.name >= before:
                continue
            summary = self._summary(slug, each.name)
            if summary is None:
                continue
            if len(found) == most:
                return Listing(recordings=found, next=found[-1].broadcast)
            found.append(summary)
        return Listing(recordings=found, next="")

    def about(self, slug: str, folder: Path) -> About:
        """The recording lying in `folder`, with its neighbours. Raises Corrupt, OSError."""
        recorded = self._library.open(folder)
        around = self.listing(slug, most=OTHERS + 1)
        others = [each for each in around.recordings if each.broadcast != recorded.index.broadcast]
        return _about(recorded, others[:OTHERS], more=bool(around.next) or len(others) > OTHERS)

    def _summary(self, slug: str, broadcast: str) -> Summary | None:
        folder = self._library.folder(slug, broadcast, over=True)
        if folder is None:
            return None
        try:
            found = (folder / INDEX_NAME).stat()
            stamp = (found.st_mtime_ns, found.st_size)
            with self._lock:
                known = self._known.get(folder)
                if known is not None and known[0] == stamp:
                    self._known.move_to_end(folder)
                    return known[1]
            summary = summary_of(self._library.open(folder))
        except (Corrupt, OSError):
            return None
        with self._lock:
            self._known[folder] = (stamp, summary)
            while len(self._known) > REMEMBERED:
                self._known.popitem(last=False)
        return summary


def summary_of(recorded: Recorded) -> Summary:
    """A recording's line in the list."""
    index = recorded.index
    spoke = sorted((spans[0], who) for who, spans in index.speaking.items() if spans)
    return Summary(
        broadcast=index.broadcast,
        recorded_at=iso(index.live_since + recorded.begins / SAMPLE_RATE),
        seconds=_position(recorded, index.duration),
        whole=index.whole,
        people=list(dict.fromkeys(name for _, who in spoke if (name := index.names.get(who, ""))))[:PEOPLE],
    )


def _about(recorded: Recorded, others: list[Summary], *, more: bool) -> About:
    index = recorded.index
    summary = summary_of(recorded)
    return About(
        **{name: getattr(summary, name) for name in Summary.__struct_fields__},
        formats=[codec for codec in ("aac", "opus") if codec in index.codecs],
        ended=index.ended_at,
        chapters=[Chapter(title, _position(recorded, at)) for at, title in index.chapters[:CHAPTERS]],
        tracks=[
            Track(track.name, track.file, round(track.samples / SAMPLE_RATE, 1))
            for track in index.tracks[:TRACKS]
            if track.samples
        ],
        others=others,
        more=more,
        edited=_edit(index.edited_from) if isinstance(index.edited_from, EditedFrom) else None,
    )


def _edit(made: EditedFrom) -> Edit:
    return Edit(
        broadcast=made.broadcast,
        at=iso(made.at),
        trimmed=made.trimmed,
        cuts=made.cuts,
        removed=made.removed,
        gains=made.gains,
        without=made.without,
        take_down=made.take_down,
    )


def _position(recorded: Recorded, media_time: int) -> float:
    return round(max(0, media_time - recorded.begins) / SAMPLE_RATE, 1)
