"""Сверка книги: the last check of every invariant, and what the house accounts hold."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import Any

from starlette.responses import Response

from kodgate.core.ledger import ADJUSTMENTS, REVENUE, TOP_UPS
from kodgate.web.cabinet.console.desk import act, desk, look, record
from kodgate.web.cabinet.visit import Visit
from kodgate.web.cabinet.words import N_

CHECK_KEY = "console ledger check"

CUSTOMERS = "customers"
MEANINGS = {
    CUSTOMERS: N_("должны клиентам: сумма их балансов"),
    REVENUE: N_("выручка за коды, за вычетом возвратов"),
    TOP_UPS: N_("получено от клиентов"),
    ADJUSTMENTS: N_("корректировки оператора"),
}
PROVIDER_MEANINGS = {
    "prepaid": N_("истрачено из предоплаты поставщику"),
    "cost": N_("обошлось"),
    "receivable": N_("поставщик должен вернуть"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sum:
    """One house account. `amount`: 1/10,000; of the provider's currency where it is one's."""

    name: str
    meaning: str
    amount: int
    ours: bool


async def show(visit: Visit) -> Response:
    store = visit.site.engine.store
    text = await store.get(CHECK_KEY)
    check = None if text is None else json.loads(text)
    accounts = await store.accounts()
    return visit.page(
        "console/ledger.html",
        check=check,
        ago_ms=None if check is None else max(0, visit.site.wall_ms() - check["at"]),
        sums=[] if check is None else [_sum(name, amount) for name, amount in check["sums"]],
        agrees=check is not None and _agree(check),
        balances=sum(account.balance for account in accounts),
        held=sum(account.held for account in accounts),
    )


def _sum(name: str, amount: int) -> Sum:
    ours = name in MEANINGS
    word = MEANINGS.get(name) or PROVIDER_MEANINGS.get(name.rpartition(":")[2], "")
    return Sum(name=name, meaning=word, amount=amount, ours=ours)


def _agree(check: dict[str, Any]) -> bool:
    """Every transfer takes what it gives, so that all accounts of the book sum to nothing."""
    total: int = sum(amount for _, amount in check["sums"])
    return total == 0


async def verify(visit: Visit) -> Response:
    """Reads the whole database, and keeps what it found with when it was."""
    site = desk(visit)
    began_s = time.monotonic()
    findings = await site.engine.store.verify()
    sums = await site.readings.house()
    check = {
        "at": site.wall_ms(),
        "took_ms": round(1000 * (time.monotonic() - began_s)),
        "by": visit.user.login,
        "findings": findings,
        "sums": list(sums.items()),
    }
    await site.engine.store.put(CHECK_KEY, json.dumps(check))
    await record(visit, "ledger_checked", f"{len(findings)} findings")
    return visit.go("ledger")


PAGES = (look("ledger", show), act("ledger", verify))
