"""Сообщения: the list with its filters and one search box, and the story of one packet."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from starlette.responses import Response, StreamingResponse

from kodgate.channels.smpp.receipts import provider_id
from kodgate.core import phones
from kodgate.core.errors import BY_NUMBER, Refused
from kodgate.store import PacketRow
from kodgate.store.cabinet import SCANNED_MAX, Filter
from kodgate.web.cabinet import timeline, verdict, words
from kodgate.web.cabinet.masks import masked
from kodgate.web.cabinet.pages.requests import shown_value
from kodgate.web.cabinet.roles import Right
from kodgate.web.cabinet.site import number_of
from kodgate.web.cabinet.timeline import Step
from kodgate.web.cabinet.visit import Page, Visit
from kodgate.web.journal import Asked

GONE = "****"
"""Instead of a code whose key was dropped."""

PAGE_ROWS = 50
FOUND_MAX = 100
QUERY_MAX = 64
LOOK_S = 0.4
STREAM_S = 600.0
PING_S = 15.0
STREAMS_MAX = 200
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """All that the page of a packet tells and its stream sends again when it changes."""

    row: PacketRow
    steps: list[Step]
    repeated: list[Step]
    verdict: verdict.Verdict

    @property
    def is_over(self) -> bool:
        return self.row.messages[-1].state.is_final

    @property
    def version(self) -> int:
        """Grows with every step: the id of a stream's event."""
        return len(self.steps)


async def messages(visit: Visit) -> Response:
    query = visit.query.get("q", "").strip()[:QUERY_MAX]
    chosen = _filter(visit)
    if query:
        rows = await find(visit, query)
        if len(rows) == 1:
            return visit.go(f"messages/{rows[0].packet.id}")
        more = None
    else:
        rows = await visit.site.cabinet.packets(visit.own.id, chosen, limit=PAGE_ROWS + 1)
        more = rows[PAGE_ROWS - 1].packet.id if len(rows) > PAGE_ROWS else None
        rows = rows[:PAGE_ROWS]
    kept = {k: visit.query.get(k, "") for k in ("state", "channel", "since", "until")}
    return visit.page(
        "messages.html",
        packets=rows,
        query=query,
        kept=kept,
        more=more,
        scanned=SCANNED_MAX if chosen.is_scanned and not query else None,
    )


def _filter(visit: Visit) -> Filter:
    """What the address asks for; what it asks wrongly is left out."""
    state, channel = visit.query.get("state", ""), visit.query.get("channel", "")
    until = day_start(visit.query.get("until", ""), visit.own.settings.timezone, after=1)
    return Filter(
        since=day_start(visit.query.get("since", ""), visit.own.settings.timezone),
        until=until,
        state=state if state in words.STATES else None,
        channel=channel if channel in words.CHANNELS else None,
        before_id=number_of(visit.query.get("before", "")),
    )


def day_start(text: str, timezone: str, *, after: int = 0) -> int | None:
    """Business ms of a day's beginning in a zone, `after` days later; None: not a date."""
    if not _DAY.fullmatch(text):
        return None
    try:
        day = datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=ZoneInfo(timezone))
        return int((day + timedelta(days=after)).astimezone(UTC).timestamp() * 1000)
    except (ValueError, OverflowError):
        return None


async def find(visit: Visit, query: str) -> list[PacketRow]:
    """By packet, message, own id, phone, or the id that Telegram or the SMSC gave."""
    store, account_id = visit.site.engine.store, visit.own.id
    found: dict[int, PacketRow] = {}
    number = number_of(query)
    keys: list[dict[str, object]] = [{"user_message_id": query}, {"user_packet_id": query}]
    if number is not None:
        keys = [{"packet_id": number}, {"message_id": number}, *keys]
    for key in keys:
        row = await store.packet(account_id, **key)  # type: ignore[arg-type]
        if row is not None:
            found[row.packet.id] = row
    for row in (*await _by_phone(visit, query), *await _by_provider(visit, query)):
        found[row.packet.id] = row
    return sorted(found.values(), key=lambda row: row.packet.id, reverse=True)


async def _by_phone(visit: Visit, query: str) -> list[PacketRow]:
    try:
        digest = visit.site.keyring.phone_digest(phones.normalise(query))
    except Refused:
        return []
    store = visit.site.engine.store
    return await store.find(account_id=visit.own.id, phone_digest=digest, limit=FOUND_MAX)


async def _by_provider(visit: Visit, query: str) -> list[PacketRow]:
    routes = await visit.site.engine.store.routes()
    ids = {query, *(provider_id(route.name, query) or query for route in routes)}
    found: list[PacketRow] = []
    for one in ids:
        found += await visit.site.cabinet.by_provider_id(visit.own.id, one)
    return found


# One packet


async def story(visit: Visit, packet_id: int) -> Story | None:
    store = visit.site.engine.store
    row = await store.packet(visit.own.id, packet_id=packet_id)
    if row is None:
        return None
    events = await store.timeline(packet_id)
    entries = await visit.site.cabinet.transfers(row)
    told, repeated = timeline.steps(row, events, entries, visit.writer)
    return Story(row=row, steps=told, repeated=repeated, verdict=verdict.of(row, visit.writer))


async def packet(visit: Visit) -> Response:
    told = await _asked_story(visit)
    if told is None:
        return visit.site.refuse(visit, 404)
    return await _packet_page(visit, told, revealed=None)


async def _asked_story(visit: Visit) -> Story | None:
    number = number_of(visit.request.path_params["packet_id"])
    return None if number is None else await story(visit, number)


async def _packet_page(visit: Visit, told: Story, *, revealed: tuple[str, str] | None) -> Response:
    journal = visit.site.journal
    await journal.flush()
    asked = await journal.of_packet(visit.own.id, told.row.packet.id)
    return visit.page(
        "packet.html",
        story=told,
        asked=None if asked is None else _shown(visit, asked, told.row, revealed is not None),
        revealed=revealed,
        streaming=not told.is_over,
        cost=sum(step.amount for step in told.steps if step.amount is not None),
    )


def _shown(visit: Visit, asked: Asked, row: PacketRow, whole: bool) -> dict[str, object] | None:
    """The request and the answer as they were; phone and code hidden until they are revealed.
    None: their time is over, or the code's."""
    phone, code = opened(visit, row)
    if asked.parameters is None or code == GONE:
        return None
    hide = [] if whole else [phone, code]
    given = asked.parameters.items()
    return {
        "asked": asked,
        "parameters": {
            name: value if whole else masked(shown_value(name, value), hide)
            for name, value in given
        },
        "body": masked(asked.body, hide),
        "error": BY_NUMBER[asked.error],
    }


def opened(visit: Visit, row: PacketRow) -> tuple[str, str]:
    """(phone, code); stars where the key of that day was dropped."""
    keyring, account_id = visit.site.keyring, row.packet.account_id
    phone = keyring.open(row.key_day, "phone", account_id, row.phone_digest, row.phone)
    code = keyring.open(row.key_day, "code", account_id, row.code_digest, row.code)
    return phone or row.phone_mask, code or GONE


async def reveal(visit: Visit) -> Response:
    """The full number and the code, once, and on record."""
    told = await _asked_story(visit)
    if told is None:
        return visit.site.refuse(visit, 404)
    await visit.audit("reveal", str(told.row.packet.id))
    return await _packet_page(visit, told, revealed=opened(visit, told.row))


async def as_json(visit: Visit) -> Response:
    """The story for a ticket: no code, the phone masked."""
    told = await _asked_story(visit)
    if told is None:
        return visit.site.refuse(visit, 404)
    w = visit.writer
    body = {
        "packet_id": told.row.packet.id,
        "phone": told.row.phone_mask,
        "verdict": told.verdict.text,
        "steps": [
            {"at": w.iso(s.at), "what": s.what, "more": s.more, "detail": s.detail}
            for s in told.steps
        ],
    }
    text = json.dumps(body, ensure_ascii=False, indent=2)
    name = f"packet-{told.row.packet.id}.json"
    headers = {"content-disposition": f'attachment; filename="{name}"'}
    return Response(text, media_type="application/json", headers=headers)


# Live


async def stream(visit: Visit) -> Response:
    """Server-sent events: the whole story again at each new step, under the id of its last one.

    A browser that was away says the last id it saw and gets what is newer at once.
    """
    told = await _asked_story(visit)
    if told is None:
        return visit.site.refuse(visit, 404)
    if visit.site.streams >= STREAMS_MAX:
        return Response("Try again later\n", 503, headers={"retry-after": "5"})
    seen = number_of(visit.request.headers.get("last-event-id", "")) or 0
    headers = {"content-type": "text/event-stream; charset=utf-8", "cache-control": "no-store"}
    return StreamingResponse(_events(visit, told, seen), headers=headers)


async def _events(visit: Visit, told: Story, seen: int) -> AsyncIterator[bytes]:
    visit.site.streams += 1
    try:
        loop = asyncio.get_running_loop()
        ends_s, ping_s = loop.time() + STREAM_S, loop.time() + PING_S
        while loop.time() < ends_s:
            if told.version != seen:
                seen = told.version
                yield _event(visit, told)
            if told.is_over:
                yield b"event: done\ndata: end\n\n"
                return
            if loop.time() >= ping_s:
                ping_s = loop.time() + PING_S
                yield b": still here\n\n"
            await asyncio.sleep(LOOK_S)
            told = await story(visit, told.row.packet.id) or told
    finally:
        visit.site.streams -= 1


def _event(visit: Visit, told: Story) -> bytes:
    text = visit.site.fragment(visit, "_story.html", story=told)
    lines = "".join(f"data: {line}\n" for line in text.splitlines() if line.strip())
    return f"id: {told.version}\n{lines}\n".encode()


PAGES = (
    Page(path="messages", view=messages),
    Page(path="messages/{packet_id}", view=packet),
    Page(path="messages/{packet_id}/reveal", view=reveal, right=Right.REVEAL, method="POST"),
    Page(path="messages/{packet_id}/story.json", view=as_json),
    Page(path="messages/{packet_id}/events", view=stream),
)
