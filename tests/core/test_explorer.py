"""Every interleaving of one packet's life, and of two packets on one account, over the real rules.

One setting is walked with all that can go wrong, the others with less; `KODGATE_EXPLORE=full` walks
all of them with everything.
"""

from __future__ import annotations

import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kodgate.core.types import Plan, RefundWord, Success

from .explorer import Explorer, Report, Setting
from .kit import planned
from .shared import all_ended, explore_account, explore_plan

FULL = os.environ.get("KODGATE_EXPLORE") == "full"


def short_plan(*, to_sms: bool, success: Success = Success.READ) -> Plan:
    """The document's cascades, with waits of a few ticks."""
    telegram = planned("telegram", wait_s=4, success=success)
    sms = planned(
        "sms", wait_s=6, handover_s=4, success=Success.DELIVERED, refund=RefundWord.REJECTED
    )
    return (telegram, sms) if to_sms else (telegram,)


def explore(capsys: pytest.CaptureFixture[str], **fields: object) -> Report:
    report = Explorer(Setting(**fields)).run()  # type: ignore[arg-type]
    with capsys.disabled():
        print(f"\n  {report}")
    return report


@pytest.mark.parametrize("to_sms", [True, False])
@pytest.mark.parametrize("success", [Success.READ, Success.DELIVERED])
@pytest.mark.parametrize("reserve", [True, False])
def test_no_order_of_what_providers_workers_and_time_do_breaks_a_rule(
    capsys: pytest.CaptureFixture[str], to_sms: bool, success: Success, reserve: bool
) -> None:
    report = explore(
        capsys,
        plan=short_plan(to_sms=to_sms, success=success),
        reserve=reserve,
        lease_ticks=1 if FULL else 3,
        stale=FULL,
        doubled=FULL,
        confirms=FULL,
        restarts=FULL,
        laters=1 if FULL else 0,
    )
    assert report.ended > 0


def test_no_paused_worker_and_no_answer_that_is_recorded_twice_breaks_a_rule(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Everything at once: live and stale workers, doubled answers, confirms, restarts."""
    report = explore(capsys, plan=short_plan(to_sms=True))
    assert report.worlds > 500_000
    assert report.seen >= {
        *("sent", "delivered", "confirmed", "failed", "expired", "cancelled", "fallback", "late"),
        *("corrected", "confirmed_late", "right", "wrong", "used", "exhausted"),
        *("telegram confirmed", "telegram cancelled", "sms confirmed", "sms cancelled"),
        *("sms rejected", "sms undelivered", "sms unknown"),
        *("discarded", "telegram discarded", "sms discarded"),
    }


CHANNELS = st.sampled_from([("telegram", None), ("telegram", 1), ("sms", 2)])
PLANS = st.lists(
    st.tuples(CHANNELS, st.sampled_from(Success), st.sampled_from(RefundWord), st.integers(1, 9)),
    min_size=1,
    max_size=3,
)


@given(PLANS, st.booleans())
@settings(max_examples=100 if FULL else 5, deadline=None, derandomize=True)
def test_no_plan_of_up_to_three_steps_breaks_a_rule(
    steps: list[tuple[tuple[str, int | None], Success, RefundWord, int]], reserve: bool
) -> None:
    plan = tuple(
        planned(
            channel, wait_s=2, handover_s=handover_s, success=success, refund=refund, price=price
        )
        for (channel, handover_s), success, refund, price in steps
    )
    assert all_ended(explore_plan(plan, reserve=reserve))


@pytest.mark.parametrize(
    ("balance", "credit_limit", "reserve"),
    [
        (42_000, 0, True),
        (63_000, 0, True),
        (84_000, 0, True),
        (0, 63_000, True),
        (21_000, 0, False),
    ],
)
def test_two_packets_on_one_account_never_promise_the_same_money(
    capsys: pytest.CaptureFixture[str], balance: int, credit_limit: int, reserve: bool
) -> None:
    plan = short_plan(to_sms=True)
    states, transitions = explore_account(
        [plan, plan], balance=balance, credit_limit=credit_limit, reserve=reserve
    )
    with capsys.disabled():
        print(f"\n  {states:,} states of two packets, {transitions:,} transitions")
    assert states > 100
