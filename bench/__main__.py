"""`make bench`: what the gateway does on this machine, every accept fsynced, beside its floor.

Starts the real gateway as its own process on a fresh database, drives it over HTTP from another
process, and prints a table: rates, latencies, and the processor time of the gateway, which says
more than a rate where the machine has other work too.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from pathlib import Path

from bench import machine, peer, report
from bench.home import Home, smsc
from bench.scenes import FULL, QUICK, SCENES, Effort, Row

ACCOUNTS = 1_000


def measured(options: argparse.Namespace, effort: Effort) -> Iterator[Row]:
    """The rows of the chosen scenes, each on its own fresh data."""
    for name in options.scenes:
        with tempfile.TemporaryDirectory(prefix="kodgate-bench-") as text, smsc() as smsc_port:
            folder = Path(text)
            home = Home(folder, database=options.database)
            with home.running("http"):
                pass
            home.prepare(accounts=ACCOUNTS, smsc_port=smsc_port)
            try:
                yield from SCENES[name](home, effort, folder)
            except TimeoutError as error:
                yield Row(what=name, load="", per_second=0, note=f"not reached: {error}")
    if options.against:
        yield from peer.measured(options.against, effort)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("scenes", nargs="*", choices=[[], *SCENES], help="which scenes; all")
    parser.add_argument("--quick", action="store_true", help="about a minute, for a first look")
    parser.add_argument("--open", type=int, help="open messages of the scene `backlog`")
    parser.add_argument("--database", default="", help="another database than SQLite")
    parser.add_argument("--against", help=peer.HELP)
    parser.add_argument("--write", action="store_true", help=f"renew the table in {report.PAGE}")
    options = parser.parse_args()
    options.scenes = options.scenes or list(SCENES)
    return options


def main() -> None:
    options = arguments()
    effort = QUICK if options.quick else FULL
    if options.open is not None:
        effort = Effort(**{**_fields(effort), "open": options.open})
    with tempfile.TemporaryDirectory(prefix="kodgate-bench-") as folder:
        head = report.head(machine.words(), machine.fsync_ms(Path(folder)))
    print(head, flush=True)
    rows = []
    for row in measured(options, effort):
        rows.append(row)
        print(report.line(row, rows), flush=True)
    if options.write:
        report.write(head, rows)


def _fields(effort: Effort) -> dict[str, float]:
    return {name: getattr(effort, name) for name in Effort.__slots__}


if __name__ == "__main__":
    main()
