"""Plays a case through `decide` alone: letters leave at their moment unless the story says otherwise, clocks come due.

What Office and Delivery do with rows and servers is done here with values, so that a story of weeks takes milliseconds.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from bot.flows.calendar import Span
from bot.flows.case import LADDER, Case, Clock, ItemName, Kind, Provenance, Role, Stage, What, Who
from bot.flows.decide import decide
from bot.flows.effects import Cancel, Decision, Effect, Letter, Note, Sending
from bot.flows.events import (
    CaseOpened,
    ClockDue,
    Event,
    Fact,
    Free,
    ImpasseConfirmed,
    ItemFound,
    LetterLate,
    Listing,
    MailFacts,
    OutcomeRecorded,
    PartyWrote,
)
from bot.flows.mail import Verdict
from bot.flows.policy import Policy
from bot.settings import load_policy

MONDAY = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)  # 10:00 in New York, a plain working Monday.
ID = "4471829360"
LISTING = Listing(ID, "Wanda Worker", "wanda@worker.example", "Carl Client", "carl@client.example")
ADDRESS = {Role.WORKER: "wanda@worker.example", Role.CLIENT: "carl@client.example"}
OWN = {Role.WORKER: ItemName.WORKER_EXPLANATION, Role.CLIENT: ItemName.CLIENT_EXPLANATION}
POLICY = load_policy(None)


def found(
    *names: ItemName, confidence: float = 0.95, provenance: Provenance = Provenance.DIRECT
) -> tuple[ItemFound, ...]:
    return tuple(ItemFound(name, confidence, provenance, "…") for name in names)


def mail(role: Role = Role.WORKER, text: str = "Please help.", **facts: object) -> MailFacts:
    """A trusted mail of the party; `facts` replace any field."""
    plain = MailFacts(
        mail_id=1,
        message_id="<m1@worker.example>",
        references=(),
        sender=ADDRESS[role],
        sender_name="",
        subject="Dispute",
        text=text,
        at=MONDAY,
        verdict=Verdict.PASS,
        verdict_reason="dmarc=pass",
    )
    return replace(plain, **facts)  # type: ignore[arg-type]  # Field names are checked by replace itself.


@dataclass
class Play:
    """One case and its time. `letters` are those that left, oldest first; `waiting` those in the outbox."""

    policy: Policy = POLICY
    case: Case = field(default_factory=lambda: Case(1042))
    now: datetime = MONDAY
    letters: list[Letter] = field(default_factory=list)
    outbox: list[Letter] = field(default_factory=list)
    to_decide: list[Letter] = field(default_factory=list)
    cancelled: list[int] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    decisions: list[Decision] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    bounced: set[int] = field(default_factory=set)
    smtp: bool = True
    braked: tuple[Role, ...] = ()
    sent_at: dict[int, datetime] = field(default_factory=dict)

    # --- What happens -------------------------------------------------------------------------------------------------

    def happen(self, fact: Fact, by: str = "test") -> Decision:
        """One event, decided now; what may leave at once leaves."""
        free = Free(*(self.policy.calendar(self.case.party(role).zone).next_working(self.now) for role in Role))
        event = Event(f"e{len(self.events)}", self.now, by, fact, free, self.braked)
        before = self.case
        decision = decide(before, event, self.now, self.policy)
        self.events.append(event)
        self.decisions.append(decision)
        self.case = decision.case
        for effect in decision.effects:
            self._carry_out(effect)
        self.look(before, fact, decision)
        while self.to_decide:
            letter = self.to_decide.pop(0)
            self.happen(LetterLate(letter.number, letter.name, letter.role), "delivery")
        self._deliver()
        return decision

    def look(self, before: Case, fact: Fact, decision: Decision) -> None:
        """Called after each decision, for those who watch."""

    def opens(self, kind: Kind | None, opener: Role | None = Role.WORKER, **facts: object) -> Decision:
        fact = CaseOpened(mail(opener or Role.WORKER, at=self.now, **facts), kind, opener)  # type: ignore[arg-type]
        return self.happen(fact, str(opener))

    def complete_payment(self, opener: Role = Role.WORKER, **facts: object) -> Decision:
        """A payment dispute with everything in its first mail."""
        given = {"assignment_ids": (ID,), "listings": (LISTING,), "items": found(ItemName.TIMELINE), **facts}
        return self.opens(Kind.PAYMENT, opener, **given)

    def complete_rating(self, opener: Role = Role.WORKER, **facts: object) -> Decision:
        given = {"assignment_ids": (ID,), "listings": (LISTING,), "items": found(OWN[opener]), **facts}
        return self.opens(Kind.RATING, opener, **given)

    def writes(self, role: Role, text: str = "Here it is.", **facts: object) -> Decision:
        return self.happen(PartyWrote(role, mail(role, text, at=self.now, mail_id=len(self.events) + 2, **facts)), role)

    def answers(self, role: Role = Role.CLIENT) -> Decision:
        """The respondent gives what it was asked for."""
        name = ItemName.ANSWER if self.case.kind is Kind.PAYMENT else OWN[role]
        return self.writes(role, "We approved it on Monday.", items=found(name), intent="provides_item")

    # --- Time ---------------------------------------------------------------------------------------------------------

    def wait(self, span: str) -> None:
        self.wait_until(self.policy.calendar(None).after(self.now, Span.parse(span)))

    def wait_until(self, until: datetime) -> None:
        """Every due moment on the way happens in order, at its own time."""
        while (moment := self._next_moment()) is not None and moment <= until:
            self.now = max(self.now, moment)
            if not self._deliver() and not self._tick():
                break
        self.now = max(self.now, until)
        self._deliver()

    def wait_while(self, going_on: Callable[["Play"], bool], limit: int = 200) -> None:
        for _ in range(limit):
            if not going_on(self):
                return
            moment = self._next_moment()
            assert moment is not None, f"nothing will ever happen in {self.case.stage}"
            self.wait_until(moment)
        raise AssertionError("it went on for too long")

    def _next_moment(self) -> datetime | None:
        due = [clock.due_at for clock in self.case.clocks if self._runs(clock)]
        due += [letter.not_before for letter in self.outbox] if self.smtp else []
        due += [letter.late_after for letter in self.outbox if letter.late_after and not self.smtp]
        return max(min(due), self.now) if due else None

    def _runs(self, clock: Clock) -> bool:
        sent = {letter.number for letter in self.letters} - self.bounced
        return not clock.held_by and (clock.letter is None or clock.letter in sent)

    def _tick(self) -> bool:
        due = [clock for clock in self.case.clocks if clock.due_at <= self.now and self._runs(clock)]
        for clock in sorted(due, key=lambda clock: clock.due_at):
            self.happen(ClockDue(clock.who, clock.what, clock.topic, clock.due_at), "clock")
            return True
        return False

    def _deliver(self) -> bool:
        late = [letter for letter in self.outbox if letter.late_after and letter.late_after < self.now]
        for letter in late:
            if letter not in self.outbox:
                continue
            self.outbox.remove(letter)
            self.cancelled.append(letter.number)
            self.happen(LetterLate(letter.number, letter.name, letter.role), "delivery")
        if not self.smtp:
            return bool(late)
        leaving = [letter for letter in self.outbox if letter.not_before <= self.now]
        for letter in leaving:
            self.outbox = [other for other in self.outbox if other is not letter]
            self.letters.append(letter)
            self.sent_at[letter.number] = self.now
        return bool(leaving or late)

    def _carry_out(self, effect: Effect) -> None:
        if isinstance(effect, Letter):
            self.outbox.append(effect)
        elif isinstance(effect, Cancel):
            held = [e for e in self.outbox if e.role is effect.to and e.sending is Sending.UNASKED]
            gone = [e for e in self.outbox if e.number in effect.letters or e in held]
            self.cancelled += [letter.number for letter in gone]
            self.outbox = [letter for letter in self.outbox if letter not in gone]
            self.to_decide += [letter for letter in held if letter.number not in effect.letters]
        elif isinstance(effect, Note):
            self.notes.append(effect.text)

    # --- What is to be seen ----------------------------------------------------------------------------------------

    def got(self, role: Role) -> list[str]:
        """The names of the letters the party has received."""
        return [letter.name for letter in self.letters if letter.role is role]

    def last(self, role: Role) -> Letter:
        return next(letter for letter in reversed(self.letters) if letter.role is role)

    def at(self, stage: Stage) -> bool:
        return self.case.stage is stage

    @property
    def waits(self) -> list[str]:
        return [wait.about for wait in self.case.waits]

    def due(self, who: Who, *whats: What) -> datetime:
        clock = self.case.clock(who, *(whats or tuple(LADDER)))
        assert clock, f"no such clock runs on the {who}"
        return clock.due_at


def unasked(play: Play, role: Role) -> list[Letter]:
    return [letter for letter in play.letters if letter.role is role and letter.sending is Sending.UNASKED]


# --- How far a story has come --------------------------------------------------------------------------------------


def complete(kind: Kind, opener: Role = Role.WORKER) -> Play:
    play = Play()
    if kind is Kind.PAYMENT:
        play.complete_payment(opener)
    else:
        play.complete_rating(opener)
    return play


def noticed(kind: Kind = Kind.PAYMENT, opener: Role = Role.WORKER) -> Play:
    """The respondent has just had its notice."""
    play = complete(kind, opener)
    play.wait("1 business day")
    assert play.at(Stage.ANSWERING)
    return play


def in_talks() -> Play:
    play = noticed()
    play.answers()
    assert play.at(Stage.TALKS)
    return play


def at_impasse(kind: Kind = Kind.PAYMENT) -> Play:
    play = noticed(kind)
    play.wait("8 business days")
    assert play.at(Stage.IMPASSE)
    return play


def in_review(kind: Kind = Kind.PAYMENT) -> Play:
    play = at_impasse(kind)
    play.happen(ImpasseConfirmed("U1"))
    return play


def resolved() -> Play:
    play = in_review()
    play.happen(OutcomeRecorded("U1", "paid", "Both sides agree on the date."))
    play.wait("61 seconds")
    assert play.at(Stage.RESOLVED)
    return play


def later(moment: datetime, days: int) -> datetime:
    """So many whole working days after `moment`."""
    return POLICY.calendar(None).plus_working(moment, days * timedelta(hours=8))
