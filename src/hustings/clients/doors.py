"""From an address a person has to the doors a listener needs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import parse_qs, urlencode, urljoin, urlsplit, urlunsplit

import httpx

from hustings.clients.api import refused
from hustings.clients.trust import unreachable
from hustings.errors import HustingsError, UsageError

type Via = Literal["push", "hls", "whep", "stream"]
VIAS: tuple[Via, ...] = ("push", "hls", "whep", "stream")

_LINKS: dict[Via, tuple[str, ...]] = {
    "push": ("live",),
    "hls": ("hls",),
    "whep": ("whep",),
    "stream": ("stream_ogg", "stream_aac"),
}


@dataclass(frozen=True, slots=True)
class Door:
    """One way to listen: how, and where."""

    via: Via
    url: str


@dataclass(frozen=True, slots=True)
class Room:
    """What a room's state.json says about its doors."""

    status: str = ""
    title: str = ""
    links: dict[str, str] = field(default_factory=dict)


def direct_door(address: str) -> Via | None:
    """The kind of door `address` names outright, or None when it names a room."""
    path = urlsplit(address).path
    last = path.rpartition("/")[2]
    if last == "live":
        return "push"
    if last.endswith(".m3u8"):
        return "hls"
    if last in ("stream.ogg", "stream.aac"):
        return "stream"
    if "/whep/" in path:
        return "whep"
    return None


def state_address(address: str) -> str:
    """Where a room's state.json is, from its page's or its own address. Raises UsageError."""
    parts = urlsplit(address)
    path = parts.path.rstrip("/")
    if path.endswith("/state.json"):
        return urlunsplit((parts.scheme, parts.netloc, path, "", ""))
    before, found, rest = path.partition("/r/")
    slug = rest.partition("/")[0]
    if not found or not slug:
        raise UsageError(f"'{address}' names no room; give a room's page, such as http://HOST:8000/r/SLUG.")
    return urlunsplit((parts.scheme, parts.netloc, f"{before}/r/{slug}/state.json", "", ""))


def check_address(address: str) -> str:
    """`address` as it is. Raises UsageError unless it is http or https with a host."""
    parts = urlsplit(address)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UsageError(f"'{address}' is no web address; give one such as http://HOST:8000/r/SLUG.")
    return address


async def room(client: httpx.AsyncClient, address: str) -> Room:
    """Reads state.json. Raises Refused, Unavailable or HustingsError."""
    url = state_address(address)
    try:
        response = await client.get(url)
    except httpx.HTTPError as error:
        raise unreachable(url, error, "is the address right and the server running?") from error
    if response.is_error:
        raise refused(response)
    try:
        state = response.json()
    except ValueError as error:
        raise HustingsError(f"{url} is not JSON; is this a Hustings server?") from error
    links = state.get("links") if isinstance(state, dict) else None
    if not isinstance(links, dict):
        raise HustingsError(f"{url} lists no links; is this a Hustings server?")
    found = {str(name): urljoin(url, link) for name, link in links.items() if isinstance(link, str)}
    return Room(str(state.get("status", "")), str(state.get("title", "")), found)


async def find_door(client: httpx.AsyncClient, address: str, via: Via | None) -> Door:
    """The door to listen at: `address` itself where it is one, else from the room's links.

    `via` defaults to push. Raises UsageError when `via` contradicts a direct address.
    """
    direct = direct_door(check_address(address))
    if direct is not None:
        if via not in (None, direct):
            raise UsageError(f"'{address}' is a {direct} door, not {via}; give the room's page instead.")
        return Door(direct, address)
    wanted = via or "push"
    links = (await room(client, address)).links
    for name in _LINKS[wanted]:
        if links.get(name):
            return Door(wanted, links[name])
    raise HustingsError(
        f"This room has no {wanted} door now; it lists: {', '.join(sorted(links)) or 'none'}."
    )


def with_query(url: str, **members: str | int) -> str:
    """`url` with query members set or replaced."""
    parts = urlsplit(url)
    query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    query.update({name: str(value) for name, value in members.items()})
    return urlunsplit((parts.scheme, parts.netloc, parts.path, urlencode(query), ""))
