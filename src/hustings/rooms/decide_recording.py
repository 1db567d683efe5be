"""Who agrees to be recorded, and when the conversation is off the record."""

from __future__ import annotations

from hustings.rooms import commands as c
from hustings.rooms import events as e
from hustings.rooms.draft import Draft, after
from hustings.rooms.errors import TooMany
from hustings.rooms.model import MAX_STRETCHES
from hustings.rooms.table import Verb

type RecordingCommand = c.OffRecord | c.AgreeToRecording


def decide(draft: Draft, command: RecordingCommand) -> None:
    match command:
        case c.OffRecord():
            _off_record(draft, command)
        case c.AgreeToRecording():
            _agree(draft, command)


def _off_record(draft: Draft, command: c.OffRecord) -> None:
    broadcast = draft.broadcast(Verb.OFF_RECORD)
    if broadcast.is_off_record is command.off:
        return
    if command.off and len(broadcast.off_record) >= MAX_STRETCHES:
        raise TooMany("stretches off the record", MAX_STRETCHES)
    draft.happen(e.OffRecordChanged(broadcast.id, command.off, command.at))


def _agree(draft: Draft, command: c.AgreeToRecording) -> None:
    """Taking it back is never refused for want of room: it only ends what was begun."""
    invitation = draft.invitation(command.invitation_id)
    after(invitation.state, Verb.CONSENT, "the invitation")
    person = invitation.participant_id
    if draft.room.agreed(person) is command.agree:
        return
    known = draft.room.consents.get(person)
    if command.agree and known is not None and len(known.stretches) >= MAX_STRETCHES:
        raise TooMany("agreements of one person", MAX_STRETCHES)
    draft.happen(e.ConsentChanged(person, command.agree, command.at))
