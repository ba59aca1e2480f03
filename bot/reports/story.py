"""A case's story as it stands, as it stood at an earlier moment, or as it would stand later if nobody did anything.

An earlier moment is the record played again up to it; a later one is played on through `decide`.
"""

from dataclasses import dataclass
from datetime import datetime

from bot.flows.case import Case
from bot.flows.decide import decide
from bot.flows.effects import Decision, Letter
from bot.flows.events import Event
from bot.flows.policy import Policy
from bot.flows.why import Sent, Told
from bot.reports.play import Play
from bot.storage.events import Recorded
from bot.storage.outbox import OutboxRow, OutState
from bot.storage.store import Tx


class NoStory(ValueError):
    """There is nothing to tell of that moment; the argument says what would be right."""


@dataclass(frozen=True, slots=True)
class Story:
    """What `why.tell` needs. `now` is the moment told of, UTC; `supposed`: it lies ahead, and nobody has acted."""

    case: Case
    history: tuple[Told, ...]
    letters: tuple[Sent, ...]
    now: datetime
    supposed: bool = False


def story(tx: Tx, case: Case, now: datetime, policy: Policy, at: datetime | None = None) -> Story:
    """The story at `at` (UTC; None: as it is). `now` is the present moment. Raises `NoStory`."""
    history, letters = tx.events.history(case.number), tx.outbox.letters(case.number)
    if at is None:
        return Story(case, _told(history), tuple(_sent(row, now) for row in letters if row.posting.role), now)
    if at <= now:
        return _past(case, history, letters, at, policy)
    return _ahead(case, history, letters, now, at, policy)


def _told(history: tuple[Recorded, ...]) -> tuple[Told, ...]:
    return tuple(Told(each.event, each.because) for each in history if each.event and each.because)


def _sent(row: OutboxRow, at: datetime) -> Sent:
    """A letter as it stood at `at`: one that left later was waiting then."""
    if row.posting.number is None or row.posting.role is None:
        raise ValueError("only a letter to a party has a number")
    left = row.sent_at is None or row.sent_at <= at
    return Sent(
        name=row.posting.name,
        number=row.posting.number,
        role=row.posting.role,
        state=str(row.state if left else OutState.READY),
        at=row.sent_at if left else None,
        evidence=row.evidence if left else "",
        because=row.posting.because,
    )


def _past(
    case: Case, history: tuple[Recorded, ...], letters: tuple[OutboxRow, ...], at: datetime, policy: Policy
) -> Story:
    until = tuple(each for each in history if each.at <= at)
    if not until:
        raise NoStory(f"{case.label} was opened later, on {_moment(history[0].at, policy)}: name a later moment.")
    made = Case(case.number)
    for each in until:
        if each.event is None:
            raise NoStory(f"the words of {case.label} were erased; its earlier states cannot be told any more.")
        made = decide(made, each.event, each.at, policy).case
    then = tuple(_sent(row, at) for row in letters if row.posting.role and row.created_at <= at)
    return Story(made, _told(until), then, at)


def _ahead(  # noqa: PLR0913 - what is known of the case, from when, and until when.
    case: Case,
    history: tuple[Recorded, ...],
    letters: tuple[OutboxRow, ...],
    now: datetime,
    at: datetime,
    policy: Policy,
) -> Story:
    played = _Played(policy, case, now)
    played.sent_at = {row.posting.number: row.sent_at for row in letters if row.posting.number and row.sent_at}
    for row in letters:
        if row.state in (OutState.READY, OutState.CLAIMED, OutState.INTENT) and row.posting.number:
            played.sent_at[row.posting.number] = row.posting.not_before
    played.wait_until(at)
    known = tuple(_sent(row, now) for row in letters if row.posting.role)
    return Story(played.case, (*_told(history), *played.told), (*known, *played.written), at, supposed=True)


class _Played(Play):
    """A case played on, with what would be told of it."""

    def __init__(self, policy: Policy, case: Case, now: datetime) -> None:
        super().__init__(policy, case, now)
        self.told: list[Told] = []
        self.written: list[Sent] = []

    def decided(self, before: Case, event: Event, decision: Decision) -> None:
        super().decided(before, event, decision)
        self.told.append(Told(event, decision.because))

    def left(self, letter: Letter) -> None:
        self.written.append(
            Sent(letter.name, letter.number, letter.role, str(OutState.SENT), self.now, "", letter.because)
        )


def _moment(at: datetime, policy: Policy) -> str:
    return f"{policy.calendar(None).local(at):%a %d %b %Y %H:%M %Z}"
