"""What the client's tests share: flows driven by hand, and a service that can be made to fail."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from types import TracebackType
from typing import Any, TypeVar

from kodgate.client import options
from kodgate.client.asking import Asking, Question
from kodgate.client.flow import Flow, Flows, Lost, Pause, Reply, Shown, Watch
from kodgate.core import errors, results
from kodgate.core.accounts import AccountSettings
from kodgate.core.errors import Refused
from kodgate.core.requests import (
    Balance,
    Confirmed,
    Credentials,
    MessageStatus,
    PacketStatus,
    Refusal,
    Sent,
    SentMessage,
    StatusQuery,
)
from kodgate.wire import Call, HttpAnswer, HttpRequest, http_asp, json_service

T = TypeVar("T")

PHONE = "79123456789"
SECRET = "AliceSecretAliceSecret"
SETTINGS = AccountSettings()
DIALECTS = (http_asp.DIALECT, json_service.DIALECT)

LOST = Lost(why="ReadError")
LATE = Lost(why="ReadTimeout", timed_out=True)
REFUSED = Lost(why="ConnectError", never_left=True)

SENT = Sent(
    packet_id=33,
    messages=(SentMessage(message_id=71, phone=PHONE, code="123456", zone=1, cost=21_000),),
    balance_before=10_000_000,
    balance_after=9_979_000,
    caller_ip="127.0.0.1",
)


def options_of(**given: Any) -> options.Options:
    """Alice's, on a host that no test connects to."""
    wanted: dict[str, Any] = {
        "base_url": "http://kodgate.test",
        "json_url": None,
        "protocol": "http",
        "timeout": 1.0,
        "retries_max": 2,
        "timezone": "Europe/Moscow",
        "password": SECRET,
        "environ": {},
    } | given
    return options.read("alice", wanted.pop("password"), **wanted)


class Hand:
    """Flows whose effects a test answers itself; time passes in pauses only."""

    def __init__(self, **given: Any) -> None:
        self.asking = Asking(options_of(**given))
        self.now_s = 0.0
        self.asked: list[str] = []
        """The paths that were asked, in order."""
        self.paused: list[float] = []
        self.flows = Flows(
            self.asking,
            retries_max=given.get("retries_max", 2),
            steady_s=lambda: self.now_s,
            random=lambda: 1.0,
        )

    def order(self, **given: Any) -> Any:
        usual: dict[str, Any] = {
            "code": None,
            "to_sms": False,
            "valid_period": None,
            "packet_id": None,
            "message_id": None,
            "test": 0,
        }
        return self.asking.order(PHONE, **(usual | given))

    def drive(self, flow: Flow[T], *outcomes: Reply | Lost) -> T:
        """Answers each question with the next outcome; all of them must be used."""
        left = list(outcomes)
        outcome: Reply | Lost | None = None
        while True:
            try:
                effect = flow.send(outcome)
            except StopIteration as done:
                assert not left, f"not asked for: {left}"
                return done.value
            finally:
                assert len(self.asked) < 50
            outcome = self._outcome(effect, left)

    def watch(self, flow: Watch, *outcomes: Reply | Lost) -> Iterator[Any]:
        """What a watch shows."""
        left = list(outcomes)
        outcome: Reply | Lost | None = None
        while True:
            try:
                effect = flow.send(outcome)
            except StopIteration:
                return
            outcome = None
            if isinstance(effect, Shown):
                yield effect.status
            else:
                outcome = self._outcome(effect, left)

    def _outcome(self, effect: object, left: list[Reply | Lost]) -> Reply | Lost | None:
        if isinstance(effect, Pause):
            self.paused.append(effect.seconds)
            self.now_s += effect.seconds
            return None
        assert isinstance(effect, Question)
        self.asked.append(effect.url.removeprefix("http://kodgate.test"))
        assert left, f"one question too many: {self.asked}"
        return left.pop(0)


def call(operation: str, format: str = "xml") -> Call:
    """A call whose answer is rendered."""
    nobody = Credentials(login="alice", password="", in_query=False)
    return Call(
        operation=operation, format=format, parameters={}, credentials=nobody, simulation=False
    )


def reply(answer: HttpAnswer) -> Reply:
    return Reply(status=answer.status, body=answer.body)


def sent_reply(**changes: Any) -> Reply:
    answer = http_asp.DIALECT.render_sent(call("send"), replace(SENT, **changes), SETTINGS)
    return reply(answer)


def refused_reply(name: str, *, packet_id: int | None = None, operation: str = "send") -> Reply:
    refusal = Refusal(error=errors.BY_NAME[name], caller_ip="127.0.0.1", packet_id=packet_id)
    return reply(http_asp.DIALECT.render_refusal(call(operation), refusal, SETTINGS))


def json_refused_reply(name: str) -> Reply:
    refusal = Refusal(error=errors.BY_NAME[name], caller_ip="127.0.0.1")
    return reply(json_service.DIALECT.render_refusal(call("status", "json"), refusal, SETTINGS))


def message(result_id: int = 3, **changes: Any) -> MessageStatus:
    usual = MessageStatus(
        num=1,
        message_id=71,
        channel="telegram",
        phone=PHONE,
        code="123456",
        zone=1,
        result=results.BY_ID[result_id],
        delivered_at=1_758_101_663_000 if result_id == 6 else None,
        cost=21_000,
    )
    return replace(usual, **changes)


def packet(*messages: MessageStatus) -> PacketStatus:
    return PacketStatus(packet_id=33, messages=messages, asked=messages[-1], caller_ip="127.0.0.1")


def status_reply(*messages: MessageStatus) -> Reply:
    answer = http_asp.DIALECT.render_status(call("status"), packet(*messages), SETTINGS)
    return reply(answer)


def json_status_reply(*messages: MessageStatus) -> Reply:
    dialect = json_service.DIALECT
    return reply(dialect.render_status(call("status", "json"), packet(*messages), SETTINGS))


# A service on loopback


@dataclass
class Fault:
    """What goes wrong with one request."""

    kind: str
    """close: the connection ends; status: an HTTP status; garbage; slow; drip."""
    done: bool = False
    """The request was carried out all the same."""
    status: int = 502
    seconds: float = 2.0


@dataclass
class Service:
    """Answers as kodgate does, from memory: one account, alice, with the check of ids on."""

    faults: list[Fault] = field(default_factory=list)
    refuse: list[str] = field(default_factory=list)
    """Names of errors that the next requests are refused with."""
    speaks_json: bool = True
    sends: list[tuple[str, str | None]] = field(default_factory=list)
    """(phone, own message id) of every code that was accepted."""
    paths: list[str] = field(default_factory=list)
    agents: list[dict[str, str]] = field(default_factory=list)
    life: list[int] = field(default_factory=lambda: [3, 8, 6])
    """`result_id` of each status query, in turn; the last one stays."""
    url: str = ""

    def __post_init__(self) -> None:
        self.packets: dict[int, Sent] = {}
        self._ids = count(1)
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    def __enter__(self) -> Service:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)

    def answer(self, request: HttpRequest) -> HttpAnswer | None:
        """What kodgate would say; None: nobody lives at this path."""
        with self._lock:
            for dialect in DIALECTS if self.speaks_json else DIALECTS[:1]:
                if request.path in dialect.routes:
                    return self._answer(dialect, dialect.read(request))
        return None

    def _answer(self, dialect: Any, call: Call) -> HttpAnswer:
        try:
            if self.refuse:
                raise Refused(self.refuse.pop(0))
            if not call.simulation and call.credentials.password != SECRET:
                raise Refused("BAD_CREDENTIALS")
            return self._carry_out(dialect, call)
        except Refused as refused:
            refusal = Refusal(
                error=refused.error, caller_ip="127.0.0.1", packet_id=refused.packet_id
            )
            return dialect.render_refusal(call, refusal, SETTINGS)

    def _carry_out(self, dialect: Any, call: Call) -> HttpAnswer:
        if call.operation == "balance":
            return dialect.render_balance(call, Balance(spendable=9_979_000), SETTINGS)
        if call.operation == "status":
            status = self._status(dialect.parse_status(call, SETTINGS))
            return dialect.render_status(call, status, SETTINGS)
        if call.operation == "confirm":
            return dialect.render_confirmed(call, self._confirm(dialect, call), SETTINGS)
        if call.simulation:
            return dialect.render_sent(call, SENT, SETTINGS)
        return dialect.render_sent(call, self._send(dialect, call), SETTINGS)

    def _send(self, dialect: Any, call: Call) -> Sent:
        asked = dialect.parse_send(call, SETTINGS)
        own = asked.user_message_id
        for sent in self.packets.values():
            if own is not None and sent.user_message_id == own:
                raise Refused("DUPLICATE", packet_id=sent.packet_id)
        number = next(self._ids)
        code = asked.code or f"{number + 100_000}"
        first = replace(SENT.messages[0], message_id=number + 70, phone=asked.phone, code=code)
        sent = replace(SENT, packet_id=number + 32, messages=(first,), user_message_id=own)
        self.packets[sent.packet_id] = sent
        self.sends.append((asked.phone, own))
        return sent

    def _find(self, query: StatusQuery) -> Sent:
        for sent in self.packets.values():
            if query in (
                StatusQuery(packet_id=sent.packet_id),
                StatusQuery(message_id=sent.messages[0].message_id),
                StatusQuery(user_message_id=sent.user_message_id),
            ):
                return sent
        raise Refused("NOT_FOUND")

    def _status(self, query: StatusQuery) -> PacketStatus:
        sent = self._find(query)
        result_id = self.life[0] if len(self.life) == 1 else self.life.pop(0)
        first = sent.messages[0]
        one = message(result_id, message_id=first.message_id, phone=first.phone, code=first.code)
        found = replace(packet(one), packet_id=sent.packet_id)
        return replace(found, user_message_id=sent.user_message_id)

    def _confirm(self, dialect: Any, call: Call) -> Confirmed:
        request = dialect.parse_confirm(call)
        sent = self._find(request.query)
        if sent.messages[0].code != request.code:
            raise Refused("CONFIRM_WRONG")
        return Confirmed(packet_id=sent.packet_id)


def _handler(service: Service) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            service.paths.append(self.path)
            service.agents.append(dict(self.headers.items()))
            request = HttpRequest(
                method="POST",
                path=self.path,
                query=b"",
                body=body,
                content_type=self.headers.get("Content-Type", ""),
            )
            fault = service.faults.pop(0) if service.faults else None
            if fault is None or fault.done:
                answer = service.answer(request)
            if fault is not None:
                self._fail(fault)
            elif answer is None:
                self._write(404, b"no such page")
            else:
                self._write(answer.status, answer.body)

        def _fail(self, fault: Fault) -> None:
            self.close_connection = True
            if fault.kind == "status":
                self._write(fault.status, b"<html>sorry</html>")
            elif fault.kind == "garbage":
                self._write(200, b"\x00\xff<html>")
            elif fault.kind == "slow":
                time.sleep(fault.seconds)
            elif fault.kind == "drip":
                self._drip(fault.seconds)

        def _drip(self, seconds: float) -> None:
            self.send_response(200)
            self.send_header("Content-Length", "1000")
            self.end_headers()
            ends_at = time.monotonic() + seconds
            try:
                while time.monotonic() < ends_at:
                    self.wfile.write(b" ")
                    time.sleep(0.05)
            except OSError:
                pass

        def _write(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    return Handler


@contextmanager
def nobody() -> Iterator[str]:
    """An address where no one listens."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    port = server.server_address[1]
    server.server_close()
    yield f"http://127.0.0.1:{port}"
