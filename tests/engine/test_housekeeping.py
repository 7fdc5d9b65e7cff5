"""Keys that nobody needs are dropped, codes are masked, crash points do what they say."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.engine.house import House, house, until

from kodgate.core.accounts import AccountSettings
from kodgate.core.requests import Mode, StatusQuery
from kodgate.core.types import Event, Observation, State
from kodgate.engine import Engine, crash

DAY_S = 86_400


async def _sent_and_ended(home: House) -> int:
    """A packet that a provider rejected at once."""
    sent = await home.send(mode=Mode.TELE)
    rejected = Observation(
        at=home.clock.now(),
        source="receipt",
        message_id=sent.messages[0].message_id,
        events=(Event.UNDELIVERED,),
    )
    await home.store.record([rejected])
    assert (await home.messages(sent))[0].state is State.FAILED
    return sent.packet_id


async def _code(home: House, packet_id: int) -> str:
    query = StatusQuery(packet_id=packet_id)
    return (await home.engine.status(home.alice, query, caller_ip="")).asked.code


async def test_a_code_is_masked_after_its_retention(tmp_path: Path) -> None:
    async with house(tmp_path, running=False) as home:
        packet_id = await _sent_and_ended(home)
        home.pass_s(DAY_S - 1)
        assert (await _code(home, packet_id)).isdigit()
        home.pass_s(2)
        assert await _code(home, packet_id) == "******"


async def test_the_codes_of_an_open_packet_are_never_masked(tmp_path: Path) -> None:
    async with house(tmp_path, running=False) as home:
        sent = await home.send(ttl_s=36_000)
        home.pass_s(30 * DAY_S)
        assert await _code(home, sent.packet_id) == sent.messages[0].code


async def _house_kept(engine: Engine) -> bool:
    return engine._purged_at is not None


async def test_the_key_of_codes_that_nobody_may_read_is_dropped(tmp_path: Path) -> None:
    async with house(tmp_path, running=False) as home:
        packet_id = await _sent_and_ended(home)
        home.pass_s(3 * DAY_S)
        await home.engine.start()
        await until(lambda: _house_kept(home.engine))
        assert home.keyring.days("code") == []
        assert len(home.keyring.days("phone")) == 1
        assert await _code(home, packet_id) == "****"
        await home.engine.stop()


async def test_the_key_of_an_open_packet_stays(tmp_path: Path) -> None:
    async with house(tmp_path, running=False) as home:
        home.telegram.capacity = 0
        await home.send(mode=Mode.TELE, ttl_s=36_000)
        home.pass_s(3 * DAY_S)
        await home.engine._purge()
        assert len(home.keyring.days("code")) == 1


async def test_the_key_of_today_stays_even_without_retention(tmp_path: Path) -> None:
    async with house(tmp_path, running=False) as home:
        await home.change(code_retention_s=0)
        packet_id = await _sent_and_ended(home)
        await home.engine._purge()
        assert len(home.keyring.days("code")) == 1
        home.pass_s(1)
        assert await _code(home, packet_id) == "******"


async def test_keys_are_looked_through_once_an_hour(tmp_path: Path) -> None:
    async with house(tmp_path, running=False) as home:
        await home.engine._purge()
        first = home.engine._purged_at
        home.pass_s(3_599)
        await home.engine._purge()
        assert home.engine._purged_at == first
        home.pass_s(2)
        await home.engine._purge()
        assert home.engine._purged_at != first


async def test_a_message_of_a_channel_that_is_gone_reports_as_before(tmp_path: Path) -> None:
    async with house(tmp_path, running=False) as home:
        sent = await home.send(mode=Mode.TELE)
        timed_out = Observation(
            at=home.clock.now() + 40_000,
            source="deadline",
            message_id=sent.messages[0].message_id,
            events=(Event.ACCEPTED, Event.TIMED_OUT),
        )
        await home.store.record([timed_out])
        assert await home.results(sent) == [7]
        del home.engine.channels["telegram"]  # type: ignore[attr-defined]
        assert await home.results(sent) == [7]


def test_the_default_retention_is_a_day() -> None:
    assert AccountSettings().code_retention_s == DAY_S


def test_an_unknown_crash_point_is_named() -> None:
    with pytest.raises(ValueError, match=r"unknown crash point 'nowhere'.*claimed"):
        crash.arm("nowhere")


def test_points_that_are_not_armed_do_nothing() -> None:
    for name in crash.POINTS:
        crash.point(name, "sms")


@pytest.mark.parametrize(
    ("armed", "passed", "dies"),
    [
        ("sent", ("sent", "sms"), True),
        ("sms:sent", ("sent", "sms"), True),
        ("sms:sent", ("sent", "telegram"), False),
        ("sent", ("claimed", "sms"), False),
    ],
)
def test_an_armed_point_ends_the_process_as_a_power_cut_would(
    armed: str, passed: tuple[str, str], dies: bool
) -> None:
    code = f"from kodgate.engine import crash; crash.arm({armed!r}); crash.point(*{passed!r})"
    done = subprocess.run([sys.executable, "-c", code], timeout=60, check=False)
    assert done.returncode == (-signal.SIGKILL if dies else 0)
