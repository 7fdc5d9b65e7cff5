"""Where codes go and do not arrive, and who asks for them: what pumping looks like in a report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from kodgate.core.phones import SHOWN_OF_PREFIX
from kodgate.core.pumping import SUFFIX_DIGITS, prefix_of
from kodgate.web.cabinet.visit import Visit

LOOKED_AT = 2_000
"""The newest codes of a period; numbers are kept encrypted, so that each is opened for it."""
ROWS_MAX = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """Codes that have one thing in common."""

    name: str
    sent: int
    arrived: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Losses:
    """The worst first; only where codes were lost."""

    codes: int
    """How many were looked at."""
    prefixes: list[Line]
    addresses: list[Line]


async def losses(visit: Visit, since: int, until: int) -> Losses:
    """Of a period, business ms."""
    account_id = visit.own.id
    found = await visit.site.engine.blocks.newest(
        account_id, since=since, until=until, limit=LOOKED_AT
    )
    phones = visit.site.keyring.open_all(
        "phone", account_id, [(sent.key_day, sent.phone_digest, sent.phone) for sent in found]
    )
    return Losses(
        codes=len(found),
        prefixes=_worst(
            (_prefix(visit, phone), sent.arrived) for phone, sent in zip(phones, found, strict=True)
        ),
        addresses=_worst((sent.caller_ip, sent.arrived) for sent in found),
    )


def _prefix(visit: Visit, phone: str | None) -> str:
    """As much of a number as this person may see."""
    if phone is None:
        return "—"
    if not visit.may("reveal"):
        return f"{phone[:SHOWN_OF_PREFIX]}***"
    return prefix_of(phone) + "*" * SUFFIX_DIGITS


def _worst(codes: Iterable[tuple[str, bool]]) -> list[Line]:
    sent: Counter[str] = Counter()
    arrived: Counter[str] = Counter()
    for name, has_arrived in codes:
        sent[name] += 1
        arrived[name] += has_arrived
    lost = sent - arrived
    return [
        Line(name=name, sent=sent[name], arrived=arrived[name])
        for name, _ in sorted(lost.items(), key=lambda row: (-row[1], row[0]))[:ROWS_MAX]
    ]
