"""People put cases and mails where they belong: links, an assignment or a mail that is another case's, a merge undone.

What moves leaves here and arrives there in one transaction of both cases; each has its way back.
"""

from bot.flows.case import Case, Item, ItemName, ItemState, Stage, Statement
from bot.flows.decide import stages
from bot.flows.decide.reading import doubt, forget_assignment
from bot.flows.decide.said import settle_suggestion
from bot.flows.decide.turn import Refused, Turn
from bot.flows.events import AssignmentTaken, Linked, MailTaken, MergeUndone, Unlinked
from bot.flows.values import replace

MOVABLE = (Stage.SORTING, Stage.GATHERING, Stage.NOTICE, Stage.ANSWERING)
"""As long as nothing was decided on what a case says, a part of it can go elsewhere."""

ANSWERED = (Stage.TALKS, Stage.REVIEW)
"""From here a mail can be taken away as long as nobody has heard of what it says."""

BROUGHT = (ItemState.RECEIVED, ItemState.ACCEPTED)


def linked(turn: Turn, fact: Linked) -> None:
    turn.say(f"{fact.by} linked it to D-{fact.other}{fact.why and ': '}{fact.why}".rstrip(".") + ".")


def unlinked(turn: Turn, fact: Unlinked) -> None:
    turn.say(f"{fact.by} took the link to D-{fact.other} away.")


def assignment_taken(turn: Turn, fact: AssignmentTaken) -> None:
    """One of several assignments becomes a case of its own."""
    case = turn.case
    if case.stage not in MOVABLE:
        raise Refused(f"{case.label} is in {case.stage}: its assignments stay together now.")
    if fact.assignment_id not in case.assignment_ids:
        known = ", ".join(case.assignment_ids) or "none"
        raise Refused(f"{case.label} is not about assignment {fact.assignment_id}; its assignments: {known}.")
    if len(case.assignment_ids) == 1:
        raise Refused(f"{fact.assignment_id} is the only assignment of {case.label}: there is nothing to split.")
    left = tuple(each for each in case.assignment_ids if each != fact.assignment_id)
    turn.case = replace(case, assignment_ids=left)
    turn.say(f"{fact.by} made assignment {fact.assignment_id} a case of its own.")


def mail_taken(turn: Turn, fact: MailTaken) -> None:
    """A mail belongs to another case: what it said and brought counts here no longer, and is asked for again.

    Where it was the other side's answer, and the talks have not begun, the case goes back to waiting for the answer.
    """
    stays = _stays(turn.case, fact.mail_id)
    if stays:
        raise Refused(stays)
    turn.say(f"{fact.by} put mail {fact.mail_id} to D-{fact.into}.")
    _take(turn, fact.mail_id, fact.into)


def merge_undone(turn: Turn, fact: MergeUndone) -> None:
    """What came with the other case goes back to it, as far as nothing has been made of it here."""
    turn.say(f"{fact.by}: D-{fact.other} is a case of its own again.")
    for mail_id in fact.mail_ids:
        settle_suggestion(turn, mail_id)
        stays = _stays(turn.case, mail_id)
        if not stays:
            _take(turn, mail_id, fact.other)
        elif _said_by(turn.case, mail_id):
            turn.note(f"{stays} It counts in both.")


def own_again(turn: Turn, by: str) -> None:
    """closed as a duplicate → the stage it left; what is owed is asked for afresh."""
    stage = turn.case.left or Stage.SORTING
    stage = Stage.GATHERING if stage is Stage.NOTICE else stage
    turn.say(f"{by}: it is a case of its own after all.")
    turn.case = replace(turn.case, stage=stage, closed=None, left=None)
    opener = turn.case.sides[0]
    if stage is Stage.GATHERING and turn.case.wanted_from(opener):
        stages.ask_anew(turn, opener)


def _said_by(case: Case, mail_id: int) -> list[Statement]:
    return [each for each in case.statements if each.mail_id == mail_id and each.moved_to is None]


def _brought_by(case: Case, mail_id: int) -> list[Item]:
    return [item for item in case.items if item.mail_id == mail_id and item.state in BROUGHT]


def _stays(case: Case, mail_id: int) -> str:
    """Why a mail cannot be taken from the case; empty: it can."""
    said, brought = _said_by(case, mail_id), _brought_by(case, mail_id)
    if not said:
        return f"Mail {mail_id} is not in {case.label}."
    if case.statements[0].mail_id == mail_id:
        return f"Mail {mail_id} opened {case.label}: put the whole case to the other one instead."
    if any(statement.released_at for statement in said):
        return f"What mail {mail_id} says was released to the other side: it stays here."
    decided = case.stage not in (*MOVABLE, *ANSWERED) or case.impasse or case.outcome or case.reconsidered
    if decided or (brought and any(statement.released_at for statement in case.statements)):
        return f"{case.label} is in {case.stage}: what mail {mail_id} says was taken into account already."
    if case.stage not in (Stage.GATHERING, Stage.NOTICE) and any(item.role is case.opener for item in brought):
        return f"The {case.respondent} was asked on the strength of mail {mail_id}: it stays here."
    return ""


def _take(turn: Turn, mail_id: int, into: int) -> None:
    said, brought = _said_by(turn.case, mail_id), _brought_by(turn.case, mail_id)
    moved = (replace(each, moved_to=into) if each in said else each for each in turn.case.statements)
    turn.case = replace(turn.case, statements=tuple(moved))
    turn.change_items(
        replace(item, state=ItemState.MISSING, provenance=None, mail_id=None, by="", reason="") for item in brought
    )
    if any(item.name is ItemName.ASSIGNMENT_ID for item in brought):
        forget_assignment(turn)
        doubt(turn)
    if brought and turn.case.stage in ANSWERED:
        turn.go(Stage.ANSWERING)
    for role in dict.fromkeys(item.role for item in brought):
        stages.ask_again(turn, role)
