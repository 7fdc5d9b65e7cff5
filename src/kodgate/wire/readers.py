"""Tolerant readers of answers, for the client halves: ours, and those of the original service.

The P rules of the compatibility rulings: blanks around keys and values (O-3) and inside keys (O-2),
comma or point (O-4), three names of the code (O-6), `OK` or 0 (O-8).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from xml.etree import ElementTree
from zoneinfo import ZoneInfo

from kodgate.core import money, results
from kodgate.core.errors import BY_NUMBER, TABLE, Refused
from kodgate.core.requests import MessageStatus, PacketStatus, Sent, SentMessage
from kodgate.core.results import Result
from kodgate.wire import ApiFailure, Unreadable, parameters

ANSWER_MAX = 1_048_576
"""Bytes; no answer of this protocol comes near."""
NUMBER_UNKNOWN = -1
SECTIONS_MAX = 64

Fields = Mapping[str, str]
"""Lower-case key without blanks -> value."""

_SECTION = re.compile(r"\[([^\]]*)\]")
_BLANK = re.compile(r"\s")
_DATE = re.compile(
    r"([0-9]{1,2})\.([0-9]{1,2})\.([0-9]{4}) ([0-9]{1,2}):([0-9]{2}):([0-9]{2})", re.ASCII
)
_TEXTS = {text: row.number for row in TABLE for text in (row.en, row.ru)}
_CODE_NAMES = ("code", "message", "message_text")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One answer, whatever it was written in."""

    common: Fields
    messages: Sequence[Fields]

    def succeed(self) -> Answer:
        """Itself, or ApiFailure where it says no; Unreadable where it says neither."""
        said = self.common.get("error_num")
        if said is None:
            raise Unreadable("no error_num")
        if said not in ("0", "OK"):
            raise failure(said, self.common)
        return self


def failure(said: str, common: Fields) -> ApiFailure:
    """`said`: a number or a text; the other one may stand beside it."""
    numbers = (_integer_or_none(text) for text in (common.get("error_code", ""), said))
    number = next((found for found in numbers if found), None)
    if number is None:
        number = _TEXTS.get(said, NUMBER_UNKNOWN)
    known = BY_NUMBER.get(number)
    text = common.get("error_text") or (said if _integer_or_none(said) is None else "")
    return ApiFailure(number, text or (known.en if known else said), packet_id(common))


def packet_id(common: Fields) -> int | None:
    """The packet that a failure points to (error 19)."""
    return _integer_or_none(common.get("packet_id", "")) or None


def text_of(body: bytes) -> str:
    """UTF-8, else cp1251 (D-6). Raises Unreadable."""
    if len(body) > ANSWER_MAX:
        raise Unreadable("too large")
    for charset in ("utf-8-sig", "cp1251"):
        try:
            return body.decode(charset)
        except UnicodeDecodeError:
            continue
    raise Unreadable("no known charset")


def answer(body: bytes) -> Answer:
    """txt or XML, seen by its first character. Raises Unreadable."""
    text = text_of(body)
    return _xml_answer(text) if text.lstrip().startswith("<") else _ini_answer(text)


def _ini_answer(text: str) -> Answer:
    sections: dict[str, dict[str, str]] = {"": {}}
    current = sections[""]
    for line in text.splitlines():
        heading = _SECTION.fullmatch(line.strip())
        key, equals, value = line.partition("=")
        if heading is not None:
            current = sections.setdefault(heading[1].strip().lower(), {})
        elif equals:
            current.setdefault(_key(key), value.strip())
    common = {**sections[""], **sections.get("summary", {}), **sections.get("common", {})}
    numbered = [name for name in sections if _integer_or_none(name)]
    return Answer(common=common, messages=[sections[name] for name in numbered[:SECTIONS_MAX]])


def _key(text: str) -> str:
    return _BLANK.sub("", text).lower()


def xml_root(text: str) -> ElementTree.Element:
    """Raises Unreadable, also for anything that could declare an entity (S-78)."""
    if "<!" in text:
        raise Unreadable("an XML declaration that this protocol does not know")
    try:
        return ElementTree.fromstring(text.strip())  # noqa: S314 - no DTD comes this far
    except (ElementTree.ParseError, ValueError) as error:
        raise Unreadable("not XML") from error


def _xml_answer(text: str) -> Answer:
    root = xml_root(text)
    outer = next((child for child in root if _key(child.tag) in ("httpin", "httpout")), None)
    if outer is None:
        raise Unreadable("neither httpIn nor httpOut")
    summary = [child for child in outer if _key(child.tag) == "summary"]
    common = fields(outer)
    for child in summary:
        common = {**fields(child), **common}
    messages = [fields(child) for child in outer if _key(child.tag) == "sms"]
    return Answer(common=common, messages=messages[:SECTIONS_MAX])


def fields(element: ElementTree.Element) -> dict[str, str]:
    return {_key(name): value.strip() for name, value in element.attrib.items()}


def json_fields(members: Mapping[str, object]) -> dict[str, str]:
    """The members that are text or numbers."""
    return {_key(name): value.strip() for name, value in members.items() if isinstance(value, str)}


def json_members(body: bytes) -> dict[str, object]:
    """Raises Unreadable."""
    try:
        return parameters.json_object(text_of(body).strip())
    except Refused as refused:
        raise Unreadable("not a JSON object") from refused


def json_list(value: object) -> list[dict[str, object]]:
    """The objects of a list; anything else is no list."""
    items = value if isinstance(value, list) else []
    return [item for item in items[:SECTIONS_MAX] if isinstance(item, dict)]


def sent(found: Answer) -> Sent:
    """The answer to a send. Raises ApiFailure, Unreadable."""
    common = found.succeed().common
    messages = tuple(_sent_message(message) for message in found.messages)
    if not messages:
        raise Unreadable("accepted, but no message")
    return Sent(
        packet_id=integer(common, "packet_id"),
        messages=messages,
        balance_before=amount(common, "balance_before"),
        balance_after=amount(common, "balance_after"),
        caller_ip=common.get("sender_ip", ""),
        user_packet_id=common.get("user_packet_id") or None,
    )


def _sent_message(message: Fields) -> SentMessage:
    return SentMessage(
        message_id=integer(message, "message_id"),
        phone=message.get("message_phone", ""),
        code=code(message),
        zone=integer(message, "message_zone", missing=0),
        cost=amount(message, "message_cost"),
        parts=integer(message, "message_parts", missing=1),
    )


def packet_status(found: Answer, *, timezone: str) -> PacketStatus:
    """The answer to a status query of the HTTP interface. Raises ApiFailure, Unreadable.

    `channel` is empty: the interface does not tell it. `timezone`: of `delivered_date`.
    """
    common = found.succeed().common
    messages = tuple(
        message_status(message, num=place, timezone=timezone)
        for place, message in enumerate(found.messages, start=1)
    )
    if not messages:
        raise Unreadable("no message")
    return PacketStatus(
        packet_id=integer(common, "packet_id"),
        messages=messages,
        asked=messages[-1],
        caller_ip=common.get("sender_ip", ""),
    )


def message_status(message: Fields, *, num: int, timezone: str) -> MessageStatus:
    return MessageStatus(
        num=integer(message, "num", missing=num),
        message_id=integer(message, "message_id"),
        channel=message.get("channel", ""),
        phone=message.get("message_phone", ""),
        code=code(message),
        zone=integer(message, "message_zone", missing=0),
        result=result(message),
        delivered_at=instant(message.get("delivered_date", ""), timezone),
        cost=amount(message, "message_cost"),
        parts=integer(message, "message_parts", missing=1),
    )


def result(message: Fields) -> Result:
    """By number, else by word; one that is not in the table is not final, and keeps its text."""
    number = _integer_or_none(message.get("result_id", ""))
    said = message.get("state", "")
    by_word = (row for row in results.TABLE if number is None and row.word == said)
    row = results.BY_ID.get(number or 0) or next(by_word, None)
    if row is not None:
        return row
    info = message.get("result_info", "")
    return Result(id=number or 1, word=said or "Unknown", en=info, ru=info, final=False)


def code(message: Fields) -> str:
    """`code`, else `message`, else `message_text` (O-6); empty where none of them came."""
    return next((message[name] for name in _CODE_NAMES if message.get(name)), "")


def integer(found: Fields, key: str, *, missing: int | None = None) -> int:
    """Raises Unreadable: it is not there (and `missing` is None), or no number."""
    text = found.get(key, "")
    if not text and missing is not None:
        return missing
    number = _integer_or_none(text)
    if number is None:
        raise Unreadable(f"{key} is no number")
    return number


def _integer_or_none(text: str) -> int | None:
    try:
        return parameters.integer(text, low=0, high=10**parameters.ID_DIGITS)
    except Refused:
        return None


def amount(found: Fields, key: str) -> int:
    """Money in 1/10,000; 0 where it is not told. Raises Unreadable."""
    try:
        return money.parse(found.get(key) or "0")
    except ValueError as error:
        raise Unreadable(f"{key} is no amount of money") from error


def instant(text: str, timezone: str) -> int | None:
    """`17.09.2025 12:34:23` -> milliseconds; the hour may have one digit. None: not told."""
    if not text:
        return None
    match = _DATE.fullmatch(text)
    if match is None:
        raise Unreadable("delivered_date is no date")
    day, month, year, hour, minute, second = map(int, match.groups())
    try:
        local = datetime(year, month, day, hour, minute, second, tzinfo=ZoneInfo(timezone))
        return int(local.timestamp()) * 1000
    except (ValueError, OverflowError) as error:
        raise Unreadable("delivered_date is no date") from error
