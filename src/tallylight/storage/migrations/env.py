"""Alembic runs this: it migrates on the connection and in the transaction that it is given."""

from alembic import context

from tallylight.storage.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=True,  # both databases have it
)
context.run_migrations()
