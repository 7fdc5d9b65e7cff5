"""`kodgate status`: a packet's messages once, or as a timeline that grows while they travel."""

from __future__ import annotations

import json
import time
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

import typer

from kodgate.cli import exits
from kodgate.cli.door import Door, Output, printable, run

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

    from kodgate import Client, MessageStatus, PacketStatus

STYLES = {True: "green", False: "red", None: "cyan"}


def status(
    door: Door,
    *,
    packet: int | None,
    message: int | None,
    own: str | None,
    watch: bool,
    timeout_s: float,
) -> int:
    """Prints the status; exit status 5 where it is final and not delivered."""

    def work(client: Client) -> int:
        found = client.status(packet_id=packet, message_id=message, user_message_id=own)
        if watch:
            return follow(client, found.packet_id, output=door.output, timeout_s=timeout_s)
        show(found, door.output)
        return _exit(found)

    return run(door, work)


def follow(client: Client, packet_id: int, *, output: Output, timeout_s: float) -> int:
    """A line for each change, until the packet is final. Raises KodgateError."""
    from rich.console import Console

    console = Console(soft_wrap=True)
    seen: dict[int, int] = {}
    found: PacketStatus | None = None
    with _patience(console, output):
        for found in client.watch(packet_id, timeout=timeout_s):
            if output == "json":
                typer.echo(_json(found))
                continue
            for one in found.messages:
                if seen.get(one.message_id) != one.result.id:
                    seen[one.message_id] = one.result.id
                    console.print(_line(one))
    assert found is not None
    return _exit(found)


def show(found: PacketStatus, output: Output) -> None:
    """The status as a table, or as one JSON object."""
    if output == "json":
        typer.echo(_json(found))
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table("num", "message_id", "channel", "result", "delivered", "cost")
    for one in found.messages:
        when = f"{one.delivered_at:%Y-%m-%d %H:%M:%S %Z}" if one.delivered_at else ""
        table.add_row(
            str(one.num),
            str(one.message_id),
            Text(printable(one.channel or "")),
            Text(printable(one.result.en), style=_style(one)),
            when,
            str(one.cost),
        )
    Console().print(table)
    typer.echo(f"packet {found.packet_id}: {printable(found.verdict)}")


def _line(one: MessageStatus) -> Text:
    from rich.text import Text

    text = Text(f"{time.strftime('%H:%M:%S')}  ")
    return text.append(printable(one.verdict), style=_style(one))


def _style(one: MessageStatus) -> str:
    return STYLES[one.is_delivered if one.is_final else None]


def _patience(console: Console, output: Output) -> AbstractContextManager[object]:
    """Something that moves below the lines while nothing happens; on a terminal only."""
    if output == "json" or not console.is_terminal:
        return nullcontext()
    return console.status("waiting for the next change; Ctrl-C leaves the code on its way")


def _exit(found: PacketStatus) -> int:
    return exits.NOT_DELIVERED if found.is_final and not found.is_delivered else exits.OK


def _json(found: PacketStatus) -> str:
    messages = [
        {
            "num": one.num,
            "message_id": one.message_id,
            "channel": one.channel,
            "result_id": one.result.id,
            "state": one.result.word,
            "delivered_at": one.delivered_at.isoformat() if one.delivered_at else None,
            "cost": str(one.cost),
        }
        for one in found.messages
    ]
    return json.dumps(
        {
            "packet_id": found.packet_id,
            "state": found.result.word,
            "final": found.is_final,
            "delivered": found.is_delivered,
            "cost": str(found.cost),
            "messages": messages,
        },
        ensure_ascii=False,
    )
