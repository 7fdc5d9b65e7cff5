"""What one sandbox process is told: folder, ports, credentials, clock."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from kodgate.core.clock import REAL, Anchor


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxConfig:
    """Ports of 0 are chosen by the operating system and reported when the sandbox is ready."""

    folder: Path
    """Holds `sandbox.sqlite` and the proxy listener's `ca.pem`; created if it is missing."""
    host: str = "127.0.0.1"
    """Loopback only: everything here is open to whoever reaches it."""
    telegram_port: int = 8081
    """Telegram Gateway, control API and inbox."""
    proxy_port: int = 8082
    """CONNECT-proxy listener."""
    smsc_port: int = 2775
    token: str = field(default="sandbox", repr=False)
    credit: int = 1_000_000 * 10_000
    """The credit of a new folder, in 1/10,000."""
    own_phones: tuple[str, ...] = ()
    """Numbers of the token's owner: their messages are free (telegram.md 1.2)."""
    system_id: str = "sandbox"
    password: str = field(default="sandbox", repr=False)
    anchor: Anchor = REAL
    watch_parent: bool = False
    """End when standard input ends: the parent process has died."""
    ready_file: Path | None = None
    """Gets the ports as JSON when everything listens; removed at a clean end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """Where a started sandbox listens."""

    telegram: int
    proxy: int
    smsc: int


def from_json(text: str) -> SandboxConfig:
    """Raises ValueError with the key's name for anything that is not a setting."""
    raw: dict[str, Any] = json.loads(text)
    unknown = set(raw) - {one.name for one in fields(SandboxConfig)}
    if unknown:
        raise ValueError(f"unknown sandbox settings: {', '.join(sorted(unknown))}")
    for name in ("folder", "ready_file"):
        if raw.get(name) is not None:
            raw[name] = Path(raw[name])
    if "anchor" in raw:
        raw["anchor"] = Anchor(**raw["anchor"])
    if "own_phones" in raw:
        raw["own_phones"] = tuple(raw["own_phones"])
    return SandboxConfig(**raw)


def to_json(config: SandboxConfig) -> str:
    """The inverse of `from_json`, for the process that starts a sandbox."""
    raw = {one.name: getattr(config, one.name) for one in fields(config)}
    raw["folder"] = str(config.folder)
    raw["ready_file"] = None if config.ready_file is None else str(config.ready_file)
    raw["anchor"] = {
        "real_ms": config.anchor.real_ms,
        "business_ms": config.anchor.business_ms,
        "scale": config.anchor.scale,
    }
    return json.dumps(raw)
