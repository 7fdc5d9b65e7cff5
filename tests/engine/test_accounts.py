"""Who may call: the cache of a second, secrets, and what an account forbids."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from tests.engine.house import House, house

from kodgate.core.accounts import AccountStatus
from kodgate.core.errors import Refused
from kodgate.core.requests import Credentials
from kodgate.store import Store

SECRET = "AliceSecretAliceSecret01"
IP = "192.0.2.1"


class Counting:
    """A store that counts how often accounts are read."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.reads = 0

    async def account(self, login: str) -> Any:
        self.reads += 1
        return await self.store.account(login)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.store, name)


def _typed(login: str = "alice", password: str = SECRET, *, in_query: bool = False) -> Credentials:
    return Credentials(login=login, password=password, in_query=in_query)


async def _give_secret(home: House, *, others_expire_at: int | None = None) -> None:
    digest = home.keyring.secret_digest(SECRET)
    await home.store.add_secret(
        home.alice.id, digest, at=home.clock.now(), others_expire_at=others_expire_at
    )
    home.engine.accounts.forget()


async def _error(home: House, credentials: Credentials, ip: str = IP) -> tuple[str, str]:
    with pytest.raises(Refused) as caught:
        await home.engine.authenticate(credentials, caller_ip=ip)
    return caught.value.error.name, caught.value.why


async def test_a_right_secret_opens_in_any_case_of_the_login(tmp_path: Path) -> None:
    async with house(tmp_path, running=False) as home:
        await _give_secret(home)
        for login in ("alice", "ALICE", "Alice"):
            found = await home.engine.authenticate(_typed(login), caller_ip=IP)
            assert found.id == home.alice.id


@pytest.mark.parametrize(
    ("login", "password", "name"),
    [
        ("", SECRET, "EMPTY_LOGIN"),
        ("alice", "", "EMPTY_PASSWORD"),
        ("bob", SECRET, "BAD_CREDENTIALS"),
        ("alice", SECRET[:-1], "BAD_CREDENTIALS"),
        ("alice", SECRET + " ", "BAD_CREDENTIALS"),
        ("alice", SECRET.lower(), "BAD_CREDENTIALS"),
        ("alice", SECRET + "\0", "BAD_CREDENTIALS"),
        ("al\u0456ce", SECRET, "BAD_CREDENTIALS"),
        ("alice.", SECRET, "BAD_CREDENTIALS"),
        ("a" * 100_000, SECRET, "BAD_CREDENTIALS"),
    ],
)
async def test_anything_else_does_not(tmp_path: Path, login: str, password: str, name: str) -> None:
    async with house(tmp_path, running=False) as home:
        await _give_secret(home)
        assert (await _error(home, _typed(login, password)))[0] == name


async def test_a_secret_ends_when_its_overlap_does(tmp_path: Path) -> None:
    async with house(tmp_path, running=False) as home:
        await _give_secret(home)
        new = home.keyring.secret_digest("AnotherSecretAnother0001")
        ends_at = home.clock.now() + 60_000
        await home.store.add_secret(
            home.alice.id, new, at=home.clock.now(), others_expire_at=ends_at
        )
        home.engine.accounts.forget()
        await home.engine.authenticate(_typed(), caller_ip=IP)
        home.pass_s(61)
        assert (await _error(home, _typed()))[0] == "BAD_CREDENTIALS"


async def test_a_change_is_in_force_after_a_second(tmp_path: Path) -> None:
    async with house(tmp_path, running=False) as home:
        await _give_secret(home)
        await home.engine.authenticate(_typed(), caller_ip=IP)
        await home.store.change_account(home.alice.id, status=AccountStatus.BLOCKED)
        await home.engine.authenticate(_typed(), caller_ip=IP)
        home.pass_s(1.01)
        assert (await _error(home, _typed()))[0] == "BLOCKED_USER"


async def test_many_callers_at_once_read_the_account_once(tmp_path: Path) -> None:
    counting: list[Counting] = []

    def wrap(store: Store) -> Counting:
        counting.append(Counting(store))
        return counting[0]

    async with house(tmp_path, running=False, wrap=wrap) as home:
        await _give_secret(home)
        callers = (home.engine.authenticate(_typed(), caller_ip=IP) for _ in range(50))
        await asyncio.gather(*callers)
        assert counting[0].reads == 1


@pytest.mark.parametrize(
    ("settings", "ip", "in_query", "name"),
    [
        ({"http_enabled": False}, IP, False, "HTTP_DISABLED"),
        ({"post_only": True}, IP, True, "HTTP_DISABLED"),
        ({"post_only": True}, IP, False, None),
        ({"ip_allow": ("198.51.100.0/24",)}, IP, False, "IP_NOT_ALLOWED"),
        ({"ip_allow": ("192.0.2.0/24",)}, IP, False, None),
        ({"ip_allow": ("192.0.2.1",)}, f"::ffff:{IP}", False, None),
        ({"ip_allow": ("192.0.2.1",)}, "not an address", False, "IP_NOT_ALLOWED"),
        ({"ip_allow": ("2001:db8::/32",)}, IP, False, "IP_NOT_ALLOWED"),
    ],
)
async def test_an_account_says_who_may_call_it_and_how(
    tmp_path: Path, settings: dict[str, Any], ip: str, in_query: bool, name: str | None
) -> None:
    async with house(tmp_path, running=False) as home:
        await _give_secret(home)
        await home.change(**settings)
        credentials = _typed(in_query=in_query)
        if name is None:
            assert (await home.engine.authenticate(credentials, caller_ip=ip)).id == home.alice.id
        else:
            assert (await _error(home, credentials, ip))[0] == name


async def test_what_an_account_forbids_is_told_to_its_owner_only(tmp_path: Path) -> None:
    async with house(tmp_path, running=False) as home:
        await _give_secret(home)
        await home.store.change_account(home.alice.id, status=AccountStatus.BLOCKED)
        home.engine.accounts.forget()
        assert (await _error(home, _typed(password="wrong")))[0] == "BAD_CREDENTIALS"
        assert (await _error(home, _typed()))[0] == "BLOCKED_USER"


async def test_a_refusal_has_a_reason_for_people_without_the_password(tmp_path: Path) -> None:
    async with house(tmp_path, running=False) as home:
        wrong = _typed(password="canaryCanary01")
        assert (await _error(home, wrong))[1] == "the account has no API secret yet"
        await _give_secret(home)
        assert "canary" not in (await _error(home, wrong))[1]
        assert "canary" not in repr(wrong)
