"""From an address to the doors."""

from __future__ import annotations

import httpx
import pytest

from hustings.clients.doors import direct_door, find_door, state_address, with_query
from hustings.errors import HustingsError, Refused, Unavailable, UsageError

STATE = {
    "status": "live",
    "title": "The library",
    "links": {
        "live": "/r/library/live",
        "hls": "http://cdn.example/r/library/hls/index.m3u8",
        "stream_ogg": "stream.ogg",
        "whep": "http://studio.example:8001/whep/library",
    },
}


def client(handler: object) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.MockTransport(handler))  # type: ignore[arg-type]  # plain function


def serve_state(request: httpx.Request) -> httpx.Response:
    if request.url.path == "/r/library/state.json":
        return httpx.Response(200, json=STATE)
    return httpx.Response(404, json={"title": "No such room", "status": 404})


@pytest.mark.parametrize(
    ("address", "state"),
    [
        ("http://h:8000/r/library", "http://h:8000/r/library/state.json"),
        ("http://h:8000/r/library/?lang=de#x", "http://h:8000/r/library/state.json"),
        ("http://h/base/r/library/audience.json", "http://h/base/r/library/state.json"),
        ("http://h/r/library/state.json", "http://h/r/library/state.json"),
    ],
)
def test_where_the_state_is(address: str, state: str) -> None:
    assert state_address(address) == state


@pytest.mark.parametrize("address", ["http://h:8000/", "http://h/r/", "http://h/elsewhere"])
def test_no_room(address: str) -> None:
    with pytest.raises(UsageError):
        state_address(address)


def test_direct_doors() -> None:
    base = "http://h:8000/r/library"
    assert direct_door(f"{base}/live?codec=aac") == "push"
    assert direct_door(f"{base}/hls/index.m3u8") == "hls"
    assert direct_door(f"{base}/hls/opus.m3u8") == "hls"
    assert direct_door(f"{base}/stream.ogg") == "stream"
    assert direct_door("http://h:8001/whep/library") == "whep"
    assert direct_door(base) is None


async def test_doors_come_from_the_links() -> None:
    async with client(serve_state) as http:
        address = "http://h:8000/r/library"
        assert (await find_door(http, address, None)).url == "http://h:8000/r/library/live"
        assert (await find_door(http, address, "hls")).url == "http://cdn.example/r/library/hls/index.m3u8"
        assert (await find_door(http, address, "stream")).url == "http://h:8000/r/library/stream.ogg"
        assert (await find_door(http, address, "whep")).url == "http://studio.example:8001/whep/library"


async def test_a_direct_address_needs_no_state() -> None:
    async with client(lambda request: pytest.fail(f"asked {request.url}")) as http:
        door = await find_door(http, "http://h/r/x/live", "push")
        assert (door.via, door.url) == ("push", "http://h/r/x/live")
        with pytest.raises(UsageError):
            await find_door(http, "http://h/r/x/live", "hls")


async def test_what_goes_wrong_is_said() -> None:
    def broken(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused")

    async with client(serve_state) as http:
        with pytest.raises(Refused, match="No such room"):
            await find_door(http, "http://h/r/unknown", None)
        with pytest.raises(UsageError):
            await find_door(http, "ftp://h/r/library", None)
    async with client(broken) as http:
        with pytest.raises(Unavailable):
            await find_door(http, "http://h/r/library", None)
    async with client(lambda request: httpx.Response(200, text="<html>")) as http:
        with pytest.raises(HustingsError, match="not JSON"):
            await find_door(http, "http://h/r/library", None)
    async with client(lambda request: httpx.Response(200, json={"links": {"hls": "x"}})) as http:
        with pytest.raises(HustingsError, match="no push door"):
            await find_door(http, "http://h/r/library", None)


def test_query_members_are_set_once() -> None:
    assert with_query("http://h/a?x=1&codec=opus", codec="aac") == "http://h/a?x=1&codec=aac"
