"""Downloads and feeds at the studio: ordered by themselves and on demand, listed, told to everybody."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import feedparser  # type: ignore[import-untyped]  # it has no types
import msgspec
import pytest
import studio_support
from lxml import etree
from recording_folder import BROADCAST, SLUG, write_recording
from studio_support import House, running_studio

from hustings.archive.index import write_index
from hustings.archive.made import Made, MadeKind, MakingState, Order, sound_of, write_state
from hustings.archive.model import read_index
from hustings.archive.orders import KIND, job_id
from hustings.bus import subjects
from hustings.bus.messages import DownloadReport, JobsDue, Page, RecordingReady, RoomPublic
from hustings.config import Settings
from hustings.rooms.model import Invitation, Role
from hustings.rooms.table import InvitationState
from hustings.store.jobs import Jobs
from hustings.studio.host_feeds import HostFeeds
from hustings.studio.i18n import load_texts
from hustings.studio.publisher import SERVER, host_slug

AUDIENCE = "https://live.example.org"
PAGE = f"{AUDIENCE}/r/{SLUG}"
SPACE = {"podcast": "https://podcastindex.org/namespace/1.0"}


@pytest.fixture(autouse=True)
def _addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    def settings(folder: Path) -> Settings:
        return Settings.model_validate(
            {"data": folder, "studio_door": "127.0.0.1:8001", "audience_url": AUDIENCE}
        )

    monkeypatch.setattr(studio_support, "settings_in", settings)


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with running_studio(tmp_path) as house:
        details = {
            "description": "About rents.",
            "language": "de",
            "links": [
                {"label": "Spenden Sie", "url": "https://example.org/give"},
                {"label": "Programm", "url": "https://example.org/more"},
            ],
        }
        await house.room(SLUG, **details)
        yield house


def record(house: House, broadcast: str = BROADCAST) -> Path:
    folder = write_recording(house.settings.data, 8.0, broadcast=broadcast).folder
    write_index(folder)
    return folder


async def ready(house: House, broadcast: str = BROADCAST) -> None:
    await house.bus.publish(subjects.RECORDING_READY, RecordingReady(broadcast_id=broadcast, slug=SLUG))


async def leased(house: House) -> list[Order]:
    jobs = Jobs(house.studio.store._engine)
    found = await jobs.lease(KIND, house.clock.wall(), 60.0, 20, {}, 20)
    return [msgspec.json.decode(job.body, type=Order) for job in found]


async def states(house: House) -> dict[tuple[str, str], str]:
    answer = await house.operator.get(f"/api/rooms/{SLUG}/downloads")
    assert answer.status_code == 200, answer.text
    return {(each["broadcast"], each["format"]): each["state"] for each in answer.json()["downloads"]}


async def made(house: House, folder: Path, kind: MadeKind, order: Order) -> None:
    """What the scribe leaves and says."""
    (folder / "made").mkdir(exist_ok=True)
    (folder / "made" / f"program.{kind}").write_bytes(b"sound")
    described = Made(
        kind=kind,
        bytes=5,
        seconds=3661.4,
        sha256="ab" * 32,
        recorded_at=1_790_000_000.0,
        made_at=1_790_003_700.0,
        lufs=-21.0,
        true_peak=-4.0,
        gain=5.0,
        sound=sound_of(read_index(folder)),
        chapters=2,
        cover=True,
        episode=order.episode,
    )
    (folder / "made" / f"{kind}.json").write_bytes(msgspec.json.encode(described))
    report = DownloadReport(broadcast_id=folder.name, slug=SLUG, kind=kind, state="made", progress=1.0)
    await house.bus.publish(subjects.DOWNLOAD_REPORT, report)


async def page(house: House, name: str, slug: str = SLUG) -> bytes:
    """What the edges have under `name`, in the end."""
    for _ in range(10):
        house.clock.advance(0.6)
        await house.app.state.publisher.publish_due()
        found = [
            message.pages[name].body
            for message in house.published(RoomPublic)
            if isinstance(message, RoomPublic) and message.slug == slug and name in message.pages
        ]
        if found:
            return found[-1]
    raise AssertionError(f"{name} was never published")


async def test_when_a_recording_is_ready_its_files_are_ordered(house: House) -> None:
    record(house)
    await ready(house)
    assert house.published(JobsDue) == [JobsDue(kind=KIND), JobsDue(kind=KIND)]
    orders = await leased(house)
    assert {(order.kind, order.broadcast, order.slug) for order in orders} == {
        ("mp3", BROADCAST, SLUG),
        ("m4a", BROADCAST, SLUG),
    }
    assert orders[0].episode.title == "Town hall"
    assert orders[0].episode.description == "About rents."
    assert sorted(name for name, _ in orders[0].episode.people) == ["Ada Example", "Bertolt Müller"]
    await ready(house)  # said twice: ordered once
    assert await leased(house) == []


async def test_a_host_has_another_format_made_and_sees_how_it_gets_on(house: House) -> None:
    folder = record(house)
    assert await states(house) == {(BROADCAST, kind): "absent" for kind in ("mp3", "m4a", "flac")}
    answer = await house.operator.post(f"/api/rooms/{SLUG}/downloads", json={"format": "flac"})
    assert (answer.status_code, answer.json()["state"]) == (202, "waiting")
    again = await house.operator.post(f"/api/rooms/{SLUG}/downloads", json={"format": "flac"})
    assert again.status_code == 202
    (order,) = await leased(house)
    write_state(folder, "flac", MakingState(state="making", progress=0.5))
    listed = (await house.operator.get(f"/api/rooms/{SLUG}/downloads")).json()["downloads"]
    flac = next(each for each in listed if each["format"] == "flac")
    assert (flac["state"], flac["progress"], flac["url"]) == ("making", 0.5, None)
    await made(house, folder, "flac", order)
    third = await house.operator.post(f"/api/rooms/{SLUG}/downloads", json={"format": "flac"})
    assert third.json()["state"] == "made"
    assert third.json()["url"] == f"{PAGE}/replay/{BROADCAST}/made/program.flac"
    assert third.json()["bytes"] == 5


async def test_what_failed_for_good_is_said_and_can_be_tried_again(house: House) -> None:
    record(house)
    await ready(house)
    jobs = Jobs(house.studio.store._engine)
    for job in await jobs.lease(KIND, house.clock.wall(), 60.0, 20, {}, 20):
        await jobs.bury(job, house.clock.wall(), "The disk is full.")
    listed = (await house.operator.get(f"/api/rooms/{SLUG}/downloads")).json()["downloads"]
    mp3 = next(each for each in listed if each["format"] == "mp3")
    assert (mp3["state"], mp3["problem"]) == ("failed", "The disk is full.")
    await ready(house)  # a stage that starts again must not repeat it for ever
    assert await leased(house) == []
    await house.operator.post(f"/api/rooms/{SLUG}/downloads", json={"format": "mp3"})
    assert [order.kind for order in await leased(house)] == ["mp3"]


async def test_what_was_made_of_a_recording_that_went_on_is_made_again(house: House) -> None:
    folder = record(house)
    await ready(house)
    jobs = Jobs(house.studio.store._engine)
    for job in await jobs.lease(KIND, house.clock.wall(), 60.0, 20, {}, 20):
        order = msgspec.json.decode(job.body, type=Order)
        await jobs.done(job, house.clock.wall(), "")
        await made(house, folder, order.kind, order)
    await ready(house)
    assert await leased(house) == []  # the same sound
    kept = (folder / "made").rename(house.settings.data / "kept")
    write_index(write_recording(house.settings.data, 14.0).folder)
    kept.rename(folder / "made")
    await ready(house)
    assert {order.kind for order in await leased(house)} == {"mp3", "m4a"}


async def test_only_who_conducts_the_room_may(house: House) -> None:
    record(house)
    assert (await house.anyone.get(f"/api/rooms/{SLUG}/downloads")).status_code == 401
    ticket = (await house.invite("Ada", SLUG))["ticket"]
    headers = {"Authorization": f"Bearer {ticket}"}
    answer = await house.anyone.post(f"/api/rooms/{SLUG}/downloads", json={"format": "mp3"}, headers=headers)
    assert answer.status_code == 403


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"format": "wav"}, 422),
        ({}, 422),
        ({"format": "mp3", "broadcast": "../../etc"}, 404),
        ({"format": "mp3", "broadcast": "20200101T000000-abcdef"}, 404),
    ],
)
async def test_bad_orders_are_refused(house: House, body: dict[str, str], status: int) -> None:
    record(house)
    answer = await house.operator.post(f"/api/rooms/{SLUG}/downloads", json=body)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"


async def test_without_a_recording_there_is_nothing_to_make(house: House) -> None:
    answer = await house.operator.post(f"/api/rooms/{SLUG}/downloads", json={"format": "mp3"})
    assert answer.status_code == 404
    assert await states(house) == {}


async def test_what_was_recorded_while_the_studio_was_away_is_ordered_at_its_start(
    house: House, tmp_path: Path
) -> None:
    record(house)
    async with running_studio(tmp_path, bus=house.bus, stage=house.stage, clock=house.clock) as second:
        for _ in range(2000):
            if len(second.published(JobsDue)) == 2:
                break
            await asyncio.sleep(0.001)
        assert {order.kind for order in await leased(second)} == {"mp3", "m4a"}


async def test_the_podcast_tells_of_a_recording_once_it_is_made(house: House) -> None:
    empty = feedparser.parse(await page(house, "feed.xml"))
    assert (empty.feed.title, empty.entries) == ("Town hall", [])
    folder = record(house)
    await ready(house)
    orders = {order.kind: order for order in await leased(house)}
    house.bus.published.clear()
    await made(house, folder, "mp3", orders["mp3"])
    raw = await page(house, "feed.xml")
    feed = feedparser.parse(raw)
    assert not feed.bozo
    (entry,) = feed.entries
    assert entry.id == BROADCAST
    assert entry.link == f"{PAGE}/replay/{BROADCAST}/"
    assert entry.enclosures[0].href == f"{PAGE}/replay/{BROADCAST}/made/program.mp3"
    assert entry.itunes_duration == "3661"
    channel = etree.fromstring(raw).find("channel")
    assert channel is not None
    funding = channel.findall("podcast:funding", SPACE)
    assert [(each.get("url"), each.text) for each in funding] == [("https://example.org/give", "Spenden Sie")]
    chapters = channel.find("item/podcast:chapters", SPACE)
    assert chapters is not None
    assert chapters.get("url") == f"{PAGE}/replay/{BROADCAST}/made/chapters.json"
    atom = feedparser.parse(await page(house, "feed.atom"))
    assert atom.entries[0].title == "Zum Nachhören: Town hall"


async def test_one_feed_has_the_recordings_of_all_rooms_and_one_those_of_each_host(house: House) -> None:
    await house.room("other", title="Other hall")
    folder = record(house)
    await ready(house)
    orders = {order.kind: order for order in await leased(house)}
    await made(house, folder, "mp3", orders["mp3"])
    await house.command("open", "other")
    await house.command("start", "other")
    house.bus.published.clear()
    raw = await page(house, "feed.xml", SERVER)
    feed = feedparser.parse(raw)
    assert not feed.bozo
    assert feed.feed.title == "live.example.org"
    assert [entry.link for entry in feed.entries] == [f"{PAGE}/replay/{BROADCAST}/"]
    channel = etree.fromstring(raw).find("channel")
    assert channel is not None
    assert channel.findtext("link") == f"{AUDIENCE}/"
    live = channel.find("podcast:liveItem", SPACE)
    assert live is not None
    assert live.findtext("link") == f"{AUDIENCE}/r/other"

    # The same rooms, one of them Ada's.
    ours, other = (house.studio.board.room(slug) for slug in (SLUG, "other"))
    assert ours is not None
    assert other is not None
    seat = Invitation(
        "i1", "p1", "Ada Example", Role.HOST, False, InvitationState.ACCEPTED, 0.0, 0.0, account_id="ada"
    )
    hers = replace(ours, owner_id="ada", invitations={"i1": seat})
    feeds = HostFeeds(
        lambda: [hers, other],
        house.app.state.downloads.recordings,
        house.studio.urls,
        load_texts(),
    )
    pages = feeds.pages()
    assert set(pages) == {SERVER, host_slug("ada")}
    read = feedparser.parse(pages[host_slug("ada")]["feed.xml"].body)
    assert (read.feed.title, read.feed.author) == ("Ada Example", "Ada Example")
    assert read.feed.subtitle == "Alle Aufzeichnungen von Ada Example auf live.example.org."
    assert [entry.id for entry in read.entries] == [BROADCAST]
    assert feeds.pages()[SERVER] is pages[SERVER], "made again though nothing changed"


async def test_a_list_that_is_no_more_is_taken_back(house: House) -> None:
    lists = {host_slug("ada"): {"feed.xml": Page(content_type="text/xml", body=b"<rss/>")}}
    house.app.state.publisher.add_lists(lambda: lists)
    house.studio.board.changed(SLUG)
    assert await page(house, "feed.xml", host_slug("ada")) == b"<rss/>"
    lists.clear()
    house.bus.published.clear()
    house.app.state.publisher.renew(SLUG)
    for _ in range(10):
        house.clock.advance(0.6)
        await house.app.state.publisher.publish_due()
        await asyncio.sleep(0)  # the publisher's own task may be in the middle of it
    told = [each for _, each in house.bus.published if isinstance(each, RoomPublic)]
    assert [each.pages for each in told if each.slug == host_slug("ada")] == [{}]


async def test_the_feeds_say_what_is_on_now(house: House) -> None:
    await house.command("open", SLUG)
    await house.command("start", SLUG)
    house.bus.published.clear()
    house.clock.advance(6.0)
    house.studio.board.changed(SLUG)
    channel = etree.fromstring(await page(house, "feed.xml")).find("channel")
    assert channel is not None
    live = channel.find("podcast:liveItem", SPACE)
    assert live is not None
    assert live.get("status") == "live"
    sound = live.find("enclosure")
    assert sound is not None
    assert sound.get("url") == f"{PAGE}/stream.aac"
    atom = feedparser.parse(await page(house, "feed.atom"))
    assert [entry.title for entry in atom.entries] == ["Jetzt live: Town hall"]


async def test_a_planned_room_is_announced(house: House) -> None:
    await house.room("later", at="2026-12-05T20:00:00Z")
    raw = b""
    for _ in range(10):
        house.clock.advance(0.6)
        await house.app.state.publisher.publish_due()
        for message in house.published(RoomPublic):
            if isinstance(message, RoomPublic) and message.slug == "later" and "feed.atom" in message.pages:
                raw = message.pages["feed.atom"].body
    (entry,) = feedparser.parse(raw).entries
    assert entry.title == "Town hall: Saturday, 5 Dec 2026, 20:00 (UTC)"
    assert entry.link == f"{AUDIENCE}/r/later"


def test_a_job_has_one_name() -> None:
    assert job_id(BROADCAST, "mp3") == job_id(BROADCAST, "mp3")
    assert len(job_id(BROADCAST, "flac")) == 32
    assert job_id(BROADCAST, "mp3") != job_id(BROADCAST, "m4a")
