"""Sums of past hours, from which reports are told, and an index for rare kinds of operations."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

INT = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TEXTS = {"channel", "state", "kind"}
TABLES = {
    "hour_message": (
        ("zone", "channel", "num", "state", "arrived"),
        ("count", "charged", "refunded"),
    ),
    "hour_arrival": (("channel", "ms"), ("count",)),
    "hour_transfer": (("kind",), ("count", "amount", "last_id")),
}
"""Name -> what follows the hour in the key, and what is summed."""

RARE = sa.text("kind in ('topup', 'adjustment')")


def upgrade() -> None:
    for name, (key, sums) in TABLES.items():
        _table(name, ("account_id", "hour", *key), sums)
    op.create_index(
        op.f("ix_transfer_account_id_kind_id"),
        "transfer",
        ["account_id", "kind", "id"],
        sqlite_where=RARE,
        postgresql_where=RARE,
    )


def _table(name: str, key: tuple[str, ...], sums: tuple[str, ...]) -> None:
    columns = [
        sa.Column(one, sa.Text() if one in TEXTS else INT, nullable=False) for one in (*key, *sums)
    ]
    op.create_table(
        name,
        *columns,
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f(f"fk_{name}_account_id")),
        sa.PrimaryKeyConstraint(*key, name=op.f(f"pk_{name}")),
        sqlite_strict=True,
    )
