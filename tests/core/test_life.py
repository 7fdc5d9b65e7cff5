"""One packet's life, decision by decision: what each rule of `core.life` does in its hard cases."""

from __future__ import annotations

from dataclasses import replace

import pytest

from kodgate.core import life, results
from kodgate.core.types import (
    Alias,
    Booking,
    BookingKind,
    Event,
    Reason,
    RefundWord,
    State,
    Success,
    Task,
)

from .kit import NOW, Case, planned, tele_to_sms

HOUR_MS = 3_600_000


def sms_after_unread() -> Case:
    """A packet whose Telegram message was never read; its SMS is due."""
    case = Case(tele_to_sms())
    case.claim()
    case.see(1, Event.ACCEPTED, source="send", epoch=1)
    case.see(1, Event.DELIVERED)
    case.deadline(1)
    return case


def unknown_sms() -> Case:
    """A packet whose SMS ended without any answer."""
    case = sms_after_unread()
    case.claim(2, at=case[2].created_at)
    case.deadline(2)
    assert case[2].reason is Reason.UNKNOWN
    return case


# The main road


def test_a_read_confirms_and_releases_the_hold() -> None:
    case = Case(tele_to_sms())
    case.claim()
    case.see(1, Event.ACCEPTED, source="send", epoch=1, provider_id="a", poll_at=NOW + 1)
    case.see(1, Event.DELIVERED, at=NOW + 1)
    case.see(1, Event.READ, at=NOW + 2)
    assert (case[1].state, case[1].final_at) == (State.CONFIRMED, NOW + 2)
    assert case[1].delivered_at == NOW + 1
    assert (case.packet.held, case.kinds) == (0, [])
    assert case.words == ["sent", "delivered", "confirmed"]


def test_an_unread_message_is_refunded_and_its_sms_is_charged_in_the_same_decision() -> None:
    case = sms_after_unread()
    assert (case[1].state, case[1].reason, case[1].refunded) == (
        State.EXPIRED,
        Reason.UNREAD,
        True,
    )
    assert [(t.kind, t.num) for t in case.changes[-1].transfers] == [("refund", 1), ("charge", 2)]
    assert case.changes[-1].held_delta == -21_000
    assert case.words[-2:] == ["expired", "fallback"]


def test_without_a_next_step_an_unread_message_ends_the_packet() -> None:
    case = Case(tele_to_sms()[:1])
    case.deadline(1)
    assert (case[1].state, case[1].reason) == (State.FAILED, Reason.REJECTED)
    assert len(case.messages) == 1


def test_a_rejection_keeps_the_providers_refined_reason() -> None:
    case = Case(tele_to_sms()[1:])
    case.claim()
    case.see(1, Event.REJECTED, source="send", epoch=1, reason=Reason.NO_ROUTE)
    assert (case[1].reason, case[1].refunded) == (Reason.NO_ROUTE, True)


def test_a_rejection_cannot_be_refined_to_a_reason_that_is_none() -> None:
    case = Case(tele_to_sms()[1:])
    case.claim()
    case.see(1, Event.REJECTED, source="send", epoch=1, reason=Reason.CANCELLED)
    assert case[1].reason is Reason.REJECTED


# Claims, leases and the epoch


def test_the_deadline_waits_for_a_live_claim() -> None:
    case = Case(tele_to_sms()[1:])
    handover = case[1].handover_at
    assert handover is not None
    case.claim(at=handover - 1, lease_ms=10_000)
    case.deadline(1, at=handover)
    assert case[1].state is State.QUEUED
    case.deadline(1, at=handover - 1 + 10_000)
    assert (case[1].state, case[1].reason) == (State.FAILED, Reason.UNKNOWN)


def test_a_claim_knows_at_once_when_its_deadline_will_be_decided() -> None:
    case = Case(tele_to_sms()[1:])
    handover = case[1].handover_at
    assert handover is not None
    case.claim(at=handover - 1, lease_ms=10_000)
    assert case[1].decide_at == handover - 1 + 10_000


def test_at_the_leases_end_the_worker_stops_and_the_deadline_decides() -> None:
    case = Case(tele_to_sms()[1:])
    handover = case[1].handover_at
    assert handover is not None
    case.claim(at=handover - 10_000, lease_ms=10_000)
    assert not life.may_go_on(case.packet, case[1], epoch=1, at=handover)
    assert life.may_go_on(case.packet, case[1], epoch=1, at=handover - 1)
    case.deadline(1, at=handover)
    assert case[1].reason is Reason.UNKNOWN


@pytest.mark.parametrize("late_ms", [0, 1])
def test_nothing_is_claimed_from_the_handover_on(late_ms: int) -> None:
    case = Case(tele_to_sms()[1:])
    handover = case[1].handover_at
    assert handover is not None
    assert not case.claim(at=handover + late_ms)
    assert case[1].attempts == 0


def test_nothing_is_claimed_from_the_end_on() -> None:
    case = Case(tele_to_sms())
    assert not case.claim(at=case[1].ends_at)
    assert case.claim(at=case[1].ends_at - 1)


def test_at_the_cap_a_message_that_may_have_been_sent_is_polled() -> None:
    case = Case(tele_to_sms())
    for attempt in (1, 2, 3):
        case.claim(at=NOW + attempt)
        case.see(1, source="prepare", epoch=attempt, at=NOW + attempt, settles_at=NOW + 30_000)
        case.see(1, source="send", epoch=attempt, at=NOW + attempt, retry_at=NOW + attempt + 1)
    assert not case.claim(at=NOW + 4)
    assert (case[1].task, case[1].due_at, case[1].attempts) == (Task.POLL, NOW + 4, 3)


def test_at_the_cap_a_message_that_cannot_be_asked_for_waits_for_its_deadline() -> None:
    case = Case(tele_to_sms()[1:])
    for attempt in (1, 2):
        case.claim(at=NOW + attempt)
        case.see(1, source="send", epoch=attempt, at=NOW + attempt, retry_at=NOW + attempt + 1)
    assert not case.claim(at=NOW + 3)
    assert (case[1].task, case[1].due_at, case[1].decide_at) == (None, None, case[1].handover_at)


def test_a_stale_rejection_is_fenced_and_a_stale_acceptance_is_not() -> None:
    case = Case(tele_to_sms())
    case.claim(at=NOW, lease_ms=5)
    case.claim(at=NOW + 5)
    case.see(1, Event.REJECTED, source="send", epoch=1, at=NOW + 6)
    assert case[1].state is State.QUEUED
    case.see(1, Event.ACCEPTED, source="send", epoch=1, at=NOW + 7, provider_id="a")
    assert (case[1].state, case[1].provider_id) == (State.SENT, "a")


def test_a_stale_acceptance_still_says_when_to_look_again() -> None:
    case = Case(tele_to_sms())
    case.claim(at=NOW, lease_ms=5)
    case.claim(at=NOW + 5)
    case.see(1, Event.ACCEPTED, source="send", epoch=1, at=NOW + 6, poll_at=NOW + 7)
    assert (case[1].state, case[1].task, case[1].due_at) == (State.SENT, Task.POLL, NOW + 7)


def test_a_stale_give_back_takes_no_attempt_away() -> None:
    case = Case(tele_to_sms())
    case.claim(at=NOW, lease_ms=5)
    case.claim(at=NOW + 5)
    case.see(1, source="send", epoch=1, at=NOW + 6, later_at=NOW + 9)
    assert (case[1].attempts, case[1].lease_until) == (2, NOW + 5 + 10_000)


# Giving a claim back


def test_a_give_back_takes_its_attempt_away() -> None:
    case = Case(tele_to_sms())
    case.claim()
    case.see(1, source="send", epoch=1, later_at=NOW + 9)
    assert (case[1].attempts, case[1].task, case[1].due_at) == (0, Task.SEND, NOW + 9)
    assert case[1].lease_until is None


def test_a_doubled_give_back_takes_one_attempt_away() -> None:
    case = Case(tele_to_sms())
    case.claim()
    case.see(1, source="send", epoch=1, retry_at=NOW + 1)
    case.claim(at=NOW + 1)
    for _ in range(2):
        case.see(1, source="send", epoch=2, at=NOW + 1, later_at=NOW + 9)
    assert case[1].attempts == 1
    case.deadline(1)
    assert case[1].reason is Reason.UNKNOWN


def test_a_give_back_of_a_message_that_a_receipt_has_moved_changes_nothing() -> None:
    case = Case(tele_to_sms())
    case.claim()
    case.see(1, Event.ACCEPTED)
    case.see(1, source="send", epoch=1, later_at=NOW + 9)
    assert (case[1].state, case[1].attempts, case[1].task) == (State.SENT, 1, None)


def test_giving_the_only_attempt_back_forgets_the_end_of_the_send_that_did_not_happen() -> None:
    case = Case(tele_to_sms())
    case.claim()
    case.see(1, source="prepare", epoch=1, provider_id="a", settles_at=NOW + 50_000)
    case.see(1, source="send", epoch=1, later_at=NOW + 9)
    assert (case[1].settles_at, case[1].decide_at) == (None, NOW + 32_000)


def test_giving_a_second_attempt_back_keeps_the_end_of_the_first() -> None:
    case = Case(tele_to_sms())
    case.claim()
    case.see(1, source="prepare", epoch=1, provider_id="a", settles_at=NOW + 50_000)
    case.see(1, source="send", epoch=1, retry_at=NOW + 1)
    case.claim(at=NOW + 1)
    case.see(1, source="send", epoch=2, at=NOW + 1, later_at=NOW + 9)
    assert (case[1].settles_at, case[1].attempts) == (NOW + 50_000, 1)


# Prepare


def test_a_prepare_records_the_id_and_the_providers_end_before_the_send() -> None:
    case = Case(tele_to_sms())
    case.claim()
    fee = Booking(kind=BookingKind.FEE, provider="telegram", amount=100, attempt=1)
    case.see(
        1, source="prepare", epoch=1, provider_id="a", settles_at=NOW + 30_500, bookings=(fee,)
    )
    assert (case[1].provider_id, case[1].settles_at) == ("a", NOW + 30_500)
    assert case[1].decide_at == NOW + 30_500 + life.GRACE_MS
    assert case.kinds == [("provider_fee", 1)]
    assert life.may_go_on(case.packet, case[1], epoch=1, at=NOW)


def test_a_stale_prepare_is_an_alias_and_marks_no_send() -> None:
    case = Case(tele_to_sms())
    case.claim(lease_ms=5)
    case.claim(at=NOW + 5)
    change = case.see(
        1, source="prepare", epoch=1, at=NOW + 6, provider_id="a", settles_at=NOW + 36_000
    )
    assert change.aliases == (Alias(num=1, provider_id="a"),)
    assert (case[1].provider_id, case[1].settles_at) == (None, None)
    assert not life.may_go_on(case.packet, case[1], epoch=1, at=NOW + 6)


def test_a_prepare_whose_lease_ran_out_marks_no_send() -> None:
    case = Case(tele_to_sms())
    case.claim(lease_ms=5)
    case.see(1, source="prepare", epoch=1, at=NOW + 5, provider_id="a", settles_at=NOW + 35_000)
    assert not life.may_go_on(case.packet, case[1], epoch=1, at=NOW + 5)
    assert (case[1].provider_id, case[1].settles_at) == ("a", None)


def test_a_prepare_of_an_answered_packet_marks_no_send() -> None:
    case = Case((tele_to_sms()[0], planned("telegram", wait_s=60)))
    case.claim()
    case.see(1, Event.ACCEPTED, source="send", epoch=1)
    case.deadline(1)
    at = case[2].created_at
    case.claim(2, at=at)
    case.see(1, Event.READ, at=at)
    case.see(2, source="prepare", epoch=1, at=at, provider_id="b", settles_at=at + 60_000)
    assert not life.may_go_on(case.packet, case[2], epoch=1, at=at)
    assert case[2].settles_at is None


def test_the_latest_of_several_sends_counts() -> None:
    case = Case(tele_to_sms())
    case.claim()
    case.see(1, source="prepare", epoch=1, settles_at=NOW + 31_000)
    case.see(1, source="prepare", epoch=1, settles_at=NOW + 30_000)
    assert case[1].settles_at == NOW + 31_000


# Who may change the schedule


@pytest.mark.parametrize("more", [{"poll_at": NOW + 1}, {"retry_at": NOW + 1}, {}])
def test_a_poll_during_a_live_claim_leaves_its_schedule_alone(more: dict[str, int]) -> None:
    case = Case(tele_to_sms())
    case.claim(lease_ms=10_000)
    case.see(1, source="poll", **more)
    assert (case[1].task, case[1].due_at) == (Task.SEND, NOW + 10_000)
    assert case[1].lease_until == NOW + 10_000


def test_a_callback_that_only_asks_for_a_look_during_a_claim_does_not_lose_the_repeat() -> None:
    case = Case(tele_to_sms())
    case.claim(lease_ms=10_000)
    case.see(1, source="callback", poll_at=NOW)
    assert case.claim(at=NOW + 10_000)


def test_an_answer_of_the_claim_sets_the_next_look() -> None:
    case = Case(tele_to_sms())
    case.claim()
    case.see(1, Event.ACCEPTED, source="send", epoch=1, poll_at=NOW + 1_000)
    assert (case[1].task, case[1].due_at) == (Task.POLL, NOW + 1_000)
    case.see(1, source="poll", at=NOW + 1_000, poll_at=NOW + 3_000)
    assert (case[1].task, case[1].due_at) == (Task.POLL, NOW + 3_000)
    case.see(1, source="poll", at=NOW + 3_000)
    assert (case[1].task, case[1].due_at) == (None, None)


def test_a_poll_that_found_nothing_may_ask_for_a_repeat() -> None:
    case = Case(tele_to_sms())
    case.claim()
    case.see(1, source="send", epoch=1, poll_at=NOW + 1_000)
    case.see(1, source="poll", at=NOW + 1_000, retry_at=NOW + 2_000)
    assert case.claim(at=NOW + 2_000)


def test_a_callback_beats_the_answer_and_the_answer_still_counts() -> None:
    case = Case(tele_to_sms())
    case.claim()
    case.see(1, Event.DELIVERED, source="callback", at=NOW + 1)
    assert (case[1].state, case[1].task, case[1].lease_until) == (State.DELIVERED, None, None)
    case.see(
        1, Event.ACCEPTED, source="send", epoch=1, at=NOW + 2, provider_id="a", poll_at=NOW + 9
    )
    assert (case[1].state, case[1].provider_id) == (State.DELIVERED, "a")
    assert (case[1].task, case[1].due_at) == (Task.POLL, NOW + 9)


# Provider ids


def test_a_report_does_not_replace_the_id_that_the_claim_recorded() -> None:
    case = Case(tele_to_sms())
    case.claim()
    case.see(1, source="prepare", epoch=1, provider_id="a", settles_at=NOW + 30_000)
    change = case.see(1, Event.ACCEPTED, source="callback", provider_id="b")
    assert case[1].provider_id == "a"
    assert change.aliases == (Alias(num=1, provider_id="b"),)


def test_a_new_id_of_the_live_claim_makes_the_old_one_an_alias() -> None:
    case = Case(tele_to_sms())
    case.claim()
    case.see(1, source="prepare", epoch=1, provider_id="a")
    change = case.see(1, source="prepare", epoch=1, provider_id="b")
    assert case[1].provider_id == "b"
    assert change.aliases == (Alias(num=1, provider_id="a"),)


def test_a_report_that_beats_the_answer_teaches_the_id() -> None:
    case = Case(tele_to_sms())
    case.claim()
    case.see(1, Event.ACCEPTED, source="callback", provider_id="a")
    assert case[1].provider_id == "a"


def test_an_id_that_comes_after_the_end_is_an_alias() -> None:
    case = unknown_sms()
    change = case.see(2, Event.ACCEPTED, source="send", epoch=1, provider_id="a")
    assert change.aliases == (Alias(num=2, provider_id="a"),)
    assert case.see(2, Event.ACCEPTED).aliases == ()


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
