"""Accounts, their passkeys, sessions, one-time links and API tokens, in and out of the database.

Secrets are not here, only their hashes. Raises Unavailable when the database does not answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from hustings.errors import HustingsError
from hustings.ids import new_id
from hustings.store.account_records import (
    MAX_ACCOUNTS,
    MAX_LINKS,
    MAX_PASSKEYS,
    MAX_SESSIONS,
    MAX_TOKENS,
    OPERATOR,
    TOKEN_ID,
    Account,
    LastWayIn,
    LinkSpent,
    NameTaken,
    NewKey,
    OnceLink,
    Passkey,
    PasskeyKnown,
    Session,
    Token,
    TooManyKept,
    account_of,
    link_of,
    passkey_of,
    session_of,
    token_of,
)
from hustings.store.connection import reading, writing
from hustings.store.tables import api_tokens
from hustings.store.tables_accounts import account_links, accounts, passkeys, sessions
from hustings.store.tables_jobs import jobs, webhooks


class AccountStore:
    """See the module."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    # --- accounts ----------------------------------------------------------------------------

    async def count(self) -> int:
        async with reading(self._engine) as connection:
            return int((await connection.execute(select(func.count()).select_from(accounts))).scalar_one())

    async def all(self) -> list[Account]:
        """In order of their making."""
        return [account_of(row) for row in await self._rows(select(accounts).order_by(accounts.c.created_at))]

    async def find(self, account_id: str) -> Account | None:
        rows = await self._rows(select(accounts).where(accounts.c.id == account_id))
        return account_of(rows[0]) if rows else None

    async def find_name(self, name_key: str) -> Account | None:
        rows = await self._rows(select(accounts).where(accounts.c.name_key == name_key))
        return account_of(rows[0]) if rows else None

    async def create(
        self,
        account: Account,
        name_key: str,
        key: NewKey | None,
        *,
        link_hash: str = "",
    ) -> Account:
        """A new account, with its first passkey or its password hash. `link_hash` of the invitation that
        is spent in the same transaction; without one it must be the first account of all.

        Raises NameTaken, PasskeyKnown, LinkSpent, TooManyKept.
        """
        try:
            async with writing(self._engine) as connection:
                number = await connection.scalar(select(func.count()).select_from(accounts)) or 0
                if link_hash:
                    await _spend(connection, link_hash, account.created_at)
                elif number:
                    raise LinkSpent
                if number >= MAX_ACCOUNTS:
                    raise TooManyKept("accounts", MAX_ACCOUNTS)
                await connection.execute(
                    insert(accounts).values(
                        id=account.id,
                        name=account.name,
                        name_key=name_key,
                        role=account.role,
                        password_hash=account.password_hash,
                        created_at=account.created_at,
                    )
                )
                if key is not None:
                    await _insert_key(connection, account.id, key, account.created_at)
        except IntegrityError as error:
            raise _taken(error) from error
        return account

    async def rename(self, account_id: str, name: str, name_key: str) -> None:
        """Raises NameTaken."""
        query = update(accounts).where(accounts.c.id == account_id).values(name=name, name_key=name_key)
        try:
            await self._write(query)
        except IntegrityError as error:
            raise _taken(error) from error

    async def set_password(self, account_id: str, password_hash: str) -> None:
        """ "" takes the password away. Raises LastWayIn when there is no passkey."""
        async with writing(self._engine) as connection:
            if not password_hash:
                await _another_way(connection, account_id, keys=True)
            await connection.execute(
                update(accounts).where(accounts.c.id == account_id).values(password_hash=password_hash)
            )

    async def disable(self, account_id: str, at: float | None) -> None:
        """From `at` on nothing of the account works, its sessions are gone; None: it works again.

        Raises LastWayIn for the last operator.
        """
        async with writing(self._engine) as connection:
            if at is not None:
                await _another_operator(connection, account_id)
                await connection.execute(delete(sessions).where(sessions.c.account_id == account_id))
            await connection.execute(
                update(accounts).where(accounts.c.id == account_id).values(disabled_at=at)
            )

    async def change_role(self, account_id: str, role: str) -> None:
        """Its sessions end, also where it gains rights. Raises LastWayIn for the last operator."""
        async with writing(self._engine) as connection:
            if role != OPERATOR:
                await _another_operator(connection, account_id)
            await connection.execute(update(accounts).where(accounts.c.id == account_id).values(role=role))
            await connection.execute(delete(sessions).where(sessions.c.account_id == account_id))

    async def remove(self, account_id: str) -> None:
        """The account with everything that is its own: ways in, sessions, links, tokens, webhooks with what
        waits for them. Raises LastWayIn for the last operator."""
        async with writing(self._engine) as connection:
            await _another_operator(connection, account_id)
            own = select(webhooks.c.id).where(webhooks.c.account_id == account_id)
            await connection.execute(delete(jobs).where(jobs.c.subject.in_(own)))
            for table in (webhooks, api_tokens, account_links, sessions, passkeys):
                await connection.execute(delete(table).where(table.c.account_id == account_id))
            await connection.execute(delete(accounts).where(accounts.c.id == account_id))

    # --- one-time links ----------------------------------------------------------------------

    async def offer_link(self, link: OnceLink, link_hash: str) -> None:
        """Raises TooManyKept. A reset of the same account that was open no longer works."""
        async with writing(self._engine) as connection:
            await connection.execute(
                delete(account_links).where(account_links.c.expires_at <= link.created_at)
            )
            if link.account_id:
                await connection.execute(
                    delete(account_links).where(account_links.c.account_id == link.account_id)
                )
            number = await connection.scalar(select(func.count()).select_from(account_links)) or 0
            if number >= MAX_LINKS:
                raise TooManyKept("open links", MAX_LINKS)
            await connection.execute(
                insert(account_links).values(
                    id=link.id,
                    hash=link_hash,
                    kind=link.kind,
                    account_id=link.account_id or None,
                    name=link.name,
                    role=link.role,
                    created_at=link.created_at,
                    expires_at=link.expires_at,
                )
            )

    async def find_link(self, link_hash: str, at: float) -> OnceLink:
        """A link that still works. Raises LinkSpent."""
        rows = await self._rows(select(account_links).where(account_links.c.hash == link_hash))
        if not rows or rows[0].used_at is not None or rows[0].expires_at <= at:
            raise LinkSpent
        return link_of(rows[0])

    async def open_links(self, kind: str, at: float) -> list[OnceLink]:
        query = select(account_links).where(
            account_links.c.kind == kind, account_links.c.used_at.is_(None), account_links.c.expires_at > at
        )
        return [link_of(row) for row in await self._rows(query.order_by(account_links.c.created_at))]

    async def drop_link(self, link_id: str) -> bool:
        return await self._write(delete(account_links).where(account_links.c.id == link_id)) > 0

    async def reset(self, link_hash: str, password_hash: str, key: NewKey | None, at: float) -> str:
        """Spends a reset link: the account (its identifier) has a new password or one passkey more, and
        its sessions have ended. Raises LinkSpent, PasskeyKnown, TooManyKept."""
        try:
            async with writing(self._engine) as connection:
                account_id = await _spend(connection, link_hash, at)
                if key is not None:
                    await _insert_key(connection, account_id, key, at)
                if password_hash:
                    await connection.execute(
                        update(accounts)
                        .where(accounts.c.id == account_id)
                        .values(password_hash=password_hash)
                    )
                await connection.execute(delete(sessions).where(sessions.c.account_id == account_id))
        except IntegrityError as error:
            raise _taken(error) from error
        return account_id

    # --- passkeys ----------------------------------------------------------------------------

    async def passkeys(self, account_id: str) -> list[Passkey]:
        query = select(passkeys).where(passkeys.c.account_id == account_id).order_by(passkeys.c.created_at)
        return [passkey_of(row) for row in await self._rows(query)]

    async def find_passkey(self, credential_id: str) -> tuple[Passkey, Account] | None:
        rows = await self._rows(select(passkeys).where(passkeys.c.credential_id == credential_id))
        if not rows:
            return None
        account = await self.find(rows[0].account_id)
        return (passkey_of(rows[0]), account) if account else None

    async def add_passkey(self, account_id: str, key: NewKey, at: float) -> str:
        """Its identifier. Raises PasskeyKnown, TooManyKept."""
        try:
            async with writing(self._engine) as connection:
                return await _insert_key(connection, account_id, key, at)
        except IntegrityError as error:
            raise _taken(error) from error

    async def passkey_used(self, passkey_id: str, before: int, count: int, at: float) -> bool:
        """Notes a use; False when another use with the same counter came first."""
        query = (
            update(passkeys)
            .where(passkeys.c.id == passkey_id, passkeys.c.sign_count == before)
            .values(sign_count=count, used_at=at)
        )
        return await self._write(query) > 0

    async def rename_passkey(self, account_id: str, passkey_id: str, name: str) -> bool:
        mine = (passkeys.c.id == passkey_id, passkeys.c.account_id == account_id)
        return await self._write(update(passkeys).where(*mine).values(name=name)) > 0

    async def remove_passkey(self, account_id: str, passkey_id: str) -> bool:
        """False when there is none. Raises LastWayIn."""
        async with writing(self._engine) as connection:
            mine = (passkeys.c.id == passkey_id, passkeys.c.account_id == account_id)
            gone = await connection.execute(delete(passkeys).where(*mine))
            if gone.rowcount:
                await _another_way(connection, account_id, keys=False)
            return gone.rowcount > 0

    # --- sessions ----------------------------------------------------------------------------

    async def begin_session(self, session: Session, session_hash: str) -> None:
        """Keeps a session; the longest unused ones end when there are too many."""
        async with writing(self._engine) as connection:
            mine = sessions.c.account_id == session.account_id
            ids = (
                await connection.scalars(
                    select(sessions.c.id).where(mine).order_by(sessions.c.used_at.desc())
                )
            ).all()
            too_many = ids[MAX_SESSIONS - 1 :]
            await connection.execute(delete(sessions).where(sessions.c.id.in_(too_many)))
            await connection.execute(
                insert(sessions).values(
                    id=session.id,
                    hash=session_hash,
                    account_id=session.account_id,
                    browser=session.browser,
                    created_at=session.created_at,
                    used_at=session.used_at,
                    expires_at=session.expires_at,
                )
            )

    async def find_session(self, session_hash: str, at: float) -> tuple[Session, Account] | None:
        """A session that holds, of an account that is not disabled."""
        query = (
            select(sessions, *(column.label(f"a_{column.name}") for column in accounts.c))
            .join_from(sessions, accounts)
            .where(
                sessions.c.hash == session_hash, sessions.c.expires_at > at, accounts.c.disabled_at.is_(None)
            )
        )
        rows = await self._rows(query)
        if not rows:
            return None
        row = rows[0]
        account = Account(row.a_id, row.a_name, row.a_role, row.a_created_at, None, row.a_password_hash)
        return session_of(row), account

    async def session_used(self, session_id: str, at: float, expires_at: float) -> None:
        query = update(sessions).where(sessions.c.id == session_id)
        await self._write(query.values(used_at=at, expires_at=expires_at))

    async def sessions(self, account_id: str, at: float) -> list[Session]:
        """Those that hold, the last used first."""
        query = select(sessions).where(sessions.c.account_id == account_id, sessions.c.expires_at > at)
        return [session_of(row) for row in await self._rows(query.order_by(sessions.c.used_at.desc()))]

    async def end_session(self, account_id: str, session_id: str) -> bool:
        mine = (sessions.c.id == session_id, sessions.c.account_id == account_id)
        return await self._write(delete(sessions).where(*mine)) > 0

    async def end_sessions(self, account_id: str, keep: str = "") -> None:
        """All sessions of an account but `keep`."""
        await self._write(delete(sessions).where(sessions.c.account_id == account_id, sessions.c.id != keep))

    async def forget_expired(self, at: float) -> None:
        """Removes what can never be used again."""
        await self._write(delete(sessions).where(sessions.c.expires_at <= at))
        await self._write(delete(account_links).where(account_links.c.expires_at <= at))

    # --- API tokens --------------------------------------------------------------------------

    async def add_token(self, token_hash: str, name: str, scope: str, account_id: str, at: float) -> Token:
        """Raises TooManyKept."""
        async with writing(self._engine) as connection:
            number = await connection.scalar(
                select(func.count()).select_from(api_tokens).where(api_tokens.c.revoked_at.is_(None))
            )
            if (number or 0) >= MAX_TOKENS:
                raise TooManyKept("tokens", MAX_TOKENS)
            await connection.execute(
                insert(api_tokens).values(
                    hash=token_hash, name=name, scope=scope, created_at=at, account_id=account_id
                )
            )
        return Token(token_hash[:TOKEN_ID], name, scope, at, None, account_id)

    async def find_token(self, token_hash: str) -> tuple[Token, Account | None] | None:
        """A token that holds, and whose it is; None when its account was disabled, too."""
        query = select(api_tokens).where(api_tokens.c.hash == token_hash, api_tokens.c.revoked_at.is_(None))
        rows = await self._rows(query)
        if not rows:
            return None
        token = token_of(rows[0])
        if not token.account_id:
            return token, None
        account = await self.find(token.account_id)
        if account is None or account.disabled_at is not None:
            return None
        return token, account

    async def token_used(self, token_id: str, at: float) -> None:
        query = update(api_tokens).where(api_tokens.c.hash.startswith(token_id, autoescape=True))
        await self._write(query.values(used_at=at))

    async def tokens(self, account_id: str | None) -> list[Token]:
        """Those that hold: of one account, or all (None)."""
        query = select(api_tokens).where(api_tokens.c.revoked_at.is_(None))
        if account_id is not None:
            query = query.where(api_tokens.c.account_id == account_id)
        return [token_of(row) for row in await self._rows(query.order_by(api_tokens.c.created_at))]

    async def revoke_token(self, token_id: str, account_id: str | None, at: float) -> bool:
        """`account_id`: whose it must be; None: anybody's. The data folder's own cannot be revoked."""
        query = update(api_tokens).where(
            api_tokens.c.hash.startswith(token_id, autoescape=True),
            api_tokens.c.revoked_at.is_(None),
            api_tokens.c.account_id.is_not(None),
        )
        if account_id is not None:
            query = query.where(api_tokens.c.account_id == account_id)
        return await self._write(query.values(revoked_at=at)) > 0

    # --- inside ------------------------------------------------------------------------------

    async def _rows(self, query: Any) -> Sequence[Row[Any]]:
        async with reading(self._engine) as connection:
            return (await connection.execute(query)).all()

    async def _write(self, query: Any) -> int:
        async with writing(self._engine) as connection:
            return int((await connection.execute(query)).rowcount)


async def _insert_key(connection: AsyncConnection, account_id: str, key: NewKey, at: float) -> str:
    mine = select(func.count()).select_from(passkeys).where(passkeys.c.account_id == account_id)
    if (await connection.scalar(mine) or 0) >= MAX_PASSKEYS:
        raise TooManyKept("passkeys of one account", MAX_PASSKEYS)
    passkey_id = new_id()
    await connection.execute(
        insert(passkeys).values(
            id=passkey_id,
            account_id=account_id,
            credential_id=key.credential_id,
            public_key=key.public_key,
            sign_count=key.sign_count,
            rp_id=key.rp_id,
            name=key.name,
            transports=",".join(key.transports),
            created_at=at,
        )
    )
    return passkey_id


async def _spend(connection: AsyncConnection, link_hash: str, at: float) -> str:
    """Marks a link used, exactly once; the account it is for, or ""."""
    spent = await connection.execute(
        update(account_links)
        .where(
            account_links.c.hash == link_hash,
            account_links.c.used_at.is_(None),
            account_links.c.expires_at > at,
        )
        .values(used_at=at)
    )
    if not spent.rowcount:
        raise LinkSpent
    found = await connection.scalar(
        select(account_links.c.account_id).where(account_links.c.hash == link_hash)
    )
    return str(found or "")


async def _another_operator(connection: AsyncConnection, account_id: str) -> None:
    """Raises LastWayIn when nobody else could run the server."""
    others = select(func.count()).where(
        accounts.c.id != account_id, accounts.c.role == OPERATOR, accounts.c.disabled_at.is_(None)
    )
    if not await connection.scalar(others):
        raise LastWayIn("Nobody would be left to run this server; make another operator first.")


async def _another_way(connection: AsyncConnection, account_id: str, *, keys: bool) -> None:
    """Raises LastWayIn when the account has neither a passkey nor, unless `keys`, a password."""
    if await connection.scalar(
        select(func.count()).select_from(passkeys).where(passkeys.c.account_id == account_id)
    ):
        return
    password = await connection.scalar(select(accounts.c.password_hash).where(accounts.c.id == account_id))
    if keys or not password:
        raise LastWayIn("It is the last way into this account; add another one first.")


def _taken(error: IntegrityError) -> HustingsError:
    # Both databases name the column or the constraint.
    return PasskeyKnown() if "credential_id" in str(error.orig) else NameTaken()
