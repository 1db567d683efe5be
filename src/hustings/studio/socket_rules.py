"""What a speaker's WebSocket may say, and how much of it (docs/speaker-socket.md). Pure: times are arguments.

What comes in is somebody else's: the readers raise Corrupt and nothing else.
"""

from __future__ import annotations

import json
import math
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from hustings.errors import Corrupt

MAX_TEXT = 2048
"""Characters of a text message."""
MAX_SOUND = 1500
"""Bytes of one packet: 1275 are the most that Opus makes of a frame (RFC 6716 3.2.1), and the header."""
MAX_AHEAD = 100
"""Packets sent that the client has not said it got: 2 s. More would only come later and later."""
_HEADER = 12
_MAX_SECRET = 512


class Hello(NamedTuple):
    """The first message: who comes."""

    ticket: str
    device: str
    returns: bool


class Ping(NamedTuple):
    """Sent by a client at least every second. `at` comes back; `got` is the last packet it has received."""

    at: float
    got: int | None


def read_hello(text: object) -> Hello:
    """The first message. Raises Corrupt."""
    message = _object(text)
    ticket, device = message.get("ticket"), message.get("device", "")
    returns = message.get("returns", True)
    if not isinstance(ticket, str) or not 0 < len(ticket) <= _MAX_SECRET:
        raise Corrupt("the first message names no ticket")
    if not isinstance(device, str) or not isinstance(returns, bool):
        raise Corrupt("device is a text, returns is true or false")
    return Hello(ticket, device, returns)


def read_ping(text: object) -> Ping:
    """Any later text. Raises Corrupt."""
    message = _object(text)
    if message.get("type") != "ping":
        raise Corrupt("the only text after the first is a ping")
    at, got = message.get("at", 0), message.get("got")
    if isinstance(at, bool) or not isinstance(at, int | float) or not abs(at) < 2**53:
        raise Corrupt("at is a number of milliseconds")
    if got is not None and (isinstance(got, bool) or not isinstance(got, int) or not 0 <= got < 65536):
        raise Corrupt("got is a sequence number")
    return Ping(at, got)


def _object(text: object) -> dict[str, Any]:
    if not isinstance(text, str) or len(text) > MAX_TEXT:
        raise Corrupt("not a short text")
    try:
        message = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Corrupt("not JSON") from error
    if not isinstance(message, dict):
        raise Corrupt("not an object")
    return message


def is_sound(data: bytes) -> bool:
    """Whether it looks like an RTP packet (RFC 3550 5.1) and not RTCP (RFC 5761 4); the stage reads it."""
    return _HEADER <= len(data) <= MAX_SOUND and data[0] >> 6 == 2 and not 192 <= data[1] <= 223


def sequence_of(packet: bytes) -> int:
    """The sequence number of an RTP packet."""
    return packet[2] << 8 | packet[3]


class Allowance:
    """So many a second, and a reserve that fills up again."""

    def __init__(self, rate: float, reserve: float, now: float) -> None:
        self._rate = rate
        self._reserve = reserve
        self._left = reserve
        self._at = now

    def take(self, now: float) -> bool:
        """Whether one more is allowed."""
        self._left = min(self._reserve, self._left + max(0.0, now - self._at) * self._rate)
        self._at = now
        if self._left < 1.0:
            return False
        self._left -= 1.0
        return True


class Ahead:
    """How far we are ahead of what the client says it has got: the network's buffers are not for sound."""

    def __init__(self) -> None:
        self._sent: int | None = None
        self._got: int | None = None

    def sent(self, sequence: int) -> None:
        if self._got is None:
            self._got = sequence - 1 & 0xFFFF
        self._sent = sequence

    def got(self, sequence: int) -> None:
        """The client's word; what was never sent is not believed."""
        if self._sent is None or self._got is None:
            return
        if sequence - self._got & 0xFFFF <= self._sent - self._got & 0xFFFF:
            self._got = sequence

    @property
    def too_far(self) -> bool:
        """Whether what is sent now would only come late."""
        if self._sent is None or self._got is None:
            return False
        return self._sent - self._got & 0xFFFF >= MAX_AHEAD


def our_origin(origin: str | None, host: str | None, own: tuple[str, ...]) -> bool:
    """Whether a page of one of our doors asks: the host that is asked, whatever the port (the two doors have
    the same host and different ports), or one of `own`. Programs name no origin."""
    if origin is None:
        return True
    try:
        asked = urlsplit(origin)
        here = urlsplit(f"//{host or ''}")
        if not asked.hostname or asked.scheme not in ("http", "https"):
            return False
        return asked.hostname == here.hostname or any(
            (asked.scheme, asked.netloc) == urlsplit(each)[:2] for each in own
        )
    except ValueError:
        return False


def pong(ping: Ping) -> str:
    """The answer to a ping."""
    at = int(ping.at) if math.isfinite(ping.at) and ping.at == int(ping.at) else ping.at
    return json.dumps({"type": "pong", "at": at})
