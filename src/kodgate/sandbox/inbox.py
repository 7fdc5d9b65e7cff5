"""The inbox: every phone with its codes, live over SSE, usable without a script."""

from __future__ import annotations

import asyncio
import json
import re
import secrets
from functools import partial
from importlib import resources

from aiohttp import web

from kodgate.sandbox import deeds, guard, pages, phones, scripts, texts
from kodgate.sandbox.state import Durable, Tx
from kodgate.sandbox.timing import Clock

PHONES_MAX = 50
"""Cards on a page, newest first."""
MESSAGES_MAX = 4
"""Of each phone on a page of many; a page of one phone shows 50."""
REFUSALS_MAX = 3
RECENT_MAX = 2_000
"""Log lines in which the newest phones are looked for."""
STREAMS_MAX = 32
GATHER_S = 0.3
"""How long changes gather before a stream shows them: an eye needs no more."""
HEARTBEAT_S = 15.0

CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self';"
    " form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
HEADERS = {
    "Content-Security-Policy": CSP,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
STATIC = {
    "inbox.css": "text/css",
    "inbox.js": "text/javascript",
    "icon.svg": "image/svg+xml",
}

_PHONE = re.compile(r"[0-9]{7,15}")
_ID = re.compile(r"[0-9]{1,15}")
_DRESSING = re.compile(r"[ ()+\-]")

TELEGRAM_NAMES = {script: name for name, script in reversed(phones.TELEGRAM.items())}
SMS_NAMES = {script: name for name, script in phones.SMS.items()}


class Inbox:
    """Serves `/inbox...`; the gateway hands its own `/inbox` through to here."""

    def __init__(self, state: Durable, clock: Clock) -> None:
        self._state = state
        self._clock = clock
        self._watchers: set[asyncio.Event] = set()
        self._closing = False

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/inbox", self._page),
            web.get("/inbox/", self._page),
            web.get("/inbox/stream", self._stream),
            web.get("/inbox/static/{name}", self._static),
            web.post("/inbox/{deed:read|expire|next|clear}", self._deed),
        ]

    def close(self) -> None:
        """Ends the open streams: browsers come back by themselves."""
        self._closing = True
        self._wake()

    async def run(self) -> None:
        """Wakes the open streams whenever the log has grown."""
        grown = self._state.event("log")
        while True:
            await grown.wait()
            grown.clear()
            self._wake()
            await asyncio.sleep(GATHER_S)

    def _wake(self) -> None:
        for watcher in self._watchers:
            watcher.set()

    # --- pages ---

    async def _page(self, request: web.Request) -> web.Response:
        guard.check(request)
        view = await self._view(request)
        cards, after = await self._state.do(partial(_look, phone=view.phone))
        return _html(pages.page(view, cards, after))

    async def _view(self, request: web.Request) -> pages.View:
        query = request.query
        phone = _DRESSING.sub("", query.get("phone", ""))
        return pages.View(
            lang=texts.language(query.get("lang", ""), request.headers.get("Accept-Language", "")),
            token=await self._state.do(_token),
            phone=phone if _PHONE.fullmatch(phone) else "",
        )

    async def _static(self, request: web.Request) -> web.Response:
        kind = STATIC.get(request.match_info["name"])
        if kind is None:
            raise web.HTTPNotFound
        file = resources.files("kodgate.sandbox") / "static" / request.match_info["name"]
        headers = HEADERS | {"Cache-Control": "no-cache"}
        return web.Response(body=file.read_bytes(), content_type=kind, headers=headers)

    # --- deeds ---

    async def _deed(self, request: web.Request) -> web.Response:
        """A form of the page; afterwards the page again (303)."""
        guard.check(request)
        form = {k: v for k, v in (await request.post()).items() if isinstance(v, str)}
        view = await self._view(request)
        if not secrets.compare_digest(form.get("token", "").encode(), view.token.encode()):
            return _html(pages.outdated(view), status=403)
        await self._state.do(partial(self._do, deed=request.match_info["deed"], form=form))
        lang = texts.language(form.get("lang", ""), request.headers.get("Accept-Language", ""))
        phone = form.get("filter", "") if _PHONE.fullmatch(form.get("filter", "")) else ""
        back = pages.View(lang=lang, token="", phone=phone).link("/inbox").replace("&amp;", "&")
        if _PHONE.fullmatch(form.get("phone", "")):
            back += f"#p{form['phone']}"
        return web.Response(status=303, headers=HEADERS | {"Location": back})

    def _do(self, tx: Tx, deed: str, form: dict[str, str]) -> None:
        now, real = self._clock.now(), self._clock.real()
        phone, request_id = form.get("phone", ""), form.get("request_id", "")
        if deed == "clear":
            tx.settle("cleared", _last(tx))
            tx.settle("cleared_at", now)
        elif deed == "next" and _PHONE.fullmatch(phone):
            _plan(tx, phone, form, now)
        elif deed == "read" and _ID.fullmatch(request_id):
            deeds.read(tx, int(request_id), now, real)
        elif deed == "expire" and _ID.fullmatch(request_id):
            deeds.let_expire(tx, int(request_id), now)

    # --- the live stream ---

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        """Changed cards as events with ids; a reader that comes back gets what it missed."""
        guard.check(request)
        if len(self._watchers) >= STREAMS_MAX:
            raise web.HTTPServiceUnavailable(text="Too many open inboxes.\n")
        view = await self._view(request)
        given = request.headers.get("Last-Event-ID") or request.query.get("after", "")
        after = int(given) if _ID.fullmatch(given) else await self._state.do(_last)
        response = web.StreamResponse(headers=HEADERS | {"Content-Type": "text/event-stream"})
        await response.prepare(request)
        watcher = asyncio.Event()
        self._watchers.add(watcher)
        try:
            await self._tell(response, view, after, watcher)
        except ConnectionError:
            pass
        finally:
            self._watchers.discard(watcher)
        return response

    async def _tell(
        self, response: web.StreamResponse, view: pages.View, after: int, watcher: asyncio.Event
    ) -> None:
        await response.write(b"retry: 2000\n\n")
        while not self._closing:
            watcher.clear()
            cards, after = await self._state.do(partial(_changed, after=after, phone=view.phone))
            for number, card in cards:
                text = json.dumps({"phone": card.phone, "html": pages.card(view, card)})
                await response.write(f"id: {number}\nevent: card\ndata: {text}\n\n".encode())
            try:
                async with asyncio.timeout(HEARTBEAT_S):
                    await watcher.wait()
            except TimeoutError:
                await response.write(b": still here\n\n")


def _html(text: str, status: int = 200) -> web.Response:
    return web.Response(text=text, content_type="text/html", status=status, headers=HEADERS)


# --- what the pages read ---


def _token(tx: Tx) -> str:
    """The forms' token: strangers' pages cannot read it, so they cannot post (S-105)."""
    token = tx.fact("token")
    if token is None:
        token = secrets.token_urlsafe(24)
        tx.settle("token", token)
    return str(token)


def _last(tx: Tx) -> int:
    row = tx.one("SELECT max(id) AS id FROM log")
    return 0 if row is None or row["id"] is None else int(row["id"])


def _look(tx: Tx, phone: str) -> tuple[list[pages.Card], int]:
    """The cards of a page, and the log line up to which they are complete."""
    rows = tx.all(
        "SELECT phone, max(id) AS id FROM (SELECT id, phone FROM log"
        " WHERE phone <> '' AND kind <> 'fee' AND id > ?"
        " ORDER BY id DESC LIMIT ?) GROUP BY phone ORDER BY 2 DESC LIMIT ?",
        tx.fact("cleared") or 0,
        RECENT_MAX,
        PHONES_MAX,
    )
    found = [phone] if phone else [row["phone"] for row in rows]
    return [_card(tx, one, alone=bool(phone)) for one in found], _last(tx)


def _changed(tx: Tx, after: int, phone: str) -> tuple[list[tuple[int, pages.Card]], int]:
    """Cards that changed after a log line, oldest first, and the line that was looked up to."""
    rows = tx.all(
        "SELECT phone, max(id) AS id FROM log WHERE id > ? AND phone <> '' AND kind <> 'fee'"
        " AND ? IN ('', phone)"
        " GROUP BY phone ORDER BY 2 DESC LIMIT ?",
        max(after, tx.fact("cleared") or 0),
        phone,
        PHONES_MAX,
    )
    cards = [(row["id"], _card(tx, row["phone"], alone=bool(phone))) for row in reversed(rows)]
    return cards, max(after, _last(tx))


def _card(tx: Tx, phone: str, *, alone: bool) -> pages.Card:
    since = tx.fact("cleared_at") or 0
    limit = PHONES_MAX if alone else MESSAGES_MAX
    refusals = deeds.log_of(tx, phone, ("declined", "sms_refused"), REFUSALS_MAX)
    telegram, sms = scripts.telegram(tx, phone), scripts.sms(tx, phone)
    planned = tx.one("SELECT 1 FROM scripts WHERE phone = ? AND once = 1", phone) is not None
    return pages.Card(
        phone=phone,
        messages=[one for one in deeds.messages(tx, phone, limit) if one["at"] >= since],
        refusals=[line for line in refusals if line["at"] >= since],
        outcome=(TELEGRAM_NAMES.get(telegram, "custom"), SMS_NAMES.get(sms, "custom")),
        planned=planned,
    )


def _plan(tx: Tx, phone: str, form: dict[str, str], now: int) -> None:
    """Sets the outcome of a phone's next code; an empty choice takes it back."""
    for channel in phones.KINDS:
        name = form.get(channel, "")
        if name in phones.NAMED[channel]:
            scripts.plan(tx, phone, channel, phones.NAMED[channel][name], once=True)
        else:
            tx.run("DELETE FROM scripts WHERE phone=? AND channel=? AND once=1", phone, channel)
    tx.log(now, "planned", phone)
