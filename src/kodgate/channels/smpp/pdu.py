"""SMPP 3.4 on the wire: PDUs to bytes and back, for both ends of a link. Pure.

Section numbers are those of "SMPP Protocol Specification v3.4, issue 1.2". Field names are the
specification's own.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar

from kodgate.channels.smpp.names import ESM_CLASS_RECEIPT as ESM_CLASS_RECEIPT
from kodgate.channels.smpp.names import ESM_CLASS_UDHI as ESM_CLASS_UDHI
from kodgate.channels.smpp.names import Command as Command
from kodgate.channels.smpp.names import MessageState as MessageState
from kodgate.channels.smpp.names import Status as Status
from kodgate.channels.smpp.names import Tag as Tag
from kodgate.channels.smpp.names import status_name as status_name
from kodgate.channels.smpp.parts import (
    BodyError,
    Counted,
    Part,
    Text,
    Tlv,
    octets,
    read_tlvs,
    write_tlvs,
)

LENGTH_MIN = 16
"""A bare header: length, command, status, sequence (3.2)."""

LENGTH_MAX = 65_536
"""Far above any PDU of one message; bounds what a peer can make us hold."""

SEQUENCE_MAX = 0x7FFF_FFFF

_HEADER = struct.Struct("!IIII")
_RESPONSE_BIT = 0x8000_0000


class FrameError(ValueError):
    """The stream cannot be read any further: a length outside 16..65,536."""

    def __init__(self, length: int, before: list[Pdu]) -> None:
        super().__init__(f"PDU length {length} is outside {LENGTH_MIN}..{LENGTH_MAX}")
        self.before = before
        """The PDUs of the same `feed` that came in good order before it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pdu:
    """The header that all share. `status` is 0 in requests."""

    COMMAND: ClassVar[int]
    PARTS: ClassVar[tuple[Part, ...]] = ()

    sequence: int
    status: int = 0

    @property
    def command(self) -> int:
        return self.COMMAND


@dataclass(frozen=True, slots=True, kw_only=True)
class _WithTlvs(Pdu):
    tlvs: tuple[Tlv, ...] = ()

    def tlv(self, tag: int) -> bytes | None:
        """The first value of a tag."""
        for found, value in self.tlvs:
            if found == tag:
                return value
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Bind(Pdu):
    PARTS: ClassVar[tuple[Part, ...]] = (
        Text("system_id", 16),
        Text("password", 9),
        Text("system_type", 13),
        octets("interface_version", "addr_ton", "addr_npi"),
        Text("address_range", 41),
    )

    system_id: str
    password: str = field(default="", repr=False)
    system_type: str = ""
    interface_version: int = 0x34
    addr_ton: int = 0
    addr_npi: int = 0
    address_range: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class BindReceiver(_Bind):
    COMMAND: ClassVar[int] = Command.BIND_RECEIVER


@dataclass(frozen=True, slots=True, kw_only=True)
class BindTransmitter(_Bind):
    COMMAND: ClassVar[int] = Command.BIND_TRANSMITTER


@dataclass(frozen=True, slots=True, kw_only=True)
class BindTransceiver(_Bind):
    COMMAND: ClassVar[int] = Command.BIND_TRANSCEIVER


@dataclass(frozen=True, slots=True, kw_only=True)
class _BindResp(_WithTlvs):
    PARTS: ClassVar[tuple[Part, ...]] = (Text("system_id", 16),)

    system_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class BindReceiverResp(_BindResp):
    COMMAND: ClassVar[int] = Command.BIND_RECEIVER_RESP


@dataclass(frozen=True, slots=True, kw_only=True)
class BindTransmitterResp(_BindResp):
    COMMAND: ClassVar[int] = Command.BIND_TRANSMITTER_RESP


@dataclass(frozen=True, slots=True, kw_only=True)
class BindTransceiverResp(_BindResp):
    COMMAND: ClassVar[int] = Command.BIND_TRANSCEIVER_RESP


@dataclass(frozen=True, slots=True, kw_only=True)
class Outbind(Pdu):
    COMMAND: ClassVar[int] = Command.OUTBIND
    PARTS: ClassVar[tuple[Part, ...]] = (Text("system_id", 16), Text("password", 9))

    system_id: str = ""
    password: str = field(default="", repr=False)


_ADDRESSES = (
    Text("service_type", 6),
    octets("source_addr_ton", "source_addr_npi"),
    Text("source_addr", 65),
    octets("dest_addr_ton", "dest_addr_npi"),
    Text("destination_addr", 65),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Addressed(_WithTlvs):
    service_type: str = ""
    source_addr_ton: int = 0
    source_addr_npi: int = 0
    source_addr: str = field(default="", repr=False)
    dest_addr_ton: int = 0
    dest_addr_npi: int = 0
    destination_addr: str = field(default="", repr=False)
    esm_class: int = 0
    registered_delivery: int = 0
    data_coding: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class _ShortMessage(_Addressed):
    PARTS: ClassVar[tuple[Part, ...]] = (
        *_ADDRESSES,
        octets("esm_class", "protocol_id", "priority_flag"),
        Text("schedule_delivery_time", 17),
        Text("validity_period", 17),
        octets(
            "registered_delivery", "replace_if_present_flag", "data_coding", "sm_default_msg_id"
        ),
        Counted("short_message"),
    )

    protocol_id: int = 0
    priority_flag: int = 0
    schedule_delivery_time: str = ""
    validity_period: str = ""
    replace_if_present_flag: int = 0
    sm_default_msg_id: int = 0
    short_message: bytes = field(default=b"", repr=False)

    @property
    def content(self) -> bytes:
        """The message, wherever it was put: short_message or the TLV message_payload."""
        return self.short_message or self.tlv(Tag.MESSAGE_PAYLOAD) or b""


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmitSm(_ShortMessage):
    COMMAND: ClassVar[int] = Command.SUBMIT_SM


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliverSm(_ShortMessage):
    COMMAND: ClassVar[int] = Command.DELIVER_SM


@dataclass(frozen=True, slots=True, kw_only=True)
class DataSm(_Addressed):
    """Some providers send receipts in it: TLVs only."""

    COMMAND: ClassVar[int] = Command.DATA_SM
    PARTS: ClassVar[tuple[Part, ...]] = (
        *_ADDRESSES,
        octets("esm_class", "registered_delivery", "data_coding"),
    )

    @property
    def content(self) -> bytes:
        """The message, from the TLV message_payload."""
        return self.tlv(Tag.MESSAGE_PAYLOAD) or b""


@dataclass(frozen=True, slots=True, kw_only=True)
class _MessageIdResp(_WithTlvs):
    PARTS: ClassVar[tuple[Part, ...]] = (Text("message_id", 65),)

    message_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmitSmResp(_MessageIdResp):
    COMMAND: ClassVar[int] = Command.SUBMIT_SM_RESP


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliverSmResp(_MessageIdResp):
    COMMAND: ClassVar[int] = Command.DELIVER_SM_RESP


@dataclass(frozen=True, slots=True, kw_only=True)
class DataSmResp(_MessageIdResp):
    COMMAND: ClassVar[int] = Command.DATA_SM_RESP


@dataclass(frozen=True, slots=True, kw_only=True)
class QuerySm(Pdu):
    COMMAND: ClassVar[int] = Command.QUERY_SM
    PARTS: ClassVar[tuple[Part, ...]] = (
        Text("message_id", 65),
        octets("source_addr_ton", "source_addr_npi"),
        Text("source_addr", 65),
    )

    message_id: str = ""
    source_addr_ton: int = 0
    source_addr_npi: int = 0
    source_addr: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class QuerySmResp(Pdu):
    COMMAND: ClassVar[int] = Command.QUERY_SM_RESP
    PARTS: ClassVar[tuple[Part, ...]] = (
        Text("message_id", 65),
        Text("final_date", 17),
        octets("message_state", "error_code"),
    )

    message_id: str = ""
    final_date: str = ""
    message_state: int = 0
    error_code: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertNotification(_WithTlvs):
    """A phone came back; nothing answers it."""

    COMMAND: ClassVar[int] = Command.ALERT_NOTIFICATION
    PARTS: ClassVar[tuple[Part, ...]] = (
        octets("source_addr_ton", "source_addr_npi"),
        Text("source_addr", 65),
        octets("esme_addr_ton", "esme_addr_npi"),
        Text("esme_addr", 65),
    )

    source_addr_ton: int = 0
    source_addr_npi: int = 0
    source_addr: str = ""
    esme_addr_ton: int = 0
    esme_addr_npi: int = 0
    esme_addr: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class EnquireLink(Pdu):
    COMMAND: ClassVar[int] = Command.ENQUIRE_LINK


@dataclass(frozen=True, slots=True, kw_only=True)
class EnquireLinkResp(Pdu):
    COMMAND: ClassVar[int] = Command.ENQUIRE_LINK_RESP


@dataclass(frozen=True, slots=True, kw_only=True)
class Unbind(Pdu):
    COMMAND: ClassVar[int] = Command.UNBIND


@dataclass(frozen=True, slots=True, kw_only=True)
class UnbindResp(Pdu):
    COMMAND: ClassVar[int] = Command.UNBIND_RESP


@dataclass(frozen=True, slots=True, kw_only=True)
class GenericNack(Pdu):
    COMMAND: ClassVar[int] = Command.GENERIC_NACK


@dataclass(frozen=True, slots=True, kw_only=True)
class Garbled(Pdu):
    """A PDU in a good frame that cannot be read: an unknown command, or a broken body.

    Answer it with `GenericNack(sequence=..., status=garbled.answer)`.
    """

    command_id: int
    answer: Status
    why: str = ""

    @property
    def command(self) -> int:
        return self.command_id


_KNOWN: tuple[type[Pdu], ...] = (
    BindReceiver,
    BindReceiverResp,
    BindTransmitter,
    BindTransmitterResp,
    BindTransceiver,
    BindTransceiverResp,
    Outbind,
    SubmitSm,
    SubmitSmResp,
    DeliverSm,
    DeliverSmResp,
    DataSm,
    DataSmResp,
    QuerySm,
    QuerySmResp,
    AlertNotification,
    EnquireLink,
    EnquireLinkResp,
    Unbind,
    UnbindResp,
    GenericNack,
)
CLASSES = {kind.COMMAND: kind for kind in _KNOWN}
"""Command id -> class."""

RESPONSES = {
    kind.COMMAND: CLASSES[kind.COMMAND | _RESPONSE_BIT]
    for kind in _KNOWN
    if not kind.COMMAND & _RESPONSE_BIT and kind.COMMAND | _RESPONSE_BIT in CLASSES
}
"""Command id of a request -> class of its answer."""


def is_response(pdu: Pdu) -> bool:
    return bool(pdu.command & _RESPONSE_BIT)


def reply(request: Pdu, status: int = 0, **values: Any) -> Pdu:
    """The answer to a request, with its sequence; generic_nack where it has none of its own."""
    kind: Callable[..., Pdu] = RESPONSES.get(request.command, GenericNack)
    return kind(sequence=request.sequence, status=status, **values)


def encode(pdu: Pdu) -> bytes:
    """The PDU's bytes. Raises ValueError for a value that does not fit its field."""
    body = _encode_body(pdu)
    return _HEADER.pack(LENGTH_MIN + len(body), pdu.command, pdu.status, pdu.sequence) + body


def _encode_body(pdu: Pdu) -> bytes:
    if pdu.status and is_response(pdu) and _is_bare(pdu):
        return b""  # A failed request's answer has no body (4.4.2)
    out = bytearray()
    for part in pdu.PARTS:
        part.write(pdu, out)
    if isinstance(pdu, _WithTlvs):
        write_tlvs(pdu.tlvs, out)
    return bytes(out)


def _is_bare(pdu: Pdu) -> bool:
    return not any(
        getattr(pdu, each.name) for each in fields(pdu) if each.name not in ("sequence", "status")
    )


def decode(frame: bytes) -> Pdu:
    """One whole PDU; `Garbled` where its command or body cannot be read."""
    _, command, status, sequence = _HEADER.unpack_from(frame)
    kind = CLASSES.get(command)
    if kind is None:
        return _garbled(command, status, sequence, Status.ESME_RINVCMDID, "unknown command")
    try:
        values = _decode_body(kind, frame)
    except BodyError as error:
        return _garbled(command, status, sequence, error.status, str(error))
    return kind(sequence=sequence, status=status, **values)


def _garbled(command: int, status: int, sequence: int, answer: Status, why: str) -> Garbled:
    return Garbled(sequence=sequence, status=status, command_id=command, answer=answer, why=why)


def _decode_body(kind: type[Pdu], frame: bytes) -> dict[str, Any]:
    values: dict[str, Any] = {}
    at = LENGTH_MIN
    if at == len(frame) and kind.COMMAND & _RESPONSE_BIT:
        return values
    for part in kind.PARTS:
        at = part.read(frame, at, values)
    if issubclass(kind, _WithTlvs):
        values["tlvs"] = read_tlvs(frame, at)
    return values


class Framer:
    """Cuts a byte stream into PDUs."""

    def __init__(self) -> None:
        self._buffer = b""

    def feed(self, data: bytes) -> list[Pdu]:
        """The PDUs that are whole now. Raises FrameError for a length that cannot be."""
        buffer = self._buffer + data if self._buffer else data
        pdus: list[Pdu] = []
        at, end = 0, len(buffer)
        while end - at >= 4:
            length = int.from_bytes(buffer[at : at + 4], "big")
            if not LENGTH_MIN <= length <= LENGTH_MAX:
                raise FrameError(length, pdus)
            if at + length > end:
                break
            pdus.append(decode(buffer[at : at + length]))
            at += length
        self._buffer = buffer[at:]
        return pdus

    @property
    def pending(self) -> int:
        """Octets of a PDU that is not whole yet."""
        return len(self._buffer)


def next_sequence(sequence: int) -> int:
    """1..0x7FFFFFFF, then 1 again (3.2)."""
    return sequence % SEQUENCE_MAX + 1
