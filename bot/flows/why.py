"""The story of a case in plain words: what happened and why, which letters left, who is awaited, what comes next.

Nothing is decided here and nothing guessed: each line rests on an event, a letter or a clock that is in the store.
It is written for staff, so it may hold what either side said; it never goes to a party.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import assert_never

from bot.flows.case import LADDER, Case, Clock, Kind, Role, Stage, Topic, What, Who
from bot.flows.decide.reading import doubts_in_words
from bot.flows.effects import Because
from bot.flows.events import Event
from bot.flows.happened import what_happened
from bot.flows.page import one_line
from bot.flows.policy import Policy

QUOTE_CHARS_MAX = 240
"""A longer sentence is cut in the story; the store has it whole."""


@dataclass(frozen=True, slots=True)
class Told:
    """One event of the case, and why it was decided as it was."""

    event: Event
    because: Because


@dataclass(frozen=True, slots=True)
class Sent:
    """One letter of the case as the outbox has it.

    `state` is the outbox's word; `at` when that became so (UTC; None: it waits); `evidence` what the other server said,
    or how it is known (may be empty).
    """

    name: str
    number: int
    role: Role
    state: str
    at: datetime | None
    evidence: str
    because: Because


@dataclass(frozen=True, slots=True)
class Step:
    """What happens next if nothing else does: at `at` (UTC), on whom, in plain words.

    `rule` is the policy's key ("request.end"; empty: none), `stops` what would stop it, `letter` the letter without
    which it does not happen. `held_by` are the holds under which it stands still: `at` is then the date as announced.
    """

    at: datetime
    party: Who
    what: What
    text: str
    rule: str = ""
    stops: str = ""
    letter: int | None = None
    held_by: tuple[str, ...] = ()


def tell(case: Case, history: Sequence[Told], letters: Sequence[Sent], now: datetime, policy: Policy) -> str:
    """The whole story, oldest first, as text for a terminal; times are in the policy's zone. Ends with a line end."""
    told = _Teller(policy, frozenset(one.number for one in letters if one.state == "sent"))
    happened = [line for one in history for line in told.event(one)]
    left = [line for one in letters for line in told.letter(one)]
    ahead = [line for step in next_steps(case, policy) for line in told.step(step, now)]
    parts = [
        summary(case),
        _section("What happened", happened, "Nothing yet."),
        _section("Letters", left, "None."),
        _section("Who is awaited", list(told.awaited(case)), "Nobody."),
        _section("What happens next", ahead, "Nothing by itself."),
        _section("Holds", list(told.holds(case)), "None."),
        f"It is {told.time(now)}. Times are those of {policy.week.zone}; policy lines are quoted as in force now.",
    ]
    return "\n\n".join(parts) + "\n"


def summary(case: Case) -> str:
    """The case in one paragraph."""
    about = f"{case.kind} dispute" if case.kind else "message that is not sorted yet"
    ids = f" about assignment {', '.join(case.assignment_ids)}" if case.assignment_ids else ""
    opener = f", opened by the {case.opener}" if case.opener else ""
    return " ".join((f"{case.label}: a {about}{ids}{opener}.", _stands(case), *_closer(case)))


def next_steps(case: Case, policy: Policy) -> tuple[Step, ...]:
    """What the clocks of the case will do, soonest first; those that are held come last."""
    steps = (_step(case, clock, policy) for clock in case.clocks)
    return tuple(sorted(steps, key=lambda step: (bool(step.held_by), step.at, step.party)))


# --- Sections -------------------------------------------------------------------------------------------------------


def _section(title: str, lines: list[str], empty: str) -> str:
    return "\n".join((title, *(f"  {line}" for line in lines or [empty])))


def _stands(case: Case) -> str:
    opener, respondent = case.opener or "opener", case.respondent or "other side"
    match case.stage:
        case Stage.SORTING:
            return "A person has to say what it is."
        case Stage.GATHERING:
            return f"We are gathering what the {opener} has to supply."
        case Stage.NOTICE:
            return f"The {respondent} has not been written to yet."
        case Stage.ANSWERING:
            return f"The {respondent} has been asked for its side."
        case Stage.TALKS:
            return "Both sides were heard; they are to comment and to agree."
        case Stage.IMPASSE:
            return f"An impasse ({_words(case.impasse or 'unknown')}) is proposed; a person has to confirm it."
        case Stage.REVIEW:
            return "A named person has to review it and record an outcome."
        case Stage.RESOLVED:
            return "The outcome went to both sides."
        case Stage.CLOSED:
            return f"It is closed: {_words(case.closed or 'unknown')}."
        case _:
            assert_never(case.stage)


def _closer(case: Case) -> Iterator[str]:
    if case.closing:
        yield f"It is about to close as {_words(case.closing)}."
    if case.doubts and case.stage in (Stage.GATHERING, Stage.NOTICE):
        yield f"A person must send the notice: {doubts_in_words(case)}."
    if case.flags:
        yield f"Flags: {', '.join(map(_words, case.flags))}."
    if case.outcome:
        state = "can still be undone" if case.outcome.final_at is None else "is final"
        yield f"Outcome by {case.outcome.by}: {_words(case.outcome.code)}; it {state}."
    yield f"Owner: {case.owner or 'nobody'}. {case.letters} letter{'' if case.letters == 1 else 's'} decided."


class _Teller:
    """Draws lines with the policy's zone and words."""

    def __init__(self, policy: Policy, left: frozenset[int]) -> None:
        self.policy = policy
        self.left = left
        self.calendar = policy.calendar(None)

    def time(self, moment: datetime) -> str:
        return f"{self.calendar.local(moment):%a %d %b %Y %H:%M}"

    def event(self, told: Told) -> Iterator[str]:
        by, happened = one_line(told.event.by), what_happened(told.event.fact, self.time)
        yield f"{self.time(told.event.at)}  {happened if happened.startswith(by) else f'{by}: {happened}'}"
        yield from self.because(told.because, known=happened)

    def because(self, because: Because, known: str = "") -> Iterator[str]:
        if because.text.strip(" .") not in ("", known):
            yield f"    because: {one_line(because.text)}"
        if because.rule:
            yield f"    rule: {self.rule(because.rule)}"
        if because.quote.strip():
            yield f"    words: “{_cut(because.quote)}”"

    def rule(self, key: str) -> str:
        """The policy's line, or the key itself if the policy does not have it (any more)."""
        try:
            return self.policy.quote(key)
        except KeyError:
            return key

    def letter(self, sent: Sent) -> Iterator[str]:
        at = f" {self.time(sent.at)}" if sent.at else ""
        said = f": {one_line(sent.evidence)}" if sent.evidence else ""
        yield f"{sent.number}. {_words(sent.name)} to the {sent.role}, {_STATES.get(sent.state, sent.state)}{at}{said}"
        yield from self.because(sent.because)

    def awaited(self, case: Case) -> Iterator[str]:
        for role in Role:
            ladder = case.clock(Who(role), *LADDER)
            if ladder is None:
                continue
            owed = ", ".join(_words(item.name) for item in case.wanted_from(role))
            items = owed or _AWAITED.get(ladder.topic, "an answer")
            asked = min((item.asked[0] for item in case.wanted_from(role) if item.asked), default=ladder.asked_at)
            since = f", asked {self.time(asked)}" if asked else ""
            until = f", until {self.time(ladder.end_at)}" if ladder.end_at else ""
            yield f"The {role}: {items}{since}{until}"
        for wait in case.waits:
            yield f"Staff: {one_line(wait.text)} (since {self.time(wait.since)})"

    def step(self, step: Step, now: datetime) -> Iterator[str]:
        late = " (due)" if step.at <= now and not step.held_by else ""
        held = f" (held: {', '.join(step.held_by)})" if step.held_by else ""
        yield f"{self.time(step.at)}{late}{held}  {step.text}"
        if step.rule:
            yield f"    rule: {self.rule(step.rule)}"
        if step.letter is not None and step.letter not in self.left:
            yield f"    waits for: letter {step.letter}, which has not left"
        if step.stops:
            yield f"    stops it: {step.stops}"

    def holds(self, case: Case) -> Iterator[str]:
        for hold in case.holds:
            whom = " and ".join(f"the {role}" for role in hold.roles)
            since = f"since {self.time(hold.since)}, by {one_line(hold.by)}"
            yield f"{hold.id}: clocks of {whom} stand still {since}: {one_line(hold.why)}"


_STATES = {
    "ready": "waits to leave",
    "claimed": "is about to leave",
    "intent": "is leaving",
    "sent": "left",
    "cancelled": "was taken back",
    "unknown": "may or may not have left",
    "held": "is held",
    "dead": "was refused for good",
}
_AWAITED = {Topic.COMMENT: "a comment, if it likes", Topic.AGREE: "an agreement"}


def _cut(text: str) -> str:
    line = one_line(text)
    return line if len(line) <= QUOTE_CHARS_MAX else line[: QUOTE_CHARS_MAX - 1].rstrip() + "…"


def _words(name: str) -> str:
    return str(name).replace("_", " ")


# --- What comes next --------------------------------------------------------------------------------------------------


def _step(case: Case, clock: Clock, policy: Policy) -> Step:
    text, rule, stops = _ahead(case, clock, policy)
    return Step(clock.due_at, clock.who, clock.what, text, rule, stops, clock.letter, clock.held_by)


def _ahead(case: Case, clock: Clock, policy: Policy) -> tuple[str, str, str]:
    """What a clock will do, by which line of the policy, and what would stop it."""
    who = clock.who
    if clock.letter is None and clock.what in LADDER:
        return f"What the {who} is asked for is sent when its hold ends.", "request.deadline", ""
    match clock.what:
        case What.REMIND:
            return f"Reminder {clock.step + 1} goes to the {who}.", "request.remind", f"an answer of the {who}"
        case What.FINAL if clock.topic is Topic.COMMENT:
            text = "The time to comment ends; both sides are asked whether they agree."
            return text, "talks.comment", "both sides settle, or a person skips the talks"
        case What.FINAL:
            text = f"The final notice, which names the end, goes to the {who}."
            return text, "request.deadline", f"an answer of the {who}"
        case What.LAPSE:
            return _lapse(case, clock)
        case What.SEND_NOTICE:
            stops = f"the {case.opener} settles or withdraws, or a person holds it"
            return f"The notice goes to the {who}.", "notice.pause", stops
        case What.STATUS:
            kind = case.kind or Kind.PAYMENT
            weekly = case.party(Role(who)).statuses >= policy.status.unchanged
            rule = f"status.{'weekly' if weekly else kind}"
            return f"A status line goes to the {who}.", rule, f"something is asked of the {who}"
        case What.NUDGE:
            return _nudge(case, clock)
        case What.WAKE:
            return _wake(case, clock)
        case _:
            assert_never(clock.what)


def _lapse(case: Case, clock: Clock) -> tuple[str, str, str]:
    answer = f"an answer of the {clock.who}"
    match clock.topic:
        case Topic.AGREE:
            stops = "both sides settle, or a person skips the talks"
            return "An impasse (no agreement) is proposed.", "talks.agree", stops
        case Topic.PARTIAL:
            return "The extra time for the rest ends; an impasse is proposed.", "limits.partial", answer
        case _ if case.stage is Stage.GATHERING:
            return "The case closes as incomplete; a reply opens it again.", "request.end", answer
        case _:
            return "An impasse (no response) is proposed.", "request.end", answer


def _wake(case: Case, clock: Clock) -> tuple[str, str, str]:
    match clock.topic:
        case Topic.SLEEP:
            rule = "limits.under_48h" if "under_48h" in case.flags else ""
            text = f"The date that the case waits for comes: the notice goes to the {clock.who}."
            return text, rule, f"the {case.opener} settles or withdraws, or a person holds it"
        case Topic.CLOSING:
            text = f"The case closes as {_words(case.closing or 'settled')}."
            return text, "limits.close_after", "either side answers that it is not so"
        case Topic.OUTCOME:
            return "The outcome goes to both sides.", "limits.undo", "the person who recorded it takes it back"
        case Topic.WINDOW:
            text = "The time to ask for reconsideration ends; the case closes."
            return text, "limits.reconsider", "a party asks for reconsideration"
        case Topic.AWAY:
            text = f"The {clock.who} should be back: its clocks go on."
            return text, "limits.out_of_office_max", f"an answer of the {clock.who}"
        case Topic.LEGAL:
            return "The legal hold ends.", "limits.legal_hold", "a person looks at the flag before"
        case _:
            return "The case is looked at again.", "", ""


def _nudge(case: Case, clock: Clock) -> tuple[str, str, str]:
    stops = "; ".join(one_line(wait.text) for wait in case.waits)
    if clock.step == 0:
        return f"{case.owner or 'The channel'} is reminded of what waits for staff.", "staff.nudge", stops
    if clock.step == 1:
        return "The lead is told what waits for staff.", "staff.lead", stops
    return "It stays in the daily digest.", "staff.digest", stops
