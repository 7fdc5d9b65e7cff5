"""The document's own samples are understood: the client works against the original service."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

from tests.client.kit import Hand

from kodgate.client.asking import query
from kodgate.client.flow import Reply

SAMPLES = Path(__file__).parent.parent / "wire" / "golden" / "seed"
SENT_JSON = (
    '{"userMessId":"77 ","systemId":"7710258","state":"Accepted","error":"OK","errcode":"0",'
    '"message_parts":"1","message_cost":"2.10","phone":"7123456789","pakage":"33","code":"123456"}'
)


def sample(name: str) -> str:
    return (SAMPLES / name).read_text(encoding="utf-8")


def test_the_xml_sample_of_a_send():
    hand = Hand()
    sent = hand.drive(
        hand.flows.send(hand.order()), Reply(status=200, body=sample("http_in5.xml").encode())
    )
    assert (sent.packet_id, sent.message_id, sent.phone) == (33, 7710258, "7123456789")
    assert (sent.code, sent.cost) == ("123456", Decimal("2.10"))
    assert (sent.balance_before, sent.balance_after) == (Decimal("408.71"), Decimal("406.61"))


def test_the_txt_sample_of_a_send():
    hand = Hand()
    sent = hand.drive(
        hand.flows.send(hand.order()), Reply(status=200, body=sample("http_in5.txt").encode())
    )
    assert (sent.packet_id, sent.message_id, sent.code) == (1234, 7710258, "123456")
    assert (sent.cost, sent.balance_after) == (Decimal("10.00"), Decimal("4656.00"))


def test_the_status_sample_with_straight_quotes():
    text = sample("http_out5.xml").replace("sender_ip=xxx", "sender_ip='xxx")
    text = text.replace("‘", "'").replace("’", "'")
    hand = Hand()
    asked = query(packet_id=1234, message_id=None, user_message_id=None)
    status = hand.drive(hand.flows.status(asked), Reply(status=200, body=text.encode()))
    assert status.is_final and status.is_delivered
    assert status.delivered_at is not None
    assert status.delivered_at.isoformat() == "2025-09-17T12:34:23+03:00"
    assert status.verdict == "Message 1: delivered at 2025-09-17 12:34:23 MSK, 2.10 charged."


def test_the_json_sample_of_a_send_with_values_in_it():
    hand = Hand(protocol="json")
    sent = hand.drive(
        hand.flows.send(hand.order(message_id="77")), Reply(status=200, body=SENT_JSON.encode())
    )
    assert (sent.packet_id, sent.message_id, sent.user_message_id) == (33, 7710258, "77")
