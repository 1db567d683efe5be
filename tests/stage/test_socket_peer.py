"""Speakers by WebSocket on the stage: bounded queues, and packets that come as TCP brings them, on a clock
that only moves when told."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import pytest
from prometheus_client import REGISTRY
from record_support import MemoryDisk, Studio
from stage_engine_support import Hall, Person, power_db
from test_recording import indexed, totals, track

from hustings.bus import subjects
from hustings.bus.messages import Message
from hustings.bus.socket_messages import ReturnPacket, SpeakerPacket
from hustings.stage.socket_peer import LOST_AFTER, MOST_ARRIVED, MOST_LEAVING, SocketPeer, SocketPeers


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def peer(clock: Clock | None = None) -> SocketPeer:
    return SocketPeer(True, lambda: None, clock or Clock())


def dropped(direction: str) -> float:
    return REGISTRY.get_sample_value("hustings_stage_socket_dropped_total", {"direction": direction}) or 0.0


def test_a_tick_that_does_not_look_costs_the_oldest_packets() -> None:
    before = dropped("in")
    full = peer()
    for n in range(MOST_ARRIVED + 10):
        full.take(bytes([n % 256]))
    kept = []
    while (data := full.receive()) is not None:
        kept.append(data[0])
    assert kept == [n % 256 for n in range(10, MOST_ARRIVED + 10)]
    assert dropped("in") == before + 10


def test_a_bus_that_does_not_take_costs_the_oldest_packets() -> None:
    before = dropped("out")
    full = peer()
    assert all(full.send(bytes([n])) for n in range(MOST_LEAVING + 7))
    assert list(full.leaving) == [bytes([n]) for n in range(7, MOST_LEAVING + 7)]
    assert dropped("out") == before + 7


def test_it_stands_from_the_first_packet_until_none_has_come_for_long() -> None:
    clock = Clock()
    one = peer(clock)
    states: list[str] = [one.state]
    one.take(b"x")
    clock.now += LOST_AFTER
    states.append(one.state)
    clock.now += 0.1
    states.append(one.state)
    one.take(b"x")
    states.append(one.state)
    assert states == ["connecting", "connected", "closed", "connected"]
    one.close()
    one.take(b"y")
    assert (one.state, one.receive(), one.send(b"z"), len(one.leaving)) == ("closed", None, False, 0)


class Published:
    def __init__(self) -> None:
        self.messages: list[tuple[str, Message]] = []

    async def publish(self, subject: str, message: Message) -> None:
        self.messages.append((subject, message))

    async def holds(self, count: int) -> None:
        """Waits until so many were published."""
        async with asyncio.timeout(20):
            while len(self.messages) < count:
                await asyncio.sleep(0.001)


async def test_what_the_tick_sends_goes_to_its_own_session_and_the_end_after_it() -> None:
    bus, peers = Published(), SocketPeers(Clock())
    running = asyncio.create_task(peers.run(bus))
    one, two = peers.create(True), peers.create(True)
    peers.add("one", one)
    peers.add("two", two)
    await asyncio.to_thread(lambda: [each.send(data) for data in (b"a", b"b") for each in (one, two)])
    await bus.holds(4)
    assert await asyncio.to_thread(one.send, b"c"), "what comes after a pause wakes it again"
    await bus.holds(5)
    peers.end("one", "replaced")
    peers.end("nobody", "replaced")
    await bus.holds(6)
    running.cancel()
    sent = {
        name: [message for subject, message in bus.messages if subject == subjects.returns(name)]
        for name in ("one", "two", "nobody")
    }
    assert sent == {
        "one": [*(ReturnPacket(data=data) for data in (b"a", b"b", b"c")), ReturnPacket(ended="replaced")],
        "two": [ReturnPacket(data=b"a"), ReturnPacket(data=b"b")],
        "nobody": [],
    }


async def test_packets_find_their_session_and_those_of_no_session_are_counted() -> None:
    before = dropped("unknown")
    peers = SocketPeers(Clock())
    one = peers.create(True)
    peers.add("one", one)
    peers.packet(SpeakerPacket(session_id="one", data=b"a"))
    peers.end("one", "deleted")
    peers.packet(SpeakerPacket(session_id="one", data=b"b"))
    assert (one.receive(), one.receive()) == (b"a", None)
    assert dropped("unknown") == before + 1


class OverTcp(Person):
    """A person whose packets come through a SocketPeer: none is lost, but the network holds them back, and
    then they come all at once. `hold` is until when."""

    peer: SocketPeer
    hold = 0.0
    drop = 0.0
    sent = lost = 0

    def route(self, hall: Hall) -> None:
        self._held: list[bytes] = []
        self.peer = SocketPeer(True, lambda: None, lambda: hall.now)
        engine = self.engine
        chance = random.Random(5)

        class Door:
            """Stands where the engine is for `Person.send`."""

            def packet(inner, session: str, data: bytes, now: float) -> None:
                self.sent += 1
                if chance.random() < self.drop:
                    self.lost += 1
                else:
                    self._held.append(data)
                if now >= self.hold:
                    for each in self._held:
                        self.peer.take(each)
                    self._held.clear()
                while (came := self.peer.receive()) is not None:
                    engine.packet(session, came, now)

        self.engine = Door()  # type: ignore[assignment]  # only `packet` is used


def over_tcp(hall: Hall, name: str, hertz: float) -> OverTcp:
    person = OverTcp(hall.engine, name, hertz)
    person.connect()
    person.route(hall)
    hall.people.append(person)
    return person


def test_after_stalls_of_tcp_he_is_heard_again_without_lasting_delay() -> None:
    hall = Hall()
    ada, bob = over_tcp(hall, "ada", 700), hall.person("bob", 1500)
    ada.gain = bob.gain = 0.2
    hall.run(2)
    for stall in (0.1, 0.3, 1.0, 0.3):
        ada.hold = hall.now + stall
        hall.run(stall + 1)
    hall.run(8)
    seat = hall.seat("ada")
    assert seat["packets_received"] == ada.sent, "TCP loses nothing"
    assert seat["loss"] == 0.0
    assert float(str(seat["playout_delay_ms"])) <= 130
    heard = bob.sound(50)
    assert power_db(heard, 700) > power_db(heard, 1500) + 40, "the other is heard and one's own voice is not"
    own = ada.sound(50)
    assert power_db(own, 1500) > power_db(own, 700) + 40


def test_what_the_speaker_left_out_is_a_declared_gap_in_his_track(tmp_path: Path) -> None:
    room = Studio(MemoryDisk())
    ada, bob = over_tcp(room, "ada", 700), room.person("bob", 1500)
    ada.gain = bob.gain = 0.2
    room.run(1)
    room.live()
    ada.drop = 0.05
    for _ in range(5):
        ada.hold = room.now + 0.2
        room.run(2)
    room.end()
    counts = totals(room, "ada")
    assert ada.lost > 10
    assert counts["received"] == int(str(counts["written"])) + int(str(counts["declared"]))
    assert len(track(room, "ada")) / 48_000 == pytest.approx(10, abs=0.4), (
        "the gaps are filled on the timeline"
    )
    assert indexed(room, tmp_path)
