"""The table of D2 cell by cell, the refund words, and every history of events up to a length."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from kodgate.core import cascade
from kodgate.core.types import Event, Reason, RefundWord, State, Step, Success

from .table import CELLS, REFUNDED

GOOD = {Event.ACCEPTED, Event.DELIVERED, Event.READ}


def test_the_table_has_a_cell_for_every_state_event_and_success_word() -> None:
    assert len(State) * len(Event) * len(Success) == 108
    assert set(cascade.TABLE) == set(itertools.product(State, Event, Success)) == set(CELLS)


@pytest.mark.parametrize("key", CELLS, ids=lambda key: "-".join(word.value for word in key))
def test_a_cell_says_what_the_architecture_says(key: tuple[State, Event, Success]) -> None:
    state, reason, reason_attempted = CELLS[key]
    assert cascade.step(*key, attempted=False) == (state, reason)
    assert cascade.step(*key, attempted=True) == (state, reason_attempted)


@pytest.mark.parametrize("refund", RefundWord)
@pytest.mark.parametrize("reason", Reason)
def test_the_refund_word_decides_for_every_reason(refund: RefundWord, reason: Reason) -> None:
    assert cascade.is_refunded(refund, reason) is (reason in REFUNDED[refund])


def test_each_refund_word_contains_the_one_before_it() -> None:
    for narrow, wide in itertools.pairwise(RefundWord):
        assert REFUNDED[narrow] < REFUNDED[wide]


def reasons_of(success: Success) -> set[Reason]:
    """Every reason for which a message of this success word can end, by walking all events."""
    found: set[Reason] = {Reason.CLOSED, Reason.NO_ROUTE}
    for history in itertools.product(Event, repeat=3):
        for attempted in (False, True):
            state, reason = State.QUEUED, None
            for event in history:
                if not state.is_final:
                    state, reason = cascade.step(state, event, success, attempted=attempted)
            if reason is not None:
                found.add(reason)
    return found


@pytest.mark.parametrize("success", Success)
@pytest.mark.parametrize("refund", RefundWord)
def test_a_step_is_surely_refunded_exactly_if_each_of_its_ends_is(
    success: Success, refund: RefundWord
) -> None:
    step = Step(channel="x", wait_s=1, handover_s=None, success=success, refund=refund)
    assert cascade.is_surely_refunded(step) is (reasons_of(success) <= REFUNDED[refund])


@pytest.mark.parametrize("success", Success)
@pytest.mark.parametrize("attempted", [False, True])
def test_no_history_of_events_leaves_a_final_state_or_goes_back(
    success: Success, attempted: bool
) -> None:
    for length in range(6):
        for history in itertools.product(Event, repeat=length):
            state = State.QUEUED
            ends = 0
            for event in history:
                after, reason = cascade.step(state, event, success, attempted=attempted)
                if state.is_final:
                    assert (after, reason) == (state, None)
                elif after.is_final:
                    ends += 1
                    assert (reason is None) is (after is State.CONFIRMED)
                else:
                    assert reason is None
                    assert cascade.RANK[after] >= cascade.RANK[state]
                state = after
            assert ends <= 1


@pytest.mark.parametrize("success", Success)
@pytest.mark.parametrize("refund", RefundWord)
def test_no_history_of_events_is_both_confirmed_and_refunded(
    success: Success, refund: RefundWord
) -> None:
    for history in itertools.product(Event, repeat=5):
        state = State.QUEUED
        refunds = 0
        for event in history:
            state, reason = cascade.step(state, event, success, attempted=True)
            refunds += reason is not None and cascade.is_refunded(refund, reason)
        assert refunds <= (state is not State.CONFIRMED)


@pytest.mark.parametrize("success", Success)
def test_good_news_counts_in_whatever_order_it_comes(success: Success) -> None:
    for history in itertools.product(GOOD, repeat=3):
        ends = set()
        for order in itertools.permutations(history):
            state = State.QUEUED
            for event in order:
                state, _ = cascade.step(state, event, success, attempted=True)
            ends.add(state)
        assert len(ends) == 1


def test_events_are_applied_good_news_first_and_the_deadline_last() -> None:
    assert set(cascade.ORDER) == set(Event)
    assert set(cascade.ORDER[:3]) == GOOD
    assert cascade.ORDER[-1] is Event.TIMED_OUT


@pytest.mark.parametrize(
    ("event", "success", "expected"),
    [
        (event, success, event is Event.READ or (event, success) in known)
        for known in [{(Event.DELIVERED, Success.DELIVERED), (Event.DELIVERED, Success.ACCEPTED)}]
        for event in Event
        for success in Success
    ],
)
def test_a_read_answers_always_and_a_delivered_where_it_is_success(
    event: Event, success: Success, expected: bool
) -> None:
    assert cascade.answers(event, success) is expected


def test_the_cascades_of_the_document_are_data() -> None:
    tele, sms = cascade.tele_to_sms(300)
    assert cascade.tele(300) == (tele,)
    assert cascade.sms(300) == (sms,)
    assert (tele.channel, tele.wait_s, tele.handover_s) == ("telegram", 300, None)
    assert (tele.success, tele.refund) == (Success.READ, RefundWord.UNREAD)
    assert (sms.channel, sms.wait_s, sms.handover_s) == ("sms", 86_400, 120)
    assert (sms.success, sms.refund) == (Success.DELIVERED, RefundWord.REJECTED)
    assert cascade.tele(30, success=Success.DELIVERED)[0].success is Success.DELIVERED


def test_the_picture_shows_every_move_of_the_table_and_nothing_else() -> None:
    picture = cascade.mermaid()
    arrows = {
        tuple(line.split(" : ")[0].split(" --> "))
        for line in map(str.strip, picture.splitlines())
        if " : " in line and not line.startswith("[*]")
    }
    moves = {(s.value, CELLS[s, e, w][0].value) for s, e, w in CELLS}
    assert arrows == {(source, target) for source, target in moves if source != target}
    assert picture.startswith("stateDiagram-v2\n  [*] --> queued")
    for state in State:
        assert (f"  {state.value} --> [*]\n" in picture) is state.is_final


def test_the_picture_names_the_events_of_each_arrow() -> None:
    expected = Path(__file__).with_name("cascade.mmd").read_text(encoding="utf-8")
    assert cascade.mermaid() == expected
