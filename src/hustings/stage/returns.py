"""Who hears which encode.

Everybody who is silent gets one shared encode, which is the program's own. Whoever talks gets a private
encode of the mix without himself. The private sound is brought to the same gain and delay as the program
and its encoder takes over the program encoder's state, so a decoder that is moved from one to the other
notices nothing; on the way back the program's next packet is made independent of its history.

Whoever reports that packets do not reach him gets in-band error correction: a talker in his own encode, all
others (and those who listen by WHEP) in one more encode of the program that they share. The audience's
encode stays as it is: TCP loses nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray
from prometheus_client import Gauge, Histogram

from hustings.audio.expected_loss import ExpectedLoss
from hustings.audio.frame import FRAME_SAMPLES, Frame, Samples
from hustings.audio.opus import OpusEncoder
from hustings.stage.places import Feed, change

PRIVATE_LINGERS = 2.0
"""Seconds a return stays private after its owner was last heard in the mix."""
AUDIBLE_MEAN_SQUARE = 1e-6
"""-60 dBov: a seat whose frame is louder would hear itself in the shared encode."""
COMPLEXITY = 4
"""5 looks for a pitch to filter by, which takes half as much time again and at 64 kbit/s changes nothing that
can be measured (docs/stage.md)."""
TUMULT = 4
"""Private encodes at once above which each gets less work."""
CEILING = 0.89
"""Linear peak that a return feed does not exceed: -1 dB."""

_far = Histogram(
    "hustings_stage_far_loss_share",
    "Share of the packets sent to somebody that did not reach him, as he reports it.",
    buckets=(0.0, 0.01, 0.03, 0.1, 0.2, 0.3, 0.5),
)
_protected = Gauge(
    "hustings_stage_protected_sessions",
    "Sessions that are sent in-band error correction, having reported loss.",
)


class Returns:
    """The encoders of one broadcast. `delay`: samples by which the program lags the mix (its limiter)."""

    def __init__(self, bitrate: int, delay: int) -> None:
        self._bitrate = bitrate
        self._delay = delay
        self._shared = self._new_encoder()
        self._private: dict[str, OpusEncoder] = {}
        self._on_private: set[str] = set()
        self._gains: dict[str, float] = {}
        self._previous_total: Samples = np.zeros(FRAME_SAMPLES, dtype=np.float32)
        self._losses: dict[str, ExpectedLoss] = {}
        """By key, of all who have reported."""
        self._robust: OpusEncoder | None = None
        self._on_robust: set[str] = set()
        self.robust: dict[str, bytes] = {}
        """As of the last tick: the program's packet for those who report loss and have no private encode."""

    def far(self, key: str, lost: float) -> None:
        """The session behind `key` says that this share of what it was sent did not arrive, 0..1."""
        _far.observe(lost)
        loss = self._losses.setdefault(key, ExpectedLoss())
        before = loss.percent
        if not loss.take(lost):
            return
        _protected.inc(bool(loss.percent) - bool(before))
        if key in self._on_private:
            self._private[key].protect(loss.percent)
        elif self._robust is not None and loss.percent:
            self._robust.protect(self._most_lost())

    def _most_lost(self) -> int:
        return max((loss.percent for loss in self._losses.values()), default=0)

    def _percent(self, key: str) -> int:
        loss = self._losses.get(key)
        return loss.percent if loss else 0

    @property
    def lookahead(self) -> int:
        """The program encoder's delay in samples (pre-skip)."""
        return self._shared.lookahead

    @property
    def private(self) -> frozenset[str]:
        """Keys of those who have a private encode now."""
        return frozenset(self._on_private)

    def begin_program(self) -> None:
        """The broadcast goes live: the program's packets must hold nothing of what was said before."""
        self._shared.reset()
        if self._robust is not None:
            self._robust.reset()

    def encode(
        self,
        program: Frame,
        total: Frame,
        talking: list[str],
        own: NDArray[np.float32],
        own_before: NDArray[np.float32],
        feeds: Mapping[str, Feed] = MappingProxyType({}),
    ) -> tuple[bytes, dict[str, bytes]]:
        """One tick: the program's packet and the private packets by key.

        `program`: limited mix, lagging by `delay`. `total`: the mix before limiting. `talking`: keys of
        those who need a private return; `own`, `own_before`: what each of them put into `total` now and
        in the tick before, shape (len(talking), 960). `feeds`: what else belongs into some of these returns.
        """
        joining = [key for key in talking if key not in self._on_private]
        for key in joining:
            encoder = self._private.get(key) or self._new_encoder()
            if key in feeds and feeds[key].afresh:
                encoder.reset()
            else:  # before the shared encoder moves on: both decoders are in this state now
                encoder.continue_from(
                    self._robust if self._robust and key in self._on_robust else self._shared
                )
            encoder.protect(self._percent(key))
            self._private[key] = encoder
            self._gains[key] = 1.0
        if self._on_private.difference(talking):
            self._independent()
        if joining or len(talking) != len(self._on_private):
            for key in talking:
                self._private[key].tune(*self._private_quality(len(talking)))
        self._on_private = set(talking)
        self._encode_robust(program)
        shared = self._shared.encode(program)
        packets: dict[str, bytes] = {}
        if talking:
            split = FRAME_SAMPLES - self._delay
            minus = np.empty_like(own)
            minus[:, : self._delay] = self._previous_total[split:] - own_before[:, split:]
            minus[:, self._delay :] = total[:split] - own[:, :split]
            for key, row in zip(talking, minus, strict=True):
                if key in feeds:
                    self._blend(row, feeds[key])
            self._limit(talking, minus)
            for key, row in zip(talking, minus, strict=True):
                packets[key] = self._private[key].encode(row)
        self._previous_total = total
        return shared, packets

    def _encode_robust(self, program: Frame) -> None:
        """The program once more, for those who report loss; before the shared encoder moves on."""
        wanted = {key for key, loss in self._losses.items() if loss.percent} - self._on_private
        if self._robust is None and wanted:
            self._robust = self._new_encoder()
            self._robust.continue_from(self._shared)
            self._robust.protect(self._most_lost())
        elif wanted != self._on_robust:
            self._independent()
        self._on_robust = wanted
        if not wanted and self._robust is not None:
            self._robust.close()
            self._robust = None
        packet = self._robust.encode(program) if self._robust is not None else b""
        self.robust = dict.fromkeys(wanted, packet)

    def _independent(self) -> None:
        """Somebody hears another encoder than so far: the next packets lean on nothing he has not heard."""
        self._shared.disable_prediction_once()
        if self._robust is not None:
            self._robust.disable_prediction_once()

    def forget(self, key: str) -> None:
        """The session behind `key` is gone."""
        _protected.dec(bool(self._percent(key)))
        self._losses.pop(key, None)
        self._on_robust.discard(key)
        self._on_private.discard(key)
        self._gains.pop(key, None)
        encoder = self._private.pop(key, None)
        if encoder is not None:
            encoder.close()

    def close(self) -> None:
        """Frees all encoders."""
        for key in list(self._private):
            self.forget(key)
        for key in list(self._losses):
            self.forget(key)
        if self._robust is not None:
            self._robust.close()
        self._shared.close()

    def _blend(self, row: Frame, feed: Feed) -> None:
        """Brings the mix in `row` to its gain and adds what was added to it, in place."""
        before, after = feed.program
        if before != after:
            row *= change(before, after, self._delay)
        elif after != 1.0:
            row *= np.float32(after)
        if feed.added is not None:
            row += feed.added

    def _limit(self, keys: list[str], rows: NDArray[np.float32]) -> None:
        """Keeps each row under the ceiling in place: gain falls over 1 ms, recovers over about 0.4 s."""
        peaks = np.maximum(rows.max(axis=1), -rows.min(axis=1)).tolist()
        for index, (key, peak) in enumerate(zip(keys, peaks, strict=True)):
            before = self._gains[key]
            if before == 1.0 and peak <= CEILING:
                continue
            after = min(
                before + 0.05 * (1.0 - before) + 0.001, 1.0, CEILING / peak if peak > CEILING else 1.0
            )
            ramp = np.full(FRAME_SAMPLES, after, dtype=np.float32)
            ramp[:48] = np.linspace(before, after, 48, dtype=np.float32)
            rows[index] *= ramp
            np.clip(rows[index], -CEILING, CEILING, out=rows[index])
            self._gains[key] = after

    def _private_quality(self, talking: int) -> tuple[int, int]:
        """Bit rate and complexity of private encodes: the program's own, but in a tumult, where nobody
        can tell, half the work."""
        return (self._bitrate, COMPLEXITY) if talking <= TUMULT else (min(self._bitrate, 32_000), 2)

    def _new_encoder(self) -> OpusEncoder:
        # One kind for all: only then can one encoder continue from another.
        return OpusEncoder(self._bitrate, application="audio", complexity=COMPLEXITY, fec=False)
