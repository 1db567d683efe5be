"""Tables of what listeners ask. Marks are keyed hashes, forgotten when the broadcast is over."""

from __future__ import annotations

from sqlalchemy import Column, Double, ForeignKey, Index, Integer, PrimaryKeyConstraint, String, Table

from hustings.store.tables import metadata

questions = Table(
    "questions",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("broadcast_id", ForeignKey("broadcasts.id"), nullable=False),
    Column("text", String(400), nullable=False),
    Column("name", String(200), nullable=False),
    Column("state", String(16), nullable=False),
    Column("asked_at", Double, nullable=False),
    Column("changed_at", Double, nullable=False),
    Column("chosen_at", Double),
    Column("answered_at", Double),
    Column("votes", Integer, nullable=False),
    Column("device_mark", String(64), nullable=False),
    Column("address_mark", String(64), nullable=False),
    Index(None, "broadcast_id"),
)

question_votes = Table(
    "question_votes",
    metadata,
    Column("question_id", ForeignKey("questions.id"), nullable=False),
    Column("device_mark", String(64), nullable=False),
    Column("address_mark", String(64), nullable=False),
    PrimaryKeyConstraint("question_id", "device_mark"),  # one vote each
    Index(None, "question_id", "address_mark"),
)
