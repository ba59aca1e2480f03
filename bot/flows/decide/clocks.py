"""Time passed: a clock came due, time was lost, a letter could not leave as decided."""

from dataclasses import replace
from datetime import datetime, timedelta

from bot.flows.case import (
    LADDER,
    Clock,
    Closing,
    Impasse,
    Kind,
    Role,
    Stage,
    Topic,
    What,
    Who,
)
from bot.flows.decide import stages
from bot.flows.decide.asking import climb, final, named, remind
from bot.flows.decide.turn import Turn, pushed
from bot.flows.effects import Because, Sending
from bot.flows.events import ClockDue, LetterFailed, LetterLate, LetterSettled, TimeLost


def due(turn: Turn, fact: ClockDue) -> None:
    """A clock came due. One that was stopped, held or moved meanwhile is only noted."""
    clock = next((c for c in turn.case.clocks if (c.who, c.what, c.topic) == (fact.who, fact.what, fact.topic)), None)
    if clock is None or clock.due_at != fact.due_at or clock.held_by:
        turn.because = Because("A clock came due that no longer runs.")
        return
    if clock.who is Who.STAFF:
        _due_for_staff(turn, clock)
    else:
        _due_for_party(turn, clock, Role(clock.who))


def _due_for_party(turn: Turn, clock: Clock, role: Role) -> None:
    match clock.what:
        case What.REMIND:
            turn.say(f"The {role} has not answered: reminder.", "request.remind")
            climb(turn, clock, role)
        case What.FINAL if clock.topic is Topic.COMMENT:
            _time_to_agree(turn)
        case What.FINAL:
            turn.say(f"The {role} has not answered: final notice.", "request.deadline")
            climb(turn, clock, role)
        case What.LAPSE:
            _lapse(turn, clock, role)
        case What.SEND_NOTICE:
            _pause_over(turn, clock, "The pause is over.", "notice.pause")
        case What.WAKE:
            _wake(turn, clock, role)
        case What.STATUS:
            _status(turn, clock, role)
        case What.NUDGE:
            turn.stop(lambda other: other is clock)


def _time_to_agree(turn: Turn) -> None:
    """The time to comment is over: both sides are asked to agree, and a new deadline runs on both.

    Source: policy `[talks] agree`.
    """
    turn.say("The time to comment is over; both sides are asked whether they agree.", "talks.agree")
    for side in Role:
        if turn.case.held(side):
            continue
        leaves = turn.leaves(side, Sending.UNASKED)
        until = turn.after(side, turn.policy.talks.agree, leaves)
        turn.stop_ladder(side, "the time to agree began")
        number = turn.write("agree", side, Sending.UNASKED, {"agree_until": until})
        turn.start(Clock(Who(side), What.LAPSE, Topic.AGREE, until, number, leaves, 0, until, until))


def _lapse(turn: Turn, clock: Clock, role: Role) -> None:
    """The end of a ladder: for the opener the case closes as incomplete, for the other side an impasse is proposed."""
    turn.stop(lambda other: other is clock)
    if clock.topic is Topic.AGREE:
        turn.say("The time to agree is over: impasse proposed.", "talks.agree")
        stages.propose_impasse(turn, Impasse.NO_AGREEMENT, None)
    elif turn.case.stage is Stage.GATHERING:
        turn.say(f"The {role} did not send what is missing: the case is closed as incomplete.", "request.end")
        stages.close(turn, Closing.INCOMPLETE)
    else:
        turn.say(f"The {role} did not answer: impasse proposed.", "request.end")
        stages.propose_impasse(turn, Impasse.NO_RESPONSE, role)


def _pause_over(turn: Turn, clock: Clock, text: str, rule: str) -> None:
    turn.stop(lambda other: other is clock)
    if stages.needs_person(turn.case, turn.policy):
        turn.say(f"{text} A person has to send the notice.", "notice.person")
    else:
        turn.say(f"{text} The {turn.case.respondent} gets the notice.", rule)
        stages.notify(turn, Sending.UNASKED)


def _wake(turn: Turn, clock: Clock, role: Role) -> None:
    turn.stop(lambda other: other is clock)
    if clock.topic is Topic.SLEEP:
        _pause_over(turn, clock, "The date that the case waited for has come.", "notice.pause")
    elif clock.topic is Topic.AWAY:
        turn.say(f"The {role} should be back: its clocks go on.", "limits.out_of_office_max")
        stages.end_hold(turn, f"away:{role}")
    else:
        how = turn.case.closing or Closing.SETTLED
        turn.say(f"Nobody answered: the case is closed as {how}.", "limits.close_after")
        stages.close(turn, how)


def _status(turn: Turn, clock: Clock, role: Role) -> None:
    """Tell a party of whom nothing is asked how it stands; after some unchanged lines, weekly.

    Source: policy `[status]`.
    """
    turn.stop(lambda other: other is clock)
    party = turn.case.party(role)
    turn.change_party(replace(party, statuses=party.statuses + 1))
    turn.say(f"A status line to the {role}.", "status." + (turn.case.kind or Kind.PAYMENT))
    parties = [who for who in turn.case.awaits() if who is not Who.STAFF]
    awaits = str(parties[0]) if parties else str(Who.STAFF) if turn.case.waits else ""
    leaves = turn.leaves(role, Sending.UNASKED)
    next_at = next_status(turn, role, leaves)
    number = turn.write(
        "status",
        role,
        Sending.UNASKED,
        {
            "stage": str(turn.case.stage),
            "awaits": awaits,
            "since": turn.case.noticed_at or turn.case.opened_at or turn.now,
            "next_at": next_at,
        },
    )
    turn.start(Clock(Who(role), What.STATUS, Topic.STATUS, next_at, number))


def next_status(turn: Turn, role: Role, start: datetime) -> datetime:
    """When the party hears the next status line, counted from `start`. Source: policy `[status]`."""
    status = turn.policy.status
    if turn.case.party(role).statuses >= status.unchanged:
        return turn.after(role, status.weekly, start)
    return turn.after(role, status.payment if turn.case.kind is Kind.PAYMENT else status.rating, start)


def _due_for_staff(turn: Turn, clock: Clock) -> None:
    turn.stop(lambda other: other is clock)
    match clock.topic:
        case Topic.OUTCOME:
            turn.say("The outcome has gone to both sides.", "limits.undo")
            stages.resolve(turn)
        case Topic.WINDOW:
            turn.say("The time to ask for reconsideration is over.", "limits.reconsider")
            stages.close(turn, Closing.OUTCOME)
        case Topic.LEGAL:
            turn.say("The legal hold is over.", "limits.legal_hold")
            stages.end_hold(turn, "legal")
            go_on(turn)
        case _:
            _nudge(turn, clock)


def go_on(turn: Turn) -> None:
    """After a hold on a case that had only had its plain receipt: ask, or announce."""
    opener = turn.case.opener
    if turn.case.stage is Stage.GATHERING and opener and turn.ladder(opener) is None and not turn.case.held(opener):
        stages.gather(turn, first=False)


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
        role = Role(clock.who)
        calendar = turn.calendar(role)
        worked = calendar.working_between(fact.since, fact.until)
        if worked <= timedelta(0):
            continue
        later = pushed(clock, calendar, fact.since, worked)
        turn.start(later)
        if clock.what in LADDER and later.end_at != clock.end_at:
            _catch_up(turn, later, role)


def _catch_up(turn: Turn, clock: Clock, role: Role) -> None:
    facts = {"deadline": clock.deadline_at, "end": clock.end_at}
    number = turn.write(
        "catch_up",
        role,
        Sending.UNASKED,
        {
            "missing": named(turn.case.wanted_from(role)),
            **{name: moment for name, moment in facts.items() if moment and moment > turn.now},
        },
    )
    turn.cancel((clock.last_letter,), "its dates have moved")
    turn.start(replace(clock, last_letter=number))


def late(turn: Turn, fact: LetterLate) -> None:
    """A dated letter could not leave in time; what it said is decided anew, with dates that count from now."""
    turn.say(f"The letter “{fact.name}” to the {fact.role} could not leave in time.", "limits.late_after")
    write_again(turn, fact.letter, fact.role)


def write_again(turn: Turn, letter: int, role: Role) -> None:
    """Decide a letter anew that did not leave, if the case still wants it said."""
    clock = turn.ladder(role)
    announced = next(
        (c for c in turn.case.clocks if c.letter == letter and c.what in (What.SEND_NOTICE, What.WAKE)), None
    )
    if announced and turn.case.stage is Stage.NOTICE:
        stages.announce(turn, "complete")
    elif clock is None or letter not in (clock.letter, clock.last_letter):
        turn.note("It is no longer needed.")
    elif clock.letter == letter and clock.what is What.LAPSE and clock.topic is Topic.REQUEST:
        final(turn, clock, role)
    elif clock.letter == letter and clock.topic is Topic.REQUEST:
        stages.ask_anew(turn, role)
    elif clock.letter == letter:
        _say_talks_again(turn, clock, role)
    else:
        number = remind(turn, replace(clock, step=max(clock.step - 1, 0)), role)
        turn.start(replace(clock, last_letter=number))


def _say_talks_again(turn: Turn, clock: Clock, role: Role) -> None:
    """A dated letter of the talks, or of a late answer's extra time, with its time counted anew."""
    leaves = turn.leaves(role, Sending.UNASKED)
    if clock.topic is Topic.PARTIAL:
        until = turn.after(role, turn.policy.limits.partial, leaves)
        missing = named(turn.case.wanted_from(role))
        number = turn.write(
            "request", role, Sending.UNASKED, {"missing": missing, "reason": "", "deadline": until, "end": until}
        )
    else:
        until = turn.after(role, turn.policy.talks.agree, leaves)
        number = turn.write("agree", role, Sending.UNASKED, {"agree_until": until})
    turn.start(replace(clock, due_at=until, deadline_at=until, end_at=until, letter=number))


def failed(turn: Turn, fact: LetterFailed) -> None:
    """A letter is dead, or nobody knows whether it left: a person is asked; no clock it armed moves on by itself."""
    state = "was refused for good" if fact.state == "dead" else "may or may not have left"
    turn.say(f"The letter “{fact.name}” to the {fact.role} {state}: {fact.reason}")
    turn.want(f"letter:{fact.letter}", f"Letter {fact.letter} to the {fact.role} {state}.")


def settled(turn: Turn, fact: LetterSettled) -> None:
    """It is known what became of a letter: left, and its clock runs; not left, and it is decided anew."""
    turn.tick_off(f"letter:{fact.letter}")
    if fact.left:
        turn.say(f"Letter {fact.letter} to the {fact.role} did leave: {fact.evidence}")
    else:
        turn.say(f"Letter {fact.letter} to the {fact.role} did not leave: {fact.evidence}")
        write_again(turn, fact.letter, fact.role)
