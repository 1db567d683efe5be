"""Statements and corrections, for hosts. Under /api. What is published stands in the record for ever."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Request, Response
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from hustings.ids import new_id
from hustings.rooms.published import (
    MAX_CORRECTION,
    MAX_POSITION,
    MAX_STATEMENT,
    PublishCorrection,
    PublishStatement,
    Said,
    Wish,
)
from hustings.studio.answers import problems
from hustings.studio.auth import Actor, IsConductor, KnownSlug, TheStudio, conductor
from hustings.studio.problems import Forbidden
from hustings.studio.published import Published
from hustings.studio.schemas import Body, Name, WebAddress
from hustings.studio.service import Studio
from hustings.studio.text import clean_block, utc

router = APIRouter(prefix="/api/rooms/{slug}", dependencies=[Depends(conductor)], tags=["record"])


def _statement(text: str) -> str:
    return _something(clean_block(text, MAX_STATEMENT))


def _correction(text: str) -> str:
    return _something(clean_block(text, MAX_CORRECTION))


def _something(text: str) -> str:
    if not text:
        raise ValueError("has no visible character")
    return text


def _https(address: str) -> str:
    if not address.startswith("https://"):
        raise ValueError("must begin with https://")
    return address


type Text = Annotated[str, Field(min_length=1, max_length=10_000), AfterValidator(_statement)]
type Part = Annotated[str, Field(min_length=1, max_length=5_000), AfterValidator(_correction)]
type Link = Annotated[WebAddress, Field(max_length=500), AfterValidator(_https)]
type Broadcast = Annotated[str, Field(pattern=r"^[0-9]{8}T[0-9]{6}-[0-9a-f]{6}$")]
type Id = Annotated[str, Field(pattern=r"^[a-z0-9]{8,32}$")]
_ID = "Chosen by the client, so that a repeated request publishes nothing twice. Without it one is made."


class NewStatement(Body):
    """Somebody's answer, in his own words."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        json_schema_extra={"examples": [{"who": "Clara Weiss", "text": "I was not asked before."}]},
    )
    who: Name = Field(description="Whose words they are.")
    text: Text = Field(description="At most 2000 characters.")
    link: Link | None = Field(None, description="https")
    broadcast: Broadcast | None = Field(None, description="Of this room; null: on the room as such.")
    id: Id | None = Field(None, description=_ID)


class NewCorrection(Body):
    """What was wrong and what is right: of a broadcast, or of an entry of the record."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        json_schema_extra={
            "examples": [
                {
                    "was": "40 flats",
                    "now": "400 flats",
                    "broadcast": "20261129T200000-a1b2c3",
                    "position": 724,
                }
            ]
        },
    )
    was: Part = Field(description="What was wrong; at most 1000 characters.")
    now: Part = Field(description="What is right; at most 1000 characters.")
    broadcast: Broadcast | None = Field(None, description="Either this or `entry`.")
    position: Annotated[int, Field(ge=0, le=MAX_POSITION)] | None = Field(
        None, description="Seconds since the broadcast went live."
    )
    entry: Annotated[int, Field(ge=0, le=2**31)] | None = Field(
        None, description="Number of the record's entry that is corrected."
    )
    id: Id | None = Field(None, description=_ID)


class PublishedItem(BaseModel):
    """A statement or correction as it stands in the record. What it does not have is null."""

    seq: int = Field(description="Number of its entry in the record.")
    kind: Literal["statement", "correction"]
    id: str
    at: str
    who: str | None
    text: str | None
    link: str | None
    was: str | None
    now: str | None
    broadcast: str | None
    position: int | None
    entry: int | None


class PastBroadcast(BaseModel):
    """What a statement or correction may be of."""

    broadcast: str
    live_since: str | None
    ended_at: str | None


class PublishedList(BaseModel):
    """All statements and corrections, oldest first, and the room's last 50 broadcasts, newest first."""

    published: list[PublishedItem]
    broadcasts: list[PastBroadcast]


def get_published(request: Request) -> Published:
    published = request.app.state.published
    assert isinstance(published, Published)
    return published


type ThePublished = Annotated[Published, Depends(get_published)]


def owner(actor: IsConductor) -> Actor:
    """What cannot be undone takes more than a ticket."""
    if actor.kind == "ticket":
        detail = "The room's owner and the operator may publish what stays for ever."
        raise Forbidden("For the owner only", detail)
    return actor


_OWNS = [Depends(owner)]
_PROBLEMS = problems(400, 401, 403, 404, 409, 413, 422, 503)


@router.get("/published", response_model=PublishedList, responses=problems(401, 403, 404, 503))
async def list_published(slug: KnownSlug, studio: TheStudio, published: ThePublished) -> dict[str, Any]:
    """What was published on the room, and on what more may be."""
    room = studio.room(slug)
    past = [
        {
            "broadcast": each.id,
            "live_since": utc(each.live_since) or None,
            "ended_at": utc(each.ended_at) or None,
        }
        for each in await studio.store.broadcasts(room.slug)
        if each.live_since is not None
    ]
    return {"published": [_item(said) for said in published.of(room.slug)], "broadcasts": past}


@router.post(
    "/statements",
    status_code=201,
    response_model=PublishedItem,
    dependencies=_OWNS,
    responses=_PROBLEMS,
)
async def publish_statement(
    slug: KnownSlug,
    body: NewStatement,
    studio: TheStudio,
    published: ThePublished,
    response: Response,
) -> dict[str, Any]:
    """Publishes a statement, for ever. For the room's owner and operators. 200 when it was published by an
    earlier request with the same `id`."""
    wish = PublishStatement(
        body.id or new_id(),
        body.who,
        body.text,
        studio.clock.wall(),
        body.link or "",
        body.broadcast or "",
    )
    return await _publish(slug, wish, studio, published, response)


@router.post(
    "/corrections",
    status_code=201,
    response_model=PublishedItem,
    dependencies=_OWNS,
    responses=_PROBLEMS,
)
async def publish_correction(
    slug: KnownSlug,
    body: NewCorrection,
    studio: TheStudio,
    published: ThePublished,
    response: Response,
) -> dict[str, Any]:
    """Publishes a correction, for ever; what it corrects stays as it is. For the room's owner and operators.
    200 when it was published by an earlier request with the same `id`."""
    wish = PublishCorrection(
        body.id or new_id(),
        body.was,
        body.now,
        studio.clock.wall(),
        body.broadcast or "",
        body.position,
        body.entry,
    )
    return await _publish(slug, wish, studio, published, response)


async def _publish(
    slug: str, wish: Wish, studio: Studio, published: Published, response: Response
) -> dict[str, Any]:
    done = await published.publish(studio.room(slug), wish)
    if not done.new:
        response.status_code = 200
    return _item(done.said)


def _item(said: Said) -> dict[str, Any]:
    return {name: (None if (value := getattr(said, name)) == "" else value) for name in Said.__slots__}
