"""One line a fact: plain on a terminal, JSON elsewhere. Known secrets are struck out as a net."""

from __future__ import annotations

import logging
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

STRUCK = "[secret]"
SECRET_LENGTH_MIN = 12
"""Shorter values are not searched for: they would strike out innocent text."""

_secrets: set[str] = set()


def protect(*values: str) -> None:
    """Registers values that must never be written, whatever logs them (S-1)."""
    _secrets.update(value for value in values if len(value) >= SECRET_LENGTH_MIN)


def configure(level: str, style: str) -> None:
    """`level`: debug, info, warning, error. `style`: auto, json, plain."""
    number = logging.getLevelNamesMapping()[level.upper()]
    plain = style == "plain" or (style == "auto" and sys.stderr.isatty())
    renderer: Any = (
        structlog.dev.ConsoleRenderer() if plain else structlog.processors.JSONRenderer()
    )
    shared: list[Any] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        _strike_out,
    ]
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(max(number, logging.WARNING))
    # Their debug and access lines hold URLs, and so passwords (protocol.md 6.3).
    for name in ("uvicorn.access", "aiohttp.access", "aiohttp.client", "asyncio"):
        logging.getLogger(name).setLevel(logging.WARNING)


def _strike_out(
    _logger: Any, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    for key, value in event.items():
        if isinstance(value, str):
            event[key] = _struck(value)
    return event


def _struck(text: str) -> str:
    for secret in _secrets:
        if secret in text:
            text = text.replace(secret, STRUCK)
    return text
