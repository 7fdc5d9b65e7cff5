"""Which script holds for a phone now, and the faults that the control API planted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from kodgate.sandbox import phones
from kodgate.sandbox.state import Tx


def current(tx: Tx, phone: str, channel: str) -> phones.Script:
    """Next message before standing, this phone before all phones, then the table."""
    if not tx.holds("scripts"):
        return phones.standard(phone, channel)
    row = tx.one(
        "SELECT script FROM scripts WHERE channel = ? AND phone IN (?, '*')"
        " ORDER BY once DESC, phone DESC LIMIT 1",
        channel,
        phone,
    )
    return phones.standard(phone, channel) if row is None else phones.load(channel, row["script"])


def telegram(tx: Tx, phone: str) -> phones.Telegram:
    return cast(phones.Telegram, current(tx, phone, "telegram"))


def sms(tx: Tx, phone: str) -> phones.Sms:
    return cast(phones.Sms, current(tx, phone, "sms"))


def plan(tx: Tx, phone: str, channel: str, script: phones.Script, *, once: bool) -> None:
    """Sets the script of a phone's next message, or of all its messages from now on."""
    tx.filled("scripts")
    tx.run(
        "INSERT OR REPLACE INTO scripts VALUES (?, ?, ?, ?)",
        phone,
        channel,
        int(once),
        phones.dump(script),
    )


def used(tx: Tx, phone: str, channel: str) -> None:
    """A message has taken the script that was meant for the next one."""
    if not tx.holds("scripts"):
        return
    row = tx.one(
        "SELECT phone FROM scripts WHERE channel = ? AND phone IN (?, '*') AND once = 1"
        " ORDER BY phone DESC LIMIT 1",
        channel,
        phone,
    )
    if row is not None:
        gone = "DELETE FROM scripts WHERE phone = ? AND channel = ? AND once = 1"
        tx.run(gone, row["phone"], channel)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What goes wrong instead of, or beside, the ordinary answer."""

    kind: str
    arg: float | str | None = None


def take(tx: Tx, place: str, method: str, phone: str) -> Fault | None:
    """The oldest planted fault that fits, used once. `place`: telegram or smsc."""
    if not tx.holds("faults"):
        return None
    row = tx.one(
        "SELECT id, kind, arg, remaining FROM faults WHERE place = ? AND remaining <> 0"
        " AND method IN (?, '*') AND phone IN (?, '*') ORDER BY id LIMIT 1",
        place,
        method,
        phone,
    )
    if row is None:
        return None
    if row["remaining"] == 1:
        tx.run("DELETE FROM faults WHERE id = ?", row["id"])
    elif row["remaining"] > 0:
        tx.run("UPDATE faults SET remaining = remaining - 1 WHERE id = ?", row["id"])
    return Fault(kind=row["kind"], arg=row["arg"])


def plant(
    tx: Tx, place: str, kind: str, *, arg: float | str | None, method: str, phone: str, times: int
) -> int:
    """Plants a fault for the next `times` calls (-1: until a reset); returns its id."""
    tx.filled("faults")
    return tx.run(
        "INSERT INTO faults (place, method, phone, kind, arg, remaining) VALUES (?,?,?,?,?,?)",
        place,
        method,
        phone,
        kind,
        arg,
        times,
    )


def mark(tx: Tx, phone: str, word: str) -> int | None:
    """Until when a phone bears a mark (ms); None: it bears none."""
    row = tx.one("SELECT until FROM marks WHERE phone = ? AND word = ?", phone, word)
    return None if row is None else row["until"]


def set_mark(tx: Tx, phone: str, word: str, until: int | None) -> None:
    if until is None:
        tx.run("DELETE FROM marks WHERE phone = ? AND word = ?", phone, word)
    else:
        tx.run("INSERT OR REPLACE INTO marks VALUES (?, ?, ?)", phone, word, until)
