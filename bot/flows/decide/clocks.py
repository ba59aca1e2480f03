"""Time passed: a clock came due, time was lost, a letter could not leave as decided."""

from datetime import datetime, timedelta

from bot.flows.case import LADDER, Clock, Closing, Impasse, Kind, Role, Stage, Topic, What, Who
from bot.flows.decide import stages
from bot.flows.decide.asking import climb, final, named, remind, step_back
from bot.flows.decide.turn import ROLE, WHO, Facts, Turn, pushed
from bot.flows.effects import Because, Sending
from bot.flows.events import ClockDue, LetterFailed, LetterLate, LetterSettled, TimeLost
from bot.flows.values import replace

NEWS = frozenset({"impasse", "extended_other", "settled_question", "status", "answer_received"})
"""Letters that start no clock: what they said is made up for by a status line."""


def due(turn: Turn, fact: ClockDue) -> None:
    """A clock came due. One that was stopped, held or moved meanwhile is only noted."""
    clock = turn.running(fact.who, fact.what, fact.topic)
    if clock is None or clock.due_at != fact.due_at or clock.held_by:
        turn.because = Because("A clock came due that no longer runs.")
    elif clock.who is Who.STAFF:
        _due_for_staff(turn, clock)
    else:
        _due_for_party(turn, clock, ROLE[clock.who])


def _due_for_party(turn: Turn, clock: Clock, role: Role) -> None:
    match clock.topic:
        case Topic.COMMENT:
            _time_to_agree(turn, clock, role)
        case Topic.AGREE:
            _time_is_over(turn, clock, role)
        case Topic.NOTICE:
            _pause_over(turn, clock, "The pause is over.")
        case Topic.SLEEP:
            _pause_over(turn, clock, "The date that the case waited for has come.")
        case Topic.AWAY:
            turn.say(f"The {role} should be back: its clocks go on.", "limits.out_of_office_max")
            turn.resume(f"away:{role}")
        case Topic.CLOSING:
            _close(turn, clock, role)
        case Topic.STATUS:
            _status(turn, clock, role)
        case _ if clock.what is What.LAPSE:
            _lapse(turn, role)
        case _:
            letter = "reminder" if clock.what is What.REMIND else "final notice"
            rule = "request.remind" if clock.what is What.REMIND else "request.deadline"
            turn.say(f"The {role} has not answered: {letter}.", rule)
            climb(turn, clock, role)


def _time_to_agree(turn: Turn, clock: Clock, role: Role) -> None:
    """The time to comment is over: both sides are asked to agree. Who still may comment is waited for.

    Source: policy `[talks] agree`.
    """
    theirs = turn.ladder(role.other)
    if theirs and theirs.topic is Topic.COMMENT:
        turn.say(f"The {role}'s time to comment is over; the {role.other} still has time.", "talks.comment")
        turn.stop(clock)
        return
    turn.say("The time to comment is over; both sides are asked whether they agree.", "talks.agree")
    for side in turn.case.sides:
        stages.ask_to_agree(turn, side)


def _time_is_over(turn: Turn, clock: Clock, role: Role) -> None:
    """A side's time to agree is over; an impasse is proposed when nobody has any left."""
    turn.stop(clock)
    if turn.ladder(role.other):
        turn.say(f"The {role}'s time to agree is over; the {role.other} still has time.", "talks.agree")
    else:
        turn.say("The time to agree is over: impasse proposed.", "talks.agree")
        stages.propose_impasse(turn, Impasse.NO_AGREEMENT, None)


def _lapse(turn: Turn, role: Role) -> None:
    """The end of a ladder: for the opener the case closes as incomplete, for the other side an impasse is proposed."""
    if turn.case.stage is Stage.GATHERING:
        turn.say(f"The {role} did not send what is missing: the case is closed as incomplete.", "request.end")
        stages.close(turn, Closing.INCOMPLETE)
    else:
        turn.say(f"The {role} did not answer: impasse proposed.", "request.end")
        stages.propose_impasse(turn, Impasse.NO_RESPONSE, role)


def _pause_over(turn: Turn, clock: Clock, text: str) -> None:
    turn.stop(clock)
    not_before = turn.case.not_before
    if stages.needs_person(turn.case, turn.policy):
        turn.say(f"{text} A person has to send the notice.", "notice.person")
    elif not_before and not_before > turn.now:
        turn.say(f"{text} The notice still waits for a date in the facts.", "notice.pause")
        turn.start(replace(clock, what=What.WAKE, topic=Topic.SLEEP, due_at=not_before))
    else:
        turn.say(f"{text} The {turn.case.respondent} gets the notice.", "notice.pause")
        stages.notify(turn, Sending.UNASKED)


def _close(turn: Turn, clock: Clock, role: Role) -> None:
    """A side's time to object to a closing is over; the case closes when that of both is."""
    turn.stop(clock)
    if any(other.topic is Topic.CLOSING for other in turn.case.clocks):
        turn.say(f"The {role} did not object to the closing; the {role.other} still has time.", "limits.close_after")
    else:
        how = turn.case.closing or Closing.SETTLED
        turn.say(f"Nobody answered: the case is closed as {how}.", "limits.close_after")
        stages.close(turn, how)


def _status(turn: Turn, clock: Clock, role: Role) -> None:
    """Tell a party of whom nothing is asked how it stands; after some unchanged lines, weekly.

    Source: policy `[status]`.
    """
    turn.stop(clock)
    turn.cancel((clock.last_letter,), "a newer line says how it stands")
    party = turn.case.party(role)
    turn.change_party(replace(party, statuses=party.statuses + 1))
    turn.say(f"A status line to the {role}.", "status." + (turn.case.kind or Kind.PAYMENT))
    say_status(turn, role)


def say_status(turn: Turn, role: Role) -> None:
    """Write a status line, and start the clock of the next one."""
    awaited = next((c for c in turn.case.clocks if c.who is not Who.STAFF and c.what in LADDER), None)
    since = turn.case.opened_at or turn.now
    if awaited:
        since = awaited.asked_at or since
    elif turn.case.waits:
        since = min(wait.since for wait in turn.case.waits)
    next_at = next_status(turn, role, turn.leaves(role, Sending.UNASKED))
    facts: Facts = {
        "stage": str(turn.case.stage),
        "awaits": str(awaited.who) if awaited else str(Who.STAFF) if turn.case.waits else "",
        "since": since,
        "next_at": next_at,
    }
    number = turn.write("status", role, Sending.UNASKED, facts)
    told = turn.case.party(role).told
    turn.start(Clock(WHO[role], What.STATUS, Topic.STATUS, next_at, told, last_letter=number))


def next_status(turn: Turn, role: Role, start: datetime) -> datetime:
    """When the party hears the next status line, counted from `start`. Source: policy `[status]`."""
    status = turn.policy.status
    if turn.case.party(role).statuses >= status.unchanged:
        return turn.after(role, status.weekly, start)
    return turn.after(role, status.payment if turn.case.kind is Kind.PAYMENT else status.rating, start)


def _due_for_staff(turn: Turn, clock: Clock) -> None:
    turn.stop(clock)
    match clock.topic:
        case Topic.OUTCOME:
            turn.say("The outcome has gone to both sides.", "limits.undo")
            stages.resolve(turn)
        case Topic.WINDOW:
            turn.say("The time to ask for reconsideration is over.", "limits.reconsider")
            stages.close(turn, Closing.OUTCOME)
        case Topic.LEGAL:
            turn.say("The legal hold is over.", "limits.legal_hold")
            turn.resume("legal")
        case _:
            _nudge(turn, clock)


def _nudge(turn: Turn, clock: Clock) -> None:
    """The staff ladder: owner or channel, then the lead, then the daily digest. Source: policy `[staff]`."""
    texts = "; ".join(wait.text for wait in turn.case.waits)
    staff = turn.policy.staff
    match clock.step:
        case 0:
            turn.say(f"Still waiting for staff: {texts}", "staff.nudge")
            turn.note(f"Waiting: {texts}", mention=turn.case.owner or "channel")
            due_at = max(turn.after(None, staff.lead, clock.asked_at), turn.now)
        case 1:
            turn.say(f"The lead is told, still waiting: {texts}", "staff.lead")
            turn.note(f"Waiting: {texts}", mention="lead")
            due_at = turn.after(None, staff.nudge)
        case _:
            turn.because = Because(f"It stays in the daily digest: {texts}", "staff.digest")
            due_at = turn.after(None, staff.nudge)
    turn.start(replace(clock, step=clock.step + 1, due_at=due_at))


def lost(turn: Turn, fact: TimeLost) -> None:
    """The bot did not run: every running clock of a party gets the lost working time back, and one letter says so.

    Source: policy `[limits] downtime`.
    """
    turn.say(f"Parley did not run from {fact.since:%Y-%m-%d %H:%M} to {fact.until:%H:%M} UTC.", "limits.downtime")
    for clock in turn.case.clocks:
        if clock.who is Who.STAFF or clock.held_by:
            continue
        role = ROLE[clock.who]
        calendar = turn.calendar(role)
        worked = calendar.working_between(fact.since, fact.until)
        if worked <= timedelta(0):
            continue
        later = pushed(clock, calendar, fact.since, worked)
        turn.swap(clock, later)
        if clock.what in LADDER and later.end_at != clock.end_at:
            _say_new_dates(turn, later, role, "catch_up")


def _say_new_dates(turn: Turn, clock: Clock, role: Role, name: str) -> None:
    """Tell a party the dates of its ladder as they are now. When the time to comment is over, a later letter says."""
    if clock.topic is Topic.COMMENT:
        return
    turn.cancel((clock.last_letter if clock.what is not What.LAPSE else None,), "its dates have moved")
    if clock.topic is Topic.AGREE:
        number = turn.write("agree", role, Sending.UNASKED, {"agree_until": clock.due_at})
    else:
        dates: Facts = {"missing": named(turn.case.wanted_from(role)), "end": clock.end_at or clock.due_at}
        if clock.deadline_at and clock.deadline_at > turn.now:
            dates["deadline"] = clock.deadline_at
        number = turn.write(name, role, Sending.UNASKED, dates)
    if clock.what is not What.LAPSE:
        turn.swap(clock, replace(clock, last_letter=number))


def late(turn: Turn, fact: LetterLate) -> None:
    """A letter could not leave in time; what it said is decided anew, with dates that count from now."""
    if fact.shadow:
        turn.say(f"The letter “{fact.name}” to the {fact.role} was only written in shadow mode.")
    else:
        turn.say(f"The letter “{fact.name}” to the {fact.role} could not leave in time.", "limits.late_after")
    write_again(turn, fact.letter, fact.role, fact.name)


def write_again(turn: Turn, letter: int, role: Role, name: str) -> None:
    """Decide a letter anew that did not leave, if the case still wants it said. `name` may be empty: unknown."""
    turn.forget(letter)
    if name == "receipt" or turn.case.party(turn.case.sides[0]).told is None:
        turn.case = replace(turn.case, receipted=False)
    if name == "notice" or turn.case.party(turn.case.sides[1]).told is None:
        turn.case = replace(turn.case, noticed_at=None)
    armed = next((c for c in turn.case.clocks if c.letter == letter and _armed_by_letter_to(c, role)), None)
    ladder = turn.ladder(role)
    outcome = turn.case.outcome
    if armed:
        _announce_again(turn, armed, role)
    elif ladder and ladder.what is not What.LAPSE and ladder.last_letter == letter:
        _rung_again(turn, ladder, role, name)
    elif outcome and outcome.final_at and letter in outcome.letters:
        number = stages.write_outcome(turn, role, outcome.code, outcome.grounds)
        numbers = tuple(number if old == letter else old for old in outcome.letters)
        turn.case = replace(turn.case, outcome=replace(outcome, letters=numbers))
    elif name in NEWS and turn.case.stage is not Stage.CLOSED:
        turn.change_party(replace(turn.case.party(role), unsaid=True))
    elif name in ("", "reply"):
        turn.want("reply", f"Letter {letter} to the {role} did not leave; write again if it is still needed.")
    else:
        turn.note("It is no longer needed.")


def _armed_by_letter_to(clock: Clock, role: Role) -> bool:
    """Whether a clock may be armed by a letter to this party: the notice's pause is announced to the other side."""
    if clock.topic in (Topic.NOTICE, Topic.SLEEP):
        return True
    return clock.who is WHO[role] and clock.topic is not Topic.STATUS


def _announce_again(turn: Turn, clock: Clock, role: Role) -> None:
    """The letter that arms a clock did not leave."""
    match clock.topic:
        case Topic.NOTICE | Topic.SLEEP:
            stages.announce_again(turn)
        case Topic.CLOSING:
            stages.say_closing_again(turn, clock, role)
        case Topic.REQUEST if clock.what is What.LAPSE:
            if turn.case.held(role):
                step_back(turn, clock)
            else:
                final(turn, clock, role)
        case _:
            stages.say_again(turn, clock, role)


def _rung_again(turn: Turn, clock: Clock, role: Role, name: str) -> None:
    """A letter within a ladder did not leave: a reminder, or one that told of new dates. A hold makes it needless."""
    if turn.case.held(role):
        turn.note("A hold stands: it is not written again.")
    elif name in ("extended", "catch_up"):
        _say_new_dates(turn, clock, role, name)
    else:
        number = remind(turn, replace(clock, step=max(clock.step - 1, 0)), role)
        turn.swap(clock, replace(clock, last_letter=number))


def failed(turn: Turn, fact: LetterFailed) -> None:
    """A letter is dead, or nobody knows whether it left: a person is asked; no clock it armed moves on by itself."""
    state = "was refused for good" if fact.state == "dead" else "may or may not have left"
    turn.say(f"The letter “{fact.name}” to the {fact.role} {state}: {fact.reason}")
    turn.want(f"letter:{fact.letter}", f"Letter {fact.letter} to the {fact.role} {state}.")


def settled(turn: Turn, fact: LetterSettled) -> None:
    """It is known what became of a letter: left, and its clock runs; not left, and it is decided anew."""
    turn.tick_off(f"letter:{fact.letter}")
    did = "did leave" if fact.left else "did not leave"
    turn.say(f"Letter {fact.letter} to the {fact.role} {did}: {fact.evidence}")
    if not fact.left:
        write_again(turn, fact.letter, fact.role, fact.name)
