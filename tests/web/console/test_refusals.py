"""Who is turned away: no session, no right, no form of ours, no fresh password."""

from __future__ import annotations

import pytest
from tests.web.console.kit import Office, Person

from kodgate.web.cabinet.console.app import PAGES
from kodgate.web.cabinet.visit import Page

OWN = [page for page in PAGES if not page.guest and page.path != "sign-out"]
SHOWN = [page for page in OWN if page.method == "GET"]
DONE = [page for page in OWN if page.method == "POST"]
SENSITIVE = [page for page in DONE if page.proof]


def address(page: Page) -> str:
    return (
        page.path.replace("{account_id}", "1")
        .replace("{name}", "telegram")
        .replace("{proposal_id}", "1")
    )


async def test_without_a_session_every_page_leads_to_the_sign_in(open_office: Office, olga: Person):
    olga.browser.cookies.clear()
    for page in SHOWN:
        answer = await olga.get(address(page))
        assert answer.status_code == 303, page.path
        assert answer.headers["location"].startswith("/console/sign-in"), page.path


async def test_without_a_session_no_form_is_heard(open_office: Office, olga: Person):
    olga.browser.cookies.clear()
    for page in DONE:
        answer = await olga.browser.post(f"/console/{address(page)}", data={"csrf": "x"})
        assert answer.headers.get("location", "").startswith("/console/sign-in"), page.path


async def test_whoever_is_no_operator_is_refused_on_every_page(open_office: Office):
    async with open_office.person("oscar") as oscar:
        for page in SHOWN:
            assert (await oscar.get(address(page))).status_code == 403, page.path


async def test_whoever_is_no_operator_is_refused_every_form(open_office: Office):
    async with open_office.person("oscar") as oscar:
        refused = await oscar.get("")
        assert 'name="csrf"' in refused.text
        for page in DONE:
            answer = await oscar.post(address(page))
            assert answer.status_code == 403, page.path
    assert [each.action for each in await open_office.people.audits(None)] == ["sign_in"]


async def test_a_form_without_the_token_of_its_session_is_refused(
    open_office: Office, olga: Person
):
    for page in DONE:
        answer = await olga.browser.post(f"/console/{address(page)}", data={"csrf": "wrong"})
        assert answer.status_code == 403, page.path


async def test_money_secrets_and_rights_ask_for_the_password_again(
    open_office: Office, olga: Person
):
    await open_office.stale()
    for page in SENSITIVE:
        text = await olga.do(address(page), page="accounts", proof="a wrong password")
        assert "Пароль кабинета не подошёл, ничего не изменено." in text, page.path
    assert {page.path for page in DONE} - {page.path for page in SENSITIVE} <= {
        "view-as",
        "tariffs/preview",
        "ledger",
        "audit",
        "queue/retry",
        "providers",
    }


async def test_the_right_password_opens_a_sensitive_form(open_office: Office, olga: Person):
    await open_office.stale()
    text = await olga.do("accounts/1/block", page="accounts/1", proof="correct horse battery")
    assert "Счёт заблокирован" in text


async def test_no_page_may_be_framed_or_cached(open_office: Office, olga: Person):
    answer = await olga.get("")
    assert answer.headers["x-frame-options"] == "DENY"
    assert answer.headers["cache-control"] == "no-store"
    assert "unsafe" not in answer.headers["content-security-policy"]


@pytest.mark.parametrize("path", ["accounts/99", "accounts/x", "accounts/٣", "nothing"])
async def test_what_does_not_exist_is_not_found(open_office: Office, olga: Person, path: str):
    assert (await olga.get(path)).status_code == 404
