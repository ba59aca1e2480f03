"""All tables, as SQLAlchemy Core: what the store looks like on SQLite and on PostgreSQL alike.

Columns of their own are for what is queried or constrained; what only travels with its row stands as JSON in `rest` or
`body`. The first migration creates the same; a test compares the two. `docs/storage.md` says what each table is for.
"""

from datetime import UTC, datetime

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Sequence,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
)
from sqlalchemy.dialects.postgresql import TIMESTAMP
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeEngine

FIRST_CASE = 1001
"""The number of the first case; a case's number is also its row's id."""


class Moment(TypeDecorator[datetime]):
    """A moment, aware and in UTC on the way out, to the microsecond.

    On SQLite text of a fixed width, so that comparing texts compares moments. A naive datetime raises `ValueError`.
    """

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[str] | TypeEngine[datetime]:
        if dialect.name == "postgresql":
            return dialect.type_descriptor(TIMESTAMP(timezone=True))
        return dialect.type_descriptor(Text())

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | str | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value.isoformat()} has no time zone; moments are aware, in UTC")
        value = value.astimezone(UTC)
        return value if dialect.name == "postgresql" else value.isoformat(timespec="microseconds")

    def process_result_value(self, value: object, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        match value:
            case datetime():
                return value.astimezone(UTC)
            case str():
                return datetime.fromisoformat(value)
            case _:
                return None


class Words(TypeDecorator[str]):
    """Text that came from outside. NUL and lone surrogates, which databases refuse, are left out."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:  # noqa: ARG002
        return None if value is None else value.replace("\0", "").encode("utf-8", "ignore").decode()


metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
    }
)

case_numbers = Sequence("case_numbers", start=FIRST_CASE, metadata=metadata)


def _case(name: str = "case_id", nullable: bool = False) -> Column[int]:
    return Column(name, Integer, ForeignKey("cases.id"), nullable=nullable)


# --- What came in ---------------------------------------------------------------------------------------------------

inbox = Table(
    "inbox",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("source", Text, nullable=False),
    Column("external_key", Words, nullable=False, unique=True),
    Column("sha256", Text, nullable=False),
    Column("raw", LargeBinary, nullable=False),
    Column("received_at", Moment, nullable=False),
    Column("state", Text, nullable=False),
    Column("tries", Integer, nullable=False),
    Column("reason", Words, nullable=False),
    Column("claimed_until", Moment),
    UniqueConstraint("source", "sha256"),
    Index(None, "state", "id"),
    sqlite_autoincrement=True,
)

cursor = Table(
    "cursor",
    metadata,
    Column("name", Text, primary_key=True),
    Column("uidvalidity", BigInteger),
    Column("uid", BigInteger),
    Column("slack_ts", Text),
    Column("polled_at", Moment),
    Column("poll_wanted_at", Moment),
)

beats = Table("beats", metadata, Column("name", Text, primary_key=True), Column("at", Moment, nullable=False))

leases = Table(
    "leases",
    metadata,
    Column("name", Text, primary_key=True),
    Column("holder", Text, nullable=False),
    Column("token", Integer, nullable=False),
    Column("until", Moment, nullable=False),
)

mails = Table(
    "mails",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("inbox_id", Integer, ForeignKey("inbox.id"), nullable=False),
    Column("message_id", Words),
    Column("date", Moment),
    Column("sender", Words, nullable=False),
    Column("subject", Words, nullable=False),
    _case(nullable=True),
    Column("party", Text),
    Column("suggests", Words),
    Column("threaded_by", Words, nullable=False),
    Column("verdict", Text, nullable=False),
    Column("verdict_reason", Words, nullable=False),
    Column("provenance", Text),
    Column("state", Text, nullable=False),
    Column("filed_at", Moment, nullable=False),
    Index(None, "inbox_id"),
    Index(None, "message_id"),
    Index(None, "case_id"),
    Index(None, "state", "id"),
    sqlite_autoincrement=True,
)

# --- Cases ----------------------------------------------------------------------------------------------------------

cases = Table(
    "cases",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("number", Integer, nullable=False, unique=True),
    Column("version", Integer, nullable=False),
    Column("kind", Text),
    Column("stage", Text, nullable=False),
    Column("opener", Text),
    Column("owner", Words),
    Column("subject", Words, nullable=False),
    Column("opened_at", Moment),
    Column("changed_at", Moment, nullable=False),
    Column("channel", Text),
    Column("card_ts", Text),
    Column("rest", Text, nullable=False),
    CheckConstraint("number = id", name="number"),
    Index(None, "stage"),
)

assignment_ids = Table(
    "assignment_ids",
    metadata,
    Column("case_id", Integer, ForeignKey("cases.id"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("assignment_id", Words, nullable=False),
    Index(None, "assignment_id"),
)

parties = Table(
    "parties",
    metadata,
    Column("case_id", Integer, ForeignKey("cases.id"), primary_key=True),
    Column("role", Text, primary_key=True),
    Column("opener", Boolean, nullable=False),
    Column("name", Words, nullable=False),
    Column("zone", Words),
    Column("lang", Words, nullable=False),
    Column("rest", Text, nullable=False),
)

addresses = Table(
    "addresses",
    metadata,
    Column("case_id", Integer, ForeignKey("cases.id"), primary_key=True),
    Column("role", Text, primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("address", Words, nullable=False),
    Column("source", Words, nullable=False),
    Column("bounced_at", Moment),
    Index(None, "address"),
)

items = Table(
    "items",
    metadata,
    Column("case_id", Integer, ForeignKey("cases.id"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("role", Text, nullable=False),
    Column("item", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("provenance", Text),
    Column("mail_id", Integer, ForeignKey("inbox.id")),
    Column("by", Words, nullable=False),
    Column("reason", Words, nullable=False),
    Column("rest", Text, nullable=False),
)

statements = Table(
    "statements",
    metadata,
    Column("id", Integer, primary_key=True),
    _case(),
    Column("number", Integer, nullable=False),
    Column("role", Text, nullable=False),
    Column("mail_id", Integer, ForeignKey("inbox.id"), nullable=False),
    Column("text", Words, nullable=False),
    Column("released_at", Moment),
    Column("by", Words, nullable=False),
    Column("rest", Text, nullable=False),
    UniqueConstraint("case_id", "number"),
    sqlite_autoincrement=True,
)

links = Table(
    "links",
    metadata,
    Column("case_id", Integer, ForeignKey("cases.id"), primary_key=True),
    Column("other_id", Integer, ForeignKey("cases.id"), primary_key=True),
    Column("why", Words, nullable=False),
)

# --- What goes out --------------------------------------------------------------------------------------------------

outbox = Table(
    "outbox",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("key", Text, nullable=False, unique=True),
    _case(nullable=True),
    Column("channel", Text, nullable=False),
    Column("recipient", Words, nullable=False),
    Column("role", Text),
    Column("number", Integer),
    Column("name", Text, nullable=False),
    Column("sending", Text),
    Column("message_id", Text, unique=True),
    Column("body", Text, nullable=False),
    Column("because", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("owner", Text),
    Column("created_at", Moment, nullable=False),
    Column("not_before", Moment, nullable=False),
    Column("late_after", Moment),
    Column("after_poll", Boolean, nullable=False),
    Column("retry_at", Moment),
    Column("claimed_until", Moment),
    Column("sent_at", Moment),
    Column("wire", LargeBinary),
    Column("reason", Words, nullable=False),
    Column("evidence", Words, nullable=False),
    Column("told", Boolean, nullable=False),
    UniqueConstraint("case_id", "number"),
    Index(None, "state", "channel", "not_before"),
    Index(None, "case_id", "recipient", "state"),
    Index(None, "recipient", "not_before"),
    sqlite_autoincrement=True,
)

clocks = Table(
    "clocks",
    metadata,
    Column("case_id", Integer, ForeignKey("cases.id"), primary_key=True),
    Column("who", Text, primary_key=True),
    Column("what", Text, primary_key=True),
    Column("topic", Text, primary_key=True),
    Column("position", Integer, nullable=False),
    Column("due_at", Moment, nullable=False),
    Column("letter", Integer),
    Column("outbox_id", Integer, ForeignKey("outbox.id")),
    Column("held_by", Words, nullable=False),
    Column("held_since", Moment),
    Column("rest", Text, nullable=False),
    Index(None, "due_at"),
)

# --- The record -----------------------------------------------------------------------------------------------------

versions = Table(
    "versions",
    metadata,
    Column("hash", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("body", Text, nullable=False),
)

events = Table(
    "events",
    metadata,
    Column("id", Words, primary_key=True),
    _case(),
    Column("seq", Integer, nullable=False),
    Column("kind", Text, nullable=False),
    Column("at", Moment, nullable=False),
    Column("by", Words, nullable=False),
    Column("because", Text),
    Column("body", Text),
    Column("salt", Text),
    Column("policy_version", Text, ForeignKey("versions.hash"), nullable=False),
    Column("wording_version", Text, ForeignKey("versions.hash"), nullable=False),
    Column("prev_hash", Text, nullable=False),
    Column("digest", Text, nullable=False),
    Column("hash", Text, nullable=False),
    UniqueConstraint("case_id", "seq"),
)

# --- What is known --------------------------------------------------------------------------------------------------

assignments = Table(
    "assignments",
    metadata,
    Column("assignment_id", Words, primary_key=True),
    Column("worker_name", Words, nullable=False),
    Column("worker_email", Words, nullable=False),
    Column("client_name", Words, nullable=False),
    Column("client_email", Words, nullable=False),
    Column("worker_zone", Words),
    Column("client_zone", Words),
    Column("amount", Words),
    Column("approved_on", Date),
    Column("due_on", Date),
    Column("paid_on", Date),
)

files = Table(
    "files",
    metadata,
    Column("sha256", Text, primary_key=True),
    Column("bytes", LargeBinary, nullable=False),
    Column("size_bytes", Integer, nullable=False),
    Column("content_type", Words, nullable=False),
    Column("name", Words, nullable=False),
    Column("inbox_id", Integer, ForeignKey("inbox.id")),
)

corrections = Table(
    "corrections",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("at", Moment, nullable=False),
    Column("by", Words, nullable=False),
    Column("inbox_id", Integer, ForeignKey("inbox.id"), nullable=False),
    Column("field", Words, nullable=False),
    Column("was", Words, nullable=False),
    Column("became", Words, nullable=False),
    sqlite_autoincrement=True,
)

staff = Table(
    "staff",
    metadata,
    Column("user", Words, primary_key=True),
    Column("name", Words, nullable=False),
    Column("lead", Boolean, nullable=False),
)
