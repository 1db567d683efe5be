"""What all of `hustings verify` shares: what is read, from where, and what is found."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import httpx

from hustings.archive.record_file import NAME
from hustings.archive.record_keys import check
from hustings.clients import trust
from hustings.errors import UsageError
from hustings.rooms.record import Verdict, verify

MAX_BYTES: Final = 256 << 20
"""Of a record: more is read from no server and no disk."""
PIECE: Final = 1 << 20


_PAGE: Final = re.compile(r"(/r/[^/]+)/record(?:/[0-9]+)?$")


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
    sealed: int = 0
    """Entries of a record whose audience figures are sealed; `opened`: those of them that were opened."""
    opened: int = 0

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
        if self.sealed:
            counted += f" ({self.sealed} sealed, {self.opened} of them opened)"
        until = f", as of {self.as_of}" if self.as_of else ""
        key = f", key {self.keys[-1]}" if self.keys else ""
        but = f" ({self.reason})" if self.reason else ""
        return f"whole: {self.what} of room {self.room}, {counted}{until}{key}{but}"


def fetch(address: str) -> bytes:
    """The record of a room's page, or at its own address."""
    try:
        split = urlsplit(address)
    except ValueError:
        raise Unreadable(f"{address} is no address.") from None
    # The page that explains the record has an address of its own.
    path = _PAGE.sub(r"\1", split.path.rstrip("/"))
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


def read(path: Path) -> bytes:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise Unreadable(f"{path} has more than {MAX_BYTES} bytes; that is no record.")
        return path.read_bytes()
    except OSError as error:
        raise Unreadable(f"{path} cannot be read: {error.strerror}.") from None


def sha256_of(path: Path, size: int) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while size > 0 and (piece := file.read(min(size, PIECE))):
            digest.update(piece)
            size -= len(piece)
    return digest.hexdigest()


def is_address(what: str) -> bool:
    """Whether it is an address, and no path."""
    return what.startswith(("http://", "https://"))


def said_of(found: Found, record: str, of: tuple[str, str], key: str) -> dict[str, Any] | None:
    """What a record (a file, or an address) says of a recording (`of`: slug and broadcast): the newest
    entry's data, its number as `seq`. The record itself is checked; None: it does not hold or says nothing,
    and `found` says so. Raises Unreadable."""
    name = record if is_address(record) else Path(record).name
    verdict: Verdict = verify(fetch(record) if is_address(record) else read(Path(record)), check)
    found.entries, found.keys, found.as_of = len(verdict.entries), list(verdict.keys), verdict.as_of
    if not verdict.ok:
        found.bad(verdict.first_bad or 0, f"{name}: {verdict.reason}")
        return None
    if key and verdict.keys[-1:] != (key,):
        found.bad(0, f"{name} is signed with another key than {key}")
        return None
    slug, broadcast = of
    if verdict.room != slug:
        found.bad(0, f"{name} is the record of room {verdict.room}, not of {slug}")
        return None
    said = [e for e in verdict.entries if e.kind == "recording" and e.data.get("broadcast") == broadcast]
    if not said:
        found.bad(broadcast, f"{name} has no entry of this recording")
        return None
    return {**said[-1].data, "seq": said[-1].seq, "record": name}
