"""`make bench`: accept throughput and latency at 1, 16 and 64 callers, every accept fsynced.

Starts the real gateway as its own process on a fresh SQLite database, drives it over HTTP from
this one, prints a table with the floor of the same run beside it: the raw fsync rate of the disk
and the same server's answer without a database (test=-1).
"""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import statistics
import tempfile
import time
from pathlib import Path

from bench import load
from bench.gateway import Gateway

CALLERS = (1, 16, 64)
FSYNCS = 500


def fsync_ms(folder: Path) -> list[float]:
    """How long one small append and fdatasync takes here, many times."""
    times = []
    with (folder / "fsync").open("wb", buffering=0) as file:
        for _ in range(FSYNCS):
            began = time.perf_counter()
            file.write(b"x" * 512)
            os.fdatasync(file.fileno())
            times.append((time.perf_counter() - began) * 1000)
    return times


def send_request(gateway: Gateway, number: int) -> bytes:
    phone = 79_200_000_000 + number % 10_000_000
    body = (
        f"http_username=demo&http_password={gateway.secret}&mode=TELE&phone_list={phone}"
        f"&message_id={number + 1}&format=xml"
    )
    return load.post("/http_in5.asp", body.encode())


def simulated(number: int) -> bytes:
    phone = 79_200_000_000 + number % 10_000_000
    return load.post("/http_in5.asp", f"test=-1&phone_list={phone}&format=xml".encode())


def is_accepted(body: bytes) -> bool:
    return b"error_num='0'" in body


def row(name: str, runs: list[load.Result]) -> str:
    rates = [r.per_second for r in runs]
    p50 = statistics.median(r.percentile(0.50) for r in runs) * 1000
    p99 = statistics.median(r.percentile(0.99) for r in runs) * 1000
    refused = sum(r.refused for r in runs)
    return (
        f"| {name} | {runs[0].callers} | {min(rates):,.0f} / {statistics.median(rates):,.0f} / "
        f"{max(rates):,.0f} | {p50:.2f} | {p99:.2f} | {refused} |"
    )


async def measure(gateway: Gateway, *, runs: int, seconds: float) -> None:
    print("| what | callers | per second min / median / max | p50 ms | p99 ms | refused |")
    print("|---|---|---|---|---|---|")
    for name, request in (
        ("floor: test=-1, no database", simulated),
        ("accept, durable", lambda n: send_request(gateway, n)),
    ):
        for callers in CALLERS:
            results = [
                await load.run(gateway.wire, request, is_accepted, callers=callers, seconds=seconds)
                for _ in range(runs)
            ]
            print(row(name, results), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=5.0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="kodgate-bench-") as name:
        folder = Path(name)
        times = fsync_ms(folder)
        print(
            f"machine: {os.cpu_count()} cores, {platform.machine()}, Python "
            f"{platform.python_version()}, {platform.system()} {platform.release()}"
        )
        print(
            f"fdatasync of this disk: median {statistics.median(times):.3f} ms, "
            f"p99 {sorted(times)[int(FSYNCS * 0.99)]:.3f} ms\n"
        )
        with Gateway(folder / "data", balance="90000000.00") as gateway:
            asyncio.run(measure(gateway, runs=options.runs, seconds=options.seconds))
            print(f"\nresident memory of the gateway: {gateway.resident_mib():.0f} MiB")


if __name__ == "__main__":
    main()
