"""Who calls: accounts, secrets and tariffs as the hot path sees them, at most a second old."""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import Awaitable, Callable

from kodgate.core import tariffs
from kodgate.core.accounts import Account, AccountSettings, AccountStatus
from kodgate.core.errors import Refused
from kodgate.core.requests import Credentials
from kodgate.core.tariffs import Tariff
from kodgate.engine.fresh import Fresh
from kodgate.store import Store

SettingsOf = Callable[[int], Awaitable[AccountSettings]]
"""The settings of an account by its id."""

LOGIN_MAX = 64


class Accounts:
    """Reads through small caches; `forget` after a change made in this process."""

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
        self._accounts: Fresh[str, Account | None] = Fresh(store.account, steady_s=steady_s)
        self._settings: Fresh[int, AccountSettings] = Fresh(self._read, steady_s=steady_s)
        self._tariffs: Fresh[None, list[Tariff]] = Fresh(self._prices, steady_s=steady_s)

    def forget(self) -> None:
        """After a change: the next request reads the database."""
        for each in (self._accounts, self._settings, self._tariffs):
            each.clear()

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
        return await self._accounts.get(login.lower())

    async def settings_of(self, account_id: int) -> AccountSettings:
        """What the delivery of an account's messages needs; also of a blocked one (D16)."""
        return await self._settings.get(account_id)

    async def tariff(self, name: str) -> Tariff | None:
        """The version of a tariff in force now."""
        return tariffs.current(await self._tariffs.get(None), name, self._now())

    async def _read(self, account_id: int) -> AccountSettings:
        account = await self._store.account_by_id(account_id)
        assert account is not None, "a packet without an account"
        return account.settings

    async def _prices(self, _: None) -> list[Tariff]:
        return await self._store.tariffs()


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
