"""Assembly: from the settings to a running gateway. The only place that builds everything."""

from __future__ import annotations

import asyncio
import dataclasses
import re
import secrets
import socket
import ssl
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Thread
from typing import Any

import structlog
from pydantic import SecretStr

from kodgate import __version__, wire
from kodgate import channels as channel_modules
from kodgate.channels import Channel, Setup
from kodgate.channels.valve import Valve
from kodgate.config import Config, shown
from kodgate.engine import CLOCK_KEY, Caps, Engine, crash
from kodgate.engine.clock import Clock, Sources, restore
from kodgate.engine.meters import Meters
from kodgate.store import Store, public_url
from kodgate.store import open_store as connect
from kodgate.store.keyring import Keyring
from kodgate.store.migrating import migrate
from kodgate.store.requests import RequestStore
from kodgate.store.tables import tables
from kodgate.web import logs, routes, tuning
from kodgate.web.addresses import Networks
from kodgate.web.api import Api, ApiSettings
from kodgate.web.asgi import App, by_name, mounted, moved, not_found
from kodgate.web.cabinet import templating
from kodgate.web.cabinet.app import PREFIX as CABINET
from kodgate.web.cabinet.app import cabinet
from kodgate.web.cabinet.console.app import PREFIX as CONSOLE
from kodgate.web.cabinet.console.app import console
from kodgate.web.cabinet.console.desk import Facts
from kodgate.web.cabinet.site import Site, SiteSettings
from kodgate.web.callbacks import callbacks
from kodgate.web.chance import Chance
from kodgate.web.inbox import Inbox
from kodgate.web.journal import Journal
from kodgate.web.monitor import Check, HttpMeters, monitor
from kodgate.web.pulse import Pulse
from kodgate.web.requirements import Limits
from kodgate.web.roles import Roles, chosen
from kodgate.web.routes import RouteDesk
from kodgate.web.server import HttpServer, bind, tls_context
from kodgate.web.summing import Summing

log = structlog.get_logger()

MASTER_KEY_FILE = "master.key"
STOP_S = 1.5
SHARED = ("wire", "json")
"""Listeners that several processes may share."""
LOOPBACK = ("127.0.0.0/8", "::1/128")
OWN_CALLBACK = "own"
"""As `telegram.callback_url`: the address that we listen on, for the sandbox on this machine."""

_KEY = re.compile(r"[0-9a-fA-F]{64}")
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class SetupError(Exception):
    """The gateway cannot start; the text says which setting or file, and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """Where a started gateway listens; 0: not in this process's roles."""

    metrics: int
    wire: int = 0
    json: int = 0
    pages: int = 0
    """The wire's, unless pages have a listener of their own."""


def master_key(config: Config) -> bytes:
    """From the settings, else from the data folder. Raises SetupError."""
    text = config.master_key.get_secret_value()
    path = config.data / MASTER_KEY_FILE
    if not text and path.exists():
        text = path.read_text("ascii").strip()
    if not text:
        raise SetupError(
            "no master key: set KODGATE_MASTER_KEY (or KODGATE_MASTER_KEY_FILE) to 64 hex digits,"
            " for instance from `openssl rand -hex 32`, and keep it apart from the data"
        )
    if not _KEY.fullmatch(text):
        raise SetupError("the master key must be 64 hex digits")
    return bytes.fromhex(text)


def open_keyring(config: Config) -> Keyring:
    return Keyring(config.keys_folder, master_key(config))


async def open_store(config: Config) -> Store:
    """Migrated and checked. Raises SetupError."""
    config.data.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        await asyncio.to_thread(migrate, config.database_url)
        store = connect(config.database_url)
        await store.open()
    except (RuntimeError, ValueError, OSError) as error:
        raise SetupError(f"database {public_url(config.database_url)}: {error}") from error
    return store


async def open_clock(config: Config, store: Store) -> Clock:
    """Continues the stored clock (D8)."""
    sources = Sources(wall_s=time.time, steady_s=_boot_time_s, boot_id=_boot_id())
    mark = None if config.trust_wall_clock else await store.get(CLOCK_KEY)
    return restore(mark, sources, scale=config.time_scale)


def _boot_id() -> str:
    return _BOOT_ID.read_text("ascii").strip() if _BOOT_ID.exists() else secrets.token_hex(8)


_boot_time_s = partial(time.clock_gettime, getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))
"""Seconds; goes on while the machine sleeps, where the system has such a clock."""


class Gateway:
    """A running node: engine and listeners. Parts that are not given are made from the settings."""

    def __init__(
        self,
        config: Config,
        *,
        store: Store | None = None,
        keyring: Keyring | None = None,
        clock: Clock | None = None,
        inbox_url: str | None = None,
        fronted: frozenset[str] = frozenset(),
    ) -> None:
        """`fronted`: roles that other processes have on the ports of `http`."""
        self._config = config
        self._fronted = fronted
        self._store = store
        self._owns_store = store is None
        self._keyring = keyring
        self._clock = clock
        self._inbox_url = inbox_url
        self._roles: Roles = chosen(config.roles)
        self._meters = Meters()
        self._journal: Journal | None = None
        self._servers: list[HttpServer] = []
        self._inbox: Inbox | None = None
        self._engine: Engine | None = None
        self._pulse: Pulse | None = None
        self._summing: Summing | None = None
        self._watching: list[Channel] = []
        """Channels that others send through, and that know how these are."""

    @property
    def engine(self) -> Engine:
        assert self._engine is not None, "not started"
        return self._engine

    async def start(self) -> None:
        """Listens when everything behind it is ready. Raises SetupError."""
        config = self._config
        crash.arm(config.crash_at or None)
        logs.protect(config.telegram.token.get_secret_value(), config.master_key.get_secret_value())
        sockets = self._bind()
        ports = {name: one.getsockname()[1] for name, one in sockets.items()}
        if self._fronted:
            ports |= {"wire": config.http.port, "json": config.http.json_port}
        if self._roles.pages or "web" in self._fronted:
            ports.setdefault("pages", ports["wire"])
        self.ports = Ports(**ports)
        if self._store is None:
            self._store = await open_store(config)
        keyring = self._keyring = self._keyring or open_keyring(config)
        clock = self._clock or await open_clock(config, self._store)
        node = config.node or self._roles.node(socket.gethostname())
        channels = self._channels(await self._desk(self._store, keyring, clock, node), clock)
        duties = self._roles.duties(channels)
        self._engine = Engine(
            self._store,
            channels,
            keyring,
            clock,
            node=node,
            duties=duties,
            secret_digest=keyring.secret_digest,
            randbelow=Chance().below,
            steady_s=time.monotonic,
            wall_s=time.time,
            meters=self._meters,
            caps=Caps(**dict(config.limits)),
        )
        self._pulse = Pulse(
            self._store,
            node=node,
            version=__version__,
            sends=duties.sends,
            channels=channels.values(),
        )
        await self._pulse.listen()
        await self._engine.start()
        for name, channel in channels.items():
            if name not in duties.sends and hasattr(channel, "watch"):
                await channel.watch()
                self._watching.append(channel)
        self._pulse.start()
        if self._roles.pages:
            self._summing = Summing(self._store, now=clock.now)
            self._summing.start()
        if self._roles.wire or self._roles.pages:
            self._journal = self._open_journal(node)
            self._journal.start()
        await self._listen(sockets)
        tuning.settle()
        if self._roles.pages:  # codes need no templates: these are compiled beside the first ones
            Thread(target=templating.compile_all, name=templating.THREAD, daemon=True).start()

    async def run(
        self, *, until: asyncio.Event, child: asyncio.subprocess.Process | None = None
    ) -> None:
        """Until the event, or until the child process ends. Raises SetupError for the latter."""
        waits = [asyncio.create_task(until.wait())]
        if child is not None:
            waits.append(asyncio.create_task(child.wait()))  # type: ignore[arg-type]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in waits:
                task.cancel()
        if not until.is_set():
            raise SetupError("the sandbox has ended")

    async def stop(self) -> None:
        """In order: no new requests, no new work, then the store."""
        await asyncio.gather(*(server.stop(STOP_S) for server in self._servers))
        if self._inbox is not None:
            await self._inbox.close()
        if self._pulse is not None:
            await self._pulse.stop()
        if self._summing is not None:
            await self._summing.stop()
        if self._journal is not None:
            await self._journal.stop()
        if self._engine is not None:
            await self._engine.stop()
        for channel in self._watching:
            await channel.stop()
        if self._owns_store and self._store is not None:
            await self._store.close()

    def _bind(self) -> dict[str, socket.socket]:
        """Raises SetupError."""
        sockets = {}
        several = self._config.http.workers > 0
        for name, (host, port) in self._places().items():
            try:
                sockets[name] = bind(host, port, shared=several and name in SHARED)
            except OSError as error:
                for one in sockets.values():
                    one.close()
                raise SetupError(f"cannot listen on {host}:{port} ({name}): {error}") from error
        return sockets

    def _places(self) -> dict[str, tuple[str, int]]:
        """Listener -> address and port. Raises SetupError."""
        http, metrics = self._config.http, self._config.metrics
        wanted = {"metrics": (metrics.host, metrics.port)}
        own_port = self._config.pages.port
        if own_port is None and self._config.pages.host:
            raise SetupError("pages.host needs pages.port: a listener of their own")
        if self._config.pages.name and own_port is None and not self._config.pages.wire_url:
            raise SetupError(
                "pages.name needs pages.wire_url: the wire does not answer to that name, and the"
                " cabinet shows programs which one to call"
            )
        if self._roles.wire or self._roles.callbacks or (self._roles.pages and own_port is None):
            wanted["wire"] = (http.host, http.port)
        if self._roles.pages and own_port is not None:
            wanted["pages"] = (self._pages_host, own_port)
        if self._roles.wire:
            wanted["json"] = (http.host, http.json_port)
        if self._fronted:
            return {name: place for name, place in wanted.items() if name not in SHARED}
        return wanted

    async def _desk(self, store: Store, keyring: Keyring, clock: Clock, node: str) -> RouteDesk:
        """Raises SetupError where a route that is saved cannot be read."""
        try:
            await routes.seal(store, keyring)
            await routes.saved(store, keyring)
        except ValueError as error:
            raise SetupError(f"channel sms: {error}") from error
        holder = f"{node} {secrets.token_hex(8)}"
        return RouteDesk(store, keyring, clock, node=node, holder=holder)

    def _open_journal(self, node: str) -> Journal:
        assert self._store is not None and self._keyring is not None
        kept = self._config.requests
        return Journal(
            RequestStore(tables(self._store)),
            self._keyring,
            now=self.engine.clock.now,
            node=node,
            days=kept.days,
            rows_max=kept.rows_max,
        )

    def _channels(self, desk: RouteDesk, clock: Clock) -> dict[str, Channel]:
        found: dict[str, Channel] = {}
        for name, factory in channel_modules.load().items():
            setup = Setup(
                clock=clock,
                settings=self._section(name),
                desk=desk,
                on_call=self._on_call(name),
            )
            try:
                channel = factory(setup)
            except ValueError as error:
                raise SetupError(f"channel {name}: {error}") from error
            if channel is not None:
                found[name] = Valve(channel, clock)
        return found

    def _on_call(self, channel: str) -> Callable[[str, str, float], None]:
        def count(method: str, outcome: str, seconds: float) -> None:
            self._meters.call(channel, method, outcome, seconds)

        return count

    def _section(self, name: str) -> Mapping[str, Any]:
        """The settings of a channel as plain values."""
        section = getattr(self._config, name, None)
        if section is None:
            return {}
        values = {field: _plain(value) for field, value in section}
        if values.get("callback_url") == OWN_CALLBACK:
            values["callback_url"] = f"http://127.0.0.1:{self.ports.wire}/callbacks/{name}"
        return values

    async def _listen(self, sockets: Mapping[str, socket.socket]) -> None:
        http = self._config.http
        wired, apart = self._apps("pages" in sockets)
        tls = self._tls()
        limits = Limits(
            connections_max=http.connections_max, per_source_max=http.connections_per_source_max
        )
        exempt = Networks((*LOOPBACK, *http.trusted_proxies))
        watch = monitor(self._checks, self._meters.registry)
        for app, names, secure in (
            (watch, ("metrics",), None),
            (wired, ("wire", "json"), tls),
            (apart, ("pages",), tls),
        ):
            own = [sockets[name] for name in names if name in sockets]
            if own:
                server = HttpServer(app, own, limits=limits, exempt=exempt, tls=secure)
                self._servers.append(server)
        for server in self._servers:
            await server.start()
        log.info("listening", **dataclasses.asdict(self.ports))

    def _apps(self, own_listener: bool) -> tuple[App, App]:
        """What the wire's listener serves, and what the pages' own would."""
        proxies = _networks("http.trusted_proxies", self._config.http.trusted_proxies)
        name, pages = self._config.pages.name, self._pages(proxies)
        people = mounted({b"/": moved(CABINET.encode("ascii"))}, pages, not_found)
        if own_listener:
            return self._wire(proxies, {}), by_name(name, people, not_found) if name else people
        if name and pages:
            return by_name(name, people, self._wire(proxies, {})), not_found
        return self._wire(proxies, pages), not_found

    def _wire(self, proxies: Networks, beside: Mapping[bytes, App]) -> App:
        """The dialects' routes, what providers call, and the pages that stand beside them."""
        http = self._config.http
        called = {b"/callbacks/": callbacks(self.engine)} if self._roles.callbacks else {}
        settings = ApiSettings(
            allow_plain=http.allow_plain, proxies=proxies, log_requests=http.log_requests
        )
        return Api(
            self.engine,
            wire.load() if self._roles.wire else (),
            settings=settings,
            on_request=HttpMeters(self._meters.registry, version=__version__).on_request,
            journal=self._journal,
            otherwise=mounted({}, {**called, **beside}, not_found),
        )

    def _pages(self, proxies: Networks) -> dict[bytes, App]:
        """What people look at, by its prefix."""
        pages: dict[bytes, App] = {}
        if not self._roles.pages:
            return pages
        if self._inbox_url is not None:
            names = (self._config.http.host, self._pages_host, self._config.pages.name)
            self._inbox = Inbox(self._inbox_url, names=names)
            pages[b"/inbox/"] = self._inbox
        site = self._cabinet(proxies)
        pages[CABINET.encode("ascii")] = site
        pages[CONSOLE.encode("ascii")] = console(beside=site, facts=self._facts())
        return pages

    @property
    def _pages_host(self) -> str:
        return self._config.pages.host or self._config.http.host

    def _facts(self) -> Facts:
        config = self._config
        return Facts(
            version=__version__,
            database=public_url(config.database_url),
            data=config.data,
            roles=self._roles.names,
            settings=tuple(shown(config)),
            alone_max=config.console.alone_max,
        )

    def _cabinet(self, proxies: Networks) -> Site:
        assert self._keyring is not None and self._journal is not None
        settings = SiteSettings(
            proxies=proxies,
            allow_plain=self._config.http.allow_plain,
            wire_url=self._config.pages.wire_url.rstrip("/"),
            wire_port=self.ports.wire if self.ports.wire not in (0, self.ports.pages) else None,
            sandbox=self._inbox_url is not None,
        )
        return cabinet(
            engine=self.engine,
            keyring=self._keyring,
            journal=self._journal,
            settings=settings,
        )

    def _tls(self) -> ssl.SSLContext | None:
        http = self._config.http
        if http.tls_cert is None and http.tls_key is None:
            return None
        if http.tls_cert is None or http.tls_key is None:
            raise SetupError("http.tls_cert and http.tls_key go together")
        try:
            return tls_context(http.tls_cert, http.tls_key)
        except (OSError, ssl.SSLError) as error:
            raise SetupError(f"http.tls_cert, http.tls_key: {error}") from error

    async def _checks(self) -> list[Check]:
        """What /readyz looks at."""
        await self.engine.store.get(CLOCK_KEY)
        found = {one.name: one.health() for one in self.engine.senders}
        health = {name: each for name, each in found.items() if not each.absent}
        live = not health or any(each.live for each in health.values())
        none = "none is set up" if self._roles.sends else "other processes send"
        words = "; ".join(f"{n}: {'live' if h.live else h.why}" for n, h in health.items())
        return [
            Check(name="database", ok=True),
            Check(name="channels", ok=live, detail=words or none),
        ]


def _plain(value: Any) -> Any:
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    return str(value) if isinstance(value, Path) else ("" if value is None else value)


def _networks(name: str, lines: Iterable[str]) -> Networks:
    try:
        return Networks(lines)
    except ValueError as error:
        raise SetupError(f"{name}: {error}") from error
