"""Providers that misbehave, through the real protocols: outcome and money are right each time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pytest
from tests.e2e.caller import Caller, until

pytestmark = pytest.mark.e2e

FALLBACK = ["7", "6"]
READ = ["6"]
COSTS = {("1", "6"): "2.10", ("1", "7"): "0.00", ("2", "5"): "0.00"}
"""(num, result) -> what it costs; an SMS that the operator took costs its price."""


@pytest.fixture(autouse=True)
def _as_usual(shared: Caller) -> Iterator[None]:
    """Each test finds, and leaves, providers without faults."""
    yield
    shared.control("/faults/clear", now=True)
    shared.control("/reports", duplicates=0, drop=0, stale_s=0, reorder_s=0, early=False)
    shared.control("/smsc", resp_id="decimal", receipt_id="decimal", tlvs=True, text=True)
    shared.control("/smsc", early=False, duplicates=0)


def _phones(prefix: str, names: Iterable[str]) -> dict[str, str]:
    return {name: f"{prefix}{n:04d}" for n, name in enumerate(names)}


def _results(caller: Caller, sent: dict[str, str], seconds: float = 60) -> list[str]:
    """How the packet's messages ended; who paid for what is checked on the way."""
    messages = caller.until_final(sent["packet_id"], seconds)
    for message in messages:
        ended = message["num"], message["result_id"]
        assert message["message_cost"] == COSTS.get(ended, "4.20"), messages
    assert {message["message"] for message in messages} == {sent["code"]}
    return [message["result_id"] for message in messages]


TELEGRAM_ERRORS: dict[str, tuple[str, str, list[str]]] = {
    "PHONE_NUMBER_NOT_AVAILABLE": ("error", "checksendability", FALLBACK),
    "PHONE_NUMBER_NOT_FOUND": ("error", "checksendability", FALLBACK),
    "PHONE_NUMBER_INVALID": ("error", "checksendability", FALLBACK),
    "PHONE_NUMBER_MISMATCH": ("error", "sendverificationmessage", FALLBACK),
    "REQUEST_ID_INVALID": ("error", "sendverificationmessage", READ),
    "REQUEST_ID_REQUIRED": ("error", "sendverificationmessage", READ),
    "MESSAGE_ALREADY_SENT": ("error", "sendverificationmessage", FALLBACK),
    "CODE_INVALID": ("error", "sendverificationmessage", FALLBACK),
    "PAYLOAD_INVALID": ("error", "sendverificationmessage", FALLBACK),
    "TTL_INVALID": ("error", "sendverificationmessage", FALLBACK),
    "CALLBACK_URL_INVALID": ("error", "sendverificationmessage", FALLBACK),
    "SENDER_NOT_VERIFIED": ("error", "sendverificationmessage", READ),
    "FLOOD_WAIT_1": ("error", "checksendability", READ),
    "FLOOD_WAIT": ("error", "sendverificationmessage", READ),
    "A_WORD_OF_TOMORROW <b>&\"'": ("error", "sendverificationmessage", FALLBACK),
    "lost before the check": ("lost_before", "checksendability", READ),
    "lost after the check": ("lost_after", "checksendability", READ),
    "lost before the send": ("lost_before", "sendverificationmessage", READ),
    "lost after the send": ("lost_after", "sendverificationmessage", READ),
    "502 to the check": ("status", "checksendability", READ),
    "502 to the send": ("status", "sendverificationmessage", READ),
    "garbage to the check": ("garbage", "checksendability", READ),
    "garbage to the send": ("garbage", "sendverificationmessage", READ),
    "half an answer": ("truncated", "sendverificationmessage", READ),
    "an empty answer": ("empty", "sendverificationmessage", READ),
    "garbage to a poll": ("garbage", "checkverificationstatus", READ),
}
"""Every class of telegram.md 1.4: what goes wrong once -> results with to_sms=1. After
MESSAGE_ALREADY_SENT nothing was really sent here, so nobody reads it."""


def test_every_error_of_telegram_ends_as_its_class_says(shared: Caller) -> None:
    phones = _phones("7911100", TELEGRAM_ERRORS)
    for name, (kind, method, _) in TELEGRAM_ERRORS.items():
        more = {"arg": name} if kind == "error" else {}
        shared.control("/faults", kind=kind, method=method, phone=phones[name], **more)
    sents = {name: shared.send(phone, to_sms=1, valid_period=200) for name, phone in phones.items()}
    ended = {name: _results(shared, sent) for name, sent in sents.items()}
    assert ended == {name: results for name, (_, _, results) in TELEGRAM_ERRORS.items()}
    for name, phone in phones.items():
        assert len(shared.truth("send", phone)) <= 1, name
    assert shared.problems() == []


REPORTS: dict[str, dict[str, object]] = {
    "doubled": {"duplicates": 9},
    "out of order": {"reorder_s": 1},
    "stale": {"stale_s": 4_000},
    "dropped": {"drop": -1},
    "before the answer to the send": {"early": True},
}


@pytest.mark.parametrize("name", REPORTS)
def test_reports_in_any_shape_end_alike(shared: Caller, name: str) -> None:
    shared.control("/reports", **REPORTS[name])
    number = list(REPORTS).index(name)
    wanted = {"read": READ, "unread": FALLBACK, "undelivered": FALLBACK, "absent": FALLBACK}
    phones = _phones(f"791120{number}", wanted)
    for outcome, phone in phones.items():
        shared.control("/phones", phone=phone, telegram=outcome)
    before = len(shared.ledger())
    sents = {o: shared.send(phone, to_sms=1, valid_period=60) for o, phone in phones.items()}
    assert {o: _results(shared, sent) for o, sent in sents.items()} == wanted
    assert len(shared.ledger()) - before == 4 + 3 * 2
    assert shared.problems() == []


def test_a_read_after_the_sms_left_is_on_record_and_moves_no_money(shared: Caller) -> None:
    phone = "79113000001"
    shared.control("/phones", phone=phone, telegram="unread")
    sent = shared.send(phone, to_sms=1, valid_period=30)
    assert _results(shared, sent) == FALLBACK
    entries = shared.ledger()
    assert shared.control("/read", phone=phone)["ok"]

    def told() -> bool:
        query = f"select detail from event where packet_id = {sent['packet_id']} order by id"
        return ("read",) in shared.rows(query)

    until(told, 10)
    assert _results(shared, sent) == FALLBACK
    assert shared.ledger() == entries


def test_a_code_that_arrives_after_it_expired_moves_no_money(shared: Caller) -> None:
    phone = "79113000002"
    shared.control("/phones", phone=phone, telegram="late")
    sent = shared.send(phone, to_sms=1, valid_period=30)
    assert _results(shared, sent) == FALLBACK
    assert shared.problems() == []


IDS = (
    ("decimal", "decimal"),
    ("decimal", "hex"),
    ("decimal_stripped", "decimal"),
    ("hex", "decimal_stripped"),
    ("hex", "hex_upper"),
    ("hex_stripped", "hex"),
    ("hex_upper", "hex_stripped"),
)


@pytest.mark.parametrize(("resp_id", "receipt_id"), IDS)
def test_receipts_match_however_the_smsc_spells_its_ids(
    shared: Caller, resp_id: str, receipt_id: str
) -> None:
    shared.control("/smsc", resp_id=resp_id, receipt_id=receipt_id)
    number = IDS.index((resp_id, receipt_id))
    _by_sms(shared, f"7911400{number:04d}")


SHAPES: dict[str, dict[str, object]] = {
    "before the answer to the submit": {"early": True},
    "early, in another spelling": {"early": True, "resp_id": "hex", "receipt_id": "decimal"},
    "ten times": {"duplicates": 9},
    "text only": {"tlvs": False},
    "tlvs only": {"text": False},
    "text only, in hex": {"tlvs": False, "resp_id": "decimal", "receipt_id": "hex_upper"},
}


@pytest.mark.parametrize("name", SHAPES)
def test_receipts_count_in_any_shape(shared: Caller, name: str) -> None:
    shared.control("/smsc", **SHAPES[name])
    _by_sms(shared, f"7911500{list(SHAPES).index(name):04d}")


def _by_sms(shared: Caller, phone: str) -> None:
    """One code to a phone without Telegram, delivered by SMS; one undelivered beside it."""
    shared.control("/phones", phone=phone, telegram="absent")
    other = str(int(phone) + 1_000)
    shared.control("/phones", phone=other, telegram="absent", sms="undeliverable")
    sents = [shared.send(one, to_sms=1, valid_period=300) for one in (phone, other)]
    assert [_results(shared, sent) for sent in sents] == [["7", "6"], ["7", "7"]]
    assert len(shared.truth("sms", phone)) == 1
    assert shared.rows("select count(*) from parked") == [(0,)]
    assert shared.problems() == []


SMSC_FAULTS: dict[str, tuple[dict[str, object], int, list[str]]] = {
    "throttle": ({"times": 3}, 1, ["7", "6"]),
    "queue_full": ({"times": 2}, 1, ["7", "6"]),
    "slow": ({"arg": 1}, 1, ["7", "6"]),
    "disconnect": ({}, 1, ["7", "6"]),
    "disconnect_after": ({}, 2, ["7", "6"]),
    "reject": ({}, 0, ["7", "5"]),
}
"""What the SMSC does to the first submits -> how often the code reached it at most, results."""


@pytest.mark.parametrize("kind", SMSC_FAULTS)
def test_faults_of_the_smsc_neither_lose_nor_multiply_the_code(shared: Caller, kind: str) -> None:
    more, most, results = SMSC_FAULTS[kind]
    phone = f"7911600{list(SMSC_FAULTS).index(kind):04d}"
    shared.control("/phones", phone=phone, telegram="absent")
    shared.control("/faults", place="smsc", kind=kind, phone=phone, **more)
    sent = shared.send(phone, to_sms=1, valid_period=300)
    assert _results(shared, sent) == results
    assert len(shared.truth("sms", phone)) <= most
    assert {x["text"] for x in shared.truth("sms", phone)} <= {f"Код: {sent['code']}"}
    assert shared.problems() == []


def test_a_connection_that_breaks_with_a_full_window_loses_nothing(shared: Caller) -> None:
    phones = [f"7911700{n:04d}" for n in range(30)]
    for phone in phones:
        shared.control("/phones", phone=phone, telegram="absent")
    shared.control("/faults", place="smsc", kind="disconnect_after", phone=phones[10])
    sents = [shared.send(phone, to_sms=1, valid_period=300) for phone in phones]
    assert [_results(shared, sent) for sent in sents] == [FALLBACK] * len(phones)
    for phone, sent in zip(phones, sents, strict=True):
        texts = [entry["text"] for entry in shared.truth("sms", phone)]
        assert 1 <= len(texts) <= 2
        assert set(texts) == {f"Код: {sent['code']}"}
    assert shared.problems() == []


def test_an_empty_credit_at_telegram_stops_nobodys_code(shared: Caller) -> None:
    """Last of this file: the breaker stays open for a while after it."""
    shared.control("/balance", credit=0)
    phones = [f"7911800{n:04d}" for n in range(3)]
    sents = [shared.send(phone, to_sms=1, valid_period=300) for phone in phones]
    assert [_results(shared, sent) for sent in sents] == [FALLBACK] * 3
    assert [shared.truth("send", phone) for phone in phones] == [[], [], []]
    assert shared.problems() == []
