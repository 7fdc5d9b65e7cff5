"""Named, plain SQL for every database.

`?` is a parameter, `:ids` and `:texts` are a list of integers or texts given as one parameter,
`:lock` keeps rows for a transaction that will change them; a database's driver puts in its own
words for these. Statements that take a batch are one statement for many rows: one step of the
database, during which other threads run. What differs more than that stands at the end.
"""

from __future__ import annotations

from kodgate.core.life import GRACE_MS
from kodgate.store import rows

REVISION = "0010"
"""The newest migration; a store refuses a database of another one."""


def _insert(table: str, columns: str) -> str:
    return f"insert into {table} ({columns}) values"


# Batches: a head, rows of parameters, a tail

INSERT_PACKETS = _insert("packet", rows.PACKET)
INSERT_MESSAGES = _insert("message", rows.MESSAGE)
INSERT_TRANSFERS = _insert("transfer", rows.TRANSFER)
INSERT_EVENTS = _insert("event", "packet_id, at, num, word, source, detail")
INSERT_ALIASES = _insert("provider_alias", "channel, provider_id, message_id")
INSERT_PARKED = _insert("parked", "channel, key, body, at")
INSERT_UNIQUE = _insert("unique_id", "account_id, user_message_id, packet_id, at")

OR_IGNORE = "on conflict do nothing"
OR_REPLACE_UNIQUE = (
    "on conflict (account_id, user_message_id)"
    " do update set packet_id = excluded.packet_id, at = excluded.at"
)

_MESSAGE_NEWS = tuple(
    name
    for name in rows.MESSAGE.split(", ")
    if name not in {"id", "packet_id", "num", "channel", "price", "created_at", "ends_at"}
)
MESSAGE_NEWS = ("id", *_MESSAGE_NEWS)

UPDATE_MESSAGES = f"with v ({', '.join(MESSAGE_NEWS)}) as (values"
# A message ends once: whoever wrote its end first wins, and a second end is an error (I-7).
UPDATE_MESSAGES_TAIL = (
    ") update message set "
    + ", ".join(f"{name} = v.{name}" for name in _MESSAGE_NEWS)
    + " from v where message.id = v.id"
    " and (message.final_at is null or message.final_at = v.final_at and message.state = v.state)"
)

UPDATE_PACKETS = "with v (id, held, answered_at, confirm_tries, confirmed_at, final_at) as (values"
UPDATE_PACKETS_TAIL = (
    ") update packet set held = v.held, answered_at = v.answered_at,"
    " confirm_tries = v.confirm_tries, confirmed_at = v.confirmed_at, final_at = v.final_at"
    " from v where packet.id = v.id"
)

UPDATE_MONEY = f"with v ({rows.MONEY}) as (values"
UPDATE_MONEY_TAIL = (
    ") update account set balance = v.balance, held = v.held, spent_on = v.spent_on,"
    " spent = v.spent from v where account.id = v.id"
)

DELETE_PARKED = "with v (channel, key, body) as (values"
DELETE_PARKED_TAIL = (
    ") delete from parked where (channel, key, body) in (select channel, key, body from v)"
)

# Accept

FUNDS = f"select {rows.FUNDS} from account where id in :ids order by id :lock"
FREE_IDS = "select name, next from sequence where name in :texts"
TAKE_IDS = "with v (name, next) as (values"
TAKE_IDS_TAIL = (
    ") update sequence set next = v.next from v"
    " where sequence.name = v.name and sequence.next <= v.next"
)

FIRST = "with v (account_id, user_message_id) as (values"
FIRST_TAIL = (
    ") select u.account_id, u.user_message_id, u.packet_id, u.at"
    " from v join unique_id u"
    " on u.account_id = v.account_id and u.user_message_id = v.user_message_id"
)
LIVE = "with v (phone_digest, account_id, code_digest) as (values"
LIVE_TAIL = (
    ") select p.code_digest, p.created_at + p.ttl_s * 1000, p.final_at"
    " from v join packet p on p.phone_digest = v.phone_digest and p.account_id = v.account_id"
    " and p.code_digest = v.code_digest where p.test = 0"
)
RECENT = "with v (phone_digest, since) as (values"
RECENT_TAIL = (
    ") select p.phone_digest, p.account_id, p.created_at from v join packet p"
    " on p.phone_digest = v.phone_digest and p.created_at > v.since where p.test = 0"
)

# Packets under lock

PACKETS = f"select {rows.PACKET} from packet where id in :ids"
PACKETS_TO_CHANGE = f"{PACKETS} order by id :lock"
MESSAGES = f"select {rows.MESSAGE} from message where packet_id in :ids order by num"
PACKETS_OF_MESSAGES = "select packet_id from message where id in :ids"
BY_PROVIDER_ID = (
    "select packet_id, id, provider_id from message where channel = ? and provider_id in :texts"
)
BY_ALIAS = (
    "select m.packet_id, m.id, a.provider_id from provider_alias a join message m"
    " on m.id = a.message_id where a.channel = ? and a.provider_id in :texts"
)
PARKED = "select channel, key, body, at from parked where channel = ? and key in :texts"

# The index (task, channel, due_at) serves it
CLAIMABLE = (
    "select id, packet_id from message"
    " where task = 'send' and channel = ? and due_at is not null and due_at <= ?"
    " and state = 'queued' and coalesce(handover_at, ends_at) > ?"
    " order by due_at limit ?"
)
DEADLINES = (
    "select id, packet_id from message where decide_at is not null and decide_at <= ?"
    " order by decide_at limit ?"
)
POLLS = (
    "select id, packet_id from message"
    " where task = 'poll' and channel = ? and due_at is not null and due_at <= ?"
    " order by due_at limit ?"
)
RESERVE_DEADLINES = (
    "update message set decide_at = ?,"
    " due_at = case when due_at < ? then ? else due_at end"
    " where id in :ids"
)
# A row that breaks a rule is looked at again later, so that it is not always the first one
SET_SEND_ASIDE = (
    "update message set due_at = ? where id = ? and task = 'send' and due_at is not null"
    " and final_at is null"
)
SET_DECISION_ASIDE = (
    "update message set decide_at = case when decide_at is null then decide_at else ? end,"
    " due_at = case when task = 'poll' then ? else due_at end where id = ?"
)
ACCOUNT_OF_PACKET = "select account_id from packet where id = ?"
# core.life.is_stuck, told to a database: `decide_at` itself is moved by every reservation
STUCK = (
    "select id from message where decide_at is not null and decide_at <= ?"
    " and case when state = 'queued' and handover_at is not null then handover_at"
    f" when settles_at > ends_at then settles_at + {GRACE_MS} else ends_at + {GRACE_MS} end <= ?"
    " and (state <> 'queued' or coalesce(lease_until, 0) <= ?)"
    " order by created_at, id limit ?"
)
WAITING = (
    "select id from message where task = 'send' and due_at > ? and state = 'queued'"
    " and coalesce(lease_until, 0) <= ? order by due_at, id limit ?"
)
RESERVE_POLLS = "update message set due_at = ? where id in :ids"
NEXT_CHANNEL = (
    "select min(channel) from message where task = ? and channel > ? and due_at is not null"
)
EARLIEST_DUE = (
    "select min(due_at) from message where task = ? and channel = ? and due_at is not null"
)
EARLIEST_DEADLINE = "select min(decide_at) from message where decide_at is not null"
LEASED_BY = (
    "select id, packet_id from message"
    " where task = 'send' and due_at is not null and lease_until is not null and node = ?"
)

# Proposals: decided once, and never approved by who asked

APPROVE = (
    "update proposal set state = 'approved', decided_by = ?, decided_at = ?"
    " where id = ? and state = 'waiting' and actor <> ?"
    " returning account_id, kind, amount, document, comment"
)
TOPPED_UP = (
    "select 1 from transfer where account_id = ? and kind = 'topup' and document = ?"
    " and balance_after is not null limit 1"
)

# Accounts, tariffs, routes, values

ACCOUNT_BY_LOGIN = f"select {rows.ACCOUNT} from account where login = ?"
ACCOUNT_BY_ID = f"select {rows.ACCOUNT} from account where id = ?"
ACCOUNTS = f"select {rows.ACCOUNT} from account order by id"
SECRETS = (
    "select id, digest, created_at, expires_at, account_id from api_secret"
    " where account_id in :ids order by id"
)
INSERT_ACCOUNT = (
    "insert into account (login, name, status, tariff, credit_limit, credit_limit_max, balance,"
    " held, created_at, settings) values (?, ?, 'active', ?, ?, ?, 0, 0, ?, ?)"
    " on conflict (login) do nothing returning id"
)
CHANGE_ACCOUNT = (
    "update account set status = coalesce(?, status), settings = coalesce(?, settings),"
    " credit_limit = coalesce(?, credit_limit), tariff = coalesce(?, tariff) where id = ?"
)
RAISE_LIMIT_MAX = (
    "update account set credit_limit_max = credit_limit"
    " where id = ? and credit_limit_max < credit_limit"
)
STOP_ACCOUNT = (
    "update account set stopped_at = ?, stopped_why = ? where id = ? and stopped_at is null"
)
RESUME_ACCOUNT = (
    "update account set stopped_at = null, stopped_why = ''"
    " where id = ? and stopped_at is not null returning id"
)
END_SECRETS = (
    "update api_secret set expires_at = ?"
    " where account_id = ? and (expires_at is null or expires_at > ?)"
)
ADD_API_KEY = "insert into api_secret (account_id, digest, created_at) values (?, ?, ?)"
SAVE_TARIFF = (
    "insert into tariff (name, valid_from, saved_at) values (?, ?, ?)"
    " on conflict (name, valid_from) do update set saved_at = excluded.saved_at returning id"
)
DELETE_ZONES = "delete from tariff_zone where tariff_id = ?"
DELETE_PRICES = "delete from tariff_price where tariff_id = ?"
INSERT_ZONES = _insert("tariff_zone", "tariff_id, prefix, zone")
INSERT_PRICES = _insert("tariff_price", "tariff_id, zone, channel, price, cost")
TARIFFS = "select id, name, valid_from from tariff order by name, valid_from"
ZONES = "select tariff_id, prefix, zone from tariff_zone"
PRICES = "select tariff_id, zone, channel, price, cost from tariff_price"
SAVE_ROUTE = (
    "insert into route (name, channel, profile, created_at) values (?, ?, ?, ?)"
    " on conflict (name) do update set channel = excluded.channel, profile = excluded.profile"
)
SEAL_ROUTE = "insert into route_password (route, sealed) values (?, ?)"
UNSEAL_ROUTE = "delete from route_password where route = ?"
REMOVE_ROUTE = "delete from route where name = ? returning name"
ROUTES = (
    "select name, channel, profile, created_at, sealed from route"
    " left join route_password on route = name order by name"
)
BINDS = (
    "select route, num, node, holder, epoch, lease_until, why from bind_lease order by route, num"
)
SAVE_BINDS = _insert("bind_lease", "route, num, node, holder, epoch, lease_until, why")
OR_REPLACE_BIND = (
    "on conflict (route, num) do update set node = excluded.node, holder = excluded.holder,"
    " epoch = excluded.epoch, lease_until = excluded.lease_until, why = excluded.why"
)
BIDDERS = "select holder, node, lease_until, failing from bidder"
DROP_BIDDERS = "delete from bidder where lease_until <= ? or holder = ? or node = ?"
ADD_BIDDER = "insert into bidder (holder, node, lease_until, failing) values (?, ?, ?, ?)"
GET = "select value from value where key = ?"
PUT = (
    "insert into value (key, value) values (?, ?)"
    " on conflict (key) do update set value = excluded.value"
)

# Reading

PACKET_BY_ID = "select id from packet where account_id = ? and id = ?"
PACKET_BY_MESSAGE = (
    "select p.id from message m join packet p on p.id = m.packet_id"
    " where p.account_id = ? and m.id = ?"
)


def _newest(name: str, more: str = "") -> str:
    return (
        f"select id from packet where account_id = ? and {name} = ?{more}"
        " order by created_at desc, id desc limit 1"
    )


PACKET_BY_USER_MESSAGE = _newest("user_message_id")
PACKET_BY_USER_PACKET = _newest("user_packet_id")
REAL_PACKET = {
    PACKET_BY_USER_MESSAGE: _newest("user_message_id", " and test = 0"),
    PACKET_BY_USER_PACKET: _newest("user_packet_id", " and test = 0"),
}
"""Asked where the newest one is a test: it hides no real packet of the same id (O-31)."""

FIND = (
    "select id from packet where phone_digest = ? and (cast(? as bigint) is null or account_id = ?)"
    " order by created_at desc, id desc limit ?"
)
TIMELINE = "select at, num, word, source, detail from event where packet_id = ? order by id"
LEDGER = (
    f"select {rows.LEDGER} from transfer where account_id = ? and balance_after is not null"
    " and (cast(? as bigint) is null or id < ?) order by id desc limit ?"
)
OPEN_COUNTS = (
    "select channel, state, count(*) from message where decide_at is not null"
    " group by channel, state"
)

# Housekeeping

RETENTIONS = "select id, settings from account"
NEXT_DAY = "select min(key_day) from packet where key_day > ?"
DAY_IS_OPEN = "select 1 from packet where key_day = ? and final_at is null limit 1"
DAY_ENDED_AFTER = (
    "select account_id, max(final_at) from packet"
    " where key_day = ? and final_at > ? group by account_id"
)
PRUNE_PARKED = "delete from parked where at < ?"
BOOK_ONCE = (
    "insert into posting (account_id, once, at) values (?, ?, ?)"
    " on conflict do nothing returning account_id"
)
PRUNE_UNIQUE = "delete from unique_id where at < ?"

# What differs on PostgreSQL: several nodes look for work at once, and the packet is what is locked

_OPEN_PACKET = (
    " from message m join packet p on p.id = m.packet_id where {which}"
    " limit ? for no key update of p skip locked"
)


def _to_take(which: str) -> str:
    return "select m.id, m.packet_id" + _OPEN_PACKET.format(which=which)


POSTGRES = {
    CLAIMABLE: _to_take(
        "m.task = 'send' and m.channel = ? and m.due_at is not null and m.due_at <= ?"
        " and m.state = 'queued' and coalesce(m.handover_at, m.ends_at) > ? order by m.due_at"
    ),
    DEADLINES: _to_take("m.decide_at is not null and m.decide_at <= ? order by m.decide_at"),
    POLLS: _to_take(
        "m.task = 'poll' and m.channel = ? and m.due_at is not null and m.due_at <= ?"
        " order by m.due_at"
    ),
}
"""Statement -> the one that stands for it there."""

BEGIN_READING = "begin isolation level repeatable read, read only"
TAKE_BLOCK = "update sequence set next = next + $1 where name = $2 returning next - $1"
HOLD_KEYS = "select pg_advisory_xact_lock(key) from unnest($1::bigint[]) as key"
WAKE = "select pg_notify($1, $2)"
