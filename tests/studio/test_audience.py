"""Minutes of several places become entries of the record and audience.json, also over a restart."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from fake_bus import FakeBus
from studio_support import FakeStage, House, running_studio

import mmdb
from hustings.audience.lanes import FINAL
from hustings.audience.replays import Replays
from hustings.audience.sketch import salt_name, visitor_key
from hustings.audience.tally import Tally
from hustings.bus import subjects
from hustings.bus.audience_messages import Counted, CountedOffer, Played, Salt, SaltRequest, SaltWanted
from hustings.bus.messages import RoomPublic, SessionOffer, encode
from hustings.clock import FakeClock
from hustings.errors import Refused
from hustings.studio.salts import WAIT

SLUG = "town-hall"


class Edge:
    """One place that counts by push."""

    def __init__(self, house: House, broadcast: str, salt: bytes, name: str) -> None:
        self._house = house
        self._clock = house.clock
        self._broadcast, self._salt, self._name = broadcast, salt, name
        self._tally = Tally(self._clock.wall() - self._clock.monotonic())

    async def listen(self, people: range, seconds: int, country: str = "") -> None:
        """For the next `seconds`; the clock goes on, and the studio with it."""
        keys = [visitor_key(self._salt, f"192.0.2.{n}", b"Browser") for n in people]
        sessions = [self._tally.begin("push", key, country) for key in keys]
        for _ in range(seconds // 5):
            begin = self._clock.monotonic()
            self._clock.advance(5)
            for session in sessions:
                assert session is not None
                self._tally.took(session, begin, begin + 5)
            await self.tell()
        for session in sessions:
            assert session is not None
            self._tally.end(session)
        await self.tell()

    async def tell(self, *, everything: bool = False) -> None:
        minutes, older = self._tally.all() if everything else (self._tally.drain(), {})
        await self._house.bus.publish(
            subjects.AUDIENCE_COUNTED,
            Counted(
                place=self._name,
                broadcast_id=self._broadcast,
                slug=SLUG,
                salt=salt_name(self._salt),
                minutes=minutes,
                older=older,
            ),
        )
        await self._house.app.state.audience.tick()


async def on_air(house: House, **details: Any) -> tuple[str, bytes]:
    """A room that is live; its broadcast, and the salt an edge gets."""
    house.clock.advance(WAIT + 0.1)  # salts from before would be back by now
    await house.room(**details)
    await house.command("open")
    broadcast = str((await house.command("start"))["broadcast"])
    await house.app.state.audience.tick()
    return broadcast, await salt_of(house, broadcast)


async def salt_of(house: House, scope: str) -> bytes:
    answer = await house.bus.request(subjects.AUDIENCE_SALT, SaltRequest(scope=scope), Salt)
    assert isinstance(answer, Salt)
    return answer.salt


async def entries(house: House, kind: str) -> list[dict[str, Any]]:
    found = await house.app.state.audience._store.entries((kind,), slug=SLUG)
    return [members["data"] for members in found]


def shown(house: House) -> dict[str, Any]:
    """audience.json as edges would serve it now."""
    audience = house.app.state.audience
    room = house.studio.board.room(SLUG)
    content: dict[str, Any] = json.loads(audience.pages(room, None)["audience.json"].body)
    return content


async def test_minutes_of_two_edges_are_one_entry_and_the_total_is_their_sum(tmp_path: Path) -> None:
    async with running_studio(tmp_path) as house:
        broadcast, salt = await on_air(house)
        edges = [Edge(house, broadcast, salt, name) for name in ("a", "b")]
        await edges[0].listen(range(10), 120)
        assert [minute["final"] for minute in shown(house)["broadcasts"][0]["minutes"]].count(True) == 0
        await edges[1].listen(range(5, 20), 60)
        house.clock.advance(FINAL + 60)
        await house.app.state.audience.tick()
        minutes = await entries(house, "audience")
        assert sum(minute["net"]["seconds"] for minute in minutes) == pytest.approx(2100, abs=3)
        assert minutes[-1]["net"]["unique"] == 20
        assert max(minute["net"]["peak"] for minute in minutes) == 15
        assert [m["minute"] for m in minutes] == sorted({m["minute"] for m in minutes})

        await house.command("stop")
        house.clock.advance(20)
        await house.app.state.audience.tick()
        (total,) = await entries(house, "audience_total")
        assert total["net"]["seconds"] == sum(minute["net"]["seconds"] for minute in minutes)
        assert total["minutes"] == len(await entries(house, "audience"))
        (broadcast_shown,) = shown(house)["broadcasts"]
        assert broadcast_shown["totals"]["net"]["listening_seconds"] == total["net"]["seconds"]
        assert broadcast_shown["totals"]["net"]["by_door"]["push"]["unique"] == 20
        assert all(minute["final"] for minute in broadcast_shown["minutes"])
        with pytest.raises(Refused):
            await salt_of(house, broadcast)  # forgotten


async def test_a_studio_that_restarts_gets_salt_and_minutes_back(tmp_path: Path) -> None:
    bus, clock = FakeBus(), FakeClock()
    stage = FakeStage(bus)
    await stage.start()
    async with running_studio(tmp_path, bus=bus, stage=stage, clock=clock) as house:
        broadcast, salt = await on_air(house)
        edge = Edge(house, broadcast, salt, "a")
        await edge.listen(range(8), 240)
        before = await entries(house, "audience")
        assert before
    async with running_studio(tmp_path, bus=bus, stage=stage, clock=clock) as house:
        assert house.published(SaltWanted)
        with pytest.raises(Refused) as refused:
            await salt_of(house, broadcast)
        assert refused.value.status == 503
        await bus.publish(subjects.AUDIENCE_SALT_HELD, Salt(scope=broadcast, salt=salt))
        edge._house = house
        await edge.tell(everything=True)
        assert await salt_of(house, broadcast) == salt
        await edge.listen(range(4, 12), 120)
        clock.advance(FINAL + 60)
        await house.app.state.audience.tick()
        minutes = await entries(house, "audience")
        assert minutes[: len(before)] == before
        assert len({minute["minute"] for minute in minutes}) == len(minutes)
        assert sum(minute["net"]["seconds"] for minute in minutes) == pytest.approx(2880, abs=8)
        assert (minutes[-1]["net"]["unique"], minutes[-1]["salts"]) == (12, 1)


async def test_countries_are_in_the_record_go_on_after_a_restart_and_are_told_of_with_their_database(
    tmp_path: Path,
) -> None:
    bus, clock = FakeBus(), FakeClock()
    stage = FakeStage(bus)
    await stage.start()
    database = mmdb.write(tmp_path / "some.mmdb", {"192.0.2.0/24": "DE"}, kind="GeoLite2-Country")
    given: Any = {"bus": bus, "stage": stage, "clock": clock, "audience_countries": str(database)}
    async with running_studio(tmp_path, **given) as house:
        broadcast, salt = await on_air(house)
        assert house.app.state.audience.visitor(broadcast, "192.0.2.7", b"Mozilla/5.0").country == "DE"
        assert house.app.state.audience.visitor(broadcast, "192.0.2.7", b"curl/8").country == ""
        edge, other = Edge(house, broadcast, salt, "a"), Edge(house, broadcast, salt, "b")
        await edge.listen(range(12), 240, "DE")
        assert (await entries(house, "audience"))[0]["countries"].keys() == {"DE"}
    async with running_studio(tmp_path, **given) as house:
        await bus.publish(subjects.AUDIENCE_SALT_HELD, Salt(scope=broadcast, salt=salt))
        edge._house = other._house = house
        await edge.tell(everything=True)
        await edge.listen(range(12, 24), 120, "DE")
        await other.listen(range(30, 39), 120, "FR")
        await other.listen(range(40, 43), 120)
        await house.command("stop")
        clock.advance(20)
        await house.app.state.audience.tick()
        minutes, (total,) = await entries(house, "audience"), await entries(house, "audience_total")
        for minute in minutes:
            told = minute["countries"]
            assert sum(each["seconds"] for each in told.values()) == minute["net"]["seconds"]
            assert told.keys() <= {"DE", "other", "unknown"}
        # In the minute in which twelve went and twelve came there were 24.
        assert total["countries"]["DE"] == {"seconds": 12 * 360, "listeners": 24}
        assert total["countries"]["other"] == {"seconds": 9 * 120, "listeners": 9}
        assert total["countries"]["unknown"] == {"seconds": 3 * 120, "listeners": 3}
        content = shown(house)
        net = content["broadcasts"][0]["totals"]["net"]
        assert net["countries"]["DE"] == {"listening_seconds": 12 * 360, "listeners": 24}
        assert content["method"]["countries"] == {
            "database": "GeoLite2-Country",
            "built": "2026-10-26",
            "sha256": hashlib.sha256(database.read_bytes()).hexdigest(),
            "at_least": 10,
        }
        assert all("10" in content["method"]["text"][lang] for lang in ("en", "de"))
        assert "VPN" in content["method"]["text"]["de"]


async def test_without_a_database_countries_are_nowhere(tmp_path: Path) -> None:
    async with running_studio(tmp_path) as house:
        broadcast, salt = await on_air(house)
        assert house.app.state.audience.visitor(broadcast, "192.0.2.7", b"Mozilla/5.0").country == ""
        await Edge(house, broadcast, salt, "a").listen(range(12), 240, "DE")
        assert "countries" not in (await entries(house, "audience"))[0]
        content = shown(house)
        assert "countries" not in content["broadcasts"][0]["totals"]["net"]
        assert "countries" not in content["method"]
        assert "VPN" not in content["method"]["text"]["en"]


async def test_a_salt_nobody_has_any_more_is_replaced_and_said(tmp_path: Path) -> None:
    bus, clock = FakeBus(), FakeClock()
    stage = FakeStage(bus)
    await stage.start()
    async with running_studio(tmp_path, bus=bus, stage=stage, clock=clock) as house:
        broadcast, salt = await on_air(house)
        await Edge(house, broadcast, salt, "a").listen(range(8), 300)
        assert await entries(house, "audience")
    async with running_studio(tmp_path, bus=bus, stage=stage, clock=clock) as house:
        clock.advance(WAIT + 0.1)
        other = await salt_of(house, broadcast)
        assert other != salt
        await Edge(house, broadcast, other, "b").listen(range(8), 120)
        clock.advance(FINAL + 60)
        await house.app.state.audience.tick()
        last = (await entries(house, "audience"))[-1]
        assert (last["net"]["unique"], last["salts"]) == (16, 2)


async def test_whep_offers_carry_a_key_and_no_address(tmp_path: Path) -> None:
    async with running_studio(tmp_path) as house:
        broadcast, salt = await on_air(house)
        visitor = house.app.state.audience.visitor(broadcast, "192.0.2.7", b"Mozilla/5.0")
        assert visitor.key == visitor_key(salt, "192.0.2.7", b"Mozilla/5.0")
        assert (visitor.salt, visitor.bot) == (salt_name(salt), False)
        assert house.app.state.audience.visitor(broadcast, "192.0.2.7", b"curl/8").bot
        offer = SessionOffer(broadcast_id=broadcast, kind="ingest", sdp="v=0")
        read = msgspec.msgpack.decode(encode(offer), type=CountedOffer)  # as the stage reads a speaker's
        assert (read.sdp, read.key) == ("v=0", 0)
        assert {"address", "agent"}.isdisjoint(CountedOffer.__struct_fields__)


async def test_plays_of_a_day_are_an_entry_when_it_is_over(tmp_path: Path) -> None:
    async with running_studio(tmp_path) as house:
        broadcast, _ = await on_air(house)
        audience = house.app.state.audience
        day = audience.plays.scope()
        salt = await salt_of(house, day)
        for place, people in (("a", range(10)), ("b", range(5, 12))):
            replays = Replays()
            for n in people:
                replays.took(day, (SLUG, broadcast), visitor_key(salt, f"192.0.2.{n}", b"P"), 0.0, 90.0)
            (told,) = replays.drain()
            for _ in range(2):  # said again
                await house.bus.publish(
                    subjects.AUDIENCE_PLAYED,
                    Played(
                        place=place,
                        day=day,
                        slug=SLUG,
                        broadcast_id=broadcast,
                        salt=salt_name(salt),
                        sketch=told.sketch,
                        milliseconds=told.milliseconds,
                    ),
                )
        (row,) = shown(house)["replay"]
        assert (row["plays"], row["listening_seconds"], row["final"]) == (12, 17 * 90, False)
        assert await entries(house, "audience_replay") == []
        house.clock.advance(25 * 3600)
        await audience.tick()
        (entry,) = await entries(house, "audience_replay")
        assert entry == {"broadcast": broadcast, "day": day, "plays": 12, "seconds": 17 * 90}
        assert shown(house)["replay"][0]["final"] is True


async def test_audience_json_goes_to_the_edges_with_the_rooms_pages(tmp_path: Path) -> None:
    async with running_studio(tmp_path) as house:
        await house.room()
        await house.app.state.audience.tick()
        house.clock.advance(1.0)
        await house.app.state.publisher.publish_due()
        pages: set[str] = set()
        for message in house.published(RoomPublic):
            assert isinstance(message, RoomPublic)
            pages |= message.pages.keys() if message.slug == SLUG else set()
        assert "audience.json" in pages
        assert shown(house)["broadcasts"] == []
