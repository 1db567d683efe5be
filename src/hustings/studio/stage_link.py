"""Keeps the stage in step with what is committed: sent until acknowledged, over restarts of either side.

The database says what should be, the stage's hello and reports say what is; `next_step` is the
difference. One worker per broadcast sends it, so messages of one broadcast never overtake another.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
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
    StageHello,
    StageReport,
    StopBroadcast,
    Window,
    WindowRequest,
)
from hustings.errors import Refused, Unavailable
from hustings.rooms.decide import CONNECTABLE
from hustings.rooms.model import Room
from hustings.rooms.table import SeatState

log = structlog.get_logger()

BACK_OFF = (0.1, 0.2, 0.4, 0.8, 1.6, 3.0)
"""Seconds before the next try; the last one repeats."""
SILENCE = 6.0
"""Seconds without a report (they come once a second) after which the stage is asked what it has."""
REQUEST_TIMEOUT = 3.0
_NEVER = 2**53

_sent = Counter("hustings_studio_stage_commands_total", "Commands to the stage.", ["command", "outcome"])
_silences = Counter("hustings_studio_stage_silences_total", "Broadcasts whose reports stopped.")


class Requests(Protocol):
    """The part of the bus that is needed here."""

    async def request[M: Message](
        self, subject: str, message: Message, answer_type: type[M], timeout: float = 5.0
    ) -> M: ...


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
    levelling: bool = True
    max_voices: int = 13


@dataclass(slots=True)
class Known:
    """What the stage is known to have. `epoch` is None before it has acknowledged the broadcast."""

    epoch: int | None = None
    live: bool = False
    stopped: bool = False
    mutes: dict[str, bool] = field(default_factory=dict)
    """By participant, of those the stage has told about or was told about."""


def wanted(room: Room, *, levelling: bool = True, max_voices: int = 13) -> Wanted | None:
    """What the stage should have of `room`; None when it never had a broadcast."""
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
        mutes=tuple((p.id, p.muted) for p in room.participants.values() if p.state is SeatState.SEATED),
        levelling=levelling,
        max_voices=max_voices,
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
        )
    if want.live_since is not None and not known.live:
        return subjects.STAGE_LIVE, GoLive(broadcast_id=want.broadcast_id, live_since=want.live_since)
    for participant_id, muted in want.mutes:
        if known.mutes.get(participant_id, muted) != muted:
            return subjects.STAGE_MUTE, MuteParticipant(
                broadcast_id=want.broadcast_id, participant_id=participant_id, muted=muted
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
        case GoLive():
            known.live = True
        case MuteParticipant():
            known.mutes[message.participant_id] = message.muted


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
            room, levelling=bool(self._options["levelling"]), max_voices=self._options["max_voices"]
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
        line.known = Known(epoch=line.want.epoch, live=True, stopped=line.known.stopped)
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
            return False
        except Refused as error:
            _sent.labels(name, "refused").inc()
            # Nothing there to stop or to mute is as good as done.
            if not (error.status == 404 and isinstance(message, StopBroadcast | MuteParticipant)):
                log.warning("the stage refused", command=name, status=error.status, title=error.title)
                return False
        else:
            _sent.labels(name, "done").inc()
        # A hello in between has replaced `line.known`: this acknowledgement is then the old stage's.
        acknowledged(known, message, line.want)
        return True
