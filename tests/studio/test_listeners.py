"""What edges bring of listeners: carried out once, limited, moderated, shown, forgotten."""

from __future__ import annotations

import asyncio
import dataclasses
import hashlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast

import pytest
from studio_support import House, running_studio

from hustings.bus import subjects
from hustings.bus.messages import (
    AnnounceEvent,
    Done,
    ListenerBatch,
    ListenerInput,
    Reactions,
    RoomPublic,
    RoomReactions,
)
from hustings.errors import Refused, Unavailable
from hustings.rooms.model import Ban, Details, Room
from hustings.rooms.table import RoomStatus
from hustings.studio.listeners import REMEMBERED, Listeners, Minute, accepts
from hustings.studio.questions import LOG_BYTES, PENDING_SHOWN, SHOWN, Questions

SLUG = "town-hall"
TICKET = "t_" + "x" * 30
HASH = hashlib.sha256(TICKET.encode()).hexdigest()


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with running_studio(tmp_path) as made:
        yield made


def listeners(house: House) -> Listeners:
    return cast(Listeners, house.app.state.listeners)


def questions(house: House) -> Questions:
    return listeners(house).questions


async def open_room(house: House, **details: Any) -> None:
    await house.room(SLUG)
    if details:
        answer = await house.operator.patch(f"/api/rooms/{SLUG}", json=details)
        assert answer.status_code == 200, answer.text
    await house.command("open")


def sent(kind: str, number: int = 0, **more: Any) -> ListenerInput:
    """What the listener `number` sent; all have addresses of their own."""
    fields: dict[str, Any] = {
        "slug": SLUG,
        "kind": kind,
        "address": f"10.0.{number // 256}.{number % 256}",
        "device": f"{number:022}",
        "wall_clock": 0.0,
    }
    return ListenerInput(**(fields | more))


def ask(number: int = 0, text: str = "", **more: Any) -> ListenerInput:
    return sent("question", number, text=text or f"Question {number}?", **more)


def hand(number: int = 0, ticket_hash: str = HASH, **more: Any) -> ListenerInput:
    return sent("hand", number, name=f"Ada {number}", ticket_hash=ticket_hash, **more)


_numbers = iter(range(10**9))


async def bring(house: House, *inputs: ListenerInput, batch_id: str = "") -> None:
    """A batch from an edge, answered."""
    batch = ListenerBatch(edge_id="e", batch_id=batch_id or f"b{next(_numbers)}", inputs=list(inputs))
    await house.bus.request(subjects.AUDIENCE_INPUT, batch, Done)


def shown(house: House) -> dict[str, Any]:
    """The state's `questions`, as soon as they are renewed."""
    house.clock.advance(20)
    questions(house).tick()
    return questions(house).summary(SLUG)


async def set_state(house: House, question_id: str, state: str) -> int:
    answer = await house.operator.post(f"/api/rooms/{SLUG}/questions/{question_id}", json={"state": state})
    return answer.status_code


# --- hands ---------------------------------------------------------------------------------------


async def test_a_hand_is_raised_once_and_lowered_by_its_owner(house: House) -> None:
    await open_room(house)
    await bring(house, hand(), hand())
    await bring(house, hand())
    room = house.studio.room(SLUG)
    assert [(each.id, each.name, each.state.value) for each in room.requests.values()] == [
        (HASH[:32], "Ada 0", "waiting")
    ]
    await bring(house, sent("lower", ticket_hash="0" * 64, device=""))
    assert house.studio.room(SLUG).requests[HASH[:32]].state.value == "waiting"
    await bring(house, sent("lower", ticket_hash=HASH, device=""))
    assert house.studio.room(SLUG).requests[HASH[:32]].state.value == "lowered"


async def test_nothing_in_clear_reaches_the_database(house: House, tmp_path: Path) -> None:
    await open_room(house)
    inputs = (hand(3), ask(3), ask(4))
    await bring(house, *inputs)
    (first, _) = shown(house)["list"]
    await bring(house, sent("vote", 3, question_id=first["id"]))
    raw = b"".join(path.read_bytes() for path in tmp_path.glob("hustings.db*"))
    assert b"Question 3?" in raw
    for each in inputs:
        assert each.address.encode() not in raw
        assert each.device.encode() not in raw


# --- questions and votes -------------------------------------------------------------------------


async def test_questions_are_asked_and_voted_on(house: House) -> None:
    await open_room(house)
    await bring(house, ask(1, name="Ada"), ask(2), ask(1, "QUESTION 1?"), ask(3, device=""))
    first, second = shown(house)["list"]
    assert first == {
        "id": first["id"],
        "text": "Question 1?",
        "name": "Ada",
        "votes": 0,
        "state": "open",
        "asked_at": first["asked_at"],
    }
    votes = [sent("vote", number, question_id=second["id"]) for number in range(30)]
    await bring(house, *votes, *votes, sent("vote", 1, question_id="ffffffff"))
    await bring(house, *votes[:5], sent("vote", 40, question_id=second["id"]))
    summary = shown(house)
    assert [(each["text"], each["votes"]) for each in summary["list"]] == [
        ("Question 2?", 31),
        ("Question 1?", 0),
    ]
    assert (summary["open"], summary["moderated"], summary["asked"]) == (True, False, 2)


async def test_one_address_votes_at_most_20_times_for_a_question(house: House) -> None:
    await open_room(house)
    await bring(house, ask())
    (question,) = shown(house)["list"]
    await bring(house, *(sent("vote", n, question_id=question["id"], address="10.9.9.9") for n in range(30)))
    assert shown(house)["list"][0]["votes"] == 20


async def test_moderated_questions_wait_for_a_host(house: House) -> None:
    await open_room(house, moderated=True)
    await bring(house, ask(1, name="Ada"), ask(2))
    assert shown(house)["list"] == []
    first, second = questions(house).pending(SLUG)
    assert (first["text"], first["name"]) == ("Question 1?", "Ada")
    await bring(house, sent("vote", 5, question_id=first["id"]))
    assert await set_state(house, first["id"], "open") == 200
    assert await set_state(house, second["id"], "hidden") == 200
    assert questions(house).pending(SLUG) == []
    assert [(each["id"], each["votes"]) for each in questions(house).summary(SLUG)["list"]] == [
        (first["id"], 0)
    ]


async def test_a_host_chooses_and_everybody_is_told(house: House) -> None:
    told: list[AnnounceEvent] = []

    async def announced(message: AnnounceEvent) -> Done:
        told.append(message)
        return Done()

    await house.bus.serve(subjects.STAGE_ANNOUNCE, AnnounceEvent, announced)
    await open_room(house)
    await bring(house, ask(1, name="Ada"))
    (question,) = shown(house)["list"]
    assert await set_state(house, question["id"], "chosen") == 200
    assert await set_state(house, question["id"], "open") == 200
    await asyncio.sleep(0)
    assert not told, "nothing is live yet"
    await house.command("start")
    assert await set_state(house, question["id"], "chosen") == 200
    assert await set_state(house, question["id"], "chosen") == 200, "said again, nothing happens"
    while not told:
        await asyncio.sleep(0)
    (message,) = told
    assert (message.kind, message.data) == (
        "question",
        {"id": question["id"], "text": "Question 1?", "name": "Ada"},
    )
    assert await set_state(house, question["id"], "answered") == 200
    log = (await house.anyone.get(f"/api/rooms/{SLUG}/questions")).json()
    (entry,) = log["questions"]
    assert entry["state"] == "answered"
    assert entry["chosen_at"]
    assert entry["answered_at"]


@pytest.mark.parametrize(
    ("question_id", "state", "status"),
    [("0" * 18, "open", 404), ("", "answered", 409), ("", "pending", 422), ("", "nonsense", 422)],
)
async def test_what_a_host_cannot_do(house: House, question_id: str, state: str, status: int) -> None:
    await open_room(house, moderated=True)
    await bring(house, ask())
    (question,) = questions(house).pending(SLUG)
    assert await set_state(house, question_id or question["id"], state) == status


async def test_only_conductors_decide(house: House) -> None:
    await open_room(house)
    await bring(house, ask())
    (question,) = shown(house)["list"]
    path = f"/api/rooms/{SLUG}/questions/{question['id']}"
    assert (await house.anyone.post(path, json={"state": "hidden"})).status_code == 401
    for role, status in (("speaker", 403), ("cohost", 200)):
        ticket = (await house.invite(role, role=role))["ticket"]
        headers = {"Authorization": f"Bearer {ticket}"}
        assert (
            await house.anyone.post(path, json={"state": "hidden"}, headers=headers)
        ).status_code == status


async def test_the_public_log_says_how_many_are_hidden_but_not_what(house: House) -> None:
    await open_room(house)
    await bring(house, *(ask(number) for number in range(3)))
    first, second, _ = shown(house)["list"]
    await set_state(house, first["id"], "hidden")
    await set_state(house, second["id"], "chosen")
    log = (await house.anyone.get(f"/api/rooms/{SLUG}/questions")).json()
    assert log == questions(house).public_log(SLUG)
    assert (log["asked"], log["hidden"], log["pending"], log["left_out"]) == (2, 1, 0, 0)
    assert [each["text"] for each in log["questions"]] == ["Question 1?", "Question 2?"]
    assert (await house.anyone.get("/api/rooms/attic/questions")).status_code == 404
    pages = questions(house).pages(house.studio.room(SLUG), None)
    assert json.loads(pages["questions.json"].body) == log


async def test_a_room_without_questions_has_an_empty_log(house: House) -> None:
    await house.room(SLUG)
    log = (await house.anyone.get(f"/api/rooms/{SLUG}/questions")).json()
    assert (log["broadcast"], log["asked"], log["questions"]) == (None, 0, [])
    assert questions(house).pages(house.studio.room(SLUG), None) == {}
    assert questions(house).summary(SLUG) == {"open": False, "moderated": False, "asked": 0, "list": []}


async def test_what_is_shown_is_bounded(house: House) -> None:
    await open_room(house)
    longest = "😀" * 270
    for start in range(0, 500, 100):
        await bring(house, *(ask(n, f"{longest} {n}") for n in range(start, start + 100)))
    await bring(house, ask(900))
    assert len(shown(house)["list"]) == SHOWN
    log = questions(house).public_log(SLUG)
    assert log["asked"] == 500
    assert log["left_out"] == 500 - len(log["questions"]) > 0
    assert len(json.dumps(log, ensure_ascii=False).encode()) < LOG_BYTES
    await house.operator.patch(f"/api/rooms/{SLUG}", json={"moderated": True})
    for question in shown(house)["list"]:
        await set_state(house, question["id"], "hidden")
    for start in range(0, 500, 50):
        await bring(house, *(ask(n, f"more {n}") for n in range(start, start + 50)))
    assert len(questions(house).pending(SLUG)) == SHOWN <= PENDING_SHOWN


async def test_votes_do_not_make_a_new_state_each_time(house: House) -> None:
    await open_room(house)
    await bring(house, *(ask(number) for number in range(50)))
    many = shown(house)["list"]
    changed: list[str] = []
    house.studio.board.on_change(changed.append)
    before = questions(house).summary(SLUG)
    for number in range(4):
        await bring(house, sent("vote", number, question_id=many[-1]["id"]))
        questions(house).tick()
        house.clock.advance(0.5)
    assert questions(house).summary(SLUG) == before
    assert not changed
    # 50 questions weigh 7 kB: no oftener than each 3.5 s or so.
    house.clock.advance(4)
    questions(house).tick()
    assert questions(house).summary(SLUG)["list"][0]["votes"] == 4
    assert changed == [SLUG]
    # What a host does shows at once.
    await set_state(house, many[0]["id"], "chosen")
    assert questions(house).summary(SLUG)["list"][0]["id"] == many[0]["id"]


async def test_the_next_broadcast_begins_without_questions(house: House) -> None:
    await open_room(house)
    await bring(house, ask())
    (question,) = shown(house)["list"]
    await house.command("start")
    await house.command("stop")
    assert questions(house).summary(SLUG)["list"], "the last broadcast's stay to be read"
    assert not questions(house).summary(SLUG)["open"]
    await bring(house, ask(2), sent("vote", 2, question_id=question["id"]))
    assert len(shown(house)["list"]) == 1
    assert await set_state(house, question["id"], "hidden") == 200, "what is published can be taken away"
    await house.command("open")
    assert questions(house).summary(SLUG)["list"] == []
    assert await set_state(house, question["id"], "open") == 404
    await bring(house, ask())
    assert len(shown(house)["list"]) == 1


async def test_after_a_restart_everything_is_there(tmp_path: Path) -> None:
    async with running_studio(tmp_path) as first:
        await open_room(first)
        await bring(first, ask(1), ask(2))
        _, second = shown(first)["list"]
        await bring(first, sent("vote", 7, question_id=second["id"]))
        wanted = shown(first)
    async with running_studio(tmp_path, bus=first.bus, stage=first.stage, clock=first.clock) as again:
        assert questions(again).summary(SLUG) == wanted
        await bring(again, ask(1), sent("vote", 7, question_id=second["id"]))
        assert shown(again) == wanted, "repeated after the restart, counted once"


async def test_who_asked_is_forgotten_when_the_broadcast_is_over(house: House) -> None:
    await open_room(house)
    await bring(house, ask())
    (question,) = shown(house)["list"]
    await bring(house, sent("vote", 7, question_id=question["id"]))
    await house.command("stop")
    await questions(house).forget()
    room = house.studio.room(SLUG)
    assert room.broadcast is not None
    store = questions(house)._store
    (kept,) = (await store.load([room.broadcast.id]))[room.broadcast.id]
    assert (kept.device, kept.address, kept.votes) == ("", "", 1)


# --- who may -------------------------------------------------------------------------------------


async def test_the_banned_are_dropped(house: House) -> None:
    await open_room(house)
    marks = house.studio.marks.of(SLUG, "10.0.0.1", "")
    board = house.studio.board
    await bring(house, ask(5))
    (question,) = shown(house)["list"]
    room = board.room(SLUG)
    assert room is not None
    banned = Ban("p1", "Troll", marks, 0.0)
    board.put(_with(room, bans=(banned,)))
    await bring(house, hand(1), ask(1), sent("vote", 1, question_id=question["id"]), ask(2))
    assert [each["text"] for each in shown(house)["list"]] == ["Question 5?", "Question 2?"]
    assert shown(house)["list"][0]["votes"] == 0
    assert not house.studio.room(SLUG).requests
    board.put(_with(room, bans=()))
    await bring(house, ask(1))
    assert len(shown(house)["list"]) == 3


def _with(room: Room, **changes: Any) -> Room:
    return dataclasses.replace(room, **changes)


@pytest.mark.parametrize(
    ("status", "details", "wanted"),
    [
        (RoomStatus.SCHEDULED, {}, []),
        (RoomStatus.ENDED, {}, []),
        (RoomStatus.CANCELLED, {}, []),
        (RoomStatus.OPEN, {}, ["hand", "question", "reaction", "vote"]),
        (RoomStatus.LIVE, {"hands": False}, ["question", "reaction", "vote"]),
        (RoomStatus.PAUSED, {"questions": False}, ["hand", "reaction"]),
    ],
)
def test_what_a_room_accepts(status: RoomStatus, details: dict[str, Any], wanted: list[str]) -> None:
    assert sorted(accepts(Room("a", status, 0.0, Details(title="A", **details)))) == wanted


async def test_edges_are_told_what_a_room_accepts(house: House) -> None:
    await open_room(house, hands=False)
    house.clock.advance(5)
    await house.app.state.publisher.publish_due()
    rooms = [each for each in house.published(RoomPublic) if cast(RoomPublic, each).slug == SLUG]
    assert sorted(cast(RoomPublic, rooms[-1]).accepts or []) == ["question", "reaction", "vote"]


async def test_closed_hands_and_questions_are_dropped(house: House) -> None:
    await open_room(house, hands=False, questions=False)
    await bring(house, hand(), ask(), sent("vote", question_id="0" * 18), hand(slug="attic"))
    assert not house.studio.room(SLUG).requests
    assert shown(house)["list"] == []


# --- batches -------------------------------------------------------------------------------------


async def test_a_batch_is_carried_out_once(house: House) -> None:
    await open_room(house)
    calls = _count(house)
    await bring(house, ask(1), batch_id="same")
    await bring(house, ask(1), batch_id="same")
    assert calls == [1]
    both = bring(house, ask(2), batch_id="other"), bring(house, ask(2), batch_id="other")
    await asyncio.gather(*both)
    assert calls == [1, 1], "also while it is in hand"


def _count(house: House) -> list[int]:
    calls: list[int] = []
    take = questions(house).take

    async def counted(asks: Any, votes: Any) -> Any:
        asks = list(asks)
        calls.append(len(asks))
        return await take(asks, votes)

    questions(house).take = counted  # type: ignore[method-assign]
    return calls


async def test_a_batch_that_could_not_be_stored_is_sent_again(house: House) -> None:
    await open_room(house)
    store = questions(house)._store
    take, broken = store.take, [True]

    async def failing(*args: Any) -> Any:
        if broken.pop() if broken else False:
            raise Unavailable("The database cannot be used")
        return await take(*args)

    store.take = failing  # type: ignore[method-assign,assignment]
    with pytest.raises(Refused) as caught:
        await bring(house, ask(), batch_id="same")
    assert caught.value.status == 503
    assert shown(house)["list"] == []
    await bring(house, ask(), batch_id="same")
    assert len(shown(house)["list"]) == 1


async def test_known_batches_are_bounded(house: House) -> None:
    await open_room(house)
    for _ in range(REMEMBERED + 5):
        await bring(house)
    assert len(listeners(house)._batches) == REMEMBERED


# --- reactions -----------------------------------------------------------------------------------


async def test_reactions_are_summed_over_edges_and_told_to_all(house: House) -> None:
    await open_room(house)
    seen: list[tuple[str, dict[str, int]]] = []
    listeners(house).on_reactions(lambda slug, counts: seen.append((slug, dict(counts))))
    for edge, count in (("a", 3), ("b", 4)):
        counts = {SLUG: {"heart": count, "boo": 9, "laugh": -2}, "attic": {"heart": 1}}
        sent = Reactions(edge_id=edge, number=1, counts=counts)
        for _ in range(2):  # an answer that was lost: sent again, counted once
            await house.bus.request(subjects.AUDIENCE_REACTIONS, sent, Done)
    await listeners(house).sum_up()
    await listeners(house).sum_up()
    assert seen == [(SLUG, {"heart": 7})]
    assert house.published(RoomReactions) == [RoomReactions(slug=SLUG, counts={"heart": 7})]
    assert house.studio.board.reactions(SLUG) == {"heart": 7}
    assert house.studio.board.reactions("attic") == {}
    house.clock.advance(61)
    assert house.studio.board.reactions(SLUG) == {}
    await listeners(house).sum_up()
    assert not listeners(house)._minutes


async def test_no_reactions_while_nothing_is_on(house: House) -> None:
    await house.room(SLUG)
    sent = Reactions(edge_id="a", number=1, counts={SLUG: {"heart": 1}})
    await house.bus.request(subjects.AUDIENCE_REACTIONS, sent, Done)
    await listeners(house).sum_up()
    assert house.published(RoomReactions) == []


def test_a_minute() -> None:
    minute = Minute()
    minute.add({"heart": 2}, 0.0)
    minute.add({"heart": 1, "laugh": 5}, 30.0)
    assert minute.total(59.9) == {"heart": 3, "laugh": 5}
    assert minute.total(60.0) == {"heart": 1, "laugh": 5}
    assert minute.total(90.0) == {}
