"""What listeners sent, on its way to the studio: reactions as counts, the rest in numbered batches.

Both are requests; the studio tells by its number or id when it has one already, so one that is not answered
is sent again as it was. So what a listener was told is taken outlives the bus, and the studio, being away.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import deque
from collections.abc import Callable

import structlog

from hustings.bus import subjects
from hustings.bus.messages import Done, ListenerBatch, ListenerInput, Reactions
from hustings.edge.metrics import Metrics
from hustings.edge.track import BusLike, Sleep
from hustings.errors import Refused, Unavailable

log = structlog.get_logger()

WAITING = 2000
"""Inputs that may wait; more are refused (503)."""
BATCH = 200
BATCH_EVERY = 0.1
"""Seconds between two batches at least."""
REACTIONS_EVERY = 0.5
AGAIN = 0.5
"""Seconds after which an unanswered batch is sent again, growing up to AGAIN_MOST."""
AGAIN_MOST = 4.0
ANSWER = 5.0
GIVE_UP = 120.0
"""Seconds for which a batch is tried. A hand that goes up two minutes late is nobody's any more."""


class Outbox:
    """`react` and `add` are called for each request and only count or append; `run` sends."""

    def __init__(
        self,
        bus: BusLike,
        metrics: Metrics,
        now: Callable[[], float],
        *,
        edge_id: str = "",
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._bus = bus
        self._metrics = metrics
        self._now = now
        self._sleep = sleep
        self._edge_id = edge_id or secrets.token_hex(6)
        self._counts: dict[str, dict[str, int]] = {}
        self._queue: deque[ListenerInput] = deque()
        self._batch: ListenerBatch | None = None
        self._batch_since = 0.0
        self._number = 0
        self._tally: Reactions | None = None
        """Counts that were sent and are not answered yet."""
        self._tally_since = 0.0
        self._tallies = 0
        self._wake = asyncio.Event()
        metrics.inputs_waiting = self.__len__

    def __len__(self) -> int:
        return len(self._queue) + (len(self._batch.inputs) if self._batch is not None else 0)

    def react(self, slug: str, kind: str) -> None:
        """One more reaction."""
        counts = self._counts.get(slug)
        if counts is None:
            counts = self._counts[slug] = {}
        counts[kind] = counts.get(kind, 0) + 1

    def add(self, sent: ListenerInput) -> bool:
        """Takes `sent` along with the next batch; False when too many wait."""
        if len(self) >= WAITING:
            return False
        self._queue.append(sent)
        self._wake.set()
        return True

    async def run(self) -> None:
        """Sends until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._run_reactions())
            group.create_task(self._run_batches())

    async def close(self) -> None:
        """A last try for what waits, when the edge ends."""
        if self._tally is None or await self.send_reactions():
            await self.send_reactions()
        while (self._batch is not None or self._queue) and await self.send_batch():
            pass

    # --- inside ------------------------------------------------------------------------------

    async def send_reactions(self) -> bool:
        """All counts since the last message, or that one again while it is not taken; False when it is not
        (yet)."""
        if self._tally is None and self._counts:
            counts, self._counts = self._counts, {}
            self._tallies += 1
            self._tally = Reactions(edge_id=self._edge_id, number=self._tallies, counts=counts)
            self._tally_since = self._now()
        if self._tally is None:
            return True
        try:
            await self._bus.request(subjects.AUDIENCE_REACTIONS, self._tally, Done, timeout=ANSWER)
        except (Unavailable, Refused):
            if self._now() - self._tally_since >= GIVE_UP:
                lost = sum(sum(kinds.values()) for kinds in self._tally.counts.values())
                self._metrics.inputs_dropped["unanswered"] += lost
                self._tally = None
            return False
        self._tally = None
        return True

    async def send_batch(self) -> bool:
        """Sends the batch in hand, or the next one; False when the studio did not take it (yet)."""
        batch = self._in_hand()
        if batch is None:
            return True
        try:
            await self._bus.request(subjects.AUDIENCE_INPUT, batch, Done, timeout=ANSWER)
        except Unavailable:
            return self._later()
        except Refused as refusal:
            if refusal.status == 503:
                return self._later()
            log.warning("the studio refused a batch of listeners' inputs", status=refusal.status)
            self._metrics.inputs_dropped["refused"] += len(batch.inputs)
        self._batch = None
        return True

    def _in_hand(self) -> ListenerBatch | None:
        if self._batch is None and self._queue:
            self._number += 1
            self._batch = ListenerBatch(
                edge_id=self._edge_id,
                batch_id=f"{self._edge_id}-{self._number}",
                inputs=[self._queue.popleft() for _ in range(min(BATCH, len(self._queue)))],
            )
            self._batch_since = self._now()
        return self._batch

    def _later(self) -> bool:
        """The batch stays in hand, unless it has been for too long."""
        if self._batch is not None and self._now() - self._batch_since >= GIVE_UP:
            self._metrics.inputs_dropped["unanswered"] += len(self._batch.inputs)
            self._batch = None
        return False

    async def _tried(self) -> bool:
        """`send_batch`; a fault of ours costs the batch, not all that come after it."""
        try:
            return await self.send_batch()
        except Exception:
            log.exception("a batch of inputs could not be sent")
            return self._later()

    async def _run_reactions(self) -> None:
        while True:
            await self._sleep(REACTIONS_EVERY)
            try:
                await self.send_reactions()
            except Exception:
                log.exception("reactions could not be sent")

    async def _run_batches(self) -> None:
        again = AGAIN
        while True:
            if self._batch is None and not self._queue:
                self._wake.clear()
                await self._wake.wait()
            if await self._tried():
                again = AGAIN
                await self._sleep(BATCH_EVERY)
            else:
                await self._sleep(again)
                again = min(again * 2, AGAIN_MOST)
