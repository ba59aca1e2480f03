"""Reads the labelled mails beside it and measures readings against their labels."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from bot.flows.mail import Address, Attachment, Mail, Nature, Verdict
from bot.flows.triage import FLAGS, Known, Reading, read

FOLDER = Path(__file__).parent
ITEMS = ("worker_explanation", "client_explanation", "timeline")
FIELDS = (
    "kind",
    "sender_role",
    "assignment_ids",
    "has_worker_explanation",
    "has_client_explanation",
    "has_timeline",
    "intent",
    "case",
    "party",
    "lang",
    "flags",
)


@dataclass(frozen=True, slots=True)
class Labelled:
    """A mail and what two people would say of it: field name → value, as in a Reading."""

    name: str
    mail: Mail
    labels: dict[str, object]


def known_cases() -> tuple[Known, ...]:
    """The open cases that the mails refer to."""
    made = []
    for line in (FOLDER / "known.jsonl").read_text(encoding="utf-8").splitlines():
        case = json.loads(line)
        many = {
            name: tuple(case[name]) for name in ("assignment_ids", "worker", "client", "message_ids", "reply_addresses")
        }
        made.append(Known(case["number"], case["kind"], **many))
    return tuple(made)


def corpus(file: str) -> tuple[Labelled, ...]:
    """All labelled mails of one file."""
    text = (FOLDER / file).read_text(encoding="utf-8")
    return tuple(_labelled(block) for block in re.split(r"(?m)^## ", text)[1:])


def mail_of(text: str, subject: str = "", **headers: str) -> Mail:
    """A mail from its body and a few headers, as the corpus writes them."""
    lines = [f"{name.replace('_', '-').capitalize()}: {value}" for name, value in headers.items()]
    return _mail([f"Subject: {subject}", *lines], text)


def _labelled(block: str) -> Labelled:
    told, labels = block.rsplit("\n=> ", 1)
    name, _, rest = told.partition("\n")
    head, _, body = rest.partition("\n\n")
    return Labelled(name.strip(), _mail(head.splitlines(), body), _labels(labels.split()))


def _labels(words: list[str]) -> dict[str, object]:
    kind, role, *rest = words
    named = dict(word.split(":", 1) for word in rest if ":" in word)
    asked = {"rating": ITEMS[:2], "payment": ITEMS[2:], "both": ITEMS}.get(kind, ())
    unknown = [word for word in rest if not (word.isdigit() or ":" in word or word in FLAGS or word in ITEMS)]
    assert not unknown, unknown
    lang = named.get("lang", "en")
    return {
        "kind": kind,
        "sender_role": role,
        "assignment_ids": {word for word in rest if word.isdigit()},
        "flags": {word for word in rest if word in FLAGS},
        "intent": named.get("intent"),
        "case": named.get("case"),
        "party": named.get("party"),
        "lang": None if lang == "-" else lang,
        **{f"has_{item}": (item in rest) if item in asked else None for item in ITEMS},
    }


def _mail(head: list[str], body: str) -> Mail:
    headers: dict[str, list[str]] = {}
    for line in head:
        name, _, value = line.partition(":")
        headers.setdefault(name.lower(), []).append(value.strip())

    def one(name: str, default: str) -> str:
        return headers.get(name, [default])[0]

    lines = body.strip("\n").split("\n")
    quoted = [line for line in lines if line.startswith("|")]
    new = "\n".join(line for line in lines if not line.startswith("|")).strip()
    answered = tuple(mid for case in known_cases() if case.number == one("case", "") for mid in case.message_ids[:1])
    to = one("token", "support@market.example")
    return Mail(
        message_id="<one@mail.example>",
        in_reply_to=answered,
        references=answered,
        date=datetime.fromisoformat(one("date", "2026-03-12T15:00+00:00")).astimezone(UTC),
        utc_offset_minutes=0,
        sender=_address(one("from", "Sam Reyes <sam@fieldhands.example>")),
        reply_to=(),
        to=(_address(to),),
        cc=(),
        recipients=(to,),
        subject=one("subject", ""),
        text="\n".join(re.sub(r"^\| ?", "", line) for line in lines),
        reply_text=new if quoted else None,
        links=tuple(headers.get("link", ())),
        attachments=tuple(map(_attachment, headers.get("attachment", ()))),
        nature=Nature(one("nature", "person")),
        signals=(),
        bounce=None,
        returns_on=None,
        verdict=Verdict.PASS,
        verdict_reason="",
        defects=(),
    )


def _address(written: str) -> Address:
    match = re.fullmatch(r"(?P<name>.*?)\s*<(?P<address>[^>]+)>", written)
    return Address(match["name"], match["address"].lower()) if match else Address("", written.lower())


def _attachment(written: str) -> Attachment:
    name, _, text = written.partition("|")
    content = text.strip().replace("\\n", "\n") if text else None
    kind = "text/plain" if content else "application/octet-stream"
    return Attachment(name.strip(), kind, len(written), "0" * 64, content)


def wrong(labelled: Labelled, reading: Reading) -> Iterator[tuple[str, object, object]]:
    """Each field a reading got wrong: name, what it should be, what it is."""
    for field in FIELDS:
        want = labelled.labels[field]
        got: object = getattr(reading, field)
        got = set(got) if isinstance(got, tuple) else got
        if got != want:
            yield field, want, got


def measured(file: str) -> tuple[dict[str, float], list[str]]:
    """The share of mails read rightly, a field, and a line for each mistake. An item counts where it is asked for."""
    right, asked = dict.fromkeys(FIELDS, 0), dict.fromkeys(FIELDS, 0)
    mistakes: list[str] = []
    cases = known_cases()
    for labelled in corpus(file):
        reading = read(labelled.mail, cases)
        bad = {field: (want, got) for field, want, got in wrong(labelled, reading)}
        mistakes.extend(f"{labelled.name}: {field} should be {want}, is {got}" for field, (want, got) in bad.items())
        for field in FIELDS:
            if not field.startswith("has_") or labelled.labels[field] is not None:
                asked[field] += 1
                right[field] += field not in bad
    return {field: right[field] / asked[field] for field in FIELDS}, mistakes
