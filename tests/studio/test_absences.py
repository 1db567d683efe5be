"""Who was brought up and has gone away: the seat goes back after a minute, and not before."""

from __future__ import annotations

import sys
from pathlib import Path

from hustings.bus.messages import StageReport
from hustings.clock import FakeClock
from hustings.rooms import commands as c
from hustings.rooms.decide import decide
from hustings.rooms.events import apply
from hustings.rooms.model import ABSENT_SECONDS, Role, Room
from hustings.rooms.table import InvitationState, RoomStatus, SeatState
from hustings.studio import news
from hustings.studio.absences import LOOKING, Absences
from hustings.studio.feed import News

sys.path.insert(0, str(Path(__file__).parents[1] / "rooms"))
from room_support import after, room_in, with_host, with_person
from test_feed import seat


class Hall:
    """A live room: a host, an invited speaker, and p1, who was brought up."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        at = self.clock.wall()
        room = with_person(with_host(room_in(RoomStatus.LIVE)), 2, InvitationState.ACCEPTED, SeatState.SEATED)
        asked = c.AskToSpeak("q1", "p1", "Eve", at - 9)
        self.room = after(room, asked, c.BringUp("q1", "i1", at - 8), c.Connect("i1", at - 7))
        self.done: list[c.Command] = []
        self.told: list[News] = []
        self.absences = Absences(self.execute, self.clock)

    async def execute(self, slug: str, command: c.Command) -> Room:
        assert slug == self.room.slug
        events = decide(self.room, command)
        before, self.room = self.room, apply(self.room, events)
        self.told += news.tell(self.room, events, before).private
        self.done.append(command)
        return self.room

    async def wait(self, seconds: float, *connected: str, stage: str = "s", silent: bool = False) -> None:
        """The stage reports each second, and the studio looks now and then."""
        assert self.room.broadcast is not None
        for second in range(round(seconds)):
            self.clock.advance(1.0)
            seats = [seat(person, connected=person in connected) for person in ("p9", "p2", "p1")]
            report = StageReport(
                broadcast_id=self.room.broadcast.id,
                slug=self.room.slug,
                stage_id=stage,
                live=True,
                media_time=0,
                seats=seats,
            )
            if not silent:
                self.absences.stage_reported(report, self.room)
            if second % round(LOOKING) == 0:
                await self.absences.look()

    def state(self) -> SeatState:
        return self.room.participants["p1"].state


async def test_a_seat_goes_back_after_a_minute_and_hosts_are_told() -> None:
    hall = Hall()
    await hall.wait(600, "p9", "p2", "p1")
    await hall.wait(ABSENT_SECONDS - 1, "p9", "p2")
    assert hall.state() is SeatState.SEATED
    await hall.wait(LOOKING + 2, "p9", "p2")
    assert hall.state() is SeatState.VACANT
    assert [(each.kind, each.data) for each in hall.told if each.kind == "lapsed"] == [
        ("lapsed", {"id": "p1", "name": "Eve"})
    ]
    await hall.wait(300, "p9", "p2")
    assert len(hall.done) == 1, "once"


async def test_who_was_invited_keeps_the_seat() -> None:
    hall = Hall()
    await hall.wait(3 * ABSENT_SECONDS, "p1")
    assert hall.done == []
    assert hall.room.participants["p2"].state is SeatState.SEATED


async def test_whoever_is_back_in_time_begins_anew() -> None:
    hall = Hall()
    for _ in range(3):
        await hall.wait(ABSENT_SECONDS - 2, "p9")
        await hall.wait(1, "p9", "p1")
    assert hall.done == []
    assert hall.state() is SeatState.SEATED


async def test_nobodys_time_runs_while_the_stage_is_silent_or_has_begun_anew() -> None:
    hall = Hall()
    await hall.wait(ABSENT_SECONDS - 5, "p9")
    await hall.wait(120, silent=True)
    await hall.wait(ABSENT_SECONDS - 5, "p9")
    await hall.wait(ABSENT_SECONDS - 5, "p9", stage="another")
    assert hall.done == []
    await hall.wait(LOOKING + 6, "p9", stage="another")
    assert hall.state() is SeatState.VACANT


async def test_whom_a_host_made_cohost_stays() -> None:
    hall = Hall()
    hall.room = after(hall.room, c.ChangeRole("p1", Role.COHOST, hall.clock.wall()))
    await hall.wait(3 * ABSENT_SECONDS, "p9")
    assert hall.done == []
    assert hall.state() is SeatState.SEATED
