"""The calls of a store that are the same on every database: each runs one program."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from kodgate.core.accounts import Account, AccountSettings, AccountStatus
from kodgate.core.life import Verdict
from kodgate.core.tariffs import Tariff
from kodgate.core.types import Transfer
from kodgate.store import (
    Claimed,
    Due,
    LedgerEntry,
    PacketRow,
    Recorded,
    Route,
    TimelineEntry,
    batches,
    reading,
    rows,
    sql,
    verifying,
)
from kodgate.store import accounts as books
from kodgate.store.program import Program, ask, one

FAULTY = Recorded(matched=False, may_go_on=False, woken=(), words=("faulty",))
"""An observation that broke a rule of money or state: nothing of it was stored."""

T = TypeVar("T")


class CommonStore:
    """`Store` but for `open`, `close`, `accept` and `record`. A program is made anew for each try,
    so it is handed over as what makes it."""

    async def _change(self, make: Callable[[], Program[T]]) -> T:
        """One transaction, durable when this returns. Raises Unavailable, InDoubt."""
        raise NotImplementedError

    async def _look(self, make: Callable[[], Program[T]]) -> T:
        """Reads one state of the database. Raises Unavailable."""
        raise NotImplementedError

    # Accounts, secrets, tariffs

    async def account(self, login: str) -> Account | None:
        return await self._look(lambda: books.account(sql.ACCOUNT_BY_LOGIN, login))

    async def account_by_id(self, account_id: int) -> Account | None:
        return await self._look(lambda: books.account(sql.ACCOUNT_BY_ID, account_id))

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
        text = rows.settings_text(settings or AccountSettings())
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

    async def add_secret(
        self, account_id: int, digest: bytes, *, at: int, others_expire_at: int | None
    ) -> None:
        await self._change(
            lambda: books.add_secret(account_id, digest, at=at, others_expire_at=others_expire_at)
        )

    async def post(
        self, account_id: int, transfer: Transfer, *, at: int, document: str, comment: str
    ) -> int:
        return await self._change(
            lambda: books.post(account_id, transfer, at=at, document=document, comment=comment)
        )

    async def save_tariff(self, tariff: Tariff, *, at: int) -> None:
        await self._change(lambda: books.save_tariff(tariff, at=at))

    async def tariffs(self) -> list[Tariff]:
        return await self._look(books.tariffs)

    async def save_route(self, route: Route) -> None:
        line = (route.name, route.channel, route.profile, route.created_at)
        await self._change(lambda: ask(sql.SAVE_ROUTE, *line))

    async def routes(self) -> list[Route]:
        return await self._look(books.routes)

    # Messages on their way

    async def claim(
        self, *, channel: str, node: str, now: int, lease_until: int, attempts_max: int, limit: int
    ) -> list[Claimed]:
        return await self._change(
            lambda: batches.claim(
                channel=channel,
                node=node,
                now=now,
                lease_until=lease_until,
                attempts_max=attempts_max,
                limit=limit,
            )
        )

    async def due(self, *, now: int, until: int, limit: int) -> list[Due]:
        return await self._change(lambda: reading.due(now=now, until=until, limit=limit))

    async def next_due(self) -> int | None:
        return await self._look(reading.next_due)

    async def release(self, node: str) -> int:
        return await self._change(lambda: batches.release(node))

    async def confirm(
        self, packet_id: int, *, right: bool, at: int
    ) -> tuple[Verdict, tuple[str, ...]]:
        return await self._change(lambda: batches.confirm(packet_id, right=right, at=at))

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
        return await self._look(lambda: reading.packet(query, account_id, key))

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


def _each(statements: Sequence[tuple[str, Sequence[Any]]]) -> Program[list[rows.Row]]:
    found: list[rows.Row] = []
    for statement, line in statements:
        found = yield from ask(statement, *line)
    return found
