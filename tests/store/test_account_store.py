"""Accounts in the database: what must happen once happens once; what must stay stays."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from store_support import AT, sqlite

from hustings.store import account_records
from hustings.store.account_records import (
    HOST,
    OPERATOR,
    Account,
    LastWayIn,
    LinkSpent,
    NameTaken,
    NewKey,
    OnceLink,
    PasskeyKnown,
    TooManyKept,
)
from hustings.store.accounts import AccountStore
from hustings.store.migrations import upgrade
from hustings.store.store import Store


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[AsyncEngine]:
    engine = sqlite(tmp_path)
    await upgrade(engine)
    yield engine
    await engine.dispose()


@pytest.fixture
def store(engine: AsyncEngine) -> AccountStore:
    return AccountStore(engine)


def clara(password: str = "hash") -> Account:
    return Account("c", "Clara", OPERATOR, AT, password_hash=password)


def key(number: int) -> NewKey:
    return NewKey(f"credential-{number}", b"cose", 0, "localhost", "Laptop", ("internal",))


def invitation(**changes: object) -> OnceLink:
    values = {"id": "i", "kind": "invite", "name": "T", "role": HOST, "created_at": AT, "expires_at": AT + 10}
    return OnceLink(**{**values, **changes})  # type: ignore[arg-type]


async def test_only_one_first_account_is_made_however_many_try(store: AccountStore) -> None:
    async def first(number: int) -> bool:
        try:
            await store.create(Account(f"a{number}", f"A{number}", OPERATOR, AT), f"a{number}", None)
        except LinkSpent:
            return False
        return True

    assert sum(await asyncio.gather(*(first(number) for number in range(20)))) == 1
    assert await store.count() == 1


async def test_a_link_is_spent_once_and_not_by_a_failure(store: AccountStore) -> None:
    await store.create(clara(), "clara", None)
    await store.offer_link(invitation(), "hash-of-link")
    with pytest.raises(NameTaken):
        await store.create(Account("x", "Clara", HOST, AT), "clara", None, link_hash="hash-of-link")

    async def follow(number: int) -> bool:
        account = Account(f"t{number}", f"T{number}", HOST, AT + 1)
        try:
            await store.create(account, f"t{number}", None, link_hash="hash-of-link")
        except LinkSpent:
            return False
        return True

    assert sum(await asyncio.gather(*(follow(number) for number in range(50)))) == 1
    with pytest.raises(LinkSpent):
        await store.find_link("hash-of-link", AT + 1)


async def test_a_link_that_has_run_out_is_spent(store: AccountStore) -> None:
    await store.create(clara(), "clara", None)
    await store.offer_link(invitation(), "hash-of-link")
    assert (await store.find_link("hash-of-link", AT + 9.9)).name == "T"
    with pytest.raises(LinkSpent):
        await store.find_link("hash-of-link", AT + 10)
    with pytest.raises(LinkSpent):
        await store.create(Account("t", "T", HOST, AT + 10), "t", None, link_hash="hash-of-link")


async def test_a_credential_belongs_to_one_account(store: AccountStore) -> None:
    await store.create(clara(""), "clara", key(1))
    with pytest.raises(PasskeyKnown):
        await store.add_passkey("c", key(1), AT)
    found = await store.find_passkey("credential-1")
    assert found is not None
    assert (found[1].id, found[0].transports) == ("c", ("internal",))
    assert await store.find_passkey("credential-2") is None


async def test_of_two_uses_with_one_counter_one_counts(store: AccountStore) -> None:
    await store.create(clara(""), "clara", key(1))
    (kept,) = await store.passkeys("c")
    uses = await asyncio.gather(*(store.passkey_used(kept.id, 0, 1, AT) for _ in range(5)))
    assert sum(uses) == 1


async def test_the_last_way_in_and_the_last_operator_stay(store: AccountStore) -> None:
    await store.create(clara(), "clara", key(1))
    (kept,) = await store.passkeys("c")
    await store.set_password("c", "")
    with pytest.raises(LastWayIn):
        await store.remove_passkey("c", kept.id)
    assert len(await store.passkeys("c")) == 1
    with pytest.raises(LastWayIn):
        await store.disable("c", AT)
    assert not await store.remove_passkey("somebody else", kept.id)


async def test_what_is_kept_is_bounded(store: AccountStore, monkeypatch: pytest.MonkeyPatch) -> None:
    await store.create(clara(), "clara", None)
    for number in range(account_records.MAX_PASSKEYS):
        await store.add_passkey("c", key(number), AT)
    with pytest.raises(TooManyKept):
        await store.add_passkey("c", key(999), AT)
    for number in range(account_records.MAX_TOKENS):
        await store.add_token(f"{number:064}", "t", "read", "c", AT)
    with pytest.raises(TooManyKept):
        await store.add_token("f" * 64, "t", "read", "c", AT)
    for number in range(account_records.MAX_LINKS):
        await store.offer_link(invitation(id=f"i{number}"), f"h{number}")
    with pytest.raises(TooManyKept):
        await store.offer_link(invitation(id="more"), "more")
    await store.offer_link(invitation(id="later", created_at=AT + 10, expires_at=AT + 20), "later")


async def test_a_token_of_that_name_is_not_the_data_folders(engine: AsyncEngine, store: AccountStore) -> None:
    rooms = Store(engine)
    await rooms.keep_token("a" * 64, "data folder", OPERATOR, AT)
    await store.add_token("b" * 64, "data folder", "read", "", AT)
    await rooms.keep_token("c" * 64, "data folder", OPERATOR, AT + 1)  # the file was renewed
    assert await store.find_token("a" * 64) is None
    assert await store.find_token("b" * 64) is not None
    assert not await store.revoke_token("c" * 16, None, AT)
    assert await store.revoke_token("b" * 16, None, AT)
    assert not await store.revoke_token("%", None, AT)
