"""Tables of what is done later: jobs, the webhooks most of them are for, recordings given up or edited."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Double, Index, Integer, String, Table, Text, UniqueConstraint

from hustings.store.tables import metadata

jobs = Table(
    "jobs",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("kind", String(32), nullable=False),
    Column("subject", String(32), nullable=False),  # what it is about, so that one cannot starve the others
    Column("body", Text, nullable=False),  # JSON
    Column("state", String(8), nullable=False),  # open, done, dead
    Column("attempts", Integer, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("due_at", Double, nullable=False),  # when it is tried (again)
    Column("leased_until", Double),  # somebody is at it; after that somebody else may
    Column("ended_at", Double),
    Column("note", String(200), nullable=False),  # how the last attempt went
    Index(None, "state", "due_at"),
    Index(None, "subject", "state"),
)

webhooks = Table(
    "webhooks",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("account_id", String(32), nullable=False),  # whose; "": made with the data folder's token
    Column("url", String(2000), nullable=False),
    Column("events", String(1000), nullable=False),  # types, commas between; "": all
    Column("slug", String(64), nullable=False),  # of one room; "": all the account has
    Column("created_at", Double, nullable=False),
    Column("disabled_at", Double),  # the receiver said it is gone
    Column("last_at", Double),
    Column("last_status", Integer),  # 0: no answer came
    Column("last_note", String(200), nullable=False),
)

recording_deletions = Table(
    "recording_deletions",
    metadata,
    Column("broadcast_id", String(32), primary_key=True),
    Column("slug", String(64), nullable=False),
    Column("why", String(16), nullable=False),  # host, retention, take_down
    Column("asked_at", Double, nullable=False),
)

recording_edits = Table(
    "recording_edits",
    metadata,
    Column("edition_id", String(32), primary_key=True),  # has the form of a broadcast's, and its time
    Column("broadcast_id", String(32), nullable=False),  # of the original
    Column("number", Integer, nullable=False),  # of the original's editions, from 1
    Column("slug", String(64), nullable=False),
    Column("asked", Text, nullable=False),  # JSON: archive.editing.Asked
    Column("asked_at", Double, nullable=False),
    Column("asked_by", String(200), nullable=False),  # a name; "": the data folder's token
    Column("take_down", Boolean, nullable=False),
    Column("public", Boolean, nullable=False),  # of a recording and its editions one is, or none
    Column("published_at", Double),
    Column("dropped_at", Double),  # given up, made or not
    UniqueConstraint("broadcast_id", "number"),
)
