"""An engine in memory: the same verbs and refusals, no database and no channels."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from kodgate.core.accounts import Account, AccountSettings, AccountStatus
from kodgate.core.errors import Refused
from kodgate.core.ledger import Funds
from kodgate.core.requests import (
    Balance,
    Confirmed,
    ConfirmRequest,
    Credentials,
    MessageStatus,
    PacketStatus,
    SendRequest,
    Sent,
    SentMessage,
    Simulation,
    StatusQuery,
)
from kodgate.core.results import BY_ID
from kodgate.engine import simulate

PASSWORD = "canaryPassword0123456789"
CODE = "483920"
PHONE = "79123456789"


class Desk:
    """Accounts by login; every accepted request becomes a packet."""

    def __init__(self, **settings: object) -> None:
        self.accounts = {
            login: Account(
                id=number,
                login=login,
                name=login,
                status=AccountStatus.ACTIVE,
                tariff="main",
                credit_limit=0,
                balance=4_087_100,
                held=0,
                created_at=0,
                settings=AccountSettings(**settings),
            )
            for number, login in enumerate(("alice", "bob"), start=1)
        }
        self.judged: list[Credentials] = []
        self.sends: list[tuple[SendRequest, str, str]] = []
        self.callbacks: list[tuple[str, bytes, Mapping[str, str]]] = []
        self.callback_status = 200
        self.trouble: Exception | None = None
        self.gate: asyncio.Event | None = None
        self.admitting = True

    def admits(self) -> bool:
        return self.admitting

    async def authenticate(self, credentials: Credentials, *, caller_ip: str) -> Account:
        self.judged.append(credentials)
        account = self.accounts.get(credentials.login.lower())
        if account is None or credentials.password != PASSWORD:
            raise Refused("BAD_CREDENTIALS", why="no such login or API secret")
        return account

    async def send(
        self, account: Account, request: SendRequest, *, caller_ip: str, dialect: str
    ) -> Sent:
        if self.gate is not None:
            await self.gate.wait()
        if self.trouble is not None:
            raise self.trouble
        self.sends.append((request, caller_ip, dialect))
        message = SentMessage(
            message_id=7_710_258,
            phone=request.phone,
            code=request.code or CODE,
            zone=1,
            cost=21_000,
        )
        return Sent(
            packet_id=33,
            messages=(message,),
            balance_before=account.balance,
            balance_after=account.balance - message.cost,
            caller_ip=caller_ip,
            user_packet_id=request.user_packet_id,
            user_message_id=request.user_message_id,
        )

    def simulate(self, simulation: Simulation, *, caller_ip: str) -> Sent:
        return simulate.sent(simulation, caller_ip=caller_ip, randbelow=lambda below: below - 1)

    async def status(self, account: Account, query: StatusQuery, *, caller_ip: str) -> PacketStatus:
        if query.packet_id != 33 or account.login != "alice":
            raise Refused("NOT_FOUND")
        message = MessageStatus(
            num=1,
            message_id=7_710_258,
            channel="telegram",
            phone=PHONE,
            code=CODE,
            zone=1,
            result=BY_ID[6],
            delivered_at=1_758_101_663_000,
            cost=21_000,
        )
        return PacketStatus(packet_id=33, messages=(message,), asked=message, caller_ip=caller_ip)

    async def confirm(self, account: Account, request: ConfirmRequest) -> Confirmed:
        if request.code != CODE:
            raise Refused("CONFIRM_WRONG")
        return Confirmed(packet_id=33)

    async def balance(self, account: Account) -> Balance:
        return Balance(spendable=account.balance - account.held + account.credit_limit)

    async def funds(self, account: Account) -> Funds:
        return Funds(balance=account.balance, held=account.held, credit_limit=account.credit_limit)

    async def callback(self, channel: str, body: bytes, headers: Mapping[str, str]) -> int:
        if self.trouble is not None:
            raise self.trouble
        self.callbacks.append((channel, body, headers))
        return self.callback_status if channel == "telegram" else 404
