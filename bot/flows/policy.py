"""What the operator has decided: days, thresholds, limits and wording, read from TOML into one frozen tree.

The defaults stand once, in `policy.toml`; an operator's file overrides only what it names. A wrong file is refused as a
whole, with every wrong line and what would be right, because a policy that is half in force judges people wrongly.
"""

import re
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import date, time, timedelta
from difflib import get_close_matches
from enum import StrEnum
from hashlib import sha256
from itertools import pairwise
from json import dumps
from typing import TypeVar

from bot.flows.calendar import Calendar, CalendarError, Span, Unit, known_zone, zone_like

HolidayTable = Mapping[str, frozenset[date]]
"""The holidays of a country or region by its code ("US", "US-CA"), as local dates. Read only when a name is used."""

TEXT_CHARS_MAX = 50_000
"""A longer policy file is refused unread."""

COUNT_MAX = 1_000_000_000
DEPTH_MAX = 500
"""Parts nested deeper than about a thousand break the parser of mails itself."""

STATEMENT_LINES_MAX = 500
QUOTED_CHARS_MAX = 80

Table = Mapping[str, object]
"""What TOML gives for a section or a file: texts, numbers, lists, dates, tables."""

T = TypeVar("T")


class PolicyError(ValueError):
    """A policy that cannot be in force; `problems` has one sentence for each wrong line, in the order of the lines."""

    def __init__(self, problems: tuple[str, ...], where: str = "policy") -> None:
        super().__init__("\n".join(f"{where}: {problem}" for problem in problems))
        self.problems = problems


class Workday(StrEnum):
    """The days of the week, Monday first."""

    MON = "mon"
    TUE = "tue"
    WED = "wed"
    THU = "thu"
    FRI = "fri"
    SAT = "sat"
    SUN = "sun"


class NoticePerson(StrEnum):
    """When a person, not a clock, sends the notice to the other side."""

    WHEN_UNSURE = "when_unsure"
    ALWAYS = "always"


@dataclass(frozen=True, slots=True)
class Hours:
    """Working hours; `closes` at 00:00 means 24:00."""

    opens: time
    closes: time

    @property
    def length(self) -> timedelta:
        """The working time of one ordinary day."""
        closes = timedelta(hours=self.closes.hour, minutes=self.closes.minute) or timedelta(days=1)
        return closes - timedelta(hours=self.opens.hour, minutes=self.opens.minute)

    def __str__(self) -> str:
        closes = "24:00" if self.closes == time(0) else f"{self.closes:%H:%M}"
        return f"{self.opens:%H:%M}-{closes}"


@dataclass(frozen=True, slots=True)
class Week:
    """`[calendar]`: when a party may be written to. `holidays` as written: codes of the holiday table, ISO dates."""

    zone: str
    hours: Hours
    workdays: tuple[Workday, ...]
    holidays: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Request:
    """`[request]`: the one ladder for every request to a party, all counted from the request, in ascending order."""

    remind: tuple[Span, ...]
    deadline: Span
    end: Span


@dataclass(frozen=True, slots=True)
class Notice:
    """`[notice]`: the pause before the other side is written to, and whether a person sends it in any case."""

    pause: Span
    person: NoticePerson


@dataclass(frozen=True, slots=True)
class Talks:
    """`[talks]`: whether an answered case of a kind goes to talks, and the two spans: to comment, then to agree."""

    payment: bool
    rating: bool
    comment: Span
    agree: Span


@dataclass(frozen=True, slots=True)
class Staff:
    """`[staff]`: the ladder of what waits for staff; `danger` replaces `nudge` where somebody may be harmed."""

    nudge: Span
    lead: Span
    danger: Span
    digest: time


@dataclass(frozen=True, slots=True)
class Status:
    """`[status]`: how often a party hears of a case that asks nothing of it; `weekly` after `unchanged` equal lines."""

    payment: Span
    rating: Span
    unchanged: int
    weekly: Span


@dataclass(frozen=True, slots=True)
class Triage:
    """`[triage]`: how sure, from 0 to 1, sorting must be of the kind and of an item to go on without a person."""

    sure_above: float
    accept_above: float


@dataclass(frozen=True, slots=True)
class Limits:
    """`[limits]`: bounds on counts, times and sizes. `receipt undo downtime under_48h` need no calendar."""

    letters_a_day: int
    answers_a_day: int
    receipt: Span
    undo: Span
    late_after: Span
    downtime: Span
    partial: Span
    extension: Span
    out_of_office_max: Span
    legal_hold: Span
    under_48h: Span
    close_after: Span
    reconsider: Span
    lead_view: Span
    mail_bytes_max: int
    mail_depth_max: int
    mail_parts_max: int
    body_chars_max: int


@dataclass(frozen=True, slots=True)
class Wording:
    """`[wording]`: the names and sentences of this operator in letters; `footer` may be empty."""

    language: str
    operator: str
    marketplace: str
    signature: str
    person: str
    footer: str


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the policy in force. `key` is "request.deadline", `value` its TOML, `source` `default` or `file`."""

    key: str
    value: str
    source: str


@dataclass(frozen=True, slots=True)
class Policy:
    """Everything the operator has decided. Equal policies have equal `hash`es, wherever their lines came from."""

    week: Week
    request: Request
    notice: Notice
    talks: Talks
    staff: Staff
    status: Status
    triage: Triage
    limits: Limits
    wording: Wording
    table: HolidayTable = field(repr=False, compare=False)
    from_file: frozenset[str] = field(repr=False, compare=False)
    hash: str = field(init=False, repr=False, compare=False)
    """SHA-256 (hex) of the canonical text: the same for every file that means the same."""
    _calendars: dict[str, Calendar] = field(init=False, repr=False, compare=False, default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "hash", sha256(self.canonical().encode()).hexdigest())

    def calendar(self, zone: str | None) -> Calendar:
        """The calendar of a party in `zone`; None or empty: the policy's zone. Raises `CalendarError` if unknown."""
        name = zone or self.week.zone
        if name not in self._calendars:
            self._calendars[name] = _calendar(self.week, name, self.table)
        return self._calendars[name]

    def entries(self) -> tuple[Entry, ...]:
        """Every line in force, in the order of `policy.toml`."""
        return tuple(
            Entry(key, _toml(value), "file" if key in self.from_file else "default") for key, value in _lines(self)
        )

    def canonical(self) -> str:
        """The policy as TOML, complete, without comments; parsing it gives an equal policy."""
        return _sections((entry.key, entry.value) for entry in self.entries())

    def to_toml(self) -> str:
        """The canonical text with, behind each line, where it came from: `# default` or `# file`."""
        return _sections((entry.key, f"{entry.value}  # {entry.source}") for entry in self.entries())

    def quote(self, key: str) -> str:
        """One line as `why` cites it: `policy [request] deadline = "5 business days"` for "request.deadline".

        Raises `KeyError` for a key that the policy does not have.
        """
        section, _, name = key.partition(".")
        return f"policy [{section}] {name} = {_toml(dict(_lines(self))[key])}"


def parse(text: str, defaults: str, holidays: HolidayTable) -> Policy:
    """The policy that an operator's file makes of the defaults; empty text: the defaults.

    `defaults` is the text of `policy.toml`: it must be complete, and it says which keys there are. Holiday codes of the
    defaults are trusted, so that a `holidays` that is slow to ask is not asked before a calendar is needed.
    Raises `PolicyError` with every wrong line of `text` and what would be right.
    """
    if len(text) > TEXT_CHARS_MAX:
        raise PolicyError((f"longer than {TEXT_CHARS_MAX} characters; name only what differs from the defaults",))
    reading = _Reading(_table(text), _table(defaults), holidays)
    reading.refuse_unknown()
    policy = Policy(
        week=reading.week(),
        request=reading.request(),
        notice=reading.notice(),
        talks=reading.talks(),
        staff=reading.staff(),
        status=reading.status(),
        triage=reading.triage(),
        limits=reading.limits(),
        wording=reading.wording(),
        table=holidays,
        from_file=reading.named(),
    )
    problems = reading.problems or _contradictions(policy)
    if problems:
        lines = _line_numbers(text)
        raise PolicyError(tuple(str(problem) for problem in sorted(problem.at(lines) for problem in problems)))
    return policy


@dataclass(frozen=True, slots=True, order=True)
class _Problem:
    """What is wrong with a key ("request.deadline") or a section; `line` is 0 until it is looked up."""

    line: int
    key: str
    text: str

    def at(self, lines: Mapping[str, int]) -> "_Problem":
        section, _, _ = self.key.partition(".")
        return replace(self, line=lines.get(self.key, lines.get(section, 0)))

    def __str__(self) -> str:
        return f"line {self.line}: {self.text}"


class _Reading:
    """One file against the defaults: each read gives the file's value, or the default's, and collects what is wrong."""

    def __init__(self, file: Table, defaults: Table, holidays: HolidayTable) -> None:
        self.file, self.defaults, self.holidays = file, defaults, holidays
        self.problems: list[_Problem] = []

    def named(self) -> frozenset[str]:
        """The keys that the file names."""
        return frozenset(f"{section}.{key}" for section in self.file for key in _under(self.file, section))

    def refuse_unknown(self) -> None:
        """Notes sections and keys that the defaults do not have, with the one that was most likely meant."""
        for section, content in self.file.items():
            if section not in self.defaults:
                self._refuse_section(section)
            elif not isinstance(content, dict):
                self._refuse(section, f"[{section}] is a section; write its keys below a line [{section}]")
            for key in _under(self.file, section):
                if section in self.defaults and key not in _under(self.defaults, section):
                    known = tuple(_under(self.defaults, section))
                    self._refuse(f"{section}.{key}", f"[{section}] {key}: no such key; {_meant(key, known)}")

    def _refuse_section(self, name: str) -> None:
        homes = [home for home in self.defaults if name in _under(self.defaults, home)]
        meant = f"it belongs into [{homes[0]}]" if homes else _meant(name, tuple(self.defaults))
        self._refuse(name, f"{name}: no such section; {meant}")

    def _refuse(self, key: str, text: str) -> None:
        self.problems.append(_Problem(0, key, text))

    def _read(self, path: str, reader: Callable[[object], T]) -> T:
        section, _, key = path.partition(".")
        default = _under(self.defaults, section)[key]
        found = _under(self.file, section).get(key, default)
        try:
            return reader(found)
        except ValueError as wrong:
            self._refuse(path, f"[{section}] {key} = {_short(found)}: {wrong}; write it like {key} = {_toml(default)}")
            return reader(default)

    def week(self) -> Week:
        trusted = frozenset(_texts(_under(self.defaults, "calendar")["holidays"]))
        return Week(
            zone=self._read("calendar.zone", _zone),
            hours=self._read("calendar.hours", _hours),
            workdays=self._read("calendar.workdays", _workdays),
            holidays=self._read("calendar.holidays", lambda found: _holidays(found, trusted, self.holidays)),
        )

    def request(self) -> Request:
        return Request(
            remind=self._read("request.remind", _spans),
            deadline=self._read("request.deadline", _span),
            end=self._read("request.end", _span),
        )

    def notice(self) -> Notice:
        return Notice(
            pause=self._read("notice.pause", _span_or_none),
            person=self._read("notice.person", _notice_person),
        )

    def talks(self) -> Talks:
        return Talks(
            payment=self._read("talks.payment", _flag),
            rating=self._read("talks.rating", _flag),
            comment=self._read("talks.comment", _span),
            agree=self._read("talks.agree", _span),
        )

    def staff(self) -> Staff:
        return Staff(
            nudge=self._read("staff.nudge", _span),
            lead=self._read("staff.lead", _span),
            danger=self._read("staff.danger", _span),
            digest=self._read("staff.digest", _time_of_day),
        )

    def status(self) -> Status:
        return Status(
            payment=self._read("status.payment", _span),
            rating=self._read("status.rating", _span),
            unchanged=self._read("status.unchanged", _count),
            weekly=self._read("status.weekly", _span),
        )

    def triage(self) -> Triage:
        return Triage(
            sure_above=self._read("triage.sure_above", _share),
            accept_above=self._read("triage.accept_above", _share),
        )

    def limits(self) -> Limits:
        return Limits(
            letters_a_day=self._read("limits.letters_a_day", _count),
            answers_a_day=self._read("limits.answers_a_day", _count),
            receipt=self._read("limits.receipt", _elapsed),
            undo=self._read("limits.undo", _elapsed_or_none),
            late_after=self._read("limits.late_after", _span),
            downtime=self._read("limits.downtime", _elapsed),
            partial=self._read("limits.partial", _span),
            extension=self._read("limits.extension", _span),
            out_of_office_max=self._read("limits.out_of_office_max", _span),
            legal_hold=self._read("limits.legal_hold", _span),
            under_48h=self._read("limits.under_48h", _elapsed_or_none),
            close_after=self._read("limits.close_after", _span),
            reconsider=self._read("limits.reconsider", _span),
            lead_view=self._read("limits.lead_view", _span),
            mail_bytes_max=self._read("limits.mail_bytes_max", _count),
            mail_depth_max=self._read("limits.mail_depth_max", _depth),
            mail_parts_max=self._read("limits.mail_parts_max", _count),
            body_chars_max=self._read("limits.body_chars_max", _count),
        )

    def wording(self) -> Wording:
        return Wording(
            language=self._read("wording.language", _language),
            operator=self._read("wording.operator", _phrase),
            marketplace=self._read("wording.marketplace", _phrase),
            signature=self._read("wording.signature", _phrase),
            person=self._read("wording.person", _phrase),
            footer=self._read("wording.footer", _text),
        )


def _table(text: str) -> Table:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as wrong:
        what, _, place = str(wrong).partition(" (at ")
        line = re.match(r"line (\d+)", place)
        number = line[1] if line else str(text.count("\n") + 1)
        raise PolicyError((f"line {number}: not TOML: {what}; a line reads: key = value",)) from None
    except (ValueError, RecursionError):
        raise PolicyError(("not TOML: a number is too long, or brackets are nested too deeply",)) from None


def _under(table: Table, section: str) -> Table:
    content = table.get(section)
    return content if isinstance(content, dict) else {}


def _meant(name: str, known: tuple[str, ...]) -> str:
    near = get_close_matches(name, known, n=1, cutoff=0.6)
    return f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"


# Readers: each takes a value as TOML gave it, and raises `ValueError` with what is wrong with it.


def _text(found: object) -> str:
    if not isinstance(found, str):
        raise ValueError("this must be a text in quotes")
    return found


def _phrase(found: object) -> str:
    if not (text := _text(found).strip()):
        raise ValueError("this must not be empty")
    return text


def _language(found: object) -> str:
    if not re.fullmatch("[a-z]{2,3}", _text(found)):
        raise ValueError("this must be the code of a language (ISO 639), such as en")
    return _text(found)


def _texts(found: object) -> tuple[str, ...]:
    if not isinstance(found, list):
        raise ValueError("this must be a list in square brackets")
    return tuple(_text(each) for each in found)


def _flag(found: object) -> bool:
    if not isinstance(found, bool):
        raise ValueError("this must be true or false, without quotes")
    return found


def _count(found: object) -> int:
    if isinstance(found, bool) or not isinstance(found, int) or not 1 <= found <= COUNT_MAX:
        raise ValueError(f"this must be a whole number from 1 to {COUNT_MAX}, without quotes")
    return found


def _depth(found: object) -> int:
    depth = _count(found)
    if depth > DEPTH_MAX:
        raise ValueError(f"no more than {DEPTH_MAX} levels can be read safely")
    return depth


def _share(found: object) -> float:
    if isinstance(found, bool) or not isinstance(found, int | float) or not 0 <= found <= 1:
        raise ValueError("this must be a number from 0 to 1, without quotes")
    return float(found)


def _span_or_none(found: object) -> Span:
    return Span.parse(_text(found))


def _span(found: object) -> Span:
    span = _span_or_none(found)
    if span.count == 0:
        raise ValueError("this must be longer than nothing")
    return span


def _elapsed_or_none(found: object) -> Span:
    span = _span_or_none(found)
    if span.is_business:
        raise ValueError("this is measured without a calendar: use seconds, minutes, hours or days")
    return span


def _elapsed(found: object) -> Span:
    _span(found)
    return _elapsed_or_none(found)


def _spans(found: object) -> tuple[Span, ...]:
    if not isinstance(found, list):
        raise ValueError("this must be a list in square brackets, empty for no reminder")
    return tuple(_span(each) for each in found)


def _zone(found: object) -> str:
    name = _text(found)
    if not known_zone(name):
        near = zone_like(name)
        raise ValueError("no such time zone" + (f"; did you mean {near}?" if near else ""))
    return name


def _time_of_day(found: object) -> time:
    written = re.fullmatch(r"([01]\d|2[0-3]):([0-5]\d)", _text(found))
    if written is None:
        raise ValueError("this must be a time of day from 00:00 to 23:59")
    return time(int(written[1]), int(written[2]))


def _hours(found: object) -> Hours:
    opens, dash, closes = "".join(_text(found).split()).partition("-")
    if not dash:
        raise ValueError("this must be two times of day with a dash between them")
    hours = Hours(_time_of_day(opens), _time_of_day("00:00" if closes == "24:00" else closes))
    if closes == "00:00" or (closes != "24:00" and hours.opens >= hours.closes):
        raise ValueError('it must open before it closes, on the same day (the end of the day is "24:00")')
    return hours


def _workdays(found: object) -> tuple[Workday, ...]:
    names = [name.strip().lower()[:3] for name in _texts(found)]
    strange = [name for name in names if name not in tuple(Workday)]
    if strange:
        raise ValueError(f'"{strange[0]}" is not a day of the week; they are {", ".join(Workday)}')
    if not names:
        raise ValueError("there must be at least one workday")
    return tuple(day for day in Workday if day in names)


def _holidays(found: object, trusted: frozenset[str], table: HolidayTable) -> tuple[str, ...]:
    if not isinstance(found, list):
        raise ValueError("this must be a list in square brackets, empty for none")
    names = tuple(str(each) if type(each) is date else _text(each).strip() for each in found)
    for name in names:
        if name[:1].isdigit():
            _date(name)
        elif name not in trusted and name not in table:
            near = get_close_matches(name.upper(), tuple(table), n=1, cutoff=0.6)
            meant = f"; did you mean {near[0]}?" if near else ""
            raise ValueError(f'"{name}" is not a country (US) or region (US-CA) whose holidays are known{meant}')
    return names


def _date(name: str) -> date:
    try:
        return date.fromisoformat(name)
    except ValueError:
        raise ValueError(f'"{name}" is not a date; dates are written 2026-12-24') from None


def _notice_person(found: object) -> NoticePerson:
    name = _text(found)
    if name not in tuple(NoticePerson):
        raise ValueError(f"this must be one of {', '.join(NoticePerson)}")
    return NoticePerson(name)


def _calendar(week: Week, zone: str, table: HolidayTable) -> Calendar:
    days = (frozenset({_date(name)}) if name[:1].isdigit() else table[name] for name in week.holidays)
    return Calendar(
        zone=zone,
        opens=week.hours.opens,
        closes=week.hours.closes,
        workdays=frozenset(tuple(Workday).index(day) for day in week.workdays),
        holidays=frozenset().union(*days),
    )


def _contradictions(policy: Policy) -> list[_Problem]:
    """Lines that are right each for itself, but not together."""
    request, staff = policy.request, policy.staff
    ladder = [(f"remind[{place}]", each) for place, each in enumerate(request.remind, 1)]
    ladder += [("deadline", request.deadline), ("end", request.end)]
    steps = [("request", *step) for step in pairwise(ladder)]
    steps.append(("staff", ("nudge", staff.nudge), ("lead", staff.lead)))
    problems = [
        _Problem(
            0, _culprit(policy, section, earlier, later), f"[{section}] {later} = {span} {wrong} {earlier} = {base}"
        )
        for section, (earlier, base), (later, span) in steps
        if (wrong := _disorder(base, span, policy.week.hours))
    ]
    if "calendar.holidays" in policy.from_file:
        try:
            policy.calendar(None)
        except CalendarError as wrong:
            problems.append(_Problem(0, "calendar.holidays", f"[calendar] holidays: {wrong}"))
    return problems


def _culprit(policy: Policy, section: str, earlier: str, later: str) -> str:
    """The line of the file that made two steps contradict: one of the two, or the hours that changed their lengths."""
    keys = [f"{section}.{name.partition('[')[0]}" for name in (later, earlier)]
    return next((key for key in keys if key in policy.from_file), "calendar.hours")


def _disorder(earlier: Span, later: Span, hours: Hours) -> str | None:
    """Why `later` may not come after `earlier`, whenever both are counted from the same moment; None: it always does.

    A business span lasts at least its working time, and no upper bound of it is known.
    """
    if earlier.is_business and not later.is_business:
        return "may come before, over a weekend or holidays; write both in business time, or neither:"
    return None if _working_time(earlier, hours) < _working_time(later, hours) else "does not come after"


def _working_time(span: Span, hours: Hours) -> timedelta:
    match span.unit:
        case Unit.SECOND | Unit.MINUTE | Unit.HOUR | Unit.DAY:
            return span.elapsed
        case Unit.BUSINESS_HOUR:
            return span.count * timedelta(hours=1)
        case Unit.BUSINESS_DAY:
            return span.count * hours.length


def _line_numbers(text: str) -> dict[str, int]:
    """Where each section and key ("request.deadline") of a valid TOML text begins, counted from 1.

    `tomllib` gives no positions, so the text is read again, statement by statement.
    """
    places: dict[str, int] = {}
    header: tuple[str, ...] = ()
    statement: list[str] = []
    for number, line in enumerate(text.replace("\r\n", "\n").split("\n"), 1):
        statement.append(line)
        found = _statement("\n".join(statement))
        if found is None and len(statement) <= STATEMENT_LINES_MAX:
            continue
        begins = number - len(statement) + 1
        path = tuple(found or ())
        if line.lstrip().startswith("[") and begins == number:
            header = path
            places.setdefault(".".join(path[:2]), begins)
        for length in range(1, 3):
            places.setdefault(".".join((*header, *path)[:length]), begins)
        statement = []
    return places


def _statement(text: str) -> list[str] | None:
    """The path of keys that one TOML statement names, empty for a blank line; None if it is not complete yet."""
    try:
        table: object = tomllib.loads(text)
    except ValueError:
        return None
    path = []
    while isinstance(table, dict) and table:
        path.append(str(next(iter(table))))
        table = table[path[-1]]
    return path


def _lines(policy: Policy) -> Iterator[tuple[str, object]]:
    """Every key and its value, in the order of `policy.toml`."""
    sections = (
        ("calendar", policy.week),
        ("request", policy.request),
        ("notice", policy.notice),
        ("talks", policy.talks),
        ("staff", policy.staff),
        ("status", policy.status),
        ("triage", policy.triage),
        ("limits", policy.limits),
        ("wording", policy.wording),
    )
    for section, values in sections:
        for each in fields(values):
            yield f"{section}.{each.name}", getattr(values, each.name)


def _sections(lines: Iterable[tuple[str, str]]) -> str:
    written: list[str] = []
    for key, value in lines:
        section, _, name = key.partition(".")
        if f"[{section}]" not in written:
            written += ["", f"[{section}]"] if written else [f"[{section}]"]
        written.append(f"{name} = {value}")
    return "\n".join(written) + "\n"


def _toml(value: object) -> str:
    """A value as TOML writes it; values of our own as the text that reads back to them."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, list | tuple):
        return f"[{', '.join(_toml(each) for each in value)}]"
    written = f"{value:%H:%M}" if isinstance(value, time) else str(value)
    # A TOML string is a JSON string, but for the one control character that JSON lets pass.
    return dumps(written, ensure_ascii=False).replace("\x7f", "\\u007f")


def _short(value: object) -> str:
    text = _toml(value)
    return text if len(text) <= QUOTED_CHARS_MAX else f"{text[:QUOTED_CHARS_MAX]} …"
