"""What of a tick is to be recorded: decided here, in the tick, where it is known who is on air. Pure.

The tick only gathers what came; parsing, ordering and writing are the recorder's.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from hustings.audio.frame import FRAME_SAMPLES, Frame
from hustings.audio.level import SILENT_DBOV, level_dbov
from hustings.cmaf.ogg_track import Cause
from hustings.stage.seat import Seat


@dataclass(frozen=True, slots=True)
class Policy:
    """How a broadcast is recorded. `consents`: the participants who have agreed."""

    on: bool = False
    off_record: bool = False
    consents: frozenset[str] = frozenset()


class SeatTick(NamedTuple):
    """One seat in one tick. `cause`: why its `packets` (RTP, as they came) are not to be written, or None.

    `played`: (SSRC, RTP timestamp) of the sender's sample that is heard at the end of the tick; None when
    nothing was. `level`: dBov. `missed`: packets received beyond what a tick gathers.
    """

    participant_id: str
    name: str
    cause: Cause | None
    connected: bool
    level_id: int
    played: tuple[int, int] | None
    level: int
    packets: list[bytes]
    missed: int


class TickRecord(NamedTuple):
    """20 ms of a broadcast, from `media_time` on. `blocked`: why the program is not to be written, or None.

    `heard_at`: the media time at which the samples named by `played` leave the mixer.
    """

    media_time: int
    wall_clock: float
    blocked: Cause | None
    waiting: bool
    """Somebody on air has not agreed."""
    level: int
    heard_at: int
    seats: list[SeatTick]


class Tap:
    """One broadcast's. `lag`: samples by which the program lags the mix (the limiter's look-ahead)."""

    def __init__(self, lag: int) -> None:
        self.policy = Policy()
        self._lag = lag
        self._begun = False
        self._live = False
        self._causes: dict[str, Cause | None] = {}

    def take(
        self, seats: Iterable[Seat], live: bool, media_time: int, wall: float, program: Frame
    ) -> TickRecord | None:
        """The tick's record; None while nothing is recorded. Empties what the seats have gathered.

        A packet is written when its seat might be heard at the tick before it came and at the one after.
        """
        policy = self.policy
        was_live, self._live = self._live, live
        self._begun = self._begun or (live and policy.on)
        # What came before the first live tick was said behind closed doors.
        if not (was_live and self._begun):
            for seat in seats:
                if seat.gathered:
                    seat.gather()
            return None
        found: list[SeatTick] = []
        waiting = False
        for seat in seats:
            packets, missed = seat.gather() if seat.gathered else ([], 0)
            if not seat.session_id and not packets:
                self._causes.pop(seat.participant_id, None)
                continue
            now = self._cause(seat)
            waiting = waiting or (now == "no_consent" and seat.connected)
            before = self._causes.get(seat.participant_id, now)
            self._causes[seat.participant_id] = now
            cause = now or before
            level = round(SILENT_DBOV) if cause else seat.level(1)
            found.append(
                SeatTick(
                    seat.participant_id,
                    seat.name,
                    cause,
                    seat.connected,
                    seat.level_id,
                    seat.played,
                    level,
                    packets,
                    missed,
                )
            )
        blocked: Cause | None = None
        if not policy.on:
            blocked = "off"
        elif policy.off_record:
            blocked = "off_record"
        elif waiting:
            blocked = "no_consent"
        level = round(SILENT_DBOV) if blocked else round(level_dbov(program))
        heard_at = media_time + FRAME_SAMPLES + self._lag
        return TickRecord(media_time, wall, blocked, waiting, level, heard_at, found)

    def _cause(self, seat: Seat) -> Cause | None:
        if not self.policy.on:
            return "off"
        if self.policy.off_record:
            return "off_record"
        if not seat.on_air:
            return "off_stage"
        if seat.muted:
            return "muted"
        return None if seat.participant_id in self.policy.consents else "no_consent"
