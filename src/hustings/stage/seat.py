"""One participant's place on the stage: what his packets become, and what is remembered of him.

A seat outlives its sessions: whoever comes back finds mute state, levelling and talk time as they were.
"""

from __future__ import annotations

from collections import deque

import numpy as np
from numpy.typing import NDArray
from prometheus_client import Counter

from hustings.audio.frame import FRAME_SAMPLES, FRAME_SECONDS, Frame, silence
from hustings.audio.level import SILENT_DBOV, SpeakingDetector
from hustings.audio.loudness import Leveller
from hustings.audio.receiver import Kind, Receiver
from hustings.bus.messages import Place, Role, SeatReport, Way
from hustings.errors import Corrupt
from hustings.stage.loss import LossMeter
from hustings.stage.quiet import PACKETS_BEFORE, QUIET_LEVEL, Rest
from hustings.stage.webrtc import rtp

VANISHED_AFTER = 3.0
"""Seconds without a packet after which a participant counts as not connected. The connection itself only
notices when ICE consent expires, up to 30 s later (RFC 7675 5.1)."""
NEW_SOURCE_AFTER = 0.2
"""Seconds the known SSRC must have been silent before another one of the same session is believed."""
MOST_GATHERED = 512
"""Packets of one tick kept for the recording; the library's queue holds no more of a seat."""
_frames = Counter(
    "hustings_stage_speaker_frames_total",
    "Frames of 20 ms taken from speakers: voice as it came, fec from in-band error correction, concealed "
    "(invented for what did not come), silence (nothing came for longer).",
    ["kind"],
)
_count_frame: dict[Kind, Counter] = {
    kind: _frames.labels(kind) for kind in ("voice", "fec", "concealed", "silence")
}
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
        self.way: Way = "webrtc"
        """How the session's packets come."""
        self.connected = False
        """Packets are coming."""
        self.place: Place = "stage"
        self.aside = ""
        """With whom he is to talk off air (PlaceParticipant); "" for nobody."""
        self.on_air = True
        """Heard in the program, as of the last tick; the engine decides."""
        self.moved = False
        """Went on or off air in this tick."""
        self.voice = False
        """Somebody speaks here, on air or not."""
        self.speaking = False
        """... on air: what the audience is told, and what counts as talk time."""
        self.talked_seconds = 0.0
        self.packets_received = 0
        self.packets_rejected = 0
        """Not RTP, not the agreed payload type, or from a source not believed."""
        self.previous: Frame = silence()
        """What went into the mix in the tick before."""
        self.private_until = -1.0
        """Until when the return feed is the seat's own encode."""
        self.last_packet = -VANISHED_AFTER
        self.gathered: list[bytes] = []
        """Packets accepted since `gather`, for the recording."""
        self._not_gathered = 0
        self.played: tuple[int, int] | None = None
        """(SSRC, RTP timestamp) of the sample after this tick's frame; None when nothing was played."""
        self._receiver: Receiver | None = None
        self._rest: Rest | None = None
        self._idle = 0
        self._ssrc = 0
        self._payload_type = 0
        self._level_id = 0
        self._was_muted = muted
        self._detector = SpeakingDetector()
        self._leveller = Leveller(-18.0, enabled=levelling)
        self._levels: deque[float] = deque(maxlen=round(1 / FRAME_SECONDS))
        self._concealed_before = 0
        self._loss = LossMeter()

    def sit_down(self, session_id: str, payload_type: int, level_id: int, way: Way = "webrtc") -> None:
        """A new session speaks from here; nothing of the old one's packets is left."""
        self.stand_up()
        self.session_id = session_id
        self.way = way
        self._payload_type = payload_type
        self._level_id = level_id

    def stand_up(self) -> None:
        """The session is over."""
        self.session_id = ""
        self.connected = False
        self.voice = self.speaking = False
        self.last_packet = -VANISHED_AFTER
        self.previous = silence()
        self.private_until = -1.0
        self._levels.clear()
        self._forget_source()

    @property
    def level_id(self) -> int:
        """Extension id of the level in this session's packets (RFC 6464), 0 for none."""
        return self._level_id

    def gather(self) -> tuple[list[bytes], int]:
        """The packets received since the last call, and how many more there were."""
        packets, self.gathered = self.gathered, []
        missed, self._not_gathered = self._not_gathered, 0
        return packets, missed

    def _count(self, data: bytes) -> None:
        self.packets_received += 1
        if len(self.gathered) < MOST_GATHERED:
            self.gathered.append(data)
        else:
            self._not_gathered += 1

    def receive(self, data: bytes, now: float) -> None:
        """Takes one RTP packet of the seat's session. Never raises for what the network brings."""
        if self._rest is not None:
            level = self._rest.take(data, now)
            if level is not None:
                self.last_packet = now
                self._count(data)
                self._levels.append(SILENT_DBOV if self.muted else -float(level))
                self._loss.take(data[2] << 8 | data[3], now)
                return
            self._wake()
        self._read(data, now)

    def _read(self, data: bytes, now: float) -> None:
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
            self._receiver, self._ssrc = Receiver(), packet.ssrc
        self.last_packet = now
        self._loss.take(packet.sequence, now)
        if packet.payload:  # an empty one only keeps the connection's bindings open
            self._count(data)
            idle = self.muted or (packet.level is not None and packet.level >= QUIET_LEVEL)
            self._idle = self._idle + 1 if idle else 0
            self._push(self._receiver, packet, now)

    @staticmethod
    def _push(receiver: Receiver, packet: rtp.RtpPacket, now: float) -> None:
        level = None if packet.level is None else -float(packet.level)
        receiver.push(packet.sequence, packet.timestamp, packet.payload, now, level)

    def pull(self, now: float, into: NDArray[np.float32]) -> bool:
        """Writes the seat's frame of this tick into `into`, shape (960,), as it came; then `level_and_mute`.

        False: there is nothing to hear, and `into` is as it was.
        """
        self.connected = bool(self.session_id) and now - self.last_packet < VANISHED_AFTER
        self.played = None
        if not self._awake(now):
            return False
        assert self._receiver is not None
        pulled = self._receiver.pull(now)
        _count_frame[pulled.kind].inc()
        if pulled.media_time is not None:
            self.played = (self._ssrc, self._receiver.timestamp(pulled.media_time))
        heard = self._detector.update(pulled.level_dbov, now)
        self.voice = heard and self.connected and not self.muted
        self.speaking = self.voice and self.on_air
        self._levels.append(SILENT_DBOV if self.muted else pulled.level_dbov)
        if self.speaking:
            self.talked_seconds += FRAME_SECONDS
        into[:] = pulled.frame
        return True

    @staticmethod
    def level_and_mute(seats: list[Seat], frames: NDArray[np.float32], program: Leveller) -> None:
        """Brings what was pulled, shape (len(seats), 960), to its level and mutes it, in place. `program`
        measures what it has to measure together with them."""
        levellers = [seat._leveller for seat in seats]
        Leveller.process_all(levellers, frames, [seat.voice for seat in seats], program)
        for seat, frame in zip(seats, frames, strict=True):
            if seat.muted and seat._was_muted:
                frame.fill(0.0)
            elif seat.muted != seat._was_muted:
                frame *= _FADE_OUT if seat.muted else _FADE_IN
                seat._was_muted = seat.muted

    # --- rest ----------------------------------------------------------------------------------------

    def _awake(self, now: float) -> bool:
        """Whether there is something to pull; where there is not, the seat goes or stays at rest."""
        if self._receiver is None:
            self.voice = self.speaking = False
            return False
        if self._rest is not None:
            if self._rest.any_level and not self.muted:
                self._wake()
            elif not self.connected:
                self._levels.clear()
        elif self._idle > PACKETS_BEFORE and not self.voice and self.private_until <= now:
            fading = self.muted != self._was_muted
            if not fading:
                self._lie_down(self._receiver)
        return self._rest is None

    def _lie_down(self, receiver: Receiver) -> None:
        receiver.rest()
        self._rest = Rest(self._ssrc, self._payload_type, self._level_id, any_level=self.muted)
        self.previous = silence()

    def _wake(self) -> None:
        """What came in the last half second goes to the receiver as it came then."""
        rest, self._rest = self._rest, None
        self._idle = 0
        if rest is None or self._receiver is None:
            return
        packets = rest.packets()
        if packets:
            self._receiver.resume(packets[0][0])
        for arrived, packet in packets:
            self._push(self._receiver, packet, arrived)
        self._receiver.lead_ends()

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
            place=self.place,
            aside=self.aside,
            loss=round(self._loss.share, 3),
            jitter_ms=round(1000 * stats.jitter, 1) if stats else 0.0,
            way=self.way,
        )

    def level(self, frames: int) -> int:
        """Loudest of so many last frames in whole dBov; -127 while muted."""
        return round(max(list(self._levels)[-frames:], default=SILENT_DBOV))

    def _forget_source(self) -> None:
        receiver, self._receiver = self._receiver, None
        self.played = None
        self._rest = None
        self._idle = 0
        self._loss = LossMeter()
        if receiver is not None:
            self._concealed_before += receiver.stats.frames_concealed
            receiver.close()
