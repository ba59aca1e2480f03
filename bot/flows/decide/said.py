"""A mail came: it opens a case, or a party of the case wrote, or it only may be from a party."""

from dataclasses import replace

from bot.flows.case import (
    Closing,
    Contact,
    Hold,
    Impasse,
    ItemState,
    Kind,
    Provenance,
    Role,
    Stage,
    Suggested,
    Topic,
    requirements,
)
from bot.flows.decide import stages
from bot.flows.decide.asking import named
from bot.flows.decide.reading import kept_back, take_in
from bot.flows.decide.turn import SUBJECTS, Turn, morning_after
from bot.flows.effects import Because, Sending
from bot.flows.events import CaseOpened, LetterBounced, MailFacts, MailSuggested, PartyAway, PartyWrote
from bot.flows.mail import Verdict


def opened(turn: Turn, fact: CaseOpened) -> None:
    """A new case: sorted, it asks for what is missing or announces the notice; unsure, a person sorts it."""
    mail = fact.mail
    turn.case = replace(
        turn.case, opened_at=turn.now, subject=SUBJECTS[fact.kind], came_by=mail.channel, opener=fact.opener
    )
    role = fact.opener or Role.WORKER
    sorted_out = fact.kind is not None and fact.opener is not None and mail.verdict is Verdict.PASS
    kind = f"a {fact.kind} dispute" if fact.kind else "something a person has to sort"
    writer = f"The {fact.opener}" if fact.opener else "Somebody"
    turn.say(f"{writer} wrote in: {kind}.", "triage.sure_above", _first_line(mail))
    if sorted_out and fact.kind and fact.opener:
        turn.case = replace(turn.case, kind=fact.kind, items=requirements(fact.kind, fact.opener))
    take_in(turn, role, mail)
    if sorted_out and not kept_back(turn):
        turn.case = replace(turn.case, stage=Stage.GATHERING)
        stages.gather(turn, first=True)
        return
    turn.case = replace(turn.case, stage=Stage.GATHERING if sorted_out else Stage.SORTING)
    if mail.verdict is not Verdict.FAIL:
        turn.write("receipt_danger" if kept_back(turn) else "receipt_sorting", role, Sending.ANSWER)
    if fact.suggests:
        turn.want("suggestion", f"It may belong to {fact.suggests}.")


def wrote(turn: Turn, fact: PartyWrote) -> None:
    """A party wrote. What it brings is taken in; then each stage has its own answer."""
    role, mail = fact.role, fact.mail
    turn.say(f"The {role} wrote.", quote=_first_line(mail))
    was_kept_back = kept_back(turn)
    before = {item.name: item.state for item in turn.case.items}
    take_in(turn, role, mail)
    turn.resume(f"away:{role}")
    if kept_back(turn) and not was_kept_back:
        turn.write("receipt_danger", role, Sending.ANSWER)
        return
    if mail.intent in ("thanks", "auto"):
        return
    if mail.intent == "resolved" and turn.case.stage not in (Stage.SORTING, Stage.RESOLVED, Stage.CLOSED):
        _says_settled(turn, role)
        return
    if turn.case.closing:
        turn.note(f"The {role} answered, so the case stays open.")
        stages.keep_open(turn)
    if mail.intent == "more_time":
        turn.want(f"more_time:{role}", f"The {role} asks for more time.")
    brought = any(item.state is not before.get(item.name) for item in turn.case.items)
    _by_stage(turn, role, mail, brought)


def _by_stage(turn: Turn, role: Role, mail: MailFacts, brought: bool) -> None:
    case = turn.case
    match case.stage:
        case Stage.GATHERING if role is case.opener and not kept_back(turn):
            _opener_supplied(turn, role, brought)
        case Stage.ANSWERING if role is case.respondent:
            _respondent_answered(turn, role, mail, brought)
        case Stage.TALKS:
            _talked(turn, role, mail)
        case Stage.IMPASSE if role is case.impasse_role and case.impasse is Impasse.NO_RESPONSE:
            _answered_late(turn, role, mail, brought)
        case Stage.RESOLVED:
            _asked_again(turn, role)
        case Stage.CLOSED:
            _wrote_after_closing(turn, role)
        case Stage.SORTING | Stage.GATHERING | Stage.NOTICE | Stage.ANSWERING | Stage.IMPASSE | Stage.REVIEW:
            _filed(turn, role, person=case.stage in (Stage.SORTING, Stage.IMPASSE, Stage.REVIEW))


def _opener_supplied(turn: Turn, role: Role, brought: bool) -> None:
    """gathering: everything there → announce; a part → a receipt that asks for the rest, outside the ladder."""
    if not turn.case.wanted_from(role):
        stages.announce(turn, "complete")
    elif brought:
        _thank_for_part(turn, role)
    else:
        _filed(turn, role, person=False)


def _respondent_answered(turn: Turn, role: Role, mail: MailFacts, brought: bool) -> None:
    """answering: all settled → talks or review; a part → a receipt that asks for the rest.

    Words that may be the answer, though no item was recognised in them, wait for staff, and no clock runs meanwhile.
    """
    if turn.case.wanted_from(role) and not brought:
        if mail.intent == "more_time" or not mail.text.strip():
            _filed(turn, role, person=True)
            return
        turn.change_items(
            replace(item, state=ItemState.RECEIVED, provenance=Provenance.DIRECT, mail_id=mail.mail_id)
            for item in turn.case.wanted_from(role)
        )
    if turn.case.wanted_from(role):
        _thank_for_part(turn, role)
        return
    waiting = [item for item in turn.case.items if item.role is role and not item.settled]
    turn.stop_ladder(role, f"the {role} answered")
    _thank_for_answer(turn, role)
    if not waiting:
        stages.answered(turn)


def _talked(turn: Turn, role: Role, mail: MailFacts) -> None:
    """talks: an explicit no proposes an impasse; anything else waits to be released by a person."""
    if mail.intent == "refuses":
        turn.note(f"The {role} does not agree: impasse proposed.")
        stages.propose_impasse(turn, Impasse.NO_AGREEMENT, None)
    else:
        newest = turn.case.statements[-1].number
        turn.want(f"statement:{newest}", f"Statement {newest} can be released to the other side.")
    _filed(turn, role, person=True)


def _answered_late(turn: Turn, role: Role, mail: MailFacts, brought: bool) -> None:
    """impasse, not yet confirmed: an answer takes the case on as if in time, once; a part gets a short extra time.

    Source: policy `[limits] partial`.
    """
    if turn.case.taken_late or not brought:
        _filed(turn, role, person=True)
        return
    turn.note(f"The {role} answered before the impasse was confirmed: the case goes on as if in time.")
    turn.case = replace(turn.case, stage=Stage.ANSWERING, impasse=None, impasse_role=None, taken_late=True)
    if turn.case.wanted_from(role):
        stages.ask_rest(turn, role)
    else:
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
            stages.reopen(turn, Sending.ANSWER)
        case Closing.OUTCOME if not turn.case.reconsidered:
            turn.note(f"The {role} asks to reconsider: another person looks at it.")
            stages.reconsider(turn, role)
        case Closing.OUTCOME | Closing.NOT_A_DISPUTE | None:
            turn.want("reply", f"The {role} wrote after the case was closed.")
            _filed(turn, role, person=True)


def _says_settled(turn: Turn, role: Role) -> None:
    """Said by the opener: it closes unless somebody answers. By the other side alone: the opener is asked."""
    case = turn.case
    if case.closing:
        turn.note(f"The {role} agrees that it is {case.closing}.")
    elif role is case.opener:
        turn.note(f"The {role} says that it is settled.")
        stages.offer_closing(turn, Closing.SETTLED if case.noticed_at else Closing.WITHDRAWN)
    elif case.opener:
        turn.note(f"The {role} says that it is settled; the {case.opener} is asked.")
        turn.write("settled_question", case.opener, Sending.UNASKED)
        _filed(turn, role, person=False)


def _thank_for_part(turn: Turn, role: Role) -> None:
    clock = turn.ladder(role)
    dates = {"deadline": clock.deadline_at, "end": clock.end_at} if clock else {}
    turn.write(
        "partial",
        role,
        Sending.ANSWER,
        {
            "has": named(tuple(item for item in turn.case.items if item.role is role and not item.wanted)),
            "missing": named(turn.case.wanted_from(role)),
            "unread_files": stages.unread(turn.case, role),
            **{name: moment for name, moment in dates.items() if moment and moment > turn.now},
        },
        Because(f"The {role} sent a part of what was asked for.", "request.deadline"),
    )


def _thank_for_answer(turn: Turn, role: Role) -> None:
    talks = turn.policy.talks.payment if turn.case.kind is Kind.PAYMENT else turn.policy.talks.rating
    turn.write(
        "answer_received",
        role,
        Sending.ANSWER,
        {
            "has": named(tuple(item for item in turn.case.items if item.role is role and not item.wanted)),
            "unread_files": stages.unread(turn.case, role),
            "next": "talks" if talks else "review",
        },
    )


def _filed(turn: Turn, role: Role, person: bool) -> None:
    """A plain receipt. One that is braked is not written at all: it says nothing that must be said."""
    if role not in turn.event.braked:
        turn.write("filed", role, Sending.ANSWER, {"stage": str(turn.case.stage), "person": person})


def suggested(turn: Turn, fact: MailSuggested) -> None:
    """A mail that may be a party's answer moves nothing: the clocks it might answer stand still, staff are asked."""
    mail = fact.mail
    who = f"the {fact.role}" if fact.role else "a party"
    turn.say(f"A mail that may be from {who} was filed as unconfirmed: {fact.reason}.", quote=_first_line(mail))
    turn.case = replace(
        turn.case,
        suggested=(*turn.case.suggested, Suggested(mail.mail_id, fact.role, mail.sender, fact.reason, turn.now)),
    )
    roles = (fact.role,) if fact.role else tuple(Role)
    hold = f"mail:{mail.mail_id}" if fact.binds else f"subject:{mail.mail_id}"
    turn.hold(Hold(hold, roles, f"An unconfirmed mail may be from {who}.", turn.now, "rule"))


def confirmed(turn: Turn, by: str, role: Role, mail: MailFacts) -> None:
    """A person confirmed the sender: the address is the party's from now on, and the mail counts."""
    settle_suggestion(turn, mail.mail_id)
    party = turn.case.party(role)
    if not party.knows(mail.sender):
        turn.change_party(replace(party, contacts=(*party.contacts, Contact(mail.sender, "staff"))))
    wrote(turn, PartyWrote(role, mail))
    turn.say(f"{by} confirmed that the mail is from the {role}.", quote=_first_line(mail))


def settle_suggestion(turn: Turn, mail_id: int) -> None:
    """The unconfirmed mail is dealt with; what it held goes on."""
    turn.case = replace(turn.case, suggested=tuple(s for s in turn.case.suggested if s.mail_id != mail_id))
    stages.end_hold(turn, f"mail:{mail_id}")
    stages.end_hold(turn, f"subject:{mail_id}")


def away(turn: Turn, fact: PartyAway) -> None:
    """An out-of-office with a return date holds the party's clocks to that day and one more, at most five days.

    Source: policy `[limits] out_of_office_max`.
    """
    role = fact.role
    clock = turn.ladder(role)
    if fact.returns_on is None or clock is None:
        turn.say(f"An automatic answer of the {role}; nothing changes.")
        return
    calendar = turn.calendar(role)
    until = min(morning_after(calendar, fact.returns_on), turn.after(role, turn.policy.limits.out_of_office_max))
    if until <= turn.now:
        turn.say(f"An automatic answer of the {role}, whose return date has passed; nothing changes.")
        return
    turn.say(
        f"The {role} is out of office until {fact.returns_on:%Y-%m-%d}; its clocks stand still.",
        "limits.out_of_office_max",
    )
    turn.hold(Hold(f"away:{role}", (role,), f"Out of office until {fact.returns_on:%Y-%m-%d}.", turn.now, "rule"))
    stages.wake_at(turn, role, Topic.AWAY, until)


def bounced(turn: Turn, fact: LetterBounced) -> None:
    """A letter came back: the party's clocks stop, and staff are asked for another address."""
    role = fact.role
    turn.say(f"A letter to the {role} came back: {fact.diagnostic or 'no reason given'}.")
    party = turn.case.party(role)
    turn.change_party(
        replace(
            party,
            contacts=tuple(
                replace(contact, bounced=True) if contact.address == fact.address.lower() else contact
                for contact in party.contacts
            ),
        )
    )
    turn.hold(Hold(f"bounce:{role}", (role,), f"Mail to the {role} came back.", turn.now, "rule"))


def _first_line(mail: MailFacts) -> str:
    return " ".join(mail.text.split())[:280]
