"""A valve before a channel: an operator takes it out of work, and puts it back."""

from __future__ import annotations

from typing import Any

from kodgate.channels import Channel, Clock, Delivery, Health, Journal, Sink
from kodgate.core.types import Event, Observation

WHY = "drained by the operator"


class Valve:
    """Is the channel. While it is shut, a message that no provider was asked to take is rejected at
    once: it is refunded by its step's rule, and the cascade goes on. What was begun is finished."""

    def __init__(self, channel: Channel, clock: Clock) -> None:
        self.channel = channel
        self.name = channel.name
        self.family = channel.family
        self.attempts_max = channel.attempts_max
        self.shut = False
        self._clock = clock

    def __getattr__(self, name: str) -> Any:
        """What only this channel can, such as reading callbacks."""
        return getattr(self.channel, name)

    async def start(self, sink: Sink) -> None:
        await self.channel.start(sink)

    async def stop(self) -> None:
        await self.channel.stop()

    def health(self) -> Health:
        return Health(live=False, why=WHY) if self.shut else self.channel.health()

    def room(self) -> int:
        return self.channel.room()

    async def send(self, delivery: Delivery, journal: Journal) -> Observation:
        if self.shut and _is_fresh(delivery):
            return Observation(
                at=self._clock.now(),
                source="send",
                message_id=delivery.message_id,
                channel=self.name,
                epoch=delivery.epoch,
                events=(Event.REJECTED,),
                detail=WHY,
            )
        return await self.channel.send(delivery, journal)

    async def poll(self, delivery: Delivery, *, last: bool) -> Observation | None:
        return await self.channel.poll(delivery, last=last)

    async def confirmed(self, delivery: Delivery, typed: str) -> None:
        await self.channel.confirmed(delivery, typed)


def _is_fresh(delivery: Delivery) -> bool:
    """No provider can have taken it yet."""
    return delivery.attempt == 1 and delivery.provider_id is None and delivery.settles_at is None
