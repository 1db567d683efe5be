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

# stage -> everybody
STAGE_HELLO = "v1.stage.hello"
"""StageHello: a stage has (re)started and knows nothing; the studio opens its broadcasts again."""
STAGE_REPORT = "v1.stage.report"
"""StageReport: once a second per broadcast, and at once when who is speaking or connected changes."""

# edge -> stage: request, answered by Window
MEDIA_WINDOW = "v1.media.window"

# studio -> edges
ROOMS_UPDATE = "v1.rooms.update"
"""RoomPublic: one room's page, state and status, whenever they change."""
# edge -> studio: request, answered by RoomsSnapshot
ROOMS_SNAPSHOT = "v1.rooms.snapshot"

# edge -> studio
AUDIENCE_REPORT = "v1.audience.report"

# every role -> supervisor
ROLE_METRICS = "v1.role.metrics"
ROLE_READY = "v1.role.ready"


def media(broadcast_id: str, codec: str) -> str:
    """stage -> edges: MediaChunk, in order of `seq`."""
    return f"v1.media.{broadcast_id}.{codec}"


def timed(broadcast_id: str) -> str:
    """stage -> edges: TimedEvent, delivered in band on the media timeline."""
    return f"v1.timed.{broadcast_id}"
