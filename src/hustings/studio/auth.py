"""Who is asking, and what that one may do. Every route that changes anything depends on one of these.

| dependency | lets in |
|---|---|
| `operator` | a token with scope `operator`, or the session of an operator's account |
| `account` | a session: people, not programs |
| `keeper` | who may make tokens and webhooks: any session, or a token with scope `operator` |
| `member` | whoever may have rooms: any token, any session. Read-only tokens: GET only |
| `conductor` | who may conduct the room `slug`: see `Actor.may_conduct` |
| `guest` | a ticket of the room `slug` |

An Authorization header (RFC 6750) comes before the cookie. A cookie counts only where `accounts.csrf`
found that one of our own pages asks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from fastapi import Depends, Request
from fastapi.security import APIKeyCookie, HTTPBearer
from starlette.requests import HTTPConnection

from hustings.errors import Refused
from hustings.ids import is_slug
from hustings.rooms.model import CONDUCTING, Role, Room
from hustings.rooms.table import SeatState
from hustings.store.account_records import Account
from hustings.store.store import UnknownRoom
from hustings.studio.accounts.csrf import COOKIE, SAFE, session_secret
from hustings.studio.accounts.service import Accounts
from hustings.studio.problems import Forbidden, ProofNeeded, Unauthorized
from hustings.studio.service import OPERATOR, Studio
from hustings.studio.tickets import Guest

ROOMS, READ = "rooms", "read"
"""Scopes of API tokens, beside OPERATOR."""
SCOPES = (OPERATOR, ROOMS, READ)

# Only for the OpenAPI document: what is wrong with a header is said here, not by FastAPI.
_token_scheme = HTTPBearer(
    scheme_name="token", description="An API token: `hustings token`, or one made with it", auto_error=False
)
_ticket_scheme = HTTPBearer(scheme_name="ticket", description="The ticket of an invitation", auto_error=False)
_session_scheme = APIKeyCookie(
    name=COOKIE, scheme_name="session", description="Logged in at /login", auto_error=False
)
PROOF_SECONDS = 600.0
"""How long after its beginning a session may do what decides who gets in."""
_MAX_SECRET = 512
_TICKET = "t_"

type Kind = Literal["operator", "account", "ticket"]


@dataclass(frozen=True, slots=True)
class Actor:
    """Who asks, once it is known."""

    kind: Kind
    """`operator`: all rooms; `account`: those it owns; `ticket`: the one it is for."""
    account_id: str = ""
    """Of a session, or of whoever made the token; "" for the data folder's token and for tickets."""
    guest: Guest | None = None
    scope: str = OPERATOR
    """Of a token; a session has all that its account has."""
    session_id: str = ""
    name: str = ""
    """Of a session's account."""
    proved_at: float = 0.0
    """When a session began, that is, when its account was proved last; wall clock, s."""

    def own_seat(self) -> tuple[str, str, Role]:
        """Account, name and role of the seat somebody logged in takes. Raises Forbidden for all others."""
        if not self.session_id:
            raise Forbidden(
                "Only for people who are logged in", "A token or a ticket has no seat of its own."
            )
        return self.account_id, self.name, Role.HOST

    def may_conduct(self, room: Room) -> bool:
        """Whether the room does what this one says."""
        if self.guest is not None:
            return self.guest.slug == room.slug and _conducts(room, self.guest)
        return self.kind == "operator" or bool(self.account_id and room.owner_id == self.account_id)


def _conducts(room: Room, guest: Guest) -> bool:
    """Hosts and cohosts, also before they have taken their seat; nobody who was removed."""
    seat = room.participants.get(guest.participant_id)
    if seat is not None:
        return seat.role in CONDUCTING and seat.state is not SeatState.REMOVED
    invitation = room.invitations.get(guest.invitation_id)
    return invitation is not None and invitation.role in CONDUCTING


def bearer(header: str | None) -> str:
    """The token of an Authorization header; "" when there is none."""
    scheme, _, token = (header or "").partition(" ")
    token = token.strip()
    return token if scheme.lower() == "bearer" and len(token) <= _MAX_SECRET else ""


def get_studio(request: Request) -> Studio:
    studio = request.app.state.studio
    assert isinstance(studio, Studio)
    return studio


def get_accounts(connection: HTTPConnection) -> Accounts:
    accounts = connection.app.state.accounts
    assert isinstance(accounts, Accounts)
    return accounts


def known_slug(slug: str) -> str:
    """The path's slug. Raises UnknownRoom for what can be none."""
    if not is_slug(slug):
        raise UnknownRoom(slug)
    return slug


type TheStudio = Annotated[Studio, Depends(get_studio)]
type TheAccounts = Annotated[Accounts, Depends(get_accounts)]
type KnownSlug = Annotated[str, Depends(known_slug)]
type _TokenScheme = Annotated[object, Depends(_token_scheme)]
type _TicketScheme = Annotated[object, Depends(_ticket_scheme)]
type _SessionScheme = Annotated[object, Depends(_session_scheme)]


async def of_token(accounts: Accounts, secret: str) -> Actor | None:
    """Whom an API token stands for; None when it is unknown or no longer holds."""
    found = await accounts.token(secret)
    if found is None:
        return None
    token, account = found
    # Whoever was operator when making it and is not any more: the token follows.
    rules = account is None or account.is_operator
    if token.scope == OPERATOR and not rules:
        return None
    return Actor("operator" if rules else "account", token.account_id, scope=token.scope)


async def of_session(connection: HTTPConnection, accounts: Accounts) -> tuple[Actor, Account] | None:
    """Whom the cookie stands for; None without one that counts."""
    secret = session_secret(connection)
    if not secret or len(secret) > _MAX_SECRET:
        return None
    found = await accounts.session(secret)
    if found is None:
        return None
    session, account = found
    kind: Kind = "operator" if account.is_operator else "account"
    return Actor(
        kind, account.id, session_id=session.id, name=account.name, proved_at=session.created_at
    ), account


async def _known(request: Request, accounts: Accounts) -> Actor:
    """A token's or a session's actor. Raises Unauthorized, Forbidden for a scope that only reads."""
    if "authorization" in request.headers:
        secret = bearer(request.headers["authorization"])
        actor = await of_token(accounts, secret) if secret else None
        if actor is None:
            raise Unauthorized("Unknown token", "Ask the operator for a good one (`hustings token`).")
        if actor.scope == READ and request.method not in SAFE:
            raise Forbidden("This token only reads", "Its scope is `read`.", scope=ROOMS)
        return actor
    found = await of_session(request, accounts)
    if found is None:
        raise Unauthorized(
            "Who is asking?",
            "Log in at /login, or send `Authorization: Bearer TOKEN` (see `hustings token`).",
        )
    return found[0]


async def operator(
    request: Request, accounts: TheAccounts, _token: _TokenScheme = None, _session: _SessionScheme = None
) -> Actor:
    """Raises Unauthorized, or Forbidden for whoever is known and no operator."""
    actor = await _known(request, accounts)
    if actor.kind != "operator" or actor.scope != OPERATOR:
        raise Forbidden("For operators only", "Your account or token may not do this.", scope=OPERATOR)
    return actor


async def keeper(
    request: Request, accounts: TheAccounts, _token: _TokenScheme = None, _session: _SessionScheme = None
) -> Actor:
    """Raises Unauthorized, or Forbidden for tokens of less scope: none makes itself a successor."""
    actor = await _known(request, accounts)
    if actor.scope != OPERATOR:
        raise Forbidden("This token may not", "It takes a session, or the scope `operator`.", scope=OPERATOR)
    return actor


async def member(
    request: Request, accounts: TheAccounts, _token: _TokenScheme = None, _session: _SessionScheme = None
) -> Actor:
    """Whoever may have rooms."""
    return await _known(request, accounts)


async def account(request: Request, accounts: TheAccounts, _session: _SessionScheme = None) -> Account:
    """The account that is logged in. Tokens do not do: they are not a person's."""
    return (await session_and_account(request, accounts))[1]


async def session_and_account(
    request: Request, accounts: TheAccounts, _session: _SessionScheme = None
) -> tuple[Actor, Account]:
    """As `account`, with the session it is. Raises Unauthorized."""
    found = await of_session(request, accounts)
    if found is None:
        raise Unauthorized("Log in first", "This needs a session: log in at /login.")
    return found


async def proved(request: Request, accounts: TheAccounts) -> None:
    """For what decides who gets in: a session must have begun a moment ago, or be begun anew
    (`POST /api/sessions/current`), so that one left open or stolen is of no use for it. Tokens prove
    themselves with each request. Raises ProofNeeded."""
    if "authorization" in request.headers:
        return
    found = await of_session(request, accounts)
    if found is not None:
        check_proved(found[0], accounts)


def check_proved(actor: Actor, accounts: Accounts) -> None:
    """As `proved`, of a session that is known. Raises ProofNeeded."""
    age = accounts.clock.wall() - actor.proved_at
    # A clock that was set back must not make old sessions fresh.
    if not -60.0 <= age <= PROOF_SECONDS:
        raise ProofNeeded(PROOF_SECONDS)


async def conductor(
    request: Request,
    slug: KnownSlug,
    studio: TheStudio,
    accounts: TheAccounts,
    _token: _TokenScheme = None,
    _ticket: _TicketScheme = None,
    _session: _SessionScheme = None,
) -> Actor:
    """Whoever may conduct the room. Raises Unauthorized, Forbidden, UnknownRoom."""
    secret = bearer(request.headers.get("authorization"))
    if secret.startswith(_TICKET):
        actor = Actor("ticket", guest=await studio.guest(slug, secret))
    else:
        actor = await _known(request, accounts)
    if not actor.may_conduct(studio.room(slug)):
        raise Forbidden("Not your room", "Its host, its cohosts and the operator may do this.")
    return actor


async def guest(request: Request, slug: KnownSlug, studio: TheStudio, _ticket: _TicketScheme = None) -> Guest:
    """Raises Unauthorized unless the request carries a good ticket of this room."""
    ticket = bearer(request.headers.get("authorization"))
    if not ticket:
        raise Unauthorized("A ticket is needed", "Send `Authorization: Bearer TICKET` from your link.")
    return await studio.guest(slug, ticket)


async def socket_actor(connection: HTTPConnection, slug: str, secret: str) -> Actor:
    """Whoever opens a WebSocket on the room `slug`: with `secret` (a ticket or a token) from its first
    message, or "" for the session of the page it comes from. Tickets of speakers are let in, too: see
    `Actor.may_conduct`. Raises Unauthorized, Forbidden, UnknownRoom."""
    studio, accounts = connection.app.state.studio, get_accounts(connection)
    room = studio.room(known_slug(slug))
    if secret.startswith(_TICKET):
        return Actor("ticket", guest=await studio.guest(slug, secret))
    if secret:
        actor = await of_token(accounts, secret)
    else:
        found = await of_session(connection, accounts)
        actor = found[0] if found else None
    if actor is None:
        raise Unauthorized("Who is asking?", "Say your ticket or token, or log in at /login.")
    if not actor.may_conduct(room):
        raise Forbidden("Not your room", "Its host, its cohosts and the operator may watch it.")
    return actor


def content_type(request: Request, wanted: str) -> None:
    """Raises Refused (415) unless the body is declared as `wanted`."""
    declared = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if declared != wanted:
        raise Refused(415, "Another content type is needed", f"Send {wanted}.", where="header Content-Type")


type IsGuest = Annotated[Guest, Depends(guest)]
type IsOperator = Annotated[Actor, Depends(operator)]
type IsKeeper = Annotated[Actor, Depends(keeper)]
type IsMember = Annotated[Actor, Depends(member)]
type IsAccount = Annotated[Account, Depends(account)]
type IsConductor = Annotated[Actor, Depends(conductor)]
