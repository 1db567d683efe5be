"""Set-up, log-in, sessions and one's own account, under /api."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, Request, Response

from hustings.addresses import address_key
from hustings.store.account_records import (
    Account,
    AccountError,
    LinkSpent,
    Session,
)
from hustings.studio.accounts import cookies
from hustings.studio.accounts.csrf import session_secret
from hustings.studio.accounts.entry import Entry
from hustings.studio.accounts.passkeys import Site
from hustings.studio.accounts.schemas import (
    AccountMe,
    Again,
    LinkKind,
    LogIn,
    Look,
    NewPasskey,
    NewPassword,
    Options,
    PasskeyList,
    PasskeyState,
    Rename,
    SessionList,
    Setup,
    SetupOptions,
)
from hustings.studio.answers import problems
from hustings.studio.auth import (
    Actor,
    IsAccount,
    TheAccounts,
    check_proved,
    proved,
    session_and_account,
)
from hustings.studio.problems import Forbidden, Unauthorized, problem
from hustings.studio.text import utc

router = APIRouter(prefix="/api", tags=["accounts"])

_proved = [Depends(session_and_account), Depends(proved)]
_NO_CONTENT: dict[int | str, dict[str, Any]] = {204: {"description": "Done"}}


def get_entry(request: Request) -> Entry:
    entry = request.app.state.entry
    assert isinstance(entry, Entry)
    return entry


def site(request: Request) -> Site:
    """The page that asks, for passkeys and cookies."""
    return Site(cookies.page_origin(request, request.app.state.studio.settings.studio_url))


def address(request: Request) -> str:
    """For limits only."""
    return address_key(request.client.host) if request.client else ""


type TheEntry = Annotated[Entry, Depends(get_entry)]
type TheSite = Annotated[Site, Depends(site)]
type Address = Annotated[str, Depends(address)]
type Here = Annotated[tuple[Actor, Account], Depends(session_and_account)]


def me_state(account: Account) -> dict[str, Any]:
    return {
        "id": account.id,
        "name": account.name,
        "role": account.role,
        "password": bool(account.password_hash),
        "created_at": utc(account.created_at),
    }


async def _logged_in(
    account: Account, request: Request, response: Response, accounts: TheAccounts, page: Site
) -> dict[str, Any]:
    """Begins a session; one that was there in the same browser ends."""
    browser = cookies.browser_name(request.headers.get("user-agent", ""))
    before = session_secret(request)
    if before and (found := await accounts.session(before)) is not None:
        await accounts.end_session(found[1].id, found[0].id)
    _, secret = await accounts.begin_session(account, browser)
    cookies.give(response, secret, page.origin)
    return me_state(account)


# --- set-up --------------------------------------------------------------------------------------


@router.post("/setup/look", response_model=LinkKind, responses=problems(400, 403, 410, 413, 422, 429, 503))
async def look_at_link(body: Look, entry: TheEntry, address: Address) -> dict[str, Any]:
    """What a one-time link is for: the first account, an invited one, or back into one."""
    link = await entry.look(body.secret, address)
    ends = None if link.kind == "first" else utc(link.expires_at)
    return {"kind": link.kind, "name": link.name, "role": link.role, "expires_at": ends}


@router.post(
    "/setup/passkey", response_model=Options, responses=problems(400, 403, 409, 410, 413, 422, 429, 503)
)
async def setup_options(
    body: SetupOptions, entry: TheEntry, page: TheSite, address: Address
) -> dict[str, Any]:
    """What the browser is to make a passkey from. 409 where passkeys do not work (no https, no host name)."""
    return {"options": await entry.passkey_options(body.secret, body.name, page, address)}


@router.post(
    "/setup",
    status_code=201,
    response_model=AccountMe,
    responses=problems(400, 403, 409, 410, 413, 422, 429, 503),
)
async def set_up(
    body: Setup,
    request: Request,
    response: Response,
    entry: TheEntry,
    accounts: TheAccounts,
    page: TheSite,
    address: Address,
) -> dict[str, Any]:
    """Spends a one-time link: makes the account (or a new way into one) and begins a session."""
    passkey = None if body.passkey is None else (page, body.passkey, body.passkey_name)
    account = await entry.enter(body.secret, body.name, body.password, passkey, address)
    return await _logged_in(account, request, response, accounts, page)


# --- sessions ------------------------------------------------------------------------------------


@router.post("/sessions/options", response_model=Options, responses=problems(403, 409, 413, 429, 503))
async def log_in_options(entry: TheEntry, page: TheSite, address: Address) -> dict[str, Any]:
    """What the browser is to answer with a passkey. 409 where passkeys do not work."""
    return {"options": entry.login_options(page, address)}


@router.post(
    "/sessions",
    status_code=201,
    response_model=AccountMe,
    responses=problems(400, 401, 403, 409, 413, 422, 429, 503),
)
async def log_in(
    body: LogIn,
    request: Request,
    response: Response,
    entry: TheEntry,
    accounts: TheAccounts,
    page: TheSite,
    address: Address,
) -> dict[str, Any]:
    """Logs in: the session is a cookie, good for 30 days after its last use. Limited by address and name."""
    if body.passkey is not None:
        account = await entry.with_passkey(body.passkey, page, address)
    else:
        account = await entry.with_password(body.name or "", body.password or "", address)
    return await _logged_in(account, request, response, accounts, page)


@router.post(
    "/sessions/current", response_model=AccountMe, responses=problems(400, 401, 403, 409, 413, 422, 429, 503)
)
async def prove_again(
    body: Again,
    request: Request,
    response: Response,
    here: Here,
    entry: TheEntry,
    accounts: TheAccounts,
    page: TheSite,
    address: Address,
) -> dict[str, Any]:
    """Shows again who is logged in, by passkey (`POST /api/sessions/options`) or password. The session is
    begun anew, with another cookie; for ten minutes it may do what decides who gets in."""
    account = here[1]
    try:
        await entry.again(account, body.password or "", body.passkey, page, address)
    except Unauthorized as error:
        # Not 401: whoever asks is still logged in.
        raise Forbidden(error.title, error.detail) from error
    return await _logged_in(account, request, response, accounts, page)


@router.get("/sessions", response_model=SessionList, responses=problems(401, 503))
async def list_sessions(here: Here, accounts: TheAccounts) -> dict[str, Any]:
    """Where the account is logged in."""
    actor, account = here
    found = await accounts.sessions(account)
    return {"sessions": [_session_state(session, actor.session_id) for session in found]}


@router.delete(
    "/sessions",
    status_code=204,
    response_class=Response,
    dependencies=_proved,
    responses={**_NO_CONTENT, **problems(401, 403, 503)},
)
async def log_out_elsewhere(here: Here, accounts: TheAccounts) -> None:
    """Ends all other sessions of the account."""
    actor, account = here
    await accounts.end_sessions(account.id, keep=actor.session_id)


@router.delete(
    "/sessions/current",
    status_code=204,
    response_class=Response,
    responses={**_NO_CONTENT, **problems(401, 403, 503)},
)
async def log_out(here: Here, accounts: TheAccounts, page: TheSite) -> Response:
    """Logs out."""
    actor, account = here
    await accounts.end_session(account.id, actor.session_id)
    response = Response(status_code=204)
    cookies.take_back(response, page.origin)
    return response


@router.delete(
    "/sessions/{session_id}",
    status_code=204,
    response_class=Response,
    dependencies=_proved,
    responses={**_NO_CONTENT, **problems(401, 403, 404, 503)},
)
async def end_session(session_id: str, account: IsAccount, accounts: TheAccounts) -> None:
    """Ends one session of the account."""
    await accounts.end_session(account.id, session_id)


def _session_state(session: Session, current: str) -> dict[str, Any]:
    browser, _, system = session.browser.partition("/")
    return {
        "id": session.id,
        "browser": browser,
        "system": system,
        "created_at": utc(session.created_at),
        "used_at": utc(session.used_at),
        "current": session.id == current,
    }


# --- one's own account ---------------------------------------------------------------------------


@router.get("/accounts/me", response_model=AccountMe, responses=problems(401, 503))
async def get_me(account: IsAccount) -> dict[str, Any]:
    """Who is logged in."""
    return me_state(account)


@router.patch(
    "/accounts/me",
    response_model=AccountMe,
    dependencies=_proved,
    responses=problems(400, 401, 403, 409, 413, 422, 503),
)
async def rename_me(body: Rename, account: IsAccount, accounts: TheAccounts) -> dict[str, Any]:
    """Another name: the one to log in with by password, too."""
    return me_state(await accounts.rename(account, body.name))


@router.put(
    "/accounts/me/password",
    status_code=204,
    response_class=Response,
    responses={**_NO_CONTENT, **problems(400, 401, 403, 413, 422, 429, 503)},
)
async def set_password(body: NewPassword, here: Here, accounts: TheAccounts, address: Address) -> None:
    """A new password. All other sessions end. It takes the one before, or a fresh session without one."""
    actor, account = here
    if not account.password_hash:
        check_proved(actor, accounts)
    await accounts.set_password(account, body.password, body.current, address=address, keep=actor.session_id)


@router.delete(
    "/accounts/me/password",
    status_code=204,
    response_class=Response,
    dependencies=_proved,
    responses={**_NO_CONTENT, **problems(401, 403, 409, 503)},
)
async def remove_password(account: IsAccount, accounts: TheAccounts) -> None:
    """Only passkeys from now on. 409 when there is none."""
    await accounts.remove_password(account)


@router.get("/passkeys", response_model=PasskeyList, responses=problems(401, 503))
async def list_passkeys(account: IsAccount, accounts: TheAccounts) -> dict[str, Any]:
    """The account's passkeys."""
    return {"passkeys": [_passkey_state(key) for key in await accounts.store.passkeys(account.id)]}


@router.post(
    "/passkeys/options",
    response_model=Options,
    dependencies=_proved,
    responses=problems(401, 403, 409, 413, 503),
)
async def passkey_options(here: Here, accounts: TheAccounts, page: TheSite) -> dict[str, Any]:
    """What the browser is to make one more passkey from."""
    actor, account = here
    return {"options": await accounts.passkey_options(account, actor.session_id, page)}


@router.post(
    "/passkeys",
    status_code=201,
    response_model=PasskeyState,
    dependencies=_proved,
    responses=problems(400, 401, 403, 409, 413, 422, 503),
)
async def add_passkey(body: NewPasskey, here: Here, accounts: TheAccounts, page: TheSite) -> dict[str, Any]:
    """Keeps one more passkey."""
    actor, account = here
    key = await accounts.add_passkey(account, actor.session_id, page, body.passkey, body.name)
    return _passkey_state(key)


@router.patch(
    "/passkeys/{passkey_id}",
    status_code=204,
    response_class=Response,
    responses={**_NO_CONTENT, **problems(400, 401, 403, 404, 413, 422, 503)},
)
async def rename_passkey(passkey_id: str, body: Rename, account: IsAccount, accounts: TheAccounts) -> None:
    """Another name, to know it again."""
    await accounts.rename_passkey(account, passkey_id, body.name)


@router.delete(
    "/passkeys/{passkey_id}",
    status_code=204,
    response_class=Response,
    dependencies=_proved,
    responses={**_NO_CONTENT, **problems(401, 403, 404, 409, 503)},
)
async def remove_passkey(passkey_id: str, account: IsAccount, accounts: TheAccounts) -> None:
    """It no longer logs in. 409 when it is the last way into the account."""
    await accounts.remove_passkey(account, passkey_id)


def _passkey_state(key: Any) -> dict[str, Any]:
    return {
        "id": key.id,
        "name": key.name,
        "created_at": utc(key.created_at),
        "used_at": utc(key.used_at) if key.used_at is not None else None,
        "host": key.rp_id,
    }


def install(app: FastAPI) -> None:
    """Why accounts refuse, as problems."""

    @app.exception_handler(AccountError)
    async def refused(_request: Request, error: AccountError) -> Response:
        return problem(410 if isinstance(error, LinkSpent) else 409, error.title, str(error), error.where)
