"""Receipts in every form: what they say, and whose they are."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kodgate.channels.smpp import pdu as p
from kodgate.channels.smpp.receipts import IdForm, Receipt, keys, provider_id, read
from kodgate.core.types import Event

DELIVERED = (Event.ACCEPTED, Event.DELIVERED)
UNDELIVERED = (Event.ACCEPTED, Event.UNDELIVERED)
EXPIRED = (Event.ACCEPTED, Event.TIMED_OUT)
OPEN = (Event.ACCEPTED,)


def receipt(text: str | bytes = "", *, esm_class: int = 4, **values) -> Receipt | None:
    content = text.encode() if isinstance(text, str) else text
    return read(p.DeliverSm(sequence=1, esm_class=esm_class, short_message=content, **values))


@pytest.mark.parametrize(
    "text",
    [
        "id:A1 sub:001 dlvrd:001 submit date:2511221200 done date:2511221201 stat:DELIVRD err:000"
        " text:Code: 1234",
        "ID:A1 SUB:001 DLVRD:001 STAT:DELIVRD ERR:000 TEXT:",
        "id: A1 sub: 001 dlvrd: 001 submit date: 2511221200 stat: DELIVRD err: 000 text: x",
        "id :A1  stat :DELIVRD  err :000",
        "stat:delivrd err:000 id:A1",
        "text:Code id:A1 stat:DELIVRD err:000",
        "id=A1,stat=DELIVRD,err=000",
        "id:A1;stat:DELIVRD;err:000;",
        "id:A1\r\nsub:001\r\nstat:DELIVRD\r\nerr:000\r\n",
        "\x00id:A1 stat:DELIVRD err:000\x00",
        "submit  date:2511221200 id:A1 done\tdate:2511221201 stat:DELIVERED err:000",
    ],
)
def test_every_way_to_write_delivered_is_read(text: str) -> None:
    found = receipt(text)
    assert found is not None
    assert found.message_id.strip("\0") == "A1"
    assert found.events == DELIVERED
    assert found.error.strip("\0") == "000"


@pytest.mark.parametrize(
    ("word", "events"),
    [
        ("DELIVRD", DELIVERED),
        ("EXPIRED", EXPIRED),
        ("DELETED", UNDELIVERED),
        ("UNDELIV", UNDELIVERED),
        ("REJECTD", UNDELIVERED),
        ("ACCEPTD", OPEN),
        ("ENROUTE", OPEN),
        ("UNKNOWN", OPEN),
        ("SOMENEW", OPEN),
        ("", OPEN),
    ],
)
def test_every_word_has_its_events(word: str, events: tuple[Event, ...]) -> None:
    found = receipt(f"id:7 stat:{word} err:011")
    assert found is not None
    assert found.events == events


@pytest.mark.parametrize(
    ("state", "events"),
    [
        (p.MessageState.ENROUTE, OPEN),
        (p.MessageState.DELIVERED, DELIVERED),
        (p.MessageState.EXPIRED, EXPIRED),
        (p.MessageState.DELETED, UNDELIVERED),
        (p.MessageState.UNDELIVERABLE, UNDELIVERED),
        (p.MessageState.ACCEPTED, OPEN),
        (p.MessageState.UNKNOWN, OPEN),
        (p.MessageState.REJECTED, UNDELIVERED),
        (9, OPEN),
        (0, OPEN),
    ],
)
def test_every_message_state_has_its_events(state: int, events: tuple[Event, ...]) -> None:
    tlvs = ((p.Tag.RECEIPTED_MESSAGE_ID, b"A1\0"), (p.Tag.MESSAGE_STATE, bytes([state])))
    found = receipt(tlvs=tlvs)
    assert found is not None
    assert (found.message_id, found.events) == ("A1", events)


def test_optional_parameters_come_before_the_text() -> None:
    tlvs = ((p.Tag.RECEIPTED_MESSAGE_ID, b"B2\0"), (p.Tag.MESSAGE_STATE, b"\x05"))
    found = receipt("id:A1 stat:DELIVRD", tlvs=tlvs)
    assert found is not None
    assert (found.message_id, found.events) == ("B2", UNDELIVERED)


def test_the_text_fills_what_optional_parameters_leave_out() -> None:
    found = receipt("stat:UNDELIV err:045", tlvs=((p.Tag.RECEIPTED_MESSAGE_ID, b"B2"),))
    assert found is not None
    assert (found.message_id, found.events, found.error) == ("B2", UNDELIVERED, "045")


def test_our_own_quoted_text_is_not_taken_for_a_field() -> None:
    found = receipt("id:A1 stat:UNDELIV err:001 text:id:B2 stat:DELIVRD err:000")
    assert found is not None
    assert (found.message_id, found.events, found.error) == ("A1", UNDELIVERED, "001")


def test_a_receipt_is_known_by_its_text_where_the_class_does_not_say_so() -> None:
    found = receipt("id:A1 sub:001 stat:DELIVRD", esm_class=0)
    assert found is not None and found.events == DELIVERED


def test_a_message_from_a_phone_is_no_receipt() -> None:
    assert receipt("STOP", esm_class=0) is None
    assert receipt("my id: 7", esm_class=0) is None


def test_a_receipt_in_ucs2_or_behind_a_header_is_read() -> None:
    wide = receipt("id:A1 stat:DELIVRD".encode("utf-16-be"), data_coding=8)
    behind = receipt(b"\x05\x00\x03\x07\x01\x01id:A1 stat:DELIVRD", esm_class=0x44)
    assert wide is not None and wide.message_id == "A1"
    assert behind is not None and behind.message_id == "A1"


def test_a_receipt_in_message_payload_is_read() -> None:
    found = receipt(tlvs=((p.Tag.MESSAGE_PAYLOAD, b"id:A1 stat:EXPIRED"),))
    assert found is not None and found.events == EXPIRED


def test_what_goes_to_the_log_has_no_text_and_no_control_characters() -> None:
    found = receipt("id:A1 stat:BAD\x1b[31m err:\x07\x07 text:Code: 4321")
    assert found is not None
    assert found.detail == "BAD"


@given(st.binary(max_size=254), st.integers(0, 255), st.integers(0, 255))
def test_no_receipt_text_ever_raises(content: bytes, esm_class: int, data_coding: int) -> None:
    found = receipt(content, esm_class=esm_class, data_coding=data_coding)
    if found is not None:
        assert found.detail.isascii()
        keys(["r1"], found.message_id)


# Whose it is: how the answer wrote the id, how the receipt writes it


@pytest.mark.parametrize(
    ("answer", "in_receipt"),
    [
        ("a1b2c3", "a1b2c3"),
        ("a1b2c3", "A1B2C3"),
        ("A1B2C3", "a1b2c3"),
        ("00a1b2c3", "a1b2c3"),
        ("a1b2c3", "00A1B2C3"),
        ("a1b2c3", "10597059"),
        ("A1B2C3", "0010597059"),
        ("10597059", "a1b2c3"),
        ("0010597059", "00A1B2C3"),
        ("0x1f", "31"),
        ("550e8400-E29B-41d4", "550E8400-e29b-41D4"),
        ("0", "000"),
        ("20000000000000000001", "20000000000000000001"),
    ],
)
def test_a_receipt_finds_its_message(answer: str, in_receipt: str) -> None:
    assert provider_id("r1", answer) in keys(["r1"], in_receipt)


def test_the_same_form_is_tried_first() -> None:
    assert keys(["r1"], "16") == ("r1:16", "r1:10", "r1:22")


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        (IdForm.SAME, ("r1:16",)),
        (IdForm.DECIMAL, ("r1:10",)),
        (IdForm.HEX, ("r1:22",)),
    ],
)
def test_a_route_that_names_the_form_tries_no_other(
    form: IdForm, expected: tuple[str, ...]
) -> None:
    assert keys(["r1"], "16", form) == expected


def test_ids_of_another_route_never_fit() -> None:
    assert not set(keys(["r1"], "a1")) & set(keys(["r2"], "a1"))


def test_no_id_gives_no_key() -> None:
    assert keys(["r1"], " ") == ()
    assert provider_id("r1", "") is None


@pytest.mark.parametrize("odd", ["١٢٣٤", "１２３４", "1_000", "²³"])
def test_digits_of_other_scripts_are_letters(odd: str) -> None:
    assert keys(["r1"], odd) == (f"r1:{odd}",)


@given(st.integers(0, 2**128))
def test_hex_and_decimal_meet_for_every_number(number: int) -> None:
    assert provider_id("r1", f"{number:x}") in keys(["r1"], f"{number:020d}")
    assert provider_id("r1", f"{number:020d}") in keys(["r1"], f"{number:X}")
