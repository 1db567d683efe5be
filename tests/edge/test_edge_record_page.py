"""The page of a public record at the door: what it tells, page by page, and that nothing in it is markup."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
from edge_memory import Answer, make_house
from record_story import (
    AT,
    FIRST_EVENING,
    HOSTILE,
    NEXT,
    SECOND_EVENING,
    SIGNER,
    SLUG,
    WEEK,
    Record,
    evening,
    signed,
    story,
)
from recording_folder import BROADCAST
from test_edge_clips import HTML, _Elements, publish
from test_edge_replay import NAMED, Door

from hustings.archive.index import write_index
from hustings.archive.record_facts import segments_root
from hustings.bus.messages import Page, RoomPublic
from hustings.edge.record_page import ENTRIES, take, values
from hustings.rooms.merkle import proved_root
from hustings.rooms.record import Json, line_hash
from hustings.rooms.record_entries import Fact
from hustings.rooms.record_seal import sealed
from hustings.studio.assets import Assets
from hustings.studio.i18n import load_texts
from hustings.studio.record_pages import RecordPages
from hustings.studio.renderer import Renderer

PAGE = f"/r/{SLUG}/record"
FIGURES = ("audience", "audience_total", "audience_replay")


@pytest.fixture
async def door(web: Path, tmp_path: Path) -> AsyncIterator[Door]:
    house = make_house(web, data=tmp_path / "data")
    pages = RecordPages(Renderer(load_texts(), Assets()), NEXT.public, [SIGNER.public]).pages()["@"]
    house.edge.book.update(
        RoomPublic(slug="@", version=1, status="scheduled", broadcast_id="", pages=dict(pages))
    )
    house.edge.book.loaded = True
    yield Door(house, tmp_path / "data")
    await house.end()


async def told(door: Door, record: Record) -> None:
    head = msgspec.json.encode(record.publish(door.data))
    await publish(door.house, {"record.head": Page(content_type="application/json", body=head)})


async def page(door: Door, path: str = "", lang: str = "en") -> str:
    answer: Answer = await door.ask(f"{PAGE}{path}?lang={lang}", HTML)
    assert answer.status == 200, answer.body
    assert not set(answer.body) & set(b"\x02\x03\x04\x05\x06"), "every place is filled"
    return answer.body.decode()


def words(text: str) -> str:
    return " ".join(re.sub(r"<[^>]*>", " ", text).split())


async def test_it_tells_what_is_in_the_record(door: Door) -> None:
    record = signed(story())
    await told(door, record)
    text = words(await page(door))
    for said in (
        "Public record",
        "What it proves",
        "What it does not prove",
        "Clara Weiss was publicly invited (speaker).",
        "Clara Weiss has accepted.",
        "With pleasure; bring the plans.",
        "the start was planned for 29 Nov 2026, 19:00 UTC",
        "On air, 0.2 s after the time that was planned.",
        "Ada Byron is on the stage (host) and agrees to be recorded.",
        "Clara Weiss 32:52 · 63 %",
        "The recording is complete: 58 min.",
        "From here on the server signs with a new key",
        "Statement by Clara Weiss:",
        "I said 400 flats",
        "Listen at 12:04",
        "Listeners: 636 at the peak, 676 different ones",
        NEXT.public,
    ):
        assert said in text, said
    german = words(await page(door, lang="de"))
    assert "Clara Weiss wurde öffentlich eingeladen (Gast)." in german
    assert "Stellungnahme von Clara Weiss:" in german
    assert "Auf Sendung, 0,2 s nach der geplanten Zeit." in german


async def test_sealed_figures_are_told_in_words_and_no_number_of_them(door: Door) -> None:
    day: dict[str, Json] = {"broadcast": FIRST_EVENING, "day": "2026-11-23", "plays": 77, "seconds": 9000}
    facts = [
        Fact(fact.kind, fact.at, sealed(fact.data, "5a" * 32) if fact.kind in FIGURES else fact.data)
        for fact in [*evening(FIRST_EVENING, AT), Fact("audience_replay", AT + 90_000, day)]
    ]
    opened = next(fact for fact in facts if fact.kind == "doors_opened")
    opened.data["figures"] = "hosts"
    record = signed(facts)
    await told(door, record)
    text = await page(door)
    assert "<svg" not in text[text.index('class="evening"') :]
    english, german = words(text), words(await page(door, lang="de"))
    for said in (
        "The audience figures of this broadcast are sealed: only the hosts see them.",
        "sealed, 58 minutes: this room keeps them to its hosts.",
        "anybody can check that they are those counted then (hustings verify --figures).",
        "The audience figures are final, and sealed: only the hosts know them.",
        "How often the recording was played on 2026-11-23 is sealed.",
    ):
        assert said in english, said
    assert "Die Hörerzahlen dieses Abends sind versiegelt, 58 Minuten" in german
    assert "Nur die Gastgeber kennen sie." in german
    assert "ist versiegelt." in german


async def test_each_entry_has_the_hash_of_its_line_and_the_newest_evening_comes_first(door: Door) -> None:
    record = signed(story())
    await told(door, record)
    text = await page(door)
    shown = dict(re.findall(r'<li id="e(\d+)" data-kind="[a-z_]+" data-hash="([0-9a-f]{64})"', text))
    audience = {n for n, line in enumerate(record.lines) if json.loads(line)["kind"] == "audience"}
    assert {int(n) for n in shown} == set(range(len(record.lines))) - audience
    assert all(line_hash(record.lines[int(n)]) == digest for n, digest in shown.items())
    assert text.index(SECOND_EVENING) < text.index(FIRST_EVENING)
    assert line_hash(record.lines[-1]) in text


async def test_a_long_record_comes_in_pages_that_hold_everything_once(door: Door) -> None:
    facts = [Fact("created", AT - 99, {"title": "The new library", "scheduled": None})]
    for week in range(30):
        facts += evening(
            f"2026{1 + week // 28:02}{1 + week % 28:02}T185500-0a1b2c", AT + week * WEEK, minutes=9
        )
    record = signed(facts)
    await told(door, record)
    seen: list[int] = []
    path = ""
    for _ in range(30):
        text = await page(door, path)
        shown = [int(n) for n in re.findall(r'<li id="e(\d+)"', text)]
        assert 0 < len(shown) <= ENTRIES
        assert not set(shown) & set(seen)
        seen += shown
        following = re.search(rf'rel="next" href="/r/{SLUG}/record/(\d+)\?lang=en"', text)
        assert ("To the newest" in text) is (path != "")
        if following is None:
            break
        path = f"/{following[1]}"
    audience = {n for n, line in enumerate(record.lines) if json.loads(line)["kind"] == "audience"}
    assert set(seen) == set(range(len(record.lines))) - audience
    assert "The new library" in text, "the title as it was then"


async def test_nothing_in_an_entry_is_markup_and_unknown_kinds_are_shown(door: Door) -> None:
    odd: dict[str, Json] = {"what": HOSTILE, HOSTILE[:3].encode().hex(): HOSTILE}
    speakers: list[Json] = [{"name": HOSTILE, "seconds": 9}]
    said: dict[str, Json] = {"id": "x", "who": HOSTILE, "text": HOSTILE, "link": "javascript:alert(1)"}
    record = signed(
        [
            Fact("created", AT, {"title": HOSTILE, "scheduled": None}),
            Fact("invitation", AT, {"invitation": "i", "name": HOSTILE, "role": HOSTILE, "state": "offered"}),
            Fact("chapter", AT, {"broadcast": HOSTILE, "title": HOSTILE}),
            Fact("talk_time", AT, {"broadcast": "b", "speakers": speakers}),
            Fact("incident", AT, {"broadcast": "b", "what": HOSTILE}),
            Fact("statement", AT, said),
            Fact("correction", AT, {"id": "y", "was": HOSTILE, "now": HOSTILE, "entry": 1}),
            Fact("not_invented_yet", AT, odd),
            Fact("recording", AT, {"broadcast": HOSTILE, "milliseconds": 1, "whole": True, "program": {}}),
        ]
    )
    await told(door, record)
    for lang in ("en", "de"):
        text = await page(door, lang=lang)
        elements = _Elements()
        elements.feed(text)
        scripts = re.findall(r"<script[^>]*>", text)
        assert len(scripts) == 1, scripts
        assert "<img src=x" not in text
        assert "javascript:" not in text
        assert "not_invented_yet" in text


async def test_what_is_no_page_of_a_record(door: Door) -> None:
    answer = await door.ask(PAGE, HTML)
    assert answer.status == 404, "no such room"
    await publish(door.house, {})
    assert (await door.ask(PAGE, HTML)).status == 503, "the studio has not said how much of it is published"
    await told(door, signed(story()))
    for path in ("/", "/x", "/-1", "/01", "/1/2", "/9999999999"):
        found = await door.ask(PAGE + path, HTML)
        assert found.status == (200 if path == "/" else 404), path
    (door.data / "records" / f"{SLUG}.entries").unlink()
    door.house.clock.advance(60.0)
    assert (await door.ask(PAGE, HTML)).status == 503


async def test_the_key_has_an_address(door: Door) -> None:
    answer = await door.ask("/.well-known/hustings-key")
    assert answer.status == 200
    assert answer.json() == {
        "version": 1,
        "algorithm": "Ed25519",
        "key": NEXT.public,
        "former": [SIGNER.public],
    }
    assert answer.headers["access-control-allow-origin"] == "*"


def test_memory_is_bounded_however_long_the_record() -> None:
    record = signed(evening(FIRST_EVENING, AT, minutes=3000))
    taken = take(SLUG, record.lines, None)
    assert len(taken.shown) <= ENTRIES
    template = RecordPages(Renderer(load_texts(), Assets()), NEXT.public).render("en")
    shown = values(taken, json.loads(record.head), template, "en")
    assert isinstance(shown["entries"], str)
    assert len(shown["entries"]) < 200_000


async def test_every_segment_has_a_proof_once_the_recording_is_over(door: Door) -> None:
    recording = door.record()
    index = write_index(recording.folder)
    await door.house.room("ended", slug=SLUG, broadcast_id=BROADCAST)
    for codec in ("opus", "aac"):
        leaves = index.codecs[codec].segments
        root = segments_root(index, codec)
        for segment in leaves:
            answer = await door.ask(f"{NAMED}proof/{codec}/{segment.number}.json")
            assert answer.status == 200
            proof = answer.json()
            path = [bytes.fromhex(each) for each in proof["path"]]
            assert proved_root(bytes.fromhex(segment.sha256), proof["leaf"], len(leaves), path) == root
            data = (await door.ask(f"{NAMED}{proof['file']}")).body
            assert hashlib.sha256(data).hexdigest() == proof["sha256"]
    for nothing in ("opus/999.json", "flac/0.json", "opus/x.json", "opus/0"):
        assert (await door.ask(f"{NAMED}proof/{nothing}")).status == 404
    door.record(over=False)
    door.house.clock.advance(3600.0)
    assert (await door.ask(f"{NAMED}proof/opus/0.json")).status == 409, "nobody has signed for it yet"


async def test_a_number_beyond_the_record_is_the_newest_page(door: Door) -> None:
    record = signed(story())
    await told(door, record)
    newest = await page(door)
    reads = door.house.edge.metrics.replay_reads["read"]
    for beyond in (len(record.lines), 400, 999_999_999):
        assert await page(door, f"/{beyond}") == newest
    assert door.house.edge.metrics.replay_reads["read"] == reads, "out of memory"
