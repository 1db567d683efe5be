"""The operator's page and what it shows as JSON."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Query, Request
from starlette.responses import RedirectResponse, Response

import hustings
from hustings.studio.answers import problems
from hustings.studio.auth import IsOperator, TheStudio, get_accounts, of_session
from hustings.studio.context import Lang
from hustings.studio.i18n import choose_language
from hustings.studio.operator.health import Health
from hustings.studio.operator.view import HealthState, health_state
from hustings.studio.renderer import Renderer

router = APIRouter()

KEPT = 1.0
"""Seconds an answer is given again, however many ask."""


class Answers:
    """What was answered last, as bytes, by language and whether with the history."""

    def __init__(self) -> None:
        self._kept: dict[tuple[Lang, bool], tuple[float, bytes]] = {}

    def get(self, lang: Lang, history: bool, now: float) -> bytes | None:
        at, body = self._kept.get((lang, history), (float("-inf"), b""))
        return body if now - at < KEPT else None

    def put(self, lang: Lang, history: bool, now: float, body: bytes) -> bytes:
        self._kept[lang, history] = (now, body)
        return body


@router.get(
    "/api/operator/health", response_model=HealthState, responses=problems(401, 403), tags=["operator"]
)
async def health(
    _actor: IsOperator,
    studio: TheStudio,
    request: Request,
    history: bool = Query(default=True, description="Whether with the curves of the last hour."),
    lang: str | None = Query(default=None, max_length=16, description="Of the texts; else Accept-Language."),
) -> Response:
    """How the server is: roles, rooms on air, figures, what is wrong and what to do, incidents of the last
    hour. Made at most once a second."""
    app = request.app
    kept, gathered = app.state.health_answers, app.state.health
    assert isinstance(kept, Answers)
    assert isinstance(gathered, Health)
    chosen = choose_language(lang, request.headers.get("accept-language"))
    now = studio.clock.monotonic()
    body = kept.get(chosen, history, now)
    if body is None:
        state = _state(gathered, studio, _renderer(request), chosen)
        if not history:
            state["history"] = None
        body = kept.put(chosen, history, now, HealthState.model_validate(state).model_dump_json().encode())
    return Response(body, media_type="application/json", headers={"Vary": "Accept-Language"})


def _state(gathered: Health, studio: TheStudio, renderer: Renderer, lang: Lang) -> dict[str, Any]:
    return health_state(
        gathered,
        studio.board,
        renderer.texts[lang],
        lang,
        now=studio.clock.monotonic(),
        wall=studio.clock.wall(),
        version=getattr(hustings, "__version__", ""),
    )


@router.api_route("/operator", methods=["GET", "HEAD"], include_in_schema=False)
async def operator_page(request: Request) -> Response:
    """For operators; for everybody else who is logged in there is no such page."""
    found = await of_session(request, get_accounts(request))
    if found is None:
        return RedirectResponse("/login", 303)
    account = found[1]
    lang = choose_language(request.query_params.get("lang"), request.headers.get("accept-language"))
    vary = {"Vary": "Accept-Language"}
    html = "text/html; charset=utf-8"
    if not account.is_operator:
        return Response(_renderer(request).error(404, lang), 404, media_type=html, headers=vary)
    body = _renderer(request).page("operator.html", lang, account=account)
    return Response(body, media_type=html, headers=vary)


def _renderer(request: Request) -> Renderer:
    renderer = request.app.state.renderer
    assert isinstance(renderer, Renderer)
    return renderer
