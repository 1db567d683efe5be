"""Entries of public records in the database: with their cause or not at all, in order, whoever writes."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection
from store_support import AT, sqlite

from hustings.archive.record_keys import Signer, check
from hustings.errors import Unavailable
from hustings.rooms import commands as c
from hustings.rooms.events import Event
from hustings.rooms.model import Details, Room
from hustings.rooms.record import Verdict, head_line, line_hash, verify
from hustings.rooms.record_entries import Fact
from hustings.rooms.record_seal import Opening, check_openings
from hustings.store.migrations import upgrade
from hustings.store.record import RecordStore, Signing
from hustings.store.server_key import former_key, rotate, server_key
from hustings.store.store import Store


def signer(number: int) -> Signer:
    return Signer(Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32))


async def verdict(records: RecordStore, by: Signing, slug: str = "a") -> Verdict:
    lines = await records.lines(slug, 0)
    head = head_line(room=slug, entries=len(lines), last=line_hash(lines[-1]), at=AT, sign=by.sign)
    return verify(b"".join(line + b"\n" for line in [*lines, head]), check)


async def test_entries_come_with_their_cause_or_not_at_all(tmp_path: Path) -> None:
    engine = sqlite(tmp_path)
    await upgrade(engine)
    store, records = Store(engine), RecordStore(engine, signer(1), lambda _public: None)
    await store.create_room("a", Details("A"), "", AT)

    async def also(connection: AsyncConnection, _before: Room, after: Room, _events: list[Event]) -> None:
        await records.append(connection, after.slug, [Fact("opened", AT, {"n": 1})])

    async def fails(connection: AsyncConnection, before: Room, after: Room, events: list[Event]) -> None:
        await also(connection, before, after, events)
        raise RuntimeError

    with pytest.raises(RuntimeError):
        await store.execute("a", c.OpenDoors("20261129T000000-aaaaaa", AT), also=fails)
    assert await records.lines("a", 0) == []
    await store.execute("a", c.OpenDoors("20261129T000000-aaaaaa", AT), also=also)
    found = await verdict(records, signer(1))
    assert (found.ok, [entry.kind for entry in found.entries]) == (True, ["key", "opened"])
    await store.close()


async def test_writers_at_once_make_one_chain(tmp_path: Path) -> None:
    engine = sqlite(tmp_path)
    await upgrade(engine)
    store, records = Store(engine), RecordStore(engine, signer(1), lambda _public: None)
    await store.create_room("a", Details("A"), "", AT)
    await asyncio.gather(*(records.add("a", [Fact("said", AT, {"n": n})]) for n in range(20)))
    assert not await records.add("no-such-room", [Fact("said", AT, {})])
    found = await verdict(records, signer(1))
    assert found.ok
    assert sorted(entry.data["n"] for entry in found.entries[1:]) == list(range(20))
    assert await records.hash_of("a", 3) == found.entries[3].hash
    assert await records.hash_of("a", 99) == ""
    await store.close()


async def test_once_is_once(tmp_path: Path) -> None:
    engine = sqlite(tmp_path)
    await upgrade(engine)
    store, records = Store(engine), RecordStore(engine, signer(1), lambda _public: None)
    await store.create_room("a", Details("A"), "", AT)
    one, two = (Fact("recording", AT, {"broadcast": name, "n": 1}) for name in ("one", "two"))
    assert [await records.add("a", [fact], once="broadcast") for fact in (one, one, two)] == [
        True,
        False,
        True,
    ]
    await store.close()


@pytest.mark.parametrize("kept", [True, False], ids=["handed over", "old key lost"])
async def test_another_key_goes_on_with_it(tmp_path: Path, kept: bool) -> None:
    engine = sqlite(tmp_path)
    await upgrade(engine)
    store = Store(engine)
    await store.create_room("a", Details("A"), "", AT)
    first = Signer(server_key(tmp_path))
    await RecordStore(engine, first, lambda _public: None).add("a", [Fact("said", AT, {"n": 1})])
    path = rotate(tmp_path, AT)
    assert path.stat().st_mode & 0o777 == 0o600
    second = Signer(server_key(tmp_path))
    assert second.public != first.public

    def former(public: str) -> Signer | None:
        key = former_key(tmp_path, public)
        return Signer(key) if key is not None and kept else None

    records = RecordStore(engine, second, former)
    await records.add("a", [Fact("said", AT, {"n": 2})])
    await records.add("a", [Fact("said", AT, {"n": 3})])
    found = await verdict(records, second)
    if kept:
        assert found.ok
        assert [entry.kind for entry in found.entries] == ["key", "said", "key", "said", "said"]
        assert found.keys == (first.public, second.public)
    else:
        assert (found.first_bad, "another key" in found.reason) == (2, True)
    await store.close()


async def test_a_restarted_studio_with_another_key_names_it_whatever_it_did_first(tmp_path: Path) -> None:
    """Not only when the first thing after the start is an entry: what is there already adds none."""
    engine = sqlite(tmp_path)
    await upgrade(engine)
    store = Store(engine)
    await store.create_room("a", Details("A"), "", AT)
    first = Signer(server_key(tmp_path))
    known = Fact("recording", AT, {"broadcast": "one"})
    await RecordStore(engine, first, lambda _public: None).add("a", [known])
    rotate(tmp_path, AT)
    second = Signer(server_key(tmp_path))
    records = RecordStore(engine, second, lambda public: first if public == first.public else None)
    assert not await records.add("a", [known], once="broadcast")
    assert await records.add("a", [Fact("said", AT, {})])
    found = await verdict(records, second)
    assert (found.ok, found.keys) == (True, (first.public, second.public))
    await store.close()


SEALED = Fact("audience", AT, {"broadcast": "b", "minute": "m", "net": {"peak": 7}}, nonce="ab" * 32)


async def test_what_was_sealed_is_kept_beside_the_entry_that_seals_it(tmp_path: Path) -> None:
    engine = sqlite(tmp_path)
    await upgrade(engine)
    store, records = Store(engine), RecordStore(engine, signer(1), lambda _public: None)
    await store.create_room("a", Details("A"), "", AT)
    await store.create_room("b", Details("B"), "", AT)
    open_one = Fact("audience", AT, {"broadcast": "b", "minute": "m", "net": {"peak": 7}})
    await records.add("a", [open_one, SEALED])
    await records.add("b", [SEALED])
    found = await verdict(records, signer(1))
    assert found.ok
    assert found.entries[1].data == open_one.data
    assert found.entries[2].data.keys() == {"broadcast", "minute", "sealed"}
    (opening,) = await records.openings("a")
    assert opening == Opening(2, SEALED.nonce, SEALED.data)
    assert check_openings(found.entries, [opening]).opened == 1
    assert await records.openings("a", 3) == []
    await store.close()


async def test_entry_and_opening_are_committed_together_or_not_at_all(
    tmp_path: Path,
) -> None:
    engine = sqlite(tmp_path)
    await upgrade(engine)
    store, records = Store(engine), RecordStore(engine, signer(1), lambda _public: None)
    await store.create_room("a", Details("A"), "", AT)
    await records.add("a", [SEALED])
    too_long = Fact("audience", AT, {"broadcast": "b" * 20_000})
    with pytest.raises(ValueError, match="bytes"):
        await records.add("a", [SEALED, too_long])
    assert (len(await records.lines("a", 0)), len(await records.openings("a"))) == (2, 1)
    # And the other way round: where no opening can be kept nothing is sealed.
    async with engine.begin() as connection:
        await connection.execute(text("DROP TABLE record_openings"))
    with pytest.raises(Unavailable):
        await records.add("a", [SEALED])
    assert len(await records.lines("a", 0)) == 2
    await store.close()


async def test_entries_of_some_kinds_of_one_room_and_of_all(tmp_path: Path) -> None:
    engine = sqlite(tmp_path)
    await upgrade(engine)
    store, records = Store(engine), RecordStore(engine, signer(1), lambda _public: None)
    for slug in ("a", "b"):
        await store.create_room(slug, Details("A"), "", AT)
        facts = [Fact(kind, AT, {"n": n, "text": '"kind":"said"'}) for n, kind in enumerate("xyx")]
        await records.add(slug, facts)
    every = await records.entries(("x",))
    assert [(each["room"], each["seq"], each["data"]["n"]) for each in every] == [
        ("a", 1, 0),
        ("a", 3, 2),
        ("b", 1, 0),
        ("b", 3, 2),
    ]
    assert [each["seq"] for each in await records.entries(("x", "y"), slug="b", first=2)] == [2, 3]
    assert [each["seq"] for each in await records.entries(("x", "y"), slug="b", limit=2)] == [1, 2]
    assert await records.entries(("said",)) == []
    await store.close()
