"""The inbox: live, without a script, safe from strangers' pages."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import httpx2
import pytest

from kodgate.sandbox import texts

from .conftest import ALICE, BOB, Gateway, running, until


class Forms(HTMLParser):
    """The hidden fields of each form, by its action; and whether anything is inline."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.forms: dict[str, dict[str, str]] = {}
        self.inline: list[str] = []
        self.references: list[str] = []
        self._action = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.inline += [name for name in given if name.startswith("on") or name == "style"]
        if tag == "style" or (tag == "script" and "src" not in given):
            self.inline.append(tag)
        if tag in ("link", "script", "a", "form"):
            self.references += [given[n] for n in ("href", "src", "action") if n in given]
        if tag == "form":
            self._action = given["action"]
            self.forms.setdefault(self._action, {})
        if tag == "input" and given.get("type") == "hidden":
            self.forms[self._action].setdefault(given["name"], given.get("value", ""))


async def page(gateway: Gateway, **query: str) -> str:
    answer = await gateway.http.get("/inbox", params={"lang": "en"} | query)
    assert answer.status_code == 200
    return str(answer.text)


async def submit(gateway: Gateway, deed: str, **fields: str) -> httpx2.Response:
    given = Forms(await page(gateway)).forms[f"/inbox/{deed}"]
    return await gateway.http.post(f"/inbox/{deed}", data=given | fields)


@asynccontextmanager
async def stream(
    gateway: Gateway, *, last: str = "", **query: str
) -> AsyncIterator[AsyncIterator[tuple[int, dict[str, Any]]]]:
    headers = {"Last-Event-ID": last} if last else {}
    async with gateway.http.stream(
        "GET", "/inbox/stream", params={"lang": "en"} | query, headers=headers
    ) as answer:
        assert answer.headers["content-type"] == "text/event-stream"
        yield _events(answer)


async def _events(answer: httpx2.Response) -> AsyncIterator[tuple[int, dict[str, Any]]]:
    number = 0
    async for line in answer.aiter_lines():
        if line.startswith("id: "):
            number = int(line[4:])
        elif line.startswith("data: "):
            yield number, json.loads(line[6:])


async def test_a_code_stands_on_its_phones_card(gateway: Gateway) -> None:
    await gateway.send(ALICE, code="7392")
    html = await page(gateway)
    assert f'id="p{ALICE}"' in html
    assert '<p class="code">7392</p>' in html


async def test_the_page_of_one_phone_shows_that_phone_only(gateway: Gateway) -> None:
    await gateway.send(ALICE)
    await gateway.send(BOB)
    html = await page(gateway, phone="+7 999 000-00-01")
    assert f'id="p{ALICE}"' in html
    assert f'id="p{BOB}"' not in html


async def test_nothing_is_inline_and_every_link_stays_under_inbox(gateway: Gateway) -> None:
    await gateway.send("70000000004")
    answer = await gateway.http.get("/inbox")
    seen = Forms(answer.text)
    assert seen.inline == []
    assert all(one.startswith(("/inbox", "#content")) for one in seen.references)
    policy = answer.headers["content-security-policy"]
    assert "unsafe" not in policy
    assert "default-src 'none'" in policy


@pytest.mark.parametrize("name", ["inbox.css", "inbox.js", "icon.svg"])
async def test_its_files_are_served(gateway: Gateway, name: str) -> None:
    assert (await gateway.http.get(f"/inbox/static/{name}")).status_code == 200
    assert (await gateway.http.get("/inbox/static/..%2Fstate.py")).status_code == 404


async def test_a_person_without_a_script_marks_a_code_as_read(gateway: Gateway) -> None:
    request_id = await gateway.send("70000000002", ttl=3600)
    answer = await submit(gateway, "read", request_id=request_id)
    assert answer.status_code == 303
    assert answer.headers["location"] == "/inbox?lang=en#p70000000002"
    assert await gateway.delivery(request_id) == "read"


async def test_a_person_lets_a_code_expire(gateway: Gateway) -> None:
    await gateway.control("phones", phone=ALICE, telegram={"delivered_s": 20, "read_s": 25})
    request_id = await gateway.send(ALICE, ttl=30)
    await submit(gateway, "expire", request_id=request_id)

    async def expired() -> bool:
        return await gateway.delivery(request_id) == "expired"

    await until(expired)


async def test_a_person_chooses_the_next_outcome_once(gateway: Gateway) -> None:
    await gateway.send(ALICE)
    await submit(gateway, "next", phone=ALICE, telegram="absent", sms="rejected")
    assert "Set for the next code" in await page(gateway)
    error = await gateway.error("checkSendAbility", phone_number=ALICE)
    assert error == "PHONE_NUMBER_NOT_AVAILABLE"
    assert (await gateway.call("checkSendAbility", phone_number=ALICE))["ok"]


async def test_clearing_empties_the_page_and_changes_no_message(gateway: Gateway) -> None:
    request_id = await gateway.send("70000000002")
    while await gateway.delivery(request_id) == "sent":  # news after it would show the card again
        await asyncio.sleep(0.01)
    await submit(gateway, "clear")
    assert 'id="p70000000002"' not in await page(gateway)
    assert await gateway.delivery(request_id) == "delivered"


async def test_a_form_without_the_pages_token_is_refused(gateway: Gateway) -> None:
    request_id = await gateway.send("70000000002", ttl=3600)
    for token in ("", "wrong"):
        answer = await gateway.http.post(
            "/inbox/read", data={"token": token, "request_id": request_id}
        )
        assert answer.status_code == 403
    assert await gateway.delivery(request_id) != "read"


@pytest.mark.parametrize(
    "headers",
    [{"Host": "evil.example"}, {"Origin": "https://evil.example"},
     {"Sec-Fetch-Site": "cross-site"}, {"Origin": "null"}, {"Sec-Fetch-Site": "same-site"}],
)  # fmt: skip
async def test_strangers_pages_are_refused(gateway: Gateway, headers: dict[str, str]) -> None:
    await gateway.send(ALICE)
    fields = Forms(await page(gateway)).forms["/inbox/clear"]
    answer = await gateway.http.post("/inbox/clear", data=fields, headers=headers)
    assert answer.status_code == 403
    answer = await gateway.http.post("/control/reset", json={}, headers=headers)
    assert answer.status_code == 403


async def test_a_rebound_name_reads_nothing(gateway: Gateway) -> None:
    for path in ("/inbox", "/inbox/stream", "/control/log"):
        answer = await gateway.http.get(path, headers={"Host": "evil.example:8081"})
        assert answer.status_code == 403


async def test_what_arrived_is_shown_as_text_never_as_markup(gateway: Gateway) -> None:
    await gateway.control(
        "faults", kind="error", arg="<script>alert(1)</script>", method="checkSendAbility"
    )
    await gateway.call("checkSendAbility", phone_number=ALICE, payload="<img onerror=x>")
    await gateway.call("checkSendAbility", phone_number="70000000003")
    html = await page(gateway, phone='"><script>')
    assert "<script>alert" not in html
    assert Forms(html).inline == []


# --- languages ---


@pytest.mark.parametrize(
    ("asked", "accepted", "lang"),
    [
        ("", "ru-RU,ru;q=0.9,en;q=0.8", "ru"),
        ("", "en-GB,en;q=0.9,ru;q=0.1", "en"),
        ("", "de,fr", "en"),
        ("", "", "en"),
        ("en", "ru", "en"),
        ("xx", "ru", "ru"),
        ("", "ru;q=0.0, en;q=٥", "en"),
    ],
)
def test_the_language_is_asked_for_or_negotiated(asked: str, accepted: str, lang: str) -> None:
    assert texts.language(asked, accepted) == lang


def test_both_languages_have_the_same_words() -> None:
    assert texts.RU.keys() == texts.EN.keys()
    assert [key for key in texts.EN if re.search("[А-Яа-я]", texts.EN[key])] == ["other_language"]


async def test_the_russian_page_says_so(gateway: Gateway) -> None:
    answer = await gateway.http.get("/inbox", headers={"Accept-Language": "ru"})
    assert '<html lang="ru">' in answer.text
    assert "Входящие стенда" in answer.text


# --- the stream ---


async def test_a_new_code_arrives_on_an_open_page(gateway: Gateway) -> None:
    async with stream(gateway) as events:
        arriving = asyncio.ensure_future(anext(events))
        await gateway.send(ALICE, code="7392")
        _, card = await asyncio.wait_for(arriving, 5)
        assert card["phone"] == ALICE
        assert "7392" in card["html"]


async def test_a_reader_that_comes_back_gets_what_it_missed(gateway: Gateway) -> None:
    async with stream(gateway) as events:
        arriving = asyncio.ensure_future(anext(events))
        await gateway.send("70000000002")
        last, _ = await asyncio.wait_for(arriving, 5)
    await gateway.send(ALICE, code="7392")
    async with stream(gateway, last=str(last)) as events:
        found: dict[str, str] = {}
        async with asyncio.timeout(5):
            async for _, card in events:
                found[card["phone"]] = card["html"]
                if ALICE in found:
                    break
        assert "7392" in found[ALICE]


async def test_nothing_is_missed_between_the_page_and_its_stream(gateway: Gateway) -> None:
    html = await page(gateway)
    address = re.search(r'data-stream="([^"]*)"', html)
    assert address is not None
    await gateway.send(ALICE, code="7392")
    after = re.search(r"after=([0-9]+)", address[1])
    assert after is not None
    async with stream(gateway, after=after[1]) as events:
        _, card = await asyncio.wait_for(anext(events), 5)
        assert card["phone"] == ALICE


async def test_a_stream_of_one_phone_tells_of_no_other(gateway: Gateway) -> None:
    async with stream(gateway, phone=BOB) as events:
        arriving = asyncio.ensure_future(anext(events))
        await gateway.send(ALICE)
        await gateway.send(BOB)
        _, card = await asyncio.wait_for(arriving, 5)
        assert card["phone"] == BOB


async def test_an_open_stream_does_not_hold_up_the_end(tmp_path: Path) -> None:
    began = 0.0
    async with running(tmp_path) as gateway, stream(gateway, after="0") as events:
        await gateway.send(ALICE)
        await anext(events)
        began = asyncio.get_running_loop().time()
    assert asyncio.get_running_loop().time() - began < 3
