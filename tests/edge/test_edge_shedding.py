"""What is given up under load: always in the same order, never sound, and taken up again."""

from __future__ import annotations

from typing import get_args

import pytest
from edge_memory import House
from hypothesis import given
from hypothesis import strategies as st

from hustings.edge.load import WIDEST, Load
from hustings.edge.shedding import GIVEN_UP, LATE, Kind, Level, Pace, Shedding


def seconds(shedding: Shedding, count: int, *, share: float = 0.99, late: float = 0.0) -> list[Level]:
    found = []
    for _ in range(count):
        shedding.update(share, late)
        found.append(shedding.level)
    return found


def test_the_order_is_questions_then_joins_then_pages_and_never_sound() -> None:
    assert sorted(GIVEN_UP, key=lambda kind: GIVEN_UP[kind]) == ["input", "join", "page"]
    assert set(GIVEN_UP) == set(get_args(Kind.__value__)), "sound is no kind of thing that is given up"
    assert min(GIVEN_UP.values()) > Level.WIDENED, "batches widen before anybody is refused"


def test_late_sound_climbs_the_ladder_step_by_step_and_calm_descends_it_within_five_seconds() -> None:
    shedding = Shedding(Load())
    climbed = seconds(shedding, 12, late=0.4)
    assert [level for number, level in enumerate(climbed) if level not in climbed[:number]] == list(Level)
    assert shedding.load.batch == WIDEST
    calm = seconds(shedding, 5, share=0.2)
    assert calm[:3] == [Level.LOBBY, Level.NO_INPUT, Level.WIDENED]
    assert not any(shedding.sheds(kind) for kind in GIVEN_UP)


def test_far_too_late_is_no_time_for_second_looks() -> None:
    shedding = Shedding(Load())
    assert seconds(shedding, 4, late=2.0)[-1] is Level.PAGES


def test_a_busy_processor_alone_refuses_no_listener() -> None:
    """wrk at full speed: everybody is answered in time, so there is nobody to send away."""
    shedding = Shedding(Load())
    assert seconds(shedding, 60, share=1.0, late=0.05)[-1] is Level.NO_INPUT


def test_one_late_second_changes_nothing() -> None:
    shedding = Shedding(Load())
    for _ in range(20):
        seconds(shedding, 1, late=0.9)
        seconds(shedding, 1, share=0.1)
    assert shedding.level is Level.CALM


def test_between_the_two_marks_nothing_moves() -> None:
    shedding = Shedding(Load())
    seconds(shedding, 8, late=0.4)
    level = shedding.level
    assert level >= Level.LOBBY
    assert set(seconds(shedding, 30, share=0.85, late=0.2)) == {level}, "hysteresis"


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 3)), max_size=120))
def test_levels_are_never_jumped_and_what_goes_first_is_gone_when_the_next_goes(
    samples: list[tuple[float, float]],
) -> None:
    shedding = Shedding(Load())
    for share, late in samples:
        before = shedding.level
        shedding.update(share, late)
        assert abs(shedding.level - before) <= 1
        if shedding.sheds("page"):
            assert shedding.sheds("join")
        if shedding.sheds("join"):
            assert shedding.sheds("input")
        if shedding.sheds("input"):
            assert shedding.load.batch == WIDEST
        if late > LATE:
            assert shedding.level >= before, "late sound never takes anything up again"


def test_the_pace_halves_what_was_too_much_and_comes_back() -> None:
    pace = Pace(least=20, most=10_000)
    pace.second(limited=True, strained=True, asked=4_000)
    assert pace.rate == 2_000
    for _ in range(30):
        pace.second(limited=True, strained=True, asked=4_000)
    assert pace.rate == 20, "never nobody"
    for _ in range(30):
        pace.second(limited=True, strained=False, asked=4_000)
    assert pace.rate == 10_000
    pace.second(limited=False, strained=False, asked=0)
    assert pace.rate == 10_000


async def test_an_edge_gives_up_inputs_then_joins_then_pages_and_sound_goes_on(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    await house.live(5)
    listener = house.client("203.0.113.1")
    listener.get("/r/hall/live")
    keeper = house.edge.keeper
    monkeypatch.setattr(keeper.shedding, "update", lambda _share, _late: None)
    monkeypatch.setattr(keeper, "second", lambda: None)
    for pace in keeper.paces.values():
        pace.rate = 4.0  # one in a tick

    def answers(level: Level) -> tuple[int, int, int]:
        """Status of a reaction, of the second who joins, of the second who asks for the page."""
        keeper.shedding.level = level
        house.step(0.25)
        body = '{"kind":"applause","device":"0123456789abcdef"}'
        head = "POST /r/hall/reaction HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
        asked = house.client("203.0.113.2")
        asked.send(f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode())
        joined = [house.client(f"203.0.113.{number}") for number in (3, 4)]
        for client in joined:
            client.get("/r/hall/live")
        paged = [house.client(f"203.0.113.{number}").ask("/r/hall").status for number in (5, 6)]
        found = asked.answers()[0].status, joined[1].answers()[0].status, paged[1]
        for client in joined:
            client.transport.close()
        return found

    assert answers(Level.CALM) == (202, 200, 200)
    assert answers(Level.WIDENED) == (202, 200, 200)
    assert answers(Level.NO_INPUT) == (503, 200, 200)
    assert answers(Level.LOBBY) == (503, 503, 200)
    assert answers(Level.PAGES) == (503, 503, 503)
    shed = house.edge.metrics.shed
    assert shed["input"] == 3
    assert (shed["join"], shed["page"]) == (3, 1)
    before = len(listener.transport.taken)
    house.produce(8)
    assert len(listener.transport.taken) > before, "who listens hears on"
    assert not listener.is_closed()
