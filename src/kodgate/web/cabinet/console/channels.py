"""Каналы: whether each takes messages and why not, its calls and its links."""

from __future__ import annotations

from starlette.responses import Response

from kodgate.web import drains
from kodgate.web.cabinet.console.desk import act, look, record
from kodgate.web.cabinet.console.now import node_views
from kodgate.web.cabinet.console.readings import channel_views
from kodgate.web.cabinet.visit import Visit


async def show(visit: Visit) -> Response:
    views = channel_views(visit.site.engine)
    nodes = await node_views(visit)
    return visit.page(
        "console/channels.html",
        channels=views,
        carriers={
            view.name: [node.name for node in nodes if node.alive and view.name in node.sends]
            for view in views
        },
        drained=await drains.drained(visit.site.engine.store),
    )


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
