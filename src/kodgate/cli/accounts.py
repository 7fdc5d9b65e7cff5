"""`kodgate account ...`"""

from __future__ import annotations

import dataclasses
import re
from datetime import UTC, datetime
from typing import Any

import typer
from rich.console import Console
from rich.table import Table

from kodgate.cli.exits import REFUSED, USAGE, Failed
from kodgate.cli.opening import Opened, audit, with_store
from kodgate.cli.opening import new_secret as make_secret
from kodgate.config import Config
from kodgate.core import ledger, money
from kodgate.core import settings as account_settings
from kodgate.core.accounts import DEFAULTS, Account, AccountStatus
from kodgate.store import AlreadyBooked

_LOGIN = re.compile(r"[a-z0-9][a-z0-9._-]{1,63}")
OVERLAP_MAX_HOURS = 24.0


def create(
    config: Config, *, login: str, name: str, tariff: str, credit_limit: str, changes: list[str]
) -> int:
    """Creates the account and its first secret."""
    login = login.lower()
    if not _LOGIN.fullmatch(login):
        raise Failed("a login is 2 to 64 of a-z 0-9 . _ - and begins with a letter or digit", USAGE)
    limit = _amount(credit_limit)
    wanted = _changed(DEFAULTS, changes)
    secret = make_secret()

    async def work(opened: Opened) -> None:
        now = opened.clock.now()
        try:
            account = await opened.store.create_account(
                login=login, name=name, at=now, tariff=tariff, credit_limit=limit, settings=wanted
            )
        except ValueError as error:
            raise Failed(str(error), REFUSED) from None
        digest = opened.keyring.secret_digest(secret)
        await opened.store.add_secret(account.id, digest, at=now, others_expire_at=None)

    with_store(config, work, create=True)
    typer.echo(f"login:         {login}")
    typer.echo(f"http_password: {secret}   (shown only now)")
    return 0


def change(config: Config, *, login: str, changes: list[str]) -> int:
    """Settings by name, and the account's own fields: status, tariff, credit_limit."""

    async def work(opened: Opened) -> Account:
        account = await _account(opened, login)
        own, rest = _split(changes)
        try:
            status = AccountStatus(own["status"]) if "status" in own else None
        except ValueError:
            raise Failed("status is active or blocked", USAGE) from None
        limit = _amount(own["credit_limit"]) if "credit_limit" in own else None
        return await opened.store.change_account(
            account.id,
            status=status,
            credit_limit=limit,
            tariff=own.get("tariff"),
            settings=_changed(account.settings, rest) if rest else None,
        )

    changed = with_store(config, work)
    typer.echo(f"{changed.login}: {changed.status.value}, tariff {changed.tariff}")
    for field in dataclasses.fields(changed.settings):
        typer.echo(f"  {field.name} = {getattr(changed.settings, field.name)}")
    return 0


def resume(config: Config, *, login: str) -> int:
    """Lifts what a broken rule has stopped; the reason goes into the audit trail."""

    async def work(opened: Opened) -> str:
        account = await _account(opened, login)
        if not await opened.store.resume_account(account.id):
            raise Failed(f"{account.login} is not stopped", REFUSED)
        detail = f"{account.login}: {account.stopped_why}"
        await audit(opened, account_id=account.id, action="account_resumed", detail=detail)
        return detail

    typer.echo(f"{with_store(config, work)}: takes codes again")
    return 0


def show_all(config: Config) -> int:
    """One row an account."""

    async def work(opened: Opened) -> list[Account]:
        return await opened.store.accounts()

    table = Table("login", "name", "status", "tariff", "balance", "reserved", "limit", "secrets")
    found = with_store(config, work)
    for account in found:
        table.add_row(
            account.login,
            account.name,
            account.status.value if account.stopped_at is None else "stopped",
            account.tariff,
            *(_print(x) for x in (account.balance, account.held, account.credit_limit)),
            str(len(account.secrets)),
        )
    Console().print(table)
    for account in found:
        if account.stopped_at is not None:
            typer.echo(f"{account.login} takes no codes: {account.stopped_why}")
    return 0


def top_up(config: Config, *, login: str, amount: str, document: str, comment: str) -> int:
    """Money in; a negative amount is an adjustment."""
    value = _amount(amount)
    if value == 0:
        raise Failed("the amount must not be zero", USAGE)

    async def work(opened: Opened) -> int:
        account = await _account(opened, login)
        make = ledger.top_up if value > 0 else ledger.adjustment
        try:
            return await opened.store.post(
                account.id,
                make(account.id, value),
                at=opened.clock.now(),
                document=document,
                comment=comment,
            )
        except AlreadyBooked:
            text = f"{login} was topped up under document {document!r} before: nothing is booked"
            raise Failed(text, REFUSED) from None

    typer.echo(f"balance of {login}: {_print(with_store(config, work))}")
    return 0


def new_secret(config: Config, *, login: str, overlap_hours: float) -> int:
    """Rotation: the older secrets stay valid for the overlap (D13)."""
    if not 0 <= overlap_hours <= OVERLAP_MAX_HOURS:
        raise Failed("the overlap is 0 to 24 hours", USAGE)
    secret = make_secret()

    async def work(opened: Opened) -> None:
        account = await _account(opened, login)
        now = opened.clock.now()
        await opened.store.add_secret(
            account.id,
            opened.keyring.secret_digest(secret),
            at=now,
            others_expire_at=now + int(overlap_hours * 3_600_000),
        )

    with_store(config, work)
    typer.echo(f"http_password: {secret}   (shown only now)")
    return 0


def show_ledger(config: Config, *, login: str, limit: int) -> int:
    """The customer's side of the ledger."""

    async def work(opened: Opened) -> Any:
        account = await _account(opened, login)
        return await opened.store.ledger(account.id, limit=limit)

    table = Table("time (UTC)", "kind", "amount", "balance after", "packet", "message", "document")
    for entry in with_store(config, work):
        table.add_row(
            datetime.fromtimestamp(entry.at / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S"),
            entry.kind,
            _print(entry.amount),
            _print(entry.balance_after),
            str(entry.packet_id or ""),
            str(entry.message_id or ""),
            " ".join(filter(None, (entry.document, entry.comment))),
        )
    Console().print(table)
    return 0


async def _account(opened: Opened, login: str) -> Account:
    account = await opened.store.account(login.lower())
    if account is None:
        raise Failed(f"there is no account {login}", REFUSED)
    return account


_OWN = ("status", "tariff", "credit_limit")


def _split(changes: list[str]) -> tuple[dict[str, str], list[str]]:
    pairs = [(change.partition("=")[0], change) for change in changes]
    own = {name: change.partition("=")[2] for name, change in pairs if name in _OWN}
    return own, [change for name, change in pairs if name not in _OWN]


def _changed(settings: Any, changes: list[str]) -> Any:
    try:
        return account_settings.changed(settings, changes)
    except ValueError as error:
        raise Failed(str(error), USAGE) from None


def _amount(text: str) -> int:
    try:
        return money.parse(text)
    except ValueError as error:
        raise Failed(f"{text!r}: {error}", USAGE) from None


def _print(amount: int) -> str:
    return money.text(amount, money.decimals(amount))
