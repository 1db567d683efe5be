"""How long recordings are kept, and which are to be deleted."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("rooms", sa.Column("keep_days", sa.Integer))
    op.create_table(
        "recording_deletions",
        sa.Column("broadcast_id", sa.String(32), nullable=False),
        sa.Column("slug", sa.String(64), nullable=False),
        sa.Column("why", sa.String(16), nullable=False),
        sa.Column("asked_at", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("broadcast_id", name="pk_recording_deletions"),
    )


def downgrade() -> None:
    op.drop_table("recording_deletions")
    op.drop_column("rooms", "keep_days")
