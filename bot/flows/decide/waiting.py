"""After each decision: what now waits for staff, and the clocks that follow from that and from the stage alone."""

from datetime import datetime

from bot.flows.case import Case, Clock, ItemState, Provenance, Role, Stage, Topic, Wait, What, Who
from bot.flows.decide import stages
from bot.flows.decide.clocks import next_status, say_status
from bot.flows.decide.reading import doubts_in_words
from bot.flows.decide.turn import WHO, Turn
from bot.flows.effects import Sending
from bot.flows.values import replace

NOTED = ("suggestion", "more_time:", "statement:", "reply", "letter:")
"""What staff were asked for as it happened; it waits until a person does it. All else follows from the case itself."""

DIGEST = 2
"""From this step on the staff ladder speaks in the daily digest."""

OVER = (Stage.RESOLVED, Stage.CLOSED)
QUIET = (Stage.SORTING, *OVER)
"""Stages in which nobody is told how it stands."""


def arrange(turn: Turn) -> None:
    """Bring what was kept back, the waits, the staff ladder and the status clocks in line with the case."""
    stages.carry_on(turn)
    _arrange_waits(turn)
    for role in turn.case.sides:
        if turn.taken_back:
            turn.note_first(role)
        if turn.case.party(role).unsaid:
            _make_up(turn, role)
        _arrange_status_clock(turn, role)
    _arrange_staff_clock(turn)


def waiting(case: Case) -> dict[str, str]:
    """What waits for staff as the case stands: a stable name, and plain words."""
    found: dict[str, str] = {}
    match case.stage:
        case Stage.SORTING:
            found["sorting"] = "Say what this is: rating, payment, another case, or no dispute."
        case Stage.NOTICE if not case.runs(Topic.NOTICE, Topic.SLEEP) and not case.closing:
            doubts = doubts_in_words(case)
            found["notice"] = f"Look at the notice to the {case.respondent} and send it{doubts and ': '}{doubts}."
        case Stage.TALKS if not case.runs(Topic.COMMENT, Topic.AGREE) and not case.closing:
            found["release"] = "Release statements to the other side, or skip the talks."
        case Stage.IMPASSE:
            found["impasse"] = f"Confirm the impasse: {(case.impasse or '').replace('_', ' ')}."
        case Stage.REVIEW if case.outcome is None:
            found["review"] = "Review the case and record an outcome with its grounds."
        case _:
            pass
    for item in case.items if case.stage not in OVER else ():
        if item.state is ItemState.RECEIVED and item.provenance is not Provenance.RELAYED:
            found[f"item:{item.name}"] = f"Accept or reject: {item.name.replace('_', ' ')} of the {item.role}."
    for mail in case.suggested:
        found[f"mail:{mail.mail_id}"] = "Say whether the unconfirmed mail is from a party."
    for hold in case.holds:
        if hold.id.startswith("bounce:") and case.stage is not Stage.CLOSED:
            found[f"address:{hold.roles[0]}"] = f"Find another address for the {hold.roles[0]}."
        elif hold.id in ("danger", "legal"):
            found[f"flag:{hold.id}"] = f"Look at the flagged mail. {hold.why}"
        elif hold.id == "staff":
            found["hold"] = f"End the hold when its reason is over: {hold.why}"
    return found


def _arrange_waits(turn: Turn) -> None:
    """Keep since when each thing has waited, and what was noted for as long as it can still be done."""
    before = turn.case.waits
    found = waiting(turn.case)
    if not before and not found:
        return
    known = {wait.about: wait for wait in before}
    waits = [_since(known.get(about), about, text, turn.now) for about, text in found.items()]
    waits += [wait for wait in before if wait.about.startswith(NOTED) and _possible(turn, wait.about)]
    if tuple(waits) != before:
        turn.case = replace(turn.case, waits=tuple(waits))


def _since(known: Wait | None, about: str, text: str, now: datetime) -> Wait:
    """The wait as it was known, or from now on."""
    if known is None:
        return Wait(about, text, now)
    return known if known.text == text else replace(known, text=text)


def _possible(turn: Turn, about: str) -> bool:
    """Whether what was noted can still be done."""
    what, _, detail = about.partition(":")
    match what:
        case "suggestion":
            return turn.case.stage is Stage.SORTING
        case "statement":
            return turn.case.stage is Stage.TALKS
        case "more_time":
            role = Role(detail)
            return turn.ladder(role) is not None and not turn.case.party(role).extended
        case _:
            return True


def _make_up(turn: Turn, role: Role) -> None:
    """News that a hold kept back is made up for by a status line."""
    quiet = turn.case.stage in (Stage.SORTING, Stage.CLOSED) or turn.case.held(role)
    if turn.case.party(role).address and not quiet:
        say_status(turn, role)


def _arrange_staff_clock(turn: Turn) -> None:
    """One ladder for everything that waits for staff, counted from the oldest; danger comes first.

    Once the ladder speaks in the digest only, something new starts it again. Source: policy `[staff]`.
    """
    clock = turn.case.clock(Who.STAFF, What.NUDGE)
    if not turn.case.waits:
        if clock:
            turn.stop(clock)
        return
    danger = turn.case.has_hold("danger")
    if clock and all(wait.since < turn.now for wait in turn.case.waits):
        return
    due_at = turn.after(None, turn.policy.staff.danger if danger else turn.policy.staff.nudge)
    if clock is None or clock.step >= DIGEST or due_at < clock.due_at:
        turn.start(Clock(Who.STAFF, What.NUDGE, Topic.STAFF, due_at, asked_at=turn.now, step=1 if danger else 0))


def _arrange_status_clock(turn: Turn, role: Role) -> None:
    """A party that was written to and owes nothing hears how it stands from time to time. Source: policy `[status]`.

    The clock is armed by the first letter that the party got.
    """
    case, party = turn.case, turn.case.party(role)
    clock = turn.running(WHO[role], What.STATUS, Topic.STATUS)
    quiet = case.stage in QUIET or case.closing or turn.ladder(role)
    if quiet or not party.reached or party.address is None:
        if clock:
            turn.stop(clock)
    elif clock is None:
        due_at = next_status(turn, role, turn.leaves(role, Sending.UNASKED))
        turn.start(Clock(WHO[role], What.STATUS, Topic.STATUS, due_at, party.told))
    elif clock.letter != party.told:
        turn.swap(clock, replace(clock, letter=party.told))
