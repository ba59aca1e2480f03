"""Assignment IDs: finds them in all the ways people write them, and leaves phones, dates and invoice numbers alone."""

import re
from collections.abc import Iterator
from datetime import date

from bot.flows.mail import Mail
from bot.flows.triage.passages import ATTACHMENT_CHARS_JUDGED_MAX, CHARS_JUDGED_MAX
from bot.flows.triage.values import Reason

DIGITS_MIN, DIGITS_MAX, DIGITS_USUAL = 6, 10, 10
IDS_MAX = 50

_IN_LINK = re.compile(r"/assignments/details/(\d{6,10})(?!\d)", re.I)
_LINK = re.compile(
    (
        r"(?:https?://|www\.)\S{1,2000}|<[^<>\s]{1,300}@[^<>\s]{1,300}>|"
        r"[\w.+-]{1,64}@[\w.-]{1,200}"
    ),
    re.I,
)
_NUMBER = re.compile(
    r"(?<![\w$€£+])(?<!\d\.)([#+$€£(]{0,2})(\d{1,10}(?:(?:[ .\u2010-\u2013-]|"
    r"\) ?)\d{1,10}){0,5}|\d{11,20})(?!\w)"
)
_MARKED = re.compile(r"\b(wm|wo|wid|assignment|assign|job)[-#:_]{0,2}(?=\d)", re.I)
_NOT_LABEL = re.compile(
    r"(?:\b(?:phone|tel|telephone|telefon\w*|cell(?:phone)?|mobile|movil|handy|fax|ext|"
    r"call(?: me)?|reach me|text me|whats ?app|sms|zip(?: ?code)?|"
    r"plz|postal code|invoices?|inv|factura|facture|rechnung\w*|fatura|p\.?o\.?|"
    r"purchase order|case|tickets?|tracking|ups|usps|fedex|"
    r"serials?|s/n|sn|imei|account|acct|konto\w*|routing|iban|ein|ssn|license|licence|store|"
    r"product code|code|confirmation|transaction|txn|"
    r"reference|ref|claims?|policy|request|incident|member|user|usd|eur|worker|employee|"
    r"company|profile|badge|model|part|sku|mac|pin|"
    r"(?<!work )(?<!work-)orders?|bestellung|pedido)\b"
    r"(?:[ '’]*(?:numbers?|num|no|nr|id|is|at|on|me|us|for|und|and|or|y|et|e))*[ .:#=()-]*)$",
    re.I,
)
_LABEL = re.compile(
    r"(?:\b(?:w\.?m|w\.?o|wid|work ?orders?|assignments?|assigments?|asignments?|"
    r"assignment ids?|assign|jobs?|jobb|gigs?|asignaci[oó]n(?:es)?|"
    r"trabajos?|orden de trabajo|auftr[aä]ge?|mission|affectation|tarefas?|trabalhos?|"
    r"servi[cç]o|incarico|opdracht)\b"
    r"(?:[ ]*(?:numbers?|num|no|nr|n[uú]mero|ids?|is|are|was|and|or|&))*[ .:#=(_-]*)$",
    re.I,
)
_AFTER_NOT = re.compile(
    (
        r"^\W{0,3}(?:\(?(?:cell|mobile|phone|fax)\b|usd\b|eur\b|dollars?\b|euros?\b|bucks\b|%|"
        r"views|followers|miles|pcs)"
    ),
    re.I,
)
_LIST = re.compile(r"^(?:[ ]*[,;/&+][ ]*|[ ]+)(?:and|or|y|e|et|und|ou|o|nor|&)?[ #]*$", re.I)
_OPENS_NAME = re.compile(r"[_\s]+")


def assignment_ids(mail: Mail, strict: bool) -> tuple[tuple[str, ...], tuple[Reason, ...]]:
    """The assignment IDs of a mail, digits only, in the order they appear, with the text each stands in.

    `strict`: only numbers that are called an assignment or stand in an assignment's address; machine mail is full of
    numbers.
    """
    found: dict[str, Reason] = {}
    for where, text in _places(mail):
        named = where.startswith("attachment")
        for digits, around in _in_text(text, strict, named):
            found.setdefault(digits, Reason("assignment_ids", around, where))
            if len(found) >= IDS_MAX:
                return tuple(found), tuple(found.values())
    return tuple(found), tuple(found.values())


def _places(mail: Mail) -> Iterator[tuple[str, str]]:
    yield "subject", mail.subject[:1000]
    if mail.reply_text is None:
        yield "body", mail.text[:CHARS_JUDGED_MAX]
    else:
        yield "body", mail.reply_text[:CHARS_JUDGED_MAX]
        yield "quote", mail.text[:CHARS_JUDGED_MAX]
    for link in mail.links[:200]:
        yield "link", link[:2000]
    for attachment in mail.attachments[:50]:
        yield f"attachment {attachment.name}", _OPENS_NAME.sub(" ", attachment.name[:300])
        if attachment.text:
            yield f"attachment {attachment.name}", attachment.text[:ATTACHMENT_CHARS_JUDGED_MAX]


def _in_text(text: str, strict: bool, named: bool) -> Iterator[tuple[str, str]]:
    """Each ID of one text with the words around it."""
    opened = text.replace("%2F", "/").replace("%2f", "/")
    for link in _IN_LINK.finditer(opened):
        yield link[1], opened[max(0, link.start() - 60) : link.end()].strip()
    text = _spread(_LINK.sub(" ", text))  # Addresses hold numbers of their own.
    previous: tuple[int, bool] | None = None  # where the number before ended, and whether it was an ID
    for number in _NUMBER.finditer(text):
        if sum(map(str.isdigit, number[2])) < DIGITS_MIN:
            continue
        before = text[max(0, number.start() - 40) : number.start()]
        listed = previous is not None and _LIST.match(text[previous[0] : number.start()]) is not None
        label = _label(before, previous[1] if previous is not None and listed else None)
        if _AFTER_NOT.match(text[number.end() : number.end() + 12]):
            label = False
        taken = tuple(_accepted(number[1], number[2], label, strict, named))
        previous = (number.end(), bool(taken)) if taken or label is False else None
        for digits in taken:
            yield digits, _around(text, number.start(), number.end())


def _spread(text: str) -> str:
    """The text with a mark that touches its number (WM4412…, WO#4412…) set apart, so that the number stands alone."""
    return _MARKED.sub(lambda match: f"{match[1]} #", text)


def _around(text: str, start: int, end: int) -> str:
    line_start, line_end = text.rfind("\n", 0, start) + 1, text.find("\n", end)
    line_end = len(text) if line_end < 0 else line_end
    return " ".join(text[max(line_start, start - 100) : min(line_end, end + 80)].split())


def _label(before: str, listed_after: bool | None) -> bool | None:
    """True: the words before call it an assignment; False: something else; None: nothing said."""
    if _LABEL.search(before):
        return True
    if _NOT_LABEL.search(before):
        return False
    return listed_after


def _accepted(mark: str, number: str, label: bool | None, strict: bool, named: bool) -> Iterator[str]:
    """The IDs that one run of digit groups holds; mostly none or one."""
    if label is False or any(sign in mark for sign in "+$€£") or (strict and not label):
        return
    groups = re.findall(r"\d+", number)
    if "." in number or ")" in number or (not label and tuple(map(len, groups)) == (3, 7)):
        return
    if any(len(group) >= DIGITS_MIN for group in groups):
        for group in groups:
            if DIGITS_MIN <= len(group) <= DIGITS_MAX and _bare(group, label, named, "#" in mark):
                yield group
        return
    labelled = label is True or "#" in mark
    while labelled and len(groups) > 2 and sum(map(len, groups)) > DIGITS_MAX:
        groups.pop()
    if _grouped(groups, labelled):
        yield "".join(groups)


def _bare(digits: str, label: bool | None, named: bool, hashed: bool) -> bool:
    if label or hashed:
        return True
    if len(digits) < DIGITS_USUAL and (named or _is_date(digits)):
        return False
    return len(digits) == DIGITS_USUAL or not digits.startswith("0")


def _grouped(groups: list[str], label: bool) -> bool:
    """Whether groups written apart ("441 233 8890", "4412-338-890") are one ID, not a phone, a date or a ZIP code."""
    shape, total = tuple(len(group) for group in groups), sum(len(group) for group in groups)
    if not DIGITS_MIN <= total <= DIGITS_MAX or len(groups) < 2:
        return False
    if shape in {(4, 2, 2), (2, 2, 4), (1, 1, 4), (1, 2, 4), (2, 1, 4), (2, 2, 2), (3, 2, 4)}:
        return False
    if label:
        return shape != (5, 4)
    # Unlabelled: 3-3-4 is how phones are written, small groups are counts and dates.
    return total == DIGITS_USUAL and shape not in {(3, 3, 4), (3, 7)} and min(shape) >= 3 and groups[0][0] != "0"


def _is_date(digits: str) -> bool:
    """Whether six or eight digits read as a date of this century: 20260302, 03022026, 030226."""
    if len(digits) == 8:
        tries = (
            (digits[:4], digits[4:6], digits[6:]),
            (digits[4:], digits[:2], digits[2:4]),
            (digits[4:], digits[2:4], digits[:2]),
        )
    elif len(digits) == 6:
        tries = (
            ("20" + digits[4:], digits[:2], digits[2:4]),
            ("20" + digits[4:], digits[2:4], digits[:2]),
            ("20" + digits[:2], digits[2:4], digits[4:]),
        )
    else:
        return False
    return any(_valid(int(year), int(month), int(day)) for year, month, day in tries)


def _valid(year: int, month: int, day: int) -> bool:
    if not 2015 <= year <= 2039:
        return False
    try:
        date(year, month, day)
    except ValueError:
        return False
    return True
