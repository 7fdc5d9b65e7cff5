"""What the pages tell, to whom, and what their forms change."""

from __future__ import annotations

import csv
import io
import re

import httpx2
import pytest
from tests.engine.house import until
from tests.web.cabinet.kit import BASE, Hall, Person, words

from kodgate.core.requests import Credentials
from kodgate.core.types import Event
from kodgate.web.cabinet.app import PAGES
from kodgate.web.cabinet.pages.messages import STREAMS_MAX
from kodgate.web.cabinet.pages.money import harmless
from kodgate.web.cabinet.roles import RIGHTS, Role
from kodgate.web.cabinet.site import number_of, safe_path
from kodgate.web.journal import Asked

PHONE = "79995550123"
SHOWN = [page for page in PAGES if page.method == "GET" and "{" not in page.path and not page.guest]


async def _code(hall: Hall, code: str = "4711", **more: str) -> int:
    sent = await hall.house.send(PHONE, code=code, **more)
    return sent.packet_id


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.OPERATOR])
async def test_a_role_sees_its_pages_and_no_others(open_hall: Hall, role: Role) -> None:
    async with open_hall.person(role.value) as person:
        for page in SHOWN:
            answer = await person.get(page.path)
            allowed = page.right is None or page.right in RIGHTS[role]
            assert answer.status_code == (200 if allowed else 403), page.path


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.OPERATOR])
async def test_a_menu_leads_only_to_pages_that_open(open_hall: Hall, role: Role) -> None:
    async with open_hall.person(role.value) as person:
        links = re.findall(r'<li><a href="/cabinet/([^"]*)"', (await person.get()).text)
        assert links
        for link in links:
            assert (await person.get(link)).status_code == 200


@pytest.mark.parametrize(
    "path", ["security/settings", "security/secret", "users/create", "users/change", "test"]
)
async def test_support_changes_nothing(support: Person, path: str) -> None:
    assert (await support.post(path)).status_code == 403


async def test_an_operator_looks_at_an_account_on_record_and_changes_nothing(
    open_hall: Hall,
) -> None:
    async with open_hall.person("olga") as olga:
        assert "Счета" in await olga.see("messages")
        await olga.post("view-as", account="alice")
        assert "Просмотр: alice" in await olga.see("messages")
        assert (await olga.get("security")).status_code == 403
        assert (await olga.get("test")).status_code == 403
    assert [entry.detail for entry in await open_hall.audits("view_as")] == ["alice"]


async def test_a_packet_of_another_account_is_not_there(open_hall: Hall) -> None:
    number = await _code(open_hall)
    async with open_hall.person("bob") as bob:
        for path in ("", "/events", "/story.json"):
            assert (await bob.get(f"messages/{number}{path}")).status_code == 404
        assert (await bob.post(f"messages/{number}/reveal")).status_code == 404
        assert "Ничего не нашлось" in await bob.see(f"messages?q={PHONE}")


async def test_a_packet_is_found_by_whatever_is_known_of_it(
    open_hall: Hall, support: Person
) -> None:
    number = await _code(open_hall, user_message_id="order-17", user_packet_id="915")
    house = open_hall.house
    await until(lambda: _has_provider_id(open_hall, number))
    row = await house.store.packet(house.alice.id, packet_id=number)
    assert row is not None
    message = row.messages[0]
    known = (number, message.id, "order-17", "915", PHONE, "8 (999) 555-01-23", message.provider_id)
    for text in known:
        answer = await support.browser.get("/cabinet/messages", params={"q": str(text)})
        assert answer.headers.get("location") == f"/cabinet/messages/{number}", text


async def _has_provider_id(hall: Hall, number: int) -> bool:
    row = await hall.house.store.packet(hall.house.alice.id, packet_id=number)
    return row is not None and row.messages[0].provider_id is not None


async def test_filters_are_in_the_address(open_hall: Hall, owner: Person) -> None:
    await _code(open_hall)
    assert "7999***0123" in await owner.see("messages?channel=telegram")
    assert "Ничего не нашлось" in await owner.see("messages?channel=sms")
    assert "Ничего не нашлось" in await owner.see("messages?until=2001-01-01")


@pytest.mark.parametrize(
    ("query", "told"),
    [("?state=failed", True), ("?channel=sms", True), ("?state=queued", False), ("", False)],
)
async def test_a_list_says_how_far_it_looked(
    open_hall: Hall, owner: Person, query: str, told: bool
) -> None:
    page = await owner.get(f"messages{query}")
    assert ("Просмотрены последние" in page.text) is told


@pytest.mark.parametrize("query", ["?before=x&state=y&since=2026-13-40", "?q=%00&period=5"])
async def test_a_spoilt_address_is_not_an_error(owner: Person, query: str) -> None:
    for path in ("messages", "money", "reports", ""):
        assert (await owner.get(path + query)).status_code == 200


async def test_number_and_code_stay_hidden_until_they_are_asked_for_on_record(
    open_hall: Hall, owner: Person
) -> None:
    number = await _code(open_hall, "918273")
    page = (await owner.get(f"messages/{number}")).text
    assert PHONE not in page and "918273" not in page
    shown = (await owner.post(f"messages/{number}/reveal")).text
    assert PHONE in shown and "918273" in shown
    assert [entry.detail for entry in await open_hall.audits("reveal")] == [str(number)]


async def test_support_may_not_reveal(open_hall: Hall, support: Person) -> None:
    number = await _code(open_hall, "918273")
    assert (await support.post(f"messages/{number}/reveal")).status_code == 403
    for path in ("messages", f"messages/{number}", f"messages/{number}/story.json", "requests"):
        page = (await support.get(path)).text
        assert PHONE not in page and "918273" not in page, path


async def test_a_timeline_shows_each_move_of_money_with_the_balance(
    open_hall: Hall, owner: Person
) -> None:
    number = await _code(open_hall)
    text = await owner.see(f"messages/{number}")
    assert "Списание: Telegram" in text and "−2,10" in text
    balance = (await open_hall.house.store.ledger(open_hall.house.alice.id))[0].balance_after
    assert f"{balance // 10_000}".lstrip("-")[-3:] in text.replace("\xa0", "")


async def test_a_read_code_ends_the_stream_with_its_verdict(open_hall: Hall, owner: Person) -> None:
    number = await _code(open_hall)
    house = open_hall.house
    await until(lambda: _has_provider_id(open_hall, number))
    delivery = house.telegram.sends[0]
    assert house.telegram.sink is not None
    await house.telegram.sink(house.telegram.seen(delivery, Event.READ))
    stream = (await owner.get(f"messages/{number}/events")).text
    assert "прочитан" in stream and stream.endswith("event: done\ndata: end\n\n")
    last = re.findall(r"^id: ([0-9]+)$", stream, re.MULTILINE)[-1]
    again = await owner.browser.get(
        f"/cabinet/messages/{number}/events", headers={"last-event-id": last}
    )
    assert again.text == "event: done\ndata: end\n\n"


async def test_the_uniqueness_switch_is_in_force_with_the_next_request(
    open_hall: Hall, owner: Person
) -> None:
    form = {"section": "unique", "unique_message_ids": "yes", "unique_days": "7"}
    assert "Сохранено" in await owner.do("security/settings", **form)
    account = await open_hall.house.engine.accounts.by_login("alice")
    assert account is not None and account.settings.unique_message_ids


async def test_a_form_changes_its_own_section_only(open_hall: Hall, owner: Person) -> None:
    before = open_hall.house.alice
    form = {"section": "unique", "unique_message_ids": "yes", "unique_days": "30"}
    extra = {"balance": "1", "credit_limit": "1", "sender": "evil", "http_enabled": "no"}
    await owner.post("security/settings", **form, **extra)
    after = await open_hall.house.store.account_by_id(before.id)
    assert after is not None and after.settings.unique_days == 30
    assert (after.balance, after.credit_limit) == (before.balance, before.credit_limit)
    assert after.settings.sender == before.settings.sender and after.settings.http_enabled


@pytest.mark.parametrize(
    ("section", "field", "text"),
    [
        ("unique", "unique_days", "0"),
        ("unique", "unique_days", "٧"),
        ("limits", "code_length", "9"),
        ("access", "ip_allow", "300.1.1.1"),
        ("compatibility", "timezone", "Mars/Olympus"),
    ],
)
async def test_a_value_that_does_not_fit_changes_nothing(
    owner: Person, section: str, field: str, text: str
) -> None:
    assert "ничего не изменено" in await owner.do(
        "security/settings", section=section, **{field: text}
    )


def _hear(hall: Hall, **more: object) -> None:
    """One request of alice's programs."""
    journal = hall.site.journal
    asked = _asked(**{"at": journal.now(), **more})
    assert journal.counts(hall.house.alice.id, asked.error, asked.at)
    journal.keep(hall.house.alice.id, 86_400, asked)


def _asked(**more: object) -> Asked:
    known: dict[str, object] = {
        "id": "1",
        "at": 1,
        "path": "/http_in5.asp",
        "dialect": "http_asp",
        "ip": "203.0.113.7",
        "error": 1,
        "why": "no such login",
        "seconds": 0.001,
        "in_query": True,
        "packet_id": None,
        "parameters": {"phone": PHONE, "code": "918273", "to_sms": "1"},
        "body": "",
    }
    return Asked(**{**known, **more})  # type: ignore[arg-type]


async def test_an_address_list_tells_whom_it_would_have_refused(
    open_hall: Hall, owner: Person
) -> None:
    _hear(open_hall, error=0)
    form = {"section": "access", "http_enabled": "yes", "ip_allow": "198.51.100.0/24"}
    assert "за сутки был бы отклонён 1 запрос" in await owner.do("security/settings", **form)
    assert "Сохранено" in await owner.do("security/settings", **form, sure="yes")


async def test_the_request_log_says_why_and_hides_phone_and_code(
    open_hall: Hall, support: Person
) -> None:
    _hear(open_hall)
    text = await support.see("requests")
    assert "такого логина нет" in text and "Неверный логин или пароль" in text
    assert "7999***0123" in text and PHONE not in text and "918273" not in text


async def test_two_secrets_are_valid_while_one_replaces_the_other(
    open_hall: Hall, owner: Person
) -> None:
    house = open_hall.house
    made = []
    for _ in range(2):
        page = await owner.post("security/secret", overlap="24")
        found = re.search(r'id="secret">([A-Za-z0-9]{32})<', page.text)
        made.append(found and found[1])
    assert made[0] is not None and "Уже действуют два пароля" in await owner.do(
        "security/secret", overlap="24"
    )
    fresh = await owner.post("security/secret", overlap="0")
    newest = re.search(r'id="secret">([A-Za-z0-9]{32})<', fresh.text)
    assert newest is not None
    await _may_call(house, newest[1])
    page_again = (await owner.get("security")).text
    assert newest[1] not in page_again


async def _may_call(house: object, secret: str) -> None:
    engine = house.engine  # type: ignore[attr-defined]
    given = Credentials(login="alice", password=secret, in_query=False)
    await engine.authenticate(given, caller_ip="127.0.0.1")


async def test_the_csv_reads_back_as_the_ledger(open_hall: Hall, owner: Person) -> None:
    await _code(open_hall)
    body = (await owner.get("money/operations.csv")).content
    assert body.startswith(b"\xef\xbb\xbf")
    rows = list(csv.reader(io.StringIO(body.decode("utf-8-sig")), delimiter=";"))
    ledger = await open_hall.house.store.ledger(open_hall.house.alice.id)
    assert [round(float(row[2].replace(",", ".")) * 10_000) for row in rows[1:]] == [
        entry.amount for entry in ledger
    ]


@pytest.mark.parametrize("text", ["=1+1", "+7", "-1", "@x", "\t=1"])
def test_a_spreadsheet_runs_no_text_of_ours(text: str) -> None:
    assert harmless(text) == f"'{text}"


async def test_the_statement_agrees_with_the_balance(open_hall: Hall, owner: Person) -> None:
    await _code(open_hall)
    assert "остатки и операции сходятся" in await owner.see("money/statement")


async def test_stored_markup_is_only_text(open_hall: Hall) -> None:
    evil = "<script>alert(1)</script>"
    async with open_hall.person("owner", **{"user-agent": evil}) as person:
        await _code(open_hall, user_message_id=evil)
        for path in ("profile", f"messages?q={evil}"):
            page = await person.browser.get(f"/cabinet/{path}", follow_redirects=True)
            assert evil not in page.text


async def test_a_test_send_answers_as_the_wire_does(open_hall: Hall, owner: Person) -> None:
    form = {"phone_list": PHONE, "mode": "TELE", "code": "4711", "valid_period": "60"}
    text = await owner.do("test", **form, test="0", format="txt")
    assert "error_num = OK" in text and "Списание: Telegram" in text
    assert "Bad code" in await owner.do("test", **{**form, "code": "12"}, format="txt")
    assert "packet_id" in await owner.do("test", phone_list=PHONE, mode="TELE", test="-1")


@pytest.mark.parametrize(
    ("interface", "said"),
    [("json_in5", '"err_num":0'), ("json", '"state":"Accepted"'), ("nonsense", "error_num = OK")],
)
async def test_a_test_can_be_sent_through_each_interface(
    owner: Person, interface: str, said: str
) -> None:
    form = {"phone_list": PHONE, "mode": "TELE", "to_sms": "1", "message_id": "77"}
    text = await owner.do("test", **form, interface=interface, valid_period="60")
    assert said in text and "Списание: Telegram" in text


async def test_an_owner_adds_a_user_who_can_sign_in(open_hall: Hall, owner: Person) -> None:
    page = await owner.post("users/create", login="eve", role="support")
    found = re.search(r'class="secret">([A-Za-z0-9]{20})<', page.text)
    assert found is not None
    async with open_hall.guest() as eve:
        await eve.sign_in("eve", found[1])
        assert (await eve.get("messages")).status_code == 200


@pytest.mark.parametrize("role", ["operator", "root", ""])
async def test_nobody_is_made_more_than_the_account_has(owner: Person, role: str) -> None:
    assert "ничего не изменено" in await owner.do("users/create", login="eve", role=role)


async def test_the_last_owner_stays(open_hall: Hall, owner: Person) -> None:
    me = await open_hall.user("owner")
    for form in ({"act": "role", "role": "support"}, {"act": "disable"}):
        assert "единственный владелец" in await owner.do("users/change", user=me.id, **form)


async def test_a_user_of_another_account_cannot_be_changed(open_hall: Hall, owner: Person) -> None:
    bob = await open_hall.user("bob")
    assert (await owner.post("users/change", user=bob.id, act="disable")).status_code == 404


async def test_the_audit_chain_shows_an_edit(open_hall: Hall, owner: Person) -> None:
    await owner.see("actions")
    await owner.post("look", language="ru")
    await owner.get("money/operations.csv")
    assert await open_hall.people.broken_audit() is None
    await open_hall.run("update audit set actor = ? where id = ?", "nobody", 1)
    assert await open_hall.people.broken_audit() == 1


async def test_english_pages_hold_no_russian(open_hall: Hall, owner: Person) -> None:
    number = await _code(open_hall)
    await owner.post("look", language="en")
    for path in (
        *(page.path for page in SHOWN if not page.path.endswith(".csv")),
        f"messages/{number}",
    ):
        text = await owner.see(path)
        for known in ("Рус", "Русский", "Код: {code}", "Код {code}"):
            text = text.replace(known, "")
        text = re.sub(r"Соединение = .*?UTF-8&quot;\)\);|Соединение = .*?\)\);", "", text)
        assert not re.findall(r"[А-Яа-яЁё]+", text), path


async def test_a_visitor_over_plain_http_from_outside_is_sent_away(open_hall: Hall) -> None:
    transport = httpx2.ASGITransport(app=open_hall.site, client=("203.0.113.9", 5000))
    async with httpx2.AsyncClient(transport=transport, base_url=BASE) as browser:
        assert (await browser.get("/cabinet/sign-in")).status_code == 403


@pytest.mark.parametrize(
    ("text", "number"), [("17", 17), ("٧", None), ("-1", None), ("", None), ("9" * 13, None)]
)
def test_numbers_of_requests_are_ascii(text: str, number: int | None) -> None:
    assert number_of(text) == number


@pytest.mark.parametrize("path", ["//x", "/x", "a//b", "a.b", "a?b", "й", "a:b"])
def test_only_paths_of_ours_are_followed(path: str) -> None:
    assert safe_path(path) == ""


def test_words_of_a_page_are_told_from_its_tags() -> None:
    assert words("<p>a&amp;b</p><script>x</script>").strip() == "a&b"


async def test_too_many_followers_are_asked_to_wait(open_hall: Hall, owner: Person) -> None:
    number = await _code(open_hall)
    open_hall.site.streams = STREAMS_MAX
    assert (await owner.get(f"messages/{number}/events")).status_code == 503
