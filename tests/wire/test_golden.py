"""Golden transcripts: a request, what it was understood as, an outcome, and the exact answer."""

import json
from dataclasses import asdict
from pathlib import Path

import pytest
from tests.wire.kit import DIALECTS

from kodgate.core import errors, results
from kodgate.core.accounts import AccountSettings, Charset, MissingMode, TxtStyle
from kodgate.core.errors import Refused
from kodgate.core.requests import (
    Balance,
    Confirmed,
    MessageStatus,
    PacketStatus,
    Refusal,
    Sent,
    SentMessage,
)
from kodgate.wire import HttpRequest

GOLDEN = Path(__file__).parent / "golden"
CASES = sorted(path for name in DIALECTS for path in (GOLDEN / name).glob("*.json"))
SETTINGS = {"missing_mode": MissingMode, "charset": Charset, "txt_style": TxtStyle}


@pytest.mark.parametrize("path", CASES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_transcript_is_replayed_byte_for_byte(path):
    case = json.loads(path.read_text(encoding="utf-8"))
    dialect = DIALECTS[path.parent.name]
    settings = AccountSettings(
        **{name: SETTINGS[name](value) for name, value in case["settings"].items()}
    )
    call = dialect.read(http_request(**case["request"]))
    assert understood(dialect, call, settings) == case["parsed"]
    answer = rendered(dialect, call, case["outcome"], settings)
    assert answer.body == path.with_suffix(".answer").read_bytes()
    assert answer.content_type == case["content_type"]
    assert [list(pair) for pair in answer.headers] == case.get("headers", [])
    assert answer.status == 200


def http_request(method, path, query, body, content_type):
    return HttpRequest(
        method=method,
        path=path,
        query=query.encode(),
        body=body.encode(),
        content_type=content_type,
    )


def understood(dialect, call, settings):
    parsers = {
        "send": lambda: dialect.parse_send(call, settings),
        "status": lambda: dialect.parse_status(call, settings),
        "confirm": lambda: dialect.parse_confirm(call),
    }
    if call.simulation:
        parsers["send"] = lambda: dialect.parse_simulation(call)
    if call.operation == "balance":
        return None
    try:
        return json.loads(json.dumps(asdict(parsers[call.operation]())))
    except Refused as refused:
        return {"refused": refused.error.name}


def rendered(dialect, call, outcome, settings):
    kind = next(iter(outcome))
    made = MAKERS[kind](outcome)
    return getattr(dialect, RENDERERS[kind])(call, made, settings)


def refused(outcome):
    more = {name: value for name, value in outcome.items() if name != "refused"}
    error = errors.BY_NAME[outcome["refused"]]
    return Refusal(error=error, caller_ip="192.0.2.1", **more)


def sent(outcome):
    messages = tuple(SentMessage(**message) for message in outcome["sent"]["messages"])
    return Sent(**(outcome["sent"] | {"messages": messages}))


def status(outcome):
    given = outcome["status"]
    messages = tuple(
        MessageStatus(**(message | {"result": results.BY_ID[message["result"]]}))
        for message in given["messages"]
    )
    return PacketStatus(**(given | {"messages": messages, "asked": messages[given["asked"]]}))


MAKERS = {
    "refused": refused,
    "sent": sent,
    "status": status,
    "balance": lambda outcome: Balance(spendable=outcome["balance"]),
    "confirmed": lambda outcome: Confirmed(**outcome["confirmed"]),
}
RENDERERS = {
    "refused": "render_refusal",
    "sent": "render_sent",
    "status": "render_status",
    "balance": "render_balance",
    "confirmed": "render_confirmed",
}
