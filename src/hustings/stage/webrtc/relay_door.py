"""A second UDP door, for browsers behind a relay over TCP or TLS whose tie-breaker is zero.

Chromium (156 here, 152 in libjuice's issue 355, not yet 150) puts an ICE-CONTROLLING of zero into the
connectivity checks that it sends by way of such a relay. RFC 8445 16.1 lets it; libjuice up to 1.7.2, the ICE
of libdatachannel, takes zero for an attribute that is missing and answers 400, upon which Chromium gives the
way up. Such checks, and no others, are taken here: they get another tie-breaker, are signed again with the
session's password and go on to the media door; what else comes and goes on that path passes as it is. An
answer names this door after the media door, so everybody else goes there as before.

To be taken out once libjuice takes zero: `tests/e2e/test_turn.py` then passes without.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass

import structlog
from prometheus_client import Counter, Gauge

from hustings.stage.webrtc.stun import Check, read_check

log = structlog.get_logger()

type Address = tuple[str, int]

MOST = 64
"""Paths at once; others speak by the WebSocket."""
IDLE = 30.0
"""Seconds without a datagram from the relay, then a path is closed: consent is over (RFC 7675 5.1)."""
_BATCH = 32
"""Datagrams taken from a socket before others have their turn."""
WINDOW = 0.1
"""Seconds."""
MOST_IN_A_WINDOW = 400
"""Datagrams from relays; `MOST` speakers send some 330. Of a flood no more is read: it costs the stage's loop
little, and the kernel drops the rest, what comes by the paths included."""
_MOST_BYTES = 2048

_paths = Gauge(
    "hustings_stage_relay_paths", "Paths from relays that are led on with another tie-breaker, now."
)
_floods = Counter(
    "hustings_stage_relay_floods_total",
    "Times the relay door was not read for a moment, because more came than speakers send.",
)
_dropped = Counter(
    "hustings_stage_relay_dropped_total",
    "Datagrams at the relay door that went no further: other (no check that belongs here), full (paths), "
    "blocked (the socket did not take it).",
    ["cause"],
)


@dataclass(slots=True)
class _Path:
    """From one relayed address to the media door, by a socket of its own: the sessions on that door are told
    apart by where their datagrams come from."""

    near: socket.socket
    ufrag: str
    password: str
    tie_breaker: int
    heard: float


class RelayDoor:
    """Open from `listen` to `close`. Lives in the event loop.

    `password_of` gives the password (ice-pwd) of the session with that name (ice-ufrag), None when there is
    none.
    """

    def __init__(
        self,
        media: Address,
        password_of: Callable[[str], str | None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._media = media
        self._password_of = password_of
        self._clock = clock
        self._far: socket.socket | None = None
        self._paths: dict[Address, _Path] = {}
        self._taken = 0
        """Datagrams read in this window."""
        self.port = 0
        """0 while it is closed."""

    def listen(self, host: str, port: int) -> None:
        """Opens it. Where it cannot be, the stage does without."""
        self._far = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._far.setblocking(False)
        try:
            self._far.bind((host, port))
        except (OSError, OverflowError) as error:
            self.close()
            log.warning(
                "relay door stays closed; browsers behind TCP relays speak by WebSocket",
                door=f"{host}:{port}",
                reason=str(error),
                todo="set HUSTINGS_RELAY_DOOR to a free UDP port",
            )
            return
        self.port = int(self._far.getsockname()[1])
        asyncio.get_running_loop().add_reader(self._far, self._from_relays, self._far)

    def close(self) -> None:
        """May be repeated."""
        for address in list(self._paths):
            self._end(address)
        far, self._far, self.port = self._far, None, 0
        if far is not None:
            asyncio.get_running_loop().remove_reader(far)
            far.close()

    def sweep(self) -> None:
        """Closes the paths from which nothing has come for long."""
        now = self._clock()
        for address, path in list(self._paths.items()):
            if now - path.heard > IDLE:
                self._end(address)

    def _from_relays(self, far: socket.socket) -> None:
        for _ in range(_BATCH):
            try:
                data, address = far.recvfrom(_MOST_BYTES)
            except OSError:  # nothing more, or an ICMP error of an earlier datagram
                return
            if self._taken == 0:
                asyncio.get_running_loop().call_later(WINDOW, self._next_window, far)
            self._taken += 1
            self._take(data, (str(address[0]), int(address[1])))
            if self._taken == MOST_IN_A_WINDOW:
                _floods.inc()
                asyncio.get_running_loop().remove_reader(far)
                return

    def _next_window(self, far: socket.socket) -> None:
        paused = self._taken >= MOST_IN_A_WINDOW
        self._taken = 0
        if paused and far is self._far:
            asyncio.get_running_loop().add_reader(far, self._from_relays, far)

    def _take(self, data: bytes, address: Address) -> None:
        path = self._paths.get(address)
        check = read_check(data)
        if check is not None and check.tie_breaker == 0:
            path = self._path_of(check, address, path)
            if path is None:
                return
            data = check.with_tie_breaker(path.tie_breaker, path.password)
        elif path is None:
            _dropped.labels("other").inc()
            return
        path.heard = self._clock()
        try:
            path.near.send(data)
        except OSError:
            _dropped.labels("blocked").inc()

    def _path_of(self, check: Check, address: Address, path: _Path | None) -> _Path | None:
        """Where `check` goes, by a new path when it is a session's first; None, counted, when nowhere."""
        known = path is not None and path.ufrag == check.ufrag
        password = path.password if path is not None and known else self._password_of(check.ufrag)
        if password is None or not check.signed_with(password):
            _dropped.labels("other").inc()
            return None
        if known:
            return path
        self._end(address)  # of another session, which had this relayed address before
        if len(self._paths) < MOST:
            with contextlib.suppress(OSError):  # the process has no descriptors left
                return self._open(address, check.ufrag, password)
        _dropped.labels("full").inc()
        return None

    def _open(self, address: Address, ufrag: str, password: str) -> _Path:
        near = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        near.setblocking(False)
        near.connect(self._media)
        path = self._paths[address] = _Path(near, ufrag, password, 1 + secrets.randbits(63), self._clock())
        _paths.set(len(self._paths))
        asyncio.get_running_loop().add_reader(near, self._from_stage, near, address)
        return path

    def _from_stage(self, near: socket.socket, address: Address) -> None:
        for _ in range(_BATCH):
            try:
                data = near.recv(_MOST_BYTES)
            except OSError:
                return
            try:
                if self._far is not None:
                    self._far.sendto(data, address)
            except OSError:
                _dropped.labels("blocked").inc()

    def _end(self, address: Address) -> None:
        path = self._paths.pop(address, None)
        if path is not None:
            with contextlib.suppress(OSError):
                asyncio.get_running_loop().remove_reader(path.near)
            path.near.close()
            _paths.set(len(self._paths))
