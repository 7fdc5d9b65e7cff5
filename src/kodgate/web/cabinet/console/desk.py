"""The console as a site: the cabinet's dispatcher with the operator's menu and readings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from kodgate.core.accounts import Account
from kodgate.store.console import ConsoleStore
from kodgate.store.proposals import Proposals
from kodgate.store.tables import tables
from kodgate.web.cabinet import menu as client_menu
from kodgate.web.cabinet.figures import PERIODS
from kodgate.web.cabinet.roles import Right
from kodgate.web.cabinet.site import Site
from kodgate.web.cabinet.visit import Page, View, Visit
from kodgate.web.cabinet.words import N_

MENU: tuple[tuple[str, tuple[client_menu.Entry, ...]], ...] = (
    (
        "",
        (
            ("", N_("Сейчас")),
            ("channels", N_("Каналы")),
            ("routes", N_("Маршруты SMS")),
            ("queue", N_("Очередь")),
        ),
    ),
    (
        N_("Деньги"),
        (
            ("accounts", N_("Счета")),
            ("tariffs", N_("Тарифы")),
            ("ledger", N_("Сверка книги")),
            ("providers", N_("Поставщики")),
        ),
    ),
    (N_("Порядок"), (("audit", N_("Журнал действий")), ("system", N_("Система")))),
)

PATIENCE_S = 60.0
"""Real time. A deadline is decided some seconds after it came: what is open a minute later does not
end by itself."""

PERIOD_NAMES = {
    "1h": N_("1 час"),
    "24h": N_("24 часа"),
    "7d": N_("7 дней"),
    "30d": N_("30 дней"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What only the assembly knows of this process."""

    version: str
    database: str
    """The url, without a password."""
    data: Path
    """The folder whose disk matters."""
    roles: tuple[str, ...]
    alone_max: int | None = None
    """What one operator books alone for one account within a day; None: whatever they like."""
    settings: tuple[tuple[str, str], ...] = ()
    """Name and value of every setting, secrets hidden."""


class Console(Site):
    """Shares engine, sessions and the door with the cabinet beside it."""

    def __init__(self, prefix: str, pages: Iterable[Page], *, beside: Site, facts: Facts) -> None:
        super().__init__(
            prefix,
            pages,
            engine=beside.engine,
            keyring=beside.keyring,
            journal=beside.journal,
            settings=beside.settings,
        )
        self.door, self.passwords = beside.door, beside.passwords
        self.cabinet_prefix = beside.prefix
        self.readings = ConsoleStore(tables(beside.engine.store))
        self.proposals = Proposals(tables(beside.engine.store))
        self.facts = facts

    def menu(self, visit: Visit | None) -> list[tuple[str, list[client_menu.Entry]]]:
        if visit is None or Right.OPERATE not in visit.rights:
            return []
        return [(heading, list(entries)) for heading, entries in MENU]


def desk(visit: Visit) -> Console:
    """The console that a visit is to."""
    assert isinstance(visit.site, Console)
    return visit.site


def period(visit: Visit, default: str = "24h") -> tuple[str, int, int]:
    """Its name, and its ends in business ms."""
    name = visit.query.get("period", default)
    name = name if name in PERIODS else default
    now = visit.site.engine.clock.now()
    return name, now - PERIODS[name], now + 1


def patience_ms(visit: Visit) -> int:
    """How long after its decision was due a message is stuck, in business ms."""
    clock = visit.site.engine.clock
    return clock.after_real(PATIENCE_S) - clock.now()


async def record(visit: Visit, action: str, detail: str, account: Account | None = None) -> None:
    """A line of the audit trail, of the account that was touched."""
    await visit.site.cabinet.audit(
        at=visit.site.wall_ms(),
        account_id=None if account is None else account.id,
        actor=visit.user.login,
        action=action,
        detail=detail,
        ip=visit.ip,
    )


async def logins(visit: Visit) -> Mapping[int, str]:
    """What accounts are called, by id."""
    return {account.id: account.login for account in await visit.site.engine.store.accounts()}


def look(path: str, view: View) -> Page:
    """A page that only shows."""
    return Page(path=path, view=view, right=Right.OPERATE, accountless=True)


def act(path: str, view: View, *, proof: bool = False) -> Page:
    """A form's address. `proof`: money and secrets ask for the password again (S-110)."""
    return Page(
        path=path,
        view=view,
        right=Right.OPERATE,
        method="POST",
        proof=proof,
        accountless=True,
    )
