"""The last requests of each login, in memory: what was asked, what was answered, and why.

A ring a login, lost at a restart and kept by this process alone; nothing of it reaches a disk.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Mapping
from dataclasses import dataclass, field

PER_LOGIN_MAX = 200
LOGINS_MAX = 500
BODY_MAX = 2_000
"""Characters of an answer that are kept."""

SECRET = frozenset({"http_password", "password", "pass"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One answered request. Passwords are left out; codes and phones are not: show them masked."""

    id: str
    at: int
    """Wall clock, ms."""
    path: str
    dialect: str
    ip: str
    error: int
    why: str
    """The human reason of a refusal, where there is more to say than the error's text."""
    seconds: float
    in_query: bool
    """The password stood in the URL."""
    packet_id: int | None
    parameters: Mapping[str, str] = field(repr=False)
    body: str = field(repr=False)


class Journal:
    """Bounded in every direction: a stranger who knows a login pushes out old rows, no more."""

    def __init__(self) -> None:
        self._rings: OrderedDict[str, deque[Asked]] = OrderedDict()

    def add(self, login: str, asked: Asked) -> None:
        ring = self._rings.get(login)
        if ring is None:
            ring = self._rings[login] = deque(maxlen=PER_LOGIN_MAX)
            if len(self._rings) > LOGINS_MAX:
                self._rings.popitem(last=False)
        else:
            self._rings.move_to_end(login)
        ring.append(asked)

    def of(self, login: str) -> list[Asked]:
        """Newest first."""
        return list(reversed(self._rings.get(login, ())))

    def of_packet(self, login: str, packet_id: int) -> Asked | None:
        """The request that made a packet, while it is remembered."""
        return next((one for one in self.of(login) if one.packet_id == packet_id), None)


def without_secrets(parameters: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in parameters.items() if name not in SECRET}


def excerpt(body: bytes) -> str:
    """An answer as text, for people."""
    return body[:BODY_MAX].decode("utf-8", "replace")
