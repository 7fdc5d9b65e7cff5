"""Счета: the list, and opening a new one."""

from __future__ import annotations

import re

from starlette.responses import Response

from kodgate.core import ledger, money, tariffs
from kodgate.core.accounts import DEFAULTS
from kodgate.web.cabinet.console.desk import act, desk, logins, look, record
from kodgate.web.cabinet.visit import Visit

LOGIN = re.compile(r"[a-z0-9][a-z0-9._-]{1,63}")
NAME_MAX = 100
QUERY_MAX = 64


async def show(visit: Visit) -> Response:
    query = visit.query.get("q", "").strip().lower()[:QUERY_MAX]
    found = [
        account
        for account in await visit.site.engine.store.accounts()
        if query in account.login or query in account.name.lower()
    ]
    now = visit.site.engine.clock.now()
    return visit.page(
        "console/accounts.html",
        accounts=found,
        query=query,
        tariffs=[(name, name) for name in await tariff_names(visit)],
        unarmed={
            account.id
            for account in found
            if not any(one.expires_at is None or one.expires_at > now for one in account.secrets)
        },
        proposals=await desk(visit).proposals.waiting(),
        logins=await logins(visit),
        totals=[sum(getattr(each, name) for each in found) for name in ("balance", "held")],
    )


async def tariff_names(visit: Visit) -> list[str]:
    """Every tariff that has a version in force now."""
    now = visit.site.engine.clock.now()
    versions = await visit.site.engine.store.tariffs()
    names = sorted({version.name for version in versions})
    return [name for name in names if tariffs.current(versions, name, now) is not None]


async def create(visit: Visit) -> Response:
    """An account without secrets, users and money: each is given on its own page."""
    form = visit.form
    login = form.get("login", "").strip().lower()
    if not LOGIN.fullmatch(login):
        return visit.go("accounts", note="bad_login")
    tariff = form.get("tariff", "")
    limit = amount(form.get("credit_limit", "").strip() or "0")
    if limit is None or limit < 0 or tariff not in await tariff_names(visit):
        return visit.go("accounts", note="bad_value")
    if ledger.needs_two(limit, desk(visit).facts.alone_max):
        return visit.go("accounts", note="limit_needs_two")
    try:
        account = await visit.site.engine.store.create_account(
            login=login,
            name=form.get("name", "").strip()[:NAME_MAX],
            at=visit.site.engine.clock.now(),
            tariff=tariff,
            credit_limit=limit,
            settings=DEFAULTS,
        )
    except ValueError:
        return visit.go("accounts", note="login_taken")
    desk(visit).engine.accounts.forget()
    await record(visit, "account_created", f"{login}, {tariff}", account)
    return visit.go(f"accounts/{account.id}", note="account_created")


def amount(text: str) -> int | None:
    """1/10,000 of the currency unit; None: it is no amount of money."""
    try:
        return money.parse("".join(text.replace("−", "-").split()))
    except ValueError:
        return None


PAGES = (look("accounts", show), act("accounts", create, proof=True))
