"""Delivery reports: who may speak, what is believed, and what a replay can do."""

from __future__ import annotations

import json
from typing import Any

import pytest

from kodgate.channels.telegram import TelegramChannel, TelegramSettings, api
from kodgate.core.types import BookingKind, Event, Observation

from .fake import NOW, PHONE, REQUEST_ID, TOKEN, Bench, Clock, bench

WALL_S = 1_795_000_000
OURS = "k:abcd1234:123:1"


def signed(
    more: dict[str, Any] | bytes, *, at_s: int | str = WALL_S, token: str = TOKEN
) -> tuple[bytes, dict[str, str]]:
    """A report as Telegram sends it."""
    if isinstance(more, bytes):
        body = more
    else:
        plain = {"request_id": REQUEST_ID, "phone_number": PHONE, "request_cost": 0.01}
        body = json.dumps(plain | more).encode()
    timestamp = str(at_s)
    return body, {
        "X-Request-Timestamp": timestamp,
        "X-Request-Signature": api.sign(token, timestamp, body),
    }


def status(word: str) -> dict[str, Any]:
    return {"delivery_status": {"status": word, "updated_at": 1_795_000_000}, "payload": OURS}


def read(b: Bench, *report: Any) -> Observation | None:
    body, headers = report
    return b.channel.read_callback(body, headers, wall_now_s=WALL_S)


@pytest.mark.parametrize(
    ("word", "events"),
    [
        ("sent", {Event.ACCEPTED}),
        ("delivered", {Event.ACCEPTED, Event.DELIVERED}),
        ("read", {Event.ACCEPTED, Event.DELIVERED, Event.READ}),
        ("expired", {Event.ACCEPTED, Event.UNDELIVERED}),
        ("revoked", set()),
        ("exploded", set()),
    ],
)
async def test_a_report_becomes_our_events(word: str, events: set[Event]) -> None:
    async with bench() as b:
        seen = read(b, *signed(status(word)))
        assert seen is not None
        assert (set(seen.events), seen.source, seen.channel) == (events, "callback", "telegram")
        assert (seen.keys, seen.message_id, seen.epoch) == ((REQUEST_ID,), 123, None)
        assert seen.detail == word


async def test_a_report_can_beat_the_answer_by_its_payload() -> None:
    async with bench() as b:
        await b.send()
        payload = b.gateway.parameters("sendVerificationMessage")["payload"]
        seen = read(b, *signed(status("read") | {"payload": payload}))
        assert seen is not None and seen.message_id == 123


@pytest.mark.parametrize("payload", [None, "", "k:00000000:123:1", "ваш заказ"])
async def test_a_report_with_a_foreign_payload_is_matched_by_its_request_id(
    payload: str | None,
) -> None:
    async with bench() as b:
        seen = read(b, *signed(status("read") | {"payload": payload}))
        assert seen is not None
        assert (seen.message_id, seen.keys) == (None, (REQUEST_ID,))


async def test_runs_of_the_process_do_not_know_each_others_payloads() -> None:
    channels = [TelegramChannel(TelegramSettings(token=TOKEN), Clock()) for _ in range(2)]
    assert len({channel._instance for channel in channels}) == 2


async def test_header_names_have_any_case() -> None:
    async with bench() as b:
        body, headers = signed(status("read"))
        lower = {name.lower(): value for name, value in headers.items()}
        assert b.channel.read_callback(body, lower, wall_now_s=WALL_S) is not None


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-Request-Timestamp": str(WALL_S)},
        {"X-Request-Signature": "0" * 64},
        {"X-Request-Timestamp": str(WALL_S), "X-Request-Signature": "0" * 64},
        {"X-Request-Timestamp": "١٧٩٥", "X-Request-Signature": "0" * 64},
        {"X-Request-Timestamp": "9" * 5000, "X-Request-Signature": "\udcff"},
    ],
)
async def test_an_unsigned_report_is_refused(headers: dict[str, str]) -> None:
    async with bench() as b:
        body, _ = signed(status("read"))
        assert b.channel.read_callback(body, headers, wall_now_s=WALL_S) is None


async def test_a_signature_of_another_body_or_token_is_refused() -> None:
    async with bench() as b:
        _, headers = signed(status("sent"))
        body, _ = signed(status("read"))
        assert read(b, body, headers) is None
        assert read(b, *signed(status("read"), token="another")) is None


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"null",
        b"{}",
        b"\xff",
        b"[" * 60_000,
        b'{"request_id":"1","request_id":"1","phone_number":"79120000001"}',
        b'{"request_id":5,"phone_number":"79120000001"}',
        b'{"request_id":"1","phone_number":"79120000001","request_cost":NaN}',
        b'{"request_id":"1","phone_number":"79120000001",'
        b'"delivery_status":{"status":"read","updated_at":1e400}}',
        b'{"request_id":"1","phone_number":"79120000001",'
        b'"delivery_status":{"status":"read","updated_at":' + b"9" * 5000 + b"}}",
        b'{"request_id":"1","phone_number":"79120000001","payload":"' + b"x" * 70_000 + b'"}',
    ],
    ids=range(12),
)
async def test_a_signed_report_of_another_shape_is_refused(body: bytes) -> None:
    async with bench() as b:
        assert read(b, *signed(body)) is None


@pytest.mark.parametrize("off_s", [-301, 301, -86_400])
async def test_a_signed_but_stale_report_moves_nothing_and_asks_for_a_poll(off_s: int) -> None:
    async with bench() as b:
        seen = read(b, *signed(status("read") | {"is_refunded": True}, at_s=WALL_S + off_s))
        assert seen is not None
        assert (seen.events, seen.bookings, seen.poll_at) == ((), (), NOW)
        assert seen.keys == (REQUEST_ID,)


@pytest.mark.parametrize("off_s", [-300, 300])
async def test_a_report_at_the_edge_of_five_minutes_counts(off_s: int) -> None:
    async with bench() as b:
        seen = read(b, *signed(status("read"), at_s=WALL_S + off_s))
        assert seen is not None and Event.READ in seen.events


async def test_replays_say_the_same_each_time() -> None:
    async with bench() as b:
        report = signed(status("expired"))
        assert len({read(b, *report) for _ in range(1000)}) == 1


@pytest.mark.parametrize(
    ("more", "kinds", "polls"),
    [
        (status("expired"), [BookingKind.RECEIVABLE], True),
        (
            status("expired") | {"is_refunded": True},
            [BookingKind.RECEIVABLE, BookingKind.REFUND],
            False,
        ),
        (status("read"), [], False),
        (status("delivered"), [], False),
        (status("expired") | {"request_cost": -0.01}, [], True),
        ({"is_refunded": True}, [], False),
    ],
)
async def test_a_report_books_the_providers_money_only(
    more: dict[str, Any], kinds: list[BookingKind], polls: bool
) -> None:
    async with bench() as b:
        seen = read(b, *signed(more))
        assert seen is not None
        assert [entry.kind for entry in seen.bookings] == kinds
        assert (seen.poll_at == NOW + 5000) is polls
