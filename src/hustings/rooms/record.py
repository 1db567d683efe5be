"""The public record of a room: an append-only log in which every entry holds the hash of the one before and a
signature. Pure: signing and checking are given as functions. The format, for readers: docs/record.md.

A line is one JSON object as RFC 8785 writes it (members in the order of their names, no white space, UTF-8);
values are texts, whole numbers, true, false, null, lists and objects of these, so every JSON library writes
the same bytes. `prev` is the SHA-256 of the line before, without its line feed; the first entry has zeros.
`sig` is the Ed25519 signature (RFC 8032) of the line without its member `sig`.

The first entry names the key that signs; an entry "key" names the next one, signed with the one before. The
last line is no entry but the head: how many entries there are and the hash of the last, at a time. Without
it nobody could see that entries at the end were cut off.
"""

from __future__ import annotations

import hashlib
import json
from base64 import b64decode
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

VERSION: Final = 1
FIRST: Final = "0" * 64
"""`prev` of the first entry."""
KEY: Final = "key"
HEAD: Final = "head"
MAX_LINE: Final = 16_384
"""Bytes of one line: more is no entry of ours."""

_MEMBERS: Final = frozenset(("at", "data", "kind", "prev", "room", "seq", "sig", "v"))
_HEAD_MEMBERS: Final = frozenset(("at", "hash", "kind", "room", "seq", "sig", "v"))

type Json = bool | int | str | list[Json] | dict[str, Json] | None
type Sign = Callable[[bytes], str]
"""Bytes -> signature, base64."""
type Check = Callable[[bytes, bytes, bytes], bool]
"""(public key, signature, bytes) -> whether it holds."""


def canonical(value: Json) -> bytes:
    """`value` as RFC 8785 writes it. Raises ValueError for what has no one way to be written (floats)."""
    _refuse_others(value)
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def _refuse_others(value: object) -> None:
    if isinstance(value, dict):
        for key, member in value.items():
            # Beyond the basic plane UTF-16 sorts otherwise than Python does (RFC 8785 section 3.2.3).
            if not isinstance(key, str) or not key.isascii():
                raise ValueError(f"no name of a member: {key!r}")
            _refuse_others(member)
    elif isinstance(value, list):
        for member in value:
            _refuse_others(member)
    elif isinstance(value, int):
        if abs(value) >= 2**53:
            raise ValueError("a number beyond what JSON keeps exactly")
    elif value is not None and not isinstance(value, str):
        raise ValueError(f"no value of a record: {type(value).__name__}")


def moment(wall: float) -> str:
    """ISO 8601 in UTC, to the millisecond."""
    return f"{datetime.fromtimestamp(round(wall, 3), UTC):%Y-%m-%dT%H:%M:%S.%f}"[:-3] + "Z"


def line_hash(line: bytes) -> str:
    """SHA-256 of a line without its line feed, in hexadecimal digits."""
    return hashlib.sha256(line).hexdigest()


def entry_line(*, room: str, seq: int, prev: str, at: float, kind: str, data: Json, sign: Sign) -> bytes:
    """A new entry, without a line feed. `at`: Unix seconds. Raises ValueError when it would be too long."""
    members: dict[str, Json] = {
        "v": VERSION,
        "room": room,
        "seq": seq,
        "at": moment(at),
        "kind": kind,
        "data": data,
        "prev": prev,
    }
    return _signed(members, sign)


def head_line(*, room: str, entries: int, last: str, at: float, sign: Sign) -> bytes:
    """The line that closes a copy of the record: `entries` of them, the last of which has the hash `last`."""
    members: dict[str, Json] = {
        "v": VERSION,
        "room": room,
        "seq": entries,
        "at": moment(at),
        "kind": HEAD,
        "hash": last,
    }
    return _signed(members, sign)


def _signed(members: dict[str, Json], sign: Sign) -> bytes:
    members["sig"] = sign(canonical(members))
    line = canonical(members)
    if len(line) > MAX_LINE:
        raise ValueError(f"an entry of {len(line)} bytes; {MAX_LINE} may be")
    return line


# --- checking ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Entry:
    """One that was checked."""

    seq: int
    at: str
    kind: str
    data: dict[str, Any]
    hash: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What `verify` found. `first_bad`: the number of the first entry that does not hold (as many as there
    are entries: the head), None when all do. `reason`: in one sentence. `keys`: all public keys, base64, in
    the order in which they were named; `as_of`: the head's time."""

    room: str
    entries: tuple[Entry, ...]
    first_bad: int | None = None
    reason: str = ""
    keys: tuple[str, ...] = ()
    as_of: str = ""

    @property
    def ok(self) -> bool:
        return self.first_bad is None


class _Broken(Exception):
    pass


def verify(data: bytes, check: Check) -> Verdict:
    """Checks a whole record.jsonl, the head included, stopping at the first entry that does not hold."""
    lines = data.split(b"\n")
    room, as_of = "", ""
    entries: list[Entry] = []
    keys: list[str] = []
    prev = FIRST
    try:
        if lines.pop() != b"":
            raise _Broken("the file does not end with a whole line: its end is missing")
        if not lines:
            raise _Broken("there is no entry")
        for line in lines[:-1]:
            members = _read(line, _MEMBERS)
            room = room or str(members["room"])
            entry = _entry(members, line, len(entries), room, prev)
            key = _signing_key(entry, keys)
            _check_signature(members, key, check)
            if entry.kind == KEY:
                keys.append(_named_key(entry))
            entries.append(entry)
            prev = entry.hash
        as_of = _head(lines[-1], room, prev, len(entries), keys, check)
    except _Broken as broken:
        return Verdict(room, tuple(entries), len(entries), str(broken), tuple(keys))
    return Verdict(room, tuple(entries), keys=tuple(keys), as_of=as_of)


def _read(line: bytes, names: frozenset[str]) -> dict[str, Any]:
    """The members of a line that is written in the one way there is."""
    if len(line) > MAX_LINE:
        raise _Broken(f"a line of {len(line)} bytes; {MAX_LINE} may be")
    try:
        members: dict[str, Any] = json.loads(line.decode())
        same = isinstance(members, dict) and canonical(members) == line
    except (ValueError, RecursionError):
        raise _Broken("this is no entry: the line is not JSON of a record") from None
    if not same:
        raise _Broken("the line is not written as RFC 8785 says: somebody has written it anew")
    if members.get("v") != VERSION:
        raise _Broken(f"version {members.get('v')!r}; this program knows version {VERSION}")
    if members.keys() != names:
        raise _Broken("an entry has other members than it may have")
    return members


def _entry(members: dict[str, Any], line: bytes, seq: int, room: str, prev: str) -> Entry:
    at, kind, data = members["at"], members["kind"], members["data"]
    if not (isinstance(at, str) and isinstance(kind, str) and isinstance(data, dict)):
        raise _Broken("time, kind or data of this entry is of the wrong type")
    if members["seq"] != seq or isinstance(members["seq"], bool):
        raise _Broken(f"entry {seq} is expected here, this says it is {members['seq']!r}: some are missing")
    if members["room"] != room:
        raise _Broken(f"an entry of another room, {members['room']!r}")
    if members["prev"] != prev:
        raise _Broken(
            "it does not follow the entry before it: that one was changed, or this one is of elsewhere"
        )
    return Entry(seq, at, kind, data, line_hash(line))


def _signing_key(entry: Entry, keys: list[str]) -> str:
    if keys:
        return keys[-1]
    if entry.kind != KEY:
        raise _Broken("the first entry names no key")
    return _named_key(entry)


def _named_key(entry: Entry) -> str:
    key = entry.data.get("key")
    if not isinstance(key, str) or len(_bytes(key)) != 32:
        raise _Broken("an entry names a key that is none")
    return key


def _bytes(text: object) -> bytes:
    try:
        return b64decode(text, validate=True) if isinstance(text, str) else b""
    except ValueError:
        return b""


def _check_signature(members: dict[str, Any], key: str, check: Check) -> None:
    signature = _bytes(members["sig"])
    signed = canonical({name: value for name, value in members.items() if name != "sig"})
    if len(signature) != 64 or not check(_bytes(key), signature, signed):
        raise _Broken("the signature does not hold: it was changed, or another key has signed it")


def _head(line: bytes, room: str, last: str, entries: int, keys: list[str], check: Check) -> str:
    members = _read(line, _HEAD_MEMBERS) if b'"kind":"head"' in line else {}
    if not members or not entries:
        raise _Broken("the last line is no head: entries at the end are missing")
    if (members["room"], members["kind"]) != (room, HEAD) or not isinstance(members["at"], str):
        raise _Broken("the head is of another room")
    if members["seq"] != entries or isinstance(members["seq"], bool):
        raise _Broken(f"the head speaks of {members['seq']!r} entries, there are {entries}")
    if members["hash"] != last:
        raise _Broken("the head speaks of another last entry")
    _check_signature(members, keys[-1], check)
    return str(members["at"])
