"""A person decided something: each function is one button of the case's thread. A refusal says what would be right."""

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
from bot.flows.decide import regroup, stages
from bot.flows.decide.asking import extend
from bot.flows.decide.reading import DANGER, accept_ids, consult, doubt, find_items, forget_assignment, leave_time
from bot.flows.decide.turn import ROLE, SUBJECTS, Facts, Refused, Turn
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
    Sorted,
    StaffReplied,
    TalksSkipped,
    Undone,
)
from bot.flows.values import replace

OUTCOMES: dict[Kind, tuple[str, ...]] = {
    Kind.RATING: ("kept", "changed", "removed", "withdrawn", "no_agreement"),
    Kind.PAYMENT: ("paid", "partly_paid", "scheduled", "not_owed", "withdrawn", "no_agreement"),
}
"""The codes an outcome may have, by kind."""


def claimed(turn: Turn, by: str) -> None:
    turn.case = replace(turn.case, owner=by)
    turn.say(f"{by} took the case.")


def sorted_by_person(turn: Turn, fact: Sorted) -> None:
    """A person said what it is: what is missing is asked for, or the notice announced, as at a receipt.

    What was there already of the kind's items stays; the mail is read again for them.
    """
    _only_in(turn, Stage.SORTING, Stage.GATHERING, Stage.NOTICE)
    if turn.case.sides[0] is not fact.opener:
        _exchange_sides(turn)
    if turn.case.party(fact.opener).address is None:
        raise Refused(f"There is no address for the {fact.opener}: set it first.")
    turn.say(f"{fact.by} sorted it as a {fact.kind} dispute opened by the {fact.opener}.")
    turn.case = replace(turn.case, kind=fact.kind, opener=fact.opener, subject=SUBJECTS[fact.kind], receipted=False)
    turn.case = replace(turn.case, stage=Stage.GATHERING)
    turn.stop_about(Topic.NOTICE, Topic.SLEEP)
    had = {(item.role, item.name): item for item in turn.case.items}
    items = tuple(had.get((item.role, item.name), item) for item in requirements(fact.kind, fact.opener))
    doubts = tuple(code for code in turn.case.doubts if code != "kind")
    turn.case = replace(turn.case, items=items, doubts=doubts)
    if fact.mail:
        _read_again(turn, fact.opener, fact.mail)
    if turn.case.assignment_ids:
        accept_ids(turn, fact.mail.mail_id if fact.mail else None)
    doubt(turn)
    ladder = turn.ladder(fact.opener)
    if ladder and turn.case.held(fact.opener):
        turn.swap(ladder, replace(ladder, letter=None))
    elif ladder and not turn.case.kept_back:
        stages.gather(turn)  # Where no ladder runs, `carry_on` does it.


def _read_again(turn: Turn, opener: Role, mail: MailFacts) -> None:
    known = turn.case.assignment_ids
    turn.case = replace(turn.case, assignment_ids=tuple(dict.fromkeys((*known, *mail.assignment_ids))))
    consult(turn, mail.listings)
    find_items(turn, opener, mail)
    leave_time(turn, opener, mail)


def _exchange_sides(turn: Turn) -> None:
    """The other side opened it: everything that was noted of one side is the other's."""
    case = turn.case
    turn.case = replace(
        case,
        worker=_as(case.client, Role.WORKER),
        client=_as(case.worker, Role.CLIENT),
        items=(),
        statements=tuple(replace(s, role=s.role.other) for s in case.statements),
        suggested=tuple(replace(s, role=s.role and s.role.other) for s in case.suggested),
        holds=tuple(_exchanged(hold) for hold in case.holds if not hold.id.startswith(("away:", "closing"))),
        closing=None,
        clocks=tuple(clock for clock in case.clocks if clock.who is Who.STAFF),
    )


def _as(party: Party, role: Role) -> Party:
    """The same person in the other role; what the directory said of that role no longer holds."""
    contacts = tuple(contact for contact in party.contacts if contact.source != "directory")
    named = party.named_by != "directory"
    return replace(
        party,
        role=role,
        contacts=contacts,
        name=party.name if named else "",
        named_by=party.named_by if named else "",
    )


def _exchanged(hold: Hold) -> Hold:
    name, _, role = hold.id.partition(":")
    sides = {str(role): str(role.other) for role in Role}
    return replace(
        hold, id=f"{name}:{sides[role]}" if role in sides else hold.id, roles=tuple(role.other for role in hold.roles)
    )


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
    if turn.case.has_hold(f"bounce:{fact.role}"):
        turn.resume(f"bounce:{fact.role}")
        _say_at_new_address(turn, fact.role)


def _say_at_new_address(turn: Turn, role: Role) -> None:
    """What the party should have got at the address that bounced."""
    turn.change_party(replace(turn.case.party(role), told=None))
    if role is turn.case.respondent:
        turn.case = replace(turn.case, noticed_at=None)
    case = turn.case
    ladder = turn.ladder(role)
    closing = next((c for c in case.clocks if c.topic is Topic.CLOSING and ROLE[c.who] is role), None)
    if closing:
        if ladder:  # It stands while the closing is open, and is announced again if the case goes on.
            turn.swap(ladder, replace(ladder, letter=None))
        stages.say_closing_again(turn, closing, role)
    elif ladder:
        stages.say_again(turn, ladder, role)
    elif case.stage is Stage.NOTICE and role is case.opener:
        stages.announce_again(turn)
    elif case.stage is Stage.RESOLVED and case.outcome:
        stages.write_outcome(turn, role, case.outcome.code, case.outcome.grounds)
    elif case.party(role).written:
        turn.change_party(replace(turn.case.party(role), unsaid=True))


def notice_released(turn: Turn, fact: NoticeReleased) -> None:
    _only_in(turn, Stage.NOTICE)
    other = turn.case.sides[1]
    _may_be_written_to(turn, other)
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
    turn.resume(held.id)


def flag_looked(turn: Turn, fact: FlagLooked) -> None:
    """A person has looked at a flagged mail. What it held goes on; the notice still needs a person."""
    turn.say(f"{fact.by} looked at the flag: {fact.flag.replace('_', ' ')}.")
    if fact.flag in DANGER:
        turn.resume("danger")
    elif fact.flag == "legal_threat":
        turn.resume("legal")


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
    last_rung = clock.what is What.LAPSE
    turn.cancel((None if last_rung else clock.last_letter,), "more time was given")
    later = extend(turn, clock, fact.role, until)
    turn.change_party(replace(turn.case.party(fact.role), extended=True))
    dates: Facts = {"end": later.end_at or until, **({} if last_rung else {"deadline": until})}
    number = turn.write("extended", fact.role, Sending.UNASKED, dates)
    if not last_rung:
        turn.swap(later, replace(later, last_letter=number))
    if turn.case.party(fact.role.other).reached:
        turn.tell("extended_other", fact.role.other, {"until": until})


def item_accepted(turn: Turn, fact: ItemAccepted) -> None:
    item = _item(turn, fact.item)
    turn.say(f"{fact.by} accepted: {_words(item)}.")
    _settle(turn, replace(item, state=ItemState.ACCEPTED, by=fact.by, reason=""))


def item_waived(turn: Turn, fact: ItemWaived) -> None:
    item = _item(turn, fact.item)
    turn.say(f"{fact.by} waived: {_words(item)}. {_reason(fact.reason)}")
    _settle(turn, replace(item, state=ItemState.WAIVED, by=fact.by, reason=fact.reason))


def item_rejected(turn: Turn, fact: ItemRejected) -> None:
    """The party is asked anew, with the reason; before the notice the case goes back to gathering for it."""
    item = _item(turn, fact.item)
    reason = _reason(fact.reason)
    if item.wanted:
        raise Refused(f"The {_words(item)} has not come yet; there is nothing to reject.")
    turn.say(f"{fact.by} asks again for: {_words(item)}. {reason}")
    turn.case = turn.case.with_item(replace(item, state=ItemState.REJECTED, by=fact.by, reason=reason))
    before_notice = turn.case.stage in (Stage.GATHERING, Stage.NOTICE)
    if before_notice and item.name is ItemName.ASSIGNMENT_ID:
        forget_assignment(turn)
        doubt(turn)
    stages.ask_again(turn, item.role)


def _settle(turn: Turn, item: Item) -> None:
    """An item needs nothing more: perhaps that was the last the stage waited for."""
    turn.case = turn.case.with_item(item)
    case, role = turn.case, item.role
    if any(other.role is role and not other.settled for other in case.items):
        return
    silent = case.stage is Stage.IMPASSE and role is case.impasse_role
    if role is case.respondent and (case.stage is Stage.ANSWERING or silent):
        stages.answered(turn)  # In gathering, `carry_on` announces the notice.


def released(turn: Turn, fact: Released) -> None:
    """One statement goes to the other side; its time to comment starts."""
    _only_in(turn, Stage.TALKS)
    statement = next((s for s in turn.case.statements if s.number == fact.statement), None)
    if statement is None:
        raise Refused(f"There is no statement {fact.statement} in {turn.case.label}.")
    if statement.released_at:
        raise Refused("This statement has been released already.")
    if statement.moved_to:
        raise Refused(f"Statement {statement.number} was put to D-{statement.moved_to}: it can be released there.")
    other = statement.role.other
    _may_be_written_to(turn, other)
    turn.say(f"{fact.by} released a statement of the {statement.role} to the {other}.", "talks.comment")
    stages.release(turn, other, statement.number, fact.by)
    turn.tick_off(f"statement:{statement.number}")


def talks_skipped(turn: Turn, fact: TalksSkipped) -> None:
    _only_in(turn, Stage.TALKS, Stage.ANSWERING)
    if turn.case.stage is Stage.ANSWERING and turn.case.wanted_from(turn.case.sides[1]):
        raise Refused("The answer is still being waited for: waive it, or propose an impasse.")
    turn.say(f"{fact.by} skipped the talks: {_reason(fact.reason)}")
    turn.go(Stage.REVIEW)


def impasse_proposed(turn: Turn, fact: ImpasseProposed) -> None:
    _only_in(turn, Stage.ANSWERING, Stage.TALKS)
    if fact.impasse is Impasse.NO_RESPONSE and turn.case.stage is Stage.TALKS:
        raise Refused("The answer is here: in talks an impasse is “no agreement”.")
    if fact.impasse is Impasse.NO_RESPONSE and not turn.case.wanted_from(turn.case.sides[1]):
        raise Refused("The answer is here: accept it, or ask again with the reason.")
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
        _no_danger(turn, role)
    turn.say(f"{fact.by} recorded the outcome: {fact.code.replace('_', ' ')}.", "limits.undo")
    if case.closing:
        stages.keep_open(turn)
    grounds = fact.grounds.strip()
    numbers = tuple(stages.write_outcome(turn, role, fact.code, grounds) for role in case.sides)
    recorded = RecordedOutcome(fact.code, grounds, fact.by, turn.now, numbers)
    reviewers = tuple(dict.fromkeys((*case.reviewers, fact.by)))
    turn.case = replace(turn.case, outcome=recorded, reviewers=reviewers, owner=fact.by)
    final_at = turn.leaves(case.sides[0], Sending.PERSON)
    turn.start(Clock(Who.STAFF, What.WAKE, Topic.OUTCOME, final_at))


def replied(turn: Turn, fact: StaffReplied) -> None:
    if not fact.text.strip():
        raise Refused("The letter has no text.")
    if turn.case.party(fact.role).address is None:
        raise Refused(f"There is no address for the {fact.role}: set it first.")
    _no_danger(turn, fact.role)
    turn.say(f"{fact.by} wrote to the {fact.role}.", quote=fact.text)
    turn.write("reply", fact.role, Sending.PERSON, {"text": fact.text.strip(), "by_name": fact.by})
    turn.tick_off("reply")


def undone(turn: Turn, fact: Undone) -> None:
    """Take back a letter within its undo, the outcome that has not gone out, or that the case is a duplicate.

    What has left is past undoing.
    """
    outcome = turn.case.outcome
    if fact.letter is None and turn.case.closed is Closing.DUPLICATE:
        regroup.own_again(turn, fact.by)
        return
    if fact.letter is None or (outcome and fact.letter in outcome.letters):
        clock = next((c for c in turn.case.clocks if c.topic is Topic.OUTCOME), None)
        if clock is None or clock.due_at <= turn.now:
            raise Refused("There is no outcome that could still be undone.")
        turn.say(f"{fact.by} took the outcome back before it left.")
        stages.take_back_outcome(turn, "the outcome was undone")
        return
    if not 1 <= fact.letter <= turn.case.letters:
        raise Refused(f"There is no letter {fact.letter} in {turn.case.label}.")
    armed = next((c for c in turn.case.clocks if c.letter == fact.letter and c.topic is not Topic.STATUS), None)
    unsent = armed is not None and armed.asked_at is not None and armed.asked_at > turn.now
    turn.say(f"{fact.by} took letter {fact.letter} back, if it has not left.")
    if armed and unsent and armed.topic is Topic.COMMENT:
        stages.take_back_release(turn, armed)
    elif armed and unsent and armed.topic is Topic.REQUEST and turn.case.stage is Stage.ANSWERING:
        stages.take_back_notice(turn)
    elif armed:
        raise Refused("This letter has left, or dates of the case rest on it: place a hold, or give more time.")
    else:
        turn.cancel((fact.letter,), f"undone by {fact.by}", for_good=True)


def _may_be_written_to(turn: Turn, role: Role) -> None:
    if turn.case.party(role).address is None:
        raise Refused(f"There is no address for the {role}: set it first.")
    if turn.case.held(role):
        raise Refused(f"Letters to the {role} are held: {turn.case.held(role)[0].why} End the hold first.")


def _no_danger(turn: Turn, role: Role) -> None:
    if any(hold.id == "danger" for hold in turn.case.held(role)):
        raise Refused(f"Letters to the {role} are held: look at the flag first.")


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
