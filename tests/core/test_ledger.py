"""Transfers, holds and what an account can afford, against brute force."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kodgate.core import ledger, life
from kodgate.core.types import Booking, BookingKind, Plan, RefundWord, Success, Transfer

from .judge import needed
from .kit import NOW, planned, tele_to_sms

WORDS = list(itertools.product(Success, RefundWord))
PRICES = (3, 5, 2)


def plans(length: int) -> list[Plan]:
    """Every plan of this length, by its words; the prices rise and fall."""
    return [
        tuple(
            planned("sms", success=success, refund=refund, price=price)
            for (success, refund), price in zip(words, PRICES, strict=False)
        )
        for words in itertools.product(WORDS, repeat=length)
    ]


@pytest.mark.parametrize("length", [1, 2, 3])
def test_the_dearest_path_is_the_dearest_of_all_paths(length: int) -> None:
    for plan in plans(length):
        assert ledger.dearest(plan) == needed(plan)
        for index in range(length):
            assert ledger.dearest(plan, index) == needed(plan[index:])


@pytest.mark.parametrize("length", [1, 2, 3])
def test_a_hold_is_what_the_rest_of_the_path_can_cost_more_than_was_charged(length: int) -> None:
    for plan in plans(length):
        for index in range(length):
            rest = needed(plan[index:]) - plan[index].price
            assert ledger.hold(plan, index, reserve=True) == rest >= 0
            assert ledger.hold(plan, index, reserve=False) == 0


def test_an_overdraft_needs_the_first_price_only() -> None:
    plan = tele_to_sms()
    assert ledger.needed(plan, reserve=True) == 42_000
    assert ledger.needed(plan, reserve=False) == 21_000


def test_the_documents_cascade_holds_what_sms_costs_more_than_telegram() -> None:
    assert ledger.hold(tele_to_sms(), 0, reserve=True) == 21_000
    assert ledger.hold(tele_to_sms(), 1, reserve=True) == 0


@given(st.integers(-(10**15), 10**15), st.integers(0, 10**15), st.integers(0, 10**15))
def test_what_can_be_spent_is_the_balance_without_holds_and_with_credit(
    balance: int, held: int, limit: int
) -> None:
    funds = ledger.Funds(balance=balance, held=held, credit_limit=limit)
    assert funds.spendable == balance - held + limit


def effect(transfer: object, account: str) -> int:
    """What a transfer does to one ledger account."""
    assert isinstance(transfer, Transfer)
    return transfer.amount * ((transfer.credit == account) - (transfer.debit == account))


def test_every_customer_transfer_does_to_the_customer_what_it_says() -> None:
    message = life.new_message(tele_to_sms(), 1, NOW)
    transfers = [
        ledger.charge(7, message),
        ledger.refund(7, message),
        ledger.top_up(7, 5),
        ledger.adjustment(7, 5),
        ledger.adjustment(7, -5),
    ]
    for transfer in transfers:
        assert transfer.kind in ledger.CUSTOMER_KINDS
        assert transfer.amount > 0
        assert effect(transfer, "customer:7") == transfer.customer
        assert transfer.debit != transfer.credit


def test_a_refund_undoes_its_charge_exactly() -> None:
    message = life.new_message(tele_to_sms(), 1, NOW)
    charge, refund = ledger.charge(7, message), ledger.refund(7, message)
    assert (charge.debit, charge.credit) == (refund.credit, refund.debit)
    assert (charge.amount, charge.num) == (refund.amount, refund.num)
    assert charge.customer + refund.customer == 0


@pytest.mark.parametrize("amount", [0, -1])
def test_a_top_up_brings_money(amount: int) -> None:
    with pytest.raises(AssertionError):
        ledger.top_up(7, amount)


def test_an_adjustment_of_nothing_is_none() -> None:
    with pytest.raises(AssertionError):
        ledger.adjustment(7, 0)


@pytest.mark.parametrize("kind", BookingKind)
def test_a_providers_money_never_touches_a_customer(kind: BookingKind) -> None:
    entry = Booking(kind=kind, provider="telegram", amount=100, attempt=2)
    transfer = ledger.booking(1, entry)
    assert transfer.kind == kind.value and transfer.kind not in ledger.CUSTOMER_KINDS
    assert (transfer.customer, transfer.attempt, transfer.num) == (0, 2, 1)
    assert transfer.debit.startswith("telegram:") and transfer.credit.startswith("telegram:")
    assert transfer.debit != transfer.credit


def test_a_refunded_fee_leaves_nothing_owed() -> None:
    sums: dict[str, int] = {}
    for kind in (BookingKind.FEE, BookingKind.RECEIVABLE, BookingKind.REFUND):
        entry = Booking(kind=kind, provider="p", amount=100, attempt=1)
        transfer = ledger.booking(1, entry)
        for account in (transfer.debit, transfer.credit):
            sums[account] = sums.get(account, 0) + effect(transfer, account)
    assert set(sums.values()) == {0}


def test_a_written_off_fee_stays_a_cost() -> None:
    sums: dict[str, int] = {}
    for kind in (BookingKind.FEE, BookingKind.RECEIVABLE, BookingKind.WRITE_OFF):
        transfer = ledger.booking(1, Booking(kind=kind, provider="p", amount=100, attempt=1))
        for account in (transfer.debit, transfer.credit):
            sums[account] = sums.get(account, 0) + effect(transfer, account)
    assert sums == {"p:prepaid": -100, "p:cost": 100, "p:receivable": 0}


def test_a_booking_is_not_negative() -> None:
    """A provider that claims a negative cost moves nothing (S-94)."""
    with pytest.raises(AssertionError):
        ledger.booking(1, Booking(kind=BookingKind.FEE, provider="p", amount=-1, attempt=1))
