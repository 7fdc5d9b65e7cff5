"""The rules of repeating, on the generators themselves: no network, no time."""

from __future__ import annotations

from decimal import Decimal

import pytest
from tests.client.kit import (
    LATE,
    LOST,
    PHONE,
    REFUSED,
    SECRET,
    SENT,
    Hand,
    json_refused_reply,
    json_status_reply,
    message,
    refused_reply,
    sent_reply,
    status_reply,
)

import kodgate
from kodgate.client.asking import query
from kodgate.client.flow import Lost, Reply
from kodgate.core.requests import SentMessage

SEND = "/http_in5.asp"
STATUS = "/http_out5.asp"
LOOK = "/status"

BAD_GATEWAY = Reply(status=502, body=b"<html>bad gateway</html>")
GARBAGE = Reply(status=200, body=b"hello")
NOT_OURS = Reply(status=404, body=b"no such page")
OK = sent_reply()
FOUND = json_status_reply(message(8))
ABSENT = json_refused_reply("NOT_FOUND")
DUPLICATE = refused_reply("DUPLICATE", packet_id=33)
OPEN = {"lost": LOST, "late": LATE, "bad gateway": BAD_GATEWAY, "garbage": GARBAGE}


def send(hand: Hand, *outcomes: Reply | Lost, **given: object) -> kodgate.SentCode:
    return hand.drive(hand.flows.send(hand.order(**given)), *outcomes)


def test_a_send_that_is_answered_is_asked_once():
    hand = Hand()
    sent = send(hand, OK)
    assert (sent.packet_id, sent.code, sent.cost) == (33, "123456", Decimal("2.10"))
    assert hand.asked == [SEND]


@pytest.mark.parametrize("passing", [REFUSED, refused_reply("UNAVAILABLE"), refused_reply("BUSY")])
def test_what_was_certainly_not_taken_is_sent_again(passing):
    hand = Hand()
    assert send(hand, passing, passing, OK).packet_id == 33
    assert hand.asked == [SEND] * 3
    assert hand.paused == [0.4, 0.8]


@pytest.mark.parametrize("passing", [REFUSED, refused_reply("UNAVAILABLE")])
def test_retries_end(passing):
    hand = Hand(retries_max=1)
    with pytest.raises((kodgate.ConnectionFailed, kodgate.Unavailable)):
        send(hand, passing, passing)


@pytest.mark.parametrize("open", OPEN.values(), ids=OPEN)
def test_a_lost_answer_without_an_own_id_is_never_sent_again(open):
    hand = Hand()
    with pytest.raises(kodgate.OutcomeUnknown) as caught:
        send(hand, open)
    assert hand.asked == [SEND]
    assert not caught.value.retryable


@pytest.mark.parametrize("open", OPEN.values(), ids=OPEN)
def test_a_lost_answer_is_looked_up_by_the_own_id(open):
    hand = Hand()
    sent = send(hand, open, FOUND, message_id=7)
    assert (sent.packet_id, sent.code, sent.user_message_id) == (33, "123456", "7")
    assert sent.recovered
    assert hand.asked == [SEND, LOOK]


def test_a_send_that_never_arrived_is_sent_again():
    hand = Hand()
    assert not send(hand, LOST, ABSENT, OK, message_id=7).recovered
    assert hand.asked == [SEND, LOOK, SEND]


def test_a_look_up_that_is_lost_too_is_repeated_and_then_the_outcome_is_unknown():
    hand = Hand()
    with pytest.raises(kodgate.OutcomeUnknown) as caught:
        send(hand, LOST, LOST, LATE, BAD_GATEWAY, message_id=7)
    assert hand.asked == [SEND, LOOK, LOOK, LOOK]
    assert caught.value.user_message_id == "7"


def test_where_nobody_can_look_up_the_own_id_guards_the_repetition():
    hand = Hand()
    assert send(hand, LOST, NOT_OURS, OK, message_id=7).packet_id == 33
    assert hand.asked == [SEND, LOOK, SEND]


def test_error_19_on_a_repetition_is_the_first_result():
    hand = Hand()
    sent = send(hand, LOST, NOT_OURS, DUPLICATE, status_reply(message(8)), message_id=7)
    assert (sent.packet_id, sent.message_id, sent.code) == (33, 71, "123456")
    assert sent.recovered
    assert hand.asked == [SEND, LOOK, SEND, STATUS]


def test_error_19_on_the_first_try_is_a_duplicate():
    hand = Hand()
    with pytest.raises(kodgate.Duplicate) as caught:
        send(hand, DUPLICATE, message_id=7)
    assert caught.value.packet_id == 33


def test_error_19_after_a_connection_that_failed_is_a_duplicate():
    with pytest.raises(kodgate.Duplicate):
        send(Hand(), REFUSED, DUPLICATE, message_id=7)


def test_error_19_that_points_to_another_phone_is_a_duplicate():
    other = status_reply(message(8, phone="79990000000"))
    with pytest.raises(kodgate.Duplicate):
        send(Hand(), LOST, NOT_OURS, DUPLICATE, other, message_id=7)


def test_an_own_id_that_belongs_to_another_code_leaves_the_outcome_unknown():
    with pytest.raises(kodgate.OutcomeUnknown, match="another message"):
        send(Hand(), LOST, FOUND, message_id=7, code="654321")


def test_a_refusal_after_a_loss_that_nobody_could_look_up_leaves_the_outcome_unknown():
    with pytest.raises(kodgate.OutcomeUnknown):
        send(Hand(), LOST, NOT_OURS, refused_reply("NO_FUNDS"), message_id=7)


def test_a_refusal_after_a_send_that_never_arrived_is_the_answer():
    with pytest.raises(kodgate.InsufficientFunds):
        send(Hand(), LOST, ABSENT, refused_reply("NO_FUNDS"), message_id=7)


def test_a_send_that_is_lost_each_time_has_an_unknown_outcome():
    hand = Hand()
    with pytest.raises(kodgate.OutcomeUnknown):
        send(hand, LOST, ABSENT, LOST, ABSENT, LOST, ABSENT, message_id=7)
    assert hand.asked == [SEND, LOOK] * 3


@pytest.mark.parametrize("status", [301, 400, 404, 413])
def test_an_address_that_is_not_the_services_is_named(status):
    hand = Hand()
    with pytest.raises(kodgate.UnexpectedAnswer, match=f"HTTP {status}"):
        send(hand, Reply(status=status, body=b"<html>"))
    assert hand.asked == [SEND]


def test_a_refusal_in_the_body_counts_whatever_the_http_status_is():
    hand = Hand()
    busy = refused_reply("UNAVAILABLE")
    assert send(hand, Reply(status=503, body=busy.body), OK).packet_id == 33


@pytest.mark.parametrize("test", [1, -1])
def test_a_test_send_is_repeated_whatever_was_lost(test):
    hand = Hand()
    assert send(hand, LOST, GARBAGE, OK, test=test).packet_id == 33
    assert hand.asked == [SEND] * 3


def test_a_simulation_carries_no_credentials():
    hand = Hand()
    body = hand.asking.send(hand.order(test=-1)).body
    assert SECRET.encode() not in body and b"alice" not in body


def test_a_limit_on_the_number_is_told_and_not_fought():
    hand = Hand()
    with pytest.raises(kodgate.RateLimited) as caught:
        send(hand, refused_reply("FLOOD"))
    assert caught.value.retryable
    assert hand.asked == [SEND]


def test_over_json_the_same_rules_hold():
    hand = Hand(protocol="json")
    with pytest.raises(kodgate.OutcomeUnknown):
        send(hand, LOST)
    assert hand.asked == ["/send"]
    hand = Hand(protocol="json")
    assert send(hand, LOST, FOUND, message_id="order 7").user_message_id == "order 7"


def test_a_status_is_repeated_whatever_was_lost():
    hand = Hand()
    status = hand.drive(
        hand.flows.status(query(packet_id=33, message_id=None, user_message_id=None)),
        LOST,
        refused_reply("UNAVAILABLE", operation="status"),
        status_reply(message(6)),
    )
    assert status.is_delivered
    assert hand.asked == [STATUS] * 3


def test_a_status_by_the_own_id_goes_to_the_json_service():
    hand = Hand(json_url="http://json.test:8787")
    question = hand.asking.status(query(packet_id=None, message_id=None, user_message_id=7))
    assert question.url == "http://json.test:8787/status"


def test_a_confirm_whose_answer_is_lost_is_not_repeated():
    hand = Hand()
    asked = query(packet_id=33, message_id=None, user_message_id=None)
    with pytest.raises(kodgate.OutcomeUnknown):
        hand.drive(hand.flows.confirm(asked, "123456"), LOST)
    with pytest.raises(kodgate.ConnectionFailed):
        hand.drive(hand.flows.confirm(asked, "123456"), REFUSED, REFUSED, REFUSED)


@pytest.mark.parametrize(
    ("name", "verdict"),
    [("CONFIRM_WRONG", "wrong"), ("CONFIRM_USED", "used"), ("CONFIRM_EXHAUSTED", "exhausted")],
)
def test_a_typed_code_that_is_not_right_is_a_result(name, verdict):
    hand = Hand()
    asked = query(packet_id=33, message_id=None, user_message_id=None)
    confirmation = hand.drive(hand.flows.confirm(asked, "123456"), json_refused_reply(name))
    assert not confirmation
    assert confirmation.verdict == verdict


# Watching


def watch(hand: Hand, *outcomes: Reply | Lost, timeout_s: float = 60.0):
    asked = query(packet_id=33, message_id=None, user_message_id=None)
    return list(hand.watch(hand.flows.watch(asked, timeout_s=timeout_s), *outcomes))


def test_a_watch_shows_changes_only_and_ends_with_the_packet():
    hand = Hand()
    three, eight, six = (status_reply(message(number)) for number in (3, 8, 6))
    shown = watch(hand, three, three, eight, eight, six)
    assert [status.result.id for status in shown] == [3, 8, 6]


def test_a_watch_goes_on_over_a_fallback():
    unread = message(7, cost=0)
    sms = message(4, num=2, message_id=72, channel="sms", cost=42_000)
    hand = Hand()
    shown = watch(
        hand,
        status_reply(message(8)),
        status_reply(unread, sms),
        status_reply(unread, message(6, num=2, message_id=72, cost=42_000)),
    )
    assert [status.is_final for status in shown] == [False, False, True]
    assert shown[-1].cost == Decimal("4.20")


def test_a_watch_outlives_an_outage():
    shown = watch(Hand(), LOST, REFUSED, BAD_GATEWAY, REFUSED, LATE, status_reply(message(6)))
    assert [status.result.id for status in shown] == [6]


def test_a_watch_ends_at_once_where_waiting_does_not_help():
    with pytest.raises(kodgate.NotFound):
        watch(Hand(), refused_reply("NOT_FOUND", operation="status"))


def test_a_watch_looks_once_more_when_its_time_is_over():
    hand = Hand()
    with pytest.raises(kodgate.WaitTimeout) as caught:
        watch(hand, *[status_reply(message(3))] * 4, timeout_s=1.0)
    assert hand.now_s == pytest.approx(1.0)
    assert caught.value.status is not None and caught.value.status.packet_id == 33


def test_a_watch_that_never_saw_anything_says_what_was_in_the_way():
    with pytest.raises(kodgate.WaitTimeout) as caught:
        watch(Hand(), REFUSED, timeout_s=0.0)
    assert caught.value.status is None
    assert isinstance(caught.value.__cause__, kodgate.ConnectionFailed)


def test_pauses_between_looks_grow_to_a_limit():
    hand = Hand()
    watch(hand, *[status_reply(message(3))] * 12, status_reply(message(6)))
    assert hand.paused == sorted(hand.paused)
    assert hand.paused[0] < 0.5
    assert max(hand.paused) == pytest.approx(6.0)


# Arguments


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({"code": "123"}, kodgate.InvalidCode),
        ({"code": "٣٣٣٣"}, kodgate.InvalidCode),
        ({"code": "0000"}, kodgate.InvalidCode),
        ({"valid_period": 29}, kodgate.BadRequest),
        ({"valid_period": 36_001}, kodgate.BadRequest),
        ({"packet_id": 0}, kodgate.BadRequest),
        ({"message_id": "seven"}, kodgate.BadRequest),
        ({"message_id": "٧"}, kodgate.BadRequest),
        ({"test": 2}, kodgate.ConfigurationError),
    ],
)
def test_a_wrong_argument_is_refused_before_anything_is_asked(given, error):
    with pytest.raises(error):
        Hand().order(**given)


@pytest.mark.parametrize("phone", ["", "alice", "79123456789,79123456780", "٧٩١٢٣٤٥٦٧٨٩"])
def test_a_wrong_phone_is_refused_before_anything_is_asked(phone):
    hand = Hand()
    with pytest.raises(kodgate.InvalidRecipient):
        hand.asking.order(
            phone, code=None, to_sms=False, valid_period=None, packet_id=None, message_id=None,
            test=0,
        )  # fmt: skip


@pytest.mark.parametrize("given", [{"test": 1}, {"test": -1}, {"packet_id": 5}])
def test_what_the_json_service_cannot_say_is_refused(given):
    with pytest.raises(kodgate.ConfigurationError):
        Hand(protocol="json").order(**given)


@pytest.mark.parametrize(
    "given", [{}, {"packet_id": 1, "message_id": 2}, {"message_id": 1, "user_message_id": "x"}]
)
def test_a_status_names_exactly_one_id(given):
    with pytest.raises(kodgate.ConfigurationError):
        query(**({"packet_id": None, "message_id": None, "user_message_id": None} | given))


def test_a_client_without_credentials_says_how_to_give_them():
    hand = Hand(password="")
    with pytest.raises(kodgate.ConfigurationError, match="KODGATE_PASSWORD"):
        hand.asking.balance()


def test_the_first_message_of_an_answer_to_several_counts():
    second = SentMessage(message_id=72, phone=PHONE, code="1111", zone=1, cost=1)
    assert send(Hand(), sent_reply(messages=(*SENT.messages, second))).message_id == 71
