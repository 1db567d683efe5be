"""Several places make one figure: in any order, however often they say it, and over restarts."""

from __future__ import annotations

import random
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hustings.audience.lanes import DOORS, FINAL
from hustings.audience.merged import MAX_SALTS, Before, Merged
from hustings.audience.minute import Minute
from hustings.audience.sketch import MOST_BYTES, Unique, salt_name, visitor_key
from hustings.audience.tally import Tally
from hustings.errors import Corrupt

SINCE = 1_790_000_040.0


def crowd(
    first: int,
    count: int,
    *,
    length: float = 120.0,
    lane: Any = "push",
    begin: float = 0.0,
    country: str = "",
) -> list[Minute]:
    """What one place says of `count` people."""
    tally = Tally(SINCE)
    for key in range(first, first + count):
        session = tally.begin(lane, key, country)
        assert session is not None
        for step in range(int(length // 5)):
            tally.took(session, begin + 5.0 * step, begin + 5.0 * step + 5.0)
        tally.end(session)
    return tally.all()[0]


def final(
    *told: tuple[str, str, list[Minute]],
    before: Before | None = None,
    at: float = 600.0,
    countries: bool = False,
) -> list[dict[str, Any]]:
    merged = Merged(SINCE, before, countries=countries)
    for place, salt, minutes in told:
        merged.take(place, salt, minutes, {}, SINCE + at)
    return merged.final(SINCE + at, None)


def test_several_edges_add_up_and_the_same_listener_at_two_is_one() -> None:
    figures = final(("a", "s", crowd(1, 300)), ("b", "s", crowd(201, 300)))
    assert [f["net"]["concurrent"] for f in figures[:2]] == [600, 600]
    assert sum(f["net"]["seconds"] for f in figures) == 600 * 120
    assert figures[-1]["net"]["unique"] == 500
    assert figures[0]["net"]["joined"] == 600


@settings(deadline=None)
@given(st.permutations([("a", 1, 40), ("b", 20, 40), ("c", 100, 7)]), st.integers(0, 2))
def test_the_order_and_repetition_of_what_is_said_change_nothing(
    order: list[tuple[str, int, int]], again: int
) -> None:
    told = [(place, "s", crowd(first, count)) for place, first, count in order]
    plain = final(("a", "s", crowd(1, 40)), ("b", "s", crowd(20, 40)), ("c", "s", crowd(100, 7)))
    assert final(*told, told[again], *told) == plain


@settings(max_examples=30, deadline=None)
@given(st.lists(st.lists(st.integers(0, 2**64 - 1), max_size=3000), min_size=2, max_size=4), st.randoms())
def test_sketches_merge_in_any_order_and_twice(sets: list[list[int]], rng: random.Random) -> None:
    def merged(order: list[list[int]]) -> int:
        whole = Unique()
        for keys in order:
            part = Unique()
            for key in keys:
                part.add(key)
            whole.merge(part.to_bytes())
        return whole.count()

    shuffled = list(sets)
    rng.shuffle(shuffled)
    grouped = [[*sets[0], *sets[1]], *sets[2:]]
    true = len({key for keys in sets for key in keys})
    assert merged(sets) == merged(shuffled) == merged([*sets, *sets])
    assert abs(merged(grouped) - merged(sets)) <= 0.02 * true + 1
    assert abs(merged(sets) - true) <= 0.02 * true + 1


def test_a_million_uniques_within_two_percent_and_in_how_many_bytes() -> None:
    rng = random.Random(20261129)
    halves = [Unique(), Unique()]
    for number in range(1_000_000):
        halves[number % 2].add(rng.getrandbits(64))
    for number in range(50_000):
        for half in halves:  # who was at both edges
            half.add(number * 0x9E37_79B9_7F4A_7C15 % 2**64)
    whole = Unique()
    for half in halves:
        data = half.to_bytes()
        assert len(data) <= MOST_BYTES == 16_448
        whole.merge(data)
    assert abs(whole.count() - 1_050_000) <= 0.02 * 1_050_000
    assert len(whole.to_bytes()) <= MOST_BYTES


def test_what_the_method_says_of_one_address_and_of_one_browser() -> None:
    salt = bytes(16)
    one_address = Tally(SINCE)
    one_agent = Tally(SINCE)
    for number in range(500):
        for tally, key in (
            (one_address, visitor_key(salt, "192.0.2.1", b"Player")),
            (one_agent, visitor_key(salt, f"192.0.{number // 250}.{number % 250}", b"Player")),
        ):
            session = tally.begin("push", key)
            assert session is not None
            tally.took(session, 0.0, 120.0)
    address, agent = (final(("a", "s", tally.all()[0]))[0]["net"] for tally in (one_address, one_agent))
    assert (address["concurrent"], address["unique"]) == (500, 1)
    assert (agent["concurrent"], agent["unique"]) == (500, 500)


def test_bots_and_beacons_are_in_no_net_figure() -> None:
    figures = final(
        *(("a", "s", crowd(1, 10)), ("b", "s", crowd(1000, 900, lane="bots"))),
        ("c", "s", crowd(5000, 800, lane="beacon")),
    )
    for f in figures:
        assert f["net"]["peak"] <= 10
        assert set(f["doors"]) <= set(DOORS)
    assert (figures[-1]["net"]["unique"], figures[-1]["bots"]["unique"]) == (10, 900)
    assert figures[-1]["beacon"]["unique"] == 800


def test_ten_of_a_country_may_be_at_several_edges_and_nine_are_not_named() -> None:
    edges = (("a", "s", crowd(1, 6, country="DE")), ("b", "s", crowd(20, 4, country="DE")))
    few = ("c", "s", crowd(40, 9, country="FR"))
    figures = final(*edges, few, countries=True)
    assert figures[0]["countries"] == {
        "DE": {"seconds": 600, "listeners": 10},
        "other": {"seconds": 540, "listeners": 9},
    }
    assert final(*edges, few)[0].keys() == figures[0].keys() - {"countries"}, "no database, no countries"


def test_what_an_edge_of_an_older_version_tells_is_unknown() -> None:
    said: list[dict[str, Any]] = msgspec.msgpack.decode(msgspec.msgpack.encode(crowd(1, 3)))
    for minute in said:
        del minute["countries"]
    old = msgspec.msgpack.encode(said)
    minutes = msgspec.msgpack.decode(old, type=list[Minute])
    (first, *_) = final(("old", "s", minutes), ("new", "s", crowd(50, 12, country="DE")), countries=True)
    assert first["countries"] == {
        "DE": {"seconds": 720, "listeners": 12},
        "unknown": {"seconds": 180, "listeners": 0},
    }


def test_a_minute_is_final_when_nobody_can_add_to_it_and_only_once() -> None:
    merged = Merged(SINCE)
    merged.take("a", "s", crowd(1, 5), {}, SINCE + 150)
    assert merged.final(SINCE + 60 + FINAL - 1, None) == []
    (first,) = merged.final(SINCE + 60 + FINAL, None)
    assert first["minute"] == SINCE
    merged.take("b", "s", crowd(50, 5), {}, SINCE + 170)  # too late for the first
    rest = merged.final(SINCE + 600, None)
    assert [f["minute"] for f in rest] == [SINCE + 60, SINCE + 120]
    assert rest[0]["net"]["concurrent"] == 10


def test_an_edge_that_died_stays_counted_and_its_successor_adds_to_it() -> None:
    dead, next_one = crowd(1, 20, length=70.0), crowd(1, 20, length=100.0, begin=72.0)
    figures = final(("dead", "s", dead), ("next", "s", next_one))
    assert sum(f["net"]["seconds"] for f in figures) == 20 * 170
    assert figures[-1]["net"]["unique"] == 20


def test_a_studio_that_began_anew_goes_on_where_the_record_ends() -> None:
    before = Before(last=int(SINCE // 60), unique=(9, 0, 0, 0, 0, 0, 9), salts=1)
    figures = final(("a", "s", crowd(1, 5)), before=before)
    assert figures[0]["minute"] == SINCE + 60
    assert figures[0]["net"]["unique"] == 9  # five of them are here; that it was nine is known
    assert figures[0]["salts"] == 1


def test_a_lost_salt_makes_an_upper_bound_and_says_so() -> None:
    before = Before(last=int(SINCE // 60), unique=(9, 0, 0, 0, 0, 0, 9), salts=1, lost=True)
    figures = final(("a", "new", crowd(1, 5)), before=before)
    assert figures[0]["net"]["unique"] == 14
    assert figures[0]["salts"] == 2


def test_what_is_not_sound_is_dropped_and_counted() -> None:
    merged = Merged(SINCE)
    (good, *_) = crowd(1, 1)
    bad = Minute(number=good.number, joined=[1])
    future = Minute(number=good.number + 50)
    merged.take("a", "s", [bad, future], {}, SINCE + 10)
    assert merged.dropped == 2
    for countries in ({"de": (0, 1)}, {"DEU": (0, 1)}, {"DE": (-1, 1)}, {"DE": (1, 1)}):
        lies = Minute(number=good.number, countries=countries)  # of no listening nobody listened anywhere
        merged.take("a", "s", [lies], {}, SINCE + 10)
    assert merged.dropped == 6
    merged.dropped = 2
    for number in range(MAX_SALTS + 1):
        merged.take(f"p{number}", f"s{number}", [], {0: Unique().to_bytes()}, SINCE)
    assert merged.dropped == 3
    with pytest.raises(Corrupt):
        Unique().merge(b"\xff" * 100)
    with pytest.raises(Corrupt):
        Unique().merge(b"\0" * (MOST_BYTES + 1))


def test_the_salts_name_tells_nothing_of_it() -> None:
    assert salt_name(b"a" * 16) != salt_name(b"b" * 16)
    assert b"a" * 8 not in salt_name(b"a" * 16).encode()
