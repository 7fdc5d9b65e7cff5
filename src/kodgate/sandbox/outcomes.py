"""What becomes of a sent message: its scripted outcomes, its refund, its delivery reports."""

from __future__ import annotations

import json
import sqlite3
from typing import Any

from kodgate.sandbox import phones
from kodgate.sandbox.state import Tx, text_of

STEPS_MAX = 250
"""Outcomes that one decision applies."""

_DUE = (
    "SELECT s.id AS step, s.at AS due, s.status AS word, r.* FROM steps s"
    " JOIN requests r ON r.id = s.request WHERE s.at <= ? ORDER BY s.at, s.id LIMIT ?"
)

PROGRESS = {"sent": 0, "delivered": 1, "read": 2}


def row_of(tx: Tx, request_id: int) -> sqlite3.Row:
    return tx.row("SELECT * FROM requests WHERE id = ?", request_id)


def script_of(row: sqlite3.Row) -> phones.Telegram:
    script = phones.load("telegram", row["script"])
    assert isinstance(script, phones.Telegram)
    return script


def schedule(tx: Tx, row: sqlite3.Row, script: phones.Telegram) -> None:
    """What will happen to a message, as rows that survive a kill."""
    ends_s = row["ttl"]
    plan: list[tuple[float, str]] = []
    if script.delivered_s is not None and (ends_s is None or script.delivered_s < ends_s):
        plan.append((script.delivered_s, "delivered"))
        if script.read_s is not None:
            plan.append((max(script.read_s, script.delivered_s), "read"))
    if ends_s is not None:
        plan.append((ends_s, "expired"))
        if script.late_s is not None:
            plan.append((ends_s + script.late_s, "delivered"))
    tx.many(
        "INSERT INTO steps (request, at, status) VALUES (?, ?, ?)",
        [(row["id"], row["sent"] + round(after_s * 1000), word) for after_s, word in plan],
    )
    tx.wake("steps")


def advance(tx: Tx, now: int, real: int) -> int | None:
    """Applies the outcomes that are due; returns when the next one is (ms)."""
    due = tx.all(_DUE, now, STEPS_MAX)
    tx.many("DELETE FROM steps WHERE id = ?", [(step["step"],) for step in due])
    moved: dict[int, sqlite3.Row] = {}
    for step in due:
        row = moved.get(step["id"], step)
        moved[row["id"]] = _move(tx, row, step["word"], step["due"], real) or row
    row = tx.row("SELECT min(at) AS at FROM steps")
    return None if row["at"] is None else int(row["at"])


def reach(tx: Tx, row: sqlite3.Row, word: str, at: int, real: int) -> bool:
    """Moves a message to delivered, read or expired, where it may go; reports it."""
    return _move(tx, row, word, at, real) is not None


def _move(tx: Tx, row: sqlite3.Row, word: str, at: int, real: int) -> sqlite3.Row | None:
    """The message as it is then; None: it stays where it is."""
    if not _may(row["status"], word, late=script_of(row).late_s is not None):
        return None
    refund = row["cost"] if word == "expired" and not row["refunded"] else 0
    changed = tx.row(
        "UPDATE requests SET status = ?, status_at = ?, refunded = max(refunded, ?) WHERE id = ?"
        " RETURNING *",
        word, at, int(word == "expired"), row["id"],
    )  # fmt: skip
    if refund:
        tx.settle("credit", tx.fact("credit") + refund)
        tx.log(at, "refund", row["phone"], request_id=str(row["id"]), cost=money(refund))
    tx.log(at, word, row["phone"], request_id=str(row["id"]))
    _report(tx, changed, real)
    return changed


def _may(was: str | None, word: str, *, late: bool) -> bool:
    """`expired` only for what never arrived; a late arrival only where it is scripted."""
    if word == "expired":
        return was == "sent"
    return (was == "expired" and late) or (was in PROGRESS and PROGRESS[word] > PROGRESS[was])


def give_up(tx: Tx, request_id: int) -> None:
    """Nothing good will happen to it any more: what is undelivered expires at its ttl."""
    tx.run("DELETE FROM steps WHERE request = ? AND status <> 'expired'", request_id)
    tx.wake("log")


def money(units: int) -> float:
    """1/10,000 as the wire's number: 0.01, 999999.99, 0."""
    return units // 10_000 if units % 10_000 == 0 else units / 10_000


def status_of(row: sqlite3.Row, *, balance: int | None = None) -> dict[str, Any]:
    """A RequestStatus with the fields that the captured answers have, in their order."""
    shown: dict[str, Any] = {
        "request_id": str(row["id"]),
        "phone_number": row["phone"],
        "request_cost": money(row["cost"]),
    }
    if row["refunded"]:
        shown["is_refunded"] = True
    if balance is not None:
        shown["remaining_balance"] = money(balance)
    if row["status"] is not None:
        shown["delivery_status"] = {
            "status": row["status"],
            "updated_at": row["status_at"] // 1000,
        }
    if row["verification"] is not None:
        shown["verification_status"] = {
            "status": row["verification"],
            "updated_at": row["verification_at"] // 1000,
        } | ({} if row["entered"] is None else {"code_entered": row["entered"]})
    if row["payload"] is not None:
        shown["payload"] = row["payload"]
    return shown


REPORTS = {"duplicates": 0, "drop": 0, "stale_s": 0, "reorder_s": 0, "early": False}
"""Ordinary reports. duplicates: copies more; drop: how many are never sent (-1: all); stale_s: how
old their timestamp is; reorder_s: how much later (real) `delivered` leaves; early: a report of
`delivered` comes before the answer to the send."""


def reports_mode(tx: Tx) -> dict[str, Any]:
    text = tx.fact("reports")
    return REPORTS if text is None else json.loads(text)


def _report(tx: Tx, row: sqlite3.Row, real: int) -> None:
    """*Assumption*: every change after `sent` is reported, and the refund with the expiry."""
    if row["callback_url"] is None:
        return
    mode = reports_mode(tx)
    if mode["drop"]:
        left = mode["drop"] - 1 if mode["drop"] > 0 else -1
        tx.settle("reports", json.dumps(mode | {"drop": left}))
        tx.log(row["status_at"], "report_dropped", row["phone"], request_id=str(row["id"]))
        return
    body = text_of(status_of(row))
    late_ms = mode["reorder_s"] * 1000 if row["status"] == "delivered" else 0
    for _ in range(1 + mode["duplicates"]):
        tx.run(
            "INSERT INTO reports (request, url, body, due_real, stale_s) VALUES (?, ?, ?, ?, ?)",
            row["id"], row["callback_url"], body, real + late_ms, mode["stale_s"],
        )  # fmt: skip
    tx.wake("reports")
