"""What kind of mail it is: chosen from the sums of the rules, which stay visible to be tested and combined."""

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass

from bot.flows.mail import Mail, Nature
from bot.flows.triage.claims import (
    ASKS_HOW,
    GOOD_MARK,
    PARTY,
    PAY_TOPIC,
    RATING,
    STRONG,
    WEAK,
    payment_claim,
    rating_claim,
)
from bot.flows.triage.passages import Passage, Voice, compiled
from bot.flows.triage.spam import spam_signs
from bot.flows.triage.values import Reason

_HOUSEKEEPING = (
    r"\b(?:1099|w-?9|w2|tax(?:es)?|withdraw\w*|ach|direct deposit|bank account|my bank|"
    r"routing|payouts?|log ?in|password|locked out|reset|background check|drug test|insurance|"
    r"hiring|resume|press team|reporter|"
    r"how to post|add funds|app crash\w*|profile photo|add (?:a )?user|phishing|suspicious|"
    r"hacked|logged into|jobs? for me|looking for work|update my|change my)\b"
)
_CLIENT_SAYS_RELEASED = (
    r"\b(?:client|buyer|customer|company|they|he|she)\b.{0,40}\b(?:says?|said|tells?|claims?|"
    r"told)\b.{0,40}\b(?:paid|released|sent|send|payment)\b"
)
_TROUBLE = r"\b(?:problem|help|issue|trouble|call me|dispute|complain\w*)\b"

_AUTO_SUBJECT = re.compile(
    r"^\s*(?:auto(?:matic)?[- ]?(?:reply|response|matische antwort)|auto: |"
    r"automatische antwort|out of (?:the )?office|ooo\b|abwesen|r[ée]ponse automatique|"
    r"respuesta autom|resposta autom|autosvar|"
    r"(?:your )?(?:request|ticket) (?:received|created)|accepted: |declined: |tentative: |"
    r"canceled event|undeliver|delivery status)",
    re.I,
)


@dataclass(frozen=True, slots=True)
class Scores:
    """The sums of the rules (see `claims`), and the sentences that counted.

    `housekeeping`, `trouble` and `topics` count what speaks against a dispute, for one, and of its matters.
    """

    rating: float
    payment: float
    spam: float
    housekeeping: float
    trouble: float
    topics: float
    reasons: tuple[Reason, ...]


@dataclass(frozen=True, slots=True)
class Kind:
    """The kind chosen, how sure, and on what."""

    kind: str
    confidence: float
    reasons: tuple[Reason, ...]


def scored(passages: Iterable[Passage], links: int, file_names: Iterable[str]) -> Scores:
    """The scores of a mail's own words; words of others count half, our own letters not at all."""
    told = tuple((passage, weight) for passage in passages if (weight := _weight(passage)))
    rating, on_rating = rating_claim(told)
    payment, on_payment = payment_claim(told)
    spam, on_spam = spam_signs(told, links, file_names)
    housekeeping = sum(compiled(_HOUSEKEEPING).search(passage.low) is not None for passage, _ in told)
    released = any(compiled(_CLIENT_SAYS_RELEASED).search(passage.low) for passage, _ in told)
    if housekeeping and not released and not any(compiled(PARTY).search(passage.low) for passage, _ in told):
        payment *= 0.3
    trouble = sum(compiled(_TROUBLE).search(passage.low) is not None for passage, _ in told)
    said = " ".join(passage.low for passage, _ in told if not compiled(ASKS_HOW).search(passage.low))
    topics = float(sum(compiled(topic).search(said) is not None for topic in (PARTY, PAY_TOPIC, RATING)))
    topics = 0.0 if compiled(GOOD_MARK).search(said) else topics
    return Scores(
        rating, payment, spam, float(housekeeping), float(trouble), topics, (*on_rating, *on_payment, *on_spam)
    )


def _weight(passage: Passage) -> float:
    if passage.voice is Voice.US:
        return 0.0
    return 0.5 if passage.where == "quote" or passage.voice is not Voice.SENDER else 1.0


def certainty(score: float) -> float:
    """A score as a probability: 1.0 is a coin's toss, 2.2 is nine in ten."""
    return round(1 / (1 + math.exp(-1.9 * (score - 1.0))), 3)


def kind_of(mail: Mail, scores: Scores, identified: bool) -> Kind:
    """The first kind that fits, in the order of the labelling rules. `identified`: the mail names an assignment."""
    machine = _machine(mail, scores)
    if machine is not None:
        return machine
    reasons = {
        about: tuple(reason for reason in scores.reasons if reason.about == about)
        for about in ("rating", "payment", "spam")
    }
    lift = 0.3 if identified else 0.0
    rating, payment = (
        scores.rating + (lift if scores.rating >= WEAK else 0),
        scores.payment + (lift if scores.payment >= WEAK else 0),
    )
    about_us = compiled(r"\b(?:my|me|i)\b").search(" ".join(mail.words[:2000].lower().split())) is not None
    if scores.spam >= STRONG and not identified and (scores.spam > max(rating, payment) - 0.4 or not about_us):
        return Kind("spam", certainty(scores.spam), _about(reasons["spam"]))
    if rating >= STRONG and payment >= STRONG:
        return Kind(
            "both",
            round(certainty(min(rating, payment)) * 0.97, 3),
            _about(reasons["rating"][:2] + reasons["payment"][:2]),
        )
    top, name = max((rating, "rating"), (payment, "payment"))
    if top >= WEAK:
        return Kind(name, certainty(top), _about(reasons[name]))
    return Kind("other", _otherness(mail, scores, top), ())


def _about(reasons: tuple[Reason, ...]) -> tuple[Reason, ...]:
    return tuple(Reason("kind", reason.text, reason.where) for reason in reasons[:3])


def _otherness(mail: Mail, scores: Scores, top: float) -> float:
    """How sure it is that a person's mail is no dispute: little is sure of a mail that says little or speaks of pay.

    It errs towards doubt: what is surely no dispute is left to lie, what may be one is put before a person.
    """
    words = len(mail.words.split())
    sure = 0.95 if scores.housekeeping else 0.88
    sure -= 0.35 * min(1.0, top) + 0.3 * min(1.0, scores.spam / STRONG)
    if not scores.housekeeping:
        sure -= 0.2 * min(2.0, scores.topics) + (0.3 if scores.trouble else 0.0)
    if words < 8:
        sure -= 0.2
    return round(max(0.3, sure if words else 0.4), 3)


def _machine(mail: Mail, scores: Scores) -> Kind | None:
    """A bounce or automatic mail; None if a person wrote it, though a tool may have sent it."""
    sign = mail.signals[0] if mail.signals else f"Subject: {mail.subject}"
    why = Reason("kind", sign[:200], f"header {sign.split(':')[0]}" if ":" in sign else "header")
    if mail.nature is Nature.BOUNCE or mail.bounce is not None:
        return Kind("bounce", 0.98, (why,))
    answered = _AUTO_SUBJECT.match(mail.subject[:200]) is not None
    if mail.nature is Nature.AUTO:
        claims = max(scores.rating, scores.payment) >= 2.0 and not answered
        listed = any("list-" in signal.lower() or "precedence" in signal.lower() for signal in mail.signals)
        personal = compiled(r"\b(?:i|my|me|we)\b").search(" ".join(mail.words[:4000].lower().split())) is not None
        return None if claims and personal and not listed else Kind("auto", 0.97, (why,))
    return Kind("auto", 0.85, (Reason("kind", mail.subject[:200], "subject"),)) if answered else None
