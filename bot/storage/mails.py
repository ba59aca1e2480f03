"""Where each mail was filed, and the questions that find a mail's case: whose it may be, and what it may answer.

Everywhere outside the store a mail's number is its row in the inbox (`mail_id`): one number, known before it is filed,
also where one mail opened two cases and so has two rows here.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from sqlalchemy import Connection, Row, Select, func, select, update

from bot.flows.case import Provenance, Role
from bot.flows.mail import Verdict
from bot.storage import tables as t
from bot.storage.rows import add


class MailState(StrEnum):
    FILED = "filed"
    UNCONFIRMED = "unconfirmed"
    SORTING = "sorting"
    NOT_DISPUTE = "not_dispute"
    IGNORED = "ignored"


@dataclass(frozen=True, slots=True)
class Filing:
    """How a mail was read and threaded, apart from the case it belongs to.

    `inbox_id` is the raw mail, which is done once this is written; `threaded_by` says what led to the case (`token`,
    `message_id`, `references`, `staff`, or empty). `suggests` names a case it may belong to, such as `D-1042`.
    """

    inbox_id: int
    state: MailState
    message_id: str | None = None
    date: datetime | None = None
    sender: str = ""
    subject: str = ""
    suggests: str | None = None
    threaded_by: str = ""
    verdict: Verdict = Verdict.NONE
    verdict_reason: str = ""
    provenance: Provenance | None = None


@dataclass(frozen=True, slots=True)
class MailRow:
    """A filed mail: `case` and `party` are None where it belongs to none. `filed_at` is on the business clock."""

    id: int
    filing: Filing
    case: int | None
    party: Role | None
    filed_at: datetime

    @property
    def mail_id(self) -> int:
        return self.filing.inbox_id


class Mails:
    """The filed mails of one transaction."""

    __slots__ = ("_connection",)

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, filing: Filing, case: int | None, party: Role | None, at: datetime) -> None:
        """File a mail at a case, or at none."""
        row = {
            "inbox_id": filing.inbox_id,
            "message_id": filing.message_id,
            "date": filing.date,
            "sender": filing.sender,
            "subject": filing.subject,
            "case_id": case,
            "party": party,
            "suggests": filing.suggests,
            "threaded_by": filing.threaded_by,
            "verdict": filing.verdict,
            "verdict_reason": filing.verdict_reason,
            "provenance": filing.provenance,
            "state": filing.state,
            "filed_at": at,
        }
        add(self._connection, t.mails, row)

    def refile(self, mail_id: int, case: int | None, state: MailState, party: Role | None = None) -> None:
        """A person or a decision says otherwise: change the state of the mail's row at this case (None: at no case)."""
        row = t.mails.c
        at_case = row.case_id.is_(None) if case is None else row.case_id == case
        changed = update(t.mails).where(row.inbox_id == mail_id, at_case)
        values: dict[str, str] = {"state": state} if party is None else {"state": state, "party": party}
        self._connection.execute(changed.values(values))

    def refile_all(self, case: int, before: MailState, after: MailState, party: Role | None = None) -> None:
        """All mails of the case in one state go to another; those without a party become `party`'s."""
        row = t.mails.c
        changed = update(t.mails).where(row.case_id == case, row.state == before)
        self._connection.execute(changed.values(state=after, party=func.coalesce(row.party, party)))

    def also_at(self, mail_id: int, case: int, party: Role | None, state: MailState) -> None:
        """File a mail that is filed elsewhere at this case, too; where it is already, nothing changes."""
        rows = self.filed(mail_id)
        if rows and all(row.case != case for row in rows):
            filing = replace(rows[0].filing, state=state, threaded_by="staff")
            self.add(filing, case, party, rows[0].filed_at)

    def attach(self, mail_id: int, case: int, party: Role | None, state: MailState) -> None:
        """Bind a mail that lay at no case to one; how it was threaded becomes `staff`."""
        row = t.mails.c
        loose = update(t.mails).where(row.inbox_id == mail_id, row.case_id.is_(None))
        self._connection.execute(loose.values(case_id=case, party=party, state=state, threaded_by="staff"))

    def filed(self, mail_id: int) -> tuple[MailRow, ...]:
        """The rows of one mail; several if it opened several cases."""
        return self._rows(select(t.mails).where(t.mails.c.inbox_id == mail_id))

    def of_case(self, case: int) -> tuple[MailRow, ...]:
        """The case's mails, in the order of filing."""
        return self._rows(select(t.mails).where(t.mails.c.case_id == case))

    def by_message_id(self, message_ids: Sequence[str]) -> tuple[MailRow, ...]:
        """The mails that bear one of these Message-IDs (with their brackets), in the order of filing."""
        return self._rows(select(t.mails).where(t.mails.c.message_id.in_(message_ids))) if message_ids else ()

    def in_state(self, state: MailState, limit: int = 100) -> tuple[MailRow, ...]:
        """The latest mails in a state, newest first: "not disputes", unconfirmed mail."""
        listed = select(t.mails).where(t.mails.c.state == state)
        found = self._connection.execute(listed.order_by(t.mails.c.id.desc()).limit(limit))
        return tuple(_row(row) for row in found)

    def _rows(self, wanted: "Select[tuple[object, ...]]") -> tuple[MailRow, ...]:
        return tuple(_row(row) for row in self._connection.execute(wanted.order_by(t.mails.c.id)))


def _row(row: "Row[tuple[object, ...]]") -> MailRow:
    filing = Filing(
        inbox_id=row.inbox_id,
        state=MailState(row.state),
        message_id=row.message_id,
        date=row.date,
        sender=row.sender,
        subject=row.subject,
        suggests=row.suggests,
        threaded_by=row.threaded_by,
        verdict=Verdict(row.verdict),
        verdict_reason=row.verdict_reason,
        provenance=None if row.provenance is None else Provenance(row.provenance),
    )
    party = None if row.party is None else Role(row.party)
    return MailRow(id=row.id, filing=filing, case=row.case_id, party=party, filed_at=row.filed_at)
