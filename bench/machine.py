"""What the figures depend on: the machine, its disk, and how much a process uses of them."""

from __future__ import annotations

import os
import platform
import shutil
import statistics
import subprocess
import time
from pathlib import Path

FSYNCS = 300
PACES = 9
SHIM = Path(__file__).with_name("slow_fsync.c")


def words() -> str:
    """One line about this machine."""
    model = "unknown processor"
    for line in Path("/proc/cpuinfo").read_text("utf-8").splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    return (
        f"{os.cpu_count()} cores ({model}), {platform.system()} {platform.release()}, Python"
        f" {platform.python_version()}"
    )


def fsync_ms(folder: Path) -> float:
    """How long one small append and fdatasync takes here; the median of many."""
    times = []
    with (folder / "fsync").open("wb", buffering=0) as file:
        for _ in range(FSYNCS):
            began = time.perf_counter()
            file.write(b"x" * 4096)
            os.fdatasync(file.fileno())
            times.append((time.perf_counter() - began) * 1000)
    return statistics.median(times)


def pace_ms() -> float:
    """How long a fixed piece of Python takes: the least of a few times, since a busy machine only
    adds to it. Builds of one version differ by half, and so do machines from day to day."""
    return min(_piece_ms() for _ in range(PACES))


def _piece_ms() -> float:
    began = time.perf_counter()
    table: dict[int, str] = {}
    for number in range(100_000):
        table[number % 100] = f"{number}x".upper()
    assert len(table) == 100
    return (time.perf_counter() - began) * 1000


def cpu_s(pid: int) -> float:
    """Processor seconds that a process has used, all of its threads."""
    fields = Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_mib(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text("utf-8").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0


def children(pid: int) -> list[int]:
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii")
    return [int(one) for one in text.split()]


def slow_disk(folder: Path, added_ms: float) -> dict[str, str] | None:
    """The environment in which every fsync takes so much longer; None: no compiler here."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        return None
    library = folder / "slow_fsync.so"
    subprocess.run(
        [compiler, "-shared", "-fPIC", "-O2", "-o", str(library), str(SHIM), "-ldl"], check=True
    )
    return {"LD_PRELOAD": str(library), "SLOW_FSYNC_US": str(int(added_ms * 1000))}
