"""The calls of a store that are the same on every database: each runs one program."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Protocol, TypeVar

from kodgate.core.accounts import DEFAULTS, Account, AccountSettings, AccountStatus
from kodgate.core.binds import Asking, Decided, Lease
from kodgate.core.errors import InDoubt
from kodgate.core.life import Verdict
from kodgate.core.orders import NotPlaced, Order, Placed
from kodgate.core.tariffs import Tariff
from kodgate.core.types import Transfer
from kodgate.store import (
    Claimed,
    Discarded,
    Due,
    LedgerEntry,
    PacketRow,
    Recorded,
    Route,
    TimelineEntry,
    Unavailable,
    batches,
    leasing,
    nothing,
    proposals,
    reading,
    rows,
    sql,
    verifying,
)
from kodgate.store import accounts as books
from kodgate.store.program import Program, ask, one

log = logging.getLogger(__name__)
T = TypeVar("T")


class Wakes(Protocol):
    """How the processes of a database tell each other that there is something to send."""

    async def listen(
        self, callback: Callable[[str], None] | None, takes: Callable[[str], bool]
    ) -> None: ...

    def tell(self, channel: str) -> None: ...


class CommonStore:
    """`Store` but for `open`, `close`, `accept` and `record`. A program is made anew for each try,
    so it is handed over as what makes it."""

    _wakes: Wakes

    async def _change(self, make: Callable[[], Program[T]]) -> T:
        """One transaction, durable when this returns. Raises Unavailable, InDoubt."""
        raise NotImplementedError

    async def _change_shortly(self, make: Callable[[], Program[T]]) -> T:
        """`_change` of what is asked many times a second and done at once."""
        return await self._change(make)

    async def _look(self, make: Callable[[], Program[T]]) -> T:
        """Reads one state of the database. Raises Unavailable."""
        raise NotImplementedError

    async def _look_shortly(self, make: Callable[[], Program[T]]) -> T:
        """`_look` for a few rows that are found by their ids, many times a second."""
        return await self._look(make)

    async def listen(
        self,
        callback: Callable[[str], None] | None,
        *,
        takes: Callable[[str], bool] = nothing,
    ) -> None:
        await self._wakes.listen(callback, takes)

    def _tell_placed(self, orders: Sequence[Order], answers: Sequence[Placed | NotPlaced]) -> None:
        placed = zip(orders, answers, strict=True)
        for channel in {order.plan[0].channel for order, to in placed if isinstance(to, Placed)}:
            self._wakes.tell(channel)

    def _tell_recorded(self, answers: Sequence[Recorded]) -> None:
        for channel in {channel for answer in answers for channel in answer.woken}:
            self._wakes.tell(channel)

    # Accounts, secrets, tariffs

    async def account(self, login: str) -> Account | None:
        return await self._look_shortly(lambda: books.account(sql.ACCOUNT_BY_LOGIN, login))

    async def account_by_id(self, account_id: int) -> Account | None:
        return await self._look_shortly(lambda: books.account(sql.ACCOUNT_BY_ID, account_id))

    async def accounts(self) -> list[Account]:
        return await self._look(lambda: books.accounts(sql.ACCOUNTS))

    async def create_account(
        self,
        *,
        login: str,
        name: str,
        at: int,
        tariff: str = "default",
        credit_limit: int = 0,
        settings: AccountSettings | None = None,
    ) -> Account:
        text = rows.settings_text(settings or DEFAULTS)
        line = (login, name, tariff, credit_limit, credit_limit, at, text)
        return await self._change(lambda: books.create(line))

    async def change_account(
        self,
        account_id: int,
        *,
        status: AccountStatus | None = None,
        settings: AccountSettings | None = None,
        credit_limit: int | None = None,
        tariff: str | None = None,
    ) -> Account:
        text = None if settings is None else rows.settings_text(settings)
        line = (status and status.value, text, credit_limit, tariff, account_id)
        return await self._change(lambda: books.change(account_id, line))

    async def resume_account(self, account_id: int) -> bool:
        return await self._change(lambda: books.resume(account_id))

    async def add_secret(
        self, account_id: int, digest: bytes, *, at: int, others_expire_at: int | None
    ) -> None:
        await self._change(
            lambda: books.add_secret(account_id, digest, at=at, others_expire_at=others_expire_at)
        )

    async def post(
        self,
        account_id: int,
        transfer: Transfer,
        *,
        at: int,
        document: str,
        comment: str,
        once: str = "",
    ) -> int:
        key = books.once_of(transfer, document, once)
        return await self._change(
            lambda: books.post(
                account_id, transfer, at=at, document=document, comment=comment, once=key
            )
        )

    async def approve(self, proposal_id: int, *, by: str, wall: int, at: int) -> int:
        return await self._change(lambda: proposals.approve(proposal_id, by=by, wall=wall, at=at))

    async def save_tariff(self, tariff: Tariff, *, at: int) -> None:
        await self._change(lambda: books.save_tariff(tariff, at=at))

    async def tariffs(self) -> list[Tariff]:
        return await self._look(books.tariffs)

    async def save_route(self, route: Route) -> None:
        await self._change(lambda: books.save_route(route))

    async def remove_route(self, name: str) -> bool:
        return await self._change(lambda: books.remove_route(name))

    async def routes(self) -> list[Route]:
        return await self._look(books.routes)

    async def lease_binds(self, asking: Asking) -> Decided:
        return await self._change(lambda: leasing.lease(asking))

    async def binds(self) -> list[Lease]:
        return await self._look(leasing.leases)

    # Messages on their way

    async def claim(
        self, *, channel: str, node: str, now: int, lease_until: int, attempts_max: int, limit: int
    ) -> list[Claimed]:
        taking = batches.Taking(
            node=node, now=now, lease_until=lease_until, attempts_max=attempts_max
        )
        return await self._around_faults(
            lambda: batches.claim(channel, taking, limit),
            find=lambda: batches.claimable(channel, now, limit),
            alone=lambda row: batches.take([row], taking),
            aside=lambda row: ask(sql.SET_SEND_ASIDE, lease_until, row[0]),
            at=now,
        )

    async def due(self, *, now: int, until: int, limit: int) -> list[Due]:
        return await self._around_faults(
            lambda: reading.due(now=now, until=until, limit=limit),
            find=lambda: reading.overdue(now=now, limit=limit),
            alone=lambda row: reading.reserve([row], now=now, until=until),
            aside=lambda row: ask(sql.SET_DECISION_ASIDE, until, until, row[0]),
            at=now,
        )

    async def _around_faults(
        self,
        together: Callable[[], Program[list[T]]],
        *,
        find: Callable[[], Program[list[rows.Row]]],
        alone: Callable[[rows.Row], Program[list[T]]],
        aside: Callable[[rows.Row], Program[Any]],
        at: int,
    ) -> list[T]:
        """All rows in one transaction. Where one of them breaks a rule, each in its own: a broken
        row stops nothing but its account's accepts, and comes again later (D6, D16)."""
        try:
            return await self._change_shortly(together)
        except (Unavailable, InDoubt):
            raise
        except Exception as error:
            log.warning("a batch was refused: %s", type(error).__name__)
        done: list[T] = []
        for row in await self._change(find):
            try:
                done += await self._change(partial(alone, row))
            except (Unavailable, InDoubt):
                break  # what was taken is in hand; the rest is still due
            except Exception as error:
                await self._change(partial(_set_aside, row, aside, error, at))
        return done

    # What operators do by hand

    async def stuck(self, *, now: int, patience_ms: int, limit: int) -> list[int]:
        latest = now - patience_ms
        line = (now + patience_ms, latest, latest, limit)
        return [row[0] for row in await self._look(lambda: ask(sql.STUCK, *line))]

    async def waiting(self, *, now: int, limit: int) -> list[int]:
        return [row[0] for row in await self._look(lambda: ask(sql.WAITING, now, now, limit))]

    async def retry(self, message_ids: Sequence[int], *, at: int) -> int:
        return await self._change(lambda: batches.retry(message_ids, at=at))

    async def discard(self, message_id: int, *, at: int, patience_ms: int) -> Discarded | None:
        found = await self._change(
            lambda: batches.discard(message_id, at=at, patience_ms=patience_ms)
        )
        return None if found is None else Discarded(words=found[0], account_id=found[1])

    async def next_due(self) -> int | None:
        return await self._look(reading.next_due)

    async def release(self, node: str) -> int:
        return await self._change(lambda: batches.release(node))

    async def confirm(
        self, packet_id: int, *, right: bool, at: int
    ) -> tuple[Verdict, tuple[str, ...]]:
        return await self._change_shortly(lambda: batches.confirm(packet_id, right=right, at=at))

    # Reading

    async def packet(
        self,
        account_id: int,
        *,
        packet_id: int | None = None,
        message_id: int | None = None,
        user_message_id: str | None = None,
        user_packet_id: str | None = None,
    ) -> PacketRow | None:
        asked = (
            (sql.PACKET_BY_ID, packet_id),
            (sql.PACKET_BY_MESSAGE, message_id),
            (sql.PACKET_BY_USER_MESSAGE, user_message_id),
            (sql.PACKET_BY_USER_PACKET, user_packet_id),
        )
        query, key = next(pair for pair in asked if pair[1] is not None)
        return await self._look_shortly(lambda: reading.packet(query, account_id, key))

    async def find(
        self, *, account_id: int | None, phone_digest: bytes, limit: int
    ) -> list[PacketRow]:
        line = (phone_digest, account_id, account_id, limit)
        return await self._look(lambda: reading.packets(sql.FIND, *line))

    async def timeline(self, packet_id: int) -> list[TimelineEntry]:
        return await self._look(lambda: reading.timeline(packet_id))

    async def ledger(
        self, account_id: int, *, before_id: int | None = None, limit: int = 100
    ) -> list[LedgerEntry]:
        found = await self._look(lambda: ask(sql.LEDGER, account_id, before_id, before_id, limit))
        return [rows.ledger_of(row) for row in found]

    async def purge(self, *, now: int) -> list[str]:
        await self._change(lambda: reading.prune(now=now))
        return await self._look(lambda: reading.purgeable_days(now=now))

    async def counts(self) -> dict[str, int]:
        return await self._look(reading.counts)

    async def verify(self) -> list[str]:
        return await self._look(verifying.verify)

    # Small durable values

    async def get(self, key: str) -> str | None:
        found: str | None = await self._look(lambda: one(sql.GET, key))
        return found

    async def put(self, key: str, value: str) -> None:
        await self._change(lambda: ask(sql.PUT, key, value))

    # Tables of the cabinet (store/cabinet.py): its statements, run here

    async def fetch(self, query: str, *line: Any) -> list[rows.Row]:
        return await self._look(lambda: ask(query, *line))

    async def run(self, statements: Sequence[tuple[str, Sequence[Any]]]) -> list[rows.Row]:
        return await self._change(lambda: _each(statements))

    async def change(self, make: Callable[[], Program[T]]) -> T:
        return await self._change(make)


def _set_aside(
    row: rows.Row, aside: Callable[[rows.Row], Program[Any]], error: Exception, at: int
) -> Program[None]:
    return batches.set_aside(row, aside(row), error, at=at)


def _each(statements: Sequence[tuple[str, Sequence[Any]]]) -> Program[list[rows.Row]]:
    found: list[rows.Row] = []
    for statement, line in statements:
        found = yield from ask(statement, *line)
    return found
