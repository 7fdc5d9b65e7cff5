"""What cabinet and console ask of the database gives the same answers on both."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from kodgate.core import ledger
from kodgate.core.types import Booking, BookingKind, Event
from kodgate.store import Claimed, Store, cabinet, migrate, open_store, sql
from kodgate.store.cabinet import CabinetStore, Filter, Session, User
from kodgate.store.console import ConsoleStore
from kodgate.store.tables import tables

from . import kit
from .kit import NOW, SECOND, SMS, TELE, TELE_TO_SMS, TELEGRAM

EVER = {"since": 0, "until": NOW + kit.DAY}
HASH = "$argon2id$stand-in"
FEE = Booking(provider="telegram", kind=BookingKind.FEE, amount=100, attempt=1)


@dataclass(frozen=True, kw_only=True)
class Pages:
    """Alice's codes: one read, one that fell back to SMS and waits there, one on its way."""

    store: Store
    cabinet: CabinetStore
    console: ConsoleStore
    alice: int
    bob: int
    read: Claimed
    unread: Claimed
    waiting: Claimed

    async def packets(self, **chosen: Any) -> list[int]:
        found = await self.cabinet.packets(self.alice, Filter(**chosen), limit=10)
        return [row.packet.id for row in found]


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: Any, tmp_path: Path) -> str:
    """Of an empty database of the newest schema."""
    if request.param == "postgres":
        found: str = request.getfixturevalue("cluster").fresh()
        return found
    found = f"sqlite:///{tmp_path / 'kodgate.db'}"
    migrate(found)
    return found


@pytest.fixture
async def pages(url: str) -> AsyncIterator[Pages]:
    store = open_store(url)
    await store.open()
    try:
        yield await story(store)
    finally:
        await store.close()


async def story(store: Store) -> Pages:
    alice = (await kit.account(store, "alice")).id
    bob = (await kit.account(store, "bob", funds=0)).id
    read = await kit.sent(store, kit.order(alice, "79120000001", plan=TELE), "tg-1")
    await seen(store, read, Event.READ)
    unread = await kit.sent(
        store, kit.order(alice, "79120000002", plan=TELE_TO_SMS, at=NOW + SECOND), "tg-2"
    )
    await seen(store, unread, Event.DELIVERED)
    await kit.expire(store, unread)
    waiting = await kit.sent(
        store, kit.order(alice, "79120000003", plan=TELE, at=NOW + 2 * SECOND), "tg-3"
    )
    return Pages(
        store=store,
        cabinet=CabinetStore(tables(store)),
        console=ConsoleStore(tables(store)),
        alice=alice,
        bob=bob,
        read=read,
        unread=unread,
        waiting=waiting,
    )


async def seen(store: Store, claimed: Claimed, event: Event) -> None:
    """Two seconds later, and Telegram says what it took."""
    await kit.observe(
        store,
        at=claimed.row.created_at + 2 * SECOND,
        message_id=claimed.message.id,
        events=(event,),
        bookings=(FEE,),
    )


# The cabinet's lists


async def test_packets_come_newest_first(pages: Pages) -> None:
    ids = [one.row.packet.id for one in (pages.waiting, pages.unread, pages.read)]
    assert await pages.packets() == ids
    assert await pages.packets(before_id=ids[0]) == ids[1:]
    assert await pages.packets(since=NOW + SECOND) == ids[:2]
    assert await pages.packets(until=NOW + SECOND) == ids[2:]
    assert await pages.cabinet.packets(pages.bob, Filter(), limit=10) == []


@pytest.mark.parametrize(
    ("chosen", "name"),
    [
        ({"state": "sent"}, "waiting"),
        ({"state": "queued"}, "unread"),
        ({"state": "queued", "channel": "sms"}, "unread"),
        ({"state": "confirmed"}, "read"),
        ({"channel": "sms"}, "unread"),
        ({"state": "confirmed", "channel": "telegram"}, "read"),
    ],
)
async def test_packets_are_filtered_by_their_newest_message(
    pages: Pages, chosen: dict[str, str], name: str
) -> None:
    claimed: Claimed = getattr(pages, name)
    assert await pages.packets(**chosen) == [claimed.row.packet.id]


async def test_a_final_state_is_looked_for_among_the_newest_packets(
    pages: Pages, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cabinet, "SCANNED_MAX", 1)
    assert await pages.packets(state="confirmed") == []
    until = NOW + SECOND
    assert await pages.packets(state="confirmed", until=until) == [pages.read.row.packet.id]


async def test_a_packet_is_found_by_the_provider_s_id(pages: Pages) -> None:
    (found,) = await pages.cabinet.by_provider_id(pages.alice, "tg-2")
    assert found.packet.id == pages.unread.row.packet.id
    assert [message.channel for message in found.messages] == ["telegram", "sms"]
    assert await pages.cabinet.by_provider_id(pages.bob, "tg-2") == []


async def test_arrivals_say_how_long_a_code_took(pages: Pages) -> None:
    found = await pages.cabinet.arrivals(pages.alice, **EVER, limit=10)
    assert found == [("telegram", 2 * SECOND)]


async def test_the_transfers_of_a_packet_stand_in_order(pages: Pages) -> None:
    packet = await kit.row(pages.store, pages.unread)
    found = await pages.cabinet.transfers(packet)
    assert [(one.kind, one.amount) for one in found] == [
        ("charge", -TELEGRAM),
        ("refund", TELEGRAM),
        ("charge", -SMS),
    ]


@pytest.mark.parametrize(
    ("chosen", "kinds"),
    [
        ({}, ["charge", "charge", "refund", "charge", "charge", "topup"]),
        ({"kind": "topup"}, ["topup"]),
        ({"kind": "refund"}, ["refund"]),
        ({"until": NOW}, []),
    ],
)
async def test_the_ledger_is_filtered(
    pages: Pages, chosen: dict[str, Any], kinds: list[str]
) -> None:
    plain = {"since": None, "until": None, "kind": None, "before_id": None, "limit": 10}
    found = await pages.cabinet.ledger(pages.alice, **{**plain, **chosen})
    assert sorted(one.kind for one in found) == sorted(kinds)


# People, sessions and the audit trail


async def person(pages: Pages, login: str = "eve") -> User:
    return await pages.cabinet.create_user(
        account_id=pages.alice, login=login, role="owner", password=HASH, at=NOW
    )


async def session(pages: Pages, user: User, digest: bytes = b"one") -> Session:
    opened = Session(
        id=0,
        user_id=user.id,
        csrf="csrf",
        stage="full",
        view_account_id=None,
        created_at=NOW,
        seen_at=NOW,
        proved_at=NOW,
        expires_at=NOW + kit.DAY,
        ip="127.0.0.1",
        agent="",
    )
    return await pages.cabinet.open_session(digest, opened)


async def test_a_login_is_taken_once(pages: Pages) -> None:
    eve = await person(pages)
    with pytest.raises(ValueError, match="taken"):
        await person(pages)
    assert await pages.cabinet.user("eve") == eve == await pages.cabinet.user_by_id(eve.id)
    assert await pages.cabinet.users(pages.alice) == [eve] == await pages.cabinet.users()
    assert await pages.cabinet.users(pages.bob) == []


async def test_a_person_is_changed(pages: Pages) -> None:
    eve = await person(pages)
    await pages.cabinet.set_role(eve.id, "support")
    await pages.cabinet.set_language(eve.id, "en")
    await pages.cabinet.set_disabled(eve.id, True)
    found = await pages.cabinet.user("eve")
    assert found is not None
    assert (found.role, found.language, found.disabled) == ("support", "en", True)


async def test_a_new_password_ends_the_other_sessions(pages: Pages) -> None:
    eve = await person(pages)
    kept = await session(pages, eve)
    await session(pages, eve, b"two")
    await pages.cabinet.set_password(eve.id, "another", keep=kept.id)
    assert [one.id for one in await pages.cabinet.sessions(eve.id)] == [kept.id]
    assert await pages.cabinet.session(b"two") is None


async def test_a_session_remembers_what_was_done_in_it(pages: Pages) -> None:
    eve = await person(pages)
    opened = await session(pages, eve)
    await pages.cabinet.touch_session(opened.id, seen_at=NOW + 1)
    await pages.cabinet.prove_session(opened.id, at=NOW + 2)
    await pages.cabinet.view_account(opened.id, pages.bob)
    found = await pages.cabinet.session(b"one")
    assert found is not None
    assert (found.seen_at, found.proved_at, found.view_account_id) == (NOW + 1, NOW + 2, pages.bob)
    await pages.cabinet.end_session(opened.id, user_id=eve.id + 1)
    assert await pages.cabinet.session(b"one") is not None
    await pages.cabinet.end_session(opened.id, user_id=eve.id)
    assert await pages.cabinet.session(b"one") is None


async def test_each_second_factor_counts_once(pages: Pages) -> None:
    eve = await person(pages)
    await pages.cabinet.set_totp(eve.id, b"sealed", recovery=[b"first", b"second"])
    assert [await pages.cabinet.use_totp_step(eve.id, 7) for _ in range(2)] == [True, False]
    used = [await pages.cabinet.use_recovery_code(eve.id, b"first", at=NOW) for _ in range(2)]
    assert used == [True, False]
    assert await pages.cabinet.recovery_codes_left(eve.id) == 1


async def test_the_audit_trail_is_a_chain(pages: Pages) -> None:
    for account_id in (pages.alice, pages.bob, None):
        await pages.cabinet.audit(
            at=NOW, account_id=account_id, actor="eve", action="look", detail="ж", ip="::1"
        )
    assert [one.account_id for one in await pages.cabinet.audits(None)] == [
        None,
        pages.bob,
        pages.alice,
    ]
    assert len(await pages.cabinet.audits(pages.alice)) == 1
    assert len(await pages.cabinet.audits(None, before_id=3, limit=1)) == 1
    assert await pages.cabinet.broken_audit() is None
    await tables(pages.store).run([("update audit set detail = ? where id = ?", ("z", 2))])
    assert await pages.cabinet.broken_audit() == 2


# The console


async def test_the_pace_is_counted_by_bucket(pages: Pages) -> None:
    found = await pages.console.pace(**EVER, bucket_ms=SECOND)
    assert found == {NOW: 1, NOW + SECOND: 1, NOW + 2 * SECOND: 1}


async def test_outcomes_are_counted_by_channel_state_and_reason(pages: Pages) -> None:
    found = {
        (one.channel, one.state, one.reason, one.count)
        for one in await pages.console.outcomes(**EVER)
    }
    assert found == {
        ("telegram", "confirmed", None, 1),
        ("telegram", "expired", "unread", 1),
        ("telegram", "sent", None, 1),
        ("sms", "queued", None, 1),
    }


async def test_what_waits_is_told_by_channel(pages: Pages) -> None:
    found = {(one.channel, one.state, one.count) for one in await pages.console.waiting()}
    assert found == {("sms", "queued", 1), ("telegram", "sent", 1)}
    later = pages.unread.message.ends_at + 3 * SECOND
    count, since = await pages.console.overdue(now=later)
    assert count == 1 and since is not None
    lanes = {one.channel: (one.open, one.due) for one in await pages.console.lanes(now=later)}
    assert lanes == {"sms": (1, 1), "telegram": (1, 0)}


async def test_open_messages_are_listed_oldest_first(pages: Pages) -> None:
    found = await pages.console.open_letters(limit=10)
    assert [one.packet_id for one in found] == [
        pages.waiting.row.packet.id,
        pages.unread.row.packet.id,
    ]
    assert {one.login for one in found} == {"alice"}
    ids = [one.id for one in found]
    assert sorted(one.id for one in await pages.console.letters(ids)) == sorted(ids)
    assert await pages.console.letters([]) == []


async def test_the_dead_are_listed_and_counted(pages: Pages) -> None:
    assert await pages.console.dead_letters(**EVER, limit=10) == []
    await kit.expire(pages.store, pages.waiting)
    (letter,) = await pages.console.dead_letters(**EVER, limit=10)
    assert (letter.packet_id, letter.refunded) == (pages.waiting.row.packet.id, True)
    (counted,) = await pages.console.dead_counts(**EVER)
    assert (counted.channel, counted.count) == ("telegram", 1)


async def test_the_house_s_books_sum_to_nothing(pages: Pages) -> None:
    found = await pages.console.house()
    assert sum(found.values()) == 0
    assert found["customers"] == kit.FUNDS - 2 * TELEGRAM - SMS


async def test_what_providers_keep_of_refunded_codes_is_told(pages: Pages) -> None:
    (booked,) = await pages.console.booked(**EVER)
    assert (booked.provider, booked.count, booked.amount) == ("telegram", 2, 200)
    (exposed,) = await pages.console.exposed(**EVER)
    assert (exposed.reason, exposed.refunded, exposed.kept) == ("unread", TELEGRAM, 100)


async def test_a_document_is_known_once_it_was_booked(pages: Pages) -> None:
    assert not await pages.console.has_document(pages.alice, "PP 1")
    transfer = ledger.top_up(pages.alice, 5)
    await pages.store.post(pages.alice, transfer, at=NOW, document="PP 1", comment="")
    assert await pages.console.has_document(pages.alice, "PP 1")
    assert not await pages.console.has_document(pages.bob, "PP 1")


async def test_the_schema_is_named(pages: Pages) -> None:
    assert await pages.console.revision() == sql.REVISION
    assert await pages.console.nodes() == {}
