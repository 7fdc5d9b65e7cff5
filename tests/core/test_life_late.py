"""When the person has the code, or the message has ended: cancel, confirm, late news, holds."""

from __future__ import annotations

from dataclasses import replace

from kodgate.core import life, results
from kodgate.core.types import (
    Event,
    Reason,
    RefundWord,
    State,
    Success,
    Task,
)

from .kit import NOW, Case, planned, sms_after_unread, tele_to_sms, unknown_sms

HOUR_MS = 3_600_000


# Cancel


def test_a_late_read_cancels_the_sms_that_nobody_has_tried_to_send() -> None:
    case = sms_after_unread()
    case.see(1, Event.READ, at=NOW + 40_000)
    assert (case[2].reason, case[2].refunded) == (Reason.CANCELLED, True)
    assert case.kinds == [("refund", 1), ("charge", 2), ("refund", 2)]
    assert (case.packet.held, case.packet.answered_at) == (0, NOW + 40_000)


def test_a_late_delivered_cancels_only_where_delivered_is_success() -> None:
    for success, cancelled in [(Success.DELIVERED, True), (Success.READ, False)]:
        case = Case(tele_to_sms(success=success))
        case.claim()
        case.see(1, Event.ACCEPTED, source="send", epoch=1)
        case.deadline(1)
        case.see(1, Event.DELIVERED, at=NOW + 40_000)
        assert (case[2].reason is Reason.CANCELLED) is cancelled


def test_a_late_delivered_answers_a_step_that_even_an_acceptance_would_have_confirmed() -> None:
    case = Case((planned("telegram", success=Success.ACCEPTED), tele_to_sms()[1]))
    case.claim()
    case.deadline(1)
    case.see(1, Event.DELIVERED, at=NOW + 40_000)
    assert case[2].reason is Reason.CANCELLED


def test_an_attempted_sms_is_not_cancelled_and_not_repeated() -> None:
    case = sms_after_unread()
    at = case[2].created_at
    case.claim(2, at=at)
    case.see(1, Event.READ, at=at)
    assert case[2].state is State.QUEUED
    case.see(2, source="send", epoch=1, at=at, retry_at=at + 1)
    assert not case.claim(2, at=at + 1)
    assert (case[2].task, case[2].attempts) == (None, 1)
    case.deadline(2)
    assert (case[2].reason, case[2].refunded) == (Reason.UNKNOWN, True)


def test_an_sms_whose_only_attempt_was_given_back_is_cancelled_at_once() -> None:
    case = sms_after_unread()
    at = case[2].created_at
    case.claim(2, at=at)
    case.see(1, Event.READ, at=at)
    case.see(2, source="send", epoch=1, at=at, later_at=at + 1)
    assert case[2].reason is Reason.CANCELLED


def test_a_given_back_attempt_is_cancelled_by_the_read_that_follows() -> None:
    case = sms_after_unread()
    at = case[2].created_at
    case.claim(2, at=at)
    case.see(2, source="send", epoch=1, at=at, later_at=at + 1)
    case.see(1, Event.READ, at=at)
    assert case[2].reason is Reason.CANCELLED


def test_a_third_step_of_an_answered_packet_is_created_cancelled_and_refunded() -> None:
    plan = (*tele_to_sms(), planned("sms", price=50_000, refund=RefundWord.NEVER))
    case = Case(plan)
    case.claim()
    case.see(1, Event.ACCEPTED, source="send", epoch=1)
    case.deadline(1)
    at = case[2].created_at
    case.claim(2, at=at)
    case.see(1, Event.READ, at=at)
    case.see(2, Event.REJECTED, source="send", epoch=1, at=at)
    assert (case[3].reason, case[3].refunded) == (Reason.CANCELLED, True)
    assert case.kinds[-3:] == [("refund", 2), ("charge", 3), ("refund", 3)]
    assert case.packet.held == 0


# Confirm


def test_a_right_confirm_of_an_attempted_queued_message_is_its_read() -> None:
    case = Case(tele_to_sms())
    case.claim()
    assert case.confirm() is life.Verdict.RIGHT
    assert (case[1].state, case.packet.held, case.kinds) == (State.CONFIRMED, 0, [])


def test_a_right_confirm_of_an_unattempted_message_cancels_it_without_fallback() -> None:
    case = Case(tele_to_sms())
    assert case.confirm() is life.Verdict.RIGHT
    assert (case[1].reason, len(case.messages), case.packet.held) == (Reason.CANCELLED, 1, 0)
    assert case.kinds == [("refund", 1)]


def test_a_late_confirm_is_recorded_and_moves_no_money() -> None:
    case = Case(tele_to_sms()[:1])
    case.deadline(1)
    moved = len(case.kinds)
    assert case.confirm() is life.Verdict.RIGHT
    assert (case.packet.confirmed_at, len(case.kinds)) == (NOW, moved)
    assert case.words[-1] == "confirmed_late"


def test_a_confirm_is_single_use() -> None:
    case = Case(tele_to_sms())
    case.claim()
    case.confirm()
    assert case.confirm() is life.Verdict.USED
    assert case.confirm(right=False) is life.Verdict.USED


def test_the_sixth_try_is_refused_even_if_right() -> None:
    case = Case(tele_to_sms())
    for _ in range(life.CONFIRM_TRIES_MAX):
        assert case.confirm(right=False) is life.Verdict.WRONG
    assert case.confirm() is life.Verdict.EXHAUSTED
    assert case[1].state is State.QUEUED


# After the end


def test_a_receipt_after_an_unknown_end_corrects_what_is_reported_once() -> None:
    case = unknown_sms()
    final_at = case[2].final_at
    assert final_at is not None
    before = len(case.kinds)
    case.see(2, Event.ACCEPTED, Event.DELIVERED, at=final_at + 72 * HOUR_MS)
    case.see(2, Event.UNDELIVERED, at=final_at + 72 * HOUR_MS)
    assert (case[2].corrected, len(case.kinds)) == (Event.DELIVERED, before)
    assert results.of("sms", case[2], final_at).word == "Delivered"


def test_a_receipt_after_72_hours_corrects_nothing() -> None:
    case = unknown_sms()
    final_at = case[2].final_at
    assert final_at is not None
    case.see(2, Event.DELIVERED, at=final_at + 72 * HOUR_MS + 1)
    assert case[2].corrected is None


def test_a_contradictory_receipt_corrects_by_its_better_half() -> None:
    case = unknown_sms()
    case.see(2, Event.UNDELIVERED, Event.DELIVERED)
    assert case[2].corrected is Event.DELIVERED


def test_a_delivered_is_no_final_receipt_where_only_a_read_is_success() -> None:
    case = Case(tele_to_sms()[:1])
    case.claim()
    case.deadline(1)
    case.see(1, Event.DELIVERED, at=NOW + 40_000)
    assert (case[1].reason, case[1].corrected) == (Reason.UNKNOWN, None)
    case.see(1, Event.READ, at=NOW + 50_000)
    assert case[1].corrected is Event.READ


def test_an_acceptance_is_the_final_receipt_where_acceptance_is_success() -> None:
    case = Case((planned("sms", success=Success.ACCEPTED),))
    case.claim()
    case.deadline(1)
    case.see(1, Event.ACCEPTED, at=NOW + 40_000)
    assert case[1].corrected is Event.ACCEPTED
    assert results.of("sms", case[1], NOW + 40_000).id == 6
    assert results.delivered_at(case[1]) == NOW + 40_000


def test_good_news_from_an_old_claim_corrects_and_its_bad_news_does_not() -> None:
    case = unknown_sms()
    case.see(2, Event.REJECTED, source="send", epoch=1)
    assert case[2].corrected is None
    case.see(2, Event.ACCEPTED, Event.DELIVERED, source="send", epoch=1)
    assert case[2].corrected is Event.DELIVERED


def test_only_an_unknown_end_can_be_corrected() -> None:
    case = sms_after_unread()
    case.see(1, Event.READ)
    assert case[1].corrected is None


def test_a_late_read_moves_no_money_of_its_own_message() -> None:
    case = sms_after_unread()
    case.claim(2, at=case[2].created_at)
    before = len(case.kinds)
    case.see(1, Event.READ)
    assert (case[1].state, len(case.kinds)) == (State.EXPIRED, before)


def test_a_late_read_of_a_delivered_message_is_noted_once() -> None:
    case = sms_after_unread()
    for _ in range(2):
        case.see(1, Event.READ)
    assert case.words.count("late") == 1


def test_a_late_delivery_is_noted_once() -> None:
    case = Case(tele_to_sms()[:1])
    case.deadline(1)
    for _ in range(2):
        case.see(1, Event.DELIVERED, at=NOW + 40_000)
    assert (case[1].delivered_at, case.words.count("late")) == (NOW + 40_000, 1)


def test_an_ended_message_is_polled_for_the_providers_money_while_its_channel_wants() -> None:
    case = Case(tele_to_sms()[:1])
    case.claim()
    case.see(1, Event.ACCEPTED, source="send", epoch=1, provider_id="a")
    case.see(1, Event.TIMED_OUT, source="deadline", at=NOW + 32_000, poll_at=NOW + 40_000)
    assert (case[1].task, case[1].due_at) == (Task.POLL, NOW + 40_000)
    case.see(1, source="poll", at=NOW + 40_000, poll_at=NOW + 90_000)
    assert (case[1].task, case[1].due_at) == (Task.POLL, NOW + 90_000)
    case.see(1, source="poll", at=NOW + 90_000)
    assert (case[1].task, case[1].due_at) == (None, None)


def test_a_confirmed_message_is_not_polled_any_more() -> None:
    case = Case(tele_to_sms()[:1])
    case.claim()
    case.see(1, Event.READ, source="callback")
    case.see(1, Event.ACCEPTED, source="send", epoch=1, provider_id="a", poll_at=NOW + 1_000)
    assert (case[1].task, case[1].due_at) == (None, None)


def test_a_deadline_that_is_told_twice_decides_once() -> None:
    case = sms_after_unread()
    change = case.deadline(1, at=NOW + 99_000)
    assert (change.messages, change.transfers, change.notes) == ((), (), ())


def test_a_deadline_that_is_told_twice_corrects_nothing() -> None:
    case = unknown_sms()
    case.deadline(2, at=NOW + 99_000_000)
    assert case[2].corrected is None
    case.see(2, Event.ACCEPTED, Event.TIMED_OUT, at=NOW + 99_000_000)
    assert case[2].corrected is Event.TIMED_OUT


def test_every_observation_applied_twice_does_nothing_more() -> None:
    case = Case(tele_to_sms())
    case.claim()
    case.see(1, Event.ACCEPTED, source="send", epoch=1, provider_id="a", poll_at=NOW + 1)
    packet, messages = case.packet, case.messages
    change = case.see(1, Event.ACCEPTED, source="send", epoch=1, provider_id="a", poll_at=NOW + 1)
    assert (change.packet, change.messages, change.notes) == (packet, (), ())
    assert messages == case.messages


# Holds


def test_a_step_that_can_end_undelivered_though_acceptance_is_success_is_held_for() -> None:
    """A receipt `undelivered` can beat the answer: the step then fails without a refund."""
    first = planned("telegram", success=Success.ACCEPTED, refund=RefundWord.REJECTED)
    case = Case((first, tele_to_sms()[1]))
    balance = 42_000
    assert case.packet.held <= balance
    case.claim()
    case.see(1, Event.UNDELIVERED)
    moved = sum(t.customer for change in case.changes for t in change.transfers)
    assert case[1].refunded is False
    assert case.packet.held == 0
    assert -moved <= 42_000  # the fallback's price, promised by the hold below
    assert Case((first, tele_to_sms()[1])).packet.held == 42_000


def test_an_overdraft_packet_holds_nothing() -> None:
    case = Case(tele_to_sms(), reserve=False)
    assert case.packet.held == 0
    case.deadline(1)
    assert (case.packet.held, case.kinds) == (0, [("refund", 1), ("charge", 2)])


def test_the_price_is_the_messages_own_whatever_the_plan_says_later() -> None:
    case = Case(tele_to_sms())
    case.packet = replace(
        case.packet, plan=(replace(case.packet.plan[0], price=1), case.packet.plan[1])
    )
    case.deadline(1)
    assert case.changes[-1].transfers[0].amount == 21_000
