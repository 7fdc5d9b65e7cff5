"""What each test phone does with a code: the table that docs and tests rely on."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from functools import lru_cache
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Telegram:
    """One phone's outcome on Telegram. Seconds of business time unless said."""

    absent: bool = False
    """Not on Telegram: PHONE_NUMBER_NOT_AVAILABLE, free."""
    delivered_s: float | None = 1.0
    """After the send; None: never, it expires at its ttl and is refunded."""
    read_s: float | None = 3.0
    """After the send, not before the delivery; None: never."""
    late_s: float | None = None
    """Delivered this long after it has expired (a contradiction that nobody excludes)."""
    flood_s: int = 0
    """The first try of each code answers FLOOD_WAIT_n."""
    answer_s: float = 0.0
    """Every answer comes this much later, in real seconds."""
    lost: bool = False
    """The answer to the first send is lost: processed, then the connection is closed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sms:
    """One phone's outcome by SMS."""

    result: str = "delivered"
    """delivered, undeliverable or silent (no receipt); rejected or invalid (refused at submit)."""
    receipt_s: float = 1.0
    """After the submit, business time."""


TELEGRAM: dict[str, Telegram] = {
    "read": Telegram(),
    "read_fast": Telegram(delivered_s=0.5, read_s=1.0),
    "unread": Telegram(read_s=None),
    "absent": Telegram(absent=True),
    "undelivered": Telegram(delivered_s=None, read_s=None),
    "late": Telegram(delivered_s=None, read_s=None, late_s=1.0),
    "flood": Telegram(flood_s=3),
    "slow": Telegram(answer_s=20.0),
    "lost": Telegram(lost=True),
}
"""Outcomes on Telegram by name, for the control API and the inbox."""

SMS: dict[str, Sms] = {
    name: Sms(result=name)
    for name in ("delivered", "undeliverable", "rejected", "invalid", "silent")
}

DEFAULT = ("read", "delivered")
"""All other numbers."""

PHONES: dict[str, tuple[str, str]] = {
    "70000000001": ("read_fast", "delivered"),
    "70000000002": ("unread", "delivered"),
    "70000000003": ("absent", "delivered"),
    "70000000004": ("undelivered", "delivered"),
    "70000000005": ("flood", "delivered"),
    "70000000006": ("unread", "rejected"),
    "70000000007": ("unread", "undeliverable"),
    "70000000008": ("absent", "rejected"),
    "70000000009": ("slow", "delivered"),
    "70000000010": ("lost", "delivered"),
}
"""Matched exactly: what happens on Telegram, what happens by SMS."""

Script = Telegram | Sms
KINDS: dict[str, type[Telegram] | type[Sms]] = {"telegram": Telegram, "sms": Sms}
NAMED: dict[str, dict[str, Any]] = {"telegram": TELEGRAM, "sms": SMS}


def standard(phone: str, channel: str) -> Script:
    """The table's script of a phone. `channel`: telegram or sms."""
    telegram, sms = PHONES.get(phone, DEFAULT)
    return TELEGRAM[telegram] if channel == "telegram" else SMS[sms]


def parse(channel: str, value: object) -> Script:
    """A script from a name of the tables or from its fields. Raises ValueError."""
    if isinstance(value, str) and value in NAMED[channel]:
        found: Script = NAMED[channel][value]
        return found
    if not isinstance(value, dict):
        raise ValueError(f"{channel}: one of {', '.join(NAMED[channel])}, or an object")
    kind = KINDS[channel]
    for name, given in value.items():
        _check(kind, name, given)
    return kind(**value)


def _check(kind: type[Telegram] | type[Sms], name: str, given: object) -> None:
    types = {one.name: str(one.type) for one in fields(kind)}
    if name not in types:
        raise ValueError(f"unknown field {name}; known: {', '.join(types)}")
    if types[name] == "bool":
        good = isinstance(given, bool)
    elif types[name] == "str":
        good = given in SMS
    else:
        number = isinstance(given, int | float) and not isinstance(given, bool)
        whole = types[name] != "int" or isinstance(given, int)
        good = ("None" in types[name] and given is None) or (
            number and whole and 0 <= float(str(given)) <= 86_400
        )
    if not good:
        raise ValueError(f"bad value of {name}")


@lru_cache(1024)
def dump(script: Script) -> str:
    return json.dumps(asdict(script))


@lru_cache(1024)
def load(channel: str, text: str) -> Script:
    """The inverse of `dump`."""
    return KINDS[channel](**json.loads(text))
