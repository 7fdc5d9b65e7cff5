"""Очередь: what waits, dead letters with what an operator may do, and what ended badly."""

from __future__ import annotations

import structlog
from starlette.responses import Response

from kodgate.core.errors import InDoubt
from kodgate.store import Discarded, Unavailable
from kodgate.store.console import Letter
from kodgate.web import drains
from kodgate.web.cabinet.console.desk import (
    PERIOD_NAMES,
    act,
    desk,
    look,
    patience_ms,
    period,
    record,
)
from kodgate.web.cabinet.console.now import node_views
from kodgate.web.cabinet.site import number_of
from kodgate.web.cabinet.visit import Visit

log = structlog.get_logger("kodgate.web")

SHOWN_MAX = 100
RETRIED_MAX = 1_000
COMMENT_MAX = 200


async def show(visit: Visit) -> Response:
    readings, now = desk(visit).readings, visit.site.engine.clock.now()
    name, since, until = period(visit)
    letters = await readings.open_letters(limit=SHOWN_MAX + 1)
    stuck = await _stuck(visit, SHOWN_MAX + 1)
    dead = await readings.dead_letters(since=since, until=until, limit=SHOWN_MAX + 1)
    return visit.page(
        "console/queue.html",
        now=now,
        lanes=await readings.lanes(now=now),
        carried={name for node in await node_views(visit) if node.alive for name in node.sends},
        drained=await drains.drained(visit.site.engine.store),
        stuck=stuck[:SHOWN_MAX],
        stuck_ids={one.id for one in stuck},
        more_stuck=len(stuck) > SHOWN_MAX,
        letters=letters[:SHOWN_MAX],
        more_letters=len(letters) > SHOWN_MAX,
        dead=dead[:SHOWN_MAX],
        more_dead=len(dead) > SHOWN_MAX,
        counts=await readings.dead_counts(since=since, until=until),
        period=name,
        periods=PERIOD_NAMES,
    )


async def _stuck(visit: Visit, limit: int) -> list[Letter]:
    """Dead letters, the oldest first."""
    engine = visit.site.engine
    now = engine.clock.now()
    ids = await engine.store.stuck(now=now, patience_ms=patience_ms(visit), limit=limit)
    return await desk(visit).readings.letters(ids)


async def retry(visit: Visit) -> Response:
    """One message by its id; without one, all that wait for their next step."""
    store, now = visit.site.engine.store, visit.site.engine.clock.now()
    wanted = visit.form.get("message", "")
    if wanted:
        ids = [number for number in [number_of(wanted, most=2**53)] if number is not None]
    else:
        ids = await store.stuck(now=now, patience_ms=patience_ms(visit), limit=RETRIED_MAX)
        ids += await store.waiting(now=now, limit=RETRIED_MAX)
    changed = await store.retry(ids, at=now) if ids else 0
    if not changed:
        return visit.go("queue", note="nothing_to_retry")
    await record(visit, "message_retried", f"message {wanted}" if wanted else f"{changed} messages")
    return visit.go("queue", note="retried")


async def discard(visit: Visit) -> Response:
    """Ends one stuck message; its packet's number is typed, so that no click does it."""
    number = number_of(visit.form.get("message", ""), most=2**53)
    found = [] if number is None else await desk(visit).readings.letters([number])
    if not found:
        return visit.go("queue", note="not_stuck")
    (letter,) = found
    comment = " ".join(visit.form.get("comment", "").split())[:COMMENT_MAX]
    if not comment or visit.form.get("packet", "").strip() != str(letter.packet_id):
        return visit.go("queue", note="bad_discard")
    try:
        done = await _discard(visit, letter)
    except (Unavailable, InDoubt):
        raise
    except Exception as error:  # the rules of money said no, and stored nothing
        log.error("discard_refused", message_id=letter.id, error=type(error).__name__)
        return visit.go("queue", note="discard_refused")
    if done is None:
        return visit.go("queue", note="not_stuck")
    account = await visit.site.engine.store.account_by_id(done.account_id)
    detail = f"packet {letter.packet_id}, message {letter.id}: {comment}"
    await record(visit, "message_discarded", detail, account)
    return visit.go("queue", note="discarded")


async def _discard(visit: Visit, letter: Letter) -> Discarded | None:
    engine = visit.site.engine
    done = await engine.store.discard(
        letter.id, at=engine.clock.now(), patience_ms=patience_ms(visit)
    )
    if done is not None:
        engine.meters.words(letter.channel, done.words)
    return done


PAGES = (
    look("queue", show),
    act("queue/retry", retry),
    act("queue/discard", discard, proof=True),
)
