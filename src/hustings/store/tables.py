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
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    UniqueConstraint,
    false,
    true,
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
    Column("owner_id", String(32), nullable=False, server_default=""),  # an account; "" for an operator's
    Column("locked", Boolean, nullable=False, server_default=false()),
    Column("revision", Integer, nullable=False, server_default="0"),
    # rooms.model.Details; topics and links as JSON
    Column("description", Text, nullable=False, server_default=""),
    Column("language", String(64), nullable=False, server_default=""),
    Column("topics", Text, nullable=False, server_default="[]"),
    Column("links", Text, nullable=False, server_default="[]"),
    Column("cover", String(200), nullable=False, server_default=""),
    Column("time_zone", String(64), nullable=False, server_default=""),
    Column("weekly", Boolean, nullable=False, server_default=false()),
    Column("green_room", Boolean, nullable=False, server_default=false()),
    Column("hands", Boolean, nullable=False, server_default=true()),
    Column("questions", Boolean, nullable=False, server_default=true()),
    Column("moderated", Boolean, nullable=False, server_default=false()),
    Column("equal_time", Boolean, nullable=False, server_default=false()),
    Column("turn_seconds", Integer),
    Column("queue_by_talk", Boolean, nullable=False, server_default=false()),
    Column("recording", Boolean, nullable=False, server_default=true()),
    Column("keep_days", Integer),
    Column("opens_itself", Boolean, nullable=False, server_default=true()),
    Column("doors_minutes", Integer, nullable=False, server_default="10"),
    Column("starts_itself", Boolean, nullable=False, server_default=false()),
    Column("hold", String(64), nullable=False, server_default="loop"),
    Column("figures", String(16), nullable=False, server_default="all"),
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
    Column("topic_id", String(32), nullable=False, server_default=""),
    Column("recording_at", Double),
    Column("planned_at", Double),
    Column("starts_at", Double),
    UniqueConstraint("room_id", "number"),
)

chapters = Table(
    "chapters",
    metadata,
    Column("broadcast_id", ForeignKey("broadcasts.id"), nullable=False),
    Column("number", Integer, nullable=False),  # counts from 0
    Column("at", Double, nullable=False),
    Column("title", String(200), nullable=False),
    PrimaryKeyConstraint("broadcast_id", "number"),
)

start_notes = Table(
    "start_notes",
    metadata,
    Column("broadcast_id", ForeignKey("broadcasts.id"), nullable=False),
    Column("number", Integer, nullable=False),  # counts from 0, in the order they were written
    Column("kind", String(16), nullable=False),  # store.starts
    Column("at", Double, nullable=False),
    Column("what", String(32), nullable=False),  # of an incident
    PrimaryKeyConstraint("broadcast_id", "number"),
)

record_entries = Table(
    "record_entries",
    metadata,
    Column("slug", ForeignKey("rooms.slug"), nullable=False),
    Column("seq", Integer, nullable=False),  # counts from 0
    Column("hash", String(64), nullable=False),  # of the line
    Column("line", Text, nullable=False),  # as it is published, without its line feed
    PrimaryKeyConstraint("slug", "seq"),
)

record_openings = Table(
    "record_openings",
    metadata,
    Column("slug", String(64), nullable=False),
    Column("seq", Integer, nullable=False),
    Column("nonce", String(128), nullable=False),  # hexadecimal digits
    Column("data", Text, nullable=False),  # what the entry was sealed from, as it was hashed
    PrimaryKeyConstraint("slug", "seq"),
    ForeignKeyConstraint(["slug", "seq"], ["record_entries.slug", "record_entries.seq"]),
)

off_record = Table(
    "off_record",
    metadata,
    Column("broadcast_id", ForeignKey("broadcasts.id"), nullable=False),
    Column("number", Integer, nullable=False),  # counts from 0
    Column("began_at", Double, nullable=False),
    Column("ended_at", Double),  # NULL: it still is
    PrimaryKeyConstraint("broadcast_id", "number"),
)

talk_times = Table(
    "talk_times",
    metadata,
    Column("broadcast_id", ForeignKey("broadcasts.id"), nullable=False),
    Column("participant_id", String(32), nullable=False),
    Column("seconds", Double, nullable=False),
    PrimaryKeyConstraint("broadcast_id", "participant_id"),
)

invitations = Table(
    "invitations",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("room_id", ForeignKey("rooms.id"), nullable=False),
    Column("participant_id", String(32), nullable=False),
    Column("name", String(200), nullable=False),
    Column("role", String(16), nullable=False),
    Column("public", Boolean, nullable=False),
    Column("state", String(16), nullable=False),
    Column("offered_at", Double, nullable=False),
    Column("changed_at", Double, nullable=False),
    Column("expires_at", Double),
    Column("word", Text, nullable=False),
    Column("proposed_at", Double),
    Column("account_id", String(32), nullable=False),
    Column("request_id", String(32), nullable=False),
    Column("gone", Boolean, nullable=False),  # no longer of the room: a brought-up listener of the past
    Index(None, "room_id", "gone"),
    Index(None, "expires_at"),
)

tickets = Table(
    "tickets",
    metadata,
    Column("hash", String(64), primary_key=True),  # the secret itself is nowhere
    Column("invitation_id", ForeignKey("invitations.id"), nullable=False),
    Column("kind", String(16), nullable=False),  # "link": once, for a ticket; "ticket": who bears it is it
    Column("created_at", Double, nullable=False),
    Column("redeemed_at", Double),
    Column("revoked_at", Double),
    Index(None, "invitation_id"),
)

participants = Table(
    "participants",
    metadata,
    Column("room_id", ForeignKey("rooms.id"), nullable=False),
    Column("id", String(32), nullable=False),  # a listener's is made of what comes from outside
    Column("invitation_id", ForeignKey("invitations.id"), nullable=False, unique=True),
    Column("name", String(200), nullable=False),
    Column("role", String(16), nullable=False),
    Column("state", String(16), nullable=False),
    Column("taken_at", Double, nullable=False),
    Column("muted_self", Boolean, nullable=False),
    Column("muted_by_host", Boolean, nullable=False),
    Column("aside", String(32), nullable=False),
    Column("clock_until", Double),
    PrimaryKeyConstraint("room_id", "id"),
)

requests = Table(
    "requests",
    metadata,
    Column("room_id", ForeignKey("rooms.id"), nullable=False),
    Column("id", String(32), nullable=False),
    Column("participant_id", String(32), nullable=False),
    Column("name", String(200), nullable=False),
    Column("state", String(16), nullable=False),
    Column("asked_at", Double, nullable=False),
    Column("changed_at", Double, nullable=False),
    Column("talked_seconds", Double, nullable=False),
    Column("ticket_hash", String(64), nullable=False, unique=True),
    PrimaryKeyConstraint("room_id", "id"),
)

bans = Table(
    "bans",
    metadata,
    Column("room_id", ForeignKey("rooms.id"), nullable=False),
    Column("participant_id", String(32), nullable=False),
    Column("position", Integer, nullable=False),  # counts from 0: in the order they were made
    Column("name", String(200), nullable=False),
    Column("marks", Text, nullable=False),  # JSON: keyed hashes, no address and no device in clear
    Column("at", Double, nullable=False),
    PrimaryKeyConstraint("room_id", "participant_id"),
)

consents = Table(
    "consents",
    metadata,
    Column("room_id", ForeignKey("rooms.id"), nullable=False),
    Column("participant_id", String(32), nullable=False),
    Column("scope", String(16), nullable=False),
    Column("number", Integer, nullable=False),  # counts from 0; no row is ever deleted or begun anew
    Column("began_at", Double, nullable=False),
    Column("ended_at", Double),  # when it was taken back; NULL: it holds
    Column("gone", Boolean, nullable=False),  # of a brought-up listener of the past: kept as evidence only
    PrimaryKeyConstraint("room_id", "participant_id", "scope", "number"),
)

api_tokens = Table(
    "api_tokens",
    metadata,
    Column("hash", String(64), primary_key=True),
    Column("name", String(200), nullable=False),
    Column("scope", String(32), nullable=False),
    Column("created_at", Double, nullable=False),
    Column("revoked_at", Double),
    Column("account_id", String(32)),  # who made it; NULL: the data folder's own, "": made with that one
    Column("used_at", Double),
)
