"""`parley doctor`: what must be right before the first mail, each with a hint where it is not."""

from collections.abc import Iterator

import pytest

from bot.storage import schema
from tests.servers import Pymap, pymap
from tests.smtpdoor import Door
from tests.terminal import DIRECTORY, Said

pytest_plugins = ["tests.commands"]


@pytest.fixture(scope="module")
def server() -> Iterator[Pymap]:
    with pymap() as running:
        yield running


@pytest.fixture
def installed(parley, tmp_path, set_up, server, monkeypatch) -> Iterator[Door]:
    """Everything as it should be; gives the mail server's door."""
    with Door() as door:
        monkeypatch.setenv("PARLEY_IMAP_URL", f"imap://support:a-password@127.0.0.1:{server.port}/INBOX")
        monkeypatch.setenv("PARLEY_SMTP_URL", f"smtp://127.0.0.1:{door.port}")
        parley("migrate")
        (tmp_path / "table.csv").write_text(DIRECTORY)
        parley("assignments", "import", "table.csv")
        yield door


@pytest.fixture
def no_letters(tmp_path, monkeypatch) -> None:
    """A wrong policy spares the look at every letter, which takes longer than all the rest."""
    (tmp_path / "wrong.toml").write_text("wrong")
    monkeypatch.setenv("PARLEY_POLICY", "wrong.toml")


def failures(said: Said) -> dict[str, str]:
    """The names of what is wrong, with what was found and the hint."""
    return {each["check"]: f"{each['found']} {each['hint']}" for each in said.objects if not each["ok"]}


def test_a_good_installation_passes_every_check_and_nothing_is_sent_or_changed(parley, installed, tmp_path):
    before = (tmp_path / "parley.db").read_bytes()
    said = parley("doctor")
    assert said.status == 0, said.out
    lines = [line for line in said.out.splitlines() if not line.startswith(" ")]
    assert [line.partition(":")[0] for line in lines] == [
        "ok    settings",
        "ok    policy",
        "ok    templates",
        "ok    database",
        "ok    directory",
        "ok    last beat of the bot",
        "ok    mailbox",
        "ok    mail server",
        "ok    sender authentication",
        "ok    slack",
    ]
    assert "Parley works by mail alone" in said.out
    assert (tmp_path / "parley.db").read_bytes() == before
    assert installed.said("MAIL") == 0
    assert "a-password" not in said.out


def test_without_settings_it_names_all_that_are_missing_and_stops(parley, tmp_path):
    said = parley("doctor", "--json")
    assert said.status == 1
    [check] = said.objects
    assert check["found"] == "4 wrong or missing"
    for name in ("PARLEY_SECRET", "PARLEY_MAIL_ADDRESS", "PARLEY_IMAP_URL", "PARLEY_SMTP_URL"):
        assert f"{name} is missing" in check["hint"]
    assert list(tmp_path.iterdir()) == []


def test_nothing_that_is_wrong_hides_another(parley, set_up, tmp_path, monkeypatch):
    (tmp_path / "policy.toml").write_text("[calendar]\nzone = 3\n")
    monkeypatch.setenv("PARLEY_POLICY", "policy.toml")
    monkeypatch.setenv("PARLEY_AUTHSERV_ID", "")
    monkeypatch.setenv("PARLEY_DATABASE_URL", "sqlite:///absent/parley.db")
    said = parley("doctor", "--json")
    wrong = failures(said)
    assert said.status == 1
    assert {tuple(each) for each in said.objects} == {("check", "ok", "found", "hint")}
    assert set(wrong) == {"policy", "database", "mailbox", "mail server", "sender authentication"}
    assert "line 2" in wrong["policy"]
    assert "Make the folder absent first." in wrong["database"]
    assert "PARLEY_IMAP_URL" in wrong["mailbox"]
    assert "PARLEY_SMTP_URL" in wrong["mail server"]
    assert "PARLEY_AUTHSERV_ID" in wrong["sender authentication"]
    assert "a-password" not in said.out
    assert not (tmp_path / "absent").exists()


def test_templates_that_cannot_be_used_are_named(parley, set_up, tmp_path, monkeypatch):
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "notise.md").write_text("Hello")
    monkeypatch.setenv("PARLEY_TEMPLATES", "letters")
    assert "did you mean notice.md?" in failures(parley("doctor", "--json"))["templates"]


def test_a_database_that_is_not_there_yet_is_no_failure(parley, set_up, tmp_path, no_letters):
    said = parley("doctor", "--json")
    assert "database" not in failures(said)
    assert "`parley run` makes it" in said.out
    assert not (tmp_path / "parley.db").exists()


def test_servers_that_refuse_us_are_told_with_their_words(parley, installed, server, monkeypatch, no_letters):
    monkeypatch.setenv("PARLEY_IMAP_URL", f"imap://support:another@127.0.0.1:{server.port}/INBOX")
    installed.always("connect", "554 5.7.1 not you")
    said = parley("doctor", "--json")
    wrong = failures(said)
    assert {"mailbox", "mail server"} <= set(wrong)
    assert "app password" in wrong["mailbox"]
    assert "not you" in wrong["mail server"]
    assert "another" not in said.out
    monkeypatch.setenv("PARLEY_IMAP_URL", f"imap://support:a-password@127.0.0.1:{server.port}/Nowhere")
    assert "does not exist" in failures(parley("doctor", "--json"))["mailbox"]


def test_what_waits_in_quarantine_is_told_with_the_command_that_lists_it(parley, set_up, database, no_letters):
    assert "`parley replay`" in failures(parley("doctor", "--json"))["quarantine"]


def test_an_empty_table_of_assignments_is_told_with_the_command_that_fills_it(parley, set_up, no_letters):
    parley("migrate")
    assert "parley assignments import" in failures(parley("doctor", "--json"))["directory"]


def test_a_schema_of_another_version_is_told_with_what_to_do(parley, set_up, later, tmp_path, no_letters):
    parley("migrate")
    with later():
        assert "parley migrate" in failures(parley("doctor", "--json"))["database"]
        schema.migrate(f"sqlite:///{tmp_path / 'parley.db'}")
    wrong = failures(parley("doctor", "--json"))["database"]
    assert "later version" in wrong
    assert "parley migrate" not in wrong


def test_what_is_no_database_is_told(parley, set_up, tmp_path, monkeypatch, no_letters):
    (tmp_path / "parley.db").write_text("not a database, but a letter to my aunt")
    assert "file is not a database" in failures(parley("doctor", "--json"))["database"]
    monkeypatch.setenv("PARLEY_DATABASE_URL", "postgresql+psycopg://parley:a-secret@127.0.0.1:1/parley")
    said = parley("doctor", "--json")
    assert "refused" in failures(said)["database"]
    assert "a-secret" not in said.out
