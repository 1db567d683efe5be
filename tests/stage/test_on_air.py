"""Live broadcasts, their silence and their recordings as metrics without a series for each."""

from __future__ import annotations

from prometheus_client import REGISTRY

from hustings.stage.on_air import OnAir


def sample(name: str, **labels: str) -> float | None:
    return REGISTRY.get_sample_value(name, labels)


def test_the_longest_silence_of_a_live_broadcast_is_told() -> None:
    on_air = OnAir()
    on_air.look(["a", "b"], ["on", "failing"], 100.0)
    assert (sample("hustings_stage_live"), sample("hustings_stage_silent_seconds")) == (2, 0.0)
    on_air.chunk("a", 110.0, silent=False)
    on_air.chunk("b", 110.0, silent=True)
    on_air.look(["a", "b"], ["on", "on"], 130.0)
    assert sample("hustings_stage_silent_seconds") == 30.0
    on_air.chunk("b", 140.0, silent=False)
    on_air.look(["a", "b"], ["on", "on"], 141.0)
    assert sample("hustings_stage_silent_seconds") == 31.0
    on_air.look([], [], 200.0)
    assert (sample("hustings_stage_live"), sample("hustings_stage_silent_seconds")) == (0, 0.0)
    on_air.look(["a"], ["on"], 300.0)
    assert sample("hustings_stage_silent_seconds") == 0.0, "who goes live again begins anew"


def test_recordings_are_counted_by_state() -> None:
    OnAir().look(["a", "b", "c"], ["on", "on", "failing"], 0.0)
    states = {state: sample("hustings_stage_recording", state=state) for state in ("on", "failing", "off")}
    assert states == {"on": 2, "failing": 1, "off": 0}
    OnAir().look([], [], 1.0)
    assert sample("hustings_stage_recording", state="failing") == 0
