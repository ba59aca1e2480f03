"""The bot as a whole: how it starts, what it says over HTTP, and how it stops; on real servers, ports and signals."""

import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest
from imapclient import IMAPClient
from sqlalchemy import inspect

from bot.app import App, CannotListen, load_values, prepare_database, real_times, run, serve
from bot.settings import HostPort, Settings
from bot.storage import schema
from bot.storage.schema import NewerSchema
from bot.storage.store import InUse, Store, engine
from tests.servers import PASSWORD, free_port, pymap
from tests.smtpdoor import Door
from tests.terminal import PAYMENT, ROOT, SETTINGS, complete, somebody_listening

pytest_plugins = ["tests.commands"]

NOW = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)


def asked(port: int, path: str) -> tuple[int, str, str]:
    """Status, content type and body of a GET on loopback."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
            return answer.status, str(answer.headers["content-type"]), answer.read().decode()
    except urllib.error.HTTPError as answer:
        with answer:
            return answer.code, str(answer.headers["content-type"]), answer.read().decode()


def until(found: Callable[[], object], what: str, within_s: float = 30) -> None:
    end = time.monotonic() + within_s
    while time.monotonic() < end:
        with suppress(OSError):
            if found():
                return
        time.sleep(0.05)
    raise AssertionError(f"{what}: not within {within_s} s")


def health(port: int) -> dict:
    found: dict = json.loads(asked(port, "/healthz")[2])
    return found


@contextmanager
def running(settings: Settings) -> Iterator[int]:
    """`parley run` in a thread; gives its port, and asserts that it stops when it is told to."""
    stopping, ended = threading.Event(), threading.Event()

    def life() -> None:
        run(settings, load_values(settings), stopping)
        ended.set()

    thread = threading.Thread(target=life)
    thread.start()
    try:
        assert settings.http
        yield settings.http.port
    finally:
        stopping.set()
        thread.join(30)
        for each in threading.enumerate():
            if each.name == "http":
                each.join(10)
    assert ended.is_set()


def tables(path: Path) -> set[str]:
    made = engine(f"sqlite:///{path}")
    found = set(inspect(made).get_table_names())
    made.dispose()
    return found


# --- The database at start --------------------------------------------------------------------------------------------


def test_a_new_database_is_made_without_a_backup(tmp_path):
    prepare_database(f"sqlite:///{tmp_path / 'parley.db'}", NOW)
    assert "cases" in tables(tmp_path / "parley.db")
    assert [each.name for each in tmp_path.iterdir() if "backup" in each.name] == []


def test_an_older_database_is_backed_up_before_it_is_migrated_and_five_backups_are_kept(database, later):
    old = [database.with_name(f"parley.db.2025010{day}T000000Z.backup") for day in range(1, 8)]
    for each in old:
        each.touch()
    url = f"sqlite:///{database}"
    with later():
        prepare_database(url, NOW)
        prepare_database(url, NOW)  # Nothing is left to do, and nothing to back up.
    backup = database.with_name("parley.db.20260302T150000Z.backup")
    assert sorted(database.parent.glob("*.backup")) == [*old[3:], backup]
    assert "later" in tables(database)
    assert "later" not in tables(backup)
    kept = Store(f"sqlite:///{backup}")
    with kept.read() as tx:
        assert [case.label for case in tx.cases.all()] == ["D-1001", "D-1002"]
    kept.close()


def test_a_newer_database_is_refused_and_left_as_it_is(database, later):
    url = f"sqlite:///{database}"
    with later():
        schema.migrate(url)
    before = database.read_bytes()
    with pytest.raises(NewerSchema, match="later version"):
        prepare_database(url, NOW)
    assert database.read_bytes() == before


# --- One bot at a file ----------------------------------------------------------------------------------------------


def test_a_second_bot_at_the_same_file_is_refused_and_changes_nothing(tmp_path):
    settings = complete(tmp_path)
    first = Store(settings.database_url)
    first.occupy()
    try:
        with pytest.raises(InUse, match=r"another Parley works with parley\.db: stop it first"):
            run(settings, load_values(settings), threading.Event())
        assert not (tmp_path / "parley.db").exists()
    finally:
        first.close()
    second = Store(settings.database_url)
    second.occupy()
    second.close()


def test_a_killed_bot_keeps_nobody_from_its_file(tmp_path):
    url = f"sqlite:///{tmp_path / 'parley.db'}"
    code = f"from bot.storage.store import Store; Store({url!r}).occupy(); print('mine', flush=True); input()"
    store = Store(url)
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout
        assert other.stdout.readline().strip() == b"mine"
        with pytest.raises(InUse):
            store.occupy()
        other.kill()
    store.occupy()
    store.close()


# --- Over HTTP --------------------------------------------------------------------------------------------------------


def test_before_the_first_tick_it_is_alive_but_not_ready(tmp_path):
    settings = complete(tmp_path)
    bot = App(settings, load_values(settings), real_times())
    port = free_port()
    server = serve(HostPort("127.0.0.1", port), bot)
    until(lambda: server.started, "it listens")
    assert asked(port, "/healthz")[0] == 200
    assert asked(port, "/readyz")[0] == 503
    assert asked(port, "/nothing")[0] == 404
    bot.health.failing("database", "gone: parley:a-password@db.example")
    status, kind, metrics = asked(port, "/metrics")
    assert (status, kind.partition(";")[0]) == (200, "text/plain")
    assert kind.count("charset") == 1
    assert 'parley_part_up{part="database"} 0.0' in metrics
    assert "a-password" not in asked(port, "/healthz")[2]
    server.should_exit = True
    for each in threading.enumerate():
        if each.name == "http":
            each.join(10)
    bot.store.close()


def test_an_address_that_is_taken_is_refused_before_anything_begins(tmp_path):
    with somebody_listening() as port:
        settings = complete(tmp_path, PARLEY_HTTP=f"127.0.0.1:{port}")
        values = load_values(settings)
        with pytest.raises(CannotListen, match=f"127.0.0.1:{port} cannot be listened on"):
            run(settings, values, threading.Event())
    assert list(tmp_path.iterdir()) == []


# --- Running ----------------------------------------------------------------------------------------------------------


def test_a_mail_in_the_mailbox_becomes_a_letter_at_the_server_and_every_part_is_ready(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    with pymap() as mailbox, Door() as door:
        settings = complete(
            tmp_path,
            PARLEY_IMAP_URL=f"imap://support:{PASSWORD}@127.0.0.1:{mailbox.port}/INBOX",
            PARLEY_SMTP_URL=f"smtp://127.0.0.1:{door.port}",
            PARLEY_HTTP=f"127.0.0.1:{free_port()}",
        )
        with IMAPClient("127.0.0.1", mailbox.port, ssl=False) as client:
            client.login("support", PASSWORD)
            client.append("INBOX", PAYMENT.encode())
        with running(settings) as port:
            until(lambda: door.taken, "the receipt leaves")
            until(lambda: asked(port, "/readyz")[0] == 200, "every part works")
            assert set(health(port)["parts"]) == {"database", "mailbox", "smtp", "tick"}
            metrics = asked(port, "/metrics")[2]
    assert door.taken[0].recipients == ("<wanda@worker.example>",)
    assert 'parley_letters_total{outcome="accepted"} 1.0' in metrics
    assert 'parley_mails_total{nature="person"} 1.0' in metrics
    told = [record.getMessage() for record in caplog.records if "no slack" in record.getMessage()]
    assert len(told) == 1
    assert "working by mail alone" in told[0]
    assert "wanda@worker.example" not in caplog.text


def test_servers_that_are_away_are_said_on_healthz_and_the_bot_goes_on(tmp_path):
    settings = complete(tmp_path, PARLEY_HTTP=f"127.0.0.1:{free_port()}")
    with running(settings) as port:
        until(lambda: {"mailbox", "smtp", "tick"} <= set(health(port)["parts"]), "it is said")
        status, _, _ = asked(port, "/healthz")
        said = health(port)
        assert (status, said["status"]) == (200, "failing")
        assert "refused" in said["parts"]["mailbox"]["reason"]
        assert "127.0.0.1:1" in said["parts"]["smtp"]["reason"]
        assert said["parts"]["tick"]["ok"]
        assert said["tick_age_s"] < 5
        assert asked(port, "/readyz")[0] == 503


def test_a_beat_that_fails_is_not_hidden_by_one_that_works(tmp_path):
    settings = complete(tmp_path, PARLEY_HTTP=f"127.0.0.1:{free_port()}")
    with running(settings) as port:
        until(lambda: "tick" in health(port)["parts"], "it ticks")
        store = Store(settings.database_url)
        with store.engine.begin() as connection:
            connection.exec_driver_sql(
                "INSERT INTO inbox (source, external_key, sha256, raw, received_at, state,"
                " tries, reason) VALUES ('mail', 'k', 's', x'', 'no moment', 'new', 0, '')"
            )
        store.close()
        until(lambda: not health(port)["parts"]["tick"]["ok"], "it is said")
        ticked = health(port)["tick_age_s"]
        until(lambda: health(port)["tick_age_s"] != ticked, "it goes on ticking")
        assert "intake" in health(port)["parts"]["tick"]["reason"]


def test_a_signal_that_comes_while_the_event_is_being_waited_for_blocks_nobody():
    """It may come at any step of the main thread: here, while the wait holds the event's own lock."""
    script = """
import signal
from bot.app import by_signal
stopping = by_signal()
with stopping._cond:
    signal.raise_signal(signal.SIGTERM)
assert stopping.wait(10)
print("ended in order")
"""
    ran = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, timeout=30, capture_output=True, text=True, check=True
    )
    assert ran.stdout == "ended in order\n"


def test_a_signal_that_nobody_has_looked_at_yet_is_looked_at_while_it_is_waited():
    """It comes to another thread, so that nothing wakes the main one, as if it had come just before the wait."""
    script = """
import signal, threading, time
from bot.app import by_signal
stopping = by_signal()
def later():
    time.sleep(1)
    signal.pthread_kill(threading.get_ident(), signal.SIGTERM)
    time.sleep(60)
threading.Thread(target=later, daemon=True).start()
assert not stopping.wait(0.01)
stopping.wait()
print("ended in order")
"""
    ran = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, timeout=30, capture_output=True, text=True, check=True
    )
    assert ran.stdout == "ended in order\n"


@pytest.mark.parametrize(
    ("database", "reached"),
    [("postgresql+psycopg://parley:a-password@127.0.0.1:1/parley", "database unreachable"), ("", "started")],
    ids=["while it waits for its database", "while it runs"],
)
def test_a_signal_ends_it_in_order(tmp_path, database, reached):
    """Start-up is held open by a database that is away; the settings stand in a .env file."""
    given = SETTINGS | ({"PARLEY_DATABASE_URL": database} if database else {})
    (tmp_path / ".env").write_text("".join(f"{name}={value}\n" for name, value in given.items()))
    log = tmp_path / "log"
    with log.open("wb") as to:
        bot = subprocess.Popen(
            [sys.executable, "-m", "bot.cli", "run", "--log", "json"],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=to,
            stderr=to,
        )
    try:
        until(lambda: f'"event": "{reached}"' in log.read_text(), reached)
        bot.send_signal(signal.SIGTERM)
        assert bot.wait(20) == 0, log.read_text()
    finally:
        bot.kill()
        bot.wait()
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert "a-password" not in log.read_text()
    assert (lines[-1]["event"] == "stopped") == (not database)
