"""From RTP packets of one speaker to exactly one frame every 20 ms.

`push` takes packets as they arrive, `pull` is called once a tick and always answers. Between them:

- The *playout delay* is how long after its undisturbed arrival a sample is played. It starts at the target of
  `DelayEstimator` and is steered back to it: above the band a pitch period is taken out now and then, below
  it one is put in. Inside the band nothing touches the sound: on an undisturbed network every decoded sample
  passes bit by bit.
- A packet that is missing while a later one is there is lost: its time is filled from the later packet's
  in-band FEC or by concealment, and media time goes on.
- When nothing is there the packet may only be late: concealment fills the frame and media time waits, so that
  no word is lost, until the delay reaches its bound; from there on media time goes on.
- One speaker's push and pull, decoding included, take 30-43 us (`benchmarks/audio_cost.py`).
- A speaker who is known to be silent may be put to `rest`: nothing is played until `resume`, and the packets
  of the last moments, pushed then, put timing and decoder where they would have been.
- After 100 ms of invention the sound fades out; then silence, at no cost, until packets come again.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import Final, Literal, Protocol

import numpy as np

from hustings.audio import time_scale
from hustings.audio.delay import DelayEstimator
from hustings.audio.frame import FRAME_SAMPLES, FRAME_SECONDS, SAMPLE_RATE, Frame, Samples, silence
from hustings.audio.jitter_buffer import BufferedPacket, JitterBuffer
from hustings.audio.level import SILENT_DBOV, level_dbov
from hustings.audio.opus import OpusDecoder, has_fec, packet_duration
from hustings.errors import Corrupt

type Kind = Literal["voice", "fec", "concealed", "silence"]

MAX_PAYLOAD_BYTES: Final = 4096
_STEP: Final = 120
"""Concealment comes in multiples of 2.5 ms (RFC 6716 section 2.1.4)."""
_FADE_START: Final = 4800
_FADE_END: Final = 7680
_EARLY: Final = 0.005
_BAND_BELOW: Final = 0.002
_BAND_ABOVE: Final = 0.012
_CLOSE_ENOUGH: Final = 0.003
_FORCE_ABOVE: Final = 0.040
_OVERSHOOT_BELOW: Final = 0.001
_OVERSHOOT_ABOVE: Final = 0.008
"""By how much one correction may pass the target: a voice's period may be longer than what there is to do."""
_WARM_UP: Final = 5
"""Packets decoded unheard after a rest: what an Opus packet takes over from those before it fades by half
with each (RFC 6716 section 4.3.2.1: alpha = 0.5 for frames of 20 ms)."""
_FADE_IN: Final = np.linspace(0.0, 1.0, 240, dtype=np.float32)


class Decoder(Protocol):
    """What the receiver needs of a codec; `OpusDecoder` is one."""

    def decode(self, packet: bytes) -> Samples: ...

    def conceal(self, samples: int = ...) -> Samples: ...

    def recover(self, next_packet: bytes, samples: int = ...) -> Samples: ...

    def reset(self) -> None: ...

    def close(self) -> None: ...


@dataclass(slots=True, frozen=True)
class Pulled:
    """One frame to play. `level_dbov` is the sender's (RFC 6464) if it sent one, otherwise measured."""

    frame: Frame
    kind: Kind
    level_dbov: float
    media_time: int | None = None
    """Media time of the sample after this frame on the sender's unwrapped timestamps; never goes back."""


@dataclass(slots=True, frozen=True)
class ReceiverStats:
    """Counters since the start and present delays in seconds.

    packets_received = packets_played + packets_late + packets_duplicate + packets_discarded
    + packets_waiting, at any moment.
    Each pull is one of frames_played, frames_recovered, frames_concealed, frames_silent.
    """

    packets_received: int
    packets_played: int
    packets_late: int
    packets_duplicate: int
    packets_discarded: int
    packets_waiting: int
    packets_corrupt: int
    frames_played: int
    frames_concealed: int
    frames_recovered: int
    frames_silent: int
    samples_removed: int
    samples_inserted: int
    restarts: int
    target_delay: float
    playout_delay: float
    jitter: float


class Receiver:
    """One speaker's packets in, frames out. Delays in seconds. Never raises on what the network brings."""

    def __init__(
        self, *, min_delay: float = 0.020, max_delay: float = 0.080, decoder: Decoder | None = None
    ) -> None:
        self._delay = DelayEstimator(min_delay, max_delay)
        self._buffer = JitterBuffer(self._delay)
        self._decoder: Decoder = decoder if decoder is not None else OpusDecoder()
        self._pcm: Samples = np.zeros(0, dtype=np.float32)
        self._history: tuple[Samples, Samples] = (silence(), silence())
        """The last two frames."""
        self._invented = _FADE_END
        self._smooth_delay: float | None = None
        self._playout_delay = 0.0
        self._steering = 0
        self._level: float | None = None
        self._line: float | None = None
        """Monotonic time at which media time 0 would have been played, as of the last pull."""
        self._held: float | None = None
        """`_line` when the rest began."""
        self._lead_end: int | None = None
        """Media time up to which packets were pushed between `resume` and `lead_ends`."""
        self._amounts: dict[Kind, int] = {}
        self._frames: dict[Kind, int] = {"voice": 0, "fec": 0, "concealed": 0, "silence": 0}
        self._corrupt = 0
        self._removed = 0
        self._inserted = 0

    def push(
        self, sequence: int, timestamp: int, payload: bytes, now: float, level_dbov: float | None = None
    ) -> None:
        """Take one RTP packet's fields that arrived at monotonic `now`. Never raises for bad payloads."""
        try:
            if len(payload) > MAX_PAYLOAD_BYTES:
                raise Corrupt("a payload larger than any Opus packet")
            duration = packet_duration(payload)
        except Corrupt:
            self._corrupt += 1
            self._buffer.counts.received += 1
            self._buffer.counts.discarded += 1
            return
        self._buffer.insert(sequence & 0xFFFF, timestamp & 0xFFFFFFFF, duration, payload, level_dbov, now)

    def pull(self, now: float) -> Pulled:
        """The frame to play in the tick at monotonic `now`."""
        self._amounts = {}
        self._level = None
        if self._buffer.next_time is None and not self._begin(now):
            return self._deliver_silence()
        self._measure(now)
        self._fill(FRAME_SAMPLES, now)
        self._steer()
        pulled = self._deliver()
        self._line = now + FRAME_SECONDS - (self._next() - self._pcm.shape[0]) / SAMPLE_RATE
        return pulled

    def timestamp(self, media_time: int) -> int:
        """The RTP timestamp of a sample of the sender's, named by `Pulled.media_time`."""
        return (media_time - self._buffer.offset) & 0xFFFFFFFF

    # -- resting -------------------------------------------------------------------------------------------

    def rest(self) -> None:
        """The sender is silent: what waits is given up and counts as played; do not pull until `resume`."""
        self._buffer.rest()
        self._held, self._line = self._line or self._held, None
        self._pcm = self._pcm[:0]
        self._history = (silence(), silence())
        self._smooth_delay = None
        self._steering = 0

    def resume(self, now: float) -> None:
        """The rest is over. Push the last packets of the rest, the first of which arrived at `now`, with the
        times at which they came, then call `lead_ends`. What of them is due is played, the older ones
        only bring the decoder up to date."""
        self._decoder.reset()
        self._buffer.resume(now)

    def lead_ends(self) -> None:
        """All packets of the rest have been pushed; those that come now count."""
        self._lead_end = self._buffer.last_time

    # -- starting, measuring -------------------------------------------------------------------------------

    def _begin(self, now: float) -> bool:
        """Start so that the first sample is played exactly at the delay to start with."""
        if self._lead_end is not None:
            self._skip_lead(self._lead_end, now)
        packet = self._buffer.first()
        if packet is None:
            return False
        early = -self._late(packet, now)
        if early >= FRAME_SECONDS:
            return False
        self._buffer.next_time = packet.time
        lead = max(0, round(early * SAMPLE_RATE))
        if self._lead_end is not None and packet.time <= self._lead_end and early < 0.0:
            self._play(packet)
            self._pcm = self._pcm[round(-early * SAMPLE_RATE) :]
        self._lead_end = self._held = None
        if lead:
            self._append(np.zeros(min(lead, FRAME_SAMPLES - 1), dtype=np.float32), "silence")
        self._invented = 0
        return True

    def _skip_lead(self, end: int, now: float) -> None:
        """Passes over the packets of a rest whose time is over; the last ones make the decoder ready."""
        over: list[BufferedPacket] = []
        while (packet := self._buffer.first()) is not None and packet.time <= end:
            if self._late(packet, now) < packet.duration / SAMPLE_RATE:
                break
            over.append(packet)
            self._buffer.take(packet)
        for packet in over[-_WARM_UP:]:
            with contextlib.suppress(Corrupt):
                self._decoder.decode(packet.payload)

    def _late(self, packet: BufferedPacket, now: float) -> float:
        """Seconds since `packet` was to be played at the delay to start with."""
        return self._delay.relative(packet.time / SAMPLE_RATE, now) - self._start_delay()

    def _start_delay(self) -> float:
        """The target; after a rest the delay from before as long as it lies in the band around the target,
        so that pauses keep their length."""
        target = self._delay.setpoint
        if self._held is not None:
            before = self._held - self._delay.base
            if -_BAND_BELOW <= before - target <= _BAND_ABOVE:
                return before
        return target

    def _measure(self, now: float) -> None:
        """Playout delay: how long after its undisturbed arrival the next sample to decode will be played."""
        self._playout_delay = self._lag(self._next(), now)
        if self._smooth_delay is None:
            self._smooth_delay = self._playout_delay
        else:
            self._smooth_delay += (self._playout_delay - self._smooth_delay) / 8.0

    def _next(self) -> int:
        assert self._buffer.next_time is not None
        return self._buffer.next_time

    def _lag(self, time: int, now: float) -> float:
        """Playout delay of media time `time` if it came next after the samples already decoded."""
        return self._delay.relative((time - self._pcm.shape[0]) / SAMPLE_RATE, now)

    # -- filling -------------------------------------------------------------------------------------------

    def _fill(self, wanted: int, now: float) -> None:
        """Decode, recover or invent until `wanted` samples are there."""
        while (missing := wanted - self._pcm.shape[0]) > 0:
            packet = self._buffer.first()
            if packet is None:
                self._wait(missing, now)
            elif packet.time == self._next():
                self._play(packet)
            else:
                self._bridge(packet, missing, now)

    def _play(self, packet: BufferedPacket) -> None:
        try:
            samples = self._decoder.decode(packet.payload)
        except Corrupt:
            self._corrupt += 1
            self._buffer.take(packet, played=False)
            self._invent(packet.duration)
            self._buffer.next_time = packet.time + packet.duration
            return
        self._buffer.take(packet)
        if self._invented >= _FADE_END:
            samples = samples.copy()
            samples[: _FADE_IN.shape[0]] *= _FADE_IN[: samples.shape[0]]
        self._invented = 0
        self._append(samples, "voice")
        self._buffer.next_time = packet.time + samples.shape[0]
        if packet.level_dbov is not None:
            self._level = packet.level_dbov

    def _bridge(self, packet: BufferedPacket, missing: int, now: float) -> None:
        """A hole before `packet`: fill it in place, or end it if `packet` is due."""
        time = self._next()
        hole = packet.time - time
        early = self._delay.setpoint - self._lag(packet.time, now)
        if early <= _EARLY:
            self._buffer.next_time = packet.time
            return
        if hole <= packet.duration and self._invented < _FADE_END and has_fec(packet.payload):
            self._recover(packet, hole)
        else:
            hole = min(hole, missing, round(early * SAMPLE_RATE))
            self._invent(hole)
        self._buffer.next_time = time + hole

    def _recover(self, packet: BufferedPacket, hole: int) -> None:
        try:
            samples = self._decoder.recover(packet.payload, -(-hole // _STEP) * _STEP)
        except Corrupt:
            self._invent(hole)
            return
        self._invented = 0
        self._append(samples, "fec")

    def _wait(self, missing: int, now: float) -> None:
        """Nothing there: invent; media time waits as long as the delay may grow."""
        time = self._next()
        may_wait = self._lag(time, now) + missing / SAMPLE_RATE <= self._delay.limit + FRAME_SECONDS
        self._invent(missing)
        if not may_wait:
            self._buffer.next_time = time + missing

    def _invent(self, size: int) -> None:
        """At least `size` samples of concealment, fading out after 100 ms; then silence."""
        if self._invented >= _FADE_END:
            self._append(np.zeros(size, dtype=np.float32), "silence")
            return
        size = -(-size // _STEP) * _STEP
        try:
            samples = self._decoder.conceal(min(size, FRAME_SAMPLES))
        except Corrupt:
            samples = np.zeros(min(size, FRAME_SAMPLES), dtype=np.float32)
        start = self._invented
        self._invented += samples.shape[0]
        if self._invented > _FADE_START:
            position = start + np.arange(samples.shape[0])
            fade = np.clip((_FADE_END - position) / (_FADE_END - _FADE_START), 0.0, 1.0)
            samples = samples * fade.astype(np.float32)
        if self._invented >= _FADE_END:
            self._decoder.reset()
        self._append(samples, "concealed")

    def _append(self, samples: Samples, kind: Kind) -> None:
        self._amounts[kind] = self._amounts.get(kind, 0) + samples.shape[0]
        self._pcm = np.concatenate((self._pcm, samples)) if self._pcm.shape[0] else samples

    # -- steering ------------------------------------------------------------------------------------------

    def _steer(self) -> None:
        """Take a period out or put one in once the delay has left its band, until it is near the target."""
        if self._amounts.keys() - {"voice"} or self._smooth_delay is None:
            return
        excess = self._smooth_delay - self._delay.setpoint
        if excess > _BAND_ABOVE:
            self._steering = 1
        elif excess < -_BAND_BELOW:
            self._steering = -1
        elif abs(excess) < _CLOSE_ENOUGH or excess * self._steering < 0:
            self._steering = 0
        if self._steering > 0:
            self._hurry(round((excess + _OVERSHOOT_BELOW) * SAMPLE_RATE), force=excess > _FORCE_ABOVE)
        elif self._steering < 0:
            self._stretch(round((_OVERSHOOT_ABOVE - excess) * SAMPLE_RATE))

    def _hurry(self, at_most: int, *, force: bool) -> None:
        packet = self._buffer.first()
        if packet is None or packet.time != self._next():
            return
        self._play(packet)
        shorter, removed = time_scale.accelerate(self._pcm, at_most=at_most, force=force)
        if removed and shorter.shape[0] >= FRAME_SAMPLES:
            self._pcm = shorter
            self._removed += removed
            self._shift(-removed)

    def _stretch(self, at_most: int) -> None:
        longer, inserted = time_scale.expand(np.concatenate(self._history), self._pcm, at_most=at_most)
        if inserted:
            self._pcm = longer
            self._inserted += inserted
            self._shift(inserted)

    def _shift(self, samples: int) -> None:
        assert self._smooth_delay is not None
        self._smooth_delay += samples / SAMPLE_RATE

    # -- delivering ----------------------------------------------------------------------------------------

    def _deliver(self) -> Pulled:
        frame: Frame = self._pcm[:FRAME_SAMPLES]
        self._pcm = self._pcm[FRAME_SAMPLES:]
        kind: Kind = max(self._amounts, key=self._amounts.__getitem__) if self._amounts else "voice"
        self._frames[kind] += 1
        if kind == "silence" and len(self._amounts) == 1:
            frame = silence() if not frame.any() else frame
            level = SILENT_DBOV
        else:
            level = self._level if self._level is not None else level_dbov(frame)
        self._history = (self._history[1], frame)
        return Pulled(frame, kind, level, self._next() - self._pcm.shape[0])

    def _deliver_silence(self) -> Pulled:
        self._frames["silence"] += 1
        return Pulled(silence(), "silence", SILENT_DBOV)

    @property
    def stats(self) -> ReceiverStats:
        """Counters and delays as of the last call."""
        counts = self._buffer.counts
        return ReceiverStats(
            packets_received=counts.received,
            packets_played=counts.played,
            packets_late=counts.late,
            packets_duplicate=counts.duplicate,
            packets_discarded=counts.discarded,
            packets_waiting=len(self._buffer),
            packets_corrupt=self._corrupt,
            frames_played=self._frames["voice"],
            frames_concealed=self._frames["concealed"],
            frames_recovered=self._frames["fec"],
            frames_silent=self._frames["silence"],
            samples_removed=self._removed,
            samples_inserted=self._inserted,
            restarts=counts.restarts,
            target_delay=self._delay.target,
            playout_delay=self._playout_delay,
            jitter=self._delay.jitter,
        )

    def close(self) -> None:
        """Free the decoder."""
        self._decoder.close()
