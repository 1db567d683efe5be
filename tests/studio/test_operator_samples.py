"""The roles' own text, as the client library writes it, becomes the operator's figures."""

from __future__ import annotations

import pytest
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from hustings.edge.metrics import Metrics
from hustings.studio.operator.samples import (
    LATENESS,
    MAX_TEXT,
    WANTED,
    figures,
    grown,
    quantile,
    read_role,
    total,
)


class Stage:
    """A stage's metrics, by their names."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.ticks = Counter("hustings_stage_ticks_total", "t", registry=self.registry)
        self.late = Counter("hustings_stage_ticks_late_total", "t", registry=self.registry)
        self.chunks = Counter("hustings_stage_chunks_total", "t", ["codec"], registry=self.registry)
        self.frames = Counter("hustings_stage_speaker_frames_total", "t", ["kind"], registry=self.registry)
        self.live = Gauge("hustings_stage_live", "t", registry=self.registry)
        self.lateness = Histogram(
            "hustings_stage_tick_lateness_seconds", "t", buckets=(0.001, 0.005, 0.02), registry=self.registry
        )

    def read(self) -> dict[str, dict[str, float]]:
        return read_role(generate_latest(self.registry).decode())


def test_figures_are_what_happened_between_two_looks() -> None:
    stage = Stage()
    stage.ticks.inc(1000)
    stage.late.inc(900)
    stage.frames.labels("voice").inc(50)
    before = {"stage": stage.read()}
    stage.ticks.inc(200)
    stage.late.inc(3)
    stage.live.set(2)
    stage.chunks.labels("opus").inc(25)
    stage.chunks.labels("aac").inc(25)
    stage.frames.labels("voice").inc(170)
    stage.frames.labels("fec").inc(10)
    stage.frames.labels("concealed").inc(20)
    for _ in range(197):
        stage.lateness.observe(0.0004)
    for _ in range(3):
        stage.lateness.observe(0.012)
    found = figures(before, {"stage": stage.read()}, 5.0)
    assert found.late == pytest.approx(3 / 200)
    assert found.late_ms == 20.0
    assert found.loss == pytest.approx(0.1)
    assert (found.live, found.chunks) == (2, 50)


def test_a_role_that_began_anew_counts_from_nothing() -> None:
    before = {"edge-0": read_role("hustings_edge_skips_total 100.0\n")}
    after = {
        "edge-0": read_role("hustings_edge_skips_total 3.0\n"),
        "edge-1": read_role("hustings_edge_skips_total 70\n"),
    }
    assert grown(before, after, "hustings_edge_skips_total") == 3.0


def test_nobody_who_speaks_is_no_loss_and_no_tick_no_lateness() -> None:
    found = figures({}, {}, 5.0)
    assert (found.loss, found.late, found.late_ms, found.level, found.used) == (None, None, None, None, None)
    assert quantile({}, {}, LATENESS, 0.99) is None


def test_places_and_listeners_of_all_edges_are_one_share() -> None:
    edges = [Metrics(), Metrics()]
    texts = {}
    for index, edge in enumerate(edges):
        registry = CollectorRegistry()
        edge.register(registry)
        edge.places_free, edge.level = 25 * (index + 1), 3 * index
        edge.listeners = lambda: {"push": 10, "stream": 5, "hls_waiting": 2}
        edge.waiting = lambda: {"join": 4, "page": 1}
        texts[f"edge-{index}"] = read_role(generate_latest(registry).decode())
    found = figures({}, texts, 5.0)
    assert found.listeners == {"push": 20, "stream": 10, "hls_waiting": 4}
    assert (found.level, found.waiting, found.places_free) == (3, 10, 75)
    assert found.used == pytest.approx(30 / 105)
    assert total(texts, "hustings_edge_listeners", 'door="push"') == 20


@pytest.mark.parametrize(
    "text",
    [
        "hustings_edge_skips_total",
        "hustings_edge_skips_total NaN",
        "hustings_edge_skips_total +Inf",
        "hustings_edge_skips_total{ 1 x",
        "# hustings_edge_skips_total 1",
        "other_total 1",
        "\x00" * 100,
    ],
)
def test_what_is_no_sample_is_passed_over(text: str) -> None:
    assert read_role(text + "\n") == {}


def test_a_text_without_end_is_read_to_a_bound() -> None:
    text = "x" * MAX_TEXT + "\nhustings_edge_skips_total 1\n"
    assert read_role(text) == {}


def test_only_what_is_shown_is_kept() -> None:
    text = "\n".join(f"{name} 1" for name in sorted(WANTED)) + "\nhustings_edge_connections 7\n"
    assert read_role(text).keys() == WANTED
