"""Cases as values: locked, loaded, saved; and the questions asked across all of them.

The row in `cases` is the lock of its case: whoever changes anything of a case holds it. Numbers outside are `cases.id`
inside.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any

from sqlalchemy import Connection, Table, and_, bindparam, delete, exists, func, or_, select, text, update

from bot.flows.case import Case, Clock, Contact, Item, Kind, Party, Role, Stage, Topic, What, Who
from bot.storage import tables as t
from bot.storage.codec import CASE, CLOCK, ITEM, PARTY, STATEMENT, dumps, loads
from bot.storage.rows import add, upsert

CHUNK = 500
"""How many cases are loaded at once where all are wanted."""


class Stale(RuntimeError):
    """A case was changed by somebody else since it was loaded, without its lock."""


@dataclass(frozen=True, slots=True)
class DueClock:
    """A clock that came due and may be handed over."""

    case: int
    who: Who
    what: What
    topic: Topic
    due_at: datetime


@dataclass(frozen=True, slots=True)
class KnownCase:
    """What triage may know of a case. Addresses in lower case, Message-IDs with their brackets."""

    number: int
    kind: Kind | None
    stage: Stage
    assignment_ids: tuple[str, ...]
    worker: tuple[str, ...]
    client: tuple[str, ...]
    message_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Place:
    """Where in Slack a case's root message stands."""

    channel: str
    card_ts: str


class Cases:
    """The cases of one transaction."""

    __slots__ = ("_connection",)

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    # --- One case ---------------------------------------------------------------------------------------------------

    def guard(self, names: Sequence[str]) -> None:
        """Let transactions that share one of these names run one after the other, before there is a row to lock.

        Without effect on SQLite, where writers follow each other anyway.
        """
        if names and self._connection.dialect.name == "postgresql":
            keys = sorted({int.from_bytes(sha256(name.encode()).digest()[:8], "big", signed=True) for name in names})
            self._connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), [{"key": key} for key in keys])

    def new_numbers(self, count: int) -> tuple[int, ...]:
        """Numbers for new cases, never given before; the first is 1001."""
        if not count:
            return ()
        if self._connection.dialect.name == "postgresql":
            return tuple(self._connection.scalar(t.case_numbers) for _ in range(count))
        last = self._connection.execute(select(func.max(t.cases.c.id))).scalar_one() or t.FIRST_CASE - 1
        return tuple(range(last + 1, last + 1 + count))

    def lock(self, numbers: Sequence[int]) -> dict[int, Case]:
        """Lock these cases in the order of their numbers and load them. Unknown numbers are left out."""
        row = t.cases.c
        for chunk in _chunks(sorted(set(numbers))):
            # FOR NO KEY UPDATE: rows that merely refer to the case may be written meanwhile.
            rows = select(row.id).where(row.id.in_(chunk)).order_by(row.id).with_for_update(key_share=True)
            self._connection.execute(rows).all()
        return self.many(numbers)

    def get(self, number: int) -> Case | None:
        return self.many((number,)).get(number)

    def exists(self, number: int) -> bool:
        return self._connection.execute(select(t.cases.c.id).where(t.cases.c.id == number)).first() is not None

    def many(self, numbers: Sequence[int]) -> dict[int, Case]:
        """These cases by number, in the order asked for. Unknown numbers are left out."""
        found: dict[int, Case] = {}
        for chunk in _chunks(list(dict.fromkeys(numbers))):
            loaded = self._load(chunk)
            found |= {number: loaded[number] for number in chunk if number in loaded}
        return found

    def save(self, case: Case, before: Case | None, at: datetime) -> None:
        """Write what differs between `before` (None: a new case) and `case`, but for its clocks.

        Raises `Stale` if the case is not as `before` any more.
        """
        self._save_case(case, before, at)
        for role in Role:
            self._save_party(case, before, role, at)
        self._save_assignment_ids(case, before)
        self._save_items(case, before)
        self._save_statements(case, before)

    def save_clocks(self, case: Case, before: Case | None) -> None:
        """Write the clocks where they differ. The letters that announced them must be in the outbox by now."""
        if before is not None and before.clocks == case.clocks:
            return
        numbers = [clock.letter for clock in case.clocks if clock.letter is not None]
        announced = {"case": case.number, "numbers": numbers}
        outbox_ids = dict(self._connection.execute(_ANNOUNCED, announced).all()) if numbers else {}
        rows = [
            {
                "position": position,
                **CLOCK.row(clock),
                "held_by": dumps(clock.held_by),
                "outbox_id": None if clock.letter is None else outbox_ids.get(clock.letter),
            }
            for position, clock in enumerate(case.clocks)
        ]
        self._replace(t.clocks, case.number, rows)

    def link(self, case: int, other: int, why: str) -> None:
        """Link two cases, both ways."""
        for one, two in ((case, other), (other, case)):
            upsert(self._connection, t.links, {"case_id": one, "other_id": two}, {"why": why}, replace=False)

    def unlink(self, case: int, other: int) -> bool:
        """Take a link away, both ways; False: there was none."""
        row = t.links.c
        pair = or_(and_(row.case_id == case, row.other_id == other), and_(row.case_id == other, row.other_id == case))
        return self._connection.execute(delete(t.links).where(pair)).rowcount > 0

    def links(self, case: int) -> tuple[tuple[int, str], ...]:
        """The cases linked to this one, and why."""
        row = t.links.c
        found = select(row.other_id, row.why).where(row.case_id == case).order_by(row.other_id)
        return tuple((int(number), why) for number, why in self._connection.execute(found))

    def place(self, case: int) -> Place | None:
        """Where its card stands; None before the first."""
        row = self._connection.execute(
            select(t.cases.c.channel, t.cases.c.card_ts).where(t.cases.c.id == case)
        ).one_or_none()
        return None if row is None or row.channel is None else Place(row.channel, row.card_ts)

    def set_place(self, case: int, place: Place) -> None:
        """The card was posted there. Not a decision: the case's version stays."""
        posted = update(t.cases).where(t.cases.c.id == case)
        self._connection.execute(posted.values(channel=place.channel, card_ts=place.card_ts))

    def at_place(self, place: Place) -> int | None:
        """The case whose card stands there."""
        row = t.cases.c
        there = select(row.number).where(row.channel == place.channel, row.card_ts == place.card_ts)
        return self._connection.execute(there).scalar_one_or_none()

    # --- Across cases -----------------------------------------------------------------------------------------------

    def numbers(self, open_only: bool = False) -> tuple[int, ...]:
        """The numbers of all cases, oldest first."""
        row = t.cases.c
        listed = select(row.number).order_by(row.number)
        if open_only:
            listed = listed.where(row.stage != Stage.CLOSED)
        return tuple(self._connection.execute(listed).scalars())

    def all(self, open_only: bool = False) -> Iterator[Case]:
        """All cases, oldest first, loaded a few hundred at a time."""
        for chunk in _chunks(list(self.numbers(open_only))):
            yield from self.many(chunk).values()

    def stages(self) -> dict[Stage, int]:
        """How many cases are in each stage."""
        row = t.cases.c
        counted = self._connection.execute(select(row.stage, func.count()).group_by(row.stage))
        return dict.fromkeys(Stage, 0) | {Stage(stage): int(count) for stage, count in counted}

    def with_address(self, address: str) -> tuple[tuple[int, Role], ...]:
        """The cases in which this address is a party's, and which; the latest case first."""
        row = t.addresses.c
        found = select(row.case_id, row.role).where(row.address == address.lower()).distinct()
        rows = self._connection.execute(found.order_by(row.case_id.desc(), row.role))
        return tuple((int(number), Role(role)) for number, role in rows)

    def with_assignment(self, ids: Sequence[str]) -> tuple[int, ...]:
        """The cases about one of these assignments, the latest first."""
        row = t.assignment_ids.c
        found = select(row.case_id).where(row.assignment_id.in_(ids)).distinct().order_by(row.case_id.desc())
        return tuple(self._connection.execute(found).scalars()) if ids else ()

    def known(self, numbers: Sequence[int]) -> tuple[KnownCase, ...]:
        """What triage may know of these cases: with the Message-IDs of their mails and of our letters."""
        ids: defaultdict[int, list[str]] = defaultdict(list)
        for table in (t.mails, t.outbox):
            row = table.c
            bearing = select(row.case_id, row.message_id).where(row.case_id.in_(numbers), row.message_id.is_not(None))
            for number, message_id in self._connection.execute(bearing.order_by(row.id)):
                ids[number].append(message_id)
        return tuple(
            KnownCase(
                number=case.number,
                kind=case.kind,
                stage=case.stage,
                assignment_ids=case.assignment_ids,
                worker=tuple(contact.address for contact in case.worker.contacts),
                client=tuple(contact.address for contact in case.client.contacts),
                message_ids=tuple(dict.fromkeys(ids[case.number])),
            )
            for case in self.many(numbers).values()
        )

    def due(self, now: datetime, limit: int, after: DueClock | None = None) -> tuple[DueClock, ...]:
        """The clocks that may be handed over, earliest first; `after`: only those behind this one in that order.

        A clock is handed over if it is due, not held, and its letter, where one announced it, was sent to an address
        that has not bounced.
        """
        row, letter = t.clocks.c, t.outbox.c
        order = (row.due_at, row.case_id, row.who, row.what, row.topic)
        known = and_(t.addresses.c.case_id == row.case_id, t.addresses.c.address == letter.recipient)
        bounced = and_(
            exists().where(known, t.addresses.c.bounced_at.is_not(None)),
            ~exists().where(known, t.addresses.c.bounced_at.is_(None)),
        )
        due = (
            select(*order)
            .select_from(t.clocks.outerjoin(t.outbox, row.outbox_id == letter.id))
            .where(row.due_at <= now, row.held_since.is_(None))
            .where(or_(row.letter.is_(None), and_(letter.state == "sent", ~bounced)))
        )
        if after is not None:
            due = due.where(row.due_at >= after.due_at, or_(row.due_at > after.due_at, _behind(after)))
        found = self._connection.execute(due.order_by(*order).limit(limit)).all()
        return tuple(
            DueClock(each.case_id, Who(each.who), What(each.what), Topic(each.topic), each.due_at) for each in found
        )

    def next_due(self, after: datetime) -> datetime | None:
        """The next moment later than `after` at which a clock that is not held comes due."""
        row = t.clocks.c
        later = select(func.min(row.due_at)).where(row.held_since.is_(None), row.due_at > after)
        earliest: datetime | None = self._connection.scalar(later)
        return earliest

    def with_party_clocks(self) -> tuple[int, ...]:
        """The cases in which a clock runs on a party, oldest first."""
        row = t.clocks.c
        found = select(row.case_id).where(row.who != Who.STAFF).distinct().order_by(row.case_id)
        return tuple(self._connection.execute(found).scalars())

    # --- Loading ----------------------------------------------------------------------------------------------------

    def _load(self, numbers: Sequence[int]) -> dict[int, Case]:
        ids = self._rows(t.assignment_ids, numbers, "position")
        contacts = self._rows(t.addresses, numbers, "role", "position")
        parties = self._rows(t.parties, numbers, "role")
        items = self._rows(t.items, numbers, "position")
        statements = self._rows(t.statements, numbers, "number")
        clocks = self._rows(t.clocks, numbers, "position")
        found = self._connection.execute(select(t.cases).where(t.cases.c.id.in_(numbers))).mappings()
        return {
            row["number"]: CASE.value(
                dict(row),
                assignment_ids=tuple(each["assignment_id"] for each in ids[row["id"]]),
                **{each["role"]: _party(each, contacts[row["id"]]) for each in parties[row["id"]]},
                items=tuple(ITEM.value(each, name=each["item"]) for each in items[row["id"]]),
                statements=tuple(STATEMENT.value(each) for each in statements[row["id"]]),
                clocks=tuple(_clock(each) for each in clocks[row["id"]]),
            )
            for row in found
        }

    def _rows(self, table: Table, numbers: Sequence[int], *order: str) -> Mapping[int, list[Mapping[str, Any]]]:
        rows: defaultdict[int, list[Mapping[str, Any]]] = defaultdict(list)
        wanted = select(table).where(table.c.case_id.in_(numbers)).order_by(*(table.c[name] for name in order))
        for row in self._connection.execute(wanted).mappings():
            rows[row["case_id"]].append(dict(row))
        return rows

    # --- Saving -----------------------------------------------------------------------------------------------------

    def _save_case(self, case: Case, before: Case | None, at: datetime) -> None:
        values = {**CASE.row(case), "changed_at": at}
        if before is None:
            add(self._connection, t.cases, {**values, "id": case.number})
            return
        held = {"same_id": case.number, "same_version": before.version}
        if self._connection.execute(_CHANGE_CASE, {**values, **held}).rowcount != 1:
            raise Stale(f"{case.label} is not at version {before.version} any more")

    def _save_party(self, case: Case, before: Case | None, role: Role, at: datetime) -> None:
        party, opener = case.party(role), case.opener is role
        if before is not None and before.party(role) == party and (before.opener is role) == opener:
            return
        values = {**PARTY.row(party), "opener": opener}
        upsert(self._connection, t.parties, {"case_id": case.number, "role": values.pop("role")}, values)
        if before is None or before.party(role).contacts != party.contacts:
            self._save_contacts(case.number, party, at)

    def _save_contacts(self, number: int, party: Party, at: datetime) -> None:
        row = t.addresses.c
        mine = and_(row.case_id == number, row.role == party.role)
        bounces = select(row.address, row.bounced_at).where(mine, row.bounced_at.is_not(None))
        bounced_at = dict(self._connection.execute(bounces).all())
        self._connection.execute(delete(t.addresses).where(mine))
        rows = [
            {
                "case_id": number,
                "role": party.role,
                "position": position,
                "address": contact.address,
                "source": contact.source,
                "bounced_at": bounced_at.get(contact.address, at) if contact.bounced else None,
            }
            for position, contact in enumerate(party.contacts)
        ]
        add(self._connection, t.addresses, *rows)

    def _save_assignment_ids(self, case: Case, before: Case | None) -> None:
        if before is None or before.assignment_ids != case.assignment_ids:
            rows = [{"position": position, "assignment_id": each} for position, each in enumerate(case.assignment_ids)]
            self._replace(t.assignment_ids, case.number, rows)

    def _save_items(self, case: Case, before: Case | None) -> None:
        if before is None or before.items != case.items:
            rows = [{"position": position, **_item_row(item)} for position, item in enumerate(case.items)]
            self._replace(t.items, case.number, rows)

    def _save_statements(self, case: Case, before: Case | None) -> None:
        known = {} if before is None else {statement.number: statement for statement in before.statements}
        for statement in case.statements:
            if known.get(statement.number) != statement:
                row = STATEMENT.row(statement)
                key = {"case_id": case.number, "number": row.pop("number")}
                upsert(self._connection, t.statements, key, row)

    def _replace(self, table: Table, number: int, rows: Sequence[Mapping[str, Any]]) -> None:
        self._connection.execute(_CLEAR[table.name], {"number": number})
        add(self._connection, table, *({"case_id": number, **row} for row in rows))


_CHANGE_CASE = update(t.cases).where(
    t.cases.c.id == bindparam("same_id"), t.cases.c.version == bindparam("same_version")
)
_CLEAR = {
    table.name: delete(table).where(table.c.case_id == bindparam("number"))
    for table in (t.assignment_ids, t.items, t.clocks)
}
_ANNOUNCED = select(t.outbox.c.number, t.outbox.c.id).where(
    t.outbox.c.case_id == bindparam("case"), t.outbox.c.number.in_(bindparam("numbers", expanding=True))
)


def _chunks(numbers: Sequence[int]) -> Iterator[Sequence[int]]:
    for start in range(0, len(numbers), CHUNK):
        yield numbers[start : start + CHUNK]


def _behind(after: DueClock) -> Any:
    """Behind `after` among the clocks due at the same moment."""
    row = t.clocks.c
    named = (after.case, after.who, after.what, after.topic)
    columns = (row.case_id, row.who, row.what, row.topic)
    return or_(
        *(
            and_(*(c == value for c, value in zip(columns[:n], named[:n], strict=True)), columns[n] > named[n])
            for n in range(len(columns))
        )
    )


def _party(row: Mapping[str, Any], contacts: Sequence[Mapping[str, Any]]) -> Party:
    own = [each for each in contacts if each["role"] == row["role"]]
    return PARTY.value(
        row, contacts=tuple(Contact(each["address"], each["source"], each["bounced_at"] is not None) for each in own)
    )


def _item_row(item: Item) -> dict[str, Any]:
    return {**ITEM.row(item), "item": item.name}


def _clock(row: Mapping[str, Any]) -> Clock:
    return CLOCK.value(row, held_by=_texts(row["held_by"]))


def _texts(text: str) -> tuple[str, ...]:
    return tuple(loads(f'{{"texts":{text}}}')["texts"])
