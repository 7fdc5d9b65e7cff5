"""`kodgate tariff ...`: CSV in, prices out."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import typer
from rich.console import Console
from rich.table import Table

from kodgate.cli.exits import REFUSED, USAGE, Failed
from kodgate.cli.opening import Opened, with_store
from kodgate.config import Config
from kodgate.core import phones, tariff_csv, tariffs
from kodgate.core.errors import Refused
from kodgate.core.tariff_csv import printed
from kodgate.core.tariffs import Tariff

FILE_MAX = 4 * 1024 * 1024


def read_in(config: Config, *, file: Path, name: str, valid_from: str, dry_run: bool) -> int:
    """Checks the whole file before anything is saved."""
    try:
        text = file.read_bytes()[: FILE_MAX + 1].decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise Failed(f"cannot read {file}: {error}", USAGE) from None

    async def work(opened: Opened) -> tuple[Tariff | None, Tariff]:
        now = opened.clock.now()
        new = tariff_csv.parse(text, name=name, valid_from=_instant(valid_from, now))
        old = tariffs.current(await opened.store.tariffs(), name, new.valid_from)
        if not dry_run:
            await opened.store.save_tariff(new, at=now)
        return old, new

    try:
        old, new = with_store(config, work, create=True)
    except ValueError as error:
        raise Failed(f"{file}: {error}", REFUSED) from None
    for line in tariff_csv.difference(old, new) or ["no difference"]:
        typer.echo(line)
    since = datetime.fromtimestamp(new.valid_from / 1000, UTC)
    verb = "would be valid" if dry_run else "is valid"
    typer.echo(f"tariff {name!r} {verb} from {since:%Y-%m-%d %H:%M:%S} UTC")
    return 0


def _instant(text: str, now: int) -> int:
    if not text:
        return now
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise Failed("valid-from is YYYY-MM-DD or an ISO instant", USAGE) from None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return int(moment.timestamp() * 1000)


def show(config: Config, *, name: str, phone: str) -> int:
    """The version in force now, or what it says of one number."""

    async def work(opened: Opened) -> Tariff | None:
        return tariffs.current(await opened.store.tariffs(), name, opened.clock.now())

    tariff = with_store(config, work)
    if tariff is None:
        raise Failed(f"there is no tariff {name!r} in force", REFUSED)
    if phone:
        return _show_phone(tariff, phone)
    table = Table("zone", "prefixes", "channel", "price", "cost")
    for (zone, channel), row in sorted(tariff.prices.items()):
        prefixes = sorted(prefix or "*" for prefix, z in tariff.zones.items() if z == zone)
        shown = " ".join(prefixes[:8]) + (" ..." if len(prefixes) > 8 else "")
        table.add_row(str(zone), shown, channel, printed(row.price), printed(row.cost))
    Console().print(table)
    return 0


def _show_phone(tariff: Tariff, text: str) -> int:
    try:
        phone = phones.normalise(text)
    except Refused as refused:
        raise Failed(refused.error.en, REFUSED) from None
    zone = tariff.zone_of(phone)
    if zone is None:
        raise Failed(f"{phone}: no zone, closed", REFUSED)
    typer.echo(f"{phone}: zone {zone}")
    for (of, channel), row in sorted(tariff.prices.items()):
        if of == zone:
            typer.echo(f"  {channel}: {printed(row.price)}")
    return 0
