"""How one gets in: the first account, invited ones, log-in, and back in after everything was lost."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import structlog
from prometheus_client import Counter

from hustings.errors import Refused
from hustings.ids import new_id, secret_hash
from hustings.store.account_records import OPERATOR, Account, LinkSpent, NewKey, OnceLink
from hustings.store.tokens import kept_secret
from hustings.studio.accounts import passkeys as keys
from hustings.studio.accounts.passkeys import Json, Site
from hustings.studio.accounts.passwords import check_new
from hustings.studio.accounts.service import Accounts, name_key
from hustings.studio.problems import Unauthorized

log = structlog.get_logger()

SETUP = "setup"
"""File in `keys/` with the secret of the first account's link; there only while there is no account."""

_logins = Counter("hustings_studio_logins_total", "Attempts to log in or to set up.", ["way", "outcome"])


class Entry:
    """Raises LinkSpent, NameTaken, Refused, Unauthorized, Unavailable; Limited when tried too often."""

    def __init__(self, accounts: Accounts, data: Path) -> None:
        self._accounts = accounts
        self._data = data
        self._secret = ""

    async def prepare(self) -> None:
        """Before the door opens: with no account there is a secret for the first one, and else none."""
        if await self._accounts.store.count():
            self._forget_secret()
        else:
            self._secret = await asyncio.to_thread(kept_secret, self._data, SETUP)

    @property
    def nobody_yet(self) -> bool:
        """Whether the first account is still to be made."""
        return bool(self._secret)

    def _forget_secret(self) -> None:
        self._secret = ""
        (self._data / "keys" / SETUP).unlink(missing_ok=True)

    # --- one-time links ----------------------------------------------------------------------

    async def look(self, secret: str, address: str) -> OnceLink:
        """What a link is for, without spending it."""
        self._accounts.limits.attempt(address)
        return await self._link(secret)

    async def _link(self, secret: str) -> OnceLink:
        at = self._accounts.clock.wall()
        if self._is_first(secret):
            return OnceLink("", "first", "", OPERATOR, at, at)
        return await self._accounts.store.find_link(secret_hash(secret), at)

    def _is_first(self, secret: str) -> bool:
        given = secret.encode("utf-8", "surrogatepass")
        return bool(self._secret) and hmac.compare_digest(given, self._secret.encode())

    async def passkey_options(self, secret: str, name: str, site: Site, address: str) -> dict[str, Any]:
        """What the browser is asked for the passkey of a new account, or of one got back."""
        self._accounts.limits.attempt(address)
        link = await self._link(secret)
        account_id = link.account_id or new_id()
        challenge = self._accounts.challenges.new("register", site, account_id, secret_hash(secret))
        return keys.creation_options(challenge, site, account_id, link.name if link.account_id else name)

    async def enter(
        self,
        secret: str,
        name: str,
        password: str | None,
        passkey: tuple[Site, Json, str] | None,
        address: str,
    ) -> Account:
        """Spends the link: a new account with a password or a passkey, or a new way into one."""
        self._accounts.limits.attempt(address)
        link = await self._link(secret)
        account_id, key, hashed = new_id(), None, ""
        if passkey is not None:
            site, credential, label = passkey
            account_id, key = self._accounts.registration(
                site, credential, label, bound_to=secret_hash(secret)
            )
        else:
            check_new(password or "", link.name if link.account_id else name)
            hashed = await self._accounts.passwords.hash(password or "")
        try:
            account = await self._spend(link, secret, account_id, name, key, hashed)
        except LinkSpent:
            _logins.labels("link", "refused").inc()
            raise
        _logins.labels("link", "in").inc()
        return account

    async def _spend(
        self, link: OnceLink, secret: str, account_id: str, name: str, key: NewKey | None, hashed: str
    ) -> Account:
        at, store = self._accounts.clock.wall(), self._accounts.store
        if link.account_id:
            await store.reset(secret_hash(secret), hashed, key, at)
            await self._accounts.end_sessions(link.account_id)
            account = await self._accounts.found(link.account_id)
            if account.disabled_at is not None:
                raise Refused(403, "The account is disabled", "An operator can enable it again.")
            return account
        new = Account(account_id, name, link.role, at, password_hash=hashed)
        first = link.kind == "first"
        account = await store.create(new, name_key(name), key, link_hash="" if first else secret_hash(secret))
        if first:
            await asyncio.to_thread(self._forget_secret)
            log.info("the first account was made")
        return account

    # --- log-in ------------------------------------------------------------------------------

    async def with_password(self, name: str, password: str, address: str) -> Account:
        """An unknown name takes as long as a wrong password, and is answered the same."""
        key = name_key(name)
        self._accounts.limits.attempt(address, key)
        account = await self._accounts.store.find_name(key)
        good = await self._accounts.passwords.verify(password, account.password_hash if account else "")
        if account is None or not good or account.disabled_at is not None:
            _logins.labels("password", "refused").inc()
            raise Unauthorized("Not logged in", "Name or password is wrong.")
        self._accounts.limits.succeeded(key)
        _logins.labels("password", "in").inc()
        return account

    async def again(
        self, account: Account, password: str, passkey: Mapping[str, Any] | None, site: Site, address: str
    ) -> None:
        """Whoever is logged in shows again that he is. Raises Unauthorized; Limited when tried too often."""
        if passkey is not None:
            found = await self.with_passkey(passkey, site, address)
            if found.id != account.id:
                raise keys.unknown()
            return
        self._accounts.limits.attempt(address, f"again {account.id}")
        if not await self._accounts.passwords.verify(password, account.password_hash):
            _logins.labels("password", "refused").inc()
            raise Unauthorized("Not proved", "The password is another one.")
        self._accounts.limits.succeeded(f"again {account.id}")
        _logins.labels("password", "in").inc()

    def login_options(self, site: Site, address: str) -> dict[str, Any]:
        """What the browser is asked: any passkey it has for us."""
        self._accounts.limits.attempt(address)
        return keys.request_options(self._accounts.challenges.new("log in", site), site)

    async def with_passkey(self, credential: Mapping[str, Any], site: Site, address: str) -> Account:
        self._accounts.limits.attempt(address)
        try:
            return await self._proven(credential, site)
        except Unauthorized:
            _logins.labels("passkey", "refused").inc()
            raise

    async def _proven(self, credential: Mapping[str, Any], site: Site) -> Account:
        challenge, _ = self._accounts.challenges.take("log in", site, credential)
        found = await self._accounts.store.find_passkey(keys.credential_id(credential))
        if found is None or found[1].disabled_at is not None:
            raise keys.unknown()
        key, account = found
        count = keys.proven(credential, challenge, site, key)
        at = self._accounts.clock.wall()
        if not await self._accounts.store.passkey_used(key.id, key.sign_count, count, at):
            raise keys.unknown()
        _logins.labels("passkey", "in").inc()
        return account
