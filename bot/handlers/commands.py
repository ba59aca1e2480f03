"""`/case`: a case, the cases of a search, one's own, why a case stands where it does, or how to use it.

Answers are for the one who asked. A slash command does not work in a thread: there the buttons do.
"""

import re
from collections.abc import Iterator, Sequence

from bot.flows.case import Case
from bot.flows.why import Sent, Told, tell
from bot.handlers.cards import Block, card, cut, line, masked, who, words
from bot.handlers.desk import Desk

HELP = """\
/case D-1042 shows a case and its buttons
/case why D-1042 tells what happened, and why
/case find WORDS finds cases by number, assignment or address
/case mine lists the cases you took
/case new opens a case by hand
/case link D-1042 D-1050 WHY links two cases; /case unlink takes the link away
/case split D-1042 4471829360 makes one of its assignments a case of its own"""
FOUND_MAX = 20
STORY_CHARS_MAX = 9_000
_NUMBER = re.compile(r"(?:\bD-?|^\s*)(\d{1,9})\b", re.I)


def number_in(text: str) -> int | None:
    """The case number in what a person typed: `D-1042`, `d1042` or `1042`."""
    found = _NUMBER.search(text)
    return int(found[1]) if found else None


def answer(desk: Desk, text: str, by: str) -> tuple[Block, ...]:
    """What `/case TEXT` shows; `new` is not for here, it opens a form."""
    verb, _, rest = text.strip().partition(" ")
    match verb.lower():
        case "find":
            return _listed(_find(desk, rest), "Nothing was found.")
        case "mine":
            return _listed([case for case in _open_cases(desk) if case.owner == by], "You have taken no case.")
        case "why":
            return _why(desk, rest)
        case "" | "help":
            return (line(words(HELP)),)
        case _:
            number = number_in(text)
            case = None if number is None else desk.case(number)
            if case is None:
                return (line(words("There is no such case.\n\n"), words(HELP)),)
            return card(case, desk.office.policy)


def in_one_line(case: Case) -> str:
    """A case in a list."""
    kind, owner = case.kind or "to be sorted", case.owner or "nobody"
    waits = f"; waits: {case.waits[0].text}" if case.waits else ""
    return f"{case.label} {kind}, {case.stage}, {' / '.join(who(case.party(r)) for r in case.sides)}, {owner}{waits}"


def _listed(cases: Sequence[Case], empty: str) -> tuple[Block, ...]:
    if not cases:
        return (line(words(empty)),)
    lines = [masked(cut(in_one_line(case), 300), case.assignment_ids) for case in cases[:FOUND_MAX]]
    more = [f"… and {len(cases) - FOUND_MAX} more"] if len(cases) > FOUND_MAX else []
    return (line(words("\n".join((*lines, *more)))),)


def _open_cases(desk: Desk) -> list[Case]:
    with desk.office.store.read() as tx:
        return list(tx.cases.all(open_only=True))


def _find(desk: Desk, text: str) -> list[Case]:
    """The latest first."""
    wanted = text.strip().lower()
    if not wanted:
        return []
    with desk.office.store.read() as tx:
        return [case for case in reversed(list(tx.cases.all())) if any(wanted in each for each in _keys(case))]


def _keys(case: Case) -> Iterator[str]:
    yield case.label.lower()
    yield from case.assignment_ids
    for party in (case.worker, case.client):
        yield party.name.lower()
        yield from (contact.address for contact in party.contacts)


def _why(desk: Desk, text: str) -> tuple[Block, ...]:
    number = number_in(text)
    with desk.office.store.read() as tx:
        case = None if number is None else tx.cases.get(number)
        if case is None:
            return (line(words("There is no such case. Ask as in: /case why D-1042")),)
        told = tuple(
            Told(each.event, each.because) for each in tx.events.history(case.number) if each.event and each.because
        )
        letters = tuple(
            Sent(row.posting.name, n, role, str(row.state), row.sent_at, row.evidence, row.posting.because)
            for row in tx.outbox.letters(case.number)
            if (n := row.posting.number) is not None and (role := row.posting.role) is not None
        )
    story = masked(tell(case, told, letters, desk.office.now(), desk.office.policy), case.assignment_ids)
    shown = words(cut(story, STORY_CHARS_MAX))
    return ({"type": "rich_text", "elements": [{"type": "rich_text_preformatted", "elements": [shown]}]},)
