"""Who calls: accounts, secrets and tariffs as the hot path sees them, at most a second old."""

from __future__ import annotations

import asyncio
import hmac
import ipaddress
from collections import OrderedDict
from collections.abc import Awaitable, Callable

from kodgate.core import tariffs
from kodgate.core.accounts import Account, AccountSettings, AccountStatus
from kodgate.core.errors import Refused
from kodgate.core.requests import Credentials
from kodgate.core.tariffs import Tariff
from kodgate.store import Store

FRESH_S = 1.0
"""A changed secret, block or setting is in force everywhere after this (S-19, S-20)."""

SettingsOf = Callable[[int], Awaitable[AccountSettings]]
"""The settings of an account by its id."""

CACHED_MAX = 10_000
LOGIN_MAX = 64


class Accounts:
    """Reads through a small cache; `forget` after a change made in this process."""

    def __init__(
        self,
        store: Store,
        *,
        digest: Callable[[str], bytes],
        now: Callable[[], int],
        steady_s: Callable[[], float],
    ) -> None:
        self._store = store
        self._digest = digest
        self._now = now
        self._steady_s = steady_s
        self._accounts: OrderedDict[str, tuple[float, Account | None]] = OrderedDict()
        self._by_id: OrderedDict[int, tuple[float, AccountSettings]] = OrderedDict()
        self._loading: dict[str, asyncio.Task[Account | None]] = {}
        self._tariffs: tuple[float, list[Tariff]] = (float("-inf"), [])

    def forget(self) -> None:
        """After a change: the next request reads the database."""
        self._accounts.clear()
        self._by_id.clear()
        self._tariffs = (float("-inf"), [])

    async def authenticate(self, credentials: Credentials, *, caller_ip: str) -> Account:
        """The account of a login and its API secret, allowed to call from here and this way.

        Raises Refused by the table's precedence. An unknown login and a wrong password cost the
        same and say the same (S-11).
        """
        if not credentials.login:
            raise Refused("EMPTY_LOGIN")
        if not credentials.password:
            raise Refused("EMPTY_PASSWORD")
        account = await self.by_login(credentials.login)
        digest = self._digest(credentials.password)
        if account is None or not self._secret_fits(account, digest):
            raise Refused("BAD_CREDENTIALS", why=_why_not(account))
        _check_access(account, credentials, caller_ip)
        return account

    def _secret_fits(self, account: Account, digest: bytes) -> bool:
        now = self._now()
        return any(
            hmac.compare_digest(secret.digest, digest)
            for secret in account.secrets
            if secret.expires_at is None or secret.expires_at > now
        )

    async def by_login(self, login: str) -> Account | None:
        """By the login as typed: ASCII, in any case; anything else is nobody (S-22)."""
        if not login.isascii() or len(login) > LOGIN_MAX:
            return None
        login = login.lower()
        cached = self._accounts.get(login)
        if cached is not None and self._steady_s() - cached[0] < FRESH_S:
            return cached[1]
        return await self._load(login)

    async def _load(self, login: str) -> Account | None:
        task = self._loading.get(login)
        if task is None:
            task = asyncio.create_task(self._fetch(login))
            self._loading[login] = task
            task.add_done_callback(lambda _: self._loading.pop(login, None))
        return await asyncio.shield(task)

    async def _fetch(self, login: str) -> Account | None:
        asked_s = self._steady_s()
        account = await self._store.account(login)
        self._accounts[login] = (asked_s, account)
        self._accounts.move_to_end(login)
        while len(self._accounts) > CACHED_MAX:
            self._accounts.popitem(last=False)
        return account

    async def settings_of(self, account_id: int) -> AccountSettings:
        """What the delivery of an account's messages needs; also of a blocked one (D16)."""
        cached = self._by_id.get(account_id)
        if cached is not None and self._steady_s() - cached[0] < FRESH_S:
            return cached[1]
        asked_s = self._steady_s()
        account = await self._store.account_by_id(account_id)
        assert account is not None, "a packet without an account"
        self._by_id[account_id] = (asked_s, account.settings)
        self._by_id.move_to_end(account_id)
        while len(self._by_id) > CACHED_MAX:
            self._by_id.popitem(last=False)
        return account.settings

    async def tariff(self, name: str) -> Tariff | None:
        """The version of a tariff in force now."""
        read_s, versions = self._tariffs
        if self._steady_s() - read_s >= FRESH_S:
            asked_s = self._steady_s()
            versions = await self._store.tariffs()
            self._tariffs = (asked_s, versions)
        return tariffs.current(versions, name, self._now())


def _why_not(account: Account | None) -> str:
    if account is None:
        return "no such login"
    if not account.secrets:
        return "the account has no API secret yet"
    return "the password is not an API secret of this account (the cabinet password is another one)"


def _check_access(account: Account, credentials: Credentials, caller_ip: str) -> None:
    if account.status is AccountStatus.BLOCKED:
        raise Refused("BLOCKED_USER")
    if not account.settings.http_enabled:
        raise Refused("HTTP_DISABLED")
    if account.settings.post_only and credentials.in_query:
        raise Refused("HTTP_DISABLED", why="this account forbids credentials in the URL")
    if account.settings.ip_allow and not _is_allowed(account.settings.ip_allow, caller_ip):
        raise Refused("IP_NOT_ALLOWED")


def _is_allowed(networks: tuple[str, ...], caller_ip: str) -> bool:
    try:
        address = ipaddress.ip_address(caller_ip)
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return any(address in ipaddress.ip_network(network) for network in networks)
