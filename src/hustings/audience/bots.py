"""Who is counted apart: programs that say so, and addresses of data centres. Lists are given as text; the one
of programs is published with the pages (web/audience/agents.txt)."""

from __future__ import annotations

import hashlib
import ipaddress
from bisect import bisect_right
from collections.abc import Iterable
from typing import Final

from hustings.errors import Corrupt

MAX_AGENTS: Final = 500
MAX_RANGES: Final = 50_000
MAX_KNOWN: Final = 4096
"""Browsers remembered with what they are."""


def _lines(text: str) -> list[str]:
    stripped = (line.partition("#")[0].strip() for line in text.splitlines())
    return [line for line in stripped if line]


class Bots:
    """`agents`: parts of User-Agents, one a line, in any case; `ranges`: CIDR, one a line; # begins a remark.

    Raises Corrupt with the line that is wrong."""

    def __init__(self, agents: str = "", ranges: str = "") -> None:
        self._agents = tuple(dict.fromkeys(line.lower().encode() for line in _lines(agents)))
        networks = [_network(line) for line in _lines(ranges)]
        if len(self._agents) > MAX_AGENTS or len(networks) > MAX_RANGES:
            raise Corrupt(f"at most {MAX_AGENTS} names of programs and {MAX_RANGES} ranges of addresses")
        self._known: dict[bytes, bool] = {}
        self._v4 = _spans(each for each in networks if each.version == 4)
        self._v6 = _spans(each for each in networks if each.version == 6)
        self.lists: dict[str, int | str] = {
            "agents": len(self._agents),
            "agents_sha256": _hash(agents),
            "ranges": len(networks),
            "ranges_sha256": _hash(ranges) if networks else "",
        }
        """What is published of both."""

    def is_bot(self, address: str, agent: bytes) -> bool:
        """`address`: as hustings.addresses.address_key makes it (IPv6: the /64 in hexadecimal digits). Who
        names no browser at all is a program, too."""
        return self._is_program(agent) or (bool(address) and self._is_data_centre(address))

    def _is_program(self, agent: bytes) -> bool:
        known = self._known.get(agent)
        if known is None:
            text = agent.lower()
            known = not text.strip() or any(name in text for name in self._agents)
            if len(self._known) >= MAX_KNOWN:
                self._known.clear()  # agents nobody has are made up by the thousand
            self._known[agent] = known
        return known

    def _is_data_centre(self, address: str) -> bool:
        if not (self._v4 or self._v6):
            return False
        try:
            if "." in address:
                return _within(self._v4, int(ipaddress.IPv4Address(address)))
            return _within(self._v6, int(address, 16) << 64)
        except ValueError:
            return False


def _network(line: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    try:
        network = ipaddress.ip_network(line, strict=False)
    except ValueError:
        raise Corrupt(f"'{line}' is no range of addresses; write for example 203.0.113.0/24") from None
    if network.version == 6 and network.prefixlen > 64:
        raise Corrupt(f"'{line}' is narrower than a /64, which is all that is known of an address")
    return network


type _Spans = list[tuple[int, int]]


def _spans(networks: Iterable[ipaddress.IPv4Network | ipaddress.IPv6Network]) -> _Spans:
    """First and last address of each, in order, those that touch joined."""
    spans: _Spans = []
    for first, last in sorted((int(n.network_address), int(n.broadcast_address)) for n in networks):
        if spans and first <= spans[-1][1] + 1:
            spans[-1] = (spans[-1][0], max(spans[-1][1], last))
        else:
            spans.append((first, last))
    return spans


def _within(spans: _Spans, address: int) -> bool:
    place = bisect_right(spans, (address, 1 << 130)) - 1
    return place >= 0 and address <= spans[place][1]


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
