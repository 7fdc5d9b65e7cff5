"""The wire's routes: bytes to a dialect, credentials, the engine's verb, and bytes back."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Protocol

import structlog

from kodgate.core.accounts import DEFAULTS, Account, AccountSettings
from kodgate.core.errors import BY_NAME, PRECEDENCE, ErrorCode, InDoubt, Refused
from kodgate.core.ledger import Funds
from kodgate.core.requests import (
    Balance,
    Confirmed,
    ConfirmRequest,
    Credentials,
    PacketStatus,
    Refusal,
    SendRequest,
    Sent,
    Simulation,
    StatusQuery,
)
from kodgate.core.values import changed
from kodgate.store import Unavailable
from kodgate.web import heads
from kodgate.web.addresses import Networks
from kodgate.web.asgi import (
    App,
    Receive,
    Scope,
    Send,
    answer,
    answer_text,
    drop,
    not_found,
    read_body,
)
from kodgate.web.heads import Head
from kodgate.web.journal import Asked, Journal, excerpt, without_secrets
from kodgate.web.limits import Pace, SimulationLimit, Throttle
from kodgate.web.server import frames
from kodgate.wire import Call, Dialect, HttpAnswer, HttpRequest

log = structlog.get_logger("kodgate.web")

INFLIGHT_MAX = 4096
SIMULATED_BALANCE = Balance(spendable=4_087_100)
"""`http_credit` with test=-1: positive, as the document's example (O-32)."""

BEFORE_LOGIN = PRECEDENCE["BAD_CREDENTIALS"]

OLD_PAGES = MappingProxyType(
    {
        "/http_in3.asp": "/http_in5.asp",
        "/http_in4.asp": "/http_in5.asp",
        "/xml_in5.asp": "/http_in5.asp",
        "/http_out3.asp": "/http_out5.asp",
        "/http_out4.asp": "/http_out5.asp",
        "/http_out6.asp": "/http_out5.asp",
        "/json_out5.asp": "/status",
        "/http_feedback.asp": "",
        "/history_email.asp": "",
        "/http_group.asp": "",
        "/soap": "",
    }
)
"""Pages of the original family that we do not serve -> the one to use instead."""

OVERLOAD = "overload: nothing was done"
OVERLOADED_PER_S = 1_000
"""Answers of "try later": about a tenth of the loop's time. Callers ask again as fast as they are
refused, and without a pace all of the time goes into telling them so (a third was left for codes).
"""
OVERLOADED_WAIT_MAX_S = 1.0
OVERLOAD_LOG_S = 1.0
"""Between two lines about an overload: they must not make it worse."""

PLAIN_HTTP = "plain HTTP from outside; use https, or allow it by the listener's setting"


class Engine(Protocol):
    """What the routes need of `kodgate.engine.Engine`. Every method raises Refused; `send` and
    the others raise Unavailable (nothing stored) and `send` InDoubt."""

    def admits(self) -> bool:
        """False: a send would wait too long; it is refused before any work."""

    async def authenticate(self, credentials: Credentials, *, caller_ip: str) -> Account: ...

    async def send(
        self, account: Account, request: SendRequest, *, caller_ip: str, dialect: str
    ) -> Sent: ...

    def simulate(self, simulation: Simulation, *, caller_ip: str) -> Sent: ...

    async def status(
        self, account: Account, query: StatusQuery, *, caller_ip: str
    ) -> PacketStatus: ...

    async def confirm(self, account: Account, request: ConfirmRequest) -> Confirmed: ...

    async def balance(self, account: Account) -> Balance: ...

    async def funds(self, account: Account) -> Funds: ...


class OnRequest(Protocol):
    """Told of every answered wire request; must be quick."""

    def __call__(self, *, endpoint: str, error: int, seconds: float) -> None:
        """`endpoint`: the path without its slash. `error`: 0, or the table's number."""


def nobody_listens(*, endpoint: str, error: int, seconds: float) -> None:
    """The default `on_request`."""


@dataclass(slots=True)
class Inflight:
    """How many requests are being worked on; shared by the listeners of a process."""

    most: int = INFLIGHT_MAX
    now: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiSettings:
    """One listener's own."""

    allow_plain: bool = False
    """Serve plain HTTP to peers that are not on loopback."""
    proxies: Networks = dataclasses.field(default_factory=Networks)
    """Their X-Forwarded-For and X-Forwarded-Proto count."""
    log_requests: bool = False
    """One line for every answered request; refusals always have one."""


@dataclass(slots=True, kw_only=True)
class _Exchange:
    """One request on its way; its fields fill up as more is known."""

    id: str
    dialect: Dialect
    call: Call
    caller_ip: str
    path: str
    account: Account | None = None
    user_message_id: str | None = None
    packet_id: int | None = None
    """The packet that it made."""
    error: ErrorCode = BY_NAME["OK"]
    why: str = ""
    started_s: float = 0.0

    @property
    def settings(self) -> AccountSettings:
        return DEFAULTS if self.account is None else self.account.settings


class Api:
    """An ASGI app for the routes of all dialects; everything else goes to `otherwise`."""

    def __init__(
        self,
        engine: Engine,
        dialects: Iterable[Dialect],
        *,
        settings: ApiSettings | None = None,
        throttle: Throttle | None = None,
        simulations: SimulationLimit | None = None,
        inflight: Inflight | None = None,
        on_request: OnRequest = nobody_listens,
        journal: Journal | None = None,
        otherwise: App = not_found,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._engine = engine
        self._settings = settings or ApiSettings()
        self._throttle = throttle or Throttle()
        self._simulations = simulations or SimulationLimit()
        self._inflight = inflight or Inflight()
        self._on_request = on_request
        self._journal = journal
        self._otherwise = otherwise
        self._clock = clock
        self._routes = {
            path.encode("ascii"): (path, dialect) for dialect in dialects for path in dialect.routes
        }
        self._id_prefix = os.urandom(4).hex()
        self._id = 0
        self._overload_told_s = float("-inf")
        self._pace = Pace(per_second=OVERLOADED_PER_S, wait_max_s=OVERLOADED_WAIT_MAX_S)
        self._verbs: Mapping[str, Callable[[_Exchange], Any]] = {
            "send": self._send,
            "status": self._status,
            "balance": self._balance,
            "confirm": self._confirm,
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["raw_path"]
        route = self._routes.get(path) or self._routes.get(path := heads.normal_path(path))
        if route is not None:
            await self._serve(scope, receive, send, *route)
        elif (old := path.decode("latin-1")) in OLD_PAGES:
            await self._serve_old_page(scope, receive, send, old)
        else:
            await self._otherwise(scope, receive, send)

    async def _serve(
        self, scope: Scope, receive: Receive, send: Send, path: str, dialect: Dialect
    ) -> None:
        request = await self._read(scope, receive, send, path)
        if request is None:
            return
        head, asked = request
        exchange = self._begin(head, dialect, asked)
        reply = await self._reply(exchange, head)
        if reply is None:
            drop(scope)
        else:
            await self._write(send, exchange, reply)
        self._finish(exchange)
        self._remember(exchange, b"" if reply is None else reply.body)

    async def _read(
        self, scope: Scope, receive: Receive, send: Send, path: str
    ) -> tuple[Head, HttpRequest] | None:
        """None: it was answered already, or the caller is gone."""
        method: str = scope["method"]
        if method not in ("GET", "POST"):
            await answer_text(send, 405, "Use GET or POST\n", [(b"allow", b"GET, POST")])
            return None
        head = heads.read(scope, self._settings.proxies, allow_plain=self._settings.allow_plain)
        if head.encoded or head.content_type.startswith("multipart/"):
            more = [(b"connection", b"close")]
            await answer_text(send, 415, "Send a plain form or JSON body\n", more)
            return None
        body = await read_body(receive) if head.has_body else b""
        if body is None:
            return None
        return head, HttpRequest(
            method=method,
            path=path,
            query=scope["query_string"],
            body=body,
            content_type=head.content_type,
        )

    def _begin(self, head: Head, dialect: Dialect, asked: HttpRequest) -> _Exchange:
        self._id += 1
        return _Exchange(
            id=f"{self._id_prefix}{self._id:x}",
            dialect=dialect,
            call=dialect.read(asked),
            caller_ip=head.caller_ip,
            path=asked.path,
            started_s=self._clock(),
        )

    # --- one request

    async def _reply(self, exchange: _Exchange, head: Head) -> HttpAnswer | None:
        """None: no answer may be given."""
        inflight = self._inflight
        if inflight.now >= inflight.most:
            return await self._refusal(exchange, Refused("UNAVAILABLE", why=OVERLOAD))
        inflight.now += 1
        try:
            return await self._perform(exchange, head)
        except Refused as refused:
            return await self._refusal(exchange, refused)
        except Unavailable as error:
            return await self._refusal(exchange, Refused("UNAVAILABLE", why=type(error).__name__))
        except InDoubt:
            exchange.why = "the commit is in doubt: closed without an answer"
        except Exception as error:  # what it did is not known: say nothing (D6)
            exchange.why = f"{type(error).__name__}: closed without an answer"
            log.error("request_failed", path=exchange.path, id=exchange.id, at=frames(error))
        finally:
            inflight.now -= 1
        exchange.error = BY_NAME["UNAVAILABLE"]
        return None

    async def _perform(self, exchange: _Exchange, head: Head) -> HttpAnswer:
        call = exchange.call
        if head.plain:
            raise Refused("HTTP_DISABLED", why=PLAIN_HTTP)
        if call.simulation:
            return self._simulate(exchange)
        if call.operation == "send" and not (self._engine.admits() or await self._finds_room()):
            raise Refused("UNAVAILABLE", why=OVERLOAD)
        if call.error is not None and PRECEDENCE[call.error] < BEFORE_LOGIN:
            raise Refused(call.error)
        exchange.account = await self._authenticate(exchange, head)
        if call.error is not None:
            raise Refused(call.error)
        answered: HttpAnswer = await self._verbs[call.operation](exchange)
        return answered

    async def _finds_room(self) -> bool:
        """For a send that is not begun: its turn to be told so, unless there is room by then."""
        wait_s = self._pace.wait_s(now=self._clock())
        if not wait_s:
            return False
        await asyncio.sleep(wait_s)
        return self._engine.admits()

    async def _authenticate(self, exchange: _Exchange, head: Head) -> Account:
        """Raises Refused. Who guesses too often hears the same as who guesses wrong (S-14)."""
        credentials, ip = exchange.call.credentials, head.caller_ip
        if not credentials.login:
            raise Refused("EMPTY_LOGIN")
        if not credentials.password:
            raise Refused("EMPTY_PASSWORD")
        if not heads.agrees(head.authorization, credentials):
            raise Refused("BAD_CREDENTIALS", why="the Authorization header says otherwise")
        login, password = credentials.login.lower(), credentials.password
        known = self._throttle.knows(login, password, ip=ip)
        if not (known or self._throttle.hears(login, password, ip=ip, now=self._clock())):
            raise Refused("BAD_CREDENTIALS", why="too many wrong logins: not looked at")
        try:
            account = await self._engine.authenticate(credentials, caller_ip=ip)
        except Refused as refused:
            if refused.error.number == BY_NAME["BAD_CREDENTIALS"].number:
                self._throttle.failed(login, ip=ip, now=self._clock())
            raise
        self._throttle.succeeded(login, password, ip=ip, known=known)
        return account

    def _simulate(self, exchange: _Exchange) -> HttpAnswer:
        call, dialect = exchange.call, exchange.dialect
        if not self._simulations.takes(ip=exchange.caller_ip, now=self._clock()):
            raise Refused("FLOOD", why="too many test=-1 from this address")
        if call.error is not None:
            raise Refused(call.error)
        if call.operation == "balance":
            return dialect.render_balance(call, SIMULATED_BALANCE, DEFAULTS)
        if call.operation != "send":
            raise Refused("BAD_PARAMETER", why="test=-1 is for sends")
        simulation = dialect.parse_simulation(call)
        sent = self._engine.simulate(simulation, caller_ip=exchange.caller_ip)
        return dialect.render_sent(call, sent, DEFAULTS)

    async def _send(self, exchange: _Exchange) -> HttpAnswer:
        account, call, dialect = exchange.account, exchange.call, exchange.dialect
        assert account is not None
        request = dialect.parse_send(call, account.settings)
        exchange.user_message_id = request.user_message_id
        sent = await self._engine.send(
            account, request, caller_ip=exchange.caller_ip, dialect=dialect.name
        )
        exchange.packet_id = sent.packet_id
        return dialect.render_sent(call, sent, account.settings)

    async def _status(self, exchange: _Exchange) -> HttpAnswer:
        account, call, dialect = exchange.account, exchange.call, exchange.dialect
        assert account is not None
        query = dialect.parse_status(call, account.settings)
        exchange.user_message_id = query.user_message_id
        status = await self._engine.status(account, query, caller_ip=exchange.caller_ip)
        return dialect.render_status(call, status, account.settings)

    async def _balance(self, exchange: _Exchange) -> HttpAnswer:
        account = exchange.account
        assert account is not None
        balance = await self._engine.balance(account)
        return exchange.dialect.render_balance(exchange.call, balance, account.settings)

    async def _confirm(self, exchange: _Exchange) -> HttpAnswer:
        account, call, dialect = exchange.account, exchange.call, exchange.dialect
        assert account is not None
        request = dialect.parse_confirm(call)
        exchange.user_message_id = request.query.user_message_id
        confirmed = await self._engine.confirm(account, request)
        return dialect.render_confirmed(call, confirmed, account.settings)

    # --- answers

    async def _refusal(self, exchange: _Exchange, refused: Refused) -> HttpAnswer:
        exchange.error, exchange.why = refused.error, refused.why
        refusal = Refusal(
            error=refused.error,
            caller_ip=exchange.caller_ip,
            packet_id=refused.packet_id,
            balance=await self._shown_balance(exchange.account, refused),
            user_message_id=exchange.user_message_id,
        )
        return exchange.dialect.render_refusal(exchange.call, refusal, exchange.settings)

    async def _shown_balance(self, account: Account | None, refused: Refused) -> int | None:
        """What the refusal prints of the account's money (O-28)."""
        if account is None or not refused.error.shows_balance:
            return None
        if refused.balance is not None:
            return refused.balance
        try:
            return (await self._engine.funds(account)).balance
        except Unavailable:
            return None

    async def _write(self, send: Send, exchange: _Exchange, reply: HttpAnswer) -> None:
        more = [(b"x-request-id", exchange.id.encode("ascii"))]
        for name, value in reply.headers:
            more.append((name.lower().encode("latin-1"), value.encode("latin-1")))
        content_type = reply.content_type.encode("latin-1")
        await answer(send, reply.status, content_type, reply.body, more)

    def _finish(self, exchange: _Exchange) -> None:
        """Counts it and, if it was refused or all are to be logged, writes its line."""
        error = exchange.error.number
        seconds = self._clock() - exchange.started_s
        self._on_request(endpoint=exchange.path[1:], error=error, seconds=seconds)
        if error == 0 and not self._settings.log_requests:
            return
        if exchange.why == OVERLOAD and not self._tells_overload():
            return
        log.info(
            "request",
            id=exchange.id,
            path=exchange.path,
            account=None if exchange.account is None else exchange.account.id,
            ip=exchange.caller_ip,
            error=error,
            why=exchange.why or (exchange.error.en if error else ""),
            ms=round(seconds * 1000, 1),
        )

    def _remember(self, exchange: _Exchange, body: bytes) -> None:
        """For the request log: also what was refused before it was known who asks."""
        journal, credentials = self._journal, exchange.call.credentials
        if journal is None or not credentials.login:
            return
        account, at = exchange.account, journal.now()
        who = credentials.login.lower() if account is None else account.id
        if not journal.counts(who, exchange.error.number, at):
            return
        asked = Asked(
            id=exchange.id,
            at=at,
            path=exchange.path,
            dialect=exchange.dialect.name,
            ip=exchange.caller_ip,
            error=exchange.error.number,
            why=exchange.why,
            seconds=self._clock() - exchange.started_s,
            in_query=credentials.in_query,
            packet_id=exchange.packet_id,
            parameters=without_secrets(exchange.call.parameters, credentials.password),
            body=excerpt(body),
        )
        journal.keep(who, exchange.settings.code_retention_s, asked)

    def _tells_overload(self) -> bool:
        now = self._clock()
        due = now - self._overload_told_s >= OVERLOAD_LOG_S
        if due:
            self._overload_told_s = now
        return due

    async def _serve_old_page(self, scope: Scope, receive: Receive, send: Send, old: str) -> None:
        """A page of the family that we do not serve says so in the caller's format."""
        instead = OLD_PAGES[old]
        route = self._routes.get((instead or "/http_in5.asp").encode("ascii"))
        if route is None:
            await not_found(scope, receive, send)
            return
        request = await self._read(scope, receive, send, route[0])
        if request is None:
            return
        head, asked = request
        if old.startswith("/xml") or old == "/soap":
            asked = changed(asked, query=b"format=xml", body=b"", content_type="")
        exchange = self._begin(head, route[1], asked)
        exchange.path = old
        refused = Refused("BAD_PARAMETER", why="a page of the family that is not served")
        refused.error = _not_supported(instead)
        reply = await self._refusal(exchange, refused)
        await self._write(send, exchange, reply)
        self._finish(exchange)
        self._remember(exchange, reply.body)


def _not_supported(instead: str) -> ErrorCode:
    """Only signs that a strict INI reader takes (D-5)."""
    hint = f"Use {instead}" if instead else "See the documentation"
    hint_ru = f"Используйте {instead}" if instead else "Смотрите документацию"
    return dataclasses.replace(
        BY_NAME["BAD_PARAMETER"],
        en=f"Not supported. {hint}",
        ru=f"Не поддерживается. {hint_ru}",
        shows_balance=False,
    )
