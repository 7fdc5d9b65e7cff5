"""Accounts, their secrets and hand-made transfers, tariffs and routes."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from kodgate.core.accounts import Account
from kodgate.core.tariffs import Price, Tariff
from kodgate.core.types import Transfer
from kodgate.store import AlreadyBooked, Route, rows, sql
from kodgate.store.placing import transfer_row
from kodgate.store.program import Many, Program, ask, many, write_all


def account(query: str, key: str | int) -> Program[Account | None]:
    found = yield from accounts(query, key)
    return found[0] if found else None


def accounts(query: str, *key: str | int) -> Program[list[Account]]:
    lines = yield from ask(query, *key)
    secrets = defaultdict(list)
    for row in (yield from ask(sql.SECRETS, [line[0] for line in lines])):
        secrets[row[4]].append(row)
    return [rows.account_of(line, secrets[line[0]]) for line in lines]


def create(line: tuple[Any, ...]) -> Program[Account]:
    """Raises ValueError where the login is taken."""
    created = yield from ask(sql.INSERT_ACCOUNT, *line)
    if not created:
        raise ValueError("this login is taken")
    return (yield from _existing(created[0][0]))


def change(account_id: int, line: tuple[Any, ...]) -> Program[Account]:
    yield from ask(sql.CHANGE_ACCOUNT, *line)
    yield from ask(sql.RAISE_LIMIT_MAX, account_id)
    return (yield from _existing(account_id))


def resume(account_id: int) -> Program[bool]:
    return bool((yield from ask(sql.RESUME_ACCOUNT, account_id)))


def _existing(account_id: int) -> Program[Account]:
    found = yield from account(sql.ACCOUNT_BY_ID, account_id)
    if found is None:
        raise LookupError("no such account")
    return found


def add_secret(
    account_id: int, digest: bytes, *, at: int, others_expire_at: int | None
) -> Program[None]:
    if others_expire_at is not None:
        yield from ask(sql.END_SECRETS, others_expire_at, account_id, others_expire_at)
    yield from ask(sql.ADD_API_KEY, account_id, digest, at)


def once_of(transfer: Transfer, document: str, once: str) -> str:
    """The key under which a transfer is made once; empty: it may be made again."""
    if transfer.kind == "topup" and document:
        return f"document {document}"
    return f"form {once}" if once else ""


def take(account_id: int, once: str, at: int) -> Program[None]:
    """Raises AlreadyBooked where the key was used before."""
    if once and not (yield from ask(sql.BOOK_ONCE, account_id, once, at)):
        raise AlreadyBooked


def post(
    account_id: int, transfer: Transfer, *, at: int, document: str, comment: str, once: str
) -> Program[int]:
    """The balance after it. Raises LookupError where there is no such account, AlreadyBooked."""
    funds = yield from ask(sql.FUNDS, [account_id])
    if not funds:
        raise LookupError("no such account")
    yield from take(account_id, once, at)
    left = rows.funds_of(funds[0]).after(transfer, at)
    line = transfer_row(
        transfer,
        account_id=account_id,
        at=at,
        balance_after=left.balance,
        document=document,
        comment=comment,
    )
    money = [rows.money_row(account_id, left)]
    yield from write_all(
        Many(sql.INSERT_TRANSFERS, [line]),
        Many(sql.UPDATE_MONEY, money, sql.UPDATE_MONEY_TAIL, exact=True),
    )
    return left.balance


def save_tariff(tariff: Tariff, *, at: int) -> Program[None]:
    """The same name and `valid_from` again replaces that version; packets keep their prices."""
    saved = yield from ask(sql.SAVE_TARIFF, tariff.name, tariff.valid_from, at)
    id = saved[0][0]
    yield from ask(sql.DELETE_ZONES, id)
    yield from ask(sql.DELETE_PRICES, id)
    zones = [(id, prefix, zone) for prefix, zone in tariff.zones.items()]
    yield from many(sql.INSERT_ZONES, zones)
    prices = [(id, *key, row.price, row.cost) for key, row in tariff.prices.items()]
    yield from many(sql.INSERT_PRICES, prices)


def tariffs() -> Program[list[Tariff]]:
    zones: dict[int, dict[str, int]] = defaultdict(dict)
    for id, prefix, zone in (yield from ask(sql.ZONES)):
        zones[id][prefix] = zone
    prices: dict[int, dict[tuple[int, str], Price]] = defaultdict(dict)
    for id, zone, channel, price, cost in (yield from ask(sql.PRICES)):
        prices[id][zone, channel] = Price(price=price, cost=cost)
    return [
        Tariff(name=name, valid_from=valid_from, zones=zones[id], prices=prices[id])
        for id, name, valid_from in (yield from ask(sql.TARIFFS))
    ]


def save_route(route: Route) -> Program[None]:
    line = (route.name, route.channel, route.profile, route.created_at)
    yield from ask(sql.SAVE_ROUTE, *line)
    yield from ask(sql.UNSEAL_ROUTE, route.name)
    if route.sealed is not None:
        yield from ask(sql.SEAL_ROUTE, route.name, route.sealed)


def remove_route(name: str) -> Program[bool]:
    yield from ask(sql.UNSEAL_ROUTE, name)
    return bool((yield from ask(sql.REMOVE_ROUTE, name)))


def routes() -> Program[list[Route]]:
    return [
        Route(name=row[0], channel=row[1], profile=row[2], created_at=row[3], sealed=row[4])
        for row in (yield from ask(sql.ROUTES))
    ]
