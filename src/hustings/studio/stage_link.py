"""Keeps the stage in step with what is committed: sent until acknowledged, over restarts of either side.

The database says what should be, the stage's hello and reports say what is; `next_step` is the
difference. One worker per broadcast sends it, so messages of one broadcast never overtake another.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator, Set
from dataclasses import dataclass, field
from typing import Protocol

import structlog
from prometheus_client import Counter

from hustings.bus import subjects
from hustings.bus.messages import (
    Done,
    GoLive,
    Message,
    MuteParticipant,
    OpenBroadcast,
    Place,
    PlaceParticipant,
    RemoveParticipant,
    SetRecording,
    StageHello,
    StageReport,
    StopBroadcast,
    Window,
    WindowRequest,
)
from hustings.errors import Refused, Unavailable
from hustings.rooms.decide import CONNECTABLE
from hustings.rooms.model import Participant, Room
from hustings.rooms.table import SeatState

log = structlog.get_logger()

BACK_OFF = (0.1, 0.2, 0.4, 0.8, 1.6, 3.0)
"""Seconds before the next try; the last one repeats."""
SILENCE = 6.0
"""Seconds without a report (they come once a second) after which the stage is asked what it has."""
REQUEST_TIMEOUT = 3.0
_NEVER = 2**53
_AS_GOOD_AS_DONE = (StopBroadcast, MuteParticipant, PlaceParticipant, RemoveParticipant, SetRecording)
"""Commands whose object is gone when the stage does not know it."""

_sent = Counter("hustings_studio_stage_commands_total", "Commands to the stage.", ["command", "outcome"])
_silences = Counter("hustings_studio_stage_silences_total", "Broadcasts whose reports stopped.")


class Requests(Protocol):
    """The part of the bus that is needed here."""

    async def request[M: Message](
        self, subject: str, message: Message, answer_type: type[M], timeout: float = 5.0
    ) -> M: ...


@dataclass(frozen=True, slots=True)
class Recording:
    """How a broadcast is recorded."""

    on: bool = False
    off_record: bool = False
    consents: frozenset[str] = frozenset()
    """Participants who agree to it."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the database says of a broadcast."""

    broadcast_id: str
    slug: str
    epoch: int
    live_since: float | None
    ended: bool
    end_reason: str = ""
    mutes: tuple[tuple[str, bool], ...] = ()
    places: tuple[tuple[str, tuple[Place, str]], ...] = ()
    """By participant: place and aside, of all who may be there."""
    gone: frozenset[str] = frozenset()
    """Participants who may not be on the stage (any more)."""
    levelling: bool = True
    max_voices: int = 13
    recording: Recording = Recording()


@dataclass(slots=True)
class Known:
    """What the stage is known to have. `epoch` is None before it has acknowledged the broadcast."""

    epoch: int | None = None
    live: bool = False
    stopped: bool = False
    recording: Recording | None = None
    """None: not known, so it is said again. Who has agreed is never taken for granted."""
    recording_refused: bool = False
    """The stage did not take it: everything else goes first until it does. A recording that cannot be
    told how to record writes nothing of anybody new; the broadcast does not wait for it."""
    mutes: dict[str, bool] = field(default_factory=dict)
    """By participant, of those the stage has told about or was told about."""
    places: dict[str, tuple[Place, str]] = field(default_factory=dict)


PRESENT = frozenset({SeatState.SEATED, SeatState.WAITING})
"""Seats whose owner may have a connection."""


def place_of(room: Room, person: Participant) -> tuple[Place, str]:
    """Where `person` is heard, and with whom he talks off air ("" for nobody)."""
    if person.state is not SeatState.WAITING:
        return "stage", person.aside
    hosts = (p.id for p in room.participants.values() if p.aside == person.id)
    return "green", next(hosts, "")


def wanted(
    room: Room, coming: Set[str] = frozenset(), *, levelling: bool = True, max_voices: int = 13
) -> Wanted | None:
    """What the stage should have of `room`; None when it never had a broadcast. `coming`: participants
    whose offer is with the stage while their seat is not committed yet."""
    broadcast = room.broadcast
    if broadcast is None:
        return None
    return Wanted(
        broadcast_id=broadcast.id,
        slug=room.slug,
        epoch=broadcast.epoch,
        live_since=broadcast.live_since,
        ended=room.status not in CONNECTABLE,
        end_reason=broadcast.end_reason,
        mutes=tuple((p.id, p.muted) for p in room.participants.values() if p.state in PRESENT),
        places=tuple((p.id, place_of(room, p)) for p in room.participants.values() if p.state in PRESENT),
        gone=frozenset(p.id for p in room.participants.values() if p.state not in PRESENT) - coming,
        levelling=levelling,
        max_voices=max_voices,
        recording=Recording(
            room.details.recording,
            broadcast.is_off_record,
            frozenset(person for person in room.consents if room.agreed(person)),
        ),
    )


def next_step(want: Wanted, known: Known) -> tuple[str, Message] | None:
    """Subject and message of what has to be said next; None when the two agree."""
    if want.ended:
        if known.stopped:
            return None
        stop = StopBroadcast(broadcast_id=want.broadcast_id, reason=want.end_reason or "ended")
        return subjects.STAGE_STOP, stop
    if known.epoch != want.epoch:
        return subjects.STAGE_OPEN, OpenBroadcast(
            broadcast_id=want.broadcast_id,
            slug=want.slug,
            epoch=want.epoch,
            # A broadcast's first opening is never live yet; going live is said on its own.
            live_since=want.live_since if want.epoch else None,
            levelling=want.levelling,
            max_voices=want.max_voices,
            recording=want.recording.on,
        )
    recording = _next_recording(want, known)
    if recording is not None and not known.recording_refused:
        return recording  # before it is live: what is said then is written or not
    if want.live_since is not None and not known.live:
        return subjects.STAGE_LIVE, GoLive(broadcast_id=want.broadcast_id, live_since=want.live_since)
    for participant_id, muted in want.mutes:
        if known.mutes.get(participant_id, muted) != muted:
            return subjects.STAGE_MUTE, MuteParticipant(
                broadcast_id=want.broadcast_id, participant_id=participant_id, muted=muted
            )
    return _next_place(want, known) or recording


def _next_recording(want: Wanted, known: Known) -> tuple[str, Message] | None:
    if known.recording == want.recording:
        return None
    return subjects.STAGE_RECORD, SetRecording(
        broadcast_id=want.broadcast_id,
        on=want.recording.on,
        off_record=want.recording.off_record,
        consents=sorted(want.recording.consents),
    )


def _next_place(want: Wanted, known: Known) -> tuple[str, Message] | None:
    wanted_places = dict(want.places)
    for participant_id, (place, aside) in known.places.items():
        if participant_id in want.gone:
            return subjects.STAGE_REMOVE, RemoveParticipant(
                broadcast_id=want.broadcast_id, participant_id=participant_id
            )
        if wanted_places.get(participant_id, (place, aside)) != (place, aside):
            place, aside = wanted_places[participant_id]
            return subjects.STAGE_PLACE, PlaceParticipant(
                broadcast_id=want.broadcast_id, participant_id=participant_id, place=place, aside=aside
            )
    return None


def acknowledged(known: Known, message: Message, want: Wanted) -> None:
    """Enters into `known` that the stage carried `message` out."""
    match message:
        case StopBroadcast():
            known.stopped = True
        case OpenBroadcast():
            known.epoch = message.epoch
            known.live = message.live_since is not None
            known.recording = None
        case SetRecording():
            known.recording = Recording(message.on, message.off_record, frozenset(message.consents))
            known.recording_refused = False
        case GoLive():
            known.live = True
        case MuteParticipant():
            known.mutes[message.participant_id] = message.muted
        case PlaceParticipant():
            known.places[message.participant_id] = (message.place, message.aside)
        case RemoveParticipant():
            known.places.pop(message.participant_id, None)
            known.mutes.pop(message.participant_id, None)


@dataclass(slots=True, eq=False)
class _Line:
    """One broadcast: what is wanted, what is known, and the worker between the two."""

    want: Wanted
    known: Known
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    settled: asyncio.Event = field(default_factory=asyncio.Event)
    heard: asyncio.Event = field(default_factory=asyncio.Event)
    heard_at: float = 0.0
    task: asyncio.Task[None] | None = None


class StageLink:
    """`take_up` must persist the next epoch of a broadcast and return its room (None: no longer active)."""

    def __init__(
        self,
        bus: Requests,
        monotonic: Callable[[], float],
        take_up: Callable[[str, str], Awaitable[Room | None]],
        *,
        levelling: bool = True,
        max_voices: int = 13,
    ) -> None:
        self._bus = bus
        self._monotonic = monotonic
        self._take_up = take_up
        self._options = {"levelling": levelling, "max_voices": max_voices}
        self._lines: dict[str, _Line] = {}
        self._stage_id = ""
        self._coming: set[str] = set()

    @contextlib.contextmanager
    def coming(self, participant_id: str) -> Iterator[None]:
        """Meanwhile the stage may have this participant before his seat is committed."""
        self._coming.add(participant_id)
        try:
            yield
        finally:
            self._coming.discard(participant_id)

    async def close(self) -> None:
        """Ends all workers; what is not acknowledged yet is taken up at the next start."""
        tasks = [line.task for line in self._lines.values() if line.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._lines.clear()

    # --- what should be ----------------------------------------------------------------------

    def update(self, room: Room, *, after_restart: bool = False) -> None:
        """The committed state of `room`. `after_restart`: the stage may have this broadcast already."""
        want = wanted(
            room,
            self._coming,
            levelling=bool(self._options["levelling"]),
            max_voices=self._options["max_voices"],
        )
        if want is None:
            return
        line = self._lines.get(want.broadcast_id)
        if line is None:
            if want.ended:
                return  # nothing of it was ever sent from here; a report would bring it up again
            line = self._lines[want.broadcast_id] = _Line(want, Known(), heard_at=self._monotonic())
            line.task = asyncio.create_task(self._work(line, after_restart))
        line.want = want
        line.settled.clear()
        line.wake.set()

    async def settled(self, broadcast_id: str, timeout: float) -> bool:
        """Whether the stage has acknowledged everything wanted of this broadcast, within `timeout` s."""
        line = self._lines.get(broadcast_id)
        if line is None:
            return True
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(line.settled.wait(), timeout)
        return line.settled.is_set()

    def recording_settled(self, broadcast_id: str) -> bool:
        """Whether the stage records as it should."""
        line = self._lines.get(broadcast_id)
        return line is None or line.known.recording == line.want.recording

    # --- what is -----------------------------------------------------------------------------

    async def stage_said_hello(self, hello: StageHello) -> None:
        """A stage began and knows nothing: every active broadcast goes on in its next epoch."""
        if hello.stage_id == self._stage_id:
            return  # said twice
        self._stage_id = hello.stage_id
        log.info("stage began", broadcasts=len(self._lines))
        for line in list(self._lines.values()):
            await self._next_epoch(line)

    def stage_reported(self, report: StageReport) -> None:
        """What the stage has now; whatever differs is said again."""
        line = self._lines.get(report.broadcast_id)
        self._stage_id = report.stage_id
        if line is None:
            log.info("the stage has a broadcast that has ended; stopping it")
            orphan = Wanted(report.broadcast_id, report.slug, 0, None, ended=True)
            line = self._lines[report.broadcast_id] = _Line(orphan, Known())
            line.task = asyncio.create_task(self._work(line, False))
        line.heard_at = self._monotonic()
        line.heard.set()
        line.known.live = report.live
        line.known.mutes.update({seat.participant_id: seat.muted for seat in report.seats})
        line.known.places = {seat.participant_id: (seat.place, seat.aside) for seat in report.seats}
        if next_step(line.want, line.known) is not None:
            line.settled.clear()
            line.wake.set()

    async def watch(self) -> None:
        """Once in a while: is a broadcast whose reports stopped still there? (A hello may get lost.)"""
        now = self._monotonic()
        for line in list(self._lines.values()):
            acknowledged_once = line.known.epoch is not None and not line.want.ended
            if acknowledged_once and now - line.heard_at > SILENCE:
                _silences.inc()
                line.heard_at = now
                known = line.known
                if await self._stage_has(line) is False and line.known is known:
                    log.warning("the stage lost a broadcast; opening it again")
                    await self._next_epoch(line)

    async def _stage_has(self, line: _Line) -> bool | None:
        """Whether the stage knows the broadcast; None when there is no stage to ask."""
        # Its window of media is what every broadcast has; asked for after the end of time it is empty.
        question = WindowRequest(
            broadcast_id=line.want.broadcast_id, codec="opus", after_seq=_NEVER, max_bytes=1
        )
        try:
            await self._bus.request(subjects.MEDIA_WINDOW, question, Window, timeout=REQUEST_TIMEOUT)
        except Unavailable:
            return None
        except Refused as error:
            return False if error.status == 404 else None
        return True

    async def _next_epoch(self, line: _Line) -> None:
        line.settled.clear()
        line.heard.set()
        line.heard_at = self._monotonic()
        # Until the new epoch is committed nothing may be sent under the old one.
        line.known = Known(
            epoch=line.want.epoch,
            live=True,
            stopped=line.known.stopped,
            recording=line.want.recording,
        )
        if line.want.ended:
            line.known.stopped = True  # a stage that knows nothing has nothing to stop
        else:
            room = await self._take_up(line.want.slug, line.want.broadcast_id)
            if room is not None:
                self.update(room)
        line.wake.set()

    # --- the worker --------------------------------------------------------------------------

    async def _work(self, line: _Line, after_restart: bool) -> None:
        try:
            if after_restart:
                await self._find_out(line)
            await self._agree(line)
        except asyncio.CancelledError:
            raise
        except Exception:
            log.exception("stage worker failed")
        finally:
            if self._lines.get(line.want.broadcast_id) is line:
                del self._lines[line.want.broadcast_id]

    async def _find_out(self, line: _Line) -> None:
        """The studio restarted: did the stage go on without us, or restart, too?"""
        failures = 0
        while not line.heard.is_set():  # set by a report, and by a hello, which begins the next epoch
            has = await self._stage_has(line)
            if line.heard.is_set():
                break
            if has is False:
                await self._next_epoch(line)
                return
            if has:
                break
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(line.heard.wait(), BACK_OFF[min(failures, len(BACK_OFF) - 1)])
            failures += 1
        if line.known.epoch is None:
            line.known.epoch = line.want.epoch

    async def _agree(self, line: _Line) -> None:
        """Sends what differs until the broadcast has ended and the stage knows it."""
        failures = 0
        while True:
            line.wake.clear()
            step = next_step(line.want, line.known)
            if step is None:
                failures = 0
                line.settled.set()
                if line.want.ended:
                    return
                await line.wake.wait()
                continue
            if line.known.recording_refused and isinstance(step[1], SetRecording):
                line.settled.set()  # what a conversation needs is there
            if await self._send(line, *step):
                failures = 0
                continue
            delay = BACK_OFF[min(failures, len(BACK_OFF) - 1)]
            failures += 1
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(line.wake.wait(), delay)

    async def _send(self, line: _Line, subject: str, message: Message) -> bool:
        """Whether the stage now has it."""
        name = type(message).__name__
        known = line.known
        try:
            await self._bus.request(subject, message, Done, timeout=REQUEST_TIMEOUT)
        except Unavailable:
            _sent.labels(name, "unanswered").inc()
            known.recording_refused |= isinstance(message, SetRecording)
            return False
        except Refused as error:
            _sent.labels(name, "refused").inc()
            if not (error.status == 404 and isinstance(message, _AS_GOOD_AS_DONE)):
                log.warning("the stage refused", command=name, status=error.status, title=error.title)
                known.recording_refused |= isinstance(message, SetRecording)
                return False
        else:
            _sent.labels(name, "done").inc()
        # A hello in between has replaced `line.known`: this acknowledgement is then the old stage's.
        acknowledged(known, message, line.want)
        return True
