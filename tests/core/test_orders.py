"""Why an order is refused: each reason, and which of several is the answer."""

from __future__ import annotations

import itertools

import pytest

from kodgate.core import orders
from kodgate.core.errors import BY_NAME, PRECEDENCE
from kodgate.core.ledger import Funds

from .kit import order, tele_to_sms

RICH = Funds(balance=42_000, held=0)


def refusal(funds: Funds = RICH, **more: object) -> orders.NotPlaced | None:
    facts = {"first_packet_id": None, "code_is_live": False, "recent_10min": 0, "recent_day": 0}
    limits = {key: more.pop(key) for key in list(more) if key not in facts}
    asked = order(tele_to_sms(), **limits)
    return orders.refusal(asked, funds, **(facts | more))  # type: ignore[arg-type]


def test_a_payable_order_is_placed() -> None:
    assert refusal() is None


@pytest.mark.parametrize(
    ("funds", "placed"),
    [
        (Funds(balance=42_000, held=0), True),
        (Funds(balance=41_999, held=0), False),
        (Funds(balance=50_000, held=8_001), False),
        (Funds(balance=0, held=0, credit_limit=42_000), True),
        (Funds(balance=-1, held=0, credit_limit=42_000), False),
    ],
)
def test_the_dearest_path_must_be_payable(funds: Funds, placed: bool) -> None:
    refused = refusal(funds)
    assert (refused is None) is placed
    if refused is not None:
        assert (refused.error, refused.balance) == ("NO_FUNDS", funds.balance)
        assert refused.spendable == funds.spendable


def test_an_overdraft_account_pays_the_first_price() -> None:
    assert refusal(Funds(balance=21_000, held=0), reserve=False) is None
    refused = refusal(Funds(balance=20_999, held=0), reserve=False)
    assert refused is not None and refused.error == "NO_FUNDS"


def test_a_repeat_names_the_first_packet() -> None:
    refused = refusal(first_packet_id=33)
    assert refused is not None
    assert (refused.error, refused.packet_id, refused.balance) == ("DUPLICATE", 33, 42_000)


@pytest.mark.parametrize(
    ("limit", "count"), [("per_phone_10min", "recent_10min"), ("per_phone_day", "recent_day")]
)
@pytest.mark.parametrize(
    ("allowed", "recent", "placed"), [(0, 1_000, True), (3, 2, True), (3, 3, False), (3, 4, False)]
)
def test_a_limit_of_packets_to_one_phone_holds(
    limit: str, count: str, allowed: int, recent: int, placed: bool
) -> None:
    refused = refusal(**{limit: allowed, count: recent})  # type: ignore[arg-type]
    assert (refused is None) is placed
    assert refused is None or refused.error == "FLOOD"


def test_a_generated_code_that_is_live_is_drawn_again_and_the_customers_own_is_not() -> None:
    refused = refusal(code_is_live=True)
    assert refused is not None and refused.error == orders.CODE_CLASH
    assert refusal(code_is_live=True, code_generated=False) is None


FACTS: dict[str, dict[str, object]] = {
    "FLOOD": {"per_phone_day": 1, "recent_day": 1},
    "DUPLICATE": {"first_packet_id": 33},
    "NO_FUNDS": {"funds": Funds(balance=0, held=0)},
    orders.CODE_CLASH: {"code_is_live": True},
}


def test_of_several_reasons_the_upper_row_of_the_error_table_is_the_answer() -> None:
    def place(name: str) -> int:
        return PRECEDENCE.get(name, len(PRECEDENCE))

    for size in (1, 2, 3, 4):
        for names in itertools.combinations(FACTS, size):
            facts = {key: value for name in names for key, value in FACTS[name].items()}
            refused = refusal(**facts)  # type: ignore[arg-type]
            assert refused is not None
            assert refused.error == min(names, key=place)


def test_every_reason_but_a_clash_is_a_row_of_the_error_table() -> None:
    assert {name for name in FACTS if name not in BY_NAME} == {orders.CODE_CLASH}
