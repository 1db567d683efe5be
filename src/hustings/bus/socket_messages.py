"""Sound of speakers whose network blocks UDP: RTP packets between the studio's WebSocket and the stage.

At most once, like all of the bus: what is lost is a gap in the sequence numbers, as on any network.
"""

from __future__ import annotations

from hustings.bus.messages import Message


class SpeakerPacket(Message, frozen=True, kw_only=True):
    """One RTP packet from a speaker's socket."""

    session_id: str
    data: bytes


class ReturnPacket(Message, frozen=True, kw_only=True):
    """One RTP packet for a speaker's ear; or, with `ended`, the word that the session is over and why."""

    data: bytes = b""
    ended: str = ""
