"""Jobs about recordings: what studio (which writes them) and scribe (which does them) agree on."""

from __future__ import annotations

import hashlib

import msgspec

from hustings.archive.editing import Asked
from hustings.archive.tombstone import Why

KIND = "download"
DELETE_KIND = "delete_recording"
EDIT_KIND = "edit"
STORE_KIND = "store_recording"


class Deletion(msgspec.Struct, frozen=True, kw_only=True):
    """A DELETE_KIND job's body: which recording is to go, and whose wish that is."""

    slug: str
    broadcast: str
    why: Why


class StoreOrder(msgspec.Struct, frozen=True, kw_only=True):
    """A STORE_KIND job's body: which recording is to go into the store."""

    slug: str
    broadcast: str


class EditOrder(msgspec.Struct, frozen=True, kw_only=True):
    """An EDIT_KIND job's body: what is to be made of which recording, and the identifier it gets.
    `levelling`: as the stage had it (HUSTINGS_LEVELLING)."""

    slug: str
    broadcast: str
    edition: str
    number: int
    asked: Asked
    levelling: bool = True


def job_id(broadcast: str, kind: str) -> str:
    """The same for one file for ever: it is made once. 32 characters."""
    return f"dl_{hashlib.sha256(f'{broadcast}/{kind}'.encode()).hexdigest()[:29]}"


def deletion_id(broadcast: str) -> str:
    """The same for one recording for ever: it is deleted once. 32 characters."""
    return f"del_{hashlib.sha256(broadcast.encode()).hexdigest()[:28]}"


def store_id(broadcast: str) -> str:
    """The same for one recording for ever: again when files are added. 32 characters."""
    return f"st_{hashlib.sha256(broadcast.encode()).hexdigest()[:29]}"


def edit_id(edition: str) -> str:
    """The same for one edition for ever: it is made once. 32 characters."""
    return f"ed_{hashlib.sha256(edition.encode()).hexdigest()[:29]}"
