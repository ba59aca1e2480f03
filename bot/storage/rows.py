"""Statements that are built once and executed often, and the one that SQLAlchemy spells differently for each database.

Building a statement costs more than SQLite needs to run it, so what every decision writes is built once a table.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, Insert, Table, insert
from sqlalchemy.dialects import postgresql, sqlite

Row = Mapping[str, Any]


def add(connection: Connection, table: Table, *rows: Row) -> None:
    """Insert rows, all with the same columns; without rows nothing happens."""
    if len(rows) == 1:
        connection.execute(_insert(table), rows[0])
    elif rows:
        connection.execute(_insert(table), rows)


def upsert(connection: Connection, table: Table, key: Row, values: Row, replace: bool = True) -> bool:
    """Insert a row, or change `values` of the one with this key; with `replace` false leave that one alone.

    Returns whether a row was written. Any unique key counts where `replace` is false.
    """
    kept = tuple(key) if replace and values else ()
    statement = _upsert(table, connection.dialect.name, kept, tuple(values))
    return connection.execute(statement, {**key, **values}).first() is not None


@lru_cache(maxsize=64)
def _insert(table: Table) -> Insert:
    return insert(table)


@lru_cache(maxsize=64)
def _upsert(table: Table, dialect: str, key: tuple[str, ...], values: tuple[str, ...]) -> Insert:
    made = sqlite.insert(table) if dialect == "sqlite" else postgresql.insert(table)
    if key:
        made = made.on_conflict_do_update(index_elements=key, set_={name: made.excluded[name] for name in values})
    else:
        made = made.on_conflict_do_nothing()
    return made.returning(*table.primary_key.columns)
