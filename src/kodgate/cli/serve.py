"""`kodgate serve`: production. Real upstreams, your settings, no demo data."""

from __future__ import annotations

import asyncio

import uvloop

from kodgate.cli.exits import SETUP, Failed
from kodgate.cli.signals import stop_signal
from kodgate.cli.workers import Workers, divide
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
    division = divide(config)
    gateway = app.Gateway(division.own, fronted=division.fronted)
    workers = Workers(division)
    await gateway.start()
    try:
        await workers.start()
        await gateway.run(until=stopped)
    finally:
        await asyncio.gather(workers.stop(), gateway.stop())
