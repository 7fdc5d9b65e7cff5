"""`kodgate tariff ...`: CSV in, prices out."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime
from pathlib import Path

import typer
from rich.console import Console
from rich.table import Table

from kodgate.cli.exits import REFUSED, USAGE, Failed
from kodgate.cli.opening import Opened, with_store
from kodgate.config import Config
from kodgate.core import money, phones, tariffs
from kodgate.core.errors import Refused
from kodgate.core.tariffs import Price, Tariff

COLUMNS = ("prefix", "zone", "channel", "price", "cost")
FILE_MAX = 4 * 1024 * 1024


def read_in(config: Config, *, file: Path, name: str, valid_from: str, dry_run: bool) -> int:
    """Checks the whole file before anything is saved."""
    try:
        text = file.read_bytes()[: FILE_MAX + 1].decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise Failed(f"cannot read {file}: {error}", USAGE) from None

    async def work(opened: Opened) -> tuple[Tariff | None, Tariff]:
        now = opened.clock.now()
        new = parse_csv(text, name=name, valid_from=_instant(valid_from, now))
        old = tariffs.current(await opened.store.tariffs(), name, new.valid_from)
        if not dry_run:
            await opened.store.save_tariff(new, at=now)
        return old, new

    try:
        old, new = with_store(config, work, create=True)
    except ValueError as error:
        raise Failed(f"{file}: {error}", REFUSED) from None
    for line in difference(old, new):
        typer.echo(line)
    since = datetime.fromtimestamp(new.valid_from / 1000, UTC)
    verb = "would be valid" if dry_run else "is valid"
    typer.echo(f"tariff {name!r} {verb} from {since:%Y-%m-%d %H:%M:%S} UTC")
    return 0


def parse_csv(text: str, *, name: str, valid_from: int) -> Tariff:
    """`prefix;zone;channel;price[;cost]`, one row a prefix and channel; `*` or an empty prefix is
    every other number; semicolon or comma. Raises ValueError naming the line."""
    delimiter = ";" if ";" in text.partition("\n")[0] else ","
    zones: dict[str, int] = {}
    prices: dict[tuple[int, str], Price] = {}
    for number, cells in enumerate(csv.reader(io.StringIO(text), delimiter=delimiter), start=1):
        row = [cell.strip() for cell in cells]
        if not any(row) or row[0].lower() == "prefix":
            continue
        try:
            _read_row(row, zones, prices)
        except ValueError as error:
            raise ValueError(f"line {number}: {error}") from None
    if not prices:
        raise ValueError("no rows")
    return Tariff(name=name, valid_from=valid_from, zones=zones, prices=prices)


def _read_row(row: list[str], zones: dict[str, int], prices: dict[tuple[int, str], Price]) -> None:
    if not 4 <= len(row) <= len(COLUMNS):
        raise ValueError(f"expected the columns {';'.join(COLUMNS)}")
    prefix, zone_text, channel, price_text = row[:4]
    prefix = "" if prefix == "*" else prefix
    if not (zone_text.isascii() and zone_text.isdigit() and len(zone_text) <= 4):
        raise ValueError(f"bad zone {zone_text!r}")
    zone = int(zone_text)
    price = Price(price=money.parse(price_text), cost=money.parse(row[4]) if row[4:] else 0)
    if zones.setdefault(prefix, zone) != zone:
        raise ValueError(f"prefix {prefix!r} is in two zones")
    if prices.setdefault((zone, channel), price) != price:
        raise ValueError(f"zone {zone}, channel {channel} has two prices")


def difference(old: Tariff | None, new: Tariff) -> list[str]:
    """What a new version changes, one line each."""
    lines = []
    old_zones = dict(old.zones) if old else {}
    for prefix in sorted({*old_zones, *new.zones}):
        before, after = old_zones.get(prefix), new.zones.get(prefix)
        if before != after:
            lines.append(f"prefix {prefix or '*'}: zone {_or_none(before)} -> {_or_none(after)}")
    old_prices = dict(old.prices) if old else {}
    for key in sorted({*old_prices, *new.prices}):
        was, now = old_prices.get(key), new.prices.get(key)
        if was != now:
            lines.append(f"zone {key[0]} {key[1]}: {_price(was)} -> {_price(now)}")
    return lines or ["no difference"]


def _or_none(value: int | None) -> str:
    return "none" if value is None else str(value)


def _price(row: Price | None) -> str:
    if row is None:
        return "closed"
    cost = f" (cost {_print(row.cost)})" if row.cost else ""
    return f"{_print(row.price)}{cost}"


def _print(amount: int) -> str:
    return money.text(amount, money.decimals(amount))


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
        table.add_row(str(zone), shown, channel, _print(row.price), _print(row.cost))
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
            typer.echo(f"  {channel}: {_print(row.price)}")
    return 0
