"""What the store does with packets and money: reading what decisions need, writing what they say.

Every decision is taken in one transaction, over rows under lock (D3). Locks are taken in one order
everywhere: provider's ids, packets by id, accounts by id.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

from kodgate.core.clock import DAY_MS
from kodgate.core.life import Verdict
from kodgate.core.orders import NotPlaced, Order, Placed
from kodgate.core.types import Observation, Task
from kodgate.store import Claimed, Recorded, rows, sql
from kodgate.store.advancing import PARKED_SOURCES, UNMATCHED, Loaded, Parked, Unit
from kodgate.store.placing import Known, Placing
from kodgate.store.program import Free, Hold, Many, Program, Used, ask, look_all, many, write_all

FAULTY = Recorded(matched=False, may_go_on=False, woken=(), words=("faulty",))
"""An observation that broke a rule of money or state: nothing of it was stored."""

log = logging.getLogger(__name__)

# Accept


def place(orders: Sequence[Order]) -> Program[list[Placed | NotPlaced]]:
    placing = Placing((yield from known(orders)))
    answers = [placing.place(order) for order in orders]
    yield from write_placing(placing)
    return answers


def known(orders: Sequence[Order]) -> Program[Known]:
    """What placing these orders looks at. An account that a broken rule stopped has no funds."""
    funds = yield from ask(sql.FUNDS, sorted({order.account_id for order in orders}))
    found = Known(funds={row[0]: rows.funds_of(row) for row in funds if row[6] is None})
    unique = {
        (order.account_id, order.user_message_id)
        for order in orders
        if order.unique_days is not None and order.user_message_id is not None
    }
    codes = {
        (order.phone_digest, order.account_id, order.code_digest)
        for order in orders
        if order.code_generated
    }
    phones = {(order.phone_digest, order.at - DAY_MS) for order in orders if order.is_limited}
    oldest = list({line[0]: line for line in sorted(phones, reverse=True)}.values())
    firsts, live, recent = yield from look_all(
        Many(sql.FIRST, sorted(unique), sql.FIRST_TAIL),
        Many(sql.LIVE, sorted(codes), sql.LIVE_TAIL),
        Many(sql.RECENT, oldest, sql.RECENT_TAIL),
    )
    for account, user_id, packet, at in firsts:
        found.first[account, user_id] = (packet, at)
    for code, until, ended in live:
        found.live[code].append((until, ended))
    for phone, account, at in recent:
        found.recent[phone].append((account, at))
    found.packet_ids, found.message_ids = yield Free(len(orders), ("packet", "message"))
    return found


def write_placing(placing: Placing) -> Program[None]:
    lines = placing.rows
    if not lines.packets:
        return
    newest = list({line[:2]: line for line in lines.unique_ids}.values())
    money = [
        rows.money_row(account, placing.known.funds[account]) for account in sorted(lines.touched)
    ]
    yield from write_all(
        Many(sql.INSERT_PACKETS, lines.packets),
        Many(sql.INSERT_MESSAGES, lines.messages),
        Many(sql.INSERT_TRANSFERS, lines.transfers),
        Many(sql.INSERT_UNIQUE, newest, sql.OR_REPLACE_UNIQUE),
        Many(sql.UPDATE_MONEY, money, sql.UPDATE_MONEY_TAIL, exact=True),
    )
    yield Used((("packet", placing.known.packet_ids), ("message", placing.known.message_ids)))


# Packets under lock


@dataclass(frozen=True, slots=True, kw_only=True)
class Taking:
    """Who takes messages, when, and for how long."""

    node: str
    now: int
    lease_until: int
    attempts_max: int


def claimable(channel: str, now: int, limit: int) -> Program[list[rows.Row]]:
    """(message, packet), in the order of their due time."""
    return (yield from ask(sql.CLAIMABLE, channel, now, now, limit))


def claim(channel: str, taking: Taking, limit: int) -> Program[list[Claimed]]:
    found = yield from claimable(channel, taking.now, limit)
    return (yield from take(found, taking)) if found else []


def take(found: Sequence[rows.Row], taking: Taking) -> Program[list[Claimed]]:
    unit = yield from lock([row[1] for row in found])
    claims = [
        unit.claim(
            row[0],
            node=taking.node,
            at=taking.now,
            lease_until=taking.lease_until,
            attempts_max=taking.attempts_max,
        )
        for row in found
        if unit.is_due(row[0], Task.SEND, taking.now)
    ]
    yield from write_unit(unit)
    return [claimed for claimed in claims if claimed is not None]


def advance(observations: Sequence[Observation]) -> Program[list[Recorded]]:
    unit = yield from lock_for(observations)
    answers = [unit.observe(seen) for seen in observations]
    yield from write_unit(unit)
    return answers


def confirm(packet_id: int, *, right: bool, at: int) -> Program[tuple[Verdict, tuple[str, ...]]]:
    """Raises LookupError where there is no such packet."""
    unit = yield from lock([packet_id])
    if packet_id not in unit.loaded.packets:
        raise LookupError("no such packet")
    answer = unit.confirm(packet_id, right=right, at=at)
    yield from write_unit(unit)
    return answer


def retry(message_ids: Sequence[int], *, at: int) -> Program[int]:
    """How many of the messages have something to do now."""
    found = yield from ask(sql.PACKETS_OF_MESSAGES, list(message_ids))
    unit = yield from lock([row[0] for row in found])
    for packet_id in sorted(unit.loaded.packets):
        unit.retry(packet_id, at=at)
    yield from write_unit(unit)
    return len(unit.writes.changed)


def discard(
    message_id: int, *, at: int, patience_ms: int
) -> Program[tuple[tuple[str, ...], int] | None]:
    """The words of the change and the account; None: the message is not stuck."""
    found = yield from ask(sql.PACKETS_OF_MESSAGES, [message_id])
    unit = yield from lock([row[0] for row in found])
    if message_id not in unit.loaded.packet_of:
        return None
    words = unit.discard(message_id, at=at, patience_ms=patience_ms)
    yield from write_unit(unit)
    return None if words is None else (words, unit.row(message_id).packet.account_id)


def release(node: str) -> Program[int]:
    found = yield from ask(sql.LEASED_BY, node)
    unit = yield from lock([row[1] for row in found])
    freed = [row[0] for row in found if unit.is_leased(row[0], node)]
    for message_id in freed:
        unit.free(message_id)
    yield from write_unit(unit)
    return len(freed)


def whose(seen: Observation) -> Program[tuple[int | None, int | None]]:
    """(message, account) that an observation speaks of."""
    unit = yield from lock_for([seen])
    message_id = unit.resolve(seen)
    if message_id is None:
        return None, None
    return message_id, unit.row(message_id).packet.account_id


def refuse(seen: Observation, error: Exception, *, broken: bool) -> Program[Recorded]:
    """Leaves an observation out. `broken`: it broke a rule of money or state, which stops the
    account's accepts, and nothing else (D16)."""
    message_id, account = yield from whose(seen)
    log.critical(
        "an observation was refused: message %s, account %s, source %s: %s",
        message_id,
        account,
        seen.source,
        type(error).__name__,
    )
    if message_id is None:
        return UNMATCHED
    if account is not None and broken:
        yield from stop(account, message_id, seen.source, error, at=seen.at)
    return FAULTY


def set_aside(row: rows.Row, aside: Program[Any], error: Exception, *, at: int) -> Program[None]:
    """A message (`row`: its id, its packet, ...) that cannot be taken is looked at again later;
    its account takes no orders."""
    (account,) = (yield from ask(sql.ACCOUNT_OF_PACKET, row[1]))[0]
    yield from stop(account, row[0], "queue", error, at=at)
    yield from aside
    fault = type(error).__name__
    log.critical("message %s, account %s, was refused: %s", row[0], account, fault)


def stop(
    account_id: int, message_id: int, source: str, error: Exception, *, at: int
) -> Program[None]:
    """For every node, until an operator resumes it. The first reason stays."""
    why = f"message {message_id}, {source}: {type(error).__name__}"
    yield from ask(sql.STOP_ACCOUNT, at, why, account_id)


def lock(packet_ids: Iterable[int]) -> Program[Unit]:
    """Packets with their messages, kept from others until they are written."""
    loaded = Loaded()
    yield from add_packets(loaded, packet_ids, sql.PACKETS_TO_CHANGE)
    return (yield from _unit(loaded))


def lock_for(observations: Sequence[Observation]) -> Program[Unit]:
    """The packets that these observations may speak of, and the receipts that wait for them."""
    yield from _hold_keys(observations)
    asked = [seen.message_id for seen in observations if seen.message_id is not None]
    packets = (
        {row[0] for row in (yield from ask(sql.PACKETS_OF_MESSAGES, asked))} if asked else set()
    )
    matches = yield from _matches(observations)
    loaded = Loaded()
    yield from add_packets(loaded, packets | {row[0] for _, row in matches}, sql.PACKETS_TO_CHANGE)
    for channel, row in matches:
        loaded.keys[channel, row[2]].add(row[1])
    yield from _load_parked(loaded, observations)
    return (yield from _unit(loaded))


def add_packets(
    loaded: Loaded, packet_ids: Iterable[int], query: str = sql.PACKETS
) -> Program[None]:
    ids = sorted(set(packet_ids))
    if not ids:
        return
    packets = yield from ask(query, ids)
    messages = defaultdict(list)
    for row in (yield from ask(sql.MESSAGES, ids)):
        messages[row[1]].append(row)
    for row in packets:
        loaded.add(row, messages[row[0]])


def _unit(loaded: Loaded) -> Program[Unit]:
    """No step of the database lies between taking the ids and the decisions that use them."""
    left = sum(len(row.packet.plan) - len(row.messages) for row in loaded.packets.values())
    if left:
        (loaded.message_ids,) = yield Free(left, ("message",))
    return Unit(loaded)


def _hold_keys(observations: Sequence[Observation]) -> Program[None]:
    """A receipt that is parked, and the answer that tells its id, must not miss each other."""
    keys = {seen.provider_id for seen in observations if seen.provider_id is not None}
    for seen in observations:
        if seen.message_id is None and seen.source in PARKED_SOURCES:
            keys.update(seen.keys)
    if keys:
        yield Hold(sorted(keys))


def _matches(observations: Sequence[Observation]) -> Program[list[tuple[str, rows.Row]]]:
    """(channel, (packet, message, provider's id)) of all keys that are known."""
    keys: dict[str, set[str]] = defaultdict(set)
    for seen in observations:
        if seen.message_id is None and seen.channel is not None:
            keys[seen.channel].update(seen.keys)
    found = []
    for channel, texts in keys.items():
        for query in (sql.BY_PROVIDER_ID, sql.BY_ALIAS):
            for row in (yield from ask(query, channel, sorted(texts))):
                found.append((channel, row))
    return found


def _load_parked(loaded: Loaded, observations: Sequence[Observation]) -> Program[None]:
    news = sorted({seen.provider_id for seen in observations if seen.provider_id is not None})
    if not news:
        return
    channels = {m.channel for row in loaded.packets.values() for m in row.messages}
    for channel in sorted(channels):
        for row in (yield from ask(sql.PARKED, channel, news)):
            seen = rows.observation_of(row[2], row[3])
            loaded.parked[channel, row[1]].append(Parked(seen=seen, body=row[2]))


def write_unit(unit: Unit) -> Program[None]:
    """All that the decisions of a unit changed."""
    writes = unit.writes
    accounts = sorted({move.account_id for move in writes.moves})
    funds = (yield from ask(sql.FUNDS, accounts)) if accounts else []
    money = unit.settle({row[0]: rows.funds_of(row) for row in funds})
    created = [unit.message_row(id) for id in sorted(writes.created)]
    changed = [_news(unit.message_row(id)) for id in sorted(writes.changed - writes.created)]
    packets = [_packet_news(unit.loaded, id) for id in sorted(writes.packets)]
    yield from write_all(
        Many(sql.INSERT_MESSAGES, created),
        Many(sql.UPDATE_MESSAGES, changed, sql.UPDATE_MESSAGES_TAIL, exact=True),
        Many(sql.UPDATE_PACKETS, packets, sql.UPDATE_PACKETS_TAIL, exact=True),
        Many(sql.INSERT_TRANSFERS, writes.transfers),
        Many(sql.INSERT_TRANSFERS, writes.bookings, sql.OR_IGNORE),
        Many(sql.UPDATE_MONEY, money, sql.UPDATE_MONEY_TAIL, exact=True),
        Many(sql.INSERT_ALIASES, writes.aliases, sql.OR_IGNORE),
        Many(sql.INSERT_EVENTS, writes.events),
    )
    # what waited under a key goes before anything new waits there
    yield from many(sql.DELETE_PARKED, sorted(writes.unparked), sql.DELETE_PARKED_TAIL)
    parked = [(*place, at) for place, at in sorted(writes.parked.items())]
    yield from many(sql.INSERT_PARKED, parked, sql.OR_IGNORE)
    if writes.created:
        yield Used((("message", unit.loaded.message_ids),))


_news = itemgetter(*map(rows.MESSAGE.split(", ").index, sql.MESSAGE_NEWS))
"""Of a row in the order of `rows.MESSAGE`: what an update writes."""


def _packet_news(loaded: Loaded, packet_id: int) -> tuple[Any, ...]:
    row = loaded.packets[packet_id]
    packet = row.packet
    return (
        packet_id,
        packet.held,
        packet.answered_at,
        packet.confirm_tries,
        packet.confirmed_at,
        rows.final_at(row.messages),
    )
