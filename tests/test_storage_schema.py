"""Migrations: the same schema as the tables, on both engines, and nothing lost on the way."""

import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from sqlalchemy import inspect, select, text

from bot.storage import schema
from bot.storage import tables as t
from bot.storage.schema import BrokenReferences, NewerSchema, SchemaState, migrate, schema_state
from bot.storage.store import Store, engine, sqlite_path

pytest_plugins = ["tests.databases"]

MONDAY = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)

# A later version, as Alembic's batch mode writes it on SQLite: cases is copied, dropped and renamed.
SECOND = """
import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    with op.batch_alter_table("cases") as batch:
        batch.add_column(sa.Column("colour", sa.Text(), nullable=True))
        batch.alter_column("subject", existing_type=sa.Text(), nullable=True)
    {more}
"""


@pytest.fixture
def later(tmp_path, monkeypatch):
    """Makes a version of Parley with one more migration the present one."""

    def write(more: str = "pass") -> Path:
        folder = tmp_path / "migrations"
        shutil.copytree(schema._FOLDER, folder, ignore=shutil.ignore_patterns("__pycache__"))
        (folder / "versions" / "0002_second.py").write_text(SECOND.format(more=more))
        monkeypatch.setattr(schema, "_FOLDER", folder)
        return folder

    return write


def state(url: str) -> SchemaState:
    made = engine(url)
    try:
        return schema_state(made)
    finally:
        made.dispose()


def fill(url: str) -> dict[str, int]:
    """A case with rows in the tables that refer to it; gives the number of rows a table."""
    store = Store(url)
    with store.engine.begin() as connection:
        moment = {"at": MONDAY}
        connection.execute(t.inbox.insert().values(
            source="mail", external_key="k", sha256="s", raw=b"", received_at=MONDAY, state="new", tries=0, reason=""
        ))  # fmt: skip
        case = {"id": 1001, "number": 1001, "version": 1, "stage": "sorting", "subject": "", "changed_at": MONDAY}
        connection.execute(t.cases.insert().values(**case, rest="{}"))
        connection.execute(t.versions.insert().values(hash="h", kind="policy", body=""))
        connection.execute(t.assignment_ids.insert().values(case_id=1001, position=0, assignment_id="1"))
        connection.execute(
            t.statements.insert().values(case_id=1001, number=1, role="worker", mail_id=1, text="", by="", rest="{}")
        )
        event = {
            "id": "e",
            "case_id": 1001,
            "seq": 1,
            "kind": "Claimed",
            "by": "U1",
            "prev_hash": "",
            "digest": "",
            "hash": "",
        }
        connection.execute(t.events.insert().values(**event, **moment, policy_version="h", wording_version="h"))
    counts = count(store)
    store.close()
    return counts


def count(store: Store) -> dict[str, int]:
    with store.engine.connect() as connection:
        return {name: len(connection.execute(select(table)).all()) for name, table in t.metadata.tables.items()}


def test_an_empty_database_is_migrated_once(empty_url):
    assert state(empty_url) is SchemaState.EMPTY
    assert migrate(empty_url)
    assert state(empty_url) is SchemaState.CURRENT
    assert not migrate(empty_url)


def test_the_migrated_schema_is_that_of_the_tables(url):
    made = engine(url)
    with made.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, t.metadata) == []
        kept = {
            name: {constraint["name"] for constraint in inspect(connection).get_check_constraints(name)}
            for name in t.metadata.tables
        }
        assert {name for names in kept.values() for name in names} == {"ck_cases_number"}
        rows = "SELECT name FROM sqlite_master WHERE sql LIKE '%AUTOINCREMENT%'"
        if made.dialect.name == "sqlite":
            autoincrement = {
                name for name, table in t.metadata.tables.items() if table.dialect_kwargs.get("sqlite_autoincrement")
            }
            assert set(connection.execute(text(rows)).scalars()) == autoincrement
    made.dispose()


def test_a_migration_of_a_filled_database_loses_no_row(url, later):
    before = fill(url)
    later()
    assert state(url) is SchemaState.OLD
    assert migrate(url)
    store = Store(url)
    assert count(store) == before
    with store.engine.connect() as connection:
        assert connection.execute(text("SELECT colour FROM cases")).scalars().all() == [None]
        if store.engine.dialect.name == "sqlite":
            assert connection.execute(text("PRAGMA foreign_keys")).scalar_one() == 1
    store.close()


def test_a_migration_that_breaks_references_is_rolled_back(url, later):
    before = fill(url)
    later('op.execute("DELETE FROM cases")')
    with pytest.raises(Exception, match=r"(?i)refer to nothing|foreign key") as raised:
        migrate(url)
    assert state(url) is SchemaState.OLD
    store = Store(url)
    assert count(store) == before
    assert store.engine.dialect.name == "postgresql" or raised.type is BrokenReferences
    store.close()


def test_a_migration_that_fails_leaves_everything_as_it_was(url, later):
    before = fill(url)
    later('op.execute("SELECT * FROM nowhere")')
    with pytest.raises(Exception, match="nowhere"):
        migrate(url)
    assert state(url) is SchemaState.OLD
    store = Store(url)
    assert count(store) == before
    assert "colour" not in {column["name"] for column in inspect(store.engine).get_columns("cases")}
    store.close()


def test_a_schema_of_a_later_version_is_left_alone(url, later, monkeypatch):
    folder = schema._FOLDER
    later()
    migrate(url)
    monkeypatch.setattr(schema, "_FOLDER", folder)
    assert state(url) is SchemaState.NEWER
    with pytest.raises(NewerSchema, match="later version"):
        migrate(url)


def test_a_database_of_something_else_is_left_alone(empty_url):
    made = engine(empty_url)
    with made.begin() as connection:
        connection.execute(text("CREATE TABLE recipes (id INTEGER)"))
    made.dispose()
    assert state(empty_url) is SchemaState.NEWER


def test_migrations_run_only_from_here():
    config = Config()
    config.set_main_option("script_location", str(schema._FOLDER))
    config.set_main_option("path_separator", "os")
    with pytest.raises(KeyError, match="connection"):
        command.upgrade(config, "head")


def test_the_file_of_a_database_is_known():
    assert sqlite_path("sqlite:///parley.db") == Path("parley.db")
    assert sqlite_path("sqlite://") is None
    assert sqlite_path("postgresql://u@h/d") is None
