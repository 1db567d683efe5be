"""The server's own key: what it signs is known to be from it. `keys/server.pem`, made on first use; its
public half lies beside it as `server.pub.pem`."""

from __future__ import annotations

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
