"""Implementations written by others: their SMSC with our link, their ESMEs with our codec."""

from __future__ import annotations

import asyncio
import dataclasses

import pytest
import smpp34
import smpplib.client
import smpplib.consts
from bench.ports import free_ports

from kodgate.channels.smpp import pdu as p
from kodgate.channels.smpp import template
from kodgate.core.types import Event, Reason


class Other:
    """smpp34's SMSC: keeps the session, accepts with the ids that a test gives."""

    def __init__(self) -> None:
        (self.port,) = free_ports(1)
        self.server = smpp34.Server("127.0.0.1", self.port, system_id="other")
        self.esmes: list[smpp34.Esme] = []
        self.submits: list[smpp34.SubmitSmEvent] = []
        self.unbound = asyncio.Event()
        self.refuse = 0

    async def run(self) -> None:
        while True:
            event = await self.server.next()
            if isinstance(event, smpp34.Esme):
                self.esmes.append(event)
            elif isinstance(event, smpp34.SubmitSmEvent):
                self.submits.append(event)
                if self.refuse:
                    event.reject(self.refuse)
                else:
                    event.accept(f"{len(self.submits):08X}")
            else:
                self.unbound.set()


@pytest.fixture
async def other():
    other = Other()
    await other.server.start()
    task = asyncio.create_task(other.run())
    yield other
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await other.server.stop()


async def test_another_smsc_takes_our_submits_as_they_are_meant(
    other, open_channel, delivery, claim
):
    channel = await open_channel(other)
    seen = await channel.send(delivery, claim())
    assert (seen.events, seen.provider_id) == ((Event.ACCEPTED,), "r1:1")
    (submit,) = other.submits
    assert (submit.source_addr, submit.source_addr_ton, submit.source_addr_npi) == (
        "kodgate",
        5,
        0,
    )
    assert (submit.destination_addr, submit.dest_addr_ton, submit.dest_addr_npi) == (
        "79123456789",
        1,
        1,
    )
    assert submit.registered_delivery == 1
    assert template.decode(submit.data_coding, submit.short_message) == "Код: 4321"


async def test_another_smsc_takes_a_whole_window_at_once(other, open_channel, numbered, claim):
    channel = await open_channel(other, window=40)
    seen = await asyncio.gather(*(channel.send(numbered(n), claim()) for n in range(400)))
    assert len({each.provider_id for each in seen}) == 400


async def test_another_smsc_s_refusals_are_understood(other, open_channel, delivery, claim):
    channel = await open_channel(other, errors={"ESME_RINVDSTADR": "no_route"})
    other.refuse = smpp34.ESME_RTHROTTLED
    assert (await channel.send(delivery, claim())).later_at is not None
    other.refuse = smpp34.ESME_RINVDSTADR
    assert (await channel.send(delivery, claim())).reason is Reason.NO_ROUTE


async def test_another_smsc_s_receipts_are_read_and_answered(
    other, open_channel, delivery, claim, book, wait_until
):
    channel = await open_channel(other)
    sent = await channel.send(delivery, claim())
    await wait_until(lambda: other.esmes)
    answer = await other.esmes[0].deliver_sm(
        "kodgate",
        b"id:1 sub:001 dlvrd:001 submit date:2511221200 done date:2511221200 stat:DELIVRD err:000",
        source_addr="79123456789",
        esm_class=4,
        tlvs=[
            smpp34.Tlv(smpp34.TLV_RECEIPTED_MESSAGE_ID, b"00000001\0"),
            smpp34.Tlv(smpp34.TLV_MESSAGE_STATE, b"\x02"),
            smpp34.Tlv(0x1401, b"vendor"),
        ],
    )
    assert answer.is_success
    (seen,) = book.seen
    assert seen.events == (Event.ACCEPTED, Event.DELIVERED)
    assert sent.provider_id in seen.keys


async def test_another_smsc_hears_that_a_receipt_must_come_again(
    other, open_channel, book, wait_until
):
    await open_channel(other)
    await wait_until(lambda: other.esmes)
    book.durable = False
    answer = await other.esmes[0].deliver_sm("kodgate", b"id:1 stat:DELIVRD", esm_class=4)
    assert answer.command_status == p.Status.ESME_RX_T_APPN


async def test_another_smsc_sees_us_unbind(other, open_channel, wait_until):
    channel = await open_channel(other)
    await channel.stop()
    await wait_until(other.unbound.is_set)


def test_another_codec_reads_what_ours_writes_and_the_reverse():
    ours = p.SubmitSm(
        sequence=7,
        source_addr_ton=5,
        source_addr="kodgate",
        destination_addr="79123456789",
        validity_period="000000000500000R",
        registered_delivery=1,
        short_message=b"Code: 1234",
        tlvs=((0x1401, b"\x00\xff"), (p.Tag.USER_MESSAGE_REFERENCE, b"\x00\x07")),
    )
    theirs = smpp34.decode(p.encode(ours))
    assert isinstance(theirs, smpp34.SubmitSm)
    assert p.decode(theirs.encode()) == ours
    assert [(tlv.tag, tlv.value) for tlv in theirs.tlvs] == list(ours.tlvs)


async def test_another_esme_binds_submits_and_reads_receipts(smsc, wait_until):
    """smpp34's client against the codec from the SMSC's side."""
    client = smpp34.Client("127.0.0.1", smsc.port, "bob", "hunter2", window_size=10)
    session = await client.connect()
    answers = await asyncio.gather(
        *(session.submit_sm("79123456789", b"Code: 1234", source_addr="bob") for _ in range(30))
    )
    assert sorted(answer.message_id for answer in answers) == sorted(
        f"{0xA0 + n:x}" for n in range(30)
    )
    peer = smsc.peers[0]
    sequence = peer.deliver("id:a0 stat:DELIVRD")
    event = await session.next()
    assert event.short_message == b"id:a0 stat:DELIVRD"
    await wait_until(lambda: peer.status_of(sequence) == 0)
    await session.unbind()
    await client.stop()


async def test_a_blocking_esme_of_another_author_does_the_same(smsc, wait_until):
    """smpplib's client, in a thread, against the codec from the SMSC's side."""
    sent: list[str] = []
    received: list[tuple[bytes, str, int]] = []

    def session() -> None:
        client = smpplib.client.Client("127.0.0.1", smsc.port, allow_unknown_opt_params=True)
        client.set_message_sent_handler(lambda pdu: sent.append(pdu.message_id.decode()))
        client.set_message_received_handler(
            lambda pdu: received.append(
                (pdu.short_message, pdu.receipted_message_id.decode(), pdu.message_state)
            )
        )
        client.connect()
        client.bind_transceiver(system_id="bob", password="hunter2")
        client.send_message(
            source_addr_ton=smpplib.consts.SMPP_TON_ALNUM,
            source_addr="bob",
            dest_addr_ton=smpplib.consts.SMPP_TON_INTL,
            dest_addr_npi=smpplib.consts.SMPP_NPI_ISDN,
            destination_addr="79123456789",
            short_message=b"Code: 1234",
            registered_delivery=True,
        )
        client.read_once()
        client.read_once()
        client.unbind()
        client.disconnect()

    async def answer_and_deliver(peer, submit):
        await smsc.accept(peer, submit)
        tlvs = (
            (p.Tag.RECEIPTED_MESSAGE_ID, b"a0\0"),
            (p.Tag.MESSAGE_STATE, b"\x02"),
            (0x1401, b"vendor"),
        )
        peer.deliver("id:a0 stat:DELIVRD", tlvs=tlvs)

    smsc.on_submit = answer_and_deliver
    await asyncio.wait_for(asyncio.to_thread(session), 10)
    assert sent == ["a0"]
    assert received == [(b"id:a0 stat:DELIVRD", "a0", 2)]
    (submit,) = smsc.submits
    assert (submit.source_addr_ton, submit.destination_addr) == (5, "79123456789")
    await wait_until(lambda: smsc.peers[0].of(p.DeliverSmResp))
    assert dataclasses.asdict(smsc.peers[0].of(p.BindTransceiver)[0])["password"] == "hunter2"
