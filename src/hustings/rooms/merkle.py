"""One hash for all segments of a recording, and the proof that one of them is among them, without the others.

The tree is that of RFC 6962 section 2.1; its leaves are the segments' SHA-256. Pure.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Final

MAX_PATH: Final = 40
"""Hashes of one proof: a tree of 2^40 leaves has no more."""


def _leaf(data: bytes) -> bytes:
    return hashlib.sha256(b"\0" + data).digest()


def _node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\1" + left + right).digest()


class Tree:
    """Over `leaves`, each a segment's SHA-256 (32 bytes), in their order."""

    def __init__(self, leaves: Sequence[bytes]) -> None:
        self._levels = [[_leaf(leaf) for leaf in leaves]]
        while len(level := self._levels[-1]) > 1:
            # A last one without a partner goes up as it is: the split at the largest power of two.
            above = [_node(level[n], level[n + 1]) for n in range(0, len(level) - 1, 2)]
            self._levels.append(above + level[2 * len(above) :])

    def __len__(self) -> int:
        return len(self._levels[0])

    @property
    def root(self) -> str:
        """The Merkle tree hash, in hexadecimal digits; of nothing the SHA-256 of nothing."""
        return self._levels[-1][0].hex() if len(self) else hashlib.sha256().hexdigest()

    def path(self, at: int) -> list[str]:
        """The audit path of leaf number `at` (section 2.1.1), from below, in hexadecimal digits. Raises
        IndexError."""
        if not 0 <= at < len(self):
            raise IndexError(f"no leaf {at} in a tree of {len(self)}")
        found: list[str] = []
        for level in self._levels[:-1]:
            if (beside := at ^ 1) < len(level):
                found.append(level[beside].hex())
            at >>= 1
        return found


def merkle_root(leaves: Sequence[bytes]) -> str:
    """The Merkle tree hash over `leaves`, in hexadecimal digits."""
    return Tree(leaves).root


def proved_root(leaf: bytes, at: int, size: int, path: Sequence[bytes]) -> str:
    """The root of the tree of `size` leaves whose leaf number `at` is `leaf`, if `path` is its audit path
    (RFC 9162 section 2.1.3.2, for the tree of RFC 6962). Compare it with the published one. Raises ValueError
    when it can be no such path."""
    if not 0 <= at < size or len(path) > MAX_PATH or any(len(each) != 32 for each in path):
        raise ValueError("no audit path")
    root, first, last = _leaf(leaf), at, size - 1
    for beside in path:
        if last == 0:
            raise ValueError("an audit path that is too long")
        if first & 1 or first == last:
            root = _node(beside, root)
            while first and not first & 1:
                first, last = first >> 1, last >> 1
        else:
            root = _node(root, beside)
        first, last = first >> 1, last >> 1
    if last:
        raise ValueError("an audit path that is too short")
    return root.hex()
