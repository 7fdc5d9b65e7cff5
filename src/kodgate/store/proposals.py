"""Four eyes: a large transfer is asked for by one operator and booked by another."""

from __future__ import annotations

import json
from dataclasses import dataclass

from kodgate.core import ledger
from kodgate.core.clock import DAY_MS
from kodgate.core.money import MONEY_MAX
from kodgate.store import AlreadyBooked, accounts, rows, sql
from kodgate.store.program import Line, Program, ask
from kodgate.store.tables import Tables

_COLUMNS = "id, account_id, at, actor, kind, amount, document, comment"
ALONE_TIMES_MAX = 100
"""How many transfers one operator books alone for an account within a day, however small."""

_MAKE = {"topup": ledger.top_up, "adjustment": ledger.adjustment}


class NotBooked(Exception):
    """The proposal was not booked, and is as it was: `word` says why."""

    def __init__(self, word: str) -> None:
        super().__init__(word)
        self.word = word


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A transfer that waits. `at`: wall clock, ms; `amount`: with the sign of an adjustment."""

    id: int
    account_id: int
    at: int
    actor: str
    kind: str
    amount: int
    document: str
    comment: str


class Proposals:
    """All but the booking, which `Store.approve` does in one transaction."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    async def propose(
        self,
        *,
        account_id: int,
        at: int,
        actor: str,
        kind: str,
        amount: int,
        document: str,
        comment: str,
        once: str = "",
    ) -> None:
        """Raises AlreadyBooked for a second form with the same `once`."""
        line = (account_id, at, actor, kind, amount, document, comment)
        await self._tables.change(lambda: _propose(line, once and f"form {once}"))

    async def alone(self, *, account_id: int, actor: str, amount: int, at: int, most: int) -> bool:
        """Whether an operator may book it alone: with all that they so booked for this account in
        the last 24 hours it stays within `most`. It is counted then, before it is booked: of two
        forms that come at once each counts. `at`: wall clock, ms."""
        return await self._tables.change(lambda: _alone(account_id, actor, abs(amount), at, most))

    async def waiting(self, account_id: int | None = None) -> list[Proposal]:
        """Of one account, or of all; the oldest first."""
        condition, line = ("", ()) if account_id is None else (" and account_id = ?", (account_id,))
        query = f"select {_COLUMNS} from proposal where state = 'waiting'{condition} order by id"
        return [_proposal(row) for row in await self._tables.fetch(query, *line)]

    async def refuse(self, proposal_id: int, *, by: str, at: int) -> Proposal | None:
        """None: there is none that waits. Whoever asked may take it back."""
        statement = (
            "update proposal set state = 'refused', decided_by = ?, decided_at = ?"
            f" where id = ? and state = 'waiting' returning {_COLUMNS}"
        )
        found = await self._tables.run([(statement, (by, at, proposal_id))])
        return _proposal(found[0]) if found else None


def _propose(line: Line, once: str) -> Program[None]:
    yield from accounts.take(line[0], once, line[1])
    yield from ask(
        "insert into proposal (account_id, at, actor, kind, amount, document, comment, state,"
        " decided_by) values (?, ?, ?, ?, ?, ?, ?, 'waiting', '')",
        *line,
    )


def _alone(account_id: int, actor: str, amount: int, at: int, most: int) -> Program[bool]:
    yield from ask(sql.FUNDS, [account_id])  # locks the account: whoever comes second waits
    key = f"alone {account_id} {actor}"
    found = yield from ask(sql.GET, key)
    lines = json.loads(found[0][0]) if found else []
    day = [line for line in lines if line[0] > at - DAY_MS]
    if ledger.needs_two(amount + sum(line[1] for line in day), most) or len(day) >= ALONE_TIMES_MAX:
        return False
    yield from ask(sql.PUT, key, json.dumps([*day, (at, amount)]))
    return True


def approve(proposal_id: int, *, by: str, wall: int, at: int) -> Program[int]:
    """Books it; the account. `wall`: when it was approved, `at`: the transfer's business ms. Raises
    NotBooked."""
    found = yield from ask(sql.APPROVE, by, wall, proposal_id, by)
    if not found:
        raise NotBooked("not_waiting")
    account_id, kind, amount, document, comment = found[0]
    funds = yield from ask(sql.FUNDS, [account_id])
    if abs(funds[0][1] + amount) > MONEY_MAX:
        raise NotBooked("bad_payment")
    transfer = _MAKE[kind](account_id, amount)
    once = accounts.once_of(transfer, document, "")
    try:
        yield from accounts.post(
            account_id, transfer, at=at, document=document, comment=comment, once=once
        )
    except AlreadyBooked as error:
        raise NotBooked("same_document") from error
    return int(account_id)


def _proposal(row: rows.Row) -> Proposal:
    return Proposal(
        id=row[0],
        account_id=row[1],
        at=row[2],
        actor=row[3],
        kind=row[4],
        amount=row[5],
        document=row[6],
        comment=row[7],
    )
