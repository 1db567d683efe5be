"""One speaker's files: the track, the lines that say what is not in it, and the waveform."""

from __future__ import annotations

import zlib

import msgspec

from hustings.cmaf.ogg_track import PRE_SKIP, Gap, OggTrack
from hustings.cmaf.timeline import CHUNK_SAMPLES
from hustings.errors import Corrupt
from hustings.stage.record_files import RecordFile
from hustings.stage.record_place import Place
from hustings.stage.tap import SeatTick, TickRecord
from hustings.stage.webrtc import rtp

QUIET_LEVEL = 60
"""-dBov: in a packet of this level or less nobody hears a correction of 10 ms."""
_SLOTS_KEPT = 3_000
"""Slots of 200 ms whose level waits for the track to begin: ten minutes; older ones are not needed."""


class Totals(msgspec.Struct, frozen=True):
    """Packets: received = written + declared."""

    received: int = 0
    written: int = 0
    declared: int = 0

    def __add__(self, other: Totals) -> Totals:
        return Totals(
            self.received + other.received, self.written + other.written, self.declared + other.declared
        )


def gap_line(begins: int, samples: int, packets: int, cause: str) -> bytes:
    """One line of a file of gaps."""
    return (
        msgspec.json.encode({"from": begins, "samples": samples, "packets": packets, "cause": cause}) + b"\n"
    )


class SpeakerTrack:
    """One participant in one part. Methods that write raise OSError."""

    def __init__(self, place: Place, participant_id: str, name: str) -> None:
        self.participant_id = participant_id
        self._place = place
        self._name = name
        self._stem = f"tracks/{participant_id}.{place.epoch}{place.mark}"
        serial = zlib.crc32(self._stem.encode())
        self.ogg = OggTrack(serial, {"ARTIST": name, "HUSTINGS_PARTICIPANT": participant_id})
        self._wall_of_zero = 0.0
        self._ssrc: int | None = None
        self._sound: RecordFile | None = None
        self._lines: RecordFile | None = None
        self._levels: RecordFile | None = None
        self._kept: list[Gap] = []
        self._slots: dict[int, int] = {}
        self._next_slot = 0
        self.covered = Totals()
        """What the last line of totals says."""
        self.safe = Totals()
        """... that a sync has covered."""

    @property
    def totals(self) -> Totals:
        """As of now; what still waits for its place is not received yet."""
        counts = self.ogg.counts
        return Totals(counts.received - self.ogg.waiting, counts.written, counts.declared)

    def tick(self, seat: SeatTick, record: TickRecord) -> None:
        """20 ms of the seat."""
        self._name = seat.name or self._name
        self._wall_of_zero = record.wall_clock - record.media_time / 48_000
        for data in seat.packets:
            try:
                packet = rtp.parse(data, seat.level_id)
            except Corrupt:
                self.ogg.refuse(1, "damaged")
                continue
            if packet.ssrc != self._ssrc:
                if self._ssrc is not None:
                    self.ogg.source()
                self._ssrc = packet.ssrc
            quiet = packet.level is not None and packet.level >= QUIET_LEVEL
            self.ogg.packet(packet.sequence, packet.timestamp, packet.payload, quiet=quiet, cause=seat.cause)
        if seat.missed:
            self.ogg.refuse(seat.missed, "disk")
        if seat.played is not None and seat.played[0] == self._ssrc:
            self.ogg.mapping(seat.played[1], record.heard_at)
        self.ogg.advance(record.media_time, seat.cause or ("lost" if seat.connected else "away"))
        slot = record.media_time // CHUNK_SAMPLES
        level = min(127, max(0, -seat.level))
        self._slots[slot] = min(level, self._slots.get(slot, 127))
        if len(self._slots) > _SLOTS_KEPT:
            del self._slots[min(self._slots)]

    def away(self, record: TickRecord) -> None:
        """20 ms in which the seat is empty."""
        self.ogg.advance(record.media_time, "away")

    def write(self) -> None:
        """Hands what is finished to the kernel."""
        pages, gaps = self.ogg.drain()
        if self.ogg.begins is None:
            # As long as nothing is written there is no track: nothing of him is kept.
            for gap in gaps:
                self._keep(gap)
            return
        if self._sound is None or self._lines is None:
            self._open()
            gaps = self._kept + gaps
            self._kept = []
        assert self._sound is not None
        assert self._lines is not None
        if pages:
            self._sound.write(b"".join(pages))
        if gaps:
            self._lines.write(b"".join(gap_line(*gap) for gap in gaps))
        self._write_levels()

    def _keep(self, gap: Gap) -> None:
        """Before the track begins nothing has a place: only how much there was, and why, is kept."""
        for index, other in enumerate(self._kept):
            if other.cause == gap.cause:
                self._kept[index] = other._replace(packets=other.packets + gap.packets)
                return
        self._kept.append(gap)

    def _open(self) -> None:
        assert self.ogg.begins is not None
        begins = self.ogg.begins + PRE_SKIP
        self._sound = self._place.file(f"{self._stem}.opus")
        self._lines = self._place.file(f"{self._stem}.jsonl")
        first = {
            "participant_id": self.participant_id,
            "name": self._name,
            "begins": begins,
            "wall_clock": round(self._wall_of_zero + begins / 48_000, 3),
        }
        self._lines.write(msgspec.json.encode(first) + b"\n")
        self._next_slot = begins // CHUNK_SAMPLES

    def _write_levels(self) -> None:
        """The slots that are over."""
        last = max(self._slots, default=0)
        if last <= self._next_slot:
            return
        if self._levels is None:
            self._levels = self._place.file(f"{self._stem}.levels")
        self._levels.write(bytes(self._slots.get(slot, 127) for slot in range(self._next_slot, last)))
        self._next_slot = last
        self._slots = {slot: level for slot, level in self._slots.items() if slot >= last}

    def write_totals(self) -> None:
        """All that is in order now, and how much it is."""
        self.ogg.flush()
        self.write()
        totals = self.totals
        if self._lines is not None and totals != self.covered:
            self._lines.write(msgspec.json.encode(totals) + b"\n")
            self.covered = totals

    def finish(self, media_time: int) -> None:
        """The end of the track."""
        self.ogg.finish(media_time)
        self._slots.setdefault(media_time // CHUNK_SAMPLES + 1, 127)
        self.write_totals()
        self._over()

    def _over(self) -> None:
        for file in (self._sound, self._lines, self._levels):
            if file is not None:
                file.over = True

    def retire(self, media_time: int, *, clean: bool) -> tuple[Totals, int]:
        """The part is over. Returns (what stands in the files, packets that do not).

        `clean`: nothing has failed. Else only what a sync has covered counts, though more may be found there.
        """
        try:
            self.finish(media_time)
        except OSError:
            clean = False
        self._over()
        kept = self.covered if clean else self.safe
        return kept, self.ogg.counts.received - kept.received
