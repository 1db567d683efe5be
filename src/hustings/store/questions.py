"""Questions and votes in and out of the database. A batch of listeners' inputs is one transaction."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import RowMapping, bindparam, delete, func, insert, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from hustings.rooms.questions import Question, QuestionState, Vote, Why, count_votes
from hustings.store.connection import reading, writing
from hustings.store.tables_questions import question_votes, questions

_AT_ONCE = 500
"""Keys in one query; databases bound the number of parameters."""


@dataclass(frozen=True, slots=True)
class Taken:
    """What a batch came to."""

    votes: Counter[str]
    """How many count, by question."""
    left_out: Counter[Why]


class QuestionStore:
    """Raises Unavailable when the database does not answer."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def load(self, broadcast_ids: Sequence[str]) -> dict[str, list[Question]]:
        """The questions of these broadcasts, as asked one after the other."""
        found: dict[str, list[Question]] = {}
        async with reading(self._engine) as connection:
            for start in range(0, len(broadcast_ids), _AT_ONCE):
                query = (
                    select(questions)
                    .where(questions.c.broadcast_id.in_(broadcast_ids[start : start + _AT_ONCE]))
                    .order_by(questions.c.asked_at, questions.c.id)
                )
                for row in (await connection.execute(query)).mappings():
                    found.setdefault(row["broadcast_id"], []).append(_question_of(row))
        return found

    async def take(self, asked: Sequence[tuple[str, Question]], votes: Sequence[Vote]) -> Taken:
        """Writes new questions, each with its broadcast, and those of `votes` that count."""
        async with writing(self._engine) as connection:
            if asked:
                values = [_values(broadcast_id, question) for broadcast_id, question in asked]
                await connection.execute(insert(questions), values)
            counted, left_out = count_votes(votes, *await _before(connection, votes))
            counts = Counter(vote.question_id for vote in counted)
            if counted:
                await connection.execute(insert(question_votes), [_vote_values(vote) for vote in counted])
                more = update(questions).where(questions.c.id == bindparam("question"))
                await connection.execute(
                    more.values(votes=questions.c.votes + bindparam("more")),
                    [{"question": question_id, "more": count} for question_id, count in counts.items()],
                )
        return Taken(counts, left_out)

    async def change(self, question: Question) -> None:
        """Writes the state a host gave it."""
        async with writing(self._engine) as connection:
            await connection.execute(
                update(questions)
                .where(questions.c.id == question.id)
                .values(
                    state=question.state.value,
                    changed_at=question.changed_at,
                    chosen_at=question.chosen_at,
                    answered_at=question.answered_at,
                )
            )

    async def forget(self, broadcast_ids: Sequence[str]) -> None:
        """Forgets who asked and voted in broadcasts that are over; questions and counts stay."""
        async with writing(self._engine) as connection:
            for start in range(0, len(broadcast_ids), _AT_ONCE):
                mine = questions.c.broadcast_id.in_(broadcast_ids[start : start + _AT_ONCE])
                ids = select(questions.c.id).where(mine)
                await connection.execute(delete(question_votes).where(question_votes.c.question_id.in_(ids)))
                await connection.execute(
                    update(questions)
                    .where(mine, questions.c.device_mark != "")
                    .values(device_mark="", address_mark="")
                )


async def _before(
    connection: AsyncConnection, votes: Sequence[Vote]
) -> tuple[set[tuple[str, str]], dict[tuple[str, str], int]]:
    """What `count_votes` has to know of votes there are already."""
    table = question_votes.c
    known: set[tuple[str, str]] = set()
    by_address: dict[tuple[str, str], int] = {}
    for start in range(0, len(votes), _AT_ONCE):
        some = votes[start : start + _AT_ONCE]
        devices = sorted({(vote.question_id, vote.device) for vote in some})
        same = tuple_(table.question_id, table.device_mark).in_(devices)
        query = select(table.question_id, table.device_mark).where(same)
        known.update((row[0], row[1]) for row in await connection.execute(query))
        places = sorted({(vote.question_id, vote.address) for vote in some})
        there = tuple_(table.question_id, table.address_mark).in_(places)
        grouped = (
            select(table.question_id, table.address_mark, func.count())
            .where(there)
            .group_by(table.question_id, table.address_mark)
        )
        by_address.update({(row[0], row[1]): row[2] for row in await connection.execute(grouped)})
    return known, by_address


def _values(broadcast_id: str, question: Question) -> dict[str, Any]:
    return {
        "id": question.id,
        "broadcast_id": broadcast_id,
        "text": question.text,
        "name": question.name,
        "state": question.state.value,
        "asked_at": question.asked_at,
        "changed_at": question.changed_at,
        "chosen_at": question.chosen_at,
        "answered_at": question.answered_at,
        "votes": question.votes,
        "device_mark": question.device,
        "address_mark": question.address,
    }


def _vote_values(vote: Vote) -> dict[str, str]:
    return {"question_id": vote.question_id, "device_mark": vote.device, "address_mark": vote.address}


def _question_of(row: RowMapping) -> Question:
    return Question(
        id=row["id"],
        text=row["text"],
        name=row["name"],
        state=QuestionState(row["state"]),
        asked_at=row["asked_at"],
        changed_at=row["changed_at"],
        votes=row["votes"],
        chosen_at=row["chosen_at"],
        answered_at=row["answered_at"],
        device=row["device_mark"],
        address=row["address_mark"],
    )
