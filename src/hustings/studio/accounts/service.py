"""What accounts can do once somebody is in. How one gets in: `entry`."""

from __future__ import annotations

import unicodedata
from dataclasses import replace
from typing import Any

import structlog

from hustings.clock import Clock
from hustings.errors import Refused
from hustings.ids import new_id, new_secret, secret_hash
from hustings.store.account_records import Account, NewKey, OnceLink, Passkey, Session, Token
from hustings.store.accounts import AccountStore
from hustings.studio.accounts import passkeys as keys
from hustings.studio.accounts.limits import Limits
from hustings.studio.accounts.passkeys import Challenges, Json, Site
from hustings.studio.accounts.passwords import Passwords, check_new

log = structlog.get_logger()

SESSION_SECONDS = 30 * 86400.0
"""How long a session lasts after it was last used."""
SESSION_LONGEST = 90 * 86400.0
"""... and at most since its beginning, however much it is used."""
NOTE_EVERY = 300.0
"""Seconds between two notes in the database that a session or a token was used."""
INVITE_SECONDS = 7 * 86400.0
RESET_SECONDS = 86400.0


def name_key(name: str) -> str:
    """As names are compared: whoever types it need not mind case, width or which of two alike letters."""
    return " ".join(unicodedata.normalize("NFKC", name).casefold().split())


class Accounts:
    """Raises the errors of store.account_records, Refused and Unavailable."""

    def __init__(self, store: AccountStore, clock: Clock) -> None:
        self.store = store
        self.clock = clock
        self.limits = Limits(clock.monotonic)
        self.passwords = Passwords()
        self.challenges = Challenges(clock.monotonic)

    async def tidy(self) -> None:
        """Removes what has run out. Called now and then."""
        await self.store.forget_expired(self.clock.wall())

    # --- sessions ----------------------------------------------------------------------------

    async def begin_session(self, account: Account, browser: str) -> tuple[Session, str]:
        """A new session and the secret of its cookie."""
        secret, at = f"s_{new_secret()}", self.clock.wall()
        session = Session(new_id(), account.id, browser, at, at, at + SESSION_SECONDS)
        await self.store.begin_session(session, secret_hash(secret))
        return session, secret

    async def session(self, secret: str) -> tuple[Session, Account] | None:
        """Whose session it is; each use makes it last longer."""
        at = self.clock.wall()
        found = await self.store.find_session(secret_hash(secret), at)
        if found is not None and at - found[0].used_at >= NOTE_EVERY:
            ends = min(at + SESSION_SECONDS, found[0].created_at + SESSION_LONGEST)
            await self.store.session_used(found[0].id, at, ends)
        return found

    async def sessions(self, account: Account) -> list[Session]:
        return await self.store.sessions(account.id, self.clock.wall())

    async def end_session(self, account_id: str, session_id: str) -> None:
        """Raises Refused (404)."""
        if not await self.store.end_session(account_id, session_id):
            raise Refused(404, "No such session", "It has ended already, or is not yours.", where="path")

    async def end_sessions(self, account_id: str, keep: str = "") -> None:
        await self.store.end_sessions(account_id, keep)

    # --- one's own account -------------------------------------------------------------------

    async def rename(self, account: Account, name: str) -> Account:
        await self.store.rename(account.id, name, name_key(name))
        return replace(account, name=name)

    async def set_password(
        self, account: Account, password: str, current: str | None, *, address: str, keep: str
    ) -> None:
        """A new password; whoever was logged in elsewhere is out. `keep`: the session that asks."""
        if account.password_hash:
            self.limits.attempt(address, f"change {account.id}")
            if current is None or not await self.passwords.verify(current, account.password_hash):
                raise Refused(403, "The current password is another one", where="body: current")
        check_new(password, account.name)
        await self.store.set_password(account.id, await self.passwords.hash(password))
        await self.end_sessions(account.id, keep)

    async def remove_password(self, account: Account) -> None:
        """Only passkeys from now on. Raises LastWayIn."""
        await self.store.set_password(account.id, "")

    async def passkey_options(self, account: Account, session_id: str, site: Site) -> dict[str, Any]:
        """What the browser is asked for one more passkey."""
        challenge = self.challenges.new("register", site, account.id, session_id)
        have = tuple(key for key in await self.store.passkeys(account.id) if key.rp_id == site.rp_id)
        return keys.creation_options(challenge, site, account.id, account.name, have)

    async def add_passkey(
        self, account: Account, session_id: str, site: Site, credential: Json, name: str
    ) -> Passkey:
        new = self.registration(site, credential, name, bound_to=session_id)[1]
        key_id = await self.store.add_passkey(account.id, new, self.clock.wall())
        return next(key for key in await self.store.passkeys(account.id) if key.id == key_id)

    def registration(self, site: Site, credential: Json, name: str, *, bound_to: str) -> tuple[str, NewKey]:
        """Checks a browser's new passkey: for which account it was made, and what is kept of it."""
        challenge, asked = self.challenges.take("register", site, credential)
        if asked.bound_to != bound_to:
            raise Refused(422, "The passkey was not taken", "It answers another request.", "body: passkey")
        return asked.account_id, keys.registered(credential, challenge, site, name)

    async def rename_passkey(self, account: Account, passkey_id: str, name: str) -> None:
        if not await self.store.rename_passkey(account.id, passkey_id, name):
            raise _no_passkey()

    async def remove_passkey(self, account: Account, passkey_id: str) -> None:
        """Raises LastWayIn."""
        if not await self.store.remove_passkey(account.id, passkey_id):
            raise _no_passkey()

    # --- other people ------------------------------------------------------------------------

    async def invite(self, name: str, role: str) -> tuple[OnceLink, str]:
        """A link to an account of its own, and its secret."""
        return await self._offer(OnceLink(new_id(), "invite", name, role, *self._for(INVITE_SECONDS)), "i_")

    async def reset(self, account_id: str) -> tuple[OnceLink, str]:
        """A link back into an account, for whoever lost the way in."""
        account = await self.found(account_id)
        span = self._for(RESET_SECONDS)
        link = OnceLink(new_id(), "reset", account.name, account.role, *span, account_id=account.id)
        log.info("a link back into an account was made", account=account_id)
        return await self._offer(link, "r_")

    async def _offer(self, link: OnceLink, prefix: str) -> tuple[OnceLink, str]:
        secret = prefix + new_secret()
        await self.store.offer_link(link, secret_hash(secret))
        return link, secret

    def _for(self, seconds: float) -> tuple[float, float]:
        at = self.clock.wall()
        return at, at + seconds

    async def invitations(self) -> list[OnceLink]:
        return await self.store.open_links("invite", self.clock.wall())

    async def withdraw(self, link_id: str) -> None:
        if not await self.store.drop_link(link_id):
            raise Refused(404, "No such invitation", where="path")

    async def disable(self, account_id: str, disabled: bool) -> Account:
        """Nothing of a disabled account works: sessions, tokens, webhooks. Raises LastWayIn."""
        await self.found(account_id)
        await self.store.disable(account_id, self.clock.wall() if disabled else None)
        log.info("an account was disabled" if disabled else "an account was enabled", account=account_id)
        return await self.found(account_id)

    async def change_role(self, account_id: str, role: str) -> Account:
        """Its sessions end; its tokens follow by themselves. Raises LastWayIn, Refused (404)."""
        if (await self.found(account_id)).role != role:
            await self.store.change_role(account_id, role)
            log.info("an account's role was changed", account=account_id, role=role)
        return await self.found(account_id)

    async def remove(self, account_id: str) -> None:
        """The account is gone with all that is its own. Its rooms stay, for operators. Raises LastWayIn,
        Refused (404)."""
        await self.found(account_id)
        await self.store.remove(account_id)
        log.info("an account was removed", account=account_id)

    async def found(self, account_id: str) -> Account:
        """Raises Refused (404)."""
        account = await self.store.find(account_id)
        if account is None:
            raise Refused(404, "No such account", where="path")
        return account

    # --- tokens ------------------------------------------------------------------------------

    async def token(self, secret: str) -> tuple[Token, Account | None] | None:
        """An API token that holds, and whose it is (None: the data folder's)."""
        found = await self.store.find_token(secret_hash(secret))
        if found is None:
            return None
        token, at = found[0], self.clock.wall()
        if token.used_at is None or at - token.used_at >= NOTE_EVERY:
            await self.store.token_used(token.id, at)
        return found

    async def new_token(self, name: str, scope: str, account_id: str) -> tuple[Token, str]:
        """A token and its secret."""
        secret = f"h_{new_secret()}"
        return await self.store.add_token(
            secret_hash(secret), name, scope, account_id, self.clock.wall()
        ), secret

    async def revoke_token(self, token_id: str, account_id: str | None) -> None:
        """`account_id` None: anybody's. Raises Refused (404)."""
        if not await self.store.revoke_token(token_id, account_id, self.clock.wall()):
            raise Refused(404, "No such token", "It was revoked already, or is not yours.", where="path")


def _no_passkey() -> Refused:
    return Refused(404, "No such passkey", where="path")
