"""What a mail changes in the case before anybody decides about it: thread, statements, items, flags, directory."""

from dataclasses import replace

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
    Statement,
    Topic,
    What,
    Who,
)
from bot.flows.decide.turn import Turn, morning_after
from bot.flows.events import ItemFound, Listing, MailFacts
from bot.flows.mail import Verdict

DANGER = ("threat", "welfare", "fear_of_retaliation")
"""Flags that hold every letter to the other side until a person has looked."""

REFERENCES_MAX = 20

DOUBTS = {
    "kind": "it is not sure what kind of dispute this is",
    "authentication": "the sender is not authenticated",
    "assignment": "the directory does not know the assignment",
    "sender": "the directory does not list the sender's address for this assignment",
    "due": "the mail says that payment is not due yet, without a date",
    "flag": "a person should look at a flagged mail first",
}
"""Why a person must send the notice: code and plain words."""


def take_in(turn: Turn, role: Role, mail: MailFacts) -> None:
    """Record a mail of a party: its thread and words, the items and IDs in it, its flags, what the directory says."""
    _continue_thread(turn, role, mail)
    _add_statement(turn, role, mail)
    turn.case = replace(
        turn.case,
        assignment_ids=tuple(dict.fromkeys((*turn.case.assignment_ids, *mail.assignment_ids))),
        flags=tuple(dict.fromkeys((*turn.case.flags, *(flag for flag in mail.flags)))),
    )
    find_items(turn, role, mail)
    consult(turn, mail.listings)
    _mind_flags(turn, role, mail)
    doubt(turn, mail)


def find_items(turn: Turn, role: Role, mail: MailFacts) -> None:
    """Mark what the mail brings. Below `accept_above` an item waits for staff; a relayed one always does.

    Source: policy `[triage] accept_above`.
    """
    for found in mail.items:
        item = turn.case.item(found.name)
        if item and not item.settled:
            turn.change_items((_received(turn, item, found, role, mail),))
    if turn.case.assignment_ids:
        turn.change_items(
            replace(item, state=ItemState.ACCEPTED, provenance=Provenance.DIRECT, mail_id=mail.mail_id, by="rule")
            for item in turn.case.items
            if item.name is ItemName.ASSIGNMENT_ID and not item.settled
        )
    readable = [item for item in turn.case.wanted_from(role) if item.name is not ItemName.ASSIGNMENT_ID]
    if mail.unread_files and readable:
        turn.change_items(
            replace(
                item,
                state=ItemState.RECEIVED,
                provenance=Provenance.ATTACHMENT,
                mail_id=mail.mail_id,
                reason=", ".join(mail.unread_files),
            )
            for item in readable
        )


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
    """Take the other side's contact, and names, zones and dates, from the directory's listing of an assignment."""
    case, opener = turn.case, turn.case.opener
    ours = [listing for listing in listings if listing.assignment_id in case.assignment_ids]
    if opener is None or not ours:
        return
    mine = [listing for listing in ours if case.party(opener).knows(_email(listing, opener))]
    listing = (mine or ours)[0]
    turn.case = replace(case, listed=bool(mine))
    for role in Role:
        turn.change_party(_introduced(turn.case.party(role), listing, role, opener))
    due = listing.due_on
    if case.kind is Kind.PAYMENT and due is not None and listing.approved_on is None:
        due_at = morning_after(turn.calendar(opener), due)
        if due_at > turn.now:
            turn.case = replace(turn.case, not_before=due_at)


def _introduced(party: Party, listing: Listing, role: Role, opener: Role) -> Party:
    worker = role is Role.WORKER
    email = _email(listing, role)
    name = listing.worker_name if worker else listing.client_name
    party = replace(party, zone=party.zone or (listing.worker_zone if worker else listing.client_zone))
    if party.named_by in ("", "mail") and name:
        party = replace(party, name=name, named_by="directory")
    if role is not opener and email and not party.knows(email):
        party = replace(party, contacts=(*party.contacts, Contact(email, "directory")))
    return party


def _email(listing: Listing, role: Role) -> str:
    return (listing.worker_email if role is Role.WORKER else listing.client_email).lower()


def doubt(turn: Turn, mail: MailFacts | None = None) -> None:
    """Work out anew why a person must send the notice. What a person settled (kind, sender) stays settled."""
    case = turn.case
    doubts = set(case.doubts)
    if mail is not None and case.version == 0:
        doubts |= {"kind"} if mail.kind_confidence < turn.policy.triage.sure_above else set()
        doubts |= {"authentication"} if mail.verdict is not Verdict.PASS else set()
    if case.assignment_ids and case.opener:
        doubts -= {"assignment", "sender"}
        if case.party(case.opener.other).address is None:
            doubts.add("assignment")
        elif not case.listed:
            doubts.add("sender")
    asked_to_wait = "not_yet_due" in case.flags and case.not_before is None and case.kind is Kind.PAYMENT
    doubts = doubts | {"due"} if asked_to_wait else doubts - {"due"}
    risky = any(flag in case.flags for flag in (*DANGER, "legal_threat"))
    doubts = doubts | {"flag"} if risky else doubts - {"flag"}
    turn.case = replace(case, doubts=tuple(sorted(doubts)))


def spread(case: Case) -> tuple[str, ...]:
    """The case's doubts in plain words."""
    return tuple(DOUBTS[code] for code in case.doubts)


def kept_back(turn: Turn) -> bool:
    """Whether a person has to look before any letter with requests or dates leaves."""
    return any(hold.id in ("danger", "legal") for hold in turn.case.holds)


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
    if mail.sender and not party.knows(mail.sender):
        party = replace(party, contacts=(*party.contacts, Contact(mail.sender, "mail")))
    turn.change_party(party)


def _add_statement(turn: Turn, role: Role, mail: MailFacts) -> None:
    if mail.text.strip():
        number = len(turn.case.statements) + 1
        statement = Statement(number, role, mail.mail_id, mail.text, Provenance.DIRECT, mail.at)
        turn.case = replace(turn.case, statements=(*turn.case.statements, statement))


def _mind_flags(turn: Turn, role: Role, mail: MailFacts) -> None:
    """Danger holds every letter to the other side; a legal threat holds the next letter for at most its own span.

    Source: policy `[staff] danger`, `[limits] legal_hold`.
    """
    danger = tuple(flag for flag in mail.flags if flag in DANGER)
    if danger:
        words = ", ".join(flag.replace("_", " ") for flag in danger)
        turn.hold(Hold("danger", (role.other,), f"A mail of the {role} raises: {words}.", turn.now, "rule"))
    if "legal_threat" in mail.flags and not any(hold.id == "legal" for hold in turn.case.holds):
        turn.hold(Hold("legal", tuple(Role), f"The {role} mentions legal steps.", turn.now, "rule"))
        until = turn.after(None, turn.policy.limits.legal_hold)
        turn.start(Clock(Who.STAFF, What.WAKE, Topic.LEGAL, until))
    if "under_48h" in mail.flags and turn.case.kind is Kind.PAYMENT:
        until = mail.at + turn.policy.limits.under_48h.elapsed
        turn.case = replace(turn.case, not_before=max(until, turn.case.not_before or until))
