"""The control API: tests and people script the sandbox through it. JSON, loopback only."""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from kodgate.sandbox import deeds, gateway, guard, outcomes, phones, scripts, smsc_rules
from kodgate.sandbox.config import SandboxConfig
from kodgate.sandbox.smsc import Smsc
from kodgate.sandbox.state import Durable, Tx
from kodgate.sandbox.timing import Clock

FAULTS: dict[str, dict[str, str]] = {
    "telegram": {
        "lost_before": "the connection is closed before anything is done",
        "lost_after": "done, then the connection is closed without an answer",
        "status": "an HTTP status instead of an answer (arg, 502)",
        "garbage": "HTML with status 200",
        "truncated": "half of a JSON answer",
        "empty": "an empty body with status 200",
        "error": "an error string (arg)",
        "flood": "FLOOD_WAIT_n (arg, 1)",
        "slow": "done, answered after arg real seconds",
    },
    "smsc": {
        "throttle": "ESME_RTHROTTLED",
        "queue_full": "ESME_RMSGQFUL",
        "reject": "a command status (arg, 69); on bind: ESME_RBINDFAIL",
        "stall": "not taken, no answer for arg real seconds (60)",
        "stall_after": "taken, no answer for arg real seconds (60)",
        "disconnect": "the connection is closed before anything is done",
        "disconnect_after": "taken, then the connection is closed without an answer",
        "slow": "taken, answered after arg real seconds",
    },
}
METHODS = {
    "telegram": ((*gateway.METHODS, "*"), "*"),
    "smsc": (("submit", "bind", "enquire_link"), "submit"),
}
"""What faults can be planted for, and what is meant if nothing is said."""
CREDIT_MAX = 10**9
_PHONE = re.compile(r"[0-9]{7,15}|\*")
_NUMBER = re.compile(r"[0-9]{1,15}")

Body = dict[str, Any]


class Wrong(ValueError):
    """A request of the control API that makes no sense; answered with 400 and the reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One row of `GET /control`."""

    verb: str
    path: str
    does: str
    fields: dict[str, str] = field(default_factory=dict)
    name: str


def _row(name: str, verb: str, path: str, does: str, **fields: str) -> Endpoint:
    return Endpoint(name=name, verb=verb, path=path, does=does, fields=fields)


_WHICH = "the newest message of this phone"
_ID = "or this message"

ENDPOINTS: tuple[Endpoint, ...] = (
    _row("index", "GET", "/control", "this list"),
    _row("state", "GET", "/control/state", "credit, counts of what is under way, SMPP sessions"),
    _row("show_phones", "GET", "/control/phones", "the test phones, the outcomes and overrides"),
    _row("set_phone", "POST", "/control/phones", "what a phone does with its codes",
         phone="digits, or * for all phones", telegram="an outcome's name or its fields",
         sms="likewise", once="true: its next message only"),
    _row("read", "POST", "/control/read", "the person opens the chat", phone=_WHICH,
         request_id=_ID),
    _row("expire", "POST", "/control/expire", "nothing good happens any more; refunded at its ttl",
         phone=_WHICH, request_id=_ID, now="true: expires at once, if it has not arrived"),
    _row("show_faults", "GET", "/control/faults", "the faults that are planted, and the kinds"),
    _row("plant", "POST", "/control/faults", "something goes wrong with the next calls",
         place="telegram or smsc", kind="see GET", arg="number or text, by kind",
         method="a Telegram method or *; submit (default), bind, enquire_link",
         phone="digits or * (default)", times="1 by default, -1: until the reset"),
    _row("clear_faults", "POST", "/control/faults/clear", "no more faults"),
    _row("balance", "POST", "/control/balance", "sets the Telegram credit", credit="a number"),
    _row("reports", "POST", "/control/reports", "how delivery reports (callbacks) behave",
         duplicates="copies more", drop="how many are not sent, -1: all",
         stale_s="age of the timestamp", reorder_s="delay of `delivered`, real seconds",
         early="true: a report comes before the answer to the send"),
    _row("smsc", "POST", "/control/smsc", "how ids and receipts look",
         resp_id=" | ".join(smsc_rules.ID_FORMS), receipt_id="likewise",
         tlvs="true or false", text="true or false",
         early="true: the receipt comes before the submit_sm_resp", duplicates="copies more",
         alphabet=" | ".join(smsc_rules.ALPHABETS)),
    _row("disconnect", "POST", "/control/smsc/disconnect", "drops every SMPP connection"),
    _row("log", "GET", "/control/log", "the truth: everything that happened, oldest first",
         after="from this id on", limit="lines", phone="of one phone", kind="of one kind"),
    _row("messages", "GET", "/control/messages", "a phone's messages, newest first",
         phone="digits"),
    _row("reset", "POST", "/control/reset", "forgets everything; ids go on"),
)  # fmt: skip


class Control:
    """Serves `/control/...`."""

    def __init__(self, config: SandboxConfig, state: Durable, clock: Clock, smsc: Smsc) -> None:
        self._config = config
        self._state = state
        self._clock = clock
        self._smsc = smsc

    def routes(self) -> list[web.RouteDef]:
        return [web.route(one.verb, one.path, self._wrap(one.name)) for one in ENDPOINTS]

    def _wrap(self, name: str) -> Callable[[web.Request], Awaitable[web.Response]]:
        serve: Callable[[Body], Awaitable[object]] = getattr(self, f"on_{name}")

        async def handle(request: web.Request) -> web.Response:
            guard.check(request)
            try:
                return web.json_response(await serve(await _body(request)))
            except (Wrong, ValueError, TypeError) as wrong:
                return web.json_response({"error": str(wrong)}, status=400)

        return handle

    async def on_index(self, body: Body) -> object:
        return [
            {"method": one.verb, "path": one.path, "does": one.does, "fields": one.fields}
            for one in ENDPOINTS
        ]

    async def on_state(self, body: Body) -> object:
        summary = await self._state.do(deeds.summary)
        return summary | {"sessions": self._smsc.sessions(), "now": self._clock.now()}

    async def on_show_phones(self, body: Body) -> object:
        rows = await self._state.do(lambda tx: tx.all("SELECT * FROM scripts ORDER BY phone"))
        return {
            "phones": {
                phone: {"telegram": telegram, "sms": sms}
                for phone, (telegram, sms) in phones.PHONES.items()
            },
            "default": dict(zip(("telegram", "sms"), phones.DEFAULT, strict=True)),
            "outcomes": {channel: list(named) for channel, named in phones.NAMED.items()},
            "overrides": [
                {"phone": row["phone"], "channel": row["channel"], "once": bool(row["once"])}
                | {"script": json.loads(row["script"])}
                for row in rows
            ],
        }

    async def on_set_phone(self, body: Body) -> object:
        phone, once = _phone(body), bool(body.get("once", False))
        given = {name: phones.parse(name, body[name]) for name in phones.KINDS if name in body}
        if not given:
            raise Wrong("telegram or sms is missing")

        def decide(tx: Tx) -> None:
            for channel, script in given.items():
                scripts.plan(tx, phone, channel, script, once=once)

        await self._state.do(decide)
        return {"ok": True}

    async def on_read(self, body: Body) -> object:
        now, real = self._clock.now(), self._clock.real()
        return await self._to_message(body, lambda tx, one: deeds.read(tx, one, now, real))

    async def on_expire(self, body: Body) -> object:
        now, real = self._clock.now(), self._clock.real()
        if body.get("now"):
            return await self._to_message(
                body, lambda tx, one: deeds.expire_now(tx, one, now, real)
            )
        return await self._to_message(body, lambda tx, one: deeds.let_expire(tx, one, now))

    async def _to_message(self, body: Body, deed: Callable[[Tx, int], bool]) -> object:
        if "request_id" in body:
            given = int(_digits(body["request_id"], "request_id"))
            return {"ok": await self._state.do(lambda tx: deed(tx, given))}
        phone = _phone(body)

        def decide(tx: Tx) -> bool:
            found = deeds.newest(tx, phone)
            return found is not None and deed(tx, found)

        return {"ok": await self._state.do(decide)}

    async def on_show_faults(self, body: Body) -> object:
        rows = await self._state.do(lambda tx: tx.all("SELECT * FROM faults ORDER BY id"))
        return {"kinds": FAULTS, "planted": [dict(row) for row in rows]}

    async def on_plant(self, body: Body) -> object:
        place, kind = str(body.get("place", "telegram")), str(body.get("kind"))
        if kind not in FAULTS.get(place, {}):
            raise Wrong(f"unknown kind of fault; known: {json.dumps(FAULTS)}")
        known, usual = METHODS[place]
        method = str(body.get("method", usual)).lower()
        if method not in known:
            raise Wrong(f"unknown method; known: {', '.join(known)}")
        times = _whole(body.get("times", 1), "times", -1, 10**6)
        phone = _phone({"phone": "*"} | body)
        arg = _arg(kind, body.get("arg"))
        planted = await self._state.do(
            lambda tx: scripts.plant(
                tx, place, kind, arg=arg, method=method, phone=phone, times=times
            )
        )
        return {"id": planted}

    async def on_clear_faults(self, body: Body) -> object:
        await self._state.do(lambda tx: tx.run("DELETE FROM faults"))
        return {"ok": True}

    async def on_balance(self, body: Body) -> object:
        credit = body.get("credit")
        if isinstance(credit, bool) or not isinstance(credit, int | float):
            raise Wrong("credit: a number")
        if not 0 <= credit <= CREDIT_MAX:
            raise Wrong(f"credit: 0 to {CREDIT_MAX}")
        units = round(credit * 10_000)
        await self._state.do(lambda tx: tx.settle("credit", units))
        return {"ok": True}

    async def on_reports(self, body: Body) -> object:
        return await self._set_mode("reports", outcomes.REPORTS, body)

    async def on_smsc(self, body: Body) -> object:
        for name, known in (("resp_id", smsc_rules.ID_FORMS), ("receipt_id", smsc_rules.ID_FORMS),
                            ("alphabet", smsc_rules.ALPHABETS)):  # fmt: skip
            if name in body and body[name] not in known:
                raise Wrong(f"{name}: one of {', '.join(known)}")
        return await self._set_mode("smsc", smsc_rules.MODE, body)

    async def _set_mode(self, fact: str, standard: Body, body: Body) -> object:
        """Changes what is given, keeps the rest; an empty body shows it."""
        for name, value in body.items():
            if name not in standard:
                raise Wrong(f"unknown field {name}; known: {', '.join(standard)}")
            if type(value) is not type(standard[name]):
                raise Wrong(f"{name}: expected {type(standard[name]).__name__}")

        def decide(tx: Tx) -> Body:
            text = tx.fact(fact)
            mode = standard | ({} if text is None else json.loads(text)) | body
            tx.settle(fact, json.dumps(mode))
            return mode

        return await self._state.do(decide)

    async def on_disconnect(self, body: Body) -> object:
        return {"dropped": self._smsc.disconnect()}

    async def on_log(self, body: Body) -> object:
        after = int(_digits(body.get("after", "0"), "after"))
        limit = min(deeds.LOG_MAX, int(_digits(body.get("limit", str(deeds.LOG_MAX)), "limit")))
        phone, kind = str(body.get("phone", "")), str(body.get("kind", ""))
        return await self._state.do(
            lambda tx: deeds.log(tx, after=after, limit=limit, phone=phone, kind=kind)
        )

    async def on_messages(self, body: Body) -> object:
        phone = _phone(body)
        return await self._state.do(lambda tx: deeds.messages(tx, phone, 100))

    async def on_reset(self, body: Body) -> object:
        await self._state.do(lambda tx: deeds.reset(tx, self._config.credit))
        return {"ok": True}


async def _body(request: web.Request) -> Body:
    """The JSON object of a POST, the query of a GET."""
    if request.method == "GET":
        return dict(request.query)
    raw = await request.read()
    if not raw.strip():
        return {}
    if request.content_type != "application/json":
        raise Wrong("Content-Type must be application/json")
    try:
        body = json.loads(raw)
    except RecursionError as error:
        raise Wrong("too deep") from error
    if not isinstance(body, dict):
        raise Wrong("the body must be a JSON object")
    return body


def _phone(body: Body) -> str:
    phone = str(body.get("phone", "")).removeprefix("+")
    if not _PHONE.fullmatch(phone):
        raise Wrong("phone: 7 to 15 digits")
    return phone


def _digits(value: object, name: str) -> str:
    if not _NUMBER.fullmatch(str(value)):
        raise Wrong(f"{name}: digits")
    return str(value)


def _whole(value: object, name: str, low: int, high: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise Wrong(f"{name}: a whole number, {low} to {high}")
    return value


def _arg(kind: str, value: object) -> float | str | None:
    """`error` takes a text, all others a number."""
    if kind == "error":
        if not isinstance(value, str) or not value:
            raise Wrong("arg: the error string")
        return value
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 86_400:
        raise Wrong("arg: a number, 0 to 86400")
    return float(value)
