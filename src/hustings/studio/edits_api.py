"""Edited versions of a recording, for hosts. Under /api."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Depends, Request
from fastapi import Path as InPath
from fastapi.responses import Response, StreamingResponse
from pydantic import BaseModel, ConfigDict, Field

from hustings.archive.editing import HIGHEST_GAIN, LONGEST, LOWEST_GAIN, MOST_CUTS, MOST_PEOPLE, Asked
from hustings.archive.figures import peaks, timeline
from hustings.archive.library import Library
from hustings.archive.model import Index
from hustings.archive.virtual import VirtualFile, program_m4a
from hustings.cmaf.timeline import SAMPLE_RATE
from hustings.errors import Corrupt, Refused
from hustings.studio.answers import problems
from hustings.studio.api_state import request_base
from hustings.studio.auth import Actor, IsConductor, KnownSlug, TheStudio, conductor
from hustings.studio.edits import Edition, Edits, Listing
from hustings.studio.problems import Forbidden
from hustings.studio.schemas import Body
from hustings.studio.text import utc

router = APIRouter(
    prefix="/api/rooms/{slug}/recordings/{broadcast}/edits",
    dependencies=[Depends(conductor)],
    tags=["recordings"],
)

_PIECE: Final = 256 * 1024

type Seconds = Annotated[float, Field(ge=0, le=LONGEST, allow_inf_nan=False)]
type Gain = Annotated[float, Field(ge=LOWEST_GAIN, le=HIGHEST_GAIN, allow_inf_nan=False)]
type ParticipantId = Annotated[str, Field(min_length=1, max_length=64)]
type Cut = Annotated[list[Seconds], Field(min_length=2, max_length=2)]
type Number = Annotated[int, InPath(ge=0, le=1_000_000, description="0: the original.")]


class NewEdit(Body):
    """How a recording is to be changed. Seconds count from when the broadcast went live, as in
    timeline.json; everything is cut between frames of 20 ms."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        json_schema_extra={
            "examples": [
                {
                    "from": 12.5,
                    "to": 3480.0,
                    "cuts": [[600.0, 634.2]],
                    "gains": {"a1b2c3d4e5f6a7b8c9": 4.5},
                    "without": [],
                    "take_down": False,
                },
                {"without": ["b1b2c3d4e5f6a7b8c9"], "take_down": True},
            ]
        },
    )
    begins: Seconds | None = Field(None, alias="from", description="null: where the recording begins.")
    ends: Seconds | None = Field(None, alias="to", description="null: where it ends.")
    cuts: Annotated[list[Cut], Field(max_length=MOST_CUTS)] = Field(
        default_factory=list, description="Stretches [from, to] to be cut out, in order."
    )
    gains: Annotated[dict[ParticipantId, Gain], Field(max_length=MOST_PEOPLE)] = Field(
        default_factory=dict, description="dB for each participant who is to be louder or softer."
    )
    without: Annotated[list[ParticipantId], Field(max_length=MOST_PEOPLE)] = Field(
        default_factory=list, description="Participants who are to be left out."
    )
    take_down: bool = Field(
        False,
        description="Those left out want it so: nothing of the recording is public from now on, the "
        "edition is published by itself, and the original is deleted then.",
    )


class EditItem(BaseModel):
    """One edition: what was asked for, and how it gets on."""

    number: int
    edition: str = Field(description="Its identifier, of a broadcast's form.")
    state: Literal["waiting", "making", "made", "failed"]
    progress: float = Field(description="0 to 1.")
    problem: str = Field(description="Why it waits for another try, or failed; else empty.")
    public: bool
    asked_at: str
    asked_by: str = Field(description='Name of the account; "" with a token.')
    published_at: str | None
    begins: float | None = Field(serialization_alias="from")
    ends: float | None = Field(serialization_alias="to")
    cuts: list[list[float]]
    gains: dict[str, float]
    without: list[str]
    take_down: bool
    seconds: float = Field(description="How long it is, or will be.")
    preview: str | None = Field(description="Its sound, at this door, for hosts; once it is made.")
    replay: str | None = Field(description="Its page, while it is public.")


class EditSpeaker(BaseModel):
    """Somebody who can be made louder, softer, or left out."""

    id: str
    name: str
    track: bool = Field(description="Whether there is sound of this one.")
    speaking: float = Field(description="Seconds.")


class EditList(BaseModel):
    """A recording's editions, the first one first."""

    broadcast: str
    begins: float = Field(description="Where the recording begins, s since the broadcast went live.")
    ends: float
    public: str | None = Field(description="`edition` or `broadcast` of what everybody hears.")
    preview: str = Field(description="The original's sound, at this door, for hosts.")
    speakers: list[EditSpeaker]
    edits: list[EditItem]


def get_edits(request: Request) -> Edits:
    edits = request.app.state.edits
    assert isinstance(edits, Edits)
    return edits


type TheEdits = Annotated[Edits, Depends(get_edits)]


@router.get("", response_model=EditList, responses=problems(401, 403, 404, 409, 503))
async def list_edits(
    slug: KnownSlug, broadcast: str, edits: TheEdits, studio: TheStudio, request: Request
) -> dict[str, Any]:
    """The recording's edited versions: what was asked for, when and by whom, and how far they are."""
    page = studio.urls.room(studio.room(slug).slug, request_base(request))
    return _listing(slug, page, await edits.listed(slug, broadcast))


@router.post(
    "",
    status_code=202,
    response_model=EditItem,
    responses=problems(400, 401, 403, 404, 409, 413, 422, 503),
)
async def make_edit(
    slug: KnownSlug,
    broadcast: str,
    body: NewEdit,
    edits: TheEdits,
    studio: TheStudio,
    actor: IsConductor,
    request: Request,
) -> dict[str, Any]:
    """Has an edited version made, which only hosts hear until it is published. With `take_down` nothing with
    that part in it is public from now on; the edition is published when it is made, and the original deleted.
    It is as cut and as loud as what was public before, unless this says otherwise. For the room's owner and
    operators."""
    _owner(actor)
    asked = Asked(
        begins=body.begins,
        ends=body.ends,
        cuts=[(cut[0], cut[1]) for cut in body.cuts],
        gains=body.gains,
        without=body.without,
        take_down=body.take_down,
    )
    page = studio.urls.room(studio.room(slug).slug, request_base(request))
    return _item(slug, page, await edits.ask(slug, broadcast, asked, actor.name))


@router.post("/{number}/publish", response_model=EditList, responses=problems(401, 403, 404, 409, 422, 503))
async def publish_edit(
    slug: KnownSlug,
    broadcast: str,
    number: Number,
    edits: TheEdits,
    studio: TheStudio,
    actor: IsConductor,
    request: Request,
) -> dict[str, Any]:
    """Makes this edition, or the original (0), the one that everybody hears. For the room's owner and
    operators. Repeating it changes nothing."""
    _owner(actor)
    page = studio.urls.room(studio.room(slug).slug, request_base(request))
    return _listing(slug, page, await edits.publish(slug, broadcast, number))


@router.delete("/{number}", status_code=204, responses=problems(401, 403, 404, 409, 422, 503))
async def delete_edit(
    slug: KnownSlug, broadcast: str, number: Number, edits: TheEdits, actor: IsConductor
) -> Response:
    """Deletes an edition, or does not make it. 409 for the one that is public, and for the original. For the
    room's owner and operators."""
    _owner(actor)
    await edits.drop(slug, broadcast, number)
    return Response(status_code=204)


@router.get(
    "/{number}/{file}",
    response_class=Response,
    responses={
        200: {"content": {"audio/mp4": {}, "application/json": {}}, "description": "The file."},
        206: {"content": {"audio/mp4": {}}, "description": "The range that was asked for."},
        **problems(401, 403, 404, 409, 416, 422, 503),
    },
)
async def preview_edit(
    slug: KnownSlug,
    broadcast: str,
    number: Number,
    file: Literal["program.m4a", "peaks.json", "timeline.json"],
    edits: TheEdits,
    request: Request,
) -> Response:
    """An edition, or the original (0), for its hosts: its sound (byte ranges), its waveform, who spoke when;
    as at the audience's door."""
    folder = await edits.folder(slug, broadcast, number)
    try:
        if file == "program.m4a":
            sound = await asyncio.to_thread(_sound, edits.library, folder)
            return _ranged(sound, request.headers.get("range", ""))
        body = await asyncio.to_thread(_figures, edits.library, folder, file)
    except FileNotFoundError:
        raise Refused(404, "There is nothing here", where="path") from None
    except Corrupt as error:
        raise Refused(409, "The recording cannot be read", str(error)[:200]) from error
    except OSError as error:
        raise Refused(503, "The recording cannot be read at the moment", error.strerror or "") from error
    return Response(body, media_type="application/json")


def _owner(actor: Actor) -> None:
    if actor.kind == "ticket":
        raise Forbidden("For the owner only", "The room's owner and the operator may edit recordings.")


# --- files ---------------------------------------------------------------------------------------


def _sound(library: Library, folder: Path) -> VirtualFile:
    recorded = library.open(folder)
    return program_m4a(recorded.files, recorded.index)


def _figures(library: Library, folder: Path, file: str) -> bytes:
    recorded = library.open(folder)
    return peaks(recorded) if file == "peaks.json" else timeline(recorded)


def _ranged(file: VirtualFile, asked: str) -> Response:
    """One range, or all of it (RFC 9110 section 14)."""
    span = _span(asked, file.size)
    if span is None:
        raise Refused(416, "Range not satisfiable", f"The file has {file.size} bytes.", "header Range")
    first, end, partial = span
    headers = {"Accept-Ranges": "bytes", "Content-Length": str(end - first)}
    if partial:
        headers["Content-Range"] = f"bytes {first}-{end - 1}/{file.size}"
    status = 206 if partial else 200
    return StreamingResponse(_pieces(file, first, end), status, headers, "audio/mp4")


def _span(asked: str, size: int) -> tuple[int, int, bool] | None:
    unit, sign, spec = asked.strip().partition("=")
    begins, dash, ends = spec.strip().partition("-")
    digits = all(
        not part or (part.isascii() and part.isdigit() and len(part) < 19) for part in (begins, ends)
    )
    if unit != "bytes" or not sign or not dash or not digits or not begins + ends:
        return 0, size, False
    if not begins:
        first, end = max(0, size - int(ends)), size
    else:
        first, end = int(begins), min(size, int(ends) + 1 if ends else size)
    return (first, end, True) if first < end else None


async def _pieces(file: VirtualFile, first: int, end: int) -> AsyncIterator[bytes]:
    for at in range(first, end, _PIECE):
        yield await asyncio.to_thread(file.read, at, min(end, at + _PIECE))


# --- answers -------------------------------------------------------------------------------------


def _listing(slug: str, page: str, listing: Listing) -> dict[str, Any]:
    index = listing.index
    return {
        "broadcast": listing.broadcast,
        "begins": round(listing.begins / SAMPLE_RATE, 2),
        "ends": round(index.duration / SAMPLE_RATE, 2),
        "public": listing.public or None,
        "preview": _preview(slug, listing.broadcast, 0),
        "speakers": _speakers(index),
        "edits": [_item(slug, page, edition) for edition in listing.editions],
    }


def _preview(slug: str, broadcast: str, number: int) -> str:
    return f"/api/rooms/{slug}/recordings/{broadcast}/edits/{number}/program.m4a"


def _speakers(index: Index) -> list[dict[str, Any]]:
    tracks = {track.participant_id for track in index.tracks if track.samples}
    names = {**{track.participant_id: track.name for track in index.tracks}, **index.names}
    return [
        {
            "id": who,
            "name": name,
            "track": who in tracks,
            "speaking": round(
                sum(end - begins for begins, end in index.speaking.get(who, [])) / SAMPLE_RATE, 1
            ),
        }
        for who, name in names.items()
    ]


def _item(slug: str, page: str, edition: Edition) -> dict[str, Any]:
    edit, asked = edition.edit, edition.asked
    return {
        "number": edit.number,
        "edition": edit.edition,
        "state": edition.state,
        "progress": edition.progress,
        "problem": edition.problem,
        "public": edition.public,
        "asked_at": utc(edit.asked_at),
        "asked_by": edit.asked_by,
        "published_at": utc(edit.published_at) or None,
        "begins": asked.begins,
        "ends": asked.ends,
        "cuts": [list(cut) for cut in asked.cuts],
        "gains": asked.gains,
        "without": asked.without,
        "take_down": asked.take_down,
        "seconds": round(edition.samples / SAMPLE_RATE, 2),
        "preview": _preview(slug, edit.broadcast, edit.number) if edition.state == "made" else None,
        "replay": f"{page}/replay/{edit.edition}/" if edition.public else None,
    }
