"""Signing in: passwords, sessions, second factor, and what forged requests get (S-105..S-111)."""

from __future__ import annotations

import re
import time

import pyotp
import pytest
from tests.web.cabinet.kit import PASSWORD, Hall, Person, token, words

from kodgate.web.cabinet import factors


async def test_a_stranger_is_led_to_the_sign_in_page(open_hall: Hall) -> None:
    async with open_hall.guest() as stranger:
        answer = await stranger.get("money")
        assert answer.status_code == 303
        assert answer.headers["location"] == "/cabinet/sign-in?next=money"


async def test_the_right_password_opens_the_cabinet(owner: Person) -> None:
    assert "Обзор" in await owner.see()


async def test_after_signing_in_the_wanted_page_comes(open_hall: Hall) -> None:
    async with open_hall.guest() as person:
        page = await person.get("sign-in?next=messages")
        form = {"csrf": token(page.text), "login": "owner", "password": PASSWORD}
        answer = await person.browser.post("/cabinet/sign-in", data={**form, "next": "messages"})
        assert answer.headers["location"] == "/cabinet/messages"


@pytest.mark.parametrize("target", ["//evil.example", "https://evil.example", "..//x", "\\\\x"])
async def test_a_foreign_next_leads_nowhere_else(open_hall: Hall, target: str) -> None:
    async with open_hall.guest() as person:
        page = await person.get("sign-in")
        form = {"csrf": token(page.text), "login": "owner", "password": PASSWORD, "next": target}
        answer = await person.browser.post("/cabinet/sign-in", data=form)
        assert answer.headers["location"] == "/cabinet/"


async def test_a_wrong_password_and_an_unknown_login_read_the_same(open_hall: Hall) -> None:
    async with open_hall.guest() as person:
        wrong = await person.sign_in("owner", "not the password")
        unknown = await person.sign_in("nobody", "not the password")
        assert wrong.status_code == unknown.status_code == 422
        assert wrong.text.replace("owner", "?") == unknown.text.replace("nobody", "?")


async def test_a_failed_sign_in_is_in_the_audit_log(open_hall: Hall) -> None:
    async with open_hall.guest() as person:
        await person.sign_in("owner", "not the password")
    assert [entry.actor for entry in await open_hall.audits("sign_in_failed")] == ["owner"]


async def test_guessing_is_slowed_down(open_hall: Hall) -> None:
    async with open_hall.guest() as person:
        for _ in range(12):
            await person.sign_in("owner", "not the password")
        assert (await person.sign_in("owner")).status_code == 422


async def test_a_disabled_user_is_out_at_once(open_hall: Hall, support: Person) -> None:
    user = await open_hall.user("support")
    await open_hall.people.set_disabled(user.id, True)
    assert (await support.get()).status_code == 303
    assert (await support.sign_in("support")).status_code == 422


async def test_a_session_is_new_at_every_sign_in(open_hall: Hall) -> None:
    async with open_hall.guest() as person:
        person.browser.cookies.set("kodgate_session", "A" * 43)
        answer = await person.sign_in("owner")
        assert "kodgate_session=" + "A" * 43 not in answer.headers["set-cookie"]
        assert len(re.findall(r"kodgate_session=([\w-]{43});", answer.headers["set-cookie"])) == 1


async def test_the_cookie_is_kept_from_scripts_and_other_sites(open_hall: Hall) -> None:
    async with open_hall.guest() as person:
        cookie = (await person.sign_in("owner")).headers["set-cookie"]
        assert "HttpOnly" in cookie and "SameSite=lax" in cookie and "Path=/" in cookie


async def test_under_tls_cookies_belong_to_the_host_alone(open_hall: Hall) -> None:
    async with open_hall.guest(base="https://gate.example") as person:
        cookie = (await person.sign_in("owner")).headers["set-cookie"]
        assert cookie.startswith("__Host-kodgate_session=") and "Secure" in cookie
        assert (await person.get()).headers["strict-transport-security"]


async def test_after_signing_out_the_old_cookie_is_dead(open_hall: Hall, owner: Person) -> None:
    kept = dict(owner.browser.cookies)
    await owner.post("sign-out")
    owner.browser.cookies.update(kept)
    assert (await owner.get()).status_code == 303


async def test_an_idle_session_ends(open_hall: Hall, owner: Person) -> None:
    await open_hall.run("update cabinet_session set seen_at = ?", 1)
    assert (await owner.get()).status_code == 303


async def test_a_password_change_ends_the_other_sessions(open_hall: Hall, owner: Person) -> None:
    async with open_hall.person("owner") as elsewhere:
        new = "another fine phrase"
        text = await owner.do("profile/password", new=new, again=new)
        assert "Пароль изменён" in text
        assert (await elsewhere.get()).status_code == 303
        assert (await owner.get()).status_code == 200


@pytest.mark.parametrize(
    ("headers", "csrf"),
    [
        ({}, ""),
        ({}, "wrong"),
        ({"origin": "https://evil.example"}, None),
        ({"origin": "null"}, None),
        ({"sec-fetch-site": "cross-site"}, None),
        ({"sec-fetch-site": "same-site"}, None),
    ],
)
async def test_a_forged_form_is_refused(
    open_hall: Hall, owner: Person, headers: dict[str, str], csrf: str | None
) -> None:
    page = await owner.get("profile")
    form = {"csrf": token(page.text) if csrf is None else csrf, "language": "en"}
    for path in ("look", "sign-out", "security/settings", "profile/sessions"):
        answer = await owner.browser.post(f"/cabinet/{path}", data=form, headers=headers)
        assert answer.status_code == 403, path
    assert "Обзор" in await owner.see()


async def test_a_form_must_be_a_form(owner: Person) -> None:
    page = await owner.get("profile")
    body = {"csrf": token(page.text)}
    assert (await owner.browser.post("/cabinet/sign-out", json=body)).status_code == 403


async def test_a_sensitive_change_asks_for_the_password_again(
    open_hall: Hall, owner: Person
) -> None:
    await open_hall.stale()
    form = {"section": "unique", "unique_message_ids": "yes", "unique_days": "7"}
    refused = await owner.do("security/settings", **form, page="security")
    assert "Пароль кабинета не подошёл" in refused
    done = await owner.do("security/settings", **form, page="security", proof=PASSWORD)
    assert "Сохранено" in done


async def _with_totp(person: Person) -> tuple[str, list[str]]:
    page = await person.post("profile/totp")
    found = re.search(r'name="seed" value="([A-Z2-7]{32})"', page.text)
    assert found is not None
    seed = found[1]
    done = await person.post("profile/totp/on", seed=seed, code=pyotp.TOTP(seed).now())
    codes = re.search(r'<pre class="secret">([^<]+)</pre>', done.text)
    assert codes is not None
    return seed, codes[1].split()


async def test_with_a_second_factor_the_password_alone_opens_nothing(
    open_hall: Hall, owner: Person
) -> None:
    await _with_totp(owner)
    async with open_hall.person("owner") as thief:
        answer = await thief.get("messages")
        assert answer.status_code == 303 and "sign-in" in answer.headers["location"]


async def test_a_time_code_works_once(open_hall: Hall, owner: Person) -> None:
    seed, _ = await _with_totp(owner)
    later = pyotp.TOTP(seed).at(int(time.time()) + factors.STEP_S)
    async with open_hall.person("owner") as first, open_hall.person("owner") as second:
        for person, status in ((first, 303), (second, 422)):
            page = await person.get("second-factor")
            form = {"csrf": token(page.text), "code": later}
            answer = await person.browser.post("/cabinet/second-factor", data=form)
            assert answer.status_code == status


async def test_a_recovery_code_works_once(open_hall: Hall, owner: Person) -> None:
    _, codes = await _with_totp(owner)
    assert len(codes) == factors.RECOVERY_COUNT
    for status in (303, 422):
        async with open_hall.person("owner") as person:
            page = await person.get("second-factor")
            form = {"csrf": token(page.text), "code": codes[0]}
            answer = await person.browser.post("/cabinet/second-factor", data=form)
            assert answer.status_code == status
    assert len(await open_hall.audits("recovery")) == 1


async def test_a_wrong_code_does_not_switch_the_factor_on(open_hall: Hall, owner: Person) -> None:
    page = await owner.post("profile/totp/on", seed=pyotp.random_base32(), code="000000")
    assert page.status_code == 422
    assert (await open_hall.user("owner")).totp is None


async def test_every_answer_carries_the_strict_headers(owner: Person) -> None:
    for path in ("", "sign-in", "messages", "nowhere", "static/cabinet.css"):
        answer = await owner.get(path)
        policy = answer.headers["content-security-policy"]
        assert "unsafe" not in policy and "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert answer.headers["x-content-type-options"] == "nosniff"


async def test_pages_hold_no_inline_script_or_style(owner: Person) -> None:
    for path in ("", "messages", "security", "reports", "test", "profile", "documentation"):
        page = (await owner.get(path)).text
        assert not re.search(r"<script(?![^>]* src=)|<style| style=| on[a-z]+=", page), path


async def test_language_and_theme_stay_chosen(owner: Person) -> None:
    await owner.post("look", language="en")
    await owner.post("look", theme="dark")
    page = (await owner.get()).text
    assert 'lang="en"' in page and 'data-theme="dark"' in page and "Overview" in words(page)
