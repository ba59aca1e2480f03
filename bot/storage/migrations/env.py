"""Alembic's entry: it runs on the connection and in the transaction that `bot.storage.schema` hands in."""

from alembic import context
from sqlalchemy import Connection

from bot.storage.tables import metadata

connection = context.config.attributes["connection"]
if not isinstance(connection, Connection):
    raise TypeError("migrations are run by `parley migrate`, not by the alembic command")
context.configure(connection=connection, target_metadata=metadata, render_as_batch=True, transactional_ddl=True)
with context.begin_transaction():
    context.run_migrations()
