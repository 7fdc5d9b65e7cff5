"""The rules of the Telegram Gateway: what each method does to requests, credit and reports.

Where the documentation is silent the sandbox assumes (each one marked *Assumption* below); where
the wire was captured it does what was captured (telegram.md 1.2-1.6).
"""

from __future__ import annotations

import re
import secrets
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from kodgate.sandbox import phones, scripts
from kodgate.sandbox.outcomes import (
    money,
    reach,
    reports_mode,
    schedule,
    script_of,
    status_of,
)
from kodgate.sandbox.state import Tx

COST = 100
"""0.01 of a credit, flat (telegram.md 1.5)."""
CODE_LENGTH = (4, 8)
TTL_S = (30, 3600)
PAYLOAD_MAX_BYTES = 128
CALLBACK_URL_MAX_BYTES = 256
WRONG_CODES_MAX = 5
"""*Assumption*: the documentation names the status, not the number."""
REUSE_MS = 60_000
"""A phone whose answers come late: a check within this (real) time of an earlier one whose request
was never used is the same request and the same fee. *Assumption*: nobody has measured it."""
EARLY_S = 0.5
"""How much later than its own report an answer comes when reports are told to overtake."""

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})

_PHONE = re.compile(r"\+?([0-9]{7,15})")
_ID = re.compile(r"[0-9]{15}")
_CODE = re.compile(r"[0-9]{4,8}")
_NUMBER = re.compile(r"[0-9]{1,6}")
_USERNAME = re.compile(r"@?[A-Za-z][A-Za-z0-9_]{3,31}")


class Declined(Exception):
    """An error by its documented or observed string; answered with HTTP 200 and `ok: false`."""

    def __init__(self, error: str) -> None:
        super().__init__(error)
        self.error = error


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call as it came, and when."""

    method: str
    params: dict[str, str]
    now: int
    """Business ms."""
    real: int
    """Real ms."""
    own_phones: frozenset[str] = frozenset()


@dataclass(slots=True, kw_only=True)
class Reply:
    """What to answer, and how badly."""

    result: dict[str, Any] | bool | None = None
    error: str = ""
    delay_s: float = 0.0
    """Real seconds before the answer."""
    lost: bool = False
    """Close the connection instead."""
    fault: scripts.Fault | None = None
    """Answer this instead."""

    @property
    def is_plain(self) -> bool:
        """Answered at once, and in full."""
        return not (self.delay_s or self.lost or self.fault)


Asked = sqlite3.Row | None
"""The request that a call names; None: it names none, or none that is known."""

INSTEAD = frozenset({"lost_before", "status", "garbage", "truncated", "empty", "error", "flood"})
"""Faults that come before any processing; `lost_after` and `slow` come after it."""


def answer(tx: Tx, call: Call) -> Reply:
    """Carries out one call whose token was right."""
    method = METHODS.get(call.method)
    if method is None:
        return Reply(error="UNKNOWN_METHOD")
    row = _find(tx, call.params.get("request_id", ""))
    phone, script = _whose(tx, call, row)
    fault = scripts.take(tx, "telegram", call.method, phone)
    reply = Reply(fault=fault, delay_s=0.0 if script is None else script.answer_s)
    if fault is not None and fault.kind in INSTEAD:
        _instead(reply, fault)
        tx.log(call.now, "fault", phone, method=call.method, fault=fault.kind)
        return reply
    try:
        reply.result = method(tx, call, reply, row)
    except Declined as declined:
        reply.error = declined.error
        tx.log(call.now, "declined", phone, method=call.method, error=declined.error)
    if fault is not None:
        reply.lost = reply.lost or fault.kind == "lost_after"
        reply.delay_s += float(fault.arg or 0) if fault.kind == "slow" else 0.0
        reply.fault = None
    return reply


def _instead(reply: Reply, fault: scripts.Fault) -> None:
    if fault.kind == "lost_before":
        reply.lost = True
    elif fault.kind == "error":
        reply.fault, reply.error = None, str(fault.arg)
    elif fault.kind == "flood":
        reply.fault, reply.error = None, f"FLOOD_WAIT_{int(float(fault.arg or 1))}"


def _whose(tx: Tx, call: Call, row: Asked) -> tuple[str, phones.Telegram | None]:
    """The phone that a call is about, as far as it can be told, and its script."""
    if row is not None:
        return row["phone"], script_of(row)
    found = _PHONE.fullmatch(call.params.get("phone_number", ""))
    if found is None:
        return "", None
    return found[1], scripts.telegram(tx, found[1])


# --- the four methods ---------------------------------------------------------------------------


def check(tx: Tx, call: Call, reply: Reply, known: Asked) -> dict[str, Any]:
    """checkSendAbility: a positive answer takes one message's price at once."""
    row = _ask(tx, call, _phone(call))
    balance = 0 if row["cost"] == 0 else tx.fact("credit")
    return status_of(row, balance=balance)


def send(tx: Tx, call: Call, reply: Reply, known: Asked) -> dict[str, Any]:
    """sendVerificationMessage: at most once for a request id; free with one."""
    phone = _phone(call)
    message = _message(call)
    asked = "request_id" in call.params
    row = _asked(call, known, phone) if asked else _ask(tx, call, phone)
    row = tx.row(
        "UPDATE requests SET sent = ?, ttl = ?, code = ?, payload = ?, callback_url = ?,"
        " status = 'sent', status_at = ? WHERE id = ? RETURNING *",
        call.now, *message, call.now, row["id"],
    )  # fmt: skip
    tx.log(call.now, "send", phone, request_id=str(row["id"]), code=row["code"], ttl=row["ttl"],
           payload=row["payload"])  # fmt: skip
    shown = status_of(row, balance=0)
    script = script_of(row)
    reply.lost = script.lost and _loses(tx, call, phone, asked)
    schedule(tx, row, script)
    if row["callback_url"] and reports_mode(tx)["early"]:
        reply.delay_s += EARLY_S
        reach(tx, row, "delivered", call.now, call.real)
    return shown


def status(tx: Tx, call: Call, reply: Reply, known: Asked) -> dict[str, Any]:
    """checkVerificationStatus: the state; with a code, judges it."""
    row = _known(call, known)
    code = call.params.get("code")
    if code is not None:
        if not _CODE.fullmatch(code):
            raise Declined("CODE_INVALID")
        row = _judge(tx, call, row, code)
    return status_of(row)


def revoke(tx: Tx, call: Call, reply: Reply, known: Asked) -> bool:
    """revokeVerificationMessage: says yes, moves nothing, closes the code's window (captured)."""
    row = _known(call, known)
    _verification(tx, row, "expired", call.now, row["entered"])
    tx.log(call.now, "revoke", row["phone"], request_id=str(row["id"]))
    return True


Method = Callable[[Tx, Call, Reply, Asked], "dict[str, Any] | bool"]
METHODS: dict[str, Method] = {
    "checksendability": check,
    "sendverificationmessage": send,
    "checkverificationstatus": status,
    "revokeverificationmessage": revoke,
}


# --- parameters ---------------------------------------------------------------------------------


def _phone(call: Call) -> str:
    found = _PHONE.fullmatch(call.params.get("phone_number", ""))
    if found is None:
        raise Declined("PHONE_NUMBER_INVALID")
    return found[1]


def _message(call: Call) -> tuple[int | None, str, str | None, str | None]:
    """ttl, code, payload, callback_url: checked before anything is charged."""
    given = call.params
    name = given.get("sender_username")
    if name is not None and not _USERNAME.fullmatch(name):
        raise Declined("SENDER_USERNAME_INVALID")
    payload = given.get("payload")
    if payload is not None and len(payload.encode()) > PAYLOAD_MAX_BYTES:
        raise Declined("PAYLOAD_INVALID")
    url = given.get("callback_url")
    if url is not None and not callback_allowed(url):
        raise Declined("CALLBACK_URL_INVALID")
    ttl = None if "ttl" not in given else _number(given["ttl"], TTL_S, "TTL_INVALID")
    return ttl, _code(given), payload, url


def _code(given: dict[str, str]) -> str:
    """The caller's code, or a generated one; the former wins."""
    if "code" in given:
        if not _CODE.fullmatch(given["code"]):
            raise Declined("CODE_INVALID")
        return given["code"]
    if "code_length" not in given:
        raise Declined("CODE_LENGTH_REQUIRED")
    length = _number(given["code_length"], CODE_LENGTH, "CODE_LENGTH_INVALID")
    return "".join(secrets.choice("0123456789") for _ in range(length))


def _number(text: str, limits: tuple[int, int], error: str) -> int:
    if not _NUMBER.fullmatch(text) or not limits[0] <= int(text) <= limits[1]:
        raise Declined(error)
    return int(text)


def callback_allowed(url: str) -> bool:
    """HTTPS of at most 256 bytes; plain HTTP on loopback too, which only the sandbox allows."""
    if not url or len(url.encode()) > CALLBACK_URL_MAX_BYTES or not url.isprintable():
        return False
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return False
    return bool(host) and (parts.scheme == "https" or (parts.scheme == "http" and host in LOOPBACK))


# --- requests and credit ------------------------------------------------------------------------


def _ask(tx: Tx, call: Call, phone: str) -> sqlite3.Row:
    """A request that may be sent, charged; or the reason why not, free."""
    script = scripts.telegram(tx, phone)
    if script.flood_s:
        _flood(tx, call, phone, script.flood_s)
    if script.absent:
        scripts.used(tx, phone, "telegram")
        raise Declined("PHONE_NUMBER_NOT_AVAILABLE")
    if script.answer_s and (row := _unanswered(tx, call, phone)) is not None:
        return row
    cost = 0 if phone in call.own_phones else COST
    credit = tx.fact("credit")
    if credit < cost:
        raise Declined("BALANCE_NOT_ENOUGH")
    scripts.used(tx, phone, "telegram")
    tx.settle("credit", credit - cost)
    row = _begun(tx, call, phone, phones.dump(script), cost)
    tx.log(call.now, "fee", phone, request_id=str(row["id"]), cost=money(cost))
    return row


def _begun(tx: Tx, call: Call, phone: str, script: str, cost: int) -> sqlite3.Row:
    """A request under a fresh id: 15 digits, as on the wire."""
    while True:
        row = tx.one(
            "INSERT INTO requests (id, phone, script, cost, created, checked_real)"
            " VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING RETURNING *",
            10**14 + secrets.randbelow(9 * 10**14), phone, script, cost, call.now, call.real,
        )  # fmt: skip
        if row is not None:
            return row


def _flood(tx: Tx, call: Call, phone: str, wait_s: int) -> None:
    """The first try must wait, the next one after the wait passes; then it is a first try again."""
    until = scripts.mark(tx, phone, "flood")
    if until is None:
        scripts.set_mark(tx, phone, "flood", call.now + wait_s * 1000)
        raise Declined(f"FLOOD_WAIT_{wait_s}")
    if call.now < until:
        raise Declined(f"FLOOD_WAIT_{-(-(until - call.now) // 1000)}")
    scripts.set_mark(tx, phone, "flood", None)


def _unanswered(tx: Tx, call: Call, phone: str) -> sqlite3.Row | None:
    row = tx.one(
        "SELECT * FROM requests WHERE phone = ? AND sent IS NULL AND checked_real > ?"
        " ORDER BY checked_real DESC LIMIT 1",
        phone, call.real - REUSE_MS,
    )  # fmt: skip
    if row is not None:
        tx.run("UPDATE requests SET checked_real = ? WHERE id = ?", call.real, row["id"])
    return row


def _loses(tx: Tx, call: Call, phone: str, asked: bool) -> bool:
    """The first send of a request id loses its answer (a repeat of the id is an error anyway);
    without ids, every second send of the phone, or its caller would never get one."""
    if asked:
        return True
    again = scripts.mark(tx, phone, "lost") is not None
    scripts.set_mark(tx, phone, "lost", None if again else call.now)
    return not again


def _asked(call: Call, known: Asked, phone: str) -> sqlite3.Row:
    row = _known(call, known)
    if row["phone"] != phone:
        raise Declined("PHONE_NUMBER_MISMATCH")
    if row["sent"] is not None:
        raise Declined("MESSAGE_ALREADY_SENT")
    return row


def _known(call: Call, known: Asked) -> sqlite3.Row:
    if "request_id" not in call.params:
        raise Declined("REQUEST_ID_REQUIRED")
    if known is None:
        raise Declined("REQUEST_ID_INVALID")
    return known


def _find(tx: Tx, request_id: str) -> sqlite3.Row | None:
    if not _ID.fullmatch(request_id):
        return None
    return tx.one("SELECT * FROM requests WHERE id = ?", int(request_id))


def _judge(tx: Tx, call: Call, row: sqlite3.Row, code: str) -> sqlite3.Row:
    """code_valid stays; five wrong ones close the window; after the ttl it is closed."""
    word = row["verification"]
    if word in ("code_valid", "code_max_attempts_exceeded", "expired"):
        return row
    if row["ttl"] is not None and call.now > row["sent"] + row["ttl"] * 1000:
        word = "expired"
    elif row["code"] is not None and secrets.compare_digest(code, row["code"]):
        word = "code_valid"
    else:
        tx.run("UPDATE requests SET wrong = wrong + 1 WHERE id = ?", row["id"])
        last = row["wrong"] + 1 >= WRONG_CODES_MAX
        word = "code_max_attempts_exceeded" if last else "code_invalid"
    tx.log(call.now, "verify", row["phone"], request_id=str(row["id"]), status=word)
    return _verification(tx, row, word, call.now, code)


def _verification(
    tx: Tx, row: sqlite3.Row, word: str, now: int, entered: str | None
) -> sqlite3.Row:
    return tx.row(
        "UPDATE requests SET verification = ?, verification_at = ?, entered = ? WHERE id = ?"
        " RETURNING *",
        word, now, entered, row["id"],
    )  # fmt: skip
