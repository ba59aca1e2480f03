"""The calendar against a slow and obvious one, over decades and all zones: it walks minute by minute and day by day.

The slow one reads wall clocks with `zoneinfo`, so that it shares neither code nor library with what it judges.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from whenever import Instant, available_timezones

from bot.flows.calendar import Calendar, Span, Unit

MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
ODD_ZONES = (
    "America/New_York",
    "Europe/Berlin",
    "Africa/Casablanca",  # clocks change around Ramadan
    "Africa/Cairo",
    "America/St_Johns",  # clocks changed a minute after midnight, so that a day came back
    "America/Sao_Paulo",  # midnight left out
    "America/Caracas",
    "Antarctica/Casey",  # by three hours
    "Antarctica/Troll",  # by two hours
    "Asia/Kathmandu",
    "Asia/Pyongyang",  # the last half hour of a day left out
    "Atlantic/Azores",
    "Australia/Lord_Howe",  # by half an hour
    "Pacific/Apia",  # a day left out
    "Pacific/Fakaofo",
    "Pacific/Kiritimati",
    "Pacific/Kwajalein",
)


@dataclass(frozen=True)
class Slow:
    """What a calendar means, as plainly as it can be said."""

    calendar: Calendar

    def wall(self, moment):
        return moment.astimezone(ZoneInfo(self.calendar.zone))

    def is_workday(self, day):
        noon = datetime.combine(day, time(12), ZoneInfo(self.calendar.zone))
        there_was_such_a_day = self.wall(noon.astimezone(UTC)).date() == day
        return day.weekday() in self.calendar.workdays and day not in self.calendar.holidays and there_was_such_a_day

    def is_working(self, moment):
        wall = self.wall(moment)
        before_closing = self.calendar.closes == time(0) or wall.time() < self.calendar.closes
        return self.is_workday(wall.date()) and self.calendar.opens <= wall.time() and before_closing

    def next_working(self, moment):
        while not self.is_working(moment):
            moment = moment.replace(second=0, microsecond=0) + MINUTE
        return moment

    def working_between(self, start, end):
        minutes = 0
        while start < end:
            minutes += self.is_working(start)
            start += MINUTE
        return minutes * MINUTE

    def plus_working(self, moment, minutes):
        while minutes:
            minutes -= self.is_working(moment)
            moment += MINUTE
        return moment

    def days_on(self, moment, days):
        wall = self.wall(moment).replace(tzinfo=None) + timedelta(days=days)
        return wall.replace(tzinfo=ZoneInfo(self.calendar.zone)).astimezone(UTC) if days else moment

    def workdays_on(self, moment, workdays):
        start = self.next_working(moment)
        day = today = self.wall(start).date()
        while workdays:
            day += DAY
            workdays -= self.is_workday(day)
        return self.next_working(self.days_on(start, (day - today).days))


def near_a_change(zone, start, shift):
    """A moment some minutes from the first change of the zone's clocks after `start`, where there is one."""
    change = Instant(start).to_tz(zone).next_transition()
    near = change.to_instant().to_stdlib() if change and change.year < 2100 else start
    return near + shift * MINUTE


zones = st.sampled_from(ODD_ZONES) | st.sampled_from(sorted(available_timezones()))
minutes_of_day = st.integers(0, 24 * 60 - 1)
starts = st.datetimes(datetime(1990, 1, 1), datetime(2100, 1, 1)).map(  # noqa: DTZ001 - the next line gives the zone
    lambda found: found.replace(second=0, microsecond=0, tzinfo=UTC)
)


@st.composite
def situations(draw):
    """A calendar and a moment on a whole minute, often near a change of the clocks, with holidays around it."""
    zone = draw(zones)
    moment = draw(starts)
    if draw(st.booleans()):
        moment = near_a_change(zone, moment, draw(st.integers(-3 * 24 * 60, 24 * 60)))
    opens, closes = sorted(
        draw(st.tuples(minutes_of_day, minutes_of_day | st.just(24 * 60)).filter(lambda m: m[0] != m[1]))
    )
    opens, closes = draw(
        st.sampled_from([(opens, closes), (0, 24 * 60), (9 * 60, 17 * 60), (0, 120), (22 * 60, 24 * 60)])
    )
    around = st.integers(-2, 12).map(lambda day: moment.date() + day * DAY)
    calendar = Calendar(
        zone=zone,
        opens=time(opens // 60, opens % 60),
        closes=time(closes // 60 % 24, closes % 60),
        workdays=draw(st.frozensets(st.integers(0, 6), min_size=1)),
        holidays=draw(st.frozensets(around, max_size=3)),
    )
    return calendar, Slow(calendar), moment


@given(situations(), st.timedeltas(timedelta(0), timedelta(seconds=59)))
def test_the_next_working_moment_is_the_first_minute_at_which_the_wall_clock_says_so(situation, within):
    calendar, slow, moment = situation
    assert calendar.is_working(moment + within) == slow.is_working(moment + within)
    assert calendar.next_working(moment + within) == slow.next_working(moment + within)


@given(situations(), st.integers(0, 12))
def test_business_days_are_counted_day_by_day(situation, count):
    calendar, slow, moment = situation
    due = calendar.after(moment, Span(count, Unit.BUSINESS_DAY))
    assert due == slow.workdays_on(moment, count)
    assert calendar.is_working(due)


@given(situations(), st.integers(0, 400))
def test_a_day_later_the_wall_clock_shows_the_same(situation, count):
    calendar, slow, moment = situation
    assert calendar.after(moment, Span(count, Unit.DAY)) == slow.days_on(moment, count)
    assert calendar.day(moment) == slow.wall(moment).date()
    assert calendar.local(moment).replace(tzinfo=None) == slow.wall(moment).replace(tzinfo=None)


@given(situations(), st.integers(0, 4 * 24 * 60))
def test_working_time_is_the_number_of_minutes_at_which_somebody_works(situation, minutes):
    calendar, slow, moment = situation
    assert calendar.working_between(moment, moment + minutes * MINUTE) == slow.working_between(
        moment, moment + minutes * MINUTE
    )


@given(situations(), st.integers(0, 90))
def test_working_time_passes_minute_by_minute(situation, minutes):
    calendar, slow, moment = situation
    assert calendar.plus_working(moment, minutes * MINUTE) == slow.plus_working(moment, minutes)


@given(situations(), st.integers(0, 3))
def test_business_hours_are_working_time_from_the_next_working_moment(situation, hours):
    calendar, slow, moment = situation
    due = calendar.after(moment, Span(hours, Unit.BUSINESS_HOUR))
    assert due == slow.plus_working(slow.next_working(moment), hours * 60)


@given(situations(), st.timedeltas(timedelta(0), timedelta(days=30)))
def test_working_time_that_has_passed_is_working_time_between(situation, worked):
    calendar, _, moment = situation
    due = calendar.plus_working(moment, worked)
    assert calendar.working_between(moment, due) == worked
    assert calendar.working_between(moment, due - timedelta(microseconds=1)) < worked or not worked


@given(situations(), st.timedeltas(timedelta(0), timedelta(days=90)), st.timedeltas(timedelta(0), timedelta(days=90)))
def test_working_time_adds_up(situation, first, second):
    calendar, _, start = situation
    middle, end = start + first, start + first + second
    parts = calendar.working_between(start, middle) + calendar.working_between(middle, end)
    assert parts == calendar.working_between(start, end)


@given(zones, starts, st.integers(0, 300 * 86_400))
def test_where_every_second_counts_business_time_is_elapsed_time(zone, start, seconds):
    calendar = Calendar(zone, time(0), time(0), frozenset(range(7)), frozenset())
    end = start + timedelta(seconds=seconds)
    assert calendar.is_working(start)
    assert calendar.working_between(start, end) == end - start
    assert calendar.plus_working(start, end - start) == end


@pytest.mark.slow
@settings(max_examples=50)
@given(situations(), st.integers(200, 3_000))
def test_long_waits_are_counted_right_over_years(situation, count):
    calendar, slow, moment = situation
    assert calendar.after(moment, Span(count, Unit.BUSINESS_DAY)) == slow.workdays_on(moment, count)


@pytest.mark.slow
@pytest.mark.parametrize("zone", ODD_ZONES)
def test_every_change_of_an_odd_zone_is_walked_over_right(zone):
    night_and_day = Calendar(zone, time(0), time(0), frozenset(range(7)), frozenset())
    slow = Slow(Calendar(zone, time(0), time(3), frozenset(range(7)), frozenset({date(2024, 3, 31)})))
    change = Instant.from_utc(1990, 1, 1).to_tz(zone).next_transition()
    while change is not None and change.year < 2040:
        start = (change.to_instant().to_stdlib() - 26 * 60 * MINUTE).replace(second=0)
        assert night_and_day.working_between(start, start + 2 * DAY) == 2 * DAY
        assert slow.calendar.working_between(start, start + 2 * DAY) == slow.working_between(start, start + 2 * DAY)
        assert slow.calendar.after(start, Span(2, Unit.BUSINESS_DAY)) == slow.workdays_on(start, 2)
        change = change.next_transition()
