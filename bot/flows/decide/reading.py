"""What a mail changes in the case before anybody decides about it: thread, statements, items, flags, directory."""

from bot.flows.case import (
    Case,
    Clock,
    Contact,
    Hold,
    Item,
    ItemName,
    ItemState,
    Kind,
    Party,
    Provenance,
    Role,
    Stage,
    Statement,
    Topic,
    What,
    Who,
)
from bot.flows.decide import stages
from bot.flows.decide.turn import ROLE, Turn, morning_after
from bot.flows.events import ItemFound, Listing, MailFacts
from bot.flows.mail import Verdict
from bot.flows.values import replace

DANGER = ("threat", "welfare", "fear_of_retaliation")
"""Flags that hold every letter to the other side until a person has looked."""

REFERENCES_MAX = 20

DOUBTS = {
    "kind": "it is not sure what kind of dispute this is",
    "authentication": "the sender is not authenticated",
    "assignment": "the directory does not know the assignment",
    "sender": "the directory does not list the sender's address for this assignment",
    "parties": "the directory names different people for the assignments",
    "due": "the mail says that payment is not due yet, without a date",
    "flag": "a person should look at a flagged mail first",
}
"""Why a person must send the notice: code and plain words."""


def take_in(turn: Turn, role: Role, mail: MailFacts) -> None:
    """Record a mail of a party: its thread and words, the items and IDs in it, its flags, what the directory says."""
    _continue_thread(turn, role, mail)
    _add_statement(turn, role, mail)
    turn.case = replace(
        turn.case, assignment_ids=tuple(dict.fromkeys((*turn.case.assignment_ids, *mail.assignment_ids)))
    )
    find_items(turn, role, mail)
    consult(turn, mail.listings)
    leave_time(turn, role, mail)
    mind_flags(turn, role, mail)
    doubt(turn, mail)


def find_items(turn: Turn, role: Role, mail: MailFacts) -> None:
    """Mark what the mail brings. Below `accept_above` an item waits for staff; a relayed one always does.

    The opener may bring the other side's words, too: they count while that side has not been asked and has not written
    itself. What the opener owes, only the opener brings.
    Source: policy `[triage] accept_above`.
    """
    by_opener = role is turn.case.opener
    for found in mail.items:
        item = turn.case.item(found.name)
        if item and not item.settled and (item.role is role or (by_opener and _may_be_relayed(item))):
            turn.change_items((_received(turn, item, found, role, mail),))
    if mail.assignment_ids:
        accept_ids(turn, mail.mail_id)
    readable = [item for item in turn.case.wanted_from(role) if item.name is not ItemName.ASSIGNMENT_ID]
    if mail.unread_files and readable:
        names = ", ".join(mail.unread_files)
        received = (_waiting(item, Provenance.ATTACHMENT, mail.mail_id, names) for item in readable)
        turn.change_items(received)


def accept_ids(turn: Turn, mail_id: int | None) -> None:
    """An assignment ID is accepted as it stands; whether it is the right one, the directory says."""
    turn.change_items(
        replace(item, state=ItemState.ACCEPTED, provenance=Provenance.DIRECT, mail_id=mail_id, by="rule", reason="")
        for item in turn.case.items
        if item.name is ItemName.ASSIGNMENT_ID and not item.settled
    )


def may_be_the_answer(turn: Turn, role: Role, mail: MailFacts) -> None:
    """Words in which nothing was recognised may be what was asked for: they wait for staff, and no clock runs."""
    turn.change_items(_waiting(item, Provenance.DIRECT, mail.mail_id) for item in turn.case.wanted_from(role))


def _waiting(item: Item, provenance: Provenance, mail_id: int, files: str = "") -> Item:
    return replace(item, state=ItemState.RECEIVED, provenance=provenance, mail_id=mail_id, by="", reason=files)


def _may_be_relayed(item: Item) -> bool:
    unheard = item.state is not ItemState.RECEIVED or item.provenance is Provenance.RELAYED
    return unheard and not item.asked


def _received(turn: Turn, item: Item, found: ItemFound, role: Role, mail: MailFacts) -> Item:
    own = item.role is role
    sure = own and found.confidence >= turn.policy.triage.accept_above
    return replace(
        item,
        state=ItemState.ACCEPTED if sure else ItemState.RECEIVED,
        provenance=found.provenance if own else Provenance.RELAYED,
        mail_id=mail.mail_id,
        by="rule" if sure else "",
        reason="",
    )


def consult(turn: Turn, listings: tuple[Listing, ...]) -> None:
    """Take the other side's contact, and names, zones and dates, from the directory's listing of an assignment.

    A contact that is known stays: another assignment must never redirect a letter to another person.
    """
    case, opener = turn.case, turn.case.opener
    ours = [listing for listing in listings if listing.assignment_id in case.assignment_ids]
    if opener is None or not ours:
        return
    mine = [listing for listing in ours if case.party(opener).knows(_email(listing, opener))]
    listing = (mine or ours)[0]
    turn.case = replace(case, listed=case.listed or bool(mine))
    other = case.party(opener.other)
    known = {contact.address for contact in other.contacts} or {_email(listing, opener.other)}
    if any(_email(each, opener.other) not in known for each in ours):
        turn.case = replace(turn.case, doubts=(*turn.case.doubts, "parties"))
    if mine:
        turn.change_party(_introduced(turn.case.party(opener), listing, opener))
    turn.change_party(_introduced(other, listing, opener.other))
    due = listing.due_on
    if case.kind is Kind.PAYMENT and due is not None and listing.approved_on is None:
        due_at = morning_after(turn.calendar(opener), due)
        if due_at > turn.now:
            turn.case = replace(turn.case, not_before=due_at)


def _introduced(party: Party, listing: Listing, role: Role) -> Party:
    worker = role is Role.WORKER
    email = _email(listing, role)
    name = listing.worker_name if worker else listing.client_name
    if party.contacts and not party.knows(email):
        return party
    party = replace(party, zone=party.zone or (listing.worker_zone if worker else listing.client_zone))
    if party.named_by in ("", "mail") and name:
        party = replace(party, name=name, named_by="directory")
    if email and not party.contacts:
        party = replace(party, contacts=(Contact(email, "directory"),))
    return party


def forget_assignment(turn: Turn) -> None:
    """A person said that the assignment ID is wrong: whom the directory named for it is no party of the case."""
    for party in (turn.case.worker, turn.case.client):
        if party.reached:
            continue
        contacts = tuple(contact for contact in party.contacts if contact.source != "directory")
        party = replace(party, contacts=contacts)
        if party.named_by == "directory":
            party = replace(party, name="", named_by="")
        turn.change_party(party)
    turn.case = replace(turn.case, assignment_ids=(), listed=False, not_before=None)
    turn.case = replace(turn.case, doubts=tuple(code for code in turn.case.doubts if code != "parties"))


def _email(listing: Listing, role: Role) -> str:
    return (listing.worker_email if role is Role.WORKER else listing.client_email).lower()


def doubt(turn: Turn, mail: MailFacts | None = None) -> None:
    """Work out anew why a person must send the notice. What a person settled (kind, sender) stays settled."""
    case = turn.case
    doubts = set(case.doubts)
    if mail is not None and case.version == 0:
        doubts |= {"kind"} if mail.kind_confidence < turn.policy.triage.sure_above else set()
        doubts |= {"authentication"} if mail.verdict is not Verdict.PASS else set()
    if case.opener:
        doubts -= {"assignment", "sender"}
        if case.party(case.opener.other).address is None:
            doubts.add("assignment")
        elif not case.listed:
            doubts.add("sender")
    asked_to_wait = "not_yet_due" in case.flags and case.not_before is None and case.kind is Kind.PAYMENT
    doubts = doubts | {"due"} if asked_to_wait else doubts - {"due"}
    doubts |= {"flag"} if any(flag in case.flags for flag in (*DANGER, "legal_threat")) else set()
    turn.case = replace(case, doubts=tuple(sorted(doubts)))


def doubts_in_words(case: Case) -> str:
    """Why a person must send the notice; empty: nothing speaks against it but the policy or a hold."""
    return "; ".join(DOUBTS[code] for code in case.doubts)


def _continue_thread(turn: Turn, role: Role, mail: MailFacts) -> None:
    party = turn.case.party(role)
    references = tuple(dict.fromkeys((*party.references, *mail.references, *filter(None, (mail.message_id,)))))
    party = replace(
        party,
        last_message_id=mail.message_id or party.last_message_id,
        references=references[-REFERENCES_MAX:],
        lang=mail.lang,
        statuses=0,
    )
    if not party.name and mail.sender_name:
        party = replace(party, name=mail.sender_name, named_by="mail")
    contacts = party.contacts or ((Contact(mail.sender, "mail"),) if mail.sender else ())
    party = replace(party, contacts=tuple(_written_from(contact, mail.sender) for contact in contacts))
    turn.change_party(party)


def _written_from(contact: Contact, sender: str) -> Contact:
    """An address that the directory named, and from which the party wrote, no longer rests on the directory."""
    same = contact.address == sender and contact.source == "directory"
    return replace(contact, source="mail") if same else contact


def _add_statement(turn: Turn, role: Role, mail: MailFacts) -> None:
    if mail.text.strip():
        number = len(turn.case.statements) + 1
        theirs = {item.name for item in turn.case.items if item.role is role.other}
        relays = any(found.name in theirs for found in mail.items)
        provenance = Provenance.RELAYED if relays else Provenance.DIRECT
        statement = Statement(number, role, mail.mail_id, mail.text, provenance, mail.at)
        turn.case = replace(turn.case, statements=(*turn.case.statements, statement))


def leave_time(turn: Turn, role: Role, mail: MailFacts) -> None:
    """Who was written to by the opener only just now gets time to answer it. Source: policy `[limits] under_48h`."""
    if "under_48h" in mail.flags and turn.case.kind is Kind.PAYMENT and role is turn.case.opener:
        until = mail.at + turn.policy.limits.under_48h.elapsed
        turn.case = replace(turn.case, not_before=max(until, turn.case.not_before or until))


def mind_flags(turn: Turn, role: Role | None, mail: MailFacts) -> None:
    """Danger holds every letter to the other side; a legal threat holds the next letter for at most its own span.

    `role` None: nobody knows whom the mail is from. Source: policy `[staff] danger`, `[limits] legal_hold`.
    """
    turn.case = replace(turn.case, flags=tuple(dict.fromkeys((*turn.case.flags, *mail.flags))))
    who = f"the {role}" if role else "somebody"
    danger = tuple(flag for flag in mail.flags if flag in DANGER)
    if danger:
        _danger(turn, role, f"A mail of {who} raises: {', '.join(flag.replace('_', ' ') for flag in danger)}.")
    if "legal_threat" in mail.flags and not turn.case.has_hold("legal"):
        turn.hold(Hold("legal", turn.case.sides, f"A mail of {who} mentions legal steps.", turn.now, "rule"))
        until = turn.after(None, turn.policy.limits.legal_hold)
        turn.start(Clock(Who.STAFF, What.WAKE, Topic.LEGAL, until))
    if "asks_for_person" in mail.flags:
        turn.want("reply", f"A mail of {who} asks for a person.")


def _danger(turn: Turn, role: Role | None, why: str) -> None:
    """Hold every letter to the other side, also what a person has just sent and could still take back."""
    held = (role.other,) if role else turn.case.sides
    turn.hold(Hold("danger", held, why, turn.now, "rule"))
    turn.note(why, mention=turn.case.owner or "channel")
    if turn.case.stage is Stage.REVIEW:
        stages.take_back_outcome(turn, why)
    for clock in turn.case.clocks:
        if clock.topic is Topic.COMMENT and ROLE[clock.who] in held and clock.asked_at and clock.asked_at > turn.now:
            stages.take_back_release(turn, clock)
