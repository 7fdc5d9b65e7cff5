"""The only way text leaves in an answer: txt (INI) lines, XML elements, JSON, and money in them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

from kodgate.core import money
from kodgate.core.accounts import AccountSettings, Charset, DecimalSeparator, TxtStyle
from kodgate.wire import HttpAnswer

Fields = Sequence[tuple[str, str]]
"""Keys and values in the order in which they are written."""

COMMA = ","
POINT = "."

XML_DECLARATION = "<?xml version='1.0' encoding='UTF-8' ?>"
"""Single quotes and the space as the document has them (O-11)."""

_EQUALS = {TxtStyle.KODGATE: " = ", TxtStyle.SEED: "="}
_CHARSET_NAME = {Charset.UTF_8: "utf-8", Charset.CP1251: "windows-1251"}
_SEPARATOR = {DecimalSeparator.COMMA: COMMA, DecimalSeparator.POINT: POINT}

# What a strict INI reader takes literally (ruling D-5, run against PHP's): a bracket, a quote or
# an equals sign spoils the whole answer, a semicolon cuts the value, a bare `off` becomes "".
_INI_UNSAFE = re.compile(r"[^0-9A-Za-zА-Яа-яЁё .,:\-/+*%#@?_<>\[{]")
_INI_PLAIN = re.compile(r"[0-9.,:]*").fullmatch
"""Most values: digits and signs are no word, and lose nothing."""
_INI_WORD = re.compile(r"\b(?:no|off|null|none|false|on|yes|true)\b", re.IGNORECASE)

_XML_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_XML_PLAIN = re.compile(r"[0-9A-Za-z.,: _+-]*").fullmatch
"""Most values: nothing in them needs a second look."""
_JSON = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False)

_XML_ESCAPES = str.maketrans(
    {
        "&": "&amp;",
        "<": "&lt;",
        ">": "&gt;",
        "'": "&apos;",
        '"': "&quot;",
        "\t": "&#9;",
        "\n": "&#10;",
        "\r": "&#13;",
    }
)


def ini(sections: Iterable[tuple[str, Fields]], settings: AccountSettings) -> HttpAnswer:
    """A txt answer: CRLF lines, one per key, an empty line between sections (D-2, O-3)."""
    equals = _EQUALS[settings.txt_style]
    blocks = [_ini_block(name, fields, equals) for name, fields in sections]
    charset = _CHARSET_NAME[settings.charset]
    return plain("\r\n".join(blocks).encode(settings.charset), charset=charset)


def _ini_block(name: str, fields: Fields, equals: str) -> str:
    if _INI_PLAIN("".join([value for _, value in fields])):  # one look at all of them
        lines = [f"{key}{equals}{value}\r\n" for key, value in fields]
    else:
        lines = [f"{key}{equals}{ini_value(value)}\r\n" for key, value in fields]
    return f"[{name}]\r\n{''.join(lines)}"


def ini_value(text: str) -> str:
    """The text without anything that an INI reader could take for more than text."""
    if _INI_PLAIN(text):
        return text
    return _tame(text)


@lru_cache(256)
def _tame(text: str) -> str:
    """Of an error, of a result: the same few texts come again and again."""
    return _INI_WORD.sub("?", _INI_UNSAFE.sub("?", text)).strip(" ")


def plain(body: bytes, *, charset: str = "utf-8") -> HttpAnswer:
    return HttpAnswer(status=200, content_type=f"text/plain; charset={charset}", body=body)


def tag(name: str, attributes: Fields, *, closed: bool = False) -> str:
    """A start tag, or an empty element, on one line: `<sms num='1' />`."""
    if _XML_PLAIN("".join([value for _, value in attributes])):  # one look at all of them
        written = "".join([f" {key}='{value}'" for key, value in attributes])
    else:
        written = "".join([f" {key}='{xml_text(value)}'" for key, value in attributes])
    return f"<{name}{written} {'/' if closed else ''}>"


def xml_text(text: str) -> str:
    """Escaped for an attribute or content. Raises ValueError: XML cannot hold it (S-79)."""
    if _XML_PLAIN(text):
        return text
    if _XML_FORBIDDEN.search(text):
        raise ValueError("a character that XML cannot hold")
    return text.translate(_XML_ESCAPES)


def xml(document: str) -> HttpAnswer:
    body = document.encode()
    return HttpAnswer(status=200, content_type="text/xml; charset=utf-8", body=body)


def json_answer(value: Mapping[str, object]) -> HttpAnswer:
    body = _JSON.encode(value).encode()
    return HttpAnswer(status=200, content_type="application/json; charset=utf-8", body=body)


class Purse:
    """Prints the money of one answer: one number of decimals for all of it (D4)."""

    def __init__(self, settings: AccountSettings, *amounts: int) -> None:
        self._chosen = _SEPARATOR.get(settings.decimal_separator)
        self._places = money.decimals(*amounts)

    def text(self, amount: int, documented: str) -> str:
        """`documented`: the sign that the document shows at this place (O-4)."""
        return money.text(amount, self._places, self._chosen or documented)


def local_time(at: int, timezone: str) -> str:
    """Milliseconds -> `17.09.2025 12:34:23` in the account's zone (W-54)."""
    return f"{datetime.fromtimestamp(at // 1000, ZoneInfo(timezone)):%d.%m.%Y %H:%M:%S}"
