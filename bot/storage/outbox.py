"""What is to go out, and how far that is: claimed, intent, sent, once each, in order.

A row passes `ready → claimed → intent → sent`. Intent is committed just before the step that cannot be taken back, by
comparing owner and attempt, so that one attempt at most passes it. A claim that expires may be tried again; an intent
that expires is `unknown`: it may have left, and is never sent again by itself.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    and_,
    bindparam,
    exists,
    func,
    not_,
    or_,
    select,
    true,
    tuple_,
    update,
)

from bot.flows.case import Role
from bot.flows.effects import Because, Sending
from bot.storage import tables as t
from bot.storage.beats import MAILBOX
from bot.storage.codec import because_text, dumps, loads, read_because
from bot.storage.inbox import MAIL, InboxState
from bot.storage.rows import upsert

INTENT = timedelta(minutes=15)
"""How long an attempt past its intent may take. Source: RFC 5321 §4.5.3.2.6 (10 minutes after the final dot)."""


class OutState(StrEnum):
    READY = "ready"
    CLAIMED = "claimed"
    INTENT = "intent"
    SENT = "sent"
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"
    HELD = "held"
    DEAD = "dead"


WAITING = (OutState.READY, OutState.CLAIMED, OutState.INTENT)
"""Not out yet, but on its way: later rows to the same recipient of the case wait for it."""


@dataclass(frozen=True, slots=True)
class Posting:
    """A row to be enqueued. `key` is unique for ever: the same effect enqueued twice is one row.

    `channel` is `mail` or `slack`; for mail `recipient` is the address (empty: none is known, and `state` is held).
    `not_before` and `late_after` are on the business clock.
    """

    key: str
    channel: str
    recipient: str
    name: str
    body: Mapping[str, Any]
    not_before: datetime
    case: int | None = None
    role: Role | None = None
    number: int | None = None
    sending: Sending | None = None
    message_id: str | None = None
    because: Because = field(default_factory=lambda: Because(""))
    late_after: datetime | None = None
    after_poll: bool = False
    state: OutState = OutState.READY
    reason: str = ""


@dataclass(frozen=True, slots=True)
class OutboxRow:
    """A row as it stands. `attempt` counts claims; `sent_at` is on the business clock.

    `wire` are the bytes of the first intent, to be sent again as they are.
    """

    id: int
    posting: Posting
    attempt: int
    owner: str | None
    created_at: datetime
    sent_at: datetime | None
    wire: bytes | None
    evidence: str
    told: bool

    @property
    def state(self) -> OutState:
        return self.posting.state


@dataclass(frozen=True, slots=True)
class Written:
    """A letter to an address that has left or will: `at` is when it did, or may at the earliest."""

    address: str
    case: int
    sending: Sending
    at: datetime


@dataclass(frozen=True, slots=True)
class Attempt:
    """One claim of one row: what a deliverer must show to change it."""

    id: int
    owner: str
    number: int


class Outbox:
    """The outbox of one transaction."""

    __slots__ = ("_connection", "_machine")

    def __init__(self, connection: Connection, machine: Callable[[], datetime]) -> None:
        self._connection = connection
        self._machine = machine

    # --- Into the outbox --------------------------------------------------------------------------------------------

    def enqueue(self, posting: Posting, at: datetime) -> bool:
        """Add a row; false, and nothing changes, if its key is there."""
        values = {
            "case_id": posting.case,
            "channel": posting.channel,
            "recipient": posting.recipient,
            "role": posting.role,
            "number": posting.number,
            "name": posting.name,
            "sending": posting.sending,
            "message_id": posting.message_id,
            "body": dumps(dict(posting.body)),
            "because": because_text(posting.because),
            "state": posting.state,
            "attempt": 0,
            "created_at": at,
            "not_before": posting.not_before,
            "late_after": posting.late_after,
            "after_poll": posting.after_poll,
            "reason": posting.reason,
            "evidence": "",
            "told": False,
        }
        return upsert(self._connection, t.outbox, {"key": posting.key}, values, replace=False)

    def touch(self, case_id: int, channel: str, name: str) -> bool:
        """Whether a row of this name is still ready; if so, nobody claims it before the end of this transaction.

        For what is drawn at delivery and so need not stand in the outbox twice.
        """
        row = t.outbox.c
        same = and_(row.case_id == case_id, row.channel == channel, row.name == name, row.state == OutState.READY)
        return self._connection.execute(update(t.outbox).where(same).values(told=row.told)).rowcount > 0

    def cancel(self, case_id: int, numbers: Sequence[int], why: str) -> tuple[int, ...]:
        """Take back letters that have not passed their intent; returns the numbers of those taken back."""
        row = t.outbox.c
        unsent = row.state.in_((OutState.READY, OutState.CLAIMED, OutState.HELD))
        mine = update(t.outbox).where(row.case_id == case_id, row.number.in_(numbers), unsent)
        values = {"state": OutState.CANCELLED, "reason": why, "claimed_until": None}
        return tuple(sorted(self._connection.execute(mine.values(values).returning(row.number)).scalars()))

    def overtake(self, case_id: int, role: Role, now: datetime) -> int:
        """Make every unasked letter to a party that has not passed its intent late as of `now`; returns how many.

        Late letters never leave: each comes back to its case, to be decided anew.
        """
        row = t.outbox.c
        unsent = row.state.in_((OutState.READY, OutState.CLAIMED))
        mine = (row.case_id == case_id, row.role == role, row.sending == Sending.UNASKED, unsent)
        values = {"state": OutState.READY, "late_after": now - timedelta(microseconds=1), "claimed_until": None}
        return self._connection.execute(update(t.outbox).where(*mine).values(values)).rowcount

    # --- Out of the outbox ------------------------------------------------------------------------------------------

    def claim(
        self, owner: str, now: datetime, lease: timedelta, limit: int, channel: str = MAIL
    ) -> tuple[OutboxRow, ...]:
        """Rows to deliver, kept from others for `lease`: at most one a case and recipient.

        A row is handed out once it may leave (`now` on the business clock), is not late, its back-off is over, and no
        row to the same recipient of its case that may leave before it is still on its way. One that must not leave
        before the mailbox was polled waits for that (see `poll_needed`).
        """
        row, machine = t.outbox.c, self._machine()
        ready = and_(
            row.state == OutState.READY,
            row.channel == channel,
            row.not_before <= now,
            or_(row.late_after.is_(None), row.late_after >= now),
            or_(row.retry_at.is_(None), row.retry_at <= machine),
            or_(not_(row.after_poll), self._polled()),
            ~_preceded(),
        )
        free = (
            select(row.id).where(ready).order_by(row.not_before, row.id).limit(limit).with_for_update(skip_locked=True)
        )
        ids = self._connection.execute(free).scalars().all()
        if not ids:
            return ()
        values = {
            "state": OutState.CLAIMED,
            "owner": owner,
            "attempt": row.attempt + 1,
            "claimed_until": machine + lease,
        }
        self._connection.execute(update(t.outbox).where(row.id.in_(ids)).values(values))
        return self._rows(select(t.outbox).where(row.id.in_(ids)), row.not_before, row.id)

    def poll_needed(self, now: datetime) -> bool:
        """Whether a letter that may leave now waits for a poll that begins at its `not_before` or later."""
        row = t.outbox.c
        polled_at = select(t.cursor.c.polled_at).where(t.cursor.c.name == MAILBOX).scalar_subquery()
        unpolled = or_(polled_at.is_(None), polled_at < row.not_before)
        waits = select(row.id).where(row.state == OutState.READY, row.after_poll, row.not_before <= now, unpolled)
        return self._connection.execute(waits.limit(1)).first() is not None

    def intent(self, attempt: Attempt, wire: bytes | None = None, span: timedelta = INTENT) -> bool:
        """Pass the point of no return, if this attempt still may; commit before the irrevocable step.

        False: the row was cancelled, or given to somebody else. `wire` is kept if there was none yet.
        """
        row = t.outbox.c
        values = {
            "state": OutState.INTENT,
            "wire": func.coalesce(row.wire, wire),
            "claimed_until": self._machine() + span,
        }
        return self._change(attempt, (OutState.CLAIMED,), values)

    def sent(self, attempt: Attempt, at: datetime, evidence: str = "") -> bool:
        """It is out, at `at` on the business clock. Also where the answer came only after its intent had expired."""
        values = {"state": OutState.SENT, "sent_at": at, "evidence": evidence, "claimed_until": None, "reason": ""}
        return self._change(attempt, (OutState.INTENT, OutState.UNKNOWN), values)

    def retry(self, attempt: Attempt, wait: timedelta, reason: str) -> bool:
        """It certainly did not leave this time; another attempt is due after `wait` (machine's clock)."""
        values = {
            "state": OutState.READY,
            "retry_at": self._machine() + wait,
            "reason": reason,
            "claimed_until": None,
        }
        return self._change(attempt, (OutState.CLAIMED, OutState.INTENT), values)

    def dead(self, attempt: Attempt, reason: str) -> bool:
        """It was refused for good."""
        values = {"state": OutState.DEAD, "reason": reason, "claimed_until": None}
        return self._change(attempt, (OutState.CLAIMED, OutState.INTENT), values)

    def unknown(self, attempt: Attempt, reason: str) -> bool:
        """Nobody knows whether it left; evidence or a person settles that."""
        values = {"state": OutState.UNKNOWN, "reason": reason, "claimed_until": None}
        return self._change(attempt, (OutState.INTENT,), values)

    def expire(self, everything: bool = False) -> tuple[int, int]:
        """Give back expired claims, call expired intents unknown (machine's clock); returns how many of each.

        `everything`: whatever is claimed or begun, for one who knows that nobody else can be at it.
        """
        row = t.outbox.c
        over = true() if everything else row.claimed_until <= self._machine()
        claims = update(t.outbox).where(row.state == OutState.CLAIMED, over)
        intents = update(t.outbox).where(row.state == OutState.INTENT, over)
        given_back = self._connection.execute(claims.values(state=OutState.READY, claimed_until=None)).rowcount
        reason = "the bot stopped between the attempt and the answer"
        lost = self._connection.execute(
            intents.values(state=OutState.UNKNOWN, claimed_until=None, reason=reason)
        ).rowcount
        return given_back, lost

    def give_back(self, owner: str) -> int:
        """Give back what this owner claimed and has not begun, on its way out; returns how many."""
        row = t.outbox.c
        mine = update(t.outbox).where(row.state == OutState.CLAIMED, row.owner == owner)
        return self._connection.execute(mine.values(state=OutState.READY, claimed_until=None)).rowcount

    def settle(self, row_id: int, left: bool, evidence: str, at: datetime) -> bool:
        """Say what became of an unknown row: it left (and is `sent`), or it did not (and is `cancelled`)."""
        row = t.outbox.c
        open_ = update(t.outbox).where(row.id == row_id, row.state == OutState.UNKNOWN)
        values: dict[str, Any] = {"state": OutState.SENT if left else OutState.CANCELLED, "evidence": evidence}
        return self._connection.execute(open_.values(values | ({"sent_at": at} if left else {}))).rowcount == 1

    def hold_unsent(self, reason: str) -> int:
        """After a restore: rows that are not sent may have been; hold the ready ones, call begun ones unknown."""
        row = t.outbox.c
        unsent = update(t.outbox).where(row.state.in_((OutState.READY, OutState.CLAIMED)))
        held = self._connection.execute(unsent.values(state=OutState.HELD, reason=reason, claimed_until=None)).rowcount
        begun = update(t.outbox).where(row.state == OutState.INTENT)
        self._connection.execute(begun.values(state=OutState.UNKNOWN, reason=reason, claimed_until=None))
        return held

    def release(self, row_id: int) -> bool:
        """A person lets a held row go after all."""
        row = t.outbox.c
        held = update(t.outbox).where(row.id == row_id, row.state == OutState.HELD, row.recipient != "")
        return self._connection.execute(held.values(state=OutState.READY, reason="")).rowcount == 1

    # --- Questions --------------------------------------------------------------------------------------------------

    def get(self, row_id: int) -> OutboxRow | None:
        return next(iter(self._rows(select(t.outbox).where(t.outbox.c.id == row_id))), None)

    def letter(self, case_id: int, number: int) -> OutboxRow | None:
        row = t.outbox.c
        return next(iter(self._rows(select(t.outbox).where(row.case_id == case_id, row.number == number))), None)

    def letters(self, case_id: int) -> tuple[OutboxRow, ...]:
        """The case's letters, in the order of their numbers."""
        row = t.outbox.c
        return self._rows(select(t.outbox).where(row.case_id == case_id, row.number.is_not(None)), row.number)

    def by_message_id(self, message_ids: Sequence[str]) -> tuple[OutboxRow, ...]:
        """Our letters with these Message-IDs (with their brackets)."""
        return self._rows(select(t.outbox).where(t.outbox.c.message_id.in_(message_ids))) if message_ids else ()

    def in_state(self, state: OutState, limit: int = 100) -> tuple[OutboxRow, ...]:
        """Rows in a state, oldest first: what is unknown, dead or held."""
        return self._rows(select(t.outbox).where(t.outbox.c.state == state).limit(limit))

    def thread(self, case_id: int, role: Role) -> tuple[str, ...]:
        """The Message-IDs of our letters to a party that have left or will, oldest first."""
        found = self._connection.execute(_THREAD, {"case": case_id, "party": role}).scalars()
        return tuple(each for each in found if each)

    def late(self, now: datetime, limit: int = 100) -> tuple[OutboxRow, ...]:
        """Dated letters that can no longer leave in time."""
        row = t.outbox.c
        return self._rows(select(t.outbox).where(row.state == OutState.READY, row.late_after < now).limit(limit))

    def held_for(self, reason: str, limit: int = 100) -> tuple[OutboxRow, ...]:
        """Letters that are held for this reason, oldest first."""
        row = t.outbox.c
        held = (row.state == OutState.HELD, row.reason == reason, row.number.is_not(None))
        return self._rows(select(t.outbox).where(*held).limit(limit), row.id)

    def untold(self, limit: int = 100) -> tuple[OutboxRow, ...]:
        """Letters that are dead or unknown and whose case does not know it yet."""
        row = t.outbox.c
        failed = row.state.in_((OutState.DEAD, OutState.UNKNOWN))
        return self._rows(select(t.outbox).where(failed, not_(row.told), row.number.is_not(None)).limit(limit))

    def mark_told(self, row_id: int) -> None:
        """The case knows what became of the letter."""
        self._connection.execute(update(t.outbox).where(t.outbox.c.id == row_id).values(told=True))

    def written(self, addresses: Sequence[str], since: datetime) -> tuple[Written, ...]:
        """The letters to these addresses that left, or may leave, at `since` or later."""
        if not addresses:
            return ()
        # A row leaves soon after its `not_before`; the margin is for nights and weekends of retries.
        near = {"addresses": list(addresses), "near": since - timedelta(days=4)}
        rows = self._connection.execute(_WRITTEN, near).all()
        found = (
            Written(row.recipient, row.case_id, Sending(row.sending), row.sent_at or row.not_before) for row in rows
        )
        return tuple(each for each in found if each.at >= since)

    def in_flight(self, now: datetime) -> int:
        """How many rows are due at `now` (business clock) and not out yet."""
        row = t.outbox.c
        due = select(func.count()).where(row.state.in_(WAITING), row.not_before <= now)
        return self._connection.execute(due).scalar_one()

    def counts(self) -> dict[tuple[str, OutState], int]:
        """How many rows of each channel are in each state."""
        row = t.outbox.c
        counted = select(row.channel, row.state, func.count()).group_by(row.channel, row.state)
        return {(channel, OutState(state)): int(n) for channel, state, n in self._connection.execute(counted)}

    def next_due(self, after: datetime) -> datetime | None:
        """The next moment later than `after` at which a ready row may leave, or is too late to leave."""
        row = t.outbox.c
        moments = (
            select(func.min(column)).where(row.state == OutState.READY, column > after)
            for column in (row.not_before, row.late_after)
        )
        return min((found for each in moments if (found := self._connection.scalar(each))), default=None)

    # --- Below ------------------------------------------------------------------------------------------------------

    def _polled(self) -> ColumnElement[bool]:
        """The mailbox was polled at the row's `not_before` or later, and all that brought has been read."""
        cursor, mail = t.cursor.c, t.inbox.c
        unread = exists().where(mail.state == InboxState.NEW, mail.source == MAIL, mail.received_at <= cursor.polled_at)
        return exists().where(cursor.name == MAILBOX, cursor.polled_at >= t.outbox.c.not_before, ~unread)

    def _change(self, attempt: Attempt, states: Sequence[OutState], values: Mapping[str, Any]) -> bool:
        row = t.outbox.c
        own = and_(row.id == attempt.id, row.owner == attempt.owner, row.attempt == attempt.number)
        changed = update(t.outbox).where(own, row.state.in_(states))
        return self._connection.execute(changed.values(values)).rowcount == 1

    def _rows(self, wanted: "Select[Any]", *order: ColumnElement[Any]) -> tuple[OutboxRow, ...]:
        found = self._connection.execute(wanted.order_by(*(order or (t.outbox.c.id,))))
        return tuple(_outbox_row(row) for row in found)


_OUT = t.outbox.c.state.in_((*WAITING, OutState.SENT, OutState.UNKNOWN))
_THREAD = (
    select(t.outbox.c.message_id)
    .where(t.outbox.c.case_id == bindparam("case"), t.outbox.c.role == bindparam("party"))
    .where(t.outbox.c.number.is_not(None), _OUT)
    .order_by(t.outbox.c.number)
)
_WRITTEN = (
    select(t.outbox.c.recipient, t.outbox.c.case_id, t.outbox.c.sending, t.outbox.c.sent_at, t.outbox.c.not_before)
    .where(t.outbox.c.recipient.in_(bindparam("addresses", expanding=True)))
    .where(t.outbox.c.not_before >= bindparam("near"), t.outbox.c.number.is_not(None), _OUT)
)


def _preceded() -> ColumnElement[bool]:
    """Another row to the same recipient of the case, which may leave before this one, is on its way."""
    row, other = t.outbox.c, t.outbox.alias("earlier")
    return exists().where(
        other.c.case_id == row.case_id,
        other.c.recipient == row.recipient,
        other.c.state.in_(WAITING),
        tuple_(other.c.not_before, other.c.id) < tuple_(row.not_before, row.id),
    )


def _outbox_row(row: "Row[Any]") -> OutboxRow:
    posting = Posting(
        key=row.key,
        channel=row.channel,
        recipient=row.recipient,
        name=row.name,
        body=loads(row.body),
        not_before=row.not_before,
        case=row.case_id,
        role=None if row.role is None else Role(row.role),
        number=row.number,
        sending=None if row.sending is None else Sending(row.sending),
        message_id=row.message_id,
        because=read_because(row.because),
        late_after=row.late_after,
        after_poll=row.after_poll,
        state=OutState(row.state),
        reason=row.reason,
    )
    return OutboxRow(
        id=row.id,
        posting=posting,
        attempt=row.attempt,
        owner=row.owner,
        created_at=row.created_at,
        sent_at=row.sent_at,
        wire=row.wire,
        evidence=row.evidence,
        told=row.told,
    )
