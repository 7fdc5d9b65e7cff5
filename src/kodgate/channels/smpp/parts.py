"""What PDU bodies are made of: C-octet strings, octets, counted octets and TLVs. Pure.

Strings are read and written as latin-1, which loses nothing.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Protocol

from kodgate.channels.smpp.names import Status

Tlv = tuple[int, bytes]

_TLV = struct.Struct("!HH")
_COUNTED_MAX = 254


class BodyError(ValueError):
    """One PDU's body cannot be read; the stream goes on behind it."""

    def __init__(self, status: Status, why: str) -> None:
        super().__init__(why)
        self.status = status


class Part(Protocol):
    """A stretch of a body: one field, or several of one octet each."""

    @property
    def names(self) -> tuple[str, ...]: ...

    def write(self, pdu: Any, out: bytearray) -> None:
        """Appends the fields' octets. Raises ValueError for what does not fit."""

    def read(self, frame: bytes, at: int, values: dict[str, Any]) -> int:
        """Takes the fields that begin at `at`; where the next part begins. Raises BodyError."""


@dataclass(frozen=True, slots=True)
class Text:
    """A C-octet string of at most `size` octets, its NUL included.

    Longer ones are read all the same: some providers exceed the limits.
    """

    name: str
    size: int

    @property
    def names(self) -> tuple[str, ...]:
        return (self.name,)

    def write(self, pdu: Any, out: bytearray) -> None:
        try:
            octets = getattr(pdu, self.name).encode("latin-1")
        except UnicodeEncodeError:  # its own words would quote the value
            raise ValueError(f"{self.name}: a character is outside latin-1") from None
        if len(octets) >= self.size or b"\0" in octets:
            raise ValueError(f"{self.name}: more than {self.size - 1} octets, or a NUL")
        out += octets
        out.append(0)

    def read(self, frame: bytes, at: int, values: dict[str, Any]) -> int:
        nul = frame.find(b"\0", at)
        if nul < 0:
            raise BodyError(Status.ESME_RINVCMDLEN, f"{self.name}: no end")
        values[self.name] = frame[at:nul].decode("latin-1")
        return nul + 1


@dataclass(frozen=True, slots=True)
class Octets:
    """One-octet integers that stand together, read in one go."""

    names: tuple[str, ...]
    packed: struct.Struct

    def write(self, pdu: Any, out: bytearray) -> None:
        try:
            out += self.packed.pack(*[getattr(pdu, name) for name in self.names])
        except struct.error as error:
            raise ValueError(f"{', '.join(self.names)}: {error}") from None

    def read(self, frame: bytes, at: int, values: dict[str, Any]) -> int:
        after = at + self.packed.size
        if after > len(frame):
            raise BodyError(Status.ESME_RINVCMDLEN, f"{self.names[0]}: cut off")
        values.update(zip(self.names, self.packed.unpack_from(frame, at), strict=True))
        return after


def octets(*names: str) -> Octets:
    return Octets(names, struct.Struct(f"!{len(names)}B"))


@dataclass(frozen=True, slots=True)
class Counted:
    """Octets behind their one-octet count: short_message."""

    name: str

    @property
    def names(self) -> tuple[str, ...]:
        return (self.name,)

    def write(self, pdu: Any, out: bytearray) -> None:
        content = getattr(pdu, self.name)
        if len(content) > _COUNTED_MAX:
            raise ValueError(f"{self.name}: more than {_COUNTED_MAX} octets")
        out.append(len(content))
        out += content

    def read(self, frame: bytes, at: int, values: dict[str, Any]) -> int:
        if at >= len(frame) or at + 1 + frame[at] > len(frame):
            raise BodyError(Status.ESME_RINVMSGLEN, f"{self.name}: cut off")
        after = at + 1 + frame[at]
        values[self.name] = frame[at + 1 : after]
        return after


def write_tlvs(tlvs: Iterable[Tlv], out: bytearray) -> None:
    """Raises ValueError for a tag or a length above 65,535."""
    try:
        for tag, value in tlvs:
            out += _TLV.pack(tag, len(value))
            out += value
    except struct.error as error:
        raise ValueError(f"TLV: {error}") from None


def read_tlvs(frame: bytes, at: int) -> tuple[Tlv, ...]:
    """What stands from `at` to the frame's end. Raises BodyError."""
    found: list[Tlv] = []
    end = len(frame)
    while at < end:
        if at + _TLV.size > end:
            raise BodyError(Status.ESME_RINVOPTPARSTREAM, "TLV header cut off")
        tag, length = _TLV.unpack_from(frame, at)
        at += _TLV.size
        if at + length > end:
            raise BodyError(Status.ESME_RINVPARLEN, f"TLV 0x{tag:04x} cut off")
        found.append((tag, frame[at : at + length]))
        at += length
    return tuple(found)
