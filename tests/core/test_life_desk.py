"""What an operator may do by hand: ask for the next step now, and end what is stuck."""

from __future__ import annotations

import pytest

from kodgate.core import life
from kodgate.core.types import Event, Reason, State, Task

from .kit import NOW, Case, planned, sms_after_unread, tele_to_sms

PATIENCE_MS = 60_000
HOUR = 3_600_000


def discard(case: Case, at: int) -> bool:
    change = life.discard(case.packet, case.messages, at=at, patience_ms=PATIENCE_MS)
    if change is not None:
        case.keep(change)
    return change is not None


def retry(case: Case, at: int) -> bool:
    """Whether it changed anything."""
    change = life.retry(case.packet, case.messages, at=at)
    case.keep(change)
    return bool(change.messages)


def sent() -> Case:
    case = Case(tele_to_sms())
    case.claim()
    case.see(1, Event.ACCEPTED, source="send", epoch=1, settles_at=NOW + 300_000)
    return case


def test_a_message_is_stuck_once_its_decision_is_overdue_for_longer_than_the_patience() -> None:
    case = Case(tele_to_sms())
    due = life.decide_at(case[1])
    assert not life.is_stuck(case[1], at=due + PATIENCE_MS - 1, patience_ms=PATIENCE_MS)
    assert life.is_stuck(case[1], at=due + PATIENCE_MS, patience_ms=PATIENCE_MS)


def test_what_is_not_stuck_is_not_discarded() -> None:
    case = sent()
    assert not discard(case, life.decide_at(case[1]) + PATIENCE_MS - 1)
    assert case[1].state is State.SENT


def test_a_message_under_a_live_claim_is_not_stuck() -> None:
    case = Case(tele_to_sms())
    case.claim(lease_ms=HOUR)
    assert not discard(case, NOW + HOUR)
    assert discard(case, NOW + HOUR + PATIENCE_MS)


def test_a_discard_gives_everything_back_and_ends_the_packet() -> None:
    case = sent()
    assert discard(case, NOW + HOUR)
    assert (case[1].state, case[1].reason) == (State.FAILED, Reason.DISCARDED)
    assert (case[1].refunded, case.packet.held, len(case.messages)) == (True, 0, 1)
    assert case.kinds == [("refund", 1)]
    assert case.words[-1] == "discarded"


def test_a_discard_refunds_what_the_refund_word_would_keep() -> None:
    case = sms_after_unread()
    case.claim(2, at=case[2].created_at)
    case.see(2, Event.ACCEPTED, source="send", epoch=1)
    assert discard(case, life.decide_at(case[2]) + PATIENCE_MS)
    assert case[2].refunded


def test_a_message_is_discarded_once() -> None:
    case = sent()
    assert discard(case, NOW + HOUR)
    assert not discard(case, NOW + HOUR)
    assert case.kinds == [("refund", 1)]


def test_a_report_after_a_discard_moves_no_money() -> None:
    case = sent()
    discard(case, NOW + HOUR)
    case.see(1, Event.READ, at=NOW + HOUR + 1)
    assert (case[1].state, case.kinds) == (State.FAILED, [("refund", 1)])
    assert case.words[-1] == "late"


def test_what_a_provider_took_is_still_asked_for_after_a_discard() -> None:
    case = sent()
    discard(case, NOW + HOUR)
    assert (case[1].task, case[1].due_at) == (Task.POLL, NOW + HOUR)


def test_what_no_provider_was_asked_to_take_is_not_asked_for_after_a_discard() -> None:
    case = Case((planned("sms", handover_s=120),))
    discard(case, NOW + HOUR)
    assert (case[1].task, case[1].due_at) == (None, None)


def test_a_retry_makes_a_waiting_attempt_due() -> None:
    case = Case(tele_to_sms())
    case.claim()
    case.see(1, source="send", epoch=1, retry_at=NOW + 90_000)
    assert retry(case, NOW + 5_000)
    assert (case[1].task, case[1].due_at, case[1].attempts) == (Task.SEND, NOW + 5_000, 1)


def test_a_retry_takes_no_claim_away() -> None:
    case = Case(tele_to_sms())
    case.claim(lease_ms=10_000)
    assert not retry(case, NOW + 9_999)


def test_a_retry_brings_a_reserved_decision_back_to_its_instant() -> None:
    case = sent()
    due = life.decide_at(case[1])
    reserved = due + HOUR
    object.__setattr__(case[1], "decide_at", reserved)
    assert retry(case, due)
    assert case[1].decide_at == due


@pytest.mark.parametrize("at", [NOW, NOW + 100_000])
def test_a_retry_leaves_alone_what_a_provider_has(at: int) -> None:
    case = sent()
    assert not retry(case, at)


def test_a_retry_of_an_ended_message_does_nothing() -> None:
    case = sent()
    discard(case, NOW + HOUR)
    assert not retry(case, NOW + HOUR)
