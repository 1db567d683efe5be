"""Writes databases in the MaxMind DB format 2.0 (maxmind.github.io/MaxMind-DB): 24 bits a record, IPv4 below
::/96. Small, for tests; networks do not overlap."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from pathlib import Path
from typing import Any

MARKER = b"\xab\xcd\xefMaxMind.com"
UINT16, UINT32, UINT64 = 5, 6, 9


def _control(kind: int, size: int) -> bytes:
    first, more = (kind << 5, b"") if kind < 8 else (0, bytes([kind - 7]))
    if size < 29:
        return bytes([first | size]) + more
    assert size < 285
    return bytes([first | 29]) + more + bytes([size - 29])


def _value(value: Any) -> bytes:
    if isinstance(value, str):
        return _control(2, len(value.encode())) + value.encode()
    if isinstance(value, tuple | int):  # (type, number); uint32 unless it says
        kind, number = value if isinstance(value, tuple) else (UINT32, value)
        data: bytes = number.to_bytes(8).lstrip(b"\0")
        return _control(kind, len(data)) + data
    if isinstance(value, list):
        return _control(11, len(value)) + b"".join(map(_value, value))
    return _control(7, len(value)) + b"".join(_value(key) + _value(value[key]) for key in value)


def database(
    networks: Mapping[str, Any], *, kind: str = "Test-Country", built: int = 1_793_000_000, version: int = 6
) -> bytes:
    """`networks`: CIDR -> record; a text is the code of a record as GeoLite2-Country and DB-IP have it."""
    nodes: list[list[Any]] = [[None, None]]
    data = b""
    for cidr, given in networks.items():
        network = ipaddress.ip_network(cidr)
        shift = 96 if version == 6 and network.version == 4 else 0
        bits = f"{int(network.network_address):0{network.max_prefixlen}b}"
        path = "0" * shift + bits[: network.prefixlen]
        node = 0
        for bit in map(int, path[:-1]):
            if nodes[node][bit] is None:
                nodes.append([None, None])
                nodes[node][bit] = len(nodes) - 1
            node = nodes[node][bit]
        nodes[node][int(path[-1])] = ("data", len(data))
        data += _value({"country": {"iso_code": given}} if isinstance(given, str) else given)
    count = len(nodes)

    def record(child: Any) -> bytes:
        at = count if child is None else child if isinstance(child, int) else count + 16 + child[1]
        return int(at).to_bytes(3)

    tree = b"".join(record(child) for node in nodes for child in node)
    about: dict[str, Any] = {"build_epoch": (UINT64, built), "record_size": (UINT16, 24), "node_count": count}
    about |= {"binary_format_major_version": (UINT16, 2), "binary_format_minor_version": (UINT16, 0)}
    about |= {"database_type": kind, "description": {"en": "made for tests"}, "languages": ["en"]}
    about |= {"ip_version": (UINT16, version)}
    return tree + bytes(16) + data + MARKER + _value(about)


def write(path: Path, networks: Mapping[str, Any], **more: Any) -> Path:
    """The same as a file."""
    path.write_bytes(database(networks, **more))
    return path
