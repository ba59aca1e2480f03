"""A mail came: it opens a case, or a party of the case wrote, or it only may be from a party."""

from bot.flows.case import (
    Clock,
    Closing,
    Contact,
    Hold,
    Impasse,
    ItemState,
    Role,
    Stage,
    Suggested,
    Topic,
    What,
    requirements,
)
from bot.flows.decide import stages
from bot.flows.decide.asking import named
from bot.flows.decide.reading import DANGER, may_be_the_answer, mind_flags, take_in
from bot.flows.decide.turn import SUBJECTS, WHO, Facts, Refused, Turn, morning_after
from bot.flows.events import CaseOpened, LetterBounced, MailFacts, MailSuggested, PartyAway, PartyWrote
from bot.flows.mail import Verdict
from bot.flows.values import replace


def opened(turn: Turn, fact: CaseOpened) -> None:
    """A new case: sorted, it asks for what is missing or announces the notice; unsure, a person sorts it."""
    mail = fact.mail
    turn.case = replace(
        turn.case, opened_at=turn.now, subject=SUBJECTS[fact.kind], came_by=mail.channel, opener=fact.opener
    )
    role = turn.writer = turn.case.sides[0]
    kind = f"a {fact.kind} dispute" if fact.kind else "something a person has to sort"
    writer = f"The {fact.opener}" if fact.opener else "Somebody"
    turn.say(f"{writer} wrote in: {kind}.", "triage.sure_above", _first_line(mail))
    if fact.linked_to:
        turn.note(f"It goes together with D-{fact.linked_to}.")
    if fact.suggests:
        turn.want("suggestion", f"It may belong to {fact.suggests}.")
    if fact.kind and fact.opener and mail.verdict is Verdict.PASS and mail.sender:
        items = requirements(fact.kind, fact.opener)
        turn.case = replace(turn.case, kind=fact.kind, items=items, stage=Stage.GATHERING)
    take_in(turn, role, mail)
    if mail.verdict is Verdict.FAIL or not mail.sender:
        return
    if turn.case.has_hold("danger"):
        turn.answer("receipt_danger", role)
    elif turn.case.stage is Stage.SORTING or turn.case.kept_back:
        turn.answer("receipt_sorting", role)
    else:
        stages.gather(turn)


def wrote(turn: Turn, fact: PartyWrote) -> None:
    """A party wrote. What it brings is taken in; then each stage has its own answer, and the party one receipt."""
    role, mail = fact.role, fact.mail
    turn.writer = role
    turn.say(f"The {role} wrote.", quote=_first_line(mail))
    before = {item.name: item.state for item in turn.case.items}
    take_in(turn, role, mail)
    turn.resume(f"away:{role}")
    brought = any(
        item.role is role and not item.wanted and item.state is not before[item.name] for item in turn.case.items
    )
    if any(flag in DANGER for flag in mail.flags):
        turn.answer("receipt_danger", role)
        if turn.case.stage in (Stage.RESOLVED, Stage.CLOSED):
            return
    if mail.intent in ("thanks", "auto") and not brought:
        return
    over = turn.case.outcome is not None or turn.case.stage in (Stage.SORTING, Stage.RESOLVED, Stage.CLOSED)
    if mail.intent == "resolved" and not over:
        _says_settled(turn, role, mail, brought)
        return
    if turn.case.closing:
        turn.note(f"The {role} answered, so the case stays open.")
        stages.keep_open(turn)
    if mail.intent == "more_time":
        _asks_for_time(turn, role)
    _by_stage(turn, role, mail, brought)


def _asks_for_time(turn: Turn, role: Role) -> None:
    """A click gives more time, once; where none runs, or it was given, a person answers."""
    if turn.ladder(role) and not turn.case.party(role).extended:
        turn.want(f"more_time:{role}", f"The {role} asks for more time.")
    else:
        turn.want("reply", f"The {role} asks for more time; a person has to answer.")


def _by_stage(turn: Turn, role: Role, mail: MailFacts, brought: bool) -> None:
    case = turn.case
    match case.stage:
        case Stage.GATHERING if role is case.opener:
            _opener_supplied(turn, role, brought)
        case Stage.ANSWERING if role is case.respondent:
            _respondent_answered(turn, role, mail, brought)
        case Stage.TALKS:
            _talked(turn, role, mail)
        case Stage.IMPASSE if role is case.impasse_role and not case.taken_late:
            _answered_late(turn, role, mail, brought)
        case Stage.RESOLVED if _says_something(mail):
            _asked_again(turn, role)
        case Stage.CLOSED if _says_something(mail):
            _wrote_after_closing(turn, role)
        case _:
            _filed(turn, role, person=case.stage in (Stage.SORTING, Stage.IMPASSE, Stage.REVIEW))


def _says_something(mail: MailFacts) -> bool:
    """Whether a mail can take a case up again: neither an empty one nor “it is settled” does."""
    return mail.intent != "resolved" and bool(mail.text.strip() or mail.items or mail.unread_files)


def _opener_supplied(turn: Turn, role: Role, brought: bool) -> None:
    """gathering: everything there → announce; a part → a receipt that asks for the rest, outside the ladder."""
    held = turn.case.kept_back or bool(turn.case.held(role))
    if not turn.case.wanted_from(role) and brought and not held:
        stages.announce(turn)
    elif turn.case.wanted_from(role) and brought:
        _thank_for_part(turn, role)
    else:
        _filed(turn, role, person=held)


def _respondent_answered(turn: Turn, role: Role, mail: MailFacts, brought: bool) -> None:
    """answering: the item is there → talks or review. Words that may be the answer, though no item was recognised in
    them, wait for staff, and no clock runs meanwhile."""
    if not brought and _may_answer(turn, role, mail):
        may_be_the_answer(turn, role, mail)
    elif not brought:
        _filed(turn, role, person=True)
        return
    _thank_for_answer(turn, role)
    if all(item.settled for item in turn.case.items if item.role is role):
        stages.answered(turn)


def _may_answer(turn: Turn, role: Role, mail: MailFacts) -> bool:
    return bool(turn.case.wanted_from(role)) and mail.intent != "more_time" and bool(mail.text.strip())


def _talked(turn: Turn, role: Role, mail: MailFacts) -> None:
    """talks: an explicit no proposes an impasse; anything else waits to be released by a person."""
    if mail.intent == "refuses":
        turn.note(f"The {role} does not agree: impasse proposed.")
        stages.propose_impasse(turn, Impasse.NO_AGREEMENT, None)
    elif mail.text.strip():
        newest = turn.case.statements[-1].number
        turn.want(f"statement:{newest}", f"Statement {newest} can be released to the other side.")
    _filed(turn, role, person=True)


def _answered_late(turn: Turn, role: Role, mail: MailFacts, brought: bool) -> None:
    """impasse, not yet confirmed: an answer takes the case on as if in time, once."""
    if not brought and not _may_answer(turn, role, mail):
        _filed(turn, role, person=True)
        return
    turn.note(f"The {role} answered before the impasse was confirmed: the case goes on as if in time.")
    turn.go(Stage.ANSWERING)
    turn.case = replace(turn.case, impasse=None, impasse_at=None, impasse_role=None, taken_late=True)
    _respondent_answered(turn, role, mail, brought)


def _asked_again(turn: Turn, role: Role) -> None:
    """resolved: reconsideration, once; afterwards only staff read it."""
    if turn.case.reconsidered:
        turn.want("reply", f"The {role} wrote after the case was reconsidered.")
        _filed(turn, role, person=True)
    else:
        turn.note(f"The {role} asks to reconsider: another person looks at it.")
        stages.reconsider(turn, role)


def _wrote_after_closing(turn: Turn, role: Role) -> None:
    """closed: a reply takes the case up where it left; after an outcome, or where it was no dispute, staff read it."""
    match turn.case.closed:
        case Closing.INCOMPLETE | Closing.SETTLED | Closing.WITHDRAWN | Closing.DUPLICATE:
            turn.note(f"The {role} wrote: the case is open again.")
            stages.reopen(turn, role)
        case Closing.OUTCOME:
            _asked_again(turn, role)
        case _:
            turn.want("reply", f"The {role} wrote after the case was closed.")
            _filed(turn, role, person=True)


def _says_settled(turn: Turn, role: Role, mail: MailFacts, brought: bool) -> None:
    """Said by the opener: it closes unless somebody answers. By the other side alone: the opener is asked, and the mail
    counts as what it is besides, such as the answer that is waited for."""
    case = turn.case
    opener = case.sides[0]
    if case.closing:
        turn.note(f"The {role} agrees that it is {case.closing}.")
    elif role is opener and not turn.may_answer(role):
        turn.want("reply", f"The {role} says that it is settled; letters to it are held.")
        _filed(turn, role, person=True)
    elif role is opener:
        turn.note(f"The {role} says that it is settled.")
        stages.offer_closing(turn, Closing.SETTLED if case.noticed_at else Closing.WITHDRAWN)
    else:
        turn.note(f"The {role} says that it is settled; the {opener} is asked.")
        turn.tell("settled_question", opener)
        _by_stage(turn, role, mail, brought)


def _thank_for_part(turn: Turn, role: Role) -> None:
    clock = turn.ladder(role)
    dates = {"deadline": clock.deadline_at, "end": clock.end_at} if clock else {}
    turn.answer(
        "partial",
        role,
        {
            "has": _here(turn, role),
            "missing": named(turn.case.wanted_from(role)),
            "unread_files": stages.unread(turn.case, role),
            **{name: moment for name, moment in dates.items() if moment and moment > turn.now},
        },
    )


def _thank_for_answer(turn: Turn, role: Role) -> None:
    facts: Facts = {"has": _here(turn, role), "unread_files": stages.unread(turn.case, role)}
    turn.answer("answer_received", role, {**facts, "next": "talks" if stages.goes_to_talks(turn) else "review"})


def _here(turn: Turn, role: Role) -> tuple[str, ...]:
    here = (ItemState.RECEIVED, ItemState.ACCEPTED)
    return named(tuple(item for item in turn.case.items if item.role is role and item.state in here))


def _filed(turn: Turn, role: Role, person: bool) -> None:
    turn.answer("filed", role, {"stage": str(turn.case.stage), "person": person})


def suggested(turn: Turn, fact: MailSuggested) -> None:
    """A mail that may be a party's answer moves nothing: the clocks it might answer stand still, staff are asked."""
    mail = fact.mail
    who = f"the {fact.role}" if fact.role else "a party"
    turn.say(f"A mail that may be from {who} was filed as unconfirmed: {fact.reason}.", quote=_first_line(mail))
    turn.case = replace(
        turn.case,
        suggested=(*turn.case.suggested, Suggested(mail.mail_id, fact.role, mail.sender, fact.reason, turn.now)),
    )
    roles = (fact.role,) if fact.role else turn.case.sides
    hold = f"mail:{mail.mail_id}" if fact.binds else f"subject:{mail.mail_id}"
    turn.hold(Hold(hold, roles, f"An unconfirmed mail may be from {who}.", turn.now, "rule"))
    mind_flags(turn, fact.role, mail)


def confirmed(turn: Turn, by: str, role: Role, mail: MailFacts) -> None:
    """A person confirmed the sender: the address is the party's from now on, and the mail counts."""
    if any(each.mail_id == mail.mail_id and each.moved_to is None for each in turn.case.statements):
        raise Refused("This mail counts already.")
    if turn.case.party(role.other).knows(mail.sender):
        raise Refused(f"{mail.sender} is an address of the {role.other}, so the mail is from the {role.other}.")
    settle_suggestion(turn, mail.mail_id)
    party = turn.case.party(role)
    if mail.sender and not party.knows(mail.sender):
        turn.change_party(replace(party, contacts=(*party.contacts, Contact(mail.sender, "staff"))))
    wrote(turn, PartyWrote(role, mail))
    turn.say(f"{by} confirmed that the mail is from the {role}.", quote=_first_line(mail))


def settle_suggestion(turn: Turn, mail_id: int) -> None:
    """The unconfirmed mail is dealt with; what it held goes on."""
    turn.case = replace(turn.case, suggested=tuple(s for s in turn.case.suggested if s.mail_id != mail_id))
    turn.resume(f"mail:{mail_id}")
    turn.resume(f"subject:{mail_id}")


def away(turn: Turn, fact: PartyAway) -> None:
    """An out-of-office with a return date holds the party's clocks to that day and one more, at most five days.

    Source: policy `[limits] out_of_office_max`.
    """
    role = fact.role
    clock = turn.ladder(role)
    if fact.returns_on is None or clock is None:
        turn.say(f"An automatic answer of the {role}; nothing changes.")
        return
    longest = turn.policy.limits.out_of_office_max
    since = next((hold.since for hold in turn.case.holds if hold.id == f"away:{role}"), turn.now)
    until = min(morning_after(turn.calendar(role), fact.returns_on), turn.after(role, longest, since))
    if until <= turn.now:
        turn.say(f"An automatic answer of the {role}, whose return date has passed; nothing changes.")
        return
    turn.say(
        f"The {role} is out of office until {fact.returns_on:%Y-%m-%d}; its clocks stand still.",
        "limits.out_of_office_max",
    )
    turn.hold(Hold(f"away:{role}", (role,), f"Out of office until {fact.returns_on:%Y-%m-%d}.", turn.now, "rule"))
    turn.start(Clock(WHO[role], What.WAKE, Topic.AWAY, until))


def bounced(turn: Turn, fact: LetterBounced) -> None:
    """A letter came back: the clocks of whose address it is stop, and staff are asked for another one.

    Whose that is, the case knows best: sorting may have exchanged the sides since, and two may have the same address.
    """
    address = fact.address.lower()
    theirs = [role for role in (fact.role, fact.role.other) if turn.case.party(role).knows(address)]
    roles = theirs or [fact.role]
    turn.say(f"A letter to the {' and the '.join(roles)} came back: {fact.diagnostic or 'no reason given'}.")
    if fact.letter is not None:
        turn.forget(fact.letter)
    for role in roles:
        party = turn.case.party(role)
        marked = (replace(each, bounced=True) if each.address == address else each for each in party.contacts)
        turn.change_party(replace(party, contacts=tuple(marked)))
        turn.hold(Hold(f"bounce:{role}", (role,), f"Mail to the {role} came back.", turn.now, "rule"))


def _first_line(mail: MailFacts) -> str:
    return " ".join(mail.text.split())[:280]
