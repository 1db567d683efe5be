"""Bodies of the API. Strict: unknown members, wrong types and unclean texts are refused (422)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from hustings.ids import is_slug
from hustings.rooms.model import MAX_LINKS, MAX_TOPICS
from hustings.studio import schedule
from hustings.studio.text import NAME_LENGTH, TITLE_LENGTH, clean, clean_block

_RAW_LENGTH = 1000
DESCRIPTION_LENGTH = 4000
REMARK_LENGTH = 280
_LATEST = datetime(2200, 1, 1, tzinfo=UTC)


def _title(text: str) -> str:
    return clean(text, TITLE_LENGTH)


def _name(text: str) -> str:
    return clean(text, NAME_LENGTH)


def _block(text: str) -> str:
    return clean_block(text, DESCRIPTION_LENGTH)


def _remark(text: str) -> str:
    return clean(text, REMARK_LENGTH) if text.strip() else ""


def _web_address(text: str) -> str:
    """Only what a browser opens as a page: no script, no file; no spaces or controls to hide behind."""
    try:
        parts = urlsplit(text)
        port_is_good = parts.port is None or parts.port > 0
    except ValueError:
        raise ValueError("is no address") from None
    if parts.scheme not in ("http", "https") or not parts.hostname or not port_is_good:
        raise ValueError("must begin with https:// or http:// and a host")
    if parts.username is not None or any(ord(char) <= 32 or ord(char) == 127 for char in text):
        raise ValueError("must hold no user name, space or control character")
    return text


def _zone(text: str) -> str:
    if not schedule.known_zone(text):
        raise ValueError("is no IANA time zone (for example Europe/Berlin)")
    return text


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


type Block = Annotated[str, Field(max_length=20_000), AfterValidator(_block)]
type Remark = Annotated[str, Field(max_length=_RAW_LENGTH), AfterValidator(_remark)]
type WebAddress = Annotated[str, Field(min_length=8, max_length=2000), AfterValidator(_web_address)]
type Zone = Annotated[str, Field(min_length=1, max_length=64), AfterValidator(_zone)]


class Body(BaseModel):
    """What a client sends."""

    model_config = ConfigDict(extra="forbid", strict=True)


class TopicBody(Body):
    """A point of the agenda. `id`: of a topic there was before, so that it stays the same one."""

    id: Annotated[str, Field(pattern=r"^[a-z0-9]{1,32}$")] | None = None
    title: Title
    minutes: Annotated[int, Field(ge=1, le=600)] | None = None


class LinkBody(Body):
    """An address pinned to the room: http or https."""

    label: Title
    url: WebAddress


class RoomFields(Body):
    """What a host writes about a room. What is absent stays as it is, or at its default."""

    description: Block | None = Field(None, description="Paragraphs; at most 4000 characters.")
    language: Annotated[str, Field(pattern=r"^([A-Za-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3})?$")] | None = Field(
        None, description="What is spoken: a BCP 47 tag."
    )
    topics: Annotated[list[TopicBody], Field(max_length=MAX_TOPICS)] | None = None
    links: Annotated[list[LinkBody], Field(max_length=MAX_LINKS)] | None = Field(
        None, description="Shown on the room's page."
    )
    green_room: bool | None = Field(None, description="The invited wait until a host admits them.")
    hands: bool | None = Field(None, description="Listeners may ask to speak.")
    questions: bool | None = Field(None, description="Listeners may ask questions.")
    moderated: bool | None = Field(None, description="Questions show only once a host lets them through.")
    equal_time: bool | None = Field(None, description="Pages compare talk times.")
    turn_seconds: Annotated[int, Field(ge=0, le=3600)] | None = Field(
        None, description="What a speaking clock is set to; 0: none."
    )
    queue_by_talk: bool | None = Field(None, description="Hands by least talk time, then by time.")
    recording: bool | None = Field(
        None, description="What is said on air is written, of those who agreed. On for new rooms."
    )
    opens_itself: bool | None = Field(
        None, description="Doors open by themselves before the time. On for new rooms."
    )
    doors_minutes: Annotated[int, Field(ge=0, le=180)] | None = Field(
        None, description="How long before; 10 for new rooms."
    )
    starts_itself: bool | None = Field(
        None, description="It goes live by itself, at the second; else when a host says so."
    )
    hold: Literal["loop", "silence"] | None = Field(
        None, description="What waiting listeners hear; a file of one's own: see `hold` of the room."
    )
    keep_days: Annotated[int, Field(ge=0, le=36_500)] | None = Field(
        None, description="Days after which a recording is deleted; 0: as long as the server keeps any."
    )
    figures: Literal["all", "hosts"] | None = Field(
        None,
        description="Who sees the audience figures; `hosts`: sealed in the record. 409 while the room is on.",
    )


class NewRoom(RoomFields):
    """A room to be created."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "title": "Town hall",
                    "at": "2026-12-01T20:00:00+01:00",
                    "time_zone": "Europe/Berlin",
                    "topics": [{"title": "The new library", "minutes": 30}],
                    "green_room": True,
                    "doors_minutes": 15,
                    "starts_itself": True,
                }
            ]
        }
    )
    title: Title = Field(description=f"One line, at most {TITLE_LENGTH} characters after cleaning.")
    slug: Slug | None = Field(None, description="Part of the address; made from the title when absent.")
    at: At | None = Field(None, description="When it is to begin: ISO 8601 with a time zone.")
    time_zone: Zone | None = Field(None, description="IANA name, for recurrence and the page's words.")
    weekly: bool | None = Field(None, description="Again a week later, same local time.")


class EditRoom(RoomFields):
    """What changes; the time is changed by `schedule`."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"title": "Town hall", "hands": False}]})
    title: Title | None = None


class ScheduleRoom(Body):
    """Another time. `at` null: when the host is ready."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"at": "2026-12-08T20:00:00+01:00", "time_zone": "Europe/Berlin", "weekly": True}]
        }
    )
    at: At | None
    time_zone: Zone = "UTC"
    weekly: bool = False

    @model_validator(mode="after")
    def _recurs_from_a_time(self) -> ScheduleRoom:
        if self.weekly and self.at is None:
            raise ValueError("weekly needs a first time (at)")
        return self


class Lock(Body):
    """Nobody new comes on the stage, or again somebody may."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"locked": True}]})
    locked: bool


class OffRecord(Body):
    """Off the record: nothing is written until it is back on. The live sound goes on."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"off": True}]})
    off: bool


class Consent(Body):
    """Agrees to be recorded, or takes that back, which counts from then on."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"agree": True}]})
    agree: bool


class BeginTopic(Body):
    """The agenda goes on; "" for none."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"topic_id": "1"}]})
    topic_id: Annotated[str, Field(max_length=32)]


class NewInvitation(Body):
    """An offer of a seat."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"name": "Ada Lovelace", "role": "speaker", "public": True}]}
    )
    name: Name = Field(description=f"As everybody will see it, at most {NAME_LENGTH} characters.")
    role: Literal["host", "cohost", "speaker"] = "speaker"
    public: bool = Field(False, description="Whether the room's page shows the invitation and its state.")
    expires_at: At | None = Field(None, description="Until when an answer is waited for.")


class Redeem(Body):
    """A link's secret."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"link": "l_SECRET"}]})
    link: Annotated[str, Field(min_length=8, max_length=256)]


class Answer(Body):
    """The invited answers."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"answer": "accepted"}]})
    answer: Literal["accepted", "declined"]


class Word(Body):
    """A public word of the invited, and perhaps another time proposed. Both as a whole: absent is none."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"word": "Gladly, but not on a Monday.", "proposed_at": "2026-12-02T20:00:00+01:00"}]
        }
    )
    word: Remark = ""
    proposed_at: At | None = None


class Mute(Body):
    """Mute or unmute."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"muted": True}]})
    muted: bool


class Remove(Body):
    """Off the stage for good; `ban` also keeps the person out of this room under another link."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"ban": False}]})
    ban: bool = False


class ChangeRole(Body):
    """Cohost or speaker; who is host changes by hand-over."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"role": "cohost"}]})
    role: Literal["cohost", "speaker"]


class SetClock(Body):
    """A speaking clock; 0 takes it away."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"seconds": 120}]})
    seconds: Annotated[int, Field(ge=0, le=3600)]


class TalkAside(Body):
    """Off air with somebody in the green room; "" ends it."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"guest_id": "8c7b6a5f4e3d2c1b0a"}]})
    guest_id: Annotated[str, Field(max_length=64)]
