"""A route: everything one provider wants to be spoken to with, as a profile in JSON (D10)."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import Any, get_type_hints

from kodgate.channels.smpp.names import Status
from kodgate.channels.smpp.receipts import IdForm
from kodgate.channels.smpp.template import Alphabet

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}", re.ASCII)
_PREFIX = re.compile(r"[0-9]{1,15}", re.ASCII)
_STATUS = re.compile(r"0x[0-9a-f]{1,8}|[0-9]{1,10}", re.ASCII)
_MASK = "***"

Login = tuple[str, int, str]
"""Host, port and system_id."""


class BindType(StrEnum):
    TRX = "trx"
    """One transceiver session a bind."""
    TX_RX = "tx_rx"
    """A transmitter and a receiver session a bind."""


class Ambiguity(StrEnum):
    """What to do when a submit was written and no answer came."""

    AT_LEAST_ONCE = "at_least_once"
    """Once more, with the same code; a person may get it twice."""
    AT_MOST_ONCE = "at_most_once"
    """Never again: a receipt may still decide it."""


class Validity(StrEnum):
    """How validity_period is written."""

    RELATIVE = "relative"
    ABSOLUTE = "absolute"
    NONE = "none"


class Outcome(StrEnum):
    """What a submit answer's status means for the message."""

    ACCEPTED = "accepted"
    PERMANENT = "permanent"
    """Refused; trying again would not help."""
    CLOSED = "closed"
    """Refused: the direction is closed."""
    NO_ROUTE = "no_route"
    """Refused: the provider does not carry this direction."""
    TEMPORARY = "temporary"
    """Not taken now, for a reason of this message or moment."""
    THROTTLE = "throttle"
    """Not taken now: we are too fast, or its queue is full."""


OUTCOMES: Mapping[int, Outcome] = MappingProxyType(
    {
        Status.ESME_ROK: Outcome.ACCEPTED,
        Status.ESME_RINVBNDSTS: Outcome.TEMPORARY,
        Status.ESME_RSYSERR: Outcome.TEMPORARY,
        Status.ESME_RMSGQFUL: Outcome.THROTTLE,
        Status.ESME_RTHROTTLED: Outcome.THROTTLE,
        Status.ESME_RX_T_APPN: Outcome.TEMPORARY,
    }
)
"""Every other status is permanent, unless the route's `errors` say otherwise. The specification
has no word for a closed or unknown direction: those come with vendors' own codes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteProfile:
    """One provider. Each field is one line of the docs; times in seconds."""

    name: str
    """The word in ids, tables and `kodgate route`: a-z, 0-9, `-`, `_`."""
    enabled: bool = True
    """In use; else it is kept, and nothing is bound."""
    host: str
    """The SMSC's address."""
    port: int = 2775
    """Its port."""
    tls: bool = False
    """Speak TLS; the certificate is always verified."""
    ca_file: str = ""
    """A file of CA certificates to trust instead of the system's."""
    system_id: str
    """The login that the provider gave."""
    password: str = field(default="", repr=False)
    """Its password, up to 8 characters."""
    password_file: str = ""
    """A file that holds the password, instead of `password`."""
    bind_type: BindType = BindType.TRX
    """trx (one session), or tx_rx (a session each way)."""
    binds: int = 1
    """How many sessions (or pairs) are held at once, by all nodes together."""
    system_type: str = ""
    """Some providers want a word here."""
    interface_version: int = 0x34
    """0x34 is SMPP 3.4."""
    service_type: str = ""
    """Some providers want a word here."""
    source_ton: int | None = None
    """Type of number of the sender; none: 5 for a name, 1 for a number, 3 for a short one."""
    source_npi: int | None = None
    """Numbering plan of the sender; none: 0 for a name or a short number, 1 for a number."""
    dest_ton: int = 1
    """Type of number of the phone: international."""
    dest_npi: int = 1
    """Numbering plan of the phone: E.164."""
    registered_delivery: int = 1
    """1: a receipt for success and failure."""
    data_coding: int = 0
    """What is written where the text fits the default alphabet."""
    default_alphabet: Alphabet = Alphabet.GSM7
    """What the provider takes its default alphabet for: gsm7 (not packed), ascii, latin1."""
    validity: Validity = Validity.RELATIVE
    """How validity_period is written: relative, absolute, none."""
    validity_s: int = 300
    """How long the provider may try; a code that comes later is worthless."""
    window: int = 50
    """Submits without an answer at once, a bind."""
    tps: float = 0.0
    """Submits a second over all binds of all nodes; 0: no limit."""
    answer_timeout_s: float = 10.0
    """How long an answer may take before the submit counts as ambiguous."""
    enquire_link_s: float = 30.0
    """Silence after which the link is checked."""
    connect_timeout_s: float = 10.0
    """For the connection, TLS included."""
    ambiguity: Ambiguity = Ambiguity.AT_LEAST_ONCE
    """Submits without an answer: at_least_once (2 attempts), or at_most_once."""
    receipt_ids: IdForm = IdForm.ANY
    """Ids in receipts: any, same, decimal (where answers are hex), hex (where they are decimal)."""
    errors: Mapping[int, Outcome] = field(default_factory=dict)
    """Status -> permanent, closed, no_route, temporary, throttle: the provider's own codes."""
    prefixes: tuple[str, ...] = ()
    """The phones it carries; none: all."""
    priority: int = 1
    """Of the routes that carry a phone the lowest is used; the next while its link is lost. Zones
    that have routes of their own do not look at it."""

    def __post_init__(self) -> None:
        check(self)

    def carries(self, phone: str) -> int | None:
        """How long the prefix is that fits; None: this route does not carry the phone."""
        if not self.prefixes:
            return 0
        return max((len(p) for p in self.prefixes if phone.startswith(p)), default=None)

    @property
    def login(self) -> Login:
        """Who it is to which SMSC: a receipt may come over any bind of one login."""
        return self.host, self.port, self.system_id

    def outcome(self, status: int) -> Outcome:
        return self.errors.get(status) or OUTCOMES.get(status, Outcome.PERMANENT)

    def secret(self) -> str:
        """The password, from its file where one is named. Raises OSError."""
        if self.password_file:
            return Path(self.password_file).read_text(encoding="ascii", errors="replace").strip()
        return self.password


PASSWORD_MAX = 8

_TEXT_MAX = {
    "host": 253,
    "system_id": 15,
    "password": PASSWORD_MAX,
    "system_type": 12,
    "service_type": 5,
}
"""Octets that the field of the bind or submit takes, without its NUL."""

_RANGES: dict[str, tuple[float, float]] = {
    "port": (1, 65_535),
    "binds": (1, 32),
    "interface_version": (0, 255),
    "source_ton": (0, 255),
    "source_npi": (0, 255),
    "dest_ton": (0, 255),
    "dest_npi": (0, 255),
    "registered_delivery": (0, 255),
    "data_coding": (0, 255),
    "validity_s": (30, 86_400),
    "window": (1, 10_000),
    "tps": (0, 100_000),
    "answer_timeout_s": (0.05, 15),  # with the wait for a place, well inside a claim's lease
    "enquire_link_s": (0.05, 600),
    "connect_timeout_s": (0.05, 60),
    "priority": (1, 100),
}


def check(profile: RouteProfile) -> None:
    """Raises ValueError naming the first field that may not be saved."""
    if not _NAME.fullmatch(profile.name):
        raise ValueError("name: 1 to 32 of a-z, 0-9, - and _")
    for name, size in _TEXT_MAX.items():
        value = getattr(profile, name)
        if len(value) > size or not value.isascii() or not value.isprintable():
            raise ValueError(f"{name}: at most {size} printable ASCII characters")
    for name in ("host", "system_id"):
        if not getattr(profile, name):
            raise ValueError(f"{name}: must not be empty")
    for name, (low, high) in _RANGES.items():
        value = getattr(profile, name)
        if value is not None and not low <= value <= high:
            raise ValueError(f"{name}: must be between {low:g} and {high:g}")
    for prefix in profile.prefixes:
        if not _PREFIX.fullmatch(prefix):
            raise ValueError(f"prefixes: {prefix!r} is not 1 to 15 digits")
    if profile.password and profile.password_file:
        raise ValueError("password: give it or password_file, not both")
    if profile.ca_file and not profile.tls:
        raise ValueError("ca_file: needs tls")


_OF_A_BIND = frozenset(
    {
        "host",
        "port",
        "tls",
        "ca_file",
        "system_id",
        "password",
        "password_file",
        "bind_type",
        "system_type",
        "interface_version",
        "window",
        "answer_timeout_s",
        "enquire_link_s",
        "connect_timeout_s",
    }
)
"""Fields that a session keeps from its beginning to its end."""


def needs_new_binds(old: RouteProfile, new: RouteProfile) -> bool:
    """Whether what is bound must be unbound first; other changes hold from the next submit on."""
    return any(getattr(old, name) != getattr(new, name) for name in _OF_A_BIND)


def load(text: str) -> RouteProfile:
    """A profile from JSON. Raises ValueError for what is unknown, missing or of a wrong type."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"not JSON: {error}") from None
    if not isinstance(found, dict):
        raise ValueError("not a JSON object")
    hints = get_type_hints(RouteProfile)
    unknown = sorted(found.keys() - hints.keys())
    if unknown:
        raise ValueError(f"unknown: {', '.join(unknown)}")
    missing = sorted({"name", "host", "system_id"} - found.keys())
    if missing:
        raise ValueError(f"missing: {', '.join(missing)}")
    return RouteProfile(**{key: _typed(key, hints[key], value) for key, value in found.items()})


def _typed(name: str, hint: Any, value: Any) -> Any:
    """A JSON value as the field's type."""
    if name == "errors":
        return _errors(value)
    if name == "prefixes":
        if isinstance(value, list) and all(isinstance(each, str) for each in value):
            return tuple(value)
        raise ValueError("prefixes: must be a list of texts")
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        if isinstance(value, str) and value in {each.value for each in hint}:
            return hint(value)
        raise ValueError(f"{name}: must be one of {', '.join(hint)}")
    kinds = {str: (str,), bool: (bool,), int: (int,), float: (int, float)}
    allowed = kinds.get(hint, (int, type(None)))
    if isinstance(value, allowed) and (hint is bool or not isinstance(value, bool)):
        return value
    raise ValueError(f"{name}: must be {getattr(hint, '__name__', 'int or null')}")


def _errors(value: Any) -> Mapping[int, Outcome]:
    """`{"0x400": "closed", "1025": "throttle", "ESME_RINVDSTADR": "no_route"}`."""
    if not isinstance(value, dict):
        raise ValueError("errors: must be an object")
    words = [each.value for each in Outcome if each is not Outcome.ACCEPTED]
    found: dict[int, Outcome] = {}
    for key, word in value.items():
        if not isinstance(word, str) or word not in words:
            raise ValueError(f"errors: {key}: must be one of {', '.join(words)}")
        found[_status(key)] = Outcome(word)
    return found


def _status(key: str) -> int:
    if key in Status.__members__:
        return Status[key]
    text = key.lower()
    if not _STATUS.fullmatch(text):
        raise ValueError(f"errors: {key!r} is not a status")
    number = int(text, 16) if text.startswith("0x") else int(text)
    if not 0 < number <= 0xFFFF_FFFF:
        raise ValueError(f"errors: {key!r} is not a status")
    return number


def save(profile: RouteProfile, *, masked: bool = False) -> str:
    """JSON that `load` reads back; only what differs from the defaults. `masked`: to be shown."""
    out: dict[str, Any] = {}
    for each in fields(profile):
        value = getattr(profile, each.name)
        if value != each.default:
            out[each.name] = value
    out["errors"] = {f"0x{status:08x}": word for status, word in profile.errors.items()}
    if not profile.errors:
        del out["errors"]
    if masked and profile.password:
        out["password"] = _MASK
    return json.dumps(out, ensure_ascii=False, indent=2)
