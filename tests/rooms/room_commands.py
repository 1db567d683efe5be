"""Random walks through a room for property tests. Each step is a number, read against the room as it is,
so that commands meet what is there; a small number is a simple step, which is what Hypothesis shrinks to."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from hypothesis import strategies as st

from hustings.rooms import commands as c
from hustings.rooms.model import CONDUCTING, Details, Role, Room, Topic
from hustings.rooms.table import SeatState

START = 1_790_000_000.0
LISTENERS = ("d1", "d2", "d3")
"""Participants' identifiers of listeners' devices: the same person asks again and again."""
MARKS = ("m1", "m2", "m3")
VOICES = 3
TOPICS = tuple(Topic(f"t{n}", f"Topic {n}") for n in range(3))

codes = st.integers(0, 2**32 - 1)


class Reader:
    """Takes one choice after the other from a number."""

    def __init__(self, code: int, room: Room, step: int) -> None:
        self._code = code
        self.room = room
        self.step = step
        self.at = START + step

    def one[T](self, options: Sequence[T]) -> T:
        self._code, index = divmod(self._code, len(options))
        return options[index]

    def flag(self) -> bool:
        return self.one((False, True))

    def _of(self, known: Iterable[str]) -> str:
        return self.one([*known, "unknown"])

    def person(self) -> str:
        return self._of(self.room.participants)

    def brought_up(self) -> str:
        people = self.room.participants.values()
        there = [p.id for p in people if self.room.invitations[p.invitation_id].request_id]
        return self._of(there or self.room.participants)

    def called(self) -> str:
        offers = [i.id for i in self.room.invitations.values() if i.request_id]
        return self._of(offers[-3:] or self.room.invitations)

    def waiting(self) -> str:
        waiting = [p.id for p in self.room.participants.values() if p.state is SeatState.WAITING]
        return self._of(waiting or self.room.participants)

    def conducting(self) -> str:
        return self._of(p.id for p in self.room.participants.values() if p.role in CONDUCTING)

    def invitation(self) -> str:
        return self._of(self.room.invitations)

    def request(self) -> str:
        return self._of(self.room.requests)

    def marks(self) -> frozenset[str]:
        return frozenset() if self.one((True, True, False)) else frozenset({self.one(MARKS)})

    def expires(self) -> float | None:
        return self.one((None, None, self.at + 10))

    def details(self) -> Details:
        return Details(
            title=self.one(("T", "\N{ARABIC LETTER ALEF}\N{COMBINING ACUTE ACCENT}", "<script>")),
            topics=TOPICS[: self.one((3, 2, 0))],
            green_room=self.one((True, True, False)),
            hands=self.one((True, True, False)),
            queue_by_talk=self.flag(),
            turn_seconds=self.one((None, 60)),
            recording=self.one((True, True, False)),
            opens_itself=self.flag(),
            starts_itself=self.flag(),
            figures=self.one(("all", "all", "hosts")),
        )


type Make = Callable[[Reader], c.Command]

# The more often one stands here, the more often it is tried.
_MAKE: list[Make] = [
    *[lambda r: c.Connect(r.invitation(), r.at, r.marks(), VOICES)] * 8,
    *[lambda r: c.Connect(r.called(), r.at, frozenset(), VOICES)] * 3,
    *[
        lambda r: c.Invite(
            f"i{r.step}", f"p{r.step}", "N", r.one(list(Role)), r.flag(), r.at, r.expires(), r.one(("", "a"))
        )
    ]
    * 2,
    *[lambda r: c.OpenDoors(f"b{r.step}", r.at)] * 2,
    lambda r: c.GoLive(r.at),
    lambda r: c.Pause(r.at),
    lambda r: c.Resume(r.at),
    lambda r: c.TakeUpAgain(r.at),
    lambda r: c.Stop(r.at, next_at=r.one((None, r.at + 600))),
    lambda r: c.Edit(r.details(), r.at),
    lambda r: c.Schedule(r.one((None, r.at + 600)), r.one(("", "Europe/Berlin")), r.flag(), r.at),
    lambda r: c.Cancel(r.at),
    *[lambda r: c.MoveOn(r.one((r.room.scheduled_at or 0.0, r.at + 5)), r.at + 900, r.at)] * 4,
    lambda r: c.OpenDoors(f"b{r.step}", r.at, due=r.room.scheduled_at),
    lambda r: c.GoLive(r.at, due=r.room.broadcast.starts_at if r.room.broadcast else r.at),
    lambda r: c.Lock(r.flag(), r.at),
    lambda r: c.BeginTopic(r.one(("", "t0", "t1", "t2", "t9")), r.at),
    *[lambda r: c.OffRecord(r.flag(), r.at)] * 2,
    *[lambda r: c.AgreeToRecording(r.invitation(), r.one((True, True, False)), r.at)] * 2,
    lambda r: c.SeeInvitation(r.invitation(), r.at),
    *[lambda r: c.AcceptInvitation(r.invitation(), r.at)] * 2,
    lambda r: c.DeclineInvitation(r.invitation(), r.at),
    lambda r: c.WithdrawInvitation(r.invitation(), r.at),
    lambda r: c.ExpireInvitation(r.invitation(), r.at),
    lambda r: c.SayWord(r.invitation(), r.one(("", "Yes!")), r.one((None, r.at + 99)), r.at),
    *[lambda r: c.Admit(r.waiting(), r.at, VOICES)] * 3,
    *[lambda r: c.SendBack(r.person(), r.at)] * 2,
    *[lambda r: c.Lapse(r.brought_up(), r.at, r.at + 99)] * 8,
    lambda r: c.Remove(r.person(), r.at, r.flag(), r.marks()),
    lambda r: c.Remove(r.one(LISTENERS), r.at, r.flag(), r.marks()),
    *[lambda r: c.LiftBan(r._of(ban.participant_id for ban in r.room.bans), r.at)] * 2,
    *[lambda r: c.TalkAside(r.conducting(), r.one((r.waiting(), r.waiting(), "")), r.at)] * 5,
    *[lambda r: c.ChangeRole(r.person(), r.one(list(Role)), r.at)] * 2,
    *[lambda r: c.HandOver(r.person(), r.at)] * 2,
    *[lambda r: c.SetClock(r.person(), r.one((60, 0)), r.at)] * 2,
    *[lambda r: c.AskToSpeak(f"q{r.step}", r.one(LISTENERS), "L", r.at, 0.0, r.marks())] * 3,
    *[lambda r: c.LowerHand(r.request(), r.at)] * 2,
    *[lambda r: c.BringUp(r.request(), f"i{r.step}", r.at, r.expires(), VOICES)] * 3,
    *[lambda r: c.MuteSelf(r.person(), r.flag(), r.at)] * 2,
    *[lambda r: c.MuteOther(r.person(), r.one((True, True, False)), r.at)] * 2,
]


def command_from(code: int, room: Room, step: int) -> c.Command:
    """What the number `code` asks of `room` at second `step`; new members get identifiers of the step."""
    reader = Reader(code, room, step)
    return reader.one(_MAKE)(reader)


OPENING: list[c.Command] = [
    c.Invite("i-h", "p-h", "Host", Role.HOST, True, START, account_id="a"),
    c.Invite("i-g", "p-g", "Guest", Role.SPEAKER, True, START),
    c.OpenDoors("b-0", START),
    c.Connect("i-h", START, voices=VOICES),
    c.Connect("i-g", START, voices=VOICES),
    c.GoLive(START),
]
"""Where many walks begin: random commands alone seldom come this far."""
BROUGHT_UP: list[c.Command] = [
    *OPENING,
    c.AskToSpeak("q-l", LISTENERS[0], "L", START),
    c.BringUp("q-l", "i-l", START, None, VOICES),
    c.Connect("i-l", START, voices=VOICES),
]
WEEKLY: list[c.Command] = [*OPENING[:2], c.Schedule(START + 60, "Europe/Berlin", True, START)]
openings = st.sampled_from([*(OPENING[:n] for n in (0, 3, 4, 5, 6)), BROUGHT_UP, WEEKLY])
