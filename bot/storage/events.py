"""The record of each case: its events in order, append-only, chained by hashes.

The hash covers a salted digest of the body, not the body: a person's words can be erased (with the salt, so that nobody
can guess them from the digest) and the chain still proves that nothing was changed, left out or put in.
"""

import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256

from sqlalchemy import Connection, Row, Select, bindparam, func, select, update

from bot.flows.effects import Because
from bot.flows.events import Dismissed, Event
from bot.storage import tables as t
from bot.storage.codec import because_text, dumps, event_body, read_because, read_event
from bot.storage.rows import add


@dataclass(frozen=True, slots=True)
class Versions:
    """The policy and the wording that were in force, by their hashes."""

    policy: str
    wording: str


@dataclass(frozen=True, slots=True)
class Recorded:
    """One line of a case's record. `at` is the moment of the decision; `seq` counts from 1.

    `event` and `because` are None once the words in them were erased.
    """

    case: int
    seq: int
    id: str
    kind: str
    at: datetime
    by: str
    event: Event | None
    because: Because | None
    versions: Versions


class Events:
    """The record of one transaction."""

    __slots__ = ("_connection",)

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def claimed(self, ids: list[str]) -> dict[str, int]:
        """Which of these event ids are recorded already, and at which case."""
        row = t.events.c
        return {
            each.id: each.case_id
            for each in self._connection.execute(select(row.id, row.case_id).where(row.id.in_(ids)))
        }

    def append(self, case: int, event: Event, because: Because, at: datetime, versions: Versions) -> None:
        """Record an event of a case whose row is locked. Its id must be new."""
        before = self._connection.execute(_LAST, {"case": case}).one_or_none()
        link = {
            "id": event.id,
            "case_id": case,
            "seq": 1 if before is None else before.seq + 1,
            "kind": type(event.fact).__name__,
            "at": at,
            "by": event.by,
            "policy_version": versions.policy,
            "wording_version": versions.wording,
            "prev_hash": "" if before is None else before.hash,
        }
        words = {"because": because_text(because), "body": event_body(event), "salt": secrets.token_hex(16)}
        digest = _digest(words["salt"], words["body"], words["because"])
        sealed = {"digest": digest, "hash": _seal(link, digest)}
        add(self._connection, t.events, {**link, **words, **sealed})

    def get(self, event_id: str) -> Recorded | None:
        return next(iter(self._records(select(t.events).where(t.events.c.id == event_id))), None)

    def history(self, case: int) -> tuple[Recorded, ...]:
        """All that happened in a case, in order."""
        return self._records(select(t.events).where(t.events.c.case_id == case))

    def merged_into(self, case: int) -> int | None:
        """The case that a person said this one belongs to, the last time somebody did."""
        row = t.events.c
        said = select(t.events).where(row.case_id == case, row.kind == Dismissed.__name__)
        found = [each.event.fact for each in self._records(said) if each.event is not None]
        into = [fact.into for fact in found if isinstance(fact, Dismissed) and fact.into is not None]
        return into[-1] if into else None

    def erase(self, case: int) -> int:
        """Erase the words in a case's record, for good; returns in how many events. The chain stays whole."""
        row = t.events.c
        full = update(t.events).where(row.case_id == case, row.body.is_not(None))
        return self._connection.execute(full.values(body=None, salt=None, because=None)).rowcount

    def verify(self, case: int) -> tuple[str, ...]:
        """What is wrong with the record of a case; empty if it is whole."""
        rows = self._connection.execute(
            select(t.events).where(t.events.c.case_id == case).order_by(t.events.c.seq)
        ).all()
        problems, before = [], ""
        for expected, row in enumerate(rows, 1):
            link = {name: getattr(row, name) for name in _LINK}
            if row.seq != expected:
                problems.append(f"D-{case}: event {expected} is missing; {row.seq} follows {expected - 1}")
            if row.prev_hash != before:
                problems.append(f"D-{case}: event {row.seq} does not follow from the one before it")
            if row.body is not None and row.digest != _digest(row.salt, row.body, row.because):
                problems.append(f"D-{case}: the words of event {row.seq} were changed")
            if row.hash != _seal(link, row.digest):
                problems.append(f"D-{case}: event {row.seq} was changed")
            before = row.hash
        kept = self._connection.execute(select(t.cases.c.version).where(t.cases.c.id == case)).scalar_one_or_none()
        if kept is not None and kept != len(rows):
            problems.append(f"D-{case}: {kept} decisions were made, and {len(rows)} are recorded")
        return tuple(problems)

    def counts(self) -> dict[str, int]:
        """How many events of each kind are recorded."""
        row = t.events.c
        counted = self._connection.execute(select(row.kind, func.count()).group_by(row.kind).order_by(row.kind))
        return {kind: int(count) for kind, count in counted}

    def _records(self, wanted: "Select[tuple[object, ...]]") -> tuple[Recorded, ...]:
        ordered = wanted.order_by(t.events.c.case_id, t.events.c.seq)
        return tuple(_recorded(row) for row in self._connection.execute(ordered))


_LAST = (
    select(t.events.c.seq, t.events.c.hash)
    .where(t.events.c.case_id == bindparam("case"))
    .order_by(t.events.c.seq.desc())
    .limit(1)
)
_LINK = ("id", "case_id", "seq", "kind", "at", "by", "policy_version", "wording_version", "prev_hash")


def _recorded(row: "Row[tuple[object, ...]]") -> Recorded:
    fields = dict(row._mapping)
    return Recorded(
        case=row.case_id,
        seq=row.seq,
        id=row.id,
        kind=row.kind,
        at=row.at,
        by=row.by,
        event=None if row.body is None else read_event(fields),
        because=None if row.because is None else read_because(row.because),
        versions=Versions(row.policy_version, row.wording_version),
    )


def _digest(salt: str, body: str, because: str) -> str:
    return sha256(dumps([salt, body, because]).encode()).hexdigest()


def _seal(link: dict[str, object], digest: str) -> str:
    at = link["at"]
    moment = at.astimezone(UTC).isoformat(timespec="microseconds") if isinstance(at, datetime) else ""
    return sha256(dumps([link | {"at": moment}, digest]).encode()).hexdigest()
