"""Cabinet passwords: argon2id, off the event loop, few at a time (trust.md 2.1, D13)."""

from __future__ import annotations

import asyncio
import secrets
import string

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

AT_ONCE = 2
"""One evaluation takes some 50 ms of a core and 46 MiB."""

LENGTH_MIN = 12
LENGTH_MAX = 128
MADE_LENGTH = 20

_ALPHABET = string.ascii_letters + string.digits


def generate() -> str:
    """20 of `[A-Za-z0-9]`: 119 bits."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(MADE_LENGTH))


def is_allowed(password: str) -> bool:
    """Length only: composition rules make passwords worse (NIST SP 800-63B, 3.1.1.2)."""
    return LENGTH_MIN <= len(password) <= LENGTH_MAX


def make_hash(password: str) -> str:
    """For commands; the web uses `Passwords`."""
    return PasswordHasher().hash(password)


class Passwords:
    """Hashes and checks. Nobody's password takes as long as somebody's (ASVS 6.3.8)."""

    def __init__(self) -> None:
        self._hasher = PasswordHasher()
        self._nobody = self._hasher.hash(secrets.token_urlsafe())
        self._room = asyncio.Semaphore(AT_ONCE)

    async def hash(self, password: str) -> str:
        async with self._room:
            return await asyncio.to_thread(self._hasher.hash, password)

    async def fits(self, kept: str | None, password: str) -> bool:
        """`kept` None: there is no such user, which takes as long to say."""
        if len(password) > LENGTH_MAX:
            return False
        async with self._room:
            fits = await asyncio.to_thread(self._verify, kept or self._nobody, password)
        return fits and kept is not None

    def _verify(self, kept: str, password: str) -> bool:
        try:
            return self._hasher.verify(kept, password)
        except (VerificationError, InvalidHashError):
            return False
