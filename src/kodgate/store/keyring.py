"""The keys: what encrypts phones and codes, and what makes digests of them and of secrets (D5).

A data key belongs to one day and one class of field. It lies, wrapped by the master key, in a file
of its own, apart from the data: dropping the file makes that day's field unreadable in every copy
of the data, backups included.

A ciphertext is bound to its day, class, account and to the keyed digest of its own plaintext,
which stands beside it in the row. (The packet's id is given only when the row is stored.) Moved
to another row it opens only where that row's digest claims the very same phone or code anyway.
"""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

CLASSES = ("phone", "code", "request")
MASTER_LENGTH_MIN = 32
KEY_LENGTH = 32
NONCE_LENGTH = 12
DIGEST_LENGTH = 16
SEEN_S = 1.0

_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


class Keyring:
    """Seals, opens and digests. Used by one process; several may share the folder."""

    def __init__(self, folder: Path, master_key: bytes) -> None:
        """`master_key`: at least 32 random bytes. Raises ValueError where it is shorter."""
        if len(master_key) < MASTER_LENGTH_MIN:
            raise ValueError(f"the master key needs {MASTER_LENGTH_MIN} bytes")
        self._folder = folder
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._wrapping = AESGCM(_derive(master_key, "wrap"))
        self._digesting = {
            name: _derive(master_key, f"digest {name}") for name in ("phone", "code", "secret")
        }
        self._ciphers: dict[tuple[str, str], tuple[str, AESGCM]] = {}
        """(day, class) -> the key's file and what it opens."""
        self._sealing: dict[tuple[str, str], tuple[float, AESGCM]] = {}
        """(day, class) -> when its file was last seen, and the key that seals."""

    def seal(self, day: str, cls: str, account_id: int, digest: bytes, plaintext: str) -> bytes:
        """`day` is YYYY-MM-DD; `digest`: that of the plaintext, as it is stored beside it."""
        cipher = self._sealer(day, cls)
        nonce = os.urandom(NONCE_LENGTH)
        bound = _bound(day, cls, account_id, digest)
        return nonce + cipher.encrypt(nonce, plaintext.encode(), bound)

    def open(self, day: str, cls: str, account_id: int, digest: bytes, sealed: bytes) -> str | None:
        """None: the key was dropped, the field is purged. Raises ValueError where the ciphertext
        is not this account's, day's and digest's."""
        (found,) = self.open_all(cls, account_id, [(day, digest, sealed)])
        return found

    def open_all(
        self, cls: str, account_id: int, fields: Iterable[tuple[str, bytes, bytes]]
    ) -> list[str | None]:
        """The same of many fields, (day, digest, sealed): each file is looked at once."""
        ciphers: dict[str, AESGCM | None] = {}
        found: list[str | None] = []
        for day, digest, sealed in fields:
            if day not in ciphers:
                ciphers[day] = self._in_use(day, cls) or self._cipher(day, cls)
            cipher = ciphers[day]
            bound = _bound(day, cls, account_id, digest)
            found.append(None if cipher is None else _opened(cipher, sealed, bound))
        return found

    def drop(self, day: str, cls: str) -> None:
        """What was sealed with this key can never be read again. A second time does nothing."""
        self._ciphers.pop((day, cls), None)
        self._sealing.pop((day, cls), None)
        self._path(day, cls).unlink(missing_ok=True)
        _sync(self._folder)

    def days(self, cls: str) -> list[str]:
        """Days whose key of this class still exists, oldest first."""
        assert cls in CLASSES
        return sorted(path.name.partition(".")[0] for path in self._folder.glob(f"*.{cls}.key"))

    def phone_digest(self, phone: str) -> bytes:
        """By it a phone is found: the same for the same E.164 digits, in every account."""
        return self._digest("phone", phone)

    def code_digest(self, account_id: int, phone: str, code: str) -> bytes:
        """By it live equals are found and a confirm is checked."""
        return self._digest("code", f"{account_id} {phone} {code}")

    def secret_digest(self, secret: str) -> bytes:
        """What is stored of an API secret (D13): microseconds, for secrets of 95 bits and more."""
        return self._digest("secret", secret)

    def wrap(self, purpose: str, text: str) -> bytes:
        """A small secret of ours that must be read again (a TOTP seed), under the master key."""
        nonce = os.urandom(NONCE_LENGTH)
        return nonce + self._wrapping.encrypt(nonce, text.encode(), purpose.encode())

    def unwrap(self, purpose: str, wrapped: bytes) -> str:
        """Raises ValueError where it was made for something else or under another key."""
        nonce, sealed = wrapped[:NONCE_LENGTH], wrapped[NONCE_LENGTH:]
        try:
            return self._wrapping.decrypt(nonce, sealed, purpose.encode()).decode()
        except InvalidTag as error:
            raise ValueError(f"this is no {purpose} of ours") from error

    def _digest(self, name: str, text: str) -> bytes:
        return hashlib.blake2b(
            text.encode(), key=self._digesting[name], digest_size=DIGEST_LENGTH
        ).digest()

    def _path(self, day: str, cls: str) -> Path:
        if not _DAY.fullmatch(day) or cls not in CLASSES:
            raise ValueError("no such data key")
        return self._folder / f"{day}.{cls}.key"

    def _in_use(self, day: str, cls: str) -> AESGCM | None:
        """The key that seals, where its file was there within the last second: only days that are
        long over lose their key."""
        known = self._sealing.get((day, cls))
        return known[1] if known is not None and time.monotonic() - known[0] < SEEN_S else None

    def _sealer(self, day: str, cls: str) -> AESGCM:
        cipher = self._in_use(day, cls)
        if cipher is not None:
            return cipher
        seen_s = time.monotonic()
        cipher = self._cipher(day, cls) or self._create(day, cls)
        self._sealing = {key: seen for key, seen in self._sealing.items() if key[0] == day}
        self._sealing[day, cls] = (seen_s, cipher)
        return cipher

    def _cipher(self, day: str, cls: str) -> AESGCM | None:
        """The file is looked at each time: another process may have dropped the key."""
        known = self._ciphers.get((day, cls))
        if known is not None and os.path.exists(known[0]):  # noqa: PTH110 (ten times as fast)
            return known[1]
        self._ciphers.pop((day, cls), None)
        path = self._path(day, cls)
        if not path.exists():
            return None
        cipher = self._unwrap(path)
        self._ciphers[day, cls] = (str(path), cipher)
        return cipher

    def _unwrap(self, path: Path) -> AESGCM:
        wrapped = path.read_bytes()
        try:
            key = self._wrapping.decrypt(
                wrapped[:NONCE_LENGTH], wrapped[NONCE_LENGTH:], path.name.encode()
            )
        except InvalidTag as error:
            raise ValueError(f"{path.name} was not made under this master key") from error
        return AESGCM(key)

    def _create(self, day: str, cls: str) -> AESGCM:
        """Durable before its first use; whoever comes second uses what the first one made."""
        path = self._path(day, cls)
        nonce = os.urandom(NONCE_LENGTH)
        wrapped = self._wrapping.encrypt(nonce, os.urandom(KEY_LENGTH), path.name.encode())
        handle, temporary = tempfile.mkstemp(dir=self._folder, prefix="new-")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(nonce + wrapped)
                file.flush()
                os.fsync(file.fileno())
            try:
                os.link(temporary, path)
            except FileExistsError:
                pass
        finally:
            Path(temporary).unlink()
        _sync(self._folder)
        cipher = self._cipher(day, cls)
        assert cipher is not None
        return cipher


def _bound(day: str, cls: str, account_id: int, digest: bytes) -> bytes:
    return f"{day} {cls} {account_id} ".encode() + digest


def _opened(cipher: AESGCM, sealed: bytes, bound: bytes) -> str:
    try:
        return cipher.decrypt(sealed[:NONCE_LENGTH], sealed[NONCE_LENGTH:], bound).decode()
    except InvalidTag as error:
        raise ValueError("a stored field does not belong where it stands") from error


def _derive(master_key: bytes, purpose: str) -> bytes:
    return HKDF(
        algorithm=SHA256(), length=KEY_LENGTH, salt=None, info=f"kodgate {purpose}".encode()
    ).derive(master_key)


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
