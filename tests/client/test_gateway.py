"""The client against the real gateway, its fixture, and the lines of the pages."""

from __future__ import annotations

import re
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest
from tests.docs.tree import page

import kodgate
from kodgate.testing import Gateway, kodgate_gateway, kodgate_time_scale

__all__ = ["kodgate_gateway", "kodgate_time_scale"]

pytestmark = pytest.mark.e2e

PROTOCOLS = ("http", "json")


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_code_is_read_and_charged(kodgate_gateway: Gateway, protocol: str) -> None:
    phone = f"7912100000{PROTOCOLS.index(protocol)}"
    with kodgate_gateway.client(protocol=protocol) as alice:
        before = alice.balance()
        sent = alice.send(phone, code="04815162", message_id=1 + PROTOCOLS.index(protocol))
        assert kodgate_gateway.last_code(phone) == sent.code == "04815162"
        done = alice.wait(sent.packet_id, timeout=20, raise_on_failure=True)
        assert (done.cost, before - alice.balance()) == (Decimal("2.10"), Decimal("2.10"))


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_an_unread_code_falls_back_to_sms(kodgate_gateway: Gateway, protocol: str) -> None:
    phone = f"7912200000{PROTOCOLS.index(protocol)}"
    kodgate_gateway.will(phone, "unread")
    with kodgate_gateway.client(protocol=protocol) as alice:
        sent = alice.send(phone, to_sms=True, valid_period=30)
        seen = list(alice.watch(sent.packet_id, timeout=40))
    assert [one.is_delivered for one in seen[-1].messages] == [False, True]
    assert [one.cost for one in seen[-1].messages] == [Decimal("0.00"), Decimal("4.20")]
    assert not any(status.is_final for status in seen[:-1])
    assert kodgate_gateway.last_code(phone) == sent.code
    if protocol == "json":
        assert [one.channel for one in seen[-1].messages] == ["telegram", "sms"]


def test_a_typed_code_stops_the_fallback(kodgate_gateway: Gateway) -> None:
    kodgate_gateway.will("79123000000", "unread")
    with kodgate_gateway.client() as alice:
        sent = alice.send("79123000000", to_sms=True, valid_period=60)
        alice.wait(sent.packet_id, until="delivered", timeout=20)
        assert alice.confirm("1111", packet_id=sent.packet_id).verdict == "wrong"
        assert alice.confirm(sent.code, message_id=sent.message_id)
        done = alice.wait(sent.packet_id, timeout=20)
    assert (done.is_delivered, len(done.messages)) == (True, 1)


def test_a_chat_that_is_opened_is_a_read(kodgate_gateway: Gateway) -> None:
    kodgate_gateway.will("79124000000", "unread", once=True)
    with kodgate_gateway.client() as alice:
        sent = alice.send("79124000000")
        alice.wait(sent.packet_id, until="delivered", timeout=20)
        assert kodgate_gateway.read("79124000000")
        assert alice.wait(sent.packet_id, timeout=20).is_delivered


def test_status_by_the_own_id_and_of_nothing(kodgate_gateway: Gateway) -> None:
    with kodgate_gateway.client(protocol="json") as alice:
        sent = alice.send("79125000000", message_id="order 77/a")
        found = alice.status(user_message_id="order 77/a")
        assert (found.packet_id, found.user_message_id) == (sent.packet_id, "order 77/a")
        with pytest.raises(kodgate.NotFound):
            alice.status(packet_id=1)


def test_tests_are_free(kodgate_gateway: Gateway) -> None:
    with kodgate_gateway.client() as alice:
        before = alice.balance()
        assert alice.send("79126000000", test=1).code
        assert alice.send("79126000000", test=-1).code
        assert alice.balance() == before


async def test_the_async_client_speaks_to_the_same_gateway(kodgate_gateway: Gateway) -> None:
    async with kodgate_gateway.async_client() as alice:
        sent = await alice.send("79127000000")
        assert (await alice.wait(sent.packet_id, timeout=20)).is_delivered


def test_a_code_that_never_comes_is_a_timeout(kodgate_gateway: Gateway) -> None:
    with pytest.raises(TimeoutError, match=r"7912\*\*\*0009"):
        kodgate_gateway.last_code("79128000009", timeout=0.1)


def python_blocks(name: str) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", page(name), re.MULTILINE | re.DOTALL)


def test_the_lines_of_the_client_page_run(
    kodgate_gateway: Gateway, capsys: pytest.CaptureFixture[str]
) -> None:
    for block in python_blocks("docs/reference/sdk.md"):
        here = block.replace("http://127.0.0.1:8080", kodgate_gateway.url)
        exec(here, {"SECRET": kodgate_gateway.secret})
    assert capsys.readouterr().out.count("Message 1: delivered") == 2


def test_the_client_page_names_every_public_name() -> None:
    text = page("docs/reference/sdk.md")
    names = set(kodgate.__all__) - {"__version__"}
    assert not [name for name in sorted(names) if f"`{name}`" not in text]


def test_the_page_on_testing_is_a_test_suite_that_passes(tmp_path: Path) -> None:
    files: dict[str, str] = {}
    for block in python_blocks("docs/howto/test-your-code.md"):
        files[block.splitlines()[0].removeprefix("# ")] = block
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert "3 passed" in done.stdout, done.stdout + done.stderr
