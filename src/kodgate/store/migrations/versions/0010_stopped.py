"""Accounts that a broken rule stopped: for all processes, and over a restart."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"

INT = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.add_column("account", sa.Column("stopped_at", INT, nullable=True))
    op.add_column(
        "account",
        sa.Column("stopped_why", sa.Text(), nullable=False, server_default=sa.text("''")),
    )
