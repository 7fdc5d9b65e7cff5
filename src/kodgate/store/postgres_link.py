"""Connections to PostgreSQL, and one transaction on one of them: what is told when it fails (D7).

The rule: lost before COMMIT was sent, nothing is stored (Unavailable); lost, or warned of, after
it was sent, nobody knows (InDoubt). A committing connection is never cancelled: to stop waiting
for a synchronous standby makes COMMIT return success for what may be lost.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Protocol, TypeVar
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from kodgate.core.errors import InDoubt
from kodgate.store import Unavailable, sql
from kodgate.store.postgres_driver import Connection


class Pool(Protocol):
    """What we use of a pool of asyncpg."""

    async def acquire(self, *, timeout: float) -> Connection: ...

    async def release(self, connection: Connection) -> None: ...

    async def close(self) -> None: ...

    def terminate(self) -> None: ...


CONNECT_S = 10.0
WORK_S = 20.0
"""All of a transaction but its COMMIT; waits for locks included."""
PATIENT_S = 3_600.0
"""The same, of what looks at whole tables."""
COMMIT_S = 30.0
"""Then the connection is left to itself: in doubt."""
TRIES = 5
PAUSE_S = 0.01

AGAIN = frozenset({"40001", "40P01", "55P03"})
"""Serialization failure, deadlock, lock not available: the same may succeed now."""

ITEM_FAULTS = frozenset({"22", "23", "42"})
"""Classes of errors of one statement: data, integrity, rights and syntax."""

SILENT_S = 5
"""A node that hangs in the middle of a transaction keeps an account's row from all others for no
longer: the server ends the transaction."""

SESSION = {
    "application_name": "kodgate",
    "synchronous_commit": "on",
    "jit": "off",
    "lock_timeout": "10s",
    "idle_in_transaction_session_timeout": f"{SILENT_S}s",
}
"""`statement_timeout` is not among them: it would cancel a COMMIT."""

BY_INDEX = {
    "plan_cache_mode": "force_generic_plan",
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
}
"""For lanes whose every statement looks up few rows by an index: a plan that was made while the
tables were small stays right when they have grown."""

UNSAFE = "kodgate_unsafe_fsync"
"""A parameter of the url, for tests alone: a server that does not sync its log is taken."""

log = logging.getLogger(__name__)
T = TypeVar("T")


class TryAgain(Exception):
    """Another transaction was in the way; nothing was stored."""


def is_unsafe(url: str) -> bool:
    return f"{UNSAFE}=1" in urlsplit(url).query.split("&")


def _plain(url: str) -> str:
    """The url without our own parameter."""
    parts = urlsplit(url)
    kept = [pair for pair in parts.query.split("&") if pair and pair != f"{UNSAFE}=1"]
    return urlunsplit(parts._replace(query="&".join(kept)))


async def connect(url: str) -> Connection:
    """One connection of its own. Raises OSError, asyncpg.PostgresError."""
    made: Connection = await asyncpg.connect(
        _plain(url), timeout=CONNECT_S, server_settings=SESSION
    )
    return made


async def pool(url: str, size: int, **settings: str) -> Pool:
    """Connects when it is used; a closed connection is replaced."""
    made: Pool = await asyncpg.create_pool(
        _plain(url),
        min_size=0,
        max_size=size,
        max_queries=10**9,
        max_inactive_connection_lifetime=0,
        reset=_as_it_is,
        timeout=CONNECT_S,
        server_settings={**SESSION, **settings},
        statement_cache_size=1_000,
        max_cached_statement_lifetime=0,
    )
    return made


async def _as_it_is(_connection: object) -> None:
    """No session state is ever left behind, so that no round trip is needed to take it away."""


async def transact(
    lane: Pool,
    work: Callable[[Connection], Awaitable[T]],
    *,
    begin: str = "begin",
    seconds: float = WORK_S,
) -> T:
    """One transaction; where others were in the way, again.

    Raises Unavailable (certainly nothing was stored), InDoubt, or what the work raised.
    """
    for tried in range(TRIES):
        await asyncio.sleep(PAUSE_S * tried)
        try:
            return await _once(lane, work, begin, seconds)
        except TryAgain as error:
            last = error
    raise Unavailable(f"others were in the way {TRIES} times") from last


async def _once(
    lane: Pool, work: Callable[[Connection], Awaitable[T]], begin: str, seconds: float
) -> T:
    async with _borrowed(lane) as connection:
        try:
            async with asyncio.timeout(seconds):
                await connection.execute(begin)
                result = await work(connection)
        except BaseException as error:
            told = await _undo(connection, error)
            if told is error:
                raise
            raise told from error
        await _commit(connection)
        return result


@asynccontextmanager
async def _borrowed(lane: Pool) -> AsyncIterator[Connection]:
    try:
        connection = await lane.acquire(timeout=CONNECT_S)
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise Unavailable(word(error)) from error
    try:
        yield connection
    finally:
        await lane.release(connection)


def is_item_fault(error: BaseException) -> bool:
    """Whether the work itself is at fault, not the database."""
    if isinstance(error, asyncpg.PostgresError):
        return (error.sqlstate or "")[:2] in ITEM_FAULTS
    return not isinstance(
        error, OSError | asyncpg.InterfaceError | Unavailable | InDoubt | TryAgain
    )


async def _undo(connection: Connection, error: BaseException) -> BaseException:
    """Rolls back, or drops the connection; what is to be told."""
    if isinstance(error, asyncpg.PostgresError) and error.sqlstate in AGAIN:
        await _roll_back(connection)
        return TryAgain(word(error))
    if isinstance(error, InDoubt):  # of a block of ids: of the work itself nothing is stored
        await _roll_back(connection)
        return Unavailable(*error.args)
    if isinstance(error, Unavailable) or (isinstance(error, Exception) and is_item_fault(error)):
        await _roll_back(connection)
        return error
    _drop(connection)
    if not isinstance(error, Exception):  # cancelled: the task ends
        return error
    log.error("a transaction failed: %s", word(error))
    return Unavailable(word(error))


async def _roll_back(connection: Connection) -> None:
    try:
        async with asyncio.timeout(CONNECT_S):
            await connection.execute("rollback")
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
        _drop(connection)


def _drop(connection: Connection) -> None:
    with suppress(asyncpg.InterfaceError):  # its pool has noticed that it is closed
        connection.terminate()


async def _commit(connection: Connection) -> None:
    """Raises InDoubt, or Unavailable where the server said that it rolled back."""
    warnings: list[str] = []

    def notice(_connection: object, message: asyncpg.PostgresLogMessage) -> None:
        warnings.append(message.sqlstate or message.severity or "notice")

    connection.add_log_listener(notice)
    committing = asyncio.ensure_future(connection.execute("commit"))
    done, _ = await asyncio.wait({committing}, timeout=COMMIT_S)
    if not done:
        _drop(connection)  # closes the socket, sends no cancel
        await asyncio.wait({committing})
    with suppress(asyncpg.InterfaceError):  # it is gone
        connection.remove_log_listener(notice)
    error = committing.exception()
    if error is None and committing.result() == "COMMIT" and not warnings:
        return
    if error is None and committing.result() == "ROLLBACK":
        raise Unavailable("the transaction was rolled back")
    _tell(connection, error, warnings)


def _tell(connection: Connection, error: BaseException | None, warnings: list[str]) -> None:
    _drop(connection)
    if isinstance(error, asyncpg.PostgresError) and (error.sqlstate or "")[:2] in {"23", "40"}:
        raise Unavailable(word(error)) from error
    told = word(error) if error is not None else f"warning {', '.join(warnings)}"
    log.error("a commit is in doubt: %s", told)
    raise InDoubt(told) from error


def word(error: BaseException) -> str:
    """For logs: no values, which might be codes or phones."""
    state = getattr(error, "sqlstate", None)
    name = type(error).__name__
    return f"{name} {state}" if state else name


async def take_block(lane: Pool, name: str, count: int) -> int:
    """The first of `count` ids that are now this node's."""

    async def take(connection: Connection) -> int:
        first: int = await connection.fetchval(sql.TAKE_BLOCK, count, name)
        return first

    return await transact(lane, take)
