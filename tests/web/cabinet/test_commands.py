"""`kodgate user ...`, and what `kodgate up` prepares for people."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from kodgate.cli import demo
from kodgate.cli.exits import REFUSED, USAGE
from kodgate.cli.main import app
from kodgate.cli.opening import Opened, with_store
from kodgate.config import Config, load
from kodgate.core.accounts import Account
from kodgate.store import sql
from kodgate.store.cabinet import CabinetStore, User
from kodgate.store.tables import tables
from kodgate.web import findings
from kodgate.web.cabinet.passwords import Passwords
from kodgate.web.findings import Grade

GIVEN = "correct horse battery"
Run = Callable[..., Result]


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Config:
    monkeypatch.setenv("KODGATE_MASTER_KEY", "ab" * 32)
    monkeypatch.setenv("KODGATE_DATA", str(tmp_path))
    return load(None)


@pytest.fixture
def run(config: Config) -> Run:
    runner = CliRunner()

    def run(*words: str, typed: str | None = None) -> Result:
        return runner.invoke(app, list(words), input=typed)

    assert run("account", "create", "alice").exit_code == 0
    return run


def _user(config: Config, login: str) -> User:
    async def work(opened: Opened) -> User:
        found = await CabinetStore(tables(opened.store)).user(login)
        assert found is not None
        return found

    return with_store(config, work)


def _fits(user: User, password: str) -> bool:
    async def check() -> bool:
        return await Passwords().fits(user.password, password)

    return asyncio.run(check())


def _printed(result: Result) -> str:
    assert result.exit_code == 0, result.output
    line = next(line for line in result.output.splitlines() if line.startswith("password:"))
    return line.split()[1]


def test_a_user_of_an_account_is_its_owner_unless_told_otherwise(run: Run, config: Config) -> None:
    password = _printed(run("user", "create", "Alice", "--account", "alice"))
    user = _user(config, "alice")
    assert user.role == "owner" and user.account_id is not None and _fits(user, password)


def test_without_an_account_a_user_is_an_operator(run: Run, config: Config) -> None:
    _printed(run("user", "create", "olga"))
    user = _user(config, "olga")
    assert user.role == "operator" and user.account_id is None


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (("x",), USAGE),
        (("bob", "--role", "owner"), USAGE),
        (("bob", "--role", "king"), USAGE),
        (("bob", "--account", "alice", "--role", "operator"), USAGE),
        (("bob", "--account", "nobody"), REFUSED),
    ],
)
def test_a_user_that_makes_no_sense_is_not_created(
    run: Run, words: tuple[str, ...], status: int
) -> None:
    assert run("user", "create", *words).exit_code == status


def test_a_stopped_account_is_listed_with_its_reason_and_resumed(run: Run, config: Config) -> None:
    why = "message 7000001, receipt: AssertionError"

    async def stop(opened: Opened) -> None:
        await tables(opened.store).run([(sql.STOP_ACCOUNT, (1_000, why, 1))])

    with_store(config, stop)
    assert f"alice takes no codes: {why}" in run("account", "list").output
    assert f"alice: {why}" in run("account", "resume", "alice").output
    assert why not in run("account", "list").output
    assert run("account", "resume", "alice").exit_code == REFUSED
    assert "account_resumed" in _audits(config)


def test_doctor_names_a_stopped_account(run: Run, config: Config) -> None:
    async def accounts(opened: Opened) -> list[Account]:
        await tables(opened.store).run([(sql.STOP_ACCOUNT, (1_000, "message 7000001", 1))])
        return await opened.store.accounts()

    found = findings.business(with_store(config, accounts), [], 0)
    (told,) = [one for one in found if one.grade is Grade.FAIL and one.what == "accounts"]
    assert "message 7000001" in told.found % told.values
    assert told.fix.endswith("kodgate account resume alice")


def test_a_login_is_taken_once(run: Run) -> None:
    assert run("user", "create", "olga").exit_code == 0
    assert run("user", "create", "olga").exit_code == REFUSED


def test_a_password_can_be_piped_in_and_is_not_printed(run: Run, config: Config) -> None:
    made = run("user", "create", "olga", "--password-stdin", typed=f"{GIVEN}\n")
    assert made.exit_code == 0 and GIVEN not in made.output
    assert _fits(_user(config, "olga"), GIVEN)


def test_a_short_password_is_refused(run: Run) -> None:
    assert run("user", "create", "olga", "--password-stdin", typed="short\n").exit_code == USAGE


def test_a_new_password_replaces_the_old_one(run: Run, config: Config) -> None:
    old = _printed(run("user", "create", "olga"))
    new = _printed(run("user", "password", "olga"))
    user = _user(config, "olga")
    assert _fits(user, new) and not _fits(user, old)


def test_a_lost_second_factor_is_switched_off_on_record(run: Run, config: Config) -> None:
    run("user", "create", "olga")

    async def lose(opened: Opened) -> None:
        cabinet = CabinetStore(tables(opened.store))
        user = await cabinet.user("olga")
        assert user is not None
        await cabinet.set_totp(user.id, opened.keyring.wrap("totp", "A" * 32))

    with_store(config, lose)
    assert run("user", "totp-reset", "olga").exit_code == 0
    assert _user(config, "olga").totp is None

    assert "totp_off" in _audits(config)


def _audits(config: Config) -> list[str]:
    """What is in the audit trail."""

    async def audits(opened: Opened) -> list[str]:
        return [each.action for each in await CabinetStore(tables(opened.store)).audits(None)]

    return with_store(config, audits)


def test_a_backup_is_copied_and_noted(run: Run, config: Config, tmp_path: Path) -> None:
    assert run("db", "backup", str(tmp_path / "copy.db")).exit_code == 0
    assert (tmp_path / "copy.db").exists()
    found = findings.backup(_value(config, findings.BACKUP_KEY), time.time())
    assert (found.grade, "0.0 h old" in str(found)) == (Grade.OK, True)


def test_a_backup_of_an_own_tool_is_noted_in_its_words(run: Run, config: Config) -> None:
    assert run("db", "backup", "--done", "pg_dump to north").exit_code == 0
    mark = _value(config, findings.BACKUP_KEY)
    late = findings.backup(mark, time.time() + findings.BACKUP_AGE_MAX_S + 1)
    assert late.grade is Grade.WARN and "26.0 h old: pg_dump to north" in str(late)


@pytest.mark.parametrize("words", [(), ("copy.db", "--done", "words")])
def test_a_backup_is_either_made_or_noted(run: Run, config: Config, words: tuple[str, ...]) -> None:
    assert run("db", "backup", *words).exit_code == USAGE
    assert _value(config, findings.BACKUP_KEY) is None
    assert findings.backup(None, 0).grade is Grade.WARN


def _value(config: Config, key: str) -> str | None:
    return with_store(config, lambda opened: opened.store.get(key))


def test_the_list_names_everybody(run: Run) -> None:
    run("user", "create", "olga")
    run("user", "create", "eve", "--account", "alice", "--role", "support")
    listed = run("user", "list").output
    assert "olga" in listed and "support" in listed and "alice" in listed


def test_the_demo_keeps_its_passwords_over_restarts(run: Run, config: Config) -> None:
    assert run("account", "create", "demo").exit_code == 0

    async def people(opened: Opened) -> demo.People:
        return await demo.people(opened, data=config.data, environ={})

    first, second = with_store(config, people), with_store(config, people)
    assert first == second and _fits(_user(config, "demo"), first.demo)
    assert _fits(_user(config, "operator"), first.operator)
    kept = config.data / "demo-password"
    assert kept.stat().st_mode & 0o077 == 0
