"""Every mail and Slack event as it came, before anybody reads it: nothing that was accepted is lost."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from hashlib import sha256

from sqlalchemy import Connection, Row, Select, func, or_, select, update

from bot.storage import tables as t
from bot.storage.rows import upsert

MAIL = "mail"
SLACK = "slack"

CLAIM = timedelta(minutes=2)
"""How long a row that is being read is kept from other readers."""


class InboxState(StrEnum):
    NEW = "new"
    DONE = "done"
    QUARANTINED = "quarantined"


@dataclass(frozen=True, slots=True)
class Put:
    """What became of something put into the inbox: its row, and whether it had not been there before."""

    id: int
    new: bool


@dataclass(frozen=True, slots=True)
class InboxRow:
    """Raw bytes as they came. `received_at` is when they were stored (business clock); `tries` counts failures."""

    id: int
    source: str
    external_key: str
    raw: bytes
    received_at: datetime
    state: InboxState
    tries: int
    reason: str


@dataclass(frozen=True, slots=True)
class Quarantined:
    """A row that could not be read or applied, without its bytes."""

    id: int
    source: str
    received_at: datetime
    tries: int
    reason: str


class Inbox:
    """The inbox of one transaction."""

    __slots__ = ("_connection", "_machine")

    def __init__(self, connection: Connection, machine: Callable[[], datetime]) -> None:
        self._connection = connection
        self._machine = machine

    def put(self, source: str, external_key: str, raw: bytes, received_at: datetime) -> Put:
        """Store what came, once.

        The same key, or the same bytes from the same source (a mailbox read anew after its UIDVALIDITY changed), give
        the row that is there.
        """
        digest = sha256(raw).hexdigest()
        values = {
            "source": source,
            "sha256": digest,
            "raw": raw,
            "received_at": received_at,
            "state": InboxState.NEW,
            "tries": 0,
            "reason": "",
        }
        new = upsert(self._connection, t.inbox, {"external_key": external_key}, values, replace=False)
        row = t.inbox.c
        same = or_(row.external_key == external_key, (row.source == source) & (row.sha256 == digest))
        found = self._connection.execute(select(row.id).where(same).order_by(row.id).limit(1)).scalar_one()
        return Put(int(found), new)

    def claim_new(self, limit: int = 1, source: str | None = None) -> tuple[InboxRow, ...]:
        """The oldest unread rows, kept from other readers for `CLAIM`. A reader that dies gives them back so."""
        row, now = t.inbox.c, self._machine()
        free = select(row.id).where(
            row.state == InboxState.NEW, or_(row.claimed_until.is_(None), row.claimed_until <= now)
        )
        if source is not None:
            free = free.where(row.source == source)
        ids = (
            self._connection.execute(free.order_by(row.id).limit(limit).with_for_update(skip_locked=True))
            .scalars()
            .all()
        )
        if not ids:
            return ()
        self._connection.execute(update(t.inbox).where(row.id.in_(ids)).values(claimed_until=now + CLAIM))
        return self._rows(select(t.inbox).where(row.id.in_(ids)))

    def release(self) -> None:
        """Let every claim go, for one who knows that nobody else can be reading."""
        row = t.inbox.c
        claimed = update(t.inbox).where(row.state == InboxState.NEW, row.claimed_until.is_not(None))
        self._connection.execute(claimed.values(claimed_until=None))

    def get(self, inbox_id: int) -> InboxRow | None:
        return next(iter(self._rows(select(t.inbox).where(t.inbox.c.id == inbox_id))), None)

    def done(self, inbox_id: int) -> bool:
        """The row is read and applied. False if it was before: then nothing of it may be applied again."""
        row = t.inbox.c
        open_ = update(t.inbox).where(row.id == inbox_id, row.state != InboxState.DONE)
        return self._connection.execute(open_.values(state=InboxState.DONE, claimed_until=None)).rowcount == 1

    def quarantine(self, inbox_id: int, reason: str) -> None:
        """Nobody can read it as it is; it waits, with its reason, for a person or a better reader."""
        row = t.inbox.c
        new = update(t.inbox).where(row.id == inbox_id, row.state == InboxState.NEW)
        quarantined = {"state": InboxState.QUARANTINED, "reason": reason, "tries": row.tries + 1, "claimed_until": None}
        self._connection.execute(new.values(quarantined))

    def retry(self, inbox_id: int, reason: str, wait: timedelta = timedelta()) -> int:
        """It could not be read this time; the next try is due after `wait` (machine's clock). Returns the failures."""
        row = t.inbox.c
        again = {"tries": row.tries + 1, "reason": reason, "claimed_until": self._machine() + wait}
        new = update(t.inbox).where(row.id == inbox_id, row.state == InboxState.NEW)
        return self._connection.execute(new.values(again).returning(row.tries)).scalar_one_or_none() or 0

    def replay(self, inbox_id: int) -> bool:
        """Take a row out of quarantine, to be read again. False if it was not there."""
        row = t.inbox.c
        quarantined = update(t.inbox).where(row.id == inbox_id, row.state == InboxState.QUARANTINED)
        return self._connection.execute(quarantined.values(state=InboxState.NEW, claimed_until=None)).rowcount == 1

    def quarantined(self, limit: int = 100) -> tuple[Quarantined, ...]:
        """What lies in quarantine, oldest first."""
        row = t.inbox.c
        listed = select(row.id, row.source, row.received_at, row.tries, row.reason)
        listed = listed.where(row.state == InboxState.QUARANTINED).order_by(row.id).limit(limit)
        return tuple(Quarantined(*found) for found in self._connection.execute(listed))

    def unread(self, source: str, received_by: datetime) -> bool:
        """Whether something of `source` that was stored by then is still new."""
        row = t.inbox.c
        waiting = select(row.id).where(
            row.state == InboxState.NEW, row.source == source, row.received_at <= received_by
        )
        return self._connection.execute(waiting.limit(1)).first() is not None

    def counts(self) -> dict[InboxState, int]:
        """How many rows are in each state."""
        row = t.inbox.c
        counted = self._connection.execute(select(row.state, func.count()).group_by(row.state))
        return dict.fromkeys(InboxState, 0) | {InboxState(state): int(count) for state, count in counted}

    def _rows(self, wanted: "Select[tuple[object, ...]]") -> tuple[InboxRow, ...]:
        return tuple(_row(row) for row in self._connection.execute(wanted.order_by(t.inbox.c.id)))


def _row(row: "Row[tuple[object, ...]]") -> InboxRow:
    return InboxRow(
        id=row.id,
        source=row.source,
        external_key=row.external_key,
        raw=row.raw,
        received_at=row.received_at,
        state=InboxState(row.state),
        tries=row.tries,
        reason=row.reason,
    )
