"""A channel that the operator takes out of work, and puts back."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.engine.house import until
from tests.web.console.kit import Office, office

from kodgate.channels.valve import Valve
from kodgate.core.errors import Refused
from kodgate.core.requests import Mode
from kodgate.web import drains


@pytest.fixture
async def valved(tmp_path: Path) -> AsyncIterator[Office]:
    def wrapped(lines):
        return {name: Valve(line, line.clock) for name, line in lines.items()}

    async with office(tmp_path, channels=wrapped) as found:
        yield found


async def test_new_codes_skip_a_drained_channel_and_are_refunded_there(valved: Office):
    async with valved.person() as olga:
        text = await olga.do("channels/telegram/drain", out="yes")
        assert "Telegram … выведен из работы" in text
        sent = await valved.house.send()

        async def has_fallen_back() -> bool:
            return len(await valved.house.messages(sent)) == 2

        await until(has_fallen_back)
        first = (await valved.house.messages(sent))[0]
        assert (first.state.value, first.refunded) == ("failed", True)
        assert valved.house.telegram.sends == []
        assert "Канал выведен из работы: Telegram" in await olga.see()
    assert [each.detail for each in await valved.audits("channel_drained")] == ["telegram"]


async def test_a_code_with_nowhere_to_go_is_refused_as_unavailable(valved: Office):
    async with valved.person() as olga:
        await olga.do("channels/sms/drain", out="yes")
    with pytest.raises(Refused) as refused:
        await valved.house.send(mode=Mode.SMS)
    assert refused.value.error.number == 13


async def test_a_channel_that_is_put_back_works_at_once(valved: Office):
    async with valved.person() as olga:
        await olga.do("channels/telegram/drain", out="yes")
        text = await olga.do("channels/telegram/drain", out="no")
    assert "Telegram ✓ работает" in text
    sent = await valved.house.send()

    async def is_sent() -> bool:
        return (await valved.house.messages(sent))[0].state.value == "sent"

    await until(is_sent)
    assert len(await valved.audits("channel_restored")) == 1


async def test_what_a_provider_was_asked_to_take_is_finished(valved: Office):
    house = valved.house
    sent = await house.send()

    async def is_sent() -> bool:
        return bool(house.telegram.sends)

    await until(is_sent)
    valve = house.engine.channels["telegram"]
    assert isinstance(valve, Valve)
    valve.shut = True
    again = house.telegram.sends[0]
    for begun in ({"attempt": 2}, {"provider_id": "t1"}, {"settles_at": 1}):
        await valve.send(type(again)(**{**_fields(again), **begun}), None)  # type: ignore[arg-type]
    assert len(house.telegram.sends) == 4
    assert sent.packet_id


def _fields(delivery: object) -> dict[str, object]:
    return {name: getattr(delivery, name) for name in delivery.__slots__}  # type: ignore[attr-defined]


async def test_other_nodes_follow_what_the_database_says(valved: Office):
    store, channels = valved.house.store, valved.house.engine.channels
    await drains.drain(store, "telegram", out=True)
    await drains.drain(store, "sms", out=True)
    await drains.drain(store, "sms", out=False)
    await drains.follow(store, channels.values())
    assert {name: one.shut for name, one in channels.items()} == {"telegram": True, "sms": False}


async def test_an_unknown_channel_cannot_be_drained(valved: Office):
    async with valved.person() as olga:
        assert (await olga.post("channels/pigeon/drain", out="yes")).status_code == 404
    assert await drains.drained(valved.house.store) == frozenset()
