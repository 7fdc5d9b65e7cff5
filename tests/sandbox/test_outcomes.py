"""What each test phone does on Telegram, and the delivery reports about it."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import time
from pathlib import Path

import httpx2
import pytest

from kodgate.sandbox import phones
from kodgate.sandbox.reports import sign

from .conftest import ALICE, Gateway, Receiver, running, until


async def statuses(gateway: Gateway, request_id: str) -> list[str]:
    """What the truth log says of a message, in order."""
    lines = await gateway.look("log")
    words = ("delivered", "read", "expired", "refund", "send", "fee")
    return [
        line["kind"]
        for line in lines
        if line.get("request_id") == request_id and line["kind"] in words
    ]


async def reaches(gateway: Gateway, request_id: str, status: str) -> None:
    async def there() -> bool:
        return await gateway.delivery(request_id) == status

    await until(there)


def test_the_table_of_test_phones_is_the_documented_one() -> None:
    assert {phone[-2:]: outcome for phone, outcome in phones.PHONES.items()} == {
        "01": ("read_fast", "delivered"),
        "02": ("unread", "delivered"),
        "03": ("absent", "delivered"),
        "04": ("undelivered", "delivered"),
        "05": ("flood", "delivered"),
        "06": ("unread", "rejected"),
        "07": ("unread", "undeliverable"),
        "08": ("absent", "rejected"),
        "09": ("slow", "delivered"),
        "10": ("lost", "delivered"),
    }
    assert phones.TELEGRAM["read_fast"].read_s == 1
    assert phones.TELEGRAM["slow"].answer_s == 20
    assert phones.TELEGRAM["flood"].flood_s == 3
    assert phones.standard("79991112233", "telegram") == phones.Telegram(delivered_s=1, read_s=3)
    assert phones.standard("79991112233", "sms") == phones.Sms(result="delivered", receipt_s=1)


@pytest.mark.parametrize("phone", [ALICE, "70000000001"])
async def test_an_ordinary_phone_gets_it_and_reads_it(gateway: Gateway, phone: str) -> None:
    request_id = await gateway.send(phone)
    await reaches(gateway, request_id, "read")
    assert await statuses(gateway, request_id) == ["fee", "send", "delivered", "read"]


@pytest.mark.parametrize("phone", ["70000000002", "70000000006", "70000000007"])
async def test_a_phone_that_never_reads_stays_delivered_and_is_not_refunded(
    gateway: Gateway, phone: str
) -> None:
    request_id = await gateway.send(phone)
    await asyncio.sleep(31 / 20)
    answer = await gateway.ok("checkVerificationStatus", request_id=request_id)
    assert answer["delivery_status"]["status"] == "delivered"
    assert "is_refunded" not in answer
    assert await gateway.credit() == 999999.99


@pytest.mark.parametrize("phone", ["70000000003", "70000000008"])
async def test_a_phone_that_is_not_on_telegram_is_declined_free(
    gateway: Gateway, phone: str
) -> None:
    error = await gateway.error("checkSendAbility", phone_number=phone)
    assert error == "PHONE_NUMBER_NOT_AVAILABLE"
    assert await gateway.credit() == 1_000_000


async def test_what_never_arrives_expires_at_its_ttl_and_is_refunded(gateway: Gateway) -> None:
    request_id = await gateway.send("70000000004", ttl=30)
    assert await gateway.delivery(request_id) == "sent"
    await reaches(gateway, request_id, "expired")
    answer = await gateway.ok("checkVerificationStatus", request_id=request_id)
    assert answer["is_refunded"] is True
    assert await gateway.credit() == 1_000_000
    log = await gateway.look("log", phone="70000000004")
    at = {line["kind"]: line["at"] for line in log}
    assert at["expired"] - at["send"] == 30_000


async def test_a_flooded_phone_waits_once_for_each_code(gateway: Gateway) -> None:
    phone = "70000000005"
    for _ in range(2):
        assert await gateway.error("checkSendAbility", phone_number=phone) == "FLOOD_WAIT_3"
        again = await gateway.error("checkSendAbility", phone_number=phone)
        assert again in ("FLOOD_WAIT_3", "FLOOD_WAIT_2", "FLOOD_WAIT_1")
        await asyncio.sleep(3.2 / 20)
        await gateway.ok("checkSendAbility", phone_number=phone)
    assert await gateway.credit() == 999999.98


async def test_late_answers_cost_one_fee_at_most(gateway: Gateway) -> None:
    await gateway.control("phones", phone=ALICE, telegram={"answer_s": 0.6})
    for _ in range(3):
        with pytest.raises(httpx2.TimeoutException):
            await gateway.http.post("/checkSendAbility", json={"phone_number": ALICE}, timeout=0.1)
    began = time.monotonic()
    answer = await gateway.ok("checkSendAbility", phone_number=ALICE)
    assert time.monotonic() - began > 0.5
    assert await gateway.credit() == 999999.99
    await gateway.ok(
        "sendVerificationMessage", phone_number=ALICE, request_id=answer["request_id"], code="4321"
    )


async def test_the_answer_to_the_first_send_is_lost_but_the_message_arrives_once(
    gateway: Gateway,
) -> None:
    phone = "70000000010"
    request_id = (await gateway.ok("checkSendAbility", phone_number=phone))["request_id"]
    given = {"phone_number": phone, "request_id": request_id, "code": "4321", "ttl": 60}
    with pytest.raises(httpx2.TransportError):
        await gateway.call("sendVerificationMessage", **given)
    assert await gateway.error("sendVerificationMessage", **given) == "MESSAGE_ALREADY_SENT"
    await reaches(gateway, request_id, "read")
    assert len(await gateway.look("messages", phone=phone)) == 1
    assert await gateway.credit() == 999999.99


async def test_without_request_ids_only_every_second_answer_is_lost(gateway: Gateway) -> None:
    given = {"phone_number": "70000000010", "code": "4321"}
    with pytest.raises(httpx2.TransportError):
        await gateway.call("sendVerificationMessage", **given)
    assert (await gateway.call("sendVerificationMessage", **given))["ok"]


async def test_a_late_arrival_after_the_expiry_can_be_scripted(gateway: Gateway) -> None:
    await gateway.control("phones", phone=ALICE, telegram="late")
    request_id = await gateway.send(ALICE)
    await reaches(gateway, request_id, "delivered")
    assert await statuses(gateway, request_id) == ["fee", "send", "refund", "expired", "delivered"]


# --- delivery reports ---


async def test_a_report_is_signed_over_its_raw_body(gateway: Gateway, receiver: Receiver) -> None:
    request_id = await gateway.send(ALICE, callback_url=receiver.url, payload="код")
    await until(lambda: len(receiver.seen) == 2)
    headers, body = receiver.seen[0]
    key = hashlib.sha256(b"sandbox").digest()
    stamp = headers["X-Request-Timestamp"]
    expected = hmac.new(key, stamp.encode() + b"\n" + body, hashlib.sha256).hexdigest()
    assert headers["X-Request-Signature"] == expected
    assert abs(int(stamp) - time.time()) < 5
    report = json.loads(body)
    assert (report["request_id"], report["payload"]) == (request_id, "код")
    assert [_status(body) for _, body in receiver.seen] == ["delivered", "read"]


def test_the_signature_agrees_with_the_published_vector() -> None:
    token = "AAEFAAAAQKI_mDsJppSEQRr3kLOz9SatBxq48BgQLSHLRv"
    body = (
        '{"request_id":"222370177540343","phone_number":"79990000001","request_cost":0.01,'
        '"is_refunded":true,"delivery_status":{"status":"expired","updated_at":1795344285},'
        '"payload":"код"}'
    )
    assert sign(token, 1795344285, body.encode()) == (
        "c6f673138c0b7ed2d2a365dd1077dd894ddabadffeb50c497f32979083d266b0"
    )


def _status(body: bytes) -> str:
    return str(json.loads(body)["delivery_status"]["status"])


async def test_an_expiry_is_reported_with_its_refund(gateway: Gateway, receiver: Receiver) -> None:
    await gateway.send("70000000004", callback_url=receiver.url)
    await until(lambda: receiver.seen)
    report = json.loads(receiver.seen[0][1])
    assert (report["delivery_status"]["status"], report["is_refunded"]) == ("expired", True)


@pytest.mark.parametrize("status", [500, 201, 302])
async def test_a_report_is_repeated_until_it_is_answered_with_200(
    gateway: Gateway, receiver: Receiver, status: int
) -> None:
    receiver.answers = [status]
    await gateway.send("70000000002", callback_url=receiver.url)
    await until(lambda: len(receiver.seen) == 2)
    assert receiver.seen[0][1] == receiver.seen[1][1]


async def test_reports_can_be_doubled(gateway: Gateway, receiver: Receiver) -> None:
    await gateway.control("reports", duplicates=1)
    await gateway.send("70000000002", callback_url=receiver.url)
    await until(lambda: len(receiver.seen) == 2)
    assert receiver.seen[0][1] == receiver.seen[1][1]


async def test_reports_can_overtake_each_other(gateway: Gateway, receiver: Receiver) -> None:
    await gateway.control("reports", reorder_s=1)
    await gateway.send(ALICE, callback_url=receiver.url)
    await until(lambda: len(receiver.seen) == 2)
    assert [_status(body) for _, body in receiver.seen] == ["read", "delivered"]


async def test_reports_can_be_stale(gateway: Gateway, receiver: Receiver) -> None:
    await gateway.control("reports", stale_s=1000)
    await gateway.send("70000000002", callback_url=receiver.url)
    await until(lambda: receiver.seen)
    assert time.time() - int(receiver.seen[0][0]["X-Request-Timestamp"]) > 990


async def test_reports_can_be_dropped(gateway: Gateway, receiver: Receiver) -> None:
    await gateway.control("reports", drop=1)
    await gateway.send(ALICE, callback_url=receiver.url)
    await until(lambda: receiver.seen)
    assert [_status(body) for _, body in receiver.seen] == ["read"]


async def test_a_report_can_come_before_the_answer(gateway: Gateway, receiver: Receiver) -> None:
    await gateway.control("reports", early=True)
    request_id = (await gateway.ok("checkSendAbility", phone_number=ALICE))["request_id"]
    answering = asyncio.create_task(
        gateway.ok(
            "sendVerificationMessage",
            phone_number=ALICE,
            request_id=request_id,
            code="4321",
            callback_url=receiver.url,
        )
    )
    await until(lambda: receiver.seen)
    assert not answering.done()
    assert (await answering)["delivery_status"]["status"] == "sent"


async def test_outcomes_use_business_time_and_continue_where_they_were(tmp_path: Path) -> None:
    async with running(tmp_path, scale=20) as gateway:
        request_id = await gateway.send("70000000004", ttl=30)
    await asyncio.sleep(1.6)
    async with running(tmp_path, scale=20) as gateway:
        # The clock's anchor of this run is new: only real time has passed meanwhile.
        assert await gateway.delivery(request_id) == "sent"
        await reaches(gateway, request_id, "expired")
