"""Accounts, their secrets and hand-made transfers, tariffs and routes in SQLite."""

from __future__ import annotations

import json
import sqlite3
from collections import defaultdict
from typing import Any

from kodgate.core.accounts import Account
from kodgate.core.tariffs import Price, Tariff
from kodgate.core.types import Transfer
from kodgate.store import Route, batches, rows, sql
from kodgate.store.placing import transfer_row


def account(db: sqlite3.Connection, query: str, key: str | int) -> Account | None:
    found = accounts(db, query, key)
    return found[0] if found else None


def accounts(db: sqlite3.Connection, query: str, *key: str | int) -> list[Account]:
    lines = db.execute(query, key).fetchall()
    secrets = defaultdict(list)
    for row in db.execute(sql.SECRETS, (json.dumps([line[0] for line in lines]),)):
        secrets[row[4]].append(row)
    return [rows.account_of(line, secrets[line[0]]) for line in lines]


def create(db: sqlite3.Connection, line: tuple[Any, ...]) -> Account:
    created = db.execute(sql.INSERT_ACCOUNT, line).fetchall()
    if not created:
        raise ValueError("this login is taken")
    return _existing(db, created[0][0])


def change(db: sqlite3.Connection, account_id: int, line: tuple[Any, ...]) -> Account:
    db.execute(sql.CHANGE_ACCOUNT, line)
    db.execute(sql.RAISE_LIMIT_MAX, (account_id,))
    return _existing(db, account_id)


def _existing(db: sqlite3.Connection, account_id: int) -> Account:
    found = account(db, sql.ACCOUNT_BY_ID, account_id)
    if found is None:
        raise LookupError("no such account")
    return found


def add_secret(
    db: sqlite3.Connection,
    account_id: int,
    digest: bytes,
    *,
    at: int,
    others_expire_at: int | None,
) -> None:
    if others_expire_at is not None:
        db.execute(sql.END_SECRETS, (others_expire_at, account_id, others_expire_at))
    db.execute(sql.ADD_API_KEY, (account_id, digest, at))


def post(
    db: sqlite3.Connection,
    account_id: int,
    transfer: Transfer,
    *,
    at: int,
    document: str,
    comment: str,
) -> int:
    """The balance after it."""
    funds = _existing(db, account_id)
    balance = funds.balance + transfer.customer
    line = transfer_row(
        transfer,
        account_id=account_id,
        at=at,
        balance_after=balance,
        document=document,
        comment=comment,
    )
    batches.many(db, sql.INSERT_TRANSFERS, [line])
    money = [(account_id, balance, funds.held)]
    batches.change_all(db, sql.UPDATE_MONEY, money, sql.UPDATE_MONEY_TAIL)
    return balance


def save_tariff(db: sqlite3.Connection, tariff: Tariff, *, at: int) -> None:
    """The same name and `valid_from` again replaces that version; packets keep their prices."""
    saved = db.execute(sql.SAVE_TARIFF, (tariff.name, tariff.valid_from, at)).fetchall()
    id = saved[0][0]
    db.execute(sql.DELETE_ZONES, (id,))
    db.execute(sql.DELETE_PRICES, (id,))
    zones = [(id, prefix, zone) for prefix, zone in tariff.zones.items()]
    batches.many(db, sql.INSERT_ZONES, zones)
    prices = [(id, *key, row.price, row.cost) for key, row in tariff.prices.items()]
    batches.many(db, sql.INSERT_PRICES, prices)


def tariffs(db: sqlite3.Connection) -> list[Tariff]:
    zones: dict[int, dict[str, int]] = defaultdict(dict)
    for id, prefix, zone in db.execute(sql.ZONES):
        zones[id][prefix] = zone
    prices: dict[int, dict[tuple[int, str], Price]] = defaultdict(dict)
    for id, zone, channel, price, cost in db.execute(sql.PRICES):
        prices[id][zone, channel] = Price(price=price, cost=cost)
    return [
        Tariff(name=name, valid_from=valid_from, zones=zones[id], prices=prices[id])
        for id, name, valid_from in db.execute(sql.TARIFFS).fetchall()
    ]


def routes(db: sqlite3.Connection) -> list[Route]:
    return [
        Route(name=row[0], channel=row[1], profile=row[2], created_at=row[3])
        for row in db.execute(sql.ROUTES)
    ]
