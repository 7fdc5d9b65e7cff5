"""Flood gates, breaker, outage and poll budget, on given instants."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from kodgate.channels.telegram.gates import PHONES_MAX, Breaker, Budget, FloodGate, Outage

NOW = 1_795_000_000_000


def close(gate: FloodGate, phone: str, *, at_s: float, wait_s: int = 3) -> None:
    gate.close(phone, now=NOW, until=NOW + wait_s * 1000, at_s=at_s)


def test_a_flood_holds_back_its_phone_alone() -> None:
    gate = FloodGate()
    close(gate, "alice", at_s=0)
    close(gate, "bob", at_s=1)
    assert gate.until("alice", NOW) == NOW + 3000
    assert gate.until("carol", NOW) is None


def test_a_flood_ends() -> None:
    gate = FloodGate()
    close(gate, "alice", at_s=0)
    assert gate.until("alice", NOW + 2999) == NOW + 3000
    assert gate.until("alice", NOW + 3000) is None


def test_three_phones_within_ten_seconds_close_the_gate_for_everybody() -> None:
    gate = FloodGate()
    for place, phone in enumerate(("alice", "bob", "carol")):
        close(gate, phone, at_s=place * 5.0, wait_s=7)
    assert gate.until("dave", NOW) == NOW + 7000


def test_three_phones_in_more_than_ten_seconds_do_not() -> None:
    gate = FloodGate()
    for place, phone in enumerate(("alice", "bob", "carol")):
        close(gate, phone, at_s=place * 5.1)
    assert gate.until("dave", NOW) is None


def test_one_phone_three_times_does_not() -> None:
    gate = FloodGate()
    for at_s in range(3):
        close(gate, "alice", at_s=float(at_s))
    assert gate.until("bob", NOW) is None


def test_a_shorter_wait_does_not_open_the_gate_earlier() -> None:
    gate = FloodGate()
    close(gate, "alice", at_s=0, wait_s=60)
    close(gate, "alice", at_s=1, wait_s=1)
    assert gate.until("alice", NOW) == NOW + 60_000


def test_the_gate_forgets_phones_whose_wait_is_over() -> None:
    gate = FloodGate()
    for number in range(PHONES_MAX + 5):
        gate.close(str(number), now=NOW + number, until=NOW + number + 1, at_s=number * 60.0)
    last = PHONES_MAX + 4
    assert gate.until(str(last), NOW + last) == NOW + last + 1
    assert len(gate._phones) <= PHONES_MAX


def test_an_open_breaker_lets_one_request_through_every_half_minute() -> None:
    breaker = Breaker()
    breaker.open("BALANCE_NOT_ENOUGH", 0.0)
    admitted = [at_s for at_s in range(0, 95, 5) if breaker.admit(float(at_s))]
    assert admitted == [30, 60, 90]


def test_a_breaker_is_live_when_its_probe_is_due() -> None:
    breaker = Breaker()
    breaker.open("BALANCE_NOT_ENOUGH", 0.0)
    assert [breaker.is_live(at_s) for at_s in (0.0, 29.9, 30.0)] == [False, False, True]


def test_a_closed_breaker_admits_everything() -> None:
    breaker = Breaker()
    breaker.open("BALANCE_NOT_ENOUGH", 0.0)
    breaker.close()
    assert breaker.admit(1.0) and breaker.admit(1.0)


def test_ten_seconds_without_a_connection_are_an_outage() -> None:
    outage = Outage()
    assert [outage.fail(at_s) for at_s in (0.0, 5.0, 9.9, 10.0)] == [False, False, False, True]


def test_a_connection_in_between_ends_the_outage() -> None:
    outage = Outage()
    outage.fail(0.0)
    outage.end()
    assert not outage.fail(10.0)


def test_two_failures_hours_apart_are_no_outage() -> None:
    outage = Outage()
    outage.fail(0.0)
    assert not outage.fail(7200.0)


def test_the_budget_lets_a_seconds_worth_through_and_spreads_the_rest() -> None:
    budget = Budget(4)
    waits = [budget.turn(100.0) for _ in range(7)]
    assert waits == [0, 0, 0, 0, 1.25, 1.5, 1.75]


def test_a_poll_before_a_deadline_is_paid_by_the_others() -> None:
    budget = Budget(2)
    budget.spend(0.0)
    budget.spend(0.0)
    budget.spend(0.0)
    assert budget.turn(0.0) > 0


@given(
    st.integers(1, 50),
    st.lists(st.floats(0, 2), min_size=1, max_size=200),
)
def test_the_budget_is_never_overdrawn(per_s: int, gaps: list[float]) -> None:
    budget, at_s, passed = Budget(per_s), 0.0, 0
    for gap in gaps:
        at_s += gap
        passed += budget.turn(at_s) == 0
    assert passed <= per_s * (at_s + 1) + 1
