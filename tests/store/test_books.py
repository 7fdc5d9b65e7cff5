"""Any mixture of orders, claims, reports, deadlines and confirms leaves the books right."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from kodgate.core import ledger
from kodgate.core.orders import Placed
from kodgate.core.types import Event, Observation
from kodgate.store import Claimed, migrate, open_store
from kodgate.store.sqlite import SqliteStore

from .cluster import Cluster
from .kit import NOW, ONLY_SMS, SECOND, TELE, TELE_TO_SMS, account, fresh, order, place

CHANNELS = ("telegram", "sms")
EVENTS = st.sets(st.sampled_from([e for e in Event if e is not Event.TIMED_OUT]), max_size=2).map(
    tuple
)
TEMPLATE = Path(tempfile.mkdtemp()) / "kodgate.db"


class Books(RuleBasedStateMachine):
    """One clock, two customers, one node that forgets nothing; the verifier looks at every step."""

    def __init__(self, url: str | None = None) -> None:
        """`url`: of an empty database; by default a file of its own."""
        super().__init__()
        if not TEMPLATE.exists():
            migrate(f"sqlite:///{TEMPLATE}")
        self.folder = Path(tempfile.mkdtemp())
        shutil.copy(TEMPLATE, self.folder / "kodgate.db")
        self.url = url or f"sqlite:///{self.folder}/kodgate.db"
        self.runner = asyncio.Runner()
        self.now = NOW
        self.claims: list[Claimed] = []
        self.placed: list[Placed] = []

    def run(self, call: Coroutine[Any, Any, Any]) -> Any:
        return self.runner.run(call)

    @initialize(funds=st.integers(0, 400_000))
    def open(self, funds: int) -> None:
        async def start() -> None:
            self.store = open_store(self.url)
            await self.store.open()
            self.accounts = [
                await account(self.store, "alice", funds),
                await account(self.store, "bob", funds, credit_limit=50_000),
            ]

        self.run(start())

    @rule(
        whose=st.lists(st.integers(0, 1), min_size=1, max_size=4),
        plan=st.sampled_from([TELE, TELE_TO_SMS, ONLY_SMS]),
        user_id=st.sampled_from([None, "m1", "m2", "m3"]),
        generated=st.booleans(),
        test=st.booleans(),
    )
    def accept(self, whose: list[int], plan: Any, user_id: str | None, **how: bool) -> None:
        orders = [
            order(
                self.accounts[n],
                at=self.now,
                plan=plan,
                user_message_id=user_id,
                unique_days=1,
                code_generated=how["generated"],
                test=how["test"],
            )
            for n in whose
        ]
        answers = self.run(self.store.accept(orders))
        self.placed += [answer for answer in answers if isinstance(answer, Placed)]

    @rule(channel=st.sampled_from(CHANNELS), limit=st.integers(1, 3))
    def claim(self, channel: str, limit: int) -> None:
        self.claims += self.run(
            self.store.claim(
                channel=channel,
                node="one",
                now=self.now,
                lease_until=self.now + 20 * SECOND,
                attempts_max=2,
                limit=limit,
            )
        )

    @rule(which=st.integers(0, 99), events=EVENTS, later=st.booleans(), id=st.integers(1, 4))
    def answer(self, which: int, events: tuple[Event, ...], later: bool, id: int) -> None:
        """A claim's holder tells what came of it, once; perhaps long after it lost the claim."""
        if not self.claims:
            return
        claimed = self.claims.pop(which % len(self.claims))
        self.see(
            Observation(
                at=self.now,
                source="send",
                message_id=claimed.message.id,
                epoch=claimed.message.epoch,
                events=() if later else events,
                later_at=self.now + SECOND if later else None,
                provider_id=None if later else f"p{id}",
            )
        )

    @rule(
        channel=st.sampled_from(CHANNELS),
        keys=st.lists(st.integers(1, 4), min_size=1, max_size=2),
        events=EVENTS,
    )
    def receipt(self, channel: str, keys: list[int], events: tuple[Event, ...]) -> None:
        names = tuple(f"p{key}" for key in keys)
        self.see(
            Observation(at=self.now, source="receipt", channel=channel, keys=names, events=events)
        )

    @rule(limit=st.integers(1, 5), known=EVENTS)
    def due(self, limit: int, known: tuple[Event, ...]) -> None:
        until = self.now + 5 * SECOND
        for due in self.run(self.store.due(now=self.now, until=until, limit=limit)):
            events = (*known, Event.TIMED_OUT) if due.deadline else known
            source = "deadline" if due.deadline else "poll"
            self.see(
                Observation(at=self.now, source=source, message_id=due.message.id, events=events)
            )

    @rule(which=st.integers(0, 99), right=st.booleans())
    def confirm(self, which: int, right: bool) -> None:
        if self.placed:
            packet_id = self.placed[which % len(self.placed)].packet_id
            self.run(self.store.confirm(packet_id, right=right, at=self.now))

    @rule(which=st.integers(0, 99))
    def discard(self, which: int) -> None:
        if self.placed:
            message_id = self.placed[which % len(self.placed)].message_id
            done = self.run(self.store.discard(message_id, at=self.now, patience_ms=SECOND))
            stuck = self.run(self.store.stuck(now=self.now, patience_ms=SECOND, limit=1_000))
            assert message_id not in stuck, done

    @rule()
    def retry(self) -> None:
        ids = [placed.message_id for placed in self.placed]
        if ids:
            self.run(self.store.retry(ids, at=self.now))

    @rule(seconds=st.sampled_from([0, 1, 21, 119, 302, 90_000]))
    def wait(self, seconds: int) -> None:
        self.now += seconds * SECOND

    @rule()
    def restart(self) -> None:
        async def again() -> None:
            await self.store.close()
            self.store = open_store(self.url)
            await self.store.open()
            await self.store.release("one")

        self.run(again())

    @rule(whose=st.integers(0, 1), amount=st.integers(1, 100_000))
    def top_up(self, whose: int, amount: int) -> None:
        transfer = ledger.top_up(self.accounts[whose].id, amount)
        self.run(
            self.store.post(self.accounts[whose].id, transfer, at=self.now, document="", comment="")
        )

    def see(self, seen: Observation) -> None:
        (answer,) = self.run(self.store.record([seen]))
        assert "faulty" not in answer.words

    @invariant()
    def the_books_are_right(self) -> None:
        if hasattr(self, "store"):
            assert self.run(self.store.verify()) == []

    def teardown(self) -> None:
        if hasattr(self, "store"):
            self.run(self.settle())
        self.runner.close()
        shutil.rmtree(self.folder)

    async def settle(self) -> None:
        """However it went: once all deadlines are decided nothing is open, and nothing is held."""
        for _ in range(10):
            self.now += 90_000 * SECOND
            due = await self.store.due(now=self.now, until=self.now, limit=1_000)
            for one in due:
                await self.store.record(
                    [
                        Observation(
                            at=self.now,
                            source="deadline" if one.deadline else "poll",
                            message_id=one.message.id,
                            events=(Event.TIMED_OUT,) if one.deadline else (),
                        )
                    ]
                )
            if not due:
                break
        assert await self.store.counts() == {}
        assert [(await fresh(self.store, who)).held for who in self.accounts] == [0, 0]
        assert await self.store.verify() == []
        await self.store.close()


Books.TestCase.settings = settings(
    max_examples=40,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
TestBooks = Books.TestCase


def test_the_books_are_right_on_postgresql(cluster: Cluster) -> None:
    run_state_machine_as_test(
        lambda: Books(cluster.fresh()),
        settings=settings(Books.TestCase.settings, max_examples=10, stateful_step_count=20),
    )


async def test_the_verifier_sees_a_hold_that_nobody_needs(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/kodgate.db"
    migrate(url)
    store = SqliteStore(tmp_path / "kodgate.db")
    await store.open()
    alice = await account(store)
    await place(store, order(alice))
    await store._write(lambda db: db.execute("update packet set held = held + 1") and None)
    found = await store.verify()
    assert sorted(finding.partition(":")[0] for finding in found) == ["account", "packet"]
    await store.close()
