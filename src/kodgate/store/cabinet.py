"""The cabinet's rows: users, sessions, the audit trail, and lists and sums of packets and money.

Statements are plain SQL with `?` marks, built only from the conditions that are asked for, so that
another database runs them unchanged.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from kodgate.core.types import Message
from kodgate.store import LedgerEntry, PacketRow, rows
from kodgate.store.tables import Tables

AUDIT_TRIES = 20
"""How often an audit row looks for its place at the end of the chain."""

CHANNELS = ("telegram", "sms")
"""Whose provider ids one search box finds."""

RARE = "kind in ('topup', 'adjustment')"
"""Said in full: only so a database sees that its index of rare kinds will do."""

OPEN = ("queued", "sent", "delivered")
SCANNED_MAX = 10_000
"""Packets that are gone through for those with a state or channel."""

NO_HASH = bytes(32)
"""What the first row of the audit trail follows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """A person who may sign in. `account_id` None: an operator."""

    id: int
    account_id: int | None
    login: str
    email: str
    role: str
    password: str
    totp: bytes | None
    totp_step: int
    language: str
    disabled: bool
    created_at: int

    def __repr__(self) -> str:
        return f"User(login={self.login!r}, role={self.role!r})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One browser that signed in. Instants are of the wall clock, ms."""

    id: int
    user_id: int
    csrf: str
    stage: str
    """`full`, or `password`: the second factor is still missing."""
    view_account_id: int | None
    created_at: int
    seen_at: int
    proved_at: int
    expires_at: int
    ip: str
    agent: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    id: int
    at: int
    account_id: int | None
    actor: str
    action: str
    detail: str
    ip: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which packets a list shows. Instants in business ms."""

    since: int | None = None
    until: int | None = None
    state: str | None = None
    """Of the newest message."""
    channel: str | None = None
    """Of the newest message."""
    before_id: int | None = None
    """The page after this packet."""

    @property
    def is_scanned(self) -> bool:
        """Whether only the newest `SCANNED_MAX` packets of the period are looked at."""
        return self.state not in OPEN and (self.state or self.channel) is not None


_USER = (
    "id, account_id, login, email, role, password, totp, totp_step, language, disabled, created_at"
)
_SESSION = (
    "id, user_id, csrf, stage, view_account_id, created_at, seen_at, proved_at, expires_at, ip,"
    " agent"
)
_AUDIT = "id, at, account_id, actor, action, detail, ip"
_NEWEST = "select max(n.num) from message n where n.packet_id = p.id"


class CabinetStore:
    """All that the cabinet reads and writes beyond the `Store` contract."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    # People

    async def user(self, login: str) -> User | None:
        return _one(await self._users("login = ?", login))

    async def user_by_id(self, user_id: int) -> User | None:
        return _one(await self._users("id = ?", user_id))

    async def users(self, account_id: int | None = None) -> list[User]:
        """Of one account; None: everybody."""
        if account_id is None:
            return await self._users("id > ?", 0)
        return await self._users("account_id = ?", account_id)

    async def _users(self, condition: str, value: Any) -> list[User]:
        query = f"select {_USER} from cabinet_user where {condition} order by id"
        return [_user(row) for row in await self._tables.fetch(query, value)]

    async def create_user(
        self, *, account_id: int | None, login: str, role: str, password: str, at: int
    ) -> User:
        """Raises ValueError where the login is taken."""
        statement = (
            "insert into cabinet_user (account_id, login, email, role, password, totp_step,"
            " language, disabled, created_at) values (?, ?, '', ?, ?, 0, '', 0, ?)"
            f" on conflict (login) do nothing returning {_USER}"
        )
        found = await self._tables.run([(statement, (account_id, login, role, password, at))])
        if not found:
            raise ValueError("this login is taken")
        return _user(found[0])

    async def set_password(self, user_id: int, password: str, *, keep: int | None = None) -> None:
        """Ends all the user's sessions but `keep` (S-107)."""
        change = ("update cabinet_user set password = ? where id = ?", (password, user_id))
        await self._tables.run([change, _end_sessions(user_id, keep)])

    async def set_role(self, user_id: int, role: str) -> None:
        change = ("update cabinet_user set role = ? where id = ?", (role, user_id))
        await self._tables.run([change, _end_sessions(user_id, None)])

    async def set_disabled(self, user_id: int, disabled: bool) -> None:
        change = (
            "update cabinet_user set disabled = ? where id = ?",
            (int(disabled), user_id),
        )
        await self._tables.run([change, _end_sessions(user_id, None)])

    async def set_language(self, user_id: int, language: str) -> None:
        statement = "update cabinet_user set language = ? where id = ?"
        await self._tables.run([(statement, (language, user_id))])

    # The second factor

    async def set_totp(
        self, user_id: int, totp: bytes | None, *, recovery: Iterable[bytes] = ()
    ) -> None:
        """Switches it on (or off, None) with a fresh set of recovery codes' digests."""
        statements: list[tuple[str, Sequence[Any]]] = [
            ("update cabinet_user set totp = ? where id = ?", (totp, user_id)),
            ("delete from recovery_code where user_id = ?", (user_id,)),
        ]
        insert = "insert into recovery_code (user_id, digest) values (?, ?)"
        statements += [(insert, (user_id, digest)) for digest in recovery]
        await self._tables.run(statements)

    async def use_totp_step(self, user_id: int, step: int) -> bool:
        """False: this step, or a later one, was used before (S-111)."""
        statement = (
            "update cabinet_user set totp_step = ? where id = ? and totp_step < ? returning id"
        )
        return bool(await self._tables.run([(statement, (step, user_id, step))]))

    async def use_recovery_code(self, user_id: int, digest: bytes, *, at: int) -> bool:
        """Each one once."""
        statement = (
            "update recovery_code set used_at = ?"
            " where user_id = ? and digest = ? and used_at is null returning user_id"
        )
        return bool(await self._tables.run([(statement, (at, user_id, digest))]))

    async def recovery_codes_left(self, user_id: int) -> int:
        query = "select count(*) from recovery_code where user_id = ? and used_at is null"
        found: int = (await self._tables.fetch(query, user_id))[0][0]
        return found

    # Sessions

    async def open_session(self, digest: bytes, session: Session) -> Session:
        """`session.id` is given here. What has run out is swept at the same time."""
        sweep = ("delete from cabinet_session where expires_at < ?", (session.created_at,))
        statement = (
            "insert into cabinet_session (digest, user_id, csrf, stage, created_at, seen_at,"
            " proved_at, expires_at, ip, agent) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
            f" returning {_SESSION}"
        )
        line = (
            digest,
            session.user_id,
            session.csrf,
            session.stage,
            session.created_at,
            session.seen_at,
            session.proved_at,
            session.expires_at,
            session.ip,
            session.agent,
        )
        return _session((await self._tables.run([sweep, (statement, line)]))[0])

    async def session(self, digest: bytes) -> Session | None:
        query = f"select {_SESSION} from cabinet_session where digest = ?"
        found = await self._tables.fetch(query, digest)
        return _session(found[0]) if found else None

    async def sessions(self, user_id: int) -> list[Session]:
        query = (
            f"select {_SESSION} from cabinet_session where user_id = ? and stage = 'full'"
            " order by seen_at desc"
        )
        return [_session(row) for row in await self._tables.fetch(query, user_id)]

    async def touch_session(self, session_id: int, *, seen_at: int) -> None:
        statement = "update cabinet_session set seen_at = ? where id = ?"
        await self._tables.run([(statement, (seen_at, session_id))])

    async def prove_session(self, session_id: int, *, at: int) -> None:
        """The password was given again (S-110)."""
        statement = "update cabinet_session set proved_at = ? where id = ?"
        await self._tables.run([(statement, (at, session_id))])

    async def view_account(self, session_id: int, account_id: int | None) -> None:
        statement = "update cabinet_session set view_account_id = ? where id = ?"
        await self._tables.run([(statement, (account_id, session_id))])

    async def end_session(self, session_id: int, *, user_id: int) -> None:
        statement = "delete from cabinet_session where id = ? and user_id = ?"
        await self._tables.run([(statement, (session_id, user_id))])

    async def end_sessions(self, user_id: int, *, keep: int | None = None) -> None:
        await self._tables.run([_end_sessions(user_id, keep)])

    # The audit trail

    async def audit(
        self, *, at: int, account_id: int | None, actor: str, action: str, detail: str, ip: str
    ) -> None:
        """Appends one row, hashed over the one before it: who comes second takes the next place."""
        for _ in range(AUDIT_TRIES):
            last = await self._tables.fetch("select id, hash from audit order by id desc limit 1")
            number, before = (last[0][0] + 1, last[0][1]) if last else (1, NO_HASH)
            line = (number, at, account_id, actor, action, detail, ip)
            statement = (
                f"insert into audit ({_AUDIT}, hash) values (?, ?, ?, ?, ?, ?, ?, ?)"
                " on conflict (id) do nothing returning id"
            )
            if await self._tables.run([(statement, (*line, _chained(before, line)))]):
                return
        raise RuntimeError("the audit trail is too busy")

    async def audits(
        self, account_id: int | None, *, before_id: int | None = None, limit: int = 100
    ) -> list[AuditEntry]:
        """Newest first; None: of all accounts."""
        where, line = _where(("account_id = ?", account_id), ("id < ?", before_id))
        query = f"select {_AUDIT} from audit{where} order by id desc limit ?"
        return [_audit(row) for row in await self._tables.fetch(query, *line, limit)]

    async def broken_audit(self) -> int | None:
        """The first row that is not as it was written; None: the chain is whole."""
        before = NO_HASH
        for row in await self._tables.fetch(f"select {_AUDIT}, hash from audit order by id"):
            if bytes(row[7]) != _chained(before, tuple(row[:7])):
                found: int = row[0]
                return found
            before = bytes(row[7])
        return None

    # Packets

    async def packets(self, account_id: int, chosen: Filter, *, limit: int) -> list[PacketRow]:
        """Newest first."""
        where, line = _where(
            ("p.account_id = ?", account_id),
            ("p.created_at >= ?", chosen.since),
            ("p.created_at < ?", chosen.until),
            ("p.id < ?", chosen.before_id),
        )
        source = f"packet p{where}"
        if chosen.state in OPEN:
            source, line = self._open(where, line, chosen)
        elif chosen.is_scanned:
            source, line = await self._scanned(where, line, chosen)
        columns = ", ".join(f"p.{name}" for name in rows.PACKET.split(", "))
        query = f"select {columns} from {source} order by p.created_at desc, p.id desc limit ?"
        return await self._whole(await self._tables.fetch(query, *line, limit))

    @staticmethod
    def _open(where: str, line: list[Any], chosen: Filter) -> tuple[str, list[Any]]:
        """Open messages are few: they are gone through, not the account's packets."""
        more, words = _where(("m.state = ?", chosen.state), ("m.channel = ?", chosen.channel))
        source = (
            f"message m cross join packet p{where} and p.id = m.packet_id"
            f" and m.decide_at is not null and {more.removeprefix(' where ')}"
        )
        return source, [*line, *words]

    async def _scanned(self, where: str, line: list[Any], chosen: Filter) -> tuple[str, list[Any]]:
        """A rare word is looked for among the newest packets only: a page must end."""
        last = f" order by p.created_at desc limit 1 offset {SCANNED_MAX}"
        query = f"select p.created_at from packet p{where}{last}"
        found = await self._tables.fetch(query, *line)
        more, words = _where(
            ("p.created_at >= ?", found[0][0] if found else 0),
            ("m.state = ?", chosen.state),
            ("m.channel = ?", chosen.channel),
        )
        join = f"join message m on m.packet_id = p.id and m.num = ({_NEWEST})"
        return f"packet p {join}{where} and {more.removeprefix(' where ')}", [*line, *words]

    async def by_provider_id(self, account_id: int, provider_id: str) -> list[PacketRow]:
        """By what Telegram or an SMSC calls a message."""
        ids: set[int] = set()
        for query in (
            "select packet_id from message where channel = ? and provider_id = ?",
            "select m.packet_id from provider_alias a join message m on m.id = a.message_id"
            " where a.channel = ? and a.provider_id = ?",
        ):
            for channel in CHANNELS:
                ids |= {row[0] for row in await self._tables.fetch(query, channel, provider_id)}
        if not ids:
            return []
        query = (
            f"select {rows.PACKET} from packet"
            f" where account_id = ? and id in ({_marks(ids)}) order by id desc"
        )
        return await self._whole(await self._tables.fetch(query, account_id, *sorted(ids)))

    async def _whole(self, packets: Sequence[rows.Row]) -> list[PacketRow]:
        messages: dict[int, list[Message]] = defaultdict(list)
        ids = [row[0] for row in packets]
        if ids:
            query = (
                f"select {rows.MESSAGE} from message"
                f" where packet_id in ({_marks(ids)}) order by num"
            )
            for row in await self._tables.fetch(query, *ids):
                messages[row[1]].append(rows.message_of(row))
        return [rows.packet_of(row, messages[row[0]]) for row in packets]

    async def arrivals(
        self, account_id: int, *, since: int, until: int, limit: int
    ) -> list[tuple[str, int]]:
        """(channel, ms from accept to arrival) of the newest codes that arrived."""
        query = (
            "select m.channel, coalesce(m.delivered_at, m.final_at) - p.created_at"
            " from packet p join message m on m.packet_id = p.id"
            " where p.account_id = ? and p.created_at >= ? and p.created_at < ? and p.test = 0"
            " and m.state = 'confirmed' order by p.created_at desc limit ?"
        )
        found = await self._tables.fetch(query, account_id, since, until, limit)
        return [(row[0], row[1]) for row in found]

    # Money

    async def transfers(self, row: PacketRow) -> list[LedgerEntry]:
        """What one packet did to its account's balance, in order."""
        ids = [message.id for message in row.messages]
        query = (
            f"select {rows.LEDGER} from transfer"
            f" where message_id in ({_marks(ids)}) and balance_after is not null order by id"
        )
        return [rows.ledger_of(found) for found in await self._tables.fetch(query, *ids)]

    async def ledger(
        self,
        account_id: int,
        *,
        since: int | None,
        until: int | None,
        kind: str | None,
        before_id: int | None,
        limit: int,
    ) -> list[LedgerEntry]:
        """Newest first."""
        where, line = _where(
            ("account_id = ?", account_id),
            ("at >= ?", since),
            ("at < ?", until),
            ("kind = ?", kind),
            ("id < ?", before_id),
        )
        rare = f" and {RARE}" if kind in ("topup", "adjustment") else ""
        query = (
            f"select {rows.LEDGER} from transfer{where} and balance_after is not null{rare}"
            " order by id desc limit ?"
        )
        found = await self._tables.fetch(query, *line, limit)
        return [rows.ledger_of(row) for row in found]


def _where(*conditions: tuple[str, Any]) -> tuple[str, list[Any]]:
    """Those whose value is given."""
    given = [(text, value) for text, value in conditions if value is not None]
    text = " and ".join(text for text, _ in given)
    return (f" where {text}" if text else ""), [value for _, value in given]


def _marks(values: Iterable[object]) -> str:
    return ", ".join("?" for _ in values)


def _end_sessions(user_id: int, keep: int | None) -> tuple[str, Sequence[Any]]:
    """The password changed, or the user must go: old cookies are dead at once (S-107)."""
    return "delete from cabinet_session where user_id = ? and id <> ?", (user_id, keep or 0)


def _chained(before: bytes, line: tuple[Any, ...]) -> bytes:
    text = json.dumps(line, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(bytes(before) + text.encode()).digest()


def _one(found: Sequence[User]) -> User | None:
    return found[0] if found else None


def _user(row: rows.Row) -> User:
    return User(
        id=row[0],
        account_id=row[1],
        login=row[2],
        email=row[3],
        role=row[4],
        password=row[5],
        totp=row[6],
        totp_step=row[7],
        language=row[8],
        disabled=bool(row[9]),
        created_at=row[10],
    )


def _session(row: rows.Row) -> Session:
    return Session(
        id=row[0],
        user_id=row[1],
        csrf=row[2],
        stage=row[3],
        view_account_id=row[4],
        created_at=row[5],
        seen_at=row[6],
        proved_at=row[7],
        expires_at=row[8],
        ip=row[9],
        agent=row[10],
    )


def _audit(row: rows.Row) -> AuditEntry:
    return AuditEntry(
        id=row[0],
        at=row[1],
        account_id=row[2],
        actor=row[3],
        action=row[4],
        detail=row[5],
        ip=row[6],
    )
