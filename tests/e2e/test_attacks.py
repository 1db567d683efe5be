"""The attacks of `./dev attack`, small: each does what it says to a real server, which withstands it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from harness import Room, Server, serve

sys.path.append(str(Path(__file__).parents[2] / "attack"))

import event_sockets
import handshakes
import joins
import loiter
import slow
import udp
from sockets import Address

from hustings.config import host_port

pytestmark = [pytest.mark.e2e, pytest.mark.slow]


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Room]:
    with serve(tmp_path_factory.mktemp("attacked")) as server:
        room = server.room("An evening")
        room.open()
        room.start()
        room.wait_for_state("live")
        yield room


def door(url: str) -> Address:
    parts = httpx.URL(url)
    return parts.host, parts.port or 80


def alive(server: Server) -> None:
    for url in (server.audience_url, server.studio_url):
        assert httpx.get(f"{url}/healthz", trust_env=False, timeout=30.0).status_code == 200


def test_a_crowd_hears_sound_beside_a_flood_from_one_address(room: Room) -> None:
    audience = door(room.server.audience_url)
    flooded = joins.flood(audience, 2.0, 500)
    assert flooded["held_at_the_end"] <= 220, "one address holds more places than it may"
    found = joins.join(audience, f"/r/{room.slug}/live", 100, 2.0, patience=60.0)
    assert len(found["heard"]) == 100, found
    assert found["silent"] == 0
    alive(room.server)


@pytest.mark.parametrize("mode", ["headers", "body", "read"])
def test_slow_clients_are_gone_after_a_while(room: Room, mode: slow.Mode) -> None:
    path = {"headers": "/", "body": f"/r/{room.slug}/question", "read": f"/r/{room.slug}"}[mode]
    found = slow.slow(door(room.server.audience_url), mode, path, 40, 1.0, 40.0, 20)
    assert found["still_open"] == 0, found
    assert len(found["lasted"]) == 40
    alive(room.server)


def test_loiterers_are_sent_away_and_slow_listeners_cost_no_memory(room: Room) -> None:
    found = loiter.loiter(door(room.server.audience_url), f"/r/{room.slug}/live", 30, 10, 1.0, 20.0)
    assert found["idle_still_open"] == 0
    assert found["slow_bytes"] > 0
    alive(room.server)


def test_garbage_at_the_media_port_ends_nothing(room: Room) -> None:
    _, port = host_port(room.server.media)
    assert udp.flood(port, 1_000, 2.0)["sent"] > 500
    alive(room.server)
    assert room.server.pids("stage")


@pytest.mark.parametrize("forge", [False, True])
def test_strangers_who_race_a_handshake_spoil_none(room: Room, forge: bool) -> None:
    """ClientHellos from other addresses and (as root) from the client's own."""
    _, port = host_port(room.server.media)
    found = handshakes.race(room.whep_url, port, 8, 300, forge)
    assert found["failures"] == []
    assert len(found["seconds"]) == 8
    assert found["sent"] > 8 * handshakes.BURST
    alive(room.server)


def test_the_event_socket_refuses_what_is_none_of_its_business(room: Room) -> None:
    studio, path = door(room.server.studio_url), f"/api/rooms/{room.slug}/events"
    assert event_sockets.foreign(studio, path, 5)["answers"] == {"403": 5}
    assert event_sockets.chatter(studio, path, 10, 200, 20.0)["still_open"] == 0
    assert event_sockets.oversize(studio, path, 5, 1 << 20, 15.0)["still_open"] == 0
    alive(room.server)
