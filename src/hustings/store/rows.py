"""Rows to rooms and back."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from sqlalchemy import RowMapping

from hustings.rooms.model import (
    Ban,
    Broadcast,
    Consent,
    Details,
    Invitation,
    Link,
    Participant,
    Request,
    Role,
    Room,
    Stretch,
    Topic,
)
from hustings.rooms.table import InvitationState, RequestState, RoomStatus, SeatState

type Rows = Sequence[RowMapping]


@dataclass(frozen=True, slots=True)
class RoomRows:
    """All rows of some rooms, members in the order they have in their rooms."""

    rooms: Rows
    broadcasts: Rows
    """The current ones."""
    chapters: Rows
    off_record: Rows
    invitations: Rows
    participants: Rows
    requests: Rows
    bans: Rows
    consents: Rows


def assemble(found: RoomRows) -> list[Room]:
    """Rooms from their rows, in the order of theirs."""
    marks = chapters_of(found.chapters)
    off = stretches_of(found.off_record)
    current = {
        row["room_id"]: broadcast_of(row, marks[row["id"]], off[row["id"]]) for row in found.broadcasts
    }
    agreed = _consents(found.consents)
    invited = _grouped(found.invitations, _invitation)
    seated = _grouped(found.participants, _participant)
    asked = _grouped(found.requests, _request)
    banned: dict[int, list[Ban]] = defaultdict(list)
    for row in found.bans:
        banned[row["room_id"]].append(_ban(row))
    return [
        Room(
            slug=row["slug"],
            status=RoomStatus(row["status"]),
            created_at=row["created_at"],
            details=_details(row),
            owner_id=row["owner_id"],
            locked=row["locked"],
            revision=row["revision"],
            broadcast=current.get(row["id"]),
            invitations=MappingProxyType(invited[row["id"]]),
            participants=MappingProxyType(seated[row["id"]]),
            requests=MappingProxyType(asked[row["id"]]),
            bans=tuple(banned[row["id"]]),
            consents=MappingProxyType(agreed[row["id"]]),
        )
        for row in found.rooms
    ]


def _grouped[V](found: Rows, make: Callable[[RowMapping], V]) -> Mapping[int, dict[str, V]]:
    by_room: dict[int, dict[str, V]] = defaultdict(dict)
    for row in found:
        by_room[row["room_id"]][row["id"]] = make(row)
    return by_room


def chapters_of(found: Rows) -> Mapping[str, tuple[tuple[float, str], ...]]:
    """Chapter marks by broadcast; `found` is in order."""
    marks: dict[str, tuple[tuple[float, str], ...]] = defaultdict(tuple)
    for row in found:
        marks[row["broadcast_id"]] += ((row["at"], row["title"]),)
    return marks


def stretches_of(found: Rows) -> Mapping[str, tuple[Stretch, ...]]:
    """Stretches off the record by broadcast; `found` is in order."""
    stretches: dict[str, tuple[Stretch, ...]] = defaultdict(tuple)
    for row in found:
        stretches[row["broadcast_id"]] += (Stretch(row["began_at"], row["ended_at"]),)
    return stretches


def _consents(found: Rows) -> Mapping[int, dict[str, Consent]]:
    """By room and participant; `found` is in the order they were given."""
    by_room: dict[int, dict[str, Consent]] = defaultdict(dict)
    for row in found:
        person, known = row["participant_id"], by_room[row["room_id"]]
        before = known[person].stretches if person in known else ()
        stretches = (*before, Stretch(row["began_at"], row["ended_at"]))
        known[person] = Consent(person, stretches, row["scope"])
    return by_room


# --- from rows -----------------------------------------------------------------------------------


def _details(row: RowMapping) -> Details:
    return Details(
        title=row["title"],
        description=row["description"],
        language=row["language"],
        topics=tuple(Topic(**topic) for topic in json.loads(row["topics"])),
        links=tuple(Link(**link) for link in json.loads(row["links"])),
        cover=row["cover"],
        scheduled_at=row["scheduled_at"],
        time_zone=row["time_zone"],
        weekly=row["weekly"],
        green_room=row["green_room"],
        hands=row["hands"],
        questions=row["questions"],
        moderated=row["moderated"],
        equal_time=row["equal_time"],
        turn_seconds=row["turn_seconds"],
        queue_by_talk=row["queue_by_talk"],
        recording=row["recording"],
        keep_days=row["keep_days"],
        opens_itself=row["opens_itself"],
        doors_minutes=row["doors_minutes"],
        starts_itself=row["starts_itself"],
        hold=row["hold"],
        figures=row["figures"],
    )


def broadcast_of(
    row: RowMapping, chapters: tuple[tuple[float, str], ...], off_record: tuple[Stretch, ...]
) -> Broadcast:
    return Broadcast(
        id=row["id"],
        opened_at=row["opened_at"],
        epoch=row["epoch"],
        live_since=row["live_since"],
        ended_at=row["ended_at"],
        end_reason=row["end_reason"],
        topic_id=row["topic_id"],
        chapters=chapters,
        off_record=off_record,
        recording_at=row["recording_at"],
        planned_at=row["planned_at"],
        starts_at=row["starts_at"],
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
        word=row["word"],
        proposed_at=row["proposed_at"],
        account_id=row["account_id"],
        request_id=row["request_id"],
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
        aside=row["aside"],
        clock_until=row["clock_until"],
    )


def _request(row: RowMapping) -> Request:
    return Request(
        id=row["id"],
        participant_id=row["participant_id"],
        name=row["name"],
        state=RequestState(row["state"]),
        asked_at=row["asked_at"],
        changed_at=row["changed_at"],
        talked_seconds=row["talked_seconds"],
    )


def _ban(row: RowMapping) -> Ban:
    marks = frozenset(json.loads(row["marks"]))
    return Ban(participant_id=row["participant_id"], name=row["name"], marks=marks, at=row["at"])


# --- to rows -------------------------------------------------------------------------------------

type Values = dict[str, Any]


def room_values(room: Room) -> Values:
    details = room.details
    topics = [{"id": t.id, "title": t.title, "minutes": t.minutes} for t in details.topics]
    links = [{"label": link.label, "url": link.url} for link in details.links]
    return {
        "slug": room.slug,
        "status": room.status.value,
        "created_at": room.created_at,
        "owner_id": room.owner_id,
        "locked": room.locked,
        "revision": room.revision,
        "title": details.title,
        "description": details.description,
        "language": details.language,
        "topics": json.dumps(topics),
        "links": json.dumps(links),
        "cover": details.cover,
        "scheduled_at": details.scheduled_at,
        "time_zone": details.time_zone,
        "weekly": details.weekly,
        "green_room": details.green_room,
        "hands": details.hands,
        "questions": details.questions,
        "moderated": details.moderated,
        "equal_time": details.equal_time,
        "turn_seconds": details.turn_seconds,
        "queue_by_talk": details.queue_by_talk,
        "recording": details.recording,
        "keep_days": details.keep_days,
        "opens_itself": details.opens_itself,
        "doors_minutes": details.doors_minutes,
        "starts_itself": details.starts_itself,
        "hold": details.hold,
        "figures": details.figures,
    }


def broadcast_values(broadcast: Broadcast) -> Values:
    """Without the chapters and the stretches off the record, which are rows of their own."""
    return {
        "id": broadcast.id,
        "opened_at": broadcast.opened_at,
        "epoch": broadcast.epoch,
        "live_since": broadcast.live_since,
        "ended_at": broadcast.ended_at,
        "end_reason": broadcast.end_reason,
        "topic_id": broadcast.topic_id,
        "recording_at": broadcast.recording_at,
        "planned_at": broadcast.planned_at,
        "starts_at": broadcast.starts_at,
    }


def invitation_values(invitation: Invitation) -> Values:
    return {
        "id": invitation.id,
        "participant_id": invitation.participant_id,
        "name": invitation.name,
        "role": invitation.role.value,
        "public": invitation.public,
        "state": invitation.state.value,
        "offered_at": invitation.offered_at,
        "changed_at": invitation.changed_at,
        "expires_at": invitation.expires_at,
        "word": invitation.word,
        "proposed_at": invitation.proposed_at,
        "account_id": invitation.account_id,
        "request_id": invitation.request_id,
        "gone": False,
    }


def participant_values(person: Participant) -> Values:
    return {
        "id": person.id,
        "invitation_id": person.invitation_id,
        "name": person.name,
        "role": person.role.value,
        "state": person.state.value,
        "taken_at": person.taken_at,
        "muted_self": person.muted_self,
        "muted_by_host": person.muted_by_host,
        "aside": person.aside,
        "clock_until": person.clock_until,
    }


def request_values(request: Request) -> Values:
    """Without the ticket's hash, which the room does not know."""
    return {
        "id": request.id,
        "participant_id": request.participant_id,
        "name": request.name,
        "state": request.state.value,
        "asked_at": request.asked_at,
        "changed_at": request.changed_at,
        "talked_seconds": request.talked_seconds,
    }


def ban_values(position: int, ban: Ban) -> Values:
    marks = json.dumps(sorted(ban.marks))
    return {
        "participant_id": ban.participant_id,
        "position": position,
        "name": ban.name,
        "marks": marks,
        "at": ban.at,
    }
