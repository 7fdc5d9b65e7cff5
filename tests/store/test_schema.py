"""The metadata and the migrations say the same."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import (
    BigInteger,
    Connection,
    Integer,
    LargeBinary,
    Text,
    create_engine,
    inspect,
    text,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateTable

from kodgate.store import columns, migrate, migrating, rows, schema, sql

_ADDED = re.compile(r", (?=\w+ (?:INTEGER|TEXT))")
"""Columns that a later migration added stand in one line with the one before."""
STARTING = """
import asyncio, sys
import kodgate.cli.main, kodgate.cli.serve, kodgate.store.postgres
from kodgate.store import migrate, open_store

async def start():
    store = open_store(sys.argv[1])
    await store.open()
    await store.close()

migrate(sys.argv[1])
asyncio.run(start())
print({"sqlalchemy", "alembic", "mako"} & set(sys.modules))
"""
MIGRATIONS = Path(migrating.__file__).parent / "migrations"


def tables(connection: Connection) -> dict[str, list[str]]:
    found = connection.execute(
        text("select name, sql from sqlite_master where name not like 'alembic%' and sql not null")
    )
    return {
        name: sorted(line.strip(" \t,") for line in _ADDED.sub(",\n", ddl).splitlines())
        for name, ddl in found
    }


def test_metadata_and_migrations_agree(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/migrated.db"
    migrate(url)
    migrated, declared = create_engine(url), create_engine("sqlite://")
    with migrated.connect() as one, declared.connect() as other:
        schema.metadata.create_all(other)
        assert compare_metadata(MigrationContext.configure(one), schema.metadata) == []
        assert tables(one) == tables(other)
    migrated.dispose()
    declared.dispose()


def test_the_version_that_the_store_asks_for_is_the_newest() -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    assert ScriptDirectory.from_config(config).get_current_head() == sql.REVISION


def test_the_types_that_postgres_is_told_are_the_schemas() -> None:
    types = {BigInteger: "bigint", Integer: "bigint", Text: "text", LargeBinary: "bytea"}
    declared = {
        (column.name, types[type(column.type)])
        for table in schema.metadata.tables.values()
        for column in table.columns
    }
    names = [name for name, _ in declared]
    assert len(names) == len(set(names)), "columns of one name have one type"
    assert {(name, columns.type_of(name)) for name in names} == declared
    assert set(names).issuperset(columns.TEXTS.split() + columns.BYTES.split())


def test_a_gateway_loads_nothing_of_migrations_where_there_is_none_to_run(tmp_path: Path) -> None:
    """They would be a sixth of its memory."""
    url = f"sqlite:///{tmp_path}/kodgate.db"
    migrate(url)
    done = subprocess.run(
        [sys.executable, "-c", STARTING, url], capture_output=True, text=True, check=True
    )
    assert done.stdout == "set()\n"


def test_migrating_twice_changes_nothing(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/kodgate.db"
    migrate(url)
    before = (tmp_path / "kodgate.db").read_bytes()
    migrate(url)
    assert (tmp_path / "kodgate.db").read_bytes() == before


def test_every_table_is_strict(tmp_path: Path) -> None:
    engine = create_engine("sqlite://")
    with engine.connect() as connection:
        schema.metadata.create_all(connection)
        look = inspect(connection)
        assert all(look.get_table_options(name)["sqlite_strict"] for name in look.get_table_names())
    engine.dispose()


@pytest.mark.parametrize("name", schema.metadata.tables)
def test_another_database_can_have_every_table(name: str) -> None:
    ddl = str(CreateTable(schema.metadata.tables[name]).compile(dialect=postgresql.dialect()))
    assert "CREATE TABLE" in ddl


@pytest.mark.parametrize(
    ("table", "columns"),
    [(schema.packet, rows.PACKET), (schema.message, rows.MESSAGE)],
)
def test_rows_are_in_the_order_of_the_columns(table: object, columns: str) -> None:
    assert columns.split(", ") == [column.name for column in table.columns]  # type: ignore[attr-defined]


def test_what_was_spent_before_there_was_a_limit_counts_for_its_day(tmp_path: Path) -> None:
    """Of an account with 2.10 spent yesterday, 4.20 and 2.10 today and 2.10 given back today."""
    engine = create_engine(f"sqlite:///{tmp_path}/old.db")
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    day, moves = 20_000, [(0, 21_000), (1, 42_000), (1, 21_000), (1, -21_000)]
    with engine.begin() as db:
        config.attributes["connection"] = db
        command.upgrade(config, "0004")
        db.execute(
            text(
                "insert into account (id, login, name, status, tariff, credit_limit,"
                " credit_limit_max, balance, held, created_at, settings)"
                " values (1, 'alice', '', 'active', 'default', 0, 0, 0, 0, 0, '{}')"
            )
        )
        for later, spent in moves:
            line = (
                "insert into transfer (account_id, at, kind, debit, credit, amount, customer,"
                " balance_after, attempt, document, comment)"
                " values (1, :at, :kind, 'a', 'b', :amount, :customer, 0, 0, '', '')"
            )
            kind = "charge" if spent > 0 else "refund"
            at = (day + later) * 86_400_000 + 5
            values = {"at": at, "kind": kind, "amount": abs(spent), "customer": -spent}
            db.execute(text(line), values)
        command.upgrade(config, "head")
        found = db.execute(text("select spent_on, spent from account")).one()
    engine.dispose()
    assert tuple(found) == (day + 1, 42_000)
