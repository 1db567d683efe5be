"""Pages of a room's recordings at the door: each its own, all of them in a list, however many there are."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
from edge_memory import House, make_house
from recording_folder import BROADCAST, SLUG, VOICES
from test_edge_clips import HOSTILE, HTML, _Elements, publish
from test_edge_deleted import delete
from test_edge_replay import NAMED, REPLAY, Door

from hustings.archive.about import LISTED, OTHERS, OfRoom, RoomRecordings
from hustings.archive.index import write_index
from hustings.archive.library import Library
from hustings.archive.model import encode_index, read_index
from hustings.archive.said import OfBroadcasts, SaidOf
from hustings.bus.messages import Page
from hustings.edge.filled import fill
from hustings.edge.replay import KEEP
from hustings.studio.assets import Assets
from hustings.studio.context import LANGS, RoomView
from hustings.studio.i18n import load_texts
from hustings.studio.renderer import Renderer
from hustings.studio.replays import recordings_pages

HOME = f"https://hear.example/r/{SLUG}"
EARLIER = "20261127T200000-abc123"


async def told(
    house: House,
    data: Path,
    *,
    title: str = "Town hall",
    keep_days: int | None = None,
    more: dict[str, Page] | None = None,
) -> None:
    """The studio publishes the room with what it knows of its recordings, and `more` pages."""
    library = Library(data)
    folder = library.folder(SLUG, over=True)
    last = RoomRecordings(library).about(SLUG, folder) if folder is not None else None
    view = RoomView(slug=SLUG, title=title, status="ended", audience_url=HOME, replay=last)
    renderer = Renderer(load_texts(), Assets())
    pages = recordings_pages(renderer, view, OfRoom(last=last, keep_days=keep_days))
    await publish(house, {**pages, **(more or {})})


@pytest.fixture
async def door(web: Path, tmp_path: Path) -> AsyncIterator[Door]:
    house = make_house(web, data=tmp_path / "data")
    made = Door(house, tmp_path / "data")
    write_index(made.record(broadcast=EARLIER).folder)
    write_index(made.record().folder)
    await told(house, made.data)
    yield made
    await house.end()


def copies(door: Door, days: int) -> None:
    """As many earlier recordings, one a day."""
    rooms = door.data / "rooms" / SLUG
    for day in range(1, days + 1):
        copy = shutil.copytree(
            rooms / EARLIER, rooms / f"2025{day // 28 + 1:02}{day % 28 + 1:02}T200000-abc123"
        )
        index = json.loads((copy / "recording.json").read_bytes())
        (copy / "recording.json").write_bytes(json.dumps({**index, "broadcast": copy.name}).encode())


async def test_each_recording_has_a_page_of_its_own(door: Door) -> None:
    for broadcast, other in ((BROADCAST, EARLIER), (EARLIER, BROADCAST)):
        page = await door.ask(f"{REPLAY}{broadcast}/", HTML)
        assert page.status == 200
        text = page.body.decode()
        assert f'src="/r/{SLUG}/replay/{broadcast}/program.m4a"' in text
        assert f'<link rel="canonical" href="{HOME}/replay/{broadcast}/">' in text
        assert "Ada Example alone" in text
        assert "Housing &amp; rents" in text
        assert f'href="/r/{SLUG}/replay/{other}/?lang=en"' in text
        assert not set(text) & set("\x02\x03\x04\x05\x06")
        moved = await door.ask(f"{REPLAY}{broadcast}", HTML)
        assert (moved.status, moved.headers["location"]) == (308, f"/r/{SLUG}/replay/{broadcast}/")
    german = await door.ask(f"{REPLAY}{EARLIER}/?lang=de", HTML)
    assert german.headers["content-language"] == "de"
    assert "Andere Aufzeichnungen dieses Raums" in german.body.decode()
    assert "21. Sept. 2026" in german.body.decode()


async def test_without_a_name_it_is_the_last_one_and_says_its_lasting_address(door: Door) -> None:
    page = (await door.ask(REPLAY, HTML)).body
    assert page == (await door.ask(NAMED, HTML)).body


async def test_who_shares_one_gets_its_card(door: Door) -> None:
    text = (await door.ask(f"{REPLAY}{EARLIER}/", HTML)).body.decode()
    card = dict(re.findall(r'<meta property="(og:[a-z:_]+)" content="([^"]*)">', text))
    assert card["og:url"] == f"{HOME}/replay/{EARLIER}/"
    assert card["og:audio"] == f"{HOME}/replay/{EARLIER}/program.m4a"
    assert card["og:title"] == "Recording: Town hall"
    assert card["og:description"].startswith("21 Sep 2026 · 20 s · Ada Example, Bertolt Müller · ")
    assert card["og:image"].startswith("https://hear.example/static/img/card.png")


async def test_how_long_each_is_kept(door: Door) -> None:
    assert "kept until" not in (await door.ask(NAMED, HTML)).body.decode()
    await told(door.house, door.data, keep_days=30)
    for broadcast in (BROADCAST, EARLIER):
        text = (await door.ask(f"{REPLAY}{broadcast}/", HTML)).body.decode()
        assert re.search(
            r'kept until <time datetime="2026-10-21T[0-9:]+Z" data-show="date">21 Oct 2026', text
        )


async def test_hundreds_are_listed_page_by_page_and_nothing_grows(door: Door) -> None:
    copies(door, 2 * LISTED + 5)
    door.house.edge.replay.forget(SLUG)
    text = (await door.ask(NAMED, HTML)).body.decode()
    assert len(re.findall(r"replay/[0-9a-fT-]+/\?lang=en", text)) == OTHERS
    assert f'href="/r/{SLUG}/recordings?lang=en"' in text
    seen: list[str] = []
    address = f"/r/{SLUG}/recordings"
    while address:
        page = await door.ask(address, HTML)
        assert page.status == 200
        text = page.body.decode()
        found = re.findall(r'<li><a href="/r/town-hall/replay/([0-9a-fT-]+)/', text)
        assert len(found) <= LISTED
        seen += found
        following = re.search(r'rel="next" href="([^"]+)"', text)
        address = following[1] if following else ""
    assert len(seen) == 2 * LISTED + 7
    assert seen == sorted(seen, reverse=True)
    data = json.loads((await door.ask(f"{REPLAY}recordings.json")).body)
    assert [each["broadcast"] for each in data["recordings"]] == seen[:LISTED]
    assert data["next"] == seen[LISTED - 1]
    assert data["recordings"][0]["people"] == ["Ada Example", "Bertolt Müller"]
    older = json.loads((await door.ask(f"{REPLAY}recordings/{data['next']}.json")).body)
    assert older["recordings"][0]["broadcast"] == seen[LISTED]


async def test_a_deleted_one_answers_410_and_is_in_no_list(door: Door) -> None:
    delete(door, EARLIER)
    page = await door.ask(f"{REPLAY}{EARLIER}/", HTML)
    assert (page.status, page.headers["content-type"]) == (410, "text/html; charset=utf-8")
    assert "This recording was deleted" in page.body.decode()
    assert (await door.ask(f"{REPLAY}{EARLIER}/")).headers["content-type"] == "application/problem+json"
    assert (await door.ask(f"{REPLAY}{EARLIER}/about.json")).status == 410
    for path in (NAMED, f"/r/{SLUG}/recordings"):
        assert EARLIER not in (await door.ask(path, HTML)).body.decode()


async def test_one_that_is_on_air_is_heard_in_the_room(door: Door) -> None:
    name = "20261129T200000-abc123"
    door.record(broadcast=name, over=False)
    page = await door.ask(f"{REPLAY}{name}/", HTML)
    assert page.status == 307, page.body
    assert (page.headers["location"], page.headers["cache-control"]) == (f"/r/{SLUG}", "no-store")
    assert (await door.ask(f"{REPLAY}{name}/about.json")).status == 409
    assert name not in (await door.ask(f"/r/{SLUG}/recordings", HTML)).body.decode()


@pytest.mark.parametrize(
    "path",
    [
        "replay/20200101T000000-abc123/",
        "replay/20261128T200000-abc12/",
        "replay/20261128T200000-abc123//",
        "replay/recordings/20261128T200000-abc123",
        "recordings/../x",
        "recordings/20261128T200000-abc12",
        "recordings/20261128T200000-abc123/x",
    ],
)
async def test_what_there_is_not(door: Door, path: str) -> None:
    answer = await door.ask(f"/r/{SLUG}/{path}", HTML)
    assert answer.status == 404
    assert answer.headers["content-type"] == "text/html; charset=utf-8"


async def test_hostile_names_and_titles_stay_text(door: Door) -> None:
    folder = door.data / "rooms" / SLUG / EARLIER
    index = read_index(folder)
    marks = f"{HOSTILE}\x02day\x03\x04tracks\x05x\x06\\1\\g<1>{{{{ room }}}}"
    index.names[VOICES[0].participant_id] = marks
    index.chapters.append((48_000, marks))
    (folder / "recording.json").write_bytes(encode_index(index))
    door.house.clock.advance(KEEP + 1)
    await told(door.house, door.data, title=HOSTILE)
    for lang in LANGS:
        for path in (f"{REPLAY}{EARLIER}/", f"/r/{SLUG}/recordings", NAMED):
            body = (await door.ask(f"{path}?lang={lang}", HTML)).body.decode()
            found = _Elements()
            found.feed(body)
            assert all(str(source).startswith("/static/js/") for source in found.scripts)
            assert (found.handlers, found.images) == ([], 0)
            # What was filled in is not filled again.
            assert any(marks in words for words in found.words)


async def test_the_same_page_is_made_once(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[bytes] = []

    def counted(template: bytes, values: object) -> bytes:
        made.append(template)
        return fill(template, values)  # type: ignore[arg-type]

    monkeypatch.setattr("hustings.edge.filled.fill", counted)
    for _ in range(3):
        assert (await door.ask(f"{REPLAY}{EARLIER}/", HTML)).status == 200
    assert len([each for each in made if each.startswith(b"<!doctype")]) == 1


async def test_what_was_published_on_a_recording_stands_on_its_page_and_on_no_other(door: Door) -> None:
    of = {
        BROADCAST: [
            SaidOf(kind="statement", at="2026-12-01T10:00:00.000Z", who=HOSTILE, text=HOSTILE),
            SaidOf(kind="correction", at="2026-12-02T10:00:00.000Z", was="40", now=HOSTILE, position=724),
        ]
    }
    before = (await door.ask(f"{REPLAY}{BROADCAST}/", HTML)).body
    body = msgspec.json.encode(OfBroadcasts(broadcasts=of))
    published = {"published.json": Page(content_type="application/json", body=body)}
    await told(door.house, door.data, more=published)
    for address in (f"{REPLAY}{BROADCAST}/", REPLAY):
        page = (await door.ask(address, HTML)).body
        assert page != before, "a page that was filled already is filled anew"
        text = page.decode()
        assert text.count("&lt;script&gt;alert(1)") == 3
        assert "<img src=x" not in text
        assert "12:04" in text
        assert not set(text) & set("\x02\x03\x04\x05\x06")
    other = (await door.ask(f"{REPLAY}{EARLIER}/", HTML)).body.decode()
    assert re.search(r'<section class="published"[^>]* hidden>', other)
    assert "12:04" not in other
    asked = await door.ask(f"/r/{SLUG}/published.json")
    assert asked.status == 404, "what edges have for pages has no address"
