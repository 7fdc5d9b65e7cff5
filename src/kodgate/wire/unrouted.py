"""What a dialect does with the operations that none of its routes leads to: nothing."""

from __future__ import annotations

from kodgate.core.accounts import AccountSettings
from kodgate.core.requests import (
    Balance,
    Confirmed,
    ConfirmRequest,
    PacketStatus,
    Simulation,
    StatusQuery,
)
from kodgate.wire import Call, HttpAnswer


class Unrouted:
    """Base of the dialects. Being called here is a mistake of the caller's."""

    def parse_simulation(self, call: Call) -> Simulation:
        raise LookupError(call.operation)

    def parse_status(self, call: Call, settings: AccountSettings) -> StatusQuery:
        raise LookupError(call.operation)

    def parse_confirm(self, call: Call) -> ConfirmRequest:
        raise LookupError(call.operation)

    def render_status(
        self, call: Call, status: PacketStatus, settings: AccountSettings
    ) -> HttpAnswer:
        raise LookupError(call.operation)

    def render_balance(self, call: Call, balance: Balance, settings: AccountSettings) -> HttpAnswer:
        raise LookupError(call.operation)

    def render_confirmed(
        self, call: Call, confirmed: Confirmed, settings: AccountSettings
    ) -> HttpAnswer:
        raise LookupError(call.operation)
