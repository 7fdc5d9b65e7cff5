"""Ports that stay a server's own while it is stopped and started again."""

from __future__ import annotations

import os
import socket
from itertools import count

FIRST = 10_000
SHARE = 1_400
SHARES = 16
"""FIRST + SHARE * SHARES is below 32,768, where Linux begins to give ports to whoever connects: a
connection of anybody's could take one of those in the moment that its server is away."""

_places = count(os.getpid())


def free_ports(number: int, *, after: int = 0) -> list[int]:
    """So many ports in a row, of this process's share, that nobody listens on, nor on the next
    `after`. A runner with several workers (PYTEST_XDIST_WORKER: gw0, gw1, ...) has a share for
    each. Raises OSError."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")
    share = FIRST + SHARE * (int(worker) % SHARES)
    size = number + after
    for _ in range(SHARE // size):
        row = [share + next(_places) % SHARE for _ in range(size)]
        if row[-1] == row[0] + size - 1 and all(map(_is_free, row)):
            return row[:number]
    raise OSError(f"{number} ports are not free from {share} on")


def _is_free(port: int) -> bool:
    with socket.socket() as tried:
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            tried.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
