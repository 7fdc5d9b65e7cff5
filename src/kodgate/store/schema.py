"""The tables, for every database; `migrations` brings a database to them.

Instants are business-clock milliseconds, money is in 1/10,000 of the currency unit, flags are 0
or 1. Words (states, kinds, channels) are text, so that a new one needs no migration.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from kodgate.core.money import MONEY_MAX

PACKET_ID_MIN = 1_000_000
MESSAGE_ID_MIN = 7_000_000
ID_MAX = 2**31 - 1
"""Clients keep ids in 32-bit integers."""

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

_INT = BigInteger().with_variant(Integer(), "sqlite")


def _table(name: str, *parts: Column[object] | CheckConstraint | UniqueConstraint | Index) -> Table:
    return Table(name, metadata, *parts, sqlite_strict=True)


def _id() -> Column[object]:
    """Given by the database."""
    return Column("id", _INT, primary_key=True)


def _int(name: str, *more: ForeignKey, null: bool = False, **options: Any) -> Column[object]:
    return Column(name, _INT, *more, nullable=null, **options)


def _text(name: str, *, null: bool = False, **options: Any) -> Column[object]:
    return Column(name, Text(), nullable=null, **options)


def _blob(name: str) -> Column[object]:
    return Column(name, LargeBinary(), nullable=False)


def _flag(name: str) -> tuple[Column[object], CheckConstraint]:
    return _int(name), CheckConstraint(f"{name} in (0, 1)", name=name)


def _check(name: str, rule: str) -> CheckConstraint:
    return CheckConstraint(rule, name=name)


def _where(condition: str) -> dict[str, Any]:
    return {"sqlite_where": text(condition), "postgresql_where": text(condition)}


OPEN = "'queued', 'sent', 'delivered'"
FINAL = "'confirmed', 'failed', 'expired'"

account = _table(
    "account",
    _id(),
    _text("login", unique=True),
    _text("name"),
    _text("status"),
    _text("tariff"),
    _int("credit_limit"),
    _int("credit_limit_max"),  # the largest that it ever was: what a lowered limit leaves behind
    _int("balance"),
    _int("held"),
    _int("created_at"),
    _text("settings"),
    _int("spent_on", server_default=text("0")),  # the day of UTC of the newest charge or refund
    _int("spent", server_default=text("0")),  # charges less refunds of that day
    _int("stopped_at", null=True),  # since when it takes no orders; set, a rule was broken
    _text("stopped_why", server_default=text("''")),
    _check("balance", f"balance between -{MONEY_MAX} and {MONEY_MAX}"),
    _check("held", f"held between 0 and {MONEY_MAX}"),
    _check("credit_limit", f"credit_limit between 0 and {MONEY_MAX}"),
)

api_secret = _table(
    "api_secret",
    _id(),
    _int("account_id", ForeignKey("account.id")),
    _blob("digest"),
    _int("created_at"),
    _int("expires_at", null=True),
    Index(None, "account_id"),
)

tariff = _table(
    "tariff",
    _id(),
    _text("name"),
    _int("valid_from"),
    _int("saved_at"),
    UniqueConstraint("name", "valid_from"),
)

tariff_zone = _table(
    "tariff_zone",
    _int("tariff_id", ForeignKey("tariff.id"), primary_key=True),
    _text("prefix", primary_key=True),
    _int("zone"),
)

tariff_price = _table(
    "tariff_price",
    _int("tariff_id", ForeignKey("tariff.id"), primary_key=True),
    _int("zone", primary_key=True),
    _text("channel", primary_key=True),
    _int("price"),
    _int("cost"),
    _check("price", f"price between 1 and {MONEY_MAX}"),
    _check("cost", f"cost between 0 and {MONEY_MAX}"),
)

route = _table(
    "route",
    _text("name", primary_key=True),
    _text("channel"),
    _text("profile"),
    _int("created_at"),
)

route_password = _table(
    "route_password",
    _text("route", primary_key=True),
    _blob("sealed"),  # by the keyring
)

bind_lease = _table(
    "bind_lease",
    _text("route", primary_key=True),
    _int("num", primary_key=True, autoincrement=False),
    _text("node"),
    _text("holder"),  # the process; empty: nobody
    _int("epoch"),
    _int("lease_until"),
    _text("why"),  # it is not bound; empty: it is
)

bidder = _table(
    "bidder",
    _text("holder", primary_key=True),
    _text("node"),
    _int("lease_until"),
    *_flag("failing"),
)

packet = _table(
    "packet",
    _int("id", primary_key=True, autoincrement=False),
    _int("account_id", ForeignKey("account.id")),
    _int("created_at"),
    _int("zone"),
    _int("ttl_s"),
    _blob("phone"),
    _blob("phone_digest"),
    _text("phone_mask"),
    _blob("code"),
    _blob("code_digest"),
    _text("key_day"),
    _text("dialect"),
    _text("user_packet_id", null=True),
    _text("user_message_id", null=True),
    *_flag("test"),
    _text("caller_ip"),
    _text("plan"),
    _int("held"),
    *_flag("reserve"),
    _int("answered_at", null=True),
    _int("confirm_tries"),
    _int("confirmed_at", null=True),
    _int("final_at", null=True),  # of its newest message; none: the packet is open
    _check("id", f"id between {PACKET_ID_MIN} and {ID_MAX}"),
    _check("held", f"held between 0 and {MONEY_MAX}"),
    _check("final", "final_at is null or held = 0"),
    # Operators search a phone over all accounts, so the digest leads.
    # One index for a phone's packets and for live equals of a code: each random page that an accept
    # touches is a page more to sync.
    Index(None, "phone_digest", "account_id", "code_digest", "created_at"),
    Index(
        None, "account_id", "user_message_id", "created_at", **_where("user_message_id is not null")
    ),
    Index(
        None, "account_id", "user_packet_id", "created_at", **_where("user_packet_id is not null")
    ),
    Index(None, "key_day", "final_at"),
    Index(None, "account_id", "created_at"),  # the cabinet's lists, newest first
)

message = _table(
    "message",
    _int("id", primary_key=True, autoincrement=False),
    _int("packet_id", ForeignKey("packet.id")),
    _int("num"),
    _text("channel"),
    _text("state"),
    _int("price"),
    _int("created_at"),
    _int("ends_at"),
    _int("decide_at", null=True),
    _int("due_at", null=True),
    _text("task", null=True),
    _int("handover_at", null=True),
    _text("reason", null=True),
    _int("attempts"),
    _int("epoch"),
    _int("lease_until", null=True),
    _text("provider_id", null=True),
    _int("settles_at", null=True),
    *_flag("refunded"),
    _int("delivered_at", null=True),
    _int("final_at", null=True),
    _text("corrected", null=True),
    _int("corrected_at", null=True),
    _text("node", null=True),  # who holds the lease
    _check("id", f"id between {MESSAGE_ID_MIN} and {ID_MAX}"),
    _check("state", f"state in ({OPEN}, {FINAL})"),
    _check("final", f"(state in ({FINAL})) = (final_at is not null)"),
    _check("reason", "(state in ('failed', 'expired')) = (reason is not null)"),
    _check("refund", "refunded = 0 or reason is not null"),
    _check("decide_at", "(final_at is null) = (decide_at is not null)"),
    _check("task", "(task is null) = (due_at is null)"),
    _check("price", f"price between 0 and {MONEY_MAX}"),
    _check("attempts", "attempts >= 0 and epoch >= attempts"),
    UniqueConstraint("packet_id", "num"),
    Index(None, "task", "channel", "due_at", **_where("due_at is not null")),
    Index(None, "decide_at", **_where("decide_at is not null")),
    Index(None, "channel", "provider_id", **_where("provider_id is not null")),
)

transfer = _table(
    "transfer",
    _id(),
    _int("account_id", ForeignKey("account.id")),
    _int("at"),
    _text("kind"),
    _text("debit"),
    _text("credit"),
    _int("amount"),
    _int("customer"),
    _int("balance_after", null=True),
    _int("packet_id", ForeignKey("packet.id"), null=True),
    _int("message_id", ForeignKey("message.id"), null=True),
    _int("attempt"),
    _text("document"),
    _text("comment"),
    _check("amount", f"amount between 0 and {MONEY_MAX} and debit <> credit"),
    _check("customer", "customer in (0, amount, -amount)"),
    _check("balance_after", "customer = 0 or balance_after is not null"),
    UniqueConstraint("message_id", "kind", "attempt"),
    Index(None, "account_id", "id", **_where("balance_after is not null")),
    Index(None, "account_id", "kind", "id", **_where("kind in ('topup', 'adjustment')")),
)

event = _table(
    "event",
    _id(),
    _int("packet_id", ForeignKey("packet.id")),
    _int("at"),
    _int("num"),
    _text("word"),
    _text("source"),
    _text("detail"),
    Index(None, "packet_id"),
)

provider_alias = _table(
    "provider_alias",
    _text("channel", primary_key=True),
    _text("provider_id", primary_key=True),
    _int("message_id", ForeignKey("message.id"), primary_key=True),
)

parked = _table(
    "parked",
    _text("channel", primary_key=True),
    _text("key", primary_key=True),
    _text("body", primary_key=True),  # the observation without its instant: a repeat parks once
    _int("at"),
    Index(None, "at"),
)

unique_id = _table(
    "unique_id",
    _int("account_id", ForeignKey("account.id"), primary_key=True),
    _text("user_message_id", primary_key=True),
    _int("packet_id", ForeignKey("packet.id")),
    _int("at"),
    Index(None, "at"),
)

sequence = _table(
    "sequence",
    _text("name", primary_key=True),
    _int("next"),
)

value = _table(
    "value",
    _text("key", primary_key=True),
    _text("value"),
)

cabinet_user = _table(
    "cabinet_user",
    _id(),
    _int("account_id", ForeignKey("account.id"), null=True),
    _text("login", unique=True),
    _text("email"),
    _text("role"),
    _text("password"),  # argon2id
    Column("totp", LargeBinary(), nullable=True),  # sealed by the keyring
    _int("totp_step"),  # the last time step that was used: none is used twice
    _text("language"),
    *_flag("disabled"),
    _int("created_at"),
    _check("role", "(role = 'operator') = (account_id is null)"),
    Index(None, "account_id"),
)

recovery_code = _table(
    "recovery_code",
    _int("user_id", ForeignKey("cabinet_user.id"), primary_key=True),
    Column("digest", LargeBinary(), primary_key=True),
    _int("used_at", null=True),
)

cabinet_session = _table(
    "cabinet_session",
    _id(),
    Column("digest", LargeBinary(), nullable=False, unique=True),  # of the cookie, never itself
    _int("user_id", ForeignKey("cabinet_user.id")),
    _text("csrf"),
    _text("stage"),
    _int("view_account_id", ForeignKey("account.id"), null=True),
    _int("created_at"),
    _int("seen_at"),
    _int("proved_at"),  # when the password was last given
    _int("expires_at"),
    _text("ip"),
    _text("agent"),
    Index(None, "user_id"),
)

blocked_prefix = _table(
    "blocked_prefix",
    _int("account_id", ForeignKey("account.id"), primary_key=True),
    _text("prefix", primary_key=True),
    _int("blocked_at"),
    _int("until", null=True),  # none: until a person ends it
    _int("times"),
    _int("sent"),
    _int("arrived"),
    _int("safe_until", null=True),  # a person has unblocked it
)

audit = _table(
    "audit",
    _int("id", primary_key=True, autoincrement=False),
    _int("at"),
    _int("account_id", ForeignKey("account.id"), null=True),
    _text("actor"),
    _text("action"),
    _text("detail"),
    _text("ip"),
    _blob("hash"),  # over this row and the hash before it
    Index(None, "account_id", "id"),
)

# A transfer that one operator asks for and another one books
proposal = _table(
    "proposal",
    _id(),
    _int("account_id", ForeignKey("account.id")),
    _int("at"),
    _text("actor"),
    _text("kind"),
    _int("amount"),
    _text("document"),
    _text("comment"),
    _text("state"),
    _text("decided_by"),  # empty: nobody yet
    _int("decided_at", null=True),
    _check("kind", "kind in ('topup', 'adjustment')"),
    _check("state", "state in ('waiting', 'approved', 'refused')"),
    _check("four_eyes", "state <> 'approved' or decided_by <> actor"),
    _check("decided", "(state = 'waiting') = (decided_at is null)"),
    Index(None, "account_id", **_where("state = 'waiting'")),
)

# What came of the messages, by the hour in which their packets were accepted (store/sums.py).
hour_message = _table(
    "hour_message",
    _int("account_id", ForeignKey("account.id"), primary_key=True),
    _int("hour", primary_key=True),
    _int("zone", primary_key=True),
    _text("channel", primary_key=True),
    _int("num", primary_key=True),
    _text("state", primary_key=True),
    _int("arrived", primary_key=True),
    _int("count"),
    _int("charged"),
    _int("refunded"),
)

hour_arrival = _table(
    "hour_arrival",
    _int("account_id", ForeignKey("account.id"), primary_key=True),
    _int("hour", primary_key=True),
    _text("channel", primary_key=True),
    _int("ms", primary_key=True),  # the class that the time to arrival falls into
    _int("count"),
)

hour_transfer = _table(
    "hour_transfer",
    _int("account_id", ForeignKey("account.id"), primary_key=True),
    _int("hour", primary_key=True),
    _text("kind", primary_key=True),
    _int("count"),
    _int("amount"),
    _int("last_id"),
)

# What programs asked and were answered: a bounded sample, sealed (store/requests.py).
request_log = _table(
    "request_log",
    _id(),
    _text("request_id", unique=True),  # the x-request-id of the answer
    _int("at"),
    _int("account_id", ForeignKey("account.id")),
    _text("path"),
    _text("dialect"),
    _text("ip"),
    _int("error"),
    _text("why"),
    _int("took_us"),
    *_flag("in_query"),
    _int("packet_id", null=True),
    _int("purge_at", null=True),  # when the texts must be gone; none: they are
    _blob("sealed"),
    Index(None, "account_id", "at", "id"),
    Index(None, "account_id", "error", "at", **_where("error <> 0")),
    Index(None, "packet_id", **_where("packet_id is not null")),
    Index(None, "at"),
    Index(None, "purge_at", **_where("purge_at is not null")),
)

# Every request, counted by the minute and by the hour in which it was answered.
request_count = _table(
    "request_count",
    _int("account_id", ForeignKey("account.id"), primary_key=True),
    _int("span_ms", primary_key=True),
    _int("at", primary_key=True),
    _int("error", primary_key=True),
    _int("count"),
    _int("dropped"),  # of these, how many are in no row of the log
    Index(None, "span_ms", "at"),
)

# What money was moved by hand for: each document or form of an account once.
posting = _table(
    "posting",
    _int("account_id", ForeignKey("account.id"), primary_key=True),
    _text("once", primary_key=True),
    _int("at"),
)

# Wrong passwords at the cabinet's door, over all processes. Instants of the wall clock, ms.
sign_in_try = _table(
    "sign_in_try",
    _text("kind", primary_key=True),
    Column("digest", LargeBinary(), primary_key=True),  # of the login, its caller's network, both
    _int("count"),
    _int("first_at"),
    _int("last_at"),
    Index(None, "last_at"),
)
