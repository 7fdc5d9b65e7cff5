"""`kodgate send` and `kodgate balance`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from kodgate.cli import exits, watching
from kodgate.cli.door import Door, run, write

if TYPE_CHECKING:
    from kodgate import Client, SentCode

Test = Literal[0, 1, -1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """What `kodgate send` was asked to send."""

    phone: str
    code: str | None
    to_sms: bool
    valid_period: int | None
    message_id: str | None
    test: Test


def send(door: Door, asked: Code, *, wait: bool) -> int:
    """Prints ids, cost and code; with `wait`, follows the packet to its end."""

    def work(client: Client) -> int:
        sent = client.send(
            asked.phone,
            code=asked.code,
            to_sms=asked.to_sms,
            valid_period=asked.valid_period,
            message_id=asked.message_id,
            test=asked.test,
        )
        write(door, _row(sent))
        if not wait or asked.test == -1:
            return exits.OK
        return watching.follow(client, sent.packet_id, output=door.output, timeout_s=_wait_s(asked))

    return run(door, work, simulated=asked.test == -1)


def balance(door: Door) -> int:
    """Prints what can be spent."""

    def work(client: Client) -> int:
        write(door, {"balance": str(client.balance())})
        return exits.OK

    return run(door, work)


def _row(sent: SentCode) -> dict[str, object]:
    found: dict[str, object] = {
        "packet_id": sent.packet_id,
        "message_id": sent.message_id,
        "phone": sent.phone,
        "code": sent.code,
        "cost": str(sent.cost),
    }
    if sent.balance_after is not None:
        found["balance_after"] = str(sent.balance_after)
    if sent.user_message_id is not None:
        found["user_message_id"] = sent.user_message_id
    return found


def _wait_s(asked: Code) -> float:
    """The period, and as much again for an SMS to arrive."""
    from kodgate.client.sync import WAIT_S

    period = asked.valid_period or WAIT_S
    return period * 2 + 30
