"""`kodgate db ...`: the schema's version, and the way from one database to another."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from kodgate.cli.exits import REFUSED, SETUP, USAGE, Failed
from kodgate.cli.opening import with_store
from kodgate.config import Config
from kodgate.store import copying, is_postgres, migrating, public_url, sql
from kodgate.store.sqlite import path_of
from kodgate.store.transfer import Copied, Different, NotEmpty, transfer
from kodgate.web import findings


def upgrade(config: Config) -> int:
    """Creates the tables, or brings them to this version."""
    config.data.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        migrating.migrate(config.database_url)
    except (OSError, ValueError) as error:
        raise Failed(f"database {public_url(config.database_url)}: {error}", SETUP) from None
    typer.echo(f"database {public_url(config.database_url)} has version {sql.REVISION}")
    return 0


def status(config: Config) -> int:
    """Exit status 8 where an upgrade is needed, or the database is not there."""
    url = public_url(config.database_url)
    try:
        found = asyncio.run(migrating.version(config.database_url))
    except (OSError, ValueError) as error:
        raise Failed(f"database {url}: {error}", SETUP) from None
    kind = "PostgreSQL" if is_postgres(config.database_url) else "SQLite"
    typer.echo(f"database  {url} ({kind})")
    typer.echo(f"version   {found or 'none: no tables yet'}")
    typer.echo(f"newest    {sql.REVISION}")
    if found == sql.REVISION:
        return 0
    typer.echo("run `kodgate db upgrade`, or start the gateway, which does the same")
    return SETUP


def backup(config: Config, *, target: Path | None, done: str) -> int:
    """Keys are not in it: they are backed up apart (D5). Raises Failed."""
    if (target is None) == (not done):
        raise Failed("name a file to copy to, or say --done 'what your own tool has made'", USAGE)
    if target is not None:
        if is_postgres(config.database_url):
            tell = "PostgreSQL has its own tools: run pg_dump or pg_basebackup, then --done WORDS"
            raise Failed(tell, USAGE)
        try:
            copying.copy(path_of(config.database_url), target)
        except (OSError, ValueError) as error:
            raise Failed(f"{target}: {error}", SETUP) from None
    mark = json.dumps({"at": int(time.time() * 1000), "to": done or str(target)})
    with_store(config, lambda opened: opened.store.put(findings.BACKUP_KEY, mark))
    typer.echo(f"backup noted: {done or target}")
    return 0


def migrate(source: str, target: str) -> int:
    """Copies everything; the target is made, or brought to this version, first."""
    if source == target:
        raise Failed("source and target are the same database", USAGE)
    try:
        migrating.migrate(target)
        copied = asyncio.run(_copy(source, target))
    except NotEmpty as error:
        raise Failed(str(error), REFUSED) from None
    except (Different, OSError, ValueError) as error:
        raise Failed(f"nothing was copied: {error}", SETUP) from None
    for finding in copied.findings:
        typer.echo(f"on both sides: {finding}")
    rows = sum(copied.counts.values())
    typer.echo(f"copied {rows} rows of {len(copied.counts)} tables to {public_url(target)}")
    typer.echo(f"compared {copied.sums} sums and all invariants: both sides are equal")
    return 0


async def _copy(source: str, target: str) -> Copied:
    """With a bar for each table on a terminal, and a line for each table elsewhere."""
    columns = (TextColumn("{task.description:16}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, disable=not sys.stderr.isatty()) as bars:
        tasks = {}

        def progress(table: str, done: int, total: int) -> None:
            if table not in tasks:
                tasks[table] = bars.add_task(table, total=total)
            bars.update(tasks[table], completed=done)
            if bars.disable and done == total:
                typer.echo(f"{table}: {done} rows", err=True)

        return await transfer(source, target, progress)
