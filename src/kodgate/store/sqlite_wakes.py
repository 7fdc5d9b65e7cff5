"""Wakes the other processes of a file of SQLite when there is something to send, as hints only.

Each that hears has a datagram socket in a folder of this user and database, apart from the data,
which people copy; whoever tells writes to all that it finds there.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import secrets
import socket
import stat
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from kodgate.store import nothing

GATHER_S = 0.005
"""Hints of one channel within this time are one."""

OPEN_TRIES = 10

NAME_MAX = 64
"""Bytes of a hint: the name of a channel."""


class Wakes:
    """One socket that tells, and one that hears; neither before `listen`."""

    def __init__(self, database: Path) -> None:
        place = hashlib.blake2b(os.fsencode(database.resolve()), digest_size=8).hexdigest()
        self._folder = Path(tempfile.gettempdir()) / f"kodgate-{os.geteuid()}-{place}"
        self._callback: Callable[[str], None] | None = None
        self._takes: Callable[[str], bool] = nothing
        self._news: set[str] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._teller: socket.socket | None = None
        self._hearer: socket.socket | None = None
        self._own = self._folder / secrets.token_hex(8)

    async def listen(
        self, callback: Callable[[str], None] | None, takes: Callable[[str], bool]
    ) -> None:
        """Returns when others are heard; where the system has no such sockets, nobody ever is.
        `takes`: whether this process sends what there is for a channel: then nobody is told."""
        self._callback = callback
        self._takes = takes
        self._loop = asyncio.get_running_loop()
        if self._teller is None:
            self._teller = _datagrams()
        if callback is not None and self._hearer is None:
            self._hearer = self._open_ear()
            if self._hearer is not None:
                self._loop.add_reader(self._hearer, self._hear)

    def tell(self, channel: str) -> None:
        if self._teller is None or self._loop is None or self._takes(channel):
            return
        if not self._news:
            self._loop.call_later(GATHER_S, self._tell_all)
        self._news.add(channel)

    def close(self) -> None:
        if self._hearer is not None and self._loop is not None:
            self._loop.remove_reader(self._hearer)
            self._hearer.close()
            self._own.unlink(missing_ok=True)
            with suppress(OSError):
                self._folder.rmdir()  # the last one
        if self._teller is not None:
            self._teller.close()
        self._hearer = self._teller = None

    def _open_ear(self) -> socket.socket | None:
        ear = _datagrams()
        for _ in range(OPEN_TRIES):
            try:
                self._folder.mkdir(mode=0o700, exist_ok=True)
                if not _is_ours(self._folder):
                    break
                ear.bind(os.fspath(self._own))
            except FileNotFoundError:  # the last of the others took the folder away just now
                continue
            except OSError:
                break
            return ear
        ear.close()
        return None

    def _tell_all(self) -> None:
        news, self._news = self._news, set()
        if self._teller is None:
            return
        with suppress(OSError):
            if _is_ours(self._folder):
                for path in self._folder.iterdir():
                    if path != self._own:
                        self._tell(path, sorted(news))

    def _tell(self, path: Path, news: list[str]) -> None:
        assert self._teller is not None
        try:
            for channel in news:
                self._teller.sendto(channel.encode("ascii"), os.fspath(path))
        except ConnectionRefusedError:  # it died without a word
            path.unlink(missing_ok=True)
        except OSError:  # it is gone, or has not read the hints before this one
            pass

    def _hear(self) -> None:
        assert self._hearer is not None
        heard = set()
        with suppress(OSError):
            while True:
                heard.add(self._hearer.recv(NAME_MAX))
        for channel in sorted(heard):
            if self._callback is not None:
                self._callback(channel.decode("ascii", "replace"))


def _datagrams() -> socket.socket:
    found = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    found.setblocking(False)
    return found


def _is_ours(folder: Path) -> bool:
    """In a place where everybody may write. Raises OSError where it is not there."""
    found = folder.lstat()
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid()
