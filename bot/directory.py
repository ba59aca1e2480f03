"""Who is behind an assignment: the marketplace's table of worker, client, contacts and dates, as it was imported.

It decides nothing. A row is believed for the other side's address and for dates, never for what happened at a job.
"""

import csv
import re
from collections.abc import Iterable
from datetime import date
from io import StringIO

from bot.flows.calendar import known_zone, zone_like
from bot.flows.events import Listing
from bot.storage.knowledge import Assignment
from bot.storage.store import Store

REQUIRED = ("assignment_id", "worker_name", "worker_email", "client_name", "client_email")
OPTIONAL = ("worker_zone", "client_zone", "amount", "approved_on", "due_on", "paid_on")
ROWS_MAX = 1_000_000
PROBLEMS_MAX = 20
CELL_CHARS_MAX = 500

_ID = re.compile(r"\d{6,10}")
_ADDRESS = re.compile(r"[^@\s<>,;\"]{1,64}@[^@\s<>,;\"]+\.[^@\s<>,;\"]+|[^@\s<>,;\"]{1,64}@[a-z0-9-]+")


class ImportRefused(ValueError):
    """A table that was not imported, not even in part; `problems` names each wrong line and what would be right."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class Directory:
    """The imported table. Reading it never writes."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def look_up(self, ids: Iterable[str]) -> tuple[Listing, ...]:
        """What is known of these assignments, in their order; unknown ones are left out."""
        with self._store.read() as tx:
            return tuple(assignment.listing for assignment in tx.knowledge.assignments(tuple(ids)))

    def take_in(self, text: str) -> int:
        """Import a CSV: rows with a known ID replace it, others stay. Returns how many rows there were.

        All or nothing: raises `ImportRefused` if any line is wrong.
        """
        assignments = read_csv(text)
        with self._store.begin() as tx:
            return tx.knowledge.import_assignments(assignments)


def read_csv(text: str) -> tuple[Assignment, ...]:
    """The assignments of a CSV with the columns REQUIRED and perhaps OPTIONAL, in any order; comma or semicolon.

    Dates are ISO (2026-03-09), zones IANA names. Raises `ImportRefused` with every wrong line (the first
    `PROBLEMS_MAX` of them).
    """
    text = text.removeprefix("\ufeff")
    head = text.split("\n", 1)[0]
    reader = csv.DictReader(StringIO(text, newline=""), delimiter=";" if head.count(";") > head.count(",") else ",")
    columns = tuple((name or "").strip().lower() for name in reader.fieldnames or ())
    reader.fieldnames = columns
    problems = _wrong_columns(columns)
    if problems:
        raise ImportRefused(tuple(problems))
    found: dict[str, Assignment] = {}
    try:
        for row in reader:
            _add(row, reader.line_num, found, problems)
            if len(problems) >= PROBLEMS_MAX:
                problems.append("… and perhaps more; the reading stopped here")
                break
    except csv.Error as wrong:
        problems.append(f"line {reader.line_num}: not CSV: {wrong}")
    if problems:
        raise ImportRefused(tuple(problems))
    return tuple(found.values())


def _wrong_columns(columns: tuple[str, ...]) -> list[str]:
    wanted = f"the first line names the columns {', '.join(REQUIRED)}, and perhaps {', '.join(OPTIONAL)}"
    missing = [name for name in REQUIRED if name not in columns]
    unknown = [name for name in columns if name not in (*REQUIRED, *OPTIONAL)]
    twice = sorted({name for name in columns if columns.count(name) > 1})
    problems = [f"line 1: the column {name} is missing; {wanted}" for name in missing]
    problems += [f'line 1: there is no column "{name[:40]}"; {wanted}' for name in unknown]
    return problems + [f"line 1: the column {name} is there twice" for name in twice]


def _add(row: dict[str, str | None], line: int, found: dict[str, Assignment], problems: list[str]) -> None:
    cells = {name: (row.get(name) or "").strip() for name in (*REQUIRED, *OPTIONAL)}
    wrong = _wrong_cells(cells) + (["more cells than columns"] if None in row else [])
    assignment_id = cells["assignment_id"]
    if assignment_id in found:
        wrong.append(f"assignment {assignment_id} is there twice")
    if len(found) >= ROWS_MAX:
        wrong.append(f"more than {ROWS_MAX} rows; import them in parts")
    problems += [f"line {line}: {each}" for each in wrong]
    if not wrong:
        found[assignment_id] = _assignment(cells)


def _wrong_cells(cells: dict[str, str]) -> list[str]:
    wrong = [
        f'{name} "{value[:40]}": {should}'
        for name, value in cells.items()
        if value or name in REQUIRED
        for should in (_should(name, value),)
        if should
    ]
    if cells["worker_email"].lower() == cells["client_email"].lower() and not wrong:
        wrong.append("worker_email and client_email are the same; the two sides need different addresses")
    return wrong


def _should(name: str, value: str) -> str | None:
    """What the cell should be; None if it is so."""
    if len(value) > CELL_CHARS_MAX:
        return f"at most {CELL_CHARS_MAX} characters"
    if name == "assignment_id":
        return None if _ID.fullmatch(value) else "it should be 6 to 10 digits"
    if name.endswith("_email"):
        return None if _ADDRESS.fullmatch(value.lower()) else "it should be one mail address"
    if name.endswith("_zone"):
        near = None if known_zone(value) else zone_like(value)
        meant = f"; did you mean {near}?" if near else ""
        return None if known_zone(value) else f"it should be a zone such as America/New_York{meant}"
    if name.endswith("_on"):
        return None if _date(value) else "it should be a date such as 2026-03-09"
    return None if value or name not in REQUIRED else "it should not be empty"


def _date(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def _assignment(cells: dict[str, str]) -> Assignment:
    return Assignment(
        Listing(
            assignment_id=cells["assignment_id"],
            worker_name=cells["worker_name"],
            worker_email=cells["worker_email"].lower(),
            client_name=cells["client_name"],
            client_email=cells["client_email"].lower(),
            worker_zone=cells.get("worker_zone") or None,
            client_zone=cells.get("client_zone") or None,
            due_on=_date(cells.get("due_on", "")),
            approved_on=_date(cells.get("approved_on", "")),
            paid_on=_date(cells.get("paid_on", "")),
        ),
        amount=cells.get("amount") or None,
    )
