"""Everything moves from one database to another, and is compared to the last sum."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from kodgate.cli.main import app
from kodgate.core.accounts import AccountSettings
from kodgate.core.tariffs import Price, Tariff
from kodgate.core.types import Event
from kodgate.store import Route, Store, migrate, open_store, public_url, schema, transfer
from kodgate.store.cabinet import CabinetStore, Filter, Session
from kodgate.store.console import ConsoleStore
from kodgate.store.transfer import Different, NotEmpty

from .cluster import Cluster
from .kit import (
    DAY,
    FUNDS,
    NOW,
    SECOND,
    TELEGRAM,
    account,
    digest,
    expire,
    observe,
    order,
    place,
    sent,
)


def silent(_table: str, _done: int, _total: int) -> None:
    pass


@pytest.fixture
async def old(tmp_path: Path) -> AsyncIterator[str]:
    """SQLite with something in every table."""
    url = f"sqlite:///{tmp_path}/old.db"
    migrate(url)
    store = open_store(url)
    await store.open()
    await fill(store)
    await store.close()
    yield url


async def fill(store: Store) -> None:
    alice = await account(store, settings=AccountSettings(template="Код: {code}"))
    await account(store, "bob", credit_limit=50_000)
    await store.add_secret(alice.id, b"\0secret", at=NOW, others_expire_at=None)
    prices = {(1, "sms"): Price(price=42_000, cost=9)}
    await store.save_tariff(
        Tariff(name="default", valid_from=NOW, zones={"7": 1, "": 2}, prices=prices), at=NOW
    )
    await store.save_route(Route(name="main", channel="sms", profile="{}", created_at=NOW))
    for key in ("clock", "node a", "node b", "nodes", "Node c"):
        await store.put(key, "{}")
    claimed = await sent(store, order(alice, user_message_id="m1", unique_days=7))
    await observe(store, message_id=claimed.message.id, provider_id="tg-2", epoch=1, source="send")
    await expire(store, claimed)
    await place(store, *(order(alice, phone=f"7912{n:07d}") for n in range(20)))
    await observe(store, source="receipt", channel="sms", keys=("x",), events=(Event.DELIVERED,))
    cabinet = CabinetStore(store)  # type: ignore[arg-type]
    user = await cabinet.create_user(
        account_id=alice.id, login="alice", role="owner", password="argon2", at=NOW
    )
    await cabinet.set_totp(user.id, b"sealed", recovery=[b"one", b"two"])
    await cabinet.audit(at=NOW, account_id=None, actor="alice", action="x", detail="", ip="::1")


@pytest.fixture
def empty(cluster: Cluster) -> str:
    return cluster.fresh()


async def test_everything_moves_to_postgresql_and_work_goes_on(old: str, empty: str) -> None:
    copied = await transfer.transfer(old, empty, silent)
    assert copied.findings == []
    assert copied.counts["packet"] == 21 and copied.counts["message"] == 22
    assert copied.sums > 100
    store = open_store(empty)
    await store.open()
    alice = await store.account("alice")
    assert alice is not None and alice.settings.template == "Код: {code}"
    assert alice.secrets[0].digest == b"\0secret"
    (placed,) = await place(store, order(alice))
    assert (placed.packet_id, placed.message_id) == (1_000_021, 7_000_022)
    assert (
        len(await store.find(account_id=None, phone_digest=digest("phone", "79120000001"), limit=9))
        == 3
    )
    await account(store, "carol")
    assert await CabinetStore(store).broken_audit() is None  # type: ignore[arg-type]
    assert await store.verify() == []
    await store.close()


async def test_everything_moves_back(old: str, empty: str, tmp_path: Path) -> None:
    await transfer.transfer(old, empty, silent)
    again = f"sqlite:///{tmp_path}/again.db"
    migrate(again)
    copied = await transfer.transfer(empty, again, silent)
    store = open_store(again)
    await store.open()
    alice = await store.account("alice")
    assert alice is not None and alice.balance < FUNDS - 20 * TELEGRAM
    (placed,) = await place(store, order(alice))
    assert placed.packet_id == 1_000_021
    assert await store.verify() == [] and copied.findings == []
    await store.close()


SPAN = {"since": NOW - DAY, "until": NOW + 2 * DAY}
QUESTIONS: dict[str, Callable[[CabinetStore, ConsoleStore], Awaitable[Any]]] = {
    "user": lambda cabinet, _: cabinet.user("alice"),
    "users": lambda cabinet, _: cabinet.users(1),
    "everybody": lambda cabinet, _: cabinet.users(),
    "audits": lambda cabinet, _: cabinet.audits(None),
    "packets": lambda cabinet, _: cabinet.packets(1, Filter(), limit=9),
    "queued": lambda cabinet, _: cabinet.packets(
        1, Filter(**SPAN, state="queued", channel="sms", before_id=1_900_000), limit=9
    ),
    "by provider": lambda cabinet, _: cabinet.by_provider_id(1, "tg-1"),
    "ledger": lambda cabinet, _: cabinet.ledger(1, **SPAN, kind="charge", before_id=10**9, limit=9),
    "whole ledger": lambda cabinet, _: cabinet.ledger(
        1, since=None, until=None, kind=None, before_id=None, limit=9
    ),
    "pace": lambda _, console: console.pace(**SPAN, bucket_ms=SECOND),
    "outcomes": lambda _, console: console.outcomes(**SPAN),
    "waiting": lambda _, console: console.waiting(),
    "overdue": lambda _, console: console.overdue(now=NOW),
    "nodes": lambda _, console: console.nodes(),
    "open letters": lambda _, console: console.open_letters(limit=99),
    "dead letters": lambda _, console: console.dead_letters(**SPAN, limit=99),
    "dead counts": lambda _, console: console.dead_counts(**SPAN),
    "house": lambda _, console: console.house(),
    "booked": lambda _, console: console.booked(**SPAN),
    "exposed": lambda _, console: console.exposed(**SPAN),
    "revision": lambda _, console: console.revision(),
}


async def test_people_are_told_the_same_by_both(old: str, empty: str) -> None:
    await transfer.transfer(old, empty, silent)
    told = []
    for url in (old, empty):
        store: Any = open_store(url)
        await store.open()
        cabinet, console = CabinetStore(store), ConsoleStore(store)
        told.append({name: await ask(cabinet, console) for name, ask in QUESTIONS.items()})
        await store.close()
    assert told[0] == told[1]
    assert told[0]["nodes"] == {"a": "{}", "b": "{}"}
    assert len(told[0]["packets"]) == 9 and told[0]["pace"] and told[0]["house"]


async def test_the_cabinet_writes_to_postgresql(empty: str) -> None:
    store: Any = open_store(empty)
    await store.open()
    cabinet = CabinetStore(store)
    user = await cabinet.create_user(account_id=None, login="o", role="operator", password="", at=1)
    with pytest.raises(ValueError, match="taken"):
        await cabinet.create_user(account_id=None, login="o", role="operator", password="", at=1)
    assert await cabinet.use_totp_step(user.id, 5) and not await cabinet.use_totp_step(user.id, 5)
    await cabinet.set_totp(user.id, b"sealed", recovery=[b"one"])
    assert await cabinet.use_recovery_code(user.id, b"one", at=2)
    assert await cabinet.recovery_codes_left(user.id) == 0
    session = await cabinet.open_session(b"digest", browser(user.id))
    assert await cabinet.session(b"digest") == session == (await cabinet.sessions(user.id))[0]
    await cabinet.touch_session(session.id, seen_at=9)
    await cabinet.prove_session(session.id, at=9)
    await cabinet.set_disabled(user.id, True)
    assert await cabinet.session(b"digest") is None
    story = {"at": 1, "account_id": None, "actor": "o", "action": "x", "detail": "", "ip": ""}
    await asyncio.gather(*(cabinet.audit(**story) for _ in range(6)))
    assert len(await cabinet.audits(None)) == 6
    assert await cabinet.broken_audit() is None
    await store.close()


def browser(user_id: int) -> Session:
    return Session(
        id=0,
        user_id=user_id,
        csrf="x",
        stage="full",
        view_account_id=None,
        created_at=1,
        seen_at=1,
        proved_at=1,
        expires_at=99,
        ip="::1",
        agent="",
    )


async def test_a_target_with_data_is_refused(old: str, empty: str) -> None:
    store = open_store(empty)
    await store.open()
    before = await account(store)
    with pytest.raises(NotEmpty, match="account"):
        await transfer.transfer(old, empty, silent)
    assert await store.account("alice") == before
    assert await store.account("bob") is None
    await store.close()


async def test_nobody_writes_to_the_source_meanwhile(old: str, empty: str) -> None:
    refused = []

    def progress(table: str, _done: int, _total: int) -> None:
        with closing(sqlite3.connect(old.removeprefix("sqlite:///"), timeout=0)) as db:
            try:
                db.execute("begin immediate")
            except sqlite3.OperationalError:
                refused.append(table)

    await transfer.transfer(old, empty, progress)
    assert set(refused) == set(schema.metadata.tables)
    store = open_store(old)
    await store.open()
    await store.put("clock", "2")  # it is free again
    await store.close()


async def test_a_source_of_another_version_is_refused(old: str, empty: str) -> None:
    store = open_store(old)
    await store.open()
    await store.run([("update alembic_version set version_num = ?", ("0000",))])  # type: ignore[attr-defined]
    await store.close()
    with pytest.raises(Different, match="source"):
        await transfer.transfer(old, empty, silent)


async def test_what_the_verifier_finds_is_found_in_the_copy_too(old: str, empty: str) -> None:
    store = open_store(old)
    await store.open()
    await store.run([("update packet set held = held + 1 where id = ?", (1_000_003,))])  # type: ignore[attr-defined]
    await store.close()
    copied = await transfer.transfer(old, empty, silent)
    assert any("1000003" in finding for finding in copied.findings)


def test_the_commands_upgrade_tell_and_move(cluster: Cluster, tmp_path: Path) -> None:
    old, new = f"sqlite:///{tmp_path}/old.db", cluster.empty()
    run = CliRunner()
    environ = {"KODGATE_DATABASE": old}
    assert run.invoke(app, ["db", "status"], env=environ).exit_code == 8
    assert run.invoke(app, ["db", "upgrade"], env=environ).exit_code == 0
    told = run.invoke(app, ["db", "status"], env=environ)
    assert told.exit_code == 0 and "SQLite" in told.output
    moved = run.invoke(app, ["db", "migrate", "--from", old, "--to", new])
    assert moved.exit_code == 0, moved.output
    assert "both sides are equal" in moved.output
    told = run.invoke(app, ["db", "status"], env={"KODGATE_DATABASE": new})
    assert told.exit_code == 0 and "PostgreSQL" in told.output


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("postgresql://alice:secret@db:5432/kodgate?x=1", "postgresql://alice@db:5432/kodgate"),
        ("postgresql://db/kodgate", "postgresql://db/kodgate"),
        ("sqlite:///a.db", "sqlite:///a.db"),
    ],
)
def test_a_url_is_shown_without_its_password(url: str, text: str) -> None:
    assert public_url(url) == text
