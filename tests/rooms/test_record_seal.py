"""Sealed entries: whatever is not what was sealed is found, and what is, is not."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hustings.rooms.record import Entry, Json
from hustings.rooms.record_seal import (
    NONCE,
    Opening,
    check_openings,
    read_openings,
    seal_of,
    sealed,
)

ONE, TWO = "20261122T185500-0a1b2c", "20261129T185500-a1b2c3"
value: st.SearchStrategy[Json] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(max_size=8),
    lambda each: (
        st.lists(each, max_size=3) | st.dictionaries(st.from_regex(r"[a-z_]{1,6}", fullmatch=True), each)
    ),
    max_leaves=8,
)
figures = st.dictionaries(st.from_regex(r"[a-z_]{1,6}", fullmatch=True), value, max_size=4).map(
    lambda found: {**found, "broadcast": ONE, "minute": "2026-11-22T19:00:00.000Z"}
)
nonces = st.binary(min_size=NONCE, max_size=NONCE).map(bytes.hex)


def minute(number: int, broadcast: str = ONE) -> dict[str, Json]:
    at = f"2026-11-22T19:{number:02}:00.000Z"
    return {"broadcast": broadcast, "minute": at, "net": {"peak": number, "unique": 9 * number}}


def nonce(number: int) -> str:
    return f"{number:02x}" * NONCE


def record(*of: tuple[str, dict[str, Json]]) -> tuple[list[Entry], list[Opening]]:
    """Entries from number 5 on, all of them sealed, and their openings; before them are open ones."""
    entries = [Entry(n, "", "said", {"n": n}, "") for n in range(5)]
    openings = []
    for seq, (kind, data) in enumerate(of, start=5):
        entries.append(Entry(seq, "", kind, sealed(data, nonce(seq)), ""))
        openings.append(Opening(seq, nonce(seq), data))
    return entries, openings


EVENING: list[tuple[str, dict[str, Json]]] = [
    *(("audience", minute(n)) for n in range(4)),
    ("audience_total", {"broadcast": ONE, "net": {"peak": 3}}),
    ("audience_replay", {"broadcast": ONE, "day": "2026-11-23", "plays": 4, "seconds": 900}),
]


@given(figures, nonces)
def test_a_sealed_entry_says_when_and_of_what_and_nothing_else(data: dict[str, Json], by: str) -> None:
    shown = sealed(data, by)
    assert shown.keys() - {"broadcast", "minute", "day", "sealed"} == set()
    assert (shown["broadcast"], shown["minute"]) == (ONE, data["minute"])
    assert shown["sealed"] == seal_of(data, by)
    assert seal_of(data, by) != seal_of(data, nonce(0) if by != nonce(0) else nonce(1))


@given(figures, nonces, st.data())
def test_a_byte_that_is_changed_in_an_opening_is_found(
    data: dict[str, Json], by: str, draw: st.DataObject
) -> None:
    entries = [Entry(0, "", "audience", sealed(data, by), "")]
    line = bytearray(Opening(0, by, data).line())
    assert check_openings(entries, read_openings(bytes(line) + b"\n")).first_bad is None
    line[draw.draw(st.integers(0, len(line) - 1))] ^= draw.draw(st.integers(1, 255))
    try:
        found = check_openings(entries, read_openings(bytes(line) + b"\n"))
    except ValueError:
        return
    assert found.first_bad is not None
    assert found.opened == 0


@given(st.lists(st.tuples(figures, nonces), max_size=4))
def test_a_file_of_openings_is_read_as_it_was_written(made: list[tuple[dict[str, Json], str]]) -> None:
    openings = [Opening(seq, by, data) for seq, (data, by) in enumerate(made)]
    assert read_openings(b"".join(each.line() + b"\n" for each in openings)) == openings


@pytest.mark.parametrize(
    "line",
    [
        b"{}",
        b"[]",
        b'"',
        b"\xff",
        b"[" * 100_000,
        b'{"data":{},"nonce":"00","seq":0}',
        b'{"data":{},"nonce":"' + b"0" * 64 + b'","seq":true}',
        b'{"data":{},"nonce":"' + b"0" * 64 + b'","seq":-1}',
        b'{"data":[],"nonce":"' + b"0" * 64 + b'","seq":0}',
        b'{"data":{"n":1.5},"nonce":"' + b"0" * 64 + b'","seq":0}',
        b'{"data":{},"nonce":"' + b"A" * 64 + b'","seq":0}',
        b'{"data":{}, "nonce":"' + b"0" * 64 + b'","seq":0}',
        b"",
    ],
)
def test_what_is_no_opening_is_named(line: bytes) -> None:
    good = Opening(0, nonce(1), {"broadcast": ONE}).line()
    with pytest.raises(ValueError, match="line 2 is no opening"):
        read_openings(good + b"\n" + line + b"\n" + good + b"\n")
    assert read_openings(b"") == []
    assert read_openings(good) == read_openings(good + b"\n")


def test_all_of_an_evening_open_it() -> None:
    entries, openings = record(*EVENING)
    found = check_openings(entries, openings)
    assert (found.sealed, found.opened, found.first_bad, found.reason) == (6, 6, None, "")
    none = check_openings(entries, [])
    assert (none.sealed, none.opened, none.first_bad) == (6, 0, None)


@pytest.mark.parametrize("without", range(5))
def test_one_that_is_missing_is_named(without: int) -> None:
    entries, openings = record(*EVENING)
    found = check_openings(entries, openings[:without] + openings[without + 1 :])
    assert (found.first_bad, "missing" in found.reason) == (5 + without, True)


def test_the_end_of_an_evening_cannot_be_left_out_once_its_total_is_there() -> None:
    entries, openings = record(*EVENING)
    assert check_openings(entries, openings[:2]).first_bad == 7
    goes_on, some = record(*EVENING[:4])
    assert check_openings(goes_on, some[:2]).first_bad is None, "made two minutes ago"
    assert check_openings(goes_on, [some[1]]).first_bad == 5


def test_plays_of_a_later_day_and_other_evenings_are_not_missing() -> None:
    entries, openings = record(*EVENING, *(("audience", minute(n, TWO)) for n in range(3)))
    assert check_openings(entries, openings[:5]).first_bad is None
    assert check_openings(entries, openings[6:]).first_bad is None, "of the second evening alone"
    assert check_openings(entries, openings[:5]).opened == 5


def test_a_wrong_one_is_named() -> None:
    entries, openings = record(*EVENING)
    wrong = replace(openings[2], data={**openings[2].data, "net": {"peak": 99, "unique": 18}})
    found = check_openings(entries, [*openings[:2], wrong, *openings[3:]])
    assert (found.first_bad, found.opened) == (7, 5)
    assert "not what was sealed" in found.reason
    other_nonce = replace(openings[2], nonce=nonce(77))
    assert check_openings(entries, [*openings[:2], other_nonce, *openings[3:]]).first_bad == 7
    float_in = replace(openings[2], data={"broadcast": ONE, "n": 1.5})
    assert check_openings(entries, [*openings[:2], float_in, *openings[3:]]).first_bad == 7


def test_a_foreign_one_is_named() -> None:
    entries, openings = record(*EVENING)
    for foreign, why in (
        (Opening(2, nonce(1), {"n": 2}), "that entry is not sealed"),
        (Opening(99, nonce(1), minute(1)), "there is no such entry"),
        (Opening(5, nonce(5), minute(0, TWO)), "another broadcast"),
    ):
        found = check_openings(entries, [foreign, *openings[1:]])
        assert found.first_bad == min(foreign.seq, 5)
        if foreign.seq <= 5:
            assert why in found.reason
    alone = check_openings(entries, [Opening(99, nonce(1), minute(1))])
    assert (alone.first_bad, "no such entry" in alone.reason) == (99, True)


def test_two_for_one_entry_are_named() -> None:
    entries, openings = record(*EVENING)
    found = check_openings(entries, [*openings, openings[0]])
    assert (found.first_bad, found.reason, found.opened) == (5, "two openings for this entry", 5)


def test_the_hash_is_the_one_that_the_format_names() -> None:
    """As anybody computes it: docs/record.md."""
    text = json.dumps(minute(3), sort_keys=True, separators=(",", ":")).encode()
    assert seal_of(minute(3), nonce(9)) == hashlib.sha256(bytes([9]) * 32 + text).hexdigest()
