"""One synthetic case from first mail to end, through the real `decide`: parties and staff react to what happens.

Reactions are dated when their cause happens and wait in a queue; between them letters leave and clocks come due as
they do in `bot.reports.play`.
"""

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from bot.flows.calendar import Span
from bot.flows.case import Case, Closing, Item, ItemName, Kind, Provenance, Role, Stage, What
from bot.flows.decide import OUTCOMES
from bot.flows.effects import Decision, Letter
from bot.flows.events import (
    CaseOpened,
    ClockDue,
    ContactSet,
    Event,
    Extended,
    Fact,
    FlagLooked,
    HoldEnded,
    ImpasseConfirmed,
    ItemAccepted,
    ItemFound,
    LetterBounced,
    Listing,
    MailFacts,
    NoticeReleased,
    OutcomeRecorded,
    PartyAway,
    PartyWrote,
    Released,
    Sorted,
    TalksSkipped,
)
from bot.flows.mail import Verdict
from bot.flows.policy import Policy
from bot.reports.play import Play
from bot.reports.simulate.people import Draw, Habits, People

ASKING = frozenset(("receipt", "request", "notice", "reminder", "final", "reopened", "partial", "catch_up"))
"""The letters that ask for something, or remind of it."""
STEPS_MAX = 400
TOUCHES = (
    *(Sorted, NoticeReleased, ItemAccepted, Released, TalksSkipped, ImpasseConfirmed, OutcomeRecorded),
    *(ContactSet, Extended, HoldEnded, FlagLooked),
)


@dataclass(frozen=True, slots=True)
class Side:
    """What one side got. `given` is how long it had, from the first request to its answer or the end."""

    letters: int = 0
    reminders: int = 0
    extensions: int = 0
    holds: int = 0
    lapsed: bool = False
    asked: bool = False
    given_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Figures:
    """One case in figures. `days` are calendar days from the first mail to the outcome or the closing; None: open yet.

    `ended` is the outcome's code, else why it closed, else `open`.
    """

    kind: str
    opener: str
    ended: str
    days: float | None
    impasse: bool
    touches: int
    worker: Side
    client: Side


@dataclass
class Watched(Play):
    """A case of which is noted what each side got. `names` are the letters that left, each with whose it is."""

    touches: int = 0
    names: list[tuple[Role, str]] = field(default_factory=list)
    first_asked: dict[Role, datetime] = field(default_factory=dict)
    answered: dict[Role, datetime] = field(default_factory=dict)
    lapsed: set[Role] = field(default_factory=set)
    holds: dict[Role, set[str]] = field(default_factory=lambda: {role: set() for role in Role})
    ended_at: datetime | None = None
    impassed: bool = False

    def left(self, letter: Letter) -> None:
        self.names.append((letter.role, letter.name))
        if letter.name in ASKING and self.case.wanted_from(letter.role):
            self.first_asked.setdefault(letter.role, self.now)

    def decided(self, before: Case, event: Event, decision: Decision) -> None:
        case, fact = decision.case, event.fact
        self.touches += isinstance(fact, TOUCHES) and not decision.refused
        for hold in case.holds:
            for role in hold.roles:
                self.holds[role].add(f"{hold.id}:{hold.since}")
        if isinstance(fact, ClockDue) and fact.what is What.LAPSE and case.stage is not before.stage:
            self.lapsed.add(Role(fact.who.value))
        if isinstance(fact, PartyWrote) and before.wanted_from(fact.role) and not case.wanted_from(fact.role):
            self.answered.setdefault(fact.role, self.now)
        self.impassed = self.impassed or case.stage is Stage.IMPASSE
        if self.ended_at is None and case.stage in (Stage.RESOLVED, Stage.CLOSED):
            self.ended_at = self.now


@dataclass(kw_only=True)
class Simulated(Watched):
    """A case whose people react. `queue` holds their reactions by time."""

    draw: Draw
    people: People
    queue: list[tuple[datetime, int, Callable[[], None]]] = field(default_factory=list)
    mails: int = 0
    _asked: dict[Role, int] = field(default_factory=lambda: dict.fromkeys(Role, 0))
    _answering: set[Role] = field(default_factory=set)
    _staff_at: str = ""

    # --- Running ------------------------------------------------------------------------------------------------------

    def run(self, until: datetime) -> None:
        """Everything up to `until`, or to the end of the case."""
        for _ in range(STEPS_MAX):
            soonest = self.queue[0][0] if self.queue else None
            moment = self.next_moment()
            if self.case.stage is Stage.CLOSED and soonest is None:
                return
            found = [each for each in (soonest, moment) if each is not None]
            if not found or min(found) > until:
                return
            if soonest is not None and soonest <= min(found):
                _, _, react = heapq.heappop(self.queue)
                self.wait_until(max(soonest, self.now))
                react()
            else:
                self.wait_until(min(found))

    def _later(self, at: datetime, react: Callable[[], None]) -> None:
        self.count += 1
        heapq.heappush(self.queue, (max(at, self.now), self.count, react))

    def _span(self, name: str, steps: tuple[tuple[float, Span], ...], start: datetime) -> datetime:
        """A moment drawn from a distribution of times, counted from `start`."""
        span, part = self.draw.time(name, steps)
        calendar = self.policy.calendar(None)
        return start + (calendar.after(start, span) - start) * part + timedelta(seconds=1)

    # --- What the parties do ------------------------------------------------------------------------------------------

    def left(self, letter: Letter) -> None:
        super().left(letter)
        if letter.name not in ASKING or not self.case.wanted_from(letter.role):
            return
        role = letter.role
        if role in self._answering:
            return
        self._asked[role] += 1
        self._react(role, letter, self.people.worker if role is Role.WORKER else self.people.client)

    def _react(self, role: Role, letter: Letter, habits: Habits) -> None:
        name = f"{'opener' if role is self.case.opener else 'respondent'}:"
        first = self._asked[role] == 1
        if first and self.draw.below(f"{name}bounce", habits.bounce):
            address = self.case.party(role).address or ""
            number = letter.number
            self._later(self.now + timedelta(minutes=5), lambda: self._bounce(role, number, address))
            return
        silent = self.draw.below(f"{name}silent", habits.silent)
        stirred = self.draw.below(f"{name}stirred:{self._asked[role]}", habits.stirred)
        if silent and (first or not stirred):
            return
        self._answering.add(role)
        at = self._span(f"{name}answers:{self._asked[role]}", habits.answers, self.now)
        if first and self.draw.below(f"{name}out_of_office", habits.out_of_office):
            days = 1 + int(self.draw.share(f"{name}away") * 5)
            back = self.policy.calendar(None).day(self.now + timedelta(days=days))
            self._later(self.now + timedelta(minutes=1), lambda: self._happens(PartyAway(role, 0, back), role))
            at += timedelta(days=days)
        if first and self.draw.below(f"{name}more_time", habits.more_time):
            self._later(self.now + (at - self.now) / 2, lambda: self._writes(role, (), "more_time"))
            at += timedelta(days=2)
        partial = first and self.draw.below(f"{name}partial", habits.partial)
        self._later(at, lambda: self._answer(role, partial))

    def _bounce(self, role: Role, letter: int, address: str) -> None:
        self.bounced.add(letter)
        self._happens(LetterBounced(role, letter, address, "550 no such user"), "mail")

    def _answer(self, role: Role, partial: bool) -> None:
        self._answering.discard(role)
        wanted = self.case.wanted_from(role)
        if not wanted:
            return
        given = wanted[: max(1, len(wanted) // 2)] if partial and len(wanted) > 1 else () if partial else wanted
        self._writes(role, given, "provides_item")

    def _writes(self, role: Role, given: tuple[Item, ...], intent: str) -> None:
        self._happens(PartyWrote(role, self._mail(role, given, intent)), role)

    def _mail(self, role: Role, given: tuple[Item, ...], intent: str | None) -> MailFacts:
        self.mails += 1
        party = self.case.party(role)
        named = any(item.name is ItemName.ASSIGNMENT_ID for item in given)
        items = (item for item in given if item.name is not ItemName.ASSIGNMENT_ID)
        return MailFacts(
            mail_id=self.mails,
            message_id=f"<{self.mails}@{role}.example>",
            references=(),
            sender=party.address or ADDRESSES[role],
            sender_name="",
            subject="A dispute",
            text=f"Mail {self.mails} of the {role}.",
            at=self.now,
            verdict=Verdict.PASS,
            verdict_reason="simulated",
            intent=intent,
            items=tuple(ItemFound(item.name, 0.95, Provenance.DIRECT, "…") for item in items),
            assignment_ids=(ASSIGNMENT,) if named else (),
            listings=(LISTING,) if named and self.draw.below("listed", self.people.cases.listed) else (),
        )

    # --- What staff do ------------------------------------------------------------------------------------------------

    def decided(self, before: Case, event: Event, decision: Decision) -> None:
        super().decided(before, event, decision)
        case = decision.case
        if case.stage is not before.stage and case.stage is Stage.TALKS:
            self._talk()
        if case.waits:
            waiting = f"{case.stage}:{case.waits[0].about}:{case.waits[0].since}"
            if waiting != self._staff_at:
                self._staff_at = waiting
                task = case.waits[0].about.partition(":")[0]
                at = self._span(f"staff:{case.stage}:{task}", self.people.staff.acts, self.now)
                self._later(self.policy.calendar(None).next_working(at), lambda: self._act(waiting))

    def _talk(self) -> None:
        at = self.draw.share("talks")
        intent = "resolved" if at < self.people.talks.settles else "refuses"
        if at < self.people.talks.settles + self.people.talks.refuses and self.case.opener:
            opener = self.case.opener
            when = self.now + timedelta(days=3 + 5 * self.draw.share("talks:when"))
            self._later(when, lambda: self._says(opener, intent))

    def _says(self, role: Role, intent: str) -> None:
        if self.case.stage is Stage.TALKS:
            self._writes(role, (), intent)

    def _act(self, waiting: str) -> None:
        """A person does what the first thing that waits asks for; if it waits no more, nothing."""
        if self._staff_at != waiting:
            return
        self._staff_at = ""
        if not self.case.waits:
            return
        fact = self._fact(self.case.waits[0].about)
        if fact is not None:
            self._happens(fact, "staff")

    def _fact(self, about: str) -> Fact | None:
        what, _, detail = about.partition(":")
        case, by = self.case, "staff"
        match what:
            case "sorting":
                kind = Kind.PAYMENT if self.draw.below("kind", self.people.cases.payment) else Kind.RATING
                return Sorted(by, kind, self._opener(), self._mail(self._opener(), self._first(kind), None))
            case "notice":
                if case.respondent and case.party(case.respondent).address is None:
                    return ContactSet(by, case.respondent, ADDRESSES[case.respondent])
                return NoticeReleased(by)
            case "item":
                return ItemAccepted(by, ItemName(detail))
            case "release" | "statement":
                open_ones = [statement for statement in case.statements if statement.withheld]
                return Released(by, open_ones[0].number) if open_ones else TalksSkipped(by, "nothing to release")
            case "impasse":
                return ImpasseConfirmed(by)
            case "review":
                codes = OUTCOMES[case.kind or Kind.PAYMENT]
                reviewer = "another" if case.reviewers else by
                return OutcomeRecorded(reviewer, codes[int(self.draw.share("outcome") * 3)], "As both sides wrote.")
            case "address":
                return ContactSet(by, Role(detail), f"other.{ADDRESSES[Role(detail)]}")
            case "more_time":
                return Extended(by, Role(detail), "asked for it")
            case "hold":
                return HoldEnded(by)
            case "flag":
                return FlagLooked(by, case.flags[0]) if case.flags else HoldEnded(by, detail)
            case _:
                return HoldEnded(by) if case.holds else None

    def _happens(self, fact: Fact, by: str) -> None:
        self.happen(fact, by)

    # --- Opening ------------------------------------------------------------------------------------------------------

    def _opener(self) -> Role:
        return Role.CLIENT if self.draw.below("opener", self.people.cases.client_opens) else Role.WORKER

    def _first(self, kind: Kind) -> tuple[Item, ...]:
        """What stands in the first mail."""
        opener = self._opener()
        own = ItemName.WORKER_EXPLANATION if opener is Role.WORKER else ItemName.CLIENT_EXPLANATION
        items = (
            Item(opener, ItemName.ASSIGNMENT_ID),
            Item(opener, ItemName.TIMELINE if kind is Kind.PAYMENT else own),
        )
        at = self.draw.share("complete")
        return (
            items if at < self.people.cases.complete else items[:1] if at < (1 + self.people.cases.complete) / 2 else ()
        )

    def opens(self) -> None:
        """The first mail."""
        kind = Kind.PAYMENT if self.draw.below("kind", self.people.cases.payment) else Kind.RATING
        opener = self._opener()
        sure = not self.draw.below("unsure", self.people.cases.unsure)
        mail = self._mail(opener, self._first(kind), None)
        self._happens(CaseOpened(mail, kind if sure else None, opener if sure else None), opener)
        if self.draw.below("settles_itself", self.people.cases.settles_itself):
            when = self.now + timedelta(days=2 + 6 * self.draw.share("settles:when"))
            self._later(when, lambda: self._settles(opener))

    def _settles(self, role: Role) -> None:
        if self.case.stage not in (Stage.RESOLVED, Stage.CLOSED, Stage.SORTING):
            self._writes(role, (), "resolved")


ASSIGNMENT = "4471829360"
ADDRESSES = {Role.WORKER: "worker@worker.example", Role.CLIENT: "client@client.example"}
LISTING = Listing(ASSIGNMENT, "A Worker", ADDRESSES[Role.WORKER], "A Client", ADDRESSES[Role.CLIENT])


def simulate(policy: Policy, people: People, draw: Draw, opened_at: datetime, until: datetime) -> Figures:
    """Play one case that opens at `opened_at` up to `until` (both UTC); its figures."""
    played = Simulated(policy, Case(1), opened_at, draw=draw, people=people)
    played.opens()
    played.run(until)
    return figures(played, opened_at)


def figures(played: Watched, opened_at: datetime) -> Figures:
    """What a played case comes to."""
    case, ended = played.case, played.ended_at
    code = case.outcome.code if case.outcome and case.outcome.final_at else None
    closed = case.closed if case.closed and case.closed is not Closing.OUTCOME else None
    return Figures(
        kind=str(case.kind or "unsorted"),
        opener=str(case.opener or "unknown"),
        ended=code or (str(closed) if closed else "open"),
        days=None if ended is None else (ended - opened_at) / timedelta(days=1),
        impasse=played.impassed,
        touches=played.touches,
        worker=_side(played, Role.WORKER),
        client=_side(played, Role.CLIENT),
    )


def _side(played: Watched, role: Role) -> Side:
    names = [name for whose, name in played.names if whose is role]
    asked = played.first_asked.get(role)
    until = played.answered.get(role) or played.ended_at or played.now
    return Side(
        letters=len(names),
        reminders=sum(name in ("reminder", "final") for name in names),
        extensions=int(played.case.party(role).extended),
        holds=len(played.holds[role]),
        lapsed=role in played.lapsed,
        asked=asked is not None,
        given_s=0.0 if asked is None else max((until - asked).total_seconds(), 0.0),
    )
