"""A case: one dispute, of one kind, between one worker and one client; the value that `decide` maps to its successor.

Everything here is frozen and says what *is*. What happens is in `events`, what we do about it in `effects`, and the
rules that lead from one to the other in `decide`. All times are UTC-aware. No value here has slots: see
`values.replace`.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from bot.flows.values import replace


class Kind(StrEnum):
    RATING = "rating"
    PAYMENT = "payment"


class Role(StrEnum):
    WORKER = "worker"
    CLIENT = "client"

    @property
    def other(self) -> "Role":
        return _CLIENT if self is _WORKER else _WORKER


# Python looks a member up through its class each time; these are asked for ten times a decision.
_WORKER, _CLIENT = Role
_WORKER_FIRST, _CLIENT_FIRST = (_WORKER, _CLIENT), (_CLIENT, _WORKER)


class Who(StrEnum):
    """Whom a clock runs on."""

    WORKER = "worker"
    CLIENT = "client"
    STAFF = "staff"


class Stage(StrEnum):
    SORTING = "sorting"
    GATHERING = "gathering"
    NOTICE = "notice"
    ANSWERING = "answering"
    TALKS = "talks"
    IMPASSE = "impasse"
    REVIEW = "review"
    RESOLVED = "resolved"
    CLOSED = "closed"


class ItemName(StrEnum):
    ASSIGNMENT_ID = "assignment_id"
    TIMELINE = "timeline"
    WORKER_EXPLANATION = "worker_explanation"
    CLIENT_EXPLANATION = "client_explanation"
    ANSWER = "answer"


class ItemState(StrEnum):
    MISSING = "missing"
    REQUESTED = "requested"
    RECEIVED = "received"  # It is here and waits for staff, never for the party.
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    WAIVED = "waived"
    NOT_OBTAINABLE = "not_obtainable"


_SETTLED = (ItemState.ACCEPTED, ItemState.WAIVED, ItemState.NOT_OBTAINABLE)
_WANTED = (ItemState.MISSING, ItemState.REQUESTED, ItemState.REJECTED)


class Provenance(StrEnum):
    DIRECT = "direct"
    RELAYED = "relayed"
    ATTACHMENT = "attachment"


class What(StrEnum):
    """What happens when a clock is due. The first three are the rungs of a party's ladder."""

    REMIND = "remind"
    FINAL = "final"
    LAPSE = "lapse"
    SEND_NOTICE = "send_notice"
    STATUS = "status"
    NUDGE = "nudge"
    WAKE = "wake"


LADDER = frozenset({What.REMIND, What.FINAL, What.LAPSE})


class Topic(StrEnum):
    """What a clock is about, where `what` alone does not say it."""

    REQUEST = "request"  # A ladder that asks for items.
    PARTIAL = "partial"  # The short, single extra time for the rest of a late answer.
    COMMENT = "comment"  # Talks: time to comment on what was released.
    AGREE = "agree"  # Talks: time to agree.
    CLOSING = "closing"  # Closes as settled or withdrawn unless somebody answers.
    OUTCOME = "outcome"  # The undo of an outcome runs; then the case is resolved.
    WINDOW = "window"  # Time to ask for reconsideration.
    SLEEP = "sleep"  # A notice that waits for a date in the facts, such as a payment not yet due.
    LEGAL = "legal"  # The one-day hold after a legal threat.
    AWAY = "away"  # The hold of an out-of-office ends.
    STAFF = "staff"
    STATUS = "status"
    NOTICE = "notice"


class Impasse(StrEnum):
    NO_RESPONSE = "no_response"
    NO_AGREEMENT = "no_agreement"


class Closing(StrEnum):
    """Why a case is closed."""

    SETTLED = "settled"
    WITHDRAWN = "withdrawn"
    OUTCOME = "outcome"
    INCOMPLETE = "incomplete"
    NOT_A_DISPUTE = "not_a_dispute"
    DUPLICATE = "duplicate"


@dataclass(frozen=True)
class Contact:
    """One address of a party. `source` is `mail`, `directory` or `staff`."""

    address: str
    source: str
    bounced: bool = False


@dataclass(frozen=True)
class Party:
    """One side. `name` is as the person signs or the directory lists; `named_by` is `mail`, `directory`, `staff` or
    empty.

    `zone` is an IANA zone or None for the policy's. `last_message_id` and `references` continue the party's own mail
    thread. `written` counts the letters decided for the party; `told` is the first of them that was not taken back
    (None: the party does not know of us), and arms its status lines. `extended` is true once an extension was given;
    `statuses` counts the status lines since something last changed. `unsaid`: a hold kept news back; a status line
    will make up for it.
    """

    role: Role
    name: str = ""
    named_by: str = ""
    zone: str | None = None
    lang: str = "en"
    contacts: tuple[Contact, ...] = ()
    last_message_id: str | None = None
    references: tuple[str, ...] = ()
    written: int = 0
    told: int | None = None
    extended: bool = False
    statuses: int = 0
    unsaid: bool = False

    @property
    def address(self) -> str | None:
        """Where letters go: the last address added that has not bounced."""
        for contact in reversed(self.contacts):
            if not contact.bounced:
                return contact.address
        return None

    @property
    def reached(self) -> bool:
        """Whether the party has been written to."""
        return self.told is not None

    def knows(self, address: str) -> bool:
        return any(c.address == address for c in self.contacts)


@dataclass(frozen=True)
class Item:
    """What a party must supply, and how far that is. `asked` holds the moments at which it was asked for.

    `by` is `rule`, a staff member or empty; `mail_id` names the mail it stands in.
    """

    role: Role
    name: ItemName
    state: ItemState = ItemState.MISSING
    asked: tuple[datetime, ...] = ()
    provenance: Provenance | None = None
    mail_id: int | None = None
    by: str = ""
    reason: str = ""

    @property
    def settled(self) -> bool:
        """Nobody needs to do anything more about it."""
        return self.state in _SETTLED

    @property
    def wanted(self) -> bool:
        """The party still owes it."""
        return self.state in _WANTED


@dataclass(frozen=True)
class Statement:
    """What one side said. It reaches the other side only when a person releases it (`released_at`, `by`), in `letter`.

    `provenance` is `relayed` where the mail also holds words of the other side. `moved_to`: its mail was put to that
    case; the number stays taken, so that nobody ever releases other words than those they saw.
    """

    number: int
    role: Role
    mail_id: int
    text: str
    provenance: Provenance
    at: datetime
    released_at: datetime | None = None
    by: str = ""
    letter: int | None = None
    moved_to: int | None = None

    @property
    def withheld(self) -> bool:
        """Whether a person could release it."""
        return self.released_at is None and self.moved_to is None


@dataclass(frozen=True)
class Clock:
    """One due moment: on whom, what happens then, and which letter (its number in the case) announced it.

    A ladder is one clock that climbs: `asked_at` is the moment its days count from (holds move it on), `step` the rung
    (from 0), `deadline_at` and `end_at` are the dates that were announced, which a change of policy never moves
    earlier, and `last_letter` is the latest reminder, taken back if the next rung comes due before it left; on the
    last rung, which the final notice arms, it is the request. The clock of a party runs only if its `letter` has left
    and not bounced; staff clocks need none. A clock with `held_by` stands still since `held_since`. A ladder without a
    `letter` waits to be announced: a hold kept its letter back.
    """

    who: Who
    what: What
    topic: Topic
    due_at: datetime
    letter: int | None = None
    asked_at: datetime | None = None
    step: int = 0
    deadline_at: datetime | None = None
    end_at: datetime | None = None
    last_letter: int | None = None
    held_by: tuple[str, ...] = ()
    held_since: datetime | None = None


@dataclass(frozen=True)
class Hold:
    """Why the clocks of `roles` stand still and no unasked letter goes to them.

    `id` is stable and says what ends it: `mail:7`, `staff`, `bounce:client`, `away:client`, `closing`, `danger`,
    `legal`. `subject:7` only keeps a ladder from its end. Under `danger` not even an incoming mail is answered.
    """

    id: str
    roles: tuple[Role, ...]
    why: str
    since: datetime
    by: str

    @property
    def silences(self) -> bool:
        """Whether letters to its parties wait, too."""
        return not self.id.startswith("subject:")


@dataclass(frozen=True)
class Wait:
    """Something that waits for staff, since when. `about` is stable, such as `sorting`, `item:timeline`, `mail:7`."""

    about: str
    text: str
    since: datetime


@dataclass(frozen=True)
class Suggested:
    """A mail bound to the case but not trusted: `role` is whom it may be from, None where nothing says."""

    mail_id: int
    role: Role | None
    sender: str
    reason: str
    at: datetime


@dataclass(frozen=True)
class Outcome:
    """How a named person decided. `final_at` is None while it can still be undone."""

    code: str
    grounds: str
    by: str
    at: datetime
    letters: tuple[int, ...]
    final_at: datetime | None = None


@dataclass(frozen=True)
class Case:
    """One dispute. `number` is 1042 for `D-1042`; `version` counts the decisions on it.

    `opener` is None until it is known who wrote. `doubts` are the reasons why a person must send the notice (empty:
    the case is sure). `receipted`: the opener has had its receipt, not only a plain one. `not_before` is when the
    notice may be sent at the earliest. `taken_late`: an answer came after an impasse was proposed, which counts once.
    `left` is the stage that a closed case would go back to.
    """

    number: int
    version: int = 0
    kind: Kind | None = None
    stage: Stage = Stage.SORTING
    opener: Role | None = None
    opened_at: datetime | None = None
    subject: str = ""
    assignment_ids: tuple[str, ...] = ()
    worker: Party = Party(Role.WORKER)
    client: Party = Party(Role.CLIENT)
    items: tuple[Item, ...] = ()
    statements: tuple[Statement, ...] = ()
    clocks: tuple[Clock, ...] = ()
    holds: tuple[Hold, ...] = ()
    waits: tuple[Wait, ...] = ()
    suggested: tuple[Suggested, ...] = ()
    doubts: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()
    letters: int = 0
    owner: str | None = None
    listed: bool = False
    not_before: datetime | None = None
    noticed_at: datetime | None = None
    impasse: Impasse | None = None
    impasse_at: datetime | None = None
    impasse_role: Role | None = None
    taken_late: bool = False
    outcome: Outcome | None = None
    reviewers: tuple[str, ...] = ()
    reconsidered: bool = False
    closing: Closing | None = None
    closed: Closing | None = None
    left: Stage | None = None
    came_by: str = "mail"
    receipted: bool = False

    @property
    def label(self) -> str:
        return f"D-{self.number}"

    @property
    def respondent(self) -> Role | None:
        return None if self.opener is None else self.opener.other

    @property
    def sides(self) -> tuple[Role, Role]:
        """Both parties, the opener first (the worker, while nobody knows who opened)."""
        return _CLIENT_FIRST if self.opener is _CLIENT else _WORKER_FIRST

    def party(self, role: Role) -> Party:
        return self.worker if role is _WORKER else self.client

    def with_party(self, party: Party) -> "Case":
        return replace(self, worker=party) if party.role is Role.WORKER else replace(self, client=party)

    def item(self, name: ItemName) -> Item | None:
        return next((item for item in self.items if item.name is name), None)

    def with_item(self, changed: Item) -> "Case":
        return replace(self, items=tuple(changed if item.name is changed.name else item for item in self.items))

    def wanted_from(self, role: Role) -> tuple[Item, ...]:
        """The items this party still owes, in the order of asking."""
        return tuple([item for item in self.items if item.role is role and item.wanted])

    def clock(self, who: Who, *whats: What) -> Clock | None:
        """The party's clock of these kinds, if one runs. There is at most one a kind and party."""
        for clock in self.clocks:
            if clock.who is who and clock.what in whats:
                return clock
        return None

    def runs(self, *topics: Topic) -> bool:
        """Whether a clock about any of these runs or stands."""
        return any(clock.topic in topics for clock in self.clocks)

    def held(self, role: Role) -> tuple[Hold, ...]:
        """The holds that keep letters to this party back."""
        return tuple([hold for hold in self.holds if role in hold.roles and hold.silences])

    def has_hold(self, hold_id: str) -> bool:
        return any(hold.id == hold_id for hold in self.holds)

    @property
    def kept_back(self) -> bool:
        """Whether a person has to look at a flagged mail before the case moves on by itself."""
        return any(hold.id in ("danger", "legal") for hold in self.holds)

    def awaits(self) -> tuple[Who, ...]:
        """Who owes the next step: parties with a running ladder, staff if anything waits for them."""
        parties = [c.who for c in self.clocks if c.what in LADDER]
        return tuple(who for who in Who if who in parties or (who is Who.STAFF and self.waits))


def requirements(kind: Kind, opener: Role) -> tuple[Item, ...]:
    """The items a case of this kind needs, opener's first; roles mirror when a client opens.

    Source: the marketplace's Community Guidelines (both written explanations; assignment ID and communication
    timeline).
    """
    own = {Role.WORKER: ItemName.WORKER_EXPLANATION, Role.CLIENT: ItemName.CLIENT_EXPLANATION}
    match kind:
        case Kind.RATING:
            return (
                Item(opener, ItemName.ASSIGNMENT_ID),
                Item(opener, own[opener]),
                Item(opener.other, own[opener.other]),
            )
        case Kind.PAYMENT:  # pragma: no branch - the last of a closed set.
            return (
                Item(opener, ItemName.ASSIGNMENT_ID),
                Item(opener, ItemName.TIMELINE),
                Item(opener.other, ItemName.ANSWER),
            )
