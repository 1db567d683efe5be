"""One broadcast, without threads, clocks or sockets: packets in, one mixed frame every 20 ms out.

`now` is monotonic seconds, `wall` Unix time of the tick, `media_time` 48 kHz samples since going live.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np

from hustings.audio.frame import FRAME_SAMPLES, SAMPLE_RATE, Frame, Samples, silence
from hustings.audio.limiter import Limiter
from hustings.audio.loudness import Leveller, ramp
from hustings.audio.opus import OpusEncoder
from hustings.bus.messages import Place, Role, SeatReport, TimedEvent, Way
from hustings.errors import Refused
from hustings.stage import places
from hustings.stage.returns import AUDIBLE_MEAN_SQUARE, PRIVATE_LINGERS, Returns
from hustings.stage.seat import Seat
from hustings.stage.tap import Tap, TickRecord
from hustings.stage.webrtc import rtp
from hustings.stage.whep_audience import NO_WISH, Batch, WhepAudience, Wish

MAX_SEATS = 256
"""Participants remembered; beyond, the one that left longest ago is forgotten."""
MAX_WAITING = 32
"""Connected in the green room at once; they do not count as voices."""
MAX_EVENT_KIND = 32
"""Characters."""
MAX_EVENT_DATA = 2048
"""Bytes of JSON, which is how listeners get it."""
METER_FRAMES = 10
"""What a meter shows is the loudest of so many frames: those since it was told last."""
FAR_HOLDS = 10.0
"""Seconds for which a receiver's report of its loss is believed."""
LATE_START = 0.5
"""Seconds after `live_since` within which going live still begins at media_time 0."""


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
    """What one tick gives: speakers' packets by session, the program frame when live."""

    packets: list[tuple[str, bytes]] = field(default_factory=list)
    audience: list[Batch] = field(default_factory=list)
    """Of those who listen by WHEP."""
    program: ProgramFrame | None = None
    record: TickRecord | None = None


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
    """Of one who speaks."""

    seat: Seat
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
        self.tap = Tap(self._limiter.delay)
        """What is recorded; its policy is the service's to set."""
        self._seats: dict[str, Seat] = {}
        self._sessions: dict[str, _Session] = {}
        self._ears: dict[str, places.Ear] = {}
        """By session of those who hear returns."""
        self._audience = WhepAudience()
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
        place: Place = "stage",
        aside: str = "",
        way: Way = "webrtc",
    ) -> str:
        """A participant's new session takes his seat. Returns the session it replaces, or "".

        Raises Refused (503) when all voices, or all places in the green room, are taken.
        """
        seat = self._seats.get(participant_id)
        self._check_room(place, seat)
        if seat is None:
            seat = self._new_seat(participant_id, name, role, muted)
        seat.name, seat.role = name or seat.name, role
        replaced = seat.session_id
        if replaced:
            self.disconnect(replaced)
        seat.place, seat.aside = place, aside
        seat.sit_down(session_id, payload_type, level_id, way)
        seat.on_air = places.on_air(seat, self._seats)
        self._sessions[session_id] = _Session(seat, returns)
        self.changed = True
        return replaced

    def _check_room(self, place: Place, seat: Seat | None) -> None:
        others = [other for other in self._seats.values() if other.session_id and other is not seat]
        taken = sum(1 for other in others if other.place == place)
        if place == "stage" and taken >= self._max_voices:
            raise Refused(503, "The stage is full", f"{self._max_voices} may speak at once in this room")
        if place == "green" and taken >= MAX_WAITING:
            raise Refused(503, "The green room is full", f"{MAX_WAITING} may wait at once; come back later")

    def place(self, participant_id: str, place: Place, aside: str) -> None:
        """Where a seat is heard from the next tick on. Raises Refused (404) when there is no such seat.

        How many may sit on the stage is not asked: the studio, who moves them, knows.
        """
        seat = self._seats.get(participant_id)
        if seat is None:
            raise Refused(404, "No such participant", "nobody of that id has been here")
        if (seat.place, seat.aside) == (place, aside):
            return
        was, seat.place, seat.aside = seat.place, place, aside
        self.changed = True
        if was != place:
            seat.speaking = False
            if seat.connected:
                self._event("joined" if place == "stage" else "left", _who(seat))

    def where(self, participant_id: str) -> tuple[Place, str] | None:
        """Place and aside of a seat; None when there is none."""
        seat = self._seats.get(participant_id)
        return None if seat is None else (seat.place, seat.aside)

    def remove(self, participant_id: str) -> str:
        """Forgets a seat. Returns the session that is to be closed, or ""; of the unknown there is none."""
        seat = self._seats.get(participant_id)
        if seat is None:
            return ""
        session_id = seat.session_id
        self.disconnect(session_id)
        self._forget(participant_id)
        self.changed = True
        return session_id

    def announce(self, kind: str, data: dict[str, Any]) -> None:
        """Puts an event on the timeline, at the present media time. Raises Refused (422)."""
        if not 0 < len(kind) <= MAX_EVENT_KIND:
            raise Refused(422, "Not an event", f"a kind has 1 to {MAX_EVENT_KIND} characters", "kind")
        try:
            size = len(msgspec.json.encode(data))
        except (TypeError, ValueError, RecursionError) as error:
            raise Refused(422, "Not an event", "the data cannot be written as JSON", "data") from error
        if size > MAX_EVENT_DATA:
            raise Refused(422, "Not an event", f"{size} bytes of data, {MAX_EVENT_DATA} may be", "data")
        self._event(kind, data)

    def listen(self, session_id: str, wish: Wish = NO_WISH) -> None:
        """A WHEP session: hears the program once live, silence before."""
        self._audience.add(session_id, wish)
        self.changed = True

    def disconnect(self, session_id: str) -> None:
        """A session is over; its participant's seat stays. Unknown sessions are none."""
        session = self._sessions.pop(session_id, None)
        if session is None and not self._audience.remove(session_id):
            return
        self.changed = True
        self._returns.forget(session_id)
        self._ears.pop(session_id, None)
        if session is not None:
            if session.seat.connected:
                self._tell("left", session.seat)
            session.seat.stand_up()

    def mute(self, participant_id: str, muted: bool) -> None:
        """Mutes or unmutes a seat, whether or not its participant is connected."""
        seat = self._seats.get(participant_id)
        if seat is None:
            seat = self._new_seat(participant_id, "", "speaker", False)
        if seat.muted != muted:
            seat.muted = muted
            self.changed = True
            self._tell("muted", seat, muted=muted)

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
        sessions = [*self._sessions, *self._audience]
        for session_id in sessions:
            self.disconnect(session_id)
        self.live = False
        self._returns.close()
        return sessions

    # --- media -------------------------------------------------------------------------------------

    def packet(self, session_id: str, data: bytes, now: float) -> None:
        """An RTP packet that arrived in a session."""
        session = self._sessions.get(session_id)
        if session is not None:
            session.seat.receive(data, now)

    def far(self, session_id: str, lost: float, age: float) -> None:
        """What the other side of a session says it lost of what we send; `age`: seconds ago."""
        if session_id in self._sessions or session_id in self._audience:
            self._returns.far(session_id, lost if age < FAR_HOLDS else 0.0)

    def tick(self, now: float, wall: float, skipped: int = 0) -> TickOutput:
        """One 20 ms step. `skipped`: ticks that could not be run before this one; media time jumps."""
        self._wall = wall
        output = TickOutput()
        if self.live:
            self.media_time += skipped * FRAME_SAMPLES
        if not self._sessions and not self._audience and not self.live:
            return output
        heard, frames, voices = self._pull(now)
        seats = [seat for seat in heard if seat.on_air or seat.moved]
        frames = frames[: len(seats)]
        total, program = self._mix(seats, frames)
        packet, private = self._encode_returns(now, seats, frames, total, program, voices)
        self._address(output, packet, private, skipped)
        output.record = self.tap.take(self._seats.values(), self.live, self.media_time, wall, program)
        if self.live:
            output.program = ProgramFrame(self.broadcast_id, self.media_time, wall, program, packet)
            self.media_time += FRAME_SAMPLES
        return output

    def _pull(self, now: float) -> tuple[list[Seat], np.ndarray, dict[str, Samples]]:
        """The seats that there is something to hear of, those for the mix first, and their frames; those at
        rest are left out. And by participant what those say who talk off air."""
        seated = self._seated()
        frames = np.empty((len(seated), FRAME_SAMPLES), dtype=np.float32)
        heard: list[Seat] = []
        for seat in seated:
            connected, speaking = seat.connected, seat.speaking
            if seat.pull(now, frames[len(heard)]):
                heard.append(seat)
            if connected != seat.connected or speaking != seat.speaking:
                self._note(seat, connected, speaking)
        frames = frames[: len(heard)]
        Seat.level_and_mute(heard, frames, self._leveller)
        asides = {seat.aside for seat in seated} | {ear.now.partner for ear in self._ears.values()}
        voices: dict[str, Samples] = {}
        for seat, frame in zip(heard, frames, strict=True):
            if seat.participant_id in asides:
                voices[seat.participant_id] = frame.copy()
            if seat.moved:
                frame *= places.FADE_IN if seat.on_air else places.FADE_OUT
        return heard, frames, voices

    def _seated(self) -> list[Seat]:
        """All with a session, those for the mix first; decides who is on air in this tick."""
        seated = [seat for seat in self._seats.values() if seat.session_id]
        for seat in seated:
            was, seat.on_air = seat.on_air, places.on_air(seat, self._seats)
            seat.moved = was != seat.on_air
        if not all(seat.on_air or seat.moved for seat in seated):
            seated.sort(key=lambda seat: not (seat.on_air or seat.moved))
        return seated

    def _mix(self, seats: list[Seat], frames: np.ndarray) -> tuple[Frame, Frame]:
        """The levelled mix before and after limiting; `frames` are brought to the program's gain too."""
        total: Frame = np.add.reduce(frames, axis=0) if seats else silence()
        before = self._leveller.gain_db
        levelled = self._leveller.process(total, any(seat.speaking for seat in seats))
        after = self._leveller.gain_db
        if levelled is not total:
            frames *= ramp(10.0 ** (before / 20.0), 10.0 ** (after / 20.0))
        return levelled, self._limiter.process(levelled)

    def _encode_returns(
        self,
        now: float,
        seats: list[Seat],
        frames: np.ndarray,
        total: Frame,
        program: Frame,
        voices: dict[str, Samples],
    ) -> tuple[bytes, dict[str, bytes]]:
        squares = np.einsum("ij,ij->i", frames, frames).tolist() if seats else []
        feeds = self._feeds(voices)
        rows: list[int] = []
        for row, (seat, square) in enumerate(zip(seats, squares, strict=True)):
            # Measured in what is mixed, not taken from the sender's word: nobody hears himself.
            if square > AUDIBLE_MEAN_SQUARE * FRAME_SAMPLES:
                seat.private_until = now + PRIVATE_LINGERS
            private = seat.private_until > now or seat.session_id in feeds
            if private and self._sessions[seat.session_id].returns:
                rows.append(row)
        keys = [seats[row].session_id for row in rows]
        own, befores = frames[rows], [seats[row].previous for row in rows]
        # Who is not in the mix has nothing of his own in it, and yet may hear something of his own.
        outside = []
        if feeds:
            outside = [s for s in self._seats.values() if s.session_id in feeds and s not in seats]
        if outside:
            own = np.concatenate((own, np.zeros((len(outside), FRAME_SAMPLES), dtype=np.float32)))
            keys += [seat.session_id for seat in outside]
            befores += [seat.previous for seat in outside]
        own_before = np.array(befores).reshape(-1, FRAME_SAMPLES)
        result = self._returns.encode(program, total, keys, own, own_before, feeds)
        for seat in outside:
            seat.previous = silence()
        for seat, frame in zip(seats, frames, strict=True):
            seat.previous = frame
        return result

    def _feeds(self, voices: dict[str, Samples]) -> dict[str, places.Feed]:
        """By session, the returns that hold another thing than the mix without oneself. In the tick in which
        a seat goes on or off air, and in the one after it, that is so, too."""
        feeds: dict[str, places.Feed] = {}
        for session_id, session in self._sessions.items():
            seat = session.seat
            if not session.returns:
                continue
            ear = self._ears.get(session_id)
            if ear is not None and ear.plain and seat.place == "stage" and not (seat.aside or seat.moved):
                continue  # hears the mix, as before
            wanted = places.hears(seat, self._seats, self.live)
            if ear is None:
                ear = self._ears[session_id] = places.Ear(wanted)
            feed = ear.feed(wanted, voices, seat.moved)
            if feed is not None:
                feeds[session_id] = feed
        return feeds

    def _address(self, output: TickOutput, packet: bytes, private: dict[str, bytes], skipped: int) -> None:
        """Who gets which packet."""
        robust = self._returns.robust
        for session_id, session in self._sessions.items():
            if session.returns:
                silent = self._ears[session_id].silent
                shared = self._silent_packet if silent else robust.get(session_id, packet)
                output.packets.append((session_id, private.get(session_id, shared)))
        heard = (packet, robust) if self.live else (self._silent_packet, {})
        output.audience = self._audience.packets(*heard, skipped)

    # --- what is told ------------------------------------------------------------------------------

    def drain_events(self) -> list[TimedEvent]:
        """Events since the last call, oldest first."""
        events, self._events = self._events, []
        return events

    def seat_reports(self) -> list[SeatReport]:
        """All seats, connected or not, in order of first arrival."""
        return [seat.report() for seat in self._seats.values()]

    def levels(self) -> dict[str, int]:
        """For meters: dBov of all who are connected."""
        return {
            seat.participant_id: seat.level(METER_FRAMES) for seat in self._seats.values() if seat.connected
        }

    @property
    def egress_sessions(self) -> int:
        """WHEP sessions."""
        return len(self._audience)

    @property
    def lookahead(self) -> int:
        """Pre-skip of the program's Opus stream in samples."""
        return self._returns.lookahead

    def _note(self, seat: Seat, was_connected: bool, was_speaking: bool) -> None:
        self.changed = True
        if seat.connected != was_connected:
            self._tell("joined" if seat.connected else "left", seat)
        if seat.speaking != was_speaking:
            self._tell("speaking", seat, speaking=seat.speaking)

    def _tell(self, kind: str, seat: Seat, **data: Any) -> None:
        """Something of a participant, for the audience; who waits is none of its business."""
        if seat.place == "stage":
            self._event(kind, {**_who(seat), **data})

    def _event(self, kind: str, data: dict[str, Any]) -> None:
        self._event_count += 1
        self._events.append(
            TimedEvent(
                broadcast_id=self.broadcast_id,
                # Grows over restarts too, each of which begins a new epoch.
                seq=self.epoch << 32 | self._event_count,
                media_time=self.media_time,
                wall_clock=self._wall,
                kind=kind,
                data=data,
            )
        )

    def _new_seat(self, participant_id: str, name: str, role: Role, muted: bool) -> Seat:
        if len(self._seats) >= MAX_SEATS:
            gone = next((key for key, seat in self._seats.items() if not seat.session_id), None)
            if gone is None:
                raise Refused(503, "The stage is full", f"{MAX_SEATS} participants are known already")
            self._forget(gone)
        seat = Seat(participant_id, name=name, role=role, muted=muted, levelling=self._levelling)
        self._seats[participant_id] = seat
        return seat

    def _forget(self, participant_id: str) -> None:
        """A seat is given up; who was to talk aside with it is back on the stage."""
        self._seats.pop(participant_id, None)
        for seat in self._seats.values():
            if seat.aside == participant_id:
                seat.aside = ""

    def _encode_silence(self) -> bytes:
        """An Opus packet of digital silence, for those who may not hear anything yet."""
        returns = Returns(32_000, 0)
        none = np.zeros((0, FRAME_SAMPLES), dtype=np.float32)
        packet, _ = returns.encode(silence(), silence(), [], none, none)
        returns.close()
        return packet


def _who(seat: Seat) -> dict[str, Any]:
    return {"participant_id": seat.participant_id, "name": seat.name}
