"""Copies of the rooms: newest version wins, gone is gone, and pages in two languages."""

from __future__ import annotations

import asyncio
import contextlib

import pytest
from edge_fakes import room
from edge_memory import FakeBus, House, settle
from hypothesis import given
from hypothesis import strategies as st

from hustings.bus import subjects
from hustings.bus.messages import Page, RoomPublic
from hustings.edge.rooms import RoomBook, RoomSync


def test_older_versions_are_ignored() -> None:
    changed: list[int] = []
    book = RoomBook(lambda each: changed.append(each.version))
    assert book.update(room("a", "live", 3))
    assert not book.update(room("a", "open", 2))
    assert not book.update(room("a", "open", 3))
    assert book.update(room("a", "ended", 4))
    assert changed == [3, 4]


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 5)), max_size=30))
def test_any_order_ends_with_the_newest(updates: list[tuple[str, int]]) -> None:
    book = RoomBook()
    for slug, version in updates:
        book.update(room(slug, "live", version))
    for slug in {slug for slug, _ in updates}:
        found = book.get(slug)
        assert found is not None
        assert found.version == max(version for each, version in updates if each == slug)


def test_what_is_not_in_the_snapshot_is_gone_unless_it_is_newer() -> None:
    removed: list[str] = []
    book = RoomBook(removed=removed.append)
    book.update(room("old", "ended", 1))
    book.update(room("kept", "live", 1))
    book.begin_snapshot()
    book.update(room("kept", "live", 1))
    book.update(room("new", "open", 1))
    book.end_snapshot(["kept"])
    assert set(book.rooms) == {"kept", "new"}
    assert removed == ["old"]
    assert book.loaded


async def test_snapshot_in_pages_then_updates() -> None:
    bus = FakeBus()
    bus.rooms = {slug: room(slug, "live", 1) for slug in ("", "a", "b", "c", "d")}
    book = RoomBook()
    sync = RoomSync(bus, book)
    task = asyncio.create_task(sync.run())
    await settle()
    assert set(book.rooms) == {"", "a", "b", "c", "d"}
    assert sync.loaded.is_set()
    assert len(bus.requests) == 3
    bus.send(subjects.ROOMS_UPDATE, room("e", "open", 1))
    assert "e" in book.rooms
    del bus.rooms["a"]
    sync.resync()
    await settle()
    assert "a" not in book.rooms
    assert "e" not in book.rooms
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def test_a_studio_that_is_away_is_asked_again() -> None:
    bus = FakeBus()
    bus.cut()
    bus.rooms = {"a": room("a", "live", 1)}
    book = RoomBook()

    async def sleep(seconds: float) -> None:
        await asyncio.sleep(0)

    sync = RoomSync(bus, book, sleep=sleep)
    task = asyncio.create_task(sync.run())
    await settle()
    assert not book.loaded
    bus.heal()
    await settle()
    assert set(book.rooms) == {"a"}
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


@pytest.mark.parametrize(
    ("query", "accept", "lang"),
    [
        ("", "", "en"),
        ("", "de-AT, en;q=0.9", "de"),
        ("", "fr, de;q=0.3, en;q=0.8", "en"),
        ("", "fr;q=1, es", "en"),
        ("", "de;q=0, en;q=0.1", "en"),
        ("?lang=de", "en", "de"),
        ("?x=1&lang=en", "de", "en"),
        ("?lang=xx", "de", "de"),
        ("", "de;q=x, *;q=0.1", "en"),
    ],
)
async def test_language(house: House, query: str, accept: str, lang: str) -> None:
    await house.room("open")
    answer = house.client().ask(f"/r/hall{query}", *([f"Accept-Language: {accept}"] if accept else []))
    assert answer.headers["content-language"] == lang
    assert f"lang={lang}".encode() in answer.body
    assert "Accept-Language" in answer.headers["vary"]


async def test_pages_are_the_studios_bytes_with_safe_headers(house: House) -> None:
    await house.room("open")
    answer = house.client().ask("/r/hall")
    assert answer.body == house.bus.rooms["hall"].pages["page.en"].body
    policy = answer.headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "media-src 'self' blob:" in policy
    assert "unsafe" not in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["x-frame-options"] == "SAMEORIGIN"
    assert "set-cookie" not in answer.headers


async def test_the_list_of_rooms_is_the_room_without_a_name(house: House) -> None:
    await house.room("scheduled", slug="", broadcast_id="")
    answer = house.client().ask("/")
    assert answer.status == 200
    assert b"Room " in answer.body


async def test_feeds_over_several_rooms_are_at_their_own_addresses(house: House) -> None:
    feed = {"feed.xml": Page(content_type="application/rss+xml; charset=utf-8", body=b"<rss/>")}
    await house.room("open")
    for slug in ("@", "@ada"):
        house.edge.book.update(
            RoomPublic(slug=slug, version=1, status="scheduled", broadcast_id="", pages=feed)
        )
    client = house.client()
    for path in ("/feed.xml", "/h/ada/feed.xml"):
        answer = client.ask(path)
        assert (answer.status, answer.body) == (200, b"<rss/>")
        assert answer.headers["content-type"].startswith("application/rss+xml")
    for path in ("/h/", "/h/ada", "/h/ada/", "/h/eve/feed.xml", "/h/ada/page.en", "/r/@/feed.xml", "/r/@ada"):
        assert client.ask(path).status == 404, path
    assert list(house.edge.channels) == ["hall"]


async def test_unknown_rooms(house: House) -> None:
    await house.room("open")
    for path in ("/r/other", "/r/other/state.json", "/r/../hall", "/r/%2e%2e", "/r/HALL", "/r/hall/x", "/r/"):
        client = house.client()
        answer = client.ask(path, "Accept: text/html,application/xhtml+xml", "Accept-Language: de")
        assert answer.status == 404, path
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
        assert b'lang="de"' in answer.body
        assert client.ask(path).json()["status"] == 404


async def test_before_the_rooms_are_known_nobody_hears_no_such_room(house: House) -> None:
    client = house.client()
    assert client.ask("/r/hall").status == 503
    client = house.client()
    assert client.ask("/healthz").status == 503
    assert house.client().ask("/feed.xml").status == 503
    await house.room("open")
    assert client.ask("/healthz").status == 200


async def test_a_trailing_slash_is_sent_on(house: House) -> None:
    await house.room("open")
    answer = house.client().ask("/r/hall/")
    assert (answer.status, answer.headers["location"]) == (308, "/r/hall")


async def test_state_may_be_read_by_other_sites(house: House) -> None:
    await house.room("live")
    answer = house.client().ask("/r/hall/state.json", "Origin: https://other.example")
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["cache-control"] == "public, max-age=1"
    etag = answer.headers["etag"]
    assert house.client().ask("/r/hall/state.json", f"If-None-Match: {etag}").status == 304
    await house.room("ended")
    assert house.client().ask("/r/hall/state.json", f"If-None-Match: {etag}").status == 200


async def test_a_removed_room_says_goodbye(house: House) -> None:
    await house.live(5)
    client = house.client()
    client.get("/r/hall/live")
    house.edge.book.begin_snapshot()
    house.edge.book.end_snapshot([])
    await settle()
    house.step(3)
    assert client.is_closed()
    assert not house.edge.channels
    assert house.client().ask("/r/hall").status == 404


async def test_static_files(house: House) -> None:
    client = house.client()
    answer = client.ask("/static/js/player.js")
    assert answer.headers["content-type"] == "text/javascript; charset=utf-8"
    assert answer.headers["cache-control"] == "no-cache"
    assert "immutable" in client.ask("/static/js/player.js?v=1a2b").headers["cache-control"]
    assert client.ask("/static/logo.png").headers["content-type"] == "image/png"
    for path in (
        "/static/voice.opus",
        "/static/../edge_memory.py",
        "/static/js",
        "/static/",
        "/static/%2e%2e/x",
    ):
        assert client.ask(path).status == 404
