"""The table: on the screen as it grows, and in the docs between two markers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from bench.scenes import Row

PAGE = Path(__file__).parent.parent / "docs" / "performance.md"
BEGIN = "<!-- measured: begin -->"
END = "<!-- measured: end -->"

COLUMNS = "| what | load | a second | of the floor | p50 ms | p99 ms | CPU us each | notes |"


def head(machine: str, fsync_ms: float, pace_ms: float) -> str:
    today = datetime.now(UTC).date().isoformat()
    return (
        f"{today}; {machine}; a small fdatasync takes {fsync_ms:.2f} ms here, so"
        f" {1000 / fsync_ms:,.0f} a second; a fixed piece of Python {pace_ms:.1f} ms."
    )


def title(name: str) -> str:
    """What stands above the rows of one database."""
    return f"\n### {name}\n\n{COLUMNS}\n|---|---|---|---|---|---|---|---|"


def line(row: Row, rows: Sequence[Row]) -> str:
    """`rows`: so far; the floor under the same load is among them."""
    under = next((r for r in rows if r.what.startswith("floor") and r.load == row.load), None)
    share = f"{row.per_second / under.per_second:.0%}" if under else ""
    cells = (
        row.what,
        row.load,
        f"{row.per_second:,.0f}",
        share,
        _number(row.p50, 2),
        _number(row.p99, 2),
        _number(row.cpu_us, 0),
        row.note,
    )
    return f"| {' | '.join(cells)} |"


def _number(value: float | None, places: int) -> str:
    return "" if value is None else f"{value:,.{places}f}"


def write(head: str, tables: Mapping[str, Sequence[Row]]) -> None:
    """Raises ValueError where the page has lost its markers."""
    text = PAGE.read_text("utf-8")
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"{PAGE} has no {BEGIN} ... {END}")
    lines = [head]
    for name, rows in tables.items():
        lines += [title(name), *(line(row, rows) for row in rows)]
    found = "\n".join(lines)
    PAGE.write_text(f"{before}{BEGIN}\n{found}\n{END}{after}", "utf-8")
