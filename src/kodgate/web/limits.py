"""How often somebody may guess a password, play with test=-1, or be told to try later; bounded
tables, time passed in."""

from __future__ import annotations

import hashlib
import hmac
import os
from collections import OrderedDict
from dataclasses import dataclass
from typing import Generic, TypeVar

from kodgate.web.addresses import is_loopback, prefix

LOGIN_MAX = 64
"""Longer logins exist nowhere; they share the row of their first characters."""
NEVER = float("-inf")

Row = TypeVar("Row")


@dataclass(frozen=True, slots=True, kw_only=True)
class ThrottleLimits:
    """trust.md 2.3. Durations in seconds."""

    pair_free: int = 5
    """Wrong logins to one account from one prefix before delays begin."""
    source_free: int = 50
    """Wrong logins from one prefix to whatever account (spraying) before delays begin."""
    delay_max_s: float = 60.0
    account_max: int = 100
    """Wrong logins to one account from strangers; after them only known prefixes are heard."""
    window_s: float = 3600.0
    """Failures are forgotten after so long without one."""
    table_max: int = 20_000
    """Rows of each table."""


class _Table(Generic[Row]):
    """At most `rows_max` rows; the one touched longest ago leaves first."""

    def __init__(self, rows_max: int) -> None:
        self._rows: OrderedDict[object, Row] = OrderedDict()
        self._rows_max = rows_max

    def __len__(self) -> int:
        return len(self._rows)

    def get(self, key: object) -> Row | None:
        row = self._rows.get(key)
        if row is not None:
            self._rows.move_to_end(key)
        return row

    def put(self, key: object, row: Row) -> Row:
        self._rows[key] = row
        self._rows.move_to_end(key)
        if len(self._rows) > self._rows_max:
            self._rows.popitem(last=False)
        return row

    def drop(self, key: object) -> None:
        self._rows.pop(key, None)


@dataclass(slots=True)
class _Tally:
    count: int = 0
    last: float = NEVER
    until: float = NEVER


class _Tallies:
    """Failures by key, each past the free ones doubling the time that the key is not heard."""

    def __init__(self, *, free: int, limits: ThrottleLimits) -> None:
        self._free = free
        self._limits = limits
        self._rows: _Table[_Tally] = _Table(limits.table_max)

    def __len__(self) -> int:
        return len(self._rows)

    def is_silenced(self, key: object, now: float) -> bool:
        row = self._rows.get(key)
        return row is not None and now < row.until

    def failed(self, key: object, now: float) -> None:
        row = self._rows.get(key) or self._rows.put(key, _Tally())
        if now - row.last > self._limits.window_s:
            row.count = 0
        row.count += 1
        row.last = now
        over = row.count - self._free
        if over >= 0:
            row.until = now + min(2.0 ** min(over, 30), self._limits.delay_max_s)

    def succeeded(self, key: object) -> None:
        self._rows.drop(key)


class RightPasswords:
    """Which password was right for whom: a keyed digest of each, in this process alone."""

    def __init__(self, rows_max: int, *, key: bytes | None = None) -> None:
        self._keyed = hashlib.blake2b(digest_size=16, key=key or os.urandom(32))
        self._rows: _Table[bytes] = _Table(rows_max)

    def __len__(self) -> int:
        return len(self._rows)

    def __contains__(self, whose: object) -> bool:
        return self._rows.get(whose) is not None

    def put(self, whose: object, password: str) -> None:
        self._rows.put(whose, self._print(password))

    def fits(self, whose: object, password: str) -> bool:
        kept = self._rows.get(whose)
        return kept is not None and hmac.compare_digest(kept, self._print(password))

    def _print(self, password: str) -> bytes:
        digest = self._keyed.copy()
        digest.update(password.encode("utf-8", "surrogatepass"))
        return digest.digest()


class Throttle:
    """Slows down guessing without letting strangers lock an account (S-14..S-16).

    Three tallies: (account, prefix), prefix, account. A prefix that once knew the password has a
    budget of its own, which strangers cannot use up, and the very password that was right there
    is always heard. Who is not heard gets the bytes of a wrong login, and nothing is evaluated.
    """

    def __init__(self, limits: ThrottleLimits | None = None, *, key: bytes | None = None) -> None:
        self._limits = limits or ThrottleLimits()
        self._pairs = _Tallies(free=self._limits.pair_free, limits=self._limits)
        self._sources = _Tallies(free=self._limits.source_free, limits=self._limits)
        self._accounts: _Table[_Tally] = _Table(self._limits.table_max)
        self._good = RightPasswords(self._limits.table_max, key=key)

    @property
    def rows(self) -> int:
        """Of all tables together; bounded by four times `table_max`."""
        return len(self._pairs) + len(self._sources) + len(self._accounts) + len(self._good)

    def knows(self, login: str, password: str, *, ip: str) -> bool:
        """These credentials were right there last, and are heard whatever else happens."""
        return self._good.fits((login[:LOGIN_MAX], prefix(ip)), password)

    def hears(self, login: str, password: str, *, ip: str, now: float) -> bool:
        """Whether these credentials may be judged. `now`: monotonic seconds."""
        if self.knows(login, password, ip=ip):
            return True
        source = prefix(ip)
        pair = (login[:LOGIN_MAX], source)
        if pair in self._good:
            return not self._pairs.is_silenced(pair, now)
        return not (
            self._pairs.is_silenced(pair, now)
            or self._sources.is_silenced(source, now)
            or self._is_besieged(pair[0], now)
        )

    def failed(self, login: str, *, ip: str, now: float) -> None:
        """The credentials were judged and wrong."""
        source = prefix(ip)
        pair = (login[:LOGIN_MAX], source)
        self._pairs.failed(pair, now)
        if pair not in self._good:
            self._sources.failed(source, now)
            self._count_stranger(pair[0], now)

    def succeeded(self, login: str, password: str, *, ip: str, known: bool = False) -> None:
        """The credentials were judged and right: this prefix is known from now on. `known`: it
        knows them already."""
        pair = (login[:LOGIN_MAX], prefix(ip))
        self._pairs.succeeded(pair)
        if not known:
            self._good.put(pair, password)

    def _is_besieged(self, login: str, now: float) -> bool:
        row = self._accounts.get(login)
        return row is not None and now < row.until

    def _count_stranger(self, login: str, now: float) -> None:
        row = self._accounts.get(login) or self._accounts.put(login, _Tally(last=now))
        if now - row.last > self._limits.window_s:
            row.count, row.last = 0, now
        row.count += 1
        if row.count >= self._limits.account_max:
            row.until = row.last + self._limits.window_s


class SimulationLimit:
    """test=-1 needs no login, so each prefix gets so many a minute; loopback is exempt (O-32)."""

    def __init__(self, *, per_minute: int = 30, table_max: int = 20_000) -> None:
        self._per_minute = per_minute
        self._rows: _Table[_Tally] = _Table(table_max)

    def takes(self, *, ip: str, now: float) -> bool:
        """Counts one. `now`: monotonic seconds."""
        if is_loopback(ip):
            return True
        key = prefix(ip)
        row = self._rows.get(key) or self._rows.put(key, _Tally(last=now))
        if now - row.last >= 60:
            row.count, row.last = 0, now
        row.count += 1
        return row.count <= self._per_minute


class Pace:
    """So many a second, evenly; who comes sooner waits, but nobody longer than `wait_max_s`."""

    def __init__(self, *, per_second: float, wait_max_s: float) -> None:
        self._step_s = 1 / per_second
        self._wait_max_s = wait_max_s
        self._last = NEVER

    def wait_s(self, *, now: float) -> float:
        """Until the turn of one more. `now`: monotonic seconds."""
        self._last = min(max(now, self._last + self._step_s), now + self._wait_max_s)
        return self._last - now
