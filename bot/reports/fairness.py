"""Whether both sides are treated alike: what each was given, counted over the cases of this installation.

A side's time runs from the first letter that asked it for something to its answer, or to the end of its ladder.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta

from bot.flows.case import Case, Role, What, Who
from bot.flows.events import ClockDue, Extended, HoldPlaced, PartyWrote
from bot.flows.policy import Policy
from bot.storage.events import Recorded
from bot.storage.outbox import OutboxRow, OutState
from bot.storage.store import Tx

REQUESTS = ("receipt", "request", "notice", "reopened", "catch_up")
REMINDERS = ("reminder", "final")


@dataclass(frozen=True, slots=True)
class Told:
    """One case as the store has it."""

    case: Case
    history: tuple[Recorded, ...]
    letters: tuple[OutboxRow, ...]


@dataclass(frozen=True, slots=True)
class Given:
    """What one side was given in all its cases; `working` is the working time of its own calendar."""

    cases: int = 0
    letters: int = 0
    requests: int = 0
    reminders: int = 0
    extensions: int = 0
    holds: int = 0
    lapsed: int = 0
    answered: int = 0
    working: timedelta = timedelta()


def gather(tx: Tx, since: datetime | None) -> tuple[Told, ...]:
    """The cases opened at `since` (UTC) or later; None: all."""
    return tuple(
        Told(case, tx.events.history(case.number), tx.outbox.letters(case.number))
        for case in tx.cases.all()
        if since is None or (case.opened_at is not None and case.opened_at >= since)
    )


def by_role(cases: Sequence[Told], policy: Policy) -> dict[str, Given]:
    """Worker and client, whoever opened."""
    return {str(role): _sum(_given(each, role, policy) for each in cases) for role in Role}


def by_part(cases: Sequence[Told], policy: Policy) -> dict[str, Given]:
    """Opener and respondent, whether worker or client."""
    known = [(each, each.case.opener) for each in cases if each.case.opener is not None]
    return {
        "opener": _sum(_given(each, role, policy) for each, role in known),
        "respondent": _sum(_given(each, role.other, policy) for each, role in known),
    }


def rows(given: dict[str, Given]) -> list[tuple[str, ...]]:
    """What each was given, as words; averages are over the cases in which that side was asked for something."""

    def each(text: str, value: str) -> tuple[str, ...]:
        return (text, *(str(getattr(one, value)) for one in given.values()))

    hours = (f"{one.working / timedelta(hours=1) / one.cases:.1f}" if one.cases else "–" for one in given.values())
    return [
        each("Cases in which it was asked for something", "cases"),
        each("Letters that left", "letters"),
        each("Requests", "requests"),
        each("Reminders and final notices", "reminders"),
        ("Working hours it had, a case", *hours),
        each("Extensions", "extensions"),
        each("Holds by staff", "holds"),
        each("Answered", "answered"),
        each("Time ran out", "lapsed"),
    ]


def as_json(given: Given) -> dict[str, object]:
    """The same as plain numbers; working time in hours."""
    counts = {field.name: getattr(given, field.name) for field in fields(Given) if field.name != "working"}
    return counts | {"working_hours": given.working / timedelta(hours=1)}


def _given(told: Told, role: Role, policy: Policy) -> Given:
    sent = [row for row in told.letters if row.posting.role is role and row.state is OutState.SENT and row.sent_at]
    facts = [(each.at, each.event.fact) for each in told.history if each.event is not None]
    asked = min((row.sent_at for row in sent if row.posting.name in REQUESTS and row.sent_at), default=None)
    answered = [at for at, fact in facts if isinstance(fact, PartyWrote) and fact.role is role]
    lapsed = [
        at for at, fact in facts if isinstance(fact, ClockDue) and fact.who is Who(role) and fact.what is What.LAPSE
    ]
    ends = sorted(at for at in (*answered, *lapsed) if asked is not None and at > asked)
    calendar = policy.calendar(told.case.party(role).zone)
    return Given(
        cases=int(asked is not None),
        letters=len(sent),
        requests=sum(row.posting.name in REQUESTS for row in sent),
        reminders=sum(row.posting.name in REMINDERS for row in sent),
        extensions=sum(isinstance(fact, Extended) and fact.role is role for _, fact in facts),
        holds=sum(isinstance(fact, HoldPlaced) and role in fact.roles for _, fact in facts),
        lapsed=int(bool(lapsed)),
        answered=int(bool(answered)),
        working=calendar.working_between(asked, ends[0]) if asked and ends else timedelta(),
    )


def _sum(given: Iterable[Given]) -> Given:
    total = Given()
    for each in given:
        total = Given(*(getattr(total, field.name) + getattr(each, field.name) for field in fields(Given)))
    return total
