"""WebSocket /api/rooms/{slug}/events: the room's state on connect and on every change.

The first message says who asks, {"ticket": "..."} (a ticket or an operator's token): no secret in an
address. Every state is whole, so that nothing needs to be caught up after a reconnection.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections import Counter as Tally
from collections import defaultdict
from typing import Any
from urllib.parse import urlsplit

from fastapi import APIRouter, WebSocket, WebSocketDisconnect
from prometheus_client import Counter, Gauge

from hustings.errors import HustingsError, Unavailable
from hustings.ids import is_slug
from hustings.studio import public
from hustings.studio.board import Board
from hustings.studio.problems import Unauthorized
from hustings.studio.service import Guest, Studio

router = APIRouter()

INTERVAL = 0.2
"""Seconds between two states on one socket, at least."""
PING = 15.0
"""Seconds without a change after which the client is told that we are still there."""
FIRST_MESSAGE = 10.0
"""Seconds a client has to say who it is."""
SEND_TIMEOUT = 10.0
"""Seconds after which a client that does not read is let go."""
MAX_SOCKETS = 500
MAX_PER_ADDRESS = 50
MAX_MESSAGES = 100
"""A client has nothing to say after its first message; some silence is broken, more is abuse."""

UNKNOWN_TICKET, UNKNOWN_ROOM, TRY_LATER, POLICY = 4401, 4404, 1013, 1008

_open = Gauge("hustings_studio_sockets", "Open event sockets.")
_refused = Counter("hustings_studio_sockets_refused_total", "Event sockets refused.", ["why"])


class Sockets:
    """Who waits for changes of which room, and how many may."""

    def __init__(self, board: Board) -> None:
        self._waiting: defaultdict[str, set[asyncio.Event]] = defaultdict(set)
        self._per_address: Tally[str] = Tally()
        self.total = 0
        board.on_change(self._changed)

    def _changed(self, slug: str) -> None:
        for event in self._waiting.get(slug, ()):
            event.set()

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
    def waiting(self, slug: str) -> Any:
        """An event that is set whenever `slug` changes."""
        event = asyncio.Event()
        self._waiting[slug].add(event)
        try:
            yield event
        finally:
            self._waiting[slug].discard(event)
            if not self._waiting[slug]:
                del self._waiting[slug]


def same_origin(origin: str | None, host: str | None, studio_url: str) -> bool:
    """Browsers name the page's origin; a foreign page must not read a room through its reader's browser."""
    if origin is None:
        return True
    asked = urlsplit(origin)
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
    except (WebSocketDisconnect, TimeoutError, RuntimeError):
        pass  # gone, or not reading: nothing to tell it
    finally:
        sockets.leave(address)


async def _serve(websocket: WebSocket, slug: str, studio: Studio, sockets: Sockets) -> None:
    try:
        guest = await _who(websocket, slug, studio)
    except (Unauthorized, ValueError):
        await _close(websocket, UNKNOWN_TICKET, "unknown ticket")
        return
    except Unavailable:
        await _close(websocket, TRY_LATER, "try again in a moment")
        return
    except HustingsError:
        await _close(websocket, UNKNOWN_ROOM, "no such room")
        return
    reader = asyncio.create_task(_discard(websocket))
    with sockets.waiting(slug) as changed:
        writer = asyncio.create_task(_write(websocket, slug, studio, guest, changed))
        done, rest = await asyncio.wait({reader, writer}, return_when=asyncio.FIRST_COMPLETED)
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)
    for task in done:
        task.result()


async def _who(websocket: WebSocket, slug: str, studio: Studio) -> Guest | None:
    """The guest whose ticket came first, or None for an operator."""
    first = json.loads(await asyncio.wait_for(websocket.receive_text(), FIRST_MESSAGE))
    secret = first.get("ticket") if isinstance(first, dict) else None
    if not is_slug(slug) or studio.board.room(slug) is None:
        studio.room(slug)
    if not isinstance(secret, str) or not 0 < len(secret) <= 512:
        raise ValueError("no ticket")
    if await studio.is_operator(secret):
        return None
    return await studio.guest(slug, secret)


async def _discard(websocket: WebSocket) -> None:
    """Ends when the client goes."""
    for _ in range(MAX_MESSAGES):
        if (await websocket.receive())["type"] == "websocket.disconnect":
            return
    await _close(websocket, POLICY, "too many messages")


async def _write(
    websocket: WebSocket, slug: str, studio: Studio, guest: Guest | None, changed: asyncio.Event
) -> None:
    last = ""
    while True:
        changed.clear()
        text = snapshot(studio, slug, guest)
        if text is None:
            await _close(websocket, UNKNOWN_TICKET, "the invitation no longer holds")
            return
        if text != last:
            last = text
            await asyncio.wait_for(websocket.send_text(text), SEND_TIMEOUT)
        await asyncio.sleep(INTERVAL)
        try:
            await asyncio.wait_for(changed.wait(), PING)
        except TimeoutError:
            await asyncio.wait_for(websocket.send_text('{"type":"ping"}'), SEND_TIMEOUT)


def snapshot(studio: Studio, slug: str, guest: Guest | None) -> str | None:
    """One message; None when the guest's invitation no longer holds."""
    room = studio.room(slug)
    view = public.room_view(room, studio.board, studio.urls, studio.clock.monotonic())
    message: dict[str, Any] = {"type": "state", "state": public.state(view)}
    if guest is not None:
        message["me"] = public.me(room, guest.invitation_id)
        if message["me"]["invitation"] in ("withdrawn", "expired"):
            return None
    return json.dumps(message, ensure_ascii=False, separators=(",", ":"))


async def _close(websocket: WebSocket, code: int, reason: str) -> None:
    with contextlib.suppress(RuntimeError, WebSocketDisconnect):
        await websocket.close(code, reason)
