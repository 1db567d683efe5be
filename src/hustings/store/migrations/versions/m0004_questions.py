"""Questions of listeners and the votes for them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "questions",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("broadcast_id", sa.String(32), nullable=False),
        sa.Column("text", sa.String(400), nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("asked_at", sa.Double, nullable=False),
        sa.Column("changed_at", sa.Double, nullable=False),
        sa.Column("chosen_at", sa.Double),
        sa.Column("answered_at", sa.Double),
        sa.Column("votes", sa.Integer, nullable=False),
        sa.Column("device_mark", sa.String(64), nullable=False),
        sa.Column("address_mark", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_questions"),
        sa.ForeignKeyConstraint(["broadcast_id"], ["broadcasts.id"], name="fk_questions_broadcast_id"),
    )
    op.create_index("ix_questions_broadcast_id", "questions", ["broadcast_id"])
    op.create_table(
        "question_votes",
        sa.Column("question_id", sa.String(32), nullable=False),
        sa.Column("device_mark", sa.String(64), nullable=False),
        sa.Column("address_mark", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("question_id", "device_mark", name="pk_question_votes"),
        sa.ForeignKeyConstraint(["question_id"], ["questions.id"], name="fk_question_votes_question_id"),
    )
    op.create_index(
        "ix_question_votes_question_id_address_mark", "question_votes", ["question_id", "address_mark"]
    )


def downgrade() -> None:
    for table in ("question_votes", "questions"):
        op.drop_table(table)
