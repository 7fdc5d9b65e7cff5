"""Phone numbers: the documented table, S-38 and S-39."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kodgate.core import phones
from kodgate.core.errors import Refused


@pytest.mark.parametrize(
    ("sent", "becomes"),
    [
        ("79123456789", "79123456789"),
        ("+79123456789", "79123456789"),
        (" 79123456789", "79123456789"),
        ("+7 (912) 345-67-89", "79123456789"),
        ("8 (912) 345-67-89", "79123456789"),
        ("89123456789", "79123456789"),
        ("0079123456789", "79123456789"),
        ("79123456789\r\n", "79123456789"),
        ("7123456789", "7123456789"),
        ("1234567", "1234567"),
        ("123456789012345", "123456789012345"),
        ("8123456", "8123456"),
        ("+84912345678", "84912345678"),
        ("0084912345678", "84912345678"),
    ],
)
def test_a_number_becomes_its_e164_digits(sent: str, becomes: str) -> None:
    assert phones.normalise(sent) == becomes


@pytest.mark.parametrize(
    ("sent", "error"),
    [
        ("", "EMPTY_PHONE"),
        (" \r\n ", "EMPTY_PHONE"),
        ("79123456789,79123456780", "MANY_PHONES"),
        ("79123456789; 79123456780", "MANY_PHONES"),
        ("79123456789\r\n79123456780", "MANY_PHONES"),
        (",".join(["79123456789"] * 10_000), "MANY_PHONES"),
        ("79123456789,", "BAD_PHONE"),
        (",", "BAD_PHONE"),
        ("123456", "BAD_PHONE"),
        ("112", "BAD_PHONE"),
        ("1234567890123456", "BAD_PHONE"),
        ("7" * 5_000, "BAD_PHONE"),
        ("+", "BAD_PHONE"),
        ("++79123456789", "BAD_PHONE"),
        ("7+9123456789", "BAD_PHONE"),
        ("0123456789", "BAD_PHONE"),
        ("00079123456789", "BAD_PHONE"),
        ("7912345678a", "BAD_PHONE"),
        ("7912345678\t9", "BAD_PHONE"),
        ("7912345678\x00", "BAD_PHONE"),
        ("7912345\u00a06789", "BAD_PHONE"),
        ("٧٩١٢٣٤٥٦٧٨٩", "BAD_PHONE"),
        ("７９１２３４５６７８９", "BAD_PHONE"),
        ("7912345678²", "BAD_PHONE"),
        ("79_123_456_789", "BAD_PHONE"),
        ("7.9123456789e10", "BAD_PHONE"),
    ],
)
def test_what_is_no_single_number_is_refused(sent: str, error: str) -> None:
    with pytest.raises(Refused) as refused:
        phones.normalise(sent)
    assert refused.value.error.name == error


@given(st.text(max_size=40))
def test_any_text_becomes_7_to_15_ascii_digits_or_is_refused(text: str) -> None:
    try:
        digits = phones.normalise(text)
    except Refused as refused:
        assert refused.error.kind == "recipient"
        return
    assert 7 <= len(digits) <= 15
    assert set(digits) <= set("0123456789")
    assert digits[0] != "0"


@given(st.from_regex(r"[1-79][0-9]{6,14}", fullmatch=True))
def test_a_normal_number_stays_what_it_is(phone: str) -> None:
    assert phones.normalise(phone) == phone
    assert phones.normalise("+" + phone) == phone
    assert phones.normalise("00" + phone) == phone


def test_a_list_is_split_for_the_simulation() -> None:
    assert phones.split("79123456789, 79123456780;\r\n+7 912 345 67 81,") == [
        "79123456789",
        "79123456780",
        "+7 912 345 67 81",
    ]


@pytest.mark.parametrize(
    ("phone", "shown"),
    [("79123456789", "7912***6789"), ("7123456789", "7123***6789"), ("1234567", "12***67")],
)
def test_a_mask_hides_the_middle(phone: str, shown: str) -> None:
    assert phones.mask(phone) == shown
