"""Holds what customers were told against what is stored and what the providers really did."""

from __future__ import annotations

import asyncio
import json
import re
import time
import urllib.request
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import asyncpg
from tests.ha.customers import NOT_STORED, OTHER, Asked

from kodgate.store import open_store

LOG_PAGE = 10_000
_OURS = re.compile(r"[?&]kodgate_\w+=\w+", re.ASCII)
"""Parameters of a url that only kodgate knows."""

_CODE = re.compile(r"[0-9]{8}")

OPEN = "select count(*) from packet where final_at is null"
TWICE_FINAL = (
    "select packet_id, num, count(*) from event where word in ('confirmed', 'failed', 'expired')"
    " group by packet_id, num having count(*) > 1"
)
CHARGED = (
    "select m.id, count(t.id) from message m left join transfer t on t.message_id = m.id"
    " and t.kind = 'charge' group by m.id having count(t.id) <> 1"
)
STORED = "select user_message_id, id from packet where user_message_id is not null"


@dataclass(slots=True, kw_only=True)
class Verdict:
    """What is wrong; all of it empty, one hopes."""

    accepted: int = 0
    lost: list[int] = field(default_factory=list)
    """Numbers of codes that were accepted, or known, and are not there."""
    doubled: list[int] = field(default_factory=list)
    """Numbers with more than one packet."""
    refused_but_stored: list[int] = field(default_factory=list)
    not_final: int = 0
    money: list[str] = field(default_factory=list)
    strange: list[bytes] = field(default_factory=list)

    @property
    def problems(self) -> dict[str, Any]:
        found = {
            name: getattr(self, name)
            for name in self.__dataclass_fields__
            if name != "accepted" and getattr(self, name)
        }
        return {name: value[:5] if isinstance(value, list) else value
                for name, value in found.items()}  # fmt: skip


async def all_final(database: str, seconds: float) -> int:
    """Waits until every packet is final; how many are not, in the end."""
    ends_at = time.monotonic() + seconds
    while True:
        left: int = (await rows(database, OPEN))[0][0]
        if left == 0 or time.monotonic() > ends_at:
            return left
        await asyncio.sleep(0.5)


async def check(database: str, asked: Sequence[Asked]) -> Verdict:
    """Of the stored packets and money, by the customers' own history."""
    ids: dict[int, list[int]] = {}
    for number, packet_id in await rows(database, STORED):
        ids.setdefault(int(number), []).append(packet_id)
    verdict = Verdict()
    for one in asked:
        stored = ids.get(one.number, [])
        verdict.accepted += one.packet_id is not None
        if one.packet_id is not None and one.packet_id not in stored:
            verdict.lost.append(one.number)
        if len(stored) > 1:
            verdict.doubled.append(one.number)
        if stored and one.words <= NOT_STORED:
            verdict.refused_but_stored.append(one.number)
        verdict.strange.extend(one.details if OTHER in one.words else ())
    verdict.not_final = (await rows(database, OPEN))[0][0]
    for query, word in ((CHARGED, "not charged once"), (TWICE_FINAL, "final twice")):
        verdict.money.extend(f"{word}: {tuple(row)}" for row in await rows(database, query))
    verdict.money.extend(await _verify(database))
    return verdict


async def _verify(database: str) -> list[str]:
    store = open_store(database)
    await store.open()
    try:
        return await store.verify()
    finally:
        await store.close()


async def rows(database: str, query: str, *values: object) -> list[Any]:
    """A question on a connection of its own."""
    connection = await asyncpg.connect(_OURS.sub("", database), timeout=20)
    try:
        found: list[Any] = await connection.fetch(query, *values)
        return found
    finally:
        await connection.close()


def sent_twice(telegram_port: int) -> tuple[int, int]:
    """Codes that left more than once, by Telegram and by SMS, as the sandbox saw it."""
    telegram = Counter(entry["phone"] for entry in truth(telegram_port, "send"))
    sms = Counter(_CODE.findall(entry["text"])[0] for entry in truth(telegram_port, "sms"))
    return tuple(sum(n - 1 for n in found.values()) for found in (telegram, sms))  # type: ignore[return-value]


def truth(telegram_port: int, kind: str) -> list[dict[str, Any]]:
    """The sandbox's log of one kind, whole."""
    found: list[dict[str, Any]] = []
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    after = 0
    while True:
        url = f"http://127.0.0.1:{telegram_port}/control/log?kind={kind}&after={after}"
        with direct.open(url, timeout=30) as answer:
            page = json.loads(answer.read())
        found.extend(page)
        if len(page) < LOG_PAGE:
            return found
        after = page[-1]["id"]
