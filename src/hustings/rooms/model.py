"""The state of a room: immutable values. Times are Unix seconds (wall clock), given by the caller."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from types import MappingProxyType

from hustings.rooms.table import InvitationState, RequestState, RoomStatus, SeatState

MAX_INVITATIONS = 500
"""Invitations a room may have in all; bounds what one command must load."""
MAX_REQUESTS = 200
"""Raised hands that may wait at once."""
MAX_TOPICS = 50
MAX_LINKS = 10
MAX_BANS = 500
MAX_MARKS = 32
"""Marks of one ban."""
MAX_CHAPTERS = 200
"""Chapter marks of one broadcast; the agenda goes on without further ones."""
MAX_SEATED = 13
"""Voices on the stage, unless the server is set up for another number."""
ABSENT_SECONDS = 60.0
"""Without a connection for so long, one who was brought up gives the seat back; the invited keep theirs."""
MAX_STRETCHES = 200
"""Times one broadcast may go off the record, and one participant may agree to be recorded."""
RECORDING = "recording"
"""The scope of a consent: what is said on air is written and may be published as the recording."""
MAX_LOWERED = 50
"""Requests that are over and still remembered: who repeats a command finds it done."""


class Role(Enum):
    """What a participant may do."""

    HOST = "host"
    COHOST = "cohost"
    SPEAKER = "speaker"
    LISTENER = "listener"


CONDUCTING = frozenset({Role.HOST, Role.COHOST})
"""Roles that may command others."""
FIGURES_ALL, FIGURES_HOSTS = "all", "hosts"
"""Who sees how many listened (Details.figures)."""


@dataclass(frozen=True, slots=True)
class Topic:
    """One point of the agenda."""

    id: str
    title: str
    minutes: int | None = None
    """How long it is meant to take."""


@dataclass(frozen=True, slots=True)
class Link:
    """An address the host pins to the room."""

    label: str
    url: str


@dataclass(frozen=True, slots=True)
class Details:
    """What a host writes about a room; edited as a whole."""

    title: str
    description: str = ""
    language: str = ""
    """BCP 47 tag of what is spoken; "" when nobody said."""
    topics: tuple[Topic, ...] = ()
    links: tuple[Link, ...] = ()
    cover: str = ""
    """Name (content hash) of the re-encoded picture; "" for none."""
    scheduled_at: float | None = None
    time_zone: str = ""
    """IANA zone the schedule was made in, for its words and for recurrence; "" means UTC."""
    weekly: bool = False
    """Whether it happens again a week later, same local time."""
    opens_itself: bool = True
    """Whether doors open by themselves `doors_minutes` before the time (rooms/due.py)."""
    doors_minutes: int = 10
    starts_itself: bool = False
    """Whether it goes live by itself when its time has come; else on a host's word."""
    hold: str = "loop"
    """What listeners hear before it is live: "" for nothing, "loop" (built in), or the name (content hash)
    of a file."""
    green_room: bool = False
    """Whether the invited wait until a host admits them; hosts and cohosts never wait."""
    hands: bool = True
    """Whether listeners may ask to speak."""
    questions: bool = True
    """Whether listeners may ask questions."""
    moderated: bool = False
    """Whether a question is shown only once a host has let it through."""
    equal_time: bool = False
    """Whether pages compare talk times and warn gently."""
    turn_seconds: int | None = None
    """Length a speaking clock is set to when the host names none."""
    queue_by_talk: bool = False
    """Whether requests to speak are ordered by least talk time, then time; else by time."""
    recording: bool = True
    """Whether what is said on air is written."""
    keep_days: int | None = None
    """How many days after its end a recording is deleted; None: as long as the server keeps any."""
    figures: str = FIGURES_ALL
    """FIGURES_ALL, or FIGURES_HOSTS: nobody else is told how many listen, and the public record holds the
    figures sealed. The same for all of a broadcast, from its doors on."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """A time something held. `ended_at` None: it still does."""

    began_at: float
    ended_at: float | None = None


def open_stretch(stretches: tuple[Stretch, ...]) -> Stretch | None:
    """The last of them, if it has not ended."""
    return stretches[-1] if stretches and stretches[-1].ended_at is None else None


@dataclass(frozen=True, slots=True)
class Broadcast:
    """One live run of a room."""

    id: str
    opened_at: float
    epoch: int = 0
    """Counts restarts of the stage during this broadcast."""
    live_since: float | None = None
    """Wall clock of media_time 0."""
    ended_at: float | None = None
    end_reason: str = ""
    topic_id: str = ""
    """The topic spoken about now; "" before the first."""
    chapters: tuple[tuple[float, str], ...] = ()
    """(wall clock, title) of each topic begun while live, in order: chapter marks."""
    off_record: tuple[Stretch, ...] = ()
    """When the conversation was off the record, in order."""
    planned_at: float | None = None
    """The time it was planned for when its doors opened; None when there was none near."""
    starts_at: float | None = None
    """When it goes live by itself; None: on a host's word."""
    recording_at: float | None = None
    """When a host last changed in this broadcast whether it is recorded; None: as when doors opened."""

    @property
    def is_off_record(self) -> bool:
        return open_stretch(self.off_record) is not None


@dataclass(frozen=True, slots=True)
class Invitation:
    """An offer of a seat. The ticket itself is not here: the store keeps its hash."""

    id: str
    participant_id: str
    name: str
    role: Role
    public: bool
    state: InvitationState
    offered_at: float
    changed_at: float
    expires_at: float | None = None
    word: str = ""
    """What the invited wants everybody to read beside the answer."""
    proposed_at: float | None = None
    """Another time the invited proposes, Unix seconds."""
    account_id: str = ""
    """The account whose own seat this is (the host's); "" for guests."""
    request_id: str = ""
    """The request to speak this came from; "" for who was invited."""


@dataclass(frozen=True, slots=True)
class Participant:
    """Somebody with a seat."""

    id: str
    invitation_id: str
    name: str
    role: Role
    state: SeatState
    taken_at: float
    muted_self: bool = False
    muted_by_host: bool = False
    aside: str = ""
    """The participant in the green room this host talks with off air; "" when on the stage."""
    clock_until: float | None = None
    """When the speaking clock set for this participant runs out; None without one."""

    @property
    def muted(self) -> bool:
        return self.muted_self or self.muted_by_host


@dataclass(frozen=True, slots=True)
class Request:
    """A listener's request to speak (the raised hand). Its ticket becomes good when brought up."""

    id: str
    participant_id: str
    name: str
    state: RequestState
    asked_at: float
    changed_at: float
    talked_seconds: float = 0.0
    """What the asker has talked in this broadcast before, for the queue's order."""


@dataclass(frozen=True, slots=True)
class Consent:
    """When somebody agreed to what, in order; kept for as long as the room knows the person."""

    participant_id: str
    stretches: tuple[Stretch, ...]
    scope: str = RECORDING

    @property
    def since(self) -> float | None:
        """When the agreement that holds was given; None when it was taken back."""
        held = open_stretch(self.stretches)
        return held.began_at if held is not None else None


@dataclass(frozen=True, slots=True)
class Ban:
    """Somebody who may not come back. `marks` are keyed hashes (of a device, an address): none in clear."""

    participant_id: str
    name: str
    marks: frozenset[str]
    at: float


def _empty[V]() -> Mapping[str, V]:
    return MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Room:
    """A durable place with a slug; at most one broadcast at a time."""

    slug: str
    status: RoomStatus
    created_at: float
    details: Details
    owner_id: str = ""
    """The account that answers for the room; "" for one made with an operator's token."""
    locked: bool = False
    """Nobody new comes on the stage."""
    revision: int = 0
    """Counts edits, schedules and cancellations (RoomEdited, RoomScheduled, RoomCancelled): what calendars
    that took the room over go by (SEQUENCE, RFC 5545 section 3.8.7.4)."""
    broadcast: Broadcast | None = None
    """The current or last one."""
    invitations: Mapping[str, Invitation] = field(default_factory=_empty)
    participants: Mapping[str, Participant] = field(default_factory=_empty)
    requests: Mapping[str, Request] = field(default_factory=_empty)
    """Of the current broadcast, in the order they were made."""
    bans: tuple[Ban, ...] = ()
    consents: Mapping[str, Consent] = field(default_factory=_empty)
    """By participant, of all who were ever asked and agreed. It outlasts seats, sessions and broadcasts."""

    def agreed(self, participant_id: str) -> bool:
        """Whether this one agrees to be recorded, now."""
        consent = self.consents.get(participant_id)
        return consent is not None and consent.since is not None

    @property
    def title(self) -> str:
        return self.details.title

    @property
    def scheduled_at(self) -> float | None:
        return self.details.scheduled_at
