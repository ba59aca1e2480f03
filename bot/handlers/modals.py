"""The forms: one an action, each with who is meant, what will leave, and the fields that outsiders' scripts fill.

A preview is the letter itself: decided and rendered as it would be, and thrown away. Nothing here talks to Slack.
"""

from collections.abc import Sequence
from dataclasses import replace

from bot.flows.case import Case, Item, Role
from bot.flows.decide import OUTCOMES, decide
from bot.flows.effects import Letter
from bot.flows.events import Event, Fact, Free, NoticeReleased, OutcomeRecorded, Released, StaffReplied
from bot.flows.letters import render
from bot.handlers.cards import (
    Block,
    Json,
    acceptable,
    cut,
    item_words,
    line,
    masked,
    plain,
    quoted,
    rejectable,
    waivable,
    who,
    words,
)
from bot.handlers.desk import Ask, Desk, metadata

FIELDS = ("text", "language", "outcome", "grounds", "address", "case", "reason", "item")
"""Every field of every form."""
PREVIEW = "preview"
"""The button of a form that draws its letter anew with what has been typed so far."""
PREVIEW_CHARS_MAX = 5_000
INPUT_CHARS_MAX = 3_000
YOUR_WORDS = "(your words)"

TITLES = {
    "reply_worker": ("Reply to worker", "Send"),
    "reply_client": ("Reply to client", "Send"),
    "sort_payment": ("Payment dispute", "Sort"),
    "sort_rating": ("Rating dispute", "Sort"),
    "sort_both": ("Two disputes", "Sort"),
    "sort_attach": ("Belongs to a case", "Put there"),
    "sort_no": ("Not a dispute", "Close it"),
    "set_contact": ("Change address", "Save"),
    "send_notice": ("Send the notice", "Send"),
    "hold": ("Hold the case", "Hold"),
    "extend": ("More time", "Give it"),
    "accept_item": ("Accept an item", "Accept"),
    "reject_item": ("Ask again", "Ask"),
    "waive": ("Waive an item", "Waive"),
    "release": ("Release a statement", "Release"),
    "skip_talks": ("Skip the talks", "Skip"),
    "record_outcome": ("Record the outcome", "Record"),
    "same_party": ("Whose mail is it?", "Confirm"),
    "open_case": ("Open a case", "Open"),
}
_SIDES = (("worker", "The worker"), ("client", "The client"))


def form(desk: Desk, ask: Ask, by: str) -> Block:
    """The form for an ask. Where the letter it would send cannot be, the form says why instead."""
    case = None if ask.case is None else desk.case(ask.case)
    if ask.act == "open_case":
        return _view(ask, "", _opening(ask))
    if case is None:
        return notice("That case is not there.")
    return _view(ask, f"{case.label}: ", _fields(desk, ask, case, by))


def notice(text: str) -> Block:
    """A form without fields, that only says something."""
    return {"type": "modal", "title": plain("Parley", 24), "close": plain("Close", 24), "blocks": [line(words(text))]}


def field_block(field: str) -> str:
    """The id of the block in which a field stands."""
    return f"field-{field}"


def has_field(blocks: Sequence[object], field: str) -> bool:
    """Whether a view's blocks hold this field."""
    return any(isinstance(block, dict) and block.get("block_id") == field_block(field) for block in blocks)


def _view(ask: Ask, about: str, blocks: Sequence[Block]) -> Block:
    title, submit = TITLES[ask.act]
    return {
        "type": "modal",
        "callback_id": ask.act,
        "title": plain(f"{about}{title}" if len(about + title) <= 24 else title, 24),
        "submit": plain(submit, 24),
        "close": plain("Cancel", 24),
        "private_metadata": metadata(ask),
        "blocks": list(blocks),
    }


# --- One form an action -----------------------------------------------------------------------------------------------


def _fields(desk: Desk, ask: Ask, case: Case, by: str) -> tuple[Block, ...]:
    given = ask.values or {}
    match ask.act:
        case "reply_worker" | "reply_client":
            return _reply(desk, ask, case, by)
        case "record_outcome":
            return _outcome(desk, ask, case, by)
        case "send_notice":
            return _preview(desk, case, NoticeReleased(by), by)
        case "release":
            return _release(desk, ask, case, by)
        case "sort_payment" | "sort_rating" | "sort_both":
            return (_choice("item", "Who wrote in?", _SIDES),)
        case "same_party":
            return (_choice("item", "Whose mail is it?", _SIDES),)
        case "sort_attach":
            suggested = next((w.text.split()[-1].rstrip(".") for w in case.waits if w.about == "suggestion"), "")
            goes = "This mail goes there." if _is_a_part(ask, case) else "The whole case goes there, with its mails."
            hint = f"Such as D-1042. {goes}"
            return (_text("case", "To which case does it belong?", given.get("case") or suggested, hint=hint),)
        case "sort_no" | "skip_talks":
            return (_text("reason", "Why?", long=True, hint="It stands in the case for everybody who asks why."),)
        case "set_contact":
            party = case.party(Role(ask.detail))
            return (
                line(words(f"The {ask.detail} is now: {who(party)}")),
                _text("address", "New address"),
                _text("text", "Name, if it is another one", optional=True),
            )
        case "hold":
            both = ("both", "Both sides")
            return (
                _choice("item", "Whose clocks stand still?", (both, *_SIDES), "both"),
                _text("reason", "Why?", long=True),
            )
        case "extend":
            note = f"The {ask.detail} gets more time, once; the other side is told until when."
            return (line(words(note)), _text("reason", "Why?", long=True))
        case "accept_item":
            return (_item("Which item?", acceptable(case)),)
        case "reject_item":
            asked = _text("reason", "What is missing?", long=True, hint="The party reads this.")
            return (_item("Which item?", rejectable(case)), asked)
        case "waive":
            return (_item("Which item?", waivable(case)), _text("reason", "Why?", long=True))
        case other:
            return (line(words(f"“{other}” needs no form.")),)


def _opening(ask: Ask) -> tuple[Block, ...]:
    """A case by hand, or from a message, whose text is there already."""
    return (
        line(words("It waits to be sorted; nobody is written to before that.")),
        _text("address", "Who wrote? Their mail address", optional=True),
        _text("text", "What does it say?", (ask.values or {}).get("text", ""), long=True),
    )


def _reply(desk: Desk, ask: Ask, case: Case, by: str) -> tuple[Block, ...]:
    role, given = Role(ask.act.removeprefix("reply_")), ask.values or {}
    party = case.party(role)
    languages = tuple((each, each) for each in desk.office.wording.languages)
    spoken = given.get("language") or (party.lang if (party.lang, party.lang) in languages else languages[0][0])
    text = given.get("text", "").strip() or YOUR_WORDS
    return (
        line(words("To: ", bold=True), words(f"the {role}, {who(party)}. Only they will read it.")),
        _text("text", "What do you write?", long=True),
        _choice("language", "Language of the frame around it", languages, spoken),
        _redraw(),
        *_preview(desk, case, StaffReplied(by, role, text, spoken), by),
    )


def _is_a_part(ask: Ask, case: Case) -> bool:
    """Whether it is about a mail that did not open the case."""
    opening = next((each.mail_id for each in case.statements), None)
    return ask.detail.startswith("mail:") and ask.detail != f"mail:{opening}"


def _outcome(desk: Desk, ask: Ask, case: Case, by: str) -> tuple[Block, ...]:
    codes = OUTCOMES[case.kind] if case.kind else ()
    if not codes:
        return (line(words("Sort the case first: the outcomes depend on its kind.")),)
    given = ask.values or {}
    code, grounds = given.get("outcome") or codes[0], given.get("grounds", "").strip() or "(your grounds)"
    return (
        line(words("It goes to both sides at the same moment, after the time in which you can undo it.")),
        _choice("outcome", "Outcome", tuple((each, each.replace("_", " ").capitalize()) for each in codes)),
        _text("grounds", "Grounds", long=True, hint="Both sides read them, word for word."),
        _redraw(),
        *_preview(desk, case, OutcomeRecorded(by, code, grounds), by),
    )


def _release(desk: Desk, ask: Ask, case: Case, by: str) -> tuple[Block, ...]:
    waiting = [statement for statement in case.statements if statement.withheld]
    if not waiting:
        return (line(words("Every statement has been released.")),)
    chosen = (ask.values or {}).get("item") or str(waiting[0].number)
    options = tuple((str(s.number), f"{s.number}. of the {s.role}: {' '.join(s.text.split())}") for s in waiting[:100])
    which = _choice("item", "Which statement?", options, chosen)
    return (
        {**which, "dispatch_action": True},
        *_preview(desk, case, Released(by, int(chosen) if chosen.isdigit() else 0), by),
    )


# --- Previews ---------------------------------------------------------------------------------------------------------


def _preview(desk: Desk, case: Case, fact: Fact, by: str) -> tuple[Block, ...]:
    """What would leave, to whom and with which words; or why it cannot."""
    office = desk.office
    now = office.now()
    decision = decide(case, Event("preview", now, by, fact, Free(now, now)), now, office.policy)
    if decision.refused:
        return (line(words("This cannot be sent: ", bold=True), words(decision.refused)),)
    letters = [effect for effect in decision.effects if isinstance(effect, Letter)]
    return tuple(block for letter in letters for block in _drawn(desk, case, letter, len(letters)))


def _drawn(desk: Desk, case: Case, letter: Letter, among: int) -> tuple[Block, ...]:
    party = case.party(letter.role)
    zone = party.zone or desk.office.policy.week.zone
    rendered = render(replace(letter, number=letter.number), case.label, party, zone, desk.office.wording)
    text = masked(rendered.text, case.assignment_ids)
    return (
        line(words(f"To the {letter.role}, {who(party)}: ", bold=True), words(rendered.subject)),
        quoted(cut(text, PREVIEW_CHARS_MAX // among), PREVIEW_CHARS_MAX),
    )


def _redraw() -> Block:
    button: Block = {"type": "button", "action_id": PREVIEW, "text": plain("Preview with my words"), "value": PREVIEW}
    return {"type": "actions", "block_id": PREVIEW, "elements": [button]}


# --- Fields -----------------------------------------------------------------------------------------------------------


def _input(field: str, label: str, element: Block, *, optional: bool = False, hint: str = "") -> Block:
    block: Block = {
        "type": "input",
        "block_id": field_block(field),
        "label": plain(label, 200),
        "optional": optional,
        "element": {**element, "action_id": field},
    }
    return {**block, "hint": plain(hint, 200)} if hint else block


def _text(  # noqa: PLR0913 - a field as Slack describes it.
    field: str, label: str, initial: str = "", *, long: bool = False, optional: bool = False, hint: str = ""
) -> Block:
    element: Block = {"type": "plain_text_input", "multiline": long, "max_length": INPUT_CHARS_MAX}
    if initial:
        element["initial_value"] = initial[:INPUT_CHARS_MAX]
    return _input(field, label, element, optional=optional, hint=hint)


def _choice(field: str, label: str, options: Sequence[tuple[str, str]], chosen: str = "") -> Block:
    drawn: list[Json] = [{"text": plain(text), "value": value} for value, text in options]
    element: Block = {"type": "static_select", "options": drawn}
    initial = next((each for each, (value, _) in zip(drawn, options, strict=True) if value == chosen), None)
    if initial is not None:
        element["initial_option"] = initial
    return _input(field, label, element)


def _item(label: str, items: Sequence[Item]) -> Block:
    if not items:
        return line(words("There is no such item any more."))
    options = tuple((item.name.value, item_words(item)) for item in items)
    return _choice("item", label, options, items[0].name)
