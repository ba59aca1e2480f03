"""After each decision: what now waits for staff, and the clocks that follow from that and from the stage alone."""

from dataclasses import replace

from bot.flows.case import (
    Case,
    Clock,
    ItemState,
    Provenance,
    Role,
    Stage,
    Topic,
    Wait,
    What,
    Who,
)
from bot.flows.decide.clocks import next_status
from bot.flows.decide.turn import DERIVED, Turn

DIGEST = 2
"""From this step on the staff ladder speaks in the daily digest."""


def arrange(turn: Turn) -> None:
    """Bring the waits, the staff ladder and the status clocks in line with the case."""
    _arrange_waits(turn)
    _arrange_staff_clock(turn)
    for role in Role:
        _arrange_status_clock(turn, role)


def waiting(case: Case) -> dict[str, str]:
    """What waits for staff as the case stands: a stable name, and plain words."""
    found: dict[str, str] = {}
    running = [clock for clock in case.clocks if clock.what in (What.SEND_NOTICE, What.WAKE, What.FINAL, What.LAPSE)]
    match case.stage:
        case Stage.SORTING:
            found["sorting"] = "Say what this is: rating, payment, another case, or no dispute."
        case Stage.NOTICE if not any(c.topic in (Topic.NOTICE, Topic.SLEEP) for c in running) and not case.closing:
            found["notice"] = f"Look at the notice to the {case.respondent} and send it."
        case Stage.TALKS if not any(c.topic in (Topic.COMMENT, Topic.AGREE) for c in running) and not case.closing:
            found["release"] = "Release statements to the other side, or skip the talks."
        case Stage.IMPASSE:
            found["impasse"] = f"Confirm the impasse: {(case.impasse or '').replace('_', ' ')}."
        case Stage.REVIEW if case.outcome is None:
            found["review"] = "Review the case and record an outcome with its grounds."
        case _:
            pass
    if case.stage in (Stage.RESOLVED, Stage.CLOSED):
        return found
    for item in case.items:
        if item.state is ItemState.RECEIVED and item.provenance is not Provenance.RELAYED:
            found[f"item:{item.name}"] = f"Accept or reject: {item.name.replace('_', ' ')} of the {item.role}."
    for mail in case.suggested:
        found[f"mail:{mail.mail_id}"] = "Say whether the unconfirmed mail is from a party."
    for hold in case.holds:
        if hold.id.startswith("bounce:"):
            found[f"address:{hold.roles[0]}"] = f"Find another address for the {hold.roles[0]}."
        elif hold.id in ("danger", "legal"):
            found[f"flag:{hold.id}"] = f"Look at the flagged mail. {hold.why}"
        elif hold.id == "staff":
            found["hold"] = f"End the hold when its reason is over: {hold.why}"
    return found


def _arrange_waits(turn: Turn) -> None:
    """Keep since when each thing has waited; what a person was asked for outside the case's state stays noted."""
    now_waiting = waiting(turn.case)
    since = {wait.about: wait.since for wait in turn.case.waits}
    noted = tuple(
        wait for wait in turn.case.waits if not wait.about.startswith(DERIVED) and wait.about not in now_waiting
    )
    if turn.case.stage is not Stage.SORTING:
        noted = tuple(wait for wait in noted if wait.about != "suggestion")
    derived = tuple(Wait(about, text, since.get(about, turn.now)) for about, text in now_waiting.items())
    turn.case = replace(turn.case, waits=(*derived, *noted))


def _arrange_staff_clock(turn: Turn) -> None:
    """One ladder for everything that waits for staff; something new starts it again. Source: policy `[staff]`."""
    clock = turn.case.clock(Who.STAFF, What.NUDGE)
    newest = max((wait.since for wait in turn.case.waits), default=None)
    if newest is None:
        turn.stop(lambda other: other.what is What.NUDGE)
    elif clock is None or (newest == turn.now and clock.asked_at != turn.now):
        danger = any(hold.id == "danger" for hold in turn.case.holds)
        span = turn.policy.staff.danger if danger else turn.policy.staff.nudge
        due_at = turn.after(None, span)
        turn.start(Clock(Who.STAFF, What.NUDGE, Topic.STAFF, due_at, asked_at=turn.now, step=1 if danger else 0))


def _arrange_status_clock(turn: Turn, role: Role) -> None:
    """A party that was written to and owes nothing hears how it stands from time to time. Source: policy `[status]`."""
    quiet = turn.case.stage in (Stage.SORTING, Stage.RESOLVED, Stage.CLOSED)
    if quiet or turn.ladder(role) or turn.case.closing or not turn.case.party(role).written:
        turn.stop(lambda clock: clock.who is Who(role) and clock.what is What.STATUS)
    elif turn.case.clock(Who(role), What.STATUS) is None:
        due_at = next_status(turn, role, max(turn.event.free.of(role), turn.now))
        turn.start(Clock(Who(role), What.STATUS, Topic.STATUS, due_at, turn.case.party(role).told))
