"""Arguments of a call -> the request of a dialect, and the reader of its answer. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Generic, Literal, TypeVar

from kodgate.client import errors
from kodgate.client.errors import ConfigurationError
from kodgate.client.options import Options
from kodgate.client.results import (
    Confirmation,
    PacketStatus,
    SentCode,
    Verdict,
    currency,
    from_http,
    from_json,
    from_wire,
)
from kodgate.core import codes, phones
from kodgate.core.errors import Refused
from kodgate.core.requests import (
    TTL_DEFAULT_S,
    TTL_MAX_S,
    TTL_MIN_S,
    ConfirmRequest,
    Mode,
    SendRequest,
    Simulation,
    StatusQuery,
)
from kodgate.wire import ApiFailure, http_asp, json_service, parameters
from kodgate.wire.http_asp import Posting

T = TypeVar("T")

Test = Literal[0, 1, -1]

VERDICTS = {112: Verdict.WRONG, 113: Verdict.USED, 114: Verdict.EXHAUSTED}


@dataclass(frozen=True, slots=True, kw_only=True)
class Question(Generic[T]):
    """One HTTP POST, and how its answer is read. `read` raises ApiFailure, Unreadable."""

    url: str
    body: bytes = field(repr=False)
    content_type: str
    read: Callable[[bytes], T]


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One send, checked and normalised."""

    request: SendRequest | Simulation
    phone: str = field(repr=False)

    @property
    def user_message_id(self) -> str | None:
        return self.request.user_message_id

    @property
    def code(self) -> str | None:
        return self.request.code

    @property
    def is_test(self) -> bool:
        return isinstance(self.request, Simulation) or self.request.test


class Asking:
    """Builds the requests of one client."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._zone = options.timezone.key

    def order(
        self,
        phone: str,
        *,
        code: str | None,
        to_sms: bool,
        valid_period: int | None,
        packet_id: int | None,
        message_id: int | str | None,
        test: Test,
    ) -> Order:
        """Raises ApiError (what the service would say), ConfigurationError."""
        if self._options.protocol == "json" and (test or packet_id is not None):
            raise ConfigurationError("the JSON service knows neither test nor packet_id")
        if test not in (0, 1, -1):
            raise ConfigurationError("test is 0, 1 or -1")
        try:
            number = phones.normalise(phone)
            checked = None if code is None else codes.check(code)
            users_packet = None if packet_id is None else parameters.integer_user_id(str(packet_id))
            users_message = None if message_id is None else self._user_id(str(message_id))
            ttl_s = _ttl_s(valid_period)
        except Refused as refused:
            raise errors.of_refused(refused) from None
        if test == -1:
            simulation = Simulation(
                phones=(number,),
                code=checked,
                user_packet_id=users_packet,
                user_message_id=users_message,
            )
            return Order(request=simulation, phone=number)
        request = SendRequest(
            phone=number,
            mode=Mode.TELE_TO_SMS if to_sms else Mode.TELE,
            ttl_s=ttl_s,
            code=checked,
            user_packet_id=users_packet,
            user_message_id=users_message,
            test=test == 1,
        )
        return Order(request=request, phone=number)

    def _user_id(self, text: str) -> str:
        """Integers in the HTTP interface, printable ASCII in the JSON service (D12)."""
        if self._options.protocol == "http":
            return parameters.integer_user_id(text)
        return parameters.text_user_id(text)

    def send(self, order: Order) -> Question[SentCode]:
        """Raises ConfigurationError. A simulation carries no credentials (W-15)."""
        request = order.request
        if isinstance(request, Simulation):
            posting = http_asp.build_send("", "", request)
        elif self._options.protocol == "http":
            posting = http_asp.build_send(*self._credentials(), request)
        else:
            posting = json_service.build_send(*self._credentials(), request)
            return self._json(posting, lambda body: from_json(json_service.read_sent(body)))
        user_id = order.user_message_id
        return self._http(posting, lambda body: from_http(http_asp.read_sent(body), user_id))

    def status(self, query: StatusQuery) -> Question[PacketStatus]:
        """The HTTP interface has no query by the caller's own message id: that one goes to the
        JSON service. Raises ConfigurationError."""
        zone = self._options.timezone
        if self._options.protocol == "http" and query.user_message_id is None:
            return self._http(
                http_asp.build_status(*self._credentials(), query),
                lambda body: from_wire(http_asp.read_status(body, timezone=self._zone), zone),
            )
        return self._json(
            json_service.build_status(*self._credentials(), query),
            lambda body: from_wire(json_service.read_status(body, timezone=self._zone), zone),
        )

    def balance(self) -> Question[Decimal]:
        """The JSON service has no balance: always the HTTP interface. Raises
        ConfigurationError."""
        posting = http_asp.build_balance(*self._credentials())
        return self._http(posting, lambda body: currency(http_asp.read_balance(body).spendable))

    def confirm(self, query: StatusQuery, code: str) -> Question[Confirmation]:
        """An addition of kodgate to the JSON service (D15). Raises ConfigurationError."""
        request = ConfirmRequest(query=query, code=code)
        return self._json(
            json_service.build_confirm(*self._credentials(), request), _read_confirmation
        )

    def _credentials(self) -> tuple[str, str]:
        if not self._options.login or not self._options.password:
            raise ConfigurationError(
                "login and password are needed: give them to the client, or set KODGATE_LOGIN and"
                " KODGATE_PASSWORD or KODGATE_PASSWORD_FILE"
            )
        return self._options.login, self._options.password

    def _http(self, posting: Posting, read: Callable[[bytes], T]) -> Question[T]:
        return _question(self._options.base_url, posting, read)

    def _json(self, posting: Posting, read: Callable[[bytes], T]) -> Question[T]:
        return _question(self._options.json_url, posting, read)


def query(
    *,
    packet_id: int | None,
    message_id: int | None,
    user_message_id: int | str | None,
) -> StatusQuery:
    """Exactly one of the three (W-74). Raises ConfigurationError."""
    given = [one for one in (packet_id, message_id, user_message_id) if one is not None]
    if len(given) != 1:
        raise ConfigurationError("give one of packet_id, message_id and user_message_id")
    users = None if user_message_id is None else str(user_message_id)
    return StatusQuery(packet_id=packet_id, message_id=message_id, user_message_id=users)


def _ttl_s(valid_period: int | None) -> int:
    """30..36000, no clamping (O-16). Raises Refused."""
    if valid_period is None:
        return TTL_DEFAULT_S
    if not TTL_MIN_S <= valid_period <= TTL_MAX_S:
        raise Refused("BAD_VALID_PERIOD")
    return valid_period


def _read_confirmation(body: bytes) -> Confirmation:
    """A wrong code is a result, not an error."""
    try:
        confirmed = json_service.read_confirmed(body)
    except ApiFailure as failure:
        verdict = VERDICTS.get(failure.number)
        if verdict is None:
            raise
        return Confirmation(verdict=verdict)
    return Confirmation(verdict=Verdict.RIGHT, packet_id=confirmed.packet_id)


def _question(base: str, posting: Posting, read: Callable[[bytes], T]) -> Question[T]:
    path, body, content_type = posting
    return Question(url=base + path, body=body, content_type=content_type, read=read)
