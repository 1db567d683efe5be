"""Other people's accounts (operators only), and API tokens, under /api."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Depends, Request, Response

from hustings.store.account_records import Account, OnceLink, Token
from hustings.studio.accounts.csrf import cookie_counts
from hustings.studio.accounts.schemas import (
    AccountInvitationList,
    AccountInvitationMade,
    AccountList,
    AccountState,
    ChangeRole,
    Disable,
    NewAccountInvitation,
    NewToken,
    TokenList,
    TokenMade,
)
from hustings.studio.answers import problems
from hustings.studio.api_state import request_base
from hustings.studio.auth import IsKeeper, TheAccounts, TheStudio, keeper, operator, proved
from hustings.studio.problems import Forbidden
from hustings.studio.service import OPERATOR, Studio
from hustings.studio.text import utc

router = APIRouter(prefix="/api", tags=["accounts"])

_operator = [Depends(operator)]
_proved_operator = [Depends(operator), Depends(proved)]
_NO_CONTENT: dict[int | str, dict[str, Any]] = {204: {"description": "Done"}}


@router.get(
    "/accounts", response_model=AccountList, dependencies=_operator, responses=problems(401, 403, 503)
)
async def list_accounts(accounts: TheAccounts) -> dict[str, Any]:
    """All accounts: operators and hosts. Guests and listeners have none."""
    return {"accounts": [_account_state(account) for account in await accounts.store.all()]}


@router.post(
    "/accounts/invitations",
    status_code=201,
    response_model=AccountInvitationMade,
    dependencies=_proved_operator,
    responses=problems(400, 401, 403, 409, 413, 422, 503),
)
async def invite_account(
    body: NewAccountInvitation, request: Request, accounts: TheAccounts, studio: TheStudio
) -> dict[str, Any]:
    """A link by which somebody makes an account: works once, for seven days. Shown this once."""
    link, secret = await accounts.invite(body.name, body.role)
    return {**_link_state(link), "link": _setup_link(secret, request, studio)}


@router.get(
    "/accounts/invitations",
    response_model=AccountInvitationList,
    dependencies=_operator,
    responses=problems(401, 403, 503),
)
async def list_account_invitations(accounts: TheAccounts) -> dict[str, Any]:
    """Links that wait."""
    return {"invitations": [_link_state(link) for link in await accounts.invitations()]}


@router.delete(
    "/accounts/invitations/{invitation_id}",
    status_code=204,
    response_class=Response,
    dependencies=_operator,
    responses={**_NO_CONTENT, **problems(401, 403, 404, 503)},
)
async def withdraw_account_invitation(invitation_id: str, accounts: TheAccounts) -> None:
    """The link no longer works."""
    await accounts.withdraw(invitation_id)


@router.post(
    "/accounts/{account_id}/disable",
    response_model=AccountState,
    dependencies=_proved_operator,
    responses=problems(400, 401, 403, 404, 409, 413, 422, 503),
)
async def disable_account(account_id: str, body: Disable, accounts: TheAccounts) -> dict[str, Any]:
    """Ends all that the account has: sessions, tokens, webhooks; or lets it in again. Its rooms stay.
    409 for the last operator."""
    return _account_state(await accounts.disable(account_id, body.disabled))


@router.post(
    "/accounts/{account_id}/reset",
    status_code=201,
    response_model=AccountInvitationMade,
    dependencies=_proved_operator,
    responses=problems(401, 403, 404, 409, 413, 503),
)
async def reset_account(
    account_id: str, request: Request, accounts: TheAccounts, studio: TheStudio
) -> dict[str, Any]:
    """A link back into an account whose owner lost the way in: works once, for a day. Shown this once."""
    link, secret = await accounts.reset(account_id)
    return {**_link_state(link), "link": _setup_link(secret, request, studio)}


@router.post(
    "/accounts/{account_id}/role",
    response_model=AccountState,
    dependencies=_proved_operator,
    responses=problems(400, 401, 403, 404, 409, 413, 422, 503),
)
async def change_role(account_id: str, body: ChangeRole, accounts: TheAccounts) -> dict[str, Any]:
    """Makes a host an operator or an operator a host; the account logs in anew. 409 for the last operator."""
    return _account_state(await accounts.change_role(account_id, body.role))


@router.delete(
    "/accounts/{account_id}",
    status_code=204,
    response_class=Response,
    dependencies=_proved_operator,
    responses={**_NO_CONTENT, **problems(401, 403, 404, 409, 503)},
)
async def remove_account(account_id: str, accounts: TheAccounts) -> None:
    """Removes an account with its name, passkeys, password, sessions, tokens and webhooks, for ever. Its
    rooms and what was said in them stay, for operators. 409 for the last operator."""
    await accounts.remove(account_id)


# --- tokens --------------------------------------------------------------------------------------


@router.get("/tokens", response_model=TokenList, responses=problems(401, 403, 503))
async def list_tokens(actor: IsKeeper, accounts: TheAccounts) -> dict[str, Any]:
    """API tokens of the account; an operator sees all. Never their secret."""
    whose = None if actor.kind == "operator" else actor.account_id
    return {"tokens": [_token_state(token) for token in await accounts.store.tokens(whose)]}


@router.post(
    "/tokens",
    status_code=201,
    response_model=TokenMade,
    dependencies=[Depends(keeper), Depends(proved)],
    responses=problems(400, 401, 403, 409, 413, 422, 503),
)
async def new_token(body: NewToken, actor: IsKeeper, accounts: TheAccounts) -> dict[str, Any]:
    """An API token; it never may more than the account it belongs to. Shown this once."""
    if body.scope == OPERATOR and actor.kind != "operator":
        raise Forbidden("For operators only", "A host's token has the scope `rooms` or `read`.")
    token, secret = await accounts.new_token(body.name, body.scope, actor.account_id)
    return {**_token_state(token), "token": secret}


@router.delete(
    "/tokens/{token_id}",
    status_code=204,
    response_class=Response,
    responses={**_NO_CONTENT, **problems(401, 403, 404, 503)},
)
async def revoke_token(token_id: str, actor: IsKeeper, accounts: TheAccounts) -> None:
    """It works no more. The data folder's own token is no such: it is renewed by removing its file."""
    await accounts.revoke_token(token_id, None if actor.kind == "operator" else actor.account_id)


def _setup_link(secret: str, request: Request, studio: Studio) -> str:
    """At the address where the operator's own page is, for that one works."""
    page = request.headers.get("origin", "") if cookie_counts(request) else ""
    return f"{page}/setup#{secret}" if page else studio.urls.setup(secret, request_base(request))


def _account_state(account: Account) -> dict[str, Any]:
    return {
        "id": account.id,
        "name": account.name,
        "role": account.role,
        "created_at": utc(account.created_at),
        "disabled": account.disabled_at is not None,
    }


def _link_state(link: OnceLink) -> dict[str, Any]:
    return {
        "id": link.id,
        "name": link.name,
        "role": link.role,
        "created_at": utc(link.created_at),
        "expires_at": utc(link.expires_at),
    }


def _token_state(token: Token) -> dict[str, Any]:
    return {
        "id": token.id,
        "name": token.name,
        "scope": token.scope,
        "created_at": utc(token.created_at),
        "used_at": utc(token.used_at) if token.used_at is not None else None,
    }
