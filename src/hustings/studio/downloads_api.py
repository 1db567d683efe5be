"""Files for downloading, for hosts: what there is, and having more made. Under /api."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, ConfigDict, Field

from hustings.archive.made import MADE_FOLDER, MADE_TYPES
from hustings.studio.answers import problems
from hustings.studio.api_state import request_base
from hustings.studio.auth import KnownSlug, TheStudio, conductor
from hustings.studio.downloads import Downloads, Listed
from hustings.studio.schemas import Body

router = APIRouter(
    prefix="/api/rooms/{slug}/downloads", dependencies=[Depends(conductor)], tags=["downloads"]
)

type Format = Literal["mp3", "m4a", "flac"]


class NewDownload(Body):
    """A file to be made of a recording."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"format": "flac"}]})
    format: Format
    broadcast: Annotated[str, Field(max_length=64)] = Field("", description="Absent: the room's last one.")


class DownloadState(BaseModel):
    """One file of one recording."""

    broadcast: str
    format: Format
    state: Literal["absent", "waiting", "making", "made", "failed"]
    progress: float = Field(description="0 to 1.")
    problem: str = Field(description="Why it waits for another try, or failed; else empty.")
    url: str | None = Field(description="Where everybody can get it, once it is made.")
    type: str
    bytes: int | None
    seconds: float | None
    sha256: str | None
    loudness: float | None = Field(description="LUFS, integrated, as it was recorded; the file has -16.")


class DownloadList(BaseModel):
    """Newest recording first."""

    downloads: list[DownloadState]


def get_downloads(request: Request) -> Downloads:
    downloads = request.app.state.downloads
    assert isinstance(downloads, Downloads)
    return downloads


type TheDownloads = Annotated[Downloads, Depends(get_downloads)]


@router.get("", response_model=DownloadList, responses=problems(401, 403, 404, 503))
async def list_downloads(
    slug: KnownSlug, downloads: TheDownloads, studio: TheStudio, request: Request
) -> dict[str, Any]:
    """The files of the room's recordings: made, being made, or not there."""
    page = studio.urls.room(studio.room(slug).slug, request_base(request))
    return {"downloads": [_state(page, each) for each in await downloads.listed(slug)]}


@router.post(
    "",
    status_code=202,
    response_model=DownloadState,
    responses=problems(400, 401, 403, 404, 409, 413, 422, 503),
)
async def order_download(
    slug: KnownSlug, body: NewDownload, downloads: TheDownloads, studio: TheStudio, request: Request
) -> dict[str, Any]:
    """Has a file made, which takes some minutes an hour of sound. Repeating it changes nothing; what has
    failed is tried again. MP3 and M4A are made of every recording by themselves."""
    page = studio.urls.room(studio.room(slug).slug, request_base(request))
    return _state(page, await downloads.order(slug, body.format, body.broadcast))


def _state(page: str, listed: Listed) -> dict[str, Any]:
    made = listed.made
    return {
        "broadcast": listed.broadcast,
        "format": listed.kind,
        "state": listed.state,
        "progress": listed.progress,
        "problem": listed.problem,
        "url": f"{page}/replay/{listed.broadcast}/{MADE_FOLDER}/{made.file}" if made else None,
        "type": MADE_TYPES[listed.kind],
        "bytes": made.bytes if made else None,
        "seconds": made.seconds if made else None,
        "sha256": made.sha256 if made else None,
        "loudness": made.lufs if made else None,
    }
