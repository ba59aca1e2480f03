"""Each event in one plain sentence: one function a kind, so that nothing can happen that `why` cannot tell."""

from collections.abc import Callable
from datetime import datetime
from typing import assert_never

from bot.flows import events
from bot.flows.case import Topic, What
from bot.flows.mail import Verdict
from bot.flows.page import one_line

Drawn = Callable[[datetime], str]
"""How a moment is written."""


def what_happened(fact: events.Fact, drawn: Drawn) -> str:
    """The fact as one sentence on one line; words of people in it have lost line breaks and control characters."""
    match fact:
        case events.CaseOpened():
            return case_opened(fact)
        case events.PartyWrote():
            return party_wrote(fact)
        case events.MailSuggested():
            return mail_suggested(fact)
        case events.PartyAway():
            return party_away(fact)
        case events.LetterBounced():
            return letter_bounced(fact)
        case events.ClockDue():
            return clock_due(fact)
        case events.TimeLost():
            return time_lost(fact, drawn)
        case events.LetterLate():
            return letter_late(fact)
        case events.LetterFailed():
            return letter_failed(fact)
        case events.LetterSettled():
            return letter_settled(fact)
        case events.Claimed():
            return claimed(fact)
        case events.Sorted():
            return sorted_by_person(fact)
        case events.Dismissed():
            return dismissed(fact)
        case events.ContactSet():
            return contact_set(fact)
        case events.NoticeReleased():
            return notice_released(fact)
        case events.HoldPlaced():
            return hold_placed(fact)
        case events.HoldEnded():
            return hold_ended(fact)
        case events.Extended():
            return extended(fact)
        case events.ItemAccepted():
            return item_accepted(fact)
        case events.ItemRejected():
            return item_rejected(fact)
        case events.ItemWaived():
            return item_waived(fact)
        case events.Linked(by, other, why):
            return f"{one_line(by)} linked it to D-{other}" + (f": {one_line(why)}" if why else "")
        case events.Unlinked(by, other):
            return f"{one_line(by)} took the link to D-{other} away"
        case events.AssignmentTaken(by, assignment_id):
            return f"{one_line(by)} made assignment {one_line(assignment_id)} a case of its own"
        case events.MailTaken(by, mail_id, into):
            return f"{one_line(by)} put mail {mail_id} to D-{into}"
        case events.MergeUndone(by, other):
            return f"{one_line(by)} made D-{other} a case of its own again"
        case events.Released():
            return released(fact)
        case events.TalksSkipped():
            return talks_skipped(fact)
        case events.ImpasseProposed():
            return impasse_proposed(fact)
        case events.ImpasseConfirmed():
            return impasse_confirmed(fact)
        case events.OutcomeRecorded():
            return outcome_recorded(fact)
        case events.SenderConfirmed():
            return sender_confirmed(fact)
        case events.MailDismissed():
            return mail_dismissed(fact)
        case events.StaffReplied():
            return staff_replied(fact)
        case events.Undone():
            return undone(fact)
        case events.FlagLooked():
            return flag_looked(fact)
        case _:
            assert_never(fact)


# --- Mail ---------------------------------------------------------------------------------------------------------


def case_opened(fact: events.CaseOpened) -> str:
    kind = f"a {fact.kind} dispute" if fact.kind else "a case that a person has to sort"
    suggests = f"; it may belong to {fact.suggests}" if fact.suggests else ""
    linked = f"; it goes together with D-{fact.linked_to}" if fact.linked_to else ""
    return f"mail {fact.mail.mail_id} opened {kind}{_found(fact.mail)}{suggests}{linked}"


def party_wrote(fact: events.PartyWrote) -> str:
    intent = f", read as “{_words(fact.mail.intent)}”" if fact.mail.intent else ""
    return f"mail {fact.mail.mail_id} came from the {fact.role}{intent}{_found(fact.mail)}"


def mail_suggested(fact: events.MailSuggested) -> str:
    whom = f"may be from the {fact.role}" if fact.role else "may belong here"
    return f"mail {fact.mail.mail_id} from {one_line(fact.mail.sender)} {whom}, unconfirmed: {one_line(fact.reason)}"


def party_away(fact: events.PartyAway) -> str:
    until = f" until {fact.returns_on:%d %b %Y}" if fact.returns_on else ", without a date of return"
    return f"an automatic answer (mail {fact.mail_id}) says that the {fact.role} is away{until}"


def letter_bounced(fact: events.LetterBounced) -> str:
    which = f"letter {fact.letter}" if fact.letter else "a letter"
    return f"{which} to the {fact.role} came back from {one_line(fact.address)}: {one_line(fact.diagnostic)}"


# --- Clock and delivery -----------------------------------------------------------------------------------------------


def clock_due(fact: events.ClockDue) -> str:
    match fact.what:
        case What.REMIND:
            return f"a reminder to the {fact.who} came due"
        case What.FINAL if fact.topic is Topic.COMMENT:
            return f"the time to comment of the {fact.who} ended"
        case What.FINAL:
            return f"the deadline of the {fact.who} came: final notice"
        case What.LAPSE:
            return f"the end of the {fact.who}'s time came"
        case What.SEND_NOTICE:
            return f"the pause before the notice to the {fact.who} ended"
        case What.STATUS:
            return f"a status line to the {fact.who} came due"
        case What.NUDGE:
            return "what waits for staff had waited long enough to be said again"
        case What.WAKE:
            return f"the date of “{_words(fact.topic)}” came"
        case _:
            assert_never(fact.what)


def time_lost(fact: events.TimeLost, drawn: Drawn) -> str:
    return f"Parley did not run from {drawn(fact.since)} to {drawn(fact.until)}"


def letter_late(fact: events.LetterLate) -> str:
    why = "was only written in shadow mode" if fact.shadow else "did not leave and was taken back"
    return f"letter {fact.letter} ({_words(fact.name)}) to the {fact.role} {why}"


def letter_failed(fact: events.LetterFailed) -> str:
    state = "may or may not have left" if fact.state == "unknown" else "was refused for good"
    return f"letter {fact.letter} ({_words(fact.name)}) to the {fact.role} {state}: {one_line(fact.reason)}"


def letter_settled(fact: events.LetterSettled) -> str:
    left = "did leave" if fact.left else "did not leave"
    return f"letter {fact.letter} to the {fact.role} {left}: {one_line(fact.evidence)}"


# --- Staff ----------------------------------------------------------------------------------------------------------


def claimed(fact: events.Claimed) -> str:
    return f"{one_line(fact.by)} took the case"


def sorted_by_person(fact: events.Sorted) -> str:
    return f"{one_line(fact.by)} sorted it: a {fact.kind} dispute, opened by the {fact.opener}"


def dismissed(fact: events.Dismissed) -> str:
    into = f"put it into D-{fact.into}" if fact.into else "said that it is no dispute of its own"
    return f"{one_line(fact.by)} {into}{_reason(fact.reason)}"


def contact_set(fact: events.ContactSet) -> str:
    return f"{one_line(fact.by)} set the address of the {fact.role}: {one_line(fact.address)}"


def notice_released(fact: events.NoticeReleased) -> str:
    return f"{one_line(fact.by)} sent the notice"


def hold_placed(fact: events.HoldPlaced) -> str:
    whom = " and ".join(f"the {role}" for role in fact.roles)
    return f"{one_line(fact.by)} stopped the clocks of {whom}{_reason(fact.reason)}"


def hold_ended(fact: events.HoldEnded) -> str:
    return f"{one_line(fact.by)} ended {f'the hold {fact.hold}' if fact.hold else 'every hold of staff'}"


def extended(fact: events.Extended) -> str:
    return f"{one_line(fact.by)} gave the {fact.role} more time{_reason(fact.reason)}"


def item_accepted(fact: events.ItemAccepted) -> str:
    return f"{one_line(fact.by)} accepted the {_words(fact.item)}"


def item_rejected(fact: events.ItemRejected) -> str:
    return f"{one_line(fact.by)} did not accept the {_words(fact.item)}{_reason(fact.reason)}"


def item_waived(fact: events.ItemWaived) -> str:
    return f"{one_line(fact.by)} said that the {_words(fact.item)} is not needed{_reason(fact.reason)}"


def released(fact: events.Released) -> str:
    return f"{one_line(fact.by)} released statement {fact.statement} to the other side"


def talks_skipped(fact: events.TalksSkipped) -> str:
    return f"{one_line(fact.by)} skipped the talks{_reason(fact.reason)}"


def impasse_proposed(fact: events.ImpasseProposed) -> str:
    return f"{one_line(fact.by)} proposed an impasse: {_words(fact.impasse)}"


def impasse_confirmed(fact: events.ImpasseConfirmed) -> str:
    return f"{one_line(fact.by)} confirmed the impasse"


def outcome_recorded(fact: events.OutcomeRecorded) -> str:
    return f"{one_line(fact.by)} recorded the outcome {_words(fact.code)}, on these grounds: {one_line(fact.grounds)}"


def sender_confirmed(fact: events.SenderConfirmed) -> str:
    who = f"mail {fact.mail.mail_id} is from the {fact.role}"
    return f"{one_line(fact.by)} confirmed that {who}{_found(fact.mail)}"


def mail_dismissed(fact: events.MailDismissed) -> str:
    return f"{one_line(fact.by)} said that mail {fact.mail_id} is not from a party"


def staff_replied(fact: events.StaffReplied) -> str:
    return f"{one_line(fact.by)} wrote to the {fact.role}"


def undone(fact: events.Undone) -> str:
    return f"{one_line(fact.by)} took back {f'letter {fact.letter}' if fact.letter else 'the recorded outcome'}"


def flag_looked(fact: events.FlagLooked) -> str:
    return f"{one_line(fact.by)} looked at the flag “{_words(fact.flag)}”"


def _found(mail: events.MailFacts) -> str:
    """What triage and the sender check found in a mail."""
    items = [f"{_words(item.name)} ({item.confidence:.0%})" for item in mail.items]
    ids = [f"assignment {number}" for number in mail.assignment_ids]
    files = [f"unread file {one_line(name)}" for name in mail.unread_files]
    flags = [f"flag {_words(flag)}" for flag in mail.flags]
    doubt = [f"authentication {mail.verdict}"] if mail.verdict is not Verdict.PASS else []
    found = [*ids, *items, *files, *flags, *doubt]
    return f" [{', '.join(found)}]" if found else ""


def _reason(reason: str) -> str:
    return f": {one_line(reason)}" if reason.strip() else ""


def _words(name: str) -> str:
    return one_line(name).replace("_", " ")
