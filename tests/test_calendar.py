"""Business time, told as people would: what is two business days after Friday evening, and what when clocks change?"""

from datetime import UTC, date, datetime, time, timedelta, timezone

import pytest

from bot.flows.calendar import Calendar, CalendarError, Span, Unit, known_zone, zone_like

MON_TO_FRI = frozenset(range(5))
ALL_WEEK = frozenset(range(7))
NEW_YEAR = frozenset({date(2026, 1, 1)})


def office(zone="America/New_York", opens="09:00", closes="17:00", workdays=MON_TO_FRI, holidays=frozenset()):
    closing = time(0) if closes == "24:00" else time.fromisoformat(closes)
    return Calendar(zone, time.fromisoformat(opens), closing, workdays, holidays)


def always(zone="UTC"):
    return office(zone, "00:00", "24:00", ALL_WEEK)


def utc(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def told(calendar, moment):
    """A moment as the party's own wall clock shows it."""
    return f"{calendar.local(moment):%a %Y-%m-%d %H:%M %Z}"


@pytest.mark.parametrize(
    ("start", "span", "due"),
    [
        # New York in November: UTC-5, so 09:00 there is 14:00 here.
        ("2026-11-17T15:00", "0 business days", "Tue 2026-11-17 10:00 EST"),
        ("2026-11-17T15:00", "1 business day", "Wed 2026-11-18 10:00 EST"),
        ("2026-11-17T15:00", "5 business days", "Tue 2026-11-24 10:00 EST"),
        ("2026-11-20T21:30", "1 business day", "Mon 2026-11-23 16:30 EST"),
        ("2026-11-20T22:00", "1 business day", "Tue 2026-11-24 09:00 EST"),
        ("2026-11-21T12:00", "2 business days", "Wed 2026-11-25 09:00 EST"),
        ("2026-11-18T11:00", "1 business day", "Thu 2026-11-19 09:00 EST"),
        ("2026-11-20T21:00", "4 business hours", "Mon 2026-11-23 12:00 EST"),
        ("2026-11-20T21:00", "1 business hour", "Fri 2026-11-20 17:00 EST"),
        ("2026-11-21T12:00", "0 business hours", "Mon 2026-11-23 09:00 EST"),
        ("2026-11-21T12:00", "90 minutes", "Sat 2026-11-21 08:30 EST"),
        ("2026-11-21T12:00", "60 seconds", "Sat 2026-11-21 07:01 EST"),
        ("2026-11-21T12:00", "48 hours", "Mon 2026-11-23 07:00 EST"),
        ("2026-11-21T12:00", "0 days", "Sat 2026-11-21 07:00 EST"),
        ("2026-11-21T12:00", "2 days", "Mon 2026-11-23 07:00 EST"),
    ],
)
def test_a_span_after_a_moment_ends_when_a_person_in_new_york_expects_it(start, span, due):
    calendar = office()
    assert told(calendar, calendar.after(utc(start), Span.parse(span))) == due


def test_a_holiday_is_no_business_day():
    calendar = office(holidays=NEW_YEAR)
    eve = utc("2025-12-31T16:00")
    assert told(calendar, calendar.after(eve, Span(1, Unit.BUSINESS_DAY))) == "Fri 2026-01-02 11:00 EST"
    assert told(calendar, calendar.after(eve, Span(7, Unit.BUSINESS_HOUR))) == "Fri 2026-01-02 10:00 EST"
    assert not calendar.is_working(utc("2026-01-01T16:00"))


def test_working_time_begins_with_the_opening_and_ends_before_the_closing():
    calendar = office()
    assert calendar.is_working(utc("2026-11-17T14:00"))
    assert calendar.is_working(utc("2026-11-17T21:59:59.999999"))
    assert not calendar.is_working(utc("2026-11-17T22:00"))
    assert not calendar.is_working(utc("2026-11-17T13:59:59.999999"))


def test_the_next_working_moment_is_now_while_people_work_and_else_the_next_opening():
    calendar = office()
    assert calendar.next_working(utc("2026-11-17T15:00")) == utc("2026-11-17T15:00")
    assert told(calendar, calendar.next_working(utc("2026-11-20T22:00"))) == "Mon 2026-11-23 09:00 EST"


def test_working_time_between_two_moments_leaves_out_nights_and_weekends():
    calendar = office()
    friday, monday = utc("2026-11-20T20:00"), utc("2026-11-23T15:30")
    assert calendar.working_between(friday, monday) == timedelta(hours=3, minutes=30)
    assert calendar.working_between(monday, friday) == timedelta(0)
    assert calendar.working_between(friday, friday) == timedelta(0)


def test_working_time_to_pass_ends_at_the_closing_rather_than_at_the_next_opening():
    calendar = office()
    assert (
        told(calendar, calendar.plus_working(utc("2026-11-20T20:00"), timedelta(hours=2))) == "Fri 2026-11-20 17:00 EST"
    )
    saturday = utc("2026-11-21T20:00")
    assert calendar.plus_working(saturday, timedelta(0)) == saturday
    with pytest.raises(ValueError, match="cannot be negative"):
        calendar.plus_working(saturday, timedelta(seconds=-1))


@pytest.mark.parametrize(
    "zone", ["UTC", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia", "Africa/Casablanca"]
)
def test_without_nights_weekends_and_holidays_every_second_counts(zone):
    calendar = always(zone)
    start = utc("2011-12-28T23:59:59.5")
    for days in (0, 1, 3, 90, 200, 365):
        end = start + timedelta(days=days, seconds=1)
        assert calendar.working_between(start, end) == end - start
        assert calendar.plus_working(start, end - start) == end
        assert calendar.next_working(end) == end


def test_a_day_is_the_same_time_of_day_across_a_change_of_the_clocks():
    calendar = office()
    start = utc("2026-03-06T15:00")  # Friday, 10:00 EST; the clocks go forward on Sunday.
    assert told(calendar, calendar.after(start, Span(1, Unit.BUSINESS_DAY))) == "Mon 2026-03-09 10:00 EDT"
    assert told(calendar, calendar.after(start, Span(3, Unit.DAY))) == "Mon 2026-03-09 10:00 EDT"
    assert told(calendar, calendar.after(start, Span(72, Unit.HOUR))) == "Mon 2026-03-09 11:00 EDT"


def test_a_time_that_the_clocks_leave_out_moves_forward_by_the_gap():
    calendar = always("America/New_York")
    start = utc("2026-03-07T07:30")  # 02:30 EST
    assert told(calendar, calendar.after(start, Span(1, Unit.DAY))) == "Sun 2026-03-08 03:30 EDT"
    assert told(calendar, calendar.after(start, Span(1, Unit.BUSINESS_DAY))) == "Sun 2026-03-08 03:30 EDT"


def test_of_a_time_that_comes_twice_the_first_is_meant():
    calendar = always("America/New_York")
    start = utc("2026-10-31T05:30")  # 01:30 EDT
    assert calendar.after(start, Span(1, Unit.DAY)) == utc("2026-11-01T05:30")
    assert told(calendar, calendar.after(start, Span(1, Unit.DAY))) == "Sun 2026-11-01 01:30 EDT"


def test_working_hours_that_the_gap_swallows_leave_that_day_without_work():
    calendar = office(opens="02:00", closes="03:00", workdays=ALL_WEEK)
    saturday = utc("2026-03-07T07:30")  # 02:30 EST
    assert told(calendar, calendar.after(saturday, Span(1, Unit.BUSINESS_DAY))) == "Mon 2026-03-09 02:00 EDT"
    assert calendar.working_between(utc("2026-03-08T00:00"), utc("2026-03-09T00:00")) == timedelta(0)


def test_lord_howe_shifts_by_half_an_hour():
    calendar = office("Australia/Lord_Howe", "00:00", "24:00", ALL_WEEK)
    night = utc("2026-04-04T12:00"), utc("2026-04-05T13:30")  # Midnight to midnight, from UTC+11 to UTC+10:30.
    assert calendar.local(night[0]).time() == time(23)
    assert calendar.working_between(*night) == timedelta(hours=25, minutes=30)
    assert calendar.after(utc("2026-04-03T23:00"), Span(2, Unit.DAY)) == utc("2026-04-05T23:30")


def test_apia_never_had_the_30th_of_december_2011():
    calendar = office("Pacific/Apia")
    thursday = utc("2011-12-29T20:00")  # 10:00 there, where the next day was Saturday.
    assert calendar.day(thursday) == date(2011, 12, 29)
    assert calendar.day(thursday + timedelta(days=1)) == date(2011, 12, 31)
    after = calendar.after(thursday, Span(1, Unit.BUSINESS_DAY))
    assert f"{calendar.local(after):%a %Y-%m-%d %H:%M}" == "Mon 2012-01-02 10:00"
    assert calendar.day(calendar.after(thursday, Span(1, Unit.DAY))) == date(2011, 12, 31)


def test_casablanca_changes_its_clocks_around_ramadan():
    calendar = office("Africa/Casablanca")
    friday = utc("2026-02-13T10:00")  # 11:00 there; on Sunday the clocks go back to UTC.
    assert calendar.after(friday, Span(1, Unit.BUSINESS_DAY)) == utc("2026-02-16T11:00")
    assert calendar.after(friday, Span(8, Unit.BUSINESS_HOUR)) == utc("2026-02-16T11:00")


def test_moments_come_in_with_any_offset_and_go_out_in_utc():
    calendar = office()
    here = datetime(2026, 11, 17, 20, 30, tzinfo=timezone(timedelta(hours=5, minutes=30)))
    assert calendar.next_working(here) == here
    assert calendar.next_working(here).tzinfo is UTC
    assert calendar.local(here).utcoffset() == timedelta(hours=-5)


def test_a_moment_without_zone_is_refused():
    with pytest.raises(ValueError, match="has no time zone"):
        office().is_working(datetime(2026, 11, 17, 15))  # noqa: DTZ001 - what is refused


def test_moments_far_away_are_refused_and_never_searched_for():
    with pytest.raises(CalendarError, match="outside the years 1970 to 2199"):
        office().day(utc("1969-12-31T23:59"))
    with pytest.raises(CalendarError, match="outside the years"):
        office().local(utc("2200-01-01T00:00"))
    with pytest.raises(CalendarError, match="outside the years"):
        office().after(utc("2199-12-31T15:00"), Span(1, Unit.DAY))
    with pytest.raises(CalendarError, match="outside the years"):
        office().plus_working(utc("2199-12-31T15:00"), timedelta(days=100))
    last_sunday = office(workdays=frozenset({6}))
    with pytest.raises(CalendarError, match="outside the years"):
        last_sunday.next_working(utc("2199-12-31T15:00"))
    assert last_sunday.working_between(utc("2199-12-30T00:00"), utc("2199-12-31T23:00")) == timedelta(0)


def test_a_hundred_years_are_walked_over_where_somebody_works_an_hour_a_week():
    calendar = office(opens="09:00", closes="10:00", workdays=frozenset({2}))
    far = calendar.plus_working(utc("1990-01-01T00:00"), timedelta(hours=5_000))
    assert calendar.working_between(utc("1990-01-01T00:00"), far) == timedelta(hours=5_000)
    assert far.year == 2085


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"zone": "Mars/Olympus"}, '"Mars/Olympus" is not a time zone'),
        ({"workdays": frozenset()}, "at least one workday"),
        ({"workdays": frozenset({7})}, r"workdays are 0 \(Monday\) to 6 \(Sunday\), not \[7\]"),
        ({"opens": "17:00", "closes": "09:00"}, "open before they close, but 17:00-09:00 does not"),
        ({"opens": "09:00", "closes": "09:00"}, "open before they close"),
    ],
)
def test_a_calendar_that_cannot_be_is_refused(wrong, says):
    with pytest.raises(CalendarError, match=says):
        office(**wrong)


def test_more_than_four_hundred_days_without_work_are_refused():
    every_day = [date(2026, 1, 1) + timedelta(days=day) for day in range(1_000)]
    with pytest.raises(CalendarError, match="more than 400 days in a row without a workday, from 2026-01-01"):
        office(holidays=frozenset(every_day))
    with pytest.raises(CalendarError, match="more than 400 days"):
        office(workdays=frozenset({0}), holidays=frozenset(every_day))
    a_year = office(holidays=frozenset(every_day[:365]))
    assert told(a_year, a_year.next_working(utc("2026-01-01T15:00"))) == "Fri 2027-01-01 09:00 EST"
    with_breaks = office(holidays=frozenset(day for day in every_day if day.day != 3))
    assert with_breaks.after(utc("2026-01-01T15:00"), Span(3, Unit.BUSINESS_DAY)).year == 2026


def test_the_hours_are_told_as_policy_writes_them():
    assert office().hours == "09:00-17:00"
    assert always().hours == "00:00-24:00"
    assert office(opens="09:00:30").hours == "09:00:30-17:00"


def test_calendars_are_values():
    assert office() == office()
    assert hash(office()) == hash(office())
    assert office() != office("Europe/Berlin")
    assert "America/New_York" in repr(office())


@pytest.mark.parametrize(
    ("text", "span", "written"),
    [
        ("2 business days", Span(2, Unit.BUSINESS_DAY), "2 business days"),
        ("1 business day", Span(1, Unit.BUSINESS_DAY), "1 business day"),
        ("1 Business  Days", Span(1, Unit.BUSINESS_DAY), "1 business day"),
        ("  4\tbusiness hours ", Span(4, Unit.BUSINESS_HOUR), "4 business hours"),
        ("60 seconds", Span(60, Unit.SECOND), "60 seconds"),
        ("1 minute", Span(1, Unit.MINUTE), "1 minute"),
        ("0 hours", Span(0, Unit.HOUR), "0 hours"),
        ("7 days", Span(7, Unit.DAY), "7 days"),
    ],
)
def test_a_span_is_read_in_singular_and_plural_and_written_back(text, span, written):
    assert Span.parse(text) == span
    assert str(span) == written
    assert Span.parse(str(span)) == span


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", 'such as "2 business days"'),
        ("two days", '"two" is not a whole number'),
        ("-1 day", '"-1" is not a whole number'),
        ("1.5 hours", '"1.5" is not a whole number'),
        ("٢ days", "is not a whole number"),
        ("2", "the unit is missing; units are second, minute, hour, day, business hour, business day"),
        ("2 weeks", '"weeks" is not a unit'),
        ("2 busines days", '"busines days" is not a unit'),
        ("7301 days", "between 0 and 7300"),
        ("9" * 5_000 + " days", "far too long"),
    ],
)
def test_a_span_that_cannot_be_read_says_what_would_be_right(text, says):
    with pytest.raises(ValueError, match=says):
        Span.parse(text)


def test_a_span_cannot_be_negative():
    with pytest.raises(ValueError, match="between 0 and"):
        Span(-1, Unit.DAY)


def test_only_spans_without_calendar_have_a_length():
    assert Span(2, Unit.DAY).elapsed == timedelta(hours=48)
    assert Span(90, Unit.MINUTE).elapsed == timedelta(hours=1.5)
    assert not Span(2, Unit.DAY).is_business
    assert Span(2, Unit.BUSINESS_HOUR).is_business
    with pytest.raises(ValueError, match="needs a calendar"):
        _ = Span(2, Unit.BUSINESS_HOUR).elapsed


def test_zones_are_known_by_name_and_a_slip_is_recognised():
    assert known_zone("Asia/Kathmandu")
    assert not known_zone("../etc/passwd")
    assert zone_like("Amerika/New_York") == "America/New_York"
    assert zone_like("new york") == "America/New_York"
    assert zone_like("zzzz") is None
