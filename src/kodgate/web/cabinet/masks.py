"""What is hidden in texts that were recorded as they came."""

from __future__ import annotations

from collections.abc import Iterable

from kodgate.core import phones

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


def hidden_value(value: str) -> str:
    """What was given as a phone or a code, however it was written."""
    digits = digits_of(value)
    return phones.mask(digits) if len(digits) > 8 else "*" * min(len(value), 8)


def digits_of(text: str) -> str:
    return "".join(sign for sign in text if sign.isascii() and sign.isdigit())
