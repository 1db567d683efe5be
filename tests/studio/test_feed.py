"""A room's events: snapshot and events make the fresh snapshot; what is told, held back and kept."""

from __future__ import annotations

import json
from typing import Any

import pytest
from feed_walks import AT, SLUG, World, opening, walk
from hypothesis import given, settings
from hypothesis import strategies as st

from hustings.bus.messages import AudienceReport, SeatReport
from hustings.rooms import commands as c
from hustings.rooms.model import Details, Role, Topic
from hustings.studio import feed as module
from hustings.studio import feeds as feeds_module
from hustings.studio.feed import News, RoomFeed, applied, diff, without_speaking


def seat(person: str, **changes: Any) -> SeatReport:
    values: dict[str, Any] = {
        "participant_id": person,
        "name": person,
        "role": "speaker",
        "connected": True,
        "muted": False,
        "speaking": False,
        "level_dbov": -90.0,
        "talked_seconds": 0.0,
        "packets_received": 1,
        "frames_concealed": 0,
        "playout_delay_ms": 40.0,
    }
    return SeatReport(**(values | changes))


def opened(*more: c.Command) -> World:
    world = World()
    for command in (*opening, *more):
        world.do(command)
    world.feeds.advance()
    return world


def told(world: World, since: int) -> list[tuple[str, dict[str, Any]]]:
    kept = world.feed.since(world.feeds.stream, since)
    assert kept is not None
    return [(each.event.kind, each.event.data) for each in kept]


# --- the law -------------------------------------------------------------------------------------


@settings(max_examples=250, deadline=None)
@given(walk, st.data())
def test_snapshot_and_events_make_the_fresh_snapshot(steps: list[object], data: st.DataObject) -> None:
    world = World()
    snapshots = []
    for step in steps:
        world.take(step)
        if data.draw(st.booleans()):
            snapshots.append(world.snapshot())
    world.settle()
    fresh = world.snapshot()
    assert without_speaking(fresh) == {
        **without_speaking(world.truth()),
        "stream": fresh["stream"],
        "seq": fresh["seq"],
    }, "what events make is the room as it is"
    for old in snapshots:
        kept = world.feed.since(old["stream"], old["seq"])
        assert kept is not None, "so few events are all kept"
        state: dict[str, Any] = without_speaking(old)
        for each in kept:
            assert each.event.seq == state["seq"] + 1
            state = {**applied(state, each.event.changed), "seq": each.event.seq}
            assert json.loads(each.text)["changed"] == json.loads(json.dumps(each.event.changed))
        assert state == without_speaking(fresh)


leaves = st.none() | st.booleans() | st.integers(0, 3) | st.sampled_from(["", "a", "b/c"])
elements = st.lists(
    st.fixed_dictionaries({"id": st.sampled_from(["1", "2", "3", "", "4/5"]), "x": leaves}), max_size=4
)
values = st.recursive(leaves | elements, lambda inner: st.dictionaries(st.sampled_from(["a", "b/c"]), inner))
named = st.lists(
    st.fixed_dictionaries({"id": st.sampled_from(["1", "2", "3", "4", "*"]), "x": leaves}),
    unique_by=lambda each: each["id"],
    max_size=4,
)
states = st.fixed_dictionaries({"one": values, "two": values, "three": named})


@given(states, states)
def test_any_difference_can_be_put_in(old: dict[str, Any], new: dict[str, Any]) -> None:
    assert applied(old, diff(old, new)) == new
    assert diff(old, old) == {}


def test_a_change_is_no_larger_than_what_changed() -> None:
    old = {"people": [{"id": "a", "talked": 1.0, "name": "A"}, {"id": "b", "talked": 0.0, "name": "B"}]}
    new = {"people": [{"id": "a", "talked": 2.0, "name": "A"}, {"id": "b", "talked": 0.0, "name": "B"}]}
    assert diff(old, new) == {"people/a/talked": 2.0}
    people = old["people"]
    longer = {"people": [{"id": "c", "talked": 0.0, "name": "C"}, people[1], {**people[0], "talked": 3.0}]}
    assert diff(old, longer) == {
        "people/*": [{"id": "c", "talked": 0.0, "name": "C"}, "b", "a"],
        "people/a/talked": 3.0,
    }
    with pytest.raises(KeyError):
        applied({"people": []}, {"people/a/talked": 2.0})


# --- what is told --------------------------------------------------------------------------------


def test_a_broadcast_in_events() -> None:
    world = opened()
    assert [kind for kind, _ in told(world, 0)] == [
        *("invited", "invited", "invited", "opened"),
        *("answered", "seated", "answered", "seated"),
    ]
    before = world.feed.seq
    world.take([seat("p1")])
    world.do(c.GoLive(AT))
    world.feeds.advance()
    assert [kind for kind, _ in told(world, before)] == ["live", "joined"]
    before = world.feed.seq
    world.do(c.MuteOther("p1", True, AT))
    world.feeds.advance()
    ((kind, data),) = told(world, before)
    assert (kind, data) == ("muted", {"id": "p1", "name": "Name 1", "muted": True, "by_host": True})
    before = world.feed.seq
    world.do(c.Stop(AT))
    world.feeds.advance()
    assert [kind for kind, _ in told(world, before)] == ["ended"], "not that each of them left"


def test_the_first_event_of_several_carries_the_change() -> None:
    world = opened()
    before = world.feed.seq
    world.do(c.Lock(True, AT))
    world.do(c.SetClock("p1", 60, AT))
    world.feeds.advance()
    kept = world.feed.since(world.feeds.stream, before)
    assert kept is not None
    assert [each.event.kind for each in kept] == ["locked", "clock"]
    assert set(kept[0].event.changed) == {"locked", "participants/p1/clock_until"}
    assert kept[1].event.changed == {}


def test_who_waits_asks_or_is_invited_privately_is_for_hosts_only() -> None:
    world = World()
    for command in (
        c.Edit(Details("Town hall", green_room=True), AT),
        c.Invite("i1", "p1", "Secret Name", Role.SPEAKER, False, AT),
        c.OpenDoors("b1", AT),
        c.AcceptInvitation("i1", AT),
        c.Connect("i1", AT),
        c.AskToSpeak("q1", "p9", "Hidden Hand", AT),
        c.MuteSelf("p1", True, AT),
    ):
        world.do(command)
    world.feeds.advance()
    everything = "".join(each.text for each in world.feed.since(world.feeds.stream, 0) or ())
    assert "Secret" not in everything
    assert "Hidden" not in everything
    assert ("hand", {"id": "q1", "state": "waiting"}) in told(world, 0)
    private = world.feeds.hosts(SLUG).since(0)
    assert [each.kind for each in private] == ["invited", "answered", "waiting", "hand", "muted"]
    assert private[3] == News("hand", {"id": "q1", "state": "waiting", "name": "Hidden Hand"})
    before = world.feed.seq
    world.take([seat("p1")])
    world.do(c.Admit("p1", AT))
    world.feeds.advance()
    assert [kind for kind, _ in told(world, before)] == ["seated", "joined"]
    assert "Secret Name" in str(told(world, before)), "on the stage everybody knows"


def test_a_moved_date_and_an_edit_are_told_apart() -> None:
    world = World()
    world.feeds.advance()
    world.do(c.Schedule(AT + 9e5, "Europe/Berlin", False, AT))
    world.do(c.Edit(Details("Another", topics=(Topic("a", "A"),)), AT))
    world.feeds.advance()
    kinds = told(world, 0)
    assert kinds[0] == ("scheduled", {"at": "2026-10-02T00:13:20Z", "time_zone": "Europe/Berlin"})
    assert kinds[1:] == [("edited", {"title": "Another"})]


def test_a_question_is_told_once_and_its_votes_are_figures() -> None:
    world = opened()
    one = {"id": "x1", "text": "Why?", "name": "", "votes": 0, "state": "open", "asked_at": ""}
    before = world.feed.seq
    world.take(("questions", [one]))
    world.clock.advance(0.1)
    world.feeds.advance()
    assert told(world, before) == [("question", {"id": "x1", "state": "open", "name": "", "text": "Why?"})]
    before = world.feed.seq
    for votes in range(1, 30):
        world.take(("questions", [{**one, "votes": votes}]))
        world.clock.advance(0.1)
        world.feeds.advance()
    assert [kind for kind, _ in told(world, before)] == ["vote"], "within three seconds"
    world.settle()
    assert world.snapshot()["questions"]["list"][0]["votes"] == 29
    before = world.feed.seq
    world.take(("questions", [{**one, "votes": 29, "state": "chosen"}]))
    world.clock.advance(0.1)
    world.feeds.advance()
    assert told(world, before)[0][1]["state"] == "chosen"


def test_a_crowd_of_hands_is_told_together_but_a_call_at_once() -> None:
    world = opened(c.GoLive(AT))
    world.settle()
    before = world.feed.seq
    for n in range(50):
        world.do(c.AskToSpeak(f"q{n}", f"p9{n}", f"Hand {n}", AT))
        world.clock.advance(0.05)
        world.feeds.advance()
    kept = world.feed.since(world.feeds.stream, before)
    assert kept is not None
    assert 2 <= sum("hands/queue" in each.event.changed for each in kept) <= 4, "in 2.5 seconds"
    assert world.feeds.hosts(SLUG).count == 50, "hosts hear of each at once"
    world.do(c.BringUp("q7", "i97", AT))
    world.feeds.advance()
    hands = [data["id"] for kind, data in told(world, before) if kind == "hand"]
    assert hands == [*(f"q{n}" for n in range(50)), "q7"]
    assert world.snapshot()["hands"]["called"] == ["q7"]


def test_what_a_host_does_with_questions_is_told_at_once_and_what_is_asked_together() -> None:
    world = opened(c.GoLive(AT))
    asked = [
        {"id": f"x{n}", "text": "Why?", "name": "", "votes": 0, "state": "open", "asked_at": ""}
        for n in range(20)
    ]
    world.settle()
    before = world.feed.seq
    for n in range(1, 21):
        world.take(("questions", asked[:n]))
        world.clock.advance(0.1)
        world.feeds.advance()
    kept = world.feed.since(world.feeds.stream, before)
    assert kept is not None
    assert sum(bool(each.event.changed) for each in kept) <= 3, "in two seconds"
    world.settle()
    for change in ([{**asked[0], "state": "chosen"}, *asked[1:]], asked[1:]):
        seq = world.feed.seq
        world.take(("questions", change))
        world.clock.advance(0.06)
        world.feeds.advance()
        world.take(("questions", asked))
        world.clock.advance(0.06)
        world.feeds.advance()
        assert world.feed.seq > seq, "chosen, or hidden"


# --- when ----------------------------------------------------------------------------------------


def test_figures_wait_and_what_people_do_does_not() -> None:
    world = opened(c.GoLive(AT))
    world.settle()
    before = world.feed.seq
    for tenth in range(60):
        world.take([seat("p1", talked_seconds=tenth / 10 + 10), seat("p3", talked_seconds=3.0)])
        report = AudienceReport(edge_id="e", wall_clock=0.0, listening={SLUG: {"push": tenth}})
        world.board.audience_reported(report, world.clock.monotonic())
        world.clock.advance(0.1)
        world.feeds.advance()
    kinds = [kind for kind, _ in told(world, before)]
    assert kinds[:2] == ["joined", "joined"]
    assert set(kinds[2:]) == {"audience"}
    assert 2 <= len(kinds[2:]) <= 3, "six seconds"
    before = world.feed.seq
    world.do(c.MuteSelf("p1", True, AT))
    assert world.feeds.advance() > 0
    assert told(world, before)[0][0] == "muted", "at once"
    assert world.snapshot()["listeners"] == 59, "an event that goes out takes the figures along"


def test_a_room_is_looked_at_every_50_ms_at_most() -> None:
    world = opened()
    looks: list[str] = []
    world.feeds.on_change(looks.append)
    for _ in range(1000):
        world.board.changed(SLUG)
        world.clock.advance(0.001)
        world.feeds.advance()
    assert 15 <= len(looks) <= 21


def test_speaking_makes_no_event() -> None:
    world = opened(c.GoLive(AT))
    world.take([seat("p1")])
    world.wait(3.0)
    world.feeds.advance()
    before = world.feed.seq
    world.take([seat("p1", speaking=True)])
    world.wait(3.0)
    world.feeds.advance()
    assert world.feed.seq == before
    assert world.snapshot()["participants"][0]["speaking"] is True


# --- what is kept --------------------------------------------------------------------------------


def test_events_are_kept_up_to_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    world = opened()
    for n in range(module.MAX_EVENTS + 50):
        world.do(c.Lock(n % 2 == 0, AT))
        world.feeds.advance()
    feed = world.feed
    stream = world.feeds.stream
    assert feed.since(stream, feed.seq) == []
    assert len(feed.since(stream, feed.seq - module.MAX_EVENTS) or ()) == module.MAX_EVENTS
    assert feed.since(stream, feed.seq - module.MAX_EVENTS - 1) is None
    assert feed.since(stream, feed.seq + 1) is None, "from a studio that knew more"
    assert feed.since("another", feed.seq) is None
    assert feed.since(stream, -1) is None


def test_large_events_are_bounded_by_their_weight(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_BYTES", 2000)
    state = {"status": "live", "participants": [], "questions": {"list": [], "asked": 0}, "text": ""}
    feed = RoomFeed(SLUG, "s", state)
    for n in range(50):
        feed.advance({**state, "text": str(n) * 200}, [], AT, 100.0 * n)
    assert len(feed.since("s", feed.seq - 2) or ()) == 2
    assert feed.since("s", feed.seq - 10) is None


def test_only_so_many_rooms_keep_their_events(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feeds_module, "MAX_RINGS", 1)
    world = opened()
    seq = world.feed.seq
    other = World()
    other.feeds = world.feeds
    world.board.put(other.room.__class__("other", other.room.status, AT, Details("Other")))
    world.feeds.advance()
    room = world.board.room("other")
    assert room is not None
    world.board.put(room.__class__("other", room.status, AT, Details("New title")))
    world.clock.advance(0.1)
    world.feeds.advance()
    assert world.feed.since(world.feeds.stream, seq - 1) is None
    assert world.feed.since(world.feeds.stream, seq) == []


def test_a_later_runs_stream_sorts_after() -> None:
    first = World()
    first.clock.advance(0.5)
    later = World()
    later.clock.advance(1000)
    again = feeds_module.Feeds(
        later.board,
        later.bus,
        first.feeds._urls,
        later.clock,
    )
    assert first.feeds.stream < again.stream


async def test_events_reach_the_bus_in_order() -> None:
    world = opened(c.GoLive(AT))
    await world.feeds.flush()
    assert [event.seq for event in world.bus.sent] == list(range(1, world.feed.seq + 1))


def test_one_room_that_cannot_be_worked_out_does_not_end_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    world = opened()

    def broken(self: object, slug: str) -> dict[str, Any]:
        raise RuntimeError("broken")

    with monkeypatch.context() as patch:
        patch.setattr(type(world.asked), "summary", broken)
        world.board.changed(SLUG)
        world.clock.advance(1.0)
        world.feeds.advance()
    before = world.feed.seq
    world.do(c.Lock(True, AT))
    world.feeds.advance()
    assert world.feed.seq == before + 1
