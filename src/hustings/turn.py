"""Relays for speakers whose network lets no UDP through to the stage: addresses, passwords, headers.

Pure. RFC 8656 (TURN), RFC 7065 (its addresses), RFC 9725 section 4.6 (how WHIP names them), and the REST
scheme that coturn calls `use-auth-secret`: a name that says until when it holds, and as its password a keyed
hash of the name. So no relay needs a list of people, and what leaks is worth nothing tomorrow.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from typing import Literal, NamedTuple

from hustings.errors import UsageError

HOLDS = 12 * 3600
"""Seconds a name holds: longer than an evening, for it is asked for again at each refresh."""
MOST = 8
"""Addresses; browsers slow down with more than a few."""
_ADDRESS = re.compile(
    r"(?P<scheme>stun|turns?):(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+)(?::(?P<port>\d{1,5}))?"
    r"(?:\?transport=(?P<transport>udp|tcp))?"
)
_LINK = re.compile(r'<([^<>\s]{1,300})>((?:\s*;\s*[\w-]+=(?:"[^"]*"|[\w.-]+))*)')
_SAYS = re.compile(r';\s*([\w-]+)=(?:"([^"]*)"|([\w.-]+))')


class Relay(NamedTuple):
    """One address, read. `kind` "stun" gives no relay, it only tells a client its own address."""

    url: str
    kind: Literal["stun", "turn", "turns"]
    host: str
    port: int
    transport: Literal["udp", "tcp"]


class IceServer(NamedTuple):
    """What a client is told."""

    url: str
    username: str = ""
    credential: str = ""


def read_relay(url: str) -> Relay:
    """Reads one address. Raises UsageError saying how they are written."""
    match = _ADDRESS.fullmatch(url)
    port = int(match["port"]) if match and match["port"] else 0
    if match is None or port > 65535 or (match["scheme"] == "stun" and match["transport"]):
        raise UsageError(
            f"HUSTINGS_TURN: '{url}' is no relay; write turn:relay.example.org:3478?transport=udp "
            "or turns:relay.example.org:443?transport=tcp, commas between."
        )
    kind: Literal["stun", "turn", "turns"] = match["scheme"]  # type: ignore[assignment]  # by the pattern
    # RFC 7065 section 3.2 and RFC 8656 section 5: TLS is over TCP unless DTLS is asked for.
    transport = match["transport"] or ("tcp" if kind == "turns" else "udp")
    return Relay(
        url,
        kind,
        match["host"].strip("[]"),
        port or (5349 if kind == "turns" else 3478),
        "tcp" if transport == "tcp" else "udp",
    )


def read_relays(text: str, secret: str) -> tuple[Relay, ...]:
    """The setting HUSTINGS_TURN. Raises UsageError."""
    relays = tuple(read_relay(part.strip()) for part in text.split(",") if part.strip())
    if len(relays) > MOST:
        raise UsageError(f"HUSTINGS_TURN names {len(relays)} relays; at most {MOST}.")
    if not secret and any(relay.kind != "stun" for relay in relays):
        raise UsageError("HUSTINGS_TURN needs HUSTINGS_TURN_SECRET, the relay's static-auth-secret.")
    return relays


def credentials(secret: str, label: str, now: float) -> tuple[str, str]:
    """Name and password that hold for `HOLDS` from `now` (Unix seconds). `label` is seen by the relay only,
    and in its log: let it say nothing of anybody."""
    name = f"{int(now) + HOLDS}:{label}"
    # SHA-1 because the relays do so; as a keyed hash it is not broken (RFC 6151 section 2 says why).
    digest = hmac.new(secret.encode(), name.encode(), hashlib.sha1).digest()
    return name, base64.b64encode(digest).decode()


def links(relays: tuple[Relay, ...], secret: str, label: str, now: float) -> list[str]:
    """A Link header for each relay (RFC 9725 section 4.6)."""
    name, password = credentials(secret, label, now)
    return [
        f'<{relay.url}>; rel="ice-server"'
        + (
            ""
            if relay.kind == "stun"
            else f'; username="{name}"; credential="{password}"; credential-type="password"'
        )
        for relay in relays
    ]


def read_links(headers: list[str]) -> list[IceServer]:
    """What Link headers name, for clients. Anything else in them is passed over; at most `MOST` are read."""
    found: list[IceServer] = []
    for header in headers:
        for url, rest in _LINK.findall(header[:4096]):
            says = {name.lower(): quoted or plain for name, quoted, plain in _SAYS.findall(rest)}
            if says.get("rel") == "ice-server" and _ADDRESS.fullmatch(url):
                found.append(IceServer(url, says.get("username", ""), says.get("credential", "")))
    return found[:MOST]
