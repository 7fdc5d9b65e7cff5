"""What `kodgate up` puts into an empty gateway: an account with money, a tariff, a route."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from kodgate.channels.smpp.route import RouteProfile
from kodgate.cli import users
from kodgate.cli.exits import USAGE, Failed
from kodgate.cli.opening import Opened, is_secret, new_secret
from kodgate.core import ledger, money
from kodgate.core.accounts import Account, AccountSettings
from kodgate.core.tariffs import Price, Tariff
from kodgate.store.cabinet import CabinetStore
from kodgate.store.tables import tables
from kodgate.web import routes
from kodgate.web.cabinet import passwords
from kodgate.web.cabinet.roles import Role

LOGIN = "demo"
OPERATOR = "operator"
BALANCE = "1000.00"
SETTINGS = AccountSettings(sender="kodgate", template="Код: {code}")
TARIFF = Tariff(
    name="default",
    valid_from=0,
    zones={"7": 1, "": 2},
    prices={
        (1, "telegram"): Price(price=21_000),
        (1, "sms"): Price(price=42_000),
        (2, "telegram"): Price(price=25_000),
        (2, "sms"): Price(price=90_000),
    },
)
ROUTE = "sandbox"


async def prepare(
    opened: Opened, *, data: Path, smsc_port: int, environ: Mapping[str, str] = os.environ
) -> str:
    """Makes what is missing; returns the demo account's API secret."""
    if not any(t.name == TARIFF.name for t in await opened.store.tariffs()):
        await opened.store.save_tariff(TARIFF, at=opened.clock.now())
    await _save_route(opened, smsc_port)
    account = await opened.store.account(LOGIN)
    if account is None:
        account = await _create(opened, environ.get("KODGATE_DEMO_BALANCE", BALANCE))
    return await _secret(opened, account, data / "demo-secret", environ)


@dataclass(frozen=True, slots=True, kw_only=True)
class People:
    """The cabinet passwords that the screen prints."""

    demo: str
    operator: str


async def people(opened: Opened, *, data: Path, environ: Mapping[str, str] = os.environ) -> People:
    """The demo account's owner and an operator; makes who is missing."""
    given = environ.get("KODGATE_DEMO_PASSWORD")
    if given is not None and not passwords.is_allowed(given):
        raise Failed("KODGATE_DEMO_PASSWORD must have 12 to 128 characters", USAGE)
    return People(
        demo=await _person(opened, LOGIN, Role.OWNER, data / "demo-password", given),
        operator=await _person(opened, OPERATOR, Role.OPERATOR, data / "operator-password", given),
    )


async def _person(opened: Opened, login: str, role: Role, path: Path, given: str | None) -> str:
    """Kept beside the demo's secret: only a demo does so."""
    kept = path.read_text("utf-8").strip() if path.exists() else None
    password = given or kept or passwords.generate()
    cabinet = CabinetStore(tables(opened.store))
    user = await cabinet.user(login)
    if user is None:
        account = "" if role is Role.OPERATOR else LOGIN
        await users.add(opened, login=login, account=account, role=role, password=password)
    elif password != kept:
        await cabinet.set_password(user.id, passwords.make_hash(password))
    _keep(path, password, kept)
    return password


def _keep(path: Path, secret: str, kept: str | None) -> None:
    if secret != kept:
        path.touch(mode=0o600)
        path.write_text(secret + "\n", "utf-8")


async def _save_route(opened: Opened, smsc_port: int) -> None:
    profile = RouteProfile(
        name=ROUTE, host="127.0.0.1", port=smsc_port, system_id="sandbox", password="sandbox"
    )
    await routes.put(opened.store, opened.keyring, profile, at=opened.clock.now())


async def _create(opened: Opened, balance: str) -> Account:
    try:
        amount = money.parse(balance)
    except ValueError as error:
        raise Failed(f"KODGATE_DEMO_BALANCE: {error}", USAGE) from None
    now = opened.clock.now()
    account = await opened.store.create_account(login=LOGIN, name="Demo", at=now, settings=SETTINGS)
    if amount > 0:
        transfer = ledger.top_up(account.id, amount)
        await opened.store.post(account.id, transfer, at=now, document="demo", comment="play money")
    return dataclasses.replace(account, balance=amount)


async def _secret(opened: Opened, account: Account, path: Path, environ: Mapping[str, str]) -> str:
    """The secret that the screen prints: given, remembered, or made now. Only a demo keeps it."""
    given = environ.get("KODGATE_DEMO_SECRET")
    if given is not None and not is_secret(given):
        raise Failed("KODGATE_DEMO_SECRET must be 16 to 64 of A-Z a-z 0-9", USAGE)
    kept = path.read_text("ascii").strip() if path.exists() else None
    secret = given or kept or new_secret()
    digest = opened.keyring.secret_digest(secret)
    if not any(one.digest == digest for one in account.secrets):
        await opened.store.add_secret(
            account.id, digest, at=opened.clock.now(), others_expire_at=None
        )
    _keep(path, secret, kept)
    return secret
