"""Очередь: open messages by age, and packets that ended without success, by reason."""

from __future__ import annotations

from starlette.responses import Response

from kodgate.web.cabinet.console.desk import PERIOD_NAMES, desk, look, period
from kodgate.web.cabinet.visit import Visit

SHOWN_MAX = 100


async def show(visit: Visit) -> Response:
    readings, now = desk(visit).readings, visit.site.engine.clock.now()
    name, since, until = period(visit)
    letters = await readings.open_letters(limit=SHOWN_MAX + 1)
    dead = await readings.dead_letters(since=since, until=until, limit=SHOWN_MAX + 1)
    return visit.page(
        "console/queue.html",
        now=now,
        letters=letters[:SHOWN_MAX],
        more_letters=len(letters) > SHOWN_MAX,
        waiting=await readings.waiting(),
        dead=dead[:SHOWN_MAX],
        more_dead=len(dead) > SHOWN_MAX,
        counts=await readings.dead_counts(since=since, until=until),
        period=name,
        periods=PERIOD_NAMES,
    )


PAGES = (look("queue", show),)
