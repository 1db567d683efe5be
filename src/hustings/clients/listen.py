"""`hustings listen`: a listener without a browser, at any of a room's doors."""

from __future__ import annotations

import asyncio
import contextlib
import math
import signal
import threading
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import httpx

from hustings.clients import trust
from hustings.clients.delivered import Listened
from hustings.clients.doors import VIAS, Door, Via, find_door
from hustings.clients.listen_hls import HlsListener
from hustings.clients.listen_push import PushListener
from hustings.clients.listen_stream import listen_stream
from hustings.clients.listen_whep import listen_whep
from hustings.clients.sink import PREBUFFER, Hearing, Sink
from hustings.clock import Clock, SystemClock
from hustings.errors import UsageError

WHEP_PREBUFFER = math.inf
"""No model player: a WHEP listener has a real jitter buffer, and its stalls are counted there."""
HLS_PREBUFFER = 1.8
"""Three part targets: what PART-HOLD-BACK gives a player."""
STOP_AFTER = 5.0
"""Seconds a thread may take to notice that it should stop."""


def listen(
    address: str,
    *,
    via: str | None = None,
    seconds: float | None = None,
    out: Path | None = None,
    codec: str = "opus",
) -> Listened:
    """Listens until `seconds` have passed, the broadcast ends, Ctrl-C or SIGTERM.

    `address`: a room's page, its state.json or one of its doors. `via`: push (default), hls, whep or
    stream. `out`: WAV, 48 kHz mono 16 bit, the sound on its timeline. Raises HustingsError.
    """
    listener = Listener(address, via=via, out=out, codec=codec)
    try:
        asyncio.run(_until_told(listener, seconds))
    except (KeyboardInterrupt, asyncio.CancelledError):
        listener.sink.result.ended_by = "stopped"
    finally:
        result = listener.sink.close()
    return result


async def _until_told(listener: Listener, seconds: float | None) -> None:
    """Who is ended by a service manager has heard something, too, and says what."""
    running = asyncio.current_task()
    if running is not None and threading.current_thread() is threading.main_thread():
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, running.cancel)
    await listener.run(seconds)


class Listener:
    """One listener; `sink` holds what it heard so far."""

    def __init__(
        self,
        address: str,
        *,
        via: str | None = None,
        out: Path | None = None,
        codec: str = "opus",
        keep: bool = False,
        hearing: Hearing | None = None,
        clock: Clock | None = None,
    ) -> None:
        """As `listen`; `keep` and `hearing` as in Sink. Raises UsageError or HustingsError."""
        if codec not in ("opus", "aac"):
            raise UsageError(f"'{codec}' is no codec here; use opus or aac.")
        self._address = address
        self._via = _via(via)
        self._codec = codec
        kind = {"hls": HLS_PREBUFFER, "whep": WHEP_PREBUFFER}
        # The door may only be known later; for a direct address the default is close enough.
        prebuffer = kind.get(self._via or "", PREBUFFER)
        self.sink = Sink(clock or SystemClock(), out=out, keep=keep, prebuffer=prebuffer, hearing=hearing)

    async def run(self, seconds: float | None = None) -> None:
        """Listens for `seconds`, or to the end. Raises HustingsError."""
        limits = httpx.Limits(max_connections=8)
        timeout = httpx.Timeout(15.0)
        async with httpx.AsyncClient(
            limits=limits,
            timeout=timeout,
            trust_env=False,
            follow_redirects=True,
            verify=trust.usual(),
        ) as client:
            try:
                async with asyncio.timeout(seconds):
                    door = await find_door(client, self._address, self._via)
                    self.sink.result.via = door.via
                    self.sink.result.ended_by = await self._follow(client, door)
            except TimeoutError:
                self.sink.result.ended_by = "time"
        self.sink.player.check(self.sink.clock.monotonic())

    def _follow(self, client: httpx.AsyncClient, door: Door) -> Coroutine[Any, Any, str]:
        if door.via == "push":
            return PushListener(client, door.url, self.sink, self._codec).run()
        if door.via == "hls":
            return HlsListener(client, door.url, self.sink, self._codec).run()
        if door.via == "whep":
            return in_thread(lambda stop: listen_whep(door.url, self.sink, stop))
        url = door.url
        if self._codec == "aac" and url.endswith("/stream.ogg"):
            url = url.removesuffix("ogg") + "aac"
        return in_thread(lambda stop: listen_stream(url, self.sink, stop))


async def in_thread(work: Callable[[threading.Event], str]) -> str:
    """Runs blocking `work`; when cancelled, sets its stop event and waits until it is done."""
    stop = threading.Event()
    task = asyncio.ensure_future(asyncio.to_thread(work, stop))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        stop.set()
        with contextlib.suppress(Exception):
            await asyncio.wait_for(task, STOP_AFTER)
        raise


def _via(text: str | None) -> Via | None:
    if text is None:
        return None
    for via in VIAS:
        if via == text:
            return via
    raise UsageError(f"'{text}' is no way to listen; use {', '.join(VIAS)}.")
