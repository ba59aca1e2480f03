"""The ways from stage to stage: each function is one arrow of the diagram, and writes the letters that go with it.

Source: design of the procedure, "Stages"; the days are policy.
"""

from dataclasses import replace
from datetime import datetime

from bot.flows.case import (
    Case,
    Clock,
    Closing,
    Hold,
    Impasse,
    ItemState,
    Kind,
    Role,
    Stage,
    Topic,
    What,
    Who,
)
from bot.flows.decide.asking import ask, named
from bot.flows.decide.turn import Facts, Turn
from bot.flows.effects import Sending
from bot.flows.policy import NoticePerson, Policy


def gather(turn: Turn, first: bool) -> None:
    """Ask the opener for what is missing; if nothing is, announce the notice. `first` is the receipt of a new case."""
    case = turn.case
    opener = case.opener or Role.WORKER
    if not case.wanted_from(opener):
        announce(turn, "receipt" if first else "complete")
    elif first:
        ask(turn, opener, "receipt", Sending.ANSWER, {**_understood(case, opener)})
    else:
        ask(turn, opener, "request", Sending.ANSWER, {"reason": ""})


def announce(turn: Turn, name: str) -> None:
    """gathering → notice: tell the opener when we will write to the other side, or that a person looks first.

    While an item waits for staff the case stays in gathering. Source: policy `[notice]`.
    """
    case, opener = turn.case, turn.case.opener or Role.WORKER
    other = opener.other
    by_person = needs_person(case, turn.policy) or bool(_to_accept(case, opener))
    pause_over = turn.after(other, turn.policy.notice.pause)
    asleep = case.not_before is not None and case.not_before > pause_over
    notice_on = case.not_before if asleep and case.not_before else pause_over
    if not _to_accept(case, opener):
        turn.go(Stage.NOTICE)
    else:
        turn.stop_ladder(opener, "everything asked for is here")
    sleep: Facts = {"sleep_until": notice_on, "sleep_why": _sleep_why(case)} if asleep else {}
    understood = _understood(turn.case, opener) if name == "receipt" else _got(turn.case, opener)
    extra: Facts = {"missing": ()} if name == "receipt" else {"relayed": False}
    number = turn.write(
        name,
        opener,
        Sending.ANSWER,
        {"notice_on": notice_on, "notice_by_person": by_person, **understood, **extra, **sleep},
    )
    if turn.case.stage is Stage.NOTICE and (asleep or not by_person):
        what, topic = (What.WAKE, Topic.SLEEP) if asleep else (What.SEND_NOTICE, Topic.NOTICE)
        turn.start(Clock(Who(other), what, topic, notice_on, number))


def notify(turn: Turn, sending: Sending) -> None:
    """notice → answering: write to the other side for the first time, unless its words are here and accepted."""
    other = (turn.case.opener or Role.WORKER).other
    wanted = tuple(item for item in turn.case.items if item.role is other and not item.settled)
    if not wanted:
        answered(turn)
        return
    turn.go(Stage.ANSWERING)
    turn.case = replace(turn.case, noticed_at=turn.now)
    turn.change_items(replace(item, state=ItemState.MISSING) for item in wanted)
    ask(turn, other, "notice", sending, {"opener_role": str(other.other)})


def answered(turn: Turn) -> None:
    """answering → talks or review, as the policy has it for the kind. Source: policy `[talks]`."""
    goes_to_talks = turn.policy.talks.payment if turn.case.kind is Kind.PAYMENT else turn.policy.talks.rating
    turn.go(Stage.TALKS if goes_to_talks else Stage.REVIEW)


def propose_impasse(turn: Turn, impasse: Impasse, role: Role | None) -> None:
    """A clock or a person proposes; only a person confirms. `role` is the side that did not answer, if it is that."""
    turn.go(Stage.IMPASSE)
    turn.case = replace(turn.case, impasse=impasse, impasse_at=turn.now, impasse_role=role)


def review_impasse(turn: Turn) -> None:
    """impasse → review, confirmed by a person: what was not answered is not obtainable; both sides are told."""
    case = turn.case
    if case.impasse is Impasse.NO_RESPONSE:
        for item in case.items:
            if not item.settled and item.role is case.impasse_role:
                asked = ", ".join(f"{moment:%Y-%m-%d}" for moment in item.asked)
                turn.case = turn.case.with_item(
                    replace(item, state=ItemState.NOT_OBTAINABLE, by="rule", reason=f"no_response, asked on {asked}")
                )
    turn.go(Stage.REVIEW)
    for role in Role:
        if turn.case.party(role).written:
            silent = case.impasse is Impasse.NO_RESPONSE and role is case.impasse_role
            turn.write("impasse", role, Sending.UNASKED, {"impasse": str(case.impasse), "silent": silent})


def resolve(turn: Turn) -> None:
    """review → resolved, when the undo of the outcome has run out. Source: policy `[limits] reconsider`."""
    if turn.case.outcome:
        turn.case = replace(turn.case, outcome=replace(turn.case.outcome, final_at=turn.now))
    turn.go(Stage.RESOLVED)
    until = turn.after(None, turn.policy.limits.reconsider)
    turn.start(Clock(Who.STAFF, What.WAKE, Topic.WINDOW, until))


def offer_closing(turn: Turn, how: Closing) -> None:
    """The opener says it is settled or withdrawn: both are told, and it closes unless somebody answers.

    Source: policy `[limits] close_after`.
    """
    opener = turn.case.opener or Role.WORKER
    closes_on = turn.after(opener, turn.policy.limits.close_after)
    number = turn.write("closing", opener, Sending.ANSWER, {"how": str(how), "closes_on": closes_on})
    if turn.case.party(opener.other).written:
        turn.write("closing", opener.other, Sending.UNASKED, {"how": str(how), "closes_on": closes_on})
    turn.case = replace(turn.case, closing=how)
    turn.hold(Hold("closing", tuple(Role), f"The {opener} says that it is {how}.", turn.now, opener))
    turn.start(Clock(Who(opener), What.WAKE, Topic.CLOSING, closes_on, number))


def keep_open(turn: Turn) -> None:
    """Somebody answered an offered closing: the case goes on where it was, with the time given back."""
    turn.stop(lambda clock: clock.topic is Topic.CLOSING)
    turn.case = replace(turn.case, closing=None)
    end_hold(turn, "closing")


def close(turn: Turn, closed: Closing) -> None:
    """Any stage → closed. Every clock, hold and open question ends; `left` is where a reply would take it up again."""
    case = turn.case
    for role in Role:
        turn.stop_ladder(role, f"the case closed as {closed}")
    turn.case = replace(
        turn.case, stage=Stage.CLOSED, closed=closed, closing=None, left=case.stage, clocks=(), holds=(), waits=()
    )


def reopen(turn: Turn, sending: Sending) -> None:
    """closed → the stage it left. A party that owes something is asked afresh; a pause starts anew."""
    case = turn.case
    stage = case.left or Stage.SORTING
    turn.case = replace(case, stage=stage, closed=None, left=None)
    opener = case.opener or Role.WORKER
    match stage:
        case Stage.GATHERING if turn.case.wanted_from(opener):
            ask(turn, opener, "reopened", sending)
        case Stage.GATHERING | Stage.NOTICE:
            announce(turn, "complete")
        case Stage.ANSWERING if turn.case.wanted_from(opener.other):
            turn.write("filed", opener, sending, {"stage": str(stage), "person": False})
            ask(turn, opener.other, "request", Sending.UNASKED, {"reason": ""})
        case _:
            turn.write("filed", opener, sending, {"stage": str(stage), "person": True})


def reconsider(turn: Turn, role: Role) -> None:
    """resolved → review, once: another person looks at what is new."""
    turn.go(Stage.REVIEW)
    turn.stop(lambda clock: clock.topic is Topic.WINDOW)
    turn.case = replace(turn.case, reconsidered=True, owner=None, closed=None, outcome=None)
    turn.write("reconsideration", role, Sending.ANSWER)


def end_hold(turn: Turn, hold: str) -> None:
    """End a hold; what was to be asked while it stood is decided now."""
    roles = tuple(role for h in turn.case.holds if h.id == hold for role in h.roles)
    turn.resume(hold)
    for role in roles:
        ask_if_waiting(turn, role)


def ask_if_waiting(turn: Turn, role: Role) -> None:
    """Write the request that a hold kept back."""
    clock = turn.ladder(role)
    if clock is None or clock.letter is not None or clock.held_by:
        return
    ask_anew(turn, role)


def ask_anew(turn: Turn, role: Role, reason: str = "") -> None:
    """Ask a party afresh for what it owes: with the notice, if that is what it should have got, else a request."""
    if turn.case.stage is Stage.ANSWERING and role is turn.case.respondent and not reason:
        ask(turn, role, "notice", Sending.UNASKED, {"opener_role": str(role.other)})
    else:
        ask(turn, role, "request", Sending.UNASKED, {"reason": reason})


def needs_person(case: Case, policy: Policy) -> bool:
    """Whether a person must send the notice. Source: policy `[notice] person`."""
    return bool(case.doubts) or policy.notice.person is NoticePerson.ALWAYS


def unread(case: Case, role: Role) -> tuple[str, ...]:
    """Names of the files that a person will open for an item of this party."""
    return tuple(
        item.reason for item in case.items if item.role is role and item.state is ItemState.RECEIVED and item.reason
    )


def _to_accept(case: Case, role: Role) -> tuple[str, ...]:
    return named(tuple(item for item in case.items if item.role is role and item.state is ItemState.RECEIVED))


def _got(case: Case, role: Role) -> Facts:
    here = (ItemState.RECEIVED, ItemState.ACCEPTED)
    has = named(tuple(item for item in case.items if item.role is role and item.state in here))
    return {"has": has, "unread_files": unread(case, role)}


def _understood(case: Case, opener: Role) -> Facts:
    relayed = any(item.role is opener.other and item.state is ItemState.RECEIVED for item in case.items)
    return {**_got(case, opener), "invited": case.kind is Kind.RATING and not relayed, "relayed": relayed}


def _sleep_why(case: Case) -> str:
    return "under_48h" if "under_48h" in case.flags else "not_yet_due"


def ask_rest(turn: Turn, role: Role) -> None:
    """A late answer that was only a part gets one short extra time for the rest. Source: policy `[limits] partial`."""
    until = turn.after(role, turn.policy.limits.partial)
    number = turn.write(
        "partial",
        role,
        Sending.ANSWER,
        {"missing": named(turn.case.wanted_from(role)), "end": until, **_got(turn.case, role)},
    )
    turn.start(Clock(Who(role), What.LAPSE, Topic.PARTIAL, until, number, turn.now, 0, until, until))


def wake_at(turn: Turn, role: Role, topic: Topic, until: datetime) -> None:
    """Start the clock that ends a hold of the party by itself."""
    turn.start(Clock(Who(role), What.WAKE, topic, until))
