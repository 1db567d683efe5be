"""One speaker's recorded track: RTP packets in, Ogg/Opus pages and declared gaps out (RFC 7845 on RFC 3533).

The packets are stored as they came. Where each belongs is said by the *mapping*: which of the sender's
samples is heard at which media time. The track follows it: where packets are missing it is filled, and where
the sender's clock and ours have run apart by `_LATEST` samples (sooner in a quiet moment) a packet is left
out or 10 ms are put in, so that a sample of the track is within 10 ms of where the program has it, hours on.

A packet waits `HOLD` for those before it, which is longer than the live sound can wait: what came too late to
be heard is still recorded in its place. received = written + declared + waiting, at any moment.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple, get_args

from hustings.cmaf.ogg import OggOpusWriter, ogg_page

type Cause = Literal[
    "lost",
    "away",
    "muted",
    "off_stage",
    "off_record",
    "no_consent",
    "off",
    "late",
    "paused",
    "drift",
    "damaged",
    "disk",
]
CAUSES: Final[tuple[Cause, ...]] = get_args(Cause.__value__)

HOLD: Final = 9_600
"""Samples for which a packet that is due waits for those before it."""
PAGE_SAMPLES: Final = 9_600
"""Most that a page with sound holds: what a crash may cost."""
SILENT_PAGE_SAMPLES: Final = 23_040
"""... and one of a long gap."""
MAX_WAITING: Final = 512
"""Packets that wait; who sends more at once loses the newest, declared `late`."""
PRE_SKIP: Final = 312
"""Samples by which a decoder's output lags the sound the browser's encoder took (libopus, 6.5 ms)."""
_QUANTUM: Final = 480
"""The shortest filler, 10 ms: every mode of Opus has frames of it (RFC 6716 section 3.1)."""
_FRAME: Final = 960
_CONCEALED: Final = 5 * _FRAME
"""Gaps up to this are left to the decoder's concealment; it fades out within 100 ms."""
_LATEST: Final = 400
"""8.3 ms: how far a packet may be from its place."""
_WORTH_IT: Final = 312
"""6.5 ms: in a quiet moment so much is put right."""
_SMOOTH: Final = 50
"""Mappings over which the offset is averaged: one a tick, so a second."""
_JUMP: Final = 4_800
"""100 ms: a mapping so far off is a new one, not an error of the old."""
_RESTED: Final = 4_800
"""100 ms without a mapping: the sender was not heard, and how late he is heard may be another."""
_FAR: Final = 96_000
"""2 s: a packet that far ahead of now belongs to no timeline known."""
_HALF: Final = 1 << 31
_SILENT_LONG: Final = b"\xfb\x06" + b"\xff\xfe" * 6
"""120 ms of digital silence: six CELT frames of 20 ms (RFC 6716 section 3.2.5)."""
_SILENT_FRAME: Final = b"\xf8\xff\xfe"
_SILENT_HALF: Final = b"\xf0\xff\xfe"
_LONG: Final = 6 * _FRAME


class Gap(NamedTuple):
    """`samples` of the timeline from media time `begins` hold nothing (0: it costs no time), and `packets`
    were received and not written. What is left out for `drift` or came `late` costs no time."""

    begins: int
    samples: int
    packets: int
    cause: Cause


@dataclass(slots=True)
class TrackCounts:
    """Packets. received = written + declared + waiting, at any moment."""

    received: int = 0
    written: int = 0
    declared: int = 0


class _Entry(NamedTuple):
    """A packet in the order of the sender's samples; `payload` None: not to be written, for `cause`."""

    time: int
    samples: int
    sequence: int
    payload: bytes | None
    quiet: bool
    cause: Cause | None


def opus_samples(payload: bytes) -> int:
    """Samples at 48 kHz of an Opus packet (RFC 6716 section 3.1); 0 when its first bytes are none of one."""
    if not payload:
        return 0
    configuration, code = payload[0] >> 3, payload[0] & 3
    if configuration >= 16:
        frame = 120 << (configuration & 3)
    elif configuration >= 12:
        frame = 480 << (configuration & 1)
    else:
        frame = (480, 960, 1920, 2880)[configuration & 3]
    count = (payload[1] & 63 if len(payload) > 1 else 0) if code == 3 else 1 if code == 0 else 2
    samples = frame * count
    return samples if samples <= _LONG else 0


class OggTrack:
    """Feed `packet`, `mapping`, `advance`; take pages and gap lines with `drain`.

    Media times and timestamps count 48 kHz samples. One track goes on over the speaker's sessions: `source`
    says that another one begins, whose sequence numbers and timestamps have nothing to do with the last.
    """

    def __init__(self, serial: int, comments: Mapping[str, str]) -> None:
        self.counts = TrackCounts()
        self.begins: int | None = None
        """Media time of the track's first sample; None as long as nothing was written."""
        self.position = 0
        """Media time of the next sample to be written."""
        self._serial = serial & 0xFFFF_FFFF
        self._comments = dict(comments)
        self._entries: dict[int, _Entry] = {}
        self._newest: int | None = None
        self._passed = -(1 << 62)
        """Sender's time up to which this source's packets have been dealt with."""
        self._sequence = 0
        """Of the last of them."""
        self._offset: float | None = None
        """media time - sender's time."""
        self._mappings = 0
        self._mapped_at = 0
        self._now = 0
        self._toc = 0x78
        self._filler = 0
        self._long = False
        self._page: list[bytes] = []
        self._page_samples = 0
        self._page_silent = True
        self._page_bytes = 0
        self._granule = 0
        self._number = 2
        self._out: list[bytes] = []
        self._gaps: list[Gap] = []
        self._gap: Gap | None = None
        self._unexplained: Gap | None = None
        """Filled while nobody could know yet whether the sender pauses or packets are lost."""
        self._frame = _FRAME
        self._ended = False

    @property
    def waiting(self) -> int:
        """Packets received that are neither written nor declared yet."""
        return len(self._entries)

    # --- what comes --------------------------------------------------------------------------------

    def source(self) -> None:
        """Packets of another session (or SSRC) follow; what still waits of the last one is written."""
        self._settle(1 << 62)
        self._explain_lost()
        self._newest = None
        self._passed = -(1 << 62)
        self._offset = None
        self._mappings = 0

    def packet(
        self,
        sequence: int,
        timestamp: int,
        payload: bytes,
        *,
        quiet: bool = False,
        cause: Cause | None = None,
    ) -> None:
        """One packet of the present source. `sequence`, `timestamp`: the RTP fields. `quiet`: nothing is to
        be heard in it. `cause`: why it is not to be written. Never raises for what the network brings."""
        self.counts.received += 1
        samples = opus_samples(payload)
        time = self._unwrap(timestamp)
        if samples == 0:
            self._declare(Gap(self.position, 0, 1, "damaged"))
            return
        if self._offset is not None and time + self._offset > self._now + _FAR:
            self._declare(Gap(self.position, 0, 1, "late"))
            return
        if time < self._passed or time in self._entries or len(self._entries) >= MAX_WAITING:
            self._declare(Gap(self.position, 0, 1, cause or "late"))
            return
        self._newest = time if self._newest is None else max(self._newest, time)
        self._entries[time] = _Entry(
            time, samples, sequence & 0xFFFF, None if cause else payload, quiet, cause
        )

    def refuse(self, packets: int, cause: Cause) -> None:
        """So many packets were received that cannot even be looked at."""
        self.counts.received += packets
        self._declare(Gap(self.position, 0, packets, cause))

    def mapping(self, timestamp: int, media_time: int) -> None:
        """The sender's sample `timestamp` (RTP field) is heard at `media_time`. Once a tick at most."""
        offset = media_time - self._unwrap(timestamp)
        rested = media_time - self._mapped_at > _RESTED
        self._mapped_at = media_time
        if self._offset is not None and self._mappings and abs(offset - self._offset) > _JUMP:
            # The sender's timeline begins anew, and may repeat what was.
            self._settle(1 << 62)
            self._explain_lost()
            self._passed = -(1 << 62)
            self._mappings = 0
        if self._offset is None or self._mappings == 0 or rested:
            self._offset = offset
            self._mappings = 1
            return
        self._mappings = min(self._mappings + 1, _SMOOTH)
        self._offset += (offset - self._offset) / self._mappings

    def advance(self, media_time: int, absent: Cause) -> None:
        """It is `media_time` now. `absent`: why there is nothing where no packet came (`lost`, `away`).

        Whether `lost` is not a pause (DTX) says the next packet: until then such a gap is not given out."""
        self._now = media_time
        if self._offset is None and self._entries:
            # Heard for the first time within some ticks; until then: what has come is heard now.
            self._offset = media_time - min(self._entries)
        self._settle(media_time - HOLD)
        if self.begins is not None and not self._ended:
            behind = media_time - HOLD - _CONCEALED - self.position
            if self._entries and self._offset is not None:
                behind = min(behind, round(min(self._entries) + self._offset) - self.position)
            if behind >= _LONG:
                if absent == "lost":
                    self._fill_unexplained(behind // _LONG * _LONG)
                else:
                    self._fill(behind // _LONG * _LONG, absent)
                self._long = True
                self._flush_long()

    # --- what is given -----------------------------------------------------------------------------

    def drain(self) -> tuple[list[bytes], list[Gap]]:
        """Pages finished and gaps declared since the last call, the headers first."""
        pages, self._out = self._out, []
        gaps, self._gaps = self._gaps, []
        return pages, gaps

    def declare_now(self) -> None:
        """The gap that may still grow is given out as it is: received = written + declared in what is
        drained, but for what waits. One whose cause nobody knows yet stays: there are no packets in it."""
        if self._gap is not None:
            self._gaps.append(self._gap)
            self._gap = None

    def flush(self) -> None:
        """The page begun, and the gap that may still grow, are given out as they are."""
        self._end_page()
        self.declare_now()

    def finish(self, media_time: int) -> None:
        """The last page, marked as such. Everything that waits is written."""
        self._now = media_time
        if self._offset is None and self._entries:
            self._offset = media_time - min(self._entries)
        self._settle(1 << 62)
        self._explain_lost()
        if self.begins is not None and not self._ended:
            self._flush_filler()
            self._end_page(last=True)
        self._ended = True
        self.declare_now()

    # --- in order ----------------------------------------------------------------------------------

    def _unwrap(self, timestamp: int) -> int:
        if self._newest is None:
            self._newest = timestamp
        return self._newest + ((timestamp - self._newest + _HALF) % (1 << 32)) - _HALF

    def _settle(self, until: int) -> None:
        """Deals with all packets that belong before media time `until`."""
        if not self._entries:
            return
        if self._offset is None:
            self._offset = self._now - min(self._entries)
        for time in sorted(self._entries):
            if time + self._offset + self._entries[time].samples > until:
                break
            entry = self._entries.pop(time)
            self._place(entry, round(time + self._offset))
            self._passed = time + entry.samples
            self._sequence, self._frame = entry.sequence, entry.samples

    def _place(self, entry: _Entry, wanted: int) -> None:
        if self.begins is None:
            if entry.payload is None or wanted < 0:
                # What belongs before media time 0 was said before going live.
                self._declare(Gap(0, 0, 1, entry.cause or "late"))
                return
            self._begin(wanted)
        error = wanted - self.position
        quiet = entry.quiet or entry.payload is None or self._filler > 0
        limit = _WORTH_IT if quiet else _LATEST
        gap = (error + _QUANTUM // 2) // _QUANTUM * _QUANTUM if error > limit else 0
        if gap or self._unexplained is not None:
            self._bridge(gap, entry)
        if error < -limit:
            cause: Cause = "late" if error < -entry.samples - 2 * limit else "drift"
            self._declare(Gap(self.position, 0, 1, entry.cause or cause))
            return
        if entry.payload is None:
            # Its time passes, in steps of the filler.
            samples = max(_QUANTUM, entry.samples // _QUANTUM * _QUANTUM)
            self._fill(samples, entry.cause or "late", 1)
            return
        self._flush_filler()
        self._toc = entry.payload[0]
        self.counts.written += 1
        self._put(entry.payload, entry.samples, silent=False)
        self.position += entry.samples

    def _bridge(self, samples: int, entry: _Entry) -> None:
        """Fills `samples` before `entry`, and says why there is nothing, also in what was filled before.

        A sender that pauses (RFC 7587 section 3.1.3) lets its timestamps go on (RFC 3550 section 5.1) and its
        sequence numbers wait: what they have left out is lost, next to `entry`, and the rest is a pause."""
        before, self._unexplained = self._unexplained or Gap(self.position, 0, 0, "lost"), None
        begins = self.position
        self._extend(samples)
        passed = entry.time - self._passed
        if passed <= 0:
            self._declare_part(before.begins, before.samples, "lost")
            self._declare_part(begins, samples, "drift")
            return
        missing = (entry.sequence - self._sequence - 1 & 0xFFFF) * self._frame
        total = before.samples + samples
        # The first packet of a session follows on nothing.
        lost = total if passed > _HALF or missing >= min(passed, total) else missing
        after = min(lost, samples)
        self._declare_part(before.begins, before.samples - lost + after, "paused")
        self._declare_part(before.begins + before.samples - lost + after, lost - after, "lost")
        self._declare_part(begins, samples - after, "paused")
        self._declare_part(begins + samples - after, after, "lost")

    def _declare_part(self, begins: int, samples: int, cause: Cause) -> None:
        if samples:
            self._declare(Gap(begins, samples, 0, cause))

    def _explain_lost(self) -> None:
        """No packet follows that could say more."""
        if self._unexplained is not None:
            gap, self._unexplained = self._unexplained, None
            self._declare(gap)

    def _begin(self, wanted: int) -> None:
        """The first packet that is written says where the track begins."""
        self.begins = self.position = wanted
        # The decoded sample 0 is heard at `wanted`; players skip PRE_SKIP samples (RFC 7845 section 4.2).
        comments = {"HUSTINGS_BEGINS": str(wanted + PRE_SKIP), **self._comments}
        self._out.append(OggOpusWriter(self._serial, pre_skip=PRE_SKIP, comments=comments).headers())

    # --- gaps --------------------------------------------------------------------------------------

    def _declare(self, gap: Gap) -> None:
        self.counts.declared += gap.packets
        last = self._gap
        if last is not None and last.cause == gap.cause and last.begins + last.samples == gap.begins:
            gap = Gap(last.begins, last.samples + gap.samples, last.packets + gap.packets, gap.cause)
        elif last is not None:
            self._gaps.append(last)
        self._gap = gap

    def _fill(self, samples: int, cause: Cause, packets: int = 0) -> None:
        self._declare(Gap(self.position, samples, packets, cause))
        self._extend(samples)

    def _fill_unexplained(self, samples: int) -> None:
        last = self._unexplained
        if last is not None and last.begins + last.samples == self.position:
            self._unexplained = last._replace(samples=last.samples + samples)
        else:
            self._explain_lost()
            self._unexplained = Gap(self.position, samples, 0, "lost")
        self._extend(samples)

    def _extend(self, samples: int) -> None:
        """So much of the timeline holds nothing."""
        self.position += samples
        self._filler += samples
        if self._filler > _CONCEALED:
            self._long = True
        if self._long:
            self._flush_long()

    def _flush_long(self) -> None:
        while self._filler >= _LONG:
            self._filler -= _LONG
            self._put(_SILENT_LONG, _LONG, silent=True)

    def _flush_filler(self) -> None:
        """Sound follows: the gap before it is over."""
        if self._long:
            self._flush_long()
            frame, half = _SILENT_FRAME, _SILENT_HALF
        else:
            frame, half = _nothing(self._toc)
        while self._filler >= _FRAME:
            self._filler -= _FRAME
            self._put(frame, _FRAME, silent=self._long)
        if self._filler:
            self._put(half, self._filler, silent=self._long)
        self._filler = 0
        self._long = False

    # --- pages -------------------------------------------------------------------------------------

    def _put(self, packet: bytes, samples: int, *, silent: bool) -> None:
        lacing = len(packet) // 255 + 1
        limit = SILENT_PAGE_SAMPLES if silent and self._page_silent else PAGE_SAMPLES
        if self._page and (self._page_samples + samples > limit or self._page_bytes + lacing > 255):
            self._end_page()
        self._page.append(packet)
        self._page_samples += samples
        self._page_silent = self._page_silent and silent
        self._page_bytes += lacing
        self._granule += samples
        if self._page_samples >= (SILENT_PAGE_SAMPLES if self._page_silent else PAGE_SAMPLES):
            self._end_page()

    def _end_page(self, *, last: bool = False) -> None:
        if not self._page and not last:
            return
        # No packet ends on an empty page: its granule position is -1 (RFC 3533 section 6).
        granule = self._granule if self._page else -1
        flags = 0x04 if last else 0
        self._out.append(
            ogg_page(self._page, granule=granule, serial=self._serial, number=self._number, flags=flags)
        )
        self._number += 1
        self._page = []
        self._page_samples = self._page_bytes = 0
        self._page_silent = True


def _nothing(toc: int) -> tuple[bytes, bytes]:
    """Packets of 20 and of 10 ms without data, in the mode and bandwidth of the packet before (RFC 7845
    section 4.1): the decoder conceals (RFC 6716 section 4.4)."""
    configuration = toc >> 3
    stereo = toc & 4
    if configuration >= 16:
        half, frame = configuration & ~3 | 2, configuration | 3
    elif configuration >= 12:
        half, frame = configuration & ~1, configuration | 1
    else:
        half, frame = configuration & ~3, configuration & ~3 | 1
    return bytes([frame << 3 | stereo]), bytes([half << 3 | stereo])
