"""What belongs together, or apart: a case or a mail put to another case, links, and an assignment on its own.

Each is one transaction over the cases it touches, and each has its way back.
"""

import re
from dataclasses import replace

from bot.casework import Happening
from bot.flows.case import Case, Kind, Role, Stage
from bot.flows.events import (
    AssignmentTaken,
    CaseOpened,
    Dismissed,
    Fact,
    Linked,
    MailDismissed,
    MailFacts,
    MailSuggested,
    MailTaken,
    MergeUndone,
    SenderConfirmed,
    Undone,
    Unlinked,
)
from bot.flows.mail import Verdict
from bot.handlers.desk import Ask, Desk

VERBS = ("link", "unlink", "split")
_PAIR = re.compile(r"D?-?(\d{1,9})\s+D?-?(\d{1,9})\b\s*(.*)", re.I | re.S)
_SPLIT = re.compile(r"D?-?(\d{1,9})\s+#?(\d{6,10})", re.I)
USAGE = {
    "link": "/case link D-1042 D-1050 the same client",
    "unlink": "/case unlink D-1042 D-1050",
    "split": "/case split D-1042 4471829360 makes that assignment a case of its own",
}

# --- By a click: a case, or a mail, belongs to another case -----------------------------------------------------------


def put_to(desk: Desk, ask: Ask, case: Case, other: Case, by: str) -> tuple[Happening, ...] | str:
    """What happens when a mail (`mail:7`), or at the card and at the mail that opened it the whole case, is put to
    another case.

    Returns why it cannot be, as a text.
    """
    mails = _mails(desk, case)
    mail_id = int(ask.detail.removeprefix("mail:")) if ask.detail.startswith("mail:") else None
    here: Fact
    if mail_id is None or mails[:1] == [mail_id]:
        if case.stage not in (Stage.SORTING, Stage.GATHERING, Stage.NOTICE):
            return f"{case.label} is in {case.stage}: the other side knows of it, so it stays a case of its own."
        here = Dismissed(by, other.number, "")
    elif any(each.mail_id == mail_id for each in case.suggested):
        here, mails = MailDismissed(by, mail_id), [mail_id]
    else:
        here, mails = MailTaken(by, mail_id, other.number), [mail_id]
    found = [_read(desk, each, case, other) for each in mails]
    read = [mail for mail in found if mail is not None]
    if not read and not isinstance(here, Dismissed):
        return f"Mail {mail_id} cannot be read any more."
    there = (Happening(other.number, f"mail:{mail.mail_id}:{ask.id}", by, _arrived(other, mail, by)) for mail in read)
    return (Happening(case.number, ask.id, by, here), *there)


def take_apart(desk: Desk, ask: Ask, case: Case, by: str) -> tuple[Happening, ...]:
    """The case is no duplicate after all: it goes on, and what it brought to the other case goes back to it."""
    undone = Happening(case.number, ask.id, by, Undone(by))
    with desk.office.store.read() as tx:
        into = tx.events.merged_into(case.number)
    if into is None:
        return (undone,)
    back = MergeUndone(by, case.number, tuple(_mails(desk, case)))
    return (undone, Happening(into, f"{ask.id}:back", by, back))


def _mails(desk: Desk, case: Case) -> list[int]:
    """The mails of the case that count, oldest first; where none does yet, the one that opened it."""
    said = dict.fromkeys(each.mail_id for each in case.statements if each.moved_to is None)
    opening = desk.opening_mail(case)
    return list(said) or [each for each in (opening,) if each is not None]


def _read(desk: Desk, mail_id: int, case: Case, other: Case) -> MailFacts | None:
    """The mail as one of the other case; from whom, says the case that it comes from."""
    role = next((each.role for each in case.statements if each.mail_id == mail_id), case.sides[0])
    return desk.read_again(mail_id, other, other.kind or Kind.PAYMENT, role)


def _arrived(case: Case, mail: MailFacts, by: str) -> Fact:
    """From an address that the case knows it is that party's mail; from another one it waits for a second look."""
    role = next((role for role in Role if case.party(role).knows(mail.sender)), None)
    if role is not None and mail.verdict is not Verdict.FAIL:
        return SenderConfirmed(by, role, mail)
    return MailSuggested(role, mail, f"{by} put it here")


# --- By a command -----------------------------------------------------------------------------------------------------


def regroup(desk: Desk, text: str, by: str, ask_id: str) -> str:
    """Do what the line says; returns what to tell the person. `ask_id` names the request for ever."""
    verb, _, rest = text.strip().partition(" ")
    match verb.lower():
        case "link" | "unlink":
            return _link(desk, verb.lower(), rest, by, ask_id)
        case _:
            return _split(desk, rest, by, ask_id)


def _link(desk: Desk, verb: str, rest: str, by: str, ask_id: str) -> str:
    found = _PAIR.fullmatch(rest.strip())
    if found is None:
        return f"Write it as: {USAGE[verb]}"
    one, other = int(found[1]), int(found[2])
    fact = Linked(by, other, found[3].strip()) if verb == "link" else Unlinked(by, other)
    return _done(desk, (Happening(one, ask_id, by, fact),), f"D-{one} and D-{other}: {verb}ed.")


def _split(desk: Desk, rest: str, by: str, ask_id: str) -> str:
    found = _SPLIT.fullmatch(rest.strip())
    if found is None:
        return f"Write it as: {USAGE['split']}"
    case, assignment = desk.case(int(found[1])), found[2]
    mail_id = None if case is None else desk.opening_mail(case)
    if case is None or case.kind is None or case.opener is None or mail_id is None:
        return f"D-{found[1]} is not there, or was not opened by a mail and sorted yet."
    mail = desk.read_again(mail_id, replace(case, assignment_ids=(assignment,)), case.kind, case.opener)
    if mail is None:
        return "Its mail cannot be read again: open the other case by hand."
    listings = tuple(each for each in mail.listings if each.assignment_id == assignment)
    mail = replace(mail, assignment_ids=(assignment,), listings=listings)
    happenings = (
        Happening(case.number, ask_id, by, AssignmentTaken(by, assignment)),
        Happening(None, f"{ask_id}:split", by, CaseOpened(mail, case.kind, case.opener, None, case.number)),
    )
    return _done(desk, happenings, f"Assignment {assignment} is a case of its own; both are linked.")


def _done(desk: Desk, happenings: tuple[Happening, ...], said: str) -> str:
    return desk.advance(happenings) or said
