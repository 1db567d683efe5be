"""Signatures of tombstones. Apart from them, for cryptography takes memory and edges only read."""

from __future__ import annotations

from base64 import b64decode, b64encode

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from hustings.archive.tombstone import Tombstone


def signed(stone: Tombstone, key: Ed25519PrivateKey) -> Tombstone:
    """`stone` with the key's public half and its signature."""
    public = b64encode(key.public_key().public_bytes_raw()).decode()
    named = msgspec.structs.replace(stone, key=public, signature="")
    return msgspec.structs.replace(named, signature=b64encode(key.sign(named.signed_bytes())).decode())


def holds(stone: Tombstone, key: bytes) -> bool:
    """Whether the server whose public key these 32 bytes are has signed exactly this."""
    try:
        if b64decode(stone.key, validate=True) != key:
            return False
        signature = b64decode(stone.signature, validate=True)
        Ed25519PublicKey.from_public_bytes(key).verify(signature, stone.signed_bytes())
    except (InvalidSignature, ValueError):
        return False
    return True
