"""How many an edge can hold: by descriptors, memory, measured processor time; the least binds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hustings.edge.capacity import CONNECTION_BYTES, MIN_WRITES, TLS_BYTES, WORST_COST, Capacity
from hustings.edge.kernel import memory_allowance, resident_bytes

MB = 2**20


def test_descriptors_bind_until_something_else_is_known() -> None:
    capacity = Capacity(connections=1000, memory=0)
    assert capacity.binding == "descriptors"
    assert capacity.room == 900, "pages, and who is told to wait, need some, too"
    capacity.count(connections=899, push=10, streams=0)
    assert capacity.room == 1
    capacity.count(connections=950, push=10, streams=0)
    assert capacity.room == 0


def test_small_edges_keep_connections_for_those_who_wait() -> None:
    assert Capacity(connections=300, memory=0).room == 300 - 64
    assert Capacity(connections=20, memory=0).room == 10


def test_memory_binds_by_what_is_in_use_and_tls_costs_more() -> None:
    for tls, each in ((False, CONNECTION_BYTES), (True, CONNECTION_BYTES + TLS_BYTES)):
        capacity = Capacity(connections=10**6, memory=200 * MB, tls=tls)
        capacity.count(connections=500, push=500, streams=0)
        capacity.sample(0, cpu_seconds=0.1, writes=0, resident=100 * MB)
        assert capacity.binding == "memory"
        assert capacity.room == 100 * MB // each
        capacity.sample(1, cpu_seconds=0.1, writes=0, resident=300 * MB)
        assert capacity.room == 0


def test_the_processor_binds_by_what_a_write_was_measured_to_cost() -> None:
    capacity = Capacity(connections=10**6, memory=0)
    capacity.sample(0, cpu_seconds=0.4, writes=MIN_WRITES - 1, resident=0)
    assert "cpu" not in capacity.places, "too few to say anything"
    capacity.sample(1, cpu_seconds=0.4, writes=10_000, resident=0)
    assert capacity.cost == pytest.approx(40e-6)
    assert capacity.places["cpu"] == pytest.approx(0.75 / 40e-6 / 1.25)
    capacity.sample(2, cpu_seconds=0.9, writes=10_000, resident=0)
    assert capacity.cost == pytest.approx(40e-6), "a flood of something else makes listeners no dearer"
    capacity.sample(2 + 300, cpu_seconds=0.9, writes=10_000, resident=0)
    assert capacity.cost == pytest.approx(90e-6), "five minutes later it is"
    capacity.sample(1000, cpu_seconds=1.0, writes=MIN_WRITES, resident=0)
    assert capacity.cost == WORST_COST, "within bounds"
    capacity.count(connections=50, push=10, streams=40)
    capacity.sample(1001, cpu_seconds=1.0, writes=MIN_WRITES, resident=0)
    assert capacity.places["cpu"] == pytest.approx(0.75 / WORST_COST / 1.25 - 40 * 4 + 40)


@given(
    st.integers(16, 10**6),
    st.integers(1, 4000),
    st.lists(st.tuples(st.floats(0, 1), st.integers(0, 100_000), st.integers(0, 10**10)), max_size=50),
    st.integers(0, 10**6),
)
def test_there_is_never_room_beyond_a_bound(
    connections: int, megabytes: int, seconds: list[tuple[float, int, int]], inside: int
) -> None:
    capacity = Capacity(connections=connections, memory=megabytes * MB)
    for now, (cpu, writes, resident) in enumerate(seconds):
        capacity.count(connections=inside, push=inside // 2, streams=inside // 3)
        capacity.sample(now, cpu_seconds=cpu, writes=writes, resident=resident)
        room = capacity.room
        assert room >= 0
        assert not room or room + inside <= connections * 0.9
        assert not room or room * CONNECTION_BYTES <= megabytes * MB
        assert capacity.places[capacity.binding] == min(capacity.places.values())


def test_the_machine_says_how_much_memory_there_is() -> None:
    own = resident_bytes()
    assert own > 4 * MB
    assert own <= memory_allowance(4) <= memory_allowance(1)
