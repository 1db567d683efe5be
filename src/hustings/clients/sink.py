"""Where all doors put what they receive: counts, decodes onto the timeline, models a player."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from hustings.clients.delivered import SAMPLE_RATE, Ages, Listened, PlayerModel, Samples, Timeline, WavWriter
from hustings.clock import Clock

PREBUFFER = 0.4
"""Seconds in hand before the model player starts: an MSE player stalls once with less than 0.35."""
BACKLOG = 0.05
"""What comes this soon after the first piece was kept ready for the joiner: old on purpose."""

type Hearing = Callable[[float, int, Samples], None]
"""Called with monotonic now, media_time and the samples that have just become available."""


class Sink:
    """One listener's ear. `close` before `result`."""

    def __init__(
        self,
        clock: Clock,
        *,
        out: Path | None = None,
        keep: bool = False,
        prebuffer: float = PREBUFFER,
        hearing: Hearing | None = None,
    ) -> None:
        """`out` gets a WAV; `keep` holds the sound in memory; `hearing` is told of every piece."""
        self.clock = clock
        self._wav = WavWriter(out) if out is not None else None
        self.timeline = Timeline(self._wav, keep=keep)
        self.ages = Ages()
        self.player = PlayerModel(prebuffer)
        self.result = Listened()
        self._hearing = hearing
        self._began = clock.monotonic()
        self._burst_until: float | None = None

    def connected(self) -> None:
        """A (new) connection begins: its first pieces are backlog, not delivery."""
        self._burst_until = None

    def received(self, count: int) -> None:
        """Bytes off the wire."""
        self.result.bytes += count

    def heard(self, media_time: int, samples: Samples, left_mixer: float | None = None) -> None:
        """Decoded sound arrived now; `left_mixer`: wall clock when its first sample left the mixer."""
        now = self.clock.monotonic()
        if self.result.seconds_to_first_audio is None:
            self.result.seconds_to_first_audio = round(now - self._began, 4)
        if self._burst_until is None:
            self._burst_until = now + BACKLOG
        if left_mixer is not None and now >= self._burst_until:
            self.ages.add(self.clock.wall() - left_mixer)
        before = self.timeline.seconds
        self.timeline.place(media_time, samples)
        new = self.timeline.seconds - before
        if new > 0:
            self.player.received(now, new)
        if self._hearing is not None:
            self._hearing(now, media_time, samples)

    def close(self) -> Listened:
        """Ends the WAV and sums up."""
        if self._wav is not None:
            self._wav.close()
        result, timeline = self.result, self.timeline
        result.seconds = round(timeline.seconds - timeline.gap_samples / SAMPLE_RATE, 3)
        result.gaps += timeline.gaps
        result.repeated += timeline.repeated
        result.stalls += self.player.stalls
        result.latency_ms_p50 = self.ages.percentile_ms(50)
        result.latency_ms_p95 = self.ages.percentile_ms(95)
        return result
