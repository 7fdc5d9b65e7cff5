"""Zones by longest prefix against a brute-force model, and what may not be saved."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kodgate.core import cascade, tariffs
from kodgate.core.money import MONEY_MAX
from kodgate.core.tariffs import NEVER_OPEN, Price, Tariff

DIGITS = st.text("0178", min_size=0, max_size=5)
ZONES = st.dictionaries(DIGITS, st.integers(1, 9999), max_size=12)
PHONES = st.text("0178239", min_size=7, max_size=15)


def tariff(zones: dict[str, int], **more: object) -> Tariff:
    prices = {(1, "telegram"): Price(price=21_000, cost=100), (1, "sms"): Price(price=42_000)}
    fields: dict[str, object] = {"name": "default", "valid_from": 0, "prices": prices}
    return Tariff(zones=zones, **(fields | more))  # type: ignore[arg-type]


@given(ZONES, PHONES)
def test_the_longest_prefix_that_fits_is_the_zone(zones: dict[str, int], phone: str) -> None:
    fitting = [prefix for prefix in zones if phone.startswith(prefix)]
    best = max(fitting, key=len, default=None)
    closed = best is not None and any(
        phone.startswith(code) and not best.startswith(code) for code in NEVER_OPEN
    )
    expected = None if best is None or closed else zones[best]
    assert tariff(zones).zone_of(phone) == expected


@pytest.mark.parametrize("code", NEVER_OPEN)
def test_satellite_and_premium_codes_open_only_where_they_are_named(code: str) -> None:
    phone = code + "1234567"
    assert tariff({"": 1, code[:2]: 2}).zone_of(phone) is None
    assert tariff({"": 1, code: 3}).zone_of(phone) == 3
    assert tariff({"": 1, code + "1": 4}).zone_of(phone) == 4


def test_the_demo_tariff_has_two_zones() -> None:
    demo = tariff({"7": 1, "": 2})
    assert [demo.zone_of(phone) for phone in ("79123456789", "380441234567")] == [1, 2]


def test_without_the_empty_prefix_other_numbers_have_no_zone() -> None:
    assert tariff({"7": 1}).zone_of("380441234567") is None


@pytest.mark.parametrize("prefix", ["7a", "+7", " 7", "٧", "７", "12345678901"])
def test_a_bad_prefix_may_not_be_saved(prefix: str) -> None:
    with pytest.raises(ValueError, match="prefix"):
        tariff({prefix: 1})


@pytest.mark.parametrize("zone", [0, -1, 10_000])
def test_a_bad_zone_may_not_be_saved(zone: int) -> None:
    with pytest.raises(ValueError, match="zone"):
        tariff({"7": zone})


@pytest.mark.parametrize("price", [0, -1, MONEY_MAX + 1])
def test_a_price_is_above_zero_and_bounded(price: int) -> None:
    with pytest.raises(ValueError, match="price"):
        tariff({"7": 1}, prices={(1, "sms"): Price(price=price)})


@pytest.mark.parametrize("cost", [-1, MONEY_MAX + 1])
def test_a_cost_is_not_negative_and_bounded(cost: int) -> None:
    with pytest.raises(ValueError, match="cost"):
        tariff({"7": 1}, prices={(1, "sms"): Price(price=1, cost=cost)})


def test_a_later_version_counts_from_its_instant_on() -> None:
    old, new = tariff({"7": 1}), tariff({"7": 2}, valid_from=100)
    other = tariff({"7": 3}, name="other")
    versions = [new, other, old]
    assert tariffs.current(versions, "default", 99) is old
    assert tariffs.current(versions, "default", 100) is new
    assert tariffs.current(versions, "default", -1) is None
    assert tariffs.current(versions, "nobody's", 100) is None


def test_a_plan_fixes_the_price_of_every_step() -> None:
    planned = tariffs.plan(tariff({"7": 1}), 1, cascade.tele_to_sms(300))
    assert planned is not None
    assert [(step.channel, step.price, step.cost) for step in planned] == [
        ("telegram", 21_000, 100),
        ("sms", 42_000, 0),
    ]
    for step, source in zip(planned, cascade.tele_to_sms(300), strict=True):
        same = ("wait_s", "handover_s", "success", "refund")
        assert all(getattr(step, name) == getattr(source, name) for name in same)


def test_a_step_without_a_price_closes_the_zone() -> None:
    only_sms = tariff({"7": 1}, prices={(1, "sms"): Price(price=1)})
    assert tariffs.plan(only_sms, 1, cascade.tele_to_sms(300)) is None
    assert tariffs.plan(only_sms, 2, cascade.sms(300)) is None
    assert tariffs.plan(only_sms, 1, cascade.sms(300)) is not None
