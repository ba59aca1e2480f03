"""What the bot knows besides cases: the imported directory, staff, files, corrections, and the versions in force."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from hashlib import sha256

from sqlalchemy import Connection, delete, func, select

from bot.flows.events import Listing
from bot.storage import tables as t
from bot.storage.rows import add, upsert


@dataclass(frozen=True, slots=True)
class Assignment:
    """One row of the imported directory: what `decide` may see of it, and the amount as written, for staff only."""

    listing: Listing
    amount: str | None = None


@dataclass(frozen=True, slots=True)
class StaffMember:
    """A person who may act, by the Slack user."""

    user: str
    name: str
    lead: bool = False


@dataclass(frozen=True, slots=True)
class File:
    """An attachment, kept once however often it comes."""

    content: bytes
    content_type: str
    name: str
    mail_id: int | None = None


@dataclass(frozen=True, slots=True)
class Correction:
    """A person found that a mail was sorted wrongly: what it `was`, and what it became."""

    at: datetime
    by: str
    mail_id: int
    field: str
    was: str
    became: str


class Knowledge:
    """Directory, staff, files, corrections and versions of one transaction."""

    __slots__ = ("_connection",)

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    # --- Directory --------------------------------------------------------------------------------------------------

    def import_assignments(self, found: Iterable[Assignment]) -> int:
        """Add assignments, or change those with the same ID; others stay. Returns how many were given."""
        count = 0
        for assignment in found:
            listing = assignment.listing
            upsert(
                self._connection,
                t.assignments,
                {"assignment_id": listing.assignment_id},
                {
                    "worker_name": listing.worker_name,
                    "worker_email": listing.worker_email.lower(),
                    "client_name": listing.client_name,
                    "client_email": listing.client_email.lower(),
                    "worker_zone": listing.worker_zone,
                    "client_zone": listing.client_zone,
                    "amount": assignment.amount,
                    "approved_on": listing.approved_on,
                    "due_on": listing.due_on,
                    "paid_on": listing.paid_on,
                },
            )
            count += 1
        return count

    def assignments(self, ids: Sequence[str]) -> tuple[Assignment, ...]:
        """The assignments with these IDs, in their order; unknown ones are left out."""
        row = t.assignments.c
        found = self._connection.execute(select(t.assignments).where(row.assignment_id.in_(ids))).mappings().all()
        known = {each["assignment_id"]: _assignment(dict(each)) for each in found}
        return tuple(known[each] for each in dict.fromkeys(ids) if each in known)

    def all_assignments(self, limit: int = 1000) -> tuple[Assignment, ...]:
        """The directory by ID, as far as `limit`."""
        listed = select(t.assignments).order_by(t.assignments.c.assignment_id).limit(limit)
        return tuple(_assignment(dict(row)) for row in self._connection.execute(listed).mappings())

    def count_assignments(self) -> int:
        return self._connection.execute(select(func.count()).select_from(t.assignments)).scalar_one()

    # --- Staff ------------------------------------------------------------------------------------------------------

    def set_staff(self, members: Sequence[StaffMember]) -> None:
        """These people, and no others, may act."""
        self._connection.execute(delete(t.staff))
        rows = [{"user": each.user, "name": each.name, "lead": each.lead} for each in members]
        add(self._connection, t.staff, *rows)

    def staff(self) -> tuple[StaffMember, ...]:
        return tuple(StaffMember(*row) for row in self._connection.execute(select(t.staff).order_by(t.staff.c.user)))

    # --- Files ------------------------------------------------------------------------------------------------------

    def put_file(self, file: File) -> str:
        """Keep a file; returns its SHA-256 (hex). One with the same bytes stays as it is."""
        digest = sha256(file.content).hexdigest()
        values = {
            "bytes": file.content,
            "size_bytes": len(file.content),
            "content_type": file.content_type,
            "name": file.name,
            "inbox_id": file.mail_id,
        }
        upsert(self._connection, t.files, {"sha256": digest}, values, replace=False)
        return digest

    def file(self, digest: str) -> File | None:
        row = self._connection.execute(select(t.files).where(t.files.c.sha256 == digest)).one_or_none()
        return None if row is None else File(row.bytes, row.content_type, row.name, row.inbox_id)

    # --- Corrections ------------------------------------------------------------------------------------------------

    def correct(self, correction: Correction) -> None:
        values = {
            "at": correction.at,
            "by": correction.by,
            "inbox_id": correction.mail_id,
            "field": correction.field,
            "was": correction.was,
            "became": correction.became,
        }
        add(self._connection, t.corrections, values)

    def corrections(self, limit: int = 1000) -> tuple[Correction, ...]:
        """The latest corrections, newest first."""
        row = t.corrections.c
        listed = select(row.at, row.by, row.inbox_id, row.field, row.was, row.became).order_by(row.id.desc())
        return tuple(Correction(*found) for found in self._connection.execute(listed.limit(limit)))

    # --- Versions ---------------------------------------------------------------------------------------------------

    def remember_version(self, kind: str, digest: str, body: str) -> None:
        """Keep a policy or wording under its hash, once, so that what was in force can be shown later."""
        upsert(self._connection, t.versions, {"hash": digest}, {"kind": kind, "body": body}, replace=False)

    def version(self, digest: str) -> str | None:
        """The text of a policy or wording that was in force."""
        return self._connection.execute(
            select(t.versions.c.body).where(t.versions.c.hash == digest)
        ).scalar_one_or_none()


def _assignment(row: dict[str, str | date | None]) -> Assignment:
    return Assignment(
        Listing(
            assignment_id=_text(row["assignment_id"]),
            worker_name=_text(row["worker_name"]),
            worker_email=_text(row["worker_email"]),
            client_name=_text(row["client_name"]),
            client_email=_text(row["client_email"]),
            worker_zone=_text(row["worker_zone"]) or None,
            client_zone=_text(row["client_zone"]) or None,
            due_on=_date(row["due_on"]),
            approved_on=_date(row["approved_on"]),
            paid_on=_date(row["paid_on"]),
        ),
        amount=_text(row["amount"]) or None,
    )


def _text(value: str | date | None) -> str:
    return value if isinstance(value, str) else ""


def _date(value: str | date | None) -> date | None:
    return value if isinstance(value, date) else None
