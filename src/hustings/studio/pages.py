"""Pages and static files of the studio door."""

from __future__ import annotations

from fastapi import APIRouter, FastAPI, Request
from starlette.exceptions import HTTPException
from starlette.responses import Response

from hustings.ids import is_slug
from hustings.studio import public
from hustings.studio.api_state import request_base
from hustings.studio.assets import Assets
from hustings.studio.auth import TheStudio
from hustings.studio.context import Lang
from hustings.studio.i18n import choose_language
from hustings.studio.problems import from_http
from hustings.studio.renderer import Renderer

router = APIRouter(include_in_schema=False)

_HTML = "text/html; charset=utf-8"
_MACHINE_DOORS = ("/api/", "/whip/", "/whep/", "/static/", "/covers/")


def _html(body: bytes, status: int = 200) -> Response:
    return Response(body, status, media_type=_HTML, headers={"Vary": "Accept-Language"})


def _renderer(request: Request) -> Renderer:
    renderer = request.app.state.renderer
    assert isinstance(renderer, Renderer)
    return renderer


@router.api_route("/s/{slug}", methods=["GET", "HEAD"])
async def speaker_page(slug: str, request: Request, studio: TheStudio) -> Response:
    """The page of the invited; the ticket is in the fragment, which the browser keeps to itself."""
    room = studio.board.room(slug) if is_slug(slug) else None
    if room is None:
        return _html(_renderer(request).error(404, _lang(request)), 404)
    view = public.room_view(room, studio.board, studio.urls, studio.clock.monotonic(), request_base(request))
    return _html(_renderer(request).speaker(view, _lang(request)))


@router.api_route("/static/{name:path}", methods=["GET", "HEAD"])
async def static_file(name: str, request: Request) -> Response:
    """Scripts, styles, texts."""
    assets = request.app.state.assets
    assert isinstance(assets, Assets)
    return assets.respond(name, request)


def _lang(request: Request) -> Lang:
    return choose_language(request.query_params.get("lang"), request.headers.get("accept-language"))


def install(app: FastAPI) -> None:
    """Browsers that ask for a page get one, also when it cannot be shown; everybody else a problem."""
    app.include_router(router)

    @app.exception_handler(HTTPException)
    async def http(request: Request, error: HTTPException) -> Response:
        path: str = request.scope["path"]
        wants_page = "text/html" in request.headers.get("accept", "")
        if wants_page and request.method in ("GET", "HEAD") and not path.startswith(_MACHINE_DOORS):
            return _html(_renderer(request).error(error.status_code, _lang(request)), error.status_code)
        return from_http(error)
