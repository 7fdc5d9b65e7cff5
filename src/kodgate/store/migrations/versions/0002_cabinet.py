"""The cabinet: users, their sessions and recovery codes, the audit trail, packets by account."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

INT = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "cabinet_user",
        sa.Column("id", INT, nullable=False),
        sa.Column("account_id", INT, nullable=True),
        sa.Column("login", sa.Text(), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("password", sa.Text(), nullable=False),
        sa.Column("totp", sa.LargeBinary(), nullable=True),
        sa.Column("totp_step", INT, nullable=False),
        sa.Column("language", sa.Text(), nullable=False),
        sa.Column("disabled", INT, nullable=False),
        sa.Column("created_at", INT, nullable=False),
        sa.CheckConstraint("disabled in (0, 1)", name=op.f("ck_cabinet_user_disabled")),
        sa.CheckConstraint(
            "(role = 'operator') = (account_id is null)", name=op.f("ck_cabinet_user_role")
        ),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("fk_cabinet_user_account_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_cabinet_user")),
        sa.UniqueConstraint("login", name=op.f("uq_cabinet_user_login")),
        sqlite_strict=True,
    )
    op.create_index(op.f("ix_cabinet_user_account_id"), "cabinet_user", ["account_id"])
    op.create_table(
        "recovery_code",
        sa.Column("user_id", INT, nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("used_at", INT, nullable=True),
        sa.ForeignKeyConstraint(
            ["user_id"], ["cabinet_user.id"], name=op.f("fk_recovery_code_user_id")
        ),
        sa.PrimaryKeyConstraint("user_id", "digest", name=op.f("pk_recovery_code")),
        sqlite_strict=True,
    )
    op.create_table(
        "cabinet_session",
        sa.Column("id", INT, nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("user_id", INT, nullable=False),
        sa.Column("csrf", sa.Text(), nullable=False),
        sa.Column("stage", sa.Text(), nullable=False),
        sa.Column("view_account_id", INT, nullable=True),
        sa.Column("created_at", INT, nullable=False),
        sa.Column("seen_at", INT, nullable=False),
        sa.Column("proved_at", INT, nullable=False),
        sa.Column("expires_at", INT, nullable=False),
        sa.Column("ip", sa.Text(), nullable=False),
        sa.Column("agent", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"], ["cabinet_user.id"], name=op.f("fk_cabinet_session_user_id")
        ),
        sa.ForeignKeyConstraint(
            ["view_account_id"], ["account.id"], name=op.f("fk_cabinet_session_view_account_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_cabinet_session")),
        sa.UniqueConstraint("digest", name=op.f("uq_cabinet_session_digest")),
        sqlite_strict=True,
    )
    op.create_index(op.f("ix_cabinet_session_user_id"), "cabinet_session", ["user_id"])
    op.create_table(
        "audit",
        sa.Column("id", INT, autoincrement=False, nullable=False),
        sa.Column("at", INT, nullable=False),
        sa.Column("account_id", INT, nullable=True),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("ip", sa.Text(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_audit_account_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit")),
        sqlite_strict=True,
    )
    op.create_index(op.f("ix_audit_account_id_id"), "audit", ["account_id", "id"])
    op.create_index(op.f("ix_packet_account_id_created_at"), "packet", ["account_id", "created_at"])
