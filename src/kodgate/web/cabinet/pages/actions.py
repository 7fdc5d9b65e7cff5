"""Журнал действий: what people did in the cabinet."""

from __future__ import annotations

from starlette.responses import Response

from kodgate.web.cabinet.roles import Right
from kodgate.web.cabinet.site import number_of
from kodgate.web.cabinet.visit import Page, Visit

PAGE_ROWS = 100


async def show(visit: Visit) -> Response:
    before = number_of(visit.query.get("before", ""), most=2**53)
    rows = await visit.site.cabinet.audits(visit.own.id, before_id=before, limit=PAGE_ROWS + 1)
    more = rows[PAGE_ROWS - 1].id if len(rows) > PAGE_ROWS else None
    return visit.page("actions.html", rows=rows[:PAGE_ROWS], more=more)


PAGES = (Page(path="actions", view=show, right=Right.SETTINGS),)
