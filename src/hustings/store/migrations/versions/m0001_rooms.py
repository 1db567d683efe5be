"""Rooms, broadcasts, invitations, participants, API tokens."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "rooms",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("slug", sa.String(64), nullable=False),
        sa.Column("title", sa.String(200), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("scheduled_at", sa.Double),
        sa.PrimaryKeyConstraint("id", name="pk_rooms"),
        sa.UniqueConstraint("slug", name="uq_rooms_slug"),
    )
    op.create_table(
        "broadcasts",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("room_id", sa.Integer, nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("opened_at", sa.Double, nullable=False),
        sa.Column("epoch", sa.Integer, nullable=False),
        sa.Column("live_since", sa.Double),
        sa.Column("ended_at", sa.Double),
        sa.Column("end_reason", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_broadcasts"),
        sa.ForeignKeyConstraint(["room_id"], ["rooms.id"], name="fk_broadcasts_room_id"),
        sa.UniqueConstraint("room_id", "number", name="uq_broadcasts_room_id_number"),
    )
    _create_people()
    op.create_table(
        "api_tokens",
        sa.Column("hash", sa.String(64), nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("scope", sa.String(32), nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("revoked_at", sa.Double),
        sa.PrimaryKeyConstraint("hash", name="pk_api_tokens"),
    )


def _create_people() -> None:
    op.create_table(
        "invitations",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("room_id", sa.Integer, nullable=False),
        sa.Column("participant_id", sa.String(32), nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("public", sa.Boolean, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("ticket_hash", sa.String(64), nullable=False),
        sa.Column("offered_at", sa.Double, nullable=False),
        sa.Column("changed_at", sa.Double, nullable=False),
        sa.Column("expires_at", sa.Double),
        sa.PrimaryKeyConstraint("id", name="pk_invitations"),
        sa.ForeignKeyConstraint(["room_id"], ["rooms.id"], name="fk_invitations_room_id"),
        sa.UniqueConstraint("participant_id", name="uq_invitations_participant_id"),
        sa.UniqueConstraint("ticket_hash", name="uq_invitations_ticket_hash"),
    )
    op.create_index("ix_invitations_room_id", "invitations", ["room_id"])
    op.create_table(
        "participants",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("room_id", sa.Integer, nullable=False),
        sa.Column("invitation_id", sa.String(32), nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("taken_at", sa.Double, nullable=False),
        sa.Column("muted_self", sa.Boolean, nullable=False),
        sa.Column("muted_by_host", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_participants"),
        sa.ForeignKeyConstraint(["room_id"], ["rooms.id"], name="fk_participants_room_id"),
        sa.ForeignKeyConstraint(["invitation_id"], ["invitations.id"], name="fk_participants_invitation_id"),
        sa.UniqueConstraint("invitation_id", name="uq_participants_invitation_id"),
    )
    op.create_index("ix_participants_room_id", "participants", ["room_id"])


def downgrade() -> None:
    for table in ("api_tokens", "participants", "invitations", "broadcasts", "rooms"):
        op.drop_table(table)
