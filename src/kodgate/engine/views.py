"""Stored rows as a channel or a customer sees them: decrypted, masked, named."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from kodgate.channels import Channel, Delivery
from kodgate.core import codes, results
from kodgate.core.accounts import Account, AccountSettings
from kodgate.core.requests import MessageStatus, PacketStatus
from kodgate.core.types import Message
from kodgate.engine.accept import Vault
from kodgate.store import PacketRow

MESSENGER = "messenger"
FAMILIES = {"sms": "sms"}

PURGED = "****"
"""Printed where the data key of a day was dropped."""


class Views:
    """Turns rows into deliveries and statuses."""

    def __init__(
        self, vault: Vault, channels: Mapping[str, Channel], now: Callable[[], int]
    ) -> None:
        self._vault = vault
        self._channels = channels
        self._now = now

    def phone(self, row: PacketRow) -> str | None:
        """The full number; None once its data key was dropped."""
        account_id = row.packet.account_id
        return self._vault.open(row.key_day, "phone", account_id, row.phone_digest, row.phone)

    def _code(self, row: PacketRow) -> str | None:
        account_id = row.packet.account_id
        return self._vault.open(row.key_day, "code", account_id, row.code_digest, row.code)

    def delivery(self, row: PacketRow, message: Message, settings: AccountSettings) -> Delivery:
        """What a channel needs. Raises LookupError when the data keys are gone; a message that has
        ended is looked at without them, by the provider's id."""
        phone, code = self.phone(row), self._code(row)
        if (phone is None or code is None) and not message.state.is_final:
            raise LookupError(f"the data key of packet {row.packet.id} was dropped")
        assert message.id is not None
        return Delivery(
            message_id=message.id,
            packet_id=row.packet.id,
            phone=phone or "",
            code=code or "",
            zone=row.zone,
            attempt=message.attempts,
            epoch=message.epoch,
            created_at=message.created_at,
            ends_at=message.ends_at,
            handover_at=message.handover_at,
            decide_at=message.decide_at,
            provider_id=message.provider_id,
            settles_at=message.settles_at,
            cost=row.packet.plan[message.num - 1].cost,
            sender=settings.sender,
            template=settings.template,
            answered=row.packet.answered_at is not None,
            final=message.state.is_final,
            final_at=message.final_at,
            delivered=message.delivered_at is not None,
        )

    def status(
        self, row: PacketRow, account: Account, *, message_id: int | None, caller_ip: str
    ) -> PacketStatus:
        """The packet, or its one message that was asked for by id."""
        shown = [m for m in row.messages if message_id is None or m.id == message_id]
        statuses = tuple(self._message_status(row, account, message) for message in shown)
        return PacketStatus(
            packet_id=row.packet.id,
            messages=statuses,
            asked=statuses[-1],
            caller_ip=caller_ip,
            user_packet_id=row.user_packet_id,
            user_message_id=row.user_message_id,
        )

    def _message_status(self, row: PacketRow, account: Account, message: Message) -> MessageStatus:
        assert message.id is not None
        channel = self._channels.get(message.channel)
        # A channel that is not set up any more still has messages on record.
        family = channel.family if channel is not None else FAMILIES.get(message.channel, MESSENGER)
        phone = self.phone(row)
        return MessageStatus(
            num=message.num,
            message_id=message.id,
            channel=message.channel,
            phone=phone if phone is not None else row.phone_mask,
            code=self._shown_code(row, account),
            zone=row.zone,
            result=results.of(family, message, self._now()),
            delivered_at=results.delivered_at(message),
            cost=0 if message.refunded or row.test else message.price,
        )

    def _shown_code(self, row: PacketRow, account: Account) -> str:
        """The code, or stars once its retention is over (G1)."""
        code = self._code(row)
        if code is None:
            return PURGED
        newest = row.messages[-1]
        kept_ms = account.settings.code_retention_s * 1000
        if newest.final_at is not None and self._now() - newest.final_at > kept_ms:
            return codes.mask(code)
        return code
