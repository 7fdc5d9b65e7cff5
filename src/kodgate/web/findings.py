"""What a working gateway needs, each with a way to mend it: for `doctor` and the console."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from kodgate.core import tariffs
from kodgate.core.accounts import Account
from kodgate.core.tariffs import Tariff
from kodgate.engine.clock import DRIFT_MAX_S, Clock

DISK_FREE_MIN = 1024**3
BACKUP_KEY = "backup"
"""Of the small value that says when a backup was last made: {"at": wall clock in ms, "to": text}"""
BACKUP_AGE_MAX_S = 26 * 3600
"""A daily backup may be two hours late."""


AHEAD = "%(seconds)s s from the wall clock"
STOPPED = "%(login)s takes no codes, a rule was broken: %(why)s; first look at the books, then"


class Grade(StrEnum):
    OK = "OK"
    WARN = "WARN"
    FAIL = "FAIL"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line: what was looked at, what was found, what to do.

    With `values` for the %-marks of `found`, which is what catalogues translate.
    """

    grade: Grade
    what: str
    found: str
    fix: str = ""
    values: Mapping[str, object] = field(default_factory=dict)

    def __str__(self) -> str:
        found = self.found % self.values if self.values else self.found
        fix = f"\n      fix: {self.fix}" if self.fix else ""
        return f"{self.grade:<4}  {self.what}: {found}{fix}"


def disk(folder: Path) -> Finding:
    """Of the data folder, or of the one above it where it is not there yet."""
    place = folder if folder.exists() else folder.resolve().parent
    free = shutil.disk_usage(place).free
    values = {"free": f"{free / 1024**3:.1f}", "place": place}
    found = "%(free)s GiB free at %(place)s"
    if free < DISK_FREE_MIN:
        return Finding(Grade.WARN, "disk", found, "make room: a full disk stops accepting", values)
    return Finding(Grade.OK, "disk", found, values=values)


def ledger(problems: Sequence[str]) -> Finding:
    """`problems`: what `Store.verify` found."""
    if problems:
        return Finding(Grade.FAIL, "ledger", problems[0], "stop the gateway and report this")
    return Finding(Grade.OK, "ledger", "every sum agrees")


def backup(mark: str | None, wall_s: float) -> Finding:
    """`mark`: what `kodgate db backup` left (BACKUP_KEY)."""
    if mark is None:
        return Finding(
            Grade.WARN, "backup", "none on record", "kodgate db backup FILE, daily; keys apart"
        )
    told = json.loads(mark)
    age_s = max(0.0, wall_s - told["at"] / 1000)
    values = {"hours": f"{age_s / 3600:.1f}", "to": told["to"]}
    found = "%(hours)s h old: %(to)s"
    if age_s > BACKUP_AGE_MAX_S:
        return Finding(Grade.WARN, "backup", found, "see why the daily backup did not run", values)
    return Finding(Grade.OK, "backup", found, values=values)


def drift(clock: Clock) -> Finding:
    """The gateway's clock beside the wall clock; a scaled one is meant to be ahead."""
    ahead_s = clock.now() / 1000 - time.time()
    values = {"seconds": f"{ahead_s:+.1f}"}
    if clock.scale == 1 and abs(ahead_s) > DRIFT_MAX_S:
        return Finding(
            Grade.WARN,
            "clock",
            AHEAD,
            "set the machine's clock (NTP); then start once with trust_wall_clock = true."
            " Data of a time-scaled demo stays ahead",
            values,
        )
    return Finding(Grade.OK, "clock", AHEAD, values=values)


def business(accounts: Sequence[Account], versions: Sequence[Tariff], now: int) -> list[Finding]:
    """Whether anybody may send, and whether every account has prices. `now`: business ms."""
    found = [Finding(Grade.OK, "accounts", str(len(accounts)))]
    if not accounts:
        found = [Finding(Grade.WARN, "accounts", "none", "kodgate account create LOGIN")]
    for one in accounts:
        if one.stopped_at is not None:
            fix = f"kodgate account resume {one.login}"
            values = {"login": one.login, "why": one.stopped_why}
            found.append(Finding(Grade.FAIL, "accounts", STOPPED, fix, values))
    names = {account.tariff for account in accounts}
    missing = sorted(name for name in names if tariffs.current(versions, name, now) is None)
    if missing:
        fix = f"kodgate tariff import FILE --name {missing[0]}"
        values = {"names": ", ".join(missing)}
        found.append(Finding(Grade.FAIL, "tariffs", "none in force: %(names)s", fix, values))
    else:
        known = len({version.name for version in versions})
        found.append(Finding(Grade.OK, "tariffs", "%(known)s in force", values={"known": known}))
    return found
