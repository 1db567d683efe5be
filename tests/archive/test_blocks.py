"""Blocks of the store in memory: the same bytes, few requests, a bound, no failure that stays."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from faulty_store import FaultyStore
from hypothesis import given
from hypothesis import strategies as st
from obstore.exceptions import GenericError

from hustings.archive.blocks import BLOCK, Blocks
from hustings.archive.objects import Objects, StoreFailed

SIZE = 3 * BLOCK + 1000
DATA = bytes(at * 7 % 251 for at in range(SIZE))


def filled(data: bytes = DATA) -> FaultyStore:
    store = FaultyStore()
    store.inner.put("key", data)
    return store


def reads(store: FaultyStore) -> int:
    return sum(call == "get_range" for call, _ in store.calls)


_STORE = filled()
_BLOCKS = Blocks(Objects(_STORE), kept=2 * BLOCK)


@given(first=st.integers(-5, SIZE + 5), length=st.integers(0, SIZE + 10))
def test_any_range_is_the_bytes_of_it(first: int, length: int) -> None:
    end = first + length
    assert _BLOCKS.read("key", "v", SIZE, first, end) == DATA[max(0, first) : max(0, end)]
    assert _BLOCKS._bytes == sum(map(len, _BLOCKS._blocks.values())) <= 2 * BLOCK


def test_what_was_read_last_is_not_asked_for_again() -> None:
    store = filled()
    blocks = Blocks(Objects(store), kept=2 * BLOCK)
    for _ in range(5):
        blocks.read("key", "v", SIZE, 10, 20)
        blocks.read("key", "v", SIZE, BLOCK - 5, BLOCK + 5)
    assert reads(store) == 2
    blocks.read("key", "v", SIZE, SIZE - 1, SIZE)
    blocks.read("key", "v", SIZE, BLOCK, BLOCK + 1)
    assert reads(store) == 3
    blocks.read("key", "v", SIZE, 0, 1)  # the one that was used longest ago had to go
    assert reads(store) == 4


def test_another_object_of_the_same_name_is_another_one() -> None:
    store = filled()
    blocks = Blocks(Objects(store))
    assert blocks.read("key", "one", SIZE, 0, 4) == DATA[:4]
    store.inner.put("key", b"anew")
    assert blocks.read("key", "two", 4, 0, 4) == b"anew"
    assert blocks.read("key", "one", SIZE, 0, 4) == DATA[:4]


def test_many_who_want_the_same_ask_once() -> None:
    store = filled()
    blocks = Blocks(Objects(store))
    asked, go_on = threading.Event(), threading.Event()

    def fail(_call: str, _path: str, _number: int) -> None:
        asked.set()
        assert go_on.wait(30)

    store.fail = fail
    with ThreadPoolExecutor(8) as threads:
        found = [threads.submit(blocks.read, "key", "v", SIZE, at, at + 100) for at in range(8)]
        assert asked.wait(30)
        go_on.set()
        assert [each.result(30) for each in found] == [DATA[at : at + 100] for at in range(8)]
    assert reads(store) == 1


def test_a_failure_is_not_kept_and_nobody_waits_for_it() -> None:
    store = filled()
    blocks = Blocks(Objects(store))

    def fail(_call: str, _path: str, _number: int) -> None:
        raise GenericError("error sending request")

    store.fail = fail
    for _ in range(2):
        with pytest.raises(StoreFailed):
            blocks.read("key", "v", SIZE, 0, 4)
    store.fail = FaultyStore().fail
    store.lie = lambda _path, data: data[:-1]
    assert len(blocks.read("key", "v", SIZE, BLOCK - 4, BLOCK)) == 3  # who reads notices
    store.lie = lambda _path, data: data
    assert blocks.read("key", "v", SIZE, 0, 4) == DATA[:4]
    assert blocks.read("key", "v", SIZE, BLOCK - 4, BLOCK) == DATA[BLOCK - 4 : BLOCK]
