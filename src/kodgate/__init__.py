"""kodgate: the SDK's public names, each loaded when it is first used."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kodgate.client.aio import AsyncClient
    from kodgate.client.errors import (
        AccessDenied,
        ApiError,
        AuthenticationFailed,
        BadRequest,
        ConfigurationError,
        ConfirmationRefused,
        ConnectionFailed,
        ConnectionLost,
        Duplicate,
        InsufficientFunds,
        InvalidCode,
        InvalidRecipient,
        KodgateError,
        NotDelivered,
        NotFound,
        OutcomeUnknown,
        RateLimited,
        RequestTimeout,
        TransportError,
        Unavailable,
        UnexpectedAnswer,
        UnknownApiError,
        UnreadableAnswer,
        WaitTimeout,
    )
    from kodgate.client.results import (
        Confirmation,
        MessageStatus,
        PacketStatus,
        SentCode,
        Until,
        Verdict,
    )
    from kodgate.client.sync import Client
    from kodgate.core.results import Result

__version__ = "0.1.0"

__all__ = [
    "AccessDenied",
    "ApiError",
    "AsyncClient",
    "AuthenticationFailed",
    "BadRequest",
    "Client",
    "ConfigurationError",
    "Confirmation",
    "ConfirmationRefused",
    "ConnectionFailed",
    "ConnectionLost",
    "Duplicate",
    "InsufficientFunds",
    "InvalidCode",
    "InvalidRecipient",
    "KodgateError",
    "MessageStatus",
    "NotDelivered",
    "NotFound",
    "OutcomeUnknown",
    "PacketStatus",
    "RateLimited",
    "RequestTimeout",
    "Result",
    "SentCode",
    "TransportError",
    "Unavailable",
    "UnexpectedAnswer",
    "UnknownApiError",
    "UnreadableAnswer",
    "Until",
    "Verdict",
    "WaitTimeout",
    "__version__",
]

_HOMES = {
    "AsyncClient": "client.aio",
    "Client": "client.sync",
    "Confirmation": "client.results",
    "MessageStatus": "client.results",
    "PacketStatus": "client.results",
    "Result": "core.results",
    "SentCode": "client.results",
    "Until": "client.results",
    "Verdict": "client.results",
}
"""Where a name lives; the errors live in client.errors."""


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module 'kodgate' has no attribute {name!r}")
    home = import_module(f"kodgate.{_HOMES.get(name, 'client.errors')}")
    return getattr(home, name)


def __dir__() -> list[str]:
    return sorted(__all__)
