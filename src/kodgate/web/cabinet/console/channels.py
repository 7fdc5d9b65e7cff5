"""Каналы: whether each takes messages and why not, its calls, its links and routes."""

from __future__ import annotations

import json

from starlette.responses import Response

from kodgate.channels import smpp
from kodgate.channels.smpp.route import RouteProfile, load, save
from kodgate.web import drains
from kodgate.web.cabinet.console.desk import act, look, record
from kodgate.web.cabinet.console.now import node_views
from kodgate.web.cabinet.console.readings import channel_views
from kodgate.web.cabinet.visit import Visit


async def show(visit: Visit) -> Response:
    views = channel_views(visit.site.engine)
    nodes = await node_views(visit)
    profiles = await _profiles(visit)
    at_work = {route.name for view in views for route in view.routes}
    return visit.page(
        "console/channels.html",
        channels=views,
        carriers={
            view.name: [node.name for node in nodes if node.alive and view.name in node.sends]
            for view in views
        },
        profiles=profiles,
        drained=await drains.drained(visit.site.engine.store),
        waiting_start=[name for name in profiles if name not in at_work],
        sms_here=any(view.name == smpp.NAME and view.here for view in views),
    )


async def _profiles(visit: Visit) -> dict[str, list[tuple[str, str]]]:
    """Route -> what of it differs from the defaults, its password hidden."""
    routes = await visit.site.engine.store.routes()
    saved = [load(route.profile) for route in routes if route.channel == smpp.NAME]
    return {profile.name: _fields(profile) for profile in saved}


def _fields(profile: RouteProfile) -> list[tuple[str, str]]:
    values = json.loads(save(profile, masked=True))
    return [
        (name, value if isinstance(value, str) else json.dumps(value))
        for name, value in values.items()
        if name != "name"
    ]


async def drain(visit: Visit) -> Response:
    """Out of work, or back: in this process at once, elsewhere with the next beat of each node."""
    engine, name = visit.site.engine, visit.request.path_params["name"]
    if name not in engine.channels:
        return visit.site.refuse(visit, 404)
    out = visit.form.get("out", "") == "yes"
    await drains.drain(engine.store, name, out=out)
    await drains.follow(engine.store, engine.channels.values())
    word = "channel_drained" if out else "channel_restored"
    await record(visit, word, name)
    return visit.go("channels", note=word)


PAGES = (look("channels", show), act("channels/{name}/drain", drain, proof=True))
