"""What programs asked and were answered: counted at once, written down in the background.

A request costs its caller two looks into dictionaries. About once a second what has gathered is
stored in one transaction: all counts, and a bounded sample of the requests themselves, where
refusals have room when the rest has none. Every process that serves the wire has a journal; pages
read what all of them have stored. A crash loses the last second of it.
"""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

import structlog

from kodgate.core.errors import InDoubt
from kodgate.store import Unavailable
from kodgate.store.keyring import Keyring
from kodgate.store.requests import (
    DAY_MS,
    MINUTE_MS,
    Chosen,
    Counted,
    Known,
    RequestRow,
    RequestStore,
)

log = structlog.get_logger("kodgate.web")

EVERY_S = 1.0
PRUNE_EVERY = 60
"""Flushes from one pruning to the next."""

DONE_MAX = 200
KEPT_MAX = 400
"""Requests that one flush writes down: those that were done, and all of them."""
ALIKE_MAX = 25
"""Of one account with one outcome in one minute and flush: nobody takes up all the room."""
STRANGERS_MAX = 500
"""Logins that were not let in, of which one flush finds out whose they are."""
STRANGE_MAX = 100
"""Requests of such logins that one flush writes down: most are nobody's."""
TALLIES_MAX = 50_000
"""Counts that wait while the database is away; more are lost."""

BODY_MAX = 2_000
"""Characters of an answer that are kept."""
VALUE_MAX = 300
"""Characters of a parameter that are kept."""
LOGIN_MAX = 64

SECRET = frozenset({"http_password", "password", "pass"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One answered request. Passwords are left out; codes and phones are not: show them masked."""

    id: str
    at: int
    """Business ms."""
    path: str
    dialect: str
    ip: str
    error: int
    why: str
    """The human reason of a refusal, where there is more to say than the error's text."""
    seconds: float
    in_query: bool
    """The password stood in the URL."""
    packet_id: int | None
    parameters: Mapping[str, str] | None = field(repr=False)
    """None, and an empty body: their time is over."""
    body: str = field(repr=False)
    row: int = 0
    """Where it stands in the log."""


@dataclass(slots=True)
class _Tally:
    total: int = 0
    kept: int = 0


Who = int | str
"""An account's id, or a login that was not let in."""


@dataclass(slots=True)
class _Batch:
    """What is stored at once, under a name by which it is stored only once."""

    name: str
    tallies: dict[tuple[int, Who, int], _Tally] = field(default_factory=dict)
    """(minute, who, error) -> how many."""
    kept: list[tuple[Who, int, Asked]] = field(default_factory=list)
    """With the time that the account keeps its codes, s."""
    done: int = 0
    """Of the kept ones, those without an error."""
    strange: int = 0
    """Of the kept ones, those of logins that were not let in."""
    strangers: set[str] = field(default_factory=set)


class Journal:
    """Writes and reads the request log. `now`: business ms."""

    def __init__(
        self,
        store: RequestStore,
        keyring: Keyring,
        *,
        now: Callable[[], int],
        node: str,
        days: int = 3,
        rows_max: int = 200_000,
    ) -> None:
        self.now = now
        self.days = days
        self.store = store
        self._keyring = keyring
        self._node = node
        self._rows_max = rows_max
        self._prefix = secrets.token_hex(4)
        self._batches = 0
        self._open = self._batch()
        self._closed: _Batch | None = None
        self._flushing = asyncio.Lock()
        self._touched: set[int] = set()
        self._task: asyncio.Task[None] | None = None

    # On the hot path

    def counts(self, who: Who, error: int, at: int) -> bool:
        """Counts one request; True: there is room to write it down too."""
        batch = self._open
        key = (at // MINUTE_MS, who, error)
        tally = batch.tallies.get(key)
        if tally is None:
            tally = self._new_tally(batch, key)
        tally.total += 1
        if tally.kept >= ALIKE_MAX or len(batch.kept) >= KEPT_MAX:
            return False
        if error == 0:
            if batch.done >= DONE_MAX:
                return False
            batch.done += 1
        elif type(who) is str:
            if batch.strange >= STRANGE_MAX:
                return False
            batch.strange += 1
        tally.kept += 1
        return True

    def keep(self, who: Who, retention_s: int, asked: Asked) -> None:
        """After `counts` has said so."""
        self._open.kept.append((who, retention_s, asked))

    @staticmethod
    def _new_tally(batch: _Batch, key: tuple[int, Who, int]) -> _Tally:
        """One that nobody sums up where there are too many: a stranger may try any login."""
        nobody = _Tally(kept=ALIKE_MAX)
        who = key[1]
        if len(batch.tallies) >= TALLIES_MAX:
            return nobody
        if isinstance(who, str) and who not in batch.strangers:
            if len(batch.strangers) >= STRANGERS_MAX or not _is_login(who):
                return nobody
            batch.strangers.add(who)
        return batch.tallies.setdefault(key, _Tally())

    # In the background

    def start(self) -> None:
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """What was heard is stored, if the database takes it."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            await self.flush()

    async def _run(self) -> None:
        flushes = 0
        while True:
            await asyncio.sleep(EVERY_S)
            try:
                await self.flush()
                flushes += 1
                if flushes % PRUNE_EVERY == 1:
                    await self.prune()
            except (Unavailable, InDoubt) as error:
                log.warning("requests_not_pruned", action="requests", error=str(error))
            except Exception:  # what follows must go on being written down
                log.exception("requests_not_stored", action="requests")

    async def flush(self) -> None:
        """Stores what was heard; what the database does not take waits for the next time."""
        async with self._flushing:
            if self._closed is None and self._open.tallies:
                self._closed, self._open = self._open, self._batch()
            if self._closed is None:
                return
            try:
                await self._store(self._closed)
            except (Unavailable, InDoubt) as error:
                log.warning("requests_wait", action="requests", error=str(error))
            else:
                self._closed = None

    async def _store(self, batch: _Batch) -> None:
        known = await self.store.known(batch.strangers) if batch.strangers else {}
        counts = _counted(batch, known)
        rows = await asyncio.to_thread(self._rows, batch, known)
        self._touched.update(row.account_id for row in rows)
        await self.store.save(rows, counts, node=self._node, batch=batch.name)

    async def prune(self) -> None:
        """Removes what is too old or too much, and the keys of texts that are gone. Raises
        Unavailable, InDoubt."""
        touched, self._touched = self._touched, set()
        await self.store.prune(
            now=self.now(), days=self.days, rows_max=self._rows_max, accounts=touched
        )
        oldest = await self.store.oldest_text()
        before = _day(min(self.now() - DAY_MS, self.now() if oldest is None else oldest))
        for day in self._keyring.days("request"):
            if day < before:
                await asyncio.to_thread(self._keyring.drop, day, "request")

    def _batch(self) -> _Batch:
        self._batches += 1
        return _Batch(name=f"{self._prefix} {self._batches}")

    def _rows(self, batch: _Batch, known: Mapping[str, Known]) -> list[RequestRow]:
        rows = []
        for who, retention_s, asked in batch.kept:
            if isinstance(who, int):
                rows.append(self._sealed(who, retention_s, asked))
            elif who in known:
                rows.append(self._sealed(known[who].id, known[who].code_retention_s, asked))
        return rows

    def _sealed(self, account_id: int, retention_s: int, asked: Asked) -> RequestRow:
        kept_ms = min(retention_s * 1000, self.days * DAY_MS)
        sealed = b""
        if kept_ms:
            text = json.dumps([dict(asked.parameters or {}), asked.body], separators=(",", ":"))
            sealed = self._keyring.seal(
                _day(asked.at), "request", account_id, asked.id.encode(), text
            )
        return RequestRow(
            request_id=asked.id,
            at=asked.at,
            account_id=account_id,
            path=asked.path,
            dialect=asked.dialect,
            ip=asked.ip,
            error=asked.error,
            why=asked.why,
            took_us=round(asked.seconds * 1_000_000),
            in_query=asked.in_query,
            packet_id=asked.packet_id,
            purge_at=asked.at + kept_ms if kept_ms else None,
            sealed=sealed,
        )

    # Reading

    async def requests(self, account_id: int, chosen: Chosen, *, limit: int) -> list[Asked]:
        """Newest first. Raises Unavailable, as all reading does."""
        found = await self.store.requests(account_id, chosen, limit=limit)
        return [self._asked(row, number) for number, row in found]

    async def of_packet(self, account_id: int, packet_id: int) -> Asked | None:
        """The request that made a packet, if it was written down."""
        row = await self.store.of_packet(account_id, packet_id)
        return None if row is None else self._asked(row)

    def _asked(self, row: RequestRow, number: int = 0) -> Asked:
        text = None
        if row.purge_at is not None and self.now() < row.purge_at:
            text = self._keyring.open(
                _day(row.at), "request", row.account_id, row.request_id.encode(), row.sealed
            )
        parameters, body = (None, "") if text is None else json.loads(text)
        return Asked(
            id=row.request_id,
            at=row.at,
            path=row.path,
            dialect=row.dialect,
            ip=row.ip,
            error=row.error,
            why=row.why,
            seconds=row.took_us / 1_000_000,
            in_query=row.in_query,
            packet_id=row.packet_id,
            parameters=parameters,
            body=body,
            row=number,
        )


def without_secrets(parameters: Mapping[str, str], password: str) -> dict[str, str]:
    """What may be kept of them: the password not under another name either."""
    return {
        name: value[:VALUE_MAX]
        for name, value in parameters.items()
        if name not in SECRET and value != password
    }


def excerpt(body: bytes) -> str:
    """An answer as text, for people."""
    return body[:BODY_MAX].decode("utf-8", "replace")


def _counted(batch: _Batch, known: Mapping[str, Known]) -> list[Counted]:
    found = []
    for (minute, who, error), tally in batch.tallies.items():
        account_id = who if isinstance(who, int) else _id_of(known.get(who))
        if account_id is not None:
            dropped = tally.total - tally.kept
            found.append(Counted(account_id, minute * MINUTE_MS, error, tally.total, dropped))
    return found


def _id_of(known: Known | None) -> int | None:
    return None if known is None else known.id


def _is_login(text: str) -> bool:
    return len(text) <= LOGIN_MAX and text.isascii() and text.isprintable()


def _day(at: int) -> str:
    return datetime.fromtimestamp(at / 1000, UTC).date().isoformat()
