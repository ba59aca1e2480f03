"""Two statements that SQLAlchemy spells differently for each database."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Table
from sqlalchemy.dialects import postgresql, sqlite


def upsert(
    connection: Connection, table: Table, key: Mapping[str, Any], values: Mapping[str, Any], replace: bool = True
) -> bool:
    """Insert a row, or change `values` of the one with this key; with `replace` false leave that one alone.

    Returns whether a row was written. Any unique key counts where `replace` is false.
    """
    row = {**key, **values}
    made = _insert(connection, table).values(row)
    if replace and values:
        made = made.on_conflict_do_update(index_elements=list(key), set_=dict(values))
    else:
        made = made.on_conflict_do_nothing()
    return connection.execute(made).rowcount == 1


def _insert(connection: Connection, table: Table) -> "sqlite.Insert | postgresql.Insert":
    return sqlite.insert(table) if connection.dialect.name == "sqlite" else postgresql.insert(table)
