"""The server's own key: what it signs is known to be from it. `keys/server.pem`, made on first use; its
public half lies beside it as `server.pub.pem`."""

from __future__ import annotations

from base64 import b64encode
from datetime import UTC, datetime
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from hustings.errors import UsageError
from hustings.store.tokens import create_once

NAME, PUBLIC_NAME = "server.pem", "server.pub.pem"


def server_key(data: Path) -> Ed25519PrivateKey:
    """The key in `data`/keys; makes it (folder 0700, file 0600) when there is none. Any number of processes
    may ask at once. Raises UsageError when it cannot be read or made."""
    path = data / "keys" / NAME
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not path.exists():
            fresh = Ed25519PrivateKey.generate()
            create_once(path, fresh.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        key = load_pem_private_key(path.read_bytes(), None)
        if not isinstance(key, Ed25519PrivateKey):
            raise UsageError(f"{path} holds no Ed25519 key.")
        public = path.with_name(PUBLIC_NAME)
        if not public.exists():
            pem = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
            create_once(public, pem)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "no key"
        raise UsageError(f"Cannot use {path}: {reason}. Run as the user who owns the data folder.") from error
    return key


def public_text(key: Ed25519PrivateKey) -> str:
    """The public half as records name it, base64."""
    return b64encode(key.public_key().public_bytes_raw()).decode()


def former_key(data: Path, public: str) -> Ed25519PrivateKey | None:
    """A key the server had before, by its public half (base64): any `server-*.pem` in `data`/keys. It signs
    nothing any more but the entry of a public record that names its successor."""
    for path in sorted((data / "keys").glob("server-*.pem")):
        try:
            key = load_pem_private_key(path.read_bytes(), None)
        except (OSError, ValueError):
            continue
        if not isinstance(key, Ed25519PrivateKey):
            continue
        if public_text(key) == public:
            return key
    return None


def former_public(data: Path) -> list[str]:
    """Public halves of the keys the server had before, oldest first, as far as they are still here."""
    found: list[str] = []
    for path in sorted((data / "keys").glob("server-*.pem")):
        try:
            key = load_pem_private_key(path.read_bytes(), None)
        except (OSError, ValueError):
            continue
        if isinstance(key, Ed25519PrivateKey):
            found.append(public_text(key))
    return found


def rotate(data: Path, at: float) -> Path:
    """Puts a new key in place of the one there is, which is kept beside it as `server-{time}.pem` (where this
    gives its path). Every public record then names the new one, signed with the old. Raises UsageError."""
    server_key(data)
    folder = data / "keys"
    kept = folder / f"server-{datetime.fromtimestamp(at, UTC):%Y%m%dT%H%M%S}.pem"
    try:
        if kept.exists():
            raise UsageError(f"{kept.name} is there already; wait a second.")
        (folder / NAME).rename(kept)
        (folder / PUBLIC_NAME).unlink(missing_ok=True)
    except OSError as error:
        raise UsageError(f"Cannot rename {folder / NAME}: {error.strerror}.") from error
    server_key(data)
    return kept
