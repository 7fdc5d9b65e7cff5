"""A bad setting stops the start, names itself and shows no secret."""

from __future__ import annotations

from typing import Any

import pytest

from kodgate.channels import Setup, load
from kodgate.channels.telegram import TelegramSettings

from .fake import Clock

GOOD: dict[str, Any] = {"token": "canary-token"}


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"base_url": "http://127.0.0.1:8081"},
        {"base_url": "http://localhost:8081/"},
        {"base_url": "http://[::1]:8081"},
        {"base_url": "https://relay.example/telegram"},
        {"callback_url": "https://gate.example/callbacks/telegram"},
        {"callback_url": "http://127.0.0.1:8080/callbacks/telegram"},
        {"proxy": "http://alice:canary-secret@proxy.example:3128"},
        {"sender_username": "bobs_shop"},
    ],
)
def test_what_an_operator_may_set(changes: dict[str, Any]) -> None:
    assert "canary" not in repr(TelegramSettings(**(GOOD | changes)))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("token", ""),
        ("token", "canary\r\nX-Evil: 1"),
        ("token", "canary жетон"),
        ("base_url", "http://gatewayapi.telegram.org"),
        ("base_url", "http://127.0.0.1.evil.example"),
        ("base_url", "http://0x7f000001"),
        ("base_url", "ftp://127.0.0.1"),
        ("base_url", "gatewayapi.telegram.org"),
        ("base_url", "https://"),
        ("base_url", "https://[::1"),
        ("base_url", "https://host:99999"),
        ("base_url", "https://host/?access_token=canary"),
        ("callback_url", "http://gate.example/"),
        ("callback_url", "https://gate.example/" + "x" * 256),
        ("proxy", "socks5://proxy.example"),
        ("proxy", "proxy.example:3128"),
        ("sender_username", "@bobs shop"),
        ("expected_cost", -1),
        ("polls_per_s", 0),
        ("concurrency", 0),
        ("timeout_s", 0),
        ("timeout_s", 61),
    ],
)
def test_a_bad_setting_is_refused_by_name_without_its_value(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=name) as refused:
        TelegramSettings(**(GOOD | {name: value}))
    assert "canary" not in str(refused.value)


def setup(settings: dict[str, Any]) -> Setup:
    return Setup(
        clock=Clock(),
        settings=settings,
        desk=None,  # type: ignore[arg-type]
        on_call=lambda method, outcome, seconds: None,
    )


def test_the_channel_is_found_by_its_name() -> None:
    channel = load()["telegram"](setup(GOOD | {"concurrency": 7}))
    assert channel is not None
    assert (channel.name, channel.family, channel.attempts_max) == ("telegram", "messenger", 3)
    assert channel.room() == 7


def test_without_a_token_there_is_no_such_channel() -> None:
    assert load()["telegram"](setup({"token": "", "base_url": "nonsense"})) is None
