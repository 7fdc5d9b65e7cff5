"""Both clients over real connections, against a service that fails as it is told."""

from __future__ import annotations

import logging
import time
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import httpx2
import pytest
from tests.client.kit import PHONE, SECRET, Fault, nobody

import kodgate
from kodgate import AsyncClient, Client

PROTOCOLS = ("http", "json")


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_code_is_sent_followed_and_delivered(make, service, protocol):
    alice = make(protocol=protocol)
    sent = alice.send("+7 912 345-67-89", code="4321", message_id=7)
    assert (sent.phone, sent.code, sent.cost) == (PHONE, "4321", Decimal("2.10"))
    done = alice.wait(sent.packet_id, timeout=10)
    assert done.is_final and done.is_delivered
    assert done.delivered_at is not None and done.delivered_at.utcoffset() is not None
    assert service.sends == [(PHONE, "7")]


def test_money_of_the_http_interface_is_exact(make):
    alice = make()
    sent = alice.send(PHONE)
    assert sent.balance_before - sent.balance_after == sent.cost == Decimal("2.10")
    assert alice.balance() == Decimal("997.90")
    assert str(alice.balance()) == "997.90"


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(
    "fault", [Fault("close", done=True), Fault("status", done=True), Fault("garbage", done=True)]
)
def test_a_lost_answer_is_found_again_and_nothing_is_sent_twice(make, service, protocol, fault):
    service.faults = [fault]
    sent = make(protocol=protocol).send(PHONE, message_id=7)
    assert sent.recovered
    assert sent.code == "100001"
    assert service.sends == [(PHONE, "7")]


def test_a_request_that_never_arrived_is_sent_once(make, service):
    service.faults = [Fault("close")]
    assert not make().send(PHONE, message_id=7).recovered
    assert service.sends == [(PHONE, "7")]


def test_without_an_own_id_a_lost_answer_is_told(make, service):
    service.faults = [Fault("close", done=True)]
    with pytest.raises(kodgate.OutcomeUnknown):
        make().send(PHONE)
    assert service.paths == ["/http_in5.asp"]


def test_a_service_without_json_is_asked_again_and_error_19_leads_to_the_first(make, service):
    service.speaks_json = False
    service.faults = [Fault("close", done=True)]
    sent = make().send(PHONE, message_id=7)
    assert (sent.packet_id, sent.code, sent.recovered) == (33, "100001", True)
    assert service.sends == [(PHONE, "7")]
    assert service.paths == ["/http_in5.asp", "/status", "/http_in5.asp", "/http_out5.asp"]


@pytest.mark.parametrize("kind", ["slow", "drip"])
def test_a_service_that_does_not_come_to_an_end_is_left(make, service, kind):
    service.faults = [Fault(kind, seconds=3.0)]
    began = time.monotonic()
    with pytest.raises(kodgate.OutcomeUnknown) as caught:
        make(timeout=0.3).send(PHONE)
    assert isinstance(caught.value.__cause__, kodgate.RequestTimeout)
    assert time.monotonic() - began < 2.5


def test_where_nobody_listens_the_connection_failed(make):
    with nobody() as url, pytest.raises(kodgate.ConnectionFailed) as caught:
        make(base_url=url, retries_max=0).send(PHONE)
    assert caught.value.retryable


def test_try_later_is_tried_later(make, service):
    service.refuse = ["UNAVAILABLE", "BUSY"]
    assert make().send(PHONE).packet_id == 33
    assert len(service.sends) == 1


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("BAD_CREDENTIALS", kodgate.AuthenticationFailed),
        ("BLOCKED_IP", kodgate.AccessDenied),
        ("NO_FUNDS", kodgate.InsufficientFunds),
        ("BAD_PHONE", kodgate.InvalidRecipient),
        ("BAD_CODE", kodgate.InvalidCode),
        ("BAD_PARAMETER", kodgate.BadRequest),
        ("DUPLICATE", kodgate.Duplicate),
        ("FLOOD", kodgate.RateLimited),
    ],
)
def test_each_kind_of_refusal_is_its_own_exception(make, service, protocol, name, error):
    service.refuse = [name]
    with pytest.raises(error) as caught:
        make(protocol=protocol).send(PHONE)
    assert caught.value.number > 0 and caught.value.text


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_status_is_asked_by_packet_by_message_and_by_the_own_id(make, protocol):
    alice = make(protocol=protocol)
    sent = alice.send(PHONE, message_id=7)
    found = [
        alice.status(packet_id=sent.packet_id),
        alice.status(message_id=sent.message_id),
        alice.status(user_message_id=7),
    ]
    assert {status.packet_id for status in found} == {sent.packet_id}
    assert [status.result.id for status in found] == [3, 8, 6]


def test_a_confirm_is_true_where_the_code_is_right(make):
    alice = make()
    sent = alice.send(PHONE)
    assert alice.confirm(sent.code, packet_id=sent.packet_id)
    assert not alice.confirm("9999", packet_id=sent.packet_id)


def test_a_wait_ends_where_it_was_told_to(make, service):
    alice = make()
    sent = alice.send(PHONE)
    assert alice.wait(sent.packet_id, until="delivered", timeout=10).result.id == 8
    service.life = [4]
    assert alice.wait(sent.packet_id, until=kodgate.Until.SENT, timeout=10).result.id == 4


def test_a_wait_that_fails_raises_when_asked_to(make, service):
    alice = make()
    service.life = [7]
    sent = alice.send(PHONE)
    assert not alice.wait(sent.packet_id, timeout=10).is_delivered
    with pytest.raises(kodgate.NotDelivered) as caught:
        alice.wait(sent.packet_id, timeout=10, raise_on_failure=True)
    assert caught.value.status.is_final


def test_a_wait_that_is_over_carries_what_it_saw(make, service):
    alice = make()
    service.life = [8]
    sent = alice.send(PHONE)
    with pytest.raises(TimeoutError) as caught:
        alice.wait(sent.packet_id, timeout=0.2)
    assert isinstance(caught.value, kodgate.WaitTimeout)
    assert caught.value.status is not None and caught.value.status.result.id == 8


def test_a_watch_lists_the_changes(make, service):
    alice = make()
    service.life = [3, 3, 8, 6]
    sent = alice.send(PHONE)
    assert [status.result.id for status in alice.watch(sent.packet_id, timeout=10)] == [3, 8, 6]


def test_a_simulation_needs_no_account(service):
    with Client(base_url=service.url) as nobody_yet:
        assert nobody_yet.send(PHONE, test=-1).code == "123456"


def test_requests_say_nothing_of_a_cookie_and_take_no_compression(make, service):
    make().send(PHONE)
    (headers,) = service.agents
    assert "Cookie" not in headers
    assert headers["Accept-Encoding"] == "identity"


def test_a_redirect_is_not_followed_with_the_password(make, service):
    service.faults = [Fault("status", status=307)]
    with pytest.raises(kodgate.UnexpectedAnswer):
        make().send(PHONE)
    assert len(service.paths) == 1


def test_a_given_http_client_is_used_and_left_open(service):
    with httpx2.Client() as mine:
        with Client("alice", SECRET, base_url=service.url, http_client=mine) as alice:
            alice.send(PHONE)
        assert not mine.is_closed


async def test_a_given_async_http_client_is_used_and_left_open(service):
    async with httpx2.AsyncClient() as mine:
        async with AsyncClient("alice", SECRET, base_url=service.url, http_client=mine) as alice:
            await alice.send(PHONE)
        assert not mine.is_closed


def test_a_closed_client_opens_anew(service):
    alice = Client("alice", SECRET, base_url=service.url)
    alice.send(PHONE)
    alice.close()
    alice.send(PHONE)
    alice.close()


def test_threads_share_a_client(service):
    with Client("alice", SECRET, base_url=service.url) as alice, ThreadPoolExecutor(8) as threads:
        sent = list(threads.map(lambda number: alice.send(PHONE, message_id=number), range(1, 41)))
    assert len({one.packet_id for one in sent}) == 40
    assert len(service.sends) == 40


def test_no_secret_and_no_code_gets_into_logs_reprs_or_errors(make, service, caplog):
    caplog.set_level(logging.DEBUG)
    alice = make()
    sent = alice.send(PHONE, code="48151623", message_id=7)
    service.faults = [Fault("close", done=True)]
    texts = [repr(alice), repr(sent), repr(alice.status(packet_id=sent.packet_id))]
    for refusal in ("BAD_CREDENTIALS", "NO_FUNDS"):
        service.refuse = [refusal]
        with pytest.raises(kodgate.ApiError) as caught:
            alice.send(PHONE, code="48151623")
        texts += [repr(caught.value), str(caught.value)]
    service.faults = [Fault("garbage")]
    with pytest.raises(kodgate.OutcomeUnknown) as lost:
        alice.send(PHONE, code="48151623")
    texts += [repr(lost.value), str(lost.value), repr(lost.value.__cause__), caplog.text]
    everything = "\n".join(texts)
    assert SECRET not in everything
    assert "48151623" not in everything
    assert PHONE not in everything


def test_both_clients_offer_the_same_calls():
    import inspect

    def calls(kind: type) -> dict[str, list[str]]:
        members = inspect.getmembers(kind, inspect.isfunction)
        return {
            name: list(inspect.signature(member).parameters)
            for name, member in members
            if not name.startswith("_")
        }

    assert calls(Client) == calls(AsyncClient)
    assert list(inspect.signature(Client).parameters) == list(
        inspect.signature(AsyncClient).parameters
    )


def test_a_wrong_password_is_refused(service):
    with Client("mallory", "wrong" * 4, base_url=service.url) as mallory:
        refused = pytest.raises(kodgate.AuthenticationFailed)
        with refused:
            mallory.balance()
