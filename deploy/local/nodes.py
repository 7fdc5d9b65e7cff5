"""Nodes of kodgate over one database, with the sandbox as their providers, all on loopback."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from deploy.local.cluster import DEPLOY, ask
from deploy.local.processes import Process, free_port, until

READY_S = 60.0
COMMAND_S = 90.0
LOGIN = "alice"
BALANCE = "1000000.00"
PRICES = "prefix;zone;channel;price\n;1;telegram;2,10\n;1;sms;4,20\n"
SETTINGS = ("sender=kodgate", "template=Код: {code}", "unique_message_ids=yes")


@dataclass(slots=True, kw_only=True)
class Node:
    """One `kodgate serve`."""

    name: str
    wire: int
    metrics: int
    process: Process

    def is_ready(self) -> bool:
        """Its database answers, and a channel can send."""
        return self.process.alive and ask(f"http://127.0.0.1:{self.metrics}/readyz")[0] == 200

    def await_ready(self) -> None:
        """Raises TimeoutError with its last lines."""
        try:
            until(f"{self.name} ready", self.is_ready, READY_S)
        except TimeoutError as error:
            raise TimeoutError(f"{error}\n{self.process.tail()}") from None


@dataclass(slots=True, kw_only=True)
class Nodes:
    """Several nodes, their sandbox and one customer.

    `database`: the url. `roles`: of each node; as many nodes as there are entries.
    """

    folder: Path
    database: str
    roles: tuple[str, ...] = ("http,deliver,smpp,web",) * 2
    secret: str = field(default="", repr=False)
    """The customer's http_password, once prepared."""
    each: list[Node] = field(default_factory=list)
    telegram: int = 0
    """Port of the sandbox's Telegram Gateway and of its control API."""
    smsc: int = 0
    _sandbox: Process | None = None
    _master_key: str = field(default_factory=lambda: secrets.token_hex(32), repr=False)

    def start(self) -> None:
        """The sandbox, the customer with money, then every node. Raises TimeoutError."""
        self._start_sandbox()
        self._prepare()
        for number, roles in enumerate(self.roles, 1):
            if len(self.each) < number:
                self.each.append(self._node(f"node{number}", free_port(), free_port(), roles))
            self.each[number - 1].process.start()
        for node in self.each:
            node.await_ready()

    def reserve(self) -> list[tuple[int, int]]:
        """Chooses the ports (wire, metrics) of the nodes, for who must know them before."""
        self.each = [
            self._node(f"node{number}", free_port(), free_port(), roles)
            for number, roles in enumerate(self.roles, 1)
        ]
        return [(node.wire, node.metrics) for node in self.each]

    def stop(self) -> None:
        for node in self.each:
            node.process.stop()
        if self._sandbox is not None:
            self._sandbox.stop()

    def command(self, *words: str) -> str:
        """`kodgate WORDS` on the nodes' database; what it printed."""
        done = subprocess.run(
            [sys.executable, "-m", "kodgate", *words],
            env=self._environ(),
            capture_output=True,
            text=True,
            timeout=COMMAND_S,
            check=False,
        )
        if done.returncode != 0:
            raise RuntimeError(f"kodgate {' '.join(words)}: {done.stderr}")
        return done.stdout

    def _node(self, name: str, wire: int, metrics: int, roles: str) -> Node:
        own = {
            "NODE": f"host1/{name}",
            "DATA": str(self.folder / name),
            "ROLES": roles,
            "HTTP__PORT": str(wire),
            "HTTP__JSON_PORT": "0",
            "HTTP__ALLOW_PLAIN": "true",  # HAProxy speaks without TLS here
            "METRICS__PORT": str(metrics),
            "LOG__FORMAT": "json",
        }
        command = [sys.executable, "-m", "kodgate", "serve", "-c", str(DEPLOY / "kodgate.toml")]
        log = self.folder / f"{name}.log"
        process = Process(name, command, log, lambda: self._environ(**own))
        return Node(name=name, wire=wire, metrics=metrics, process=process)

    def _environ(self, **own: str) -> dict[str, str]:
        settings = {
            "DATA": str(self.folder / "admin"),
            "DATABASE": self.database,
            "KEYS": str(self.folder / "keys"),
            "MASTER_KEY": self._master_key,
            "TELEGRAM__TOKEN": "sandbox",
            "TELEGRAM__BASE_URL": f"http://127.0.0.1:{self.telegram}",
            "TELEGRAM__CALLBACK_URL": "own",
            **own,
        }
        clean = {name: text for name, text in os.environ.items() if not name.startswith("KODGATE_")}
        return {**clean, **{f"KODGATE_{name}": text for name, text in settings.items()}}

    def _start_sandbox(self) -> None:
        ready = self.folder / "sandbox.ready"
        settings = {
            "folder": str(self.folder / "sandbox"),
            "telegram_port": 0,
            "proxy_port": 0,
            "smsc_port": 0,
            "ready_file": str(ready),
        }
        told = self.folder / "sandbox.json"
        told.write_text(json.dumps(settings), "utf-8")
        command = [sys.executable, "-m", "kodgate.sandbox", str(told)]
        self._sandbox = Process("sandbox", command, self.folder / "sandbox.log")
        self._sandbox.start()
        until("the sandbox", ready.exists, READY_S)
        ports = json.loads(ready.read_text("ascii"))
        self.telegram, self.smsc = ports["telegram"], ports["smsc"]

    def _prepare(self) -> None:
        prices = self.folder / "prices.csv"
        prices.write_text(PRICES, "utf-8")
        self.command("tariff", "import", str(prices))
        fields = {"host": "127.0.0.1", "port": self.smsc, "system_id": "sandbox"}
        words = [f"{name}={value}" for name, value in {**fields, "password": "sandbox"}.items()]
        self.command("route", "add", "main", *(part for word in words for part in ("--set", word)))
        options = [part for setting in SETTINGS for part in ("--set", setting)]
        printed = self.command("account", "create", LOGIN, *options)
        self.secret = printed.partition("http_password: ")[2].split()[0]
        self.command("account", "top-up", LOGIN, BALANCE)
