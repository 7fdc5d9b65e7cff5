"""What can go wrong, as exceptions: one class for each kind of the error table.

KodgateError
├── ConfigurationError       the client was set up, or called, wrongly; nothing was sent
├── TransportError           no answer of the service
│   ├── ConnectionFailed     nothing left this machine
│   ├── RequestTimeout       no answer in time
│   ├── ConnectionLost       the connection ended before the answer did
│   ├── UnreadableAnswer     an answer in no form that the protocol knows
│   ├── UnexpectedAnswer     the address answers, but it is not the service's
│   └── OutcomeUnknown       the answer to a send is lost: it may have been accepted
├── ApiError                 the service said no: number, text
│   ├── BadRequest, AuthenticationFailed, AccessDenied, InsufficientFunds
│   ├── InvalidRecipient, InvalidCode, Duplicate, NotFound
│   ├── Unavailable, RateLimited, ConfirmationRefused
│   └── UnknownApiError      a number that the table does not have
├── NotDelivered             the packet ended without delivery: status
└── WaitTimeout              the wait was over before the packet was: status
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kodgate.core.errors import BY_NUMBER, Refused

if TYPE_CHECKING:
    from kodgate.client.results import PacketStatus


class KodgateError(Exception):
    """Any error of the client."""

    retryable = False
    """The same call may succeed later, and repeating it does no harm."""


class ConfigurationError(KodgateError, ValueError):
    """The client was set up, or called, wrongly; nothing was sent."""


class TransportError(KodgateError):
    """There is no answer of the service."""

    retryable = True


class ConnectionFailed(TransportError):
    """No connection: nothing left this machine."""


class RequestTimeout(TransportError, TimeoutError):
    """No answer in time."""


class ConnectionLost(TransportError):
    """The connection ended before the answer did."""


class UnreadableAnswer(TransportError):
    """An answer in no form that the protocol knows."""


class UnexpectedAnswer(TransportError):
    """The address answers, but it is not the service's (HTTP 3xx, 4xx): nothing was accepted."""

    retryable = False


class OutcomeUnknown(TransportError):
    """The answer to a send is lost: it may have been accepted and charged. Not sent again.

    Ask `status(user_message_id=...)` before you repeat it; `user_message_id` is None where the
    send had no id of yours.
    """

    retryable = False

    def __init__(self, text: str, user_message_id: str | None = None) -> None:
        super().__init__(text, user_message_id)
        self.user_message_id = user_message_id

    def __str__(self) -> str:
        return str(self.args[0])


class ApiError(KodgateError):
    """The service said no."""

    def __init__(self, number: int, text: str, packet_id: int | None = None) -> None:
        super().__init__(number, text, packet_id)
        self.number = number
        """Of the error table; -1: the answer named none that we know."""
        self.text = text
        self.packet_id = packet_id
        """The first packet's id, with error 19."""
        known = BY_NUMBER.get(number)
        self.retryable = known is not None and known.retryable

    def __str__(self) -> str:
        return f"{self.text} (error {self.number})"


class BadRequest(ApiError):
    """A parameter is missing or wrong."""


class AuthenticationFailed(ApiError):
    """Login or password."""


class AccessDenied(ApiError):
    """The account or the address may not send."""


class InsufficientFunds(ApiError):
    """The account cannot pay for it."""


class InvalidRecipient(ApiError):
    """The phone number is wrong, or its direction closed."""


class InvalidCode(ApiError):
    """A code has 4 to 8 digits and is not all zeros."""


class Duplicate(ApiError):
    """This message id was used before; `packet_id` is the first one's packet."""


class NotFound(ApiError):
    """No such packet or message in this account."""


class Unavailable(ApiError):
    """The service cannot take it now; nothing was stored."""


class RateLimited(ApiError):
    """Too many codes for this number."""


class ConfirmationRefused(ApiError):
    """The typed code was wrong, used or tried too often; `confirm` returns this as its result."""


class UnknownApiError(ApiError):
    """A number that the error table does not have."""


KINDS: dict[str, type[ApiError]] = {
    "request": BadRequest,
    "authentication": AuthenticationFailed,
    "access": AccessDenied,
    "funds": InsufficientFunds,
    "recipient": InvalidRecipient,
    "code": InvalidCode,
    "duplicate": Duplicate,
    "not_found": NotFound,
    "unavailable": Unavailable,
    "limit": RateLimited,
    "confirm": ConfirmationRefused,
}
"""The `kind` of a row of the error table -> its class."""


class NotDelivered(KodgateError):
    """The packet ended without delivery."""

    def __init__(self, status: PacketStatus) -> None:
        super().__init__(status)
        self.status = status

    def __str__(self) -> str:
        return self.status.verdict


class WaitTimeout(KodgateError, TimeoutError):
    """The wait was over before the packet was; `status` is the last that was seen, if any."""

    def __init__(self, status: PacketStatus | None) -> None:
        super().__init__(status)
        self.status = status

    def __str__(self) -> str:
        seen = "no status was seen" if self.status is None else self.status.verdict
        return f"not decided in time: {seen}"


def of(number: int, text: str, packet_id: int | None = None) -> ApiError:
    """The exception of an error number."""
    row = BY_NUMBER.get(number)
    kind = UnknownApiError if row is None else KINDS.get(row.kind, UnknownApiError)
    return kind(number, text, packet_id)


def of_refused(refused: Refused) -> ApiError:
    """What the service would say, said before asking it."""
    return of(refused.error.number, refused.error.en)
