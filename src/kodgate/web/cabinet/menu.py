"""The navigation: which entries a role sees."""

from __future__ import annotations

from kodgate.web.cabinet.roles import Right
from kodgate.web.cabinet.words import N_

Entry = tuple[str, str]

MENU: tuple[tuple[str, tuple[tuple[str, str, Right | None], ...]], ...] = (
    (
        "",
        (
            ("", N_("Обзор"), Right.SEE),
            ("messages", N_("Сообщения"), Right.SEE),
        ),
    ),
)


def entries(rights: frozenset[Right]) -> list[tuple[str, list[Entry]]]:
    """(heading, [(path, text)]), without headings that would stand over nothing."""
    parts = [
        (heading, [(path, text) for path, text, right in rows if right is None or right in rights])
        for heading, rows in MENU
    ]
    return [(heading, rows) for heading, rows in parts if rows]
