"""The one part of text that carries a code: template, alphabet and sender. Pure."""

from __future__ import annotations

import re
from enum import StrEnum

CODE_PLACE = "{code}"
LONGEST_CODE = "8" * 8

SEPTETS_MAX = 160
UCS2_UNITS_MAX = 70
DATA_CODING_UCS2 = 8

_BASIC = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\x1bÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
"""GSM 03.38, section 6.2.1; its place is its number. 0x1B leads to the extension table."""

_EXTENSION = {
    "\f": 0x0A,
    "^": 0x14,
    "{": 0x28,
    "}": 0x29,
    "\\": 0x2F,
    "[": 0x3C,
    "~": 0x3D,
    "]": 0x3E,
    "|": 0x40,
    "€": 0x65,
}
"""Characters that cost two septets (6.2.1.1)."""

_ESCAPE = 0x1B
_GSM = {char: bytes([place]) for place, char in enumerate(_BASIC) if place != _ESCAPE} | {
    char: bytes([_ESCAPE, place]) for char, place in _EXTENSION.items()
}
_GSM_BACK = {octets: char for char, octets in _GSM.items()}

_ALPHANUMERIC = re.compile(r"[A-Za-z0-9 ._&'*+-]{1,11}", re.ASCII)
_DIGITS = re.compile(r"[0-9]{1,15}", re.ASCII)
_FORBIDDEN = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
"""Control characters other than the line feed, and halves of surrogate pairs."""


class Alphabet(StrEnum):
    """What a provider takes its default alphabet (data_coding 0) for."""

    GSM7 = "gsm7"
    """GSM 03.38, one septet an octet, not packed."""
    ASCII = "ascii"
    LATIN1 = "latin1"


def check(template: str, alphabet: Alphabet = Alphabet.GSM7) -> None:
    """Raises ValueError with the reason why a template may not be saved.

    It holds `{code}` exactly once and fits one part with the longest code (the seed: parts = 1):
    160 septets, or 70 UCS-2 units where a character is outside the default alphabet.
    """
    places = template.count(CODE_PLACE)
    if places != 1:
        raise ValueError(f"the template must contain {CODE_PLACE} exactly once, not {places} times")
    if _FORBIDDEN.search(template):
        raise ValueError("the template contains a control character")
    encode(render(template, LONGEST_CODE), alphabet)


def render(template: str, code: str) -> str:
    return template.replace(CODE_PLACE, code)


def check_sender(sender: str) -> None:
    """Raises ValueError unless it is 1 to 15 digits, or 1 to 11 Latin letters, digits, signs."""
    if not (is_numeric(sender) or _ALPHANUMERIC.fullmatch(sender)) or not sender.strip():
        raise ValueError("the sender must be 1 to 11 Latin letters and digits, or 1 to 15 digits")


def is_numeric(sender: str) -> bool:
    return _DIGITS.fullmatch(sender) is not None


def encode(text: str, alphabet: Alphabet, data_coding: int = 0) -> tuple[int, bytes]:
    """The data_coding and octets of a text: the default alphabet's, or 8 (UCS-2).

    Raises ValueError where it does not fit one part.
    """
    septets = _septets(text)
    octets = None if septets is None else _in_alphabet(text, alphabet)
    if septets is not None and octets is not None:
        if septets > SEPTETS_MAX:
            raise ValueError(f"the text is {septets} septets long, {SEPTETS_MAX} fit one part")
        return data_coding, octets
    units = text.encode("utf-16-be")
    if len(units) > 2 * UCS2_UNITS_MAX:
        raise ValueError(
            f"the text is {len(units) // 2} UCS-2 units long, {UCS2_UNITS_MAX} fit one part"
        )
    return DATA_CODING_UCS2, units


def _septets(text: str) -> int | None:
    """None: a character is outside GSM 03.38."""
    try:
        return sum(len(_GSM[char]) for char in text)
    except KeyError:
        return None


def _in_alphabet(text: str, alphabet: Alphabet) -> bytes | None:
    if alphabet is Alphabet.GSM7:
        return b"".join(_GSM[char] for char in text)
    try:
        return text.encode(alphabet.value)
    except UnicodeEncodeError:
        return None


def decode(data_coding: int, octets: bytes, alphabet: Alphabet = Alphabet.GSM7) -> str:
    """What a phone would show: the way back, for an SMSC and its inbox."""
    if data_coding == DATA_CODING_UCS2:
        return octets.decode("utf-16-be", "replace")
    if data_coding == 3 or alphabet is not Alphabet.GSM7:
        return octets.decode("latin-1")
    out: list[str] = []
    rest = iter(octets)
    for octet in rest:
        pair = bytes([octet, next(rest, 0)]) if octet == _ESCAPE else bytes([octet])
        out.append(_GSM_BACK.get(pair, "\N{REPLACEMENT CHARACTER}"))
    return "".join(out)
