"""A room's recordings, for hosts: what there is and was, and deleting one. Under /api."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, Field

from hustings.archive.made import MADE_FOLDER
from hustings.studio.answers import problems
from hustings.studio.api_state import request_base
from hustings.studio.auth import IsConductor, KnownSlug, TheStudio, conductor
from hustings.studio.problems import Forbidden
from hustings.studio.shelf import LISTED, Shelf, Shelved
from hustings.studio.text import utc

router = APIRouter(
    prefix="/api/rooms/{slug}/recordings", dependencies=[Depends(conductor)], tags=["recordings"]
)


class RecordingFile(BaseModel):
    """A file made for downloading."""

    format: Literal["mp3", "m4a", "flac"]
    bytes: int
    url: str


class RecordingTombstone(BaseModel):
    """What stays: see docs/recording.md, Deleting."""

    slug: str
    broadcast: str
    live_since: str | None
    duration: int | None
    sha256: str
    deleted_at: str
    why: Literal["host", "retention", "take_down"]
    key: str
    signature: str
    version: int


class RecordingItem(BaseModel):
    """One recording."""

    broadcast: str
    state: Literal["on_air", "finishing", "kept", "deleting", "deleted"]
    recorded_at: str
    seconds: float | None
    bytes: int = Field(description="Of all its files.")
    whole: bool
    files: list[RecordingFile]
    replay: str | None = Field(description="Its page.")
    listen: str | None = Field(description="The program as one file.")
    kept_until: str | None
    problem: str
    stored: Literal["no", "waiting", "stored", "only_there"] = Field(
        description="Whether the object store has it: no, on its way, as well, or its large files alone."
    )
    store_problem: str = Field(description="Why the store has it not yet.")
    deleted: RecordingTombstone | None
    public: bool = Field(description="False: an edition is in its place, or one is being made of it.")
    edition_of: str | None = Field(description="Of an edition: the original's identifier.")
    edition: int | None = Field(description="Of an edition: its number.")


class RecordingList(BaseModel):
    """Newest first, 50 at a time."""

    recordings: list[RecordingItem]
    next: str


def get_shelf(request: Request) -> Shelf:
    shelf = request.app.state.shelf
    assert isinstance(shelf, Shelf)
    return shelf


type TheShelf = Annotated[Shelf, Depends(get_shelf)]


@router.get("", response_model=RecordingList, responses=problems(401, 403, 404, 422, 503))
async def list_recordings(
    slug: KnownSlug,
    shelf: TheShelf,
    studio: TheStudio,
    request: Request,
    after: Annotated[str, Query(max_length=64, description="`next` of the page before.")] = "",
) -> dict[str, Any]:
    """The room's recordings, those that were deleted included, 50 at a time."""
    page = studio.urls.room(studio.room(slug).slug, request_base(request))
    found = await shelf.listed(slug, after)
    following = found[LISTED - 1].broadcast if len(found) > LISTED else ""
    return {"recordings": [_item(page, each) for each in found[:LISTED]], "next": following}


@router.delete(
    "/{broadcast}",
    status_code=202,
    response_model=RecordingItem,
    responses=problems(401, 403, 404, 409, 422, 503),
)
async def delete_recording(
    slug: KnownSlug, broadcast: str, shelf: TheShelf, studio: TheStudio, actor: IsConductor, request: Request
) -> dict[str, Any]:
    """Deletes a recording for good: tracks, program, files made of it, index. What stays is a signed
    tombstone. For the room's owner and operators. 409 while the broadcast is on. Repeating it changes
    nothing."""
    if actor.kind == "ticket":
        raise Forbidden("For the owner only", "The room's owner and the operator may delete recordings.")
    page = studio.urls.room(studio.room(slug).slug, request_base(request))
    return _item(page, await shelf.delete(slug, broadcast))


def _item(page: str, one: Shelved) -> dict[str, Any]:
    base = f"{page}/replay/{one.broadcast}"
    stone = one.stone
    there = one.state == "kept" and one.seconds is not None and one.public
    return {
        "broadcast": one.broadcast,
        "state": one.state,
        "recorded_at": (stone.live_since if stone is not None else None) or utc(one.began_at),
        "seconds": round(one.seconds, 3) if one.seconds is not None else None,
        "bytes": one.bytes,
        "whole": one.whole,
        "files": [
            {"format": kind, "bytes": made.bytes, "url": f"{base}/{MADE_FOLDER}/{made.file}"}
            for kind, made in (one.made or {}).items()
            if one.public
        ],
        "replay": f"{base}/" if there else None,
        "listen": f"{base}/program.m4a" if there else None,
        "kept_until": utc(one.kept_until) or None,
        "public": one.public,
        "edition_of": one.edition_of or None,
        "edition": one.edition or None,
        "problem": one.problem,
        "stored": one.stored,
        "store_problem": one.store_problem,
        "deleted": {name: getattr(stone, name) for name in RecordingTombstone.model_fields}
        if stone is not None
        else None,
    }
