"""What holds calls back: flood waits, the breaker, outages, the poll budget. Pure: time is given.

Floods end at an instant of the business clock, since the provider's seconds are the ones that a
scaled sandbox scales too. Everything else counts real seconds of the event loop (D8).
"""

from __future__ import annotations

from collections import deque

WIDE_PHONES = 3
"""So many phones flooded within `WIDE_WINDOW_S` close the gate for the whole token (D9)."""
WIDE_WINDOW_S = 10.0
PHONES_MAX = 10_000
PROBE_S = 30.0
OUTAGE_S = 10.0
"""So long without one connection: the provider is away."""
OUTAGE_GAP_S = 30.0
"""Failures further apart are not one outage."""


class FloodGate:
    """FLOOD_WAIT, for one phone first and for the token only after several phones."""

    def __init__(self) -> None:
        self._phones: dict[str, int] = {}
        self._token_until = 0
        self._recent: deque[tuple[float, str]] = deque(maxlen=64)

    def until(self, phone: str, now: int) -> int | None:
        """The instant (ms) before which this phone must wait; None: it may go."""
        until = max(self._phones.get(phone, 0), self._token_until)
        return until if until > now else None

    def close(self, phone: str, *, now: int, until: int, at_s: float) -> None:
        """The provider said "flood" about `phone`. `at_s`: real seconds."""
        if len(self._phones) >= PHONES_MAX:
            self._phones = {p: end for p, end in self._phones.items() if end > now}
        if len(self._phones) < PHONES_MAX:
            self._phones[phone] = max(until, self._phones.get(phone, 0))
        self._recent.append((at_s, phone))
        close_by = {p for seen_s, p in self._recent if at_s - seen_s <= WIDE_WINDOW_S}
        if len(close_by) >= WIDE_PHONES:
            self._token_until = max(until, self._token_until)


class Breaker:
    """Open after an error that no retry cures; lets one real request through every 30 s."""

    def __init__(self) -> None:
        self.why = ""
        self._probe_at_s = 0.0

    def open(self, why: str, at_s: float) -> None:
        self.why = why
        self._probe_at_s = at_s + PROBE_S

    def close(self) -> None:
        self.why = ""

    def is_live(self, at_s: float) -> bool:
        """Closed, or due for a probe: without new messages there would be none to probe with."""
        return not self.why or at_s >= self._probe_at_s

    def admit(self, at_s: float) -> bool:
        """Whether a request may go now; while open it takes the probe's turn."""
        if not self.is_live(at_s):
            return False
        self._probe_at_s = at_s + PROBE_S
        return True


class Outage:
    """How long no connection to the provider could be made."""

    def __init__(self) -> None:
        self._first_s: float | None = None
        self._last_s = 0.0

    def fail(self, at_s: float) -> bool:
        """A connection failed; True: it has been like that for too long."""
        if self._first_s is None or at_s - self._last_s > OUTAGE_GAP_S:
            self._first_s = at_s
        self._last_s = at_s
        return at_s - self._first_s >= OUTAGE_S

    def end(self) -> None:
        self._first_s = None


class Budget:
    """A token bucket for polls with a burst of one second; the rest get turns, in order."""

    def __init__(self, per_s: int) -> None:
        self._interval_s = 1 / per_s
        self._full_at_s = 0.0
        """When the bucket will be full again."""
        self._tail_s = 0.0
        """The last turn that was promised to a poll that had to come back."""

    def turn(self, at_s: float) -> float:
        """0: go now. Otherwise come back in so many seconds, later than all that came before."""
        full_at_s = max(self._full_at_s, at_s) + self._interval_s
        if full_at_s - at_s <= 1.0 + 1e-9:
            self._full_at_s = full_at_s
            return 0.0
        self._tail_s = max(self._tail_s, at_s + 1.0) + self._interval_s
        return self._tail_s - at_s

    def spend(self, at_s: float) -> None:
        """A poll before a deadline goes at once; the others wait for it."""
        self._full_at_s = max(self._full_at_s, at_s) + self._interval_s
