"""Many rows in one statement of SQLite, and reading what decisions need."""

from __future__ import annotations

import json
import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import chain
from typing import Any

from kodgate.core.ledger import Funds
from kodgate.core.orders import Order
from kodgate.core.types import Observation
from kodgate.store import rows, sql
from kodgate.store.advancing import Loaded, Parked, Unit
from kodgate.store.placing import DAY_MS, Known, Placing

CHUNKS = (64, 16, 4, 1)
"""Rows of one statement: few sizes, so that the prepared statements are found again."""


@lru_cache(maxsize=256)
def _statement(head: str, tail: str, width: int, count: int) -> str:
    row = f"({', '.join('?' * width)})"
    return f"{head} {', '.join([row] * count)} {tail}"


def many(
    connection: sqlite3.Connection, head: str, lines: Sequence[Sequence[Any]], tail: str = ""
) -> tuple[list[rows.Row], int]:
    """Runs `head (?, ...), (?, ...) tail` over all lines; what it returned, and rows changed."""
    found: list[rows.Row] = []
    before, place = connection.total_changes, 0
    for size in CHUNKS:
        while len(lines) - place >= size:
            part = lines[place : place + size]
            cursor = connection.execute(
                _statement(head, tail, len(part[0]), size), tuple(chain.from_iterable(part))
            )
            if cursor.description is not None:
                found += cursor.fetchall()
            place += size
    return found, connection.total_changes - before


def change_all(
    connection: sqlite3.Connection, head: str, lines: Sequence[Sequence[Any]], tail: str
) -> None:
    """An update that must meet a row for every line: a lost compare-and-set is a bug."""
    _, changed = many(connection, head, lines, tail)
    assert changed == len(lines), f"{len(lines) - changed} rows were not as they were read"


def known(connection: sqlite3.Connection, orders: Sequence[Order], stopped: set[int]) -> Known:
    """What placing these orders looks at."""
    accounts = json.dumps(sorted({order.account_id for order in orders} - stopped))
    found = Known(
        packet_id=next_id(connection, "packet"),
        message_id=next_id(connection, "message"),
        funds={
            row[0]: Funds(balance=row[1], held=row[2], credit_limit=row[3])
            for row in connection.execute(sql.FUNDS, (accounts,))
        },
    )
    unique = {
        (order.account_id, order.user_message_id)
        for order in orders
        if order.unique_days is not None and order.user_message_id is not None
    }
    for account, user_id, packet, at in many(connection, sql.FIRST, sorted(unique), sql.FIRST_TAIL)[
        0
    ]:
        found.first[account, user_id] = (packet, at)
    codes = {(order.code_digest,) for order in orders if order.code_generated}
    for code, until, ended in many(connection, sql.LIVE, sorted(codes), sql.LIVE_TAIL)[0]:
        found.live[code].append((until, ended))
    phones = {
        (order.phone_digest, order.account_id, order.at - DAY_MS)
        for order in orders
        if order.per_phone_10min or order.per_phone_day
    }
    oldest = {line[:2]: line for line in sorted(phones, reverse=True)}
    lines = list(oldest.values())
    for phone, account, at in many(connection, sql.RECENT, lines, sql.RECENT_TAIL)[0]:
        found.recent[phone, account].append(at)
    return found


def next_id(connection: sqlite3.Connection, name: str) -> int:
    found: int = connection.execute(sql.NEXT, (name,)).fetchone()[0]
    return found


def take_ids(connection: sqlite3.Connection, name: str, free: int) -> None:
    """Ids below `free` are used, for ever (I-19)."""
    assert connection.execute(sql.TAKE_IDS, (free, name, free)).rowcount == 1


def write_placing(connection: sqlite3.Connection, placing: Placing) -> None:
    lines = placing.rows
    if not lines.packets:
        return
    many(connection, sql.INSERT_PACKETS, lines.packets)
    many(connection, sql.INSERT_MESSAGES, lines.messages)
    many(connection, sql.INSERT_TRANSFERS, lines.transfers)
    many(connection, sql.INSERT_UNIQUE, lines.unique_ids, sql.OR_REPLACE_UNIQUE)
    money = [
        (account, placing.known.funds[account].balance, placing.known.funds[account].held)
        for account in lines.touched
    ]
    change_all(connection, sql.UPDATE_MONEY, money, sql.UPDATE_MONEY_TAIL)
    take_ids(connection, "packet", placing.known.packet_id)
    take_ids(connection, "message", placing.known.message_id)


def load(connection: sqlite3.Connection, packet_ids: Iterable[int]) -> Loaded:
    """Packets with their messages and their accounts' money."""
    loaded = Loaded(message_id=next_id(connection, "message"))
    add_packets(connection, loaded, packet_ids)
    accounts = json.dumps(sorted({row.packet.account_id for row in loaded.packets.values()}))
    for account, balance, held, _ in connection.execute(sql.FUNDS, (accounts,)):
        loaded.money[account] = (balance, held)
    return loaded


def add_packets(connection: sqlite3.Connection, loaded: Loaded, packet_ids: Iterable[int]) -> None:
    ids = json.dumps(sorted(set(packet_ids)))
    messages = defaultdict(list)
    for row in connection.execute(sql.MESSAGES, (ids,)):
        messages[row[1]].append(row)
    for row in connection.execute(sql.PACKETS, (ids,)):
        loaded.add(row, messages[row[0]])


def load_for(connection: sqlite3.Connection, observations: Sequence[Observation]) -> Loaded:
    """The packets that these observations may speak of, and the receipts that wait for them."""
    ids = json.dumps([seen.message_id for seen in observations if seen.message_id is not None])
    packets = {row[0] for row in connection.execute(sql.PACKETS_OF_MESSAGES, (ids,))}
    keys: dict[str, set[str]] = defaultdict(set)
    for seen in observations:
        if seen.message_id is None and seen.channel is not None:
            keys[seen.channel].update(seen.keys)
    matches = [
        (channel, row)
        for channel, texts in keys.items()
        for query in (sql.BY_PROVIDER_ID, sql.BY_ALIAS)
        for row in connection.execute(query, (channel, json.dumps(sorted(texts))))
    ]
    loaded = load(connection, packets | {row[0] for _, row in matches})
    for channel, row in matches:
        loaded.keys[channel, row[2]].add(row[1])
    _load_parked(connection, loaded, observations)
    return loaded


def _load_parked(
    connection: sqlite3.Connection, loaded: Loaded, observations: Sequence[Observation]
) -> None:
    news = json.dumps(
        sorted({seen.provider_id for seen in observations if seen.provider_id is not None})
    )
    if news == "[]":
        return
    channels = {m.channel for row in loaded.packets.values() for m in row.messages}
    for channel in channels:
        for row in connection.execute(sql.PARKED, (channel, news)).fetchall():
            seen = rows.observation_of(row[2], row[3])
            loaded.parked[channel, row[1]].append(Parked(seen=seen, body=row[2]))


def write_unit(connection: sqlite3.Connection, unit: Unit) -> None:
    """All that the decisions of a unit changed."""
    loaded, writes = unit.loaded, unit.writes
    many(connection, sql.INSERT_MESSAGES, [unit.message_row(id) for id in sorted(writes.created)])
    changed = [_news(unit.message_row(id)) for id in sorted(writes.changed - writes.created)]
    change_all(connection, sql.UPDATE_MESSAGES, changed, sql.UPDATE_MESSAGES_TAIL)
    packets = [_packet_news(loaded, id) for id in sorted(writes.packets)]
    change_all(connection, sql.UPDATE_PACKETS, packets, sql.UPDATE_PACKETS_TAIL)
    many(connection, sql.INSERT_TRANSFERS, writes.transfers)
    many(connection, sql.INSERT_TRANSFERS, writes.bookings, sql.OR_IGNORE)
    money = [(account, *loaded.money[account]) for account in sorted(writes.accounts)]
    change_all(connection, sql.UPDATE_MONEY, money, sql.UPDATE_MONEY_TAIL)
    many(connection, sql.INSERT_ALIASES, writes.aliases, sql.OR_IGNORE)
    many(connection, sql.INSERT_EVENTS, writes.events)
    many(connection, sql.DELETE_PARKED, sorted(writes.unparked), sql.DELETE_PARKED_TAIL)
    parked = [(*place, at) for place, at in writes.parked.items()]
    many(connection, sql.INSERT_PARKED, parked, sql.OR_IGNORE)
    if writes.created:
        take_ids(connection, "message", loaded.message_id)


_NEWS = [rows.MESSAGE.split(", ").index(name) for name in sql.MESSAGE_NEWS]


def _news(row: rows.Row) -> tuple[Any, ...]:
    return tuple(row[place] for place in _NEWS)


def _packet_news(loaded: Loaded, packet_id: int) -> tuple[Any, ...]:
    row = loaded.packets[packet_id]
    packet = row.packet
    return (
        packet_id,
        packet.held,
        packet.answered_at,
        packet.confirm_tries,
        packet.confirmed_at,
        rows.final_at(row.messages),
    )
