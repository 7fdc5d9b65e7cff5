"""An SMSC that takes everything at once and reports it delivered: `python -m bench.smsc PORT`.

It keeps nothing, so that the figure is the gateway's.
"""

from __future__ import annotations

import asyncio
import sys
from itertools import count

import uvloop

from kodgate.channels.smpp import pdu as p

RECEIPT = (
    "id:{id} sub:001 dlvrd:001 submit date:2511221200 done date:2511221200 stat:DELIVRD err:000"
    " text:"
)
_ids = count(1)


class Session(asyncio.Protocol):
    """One bind."""

    def __init__(self) -> None:
        self._framer = p.Framer()
        self._sequence = 0
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        assert self._transport is not None
        out = [self._answer(pdu) for pdu in self._framer.feed(data)]
        self._transport.write(b"".join(out))

    def _answer(self, pdu: p.Pdu) -> bytes:
        if isinstance(pdu, p.SubmitSm):
            id = f"{next(_ids):x}"
            return p.encode(p.reply(pdu, message_id=id)) + self._receipt(pdu, id)
        if isinstance(pdu, p.BindTransceiver):
            return p.encode(p.reply(pdu, system_id="bench"))
        return b"" if p.is_response(pdu) else p.encode(p.reply(pdu))

    def _receipt(self, submit: p.SubmitSm, id: str) -> bytes:
        self._sequence = p.next_sequence(self._sequence)
        return p.encode(
            p.DeliverSm(
                sequence=self._sequence,
                esm_class=p.ESM_CLASS_RECEIPT,
                source_addr=submit.destination_addr,
                destination_addr=submit.source_addr,
                short_message=RECEIPT.format(id=id).encode("ascii"),
            )
        )


async def main(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(Session, "127.0.0.1", port)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1])))
