"""One participant's place on the stage: what his packets become, and what is remembered of him.

A seat outlives its sessions: whoever comes back finds mute state, levelling and talk time as they were.
"""

from __future__ import annotations

from collections import deque

import numpy as np
from numpy.typing import NDArray

from hustings.audio.frame import FRAME_SAMPLES, FRAME_SECONDS, Frame, silence
from hustings.audio.level import SILENT_DBOV, SpeakingDetector
from hustings.audio.loudness import Leveller
from hustings.audio.receiver import Receiver
from hustings.bus.messages import Role, SeatReport
from hustings.errors import Corrupt
from hustings.stage.quiet import QuietGate, SparingDecoder
from hustings.stage.webrtc import rtp

VANISHED_AFTER = 3.0
"""Seconds without a packet after which a participant counts as not connected. The connection itself only
notices when ICE consent expires, up to 30 s later (RFC 7675 5.1)."""
NEW_SOURCE_AFTER = 0.2
"""Seconds the known SSRC must have been silent before another one of the same session is believed."""
_FADE_OUT = np.linspace(1.0, 0.0, FRAME_SAMPLES, dtype=np.float32)
_FADE_IN = np.ascontiguousarray(_FADE_OUT[::-1])


class Seat:
    """A participant, connected or not. `now` is monotonic seconds throughout."""

    def __init__(self, participant_id: str, *, name: str, role: Role, muted: bool, levelling: bool) -> None:
        self.participant_id = participant_id
        self.name = name
        self.role: Role = role
        self.muted = muted
        self.session_id = ""
        """The session that speaks from here now; "" for none."""
        self.connected = False
        """Packets are coming."""
        self.speaking = False
        self.talked_seconds = 0.0
        self.packets_received = 0
        self.packets_rejected = 0
        """Not RTP, not the agreed payload type, or from a source not believed."""
        self.previous: Frame = silence()
        """What went into the mix in the tick before."""
        self.private_until = -1.0
        """Until when the return feed is the seat's own encode."""
        self.last_packet = -VANISHED_AFTER
        self._receiver: Receiver | None = None
        self._gate = QuietGate()
        self._ssrc = 0
        self._payload_type = 0
        self._level_id = 0
        self._was_muted = muted
        self._detector = SpeakingDetector()
        self._leveller = Leveller(-18.0, enabled=levelling)
        self._levels: deque[float] = deque(maxlen=round(1 / FRAME_SECONDS))
        self._concealed_before = 0

    def sit_down(self, session_id: str, payload_type: int, level_id: int) -> None:
        """A new session speaks from here; nothing of the old one's packets is left."""
        self.stand_up()
        self.session_id = session_id
        self._payload_type = payload_type
        self._level_id = level_id

    def stand_up(self) -> None:
        """The session is over."""
        self.session_id = ""
        self.connected = False
        self.speaking = False
        self.last_packet = -VANISHED_AFTER
        self.previous = silence()
        self.private_until = -1.0
        self._levels.clear()
        self._forget_source()

    def receive(self, data: bytes, now: float) -> None:
        """Takes one RTP packet of the seat's session. Never raises for what the network brings."""
        try:
            packet = rtp.parse(data, self._level_id)
        except Corrupt:
            self.packets_rejected += 1
            return
        if packet.payload_type != self._payload_type:
            self.packets_rejected += 1
            return
        if self._receiver is None or packet.ssrc != self._ssrc:
            if self._receiver is not None and now - self.last_packet < NEW_SOURCE_AFTER:
                self.packets_rejected += 1
                return
            self._forget_source()
            self._receiver, self._ssrc = Receiver(decoder=SparingDecoder()), packet.ssrc
            self._gate = QuietGate()
        self.last_packet = now
        if packet.payload:  # an empty one only keeps the connection's bindings open
            self.packets_received += 1
            level = None if packet.level is None else -float(packet.level)
            payload = self._gate.mark(packet.payload, level)
            self._receiver.push(packet.sequence, packet.timestamp, payload, now, level)

    def pull(self, now: float, into: NDArray[np.float32]) -> None:
        """Writes the seat's frame of this tick, levelled and muted, into `into`, shape (960,)."""
        self.connected = bool(self.session_id) and now - self.last_packet < VANISHED_AFTER
        if self._receiver is None:
            self.speaking = False
            into.fill(0.0)
            return
        pulled = self._receiver.pull(now)
        heard = self._detector.update(pulled.level_dbov, now)
        self.speaking = heard and self.connected and not self.muted
        self._levels.append(SILENT_DBOV if self.muted else pulled.level_dbov)
        if self.speaking:
            self.talked_seconds += FRAME_SECONDS
        if self.muted and self._was_muted:
            into.fill(0.0)
            return
        into[:] = self._leveller.process(pulled.frame, self.speaking)
        if self.muted != self._was_muted:
            into *= _FADE_OUT if self.muted else _FADE_IN
            self._was_muted = self.muted

    def report(self) -> SeatReport:
        """The seat as the studio sees it."""
        stats = self._receiver.stats if self._receiver else None
        return SeatReport(
            participant_id=self.participant_id,
            name=self.name,
            role=self.role,
            connected=self.connected,
            muted=self.muted,
            speaking=self.speaking,
            level_dbov=round(max(self._levels, default=SILENT_DBOV), 1),
            talked_seconds=round(self.talked_seconds, 2),
            packets_received=self.packets_received,
            frames_concealed=self._concealed_before + (stats.frames_concealed if stats else 0),
            playout_delay_ms=round(1000 * stats.playout_delay, 1) if stats else 0.0,
        )

    def _forget_source(self) -> None:
        receiver, self._receiver = self._receiver, None
        if receiver is not None:
            self._concealed_before += receiver.stats.frames_concealed
            receiver.close()
