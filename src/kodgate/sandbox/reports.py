"""Posts delivery reports to callback URLs, signed, until acknowledged (telegram.md 1.6)."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import sqlite3
import ssl
from functools import lru_cache, partial

from kodgate.channels.posting import Broken, Poster, Unreachable
from kodgate.sandbox.state import Durable, Tx
from kodgate.sandbox.timing import Clock, keep

RETRY_S = (1, 2, 4, 8, 15, 30, 60, 120, 300, 600)
"""Real seconds before each repeat; after the tenth the report is lost for good. The documentation
says "up to 10 retries with growing delays"; the figures are an assumption."""

TIMEOUT_S = 10.0
AT_ONCE = 256
"""Reports under way at the same time."""

_NEXT = (
    "SELECT * FROM reports WHERE id NOT IN (SELECT value FROM json_each(?))"
    " ORDER BY due_real, id LIMIT ?"
)


def sign(token: str, timestamp: int, body: bytes) -> str:
    """X-Request-Signature: hex HMAC-SHA256, under SHA-256(token), of timestamp, newline, body."""
    return hmac.digest(_key(token), b"%d\n%b" % (timestamp, body), "sha256").hex()


@lru_cache(16)
def _key(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


_Ended = tuple[sqlite3.Row, int]
"""A report that was posted, and the HTTP status of its answer; 0: there was none."""


class Reporter:
    """Takes due reports from the state and posts them until they are answered with 200."""

    def __init__(self, token: str, state: Durable, clock: Clock) -> None:
        self._token = token
        self._state = state
        self._clock = clock
        self._under_way: set[int] = set()
        self._ended: list[_Ended] = []
        """Posts that were answered, or not, and are not on record yet."""
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        http = Poster(
            tls=ssl.create_default_context(),
            connections_max=AT_ONCE,
            connect_timeout_s=TIMEOUT_S,
            timeout_s=TIMEOUT_S,
        )
        try:
            await keep(
                self._state.event("reports"), partial(self._start, http), self._clock.until_real
            )
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            http.close()

    async def _start(self, http: Poster) -> int | None:
        """Records what has ended, posts what is due; returns when the next one is (real ms)."""
        ended, self._ended = self._ended, []
        self._under_way.difference_update(row["id"] for row, _ in ended)
        room = AT_ONCE - len(self._under_way)
        if room <= 0:
            return None  # Whoever ends will wake us.
        under_way = json.dumps(list(self._under_way))

        def turn(tx: Tx) -> list[sqlite3.Row]:
            _record(tx, ended, self._clock)
            return tx.all(_NEXT, under_way, room)

        rows = await self._state.do(turn)
        now = self._clock.real()
        for row in rows:
            if row["due_real"] > now:
                return int(row["due_real"])
            self._under_way.add(row["id"])
            task = asyncio.create_task(self._post(http, row))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return None

    async def _post(self, http: Poster, row: sqlite3.Row) -> None:
        body = row["body"].encode()
        timestamp = self._clock.real() // 1000 - row["stale_s"]
        head = (
            "Content-Type: application/json\r\n"
            f"X-Request-Timestamp: {timestamp}\r\n"
            f"X-Request-Signature: {sign(self._token, timestamp, body)}\r\n"
        )
        try:
            status = (await http.post(row["url"], head.encode(), body)).status
        except (Unreachable, Broken, TimeoutError, OSError, ValueError):
            status = 0
        self._ended.append((row, status))
        self._state.event("reports").set()


def _record(tx: Tx, ended: list[_Ended], clock: Clock) -> None:
    """Acknowledged with exactly 200, or due again, or lost for good."""
    now, real = clock.now(), clock.real()
    gone, again = [], []
    for row, status in ended:
        tries = row["tries"]
        if status == 200 or tries >= len(RETRY_S):
            gone.append((row["id"],))
        else:
            again.append((tries + 1, real + RETRY_S[tries] * 1000, row["id"]))
        tx.log(now, "report", "", request_id=str(row["request"]), status=status, tries=tries + 1)
    tx.many("DELETE FROM reports WHERE id = ?", gone)
    tx.many("UPDATE reports SET tries = ?, due_real = ? WHERE id = ?", again)
