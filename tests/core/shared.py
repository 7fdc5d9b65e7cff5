"""Several packets on one account, and packets of any plan: money without workers and time.

Each packet moves by the real rules (`Cores`); here nothing is remembered but the packets, so that
whatever can be reported may be reported, in any order and number.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Any

from kodgate.core import ledger, orders
from kodgate.core.types import Plan, Task

from .cores import Cores
from .judge import Broken
from .kit import NOW, order
from .world import LATE_WORDS, REPORT_NAMES, Core

NONE = -1
"""A packet that was not accepted (yet)."""

Action = tuple[Any, ...]


def actions(core: Core, *, confirms: bool = True) -> Iterator[Action]:
    """All that can happen to a packet, without its deadline."""
    newest = core.messages[-1]
    if newest.task is Task.SEND and newest.due_at is not None and newest.due_at <= NOW:
        yield "claim", newest.num
    for message in core.messages:
        for name in LATE_WORDS[message.channel]:
            if ":" in name or name in REPORT_NAMES:
                yield "see", message.num, name
            elif message.attempts and not (name == "later" and core.given):
                yield "see", message.num, name, message.epoch
    if confirms:
        yield "confirm", True
        yield "confirm", False


def deadlines(packets: Cores, number: int) -> Iterator[int]:
    """The packet after so much time that its open message is decided, with and without a look, or
    that an operator discards it."""
    newest = packets[number].messages[-1]
    while newest.decide_at is not None and newest.decide_at > NOW:
        number, _ = packets.act(number, "tick")
        newest = packets[number].messages[-1]
    yield packets.act(number, "see", newest.num, "deadline")[0]
    yield packets.act(number, "discard")[0]
    if newest.channel == "telegram":
        yield packets.act(number, "see", newest.num, "deadline:1")[0]


def after(packets: Cores, number: int, *, confirms: bool = True) -> set[int]:
    """Every state that follows a packet's."""
    found = {
        packets.act(number, *action)[0] for action in actions(packets[number], confirms=confirms)
    }
    if not packets[number].messages[-1].state.is_final:
        found.update(deadlines(packets, number))
    return found


def explore_plan(plan: Plan, *, reserve: bool, confirms: bool = False) -> Cores:
    """All states of one packet of this plan. Raises Broken."""
    packets = Cores(plan, reserve=reserve)
    try:
        met = {packets.start()}
        queue = deque(met)
        while queue:
            for number in after(packets, queue.popleft(), confirms=confirms) - met:
                met.add(number)
                queue.append(number)
    except AssertionError as error:
        raise Broken(str(error)) from error
    return packets


def explore_account(
    plans: list[Plan], *, balance: int, credit_limit: int, reserve: bool
) -> tuple[int, int]:
    """Packets that are accepted, live and end in any order on one account; returns how many states
    and transitions. Raises Broken."""
    packets = [Cores(plan, reserve=reserve) for plan in plans]
    start = (NONE,) * len(plans)
    met = {start}
    queue = deque([start])
    transitions = 0
    try:
        while queue:
            state = queue.popleft()
            funds = _funds(packets, state, balance, credit_limit)
            if reserve:
                assert funds.balance - funds.held >= -credit_limit, "the limit is passed"
            for follower in _followers(packets, state, funds):
                transitions += 1
                if follower not in met:
                    met.add(follower)
                    queue.append(follower)
    except AssertionError as error:
        raise Broken(str(error)) from error
    return len(met), transitions


def _funds(
    packets: list[Cores], state: tuple[int, ...], balance: int, credit_limit: int
) -> ledger.Funds:
    """What the account has: opening + transfers, and the holds of its packets (I-1)."""
    cores = [rules[n] for rules, n in zip(packets, state, strict=True) if n != NONE]
    balance += sum(amount for core in cores for _, _, amount in core.moves)
    held = sum(core.packet.held for core in cores)
    return ledger.Funds(balance=balance, held=held, credit_limit=credit_limit)


def _followers(
    packets: list[Cores], state: tuple[int, ...], funds: ledger.Funds
) -> Iterator[tuple[int, ...]]:
    for place, (rules, number) in enumerate(zip(packets, state, strict=True)):
        numbers = (
            {_accept(rules, funds)} if number == NONE else after(rules, number, confirms=False)
        )
        for follower in numbers:
            yield (*state[:place], follower, *state[place + 1 :])


def _accept(rules: Cores, funds: ledger.Funds) -> int:
    """A packet more, if the account can pay its dearest path; NONE otherwise."""
    refused = orders.refusal(
        order(rules.plan, reserve=rules.reserve),
        funds,
        first_packet_id=None,
        code_is_live=False,
        recent_10min=0,
        recent_day=0,
    )
    can_pay = funds.balance + funds.credit_limit - funds.held >= rules.judge.opening
    assert (refused is None) is can_pay, "accepted without money, or refused with it"
    return NONE if refused is not None else rules.start()


def all_ended(packets: Cores) -> set[str]:
    """How packets of this plan can end."""
    newest = (core.messages[-1] for core in packets.cores)
    return {m.reason.value if m.reason else m.state.value for m in newest if m.state.is_final}
