"""A room's events at an edge: in band, none missed however a listener joins and whatever the bus loses."""

from __future__ import annotations

import asyncio
import contextlib
import json
import struct
from typing import Any

import msgspec
from edge_fakes import room as make_room
from edge_memory import Client, House, settle
from hypothesis import given, settings
from hypothesis import strategies as st

from hustings.bus import subjects
from hustings.bus.messages import Page, RoomEvent, RoomPublic, RoomReactions, TimedEvent
from hustings.edge.room_news import HERE, MAX_RECENT, MAX_RECORD, PATIENCE, RoomNews
from hustings.edge.rooms import RoomBook, RoomSync

EVENT = 3


def event(seq: int, stream: str = "s1", **changed: Any) -> RoomEvent:
    return RoomEvent(
        slug="hall", stream=stream, seq=seq, at=5.0, kind="edited", data={}, changed=changed or {"n": seq}
    )


def records(client: Client) -> list[dict[str, Any]]:
    """The event records of the room that have come since the last call."""
    data = bytes(client.transport.taken)
    client.transport.taken.clear()
    if data.startswith(b"HTTP/1.1"):
        data = data.partition(b"\r\n\r\n")[2]
    body = b""
    while data:
        size, _, data = data.partition(b"\r\n")
        body += data[: int(size, 16)]
        data = data[int(size, 16) + 2 :]
    found = []
    while body:
        kind, _, _, length = struct.unpack(">BBHI", body[:8])
        if kind == EVENT:
            found.append(json.loads(body[8 : 8 + length]))
        body = body[8 + length :]
    return [each for each in found if each["kind"] in ("room", "reactions")]


async def published(house: House, seq: int, stream: str = "s1") -> None:
    """The studio publishes the room with the events up to `seq` in its state."""
    house.version += 1
    made = make_room("hall", "live", house.version)
    body = json.dumps({"stream": stream, "seq": seq}).encode()
    pages = {**made.pages, "state.json": Page(content_type="application/json", body=body)}
    house.edge.book.update(msgspec.structs.replace(made, pages=pages, stream=stream, seq=seq))
    await settle()


def tell(house: House, *events: RoomEvent) -> None:
    assert house.edge.book.happened is not None
    for each in events:
        house.edge.book.happened(each)


# --- in band -------------------------------------------------------------------------------------


async def test_events_go_out_in_band_with_the_time_of_the_sound(house: House) -> None:
    await house.live(5)
    await published(house, 3)
    client = house.client()
    client.get("/r/hall/live")
    records(client)
    tell(house, event(4, status="live"), event(4), event(3))
    house.produce()
    (found,) = records(client)
    assert found["media_time"] >= 0
    assert found["wall_clock"] > 0
    assert {name: found[name] for name in ("kind", "what", "stream", "seq", "data", "changed")} == {
        "kind": "room",
        "what": "edited",
        "stream": "s1",
        "seq": 4,
        "data": {},
        "changed": {"status": "live"},
    }


async def test_a_joiner_gets_where_the_state_stands_and_what_is_newer(house: House) -> None:
    await house.live(5)
    await published(house, 3)
    tell(house, event(4), event(5))
    early, late = house.client(), house.client()
    early.get("/r/hall/live")
    assert [(each["seq"], each["what"]) for each in records(early)] == [
        (3, HERE),
        (4, "edited"),
        (5, "edited"),
    ]
    await published(house, 5)
    late.get("/r/hall/live")
    assert [(each["seq"], each["what"]) for each in records(late)] == [(5, HERE)]
    old = house.client()
    old.get("/r/hall/live", version="HTTP/1.0")
    assert b'"seq":5,"what":"here"' in bytes(old.transport.taken)


async def test_before_sound_events_go_out_within_a_tick(house: House) -> None:
    await house.room("open")
    await published(house, 1)
    client = house.client()
    client.get("/r/hall/live")
    house.step(8)
    records(client)
    tell(house, event(2))
    house.clock.advance(0.25)
    house.edge.tick()
    assert [each["seq"] for each in records(client)] == [2]


async def test_reactions_are_passed_on(house: House) -> None:
    await house.live(5)
    client = house.client()
    client.get("/r/hall/live")
    records(client)
    assert house.edge.book.reacted is not None
    house.edge.book.reacted(RoomReactions(slug="hall", counts={"heart": 3}))
    house.edge.book.reacted(RoomReactions(slug="elsewhere", counts={"heart": 3}))
    house.step(1)
    (found,) = records(client)
    assert found["counts"] == {"heart": 3}


async def test_what_the_bus_lost_is_said_to_all(house: House) -> None:
    await house.live(5)
    await published(house, 3)
    client = house.client()
    client.get("/r/hall/live")
    records(client)
    await published(house, 5)
    house.step(PATIENCE - 0.25)
    house.produce()
    assert records(client) == [], "the events may still be on their way"
    house.step(1)
    house.produce()
    assert [(each["seq"], each["what"]) for each in records(client)] == [(5, HERE)]
    house.step(20)
    assert records(client) == [], "once"


async def test_one_who_was_slow_for_a_moment_hears_where_the_room_stands(house: House) -> None:
    await house.live(5)
    await published(house, 3)
    client = house.client(room=20_000)
    client.get("/r/hall/live")
    while not client.protocol.fanout or client.protocol.shard is not None:
        house.produce()
    tell(house, event(4))
    house.produce(10)
    await published(house, 4)
    tell(house, event(5))
    client.transport.take()
    house.produce()
    heard = [(each["seq"], each["what"]) for each in records(client)]
    assert heard[0] == (3, HERE), "the greeting"
    assert heard[1:3] == [(4, HERE), (5, "edited")], "events that went by are made good for"


async def test_one_who_was_left_behind_hears_where_the_room_stands(house: House) -> None:
    await house.live(5)
    await published(house, 3)
    client = house.client(room=20_000)
    client.get("/r/hall/live")
    house.produce(100)
    tell(house, event(4))
    house.produce(20)
    client.transport.take()
    house.produce(2)
    assert [(each["seq"], each["what"]) for each in records(client)][-2:] == [(3, HERE), (4, "edited")]


async def test_too_many_events_at_once_are_counted(house: House) -> None:
    await house.live(5)
    await published(house, 1)
    channel = house.edge.channels["hall"]
    before = house.edge.metrics.events_dropped
    for seq in range(2, 600):
        tell(house, event(seq))
    assert house.edge.metrics.events_dropped > before
    timed = TimedEvent(broadcast_id="x", seq=1, media_time=1, wall_clock=1.0, kind="muted", data={})
    channel.push["opus"].event(timed)


# --- pure ----------------------------------------------------------------------------------------


def test_a_large_change_is_only_announced() -> None:
    news = RoomNews()
    news.state("s1", 1, 0.0)
    content = news.event(event(2, text="x" * MAX_RECORD))
    assert content is not None
    assert "changed" not in content
    assert content["seq"] == 2


def test_recent_events_are_bounded() -> None:
    news = RoomNews()
    news.state("s1", 0, 0.0)
    for seq in range(1, 500):
        news.event(event(seq))
    assert len(news.greeting()) == MAX_RECENT + 1


class Listener:
    """What room_state.js does, in its fewest words."""

    def __init__(self, snapshot: dict[str, Any]) -> None:
        self.state = snapshot
        self.waiting: list[dict[str, Any]] = []
        self.gap = False

    def take(self, content: dict[str, Any]) -> None:
        here, seen = (content["stream"], content["seq"]), (self.state["stream"], self.state["seq"])
        if here <= seen:
            return
        if here == (seen[0], seen[1] + 1) and "changed" in content:
            self.state = {**self.state, **content["changed"], "seq": here[1]}
            return
        self.waiting.append(content)
        self.gap = True

    def fetch(self, snapshot: dict[str, Any]) -> None:
        if (snapshot["stream"], snapshot["seq"]) >= (self.state["stream"], self.state["seq"]):
            self.state = snapshot
        self.gap, waiting = False, self.waiting
        self.waiting = []
        for content in waiting:
            self.take(content)


@settings(max_examples=400)
@given(
    st.lists(st.sampled_from(["change", "deliver", "lose", "state", "fetch", "join", "refetch", "restart"]))
)
def test_no_listener_misses_anything_however_all_this_is_interleaved(steps: list[str]) -> None:
    """The studio changes its room; events and states take their time over the bus and may get lost; a page
    loads its state, joins, and fetches again when it sees a gap. In the end it has what the studio has."""
    news = RoomNews()
    now = 0.0
    truth: dict[str, Any] = {"stream": "s1", "seq": 0, "n": 0}
    on_the_way: list[RoomEvent] = []
    served = dict(truth)
    news.state("s1", 0, now)
    listener: Listener | None = None
    joined = False

    def hear(content: Any) -> None:
        if content is not None and listener is not None and joined:
            listener.take(json.loads(json.dumps(content)))

    for step in [*steps, "fetch", "join", "state", "late", "refetch", "refetch"]:
        now += 0.1
        match step:
            case "change":
                seq = truth["seq"] + 1
                truth = {**truth, "seq": seq, "n": truth["n"] + 1}
                on_the_way.append(event(seq, truth["stream"], n=truth["n"]))
            case "restart":
                truth = {"stream": truth["stream"] + "0", "seq": 0, "n": truth["n"] + 7}
                on_the_way.clear()
            case "deliver" if on_the_way:
                hear(news.event(on_the_way.pop(0)))
            case "lose" if on_the_way:
                on_the_way.pop(0)
            case "state":
                served = dict(truth)
                news.state(served["stream"], served["seq"], now)
            case "fetch" if listener is None:
                listener = Listener(dict(served))
            case "join" if listener is not None and not joined:
                joined = True
                for content in news.greeting():
                    hear(content)
            case "refetch" if listener is not None and listener.gap:
                listener.fetch(dict(served))
            case "late":
                now += PATIENCE
                hear(news.overdue(now))
                for each in on_the_way:
                    hear(news.event(each))
    assert listener is not None
    assert listener.state == truth
    assert not listener.gap


# --- pages that are left out ---------------------------------------------------------------------


def page(text: str) -> Page:
    return Page(content_type="text/plain", body=text.encode())


def update(version: int, kept: list[str], since: int = 0, **pages: str) -> RoomPublic:
    return RoomPublic(
        slug="hall",
        version=version,
        status="live",
        broadcast_id="b",
        pages={name: page(text) for name, text in pages.items()},
        kept=kept,
        kept_since=since,
    )


def test_pages_an_edge_has_are_taken_over() -> None:
    book = RoomBook()
    asked: list[int] = []
    book.incomplete = lambda: asked.append(1)
    assert book.update(update(1, [], a="1", b="1"))
    assert book.update(update(2, ["a"], 1, b="2"))
    assert book.rooms["hall"].pages == {"a": page("1"), "b": page("2")}
    assert book.rooms["hall"].kept == []
    assert book.update(update(3, ["b"], 2))
    assert set(book.rooms["hall"].pages) == {"b"}, "what is neither sent nor kept is no more"
    assert not asked


def test_a_missed_page_is_asked_for_and_never_served_old() -> None:
    book = RoomBook()
    asked: list[int] = []
    book.incomplete = lambda: asked.append(1)
    assert not book.update(update(5, ["a"], 4, b="5"))
    book.update(update(3, [], a="3", b="3"))
    assert not book.update(update(6, ["a"], 4, b="6")), "the page of version 4 was missed"
    assert not book.update(update(7, ["c"], 2, b="7")), "a page nobody ever sent"
    assert len(asked) == 3
    assert book.rooms["hall"].version == 3
    assert book.update(update(7, [], a="4", b="7"))


async def test_events_and_reactions_are_subscribed_to(house: House) -> None:
    await house.live(5)
    await published(house, 1)
    sync = RoomSync(house.bus, house.edge.book)
    task = asyncio.create_task(sync.run())
    await settle()
    client = house.client()
    client.get("/r/hall/live")
    records(client)
    house.bus.send(subjects.ROOMS_EVENT, event(2))
    house.bus.send(subjects.ROOMS_REACTIONS, RoomReactions(slug="hall", counts={"laugh": 1}))
    house.step(1)
    assert [each["kind"] for each in records(client)] == ["room", "reactions"]
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


# --- what lies below a room's address ------------------------------------------------------------


async def files(house: House, **pages: str) -> None:
    house.version += 1
    made = make_room("hall", "live", house.version)
    more = {name.replace("_", "."): page(text) for name, text in pages.items()}
    state = Page(
        content_type="application/json",
        body=b'{"links":{"whip":"https://studio.example:8443/whip/hall"}}',
    )
    house.edge.book.update(msgspec.structs.replace(made, pages={**made.pages, **more, "state.json": state}))
    await settle()


async def test_the_studios_files_by_name_and_type(house: House) -> None:
    texts = {"questions_json": "{}", "calendar_ics": "BEGIN", "cover_webp": "RIFF", "oembed_json": "{}"}
    await files(house, **texts, embed_de="<p>de", embed_en="<p>en", secret_txt="no")
    for path, content_type in (
        ("questions.json", "application/json"),
        ("calendar.ics", "text/calendar; charset=utf-8"),
        ("cover.webp?v=1", "image/webp"),
        ("oembed.json", "application/json"),
    ):
        answer = house.client().ask(f"/r/hall/{path}")
        assert (answer.status, answer.headers["content-type"]) == (200, content_type), path
        assert "sandbox" in answer.headers["content-security-policy"]
    embed = house.client().ask("/r/hall/embed", "Accept-Language: de")
    assert embed.body == b"<p>de"
    assert "frame-ancestors *" in embed.headers["content-security-policy"]
    assert "x-frame-options" not in embed.headers
    assert house.client().ask("/r/hall/secret.txt").status == 404
    assert house.client().ask("/r/hall/page.de").status == 404
    assert house.client().ask("/r/hall/cover.webp", method="DELETE").status == 405
    assert house.client().ask("/r", method="DELETE").status == 404
    await files(house)
    assert house.client().ask("/r/hall/cover.webp").status == 404
    assert house.client().ask("/r/hall/embed").status == 404


async def test_the_page_may_talk_to_the_studio_and_use_the_microphone(house: House) -> None:
    await files(house)
    answer = house.client().ask("/r/hall")
    doors = "https://studio.example:8443 wss://studio.example:8443"
    assert f"connect-src 'self' {doors};" in answer.headers["content-security-policy"]
    assert "microphone=(self)" in answer.headers["permissions-policy"]
    house.version += 1
    made = make_room("hall", "live", house.version)
    bad = Page(content_type="x", body=b'{"links":{"whip":"javascript:alert(1); *"}}')
    house.edge.book.update(msgspec.structs.replace(made, pages={**made.pages, "state.json": bad}))
    answer = house.client().ask("/r/hall")
    assert "connect-src 'self';" in answer.headers["content-security-policy"]
