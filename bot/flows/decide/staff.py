"""A person decided something: each function is one button of the case's thread. A refusal says what would be right."""

from dataclasses import replace

from bot.flows.case import (
    Clock,
    Closing,
    Contact,
    Hold,
    Impasse,
    Item,
    ItemName,
    ItemState,
    Kind,
    Party,
    Role,
    Stage,
    Topic,
    What,
    Who,
    requirements,
)
from bot.flows.case import Outcome as RecordedOutcome
from bot.flows.decide import stages
from bot.flows.decide.asking import extend
from bot.flows.decide.clocks import go_on
from bot.flows.decide.reading import consult, doubt, find_items, kept_back
from bot.flows.decide.turn import SUBJECTS, Turn
from bot.flows.effects import Sending
from bot.flows.events import (
    ContactSet,
    Dismissed,
    Extended,
    FlagLooked,
    HoldEnded,
    HoldPlaced,
    ImpasseProposed,
    ItemAccepted,
    ItemRejected,
    ItemWaived,
    MailFacts,
    NoticeReleased,
    OutcomeRecorded,
    Released,
    StaffReplied,
    TalksSkipped,
    Undone,
)

OUTCOMES: dict[Kind, tuple[str, ...]] = {
    Kind.RATING: ("kept", "changed", "removed", "withdrawn", "no_agreement"),
    Kind.PAYMENT: ("paid", "partly_paid", "scheduled", "not_owed", "withdrawn", "no_agreement"),
}
"""The codes an outcome may have, by kind."""


class Refused(Exception):
    """What a person asked for cannot be; the message says why, and what would be right."""


def claimed(turn: Turn, by: str) -> None:
    turn.case = replace(turn.case, owner=by)
    turn.say(f"{by} took the case.")


def sorted_by_person(turn: Turn, by: str, kind: Kind, opener: Role, mail: MailFacts | None) -> None:
    """A person said what it is: what is missing is asked for, or the notice announced, as at a receipt."""
    _only_in(turn, Stage.SORTING, Stage.GATHERING, Stage.NOTICE)
    case = turn.case
    turn.say(f"{by} sorted it as a {kind} dispute opened by the {opener}.")
    worker, client = case.worker, case.client
    if (case.opener or Role.WORKER) is not opener:
        worker, client = (_as(client, Role.WORKER), _as(worker, Role.CLIENT))
    turn.case = replace(
        case,
        kind=kind,
        opener=opener,
        stage=Stage.GATHERING,
        items=requirements(kind, opener),
        worker=worker,
        client=client,
        statements=tuple(replace(s, role=opener) for s in case.statements),
        doubts=tuple(code for code in case.doubts if code != "kind"),
        subject=SUBJECTS[kind],
    )
    turn.tick_off("suggestion")
    if mail:
        turn.case = replace(
            turn.case, assignment_ids=tuple(dict.fromkeys((*case.assignment_ids, *mail.assignment_ids)))
        )
        consult(turn, mail.listings)
        find_items(turn, opener, mail)
    if not kept_back(turn):
        stages.gather(turn, first=True)


def _as(party: Party, role: Role) -> Party:
    return replace(party, role=role)


def dismissed(turn: Turn, fact: Dismissed) -> None:
    _only_in(turn, Stage.SORTING, Stage.GATHERING, Stage.NOTICE)
    if fact.into is None:
        turn.say(f"{fact.by}: not a dispute. {fact.reason}".strip())
        stages.close(turn, Closing.NOT_A_DISPUTE)
    else:
        turn.say(f"{fact.by}: it belongs to D-{fact.into}. {fact.reason}".strip())
        stages.close(turn, Closing.DUPLICATE)


def contact_set(turn: Turn, fact: ContactSet) -> None:
    """A new address: what stood because of a bounce goes on, and the party is asked afresh there."""
    address = fact.address.strip().lower()
    if "@" not in address or len(address.split()) != 1:
        raise Refused(f"“{fact.address}” is not a mail address; write it as name@company.example.")
    if turn.case.party(fact.role.other).knows(address):
        raise Refused(f"{address} is the address of the {fact.role.other}; the two sides need different ones.")
    party = turn.case.party(fact.role)
    others = tuple(contact for contact in party.contacts if contact.address != address)
    party = replace(party, contacts=(*others, Contact(address, "staff")))
    if fact.name:
        party = replace(party, name=fact.name, named_by="staff")
    turn.change_party(party)
    turn.say(f"{fact.by} set the address of the {fact.role}.")
    doubt(turn)
    bounce = f"bounce:{fact.role}"
    if any(hold.id == bounce for hold in turn.case.holds):
        turn.resume(bounce)
        clock = turn.ladder(fact.role)
        if clock and not clock.held_by:
            stages.ask_anew(turn, fact.role)


def notice_released(turn: Turn, fact: NoticeReleased) -> None:
    _only_in(turn, Stage.NOTICE)
    other = (turn.case.opener or Role.WORKER).other
    if turn.case.party(other).address is None:
        raise Refused(f"There is no address for the {other}: set it first.")
    if turn.case.held(other):
        raise Refused(f"Letters to the {other} are held: {turn.case.held(other)[0].why} End the hold first.")
    turn.say(f"{fact.by} sent the notice to the {other}.")
    turn.case = replace(turn.case, listed=True)
    stages.notify(turn, Sending.PERSON)


def hold_placed(turn: Turn, fact: HoldPlaced) -> None:
    _open_only(turn)
    reason = _reason(fact.reason)
    turn.say(f"{fact.by} holds the case for the {' and the '.join(fact.roles)}: {reason}")
    turn.hold(Hold("staff", fact.roles, reason, turn.now, fact.by))


def hold_ended(turn: Turn, fact: HoldEnded) -> None:
    held = next((hold for hold in turn.case.holds if hold.id == (fact.hold or "staff")), None)
    if held is None:
        raise Refused("Nothing is held.")
    if held.id.startswith(("mail:", "subject:", "bounce:", "closing")):
        raise Refused(f"This hold ends when it is settled: {held.why}")
    turn.say(f"{fact.by} ended the hold: {held.why}")
    stages.end_hold(turn, held.id)
    go_on(turn)


def flag_looked(turn: Turn, fact: FlagLooked) -> None:
    """A person has looked at a flagged mail. What it held goes on; the notice still needs a person."""
    hold = "legal" if fact.flag == "legal_threat" else "danger"
    turn.say(f"{fact.by} looked at the flag: {fact.flag.replace('_', ' ')}.")
    turn.stop(lambda clock: clock.topic is Topic.LEGAL and hold == "legal")
    stages.end_hold(turn, hold)
    go_on(turn)


def extended(turn: Turn, fact: Extended) -> None:
    """More time, once a party; the other side is told. Source: policy `[limits] extension`."""
    party, clock = turn.case.party(fact.role), turn.ladder(fact.role)
    if party.extended:
        raise Refused(f"The {fact.role} has had an extension; the other way is a hold with a reason.")
    if clock is None:
        raise Refused(f"No deadline runs for the {fact.role}.")
    if clock.held_by:
        raise Refused("Its clocks are held: end the hold first.")
    start = max(clock.deadline_at or turn.now, turn.now)
    if clock.what is What.LAPSE:
        start = max(clock.due_at, turn.now)
    until = turn.after(fact.role, turn.policy.limits.extension, start)
    turn.say(f"{fact.by} gave the {fact.role} more time: {_reason(fact.reason)}", "limits.extension")
    turn.cancel((clock.last_letter,), "more time was given")
    extend(turn, fact.role, until)
    turn.change_party(replace(turn.case.party(fact.role), extended=True))
    later = turn.ladder(fact.role)
    if later:
        dates = {"deadline": until} if later.what is What.FINAL else {}
        number = turn.write("extended", fact.role, Sending.UNASKED, {"end": later.end_at or later.due_at, **dates})
        turn.start(replace(later, last_letter=number))
    if turn.case.party(fact.role.other).written and not turn.case.held(fact.role.other):
        turn.write("extended_other", fact.role.other, Sending.UNASKED, {"until": until})
    turn.tick_off(f"more_time:{fact.role}")


def item_accepted(turn: Turn, fact: ItemAccepted) -> None:
    item = _item(turn, fact.item)
    turn.say(f"{fact.by} accepted: {_words(item)}.")
    _settle(turn, replace(item, state=ItemState.ACCEPTED, by=fact.by, reason=""))


def item_waived(turn: Turn, fact: ItemWaived) -> None:
    item = _item(turn, fact.item)
    turn.say(f"{fact.by} waived: {_words(item)}. {_reason(fact.reason)}")
    _settle(turn, replace(item, state=ItemState.WAIVED, by=fact.by, reason=fact.reason))


def item_rejected(turn: Turn, fact: ItemRejected) -> None:
    """The party is asked anew, with the reason."""
    item = _item(turn, fact.item)
    reason = _reason(fact.reason)
    turn.say(f"{fact.by} asks again for: {_words(item)}. {reason}")
    turn.case = turn.case.with_item(replace(item, state=ItemState.REJECTED, by=fact.by, reason=reason))
    asking = (turn.case.stage, item.role is turn.case.opener)
    if asking in ((Stage.GATHERING, True), (Stage.ANSWERING, False)):
        stages.ask_anew(turn, item.role, reason)


def _settle(turn: Turn, item: Item) -> None:
    """An item needs nothing more: perhaps that was the last the stage waited for."""
    turn.case = turn.case.with_item(item)
    case, role = turn.case, item.role
    open_items = [other for other in case.items if other.role is role and not other.settled]
    if open_items:
        return
    if case.stage is Stage.GATHERING and role is case.opener:
        stages.announce(turn, "complete")
    elif case.stage in (Stage.ANSWERING, Stage.IMPASSE) and role is case.respondent:
        stages.answered(turn)


def released(turn: Turn, fact: Released) -> None:
    """One statement goes to the other side; its time to comment starts. Source: policy `[talks] comment`, `agree`."""
    _only_in(turn, Stage.TALKS)
    statement = next((s for s in turn.case.statements if s.number == fact.statement), None)
    if statement is None:
        raise Refused(f"There is no statement {fact.statement} in {turn.case.label}.")
    if statement.released_at:
        raise Refused("This statement has been released already.")
    other = statement.role.other
    if turn.case.held(other):
        raise Refused(f"Letters to the {other} are held: {turn.case.held(other)[0].why}")
    turn.say(f"{fact.by} released a statement of the {statement.role} to the {other}.", "talks.comment")
    turn.case = replace(
        turn.case,
        statements=tuple(
            replace(s, released_at=turn.now, by=fact.by) if s is statement else s for s in turn.case.statements
        ),
    )
    leaves = turn.leaves(other, Sending.PERSON)
    comment_until = turn.after(other, turn.policy.talks.comment, leaves)
    agree_until = turn.after(other, turn.policy.talks.agree, comment_until)
    turn.stop_ladder(other, "a further statement was released")
    number = turn.write(
        "release",
        other,
        Sending.PERSON,
        {
            "statement": statement.text,
            "from_role": str(statement.role),
            "comment_until": comment_until,
            "agree_until": agree_until,
        },
    )
    turn.start(
        Clock(Who(other), What.FINAL, Topic.COMMENT, comment_until, number, leaves, 0, comment_until, agree_until)
    )
    turn.tick_off(f"statement:{statement.number}")


def talks_skipped(turn: Turn, fact: TalksSkipped) -> None:
    _only_in(turn, Stage.TALKS, Stage.ANSWERING)
    if turn.case.stage is Stage.ANSWERING and turn.case.wanted_from((turn.case.opener or Role.WORKER).other):
        raise Refused("The answer is still being waited for: waive it, or propose an impasse.")
    turn.say(f"{fact.by} skipped the talks: {_reason(fact.reason)}")
    turn.go(Stage.REVIEW)


def impasse_proposed(turn: Turn, fact: ImpasseProposed) -> None:
    _only_in(turn, Stage.ANSWERING, Stage.TALKS)
    if fact.impasse is Impasse.NO_RESPONSE and turn.case.stage is Stage.TALKS:
        raise Refused("The answer is here: in talks an impasse is “no agreement”.")
    turn.say(f"{fact.by} proposed an impasse: {fact.impasse.replace('_', ' ')}.")
    silent = turn.case.respondent if fact.impasse is Impasse.NO_RESPONSE else None
    stages.propose_impasse(turn, fact.impasse, silent)


def impasse_confirmed(turn: Turn, by: str) -> None:
    _only_in(turn, Stage.IMPASSE)
    turn.say(f"{by} confirmed the impasse: {(turn.case.impasse or '').replace('_', ' ')}.")
    turn.case = replace(turn.case, owner=turn.case.owner or by)
    stages.review_impasse(turn)


def outcome_recorded(turn: Turn, fact: OutcomeRecorded) -> None:
    """A named person's outcome goes to both at the same moment, after its undo. Source: policy `[limits] undo`."""
    _only_in(turn, Stage.REVIEW)
    case = turn.case
    codes = OUTCOMES[case.kind or Kind.PAYMENT]
    if case.outcome:
        raise Refused("An outcome is on its way already; undo it first.")
    if fact.code not in codes:
        raise Refused(f"“{fact.code}” is no outcome of a {case.kind} dispute; it is one of: {', '.join(codes)}.")
    if not fact.grounds.strip():
        raise Refused("An outcome needs its grounds, in words that both sides can read.")
    if case.reconsidered and fact.by in case.reviewers:
        raise Refused("A reconsideration is decided by another person than the first outcome.")
    for role in Role:
        if case.party(role).address is None:
            raise Refused(f"There is no address for the {role}: set it first, the outcome goes to both.")
        if any(hold.id == "danger" for hold in case.held(role)):
            raise Refused(f"Letters to the {role} are held: look at the flag first.")
    turn.say(f"{fact.by} recorded the outcome: {fact.code.replace('_', ' ')}.", "limits.undo")
    reconsider_until = turn.after(None, turn.policy.limits.reconsider)
    numbers = tuple(
        turn.write(
            "outcome",
            role,
            Sending.PERSON,
            {
                "code": fact.code,
                "grounds": fact.grounds.strip(),
                "reconsider_until": reconsider_until,
                "reconsidered": case.reconsidered,
            },
        )
        for role in Role
    )
    recorded = RecordedOutcome(fact.code, fact.grounds.strip(), fact.by, turn.now, numbers)
    turn.case = replace(
        turn.case, outcome=recorded, reviewers=tuple(dict.fromkeys((*case.reviewers, fact.by))), owner=fact.by
    )
    final_at = turn.leaves(Role.WORKER, Sending.PERSON)
    turn.start(Clock(Who.STAFF, What.WAKE, Topic.OUTCOME, final_at))


def replied(turn: Turn, fact: StaffReplied) -> None:
    _has_text(fact.text)
    if turn.case.party(fact.role).address is None:
        raise Refused(f"There is no address for the {fact.role}: set it first.")
    turn.say(f"{fact.by} wrote to the {fact.role}.", quote=fact.text)
    turn.write("reply", fact.role, Sending.PERSON, {"text": fact.text.strip(), "by_name": fact.by})
    turn.tick_off("reply")


def undone(turn: Turn, fact: Undone) -> None:
    """Take back a letter within its undo, or the outcome that has not gone out. Past it, Office keeps the letter."""
    outcome = turn.case.outcome
    if fact.letter is None or (outcome and fact.letter in outcome.letters):
        if outcome is None or outcome.final_at or turn.case.stage is not Stage.REVIEW:
            raise Refused("There is no outcome that could still be undone.")
        turn.say(f"{fact.by} took the outcome back before it left.")
        turn.cancel(outcome.letters, "the outcome was undone")
        turn.stop(lambda clock: clock.topic is Topic.OUTCOME)
        turn.case = replace(
            turn.case,
            outcome=None,
            reviewers=tuple(name for name in turn.case.reviewers if name != outcome.by or turn.case.reconsidered),
        )
        return
    turn.say(f"{fact.by} took letter {fact.letter} back, if it has not left.")
    turn.cancel((fact.letter,), f"undone by {fact.by}")


def _only_in(turn: Turn, *allowed: Stage) -> None:
    if turn.case.stage not in allowed:
        raise Refused(f"{turn.case.label} is in {turn.case.stage}; this is possible in {' or '.join(allowed)}.")


def _open_only(turn: Turn) -> None:
    if turn.case.stage in (Stage.RESOLVED, Stage.CLOSED):
        raise Refused(f"{turn.case.label} is {turn.case.stage}.")


def _item(turn: Turn, name: ItemName) -> Item:
    _open_only(turn)
    item = turn.case.item(name)
    if item is None:
        raise Refused(f"{turn.case.label} does not need: {name.replace('_', ' ')}.")
    return item


def _words(item: Item) -> str:
    return f"{item.name.replace('_', ' ')} of the {item.role}"


def _reason(text: str) -> str:
    if not text.strip():
        raise Refused("A reason is needed; it stands in the case for everybody who asks why.")
    return text.strip()


def _has_text(text: str) -> None:
    if not text.strip():
        raise Refused("The letter has no text.")
