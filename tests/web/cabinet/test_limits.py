"""Where codes may go, how many and for how much; prefixes whose codes do not arrive."""

from __future__ import annotations

import re

import pytest
from tests.engine.house import until
from tests.web.cabinet.kit import Hall, Person, words

from kodgate.channels import Delivery, Journal
from kodgate.core import pumping
from kodgate.core.pumping import AntiPumping, Block, Send
from kodgate.core.types import Event, Observation, Reason

FORMS = [
    ("directions", {"zones_allowed": "1, 2", "prefixes_allowed": "7\r\n375"}),
    ("pumping", {"anti_pumping": "strict"}),
]
LIMITS = {
    "packets_per_phone_10min": "3",
    "packets_per_phone_day": "9",
    "packets_per_ip_10min": "100",
    "spend_per_day": "5000",
    "code_length": "6",
    "code_retention_s": "3600",
}


async def block(hall: Hall, prefix: str = "7912345", account_id: int | None = None) -> Block:
    """Twenty codes to a prefix did not arrive."""
    house = hall.house
    lost = [Send(at=0, packet_id=n) for n in range(20)]
    now, whose = house.clock.now(), account_id or house.alice.id
    made = pumping.block(whose, prefix, lost, now, None)
    await house.engine.blocks.save(made)
    await house.engine.guard.look()
    return made


@pytest.mark.parametrize(("section", "fields"), [*FORMS, ("limits", LIMITS)])
async def test_a_section_is_saved_shown_again_and_in_the_audit_trail(
    open_hall: Hall, owner: Person, section: str, fields: dict[str, str]
) -> None:
    assert "Сохранено" in await owner.do("security/settings", section=section, **fields)
    page = (await owner.get("security")).text
    (entry,) = await open_hall.audits("settings")
    for name, text in fields.items():
        shown = text.replace("\r\n", ", ")
        if name != "code_length":  # the default
            assert name in entry.detail
        if name != "anti_pumping":
            assert re.search(rf'name="{name}"[^>]* value="{shown}"', page), name
    if section == "pumping":
        assert '<option value="strict" selected>' in page


@pytest.mark.parametrize(
    ("section", "field", "text"),
    [
        ("directions", "zones_allowed", "first"),
        ("directions", "zones_allowed", "0"),
        ("directions", "zones_allowed", "10000"),
        ("directions", "prefixes_allowed", "+7"),
        ("directions", "prefixes_allowed", "12345678901"),
        ("limits", "packets_per_ip_10min", "-1"),
        ("limits", "spend_per_day", "1.5"),
        ("pumping", "anti_pumping", "paranoid"),
    ],
)
async def test_what_is_no_limit_changes_nothing(
    open_hall: Hall, owner: Person, section: str, field: str, text: str
) -> None:
    fields = {**dict(FORMS[0][1]), **LIMITS, field: text}
    assert "Значение не подходит" in await owner.do("security/settings", section=section, **fields)
    fresh = await open_hall.house.store.account_by_id(open_hall.house.alice.id)
    assert fresh is not None and fresh.settings == open_hall.house.alice.settings


async def test_the_zones_of_the_tariff_say_whether_they_are_open(
    open_hall: Hall, owner: Person
) -> None:
    assert "1 7 ✓ разрешена" in await owner.see("security")
    await open_hall.house.change(zones_allowed=("2",))
    assert "1 7 ✕ закрыта" in await owner.see("security")


async def test_a_prefix_that_is_only_watched_is_noticed(open_hall: Hall, owner: Person) -> None:
    assert "Таких префиксов сейчас нет" in await owner.see("security")
    await block(open_hall)
    text = await owner.see("security")
    assert "7912345**** … замечен 0 из 20" in text
    assert "похоже на накрутку" in await owner.see("")


async def test_a_blocked_prefix_is_listed_and_unblocked_for_a_day(
    open_hall: Hall, owner: Person
) -> None:
    await open_hall.house.change(anti_pumping=AntiPumping.STANDARD)
    await block(open_hall)
    assert "7912345**** ✕ заблокирован 0 из 20" in await owner.see("security")
    text = await owner.do("security/unblock", prefix="7912345")
    assert "Префикс снова открыт" in text
    assert "7912345**** ✓ открыт вами" in text
    assert (await open_hall.house.send("79123450001")).packet_id
    (entry,) = await open_hall.audits("prefix_unblocked")
    assert (entry.actor, entry.detail) == ("owner", "7912345****")
    assert "похоже на накрутку" not in await owner.see("")


async def test_unblocking_asks_for_the_password(open_hall: Hall, owner: Person) -> None:
    made = await block(open_hall)
    await open_hall.stale()
    refused = await owner.do("security/unblock", prefix="7912345", page="security")
    assert "Пароль кабинета не подошёл" in refused
    assert await open_hall.house.engine.blocks.of_account(made.account_id, limit=9) == [made]


async def test_nobody_sees_or_unblocks_the_prefixes_of_another_account(
    open_hall: Hall, owner: Person
) -> None:
    bob = await open_hall.house.store.account("bob")
    assert bob is not None
    made = await block(open_hall, account_id=bob.id)
    assert "7912345" not in await owner.see("security")
    assert "Значение не подходит" in await owner.do("security/unblock", prefix="7912345")
    assert await open_hall.house.engine.blocks.of_account(bob.id, limit=9) == [made]


async def test_who_may_change_no_settings_unblocks_nothing(open_hall: Hall) -> None:
    await block(open_hall)
    for login in ("finance", "support"):
        async with open_hall.person(login) as person:
            assert (await person.post("security/unblock", prefix="7912345")).status_code == 403


async def lost_codes(hall: Hall) -> None:
    """Of three codes to two prefixes one arrives."""
    house = hall.house

    async def answers(delivery: Delivery, journal: Journal) -> Observation:
        if delivery.phone.startswith("7913"):
            said = (Event.ACCEPTED, Event.READ)
            return house.telegram.said(delivery, *said, provider_id=str(delivery.message_id))
        return house.telegram.said(delivery, Event.REJECTED, reason=Reason.REJECTED)

    house.telegram.answer = house.sms.answer = answers
    for phone in ("79123450001", "79123450002", "79130000001"):
        sent = await house.send(phone)

        async def is_over(sent=sent) -> bool:
            return (await house.messages(sent))[-1].state.is_final

        await until(is_over)


async def test_the_report_names_the_prefixes_and_addresses_that_lose_codes(
    open_hall: Hall, owner: Person
) -> None:
    await lost_codes(open_hall)
    text = await owner.see("reports")
    assert "7912345**** 0% 0 из 2" in text.replace("\xa0", "").replace(" %", "%")
    assert "192.0.2.1" in text and "1 из 3" in text
    assert "7913000****" not in text


async def test_who_sees_no_full_numbers_sees_no_full_prefixes(open_hall: Hall) -> None:
    await lost_codes(open_hall)
    async with open_hall.person("finance") as finance:
        page = words((await finance.get("reports")).text)
    assert "7912***" in page
    assert "7912345" not in page


async def test_a_period_in_which_all_arrived_says_so(open_hall: Hall, owner: Person) -> None:
    async def reads(delivery: Delivery, journal: Journal) -> Observation:
        said = (Event.ACCEPTED, Event.READ)
        return open_hall.house.telegram.said(delivery, *said, provider_id="1")

    open_hall.house.telegram.answer = reads
    sent = await open_hall.house.send()

    async def is_read() -> bool:
        return (await open_hall.house.messages(sent))[0].state.is_final

    await until(is_read)
    assert "Все последние коды дошли" in await owner.see("reports")
