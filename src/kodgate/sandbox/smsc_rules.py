"""The rules of the SMSC: what a submit does, which receipts it earns, how ids are spelt."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from kodgate.channels.smpp.pdu import (
    ESM_CLASS_RECEIPT,
    DeliverSm,
    MessageState,
    Status,
    SubmitSm,
    Tag,
)
from kodgate.sandbox import scripts, sms_text
from kodgate.sandbox.state import Tx

ID_FORMS: dict[str, Callable[[int], str]] = {
    "decimal": lambda number: f"{number:010d}",
    "decimal_stripped": str,
    "hex": lambda number: f"{number:08x}",
    "hex_stripped": lambda number: f"{number:x}",
    "hex_upper": lambda number: f"{number:08X}",
}
"""How real SMSCs spell one and the same id, not always twice the same way."""

ALPHABETS = ("gsm", "latin-1", "ascii")

MODE: dict[str, Any] = {
    "resp_id": "decimal",
    "receipt_id": "decimal",
    "tlvs": True,
    "text": True,
    "early": False,
    "duplicates": 0,
    "alphabet": "gsm",
}
"""Ordinary receipts. resp_id, receipt_id: forms of the id; tlvs, text: where the outcome stands;
early: the receipt comes before the submit_sm_resp; duplicates: copies more; alphabet: what
data_coding 0 means."""

REFUSALS = {"rejected": Status.ESME_RSUBMITFAIL, "invalid": Status.ESME_RINVDSTADR}
STATS = {"delivered": "DELIVRD", "undeliverable": "UNDELIV"}
STATES = {"DELIVRD": MessageState.DELIVERED, "UNDELIV": MessageState.UNDELIVERABLE}

FAULT_STATUS = {
    "throttle": Status.ESME_RTHROTTLED,
    "queue_full": Status.ESME_RMSGQFUL,
    "reject": Status.ESME_RSUBMITFAIL,
}
BEFORE = frozenset({*FAULT_STATUS, "stall", "disconnect"})
"""Faults that come before the message is taken; `stall_after` and `disconnect_after` come after."""

SENDER_MAX = 20
"""source_addr without its NUL (SMPP 3.4, 4.4.1); receipts go back to it."""
FIRST_ID = 1_000_000
_PHONE = re.compile(r"\+?([0-9]{7,15})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What becomes of a submit_sm."""

    status: Status = Status.ESME_ROK
    message_id: str = ""
    fault: scripts.Fault | None = None
    early: bool = False


def mode(tx: Tx) -> dict[str, Any]:
    text = tx.fact("smsc")
    return MODE if text is None else MODE | json.loads(text)


def submit(tx: Tx, pdu: SubmitSm, system_id: str, now: int) -> Verdict:
    """Takes one message, or says why not."""
    found = _PHONE.fullmatch(pdu.destination_addr)
    phone = "" if found is None else found[1]
    fault = scripts.take(tx, "smsc", "submit", phone)
    if fault is not None and fault.kind in BEFORE:
        tx.log(now, "fault", phone, method="submit_sm", fault=fault.kind)
        return Verdict(status=_status(fault), fault=fault)
    if found is None:
        return Verdict(status=Status.ESME_RINVDSTADR)
    if len(pdu.source_addr) > SENDER_MAX:
        return Verdict(status=Status.ESME_RINVSRCADR)
    script = scripts.sms(tx, phone)
    scripts.used(tx, phone, "sms")
    if script.result in REFUSALS:
        tx.log(now, "sms_refused", phone, sender=pdu.source_addr, result=script.result)
        return Verdict(status=REFUSALS[script.result])
    how = mode(tx)
    number = _store(tx, pdu, phone, system_id, now, how)
    stat = STATS.get(script.result)
    if stat is not None and _wanted(pdu.registered_delivery, stat):
        at = now if how["early"] else now + round(script.receipt_s * 1000)
        for _ in range(1 + how["duplicates"]):
            tx.run("INSERT INTO receipts (sms, at, state) VALUES (?, ?, ?)", number, at, stat)
        tx.wake("receipts")
    spelt = ID_FORMS[how["resp_id"]](number)
    return Verdict(message_id=spelt, fault=fault, early=how["early"])


def _status(fault: scripts.Fault) -> Status:
    if fault.kind == "reject" and fault.arg is not None:
        return Status(int(float(fault.arg)))
    return FAULT_STATUS.get(fault.kind, Status.ESME_ROK)


def _wanted(registered_delivery: int, stat: str) -> bool:
    """registered_delivery, bits 0-1 (SMPP 3.4, 5.2.17): 1 always, 2 on failure."""
    wish = registered_delivery & 3
    return wish == 1 or (wish == 2 and stat != "DELIVRD")


def _store(tx: Tx, pdu: SubmitSm, phone: str, system_id: str, now: int, how: dict[str, Any]) -> int:
    addresses = json.dumps([pdu.source_addr_ton, pdu.source_addr_npi,
                            pdu.dest_addr_ton, pdu.dest_addr_npi])  # fmt: skip
    text = sms_text.read(pdu, how["alphabet"])
    number = tx.run(
        "INSERT INTO sms (phone, sender, text, system_id, at, state, addresses)"
        " VALUES (?, ?, ?, ?, ?, 'sent', ?)",
        phone, pdu.source_addr, text, system_id, now, addresses,
    )  # fmt: skip
    tx.log(now, "sms", phone, id=number, sender=pdu.source_addr, text=text,
           data_coding=pdu.data_coding, validity=pdu.validity_period)  # fmt: skip
    return number


def begin_ids(tx: Tx) -> None:
    """Ids begin at a million, so that hex and decimal differ from the first one on."""
    if tx.one("SELECT 1 FROM sqlite_sequence WHERE name = 'sms'") is None:
        tx.run("INSERT INTO sqlite_sequence (name, seq) VALUES ('sms', ?)", FIRST_ID)


DUE_MAX = 400
"""Receipts that are looked at in one round."""


def due(tx: Tx) -> tuple[list[sqlite3.Row], dict[str, Any]]:
    """The next receipts with their messages, and how they are to look."""
    rows = tx.all(
        "SELECT receipts.id AS receipt, receipts.at AS due, receipts.state AS stat, sms.*"
        " FROM receipts JOIN sms ON sms.id = receipts.sms ORDER BY receipts.at, receipts.id"
        " LIMIT ?",
        DUE_MAX,
    )
    return rows, mode(tx)


def receipt_pdu(row: sqlite3.Row, how: dict[str, Any], sequence: int) -> DeliverSm:
    """One receipt as a deliver_sm, in the form that is set."""
    source_ton, source_npi, dest_ton, dest_npi = json.loads(row["addresses"])
    spelt, stat = ID_FORMS[how["receipt_id"]](row["id"]), row["stat"]
    tlvs = (
        (Tag.RECEIPTED_MESSAGE_ID, spelt.encode() + b"\0"),
        (Tag.MESSAGE_STATE, bytes([STATES[stat]])),
    )
    text = sms_text.receipt(spelt, stat, row["at"], row["due"], row["text"])
    return DeliverSm(
        sequence=sequence,
        source_addr_ton=dest_ton,
        source_addr_npi=dest_npi,
        source_addr=row["phone"],
        dest_addr_ton=source_ton,
        dest_addr_npi=source_npi,
        destination_addr=row["sender"],
        esm_class=ESM_CLASS_RECEIPT,
        short_message=text if how["text"] else b"",
        tlvs=tlvs if how["tlvs"] else (),
    )


def acknowledged(tx: Tx, row: sqlite3.Row, now: int) -> None:
    """The receipt has arrived; it is not repeated."""
    tx.run("DELETE FROM receipts WHERE id = ?", row["receipt"])
    word = "delivered" if row["stat"] == "DELIVRD" else "undelivered"
    tx.run("UPDATE sms SET state = ?, done_at = ? WHERE id = ?", word, row["due"], row["id"])
    tx.log(now, "receipt", row["phone"], id=row["id"], stat=row["stat"])
