"""The bus's subjects. One place, so that who talks to whom can be read on one page.

`v1` is the version of the message set: a message may gain fields with defaults within it; anything
else is `v2` beside it.
"""

from __future__ import annotations

# studio -> stage: request, answered by Done, SessionAnswer or Refusal
STAGE_OPEN = "v1.stage.open"
STAGE_LIVE = "v1.stage.live"
STAGE_STOP = "v1.stage.stop"
STAGE_OFFER = "v1.stage.offer"
STAGE_TRICKLE = "v1.stage.trickle"
STAGE_DELETE = "v1.stage.delete"
STAGE_MUTE = "v1.stage.mute"
STAGE_PLACE = "v1.stage.place"
STAGE_REMOVE = "v1.stage.remove"
STAGE_ANNOUNCE = "v1.stage.announce"
STAGE_RECORD = "v1.stage.record"
"""SetRecording."""

# ... published
STAGE_PACKETS = "v1.stage.packets"
"""SpeakerPacket: sound of speakers who come by WebSocket."""

# stage -> everybody
STAGE_HELLO = "v1.stage.hello"
"""StageHello: a stage has (re)started and knows nothing; the studio opens its broadcasts again."""
STAGE_REPORT = "v1.stage.report"
"""StageReport: once a second per broadcast, and at once when who is speaking or connected changes."""

STAGE_LEVELS = "v1.stage.levels"
"""StageLevels: for meters; losing one does not matter."""

RECORDING_REPORT = "v1.recording.report"
"""RecordingReport: once a second per open broadcast, and at once when its state changes."""
RECORDING_READY = "v1.recording.ready"
"""RecordingReady: after the end of a broadcast, and when a stage has recovered one."""

# edge -> stage: request, answered by Window
MEDIA_WINDOW = "v1.media.window"

# studio -> edges
ROOMS_UPDATE = "v1.rooms.update"
"""RoomPublic: one room's page, state and status, whenever they change."""
ROOMS_EVENT = "v1.rooms.event"
"""RoomEvent: each change of a room's public state."""
ROOMS_REACTIONS = "v1.rooms.reactions"
"""RoomReactions."""
# edge -> studio: request, answered by RoomsSnapshot
ROOMS_SNAPSHOT = "v1.rooms.snapshot"

# edge -> studio
AUDIENCE_REPORT = "v1.audience.report"
AUDIENCE_SOUND = "v1.audience.sound"
"""FirstSound."""
# ... requests, answered by Done
AUDIENCE_REACTIONS = "v1.audience.counts"
"""Reactions."""
AUDIENCE_INPUT = "v1.audience.input"
AUDIENCE_SALT = "v1.audience.salt"
"""SaltRequest, answered by Salt."""
# ... and stage -> studio: what was counted (bus/audience_messages.py)
AUDIENCE_COUNTED = "v1.audience.counted"
"""Counted."""
AUDIENCE_HEARD = "v1.audience.heard"
"""Heard."""
AUDIENCE_PLAYED = "v1.audience.played"
"""Played."""
AUDIENCE_SALT_HELD = "v1.audience.salt.held"
"""Salt, from who has it, after SaltWanted."""
# studio -> edges and stage
AUDIENCE_SALT_WANTED = "v1.audience.salt.wanted"
"""SaltWanted."""

# studio -> scribe
JOBS_DUE = "v1.jobs.due"
"""JobsDue."""
# scribe -> everybody
DOWNLOAD_REPORT = "v1.scribe.download"
"""DownloadReport."""
RECORDING_DELETED = "v1.recording.deleted"
"""RecordingDeleted."""
EDIT_REPORT = "v1.scribe.edit"
"""EditReport."""
# studio -> everybody
RECORDING_WITHHELD = "v1.recording.withheld"
"""RecordingWithheld."""

# every role -> supervisor
ROLE_METRICS = "v1.role.metrics"
ROLE_READY = "v1.role.ready"
# supervisor -> studio
NODE_HEALTH = "v1.node.health"
"""NodeHealth."""


def media(broadcast_id: str, codec: str) -> str:
    """stage -> edges: MediaChunk, in order of `seq`."""
    return f"v1.media.{broadcast_id}.{codec}"


def timed(broadcast_id: str) -> str:
    """stage -> edges: TimedEvent, delivered in band on the media timeline."""
    return f"v1.timed.{broadcast_id}"


def returns(session_id: str) -> str:
    """stage -> studio: ReturnPacket, of one speaker's WebSocket."""
    return f"v1.returns.{session_id}"


FIXED = frozenset(
    value for name, value in list(globals().items()) if name.isupper() and isinstance(value, str)
)
"""All subjects that have no identifier in them."""


def family(subject: str) -> str:
    """The subject without its identifier, for the label of a metric: `v1.media.*` for every broadcast's."""
    return subject if subject in FIXED else f"{'.'.join(subject.split('.')[:2])}.*"
