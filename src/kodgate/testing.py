"""What tests get: the real gateway and its sandbox as processes on loopback, and a pytest fixture.

Needs `kodgate[server]` and pytest. Switch it on in your `conftest.py`:

    pytest_plugins = ["kodgate.testing"]
"""

from __future__ import annotations

import json
import os
import re
import secrets
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pytest

from kodgate.client.aio import AsyncClient
from kodgate.client.options import Protocol
from kodgate.client.sync import Client
from kodgate.core import phones

LOGIN = "demo"
READY_S = 40.0
STOP_S = 10.0
LOOK_S = 0.05
TIME_SCALE = 10.0

PORTS = ("wire", "json", "metrics", "telegram", "proxy", "smsc")
OPTIONS = ("--port", "--json-port", "--metrics-port", "--telegram-port", "--proxy-port",
           "--smsc-port")  # fmt: skip

Outcome = str | Mapping[str, object]
"""A name or the fields of an outcome of the sandbox."""

_CODE = re.compile(r"(?<![0-9])[0-9]{4,8}(?![0-9])")
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))
"""Loopback is never asked through a proxy."""


class Gateway:
    """`kodgate up` on ports that the system chooses; keeps them, and the data, over restarts."""

    def __init__(
        self,
        data: Path,
        *,
        balance: str = "1000.00",
        time_scale: float = 1.0,
        secret: str | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        """`data`: its folder; its log stands beside it. `balance`: of the demo account, in
        currency units. `time_scale`: business time runs so many times faster. `environ`:
        variables for the process, which gets no other KODGATE_ ones."""
        self.data = data
        self.time_scale = time_scale
        self.secret = secret or secrets.token_hex(16)
        self.log = data.parent / f"{data.name}.log"
        self.process: subprocess.Popen[bytes] | None = None
        self.wire = self.json = self.metrics = self.telegram = self.proxy = self.smsc = 0
        self._environ = {
            **{name: text for name, text in os.environ.items() if not name.startswith("KODGATE_")},
            "KODGATE_DEMO_SECRET": self.secret,
            "KODGATE_DEMO_BALANCE": balance,
            "KODGATE_LOG__FORMAT": "json",
            **(environ or {}),
        }

    @property
    def url(self) -> str:
        """Where the wire, the JSON service and the inbox answer."""
        return f"http://127.0.0.1:{self.wire}"

    def client(self, *, protocol: Protocol = "http", **options: Any) -> Client:
        """A client of the demo account."""
        return Client(LOGIN, self.secret, base_url=self.url, protocol=protocol, **options)

    def async_client(self, *, protocol: Protocol = "http", **options: Any) -> AsyncClient:
        return AsyncClient(LOGIN, self.secret, base_url=self.url, protocol=protocol, **options)

    # What the phones do, and what they got

    def will(
        self,
        phone: str,
        telegram: Outcome | None = None,
        *,
        sms: Outcome | None = None,
        once: bool = False,
    ) -> None:
        """What a phone does with its codes from now on, or with its next one only (`once`)."""
        given = {"telegram": telegram, "sms": sms}
        said = {channel: outcome for channel, outcome in given.items() if outcome is not None}
        self.control("/phones", phone=phones.normalise(phone), once=once, **said)

    def last_code(self, phone: str, *, timeout: float = 5.0) -> str:
        """The code of the newest message on a phone; waits for one for `timeout` seconds. Raises
        TimeoutError."""
        number = phones.normalise(phone)
        ends_at = time.monotonic() + timeout
        while True:
            messages = self.control(f"/messages?phone={number}")
            if messages:
                found = _CODE.search(str(messages[0].get("code") or messages[0].get("text")))
                if found is not None:
                    return found[0]
            if time.monotonic() > ends_at:
                raise TimeoutError(f"no code came to {phones.mask(number)} within {timeout} s")
            time.sleep(LOOK_S)

    def read(self, phone: str) -> bool:
        """The person opens the chat; False: there was nothing new to read."""
        done: bool = self.control("/read", phone=phones.normalise(phone))["ok"]
        return done

    def control(self, path: str, **fields: object) -> Any:
        """The sandbox's control API: with fields a POST, else a GET."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.telegram}/control{path}",
            json.dumps(fields).encode() if fields else None,
            {"Content-Type": "application/json"},
        )
        with _DIRECT.open(request, timeout=20) as answer:
            return json.loads(answer.read())

    # The processes

    def start(self, **environ: str) -> None:
        """Returns when it is ready. Raises RuntimeError with its last lines if it is not."""
        ready = self.data / "ready.json"
        ready.unlink(missing_ok=True)
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(  # noqa: S603 - our own command
                self._command(),
                stdout=log,
                stderr=log,
                env={**self._environ, **environ},
                start_new_session=True,
            )
        ends_at = time.monotonic() + READY_S
        while time.monotonic() < ends_at and self.process.poll() is None:
            if ready.exists():
                self._keep_ports()
                return
            time.sleep(LOOK_S)
        self.kill()
        tail = self.log.read_text("utf-8", "replace")[-3000:]
        raise RuntimeError(f"kodgate up was not ready:\n{tail}")

    def _command(self) -> list[str]:
        ports = (getattr(self, name) for name in PORTS)
        chosen = [word for pair in zip(OPTIONS, map(str, ports), strict=True) for word in pair]
        command = [sys.executable, "-m", "kodgate", "up", "--data", str(self.data)]
        return [*command, "--time-scale", str(self.time_scale), *chosen]

    def ports(self) -> dict[str, int]:
        """As the running process tells them, by the names of PORTS."""
        return {name: port for name, port in self.ready().items() if isinstance(port, int)}

    def ready(self) -> dict[str, Any]:
        """All that the running process tells of itself."""
        found: dict[str, Any] = json.loads((self.data / "ready.json").read_text("ascii"))
        return found

    def _keep_ports(self) -> None:
        ports = self.ports()
        for name in PORTS:
            setattr(self, name, ports[name])

    def stop(self) -> float:
        """SIGTERM to gateway and sandbox; seconds until they ended. Raises TimeoutExpired, after a
        kill."""
        assert self.process is not None
        began = time.monotonic()
        os.killpg(self.process.pid, signal.SIGTERM)
        try:
            self.process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self.kill()
            raise
        self.process = None
        return time.monotonic() - began

    def kill(self) -> None:
        """kill -9 of the whole group: gateway and sandbox."""
        if self.process is not None:
            self.kill_group()
            self.process.wait()
            self.process = None

    def kill_group(self) -> None:
        """The same for what may be left of the group once the gateway has ended."""
        assert self.process is not None
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.process is not None:
            self.stop()


@pytest.fixture(scope="session")
def kodgate_time_scale() -> float:
    """How many times faster business time runs; define your own fixture of this name."""
    return TIME_SCALE


@pytest.fixture(scope="session")
def kodgate_gateway(
    tmp_path_factory: pytest.TempPathFactory, kodgate_time_scale: float
) -> Iterator[Gateway]:
    """A running gateway with its sandbox, one for all tests: give each test a phone of its own."""
    data = tmp_path_factory.mktemp("kodgate") / "data"
    with Gateway(data, balance="1000000.00", time_scale=kodgate_time_scale) as gateway:
        yield gateway
