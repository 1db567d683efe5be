"""What an edge counts: delivered and taken, not asked for."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from edge_fakes import BROADCAST
from edge_memory import Client, House, make_house

from hustings.audience.bots import Bots
from hustings.audience.countries import Countries
from hustings.audience.heard import Taken, read_records
from hustings.audience.lanes import NUMBER
from hustings.audience.sketch import Unique
from hustings.bus.audience_messages import Counted, Heard
from hustings.edge.counting import HELD

BROWSER = "User-Agent: Mozilla/5.0 Firefox/146.0"
SALT = b"0123456789abcdef"


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    made = make_house(tmp_path)
    made.edge.counting.bots = Bots("bot\n")
    await made.live(chunks=5)
    made.edge.counting.salted(BROADCAST, SALT)
    yield made
    await made.end()


class Sums:
    """What was told over a whole test: minutes replace one another, messages of HLS add up."""

    def __init__(self, house: House) -> None:
        self._house = house
        self.minutes: dict[int, Any] = {}
        self.taken: list[Taken] = []

    def hear(self) -> Sums:
        for message in self._house.edge.counting.report():
            if isinstance(message, Counted):
                self.minutes |= {minute.number: minute for minute in message.minutes}
            elif isinstance(message, Heard):
                self.taken += read_records(message.records, message.countries)
        return self

    def seconds(self, lane: Any) -> float:
        return float(sum(minute.milliseconds[NUMBER[lane]] for minute in self.minutes.values())) / 1000


def play(house: House, seconds: int, sums: Sums | None = None) -> None:
    """Sound for so long; reported every 5 s."""
    for second in range(seconds):
        for _ in range(5):
            house.produce()
            house.clock.advance(0.2)
        house.edge.tick()
        for _ in range(3):  # a second has four ticks
            house.edge.counting.tick(house.clock.monotonic())
        if sums is not None and second % 5 == 4:
            sums.hear()


def listener(
    house: House, path: str = "/r/hall/live", *lines: str, room: int | None = None, at: int = 1
) -> Client:
    client = house.client(f"192.0.2.{at}", room=room)
    client.get(path, *(lines or (BROWSER,)))
    return client


async def test_push_and_streams_count_after_sixty_seconds_from_the_first(house: House) -> None:
    sums = Sums(house)
    push, stream = listener(house), listener(house, "/r/hall/stream.ogg")
    play(house, 58, sums)
    assert sums.seconds("push") == 0
    play(house, 12, sums)
    push.transport.abort()
    stream.transport.abort()
    sums.hear()
    assert sums.seconds("push") == pytest.approx(70, abs=0.5)
    assert sums.seconds("stream") == pytest.approx(70, abs=0.5)


async def test_who_came_before_the_salt_is_one_of_the_different_listeners_all_the_same(
    tmp_path: Path,
) -> None:
    house = make_house(tmp_path)
    await house.live(chunks=5)
    sums = Sums(house)
    early = [listener(house, at=at) for at in (1, 2, 3)]
    gone = listener(house, at=4)
    play(house, 5, sums)
    gone.transport.abort()
    house.edge.counting.salted(BROADCAST, SALT)
    house.edge.counting.salted(BROADCAST, b"another one here")  # the first stays
    late = listener(house, at=1)  # the same one as one of those
    play(house, 70, sums)
    unique = Unique()
    for minute in sums.minutes.values():
        unique.merge(minute.sketches.get(NUMBER["push"], Unique().to_bytes()))
    assert unique.count() == 3
    assert all(
        counting.tally.dropped["unkeyed"] == 0 for counting in house.edge.counting._broadcasts.values()
    )
    for each in (*early, late):
        each.transport.abort()
    await house.end()


async def test_who_takes_nothing_counts_for_nothing(house: House) -> None:
    sums = Sums(house)
    idle = listener(house, room=HELD // 8)  # so much fits into his own buffers
    play(house, 100, sums)
    assert sums.seconds("push") == 0
    assert sum(minute.connections for minute in sums.minutes.values()) == 1
    idle.transport.abort()


async def test_doors_open_is_no_listening(tmp_path: Path) -> None:
    house = make_house(tmp_path)
    await house.room("open")
    sums = Sums(house)
    listener(house)
    house.step(90)
    assert sums.hear().seconds("push") == 0
    await house.end()


async def test_ten_thousand_requests_without_media_move_nothing(house: House) -> None:
    sums = Sums(house)
    listener(house)
    for number in range(10_000):
        client = house.client(f"198.51.{number // 200}.{number % 200}")
        client.get(("/r/hall", "/r/hall/hls/opus.m3u8", "/r/hall/state.json")[number % 3], BROWSER)
        client.transport.abort()
    play(house, 70, sums)
    assert sums.seconds("push") == pytest.approx(67.5, abs=2.5)  # looked at every 5 s
    assert sums.taken == []
    assert sums.seconds("bots") == 0


async def test_programs_stand_apart_whatever_the_door(house: House) -> None:
    sums = Sums(house)
    listener(house, "/r/hall/live", "User-Agent: Somebot/1.0")
    listener(house, "/r/hall/stream.ogg", "User-Agent: ")
    listener(house, at=3)
    play(house, 70, sums)
    assert sums.seconds("push") == pytest.approx(67.5, abs=2.5)
    assert sums.seconds("bots") == pytest.approx(135, abs=5)


async def test_unique_is_by_address_and_browser(house: House) -> None:
    for number in range(4):
        listener(house, at=1 + number // 2)  # two at each of two addresses
    listener(house, "/r/hall/live", "User-Agent: Mozilla/5.0 other")
    sums = Sums(house)
    play(house, 70, sums)
    unique = Unique()
    for minute in sums.minutes.values():
        for sketch in minute.sketches.values():
            unique.merge(sketch)
    assert unique.count() == 3
    assert sum(minute.joined[NUMBER["push"]] for minute in sums.minutes.values()) == 5


async def test_hls_media_counts_and_playlists_do_not(house: House) -> None:
    play(house, 20)
    sums = Sums(house).hear()
    sums.taken.clear()
    client = house.client("192.0.2.9")
    playlist = client.ask(f"/r/hall/hls/{BROADCAST}/opus.m3u8", BROWSER).body.decode()
    assert sums.hear().taken == []
    segment = next(line for line in playlist.splitlines() if line.endswith(".m4s"))
    for _ in range(2):  # the second time out of what is hot
        assert client.ask(f"/r/hall/hls/{BROADCAST}/{segment}", BROWSER).status == 200
    client.ask(f"/r/hall/hls/{BROADCAST}/{segment}", BROWSER, method="HEAD")
    client.ask(f"/r/hall/hls/{BROADCAST}/{segment}", BROWSER, "Range: bytes=0-1")
    (taken,) = sums.hear().taken
    assert taken.seconds == pytest.approx(12.0)
    assert (taken.lane, taken.key != 0) == ("hls", True)


async def test_a_country_is_looked_up_once_for_each_who_begins_to_listen(house: House) -> None:
    asked: list[object] = []

    def look(address: object) -> object:
        asked.append(address)
        return {"country": {"iso_code": "DE"}} if address == "192.0.2.1" else None

    house.edge.counting.countries = Countries(look, {})
    sums = Sums(house)
    listener(house)
    listener(house, "/r/hall/stream.ogg", at=2)
    listener(house, "/r/hall/live", "User-Agent: Somebot/1.0", at=3)
    client = house.client("192.0.2.1")
    client.post("/r/hall/beacon", {}, BROWSER)
    for _ in range(14):
        play(house, 5)
        playlist = client.ask(f"/r/hall/hls/{BROADCAST}/opus.m3u8", BROWSER).body.decode()
        segment = [line for line in playlist.splitlines() if line.endswith(".m4s")][-1]
        assert client.ask(f"/r/hall/hls/{BROADCAST}/{segment}", BROWSER).status == 200
        sums.hear()
    assert sorted(map(str, asked)) == ["192.0.2.1", "192.0.2.1", "192.0.2.2"]
    assert {taken.country for taken in sums.taken if taken.lane == "hls"} == {"DE"}
    told = [minute.countries for minute in sums.minutes.values() if minute.net]
    assert all(each.keys() == {"DE", ""} for each in told)
    assert sum(each[code][0] for each in told for code in each) == sum(m.net for m in sums.minutes.values())


async def test_a_player_behind_a_cache_says_so_with_tokens_that_count_once(house: House) -> None:
    sums = Sums(house)
    client = house.client("192.0.2.5")
    begun = client.post("/r/hall/beacon", {}, BROWSER).json()
    assert begun["every"] == 20
    house.clock.advance(20)
    said = {"token": begun["token"], "seconds": 3600}
    for _ in range(3):  # repeated: the same session, whose time is bounded where edges meet
        answer = client.post("/r/hall/beacon", said, BROWSER)
        assert answer.status == 200
    (taken,) = sums.hear().taken
    assert taken.lane == "beacon"
    assert taken.seconds <= 60
    forged = {"token": "A" * 32, "seconds": 20}
    assert client.post("/r/hall/beacon", forged, BROWSER).status == 200  # begins anew
    house.clock.advance(200)
    client.post("/r/hall/beacon", json.dumps(said).encode(), BROWSER)  # too old
    assert sums.hear().taken == [taken]
    for bad in (b"[]", b"{", b'{"token":1}', b'{"more":1}'):
        assert client.post("/r/hall/beacon", bad, BROWSER).status == 422


async def test_a_studio_that_began_anew_gets_everything_once_more(house: House) -> None:
    sums = Sums(house)
    listener(house)
    play(house, 130, sums)
    again = [m for m in house.edge.counting.report(everything=True) if isinstance(m, Counted)]
    assert {minute.number: minute.milliseconds for message in again for minute in message.minutes} == {
        number: minute.milliseconds for number, minute in sums.minutes.items()
    }
    assert house.edge.counting.salts() == {BROADCAST: SALT}


async def test_the_salt_is_forgotten_with_the_broadcast(house: House) -> None:
    await house.room("ended")
    house.step(20)
    house.edge.counting.report()
    assert house.edge.counting.salts() == {}
