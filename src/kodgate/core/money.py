"""Money as integers in 1/10,000 of the currency unit: reading and printing it. No floats."""

from __future__ import annotations

import re
from decimal import Decimal

SCALE = 10_000
DECIMALS_MIN = 2
DECIMALS_MAX = 4
MONEY_MAX = 10**15
"""No single amount or balance may pass it (S-125): 100 thousand million units."""

_UNITS = tuple(10 ** (DECIMALS_MAX - places) for places in range(DECIMALS_MAX + 1))
"""What the last of so many decimals is worth."""

_AMOUNT = re.compile(r"(-?)([0-9]{1,12})(?:[.,]([0-9]{1,4}))?")


def parse(text: str) -> int:
    """An amount in currency units, comma or point: `2,10` -> 21000. Raises ValueError."""
    match = _AMOUNT.fullmatch(text)
    if match is None:
        raise ValueError("not an amount of money")
    sign, whole, fraction = match.groups()
    amount = int(whole) * SCALE + int((fraction or "").ljust(DECIMALS_MAX, "0"))
    if amount > MONEY_MAX:
        raise ValueError("the amount is too large")
    return -amount if sign else amount


def decimals(*amounts: int) -> int:
    """How many decimals all of them need to be exact, at least two: one answer, one number."""
    needed = DECIMALS_MIN
    for amount in amounts:
        while amount % _UNITS[needed]:
            needed += 1
    return needed


def text(amount: int, places: int = DECIMALS_MIN, separator: str = ".") -> str:
    """`21000` -> `2.10`. `places` must be enough to be exact, see `decimals`."""
    unit = _UNITS[places]
    assert amount % unit == 0, "printing would lose money"
    digits = str(abs(amount) // unit).zfill(places + 1)
    sign = "-" if amount < 0 else ""
    return f"{sign}{digits[:-places]}{separator}{digits[-places:]}"


def decimal(amount: int) -> Decimal:
    """For the SDK: currency units as `Decimal`, exact in whatever precision the caller works."""
    return Decimal(text(amount, decimals(amount)))
