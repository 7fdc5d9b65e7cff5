"""The control API: scripts, faults, the truth log."""

from __future__ import annotations

import asyncio

import httpx2
import pytest

from .conftest import ALICE, BOB, Gateway, until


async def test_it_lists_itself(gateway: Gateway) -> None:
    listed = (await gateway.http.get("/control")).json()
    for row in listed:
        body = {} if row["method"] == "POST" else None
        answer = await gateway.http.request(
            row["method"], row["path"], json=body, params=None if body is not None else {}
        )
        assert answer.status_code in (200, 400), row


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("phones", {"phone": "x", "telegram": "read"}),
        ("phones", {"phone": ALICE}),
        ("phones", {"phone": ALICE, "telegram": "no such outcome"}),
        ("phones", {"phone": ALICE, "telegram": {"delivered_s": "soon"}}),
        ("phones", {"phone": ALICE, "telegram": {"no_such": 1}}),
        ("phones", {"phone": ALICE, "sms": {"result": "lost"}}),
        ("faults", {"kind": "no such fault"}),
        ("faults", {"kind": "slow", "arg": "long"}),
        ("faults", {"kind": "slow", "times": 0.5}),
        ("faults", {"kind": "slow", "method": "getMe"}),
        ("balance", {"credit": -1}),
        ("balance", {"credit": True}),
        ("reports", {"duplicates": "many"}),
        ("smsc", {"resp_id": "roman"}),
        ("read", {"request_id": "٣"}),
        ("read", {}),
    ],
)
async def test_what_makes_no_sense_is_refused_with_a_reason(
    gateway: Gateway, path: str, body: dict[str, object]
) -> None:
    answer = await gateway.http.post(f"/control/{path}", json=body)
    assert answer.status_code == 400
    assert answer.json()["error"]


async def test_a_body_that_is_not_json_is_refused(gateway: Gateway) -> None:
    answer = await gateway.http.post("/control/reset", data={"a": "b"})
    assert answer.status_code == 400


async def test_an_outcome_can_be_set_for_a_phone_and_for_all(gateway: Gateway) -> None:
    await gateway.control("phones", phone=ALICE, telegram="absent")
    await gateway.control("phones", phone="*", telegram={"delivered_s": None, "read_s": None})
    error = await gateway.error("checkSendAbility", phone_number=ALICE)
    assert error == "PHONE_NUMBER_NOT_AVAILABLE"
    request_id = await gateway.send(BOB)
    await asyncio.sleep(5 / 20)
    assert await gateway.delivery(request_id) == "sent"


async def test_an_outcome_for_the_next_message_is_used_once(gateway: Gateway) -> None:
    await gateway.control("phones", phone="*", telegram="absent", once=True)
    assert not (await gateway.call("checkSendAbility", phone_number=ALICE))["ok"]
    assert (await gateway.call("checkSendAbility", phone_number=ALICE))["ok"]


async def test_a_person_reads_now(gateway: Gateway) -> None:
    request_id = await gateway.send("70000000004", ttl=3600)
    assert await gateway.control("read", phone="70000000004") == {"ok": True}
    assert await gateway.delivery(request_id) == "read"
    assert await gateway.control("read", request_id=request_id) == {"ok": False}


async def test_a_message_expires_now_and_is_refunded(gateway: Gateway) -> None:
    request_id = await gateway.send("70000000004", ttl=3600)
    assert await gateway.control("expire", phone="70000000004", now=True) == {"ok": True}
    assert await gateway.delivery(request_id) == "expired"
    assert await gateway.credit() == 1_000_000


async def test_a_delivered_message_never_expires(gateway: Gateway) -> None:
    request_id = await gateway.send("70000000002", ttl=3600)

    async def delivered() -> bool:
        return await gateway.delivery(request_id) == "delivered"

    await until(delivered)
    assert await gateway.control("expire", request_id=request_id, now=True) == {"ok": False}


FAULTS = [
    ({"kind": "error", "arg": "SENDER_NOT_VERIFIED"}, "SENDER_NOT_VERIFIED"),
    ({"kind": "flood", "arg": 7}, "FLOOD_WAIT_7"),
]


@pytest.mark.parametrize(("fault", "error"), FAULTS)
async def test_an_error_can_be_planted(
    gateway: Gateway, fault: dict[str, object], error: str
) -> None:
    await gateway.control("faults", **fault, times=2)
    for _ in range(2):
        assert await gateway.error("checkSendAbility", phone_number=ALICE) == error
    assert (await gateway.call("checkSendAbility", phone_number=ALICE))["ok"]
    assert await gateway.credit() == 999999.99


@pytest.mark.parametrize(("kind", "fee"), [("lost_before", 0), ("lost_after", 1)])
async def test_an_answer_can_be_lost_before_or_after_the_work(
    gateway: Gateway, kind: str, fee: int
) -> None:
    await gateway.control("faults", kind=kind, phone=ALICE)
    with pytest.raises(httpx2.TransportError):
        await gateway.call("checkSendAbility", phone_number=ALICE)
    fees = await gateway.look("log", kind="fee")
    assert len(fees) == fee


@pytest.mark.parametrize(
    ("kind", "arg", "status"),
    [("status", None, 502), ("status", 503, 503), ("garbage", None, 200),
     ("truncated", None, 200), ("empty", None, 200)],
)  # fmt: skip
async def test_an_answer_can_be_no_answer(
    gateway: Gateway, kind: str, arg: int | None, status: int
) -> None:
    await gateway.control("faults", kind=kind, arg=arg, method="checkSendAbility")
    answer = await gateway.http.post("/checkSendAbility", json={"phone_number": ALICE})
    assert answer.status_code == status
    with pytest.raises(ValueError, match=r".*"):
        answer.json()


async def test_an_answer_can_be_slow(gateway: Gateway) -> None:
    await gateway.control("faults", kind="slow", arg=0.3)
    loop = asyncio.get_running_loop()
    began = loop.time()
    await gateway.ok("checkSendAbility", phone_number=ALICE)
    assert loop.time() - began >= 0.3


async def test_the_log_tells_fees_sends_and_texts(gateway: Gateway) -> None:
    request_id = await gateway.send(ALICE, code="7392", payload="attempt-1")
    log = await gateway.look("log", phone=ALICE)
    assert [(line["kind"], line["request_id"]) for line in log[:2]] == [
        ("fee", request_id),
        ("send", request_id),
    ]
    assert (log[1]["code"], log[1]["payload"], log[0]["cost"]) == ("7392", "attempt-1", 0.01)
    assert await gateway.look("log", after=log[-1]["id"], phone=ALICE, kind="send") == []


async def test_a_reset_forgets_everything(gateway: Gateway) -> None:
    await gateway.send(ALICE)
    await gateway.control("phones", phone=ALICE, telegram="absent")
    await gateway.control("faults", kind="garbage", times=-1)
    await gateway.control("reset")
    state = await gateway.look("state")
    assert (state["credit"], state["requests"], state["faults"]) == (1_000_000, 0, 0)
    assert (await gateway.call("checkSendAbility", phone_number=ALICE))["ok"]
