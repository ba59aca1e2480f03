"""Business time: which moments are working time in a party's zone, and when a deadline falls.

Every deadline the product announces is computed here. Moments go in and come out as aware `datetime`s in UTC; inside,
they are whole microseconds since 1970, because a deadline is drawn for thousands of cases and must stay cheap.
The rules of a zone come from `whenever`, once a zone, as the list of its changes.
"""

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from difflib import get_close_matches
from enum import StrEnum
from functools import lru_cache

from whenever import Instant, TimeZoneNotFoundError, available_timezones

SILENT_DAYS_MAX = 400
"""A calendar with more days in a row without work than this is refused: it is a slip, not a holiday."""

SPAN_YEARS_MAX = 20
"""A longer span is a slip of the pen; the bound also keeps every walk over days short."""

SPAN_CHARS_MAX = 60

_SECOND = 1_000_000
_MINUTE = 60 * _SECOND
_HOUR = 60 * _MINUTE
_DAY = 24 * _HOUR
_MICROSECOND = timedelta(microseconds=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_DAY = date(1970, 1, 1).toordinal()
_EPOCH_WEEKDAY = date(1970, 1, 1).weekday()
_FIRST_YEAR, _LAST_YEAR = 1970, 2200
_END = (datetime(_LAST_YEAR, 1, 1, tzinfo=UTC) - _EPOCH) // _MICROSECOND


class CalendarError(ValueError):
    """A calendar that cannot be, or a moment that it cannot reach. The message says what would be right."""


class Unit(StrEnum):
    """What a span counts. The first four pass for everybody alike, the last two only while the party works."""

    SECOND = "second"
    MINUTE = "minute"
    HOUR = "hour"
    DAY = "day"
    BUSINESS_HOUR = "business hour"
    BUSINESS_DAY = "business day"


_UNITS = {form: unit for unit in Unit for form in (unit.value, f"{unit.value}s")}
_LENGTH = {Unit.SECOND: _SECOND, Unit.MINUTE: _MINUTE, Unit.HOUR: _HOUR, Unit.BUSINESS_HOUR: _HOUR}
_LONGEST = {unit: SPAN_YEARS_MAX * 365 * _DAY // _LENGTH.get(unit, _DAY) for unit in Unit}


@dataclass(frozen=True, slots=True)
class Span:
    """A length of time as policy writes it: "2 business days", "60 seconds".

    Raises `ValueError` when the count is negative or the span is longer than `SPAN_YEARS_MAX` years.
    """

    count: int
    unit: Unit

    def __post_init__(self) -> None:
        if not 0 <= self.count <= _LONGEST[self.unit]:
            raise ValueError(f'"{self}": the number must lie between 0 and {_LONGEST[self.unit]}')

    @classmethod
    def parse(cls, text: str) -> "Span":
        """Reads `NUMBER UNIT`, singular or plural, any case, any spacing between the words.

        Raises `ValueError` that names what was wrong and shows what would be right.
        """
        number, _, rest = " ".join(text.split()).partition(" ")
        example = 'write a number and a unit, such as "2 business days"'
        if len(text) > SPAN_CHARS_MAX:
            raise ValueError(f'"{text[:SPAN_CHARS_MAX]}…" is far too long; {example}')
        if not (number.isascii() and number.isdigit()):
            raise ValueError(f'"{text}": "{number}" is not a whole number; {example}')
        unit = _UNITS.get(rest.lower())
        if unit is None:
            wrong = f'"{rest}" is not a unit' if rest else "the unit is missing"
            raise ValueError(f'"{text}": {wrong}; units are {", ".join(Unit)} (or their plurals)')
        return cls(int(number), unit)

    @property
    def is_business(self) -> bool:
        """Whether the span needs a calendar to be measured."""
        return self.unit in (Unit.BUSINESS_HOUR, Unit.BUSINESS_DAY)

    @property
    def elapsed(self) -> timedelta:
        """The length of a span that needs no calendar; a day counts 24 hours here.

        Raises `ValueError` for business hours and business days.
        """
        if self.is_business:
            raise ValueError(f'"{self}" has no fixed length; it needs a calendar')
        return timedelta(microseconds=self.count * _LENGTH.get(self.unit, _DAY))

    def __str__(self) -> str:
        return f"{self.count} {self.unit}" if self.count == 1 else f"{self.count} {self.unit}s"


@dataclass(frozen=True, slots=True)
class _Zone:
    """A zone's rules as stretches of constant offset, all in microseconds, in order.

    Stretch `i` lasts from `starts[i]` to `ends[i]` in UTC; wall clocks show UTC + `offsets[i]`, and a wall time of
    `walls[i]` or later belongs to it. `skipped` are local days that the zone never had (Apia, 30 December 2011).
    """

    starts: tuple[int, ...]
    ends: tuple[int, ...]
    offsets: tuple[int, ...]
    walls: tuple[int, ...]
    skipped: frozenset[int]

    def index(self, moment: int) -> int:
        return bisect_right(self.starts, moment) - 1

    def wall(self, moment: int) -> int:
        return moment + self.offsets[self.index(moment)]

    def moment(self, wall: int) -> int:
        """The moment at which the wall clock shows `wall`: the first of two; a time left out is moved on by the gap.

        Source: RFC 5545 §3.3.5 (both rules).
        """
        return wall - self.offsets[bisect_right(self.walls, wall) - 1]


@lru_cache(maxsize=1024)
def _zone(name: str) -> _Zone:
    try:
        at = Instant.from_utc(_FIRST_YEAR, 1, 1).to_tz(name)
    except TimeZoneNotFoundError:
        raise CalendarError(f'"{name}" is not a time zone; write a name such as "America/New_York"') from None
    starts, offsets = [0], [int(at.offset.total("seconds")) * _SECOND]
    following = at.next_transition()
    while following is not None and following.year < _LAST_YEAR:
        offset = int(following.offset.total("seconds")) * _SECOND
        if offset != offsets[-1]:
            starts.append(following.timestamp() * _SECOND)
            offsets.append(offset)
        following = following.next_transition()
    changes = list(zip(starts[1:], offsets, offsets[1:], strict=False))
    # The first stretch reaches back by a day, so that local days before midnight UTC on 1 January 1970 have a place.
    return _Zone(
        starts=(starts[0] - _DAY, *starts[1:]),
        ends=(*starts[1:], _END + _DAY),
        offsets=tuple(offsets),
        walls=(-2 * _DAY, *(start + max(before, after) for start, before, after in changes)),
        skipped=frozenset(
            day
            for start, before, after in changes
            for day in range(-(-(start + before) // _DAY), (start + after) // _DAY)
        ),
    )


def zone_like(name: str) -> str | None:
    """The time zone that somebody who wrote `name` most likely meant, or None."""
    zones = {zone.lower(): zone for zone in sorted(available_timezones())}
    places = {zone.rpartition("/")[2]: zone for zone in zones}
    asked = name.strip().lower().replace(" ", "_")
    near = get_close_matches(asked, zones, n=1, cutoff=0.7)
    near = near or [places[place] for place in get_close_matches(asked, places, n=1, cutoff=0.8)]
    return zones[near[0]] if near else None


def known_zone(name: str) -> bool:
    """Whether `name` is a time zone of the IANA database, as on this machine."""
    try:
        _zone(name)
    except CalendarError:
        return False
    return True


def _microseconds(moment: datetime) -> int:
    if moment.tzinfo is None:
        raise ValueError(f"{moment.isoformat()} has no time zone; moments are aware, in UTC")
    passed = moment - _EPOCH
    since = (passed.days * 86_400 + passed.seconds) * _SECOND + passed.microseconds
    if not 0 <= since < _END:
        raise CalendarError(f"{moment.isoformat()} lies outside the years {_FIRST_YEAR} to {_LAST_YEAR - 1}")
    return since


def _moment(microseconds: int) -> datetime:
    if not 0 <= microseconds < _END:
        raise _out_of_years()
    return _EPOCH + timedelta(0, 0, microseconds)


def _out_of_years() -> CalendarError:
    return CalendarError(f"the moment asked for lies outside the years {_FIRST_YEAR} to {_LAST_YEAR - 1}")


def _time_of_day(at: time) -> int:
    return (datetime.combine(_EPOCH, at, UTC) - _EPOCH) // _MICROSECOND


def _clock(at: time) -> str:
    return at.isoformat("auto" if at.second or at.microsecond else "minutes")


@dataclass(frozen=True, slots=True)
class Calendar:
    """When somebody works: a moment is working time if the wall clock in `zone` shows a workday, and a time from
    `opens` up to, but not including, `closes`.

    `closes` at 00:00 means 24:00, the end of the day. `workdays` counts Monday as 0; `holidays` are local dates without
    work. Moments are aware datetimes (UTC on the way out), from 1970 to 2199; a naive one raises `ValueError`, one
    outside raises `CalendarError`. Raises `CalendarError` for a calendar that cannot be: unknown zone, no workday,
    closing before opening, more than `SILENT_DAYS_MAX` days in a row without work.
    """

    zone: str
    opens: time
    closes: time
    workdays: frozenset[int]
    holidays: frozenset[date]
    _opens: int = field(init=False, repr=False, compare=False)
    _closes: int = field(init=False, repr=False, compare=False)
    _free: frozenset[int] = field(init=False, repr=False, compare=False)
    """Days since 1970 that are holidays, or that the zone left out, and would otherwise be worked."""

    def __post_init__(self) -> None:
        zone = _zone(self.zone)
        if not self.workdays:
            raise CalendarError("a calendar needs at least one workday")
        if not self.workdays <= frozenset(range(7)):
            raise CalendarError(f"workdays are 0 (Monday) to 6 (Sunday), not {sorted(self.workdays)}")
        object.__setattr__(self, "_opens", _time_of_day(self.opens))
        object.__setattr__(self, "_closes", _time_of_day(self.closes) or _DAY)
        if self._opens >= self._closes:
            raise CalendarError(f"working hours must open before they close, but {self.hours} does not")
        days = {day.toordinal() - _EPOCH_DAY for day in self.holidays} | zone.skipped
        object.__setattr__(self, "_free", frozenset(day for day in days if self._is_weekly(day)))
        self._refuse_silence()

    @property
    def hours(self) -> str:
        """The working hours as policy writes them: "09:00-17:00", "00:00-24:00"."""
        closes = "24:00" if self._closes == _DAY else _clock(self.closes)
        return f"{_clock(self.opens)}-{closes}"

    def is_working(self, t: datetime) -> bool:
        """Whether `t` is working time."""
        return self._is_working(_microseconds(t))

    def next_working(self, t: datetime) -> datetime:
        """`t` itself if it is working time, else the next opening."""
        return _moment(self._next_working(_microseconds(t)))

    def after(self, t: datetime, span: Span) -> datetime:
        """The moment that lies `span` after `t`.

        Seconds, minutes, hours: that much later. Days: the same wall-clock time so many calendar days on. Business
        hours: `t` moved to the next working moment, then so much working time. Business days: `t` moved to the next
        working moment, then the same wall-clock time so many workdays on; the result is always working time.
        A wall-clock time that the zone leaves out moves forward by the gap, of one that comes twice the first is meant.
        No business time at all ("0 business days") is the next working moment.
        """
        moment = _microseconds(t)
        if span.unit is Unit.BUSINESS_DAY:
            return _moment(self._workdays_on(self._next_working(moment), span.count))
        if span.unit is Unit.DAY:
            return _moment(self._days_on(moment, span.count))
        if span.unit is Unit.BUSINESS_HOUR:
            return _moment(self._plus_working(self._next_working(moment), span.count * _HOUR))
        return _moment(moment + span.count * _LENGTH[span.unit])

    def working_between(self, a: datetime, b: datetime) -> timedelta:
        """How much working time lies between `a` and `b`; none if `b` is not later."""
        start, end = _microseconds(a), _microseconds(b)
        total = 0
        if start < end:
            for opens, closes in self._windows(start):
                if opens >= end:
                    break
                total += min(closes, end) - max(opens, start)
        return timedelta(microseconds=total)

    def plus_working(self, t: datetime, worked: timedelta) -> datetime:
        """The earliest moment by which `worked` working time has passed since `t`: at the latest a closing time.

        Nothing to pass: `t` itself. Raises `ValueError` if `worked` is negative.
        """
        if worked < timedelta(0):
            raise ValueError(f"working time to pass cannot be negative: {worked}")
        return _moment(self._plus_working(_microseconds(t), worked // _MICROSECOND))

    def local(self, t: datetime) -> datetime:
        """`t` as the wall clock in `zone` shows it, aware, to be displayed (`%Z` gives "EST")."""
        _microseconds(t)
        return Instant(t).to_tz(self.zone).to_stdlib()

    def day(self, t: datetime) -> date:
        """The local date at `t`."""
        return date.fromordinal(_EPOCH_DAY + _zone(self.zone).wall(_microseconds(t)) // _DAY)

    def _is_weekly(self, day: int) -> bool:
        return (day + _EPOCH_WEEKDAY) % 7 in self.workdays

    def _is_workday(self, day: int) -> bool:
        return (day + _EPOCH_WEEKDAY) % 7 in self.workdays and day not in self._free

    def _refuse_silence(self) -> None:
        """Raises if too many days in a row are free: walks from holiday to holiday, not over all days."""
        silent_from = resumes = -1
        for day in sorted(self._free):
            if day != resumes:
                silent_from = day
            resumes = day + 1
            while not self._is_weekly(resumes):
                resumes += 1
            if resumes - silent_from > SILENT_DAYS_MAX:
                first = date.fromordinal(_EPOCH_DAY + silent_from)
                raise CalendarError(f"more than {SILENT_DAYS_MAX} days in a row without a workday, from {first}")

    def _is_working(self, moment: int) -> bool:
        day, time_of_day = divmod(_zone(self.zone).wall(moment), _DAY)
        return self._opens <= time_of_day < self._closes and self._is_workday(day)

    def _next_working(self, moment: int) -> int:
        """Arithmetic within a stretch of constant offset; a look at the windows where the offset changes on the way."""
        zone = _zone(self.zone)
        index = zone.index(moment)
        day, time_of_day = divmod(moment + zone.offsets[index], _DAY)
        if time_of_day < self._closes and self._is_workday(day):
            opens = moment if self._opens <= time_of_day else moment - time_of_day + self._opens
        else:
            opens = moment - time_of_day + (self._next_workday(day) - day) * _DAY + self._opens
        if opens < zone.ends[index]:
            return opens
        for opens, _ in self._windows(moment):
            return opens
        raise _out_of_years()

    def _next_workday(self, day: int) -> int:
        weekly, free = self.workdays, self._free
        day += 1
        while (day + _EPOCH_WEEKDAY) % 7 not in weekly or day in free:
            day += 1
        return day

    def _windows(self, moment: int) -> Iterator[tuple[int, int]]:
        """The stretches of working time that end after `moment`, in order, cut where the zone's offset changes."""
        zone = _zone(self.zone)
        for index in range(zone.index(moment), len(zone.starts)):
            start, end, offset = zone.starts[index], zone.ends[index], zone.offsets[index]
            day = (max(start, moment) + offset) // _DAY
            while (midnight := day * _DAY - offset) < end:
                if self._is_workday(day):
                    opens, closes = max(midnight + self._opens, start), min(midnight + self._closes, end)
                    if opens < closes and closes > moment:
                        yield opens, closes
                day += 1

    def _plus_working(self, moment: int, worked: int) -> int:
        if worked == 0:
            return moment
        for opens, closes in self._windows(moment):
            begins = max(opens, moment)
            if worked <= closes - begins:
                return begins + worked
            worked -= closes - begins
        raise _out_of_years()

    def _days_on(self, moment: int, days: int) -> int:
        zone = _zone(self.zone)
        return zone.moment(zone.wall(moment) + days * _DAY) if days else moment

    def _workdays_on(self, moment: int, days: int) -> int:
        """So many workdays after a working moment."""
        zone = _zone(self.zone)
        index = zone.index(moment)
        day = today = (moment + zone.offsets[index]) // _DAY
        for _ in range(days):
            day = self._next_workday(day)
        later = moment + (day - today) * _DAY
        if later < zone.ends[index]:
            return later
        # The offset has changed: where a gap swallows that very time, the time moved on may lie after closing.
        return self._next_working(self._days_on(moment, day - today))
