"""The SMSC against an SMPP client that others wrote (smpplib), over real sockets."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import smpplib.client
import smpplib.consts
import smpplib.exceptions
import smpplib.gsm

from kodgate.channels.smpp import pdu as smpp

from .conftest import ALICE, Gateway, running, until

TRX = "bind_transceiver"
OK = smpplib.consts.SMPP_ESME_ROK


class Esme:
    """smpplib in a thread; what arrives is kept in order."""

    def __init__(self, port: int) -> None:
        self._client = smpplib.client.Client(
            "127.0.0.1", port, timeout=5, allow_unknown_opt_params=True
        )
        self.answers: list[tuple[int, str]] = []
        self.receipts: list[Any] = []
        self.order: list[str] = []
        self.refuse_next = 0
        self._client.set_message_sent_handler(self._answered)
        self._client.set_message_received_handler(self._received)
        self._client.set_error_pdu_handler(lambda pdu: None)
        self._thread: threading.Thread | None = None
        self._closing = False

    def bind(self, kind: str = TRX, system_id: str = "sandbox", password: str = "sandbox") -> None:
        self._client.connect()
        getattr(self._client, kind)(system_id=system_id, password=password)

    def listen(self) -> None:
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def _listen(self) -> None:
        try:
            self._client.listen(auto_send_enquire_link=False)
        except (smpplib.exceptions.ConnectionError, OSError):
            self.order.append("closed")
        except AttributeError:  # smpplib's reader, when its own disconnect() takes the socket away
            assert self._closing

    def _answered(self, pdu: Any) -> None:
        self.order.append("answer")
        self.answers.append((pdu.status, (pdu.message_id or b"").decode()))

    def _received(self, pdu: Any) -> int | None:
        self.order.append("receipt")
        self.receipts.append(pdu)
        if self.refuse_next:
            self.refuse_next -= 1
            return int(smpplib.consts.SMPP_ESME_RX_T_APPN)
        return None

    def submit(self, phone: str, text: str = "Код: 1234", **more: Any) -> None:
        parts, coding, _ = smpplib.gsm.make_parts(text)
        values = {
            "source_addr_ton": 5,
            "source_addr": "kodgate",
            "dest_addr_ton": 1,
            "dest_addr_npi": 1,
            "destination_addr": phone,
            "short_message": parts[0],
            "data_coding": coding,
            "registered_delivery": 1,
        }
        self._client.send_message(**values | more)

    def submit_all_the_same(self, phone: str) -> None:
        """smpplib would refuse by itself to submit over a receiver bind."""
        self._client.state = smpplib.consts.SMPP_CLIENT_STATE_BOUND_TRX
        self.submit(phone)

    def close(self) -> None:
        self._closing = True
        try:
            self._client.unbind()
        except Exception:
            pass
        self._client.disconnect()
        if self._thread is not None:
            self._thread.join(5)


@asynccontextmanager
async def bound(gateway: Gateway) -> AsyncIterator[Esme]:
    esme = Esme(gateway.ports.smsc)
    await asyncio.to_thread(esme.bind)
    esme.listen()
    try:
        yield esme
    finally:
        await asyncio.to_thread(esme.close)


def fields(pdu: Any) -> dict[str, str]:
    text = pdu.short_message.decode()
    names = ("id", "stat", "err", "dlvrd")
    return {name: text.split(f"{name}:")[1].split(" ")[0] for name in names}


@pytest.mark.parametrize(
    ("text", "more"),
    [
        ("Code: 1234 @_{}€", {}),
        ("Код: 1234", {}),
        ("Çode £ 1234", {}),
        (
            "caf\xe9 1234",
            {"short_message": "caf\xe9 1234".encode("latin-1"), "data_coding": 3},
        ),
        ("Код: 1234", {"short_message": b"", "message_payload": "Код: 1234".encode("utf-16-be"),
                       "data_coding": 8}),
    ],
)  # fmt: skip
async def test_a_text_arrives_in_every_coding(
    gateway: Gateway, text: str, more: dict[str, Any]
) -> None:
    async with bound(gateway) as esme:
        esme.submit(ALICE, text, **more)
        await until(lambda: esme.answers)
        messages = await gateway.look("messages", phone=ALICE)
    assert [(one["text"], one["sender"]) for one in messages] == [(text, "kodgate")]


async def test_a_receipt_comes_with_text_and_tlvs(gateway: Gateway) -> None:
    async with bound(gateway) as esme:
        esme.submit(ALICE)
        pdu = await until(lambda: esme.receipts and esme.receipts[0])
        status, message_id = esme.answers[0]
        assert status == OK
        assert fields(pdu) == {"id": message_id, "stat": "DELIVRD", "err": "000", "dlvrd": "001"}
        assert pdu.receipted_message_id.decode() == message_id
        assert pdu.message_state == 2
        assert (pdu.source_addr, pdu.destination_addr) == (ALICE.encode(), b"kodgate")

        async def settled() -> bool:
            return (await gateway.look("messages", phone=ALICE))[0]["state"] == "delivered"

        await until(settled)


@pytest.mark.parametrize(
    ("phone", "status"),
    [("70000000006", 0x45), ("70000000008", 0x45), ("12", 0x0B), ("70000000002", 0)],
)
async def test_a_submit_is_answered_by_phone(gateway: Gateway, phone: str, status: int) -> None:
    async with bound(gateway) as esme:
        esme.submit(phone)
        answer = await until(lambda: esme.answers and esme.answers[0])
    assert answer[0] == status


async def test_a_sender_that_no_receipt_could_reach_is_refused(gateway: Gateway) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.ports.smsc)
    bind = smpp.BindTransceiver(sequence=1, system_id="sandbox", password="sandbox")
    submit = smpp.SubmitSm(sequence=2, source_addr="x" * 21, destination_addr=ALICE)
    writer.write(smpp.encode(bind))
    await asyncio.wait_for(reader.read(1024), 5)
    writer.write(smpp.encode(submit))
    (answer,) = smpp.Framer().feed(await asyncio.wait_for(reader.read(1024), 5))
    assert answer.status == smpp.Status.ESME_RINVSRCADR
    writer.close()


async def test_an_undeliverable_message_says_so_in_its_receipt(gateway: Gateway) -> None:
    async with bound(gateway) as esme:
        esme.submit("70000000007")
        pdu = await until(lambda: esme.receipts and esme.receipts[0])
    assert fields(pdu)["stat"] == "UNDELIV"
    assert pdu.message_state == 5


@pytest.mark.parametrize(
    ("resp", "receipt", "answered", "reported"),
    [
        ("hex", "decimal", "000f4241", "0001000001"),
        ("hex_upper", "hex", "000F4241", "000f4241"),
        ("hex_stripped", "decimal_stripped", "f4241", "1000001"),
        ("decimal", "hex_stripped", "0001000001", "f4241"),
    ],
)
async def test_ids_can_be_spelt_differently(
    gateway: Gateway, resp: str, receipt: str, answered: str, reported: str
) -> None:
    await gateway.control("smsc", resp_id=resp, receipt_id=receipt)
    async with bound(gateway) as esme:
        esme.submit(ALICE)
        pdu = await until(lambda: esme.receipts and esme.receipts[0])
    assert esme.answers[0][1] == answered
    assert fields(pdu)["id"] == reported


@pytest.mark.parametrize(("tlvs", "text"), [(True, False), (False, True)])
async def test_a_receipt_can_be_text_only_or_tlvs_only(
    gateway: Gateway, tlvs: bool, text: bool
) -> None:
    await gateway.control("smsc", tlvs=tlvs, text=text)
    async with bound(gateway) as esme:
        esme.submit(ALICE)
        pdu = await until(lambda: esme.receipts and esme.receipts[0])
    assert bool(pdu.receipted_message_id) is tlvs
    assert bool(pdu.short_message) is text


async def test_a_receipt_can_come_before_the_answer_and_twice(gateway: Gateway) -> None:
    await gateway.control("smsc", early=True, duplicates=1)
    async with bound(gateway) as esme:
        esme.submit(ALICE)
        await until(lambda: len(esme.order) == 3)
    assert esme.order[:3] == ["receipt", "receipt", "answer"]


async def test_a_receipt_is_repeated_until_it_is_acknowledged(gateway: Gateway) -> None:
    async with bound(gateway) as esme:
        esme.refuse_next = 1
        esme.submit(ALICE)
        await until(lambda: len(esme.receipts) == 2)
    assert fields(esme.receipts[0]) == fields(esme.receipts[1])


async def test_a_receipt_waits_for_the_next_bind(gateway: Gateway) -> None:
    async with bound(gateway) as esme:
        esme.submit(ALICE)
        await until(lambda: esme.answers)
        await gateway.control("smsc/disconnect")
    await asyncio.sleep(0.2)
    async with bound(gateway) as esme:
        await until(lambda: esme.receipts)


async def test_a_message_without_a_wish_for_receipts_gets_none(gateway: Gateway) -> None:
    async with bound(gateway) as esme:
        esme.submit(ALICE, registered_delivery=0)
        await until(lambda: esme.answers)
        assert (await gateway.look("state"))["receipts"] == 0


FAULTS = [
    ("throttle", None, 0x58),
    ("queue_full", None, 0x14),
    ("reject", None, 0x45),
    ("reject", 0x0A, 0x0A),
]


@pytest.mark.parametrize(("kind", "arg", "status"), FAULTS)
async def test_a_refusal_can_be_planted(
    gateway: Gateway, kind: str, arg: int | None, status: int
) -> None:
    await gateway.control("faults", place="smsc", kind=kind, arg=arg)
    async with bound(gateway) as esme:
        esme.submit(ALICE)
        esme.submit(ALICE)
        await until(lambda: len(esme.answers) == 2)
        assert len(await gateway.look("messages", phone=ALICE)) == 1
    assert sorted(answer[0] for answer in esme.answers) == [0, status]


@pytest.mark.parametrize(("kind", "taken"), [("stall", 0), ("stall_after", 1)])
async def test_an_answer_can_be_held_back(gateway: Gateway, kind: str, taken: int) -> None:
    await gateway.control("faults", place="smsc", kind=kind, method="submit")
    async with bound(gateway) as esme:
        esme.submit(ALICE)
        await asyncio.sleep(0.3)
        assert esme.answers == []
        assert len(await gateway.look("messages", phone=ALICE)) == taken


@pytest.mark.parametrize(("kind", "taken"), [("disconnect", 0), ("disconnect_after", 1)])
async def test_the_link_can_break_before_or_after_a_message_is_taken(
    gateway: Gateway, kind: str, taken: int
) -> None:
    await gateway.control("faults", place="smsc", kind=kind)
    async with bound(gateway) as esme:
        esme.submit(ALICE)
        await until(lambda: "closed" in esme.order)
    assert esme.answers == []
    assert len(await gateway.look("messages", phone=ALICE)) == taken


@pytest.mark.parametrize(
    ("given", "status"),
    [({"system_id": "bob"}, 0x0F), ({"password": "wrong"}, 0x0E)],
)
async def test_wrong_credentials_are_refused(
    gateway: Gateway, given: dict[str, str], status: int
) -> None:
    esme = Esme(gateway.ports.smsc)
    with pytest.raises(smpplib.exceptions.PDUError) as raised:
        await asyncio.to_thread(esme.bind, **given)
    assert raised.value.args[1] == status
    await asyncio.to_thread(esme.close)


async def test_a_transmitter_submits_and_a_receiver_gets_the_receipt(gateway: Gateway) -> None:
    transmitter, receiver = Esme(gateway.ports.smsc), Esme(gateway.ports.smsc)
    await asyncio.to_thread(transmitter.bind, "bind_transmitter")
    await asyncio.to_thread(receiver.bind, "bind_receiver")
    transmitter.listen()
    receiver.listen()
    transmitter.submit(ALICE)
    await until(lambda: receiver.receipts)
    assert transmitter.receipts == []
    receiver.submit_all_the_same(ALICE)
    answer = await until(lambda: receiver.answers and receiver.answers[0])
    assert answer[0] == 0x04
    await asyncio.to_thread(transmitter.close)
    await asyncio.to_thread(receiver.close)


async def test_messages_and_receipts_survive_a_restart(tmp_path: Path) -> None:
    async with running(tmp_path) as gateway, bound(gateway) as esme:
        await gateway.control("phones", phone=ALICE, sms={"receipt_s": 20})
        esme.submit(ALICE)
        first = await until(lambda: esme.answers and esme.answers[0][1])
    async with running(tmp_path, scale=200) as gateway, bound(gateway) as esme:
        pdu = await until(lambda: esme.receipts and esme.receipts[0])
        assert fields(pdu)["id"] == first
        esme.submit(ALICE)
        second = await until(lambda: esme.answers and esme.answers[0][1])
        assert int(second) == int(first) + 1


async def test_a_frame_that_cannot_be_ends_the_connection(gateway: Gateway) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.ports.smsc)
    writer.write(b"\xff\xff\xff\xff" + b"\0" * 12)
    assert await asyncio.wait_for(reader.read(), 5) == b""
    writer.close()


async def test_an_unknown_command_gets_a_generic_nack(gateway: Gateway) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.ports.smsc)
    writer.write(bytes.fromhex("00000010 00000fff 00000000 00000007"))
    answer = await asyncio.wait_for(reader.readexactly(16), 5)
    assert answer.hex() == "00000010800000000000000300000007"
    writer.close()
