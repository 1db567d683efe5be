"""The public record of each room: an append-only log of signed entries."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "record_entries",
        sa.Column("slug", sa.String(64), nullable=False),
        sa.Column("seq", sa.Integer, nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
        sa.Column("line", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("slug", "seq", name="pk_record_entries"),
        sa.ForeignKeyConstraint(["slug"], ["rooms.slug"], name="fk_record_entries_slug"),
    )


def downgrade() -> None:
    op.drop_table("record_entries")
