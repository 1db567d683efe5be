"""The tables. Migrations (store/migrations) create them; a test compares the two.

Times are Unix seconds as double precision. Enumerations are stored by value, checked by the domain.
Nothing here is particular to SQLite.
"""

from __future__ import annotations

from sqlalchemy import (
    Boolean,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    UniqueConstraint,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

rooms = Table(
    "rooms",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("slug", String(64), nullable=False, unique=True),
    Column("title", String(200), nullable=False),
    Column("status", String(16), nullable=False),
    Column("created_at", Double, nullable=False),
    Column("scheduled_at", Double),
)

broadcasts = Table(
    "broadcasts",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("room_id", ForeignKey("rooms.id"), nullable=False),
    Column("number", Integer, nullable=False),  # counts from 1 in its room; the highest is the current one
    Column("opened_at", Double, nullable=False),
    Column("epoch", Integer, nullable=False),
    Column("live_since", Double),
    Column("ended_at", Double),
    Column("end_reason", String(64), nullable=False),
    UniqueConstraint("room_id", "number"),
)

invitations = Table(
    "invitations",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("room_id", ForeignKey("rooms.id"), nullable=False),
    Column("participant_id", String(32), nullable=False, unique=True),
    Column("name", String(200), nullable=False),
    Column("role", String(16), nullable=False),
    Column("public", Boolean, nullable=False),
    Column("state", String(16), nullable=False),
    Column("ticket_hash", String(64), nullable=False, unique=True),  # the ticket itself is nowhere
    Column("offered_at", Double, nullable=False),
    Column("changed_at", Double, nullable=False),
    Column("expires_at", Double),
    Index(None, "room_id"),
)

participants = Table(
    "participants",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("room_id", ForeignKey("rooms.id"), nullable=False),
    Column("invitation_id", ForeignKey("invitations.id"), nullable=False, unique=True),
    Column("name", String(200), nullable=False),
    Column("role", String(16), nullable=False),
    Column("state", String(16), nullable=False),
    Column("taken_at", Double, nullable=False),
    Column("muted_self", Boolean, nullable=False),
    Column("muted_by_host", Boolean, nullable=False),
    Index(None, "room_id"),
)

api_tokens = Table(
    "api_tokens",
    metadata,
    Column("hash", String(64), primary_key=True),
    Column("name", String(200), nullable=False),
    Column("scope", String(32), nullable=False),
    Column("created_at", Double, nullable=False),
    Column("revoked_at", Double),
)
