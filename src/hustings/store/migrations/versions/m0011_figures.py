"""A room's choice who sees its audience figures, and what sealed entries of its record were made of."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("rooms", sa.Column("figures", sa.String(16), nullable=False, server_default="all"))
    op.create_table(
        "record_openings",
        sa.Column("slug", sa.String(64), nullable=False),
        sa.Column("seq", sa.Integer, nullable=False),
        sa.Column("nonce", sa.String(128), nullable=False),
        sa.Column("data", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("slug", "seq", name="pk_record_openings"),
        sa.ForeignKeyConstraint(
            ["slug", "seq"],
            ["record_entries.slug", "record_entries.seq"],
            name="fk_record_openings_slug_seq",
        ),
    )


def downgrade() -> None:
    op.drop_table("record_openings")
    op.drop_column("rooms", "figures")
