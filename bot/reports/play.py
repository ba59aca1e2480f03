"""Plays one case through `decide` alone: letters leave at their moment, clocks come due, everything is a value.

What Office and Delivery do with rows and servers is done here in memory, so that a case of weeks takes milliseconds.
The simulator and the forecast of `why` play cases so, and the tests tell their stories with it.
"""

from dataclasses import dataclass, field
from datetime import datetime

from bot.flows.calendar import Span
from bot.flows.case import Case, Clock, Role
from bot.flows.decide import decide
from bot.flows.effects import Cancel, Decision, Effect, Letter, Note, Sending
from bot.flows.events import ClockDue, Event, Fact, Free, LetterLate
from bot.flows.policy import Policy


@dataclass
class Play:
    """One case and its time (UTC). `outbox` holds the letters that wait, `sent_at` the numbers of those that left.

    `smtp` False: the mail server is away, and what is too late is decided anew. `braked`: see `Event`.
    """

    policy: Policy
    case: Case
    now: datetime
    outbox: list[Letter] = field(default_factory=list)
    sent_at: dict[int, datetime] = field(default_factory=dict)
    cancelled: list[int] = field(default_factory=list)
    bounced: set[int] = field(default_factory=set)
    smtp: bool = True
    braked: tuple[Role, ...] = ()
    count: int = 0
    to_decide: list[Letter] = field(default_factory=list)

    # --- What happens -------------------------------------------------------------------------------------------------

    def happen(self, fact: Fact, by: str) -> Decision:
        """One event, decided now; what may leave at once leaves."""
        free = Free(*(self.policy.calendar(self.case.party(role).zone).next_working(self.now) for role in Role))
        event = Event(f"e{self.count}", self.now, by, fact, free, self.braked)
        before = self.case
        decision = decide(before, event, self.now, self.policy)
        self.count += 1
        self.case = decision.case
        for effect in decision.effects:
            self._carry_out(effect)
        self.decided(before, event, decision)
        while self.to_decide:
            letter = self.to_decide.pop(0)
            self.happen(LetterLate(letter.number, letter.name, letter.role), "delivery")
        self._deliver()
        return decision

    def decided(self, before: Case, event: Event, decision: Decision) -> None:
        """Called after each decision, for those who watch."""

    def left(self, letter: Letter) -> None:
        """Called when a letter leaves, for those who watch."""

    def noted(self, note: Note) -> None:
        """Called with each line for the thread, for those who watch."""

    # --- Time ---------------------------------------------------------------------------------------------------------

    def wait(self, span: str) -> None:
        """Let time pass, as policy writes it."""
        self.wait_until(self.policy.calendar(None).after(self.now, Span.parse(span)))

    def wait_until(self, until: datetime) -> None:
        """Every due moment on the way happens in order, at its own time."""
        while (moment := self.next_moment()) is not None and moment <= until:
            self.now = max(self.now, moment)
            if not self._deliver() and not self._tick():
                break
        self.now = max(self.now, until)
        self._deliver()

    def next_moment(self) -> datetime | None:
        """When something happens next if nobody does anything; None: never."""
        due = [clock.due_at for clock in self.case.clocks if self._runs(clock)]
        due += [letter.not_before for letter in self.outbox] if self.smtp else []
        due += [letter.late_after for letter in self.outbox if letter.late_after and not self.smtp]
        return max(min(due), self.now) if due else None

    def _runs(self, clock: Clock) -> bool:
        announced = clock.letter is None or (clock.letter in self.sent_at and clock.letter not in self.bounced)
        return announced and not clock.held_by

    def _tick(self) -> bool:
        due = [clock for clock in self.case.clocks if clock.due_at <= self.now and self._runs(clock)]
        for clock in sorted(due, key=lambda clock: clock.due_at):
            self.happen(ClockDue(clock.who, clock.what, clock.topic, clock.due_at), "clock")
            return True
        return False

    # --- Letters ------------------------------------------------------------------------------------------------------

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
            self.sent_at[letter.number] = self.now
            self.left(letter)
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
            self.noted(effect)
