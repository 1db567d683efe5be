"""Clips at the door: files, facts and pages of any stretch; hostile addresses and names."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import AsyncIterator
from html.parser import HTMLParser
from pathlib import Path

import msgspec
import pytest
from edge_memory import House, make_house, settle
from recording_folder import BROADCAST, SLUG, VOICES, write_recording
from test_edge_replay import NAMED, REPLAY, Door

from hustings.archive.clip import Cut, clip_m4a, clip_opus
from hustings.archive.index import write_index
from hustings.archive.library import AGAIN
from hustings.archive.model import encode_index
from hustings.archive.tombstone import TOMBSTONE_NAME, Tombstone, encode_tombstone
from hustings.bus.messages import Page, RecordingDeleted
from hustings.edge.clips import clip_values
from hustings.edge.filled import fill
from hustings.edge.replay import KEEP, KEEP_GROWING
from hustings.studio.assets import Assets
from hustings.studio.clips import Clips
from hustings.studio.context import LANGS, RoomView
from hustings.studio.i18n import load_texts
from hustings.studio.renderer import Renderer

CLIP = f"{NAMED}clip/"
PAGE = f"/r/{SLUG}/clip/{BROADCAST}/"
HTML = "Accept: text/html"
HOSTILE = "</script><script>alert(1)</script>\"'&<img src=x onerror=alert(2)>"


def clip_pages(title: str = "Town hall", audience_url: str = "") -> dict[str, Page]:
    """As the studio publishes them."""
    clips = Clips(Renderer(load_texts(), Assets()))
    view = RoomView(slug=SLUG, title=title, status="ended", broadcast=BROADCAST, audience_url=audience_url)
    kind = "text/html; charset=utf-8"
    return {f"clip.{lang}": Page(content_type=kind, body=clips.render(view, lang)) for lang in LANGS}


async def publish(house: House, pages: dict[str, Page]) -> None:
    """The room as it is, with these pages beside its others."""
    await house.room("ended", slug=SLUG, broadcast_id=BROADCAST)
    house.version += 1
    known = house.bus.rooms[SLUG]
    known = msgspec.structs.replace(known, version=house.version, pages={**known.pages, **pages})
    house.bus.rooms[SLUG] = known
    house.edge.book.update(known)


@pytest.fixture
async def door(web: Path, tmp_path: Path) -> AsyncIterator[Door]:
    house = make_house(web, data=tmp_path / "data")
    await publish(house, clip_pages())
    yield Door(house, tmp_path / "data")
    await house.end()


async def test_both_files_and_any_range_of_them(door: Door) -> None:
    recording = door.record()
    index = write_index(recording.folder)
    cut = Cut(3_000, 9_500)
    for kind, make, content_type in (
        ("m4a", clip_m4a, "audio/mp4"),
        ("opus", clip_opus, "audio/ogg; codecs=opus"),
    ):
        answer = await door.ask(f"{CLIP}3000-9500.{kind}")
        file = make(recording.folder, index, cut)
        assert answer.status == 200
        assert answer.headers["content-type"] == content_type
        assert answer.headers["access-control-allow-origin"] == "*"
        assert answer.headers["cache-control"] == "public, max-age=86400"
        assert answer.body == file.read(0, file.size)
        part = await door.ask(f"{CLIP}3000-9500.{kind}", "Range: bytes=1000-40000")
        assert part.status == 206
        assert part.body == answer.body[1000:40001]
        again = await door.ask(f"{CLIP}3000-9500.{kind}", f"If-None-Match: {answer.headers['etag']}")
        assert again.status == 304
        assert (await door.ask(f"{CLIP}3000-9500.{kind}", "Range: bytes=0-1,5-6")).status == 416
    other = await door.ask(f"{CLIP}3000-9520.m4a")
    assert other.headers["etag"] != (await door.ask(f"{CLIP}3000-9500.m4a")).headers["etag"]


async def test_the_facts_can_be_checked(door: Door) -> None:
    recording = door.record()
    facts = json.loads((await door.ask(f"{CLIP}3000-9500.json")).body)
    assert (facts["from"], facts["to"], facts["seconds"], facts["position"]) == (3000, 9500, 6.5, 3.0)
    assert facts["begins_at"] == "2026-09-21T14:13:23Z"
    assert [each["name"] for each in facts["speakers"]] == ["Ada Example", "Bertolt Müller"]
    assert [each["seconds"] for each in facts["speakers"]] == [2.3, 3.8]
    assert len(facts["levels"]) == 33
    assert min(facts["levels"]) < 20
    assert facts["context"] == f"/r/{SLUG}/replay/{BROADCAST}/#t=3.00"
    for file in facts["files"]:
        body = (await door.ask(CLIP + file["name"])).body
        assert (len(body), hashlib.sha256(body).hexdigest()) == (file["bytes"], file["sha256"])
        assert len(file["cut_from"]) == 2
        for each in file["cut_from"]:
            data = (await door.ask(NAMED + each["file"])).body
            assert data == (recording.folder / "program" / each["file"]).read_bytes()
            assert hashlib.sha256(data).hexdigest() == each["sha256"]


async def test_the_page_in_both_languages_needs_no_script(door: Door) -> None:
    door.record()
    page = await door.ask(f"{PAGE}3000-9500", HTML)
    assert page.status == 200
    text = page.body.decode()
    assert page.headers["content-language"] == "en"
    assert "default-src 'self'" in page.headers["content-security-policy"]
    assert "unsafe" not in page.headers["content-security-policy"]
    assert "Ada Example, Bertolt Müller" in text
    assert f'href="/r/{SLUG}/replay/{BROADCAST}/#t=3.00"' in text
    assert f'src="/r/{SLUG}/replay/{BROADCAST}/clip/3000-9500.m4a"' in text
    facts = json.loads((await door.ask(f"{CLIP}3000-9500.json")).body)
    for file in facts["files"]:
        assert file["sha256"] in text
        for each in file["cut_from"]:
            assert each["sha256"] in text
    assert not set(text) & {"\x02", "\x03"}
    german = await door.ask(f"{PAGE}3000-9500?lang=de", HTML)
    assert german.headers["content-language"] == "de"
    assert "Im Zusammenhang hören" in german.body.decode()


async def test_who_shares_it_gets_a_card(door: Door) -> None:
    door.record()
    await publish(door.house, clip_pages(audience_url=f"https://hear.example/r/{SLUG}"))
    text = (await door.ask(f"{PAGE}3000-9500", HTML)).body.decode()
    card = dict(re.findall(r'<meta property="(og:[a-z:_]+)" content="([^"]*)">', text))
    assert card["og:title"] == "Clip: Town hall"
    assert card["og:url"] == f"https://hear.example{PAGE}3000-9500"
    assert card["og:audio"] == f"https://hear.example{CLIP}3000-9500.m4a"
    assert card["og:description"] == "Ada Example, Bertolt Müller · 0:07 · 2026-09-21"
    assert card["og:image"].startswith("https://hear.example/static/img/card.png")


class _Elements(HTMLParser):
    """What a browser would make of it: elements, and attributes that run something."""

    def __init__(self) -> None:
        super().__init__()
        self.scripts: list[str | None] = []
        self.handlers: list[str] = []
        self.images = 0
        self.words: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "script":
            self.scripts.append(dict(attrs).get("src"))
        self.images += tag == "img"
        self.handlers += [name for name, _ in attrs if name.startswith("on")]

    def handle_data(self, data: str) -> None:
        self.words.append(data)


async def test_hostile_names_and_titles_stay_text(door: Door) -> None:
    recording = door.record()
    index = write_index(recording.folder)
    # Also a name that looks like a marked place, and one that looks like a reference to a group.
    marks = f"{HOSTILE}\x02m4a_sha256\x03\\1\\g<1>{{{{ room }}}}"
    index.names.update({VOICES[0].participant_id: marks, VOICES[1].participant_id: HOSTILE})
    (recording.folder / "recording.json").write_bytes(encode_index(index))
    await publish(door.house, clip_pages(HOSTILE))
    facts = json.loads((await door.ask(f"{CLIP}3000-9500.json")).body)
    assert facts["speakers"][0]["name"] == marks
    for lang in LANGS:
        body = (await door.ask(f"{PAGE}3000-9500?lang={lang}", HTML)).body.decode()
        found = _Elements()
        found.feed(body)
        assert len(found.scripts) == 1
        assert str(found.scripts[0]).startswith("/static/js/clip.js")
        assert found.handlers == []
        assert found.images == 0
        assert any(marks in words for words in found.words)
        # What was filled in is not filled again.
        assert body.count(facts["files"][0]["sha256"]) == 1


def test_a_mark_without_a_value_takes_what_else_was_said() -> None:
    facts = {
        **dict.fromkeys(("slug", "broadcast", "context"), "s"),
        **dict.fromkeys(("from", "to", "seconds", "position"), 0),
        **{key: [] for key in ("speakers", "gaps", "levels", "files")},
        "begins_at": "2026-09-21T14:13:23Z",
    }
    template = b"<p>\x02who|Nobody &amp; nothing\x03</p>\x02nothing\x03\x02m4a_sha256|-\x03"
    assert fill(template, clip_values(json.dumps(facts).encode())) == b"<p>Nobody &amp; nothing</p>-"


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("3000-93020.m4a", 400),
        ("3000-3000.m4a", 400),
        ("9500-3000.opus", 400),
        ("3000-9510.m4a", 404),
        ("03000-9500.m4a", 404),
        ("3000-9500.mp3", 404),
        ("3000-9500", 404),
        ("3000-9500.m4a.m4a", 404),
        ("-9500.m4a", 404),
        ("3000-99999999999999.m4a", 404),
        ("%2e%2e/program/opus/0.m4s", 404),
        ("..%2f..%2frecording.json", 404),
        ("3000-9500.json%00", 404),
        ("3000-9500.m4a/", 404),
        ("%D9%A0-20.m4a", 404),
    ],
)
async def test_what_is_no_clip_is_refused_without_a_look_at_the_disk(
    door: Door, name: str, status: int
) -> None:
    door.record()
    for address in (CLIP + name, f"{REPLAY}20260101T000000-abcdef/clip/{name}"):
        answer = await door.ask(address)
        assert answer.status == status
        assert answer.headers["content-type"] == "application/problem+json"
    page = name.rpartition(".")[0] or name
    assert (await door.ask(PAGE + page + "x", HTML)).status == 404
    assert door.disk.reads == 0


async def test_outside_the_recording_is_nothing(door: Door) -> None:
    door.record(begin=6.0)
    for name in ("5980-7000", "25000-26020", "100000-100020"):
        answer = await door.ask(f"{CLIP}{name}.m4a")
        assert answer.status == 404
        assert "does not reach there" in json.loads(answer.body)["detail"]
        assert (await door.ask(PAGE + name, HTML)).status == 404
    assert (await door.ask(f"{CLIP}6000-26000.m4a")).status == 200
    # Without its broadcast's name an address would be another clip tomorrow.
    assert (await door.ask(f"{REPLAY}clip/6000-7000.m4a")).status == 404


async def test_on_air_as_far_as_it_is_recorded(door: Door) -> None:
    door.record(20.0, over=False)
    door.house.step(KEEP_GROWING + AGAIN)
    early = await door.ask(f"{CLIP}3000-9500.opus")
    assert early.status == 200
    assert early.headers["cache-control"] == "public, max-age=2"
    facts = json.loads((await door.ask(f"{CLIP}3000-9500.json")).body)
    assert facts["context"] == f"/r/{SLUG}"
    assert (await door.ask(f"{PAGE}3000-9500", HTML)).status == 200
    late = await door.ask(f"{CLIP}17000-19000.opus")
    assert late.status == 404
    assert "not been recorded yet" in json.loads(late.body)["detail"]
    recording = door.record(20.0)
    door.house.step(KEEP_GROWING + AGAIN)
    after = await door.ask(f"{CLIP}3000-9500.opus")
    assert (after.body, after.headers["etag"]) == (early.body, early.headers["etag"])
    assert recording.seconds == 20.0
    assert (await door.ask(f"{CLIP}17000-19000.opus")).status == 200


async def test_the_page_says_that_a_part_is_silent(door: Door) -> None:
    recording = door.record(over=False)
    gap = {"from": 4 * 48_000, "samples": 48_000, "packets": 0, "cause": "off_record"}
    (recording.folder / "program" / "gaps.jsonl").write_text(json.dumps(gap) + "\n")
    write_index(recording.folder)
    for name, silent in (("3000-9500", True), ("4980-5000", True), ("5000-9500", False)):
        facts = json.loads((await door.ask(f"{CLIP}{name}.json")).body)
        assert bool(facts["gaps"]) == silent
        text = (await door.ask(PAGE + name, HTML)).body.decode()
        assert ("hidden>Part of it is silent" in text) != silent
        assert "Part of it is silent" in text
    facts = json.loads((await door.ask(f"{CLIP}3000-4500.json")).body)
    assert facts["gaps"] == [{"from": 4000, "to": 4500, "cause": "off_record"}]


async def test_a_clip_of_an_earlier_recording_leads_to_that_one(door: Door) -> None:
    door.record()
    write_index(write_recording(door.data, broadcast="20261129T200000-abc123").folder)
    facts = json.loads((await door.ask(f"{CLIP}3000-9500.json")).body)
    assert facts["context"] == f"{NAMED}#t=3.00"


async def test_what_is_gone_gives_no_clip(door: Door) -> None:
    recording = door.record()
    assert (await door.ask(f"{PAGE}3000-9500", HTML)).status == 200
    recording.folder.rename(recording.folder.with_name("elsewhere"))
    door.house.step(KEEP + 1)
    assert (await door.ask(f"{PAGE}3000-9500", HTML)).status == 404
    assert (await door.ask(f"{CLIP}3000-9500.m4a")).status == 404


async def test_of_what_was_deleted_nobody_hears_a_clip(door: Door) -> None:
    recording = door.record()
    for name in ("m4a", "opus", "json"):
        assert (await door.ask(f"{CLIP}3000-9500.{name}")).status == 200
    stone = Tombstone(
        slug=SLUG,
        broadcast=BROADCAST,
        live_since=None,
        duration=None,
        sha256="",
        deleted_at="2026-11-28T20:00:00Z",
        why="host",
    )
    (recording.folder / TOMBSTONE_NAME).write_bytes(encode_tombstone(stone))
    message = RecordingDeleted(broadcast_id=BROADCAST, slug=SLUG)
    door.house.edge.recording_gone(message)
    for name in ("m4a", "opus", "json"):
        assert (await door.ask(f"{CLIP}3000-9500.{name}")).status == 410
    page = await door.ask(f"{PAGE}3000-9500", HTML)
    assert page.status == 410
    assert b"was deleted" in page.body


async def test_who_ask_the_same_clip_share_one_read_and_too_many_are_sent_away(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hustings.edge.replay.PENDING", 9)
    door.record()
    door.disk.held = True
    clients = [door.house.client() for _ in range(20)]
    for client in clients:
        client.get(f"{PAGE}3000-9500", HTML)
    await settle()
    assert len(door.disk.waiting) == 1
    for number in range(8):
        door.house.client().get(f"{CLIP}0-{20 + 20 * number}.json")
    await settle()
    assert (await door.ask(f"{CLIP}20-5000.json")).status == 503
    assert (await door.ask(f"{PAGE}20-5000", HTML)).status == 503
    door.disk.waiting = door.disk.waiting[:1]
    door.disk.release()
    await settle()
    assert all(client.answers()[0].status == 200 for client in clients)


async def test_nothing_can_be_sent_there(door: Door) -> None:
    assert (await door.ask(f"{PAGE}3000-9500", method="DELETE")).status == 405
    assert (await door.ask(f"/r/{SLUG}/clip/")).status == 404
    assert (await door.ask(f"/r/{SLUG}/clip/{BROADCAST}/3000-9500/more")).status == 404
    assert (await door.ask(f"/r/{SLUG}/clip/opus/3000-9500")).status == 404
