"""The document's own samples, as it prints them: non-breaking spaces, odd blanks, curly quotes."""

import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from pathlib import Path

import pytest
from tests.wire.kit import DEFAULTS, HTTP, JSON, JSON_SERVICE, SENT, form_call, request

from kodgate.core.requests import Sent, SentMessage
from kodgate.wire import ApiFailure, Unreadable, http_asp, json_service, readers

SEED = Path(__file__).parent / "golden" / "seed"


def sample(name: str) -> bytes:
    return (SEED / name).read_bytes()


def test_the_xml_sample_is_read():
    message = SentMessage(
        message_id=7710258, phone="7123456789", code="123456", zone=1, cost=21_000
    )
    assert http_asp.read_sent(sample("http_in5.xml")) == replace(
        SENT, messages=(message,), caller_ip="123.123.123.123"
    )


def test_our_xml_has_the_samples_elements_attributes_and_values_in_its_order():
    what = http_asp.read_sent(sample("http_in5.xml"))
    ours = HTTP.render_sent(form_call({"format": "xml"}), what, DEFAULTS)

    def shape(body: bytes) -> list[tuple[str, list[tuple[str, str]]]]:
        return [(found.tag, list(found.attrib.items())) for found in ElementTree.XML(body).iter()]

    assert shape(ours.body) == shape(sample("http_in5.xml"))


def test_the_txt_sample_is_read():
    message = SentMessage(
        message_id=7710258, phone="7123456789", code="123456", zone=1, cost=100_000
    )
    assert http_asp.read_sent(sample("http_in5.txt")) == Sent(
        packet_id=1234,
        messages=(message,),
        balance_before=46_800_000,
        balance_after=46_560_000,
        caller_ip="123.123.123.XXX",
    )


def test_the_status_sample_is_not_well_formed_and_not_guessed_at():
    with pytest.raises(Unreadable):
        http_asp.read_status(sample("http_out5.xml"))


def test_the_status_sample_with_straight_quotes_is_read():
    text = sample("http_out5.xml").decode().replace("sender_ip=xxx", "sender_ip='xxx")
    for curly in "‘’":
        text = text.replace(curly, "'")
    status = http_asp.read_status(text.encode())
    assert (status.packet_id, status.packet_cost) == (1234, 21_000)
    assert (status.asked.result.id, status.asked.delivered_at) == (6, 1_758_101_663_000)


def test_the_json_request_sample_is_understood():
    call = JSON_SERVICE.read(request("/send", body=sample("send.json"), content_type=JSON))
    assert call.error is None
    assert call.credentials.login == "ваш_логин"


def test_the_json_status_sample_is_no_json():
    call = JSON_SERVICE.read(request("/status", body=sample("status.json"), content_type=JSON))
    assert call.error == "BAD_JSON"


def test_our_json_answer_has_the_samples_keys_in_its_order():
    what = replace(SENT, user_message_id="77")
    ours = JSON_SERVICE.render_sent(JSON_SERVICE.read(request("/send", body=b"{}")), what, DEFAULTS)
    assert list(readers.json_members(ours.body)) == list(
        readers.json_members(sample("accepted.json"))
    )


def test_the_accepted_sample_with_values_in_it_is_read():
    text = sample("accepted.json").decode()
    for words, value in (
        ("уникальный id_сообщения (если был задан)", "77"),
        ("уникальный id сообщения присвоенный сервером", "7710258"),
        ("стоимость сообщения", "2.10"),
        ("телефон адресата", "7123456789"),
        ("номер пакета", "33"),
        ("содержит код верификации (обязательный)", "123456"),
    ):
        text = text.replace(words, value)
    assert json_service.read_sent(text.encode()) == json_service.Accepted(
        packet_id=33,
        message_id=7710258,
        phone="7123456789",
        code="123456",
        cost=21_000,
        parts=1,
        user_message_id="77",
    )


def test_the_rejected_sample_is_a_failure():
    with pytest.raises(ApiFailure) as failure:
        json_service.read_sent(sample("rejected.json"))
    assert (failure.value.number, failure.value.text) == (-1, "сообщение об ошибке")
