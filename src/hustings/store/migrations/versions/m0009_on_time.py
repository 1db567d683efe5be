"""Rooms that open and start by themselves, hold music, and what is noted of a start."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("rooms", sa.Column("opens_itself", sa.Boolean, nullable=False, server_default=sa.true()))
    op.add_column("rooms", sa.Column("doors_minutes", sa.Integer, nullable=False, server_default="10"))
    op.add_column("rooms", sa.Column("starts_itself", sa.Boolean, nullable=False, server_default=sa.false()))
    op.add_column("rooms", sa.Column("hold", sa.String(64), nullable=False, server_default="loop"))
    # Hosts of the rooms there are have never been asked: they open them as before.
    rooms = sa.table("rooms", sa.column("opens_itself", sa.Boolean), sa.column("hold", sa.String))
    op.execute(sa.update(rooms).values(opens_itself=False, hold=""))
    op.add_column("broadcasts", sa.Column("planned_at", sa.Double))
    op.add_column("broadcasts", sa.Column("starts_at", sa.Double))
    op.create_table(
        "start_notes",
        sa.Column("broadcast_id", sa.String(32), nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("what", sa.String(32), nullable=False),
        sa.PrimaryKeyConstraint("broadcast_id", "number", name="pk_start_notes"),
        sa.ForeignKeyConstraint(["broadcast_id"], ["broadcasts.id"], name="fk_start_notes_broadcast_id"),
    )


def downgrade() -> None:
    op.drop_table("start_notes")
    for column in ("planned_at", "starts_at"):
        op.drop_column("broadcasts", column)
    for column in ("hold", "starts_itself", "doors_minutes", "opens_itself"):
        op.drop_column("rooms", column)
