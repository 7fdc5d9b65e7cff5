"""Delivery receipts: what a deliver_sm says of an earlier submit, and which one it means. Pure.

Optional parameters come first, then the text of SMPP 3.4 appendix B in the variants that providers
write: any case, any spacing, any order, `=` for `:`, parts left out.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from kodgate.channels.smpp.names import (
    ESM_CLASS_RECEIPT,
    ESM_CLASS_UDHI,
    MessageState,
    Tag,
)
from kodgate.channels.smpp.pdu import DataSm, DeliverSm
from kodgate.core.types import Event

TEXT_MAX = 1_000
ID_MAX = 64
"""One below the field's 65 octets; longer ids are cut, as the provider's own fields would."""

_MESSAGE_TYPE = 0x3C
"""The bits of esm_class that say what a deliver_sm is (5.2.12)."""

_KEY = re.compile(
    r"(?<![a-z0-9_])(id|sub|dlvrd|submit\s{0,3}date|done\s{0,3}date|stat|err|text)\s{0,9}[:=]",
    re.IGNORECASE | re.ASCII,
)
_PLAIN = re.compile(r"[!-~]{1,20}", re.ASCII)
_DECIMAL = re.compile(r"[0-9]+")
_HEX = re.compile(r"[0-9a-f]+")

_REPORTED = {
    MessageState.DELIVERED: (Event.ACCEPTED, Event.DELIVERED),
    MessageState.EXPIRED: (Event.ACCEPTED, Event.TIMED_OUT),
    MessageState.UNDELIVERABLE: (Event.ACCEPTED, Event.UNDELIVERED),
    MessageState.DELETED: (Event.ACCEPTED, Event.UNDELIVERED),
    # Whoever issues a receipt has issued an id, so it took the message and gave it up (D2), even
    # where its answer to the submit is not on record yet: the order of arrival moves no money.
    MessageState.REJECTED: (Event.ACCEPTED, Event.UNDELIVERED),
}
"""What the final states come to. Every other one (ENROUTE, ACCEPTED, UNKNOWN, a vendor's own) is
news from a provider that has the message, and no end (D10)."""

WORDS = {
    "DELIVRD": MessageState.DELIVERED,
    "DELIVERD": MessageState.DELIVERED,
    "DELIVERED": MessageState.DELIVERED,
    "EXPIRED": MessageState.EXPIRED,
    "EXPIRD": MessageState.EXPIRED,
    "DELETED": MessageState.DELETED,
    "UNDELIV": MessageState.UNDELIVERABLE,
    "UNDELIVERED": MessageState.UNDELIVERABLE,
    "UNDELIVERABLE": MessageState.UNDELIVERABLE,
    "FAILED": MessageState.UNDELIVERABLE,
    "REJECTD": MessageState.REJECTED,
    "REJECTED": MessageState.REJECTED,
    "ACCEPTD": MessageState.ACCEPTED,
    "ACCEPTED": MessageState.ACCEPTED,
    "ENROUTE": MessageState.ENROUTE,
    "BUFFRED": MessageState.ENROUTE,
    "BUFFERED": MessageState.ENROUTE,
    "UNKNOWN": MessageState.UNKNOWN,
}
"""`stat:` words, and the misspellings seen in the field."""


class IdForm(StrEnum):
    """How the ids in a provider's receipts are written, seen from its submit answers."""

    ANY = "any"
    """Not known: the same, else decimal for hex, else hex for decimal."""
    SAME = "same"
    DECIMAL = "decimal"
    """Answers are in hex, receipts in decimal."""
    HEX = "hex"
    """Answers are in decimal, receipts in hex."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What a receipt says, before it is known whose it is."""

    message_id: str
    """As the provider wrote it; may be empty."""
    state: MessageState | None
    word: str
    """The provider's word for the state, fit for a log."""
    error: str
    """The provider's `err:`, fit for a log; may be empty."""

    @property
    def events(self) -> tuple[Event, ...]:
        if self.state is None:
            return (Event.ACCEPTED,)
        return _REPORTED.get(self.state, (Event.ACCEPTED,))

    @property
    def detail(self) -> str:
        return f"{self.word} err:{self.error}" if self.error else self.word


def read(pdu: DeliverSm | DataSm) -> Receipt | None:
    """The receipt in a PDU; None: it is a message that somebody sent to us."""
    texts = _fields(_text(pdu))
    tlv_id = pdu.tlv(Tag.RECEIPTED_MESSAGE_ID)
    tlv_state = pdu.tlv(Tag.MESSAGE_STATE)
    declared = pdu.esm_class & _MESSAGE_TYPE == ESM_CLASS_RECEIPT
    if not declared and tlv_id is None and not ("id" in texts and "stat" in texts):
        return None
    message_id = "" if tlv_id is None else tlv_id.split(b"\0")[0].decode("latin-1").strip()
    word = texts.get("stat", "").upper()
    state = _state(tlv_state) or WORDS.get(word)
    plain = _PLAIN.match(word)
    return Receipt(
        message_id=(message_id or texts.get("id", ""))[:ID_MAX],
        state=state,
        word=plain.group() if plain else state.name if state else "",
        error=_error(texts.get("err", ""), pdu.tlv(Tag.NETWORK_ERROR_CODE)),
    )


def _text(pdu: DeliverSm | DataSm) -> str:
    content = pdu.content[:TEXT_MAX]
    if pdu.esm_class & ESM_CLASS_UDHI and content:
        content = content[1 + content[0] :]
    if pdu.data_coding == 8:
        return content.decode("utf-16-be", "replace")
    return content.decode("latin-1")


def _fields(text: str) -> dict[str, str]:
    """`id:7 sub:001 ... stat:DELIVRD err:000 text:...` -> the first word of each field.

    The quoted text is our own message: what looks like a field in it is read only where the real
    one is missing.
    """
    found: dict[str, str] = {}
    keys = list(_KEY.finditer(text))
    names = [" ".join(key.group(1).lower().split()) for key in keys]
    quoted = names.index("text") if "text" in names else len(names)
    for place in (*range(quoted), *range(quoted, len(keys))):
        end = keys[place + 1].start() if place + 1 < len(keys) else len(text)
        words = text[keys[place].end() : end].replace(",", " ").replace(";", " ").split()
        if words:
            found.setdefault(names[place], words[0])
    return found


def _state(value: bytes | None) -> MessageState | None:
    if value is None:
        return None
    try:
        return MessageState(int.from_bytes(value, "big"))
    except ValueError:
        return None


def _error(text: str, network: bytes | None) -> str:
    if text:
        plain = _PLAIN.match(text)
        return plain.group() if plain else ""
    return network.hex() if network else ""


def provider_id(route: str, message_id: str) -> str | None:
    """The form in which a submit answer's id is recorded: `route:id`, lower case, no leading zeros.

    Zeros are taken off here, since a receipt that lost them cannot say how many there were. None:
    the provider gave no id.
    """
    normal = _normal(message_id)
    return f"{route}:{normal}" if normal else None


def keys(routes: Sequence[str], message_id: str, form: IdForm = IdForm.ANY) -> tuple[str, ...]:
    """The recorded forms that a receipt's id may mean, the likeliest first; () for no id.

    `routes`: which may have sent it, the one that received the receipt first.

    Where answers and receipts count in different bases, two messages may fit one receipt: say so
    in the route's `receipt_ids`, and only one form is tried.
    """
    normal = _normal(message_id)
    if not normal:
        return ()
    forms = {
        IdForm.ANY: (normal, _to_hex(normal), _to_decimal(normal)),
        IdForm.SAME: (normal,),
        IdForm.DECIMAL: (_to_hex(normal),),
        IdForm.HEX: (_to_decimal(normal),),
    }[form]
    known = (each for each in forms if each is not None)
    return tuple(dict.fromkeys(f"{route}:{each}" for each in known for route in routes))


def _normal(message_id: str) -> str:
    text = message_id.strip().lower().removeprefix("0x")[:ID_MAX]
    return text.lstrip("0") or text[:1]


def _to_hex(text: str) -> str | None:
    return f"{int(text):x}" if _DECIMAL.fullmatch(text) else None


def _to_decimal(text: str) -> str | None:
    return str(int(text, 16)) if _HEX.fullmatch(text) else None
