"""How often somebody may guess a password of the cabinet, over all processes (S-14..S-16)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

from kodgate.store.tries import KNOWN, NONE, Key, Tries, TryStore
from kodgate.web.addresses import prefix
from kodgate.web.limits import LOGIN_MAX, RightPasswords, ThrottleLimits

PAIR, SOURCE, ACCOUNT = "pair", "source", "account"


class Door:
    """The rules of `limits.Throttle`, with tallies that all processes share.

    What stays in one process is which password was right from where: it is heard at once there, so
    that a stranger in the same network cannot keep its owner waiting.
    """

    def __init__(
        self, store: TryStore, now: Callable[[], int], limits: ThrottleLimits | None = None
    ) -> None:
        """`now`: wall clock, ms."""
        self._store = store
        self._now = now
        self._limits = limits or ThrottleLimits()
        self._right = RightPasswords(self._limits.table_max)

    async def hears(self, login: str, password: str, *, ip: str) -> bool:
        """Whether this password may be judged. Raises Unavailable."""
        pair, source, account = _keys(login, ip)
        if self._right.fits(pair, password):
            return True
        known = (KNOWN, pair[1])
        found = await self._store.find([pair, source, account, known])
        limits, silenced = self._limits, self._is_silenced
        if silenced(found.get(pair, NONE), limits.pair_free):
            return False
        if known in found:
            return True
        besieged = self._is_besieged(found.get(account, NONE))
        return not (silenced(found.get(source, NONE), limits.source_free) or besieged)

    async def failed(self, login: str, *, ip: str) -> None:
        """The password was judged and wrong. Raises Unavailable, InDoubt."""
        pair, source, account = _keys(login, ip)
        tries = {pair: "last_at"}
        if not await self._store.find([(KNOWN, pair[1])]):
            tries |= {source: "last_at", account: "first_at"}
        window_ms = int(self._limits.window_s * 1000)
        await self._store.failed(tries, at=self._now(), window_ms=window_ms)

    async def succeeded(self, login: str, password: str, *, ip: str) -> None:
        """It was judged and right: this network is known from now on. Raises Unavailable,
        InDoubt."""
        pair, _, _ = _keys(login, ip)
        self._right.put(pair, password)
        await self._store.succeeded(forget=[pair], known=(KNOWN, pair[1]), at=self._now())

    def _is_silenced(self, tries: Tries, free: int) -> bool:
        """Each try past the free ones doubles the time. Clocks may differ, or jump back: then it
        is short."""
        if tries.count < free:
            return False
        delay_s = min(2.0 ** min(tries.count - free, 30), self._limits.delay_max_s)
        return abs(self._now() - tries.last_at) < delay_s * 1000

    def _is_besieged(self, tries: Tries) -> bool:
        """Strangers have guessed too often: only known networks are heard."""
        over = self._now() - tries.first_at >= self._limits.window_s * 1000
        return tries.count >= self._limits.account_max and not over


def _keys(login: str, ip: str) -> tuple[Key, Key, Key]:
    """As digests: somebody may have typed a password where the login belongs."""
    name, network = login[:LOGIN_MAX], str(prefix(ip))
    return (
        (PAIR, _digest(f"{network} {name}")),
        (SOURCE, _digest(network)),
        (ACCOUNT, _digest(name)),
    )


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:16]
