"""The navigation: which entries a role sees."""

from __future__ import annotations

from kodgate.web.cabinet.roles import Right
from kodgate.web.cabinet.words import N_

Entry = tuple[str, str]

MENU: tuple[tuple[str, tuple[tuple[str, str, Right], ...]], ...] = (
    (
        "",
        (
            ("", N_("Обзор"), Right.SEE),
            ("messages", N_("Сообщения"), Right.SEE),
        ),
    ),
    (
        N_("Деньги"),
        (
            ("money", N_("Баланс и операции"), Right.MONEY),
            ("tariffs", N_("Тарифы"), Right.SEE),
            ("reports", N_("Отчёты"), Right.MONEY),
        ),
    ),
    (
        N_("Программы"),
        (
            ("test", N_("Тест"), Right.SEND),
            ("requests", N_("Журнал запросов"), Right.LOG),
            ("documentation", N_("Документация"), Right.SEE),
        ),
    ),
    (
        N_("Настройки"),
        (
            ("security", N_("Безопасность"), Right.SETTINGS),
            ("users", N_("Пользователи"), Right.USERS),
            ("actions", N_("Журнал действий"), Right.SETTINGS),
        ),
    ),
)


def entries(rights: frozenset[Right]) -> list[tuple[str, list[Entry]]]:
    """(heading, [(path, text)]), without headings that would stand over nothing."""
    parts = [
        (heading, [(path, text) for path, text, right in rows if right in rights])
        for heading, rows in MENU
    ]
    return [(heading, rows) for heading, rows in parts if rows]
