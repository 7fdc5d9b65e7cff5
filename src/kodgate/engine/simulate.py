"""test=-1: a real-looking answer for everybody, without a login, a row or a send (W-15, O-32)."""

from __future__ import annotations

from collections.abc import Callable

from kodgate.core import codes
from kodgate.core.requests import Sent, SentMessage, Simulation

PACKET_ID = 33
MESSAGE_ID = 7_710_258
ZONE = 1
PRICE = 21_000
BALANCE = 4_087_100
CODE_LENGTH = 6
"""The document's own example figures."""


def sent(simulation: Simulation, *, caller_ip: str, randbelow: Callable[[int], int]) -> Sent:
    """One message a number, one code for all of them."""
    code = simulation.code or codes.generate(CODE_LENGTH, randbelow)
    messages = tuple(
        SentMessage(message_id=MESSAGE_ID + place, phone=phone, code=code, zone=ZONE, cost=PRICE)
        for place, phone in enumerate(simulation.phones)
    )
    return Sent(
        packet_id=PACKET_ID,
        messages=messages,
        balance_before=BALANCE,
        balance_after=BALANCE - PRICE * len(messages),
        caller_ip=caller_ip,
        user_packet_id=simulation.user_packet_id,
        user_message_id=simulation.user_message_id,
    )
