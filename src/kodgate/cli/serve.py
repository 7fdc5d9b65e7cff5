"""`kodgate serve`: production. Real upstreams, your settings, no demo data."""

from __future__ import annotations

import asyncio
import signal

import uvloop

from kodgate.cli.exits import SETUP, Failed
from kodgate.config import Config
from kodgate.web import app, logs


def main(config: Config) -> int:
    """Runs until SIGTERM or SIGINT; then stops cleanly within 6 seconds."""
    logs.configure(config.log.level, config.log.format)
    try:
        uvloop.run(_serve(config))
    except app.SetupError as error:
        raise Failed(str(error), SETUP) from None
    return 0


async def _serve(config: Config) -> None:
    stopped = stop_signal()
    gateway = app.Gateway(config)
    await gateway.start()
    try:
        await gateway.run(until=stopped)
    finally:
        await gateway.stop()


def stop_signal() -> asyncio.Event:
    """Set at SIGTERM or SIGINT."""
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    return stopped
