"""Сейчас: how fast codes come, what waits and for how long, who works, and what is wrong."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from starlette.responses import Response

from kodgate.store.console import Outcome, Waiting
from kodgate.web.cabinet import words
from kodgate.web.cabinet.console.desk import desk, look, patience_ms
from kodgate.web.cabinet.console.readings import ChannelView, channel_views, counted
from kodgate.web.cabinet.visit import Visit
from kodgate.web.cabinet.words import N_

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
LATE_MS = 10_000
"""A message that is due to be sent for longer than this is told."""
STUCK_MAX = 100
"""Counted so far: more is as bad."""
NODE_ALIVE_MS = 20_000
"""Four marks that did not come: the node is taken for gone."""
NODE_SHOWN_MS = 24 * HOUR_MS


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeView:
    name: str
    alive: bool
    stopped: bool
    seen_ms: int
    """How long ago it was heard of."""
    started_ms: int
    """How long it has been running."""
    version: str
    sends: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    tone: str
    text: str
    detail: str
    path: str


async def now(visit: Visit) -> Response:
    site, at = desk(visit), visit.site.engine.clock.now()
    pace = await site.readings.pace(since=at - HOUR_MS, until=at + 1, bucket_ms=MINUTE_MS)
    waiting = await site.readings.waiting()
    due, due_since = await site.readings.overdue(now=at)
    outcomes = await site.readings.outcomes(since=at - HOUR_MS, until=at + 1)
    nodes, channels = await node_views(visit), channel_views(site.engine)
    stuck = await site.engine.store.stuck(now=at, patience_ms=patience_ms(visit), limit=STUCK_MAX)
    stopped = await site.readings.stopped()
    late_ms = 0 if due_since is None else max(0, at - due_since)
    return visit.page(
        "console/now.html",
        accepted_hour=sum(pace.values()),
        accepted_minute=await _since(visit, at - MINUTE_MS),
        minutes=[(start, pace.get(start, 0)) for start in _minutes(at)],
        waiting=waiting,
        open_count=sum(each.count for each in waiting),
        oldest_ms=max((at - each.oldest_at for each in waiting), default=None),
        due=due,
        late_ms=late_ms,
        rows=shares(outcomes),
        nodes=nodes,
        channels=channels,
        counted=counted(site.engine.meters),
        problems=problems(channels, waiting, nodes, late_ms, len(stuck), stopped),
        at=at,
    )


async def _since(visit: Visit, since: int) -> int:
    found = await desk(visit).readings.pace(since=since, until=2**62, bucket_ms=2**40)
    return sum(found.values())


def _minutes(at: int) -> range:
    """Starts of the last hour's whole minutes."""
    end = at // MINUTE_MS * MINUTE_MS
    return range(end - 59 * MINUTE_MS, end + 1, MINUTE_MS)


def shares(outcomes: list[Outcome]) -> list[tuple[str, int, int, int]]:
    """(channel, all, arrived, ended) of a period."""
    found = []
    for channel in sorted({each.channel for each in outcomes}):
        own = [each for each in outcomes if each.channel == channel]
        good = sum(each.count for each in own if each.state == "confirmed")
        ended = sum(each.count for each in own if each.state in ("confirmed", "failed", "expired"))
        found.append((channel, sum(each.count for each in own), good, ended))
    return found


async def node_views(visit: Visit) -> list[NodeView]:
    """By the marks that every node leaves in the database; the wall clock, not the business one."""
    found, wall = [], visit.site.wall_ms()
    for name, text in (await desk(visit).readings.nodes()).items():
        mark = json.loads(text)
        seen_ms = max(0, wall - mark["at"])
        if seen_ms > NODE_SHOWN_MS:
            continue
        found.append(
            NodeView(
                name=name,
                alive=seen_ms <= NODE_ALIVE_MS and not mark["stopped"],
                stopped=mark["stopped"],
                seen_ms=seen_ms,
                started_ms=max(0, wall - mark["since"]),
                version=mark["version"],
                sends=tuple(mark["sends"]),
            )
        )
    return found


def problems(
    channels: list[ChannelView],
    waiting: list[Waiting],
    nodes: list[NodeView],
    late_ms: int,
    stuck: int,
    stopped: Sequence[str],
) -> list[Problem]:
    """What the operator should know without looking for it."""
    found = [
        Problem(
            tone="bad",
            text=N_("Канал не принимает сообщения:"),
            detail=f"{words.channels([each.name])}: {each.why}",
            path="channels",
        )
        for each in channels
        if each.here and not each.live and not each.shut
    ]
    found += [
        Problem(
            tone="wait",
            text=N_("Канал выведен из работы:"),
            detail=words.channels([each.name]),
            path="channels",
        )
        for each in channels
        if each.shut
    ]
    if stopped:
        text = N_("Приём кодов остановлен, нарушено правило учёта:")
        found.append(Problem(tone="bad", text=text, detail=", ".join(stopped), path="accounts"))
    if stuck:
        many = f"{STUCK_MAX}+" if stuck == STUCK_MAX else str(stuck)
        text = N_("Застряли сообщения, срок которых прошёл:")
        found.append(Problem(tone="bad", text=text, detail=many, path="queue"))
    carried = {channel for each in nodes if each.alive for channel in each.sends}
    for channel in sorted({each.channel for each in waiting if each.state == "queued"} - carried):
        text = N_("Сообщения ждут канала, которым не занят ни один узел:")
        found.append(Problem(tone="bad", text=text, detail=words.channels([channel]), path="queue"))
    if late_ms > LATE_MS:
        text = N_("Сообщения ждут отправки дольше 10 секунд.")
        found.append(Problem(tone="wait", text=text, detail="", path="queue"))
    return found


PAGES = (look("", now),)
