"""The ways from stage to stage: each function is one arrow of the diagram, and writes the letters that go with it.

Source: design of the procedure, "Stages"; the days are policy.
"""

from datetime import datetime

from bot.flows.case import (
    Case,
    Clock,
    Closing,
    Hold,
    Impasse,
    ItemState,
    Kind,
    Provenance,
    Role,
    Stage,
    Topic,
    What,
    Who,
)
from bot.flows.decide.asking import ask, named
from bot.flows.decide.turn import WHO, Facts, Turn
from bot.flows.effects import Sending
from bot.flows.policy import NoticePerson, Policy
from bot.flows.values import replace

# --- Gathering, notice ----------------------------------------------------------------------------------------------


def gather(turn: Turn) -> None:
    """Ask the opener for what is missing; if nothing is, announce the notice. The first such letter is the receipt."""
    opener = turn.case.sides[0]
    if not turn.case.wanted_from(opener):
        announce(turn)
    elif turn.case.receipted:
        ask(turn, opener, "request", turn.sending(opener), {"reason": _reason(turn.case, opener)})
    else:
        ask(turn, opener, "receipt", Sending.ANSWER, _understood(turn.case, opener))
        turn.case = replace(turn.case, receipted=not turn.case.held(opener))


def announce(turn: Turn) -> None:
    """gathering → notice: tell the opener when we will write to the other side, or that a person looks first.

    While an item waits for staff the case stays in gathering. Source: policy `[notice]`.
    """
    opener, other = turn.case.sides
    to_accept = any(item.role is opener and item.state is ItemState.RECEIVED for item in turn.case.items)
    by_person = needs_person(turn.case, turn.policy) or to_accept or bool(turn.case.held(other))
    name, sending = ("complete", turn.sending(opener)) if turn.case.receipted else ("receipt", Sending.ANSWER)
    pause_over = turn.after(other, turn.policy.notice.pause, turn.leaves(opener, sending))
    asleep = turn.case.not_before is not None and turn.case.not_before > pause_over
    notice_on = max(pause_over, turn.case.not_before or pause_over)
    ladder = turn.ladder(opener)
    if ladder:
        turn.cancel((ladder.letter,), "everything asked for is here")
    if not to_accept:
        turn.go(Stage.NOTICE)
    sleep: Facts = {"sleep_until": notice_on, "sleep_why": _sleep_why(turn.case)} if asleep else {}
    facts = _got(turn.case, opener) if turn.case.receipted else _understood(turn.case, opener)
    number = turn.write(
        name,
        opener,
        sending,
        {"missing": (), "relayed": False, **facts, "notice_on": notice_on, "notice_by_person": by_person, **sleep},
    )
    turn.case = replace(turn.case, receipted=True)
    if not to_accept and (asleep or not by_person):
        what, topic = (What.WAKE, Topic.SLEEP) if asleep else (What.SEND_NOTICE, Topic.NOTICE)
        turn.start(Clock(WHO[other], what, topic, notice_on, number))


def announce_again(turn: Turn) -> None:
    """notice → gathering: the opener does not know of the notice. It is announced anew, now or when a hold ends."""
    turn.stop_about(Topic.NOTICE, Topic.SLEEP)
    turn.case = replace(turn.case, stage=Stage.GATHERING)
    carry_on(turn)


def notify(turn: Turn, sending: Sending) -> None:
    """notice → answering: write to the other side for the first time.

    Its own words that are here already are not asked for again: those that wait for staff are accepted first, and once
    everything is accepted the case is answered. Words that the opener relayed do not count until staff confirm them.
    """
    other = turn.case.sides[1]
    unsettled = tuple(item for item in turn.case.items if item.role is other and not item.settled)
    if not unsettled:
        answered(turn)
        return
    turn.go(Stage.ANSWERING)
    relayed = (item for item in unsettled if item.provenance is Provenance.RELAYED)
    turn.change_items(replace(item, state=ItemState.MISSING) for item in relayed)
    if turn.case.wanted_from(other):
        _ask_by_notice(turn, other, sending)


def _ask_by_notice(turn: Turn, role: Role, sending: Sending) -> None:
    if not turn.case.held(role):
        turn.case = replace(turn.case, noticed_at=turn.now)  # From now on names of the directory may stand in letters.
    ask(turn, role, "notice", sending, {"opener_role": str(role.other)})


def back_to_gathering(turn: Turn) -> None:
    """notice → gathering: a person found that something of the opener is missing after all."""
    turn.go(Stage.GATHERING)
    gather(turn)


def take_back_notice(turn: Turn) -> None:
    """answering → notice: a person took the notice back before it left, and sends it when it is right."""
    other = turn.case.sides[1]
    turn.change_items(
        replace(item, state=ItemState.MISSING, asked=item.asked[:-1]) for item in turn.case.wanted_from(other)
    )
    turn.go(Stage.NOTICE)
    turn.case = replace(turn.case, noticed_at=None)


# --- Answering, talks -----------------------------------------------------------------------------------------------


def answered(turn: Turn) -> None:
    """answering → talks or review, as the policy has it for the kind. Source: policy `[talks]`."""
    turn.go(Stage.TALKS if goes_to_talks(turn) else Stage.REVIEW)
    turn.case = replace(turn.case, impasse=None, impasse_at=None, impasse_role=None)


def goes_to_talks(turn: Turn) -> bool:
    return turn.policy.talks.payment if turn.case.kind is Kind.PAYMENT else turn.policy.talks.rating


def ask_rest(turn: Turn, role: Role) -> None:
    """A late answer that was only a part gets one short extra time for the rest. Source: policy `[limits] partial`."""
    reason = _reason(turn.case, role)
    leaves = turn.leaves(role, Sending.UNASKED)
    until = turn.after(role, turn.policy.limits.partial, leaves)
    turn.stop_ladder(role, "asked anew")
    clock = Clock(WHO[role], What.LAPSE, Topic.PARTIAL, until, None, leaves, 0, until, until)
    if not turn.case.held(role):
        missing = named(turn.case.wanted_from(role))
        facts: Facts = {"missing": missing, "reason": reason, "deadline": until, "end": until}
        clock = replace(clock, letter=turn.write("request", role, Sending.UNASKED, facts))
    turn.start(clock)


def release(turn: Turn, role: Role, number: int, by: str) -> None:
    """A statement goes to `role`, after its undo; its time to comment starts. Source: policy `[talks]`."""
    statement = turn.case.statements[number - 1]
    leaves = turn.leaves(role, Sending.PERSON)
    before = turn.ladder(role)
    comment_until = turn.after(role, turn.policy.talks.comment, leaves)
    agree_until = turn.after(role, turn.policy.talks.agree, comment_until)
    if before:
        comment_until = max(comment_until, before.deadline_at or comment_until)
        agree_until = max(agree_until, before.end_at or agree_until)
    turn.stop_ladder(role, "a further statement was released")
    facts: Facts = {
        "statement": statement.text,
        "from_role": str(statement.role),
        "comment_until": comment_until,
        "agree_until": agree_until,
    }
    letter = turn.write("release", role, Sending.PERSON, facts)
    turn.start(
        Clock(WHO[role], What.FINAL, Topic.COMMENT, comment_until, letter, leaves, 0, comment_until, agree_until)
    )
    _note_release(turn, number, letter, by)


def _note_release(turn: Turn, number: int, letter: int | None, by: str) -> None:
    """By which letter a statement was released, and by whom; None: it was not."""
    at = turn.now if letter else None
    turn.case = replace(
        turn.case,
        statements=tuple(
            replace(s, letter=letter, released_at=at, by=by) if s.number == number else s for s in turn.case.statements
        ),
    )


def take_back_release(turn: Turn, clock: Clock) -> None:
    """A statement that has not left is not released; staff are asked again."""
    turn.cancel((clock.letter,), "the release was taken back", for_good=True)
    turn.stop(clock)
    for statement in turn.case.statements:
        if statement.letter is not None and statement.letter == clock.letter:
            _note_release(turn, statement.number, None, "")
            turn.want(f"statement:{statement.number}", f"Statement {statement.number} can be released again.")


def ask_to_agree(turn: Turn, role: Role) -> None:
    """The last time of the talks: to agree. Under a hold it waits to be announced. Source: policy `[talks] agree`."""
    before = turn.ladder(role)
    leaves = turn.leaves(role, Sending.UNASKED)
    until = turn.after(role, turn.policy.talks.agree, leaves)
    if before and before.end_at:
        until = max(until, before.end_at)
    turn.stop_ladder(role, "the time to agree began")
    clock = Clock(WHO[role], What.LAPSE, Topic.AGREE, until, None, leaves, 0, until, until)
    if not turn.case.held(role):
        clock = replace(clock, letter=turn.write("agree", role, Sending.UNASKED, {"agree_until": until}))
    turn.start(clock)


# --- Impasse, review, outcome ---------------------------------------------------------------------------------------


def propose_impasse(turn: Turn, impasse: Impasse, role: Role | None) -> None:
    """A clock or a person proposes; only a person confirms. `role` is the side that did not answer, if it is that."""
    turn.go(Stage.IMPASSE)
    turn.case = replace(turn.case, impasse=impasse, impasse_at=turn.now, impasse_role=role)


def review_impasse(turn: Turn) -> None:
    """impasse → review, confirmed by a person: what was not answered is not obtainable; both sides are told."""
    case = turn.case
    for item in case.items:
        if item.wanted and item.role is case.impasse_role:
            asked = ", ".join(f"{moment:%Y-%m-%d}" for moment in item.asked)
            turn.case = turn.case.with_item(
                replace(item, state=ItemState.NOT_OBTAINABLE, by="rule", reason=f"no_response, asked on {asked}")
            )
    turn.go(Stage.REVIEW)
    for role in case.sides:
        turn.tell("impasse", role, {"impasse": str(case.impasse), "silent": role is case.impasse_role})


def write_outcome(turn: Turn, role: Role, code: str, grounds: str) -> int:
    """The outcome's letter to one side. Source: policy `[limits] reconsider`."""
    until = turn.after(None, turn.policy.limits.reconsider, turn.leaves(role, Sending.PERSON))
    facts: Facts = {
        "code": code,
        "grounds": grounds,
        "reconsider_until": until,
        "reconsidered": turn.case.reconsidered,
    }
    return turn.write("outcome", role, Sending.PERSON, facts)


def take_back_outcome(turn: Turn, why: str) -> None:
    """An outcome that has not left is none: the case waits for its review again."""
    outcome = turn.case.outcome
    if outcome is None:
        return
    turn.cancel(outcome.letters, why, for_good=True)
    turn.stop_about(Topic.OUTCOME)
    reviewers = tuple(name for name in turn.case.reviewers if name != outcome.by)
    turn.case = replace(turn.case, outcome=None, reviewers=reviewers)


def resolve(turn: Turn) -> None:
    """review → resolved, when the undo of the outcome has run out. Source: policy `[limits] reconsider`."""
    outcome = turn.case.outcome
    turn.case = replace(turn.case, outcome=outcome and replace(outcome, final_at=turn.now))
    turn.go(Stage.RESOLVED)
    until = turn.after(None, turn.policy.limits.reconsider)
    turn.start(Clock(Who.STAFF, What.WAKE, Topic.WINDOW, until))


def reconsider(turn: Turn, role: Role) -> None:
    """resolved → review, once: another person looks at what is new."""
    turn.go(Stage.REVIEW)
    turn.stop_about(Topic.WINDOW)
    turn.case = replace(turn.case, reconsidered=True, owner=None, closed=None, left=None, outcome=None)
    turn.answer("reconsideration", role)


# --- Closing --------------------------------------------------------------------------------------------------------


def offer_closing(turn: Turn, how: Closing) -> None:
    """The opener says it is settled or withdrawn: both are told, and it closes unless somebody answers.

    It closes at one moment for both, when each has had its letter and its days. Source: policy `[limits] close_after`.
    """
    case = turn.case
    opener = case.sides[0]
    others = (opener.other,) if case.party(opener.other).reached and not case.held(opener.other) else ()
    told = [opener, *(role for role in others if case.party(role).address)]
    closes_on = max(_closes_on(turn, role) for role in told)
    turn.case = replace(turn.case, closing=how)
    turn.hold(Hold("closing", case.sides, f"The {opener} says that it is {how}.", turn.now, opener))
    for role in told:
        _say_closing(turn, role, closes_on)


def say_closing_again(turn: Turn, clock: Clock, role: Role) -> None:
    """The letter that offered the closing did not reach the party: it gets its days anew.

    If it cannot be told now, the case closes when the other side has been; and if nobody has, it stays open.
    """
    turn.stop(clock)
    if any(hold.id != "closing" for hold in turn.case.held(role)):
        turn.change_party(replace(turn.case.party(role), unsaid=True))
        if not any(other.topic is Topic.CLOSING for other in turn.case.clocks):
            turn.want("reply", f"Nobody could be told that the case closes as {turn.case.closing}; it stays open.")
            keep_open(turn)
        return
    _say_closing(turn, role, max(clock.due_at, _closes_on(turn, role)))


def _closes_on(turn: Turn, role: Role) -> datetime:
    return turn.after(role, turn.policy.limits.close_after, turn.leaves(role, turn.sending(role)))


def _say_closing(turn: Turn, role: Role, closes_on: datetime) -> None:
    facts: Facts = {"how": str(turn.case.closing), "closes_on": closes_on}
    number = turn.write("closing", role, turn.sending(role), facts)
    turn.start(Clock(WHO[role], What.WAKE, Topic.CLOSING, closes_on, number))


def keep_open(turn: Turn) -> None:
    """Somebody answered an offered closing: the case goes on where it was, with the time given back."""
    letters = [clock.letter for clock in turn.case.clocks if clock.topic is Topic.CLOSING]
    turn.cancel(letters, "the case stays open", for_good=True)
    turn.stop_about(Topic.CLOSING)
    turn.case = replace(turn.case, closing=None)
    turn.resume("closing")


def close(turn: Turn, closed: Closing) -> None:
    """Any stage → closed. Every clock ends; `left` is where a reply would take it up again.

    What a person has not looked at yet stays to be looked at: flagged and unconfirmed mail, letters nobody knows about.
    """
    case = turn.case
    for role in case.sides:
        turn.stop_ladder(role, f"the case closed as {closed}")
    turn.case = replace(
        turn.case,
        stage=Stage.CLOSED,
        closed=closed,
        closing=None,
        left=case.stage,
        clocks=(),
        holds=tuple(hold for hold in case.holds if hold.id.startswith(("danger", "mail:", "subject:", "bounce:"))),
        waits=tuple(wait for wait in case.waits if wait.about.startswith("letter:")),
    )


def reopen(turn: Turn, role: Role) -> None:
    """closed → the stage it left, by a mail of `role`. Who owes something is asked afresh; a pause starts anew."""
    stage = turn.case.left or Stage.SORTING
    turn.case = replace(turn.case, stage=stage, closed=None, left=None)
    opener, other = turn.case.sides
    owing = opener if stage is Stage.GATHERING else other if stage is Stage.ANSWERING else None
    if owing and turn.case.wanted_from(owing):
        if owing is role and not turn.case.held(role):
            turn.answered = True
            ask(turn, role, "reopened", Sending.ANSWER)
            return
        turn.answer("reopened", role, {"missing": ()})
        ask_anew(turn, owing)
    elif stage in (Stage.GATHERING, Stage.NOTICE):
        turn.case = replace(turn.case, stage=Stage.GATHERING)
        if role is opener and not turn.case.held(opener) and not turn.case.kept_back:
            announce(turn)
        else:
            turn.answer("reopened", role, {"missing": ()})  # `carry_on` announces the notice, now or after the hold.
    else:
        turn.answer("reopened", role, {"missing": ()})
        if stage is Stage.ANSWERING and all(item.settled for item in turn.case.items if item.role is other):
            answered(turn)


# --- What a hold or a lost letter kept back -------------------------------------------------------------------------


def carry_on(turn: Turn) -> None:
    """Say now what a hold kept back: the request or notice of a party, the receipt of a case. A ladder that asks for
    nothing any more ends."""
    for role in turn.case.sides:
        clock = turn.ladder(role)
        if clock and clock.topic in (Topic.REQUEST, Topic.PARTIAL) and not turn.case.wanted_from(role):
            turn.stop_ladder(role, "nothing is owed any more")
        elif clock and clock.letter is None and not clock.held_by:
            say_again(turn, clock, role)
    if turn.case.stage is Stage.GATHERING:
        _carry_on_gathering(turn)


def _carry_on_gathering(turn: Turn) -> None:
    case = turn.case
    opener = case.sides[0]
    waits_for_staff = any(item.role is opener and item.state is ItemState.RECEIVED for item in case.items)
    quiet = turn.ladder(opener) or case.kept_back or case.held(opener)
    only_staff = waits_for_staff and case.receipted and not case.wanted_from(opener)
    if not quiet and not only_staff:
        gather(turn)


def say_again(turn: Turn, clock: Clock, role: Role) -> None:
    """Decide the letter anew that arms a ladder, with its days from now; under a hold the ladder waits for its end."""
    match clock.topic:
        case Topic.PARTIAL:
            ask_rest(turn, role)
        case Topic.AGREE:
            ask_to_agree(turn, role)
        case Topic.COMMENT:
            if turn.case.held(role):
                turn.swap(clock, replace(clock, letter=None))
            else:
                released = [s for s in turn.case.statements if s.released_at and s.role is role.other]
                release(turn, role, released[-1].number, released[-1].by)
        case _:
            ask_anew(turn, role)


def ask_anew(turn: Turn, role: Role) -> None:
    """Ask a party afresh for what it owes: with the receipt or the notice, if it has not had it, else a request."""
    reason = _reason(turn.case, role)
    if role is turn.case.opener and not turn.case.receipted:
        gather(turn)
    elif role is turn.case.respondent and turn.case.noticed_at is None and not reason:
        _ask_by_notice(turn, role, Sending.UNASKED)
    else:
        ask(turn, role, "request", Sending.UNASKED, {"reason": reason})


def ask_again(turn: Turn, role: Role) -> None:
    """What a party brought does not count: it owes it again. Before the notice the case goes back to gathering."""
    match turn.case.stage:
        case Stage.GATHERING if role is turn.case.opener:
            ask_anew(turn, role)
        case Stage.NOTICE if role is turn.case.opener:
            back_to_gathering(turn)
        case Stage.ANSWERING if role is turn.case.respondent:
            if turn.case.taken_late:
                ask_rest(turn, role)
            else:
                ask_anew(turn, role)
        case _:
            pass


# --- Facts ----------------------------------------------------------------------------------------------------------


def needs_person(case: Case, policy: Policy) -> bool:
    """Whether a person must send the notice. Source: policy `[notice] person`."""
    return bool(case.doubts) or policy.notice.person is NoticePerson.ALWAYS


def unread(case: Case, role: Role) -> tuple[str, ...]:
    """Names of the files that a person will open for an item of this party."""
    return tuple(
        item.reason for item in case.items if item.role is role and item.state is ItemState.RECEIVED and item.reason
    )


def _reason(case: Case, role: Role) -> str:
    """Why a person asked again for what the party owes; empty: nobody did."""
    return " ".join(item.reason for item in case.wanted_from(role) if item.by not in ("", "rule"))


def _got(case: Case, role: Role) -> Facts:
    here = (ItemState.RECEIVED, ItemState.ACCEPTED)
    has = named(tuple(item for item in case.items if item.role is role and item.state in here))
    return {"has": has, "unread_files": unread(case, role)}


def _understood(case: Case, opener: Role) -> Facts:
    relayed = any(item.provenance is Provenance.RELAYED and item.role is opener.other for item in case.items)
    return {**_got(case, opener), "invited": case.kind is Kind.RATING and not relayed, "relayed": relayed}


def _sleep_why(case: Case) -> str:
    return "under_48h" if "under_48h" in case.flags else "not_yet_due"
