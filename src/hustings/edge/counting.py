"""Counting listeners at one edge (docs/audience.md): what was delivered to whom goes into audience/.

A listener by push or stream is looked at every 5 s, a twentieth of all at a time: what his connection still
holds says whether he takes what is sent. HLS is collected and sent to the studio, where the edges' halves of
one listener meet.
"""

from __future__ import annotations

import secrets
from collections import deque
from collections.abc import Callable
from typing import Final

from hustings.audience.bots import Bots
from hustings.audience.countries import Countries
from hustings.audience.heard import Collector
from hustings.audience.lanes import DOORS, Door, Lane
from hustings.audience.sketch import salt_name, visitor_key
from hustings.audience.tally import Session, Tally
from hustings.bus.audience_messages import Counted, Heard, Played
from hustings.clock import Clock
from hustings.edge.counter import HlsAudience
from hustings.edge.http import Request, Resource
from hustings.edge.kernel import unsent
from hustings.edge.metrics import AUDIENCE_DROPPED, Metrics
from hustings.edge.protocol import Connection
from hustings.edge.replay_counting import ReplayCounting

LOOK: Final = 5.0
"""Seconds between two looks at one listener."""
BUCKETS: Final = 20
HELD: Final = 32 * 1024
"""Bytes sent that a listener may not have taken yet when he is looked at: 4 s of Opus at 64 kbit/s."""
CHUNK: Final = 0.2
"""Seconds of sound in one."""
PAUSE: Final = 2.0
"""Seconds without a chunk after which no sound flows."""
TOLD_AGAIN: Final = 150.0
"""Seconds of what was collected of HLS that are told again to a studio that began anew."""
TOLD_BYTES: Final = 4 << 20
AFTER_END: Final = 12.0
"""Seconds after the end of a broadcast in which its last figures are told; then its salt is forgotten."""


class Sound:
    """Whether sound goes out, and since when without a break. Monotonic seconds."""

    def __init__(self) -> None:
        self.since = 0.0
        self.until = 0.0

    def flows(self, now: float) -> None:
        """A chunk has gone out just now."""
        if now - self.until > PAUSE:
            self.since = now
        self.until = now + CHUNK


class Listener:
    """One endless response. It leaves with its connection."""

    __slots__ = ("_bucket", "_connection", "_from", "_of", "_session", "_taking", "_who")

    def __init__(
        self,
        of: BroadcastCounting,
        connection: Connection,
        session: Session,
        now: float,
        who: tuple[str, bytes] | None,
    ) -> None:
        self._who = who
        """Address and browser of one who came before the salt, until it is there."""
        self._of = of
        self._connection = connection
        self._session = session
        self._from = now
        """Up to here it is known what was delivered."""
        self._taking = True
        self._bucket = of.place_for(self)

    def salted(self) -> None:
        """There is a salt now: who counts later is known by it."""
        if self._who is not None:
            self._session.key = self._of.key(*self._who)
            self._who = None

    def look(self, now: float) -> None:
        """Takes stock."""
        self._taking = unsent(self._connection.transport) < HELD
        self._account(now)

    def _account(self, now: float) -> None:
        sound = self._of.sound
        begin, end = max(self._from, sound.since), min(now, sound.until)
        if end > begin:
            if self._taking:
                self._of.tally.took(self._session, begin, end)
            self._from = end

    def leave(self, now: float) -> None:
        """The connection is gone; what it held then nobody can say: as at the last look."""
        self._account(now)
        self._of.tally.end(self._session)
        self._bucket.discard(self)


class BroadcastCounting:
    """All of one broadcast at this edge."""

    def __init__(self, of: EdgeCounting, slug: str, broadcast_id: str, audience: HlsAudience) -> None:
        self.slug = slug
        self.broadcast_id = broadcast_id
        clock = of.clock
        now = clock.monotonic()
        self.offset = clock.wall() - now
        self.tally = Tally(self.offset, seconds=of.seconds, within=of.within)
        self.sound = Sound()
        self.audience = audience
        """Of late, for state.json: everybody, counted or not."""
        self.ended_at: float | None = None
        self.salt = b""
        self._of = of
        self._collector = Collector(now)
        self._buckets: list[set[Listener]] = [set() for _ in range(BUCKETS)]
        self._next = 0
        self._requests = self._connections = 0
        self._told: deque[Heard] = deque()

    @property
    def salt_name(self) -> str:
        return salt_name(self.salt) if self.salt else ""

    # --- push and streams --------------------------------------------------------------------

    def joined(self, connection: Connection, request: Request, door: Door) -> None:
        """An endless response begins."""
        self._connections += 1
        address, agent = connection.visitor(request), request.headers.get(b"user-agent", b"")
        lane = self._of.lane(door, address, agent)
        session = self.tally.begin(lane, self.key(address, agent), self._of.country(lane, address) or "")
        if session is not None and not connection.closed:
            who = None if self.salt else (address, agent)
            connection.listener = Listener(self, connection, session, self._of.clock.monotonic(), who)

    def give_salt(self, salt: bytes) -> None:
        """The first one stays."""
        if not self.salt:
            self.salt = salt
            for bucket in self._buckets:
                for listener in bucket:
                    listener.salted()

    def place_for(self, listener: Listener) -> set[Listener]:
        """Looks are spread: each goes into the next of the buckets."""
        self._next = (self._next + 1) % BUCKETS
        bucket = self._buckets[self._next]
        bucket.add(listener)
        return bucket

    def look(self, bucket: int, now: float) -> None:
        """At a twentieth of the listeners."""
        for listener in list(self._buckets[bucket]):
            listener.look(now)

    # --- HLS ---------------------------------------------------------------------------------

    def asked(self, connection: Connection, request: Request, resource: Resource | None) -> None:
        """Somebody asks for media or a playlist of this broadcast and gets `resource`, or will get it."""
        of = self._of
        now = of.clock.monotonic()
        visitor = of.visitors(connection, request)
        self.audience.saw(visitor, now)
        self._requests += 1
        if resource is not None and resource.seconds:
            self._took(connection, request, visitor, resource.seconds, now)

    def took(self, connection: Connection, request: Request, seconds: float) -> None:
        """Media that had to be waited for goes out."""
        self._took(
            connection, request, self._of.visitors(connection, request), seconds, self._of.clock.monotonic()
        )

    def _took(
        self, connection: Connection, request: Request, visitor: int, seconds: float, now: float
    ) -> None:
        headers = request.headers
        partial = b"range" in headers and headers[b"range"].strip() != b"bytes=0-"
        if self.ended_at is not None or request.method != b"GET" or partial or b"if-none-match" in headers:
            return
        if self._collector.took(visitor, seconds, now):
            return
        # Once in a few seconds: who has not taken what he got before gets no credit for more.
        if unsent(connection.transport) >= HELD:
            return
        address, agent = connection.visitor(request), headers.get(b"user-agent", b"")
        key, lane = self.key(address, agent), self._of.lane("hls", address, agent)
        country = self._collector.country(visitor)
        if country is None:
            country = self._of.country(lane, address)
        if self._collector.begin(visitor, key or visitor, key, lane, now, country):
            self._collector.took(visitor, seconds, now)

    def says(self, session: int, address: str, agent: bytes, seconds: float) -> None:
        """A player behind a cache says that it has played so much since it last said something."""
        now = self._of.clock.monotonic()
        if not self._collector.took(session, seconds, now) and self._collector.begin(
            session, session, self.key(address, agent), self._of.lane("beacon", address, agent), now
        ):
            self._collector.took(session, seconds, now)

    # --- what is told ------------------------------------------------------------------------

    def wall(self) -> float:
        """Unix seconds."""
        return self._of.clock.wall()

    def key(self, address: str, agent: bytes) -> int:
        """0 as long as there is no salt."""
        return visitor_key(self.salt, address, agent) if self.salt else 0

    def end(self, now: float) -> None:
        """No more sound."""
        self.ended_at = now

    def report(self, now: float, *, everything: bool = False) -> list[Counted | Heard]:
        """What is new since the last call, or all there is."""
        of, tally = self._of, self.tally
        if self._requests or self._connections:
            tally.asked(now, requests=self._requests, connections=self._connections)
            self._requests = self._connections = 0
        if self.sound.until > now - LOOK:
            tally.on_air(now)
        messages: list[Counted | Heard] = []
        heard = self._heard(now)
        minutes, older = tally.all() if everything else (tally.drain(), {})
        if minutes or older:
            messages.append(
                Counted(
                    place=of.place,
                    broadcast_id=self.broadcast_id,
                    slug=self.slug,
                    salt=self.salt_name,
                    minutes=minutes,
                    older=older,
                )
            )
        tally.forget(now)
        if everything:
            messages += self._told
        elif heard is not None:
            messages.append(heard)
        return messages

    def _heard(self, now: float) -> Heard | None:
        """What was collected of HLS; kept for a while to be told again."""
        begin, records, countries = self._collector.drain(now)
        heard = Heard(
            place=self._of.place,
            broadcast_id=self.broadcast_id,
            salt=self.salt_name,
            begin=begin + self.offset,
            records=records,
            countries=countries,
        )
        if records:
            self._told.append(heard)
        while self._told and (
            self._told[0].begin < now + self.offset - TOLD_AGAIN
            or sum(len(each.records) + len(each.countries) for each in self._told) > TOLD_BYTES
        ):
            self._told.popleft()
        return heard if records else None

    def dropped(self) -> dict[str, int]:
        return {**self.tally.dropped, "hls": self._collector.dropped}


class EdgeCounting:
    """All broadcasts at this edge. `visitors`: counter.Visitors.of."""

    def __init__(
        self,
        clock: Clock,
        metrics: Metrics,
        *,
        bots: Bots,
        seconds: float,
        visitors: Callable[[Connection, Request], int],
    ) -> None:
        self.place = secrets.token_hex(8)
        self.clock = clock
        self.bots = bots
        self.countries: Countries | None = None
        """Where there is a database of them."""
        self.seconds = seconds
        self.within = 1.5 * seconds
        self.visitors = visitors
        self.replays = ReplayCounting(clock, bots, self.place, seconds)
        self._broadcasts: dict[str, BroadcastCounting] = {}
        self._bucket = 0
        self._gone: dict[str, int] = {}
        metrics.audience_dropped = self._dropped
        metrics.audience_sessions = lambda: sum(each.tally.sessions for each in self._broadcasts.values())

    def lane(self, lane: Lane, address: str, agent: bytes) -> Lane:
        """Where a listener is counted who comes by this door."""
        return "bots" if self.bots.is_bot(address, agent) else lane

    def country(self, lane: Lane, address: str) -> str | None:
        """Of one who may become a listener; None: nobody looks."""
        return self.countries.of(address) if self.countries is not None and lane in DOORS else None

    def open(self, slug: str, broadcast_id: str, audience: HlsAudience) -> BroadcastCounting:
        """A broadcast begins here. `audience`: told of everybody who takes HLS."""
        found = self._broadcasts.get(broadcast_id)
        if found is None or found.ended_at is not None:
            found = self._broadcasts[broadcast_id] = BroadcastCounting(self, slug, broadcast_id, audience)
        return found

    def unsalted(self) -> list[str]:
        """Broadcasts whose salt is not known yet."""
        wanted = [self.replays.wanted] if self.replays.wanted else []
        return wanted + [each.broadcast_id for each in self._broadcasts.values() if not each.salt]

    def salts(self) -> dict[str, bytes]:
        """By broadcast, and by day."""
        on_air = {each.broadcast_id: each.salt for each in self._broadcasts.values() if each.salt}
        return {**on_air, **self.replays.salts}

    def salted(self, broadcast_id: str, salt: bytes) -> None:
        """The studio has given the salt; the first one stays."""
        found = self._broadcasts.get(broadcast_id)
        if found is not None:
            found.give_salt(salt)
        elif broadcast_id == self.replays.wanted:
            self.replays.salted(broadcast_id, salt)

    def tick(self, now: float) -> None:
        """Four times a second."""
        self._bucket = (self._bucket + 1) % BUCKETS
        for each in self._broadcasts.values():
            each.look(self._bucket, now)

    def report(self, *, everything: bool = False) -> list[Counted | Heard | Played]:
        """To be published; lets go of what is over."""
        now = self.clock.monotonic()
        messages: list[Counted | Heard | Played] = []
        for broadcast_id, each in list(self._broadcasts.items()):
            messages += each.report(now, everything=everything)
            if each.ended_at is not None and now - each.ended_at > AFTER_END:
                for what, count in each.dropped().items():
                    self._gone[what] = self._gone.get(what, 0) + count
                del self._broadcasts[broadcast_id]
        return [*messages, *self.replays.report(everything=everything)]

    def _dropped(self) -> dict[str, int]:
        total = dict.fromkeys(AUDIENCE_DROPPED, 0) | self._gone
        total["replay"] = self.replays.dropped + self.replays.unkeyed
        for each in self._broadcasts.values():
            for what, count in each.dropped().items():
                total[what] += count
        return total
