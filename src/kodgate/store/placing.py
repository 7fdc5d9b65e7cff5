"""A batch of orders, decided in order over what was read under lock (D6). Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from kodgate.core import ledger, life
from kodgate.core.clock import DAY_MS
from kodgate.core.ledger import Funds
from kodgate.core.orders import NotPlaced, Order, Placed, refusal
from kodgate.core.types import Message, State, Transfer
from kodgate.core.values import changed
from kodgate.store import rows

TEN_MINUTES_MS = 600_000

UNAVAILABLE = NotPlaced(error="UNAVAILABLE")


@dataclass(slots=True, kw_only=True)
class Known:
    """What accept looks at. It changes with every order that is placed."""

    funds: dict[int, Funds]
    """By account; an account that is missing, or stopped, takes no orders."""
    packet_ids: Iterator[int] = field(default_factory=lambda: iter(()))
    """Free ones."""
    message_ids: Iterator[int] = field(default_factory=lambda: iter(()))
    first: dict[tuple[int, str], tuple[int, int]] = field(default_factory=dict)
    """(account, user's message id) -> (its packet, when)."""
    live: dict[bytes, list[tuple[int, int | None]]] = field(
        default_factory=lambda: defaultdict(list)
    )
    """Code digest -> (created_at + ttl, final_at) of the packets that carry it."""
    recent: dict[bytes, list[tuple[int, int]]] = field(default_factory=lambda: defaultdict(list))
    """Phone digest -> (account, when) of its packets of the last day."""


@dataclass(slots=True, kw_only=True)
class Rows:
    """What is to be inserted, in the column orders of `rows`."""

    packets: list[tuple[Any, ...]] = field(default_factory=list)
    messages: list[tuple[Any, ...]] = field(default_factory=list)
    transfers: list[tuple[Any, ...]] = field(default_factory=list)
    unique_ids: list[tuple[int, str, int, int]] = field(default_factory=list)
    touched: set[int] = field(default_factory=set)
    """Accounts whose money changed."""


class Placing:
    """Places orders one after the other; each sees the money, ids and codes of those before it."""

    def __init__(self, known: Known) -> None:
        self.known = known
        self.rows = Rows()

    def place(self, order: Order) -> Placed | NotPlaced:
        funds = self.known.funds.get(order.account_id)
        if funds is None:
            return UNAVAILABLE
        refused = self._refusal(order, funds)
        if refused is not None:
            return refused
        placed = self._number(order, funds)
        message = _first_message(order)
        held = 0 if order.test else ledger.hold(order.plan, 0, reserve=order.reserve)
        self._store(order, placed, message, held)
        if not order.test:
            self._charge(order, funds, placed, message, held)
            self._remember(order, placed)
        return placed

    def _refusal(self, order: Order, funds: Funds) -> NotPlaced | None:
        live = self.known.live.get(order.code_digest)
        return refusal(
            order,
            funds,
            first_packet_id=self._first(order),
            code_is_live=live is not None
            and any(ended is None or until > order.at for until, ended in live),
            **(self._recent(order) if order.is_limited else {}),
        )

    def _recent(self, order: Order) -> dict[str, int]:
        """How many packets there were to the phone, in the words of `refusal`."""
        recent = self.known.recent.get(order.phone_digest, ())
        everybodys = [at for _, at in recent]
        own = [at for account, at in recent if account == order.account_id]
        return {
            "recent_10min": _since(order.at - TEN_MINUTES_MS, own),
            "recent_day": _since(order.at - DAY_MS, own),
            "all_recent_10min": _since(order.at - TEN_MINUTES_MS, everybodys),
            "all_recent_day": _since(order.at - DAY_MS, everybodys),
        }

    def _first(self, order: Order) -> int | None:
        if order.user_message_id is None or order.unique_days is None:
            return None
        first = self.known.first.get((order.account_id, order.user_message_id))
        if first is None or first[1] <= order.at - order.unique_days * DAY_MS:
            return None
        return first[0]

    def _number(self, order: Order, funds: Funds) -> Placed:
        return Placed(
            packet_id=next(self.known.packet_ids),
            message_id=next(self.known.message_ids),
            balance_before=funds.balance,
            balance_after=funds.balance - order.plan[0].price,
        )

    def _store(self, order: Order, placed: Placed, message: Message, held: int) -> None:
        self.rows.packets.append(
            (
                placed.packet_id,
                order.account_id,
                order.at,
                order.zone,
                order.ttl_s,
                order.phone,
                order.phone_digest,
                order.phone_mask,
                order.code,
                order.code_digest,
                order.key_day,
                order.dialect,
                order.user_packet_id,
                order.user_message_id,
                int(order.test),
                order.caller_ip,
                rows.plan_text(order.plan),
                held,
                int(order.reserve),
                None,
                0,
                None,
                message.final_at,
            )
        )
        self.rows.messages.append(
            rows.message_row(message, placed.packet_id, message_id=placed.message_id)
        )

    def _charge(
        self, order: Order, funds: Funds, placed: Placed, message: Message, held: int
    ) -> None:
        transfer = ledger.charge(order.account_id, message)
        left = funds.after(transfer, order.at, held=held)
        assert left.balance == placed.balance_after
        self.known.funds[order.account_id] = left
        self.rows.touched.add(order.account_id)
        self.rows.transfers.append(
            transfer_row(
                transfer,
                account_id=order.account_id,
                at=order.at,
                balance_after=placed.balance_after,
                packet_id=placed.packet_id,
                message_id=placed.message_id,
            )
        )

    def _remember(self, order: Order, placed: Placed) -> None:
        if order.user_message_id is not None and order.unique_days is not None:
            key = (order.account_id, order.user_message_id)
            self.known.first[key] = (placed.packet_id, order.at)
            self.rows.unique_ids.append((*key, placed.packet_id, order.at))
        self.known.live[order.code_digest].append((order.at + order.ttl_s * 1000, None))
        self.known.recent[order.phone_digest].append((order.account_id, order.at))


def _since(begin: int, instants: Iterable[int]) -> int:
    return sum(at > begin for at in instants)


def _first_message(order: Order) -> Message:
    """With test=1 it has already arrived, and nothing is to be done with it (O-31)."""
    message = life.new_message(order.plan, 1, order.at)
    if not order.test:
        return message
    return changed(
        message, state=State.CONFIRMED, final_at=order.at, decide_at=None, due_at=None, task=None
    )


def transfer_row(
    transfer: Transfer,
    *,
    account_id: int,
    at: int,
    balance_after: int | None,
    packet_id: int | None = None,
    message_id: int | None = None,
    document: str = "",
    comment: str = "",
) -> tuple[Any, ...]:
    """In the order of `rows.TRANSFER`."""
    return (
        account_id,
        at,
        transfer.kind,
        transfer.debit,
        transfer.credit,
        transfer.amount,
        transfer.customer,
        balance_after,
        packet_id,
        message_id,
        transfer.attempt,
        document,
        comment,
    )
