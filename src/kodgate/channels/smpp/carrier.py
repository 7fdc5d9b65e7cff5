"""A route at work: its links, its speed, and the submits that it writes."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from datetime import UTC, datetime

from kodgate.channels import Delivery
from kodgate.channels.smpp import template
from kodgate.channels.smpp.link import Link, Mode
from kodgate.channels.smpp.pace import Pace
from kodgate.channels.smpp.pdu import DataSm, DeliverSm, SubmitSm
from kodgate.channels.smpp.route import BindType, RouteProfile, Validity

TON_INTERNATIONAL, TON_NETWORK, TON_ALPHANUMERIC = 1, 3, 5
NPI_UNKNOWN, NPI_E164 = 0, 1
SHORT_NUMBER_MAX = 6
"""A sender of at most so many digits is the provider's own short number."""


class Carrier:
    """Carries messages for one route. `deliver(carrier, pdu)`: see `link.Deliver`."""

    def __init__(
        self,
        profile: RouteProfile,
        deliver: Callable[[Carrier, DeliverSm | DataSm], Awaitable[int]],
    ) -> None:
        self.profile = profile
        self.counts: Counter[str] = Counter()
        self.pace = Pace(profile.tps, asyncio.get_running_loop().time)
        trx = profile.bind_type is BindType.TRX
        modes = (Mode.TRX,) if trx else (Mode.TX, Mode.RX)
        self._links = [
            Link(profile, mode, lambda pdu: deliver(self, pdu), counts=self.counts)
            for _ in range(profile.binds)
            for mode in modes
        ]

    def start(self) -> None:
        for link in self._links:
            link.start()

    async def stop(self) -> None:
        await asyncio.gather(*(link.stop() for link in self._links))

    @property
    def links(self) -> tuple[Link, ...]:
        return tuple(self._links)

    @property
    def senders(self) -> Iterable[Link]:
        """The links that take submits."""
        return (link for link in self._links if link.mode is not Mode.RX)

    @property
    def why(self) -> str:
        """Why nothing can be sent; empty while something can."""
        if any(link.bound for link in self.senders):
            return ""
        return next((f"{self.profile.name}: {link.why}" for link in self.senders), "")

    def room(self) -> int:
        free = sum(link.free for link in self.senders)
        turns = self.pace.room()
        return free if turns is None else min(free, turns)

    def best(self) -> Link | None:
        """The bound link with the fewest submits under way."""
        bound = [link for link in self.senders if link.bound]
        return min(bound, key=lambda link: link.busy, default=None)

    def submit_sm(self, delivery: Delivery, sequence: int, now: int) -> SubmitSm:
        """The PDU of a message. Raises ValueError for a text that does not fit one part."""
        profile = self.profile
        data_coding, octets = template.encode(
            template.render(delivery.template, delivery.code),
            profile.default_alphabet,
            profile.data_coding,
        )
        ton, npi = source_type(delivery.sender)
        return SubmitSm(
            sequence=sequence,
            service_type=profile.service_type,
            source_addr_ton=ton if profile.source_ton is None else profile.source_ton,
            source_addr_npi=npi if profile.source_npi is None else profile.source_npi,
            source_addr=delivery.sender,
            dest_addr_ton=profile.dest_ton,
            dest_addr_npi=profile.dest_npi,
            destination_addr=delivery.phone,
            validity_period=validity_period(profile, now),
            registered_delivery=profile.registered_delivery,
            data_coding=data_coding,
            short_message=octets,
        )


def source_type(sender: str) -> tuple[int, int]:
    """TON and NPI of a sender: a name 5/0, a short number 3/0, a number 1/1; none 0/0."""
    if not sender:
        return 0, 0
    if not template.is_numeric(sender):
        return TON_ALPHANUMERIC, NPI_UNKNOWN
    if len(sender) <= SHORT_NUMBER_MAX:
        return TON_NETWORK, NPI_UNKNOWN
    return TON_INTERNATIONAL, NPI_E164


def validity_period(profile: RouteProfile, now: int) -> str:
    """`YYMMDDhhmmss` + tenths + quarter hours from UTC + sign (SMPP 3.4, 7.1.1); `R`: relative.

    `now`: integer ms. How long the provider may try; later the code is worthless (D10).
    """
    if profile.validity is Validity.NONE:
        return ""
    if profile.validity is Validity.ABSOLUTE:
        end = datetime.fromtimestamp(now / 1000 + profile.validity_s, UTC)
        return f"{end:%y%m%d%H%M%S}000+"
    minutes, seconds = divmod(profile.validity_s, 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    return f"0000{days:02d}{hours:02d}{minutes:02d}{seconds:02d}000R"
