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
from bench.databases import NAMES, fresh
from bench.home import Home, smsc
from bench.scenes import FULL, QUICK, SCENES, Effort, Row

ACCOUNTS = 1_000


def measured(options: argparse.Namespace, effort: Effort, database: str) -> Iterator[Row]:
    """The rows of the chosen scenes, each on its own fresh data."""
    for name in options.scenes:
        with tempfile.TemporaryDirectory(prefix="kodgate-bench-") as text:
            folder = Path(text)
            with fresh(database, folder) as url:
                yield from _scene(name, Home(folder, database=url), effort)


def _scene(name: str, home: Home, effort: Effort) -> Iterator[Row]:
    with smsc() as smsc_port:
        with home.running("http"):
            pass
        home.prepare(accounts=ACCOUNTS, smsc_port=smsc_port)
        try:
            yield from SCENES[name](home, effort)
        except TimeoutError as error:
            yield Row(what=name, load="", per_second=0, note=f"not reached: {error}")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("scenes", nargs="*", choices=[[], *SCENES], help="which scenes; all")
    parser.add_argument("--quick", action="store_true", help="about a minute, for a first look")
    parser.add_argument("--open", type=int, help="open messages of the scene `backlog`")
    parser.add_argument("--steady", type=float, help="seconds of the scene `steady`")
    parser.add_argument(
        "--database",
        action="append",
        help=f"{', '.join(NAMES)} or the url of an empty one; more than once for several",
    )
    parser.add_argument("--against", help=peer.HELP)
    parser.add_argument("--write", action="store_true", help=f"renew the table in {report.PAGE}")
    options = parser.parse_args()
    options.scenes = options.scenes or list(SCENES)
    options.database = options.database or list(NAMES)
    return options


def main() -> None:
    options = arguments()
    effort = QUICK if options.quick else FULL
    chosen = {"open": options.open, "steady_s": options.steady}
    given = {name: value for name, value in chosen.items() if value is not None}
    effort = Effort(**{**_fields(effort), **given})
    with tempfile.TemporaryDirectory(prefix="kodgate-bench-") as folder:
        head = report.head(machine.words(), machine.fsync_ms(Path(folder)), machine.pace_ms())
    print(head, flush=True)
    tables: dict[str, list[Row]] = {}
    for database in options.database:
        title = NAMES.get(database, "another database")
        _show(title, measured(options, effort, database), tables)
    if options.against:
        _show("the peer", peer.measured(options.against, effort), tables)
    if options.write:
        report.write(head, tables)


def _show(title: str, found: Iterator[Row], tables: dict[str, list[Row]]) -> None:
    """Prints each row as it is known."""
    print(report.title(title), flush=True)
    rows = tables.setdefault(title, [])
    for row in found:
        rows.append(row)
        print(report.line(row, rows), flush=True)


def _fields(effort: Effort) -> dict[str, float]:
    return {name: getattr(effort, name) for name in Effort.__slots__}


if __name__ == "__main__":
    main()
