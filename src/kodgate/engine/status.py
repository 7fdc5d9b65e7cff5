"""Questions about a packet: its status, and the code that the person typed."""

from __future__ import annotations

import hmac

from kodgate.core.accounts import Account
from kodgate.core.errors import Refused
from kodgate.core.life import Verdict
from kodgate.core.requests import Confirmed, ConfirmRequest, PacketStatus, StatusQuery
from kodgate.engine.accept import Vault
from kodgate.engine.clock import Clock
from kodgate.engine.views import Views
from kodgate.store import PacketRow, Store

TEST_VISIBLE_MS = 24 * 3_600_000
"""How long a packet of test=1 can be asked for (protocol.md 6.2a)."""

_REFUSED = {
    Verdict.WRONG: "CONFIRM_WRONG",
    Verdict.USED: "CONFIRM_USED",
    Verdict.EXHAUSTED: "CONFIRM_EXHAUSTED",
}


class Status:
    """Reads packets of one account only: another's and a missing one look the same (S-25)."""

    def __init__(self, store: Store, views: Views, vault: Vault, clock: Clock) -> None:
        self._store = store
        self._views = views
        self._vault = vault
        self._clock = clock

    async def find(self, account: Account, query: StatusQuery) -> PacketRow:
        """Raises Refused: NO_ID, NOT_FOUND."""
        row = await self._row(account, query)
        expired = (
            row is not None and row.test and self._clock.now() - row.created_at > TEST_VISIBLE_MS
        )
        if row is None or expired:
            raise Refused("NOT_FOUND")
        return row

    async def _row(self, account: Account, query: StatusQuery) -> PacketRow | None:
        if query.packet_id is not None:
            row = await self._store.packet(account.id, packet_id=query.packet_id)
            if row is None and account.settings.accept_user_packet_id:
                users = str(query.packet_id)
                row = await self._store.packet(account.id, user_packet_id=users)
            return row
        if query.message_id is not None:
            return await self._store.packet(account.id, message_id=query.message_id)
        if query.user_message_id is not None:
            return await self._store.packet(account.id, user_message_id=query.user_message_id)
        raise Refused("NO_ID")

    async def status(self, account: Account, query: StatusQuery, *, caller_ip: str) -> PacketStatus:
        """The whole packet, or the one message that was asked for by its id."""
        row = await self.find(account, query)
        message_id = query.message_id if query.packet_id is None else None
        return self._views.status(row, account, message_id=message_id, caller_ip=caller_ip)

    async def confirm(
        self, account: Account, request: ConfirmRequest
    ) -> tuple[Confirmed, PacketRow, tuple[str, ...]]:
        """Judges the typed code (D15). Raises Refused: CONFIRM_*, NOT_FOUND, NO_ID."""
        row = await self.find(account, request.query)
        phone = self._views.phone(row)
        digest = self._vault.code_digest(account.id, phone or "", request.code)
        right = hmac.compare_digest(digest, row.code_digest)
        verdict, words = await self._store.confirm(row.packet.id, right=right, at=self._clock.now())
        if verdict is not Verdict.RIGHT:
            raise Refused(_REFUSED[verdict])
        done = Confirmed(packet_id=row.packet.id, user_message_id=row.user_message_id)
        return done, row, words
