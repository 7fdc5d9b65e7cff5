"""The channel against an SMSC that behaves, and one that does not."""

from __future__ import annotations

import asyncio
import dataclasses

import pytest

from kodgate.channels.smpp import pdu as p
from kodgate.channels.smpp import template
from kodgate.channels.smpp.link import BindRefused, probe
from kodgate.channels.smpp.route import RouteProfile
from kodgate.core.types import BookingKind, Event, Reason

NOW = 1_700_000_000_000


def never(*_):
    """An SMSC that takes a submit and says nothing."""
    return asyncio.sleep(0)


# The way a message goes


async def test_an_accepted_submit_is_sent_with_its_id_and_its_fee(
    smsc, open_channel, delivery, claim
):
    channel = await open_channel(smsc)
    seen = await channel.send(delivery, claim())
    assert (seen.message_id, seen.epoch, seen.source, seen.channel) == (7, 1, "send", "sms")
    assert seen.events == (Event.ACCEPTED,)
    assert seen.provider_id == "r1:a0"
    (fee,) = seen.bookings
    assert (fee.kind, fee.provider, fee.amount, fee.attempt) == (
        BookingKind.FEE,
        "sms:r1",
        12_000,
        1,
    )


async def test_the_submit_carries_what_the_route_says(smsc, open_channel, delivery, claim):
    channel = await open_channel(smsc, service_type="OTP", system_type="kod", validity_s=90)
    await channel.send(delivery, claim())
    (bind,) = smsc.peers[0].of(p.BindTransceiver)
    assert (bind.system_id, bind.password, bind.system_type) == ("alice", "hunter2", "kod")
    (submit,) = smsc.submits
    assert (submit.source_addr_ton, submit.source_addr_npi, submit.source_addr) == (
        5,
        0,
        "kodgate",
    )
    assert (submit.dest_addr_ton, submit.dest_addr_npi) == (1, 1)
    assert submit.destination_addr == "79123456789"
    assert submit.service_type == "OTP"
    assert submit.validity_period == "000000000130000R"
    assert submit.registered_delivery == 1
    assert (submit.data_coding, template.decode(8, submit.short_message)) == (8, "Код: 4321")


@pytest.mark.parametrize(("validity", "written"), [("absolute", "231114221820000+"), ("none", "")])
async def test_validity_is_written_as_the_route_wants_it(
    smsc, open_channel, delivery, claim, validity, written
):
    channel = await open_channel(smsc, validity=validity)
    await channel.send(delivery, claim())
    assert smsc.submits[0].validity_period == written


async def test_a_latin_text_uses_the_default_alphabet(smsc, open_channel, delivery, claim):
    channel = await open_channel(smsc)
    await channel.send(dataclasses.replace(delivery, template="Code: {code} @ kod"), claim())
    assert (smsc.submits[0].data_coding, smsc.submits[0].short_message) == (
        0,
        b"Code: 4321 \x00 kod",
    )


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (p.Status.ESME_RINVDSTADR, None),
        (p.Status.ESME_RSUBMITFAIL, None),
        (0x499, None),
        (0x400, Reason.CLOSED),
        (0x401, Reason.NO_ROUTE),
    ],
)
async def test_a_permanent_error_is_a_rejection(
    smsc, open_channel, delivery, claim, status, reason
):
    async def refuse(peer, submit):
        peer.send(p.reply(submit, status))

    smsc.on_submit = refuse
    channel = await open_channel(smsc, errors={0x400: "closed", 0x401: "no_route"})
    seen = await channel.send(delivery, claim())
    assert (seen.events, seen.reason) == ((Event.REJECTED,), reason)
    assert seen.detail == p.status_name(status)
    assert not seen.bookings


@pytest.mark.parametrize(
    "status",
    [p.Status.ESME_RTHROTTLED, p.Status.ESME_RMSGQFUL, p.Status.ESME_RSYSERR],
)
async def test_not_now_gives_the_claim_back(smsc, open_channel, delivery, claim, status):
    async def put_off(peer, submit):
        peer.send(p.reply(submit, status))

    smsc.on_submit = put_off
    channel = await open_channel(smsc)
    seen = await channel.send(delivery, claim())
    assert seen.events == ()
    assert seen.later_at == NOW + 1_000
    assert seen.retry_at is None


async def test_a_throttle_pauses_the_whole_route(smsc, open_channel, delivery, claim):
    async def throttle(peer, submit):
        peer.send(p.reply(submit, p.Status.ESME_RTHROTTLED))

    smsc.on_submit = throttle
    channel = await open_channel(smsc, binds=2)
    assert channel.room() == 100
    await channel.send(delivery, claim())
    assert channel.room() == 0


async def test_a_nack_is_an_answer(smsc, open_channel, delivery, claim):
    async def nack(peer, submit):
        peer.send(p.GenericNack(sequence=submit.sequence, status=p.Status.ESME_RINVCMDLEN))

    smsc.on_submit = nack
    channel = await open_channel(smsc)
    seen = await channel.send(delivery, claim())
    assert seen.events == (Event.REJECTED,)


async def test_a_phone_that_no_route_carries_is_rejected(smsc, open_channel, delivery, claim):
    channel = await open_channel(smsc, prefixes=("77", "380"))
    seen = await channel.send(delivery, claim())
    assert (seen.events, seen.reason) == ((Event.REJECTED,), Reason.NO_ROUTE)
    assert not smsc.submits


async def test_a_text_of_two_parts_is_rejected_and_not_written(smsc, open_channel, delivery, claim):
    channel = await open_channel(smsc)
    seen = await channel.send(dataclasses.replace(delivery, template="Я" * 67 + "{code}"), claim())
    assert seen.events == (Event.REJECTED,)
    assert not smsc.submits


async def test_a_claim_that_is_over_is_not_written(smsc, open_channel, delivery, claim):
    channel = await open_channel(smsc)
    seen = await channel.send(delivery, claim(holds=False))
    assert seen.later_at == NOW
    assert not smsc.submits


async def test_no_repeat_attempt_once_the_person_has_the_code(smsc, open_channel, delivery, claim):
    channel = await open_channel(smsc)
    seen = await channel.send(dataclasses.replace(delivery, attempt=2, answered=True), claim())
    assert seen.later_at == NOW
    assert not smsc.submits


# What is not known


async def test_silence_is_ambiguous_and_tried_once_more(smsc, open_channel, delivery, claim):
    smsc.on_submit = never
    channel = await open_channel(smsc, answer_timeout_s=0.1)
    first = await channel.send(delivery, claim())
    assert (first.events, first.later_at) == ((), None)
    assert first.retry_at == NOW + 1_000
    second = await channel.send(dataclasses.replace(delivery, attempt=2), claim())
    assert (second.events, second.retry_at, second.later_at) == ((), None, None)
    assert channel.counts()["r1.ambiguous"] == 2


async def test_at_most_once_never_repeats(smsc, open_channel, delivery, claim):
    smsc.on_submit = never
    channel = await open_channel(smsc, answer_timeout_s=0.1, ambiguity="at_most_once")
    seen = await channel.send(delivery, claim())
    assert (seen.events, seen.retry_at, seen.later_at) == ((), None, None)


async def test_a_link_lost_mid_window_makes_all_of_it_ambiguous(
    smsc, open_channel, numbered, claim, wait_until
):
    smsc.on_submit = never
    channel = await open_channel(smsc, window=4)
    sends = [asyncio.create_task(channel.send(numbered(n), claim())) for n in range(4)]
    await wait_until(lambda: len(smsc.submits) == 4)
    smsc.peers[0].drop()
    for seen in await asyncio.gather(*sends):
        assert seen.retry_at is not None and seen.later_at is None


async def test_an_unbind_mid_window_is_answered_and_all_of_it_is_ambiguous(
    smsc, open_channel, delivery, claim, wait_until
):
    async def unbind(peer, submit):
        peer.send(p.Unbind(sequence=9))

    smsc.on_submit = unbind
    channel = await open_channel(smsc)
    seen = await channel.send(delivery, claim())
    assert seen.retry_at is not None
    await wait_until(lambda: smsc.peers[0].of(p.UnbindResp))
    await wait_until(lambda: len(smsc.bound) == 1 and smsc.bound[0] is not smsc.peers[0])


async def test_an_answer_after_its_time_is_still_recorded(
    smsc, open_channel, delivery, claim, book, wait_until
):
    smsc.on_submit = never
    channel = await open_channel(smsc, answer_timeout_s=0.1)
    await channel.send(delivery, claim())
    smsc.peers[0].send(p.reply(smsc.submits[0], message_id="0B7"))
    await wait_until(lambda: book.seen)
    (late,) = book.seen
    assert (late.message_id, late.epoch, late.provider_id) == (7, 1, "r1:b7")
    assert late.events == (Event.ACCEPTED,)
    assert len(late.bookings) == 1


async def test_a_garbled_answer_is_ambiguous(smsc, open_channel, delivery, claim):
    async def garble(peer, submit):
        frame = p.encode(p.SubmitSmResp(sequence=submit.sequence, message_id="a1"))[:-1]
        peer.raw(len(frame).to_bytes(4, "big") + frame[4:])

    smsc.on_submit = garble
    channel = await open_channel(smsc)
    seen = await channel.send(delivery, claim())
    assert seen.retry_at is not None


async def test_answers_of_a_wrong_sequence_or_kind_are_nobodys(smsc, open_channel, delivery, claim):
    async def confuse(peer, submit):
        peer.send(
            p.SubmitSmResp(sequence=submit.sequence + 77, message_id="ff"),
            p.DeliverSmResp(sequence=submit.sequence),
            p.SubmitSmResp(sequence=submit.sequence, message_id="a1"),
            p.SubmitSmResp(sequence=submit.sequence, message_id="a2"),
        )

    smsc.on_submit = confuse
    channel = await open_channel(smsc)
    seen = await channel.send(delivery, claim())
    assert seen.provider_id == "r1:a1"


@pytest.mark.parametrize("length", [0, 15, 2**32 - 1])
async def test_an_impossible_length_resets_the_link_and_keeps_the_message(
    smsc, open_channel, delivery, claim, wait_until, length
):
    async def break_frame(peer, submit):
        peer.raw(length.to_bytes(4, "big") + bytes(12))

    smsc.on_submit = break_frame
    channel = await open_channel(smsc)
    seen = await channel.send(delivery, claim())
    assert seen.retry_at is not None
    await wait_until(lambda: smsc.peers[0].over)
    (nack,) = smsc.peers[0].of(p.GenericNack)
    assert nack.status == p.Status.ESME_RINVCMDLEN
    await wait_until(lambda: len(smsc.bound) == 1 and smsc.bound[0] is not smsc.peers[0])


async def test_half_a_pdu_and_then_silence_resets_the_link(
    smsc, open_channel, delivery, claim, wait_until
):
    async def half(peer, submit):
        smsc.deaf = True
        peer.raw(p.encode(p.reply(submit, message_id="a1"))[:9])

    smsc.on_submit = half
    channel = await open_channel(smsc, answer_timeout_s=0.1)
    seen = await channel.send(delivery, claim())
    assert seen.retry_at is not None
    await wait_until(lambda: smsc.peers[0].over)


async def test_an_unknown_command_is_nacked_and_many_of_them_reset_the_link(
    smsc, open_channel, wait_until
):
    await open_channel(smsc)
    peer = smsc.peers[0]
    odd = bytes.fromhex("00000010 00000777 00000000 00000005")
    peer.raw(odd)
    await wait_until(lambda: peer.of(p.GenericNack))
    assert peer.of(p.GenericNack)[0].status == p.Status.ESME_RINVCMDID
    assert not peer.over
    peer.raw(odd * 3)
    await wait_until(lambda: peer.over)


# The link


async def test_a_silent_provider_is_asked_and_a_deaf_one_is_left(smsc, open_channel, wait_until):
    await open_channel(smsc, enquire_link_s=0.05, answer_timeout_s=0.1)
    await wait_until(lambda: len(smsc.peers[0].of(p.EnquireLink)) >= 2)
    assert not smsc.peers[0].over
    smsc.deaf = True
    await wait_until(lambda: smsc.peers[0].over)


async def test_the_provider_s_own_enquire_link_is_answered(smsc, open_channel, wait_until):
    await open_channel(smsc)
    smsc.peers[0].send(p.EnquireLink(sequence=40))
    await wait_until(lambda: smsc.peers[0].of(p.EnquireLinkResp))
    assert smsc.peers[0].of(p.EnquireLinkResp)[0].sequence == 40


async def test_a_lost_link_is_bound_again_and_sends(
    smsc, open_channel, delivery, claim, wait_until
):
    channel = await open_channel(smsc)
    port = smsc.port
    await smsc.stop()
    await wait_until(lambda: channel.room() == 0)
    put_off = await channel.send(delivery, claim())
    assert put_off.later_at is not None
    assert channel.health().live
    await smsc.start(port)
    await wait_until(lambda: channel.room() == 50)
    seen = await channel.send(delivery, claim())
    assert seen.events == (Event.ACCEPTED,)


async def test_a_refused_bind_is_told_and_not_live_for_ever(
    smsc, open_channel, wait_until, monkeypatch
):
    monkeypatch.setattr("kodgate.channels.smpp.LOST_LINK_S", 0.0)
    smsc.bind_status = p.Status.ESME_RINVPASWD
    channel = await open_channel(smsc, wait=False)
    await wait_until(lambda: "RINVPASWD" in channel.health().why)
    assert not channel.health().live
    assert channel.room() == 0


async def test_the_window_is_never_exceeded(smsc, open_channel, numbered, claim, wait_until):
    held = asyncio.Event()
    open_now = most = 0

    async def hold(peer, submit):
        nonlocal open_now, most
        open_now += 1
        most = max(most, open_now)
        await held.wait()
        open_now -= 1
        await smsc.accept(peer, submit)

    smsc.on_submit = hold
    channel = await open_channel(smsc, window=3, binds=2)
    assert channel.room() == 6
    sends = [asyncio.create_task(channel.send(numbered(n), claim())) for n in range(20)]
    await wait_until(lambda: open_now == 6)
    assert channel.room() == 0
    held.set()
    ids = {seen.provider_id for seen in await asyncio.gather(*sends)}
    assert len(ids) == 20
    assert most == 6
    assert {len(peer.of(p.SubmitSm)) for peer in smsc.peers} == {10}


async def test_a_message_that_waits_too_long_for_its_place_goes_back_unsent(
    smsc, open_channel, numbered, claim, wait_until, monkeypatch
):
    monkeypatch.setattr("kodgate.channels.smpp.PLACE_S", 0.05)
    smsc.on_submit = never
    channel = await open_channel(smsc, window=1, answer_timeout_s=0.2)
    first = asyncio.create_task(channel.send(numbered(1), claim()))
    await wait_until(lambda: smsc.submits)
    second = await channel.send(numbered(2), claim())
    assert second.later_at is not None
    assert (await first).retry_at is not None
    assert len(smsc.submits) == 1


async def test_the_speed_limit_is_shared_by_the_binds(smsc, open_channel, numbered, claim):
    loop = asyncio.get_running_loop()
    channel = await open_channel(smsc, binds=2, tps=40)
    assert channel.room() == 80
    began = loop.time()
    await asyncio.gather(*(channel.send(numbered(n), claim()) for n in range(20)))
    assert loop.time() - began >= (20 - 1) / 40 - 0.06


async def test_answers_in_any_order_find_their_message(
    smsc, open_channel, numbered, claim, wait_until
):
    smsc.on_submit = never
    channel = await open_channel(smsc)
    sends = [asyncio.create_task(channel.send(numbered(n), claim())) for n in range(5)]
    await wait_until(lambda: len(smsc.submits) == 5)
    for n in (3, 0, 4, 2, 1):
        smsc.peers[0].send(p.reply(smsc.submits[n], message_id=f"c{n}"))
    seen = await asyncio.gather(*sends)
    assert [(each.message_id, each.provider_id) for each in seen] == [
        (n, f"r1:c{n}") for n in range(5)
    ]


async def test_the_second_route_is_used_while_the_first_is_lost(
    smsc, new_smsc, open_channel, delivery, claim, wait_until
):
    second = new_smsc()
    await second.start()
    channel = await open_channel(smsc, second)
    assert (await channel.send(delivery, claim())).provider_id == "r1:a0"
    port = smsc.port
    await smsc.stop()
    await wait_until(lambda: channel.room() == 50)
    assert (await channel.send(delivery, claim())).provider_id == "r2:a0"
    await smsc.start(port)
    await wait_until(lambda: channel.room() == 100)
    assert (await channel.send(delivery, claim())).provider_id == "r1:a1"
    await channel.stop()
    await second.stop()


async def test_a_pair_of_sessions_sends_on_one_and_hears_on_the_other(
    smsc, open_channel, delivery, claim, book, wait_until
):
    channel = await open_channel(smsc, bind_type="tx_rx")
    await channel.send(delivery, claim())
    rx = next(peer for peer in smsc.peers if isinstance(peer.bind, p.BindReceiver))
    tx = next(peer for peer in smsc.peers if isinstance(peer.bind, p.BindTransmitter))
    assert (len(tx.of(p.SubmitSm)), len(rx.of(p.SubmitSm))) == (1, 0)
    rx.deliver("id:A0 stat:DELIVRD")
    await wait_until(lambda: book.seen)
    assert book.seen[0].keys[0] == "r1:a0"


async def test_a_stop_waits_for_answers_and_unbinds(
    smsc, open_channel, delivery, claim, wait_until
):
    async def slowly(peer, submit):
        await asyncio.sleep(0.1)
        await smsc.accept(peer, submit)

    smsc.on_submit = slowly
    channel = await open_channel(smsc)
    send = asyncio.create_task(channel.send(delivery, claim()))
    await wait_until(lambda: smsc.submits)
    await channel.stop()
    assert (await send).events == (Event.ACCEPTED,)
    assert smsc.peers[0].of(p.Unbind)
    assert (await channel.send(delivery, claim())).later_at is not None


async def test_a_channel_without_routes_is_not_live(open_channel):
    channel = await open_channel()
    assert not channel.health().live
    assert channel.room() == 0


# Receipts


async def test_a_receipt_is_answered_only_after_it_is_recorded(
    smsc, open_channel, book, wait_until
):
    await open_channel(smsc)
    book.gate.clear()
    peer = smsc.peers[0]
    sequence = peer.deliver("id:A0 sub:001 dlvrd:001 stat:DELIVRD err:000 text:")
    peer.send(p.EnquireLink(sequence=900))
    await wait_until(lambda: peer.of(p.EnquireLinkResp))
    assert peer.status_of(sequence) is None
    book.gate.set()
    await wait_until(lambda: peer.status_of(sequence) == p.Status.ESME_ROK)
    (seen,) = book.seen
    assert (seen.source, seen.channel, seen.message_id, seen.epoch) == (
        "receipt",
        "sms",
        None,
        None,
    )
    assert seen.events == (Event.ACCEPTED, Event.DELIVERED)
    assert seen.keys == ("r1:a0", "r1:160")
    assert seen.detail == "DELIVRD err:000"


async def test_a_receipt_may_come_over_any_route_of_its_login(smsc, open_channel, book, wait_until):
    await open_channel(smsc, smsc)
    for peer in smsc.peers:
        peer.deliver("id:A0 stat:DELIVRD")
    await wait_until(lambda: len(book.seen) == 2)
    assert {seen.keys for seen in book.seen} == {
        ("r1:a0", "r2:a0", "r1:160", "r2:160"),
        ("r2:a0", "r1:a0", "r2:160", "r1:160"),
    }


async def test_a_receipt_that_cannot_be_recorded_must_come_again(
    smsc, open_channel, book, wait_until
):
    channel = await open_channel(smsc)
    book.durable = False
    peer = smsc.peers[0]
    first = peer.deliver("id:A0 stat:DELIVRD")
    await wait_until(lambda: peer.status_of(first) is not None)
    assert peer.status_of(first) == p.Status.ESME_RX_T_APPN
    book.durable = True
    second = peer.deliver("id:A0 stat:DELIVRD")
    await wait_until(lambda: peer.status_of(second) == p.Status.ESME_ROK)
    assert channel.counts()["r1.receipts_put_off"] == 1


async def test_a_sink_that_fails_makes_the_receipt_come_again(smsc, open_channel, book, wait_until):
    await open_channel(smsc)
    book.seen = None  # nowhere to write: the sink raises
    peer = smsc.peers[0]
    sequence = peer.deliver("id:A0 stat:DELIVRD")
    await wait_until(lambda: peer.status_of(sequence) == p.Status.ESME_RX_T_APPN)


async def test_a_receipt_before_the_answer_is_passed_on_first(
    smsc, open_channel, delivery, claim, book, wait_until
):
    async def early(peer, submit):
        peer.deliver("id:A0 stat:DELIVRD")
        await wait_until(lambda: book.seen)
        await smsc.accept(peer, submit)

    smsc.on_submit = early
    channel = await open_channel(smsc)
    seen = await channel.send(delivery, claim())
    assert seen.provider_id in book.seen[0].keys


async def test_slow_recording_does_not_hold_up_the_other_receipts(
    smsc, open_channel, book, wait_until
):
    channel = await open_channel(smsc)
    book.gate.clear()
    peer = smsc.peers[0]
    sequences = [peer.deliver(f"id:{n} stat:DELIVRD") for n in range(1, 1_501)]
    await asyncio.sleep(0.05)
    book.gate.set()
    await wait_until(lambda: len(peer.of(p.DeliverSmResp)) == len(sequences))
    assert channel.carriers[0].links[0].bound
    assert len(book.seen) == 1_500


async def test_a_message_from_a_phone_is_answered_and_ignored(smsc, open_channel, book, wait_until):
    channel = await open_channel(smsc)
    peer = smsc.peers[0]
    sequence = peer.deliver("STOP", esm_class=0)
    await wait_until(lambda: peer.status_of(sequence) == p.Status.ESME_ROK)
    assert not book.seen
    assert channel.counts()["r1.incoming"] == 1


async def test_a_receipt_without_an_id_does_not_come_for_ever(smsc, open_channel, book, wait_until):
    await open_channel(smsc)
    peer = smsc.peers[0]
    sequence = peer.deliver("stat:DELIVRD")
    await wait_until(lambda: peer.status_of(sequence) == p.Status.ESME_ROK)
    assert not book.seen


async def test_receipts_in_data_sm_are_read(smsc, open_channel, book, wait_until):
    await open_channel(smsc)
    peer = smsc.peers[0]
    tlvs = ((p.Tag.RECEIPTED_MESSAGE_ID, b"A0\0"), (p.Tag.MESSAGE_STATE, b"\x02"))
    peer.send(p.DataSm(sequence=5, esm_class=p.ESM_CLASS_RECEIPT, tlvs=tlvs))
    await wait_until(lambda: peer.of(p.DataSmResp))
    assert book.seen[0].events == (Event.ACCEPTED, Event.DELIVERED)


# TLS, probes, secrets


async def test_a_route_speaks_tls_and_checks_the_certificate(
    tls_smsc, certificate, open_channel, delivery, claim
):
    channel = await open_channel(tls_smsc, tls=True, ca_file=certificate[0])
    seen = await channel.send(delivery, claim())
    assert seen.events == (Event.ACCEPTED,)


async def test_a_certificate_that_nobody_vouches_for_is_refused(tls_smsc, open_channel, wait_until):
    channel = await open_channel(tls_smsc, tls=True, wait=False)
    link = channel.carriers[0].links[0]
    await wait_until(lambda: "CERTIFICATE_VERIFY_FAILED" in link.why)
    assert not tls_smsc.bound


async def test_a_certificate_of_another_name_is_refused(
    tls_smsc, certificate, open_channel, wait_until
):
    channel = await open_channel(
        tls_smsc, tls=True, ca_file=certificate[0], host="localhost", wait=False
    )
    link = channel.carriers[0].links[0]
    await wait_until(lambda: "CERTIFICATE_VERIFY_FAILED" in link.why)


def profile(smsc, **values):
    return RouteProfile(
        name="r1",
        host="127.0.0.1",
        port=smsc.port,
        system_id="alice",
        password="hunter2",
        connect_timeout_s=1,
        **values,
    )


async def test_a_probe_binds_and_leaves(smsc, wait_until):
    await probe(profile(smsc))
    await wait_until(lambda: smsc.peers[0].over)
    assert smsc.peers[0].of(p.Unbind)


async def test_a_probe_says_why_it_was_refused(smsc):
    smsc.bind_status = p.Status.ESME_RINVPASWD
    with pytest.raises(BindRefused, match="ESME_RINVPASWD"):
        await probe(profile(smsc))


async def test_a_probe_of_nobody_fails(smsc):
    await smsc.stop()
    with pytest.raises(OSError):
        await probe(profile(smsc))
    await smsc.start()


async def test_a_probe_of_a_provider_that_hangs_up_or_says_nothing_fails(smsc, monkeypatch):
    async def nothing(peer, pdu):
        pass

    monkeypatch.setattr(smsc, "_take", nothing)
    with pytest.raises(OSError, match="no answer in time"):
        await probe(profile(smsc, answer_timeout_s=0.1))

    async def hang_up(peer, pdu):
        peer.drop()

    monkeypatch.setattr(smsc, "_take", hang_up)
    with pytest.raises(OSError, match="bind"):
        await probe(profile(smsc))


async def test_a_password_that_does_not_fit_is_told_not_shown(smsc, tmp_path):
    (tmp_path / "password").write_text("hunter2-hunter2")
    made = RouteProfile(
        name="r1",
        host="127.0.0.1",
        port=smsc.port,
        system_id="alice",
        password_file=str(tmp_path / "password"),
    )
    with pytest.raises(OSError, match="password: more than 8 octets") as caught:
        await probe(made)
    assert "hunter2" not in str(caught.value)


async def test_no_secret_reaches_the_log(
    smsc, open_channel, delivery, claim, wait_until, capfd, caplog
):
    caplog.set_level("DEBUG")
    channel = await open_channel(smsc)
    await channel.send(delivery, claim())
    smsc.peers[0].deliver("stat:DELIVRD text:Code 4321")
    smsc.peers[0].raw(bytes(16))
    await wait_until(lambda: smsc.peers[0].over)
    await channel.stop()
    out, err = capfd.readouterr()
    for secret in ("hunter2", "4321", "79123456789"):
        assert secret not in out + err + caplog.text
