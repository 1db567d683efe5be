"""Whose address it is, as far as limits and bans go: one key for edges and studio, so that they agree."""

from __future__ import annotations

import socket


def address_key(address: str) -> str:
    """IPv4 as it is, IPv6 by its /64 (what one line or phone is given), v4-mapped as v4.

    What is no address comes back unchanged.
    """
    if ":" not in address:
        return address
    try:
        packed = socket.inet_pton(socket.AF_INET6, address.partition("%")[0])
    except OSError:
        return address
    if packed[:12] == b"\0" * 10 + b"\xff\xff":
        return socket.inet_ntop(socket.AF_INET, packed[12:])
    return packed[:8].hex()


def by_name(url: str) -> str:
    """`url` with this machine called localhost, not by number: browsers allow no passkey for a number."""
    for scheme in ("http", "https"):
        for number in ("127.0.0.1", "[::1]"):
            if url.startswith(f"{scheme}://{number}:"):
                return f"{scheme}://localhost:" + url.removeprefix(f"{scheme}://{number}:")
    return url
