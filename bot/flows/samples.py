"""Sample letters with made-up facts: every letter, both kinds, both openers, to both sides.

`letters.check` renders them all at start, `parley letters` shows them, and the snapshots in `tests/letters` hold them.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from bot.flows.case import ItemName, Kind, Role
from bot.flows.decide import OUTCOMES
from bot.flows.effects import Because, Letter, Sending, Value


@dataclass(frozen=True, slots=True)
class Sample:
    """One letter as `decide` could have decided it. `variant` tells samples of one letter apart; it may be empty."""

    letter: Letter
    opener: Role
    variant: str


ASKED = datetime(2026, 3, 2, 15, tzinfo=UTC)  # A Monday, 10:00 in New York; on 8 March clocks go forward there.
REMIND = datetime(2026, 3, 4, 15, tzinfo=UTC)
DEADLINE = datetime(2026, 3, 9, 14, tzinfo=UTC)
END = datetime(2026, 3, 12, 14, tzinfo=UTC)
SOON = datetime(2026, 3, 3, 15, tzinfo=UTC)
LATER = datetime(2026, 3, 19, 14, tzinfo=UTC)

_LADDER: Mapping[str, Value] = {"deadline": DEADLINE, "end": END}
_WAITED: Mapping[str, Value] = {"asked_at": ASKED, **_LADDER}
_NOTICE: Mapping[str, Value] = {"notice_on": SOON, "notice_by_person": False}
_STATEMENT = (
    "I came on Monday at 9 and replaced the cable.\n"
    "The printer worked when I left, and I showed it to the person at the desk.\n\n"
    "I see this differently from what was written."
)
_GROUNDS = "Both sides agree that the work was handed in on Monday.\nThe photos show it complete."

_Variant = tuple[str, Mapping[str, Value]]


def samples() -> tuple[Sample, ...]:
    """All of them, letter by letter, always in the same order."""
    return (
        *_unsorted(),
        *(
            Sample(_letter(name, kind, opener, role, facts), opener, variant)
            for name, sides in _SIDES.items()
            for kind in Kind
            for opener in Role
            for role in _addressees(sides, opener)
            for variant, facts in _variants(name, kind, opener, role)
        ),
    )


_SIDES: Mapping[str, str] = {
    "receipt": "opener",
    "partial": "both",
    "complete": "opener",
    "request": "both",
    "notice": "respondent",
    "reminder": "both",
    "final": "both",
    "answer_received": "respondent",
    "filed": "both",
    "status": "both",
    "release": "both",
    "agree": "both",
    "impasse": "both",
    "outcome": "both",
    "closing": "both",
    "settled_question": "opener",
    "reopened": "both",
    "reconsideration": "both",
    "extended": "both",
    "extended_other": "both",
    "catch_up": "both",
    "reply": "both",
}


def _unsorted() -> Iterator[Sample]:
    for name in ("receipt_sorting", "receipt_danger"):
        codes: Mapping[str, Value] = dict.fromkeys(("kind", "side", "role", "other"), "")
        facts: Mapping[str, Value] = {"subject": "Your message", "claims_money": False, "listed": False, **codes}
        yield Sample(_frozen(name, Role.WORKER, {**facts, "assignment_ids": ()}), Role.WORKER, "")


def _addressees(sides: str, opener: Role) -> tuple[Role, ...]:
    return {"opener": (opener,), "respondent": (opener.other,), "both": (opener, opener.other)}[sides]


def _letter(name: str, kind: Kind, opener: Role, role: Role, facts: Mapping[str, Value]) -> Letter:
    common: Mapping[str, Value] = {
        "subject": f"{kind.capitalize()} dispute",
        "kind": kind.value,
        "side": "opener" if role is opener else "respondent",
        "role": role.value,
        "other": role.other.value,
        "claims_money": kind is Kind.PAYMENT and role is Role.WORKER,
        "assignment_ids": ("4471829360",),
        "listed": name not in {"receipt", "complete"},
    }
    return _frozen(name, role, {**common, **facts})


def _frozen(name: str, role: Role, facts: Mapping[str, Value]) -> Letter:
    answers = name.startswith("receipt") or name in {"partial", "complete", "filed", "answer_received"}
    sending = Sending.PERSON if name in {"reply", "outcome"} else Sending.ANSWER if answers else Sending.UNASKED
    return Letter(1, name, role, facts, Because("A sample."), sending, ASKED)


def _own(kind: Kind, opener: Role, role: Role) -> str:
    """The item that is this side's own story."""
    if kind is Kind.RATING:
        return ItemName.WORKER_EXPLANATION if role is Role.WORKER else ItemName.CLIENT_EXPLANATION
    return ItemName.TIMELINE if role is opener else ItemName.ANSWER


def _variants(name: str, kind: Kind, opener: Role, role: Role) -> tuple[_Variant, ...]:
    own = _own(kind, opener, role)
    wanted = ("assignment_id", own) if role is opener else (own,)
    match name:
        case "receipt":
            return _receipts(kind, own)
        case "partial":
            rest: Mapping[str, Value] = {"has": ("assignment_id",), "missing": (own,), "unread_files": (), "end": END}
            undated = {name: value for name, value in rest.items() if name != "end"}
            return (("", {**rest, "deadline": DEADLINE}), ("after the deadline", rest), ("without dates", undated))
        case "complete":
            facts: Mapping[str, Value] = {"has": ("assignment_id", own), "unread_files": (), "relayed": False}
            return (
                ("", {**facts, **_NOTICE}),
                ("a person looks first", {**facts, **_NOTICE, "notice_by_person": True, "relayed": True}),
            )
        case "request":
            return (
                ("", {"missing": (own,), "reason": "", **_LADDER}),
                ("with a reason", {"missing": (own,), "reason": "The file could not be opened.", **_LADDER}),
            )
        case "notice":
            return (("", {"missing": (own,), "opener_role": opener.value, **_LADDER}),)
        case "reminder":
            return tuple((f"step {step}", {"missing": wanted, "step": step, **_WAITED}) for step in (1, 2))
        case "final":
            return (("", {"missing": wanted, "asked_at": ASKED, "end": END}),)
        case "answer_received":
            talks: Mapping[str, Value] = {"has": (own,), "unread_files": (), "next": "talks"}
            return (("talks", talks), ("review", {"has": (), "unread_files": ("photos.pdf",), "next": "review"}))
        case "outcome":
            found: Mapping[str, Value] = {"grounds": _GROUNDS, "reconsider_until": LATER}
            looked_again: _Variant = ("looked at again", {**found, "code": "no_agreement", "reconsidered": True})
            return (*((code, {**found, "code": code}) for code in OUTCOMES[kind]), looked_again)
        case _:
            return _later(name, role, wanted)


def _receipts(kind: Kind, own: str) -> tuple[_Variant, ...]:
    common: Mapping[str, Value] = {"invited": kind is Kind.RATING, "unread_files": (), "relayed": False}
    asks: Mapping[str, Value] = {**common, **_LADDER, "remind_first": REMIND}
    whole: Mapping[str, Value] = {**common, **_NOTICE, "has": ("assignment_id", own), "missing": ()}
    waits: Mapping[str, Value] = {**whole, "notice_on": LATER, "sleep_until": LATER}
    return (
        ("asks for one", {**asks, "has": ("assignment_id",), "missing": (own,)}),
        ("asks for all", {**asks, "has": (), "missing": ("assignment_id", own), "assignment_ids": ()}),
        ("complete", whole),
        (
            "a person looks first",
            {**whole, "notice_by_person": True, "relayed": True, "unread_files": ("scan 1.pdf", "scan 2.pdf")},
        ),
        ("waits, not yet due", {**waits, "sleep_why": "not_yet_due"}),
        ("waits, under 48 hours", {**waits, "sleep_why": "under_48h"}),
    )


def _later(name: str, role: Role, wanted: tuple[str, ...]) -> tuple[_Variant, ...]:
    match name:
        case "filed":
            return (
                ("a person reads it", {"stage": "review", "person": True}),
                ("in the file", {"stage": "answering", "person": False}),
            )
        case "status":
            return (
                (
                    "the other side",
                    {"stage": "answering", "awaits": role.other.value, "since": ASKED, "next_at": LATER},
                ),
                ("staff", {"stage": "review", "awaits": "staff", "since": ASKED, "next_at": LATER}),
                ("nobody", {"stage": "talks", "awaits": "", "since": ASKED}),
            )
        case "release":
            spans: Mapping[str, Value] = {"comment_until": END, "agree_until": LATER}
            return (("", {"statement": _STATEMENT, "from_role": role.other.value, **spans}),)
        case "agree":
            return (("", {"agree_until": LATER}),)
        case "impasse":
            return (
                ("no agreement", {"impasse": "no_agreement", "silent": False}),
                ("the other side is silent", {"impasse": "no_response", "silent": False}),
                ("silent", {"impasse": "no_response", "silent": True}),
            )
        case "closing":
            return tuple((how, {"how": how, "closes_on": REMIND}) for how in ("settled", "withdrawn"))
        case "reopened":
            return (("asks", {"missing": wanted, **_LADDER}), ("asks for nothing", {"missing": ()}))
        case "extended":
            return (("", _LADDER), ("after the deadline", {"end": END}))
        case "extended_other":
            return (("", {"until": END}),)
        case "catch_up":
            return (("", {"missing": wanted, **_LADDER}), ("after the deadline", {"missing": wanted, "end": END}))
        case "reply":
            words = (
                "Hello Dana,\n\nthank you for your call. Your photos are here, and we can open them.\n\nKind regards"
            )
            return (("", {"text": words, "by_name": "Robin"}),)
        case _:
            return (("", {}),)
