"""Sessions on the server: a random cookie, of which only the digest is stored (S-106, S-107)."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Callable

from kodgate.store.cabinet import CabinetStore, Session, User

IDLE_MS = 12 * 3_600_000
LIFE_MS = 7 * 86_400_000
SECOND_FACTOR_MS = 10 * 60_000
"""How long a right password waits for the second factor."""
TOUCH_MS = 60_000
PROVED_MS = 5 * 60_000
"""How long a password that was just given covers sensitive changes (S-110)."""

FULL = "full"
PASSWORD = "password"  # noqa: S105  (a stage, not a secret)

AGENT_MAX = 200

_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")


class Sessions:
    """Opens, finds and ends them. `now`: wall clock, ms."""

    def __init__(self, store: CabinetStore, now: Callable[[], int]) -> None:
        self._store = store
        self._now = now

    async def open(self, user: User, *, stage: str, ip: str, agent: str) -> str:
        """The cookie of a new session: always a new one, so that none can be planted."""
        now, token = self._now(), secrets.token_urlsafe(32)
        life = LIFE_MS if stage == FULL else SECOND_FACTOR_MS
        session = Session(
            id=0,
            user_id=user.id,
            csrf=secrets.token_urlsafe(24),
            stage=stage,
            view_account_id=None,
            created_at=now,
            seen_at=now,
            proved_at=now,
            expires_at=now + life,
            ip=ip,
            agent=agent[:AGENT_MAX],
        )
        await self._store.open_session(_digest(token), session)
        return token

    async def find(self, token: str) -> tuple[Session, User] | None:
        """None: no such session, or it or its user has ended."""
        if not _TOKEN.fullmatch(token):
            return None
        session = await self._store.session(_digest(token))
        now = self._now()
        if session is None or now >= session.expires_at or now - session.seen_at > IDLE_MS:
            return None
        user = await self._store.user_by_id(session.user_id)
        if user is None or user.disabled:
            return None
        if now - session.seen_at > TOUCH_MS:
            await self._store.touch_session(session.id, seen_at=now)
        return session, user

    def is_proved(self, session: Session) -> bool:
        """Whether the password was given a moment ago."""
        return self._now() - session.proved_at <= PROVED_MS


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("ascii")).digest()
