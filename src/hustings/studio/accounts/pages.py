"""Set-up, log-in and one's account as pages. What is in them comes by the API; the shells hold no secret."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from hustings.studio.accounts.entry import Entry
from hustings.studio.auth import get_accounts, of_session
from hustings.studio.i18n import choose_language
from hustings.studio.renderer import Renderer

router = APIRouter(include_in_schema=False)


@router.api_route("/setup", methods=["GET", "HEAD"])
async def setup_page(request: Request) -> Response:
    """For one-time links; the secret is in the fragment, which the browser keeps to itself."""
    return _html(request, "setup.html")


@router.api_route("/login", methods=["GET", "HEAD"])
async def login_page(request: Request) -> Response:
    """By passkey or by password. Before the first account: where the set-up address is."""
    entry = request.app.state.entry
    assert isinstance(entry, Entry)
    return _html(request, "login.html", nobody_yet=entry.nobody_yet)


@router.api_route("/account", methods=["GET", "HEAD"])
async def account_page(request: Request) -> Response:
    """One's own account; for operators everybody's."""
    found = await of_session(request, get_accounts(request))
    if found is None:
        return RedirectResponse("/login", 303)
    return _html(request, "account.html", account=found[1])


def _html(request: Request, template: str, **names: object) -> Response:
    renderer = request.app.state.renderer
    assert isinstance(renderer, Renderer)
    lang = choose_language(request.query_params.get("lang"), request.headers.get("accept-language"))
    body = renderer.page(template, lang, **names)
    return Response(body, media_type="text/html; charset=utf-8", headers={"Vary": "Accept-Language"})
