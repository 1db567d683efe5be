"""Signing a public record and checking it, with Ed25519 (RFC 8032). The format is rooms/record.py's."""

from __future__ import annotations

from base64 import b64encode

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey


class Signer:
    """The server's key, as a record uses it."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key
        self.public = b64encode(key.public_key().public_bytes_raw()).decode()
        """Its public half, base64: what entries "key" name."""

    def sign(self, data: bytes) -> str:
        """The signature of `data`, base64."""
        return b64encode(self._key.sign(data)).decode()


def check(key: bytes, signature: bytes, data: bytes) -> bool:
    """Whether the owner of the public key (32 bytes) signed `data`."""
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, data)
    except (InvalidSignature, ValueError):
        return False
    return True
