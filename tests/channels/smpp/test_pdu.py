"""The codec: what is written is read back, and what cannot be read is said to be so."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kodgate.channels.smpp import parts
from kodgate.channels.smpp import pdu as p

U32 = st.integers(0, 2**32 - 1)
TLVS = st.lists(st.tuples(st.integers(0, 0xFFFF), st.binary(max_size=40)), max_size=4).map(tuple)


def texts(size: int) -> st.SearchStrategy[str]:
    letters = st.characters(min_codepoint=1, max_codepoint=255)
    return st.text(letters, max_size=size - 1)


def values(kind: type[p.Pdu]) -> st.SearchStrategy[p.Pdu]:
    made: dict[str, Any] = {"sequence": U32, "status": U32}
    for part in kind.PARTS:
        if isinstance(part, parts.Text):
            made[part.name] = texts(part.size)
        elif isinstance(part, parts.Octets):
            made |= {name: st.integers(0, 255) for name in part.names}
        else:
            made[part.names[0]] = st.binary(max_size=254)
    if issubclass(kind, p._WithTlvs):
        made["tlvs"] = TLVS
    assert set(made) == {each.name for each in fields(kind)}
    return st.builds(kind, **made)


ANY_PDU = st.one_of([values(kind) for kind in p.CLASSES.values()])


@given(ANY_PDU)
def test_what_is_encoded_is_decoded_to_the_same(pdu: p.Pdu) -> None:
    assert p.decode(p.encode(pdu)) == pdu


@given(st.lists(ANY_PDU, max_size=5), st.integers(1, 40))
def test_a_stream_cut_anywhere_gives_the_same_pdus(pdus: list[p.Pdu], size: int) -> None:
    stream = b"".join(p.encode(pdu) for pdu in pdus)
    framer = p.Framer()
    seen: list[p.Pdu] = []
    for at in range(0, len(stream), size):
        seen += framer.feed(stream[at : at + size])
    assert seen == pdus
    assert framer.pending == 0


@given(st.binary(max_size=300))
def test_noise_is_a_frame_error_or_garbled_pdus_and_nothing_else(noise: bytes) -> None:
    try:
        pdus = p.Framer().feed(noise)
    except p.FrameError as error:
        pdus = error.before
    assert all(isinstance(pdu, p.Pdu) for pdu in pdus)


@given(ANY_PDU, st.integers(1, 60))
def test_a_body_cut_short_never_raises(pdu: p.Pdu, cut: int) -> None:
    whole = p.encode(pdu)
    short = whole[: max(p.LENGTH_MIN, len(whole) - cut)]
    frame = len(short).to_bytes(4, "big") + short[4:]
    assert len(p.Framer().feed(frame)) == 1


@pytest.mark.parametrize("length", [0, 1, 15, 65_537, 2**31, 2**32 - 1])
def test_an_impossible_length_ends_the_stream(length: int) -> None:
    with pytest.raises(p.FrameError):
        p.Framer().feed(length.to_bytes(4, "big") + bytes(12))


def test_what_came_before_an_impossible_length_is_kept() -> None:
    good = p.EnquireLink(sequence=7)
    with pytest.raises(p.FrameError) as caught:
        p.Framer().feed(p.encode(good) + bytes(16))
    assert caught.value.before == [good]


def test_the_longest_pdu_is_read() -> None:
    room = p.LENGTH_MAX - len(p.encode(p.DeliverSm(sequence=1))) - 4
    pdu = p.DeliverSm(sequence=1, tlvs=((p.Tag.MESSAGE_PAYLOAD, b"x" * room),))
    assert p.Framer().feed(p.encode(pdu)) == [pdu]


def test_an_unknown_command_is_garbled_and_the_stream_goes_on() -> None:
    odd = bytes.fromhex("00000010 00000777 00000000 00000005")
    first, second = p.Framer().feed(odd + p.encode(p.EnquireLink(sequence=6)))
    assert isinstance(first, p.Garbled)
    assert (first.command, first.sequence, first.answer) == (0x777, 5, p.Status.ESME_RINVCMDID)
    assert second == p.EnquireLink(sequence=6)


@pytest.mark.parametrize(
    ("tail", "answer"),
    [
        (b"\x04\x27", p.Status.ESME_RINVOPTPARSTREAM),
        (b"\x04\x27\x00\x09\x02", p.Status.ESME_RINVPARLEN),
    ],
)
def test_a_broken_tlv_is_garbled(tail: bytes, answer: p.Status) -> None:
    whole = p.encode(p.DeliverSm(sequence=9)) + tail
    (pdu,) = p.Framer().feed(len(whole).to_bytes(4, "big") + whole[4:])
    assert isinstance(pdu, p.Garbled)
    assert pdu.answer is answer


def test_a_submit_is_what_the_specification_says() -> None:
    pdu = p.SubmitSm(
        sequence=2,
        source_addr_ton=5,
        source_addr="kodgate",
        dest_addr_ton=1,
        dest_addr_npi=1,
        destination_addr="79123456789",
        validity_period="000000000500000R",
        registered_delivery=1,
        short_message=b"Code: 1234",
        tlvs=((p.Tag.USER_MESSAGE_REFERENCE, b"\x00\x01"),),
    )
    body = (
        b"\0"
        b"\x05\x00kodgate\0"
        b"\x01\x01" + b"79123456789\0"
        b"\x00\x00\x00"
        b"\0"
        b"000000000500000R\0"
        b"\x01\x00\x00\x00"
        b"\x0aCode: 1234"
        b"\x02\x04\x00\x02\x00\x01"
    )
    header = (16 + len(body)).to_bytes(4, "big") + bytes.fromhex("00000004 00000000 00000002")
    assert p.encode(pdu) == header + body


def test_an_answer_without_a_body_is_read() -> None:
    frame = bytes.fromhex("00000010 80000004 00000058 00000003")
    assert p.decode(frame) == p.SubmitSmResp(sequence=3, status=p.Status.ESME_RTHROTTLED)


def test_a_failed_answer_is_written_without_a_body() -> None:
    assert len(p.encode(p.SubmitSmResp(sequence=3, status=0x58))) == 16
    assert len(p.encode(p.SubmitSmResp(sequence=3))) == 17


@pytest.mark.parametrize(
    "pdu",
    [
        p.BindTransceiver(sequence=1, system_id="x" * 16),
        p.BindTransceiver(sequence=1, system_id="a\0b"),
        p.BindTransceiver(sequence=1, system_id="alice", password="x" * 9),
        p.SubmitSm(sequence=1, short_message=b"x" * 255),
        p.SubmitSm(sequence=1, data_coding=256),
        p.SubmitSm(sequence=1, source_addr="Код"),
    ],
)
def test_a_value_that_does_not_fit_is_refused(pdu: p.Pdu) -> None:
    with pytest.raises(ValueError):
        p.encode(pdu)


def test_secrets_are_not_in_a_printed_pdu() -> None:
    bind = p.BindTransceiver(sequence=1, system_id="alice", password="hunter2")
    submit = p.SubmitSm(sequence=1, short_message=b"Code: 4321")
    assert "hunter2" not in repr(bind)
    assert "4321" not in repr(submit)


def test_every_request_has_its_answer() -> None:
    assert p.reply(p.Unbind(sequence=4)) == p.UnbindResp(sequence=4)
    assert p.reply(p.SubmitSm(sequence=4), message_id="a1") == p.SubmitSmResp(
        sequence=4, message_id="a1"
    )
    assert p.reply(p.Outbind(sequence=4), p.Status.ESME_RINVCMDID) == p.GenericNack(
        sequence=4, status=p.Status.ESME_RINVCMDID
    )


def test_vendor_statuses_have_a_name() -> None:
    assert p.status_name(0x58) == "ESME_RTHROTTLED"
    assert p.status_name(0x400) == "0x00000400"


def test_sequences_wrap_to_one() -> None:
    assert p.next_sequence(1) == 2
    assert p.next_sequence(p.SEQUENCE_MAX) == 1
