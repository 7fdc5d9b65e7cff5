"""Reads the text of a submit_sm: GSM 03.38, UCS-2, Latin-1; and writes the text of a receipt."""

from __future__ import annotations

import datetime

from kodgate.channels.smpp.pdu import ESM_CLASS_UDHI, SubmitSm

GSM = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\x1bÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
"""The default alphabet (GSM 03.38), one character an octet."""
GSM_ESCAPED = {
    0x0A: "\f", 0x14: "^", 0x28: "{", 0x29: "}", 0x2F: "\\", 0x3C: "[", 0x3D: "~", 0x3E: "]",
    0x40: "|", 0x65: "€",
}  # fmt: skip
_ESCAPE = 0x1B

CODINGS = {1: "ascii", 3: "latin-1", 8: "utf-16-be"}
"""data_coding to codec; 0 is the SMSC's default alphabet."""

RECEIPT_TEXT_MAX = 20


def read(pdu: SubmitSm, alphabet: str) -> str:
    """The text, wherever it stands; what cannot be read becomes U+FFFD.

    `alphabet`: what data_coding 0 means here, gsm or a codec's name.
    """
    content = pdu.content
    if pdu.esm_class & ESM_CLASS_UDHI and content:
        content = content[1 + content[0] :]
    codec = CODINGS.get(pdu.data_coding, alphabet)
    return _gsm(content) if codec == "gsm" else content.decode(codec, errors="replace")


def _gsm(content: bytes) -> str:
    text: list[str] = []
    octets = iter(content)
    for octet in octets:
        if octet == _ESCAPE:
            text.append(GSM_ESCAPED.get(next(octets, 0), "\ufffd"))
        else:
            text.append(GSM[octet] if octet < len(GSM) else "\ufffd")
    return "".join(text)


def receipt(message_id: str, stat: str, submitted: int, done: int, text: str) -> bytes:
    """The receipt's text as SMPP 3.4 appendix B suggests it. Instants: business ms.

    It repeats the message's beginning, as real ones do: readers must not keep it.
    """
    arrived = "001" if stat == "DELIVRD" else "000"
    error = "000" if stat == "DELIVRD" else "001"
    start = text[:RECEIPT_TEXT_MAX].encode("ascii", errors="replace").decode()
    return (
        f"id:{message_id} sub:001 dlvrd:{arrived} submit date:{_minute(submitted)}"
        f" done date:{_minute(done)} stat:{stat} err:{error} text:{start}"
    ).encode()


def _minute(at: int) -> str:
    return datetime.datetime.fromtimestamp(at / 1000, datetime.UTC).strftime("%y%m%d%H%M")
