"""Triage: one mail in, one reading out, by rules whose sums stay visible, so that a learned model can join them.

The labelling rules decide what each field means; every judgement carries the sentence it rests on. It only reads: what
follows from a reading is decided elsewhere.
"""

from dataclasses import dataclass, replace

from bot.flows.mail import Mail
from bot.flows.triage.contacts import Contact, contacts
from bot.flows.triage.flags import flags
from bot.flows.triage.ids import assignment_ids
from bot.flows.triage.intent import intent, opens_new
from bot.flows.triage.items import client_explanation, timeline, worker_explanation
from bot.flows.triage.kind import Kind, Scores, kind_of, scored
from bot.flows.triage.lang import language
from bot.flows.triage.passages import CHARS_JUDGED_MAX, Passage, Voice, passages
from bot.flows.triage.roles import Place, place, speaks_for
from bot.flows.triage.values import Found, Known, Reading, Reason

__all__ = ["FLAGS", "Contact", "Known", "Reading", "Reason", "as_json", "contacts", "language", "read"]

FLAGS = (
    "not_yet_due", "under_48h", "legal_threat", "threat", "welfare", "abuse", "manipulation", "fear_of_retaliation",
    "third_party_sender", "several_assignments", "attachment_only", "asks_for_person",
)  # fmt: skip
REASONS_MAX = 40
DOUBT_LEFT = 0.4
"""What is left of the doubt about a kind once an item of that kind was found."""


@dataclass(frozen=True, slots=True)
class _Items:
    """What was looked for: None where the kind does not ask for the item."""

    worker_explanation: Found | None = None
    client_explanation: Found | None = None
    timeline: Found | None = None

    def named(self) -> tuple[tuple[str, Found], ...]:
        return tuple(
            (name, found)
            for name, found in (
                ("worker_explanation", self.worker_explanation),
                ("client_explanation", self.client_explanation),
                ("timeline", self.timeline),
            )
            if found is not None
        )


def read(mail: Mail, known: tuple[Known, ...] = ()) -> Reading:
    """Reads a mail. `known` are the cases it may belong to.

    The case is found by reply address or Message-ID; a subject number, or sender and assignment, only suggest one, and
    the reason says so. At most CHARS_JUDGED_MAX characters of the body are judged; a reason about "limit" tells of
    a cut.
    """
    ids, on_ids = assignment_ids(mail, strict=False)
    where = place(mail, known, ids)
    told = passages(mail, known, where.bound)
    scores = scored(told, len(mail.links), tuple(attachment.name for attachment in mail.attachments))
    kind = kind_of(mail, scores, bool(ids) or where.case is not None)
    if kind.kind in ("bounce", "auto"):
        ids, on_ids = assignment_ids(mail, strict=True)
    elif kind.kind == "spam":
        ids, on_ids = (), ()
    else:
        new = None if where.case is None else opens_new(told, where.case, scores, ids)
        kind = _kind_in_case(kind, where, scores, new)
        return _of_a_person(mail, known, told, _Basis(kind, where, scores, ids, on_ids, new))
    return _of_nobody(mail, known, told, _Basis(kind, where, scores, ids, on_ids, None))


@dataclass(frozen=True, slots=True)
class _Basis:
    """What is settled before items, intent and flags are looked for. `new` is the sentence that opens a new dispute."""

    kind: Kind
    where: Place
    scores: Scores
    ids: tuple[str, ...]
    on_ids: tuple[Reason, ...]
    new: Reason | None


def _kind_in_case(kind: Kind, where: Place, scores: Scores, new: Reason | None) -> Kind:
    """A follow-up has its case's kind, unless it opens a new dispute."""
    if where.case is None or where.case.kind is None:
        return kind
    if new is not None:
        own = where.case.kind
        # What it says of the open case is context; the new claim is the other kind if there is one of its own weight.
        if kind.kind == "both" and scores.payment != scores.rating and own in ("rating", "payment"):
            stronger = "payment" if scores.payment > scores.rating else "rating"
            return Kind(stronger, kind.confidence, (Reason("kind", new.text, new.where),))
        return kind
    sure = {1.0: 0.97, 0.85: 0.85}.get(where.sure, 0.8)
    return Kind(where.case.kind, sure, tuple(Reason("kind", reason.text, reason.where) for reason in where.reasons))


def _of_a_person(mail: Mail, known: tuple[Known, ...], told: tuple[Passage, ...], basis: _Basis) -> Reading:
    kind, where = basis.kind, basis.where
    role, on_role = speaks_for(mail, told, where, kind.kind, known)
    items = _items(mail, told, kind.kind, role, where.bound and basis.new is None)
    basis = replace(basis, kind=_borne_out(kind, items))
    purpose: str | None = None
    on_purpose: tuple[Reason, ...] = ()
    if where.case is not None or where.bound:
        given = _given_now(told, items) or bool(basis.on_ids and basis.on_ids[-1].where == "body")
        purpose, on_purpose = intent(mail, told, basis.new, given)
    raised = flags(mail, told, basis.ids, kind.kind)
    reasons = (*kind.reasons, *where.reasons, *on_role, *basis.on_ids, *on_purpose, *raised)
    return _reading(mail, basis, role, items, _Rest(purpose, raised, reasons))


def _of_nobody(mail: Mail, known: tuple[Known, ...], told: tuple[Passage, ...], basis: _Basis) -> Reading:
    """Bounces, automatic mail and spam: nothing is asked of them, so nothing is looked for in them."""
    role, on_role = speaks_for(mail, told, basis.where, basis.kind.kind, known)
    purpose = "auto" if basis.kind.kind == "auto" and (basis.where.case is not None or basis.where.bound) else None
    reasons = (*basis.kind.reasons, *basis.where.reasons, *on_role, *basis.on_ids)
    return _reading(mail, basis, role, _Items(), _Rest(purpose, (), reasons))


def _items(mail: Mail, told: tuple[Passage, ...], kind: str, role: str, follow_up: bool) -> _Items:
    rating, payment = kind in ("rating", "both"), kind in ("payment", "both")
    return _Items(
        worker_explanation(told, role, follow_up) if rating else None,
        client_explanation(mail, told, role) if rating else None,
        timeline(told, mail.date) if payment else None,
    )


def _borne_out(kind: Kind, items: _Items) -> Kind:
    """A mail that brings what its kind asks for is surer to be of that kind."""
    if not any(found.there for _, found in items.named()):
        return kind
    return replace(kind, confidence=round(1 - DOUBT_LEFT * (1 - kind.confidence), 3))


def _given_now(told: tuple[Passage, ...], items: _Items) -> bool:
    """Whether an item stands in the new words, not only in what they quote."""
    new = {passage.text for passage in told if passage.where != "quote" and passage.voice is not Voice.US}
    return any(
        found.there and any(reason.text.rstrip("…") in text for text in new for reason in found.reasons)
        for _, found in items.named()
    )


@dataclass(frozen=True, slots=True)
class _Rest:
    intent: str | None
    raised: tuple[Reason, ...]
    reasons: tuple[Reason, ...]


def _reading(mail: Mail, basis: _Basis, role: str, items: _Items, rest: _Rest) -> Reading:
    limit = (
        (Reason("limit", f"only the first {CHARS_JUDGED_MAX} characters were judged", "body"),)
        if len(mail.text) > CHARS_JUDGED_MAX
        else ()
    )
    reasons = (
        *rest.reasons,
        *(reason for _, found in items.named() if found.there for reason in found.reasons),
        *limit,
    )
    raised = {reason.about for reason in rest.raised}
    return Reading(
        kind=basis.kind.kind,
        confidence=basis.kind.confidence,
        case=basis.where.case.number if basis.where.case else None,
        party=basis.where.party,
        sender_role=role,
        assignment_ids=basis.ids,
        has_worker_explanation=items.worker_explanation.there if items.worker_explanation else None,
        has_client_explanation=items.client_explanation.there if items.client_explanation else None,
        has_timeline=items.timeline.there if items.timeline else None,
        intent=rest.intent,
        reply_text=None if basis.kind.kind == "bounce" else mail.reply_text,
        lang=_lang(mail),
        flags=tuple(flag for flag in FLAGS if flag in raised),
        reasons=tuple(dict.fromkeys(reasons))[:REASONS_MAX],
        item_confidence=tuple((name, found.confidence) for name, found in items.named() if found.there),
        scores=(
            ("rating", round(basis.scores.rating, 2)),
            ("payment", round(basis.scores.payment, 2)),
            ("spam", round(basis.scores.spam, 2)),
        ),
    )


def _lang(mail: Mail) -> str | None:
    """The language of the new text; where it says too little, of the subject with it."""
    words = mail.words[:4000]
    return language(words if len(words.split()) >= 6 else f"{words}\n{mail.subject[:300]}")


def as_json(reading: Reading, mail: Mail, file: str) -> dict[str, object]:
    """The reading as the one object a mail that `parley triage` prints; ids are strings, reasons objects."""
    return {
        "file": file,
        "from": mail.sender.address,
        "subject": mail.subject,
        "kind": reading.kind,
        "confidence": reading.confidence,
        "case": reading.case,
        "party": reading.party,
        "sender_role": reading.sender_role,
        "assignment_ids": list(reading.assignment_ids),
        "has_worker_explanation": reading.has_worker_explanation,
        "has_client_explanation": reading.has_client_explanation,
        "has_timeline": reading.has_timeline,
        "intent": reading.intent,
        "reply_text": reading.reply_text,
        "lang": reading.lang,
        "flags": list(reading.flags),
        "reasons": [{"about": reason.about, "text": reason.text, "where": reason.where} for reason in reading.reasons],
    }
