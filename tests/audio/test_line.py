"""What senders make of the reports on their line: error correction by ExpectedLoss, bits by LineRate."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from hustings.audio.expected_loss import ExpectedLoss
from hustings.audio.line_rate import LineRate


def test_loss_is_believed_at_once_and_given_up_slowly() -> None:
    loss = ExpectedLoss()
    assert not loss.take(0.0)
    assert loss.take(0.10)
    assert loss.percent == 10
    assert loss.take(0.30)
    assert loss.take(0.30)
    assert loss.percent == 30
    calm = 0
    while loss.percent:
        loss.take(0.0)
        calm += 1
    assert 10 <= calm <= 40, "about twenty seconds"


def test_loss_that_comes_and_goes_does_not_tune_at_every_report() -> None:
    loss = ExpectedLoss()
    changes = sum(loss.take(0.08 if second % 2 else 0.02) for second in range(120))
    assert changes <= 3


@given(st.lists(st.floats(0.0, 1.0), max_size=60))
def test_any_reports_give_a_step(reports: list[float]) -> None:
    loss = ExpectedLoss()
    for lost in reports:
        loss.take(lost)
        assert loss.percent in (0, *ExpectedLoss.STEPS)


def follow(rate: LineRate, seconds: range, lost: float, round_trip: float) -> list[int]:
    rates = []
    for second in seconds:
        rate.take(lost, round_trip, float(second))
        rates.append(rate.bitrate)
    return rates


def test_a_full_line_gets_fewer_bits_and_a_calm_one_more_again() -> None:
    rate = LineRate()
    follow(rate, range(5), 0.0, 0.03)
    assert follow(rate, range(5, 9), 0.06, 0.25) == [64_000, 48_000, 48_000, 32_000]
    assert follow(rate, range(9, 25), 0.0, 0.03)[-1] == 48_000
    assert follow(rate, range(25, 50), 0.0, 0.03)[-1] == 64_000


def test_a_radio_link_that_loses_a_little_keeps_its_bits() -> None:
    rate = LineRate()
    assert set(follow(rate, range(60), 0.08, 0.03)) == {64_000}


def test_heavy_loss_alone_ends_at_the_lowest() -> None:
    rate = LineRate(48_000)
    assert follow(rate, range(20), 0.3, 0.03)[-1] == 24_000


def test_a_step_up_that_failed_is_tried_ever_more_seldom() -> None:
    """The line holds 48,000 but not 64,000: tried after 10 s, then 20, 40, 80, at most 120."""
    rate, second, rises = LineRate(), 0, []
    follow(rate, range(-3, 0), 0.0, 0.03)  # the empty line's round trip is known
    while second < 600:
        full = rate.bitrate > 48_000
        before = rate.bitrate
        rate.take(0.06 if full else 0.0, 0.3 if full else 0.03, float(second))
        if rate.bitrate > before:
            rises.append(second)
        second += 1
    pauses = [later - earlier for earlier, later in itertools.pairwise(rises)]
    assert pauses == sorted(pauses)
    assert pauses[-1] >= 120


@given(st.lists(st.tuples(st.floats(0, 1), st.one_of(st.none(), st.floats(0, 5))), max_size=200))
def test_any_line_gives_a_rate_of_the_table(reports: list[tuple[float, float | None]]) -> None:
    rate = LineRate(48_000)
    for second, (lost, round_trip) in enumerate(reports):
        before = rate.bitrate
        changed = rate.take(lost, round_trip, float(second))
        assert changed == (rate.bitrate != before)
        assert rate.bitrate in (48_000, 32_000, 24_000)
