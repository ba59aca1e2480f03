"""The parser's limits and what it does beyond them; ordinary mail is in the table of `tests/mails`."""

import time
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.mail.markup import page, readable
from bot.mail.parse import LIMITS, Unreadable, parse, read_date, unflowed

HEAD = (
    b"From: Dana <dana@worker.example>\r\nTo: support@parley.example\r\nSubject: x\r\n"
    b"Date: Mon, 2 Feb 2026 09:00:00 +0000\r\n"
)


def nested(depth: int) -> bytes:
    raw = HEAD + b"Content-Type: multipart/mixed; boundary=b0\r\n\r\n"
    for level in range(1, depth):
        raw += b"--b%d\r\nContent-Type: multipart/mixed; boundary=b%d\r\n\r\n" % (level - 1, level)
    return raw + b"--b%d\r\n\r\ndeep\r\n" % (depth - 1)


def quarantined(raw: bytes) -> str:
    with pytest.raises(Unreadable) as refusal:
        parse(raw)
    return refusal.value.reason


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"Subject: x\r\n\r\nhello", "no From header"),
        (b"", "an empty mail"),
        (b"From: <>\r\n\r\nhello", "From holds no address"),
        (b"From: undisclosed people\r\n\r\nhello", "From holds no address"),
        (HEAD + b"X: y\r\n" * 6_000 + b"\r\nhi", "header lines, over the limit of 5000"),
        (HEAD + b"Content-Type: multipart/mixed; boundary=a\r\n\r\n" + b"--a\r\n\r\nx\r\n" * 1_100, "1100 parts, over"),
        (nested(101), "nested 101 deep"),
        (nested(2_000), "nested 2000 deep"),
        (HEAD + b"Content-Type: message/rfc822\r\n\r\n" * 2_000 + b"hi", "deep, over the limit of 100"),
    ],
)
def test_what_cannot_be_read_safely_is_refused_with_its_reason(raw, reason):
    assert reason in quarantined(raw)


def test_a_mail_over_the_size_limit_is_refused_before_it_is_read():
    with pytest.raises(Unreadable, match="over the limit of 100"):
        parse(HEAD + b"\r\nhello", limits=replace(LIMITS, size_bytes=100))


def test_a_mail_just_within_the_depth_is_read_to_its_bottom():
    assert parse(nested(100)).text == "deep"


def test_two_hundred_parts_side_by_side_are_not_deep():
    parts = b"".join(
        b"--a\r\nContent-Type: multipart/mixed; boundary=c%d\r\n\r\n--c%d\r\n\r\nx\r\n--c%d--\r\n" % (n, n, n)
        for n in range(200)
    )
    assert (
        parse(HEAD + b"Content-Type: multipart/mixed; boundary=a\r\n\r\n" + parts + b"--a--\r\n").text.count("x") == 200
    )


def test_a_log_of_mails_pasted_as_text_is_not_deep():
    assert "multipart" in parse(HEAD + b"\r\n" + b"Content-Type: multipart/mixed; boundary=q\r\n\r\n" * 300).text


@pytest.mark.parametrize(
    "raw",
    [
        b"Subject: " + b"(" * 1_000_000 + b"\r\n" + HEAD + b"\r\nx",
        b"To: " + b"(" * 60_000 + b"\r\n" + HEAD + b"\r\nx",
        b"References: " + b"<a@b>" * 100_000 + b"\r\n" + HEAD + b"\r\nx",
        HEAD + b"\r\n" + b" \t" * 250_000 + b"x",
        HEAD + b"\r\n> q\r\n" + b"1 " * 250_000,
        HEAD + b"Content-Type: text/html\r\n\r\n" + b"<div>" * 100_000 + b"deep",
    ],
)
def test_a_hostile_mail_costs_seconds_at_most(raw):
    begun = time.process_time()
    parse(raw)
    assert time.process_time() - begun < 5


def test_what_is_cut_is_told():
    small = replace(LIMITS, text_chars=10, subject_chars=5, attachment_chars=4)
    raw = HEAD.replace(b"Subject: x", b"Subject: a long one") + b"Content-Type: multipart/mixed; boundary=a\r\n\r\n"
    raw += (
        b"--a\r\n\r\n"
        + b"word " * 10
        + b"\r\n--a\r\nContent-Disposition: attachment; filename=n.txt\r\n\r\n12345\r\n--a--\r\n"
    )
    read = parse(raw, limits=small)
    assert read.text == "word word "
    assert read.subject == "a lon"
    assert read.attachments[0].text == "1234"
    assert read.defects == (
        "n.txt cut to 4 characters",
        "subject cut to 5 of 10 characters",
        "body cut to 10 of 49 characters",
    )


def test_html_deeper_than_its_layout_engine_goes_loses_no_words():
    deep = "<div>" * 400 + "at the bottom" + "</div>" * 400
    assert readable(page(f"<p>top</p>{deep}")).split() == ["top", "at", "the", "bottom"]


@pytest.mark.parametrize(
    ("value", "utc", "offset"),
    [
        ("Mon, 2 Feb 2026 09:00:00 -0500", "2026-02-02T14:00:00+00:00", -300),
        ("2 Feb 26 09:00 EST", "2026-02-02T14:00:00+00:00", -300),
        ("Mon, 2 Feb 2026 09:00:00 -0000", "2026-02-02T09:00:00+00:00", None),
        ("Mon, 2 Feb 2026 09:00:00 +0530 (IST)", "2026-02-02T03:30:00+00:00", 330),
        ("Mon, 2 Feb 2026 09:00:60 +0000", "2026-02-02T09:00:59+00:00", 0),
    ],
)
def test_dates_as_mailers_write_them(value, utc, offset):
    when, minutes = read_date(value)
    assert when is not None
    assert (when.isoformat(), minutes) == (utc, offset)


@pytest.mark.parametrize("value", ["", "yesterday", "Thu, 1 Jan 1970 00:00:00 +0000", "1 Jan 2026 00:00:00 +9999", "0"])
def test_dates_that_are_not_to_be_believed(value):
    assert read_date(value) == (None, None)


def test_a_date_over_a_year_past_its_arrival_is_not_believed():
    late = HEAD.replace(b"2 Feb 2026", b"2 Feb 2031")
    read = parse(b"Received: by mx.parley.example with LMTP; Mon, 2 Feb 2026 09:00:00 +0000\r\n" + late + b"\r\nhi")
    assert read.date is None
    assert read.defects == ("absurd Date: 'Mon, 2 Feb 2031 09:00:00 +0000'",)


def test_flowed_lines_are_joined_within_one_depth_of_quotes():
    assert unflowed("a \nb\n> c \n> d\n-- \nname", False) == "a b\n> c d\n-- \nname"
    assert unflowed("a \nb", True) == "ab"


@given(st.binary(max_size=2_000))
def test_any_bytes_are_read_or_refused_and_never_more(noise):
    for raw in (noise, HEAD + noise, HEAD + b"\r\n" + noise):
        try:
            read = parse(raw, "mx.parley.example")
        except Unreadable:
            continue
        for text in (read.text, read.subject, read.sender.name, *read.defects):
            assert "\0" not in text
            text.encode("utf-8")
