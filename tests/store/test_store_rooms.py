"""Everything a room holds goes in and comes out: hostile text, past broadcasts, talk times, bounds."""

from __future__ import annotations

import time
from pathlib import Path
from types import MappingProxyType

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from store_support import AT, open_store, sqlite

from hustings.rooms import commands as c
from hustings.rooms.decide import decide
from hustings.rooms.errors import PersonBanned
from hustings.rooms.events import apply
from hustings.rooms.model import (
    MAX_BANS,
    MAX_INVITATIONS,
    MAX_REQUESTS,
    Ban,
    Broadcast,
    Details,
    Invitation,
    Link,
    Participant,
    Role,
    Room,
    Stretch,
    Topic,
)
from hustings.rooms.table import InvitationState, RoomStatus, SeatState
from hustings.store.saving import save

HOSTILE = [
    "<script>alert(1)</script>",
    "'; DROP TABLE rooms; --",
    '"\\" {{7*7}} ${x} %s %(id)s :name ?',
    "שלום \u202eevil\u2066",
    "e\u0301\u0323" * 30,
    "👩‍👩‍👧‍👦🏳️‍🌈\U0010ffff\ufffd\ufeff",
    "line\nline\r\n\ttab\x01\x7f",
    "NUL\0in it",
    '[]{}null,"topics":[]',
    "ß" * 200,
]


@pytest.mark.parametrize("text", HOSTILE)
async def test_hostile_text_comes_back_as_it_went_in(tmp_path: Path, text: str) -> None:
    details = Details(
        title=text,
        description=text * 9,
        language="ar",
        topics=(Topic("t1", text, 5), Topic("t2", text)),
        links=(Link(text, f"https://example.org/{text}"),),
        cover="sha-" + "0" * 64,
        scheduled_at=AT + 0.1,
        time_zone="America/Argentina/Buenos_Aires",
        weekly=True,
        green_room=True,
        hands=False,
        questions=False,
        moderated=True,
        equal_time=True,
        turn_seconds=90,
        queue_by_talk=True,
        recording=False,
        figures="hosts",
    )
    async with open_store(tmp_path) as store:
        made = await store.create_room("a", details, "owner", AT)
        assert (await store.room("a")) == made
        for command in (
            c.Edit(Details(text), AT),
            c.Edit(details, AT),
            c.Invite("i1", "p1", text, Role.SPEAKER, True, AT, account_id="owner"),
            c.SayWord("i1", text, AT + 3.3, AT),
            c.OpenDoors("b1", AT),
            c.GoLive(AT),
            c.BeginTopic("t1", AT),
            c.Connect("i1", AT),
            c.Remove("p1", AT, True, frozenset({text, "mark"})),
            c.Stop(AT, reason=text[:60]),
        ):
            room, _ = await store.execute("a", command)
            assert await store.room("a") == room
        assert room.details == details
        assert room.bans[0].marks == {text, "mark"}
        assert room.broadcast is not None
        assert room.broadcast.chapters == ((AT, text),)


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)


@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.tuples(texts, texts), min_size=1, max_size=8))
async def test_any_text_comes_back(tmp_path: Path, pairs: list[tuple[str, str]]) -> None:
    topics = tuple(Topic(str(n), title) for n, (title, _) in enumerate(pairs))
    links = tuple(Link(label, url) for label, url in pairs)
    details = Details(pairs[0][0], description=pairs[0][1], topics=topics, links=links)
    async with open_store(tmp_path) as store:
        slug = f"r{time.monotonic_ns()}"
        await store.create_room(slug, details, "", AT)
        assert (await store.room(slug)).details == details


async def test_past_broadcasts_are_read_with_their_chapters(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hustings.store.store.MAX_BROADCASTS", 3)
    async with open_store(tmp_path) as store:
        topics = (Topic("t1", "Water"), Topic("t2", "Roads"))
        await store.create_room("a", Details("A", topics=topics), "", AT)
        assert await store.broadcasts("a") == []
        assert await store.broadcasts("nothing") == []
        made = []
        for number in range(5):
            for command in (
                c.OpenDoors(f"b{number}", AT + number),
                c.GoLive(AT + number),
                c.BeginTopic("t1", AT + number),
                c.BeginTopic("t2", AT + number + 0.5),
                c.Stop(AT + number + 0.7),
            ):
                room, _ = await store.execute("a", command)
            assert room.broadcast is not None
            made.append(room.broadcast)
        assert made[-1].chapters == ((AT + number, "Water"), (AT + number + 0.5, "Roads"))
        assert await store.broadcasts("a") == made[:-4:-1]


async def test_agreements_and_stretches_survive_a_restart(tmp_path: Path) -> None:
    async with open_store(tmp_path) as store:
        await store.create_room("a", Details("A"), "", AT)
        for command in (
            c.Invite("i1", "p1", "N", Role.SPEAKER, True, AT),
            c.OpenDoors("b1", AT),
            c.AgreeToRecording("i1", True, AT + 1.5),
            c.AgreeToRecording("i1", False, AT + 2),
            c.AgreeToRecording("i1", True, AT + 3),
            c.GoLive(AT + 4),
            c.OffRecord(True, AT + 5.25),
            c.OffRecord(False, AT + 6),
            c.OffRecord(True, AT + 7),
        ):
            room, _ = await store.execute("a", command)
    async with open_store(tmp_path) as store:
        assert await store.room("a") == room
        assert room.consents["p1"].stretches == (Stretch(AT + 1.5, AT + 2), Stretch(AT + 3))
        await store.execute("a", c.Stop(AT + 8))
        await store.execute("a", c.OpenDoors("b2", AT + 9))
        await store.execute("a", c.OffRecord(True, AT + 10))
        past = [broadcast.off_record for broadcast in await store.broadcasts("a")]
        assert past == [
            (Stretch(AT + 10),),
            (Stretch(AT + 5.25, AT + 6), Stretch(AT + 7, AT + 8)),
        ]
        assert (await store.room("a")).agreed("p1")


async def test_a_forgotten_listener_s_agreement_stays_as_evidence_only(tmp_path: Path) -> None:
    async with open_store(tmp_path) as store:
        await store.create_room("a", Details("A"), "", AT)
        for n in (1, 2):
            for command in (
                c.OpenDoors(f"b{n}", AT),
                c.AskToSpeak(f"q{n}", "d1", "L", AT),
                c.BringUp(f"q{n}", f"i{n}", AT),
                c.AgreeToRecording(f"i{n}", True, AT + n),
                c.Stop(AT + n + 0.5),
            ):
                ticket = f"t{n}" if isinstance(command, c.AskToSpeak) else ""
                room, _ = await store.execute("a", command, ticket_hash=ticket)
                assert await store.room("a") == room
            assert room.consents["d1"].stretches == (Stretch(AT + n),), "the same person, asked anew"
        engine = sqlite(tmp_path)
        async with engine.connect() as raw:
            kept = (await raw.execute(text("SELECT number, began_at, gone FROM consents"))).all()
        await engine.dispose()
        assert [tuple(row) for row in kept] == [(0, AT + 1, 1), (1, AT + 2, 0)]


async def test_talk_times_are_kept_for_each_broadcast(tmp_path: Path) -> None:
    async with open_store(tmp_path) as store:
        await store.create_room("a", Details("A"), "", AT)
        for broadcast in ("b1", "b2"):
            await store.execute("a", c.OpenDoors(broadcast, AT))
            await store.execute("a", c.Stop(AT))
        assert await store.talked("b1") == {}
        await store.save_talked("b1", {})
        await store.save_talked("b1", {"p1": 1.5, "p2": 2.0})
        await store.save_talked("b1", {"p1": 3.25})
        await store.save_talked("b2", {"p1": 9.0})
        assert await store.talked("b1") == {"p1": 3.25, "p2": 2.0}
        assert await store.talked("b2") == {"p1": 9.0}


async def test_bans_survive_a_restart(tmp_path: Path) -> None:
    async with open_store(tmp_path) as store:
        await store.create_room("a", Details("A"), "", AT)
        for number in (1, 2):
            invite = c.Invite(f"i{number}", f"p{number}", "N", Role.SPEAKER, True, AT)
            await store.execute("a", invite, ticket_hash=f"t{number}")
        await store.execute("a", c.OpenDoors("b", AT))
        await store.execute("a", c.Connect("i1", AT))
        await store.execute("a", c.Remove("p1", AT, True, frozenset({"device"})))
    async with open_store(tmp_path) as store:
        with pytest.raises(PersonBanned):
            await store.execute("a", c.Connect("i2", AT, frozenset({"device"})))
        await store.execute("a", c.LiftBan("p1", AT))
        await store.execute("a", c.Connect("i2", AT, frozenset({"device"})))


async def test_a_full_room_is_still_quick(tmp_path: Path) -> None:
    """One command loads the whole room; what bounds a room is to keep that short."""
    accepted = {
        f"i{n}": Invitation(f"i{n}", f"p{n}", "N", Role.SPEAKER, True, InvitationState.ACCEPTED, AT + n, AT)
        for n in range(MAX_INVITATIONS)
    }
    seats = {
        f"p{n}": Participant(f"p{n}", f"i{n}", "N", Role.SPEAKER, SeatState.WAITING, AT + n)
        for n in range(MAX_INVITATIONS)
    }
    room = Room(
        slug="a",
        status=RoomStatus.OPEN,
        created_at=AT,
        details=Details("A"),
        broadcast=Broadcast("b", AT),
        invitations=MappingProxyType(accepted),
        participants=MappingProxyType(seats),
        bans=tuple(Ban(f"x{n}", "N", frozenset({f"a{n}", f"d{n}"}), AT) for n in range(MAX_BANS)),
    )
    async with open_store(tmp_path) as store:
        empty = await store.create_room("a", Details("A"), "", AT)
        engine = sqlite(tmp_path)
        async with engine.begin() as connection:
            await save(connection, 1, empty, room, ticket_hash="", link_hash="")
            for number in range(MAX_REQUESTS // 4):
                ask = c.AskToSpeak(f"q{number}", f"d{number}", "N", AT)
                after = apply(room, decide(room, ask))
                await save(connection, 1, room, after, ticket_hash=f"t{number}", link_hash="")
                room = after
        await engine.dispose()
        assert await store.room("a") == room
        last = f"p{MAX_INVITATIONS - 1}"
        began = time.process_time()
        for n in range(20):
            await store.execute("a", c.MuteSelf(last, n % 2 == 0, AT))
        assert (time.process_time() - began) / 20 < 0.1
