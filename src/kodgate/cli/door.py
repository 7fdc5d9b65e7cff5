"""The client that the client's commands share: which service, what is printed, how it ends."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import typer

from kodgate.cli import exits
from kodgate.cli.exits import Failed

if TYPE_CHECKING:
    from kodgate import Client, KodgateError

Output = Literal["table", "json"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """Which service to ask, and how results are written."""

    url: str | None
    login: str | None
    protocol: Literal["http", "json"]
    output: Output


def run(door: Door, work: Callable[[Client], int], *, simulated: bool = False) -> int:
    """Runs `work` with a client. Raises Failed with the error's exit status."""
    from kodgate import ApiError, Client, KodgateError

    password = "" if simulated else _password()
    try:
        with Client(
            "" if simulated else door.login,
            password,
            base_url=door.url,
            protocol="http" if simulated else door.protocol,
        ) as client:
            return work(client)
    except KodgateError as error:
        if door.output == "json" and isinstance(error, ApiError):
            write(door, {"error_num": error.number, "error": error.text})
        raise Failed(printable(str(error)), status_of(error)) from None


def status_of(error: KodgateError) -> int:
    """The exit status of an error. An open outcome is no invitation to try again."""
    import kodgate

    statuses: tuple[tuple[type[KodgateError] | tuple[type[KodgateError], ...], int], ...] = (
        (kodgate.ConfigurationError, exits.USAGE),
        ((kodgate.AuthenticationFailed, kodgate.AccessDenied), exits.ACCESS),
        ((kodgate.Unavailable, kodgate.RateLimited), exits.UNAVAILABLE),
        (kodgate.ApiError, exits.REFUSED),
        ((kodgate.OutcomeUnknown, kodgate.NotDelivered), exits.NOT_DELIVERED),
        (kodgate.WaitTimeout, exits.NOT_DELIVERED),
        (kodgate.TransportError, exits.UNAVAILABLE),
    )
    return next((code for kind, code in statuses if isinstance(error, kind)), exits.INTERNAL)


def write(door: Door, row: Mapping[str, object]) -> None:
    """One result on standard output."""
    if door.output == "json":
        typer.echo(json.dumps(row, ensure_ascii=False))
        return
    width = max(len(name) for name in row)
    for name, value in row.items():
        typer.echo(f"{name:<{width}}  {printable(str(value))}")


def printable(text: str) -> str:
    """A text of the service without what a terminal would obey (escape sequences)."""
    return "".join(sign for sign in text if sign.isprintable())


def _password() -> str | None:
    """None: the environment has it. Asked for on a terminal; never an argument."""
    if os.environ.get("KODGATE_PASSWORD") or os.environ.get("KODGATE_PASSWORD_FILE"):
        return None
    if not sys.stdin.isatty():
        raise Failed("set KODGATE_PASSWORD or KODGATE_PASSWORD_FILE", exits.USAGE)
    answer: str = typer.prompt("Password (http_password)", hide_input=True, err=True)
    return answer
