"""All that can happen: the closed set of facts, each in the past tense, and the envelope they arrive in.

A feature starts with a line here. An `Event` is claimed once by its id; applied twice it changes nothing.
"""

from dataclasses import dataclass
from datetime import date, datetime

from bot.flows.case import Impasse, ItemName, Kind, Provenance, Role, Topic, What, Who
from bot.flows.mail import Verdict


@dataclass(frozen=True, slots=True)
class ItemFound:
    """An item that stands in a mail: how sure triage is (0 to 1), where it came from, the sentence it rests on."""

    name: ItemName
    confidence: float
    provenance: Provenance
    excerpt: str


@dataclass(frozen=True, slots=True)
class Listing:
    """What the directory says about one assignment. Zones are IANA names; dates are calendar dates without a zone."""

    assignment_id: str
    worker_name: str
    worker_email: str
    client_name: str
    client_email: str
    worker_zone: str | None = None
    client_zone: str | None = None
    due_on: date | None = None
    approved_on: date | None = None
    paid_on: date | None = None


@dataclass(frozen=True, slots=True)
class MailFacts:
    """What one incoming mail says, as intake read it. `text` is the sender's new words; `mail_id` its row in the store.

    `unread_files` are attachments nobody has read; `listings` what the directory says of the IDs in the mail.
    """

    mail_id: int
    message_id: str | None
    references: tuple[str, ...]
    sender: str
    sender_name: str
    subject: str
    text: str
    at: datetime
    verdict: Verdict
    verdict_reason: str
    kind_confidence: float = 1.0
    intent: str | None = None
    items: tuple[ItemFound, ...] = ()
    assignment_ids: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()
    lang: str = "en"
    unread_files: tuple[str, ...] = ()
    listings: tuple[Listing, ...] = ()
    channel: str = "mail"


# --- Mail ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class CaseOpened:
    """A mail (or an intake message) opened a case. `kind` or `opener` None: a person must sort it.

    `suggests` names a case it may belong to, such as `D-1042`; `linked_to` one that it goes together with: opened by
    the same mail, or of the same people.
    """

    mail: MailFacts
    kind: Kind | None
    opener: Role | None
    suggests: str | None = None
    linked_to: int | None = None


@dataclass(frozen=True, slots=True)
class PartyWrote:
    """A trusted mail of a party of this case, written by a person."""

    role: Role
    mail: MailFacts


@dataclass(frozen=True, slots=True)
class MailSuggested:
    """A mail was filed at the case but is not trusted: unknown address, or no authentication. It may be `role`'s
    answer.

    `binds` is false if only a number in the subject points here: then nothing but the end of a ladder is held back.
    """

    role: Role | None
    mail: MailFacts
    reason: str
    binds: bool = True


@dataclass(frozen=True, slots=True)
class PartyAway:
    """A party's machine answered that the person is out of office; `returns_on` None: it gave no date."""

    role: Role
    mail_id: int
    returns_on: date | None


@dataclass(frozen=True, slots=True)
class LetterBounced:
    """A letter of ours came back for good. `letter` None: the report named only the address."""

    role: Role
    letter: int | None
    address: str
    diagnostic: str


# --- Clock ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ClockDue:
    """A clock of the case came due; its letter, where it needs one, has left and not bounced."""

    who: Who
    what: What
    topic: Topic
    due_at: datetime


@dataclass(frozen=True, slots=True)
class TimeLost:
    """The bot did not run from `since` to `until`: the parties get that time back."""

    since: datetime
    until: datetime


# --- Delivery -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class LetterLate:
    """A letter could not leave in time, or was taken back by a hold; what it said is to be decided anew.

    `shadow`: it was only written in shadow mode, and the bot has gone live.
    """

    letter: int
    name: str
    role: Role
    shadow: bool = False


@dataclass(frozen=True, slots=True)
class LetterFailed:
    """A letter was refused for good (`dead`) or nobody knows whether it left (`unknown`)."""

    letter: int
    name: str
    role: Role
    state: str
    reason: str


@dataclass(frozen=True, slots=True)
class LetterSettled:
    """Evidence or a person settled what became of a dead or unknown letter. `name` is its template, where known."""

    letter: int
    role: Role
    left: bool
    evidence: str
    name: str = ""


# --- Staff ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Claimed:
    """A person took the case."""

    by: str


@dataclass(frozen=True, slots=True)
class Sorted:
    """A person said what it is, and who opened it. `mail` is the opening mail, read again in that light."""

    by: str
    kind: Kind
    opener: Role
    mail: MailFacts | None = None


@dataclass(frozen=True, slots=True)
class Dismissed:
    """A person said it is not a dispute, a duplicate, or belongs to the case `into`."""

    by: str
    into: int | None
    reason: str


@dataclass(frozen=True, slots=True)
class ContactSet:
    """A person gave a party's address (and name), for instance after a bounce."""

    by: str
    role: Role
    address: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class NoticeReleased:
    """A person sent the notice that waited for one."""

    by: str


@dataclass(frozen=True, slots=True)
class HoldPlaced:
    """A person stopped the clocks of these parties, with a reason."""

    by: str
    roles: tuple[Role, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class HoldEnded:
    """A person ended a hold; `hold` None: every hold of staff."""

    by: str
    hold: str | None = None


@dataclass(frozen=True, slots=True)
class Extended:
    """A person gave a party more time, once."""

    by: str
    role: Role
    reason: str


@dataclass(frozen=True, slots=True)
class ItemAccepted:
    by: str
    item: ItemName


@dataclass(frozen=True, slots=True)
class ItemRejected:
    by: str
    item: ItemName
    reason: str


@dataclass(frozen=True, slots=True)
class ItemWaived:
    by: str
    item: ItemName
    reason: str


@dataclass(frozen=True, slots=True)
class Released:
    """A person released one statement to the other side, having seen the preview."""

    by: str
    statement: int


@dataclass(frozen=True, slots=True)
class TalksSkipped:
    by: str
    reason: str


@dataclass(frozen=True, slots=True)
class ImpasseProposed:
    """A person saw an impasse before the clock did."""

    by: str
    impasse: Impasse


@dataclass(frozen=True, slots=True)
class ImpasseConfirmed:
    by: str


@dataclass(frozen=True, slots=True)
class OutcomeRecorded:
    """A named person decided. `code` is one of the kind's outcome codes; `grounds` are required."""

    by: str
    code: str
    grounds: str


@dataclass(frozen=True, slots=True)
class SenderConfirmed:
    """A person confirmed that an unconfirmed mail is from this party; what it says counts from now."""

    by: str
    role: Role
    mail: MailFacts


@dataclass(frozen=True, slots=True)
class MailDismissed:
    """A person said that an unconfirmed mail is not from a party of this case."""

    by: str
    mail_id: int


@dataclass(frozen=True, slots=True)
class StaffReplied:
    """A person wrote to one party, with recipient and text shown."""

    by: str
    role: Role
    text: str
    language: str = "en"


@dataclass(frozen=True, slots=True)
class Undone:
    """A person took back what has not left yet. `letter` None: the recorded outcome."""

    by: str
    letter: int | None = None


@dataclass(frozen=True, slots=True)
class FlagLooked:
    """A person has looked at a flag (threat, legal threat …); what it held may go on."""

    by: str
    flag: str


@dataclass(frozen=True, slots=True)
class Linked:
    """A person linked the case to another one: the same pair, the same assignment, or whatever `why` says."""

    by: str
    other: int
    why: str


@dataclass(frozen=True, slots=True)
class Unlinked:
    """A person took a link away."""

    by: str
    other: int


@dataclass(frozen=True, slots=True)
class AssignmentTaken:
    """A person made one of several assignments a case of its own."""

    by: str
    assignment_id: str


@dataclass(frozen=True, slots=True)
class MailTaken:
    """A person put a mail of this case to the case `into`."""

    by: str
    mail_id: int
    into: int


@dataclass(frozen=True, slots=True)
class MergeUndone:
    """The case `other`, once put to this one, is a case of its own again, with its mails `mail_ids`."""

    by: str
    other: int
    mail_ids: tuple[int, ...]


Fact = (
    CaseOpened
    | PartyWrote
    | MailSuggested
    | PartyAway
    | LetterBounced
    | ClockDue
    | TimeLost
    | LetterLate
    | LetterFailed
    | LetterSettled
    | Claimed
    | Sorted
    | Dismissed
    | ContactSet
    | NoticeReleased
    | HoldPlaced
    | HoldEnded
    | Extended
    | ItemAccepted
    | ItemRejected
    | ItemWaived
    | Released
    | TalksSkipped
    | ImpasseProposed
    | ImpasseConfirmed
    | OutcomeRecorded
    | SenderConfirmed
    | MailDismissed
    | StaffReplied
    | Undone
    | FlagLooked
    | Linked
    | Unlinked
    | AssignmentTaken
    | MailTaken
    | MergeUndone
)


@dataclass(frozen=True, slots=True)
class Free:
    """Each party's first free moment for an unasked letter: working hours and the daily limit kept. UTC."""

    worker: datetime
    client: datetime

    def of(self, role: Role) -> datetime:
        return self.worker if role is Role.WORKER else self.client


@dataclass(frozen=True, slots=True)
class Event:
    """A fact with its id, which is claimed once.

    `at` is when it counts (UTC); `by` is a party, `clock`, `delivery` or a person. `braked` are the parties whose
    address has had its automatic answers of the day: what must still be said waits for their free moment.
    """

    id: str
    at: datetime
    by: str
    fact: Fact
    free: Free
    braked: tuple[Role, ...] = ()
