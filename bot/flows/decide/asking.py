"""The one ladder: a request, its reminders, the final notice, and the end; the same for either party.

Source: policy `[request]`. A ladder is armed by its letter; the dates it announced never move earlier.
"""

from datetime import datetime

from bot.flows.case import Clock, Item, ItemState, Role, Topic, What, Who
from bot.flows.decide.turn import WHO, Facts, Turn
from bot.flows.effects import Because, Sending
from bot.flows.values import replace


def ask(turn: Turn, role: Role, name: str, sending: Sending, facts: Facts | None = None) -> None:
    """Ask a party for everything it owes: one letter with its dates, and a ladder counted from when it may leave.

    An earlier ladder of the party ends, but what it announced is never cut short. While a hold stands on the party,
    nothing is written: the ladder waits without a letter, and the request is decided when the hold ends.
    """
    before = turn.ladder(role)
    turn.stop_ladder(role, "asked anew")
    request, who = turn.policy.request, WHO[role]
    deadline_at, end_at = (before.deadline_at, before.end_at) if before else (None, None)
    if turn.case.held(role):
        turn.start(wait(who, Topic.REQUEST, turn.now, deadline_at, end_at))
        return
    if before:
        turn.cancel((before.letter,), "asked anew")
    if role in turn.event.braked:
        sending = Sending.UNASKED
    base = turn.leaves(role, sending)
    deadline, end = turn.after(role, request.deadline, base), turn.after(role, request.end, base)
    deadline, end = max(deadline, deadline_at or deadline), max(end, end_at or end)
    number = turn.write(
        name,
        role,
        sending,
        {
            "missing": named(turn.case.wanted_from(role)),
            "deadline": deadline,
            "end": end,
            **(facts or {}),
            **({"remind_first": turn.after(role, request.remind[0], base)} if request.remind else {}),
        },
        Because(turn.because.text, "request.deadline", turn.because.quote),
    )
    turn.change_items(
        replace(item, state=ItemState.REQUESTED, asked=(*item.asked, base)) for item in turn.case.wanted_from(role)
    )
    first = Clock(who, What.FINAL, Topic.REQUEST, deadline, number, base, 0, deadline, end)
    turn.start(_rung(turn, role, first))


def wait(who: Who, topic: Topic, now: datetime, deadline_at: datetime | None, end_at: datetime | None) -> Clock:
    """A ladder that a hold keeps from being announced."""
    return Clock(who, What.REMIND, topic, now, None, now, 0, deadline_at, end_at)


def climb(turn: Turn, clock: Clock, role: Role) -> None:
    """A rung came due: a reminder, or the final notice that names the end. An unsent earlier rung is taken back."""
    turn.cancel((clock.last_letter,), "the next step of its ladder came due")
    if clock.what is What.REMIND:
        number = remind(turn, clock, role)
        turn.start(_rung(turn, role, replace(clock, step=clock.step + 1, last_letter=number)))
    else:
        final(turn, clock, role)


def remind(turn: Turn, clock: Clock, role: Role) -> int:
    """Write the reminder of the clock's rung."""
    return turn.write(
        "reminder",
        role,
        Sending.UNASKED,
        {
            "missing": named(turn.case.wanted_from(role)),
            "step": clock.step + 1,
            "asked_at": _asked(turn, role),
            "deadline": clock.deadline_at or clock.due_at,
            "end": clock.end_at or clock.due_at,
        },
        Because(_still_missing(turn, role), "request.remind"),
    )


def final(turn: Turn, clock: Clock, role: Role) -> None:
    """Write the final notice. If it leaves later than announced, the end moves on as much, and never earlier.

    The clock keeps the request's number: if the notice cannot leave, the ladder steps back to it.
    """
    leaves = turn.leaves(role, Sending.UNASKED)
    calendar = turn.calendar(role)
    deadline, end = clock.deadline_at or clock.due_at, clock.end_at or clock.due_at
    end = max(end, calendar.plus_working(leaves, calendar.working_between(deadline, end)))
    number = turn.write(
        "final",
        role,
        Sending.UNASKED,
        {"missing": named(turn.case.wanted_from(role)), "asked_at": _asked(turn, role), "end": end},
        Because(_still_missing(turn, role), "request.end"),
    )
    request = clock.last_letter if clock.what is What.LAPSE else clock.letter
    turn.stop(clock)
    turn.start(replace(clock, what=What.LAPSE, due_at=end, end_at=end, letter=number, last_letter=request, step=0))


def step_back(turn: Turn, clock: Clock) -> None:
    """The final notice did not leave and a hold stands: it is due again when the hold ends."""
    turn.stop(clock)
    turn.start(replace(clock, what=What.FINAL, due_at=turn.now, letter=clock.last_letter, last_letter=None))


def extend(turn: Turn, clock: Clock, role: Role, until: datetime) -> Clock:
    """Let the next step of a party's ladder wait until `until`; returns the clock as it runs then."""
    calendar = turn.calendar(role)
    deadline, end = clock.deadline_at or clock.due_at, clock.end_at or clock.due_at
    gap = calendar.working_between(deadline, end)
    if clock.what is What.LAPSE:
        later = replace(clock, due_at=until, end_at=until)
    else:
        later_end = max(end, calendar.plus_working(until, gap))
        later = replace(clock, what=What.FINAL, due_at=until, deadline_at=until, end_at=later_end)
    turn.swap(clock, later)
    return later


def named(items: tuple[Item, ...]) -> tuple[str, ...]:
    return tuple(str(item.name) for item in items)


def _rung(turn: Turn, role: Role, clock: Clock) -> Clock:
    """The clock at its next rung: a reminder while there are any before the deadline, then the final notice."""
    reminders = turn.policy.request.remind
    deadline = clock.deadline_at or clock.due_at
    before = turn.ladder(role)
    if before and before.what is not What.LAPSE:
        turn.stop(before)
    if clock.step < len(reminders) and clock.asked_at:
        due = max(turn.after(role, reminders[clock.step], clock.asked_at), turn.now)
        if due < deadline:
            return replace(clock, what=What.REMIND, due_at=due)
    return replace(clock, what=What.FINAL, due_at=deadline)


def _asked(turn: Turn, role: Role) -> datetime:
    """When the party was first asked for what it still owes."""
    return min((item.asked[0] for item in turn.case.wanted_from(role) if item.asked), default=turn.now)


def _still_missing(turn: Turn, role: Role) -> str:
    words = ", ".join(name.replace("_", " ") for name in named(turn.case.wanted_from(role)))
    return f"The {role} has not sent: {words}."
