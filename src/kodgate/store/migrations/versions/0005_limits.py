"""Limits: prefixes that are blocked, and what an account has spent today."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

INT = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
NUMBERS = {"blocked_at": False, "until": True, "times": False, "sent": False, "arrived": False}
"""Name -> whether it may be empty."""

OF_IT = (
    "from transfer t where t.account_id = account.id and t.balance_after is not null"
    " and t.kind in ('charge', 'refund')"
)
DAY_MS = 86_400_000
SPENT = (
    f"update account set spent_on = coalesce((select max(t.at) / {DAY_MS} {OF_IT}), 0)",
    "update account set spent = coalesce((select -sum(t.customer)"
    f" {OF_IT} and t.at >= account.spent_on * {DAY_MS}), 0)",
)


def upgrade() -> None:
    op.create_table(
        "blocked_prefix",
        sa.Column("account_id", INT, nullable=False),
        sa.Column("prefix", sa.Text(), nullable=False),
        *(sa.Column(name, INT, nullable=null) for name, null in NUMBERS.items()),
        sa.Column("safe_until", INT, nullable=True),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("fk_blocked_prefix_account_id")
        ),
        sa.PrimaryKeyConstraint("account_id", "prefix", name=op.f("pk_blocked_prefix")),
        sqlite_strict=True,
    )
    for name in ("spent_on", "spent"):
        op.add_column("account", sa.Column(name, INT, nullable=False, server_default=sa.text("0")))
    for statement in SPENT:
        op.execute(statement)
