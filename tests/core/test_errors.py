"""The error table: one row an error, safe for every reader, in order of precedence."""

from __future__ import annotations

import dataclasses
import re

import pytest

from kodgate.core import errors
from kodgate.core.errors import BY_NAME, BY_NUMBER, OK, PRECEDENCE, TABLE, ErrorCode

ROWS = (OK, *TABLE)

PROVIDERS = {0, 1, 2, 3, 4, 5, 6, 9, 10, 11, 12, 13, 17, 19, 21, 22, 23, 24}
OURS = set(range(101, 115))

KINDS = {
    *("request", "authentication", "access", "funds", "recipient", "code", "duplicate"),
    *("not_found", "unavailable", "limit", "confirm"),
}

INI_TEXT = re.compile(r"[A-Za-z0-9 .,:\-/+*%#@?_<>\[{]+")
INI_WORDS = {"no", "off", "null", "on", "true", "false", "none", "yes"}


def test_every_number_and_every_name_occurs_once() -> None:
    assert len({row.number for row in ROWS}) == len(ROWS) == len(BY_NUMBER)
    assert len({row.name for row in ROWS}) == len(ROWS) == len(BY_NAME)
    assert all(BY_NUMBER[row.number] is BY_NAME[row.name] is row for row in ROWS)


def test_numbers_up_to_24_are_the_providers_and_ours_begin_at_101_without_a_gap() -> None:
    assert {row.number for row in ROWS} == PROVIDERS | OURS


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_every_field_of_a_row_is_filled(row: ErrorCode) -> None:
    for field in dataclasses.fields(row):
        assert getattr(row, field.name) not in ("", None)
    assert re.fullmatch(r"[A-Z_]+", row.name)
    assert row.kind in KINDS
    assert 200 <= row.native_status <= 599
    assert (row.native_status == 200) is (row is OK)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_the_english_text_passes_a_strict_ini_reader(row: ErrorCode) -> None:
    """D-5: other signs, and words like `no`, change or break the whole answer."""
    assert INI_TEXT.fullmatch(row.en)
    assert INI_WORDS.isdisjoint(row.en.lower().split())


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_the_russian_text_is_russian(row: ErrorCode) -> None:
    assert re.search("[а-я]", row.ru)
    assert not any(sign in row.ru for sign in "\r\n'\"<>&")


def test_who_has_not_proved_who_he_is_sees_no_balance() -> None:
    """O-28: errors 1, 2, 4, 5, 6, 21, 22."""
    for number in (1, 2, 4, 5, 6, 21, 22):
        assert not BY_NUMBER[number].shows_balance


def test_only_what_may_succeed_later_is_retryable() -> None:
    assert {row.name for row in ROWS if row.retryable} == {"BUSY", "FLOOD", "UNAVAILABLE"}


UPPER_FIRST = [
    ("BAD_JSON", "EMPTY_LOGIN"),
    ("BLOCKED_IP", "BAD_CREDENTIALS"),
    ("EMPTY_LOGIN", "EMPTY_PASSWORD"),
    ("EMPTY_PASSWORD", "BAD_CREDENTIALS"),
    ("BAD_CREDENTIALS", "BLOCKED_USER"),
    ("BLOCKED_USER", "HTTP_DISABLED"),
    ("HTTP_DISABLED", "IP_NOT_ALLOWED"),
    ("IP_NOT_ALLOWED", "BAD_PARAMETER"),
    ("BAD_PARAMETER", "BAD_MODE"),
    ("BAD_MODE", "EMPTY_PHONE"),
    ("EMPTY_PHONE", "MANY_PHONES"),
    ("MANY_PHONES", "BAD_PHONE"),
    ("BAD_PHONE", "CODES_DIFFER"),
    ("CODES_DIFFER", "BAD_CODE"),
    ("BAD_CODE", "BAD_VALID_PERIOD"),
    ("BAD_VALID_PERIOD", "ZONE_CLOSED"),
    ("ZONE_CLOSED", "FLOOD"),
    ("FLOOD", "UNAVAILABLE"),
    ("UNAVAILABLE", "DUPLICATE"),
    ("DUPLICATE", "NO_FUNDS"),
    ("CONFIRM_WRONG", "CONFIRM_USED"),
]


@pytest.mark.parametrize(("upper", "lower"), UPPER_FIRST)
def test_of_two_errors_the_upper_row_is_the_answer(upper: str, lower: str) -> None:
    assert PRECEDENCE[upper] < PRECEDENCE[lower]


def test_everything_about_the_caller_is_judged_before_anything_about_the_request() -> None:
    """Whoever has not proved who he is learns nothing about his request."""
    about_caller = {"authentication", "access"}
    last = max(PRECEDENCE[row.name] for row in TABLE if row.kind in about_caller)
    later = {row.name for row in TABLE if row.kind not in about_caller | {"unavailable"}}
    assert later - {name for name in later if PRECEDENCE[name] > last} == {"BAD_JSON"}


def test_a_refusal_carries_its_row_and_keeps_its_reason_to_itself() -> None:
    refused = errors.Refused("DUPLICATE", packet_id=33, why="the same id as packet 33")
    assert (refused.error.number, refused.packet_id) == (19, 33)
    assert str(refused) == "DUPLICATE"


def test_a_refusal_of_no_known_error_is_a_bug() -> None:
    with pytest.raises(KeyError):
        errors.Refused("NO_SUCH_ERROR")
