"""What the store's tests are made of: plans, orders, observations and small stories."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Any

from kodgate.core import cascade, ledger
from kodgate.core.accounts import Account
from kodgate.core.orders import NotPlaced, Order, Placed
from kodgate.core.types import Event, Observation, Plan, PlannedStep, Step
from kodgate.store import Claimed, PacketRow, Recorded, Store

NOW = 1_760_000_000_000
SECOND = 1_000
DAY = 86_400_000
TTL_S = 300
TELEGRAM = 21_000
SMS = 42_000
FUNDS = 10_000_000


def priced(steps: tuple[Step, ...], *prices: int) -> Plan:
    return tuple(
        PlannedStep(
            channel=step.channel,
            wait_s=step.wait_s,
            handover_s=step.handover_s,
            success=step.success,
            refund=step.refund,
            price=price,
        )
        for step, price in zip(steps, prices, strict=True)
    )


TELE = priced(cascade.tele(TTL_S), TELEGRAM)
TELE_TO_SMS = priced(cascade.tele_to_sms(TTL_S), TELEGRAM, SMS)
ONLY_SMS = priced(cascade.sms(TTL_S), SMS)


def digest(*words: object) -> bytes:
    return hashlib.blake2b(" ".join(map(str, words)).encode(), digest_size=16).digest()


def order(
    account: Account | int, phone: str = "79120000001", code: str = "4711", **more: Any
) -> Order:
    """An order of alice's or bob's; the ciphertexts are stand-ins, the store never opens them."""
    account_id = account if isinstance(account, int) else account.id
    plain = Order(
        account_id=account_id,
        at=NOW,
        plan=TELE_TO_SMS,
        reserve=True,
        zone=1,
        ttl_s=TTL_S,
        phone=f"sealed {phone}".encode(),
        phone_digest=digest("phone", phone),
        phone_mask=f"{phone[:4]}***{phone[-4:]}",
        code=f"sealed {code}".encode(),
        code_digest=digest("code", account_id, phone, code),
        code_generated=False,
        key_day="2025-10-09",
        dialect="http_in5",
    )
    return replace(plain, **more)


async def account(store: Store, login: str = "alice", funds: int = FUNDS, **more: Any) -> Account:
    """An account with money."""
    created = await store.create_account(login=login, name=login.title(), at=NOW, **more)
    if funds:
        await store.post(
            created.id, ledger.top_up(created.id, funds), at=NOW, document="", comment=""
        )
    return await fresh(store, created)


async def fresh(store: Store, account: Account) -> Account:
    found = await store.account_by_id(account.id)
    assert found is not None
    return found


async def place(store: Store, *orders: Order) -> list[Placed]:
    answers = await store.accept(orders)
    assert all(isinstance(answer, Placed) for answer in answers), answers
    return [answer for answer in answers if isinstance(answer, Placed)]


async def refuse(store: Store, order: Order) -> NotPlaced:
    (answer,) = await store.accept([order])
    assert isinstance(answer, NotPlaced), answer
    return answer


async def claim(
    store: Store, channel: str = "telegram", now: int = NOW, **more: Any
) -> list[Claimed]:
    wanted = {"node": "one", "lease_until": now + 30 * SECOND, "attempts_max": 3, "limit": 100}
    return await store.claim(channel=channel, now=now, **{**wanted, **more})


async def observe(store: Store, *, at: int = NOW, source: str = "poll", **more: Any) -> Recorded:
    (answer,) = await store.record([Observation(at=at, source=source, **more)])
    return answer


async def sent(store: Store, order: Order, provider_id: str = "tg-1") -> Claimed:
    """A packet whose first message a provider has taken."""
    await place(store, order)
    (claimed,) = await claim(store, order.plan[0].channel, order.at, limit=1)
    await observe(
        store,
        at=order.at,
        source="send",
        message_id=claimed.message.id,
        epoch=claimed.message.epoch,
        events=(Event.ACCEPTED,),
        provider_id=provider_id,
    )
    return claimed


async def row(store: Store, claimed: Claimed) -> PacketRow:
    packet = claimed.row.packet
    found = await store.packet(packet.account_id, packet_id=packet.id)
    assert found is not None
    return found


async def expire(store: Store, claimed: Claimed, at: int | None = None) -> Recorded:
    """The deadline of the message is decided."""
    at = claimed.message.ends_at + 2 * SECOND if at is None else at
    return await observe(
        store,
        at=at,
        source="deadline",
        message_id=claimed.message.id,
        events=(Event.TIMED_OUT,),
    )
