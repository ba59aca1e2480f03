"""Random histories of a case: whatever happens, in whatever order, what never bends holds after every event.

A history is a list of plain steps that speak of the opener and the other side, so that the same list can be lived by a
worker who opens and by a client who opens: the mirrored history.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, fields, is_dataclass, replace
from datetime import date, timedelta
from enum import StrEnum

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.flows.case import (
    LADDER,
    Case,
    Clock,
    Closing,
    Impasse,
    ItemName,
    Kind,
    Party,
    Provenance,
    Role,
    Stage,
    Topic,
    What,
    Who,
)
from bot.flows.decide import OUTCOMES, decide
from bot.flows.effects import Decision, Effect, Letter, Sending
from bot.flows.events import (
    AssignmentTaken,
    CaseOpened,
    Claimed,
    ClockDue,
    ContactSet,
    Dismissed,
    Extended,
    Fact,
    FlagLooked,
    HoldEnded,
    HoldPlaced,
    ImpasseConfirmed,
    ImpasseProposed,
    ItemAccepted,
    ItemRejected,
    ItemWaived,
    LetterBounced,
    LetterFailed,
    LetterLate,
    LetterSettled,
    Linked,
    Listing,
    MailDismissed,
    MailFacts,
    MailSuggested,
    MailTaken,
    MergeUndone,
    NoticeReleased,
    OutcomeRecorded,
    PartyAway,
    PartyWrote,
    Released,
    SenderConfirmed,
    Sorted,
    StaffReplied,
    TalksSkipped,
    TimeLost,
    Undone,
    Unlinked,
)
from bot.flows.letters import Wording, render
from bot.flows.mail import Verdict
from bot.settings import load_templates
from tests.play import ADDRESS, ID, LISTING, OWN, POLICY, Play, found, mail

WORDING = Wording(load_templates(None), POLICY.wording)
STAFF = ("U1", "U2", "U3")
ASKS = ("receipt", "request", "notice", "reopened")
PERSONS = (
    *(Claimed, Sorted, Dismissed, ContactSet, NoticeReleased, HoldPlaced, HoldEnded, Extended),
    *(ItemAccepted, ItemRejected, ItemWaived, Released, TalksSkipped, ImpasseProposed, ImpasseConfirmed),
    *(OutcomeRecorded, SenderConfirmed, MailDismissed, StaffReplied, Undone, FlagLooked),
    *(Linked, Unlinked, AssignmentTaken, MailTaken, MergeUndone),
)
WORDS = re.compile(r"words of the (opener|respondent)")


# --- Steps ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Step:
    """One thing that happens: `what`, which side it is about (True: the opener), and numbers that choose the rest."""

    what: str
    opener: bool
    pick: int
    other: int


MAILS = ("mail", "mail", "mail", "mail", "suggest", "confirm", "doubt", "away", "bounce")
TIME = ("wait", "wait", "wait", "wait", "next", "next", "next", "outage", "repair", "lost")
LETTERS = ("fail", "settle", "stray late", "stray clock")
PEOPLE = (
    *("claim", "sort", "dismiss", "contact", "notice", "hold", "end hold", "extend", "accept", "reject", "waive"),
    *("release", "release", "skip", "propose", "confirm impasse", "outcome", "reply", "undo", "undo last", "look"),
    *("link", "split", "move", "move", "part"),
)
STEPS = st.builds(
    Step,
    st.sampled_from((*MAILS, *MAILS, *TIME, *TIME, *LETTERS, *PEOPLE)),
    st.booleans(),
    st.integers(0, 11),
    st.integers(0, 11),
)
OPENINGS = st.tuples(st.sampled_from((*Kind, *Kind, None)), st.integers(0, 11))
FLAGS: tuple[tuple[str, ...], ...] = (
    *((),) * 8,
    ("threat",),
    ("legal_threat",),
    ("asks_for_person",),
    ("under_48h", "not_yet_due"),
)
INTENTS = (None, None, "provides_item", "provides_item", "resolved", "more_time", "refuses", "still_waiting", "thanks")


def listing(opener: Role, number: int) -> Listing:
    """What the directory says, mirrored with the opener; now and then another person, or another zone."""
    sides: dict[Role, tuple[str, str | None]] = {opener: ("", None), opener.other: ("", None)}
    match number % 6:
        case 0:
            sides[opener.other] = ("else.", None)
        case 1:
            sides[opener] = ("else.", None)
        case 2:
            sides[opener.other] = ("", "America/Los_Angeles")
        case _:
            pass
    return replace(
        LISTING,
        worker_email=f"{sides[Role.WORKER][0]}{LISTING.worker_email}",
        client_email=f"{sides[Role.CLIENT][0]}{LISTING.client_email}",
        worker_zone=sides[Role.WORKER][1],
        client_zone=sides[Role.CLIENT][1],
        due_on=date(2026, 3, 12) if number == 4 else None,
    )


# --- A history ------------------------------------------------------------------------------------------------------


@dataclass
class History(Play):
    """A play of random steps that looks at everything after every event."""

    opener: Role = Role.WORKER
    nameless: bool = False  # Nobody knows who opened, until a person says so.
    mails: list[MailFacts] = field(default_factory=list)
    unknown: dict[int, Letter] = field(default_factory=dict)
    addressed: dict[int, str | None] = field(default_factory=dict)

    def side(self, opener: bool) -> Role:
        return self.opener if opener else self.opener.other

    def live(self, opening: tuple[Kind | None, int], steps: list[Step]) -> None:
        kind, number = opening
        facts = self._mail(Step("mail", True, number, number), complete=number % 3 == 0)
        verdict = (Verdict.NONE, Verdict.FAIL, Verdict.PASS)[min(number, 2)]
        opener = None if self.nameless else self.opener
        self.happen(CaseOpened(replace(facts, verdict=verdict), kind, opener))
        for step in steps:
            self.step(step)

    def step(self, step: Step) -> None:
        role = self.side(step.opener)
        match step.what:
            case "wait":
                spans = ("1 hour", "5 business hours", "1 business day", "3 business days", "61 seconds", "1 minute")
                self.wait(spans[step.pick % len(spans)])
            case "next":
                moment = self.next_moment()
                self.wait_until(moment or self.now)
            case "outage" | "repair":
                self.smtp = step.what == "repair"
            case "lost":
                since, self.now = self.now, self.now + timedelta(hours=5)
                self.happen(TimeLost(since, self.now))
            case "fail" | "settle":
                self._letter_lost(step)
            case _:
                fact = self._fact(step, role)
                if fact is not None:
                    self.happen(fact)

    def _letter_lost(self, step: Step) -> None:
        """A letter on its way becomes unknown; or it is found out what became of one."""
        if step.what == "fail" and self.outbox:
            letter = self.outbox.pop(step.pick % len(self.outbox))
            self.unknown[letter.number] = letter
            self.happen(LetterFailed(letter.number, letter.name, letter.role, "unknown", "cut"))
        elif step.what == "settle" and self.unknown:
            letter = self.unknown.pop(sorted(self.unknown)[step.pick % len(self.unknown)])
            left = step.other % 2 == 0
            if left:
                self.letters.append(letter)
                self.sent_at[letter.number] = self.now
            name = letter.name if step.other % 3 else ""
            self.happen(LetterSettled(letter.number, letter.role, left, "looked", name))

    def _fact(self, step: Step, role: Role) -> Fact | None:
        pick, other, by = step.pick, step.other, STAFF[step.other % 3]
        pending = self.case.suggested
        item = list(ItemName)[pick % 5]
        if self.opener is Role.CLIENT:
            item = mirrored_item(item)
        match step.what:
            case "mail":
                return PartyWrote(role, self._mail(step)) if self.case.party(role).contacts else None
            case "suggest":
                who = None if pick % 3 == 0 else role
                facts = replace(self._mail(step), sender=f"x{pick % 3}@elsewhere.example")
                return MailSuggested(who, facts, "unknown address", binds=other % 3 > 0)
            case "confirm" if pending:
                number = pending[pick % len(pending)].mail_id
                return SenderConfirmed(by, role, next(m for m in self.mails if m.mail_id == number))
            case "doubt" if pending:
                return MailDismissed(by, pending[pick % len(pending)].mail_id)
            case "away":
                return PartyAway(role, 9, None if pick == 0 else (self.now + timedelta(days=pick)).date())
            case "bounce":
                return self._bounce(role)
            case "stray late":
                known = {letter.number for letter in self.letters} | self._on_their_way()
                return LetterLate(pick, "reminder", role) if pick not in known else None
            case "stray clock":
                return self._stray(pick)
            case _:
                return self._click(step, role, by, item)

    def _click(self, step: Step, role: Role, by: str, item: ItemName) -> Fact | None:
        pick, other = step.pick, step.other
        kind = self.case.kind or Kind.PAYMENT
        match step.what:
            case "claim":
                return Claimed(by)
            case "sort":
                opener = role if self.case.opener is None or pick == 0 else self.case.opener
                return Sorted(by, list(Kind)[other % 2], opener, self.mails[0] if pick % 2 else None)
            case "dismiss":
                return Dismissed(by, 7 if pick % 2 else None, "") if pick < 4 else None
            case "link":
                return Linked(by, 7, "the same pair") if pick % 2 else Unlinked(by, 7)
            case "split":
                return AssignmentTaken(by, (ID, "4471830112")[pick % 2])
            case "move":
                said = self.case.statements
                return MailTaken(by, said[pick % len(said)].mail_id if said else 0, 7)
            case "part":
                return MergeUndone(by, 7, tuple({each.mail_id for each in self.case.statements[pick % 3 :]}))
            case "contact":
                return ContactSet(by, role, f"new{pick}.{ADDRESS[role]}")
            case "notice":
                return NoticeReleased(by)
            case "hold":
                roles = (role,) if pick % 2 else (self.opener, self.opener.other)
                return HoldPlaced(by, roles, "a call" if pick else "")
            case "end hold":
                return HoldEnded(by, (None, None, "danger", "legal", "closing")[pick % 5])
            case "extend":
                return Extended(by, role, "ill")
            case "accept":
                return ItemAccepted(by, item)
            case "reject":
                return ItemRejected(by, item, "not this")
            case "waive":
                return ItemWaived(by, item, "by phone")
            case "release":
                return Released(by, 1 + pick % max(len(self.case.statements), 1))
            case "skip":
                return TalksSkipped(by, "clear")
            case "propose":
                return ImpasseProposed(by, list(Impasse)[pick % 2])
            case "confirm impasse":
                return ImpasseConfirmed(by)
            case "outcome":
                return OutcomeRecorded(by, OUTCOMES[kind][pick % 5], "grounds")
            case "reply":
                return StaffReplied(by, role, "hello" if pick else " ")
            case "undo":
                return Undone(by, None if pick == 0 else pick)
            case "undo last":
                return Undone(by, self.case.letters)
            case "look":
                return FlagLooked(by, ("threat", "legal_threat", "abuse")[pick % 3])
            case _:
                return None

    def _mail(self, step: Step, complete: bool = False) -> MailFacts:
        role = self.side(step.opener)
        side = "opener" if step.opener else "respondent"
        payment = ItemName.TIMELINE if step.opener else ItemName.ANSWER
        relayed = OWN[role.other] if step.pick % 2 else (ItemName.ANSWER if step.opener else ItemName.TIMELINE)
        sure = 0.95 if step.pick % 3 else 0.4
        items = (*found(OWN[role], payment, confidence=sure),) if complete or step.pick % 4 == 0 else ()
        if step.other == 7:
            items = (*items, *found(relayed, provenance=Provenance.RELAYED))
        facts = mail(
            role,
            f"words of the {side}" if step.pick != 5 else "  ",
            mail_id=len(self.mails) + 1,
            message_id=f"<{len(self.mails)}@m.example>",
            at=self.now,
            intent=INTENTS[step.other % len(INTENTS)],
            items=items,
            assignment_ids=(ID,) if complete or step.other % 4 == 0 else (),
            listings=(listing(self.opener, step.pick),) if complete or step.other % 8 == 0 else (),
            flags=FLAGS[step.pick],
            unread_files=("file.pdf",) if step.other == 5 else (),
        )
        self.mails.append(facts)
        return facts

    def _bounce(self, role: Role) -> Fact | None:
        letter = next((e for e in reversed(self.letters) if e.role is role and e.number not in self.bounced), None)
        if letter is None or self.case.party(role).address is None:
            return None
        self.bounced.add(letter.number)
        return LetterBounced(role, letter.number, self.addressed[letter.number] or "", "550")

    def _stray(self, pick: int) -> Fact | None:
        """A clock that tick must not hand over, handed over all the same: held, or moved meanwhile."""
        stray = [c for c in self.case.clocks if c.held_by]
        if stray:
            clock = stray[pick % len(stray)]
            return ClockDue(clock.who, clock.what, clock.topic, clock.due_at)
        return ClockDue(Who.WORKER, What.LAPSE, Topic.REQUEST, self.now - timedelta(days=1))

    def _on_their_way(self) -> set[int]:
        return {letter.number for letter in self.outbox} | set(self.unknown)

    # --- What holds after every event -------------------------------------------------------------------------------

    def look(self, before: Case, fact: Fact, decision: Decision) -> None:
        for broken in self.broken(before, fact, decision):
            raise AssertionError(f"{broken}, after {len(self.events)} events: {fact}")

    def broken(self, before: Case, fact: Fact, decision: Decision) -> Iterator[str]:
        """What the decision breaks, in words."""
        after = decision.case
        letters = [effect for effect in decision.effects if isinstance(effect, Letter)]
        if decision.refused:
            if after != before or decision.effects or not isinstance(fact, PERSONS):
                yield "a refusal changes nothing, and answers a person"
            return
        if after.version != before.version + 1:
            yield "a decision counts once"
        if [letter.number for letter in letters] != list(range(before.letters + 1, after.letters + 1)):
            yield "letters are numbered"
        yield from self._stages(before, fact, after)
        yield from self._clocks(before, fact, after)
        for letter in letters:
            yield from self._letter(before, after, letter)

    def _stages(self, before: Case, fact: Fact, after: Case) -> Iterator[str]:
        by_person = isinstance(fact, PERSONS)
        moved = after.stage is not before.stage
        if before.stage is Stage.IMPASSE and moved and not by_person:
            settled = after.closed in (Closing.SETTLED, Closing.WITHDRAWN)
            answered = isinstance(fact, PartyWrote) and fact.role is before.impasse_role
            if not settled and not answered:
                yield "an impasse is left by a person, by settling, or by the answer"
        if before.stage is Stage.REVIEW and moved and not by_person:
            settled = after.closed in (Closing.SETTLED, Closing.WITHDRAWN)
            decided = after.stage is Stage.RESOLVED and before.outcome is not None
            if not settled and not decided:
                yield "review is left by a named person or by the parties settling"
        if after.outcome and (not after.outcome.by or not after.outcome.grounds):
            yield "an outcome has a name and grounds"
        if after.stage is Stage.CLOSED:
            return
        if not after.clocks or not (after.awaits() or any(c.topic is not Topic.STATUS for c in after.clocks)):
            yield "an open case waits for somebody, by a date"
        if bool(after.waits) != (after.clock(Who.STAFF, What.NUDGE) is not None):
            yield "what waits for staff has their ladder"

    def _clocks(self, before: Case, fact: Fact, after: Case) -> Iterator[str]:
        keys = [(c.who, c.what, c.topic) for c in after.clocks]
        if len(keys) != len(set(keys)):
            yield "one clock of a sort"
        for role in Role:
            ladders = [c for c in after.clocks if c.who is Who(role) and c.what in LADDER]
            if len(ladders) > 1:
                yield "one ladder a party"
            old, new = before.clock(Who(role), *LADDER), after.clock(Who(role), *LADDER)
            if old and new and old.topic is new.topic and earlier(old, new):
                yield "announced dates never move earlier"
            if new and new.topic in (Topic.REQUEST, Topic.PARTIAL) and not after.wanted_from(role):
                yield "a ladder asks for something"
        if isinstance(fact, ClockDue):
            same = (c for c in before.clocks if (c.who, c.what, c.topic) == (fact.who, fact.what, fact.topic))
            clock = next(same, None)
            if (clock is None or clock.held_by) and replace(after, version=before.version) != before:
                yield "a held clock never fires"
        known = {letter.number for letter in self.letters} | self._on_their_way()
        known |= {letter.number for letter in self.to_decide}
        for clock in after.clocks:
            gone = clock.letter is not None and (clock.letter not in known or clock.letter in self.bounced)
            if gone and not clock.held_by and not any(w.about.startswith(("address:", "letter:")) for w in after.waits):
                yield f"nothing waits for ever: the letter of {clock} has gone"
            held = {hold.id for hold in after.holds}
            if not set(clock.held_by) <= held:
                yield f"every hold of a clock can end: {clock}"
            if clock.letter is None and clock.who is not Who.STAFF and clock.what in LADDER and not clock.held_by:
                yield "a ladder without a letter stands under a hold"

    def _letter(self, before: Case, after: Case, letter: Letter) -> Iterator[str]:
        role = letter.role
        self.addressed[letter.number] = after.party(role).address
        if after.party(role).address is None:
            yield f"{letter.name} to nobody"
        calendar = self.policy.calendar(after.party(role).zone)
        if letter.sending is Sending.UNASKED and not calendar.is_working(letter.not_before):
            yield f"{letter.name} leaves outside working hours"
        standing = {hold.id for hold in after.held(role)}
        holds = [hold.id for hold in before.held(role) if hold.id in standing]
        holds = [hold for hold in holds if (letter.name, hold) != ("closing", "closing")]
        if letter.sending is Sending.UNASKED and holds:
            yield f"{letter.name} is written under a hold"
        if "danger" in holds and letter.name != "receipt_danger":
            yield f"{letter.name} to a party that danger holds"
        theirs = {statement.text for statement in after.statements if statement.role is role.other}
        said = str([value for name, value in letter.facts.items() if name != "statement"])
        if letter.name == "release" and letter.facts["statement"] not in theirs:
            yield "a release holds the other side's words"
        if WORDS.search(said):
            yield f"{letter.name} holds somebody's words"
        if not letter.because.text:
            yield f"{letter.name} without a reason"
        readable(letter)

    def finished(self) -> None:
        """What holds of the whole history."""
        for role in Role:
            left: list[str] = []
            for letter in [e for e in self.letters if e.role is role]:
                left = [] if letter.name in ASKS else left
                left += [letter.name] if letter.name in ("reminder", "final") else []
                assert left.count("reminder") <= 2, f"a ladder of more than four: {left}"
                assert left.count("final") <= 1, f"a ladder of more than four: {left}"
        case = Case(1042)
        for event, decision in zip(self.events, self.decisions, strict=True):
            again = decide(case, event, event.at, self.policy)
            assert again == decision, "the same events give the same decisions"
            case = again.case


def earlier(old: Clock, new: Clock) -> bool:
    dates = ((old.deadline_at, new.deadline_at), (old.end_at, new.end_at))
    return any(a is not None and b is not None and b < a for a, b in dates)


_readable: set[tuple[object, ...]] = set()


def readable(letter: Letter) -> None:
    """The letter's template takes its facts; once for each set of facts."""
    shape = tuple(
        (name, value if isinstance(value, str) and len(value) < 12 else bool(value))
        for name, value in sorted(letter.facts.items())
    )
    if (letter.name, shape) not in _readable:
        render(letter, "D-1042", Party(letter.role), "America/New_York", WORDING)
        _readable.add((letter.name, shape))


# --- The mirror -----------------------------------------------------------------------------------------------------

OTHER = {"worker": "client", "Worker": "Client", "wanda": "carl", "Wanda": "Carl"}
OTHER |= {theirs: ours for ours, theirs in OTHER.items()}
NAMES = re.compile("|".join(OTHER))


def mirrored_item(name: ItemName) -> ItemName:
    return ItemName(NAMES.sub(lambda found: OTHER[found.group()], name.value))


def mirror(value: object) -> object:
    """The value with worker and client exchanged everywhere."""
    match value:
        case StrEnum():
            return type(value)(NAMES.sub(lambda found: OTHER[found.group()], value.value))
        case str():
            return NAMES.sub(lambda found: OTHER[found.group()], value)
        case tuple():
            return tuple(mirror(part) for part in value)
        case _ if is_dataclass(value) and not isinstance(value, type):
            parts = {each.name: mirror(getattr(value, each.name)) for each in fields(value)}
            if isinstance(value, Case):
                parts["worker"], parts["client"] = parts["client"], parts["worker"]
            return replace(value, **parts)
        case _:
            return value


def effects(decision: Decision) -> list[object]:
    return [plain(effect) for effect in decision.effects]


def plain(effect: Effect) -> object:
    if not isinstance(effect, Letter):
        return effect
    facts = {name: value for name, value in effect.facts.items() if name != "claims_money"}
    return replace(effect, facts=tuple(sorted(facts.items())))  # type: ignore[arg-type]  # To compare only.


def lived(opening: tuple[Kind | None, int], steps: list[Step], opener: Role, nameless: bool = False) -> History:
    history = History(opener=opener, nameless=nameless)
    history.live(opening, steps)
    history.finished()
    return history


def lived_by_all(opening: tuple[Kind | None, int], steps: list[Step]) -> None:
    lived(opening, steps, Role.CLIENT, nameless=True)
    one, two = (lived(opening, steps, opener) for opener in Role)
    for mine, theirs in zip(one.decisions, two.decisions, strict=True):
        assert mirror(mine.case) == theirs.case
        assert [mirror(effect) for effect in effects(mine)] == effects(theirs)
    assert [event.at for event in one.events] == [event.at for event in two.events]


@given(OPENINGS, st.lists(STEPS, max_size=60))
def test_whatever_happens_what_never_bends_holds(opening: tuple[Kind | None, int], steps: list[Step]) -> None:
    lived_by_all(opening, steps)


@pytest.mark.slow
@pytest.mark.parametrize("part", range(4))  # In parts, so that two workers can share them.
@settings(max_examples=2_500)
@given(OPENINGS, st.lists(STEPS, min_size=20, max_size=60))
def test_ten_thousand_long_histories(part: int, opening: tuple[Kind | None, int], steps: list[Step]) -> None:
    lived_by_all(opening, steps)
