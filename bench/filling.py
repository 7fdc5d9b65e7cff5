"""Fills a database with the packets of one account, as the gateway would have left them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Table, create_engine, insert, update
from sqlalchemy.ext.asyncio import create_async_engine

from kodgate.core import phones
from kodgate.core.ledger import REVENUE, TOP_UPS, booking, customer
from kodgate.core.types import Booking, BookingKind, Transfer
from kodgate.store import is_postgres, rows, schema
from kodgate.store.keyring import Keyring
from kodgate.store.postgres_link import connect
from kodgate.store.sqlite import path_of

DAYS = 30
DAY_MS = 86_400_000
CHUNK = 2_000
FUNDS = 10_000_000_000
TELEGRAM, SMS = 21_000, 42_000
ZONES = 5

Row = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How one message ended, and after how many ms."""

    channel: str
    state: str
    reason: str | None
    after_ms: int

    @property
    def price(self) -> int:
        return TELEGRAM if self.channel == "telegram" else SMS


READ = Ending(channel="telegram", state="confirmed", reason=None, after_ms=4_000)
UNREAD = Ending(channel="telegram", state="expired", reason="unread", after_ms=300_000)
REFUSED = Ending(channel="telegram", state="failed", reason="rejected", after_ms=900)
ARRIVED = Ending(channel="sms", state="confirmed", reason=None, after_ms=6_000)
LOST = Ending(channel="sms", state="failed", reason="undelivered", after_ms=60_000)

STORIES = (*((READ,),) * 14, *((UNREAD, ARRIVED),) * 3, (UNREAD, LOST), (REFUSED, ARRIVED), (READ,))
"""Of twenty codes fifteen are read in Telegram, four arrive by SMS, one is lost."""


def evenly(day: float) -> float:
    return day


def fill(
    url: str,
    keyring: Keyring,
    *,
    account_id: int,
    plan: str,
    packets: int,
    rhythm: Callable[[float], float] = evenly,
) -> None:
    """Spread over the last 30 days: `rhythm` moves what even spreading puts at a day, 0 to 30.
    `url` is of a migrated database with this account."""

    def all_rows(connection: Connection) -> None:
        filling = Filling(keyring, account_id, plan, packets, rhythm)
        for chunk in filling.chunks():
            for table, lines in chunk:
                connection.execute(insert(table), lines)
        kept = update(schema.account).where(schema.account.c.id == account_id)
        connection.execute(kept.values(balance=filling.balance))
        ids = {"packet": filling.packet_id + 1, "message": filling.message_id + 1}
        for name, following in ids.items():
            row = update(schema.sequence).where(schema.sequence.c.name == name)
            connection.execute(row.values(next=following))

    connected(url, all_rows)


def connected(url: str, act: Callable[[Connection], object]) -> None:
    if is_postgres(url):
        asyncio.run(_on_postgres(url, act))
        return
    engine = create_engine(f"sqlite:///{path_of(url)}")
    with engine.begin() as connection:
        act(connection)
    engine.dispose()


async def _on_postgres(url: str, act: Callable[[Connection], object]) -> None:
    engine = create_async_engine("postgresql+asyncpg://", async_creator=lambda: connect(url))
    async with engine.begin() as connection:
        await connection.run_sync(act)
    async with engine.begin() as connection:
        await connection.exec_driver_sql("analyze")
    await engine.dispose()


class Filling:
    """The rows of one packet after the other, with a balance that runs along."""

    def __init__(
        self,
        keyring: Keyring,
        account_id: int,
        plan: str,
        packets: int,
        rhythm: Callable[[float], float] = evenly,
    ) -> None:
        self.balance = 0
        self.packet_id = schema.PACKET_ID_MIN
        self.message_id = schema.MESSAGE_ID_MIN
        self._keyring = keyring
        self._account_id = account_id
        self._plan = plan
        self._packets = packets
        self._rhythm = rhythm
        self._until = int(time.time() * 1000)
        self._found: dict[str, list[Row]] = {}

    def chunks(self) -> Iterator[list[tuple[Table, list[Row]]]]:
        self._begin()
        self._pay(self._until - DAYS * DAY_MS, "topup", FUNDS, None)
        for number in range(self._packets):
            self._packet(number)
            if number % CHUNK == CHUNK - 1 or number == self._packets - 1:
                tables = (schema.packet, schema.message, schema.transfer, schema.event)
                yield [(table, self._found[table.name]) for table in tables]
                self._begin()

    def _begin(self) -> None:
        self._found = {"packet": [], "message": [], "transfer": [], "event": []}

    def _packet(self, number: int) -> None:
        self.packet_id += 1
        day = self._rhythm(number * DAYS / self._packets)
        at = self._until - DAYS * DAY_MS + int(day * DAY_MS)
        story = STORIES[number * 7 % len(STORIES)]
        began = at
        for num, ending in enumerate(story, 1):
            took = ending.after_ms * (50 + number % 101) // 100
            self._message(num, ending, at, at + took)
            at += took
        phone, code = f"79{number % 10_000_000 + 120_000_000:09d}", f"{number % 9_000 + 1_000}"
        key_day = time.strftime("%Y-%m-%d", time.gmtime(began / 1000))
        digest = self._keyring.phone_digest(phone)
        code_digest = self._keyring.code_digest(self._account_id, phone, code)
        found = dict.fromkeys(rows.PACKET.split(", "))
        found |= {
            "id": self.packet_id,
            "account_id": self._account_id,
            "created_at": began,
            "zone": number % ZONES + 1,
            "ttl_s": 300,
            "phone": self._keyring.seal(key_day, "phone", self._account_id, digest, phone),
            "phone_digest": digest,
            "phone_mask": phones.mask(phone),
            "code": self._keyring.seal(key_day, "code", self._account_id, code_digest, code),
            "code_digest": code_digest,
            "key_day": key_day,
            "dialect": "http_asp",
            "user_message_id": str(number),
            "caller_ip": "192.0.2.1",
            "plan": self._plan,
            "final_at": at,
        }
        found |= {"test": 0, "held": 0, "reserve": 1, "confirm_tries": 0}
        self._found["packet"].append(found)

    def _message(self, num: int, ending: Ending, at: int, ended: int) -> None:
        self.message_id += 1
        is_lost = ending.state != "confirmed"
        has_arrived = not is_lost or ending is UNREAD
        found = dict.fromkeys(rows.MESSAGE.split(", "))
        found |= {
            "id": self.message_id,
            "packet_id": self.packet_id,
            "num": num,
            "channel": ending.channel,
            "state": ending.state,
            "reason": ending.reason,
            "price": ending.price,
            "created_at": at,
            "ends_at": at + 300_000,
            "attempts": 1,
            "epoch": 1,
            "provider_id": f"{ending.channel}-{self.message_id}",
            "refunded": int(is_lost and ending is not LOST),
            "delivered_at": min(at + 3_000, ended) if has_arrived else None,
            "final_at": ended,
        }
        self._found["message"].append(found)
        self._pay(at, "charge", -ending.price, self.message_id)
        if ending is not REFUSED:
            self._book(at, ending)
        if found["refunded"]:
            self._pay(ended, "refund", ending.price, self.message_id)
        for when, word in ((at, "created"), (ended, ending.state)):
            self._found["event"].append(
                {
                    "packet_id": self.packet_id,
                    "at": when,
                    "num": num,
                    "word": word,
                    "source": "send",
                    "detail": "",
                }
            )

    def _book(self, at: int, ending: Ending) -> None:
        """What the provider takes: half of the price."""
        kind, provider = BookingKind.FEE, ending.channel
        fee = Booking(kind=kind, provider=provider, amount=ending.price // 2, attempt=1)
        self._transfer(at, booking(1, fee), self.message_id, None)

    def _pay(self, at: int, kind: str, amount: int, message_id: int | None) -> None:
        self.balance += amount
        ours, theirs = customer(self._account_id), TOP_UPS if kind == "topup" else REVENUE
        moved = Transfer(
            kind=kind,
            debit=ours if amount < 0 else theirs,
            credit=theirs if amount < 0 else ours,
            amount=abs(amount),
            customer=amount,
        )
        self._transfer(at, moved, message_id, self.balance)

    def _transfer(
        self, at: int, moved: Transfer, message_id: int | None, balance: int | None
    ) -> None:
        self._found["transfer"].append(
            {
                "account_id": self._account_id,
                "at": at,
                "kind": moved.kind,
                "debit": moved.debit,
                "credit": moved.credit,
                "amount": moved.amount,
                "customer": moved.customer,
                "balance_after": balance,
                "packet_id": None if message_id is None else self.packet_id,
                "message_id": message_id,
                "attempt": moved.attempt,
                "document": "",
                "comment": "",
            }
        )
