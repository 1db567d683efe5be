"""A room's hold music: taken from a host, made anew in a process of its own, kept by what is in it.

`DATA/hold/{name}.m4a`, where `name` is a hash of the bytes. Edges serve it as /r/{slug}/hold.m4a to listeners
who wait (room_files.py, public.links); the stage knows nothing of it.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import structlog
from fastapi import APIRouter, Depends, Request
from prometheus_client import Counter

from hustings.bus.messages import Page
from hustings.errors import Refused, Unavailable
from hustings.rooms.model import Room
from hustings.rooms.table import RoomStatus
from hustings.studio.answers import RoomState, problems
from hustings.studio.api_state import room_state
from hustings.studio.auth import KnownSlug, TheStudio, conductor
from hustings.studio.context import RoomView
from hustings.studio.hold_names import LOOP, NAME
from hustings.studio.remade import REFUSED, keep, remade
from hustings.studio.service import Studio

log = structlog.get_logger()

TYPES = ("audio/mpeg", "audio/mp4", "audio/ogg", "audio/flac", "audio/wav", "audio/webm")
"""Usual ones, for those who ask; any audio/... is looked at."""
WAITING = 8
"""Files that wait to be decoded, one after the other; more are told to come again."""
DECODE_SECONDS = 30.0
UPLOAD_SECONDS = 120.0
_MAX_OUTPUT = 640_000
_FAULTS = {
    "not a sound": (415, "This is no sound we can read", "Send a sound file: MP3, M4A, Ogg, FLAC, WAV."),
    "too short": (422, "The sound is too short", "At least one second."),
    "silent": (422, "There is nothing to hear in it", "The file holds silence only."),
    "too slow": (422, "The sound cannot be read", "It takes too long or too much memory."),
}

_holds = Counter("hustings_studio_holds_total", "Hold music sent by hosts, by what became of it.", ["result"])


class Holds:
    """The sounds under `folder`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._decoding = asyncio.Lock()
        self._waiting = 0

    async def take(self, data: bytes) -> str:
        """The name of what `data` became. Raises Refused (415, 422, 503) or Unavailable."""
        if not data:
            raise Refused(422, "There is no sound", "The body is empty.", where="body")
        if self._waiting > WAITING:
            _holds.labels("busy").inc()
            raise Refused(503, "Too many sounds at once", "Try again in a moment.")
        self._waiting += 1
        try:
            async with self._decoding:
                made = await _rewritten(data)
        finally:
            self._waiting -= 1
        name = hashlib.sha256(made).hexdigest()[:32]
        try:
            await asyncio.to_thread(keep, self._path(name), made)
        except OSError as error:
            raise Unavailable(f"The sound cannot be kept: {error.strerror}") from error
        _holds.labels("kept").inc()
        return name

    def pages(self, room: Room, _view: RoomView) -> Mapping[str, Page]:
        """For Publisher.add, while somebody may wait: hold.m4a."""
        wanted = NAME.fullmatch(room.details.hold) and room.status is RoomStatus.OPEN
        body = self.read(room.details.hold) if wanted else None
        return {} if body is None else {"hold.m4a": Page(content_type="audio/mp4", body=body)}

    def read(self, name: str) -> bytes | None:
        """M4A, or None when there is no such sound."""
        if not NAME.fullmatch(name):
            return None
        try:
            return self._path(name).read_bytes()
        except OSError:
            return None

    def forget(self, name: str) -> None:
        """Nobody plays it any more."""
        if NAME.fullmatch(name):
            with contextlib.suppress(OSError):
                self._path(name).unlink()

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}.m4a"


async def _rewritten(data: bytes) -> bytes:
    try:
        made = await remade("hustings.studio.hold_sound", data, DECODE_SECONDS)
    except TimeoutError:
        raise _fault("too slow") from None
    if made.code == REFUSED and made.reason in _FAULTS:
        raise _fault(made.reason)
    if made.code == 0 and 64 < len(made.out) <= _MAX_OUTPUT and made.out[4:8] == b"ftyp":
        return made.out
    # Killed for its processor time or its memory, or the decoder crashed: it went no further than that.
    log.warning("a sound's decoder ended", code=made.code)
    raise _fault("too slow")


def _fault(reason: str) -> Refused:
    _holds.labels(reason).inc()
    status, title, detail = _FAULTS[reason]
    return Refused(status, title, detail, where="body")


# --- HTTP ------------------------------------------------------------------------------------------

router = APIRouter()
_conducts = [Depends(conductor)]


def the_holds(request: Request) -> Holds:
    holds = request.app.state.holds
    assert isinstance(holds, Holds)
    return holds


type TheHolds = Annotated[Holds, Depends(the_holds)]

_SOUND_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {media: {"schema": {"type": "string", "format": "binary"}} for media in TYPES},
    }
}


@router.put(
    "/api/rooms/{slug}/hold",
    response_model=RoomState,
    dependencies=_conducts,
    responses=problems(401, 403, 404, 409, 413, 415, 422, 503),
    openapi_extra=_SOUND_BODY,
)
async def put_hold(slug: KnownSlug, request: Request, studio: TheStudio, holds: TheHolds) -> dict[str, Any]:
    """What listeners hear while they wait, as a sound file of at most 8 MB in any usual format. It is made
    anew: mono, quiet, its first 90 seconds, faded at both ends, and goes round until the room is live."""
    declared = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if not declared.startswith("audio/") and declared not in ("application/ogg", "video/mp4"):
        raise Refused(
            415, "Another content type is needed", f"Send {', '.join(TYPES)}.", "header Content-Type"
        )
    studio.room(slug)
    try:
        async with asyncio.timeout(UPLOAD_SECONDS):
            data = await request.body()
    except TimeoutError:
        raise Refused(408, "The sound took too long", f"At most {UPLOAD_SECONDS:.0f} s.") from None
    return room_state(studio, await choose(studio, holds, slug, await holds.take(data)), request)


@router.delete(
    "/api/rooms/{slug}/hold",
    response_model=RoomState,
    dependencies=_conducts,
    responses=problems(401, 403, 404, 409, 503),
)
async def delete_hold(
    slug: KnownSlug, request: Request, studio: TheStudio, holds: TheHolds
) -> dict[str, Any]:
    """Takes a room's own hold music away: the built-in loop plays again. Repeating it changes nothing."""
    own = NAME.fullmatch(studio.room(slug).details.hold) is not None
    room = await choose(studio, holds, slug, LOOP) if own else studio.room(slug)
    return room_state(studio, room, request)


async def choose(studio: Studio, holds: Holds, slug: str, name: str) -> Room:
    """`name`: LOOP or of an uploaded one."""
    before = studio.room(slug).details.hold
    if name == before:
        return studio.room(slug)
    room = await studio.edit(slug, lambda details: replace(details, hold=name))
    await forget_unused(studio, holds, before)
    return room


async def forget_unused(studio: Studio, holds: Holds, name: str) -> None:
    """Drops a sound that no room plays any more."""
    if not any(room.details.hold == name for room in studio.board.rooms()):
        await asyncio.to_thread(holds.forget, name)
