"""Limits that no lock is needed for: prefixes that are blocked or suspect, packets by address.

Accept asks and counts in memory. A task looks up what has arrived, and shares blocks with the other
processes through the database; both are at most a second old.
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TypeVar

import structlog

from kodgate.core import pumping
from kodgate.core.accounts import Account
from kodgate.core.errors import InDoubt, Refused
from kodgate.core.pumping import LEVELS, SENDS_MAX, WINDOW_MS, Block, Level, Send
from kodgate.engine.meters import Meters
from kodgate.store import Unavailable
from kodgate.store.pumping import Blocks

log = structlog.get_logger()

EVERY_S = 1.0
SOON_S = 0.25
"""Between two looks while prefixes are suspect: what arrives frees them at once."""
PREFIXES_MAX = 5_000
"""Prefixes that are counted; the one that was sent to longest ago leaves first."""
ADDRESSES_MAX = 5_000
JUDGED_MAX = 200
"""Suspect prefixes that are looked at in one round."""
MINUTE_MS = 60_000

Row = TypeVar("Row")
Key = tuple[int, str]
"""(account, prefix) or (account, address)"""


@dataclass(slots=True)
class _Prefix:
    """The newest codes to a prefix, oldest first, and how it is judged."""

    level: Level
    sends: deque[Send] = field(default_factory=lambda: deque(maxlen=SENDS_MAX))


@dataclass(frozen=True, slots=True)
class Seat:
    """What was counted for one order; taken back if the order is not placed."""

    prefix: tuple[_Prefix, Send] | None = None
    minutes: dict[int, int] | None = None
    minute: int = 0

    def placed(self, packet_id: int) -> None:
        if self.prefix is not None:
            self.prefix[1].packet_id = packet_id

    def give_back(self) -> None:
        if self.prefix is not None:
            row, send = self.prefix
            row.sends = deque((s for s in row.sends if s is not send), SENDS_MAX)
        if self.minutes is not None and self.minute in self.minutes:
            self.minutes[self.minute] -= 1


NO_SEAT = Seat()


class Guard:
    """Of one process. What it counts is lost when the process ends; blocks are not."""

    def __init__(self, blocks: Blocks, meters: Meters, *, now: Callable[[], int]) -> None:
        """`now`: business ms."""
        self._blocks = blocks
        self._meters = meters
        self._now = now
        self._on_record: dict[Key, Block] = {}
        self._prefixes: OrderedDict[Key, _Prefix] = OrderedDict()
        self._addresses: OrderedDict[Key, dict[int, int]] = OrderedDict()
        self._suspects: dict[Key, None] = {}
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Before the first order: what is blocked stays so."""
        await self.look()
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    # Accept asks

    def admit(self, account: Account, phone: str, *, at: int, caller_ip: str, test: bool) -> Seat:
        """Counts an order of this instant, a test excepted. Raises Refused: ZONE_CLOSED, FLOOD."""
        level = LEVELS.get(account.settings.anti_pumping)
        per_ip = account.settings.packets_per_ip_10min
        if level is None and not per_ip:
            return NO_SEAT
        row = None if level is None else self._prefix(account.id, phone, level, at)
        minutes = self._minutes(account.id, caller_ip, at, per_ip) if per_ip else None
        if test:
            return NO_SEAT
        send = Send(at=at)
        if row is not None:
            row.sends.append(send)
        if minutes is not None:
            minutes[at // MINUTE_MS] = minutes.get(at // MINUTE_MS, 0) + 1
        return Seat(None if row is None else (row, send), minutes, at // MINUTE_MS)

    def _prefix(self, account_id: int, phone: str, level: Level, now: int) -> _Prefix | None:
        """Where this code counts; None: nowhere, the prefix has been judged."""
        key = (account_id, pumping.prefix_of(phone))
        known = self._on_record.get(key)
        if known is not None and known.is_on(now) and level.refuses:
            raise Refused("ZONE_CLOSED", why="anti-pumping: codes to this prefix do not arrive")
        if known is not None and (known.is_on(now) or known.is_safe(now)):
            return None
        row = self._prefixes.get(key)
        if row is None:
            row = _put(self._prefixes, key, _Prefix(level), PREFIXES_MAX)
        self._prefixes.move_to_end(key)
        row.level = level
        while row.sends and row.sends[0].at <= now - WINDOW_MS:
            row.sends.popleft()
        if len(row.sends) >= level.lost_max and pumping.is_suspect(level, row.sends):
            self._suspects[key] = None
            if level.refuses:
                raise Refused("ZONE_CLOSED", why="anti-pumping: waiting for codes to arrive")
        return row

    def _minutes(self, account_id: int, caller_ip: str, now: int, most: int) -> dict[int, int]:
        """What this address asked for, by minute."""
        key = (account_id, _source(caller_ip))
        minutes = self._addresses.get(key)
        if minutes is None:
            minutes = _put(self._addresses, key, {}, ADDRESSES_MAX)
        self._addresses.move_to_end(key)
        for minute in [m for m in minutes if m <= (now - WINDOW_MS) // MINUTE_MS]:
            del minutes[minute]
        if sum(minutes.values()) >= most:
            raise Refused("FLOOD", why=f"over {most} packets in ten minutes from this address")
        return minutes

    # What has arrived, and what is blocked

    def blocked(self, account_id: int) -> int:
        """How many prefixes of an account are blocked, or would be."""
        now = self._now()
        found = self._on_record.values()
        return sum(block.account_id == account_id and block.is_on(now) for block in found)

    async def look(self) -> None:
        """One round. Raises Unavailable, InDoubt."""
        now = self._now()
        found = await self._blocks.in_force(now)
        self._on_record = {(block.account_id, block.prefix): block for block in found}
        keys = [key for key in self._suspects if key in self._prefixes][:JUDGED_MAX]
        if not keys:
            self._suspects.clear()
            return
        await self._learn(keys)
        for key in keys:
            await self._judge(key, now)

    async def _learn(self, keys: Iterable[Key]) -> None:
        waiting = {
            send.packet_id: send
            for key in keys
            for send in self._prefixes[key].sends
            if send.packet_id is not None and not send.arrived
        }
        for packet_id in await self._blocks.arrived(waiting):
            waiting[packet_id].arrived = True

    async def _judge(self, key: Key, now: int) -> None:
        """Acquits a suspect, blocks it, or goes on waiting for its codes."""
        row = self._prefixes.get(key)
        if row is None or not pumping.is_suspect(row.level, row.sends):
            self._suspects.pop(key, None)
        elif pumping.is_proven(row.level, row.sends, now):
            await self._block(key, row, now)

    async def _block(self, key: Key, row: _Prefix, now: int) -> None:
        before = await self._blocks.of_prefix(*key)
        block = pumping.block(*key, row.sends, now, before)
        await self._blocks.save(block)
        self._on_record[key] = block
        self._prefixes.pop(key, None)
        self._suspects.pop(key, None)
        self._meters.blocked(refuses=row.level.refuses)
        log.warning(
            "prefix_blocked" if row.level.refuses else "prefix_watched",
            action="guard",
            account=key[0],
            sent=block.sent,
            arrived=block.arrived,
            times=block.times,
        )

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(SOON_S if self._suspects else EVERY_S)
            try:
                await self.look()
            except (Unavailable, InDoubt) as error:
                log.warning("guard_not_refreshed", action="guard", error=str(error))
            except Exception:  # codes must go on
                log.exception("guard_failed", action="guard")


def _put(table: OrderedDict[Key, Row], key: Key, row: Row, most: int) -> Row:
    table[key] = row
    if len(table) > most:
        table.popitem(last=False)
    return row


@lru_cache(maxsize=4096)
def _source(ip: str) -> str:
    """An address as a caller is counted: of IPv6 its network of 64 bits."""
    try:
        address = ipaddress.ip_address(ip)
    except ValueError:
        return ip
    if isinstance(address, ipaddress.IPv4Address):
        return ip
    return str(address.ipv4_mapped or ipaddress.ip_network((int(address) >> 64 << 64, 64)))
