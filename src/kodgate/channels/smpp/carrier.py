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

WHY_MAX = 200


class Carrier:
    """Carries messages for one route over the binds that this node holds.

    `deliver(carrier, pdu)`: see `link.Deliver`. `before`: the carrier that it follows.
    """

    def __init__(
        self,
        profile: RouteProfile,
        deliver: Callable[[Carrier, DeliverSm | DataSm], Awaitable[int]],
        before: Carrier | None = None,
    ) -> None:
        self.profile = profile
        self.counts: Counter[str] = Counter() if before is None else before.counts
        self.pace = Pace(profile.tps, asyncio.get_running_loop().time)
        self._deliver = deliver
        self._binds: dict[int, tuple[Link, ...]] = {}

    def follow(self, profile: RouteProfile) -> None:
        """Another profile that needs no new binds."""
        self.profile = profile
        self._share()

    def hold(self, nums: Iterable[int], *, until_s: float) -> None:
        """Binds these too, all of them until an instant of the loop's clock."""
        for num in sorted(set(nums) - self._binds.keys()):
            self._binds[num] = self._bind()
        for link in self.links:
            link.held_until_s = until_s
        self._share()

    def let_go(self, num: int, *, at_once: bool = False) -> Awaitable[object]:
        """Takes no more over this bind. The rest: waits a little for answers, unless `at_once`,
        and unbinds."""
        links = self._binds.pop(num)
        self._share()
        return asyncio.gather(*(link.stop(at_once=at_once) for link in links))

    def _bind(self) -> tuple[Link, ...]:
        trx = self.profile.bind_type is BindType.TRX
        modes = (Mode.TRX,) if trx else (Mode.TX, Mode.RX)
        links = tuple(
            Link(self.profile, mode, lambda pdu: self._deliver(self, pdu), counts=self.counts)
            for mode in modes
        )
        for link in links:
            link.start()
        return links

    def _share(self) -> None:
        """The route's speed belongs to all its binds: this node has the part of those it holds."""
        if self._binds:
            self.pace.set(self.profile.tps * len(self._binds) / self.profile.binds)

    @property
    def held(self) -> frozenset[int]:
        """The numbers of the binds that are held."""
        return frozenset(self._binds)

    @property
    def links(self) -> tuple[Link, ...]:
        return tuple(link for _, links in sorted(self._binds.items()) for link in links)

    @property
    def senders(self) -> Iterable[Link]:
        """The links that take submits."""
        return (
            link for links in self._binds.values() for link in links if link.mode is not Mode.RX
        )

    def whys(self) -> dict[int, str]:
        """Bind -> why it is not bound; empty while it is."""
        return {
            num: next((link.why[:WHY_MAX] for link in links if not link.bound), "")
            for num, links in self._binds.items()
        }

    @property
    def why(self) -> str:
        """Why nothing can be sent; empty while something can."""
        if any(link.bound for link in self.senders):
            return ""
        whys = (link.why for link in self.senders)
        return f"{self.profile.name}: {next(whys, 'no bind is held here')}"

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
