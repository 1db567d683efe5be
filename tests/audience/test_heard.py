"""HLS: many requests at two edges are one listener, and never more than the sound that was fetched."""

from __future__ import annotations

import random

import pytest

from hustings.audience.heard import AHEAD, MAX_COLLECTED, QUIET, Collector, Hearers, Taken, read_records
from hustings.audience.lanes import NUMBER
from hustings.audience.tally import Tally
from hustings.errors import Corrupt

OFFSET = 1_790_000_040.0
HLS = NUMBER["hls"]


def play(seconds: float, piece: float, edges: int = 2, *, skip: float = 0.0, country: str = "") -> Tally:
    """One listener at `edges` edges by turns, a piece each `piece` seconds; told every 5 s. `skip`: share of
    pieces that are not fetched."""
    rng = random.Random(1)
    tally = Tally(OFFSET)
    hearers = Hearers(tally)
    collectors = [Collector(0.0) for _ in range(edges)]
    at, told, turn = 0.0, 5.0, 0
    while at < seconds:
        if rng.random() >= skip:
            each = collectors[turn % edges]
            if not each.took(77, piece, at):
                assert each.begin(77, 7, 7, "hls", at, country or None)
                each.took(77, piece, at)
        turn += 1
        at += piece
        if at >= told or at >= seconds:
            told += 5.0
            for each in collectors:
                begin, *records = each.drain(at)
                for taken in read_records(*records):
                    hearers.took(taken, begin)
            hearers.tick(at)
    hearers.end()
    return tally


def seconds_of(tally: Tally) -> float:
    return sum(minute.milliseconds[HLS] for minute in tally.all()[0]) / 1000


@pytest.mark.parametrize(("piece", "edges"), [(0.6, 1), (0.6, 2), (0.6, 3), (6.0, 1), (6.0, 2)])
def test_a_listener_is_one_at_however_many_edges(piece: float, edges: int) -> None:
    tally = play(240.0, piece, edges)
    assert abs(seconds_of(tally) - 240.0) <= 0.02 * 240
    minutes = tally.all()[0]
    assert max(max(minute.moments[HLS]) for minute in minutes) == 1
    assert sum(minute.joined[HLS] for minute in minutes) == 1


def test_the_country_comes_along_and_is_one_at_however_many_edges() -> None:
    minutes = play(240.0, 0.6, 3, country="DE").all()[0]
    assert {country for minute in minutes for country in minute.countries} == {"DE"}
    assert all(minute.countries["DE"] == (minute.milliseconds[HLS], 1) for minute in minutes if minute.net)


def test_an_edge_that_names_no_country_takes_none_from_another() -> None:
    tally = Tally(OFFSET)
    hearers = Hearers(tally)
    for turn in range(20):
        hearers.took(Taken(1, 1, 5.0, 0.0, 5.0, 5.0, "hls", "FR" if turn % 2 else ""), 5.0 * turn)
        hearers.tick(5.0 * turn + 5.0)
    hearers.end()
    assert {country for minute in tally.all()[0] for country in minute.countries} == {"FR"}


def test_who_comes_again_within_seconds_is_not_looked_up_again() -> None:
    collector = Collector(0.0)
    assert collector.country(1) is None
    collector.begin(1, 1, 1, "hls", 1.0, "DE")
    collector.begin(2, 2, 2, "hls", 1.0, "")
    collector.begin(3, 3, 3, "hls", 1.0)
    assert collector.drain(5.0)[2] == b"DE\0\0\0\0"
    for now in (10.0, 15.0):
        assert [collector.country(visitor) for visitor in (1, 2, 3)] == ["DE", "", None]
        assert collector.drain(now)[1:] == (b"", b"")
    collector.drain(20.0)
    assert collector.country(1) is None


def test_listening_is_never_more_than_what_was_fetched() -> None:
    assert seconds_of(play(600.0, 0.6, skip=0.2)) <= 0.82 * 600
    assert seconds_of(play(600.0, 0.6, skip=0.7)) == 0.0  # never sixty within ninety


def test_who_fetches_an_hour_at_once_has_not_listened_for_an_hour() -> None:
    tally = Tally(OFFSET)
    hearers = Hearers(tally)
    hearers.took(Taken(1, 1, 3600.0, 0.0, 4.0, 6.0, "hls"), 0.0)
    hearers.tick(30.0)
    assert len(hearers) == 0
    assert tally.sessions == 0
    assert seconds_of(tally) == 0.0
    assert AHEAD < 60 > QUIET


def test_bounds_and_what_is_no_message() -> None:
    collector = Collector(0.0)
    for number in range(MAX_COLLECTED):
        collector.begin(number, number, number, "hls", 1.0, "DE" if number % 2 else "")
    assert not collector.begin(MAX_COLLECTED, 1, 1, "hls", 1.0)
    assert collector.dropped == 1
    _, records, countries = collector.drain(5.0)
    assert len(records) + len(countries) <= 1_000_000  # it fits on the bus
    assert [taken.country for taken in read_records(records, countries)] == ["", "DE"] * (MAX_COLLECTED // 2)
    assert {taken.country for taken in read_records(records)} == {""}  # of an edge of an older version
    for bad in (b"x", records + records, b"\xff" * 22):
        with pytest.raises(Corrupt):
            list(read_records(bad))
    for bad in (b"D", b"de", b"D\0", b"\xff\xff", b"DEFR"):
        with pytest.raises(Corrupt):
            list(read_records(records[:22], bad))
