"""What an operator types at a terminal, and what comes back: words, JSON, and the exit status."""

import io
import json
import os
import re
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from bot import cli
from bot.app import App, Times, load_values
from bot.casework import Happening
from bot.flows.events import Dismissed
from bot.storage import schema
from tests.terminal import DIRECTORY, HEAD, ID, MONDAY, PAYMENT, RATING, ROOT, SETTINGS, complete, somebody_listening

pytest_plugins = ["tests.commands"]

PROMISED = ("run", "migrate", "doctor", "triage", "replay", "assignments", "cases", "show", "why", "policy", "letters")
COMMANDS = tuple(re.findall("^ {4}([a-z]+)", cli.build().format_help(), re.M))


# --- Help and mistakes ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", [(), *((each,) for each in COMMANDS), ("assignments", "import")])
def test_every_help_says_what_the_command_does_and_fits_a_terminal(parley, command):
    said = parley(*command, "--help")
    assert said.status == 0
    assert max(len(line) for line in said.out.splitlines()) <= 100
    usage, description, *_ = said.out.split("\n\n")
    assert usage.startswith(f"usage: {' '.join(('parley', *command))}")
    assert description.rstrip().endswith(".")


def test_the_help_of_all_names_every_command(parley):
    said = parley("--help")
    assert set(PROMISED) <= set(COMMANDS)
    assert "docs/settings.md" in said.out


@pytest.mark.parametrize("asked", [(), ("assignments",)])
def test_asked_for_nothing_it_says_what_there_is_to_ask_for(parley, asked):
    said = parley(*asked)
    assert (said.status, said.out) == (2, "")
    assert "usage: parley" in said.err
    assert "commands:" in said.err


def test_an_unknown_command_is_answered_with_those_there_are(parley):
    said = parley("cass")
    assert said.status == 2
    assert "'cases'" in said.err


# --- run: what cannot start -------------------------------------------------------------------------------------------


def test_run_names_every_missing_and_wrong_setting_in_one_message(parley, monkeypatch, unchanged):
    monkeypatch.setenv("PARLEY_MODE", "loud")
    monkeypatch.setenv("SLACK_BOT_TOKEN", "xoxb-secret")
    said = parley("run")
    assert (said.status, said.out) == (2, "")
    assert said.err.startswith("Parley cannot start:\n")
    missing = ("PARLEY_SECRET", "PARLEY_MAIL_ADDRESS", "PARLEY_IMAP_URL", "PARLEY_SMTP_URL", "PARLEY_CASES_CHANNEL")
    for name in (*missing, 'PARLEY_MODE "loud"'):
        assert f"  {name}" in said.err
    assert "xoxb-secret" not in said.err


def test_run_refuses_a_wrong_policy_line_by_line(parley, tmp_path, set_up, monkeypatch, unchanged):
    (tmp_path / "policy.toml").write_text('[calendar]\nzone = "America/New_Yrok"\n[request]\nremnd = []\n')
    monkeypatch.setenv("PARLEY_POLICY", "policy.toml")
    said = parley("run")
    assert said.status == 2
    assert "policy.toml: line 2: [calendar] zone" in said.err
    assert "policy.toml: line 4: [request] remnd" in said.err
    assert not (tmp_path / "parley.db").exists()


def test_run_refuses_wrong_templates_all_at_once(parley, tmp_path, set_up, monkeypatch, unchanged):
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "notise.md").write_text("Hello")
    (tmp_path / "letters" / "remynder.md").write_text("Hello")
    monkeypatch.setenv("PARLEY_TEMPLATES", "letters")
    said = parley("run")
    assert said.status == 2
    assert "did you mean notice.md?" in said.err
    assert "did you mean reminder.md?" in said.err


def test_run_refuses_a_file_that_is_no_database(parley, tmp_path, set_up, unchanged):
    (tmp_path / "parley.db").write_text("not a database, but a letter to my aunt")
    for command in ("run", "migrate", "cases"):
        said = parley(command)
        assert (said.status, said.err) == (2, "parley.db is no SQLite database; check PARLEY_DATABASE_URL.\n")


def test_run_refuses_an_address_that_somebody_else_listens_on(parley, set_up, monkeypatch, unchanged):
    with somebody_listening() as port:
        monkeypatch.setenv("PARLEY_HTTP", f"127.0.0.1:{port}")
        said = parley("run")
    assert said.status == 1
    assert f"Parley cannot start: PARLEY_HTTP: 127.0.0.1:{port} cannot be listened on" in said.err
    assert "in use" in said.err


def test_postgresql_without_its_driver_is_refused_with_what_to_install(parley, set_up, monkeypatch, unchanged):
    monkeypatch.setitem(sys.modules, "psycopg", None)
    monkeypatch.setenv("PARLEY_DATABASE_URL", "postgresql+psycopg://parley:a-password@127.0.0.1:1/parley")
    for command in ("run", "cases"):
        said = parley(command)
        assert (said.status, "pip install 'parley[postgres]'" in said.err) == (2, True)


# --- The database -----------------------------------------------------------------------------------------------------


def test_migrate_makes_the_database_once(parley, tmp_path):
    assert parley("migrate").out == "The schema is now this version's.\n"
    assert parley("migrate").out == "The schema is this version's already.\n"
    assert parley("cases").out == "No open cases; `parley cases --all` lists closed ones.\n"


def test_looking_where_no_database_is_makes_none_and_says_how_to_get_one(parley, tmp_path):
    for command in (("cases",), ("show", "1001"), ("why", "1001"), ("replay",)):
        said = parley(*command)
        assert (said.status, said.out) == (1, "")
        assert said.err == "There is no database parley.db yet: run `parley migrate`, or start the bot once.\n"
    assert list(tmp_path.iterdir()) == []


def test_an_empty_file_is_a_database_to_be_migrated(parley, tmp_path):
    (tmp_path / "parley.db").touch()
    assert parley("cases").err == "The database is empty: run `parley migrate`, or start the bot once.\n"
    assert parley("migrate").status == 0


def test_a_database_that_cannot_be_reached_is_said_without_the_library_s_noise_or_the_password(parley, monkeypatch):
    monkeypatch.setenv("PARLEY_DATABASE_URL", "postgresql+psycopg://parley:a-password@127.0.0.1:1/parley")
    for command in ("cases", "migrate"):
        said = parley(command)
        assert said.status == 1
        assert said.err.startswith("The database cannot be reached: ")
        assert "refused" in said.err
        assert "sqlalche" not in said.err
        assert "a-password" not in said.err


def test_a_database_of_a_later_version_is_left_alone_by_every_command(parley, tmp_path, set_up, later, unchanged):
    with later():
        schema.migrate(f"sqlite:///{tmp_path / 'parley.db'}")
    before = (tmp_path / "parley.db").read_bytes()
    for command in ("run", "migrate", "cases", "replay"):
        said = parley(command)
        assert said.status == 1
        assert "later version of Parley" in said.err
        assert "parley migrate" not in said.err
    assert (tmp_path / "parley.db").read_bytes() == before


def test_a_database_of_an_earlier_version_is_to_be_migrated(parley, database, later):
    with later():
        said = parley("cases")
        assert said.err == "The database was made by an earlier version: stop the bot and run `parley migrate`.\n"
        assert parley("migrate").status == 0
        assert parley("cases").status == 0


# --- triage -----------------------------------------------------------------------------------------------------------


def test_triage_prints_one_object_a_file_in_order_and_needs_nothing_else(parley, tmp_path):
    (tmp_path / "a.eml").write_text(PAYMENT)
    (tmp_path / "b.eml").write_text(RATING)
    said = parley("triage", "a.eml", "b.eml")
    first, second = said.objects
    assert said.status == 0
    assert (first["file"], first["kind"], first["assignment_ids"], first["has_timeline"]) == (
        "a.eml",
        "payment",
        [ID],
        True,
    )
    assert (second["file"], second["kind"], second["case"]) == ("b.eml", "rating", None)
    assert all(reason["text"] and reason["where"] for reason in first["reasons"])
    assert sorted(each.name for each in tmp_path.iterdir()) == ["a.eml", "b.eml"]


def test_triage_goes_on_behind_what_cannot_be_read_and_says_so_at_the_end(parley, tmp_path):
    (tmp_path / "empty.eml").touch()
    (tmp_path / "b.eml").write_text(RATING)
    said = parley("triage", "absent.eml", "empty.eml", tmp_path, "b.eml")
    absent, empty, folder, read = said.objects
    assert said.status == 1
    assert absent == {"file": "absent.eml", "error": "No such file or directory"}
    assert empty == {"file": "empty.eml", "error": "an empty mail"}
    assert folder == {"file": str(tmp_path), "error": "Is a directory"}
    assert read["kind"] == "rating"


def test_triage_reads_standard_input(parley, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(PAYMENT.encode())))
    [read] = parley("triage", "-").objects
    assert (read["file"], read["kind"]) == ("-", "payment")


def test_triage_binds_a_follow_up_to_a_known_case(parley, tmp_path):
    known = {"number": "D-1042", "kind": "payment", "assignment_ids": [ID], "worker": "wanda@worker.example"}
    known["message_ids"] = ["<d.1042.1.abc@parley.example>"]
    (tmp_path / "cases.jsonl").write_text(f"\n{json.dumps(known)}\n")
    reply = f"{HEAD}Subject: Re: [D-1042] Payment\nIn-Reply-To: <d.1042.1.abc@parley.example>\n\nThey paid, thanks.\n"
    (tmp_path / "reply.eml").write_text(reply)
    [read] = parley("triage", "--known", "cases.jsonl", "reply.eml").objects
    assert (read["case"], read["party"]) == ("D-1042", "worker")


@pytest.mark.parametrize(
    "line",
    ["D-1042", "[]", "{}", '{"number": "D-1042", "kind": "quarrel"}', '{"number": "D-1042", "kind": []}', '{"case": 1'],
)
def test_triage_refuses_known_cases_that_are_none_with_the_line_and_an_example(parley, tmp_path, line):
    (tmp_path / "cases.jsonl").write_text(f'{{"case": "D-1", "kind": null}}\n{line}\n')
    said = parley("triage", "--known", "cases.jsonl", "absent.eml")
    assert (said.status, said.out) == (2, "")
    assert said.err.startswith("cases.jsonl, line 2: it should be an object such as {")


def test_triage_says_when_the_known_cases_cannot_be_read(parley, tmp_path):
    assert parley("triage", "--known", "no", "-").err == "no: cannot be read: No such file or directory\n"
    (tmp_path / "latin").write_bytes(b"\xff")
    assert parley("triage", "--known", "latin", "-").err == "latin: is not UTF-8 text\n"


def test_triage_as_a_process_is_quick_to_start_and_shows_any_file_name_on_any_terminal(tmp_path):
    name = os.fsencode(tmp_path) + b"/n\xe4me-\xff.eml"
    Path(os.fsdecode(name)).write_text(RATING)
    run = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "bot.cli", "triage", name],
        cwd=ROOT,
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert json.loads(run.stdout)["kind"] == "rating"
    imported = {line.rpartition("|")[2].strip() for line in run.stderr.decode().splitlines()}
    assert "bot.mail.parse" in imported
    heavy = {"sqlalchemy", "pydantic", "pydantic_settings", "apscheduler", "slack_sdk", "slack_bolt", "holidays"}
    assert not heavy & imported


# --- assignments ------------------------------------------------------------------------------------------------------


def test_assignments_are_imported_and_imported_again(parley, tmp_path):
    parley("migrate")
    (tmp_path / "table.csv").write_text(DIRECTORY)
    for _ in range(2):
        assert parley("assignments", "import", "table.csv").out == "1 assignments imported.\n"


def test_a_wrong_table_is_refused_with_every_wrong_line(parley, tmp_path):
    parley("migrate")
    (tmp_path / "table.csv").write_text(DIRECTORY + "12,A,a@b.example,B,nobody\n")
    said = parley("assignments", "import", "table.csv")
    assert (said.status, said.out) == (1, "")
    assert said.err.startswith("table.csv: nothing was imported:\n  line 3: assignment_id")
    assert '  line 3: client_email "nobody"' in said.err


def test_a_table_that_cannot_be_read_says_why(parley, tmp_path):
    assert (
        parley("assignments", "import", "absent.csv").err == "absent.csv: cannot be read: No such file or directory\n"
    )
    (tmp_path / "latin.csv").write_bytes(DIRECTORY.encode() + "1234567,Jürgen".encode("latin-1"))
    assert "is not UTF-8 text; save it as CSV UTF-8" in parley("assignments", "import", "latin.csv").err


# --- cases, show, why -------------------------------------------------------------------------------------------------


def test_cases_lists_who_is_awaited_and_what_is_due_next(parley, database):
    said = parley("cases")
    head, payment, rating = said.out.splitlines()
    assert payment.endswith("send notice client")
    assert head.split() == ["case", "kind", "stage", "assignment", "awaits", "next"]
    assert payment.split()[:4] == ["D-1001", "payment", "notice", ID]
    assert rating.split()[:5] == ["D-1002", "rating", "gathering", "-", "worker"]
    assert f"Wed {MONDAY + timedelta(days=2):%Y-%m-%d} 10:00 EST" in rating
    first, second = parley("cases", "--json").objects
    assert (first["case"], first["stage"], first["assignment_ids"]) == ("D-1001", "notice", [ID])
    assert (second["case"], second["awaits"]) == ("D-1002", ["worker"])
    assert datetime.fromisoformat(second["due"][0]["at"]) > MONDAY


def test_cases_leaves_closed_ones_out_unless_asked(parley, database):
    settings = complete(database.parent)
    bot = App(settings, load_values(settings), Times(lambda: MONDAY, lambda: MONDAY))
    bot.office.advance((Happening(1001, "click", "U1", Dismissed("U1", None, "A question.")),))
    bot.store.close()
    assert "D-1001" not in parley("cases").out
    assert "D-1001" in parley("cases", "--all").out


def test_show_tells_parties_items_next_steps_letters_and_mails(parley, database):
    said = parley("show", "d-1001")
    assert said.status == 0
    for words in (
        "worker: Wanda Worker; wanda@worker.example",
        "client: Carl Client; carl@client.example",
        "timeline",
        "\nNext\n",
        "\nLetters\n",
        "receipt",
        "\nMails\n",
        "wanda@worker.example: Not paid",
    ):
        assert words in said.out
    assert all(each.isprintable() for each in said.out.replace("\n", ""))


def test_show_as_json_holds_the_same(parley, database):
    [whole] = parley("show", "1001", "--json").objects
    assert whole["case"] == "D-1001"
    assert whole["parties"][1]["addresses"][0]["address"] == "carl@client.example"
    assert [(letter["name"], letter["state"]) for letter in whole["letters"]] == [("receipt", "ready")]
    assert [mail["from"] for mail in whole["mails"]] == ["wanda@worker.example"]


def test_why_tells_the_story_with_the_sentence_it_rests_on_and_what_comes_next(parley, database):
    said = parley("why", "D-1001")
    assert said.status == 0
    assert "D-1001" in said.out
    assert ID in said.out
    assert "Who is awaited" in said.out
    [told] = parley("why", "D-1001", "--json").objects
    opened = told["happened"][0]
    assert (told["case"], opened["event"], opened["by"]) == ("D-1001", "CaseOpened", "worker")
    assert opened["because"]
    assert told["next"]


@pytest.mark.parametrize("command", ["show", "why"])
def test_a_case_that_is_none_is_said_with_what_to_write(parley, database, command):
    said = parley(command, "D-7")
    assert (said.status, said.err) == (1, "There is no case D-7; `parley cases --all` lists them.\n")
    for wrong in ("seven", "", "D-", "1e3", "9999999999", "١"):
        said = parley(command, wrong)
        assert (said.status, said.err) == (2, f"“{wrong}” is no case: write D-1042 or 1042.\n")


# --- replay -----------------------------------------------------------------------------------------------------------


def test_quarantine_is_listed_with_reasons_and_replayed_by_number(parley, database):
    listed = parley("replay")
    assert listed.out.split()[0] == "3"
    assert "From" in listed.out
    [row] = parley("replay", "--json").objects
    assert (row["number"], datetime.fromisoformat(row["received_at"])) == (3, MONDAY)
    assert parley("replay", "3").out == "1 to be read again; the running bot does it within a second.\n"
    assert parley("replay").out == "Nothing lies in quarantine.\n"
    assert parley("replay", "--all").out == "Nothing lies in quarantine.\n"
    assert parley("replay", "--json").out == ""


def test_all_of_quarantine_is_replayed_at_once(parley, database):
    assert parley("replay", "--all").out.startswith("1 to be read again")
    assert parley("replay").out == "Nothing lies in quarantine.\n"


def test_what_does_not_lie_in_quarantine_is_not_replayed_nor_is_the_rest(parley, database):
    said = parley("replay", "1", "3", "99")
    assert (said.status, said.err) == (1, "Not in quarantine: 1, 99. `parley replay` lists what is.\n")
    assert len(parley("replay", "--json").objects) == 1


# --- policy, letters --------------------------------------------------------------------------------------------------


def test_policy_shows_what_is_in_force_and_where_each_line_comes_from(parley, tmp_path, monkeypatch):
    (tmp_path / "mine.toml").write_text('[notice]\npause = "2 business days"\n')
    assert 'pause = "1 business day"  # default' in parley("policy").out
    shown = parley("policy", "mine.toml").out
    assert 'pause = "2 business days"' in shown
    monkeypatch.setenv("PARLEY_POLICY", "mine.toml")
    assert parley("policy").out == shown
    sources = {each["key"]: each["source"] for each in parley("policy", "--json").objects}
    assert sources["calendar.zone"] == "default"
    assert sources["notice.pause"] != "default"


def test_policy_and_letters_are_those_that_the_env_file_names(parley, tmp_path):
    lines = [f"{name}={value}" for name, value in SETTINGS.items()]
    (tmp_path / "mine.toml").write_text('[notice]\npause = "2 business days"\n')
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "notise.md").write_text("Hello")
    (tmp_path / ".env").write_text("\n".join([*lines, "PARLEY_POLICY=mine.toml", "PARLEY_TEMPLATES=letters"]))
    assert 'pause = "2 business days"' in parley("policy").out
    assert "did you mean notice.md?" in parley("letters").err


def test_a_wrong_policy_is_refused_with_every_line(parley, tmp_path):
    (tmp_path / "mine.toml").write_text('[calendar]\nzone = "Nowhere"\nzones = 1\n')
    said = parley("policy", "mine.toml")
    assert (said.status, said.out) == (2, "")
    assert "mine.toml: line 2" in said.err
    assert "mine.toml: line 3" in said.err
    assert "cannot be read: No such file" in parley("policy", "absent.toml").err


def test_letters_are_listed_shown_and_written_as_pages(parley, tmp_path):
    names = parley("letters").out.split()
    assert {"receipt", "notice", "reminder", "final", "outcome"} <= set(names)
    shown = parley("letters", "notice").out
    assert shown.startswith("--- notice-")
    assert "Subject: [D-1042]" in shown
    assert {each["letter"] for each in parley("letters", "notice", "--json").objects} == {"notice"}
    assert parley("letters", "notice", "--html", "pages/here").out == "The letters are in pages/here.\n"
    pages = list((tmp_path / "pages" / "here").glob("*.html"))
    assert len(pages) == shown.count("--- notice-")


def test_a_letter_that_is_none_and_a_folder_that_is_none_are_refused(parley, tmp_path):
    said = parley("letters", "notise")
    assert said.status == 2
    assert "there are: receipt" in said.err
    (tmp_path / "file").touch()
    said = parley("letters", "--html", "file")
    assert (said.status, said.err) == (1, "file: cannot be a folder for the letters: File exists\n")
