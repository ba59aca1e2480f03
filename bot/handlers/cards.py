"""A case as Slack shows it: the live card, the notes in its thread, and the buttons; blocks made from values alone.

Everything a person or a party wrote stands in plain or rich text elements, which Slack neither links nor reads for
mentions. Nothing here talks to Slack, and nothing knows the time of day.
"""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from bot.flows.case import LADDER, Case, Closing, Item, ItemState, Kind, Party, Role, Stage, Who
from bot.flows.page import one_line
from bot.flows.policy import Policy
from bot.flows.why import next_steps, summary

Json: TypeAlias = "str | int | bool | Sequence[Json] | Mapping[str, Json] | None"
Block: TypeAlias = "dict[str, Json]"

SECTION_CHARS_MAX = 2_900
"""Slack refuses more than 3,000. Source: Slack, "Section block", "Text object"."""
QUOTE_CHARS_MAX = 6_000
"""A party's words in one message; all blocks together may hold about 13,000 (measured)."""
SUMMARY_CHARS_MAX = 1_500
LINE_CHARS_MAX = 200
LINES_MAX = 8
SUGGESTIONS_MAX = 5
ROW = 5
FALLBACK_CHARS_MAX = 300

ACTIONS = (
    *("claim", "reply_worker", "reply_client", "sort_payment", "sort_rating", "sort_attach", "sort_no", "set_contact"),
    *("send_notice", "hold", "resume", "extend", "accept_item", "reject_item", "waive", "release", "skip_talks"),
    *("confirm_impasse", "record_outcome", "same_party", "sort_both", "open_case", "undo"),
)
"""Every action id of a button that acts on a case; outsiders' scripts click them by these names."""

KINDS = {Kind.RATING: "Rating dispute", Kind.PAYMENT: "Payment dispute", None: "To be sorted"}
STAFF_HOLDS = ("staff", "away:", "danger", "legal")
"""The holds that a person may end; the others end when what they are about is settled."""

_UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
_BLOCK_ID = re.compile(r"D-(\d{1,9}):")


@dataclass(frozen=True, slots=True)
class Button:
    """One button: its action id, what it says, and which of several it is (`value`)."""

    action: str
    text: str
    value: str = "case"
    style: str = ""
    confirm: str = ""


@dataclass(frozen=True, slots=True)
class NoteLine:
    """What a note in the thread says. `quote` is a party's words, whole; `mention` are Slack users, `here` the channel.

    `letters` are lines about the letters that were decided with it; `undo` the number of one that can be taken back;
    `mail` the mail quoted, where it may be put to another case.
    """

    text: str
    quote: str = ""
    mention: tuple[str, ...] = ()
    here: bool = False
    letters: tuple[str, ...] = ()
    undo: int | None = None
    mail: int | None = None


# --- Words ------------------------------------------------------------------------------------------------------------

_CARD_NUMBER = re.compile(
    r"(?<![\d+])(?:\d{13,19}|\d{4}([ .-])\d{4}\1\d{4}\1\d{1,4}(?:\1\d{1,3})?|\d{4}([ .-])\d{6}\2\d{4,5})(?!\d)"
)
_SSN = re.compile(r"(?<!\d)(?!000|666|9\d\d)\d{3}([- ])(?!00)\d{2}\1(?!0000)\d{4}(?!\d)")
_SSN_NAMED = re.compile(r"((?:\bssn|\bsocial security)\D{0,20})\d{9}(?!\d)", re.I)
_IBAN = re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\b")
_ACCOUNT = re.compile(r"(\b(?:account|acct|a/c|routing|aba)\b[^\d\n]{0,24})(\d(?:[ -]?\d){5,16})(?!\d)", re.I)


def masked(text: str, keep: Collection[str] = ()) -> str:
    """The text without card, bank account and social-security numbers; `keep` are assignment IDs, which stay.

    Cards and international accounts are told by their check digits. Source: ISO/IEC 7812-1 (Luhn), ISO 13616 (mod 97).
    """
    text = _CARD_NUMBER.sub(lambda found: "[card number]" if _luhn(found.group()) else found.group(), text)
    text = _SSN_NAMED.sub(r"\1[social security number]", _SSN.sub("[social security number]", text))
    text = _IBAN.sub(lambda found: "[account number]" if _iban(found.group()) else found.group(), text)
    return _ACCOUNT.sub(lambda f: f.group() if _digits(f[2]) in keep else f"{f[1]}[account number]", text)


def _digits(text: str) -> str:
    return re.sub(r"\D", "", text)


def _luhn(number: str) -> bool:
    digits = [int(digit) for digit in _digits(number)]
    doubled = [digit * 2 - 9 * (digit > 4) for digit in digits[-2::-2]]
    return sum(digits[-1::-2]) % 10 == -sum(doubled) % 10 and len(set(digits)) > 1


def inert(text: str) -> str:
    """Text for a place that Slack reads as mark-up: nothing in it mentions, links or formats.

    Source: Slack, "Formatting text", escaping.
    """
    return _UNSEEN.sub(" ", text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def cut(text: str, most: int) -> str:
    """The text, or its beginning and how much there was in all."""
    if len(text) <= most:
        return text
    tail = f" … ({len(text):,} characters in all)"
    return text[: most - len(tail)].rstrip() + tail


def fallback(text: str) -> str:
    """What a notification shows of a message."""
    return inert(cut(one_line(text), FALLBACK_CHARS_MAX))


def plain(text: str, most: int = 75) -> Block:
    """A plain_text object on one line: no mark-up, no emoji codes."""
    line = one_line(text) or "–"
    return {
        "type": "plain_text",
        "text": line if len(line) <= most else line[: most - 1].rstrip() + "…",
        "emoji": False,
    }


def words(text: str, *, bold: bool = False) -> Block:
    """A rich text element that is nothing but text."""
    clean = _UNSEEN.sub(" ", text) or " "
    return {"type": "text", "text": clean, "style": {"bold": True}} if bold else {"type": "text", "text": clean}


def _iban(number: str) -> bool:
    compact = number.replace(" ", "")
    return int("".join(str(int(sign, 36)) for sign in compact[4:] + compact[:4])) % 97 == 1


# --- Blocks -----------------------------------------------------------------------------------------------------------


def line(*elements: Block) -> Block:
    """One paragraph of rich text."""
    return {"type": "rich_text", "elements": [{"type": "rich_text_section", "elements": list(elements)}]}


def titled(title: str, lines: Sequence[str]) -> Iterator[Block]:
    """A bold title above a list; nothing if there is nothing to list."""
    if not lines:
        return
    shown = [cut(one_line(each), LINE_CHARS_MAX) for each in lines[:LINES_MAX]]
    if len(lines) > LINES_MAX:
        shown.append(f"… and {len(lines) - LINES_MAX} more")
    items: list[Json] = [{"type": "rich_text_section", "elements": [words(each)]} for each in shown]
    yield {
        "type": "rich_text",
        "elements": [
            {"type": "rich_text_section", "elements": [words(title, bold=True)]},
            {"type": "rich_text_list", "style": "bullet", "elements": items},
        ],
    }


def quoted(text: str, most: int = QUOTE_CHARS_MAX) -> Block:
    """Somebody's words as a quotation, line for line."""
    return {"type": "rich_text", "elements": [{"type": "rich_text_quote", "elements": [words(cut(text, most))]}]}


def row(case: Case, name: str, buttons: Sequence[Button]) -> Block:
    """A row of buttons of one case; the block's id says which case and where."""
    return {"type": "actions", "block_id": block_id(case, name), "elements": [_drawn(each) for each in buttons]}


def block_id(case: Case, name: str) -> str:
    return f"{case.label}:{name}"


def case_of(block: str) -> int | None:
    """The case whose block this is."""
    found = _BLOCK_ID.match(block)
    return int(found[1]) if found else None


def _drawn(button: Button) -> Block:
    drawn: Block = {"type": "button", "action_id": button.action, "text": plain(button.text), "value": button.value}
    if button.style:
        drawn["style"] = button.style
    if button.confirm:
        drawn["confirm"] = {
            "title": plain(button.text),
            "text": plain(button.confirm, 300),
            "confirm": plain("Yes", 30),
            "deny": plain("Not yet", 30),
        }
    return drawn


# --- The card ---------------------------------------------------------------------------------------------------------


def title(case: Case) -> str:
    ids = f" · {', '.join(case.assignment_ids[:3])}" if case.assignment_ids else ""
    return f"{case.label} · {KINDS[case.kind]}{ids}"


def card(case: Case, policy: Policy) -> tuple[Block, ...]:
    """The case's live root message, as it is now: who, what is there, what waits, what comes, and what can be done."""
    waits = [f"{wait.text} (since {moment(wait.since, policy)})" for wait in case.waits]
    holds = [f"Held for the {' and the '.join(hold.roles)}: {hold.why}" for hold in case.holds]
    head: list[Block] = [
        {"type": "header", "text": plain(title(case), 150)},
        line(words(masked(cut(summary(case), SUMMARY_CHARS_MAX), case.assignment_ids))),
        *(_party(case, role) for role in case.sides),
        *titled("What is needed", [item_line(item) for item in case.items]),
        *titled("Waits for staff", [masked(each, case.assignment_ids) for each in waits]),
        *titled("What happens next", _steps(case, policy)),
        *titled("Holds", [masked(each, case.assignment_ids) for each in holds]),
    ]
    return (*head, *_suggestions(case), *_rows(case))


def item_line(item: Item) -> str:
    """One item in words."""
    how = f" ({item.provenance})" if item.provenance else ""
    by = f" by {item.by}" if item.by and item.state is not ItemState.REQUESTED else ""
    reason = f": {item.reason}" if item.reason else ""
    return f"{item_words(item)}: {item.state.replace('_', ' ')}{how}{by}{masked(reason)}"


def item_words(item: Item) -> str:
    return f"{item.name.replace('_', ' ')} of the {item.role}"


def moment(at: datetime, policy: Policy) -> str:
    """A moment with weekday, date, time and zone, in the policy's zone."""
    return f"{policy.calendar(None).local(at):%a %d %b %Y %H:%M %Z}"


def who(party: Party) -> str:
    """A party's name and address, for staff."""
    return (
        f"{party.name} <{party.address}>" if party.name and party.address else party.address or party.name or "unknown"
    )


def _party(case: Case, role: Role) -> Block:
    party = case.party(role)
    bounced = "" if party.address or not party.contacts else " (mail to it came back)"
    opened = ", opened the case" if case.opener is role else ""
    shown: Block = {
        "type": "section",
        "block_id": block_id(case, role),
        "text": plain(f"{role.capitalize()}{opened}: {who(party)}{bounced}", SECTION_CHARS_MAX),
    }
    if case.stage is not Stage.CLOSED:
        shown["accessory"] = _drawn(Button("set_contact", "Change address", role))
    return shown


def _steps(case: Case, policy: Policy) -> list[str]:
    return [
        f"{moment(step.at, policy)}: {step.text}{' (held)' if step.held_by else ''}"
        for step in next_steps(case, policy)
        if step.party is not Who.STAFF or step.what.value != "nudge"
    ]


def _suggestions(case: Case) -> Iterator[Block]:
    """Each unconfirmed mail, with the click that says whose it is."""
    for mail in case.suggested[:SUGGESTIONS_MAX]:
        whom = f"the {mail.role}'s answer" if mail.role else "a party's answer"
        yield line(
            words("Unconfirmed mail ", bold=True),
            words(cut(f"from {mail.sender}: may be {whom}; {mail.reason}.", LINE_CHARS_MAX)),
        )
        yield row(
            case,
            f"mail-{mail.mail_id}",
            (
                Button("same_party", "It is from the party", str(mail.mail_id)),
                Button("sort_attach", "Belongs to another case", f"mail:{mail.mail_id}"),
                Button("sort_no", "Not from a party", f"mail:{mail.mail_id}"),
            ),
        )


def _rows(case: Case) -> Iterator[Block]:
    """The buttons in rows; one whose action id is in a row already stands in a row of its own."""
    main: list[Button] = []
    apart: list[Button] = []
    for button in buttons(case):
        known = any(button.action == other.action for other in main)
        (apart if known else main).append(button)
    for start in range(0, len(main), ROW):
        yield row(case, f"do-{start // ROW + 1}", main[start : start + ROW])
    for index, button in enumerate(apart, 1):
        yield row(case, f"also-{index}", (button,))


def buttons(case: Case) -> tuple[Button, ...]:
    """What a person can do in this stage, the likeliest first."""
    return (*_of_stage(case), *_of_items(case), *_of_clocks(case), *_always(case))


def _of_stage(case: Case) -> Iterator[Button]:
    match case.stage:
        case Stage.SORTING:
            yield Button("sort_payment", "Payment dispute", style="primary")
            yield Button("sort_rating", "Rating dispute", style="primary")
            yield Button("sort_both", "Both")
            yield Button("sort_attach", "Belongs to a case")
            yield Button("sort_no", "Not a dispute")
        case Stage.NOTICE:
            yield Button("send_notice", "Send the notice", style="primary")
        case Stage.TALKS:
            if any(statement.withheld for statement in case.statements):
                yield Button("release", "Release a statement", style="primary")
            yield Button("skip_talks", "Skip the talks")
        case Stage.IMPASSE:
            words_ = "The case goes to review, where a person records an outcome."
            yield Button("confirm_impasse", "Confirm the impasse", style="primary", confirm=words_)
        case Stage.REVIEW:
            if case.outcome is None:
                yield Button("record_outcome", "Record the outcome", style="primary")
            elif case.outcome.final_at is None:
                yield Button("undo", "Undo the outcome", "outcome", style="danger")
        case Stage.CLOSED if case.closed is Closing.DUPLICATE:
            yield Button("undo", "It is a case of its own", "duplicate")
        case Stage.GATHERING | Stage.ANSWERING | Stage.RESOLVED | Stage.CLOSED:
            pass


def acceptable(case: Case) -> tuple[Item, ...]:
    """The items that wait for a person."""
    return tuple(item for item in case.items if item.state is ItemState.RECEIVED)


def rejectable(case: Case) -> tuple[Item, ...]:
    """The items that came, and may be asked for again."""
    return tuple(item for item in case.items if item.state in (ItemState.RECEIVED, ItemState.ACCEPTED))


def waivable(case: Case) -> tuple[Item, ...]:
    """The items that nobody has yet, and that a person may do without."""
    return tuple(item for item in case.items if not item.settled)


def _of_items(case: Case) -> Iterator[Button]:
    if case.stage in (Stage.SORTING, Stage.RESOLVED, Stage.CLOSED):
        return
    if acceptable(case):
        yield Button("accept_item", "Accept an item")
    if rejectable(case):
        yield Button("reject_item", "Ask again")
    if waivable(case):
        yield Button("waive", "Waive an item")


def _of_clocks(case: Case) -> Iterator[Button]:
    for role in case.sides:
        ladder = case.clock(Who(role), *LADDER)
        if ladder is not None and not ladder.held_by and not case.party(role).extended:
            yield Button("extend", f"More time for the {role}", role)
    if case.stage not in (Stage.RESOLVED, Stage.CLOSED) and not case.has_hold("staff"):
        yield Button("hold", "Hold")
    for hold in case.holds:
        if hold.id.startswith(STAFF_HOLDS):
            yield Button("resume", "I looked: go on" if hold.id in ("danger", "legal") else "End the hold", hold.id)


def _always(case: Case) -> Iterator[Button]:
    yield Button("reply_worker", "Reply to worker")
    yield Button("reply_client", "Reply to client")
    if case.stage is not Stage.CLOSED:
        yield Button("claim", "Take over" if case.owner else "Take the case")


# --- The thread -------------------------------------------------------------------------------------------------------


def note(case: Case, said: NoteLine) -> tuple[Block, ...]:
    """A line in the case's thread, the words it rests on, and the letters that follow from it."""
    mentions: list[Block] = [{"type": "user", "user_id": user} for user in said.mention]
    if said.here:
        mentions.append({"type": "broadcast", "range": "here"})
    spaced = [element for each in mentions for element in (each, words(" "))]
    keep = case.assignment_ids
    blocks = [line(*spaced, words(masked(cut(said.text, SECTION_CHARS_MAX), keep)))]
    if said.quote.strip():
        blocks.append(quoted(masked(said.quote.strip(), keep)))
    blocks.extend(titled("Letters", said.letters))
    if said.undo is not None:
        blocks.append(row(case, f"letter-{said.undo}", (Button("undo", "Undo", str(said.undo)),)))
    if said.mail is not None:
        elsewhere = Button("sort_attach", "Belongs to another case", f"mail:{said.mail}")
        blocks.append(row(case, f"mail-{said.mail}", (elsewhere,)))
    return tuple(blocks)
