"""Who listened: what edges and stage count is added up here, written into the public record minute by minute,
and published as audience.json out of the record (docs/audience.md)."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Container, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final, Protocol

import msgspec
import structlog
from prometheus_client import Counter

from hustings.audience.bots import Bots
from hustings.audience.countries import Countries
from hustings.audience.heard import Hearers, read_records
from hustings.audience.lanes import DOORS, NUMBER, SETTLE
from hustings.audience.merged import NET, Before, Figures, Merged
from hustings.audience.published import Told, audience_json, milliseconds_live, moment, total
from hustings.audience.sketch import salt_name, visitor_key
from hustings.audience.tally import Tally
from hustings.bus import subjects
from hustings.bus.audience_messages import Counted, Heard, Played, Salt, SaltRequest, SaltWanted
from hustings.bus.messages import Message, Page
from hustings.clock import Clock
from hustings.errors import Corrupt, Refused, Unavailable
from hustings.rooms.decide import CONNECTABLE
from hustings.rooms.model import FIGURES_HOSTS, Broadcast, Room
from hustings.rooms.record_entries import Fact
from hustings.rooms.record_seal import NONCE, SEALED, Opening
from hustings.store.record import MAX_READ
from hustings.studio.board import Board
from hustings.studio.context import RoomView
from hustings.studio.media import Visitor
from hustings.studio.plays import Plays
from hustings.studio.salts import Salts

log = structlog.get_logger()

EVERY: Final = 1.0
DRAIN_EVERY: Final = 5.0
SHOW_EVERY: Final = 15.0
"""Seconds between two publications of what is not final yet."""
KINDS: Final = ("doors_opened", "live", "ended", "audience", "audience_total", "audience_replay")
PLACE: Final = "studio"
FIGURES_KEPT: Final = "figures.hosts"
"""Published in place of audience.json and its page where figures are for hosts only (edge/pages.py)."""

_dropped = Counter(
    "hustings_studio_audience_dropped_total", "Of the audience figures: what could not be taken.", ["what"]
)
_failed = Counter(
    "hustings_studio_audience_failures_total", "Audience entries that could not be written at once."
)


class Subscribing(Protocol):
    """The part of the bus that is needed here."""

    async def publish(self, subject: str, message: Message) -> None: ...

    async def subscribe[M: Message](
        self, subject: str, message_type: type[M], handler: Callable[[M], None]
    ) -> Any: ...

    async def serve[M: Message](
        self, subject: str, message_type: type[M], handler: Callable[[M], Awaitable[Message]]
    ) -> None: ...


class Keeping(Protocol):
    """store.record.RecordStore."""

    async def entries(
        self, kinds: Sequence[str], *, slug: str = "", first: int = 0, limit: int | None = None
    ) -> list[dict[str, Any]]: ...

    async def openings(self, slug: str, first: int = 0) -> list[Opening]: ...

    async def add(self, slug: str, facts: list[Fact], *, once: str = "") -> bool: ...


class _OnAir:
    """One broadcast that is counted."""

    def __init__(
        self,
        slug: str,
        broadcast: Broadcast,
        before: Before,
        clock: Clock,
        seconds: float,
        *,
        countries: bool,
    ) -> None:
        assert broadcast.live_since is not None
        self.slug = slug
        self.broadcast_id = broadcast.id
        self.offset = clock.wall() - clock.monotonic()
        self.ended_at: float | None = None
        self.merged = Merged(broadcast.live_since, before, countries=countries)
        self.tally = Tally(self.offset, seconds=seconds, within=1.5 * seconds)
        self.hearers = Hearers(self.tally)
        self.unwritten: list[Figures] = []
        self._counted = dict.fromkeys(("minute", "hearer", "session", "stretch", "unkeyed"), 0)

    def count_dropped(self) -> None:
        """Shows what was dropped since the last call."""
        now = {"minute": self.merged.dropped, "hearer": self.hearers.dropped, **self.tally.dropped}
        for what, count in now.items():
            _dropped.labels(what).inc(count - self._counted[what])
        self._counted = now


class Audience:
    """`serve` answers the bus, `run` goes on until cancelled. `renew` is Publisher.renew, `written`
    Records.written."""

    def __init__(
        self,
        board: Board,
        store: Keeping,
        bus: Subscribing,
        clock: Clock,
        renew: Callable[[str], None],
        written: Callable[[str], None],
        *,
        seconds: int,
        bots: Bots,
        countries: Countries | None = None,
    ) -> None:
        self.salts = Salts(clock)
        self.plays = Plays(clock)
        self._board = board
        self._store = store
        self._bus = bus
        self._clock = clock
        self._renew = renew
        self._written = written
        self._seconds = seconds
        self._bots = bots
        self._countries = countries
        self._on_air: dict[str, _OnAir] = {}
        self._told: dict[str, tuple[int, Told]] = {}
        """By room: the next entry to be read, and what those before tell."""
        self._unread: set[str] = set()
        self._shown_at = self._drained_at = clock.monotonic()
        self._looked_back = False
        self._ticking = asyncio.Lock()
        self._early: list[Counted | Heard] = []
        """What came before it was known what salts there are."""
        board.on_change(self._unread.add)

    async def load(self) -> None:
        """Before anything is served."""
        on = []
        for room in self._board.rooms():
            self._unread.add(room.slug)
            if room.broadcast is not None and room.status in CONNECTABLE:
                on.append(room.broadcast.id)
        self.salts.recover(frozenset((*on, self.plays.scope())))
        await self._read()

    async def serve(self) -> None:
        """From now on; asks who knows the salts of what is on."""
        bus = self._bus
        await bus.serve(subjects.AUDIENCE_SALT, SaltRequest, self.salts.serve)
        await bus.subscribe(subjects.AUDIENCE_SALT_HELD, Salt, self.salts.held)
        await bus.subscribe(subjects.AUDIENCE_COUNTED, Counted, self.counted)
        await bus.subscribe(subjects.AUDIENCE_HEARD, Heard, self.heard)
        await bus.subscribe(subjects.AUDIENCE_PLAYED, Played, self.plays.played)
        await bus.publish(subjects.AUDIENCE_SALT_WANTED, SaltWanted())

    # --- what comes --------------------------------------------------------------------------

    def counted(self, message: Counted) -> None:
        """Minutes of an edge or the stage."""
        found = self._on_air.get(message.broadcast_id)
        if found is None:
            self._keep_early(message)
            return
        found.merged.take(message.place, message.salt, message.minutes, message.older, self._clock.wall())

    def heard(self, message: Heard) -> None:
        """HLS of an edge."""
        found = self._on_air.get(message.broadcast_id)
        if found is None:
            self._keep_early(message)
            return
        if found.ended_at is not None and message.begin > found.ended_at:
            return  # the end is behind them: what they fetch now is replay
        try:
            for taken in read_records(message.records, message.countries):
                found.hearers.took(taken, message.begin - found.offset)
        except Corrupt as error:
            _dropped.labels("message").inc()
            log.warning("what an edge says of its listeners cannot be read", why=str(error))

    def visitor(self, broadcast_id: str, address: str, agent: bytes) -> Visitor:
        """For MediaSessions.counted: who comes by WHEP."""
        bot = self._bots.is_bot(address, agent)
        country = self._countries.of(address) if self._countries is not None and not bot else ""
        try:
            salt = self.salts.of(broadcast_id)
        except Refused:
            return Visitor(bot=bot, country=country)
        return Visitor(visitor_key(salt, address, agent), salt_name(salt), bot, country)

    def _keep_early(self, message: Counted | Heard) -> None:
        """A studio that began anew is told everything before it knows the rest."""
        if self.salts.waiting and len(self._early) < 4096:
            self._early.append(message)

    # --- time --------------------------------------------------------------------------------

    async def run(self) -> None:
        """Every second."""
        while True:
            try:
                await self.tick()
            except Unavailable as error:
                _failed.inc()
                log.warning("audience figures are not written yet", why=str(error))
            except Exception:
                log.exception("adding up the audience failed")
            await asyncio.sleep(EVERY)

    async def tick(self) -> None:
        """Follows the rooms, adds up, writes what is final; one at a time."""
        async with self._ticking:
            await self._tick()

    async def _tick(self) -> None:
        await self._read()
        self._follow()
        if not self._looked_back and not self.salts.waiting:
            self._looked_back = True
            await self._left_over()
        now, wall = self._clock.monotonic(), self._clock.wall()
        drain = now - self._drained_at >= DRAIN_EVERY
        if drain:
            self._drained_at = now
        for each in list(self._on_air.values()):
            over = each.ended_at is not None and wall >= each.ended_at + SETTLE
            if over:
                each.hearers.end()
            each.hearers.tick(now)
            if drain or over:
                self._drain(each, now)
            each.unwritten += each.merged.final(
                wall, each.ended_at if over else None, 1.5 * self._seconds + SETTLE
            )
            await self._write(each)
            if over:
                await self._sum_up(each)
        for slug, facts in self.plays.final():
            await self._add(slug, facts)
        self._forget_salts()
        if now - self._shown_at >= SHOW_EVERY:
            self._shown_at = now
            for slug in {each.slug for each in self._on_air.values()} | self.plays.changed():
                self._renew(slug)

    def _drain(self, each: _OnAir, now: float) -> None:
        salt = salt_name(self.salts.of(each.broadcast_id))
        each.merged.take(PLACE, salt, each.tally.drain(), {}, self._clock.wall())
        each.tally.forget(now)
        each.count_dropped()

    def _follow(self) -> None:
        """Begins to count what went live, once it is known whether its salt came back; notes what ended."""
        for room in self._board.rooms():
            broadcast = room.broadcast
            if broadcast is None or room.status not in CONNECTABLE:
                continue
            self.salts.scopes.add(broadcast.id)
            self._begin(room, broadcast)
        for each in self._on_air.values():
            room_now = self._board.room(each.slug)
            broadcast = room_now.broadcast if room_now is not None else None
            if each.ended_at is None and (
                broadcast is None or broadcast.id != each.broadcast_id or broadcast.ended_at is not None
            ):
                ended = (
                    broadcast.ended_at
                    if broadcast is not None and broadcast.id == each.broadcast_id
                    else None
                )
                each.ended_at = ended if ended is not None else self._clock.wall()
        self.salts.scopes.add(self.plays.scope())

    def _forget_salts(self) -> None:
        """Of what is over and written."""
        for scope in self.salts.scopes - self._wanted():
            self.salts.forget(scope)

    def _wanted(self) -> set[str]:
        on = {
            room.broadcast.id
            for room in self._board.rooms()
            if room.broadcast is not None and room.status in CONNECTABLE
        }
        return on | self._on_air.keys() | self.plays.scopes()

    def _begin(self, room: Room, broadcast: Broadcast) -> None:
        if broadcast.id in self._on_air or broadcast.live_since is None:
            return
        try:
            self.salts.of(broadcast.id)
        except Refused:
            return
        before = self._before(room.slug, broadcast.id)
        self._on_air[broadcast.id] = _OnAir(
            *(room.slug, broadcast, before, self._clock, self._seconds), countries=self._countries is not None
        )
        early, self._early = self._early, []
        for message in early:
            if isinstance(message, Counted):
                self.counted(message)
            else:
                self.heard(message)

    def _before(self, slug: str, broadcast_id: str) -> Before:
        """What the record says already."""
        _, told = self._told.get(slug, (0, Told()))
        minutes = told.broadcasts.get(broadcast_id, {}).get("minutes", [])
        if not minutes:
            return Before()
        last = minutes[-1]
        unique = [0] * (NET + 1)
        unique[NET] = last["net"]["unique"]
        for name in ("beacon", "bots"):
            unique[NUMBER[name]] = last[name]["unique"]
        for door in DOORS:
            unique[NUMBER[door]] = last["doors"].get(door, {}).get("unique", 0)
        number = int(_seconds(last["minute"]) // 60)
        return Before(number, tuple(unique), last["salts"], lost=self.salts.lost(broadcast_id))

    # --- the record --------------------------------------------------------------------------

    async def _write(self, each: _OnAir) -> None:
        while each.unwritten:
            facts = [self._fact(each, figures) for figures in each.unwritten[:50]]
            await self._add(each.slug, facts)
            del each.unwritten[: len(facts)]

    def _fact(self, each: _OnAir, figures: Figures) -> Fact:
        data = {"broadcast": each.broadcast_id, "threshold": self._seconds, **figures}
        data["minute"] = moment(figures["minute"])
        return Fact("audience", self._clock.wall(), data)

    async def _sum_up(self, each: _OnAir) -> None:
        """The total of a broadcast that is over, of what is in the record and nothing else."""
        await self._total(each.slug, each.broadcast_id)
        each.count_dropped()
        del self._on_air[each.broadcast_id]

    async def _total(self, slug: str, broadcast_id: str) -> None:
        self._unread.add(slug)
        await self._read()
        _, told = self._told.get(slug, (0, Told()))
        of = told.broadcasts.get(broadcast_id)
        if of is None or of["total"] is not None or of["live_since"] is None or of["ended"] is None:
            return
        sums = total(of["minutes"], milliseconds_live(of["live_since"], of["ended"]))
        data = {"broadcast": broadcast_id, "threshold": self._seconds, **sums}
        await self._add(slug, [Fact("audience_total", self._clock.wall(), data)])

    async def _add(self, slug: str, facts: list[Fact]) -> None:
        """Sealed, those of broadcasts that opened their doors so."""
        _, told = self._told.get(slug, (0, Told()))
        nonces = [secrets.token_hex(NONCE) if f.data["broadcast"] in told.sealed else "" for f in facts]
        sealed = [replace(fact, nonce=nonce) for fact, nonce in zip(facts, nonces, strict=True)]
        await self._store.add(slug, sealed)
        self._unread.add(slug)
        await self._read()  # it is shown out of the record from now on
        self._written(slug)
        self._renew(slug)

    async def _read(self) -> None:
        """New entries of rooms that changed."""
        for slug in list(self._unread):
            first, told = self._told.get(slug) or (0, Told())
            while found := await self._store.entries(KINDS, slug=slug, first=first, limit=MAX_READ):
                opened = await self._opened(slug, found)
                for members in found:
                    data = opened.get(members["seq"], members["data"])
                    if SEALED in data:
                        log.error("figures were sealed and cannot be opened", slug=slug, entry=members["seq"])
                    else:
                        told.entry(members["kind"], members["at"], data)
                first = found[-1]["seq"] + 1
            if slug not in self._told:
                self._renew(slug)  # there is something to show now
            self._told[slug] = (first, told)
            self._unread.discard(slug)

    async def _opened(self, slug: str, found: Sequence[Mapping[str, Any]]) -> dict[int, dict[str, Any]]:
        """By number, what those of `found` that are sealed were made of."""
        closed = [members["seq"] for members in found if SEALED in members["data"]]
        if not closed:
            return {}
        # One reading is enough: it gives as many as `found` can have.
        return {each.seq: each.data for each in await self._store.openings(slug, closed[0])}

    async def _left_over(self) -> None:
        """Totals of broadcasts that ended while no studio was there to write them."""
        for slug, (_, told) in list(self._told.items()):
            for broadcast_id, of in list(told.broadcasts.items()):
                if of["ended"] is not None and of["total"] is None and broadcast_id not in self._on_air:
                    await self._total(slug, broadcast_id)

    # --- what is published -------------------------------------------------------------------

    def pages(self, room: Room, _view: RoomView) -> Mapping[str, Page]:
        """For Publisher.add: audience.json, or that it is kept."""
        if room.details.figures == FIGURES_HOSTS:
            return {FIGURES_KEPT: Page(content_type="text/plain", body=b"hosts")}
        if room.slug not in self._told:
            return {}
        _, told = self._told[room.slug]
        body = self.document(room.slug, without=told.sealed)
        return {"audience.json": Page(content_type="application/json", body=body)}

    def proves(self, slug: str) -> bool:
        """Whether there are openings of a room, or will be."""
        return bool(self._told.get(slug, (0, Told()))[1].sealed)

    async def openings(self, slug: str) -> AsyncIterator[bytes]:
        """What sealed entries of a room's record were made of: a file of openings, piece by piece."""
        first = 0
        while found := await self._store.openings(slug, first):
            yield b"".join(each.line() + b"\n" for each in found)
            first = found[-1].seq + 1

    def document(self, slug: str, without: Container[str] = ()) -> bytes:
        """All there is to be shown of a room, what is sealed included; but nothing of the broadcasts
        `without`."""
        _, told = self._told.get(slug, (0, Told()))
        wall = self._clock.wall()
        passing = {
            each.broadcast_id: [
                {**figures, "minute": moment(figures["minute"])}
                for figures in [*each.unwritten, *each.merged.passing(wall)]
            ]
            for each in self._on_air.values()
            if each.slug == slug
        }
        content = audience_json(
            slug,
            told,
            now=wall,
            lists=self._bots.lists,
            countries=self._countries.about if self._countries is not None else None,
            passing=passing,
            replayed=self.plays.passing(slug),
            seconds=self._seconds,
            within=1.5 * self._seconds,
            without=without,
        )
        return msgspec.json.encode(content)


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
