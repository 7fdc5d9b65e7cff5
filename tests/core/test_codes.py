"""Verification codes: what is accepted, how they are drawn, and that a dead source stops us."""

from __future__ import annotations

import math
import secrets
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kodgate.core import codes
from kodgate.core.errors import Refused


@pytest.mark.parametrize("code", ["1234", "0123", "12345678", "0001", "999999"])
def test_four_to_eight_digits_are_a_code_and_stay_as_they_are(code: str) -> None:
    assert codes.check(code) == code


@pytest.mark.parametrize(
    "code",
    [
        *("", "123", "123456789", "1" * 20, "1" * 5_000, "1" * 1_000_000),  # S-34
        *("0000", "00000000"),  # S-35
        *("+1234", "-1234", " 1234", "1234 ", "1234\n", "12_34", "1e5", "1234.0", "0x1234"),  # S-33
        *("١٢٣٤", "１２３４", "𝟏𝟐𝟑𝟒", "²³¹⁴", "12٣4"),  # S-32
        *("abcd", "12 34", "1234\x00"),
    ],
)
def test_anything_else_is_refused(code: str) -> None:
    with pytest.raises(Refused) as refused:
        codes.check(code)
    assert refused.value.error.name == "BAD_CODE"


@given(st.text(max_size=12))
def test_any_text_is_unchanged_or_refused(text: str) -> None:
    try:
        assert codes.check(text) == text
    except Refused:
        return
    assert 4 <= len(text) <= 8 and set(text) <= set("0123456789")


@pytest.mark.parametrize("length", range(codes.LENGTH_MIN, codes.LENGTH_MAX + 1))
def test_the_whole_range_is_drawn_and_nothing_outside(length: int) -> None:
    first = codes.generate(length, lambda n: 0)
    last = codes.generate(length, lambda n: n - 1)
    assert (first, last) == ("1" + "0" * (length - 1), "9" * length)
    assert codes.check(first) == first


@pytest.mark.parametrize("length", [0, 3, 9])
def test_a_length_that_is_no_codes_is_not_drawn(length: int) -> None:
    with pytest.raises(AssertionError):
        codes.generate(length, lambda n: 0)


@pytest.mark.parametrize("length", [4, 6, 8])
@given(data=st.data())
def test_a_drawn_code_is_a_code_that_begins_with_1_to_9(length: int, data: st.DataObject) -> None:
    code = codes.generate(length, lambda n: data.draw(st.integers(0, n - 1)))
    assert codes.check(code) == code
    assert len(code) == length and code[0] != "0"


def test_a_million_drawn_codes_are_uniform() -> None:
    """S-36: chi-square over 900 cells of the first three digits, not beyond p = 1e-6."""
    draws, cells = 1_000_000, 900
    counts = Counter(codes.generate(6, secrets.randbelow)[:3] for _ in range(draws))
    assert len(counts) == cells
    expected = draws / cells
    chi_square = sum((n - expected) ** 2 / expected for n in counts.values())
    assert chi_square < _chi_square_quantile(cells - 1, z=4.753)


def test_a_source_that_fails_stops_the_draw() -> None:
    def broken(n: int) -> int:
        raise OSError("no randomness")

    with pytest.raises(OSError):
        codes.generate(6, broken)


@pytest.mark.parametrize("drawn", [-1, 900_000])
def test_a_source_that_leaves_its_range_stops_the_draw(drawn: int) -> None:
    with pytest.raises(AssertionError):
        codes.generate(6, lambda n: drawn)


def test_a_mask_has_a_star_for_every_digit() -> None:
    assert codes.mask("012345") == "******"


def _chi_square_quantile(freedom: int, *, z: float) -> float:
    """Wilson-Hilferty; z = 4.753 leaves 1e-6 above it."""
    part = 2 / (9 * freedom)
    return float(freedom * (1 - part + z * math.sqrt(part)) ** 3)
