"""The interpreter, set for a server: seldom looking for cycles, seldom making a thread wait."""

from __future__ import annotations

import gc
import sys

YOUNG_OBJECTS = 20_000
"""Allocations between two looks for cycles; by default 700, a fifth of the time of an accept."""

SWITCH_S = 0.000_5
"""How long the thread that commits waits for the interpreter; by default 5 ms a statement."""


def settle() -> None:
    """Once everything is built: what lives for ever is looked at no more."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS, 20, 50)
    sys.setswitchinterval(SWITCH_S)
