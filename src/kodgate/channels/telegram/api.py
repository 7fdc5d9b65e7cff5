"""The Telegram Gateway API as bytes: requests, answers, error strings, signed reports. Pure."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from enum import StrEnum
from functools import lru_cache
from json.encoder import encode_basestring_ascii
from typing import Any

from kodgate.core.money import SCALE
from kodgate.core.values import quick

BODY_BYTES_MAX = 65_536
"""Of an answer or a report (S-93, S-95)."""
FLOOD_WAIT_S = 5
"""Where a flood answer names no time, or no sane one."""
FLOOD_WAIT_S_MAX = 3_600
COST_MAX = 1_000
"""Currency units: more than that for one code is not a price."""
BALANCE_MAX = 10**11
UPDATED_AT_MAX = 10**12
ERROR_CHARS_MAX = 200
PAYLOAD_CHARS_MAX = 256
REPORT_AGE_S_MAX = 300

TIMESTAMP_HEADER = "x-request-timestamp"
SIGNATURE_HEADER = "x-request-signature"


class Method(StrEnum):
    """The three methods that are called; nothing is ever revoked (D9)."""

    CHECK = "checkSendAbility"
    SEND = "sendVerificationMessage"
    STATUS = "checkVerificationStatus"


class Action(StrEnum):
    """What an error string makes us do."""

    STOP = "stop"
    """Nothing will pass until somebody acts: open the breaker."""
    WAIT = "wait"
    """Flood: later."""
    DECLINE = "decline"
    """This phone cannot be reached; free."""
    FAIL = "fail"
    """Not sent and not charged; this attempt is over."""
    RECHECK = "recheck"
    """The id is lost: a new check, where no send was attempted."""
    SENT = "sent"
    """Evidence that an earlier send has arrived."""
    DROP_SENDER = "drop_sender"
    """Once more without `sender_username`."""


@dataclass(frozen=True, slots=True)
class ErrorRow:
    """One error string: its class, what we do, whether the operator must know."""

    kind: str
    action: Action
    alert: bool = False


_SENDER = ErrorRow("config", Action.DROP_SENDER, alert=True)
_OUR_BUG = ErrorRow("our bug", Action.FAIL, alert=True)
_INPUT = ErrorRow("input", Action.FAIL)
_DECLINE = ErrorRow("decline", Action.DECLINE)
_LOST_ID = ErrorRow("lost id", Action.RECHECK)

ERRORS = {
    "ACCESS_TOKEN_INVALID": ErrorRow("config", Action.STOP, alert=True),
    "ACCESS_TOKEN_REQUIRED": ErrorRow("config", Action.STOP, alert=True),
    "UNKNOWN_METHOD": ErrorRow("our bug", Action.STOP, alert=True),
    "BALANCE_NOT_ENOUGH": ErrorRow("funds", Action.STOP, alert=True),
    "PHONE_NUMBER_NOT_AVAILABLE": _DECLINE,
    "PHONE_NUMBER_NOT_FOUND": _DECLINE,
    "PHONE_NUMBER_INVALID": ErrorRow("input", Action.DECLINE),
    "PHONE_NUMBER_MISMATCH": _OUR_BUG,
    "REQUEST_ID_INVALID": _LOST_ID,
    "REQUEST_ID_REQUIRED": _LOST_ID,
    "MESSAGE_ALREADY_SENT": ErrorRow("success evidence", Action.SENT),
    "CODE_INVALID": _INPUT,
    "CODE_LENGTH_INVALID": _INPUT,
    "CODE_LENGTH_REQUIRED": _INPUT,
    "CODE_EXPIRED": ErrorRow("verification", Action.FAIL),
    "CODE_MAX_ATTEMPTS_EXCEEDED": ErrorRow("verification", Action.FAIL),
    "PAYLOAD_INVALID": _OUR_BUG,
    "TTL_INVALID": _OUR_BUG,
    "CALLBACK_URL_INVALID": _OUR_BUG,
    "SENDER_USERNAME_INVALID": _SENDER,
    "SENDER_NOT_VERIFIED": _SENDER,
    "SENDER_NOT_OWNED": _SENDER,
}
"""Every error string that is known besides FLOOD_WAIT_n."""

FLOOD = ErrorRow("rate", Action.WAIT)
UNKNOWN = ErrorRow("unknown", Action.FAIL, alert=True)
"""Not sent and not charged, by the API's own word; the string goes to the timeline verbatim."""


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """A RequestStatus. Money in 1/10,000 of Telegram's currency."""

    request_id: str
    phone: str
    """Digits; Telegram sends them without the plus."""
    cost: int | None
    """None: absent, negative or absurd."""
    balance: int | None
    """The account's balance only in the answer to a positive check."""
    refunded: bool
    word: str | None
    """DeliveryStatus.status; None: no message was sent with this id."""
    payload: str | None


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """`ok: false`: definitely not done."""

    error: str
    row: ErrorRow
    wait_s: int = 0


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Lost:
    """No answer that can be trusted: it may have been done or not."""

    why: str
    never_left: bool = False
    """No connection: it certainly was not done."""


Answer = Status | Refused | Lost

_FLOOD = re.compile(r"FLOOD_WAIT(?:_?([0-9]{1,9}))?")
_SECONDS = re.compile(r"[0-9]{1,9}")
_REQUEST_ID = re.compile(r"[!-~]{1,64}")
_PHONE = re.compile(r"\+?([0-9]{7,15})")
_WORD = re.compile(r"[a-z_]{1,32}")
_TIMESTAMP = re.compile(r"[0-9]{1,12}")
_INSTANCE = r"[0-9a-f]{1,16}"
_PAYLOAD = re.compile(rf"k:({_INSTANCE}):([1-9][0-9]{{0,17}}):([0-9]{{1,9}})")


def build(parameters: dict[str, str | int]) -> bytes:
    """A request's JSON body; empty parameters are left out."""
    given = [f'"{name}":{_quoted(value)}' for name, value in parameters.items() if value != ""]
    return f"{{{','.join(given)}}}".encode()


def _quoted(value: str | int) -> str:
    return encode_basestring_ascii(value) if isinstance(value, str) else str(value)


def read_answer(status: int, body: bytes, retry_after: str = "") -> Answer:
    """What an HTTP answer says. The body decides, not the status code (telegram.md, fact 5)."""
    if 300 <= status < 400:
        return Lost(why=f"HTTP {status}: redirects are not followed")
    try:
        answer = _object(body)
    except ValueError as error:
        if status == 429:
            return _flooded("HTTP 429", retry_after)
        return Lost(why=f"HTTP {status}: {error}")
    if answer.get("ok") is True:
        return _result(answer.get("result"))
    if answer.get("ok") is False and isinstance(answer.get("error"), str):
        return _refusal(status, answer, retry_after)
    return Lost(why=f"HTTP {status}: neither ok nor an error")


def _result(result: Any) -> Status | Lost:
    try:
        return _status(result)
    except ValueError as error:
        return Lost(why=f"a result of the wrong shape: {error}")


def _refusal(status: int, answer: dict[str, Any], retry_after: str) -> Answer:
    error: str = answer["error"]
    flood = _FLOOD.search(error)
    if flood is not None:
        return _flooded(error, flood.group(1) or "")
    row = ERRORS.get(error)
    if row is None and status == 429:
        return _flooded(error, str(answer.get("retry_after", retry_after)))
    if row is None and (status >= 500 or status == 408):
        return Lost(why=f"HTTP {status}: {printable(error)}")
    return Refused(error=printable(error), row=row or UNKNOWN)


def _flooded(error: str, seconds: str) -> Refused:
    """A wait between one second and an hour, whatever was written (S-96)."""
    wait_s = int(seconds) if _SECONDS.fullmatch(seconds) else FLOOD_WAIT_S
    wait_s = min(max(wait_s, 1), FLOOD_WAIT_S_MAX)
    return Refused(error=printable(error), row=FLOOD, wait_s=wait_s)


def read_report(body: bytes) -> Status:
    """The body of a delivery report. Raises ValueError."""
    return _status(_object(body))


def printable(text: str) -> str:
    """Upstream text, safe for one line of a log or a timeline (S-82)."""
    return "".join(c if c.isprintable() else "?" for c in text[:ERROR_CHARS_MAX])


def _object(body: bytes) -> dict[str, Any]:
    """Strict JSON: UTF-8, no NaN, no duplicate keys, bounded size and depth. Raises ValueError."""
    if len(body) > BODY_BYTES_MAX:
        raise ValueError("too long")
    try:
        value = _parse(body.decode())
    except RecursionError:
        raise ValueError("too deep") from None
    except ValueError:
        # json's own words quote nothing of the body, but the decoder's error holds it
        raise ValueError("not JSON") from None
    if not isinstance(value, dict):
        raise ValueError("not an object")
    return value


def _decimal(text: str) -> Decimal:
    try:
        return Decimal(text)
    except ArithmeticError:
        raise ValueError("not a number") from None


def _no_constant(text: str) -> None:
    raise ValueError(text)


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key twice")
    return found


# Made once: for every call json.loads would make it anew
_DECODER = json.JSONDecoder(
    parse_float=_decimal, parse_constant=_no_constant, object_pairs_hook=_no_duplicates
)


def _parse(text: str) -> Any:
    """What begins and ends without spaces, as Telegram's answers do, is read the short way."""
    if text[:1] == "{":
        value, end = _DECODER.raw_decode(text)
        if end == len(text):
            return value
    return _DECODER.decode(text)


def _status(result: Any) -> Status:
    """Written for speed: there are four of them in the life of each code."""
    if not isinstance(result, dict):
        raise ValueError("result")
    given = result.get
    request_id, phone_number, payload = given("request_id"), given("phone_number"), given("payload")
    cost, balance = given("request_cost"), given("remaining_balance")
    refunded = given("is_refunded")
    sent, verified = given("delivery_status"), given("verification_status")
    if not isinstance(request_id, str) or not _REQUEST_ID.fullmatch(request_id):
        raise ValueError("request_id")
    phone = _PHONE.fullmatch(phone_number) if isinstance(phone_number, str) else None
    if phone is None:
        raise ValueError("phone_number")
    if refunded is not None and not isinstance(refunded, bool):
        raise ValueError("is_refunded")
    if payload is not None and not (isinstance(payload, str) and len(payload) <= PAYLOAD_CHARS_MAX):
        raise ValueError("payload")
    if verified is not None:
        _word(verified, "verification_status")
    return Status(
        request_id=request_id,
        phone=phone[1],
        cost=None if cost is None else _money(cost, "request_cost", COST_MAX),
        balance=None if balance is None else _money(balance, "remaining_balance", BALANCE_MAX),
        refunded=refunded is True,
        word=None if sent is None else _word(sent, "delivery_status"),
        payload=payload,
    )


def _money(value: Any, name: str, most: int) -> int | None:
    """Currency units -> 1/10,000, rounded up so that a fee is never booked too low."""
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise ValueError(name)
    if not 0 <= value <= most:
        return None
    return int((Decimal(value) * SCALE).to_integral_value(ROUND_CEILING))


def _word(status: Any, name: str) -> str:
    if not isinstance(status, dict):
        raise ValueError(name)
    word, updated_at = status.get("status"), status.get("updated_at", 0)
    if not isinstance(word, str) or not _WORD.fullmatch(word):
        raise ValueError(name)
    if type(updated_at) is not int or not 0 <= updated_at <= UPDATED_AT_MAX:
        raise ValueError(name)
    return word


def sign(token: str, timestamp: str, body: bytes) -> str:
    """The signature of a report: the key is the raw SHA-256 of the token, not its hex."""
    return hmac.digest(_key(token), b"%b\n%b" % (timestamp.encode(), body), "sha256").hex()


@lru_cache(16)
def _key(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


def is_signed(token: str, *, timestamp: str, signature: str, body: bytes) -> bool:
    """Constant time; a timestamp that is not ASCII digits is never signed (S-90)."""
    if not _TIMESTAMP.fullmatch(timestamp):
        return False
    expected = sign(token, timestamp, body).encode()
    return hmac.compare_digest(expected, signature.encode(errors="replace"))


def is_fresh(timestamp: str, wall_now_s: float) -> bool:
    """Within 300 s of the real clock on either side. `timestamp` must be signed."""
    return abs(int(timestamp) - wall_now_s) <= REPORT_AGE_S_MAX


def payload(instance: str, message_id: int, epoch: int) -> str:
    """What Telegram echoes in every report: ours, short, and of this run of the process only."""
    return f"k:{instance}:{message_id}:{epoch}"


def message_id(text: str | None, instance: str) -> int | None:
    """The message that a payload of this run names; None for any other text."""
    match = _PAYLOAD.fullmatch(text or "")
    if match is None or match.group(1) != instance:
        return None
    return int(match.group(2))
