"""Reports that reach one process spare the polls of all."""

from __future__ import annotations

from pathlib import Path

from tests.channels.telegram.fake import NOW, bench
from tests.channels.telegram.test_poll import S, report_read

from kodgate.store import migrate, open_store
from kodgate.web import reported

WALL_MS = 1_795_000_000_000
CALLBACKS = "https://gate.example/cb"


async def test_a_process_that_hears_nothing_itself_polls_only_at_the_deadline(
    tmp_path: Path,
) -> None:
    url = f"sqlite:///{tmp_path / 'kodgate.db'}"
    migrate(url)
    store = open_store(url)
    await store.open()
    async with bench(callback_url=CALLBACKS) as front, bench(callback_url=CALLBACKS) as sender:
        assert (await sender.send()).poll_at == NOW + 1 * S
        await report_read(front)
        await reported.share(store, [front.channel], wall_ms=WALL_MS)
        await reported.share(store, [sender.channel], wall_ms=WALL_MS)
        assert (await sender.send()).poll_at is None
        await reported.share(store, [sender.channel], wall_ms=WALL_MS + 400 * S)
        sender.channel._upstream._read_reported_s -= 400
        assert (await sender.send()).poll_at == NOW + 1 * S
    await store.close()
