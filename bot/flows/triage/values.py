"""What triage takes in and gives back: the shared values of this package."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Reason:
    """One judgement and the sentence it rests on.

    `about` names the field or flag judged, `text` is the sentence as written, at most 200 characters. `where` is
    "subject", "body", "quote", "attachment NAME", "header NAME" or "link".
    """

    about: str
    text: str
    where: str


@dataclass(frozen=True, slots=True)
class Known:
    """A case that a follow-up may belong to. Addresses are lower-cased addr-specs; Message-IDs keep their brackets."""

    number: str
    kind: str | None = None
    assignment_ids: tuple[str, ...] = ()
    worker: tuple[str, ...] = ()
    client: tuple[str, ...] = ()
    message_ids: tuple[str, ...] = ()
    reply_addresses: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Reading:
    """What one mail says, as the labelling rules define each field.

    `confidence` is the certainty of `kind`, `item_confidence` that of each item found, both in [0, 1].
    `scores` are the raw sums of the rules a kind, so that a learned model can be combined with them.
    """

    kind: str
    confidence: float
    case: str | None
    party: str | None
    sender_role: str
    assignment_ids: tuple[str, ...]
    has_worker_explanation: bool | None
    has_client_explanation: bool | None
    has_timeline: bool | None
    intent: str | None
    reply_text: str | None
    lang: str | None
    flags: tuple[str, ...]
    reasons: tuple[Reason, ...]
    item_confidence: tuple[tuple[str, float], ...]
    scores: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Found:
    """The answer to one yes/no question about a mail; `confidence` is 0 where nothing was found."""

    confidence: float
    reasons: tuple[Reason, ...] = ()

    @property
    def there(self) -> bool:
        """Whether it is more likely there than not."""
        return self.confidence >= 0.5
