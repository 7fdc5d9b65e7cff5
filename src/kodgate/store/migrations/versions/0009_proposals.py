"""Large top-ups and corrections wait for a second operator."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"

INT = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "proposal",
        sa.Column("id", INT, sa.Identity(always=False), nullable=False),
        _int("account_id"),
        _int("at"),
        _text("actor"),
        _text("kind"),
        _int("amount"),
        _text("document"),
        _text("comment"),
        _text("state"),
        _text("decided_by"),
        sa.Column("decided_at", INT, nullable=True),
        sa.CheckConstraint("kind in ('topup', 'adjustment')", name=op.f("ck_proposal_kind")),
        sa.CheckConstraint(
            "state in ('waiting', 'approved', 'refused')", name=op.f("ck_proposal_state")
        ),
        sa.CheckConstraint(
            "state <> 'approved' or decided_by <> actor", name=op.f("ck_proposal_four_eyes")
        ),
        sa.CheckConstraint(
            "(state = 'waiting') = (decided_at is null)", name=op.f("ck_proposal_decided")
        ),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("fk_proposal_account_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_proposal")),
        sqlite_strict=True,
    )
    op.create_index(
        op.f("ix_proposal_account_id"),
        "proposal",
        ["account_id"],
        sqlite_where=sa.text("state = 'waiting'"),
        postgresql_where=sa.text("state = 'waiting'"),
    )


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), nullable=False)


def _int(name: str) -> sa.Column[int]:
    return sa.Column(name, INT, nullable=False)
