"""The state of the database's schema, and the way to the present one: Alembic, run from here and never by hand."""

from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, event, inspect, text

from bot.storage.store import engine

_FOLDER = Path(__file__).parent / "migrations"
_ADVISORY_LOCK = 7_105_114_101


class SchemaState(StrEnum):
    """How the schema stands to this version: `newer` was made by a later version and must not be written to."""

    CURRENT = "current"
    OLD = "old"
    EMPTY = "empty"
    NEWER = "newer"


class NewerSchema(RuntimeError):
    """A later version of Parley, or something else, made this database."""


class BrokenReferences(RuntimeError):
    """A migration would leave rows that refer to nothing; it was rolled back."""


def schema_state(made: Engine) -> SchemaState:
    """How the database's schema stands to this version. Raises what the driver raises if it cannot be reached."""
    with made.connect() as connection:
        tables = inspect(connection).get_table_names()
        at = MigrationContext.configure(connection).get_current_revision() if "alembic_version" in tables else None
    if at is None:
        return SchemaState.EMPTY if not set(tables) - {"alembic_version"} else SchemaState.NEWER
    scripts = ScriptDirectory.from_config(_config())
    if at == scripts.get_current_head():
        return SchemaState.CURRENT
    known = {script.revision for script in scripts.walk_revisions()}
    return SchemaState.OLD if at in known else SchemaState.NEWER


def migrate(url: str) -> bool:
    """Bring the database to the present schema; returns whether anything had to be done.

    One transaction: it succeeds as a whole or changes nothing. Raises `NewerSchema` or `BrokenReferences`.
    """
    made = engine(url)
    try:
        state = schema_state(made)
        if state is SchemaState.NEWER:
            raise NewerSchema("the database was made by a later version of Parley, or by something else")
        if state is SchemaState.CURRENT:
            return False
        with _alone(made) as connection:
            config = _config()
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
        return True
    finally:
        made.dispose()


@contextmanager
def _alone(made: Engine) -> Iterator[Connection]:
    """A transaction for migrations: on PostgreSQL one at a time, on SQLite without foreign keys until the end.

    SQLite changes a table by copying and dropping it, and a drop with foreign keys on deletes what refers to it,
    without an error. Switching them off has no effect inside a transaction, hence on connecting.
    Source: SQLite, "ALTER TABLE" §7.
    """
    sqlite = made.dialect.name == "sqlite"
    if sqlite:
        made.dispose()  # Connections in the pool have them on.
        event.listen(made, "connect", lambda raw, _: raw.execute("PRAGMA foreign_keys = OFF"))
    with made.begin() as connection:
        if not sqlite:
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ADVISORY_LOCK})
        yield connection
        broken = connection.exec_driver_sql("PRAGMA foreign_key_check").all() if sqlite else []
        if broken:
            raise BrokenReferences(f"{len(broken)} rows refer to nothing, such as one in {broken[0][0]}")


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(_FOLDER).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config
