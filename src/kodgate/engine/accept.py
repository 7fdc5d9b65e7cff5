"""One request becomes one packet: checks, price, code, one durable batch (hops 3 and 4)."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Protocol

from kodgate.channels import Channel
from kodgate.core import cascade, codes, phones, tariffs
from kodgate.core.accounts import Account, AccountSettings
from kodgate.core.clock import day_of
from kodgate.core.errors import Refused
from kodgate.core.money import SCALE
from kodgate.core.orders import CODE_CLASH, NotPlaced, Order, Placed
from kodgate.core.requests import Mode, SendRequest, Sent, SentMessage
from kodgate.core.types import FallbackFunds, Plan, Step
from kodgate.engine import crash
from kodgate.engine.accounts import Accounts
from kodgate.engine.batch import Batcher
from kodgate.engine.clock import Clock
from kodgate.engine.guard import Guard
from kodgate.store import Unavailable

WAIT_MAX_S = 1.0
"""How long an order may wait for its batch before new ones are refused."""

DRAWS_MAX = 8
"""How often a generated code that equals a live one is drawn again."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Caps:
    """The operator's limits over all accounts (S-122); 0: none."""

    packets_per_phone_10min: int = 0
    packets_per_phone_day: int = 0


class Vault(Protocol):
    """Encrypts codes and phones, and digests them for searching (D5)."""

    def seal(self, day: str, cls: str, account_id: int, digest: bytes, plaintext: str) -> bytes: ...

    def open(
        self, day: str, cls: str, account_id: int, digest: bytes, sealed: bytes
    ) -> str | None: ...

    def drop(self, day: str, cls: str) -> None: ...

    def days(self, cls: str) -> list[str]: ...

    def phone_digest(self, phone: str) -> bytes: ...

    def code_digest(self, account_id: int, phone: str, code: str) -> bytes: ...


def _nobody(channel: str) -> None:
    """The default `placed`."""


class Accept:
    """The only writer of packets."""

    def __init__(
        self,
        orders: Batcher[Order, Placed | NotPlaced],
        accounts: Accounts,
        vault: Vault,
        clock: Clock,
        channels: Mapping[str, Channel],
        guard: Guard,
        *,
        caps: Caps,
        elsewhere: frozenset[str] = frozenset(),
        placed: Callable[[str], None] = _nobody,
        randbelow: Callable[[int], int],
    ) -> None:
        """`elsewhere`: channels that other processes send through; they count as live.
        `placed`: told the channel of every new message."""
        self._orders = orders
        self._accounts = accounts
        self._vault = vault
        self._clock = clock
        self._channels = channels
        self._guard = guard
        self._caps = caps
        self._elsewhere = elsewhere
        self._placed = placed
        self._randbelow = randbelow

    def admits(self) -> bool:
        """False: orders wait too long already; say "try later" before any work (D16)."""
        return self._orders.takes(age_max_s=WAIT_MAX_S)

    async def send(
        self, account: Account, request: SendRequest, *, caller_ip: str, dialect: str
    ) -> Sent:
        """Stores and charges. Raises Refused (nothing was stored), Unavailable, InDoubt."""
        at = self._clock.now()
        zone, plan = await self._priced(account, request)
        seat = self._guard.admit(
            account, request.phone, at=at, caller_ip=caller_ip, test=request.test
        )
        try:
            self._check_channels(plan)
            code = request.code or self._draw(account)
            order = self._order(
                account, request, code, zone, plan, at=at, caller_ip=caller_ip, dialect=dialect
            )
            code, placed = await self._place(order, code, account, request)
        except OSError as error:  # no room for the day's data key: nothing was stored
            seat.give_back()
            raise Unavailable(f"keys: {error.strerror}") from error
        except BaseException:
            seat.give_back()
            raise
        seat.placed(placed.packet_id)
        crash.point("accepted")
        first = order.plan[0]
        self._placed(first.channel)
        message = SentMessage(
            message_id=placed.message_id,
            phone=request.phone,
            code=code,
            zone=order.zone,
            cost=first.price,
        )
        return Sent(
            packet_id=placed.packet_id,
            messages=(message,),
            balance_before=placed.balance_before,
            balance_after=placed.balance_after,
            caller_ip=caller_ip,
            user_packet_id=request.user_packet_id,
            user_message_id=request.user_message_id,
        )

    async def _priced(self, account: Account, request: SendRequest) -> tuple[int, Plan]:
        """The zone, and the steps with their prices. Raises Refused."""
        steps = _steps(account, request)
        if any(step.channel == "sms" for step in steps) and not account.settings.can_send_sms:
            raise Refused("BAD_SENDER", why="the account has no SMS sender or template")
        return await self._quote(account, request.phone, steps)

    def _order(
        self,
        account: Account,
        request: SendRequest,
        code: str,
        zone: int,
        plan: Plan,
        *,
        at: int,
        caller_ip: str,
        dialect: str,
    ) -> Order:
        settings = account.settings
        digest = self._vault.phone_digest(request.phone)
        day = day_of(at)
        sealed, code_digest = self._sealed(day, account.id, request.phone, code)
        return Order(
            account_id=account.id,
            at=at,
            plan=plan,
            reserve=settings.fallback_funds is FallbackFunds.RESERVE,
            zone=zone,
            ttl_s=request.ttl_s,
            phone=self._vault.seal(day, "phone", account.id, digest, request.phone),
            phone_digest=digest,
            phone_mask=phones.mask(request.phone),
            code=sealed,
            code_digest=code_digest,
            code_generated=request.code is None,
            key_day=day,
            dialect=dialect,
            user_packet_id=request.user_packet_id,
            user_message_id=request.user_message_id,
            unique_days=settings.unique_days if settings.unique_message_ids else None,
            test=request.test,
            caller_ip=caller_ip,
            per_phone_10min=settings.packets_per_phone_10min,
            per_phone_day=settings.packets_per_phone_day,
            all_per_phone_10min=self._caps.packets_per_phone_10min,
            all_per_phone_day=self._caps.packets_per_phone_day,
            spend_per_day=settings.spend_per_day * SCALE,
        )

    async def _quote(
        self, account: Account, phone: str, steps: tuple[Step, ...]
    ) -> tuple[int, Plan]:
        tariff = await self._accounts.tariff(account.tariff)
        zone = tariff.zone_of(phone) if tariff is not None else None
        if tariff is None or zone is None:
            raise Refused("ZONE_CLOSED", why="the tariff has no zone for this number")
        _check_direction(account.settings, phone, zone)
        plan = tariffs.plan(tariff, zone, steps)
        if plan is None:
            raise Refused("ZONE_CLOSED", why=f"zone {zone} has no price for a step")
        return zone, plan

    def _check_channels(self, plan: Plan) -> None:
        for step in plan:
            channel = self._channels.get(step.channel)
            health = None if channel is None else channel.health()
            if health is None or health.absent:
                continue
            if health.live or step.channel in self._elsewhere:
                return
        raise Refused("UNAVAILABLE", why="no channel of this cascade is live")

    async def _place(
        self, order: Order, code: str, account: Account, request: SendRequest
    ) -> tuple[str, Placed]:
        for _ in range(DRAWS_MAX):
            outcome = await self._orders.submit(order)
            if isinstance(outcome, Placed):
                return code, outcome
            if outcome.error != CODE_CLASH:
                raise _refused(outcome)
            code = self._draw(account)
            sealed, digest = self._sealed(order.key_day, account.id, request.phone, code)
            order = dataclasses.replace(order, code=sealed, code_digest=digest)
        raise Refused("UNAVAILABLE", why="too many live codes for this number")

    def _draw(self, account: Account) -> str:
        return codes.generate(account.settings.code_length, self._randbelow)

    def _sealed(self, day: str, account_id: int, phone: str, code: str) -> tuple[bytes, bytes]:
        """The code encrypted, and the digest that finds it."""
        digest = self._vault.code_digest(account_id, phone, code)
        return self._vault.seal(day, "code", account_id, digest, code), digest


def _check_direction(settings: AccountSettings, phone: str, zone: int) -> None:
    """What of the tariff the account lets be sent to."""
    if settings.zones_allowed and str(zone) not in settings.zones_allowed:
        raise Refused("ZONE_CLOSED", why=f"zone {zone} is not allowed by the account's settings")
    if settings.prefixes_allowed and not phone.startswith(settings.prefixes_allowed):
        raise Refused("ZONE_CLOSED", why="the number's prefix is not allowed by the account")


def _steps(account: Account, request: SendRequest) -> tuple[Step, ...]:
    """The cascade that the mode names, within what the account may use (D1)."""
    settings = account.settings
    if request.mode is Mode.SMS:
        return cascade.sms(request.ttl_s)
    if not settings.telegram_allowed:
        if request.mode is Mode.TELE:
            raise Refused("ZONE_CLOSED", why="this account may not use Telegram")
        return cascade.sms(request.ttl_s)
    make = cascade.tele if request.mode is Mode.TELE else cascade.tele_to_sms
    return make(request.ttl_s, success=settings.telegram_success)


def _refused(outcome: NotPlaced) -> Refused:
    refused = Refused(outcome.error, packet_id=outcome.packet_id)
    refused.balance = outcome.balance if outcome.spendable is None else outcome.spendable
    return refused
