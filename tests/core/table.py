"""The table of architecture D2 and the refund words of D1, written out by hand as data."""

from __future__ import annotations

from kodgate.core.types import Event, Reason, RefundWord, State, Success

GRID = """
success    state      accepted   delivered  read       rejected         undelivered         timed_out
accepted   queued     confirmed  confirmed  confirmed  failed:rejected  failed:undelivered  failed:rejected:unknown
accepted   sent       confirmed  confirmed  confirmed  sent             failed:undelivered  expired:undelivered
accepted   delivered  confirmed  confirmed  confirmed  delivered        delivered           expired:unread
accepted   confirmed  confirmed  confirmed  confirmed  confirmed        confirmed           confirmed
accepted   failed     failed     failed     failed     failed           failed              failed
accepted   expired    expired    expired    expired    expired          expired             expired
delivered  queued     sent       confirmed  confirmed  failed:rejected  failed:undelivered  failed:rejected:unknown
delivered  sent       sent       confirmed  confirmed  sent             failed:undelivered  expired:undelivered
delivered  delivered  delivered  confirmed  confirmed  delivered        delivered           expired:unread
delivered  confirmed  confirmed  confirmed  confirmed  confirmed        confirmed           confirmed
delivered  failed     failed     failed     failed     failed           failed              failed
delivered  expired    expired    expired    expired    expired          expired             expired
read       queued     sent       delivered  confirmed  failed:rejected  failed:undelivered  failed:rejected:unknown
read       sent       sent       delivered  confirmed  sent             failed:undelivered  expired:undelivered
read       delivered  delivered  delivered  confirmed  delivered        delivered           expired:unread
read       confirmed  confirmed  confirmed  confirmed  confirmed        confirmed           confirmed
read       failed     failed     failed     failed     failed           failed              failed
read       expired    expired    expired    expired    expired          expired             expired
"""  # noqa: E501
"""A cell is `state`, `state:reason`, or `state:reason:reason where an attempt is on record`."""

Outcome = tuple[State, Reason | None, Reason | None]


def _cells() -> dict[tuple[State, Event, Success], Outcome]:
    head, *rows = (line.split() for line in GRID.strip().splitlines())
    cells: dict[tuple[State, Event, Success], Outcome] = {}
    for success, state, *words in rows:
        for event, word in zip(head[2:], words, strict=True):
            target, *reasons = word.split(":")
            plain = Reason(reasons[0]) if reasons else None
            attempted = Reason(reasons[-1]) if reasons else None
            key = State(state), Event(event), Success(success)
            assert key not in cells
            cells[key] = State(target), plain, attempted
    return cells


CELLS = _cells()

REFUNDED: dict[RefundWord, set[Reason]] = {
    RefundWord.NEVER: {Reason.CANCELLED, Reason.DISCARDED},
    RefundWord.REJECTED: {
        Reason.CANCELLED,
        Reason.DISCARDED,
        Reason.REJECTED,
        Reason.CLOSED,
        Reason.NO_ROUTE,
        Reason.UNKNOWN,
    },
    RefundWord.UNDELIVERED: {
        Reason.CANCELLED,
        Reason.DISCARDED,
        Reason.REJECTED,
        Reason.CLOSED,
        Reason.NO_ROUTE,
        Reason.UNKNOWN,
        Reason.UNDELIVERED,
    },
    RefundWord.UNREAD: set(Reason),
}
"""Which ends give the money back (D1, D2)."""
