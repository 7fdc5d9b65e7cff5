"""The queue page: what is stuck, retried and discarded, with every form that leads there."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.engine.house import FUNDS
from tests.web.console.kit import Office, Person, office

from kodgate.core.requests import Sent
from kodgate.core.types import Event, State
from kodgate.store.tables import tables


@pytest.fixture
async def asleep(tmp_path: Path) -> AsyncIterator[Office]:
    """A gateway whose loops do not run: nobody sends, nobody decides."""
    async with office(tmp_path, running=False) as found:
        yield found


@pytest.fixture
async def olga(asleep: Office) -> AsyncIterator[Person]:
    async with asleep.person("olga") as person:
        yield person


async def stuck(found: Office) -> Sent:
    sent = await found.house.send()
    found.house.pass_s(30 + 2 + 61)
    return sent


async def message_id(found: Office, sent: Sent) -> int:
    (message,) = await found.house.messages(sent)
    assert message.id is not None
    return message.id


async def discard(found: Office, person: Person, sent: Sent, **more: Any) -> str:
    wanted = {
        "message": await message_id(found, sent),
        "packet": sent.packet_id,
        "comment": "the node is gone",
    }
    return await person.do("queue/discard", **{**wanted, **more})


async def balance(found: Office) -> tuple[int, int]:
    account = await found.house.store.account_by_id(found.house.alice.id)
    assert account is not None
    return account.balance, account.held


async def test_an_empty_queue_says_calmly_that_nothing_is_stuck(olga: Person):
    text = await olga.see("queue")
    assert "Ничего не ждёт." in text
    assert "Застрявших нет." in text


async def test_what_is_open_in_time_is_not_stuck(asleep: Office, olga: Person):
    await asleep.house.send()
    text = await olga.see("queue")
    assert "Застрявших нет." in text
    assert "Снять с возвратом" not in text


async def test_a_stuck_message_is_shown_without_its_code_and_phone(asleep: Office, olga: Person):
    sent = await stuck(asleep)
    text = await olga.see("queue")
    assert f"{sent.packet_id} alice" in text
    assert "Снять с возвратом" in text
    assert "1 0 0 0" in text, "too late to be sent"
    assert "застряло" in text
    assert "Застряли сообщения, срок которых прошёл: 1" in await olga.see()
    assert "79120000001" not in text


async def test_a_discard_gives_the_money_back_and_is_on_record(asleep: Office, olga: Person):
    sent = await stuck(asleep)
    assert (await balance(asleep))[0] < FUNDS
    text = await discard(asleep, olga, sent)
    assert "Сообщение снято, деньги возвращены клиенту." in text
    assert await balance(asleep) == (FUNDS, 0)
    (message,) = await asleep.house.messages(sent)
    assert (message.state, message.refunded) == (State.FAILED, True)
    (line,) = await asleep.audits("message_discarded")
    assert line.account_id == asleep.house.alice.id
    assert line.detail == f"packet {sent.packet_id}, message {message.id}: the node is gone"


async def test_the_customer_sees_who_ended_it(asleep: Office, olga: Person):
    sent = await stuck(asleep)
    await discard(asleep, olga, sent)
    assert await asleep.house.results(sent) == [10]
    async with asleep.person("oscar") as oscar:
        page = await oscar.browser.get(f"/cabinet/messages/{sent.packet_id}")
    text = re.sub(r"<[^>]+>", " ", page.text)
    assert "снято оператором шлюза" in text


async def test_a_message_is_discarded_once(asleep: Office, olga: Person):
    sent = await stuck(asleep)
    await discard(asleep, olga, sent)
    text = await discard(asleep, olga, sent)
    assert "Сообщение уже не застряло" in text
    assert await balance(asleep) == (FUNDS, 0)


async def test_what_is_not_stuck_is_not_discarded(asleep: Office, olga: Person):
    sent = await asleep.house.send()
    text = await discard(asleep, olga, sent)
    assert "Сообщение уже не застряло" in text
    assert (await asleep.house.messages(sent))[0].state is State.QUEUED


@pytest.mark.parametrize("wrong", [{"packet": "1"}, {"packet": ""}, {"comment": "  "}])
async def test_a_discard_needs_its_reason_and_the_packets_number(
    asleep: Office, olga: Person, wrong: dict[str, str]
):
    sent = await stuck(asleep)
    text = await discard(asleep, olga, sent, **wrong)
    assert "Ничего не снято." in text
    assert (await asleep.house.messages(sent))[0].state is State.QUEUED


@pytest.mark.parametrize("message", ["", "x", "77", "9" * 30])
async def test_an_unknown_message_is_not_discarded(olga: Person, message: str):
    text = await olga.do("queue/discard", message=message, packet="1", comment="why")
    assert "Сообщение уже не застряло" in text


async def test_a_discard_asks_for_the_password(asleep: Office, olga: Person):
    sent = await stuck(asleep)
    await asleep.stale()
    assert "Пароль кабинета не подошёл" in await discard(asleep, olga, sent, proof="wrong")
    assert (await asleep.house.messages(sent))[0].state is State.QUEUED


async def test_a_client_discards_nothing(asleep: Office):
    sent = await stuck(asleep)
    async with asleep.person("oscar") as oscar:
        page = await oscar.browser.get("/cabinet/profile")
        csrf = re.search(r'name="csrf" value="([^"]+)"', page.text)
        assert csrf is not None
        data = {"csrf": csrf[1], "message": "1", "packet": str(sent.packet_id), "comment": "x"}
        answer = await oscar.browser.post("/console/queue/discard", data=data)
    assert answer.status_code == 403
    assert (await asleep.house.messages(sent))[0].state is State.QUEUED


async def test_books_that_do_not_allow_a_discard_are_told(asleep: Office, olga: Person):
    sent = await stuck(asleep)
    run = tables(asleep.house.store).run
    alice = asleep.house.alice.id
    await run([("update account set held = 0 where id = ?", (alice,))])
    text = await discard(asleep, olga, sent)
    assert "Правила денег не дали его снять" in text
    (message,) = await asleep.house.messages(sent)
    assert message.state is State.QUEUED
    assert await asleep.audits("message_discarded") == []
    held = (await asleep.house.row(sent)).packet.held
    await run([("update account set held = ? where id = ?", (held, alice))])


async def test_a_retry_of_all_brings_waiting_attempts_forward(asleep: Office, olga: Person):
    house = asleep.house
    sent = await house.send()
    now = house.clock.now()
    (claim,) = await house.store.claim(
        channel="telegram", node="one", now=now, lease_until=now + 9, attempts_max=3, limit=1
    )
    delivery = house.engine._views.delivery(claim.row, claim.message, house.alice.settings)
    await house.store.record([house.telegram.said(delivery, retry_at=now + 20_000)])
    text = await olga.see("queue")
    assert "Telegram ✕ нет узла 1 0 0 1" in text
    assert "Повторить всё, что ждёт, сейчас" in text
    assert "Повтор назначен на сейчас." in await olga.do("queue/retry")
    (message,) = await house.messages(sent)
    assert message.due_at is not None
    assert message.due_at <= house.clock.now()
    assert [line.detail for line in await asleep.audits("message_retried")] == ["1 messages"]


async def test_there_may_be_nothing_to_retry(asleep: Office, olga: Person):
    sent = await asleep.house.send()
    one = await message_id(asleep, sent)
    assert "Повторять нечего" in await olga.do("queue/retry")
    assert "Повторять нечего" in await olga.do("queue/retry", message=one)
    assert await asleep.audits("message_retried") == []


async def test_a_stuck_message_that_is_retried_ends_by_itself_once_a_node_works(
    asleep: Office, olga: Person
):
    house = asleep.house
    sent = await stuck(asleep)
    now = house.clock.now()
    await house.store.due(now=now, until=now + 3_600_000, limit=10)
    text = await olga.do("queue/retry", message=await message_id(asleep, sent))
    assert "Повтор назначен на сейчас." in text
    (due,) = await house.store.due(now=house.clock.now(), until=now + 1, limit=10)
    assert due.deadline
    answer = house.telegram.seen(
        house.engine._views.delivery(due.row, due.message, house.alice.settings), Event.TIMED_OUT
    )
    await house.store.record([answer])
    assert "Застрявших нет." in await olga.see("queue")
