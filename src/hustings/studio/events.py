"""WebSocket /api/rooms/{slug}/events: the room's state, then every change, to those with a seat or a say.

The first message says who asks, {"ticket": "..."} (a ticket or a token; without one the session cookie
counts): no secret in an address. With "stream" and "seq" of what the client has, only what it missed comes.

Nothing queues up for a socket: each is woken, takes what is new from the room's feed, and one that falls
behind the feed gets the state. A client that does not read is let go and counted.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections import Counter as Tally
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from fastapi import APIRouter, WebSocket, WebSocketDisconnect
from prometheus_client import Counter, Gauge

from hustings.bus.messages import StageLevels
from hustings.errors import HustingsError, Unavailable
from hustings.ids import is_slug
from hustings.rooms.model import Room
from hustings.studio import desk, public
from hustings.studio.auth import Actor, socket_actor
from hustings.studio.feed import RoomFeed, compact
from hustings.studio.feeds import Feeds
from hustings.studio.problems import Forbidden, Unauthorized
from hustings.studio.service import Studio

router = APIRouter()

COALESCE = 0.05
"""Seconds between two looks of one socket, at least; the first change after a rest goes out at once."""
PING = 15.0
"""Seconds without a word after which the client is told that we are still there."""
FIGURES = 2.0
"""Seconds after which a conductor's figures (the quality of lines) are looked at without being woken."""
RECHECK = 30.0
"""Seconds after which it is asked again whether the ticket, token or session still holds."""
FIRST_MESSAGE = 10.0
"""Seconds a client has to say who it is."""
SEND_TIMEOUT = 10.0
"""Seconds after which a client that does not read is let go."""
MAX_SOCKETS = 500
MAX_PER_ADDRESS = 50
MAX_MESSAGES = 100
"""A client has nothing to say after its first message; some silence is broken, more is abuse."""
_MAX_SECRET = 512

UNKNOWN_TICKET, NOT_YOURS, UNKNOWN_ROOM, TRY_LATER, POLICY = 4401, 4403, 4404, 1013, 1008

_open = Gauge("hustings_studio_sockets", "Open event sockets.")
_refused = Counter("hustings_studio_sockets_refused_total", "Event sockets refused.", ["why"])
_cut = Counter("hustings_studio_sockets_cut_total", "Event sockets ended by the studio.", ["why"])
_begun = Counter("hustings_studio_sockets_begun_total", "Event sockets, by what they began with.", ["how"])


class _Slow(Exception):
    """The client does not read."""


class _Gone(Exception):
    """The invitation no longer holds."""


@dataclass(eq=False, slots=True)
class Watch:
    """What waits for one socket, apart from the feed: the newest levels, and reactions summed up."""

    slug: str
    participant_id: str = ""
    conducts: bool = False
    changed: bool = True
    """Whether the room may look different, and not only its meters."""
    levels: Mapping[str, int] | None = None
    reactions: Tally[str] = field(default_factory=Tally)
    woken: asyncio.Event = field(default_factory=asyncio.Event)


class Sockets:
    """Who watches which room, and how many may."""

    def __init__(self, feeds: Feeds) -> None:
        self.feeds = feeds
        self._watching: defaultdict[str, set[Watch]] = defaultdict(set)
        self._per_address: Tally[str] = Tally()
        self.total = 0
        feeds.on_change(self._changed)

    def _changed(self, slug: str) -> None:
        for watch in self._watching.get(slug, ()):
            watch.changed = True
            watch.woken.set()

    def levelled(self, message: StageLevels) -> None:
        """The stage's meters. A socket that is busy shows the next ones."""
        for watch in self._watching.get(message.slug, ()):
            if watch.conducts or watch.participant_id in message.levels:
                watch.levels = message.levels
                watch.woken.set()

    def reacted(self, slug: str, counts: Mapping[str, int]) -> None:
        """Listeners' reactions since the last call, for those who conduct."""
        for watch in self._watching.get(slug, ()):
            if watch.conducts:
                watch.reactions.update(counts)
                watch.woken.set()

    def admit(self, address: str) -> bool:
        """Takes a place, unless all are taken. `leave` gives it back."""
        if self.total >= MAX_SOCKETS or self._per_address[address] >= MAX_PER_ADDRESS:
            return False
        self.total += 1
        self._per_address[address] += 1
        _open.set(self.total)
        return True

    def leave(self, address: str) -> None:
        self.total -= 1
        self._per_address[address] -= 1
        if not self._per_address[address]:
            del self._per_address[address]
        _open.set(self.total)

    @contextlib.contextmanager
    def watching(self, watch: Watch) -> Iterator[None]:
        """`watch` is woken whenever its room changes."""
        self._watching[watch.slug].add(watch)
        try:
            yield
        finally:
            self._watching[watch.slug].discard(watch)
            if not self._watching[watch.slug]:
                del self._watching[watch.slug]


def same_origin(origin: str | None, host: str | None, studio_url: str) -> bool:
    """Browsers name the page's origin; a foreign page must not read a room through its reader's browser."""
    if origin is None:
        return True
    try:
        asked = urlsplit(origin)
    except ValueError:
        return False
    own = urlsplit(studio_url)
    return bool(asked.netloc) and (asked.netloc == host or (asked.scheme, asked.netloc) == own[:2])


@router.websocket("/api/rooms/{slug}/events")
async def events(websocket: WebSocket, slug: str) -> None:
    """See the module."""
    studio: Studio = websocket.app.state.studio
    sockets: Sockets = websocket.app.state.sockets
    headers = websocket.headers
    if not same_origin(headers.get("origin"), headers.get("host"), studio.urls.studio()):
        _refused.labels("origin").inc()
        await websocket.close(POLICY)  # before accepting: answered with 403
        return
    await websocket.accept()
    address = websocket.client.host if websocket.client else ""
    if not sockets.admit(address):
        _refused.labels("full").inc()
        await _close(websocket, TRY_LATER, "too many sockets")
        return
    try:
        await _serve(websocket, slug, studio, sockets)
    except (_Slow, _Gone) as ended:
        slow = isinstance(ended, _Slow)
        _cut.labels("slow" if slow else "gone").inc()
        await _close(
            websocket, TRY_LATER if slow else UNKNOWN_TICKET, "too slow" if slow else "no longer holds"
        )
    except (WebSocketDisconnect, TimeoutError, RuntimeError):
        pass  # gone: nothing to tell it
    finally:
        sockets.leave(address)


async def _serve(websocket: WebSocket, slug: str, studio: Studio, sockets: Sockets) -> None:
    try:
        first = json.loads(await asyncio.wait_for(websocket.receive_text(), FIRST_MESSAGE))
        line = await Line.begin(websocket, slug, studio, sockets.feeds, first)
    except (Unauthorized, ValueError):
        await _close(websocket, UNKNOWN_TICKET, "unknown ticket")
        return
    except Forbidden:
        await _close(websocket, NOT_YOURS, "not your room")
        return
    except Unavailable:
        await _close(websocket, TRY_LATER, "try again in a moment")
        return
    except HustingsError:
        await _close(websocket, UNKNOWN_ROOM, "no such room")
        return
    reader = asyncio.create_task(_discard(websocket))
    with sockets.watching(line.watch):
        writer = asyncio.create_task(line.run())
        done, rest = await asyncio.wait({reader, writer}, return_when=asyncio.FIRST_COMPLETED)
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)
    for task in done:
        task.result()


async def _discard(websocket: WebSocket) -> None:
    """Ends when the client goes."""
    for _ in range(MAX_MESSAGES):
        if (await websocket.receive())["type"] == "websocket.disconnect":
            return
    await _close(websocket, POLICY, "too many messages")


class Line:
    """One socket's writing side."""

    def __init__(
        self, websocket: WebSocket, slug: str, studio: Studio, feeds: Feeds, actor: Actor, secret: str
    ) -> None:
        self.watch = Watch(slug, actor.guest.participant_id if actor.guest is not None else "")
        self._websocket = websocket
        self._slug = slug
        self._studio = studio
        self._feeds = feeds
        self._actor = actor
        self._secret = secret
        self._stream, self._seq = "", -1
        self._private = feeds.hosts(slug).count
        self._me: dict[str, Any] | None = None
        self._host: dict[str, Any] | None = None
        self._speaking: list[str] | None = None

    @classmethod
    async def begin(cls, websocket: WebSocket, slug: str, studio: Studio, feeds: Feeds, first: Any) -> Line:
        """From a client's first message. Raises ValueError, Unauthorized, Forbidden, UnknownRoom."""
        if not isinstance(first, dict):
            raise ValueError("not an object")
        secret, stream, seq = first.get("ticket", ""), first.get("stream", ""), first.get("seq", -1)
        if not is_slug(slug) or studio.board.room(slug) is None:
            studio.room(slug)
        if not isinstance(secret, str) or len(secret) > _MAX_SECRET:
            raise ValueError("no ticket")
        line = cls(websocket, slug, studio, feeds, await socket_actor(websocket, slug, secret), secret)
        if isinstance(stream, str) and isinstance(seq, int):
            line._stream, line._seq = stream, seq
        return line

    async def run(self) -> None:
        """Says what there is to say, for as long as the client listens and may."""
        loop = asyncio.get_running_loop()
        said = checked = loop.time()
        begun = False
        while True:
            self.watch.woken.clear()
            texts = [*(self._new() if self.watch.changed else []), *self._passing()]
            if not begun:
                _begun.labels("state" if texts[0].startswith('{"type":"state"') else "events").inc()
                begun = True
            if not texts and loop.time() - said >= PING:
                texts = ['{"type":"ping"}']
            for text in texts:
                await self._send(text)
                said = loop.time()
            await asyncio.sleep(COALESCE)
            try:
                patience = min(FIGURES, PING) if self.watch.conducts else PING
                await asyncio.wait_for(self.watch.woken.wait(), patience)
            except TimeoutError:
                self.watch.changed = True
            if loop.time() - checked >= RECHECK:
                checked = loop.time()
                await self._check()

    async def _send(self, text: str) -> None:
        try:
            await asyncio.wait_for(self._websocket.send_text(text), SEND_TIMEOUT)
        except TimeoutError:
            raise _Slow from None

    async def _check(self) -> None:
        try:
            self._actor = await socket_actor(self._websocket, self._slug, self._secret)
        except (Unauthorized, Forbidden) as error:
            raise _Gone from error
        except Unavailable:
            pass  # asked again next time

    # --- what is new -------------------------------------------------------------------------

    def _new(self) -> list[str]:
        """Messages that bring the client from what it was last told to now."""
        self.watch.changed = False
        room = self._studio.room(self._slug)
        feed = self._feeds.current(self._slug)
        assert feed is not None, "a room on the board has a feed"
        also = self._also(room)
        speaking = desk.speaking(room, self._studio.board, self._studio.clock.monotonic())
        kept = feed.since(self._stream, self._seq)
        self._stream, self._seq = feed.stream, feed.seq
        if kept is None:
            self._speaking = speaking
            self._private = self._feeds.hosts(self._slug).count
            return [state_text(feed, speaking, also)]
        texts = [each.text for each in kept]
        if texts and also:
            texts[-1] = _with(texts[-1], also)
        texts += self._private_news({} if texts else also)
        if speaking != self._speaking:
            self._speaking = speaking
            texts.append(compact({"type": "speaking", "ids": speaking}))
        return texts

    def _also(self, room: Room) -> dict[str, Any]:
        """What changed of `me` and `host`. Raises _Gone when the client's invitation no longer holds."""
        also: dict[str, Any] = {}
        guest = self._actor.guest
        if guest is not None:
            if guest.invitation_id not in room.invitations:
                raise _Gone
            me = public.me(room, guest.invitation_id)
            if me["invitation"] in ("withdrawn", "expired") or me["seat"] == "removed":
                raise _Gone
            if me != self._me:
                also["me"] = self._me = me
        conducts = self.watch.conducts = self._actor.may_conduct(room)
        if conducts:
            host = desk.host_state(room, self._studio.board, self._studio.clock.monotonic())
            before = self._host or {}
            changed = {name: value for name, value in host.items() if before.get(name) != value}
            if changed or self._host is None:
                also["host"] = changed
            self._host = host
        elif self._host is not None:
            also["host"] = self._host = None
        return also

    def _private_news(self, also: dict[str, Any]) -> list[str]:
        """`also` where no event takes it along, and what only those who conduct are told."""
        hosts = self._feeds.hosts(self._slug)
        news = hosts.since(self._private) if self.watch.conducts else []
        self._private = hosts.count
        at = round(self._studio.clock.wall(), 3)
        texts = [compact({"type": "private", **also})] if also else []
        return texts + [
            compact({"type": "private", "at": at, "kind": each.kind, "data": each.data}) for each in news
        ]

    def _passing(self) -> list[str]:
        """What is not kept for those who were away."""
        watch, texts = self.watch, []
        if watch.levels is not None:
            mine = watch.participant_id
            levels = {pid: level for pid, level in watch.levels.items() if watch.conducts or pid == mine}
            texts.append(compact({"type": "levels", "levels": levels}))
            watch.levels = None
        if watch.reactions:
            texts.append(compact({"type": "reactions", "counts": watch.reactions}))
            watch.reactions = Tally()
        return texts


def state_text(feed: RoomFeed, speaking: list[str], also: Mapping[str, Any]) -> str:
    """The whole state, as state.json has it."""
    people = [{**person, "speaking": person["id"] in speaking} for person in feed.state["participants"]]
    position = {"stream": feed.stream, "seq": feed.seq}
    state = {**position, **feed.state, "participants": people}
    return compact({"type": "state", **position, "state": state, **also})


def _with(text: str, members: Mapping[str, Any]) -> str:
    """The JSON object `text` with more members."""
    return f"{text[:-1]},{compact(members)[1:]}"


async def _close(websocket: WebSocket, code: int, reason: str) -> None:
    with contextlib.suppress(RuntimeError, WebSocketDisconnect):
        await websocket.close(code, reason)
