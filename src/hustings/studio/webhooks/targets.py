"""Where a webhook may go: public addresses only, as resolved, and then to that very address.

The name is resolved once and the connection made to what was checked, so a name that answers differently
the second time (DNS rebinding) gains nothing.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from hustings.errors import HustingsError

type Address = ipaddress.IPv4Address | ipaddress.IPv6Address
type Resolve = Callable[[str, int], Awaitable[list[str]]]

# Metadata services of clouds that answer at public addresses; all others are link-local or private.
_METADATA = frozenset({ipaddress.ip_address("168.63.129.16")})
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_NAT64_LOCAL = ipaddress.IPv6Network("64:ff9b:1::/48")


class ForbiddenTarget(HustingsError):
    """An address webhooks do not go to; the text says which kind it is, never the address."""


class Unresolved(HustingsError):
    """The host name leads nowhere."""

    def __init__(self) -> None:
        super().__init__("The host name cannot be resolved.")


@dataclass(frozen=True, slots=True)
class Target:
    """What to connect to, and what was asked for."""

    addresses: tuple[str, ...]
    host: str
    port: int
    tls: bool


def check(url: str, private: bool) -> Target:
    """What can be known of `url` without resolving. Raises ForbiddenTarget."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ForbiddenTarget("It is no web address.") from None
    tls = parts.scheme == "https"
    host = (parts.hostname or "").rstrip(".")
    if parts.scheme not in ("http", "https") or not host:
        raise ForbiddenTarget("It is no web address.")
    if not tls and not private:
        raise ForbiddenTarget("It must begin with https:// (HUSTINGS_WEBHOOK_PRIVATE allows http).")
    if host == "localhost" or host.endswith(".localhost"):
        refuse("127.0.0.1", private)
    address = _literal(host)
    if address is not None:
        refuse(str(address), private)
    return Target((str(address),) if address else (), host, port or (443 if tls else 80), tls)


async def resolve(target: Target, private: bool, lookup: Resolve) -> Target:
    """`target` with the addresses to connect to, all of them allowed. Raises ForbiddenTarget, Unresolved."""
    if target.addresses:
        return target
    try:
        found = await lookup(target.host, target.port)
    except (OSError, UnicodeError) as error:
        raise Unresolved from error
    if not found:
        raise Unresolved
    for address in found:
        refuse(address, private)
    return Target(tuple(dict.fromkeys(found))[:3], target.host, target.port, target.tls)


async def lookup(host: str, port: int) -> list[str]:
    """The system's resolver."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(entry[4][0]).partition("%")[0] for entry in found]


def _literal(host: str) -> Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        pass
    try:
        # What the system's resolver takes for a number, too: 127.1, 0x7f000001, 2130706433.
        return ipaddress.IPv4Address(socket.inet_aton(host))
    except (OSError, UnicodeError):
        return None


def refuse(text: str, private: bool) -> None:
    """Raises ForbiddenTarget unless webhooks may go to this address. `private`: intranets are allowed."""
    for address in _meant(ipaddress.ip_address(text)):
        if address in _METADATA or address.is_link_local:
            raise ForbiddenTarget("It is an address of this machine's surroundings (link-local, metadata).")
        if (
            address.is_multicast
            or address.is_unspecified
            or (address.is_reserved and not address.is_loopback)
        ):
            raise ForbiddenTarget("It is no address of one machine.")
        if not private and not address.is_global:
            raise ForbiddenTarget("It is a private address (HUSTINGS_WEBHOOK_PRIVATE allows them).")


def _meant(address: Address) -> tuple[Address, ...]:
    """The address, and the IPv4 address it may lead to (mapped, 6to4, Teredo, NAT64)."""
    if isinstance(address, ipaddress.IPv4Address):
        return (address,)
    if address.ipv4_mapped is not None:
        return (address.ipv4_mapped,)
    if address.sixtofour is not None:
        return address, address.sixtofour
    if address.teredo is not None:
        return address, *address.teredo
    if address in _NAT64:
        return (ipaddress.IPv4Address(int(address) & 0xFFFFFFFF),)
    if address in _NAT64_LOCAL:
        return address, ipaddress.IPv4Address("10.0.0.0")
    return (address,)
