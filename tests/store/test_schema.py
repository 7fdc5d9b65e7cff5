"""The metadata and the migrations say the same."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine, inspect, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateTable

from kodgate.store import migrate, migrating, rows, schema, sql

_ADDED = re.compile(r", (?=\w+ INTEGER)")
"""Columns that a later migration added stand in one line with the one before."""
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
