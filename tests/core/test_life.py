"""One packet's life, decision by decision: what each rule of `core.life` does in its hard cases."""

from __future__ import annotations

import pytest

from kodgate.core import life
from kodgate.core.types import (
    Alias,
    Booking,
    BookingKind,
    Event,
    Reason,
    State,
    Task,
)

from .kit import NOW, Case, planned, sms_after_unread, tele_to_sms, unknown_sms

HOUR_MS = 3_600_000


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
