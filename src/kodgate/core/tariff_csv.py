"""Tariffs as CSV: reading one, and telling what a new version changes. Pure."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass

from kodgate.core import money
from kodgate.core.tariffs import Price, Tariff

COLUMNS = ("prefix", "zone", "channel", "price", "cost")


@dataclass(frozen=True, slots=True, kw_only=True)
class ZoneChange:
    """A prefix comes, goes, or changes its zone. None: it is in no zone."""

    prefix: str
    before: int | None
    after: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceChange:
    """None: the zone is closed for the channel."""

    zone: int
    channel: str
    before: Price | None
    after: Price | None


def parse(text: str, *, name: str, valid_from: int) -> Tariff:
    """`prefix;zone;channel;price[;cost]`, one row a prefix and channel; `*` or an empty prefix is
    every other number; semicolon or comma. Raises ValueError naming the line."""
    delimiter = ";" if ";" in text.partition("\n")[0] else ","
    zones: dict[str, int] = {}
    prices: dict[tuple[int, str], Price] = {}
    lines = csv.reader(io.StringIO(text), delimiter=delimiter)
    try:
        for cells in lines:
            row = [cell.strip() for cell in cells]
            if any(row) and row[0].lower() != "prefix":
                _read_row(row, zones, prices)
    except (csv.Error, ValueError) as error:
        raise ValueError(f"line {lines.line_num}: {error}") from None
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


def changes(old: Tariff | None, new: Tariff) -> list[ZoneChange | PriceChange]:
    """What a new version changes; nothing where they are the same."""
    found: list[ZoneChange | PriceChange] = []
    old_zones = dict(old.zones) if old else {}
    for prefix in sorted({*old_zones, *new.zones}):
        before, after = old_zones.get(prefix), new.zones.get(prefix)
        if before != after:
            found.append(ZoneChange(prefix=prefix, before=before, after=after))
    old_prices = dict(old.prices) if old else {}
    for zone, channel in sorted({*old_prices, *new.prices}):
        was, now = old_prices.get((zone, channel)), new.prices.get((zone, channel))
        if was != now:
            found.append(PriceChange(zone=zone, channel=channel, before=was, after=now))
    return found


def difference(old: Tariff | None, new: Tariff) -> list[str]:
    """The same in words, one line each."""
    return [_line(change) for change in changes(old, new)]


def _line(change: ZoneChange | PriceChange) -> str:
    if isinstance(change, ZoneChange):
        before, after = _or_none(change.before), _or_none(change.after)
        return f"prefix {change.prefix or '*'}: zone {before} -> {after}"
    before, after = _price(change.before), _price(change.after)
    return f"zone {change.zone} {change.channel}: {before} -> {after}"


def _or_none(value: int | None) -> str:
    return "none" if value is None else str(value)


def _price(row: Price | None) -> str:
    if row is None:
        return "closed"
    cost = f" (cost {printed(row.cost)})" if row.cost else ""
    return f"{printed(row.price)}{cost}"


def printed(amount: int) -> str:
    return money.text(amount, money.decimals(amount))
