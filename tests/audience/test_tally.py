"""Who counts, from when on, and in which minute."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from hustings.audience.countries import AT_LEAST
from hustings.audience.lanes import DOORS, LANES, MOMENT, NUMBER
from hustings.audience.merged import Merged
from hustings.audience.minute import Minute
from hustings.audience.tally import MAX_PIECES, Session, Tally

OFFSET = 1_790_000_040.0
"""A full minute: monotonic 0 is its beginning."""
PUSH = NUMBER["push"]


def listen(tally: Tally, session: Session, begin: float, end: float, step: float = 5.0) -> None:
    """Delivered without a break, told of in steps."""
    at = begin
    while at < end:
        tally.took(session, at, min(end, at + step))
        at += step


def begun(tally: Tally, key: int = 1) -> Session:
    session = tally.begin("push", key)
    assert session is not None
    return session


def test_a_listener_is_in_each_minute_of_his_country_once() -> None:
    tally = Tally(OFFSET)
    german, unknown, bot = tally.begin("push", 1, "DE"), tally.begin("hls", 2), tally.begin("bots", 3, "DE")
    for session, end in ((german, 130.0), (unknown, 59.0), (bot, 130.0)):
        assert session is not None
        listen(tally, session, 10.0, end)
    heard = {number: minute.countries for number, minute in by_number(tally).items()}
    assert heard == {0: {"DE": (50_000, 1)}, 1: {"DE": (60_000, 1)}, 2: {"DE": (10_000, 1)}}


def by_number(tally: Tally) -> dict[int, Minute]:
    return {minute.number - int(OFFSET // 60): minute for minute in tally.all()[0]}


def test_sixty_seconds_count_from_the_first_and_fifty_nine_for_nothing() -> None:
    tally = Tally(OFFSET)
    short, long = begun(tally, 1), begun(tally, 2)
    listen(tally, short, 10.0, 69.9)
    listen(tally, long, 10.0, 70.0)
    tally.end(short)
    tally.end(long)
    first, second = by_number(tally)[0], by_number(tally)[1]
    assert (first.milliseconds[PUSH], second.milliseconds[PUSH]) == (50_000, 10_000)
    assert (first.joined[PUSH], second.left[PUSH], second.joined[PUSH]) == (1, 1, 0)
    assert first.moments[PUSH] == [0, 0, 0] + [1] * 9
    assert second.moments[PUSH] == [1, 1, 1] + [0] * 9
    assert tally.sessions == 0


def test_sixty_seconds_within_ninety() -> None:
    tally = Tally(OFFSET)
    slow, too_slow = begun(tally, 1), begun(tally, 2)
    for turn in range(12):  # five of seven seconds: sixty after 82
        tally.took(slow, turn * 7.0, turn * 7.0 + 5.0)
    for turn in range(40):  # five of eight: never sixty within ninety
        tally.took(too_slow, turn * 8.0, turn * 8.0 + 5.0)
    assert slow.counted
    assert not too_slow.counted
    assert sum(minute.milliseconds[PUSH] for minute in by_number(tally).values()) == 60_000


def test_many_short_stretches_are_bounded_and_counted() -> None:
    tally = Tally(OFFSET)
    session = begun(tally)
    for turn in range(MAX_PIECES + 9):
        tally.took(session, float(turn), turn + 0.5)
    assert tally.dropped["stretch"] == 9


def test_a_clock_that_is_set_moves_nobodys_minutes() -> None:
    """Monotonic times come in, and the offset of the beginning stays."""
    tally = Tally(OFFSET)
    session = begun(tally)
    listen(tally, session, 0.0, 180.0)
    spent = {n: m.milliseconds[PUSH] for n, m in by_number(tally).items() if m.milliseconds[PUSH]}
    assert spent == {0: 60_000, 1: 60_000, 2: 60_000}


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(st.floats(0, 300), st.floats(0.1, 300), st.sampled_from(LANES), st.integers(1, 20)),
        max_size=25,
    )
)
def test_seconds_moments_and_people_agree(people: list[tuple[float, float, str, int]]) -> None:
    tally = Tally(OFFSET)
    counted = []
    for begin, length, lane, key in people:
        session = tally.begin(lane, key)  # type: ignore[arg-type]  # of LANES
        assert session is not None
        listen(tally, session, begin, begin + length)
        tally.end(session)
        if session.counted:
            counted.append((begin, begin + length, lane, key))
    minutes = tally.all()[0]
    for number, lane in enumerate(LANES):
        mine = [(b, e) for b, e, at, _ in counted if at == lane]
        told = sum(minute.milliseconds[number] for minute in minutes)
        assert abs(told - sum(e - b for b, e in mine) * 1000) <= 2 * len(mine)
        assert sum(minute.joined[number] for minute in minutes) == len(mine)
        assert sum(minute.left[number] for minute in minutes) == len(mine)
        for minute in minutes:
            for place, said in enumerate(minute.moments[number]):
                moment = minute.begins + place * MOMENT - OFFSET
                sure = sum(b + 1e-3 < moment < e - 1e-3 for b, e in mine)
                most = sum(b - 1e-3 <= moment <= e + 1e-3 for b, e in mine)
                assert sure <= said <= most
    merged = Merged(OFFSET)
    merged.take("edge", "salt", minutes, {}, OFFSET + 900)
    figures = merged.final(OFFSET + 900, None)
    assert sum(f["net"]["joined"] for f in figures) == sum(lane in DOORS for _, _, lane, _ in counted)
    if figures:
        last = figures[-1]
        assert last["net"]["unique"] == len({key for _, _, lane, key in counted if lane in DOORS})
        assert last["bots"]["unique"] == len({key for _, _, lane, key in counted if lane == "bots"})
        assert all(f["net"]["peak"] >= f["net"]["concurrent"] for f in figures)


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(
            *(st.integers(0, 400), st.integers(1, 400), st.sampled_from(LANES), st.integers(0, 2)),
            st.sampled_from(("", "DE", "FR")),
        ),
        max_size=60,
    )
)
def test_countries_of_several_edges_add_up_to_the_net(people: list[tuple[int, int, str, int, str]]) -> None:
    """To the millisecond in what edges tell, to the second in what is published; nobody is there twice.
    `people` are in half seconds."""
    tallies = [Tally(OFFSET) for _ in range(3)]
    counted = []
    for begun_at, halves, lane, edge, country in people:
        begin, length = begun_at / 2, halves / 2
        session = tallies[edge].begin(lane, 1, country)  # type: ignore[arg-type]  # of LANES
        assert session is not None
        listen(tallies[edge], session, begin, begin + length)
        if session.counted and lane in DOORS:
            counted.append((begin, begin + length, country))
    merged = Merged(OFFSET, countries=True)
    for number, tally in enumerate(tallies):
        minutes = tally.all()[0]
        for minute in minutes:
            assert minute.is_sound()
            assert sum(milliseconds for milliseconds, _ in minute.countries.values()) == minute.net
        merged.take(f"edge {number}", "salt", minutes, {}, OFFSET + 900)
    for figures in merged.final(OFFSET + 900, None):
        told = figures["countries"]
        assert sum(each["seconds"] for each in told.values()) == figures["net"]["seconds"]
        begins = figures["minute"] - OFFSET
        there = [country for b, e, country in counted if b < begins + 60 and e > begins]
        assert sum(each["listeners"] for each in told.values()) == len(there)
        assert all(name in ("other", "unknown") or there.count(name) >= AT_LEAST for name in told)
        assert all(told[name]["listeners"] == there.count(name) for name in told if len(name) == 2)
