"""How many different ones there were, without keeping who: HyperLogLog by Apache DataSketches.

Standard error 0.8 % for 2^14 registers (Flajolet et al. 2007: 1.04 / sqrt(m)); small numbers are exact.
"""

from __future__ import annotations

import functools
import hashlib
import hmac
from typing import Any, Final

from hustings.errors import Corrupt

REGISTERS: Final = 14
"""Power of two."""
MOST_BYTES: Final = (1 << REGISTERS) + 64
"""Of a sketch as bytes."""
UNIQUE_ERROR: Final = 0.02


def visitor_key(salt: bytes, address: str, agent: bytes) -> int:
    """64 bits for one pair of address (hustings.addresses.address_key) and User-Agent: HMAC-SHA-256 with
    `salt` (RFC 2104), cut. Never 0, which stands for nobody known."""
    text = address.encode() + b"\0" + agent
    return int.from_bytes(hmac.digest(salt, text, "sha256")[:8]) or 1


def salt_name(salt: bytes) -> str:
    """What tells one salt from another without telling it."""
    return hashlib.sha256(b"hustings audience salt\0" + salt).hexdigest()[:12]


@functools.cache
def _library() -> Any:
    """Loaded with the first broadcast: it brings numpy, 15 MB and 0.1 s that a role at rest does without."""
    import datasketches  # type: ignore[import-untyped]  # no stubs

    return datasketches


class Unique:
    """A set of keys that knows only how many there are."""

    def __init__(self) -> None:
        self._union = _library().hll_union(REGISTERS)

    def add(self, key: int) -> None:
        """`key`: 64 bits, already evenly spread."""
        self._union.update(key)

    def merge(self, data: bytes) -> None:
        """Takes in what another one's `to_bytes` gave; the same again changes nothing. Raises Corrupt."""
        if len(data) > MOST_BYTES:
            raise Corrupt(f"a sketch of {len(data)} bytes; {MOST_BYTES} may be")
        try:
            self._union.update(_library().hll_sketch.deserialize(data))
        except (ValueError, RuntimeError, IndexError, MemoryError) as error:
            raise Corrupt(f"no sketch: {error}") from None

    def count(self) -> int:
        """How many different keys, about."""
        return round(float(self._union.get_estimate()))

    def to_bytes(self) -> bytes:
        """At most MOST_BYTES; a few bytes for each key while there are few."""
        return bytes(self._union.get_result(_library().tgt_hll_type.HLL_8).serialize_compact())
