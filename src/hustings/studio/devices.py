"""Marks of whoever makes a request: from its address and the device identifier its page made up."""

from __future__ import annotations

import ipaddress
from typing import Annotated

from fastapi import Depends, Request

from hustings.addresses import address_key
from hustings.studio.auth import KnownSlug, TheStudio

HEADER = "hustings-device"


def known_address(host: str) -> str:
    """`address_key`, or "" for what is no address: whoever has none must not share a mark with others."""
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return ""
    return address_key(host)


def marks(slug: KnownSlug, request: Request, studio: TheStudio) -> frozenset[str]:
    """Keyed hashes; the address itself goes no further."""
    address = known_address(request.client.host) if request.client else ""
    return studio.marks.of(slug, address, request.headers.get(HEADER, ""))


type TheMarks = Annotated[frozenset[str], Depends(marks)]
