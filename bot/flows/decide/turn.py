"""One decision in the making: the case as it changes, and the effects as they are asked for.

Only `decide` makes a Turn, and only for the length of one call, so to everybody else deciding stays a pure function.
"""

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta

from bot.flows.calendar import Calendar, Span
from bot.flows.case import (
    LADDER,
    Case,
    Clock,
    Hold,
    Item,
    Kind,
    Party,
    Role,
    Stage,
    Topic,
    Wait,
    What,
    Who,
)
from bot.flows.effects import Because, Cancel, Card, Decision, Effect, Letter, Note, Sending, Value
from bot.flows.events import Event
from bot.flows.policy import Policy
from bot.flows.values import replace

HOLDABLE = frozenset(
    {Topic.REQUEST, Topic.PARTIAL, Topic.COMMENT, Topic.AGREE, Topic.NOTICE, Topic.SLEEP, Topic.STATUS}
)
"""The clocks that a hold stops; those that end a hold, an undo or a window go on."""

SUBJECTS = {Kind.RATING: "Rating dispute", Kind.PAYMENT: "Payment dispute", None: "Your message to support"}
"""The subject that all letters of a case keep, behind its label."""

DATED = frozenset(
    {
        *("receipt", "complete", "request", "notice", "reminder", "final", "reopened"),
        *("release", "agree", "closing", "catch_up", "extended"),
    }
)
"""Letters whose dates count from when they may leave: unsent for too long, they are cancelled and decided anew."""

WHO = {Role.WORKER: Who.WORKER, Role.CLIENT: Who.CLIENT}
ROLE = {who: role for role, who in WHO.items()}
"""A party as whom a clock runs on, and whom a clock runs on as a party; staff are none."""

Facts = dict[str, Value]


class Refused(Exception):
    """What a person asked for cannot be; the message says why, and what would be right."""


class Turn:
    """The case while one event is decided. `say` gives the reason; the rest reads like what is done.

    `writer` is the party whose mail is being answered, if it is a mail; `answered`: it has had its receipt.
    `came` is the case as it came. `taken_back` are the letters cancelled in this turn, and whether that is for good.
    """

    __slots__ = ("answered", "because", "came", "case", "effects", "event", "now", "policy", "taken_back", "writer")

    def __init__(self, case: Case, event: Event, now: datetime, policy: Policy) -> None:
        self.came = self.case = case
        self.event = event
        self.now = now
        self.policy = policy
        self.effects: list[Effect] = []
        self.because = Because("")
        self.writer: Role | None = None
        self.answered = False
        self.taken_back: dict[int, bool] = {}

    # --- The outcome of the turn ----------------------------------------------------------------------------------

    def decision(self) -> Decision:
        case = replace(self.case, version=self.case.version + 1)
        return Decision(case, (*self.effects, Card()), self.because)

    def say(self, text: str, rule: str = "", quote: str = "") -> None:
        """Why this event led to what follows; the first line also stands in the thread."""
        self.because = Because(text, rule, quote)
        self.effects.append(Note(text, self.because, quote))

    def note(self, text: str, mention: str = "") -> None:
        self.effects.append(Note(text, self.because, mention=mention))

    # --- Time -----------------------------------------------------------------------------------------------------

    def calendar(self, role: Role | None) -> Calendar:
        """The party's calendar; None: the office's."""
        return self.policy.calendar(self.case.party(role).zone if role else None)

    def after(self, role: Role | None, span: Span, start: datetime | None = None) -> datetime:
        return self.calendar(role).after(start or self.now, span)

    # --- The case ---------------------------------------------------------------------------------------------------

    def change_party(self, party: Party) -> None:
        self.case = self.case.with_party(party)

    def change_items(self, items: Iterable[Item]) -> None:
        for item in items:
            self.case = self.case.with_item(item)

    def go(self, stage: Stage) -> None:
        """Enter a stage. What ran in the last one ends; status lines count anew."""
        for role in self.case.sides:
            self.stop_ladder(role, "the case moved on")
        self.case = replace(
            self.case,
            stage=stage,
            worker=_counted_anew(self.case.worker),
            client=_counted_anew(self.case.client),
            clocks=tuple(c for c in self.case.clocks if c.topic not in (Topic.NOTICE, Topic.STATUS, Topic.SLEEP)),
        )

    # --- Letters ------------------------------------------------------------------------------------------------------

    def write(
        self,
        name: str,
        role: Role,
        sending: Sending,
        facts: Facts | None = None,
        because: Because | None = None,
    ) -> int:
        """Decide a letter; returns its number. A braked answer waits for the recipient's free moment like a notice."""
        if sending is Sending.ANSWER and role in self.event.braked:
            sending = Sending.UNASKED
        number = self.case.letters + 1
        not_before = self.leaves(role, sending)
        facts = self._common(role) | (facts or {})
        dated = name in DATED and not facts.get("notice_by_person")
        self.effects.append(
            Letter(
                number,
                name,
                role,
                facts,
                because or self.because,
                sending,
                not_before,
                self.after(role, self.policy.limits.late_after, not_before) if dated else None,
                after_poll=name in ("reminder", "final"),
            )
        )
        party = self.case.party(role)
        party = replace(party, written=party.written + 1, told=party.told or number, unsaid=False)
        if role is Role.WORKER:
            self.case = replace(self.case, letters=number, worker=party)
        else:
            self.case = replace(self.case, letters=number, client=party)
        return number

    def answer(self, name: str, role: Role, facts: Facts | None = None) -> None:
        """A receipt for a party's mail: one a mail, and none but the plain one while danger holds letters to it.

        What could not be said, here or for want of an address, a status line makes up for.
        """
        if self.answered:
            return
        self.answered = True
        if not self.may_answer(role, plainly=name == "receipt_danger"):
            self.change_party(replace(self.case.party(role), unsaid=True))
        elif name != "filed" or role not in self.event.braked:  # A braked `filed` says nothing that must be said.
            self.write(name, role, Sending.ANSWER, facts)

    def may_answer(self, role: Role, plainly: bool = False) -> bool:
        """Whether a mail of the party may be answered: it has an address, and no danger holds letters to it."""
        danger = not plainly and any(hold.id == "danger" for hold in self.case.held(role))
        return not danger and self.case.party(role).address is not None

    def tell(self, name: str, role: Role, facts: Facts | None = None) -> None:
        """News that nobody has to answer. While a hold stands, or for want of an address, it stays unsaid."""
        if self.case.held(role) or self.case.party(role).address is None:
            self.change_party(replace(self.case.party(role), unsaid=True))
        else:
            self.write(name, role, Sending.UNASKED, facts)

    def sending(self, role: Role) -> Sending:
        """How a letter to this party is sent that may answer its mail."""
        return Sending.ANSWER if self.writer is role else Sending.UNASKED

    def leaves(self, role: Role, sending: Sending) -> datetime:
        """The earliest moment a letter of this sort may leave; a zone that this event told of counts already."""
        match sending:
            case Sending.ANSWER:
                return self.now
            case Sending.UNASKED:
                free = max(self.event.free.of(role), self.now)
                zone = self.case.party(role).zone
                return free if zone == self.came.party(role).zone else self.calendar(role).next_working(free)
            case Sending.PERSON:  # pragma: no branch - the last of a closed set.
                return self.now + self.policy.limits.undo.elapsed

    def cancel(self, letters: Iterable[int | None], why: str, for_good: bool = False) -> None:
        """Take letters back that have not left. `for_good`: nothing takes their place, so whose first letter it was
        does not know of us yet; if it has left after all, that party hears how it stands after the next letter only."""
        numbers = tuple(number for number in letters if number is not None)
        if numbers:
            self.effects.append(Cancel(numbers, why))
            self.taken_back.update(dict.fromkeys(numbers, for_good))

    def note_first(self, role: Role) -> None:
        """If the first letter to the party was taken back, the first of this turn takes its place."""
        party = self.case.party(role)
        if party.told is not None and party.told in self.taken_back:
            letters = (effect for effect in self.effects if isinstance(effect, Letter) and effect.role is role)
            left = (letter.number for letter in letters if letter.number not in self.taken_back)
            self.change_party(replace(party, told=next(left, None if self.taken_back[party.told] else party.told)))

    def forget(self, letter: int) -> None:
        """A letter did not leave, or came back: if it was a party's first, that party does not know of us yet.

        Whose it was, the case knows best: sorting may have exchanged the sides since.
        """
        for party in (self.case.worker, self.case.client):
            if party.told == letter:
                self.change_party(replace(party, told=None))

    def _common(self, role: Role) -> Facts:
        case = self.case
        respondent = case.opener is not None and role is not case.opener
        listed = bool(case.listed and case.noticed_at)
        subject = case.subject
        if respondent and case.assignment_ids:
            subject = f"{subject}, assignment {case.assignment_ids[0]}"
        return {
            "subject": subject,
            "kind": case.kind or "",
            "side": "" if case.opener is None else "respondent" if respondent else "opener",
            "role": role if case.opener else "",
            "other": role.other if case.opener else "",
            "claims_money": case.kind is Kind.PAYMENT and role is Role.WORKER,
            "assignment_ids": case.assignment_ids,
            "listed": listed,
        }

    # --- Clocks ---------------------------------------------------------------------------------------------------

    def start(self, clock: Clock) -> None:
        """Start a clock, in place of one of the same sort; one that stands under a hold starts held."""
        holds = tuple([hold.id for hold in self.case.holds if stops(hold, clock)])
        if holds or clock.held_by:
            clock = replace(clock, held_by=holds, held_since=self.now if holds else None)
        same = self.running(clock.who, clock.what, clock.topic)
        others = [other for other in self.case.clocks if other is not same]
        self.case = replace(self.case, clocks=(*others, clock))

    def swap(self, old: Clock, new: Clock) -> None:
        """Change a running clock in its place; holds on it stay as they are."""
        self.case = replace(self.case, clocks=tuple(new if clock is old else clock for clock in self.case.clocks))

    def stop(self, clock: Clock) -> None:
        self.case = replace(self.case, clocks=tuple([other for other in self.case.clocks if other is not clock]))

    def stop_about(self, *topics: Topic) -> None:
        """Stop every clock about any of these, whomever it runs on."""
        self.case = replace(self.case, clocks=tuple([c for c in self.case.clocks if c.topic not in topics]))

    def running(self, who: Who, what: What, topic: Topic) -> Clock | None:
        """The clock of this sort; there is at most one."""
        for clock in self.case.clocks:
            if clock.who is who and clock.what is what and clock.topic is topic:
                return clock
        return None

    def ladder(self, role: Role) -> Clock | None:
        who = WHO[role]
        for clock in self.case.clocks:
            if clock.who is who and clock.what in LADDER:
                return clock
        return None

    def stop_ladder(self, role: Role, why: str) -> None:
        """The party owes nothing more: its ladder ends, and what of it cannot have left yet is taken back.

        What a person released stays on its way: it was not sent for the sake of the ladder.
        """
        clock = self.ladder(role)
        if clock is None:
            return
        unsent = clock.asked_at is not None and clock.asked_at > self.now and clock.topic is not Topic.COMMENT
        self.cancel((clock.letter if unsent else None, clock.last_letter), why)
        self.stop(clock)
        if clock.letter and unsent:
            self.forget(clock.letter)

    # --- Holds ----------------------------------------------------------------------------------------------------

    def hold(self, hold: Hold) -> None:
        """Stop the clocks of the hold's parties, and take unasked letters to them back. One of the same id grows."""
        known = next((h for h in self.case.holds if h.id == hold.id), None)
        if known:
            roles = tuple(role for role in self.case.sides if role in (*known.roles, *hold.roles))
            hold = replace(hold, roles=roles, since=known.since)
        self.case = replace(
            self.case,
            holds=(*(h for h in self.case.holds if h.id != hold.id), hold),
            clocks=tuple(self._stood(clock, hold) for clock in self.case.clocks),
        )
        for role in hold.roles if hold.silences else ():
            if known is None or role not in known.roles:
                self.effects.append(Cancel((), f"held: {hold.why}", role))

    def _stood(self, clock: Clock, hold: Hold) -> Clock:
        if not stops(hold, clock) or hold.id in clock.held_by:
            return clock
        return replace(clock, held_by=(*clock.held_by, hold.id), held_since=clock.held_since or self.now)

    def resume(self, hold_id: str) -> None:
        """End a hold; clocks that nothing else holds get the working time back that they stood still."""
        if not self.case.has_hold(hold_id):
            return
        self.case = replace(
            self.case,
            holds=tuple(hold for hold in self.case.holds if hold.id != hold_id),
            clocks=tuple(self._freed(clock, hold_id) for clock in self.case.clocks if not ends(clock, hold_id)),
        )

    def _freed(self, clock: Clock, hold_id: str) -> Clock:
        if hold_id not in clock.held_by:
            return clock
        left = tuple(held for held in clock.held_by if held != hold_id)
        if left or clock.held_since is None:
            return replace(clock, held_by=left)
        calendar = self.calendar(None if clock.who is Who.STAFF else ROLE[clock.who])
        stood = calendar.working_between(clock.held_since, self.now)
        return replace(pushed(clock, calendar, clock.held_since, stood), held_by=(), held_since=None)

    # --- Staff ----------------------------------------------------------------------------------------------------

    def want(self, about: str, text: str) -> None:
        """Ask staff for something that does not follow from the case itself."""
        waits = tuple(wait for wait in self.case.waits if wait.about != about)
        self.case = replace(self.case, waits=(*waits, Wait(about, text, self.now)))

    def tick_off(self, about: str) -> None:
        self.case = replace(self.case, waits=tuple(wait for wait in self.case.waits if wait.about != about))


def _counted_anew(party: Party) -> Party:
    return replace(party, statuses=0) if party.statuses else party


def stops(hold: Hold, clock: Clock) -> bool:
    """Whether a hold stops a clock."""
    if clock.who is Who.STAFF or ROLE[clock.who] not in hold.roles:
        return False
    return clock.what is What.LAPSE if hold.id.startswith("subject:") else clock.topic in HOLDABLE


def ends(clock: Clock, hold_id: str) -> bool:
    """Whether this clock is there only to end that hold."""
    return (clock.topic is Topic.AWAY and hold_id == f"away:{clock.who}") or (
        clock.topic is Topic.LEGAL and hold_id == "legal"
    )


def pushed(clock: Clock, calendar: Calendar, since: datetime, worked: timedelta) -> Clock:
    """The clock with its dates after `since`, and the moment its days count from, moved on by so much working time."""

    def move(moment: datetime) -> datetime:
        return moment if moment < since else calendar.plus_working(moment, worked)

    return replace(
        clock,
        due_at=move(clock.due_at),
        asked_at=clock.asked_at and calendar.plus_working(clock.asked_at, worked),
        deadline_at=clock.deadline_at and move(clock.deadline_at),
        end_at=clock.end_at and move(clock.end_at),
    )


def morning_after(calendar: Calendar, day: date) -> datetime:
    """The first working moment of the day after `day` in the calendar's zone: back on `day`, and one day to answer."""
    noon = datetime(day.year, day.month, day.day, 12, tzinfo=UTC) + timedelta(days=1)
    offset = calendar.local(noon).utcoffset() or timedelta(0)
    return calendar.next_working(noon - timedelta(hours=12) - offset)
