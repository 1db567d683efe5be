"""Secrets kept in the data folder, one file each: made on first use, readable by their owner only."""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path

from hustings.errors import UsageError
from hustings.ids import new_secret


def operator_token(data: Path) -> str:
    """The operator's token in `data`/keys/operator-token; made when there is none. As `kept_secret`."""
    return kept_secret(data, "operator-token")


def kept_secret(data: Path, name: str) -> str:
    """The secret in `data`/keys/`name`; makes it (folder 0700, file 0600) when there is none.

    Any number of processes may ask at once: they all get the same one. Raises UsageError when the
    file cannot be read or made, or holds nothing.
    """
    path = data / "keys" / name
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not path.exists():
            create_once(path, (new_secret() + "\n").encode("ascii"))
        secret = path.read_text("ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not text"
        raise UsageError(f"Cannot use {path}: {reason}. Run as the user who owns the data folder.") from error
    if len(secret) < 16:
        raise UsageError(f"{path} holds no secret; remove it and a new one is made.")
    return secret


def create_once(path: Path, content: bytes) -> None:
    """A file only its owner reads (0600). Written aside and then linked, so that nobody ever reads half a
    secret; the first one wins. Raises OSError."""
    aside = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):
            os.link(aside, path)
    finally:
        aside.unlink(missing_ok=True)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
