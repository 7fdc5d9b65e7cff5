"""Phone numbers: E.164 digits out of what clients send (protocol.md section 2, S-38, S-39)."""

from __future__ import annotations

import re

from kodgate.core.errors import Refused

LENGTH_MIN = 7
LENGTH_MAX = 15
TEXT_MAX = 32

_DRESSING = re.compile(r"[ ()\-]")
_SEVERAL = re.compile(r"[,;\r\n]")


def normalise(text: str) -> str:
    """`+7 (912) 345-67-89` -> `79123456789`. Raises Refused: EMPTY_PHONE, MANY_PHONES, BAD_PHONE.

    | sent | becomes |
    |---|---|
    | `+7...`, ` 7...` (a plus that URL decoding ate) | `7...` |
    | spaces, brackets, dashes | removed |
    | `00` before the country code | removed |
    | 11 digits that begin with 8, without `+` or `00` | 8 becomes 7 |
    | anything else than 7 to 15 digits | error 10 |
    """
    text = text.strip(" \r\n")
    dressed = text if is_digits(text) else _undressed(text)
    if len(text) > TEXT_MAX:
        raise Refused("BAD_PHONE")
    digits = dressed.removeprefix("+").removeprefix("00")
    # With its country code spelled out, +84 912 345 678 is somebody else's number, not Russian.
    if digits == dressed and len(digits) == 11 and digits.startswith("8"):
        digits = "7" + digits[1:]
    if not LENGTH_MIN <= len(digits) <= LENGTH_MAX or digits.startswith("0"):
        raise Refused("BAD_PHONE")
    return digits


def _undressed(text: str) -> str:
    """Digits, a plus before them or not. Raises Refused."""
    if not text:
        raise Refused("EMPTY_PHONE")
    if _SEVERAL.search(text):
        raise Refused("MANY_PHONES" if len(split(text)) > 1 else "BAD_PHONE")
    dressed = _DRESSING.sub("", text)
    if not is_digits(dressed.removeprefix("+")):
        raise Refused("BAD_PHONE")
    return dressed


def is_digits(text: str) -> bool:
    """ASCII digits, at least one."""
    return text.isascii() and text.isdigit()


def split(text: str) -> list[str]:
    """The several numbers of a `phone_list`, for the simulation that answers each of them."""
    return [part.strip() for part in _SEVERAL.split(text) if part.strip()]


SHOWN_OF_PREFIX = 4
"""First digits that everybody may see."""


def mask(phone: str) -> str:
    """What may be shown to everybody: `79123456789` -> `7912***6789`."""
    return (
        f"{phone[:SHOWN_OF_PREFIX]}***{phone[-4:]}"
        if len(phone) >= 10
        else f"{phone[:2]}***{phone[-2:]}"
    )
