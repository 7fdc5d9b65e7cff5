"""Packets that were read under lock, the decisions on them, and what these change (D3). Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from kodgate.core import life
from kodgate.core.ledger import CUSTOMER_KINDS, Funds
from kodgate.core.life import Verdict
from kodgate.core.types import Alias, Change, Message, Observation, State, Task, Transfer
from kodgate.core.values import changed, quick
from kodgate.store import Claimed, PacketRow, Recorded, rows
from kodgate.store.placing import transfer_row

PARKED_SOURCES = frozenset({"receipt", "callback"})
"""What may come before we know the provider's id for the message."""

UNMATCHED = Recorded(matched=False, may_go_on=False, woken=(), words=())

Key = tuple[str, str]
"""(channel, provider's id)"""


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Parked:
    """A receipt that waits under each of its keys."""

    seen: Observation
    body: str


@dataclass(slots=True, kw_only=True)
class Loaded:
    """What decisions look at."""

    message_ids: Iterator[int] = field(default_factory=lambda: iter(()))
    """Free ones, for the messages that are created."""
    packets: dict[int, PacketRow] = field(default_factory=dict)
    packet_of: dict[int, int] = field(default_factory=dict)
    """Message id -> packet id."""
    nums: dict[int, int] = field(default_factory=dict)
    """Message id -> its number in the packet."""
    nodes: dict[int, str | None] = field(default_factory=dict)
    """Message id -> who holds its lease."""
    keys: dict[Key, set[int]] = field(default_factory=lambda: defaultdict(set))
    """Provider's id -> messages that have, or had, it."""
    parked: dict[Key, list[Parked]] = field(default_factory=lambda: defaultdict(list))

    def add(self, packet_row: rows.Row, message_rows: Iterable[rows.Row]) -> None:
        messages = []
        for row in message_rows:
            messages.append(rows.message_of(row))
            self.packet_of[row[0]] = row[1]
            self.nums[row[0]] = row[2]
            self.nodes[row[0]] = row[-1]
        self.packets[packet_row[0]] = rows.packet_of(packet_row, messages)


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """What one decision does to an account's money. Its balance is looked at when all is decided,
    so that the account is under lock for the shortest time."""

    account_id: int
    at: int
    packet_id: int
    transfers: tuple[tuple[Transfer, int | None], ...]
    """With the id of their message."""
    held_delta: int


@dataclass(slots=True)
class Writes:
    """What is to be written, in the column orders of `rows`."""

    moves: list[Move] = field(default_factory=list)
    transfers: list[tuple[Any, ...]] = field(default_factory=list)
    bookings: list[tuple[Any, ...]] = field(default_factory=list)
    aliases: list[tuple[str, str, int]] = field(default_factory=list)
    events: list[tuple[int, int, int, str, str, str]] = field(default_factory=list)
    packets: set[int] = field(default_factory=set)
    created: set[int] = field(default_factory=set)
    changed: set[int] = field(default_factory=set)
    """Messages, by id."""
    parked: dict[tuple[str, str, str], int] = field(default_factory=dict)
    unparked: set[tuple[str, str, str]] = field(default_factory=set)
    """(channel, key, body)"""


class Unit:
    """Takes decisions one after the other; each sees what those before it changed."""

    def __init__(self, loaded: Loaded) -> None:
        self.loaded = loaded
        self.writes = Writes()

    def message(self, message_id: int) -> Message:
        return self.row(message_id).messages[self.loaded.nums[message_id] - 1]

    def row(self, message_id: int) -> PacketRow:
        return self.loaded.packets[self.loaded.packet_of[message_id]]

    def message_row(self, message_id: int) -> tuple[Any, ...]:
        """In the order of `rows.MESSAGE`; only a lease has a holder."""
        message = self.message(message_id)
        node = None if message.lease_until is None else self.loaded.nodes[message_id]
        packet_id = self.loaded.packet_of[message_id]
        return rows.message_row(message, packet_id, message_id=message_id, node=node)

    def claim(
        self, message_id: int, *, node: str, at: int, lease_until: int, attempts_max: int
    ) -> Claimed | None:
        row, num = self.row(message_id), self.loaded.nums[message_id]
        change, taken = life.claim(
            row.packet, row.messages, num, at=at, lease_until=lease_until, attempts_max=attempts_max
        )
        if taken:
            self.loaded.nodes[message_id] = node
        self._apply(row, change, Observation(at=at, source="claim"), num)
        if not taken:
            return None
        return Claimed(row=self.row(message_id), message=self.message(message_id))

    def observe(self, seen: Observation) -> Recorded:
        message_id = self.resolve(seen)
        if message_id is None:
            if seen.source in PARKED_SOURCES:
                self._park(seen)
            return UNMATCHED
        words, woken = self._advance(message_id, seen)
        row, message = self.row(message_id), self.message(message_id)
        return Recorded(
            matched=True,
            may_go_on=seen.epoch is not None
            and life.may_go_on(row.packet, message, epoch=seen.epoch, at=seen.at),
            woken=tuple(woken),
            words=tuple(words),
        )

    def confirm(self, packet_id: int, *, right: bool, at: int) -> tuple[Verdict, tuple[str, ...]]:
        row = self.loaded.packets[packet_id]
        change, verdict = life.confirm(row.packet, row.messages, right=right, at=at)
        words, _ = self._apply(row, change, Observation(at=at, source="confirm"), 0)
        return verdict, tuple(words)

    def retry(self, packet_id: int, *, at: int) -> None:
        row = self.loaded.packets[packet_id]
        change = life.retry(row.packet, row.messages, at=at)
        self._apply(row, change, Observation(at=at, source="retry"), 0)

    def discard(self, message_id: int, *, at: int, patience_ms: int) -> tuple[str, ...] | None:
        """None: it is not stuck, or not the newest."""
        row, num = self.row(message_id), self.loaded.nums[message_id]
        if num != len(row.messages):
            return None
        change = life.discard(row.packet, row.messages, at=at, patience_ms=patience_ms)
        if change is None:
            return None
        words, _ = self._apply(row, change, Observation(at=at, source="discard"), num)
        return tuple(words)

    def is_due(self, message_id: int, task: Task, now: int) -> bool:
        """Whether a message that was found is still what was looked for, now that it is locked."""
        message = self._found(message_id)
        return (
            message is not None
            and message.task is task
            and message.due_at is not None
            and message.due_at <= now
        )

    def is_decided(self, message_id: int, now: int) -> bool:
        """Whether a message's deadline has come."""
        message = self._found(message_id)
        return message is not None and message.decide_at is not None and message.decide_at <= now

    def is_leased(self, message_id: int, node: str) -> bool:
        message = self._found(message_id)
        return (
            message is not None
            and message.task is Task.SEND
            and message.lease_until is not None
            and self.loaded.nodes[message_id] == node
        )

    def settle(self, money: dict[int, Funds]) -> list[tuple[int, ...]]:
        """Turns moves into rows. `money`: by account, before; returned after."""
        for move in self.writes.moves:
            funds = money[move.account_id]
            for transfer, message_id in move.transfers:
                funds = funds.after(transfer, move.at)
                line = transfer_row(
                    transfer,
                    account_id=move.account_id,
                    at=move.at,
                    balance_after=funds.balance if transfer.customer else None,
                    packet_id=move.packet_id,
                    message_id=message_id,
                )
                (self.writes.transfers if transfer.customer else self.writes.bookings).append(line)
            held = funds.held + move.held_delta
            assert held >= 0, "more was released than was held"
            money[move.account_id] = changed(funds, held=held)
        return [rows.money_row(account, money[account]) for account in sorted(money)]

    def free(self, message_id: int) -> None:
        """Ends the lease of a worker that is gone; the attempt stays on record."""
        message = changed(self.message(message_id), lease_until=None)
        if message.due_at is not None:
            message = changed(message, due_at=message.created_at)
        message = changed(message, decide_at=life.decide_at(message))
        row = self.row(message_id)
        self._apply(
            row,
            Change(packet=row.packet, messages=(message,)),
            Observation(at=message.created_at, source="start"),
            message.num,
        )

    def resolve(self, seen: Observation) -> int | None:
        """By id, else the newest open message with the first key that fits any. Nodes take ids in
        blocks, so an id does not tell which is newer."""
        if seen.message_id is not None:
            return seen.message_id if seen.message_id in self.loaded.packet_of else None
        for key in seen.keys:
            found = self.loaded.keys.get((seen.channel or "", key))
            if found:
                return max(found, key=self._newest)
        return None

    def _newest(self, message_id: int) -> tuple[bool, int, int]:
        message = self.message(message_id)
        return not message.state.is_final, message.created_at, message_id

    def _found(self, message_id: int) -> Message | None:
        return self.message(message_id) if message_id in self.loaded.packet_of else None

    def _advance(self, message_id: int, seen: Observation) -> tuple[list[str], list[str]]:
        """One observation, then the parked receipts for the provider's ids that it told us."""
        row, num = self.row(message_id), self.loaded.nums[message_id]
        change = life.advance(row.packet, row.messages, num, seen)
        words, woken = self._apply(row, change, seen, num)
        for key in self._learn(row, change):
            for parked in self._unpark(key):
                more_words, more_woken = self._advance(message_id, parked.seen)
                words += more_words
                woken += more_woken
        return words, woken

    def _apply(
        self, row: PacketRow, change: Change, seen: Observation, num: int
    ) -> tuple[list[str], list[str]]:
        messages = {message.num: message for message in row.messages}
        has_news = change.packet is not row.packet and change.packet != row.packet
        woken = []
        for message in change.messages:
            if message.id is None:
                message = self._create(message, row.packet.id)
                if message.state is State.QUEUED:
                    woken.append(message.channel)
            else:
                self.writes.changed.add(message.id)
            messages[message.num] = message
        ordered = tuple(messages[n] for n in sorted(messages))
        if change.messages or has_news:
            self.loaded.packets[row.packet.id] = changed(
                row, packet=change.packet, messages=ordered
            )
            if has_news or rows.final_at(ordered) != rows.final_at(row.messages):
                self.writes.packets.add(row.packet.id)
        self._pay(change, messages, seen.at)
        self._tell(change, seen, num)
        return [note.word for note in change.notes], woken

    def _create(self, message: Message, packet_id: int) -> Message:
        message = changed(message, id=next(self.loaded.message_ids))
        assert message.id is not None
        self.loaded.packet_of[message.id] = packet_id
        self.loaded.nums[message.id] = message.num
        self.loaded.nodes[message.id] = None
        self.writes.created.add(message.id)
        return message

    def _pay(self, change: Change, messages: dict[int, Message], at: int) -> None:
        """What a provider takes is booked beside the account, whose row stays as it is."""
        customers = []
        for transfer in change.transfers:
            message_id = messages[transfer.num].id if transfer.num else None
            if transfer.kind in CUSTOMER_KINDS:
                customers.append((transfer, message_id))
            else:
                booking = transfer_row(
                    transfer,
                    account_id=change.packet.account_id,
                    at=at,
                    balance_after=None,
                    packet_id=change.packet.id,
                    message_id=message_id,
                )
                self.writes.bookings.append(booking)
        if customers or change.held_delta:
            move = Move(
                account_id=change.packet.account_id,
                at=at,
                packet_id=change.packet.id,
                transfers=tuple(customers),
                held_delta=change.held_delta,
            )
            self.writes.moves.append(move)

    def _tell(self, change: Change, seen: Observation, num: int) -> None:
        """The provider's words go to the first note, or to a line of their own."""
        detail = seen.detail
        for note in change.notes:
            self._event(change, seen, note.num, note.word, detail)
            detail = ""
        if detail:
            self._event(change, seen, num, "seen", detail)

    def _event(self, change: Change, seen: Observation, num: int, word: str, detail: str) -> None:
        self.writes.events.append((change.packet.id, seen.at, num, word, seen.source, detail))

    def _learn(self, row: PacketRow, change: Change) -> list[Key]:
        """Makes receipts find the messages whose provider's ids are news."""
        before = {m.num: m.provider_id for m in row.messages}
        after = self.loaded.packets[row.packet.id].messages
        news = [
            Alias(num=m.num, provider_id=m.provider_id)
            for m in change.messages
            if m.provider_id is not None and m.provider_id != before.get(m.num)
        ]
        for alias in (*news, *change.aliases):
            message = after[alias.num - 1]
            assert message.id is not None
            self.loaded.keys[message.channel, alias.provider_id].add(message.id)
            if alias in change.aliases:
                self.writes.aliases.append((message.channel, alias.provider_id, message.id))
        return [(after[a.num - 1].channel, a.provider_id) for a in (*news, *change.aliases)]

    def _park(self, seen: Observation) -> None:
        body = rows.observation_text(seen)
        channel = seen.channel or ""
        for key in dict.fromkeys(seen.keys):
            self.loaded.parked[channel, key].append(Parked(seen=seen, body=body))
            self.writes.parked.setdefault((channel, key, body), seen.at)

    def _unpark(self, key: Key) -> list[Parked]:
        """The receipts under a key, oldest first, taken away from all of their keys."""
        found = sorted(self.loaded.parked.pop(key, ()), key=lambda parked: parked.seen.at)
        for parked in found:
            for other in parked.seen.keys:
                place = (key[0], other, parked.body)
                self.writes.parked.pop(place, None)
                self.writes.unparked.add(place)
                waiting = self.loaded.parked.get((key[0], other), [])
                waiting[:] = [p for p in waiting if p.body != parked.body]
        return found
