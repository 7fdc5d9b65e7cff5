"""What the command's exit status means, and how an error becomes one."""

from __future__ import annotations

from collections.abc import Callable

import typer

OK = 0
INTERNAL = 1
USAGE = 2
REFUSED = 3
"""The service answered with an error of its table."""
ACCESS = 4
"""Login, password or access."""
NOT_DELIVERED = 5
"""The code did not arrive, or the wait for it was over."""
UNAVAILABLE = 6
"""Try again later."""
SETUP = 8
"""Migration or configuration needed."""
INTERRUPTED = 130


class Failed(Exception):
    """A command that cannot do it: what it says, and its exit status."""

    def __init__(self, text: str, status: int = INTERNAL) -> None:
        super().__init__(text)
        self.status = status


def run(command: Callable[[], int | None]) -> None:
    """Runs a command; raises typer.Exit with its status. Ctrl-C is 130."""
    try:
        status = command()
    except Failed as failed:
        typer.echo(f"kodgate: {failed}", err=True)
        raise typer.Exit(failed.status) from None
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None
    raise typer.Exit(status or OK)
