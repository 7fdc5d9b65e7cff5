"""Opens what the administrative commands work on: store, keys, clock."""

from __future__ import annotations

import asyncio
import secrets
import string
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from kodgate.cli.exits import SETUP, Failed
from kodgate.config import Config
from kodgate.engine.clock import Clock
from kodgate.store import Store
from kodgate.store.cabinet import CabinetStore
from kodgate.store.keyring import Keyring
from kodgate.store.tables import tables
from kodgate.web import app

SECRET_LENGTH = 32
_ALPHABET = string.ascii_letters + string.digits

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    store: Store
    keyring: Keyring
    clock: Clock


def with_store(
    config: Config, work: Callable[[Opened], Awaitable[Result]], *, create: bool = False
) -> Result:
    """Runs `work` on the opened store and closes it. Raises Failed where there is none.

    `create`: a missing database is made; otherwise it is named as missing.
    """
    return asyncio.run(_with_store(config, work, create=create))


async def _with_store(
    config: Config, work: Callable[[Opened], Awaitable[Result]], *, create: bool
) -> Result:
    _check_exists(config, create=create)
    try:
        keyring = app.open_keyring(config)
        store = await app.open_store(config)
    except app.SetupError as error:
        raise Failed(str(error), SETUP) from None
    try:
        clock = await app.open_clock(config, store)
        return await work(Opened(store=store, keyring=keyring, clock=clock))
    finally:
        await store.close()


def _check_exists(config: Config, *, create: bool) -> None:
    path = Path(config.database_url.removeprefix("sqlite:///"))
    if create or not config.database_url.startswith("sqlite:") or path.exists():
        return
    raise Failed(f"there is no database {path}: start `kodgate up` or `kodgate serve` first", SETUP)


async def audit(opened: Opened, *, account_id: int | None, action: str, detail: str) -> None:
    """A line of the audit trail, like those of the console."""
    await CabinetStore(tables(opened.store)).audit(
        at=wall_ms(),
        account_id=account_id,
        actor="command line",
        action=action,
        detail=detail,
        ip="",
    )


def wall_ms() -> int:
    """Wall clock: people's sessions and the audit trail do not run at the business clock's pace."""
    return int(time.time() * 1000)


def new_secret() -> str:
    """32 of `[A-Za-z0-9]` (D13): 190 bits, and no character that naive clients must encode."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(SECRET_LENGTH))


def is_secret(text: str) -> bool:
    """Whether a text may be an API secret: 16 to 64 of `[A-Za-z0-9]`."""
    return 16 <= len(text) <= 64 and all(sign in _ALPHABET for sign in text)
