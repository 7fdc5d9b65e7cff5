"""Wrong passwords at the cabinet's door, counted over all processes. Wall clock, ms.

Rows live as long as their window, and every wrong password costs its caller an argon2 evaluation:
so many can be made an hour and no more.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kodgate.store.tables import Tables

KNOWN = "known"
KNOWN_MS = 30 * 86_400_000
"""How long a network that once knew the password is told from strangers' ones."""

_SWEEP = "delete from sign_in_try where (kind = ? and last_at < ?) or (kind <> ? and last_at < ?)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tries:
    """Wrong passwords of one login, network, or both."""

    count: int
    first_at: int
    last_at: int


NONE = Tries(count=0, first_at=0, last_at=0)

Key = tuple[str, bytes]
"""Kind and digest."""


class TryStore:
    """Its calls raise Unavailable, and InDoubt where they write."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    async def find(self, keys: Sequence[Key]) -> dict[Key, Tries]:
        """Those of the keys that there is a row of."""
        marks = " or ".join("kind = ? and digest = ?" for _ in keys)
        query = f"select kind, digest, count, first_at, last_at from sign_in_try where {marks}"
        found = await self._tables.fetch(query, *(value for key in keys for value in key))
        return {
            (row[0], bytes(row[1])): Tries(count=row[2], first_at=row[3], last_at=row[4])
            for row in found
        }

    async def failed(self, keys: Mapping[Key, str], *, at: int, window_ms: int) -> None:
        """One more of each key. Its count begins anew when the window has passed since its
        `first_at` or `last_at`, whichever the key names."""
        statements: list[tuple[str, Sequence[Any]]] = [
            (_SWEEP, (KNOWN, at - KNOWN_MS, KNOWN, at - window_ms))
        ]
        for (kind, digest), since in sorted(keys.items()):  # one order: no two wait for each other
            line = (kind, digest, at, at, at - window_ms, at - window_ms)
            statements.append((_count_since(since), line))
        await self._tables.run(statements)

    async def succeeded(self, *, forget: Iterable[Key], known: Key, at: int) -> None:
        remember = (
            "insert into sign_in_try (kind, digest, count, first_at, last_at)"
            " values (?, ?, 0, ?, ?)"
            " on conflict (kind, digest) do update set last_at = excluded.last_at"
        )
        forgotten = [
            ("delete from sign_in_try where kind = ? and digest = ?", key) for key in forget
        ]
        await self._tables.run([*forgotten, (remember, (*known, at, at))])


def _count_since(column: str) -> str:
    assert column in ("first_at", "last_at")
    over = f"sign_in_try.{column} < ?"
    return (
        "insert into sign_in_try (kind, digest, count, first_at, last_at) values (?, ?, 1, ?, ?)"
        " on conflict (kind, digest) do update set"
        f" count = case when {over} then 1 else sign_in_try.count + 1 end,"
        f" first_at = case when {over} then excluded.first_at else sign_in_try.first_at end,"
        " last_at = excluded.last_at"
    )
