"""The system's random numbers, fetched in pieces: a call of its own for each code costs more than
all the rest of drawing it."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable

WORDS = struct.Struct("=512Q")
"""One piece: 4 KiB."""
WORD_END = 2**64
TRIES_MAX = 8
"""A word is of no use once in 2^37 draws of an eight-digit code: so many in a row are no chance."""


class Chance:
    """Numbers of which each is given away once. `source(n)`: n bytes of a CSPRNG."""

    def __init__(self, source: Callable[[int], bytes] = os.urandom) -> None:
        self._source = source
        self._words: list[int] = []
        os.register_at_fork(after_in_child=self._words.clear)  # or it would draw its parent's

    def below(self, n: int) -> int:
        """Uniform, 0..n-1, for n up to 2^32. Raises RuntimeError: the source is broken."""
        assert 0 < n <= 2**32
        fair_end = WORD_END - WORD_END % n
        for _ in range(TRIES_MAX):
            if not self._words:
                self._words.extend(WORDS.unpack(self._source(WORDS.size)))
            word = self._words.pop()
            if word < fair_end:
                return word % n
        raise RuntimeError("the source of randomness is broken")
