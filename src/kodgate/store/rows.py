"""Between table rows and the values of `core`: column orders, and what is kept as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import MISSING, asdict, fields
from enum import StrEnum
from functools import lru_cache
from typing import Any

from kodgate.core.accounts import Account, AccountSettings, AccountStatus, Secret
from kodgate.core.ledger import Funds
from kodgate.core.types import (
    Booking,
    BookingKind,
    Event,
    Message,
    Observation,
    Packet,
    Plan,
    PlannedStep,
    Reason,
    RefundWord,
    State,
    Success,
    Task,
)
from kodgate.store import LedgerEntry, PacketRow

Row = Sequence[Any]

PACKET = (
    "id, account_id, created_at, zone, ttl_s, phone, phone_digest, phone_mask, code, code_digest,"
    " key_day, dialect, user_packet_id, user_message_id, test, caller_ip, plan, held, reserve,"
    " answered_at, confirm_tries, confirmed_at, final_at"
)
MESSAGE = (
    "id, packet_id, num, channel, state, price, created_at, ends_at, decide_at, due_at, task,"
    " handover_at, reason, attempts, epoch, lease_until, provider_id, settles_at, refunded,"
    " delivered_at, final_at, corrected, corrected_at, node"
)
ACCOUNT = (
    "id, login, name, status, tariff, credit_limit, balance, held, created_at, settings, spent_on,"
    " spent, stopped_at, stopped_why"
)
FUNDS = "id, balance, held, credit_limit, spent_on, spent, stopped_at"
MONEY = "id, balance, held, spent_on, spent"
TRANSFER = (
    "account_id, at, kind, debit, credit, amount, customer, balance_after, packet_id, message_id,"
    " attempt, document, comment"
)
LEDGER = "id, at, kind, customer, balance_after, packet_id, message_id, document, comment"

_STATES = {word.value: word for word in State}
_TASKS: dict[str | None, Task | None] = {None: None} | {word.value: word for word in Task}
_REASONS: dict[str | None, Reason | None] = {None: None} | {word.value: word for word in Reason}
_EVENTS: dict[str | None, Event | None] = {None: None} | {word.value: word for word in Event}


@lru_cache(maxsize=1024)
def plan_text(plan: Plan) -> str:
    return json.dumps([asdict(step) for step in plan], separators=(",", ":"))


@lru_cache(maxsize=1024)
def plan_of(text: str) -> Plan:
    return tuple(
        PlannedStep(
            **{
                **step,
                "success": Success(step["success"]),
                "refund": RefundWord(step["refund"]),
            }
        )
        for step in json.loads(text)
    )


def message_row(
    message: Message, packet_id: int, *, message_id: int, node: str | None = None
) -> tuple[Any, ...]:
    """In the order of `MESSAGE`; `node`: who holds its lease."""
    return (
        message_id,
        packet_id,
        message.num,
        message.channel,
        message.state.value,
        message.price,
        message.created_at,
        message.ends_at,
        message.decide_at,
        message.due_at,
        message.task and message.task.value,
        message.handover_at,
        message.reason and message.reason.value,
        message.attempts,
        message.epoch,
        message.lease_until,
        message.provider_id,
        message.settles_at,
        int(message.refunded),
        message.delivered_at,
        message.final_at,
        message.corrected and message.corrected.value,
        message.corrected_at,
        node,
    )


def message_of(row: Row) -> Message:
    return Message(
        id=row[0],
        num=row[2],
        channel=row[3],
        state=_STATES[row[4]],
        price=row[5],
        created_at=row[6],
        ends_at=row[7],
        decide_at=row[8],
        due_at=row[9],
        task=_TASKS[row[10]],
        handover_at=row[11],
        reason=_REASONS[row[12]],
        attempts=row[13],
        epoch=row[14],
        lease_until=row[15],
        provider_id=row[16],
        settles_at=row[17],
        refunded=bool(row[18]),
        delivered_at=row[19],
        final_at=row[20],
        corrected=_EVENTS[row[21]],
        corrected_at=row[22],
    )


def packet_of(row: Row, messages: Iterable[Message]) -> PacketRow:
    """A row in the order of `PACKET`, with its messages in the order of their numbers."""
    packet = Packet(
        id=row[0],
        account_id=row[1],
        plan=plan_of(row[16]),
        held=row[17],
        reserve=bool(row[18]),
        answered_at=row[19],
        confirm_tries=row[20],
        confirmed_at=row[21],
    )
    return PacketRow(
        packet=packet,
        messages=tuple(messages),
        created_at=row[2],
        zone=row[3],
        ttl_s=row[4],
        phone=row[5],
        phone_digest=row[6],
        phone_mask=row[7],
        code=row[8],
        code_digest=row[9],
        key_day=row[10],
        dialect=row[11],
        user_packet_id=row[12],
        user_message_id=row[13],
        test=bool(row[14]),
        caller_ip=row[15],
    )


def final_at(messages: Sequence[Message]) -> int | None:
    """A packet's end: that of its newest message, the last one."""
    return messages[-1].final_at


def account_of(row: Row, secrets: Iterable[Row]) -> Account:
    return Account(
        id=row[0],
        login=row[1],
        name=row[2],
        status=AccountStatus(row[3]),
        tariff=row[4],
        credit_limit=row[5],
        balance=row[6],
        held=row[7],
        created_at=row[8],
        settings=settings_of(row[9]),
        spent_on=row[10],
        spent=row[11],
        stopped_at=row[12],
        stopped_why=row[13],
        secrets=tuple(
            Secret(id=s[0], digest=s[1], created_at=s[2], expires_at=s[3]) for s in secrets
        ),
    )


def funds_of(row: Row) -> Funds:
    """Of a row in the order of `FUNDS`, after the account's id."""
    return Funds(balance=row[1], held=row[2], credit_limit=row[3], spent_on=row[4], spent=row[5])


def money_row(account_id: int, funds: Funds) -> tuple[int, ...]:
    """In the order of `MONEY`."""
    return (account_id, funds.balance, funds.held, funds.spent_on, funds.spent)


def settings_text(settings: AccountSettings) -> str:
    return json.dumps(asdict(settings), ensure_ascii=False, sort_keys=True)


def settings_of(text: str) -> AccountSettings:
    """Unknown fields, of a newer version, are left out; missing ones have their default."""
    saved = json.loads(text)
    known = {}
    for field in fields(AccountSettings):
        if field.name in saved:
            known[field.name] = _like(field.default, saved[field.name])
    return AccountSettings(**known)


def _like(default: Any, saved: Any) -> Any:
    assert default is not MISSING
    if isinstance(default, StrEnum | tuple):
        return type(default)(saved)
    return saved


def ledger_of(row: Row) -> LedgerEntry:
    return LedgerEntry(
        id=row[0],
        at=row[1],
        kind=row[2],
        amount=row[3],
        balance_after=row[4],
        packet_id=row[5],
        message_id=row[6],
        document=row[7],
        comment=row[8],
    )


def observation_text(seen: Observation) -> str:
    """Everything but its instant, so that a repeated receipt has the same text."""
    body = {name: what for name, what in asdict(seen).items() if what and name != "at"}
    return json.dumps(body, ensure_ascii=False, sort_keys=True)


def observation_of(text: str, at: int) -> Observation:
    body = json.loads(text)
    body["keys"] = tuple(body.get("keys", ()))
    body["events"] = tuple(Event(word) for word in body.get("events", ()))
    body["bookings"] = tuple(
        Booking(**{**entry, "kind": BookingKind(entry["kind"])})
        for entry in body.get("bookings", ())
    )
    if "reason" in body:
        body["reason"] = Reason(body["reason"])
    return Observation(at=at, **body)
