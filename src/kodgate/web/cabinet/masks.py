"""What is hidden in texts that were recorded as they came."""

from __future__ import annotations

from collections.abc import Iterable

SHOWN = 4
"""Last digits of a phone that stay."""


def masked(text: str, hidden: Iterable[str]) -> str:
    """`text` without the given phones and codes."""
    for value in hidden:
        if value and value.isascii() and value.isdigit():
            text = text.replace(value, hide(value))
    return text


def hide(value: str) -> str:
    """`79123456789` -> `7912***6789`; a code becomes stars."""
    if len(value) > 8:
        return f"{value[:SHOWN]}***{value[-SHOWN:]}"
    return "*" * len(value)
