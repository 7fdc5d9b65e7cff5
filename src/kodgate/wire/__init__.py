"""Wire dialects: bytes and parameters <-> core types. Pure; one file a dialect, both ends in it.

To add one: a module here that ends with `DIALECT = ...`. The web layer finds it, asks `read` for a
`Call`, then the parser of the operation, and gives the outcome to the matching `render_*`.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from kodgate.core.accounts import AccountSettings
from kodgate.core.requests import (
    Balance,
    Confirmed,
    ConfirmRequest,
    Credentials,
    PacketStatus,
    Refusal,
    SendRequest,
    Sent,
    Simulation,
    StatusQuery,
)
from kodgate.core.values import quick


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class HttpRequest:
    """One HTTP request as the dialects see it. `body` is complete and within the limit."""

    method: str
    path: str
    """Normalised: lower case, one leading slash, without the query."""
    query: bytes
    body: bytes
    content_type: str


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class HttpAnswer:
    """One HTTP answer. The web layer adds Content-Length, Cache-Control and the like."""

    status: int
    content_type: str
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A request whose parameters were read, but not yet judged."""

    operation: str
    """send, status, balance or confirm."""
    format: str
    """txt, xml or json: how the answer must be written, errors too."""
    parameters: Mapping[str, str] = field(repr=False)
    """By canonical lower-case name; values as text. May hold secrets: never log it."""
    credentials: Credentials
    simulation: bool
    """test=-1: no login is asked for."""
    error: str | None = None
    """An error-table name found while reading (BAD_JSON, BAD_PARAMETER, ...): answered after the
    credentials were judged, by the table's precedence."""


class Dialect(Protocol):
    """Server half. The SDK half of each module is its `build_*` and `read_*` functions."""

    name: str
    routes: Mapping[str, str]
    """Path (lower case) -> operation."""

    def read(self, request: HttpRequest) -> Call:
        """Never raises: what is wrong stands in `Call.error`."""

    def parse_send(self, call: Call, settings: AccountSettings) -> SendRequest:
        """Raises Refused, the uppermost error that applies."""

    def parse_simulation(self, call: Call) -> Simulation:
        """Raises Refused."""

    def parse_status(self, call: Call, settings: AccountSettings) -> StatusQuery:
        """Raises Refused."""

    def parse_confirm(self, call: Call) -> ConfirmRequest:
        """Raises Refused."""

    def render_sent(self, call: Call, sent: Sent, settings: AccountSettings) -> HttpAnswer: ...

    def render_status(
        self, call: Call, status: PacketStatus, settings: AccountSettings
    ) -> HttpAnswer: ...

    def render_balance(
        self, call: Call, balance: Balance, settings: AccountSettings
    ) -> HttpAnswer: ...

    def render_confirmed(
        self, call: Call, confirmed: Confirmed, settings: AccountSettings
    ) -> HttpAnswer: ...

    def render_refusal(
        self, call: Call, refusal: Refusal, settings: AccountSettings
    ) -> HttpAnswer: ...


def load() -> tuple[Dialect, ...]:
    """Every dialect of this folder: the modules that have a `DIALECT`."""
    names = (f"{__name__}.{found.name}" for found in pkgutil.iter_modules(__path__))
    modules = (importlib.import_module(name) for name in names)
    return tuple(module.DIALECT for module in modules if hasattr(module, "DIALECT"))


class ApiFailure(Exception):
    """An answer that says no. Raised by the `read_*` functions."""

    def __init__(self, number: int, text: str, packet_id: int | None = None) -> None:
        super().__init__(f"{number}: {text}")
        self.number = number
        """Of the error table; -1: the answer named no number that we know."""
        self.text = text
        self.packet_id = packet_id
        """The first packet's id, with error 19 (D14)."""


class Unreadable(Exception):
    """An answer that is in no form that the document knows. What happened is not known."""
