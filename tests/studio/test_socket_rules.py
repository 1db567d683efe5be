"""What a speaker's socket may say: nothing that comes in raises anything but Corrupt."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hustings.errors import Corrupt
from hustings.stage.webrtc import rtp
from hustings.studio.socket_rules import (
    MAX_AHEAD,
    MAX_SOUND,
    Ahead,
    Allowance,
    Hello,
    Ping,
    is_sound,
    our_origin,
    pong,
    read_hello,
    read_ping,
    sequence_of,
)

JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
NAMED = st.fixed_dictionaries(
    {},
    optional={
        "type": JSON | st.just("ping"),
        **dict.fromkeys(("ticket", "device", "returns", "at", "got"), JSON),
    },
)


@given(NAMED.map(json.dumps) | JSON.map(json.dumps) | st.text() | JSON)
def test_only_corrupt_leaves_the_readers(message: object) -> None:
    for read in (read_hello, read_ping):
        try:
            found = read(message)
        except Corrupt:
            continue
        if isinstance(found, Hello):
            assert 0 < len(found.ticket) <= 512
        else:
            assert math.isfinite(found.at)
            assert found.got is None or 0 <= found.got < 65536
            assert json.loads(pong(found)) == {"type": "pong", "at": found.at}


@pytest.mark.parametrize("message", ["[" * 900, "1" * 2000, '{"ticket": "' + "t" * 3000 + '"}', None, b"{}"])
def test_what_is_deep_long_or_no_text_is_corrupt(message: object) -> None:
    for read in (read_hello, read_ping):
        with pytest.raises(Corrupt):
            read(message)


def test_what_a_client_says() -> None:
    assert read_hello('{"ticket": "t_1"}') == Hello("t_1", "", True)
    assert read_hello('{"ticket": "t_1", "device": "d", "returns": false}') == Hello("t_1", "d", False)
    assert read_ping('{"type": "ping", "at": 1.5, "got": 7}') == Ping(1.5, 7)
    assert read_ping('{"type": "ping"}') == Ping(0, None)


@given(st.binary(max_size=60) | st.binary(min_size=MAX_SOUND - 1, max_size=MAX_SOUND + 2))
def test_what_the_stage_can_read_looks_like_sound_here(data: bytes) -> None:
    try:
        packet = rtp.parse(data)
    except Corrupt:
        readable = False
    else:
        readable = not rtp.is_rtcp(data) and len(data) <= MAX_SOUND
        assert sequence_of(data) == packet.sequence
    if readable:
        assert is_sound(data)
    if len(data) < 12 or len(data) > MAX_SOUND:
        assert not is_sound(data)


@given(st.lists(st.floats(0, 0.02) | st.floats(0, 2), min_size=20, max_size=300))
def test_no_more_passes_than_the_rate_and_the_reserve(pauses: list[float]) -> None:
    now, taken = 0.0, 0
    allowance = Allowance(10, 5, now)
    for pause in pauses:
        now += pause
        taken += allowance.take(now)
    assert taken <= 5 + 10 * now + 1e-6


def test_a_client_at_its_pace_is_never_held_back() -> None:
    allowance = Allowance(110, 300, 0.0)
    assert all(allowance.take(n * 0.01) for n in range(5000))
    assert all(allowance.take(60.0) for _ in range(250)), "what a stalled network held back"


def test_a_client_that_says_nothing_gets_two_seconds_and_no_more() -> None:
    ahead = Ahead()
    for n in range(MAX_AHEAD):
        assert not ahead.too_far
        ahead.sent(65_500 + n & 0xFFFF)
    assert ahead.too_far
    ahead.got(65_500 + 3 & 0xFFFF)
    assert not ahead.too_far


@given(st.integers(0, 65535), st.lists(st.integers(0, 3) | st.integers(0, 65535), max_size=400))
def test_no_more_is_underway_than_was_allowed(first: int, words: list[int]) -> None:
    ahead = Ahead()
    sent = got = 0
    for word in words:
        if not ahead.too_far:
            ahead.sent(first + sent & 0xFFFF)
            sent += 1
        assert sent - got <= MAX_AHEAD
        if word <= 3 and sent:  # an honest word: some more have come
            got = min(sent, got + word)
            ahead.got(first + got - 1 & 0xFFFF)
        elif (word - first & 0xFFFF) >= sent:
            ahead.got(word)  # never sent: not believed
    ahead.got(first + sent - 1 & 0xFFFF)
    assert not ahead.too_far


@pytest.mark.parametrize(
    ("origin", "host", "ours"),
    [
        (None, "a.example", True),
        ("https://a.example", "a.example", True),
        ("https://a.example:8000", "a.example:8001", True),
        ("http://[::1]:8000", "[::1]:8001", True),
        ("https://talk.example", "studio.example", True),
        ("https://evil.example", "a.example", False),
        ("https://talk.example:1", "studio.example", False),
        ("http://talk.example", "studio.example", False),
        ("null", "a.example", False),
        ("", "", False),
        ("file://", "", False),
        ("https://a.example", None, False),
        ("http://[", "[", False),
    ],
)
def test_only_pages_of_our_doors(origin: str | None, host: str | None, ours: bool) -> None:
    assert our_origin(origin, host, ("https://talk.example",)) is ours


@given(st.text(max_size=30), st.text(max_size=30))
def test_no_origin_breaks_it(origin: str, host: str) -> None:
    our_origin(origin, host, (host,))
