"""A room's picture: taken from a host, made anew in a process of its own, kept by what is in it.

`DATA/covers/{name}.webp` and `{name}-small.webp`, where `name` is a hash of the bytes: a picture never
changes under its address, and the same one twice is one file.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import re
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import structlog
from fastapi import APIRouter, Depends, Request
from prometheus_client import Counter
from starlette.responses import Response

from hustings.errors import Refused, Unavailable
from hustings.rooms.model import Details
from hustings.studio.answers import RoomState, problems
from hustings.studio.api_state import room_state
from hustings.studio.auth import KnownSlug, TheStudio, conductor
from hustings.studio.problems import problem
from hustings.studio.remade import REFUSED, keep, remade
from hustings.studio.service import Studio

log = structlog.get_logger()

TYPES = ("image/png", "image/jpeg", "image/webp", "image/avif")
NAME = re.compile(r"[0-9a-f]{32}")
AT_ONCE = 2
"""Pictures decoded at a time; each may take some hundred MB."""
WAITING = 8
"""... and waiting for that; more are told to come again."""
DECODE_SECONDS = 20.0
UPLOAD_SECONDS = 60.0
_MAX_OUTPUT = 1_000_000
_FAULTS = {
    "not a picture": (415, "This is no picture we can read", "Send a PNG, JPEG, WebP or AVIF."),
    "too large": (422, "The picture is too large", "At most 50 million pixels, 16000 on a side."),
    "too small": (422, "The picture is too small", "At least 64 pixels on a side."),
    "broken": (422, "The picture is broken", "It ends early or does not follow its format."),
    "too slow": (422, "The picture cannot be read", "It takes too long or too much memory."),
}

_covers = Counter(
    "hustings_studio_covers_total", "Pictures sent by hosts, by what became of them.", ["result"]
)


class Covers:
    """The pictures under `folder`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._decoding = asyncio.Semaphore(AT_ONCE)
        self._waiting = 0

    async def take(self, data: bytes) -> str:
        """The name of what `data` became. Raises Refused (415, 422, 503) or Unavailable."""
        if not data:
            _covers.labels("empty").inc()
            raise Refused(422, "There is no picture", "The body is empty.", where="body")
        if self._waiting >= AT_ONCE + WAITING:
            _covers.labels("busy").inc()
            raise Refused(503, "Too many pictures at once", "Try again in a moment.")
        self._waiting += 1
        try:
            async with self._decoding:
                cover, small = await _rewritten(data)
        finally:
            self._waiting -= 1
        name = hashlib.sha256(cover).hexdigest()[:32]
        try:
            await asyncio.to_thread(self._keep, name, cover, small)
        except OSError as error:
            raise Unavailable(f"The picture cannot be kept: {error.strerror}") from error
        _covers.labels("kept").inc()
        return name

    def read(self, name: str, *, small: bool = False) -> bytes | None:
        """WebP, or None when there is no such picture."""
        if not NAME.fullmatch(name):
            return None
        try:
            return self._path(name, small).read_bytes()
        except OSError:
            return None

    def forget(self, name: str) -> None:
        """Nobody shows it any more."""
        if NAME.fullmatch(name):
            for small in (False, True):
                with contextlib.suppress(OSError):
                    self._path(name, small).unlink()

    def _path(self, name: str, small: bool) -> Path:
        return self._folder / f"{name}{'-small' if small else ''}.webp"

    def _keep(self, name: str, cover: bytes, small: bytes) -> None:
        keep(self._path(name, True), small)
        keep(self._path(name, False), cover)


async def _rewritten(data: bytes) -> tuple[bytes, bytes]:
    try:
        made = await remade("hustings.studio.picture", data, DECODE_SECONDS)
    except TimeoutError:
        raise _fault("too slow") from None
    if made.code == 0:
        return _two(made.out)
    if made.code == REFUSED and made.reason in _FAULTS:
        raise _fault(made.reason)
    # Killed for its processor time or its memory, or the decoder crashed: it went no further than that.
    log.warning("a picture's decoder ended", code=made.code)
    raise _fault("too slow")


def _fault(reason: str) -> Refused:
    _covers.labels(reason).inc()
    status, title, detail = _FAULTS[reason]
    return Refused(status, title, detail, where="body")


def _two(out: bytes) -> tuple[bytes, bytes]:
    """See picture.main. What a decoder that was taken over may have written is checked, too."""
    parts: list[bytes] = []
    while out and len(parts) < 2:
        length = int.from_bytes(out[:4], "big")
        parts.append(out[4 : 4 + length])
        out = out[4 + length :]
    if len(parts) != 2 or out or not all(_is_webp(part) for part in parts):
        raise _fault("broken")
    return parts[0], parts[1]


def _is_webp(data: bytes) -> bool:
    return 12 < len(data) <= _MAX_OUTPUT and data[:4] == b"RIFF" and data[8:12] == b"WEBP"


# --- HTTP ------------------------------------------------------------------------------------------

router = APIRouter()
_conducts = [Depends(conductor)]


def the_covers(request: Request) -> Covers:
    covers = request.app.state.covers
    assert isinstance(covers, Covers)
    return covers


type TheCovers = Annotated[Covers, Depends(the_covers)]

_PICTURE_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {media: {"schema": {"type": "string", "format": "binary"}} for media in TYPES},
    }
}


@router.put(
    "/api/rooms/{slug}/cover",
    response_model=RoomState,
    dependencies=_conducts,
    responses=problems(401, 403, 404, 409, 413, 415, 422, 503),
    openapi_extra=_PICTURE_BODY,
)
async def put_cover(
    slug: KnownSlug, request: Request, studio: TheStudio, covers: TheCovers
) -> dict[str, Any]:
    """The room's picture, as PNG, JPEG, WebP or AVIF of at most 8 MB. It is turned upright, made anew as
    WebP (at most 1600x900 and 200 kB) and rid of everything else its file said."""
    declared = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if declared not in TYPES:
        _covers.labels("other type").inc()
        raise Refused(
            415, "Another content type is needed", f"Send {', '.join(TYPES)}.", where="header Content-Type"
        )
    studio.room(slug)
    name = await covers.take(await _body(request))
    return room_state(studio, await _show(studio, covers, slug, name), request)


@router.delete(
    "/api/rooms/{slug}/cover",
    response_model=RoomState,
    dependencies=_conducts,
    responses=problems(401, 403, 404, 409, 503),
)
async def delete_cover(
    slug: KnownSlug, request: Request, studio: TheStudio, covers: TheCovers
) -> dict[str, Any]:
    """Takes the room's picture away. Repeating it changes nothing."""
    return room_state(studio, await _show(studio, covers, slug, ""), request)


@router.api_route("/covers/{name}.webp", methods=["GET", "HEAD"], include_in_schema=False)
async def get_cover(name: str, covers: TheCovers) -> Response:
    """A picture by its name, for the hosts' pages."""
    data = await asyncio.to_thread(covers.read, name.removesuffix("-small"), small=name.endswith("-small"))
    if data is None:
        return problem(404, "There is nothing here", where="path")
    return Response(
        data, media_type="image/webp", headers={"Cache-Control": "public, max-age=31536000, immutable"}
    )


async def _body(request: Request) -> bytes:
    """At most MAX_COVER bytes (the middleware counts), in at most UPLOAD_SECONDS."""
    try:
        async with asyncio.timeout(UPLOAD_SECONDS):
            return await request.body()
    except TimeoutError:
        _covers.labels("slow upload").inc()
        raise Refused(408, "The picture took too long", f"At most {UPLOAD_SECONDS:.0f} s.") from None


async def _show(studio: Studio, covers: Covers, slug: str, name: str) -> Any:
    before = ""

    def change(details: Details) -> Details:
        nonlocal before
        before = details.cover
        return replace(details, cover=name)

    if studio.room(slug).details.cover == name:
        return studio.room(slug)
    room = await studio.edit(slug, change)
    if before and before != name and not any(other.details.cover == before for other in studio.board.rooms()):
        await asyncio.to_thread(covers.forget, before)
    return room
