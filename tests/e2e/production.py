"""`kodgate serve` as an operator sets it up, with a sandbox elsewhere in the place of providers."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from bench.ports import free_ports
from tests.e2e.caller import Caller, until
from typer.testing import CliRunner

from kodgate.cli.main import app
from kodgate.core.clock import Anchor
from kodgate.sandbox.config import SandboxConfig, to_json

TOKEN = "canaryToken0123456789abcdef"
SMSC_PASSWORD = "canaryPw"
TARIFF = "prefix;zone;channel;price\n7;1;telegram;2,10\n7;1;sms;4,20\n"
STOP_S = 10.0


class Production:
    """Config file, secrets in files, routes and accounts by the command line only."""

    def __init__(self, folder: Path, *, data: Path | None = None, time_scale: int = 10) -> None:
        self.folder = folder
        self.data = data or folder / "data"
        self.time_scale = time_scale
        self.secret = ""
        self.log = folder / "serve.log"
        self.sandbox_log = folder / "sandbox.log"
        self.config = folder / "kodgate.toml"
        self.wire, self.json, self.metrics, self.telegram, self.proxy, self.smsc = free_ports(6)
        self.process: subprocess.Popen[bytes] | None = None
        self._sandbox: subprocess.Popen[bytes] | None = None
        (folder / "master.key").write_text(secrets.token_hex(32))
        (folder / "token").write_text(TOKEN + "\n")
        (folder / "smsc-password").write_text(SMSC_PASSWORD)
        self._write_config()

    def copy_to(self, folder: Path, *, data: Path | None = None) -> Production:
        """The same set-up on the same ports, elsewhere; this one must not run."""
        copy = Production(folder, data=data, time_scale=self.time_scale)
        for name in ("wire", "json", "metrics", "telegram", "proxy", "smsc"):
            setattr(copy, name, getattr(self, name))
        shutil.copy(self.folder / "master.key", folder / "master.key")
        shutil.copytree(self.data, copy.data)
        copy._write_config()
        return copy

    def start_sandbox(self) -> None:
        """A process of its own, as foreign as a provider."""
        now = int(time.time() * 1000)
        anchor = Anchor(real_ms=now, business_ms=now, scale=self.time_scale)
        ready = self.folder / "ready.json"
        settings = SandboxConfig(
            folder=self.folder / "sandbox",
            telegram_port=self.telegram,
            proxy_port=self.proxy,
            smsc_port=self.smsc,
            token=TOKEN,
            password=SMSC_PASSWORD,
            anchor=anchor,
            ready_file=ready,
        )
        told = self.folder / "sandbox.json"
        told.write_text(to_json(settings))
        command = [sys.executable, "-X", "dev", "-m", "kodgate.sandbox", str(told)]
        with self.sandbox_log.open("ab") as log:
            self._sandbox = subprocess.Popen(command, stdout=log, stderr=log)
        until(ready.exists, 20)

    def _write_config(self) -> None:
        self.config.write_text(
            f"""
            data = "{self.data}"
            time_scale = {self.time_scale}
            [http]
            port = {self.wire}
            json_port = {self.json}
            log_requests = true
            [metrics]
            port = {self.metrics}
            [telegram]
            base_url = "http://127.0.0.1:{self.telegram}"
            callback_url = "http://127.0.0.1:{self.wire}/callbacks/telegram"
            [log]
            level = "debug"
            format = "json"
            """
        )

    @property
    def database(self) -> str:
        """Always the embedded one: the disk is the point of some tests."""
        return f"sqlite:///{self.data / 'kodgate.db'}"

    @property
    def environ(self) -> dict[str, str]:
        return {
            **os.environ,
            "KODGATE_CONFIG": str(self.config),
            "KODGATE_DATABASE": self.database,
            "KODGATE_MASTER_KEY_FILE": str(self.folder / "master.key"),
            "KODGATE_TELEGRAM__TOKEN_FILE": str(self.folder / "token"),
        }

    def run(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """`kodgate WORDS`."""
        done = subprocess.run(
            [sys.executable, "-m", "kodgate", *words],
            env=self.environ,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert not check or done.returncode == 0, done.stderr
        return done

    def command(self, *words: str) -> str:
        """The same without a process of its own: the set-up takes many."""
        done = CliRunner().invoke(app, list(words), env=self.environ)
        assert done.exit_code == 0, done.output
        return done.output

    def set_up(self) -> Caller:
        """Tariff, route and alice's account with money."""
        tariff = self.folder / "tariff.csv"
        tariff.write_text(TARIFF)
        self.command("tariff", "import", str(tariff))
        password = self.folder / "smsc-password"
        fields = (
            "host=127.0.0.1",
            f"port={self.smsc}",
            "system_id=sandbox",
            f"password_file={password}",
        )
        self.command("route", "add", "main", *(x for field in fields for x in ("--set", field)))
        settings = ("sender=kodgate", "template=Code {code}")
        printed = self.command(
            "account", "create", "alice", *(x for one in settings for x in ("--set", one))
        )
        self.command("account", "top-up", "alice", "1000", "--document", "invoice 1")
        secret = printed.partition("http_password: ")[2].split()[0]
        return Caller(self, login="alice", password=secret)  # type: ignore[arg-type]

    def start(self) -> None:
        """Returns when it answers /readyz. Raises AssertionError with its log if it does not."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "kodgate", "serve"],
                env=self.environ,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        until(self._is_ready, 30)

    def _is_ready(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.log.read_text()[-3000:]
        try:
            with urlopen(f"http://127.0.0.1:{self.metrics}/readyz", timeout=5) as answer:
                return bool(answer.status == 200)
        except (URLError, OSError):
            return False

    def terminate(self) -> float:
        """SIGTERM; seconds until it ended with success."""
        assert self.process is not None
        began = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(STOP_S) == 0, self.log.read_text()[-3000:]
        self.process = None
        return time.monotonic() - began

    def kill(self) -> None:
        for process in (self.process, self._sandbox):
            if process is not None:
                process.kill()
                process.wait()
        self.process = self._sandbox = None
