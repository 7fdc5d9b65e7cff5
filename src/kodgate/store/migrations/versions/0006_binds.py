"""Binds of SMPP routes are leased to processes, and a route's password is kept sealed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

INT = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "route_password",
        _text("route"),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("route", name=op.f("pk_route_password")),
        sqlite_strict=True,
    )
    op.create_table(
        "bind_lease",
        _text("route"),
        _int("num"),
        _text("node"),
        _text("holder"),
        _int("epoch"),
        _int("lease_until"),
        _text("why"),
        sa.PrimaryKeyConstraint("route", "num", name=op.f("pk_bind_lease")),
        sqlite_strict=True,
    )
    op.create_table(
        "bidder",
        _text("holder"),
        _text("node"),
        _int("lease_until"),
        _int("failing"),
        sa.CheckConstraint("failing in (0, 1)", name=op.f("ck_bidder_failing")),
        sa.PrimaryKeyConstraint("holder", name=op.f("pk_bidder")),
        sqlite_strict=True,
    )


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), nullable=False)


def _int(name: str) -> sa.Column[int]:
    return sa.Column(name, INT, nullable=False)
