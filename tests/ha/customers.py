"""Customers under load who write down every answer: plain HTTP, nothing of kodgate's."""

from __future__ import annotations

import asyncio
import itertools
import re
import time
import urllib.parse
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

ACCEPTED, KNOWN, LATER, SILENT, UNREACHED, OTHER = (
    "accepted",
    "known",  # error 19: it is there already, under the id that is told
    "later",  # error 13: certainly nothing was stored
    "silent",  # closed, or no answer in time: in doubt
    "unreached",  # no connection, or nobody to pass it on to: nothing was asked
    "other",
)
REPEATED = {LATER, SILENT, UNREACHED}
NOT_STORED = {LATER, UNREACHED}
ANSWER_S = 70.0
PAUSE_S = 0.25
SMS_PHONE = "70000000003"
"""Of the sandbox: not on Telegram; its SMS are delivered."""

_ERROR = re.compile(rb"error_num='(\d+)'", re.ASCII)
_PACKET = re.compile(rb" packet_id='(\d+)'", re.ASCII)


@dataclass(slots=True, kw_only=True)
class Asked:
    """One code that a customer wants to send, and all that was answered."""

    number: int
    tries: list[tuple[float, str]] = field(default_factory=list)
    """When the answer came (monotonic seconds), and its word."""
    packet_id: int | None = None
    details: list[bytes] = field(default_factory=list)
    """Answers that nobody expected."""

    @property
    def code(self) -> str:
        return f"{10_000_000 + self.number}"

    @property
    def phone(self) -> str:
        """Every fourth goes by SMS, the others each to a phone of their own."""
        return SMS_PHONE if self.number % 4 == 0 else f"{79_200_000_000 + self.number}"

    @property
    def words(self) -> set[str]:
        return {word for _, word in self.tries}

    def form(self, login: str, secret: str) -> bytes:
        fields = {
            "http_username": login,
            "http_password": secret,
            "mode": "TELE",
            "to_sms": int(self.phone == SMS_PHONE),
            "phone_list": self.phone,
            "code": self.code,
            "message_id": self.number,
            "valid_period": 600,
            "format": "xml",
        }
        return urllib.parse.urlencode(fields).encode()


@dataclass(slots=True, kw_only=True)
class Customers:
    """`callers` at once, each with a pause between its codes; ports are taken in turn.

    A code is asked for again, under the same message_id, until it is accepted; every third is
    given up where "try later" was the answer.
    """

    login: str
    secret: str
    ports: tuple[int, ...]
    callers: int = 8
    pause_s: float = 0.08
    answer_s: float = ANSWER_S
    first: int = 1
    asked: list[Asked] = field(default_factory=list)
    _stopped: asyncio.Event = field(default_factory=asyncio.Event)
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)
    _numbers: Iterator[int] = field(init=False)
    _turns: Iterator[int] = field(init=False)

    def __post_init__(self) -> None:
        self._numbers = itertools.count(self.first)
        self._turns = itertools.cycle(self.ports)

    def start(self) -> None:
        self._tasks = [asyncio.create_task(self._call()) for _ in range(self.callers)]

    async def stop(self, seconds: float = 120.0) -> None:
        """No new codes; those under way are asked for to their end. Raises TimeoutError."""
        self._stopped.set()
        async with asyncio.timeout(seconds):
            await asyncio.gather(*self._tasks)

    async def accepts(self, seconds: float) -> float:
        """Waits until a code asked for from now on is accepted; seconds. Raises TimeoutError."""
        began, known = time.monotonic(), len(self.asked)
        async with asyncio.timeout(seconds):
            while not any(one.packet_id is not None for one in self.asked[known:]):
                await asyncio.sleep(0.05)
        return time.monotonic() - began

    def counted(self) -> Counter[str]:
        return Counter(word for one in self.asked for _, word in one.tries)

    async def _call(self) -> None:
        while not self._stopped.is_set():
            one = Asked(number=next(self._numbers))
            self.asked.append(one)
            while await self.ask(one) in REPEATED:
                if one.words <= NOT_STORED and one.number % 3 == 0:
                    break
                await asyncio.sleep(PAUSE_S)
            await asyncio.sleep(self.pause_s)

    async def ask(self, one: Asked) -> str:
        """One request; its word is written down."""
        answer: bytes | None = b""
        try:
            async with asyncio.timeout(self.answer_s):
                answer = await post(
                    next(self._turns), "/http_in5.asp", one.form(self.login, self.secret)
                )
        except TimeoutError:
            pass
        word = _word(answer)
        found = _PACKET.search(answer or b"")
        if word in {ACCEPTED, KNOWN} and found is not None:
            one.packet_id = int(found[1])
        if word == OTHER:
            one.details.append((answer or b"")[-300:])
        one.tries.append((time.monotonic(), word))
        return word


def _word(answer: bytes | None) -> str:
    if answer is None or answer.startswith((b"HTTP/1.1 503", b"HTTP/1.0 503")):
        return UNREACHED
    found = _ERROR.search(answer)
    if not answer:
        return SILENT
    words = {b"0": ACCEPTED, b"19": KNOWN, b"13": LATER}
    return OTHER if found is None else words.get(found[1], OTHER)


async def post(port: int, path: str, body: bytes) -> bytes | None:
    """Head and body; None: no connection; nothing: it was closed without an answer."""
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return None
    try:
        head = (
            f"POST {path} HTTP/1.1\r\nHost: codes.example\r\nConnection: close\r\n"
            "Content-Type: application/x-www-form-urlencoded\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        writer.write(head.encode() + body)
        return await reader.read(65_536 * 16)
    except OSError:
        return b""
    finally:
        writer.close()


async def until(look: Callable[[], bool], seconds: float) -> None:
    """Raises TimeoutError."""
    async with asyncio.timeout(seconds):
        while not look():
            await asyncio.sleep(0.1)
