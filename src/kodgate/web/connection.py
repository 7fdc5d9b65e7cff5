"""One HTTP connection: uvicorn's parser and ASGI cycle under deadlines and limits of our own."""

from __future__ import annotations

import asyncio
from enum import Enum
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import httptools
from uvicorn.config import Config
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import (
    STATUS_LINE,
    HttpToolsProtocol,
    RequestResponseCycle,
)

from kodgate.web.addresses import source
from kodgate.web.asgi import DROP
from kodgate.web.cycle import Cycle
from kodgate.web.requirements import judge

if TYPE_CHECKING:
    from uvicorn._types import ASGI3Application

    from kodgate.web.server import HttpServer

SLICE = 4096
"""Input is parsed in pieces of so many bytes, so that one read cannot become 10,000 requests."""
LINGER_BYTES_MAX = 1_048_576
NEVER = float("inf")
ASGI = {"version": "3.0", "spec_version": "2.3"}


class Phase(Enum):
    """What the connection waits for."""

    IDLE = "idle"
    HEAD = "head"
    BODY = "body"


class Malformed(Exception):
    """Stops the parser; the answer is in `Connection.refusal`."""


class _Gate(FlowControl):
    """Does not read on while requests wait in line: their number stays bounded (S-57)."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection.transport)
        self._connection = connection

    def resume_reading(self) -> None:
        connection = self._connection
        if self.read_paused and not connection.pipeline and not connection.backlog:
            super().resume_reading()
            connection.rearm()


class _Polite:
    """The transport as the answering side sees it: closing lets the answer arrive."""

    __slots__ = ("_connection", "write")

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.write = connection.transport.write

    def close(self) -> None:
        self._connection.close_politely()

    def is_closing(self) -> bool:
        return self._connection.transport.is_closing()


class Connection(HttpToolsProtocol):
    """Adds to uvicorn's protocol what the matrix of trust.md section 3 asks for.

    The server's sweep looks at `deadline` and `stalled_until` (loop seconds) a few times a second;
    so no timer is started or cancelled per request.
    """

    pipeline: Any

    def __init__(self, config: Config, server: HttpServer) -> None:
        super().__init__(config, server.state, {})
        self.owner = server
        self.limits = server.limits
        self.app = server.guarded
        self.source = ""
        self.phase = Phase.IDLE
        self.deaf = False
        self.closed = False
        self.deadline = NEVER
        self.stalled_until = NEVER
        self.request_until = NEVER
        self.backlog = bytearray()
        self.head_size = 0
        self.fed = 0
        self.body_size = 0
        self.chunked = False
        self.running: RequestResponseCycle | None = None
        self.task: asyncio.Task[None] | None = None
        self.refusal: tuple[int, str] | None = None
        self.url = b""
        self.headers = []

    # --- the connection

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.flow = _Gate(self)
        self.polite = _Polite(self)
        self.source = source(self.client[0]) if self.client else ""
        self.deadline = self.loop.time() + self.limits.idle_s
        if not self.owner.roster.enter(self):
            self.transport.write(refusal(503, "Too many connections"))
            self._end()
            self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._end()
        self.pipeline.clear()
        if self.running is not None:
            self.running.disconnected = True
            self.running.message_event.set()
        super().connection_lost(exc)
        self.owner.left(self)

    def eof_received(self) -> bool:  # type: ignore[override]
        """A client that only closed its sending half still gets its answer; a stream ends."""
        if self.closed or self.running is None or self.scheme == "https":
            return False
        if self.running.chunked_encoding or not self._forget_unfinished():
            return False
        self.deaf = True
        last = self.pipeline[0][0] if self.pipeline else self.running
        last.keep_alive = False
        return True

    def _forget_unfinished(self) -> bool:
        """The rest of a request will not come. False: no other one is being answered."""
        if self.phase is Phase.BODY and self.running is self.cycle:
            return False
        if self.phase is Phase.BODY and self.pipeline and self.pipeline[0][0] is self.cycle:
            self.pipeline.popleft()
        self.phase = Phase.IDLE
        self.deadline = NEVER
        return True

    def close_politely(self) -> None:
        """Ends our half; what still comes is thrown away until the other half ends too."""
        if self.closed:
            return
        self._end()
        if self.transport.can_write_eof():
            self.transport.write_eof()
            FlowControl.resume_reading(self.flow)
        else:
            self.transport.close()

    def drop(self) -> None:
        """Closes without an answer: what was asked may or may not have been done (D6)."""
        self.pipeline.clear()
        for cycle in (self.running, self.cycle):
            if cycle is not None:
                cycle.disconnected = True
                cycle.message_event.set()
        self._end()
        self.transport.close()

    def _end(self) -> None:
        """Nothing is read or answered any more; the sweep sees to the rest."""
        self.deaf = self.closed = True
        self.backlog.clear()
        self.fed = 0
        self.deadline = self.loop.time() + self.limits.linger_s

    def shutdown(self) -> None:
        """The server stops: nothing new is read, streams end, the answer under way goes out."""
        self.pipeline.clear()
        self.backlog.clear()
        if self.running is None:
            self._end()
            self.transport.close()
            return
        self.deaf = True
        self.running.keep_alive = False
        if self.running.chunked_encoding and self.task is not None:
            self.task.cancel()

    # --- time

    def rearm(self) -> None:
        """Reading goes on after a pause that was ours: the sender's time starts anew."""
        now = self.loop.time()
        if self.phase is Phase.HEAD:
            self.deadline = now + self.limits.head_s
        elif self.phase is Phase.BODY:
            self.deadline = now + self.limits.request_s

    def sweep(self, now: float) -> None:
        """Ends what took too long. Called by the server; `now` in loop seconds."""
        if now > self.stalled_until:
            self.transport.abort()
        elif now > self.deadline and (self.closed or not self.flow.read_paused):
            self._expire()

    def _expire(self) -> None:
        if self.closed:
            self.transport.abort()
        elif self.phase is Phase.IDLE:
            self._end()
            self.transport.close()
        else:
            self._refuse(408, "Request took too long")

    def pause_writing(self) -> None:
        self.stalled_until = self.loop.time() + self.limits.write_s
        super().pause_writing()

    def resume_writing(self) -> None:
        self.stalled_until = NEVER
        super().resume_writing()

    # --- bytes in

    def data_received(self, data: bytes) -> None:
        if self.deaf:
            self._throw_away(len(data))
        elif self.backlog or self.pipeline or len(data) > SLICE:
            self.backlog += data
            self.feed_backlog()
        else:
            self._feed(data)

    def _throw_away(self, size: int) -> None:
        self.fed += size
        if self.closed and self.fed > LINGER_BYTES_MAX:
            self.transport.abort()

    def feed_backlog(self) -> None:
        """Parses what was read, until requests have to wait in line."""
        while self.backlog and not self.pipeline and not self.deaf:
            piece = bytes(self.backlog[:SLICE])
            del self.backlog[:SLICE]
            self._feed(piece)
        if self.backlog:
            self.flow.pause_reading()
        elif not self.deaf:
            self.flow.resume_reading()

    def _feed(self, piece: bytes) -> None:
        try:
            self.parser.feed_data(piece)
        except httptools.HttpParserUpgrade:
            self._ignore_upgrade()
        except httptools.HttpParserError:
            self._refuse(*(self.refusal or (400, "Invalid HTTP request")))
        else:
            self._count_unfinished(len(piece))

    def _count_unfinished(self, size: int) -> None:
        """Bounds what the parser holds of a header or chunk line that does not end."""
        if self.phase is Phase.HEAD:
            self.fed += size
            if self.fed > self.limits.line_max + self.limits.head_max + SLICE:
                self._refuse(431, "Request headers are too large")
        elif self.phase is Phase.BODY and self.chunked:
            self.fed += size
            if self.fed > 2 * self.limits.body_max + self.limits.head_max:
                self._refuse(413, "Request body is too large")

    def _ignore_upgrade(self) -> None:
        """The request was read and is answered in HTTP/1.1; what follows it is not HTTP to us."""
        self.cycle.keep_alive = False
        self.backlog.clear()
        self.deaf = True

    # --- the parser's callbacks

    def on_message_begin(self) -> None:
        now = self.loop.time()
        self.url = b""
        self.headers = []
        self.expect_100_continue = False
        self.phase = Phase.HEAD
        self.deadline = now + self.limits.head_s
        self.request_until = now + self.limits.request_s
        self.head_size = self.fed = self.body_size = 0
        self.chunked = False

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        if len(self.url) > self.limits.line_max:
            self._stop(414, "Request line is too long")

    def on_header(self, name: bytes, value: bytes) -> None:
        if self.phase is not Phase.HEAD:
            return  # a trailer: nothing of ours may come after the body
        self.head_size += len(name) + len(value) + 4
        super().on_header(name, value)
        if self.head_size > self.limits.head_max or len(self.headers) > self.limits.headers_max:
            self._stop(431, "Request headers are too large")

    def on_headers_complete(self) -> None:
        version = self.parser.get_http_version()
        method = self.parser.get_method()
        verdict = judge(method, version, self.url, self.headers, self.limits)
        if verdict.status:
            self._stop(verdict.status, verdict.text)
        self.phase = Phase.BODY
        self.fed = 0
        self.chunked = verdict.chunked
        self.deadline = self.request_until
        before = self.cycle
        self.cycle = cycle = self._cycle(method, version)
        cycle.waiting_for_100_continue &= verdict.has_body and version == "1.1"
        if before is None or before.response_complete:
            self._start_asgi_task(cycle, self.app)
        else:
            self.flow.pause_reading()
            self.pipeline.appendleft((cycle, self.app))

    def _cycle(self, method: bytes, version: str) -> Cycle:
        """The request whose head is complete."""
        keep_alive = self.parser.should_keep_alive()
        default = self.server_state.default_headers
        if version == "1.0" and keep_alive:
            default = [*default, (b"connection", b"keep-alive")]
        return Cycle(
            scope=self._scope(method, version),
            transport=self.polite,  # type: ignore[arg-type]
            flow=self.flow,
            logger=self.logger,
            access_logger=self.access_logger,
            access_log=False,  # it would print the query
            default_headers=default,
            message_event=asyncio.Event(),
            expect_100_continue=self.expect_100_continue,
            keep_alive=keep_alive,
            on_response=self.on_response_complete,
        )

    def _scope(self, method: bytes, version: str) -> Any:
        target = httptools.parse_url(self.url)
        path = target.path.decode("ascii")
        return {
            "type": "http",
            "asgi": ASGI,
            "http_version": version,
            "server": self.server,
            "client": self.client,
            "scheme": self.scheme,
            "method": method.decode("ascii"),
            "root_path": "",
            "path": unquote(path) if "%" in path else path,
            "raw_path": target.path,
            "query_string": target.query or b"",
            "headers": self.headers,
            "state": {},
            "extensions": {DROP: {"close": self.drop}},
        }

    def on_body(self, body: bytes) -> None:
        self.body_size += len(body)
        if self.body_size > self.limits.body_max:
            self._stop(413, "Request body is too large")
        super().on_body(body)

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self.phase = Phase.IDLE
        if self.running is None:  # it was answered before it had come whole
            self._wait_for_next()
        else:
            self.deadline = NEVER
            self.owner.roster.busy(self)

    def _stop(self, status: int, text: str) -> None:
        self.refusal = (status, text)
        raise Malformed(text)

    # --- answers

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        self.running = cycle
        self.task = task = self.loop.create_task(cycle.run_asgi(app))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    def on_response_complete(self) -> None:
        self.server_state.total_requests += 1
        self.running = self.task = None
        if self.closed:
            return
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
        elif self.refusal is not None:
            self._write_refusal(*self.refusal)
        elif self.phase is Phase.IDLE:
            self._wait_for_next()
        if not self.pipeline and not self.deaf:
            self._read_on()

    def _read_on(self) -> None:
        if self.backlog:
            self.loop.call_soon(self.feed_backlog)
        else:
            self.flow.resume_reading()

    def _wait_for_next(self) -> None:
        self.deadline = self.loop.time() + self.limits.idle_s
        self.owner.roster.idle(self)

    def _refuse(self, status: int, text: str) -> None:
        """Stops reading; the refusal goes out after the answers to the requests before it."""
        self.backlog.clear()
        self.deaf = True
        self.refusal = (status, text)
        if self.phase is Phase.BODY and self._abandon():
            return
        if self.running is None:
            self._write_refusal(status, text)
        else:
            self.deadline = NEVER
            self.flow.pause_reading()

    def _abandon(self) -> bool:
        """Takes the request whose body is broken away from the application. True: it was already
        answered, so there is nothing more to say."""
        cycle = self.cycle
        if self.pipeline and self.pipeline[0][0] is cycle:
            self.pipeline.popleft()
            return False
        cycle.disconnected = True
        cycle.message_event.set()
        if cycle.response_started:
            self.close_politely()
            return True
        self.running = None
        return False

    def _write_refusal(self, status: int, text: str) -> None:
        self.refusal = None
        self.transport.write(refusal(status, text))
        self.close_politely()


def refusal(status: int, text: str) -> bytes:
    """The answer to what is not HTTP as we speak it; the connection ends after it."""
    body = text.encode("ascii")
    return b"".join(
        (
            STATUS_LINE[status],
            b"content-type: text/plain; charset=utf-8\r\ncache-control: no-store\r\n",
            b"allow: GET, HEAD, POST\r\n" if status == 405 else b"",
            b"connection: close\r\ncontent-length: %d\r\n\r\n" % len(body),
            body,
        )
    )
