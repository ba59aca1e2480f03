"""All that we can do about an event: the closed set of effects, and the decision that carries them.

Office writes them into the outbox in the deciding transaction; `delivery` carries them out.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from bot.flows.case import Case, Role

Value = str | int | bool | datetime | tuple[str, ...]


class Sending(StrEnum):
    """When a letter may leave, and how its headers say who sent it.

    ANSWER replies to an incoming mail, at any hour (`auto-replied`); UNASKED waits for the recipient's first free
    moment (`auto-generated`); PERSON leaves after its undo, at any hour, without Auto-Submitted.
    """

    ANSWER = "answer"
    UNASKED = "unasked"
    PERSON = "person"


@dataclass(frozen=True, slots=True)
class Because:
    """Why something was decided: `text` in plain words, `rule` the policy line it rests on (empty: none), `quote` the
    sentence of a mail."""

    text: str
    rule: str = ""
    quote: str = ""


@dataclass(frozen=True, slots=True)
class Letter:
    """Mail to one party, frozen at its decision. `number` counts the case's letters; `name` is its template.

    `facts` are what the template may show; datetimes are UTC and drawn in the party's zone. `not_before` is the
    earliest moment; after `late_after` (None: undated) an unsent letter is cancelled and decided anew. `after_poll`:
    it leaves only after the mailbox was polled later than `not_before`, since an answer may be waiting there.
    """

    number: int
    name: str
    role: Role
    facts: Mapping[str, Value]
    because: Because
    sending: Sending
    not_before: datetime
    late_after: datetime | None = None
    after_poll: bool = False


@dataclass(frozen=True, slots=True)
class Cancel:
    """Take back letters that have not left. Those already past their intent are not touched.

    `to`: also every unasked letter to this party that has not left; each of those comes back as `LetterLate`, since
    what it said is to be decided anew.
    """

    letters: tuple[int, ...]
    why: str
    to: Role | None = None


@dataclass(frozen=True, slots=True)
class Note:
    """A line in the case's thread. `quote` is a party's own words, shown as inert text; `mention` a person to tell."""

    text: str
    because: Because
    quote: str = ""
    mention: str = ""


@dataclass(frozen=True, slots=True)
class Card:
    """Draw the case's card anew, from the case as it will be then."""


Effect = Letter | Cancel | Note | Card


@dataclass(frozen=True, slots=True)
class Decision:
    """The new case, what to do, and why. `refused` is set, and the case unchanged, where a person asked for something
    that
    cannot be; it says what would be right."""

    case: Case
    effects: tuple[Effect, ...] = ()
    because: Because = field(default_factory=lambda: Because(""))
    refused: str = ""
