"""Some cases told in full: every line in the thread, every letter with what it says, all that changes in the case.

Whoever changes a word, a date or an order sees in `tests/told/` what that means to the people of a case. To write the
stories anew: `.venv/bin/python -m tests.test_told`, then read what changed.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from bot.flows.case import Case, Impasse, ItemName, Kind, Party, Provenance, Role
from bot.flows.effects import Cancel, Card, Decision, Effect, Letter, Note
from bot.flows.events import (
    AssignmentTaken,
    CaseOpened,
    Claimed,
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
    MailDismissed,
    MailSuggested,
    MailTaken,
    MergeUndone,
    NoticeReleased,
    OutcomeRecorded,
    PartyAway,
    Released,
    SenderConfirmed,
    Sorted,
    StaffReplied,
    TalksSkipped,
    TimeLost,
    Undone,
    Unlinked,
)
from bot.flows.mail import Verdict
from tests.play import ID, LISTING, OWN, Play, found, mail

FOLDER = Path(__file__).parent / "told"
WORKER, CLIENT = Role.WORKER, Role.CLIENT


@dataclass
class Told(Play):
    """A play that writes down all that comes of each event."""

    lines: list[str] = field(default_factory=list)

    def look(self, before: Case, fact: Fact, decision: Decision) -> None:
        self.lines.append(f"{_at(self.now)} {type(fact).__name__} by {self.events[-1].by}: {self.case.stage}")
        if decision.refused:
            self.lines.append(f"  refused: {decision.refused}")
        self.lines += [f"  {line}" for effect in decision.effects for line in _effect(effect)]
        self.lines += [f"  {line}" for line in _changed(before, self.case)]


def _changed(before: Case | Party, after: Case | Party, of: str = "") -> Iterator[str]:
    """What is different in the case or party now: parts that went and came, values with what they were."""
    for name in after.__dataclass_fields__:
        old, new = getattr(before, name), getattr(after, name)
        if old == new or name in ("version", "letters", "written", "stage"):
            continue
        if isinstance(new, Party):
            yield from _changed(old, new, f"{name}.")
        elif isinstance(new, tuple):
            yield from (f"- {of}{name}: {_value(each)}" for each in old if each not in new)
            yield from (f"+ {of}{name}: {_value(each)}" for each in new if each not in old)
        else:
            yield f"= {of}{name}: {_value(old)} -> {_value(new)}"


def _effect(effect: Effect) -> Iterator[str]:
    match effect:
        case Note(text, because, quote, mention):
            yield " | ".join(filter(None, (f"note: {text}", quote and f"“{quote}”", mention and f"to {mention}")))
            yield f"  because {_value(because)}"
        case Letter():
            leaves = f"{_at(effect.not_before)}{' after a poll' if effect.after_poll else ''}"
            until = f", late after {_at(effect.late_after)}" if effect.late_after else ""
            yield f"letter {effect.number} {effect.name} to {effect.role}, {effect.sending}, {leaves}{until}"
            yield "  " + "; ".join(f"{name}={_value(effect.facts[name])}" for name in sorted(effect.facts))
            yield f"  because {_value(effect.because)}"
        case Cancel(letters, why, to):
            yield f"cancel {letters} {to or ''}: {why}"
        case Card():
            yield "card"


def _at(moment: datetime) -> str:
    return f"{moment:%a %m-%d %H:%M:%S}"


def _value(value: object) -> str:
    if isinstance(value, datetime):
        return _at(value)
    if isinstance(value, tuple | list):
        return f"({', '.join(_value(each) for each in value)})"
    names = getattr(value, "__dataclass_fields__", None)
    if names is None:
        return str(value)
    shown = ((name, getattr(value, name)) for name in names)
    return " ".join(f"{name}={_value(each)}" for name, each in shown if each not in (None, "", (), 0, False))


# --- The cases --------------------------------------------------------------------------------------------------------


def paid_after_talks(play: Told) -> None:
    play.complete_payment()
    play.happen(Claimed("Ana"))
    play.wait("3 business days")
    play.writes(CLIENT, "I need a few days more.", intent="more_time")
    play.happen(Extended("Ana", CLIENT, "A holiday."))
    play.happen(Extended("Ana", CLIENT, "Again."))
    play.wait("2 business days")
    play.answers()
    play.happen(Released("Ana", 1))
    play.happen(Undone("Ana", play.case.letters))
    play.happen(Released("Ana", 1))
    play.wait("3 business days")
    play.writes(CLIENT, "I have paid half of it.", intent="still_waiting")
    play.happen(Released("Ana", 3))
    play.wait("4 business days")
    play.happen(TalksSkipped("Ana", "Both have said everything."))
    play.wait("3 business days")
    play.happen(StaffReplied("Ana", WORKER, "Could you confirm the amount?", "en"))
    play.wait("2 minutes")
    play.happen(OutcomeRecorded("Ana", "partly_paid", "Half of it was delivered."))
    play.happen(Undone("Ana"))
    play.happen(OutcomeRecorded("Ana", "partly_paid", "Half of it was delivered."))
    play.wait("61 seconds")
    play.writes(WORKER, "That is not fair.", intent="refuses")
    play.happen(OutcomeRecorded("Ana", "paid", "After another look."))
    play.happen(OutcomeRecorded("Ben", "paid", "After another look."))
    play.wait("61 seconds")
    play.writes(CLIENT, "And now?")
    play.wait("15 business days")
    play.writes(CLIENT, "Hello?")


def silent_client(play: Told) -> None:
    play.complete_rating()
    play.wait("14 business days")
    play.writes(WORKER, "Any news?", intent="still_waiting")
    play.happen(ImpasseConfirmed("Ana"))
    play.happen(OutcomeRecorded("Ana", "removed", "Nobody stands by it."))
    play.wait("61 seconds")
    play.writes(CLIENT, "", intent="thanks")
    play.wait("15 business days")


def late_and_in_parts(play: Told) -> None:
    play.opens(Kind.RATING, CLIENT)
    play.writes(CLIENT, f"It is {ID}.", assignment_ids=(ID,), listings=(LISTING,))
    play.wait("3 business days")
    play.writes(CLIENT, "My words.", items=found(OWN[CLIENT], confidence=0.6))
    play.happen(ItemRejected("Ana", OWN[CLIENT], "It is about another job."))
    play.wait("1 business day")
    play.writes(CLIENT, "My words, again.", items=found(OWN[CLIENT]))
    play.wait("10 business days")
    play.writes(WORKER, "I was ill. I will tell you everything.", intent="provides_item")
    play.happen(ItemRejected("Ana", OWN[WORKER], "It says nothing of the rating."))
    play.wait("3 business days")
    play.happen(ItemWaived("Ana", OWN[WORKER], "Said on the phone."))
    play.happen(ImpasseConfirmed("Ana"))


def nobody_answers_the_request(play: Told) -> None:
    play.opens(Kind.PAYMENT)
    play.wait("13 business days")
    play.writes(WORKER, "Here I am.")
    play.wait("2 business days")


def sorted_by_people(play: Told) -> None:
    play.happen(CaseOpened(mail(WORKER), None, None, "D-7"))
    play.happen(MailSuggested(None, mail(CLIENT, "Me too.", mail_id=70, sender="x@else.example"), "unknown address"))
    play.happen(MailDismissed("Ana", 70))
    play.happen(Sorted("Ana", Kind.PAYMENT, CLIENT, mail(CLIENT, assignment_ids=(ID,), listings=(LISTING,))))
    play.happen(ContactSet("Ana", WORKER, "new@worker.example", "Wanda"))
    play.happen(ItemAccepted("Ana", ItemName.TIMELINE))
    play.happen(NoticeReleased("Ana"))
    play.wait("2 business days")
    play.happen(
        MailSuggested(WORKER, mail(WORKER, "It is me.", mail_id=71, sender="w@else.example"), "unknown address")
    )
    play.happen(SenderConfirmed("Ana", WORKER, mail(WORKER, "It is me.", mail_id=71, sender="w@else.example")))
    play.happen(ImpasseProposed("Ana", Impasse.NO_AGREEMENT))
    play.happen(ImpasseConfirmed("Ana"))


def not_trusted(play: Told) -> None:
    play.opens(
        Kind.PAYMENT, verdict=Verdict.FAIL, verdict_reason="dmarc=fail", assignment_ids=(ID,), listings=(LISTING,)
    )
    play.happen(Sorted("Ana", Kind.PAYMENT, WORKER))
    play.writes(WORKER, "Here is my list.", items=found(ItemName.TIMELINE, provenance=Provenance.RELAYED))
    play.happen(ItemAccepted("Ana", ItemName.TIMELINE))
    play.happen(Dismissed("Ana", None, "spam"))
    play.writes(WORKER, "It is no spam.")


def held_and_away(play: Told) -> None:
    play.complete_payment()
    play.wait("1 business day")
    play.happen(PartyAway(CLIENT, 9, date(2026, 3, 6)))
    play.wait("6 business days")
    play.happen(HoldPlaced("Ana", (CLIENT,), "A call is planned."))
    play.happen(HoldPlaced("Ana", (WORKER,), "For both."))
    play.wait("2 business days")
    play.happen(HoldEnded("Ana"))
    play.happen(HoldEnded("Ana"))
    since, play.now = play.now, play.now + timedelta(hours=5)
    play.happen(TimeLost(since, play.now))
    play.wait("9 business days")


def dangerous_and_legal(play: Told) -> None:
    play.complete_payment(flags=("legal_threat",))
    play.wait("2 business days")
    play.happen(NoticeReleased("Ana"))
    play.writes(WORKER, "I will find you.", flags=("threat",))
    play.wait("2 business days")
    play.happen(FlagLooked("Ana", "threat"))
    play.wait("3 business days")
    play.writes(CLIENT, "Let me talk to somebody.", flags=("asks_for_person",), unread_files=("photo.jpg",))


def letters_that_do_not_arrive(play: Told) -> None:
    play.complete_payment()
    play.happen(LetterBounced(WORKER, 1, "wanda@worker.example", "550 no such user"))
    play.happen(ContactSet("Ana", WORKER, "wanda"))
    play.happen(ContactSet("Ana", WORKER, "wanda@home.example"))
    play.wait("1 business day")
    play.smtp = False
    play.wait("5 business days")
    play.smtp = True
    play.wait("1 business day")
    notice = next(letter for letter in play.letters if letter.name == "notice")
    play.happen(LetterFailed(notice.number, "notice", CLIENT, "dead", "550 refused"))
    play.happen(LetterFailed(play.case.letters, "reminder", CLIENT, "unknown", "the line was cut"))
    play.happen(LetterSettled(play.case.letters, CLIENT, False, "not in the log", "reminder"))
    play.wait("3 business days")


def settled_by_both(play: Told) -> None:
    play.complete_payment()
    play.wait("1 business day")
    play.writes(CLIENT, "It is settled.", intent="resolved")
    play.writes(WORKER, "Yes, it is settled.", intent="resolved")
    play.wait("1 business day")
    play.writes(CLIENT, "No, wait.", intent="refuses")
    play.writes(WORKER, "It is settled now.", intent="resolved")
    play.wait("6 business days")
    play.writes(WORKER, "He did not pay after all.")
    play.wait("1 business day")


def put_together_and_taken_apart(play: Told) -> None:
    play.opens(Kind.PAYMENT, assignment_ids=(ID,), listings=(LISTING,))
    play.writes(WORKER, "On Monday I called.", items=found(ItemName.TIMELINE))
    play.happen(MailTaken("Ana", play.case.statements[-1].mail_id, 1050))
    play.happen(Dismissed("Ana", 1050, "the same job"))
    play.happen(Undone("Ana"))
    play.writes(WORKER, "On Tuesday I wrote.", items=found(ItemName.TIMELINE))
    play.happen(MergeUndone("Ana", 1051, (play.case.statements[-1].mail_id, play.case.statements[0].mail_id)))
    play.wait("1 business day")


def not_yet_due(play: Told) -> None:
    play.complete_payment(listings=(replace(LISTING, due_on=date(2026, 3, 12)),), flags=("not_yet_due",))
    play.wait("12 business days")
    play.writes(CLIENT, "I will not pay.", intent="refuses", items=found(ItemName.ANSWER))
    play.writes(WORKER, "No.", intent="refuses")
    play.happen(ImpasseConfirmed("Ana"))
    play.wait("12 business days")


def in_another_zone(play: Told) -> None:
    west = replace(LISTING, worker_zone="Europe/Berlin", client_zone="America/Los_Angeles")
    play.complete_payment(listings=(west,))
    play.wait("4 business days")
    play.writes(CLIENT, "It may be so.", intent="provides_item")
    play.happen(ItemAccepted("Ana", ItemName.ANSWER))
    play.happen(Released("Ana", 2))
    play.wait("6 business days")
    play.happen(Extended("Ana", WORKER, "Ill."))
    play.happen(HoldPlaced("Ana", (WORKER,), "Still ill."))
    play.wait("2 business days")
    play.happen(HoldEnded("Ana"))
    play.wait("8 business days")


def an_outcome_that_does_not_arrive(play: Told) -> None:
    play.complete_rating(CLIENT)
    play.wait("1 business day")
    play.answers(WORKER)
    play.happen(OutcomeRecorded("Ana", "kept", "Both sides say the same."))
    first, second = play.case.outcome.letters if play.case.outcome else (0, 0)
    play.smtp = False
    play.happen(LetterFailed(first, "outcome", CLIENT, "dead", "550 no such user"))
    play.happen(LetterFailed(second, "outcome", WORKER, "unknown", "the line was cut"))
    play.happen(LetterSettled(second, WORKER, True, "in the log", "outcome"))
    play.smtp = True
    play.happen(ContactSet("Ana", CLIENT, "carl@home.example", "Carl"))
    play.wait("2 minutes")
    play.wait("2 business days")


def closed_and_taken_up(play: Told) -> None:
    play.opens(Kind.RATING, assignment_ids=(ID,), listings=(LISTING,))
    play.writes(WORKER, "Forget it.", intent="resolved")
    play.wait("6 business days")
    play.writes(WORKER, "I want to go on.")
    play.writes(WORKER, "My words.", items=found(OWN[WORKER]))
    play.wait("1 business day")
    play.writes(WORKER, "We talked, it is settled.", intent="resolved")
    play.wait("6 business days")
    play.writes(CLIENT, "I have something to say.")
    play.wait("2 business days")


def taken_up_by_either(play: Told) -> None:
    """A closed case is written to: by the other side, under a hold, when all was there, with what was missing."""
    play.opens(Kind.PAYMENT, CLIENT, assignment_ids=(ID,), listings=(LISTING,))
    play.wait("13 business days")
    play.happen(HoldPlaced("Ana", (CLIENT,), "A call."))
    play.writes(CLIENT, "Here is what you asked for.", items=found(ItemName.TIMELINE))
    play.happen(HoldEnded("Ana"))
    play.writes(CLIENT, "Let us stop.", intent="resolved")
    play.wait("3 business days")
    play.writes(WORKER, "I would rather go on.")
    play.wait("1 business day")
    play.writes(CLIENT, "It is settled.", intent="resolved")
    play.wait("3 business days")
    play.happen(HoldPlaced("Ana", (WORKER, CLIENT), "A call."))
    play.writes(WORKER, "This is my answer.", items=found(ItemName.ANSWER))
    play.writes(CLIENT, "I see.")
    play.happen(HoldEnded("Ana"))
    play.wait("2 business days")
    play.happen(Dismissed("Ana", None, "no dispute"))
    play.happen(Claimed("Ben"))


def no_letter_arrives(play: Told) -> None:
    """Each letter that cannot leave is decided anew, or is needed no longer."""
    play.complete_payment(CLIENT)
    play.happen(LetterSettled(1, CLIENT, False, "not in the log", "receipt"))
    play.happen(LetterLate(2, "receipt", CLIENT, shadow=True))
    play.wait("1 business day")
    play.happen(LetterLate(play.case.letters, "notice", WORKER))
    play.happen(LetterSettled(play.case.letters, WORKER, False, "not in the log", "notice"))
    play.wait("2 business days")
    play.happen(LetterLate(play.case.letters, "reminder", WORKER))
    play.happen(LetterSettled(play.case.letters, WORKER, False, "not in the log", ""))
    play.happen(Extended("Ana", WORKER, "Ill."))
    play.happen(LetterLate(play.case.letters - 1, "extended", WORKER))
    play.happen(LetterLate(play.case.letters - 1, "extended_other", CLIENT))
    play.happen(StaffReplied("Ana", WORKER, "How are you?", "en"))
    play.happen(LetterLate(play.case.letters, "reply", WORKER))
    play.happen(LetterLate(1, "receipt", CLIENT))
    play.answers(WORKER)
    play.happen(Released("Ana", 1))
    play.happen(LetterLate(play.case.letters, "release", WORKER))
    play.happen(HoldPlaced("Ana", (WORKER,), "A call."))
    play.happen(LetterLate(play.case.letters, "release", WORKER))
    play.happen(HoldEnded("Ana"))
    play.wait("4 business days")
    play.happen(LetterLate(play.case.letters, "agree", WORKER))
    play.wait("6 business days")
    play.happen(ImpasseConfirmed("Ana"))
    play.happen(LetterLate(play.case.letters, "impasse", WORKER))
    play.happen(OutcomeRecorded("Ana", "scheduled", "Both agree on Friday."))
    play.wait("2 minutes")
    play.happen(LetterLate(play.case.letters, "outcome", WORKER))
    play.wait("2 minutes")
    play.happen(LetterSettled(play.case.letters, WORKER, False, "not in the log", "outcome"))


def the_wrong_job(play: Told) -> None:
    """The assignment ID was wrong: whom the directory named for it is nobody, and the case is asked for another."""
    play.opens(Kind.PAYMENT, assignment_ids=(ID,), listings=(LISTING,))
    play.happen(ItemRejected("Ana", ItemName.ASSIGNMENT_ID, "It is another person's."))
    other = replace(LISTING, assignment_id="4471830112", client_email="clara@client.example", client_name="Clara")
    given = {"assignment_ids": ("4471830112",), "listings": (other,), "items": found(ItemName.TIMELINE)}
    play.writes(WORKER, "I meant this one.", **given)
    play.wait("1 business day")
    play.writes(CLIENT, "Clara here.", sender="clara@client.example", sender_name="Clara C.", references=("<1@x>",))
    play.happen(Sorted("Ana", Kind.PAYMENT, CLIENT))
    play.happen(ItemAccepted("Ana", ItemName.ANSWER))


def sorted_again_and_again(play: Told) -> None:
    play.happen(CaseOpened(mail(WORKER, sender_name="Wanda"), None, None))
    play.happen(Sorted("Ana", Kind.PAYMENT, WORKER, mail(items=found(ItemName.TIMELINE), assignment_ids=(ID,))))
    play.writes(WORKER, "He may hurt me.", flags=("fear_of_retaliation",))
    play.happen(MailSuggested(CLIENT, mail(CLIENT, "It is me.", mail_id=80, sender="c@else.example"), "unknown"))
    play.happen(Sorted("Ana", Kind.RATING, CLIENT, mail(CLIENT, items=found(OWN[CLIENT]), listings=(LISTING,))))
    play.happen(FlagLooked("Ana", "fear_of_retaliation"))
    play.happen(SenderConfirmed("Ana", WORKER, mail(WORKER, "It is me.", mail_id=80, sender="w@else.example")))
    play.happen(ContactSet("Ana", WORKER, "wanda@worker.example", "Wanda W."))
    play.happen(Sorted("Ben", Kind.RATING, WORKER))
    play.happen(ItemWaived("Ana", OWN[WORKER], "Said on the phone."))
    play.wait("1 business day")


def the_pause_is_not_quiet(play: Told) -> None:
    """While the notice waits, a date, a doubt, a hold or a threat comes up."""
    play.complete_payment()
    play.writes(WORKER, "I asked them again just now.", flags=("under_48h",))
    play.wait("1 business day")
    play.writes(WORKER, "I will go to court.", flags=("legal_threat",))
    play.wait("3 business days")
    play.happen(FlagLooked("Ana", "legal_threat"))
    play.happen(NoticeReleased("Ana"))
    play.happen(Undone("Ana", play.case.letters))
    play.happen(ItemRejected("Ana", ItemName.TIMELINE, "Of another job."))
    play.writes(WORKER, "Of this one.", items=found(ItemName.TIMELINE, confidence=0.5), unread_files=("list.pdf",))
    play.happen(ItemAccepted("Ana", ItemName.TIMELINE))
    play.happen(NoticeReleased("Ana"))
    play.wait("2 business days")
    play.happen(PartyAway(CLIENT, 9, None))
    play.happen(PartyAway(CLIENT, 9, date(2026, 4, 30)))
    play.happen(LetterBounced(CLIENT, play.last(CLIENT).number, "carl@client.example", ""))
    play.happen(HoldEnded("Ana", f"bounce:{CLIENT}"))
    play.happen(ContactSet("Ana", CLIENT, "carl@home.example"))
    play.wait("12 business days")
    play.writes(CLIENT, "I was away.", items=found(ItemName.ANSWER, confidence=0.5))
    play.happen(ItemRejected("Ana", ItemName.ANSWER, "It says nothing."))
    play.wait("6 business days")


def talks_in_two_zones(play: Told) -> None:
    """Both are told what the other said, each at its own hours; one is held, one asks for time, nobody agrees."""
    west = replace(LISTING, worker_zone="Europe/Berlin", client_zone="America/Los_Angeles")
    play.complete_payment(CLIENT, listings=(west,))
    play.wait("2 business days")
    play.answers(WORKER)
    play.happen(Released("Ana", 1))
    play.happen(Released("Ana", 2))
    play.wait("1 business day")
    play.happen(HoldPlaced("Ana", (WORKER,), "Ill."))
    play.wait("4 business days")
    play.writes(CLIENT, "One thing more.")
    play.happen(Released("Ana", 3))
    play.happen(HoldEnded("Ana"))
    play.happen(Released("Ana", 3))
    play.writes(WORKER, "Wait, I will find you.", flags=("threat",))
    play.happen(FlagLooked("Ana", "threat"))
    play.writes(WORKER, "More time, please.", intent="more_time")
    play.happen(Extended("Ana", WORKER, "Ill."))
    since, play.now = play.now, play.now + timedelta(hours=5)
    play.happen(TimeLost(since, play.now))
    play.wait("9 business days")
    play.happen(ImpasseConfirmed("Ana"))
    play.wait("6 business days")


def by_night(play: Told) -> None:
    """Everything happens when the other side sleeps; days count from the morning on."""
    play.now = datetime(2026, 3, 7, 3, 0, tzinfo=UTC)
    west = replace(LISTING, worker_zone="Europe/Berlin", client_zone="America/Los_Angeles")
    play.opens(Kind.PAYMENT, CLIENT, listings=(west,), assignment_ids=(ID,))
    play.writes(CLIENT, "On Monday I called.", items=found(ItemName.TIMELINE))
    play.wait("9 business days")
    play.now += timedelta(hours=10)
    play.happen(ItemWaived("Ana", ItemName.TIMELINE, "Said on the phone."))
    play.wait("7 business days")
    play.now += timedelta(hours=9)
    play.writes(WORKER, "See the file.", unread_files=("answer.pdf",))
    play.happen(ItemRejected("Ana", ItemName.ANSWER, "It is empty."))
    play.wait("1 business day")
    play.now += timedelta(hours=9)
    play.answers(WORKER)
    play.happen(Released("Ana", 1))
    play.happen(Undone("Ana", play.case.letters))
    play.happen(Released("Ana", 1))
    play.wait("6 business days")
    play.writes(CLIENT, "It is settled.", intent="resolved")
    play.wait("6 business days")


def never_looked_at(play: Told) -> None:
    """What waits for staff is said again, and again; danger sooner."""
    play.complete_rating(items=(), unread_files=("words.pdf",), flags=("welfare",))
    play.wait("6 business days")
    play.writes(WORKER, "Hello?", intent="still_waiting")
    play.happen(HoldPlaced("Ana", (WORKER, CLIENT), "A call."))
    play.wait("6 business days")


def left_to_staff(play: Told) -> None:
    play.opens(None, None)
    play.wait("8 business days")
    play.happen(Claimed("Ben"))
    play.wait("2 business days")


def asked_what_cannot_be(play: Told) -> None:
    play.happen(CaseOpened(mail(WORKER), None, None))
    wrong: tuple[Fact, ...] = (
        *(Sorted("Ana", Kind.PAYMENT, CLIENT), NoticeReleased("Ana"), HoldEnded("Ana"), HoldEnded("Ana", "closing")),
        *(HoldPlaced("Ana", (WORKER,), " "), Extended("Ana", WORKER, "Ill."), ItemAccepted("Ana", ItemName.ANSWER)),
        *(ItemRejected("Ana", ItemName.TIMELINE, "No."), ItemWaived("Ana", ItemName.TIMELINE, ""), Released("Ana", 9)),
        *(TalksSkipped("Ana", ""), ImpasseProposed("Ana", Impasse.NO_AGREEMENT), ImpasseConfirmed("Ana")),
        *(OutcomeRecorded("Ana", "paid", "It is."), SenderConfirmed("Ana", CLIENT, mail(WORKER))),
        *(
            SenderConfirmed("Ana", WORKER, mail(WORKER)),
            MailDismissed("Ana", 9),
            StaffReplied("Ana", CLIENT, "Hi", "en"),
        ),
        *(StaffReplied("Ana", WORKER, " ", "en"), Undone("Ana"), Undone("Ana", 99), FlagLooked("Ana", "threat")),
        *(Linked("Ana", 7, ""), Linked("Ana", 7, "the same."), Unlinked("Ana", 7), AssignmentTaken("Ana", ID)),
        *(MailTaken("Ana", 1, 7), MailTaken("Ana", 9, 7), ContactSet("Ana", CLIENT, "two words@x.example")),
    )
    for fact in wrong:
        play.happen(fact)
    play.happen(Sorted("Ana", Kind.PAYMENT, WORKER, mail(assignment_ids=(ID,), listings=(LISTING,))))
    play.happen(ItemWaived("Ana", ItemName.TIMELINE, "Not needed."))
    play.happen(NoticeReleased("Ana"))
    play.answers()
    for fact in wrong:
        play.happen(fact)


CASES: tuple[Callable[[Told], None], ...] = (
    *(paid_after_talks, silent_client, late_and_in_parts, nobody_answers_the_request, sorted_by_people, not_trusted),
    *(held_and_away, dangerous_and_legal, letters_that_do_not_arrive, settled_by_both, put_together_and_taken_apart),
    *(not_yet_due, in_another_zone, an_outcome_that_does_not_arrive, closed_and_taken_up, left_to_staff),
    *(taken_up_by_either, no_letter_arrives, the_wrong_job, sorted_again_and_again, the_pause_is_not_quiet),
    *(talks_in_two_zones, by_night, never_looked_at, asked_what_cannot_be),
)


def told(case: Callable[[Told], None]) -> str:
    play = Told()
    case(play)
    return "\n".join(play.lines) + "\n"


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_a_case_is_told_as_it_was_agreed(case: Callable[[Told], None]) -> None:
    assert told(case) == (FOLDER / f"{case.__name__}.txt").read_text(encoding="utf-8")


if __name__ == "__main__":
    for each in CASES:
        (FOLDER / f"{each.__name__}.txt").write_text(told(each), encoding="utf-8")
