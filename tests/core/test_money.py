"""Money as integers: what is read, what is printed, and that nothing is lost between."""

from __future__ import annotations

import decimal
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kodgate.core import money

AMOUNTS = st.integers(-money.MONEY_MAX, money.MONEY_MAX)


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("2,10", 21_000),
        ("2.10", 21_000),
        ("0", 0),
        ("-0", 0),
        ("2", 20_000),
        ("2,1531", 21_531),
        ("-408,71", -4_087_100),
        ("007.5", 75_000),
        ("100000000000", money.MONEY_MAX),
    ],
)
def test_an_amount_is_read_with_comma_or_point(text: str, amount: int) -> None:
    assert money.parse(text) == amount


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "1 ", " 1", "1\n", "+1", "--1", ".5", "1.", "1,2,3", "1e3", "0x10", "1_000"),
        *("NaN", "Infinity", "1.23456", "1234567890123", "100000000000.0001"),
        *("١٢", "１２", "²", "1\u00a0000", "1" * 5_000),  # digits that are not ASCII
    ],
)
def test_what_is_no_amount_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        money.parse(text)


@given(AMOUNTS, st.sampled_from([".", ","]))
def test_what_is_printed_exactly_reads_back(amount: int, separator: str) -> None:
    places = money.decimals(amount)
    assert money.parse(money.text(amount, places, separator)) == amount


@given(st.lists(AMOUNTS, max_size=5))
def test_all_money_of_one_answer_has_the_least_decimals_that_are_exact_for_all(
    amounts: list[int],
) -> None:
    places = money.decimals(*amounts)
    exact = [
        p
        for p in (2, 3, 4)
        if all(amount % 10 ** (money.DECIMALS_MAX - p) == 0 for amount in amounts)
    ]
    assert places == min(exact)
    texts = [money.text(amount, places) for amount in amounts]
    assert all(len(text.rpartition(".")[2]) == places for text in texts)


def test_printing_never_loses_money() -> None:
    with pytest.raises(AssertionError):
        money.text(21_531, 2)


@given(AMOUNTS)
def test_a_decimal_is_the_amount_whatever_the_callers_precision(amount: int) -> None:
    with decimal.localcontext(prec=3):
        exact = money.decimal(amount)
    assert exact * money.SCALE == amount


def test_a_decimal_prints_like_money() -> None:
    assert [str(money.decimal(amount)) for amount in (21_000, 21_531, 0, -500)] == [
        "2.10",
        "2.1531",
        "0.00",
        "-0.05",
    ]
    assert money.decimal(21_000) == Decimal("2.1")
