"""Журнал действий of all accounts, and whether its chain is whole."""

from __future__ import annotations

import json

from starlette.responses import Response

from kodgate.web.cabinet.console.desk import act, desk, logins, look, record
from kodgate.web.cabinet.site import number_of
from kodgate.web.cabinet.visit import Visit

CHECK_KEY = "console audit check"
PAGE_ROWS = 100
ID_MAX = 2**53


async def show(visit: Visit) -> Response:
    chosen = number_of(visit.query.get("account", ""))
    before = number_of(visit.query.get("before", ""), most=ID_MAX)
    rows = await visit.site.cabinet.audits(chosen, before_id=before, limit=PAGE_ROWS + 1)
    text = await visit.site.engine.store.get(CHECK_KEY)
    check = None if text is None else json.loads(text)
    names = await logins(visit)
    return visit.page(
        "console/audit.html",
        rows=rows[:PAGE_ROWS],
        more=rows[PAGE_ROWS - 1].id if len(rows) > PAGE_ROWS else None,
        before=before,
        chosen=chosen,
        logins=names,
        options=[
            ("", visit.writer.text("все")),
            *((str(id), login) for id, login in names.items()),
        ],
        check=check,
        ago_ms=None if check is None else max(0, visit.site.wall_ms() - check["at"]),
    )


async def verify(visit: Visit) -> Response:
    """Recomputes every hash. What it found is kept, and is itself on record."""
    site = desk(visit)
    broken = await site.cabinet.broken_audit()
    last = await site.cabinet.audits(None, limit=1)
    check = {"at": site.wall_ms(), "broken": broken, "last": last[0].id if last else 0}
    await site.engine.store.put(CHECK_KEY, json.dumps(check))
    await record(visit, "audit_checked", "whole" if broken is None else f"broken at {broken}")
    return visit.go("audit")


PAGES = (look("audit", show), act("audit", verify))
