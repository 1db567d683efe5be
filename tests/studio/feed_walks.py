"""Random lives of a room, as the studio sees them: commands, reports, listeners, questions, time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from hypothesis import strategies as st

from hustings.bus.messages import AudienceReport, Message, RoomEvent, SeatReport, StageReport
from hustings.clock import FakeClock
from hustings.config import Settings
from hustings.rooms import commands as c
from hustings.rooms.decide import decide
from hustings.rooms.errors import RoomError
from hustings.rooms.events import apply
from hustings.rooms.model import Details, Link, Role, Room, Topic
from hustings.rooms.table import RoomStatus
from hustings.studio import public
from hustings.studio.board import Board
from hustings.studio.feed import RoomFeed
from hustings.studio.feeds import Feeds
from hustings.studio.urls import Urls

SLUG = "town-hall"
AT = 1_790_000_000.0

number = st.sampled_from("1234")
invitation = number.map(lambda n: f"i{n}")
participant = number.map(lambda n: f"p{n}")
request = number.map(lambda n: f"q{n}")
topics = st.lists(st.sampled_from("abcd"), unique=True, max_size=3).map(
    lambda ids: tuple(Topic(i, f"Topic {i}", 5) for i in ids)
)
details = st.builds(
    Details,
    title=st.sampled_from(["Town hall", 'Straße </script> "x"']),
    description=st.sampled_from(["", "First\nsecond"]),
    topics=topics,
    links=st.sampled_from([(), (Link("Site", "https://example.org/a/b"),)]),
    green_room=st.booleans(),
    hands=st.booleans(),
    equal_time=st.booleans(),
    queue_by_talk=st.booleans(),
    recording=st.booleans(),
    figures=st.sampled_from(["all", "all", "hosts"]),
)

_of_invitation = [
    *(c.SeeInvitation, c.AcceptInvitation, c.DeclineInvitation),
    *(c.WithdrawInvitation, c.ExpireInvitation, c.Connect),
]
command: st.SearchStrategy[c.Command] = st.one_of(
    st.integers(1, 99).map(lambda n: c.OpenDoors(f"b{n}", AT)),
    *[st.builds(kind, st.just(AT)) for kind in (c.GoLive, c.Stop, c.TakeUpAgain, c.Cancel)],
    st.builds(c.Edit, details, st.just(AT)),
    st.builds(
        c.Schedule, st.none() | st.just(AT + 9e5), st.just("Europe/Berlin"), st.booleans(), st.just(AT)
    ),
    st.builds(c.Lock, st.booleans(), st.just(AT)),
    st.builds(c.BeginTopic, st.sampled_from(["", "a", "b", "c"]), st.just(AT + 1.5)),
    st.builds(
        lambda n, role, is_public: c.Invite(f"i{n}", f"p{n}", f"Name {n}", role, is_public, AT),
        number,
        st.sampled_from([Role.HOST, Role.COHOST, Role.SPEAKER]),
        st.booleans(),
    ),
    st.builds(c.OffRecord, st.booleans(), st.just(AT + 2.5)),
    st.builds(c.AgreeToRecording, invitation, st.booleans(), st.just(AT)),
    *[st.builds(kind, invitation, st.just(AT)) for kind in _of_invitation],
    st.builds(
        c.SayWord, invitation, st.sampled_from(["", "Gladly"]), st.none() | st.just(AT + 60), st.just(AT)
    ),
    *[st.builds(kind, participant, st.just(AT)) for kind in (c.Admit, c.SendBack, c.HandOver, c.LiftBan)],
    st.builds(c.Remove, participant, st.just(AT), st.booleans()),
    st.builds(c.TalkAside, participant, st.sampled_from(["", "p1", "p2"]), st.just(AT)),
    st.builds(c.ChangeRole, participant, st.sampled_from([Role.COHOST, Role.SPEAKER]), st.just(AT)),
    st.builds(c.SetClock, participant, st.sampled_from([0, 60]), st.just(AT)),
    st.builds(
        lambda n, talked: c.AskToSpeak(f"q{n}", f"p9{n}", f"Hand {n}", AT, talked), number, st.floats(0, 99)
    ),
    st.builds(c.LowerHand, request, st.just(AT)),
    st.builds(c.BringUp, request, number.map(lambda n: f"i9{n}"), st.just(AT)),
    st.builds(c.MuteSelf, participant, st.booleans(), st.just(AT)),
    st.builds(c.MuteOther, participant, st.just(True), st.just(AT)),
)
"""Commands of a small world, so that they hit one another."""

opening: list[c.Command] = [
    *[c.Invite(f"i{n}", f"p{n}", f"Name {n}", Role.SPEAKER, True, AT) for n in "12"],
    c.Invite("i3", "p3", "Host", Role.HOST, True, AT),
    c.OpenDoors("b0", AT),
    *[c.Connect(f"i{n}", AT) for n in "13"],
]


@st.composite
def reports(draw: st.DrawFn) -> list[SeatReport]:
    """Seats as a stage measures them."""
    return [
        SeatReport(
            participant_id=f"p{n}",
            name=f"Name {n}",
            role="speaker",
            connected=draw(st.booleans()),
            muted=False,
            speaking=draw(st.booleans()),
            level_dbov=-30.0,
            talked_seconds=draw(st.floats(0, 500)),
            packets_received=1,
            frames_concealed=0,
            playout_delay_ms=40.0,
        )
        for n in draw(st.lists(number, unique=True))
    ]


questions = st.lists(
    st.builds(
        lambda n, votes, state: {
            "id": f"x{n}",
            "text": f"Why {n}?",
            "name": "",
            "votes": votes,
            "state": state,
            "asked_at": "2026-12-01T19:00:00Z",
        },
        number,
        st.integers(0, 9),
        st.sampled_from(["open", "chosen", "answered"]),
    ),
    unique_by=lambda q: cast(str, q["id"]),
)
step = st.one_of(
    command,
    reports(),
    st.dictionaries(st.sampled_from(["push", "hls", "stream"]), st.integers(0, 5)),
    questions.map(lambda asked: ("questions", asked)),
    st.sampled_from([0.01, 0.5, 2.5, 8.0, 20.0]),
    st.just("look"),
)
walk = st.builds(
    lambda begin, rest: [*begin, *rest],
    st.sampled_from([[], opening, [*opening, c.GoLive(AT)]]),
    st.lists(step, max_size=40),
)


class _Asked:
    """Questions as a test says."""

    def __init__(self) -> None:
        self.list: list[Mapping[str, Any]] = []

    def summary(self, slug: str) -> Mapping[str, Any]:
        return {"asked": len(self.list), "list": self.list}

    def pending(self, slug: str) -> Sequence[Mapping[str, Any]]:
        return ()


@dataclass
class _Bus:
    sent: list[RoomEvent] = field(default_factory=list)

    async def publish(self, subject: str, message: Message) -> None:
        assert isinstance(message, RoomEvent)
        self.sent.append(message)


class World:
    """A board with one room and its feed; `take` does one step of a walk."""

    def __init__(self) -> None:
        self.clock = FakeClock(wall=AT)
        self.board = Board()
        self.asked = _Asked()
        self.board.questions = self.asked
        self.bus = _Bus()
        self.room = Room(SLUG, RoomStatus.SCHEDULED, AT, Details("Town hall"))
        self.feeds = Feeds(self.board, self.bus, Urls(Settings.model_validate({})), self.clock)
        self.board.put(self.room)

    def take(self, step: object) -> None:
        match step:
            case float():
                self.wait(step)
            case "look":
                self.feeds.advance()
            case ("questions", list(asked)):
                self.asked.list = asked
                self.board.changed(SLUG)
            case dict():
                report = AudienceReport(edge_id="e", wall_clock=0.0, listening={SLUG: step})
                self.board.audience_reported(report, self.clock.monotonic())
            case list():
                self._report(step)
            case _:
                self.do(cast(c.Command, step))

    def wait(self, seconds: float) -> None:
        """Time passes, and the studio keeps house once a second."""
        while seconds > 0:
            self.clock.advance(min(1.0, seconds))
            seconds -= 1.0
            self.board.tick(self.clock.monotonic())

    def do(self, command: c.Command) -> None:
        """As the studio does it; what is not possible is left."""
        try:
            events = decide(self.room, command)
        except RoomError:
            return
        self.room = apply(self.room, events)
        self.feeds.happened(self.room, events)
        self.board.put(self.room)

    def _report(self, seats: list[SeatReport]) -> None:
        broadcast = self.room.broadcast
        report = StageReport(
            broadcast_id=broadcast.id if broadcast else "",
            slug=SLUG,
            stage_id="s",
            live=True,
            media_time=0,
            seats=seats,
        )
        self.board.stage_reported(report, self.clock.monotonic())

    @property
    def feed(self) -> RoomFeed:
        feed = self.feeds.current(SLUG)
        assert feed is not None
        return feed

    def snapshot(self) -> dict[str, Any]:
        """state.json, as whoever asks now gets it."""
        view = self.feeds.shown(SLUG)
        assert view is not None
        return {"stream": view.stream, "seq": view.seq, **public.state(view)}

    def settle(self) -> None:
        """Everything that is held back goes out."""
        for _ in range(8):
            self.wait(1.0)
            self.feeds.advance()

    def truth(self) -> dict[str, Any]:
        """The room itself, without any feed between."""
        view = public.room_view(
            self.room, self.board, Urls(Settings.model_validate({})), self.clock.monotonic()
        )
        return public.state(view)
