"""Accounts at the console: opened, changed, paid, blocked, and looked at."""

from __future__ import annotations

import re
from typing import Any

import pytest
from tests.web.console.kit import Office, Person, token

from kodgate.core.accounts import Account, AccountStatus
from kodgate.core.errors import Refused
from kodgate.core.requests import Credentials
from kodgate.store import sql

SECRET = re.compile(r'id="secret">([A-Za-z0-9]+)<')


async def account(office: Office, login: str = "alice") -> Account:
    found = await office.house.store.account(login)
    assert found is not None
    return found


async def test_the_list_finds_an_account_by_login_or_name(open_office: Office, olga: Person):
    await open_office.house.store.create_account(login="bob", name="Bakery", at=1)
    assert "alice" not in await olga.see("accounts?q=BAK")
    assert "bob" in await olga.see("accounts?q=bo")
    assert "Ничего не нашлось" in await olga.see("accounts?q=nobody")


async def test_a_new_account_has_no_money_and_no_secret(open_office: Office, olga: Person):
    form = {"login": "Bob", "name": "Bakery", "tariff": "default", "credit_limit": "1 000,50"}
    text = await olga.do("accounts", **form)
    assert "Счёт открыт" in text
    found = await account(open_office, "bob")
    assert (found.balance, found.credit_limit, found.secrets) == (0, 10_005_000, ())
    assert [each.detail for each in await open_office.audits("account_created")] == ["bob, default"]
    assert "нет http_password" in await olga.see("accounts")


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("login", "б", "Логин: от 2 до 64"),
        ("login", "alice", "Этот логин уже занят."),
        ("tariff", "none", "Значение не подходит"),
        ("credit_limit", "-1", "Значение не подходит"),
        ("credit_limit", "١٢", "Значение не подходит"),
    ],
)
async def test_what_is_wrong_with_a_new_account_is_said(
    open_office: Office, olga: Person, field: str, value: str, said: str
):
    form = {"login": "bob", "name": "", "tariff": "default", "credit_limit": "0", field: value}
    assert said in await olga.do("accounts", **form)
    assert len(await open_office.house.store.accounts()) == 1


async def test_a_new_secret_is_shown_once_and_works(open_office: Office, olga: Person):
    answer = await olga.post("accounts/1/secret", overlap="24")
    found = SECRET.search(answer.text)
    assert found is not None
    assert found[1] not in (await olga.get("accounts/1")).text
    credentials = Credentials(login="alice", password=found[1], in_query=False)
    engine = open_office.house.engine
    assert (await engine.authenticate(credentials, caller_ip="192.0.2.1")).login == "alice"
    assert all(found[1] not in each.detail for each in await open_office.people.audits(None))


async def test_a_third_secret_needs_the_oldest_to_end(open_office: Office, olga: Person):
    for _ in range(2):
        assert (await olga.post("accounts/1/secret", overlap="24")).status_code == 200
    assert (await olga.post("accounts/1/secret", overlap="24")).status_code == 303
    assert (await olga.post("accounts/1/secret", overlap="0")).status_code == 200


async def test_a_blocked_account_is_refused_at_once_and_works_again_after(
    open_office: Office, olga: Person
):
    answer = await olga.post("accounts/1/secret", overlap="24")
    credentials = Credentials(
        login="alice", password=SECRET.findall(answer.text)[0], in_query=False
    )
    assert "заблокирован" in await olga.do("accounts/1/block")
    with pytest.raises(Refused) as refused:
        await open_office.house.engine.authenticate(credentials, caller_ip="192.0.2.1")
    assert refused.value.error.number == 2
    assert "Счёт снова работает." in await olga.do("accounts/1/block")
    assert (await account(open_office)).status is AccountStatus.ACTIVE
    assert len(await open_office.audits("account_blocked")) == 1
    assert len(await open_office.audits("account_unblocked")) == 1


async def test_a_stopped_account_says_why_and_is_resumed(open_office: Office, olga: Person):
    await stop_alice(open_office)
    text = (await olga.get("accounts/1")).text
    assert "Приём кодов остановлен" in text
    assert "message 7000001, receipt: AssertionError" in text
    assert "остановлен" in (await olga.get("accounts")).text
    assert "нарушено правило учёта: alice" in (await olga.get("")).text
    assert "снова принимаются" in await olga.do("accounts/1/resume")
    assert (await account(open_office)).stopped_at is None
    assert "Приём кодов остановлен" not in (await olga.get("accounts/1")).text
    (line,) = await open_office.audits("account_resumed")
    assert line.detail == "alice: message 7000001, receipt: AssertionError"


async def test_a_resume_of_what_runs_leaves_no_trace(open_office: Office, olga: Person):
    await olga.do("accounts/1/resume")
    assert await open_office.audits("account_resumed") == []


async def stop_alice(office: Office) -> None:
    why = "message 7000001, receipt: AssertionError"
    await office.house.store.run([(sql.STOP_ACCOUNT, (1_000, why, 1))])  # type: ignore[attr-defined]


async def test_a_top_up_stands_first_among_the_operations(open_office: Office, olga: Person):
    before = (await account(open_office)).balance
    form = {"amount": "1 500,25", "document": "PP 17", "comment": "wire"}
    text = await olga.do("accounts/1/topup", **form)
    assert "Проведено" in text
    assert "+1 500,25 ₽" in text.replace("\xa0", " ")
    assert (await account(open_office)).balance == before + 15_002_500
    assert (await open_office.audits("topup"))[0].detail == "1500.25, PP 17"


async def test_one_document_is_booked_once(open_office: Office, olga: Person):
    form = {"amount": "10", "document": "PP 17", "comment": ""}
    await olga.do("accounts/1/topup", **form)
    before = (await account(open_office)).balance
    assert "уже пополнен" in await olga.do("accounts/1/topup", **form)
    assert (await account(open_office)).balance == before


@pytest.mark.parametrize(
    "form",
    [
        {"amount": "0", "document": "PP 1"},
        {"amount": "-5", "document": "PP 1"},
        {"amount": "", "document": "PP 1"},
        {"amount": "10", "document": " "},
        {"amount": "100000000000", "document": "PP 1"},
        {"amount": "٥", "document": "PP 1"},
    ],
)
async def test_a_top_up_needs_money_and_a_document(
    open_office: Office, olga: Person, form: dict[str, Any]
):
    before = (await account(open_office)).balance
    assert "Ничего не проведено" in await olga.do("accounts/1/topup", **form)
    assert (await account(open_office)).balance == before


async def test_a_correction_goes_either_way_and_says_why(open_office: Office, olga: Person):
    before = (await account(open_office)).balance
    form = {"amount": "−20,5", "comment": "double payment"}
    text = await olga.do("accounts/1/adjust", once="a", **form)
    assert "double payment" in text
    assert (await account(open_office)).balance == before - 205_000
    text = await olga.do("accounts/1/adjust", once="b", amount="3", comment="")
    assert "Нужны сумма, не равная нулю, и причина" in text


async def test_a_correction_that_is_clicked_twice_is_booked_once(open_office: Office, olga: Person):
    before = (await account(open_office)).balance
    page = (await olga.get("accounts/1")).text
    once = re.findall(r'name="once" value="([^"]+)"', page)[0]
    form = {"amount": "5", "comment": "gift", "once": once, "csrf": token(page)}
    await olga.do("accounts/1/adjust", **form)
    assert "Эта форма уже отправлена" in await olga.do("accounts/1/adjust", **form)
    assert (await account(open_office)).balance == before + 50_000


async def test_terms_are_saved_and_on_record(open_office: Office, olga: Person):
    form = {"tariff": "default", "credit_limit": "250"}
    assert "Сохранено" in await olga.do("accounts/1/change", **form)
    assert (await account(open_office)).credit_limit == 2_500_000
    assert "limit 250.00" in (await open_office.audits("account_changed"))[0].detail
    form["tariff"] = "unheard"
    assert "Значение не подходит" in await olga.do("accounts/1/change", **form)


async def test_a_section_of_settings_changes_its_own_fields_only(open_office: Office, olga: Person):
    form = {
        "section": "operator",
        "sender": "ALICE",
        "template": "Код {code}",
        "telegram_success": "delivered",
        "fallback_funds": "reserve",
        "unique_days": "9",
    }
    assert "Сохранено" in await olga.do("accounts/1/settings", **form)
    found = (await account(open_office)).settings
    assert (found.sender, found.telegram_success.value) == ("ALICE", "delivered")
    assert not found.telegram_allowed
    assert found.unique_days == 7
    assert "sender=ALICE" in (await open_office.audits("settings"))[0].detail


async def test_a_setting_that_may_not_be_is_not_saved(open_office: Office, olga: Person):
    form = {"section": "operator", "sender": "far too long a sender", "template": "{code}"}
    form |= {"telegram_success": "read", "fallback_funds": "reserve"}
    assert "Значение не подходит" in await olga.do("accounts/1/settings", **form)
    assert (await account(open_office)).settings.sender == "kodgate"
    assert (await olga.post("accounts/1/settings", section="nothing")).status_code == 403


async def test_the_first_owner_gets_a_password_that_is_shown_once(
    open_office: Office, olga: Person
):
    answer = await olga.post("accounts/1/user", login="otto", role="owner")
    password = SECRET.findall(answer.text)[0]
    user = await open_office.people.user("otto")
    assert user is not None
    assert user.account_id == 1
    assert await open_office.cabinet.passwords.fits(user.password, password)
    assert "Этот логин уже занят." in await olga.do("accounts/1/user", login="otto", role="owner")
    assert "Значение не подходит" in await olga.do(
        "accounts/1/user", login="other", role="operator"
    )


async def test_view_as_opens_the_clients_cabinet_and_is_on_record(
    open_office: Office, olga: Person
):
    form = {"csrf": token((await olga.get("accounts")).text), "account": "alice"}
    answer = await olga.browser.post("/cabinet/view-as", data=form)
    assert answer.headers["location"] == "/cabinet/"
    assert "Просмотр: alice" in (await olga.browser.get("/cabinet/")).text
    assert [each.account_id for each in await open_office.audits("view_as")] == [1]
