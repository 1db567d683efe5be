"""What stays of a recording that was deleted: `deleted.json` in its folder, signed with the server's key.

Signed is the object without its `signature`, as RFC 8785 writes it: members in the order of their names, no
white space, UTF-8. All values are texts, whole numbers or null, so every JSON library writes the same bytes.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final, Literal

import msgspec

from hustings.archive.small import read_struct
from hustings.errors import Corrupt

TOMBSTONE_NAME: Final = "deleted.json"

type Why = Literal["host", "retention", "take_down"]


class Tombstone(msgspec.Struct, frozen=True, kw_only=True):
    """`live_since` and `deleted_at`: ISO 8601, UTC; `duration`: samples. `live_since` and `duration` are None
    when the recording had no index that could be read. `sha256`: of its `recording.json`, "" when there was
    none. `key`: the server's public Ed25519 key, `signature`: RFC 8032; both base64."""

    version: int = 1
    slug: str
    broadcast: str
    live_since: str | None
    duration: int | None
    sha256: str
    deleted_at: str
    why: Why
    key: str = ""
    signature: str = ""

    def signed_bytes(self) -> bytes:
        """What the signature is of."""
        members = msgspec.to_builtins(self)
        del members["signature"]
        text = json.dumps(members, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return text.encode()


def is_deleted(folder: Path) -> bool:
    """Whether the recording in `folder` was deleted: whatever else may lie there is nobody's to read."""
    return (folder / TOMBSTONE_NAME).exists()


def read_tombstone(folder: Path) -> Tombstone | None:
    """The one in `folder`; None without one. Raises Corrupt, OSError."""
    try:
        return read_struct(folder / TOMBSTONE_NAME, Tombstone)
    except (FileNotFoundError, NotADirectoryError):
        return None


def encode_tombstone(stone: Tombstone) -> bytes:
    """`deleted.json`'s bytes."""
    return msgspec.json.encode(stone) + b"\n"


def decode_tombstone(data: bytes) -> Tombstone:
    """Raises Corrupt."""
    try:
        return msgspec.json.decode(data, type=Tombstone)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise Corrupt(f"no tombstone: {error}") from None
