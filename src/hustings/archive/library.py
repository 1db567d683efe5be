"""The recordings in the data folder, for whoever serves them: found, opened, followed while they grow.

Every method reads the disk: none is for an event loop's thread.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from hustings.archive.blocks import Blocks
from hustings.archive.files import Files
from hustings.archive.index import (
    Events,
    missing_stretches,
    read_events,
    read_stored,
    segment_files,
)
from hustings.archive.lines import read_gaps
from hustings.archive.model import INDEX_NAME, CodecIndex, Gap, Index, Segment, encode_index, read_index
from hustings.archive.objects import Objects
from hustings.archive.playlist import Entry, entries
from hustings.archive.tombstone import Tombstone, is_deleted, read_tombstone
from hustings.archive.withheld import Withheld, is_withheld, read_withheld
from hustings.cmaf.timeline import CODECS, SAMPLE_RATE, SEGMENT_SAMPLES, Codec
from hustings.errors import Corrupt
from hustings.ids import is_broadcast_id, is_slug

FOLLOWED: Final = 32
"""Growing recordings whose segments are remembered; others are read anew."""
AGAIN: Final = 0.5
"""Seconds for which a growing recording is taken as it was."""
REMEMBERED: Final = 64
"""Indexes of what is over kept in memory; some hundred kB each."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """One recording as it stands. `over`: nothing comes any more; `tag`: another one whenever it changes."""

    folder: Path
    index: Index
    over: bool
    tag: str
    files: Files = field(compare=False)
    _listed: dict[Codec, dict[str, Entry]] = field(default_factory=dict, compare=False)

    def listed(self, codec: Codec) -> dict[str, Entry]:
        """What is played in one codec, in order, by file name."""
        found = self._listed.get(codec)
        if found is None:
            codec_index = self.index.codecs.get(codec)
            played = entries(codec, codec_index.segments) if codec_index is not None else []
            found = self._listed[codec] = {entry.name: entry for entry in played}
        return found

    @property
    def begins(self) -> int:
        """media_time of the first sample that is there: a player's position 0."""
        starts = [codec.segments[0].media_time for codec in self.index.codecs.values() if codec.segments]
        return min(starts, default=0)


class Library:
    """`data`: the data folder (`Settings.data`); `objects`: the store, if there is one.
    `hidden`: whether a broadcast's recording counts as deleted although it may still be there. Usable from
    several threads."""

    def __init__(
        self,
        data: Path,
        *,
        objects: Objects | None = None,
        now: Callable[[], float] = time.monotonic,
        hidden: Callable[[str], bool] = lambda _broadcast: False,
    ) -> None:
        self._rooms = data / "rooms"
        self._blocks = Blocks(objects) if objects is not None else None
        self._now = now
        self._hidden = hidden
        self._growing: OrderedDict[Path, _Growing] = OrderedDict()
        self._over: OrderedDict[Path, tuple[tuple[int, int, int], Recorded]] = OrderedDict()
        self._lock = threading.Lock()

    def folder(self, slug: str, broadcast: str = "", *, over: bool = False) -> Path | None:
        """The recording's folder; the room's last when no broadcast is named. None: there is none.

        `over`: only what is over and done. Raises OSError.
        """
        if not is_slug(slug):
            return None
        if broadcast:
            named = self._rooms / slug / broadcast
            return named if is_broadcast_id(broadcast) and self._is_there(named, over=over) else None
        return next((folder for folder in self.folders(slug) if self._is_there(folder, over=over)), None)

    def folders(self, slug: str) -> list[Path]:
        """Those named as broadcasts of the room, newest first, whatever is in them. Raises OSError."""
        try:
            names = sorted((path.name for path in (self._rooms / slug).iterdir()), reverse=True)
        except (FileNotFoundError, NotADirectoryError):
            return []
        return [self._rooms / slug / name for name in names if is_broadcast_id(name)]

    def folder_of(self, slug: str, broadcast: str) -> Path:
        """Where this recording lies, if there is one."""
        return self._rooms / slug / broadcast

    def tombstone(self, slug: str, broadcast: str = "") -> Tombstone | None:
        """Of the recording, if it was deleted; without `broadcast`, of the last one the room had, if there is
        no other any more. Raises Corrupt, OSError."""
        if not is_slug(slug):
            return None
        if broadcast:
            return read_tombstone(self._rooms / slug / broadcast) if is_broadcast_id(broadcast) else None
        gone = next((folder for folder in self.folders(slug) if is_deleted(folder)), None)
        return read_tombstone(gone) if gone is not None else None

    def withheld(self, slug: str, broadcast: str = "") -> Withheld | None:
        """Why nobody but its hosts may have this recording; None: anybody may, or there is none. Without
        `broadcast`: of the newest one that is being edited. Raises OSError."""
        if not is_slug(slug):
            return None
        if broadcast:
            return read_withheld(self._rooms / slug / broadcast) if is_broadcast_id(broadcast) else None
        found = (read_withheld(folder) for folder in self.folders(slug) if is_withheld(folder))
        return next((each for each in found if each is not None and each.why == "being_edited"), None)

    def _is_there(self, folder: Path, *, over: bool) -> bool:
        there = _is_recording(folder, over=over) and not self._hidden(folder.name)
        return there and not is_deleted(folder) and not is_withheld(folder)

    def open(self, folder: Path) -> Recorded:
        """The recording lying there. Raises Corrupt when nothing of it can be played yet, OSError."""
        try:
            found = (folder / INDEX_NAME).stat()
        except FileNotFoundError:
            return self._follow(folder)
        stamp = (found.st_ino, found.st_mtime_ns, found.st_size)
        with self._lock:
            known = self._over.get(folder)
            if known is not None and known[0] == stamp:
                self._over.move_to_end(folder)
                return known[1]
        index = read_index(folder)
        tag = hashlib.blake2b(encode_index(index), digest_size=9).hexdigest()
        recorded = Recorded(folder, index, True, tag, Files(folder, self._blocks))
        with self._lock:
            self._growing.pop(folder, None)
            self._over[folder] = (stamp, recorded)
            while len(self._over) > REMEMBERED:
                self._over.popitem(last=False)
        return recorded

    def _follow(self, folder: Path) -> Recorded:
        with self._lock:
            growing = self._growing.get(folder)
            if growing is None:
                growing = self._growing[folder] = _Growing(folder)
            self._growing.move_to_end(folder)
            while len(self._growing) > FOLLOWED:
                self._growing.popitem(last=False)
            return growing.read(self._now())


def _is_recording(folder: Path, *, over: bool) -> bool:
    return (folder / INDEX_NAME).is_file() or (not over and (folder / "program").is_dir())


class _Growing:
    """A recording being written: its finished segments, each read once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._segments: dict[Codec, list[Segment]] = {codec: [] for codec in CODECS}
        self._passed: dict[Codec, int] = dict.fromkeys(CODECS, -1)
        self._live_since: float | None = None
        self._last: tuple[float, Recorded] | None = None

    def read(self, now: float) -> Recorded:
        """As it stands; looked at twice a second at most."""
        if self._last is None or now - self._last[0] >= AGAIN:
            self._last = (now, self._read())
        return self._last[1]

    def _read(self) -> Recorded:
        for codec in CODECS:
            self._read_codec(codec)
        present = {codec: found for codec, found in self._segments.items() if found}
        if not present:
            raise Corrupt(f"nothing of {self._folder.name} can be played yet")
        duration = min(found[-1].end for found in present.values())
        events: Events = read_events(self._folder / "events.jsonl", duration)
        gaps = read_gaps(self._folder / "program" / "gaps.jsonl")
        if not gaps:
            missing = missing_stretches(next(iter(present.values())))
            gaps = [Gap(begins=begins, samples=end - begins, cause="lost") for begins, end in missing]
        since = self._live_since or events.live_since or 0.0
        index = Index(
            slug=self._folder.parent.name,
            broadcast=self._folder.name,
            live_since=round(since, 3),
            ended_at=round(since + duration / SAMPLE_RATE, 3),
            duration=duration,
            whole=False,
            codecs={
                codec: CodecIndex(init_bytes=0, segments=list(found)) for codec, found in present.items()
            },
            tracks=[],
            gaps=gaps,
            speaking=events.speaking,
            names=events.names,
            chapters=events.chapters,
        )
        tag = "-".join(f"{len(found)}" for found in present.values()) + f"-{len(events.chapters)}"
        return Recorded(self._folder, index, False, tag, Files(self._folder))

    def _read_codec(self, codec: Codec) -> None:
        found = self._segments[codec]
        files = segment_files(self._folder / "program" / codec)
        for number, path in files:
            if number <= self._passed[codec]:
                continue
            read = read_stored(codec, number, path, found[-1].end if found else 0)
            newest = number == files[-1][0]
            if read is None:
                if newest:
                    return
                self._passed[codec] = number
                continue
            segment, stored = read
            # The newest is still being written, unless it has reached the end of its slot.
            if newest and segment.end // SEGMENT_SAMPLES == segment.media_time // SEGMENT_SAMPLES:
                return
            if self._live_since is None:
                self._live_since = stored.live_since
            found.append(segment)
            self._passed[codec] = number
