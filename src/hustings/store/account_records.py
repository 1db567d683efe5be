"""What the database keeps of accounts, as values; and why it refuses to keep something."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row

from hustings.errors import HustingsError

OPERATOR, HOST = "operator", "host"
"""Roles of accounts."""
TOKEN_ID = 16
"""Characters of a token's hash that name it: enough to tell it from others, useless for finding it."""
MAX_PASSKEYS = 20
MAX_SESSIONS = 50
"""Of one account; the longest unused one ends when another begins."""
MAX_TOKENS = 100
MAX_ACCOUNTS = 1000
MAX_LINKS = 200


class AccountError(HustingsError):
    """Base: what is refused about accounts."""

    title = "Not possible"
    where = ""


class NameTaken(AccountError):
    """Another account has this name."""

    title, where = "The name is taken", "body: name"

    def __init__(self) -> None:
        super().__init__("An account of this name exists already; choose another name.")


class PasskeyKnown(AccountError):
    """The authenticator's credential belongs to an account already."""

    title, where = "The passkey is known", "body: passkey"

    def __init__(self) -> None:
        super().__init__("This passkey is kept already.")


class LinkSpent(AccountError):
    """A one-time link that was used, has run out or never was."""

    title, where = "The link no longer works", "body: secret"

    def __init__(self) -> None:
        super().__init__("This link works once, and not for ever. Ask for a new one.")


class TooManyKept(AccountError):
    """A bound of what is kept was reached."""

    title = "There are too many"

    def __init__(self, what: str, limit: int) -> None:
        super().__init__(f"There may be {limit} {what}; remove one first.")


class LastWayIn(AccountError):
    """What nobody could undo: the last credential of an account, or the last operator."""

    title = "The last way in stays"


@dataclass(frozen=True, slots=True)
class Account:
    """Somebody who conducts rooms. Guests and listeners have none."""

    id: str
    name: str
    role: str
    created_at: float
    disabled_at: float | None = None
    password_hash: str = ""

    @property
    def is_operator(self) -> bool:
        return self.role == OPERATOR


@dataclass(frozen=True, slots=True)
class Passkey:
    """A WebAuthn credential. `credential_id` is base64url without padding."""

    id: str
    account_id: str
    credential_id: str
    public_key: bytes
    sign_count: int
    rp_id: str
    name: str
    transports: tuple[str, ...]
    created_at: float
    used_at: float | None = None


@dataclass(frozen=True, slots=True)
class Session:
    """A browser that is logged in."""

    id: str
    account_id: str
    browser: str
    created_at: float
    used_at: float
    expires_at: float


@dataclass(frozen=True, slots=True)
class OnceLink:
    """A one-time link: to a new account (`invite`), or back into one (`reset`)."""

    id: str
    kind: str
    name: str
    role: str
    created_at: float
    expires_at: float
    account_id: str = ""


@dataclass(frozen=True, slots=True)
class Token:
    """An API token. `account_id` "": of the data folder, or made with that one."""

    id: str
    name: str
    scope: str
    created_at: float
    used_at: float | None
    account_id: str = ""


@dataclass(frozen=True, slots=True)
class NewKey:
    """What a passkey is kept as; the identifier and the account come with it."""

    credential_id: str
    public_key: bytes
    sign_count: int
    rp_id: str
    name: str
    transports: tuple[str, ...] = ()


def account_of(row: Row[Any]) -> Account:
    return Account(row.id, row.name, row.role, row.created_at, row.disabled_at, row.password_hash)


def link_of(row: Row[Any]) -> OnceLink:
    return OnceLink(
        row.id, row.kind, row.name, row.role, row.created_at, row.expires_at, row.account_id or ""
    )


def passkey_of(row: Row[Any]) -> Passkey:
    return Passkey(
        row.id,
        row.account_id,
        row.credential_id,
        bytes(row.public_key),
        row.sign_count,
        row.rp_id,
        row.name,
        tuple(hint for hint in row.transports.split(",") if hint),
        row.created_at,
        row.used_at,
    )


def session_of(row: Row[Any]) -> Session:
    return Session(row.id, row.account_id, row.browser, row.created_at, row.used_at, row.expires_at)


def token_of(row: Row[Any]) -> Token:
    return Token(row.hash[:TOKEN_ID], row.name, row.scope, row.created_at, row.used_at, row.account_id or "")
