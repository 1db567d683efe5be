"""Answers of the API. More members may be added at any time; see docs/api.md."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

type Role = Literal["host", "cohost", "speaker", "listener"]
type InvitationState = Literal["offered", "seen", "accepted", "declined", "withdrawn", "expired"]
type Status = Literal["scheduled", "open", "live", "paused", "ended", "cancelled"]


class Participant(BaseModel):
    """Somebody with a seat on the stage."""

    model_config = ConfigDict(extra="allow")
    id: str
    name: str
    role: Role
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
    role: Role
    public: bool
    state: InvitationState
    since: str
    expires_at: str | None = None
    word: str = ""
    proposed_at: str | None = None
    own: bool = False
    """An account's own seat: nobody else was asked."""
    by_hand: bool = False
    """A listener who raised a hand and was brought up."""


class Topic(BaseModel):
    """A point of the agenda."""

    id: str
    title: str
    minutes: int | None


class PinnedLink(BaseModel):
    """An address the host pins to the room."""

    label: str
    url: str


class RoomDetails(BaseModel):
    """What can be edited; members as in PATCH."""

    title: str
    description: str
    language: str
    topics: list[Topic]
    links: list[PinnedLink]
    cover: str
    at: str | None
    time_zone: str
    weekly: bool
    green_room: bool
    hands: bool
    questions: bool
    moderated: bool
    equal_time: bool
    turn_seconds: int | None
    queue_by_talk: bool
    recording: bool
    keep_days: int | None
    opens_itself: bool
    doors_minutes: int
    starts_itself: bool
    hold: str
    """"loop" (built in), "silence", or the name of the room's own."""
    figures: Literal["all", "hosts"]


class RecordingState(BaseModel):
    """What is decided about what is on air."""

    state: Literal["on", "off_record", "off"]
    since: str


class RoomState(BaseModel):
    """A room with everything its hosts may know: state.json's members and these. `stage` says whether the
    stage has it yet."""

    model_config = ConfigDict(
        extra="allow",
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
                    "details": {
                        "title": "Town hall",
                        "description": "",
                        "language": "en",
                        "topics": [{"id": "1", "title": "The new library", "minutes": 30}],
                        "links": [],
                        "cover": "",
                        "at": "2026-12-01T19:00:00Z",
                        "time_zone": "Europe/Berlin",
                        "weekly": False,
                        "green_room": True,
                        "hands": True,
                        "questions": True,
                        "moderated": False,
                        "equal_time": False,
                        "turn_seconds": None,
                        "queue_by_talk": False,
                        "recording": True,
                        "keep_days": None,
                        "opens_itself": True,
                        "doors_minutes": 15,
                        "starts_itself": True,
                        "hold": "loop",
                        "figures": "all",
                    },
                    "recording": None,
                    "owner_id": "",
                    "links": {"page": "/r/town-hall", "state": "/r/town-hall/state.json"},
                    "stage": "ready",
                }
            ]
        },
    )
    slug: str
    title: str
    status: Status
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
    details: RoomDetails
    owner_id: str
    links: dict[str, str]
    recording: RecordingState | None
    """While on air."""
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
                    "link": "https://studio.example.org/s/town-hall#l_SECRET",
                    "ticket": "t_SECRET",
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


class LinkMade(BaseModel):
    """A new link; those before no longer work."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"link": "https://studio.example.org/s/town-hall#l_SECRET"}]}
    )
    link: str


class OwnSeat(BaseModel):
    """The way onto the stage of a logged-in host."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"link": "https://studio.example.org/s/town-hall#t_SECRET", "ticket": "t_SECRET"}]
        }
    )
    link: str
    ticket: str


class Pass(BaseModel):
    """Past the line before the audience's door."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "address": "https://talk.example.org/r/the-new-library?place=PLACE",
                    "place": "PLACE",
                    "until": "2026-11-29T23:00:00Z",
                }
            ]
        }
    )
    address: str
    """The room's page at the audience's door, with the pass."""
    place: str
    """For the parameter `place` of any address there; empty where no key is shared with the edges."""
    until: str


class Me(BaseModel):
    """The invited and his seat."""

    model_config = ConfigDict(
        extra="allow",
        json_schema_extra={
            "examples": [
                {
                    "id": "8c7b6a5f4e3d2c1b0a",
                    "name": "Ada Lovelace",
                    "role": "speaker",
                    "invitation": "seen",
                    "muted": False,
                    "muted_by_host": False,
                    "recording": True,
                    "agreed_at": None,
                }
            ]
        },
    )
    id: str
    name: str
    role: Role
    invitation: InvitationState
    muted: bool
    muted_by_host: bool
    recording: bool
    """Whether the room records."""
    agreed_at: str | None
    """Since when he agrees to be recorded; null: he does not."""


class Redeemed(BaseModel):
    """What a link became, for whoever came first."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "ticket": "t_SECRET",
                    "me": {
                        "id": "8c7b6a5f4e3d2c1b0a",
                        "name": "Ada Lovelace",
                        "role": "speaker",
                        "invitation": "seen",
                        "muted": False,
                        "muted_by_host": False,
                        "recording": True,
                        "agreed_at": None,
                    },
                }
            ]
        }
    )
    ticket: str
    me: Me


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
        403: "Not yours to do",
        404: "There is no such thing, or it is not yours",
        409: "Not possible in this state",
        410: "The link has been used or has run out",
        413: "The body is too large",
        415: "Another content type is needed",
        416: "There is no such range in the file.",
        422: "The body is not valid; `errors` says what and where",
        429: "Too often; see Retry-After",
        503: "A part of the server did not answer; see Retry-After",
    }
    content = {"application/problem+json": {"schema": schema}}
    return {status: {"description": says[status], "content": content} for status in statuses}
