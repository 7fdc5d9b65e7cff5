"""Looks at the whole database for broken invariants: money, states and holds (I-1..I-5)."""

from __future__ import annotations

from kodgate.core import cascade, ledger
from kodgate.core.types import Reason, State
from kodgate.store import rows
from kodgate.store.program import Program, ask

SHOWN_MAX = 20
"""Ids that a finding names; the rest is counted."""

_CHARGES = "transfer t on t.message_id = m.id and t.kind = 'charge'"
_REFUNDS = "transfer t on t.message_id = m.id and t.kind = 'refund'"

CHECKS = {
    "account: its transfers do not sum to its balance (I-1)": (
        "select a.id from account a left join transfer t on t.account_id = a.id"
        " group by a.id having a.balance <> coalesce(sum(t.customer), 0)"
    ),
    "transfer: balance_after does not follow from the one before (I-1)": (
        "select id from (select id, customer, balance_after, lag(balance_after, 1, 0)"
        " over (partition by account_id order by id) as before"
        " from transfer where balance_after is not null) t where before + customer <> balance_after"
    ),
    "account: what it spent on its last day is not the sum of that day": (
        "select a.id from account a left join transfer t on t.account_id = a.id"
        " and t.kind in ('charge', 'refund') and t.at >= a.spent_on * 86400000"
        " and t.at < (a.spent_on + 1) * 86400000"
        " group by a.id having a.spent <> coalesce(sum(-t.customer), 0)"
    ),
    "transfer: its sides do not say what it does to the customer (I-1)": (
        "select id from transfer where customer <>"
        " case when credit = 'customer:' || account_id then amount else 0 end"
        " - case when debit = 'customer:' || account_id then amount else 0 end"
    ),
    # A limit that was lowered and a correction by the operator may leave an account below it.
    "account: below its credit limit (I-2)": (
        "select a.id from account a where a.balance - a.held < -a.credit_limit_max"
        " + coalesce((select sum(t.customer) from transfer t where t.account_id = a.id"
        " and t.kind = 'adjustment' and t.customer < 0), 0)"
        " and not exists (select 1 from packet p where p.account_id = a.id and p.reserve = 0)"
    ),
    "message: not charged exactly its price, once (I-3)": (
        f"select m.id from message m join packet p on p.id = m.packet_id left join {_CHARGES}"
        " where p.test = 0 group by m.id"
        " having count(t.id) <> 1 or sum(t.amount) <> m.price"
    ),
    "message: a test that moved money": (
        "select m.id from message m join packet p on p.id = m.packet_id"
        " join transfer t on t.message_id = m.id where p.test = 1"
    ),
    "message: not refunded exactly its charge, at most once (I-4)": (
        f"select m.id from message m join {_REFUNDS} group by m.id"
        " having count(*) > 1 or sum(t.amount) <> m.price"
    ),
    "message: marked as refunded without a refund, or not marked (I-4)": (
        f"select m.id from message m left join {_REFUNDS}"
        " where (m.refunded = 1) <> (t.id is not null)"
    ),
    "account: holds of its packets do not sum to its own": (
        "select a.id from account a left join packet p on p.account_id = a.id and p.held <> 0"
        " group by a.id having a.held <> coalesce(sum(p.held), 0)"
    ),
    "packet: its end is not its newest message's": (
        "select p.id from packet p join message m on m.packet_id = p.id"
        " where m.num = (select max(n.num) from message n where n.packet_id = p.id)"
        " and p.final_at is distinct from m.final_at"
    ),
    "packet: two open messages": (
        "select packet_id from message where final_at is null group by packet_id"
        " having count(*) > 1"
    ),
    "packet: without a message": (
        "select p.id from packet p where not exists"
        " (select 1 from message m where m.packet_id = p.id)"
    ),
}
"""What is wrong -> ids of the rows where it is."""

ENDED = (
    "select m.id, p.plan, m.num, m.reason, m.refunded, m.state from message m"
    " join packet p on p.id = m.packet_id where m.final_at is not null and p.test = 0"
)
HOLDS = (
    "select p.id, p.plan, p.reserve, p.held, m.num from packet p join message m"
    " on m.packet_id = p.id and m.final_at is null"
)


def verify() -> Program[list[str]]:
    """What is wrong, in words; nothing: all invariants hold."""
    found = {}
    for name, query in CHECKS.items():
        found[name] = [row[0] for row in (yield from ask(query))]
    found["message: refunded otherwise than its step's word says (I-5)"] = yield from _refunds()
    found["packet: its hold is not what its newest open message needs"] = yield from _holds()
    return [_finding(name, ids) for name, ids in found.items() if ids]


def _refunds() -> Program[list[int]]:
    wrong = []
    for id, plan, num, reason, refunded, state in (yield from ask(ENDED)):
        due = state != State.CONFIRMED and cascade.is_refunded(
            rows.plan_of(plan)[num - 1].refund, Reason(reason)
        )
        if due != bool(refunded):
            wrong.append(id)
    return wrong


def _holds() -> Program[list[int]]:
    return [
        id
        for id, plan, reserve, held, num in (yield from ask(HOLDS))
        if held != ledger.hold(rows.plan_of(plan), num - 1, reserve=bool(reserve))
    ]


def _finding(name: str, ids: list[int]) -> str:
    shown = ", ".join(str(id) for id in ids[:SHOWN_MAX])
    return f"{name}: {len(ids)} ({shown}{', ...' if len(ids) > SHOWN_MAX else ''})"
