"""Система: version, database, disk, clock, keys, settings without secrets, and what is amiss."""

from __future__ import annotations

import asyncio
import json

from starlette.responses import Response

from kodgate.store import sql
from kodgate.store.keyring import Keyring
from kodgate.web import findings
from kodgate.web.cabinet import words
from kodgate.web.cabinet.console.desk import Console, desk, look
from kodgate.web.cabinet.console.ledger import CHECK_KEY
from kodgate.web.cabinet.console.readings import channel_views
from kodgate.web.cabinet.visit import Visit
from kodgate.web.cabinet.words import N_
from kodgate.web.findings import Finding, Grade

TONES = {Grade.OK: "good", Grade.WARN: "wait", Grade.FAIL: "bad"}
GRADES = {Grade.OK: N_("в порядке"), Grade.WARN: N_("обратите внимание"), Grade.FAIL: N_("плохо")}
WHATS = {
    "disk": N_("Диск"),
    "backup": N_("Резервная копия"),
    "ledger": N_("Книга"),
    "clock": N_("Часы"),
    "accounts": N_("Счета"),
    "tariffs": N_("Тарифы"),
    "database": N_("База данных"),
    "channel": N_("Канал"),
    "channels": N_("Каналы"),
    "second factor": N_("Второй фактор"),
}


async def show(visit: Visit) -> Response:
    site = desk(visit)
    revision = await site.readings.revision()
    clock = site.engine.clock
    return visit.page(
        "console/system.html",
        facts=site.facts,
        revision=revision,
        expected=sql.REVISION,
        drift_ms=round(1000 * clock.drift_s()),
        scale=clock.scale,
        business_now=clock.now(),
        wall_now=site.wall_ms(),
        keys=await asyncio.to_thread(_keys, site.keyring),
        found=await examine(site, revision),
        tones=TONES,
        grades=GRADES,
        whats=WHATS,
    )


def _keys(keyring: Keyring) -> dict[str, int]:
    """Class of data keys -> how many days of them are kept."""
    return {kind: len(list(keyring.days(kind))) for kind in ("code", "phone")}


async def examine(site: Console, revision: str) -> list[Finding]:
    """What `kodgate doctor` looks at, as far as a running gateway can say it without a probe."""
    store, now = site.engine.store, site.engine.clock.now()
    found = [
        _database(revision),
        await asyncio.to_thread(findings.disk, site.facts.data),
        findings.backup(await store.get(findings.BACKUP_KEY), site.wall_ms() / 1000),
        await _ledger(site),
        findings.drift(site.engine.clock),
        *findings.business(await store.accounts(), await store.tariffs(), now),
        *_channels(site),
        await _second_factor(site),
    ]
    return sorted(found, key=lambda one: list(reversed(Grade)).index(one.grade))


def _database(revision: str) -> Finding:
    if revision != sql.REVISION:
        values = {"revision": revision, "needed": sql.REVISION}
        found = "schema %(revision)s, this version needs %(needed)s"
        return Finding(Grade.FAIL, "database", found, values=values)
    found = "schema %(revision)s is current"
    return Finding(Grade.OK, "database", found, values={"revision": revision})


async def _ledger(site: Console) -> Finding:
    text = await site.engine.store.get(CHECK_KEY)
    if text is None:
        return Finding(Grade.WARN, "ledger", "never checked", "check it on its page")
    return findings.ledger(json.loads(text)["findings"])


def _channels(site: Console) -> list[Finding]:
    views = channel_views(site.engine)
    if not views:
        fix = "set KODGATE_TELEGRAM__TOKEN, or kodgate route add NAME --set host=..."
        return [Finding(Grade.FAIL, "channels", "none is set up", fix)]
    return [
        Finding(
            Grade.OK if view.live else Grade.FAIL,
            "channel",
            "%(channel)s: live" if view.live else "%(channel)s: %(why)s",
            values={"channel": words.channels([view.name]), "why": view.why},
        )
        for view in views
        if view.here
    ]


async def _second_factor(site: Console) -> Finding:
    """Operators move money: a password alone is thin (S-111)."""
    bare = [
        user.login
        for user in await site.cabinet.users()
        if user.account_id is None and user.totp is None and not user.disabled
    ]
    if bare:
        fix = "switch it on in the profile"
        values = {"logins": ", ".join(bare)}
        return Finding(Grade.WARN, "second factor", "off for: %(logins)s", fix, values)
    return Finding(Grade.OK, "second factor", "on for every operator")


PAGES = (look("system", show),)
