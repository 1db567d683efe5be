"""Bodies of the API. Strict: unknown members, wrong types and unclean texts are refused (422)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field

from hustings.ids import is_slug
from hustings.studio.text import NAME_LENGTH, TITLE_LENGTH, clean

_RAW_LENGTH = 1000
_LATEST = datetime(2200, 1, 1, tzinfo=UTC)


def _title(text: str) -> str:
    return clean(text, TITLE_LENGTH)


def _name(text: str) -> str:
    return clean(text, NAME_LENGTH)


def _slug(text: str) -> str:
    if not is_slug(text):
        raise ValueError("a slug is 1-64 of a-z, 0-9 and -, not at the ends")
    return text


def _sane(at: datetime) -> datetime:
    if not datetime(2000, 1, 1, tzinfo=UTC) <= at < _LATEST:
        raise ValueError("must be between 2000 and 2200")
    return at


type Title = Annotated[str, Field(min_length=1, max_length=_RAW_LENGTH), AfterValidator(_title)]
type Name = Annotated[str, Field(min_length=1, max_length=_RAW_LENGTH), AfterValidator(_name)]
type Slug = Annotated[str, Field(min_length=1, max_length=64), AfterValidator(_slug)]
type At = Annotated[AwareDatetime, Field(strict=False), AfterValidator(_sane)]


class Body(BaseModel):
    """What a client sends."""

    model_config = ConfigDict(extra="forbid", strict=True)


class NewRoom(Body):
    """A room to be created."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"title": "Town hall", "at": "2026-12-01T20:00:00+01:00"}]}
    )
    title: Title = Field(description=f"One line, at most {TITLE_LENGTH} characters after cleaning.")
    slug: Slug | None = Field(None, description="Part of the address; made from the title when absent.")
    at: At | None = Field(None, description="When it is to begin: ISO 8601 with a time zone.")


class NewInvitation(Body):
    """An offer of a seat."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"name": "Ada Lovelace", "role": "speaker", "public": True}]}
    )
    name: Name = Field(description=f"As everybody will see it, at most {NAME_LENGTH} characters.")
    role: Literal["host", "cohost", "speaker"] = "speaker"
    public: bool = Field(False, description="Whether the room's page shows the invitation and its state.")


class Answer(Body):
    """The invited answers."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"answer": "accepted"}]})
    answer: Literal["accepted", "declined"]


class Mute(Body):
    """Mute or unmute."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"muted": True}]})
    muted: bool


# --- answers -------------------------------------------------------------------------------------


class Participant(BaseModel):
    """Somebody with a seat."""

    id: str
    name: str
    role: Literal["host", "cohost", "speaker", "listener"]
    connected: bool
    speaking: bool
    muted: bool
    muted_by_host: bool
    talked_seconds: float


class Invitation(BaseModel):
    """As the operator sees it: private ones, too. Never the ticket."""

    id: str
    participant_id: str
    name: str
    role: Literal["host", "cohost", "speaker", "listener"]
    public: bool
    state: Literal["offered", "seen", "accepted", "declined", "withdrawn", "expired"]
    since: str


class RoomState(BaseModel):
    """A room with everything the operator may know. `stage` says whether the stage has it yet."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "slug": "town-hall",
                    "title": "Town hall",
                    "status": "open",
                    "audience_url": "https://example.org/r/town-hall",
                    "studio_url": "https://studio.example.org",
                    "scheduled_at": "2026-12-01T19:00:00Z",
                    "opened_at": "2026-12-01T18:40:12Z",
                    "started_at": None,
                    "ended_at": None,
                    "broadcast_id": "20261201T184012-1a2b3c",
                    "broadcast": "20261201T184012-1a2b3c",
                    "listeners": 0,
                    "listeners_by_door": {},
                    "participants": [],
                    "invitations": [],
                    "links": {"page": "/r/town-hall", "state": "/r/town-hall/state.json"},
                    "stage": "ready",
                }
            ]
        }
    )
    slug: str
    title: str
    status: Literal["scheduled", "open", "live", "paused", "ended"]
    audience_url: str
    studio_url: str
    scheduled_at: str | None
    opened_at: str | None
    started_at: str | None
    ended_at: str | None
    broadcast_id: str
    broadcast: str | None
    listeners: int
    listeners_by_door: dict[str, int]
    participants: list[Participant]
    invitations: list[Invitation]
    links: dict[str, str]
    stage: Literal["ready", "waiting", ""] = Field(
        "",
        description='After open, start, stop: "waiting": committed, and told to the stage until it has it.',
    )


class RoomList(BaseModel):
    """A page of rooms in order of their slugs; `next` is the `after` of the following page, or ""."""

    rooms: list[RoomState]
    next: str


class InvitationMade(BaseModel):
    """The only time the ticket is seen: only its hash is kept."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "id": "0a1b2c3d4e5f6a7b8c",
                    "participant_id": "8c7b6a5f4e3d2c1b0a",
                    "name": "Ada Lovelace",
                    "role": "speaker",
                    "public": True,
                    "state": "offered",
                    "link": "https://studio.example.org/s/town-hall#TICKET",
                    "ticket": "TICKET",
                }
            ]
        }
    )
    id: str
    participant_id: str
    name: str
    role: Literal["host", "cohost", "speaker"]
    public: bool
    state: Literal["offered"]
    link: str
    ticket: str


class Me(BaseModel):
    """The invited and his seat."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "id": "8c7b6a5f4e3d2c1b0a",
                    "name": "Ada Lovelace",
                    "role": "speaker",
                    "invitation": "seen",
                    "muted": False,
                    "muted_by_host": False,
                }
            ]
        }
    )
    id: str
    name: str
    role: Literal["host", "cohost", "speaker", "listener"]
    invitation: Literal["offered", "seen", "accepted", "declined", "withdrawn", "expired"]
    muted: bool
    muted_by_host: bool


class Problem(BaseModel):
    """application/problem+json, RFC 9457. More members may follow, such as `state` or `errors`."""

    model_config = ConfigDict(
        extra="allow",
        json_schema_extra={
            "examples": [
                {
                    "type": "about:blank",
                    "title": "Not possible now",
                    "status": 409,
                    "detail": "Cannot start the broadcast: it is scheduled.",
                    "state": "scheduled",
                }
            ]
        },
    )
    type: str
    title: str
    status: int
    detail: str = ""
    where: str = ""


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The error answers of an operation, for its OpenAPI description."""
    schema = {"$ref": "#/components/schemas/Problem"}
    says = {
        400: "The body is no JSON",
        401: "No token or ticket, or an unknown one",
        404: "No such room, or participant",
        409: "Not possible in this state",
        413: "The body is too large",
        415: "Another content type is needed",
        422: "The body is not valid; `errors` says what and where",
        503: "A part of the server did not answer; see Retry-After",
    }
    content = {"application/problem+json": {"schema": schema}}
    return {status: {"description": says[status], "content": content} for status in statuses}
