"""Connectivity checks of ICE, read and given another tie-breaker. Pure. RFC 8489, RFC 8445 7 and 16.1."""

from __future__ import annotations

import hashlib
import hmac
import struct
import zlib
from typing import NamedTuple

MAX_BYTES = 1500
_HEADER = struct.Struct("!HHI12s")
"""Type, length of the attributes, magic cookie, transaction."""
_ATTRIBUTE = struct.Struct("!HH")
_COOKIE = 0x2112_A442
_BINDING = 0x0001
_USERNAME, _INTEGRITY, _FINGERPRINT = 0x0006, 0x0008, 0x8028
_ROLES = (0x8029, 0x802A)
"""ICE-CONTROLLED, ICE-CONTROLLING: eight bytes, the tie-breaker."""
_DIGEST = 20


class Check(NamedTuple):
    """A Binding request with a name, one role and a message integrity. Nothing in it has been verified."""

    data: bytes
    ufrag: str
    """Of who is asked: what stands before the colon (RFC 8445 7.2.2)."""
    role: int
    """Where the tie-breaker begins."""
    integrity: int
    """Where the attribute MESSAGE-INTEGRITY begins; behind it only the fingerprint counts (RFC 8489 14.5)."""

    @property
    def tie_breaker(self) -> int:
        return int.from_bytes(self.data[self.role : self.role + 8])

    def signed_with(self, password: str) -> bool:
        """Whether its sender knows `password`, the short-term one (RFC 8489 9.1)."""
        digest = self.data[self.integrity + 4 : self.integrity + 4 + _DIGEST]
        return hmac.compare_digest(digest, _integrity(self.data[: self.integrity], password))

    def with_tie_breaker(self, value: int, password: str) -> bytes:
        """The same request with another one, signed and with its fingerprint (RFC 8489 14.7)."""
        signed = self.data[: self.role] + value.to_bytes(8) + self.data[self.role + 8 : self.integrity]
        whole = signed + _ATTRIBUTE.pack(_INTEGRITY, _DIGEST) + _integrity(signed, password)
        counted = _sized(whole, 8)
        crc = zlib.crc32(counted) ^ 0x5354_554E
        return counted + _ATTRIBUTE.pack(_FINGERPRINT, 4) + crc.to_bytes(4)


def read_check(data: bytes) -> Check | None:
    """None for whatever else it is."""
    if not _HEADER.size <= len(data) <= MAX_BYTES:
        return None
    kind, length, cookie, _ = _HEADER.unpack_from(data)
    if kind != _BINDING or cookie != _COOKIE or length % 4 or length != len(data) - _HEADER.size:
        return None
    ufrag, role, at = "", 0, _HEADER.size
    while at < len(data):
        attribute, size = _ATTRIBUTE.unpack_from(data, at)
        value = at + 4
        if value + size > len(data):
            return None
        if attribute == _INTEGRITY:
            return Check(data, ufrag, role, at) if size == _DIGEST and ufrag and role else None
        if attribute == _USERNAME:
            ufrag = data[value : value + size].partition(b":")[0].decode("ascii", "replace")
        elif attribute in _ROLES:
            if role or size != 8:
                return None
            role = value
        at = value + (size + 3) // 4 * 4
    return None


def _integrity(before: bytes, password: str) -> bytes:
    """Of what stands before the attribute; the length counts it, too (RFC 8489 14.5)."""
    return hmac.digest(password.encode(), _sized(before, 4 + _DIGEST), hashlib.sha1)


def _sized(message: bytes, more: int) -> bytes:
    """With the length that it has once `more` bytes have come."""
    return message[:2] + (len(message) - _HEADER.size + more).to_bytes(2) + message[4:]
