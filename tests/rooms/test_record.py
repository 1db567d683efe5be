"""The public record: whole ones hold, and whatever is done to one is found and named."""

from __future__ import annotations

import base64
import hashlib
import json

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from hustings.archive.record_keys import Signer, check
from hustings.rooms.record import (
    FIRST,
    MAX_LINE,
    Json,
    canonical,
    entry_line,
    head_line,
    line_hash,
    moment,
    verify,
)

AT = 1_787_000_000.0
ONE, OTHER = (Signer(Ed25519PrivateKey.from_private_bytes(bytes([n]) * 32)) for n in (1, 2))


SAID: list[tuple[str, dict[str, Json]]] = [
    ("said", {"what": "Grüße", "n": 7}),
    ("statement", {"id": "s1", "who": "Clara Weiß", "text": "I was not asked.\nNobody was."}),
    ("correction", {"id": "c1", "was": "40 flats", "now": "400 flats", "entry": 1}),
]


def lines_of(room: str = "town-hall", signer: Signer = ONE, count: int = 6) -> list[bytes]:
    """A record of `count` entries and its head."""
    lines: list[bytes] = []
    prev = FIRST
    for seq in range(count):
        first: tuple[str, dict[str, Json]] = ("key", {"key": signer.public})
        kind, data = SAID[seq % len(SAID)] if seq else first
        line = entry_line(room=room, seq=seq, prev=prev, at=AT + seq, kind=kind, data=data, sign=signer.sign)
        lines.append(line)
        prev = line_hash(line)
    lines.append(head_line(room=room, entries=count, last=prev, at=AT + count, sign=signer.sign))
    return lines


def joined(lines: list[bytes]) -> bytes:
    return b"".join(line + b"\n" for line in lines)


WHOLE = lines_of()


def test_a_whole_record_holds() -> None:
    verdict = verify(joined(WHOLE), check)
    assert (verdict.ok, verdict.reason, verdict.room) == (True, "", "town-hall")
    assert [entry.seq for entry in verdict.entries] == list(range(6))
    assert verdict.keys == (ONE.public,)
    assert verdict.as_of == moment(AT + 6) == "2026-08-17T20:53:26.000Z"


def test_a_line_is_what_any_json_library_writes() -> None:
    members = json.loads(WHOLE[3])
    assert json.dumps(members, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode() == WHOLE[3]
    assert members["prev"] == hashlib.sha256(WHOLE[2]).hexdigest()
    signature = members.pop("sig")
    assert check(base64.b64decode(ONE.public), base64.b64decode(signature), canonical(members))


def test_what_has_no_one_way_to_be_written_is_refused() -> None:
    for value in (0.5, {"ö": 1}, 2**53, b"", [1.0], {"a": {1: 2}}):
        with pytest.raises(ValueError, match=r"record|member|number"):
            canonical(value)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=str(MAX_LINE)):
        entry_line(room="r", seq=0, prev=FIRST, at=AT, kind="k", data={"t": "x" * MAX_LINE}, sign=ONE.sign)


def bad(data: bytes) -> tuple[int | None, str]:
    verdict = verify(data, check)
    return verdict.first_bad, verdict.reason


def test_each_kind_of_damage_is_named() -> None:
    assert bad(joined(WHOLE[:3] + WHOLE[4:]))[0] == 3
    assert "missing" in bad(joined(WHOLE[:3] + WHOLE[4:]))[1]
    assert bad(joined([*WHOLE[:2], WHOLE[3], WHOLE[2], *WHOLE[4:]]))[0] == 2
    assert bad(joined([*WHOLE[:4], *WHOLE[3:]])) == (4, bad(joined([*WHOLE[:4], *WHOLE[3:]]))[1])
    assert bad(joined(WHOLE[:-1]))[1] == "the last line is no head: entries at the end are missing"
    assert bad(joined(WHOLE)[:-1])[1].endswith("its end is missing")
    assert "entries, there are" in bad(joined([*WHOLE[:-2], WHOLE[-1]]))[1]
    assert bad(b"")[1]
    assert bad(b"\n")[1]
    assert bad(b"\xff\n" * 3)[0] == 0
    assert bad(b"[" * 10_000 + b"\n\n")[0] == 0


def test_another_key_cannot_go_on_with_it() -> None:
    forged = entry_line(
        room="town-hall",
        seq=6,
        prev=line_hash(WHOLE[5]),
        at=AT + 9,
        kind="said",
        data={"what": "never"},
        sign=OTHER.sign,
    )
    head = head_line(room="town-hall", entries=7, last=line_hash(forged), at=AT, sign=OTHER.sign)
    assert bad(joined([*WHOLE[:6], forged, head])) == (
        6,
        "the signature does not hold: it was changed, or another key has signed it",
    )
    assert bad(joined([*lines_of(signer=OTHER)[:-1], WHOLE[-1]]))[0] == 6, "another server's, with our head"


def test_a_key_hands_over_to_the_next() -> None:
    change = entry_line(
        room="town-hall",
        seq=6,
        prev=line_hash(WHOLE[5]),
        at=AT + 9,
        kind="key",
        data={"key": OTHER.public},
        sign=ONE.sign,
    )
    after = entry_line(
        room="town-hall", seq=7, prev=line_hash(change), at=AT + 10, kind="said", data={}, sign=OTHER.sign
    )
    head = head_line(room="town-hall", entries=8, last=line_hash(after), at=AT + 11, sign=OTHER.sign)
    verdict = verify(joined([*WHOLE[:6], change, after, head]), check)
    assert verdict.ok
    assert verdict.keys == (ONE.public, OTHER.public)
    by_itself = entry_line(
        room="town-hall",
        seq=6,
        prev=line_hash(WHOLE[5]),
        at=AT + 9,
        kind="key",
        data={"key": OTHER.public},
        sign=OTHER.sign,
    )
    head = head_line(room="town-hall", entries=7, last=line_hash(by_itself), at=AT, sign=OTHER.sign)
    assert bad(joined([*WHOLE[:6], by_itself, head]))[0] == 6, "a key nobody handed over to"


ELSEWHERE = [lines_of(room="other"), lines_of(signer=OTHER), lines_of(count=5)]


def gone_on_with(first: int, signer: Signer, text: str) -> bytes:
    """From entry `first` on all is told anew and signed, well chained, with another key."""
    lines = WHOLE[:first]
    prev = line_hash(lines[-1]) if lines else FIRST
    for seq in range(first, 6):
        data: Json = {"what": text}
        line = entry_line(
            room="town-hall", seq=seq, prev=prev, at=AT, kind="said", data=data, sign=signer.sign
        )
        lines.append(line)
        prev = line_hash(line)
    return joined([*lines, head_line(room="town-hall", entries=6, last=prev, at=AT, sign=signer.sign)])


def replayed(again: int) -> bytes:
    """An entry comes once more at the end, with the number and hash that fit there and its old signature; the
    head is the server's own, of that record."""
    members = json.loads(WHOLE[again])
    members["seq"], members["prev"] = 6, line_hash(WHOLE[5])
    line = canonical(members)
    head = head_line(room="town-hall", entries=7, last=line_hash(line), at=AT, sign=ONE.sign)
    return joined([*WHOLE[:6], line, head])


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A record to which something was done: bytes, lines, or whole entries of others."""
    lines = list(WHOLE)
    match draw(st.integers(0, 8)):
        case 0:
            changed = bytearray(joined(lines))
            at = draw(st.integers(0, len(changed) - 1))
            changed[at] ^= draw(st.integers(1, 255))
            return bytes(changed)
        case 1:
            del lines[draw(st.integers(0, len(lines) - 1))]
        case 2:
            first, second = draw(
                st.lists(st.integers(0, len(lines) - 1), min_size=2, max_size=2, unique=True)
            )
            lines[first], lines[second] = lines[second], lines[first]
        case 3:
            lines.insert(draw(st.integers(0, len(lines))), lines[draw(st.integers(0, len(lines) - 1))])
        case 4:
            other = draw(st.sampled_from(ELSEWHERE))
            at = draw(st.integers(0, len(lines) - 1))
            lines[at] = other[draw(st.integers(0, len(other) - 1))]
        case 5:
            data = joined(lines)
            return data[: draw(st.integers(0, len(data) - 1))]
        case 6:
            return gone_on_with(draw(st.integers(0, 5)), OTHER, draw(st.text(max_size=9)))
        case 7:
            return replayed(draw(st.integers(0, 5)))
        case _:
            at = draw(st.integers(0, len(lines) - 1))
            members = json.loads(lines[at])
            name = draw(st.sampled_from(sorted(members)))
            members[name] = draw(st.none() | st.integers(-9, 9) | st.text(max_size=9) | st.booleans())
            lines[at] = canonical(members)
    return joined(lines)


@settings(max_examples=10_000, deadline=None)
@given(damaged())
def test_whatever_is_done_to_it_is_found(data: bytes) -> None:
    """10,000 times: a byte changed, entries removed, moved, repeated, replayed, foreign, signed by another
    key, an end cut off."""
    verdict = verify(data, check)
    same = data == joined(WHOLE)  # two lines swapped for themselves, a member set to what it was
    # A shorter record of the same server that was once whole is no forgery: entries and head are its own.
    assert verdict.ok is same
    if not same:
        assert verdict.reason
        assert verdict.first_bad is not None
        assert 0 <= verdict.first_bad <= len(data.split(b"\n"))


@settings(max_examples=2_000, deadline=None)
@given(st.binary(max_size=300) | st.lists(st.sampled_from([*WHOLE, b"", b"{}", b"null", b"[]"])).map(joined))
def test_noise_is_judged_and_nothing_else_happens(data: bytes) -> None:
    assert verify(data, check).ok is (data == joined(WHOLE))
