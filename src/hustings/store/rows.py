"""Rows to rooms and back."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from types import MappingProxyType

from sqlalchemy import RowMapping

from hustings.rooms.events import InvitationOffered, SeatTaken
from hustings.rooms.model import Broadcast, Invitation, Participant, Role, Room
from hustings.rooms.table import InvitationState, RoomStatus, SeatState


def assemble(
    room_rows: Sequence[RowMapping],
    broadcast_rows: Sequence[RowMapping],
    invitation_rows: Sequence[RowMapping],
    participant_rows: Sequence[RowMapping],
) -> list[Room]:
    """Rooms from their rows, in the order of `room_rows`; members in the order of theirs."""
    current = {row["room_id"]: _broadcast(row) for row in broadcast_rows}
    invited: dict[int, dict[str, Invitation]] = defaultdict(dict)
    for row in invitation_rows:
        invited[row["room_id"]][row["id"]] = _invitation(row)
    seated: dict[int, dict[str, Participant]] = defaultdict(dict)
    for row in participant_rows:
        seated[row["room_id"]][row["id"]] = _participant(row)
    return [
        Room(
            slug=row["slug"],
            title=row["title"],
            status=RoomStatus(row["status"]),
            created_at=row["created_at"],
            scheduled_at=row["scheduled_at"],
            broadcast=current.get(row["id"]),
            invitations=MappingProxyType(invited[row["id"]]),
            participants=MappingProxyType(seated[row["id"]]),
        )
        for row in room_rows
    ]


def _broadcast(row: RowMapping) -> Broadcast:
    return Broadcast(
        id=row["id"],
        opened_at=row["opened_at"],
        epoch=row["epoch"],
        live_since=row["live_since"],
        ended_at=row["ended_at"],
        end_reason=row["end_reason"],
    )


def _invitation(row: RowMapping) -> Invitation:
    return Invitation(
        id=row["id"],
        participant_id=row["participant_id"],
        name=row["name"],
        role=Role(row["role"]),
        public=row["public"],
        state=InvitationState(row["state"]),
        offered_at=row["offered_at"],
        changed_at=row["changed_at"],
        expires_at=row["expires_at"],
    )


def _participant(row: RowMapping) -> Participant:
    return Participant(
        id=row["id"],
        invitation_id=row["invitation_id"],
        name=row["name"],
        role=Role(row["role"]),
        state=SeatState(row["state"]),
        taken_at=row["taken_at"],
        muted_self=row["muted_self"],
        muted_by_host=row["muted_by_host"],
    )


def room_values(room: Room) -> dict[str, object]:
    """The row of a new room."""
    return {
        "slug": room.slug,
        "title": room.title,
        "status": room.status.value,
        "created_at": room.created_at,
        "scheduled_at": room.scheduled_at,
    }


def offered_values(room_id: int, event: InvitationOffered, ticket_hash: str) -> dict[str, object]:
    """The row of a new invitation."""
    return {
        "id": event.invitation_id,
        "room_id": room_id,
        "participant_id": event.participant_id,
        "name": event.name,
        "role": event.role.value,
        "public": event.public,
        "state": InvitationState.OFFERED.value,
        "ticket_hash": ticket_hash,
        "offered_at": event.at,
        "changed_at": event.at,
        "expires_at": event.expires_at,
    }


def seat_values(room_id: int, event: SeatTaken) -> dict[str, object]:
    """The row of a new participant."""
    return {
        "id": event.participant_id,
        "room_id": room_id,
        "invitation_id": event.invitation_id,
        "name": event.name,
        "role": event.role.value,
        "state": SeatState.SEATED.value,
        "taken_at": event.at,
        "muted_self": False,
        "muted_by_host": False,
    }
