"""Defaults of accounts and the small rules of requests and answers."""

from __future__ import annotations

import dataclasses
import inspect

import pytest

from kodgate.core import accounts, requests, results
from kodgate.core.accounts import AccountSettings
from kodgate.core.types import FallbackFunds, Success

DEFAULTS = {
    "missing_mode": accounts.MissingMode.REJECT,
    "txt_style": accounts.TxtStyle.KODGATE,
    "charset": accounts.Charset.UTF_8,
    "decimal_separator": accounts.DecimalSeparator.SEED,
    "emit_message_text": False,
    "accept_user_packet_id": False,
    "unique_message_ids": False,
    "unique_days": 7,
    "code_length": 6,
    "timezone": "Europe/Moscow",
    "telegram_success": Success.READ,
    "telegram_allowed": True,
    "fallback_funds": FallbackFunds.RESERVE,
    "sender": "",
    "template": "",
    "http_enabled": True,
    "ip_allow": (),
    "post_only": False,
    "code_retention_s": 86_400,
    "packets_per_phone_10min": 0,
    "packets_per_phone_day": 0,
    "packets_per_ip_10min": 0,
    "zones_allowed": (),
    "prefixes_allowed": (),
    "anti_pumping": "watch",
    "spend_per_day": 0,
}


def test_an_account_starts_with_the_documented_settings() -> None:
    assert dataclasses.asdict(AccountSettings()) == DEFAULTS


def test_every_setting_has_its_line_for_the_docs() -> None:
    source = inspect.getsource(AccountSettings)
    for field in dataclasses.fields(AccountSettings):
        _, _, rest = source.partition(f"    {field.name}: ")
        assert rest.split("\n")[1].lstrip().startswith('"""'), field.name


def test_credentials_do_not_show_their_password() -> None:
    shown = repr(requests.Credentials(login="alice", password="canary", in_query=True))
    assert "canary" not in shown and "alice" in shown


def test_the_life_of_a_code_has_the_documents_bounds() -> None:
    limits = (requests.TTL_MIN_S, requests.TTL_DEFAULT_S, requests.TTL_MAX_S)
    assert limits == (30, 300, 36_000)
    assert requests.SIMULATED_PHONES_MAX == 10


def test_a_send_without_more_lasts_the_default_and_is_no_test() -> None:
    sent = requests.SendRequest(phone="79123456789", mode=requests.Mode.TELE)
    assert (sent.ttl_s, sent.test, sent.code) == (300, False, None)


@pytest.mark.parametrize("costs", [(), (21_000,), (21_000, 42_000)])
def test_a_packet_costs_what_its_messages_cost(costs: tuple[int, ...]) -> None:
    sent = requests.Sent(
        packet_id=1,
        messages=tuple(
            requests.SentMessage(
                message_id=n, phone="79123456789", code="123456", zone=1, cost=cost
            )
            for n, cost in enumerate(costs)
        ),
        balance_before=100_000,
        balance_after=100_000 - sum(costs),
        caller_ip="192.0.2.1",
    )
    assert sent.packet_cost == sum(costs) == sent.balance_before - sent.balance_after


def test_a_refunded_message_costs_its_packet_nothing() -> None:
    def status(num: int, cost: int) -> requests.MessageStatus:
        return requests.MessageStatus(
            num=num,
            message_id=num,
            channel="sms",
            phone="79123456789",
            code="123456",
            zone=1,
            result=results.BY_ID[7],
            delivered_at=None,
            cost=cost,
        )

    messages = (status(1, 0), status(2, 42_000))
    packet = requests.PacketStatus(
        packet_id=1, messages=messages, asked=messages[1], caller_ip="192.0.2.1"
    )
    assert packet.packet_cost == 42_000
