"""Verification codes: 4 to 8 ASCII digits, text for ever, never changed (D5)."""

from __future__ import annotations

import re
from collections.abc import Callable

from kodgate.core.errors import Refused

LENGTH_MIN = 4
LENGTH_MAX = 8

_CODE = re.compile(r"[0-9]{4,8}")


def check(code: str) -> str:
    """The code as it came, or Refused BAD_CODE: wrong length, not ASCII digits, all zeros."""
    if not _CODE.fullmatch(code) or not code.strip("0"):
        raise Refused("BAD_CODE")
    return code


def generate(length: int, randbelow: Callable[[int], int]) -> str:
    """A uniform code whose first digit is 1-9. `randbelow(n)`: 0..n-1 from a CSPRNG.

    A source that fails, or leaves its range, stops the draw: there is no second source (S-37).
    """
    assert LENGTH_MIN <= length <= LENGTH_MAX
    first = 10 ** (length - 1)
    drawn = randbelow(9 * first)
    assert 0 <= drawn < 9 * first
    return str(first + drawn)


def mask(code: str) -> str:
    """What a status shows after the code's retention: one star a digit."""
    return "*" * len(code)
