"""Recording: whether a room records, who agreed to it, and stretches off the record."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("rooms", sa.Column("recording", sa.Boolean, nullable=False, server_default=sa.true()))
    # New rooms record unless their host says otherwise; hosts of those there are have never been asked.
    op.execute(sa.update(sa.table("rooms", sa.column("recording", sa.Boolean))).values(recording=False))
    op.add_column("broadcasts", sa.Column("recording_at", sa.Double))
    op.create_table(
        "off_record",
        sa.Column("broadcast_id", sa.String(32), nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("began_at", sa.Double, nullable=False),
        sa.Column("ended_at", sa.Double),
        sa.PrimaryKeyConstraint("broadcast_id", "number", name="pk_off_record"),
        sa.ForeignKeyConstraint(["broadcast_id"], ["broadcasts.id"], name="fk_off_record_broadcast_id"),
    )
    op.create_table(
        "consents",
        sa.Column("room_id", sa.Integer, nullable=False),
        sa.Column("participant_id", sa.String(32), nullable=False),
        sa.Column("scope", sa.String(16), nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("began_at", sa.Double, nullable=False),
        sa.Column("ended_at", sa.Double),
        sa.Column("gone", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint("room_id", "participant_id", "scope", "number", name="pk_consents"),
        sa.ForeignKeyConstraint(["room_id"], ["rooms.id"], name="fk_consents_room_id"),
    )


def downgrade() -> None:
    for table in ("consents", "off_record"):
        op.drop_table(table)
    op.drop_column("broadcasts", "recording_at")
    op.drop_column("rooms", "recording")
