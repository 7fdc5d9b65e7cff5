"""The second factor: time-based codes (RFC 6238) and recovery codes (S-111)."""

from __future__ import annotations

import hashlib
import hmac
import io
import re
import secrets

import pyotp
import segno

STEP_S = 30
WINDOW = 1
"""Steps before and after now that are still right: clocks differ."""

RECOVERY_COUNT = 10
PURPOSE = "totp"
"""What the keyring wraps the seed for."""

_CODE = re.compile(r"[0-9]{6}")
_RECOVERY = "abcdefghjkmnpqrstuvwxyz23456789"


def new_seed() -> str:
    """160 bits in base32."""
    return pyotp.random_base32()


def step_of(seed: str, typed: str, *, now_s: float) -> int | None:
    """The time step that a typed code belongs to; None: it is wrong, early or late."""
    code = typed.replace(" ", "")
    if not _CODE.fullmatch(code):
        return None
    totp, current = pyotp.TOTP(seed), int(now_s) // STEP_S
    found = None
    for step in range(current - WINDOW, current + WINDOW + 1):
        if hmac.compare_digest(totp.at(step * STEP_S), code):
            found = step
    return found


def address(seed: str, *, login: str, host: str) -> str:
    """The `otpauth://` address that an authenticator app reads."""
    return pyotp.TOTP(seed).provisioning_uri(name=login, issuer_name=f"kodgate {host}")


def picture(uri: str) -> str:
    """An SVG of the address, without any inline style."""
    written = io.BytesIO()
    code = segno.make(uri, error="m")
    code.save(written, kind="svg", xmldecl=False, border=2, scale=4, dark="#000", light="#fff")
    return written.getvalue().decode()


def recovery_codes() -> list[str]:
    """Ten of 50 bits, without letters that look alike."""
    return [
        "-".join("".join(secrets.choice(_RECOVERY) for _ in range(5)) for _ in range(2))
        for _ in range(RECOVERY_COUNT)
    ]


def recovery_digest(code: str) -> bytes:
    """As stored: each is random enough for a plain hash, and used once."""
    plain = code.strip().lower().replace(" ", "")
    return hashlib.sha256(plain.encode("utf-8", "replace")).digest()
