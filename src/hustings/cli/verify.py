"""`hustings verify`: a public record, a recording or a clip, checked without asking anybody.

Nothing of the server that published it is believed but its key, and that only if it is the one expected.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import httpx
import msgspec

from hustings.archive.model import INDEX_NAME, Index, read_index
from hustings.archive.playlist import entries
from hustings.archive.record_facts import segments_root
from hustings.archive.record_file import NAME
from hustings.archive.record_keys import check
from hustings.clients import trust
from hustings.errors import Corrupt, UsageError
from hustings.rooms.record import verify

MAX_BYTES: Final = 256 << 20
"""Of a record: more is read from no server and no disk."""
_PIECE: Final = 1 << 20


class Unreadable(UsageError):
    """There is nothing that could be checked: exit 2."""


@dataclass(slots=True)
class Found:
    """What was checked. `first_bad`: the first thing that does not hold, a record's entry by its number, a
    file by its name."""

    what: str
    room: str = ""
    ok: bool = True
    entries: int = 0
    first_bad: int | str | None = None
    reason: str = ""
    as_of: str = ""
    keys: list[str] = field(default_factory=list)
    files: int = 0

    def bad(self, where: int | str, reason: str) -> Found:
        self.ok, self.first_bad, self.reason = False, where, reason
        return self

    def as_json(self) -> dict[str, Any]:
        """As CONTRACT says, and more."""
        return {name: getattr(self, name) for name in Found.__slots__}

    def words(self) -> str:
        """One line for people."""
        if not self.ok:
            where = f"entry {self.first_bad}" if isinstance(self.first_bad, int) else str(self.first_bad)
            return f"BROKEN at {where}: {self.reason}"
        counted = f"{self.entries} entries" + (f", {self.files} files" if self.files else "")
        until = f", as of {self.as_of}" if self.as_of else ""
        key = f", key {self.keys[-1]}" if self.keys else ""
        but = f" ({self.reason})" if self.reason else ""
        return f"whole: {self.what} of room {self.room}, {counted}{until}{key}{but}"


def verify_any(
    what: str, *, key: str = "", record: Path | None = None, recording: Path | None = None
) -> Found:
    """`what`: an address (http, https) of a room or its record, a record.jsonl, the folder of a recording, or
    a clip.json with its files beside it. `key`: the server's public key, base64, as known from elsewhere.
    `record`: the record a recording is to be in, by default record.jsonl in its folder; `recording`: the
    folder of the recording a clip is to be of.

    Raises Unreadable.
    """
    if what.startswith(("http://", "https://")):
        return _of_record(_fetch(what), key)
    path = Path(what)
    if path.is_dir():
        return _recording(path, key, record)
    data = _read(path)
    if path.suffix == ".json":
        return _clip(path, data, key, record, recording)
    return _of_record(data, key)


# --- a record ------------------------------------------------------------------------------------


def _of_record(data: bytes, key: str) -> Found:
    verdict = verify(data, check)
    found = Found("record", room=verdict.room, entries=len(verdict.entries), as_of=verdict.as_of)
    found.keys = list(verdict.keys)
    if not verdict.ok:
        return found.bad(verdict.first_bad or 0, verdict.reason)
    if key and verdict.keys[-1] != key:
        return found.bad(0, f"it is signed with the key {verdict.keys[-1]}, not with {key}")
    return found


def _fetch(address: str) -> bytes:
    """The record of a room's page, or at its own address."""
    try:
        split = urlsplit(address)
    except ValueError:
        raise Unreadable(f"{address} is no address.") from None
    path = split.path.rstrip("/")
    if not path.endswith(f"/{NAME}"):
        path += f"/{NAME}"
    url = split._replace(path=path, query="", fragment="").geturl()
    try:
        with (
            httpx.Client(timeout=20.0, trust_env=False, verify=trust.usual()) as client,
            client.stream("GET", url) as answer,
        ):
            if answer.status_code != 200:
                raise Unreadable(f"{url} answered {answer.status_code}; there is no record to check.")
            data = bytearray()
            for part in answer.iter_bytes():
                data += part
                if len(data) > MAX_BYTES:
                    raise Unreadable(f"{url} sends more than {MAX_BYTES} bytes.")
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise Unreadable(str(trust.unreachable(url, error, "is the address right?"))) from None
    return bytes(data)


def _read(path: Path) -> bytes:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise Unreadable(f"{path} has more than {MAX_BYTES} bytes; that is no record.")
        return path.read_bytes()
    except OSError as error:
        raise Unreadable(f"{path} cannot be read: {error.strerror}.") from None


# --- a recording ---------------------------------------------------------------------------------


def _recording(folder: Path, key: str, record: Path | None) -> Found:
    try:
        index = read_index(folder)
    except FileNotFoundError:
        raise Unreadable(f"{folder} holds no {INDEX_NAME}; name the folder of one recording.") from None
    except Corrupt as error:
        return Found("recording").bad(INDEX_NAME, str(error))
    except OSError as error:
        raise Unreadable(f"{folder / INDEX_NAME} cannot be read: {error.strerror}.") from None
    found = Found("recording", room=index.slug)
    for name, expected, size in _segments(index):
        try:
            if _sha256(folder / name, size) != expected:
                return found.bad(name, "its bytes are not those the recording was made of")
        except OSError as error:
            return found.bad(name, f"it cannot be read: {error.strerror}")
        found.files += 1
    near = record or folder / NAME
    if not near.exists():
        found.reason = "no public record was at hand: whether the server vouches for it is not checked"
        return found
    return _in_record(found, folder, index, near, key)


def _segments(index: Index) -> Iterator[tuple[str, str, int]]:
    """Every segment's file, SHA-256 and length."""
    for codec, held in index.codecs.items():
        for entry in entries(codec, held.segments):  # type: ignore[arg-type]  # the two codecs there are
            if entry.segment is not None:
                yield f"program/{codec}/{entry.name}", entry.segment.sha256, entry.segment.bytes


def _sha256(path: Path, size: int) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while size > 0 and (piece := file.read(min(size, _PIECE))):
            digest.update(piece)
            size -= len(piece)
    return digest.hexdigest()


def _in_record(found: Found, folder: Path, index: Index, record: Path, key: str) -> Found:
    """Whether the record says of this recording what is in the folder."""
    verdict = verify(_read(record), check)
    found.entries, found.keys, found.as_of = len(verdict.entries), list(verdict.keys), verdict.as_of
    if not verdict.ok:
        return found.bad(verdict.first_bad or 0, f"{record.name}: {verdict.reason}")
    if key and verdict.keys[-1:] != (key,):
        return found.bad(0, f"{record.name} is signed with another key than {key}")
    said = [
        e for e in verdict.entries if e.kind == "recording" and e.data.get("broadcast") == index.broadcast
    ]
    if not said:
        return found.bad(INDEX_NAME, f"{record.name} has no entry of this recording")
    program = said[-1].data.get("program", {})
    for codec in index.codecs:
        if program.get(codec, {}).get("root") != segments_root(index, codec):
            return found.bad(
                INDEX_NAME, f"entry {said[-1].seq} of {record.name} speaks of other {codec} segments"
            )
    return found


# --- a clip --------------------------------------------------------------------------------------


class _CutFrom(msgspec.Struct):
    media_time: int
    sha256: str


class _File(msgspec.Struct):
    name: str
    sha256: str
    bytes: int
    cut_from: list[_CutFrom]


class _Clip(msgspec.Struct):
    slug: str
    broadcast: str
    files: list[_File]


def _clip(path: Path, data: bytes, key: str, record: Path | None, recording: Path | None) -> Found:
    """A clip.json, and what of the clip's files lies beside it."""
    try:
        clip = msgspec.json.decode(data, type=_Clip)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise Unreadable(f"{path} is no clip.json.") from None
    found = Found("clip", room=clip.slug)
    for file in clip.files:
        beside = path.with_name(Path(file.name).name)
        if not beside.exists():
            continue
        found.files += 1
        if beside.stat().st_size != file.bytes or _sha256(beside, file.bytes) != file.sha256:
            return found.bad(beside.name, "its bytes are not those that clip.json names")
    if not found.files:
        names = ", ".join(file.name for file in clip.files)
        raise Unreadable(f"Beside {path} there is none of the clip's files ({names}).")
    if recording is None:
        found.reason = "no recording was named: whether it was cut from one is not checked"
        return found
    return _cut(found, clip, _recording(recording, key, record), recording)


def _cut(found: Found, clip: _Clip, of: Found, recording: Path) -> Found:
    """Whether all that the clip was cut from is in the recording, at its place."""
    if not of.ok:
        return found.bad(f"recording: {of.first_bad}", of.reason)
    index = read_index(recording)
    if index.broadcast != clip.broadcast:
        return found.bad("recording", f"the clip is of {clip.broadcast}, this is {index.broadcast}")
    there = {(s.media_time, s.sha256) for codec in index.codecs.values() for s in codec.segments}
    for file in clip.files:
        for segment in file.cut_from:
            if (segment.media_time, segment.sha256) not in there:
                return found.bad(file.name, "it names a segment that is not of this recording")
    found.entries, found.keys, found.as_of, found.reason = of.entries, of.keys, of.as_of, of.reason
    return found
