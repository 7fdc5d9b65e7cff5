"""Runs the migrations over the connection that `kodgate.store.migrate` hands in."""

from __future__ import annotations

from alembic import context

from kodgate.store.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transaction_per_migration=True,
)
with context.begin_transaction():
    context.run_migrations()
