"""Webhooks: who hears of what, and the deliveries."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import hmac
import random
from collections import Counter as Tally
from collections.abc import Mapping
from typing import Any

import structlog
from prometheus_client import Counter, Gauge
from sqlalchemy.ext.asyncio import AsyncConnection

from hustings.clock import Clock
from hustings.errors import Refused, Unavailable
from hustings.ids import new_id
from hustings.rooms import events as e
from hustings.rooms.model import Room
from hustings.store.jobs import DEAD, OPEN, Job, Jobs, count_open, enqueue
from hustings.store.webhooks import Webhook, WebhookStore, for_room
from hustings.studio.accounts.limits import Buckets
from hustings.studio.problems import Limited
from hustings.studio.urls import Urls
from hustings.studio.webhooks import targets
from hustings.studio.webhooks.payloads import occurrences, payload, test_payload
from hustings.studio.webhooks.sender import TIMEOUT, Outcome, Sender

log = structlog.get_logger()

KIND = "webhook"
POLL = 5.0
"""Seconds between two looks for jobs that are due."""
AT_ONCE = 8
PER_WEBHOOK = 2
"""Deliveries at once, in all and to one receiver: a slow one does not keep the others waiting."""
LEASE = 3 * TIMEOUT
MAX_WAITING = 1000
"""Deliveries one receiver may be behind; what happens then it never hears of (and it is counted)."""
FIRST_RETRY, LONGEST_RETRY, GIVE_UP = 5.0, 4 * 3600.0, 86400.0
"""Seconds: trebled after each attempt up to the longest; given up after the last."""
KEPT_DONE, KEPT_DEAD = 86400.0, 7 * 86400.0

_deliveries = Counter("hustings_studio_webhooks_total", "Attempts to deliver a webhook.", ["outcome"])
_dropped = Counter("hustings_studio_webhooks_dropped_total", "Deliveries a receiver was too far behind for.")
_waiting = Gauge("hustings_studio_webhooks_waiting", "Deliveries that wait.")


def retry_delay(attempts: int, spread: float) -> float:
    """Seconds until the next attempt after `attempts` have failed; `spread` from 0 to 1 sets them apart."""
    delay = min(FIRST_RETRY * 3.0 ** min(attempts - 1, 20), LONGEST_RETRY)
    return delay * (0.8 + 0.4 * spread)


class Webhooks:
    """`key`: secret bytes that stay the same over restarts. Raises Refused, TooManyKept, Unavailable."""

    def __init__(
        self,
        store: WebhookStore,
        jobs: Jobs,
        clock: Clock,
        urls: Urls,
        key: bytes,
        sender: Sender,
        private: bool,
    ) -> None:
        self.store = store
        self.sender = sender
        self._jobs = jobs
        self._clock = clock
        self._urls = urls
        self._key = key
        self._private = private
        self._random = random.Random()  # noqa: S311  # spreads retries, keeps no secret
        self._some = True
        """Whether there may be any webhook at all; without, no room's command looks for one."""
        self._wake = asyncio.Event()
        self._running: dict[asyncio.Task[None], str] = {}
        self._tests = Buckets(10, 10.0, clock.monotonic)

    def secret(self, webhook_id: str) -> str:
        """What a webhook's deliveries are signed with: derived, kept nowhere."""
        digest = hmac.digest(self._key, f"webhook\0{webhook_id}".encode(), hashlib.sha256)
        return "whsec_" + base64.b64encode(digest).decode()

    # --- which there are ---------------------------------------------------------------------

    async def load(self) -> None:
        """After a start: whether there are any."""
        self._some = await self.store.count() > 0

    async def add(self, account_id: str, url: str, events: tuple[str, ...], slug: str) -> Webhook:
        """Raises Refused (422) for a target we do not go to."""
        try:
            target = targets.check(url, self._private)
            with contextlib.suppress(targets.Unresolved, TimeoutError):  # it may come to be
                async with asyncio.timeout(3.0):
                    await targets.resolve(target, self._private, targets.lookup)
        except targets.ForbiddenTarget as error:
            raise Refused(422, "Webhooks do not go there", str(error), where="body: url") from error
        webhook = Webhook(new_id(), account_id, url, events, slug, self._clock.wall())
        await self.store.add(webhook)
        self._some = True
        return webhook

    async def found(self, webhook_id: str, account_id: str | None) -> Webhook:
        """`account_id`: whose it must be; None: anybody's. Raises Refused (404)."""
        webhook = await self.store.find(webhook_id)
        if webhook is None or account_id not in (None, webhook.account_id):
            raise Refused(404, "No such webhook", "It was removed, or is not yours.", where="path")
        return webhook

    async def remove(self, webhook: Webhook) -> None:
        """It hears nothing any more, also not what waits."""
        await self.store.remove(webhook.id)
        await self._jobs.drop(webhook.id)
        await self.load()

    async def counts(self) -> dict[str, dict[str, int]]:
        return await self._jobs.counts()

    # --- what they hear ----------------------------------------------------------------------

    async def also(
        self, connection: AsyncConnection, before: Room, after: Room, events: list[e.Event]
    ) -> None:
        """In the transaction that commits `events`: writes the deliveries down."""
        if not self._some:
            return
        at = self._clock.wall()
        page = self._urls.room(after.slug)
        try:
            bodies = [
                (kind, payload(kind, at, after, page, public, change))
                for kind, public, change in occurrences(before, after, events)
            ]
        except Exception:  # a webhook must never keep a room from what it does
            log.exception("an event could not be told to webhooks")
            return
        await self._write(connection, after, bodies, at)

    async def recorded(self, kind: str, room: Room, change: Mapping[str, Any]) -> None:
        """Something has become of a recording of this room; nobody's command, so a transaction of its own."""
        if not self._some:
            return
        at = self._clock.wall()
        body = payload(kind, at, room, self._urls.room(room.slug), public=True, change=change)
        try:
            async with self._jobs.writing() as connection:
                await self._write(connection, room, [(kind, body)], at)
        except Unavailable:
            log.warning("webhooks cannot be told of a recording", slug=room.slug, kind=kind)
        self._wake.set()

    @staticmethod
    async def _write(
        connection: AsyncConnection, room: Room, bodies: list[tuple[str, str]], at: float
    ) -> None:
        """The deliveries of (type, body) to all who hear of the room, as far as they have places."""
        for webhook in await for_room(connection, room.slug, room.owner_id) if bodies else ():
            wanted = [body for kind, body in bodies if not webhook.events or kind in webhook.events]
            places = max(0, MAX_WAITING - await count_open(connection, webhook.id)) if wanted else 0
            _dropped.inc(max(0, len(wanted) - places))
            for body in wanted[:places]:
                await enqueue(connection, Job(f"msg_{new_id()}", KIND, webhook.id, body, at, at))

    def committed(self, _room: Room, _events: list[e.Event]) -> None:
        """After the commit: there may be something to deliver."""
        self._wake.set()

    # --- deliveries --------------------------------------------------------------------------

    async def run(self) -> None:
        """Delivers until cancelled; what is under way then is tried again after the next start."""
        try:
            while True:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._wake.wait(), POLL)
                self._wake.clear()
                try:
                    await self.deliver_due()
                except Unavailable:
                    log.warning("webhooks wait for the database")
                except Exception:
                    log.exception("webhooks failed")
        finally:
            for task in self._running:
                task.cancel()
            await asyncio.gather(*self._running, return_exceptions=True)

    async def deliver_due(self) -> None:
        """Begins as many deliveries as may run at once."""
        if not self._some:
            return
        places = AT_ONCE - len(self._running)
        busy = Tally(self._running.values())
        for job in await self._jobs.lease(KIND, self._clock.wall(), LEASE, places, busy, PER_WEBHOOK):
            task = asyncio.create_task(self._deliver(job))
            self._running[task] = job.subject
            task.add_done_callback(self._delivered)

    def _delivered(self, task: asyncio.Task[None]) -> None:
        del self._running[task]
        self._wake.set()
        if not task.cancelled() and (error := task.exception()) is not None:
            # The lease runs out, and it is tried again.
            log.warning("a delivery could not be noted", why=type(error).__name__)

    async def settled(self) -> None:
        """Returns when nothing is under way."""
        while self._running:
            await asyncio.wait(set(self._running))

    async def _deliver(self, job: Job) -> None:
        webhook = await self.store.find(job.subject)
        if webhook is None or webhook.disabled_at is not None:
            await self._jobs.bury(job, self._clock.wall(), "The webhook is gone.")
            return
        at = self._clock.wall()
        outcome = await self.sender.send(webhook.url, self.secret(webhook.id), job.id, job.body, at)
        await self._note(webhook, outcome)
        at = self._clock.wall()
        if outcome.delivered:
            await self._jobs.done(job, at, outcome.note)
            return
        delay = max(retry_delay(job.attempts + 1, self._random.random()), outcome.retry_after)
        if outcome.gone or outcome.forbidden or at + delay - job.created_at > GIVE_UP:
            _deliveries.labels("given up").inc()
            await self._jobs.bury(job, at, outcome.note)
        else:
            await self._jobs.again(job, at + delay, outcome.note)

    async def _note(self, webhook: Webhook, outcome: Outcome) -> None:
        kind = "delivered" if outcome.delivered else "forbidden" if outcome.forbidden else "failed"
        _deliveries.labels(kind).inc()
        at = self._clock.wall()
        disabled = at if outcome.gone else None
        await self.store.note(webhook.id, at, outcome.status, outcome.note, disabled_at=disabled)

    async def test(self, webhook: Webhook) -> tuple[str, Outcome]:
        """Sends a test now, once: its identifier and how it went. Raises Limited."""
        if (wait := self._tests.take(webhook.id)) > 0:
            raise Limited("Too many tests", f"Try again in {wait:.0f} seconds.", wait)
        at, message_id = self._clock.wall(), f"msg_{new_id()}"
        secret = self.secret(webhook.id)
        outcome = await self.sender.send(webhook.url, secret, message_id, test_payload(at), at)
        await self._note(webhook, outcome)
        return message_id, outcome

    async def tidy(self) -> None:
        """Forgets what has ended long ago, and counts what waits. Called now and then."""
        at = self._clock.wall()
        await self._jobs.purge(at - KEPT_DONE, at - KEPT_DEAD)
        _waiting.set(sum(states.get(OPEN, 0) for states in (await self.counts()).values()))


__all__ = ["DEAD", "OPEN", "Webhooks", "retry_delay"]
