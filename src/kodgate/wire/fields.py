"""The rules of the fields that all dialects share: parameters -> checked core requests.

A request may be wrong in several ways: every rule is looked at, and the uppermost row of the error
table is the answer.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from kodgate.core import codes, phones
from kodgate.core.accounts import DEFAULTS, AccountSettings, MissingMode
from kodgate.core.errors import PRECEDENCE, Refused
from kodgate.core.requests import (
    SIMULATED_PHONES_MAX,
    TTL_DEFAULT_S,
    TTL_MAX_S,
    TTL_MIN_S,
    ConfirmRequest,
    Mode,
    SendRequest,
    Simulation,
    StatusQuery,
)
from kodgate.wire import Call, parameters

T = TypeVar("T")

SWITCH = {"": False, "0": False, "1": True}
FAMILY = {False: Mode.TELE, True: Mode.TELE_TO_SMS}
TTL_DIGITS = 5

_PROSE = re.compile(r"[A-Za-zА-Яа-яЁё]{2}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """Where the dialects' send requests differ."""

    modes: Mapping[str, Mode]
    """Words for `mode` beside TELE, which all of them have."""
    user_id: Callable[[str], str]
    """The rule for the caller's own ids. Raises Refused."""


class Faults:
    """Collects what is wrong with one request."""

    def __init__(self, call: Call) -> None:
        self._found = [] if call.error is None else [Refused(call.error)]

    def add(self, name: str, why: str = "") -> None:
        self._found.append(Refused(name, why=why))

    def run(self, rule: Callable[[str], T], text: str | None, *, why: str = "") -> T | None:
        """The rule's value; None where it refused, or where there is nothing to judge."""
        if not text:
            return None
        try:
            return rule(text)
        except Refused as refused:
            refused.why = refused.why or why
            self._found.append(refused)
            return None

    def settle(self) -> None:
        """Raises the uppermost of what was found."""
        if self._found:
            raise min(self._found, key=lambda refused: PRECEDENCE[refused.error.name])


def send(call: Call, settings: AccountSettings, manner: Manner) -> SendRequest:
    """Raises Refused, the uppermost error that applies."""
    faults = Faults(call)
    given = _Given(call, faults, manner)
    mode = given.mode(settings)
    code = given.code()
    if mode is Mode.SMS and not given.value("code") and not given.value("message"):
        # Legacy callers expect it; elsewhere a code may be ours (W-23).
        faults.add("EMPTY_MESSAGE")
    phone = faults.run(phones.normalise, given.value("phone"))
    if not given.value("phone"):
        faults.add("EMPTY_PHONE")
    request = SendRequest(
        phone=phone or "",
        mode=mode or Mode.TELE,
        ttl_s=given.ttl_s(),
        code=code,
        user_packet_id=given.user_packet_id(),
        user_message_id=given.user_message_id(),
        test=given.switch("test"),
    )
    faults.settle()
    return request


def simulation(call: Call, manner: Manner) -> Simulation:
    """test=-1: no mode is asked for, several numbers are allowed (D12). Raises Refused."""
    faults = Faults(call)
    given = _Given(call, faults, manner)
    given.switch("to_sms")
    if given.value("mode"):
        given.mode(DEFAULTS)
    given.ttl_s()
    several = phones.split(given.value("phone", ""))
    if not several:
        faults.add("EMPTY_PHONE")
    if len(several) > SIMULATED_PHONES_MAX:
        faults.add("MANY_PHONES")
    normal = [faults.run(phones.normalise, phone) for phone in several[:SIMULATED_PHONES_MAX]]
    request = Simulation(
        phones=tuple(phone for phone in normal if phone),
        code=None if given.is_prose() else given.code(),
        user_packet_id=given.user_packet_id(),
        user_message_id=given.user_message_id(),
    )
    faults.settle()
    return request


def status(call: Call, user_id: Callable[[str], str] | None = None) -> StatusQuery:
    """The first id that is given counts, the others are not looked at (W-48, O-17).

    `user_id`: the rule for the caller's own message id, where the dialect has one. Raises Refused:
    NO_ID, BAD_PARAMETER.
    """
    faults = Faults(call)
    query = _query(call, faults, user_id)
    faults.settle()
    return query


def confirm(call: Call, user_id: Callable[[str], str]) -> ConfirmRequest:
    """Which packet, and the code that the person typed (D15). Raises Refused."""
    faults = Faults(call)
    query = _query(call, faults, user_id)
    code = faults.run(codes.check, call.parameters.get("code", ""))
    if not call.parameters.get("code"):
        faults.add("BAD_CODE", why="code is missing")
    faults.settle()
    return ConfirmRequest(query=query, code=code or "")


def _query(call: Call, faults: Faults, user_id: Callable[[str], str] | None) -> StatusQuery:
    values = call.parameters
    if values.get("packet_id"):
        return StatusQuery(packet_id=faults.run(parameters.system_id, values["packet_id"]))
    if values.get("message_id"):
        return StatusQuery(message_id=faults.run(parameters.system_id, values["message_id"]))
    if user_id is not None and values.get("user_message_id"):
        return StatusQuery(user_message_id=faults.run(user_id, values["user_message_id"]))
    faults.add("NO_ID")
    return StatusQuery()


class _Given:
    """The parameters of one send request; what is wrong goes to `faults`."""

    __slots__ = ("_faults", "_manner", "value")

    def __init__(self, call: Call, faults: Faults, manner: Manner) -> None:
        self.value = call.parameters.get
        self._faults = faults
        self._manner = manner

    def switch(self, name: str) -> bool:
        """0 (also when missing) or 1."""
        on = SWITCH.get(self.value(name, ""))
        if on is None:
            self._faults.add("BAD_PARAMETER", why=f"{name} must be 0 or 1")
        return on or False

    def mode(self, settings: AccountSettings) -> Mode | None:
        """TELE and `to_sms`, or a word of the dialect's own; without it the account decides."""
        to_sms = self.switch("to_sms")
        asked = parameters.word(self.value("mode", ""))
        if asked == "tele":
            return FAMILY[to_sms]
        if asked in self._manner.modes:
            return self._manner.modes[asked]
        if asked or settings.missing_mode is MissingMode.REJECT:
            self._faults.add("BAD_MODE", why="" if asked else "mode is missing")
            return None
        assumed = Mode(settings.missing_mode.value)
        if assumed is not Mode.SMS and self.value("to_sms"):
            return FAMILY[to_sms]
        return assumed

    def code(self) -> str | None:
        """`code` and `message` are two names of one thing (W-8, W-22, O-22)."""
        code, message = self.value("code"), self.value("message")
        if code and message and code != message:
            self._faults.add("CODES_DIFFER")
        checked = self._faults.run(codes.check, code)
        also = self._faults.run(codes.check, message)
        return checked or also

    def is_prose(self) -> bool:
        """A text message of a caller who knows no `mode`: simulated all the same (O-32)."""
        return bool(
            not self.value("mode")
            and not self.value("code")
            and _PROSE.search(self.value("message", ""))
        )

    def ttl_s(self) -> int:
        """30..36000 exactly, no clamping (O-16); given but empty is wrong too (S-70)."""
        text = self.value("ttl")
        if text is None:
            return TTL_DEFAULT_S
        try:
            return parameters.integer(text, low=TTL_MIN_S, high=TTL_MAX_S, digits=TTL_DIGITS)
        except Refused:
            self._faults.add("BAD_VALID_PERIOD")
            return TTL_DEFAULT_S

    def user_packet_id(self) -> str | None:
        return self._faults.run(self._manner.user_id, self.value("user_packet_id"), why="packet_id")

    def user_message_id(self) -> str | None:
        return self._faults.run(
            self._manner.user_id, self.value("user_message_id"), why="message_id"
        )
