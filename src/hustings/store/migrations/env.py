"""Run by Alembic: migrates on the connection that `migrations.upgrade` opened, or prints SQL."""

from __future__ import annotations

from alembic import context

from hustings.store.tables import metadata

if context.is_offline_mode():
    context.configure(
        dialect_name=context.config.attributes.get("dialect", "postgresql"),
        target_metadata=metadata,
        literal_binds=True,
    )
    with context.begin_transaction():
        context.run_migrations()
else:
    context.configure(
        connection=context.config.attributes["connection"], target_metadata=metadata, render_as_batch=True
    )
    context.run_migrations()
