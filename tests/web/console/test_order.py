"""Queue, channels, audit and system at the console."""

from __future__ import annotations

from pathlib import Path

from tests.engine.house import until
from tests.web.console.kit import Office, Person

from kodgate.channels import Delivery, Journal
from kodgate.config import load, shown
from kodgate.core.types import Event, Observation
from kodgate.store.tables import tables


async def test_the_queue_shows_the_oldest_first_and_never_a_whole_phone(
    open_office: Office, olga: Person
):
    open_office.house.telegram.capacity = 0
    first = await open_office.house.send("79120000001")
    open_office.house.pass_s(1)
    second = await open_office.house.send("79120000002")
    text = await olga.see("queue")
    assert text.index(str(first.packet_id)) < text.index(str(second.packet_id))
    assert "Telegram ✕ нет узла 2 2 0 0" in text
    assert "79120000001" not in text
    assert "пора отправить" in text


async def test_a_code_that_did_not_arrive_is_listed_with_its_reason(
    open_office: Office, olga: Person
):
    house = open_office.house

    async def refuse(delivery: Delivery, journal: Journal) -> Observation:
        return house.sms.said(delivery, Event.REJECTED, detail="no")

    async def absent(delivery: Delivery, journal: Journal) -> Observation:
        return house.telegram.said(delivery, Event.REJECTED)

    house.sms.answer, house.telegram.answer = refuse, absent
    sent = await house.send()

    async def is_over() -> bool:
        found = await house.messages(sent)
        return len(found) == 2 and found[-1].state.is_final

    await until(is_over)
    text = await olga.see("queue?period=1h")
    assert "SMS, поставщик не принял сообщение: 1" in text
    assert f"{sent.packet_id} alice" in text
    assert "возвращены" in text
    assert "Повторить завершённый код нельзя" in text
    house.pass_s(7200)
    assert "За этот период дошли все" in await olga.see("queue?period=1h")


async def test_channels_tell_their_state(open_office: Office, olga: Person):
    open_office.house.telegram.live = False
    text = await olga.see("channels")
    assert "Telegram ✕ не работает switched away by the test" in text


async def test_the_audit_shows_all_accounts_and_one(open_office: Office, olga: Person):
    await olga.do("accounts/1/block")
    await olga.do("ledger")
    text = await olga.see("audit")
    assert "счёт заблокирован" in text
    assert "проверена книга" in text
    assert "проверена книга" not in await olga.see("audit?account=1")


async def test_a_whole_chain_is_told_and_the_check_is_on_record(open_office: Office, olga: Person):
    text = await olga.do("audit")
    assert "Цепь цела до строки 1." in text
    assert [each.detail for each in await open_office.audits("audit_checked")] == ["whole"]


async def test_a_line_that_was_changed_later_breaks_the_chain(open_office: Office, olga: Person):
    await olga.do("accounts/1/block")
    run = tables(open_office.house.store).run
    await run([("update audit set actor = 'nobody' where id = ?", (2,))])
    text = await olga.do("audit")
    assert "Цепь порвана на строке 2" in text


async def test_the_audit_goes_on_page_by_page(open_office: Office, olga: Person):
    for number in range(105):
        await open_office.people.audit(
            at=number, account_id=1, actor="alice", action="export", detail=f"n{number}.", ip=""
        )
    text = (await olga.get("audit?account=1")).text
    assert "n104." in text
    assert "n3." not in text
    assert "before=" in text
    assert "n3." in await olga.see("audit?account=1&before=7")


async def test_the_system_tells_version_schema_clock_and_settings(
    open_office: Office, olga: Person
):
    text = await olga.see("system")
    assert "Версия 1.2.3" in text
    assert "✓ все применены" in text
    assert "http.port 8080" in text
    assert "master_key ***" in text
    assert "Книга … обратите внимание ещё не проверяли" in text
    assert "выключен у: olga" in text


async def test_a_channel_that_is_down_stands_first_on_the_system_page(
    open_office: Office, olga: Person
):
    open_office.house.sms.live = False
    text = await olga.see("system")
    assert text.index("SMS: switched away by the test") < text.index("ещё не проверяли")


def test_no_secret_of_the_settings_is_shown(tmp_path: Path):
    config = load(
        None,
        {},
        data=tmp_path,
        master_key="ab" * 32,
        telegram__token="canary-token",
        telegram__proxy="http://alice:canary-password@proxy.example:3128",
        database="postgresql://alice:canary-password@db.example/kodgate?password=canary-too",
    )
    text = str(dict(shown(config)))
    assert "canary" not in text
    assert "ab" * 32 not in text
    assert "proxy.example:3128" in text
    assert "db.example/kodgate" in text
