"""The studio's HTTP application, put together."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from starlette.responses import Response

import hustings
from hustings.studio import api, events, pages, problems, schemas, whip
from hustings.studio.assets import Assets
from hustings.studio.middleware import BodyLimit, ResponseHeaders
from hustings.studio.publisher import Publisher
from hustings.studio.renderer import Renderer
from hustings.studio.service import Studio


def create_app(studio: Studio, publisher: Publisher, renderer: Renderer, assets: Assets) -> FastAPI:
    """The application around one `Studio`; whoever makes the studio loads and closes it."""
    app = FastAPI(
        title="Hustings studio",
        version=getattr(hustings, "__version__", ""),
        openapi_url="/api/openapi.json",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.studio = studio
    app.state.publisher = publisher
    app.state.renderer = renderer
    app.state.assets = assets
    app.state.sockets = events.Sockets(studio.board)
    problems.install(app)
    app.include_router(api.router)
    app.include_router(whip.router)
    app.include_router(events.router)
    pages.install(app)

    @app.api_route("/healthz", methods=["GET", "HEAD"], include_in_schema=False)
    async def healthz() -> Response:
        return Response("ok\n", media_type="text/plain")

    app.add_middleware(BodyLimit)
    app.add_middleware(ResponseHeaders)
    app.openapi = lambda: _openapi(app)  # type: ignore[method-assign]  # as FastAPI documents it
    return app


def _openapi(app: FastAPI) -> dict[str, Any]:
    """FastAPI's document with our problem schema instead of its own error schemas."""
    if app.openapi_schema is None:
        document = get_openapi(title=app.title, version=app.version, routes=app.routes)
        components = document.setdefault("components", {}).setdefault("schemas", {})
        for theirs in ("HTTPValidationError", "ValidationError"):
            components.pop(theirs, None)
        components["Problem"] = schemas.Problem.model_json_schema()
        app.openapi_schema = document
    return app.openapi_schema
