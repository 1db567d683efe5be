"""Statements and corrections over the API: in the record, on the pages, for ever and once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import msgspec
from studio_support import House, running_studio

from hustings.archive.record_file import NAME, Published, published_file
from hustings.archive.record_file import entries_path as path_of
from hustings.archive.record_keys import check
from hustings.archive.said import OfBroadcasts
from hustings.bus.messages import RoomPublic
from hustings.rooms.record import Verdict, verify

SLUG = "town-hall"
HOSTILE = "</blockquote><script>alert(1)</script>\"'&"


async def publish(house: House, what: str, code: int = 201, **body: Any) -> dict[str, Any]:
    answer = await house.operator.post(f"/api/rooms/{SLUG}/{what}", json=body)
    assert answer.status_code == code, answer.text
    return dict(answer.json())


async def pages(house: House) -> dict[str, bytes]:
    """The room as the edges get it now."""
    house.clock.advance(1.0)
    await house.app.state.publisher.publish_due()
    sent = [m for m in house.published(RoomPublic) if isinstance(m, RoomPublic) and m.slug == SLUG]
    known: dict[str, bytes] = {}
    for message in sent:
        known |= {name: page.body for name, page in message.pages.items()}
    return {name: known[name] for name in {*sent[-1].pages, *sent[-1].kept}}


async def record(house: House, entries: int) -> Verdict:
    """As an edge would serve it, once it has so many entries."""
    for _ in range(200):
        head = (await pages(house)).get("record.head")
        if head is not None:
            published = msgspec.json.decode(head, type=Published)
            if published.entries >= entries:
                file = published_file(path_of(house.settings.data, SLUG), published)
                return verify(file.read(0, file.size), check)
        await _let_others_work()
    raise AssertionError(f"{NAME} never had {entries} entries")


async def _let_others_work() -> None:
    import asyncio

    await asyncio.sleep(0.01)


async def evening(house: House) -> str:
    """A room that was on for half an hour; its broadcast."""
    await house.room(SLUG)
    await house.command("open")
    await house.command("start")
    house.clock.advance(1800.0)
    stopped = await house.command("stop")
    return str(stopped["broadcast_id"])


async def test_both_stand_in_the_record_and_what_they_correct_stays(tmp_path: Path) -> None:
    async with running_studio(tmp_path) as house:
        broadcast = await evening(house)
        said = await publish(
            house,
            "statements",
            who="Clara  Weiss",
            text="I said 400.\n\nNot 40.",
            link="https://example.org/a?b=1",
            broadcast=broadcast,
        )
        assert (said["kind"], said["who"], said["text"]) == (
            "statement",
            "Clara Weiss",
            "I said 400.\n\nNot 40.",
        )
        first = await publish(house, "corrections", was="40", now="400", broadcast=broadcast, position=724)
        second = await publish(house, "corrections", was="Weiss", now="Weiß", entry=said["seq"])
        verdict = await record(house, second["seq"] + 1)
        assert verdict.ok, verdict.reason
        by_seq = {entry.seq: entry for entry in verdict.entries}
        assert by_seq[said["seq"]].kind == "statement"
        assert by_seq[said["seq"]].data["text"] == "I said 400.\n\nNot 40.", "a correction changes nothing"
        assert by_seq[first["seq"]].data["position"] == 724
        assert by_seq[second["seq"]].data["entry"] == said["seq"]
        listed = (await house.operator.get(f"/api/rooms/{SLUG}/published")).json()
        assert [one["seq"] for one in listed["published"]] == [said["seq"], first["seq"], second["seq"]]
        assert [one["broadcast"] for one in listed["broadcasts"]] == [broadcast]
    async with running_studio(tmp_path) as again:
        listed = (await again.operator.get(f"/api/rooms/{SLUG}/published")).json()
        assert len(listed["published"]) == 3, "read back from the record after a restart"


async def test_a_repeated_request_publishes_once(tmp_path: Path) -> None:
    async with running_studio(tmp_path) as house:
        await house.room(SLUG)
        body: dict[str, Any] = {"who": "Ada", "text": "Once.", "id": "abcdefgh1"}
        made = await publish(house, "statements", **body)
        assert (await publish(house, "statements", 200, **body))["seq"] == made["seq"]
        await publish(house, "statements", 409, **{**body, "text": "Another."})
        listed = (await house.operator.get(f"/api/rooms/{SLUG}/published")).json()
        assert len(listed["published"]) == 1
        verdict = await record(house, made["seq"] + 1)
        assert [entry.kind for entry in verdict.entries].count("statement") == 1


async def test_what_cannot_be_published_is_refused_and_says_where(tmp_path: Path) -> None:
    async with running_studio(tmp_path) as house:
        broadcast = await evening(house)
        for what, body, code, where in (
            ("statements", {"who": "Ada", "text": "x" * 2001}, 422, "body: text"),
            ("statements", {"who": "Ada", "text": " \n "}, 422, "body: text"),
            ("statements", {"who": "", "text": "x"}, 422, "body: who"),
            ("statements", {"who": "Ada", "text": "x", "link": "http://example.org/"}, 422, "body: link"),
            ("statements", {"who": "Ada", "text": "x", "link": "javascript:alert(1)"}, 422, "body: link"),
            ("statements", {"who": "Ada", "text": "x", "broadcast": "20200101T000000-000000"}, 404, "path"),
            ("corrections", {"was": "a", "now": "b"}, 422, "body"),
            ("corrections", {"was": "a", "now": "b", "entry": 999}, 404, "path"),
            ("corrections", {"was": "a", "now": "b", "entry": 0}, 404, "path"),
            ("corrections", {"was": "a", "now": "b", "broadcast": broadcast, "entry": 3}, 422, "body"),
            ("corrections", {"was": "a", "now": "b", "broadcast": broadcast, "position": 1900}, 422, "body"),
        ):
            answer: httpx.Response = await house.operator.post(f"/api/rooms/{SLUG}/{what}", json=body)
            assert answer.status_code == code, (body, answer.text)
            assert answer.json()["where"] == where
        listed = (await house.operator.get(f"/api/rooms/{SLUG}/published")).json()
        assert listed["published"] == []


async def test_pages_show_them_and_nothing_in_them_is_markup(tmp_path: Path) -> None:
    async with running_studio(tmp_path) as house:
        broadcast = await evening(house)
        made = await publish(house, "statements", who=HOSTILE[:60], text=HOSTILE, broadcast=broadcast)
        await publish(house, "corrections", was=HOSTILE, now="right", entry=made["seq"])
        await publish(house, "corrections", was="left", now="right", broadcast=broadcast, position=61)
        shown = await pages(house)
        for lang, word in (("en", "Statements and corrections"), ("de", "Stellungnahmen und Berichtigungen")):
            page = shown[f"page.{lang}"].decode()
            assert word in page
            assert "<script>alert" not in page
            assert page.count("&lt;script&gt;alert(1)") >= 3
            assert f'href="/r/{SLUG}/replay/{broadcast}/#t=61"' in page
            assert f'href="/r/{SLUG}/record?lang={lang}"' in page
        of = msgspec.json.decode(shown["published.json"], type=OfBroadcasts).broadcasts
        assert [(one.kind, one.position) for one in of[broadcast]] == [
            ("statement", None),
            ("correction", 61),
        ]
        assert json.loads(shown["state.json"]).get("published") is None
