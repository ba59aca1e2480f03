"""How many decisions one core takes a second: whole cases from first mail to outcome, over a realistic mix.

Run: `.venv/bin/python -m benchmarks.decide [SECONDS]`. The events are recorded once from played cases; only `decide` is
timed, each event against the case as it was then. Letters are decided here, not rendered.
"""

import statistics
import sys
from time import process_time

from bot.flows.case import Case, Kind, Role
from bot.flows.decide import decide
from bot.flows.events import (
    Event,
    Extended,
    ImpasseConfirmed,
    MailDismissed,
    MailSuggested,
    OutcomeRecorded,
    Released,
)
from bot.flows.policy import Policy
from tests.play import ADDRESS, ID, LISTING, OWN, Play, complete, found, mail

Recorded = list[tuple[Case, Event, Policy]]


def cases() -> list[Play]:
    """Eight cases as they come: complete and vague openings, answers and silence, both kinds, both openers."""
    plays = []
    for kind in Kind:
        for opener in Role:
            plays += [silent(kind, opener), answered(kind, opener)]
    return plays


def silent(kind: Kind, opener: Role) -> Play:
    """A vague opening, completed after a reminder; the other side never answers; an outcome."""
    play = Play()
    play.opens(kind, opener)
    play.wait("3 business days")
    name = OWN[opener] if kind is Kind.RATING else complete(kind, opener).case.items[1].name
    play.writes(opener, "Here it is.", items=found(name), assignment_ids=(ID,), listings=(LISTING,))
    play.wait("9 business days")
    play.happen(ImpasseConfirmed("U1"))
    return decided(play)


def answered(kind: Kind, opener: Role) -> Play:
    """A complete opening, an unconfirmed mail, more time, an answer, talks where the kind has them; an outcome."""
    play = complete(kind, opener)
    play.wait("2 business days")
    play.happen(MailSuggested(opener.other, mail(sender="x@elsewhere.example", mail_id=70), "unknown address"))
    play.happen(MailDismissed("U1", 70))
    play.writes(opener.other, "I need more time.", intent="more_time")
    play.happen(Extended("U1", opener.other, "Away on business."))
    play.answers(opener.other)
    if play.case.awaits() and play.waits == ["release"]:
        play.happen(Released("U1", 1))
        play.wait("9 business days")
        play.happen(ImpasseConfirmed("U1"))
    return decided(play)


def decided(play: Play) -> Play:
    play.wait("2 business days")
    code = "kept" if play.case.kind is Kind.RATING else "paid"
    play.happen(OutcomeRecorded("U1", code, "Both sides were heard."))
    play.wait("21 business days")
    return play


def recorded(plays: list[Play]) -> Recorded:
    """Each event with the case that met it."""
    found: Recorded = []
    for play in plays:
        case = Case(1042)
        for event, decision in zip(play.events, play.decisions, strict=True):
            found.append((case, event, play.policy))
            case = decision.case
    return found


def main(seconds: float) -> None:
    events = recorded(cases())
    rates = []
    began = process_time()
    while process_time() - began < seconds:
        start = process_time()
        for case, event, policy in events:
            decide(case, event, event.at, policy)
        rates.append(len(events) / (process_time() - start))
    rates.sort()
    kinds = len({type(event.fact) for _, event, _ in events})
    print(f"{len(events)} events of {kinds} kinds in {len(cases())} cases, addresses like {ADDRESS[Role.WORKER]}")
    print(f"decisions a second: median {statistics.median(rates):,.0f}, best {rates[-1]:,.0f}, worst {rates[0]:,.0f}")


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 5.0)
