"""Logs tell what happened without personal data; health and metrics tell what works and since when."""

import io
import json
import logging
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
import structlog

from bot import telemetry
from bot.telemetry import POLL, TICK, Health, LogFormat, Metrics

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


class Clock:
    """A machine's clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now

    def move(self, **span: float) -> None:
        self.now += timedelta(**span)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """What is written to the log, as JSON lines."""
    root, configured = logging.getLogger(), structlog.get_config()
    handlers, level = root.handlers[:], root.level
    stream = io.StringIO()
    telemetry.set_up_logs(LogFormat.JSON, "INFO", stream)
    yield stream
    root.handlers[:], root.level = handlers, level
    structlog.configure(**configured)


def entries(lines: io.StringIO) -> list[dict]:
    return [json.loads(line) for line in lines.getvalue().splitlines()]


# --- logs ------------------------------------------------------------------------------------------------------------


def test_a_line_says_what_happened_where_and_when(lines):
    telemetry.log("delivery").info("letter sent", case="D-1042", letter=3, message_id="<d.1042.3.abc@market.example>")
    [entry] = entries(lines)
    assert entry.pop("timestamp").endswith("Z")
    assert entry == {
        "event": "letter sent",
        "logger": "parley.delivery",
        "level": "info",
        "case": "D-1042",
        "letter": 3,
        "message_id": "<d.1042.3.abc@market.example>",
    }


def test_addresses_and_texts_never_reach_a_log(lines):
    log = telemetry.log("intake")
    log.warning(
        "could not read ada@worker.example",
        recipient="ada@worker.example",
        text="my account number is 1234",
        detail={"reply": "550 <ada@worker.example> unknown", "subject": "Dispute", "bytes": b"raw mail"},
        several=("zoë@client.example", 3, {"words": "hers"}),
        url="smtps://user:hunter2@mail.example:465",
    )
    written = lines.getvalue()
    for personal in ("ada", "zoë", "1234", "Dispute", "raw mail", "hers", "hunter2"):
        assert personal not in written
    assert "mail.example:465" in written


def test_an_exception_is_logged_with_its_trace_and_without_addresses(lines):
    try:
        raise ValueError("no such user: ada@worker.example")
    except ValueError:
        telemetry.log("delivery").exception("delivery broke")
    [entry] = entries(lines)
    assert "ValueError: no such user: [address]" in entry["exception"]


def test_what_libraries_log_is_masked_too(lines):
    logging.getLogger("imapclient").warning("login as %s failed", "support@market.example")
    [entry] = entries(lines)
    assert entry["event"] == "login as [address] failed"
    assert entry["logger"] == "imapclient"


def test_before_logs_are_set_up_lines_are_masked_and_never_on_stdout(caplog, capsys):
    telemetry.log("triage").warning("odd mail", sender="ada@worker.example", reason="from ada@worker.example")
    assert "ada" not in caplog.text
    assert "odd mail" in caplog.text
    assert capsys.readouterr().out == ""


def test_the_console_is_one_line_an_event():
    root, configured = logging.getLogger(), structlog.get_config()
    handlers, level, stream = root.handlers[:], root.level, io.StringIO()
    try:
        telemetry.set_up_logs(LogFormat.CONSOLE, "info", stream)
        telemetry.log("app").info("started", mode="live")
        telemetry.log("app").debug("not shown")
    finally:
        root.handlers[:], root.level = handlers, level
        structlog.configure(**configured)
    assert stream.getvalue().count("\n") == 1
    assert "started" in stream.getvalue()
    assert "mode=live" in stream.getvalue()


# --- health ----------------------------------------------------------------------------------------------------------


def test_a_bot_that_never_ticked_is_alive_for_a_while_but_not_ready(clock):
    health = Health(clock)
    assert health.healthz()[0] == 200
    assert health.readyz()[0] == 503
    clock.move(minutes=6)
    assert health.healthz() == (503, {"status": "stuck", "tick_age_s": None, "parts": {}})


def test_a_ticking_bot_is_ready_once_every_part_in_use_works(clock):
    health = Health(clock)
    health.beat(TICK)
    health.ok("database")
    health.ok("smtp")
    assert health.readyz()[0] == 200
    health.failing("smtp", "mail.example:465 refused the login of support@market.example (535)")
    assert health.readyz() == (
        503,
        {
            "status": "not ready",
            "parts": {
                "database": {"ok": True, "since": "2026-03-02T09:00:00+00:00"},
                "smtp": {
                    "ok": False,
                    "since": "2026-03-02T09:00:00+00:00",
                    "reason": "mail.example:465 refused the login of [address] (535)",
                },
            },
        },
    )
    status, payload = health.healthz()
    assert (status, payload["status"]) == (200, "failing")


def test_a_clock_that_stands_still_makes_the_bot_unhealthy(clock):
    health = Health(clock)
    health.beat(TICK)
    clock.move(minutes=5)
    assert health.healthz()[1] == {"status": "ok", "tick_age_s": 300.0, "parts": {}}
    clock.move(seconds=1)
    assert health.healthz()[0] == 503
    health.beat(TICK)
    assert health.healthz()[0] == 200


def test_a_part_keeps_the_moment_since_when_it_fails_and_is_logged_at_each_turn_only(clock, lines):
    health = Health(clock)
    health.ok("mailbox")
    clock.move(minutes=1)
    health.failing("mailbox", "connection refused")
    clock.move(minutes=1)
    health.failing("mailbox", "timed out")
    part = health.report()["mailbox"]
    assert (part.reason, part.since) == ("timed out", START + timedelta(minutes=1))
    clock.move(minutes=1)
    health.ok("mailbox")
    health.ok("mailbox")
    assert [(entry["event"], entry.get("reason"), entry.get("after_s")) for entry in entries(lines)] == [
        ("part fails", "connection refused", None),
        ("part works again", None, 120.0),
    ]


def test_a_part_that_does_not_exist_is_refused(clock):
    with pytest.raises(ValueError, match="mailbox, smtp, database, tick, slack"):
        Health(clock).ok("imap")


# --- metrics ---------------------------------------------------------------------------------------------------------


def test_metrics_count_what_happened_and_show_ages(clock):
    metrics, health = Metrics(), Health(clock)
    metrics.letter("accepted")
    metrics.letter("accepted")
    metrics.letter("unknown")
    metrics.mail("bounce")
    metrics.outbox({"ready": 3, "dead": 1})
    metrics.quarantined(2)
    metrics.lateness(timedelta(seconds=40))
    health.beat(TICK)
    health.failing("smtp", "away")
    clock.move(seconds=30)
    shown = metrics.exposition(health).decode()
    for line in (
        'parley_letters_total{outcome="accepted"} 2.0',
        'parley_letters_total{outcome="unknown"} 1.0',
        'parley_mails_total{nature="bounce"} 1.0',
        'parley_outbox{state="ready"} 3.0',
        "parley_quarantined 2.0",
        'parley_due_lateness_seconds_bucket{le="60.0"} 1.0',
        "parley_tick_age_seconds 30.0",
        "parley_poll_age_seconds NaN",
        'parley_part_up{part="smtp"} 0.0',
    ):
        assert line in shown.splitlines()
    health.beat(POLL)
    assert "parley_poll_age_seconds 0.0" in metrics.exposition(health).decode()


def test_two_bots_in_one_interpreter_count_apart(clock):
    first, second = Metrics(), Metrics()
    first.letter("accepted")
    assert b'outcome="accepted"' not in second.exposition(Health(clock))
