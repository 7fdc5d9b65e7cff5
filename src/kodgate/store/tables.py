"""What a store lends to those who bring their own statements: the cabinet, reports, the log."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar, cast

from kodgate.store import Store, rows
from kodgate.store.program import Program

T = TypeVar("T")


class Tables(Protocol):
    """One statement to read, several to write as one transaction."""

    async def fetch(self, query: str, *line: Any) -> list[rows.Row]:
        """The rows of a query. Raises Unavailable."""

    async def run(self, statements: Sequence[tuple[str, Sequence[Any]]]) -> list[rows.Row]:
        """All or nothing; what the last statement returned. Raises Unavailable, InDoubt."""

    async def change(self, make: Callable[[], Program[T]]) -> T:
        """What takes more than a list of statements, as one transaction. Raises the same."""


def tables(store: Store) -> Tables:
    """What a store lends. Raises TypeError where this database serves no cabinet yet."""
    if not all(hasattr(store, name) for name in ("fetch", "run", "change")):
        raise TypeError(f"{type(store).__name__} serves no cabinet")
    return cast(Tables, store)
