"""One broadcast, without threads, clocks or sockets: packets in, one mixed frame every 20 ms out.

`now` is monotonic seconds, `wall` Unix time of the tick, `media_time` 48 kHz samples since going live.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from hustings.audio.frame import FRAME_SAMPLES, SAMPLE_RATE, Frame, silence
from hustings.audio.limiter import Limiter
from hustings.audio.loudness import Leveller
from hustings.audio.opus import OpusEncoder
from hustings.bus.messages import Role, SeatReport, TimedEvent
from hustings.errors import Refused
from hustings.stage.returns import AUDIBLE_MEAN_SQUARE, PRIVATE_LINGERS, Returns
from hustings.stage.seat import Seat
from hustings.stage.webrtc import rtp

MAX_SEATS = 256
"""Participants remembered; beyond, the one that left longest ago is forgotten."""
LATE_START = 0.5
"""Seconds after `live_since` within which going live still begins at media_time 0."""
_RAMP = (np.arange(1, FRAME_SAMPLES + 1) / FRAME_SAMPLES).astype(np.float32)


@dataclass(frozen=True, slots=True)
class ProgramFrame:
    """20 ms of the audience's mix. `packet` is its Opus packet; `wall_clock` when it left the mixer."""

    broadcast_id: str
    media_time: int
    wall_clock: float
    frame: Frame
    packet: bytes


@dataclass(slots=True)
class TickOutput:
    """What one tick gives: packets by session, the program frame when live."""

    packets: list[tuple[str, bytes]] = field(default_factory=list)
    program: ProgramFrame | None = None


def warm_up() -> int:
    """Runs all code of a tick once, so that the first real one does not pay for tables, code caches and
    memory. Returns the program encoder's pre-skip in samples."""
    engine = BroadcastEngine("warm-up", "warm-up")
    encoder = OpusEncoder()
    options = {"name": "", "role": "speaker", "muted": False, "payload_type": 111, "level_id": 1}
    for name in ("a", "b"):
        engine.connect(name, participant_id=name, returns=True, **options)  # type: ignore[arg-type]  # a mix
    engine.go_live(0.0, 0.0)
    tone = np.sin(np.arange(FRAME_SAMPLES) / 10).astype(np.float32)
    for n in range(26):
        for ssrc, name in enumerate(("a", "b")):
            data = rtp.build(111, n, n * FRAME_SAMPLES, ssrc, encoder.encode(tone), extensions={1: b"\x05"})
            engine.packet(name, data, n * 0.02)
        engine.tick(n * 0.02, n * 0.02)
    engine.drain_events()
    engine.seat_reports()
    engine.close()
    return engine.lookahead


@dataclass(frozen=True, slots=True)
class _Session:
    kind: Literal["ingest", "egress"]
    seat: Seat | None
    returns: bool


class BroadcastEngine:
    """Seats, mixer, return feeds and program of one broadcast."""

    def __init__(
        self,
        broadcast_id: str,
        slug: str,
        *,
        epoch: int = 0,
        levelling: bool = True,
        max_voices: int = 13,
        bitrate: int = 64_000,
        wall: float = 0.0,
    ) -> None:
        self.broadcast_id = broadcast_id
        self.slug = slug
        self.epoch = epoch
        self.live = False
        self.media_time = 0
        """Of the next tick's frame; 0 until live."""
        self.changed = True
        """Something a report tells at once has changed; the reader sets it back."""
        self._levelling = levelling
        self._max_voices = max_voices
        self._leveller = Leveller(-16.0, enabled=levelling)
        self._limiter = Limiter(-1.0)
        self._returns = Returns(bitrate, self._limiter.delay)
        self._seats: dict[str, Seat] = {}
        self._sessions: dict[str, _Session] = {}
        self._events: list[TimedEvent] = []
        self._event_count = 0
        self._wall = wall
        self._silent_packet = self._encode_silence()

    # --- commands ----------------------------------------------------------------------------------

    def connect(
        self,
        session_id: str,
        *,
        participant_id: str,
        name: str,
        role: Role,
        muted: bool,
        payload_type: int,
        level_id: int,
        returns: bool,
    ) -> str:
        """A participant's new session takes his seat. Returns the session it replaces, or "".

        Raises Refused (503) when all voices are taken.
        """
        seat = self._seats.get(participant_id)
        taken = sum(1 for other in self._seats.values() if other.session_id and other is not seat)
        if taken >= self._max_voices:
            raise Refused(503, "The stage is full", f"{self._max_voices} may speak at once in this room")
        if seat is None:
            seat = self._new_seat(participant_id, name, role, muted)
        seat.name, seat.role = name or seat.name, role
        replaced = seat.session_id
        if replaced:
            self.disconnect(replaced)
        seat.sit_down(session_id, payload_type, level_id)
        self._sessions[session_id] = _Session("ingest", seat, returns)
        self.changed = True
        return replaced

    def listen(self, session_id: str) -> None:
        """A WHEP session: hears the program once live, silence before."""
        self._sessions[session_id] = _Session("egress", None, True)
        self.changed = True

    def disconnect(self, session_id: str) -> None:
        """A session is over; its participant's seat stays. Unknown sessions are none."""
        session = self._sessions.pop(session_id, None)
        if session is None:
            return
        self.changed = True
        self._returns.forget(session_id)
        if session.seat is not None:
            if session.seat.connected:
                self._event("left", session.seat)
            session.seat.stand_up()

    def mute(self, participant_id: str, muted: bool) -> None:
        """Mutes or unmutes a seat, whether or not its participant is connected."""
        seat = self._seats.get(participant_id)
        if seat is None:
            seat = self._new_seat(participant_id, "", "speaker", False)
        if seat.muted != muted:
            seat.muted = muted
            self.changed = True
            self._event("muted", seat, muted=muted)

    def go_live(self, live_since: float, wall: float) -> None:
        """Program output begins. Repeating it changes nothing.

        Normally at media_time 0. When `live_since` (Unix time of media_time 0) is already past, by a
        restart (epoch > 0) or a late message, media time goes on at (wall - live_since).
        """
        if self.live:
            return
        elapsed = max(0.0, wall - live_since)
        if self.epoch == 0 and elapsed < LATE_START:
            elapsed = 0.0
        self.media_time = -(-round(elapsed * SAMPLE_RATE) // FRAME_SAMPLES) * FRAME_SAMPLES
        self.live = True
        self.changed = True
        # What was said behind closed doors must not leak through look-ahead and encoder memory.
        self._limiter = Limiter(-1.0)
        self._returns.begin_program()

    def close(self) -> list[str]:
        """Ends the broadcast; returns the sessions that are to be closed."""
        sessions = list(self._sessions)
        for session_id in sessions:
            self.disconnect(session_id)
        self.live = False
        self._returns.close()
        return sessions

    # --- media -------------------------------------------------------------------------------------

    def packet(self, session_id: str, data: bytes, now: float) -> None:
        """An RTP packet that arrived in a session."""
        session = self._sessions.get(session_id)
        if session is not None and session.seat is not None:
            session.seat.receive(data, now)

    def tick(self, now: float, wall: float, skipped: int = 0) -> TickOutput:
        """One 20 ms step. `skipped`: ticks that could not be run before this one; media time jumps."""
        self._wall = wall
        output = TickOutput()
        if self.live:
            self.media_time += skipped * FRAME_SAMPLES
        if not self._sessions and not self.live:
            return output
        seats = [s for s in self._seats.values() if s.session_id]
        frames = np.empty((len(seats), FRAME_SAMPLES), dtype=np.float32)
        for seat, row in zip(seats, frames, strict=True):
            before = seat.connected, seat.speaking
            seat.pull(now, row)
            if before != (seat.connected, seat.speaking):
                self._note(seat, *before)
        total, program = self._mix(seats, frames)
        packet, private = self._encode_returns(now, seats, frames, total, program)
        self._address(output, packet, private)
        if self.live:
            output.program = ProgramFrame(self.broadcast_id, self.media_time, wall, program, packet)
            self.media_time += FRAME_SAMPLES
        return output

    def _mix(self, seats: list[Seat], frames: np.ndarray) -> tuple[Frame, Frame]:
        """The levelled mix before and after limiting; `frames` are brought to the program's gain too."""
        total: Frame = np.add.reduce(frames, axis=0) if seats else silence()
        before = self._leveller.gain_db
        levelled = self._leveller.process(total, any(seat.speaking for seat in seats))
        after = self._leveller.gain_db
        if levelled is not total:
            low, high = 10.0 ** (before / 20.0), 10.0 ** (after / 20.0)
            frames *= np.float32(low) + np.float32(high - low) * _RAMP
        return levelled, self._limiter.process(levelled)

    def _encode_returns(
        self, now: float, seats: list[Seat], frames: np.ndarray, total: Frame, program: Frame
    ) -> tuple[bytes, dict[str, bytes]]:
        squares = np.einsum("ij,ij->i", frames, frames).tolist() if seats else []
        rows: list[int] = []
        for row, (seat, square) in enumerate(zip(seats, squares, strict=True)):
            # Measured in what is mixed, not taken from the sender's word: nobody hears himself.
            if square > AUDIBLE_MEAN_SQUARE * FRAME_SAMPLES:
                seat.private_until = now + PRIVATE_LINGERS
            if seat.private_until > now and self._sessions[seat.session_id].returns:
                rows.append(row)
        own_before = np.array([seats[row].previous for row in rows]).reshape(-1, FRAME_SAMPLES)
        keys = [seats[row].session_id for row in rows]
        result = self._returns.encode(program, total, keys, frames[rows], own_before)
        for seat, frame in zip(seats, frames, strict=True):
            seat.previous = frame
        return result

    def _address(self, output: TickOutput, packet: bytes, private: dict[str, bytes]) -> None:
        """Who gets which packet: talkers first, the audience by WHEP last."""
        for_audience = packet if self.live else self._silent_packet
        audience: list[tuple[str, bytes]] = []
        for session_id, session in self._sessions.items():
            if session.kind == "egress":
                audience.append((session_id, for_audience))
            elif session.returns:
                output.packets.append((session_id, private.get(session_id, packet)))
        output.packets += audience

    # --- what is told ------------------------------------------------------------------------------

    def drain_events(self) -> list[TimedEvent]:
        """Events since the last call, oldest first."""
        events, self._events = self._events, []
        return events

    def seat_reports(self) -> list[SeatReport]:
        """All seats, connected or not, in order of first arrival."""
        return [seat.report() for seat in self._seats.values()]

    @property
    def egress_sessions(self) -> int:
        """WHEP sessions."""
        return sum(1 for session in self._sessions.values() if session.kind == "egress")

    @property
    def lookahead(self) -> int:
        """Pre-skip of the program's Opus stream in samples."""
        return self._returns.lookahead

    def _note(self, seat: Seat, was_connected: bool, was_speaking: bool) -> None:
        self.changed = True
        if seat.connected != was_connected:
            self._event("joined" if seat.connected else "left", seat)
        if seat.speaking != was_speaking:
            self._event("speaking", seat, speaking=seat.speaking)

    def _event(self, kind: str, seat: Seat, **data: Any) -> None:
        self._event_count += 1
        self._events.append(
            TimedEvent(
                broadcast_id=self.broadcast_id,
                # Grows over restarts too, each of which begins a new epoch.
                seq=self.epoch << 32 | self._event_count,
                media_time=self.media_time,
                wall_clock=self._wall,
                kind=kind,
                data={"participant_id": seat.participant_id, "name": seat.name, **data},
            )
        )

    def _new_seat(self, participant_id: str, name: str, role: Role, muted: bool) -> Seat:
        if len(self._seats) >= MAX_SEATS:
            gone = next((key for key, seat in self._seats.items() if not seat.session_id), None)
            if gone is None:
                raise Refused(503, "The stage is full", f"{MAX_SEATS} participants are known already")
            del self._seats[gone]
        seat = Seat(participant_id, name=name, role=role, muted=muted, levelling=self._levelling)
        self._seats[participant_id] = seat
        return seat

    def _encode_silence(self) -> bytes:
        """An Opus packet of digital silence, for those who may not hear anything yet."""
        returns = Returns(32_000, 0)
        none = np.zeros((0, FRAME_SAMPLES), dtype=np.float32)
        packet, _ = returns.encode(silence(), silence(), [], none, none)
        returns.close()
        return packet
