"""Blocked prefixes, and what has become of the codes that were sent (core.pumping).

Plain SQL with `?` marks for every database, like the cabinet's.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import astuple, dataclass

from kodgate.core.pumping import Block
from kodgate.store import rows
from kodgate.store.tables import Tables

_BLOCK = "account_id, prefix, blocked_at, until, times, sent, arrived, safe_until"
_IN_FORCE = (
    f"select {_BLOCK} from blocked_prefix where until is null or until > ? or safe_until > ?"
)
_OF_PREFIX = f"select {_BLOCK} from blocked_prefix where account_id = ? and prefix = ?"
_OF_ACCOUNT = (
    f"select {_BLOCK} from blocked_prefix where account_id = ?"
    " order by blocked_at desc, prefix limit ?"
)
_SAVE = (
    f"insert into blocked_prefix ({_BLOCK}) values (?, ?, ?, ?, ?, ?, ?, ?)"
    " on conflict (account_id, prefix) do update set blocked_at = excluded.blocked_at,"
    " until = excluded.until, times = excluded.times, sent = excluded.sent,"
    " arrived = excluded.arrived, safe_until = excluded.safe_until"
)
_FORGET = "delete from blocked_prefix where until < ? and coalesce(safe_until, 0) < ?"
_HAS_ARRIVED = "(m.delivered_at is not null or m.state = 'confirmed')"
_ARRIVED = (
    f"select distinct m.packet_id from message m where m.packet_id in :ids and {_HAS_ARRIVED}"
)
_NEWEST = (
    "select p.phone, p.phone_digest, p.key_day, p.caller_ip,"
    f" (select count(*) from message m where m.packet_id = p.id and {_HAS_ARRIVED})"
    " from packet p where p.account_id = ? and p.created_at >= ? and p.created_at < ?"
    " and p.test = 0 order by p.created_at desc limit ?"
)
"""Counted, for PostgreSQL would answer `exists` by a hash of every message there is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """One live packet: to whom (sealed, D5), who asked for it, and whether it arrived."""

    phone: bytes
    phone_digest: bytes
    key_day: str
    caller_ip: str
    arrived: bool


class Blocks:
    """Instants: business ms. Methods raise Unavailable, those that write also InDoubt."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    async def in_force(self, now: int) -> list[Block]:
        """Of all accounts: blocked prefixes, and those that a person declared safe."""
        return [_block(row) for row in await self._tables.fetch(_IN_FORCE, now, now)]

    async def of_prefix(self, account_id: int, prefix: str) -> Block | None:
        found = await self._tables.fetch(_OF_PREFIX, account_id, prefix)
        return _block(found[0]) if found else None

    async def of_account(self, account_id: int, *, limit: int) -> list[Block]:
        """Newest first, those that are over included."""
        return [_block(row) for row in await self._tables.fetch(_OF_ACCOUNT, account_id, limit)]

    async def save(self, block: Block) -> None:
        await self._tables.run([(_SAVE, astuple(block))])

    async def forget(self, *, before: int) -> None:
        """Deletes what was over before an instant."""
        await self._tables.run([(_FORGET, (before, before))])

    async def arrived(self, packet_ids: Iterable[int]) -> set[int]:
        """Those of these packets whose code is on the phone, read or not."""
        return {row[0] for row in await self._tables.fetch(_ARRIVED, list(packet_ids))}

    async def newest(self, account_id: int, *, since: int, until: int, limit: int) -> list[Sent]:
        """The last live packets of a period."""
        return [
            Sent(
                phone=row[0],
                phone_digest=row[1],
                key_day=row[2],
                caller_ip=row[3],
                arrived=bool(row[4]),
            )
            for row in await self._tables.fetch(_NEWEST, account_id, since, until, limit)
        ]


def _block(row: rows.Row) -> Block:
    account_id, prefix, blocked_at, until, times, sent, arrived, safe_until = row
    return Block(
        account_id=account_id,
        prefix=prefix,
        blocked_at=blocked_at,
        until=until,
        times=times,
        sent=sent,
        arrived=arrived,
        safe_until=safe_until,
    )
