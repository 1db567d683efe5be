"""The questions of all rooms: kept in memory as stored, shown to the board.

What everybody is shown of them is made anew at once when a host decided something, and otherwise (votes, new
questions) only so often that following it costs a listener less than SHOWN_BYTES a second.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import structlog

from hustings.bus.messages import Page
from hustings.clock import Clock
from hustings.errors import Unavailable
from hustings.rooms import events as e
from hustings.rooms.decide import CONNECTABLE
from hustings.rooms.model import Room
from hustings.rooms.questions import Ask, Question, QuestionState, Sheet, Vote, Why
from hustings.rooms.table import RoomStatus
from hustings.store.questions import QuestionStore
from hustings.store.store import UnknownRoom
from hustings.studio.board import Board
from hustings.studio.text import utc

log = structlog.get_logger()

SHOWN = 50
"""Questions in state.json."""
PENDING_SHOWN = 100
SHOWN_BYTES = 2000
"""Bytes a second that votes and new questions may cost each listener."""
SOONEST, LATEST = 1.0, 15.0
"""Seconds between two renewals of what is shown for their sake."""
LOG_BYTES = 200_000
"""The public log travels with the room's pages; a message on the bus has 1 MB."""

type Announce = Callable[[str, str, dict[str, str]], None]


@dataclass(slots=True)
class _Shown:
    """What everybody is shown of one broadcast's questions."""

    broadcast_id: str
    asked: int = 0
    list: Sequence[Mapping[str, Any]] = ()
    log: Mapping[str, Any] = field(default_factory=dict)
    next_at: float = float("-inf")
    stale: bool = False


class Questions:
    """`announce(broadcast_id, kind, data)` is called when a question is chosen while its room is live.

    Raises UnknownRoom, UnknownMember, IllegalQuestion, Unavailable.
    """

    def __init__(self, store: QuestionStore, board: Board, clock: Clock, announce: Announce) -> None:
        self._store = store
        self._board = board
        self._clock = clock
        self._announce = announce
        self._sheets: dict[str, Sheet] = {}
        self._shown: dict[str, _Shown] = {}
        self._over: set[str] = set()
        # One at a time: what is decided from memory is stored before the next is decided.
        self._lock = asyncio.Lock()

    async def load(self) -> None:
        """Takes up what the database holds of each room's last broadcast."""
        rooms = [room for room in self._board.rooms() if room.broadcast is not None]
        of_room = {room.broadcast.id: room for room in rooms if room.broadcast is not None}
        self._over = {i for i, room in of_room.items() if room.status is RoomStatus.ENDED}
        for broadcast_id, questions in (await self._store.load(list(of_room))).items():
            slug = of_room[broadcast_id].slug
            self._sheets[slug] = Sheet(broadcast_id, questions)
            self._renew(slug)

    # --- what listeners and hosts do ---------------------------------------------------------

    async def take(
        self, asks: Iterable[tuple[str, Ask]], votes: Iterable[tuple[str, Vote]]
    ) -> tuple[Counter[Why], Counter[Why]]:
        """Stores what of a batch counts, each with its room's slug; how many questions and how many votes do
        not, by why."""
        async with self._lock:
            no_question: Counter[Why] = Counter()
            no_vote: Counter[Why] = Counter()
            # The sheets as they are now: while the database works, a room may begin its next broadcast.
            new = self._asked(asks, no_question)
            wanted = self._votable(votes, no_vote)
            if not new and not wanted:
                return no_question, no_vote
            asked = [(sheet.broadcast_id, question) for _, sheet, question in new]
            taken = await self._store.take(asked, [vote for _, _, vote in wanted])
            for slug, sheet, question in new:
                sheet.put(question)
                self._changed(slug)
            of_vote = {vote.question_id: (slug, sheet) for slug, sheet, vote in wanted}
            for question_id, count in taken.votes.items():
                slug, sheet = of_vote[question_id]
                sheet.voted({question_id: count})
                self._changed(slug)
        for slug in {slug for slug, _, question in new if question.state is QuestionState.PENDING}:
            self._board.changed(slug)  # hosts see at once what waits for them
        return no_question, no_vote + taken.left_out

    def _asked(
        self, asks: Iterable[tuple[str, Ask]], left_out: Counter[Why]
    ) -> list[tuple[str, Sheet, Question]]:
        by_slug: dict[str, list[Ask]] = {}
        for slug, ask in asks:
            by_slug.setdefault(slug, []).append(ask)
        new = []
        for slug, some in by_slug.items():
            sheet = self._sheet(slug)
            questions, why = sheet.ask(some, moderated=self._room(slug).details.moderated)
            new += [(slug, sheet, question) for question in questions]
            left_out.update(why)
        return new

    def _votable(
        self, votes: Iterable[tuple[str, Vote]], left_out: Counter[Why]
    ) -> list[tuple[str, Sheet, Vote]]:
        wanted = []
        for slug, vote in votes:
            sheet = self._sheet(slug)
            if sheet.may_vote(vote.question_id):
                wanted.append((slug, sheet, vote))
            else:
                left_out[Why.NOT_OPEN] += 1
        return wanted

    async def decide(self, slug: str, question_id: str, wanted: QuestionState) -> Question:
        """A host lets through, chooses, marks as answered, hides, or takes one of these back."""
        async with self._lock:
            room, sheet = self._room(slug), self._sheet(slug)
            before = sheet.get(question_id)
            changed = sheet.change(question_id, wanted, self._clock.wall())
            if changed is before:
                return changed
            await self._store.change(changed)
            sheet.put(changed)
            self._renew(slug)
            self._board.changed(slug)
        if wanted is QuestionState.CHOSEN and room.status is RoomStatus.LIVE:
            data = {"id": changed.id, "text": changed.text, "name": changed.name}
            self._announce(sheet.broadcast_id, "question", data)
        return changed

    # --- time --------------------------------------------------------------------------------

    def happened(self, room: Room, events: Sequence[e.Event]) -> None:
        """For `Studio.on_events`."""
        for event in events:
            if isinstance(event, e.BroadcastEnded):
                self._over.add(event.broadcast_id)
                if (shown := self._shown.get(room.slug)) is not None and shown.stale:
                    self._renew(room.slug)

    def tick(self) -> None:
        """Renews what is shown where it is time to; twice a second or oftener."""
        now = self._clock.monotonic()
        for slug, shown in self._shown.items():
            if shown.stale and now >= shown.next_at and self._board.room(slug) is not None:
                self._renew(slug)
                self._board.changed(slug)

    async def forget(self) -> None:
        """Forgets who asked and voted in broadcasts that are over."""
        over, self._over = self._over, set()
        if not over:
            return
        try:
            async with self._lock:
                await self._store.forget(sorted(over))
        except Unavailable:
            self._over |= over
            raise

    # --- what is shown -----------------------------------------------------------------------

    def summary(self, slug: str) -> dict[str, Any]:
        """The member `questions` of the state."""
        room = self._room(slug)
        shown = self._of_now(room)
        return {
            "open": room.details.questions and room.status in CONNECTABLE,
            "moderated": room.details.moderated,
            "asked": shown.asked if shown is not None else 0,
            "list": list(shown.list) if shown is not None else [],
        }

    def pending(self, slug: str) -> list[dict[str, Any]]:
        """What waits for a host to let it through, oldest first."""
        return [
            {"id": q.id, "text": q.text, "name": q.name, "asked_at": utc(q.asked_at)}
            for q in self._sheet(slug).pending()[:PENDING_SHOWN]
        ]

    def public_log(self, slug: str) -> dict[str, Any]:
        """What was asked, chosen and answered in the current or last broadcast, and when."""
        room = self._room(slug)
        shown = self._of_now(room)
        if shown is not None and shown.log:
            return dict(shown.log)
        return _log(slug, Sheet(room.broadcast.id if room.broadcast else ""))

    def pages(self, room: Room, _view: object) -> dict[str, Page]:
        """For the publisher: the public log, once there is anything in it."""
        log = self.public_log(room.slug)
        if not log["asked"] and not log["hidden"]:
            return {}
        body = json.dumps(log, ensure_ascii=False, separators=(",", ":")).encode()
        return {"questions.json": Page(content_type="application/json", body=body)}

    # --- inside ------------------------------------------------------------------------------

    def _room(self, slug: str) -> Room:
        room = self._board.room(slug)
        if room is None:
            raise UnknownRoom(slug)
        return room

    def _sheet(self, slug: str) -> Sheet:
        """Of the current broadcast: the next one begins without questions."""
        room = self._room(slug)
        broadcast_id = room.broadcast.id if room.broadcast else ""
        sheet = self._sheets.get(slug)
        if sheet is None or sheet.broadcast_id != broadcast_id:
            sheet = Sheet(broadcast_id)
            if broadcast_id:
                self._sheets[slug] = sheet
        return sheet

    def _of_now(self, room: Room) -> _Shown | None:
        shown = self._shown.get(room.slug)
        current = room.broadcast.id if room.broadcast else ""
        return shown if shown is not None and shown.broadcast_id == current else None

    def _changed(self, slug: str) -> None:
        """Votes or a new question: shown with the next tick that is due."""
        if self._of_now(self._room(slug)) is None:
            self._shown[slug] = _Shown(self._sheet(slug).broadcast_id)
        self._shown[slug].stale = True

    def _renew(self, slug: str) -> None:
        sheet = self._sheet(slug)
        ranked = sheet.ranked()
        rows = [_row(question) for question in ranked[:SHOWN]]
        size = len(json.dumps(rows, ensure_ascii=False).encode())
        wait = min(max(size / SHOWN_BYTES, SOONEST), LATEST)
        log = _log(slug, sheet)
        self._shown[slug] = _Shown(sheet.broadcast_id, len(ranked), rows, log, self._clock.monotonic() + wait)


def _row(question: Question) -> dict[str, Any]:
    return {
        "id": question.id,
        "text": question.text,
        "name": question.name,
        "votes": question.votes,
        "state": question.state.value,
        "asked_at": utc(question.asked_at),
    }


def _log(slug: str, sheet: Sheet) -> dict[str, Any]:
    """In the order of asking. Bounded: of too many long ones those with the fewest votes are left out."""
    ranked = sheet.ranked()
    hidden = sum(question.state is QuestionState.HIDDEN for question in sheet)
    size, kept = 0, []
    for question in ranked:
        size += len(question.text.encode()) + len(question.name.encode()) + 300
        if size > LOG_BYTES:
            break
        kept.append(question)
    rows = [
        {
            **_row(question),
            "chosen_at": utc(question.chosen_at) or None,
            "answered_at": utc(question.answered_at) or None,
        }
        for question in sorted(kept, key=lambda q: (q.asked_at, q.id))
    ]
    return {
        "slug": slug,
        "broadcast": sheet.broadcast_id or None,
        "asked": len(ranked),
        "pending": len(sheet) - len(ranked) - hidden,
        "hidden": hidden,
        "left_out": len(ranked) - len(kept),
        "questions": rows,
    }
