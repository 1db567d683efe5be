"""Push records: any cut gives the same records; nothing but Corrupt leaves the reader."""

from __future__ import annotations

import json
import struct
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hustings.clients.push_reader import (
    MAX_PAYLOAD,
    Bye,
    Discontinuity,
    Event,
    Init,
    Media,
    PushReader,
    ServerClock,
)
from hustings.errors import Corrupt


def record(kind: int, payload: bytes | dict[str, object]) -> bytes:
    body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return struct.pack(">BBHI", kind, 0, 0, len(body)) + body


STREAM = b"".join(
    [
        record(1, b"init"),
        record(4, {"media_time": 9600, "wall_clock": 1_790_000_000.5}),
        record(2, b"chunk" * 100),
        record(77, b"of a later version"),
        record(3, {"media_time": 1, "wall_clock": 2, "kind": "speaking", "participant": "a"}),
        record(5, {"media_time": 19200, "reason": "gap"}),
        record(6, {"reason": "ended"}),
    ]
)
RECORDS = [
    Init(b"init"),
    ServerClock(9600, 1_790_000_000.5),
    Media(b"chunk" * 100),
    Event(1, 2.0, "speaking", {"media_time": 1, "wall_clock": 2, "kind": "speaking", "participant": "a"}),
    Discontinuity(19200, "gap"),
    Bye("ended"),
]


@given(st.lists(st.integers(0, len(STREAM)), max_size=40))
def test_any_cut_gives_the_same_records(cuts: list[int]) -> None:
    reader = PushReader()
    edges = [0, *sorted(cuts), len(STREAM)]
    found = [each for start, end in pairwise(edges) for each in reader.feed(STREAM[start:end])]
    assert found == RECORDS
    assert reader.pending == 0


@given(st.lists(st.binary(max_size=200), max_size=20))
def test_only_corrupt_leaves_the_reader(pieces: list[bytes]) -> None:
    reader = PushReader()
    try:
        for piece in pieces:
            reader.feed(piece)
    except Corrupt:
        with pytest.raises(Corrupt):
            reader.feed(b"")


@given(st.integers(3, 6), st.binary(max_size=60) | st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.sampled_from(["media_time", "wall_clock", "kind", "reason"]), inner, max_size=4),
    max_leaves=8,
))  # fmt: skip
def test_json_records_with_any_content(kind: int, content: object) -> None:
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    try:
        PushReader().feed(record(kind, body))
    except Corrupt:
        pass


@pytest.mark.parametrize(
    "stream",
    [
        struct.pack(">BBHI", 2, 0, 0, MAX_PAYLOAD + 1),
        record(4, b"{"),
        record(4, b"[" * 100_000),
        record(4, b"[]"),
        record(4, {"media_time": 1.5, "wall_clock": 1}),
        record(4, {"media_time": True, "wall_clock": 1}),
        record(4, b'{"media_time": 1, "wall_clock": NaN}'),
        record(4, b'{"media_time": 1, "wall_clock": 1' + b"0" * 400 + b"}"),
        record(5, {"media_time": 1}),
        record(6, {"reason": 3}),
    ],
)
def test_what_is_refused(stream: bytes) -> None:
    with pytest.raises(Corrupt):
        PushReader().feed(stream)


def test_a_broken_reader_stays_broken() -> None:
    reader = PushReader()
    with pytest.raises(Corrupt):
        reader.feed(record(6, b"{"))
    with pytest.raises(Corrupt):
        reader.feed(STREAM)
