"""The state of a room: immutable values. Times are Unix seconds (wall clock), given by the caller."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from types import MappingProxyType

from hustings.rooms.table import InvitationState, RoomStatus, SeatState

MAX_INVITATIONS = 500
"""Invitations a room may have in all; bounds what one command must load."""


class Role(Enum):
    """What a participant may do. Listeners have no seat yet (raising a hand comes later)."""

    HOST = "host"
    COHOST = "cohost"
    SPEAKER = "speaker"
    LISTENER = "listener"


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

    @property
    def muted(self) -> bool:
        return self.muted_self or self.muted_by_host


def _empty[V]() -> Mapping[str, V]:
    return MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Room:
    """A durable place with a slug; at most one broadcast at a time."""

    slug: str
    title: str
    status: RoomStatus
    created_at: float
    scheduled_at: float | None = None
    broadcast: Broadcast | None = None
    """The current or last one."""
    invitations: Mapping[str, Invitation] = field(default_factory=_empty)
    participants: Mapping[str, Participant] = field(default_factory=_empty)
