"""Posts delivery reports to callback URLs, signed, until acknowledged (telegram.md 1.6)."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import sqlite3
import ssl
from functools import partial

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
    key = hashlib.sha256(token.encode()).digest()
    return hmac.new(key, str(timestamp).encode() + b"\n" + body, hashlib.sha256).hexdigest()


class Reporter:
    """Takes due reports from the state and posts them until they are answered with 200."""

    def __init__(self, token: str, state: Durable, clock: Clock) -> None:
        self._token = token
        self._state = state
        self._clock = clock
        self._under_way: set[int] = set()
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
        """Posts what is due; returns when the next one is (real ms)."""
        room = AT_ONCE - len(self._under_way)
        if room <= 0:
            return None  # Whoever ends will wake us.
        under_way = json.dumps(list(self._under_way))
        rows = await self._state.do(lambda tx: tx.all(_NEXT, under_way, room))
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
        try:
            await self._state.do(partial(_done, row=row, status=status, clock=self._clock))
        finally:
            self._under_way.discard(row["id"])
            self._state.event("reports").set()


def _done(tx: Tx, row: sqlite3.Row, status: int, clock: Clock) -> None:
    """Acknowledged with exactly 200, or due again, or lost for good."""
    tries = row["tries"]
    if status == 200 or tries >= len(RETRY_S):
        tx.run("DELETE FROM reports WHERE id = ?", row["id"])
    else:
        due = clock.real() + RETRY_S[tries] * 1000
        tx.run("UPDATE reports SET tries = ?, due_real = ? WHERE id = ?", tries + 1, due, row["id"])
    tx.log(
        clock.now(),
        "report",
        "",
        request_id=str(row["request"]),
        status=status,
        tries=tries + 1,
    )
