"""The policy: what a file overrides, what is refused and with which words, and what is told of what is in force."""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import fields, replace
from datetime import UTC, date, datetime, time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.flows.calendar import Calendar, CalendarError, Span, Unit
from bot.flows.policy import Hours, NoticePerson, PolicyError, Workday, parse

ROOT = Path(__file__).resolve().parent.parent
DEFAULTS = (ROOT / "bot" / "policy.toml").read_text("utf-8")
HOLIDAYS = {"US": frozenset({date(2026, 11, 26)}), "US-CA": frozenset({date(2026, 3, 31)})}
KEYS = [f"{section}.{key}" for section, content in tomllib.loads(DEFAULTS).items() for key in content]


def policy(text="", holidays=HOLIDAYS):
    return parse(text, DEFAULTS, holidays)


def refused(text):
    """What is said of a wrong file, line by line."""
    with pytest.raises(PolicyError) as wrong:
        policy(text)
    return list(wrong.value.problems)


def judged(text):
    """The policy that a file makes, or what is said of it."""
    try:
        return policy(text), ()
    except PolicyError as wrong:
        return None, wrong.problems


def days(count):
    return Span(count, Unit.BUSINESS_DAY)


def test_the_defaults_are_those_of_the_design():
    found = policy()
    assert found.week.zone == "America/New_York"
    assert found.week.hours == Hours(time(9), time(17))
    assert found.week.workdays == tuple(Workday)[:5]
    assert found.week.holidays == ("US",)
    assert found.request.remind == (days(2), days(4))
    assert (found.request.deadline, found.request.end) == (days(5), days(8))
    assert (found.notice.pause, found.notice.person) == (days(1), NoticePerson.WHEN_UNSURE)
    assert (found.talks.payment, found.talks.rating) == (True, False)
    assert (found.talks.comment, found.talks.agree) == (days(3), days(5))
    assert (found.staff.nudge, found.staff.lead) == (days(1), days(2))
    assert found.staff.danger == Span(4, Unit.BUSINESS_HOUR)
    assert (found.status.payment, found.status.rating, found.status.unchanged) == (days(2), days(5), 3)
    limits = found.limits
    assert (limits.letters_a_day, limits.answers_a_day) == (2, 5)
    assert (limits.receipt, limits.downtime) == (Span(15, Unit.MINUTE), Span(15, Unit.MINUTE))
    assert (limits.undo, limits.under_48h) == (Span(60, Unit.SECOND), Span(48, Unit.HOUR))
    assert limits.late_after == Span(4, Unit.BUSINESS_HOUR)
    assert (limits.out_of_office_max, limits.legal_hold) == (days(5), days(1))
    assert (limits.close_after, limits.partial) == (days(2), days(2))
    assert (limits.reconsider, limits.lead_view) == (days(20), days(20))


def test_every_line_of_the_defaults_is_in_force_and_nothing_else():
    assert [entry.key for entry in policy().entries()] == KEYS
    assert {entry.source for entry in policy().entries()} == {"default"}


def test_a_file_overrides_only_what_it_names():
    found = policy('[request]\ndeadline = "6 business days"\n[wording]\noperator = "the dispute desk"\n')
    assert found.request == replace(policy().request, deadline=days(6))
    assert found.wording.operator == "the dispute desk"
    assert found.limits == policy().limits
    assert [entry.key for entry in found.entries() if entry.source == "file"] == [
        "request.deadline",
        "wording.operator",
    ]


def test_an_empty_file_is_the_default():
    assert policy("\n# nothing yet\n") == policy()


def test_what_is_in_force_is_told_with_its_source():
    told = policy('[talks]\nrating = true\n[staff]\ndigest = "08:30"\n').to_toml()
    assert "[talks]\npayment = true  # default\nrating = true  # file\n" in told
    assert 'digest = "08:30"  # file' in told
    assert tomllib.loads(told)["request"]["remind"] == ["2 business days", "4 business days"]


def test_the_canonical_text_reads_back_to_the_same_policy():
    found = policy(
        """
        [calendar]
        zone = "Europe/Berlin"
        hours = "00:00 - 24:00"
        workdays = ["Sunday", "mon"]
        holidays = ["US-CA", 2026-12-24, "2026-12-31"]
        [request]
        remind = []
        [triage]
        sure_above = 1
        [wording]
        footer = "say \\"hello\\" \\u007f\\n\\u2028 é"
        """
    )
    again = policy(found.canonical())
    assert again == found
    assert again.hash == found.hash
    assert again.canonical() == found.canonical()
    assert found.week.workdays == (Workday.MON, Workday.SUN)
    assert found.week.holidays == ("US-CA", "2026-12-24", "2026-12-31")


def test_the_hash_is_of_the_meaning_not_of_the_file():
    same = policy('# ours\n[request]\ndeadline = "5  Business Day"\n')
    assert same.hash == policy().hash
    assert len(same.hash) == 64
    assert policy('[request]\ndeadline = "6 business days"').hash != same.hash


def test_a_line_is_quoted_as_why_cites_it():
    found = policy()
    assert found.quote("request.remind") == 'policy [request] remind = ["2 business days", "4 business days"]'
    assert found.quote("calendar.hours") == 'policy [calendar] hours = "09:00-17:00"'
    assert found.quote("talks.payment") == "policy [talks] payment = true"
    assert found.quote("staff.digest") == 'policy [staff] digest = "09:00"'
    with pytest.raises(KeyError):
        found.quote("request.deadlin")


def test_a_party_has_the_policys_hours_in_its_own_zone():
    found = policy('[calendar]\nholidays = ["US", "2026-12-24"]')
    free = frozenset({date(2026, 11, 26), date(2026, 12, 24)})
    assert found.calendar("Asia/Tokyo") == Calendar("Asia/Tokyo", time(9), time(17), frozenset(range(5)), free)
    assert found.calendar(None) == found.calendar("") == found.calendar("America/New_York")
    assert found.calendar(None) is found.calendar("America/New_York")
    with pytest.raises(CalendarError, match="not a time zone"):
        found.calendar("Mars/Olympus")


def test_every_second_counts_when_the_policy_says_so():
    found = policy(
        """
        [calendar]
        hours = "00:00-24:00"
        workdays = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
        holidays = []
        [request]
        remind = ["2 seconds", "4 seconds"]
        deadline = "6 seconds"
        end = "8 seconds"
        [staff]
        nudge = "10 seconds"
        """
    )
    start = datetime(2026, 11, 26, 3, 0, tzinfo=UTC)
    assert found.calendar(None).next_working(start) == start
    assert found.request.end == Span(8, Unit.SECOND)


def test_every_wrong_line_is_named_with_what_would_be_right():
    problems = refused(
        """[request]
remind = ["2 busines days",
          "4 business days"]
deadlin = "3 days"
deadline = 5

[calender]
zone = "UTC"

[calendar]
zone = "Amerika/New_York"
hours = "17:00-09:00"
workdays = ["monday", "xyz"]
holidays = ["US-CX"]

[limits]
letters_a_day = true
undo = "1 business day"
"""
    )
    assert problems == [
        (
            'line 2: [request] remind = ["2 busines days", "4 business days"]: '
            '"2 busines days": "busines days" is not a unit; '
            "units are second, minute, hour, day, business hour, business day (or their plurals); "
            'write it like remind = ["2 business days", "4 business days"]'
        ),
        "line 4: [request] deadlin: no such key; did you mean deadline?",
        'line 5: [request] deadline = 5: this must be a text in quotes; write it like deadline = "5 business days"',
        "line 7: calender: no such section; did you mean calendar?",
        (
            'line 11: [calendar] zone = "Amerika/New_York": no such time zone; did you mean America/New_York?; '
            'write it like zone = "America/New_York"'
        ),
        (
            'line 12: [calendar] hours = "17:00-09:00": it must open before it closes, on the same day '
            '(the end of the day is "24:00"); write it like hours = "09:00-17:00"'
        ),
        (
            'line 13: [calendar] workdays = ["monday", "xyz"]: "xyz" is not a day of the week; '
            "they are mon, tue, wed, thu, fri, sat, sun; "
            'write it like workdays = ["mon", "tue", "wed", "thu", "fri"]'
        ),
        (
            'line 14: [calendar] holidays = ["US-CX"]: "US-CX" is not a country (US) or region (US-CA) whose '
            "holidays are "
            'known; did you mean US-CA?; write it like holidays = ["US"]'
        ),
        (
            "line 17: [limits] letters_a_day = true: this must be a whole number from 1 to 1000000000, without quotes; "
            "write it like letters_a_day = 2"
        ),
        (
            'line 18: [limits] undo = "1 business day": this is measured without a calendar: '
            'use seconds, minutes, hours or days; write it like undo = "60 seconds"'
        ),
    ]


@pytest.mark.parametrize("key", KEYS)
def test_each_key_refuses_a_value_of_the_wrong_kind(key):
    section, _, name = key.partition(".")
    for wrong in ("{ a = 1 }", "[[1]]", "1979-05-27", "nan", "-7"):
        assert [problem.partition(" = ")[0] for problem in refused(f"[{section}]\n{name} = {wrong}")] == [
            f"line 2: [{section}] {name}"
        ]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('[request]\ndeadline = "0 days"', 'line 2: [request] deadline = "0 days": this must be longer than nothing'),
        ('[limits]\nreceipt = "0 minutes"', "this must be longer than nothing"),
        ('[notice]\nperson = "never"', "this must be one of when_unsure, always"),
        ("[triage]\nsure_above = 1.5", "this must be a number from 0 to 1"),
        ("[triage]\naccept_above = true", "this must be a number from 0 to 1"),
        ("[limits]\nletters_a_day = 0", "this must be a whole number from 1"),
        ("[limits]\nmail_depth_max = 2000", "no more than 500 levels can be read safely"),
        ('[staff]\ndigest = "25:00"', "this must be a time of day from 00:00 to 23:59"),
        ('[calendar]\nhours = "9-17"', "this must be a time of day from 00:00 to 23:59"),
        ('[calendar]\nhours = "always"', "two times of day with a dash between them"),
        ('[calendar]\nhours = "09:00-00:00"', 'the end of the day is "24:00"'),
        ("[calendar]\nworkdays = []", "there must be at least one workday"),
        ('[calendar]\nholidays = ["2026-02-30"]', '"2026-02-30" is not a date; dates are written 2026-12-24'),
        ('[calendar]\nholidays = ["Atlantis"]', '"Atlantis" is not a country (US) or region (US-CA)'),
        ('[calendar]\nzone = "zzzz"', "no such time zone; write it like"),
        ('[wording]\noperator = "  "', "this must not be empty"),
        ('[wording]\nlanguage = "English"', "this must be the code of a language (ISO 639), such as en"),
        ('[wording]\nfooterr = ""', "line 2: [wording] footerr: no such key; did you mean footer?"),
        ('[wording]\nzzz = ""', "no such key; there are language, operator, marketplace"),
        ('deadline = "5 days"', "line 1: deadline: no such section; it belongs into [request]"),
        ("zzz = 1", "no such section; there are calendar, request"),
        ("\nrequest = 5", "line 2: [request] is a section; write its keys below a line [request]"),
        ("[[request]]\nend = 1", "line 1: [request] is a section"),
        ("[request]\nremind = [", "line 2: not TOML: Invalid value"),
        ("[request]\n\nend = 5 days\n", "line 3: not TOML"),
        ("#" * 50_001, "longer than 50000 characters"),
        ("a = " + "[" * 20_000, "brackets are nested too deeply"),
        ("[limits]\nletters_a_day = " + "9" * 5_000, "a number is too long"),
    ],
)
def test_a_wrong_line_says_what_would_be_right(text, says):
    (problem,) = refused(text)
    assert says in problem


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (
            '[request]\nremind = ["4 business days", "2 business days"]',
            ["line 2: [request] remind[2] = 2 business days does not come after remind[1] = 4 business days"],
        ),
        (
            '[request]\nend = "5 business days"',
            ["line 2: [request] end = 5 business days does not come after deadline = 5 business days"],
        ),
        (
            '[request]\ndeadline = "4 business days"',
            ["line 2: [request] deadline = 4 business days does not come after remind[2] = 4 business days"],
        ),
        (
            '[request]\nremind = ["9 business days"]',
            ["line 2: [request] deadline = 5 business days does not come after remind[1] = 9 business days"],
        ),
        (
            '[request]\ndeadline = "30 days"',
            [
                (
                    "line 2: [request] deadline = 30 days may come before, over a weekend or holidays; "
                    "write both in business time, or neither: remind[2] = 4 business days"
                ),
                "line 2: [request] end = 8 business days does not come after deadline = 30 days",
            ],
        ),
        (
            (
                '[staff]\nlead = "1 business hour"\nnudge = "10 minutes"\n'
                '[request]\nremind = ["16 business hours", "1 business day"]'
            ),
            ["line 5: [request] remind[2] = 1 business day does not come after remind[1] = 16 business hours"],
        ),
        (
            '[staff]\nlead = "3 business hours"',
            ["line 2: [staff] lead = 3 business hours does not come after nudge = 1 business day"],
        ),
        (
            '[calendar]\nhours = "09:00-10:00"\n[staff]\nnudge = "2 business hours"\nlead = "2 business days"',
            ["line 5: [staff] lead = 2 business days does not come after nudge = 2 business hours"],
        ),
    ],
)
def test_an_impossible_ladder_is_refused(text, says):
    assert refused(text) == says


def test_hours_that_make_a_default_ladder_impossible_are_the_line_to_blame():
    defaults = DEFAULTS.replace('nudge = "1 business day"', 'nudge = "9 business hours"')
    with pytest.raises(PolicyError, match=r"line 2: \[staff\] lead = 2 business days does not come after"):
        parse('[calendar]\nhours = "09:00-12:00"', defaults, HOLIDAYS)


def test_a_ladder_may_mix_units_where_their_order_is_certain():
    mixed = policy('[request]\nremind = ["30 minutes", "4 business hours", "1 business day"]')
    assert mixed.request.remind[0] == Span(30, Unit.MINUTE)


def test_holidays_that_leave_no_workday_are_refused():
    dates = ", ".join(f'"{date.fromordinal(day)}"' for day in range(739_617, 739_617 + 500))
    (problem,) = refused(f"[calendar]\nholidays = [{dates}]")
    assert problem.startswith("line 2: [calendar] holidays: more than 400 days in a row without a workday")


class Unasked(Mapping):
    """Holidays that are slow to ask, and must not be asked."""

    def __getitem__(self, name):
        raise AssertionError(f"{name} was asked")

    def __contains__(self, name):
        raise AssertionError(f"{name} was asked for")

    def __iter__(self):
        raise AssertionError("all were asked for")

    def __len__(self):
        raise AssertionError("all were asked for")


def test_the_holidays_are_not_asked_before_a_calendar_is():
    found = policy('[triage]\nsure_above = 0.9\n[calendar]\nzone = "Europe/Paris"', Unasked())
    assert found.triage.sure_above == 0.9
    with pytest.raises(AssertionError, match="US was asked"):
        found.calendar(None)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("# a\n\n[request] # here\n\n# b\nend = 1\n", 6),
        ("[request]\r\nremind = [\r\n  '2 business days',\r\n]\r\nend = 1\r\n", 5),
        ("request.end = 1", 1),
        ("\nrequest = { deadline = '5 business days', end = 1 }", 2),
        ('[wording]\nfooter = """\n[request]\nend = 2\n"""\n[request]\n"end" = 1', 7),
        ("[ request ]\nend\t=\t1", 2),
        ("[wording]\nfooter = '[request]'\n\n[request]\nend = 1", 5),
    ],
)
def test_lines_are_counted_in_every_way_of_writing_toml(text, line):
    (problem,) = refused(text)
    assert problem.startswith(f"line {line}: [request] end = 1:")


@given(
    st.lists(
        st.sampled_from(DEFAULTS.splitlines())
        | st.text(max_size=20)
        | st.sampled_from(
            ["remind = [", "]", 'footer = """', "[limits]", "[request.end]", "[[talks]]", "end.x = 1", "undo = {}"]
        ),
        max_size=12,
    )
)
def test_a_file_is_read_or_refused_line_by_line_and_never_breaks(lines):
    found, problems = judged("\n".join(lines))
    assert all(re.match(r"line [1-9]\d*: |not TOML", problem) for problem in problems)
    assert problems or policy(found.canonical()) == found


def test_the_message_names_the_file():
    wrong = PolicyError(("line 2: a", "line 3: b"), "our.toml")
    assert str(wrong) == "our.toml: line 2: a\nour.toml: line 3: b"


def test_policies_are_values():
    assert policy() == policy()
    assert hash(policy()) == hash(policy())
    changed = replace(policy(), notice=replace(policy().notice, pause=days(0)))
    assert changed != policy()
    assert changed.hash != policy().hash
    assert changed.quote("notice.pause") == 'policy [notice] pause = "0 business days"'
    assert {each.name for each in fields(changed) if each.repr} >= {"week", "request", "limits"}
