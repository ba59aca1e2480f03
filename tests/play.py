"""Stories: one case played through `decide` alone, and what its people do, in words."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from bot.flows.case import LADDER, Case, ItemName, Kind, Provenance, Role, Stage, What, Who
from bot.flows.effects import Decision, Letter, Note, Sending
from bot.flows.events import (
    CaseOpened,
    Event,
    Fact,
    ImpasseConfirmed,
    ItemFound,
    Listing,
    MailFacts,
    OutcomeRecorded,
    PartyWrote,
)
from bot.flows.mail import Verdict
from bot.flows.policy import Policy
from bot.reports import play as playing
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
class Play(playing.Play):
    """One case and its time, watched. `letters` are those that left, oldest first."""

    policy: Policy = POLICY
    case: Case = field(default_factory=lambda: Case(1042))
    now: datetime = MONDAY
    letters: list[Letter] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    decisions: list[Decision] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)

    # --- What happens -------------------------------------------------------------------------------------------------

    def happen(self, fact: Fact, by: str = "test") -> Decision:
        return super().happen(fact, by)

    def decided(self, before: Case, event: Event, decision: Decision) -> None:
        self.events.append(event)
        self.decisions.append(decision)
        self.look(before, event.fact, decision)

    def left(self, letter: Letter) -> None:
        self.letters.append(letter)

    def noted(self, note: Note) -> None:
        self.notes.append(note.text)

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

    def wait_while(self, going_on: Callable[["Play"], bool], limit: int = 200) -> None:
        for _ in range(limit):
            if not going_on(self):
                return
            moment = self.next_moment()
            assert moment is not None, f"nothing will ever happen in {self.case.stage}"
            self.wait_until(moment)
        raise AssertionError("it went on for too long")

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
