"""The relay door, on loopback: which checks are led on, how they look then, and what comes back."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator

import pytest
from prometheus_client import REGISTRY
from test_stun import PASSWORD, RFC_5769

from hustings.stage.webrtc import relay_door, sdp
from hustings.stage.webrtc.relay_door import IDLE, RelayDoor
from hustings.stage.webrtc.stun import read_check

PASSWORDS = {"evtj": PASSWORD}


def zero(ufrag: str = "evtj", password: str = PASSWORD) -> bytes:
    """A check as Chromium sends it from a relay over TCP. `ufrag` has four characters."""
    check = read_check(RFC_5769.replace(b"evtj", ufrag.encode()))
    assert check is not None
    return check.with_tie_breaker(0, password)


def dropped(cause: str) -> float:
    return REGISTRY.get_sample_value("hustings_stage_relay_dropped_total", {"cause": cause}) or 0.0


def udp() -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.bind(("127.0.0.1", 0))
    made.setblocking(False)
    return made


class Place:
    """A door, a media port behind it, a relay before it and a clock."""

    def __init__(self) -> None:
        self.media, self.relay, self.now = udp(), udp(), 0.0
        self.door = RelayDoor(self.media.getsockname(), PASSWORDS.get, lambda: self.now)
        self.door.listen("127.0.0.1", 0)

    def say(self, data: bytes, relay: socket.socket | None = None) -> None:
        (relay or self.relay).sendto(data, ("127.0.0.1", self.door.port))

    async def arrives(self, at: socket.socket | None = None) -> tuple[bytes, tuple[str, int]]:
        return await asyncio.wait_for(asyncio.get_running_loop().sock_recvfrom(at or self.media, 2048), 20)

    async def nothing_arrives(self) -> None:
        """A check that is led on comes after all that was said before it."""
        with udp() as other:
            self.say(zero(), other)
            data, _ = await self.arrives()
            assert read_check(data) is not None
            with pytest.raises(BlockingIOError):
                self.media.recv(2048)


@pytest.fixture
async def place() -> AsyncIterator[Place]:
    place = Place()
    yield place
    place.door.close()
    place.media.close()
    place.relay.close()


async def test_a_check_goes_on_with_another_tie_breaker_and_everything_after_it_as_it_is(
    place: Place,
) -> None:
    place.say(zero())
    data, near = await place.arrives()
    check = read_check(data)
    assert check is not None
    assert check.tie_breaker > 0
    assert check.signed_with(PASSWORD)
    place.media.sendto(b"an answer", near)
    assert (await place.arrives(place.relay))[0] == b"an answer"
    place.say(b"\x16\xfe\xfdhandshake")
    assert await place.arrives() == (b"\x16\xfe\xfdhandshake", near)
    place.say(zero())
    again, from_ = await place.arrives()
    assert (again, from_) == (data, near)  # one tie-breaker for the whole session (RFC 8445 16.1)


async def test_what_does_not_belong_here_goes_nowhere(place: Place) -> None:
    before = dropped("other")
    place.say(RFC_5769)  # a check with a tie-breaker: its sender finds the media door
    place.say(b"\x80\x6fsound without a path")
    place.say(zero(password="guessed"))
    place.say(zero("nobd"))
    await place.nothing_arrives()
    assert dropped("other") == before + 4


async def test_a_check_that_is_not_signed_goes_nowhere_on_a_path_that_stands(place: Place) -> None:
    place.say(zero())
    await place.arrives()
    place.say(zero(password="guessed"))
    await place.nothing_arrives()


async def test_another_session_by_the_same_address_gets_a_path_of_its_own(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(PASSWORDS, "evtk", "another one")
    place.say(zero())
    _, near = await place.arrives()
    place.say(zero("evtk", "another one"))
    data, other = await place.arrives()
    assert other != near
    check = read_check(data)
    assert check is not None
    assert check.signed_with("another one")


async def test_paths_are_bounded_and_end_when_nothing_comes(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay_door, "MOST", 1)
    before = dropped("full")
    place.say(zero())
    await place.arrives()
    with udp() as second:
        place.say(zero(), second)
        place.say(b"still there")
        assert (await place.arrives())[0] == b"still there"
        assert dropped("full") == before + 1
        place.now = IDLE + 1
        place.door.sweep()
        place.say(b"too late")
        place.say(zero(), second)
        assert read_check((await place.arrives())[0]) is not None


async def test_a_flood_is_read_a_little_at_a_time(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay_door, "MOST_IN_A_WINDOW", 3)
    before = REGISTRY.get_sample_value("hustings_stage_relay_floods_total") or 0.0
    place.say(zero())
    await place.arrives()
    for number in range(7):
        place.say(b"%d" % number)
    for number in range(7):
        assert (await place.arrives())[0] == b"%d" % number
    assert (REGISTRY.get_sample_value("hustings_stage_relay_floods_total") or 0.0) == before + 2


async def test_a_port_that_is_taken_leaves_it_closed(place: Place) -> None:
    second = RelayDoor(("127.0.0.1", 9), PASSWORDS.get)
    second.listen("127.0.0.1", place.door.port)
    assert second.port == 0
    second.listen("127.0.0.1", 65536)
    assert second.port == 0


def test_an_answer_names_the_relay_door_after_the_media_door() -> None:
    answer = "\r\n".join(
        [
            "v=0",
            "a=candidate:1 1 UDP 2114977791 192.0.2.1 8002 typ host",
            "a=candidate:2 1 UDP 2114977535 2001:db8::1 8002 typ host",
            "a=end-of-candidates",
        ]
    )
    assert sdp.with_relay_door(answer + "\r\n", 8003).splitlines() == [
        "v=0",
        "a=candidate:1 1 UDP 2114977791 192.0.2.1 8002 typ host",
        "a=candidate:2 1 UDP 2114977535 2001:db8::1 8002 typ host",
        "a=candidate:1r 1 UDP 2098200575 192.0.2.1 8003 typ host",
        "a=end-of-candidates",
    ]
