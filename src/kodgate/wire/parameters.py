"""The strict reader of requests: bytes -> named text values, and the ASCII rules for scalars.

Nothing else of the wire turns text into numbers: `int()` and `\\d` accept Arabic-Indic and
full-width digits, underscores and surrounding spaces, which this protocol does not know.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from math import isinf
from typing import NoReturn
from urllib.parse import unquote_to_bytes

from kodgate.core.errors import Refused
from kodgate.core.values import quick

PARAMETERS_MAX = 64
NAME_MAX = 64
NUMBER_MAX = 64
"""Characters of one JSON number; no field takes as many."""
JSON_MAX = 65_536
"""Bytes of one JSON document."""
ID_DIGITS = 19
ID_MAX = 2**53 - 1
"""Clients that keep numbers as doubles lose nothing up to here (S-31)."""
USER_ID_MAX = 64

UTF_8 = ("utf-8",)
LEGACY = ("utf-8", "cp1251")
"""`http_in5.asp`: UTF-8, and what is not UTF-8 is cp1251 (protocol.md section 2)."""

CHARSETS = {
    "utf-8": "utf-8",
    "utf8": "utf-8",
    "us-ascii": "utf-8",
    "windows-1251": "cp1251",
    "cp1251": "cp1251",
    "iso-8859-1": "latin-1",
}

WRONG_TYPE = "\uf8ff"
"""Stands for a JSON value that is neither text nor an integer: no field accepts it."""
UNDECODABLE = "\ufffe"

_CHARSET = re.compile(r";[ \t]*charset[ \t]*=[ \t]*\"?([A-Za-z0-9_-]*)", re.IGNORECASE)
_FORBIDDEN = re.compile("[\x00-\x09\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
_SURROGATE = re.compile("[\ud800-\udfff]")
_PRINTABLE = re.compile(r"[\x20-\x7e]{1,64}")
_STRING_OR_NBSP = re.compile(r'"(?:[^"\\]|\\.)*+"?|\u00a0', re.DOTALL)
_BLANK = re.compile(r"[ \t\r\n]")
_BLANKS = " \r\n"


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """Known parameters by our names; unknown ones are dropped (S-68)."""

    values: Mapping[str, str] = field(repr=False)
    in_query: frozenset[str] = frozenset()
    """Names that stood in the URL."""
    error: str | None = None

    def __getitem__(self, name: str) -> str:
        return self.values.get(name, "")


Pair = tuple[str, str]
"""A spelling of a name, and its value."""


def form(
    query: bytes,
    body: bytes,
    *,
    content_type: str,
    names: Mapping[str, str],
    charsets: tuple[str, ...] = LEGACY,
) -> Parameters:
    """Query and form body as one list: both methods take both (W-1).

    `names`: lower-case spelling -> our name. Broken `%zz` stays as it is: credentials often come
    unencoded. A charset in the Content-Type rules the body.
    """
    declared = charset(content_type)
    body_charsets = charsets if declared is None else (declared or "ascii",)
    asked, sent = _pairs(query, charsets), _pairs(body, body_charsets)
    room = max(0, PARAMETERS_MAX - len(asked))
    found = collect(names, in_query=asked[:PARAMETERS_MAX], in_body=sent[:room])
    if len(asked) + len(sent) > PARAMETERS_MAX or declared == "":
        return Parameters(values=found.values, in_query=found.in_query, error="BAD_PARAMETER")
    return found


def charset(content_type: str) -> str | None:
    """The codec that the Content-Type names; None: it names none; empty: one we do not take."""
    match = _CHARSET.search(content_type)
    return None if match is None else CHARSETS.get(match[1].lower(), "")


def _pairs(data: bytes, charsets: tuple[str, ...]) -> list[Pair]:
    """One more than allowed: enough to see that there are too many, no work on the rest (S-67)."""
    if not data:
        return []
    raw = data.decode("latin-1")  # a character a byte, until its charset is known
    pairs = [pair.partition("=") for pair in raw.split("&", PARAMETERS_MAX + 1)]
    del pairs[PARAMETERS_MAX + 1 :]
    if _is_plain(raw):
        return [(name if len(name) <= NAME_MAX else "", value) for name, _, value in pairs]
    return [
        (_text(name, charsets), _text(value, charsets)) if len(name) <= NAME_MAX else ("", "")
        for name, _, value in pairs
    ]


def _is_plain(raw: str) -> bool:
    """ASCII without escapes, which reads alike in every charset: most requests."""
    return raw.isascii() and "%" not in raw and "+" not in raw


def _text(raw: str, charsets: tuple[str, ...]) -> str:
    if _is_plain(raw):
        return raw
    plain = unquote_to_bytes(raw.encode("latin-1").replace(b"+", b" "))
    for name in charsets:
        try:
            return plain.decode(name)
        except UnicodeDecodeError:
            continue
    return UNDECODABLE


def collect(
    names: Mapping[str, str], *, in_query: Iterable[Pair] = (), in_body: Iterable[Pair] = ()
) -> Parameters:
    """Values by our names.

    The first of equal duplicates counts; different ones are BAD_PARAMETER (S-66), as are
    characters that no field, log or XML document can hold.
    """
    values: dict[str, str] = {}
    error = _gather(values, in_query, names)
    asked = frozenset(values)
    error = _gather(values, in_body, names) or error
    return Parameters(values=values, in_query=asked, error=error)


def _gather(values: dict[str, str], pairs: Iterable[Pair], names: Mapping[str, str]) -> str | None:
    """Adds to `values`; returns what is wrong with them."""
    error: str | None = None
    for spelling, raw in pairs:
        name = names.get(spelling) or names.get(word(_BLANK.sub("", spelling)))
        if name is None:
            continue
        value = raw if name == "password" else raw.strip(_BLANKS)
        if not value.isprintable() and _FORBIDDEN.search(value):
            value, error = UNDECODABLE, "BAD_PARAMETER"
        if values.setdefault(name, value) != value:
            error = "BAD_PARAMETER"
    return error


def word(text: str) -> str:
    """ASCII lower case; a word that is not ASCII matches nothing (S-22, S-69)."""
    return text.lower() if text.isascii() else UNDECODABLE


def integer(text: str, *, low: int, high: int, digits: int = ID_DIGITS) -> int:
    """ASCII digits only. Raises Refused BAD_PARAMETER."""
    if len(text) <= digits and text.isascii() and text.isdigit() and low <= int(text) <= high:
        return int(text)
    raise Refused("BAD_PARAMETER")


def system_id(text: str) -> int:
    """An id of ours: 1..2^53-1. Raises Refused BAD_PARAMETER."""
    return integer(text, low=1, high=ID_MAX)


def integer_user_id(text: str) -> str:
    """The caller's own id in the HTTP interface, kept as it came (O-13). Raises Refused."""
    system_id(text)
    return text


def text_user_id(text: str) -> str:
    """The caller's own id in the JSON service: 1-64 printable ASCII (D12). Raises Refused."""
    if not _PRINTABLE.fullmatch(text):
        raise Refused("BAD_PARAMETER")
    return text


class FractionText(str):
    """A JSON number that is no integer, as it was written."""

    __slots__ = ()


def json_text(body: bytes, content_type: str) -> str:
    """A JSON body as text: UTF-8, or what the Content-Type names. Raises Refused BAD_JSON."""
    codec = charset(content_type)
    if len(body) > JSON_MAX or codec == "":
        raise Refused("BAD_JSON", why="too large, or a charset that JSON does not have here")
    try:
        return body.decode(codec or "utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError:
        raise Refused("BAD_JSON", why="not the charset that it claims") from None


def json_object(text: str) -> dict[str, object]:
    """A JSON object; numbers stay text. Raises Refused BAD_JSON.

    Spaces may be U+00A0, as the document itself prints them (O-19).
    """
    found = _json_value(text)
    if found is None and "\u00a0" in text:
        found = _json_value(_STRING_OR_NBSP.sub(_plain_space, text))
    if not isinstance(found, dict):
        raise Refused("BAD_JSON")
    return found


def _json_value(text: str) -> object:
    if len(text) > JSON_MAX:
        return None
    try:
        return _JSON.decode(text)
    except (ValueError, RecursionError):
        return None


def _plain_space(match: re.Match[str]) -> str:
    return " " if match[0] == "\u00a0" else match[0]


def _members(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("the same name twice")
    if len(members) > PARAMETERS_MAX:
        raise ValueError("too many members")  # who calls is not known either: 22 would mislead
    for part in (part for pair in pairs for part in pair if isinstance(part, str)):
        if _SURROGATE.search(part):
            raise ValueError("half a character")
    return members


def _number(text: str) -> str:
    if len(text) > NUMBER_MAX:
        raise ValueError("a number of no use")
    return text


def _fraction(text: str) -> FractionText:
    if isinf(float(_number(text))):
        raise ValueError("a number of no use")
    return FractionText(text)


def _no_constant(text: str) -> NoReturn:
    raise ValueError("not a JSON value")


_JSON = json.JSONDecoder(
    object_pairs_hook=_members,
    parse_int=_number,
    parse_float=_fraction,
    parse_constant=_no_constant,
)


def json_parameters(
    members: Mapping[str, object], names: Mapping[str, str], *, in_query: bool = False
) -> Parameters:
    """Members as parameters: text and integers; null counts as not given."""
    given = [(name, _member(value)) for name, value in members.items() if value is not None]
    return collect(names, in_query=given) if in_query else collect(names, in_body=given)


def _member(value: object) -> str:
    return value if type(value) is str else WRONG_TYPE
