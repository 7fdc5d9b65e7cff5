"""What a person or a test may do to the sandbox's messages: read, let expire, reset, look."""

from __future__ import annotations

import json
import sqlite3
from typing import Any

from kodgate.sandbox import outcomes
from kodgate.sandbox.outcomes import money
from kodgate.sandbox.state import FORGOTTEN, Tx

LOG_MAX = 10_000
"""Lines of the log in one answer."""
LOG_KEPT = 1_000_000
"""Lines of the log on disk; older ones go, a slice at a time."""
SLICE = 5_000
OLD_MS = 7 * 86_400_000
"""Ended messages older than that (business time) are forgotten at a start."""


def newest(tx: Tx, phone: str) -> int | None:
    """The request id of a phone's newest message on Telegram."""
    row = tx.one(
        "SELECT id FROM requests WHERE phone = ? AND sent IS NOT NULL"
        " ORDER BY sent DESC, rowid DESC LIMIT 1",
        phone,
    )
    return None if row is None else int(row["id"])


def read(tx: Tx, request_id: int, now: int, real: int) -> bool:
    """The person opens the chat: delivered, then read. False: it cannot be read any more."""
    row = tx.one("SELECT * FROM requests WHERE id = ? AND sent IS NOT NULL", request_id)
    if row is None:
        return False
    outcomes.reach(tx, row, "delivered", now, real)
    done = outcomes.reach(tx, outcomes.row_of(tx, request_id), "read", now, real)
    if done:
        tx.run("DELETE FROM steps WHERE request = ?", request_id)
    return done


def let_expire(tx: Tx, request_id: int, now: int) -> bool:
    """Nothing good happens to it any more; what has not arrived expires at its ttl."""
    row = tx.one("SELECT * FROM requests WHERE id = ? AND sent IS NOT NULL", request_id)
    if row is None or row["status"] not in ("sent", "delivered"):
        return False
    tx.run("DELETE FROM steps WHERE request = ? AND status <> 'expired'", request_id)
    tx.log(now, "left", row["phone"], request_id=str(request_id))
    return True


def expire_now(tx: Tx, request_id: int, now: int, real: int) -> bool:
    """Expires and refunds a message that has not arrived, without waiting for its ttl."""
    row = tx.one("SELECT * FROM requests WHERE id = ? AND sent IS NOT NULL", request_id)
    if row is None or not outcomes.reach(tx, row, "expired", now, real):
        return False
    tx.run("DELETE FROM steps WHERE request = ?", request_id)
    return True


def trim_log(tx: Tx) -> None:
    """Drops the oldest lines above what is kept; never so many that others wait for it."""
    row = tx.one("SELECT min(id) AS low, max(id) AS high FROM log")
    if row is not None and row["low"] is not None and row["high"] - row["low"] >= LOG_KEPT:
        end = min(row["high"] - LOG_KEPT, row["low"] + SLICE)
        tx.run("DELETE FROM log WHERE id <= ?", end)


def forget_old(tx: Tx, now: int) -> None:
    """Drops messages that ended long ago, so that a folder does not grow for years."""
    old = now - OLD_MS
    ended = "id NOT IN (SELECT request FROM steps) AND id NOT IN (SELECT request FROM reports)"
    tx.run(f"DELETE FROM requests WHERE created < ? AND {ended}", old)  # noqa: S608
    tx.run("DELETE FROM sms WHERE at < ? AND id NOT IN (SELECT sms FROM receipts)", old)
    tx.run("DELETE FROM log WHERE at < ?", old)


def reset(tx: Tx, credit: int) -> None:
    """A fresh sandbox: no messages, scripts or faults, full credit. Ids go on."""
    for table in FORGOTTEN:
        tx.run(f"DELETE FROM {table}")  # noqa: S608 -- names of our own
    tx.settle("reports", None)
    tx.settle("smsc", None)
    tx.settle("credit", credit)
    tx.wake("log")


def log(tx: Tx, *, after: int, limit: int, phone: str, kind: str) -> list[dict[str, Any]]:
    """The truth log from an id on, oldest first."""
    rows = tx.all(
        "SELECT * FROM log WHERE id > ? AND ? IN ('', phone) AND ? IN ('', kind)"
        " ORDER BY id LIMIT ?",
        after,
        phone,
        kind,
        limit,
    )
    return [
        {"id": row["id"], "at": row["at"], "kind": row["kind"], "phone": row["phone"]}
        | json.loads(row["data"])
        for row in rows
    ]


def log_of(tx: Tx, phone: str, kinds: tuple[str, ...], limit: int) -> list[dict[str, Any]]:
    """A phone's newest log lines of some kinds, newest first."""
    places = ",".join("?" * len(kinds))
    rows = tx.all(
        f"SELECT at, data FROM log WHERE phone = ? AND kind IN ({places})"  # noqa: S608
        " ORDER BY id DESC LIMIT ?",
        phone,
        *kinds,
        limit,
    )
    return [{"at": row["at"]} | json.loads(row["data"]) for row in rows]


def messages(tx: Tx, phone: str, limit: int) -> list[dict[str, Any]]:
    """A phone's messages of both channels, newest first."""
    telegram = tx.all(
        "SELECT * FROM requests WHERE phone = ? AND sent IS NOT NULL ORDER BY sent DESC LIMIT ?",
        phone,
        limit,
    )
    sms = tx.all("SELECT * FROM sms WHERE phone = ? ORDER BY at DESC LIMIT ?", phone, limit)
    both = [_telegram(row) for row in telegram] + [_sms(row) for row in sms]
    return sorted(both, key=lambda one: (one["at"], one["id"]), reverse=True)[:limit]


def _telegram(row: sqlite3.Row) -> dict[str, Any]:
    return {
        "channel": "telegram",
        "id": str(row["id"]),
        "at": row["sent"],
        "state": row["status"],
        "state_at": row["status_at"],
        "code": row["code"],
        "ttl": row["ttl"],
        "cost": money(row["cost"]),
        "refunded": bool(row["refunded"]),
        "verification": row["verification"],
        "payload": row["payload"],
    }


def _sms(row: sqlite3.Row) -> dict[str, Any]:
    return {
        "channel": "sms",
        "id": str(row["id"]),
        "at": row["at"],
        "state": row["state"],
        "state_at": row["done_at"],
        "sender": row["sender"],
        "text": row["text"],
    }


def summary(tx: Tx) -> dict[str, Any]:
    """Counts that must add up: the credit and what is under way."""
    counts = {
        table: (tx.one(f"SELECT count(*) AS n FROM {table}") or {"n": 0})["n"]  # noqa: S608
        for table in ("requests", "steps", "reports", "sms", "receipts", "faults")
    }
    return {"credit": money(tx.fact("credit"))} | counts
