"""The evidence of a case: what each side said, what was asked when and how it was sent, the outcome and its grounds.

One version for staff, and one for each party that holds only what that party may see: its own words, the letters to it,
and what a person released to it. Every text carries its SHA-256, and so does the whole.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from html import escape

from bot.flows.case import Case, Item, Role, Statement
from bot.flows.happened import what_happened
from bot.flows.policy import Policy
from bot.reports.sheet import sheet, table
from bot.storage.events import Recorded
from bot.storage.outbox import OutboxRow, OutState
from bot.storage.store import Tx

CHECK = (
    "The pack that this page shows, as JSON without its own <code>sha256</code>, keys sorted, no spaces, in UTF-8, has "
    "the SHA-256 below. <code>parley export --html FILE --json</code> gives the page and that JSON together."
)
"""What the page says of its hash, HTML."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the pack is made of, as the store has it. `raw` are the SHA-256 of the mails, by their row in the inbox."""

    case: Case
    history: tuple[Recorded, ...]
    letters: tuple[OutboxRow, ...]
    raw: dict[int, str]


def gather(tx: Tx, case: Case) -> Evidence:
    """Everything about the case, to be cut to what a reader may see by `pack`."""
    raw: dict[int, str] = {}
    for mail in tx.mails.of_case(case.number):
        row = tx.inbox.get(mail.mail_id)
        if row is not None:
            raw[mail.mail_id] = sha256(row.raw).hexdigest()
    return Evidence(case, tx.events.history(case.number), tx.outbox.letters(case.number), raw)


def pack(evidence: Evidence, reader: Role | None, policy: Policy, made_at: datetime) -> dict[str, object]:
    """The pack as plain values for JSON. `reader` None: staff, who see everything. `made_at` is UTC."""
    case = evidence.case
    found: dict[str, object] = {
        "case": case.label,
        "made_at": made_at.isoformat(),
        "made_for": str(reader or "staff"),
        "kind": case.kind,
        "stage": str(case.stage),
        "opened_at": case.opened_at.isoformat() if case.opened_at else None,
        "opened_by": case.opener,
        "assignment_ids": list(case.assignment_ids),
        "parties": {str(role): _party(case, role, reader) for role in case.sides},
        "statements": [_statement(evidence, each, reader) for each in case.statements if _visible(each, reader)],
        "items": [_item(each, reader) for each in case.items],
        "letters": [_letter(each) for each in evidence.letters if _theirs(each, reader)],
        "timeline": list(_timeline(evidence, reader, policy)),
        "outcome": _outcome(case, reader),
        "fairness": "Both sides are asked in the same way and are given the same working time.",
    }
    return found | {"sha256": _digest(found)}


def verify(found: dict[str, object]) -> bool:
    """Whether a pack is as it was made: its hash is that of everything else in it."""
    return found.get("sha256") == _digest({key: value for key, value in found.items() if key != "sha256"})


def _digest(found: dict[str, object]) -> str:
    return sha256(json.dumps(found, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()).hexdigest()


def _hash(text: str) -> str:
    return sha256(text.encode()).hexdigest()


def _party(case: Case, role: Role, reader: Role | None) -> dict[str, object]:
    """A side's name and addresses, for staff; a party is told its own."""
    if reader not in (None, role):
        return {}
    party = case.party(role)
    return {"name": party.name, "addresses": [contact.address for contact in party.contacts]}


def _visible(statement: Statement, reader: Role | None) -> bool:
    """What was put to another case stays with staff."""
    if reader is None:
        return True
    return statement.moved_to is None and (statement.role is reader or statement.released_at is not None)


def _statement(evidence: Evidence, statement: Statement, reader: Role | None) -> dict[str, object]:
    shown: dict[str, object] = {
        "number": statement.number,
        "of": str(statement.role),
        "at": statement.at.isoformat(),
        "text": statement.text,
        "sha256": _hash(statement.text),
        "provenance": str(statement.provenance),
        "released_at": statement.released_at.isoformat() if statement.released_at else None,
    }
    if reader is None:
        shown |= {"released_by": statement.by, "mail_sha256": evidence.raw.get(statement.mail_id)}
        shown |= {"moved_to": f"D-{statement.moved_to}"} if statement.moved_to else {}
    return shown


def _theirs(row: OutboxRow, reader: Role | None) -> bool:
    """Whether a letter is the reader's: to a party only what it got; what was taken back never reached it."""
    return reader is None or (row.posting.role is reader and row.state is OutState.SENT)


def _item(item: Item, reader: Role | None) -> dict[str, object]:
    shown: dict[str, object] = {"item": str(item.name), "of": str(item.role), "state": str(item.state)}
    if reader in (None, item.role):
        shown["asked_at"] = [each.isoformat() for each in item.asked]
    if reader is None:
        shown |= {"provenance": item.provenance, "by": item.by, "reason": item.reason}
    return shown


def _letter(row: OutboxRow) -> dict[str, object]:
    text = str(row.posting.body.get("text", ""))
    return {
        "number": row.posting.number,
        "letter": row.posting.name,
        "to": str(row.posting.role),
        "subject": str(row.posting.body.get("subject", "")),
        "text": text,
        "sha256": _hash(text),
        "message_id": row.posting.message_id,
        "state": str(row.state),
        "at": row.sent_at.isoformat() if row.sent_at else None,
        "server_said": row.evidence,
    }


def _timeline(evidence: Evidence, reader: Role | None, policy: Policy) -> Iterator[dict[str, object]]:
    """For staff what happened, event by event; for a party when it and we wrote, and what was released to it."""
    if reader is None:
        calendar = policy.calendar(None)
        for each in evidence.history:
            said = (
                "The words of this event were erased."
                if each.event is None
                else what_happened(each.event.fact, lambda at: f"{calendar.local(at):%a %d %b %Y %H:%M %Z}")
            )
            yield {"at": each.at.isoformat(), "by": each.by, "what": said}
        return
    statements = evidence.case.statements
    found = [
        *((each.at, "You wrote.") for each in statements if each.role is reader and each.moved_to is None),
        *(
            (row.sent_at, f"We wrote to you: {row.posting.name.replace('_', ' ')}.")
            for row in evidence.letters
            if row.posting.role is reader and row.sent_at
        ),
        *(
            (each.released_at, f"Statement {each.number} of the {each.role} was released to you.")
            for each in statements
            if each.role is not reader and each.released_at
        ),
    ]
    for at, what in sorted(found):
        yield {"at": at.isoformat(), "what": what}


def _outcome(case: Case, reader: Role | None) -> dict[str, object] | None:
    outcome = case.outcome
    if outcome is None or (outcome.final_at is None and reader is not None):
        return None
    shown: dict[str, object] = {"outcome": outcome.code, "grounds": outcome.grounds, "at": outcome.at.isoformat()}
    return shown | {"by": outcome.by, "sha256": _hash(outcome.grounds)}


# --- As a page --------------------------------------------------------------------------------------------------------


def page(found: dict[str, object], policy: Policy) -> str:
    """The same pack as one page to be read and printed; times in the policy's zone."""
    drawn = _Drawn(policy)
    reader = "staff" if found["made_for"] == "staff" else f"the {found['made_for']}"
    title = f"Case {found['case']}: evidence for {reader}"
    about = (
        f"A {found['kind'] or 'not yet sorted'} dispute about assignment "
        f"{', '.join(_list(found['assignment_ids'])) or '–'}, opened by the {found['opened_by'] or 'unknown'} on "
        f"{drawn.time(found['opened_at'])}. Stage: {found['stage']}. Made on {drawn.time(found['made_at'])}; times are "
        f"those of {policy.week.zone}."
    )
    letters = _rows(found["letters"])
    heads = ("No.", "Letter", "To", "State", "When", "The server said")
    parts = [
        f"<p>{escape(about)}</p>",
        *drawn.statements(_rows(found["statements"])),
        table("What was needed", ("Item", "Of", "State", "Asked on"), drawn.items(_rows(found["items"]))),
        *drawn.outcome(found["outcome"]),
        table("What happened", ("When", "What"), drawn.timeline(_rows(found["timeline"])), "dated"),
        table("Letters", heads, drawn.letters(letters)),
        f"<h2>How to check it</h2><p>{CHECK}<br><small>{escape(str(found['sha256']))}</small></p>",
        *drawn.texts(letters),
    ]
    return sheet(title, parts)


def _rows(found: object) -> list[dict[str, object]]:
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []


def _list(found: object) -> list[str]:
    return [str(each) for each in found] if isinstance(found, list) else []


class _Drawn:
    """Draws the parts of a pack in the policy's zone."""

    def __init__(self, policy: Policy) -> None:
        self._calendar = policy.calendar(None)

    def time(self, at: object) -> str:
        return f"{self._calendar.local(datetime.fromisoformat(str(at))):%a %d %b %Y %H:%M %Z}" if at else "–"

    def statements(self, rows: Sequence[dict[str, object]]) -> Iterator[str]:
        yield "<h2>What each side said</h2><div class='sides'>"
        for role in Role:
            yield f"<div><h3>The {role}</h3>"
            mine = [row for row in rows if row["of"] == str(role)]
            yield from (self._statement(row) for row in mine)
            yield ("" if mine else "<p>Nothing.</p>") + "</div>"
        yield "</div>"

    def _statement(self, row: dict[str, object]) -> str:
        words = f"<div class='words'>{escape(str(row['text']))}</div><small>SHA-256 {row['sha256']}</small>"
        return f"<div class='statement'><b>{row['number']}.</b> {escape(self.time(row['at']))}{words}</div>"

    def items(self, rows: Sequence[dict[str, object]]) -> list[tuple[str, ...]]:
        return [
            (
                str(row["item"]).replace("_", " "),
                str(row["of"]),
                str(row["state"]).replace("_", " "),
                "; ".join(self.time(at) for at in _list(row.get("asked_at"))) or "–",
            )
            for row in rows
        ]

    def timeline(self, rows: Sequence[dict[str, object]]) -> list[tuple[str, ...]]:
        return [(self.time(row["at"]), str(row["what"])) for row in rows]

    def letters(self, rows: Sequence[dict[str, object]]) -> list[tuple[str, ...]]:
        return [
            (
                str(row["number"]),
                str(row["letter"]).replace("_", " "),
                str(row["to"]),
                str(row["state"]),
                self.time(row["at"]),
                str(row["server_said"]),
            )
            for row in rows
        ]

    def texts(self, rows: Sequence[dict[str, object]]) -> Iterator[str]:
        if rows:
            yield "<h2>The letters in full</h2>"
        for row in rows:
            title = f"Letter {row['number']} to the {row['to']}: {row['subject']}"
            hashed = f"<small>SHA-256 {row['sha256']}</small>"
            words = f"<div class='words'>{escape(str(row['text']))}</div>"
            yield f"<div class='statement letter'><h3>{escape(title)}</h3>{words}{hashed}</div>"

    def outcome(self, found: object) -> Iterator[str]:
        yield "<h2>Outcome</h2>"
        if not isinstance(found, dict):
            yield "<p>None yet.</p>"
            return
        line = f"{str(found['outcome']).replace('_', ' ')}, by {found['by']}, {self.time(found['at'])}"
        yield f"<h3>{escape(line)}</h3><div class='words'>{escape(str(found['grounds']))}</div>"
