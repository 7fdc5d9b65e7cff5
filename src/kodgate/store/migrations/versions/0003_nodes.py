"""For several nodes: a user's id finds the newest packet by its time, for ids come in blocks."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

USERS_IDS = ("user_message_id", "user_packet_id")


def upgrade() -> None:
    for column in USERS_IDS:
        given = sa.text(f"{column} is not null")
        op.drop_index(op.f(f"ix_packet_account_id_{column}"), "packet")
        op.create_index(
            op.f(f"ix_packet_account_id_{column}_created_at"),
            "packet",
            ["account_id", column, "created_at"],
            sqlite_where=given,
            postgresql_where=given,
        )
    if op.get_bind().dialect.name == "postgresql":
        _expect_many_updates()
        _order_texts_by_bytes()


def _expect_many_updates() -> None:
    """A balance is written with every batch: its page keeps room for it. Open messages wander
    through the partial indexes of due work, which vacuum keeps small."""
    op.execute(
        "alter table account set (fillfactor = 25, autovacuum_vacuum_threshold = 500,"
        " autovacuum_vacuum_scale_factor = 0)"
    )
    op.execute(
        "alter table message set (fillfactor = 80, autovacuum_vacuum_threshold = 5000,"
        " autovacuum_vacuum_scale_factor = 0.02)"
    )


def _order_texts_by_bytes() -> None:
    """As SQLite does, whatever language the database was made for."""
    texts = op.get_bind().execute(
        sa.text(
            "select table_name, column_name from information_schema.columns"
            " where table_schema = current_schema() and data_type = 'text'"
        )
    )
    for table, column in texts.all():
        op.execute(f'alter table "{table}" alter column "{column}" type text collate "C"')
