"""One part of text: alphabets, lengths, senders."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kodgate.channels.smpp import template as t


@pytest.mark.parametrize(
    "text",
    [
        "Код: {code}",
        "{code}",
        "Your code\nis {code}",
        "x" * 152 + "{code}",
        "€" * 76 + "{code}",
        "Я" * 62 + "{code}",
        "{name} {code}",
    ],
)
def test_a_template_of_one_part_is_taken(text: str) -> None:
    t.check(text)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "exactly once"),
        ("no place", "exactly once"),
        ("{code} {code}", "exactly once"),
        ("{CODE}", "exactly once"),
        ("x" * 153 + "{code}", "161 septets"),
        ("€" * 77 + "{code}", "162 septets"),
        ("Я" * 63 + "{code}", "71 UCS-2 units"),
        ("\N{GRINNING FACE}" * 32 + "{code}", "72 UCS-2 units"),
        ("a\x00{code}", "control"),
        ("a\x1b{code}", "control"),
        ("a\r{code}", "control"),
        ("\ud800{code}", "control"),
    ],
)
def test_a_template_that_cannot_be_sent_is_refused(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        t.check(text)


def test_a_route_without_gsm_letters_needs_ucs2_sooner() -> None:
    text = "Ω" * 80 + "{code}"
    t.check(text)
    with pytest.raises(ValueError, match="UCS-2"):
        t.check(text, t.Alphabet.ASCII)


def test_the_alphabet_has_its_128_places() -> None:
    assert t.encode("@£$ A a à", t.Alphabet.GSM7) == (0, b"\x00\x01\x02 A a \x7f")
    assert t.encode("{€}", t.Alphabet.GSM7) == (0, b"\x1b\x28\x1b\x65\x1b\x29")
    assert t.encode("{€}", t.Alphabet.LATIN1)[0] == 8
    assert t.encode("{é}", t.Alphabet.LATIN1, 3) == (3, b"{\xe9}")


@given(st.text(st.sampled_from(sorted(t._GSM)), max_size=80))
def test_gsm_text_is_read_back(text: str) -> None:
    coding, octets = t.encode(text, t.Alphabet.GSM7)
    assert coding == 0
    assert t.decode(coding, octets) == text


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=35))
def test_any_text_is_read_back(text: str) -> None:
    assert t.decode(*t.encode(text, t.Alphabet.GSM7)) == text


@given(st.integers(0, 255), st.binary(max_size=200))
def test_reading_never_raises(coding: int, octets: bytes) -> None:
    t.decode(coding, octets)


@pytest.mark.parametrize("sender", ["kodgate", "A", "Shop & Co.", "12345678901", "7" * 15, "0611"])
def test_a_sender_is_taken(sender: str) -> None:
    t.check_sender(sender)


@pytest.mark.parametrize(
    "sender",
    ["", " ", "kodgate-long", "7" * 16, "Код", "a\n", "a\0", "１２３４", "x{y}", "\t"],
)
def test_a_bad_sender_is_refused(sender: str) -> None:
    with pytest.raises(ValueError, match="sender"):
        t.check_sender(sender)
