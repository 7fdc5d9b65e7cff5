"""SMS routes at the console: saved, tried, switched, removed, and given to zones."""

from __future__ import annotations

import json
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.channels.smpp.conftest import Smsc
from tests.web.console.kit import Office, Person

from kodgate.channels.smpp.route import Ambiguity, BindType, Outcome, RouteProfile, Validity
from kodgate.core.binds import Asking, Bidder
from kodgate.web import routes
from kodgate.web.cabinet.console import route_form

FORM = {"name": "north", "enabled": "yes", "host": "smsc.example", "system_id": "alice"}


def form(profile: RouteProfile | None = None, **more: str) -> dict[str, str]:
    """What a browser would send: every field, boxes only where they are ticked."""
    values = route_form.texts(profile or route_form.NEW) | FORM | more
    return {name: text for name, text in values.items() if text or name not in ("enabled", "tls")}


async def saved(office: Office) -> list[RouteProfile]:
    return await routes.saved(office.house.store, office.house.keyring)


async def test_a_new_route_is_saved_with_all_that_was_typed(open_office: Office, olga: Person):
    typed = form(
        password="hunter2",
        port="3550",
        tls="yes",
        bind_type="tx_rx",
        tps="12,5",
        binds="3",
        prefixes="79, 77\n375",
        source_ton="",
        source_npi="7",
        validity="absolute",
        ambiguity="at_most_once",
        errors="0x400 closed\nESME_RINVDSTADR=no_route\n",
    )
    text = await olga.do("routes", **typed)
    assert "Маршрут сохранён" in text
    (north,) = await saved(open_office)
    assert north == RouteProfile(
        name="north",
        host="smsc.example",
        port=3550,
        tls=True,
        system_id="alice",
        password="hunter2",
        bind_type=BindType.TX_RX,
        binds=3,
        tps=12.5,
        prefixes=("79", "77", "375"),
        source_npi=7,
        validity=Validity.ABSOLUTE,
        ambiguity=Ambiguity.AT_MOST_ONCE,
        errors={0x400: Outcome.CLOSED, 0x0B: Outcome.NO_ROUTE},
    )
    assert [each.detail for each in await open_office.audits("route_saved")] == ["north: new"]


async def test_what_the_form_shows_is_what_it_saves(open_office: Office, olga: Person):
    await olga.do("routes", **form(password="hunter2", errors="0x400 closed", prefixes="79"))
    (before,) = await saved(open_office)
    await olga.do("routes", old="north", **route_form.texts(before))
    assert await saved(open_office) == [before]


async def test_a_password_is_stored_sealed_and_shown_nowhere(open_office: Office, olga: Person):
    await olga.do("routes", **form(password="canary77"))
    for path in ("routes", "routes/north", "channels", "audit"):
        assert "canary77" not in (await olga.get(path)).text
    (row,) = await open_office.house.store.routes()
    assert "canary77" not in row.profile
    assert row.sealed is not None and b"canary77" not in row.sealed
    database = Path(open_office.console.facts.data / "kodgate.db")
    stored = b"".join(path.read_bytes() for path in database.parent.glob("kodgate.db*"))
    assert b"canary77" not in stored


async def test_an_empty_password_keeps_the_one_that_is_saved(open_office: Office, olga: Person):
    await olga.do("routes", **form(password="hunter2"))
    await olga.do("routes", old="north", **form(host="other.example", password=""))
    (north,) = await saved(open_office)
    assert (north.host, north.password) == ("other.example", "hunter2")
    assert "north: host" in [each.detail for each in await open_office.audits("route_saved")]
    await olga.do("routes", old="north", **form(password="", password_file="/run/secrets/smsc"))
    assert (await saved(open_office))[0].password == ""


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("name", "North", "Имя маршрута: от 1 до 32"),
        ("host", "", "Адрес SMSC: заполните это поле"),
        ("port", "many", "Порт: нужно число"),
        ("port", "٢٧٧٥", "Порт: нужно число"),
        ("port", "70000", "Порт: нужно число от 1 до 65535"),
        ("password", "ninechars", "Пароль: не больше 8"),
        ("prefixes", "seven", "Префиксы номеров: 'seven' – не префикс"),
        ("errors", "0x400", "Свои коды ошибок: в строке '0x400' должны быть"),
        ("errors", "0x400 red", "Свои коды ошибок: 0x400: возможно только одно из"),
        ("bind_type", "radio", "Вид соединения: возможно только одно из"),
        ("tps", "-1", "SMS в секунду: нужно число от 0 до"),
    ],
)
async def test_what_is_wrong_with_a_route_is_said_and_what_was_typed_stays(
    open_office: Office, olga: Person, field: str, value: str, said: str
):
    answer = await olga.post("routes", **form(**{field: value, "system_type": "kept"}))
    assert answer.status_code == 422
    assert said in answer.text.replace("&#39;", "'")
    assert 'value="kept"' in answer.text
    assert await saved(open_office) == []


async def test_a_name_is_given_once(open_office: Office, olga: Person):
    await olga.do("routes", **form())
    answer = await olga.post("routes", **form(host="other.example"))
    assert answer.status_code == 422
    assert [each.host for each in await saved(open_office)] == ["smsc.example"]


@pytest.fixture
async def smsc() -> AsyncIterator[Smsc]:
    smsc = Smsc()
    await smsc.start()
    yield smsc
    await smsc.stop()


async def test_a_bind_is_tried_and_its_answer_told(open_office: Office, olga: Person, smsc: Smsc):
    await olga.do("routes", **form(host="127.0.0.1", port=str(smsc.port), password="hunter2"))
    assert "SMSC принял вход" in await olga.do("routes/north/test")
    smsc.bind_status = 0x0E
    text = await olga.do("routes/north/test")
    assert "Не вышло: ESME_RINVPASWD . Неверный пароль." in text
    assert not smsc.submits
    assert len(await open_office.audits("route_tested")) == 2


async def test_an_smsc_that_cannot_be_reached_is_told(open_office: Office, olga: Person):
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    await olga.do("routes", **form(host="127.0.0.1", port=str(port)))
    assert "До SMSC не дойти" in await olga.do("routes/north/test")


async def test_a_route_is_switched_off_on_and_removed(open_office: Office, olga: Person):
    await olga.do("routes", **form())
    assert "выключен" in await olga.do("routes/north/state", on="no")
    assert not (await saved(open_office))[0].enabled
    await olga.do("routes/north/state", on="yes")
    assert (await saved(open_office))[0].enabled
    assert "Значение не подходит" in await olga.do("routes/north/remove", sure="nort")
    await olga.do("route-zones", zone="1", place1="north")
    assert "Маршрут удалён" in await olga.do("routes/north/remove", sure="north")
    assert await saved(open_office) == []
    assert (await routes.get_plan(open_office.house.store)).zones == {}
    assert (await olga.get("routes/north")).status_code == 404


async def test_a_zone_is_given_its_routes_in_order(open_office: Office, olga: Person):
    for name in ("north", "south"):
        await olga.do("routes", **form(name=name))
    text = await olga.do("route-zones", zone="1", place1="south", place2="north", place3="south")
    assert "1 7 south → north" in text
    plan = await routes.get_plan(open_office.house.store)
    assert (plan.routes(1), plan.routes(2)) == (("south", "north"), None)
    await olga.do("route-zones", zone="0", place1="north")
    assert (await routes.get_plan(open_office.house.store)).routes(2) == ("north",)
    await olga.do("route-zones", zone="1")
    assert (await routes.get_plan(open_office.house.store)).routes(1) == ("north",)


@pytest.mark.parametrize(
    "wrong", [{"zone": "x"}, {"zone": "1", "place1": "nowhere"}, {"zone": "99999"}]
)
async def test_a_zone_that_cannot_be_served_so_stays(
    open_office: Office, olga: Person, wrong: dict[str, Any]
):
    await olga.do("routes", **form())
    assert "Значение не подходит" in await olga.do("route-zones", **{"place1": "north", **wrong})
    assert (await routes.get_plan(open_office.house.store)).zones == {}


async def test_the_list_tells_who_holds_the_binds(open_office: Office, olga: Person):
    house = open_office.house
    await olga.do("routes", **form(binds="2"))
    assert "нет связи" in await olga.see("routes")
    now = house.clock.now()
    me = Bidder(holder="x", node="node-7", lease_until=now + 60_000, failing=False)
    why = {("north", 1): "", ("north", 2): "bind refused: ESME_RBINDFAIL"}
    for _ in range(2):
        asking = Asking(bidder=me, wanted={"north": 2}, why=why, now=now)
        await house.store.lease_binds(asking)
    text = await olga.see("routes")
    assert "связано 1 из 2" in text
    assert "node-7 1" in text
    assert "node-7 2: bind refused: ESME_RBINDFAIL" in text


async def test_a_route_asks_for_the_password_again(open_office: Office, olga: Person):
    await open_office.stale()
    assert "Пароль кабинета не подошёл" in await olga.do("routes", **form())
    assert await saved(open_office) == []


async def test_passwords_that_an_earlier_version_left_are_sealed(open_office: Office):
    store, keyring = open_office.house.store, open_office.house.keyring
    profile = RouteProfile(name="old", host="smsc.example", system_id="a", password="canary77")
    await routes.put(store, keyring, profile, at=1)
    (row,) = await store.routes()
    text = json.dumps({**json.loads(row.profile), "password": "canary77"})
    await store.save_route(type(row)(name="old", channel="sms", profile=text, created_at=1))
    await routes.seal(store, keyring)
    (row,) = await store.routes()
    assert "canary77" not in row.profile
    assert await saved(open_office) == [profile]
