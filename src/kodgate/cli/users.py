"""`kodgate user ...`: who may sign in to the cabinet and the operator's pages."""

from __future__ import annotations

import re
import sys

import typer
from rich.console import Console
from rich.table import Table

from kodgate.cli.exits import REFUSED, USAGE, Failed
from kodgate.cli.opening import Opened, audit, wall_ms, with_store
from kodgate.config import Config
from kodgate.store.cabinet import CabinetStore, User
from kodgate.store.tables import tables
from kodgate.web.cabinet import passwords
from kodgate.web.cabinet.roles import Role

LOGIN = re.compile(r"[a-z0-9][a-z0-9._-]{1,63}")


def create(config: Config, *, login: str, account: str, role: str, from_stdin: bool) -> int:
    """A user of an account, or, without one, an operator."""
    login = login.lower()
    if not LOGIN.fullmatch(login):
        raise Failed("a login is 2 to 64 of a-z 0-9 . _ - and begins with a letter or digit", USAGE)
    chosen = _role(role, account)
    password = _given() if from_stdin else passwords.generate()

    async def work(opened: Opened) -> None:
        await add(opened, login=login, account=account, role=chosen, password=password)

    with_store(config, work)
    typer.echo(f"login:    {login}   ({chosen.value})")
    if not from_stdin:
        typer.echo(f"password: {password}   (shown only now)")
    return 0


async def add(opened: Opened, *, login: str, account: str, role: Role, password: str) -> User:
    """Raises Failed."""
    found = await opened.store.account(account) if account else None
    if account and found is None:
        raise Failed(f"there is no account {account}", REFUSED)
    try:
        return await _cabinet(opened).create_user(
            account_id=None if found is None else found.id,
            login=login,
            role=role.value,
            password=passwords.make_hash(password),
            at=wall_ms(),
        )
    except ValueError as error:
        raise Failed(str(error), REFUSED) from None


def show_all(config: Config) -> int:
    async def work(opened: Opened) -> tuple[list[User], dict[int, str]]:
        logins = {account.id: account.login for account in await opened.store.accounts()}
        return await _cabinet(opened).users(), logins

    users, logins = with_store(config, work)
    table = Table("login", "role", "account", "second factor", "state")
    for user in users:
        account = "" if user.account_id is None else logins[user.account_id]
        factor = "" if user.totp is None else "on"
        table.add_row(user.login, user.role, account, factor, "disabled" if user.disabled else "")
    Console().print(table)
    return 0


def new_password(config: Config, *, login: str, from_stdin: bool) -> int:
    """Ends all sessions of the user."""
    password = _given() if from_stdin else passwords.generate()

    async def work(opened: Opened) -> None:
        user = await _user(opened, login)
        await _cabinet(opened).set_password(user.id, passwords.make_hash(password))
        await _audit(opened, user, "user_password")

    with_store(config, work)
    if not from_stdin:
        typer.echo(f"password: {password}   (shown only now)")
    return 0


def reset_totp(config: Config, *, login: str) -> int:
    """For who lost telephone and recovery codes; the password still guards the door."""

    async def work(opened: Opened) -> None:
        user = await _user(opened, login)
        await _cabinet(opened).set_totp(user.id, None)
        await _cabinet(opened).end_sessions(user.id)
        await _audit(opened, user, "totp_off")

    with_store(config, work)
    typer.echo(f"{login}: the second factor is off")
    return 0


def _role(role: str, account: str) -> Role:
    try:
        chosen = Role(role or ("owner" if account else "operator"))
    except ValueError:
        raise Failed(f"a role is one of {', '.join(Role)}", USAGE) from None
    if (chosen is Role.OPERATOR) == bool(account):
        raise Failed("an operator has no account; every other role needs --account", USAGE)
    return chosen


def _given() -> str:
    password = sys.stdin.readline().rstrip("\r\n")
    if not passwords.is_allowed(password):
        low, high = passwords.LENGTH_MIN, passwords.LENGTH_MAX
        raise Failed(f"a password has {low} to {high} characters", USAGE)
    return password


def _cabinet(opened: Opened) -> CabinetStore:
    return CabinetStore(tables(opened.store))


async def _user(opened: Opened, login: str) -> User:
    user = await _cabinet(opened).user(login.lower())
    if user is None:
        raise Failed(f"there is no user {login}", REFUSED)
    return user


async def _audit(opened: Opened, user: User, action: str) -> None:
    await audit(opened, account_id=user.account_id, action=action, detail=user.login)
