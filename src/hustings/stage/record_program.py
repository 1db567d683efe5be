"""The program's files: segments as the listeners got them, silence where nobody may be heard, what is
missing."""

from __future__ import annotations

import struct
import zlib

import msgspec
from prometheus_client import Counter

from hustings.audio.aac import AacEncoder
from hustings.audio.frame import FRAME_SAMPLES
from hustings.bus.messages import Codec, MediaChunk
from hustings.cmaf.chunker import begins_segment, write_chunk
from hustings.cmaf.ogg_track import Cause
from hustings.cmaf.timeline import CHUNK_SAMPLES, UNIT_SAMPLES, segment_number
from hustings.stage.record_files import RecordFile
from hustings.stage.record_place import Place
from hustings.stage.record_track import gap_line
from hustings.stage.tap import TickRecord

BEFORE = 3 * FRAME_SAMPLES
AFTER = 2 * FRAME_SAMPLES
"""A chunk is silent when a blocked tick lies so close before or after it: limiter, encoders' look-ahead and
the overlap of AAC's windows (1024 samples) carry sound that far."""
_REMEMBERED = 30 * 48_000
"""Blocked stretches older than this concern no chunk that can still come."""
_PIECE = 10 * 48_000
"""A stretch that goes on is declared in pieces of this length, so that a crash leaves little undeclared."""
_MOST_KEPT = 1_000
"""Lines that wait for a disk."""

SUM = struct.Struct(">QII")
"""Of each chunk: media_time, bytes, CRC-32."""

_silenced = Counter("hustings_stage_record_silenced_chunks_total", "Chunks recorded as silence.")


def silent_units(aac_bitrate: int) -> dict[Codec, bytes]:
    """An access unit of digital silence in each codec."""
    import numpy as np

    units = AacEncoder(aac_bitrate).encode(np.zeros(8 * UNIT_SAMPLES["aac"], dtype=np.float32))
    return {"opus": b"\xf8\xff\xfe", "aac": units[-1]}


class ProgramFiles:
    """One broadcast's program in one run of the stage; goes on over parts. What writes raises OSError."""

    def __init__(self, init: dict[Codec, bytes], silent: dict[Codec, bytes]) -> None:
        self._init = init
        self._silent = silent
        self._place: Place | None = None
        self._segments: dict[Codec, tuple[int, RecordFile]] = {}
        self._numbers: dict[Codec, int] = {}
        """The segment each codec is in, also when it could not be written."""
        self._split: dict[Codec, int] = {}
        """The segment in which this part began."""
        self._gaps: RecordFile | None = None
        self._levels: RecordFile | None = None
        self._sums: dict[Codec, RecordFile] = {}
        self._blocked: list[tuple[int, int, Cause]] = []
        self._end: dict[Codec, int] = {}
        self._expected: dict[Codec, int] = {}
        self.resumed_from: int | None = None
        """Media time up to which an earlier run of the stage has recorded."""
        self._open_gap: tuple[int, int, Cause] | None = None
        self._lines: list[bytes] = []
        self._slot: tuple[int, int] | None = None

    def end(self) -> int:
        """Media time up to which all codecs are written."""
        return min(self._end.values(), default=0)

    def move(self, place: Place | None) -> None:
        """What comes now is written there; None: nowhere."""
        self.close()
        self._place = place
        self._split = dict(self._numbers) if place is not None and place.part else {}
        self._gaps = self._levels = None
        self._slot = None

    def close(self) -> None:
        """Nothing more is written to the files that are open."""
        for _, file in self._segments.values():
            file.over = True
        for other in (self._gaps, self._levels, *self._sums.values()):
            if other is not None:
                other.over = True
        self._segments, self._sums = {}, {}

    # --- what may not be heard -----------------------------------------------------------------------

    def tick(self, record: TickRecord) -> None:
        """Remembers whether the program may be recorded, and how loud it is."""
        if record.blocked is not None:
            self.block(record.media_time, record.media_time + FRAME_SAMPLES, record.blocked)
        slot, level = record.media_time // CHUNK_SAMPLES, min(127, max(0, -record.level))
        if self._slot is not None and self._slot[0] == slot:
            level = min(level, self._slot[1])
        elif self._slot is not None:
            self._write_level(slot)
        self._slot = (slot, level)

    def block(self, begins: int, end: int, cause: Cause) -> None:
        """Nothing of this stretch may be recorded."""
        if self._blocked and self._blocked[-1][1] == begins and self._blocked[-1][2] == cause:
            begins = self._blocked.pop()[0]
        self._blocked.append((begins, end, cause))
        while self._blocked[0][1] < end - _REMEMBERED:
            del self._blocked[0]

    def _why_silent(self, chunk: MediaChunk) -> Cause | None:
        begins, end = chunk.media_time - BEFORE, chunk.media_time + chunk.duration + AFTER
        for start, stop, cause in self._blocked:
            if start < end and stop > begins:
                return cause
        return None

    def _write_level(self, next_slot: int) -> None:
        """The slot that is over, and silence for those that never were."""
        assert self._slot is not None
        slot, level = self._slot
        if self._place is None:
            return
        if self._levels is None:
            name = f"program/levels.{self._place.epoch}{self._place.mark}"
            self._levels = self._place.file(name)
            self._levels.write(slot.to_bytes(8))
        self._levels.write(bytes([level]) + b"\x7f" * min(next_slot - slot - 1, 10_000))

    # --- chunks ----------------------------------------------------------------------------------------

    def chunk(self, chunk: MediaChunk, missing: Cause = "lost") -> None:
        """A chunk in order. `missing`: why those before it are not there, if they are not."""
        codec = chunk.codec
        self._numbers[codec] = number = segment_number(chunk.seq, chunk.epoch)
        cause = self._why_silent(chunk)
        if cause == "off" or self._place is None:
            self._declare(chunk, "off" if cause == "off" else "disk", missing)
            self._leave_segment(codec)
            return
        data = chunk.data
        if cause is not None:
            data = self._silence(chunk)
            _silenced.inc()
        self._segment(codec, number).write(data)
        self._sum(codec, chunk.media_time, data)
        self._end[codec] = chunk.media_time + chunk.duration
        self._declare(chunk, cause, missing)

    def _silence(self, chunk: MediaChunk) -> bytes:
        """A silent chunk of the same timing."""
        size = UNIT_SAMPLES[chunk.codec]
        return write_chunk(
            [self._silent[chunk.codec]] * (chunk.duration // size),
            sequence_number=(chunk.seq + chunk.epoch + 1) & 0xFFFF_FFFF,
            base_decode_time=chunk.media_time,
            sample_duration=size,
            segment_start=begins_segment(chunk.data),
        )

    def _sum(self, codec: Codec, media_time: int, data: bytes) -> None:
        """A chunk has no checksum of its own: what a power cut leaves of it must be told from what it was."""
        assert self._place is not None
        file = self._sums.get(codec)
        if file is None:
            name = f"program/{codec}/sums.{self._place.epoch}{self._place.mark}"
            file = self._sums[codec] = self._place.file(name)
        file.write(SUM.pack(media_time, len(data), zlib.crc32(data)))

    def _leave_segment(self, codec: Codec) -> None:
        if codec in self._segments:
            self._segments.pop(codec)[1].over = True

    def _segment(self, codec: Codec, number: int) -> RecordFile:
        current = self._segments.get(codec)
        if current is not None and current[0] == number:
            return current[1]
        self._leave_segment(codec)
        assert self._place is not None
        place = self._place
        if not place.disk.tail(place.folder / f"program/{codec}/init.mp4", 1):
            init = place.file(f"program/{codec}/init.mp4", resume=True)
            init.write(self._init[codec])
            init.over = True
        mark = place.mark if self._split.get(codec) == number else ""
        try:
            file = place.file(f"program/{codec}/{number}{mark}.m4s")
        except FileExistsError:
            # Recording was off in between, or this very run of the stage has been here before.
            file = place.file(f"program/{codec}/{number}{mark}.m4s", resume=True)
        self._segments[codec] = (number, file)
        return file

    # --- gaps -------------------------------------------------------------------------------------------

    def _declare(self, chunk: MediaChunk, cause: Cause | None, missing: Cause) -> None:
        """What the timeline lacks at this chunk; told once, by the Opus program."""
        if chunk.codec != "opus":
            return
        expected = self._expected.get("opus", self.resumed_from)
        self._expected["opus"] = chunk.media_time + chunk.duration
        if expected is not None and chunk.media_time > expected:
            self._gap(expected, chunk.media_time, missing)
        if cause is None:
            self._end_gap()
        else:
            self._gap(chunk.media_time, chunk.media_time + chunk.duration, cause)

    def _gap(self, begins: int, end: int, cause: Cause) -> None:
        last = self._open_gap
        if last is not None and (last[1], last[2]) == (begins, cause):
            begins = last[0]
        else:
            self._end_gap()
        self._open_gap = (begins, end, cause)
        if end - begins >= _PIECE:
            self._end_gap()

    def _end_gap(self) -> None:
        if self._open_gap is not None:
            begins, end, cause = self._open_gap
            self._open_gap = None
            self.declare(begins, end, cause)

    def declare(self, begins: int, end: int, cause: Cause) -> None:
        """A stretch of which the recording holds nothing, or nothing that is safe."""
        if len(self._lines) < _MOST_KEPT:
            self._lines.append(gap_line(begins, end - begins, 0, cause))

    def write(self) -> None:
        """Hands the declared gaps to the kernel."""
        if not self._lines or self._place is None:
            return
        if self._gaps is None:
            part = f".{self._place.epoch}{self._place.mark}" if self._place.part else ""
            self._gaps = self._place.file(f"program/gaps{part}.jsonl", resume=True)
        self._gaps.write(b"".join(self._lines))
        self._lines = []

    def finish(self) -> None:
        """The end: all that is known is written."""
        self._end_gap()
        if self._slot is not None:
            self._write_level(self._slot[0] + 1)
        self.write()
        self.close()


def event_line(event: object) -> bytes:
    """A TimedEvent as one line of JSON."""
    return msgspec.json.encode(event) + b"\n"
