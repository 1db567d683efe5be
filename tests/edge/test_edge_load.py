"""Load: batches widen; metrics have bounded labels and are documented."""

from __future__ import annotations

from edge_memory import House
from prometheus_client import CollectorRegistry, generate_latest

from hustings.edge import metrics as metrics_module
from hustings.edge.load import Load
from hustings.edge.metrics import Metrics


def feed(load: Load, share: float, seconds: int, lag: float = 0.0) -> None:
    for _ in range(seconds):
        load.update(share, lag)


def test_batches_widen_step_by_step() -> None:
    load = Load()
    feed(load, 0.95, 1)
    assert load.batch == 1
    feed(load, 0.95, 1)
    assert load.batch == 2
    feed(load, 0.95, 2)
    assert load.batch == 4
    feed(load, 0.95, 10)
    assert load.batch == 4


def test_batches_do_not_swing() -> None:
    """At half the load after widening nothing changes; only real quiet narrows."""
    load = Load()
    feed(load, 0.8, 2)
    feed(load, 0.4, 60)
    assert load.batch == 2
    feed(load, 0.2, 10)
    assert load.batch == 1


def test_a_late_loop_counts_as_load() -> None:
    load = Load()
    feed(load, 0.1, 2, lag=0.5)
    assert load.batch == 2


def test_one_busy_second_changes_nothing() -> None:
    load = Load()
    for _ in range(20):
        feed(load, 0.99, 1)
        feed(load, 0.1, 1)
    assert load.batch == 1


async def test_the_edge_feeds_it(house: House) -> None:
    used = 0.0

    def thread_time() -> float:
        nonlocal used
        used += 0.99
        return used

    house.edge._thread_time = thread_time
    house.step(3)
    assert house.edge.load.batch == 2
    assert house.edge.metrics.batch == 2


async def test_metrics_are_documented_and_hold_nothing_personal(house: House) -> None:
    await house.live(5)
    client = house.client("203.0.113.9")
    client.get("/r/hall/live")
    house.client("203.0.113.9").ask("/nowhere/secret")
    registry = CollectorRegistry()
    house.edge.metrics.register(registry)
    text = generate_latest(registry).decode()
    assert 'hustings_edge_listeners{door="push"} 1.0' in text
    assert 'hustings_edge_replies_total{status="404"} 1.0' in text
    for personal in ("hall", "203.0.113", "secret"):
        assert personal not in text
    names = {line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")}
    for name in names:
        assert name in (metrics_module.__doc__ or ""), name


def test_all_reasons_are_there_from_the_start() -> None:
    registry = CollectorRegistry()
    Metrics().register(registry)
    text = generate_latest(registry).decode()
    for reason in (*metrics_module.REFUSALS, *metrics_module.CUTS):
        assert f'reason="{reason}"' in text
