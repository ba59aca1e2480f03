"""What a click or a filled form means: the facts it states, the form it needs first, or why it cannot be.

Nothing is decided here: a fact goes to the office, which may refuse it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from bot.casework import Happening
from bot.flows.case import Case, Item, ItemName, Kind, Role, Stage
from bot.flows.events import (
    CaseOpened,
    Claimed,
    ContactSet,
    Dismissed,
    Extended,
    Fact,
    FlagLooked,
    HoldEnded,
    HoldPlaced,
    ImpasseConfirmed,
    ItemAccepted,
    ItemRejected,
    ItemWaived,
    MailDismissed,
    MailFacts,
    NoticeReleased,
    OutcomeRecorded,
    Released,
    SenderConfirmed,
    Sorted,
    StaffReplied,
    TalksSkipped,
    Undone,
)
from bot.flows.mail import Verdict
from bot.handlers.cards import acceptable
from bot.handlers.commands import number_in
from bot.handlers.desk import Ask, Desk
from bot.handlers.messages import Message, written_down
from bot.handlers.regroup import put_to, take_apart
from bot.storage.inbox import SLACK
from bot.storage.mails import Filing, MailState

DANGER = ("threat", "welfare", "fear_of_retaliation")
KINDS = {"sort_payment": Kind.PAYMENT, "sort_rating": Kind.RATING}


@dataclass(frozen=True, slots=True)
class Refusal:
    """It cannot be; `text` says what would be right, `field` names the form's field it is about."""

    text: str
    field: str = ""


@dataclass(frozen=True, slots=True)
class NeedsForm:
    """A person has to say more first."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What to apply, and the mail it was read from, if it is a mail that lay at no case."""

    happenings: tuple[Happening, ...]
    filing: Filing | None = None


Meaning = Facts | NeedsForm | Refusal


def act(desk: Desk, ask: Ask, by: str) -> NeedsForm | Refusal | None:
    """Do what is asked; None: it is done. Raises what the store raises."""
    meaning = means(desk, ask, by)
    if not isinstance(meaning, Facts):
        return meaning
    refused = desk.advance(meaning.happenings, meaning.filing)
    return Refusal(refused) if refused else None


def means(desk: Desk, ask: Ask, by: str) -> Meaning:
    """What the ask means for its case as it is now."""
    if ask.act == "open_case":
        return _open(desk, ask, by)
    case = None if ask.case is None else desk.case(ask.case)
    if case is None:
        return Refusal("That case is not there.")
    if ask.act in ("sort_payment", "sort_rating", "sort_both"):
        return _sort(desk, ask, case, by)
    if ask.act == "sort_attach":
        return _attach(desk, ask, case, by)
    if ask.act == "undo" and ask.detail == "duplicate":
        return Facts(take_apart(desk, ask, case, by))
    if ask.act == "same_party":
        return _same_party(desk, ask, case, by)
    fact = _fact(ask, case, by)
    return fact if isinstance(fact, NeedsForm | Refusal) else Facts((Happening(case.number, ask.id, by, fact),))


def _fact(ask: Ask, case: Case, by: str) -> Fact | NeedsForm | Refusal:
    match ask.act:
        case "claim":
            return Claimed(by)
        case "confirm_impasse":
            return ImpasseConfirmed(by)
        case "resume":
            return _resumed(ask.detail, case, by)
        case "undo":
            return Undone(by, int(ask.detail) if ask.detail.isdigit() else None)
        case "accept_item":
            return _accepted(ask, case, by)
        case "sort_no" if ask.detail.startswith("mail:"):
            return MailDismissed(by, int(ask.detail.removeprefix("mail:")))
        case _:
            return NeedsForm() if ask.values is None else _filled(ask, ask.values, by)


def _filled(ask: Ask, values: Mapping[str, str], by: str) -> Fact | Refusal:
    reason, item = values.get("reason", ""), values.get("item", "")
    if ask.act in ("reject_item", "waive") and item not in set(ItemName):
        return Refusal("Choose an item that the case needs.", "item")
    match ask.act:
        case "reply_worker" | "reply_client":
            role = Role(ask.act.removeprefix("reply_"))
            return StaffReplied(by, role, values.get("text", ""), values.get("language", "en"))
        case "set_contact":
            return ContactSet(by, Role(ask.detail), values.get("address", ""), values.get("text", "").strip())
        case "send_notice":
            return NoticeReleased(by)
        case "hold":
            return HoldPlaced(by, (Role(item),) if item in set(Role) else tuple(Role), reason)
        case "extend":
            return Extended(by, Role(ask.detail), reason)
        case "reject_item":
            return ItemRejected(by, ItemName(item), reason)
        case "waive":
            return ItemWaived(by, ItemName(item), reason)
        case "release":
            number = item or ask.detail
            return Released(by, int(number)) if number.isdigit() else Refusal("Choose a statement.", "item")
        case "skip_talks":
            return TalksSkipped(by, reason)
        case "record_outcome":
            return OutcomeRecorded(by, values.get("outcome", ""), values.get("grounds", ""))
        case "sort_no":
            return Dismissed(by, None, reason)
        case other:
            return Refusal(f"“{other}” is nothing that can be done here.")


def _resumed(hold: str, case: Case, by: str) -> Fact:
    """A flagged mail was looked at, or a person ends a hold."""
    flags = {"danger": DANGER, "legal": ("legal_threat",)}.get(hold, ())
    flag = next((flag for flag in case.flags if flag in flags), "")
    return FlagLooked(by, flag) if flag else HoldEnded(by, hold or None)


def _accepted(ask: Ask, case: Case, by: str) -> Fact | NeedsForm | Refusal:
    """At once where one item waits; else a person says which."""
    waiting: tuple[Item, ...] = acceptable(case)
    chosen = next((item for item in waiting if ask.values and item.name == ask.values.get("item")), None)
    if chosen is not None:
        return ItemAccepted(by, chosen.name)
    if not waiting:
        return Refusal("No item waits to be accepted.")
    return ItemAccepted(by, waiting[0].name) if len(waiting) == 1 else NeedsForm()


# --- Sorting ----------------------------------------------------------------------------------------------------------


def _sort(desk: Desk, ask: Ask, case: Case, by: str) -> Meaning:
    """Sort it as what a person says; of both kinds, a second case is opened from the same mail."""
    chosen = (ask.values or {}).get("item", "")
    opener = Role(chosen) if chosen in set(Role) else case.opener
    if opener is None:
        return NeedsForm()
    mail_id = desk.opening_mail(case)
    kind = KINDS.get(ask.act, Kind.RATING)
    mail = None if mail_id is None else desk.read_again(mail_id, case, kind, opener)
    happenings = [Happening(case.number, ask.id, by, Sorted(by, kind, opener, mail))]
    if ask.act == "sort_both":
        if case.stage is not Stage.SORTING or case.party(opener).address is None:
            return Refusal(f"{case.label} is in {case.stage}, or there is no address for the {opener}: set it first.")
        other = None if mail_id is None else desk.read_again(mail_id, case, Kind.PAYMENT, opener)
        if other is None:
            return Refusal("Its mail cannot be read again: sort it as one kind, and open the other case by hand.")
        opened = CaseOpened(other, Kind.PAYMENT, opener, None, case.number)
        happenings.append(Happening(None, f"{ask.id}:payment", by, opened))
    return Facts(tuple(happenings))


def _attach(desk: Desk, ask: Ask, case: Case, by: str) -> Meaning:
    """It belongs to another case: all of it, or at a mail (`mail:7`) that mail."""
    if ask.values is None:
        return NeedsForm()
    number = number_in(ask.values.get("case", ""))
    other = None if number is None else desk.case(number)
    if other is None or other.number == case.number:
        return Refusal("Name another case that is there, such as D-1042.", "case")
    meant = put_to(desk, ask, case, other, by)
    return Refusal(meant) if isinstance(meant, str) else Facts(meant)


def _same_party(desk: Desk, ask: Ask, case: Case, by: str) -> Meaning:
    """An unconfirmed mail is the party's after all; whose, is asked where nothing says."""
    suggested = next((each for each in case.suggested if str(each.mail_id) == ask.detail), None)
    if suggested is None:
        return Refusal("That mail has been dealt with already.")
    chosen = (ask.values or {}).get("item", "")
    role = Role(chosen) if chosen in set(Role) else suggested.role
    if role is None:
        return NeedsForm()
    mail = desk.read_again(suggested.mail_id, case, case.kind or Kind.PAYMENT, role)
    if mail is None:
        return Refusal("That mail cannot be read any more.")
    return Facts((Happening(case.number, f"mail:{mail.mail_id}:{ask.id}", by, SenderConfirmed(by, role, mail)),))


# --- Opening ----------------------------------------------------------------------------------------------------------


def _open(desk: Desk, ask: Ask, by: str) -> Meaning:
    """A case made by a person: from a mail that was no dispute, or from what the form says."""
    if ask.detail.isdigit():
        return _open_from_mail(desk, int(ask.detail), by)
    if ask.values is None:
        return NeedsForm()
    text, address = ask.values.get("text", "").strip(), ask.values.get("address", "").strip().lower()
    if not text:
        return Refusal("Say what it is about.", "text")
    now = desk.office.now()
    with desk.office.store.begin() as tx:
        typed = Message("", ask.id, "", ask.user, text, now, address)
        stored = tx.inbox.put(SLACK, ask.id, written_down(typed), now)
        tx.inbox.done(stored.id)
    mail = MailFacts(
        mail_id=stored.id,
        message_id=None,
        references=(),
        sender=address,
        sender_name="",
        subject=f"Opened by {by}",
        text=text,
        at=now,
        verdict=Verdict.NONE,
        verdict_reason=f"{by} wrote it down in Slack",
        channel="slack",
    )
    return Facts((Happening(None, ask.id, by, CaseOpened(mail, None, None)),))


def _open_from_mail(desk: Desk, mail_id: int, by: str) -> Meaning:
    with desk.office.store.read() as tx:
        filed = next(iter(tx.mails.filed(mail_id)), None)
    mail = desk.read_again(mail_id, Case(0), Kind.PAYMENT, Role.WORKER)
    if filed is None or mail is None:
        return Refusal("That mail cannot be read any more.")
    if filed.case is not None:
        return Refusal(f"It is in D-{filed.case} already.")
    opened = Happening(None, f"mail:{mail_id}:sorting", by, CaseOpened(replace(mail, items=()), None, None))
    return Facts((opened,), replace(filed.filing, state=MailState.SORTING))
