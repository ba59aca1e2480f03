"""The one decision: a case and an event in, the new case and what to do out.

Pure and total: every event is answered in every stage; a stray one is noted, and what a person asks for that cannot be
is refused with what would be right. `said` (mail), `clocks` (time) and `staff` (people) say which arrow of `stages` is
taken; `regroup` is what belongs to another case, `asking` the ladder, `waiting` what follows for staff, `turn` the case
in the making.
"""

from datetime import datetime

from bot.flows.case import Case
from bot.flows.decide import clocks, regroup, said, staff
from bot.flows.decide.staff import OUTCOMES
from bot.flows.decide.turn import Refused, Turn
from bot.flows.decide.waiting import arrange
from bot.flows.effects import Because, Decision
from bot.flows.events import (
    AssignmentTaken,
    CaseOpened,
    Claimed,
    ClockDue,
    ContactSet,
    Dismissed,
    Event,
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
    MailDismissed,
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
from bot.flows.policy import Policy

__all__ = ["OUTCOMES", "decide"]


def decide(case: Case, event: Event, now: datetime, policy: Policy) -> Decision:
    """What an event means for a case. `now` is UTC and not before the case's last event.

    Returns the new case, its effects and the reason. `refused` is set, and the case the same, if a person asked for
    what cannot be. Raises nothing.
    """
    turn = Turn(case, event, now, policy)
    try:
        _take(turn, event.fact)
    except Refused as refusal:
        return Decision(case, (), Because(""), str(refusal))
    arrange(turn)
    return turn.decision()


def _take(turn: Turn, fact: Fact) -> None:  # noqa: PLR0915 - one line for each fact of the closed set.
    match fact:
        case ClockDue():
            clocks.due(turn, fact)
        case CaseOpened():
            said.opened(turn, fact)
        case PartyWrote():
            said.wrote(turn, fact)
        case MailSuggested():
            said.suggested(turn, fact)
        case SenderConfirmed(by, role, mail):
            said.confirmed(turn, by, role, mail)
        case MailDismissed(by, mail_id):
            turn.say(f"{by}: the unconfirmed mail is not from a party.")
            said.settle_suggestion(turn, mail_id)
        case PartyAway():
            said.away(turn, fact)
        case LetterBounced():
            said.bounced(turn, fact)
        case Sorted():
            staff.sorted_by_person(turn, fact)
        case TimeLost():
            clocks.lost(turn, fact)
        case LetterLate():
            clocks.late(turn, fact)
        case LetterFailed():
            clocks.failed(turn, fact)
        case LetterSettled():
            clocks.settled(turn, fact)
        case Claimed(by):
            staff.claimed(turn, by)
        case Dismissed():
            staff.dismissed(turn, fact)
        case ContactSet():
            staff.contact_set(turn, fact)
        case NoticeReleased():
            staff.notice_released(turn, fact)
        case HoldPlaced():
            staff.hold_placed(turn, fact)
        case HoldEnded():
            staff.hold_ended(turn, fact)
        case Extended():
            staff.extended(turn, fact)
        case ItemAccepted():
            staff.item_accepted(turn, fact)
        case ItemRejected():
            staff.item_rejected(turn, fact)
        case ItemWaived():
            staff.item_waived(turn, fact)
        case Released():
            staff.released(turn, fact)
        case TalksSkipped():
            staff.talks_skipped(turn, fact)
        case ImpasseProposed():
            staff.impasse_proposed(turn, fact)
        case ImpasseConfirmed(by):
            staff.impasse_confirmed(turn, by)
        case OutcomeRecorded():
            staff.outcome_recorded(turn, fact)
        case StaffReplied():
            staff.replied(turn, fact)
        case Undone():
            staff.undone(turn, fact)
        case FlagLooked():
            staff.flag_looked(turn, fact)
        case Linked():
            regroup.linked(turn, fact)
        case Unlinked():
            regroup.unlinked(turn, fact)
        case AssignmentTaken():
            regroup.assignment_taken(turn, fact)
        case MailTaken():
            regroup.mail_taken(turn, fact)
        case MergeUndone():  # pragma: no branch - the last of a closed set.
            regroup.merge_undone(turn, fact)
