"""What a process of the gateway does: a comma-separated list of roles, all of them by default."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from kodgate.channels import Channel
from kodgate.engine import Duties


@dataclass(frozen=True, slots=True, kw_only=True)
class Role:
    """One kind of work; a process has one or several."""

    listens: bool = False
    """Opens the wire's listener: for its routes, its pages or providers' callbacks."""
    wire: bool = False
    """Serves the dialects' routes."""
    pages: bool = False
    """Serves what people look at: cabinet, inbox."""
    callbacks: bool = False
    """Takes what providers report over HTTP."""
    family: str | None = None
    """Sends through the channels of this family (rows of the result table)."""
    watches: bool = False
    """Polls providers and decides deadlines."""


TABLE: Mapping[str, Role] = MappingProxyType(
    {
        "http": Role(listens=True, wire=True, callbacks=True),
        "deliver": Role(listens=True, callbacks=True, family="messenger", watches=True),
        "smpp": Role(family="sms"),
        "web": Role(listens=True, pages=True),
    }
)
"""Any number of processes may share a role; every role must be run by one of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Roles:
    """The roles of this process."""

    names: tuple[str, ...]

    @property
    def listens(self) -> bool:
        return any(role.listens for role in self._roles)

    @property
    def wire(self) -> bool:
        return any(role.wire for role in self._roles)

    @property
    def pages(self) -> bool:
        return any(role.pages for role in self._roles)

    @property
    def callbacks(self) -> bool:
        return any(role.callbacks for role in self._roles)

    @property
    def sends(self) -> bool:
        return any(role.family for role in self._roles)

    def node(self, host: str) -> str:
        """A name for claims: two processes of one machine must not free each other's."""
        return host if self.names == tuple(TABLE) else f"{host}/{'+'.join(self.names)}"

    def duties(self, channels: Mapping[str, Channel]) -> Duties:
        families = {role.family for role in self._roles}
        sends = frozenset(name for name, one in channels.items() if one.family in families)
        return Duties(sends=sends, watches=any(role.watches for role in self._roles))

    @property
    def _roles(self) -> Iterable[Role]:
        return (TABLE[name] for name in self.names)


def chosen(names: Collection[str]) -> Roles:
    """In the table's order. Raises ValueError for an unknown name, or none at all."""
    unknown = sorted(set(names) - set(TABLE))
    if unknown or not names:
        known = ", ".join(TABLE)
        raise ValueError(f"unknown role {unknown[0]!r}" if unknown else f"choose among {known}")
    return Roles(names=tuple(name for name in TABLE if name in names))
