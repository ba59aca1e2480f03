"""The Home tab: what is mine, what nobody has taken, what is due today, what waits to be sorted or confirmed."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from bot.flows.case import Case, Stage
from bot.flows.policy import Policy
from bot.handlers.cards import Block, Button, block_id, cut, masked, plain, row, titled
from bot.handlers.commands import in_one_line
from bot.handlers.desk import Desk
from bot.storage.cases import Place
from bot.storage.mails import MailRow, MailState

LINES_MAX = 8
MAILS_MAX = 8
OPEN = "open"
"""A button that only leads to the thread."""


def home(desk: Desk, by: str) -> Block:
    """The view for one of the staff. At most 100 blocks."""
    with desk.office.store.read() as tx:
        cases = list(tx.cases.all(open_only=True))
        places = {case.number: tx.cases.place(case.number) for case in cases}
        mails = tx.mails.in_state(MailState.NOT_DISPUTE, MAILS_MAX)
    today, policy = desk.office.now(), desk.office.policy
    lists = (
        ("Mine", [case for case in cases if case.owner == by]),
        ("Unassigned", sorted((case for case in cases if case.owner is None), key=lambda case: not case.waits)),
        ("Due today", [case for case in cases if _due(case, today, policy)]),
        ("To be sorted", [case for case in cases if case.stage is Stage.SORTING]),
        ("Impasse", [case for case in cases if case.stage is Stage.IMPASSE]),
    )
    blocks = [block for title, found in lists for block in _section(title, found, places)]
    return {"type": "home", "blocks": [*blocks, *_not_disputes(mails)]}


def stranger() -> Block:
    """The view for everybody else."""
    lines = ["Parley is for the support team. If you belong to it, ask an administrator to add you."]
    return {"type": "home", "blocks": list(titled("Parley", lines))}


def _due(case: Case, now: datetime, policy: Policy) -> bool:
    calendar = policy.calendar(None)
    today = calendar.local(now).date()
    return any(calendar.local(clock.due_at).date() <= today for clock in case.clocks if not clock.held_by)


def _section(title: str, cases: Sequence[Case], places: dict[int, Place | None]) -> Iterator[Block]:
    yield {"type": "header", "text": plain(f"{title} ({len(cases)})")}
    for case in cases[:LINES_MAX]:
        line: Block = {
            "type": "section",
            "block_id": block_id(case, f"home-{title}"),
            "text": plain(masked(cut(in_one_line(case), 300), case.assignment_ids), 400),
        }
        place = places.get(case.number)
        if place is not None:
            line["accessory"] = {
                "type": "button",
                "action_id": OPEN,
                "text": plain("Open"),
                "url": f"https://slack.com/archives/{place.channel}/p{place.card_ts.replace('.', '')}",
            }
        yield line
    if len(cases) > LINES_MAX:
        rest = f"… and {len(cases) - LINES_MAX} more: type /case find"
        yield {"type": "context", "elements": [plain(rest)]}


def _not_disputes(mails: Sequence[MailRow]) -> Iterator[Block]:
    """Mail that was read as no dispute and left untouched; a person may think otherwise."""
    yield {"type": "header", "text": plain("Not disputes")}
    for mail in mails:
        text = f"{mail.filing.sender}: {mail.filing.subject or '(no subject)'}"
        yield {"type": "section", "block_id": f"mail-{mail.mail_id}", "text": plain(masked(text), 400)}
        yield row(Case(0), f"open-{mail.mail_id}", (Button("open_case", "Open a case", str(mail.mail_id)),))
