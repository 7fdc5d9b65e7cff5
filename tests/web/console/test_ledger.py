"""Money at the console: the ledger's health, providers, and codes that only we paid for."""

from __future__ import annotations

import dataclasses

from tests.engine.house import until
from tests.web.console.kit import Office, Person

from kodgate.channels import Delivery, Journal
from kodgate.core.types import Booking, BookingKind, Event, Observation
from kodgate.store.tables import tables


async def unread(office: Office) -> None:
    """One code that Telegram delivers for 0.01 and nobody reads; its SMS arrives."""
    house = office.house

    async def deliver(delivery: Delivery, journal: Journal) -> Observation:
        fee = Booking(
            kind=BookingKind.FEE, provider="telegram", amount=100, attempt=delivery.attempt
        )
        return house.telegram.said(
            delivery, Event.ACCEPTED, Event.DELIVERED, provider_id="t1", bookings=(fee,)
        )

    house.telegram.answer = deliver
    sent = await house.send()

    async def is_delivered() -> bool:
        return (await house.messages(sent))[0].state.value == "delivered"

    await until(is_delivered)
    house.pass_s(60)

    async def has_fallen_back() -> bool:
        return len(await house.messages(sent)) == 2

    await until(has_fallen_back)


async def test_before_the_first_check_the_ledger_says_so(open_office: Office, olga: Person):
    assert "Книгу ещё не проверяли." in await olga.see("ledger")


async def test_a_check_tells_when_it_was_and_what_the_house_holds(
    open_office: Office, olga: Person
):
    await unread(open_office)
    text = (await olga.do("ledger")).replace("\xa0", " ")
    assert "Книга сходится" in text
    assert "customers должны клиентам: сумма их балансов +995,80 ₽" in text
    assert "top_ups получено от клиентов −1 000,00 ₽" in text
    assert "revenue выручка за коды, за вычетом возвратов +4,20 ₽" in text
    assert "telegram:cost обошлось 0,01" in text
    assert "olga" in text
    assert [each.detail for each in await open_office.audits("ledger_checked")] == ["0 findings"]


async def test_a_ledger_that_does_not_agree_is_not_hidden(open_office: Office, olga: Person):
    run = tables(open_office.house.store).run
    await run([("update account set balance = balance + 1 where id = ?", (1,))])
    text = await olga.do("ledger")
    assert "Книга не сходится" in text
    assert "its transfers do not sum to its balance" in text
    assert "its transfers do not sum" in await olga.see("system")
    await run([("update account set balance = balance - 1 where id = ?", (1,))])


async def test_providers_show_what_they_took_and_what_only_we_paid(
    open_office: Office, olga: Person
):
    await unread(open_office)
    text = (await olga.do("providers", period="24h")).replace("\xa0", " ")
    assert "telegram 1 0,01 0,00 0,00 0,00 0,00 0,00 0,01" in text
    assert "Доставлено, не прочитано 1" in text
    assert "alice Telegram не прочитано в срок 1 2,10 ₽ 0,01" in text


async def test_providers_may_be_asked_about_one_account_and_period(
    open_office: Office, olga: Person
):
    await unread(open_office)
    bob = await open_office.house.store.create_account(login="bob", name="", at=1)
    assert "Отчёта ещё нет" in await olga.see("providers")
    await olga.do("providers", period="1h")
    assert "0,01" in await olga.see("providers?account=1")
    text = await olga.see(f"providers?account={bob.id}")
    assert "За этот период поставщикам ничего не начислено." in text
    assert "За этот период такого не было." in text


async def test_money_that_the_provider_gave_back_is_no_exposure(open_office: Office, olga: Person):
    house = open_office.house
    await unread(open_office)
    fee = Booking(kind=BookingKind.RECEIVABLE, provider="telegram", amount=100, attempt=1)
    back = dataclasses.replace(fee, kind=BookingKind.REFUND)
    sink = house.telegram.sink
    assert sink is not None
    seen = Observation(
        at=house.clock.now(),
        source="poll",
        channel="telegram",
        keys=("t1",),
        bookings=(fee, back),
    )
    assert await sink(seen)
    text = (await olga.do("providers", period="24h")).replace("\xa0", " ")
    assert "telegram 1 0,01 0,00 0,01 0,01 0,00 0,00 0,00" in text
    assert "Доставлено, не прочитано 0" in text


async def test_a_report_of_an_unheard_period_is_not_made(open_office: Office, olga: Person):
    assert "Значение не подходит" in await olga.do("providers", period="century")
    assert "Отчёта ещё нет" in await olga.see("providers")
