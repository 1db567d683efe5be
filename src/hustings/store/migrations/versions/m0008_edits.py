"""Edited versions of recordings: what was asked, and which one the public hears."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "recording_edits",
        sa.Column("edition_id", sa.String(32), nullable=False),
        sa.Column("broadcast_id", sa.String(32), nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("slug", sa.String(64), nullable=False),
        sa.Column("asked", sa.Text, nullable=False),
        sa.Column("asked_at", sa.Double, nullable=False),
        sa.Column("asked_by", sa.String(200), nullable=False),
        sa.Column("take_down", sa.Boolean, nullable=False),
        sa.Column("public", sa.Boolean, nullable=False),
        sa.Column("published_at", sa.Double),
        sa.Column("dropped_at", sa.Double),
        sa.PrimaryKeyConstraint("edition_id", name="pk_recording_edits"),
        sa.UniqueConstraint("broadcast_id", "number", name="uq_recording_edits_broadcast_id_number"),
    )


def downgrade() -> None:
    op.drop_table("recording_edits")
