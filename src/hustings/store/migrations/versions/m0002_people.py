"""What a host writes about a room; links and tickets apart from invitations; requests to speak, bans,
chapters, talk times.

SQLite cannot drop a unique column, and rebuilding a table that others refer to fails while foreign keys
are checked. So invitations and participants are put aside, dropped and made anew, on every database.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_NO, _YES = sa.false(), sa.true()


def upgrade() -> None:
    _extend_rooms()
    op.execute("CREATE TABLE old_participants AS SELECT * FROM participants")
    op.execute("CREATE TABLE old_invitations AS SELECT * FROM invitations")
    op.drop_table("participants")
    op.drop_table("invitations")
    _create_invitations()
    _create_participants()
    _move()
    op.drop_table("old_participants")
    op.drop_table("old_invitations")
    _create_requests_and_bans()
    _create_of_broadcasts()


def _extend_rooms() -> None:
    for column in (
        sa.Column("owner_id", sa.String(32), nullable=False, server_default=""),
        sa.Column("locked", sa.Boolean, nullable=False, server_default=_NO),
        sa.Column("revision", sa.Integer, nullable=False, server_default="0"),
        sa.Column("description", sa.Text, nullable=False, server_default=""),
        sa.Column("language", sa.String(64), nullable=False, server_default=""),
        sa.Column("topics", sa.Text, nullable=False, server_default="[]"),
        sa.Column("links", sa.Text, nullable=False, server_default="[]"),
        sa.Column("cover", sa.String(200), nullable=False, server_default=""),
        sa.Column("time_zone", sa.String(64), nullable=False, server_default=""),
        sa.Column("weekly", sa.Boolean, nullable=False, server_default=_NO),
        sa.Column("green_room", sa.Boolean, nullable=False, server_default=_NO),
        sa.Column("hands", sa.Boolean, nullable=False, server_default=_YES),
        sa.Column("questions", sa.Boolean, nullable=False, server_default=_YES),
        sa.Column("moderated", sa.Boolean, nullable=False, server_default=_NO),
        sa.Column("equal_time", sa.Boolean, nullable=False, server_default=_NO),
        sa.Column("turn_seconds", sa.Integer),
        sa.Column("queue_by_talk", sa.Boolean, nullable=False, server_default=_NO),
    ):
        op.add_column("rooms", column)
    op.add_column("broadcasts", sa.Column("topic_id", sa.String(32), nullable=False, server_default=""))


def _create_invitations() -> None:
    op.create_table(
        "invitations",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("room_id", sa.Integer, nullable=False),
        sa.Column("participant_id", sa.String(32), nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("public", sa.Boolean, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("offered_at", sa.Double, nullable=False),
        sa.Column("changed_at", sa.Double, nullable=False),
        sa.Column("expires_at", sa.Double),
        sa.Column("word", sa.Text, nullable=False),
        sa.Column("proposed_at", sa.Double),
        sa.Column("account_id", sa.String(32), nullable=False),
        sa.Column("request_id", sa.String(32), nullable=False),
        sa.Column("gone", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_invitations"),
        sa.ForeignKeyConstraint(["room_id"], ["rooms.id"], name="fk_invitations_room_id"),
    )
    op.create_index("ix_invitations_room_id_gone", "invitations", ["room_id", "gone"])
    op.create_index("ix_invitations_expires_at", "invitations", ["expires_at"])
    op.create_table(
        "tickets",
        sa.Column("hash", sa.String(64), nullable=False),
        sa.Column("invitation_id", sa.String(32), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("redeemed_at", sa.Double),
        sa.Column("revoked_at", sa.Double),
        sa.PrimaryKeyConstraint("hash", name="pk_tickets"),
        sa.ForeignKeyConstraint(["invitation_id"], ["invitations.id"], name="fk_tickets_invitation_id"),
    )
    op.create_index("ix_tickets_invitation_id", "tickets", ["invitation_id"])


def _create_participants() -> None:
    op.create_table(
        "participants",
        sa.Column("room_id", sa.Integer, nullable=False),
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("invitation_id", sa.String(32), nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("taken_at", sa.Double, nullable=False),
        sa.Column("muted_self", sa.Boolean, nullable=False),
        sa.Column("muted_by_host", sa.Boolean, nullable=False),
        sa.Column("aside", sa.String(32), nullable=False),
        sa.Column("clock_until", sa.Double),
        sa.PrimaryKeyConstraint("room_id", "id", name="pk_participants"),
        sa.ForeignKeyConstraint(["room_id"], ["rooms.id"], name="fk_participants_room_id"),
        sa.ForeignKeyConstraint(["invitation_id"], ["invitations.id"], name="fk_participants_invitation_id"),
        sa.UniqueConstraint("invitation_id", name="uq_participants_invitation_id"),
    )


def _move() -> None:
    """A link of the version before was its ticket: it stays good. Who had accepted keeps the seat."""
    op.execute(
        "INSERT INTO invitations (id, room_id, participant_id, name, role, public, state, offered_at,"
        " changed_at, expires_at, word, account_id, request_id, gone)"
        " SELECT id, room_id, participant_id, name, role, public, state, offered_at, changed_at,"
        " expires_at, '', '', '', FALSE FROM old_invitations"
    )
    op.execute(
        "INSERT INTO tickets (hash, invitation_id, kind, created_at)"
        " SELECT ticket_hash, id, 'ticket', offered_at FROM old_invitations"
    )
    op.execute(
        "INSERT INTO participants (room_id, id, invitation_id, name, role, state, taken_at, muted_self,"
        " muted_by_host, aside)"
        " SELECT room_id, id, invitation_id, name, role, state, taken_at, muted_self, muted_by_host, ''"
        " FROM old_participants"
    )


def _create_requests_and_bans() -> None:
    op.create_table(
        "requests",
        sa.Column("room_id", sa.Integer, nullable=False),
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("participant_id", sa.String(32), nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("asked_at", sa.Double, nullable=False),
        sa.Column("changed_at", sa.Double, nullable=False),
        sa.Column("talked_seconds", sa.Double, nullable=False),
        sa.Column("ticket_hash", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("room_id", "id", name="pk_requests"),
        sa.ForeignKeyConstraint(["room_id"], ["rooms.id"], name="fk_requests_room_id"),
        sa.UniqueConstraint("ticket_hash", name="uq_requests_ticket_hash"),
    )
    op.create_table(
        "bans",
        sa.Column("room_id", sa.Integer, nullable=False),
        sa.Column("participant_id", sa.String(32), nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("marks", sa.Text, nullable=False),
        sa.Column("at", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("room_id", "participant_id", name="pk_bans"),
        sa.ForeignKeyConstraint(["room_id"], ["rooms.id"], name="fk_bans_room_id"),
    )


def _create_of_broadcasts() -> None:
    op.create_table(
        "chapters",
        sa.Column("broadcast_id", sa.String(32), nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("title", sa.String(200), nullable=False),
        sa.PrimaryKeyConstraint("broadcast_id", "number", name="pk_chapters"),
        sa.ForeignKeyConstraint(["broadcast_id"], ["broadcasts.id"], name="fk_chapters_broadcast_id"),
    )
    op.create_table(
        "talk_times",
        sa.Column("broadcast_id", sa.String(32), nullable=False),
        sa.Column("participant_id", sa.String(32), nullable=False),
        sa.Column("seconds", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("broadcast_id", "participant_id", name="pk_talk_times"),
        sa.ForeignKeyConstraint(["broadcast_id"], ["broadcasts.id"], name="fk_talk_times_broadcast_id"),
    )


def downgrade() -> None:
    raise NotImplementedError("Links, requests and bans have no place in 0001: take back a copy instead.")
