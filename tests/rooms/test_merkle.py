"""One hash for all segments, and proofs that one is among them."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hustings.rooms.merkle import Tree, merkle_root, proved_root

LEAVES = [hashlib.sha256(bytes([n])).digest() for n in range(40)]


def tree(leaves: list[bytes]) -> bytes:
    """As RFC 6962 section 2.1 defines it, recursive."""
    if len(leaves) == 1:
        return hashlib.sha256(b"\0" + leaves[0]).digest()
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return hashlib.sha256(b"\1" + tree(leaves[:split]) + tree(leaves[split:])).digest()


def path(at: int, leaves: list[bytes]) -> list[bytes]:
    """As section 2.1.1 defines it, recursive."""
    if len(leaves) == 1:
        return []
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    if at < split:
        return [*path(at, leaves[:split]), tree(leaves[split:])]
    return [*path(at - split, leaves[split:]), tree(leaves[:split])]


def test_the_tree_of_segments_is_that_of_rfc_6962() -> None:
    for count in range(1, 40):
        assert merkle_root(LEAVES[:count]) == tree(LEAVES[:count]).hex()
    assert merkle_root([]) == hashlib.sha256(b"").hexdigest()
    assert merkle_root(LEAVES[:3]) != merkle_root([LEAVES[0], LEAVES[2], LEAVES[1]])


def test_every_leaf_of_every_tree_is_proved_by_its_path() -> None:
    for count in range(1, 40):
        made = Tree(LEAVES[:count])
        assert len(made) == count
        for at in range(count):
            found = made.path(at)
            assert found == [each.hex() for each in path(at, LEAVES[:count])]
            assert proved_root(LEAVES[at], at, count, [bytes.fromhex(each) for each in found]) == made.root
    for at in (-1, 3):
        with pytest.raises(IndexError, match="no leaf"):
            Tree(LEAVES[:3]).path(at)


@settings(max_examples=2_000, deadline=None)
@given(st.integers(1, 40), st.data())
def test_nothing_else_is_proved(count: int, data: st.DataObject) -> None:
    """2,000 times: another leaf, another place, a path with a bit changed, cut, longer or of elsewhere."""
    at = data.draw(st.integers(0, count - 1))
    leaf, size = LEAVES[at], count
    found = path(at, LEAVES[:count])
    match data.draw(st.integers(0, 4)):
        case 0:
            bit = data.draw(st.integers(0, 255))
            leaf = (int.from_bytes(leaf) ^ 1 << bit).to_bytes(32)
        case 1:
            place = data.draw(st.integers(-2, 45).filter(lambda n: n != at))
            at = place
        case 2 if found:
            step, bit = data.draw(st.integers(0, len(found) - 1)), data.draw(st.integers(0, 255))
            found[step] = (int.from_bytes(found[step]) ^ 1 << bit).to_bytes(32)
        case 3 if found:
            found = found[: data.draw(st.integers(0, len(found) - 1))]
        case _:
            found = [*found, data.draw(st.sampled_from([*LEAVES, b"", b"x"]))]
    try:
        root = proved_root(leaf, at, size, found)
    except ValueError:
        return
    assert root != merkle_root(LEAVES[:count])
