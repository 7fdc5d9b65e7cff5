"""The first tables."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

INT = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "account",
        sa.Column("id", INT, nullable=False),
        sa.Column("login", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("tariff", sa.Text(), nullable=False),
        sa.Column("credit_limit", INT, nullable=False),
        sa.Column("credit_limit_max", INT, nullable=False),
        sa.Column("balance", INT, nullable=False),
        sa.Column("held", INT, nullable=False),
        sa.Column("created_at", INT, nullable=False),
        sa.Column("settings", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "balance between -1000000000000000 and 1000000000000000",
            name=op.f("ck_account_balance"),
        ),
        sa.CheckConstraint(
            "credit_limit between 0 and 1000000000000000", name=op.f("ck_account_credit_limit")
        ),
        sa.CheckConstraint("held between 0 and 1000000000000000", name=op.f("ck_account_held")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_account")),
        sa.UniqueConstraint("login", name=op.f("uq_account_login")),
        sqlite_strict=True,
    )
    op.create_table(
        "parked",
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("at", INT, nullable=False),
        sa.PrimaryKeyConstraint("channel", "key", "body", name=op.f("pk_parked")),
        sqlite_strict=True,
    )
    op.create_index(op.f("ix_parked_at"), "parked", ["at"], unique=False)
    op.create_table(
        "route",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("profile", sa.Text(), nullable=False),
        sa.Column("created_at", INT, nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_route")),
        sqlite_strict=True,
    )
    op.create_table(
        "sequence",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("next", INT, nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_sequence")),
        sqlite_strict=True,
    )
    op.create_table(
        "tariff",
        sa.Column("id", INT, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("valid_from", INT, nullable=False),
        sa.Column("saved_at", INT, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tariff")),
        sa.UniqueConstraint("name", "valid_from", name=op.f("uq_tariff_name_valid_from")),
        sqlite_strict=True,
    )
    op.create_table(
        "value",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_value")),
        sqlite_strict=True,
    )
    op.create_table(
        "api_secret",
        sa.Column("id", INT, nullable=False),
        sa.Column("account_id", INT, nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", INT, nullable=False),
        sa.Column("expires_at", INT, nullable=True),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("fk_api_secret_account_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_secret")),
        sqlite_strict=True,
    )
    op.create_index(op.f("ix_api_secret_account_id"), "api_secret", ["account_id"], unique=False)
    op.create_table(
        "packet",
        sa.Column("id", INT, autoincrement=False, nullable=False),
        sa.Column("account_id", INT, nullable=False),
        sa.Column("created_at", INT, nullable=False),
        sa.Column("zone", INT, nullable=False),
        sa.Column("ttl_s", INT, nullable=False),
        sa.Column("phone", sa.LargeBinary(), nullable=False),
        sa.Column("phone_digest", sa.LargeBinary(), nullable=False),
        sa.Column("phone_mask", sa.Text(), nullable=False),
        sa.Column("code", sa.LargeBinary(), nullable=False),
        sa.Column("code_digest", sa.LargeBinary(), nullable=False),
        sa.Column("key_day", sa.Text(), nullable=False),
        sa.Column("dialect", sa.Text(), nullable=False),
        sa.Column("user_packet_id", sa.Text(), nullable=True),
        sa.Column("user_message_id", sa.Text(), nullable=True),
        sa.Column("test", INT, nullable=False),
        sa.Column("caller_ip", sa.Text(), nullable=False),
        sa.Column("plan", sa.Text(), nullable=False),
        sa.Column("held", INT, nullable=False),
        sa.Column("reserve", INT, nullable=False),
        sa.Column("answered_at", INT, nullable=True),
        sa.Column("confirm_tries", INT, nullable=False),
        sa.Column("confirmed_at", INT, nullable=True),
        sa.Column("final_at", INT, nullable=True),
        sa.CheckConstraint("final_at is null or held = 0", name=op.f("ck_packet_final")),
        sa.CheckConstraint("held between 0 and 1000000000000000", name=op.f("ck_packet_held")),
        sa.CheckConstraint("id between 1000000 and 2147483647", name=op.f("ck_packet_id")),
        sa.CheckConstraint("reserve in (0, 1)", name=op.f("ck_packet_reserve")),
        sa.CheckConstraint("test in (0, 1)", name=op.f("ck_packet_test")),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_packet_account_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_packet")),
        sqlite_strict=True,
    )
    op.create_index(
        op.f("ix_packet_account_id_user_message_id"),
        "packet",
        ["account_id", "user_message_id"],
        unique=False,
        sqlite_where=sa.text("user_message_id is not null"),
        postgresql_where=sa.text("user_message_id is not null"),
    )
    op.create_index(
        op.f("ix_packet_account_id_user_packet_id"),
        "packet",
        ["account_id", "user_packet_id"],
        unique=False,
        sqlite_where=sa.text("user_packet_id is not null"),
        postgresql_where=sa.text("user_packet_id is not null"),
    )
    op.create_index(op.f("ix_packet_code_digest"), "packet", ["code_digest"], unique=False)
    op.create_index(
        op.f("ix_packet_key_day_final_at"), "packet", ["key_day", "final_at"], unique=False
    )
    op.create_index(
        op.f("ix_packet_phone_digest_account_id_created_at"),
        "packet",
        ["phone_digest", "account_id", "created_at"],
        unique=False,
    )
    op.create_table(
        "tariff_price",
        sa.Column("tariff_id", INT, nullable=False),
        sa.Column("zone", INT, nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("price", INT, nullable=False),
        sa.Column("cost", INT, nullable=False),
        sa.CheckConstraint(
            "cost between 0 and 1000000000000000", name=op.f("ck_tariff_price_cost")
        ),
        sa.CheckConstraint(
            "price between 1 and 1000000000000000", name=op.f("ck_tariff_price_price")
        ),
        sa.ForeignKeyConstraint(
            ["tariff_id"], ["tariff.id"], name=op.f("fk_tariff_price_tariff_id")
        ),
        sa.PrimaryKeyConstraint("tariff_id", "zone", "channel", name=op.f("pk_tariff_price")),
        sqlite_strict=True,
    )
    op.create_table(
        "tariff_zone",
        sa.Column("tariff_id", INT, nullable=False),
        sa.Column("prefix", sa.Text(), nullable=False),
        sa.Column("zone", INT, nullable=False),
        sa.ForeignKeyConstraint(
            ["tariff_id"], ["tariff.id"], name=op.f("fk_tariff_zone_tariff_id")
        ),
        sa.PrimaryKeyConstraint("tariff_id", "prefix", name=op.f("pk_tariff_zone")),
        sqlite_strict=True,
    )
    op.create_table(
        "event",
        sa.Column("id", INT, nullable=False),
        sa.Column("packet_id", INT, nullable=False),
        sa.Column("at", INT, nullable=False),
        sa.Column("num", INT, nullable=False),
        sa.Column("word", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["packet_id"], ["packet.id"], name=op.f("fk_event_packet_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_event")),
        sqlite_strict=True,
    )
    op.create_index(op.f("ix_event_packet_id"), "event", ["packet_id"], unique=False)
    op.create_table(
        "message",
        sa.Column("id", INT, autoincrement=False, nullable=False),
        sa.Column("packet_id", INT, nullable=False),
        sa.Column("num", INT, nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("price", INT, nullable=False),
        sa.Column("created_at", INT, nullable=False),
        sa.Column("ends_at", INT, nullable=False),
        sa.Column("decide_at", INT, nullable=True),
        sa.Column("due_at", INT, nullable=True),
        sa.Column("task", sa.Text(), nullable=True),
        sa.Column("handover_at", INT, nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("attempts", INT, nullable=False),
        sa.Column("epoch", INT, nullable=False),
        sa.Column("lease_until", INT, nullable=True),
        sa.Column("provider_id", sa.Text(), nullable=True),
        sa.Column("settles_at", INT, nullable=True),
        sa.Column("refunded", INT, nullable=False),
        sa.Column("delivered_at", INT, nullable=True),
        sa.Column("final_at", INT, nullable=True),
        sa.Column("corrected", sa.Text(), nullable=True),
        sa.Column("corrected_at", INT, nullable=True),
        sa.Column("node", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "(state in ('confirmed', 'failed', 'expired')) = (final_at is not null)",
            name=op.f("ck_message_final"),
        ),
        sa.CheckConstraint(
            "(state in ('failed', 'expired')) = (reason is not null)",
            name=op.f("ck_message_reason"),
        ),
        sa.CheckConstraint(
            "state in ('queued', 'sent', 'delivered', 'confirmed', 'failed', 'expired')",
            name=op.f("ck_message_state"),
        ),
        sa.CheckConstraint(
            "(final_at is null) = (decide_at is not null)", name=op.f("ck_message_decide_at")
        ),
        sa.CheckConstraint("(task is null) = (due_at is null)", name=op.f("ck_message_task")),
        sa.CheckConstraint("attempts >= 0 and epoch >= attempts", name=op.f("ck_message_attempts")),
        sa.CheckConstraint("id between 7000000 and 2147483647", name=op.f("ck_message_id")),
        sa.CheckConstraint("price between 0 and 1000000000000000", name=op.f("ck_message_price")),
        sa.CheckConstraint("refunded = 0 or reason is not null", name=op.f("ck_message_refund")),
        sa.CheckConstraint("refunded in (0, 1)", name=op.f("ck_message_refunded")),
        sa.ForeignKeyConstraint(["packet_id"], ["packet.id"], name=op.f("fk_message_packet_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_message")),
        sa.UniqueConstraint("packet_id", "num", name=op.f("uq_message_packet_id_num")),
        sqlite_strict=True,
    )
    op.create_index(
        op.f("ix_message_channel_provider_id"),
        "message",
        ["channel", "provider_id"],
        unique=False,
        sqlite_where=sa.text("provider_id is not null"),
        postgresql_where=sa.text("provider_id is not null"),
    )
    op.create_index(
        op.f("ix_message_decide_at"),
        "message",
        ["decide_at"],
        unique=False,
        sqlite_where=sa.text("decide_at is not null"),
        postgresql_where=sa.text("decide_at is not null"),
    )
    op.create_index(
        op.f("ix_message_task_channel_due_at"),
        "message",
        ["task", "channel", "due_at"],
        unique=False,
        sqlite_where=sa.text("due_at is not null"),
        postgresql_where=sa.text("due_at is not null"),
    )
    op.create_table(
        "unique_id",
        sa.Column("account_id", INT, nullable=False),
        sa.Column("user_message_id", sa.Text(), nullable=False),
        sa.Column("packet_id", INT, nullable=False),
        sa.Column("at", INT, nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("fk_unique_id_account_id")
        ),
        sa.ForeignKeyConstraint(["packet_id"], ["packet.id"], name=op.f("fk_unique_id_packet_id")),
        sa.PrimaryKeyConstraint("account_id", "user_message_id", name=op.f("pk_unique_id")),
        sqlite_strict=True,
    )
    op.create_index(op.f("ix_unique_id_at"), "unique_id", ["at"], unique=False)
    op.create_table(
        "provider_alias",
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("provider_id", sa.Text(), nullable=False),
        sa.Column("message_id", INT, nullable=False),
        sa.ForeignKeyConstraint(
            ["message_id"], ["message.id"], name=op.f("fk_provider_alias_message_id")
        ),
        sa.PrimaryKeyConstraint(
            "channel", "provider_id", "message_id", name=op.f("pk_provider_alias")
        ),
        sqlite_strict=True,
    )
    op.create_table(
        "transfer",
        sa.Column("id", INT, nullable=False),
        sa.Column("account_id", INT, nullable=False),
        sa.Column("at", INT, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("debit", sa.Text(), nullable=False),
        sa.Column("credit", sa.Text(), nullable=False),
        sa.Column("amount", INT, nullable=False),
        sa.Column("customer", INT, nullable=False),
        sa.Column("balance_after", INT, nullable=True),
        sa.Column("packet_id", INT, nullable=True),
        sa.Column("message_id", INT, nullable=True),
        sa.Column("attempt", INT, nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.Column("comment", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "amount between 0 and 1000000000000000 and debit <> credit",
            name=op.f("ck_transfer_amount"),
        ),
        sa.CheckConstraint(
            "customer = 0 or balance_after is not null", name=op.f("ck_transfer_balance_after")
        ),
        sa.CheckConstraint("customer in (0, amount, -amount)", name=op.f("ck_transfer_customer")),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("fk_transfer_account_id")
        ),
        sa.ForeignKeyConstraint(
            ["message_id"], ["message.id"], name=op.f("fk_transfer_message_id")
        ),
        sa.ForeignKeyConstraint(["packet_id"], ["packet.id"], name=op.f("fk_transfer_packet_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_transfer")),
        sa.UniqueConstraint(
            "message_id", "kind", "attempt", name=op.f("uq_transfer_message_id_kind_attempt")
        ),
        sqlite_strict=True,
    )
    op.create_index(
        op.f("ix_transfer_account_id_id"),
        "transfer",
        ["account_id", "id"],
        unique=False,
        sqlite_where=sa.text("balance_after is not null"),
        postgresql_where=sa.text("balance_after is not null"),
    )

    sequence = sa.table("sequence", sa.column("name", sa.Text), sa.column("next", INT))
    op.bulk_insert(
        sequence, [{"name": "packet", "next": 1_000_000}, {"name": "message", "next": 7_000_000}]
    )
