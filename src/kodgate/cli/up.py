"""`kodgate up`: the gateway with its sandbox upstreams and a demo account, in the foreground."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import os
import secrets
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import typer
import uvloop

from kodgate.cli import demo
from kodgate.cli.exits import SETUP, Failed
from kodgate.cli.opening import Opened
from kodgate.cli.signals import stop_signal
from kodgate.cli.workers import Workers, divide
from kodgate.config import Config
from kodgate.core import money
from kodgate.engine.clock import Clock
from kodgate.sandbox.config import SandboxConfig, to_json
from kodgate.web import app, logs

READY_FILE = "ready.json"
READY_S = 20.0
CHILD_STOP_S = 4.0
TOKEN = "sandbox"


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxPorts:
    """Of the sandbox; 0 lets the operating system choose."""

    telegram: int
    proxy: int
    smsc: int


def main(config: Config, ports: SandboxPorts) -> int:
    """Runs until SIGTERM or SIGINT; a second start continues where the first ended."""
    logs.configure(config.log.level, config.log.format)
    try:
        uvloop.run(_up(config, ports))
    except (app.SetupError, OSError) as error:
        raise Failed(str(error), SETUP) from None
    return 0


async def _up(config: Config, ports: SandboxPorts) -> None:
    stopped = stop_signal()
    _prepare_folder(config.data)
    config = _with_master_key(config)
    store = await app.open_store(config)
    keyring = app.open_keyring(config)
    clock = await app.open_clock(config, store)
    sandbox = await Sandbox.start(config, ports, clock)
    try:
        opened = Opened(store=store, keyring=keyring, clock=clock)
        secret = await demo.prepare(opened, data=config.data, smsc_port=sandbox.ports.smsc)
        people = await demo.people(opened, data=config.data)
        division = divide(_with_sandbox(config, sandbox.ports))
        inbox_url = f"http://127.0.0.1:{sandbox.ports.telegram}"
        gateway = app.Gateway(
            division.own,
            store=store,
            keyring=keyring,
            clock=clock,
            inbox_url=inbox_url,
            fronted=division.fronted,
        )
        workers = Workers(division, inbox_url=inbox_url)
        await gateway.start()
        try:
            await workers.start()
            account = await store.account(demo.LOGIN)
            assert account is not None
            given = Given(secret=secret, people=people, balance=account.balance)
            typer.echo(_screen(config, gateway.ports, sandbox.ports, given))
            sys.stdout.flush()
            ready = dataclasses.asdict(gateway.ports) | dataclasses.asdict(sandbox.ports)
            _write_ready(config.data / READY_FILE, {**ready, "workers": workers.metrics})
            await gateway.run(until=stopped, child=sandbox.process)
        finally:
            (config.data / READY_FILE).unlink(missing_ok=True)
            await asyncio.gather(workers.stop(), gateway.stop())
    finally:
        await sandbox.stop()
        await store.close()


def _prepare_folder(folder: Path) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)


def _with_master_key(config: Config) -> Config:
    """The configured key, or one that lives with the demo's data."""
    if config.master_key.get_secret_value():
        return config
    path = config.data / app.MASTER_KEY_FILE
    if not path.exists():
        path.touch(mode=0o600)
        path.write_text(secrets.token_hex(32) + "\n", "ascii")
    return config


def _with_sandbox(config: Config, ports: SandboxPorts) -> Config:
    """The real channels, pointed at the sandbox: address and credentials only (D11)."""
    telegram = config.telegram.model_copy(
        update={
            "token": type(config.telegram.token)(TOKEN),
            "base_url": f"http://127.0.0.1:{ports.telegram}",
            "callback_url": app.OWN_CALLBACK,
        }
    )
    return config.model_copy(update={"telegram": telegram})


def _write_ready(path: Path, ports: Mapping[str, object]) -> None:
    """For scripts that start us: the ports, in one piece, once everything listens."""
    written = path.with_suffix(".new")
    written.write_text(json.dumps(ports) + "\n", "ascii")
    written.rename(path)


class Sandbox:
    """The sandbox as its own process in our process group; it ends when we do."""

    def __init__(self, process: asyncio.subprocess.Process, ports: SandboxPorts) -> None:
        self.process = process
        self.ports = ports

    @classmethod
    async def start(cls, config: Config, ports: SandboxPorts, clock: Clock) -> Sandbox:
        """Raises SetupError when it does not come up."""
        with tempfile.TemporaryDirectory() as folder:
            ready = Path(folder) / "ready.json"
            settings = SandboxConfig(
                folder=config.data / "sandbox",
                telegram_port=ports.telegram,
                proxy_port=ports.proxy,
                smsc_port=ports.smsc,
                anchor=clock.anchor,
                watch_parent=True,
                ready_file=ready,
            )
            told = Path(folder) / "sandbox.json"
            told.write_text(to_json(settings), "utf-8")
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "kodgate.sandbox",
                str(told),
                stdin=asyncio.subprocess.PIPE,
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
            )
            found = await _await_ready(process, ready)
        return cls(process, SandboxPorts(**found))

    async def stop(self) -> None:
        """SIGTERM, and after a while SIGKILL: its state is durable at any moment."""
        if self.process.returncode is None:
            self.process.terminate()
            try:
                async with asyncio.timeout(CHILD_STOP_S):
                    await self.process.wait()
            except TimeoutError:
                self.process.kill()
                await self.process.wait()


async def _await_ready(process: asyncio.subprocess.Process, ready: Path) -> dict[str, int]:
    for _ in range(int(READY_S / 0.05)):
        if ready.exists():
            found: dict[str, int] = json.loads(ready.read_text("ascii"))
            return {name: found[name] for name in ("telegram", "proxy", "smsc")}
        if process.returncode is not None:
            raise app.SetupError("the sandbox did not start: see the lines above")
        await asyncio.sleep(0.05)
    process.kill()
    raise app.SetupError(f"the sandbox was not ready within {READY_S:.0f} s")


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What the demo hands out."""

    secret: str
    people: demo.People
    balance: int


def _pages_host(config: Config) -> str:
    return config.pages.name or config.pages.host or config.http.host


def _screen(config: Config, ports: app.Ports, sandbox: SandboxPorts, given: Given) -> str:
    base = f"http://{config.http.host}:{ports.wire}"
    pages = f"http://{_pages_host(config)}:{ports.pages}"
    shown = money.text(given.balance, money.decimals(given.balance))
    secret = given.secret
    scale = f"\n  time        {config.time_scale:g} times faster" if config.time_scale != 1 else ""
    return f"""
kodgate is up. Sandbox: nothing leaves this machine.

  wire        {base}/http_in5.asp
  JSON        http://{config.http.host}:{ports.json}/send
  cabinet     {pages}/cabinet/   {demo.LOGIN} / {given.people.demo}
  operator    the same page     {demo.OPERATOR} / {given.people.operator}
  inbox       {pages}/inbox   (the codes that the phones received)
  metrics     http://{config.metrics.host}:{ports.metrics}/metrics
  Telegram    http://127.0.0.1:{sandbox.telegram}   SMSC 127.0.0.1:{sandbox.smsc}
  data        {config.data}{scale}

  API login   {demo.LOGIN}
  password    {secret}
  balance     {shown}

Next, without an account:
  curl '{base}/http_in5.asp?mode=TELE&phone_list=79123456789&test=-1'
then a real one, and its status:
  curl '{base}/http_in5.asp' -d http_username={demo.LOGIN} -d http_password={secret} \\
       -d mode=TELE -d to_sms=1 -d phone_list=70000000002 -d valid_period=30
  curl '{base}/http_out5.asp' -d http_username={demo.LOGIN} -d http_password={secret} \\
       -d packet_id=...

Ctrl-C stops it; the data stays.
"""
