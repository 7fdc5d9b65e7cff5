"""Fills a database with open messages: sent by Telegram, not read yet, their deadlines ahead."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import String, cast, update

from bench.filling import connected
from kodgate.core import cascade, phones, tariffs
from kodgate.core.life import GRACE_MS
from kodgate.core.orders import Order, Placed
from kodgate.store import Store, schema
from kodgate.store.keyring import Keyring

SPREAD_S = 36_000
"""Ten hours: the deadlines lie as far apart as the longest wait that a request may ask for."""
SOONEST_S = 60
"""For the filling to end and the gateway to start before the first deadline."""
LOOKS_S = 600
"""Within so many seconds every message asks to be polled: far more than the budget allows."""
CHUNK = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """How many messages, of which account, sealed by whom."""

    login: str
    keyring: Keyring
    count: int

    async def place(self, store: Store) -> None:
        """Accepted as any other, `CHUNK` in a batch."""
        account = await store.account(self.login)
        assert account is not None
        (tariff,) = [one for one in await store.tariffs() if one.name == account.tariff]
        orders: list[Order] = []
        for order in self._orders(account.id, tariff):
            orders.append(order)
            if len(orders) == CHUNK:
                await _accepted(store, orders)
                orders = []
        await _accepted(store, orders)

    def _orders(self, account_id: int, tariff: tariffs.Tariff) -> Iterator[Order]:
        at = int(time.time() * 1000)
        day = time.strftime("%Y-%m-%d", time.gmtime(at / 1000))
        for number in range(self.count):
            phone, code = f"7930{number % 10_000_000:07d}", f"{number % 9_000 + 1_000}"
            zone = tariff.zone_of(phone)
            assert zone is not None
            plan = tariffs.plan(tariff, zone, cascade.tele(SPREAD_S))
            assert plan is not None
            digest = self.keyring.phone_digest(phone)
            code_digest = self.keyring.code_digest(account_id, phone, code)
            yield Order(
                account_id=account_id,
                at=at,
                plan=plan,
                reserve=True,
                zone=zone,
                ttl_s=SPREAD_S,
                phone=self.keyring.seal(day, "phone", account_id, digest, phone),
                phone_digest=digest,
                phone_mask=phones.mask(phone),
                code=self.keyring.seal(day, "code", account_id, code_digest, code),
                code_digest=code_digest,
                code_generated=False,
                key_day=day,
                dialect="http_asp",
                user_message_id=str(number),
            )


async def _accepted(store: Store, orders: list[Order]) -> None:
    answers = await store.accept(orders)
    assert all(isinstance(answer, Placed) for answer in answers)


def send_all(url: str) -> None:
    """Every queued message as it is once Telegram has taken it and no report has come."""
    message = schema.message
    now = int(time.time() * 1000)
    ends_at = now + SOONEST_S * 1000 + message.c.id * 7919 % (SPREAD_S * 1000)
    sent = (
        update(message)
        .where(message.c.state == "queued")
        .values(
            state="sent",
            attempts=1,
            epoch=1,
            task="poll",
            due_at=now + message.c.id * 7919 % (LOOKS_S * 1000),
            provider_id="open-" + cast(message.c.id, String),
            settles_at=ends_at,
            ends_at=ends_at,
            decide_at=ends_at + GRACE_MS,
        )
    )
    connected(url, lambda connection: connection.execute(sent))
