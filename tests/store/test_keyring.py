"""The keyring: what is sealed opens where it belongs, and nowhere once its key is dropped."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from kodgate.store.keyring import Keyring

MASTER = bytes(range(32))
DAY = "2025-10-09"
PHONE = "79123456789"


@pytest.fixture
def ring(tmp_path: Path) -> Keyring:
    return Keyring(tmp_path / "keys", MASTER)


def sealed_code(ring: Keyring, code: str = "4711") -> tuple[bytes, bytes]:
    digest = ring.code_digest(1, PHONE, code)
    return digest, ring.seal(DAY, "code", 1, digest, code)


def test_what_was_sealed_opens_again_also_after_a_restart(ring: Keyring, tmp_path: Path) -> None:
    digest, sealed = sealed_code(ring)
    assert ring.open(DAY, "code", 1, digest, sealed) == "4711"
    assert Keyring(tmp_path / "keys", MASTER).open(DAY, "code", 1, digest, sealed) == "4711"


def test_many_open_at_once_each_in_its_place(ring: Keyring) -> None:
    fields = [(DAY, *sealed_code(ring, code)) for code in ("4711", "4712")]
    ring.drop("2025-10-10", "code")
    fields.insert(1, ("2025-10-10", *fields[0][1:]))
    assert ring.open_all("code", 1, fields) == ["4711", None, "4712"]


def test_the_same_code_is_never_sealed_the_same(ring: Keyring) -> None:
    assert sealed_code(ring)[1] != sealed_code(ring)[1]


def test_a_ciphertext_does_not_open_in_another_place(ring: Keyring) -> None:
    digest, sealed = sealed_code(ring)
    other, _ = sealed_code(ring, "4712")
    ring.seal(DAY, "phone", 1, digest, "x")
    ring.seal("2025-10-10", "code", 1, digest, "x")
    for day, cls, account, bound in (
        (DAY, "code", 1, other),
        (DAY, "code", 2, digest),
        (DAY, "phone", 1, digest),
        ("2025-10-10", "code", 1, digest),
    ):
        with pytest.raises(ValueError, match="does not belong"):
            ring.open(day, cls, account, bound, sealed)


def test_a_changed_ciphertext_does_not_open(ring: Keyring) -> None:
    digest, sealed = sealed_code(ring)
    for place in range(len(sealed)):
        changed = bytearray(sealed)
        changed[place] ^= 1
        with pytest.raises(ValueError, match="does not belong"):
            ring.open(DAY, "code", 1, digest, bytes(changed))


def test_a_dropped_key_purges_its_field_of_that_day_only(ring: Keyring, tmp_path: Path) -> None:
    digest, sealed = sealed_code(ring)
    phone = ring.phone_digest(PHONE)
    sealed_phone = ring.seal(DAY, "phone", 1, phone, PHONE)
    elsewhere = Keyring(tmp_path / "keys", MASTER)
    assert elsewhere.open(DAY, "code", 1, digest, sealed) == "4711"
    ring.drop(DAY, "code")
    ring.drop(DAY, "code")
    assert ring.open(DAY, "code", 1, digest, sealed) is None
    assert elsewhere.open(DAY, "code", 1, digest, sealed) is None
    assert ring.open(DAY, "phone", 1, phone, sealed_phone) == PHONE
    assert (ring.days("code"), ring.days("phone")) == ([], [DAY])


def test_another_master_key_opens_nothing(ring: Keyring, tmp_path: Path) -> None:
    digest, sealed = sealed_code(ring)
    with pytest.raises(ValueError, match="master key"):
        Keyring(tmp_path / "keys", os.urandom(32)).open(DAY, "code", 1, digest, sealed)


def test_a_short_master_key_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="32"):
        Keyring(tmp_path / "keys", b"short")


def test_two_processes_agree_on_a_days_key(ring: Keyring, tmp_path: Path) -> None:
    second = Keyring(tmp_path / "keys", MASTER)
    digest, sealed = sealed_code(ring)
    assert second.open(DAY, "code", 1, digest, second.seal(DAY, "code", 1, digest, "1")) == "1"
    assert second.open(DAY, "code", 1, digest, sealed) == "4711"


def test_whoever_creates_a_key_second_uses_the_first(ring: Keyring, tmp_path: Path) -> None:
    digest, sealed = sealed_code(ring)
    late = Keyring(tmp_path / "keys", MASTER)
    late._create(DAY, "code")
    assert late.open(DAY, "code", 1, digest, sealed) == "4711"


def test_key_files_hold_no_plain_key_and_are_private(ring: Keyring, tmp_path: Path) -> None:
    sealed_code(ring)
    (file,) = (tmp_path / "keys").iterdir()
    assert file.name == f"{DAY}.code.key"
    assert file.stat().st_mode & 0o077 == 0
    assert len(file.read_bytes()) == 12 + 32 + 16


@pytest.mark.parametrize("day", ["2025-1-9", "../../etc", "2025-10-09/..", "", "２０２５-10-09"])
def test_a_day_that_is_none_names_no_file(ring: Keyring, day: str) -> None:
    with pytest.raises(ValueError, match="no such data key"):
        ring.seal(day, "code", 1, b"", "4711")


def test_digests_differ_by_purpose_account_phone_and_code(ring: Keyring, tmp_path: Path) -> None:
    digests = {
        ring.phone_digest(PHONE),
        ring.secret_digest(PHONE),
        ring.code_digest(1, PHONE, "4711"),
        ring.code_digest(2, PHONE, "4711"),
        ring.code_digest(1, PHONE, "4712"),
        ring.code_digest(1, "79123456780", "4711"),
        Keyring(tmp_path / "other", os.urandom(32)).phone_digest(PHONE),
    }
    assert len(digests) == 7
    assert ring.phone_digest(PHONE) == Keyring(tmp_path / "keys", MASTER).phone_digest(PHONE)
