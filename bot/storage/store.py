"""The database: its engine, one transaction at a time, and all operations that a transaction offers.

The same code runs on SQLite (one machine) and PostgreSQL (several). Writing transactions on SQLite take the lock at
once (BEGIN IMMEDIATE); on PostgreSQL they lock the rows they change.
"""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import OperationalError

from bot.storage.beats import Beats
from bot.storage.cases import Cases
from bot.storage.events import Events
from bot.storage.inbox import Inbox
from bot.storage.knowledge import Knowledge
from bot.storage.mails import Mails
from bot.storage.outbox import Outbox

Clock = Callable[[], datetime]
"""Gives the machine's time, UTC-aware."""

DatabaseUnreachable = OperationalError
"""What is raised where the database does not answer, or not in time."""

BUSY_TIMEOUT_S = 30
"""How long a transaction waits for another one's lock before it fails."""

LOCK = ".lock"
"""What the lock of an SQLite database is called, behind the database's own name."""

POOL_SIZE = 10
_READ_ONLY = "parley_read_only"


class InUse(RuntimeError):
    """Another bot works with this SQLite database; the message says what would be right."""


class Tx:
    """One transaction, and what can be done in it. Not to be kept beyond it, nor shared by threads."""

    __slots__ = ("beats", "cases", "events", "inbox", "knowledge", "mails", "outbox")

    def __init__(self, connection: Connection, machine: Clock) -> None:
        self.cases = Cases(connection)
        self.events = Events(connection)
        self.inbox = Inbox(connection, machine)
        self.mails = Mails(connection)
        self.outbox = Outbox(connection, machine)
        self.beats = Beats(connection, machine)
        self.knowledge = Knowledge(connection)


class Store:
    """A database that holds the tables of `bot.storage.tables`; `bot.storage.schema` brings it there.

    `machine` gives the machine's time for leases, claims and back-off; None: the database's own clock, which all
    replicas share. Business time never comes from here: it is handed in with each operation.
    """

    def __init__(self, url: str, machine: Clock | None = None) -> None:
        self.engine = engine(url)
        self._machine = machine
        self._path = sqlite_path(url)
        self._lock: sqlite3.Connection | None = None

    @contextmanager
    def begin(self) -> Iterator[Tx]:
        """A transaction that may write; committed at the end, rolled back if something is raised.

        Keep it short: on SQLite nobody else writes meanwhile.
        """
        with self.engine.begin() as connection:
            yield Tx(connection, self._machine or _clock_of(connection))

    @contextmanager
    def read(self) -> Iterator[Tx]:
        """A transaction that only reads, and sees one state of the database; it waits for nobody."""
        with self.engine.connect().execution_options(**{_READ_ONLY: True}) as connection, connection.begin():
            if connection.dialect.name == "postgresql":
                connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"))
                yield Tx(connection, self._machine or _clock_of(connection))
                return
            connection.exec_driver_sql("PRAGMA query_only = ON")
            try:
                yield Tx(connection, self._machine or _clock_of(connection))
            finally:
                connection.exec_driver_sql("PRAGMA query_only = OFF")

    def ping(self) -> None:
        """Raises what the driver raises if the database cannot be reached."""
        with self.engine.connect() as connection:
            connection.execute(text("SELECT 1"))

    def backup(self, path: Path) -> None:
        """A consistent copy of an SQLite database while it is in use. Raises `ValueError` on PostgreSQL.

        Source: SQLite, "VACUUM INTO": a stepwise backup starts again at each write of somebody else.
        """
        if self.engine.dialect.name != "sqlite":
            raise ValueError("only SQLite is copied from here; use pg_dump for PostgreSQL")
        connection = self.engine.raw_connection()  # Outside of a transaction, which SQLAlchemy would begin.
        try:
            connection.cursor().execute("VACUUM INTO ?", (str(path),))
        finally:
            connection.close()

    def occupy(self) -> None:
        """Keep every other bot away from an SQLite database, until `close` or until this process ends in any way.

        Two bots on one file would each take the other for killed, and free what it is at. On PostgreSQL, where several
        share the work, this does nothing. Raises `InUse`, or what SQLite raises if the lock's file cannot be opened.
        """
        if self._path is None or self._lock:
            return
        # A database of its own that stays empty: SQLite's locks work alike on every system and end with the process.
        lock = sqlite3.connect(f"{self._path}{LOCK}", timeout=0, isolation_level=None, check_same_thread=False)
        try:
            lock.execute("PRAGMA journal_mode = MEMORY")
            lock.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError as wrong:
            lock.close()
            if wrong.sqlite_errorcode != sqlite3.SQLITE_BUSY:
                raise
            raise InUse(
                f"another Parley works with {self._path.name}: stop it first; several at once need PostgreSQL"
            ) from None
        self._lock = lock

    def close(self) -> None:
        self.engine.dispose()
        if self._lock:
            self._lock.close()
            self._lock = None


def database_url(url: str) -> URL:
    """The URL with the driver we use: psycopg 3 for PostgreSQL, also for `postgres://`, as some platforms write it.

    Raises `ValueError` for any other database.
    """
    parsed = make_url(url)
    match parsed.get_backend_name():
        case "sqlite":
            return parsed
        case "postgresql" | "postgres":
            return parsed.set(drivername="postgresql+psycopg")
        case other:
            raise ValueError(f"{other}: the database is SQLite (sqlite:///…) or PostgreSQL (postgresql+psycopg://…)")


def sqlite_path(url: str) -> Path | None:
    """The file of an SQLite database; None for PostgreSQL, and for a database in memory."""
    parsed = database_url(url)
    if parsed.get_backend_name() != "sqlite" or parsed.database in (None, "", ":memory:"):
        return None
    return Path(str(parsed.database))


def engine(url: str) -> Engine:
    """An engine for the URL, with our pragmas on SQLite."""
    parsed = database_url(url)
    if parsed.get_backend_name() == "sqlite":
        made = create_engine(parsed, connect_args={"timeout": BUSY_TIMEOUT_S}, pool_size=POOL_SIZE, max_overflow=-1)
        event.listen(made, "connect", _prepare_sqlite)
        event.listen(made, "begin", _begin_sqlite)
        return made
    return create_engine(parsed, pool_size=POOL_SIZE, max_overflow=-1, pool_pre_ping=True)


def _prepare_sqlite(connection: sqlite3.Connection, record: object) -> None:  # noqa: ARG001
    connection.isolation_level = None  # BEGIN is ours: the driver's own would be deferred, and not cover DDL.
    for pragma in (
        "journal_mode = WAL",
        "synchronous = FULL",
        "foreign_keys = ON",
        f"busy_timeout = {BUSY_TIMEOUT_S * 1000}",
        "trusted_schema = OFF",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    reads = connection.get_execution_options().get(_READ_ONLY, False)
    connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")


def _clock_of(connection: Connection) -> Clock:
    if connection.dialect.name == "sqlite":
        return lambda: datetime.now(UTC)
    return lambda: _utc(connection.execute(text("SELECT clock_timestamp()")).scalar_one())


def _utc(moment: Any) -> datetime:
    if not isinstance(moment, datetime):
        raise TypeError(f"the database's clock gave {moment!r}")
    return moment.astimezone(UTC)
