"""Who is on air, and what each participant's return holds. Pure: decided anew in every tick from where
everybody sits, so that a move between places is one tick's decision for all ears at once.

| seat | in the program | its return |
|---|---|---|
| stage | yes | the mix without itself |
| green room | no | the program; silence before live |
| host who talks aside with one in the green room | no | that one's voice, the mix 15 dB lower |
| the one talked with | no | the host's voice, the program 15 dB lower; before live the host's voice alone |
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from hustings.audio.frame import FRAME_SAMPLES, Samples, silence
from hustings.stage.seat import Seat

UNDER_TALK = 10.0 ** (-15.0 / 20.0)
"""Gain of the program under a talk off air."""
_RAMP = FRAME_SAMPLES // 2
"""Samples of a change, 10 ms: short enough to be at once, long enough not to click."""
_HELD = 1
"""Further ticks a return stays private after a change: the encoder's look-ahead (6.5 ms) still holds the
end of the change."""

FADE_IN: Samples = np.ones(FRAME_SAMPLES, dtype=np.float32)
FADE_IN[:_RAMP] = np.sin(np.pi / 2 * np.arange(_RAMP) / _RAMP) ** 2
FADE_OUT: Samples = np.float32(1.0) - FADE_IN


class Hears(NamedTuple):
    """What a return holds besides: the mix at a gain, and the voice of `partner` ("" for nobody)."""

    program: float
    partner: str


STAGE = Hears(1.0, "")
NOTHING = Hears(0.0, "")


class Feed(NamedTuple):
    """One tick of a private return: the mix goes from one gain to another, `added` comes on top."""

    program: tuple[float, float]
    added: Samples | None
    afresh: bool
    """The listener's decoder has heard silence until now, not the program."""


def on_air(seat: Seat, seats: Mapping[str, Seat]) -> bool:
    """Whether the audience may hear `seat`. Who is said to talk aside is off air even while the other is
    not there; with somebody who sits on the stage nobody talks aside."""
    if seat.place != "stage":
        return False
    if not seat.aside:
        return True
    guest = seats.get(seat.aside)
    return guest is not None and guest.place == "stage"


def partner(seat: Seat, seats: Mapping[str, Seat]) -> str:
    """With whom `seat` talks off air now: both sides must say so, and the other must be connected."""
    other = seats.get(seat.aside) if seat.aside else None
    if other is None or other.aside != seat.participant_id or not other.connected:
        return ""
    return other.participant_id if other.place != seat.place else ""


def hears(seat: Seat, seats: Mapping[str, Seat], live: bool) -> Hears:
    """What belongs into the seat's return."""
    if seat.place == "stage" and not seat.aside:
        return STAGE
    # Who waits never hears what is said behind closed doors.
    mix = 1.0 if live or seat.place == "stage" else 0.0
    other = partner(seat, seats)
    return Hears(mix * UNDER_TALK, other) if other else Hears(mix, "")


class Ear:
    """A seat's return over time: follows what it should hold, one ramp at a time."""

    def __init__(self, first: Hears) -> None:
        self.now = first
        """What the return held at the end of the last tick."""
        self._fresh = True
        self._held = 0
        self._silent = False
        """The last packet was silence, not the program."""

    @property
    def plain(self) -> bool:
        """The mix without itself was all it held, for longer than a change takes: `feed` would give None."""
        return self.now is STAGE and not (self._held or self._fresh)

    @property
    def silent(self) -> bool:
        """Whether silence is due, as long as `feed` gives None."""
        return self._silent

    def feed(self, wanted: Hears, voices: Mapping[str, Samples], moved: bool) -> Feed | None:
        """This tick of the return; None: nothing special, the program's packet (or silence, see `silent`).

        `voices`: frames of those who talk off air. `moved`: the seat goes on or off air in this tick.
        """
        before, self.now = self.now, wanted
        if before != wanted or moved:
            self._held = _HELD + 1
        if self._held == 0 and not wanted.partner and wanted.program in (0.0, 1.0):
            self._silent = wanted == NOTHING
            self._fresh = False
            return None
        self._held = max(0, self._held - 1)
        afresh = self._silent or self._fresh
        self._silent = self._fresh = False
        added = _added(voices, before.partner, wanted.partner)
        return Feed((before.program, wanted.program), added, afresh)


def _added(voices: Mapping[str, Samples], before: str, after: str) -> Samples | None:
    """The partner's voice, faded when it is another than in the tick before."""
    new, old = voices.get(after), voices.get(before)
    if before == after or (new is None and old is None):
        return new
    leaving = old * FADE_OUT if old is not None else silence()
    return leaving + new * FADE_IN if new is not None else leaving


def change(before: float, after: float, delay: int) -> Samples:
    """Gain of each sample of a frame that lags `delay` samples behind what changes."""
    curve = np.full(FRAME_SAMPLES, after, dtype=np.float32)
    curve[:delay] = before
    curve[delay : delay + _RAMP] = before + (after - before) * FADE_IN[:_RAMP]
    return curve
