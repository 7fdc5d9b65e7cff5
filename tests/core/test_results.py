"""What is reported of a message: every family, state and reason, the 72 hours, the correction."""

from __future__ import annotations

from dataclasses import replace

import pytest

from kodgate.core import life, results
from kodgate.core.types import Event, Message, Reason, State

from .kit import NOW, tele_to_sms

HOUR_MS = 3_600_000

REPORTED = """
state      reason       messenger  sms
queued     -            3          3
sent       -            4          4
delivered  -            8          8
confirmed  -            6          6
failed     rejected     7          5
failed     closed       12         12
failed     no_route     13         13
failed     unknown      1          1
failed     undelivered  7          7
failed     unread       7          7
failed     cancelled    9          9
failed     discarded    10         10
expired    rejected     7          10
expired    closed       12         10
expired    no_route     13         10
expired    unknown      1          1
expired    undelivered  7          10
expired    unread       7          10
expired    cancelled    9          10
expired    discarded    10         10
"""
"""Ids of protocol.md 4.3, by 4.4."""

CORRECTED = """
event        messenger  sms
accepted     6          6
delivered    6          6
read         6          6
rejected     7          5
undelivered  7          7
timed_out    7          10
"""

FAMILIES = ("messenger", "sms")


def rows(text: str) -> list[list[str]]:
    return [line.split() for line in text.strip().splitlines()[1:]]


def message(state: State, reason: Reason | None = None, **more: object) -> Message:
    final_at = NOW if state.is_final else None
    fresh = life.new_message(tele_to_sms(), 1, NOW)
    changed: dict[str, object] = {"state": state, "reason": reason, "final_at": final_at}
    return replace(fresh, **(changed | more))  # type: ignore[arg-type]


def test_the_table_of_results_is_the_documents() -> None:
    assert [row.id for row in results.TABLE] == list(range(1, 14))
    assert {row.id for row in results.TABLE if row.final} == {5, 6, 7, 9, 10, 12, 13}
    assert len({row.word for row in results.TABLE}) == 13
    assert all(row.ru and row.en and row.word.isascii() for row in results.TABLE)
    assert results.BY_ID[6].ru == "доставлено"


def test_every_state_and_reason_is_in_the_expectation() -> None:
    ended = {(s, r) for s, r, *_ in rows(REPORTED) if r != "-"}
    assert ended == {(s, r.value) for s in ("failed", "expired") for r in Reason}
    assert {s for s, r, *_ in rows(REPORTED) if r == "-"} == {
        s.value for s in State if not s.is_final or s is State.CONFIRMED
    }


@pytest.mark.parametrize("row", rows(REPORTED), ids=lambda row: "-".join(row[:2]))
@pytest.mark.parametrize("family", FAMILIES)
def test_a_state_and_reason_has_its_result(row: list[str], family: str) -> None:
    state, reason, *ids = row
    shown = message(State(state), None if reason == "-" else Reason(reason))
    expected = int(ids[FAMILIES.index(family)])
    assert results.of(family, shown, NOW).id == expected


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(
    ("after_ms", "expected"),
    [(0, 1), (72 * HOUR_MS, 1), (72 * HOUR_MS + 1, 10), (1_000 * HOUR_MS, 10)],
)
def test_an_unknown_end_is_unknown_for_72_hours(family: str, after_ms: int, expected: int) -> None:
    shown = message(State.FAILED, Reason.UNKNOWN)
    assert results.of(family, shown, NOW + after_ms).id == expected


def test_only_an_open_or_unknown_result_is_not_final() -> None:
    for state, reason, *ids in rows(REPORTED):
        for number in map(int, ids):
            is_open = not State(state).is_final or reason == "unknown"
            assert results.BY_ID[number].final is not is_open


@pytest.mark.parametrize("row", rows(CORRECTED), ids=lambda row: row[0])
@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("later_ms", [0, 1_000 * HOUR_MS])
def test_a_correction_is_reported_for_ever(row: list[str], family: str, later_ms: int) -> None:
    event, *ids = row
    shown = message(
        State.FAILED, Reason.UNKNOWN, corrected=Event(event), corrected_at=NOW + HOUR_MS
    )
    assert results.of(family, shown, NOW + later_ms).id == int(ids[FAMILIES.index(family)])


@pytest.mark.parametrize("event", Event)
def test_a_corrected_delivery_has_its_date_and_nothing_else_has_one(event: Event) -> None:
    shown = message(State.FAILED, Reason.UNKNOWN, corrected=event, corrected_at=NOW + 5)
    good = event in (Event.ACCEPTED, Event.DELIVERED, Event.READ)
    assert results.delivered_at(shown) == (NOW + 5 if good else None)


def test_a_message_is_delivered_when_it_is_confirmed_and_not_before() -> None:
    """D-8: a date before that makes clients mark the message delivered."""
    assert results.delivered_at(message(State.CONFIRMED)) == NOW
    assert results.delivered_at(message(State.DELIVERED, delivered_at=NOW)) is None
    assert results.delivered_at(message(State.EXPIRED, Reason.UNREAD, delivered_at=NOW)) is None
