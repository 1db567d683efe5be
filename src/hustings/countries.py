"""Opens the operator's database of countries (MaxMind DB format), once at the start, for who knows addresses:
edges and studio. docs/operating.md says where there are such files."""

from __future__ import annotations

import hashlib
import io
import os
from datetime import UTC, datetime
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Final

import structlog

from hustings.audience.countries import Countries, code_in
from hustings.config import Settings
from hustings.errors import UsageError
from hustings.log import SUPERVISED

if TYPE_CHECKING:
    from maxminddb import Reader

log = structlog.get_logger()

MAX_BYTES: Final = 128 << 20
LOOKED_AT: Final = 1000
"""Entries in which there must be a country."""


def read_countries(settings: Settings) -> Countries | None:
    """None without a database. It is copied: one that is renewed in place harms nobody who listens. Raises
    UsageError in one line when the file cannot be used."""
    if not settings.audience_countries:
        return None
    path = Path(settings.audience_countries)
    try:
        if path.stat().st_size > MAX_BYTES:
            raise _unusable(path, f"has more than {MAX_BYTES >> 20} MB")
        data = path.read_bytes()
    except OSError as error:
        raise _unusable(path, f"cannot be read ({error.strerror})") from error
    return _opened(path, data)


def countries_of_role(settings: Settings) -> Countries | None:
    """The same for edges and studio. Those a supervisor starts again go on without: it looked at the file
    when it began, and one that has gone since must not keep anybody from hearing."""
    try:
        return read_countries(settings)
    except UsageError as error:
        if not os.environ.get(SUPERVISED):
            raise
        log.error("countries are not counted", why=str(error))
        return None


def _opened(path: Path, data: bytes) -> Countries:
    try:
        reader = _reader(data)
        metadata = reader.metadata()
        has_countries = any(code_in(record) for _, record in islice(reader, LOOKED_AT))
        built = f"{datetime.fromtimestamp(metadata.build_epoch, UTC):%Y-%m-%d}"
        kind = str(metadata.database_type)[:100]
    except Exception as error:
        raise _unusable(
            path, f"is no whole database in the MaxMind DB format ({type(error).__name__})"
        ) from error
    if not has_countries:
        raise _unusable(path, f"({kind}) has no countries in it")
    about = {"database": kind, "built": built, "sha256": hashlib.sha256(data).hexdigest()}
    return Countries(reader.get, about)


def _reader(data: bytes) -> Reader:
    """Of a copy of our own. The library's reader in C takes 4 us for an address, but only maps files, and one
    that is cut short while it is mapped ends the process; where memory has no path, the other takes 40."""
    # Whoever names no database does without the library.
    from maxminddb import MODE_FD, MODE_MMAP_EXT, open_database

    if find_spec("maxminddb.extension") is None or not hasattr(os, "memfd_create"):
        return open_database(io.BytesIO(data), MODE_FD)
    copy = os.memfd_create("hustings-countries")
    try:
        with open(copy, "wb", closefd=False) as file:
            file.write(data)
        return open_database(f"/proc/self/fd/{copy}", MODE_MMAP_EXT)
    finally:
        os.close(copy)


def _unusable(path: Path, why: str) -> UsageError:
    return UsageError(
        f"HUSTINGS_AUDIENCE_COUNTRIES: {path} {why}; give a country database (.mmdb, unpacked) such as "
        "GeoLite2-Country or DB-IP's, or leave the setting empty."
    )
