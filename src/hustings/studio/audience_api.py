"""Who listened, for hosts: also where nobody else is told (docs/audience.md). Under /api."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response, StreamingResponse

from hustings.studio.answers import problems
from hustings.studio.audience import Audience
from hustings.studio.auth import KnownSlug, TheStudio, conductor

router = APIRouter(prefix="/api/rooms/{slug}/audience", dependencies=[Depends(conductor)], tags=["audience"])

_LINES = "application/x-ndjson"


def _answer(what: str, content_type: str, schema: str) -> dict[int | str, dict[str, Any]]:
    return {200: {"description": what, "content": {content_type: {"schema": {"type": schema}}}}}


def get_audience(request: Request) -> Audience:
    audience = request.app.state.audience
    assert isinstance(audience, Audience)
    return audience


type TheAudience = Annotated[Audience, Depends(get_audience)]


@router.get(
    "",
    response_class=Response,
    responses=problems(401, 403, 404, 503)
    | _answer("As audience.json (docs/audience.md), with what is sealed.", "application/json", "object"),
)
async def audience_figures(slug: KnownSlug, studio: TheStudio, audience: TheAudience) -> Response:
    """What /r/{slug}/audience.json says or would say: of a room that keeps its figures to its hosts, too."""
    return Response(audience.document(studio.room(slug).slug), media_type="application/json")


@router.get(
    "/openings",
    response_class=StreamingResponse,
    responses=problems(401, 403, 404, 503)
    | _answer("A line each: `seq`, `nonce`, `data` (docs/record.md).", _LINES, "string"),
)
async def audience_openings(slug: KnownSlug, studio: TheStudio, audience: TheAudience) -> StreamingResponse:
    """What the sealed entries of the room's public record were made of. Whoever publishes it proves the
    figures, `hustings verify --figures` checks them; none is needed while everybody may see them."""
    pieces = audience.openings(studio.room(slug).slug)
    first = await anext(pieces, b"")

    async def all_of_them() -> AsyncIterator[bytes]:
        yield first
        async for piece in pieces:
            yield piece

    named = {"Content-Disposition": f'attachment; filename="{slug}-openings.jsonl"'}
    return StreamingResponse(all_of_them(), media_type=_LINES, headers=named)
