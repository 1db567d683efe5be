"""What listeners send, from the edges: hands become commands, questions and votes rows, reactions figures.

An edge sends a batch again until it is answered. A batch that is known is not carried out twice, and each
of its inputs may be repeated anyway: it names what it wants by an identifier or by whoever wants it.
"""

from __future__ import annotations

import asyncio
from collections import Counter as Tally
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol

import structlog
from prometheus_client import Counter

from hustings.bus import subjects
from hustings.bus.messages import (
    REACTIONS,
    Done,
    InputKind,
    ListenerBatch,
    ListenerInput,
    Message,
    Reactions,
    RoomReactions,
)
from hustings.errors import Refused, Unavailable
from hustings.ids import new_id
from hustings.rooms.decide import CONNECTABLE
from hustings.rooms.errors import RoomError
from hustings.rooms.model import Ban, Room
from hustings.rooms.questions import Ask, Vote
from hustings.store.errors import TicketTaken
from hustings.store.questions import QuestionStore
from hustings.studio.questions import Questions
from hustings.studio.service import Studio

log = structlog.get_logger()

EVERY = 0.5
"""Seconds between two sums of reactions."""
MINUTE = 60.0
MOST_AT_ONCE = 100_000
"""Reactions of one kind that one edge's message counts for."""
REMEMBERED = 1024
"""Batches known by their identifier, and bound of those in hand."""
NAME_LENGTH, TEXT_LENGTH = 80, 280

_inputs = Counter(
    "hustings_studio_inputs_total", "What listeners sent, by what became of it.", ["kind", "outcome"]
)
_batches = Counter("hustings_studio_input_batches_total", "Batches of inputs from edges.", ["outcome"])
_reactions = Counter("hustings_studio_reactions_total", "Reactions counted.", ["kind"])

type OnReactions = Callable[[str, Mapping[str, int]], None]


class Publishing(Protocol):
    """The part of the bus that is needed here."""

    async def publish(self, subject: str, message: Message) -> None: ...

    async def serve[M: Message](
        self,
        subject: str,
        message_type: type[M],
        handler: Callable[[M], Awaitable[Message]],
    ) -> None: ...


def accepts(room: Room) -> list[InputKind]:
    """What listeners may send now: RoomPublic.accepts, by which the edges answer 409."""
    if room.status not in CONNECTABLE:
        return []
    taken: list[InputKind] = ["reaction"]
    if room.details.hands:
        taken.append("hand")
    if room.details.questions:
        taken += ["question", "vote"]
    return taken


class Minute:
    """Figures of the last minute. Times are monotonic seconds."""

    def __init__(self) -> None:
        self._sums: deque[tuple[float, Mapping[str, int]]] = deque()
        self._total: Tally[str] = Tally()

    def add(self, counts: Mapping[str, int], now: float) -> None:
        self._sums.append((now, counts))
        self._total.update(counts)

    def total(self, now: float) -> dict[str, int]:
        """By kind, without zeros."""
        while self._sums and now - self._sums[0][0] >= MINUTE:
            self._total.subtract(self._sums.popleft()[1])
        return {kind: count for kind, count in sorted(self._total.items()) if count > 0}


class Listeners:
    """`take` and `reacted` are for the bus; `run` sums up and renews until cancelled."""

    def __init__(self, studio: Studio, store: QuestionStore, bus: Publishing) -> None:
        self.questions = Questions(store, studio.board, studio.clock, studio.announce)
        studio.on_events(self.questions.happened)
        studio.board.questions = self.questions
        studio.board.reactions = self.reactions
        self._studio = studio
        self._bus = bus
        self._batches: OrderedDict[tuple[str, str], asyncio.Task[None]] = OrderedDict()
        self._counts: dict[str, Tally[str]] = {}
        self._counted: dict[str, int] = {}
        """By edge, the last message that was counted; the oldest is forgotten."""
        self._minutes: dict[str, Minute] = {}
        self._on_reactions: list[OnReactions] = []
        self._banned: dict[str, tuple[tuple[Ban, ...], frozenset[str]]] = {}

    def on_reactions(self, callback: OnReactions) -> None:
        """`callback(slug, counts)` twice a second for rooms with reactions."""
        self._on_reactions.append(callback)

    # --- reactions ---------------------------------------------------------------------------

    async def counted(self, message: Reactions) -> Done:
        """Adds one edge's counts once, however often they are sent."""
        if message.number > self._counted.get(message.edge_id, 0):
            self._counted.pop(message.edge_id, None)
            self._counted[message.edge_id] = message.number
            if len(self._counted) > REMEMBERED:
                del self._counted[next(iter(self._counted))]
            self.reacted(message)
        return Done()

    def reacted(self, message: Reactions) -> None:
        """Adds one edge's counts."""
        for slug, counts in message.counts.items():
            room = self._studio.board.room(slug)
            if room is None or "reaction" not in accepts(room):
                continue
            tally = self._counts.setdefault(slug, Tally())
            for kind in REACTIONS:
                count = min(counts.get(kind, 0), MOST_AT_ONCE)
                if count > 0:
                    tally[kind] += count
                    _reactions.labels(kind).inc(count)

    def reactions(self, slug: str) -> dict[str, int]:
        """Of the last minute, by kind."""
        minute = self._minutes.get(slug)
        return minute.total(self._studio.clock.monotonic()) if minute is not None else {}

    async def sum_up(self) -> None:
        """Tells edges and hosts what came since the last call."""
        now = self._studio.clock.monotonic()
        counted, self._counts = self._counts, {}
        for slug, tally in counted.items():
            counts = dict(tally)
            if not counts:
                continue
            self._minutes.setdefault(slug, Minute()).add(counts, now)
            for callback in self._on_reactions:
                callback(slug, counts)
            await self._bus.publish(subjects.ROOMS_REACTIONS, RoomReactions(slug=slug, counts=counts))
        for slug in [slug for slug, minute in self._minutes.items() if not minute.total(now)]:
            del self._minutes[slug]

    async def serve(self) -> None:
        """Takes what edges send from now on. The rooms have to be loaded."""
        await self._bus.serve(subjects.AUDIENCE_REACTIONS, Reactions, self.counted)
        await self._bus.serve(subjects.AUDIENCE_INPUT, ListenerBatch, self.take)

    async def run(self) -> None:
        """Every half second, until cancelled."""
        while True:
            await asyncio.sleep(EVERY)
            try:
                await self.sum_up()
                self.questions.tick()
                await self.questions.forget()
            except Unavailable as error:
                log.warning("who asked could not be forgotten yet", cause=str(error))
            except Exception:
                log.exception("summing up failed")

    # --- batches -----------------------------------------------------------------------------

    async def take(self, batch: ListenerBatch) -> Done:
        """Carries a batch out, once. Raises Refused (503) when it has to be sent again."""
        key = (batch.edge_id, batch.batch_id)
        task = self._batches.get(key)
        if task is None:
            if not self._room_for_one():
                raise Refused(503, "Too many batches at once")
            task = self._batches[key] = asyncio.create_task(self._take(batch))
        else:
            _batches.labels("repeated").inc()
        try:
            await asyncio.shield(task)
        except Unavailable as error:
            self._batches.pop(key, None)
            _batches.labels("failed").inc()
            raise Refused(503, "The database does not answer") from error
        except BaseException:
            # Cancelled with the role, or a fault of ours: then it is not tried again for ever.
            if task.done():
                self._batches.pop(key, None)
            raise
        return Done()

    def _room_for_one(self) -> bool:
        """Forgets the oldest batch when there are too many; False when all of them are in hand."""
        if len(self._batches) < REMEMBERED:
            return True
        oldest = next((key for key, task in self._batches.items() if task.done()), None)
        if oldest is None:
            return False
        del self._batches[oldest]
        return True

    async def _take(self, batch: ListenerBatch) -> None:
        asks: list[tuple[str, Ask]] = []
        votes: list[tuple[str, Vote]] = []
        for sent in batch.inputs:
            room = self._studio.board.room(sent.slug)
            outcome = self._refusal(room, sent)
            if outcome or room is None:
                _inputs.labels(sent.kind, outcome or "unknown").inc()
                continue
            match sent.kind:
                case "hand" | "lower":
                    _inputs.labels(sent.kind, await self._hand(sent)).inc()
                case "question":
                    asks.append((sent.slug, self._ask(sent, len(asks))))
                case "vote":
                    votes.append((sent.slug, self._vote(sent)))
        no_question, no_vote = await self.questions.take(asks, votes)
        for kind, sent_in, left_out in (("question", asks, no_question), ("vote", votes, no_vote)):
            for why, count in left_out.items():
                _inputs.labels(kind, why.value).inc(count)
            _inputs.labels(kind, "taken").inc(len(sent_in) - left_out.total())
        _batches.labels("taken").inc()

    def _refusal(self, room: Room | None, sent: ListenerInput) -> str:
        """Why nothing becomes of an input; "" when it may pass. Whoever sent it is not told."""
        if room is None:
            return "unknown"
        if sent.kind == "lower":
            return "" if room.status in CONNECTABLE else "closed"
        if sent.kind not in accepts(room):
            return "closed"
        if len(sent.name) > NAME_LENGTH or len(sent.text) > TEXT_LENGTH or not sent.device:
            return "form"
        if room.bans and not self._marks_of(sent).isdisjoint(self._banned_marks(room)):
            return "banned"
        return ""

    def _marks_of(self, sent: ListenerInput) -> frozenset[str]:
        return self._studio.marks.of(sent.slug, sent.address, sent.device)

    def _banned_marks(self, room: Room) -> frozenset[str]:
        """The marks of all bans, put together once for each list of bans."""
        kept = self._banned.get(room.slug)
        if kept is None or kept[0] is not room.bans:
            kept = (room.bans, frozenset().union(*(ban.marks for ban in room.bans)))
            self._banned[room.slug] = kept
        return kept[1]

    async def _hand(self, sent: ListenerInput) -> str:
        """Raises a hand or takes it down; what became of it."""
        request_id = sent.ticket_hash[:32]
        try:
            if sent.kind == "lower":
                await self._studio.lower_hand(sent.slug, request_id)
            else:
                await self._studio.ask_to_speak(
                    sent.slug,
                    request_id,
                    sent.name,
                    sent.ticket_hash,
                    self._marks_of(sent),
                    self._studio.marks.device(sent.slug, sent.device),
                )
        except (RoomError, Refused, TicketTaken):
            return "refused"
        return "taken"

    def _ask(self, sent: ListenerInput, place: int) -> Ask:
        device, address = self._two_marks(sent)
        # Of one batch, yet in the order in which they were asked.
        at = self._studio.clock.wall() + place * 1e-6
        return Ask(new_id(), sent.text, sent.name, device, address, at)

    def _vote(self, sent: ListenerInput) -> Vote:
        return Vote(sent.question_id, *self._two_marks(sent))

    def _two_marks(self, sent: ListenerInput) -> tuple[str, str]:
        """Of device and address; "" without an address."""
        marks = self._marks_of(sent)
        return (
            next((mark for mark in marks if mark.startswith("d")), ""),
            next((mark for mark in marks if mark.startswith("a")), ""),
        )
