"""The loops: claims, sends, looks and deadlines, and what goes wrong between them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.engine.house import House, house, until

from kodgate.channels import Delivery, Journal
from kodgate.core.errors import InDoubt
from kodgate.core.requests import ConfirmRequest, Mode, Sent, StatusQuery
from kodgate.core.types import Event, Observation, Reason, State
from kodgate.engine import dispatch
from kodgate.store import Store, Unavailable


class Ailing:
    """A store whose calls fail as often as planned, then do their work."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.failures: dict[str, list[Exception]] = {}
        self.only: Callable[[Any], bool] = lambda items: True

    def plan(self, name: str, *errors: Exception) -> None:
        self.failures.setdefault(name, []).extend(errors)

    def __getattr__(self, name: str) -> Any:
        real = getattr(self.store, name)

        async def call(*arguments: Any, **more: Any) -> Any:
            planned = self.failures.get(name)
            if planned and (name != "record" or self.only(arguments[0])):
                raise planned.pop(0)
            return await real(*arguments, **more)

        return call if name in ("claim", "due", "record", "counts") else real


async def _state(home: House, sent: Sent, num: int = 1) -> State | None:
    messages = await home.messages(sent)
    return messages[num - 1].state if len(messages) >= num else None


async def _reaches(home: House, sent: Sent, state: State, num: int = 1) -> None:
    async def look() -> bool:
        return await _state(home, sent, num) is state

    await until(look)


async def test_a_code_leaves_at_once_with_what_its_channel_needs(tmp_path: Path) -> None:
    async with house(tmp_path) as home:
        sent = await home.send()
        await _reaches(home, sent, State.SENT)
        (delivery,) = home.telegram.sends
        assert delivery.code == sent.messages[0].code
        assert (delivery.phone, delivery.zone, delivery.attempt) == ("79120000001", 1, 1)
        assert (delivery.sender, delivery.template) == ("kodgate", "Code: {code}")


async def test_a_pushed_read_confirms_and_releases_the_reserve(tmp_path: Path) -> None:
    async with house(tmp_path) as home:
        sent = await home.send()
        await _reaches(home, sent, State.SENT)
        assert home.telegram.sink is not None
        read = Observation(
            at=home.clock.now(),
            source="callback",
            channel="telegram",
            keys=("telegram-1",),
            events=(Event.READ,),
        )
        assert await home.telegram.sink(read)
        assert await _state(home, sent) is State.CONFIRMED
        assert (await home.engine.balance(home.alice)).spendable == 10_000_000 - 21_000


async def test_an_unread_code_is_refunded_and_leaves_by_sms(tmp_path: Path) -> None:
    async with house(tmp_path) as home:
        sent = await home.send()
        await _reaches(home, sent, State.SENT)
        home.pass_s(33)
        await _reaches(home, sent, State.SENT, num=2)
        telegram, sms = await home.messages(sent)
        assert (telegram.state, telegram.refunded) == (State.EXPIRED, True)
        assert sms.id != telegram.id
        assert home.sms.sends[0].code == home.telegram.sends[0].code
        kinds = [entry.kind for entry in await home.store.ledger(home.alice.id)]
        assert kinds == ["charge", "refund", "charge", "topup"]


async def test_a_rejected_code_falls_back_at_once(tmp_path: Path) -> None:
    async with house(tmp_path) as home:

        async def decline(delivery: Delivery, journal: Journal) -> Observation:
            return home.telegram.said(delivery, Event.REJECTED)

        home.telegram.answer = decline
        sent = await home.send(ttl_s=3_600)
        await _reaches(home, sent, State.SENT, num=2)


async def test_no_more_are_claimed_than_the_channel_takes_at_once(tmp_path: Path) -> None:
    async with house(tmp_path) as home:
        gate = asyncio.Event()

        async def hold(delivery: Delivery, journal: Journal) -> Observation:
            await gate.wait()
            return home.telegram.said(delivery, Event.ACCEPTED)

        home.telegram.answer = hold
        home.telegram.capacity = 2
        sents = [await home.send(phone=f"7912000000{n}") for n in range(5)]
        await until(lambda: _at_least(home, 2))
        await asyncio.sleep(0.1)
        claimed = [m.attempts for s in sents for m in await home.messages(s)]
        assert sorted(claimed) == [0, 0, 0, 1, 1]
        gate.set()
        for sent in sents:
            await _reaches(home, sent, State.SENT)
        assert home.telegram.most == 2


async def _at_least(home: House, count: int) -> bool:
    return len(home.telegram.sends) >= count


async def test_later_gives_the_attempt_back_and_comes_again(tmp_path: Path) -> None:
    async with house(tmp_path) as home:

        async def throttled_once(delivery: Delivery, journal: Journal) -> Observation:
            if len(home.telegram.sends) == 1:
                return home.telegram.said(delivery, later_at=home.clock.now() + 100)
            return home.telegram.said(delivery, Event.ACCEPTED)

        home.telegram.answer = throttled_once
        sent = await home.send()
        await _reaches(home, sent, State.SENT)
        assert [d.attempt for d in home.telegram.sends] == [1, 1]


async def test_a_channel_that_fails_unforeseen_is_asked_again_after_its_lease(
    tmp_path: Path,
) -> None:
    async with house(tmp_path) as home:

        async def crash_once(delivery: Delivery, journal: Journal) -> Observation:
            if len(home.telegram.sends) == 1:
                raise ZeroDivisionError
            return home.telegram.said(delivery, Event.ACCEPTED)

        home.telegram.answer = crash_once
        sent = await home.send(ttl_s=300)
        await until(lambda: _at_least(home, 1))
        home.pass_s(dispatch.LEASE_S + 1)
        await _reaches(home, sent, State.SENT)
        assert [d.attempt for d in home.telegram.sends] == [1, 2]


@pytest.mark.parametrize("error", [Unavailable("disk full"), InDoubt("io")])
@pytest.mark.parametrize("source", ["prepare", "send"])
async def test_a_fact_of_an_attempt_is_recorded_when_the_database_is_back(
    tmp_path: Path, error: Exception, source: str
) -> None:
    ailing: list[Ailing] = []

    def wrap(store: Store) -> Ailing:
        ailing.append(Ailing(store))
        return ailing[0]

    def is_answer(items: Sequence[Observation]) -> bool:
        return any(seen.source == source for seen in items)

    async with house(tmp_path, wrap=wrap) as home:

        async def prepare_and_send(delivery: Delivery, journal: Journal) -> Observation:
            if await journal.prepared(provider_id="tg", settles_at=home.clock.now() + 30_000):
                return home.telegram.said(delivery, Event.ACCEPTED)
            return home.telegram.said(delivery, later_at=home.clock.now())

        home.telegram.answer = prepare_and_send
        ailing[0].only = is_answer
        ailing[0].plan("record", error, error)
        sent = await home.send()
        await _reaches(home, sent, State.SENT)
        assert len(home.telegram.sends) == 1


@pytest.mark.parametrize("error", [Unavailable("busy"), AssertionError("a broken row")])
@pytest.mark.parametrize("name", ["claim", "due", "counts"])
async def test_no_failure_of_the_store_ends_a_loop(
    tmp_path: Path, name: str, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatch, "REST_S", 0.02)
    ailing: list[Ailing] = []

    def wrap(store: Store) -> Ailing:
        ailing.append(Ailing(store))
        ailing[0].plan(name, error, error)
        return ailing[0]

    async with house(tmp_path, wrap=wrap) as home:
        sent = await home.send()
        await _reaches(home, sent, State.SENT)
        home.pass_s(33)
        await _reaches(home, sent, State.SENT, num=2)


async def test_the_last_look_before_a_deadline_may_find_it_read(tmp_path: Path) -> None:
    async with house(tmp_path) as home:
        home.telegram.look = lambda delivery: home.telegram.seen(delivery, Event.READ)
        sent = await home.send()
        await _reaches(home, sent, State.SENT)
        home.pass_s(33)
        await _reaches(home, sent, State.CONFIRMED)
        assert home.sms.sends == []


async def test_a_last_look_that_fails_leaves_the_decision_to_what_is_known(tmp_path: Path) -> None:
    async with house(tmp_path) as home:

        def broken(delivery: Delivery) -> Observation:
            raise ValueError("not an answer")

        home.telegram.look = broken
        sent = await home.send()
        await _reaches(home, sent, State.SENT)
        home.pass_s(33)
        await _reaches(home, sent, State.SENT, num=2)


async def test_a_poll_is_made_when_the_channel_asked_for_it(tmp_path: Path) -> None:
    async with house(tmp_path) as home:

        async def look_soon(delivery: Delivery, journal: Journal) -> Observation:
            return home.telegram.said(
                delivery, Event.ACCEPTED, provider_id="tg", poll_at=home.clock.now() + 50
            )

        home.telegram.answer = look_soon
        home.telegram.look = lambda delivery: home.telegram.seen(delivery, Event.DELIVERED)
        sent = await home.send()
        await _reaches(home, sent, State.DELIVERED)
        await asyncio.sleep(0.5)
        assert len(home.telegram.polls) == 1


async def test_money_of_an_ended_message_is_asked_for_after_its_keys_are_gone(
    tmp_path: Path,
) -> None:
    async with house(tmp_path) as home:
        home.telegram.look = lambda delivery: home.telegram.seen(
            delivery, poll_at=None if delivery.final else home.clock.now() + 10_000
        )

        async def settle(delivery: Delivery, journal: Journal) -> Observation:
            await journal.prepared(provider_id="tg", settles_at=home.clock.now() + 30_000)
            return home.telegram.said(delivery, Event.ACCEPTED)

        home.telegram.answer = settle
        sent = await home.send(mode=Mode.TELE)
        await _reaches(home, sent, State.SENT)
        home.pass_s(33)
        await _reaches(home, sent, State.EXPIRED)
        row = await home.row(sent)
        for cls in ("code", "phone"):
            home.keyring.drop(row.key_day, cls)
        home.pass_s(10)
        await until(lambda: _final_polls(home))
        status = await home.engine.status(
            home.alice, StatusQuery(packet_id=sent.packet_id), caller_ip=""
        )
        assert (status.asked.code, status.asked.phone) == ("****", "7912***0001")

        async def nothing_due() -> bool:
            return (await home.messages(sent))[0].due_at is None

        await until(nothing_due)


async def _final_polls(home: House) -> bool:
    return any(delivery.final for delivery in home.telegram.polls)


async def test_a_deadline_is_decided_although_the_keys_are_gone(tmp_path: Path) -> None:
    async with house(tmp_path) as home:
        sent = await home.send(mode=Mode.TELE)
        await _reaches(home, sent, State.SENT)
        row = await home.row(sent)
        for cls in ("code", "phone"):
            home.keyring.drop(row.key_day, cls)
        home.pass_s(33)
        await _reaches(home, sent, State.EXPIRED)


async def test_a_confirmed_code_is_forwarded_and_stops_the_fallback(tmp_path: Path) -> None:
    async with house(tmp_path) as home:
        sent = await home.send()
        await _reaches(home, sent, State.SENT)
        code = sent.messages[0].code
        request = ConfirmRequest(query=StatusQuery(packet_id=sent.packet_id), code=code)
        await home.engine.confirm(home.alice, request)
        assert await _state(home, sent) is State.CONFIRMED

        async def told() -> bool:
            return home.telegram.typed == [code]

        await until(told)


async def test_parallel_confirms_never_pass_the_five_tries(tmp_path: Path) -> None:
    async with house(tmp_path) as home:
        sent = await home.send(code="4711")
        query = StatusQuery(packet_id=sent.packet_id)
        wrong = ConfirmRequest(query=query, code="9999")
        answers = await asyncio.gather(
            *(home.engine.confirm(home.alice, wrong) for _ in range(20)), return_exceptions=True
        )
        names = [str(answer) for answer in answers]
        assert names.count("CONFIRM_WRONG") == 5
        assert names.count("CONFIRM_EXHAUSTED") == 15
        right = ConfirmRequest(query=query, code="4711")
        (late,) = await asyncio.gather(
            home.engine.confirm(home.alice, right), return_exceptions=True
        )
        assert str(late) == "CONFIRM_EXHAUSTED"


async def test_of_parallel_right_confirms_one_is_right(tmp_path: Path) -> None:
    async with house(tmp_path) as home:
        sent = await home.send(code="4711")
        right = ConfirmRequest(query=StatusQuery(packet_id=sent.packet_id), code="4711")
        answers = await asyncio.gather(
            *(home.engine.confirm(home.alice, right) for _ in range(10)), return_exceptions=True
        )
        refused = [str(answer) for answer in answers if isinstance(answer, Exception)]
        assert refused == ["CONFIRM_USED"] * 9


async def test_a_stop_lets_what_is_under_way_end(tmp_path: Path) -> None:
    sents = []
    async with house(tmp_path) as home:

        async def slow(delivery: Delivery, journal: Journal) -> Observation:
            await asyncio.sleep(0.3)
            return home.telegram.said(delivery, Event.ACCEPTED)

        home.telegram.answer = slow
        sents = [await home.send(phone=f"7912000000{n}") for n in range(3)]
        await until(lambda: _at_least(home, 3))
        await home.engine.stop()
        states = [(await home.messages(s))[0].state for s in sents]
        assert states == [State.SENT] * 3


async def test_a_claim_that_a_stop_meets_is_sent_not_left_on_record(tmp_path: Path) -> None:
    class Slow(Ailing):
        def __getattr__(self, name: str) -> Any:
            real = getattr(self.store, name)

            async def claim(**more: Any) -> Any:
                found = await real(**more)
                if found:
                    began.set()
                    await asyncio.sleep(0.1)
                return found

            return claim if name == "claim" else real

    began = asyncio.Event()
    async with house(tmp_path, wrap=Slow) as home:
        sent = await home.send()
        await asyncio.wait_for(began.wait(), 5)
        await home.engine.stop()
        assert len(home.telegram.sends) == 1
        assert await _state(home, sent) is State.SENT


async def test_a_restart_frees_what_the_dead_process_held(tmp_path: Path) -> None:
    async with house(tmp_path, running=False) as home:
        sent = await home.send()
        now = home.clock.now()
        claimed = await home.store.claim(
            channel="telegram",
            node="one",
            now=now,
            lease_until=now + 3_600_000,
            attempts_max=3,
            limit=9,
        )
        assert len(claimed) == 1
        await home.engine.start()
        await _reaches(home, sent, State.SENT)
        assert home.telegram.sends[0].attempt == 2
        await home.engine.stop()


async def test_an_sms_that_no_route_takes_fails_at_its_handover(tmp_path: Path) -> None:
    async with house(tmp_path) as home:
        home.sms.capacity = 0
        sent = await home.send(mode=Mode.SMS)
        home.pass_s(121)

        async def ended() -> bool:
            return await _state(home, sent) is State.FAILED

        await until(ended)
        (message,) = await home.messages(sent)
        assert (message.reason, message.refunded, message.attempts) == (Reason.REJECTED, True, 0)
        assert await home.results(sent) == [5]


async def test_a_report_that_cannot_be_recorded_is_not_acknowledged(tmp_path: Path) -> None:
    ailing: list[Ailing] = []

    def wrap(store: Store) -> Ailing:
        ailing.append(Ailing(store))
        return ailing[0]

    async with house(tmp_path, wrap=wrap) as home:
        sent = await home.send()
        await _reaches(home, sent, State.SENT)
        ailing[0].plan("record", Unavailable("disk full"))
        read = Observation(
            at=home.clock.now(),
            source="callback",
            channel="telegram",
            keys=("telegram-1",),
            events=(Event.READ,),
        )
        assert home.telegram.sink is not None
        assert not await home.telegram.sink(read)
        assert await home.telegram.sink(read)
        assert await _state(home, sent) is State.CONFIRMED


async def test_a_callback_for_a_channel_without_callbacks_is_not_found(tmp_path: Path) -> None:
    async with house(tmp_path, running=False) as home:
        for name in ("telegram", "nothing"):
            assert await home.engine.callback(name, b"{}", {}) == 404
