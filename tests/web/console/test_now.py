"""What the console's first page tells."""

from __future__ import annotations

import json

from tests.engine.house import until
from tests.web.console.kit import Office, Person


async def test_the_first_page_counts_what_was_accepted_in_the_last_minute(
    open_office: Office, olga: Person
):
    await open_office.house.send()
    text = await olga.see()
    assert "Принято за минуту 1 за час: 1" in text
    assert "Открыто сообщений 1" in text


async def test_the_first_page_names_a_channel_that_takes_nothing(open_office: Office, olga: Person):
    open_office.house.sms.live = False
    text = await olga.see()
    assert "Канал не принимает сообщения: SMS: switched away by the test" in text


async def test_the_first_page_tells_of_a_node_that_fell_silent(open_office: Office, olga: Person):
    wall = open_office.console.wall_ms()
    mark = {"since": wall - 100_000, "version": "1", "sends": ["sms"], "stopped": False}
    await open_office.house.store.put("node two", json.dumps({**mark, "at": wall - 60_000}))
    await open_office.house.store.put("node one", json.dumps({**mark, "at": wall}))
    text = await olga.see()
    assert "one 1 ✓ на связи" in text
    assert "two 1 ✕ молчит 1 мин" in text


async def test_messages_that_no_node_carries_are_told(open_office: Office, olga: Person):
    open_office.house.telegram.capacity = 0
    await open_office.house.send()
    text = await olga.see()
    assert "Сообщения ждут канала, которым не занят ни один узел: Telegram" in text


async def test_what_was_delivered_shows_as_a_share(open_office: Office, olga: Person):
    house = open_office.house
    sent = await house.send()

    async def is_sent() -> bool:
        return (await house.messages(sent))[0].state.value == "sent"

    await until(is_sent)
    text = await olga.see()
    assert "отправлено 1" in text
