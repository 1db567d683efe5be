"""Two peers of ours over loopback, and exits that do not abort."""

from __future__ import annotations

import asyncio
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable

import pytest

from hustings.errors import Unavailable
from hustings.stage.webrtc import rtp, sdp
from hustings.stage.webrtc.peer import AnsweringPeer, MediaDoor, OffererPeer

pytestmark = pytest.mark.e2e


def free_udp_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def until(condition: Callable[[], bool], timeout: float = 10) -> None:
    end = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        await asyncio.sleep(0.01)


async def take(peer: OffererPeer | AnsweringPeer, count: int) -> list[rtp.RtpPacket]:
    packets: list[rtp.RtpPacket] = []

    def enough() -> bool:
        while (data := peer.receive()) is not None:
            packets.append(rtp.parse(data, 1))
        return len(packets) >= count

    await until(enough)
    return packets


async def test_sendrecv_carries_packets_and_levels_both_ways() -> None:
    door = MediaDoor("127.0.0.1", free_udp_port(), ("203.0.113.9",))
    listener = door.listen()
    client = await OffererPeer.create("sendrecv", bind_address="127.0.0.1")
    server = await AnsweringPeer.create(sdp.read_offer(client.offer, "ingest"), door)
    assert server.sends
    assert f"203.0.113.9 {door.port} typ host" in server.answer
    session = client.apply(server.answer)
    assert session.direction == "sendrecv"
    await client.connected()
    await until(lambda: server.state == "connected")
    for n in range(5):
        assert client.send(client.stream.next(b"to the stage", level=20 + n))
        assert server.send(server.stream.next(b"to the client"))
    heard = await take(server, 5)
    assert [p.level for p in heard] == [20, 21, 22, 23, 24]
    assert {p.ssrc for p in heard} == {client.stream.ssrc}
    assert {p.payload for p in await take(client, 5)} == {b"to the client"}
    client.close()
    server.close()
    assert client.state == server.state == "closed"
    assert not client.send(b"x" * 20)
    assert server.receive() is None
    listener.stop()


async def test_each_side_learns_what_of_its_sound_arrived() -> None:
    """A fifth of what the client sends never leaves: the reports of the server say so, and the round trip."""
    door = MediaDoor("127.0.0.1", free_udp_port())
    listener = door.listen()
    client = await OffererPeer.create("sendrecv", bind_address="127.0.0.1")
    server = await AnsweringPeer.create(sdp.read_offer(client.offer, "ingest"), door)
    client.apply(server.answer)
    await client.connected()
    await until(lambda: server.state == "connected", 30)
    for n in range(100):
        packet = client.stream.next(b"to the stage", level=20)
        if n % 5:
            client.send(packet)
    await take(server, 80)
    client.report()  # how much it sent, and when: the answer names it

    def heard() -> bool:
        client.receive()
        return client.far is not None

    # One report alone: it is of what was lost since the one before.
    server.report()
    await until(heard, 30)
    assert client.far is not None
    assert 0.15 < client.far.lost < 0.25

    def asked() -> bool:
        server.receive()
        server.report()
        client.receive()
        return client.far is not None and client.far.round_trip is not None

    await until(asked, 30)
    assert client.far is not None
    assert client.far.round_trip is not None
    assert 0 <= client.far.round_trip < 30
    client.close()
    server.close()
    listener.stop()


async def test_the_port_is_held_and_given_back() -> None:
    door = MediaDoor("127.0.0.1", 0).listen()
    port = door.door.port
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other, pytest.raises(OSError):
        other.bind(("127.0.0.1", port))
    door.stop()
    door.stop()

    def free() -> bool:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
            try:
                other.bind(("127.0.0.1", port))
            except OSError:
                return False
            return True

    await until(free)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", 0))
        with pytest.raises(Unavailable, match="cannot be opened"):
            MediaDoor("127.0.0.1", other.getsockname()[1]).listen()


async def test_who_does_not_notice_the_end_does_no_harm() -> None:
    """Clients go on asking for sessions that are no more, at a port that was given back and taken again."""
    for _ in range(3):
        held = MediaDoor("127.0.0.1", 0).listen()
        clients = [await OffererPeer.create("sendonly", bind_address="127.0.0.1") for _ in range(3)]
        servers = [await AnsweringPeer.create(sdp.read_offer(c.offer, "ingest"), held.door) for c in clients]
        for client, server in zip(clients, servers, strict=True):
            client.apply(server.answer)
            await client.connected()
        for server in servers[:2]:
            server.close()
        await asyncio.sleep(0.3)
        servers[2].close()
        held.stop()
        held = held.door.listen()
        await asyncio.sleep(3)  # consent checks come every five seconds at most (RFC 7675 5.1)
        held.stop()
        for client in clients:
            client.close()


@pytest.mark.parametrize(("kind", "direction"), [("ingest", "sendonly"), ("egress", "recvonly")])
async def test_one_way_offers_are_answered_one_way(kind: sdp.Kind, direction: str) -> None:
    door = MediaDoor("127.0.0.1", free_udp_port())
    assert direction in ("sendonly", "recvonly")
    client = await OffererPeer.create(direction, bind_address="127.0.0.1")  # type: ignore[arg-type]  # a literal
    server = await AnsweringPeer.create(sdp.read_offer(client.offer, kind), door)
    assert (
        client.apply(server.answer).direction == {"sendonly": "recvonly", "recvonly": "sendonly"}[direction]
    )
    assert server.sends is (kind == "egress")
    await client.connected()
    sender, receiver = (client, server) if kind == "ingest" else (server, client)
    await until(lambda: server.state == "connected")
    assert sender.send(sender.stream.next(b"voice"))
    assert [p.payload for p in await take(receiver, 1)] == [b"voice"]
    client.close()
    server.close()


def test_a_process_with_an_open_connection_ends_cleanly() -> None:
    program = f"""
import asyncio
import re
from hustings.stage.webrtc import sdp
from hustings.stage.webrtc.peer import *
async def main():
    c = await OffererPeer.create("sendrecv", bind_address="127.0.0.1")
    door = MediaDoor("127.0.0.1", {free_udp_port()})
    s = await AnsweringPeer.create(sdp.read_offer(c.offer, "ingest"), door)
    c.apply(s.answer)
    await c.connected()
    globals().update(c=c, s=s)
asyncio.run(main())
"""
    for _ in range(3):
        subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


async def test_each_connection_has_a_certificate_of_its_own_and_speaks_dtls_only() -> None:
    """Nothing of one session helps against another; no key is in an offer (RFC 8827 section 6.5)."""
    door = MediaDoor("127.0.0.1", free_udp_port())
    listener = door.listen()
    client = await OffererPeer.create("sendrecv", bind_address="127.0.0.1")
    answers = [await AnsweringPeer.create(sdp.read_offer(client.offer, "ingest"), door) for _ in range(3)]
    texts = [client.offer, *(peer.answer for peer in answers)]
    found = [
        re.search(r"^a=fingerprint:sha-256 ((?:[0-9A-F]{2}:){31}[0-9A-F]{2})\r?$", text, re.M)
        for text in texts
    ]
    assert len({fingerprint[1] for fingerprint in found if fingerprint}) == 4
    for text in texts:
        assert "UDP/TLS/RTP/SAVPF" in text
        assert "a=crypto" not in text
    for peer in (client, *answers):
        peer.close()
    listener.stop()


async def test_nobody_guesses_the_name_of_a_session() -> None:
    """libjuice gives a stranger's datagrams to the DTLS of a session whose ICE name he knows (found by
    fuzzing/native.py): a name has 128 bits, and no two sessions have the same."""
    door = MediaDoor("127.0.0.1", free_udp_port())
    listener = door.listen()
    names = set()
    for _ in range(3):
        client = await OffererPeer.create("recvonly", bind_address="127.0.0.1")
        server = await AnsweringPeer.create(sdp.read_offer(client.offer, "egress"), door)
        answer = sdp.read_answer(server.answer)
        assert len(answer.ufrag) >= 32
        assert len(answer.pwd) >= 32
        names.add(answer.ufrag)
        client.close()
        server.close()
    listener.stop()
    assert len(names) == 3
