"""The studio's HTTP application, put together."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from starlette.responses import Response

import hustings
from hustings.errors import Refused
from hustings.studio import (
    answers,
    api,
    api_guest,
    api_people,
    audience_api,
    calendar_api,
    covers,
    downloads_api,
    edits_api,
    events,
    holds,
    host_pages,
    pages,
    passes,
    problems,
    published_api,
    questions_api,
    recordings_api,
    speaker_socket,
    whip,
)
from hustings.studio.accounts import pages as account_pages
from hustings.studio.accounts import people_routes
from hustings.studio.accounts import routes as account_routes
from hustings.studio.accounts.csrf import SameSite
from hustings.studio.accounts.entry import Entry
from hustings.studio.accounts.service import Accounts
from hustings.studio.assets import Assets
from hustings.studio.middleware import SECURITY, BodyLimit, ResponseHeaders
from hustings.studio.operator import routes as operator_routes
from hustings.studio.publisher import Publisher
from hustings.studio.renderer import Renderer
from hustings.studio.service import Studio
from hustings.studio.webhooks import routes as webhook_routes


def create_app(
    studio: Studio, accounts: Accounts, entry: Entry, publisher: Publisher, renderer: Renderer, assets: Assets
) -> FastAPI:
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
    app.state.accounts = accounts
    app.state.entry = entry
    app.state.publisher = publisher
    app.state.renderer = renderer
    app.state.assets = assets
    app.state.covers = covers.Covers(studio.settings.data / "covers")
    app.state.holds = holds.Holds(studio.settings.data / "hold")
    app.state.sockets = events.Sockets(publisher.feeds)
    problems.install(app, {**SECURITY, "Cache-Control": "no-store"})
    app.include_router(api.router)
    app.include_router(api_guest.router)  # before people: `participants/me` is nobody's identifier
    app.include_router(passes.router)
    app.include_router(api_people.router)
    app.include_router(account_routes.router)
    app.include_router(people_routes.router)
    app.include_router(webhook_routes.router)
    app.include_router(account_pages.router)
    account_routes.install(app)
    app.include_router(questions_api.router)
    app.include_router(calendar_api.router)
    app.include_router(covers.router)
    app.include_router(holds.router)
    app.include_router(downloads_api.router)
    app.include_router(recordings_api.router)
    app.include_router(edits_api.router)
    app.include_router(published_api.router)
    app.include_router(audience_api.router)
    app.include_router(host_pages.router)
    app.include_router(operator_routes.router)
    app.include_router(whip.router)
    app.include_router(speaker_socket.router)
    app.include_router(events.router)
    pages.install(app)

    @app.api_route("/healthz", methods=["GET", "HEAD"], include_in_schema=False)
    async def healthz() -> Response:
        why_not = await app.state.ready.why_not()
        if why_not:
            raise Refused(503, "Not ready", why_not)
        return Response("ok\n", media_type="text/plain")

    app.add_middleware(BodyLimit)
    app.add_middleware(SameSite, studio_url=studio.settings.studio_url)
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
        components["Problem"] = answers.Problem.model_json_schema()
        app.openapi_schema = document
    return app.openapi_schema
