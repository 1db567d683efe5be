"""Relative delays, the target, and paths that change."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hustings.audio.delay import DelayEstimator


def fed(relative: list[float], *, start: float = 50.0, fec: bool = False, step: int = 1) -> DelayEstimator:
    delay = DelayEstimator(0.020, 0.080)
    for n, late in enumerate(relative):
        delay.observe(n * 0.02, start + n * 0.02 + late, n * step, fec)
    return delay


def test_no_jitter_means_one_tick_and_the_margin() -> None:
    delay = fed([0.0] * 50)
    assert delay.target == pytest.approx(0.023)
    assert delay.jitter == pytest.approx(0.0, abs=1e-9)
    assert delay.relative(1.0, 51.0 + 0.015) == pytest.approx(0.015)


@pytest.mark.parametrize(("width", "target"), [(0.01, 0.033), (0.04, 0.063), (0.2, 0.080)])
def test_the_target_covers_the_jitter_within_its_bounds(width: float, target: float) -> None:
    dice = random.Random(1)
    delay = fed([dice.uniform(0, width) for _ in range(200)])
    assert delay.target == pytest.approx(target, abs=0.004)
    assert delay.setpoint <= 0.100
    assert delay.jitter > width / 8


def test_one_late_packet_in_a_hundred_is_not_waited_for() -> None:
    assert fed([0.05 if n % 100 == 50 else 0.0 for n in range(400)]).target == pytest.approx(0.023)


def test_the_target_forgets_within_two_seconds() -> None:
    assert fed([0.06] * 3 + [0.0] * 3 + [0.06, 0.0] * 40 + [0.0] * 100).target == pytest.approx(0.023)


def test_loss_with_fec_is_worth_one_packet_more() -> None:
    assert fed([0.0] * 100, fec=True, step=2).target == pytest.approx(0.043)
    assert fed([0.0] * 100, fec=False, step=2).target == pytest.approx(0.023)
    assert fed([0.0] * 100, fec=True).target == pytest.approx(0.023)


def test_a_longer_path_is_taken_up() -> None:
    delay = fed([0.0] * 100 + [0.3] * 30)
    assert delay.base == pytest.approx(50.3)
    slowly = fed([0.0] * 100 + [0.05] * 310)
    assert slowly.base == pytest.approx(50.05)


@given(st.lists(st.floats(0.0, 3.0), max_size=300))
def test_bounds_hold_for_any_delays(relative: list[float]) -> None:
    delay = fed(relative)
    assert 0.020 <= delay.target <= 0.080
    assert delay.target <= delay.setpoint <= 0.100
