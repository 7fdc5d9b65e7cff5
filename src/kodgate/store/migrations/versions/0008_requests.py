"""The request log and its counts; each document of a top-up once; sign-ins that failed."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"

INT = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    _create_request_log()
    _create_request_count()
    _create_posting()
    _create_sign_in_try()


def _column(name: str, kind: Any = INT, *, null: bool = False) -> sa.Column[Any]:
    return sa.Column(name, kind, nullable=null)


def _text(name: str) -> sa.Column[Any]:
    return _column(name, sa.Text())


def _account(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["account_id"], ["account.id"], name=op.f(f"fk_{table}_account_id")
    )


def _create_request_log() -> None:
    op.create_table(
        "request_log",
        _column("id"),
        _text("request_id"),
        _column("at"),
        _column("account_id"),
        _text("path"),
        _text("dialect"),
        _text("ip"),
        _column("error"),
        _text("why"),
        _column("took_us"),
        _column("in_query"),
        _column("packet_id", null=True),
        _column("purge_at", null=True),
        _column("sealed", sa.LargeBinary()),
        sa.CheckConstraint("in_query in (0, 1)", name=op.f("ck_request_log_in_query")),
        _account("request_log"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_request_log")),
        sa.UniqueConstraint("request_id", name=op.f("uq_request_log_request_id")),
        sqlite_strict=True,
    )
    for columns, condition in (
        (["account_id", "at", "id"], None),
        (["account_id", "error", "at"], "error <> 0"),
        (["packet_id"], "packet_id is not null"),
        (["at"], None),
        (["purge_at"], "purge_at is not null"),
    ):
        name = op.f(f"ix_request_log_{'_'.join(columns)}")
        where = None if condition is None else sa.text(condition)
        op.create_index(name, "request_log", columns, sqlite_where=where, postgresql_where=where)


def _create_request_count() -> None:
    key = ["account_id", "span_ms", "at", "error"]
    op.create_table(
        "request_count",
        *(_column(name) for name in (*key, "count", "dropped")),
        _account("request_count"),
        sa.PrimaryKeyConstraint(*key, name=op.f("pk_request_count")),
        sqlite_strict=True,
    )
    op.create_index(op.f("ix_request_count_span_ms_at"), "request_count", ["span_ms", "at"])


def _create_posting() -> None:
    """Filled with the documents that were booked before."""
    op.create_table(
        "posting",
        _column("account_id"),
        _text("once"),
        _column("at"),
        _account("posting"),
        sa.PrimaryKeyConstraint("account_id", "once", name=op.f("pk_posting")),
        sqlite_strict=True,
    )
    op.execute(
        "insert into posting (account_id, once, at)"
        " select account_id, 'document ' || document, min(at) from transfer"
        " where kind = 'topup' and document <> '' and balance_after is not null group by 1, 2"
    )


def _create_sign_in_try() -> None:
    op.create_table(
        "sign_in_try",
        _text("kind"),
        _column("digest", sa.LargeBinary()),
        _column("count"),
        _column("first_at"),
        _column("last_at"),
        sa.PrimaryKeyConstraint("kind", "digest", name=op.f("pk_sign_in_try")),
        sqlite_strict=True,
    )
    op.create_index(op.f("ix_sign_in_try_last_at"), "sign_in_try", ["last_at"])
