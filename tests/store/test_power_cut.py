"""Cuts the power: only bytes that were synced survive, and every answered order is among them.

A kill cannot show a missing fsync, for the kernel still writes what it holds. So the writes of a
process are traced, and a disk is built for each cut that holds exactly what had been synced.
"""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from kodgate.store import migrate
from kodgate.store.sqlite import SqliteStore

from .kit import account

ORDERS = 60
CUTS_MAX = 40

CHILD = """
import asyncio, os, sys
from kodgate.store import open_store
from tests.store.kit import order

async def main():
    store = open_store(sys.argv[1])
    await store.open()
    async def caller(n):
        for i in range(int(sys.argv[2]) // 4):
            (placed,) = await store.accept([order(1, phone=f"7912{n:03d}{i:04d}")])
            os.write(1, b"%d\\n" % placed.packet_id)
    await asyncio.gather(*(caller(n) for n in range(4)))
    os._exit(0)

asyncio.run(main())
"""

CALL = re.compile(r"^(\d+) +(.*)$")
OPENED = re.compile(r'openat\(.*?, "([^"]*)".*\) += (\d+)')
WROTE = re.compile(r'pwrite64\((\d+), "([^"]*)", \d+, (\d+)\) += \d+')
SYNCED = re.compile(r"f(?:data)?sync\((\d+)\) += 0")
CUT_OFF = re.compile(r"ftruncate\((\d+), (\d+)\) += 0")
ACKED = re.compile(r'write\(1, "([^"]*)"')


class Disk:
    """Files as they would be after a power cut: what was written but not synced is not there."""

    def __init__(self, folder: Path) -> None:
        self.files = {path.name: bytearray(path.read_bytes()) for path in folder.iterdir()}
        self.waiting: dict[str, list[tuple[int, bytes | None]]] = {}
        self.names: dict[int, str] = {}

    def see(self, call: str) -> None:
        if found := OPENED.search(call):
            self.names[int(found[2])] = Path(unhex(found[1]).decode()).name
        elif found := WROTE.search(call):
            self._note(int(found[1]), int(found[3]), unhex(found[2]))
        elif found := CUT_OFF.search(call):
            self._note(int(found[1]), int(found[2]), None)
        elif found := SYNCED.search(call):
            self._sync(self.names.get(int(found[1]), ""))

    def _note(self, handle: int, place: int, data: bytes | None) -> None:
        self.waiting.setdefault(self.names[handle], []).append((place, data))

    def _sync(self, name: str) -> None:
        file = self.files.setdefault(name, bytearray())
        for place, data in self.waiting.pop(name, ()):
            if data is None:
                del file[place:]
                continue
            file.extend(bytes(max(0, place + len(data) - len(file))))
            file[place : place + len(data)] = data

    def build(self, folder: Path) -> None:
        folder.mkdir()
        for name in ("kodgate.db", "kodgate.db-wal"):
            if name in self.files:
                (folder / name).write_bytes(self.files[name])


def unhex(text: str) -> bytes:
    return bytes.fromhex(text.replace("\\x", ""))


def calls(trace: str) -> Iterator[str]:
    """Whole calls at their end; a write to the caller already at its beginning."""
    begun: dict[str, str] = {}
    for line in trace.splitlines():
        found = CALL.match(line)
        if found is None:
            continue
        thread, text = found.groups()
        if text.endswith("<unfinished ...>"):
            begun[thread] = text.removesuffix("<unfinished ...>").rstrip()
            if ACKED.search(text):
                yield begun.pop(thread)
        elif text.startswith("<... "):
            yield begun.pop(thread, "") + text.partition("resumed>")[2]
        else:
            yield text


@pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace")
async def test_a_power_cut_loses_no_answered_order(tmp_path: Path) -> None:
    live = tmp_path / "live"
    live.mkdir()
    url = f"sqlite:///{live}/kodgate.db"
    migrate(url)
    store = SqliteStore(live / "kodgate.db")
    await store.open()
    await account(store)
    await store.close()
    disk = Disk(live)
    acked: list[int] = []
    cuts = 0
    for call in calls(traced(url, tmp_path / "trace")):
        if found := ACKED.search(call):
            acked.append(int(unhex(found[1])))
            continue
        disk.see(call)
        if acked and "sync(" in call and cuts < CUTS_MAX:
            cuts += 1
            await look(disk, tmp_path / f"cut{cuts}", acked)
    assert len(acked) == ORDERS
    assert cuts > 10
    await look(disk, tmp_path / "end", acked)


def traced(url: str, trace: Path) -> str:
    root = Path(__file__).parents[2]
    wanted = "openat,pwrite64,fsync,fdatasync,ftruncate,write"
    subprocess.run(
        [
            *("strace", "-f", "-xx", "-s", "100000", "-e", f"trace={wanted}", "-o", str(trace)),
            *(sys.executable, "-c", CHILD, url, str(ORDERS)),
        ],
        check=True,
        timeout=120,
        stdout=subprocess.DEVNULL,
        cwd=root,
        env={**os.environ, "PYTHONPATH": f"{root}:{root / 'src'}"},
    )
    return trace.read_text()


async def look(disk: Disk, folder: Path, acked: list[int]) -> None:
    """Starts on what the cut left: all that was answered is there, and the books are right."""
    disk.build(folder)
    store = SqliteStore(folder / "kodgate.db")
    await store.open()
    assert await store.verify() == []
    await store.close()
    with closing(sqlite3.connect(folder / "kodgate.db")) as db:
        found = {row[0] for row in db.execute("select id from packet")}
        assert db.execute("pragma integrity_check").fetchone() == ("ok",)
    assert set(acked) <= found
