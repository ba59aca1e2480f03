"""From a stored mail to facts: bytes → Mail → which case, whose words, what it says → events for Office.

It reads and matches, and decides nothing: what follows from a fact is for `decide`. One mail may give several events,
at most one a case, applied together with the filing of the mail in one transaction.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from bot.casework import Happening, Office
from bot.directory import Directory
from bot.flows import tokens, triage
from bot.flows.case import Case, Closing, ItemName, Kind, Provenance, Role
from bot.flows.events import (
    CaseOpened,
    Fact,
    ItemFound,
    LetterBounced,
    LetterSettled,
    Listing,
    MailFacts,
    MailSuggested,
    PartyAway,
    PartyWrote,
)
from bot.flows.mail import Mail, Nature, Verdict
from bot.flows.policy import Policy
from bot.flows.triage import Known, Reading
from bot.handlers import messages
from bot.mail.parse import Limits, Unreadable, parse
from bot.storage.inbox import MAIL, SLACK, InboxRow, InboxState
from bot.storage.mails import Filing, MailState
from bot.storage.outbox import OutState
from bot.storage.store import Store, Tx
from bot.telemetry import Metrics, log

TRIES_MAX = 5
KNOWN_MAX = 20
TEXT_CHARS_MAX = 20_000
LOGO_BYTES_MAX = 20_000
ANSWERS = ("provides_item", "refuses", "resolved")
"""Intents with which a respondent answers for its payment."""

_SUBJECT_NUMBER = re.compile(r"\bD-(\d{1,9})\b", re.I)
_LOG = log("intake")


@dataclass(frozen=True, slots=True)
class Signs:
    """How mail is known: our own address, the secrets that sign, and the name of the server whose verdict counts."""

    support: str
    secrets: tuple[str, ...]
    authserv_id: str | None


@dataclass(frozen=True, slots=True)
class Place:
    """The case that a mail is bound to, and whose answer it would be. `signed`: by a token or Message-ID of ours.

    `how` is `token`, `message_id` or `references`.
    """

    case: Case
    role: Role
    how: str

    @property
    def signed(self) -> bool:
        return self.how in ("token", "message_id")


@dataclass(frozen=True, slots=True)
class Hint:
    """A case that a mail only suggests. `binds` is false if nothing but a number in the subject points there."""

    case: Case
    role: Role | None
    binds: bool
    text: str


@dataclass(frozen=True, slots=True)
class Understood:
    """What a mail means: the events it gives, and how it is filed."""

    facts: tuple[tuple[int | None, str, Fact], ...]
    state: MailState
    threaded_by: str = ""
    suggests: str | None = None


class Intake:
    """Reads what is new in the inbox, oldest first."""

    def __init__(self, office: Office, store: Store, policy: Policy, signs: Signs, metrics: Metrics) -> None:
        self._office, self._store, self._policy, self._signs, self._metrics = office, store, policy, signs, metrics
        self._directory = Directory(store)
        limits = policy.limits
        self._limits = replace(
            Limits(), size_bytes=limits.mail_bytes_max, depth=limits.mail_depth_max, parts=limits.mail_parts_max
        )

    def run_once(self) -> int:
        """Apply every new mail that is there. Returns how many. A mail that fails is tried again, then quarantined."""
        count = 0
        while True:
            with self._store.begin() as tx:
                rows = tx.inbox.claim_new(limit=1, source=MAIL)
            if not rows:
                return count
            self.take_in(rows[0])
            count += 1

    def take_in(self, row: InboxRow) -> None:
        """Apply one stored mail; whatever is wrong with it, the mail behind it is still read."""
        with self._store.read() as tx:
            current = tx.inbox.get(row.id)
        if current is None or current.state is not InboxState.NEW:
            return  # Another reader was faster; read again now, the mail would look like an answer to its own case.
        try:
            mail = parse(row.raw, self._signs.authserv_id, self._limits)
            self._metrics.mail(mail.nature)
            self.apply(row, mail)
        except Unreadable as wrong:
            self._quarantine(row, wrong.reason)
        except Exception as wrong:  # noqa: BLE001 - the recurring job's loop: said, tried again, then quarantined.
            self._fail(row, wrong)

    def apply(self, row: InboxRow, mail: Mail) -> None:
        """Apply a stored mail, or a message read as one; its row is done with the same commit. May raise."""
        understood = self.understand(row, mail)
        happenings = tuple(Happening(case, event_id, by_whom(fact), fact) for case, event_id, fact in understood.facts)
        self._office.advance(happenings, filing(row, mail, understood))

    def read_again(self, mail_id: int, case: Case, kind: Kind, role: Role) -> MailFacts | None:
        """A stored mail read in the light of what a person said it is; None if it cannot be read."""
        with self._store.read() as tx:
            row = tx.inbox.get(mail_id)
        mail = None if row is None else self._read(row)
        if row is None or mail is None:
            return None
        known = Known(case.label, kind, case.assignment_ids, (mail.sender.address,), (), mail.in_reply_to)
        if role is Role.CLIENT:
            known = replace(known, worker=(), client=(mail.sender.address,))
        return self._mail_facts(
            row, mail, triage.read(_bound_to(mail, known), (known,)), role, replace(case, kind=kind)
        )

    def _read(self, row: InboxRow) -> Mail | None:
        """The stored row as a mail; None if it cannot be read as one."""
        if row.source == SLACK:
            message = messages.read(row.raw)
            return messages.as_mail(message) if message else None
        try:
            return parse(row.raw, self._signs.authserv_id, self._limits)
        except Unreadable:
            return None

    # --- Understanding ------------------------------------------------------------------------------------------------

    def understand(self, row: InboxRow, mail: Mail) -> Understood:
        """What a mail means, as far as the store, the directory and triage can say."""
        if mail.sender.address == self._signs.support.lower():
            return Understood((), MailState.IGNORED)
        with self._store.read() as tx:
            place = self._place(tx, mail)
        if mail.nature is Nature.BOUNCE:
            return self._bounced(row, mail)
        if mail.nature is Nature.AUTO:
            return self._automatic(row, mail, place)
        if place:
            return self._bound(row, mail, place)
        return self._fresh(row, mail)

    def _place(self, tx: Tx, mail: Mail) -> Place | None:
        """By token, then by our Message-ID, then by a Message-ID of a party's own mail."""
        for recipient in mail.recipients:
            token = tokens.token_in(recipient, self._signs.support)
            named = tokens.read_token(self._signs.secrets, token) if token else None
            case = tx.cases.get(named[0]) if named else None
            if named and case:
                return Place(_survivor(tx, case), named[1], "token")
        cited = (*mail.in_reply_to, *reversed(mail.references))
        for message_id in (*(mail.bounce.message_ids if mail.bounce else ()), *cited):
            ours = tokens.read_message_id(self._signs.secrets, message_id)
            letter = tx.outbox.letter(*ours) if ours else None
            case = tx.cases.get(ours[0]) if ours else None
            if letter and letter.posting.role and case:
                return Place(_survivor(tx, case), letter.posting.role, "message_id")
        for filed in tx.mails.by_message_id(cited):
            case = tx.cases.get(filed.case) if filed.case else None
            if case and filed.party:
                return Place(_survivor(tx, case), filed.party, "references")
        return None

    def _bounced(self, row: InboxRow, mail: Mail) -> Understood:
        """A bounce is an event of the letter that came back; a delay, or a bounce of nothing of ours, is only filed."""
        bounce = mail.bounce
        if bounce is None or not bounce.permanent:
            return Understood((), MailState.IGNORED)
        facts: dict[int, tuple[int | None, str, Fact]] = {}
        unknown: list[Happening] = []
        with self._store.read() as tx:
            for message_id in bounce.message_ids:
                ours = tokens.read_message_id(self._signs.secrets, message_id)
                letter = tx.outbox.letter(*ours) if ours else None
                if ours is None or letter is None or letter.posting.role is None or ours[0] in facts:
                    continue
                case, number, role = *ours, letter.posting.role
                if letter.state is OutState.UNKNOWN:
                    left = LetterSettled(number, role, left=True, evidence="a delivery report names it")
                    unknown.append(Happening(case, f"settled:{letter.id}", "mail", left))
                fact = LetterBounced(role, number, letter.posting.recipient, bounce.diagnostic)
                facts[case] = (case, f"mail:{row.id}:D-{case}", fact)
        if unknown:  # A report on a letter proves that it left, whatever became of our conversation with the server.
            self._office.advance(unknown)
        return Understood(tuple(facts.values()), MailState.IGNORED, "message_id" if facts else "")

    def _automatic(self, row: InboxRow, mail: Mail, place: Place | None) -> Understood:
        """Automatic mail is never answered and never an answer; from a party it may say when the person is back."""
        if place is None or mail.verdict is Verdict.FAIL:
            return Understood((), MailState.IGNORED)
        role = next((role for role in Role if place.case.party(role).knows(mail.sender.address)), None)
        if role is None:
            return Understood((), MailState.IGNORED, place.how)
        fact = PartyAway(role, row.id, mail.returns_on)
        return Understood(((place.case.number, _event_id(row, place.case), fact),), MailState.IGNORED, place.how)

    def _bound(self, row: InboxRow, mail: Mail, place: Place) -> Understood:
        """A person's mail that answers one of our cases: trusted if the address is a known one of the party.

        From the other party's address it is that party's mail, which an authenticated sender must prove.
        """
        case = place.case
        known = _known(case)
        reading = triage.read(_bound_to(mail, known), (known,))
        role, reason = _trusted(mail, place)
        if role and reading.intent == "new_dispute":
            fresh = self._fresh(row, mail, case)
            if fresh.facts:
                return fresh
        facts = self._mail_facts(row, mail, reading, role or place.role, case)
        fact: Fact = PartyWrote(role, facts) if role else MailSuggested(place.role, facts, reason)
        state = MailState.FILED if role else MailState.UNCONFIRMED
        return Understood(((case.number, _event_id(row, case), fact),), state, place.how)

    def _fresh(self, row: InboxRow, mail: Mail, apart_from: Case | None = None) -> Understood:
        """A mail that answers nothing of ours: no dispute, a new case, or a case in sorting with what it suggests."""
        reading = triage.read(mail)
        hint = None if apart_from else self._hint(mail, reading)
        if reading.kind == "spam" and hint is None:
            return Understood((), MailState.IGNORED)
        sure = reading.confidence >= self._policy.triage.sure_above
        kinds = _kinds(reading) if sure else ()
        if not kinds and reading.kind == "other" and sure and hint is None:
            return Understood((), MailState.NOT_DISPUTE)
        listings = self._directory.look_up(reading.assignment_ids)
        opener = _opener(mail, reading, listings)
        if hint and (not kinds or hint.case.kind in kinds):
            return self._suggesting(row, mail, reading, hint, opener)
        if not kinds or opener is None:
            return self._unsure(row, mail, reading, opener)
        linked_to = apart_from.number if apart_from else hint.case.number if hint else None
        facts = tuple(
            (
                None,
                f"mail:{row.id}:{kind}",
                CaseOpened(
                    self._mail_facts(row, mail, reading, opener, Case(0, kind=kind)), kind, opener, None, linked_to
                ),
            )
            for kind in kinds
        )
        return Understood(facts, MailState.FILED)

    def _unsure(self, row: InboxRow, mail: Mail, reading: Reading, opener: Role | None) -> Understood:
        facts = self._mail_facts(row, mail, reading, opener or Role.WORKER, Case(0))
        return Understood(((None, f"mail:{row.id}:sorting", CaseOpened(facts, None, opener)),), MailState.SORTING)

    def _suggesting(self, row: InboxRow, mail: Mail, reading: Reading, hint: Hint, opener: Role | None) -> Understood:
        """It opens a case in sorting that names the other, and what it may answer there does not run out meanwhile."""
        case = hint.case
        facts = self._mail_facts(row, mail, reading, hint.role or opener or Role.WORKER, case)
        opened = CaseOpened(facts, None, hint.role or opener, suggests=case.label)
        held = MailSuggested(hint.role, facts, hint.text, hint.binds)
        return Understood(
            ((None, f"mail:{row.id}:sorting", opened), (case.number, _event_id(row, case), held)),
            MailState.SORTING,
            suggests=case.label,
        )

    def _hint(self, mail: Mail, reading: Reading) -> Hint | None:
        """The case that a mail suggests: by sender and assignment, or by a number in the subject. Closed ones too."""
        with self._store.read() as tx:
            about = set(tx.cases.with_assignment(reading.assignment_ids))
            for number, role in tx.cases.with_address(mail.sender.address)[:KNOWN_MAX]:
                case = tx.cases.get(number) if number in about else None
                if case:
                    return Hint(case, role, True, "the sender and the assignment are those of the case")
            for text in _SUBJECT_NUMBER.findall(mail.subject[:300])[:3]:
                case = tx.cases.get(int(text))
                if case:
                    known = next((role for role in Role if case.party(role).knows(mail.sender.address)), None)
                    return Hint(case, known, False, "only the number in the subject points to the case")
        return None

    def _mail_facts(self, row: InboxRow, mail: Mail, reading: Reading, role: Role, case: Case) -> MailFacts:
        """What the mail says, as words of `role`; `case` gives its kind, and whose answer is awaited."""
        kind, respondent = case.kind, case.respondent
        return MailFacts(
            mail_id=row.id,
            message_id=mail.message_id,
            references=mail.references[-20:],
            sender=mail.sender.address,
            sender_name=mail.sender.name[:100],
            subject=mail.subject[:300],
            text=mail.words.strip()[:TEXT_CHARS_MAX],
            at=row.received_at,
            verdict=mail.verdict,
            verdict_reason=mail.verdict_reason,
            kind_confidence=reading.confidence,
            intent=reading.intent,
            items=items(reading, role, kind, respondent),
            assignment_ids=reading.assignment_ids,
            flags=reading.flags,
            lang=reading.lang or "en",
            unread_files=unread_files(mail),
            listings=self._directory.look_up(reading.assignment_ids),
        )

    # --- What goes wrong ----------------------------------------------------------------------------------------------

    def _fail(self, row: InboxRow, wrong: Exception) -> None:
        reason = f"{type(wrong).__name__}: {wrong}"[:300]
        _LOG.warning("mail_failed", inbox_id=row.id, error=type(wrong).__name__, exc_info=wrong)
        with self._store.begin() as tx:
            tries = tx.inbox.retry(row.id, reason, timedelta(seconds=2.0 ** min(row.tries, 6)))
        if tries >= TRIES_MAX:
            self._quarantine(row, f"failed {tries} times: {reason}")

    def _quarantine(self, row: InboxRow, reason: str) -> None:
        _LOG.warning("mail_quarantined", inbox_id=row.id, reason=reason)
        with self._store.begin() as tx:
            tx.inbox.quarantine(row.id, reason)


def items(reading: Reading, role: Role, kind: Kind | None, respondent: Role | None) -> tuple[ItemFound, ...]:
    """The items that triage found in a mail of `role`: own words direct, the other side's relayed.

    A respondent's reply to a payment notice is its answer if triage reads it as one; else a person reads it.
    """
    confidence = dict(reading.item_confidence)
    present = {
        ItemName.WORKER_EXPLANATION: bool(reading.has_worker_explanation) and kind is not Kind.PAYMENT,
        ItemName.CLIENT_EXPLANATION: bool(reading.has_client_explanation) and kind is not Kind.PAYMENT,
        ItemName.TIMELINE: bool(reading.has_timeline) and kind is not Kind.RATING,
        ItemName.ANSWER: kind is Kind.PAYMENT and role is respondent and reading.intent in ANSWERS,
    }
    own = {ItemName.WORKER_EXPLANATION: Role.WORKER, ItemName.CLIENT_EXPLANATION: Role.CLIENT}
    return tuple(
        ItemFound(
            name,
            confidence.get(name, 0.9),
            Provenance.DIRECT if own.get(name, role) is role else Provenance.RELAYED,
            next((reason.text for reason in reading.reasons if reason.about.endswith(name)), ""),
        )
        for name, there in present.items()
        if there
    )


def unread_files(mail: Mail) -> tuple[str, ...]:
    """The names of attachments that nobody has read: all but texts, and small pictures such as logos."""
    return tuple(
        attachment.name or attachment.content_type
        for attachment in mail.attachments
        if attachment.text is None
        and not (attachment.content_type.startswith("image/") and attachment.size_bytes <= LOGO_BYTES_MAX)
    )


def filing(row: InboxRow, mail: Mail, understood: Understood) -> Filing:
    """How the mail is filed, for the store."""
    return Filing(
        inbox_id=row.id,
        state=understood.state,
        message_id=mail.message_id,
        date=mail.date,
        sender=mail.sender.address,
        subject=mail.subject[:300],
        suggests=understood.suggests,
        threaded_by=understood.threaded_by,
        verdict=mail.verdict,
        verdict_reason=mail.verdict_reason,
    )


def by_whom(fact: Fact) -> str:
    """Who is behind a fact that a mail gave: a party, or the mail server."""
    match fact:
        case PartyWrote(role) | PartyAway(role):
            return role
        case CaseOpened(opener=opener):
            return opener or "mail"
        case _:
            return "mail"


def _survivor(tx: Tx, case: Case) -> Case:
    """The case that goes on: where this one was put to another as the same dispute, that one."""
    seen: set[int] = set()
    while case.closed is Closing.DUPLICATE and case.number not in seen:
        seen.add(case.number)
        into = tx.events.merged_into(case.number)
        other = None if into is None else tx.cases.get(into)
        if other is None:
            break
        case = other
    return case


def _trusted(mail: Mail, place: Place) -> tuple[Role | None, str]:
    """Whose trusted mail it is; or None and why a person has to confirm it."""
    address, case = mail.sender.address, place.case
    if mail.verdict is Verdict.FAIL:
        return None, f"the sender failed authentication: {mail.verdict_reason}"
    if mail.verdict is Verdict.NONE and not place.signed:
        return None, "the sender is not authenticated"
    if case.party(place.role).knows(address):
        return place.role, ""
    if case.party(place.role.other).knows(address):
        if mail.verdict is Verdict.PASS:
            return place.role.other, ""
        return None, f"the address is the {place.role.other}'s, but the sender is not authenticated"
    return None, "the address is not known for this party"


def _kinds(reading: Reading) -> tuple[Kind, ...]:
    match reading.kind:
        case "rating":
            return (Kind.RATING,)
        case "payment":
            return (Kind.PAYMENT,)
        case "both":
            return (Kind.RATING, Kind.PAYMENT)
        case _:
            return ()


def _opener(mail: Mail, reading: Reading, listings: Sequence[Listing]) -> Role | None:
    """Which side wrote: as the directory lists the address, else as triage reads the words."""
    address = mail.sender.address
    for listing in listings:
        if address == listing.worker_email:
            return Role.WORKER
        if address == listing.client_email:
            return Role.CLIENT
    return Role(reading.sender_role) if reading.sender_role in set(Role) else None


def _known(case: Case) -> Known:
    return Known(
        number=case.label,
        kind=case.kind,
        assignment_ids=case.assignment_ids,
        worker=tuple(contact.address for contact in case.worker.contacts),
        client=tuple(contact.address for contact in case.client.contacts),
    )


def _bound_to(mail: Mail, known: Known) -> Mail:
    """The mail as triage shall see it: our signatures were checked here, so it need not look for them."""
    return (
        mail if f"{known.number} " in f"{mail.subject} " else replace(mail, subject=f"[{known.number}] {mail.subject}")
    )


def _event_id(row: InboxRow, case: Case) -> str:
    return f"mail:{row.id}:{case.label}"
