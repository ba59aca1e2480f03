"""The commands of `parley`: what an operator types, and what comes back. Exit status 0: done; 1: something is wrong and
was said; 2: the command or the settings cannot be used.

Everything heavy is imported inside its command, so that `parley triage` answers at once.
"""

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, time
from importlib.util import find_spec
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from bot.flows.case import Case
    from bot.flows.events import Event
    from bot.flows.policy import Policy
    from bot.flows.triage import Known
    from bot.storage.store import Store

OK, WRONG, USAGE = 0, 1, 2
ENV_FILE = Path(".env")
RAW_BYTES_MAX = 64 * 1024 * 1024
SQLITE_BEGINS = b"SQLite format 3\0"


class Stop(Exception):
    """End the command with a message on stderr and an exit status."""

    def __init__(self, message: str, status: int = WRONG) -> None:
        super().__init__(message)
        self.status = status


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(
                errors="backslashreplace"
            )  # A name or a word that the terminal cannot show stops nothing.
    given = build().parse_args(arguments)
    act: Callable[[argparse.Namespace], int] = given.act
    try:
        return act(given)
    except Stop as stop:
        print(stop, file=sys.stderr)
        return stop.status
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Whoever read us has gone; say nothing more.
        return OK
    except KeyboardInterrupt:
        return 130


def build() -> argparse.ArgumentParser:
    """The commands with their options; `--help` of each is written to be read."""
    parser = argparse.ArgumentParser(
        prog="parley",
        description="Parley facilitates rating and payment disputes: it reads the support mailbox, asks each party for "
        "what is missing, keeps the clocks, and hands an impasse to a person.",
        epilog="Settings come from the environment or a .env file in this folder; docs/settings.md lists them.",
        formatter_class=_Help,
    )
    parser.set_defaults(act=lambda _: _usage(parser))
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")

    def add(name: str, act: Callable[[argparse.Namespace], int], text: str, more: str = "") -> argparse.ArgumentParser:
        command = commands.add_parser(
            name, help=text, description=f"{text[0].upper()}{text[1:]}. {more}".strip(), formatter_class=_Help
        )
        command.set_defaults(act=act)
        return command

    _add_running(add)
    _add_reading(add)
    _add_looking(add)
    _add_reporting(add)
    return parser


Add = Callable[..., argparse.ArgumentParser]


class _Help(argparse.HelpFormatter):
    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=32, width=100)


def _add_running(add: Add) -> None:
    add(
        "run",
        run,
        "run the bot until it is told to stop (SIGTERM or Ctrl-C)",
        "An SQLite database is migrated first, after a backup beside it. Without the Slack settings it works by mail "
        "alone.",
    ).add_argument("--log", choices=("text", "json"), default="text", help="how log lines look (default: text)")
    sandbox_command = add(
        "sandbox",
        sandbox,
        "play the whole product on this machine: the bot, a mail server, people, and a clock to move",
        "Opens a page in the browser, on this machine only; docs/sandbox.md tells how scripts use it. Needs no "
        "settings; PARLEY_POLICY and PARLEY_TEMPLATES hold in it.",
    )
    sandbox_command.add_argument("--port", type=int, default=8800, metavar="N", help="of the page (default: 8800)")
    sandbox_command.add_argument(
        "--data",
        type=Path,
        metavar="DIR",
        help="keep database and logs there (default: a new folder, removed at the end)",
    )
    sandbox_command.add_argument(
        "--at", metavar="TIME", help="when it begins, as 2026-09-14T10:00 (default: next Monday, 10:00)"
    )
    sandbox_command.add_argument("--no-browser", action="store_true", help="do not open the page")
    add(
        "migrate",
        migrate,
        "bring the database to this version's schema",
        "Does nothing if it is there already. Needs only PARLEY_DATABASE_URL.",
    )
    doctor_command = add(
        "doctor",
        doctor,
        "check settings, database, mailbox, mail server and directory, with a hint for each failure",
        "Nothing is changed and no mail is sent. Exit status 1 if something is wrong.",
    )
    doctor_command.add_argument("--json", action="store_true", help="one JSON object a check")


def _add_reading(add: Add) -> None:
    triage_command = add(
        "triage",
        triage,
        "show how mails are read: kind, assignment, items, intent, and the sentence each judgement rests on",
        "Prints one JSON object a file. Needs no settings and no database. A file that cannot be read gives an object "
        "with `error`, and exit status 1.",
    )
    triage_command.add_argument(
        "files", nargs="+", metavar="FILE", help="a mail as it came (.eml); - is standard input"
    )
    triage_command.add_argument(
        "--known",
        metavar="CASES.jsonl",
        type=Path,
        help="the cases that follow-ups may belong to, one JSON object a line",
    )
    triage_command.add_argument("--authserv-id", metavar="NAME", help="believe Authentication-Results of this server")
    replay_command = add(
        "replay",
        replay,
        "list what lies in quarantine, or have it read again",
        "Without a number it lists. A replayed mail is read by the running bot within a second.",
    )
    replay_command.add_argument("numbers", nargs="*", type=int, metavar="NUMBER", help="the rows to read again")
    replay_command.add_argument("--all", action="store_true", help="everything in quarantine")
    replay_command.add_argument("--json", action="store_true", help="one JSON object a row")
    assignments: argparse.ArgumentParser = add(
        "assignments",
        lambda _: _usage(assignments),
        "import the table of assignments, which tells who is behind each",
        "Columns: assignment_id worker_name worker_email client_name client_email, and perhaps worker_zone client_zone "
        "amount approved_on due_on paid_on.",
    )
    what = assignments.add_subparsers(title="commands", metavar="import")
    importing = what.add_parser(
        "import",
        help="import a CSV file; rows with a known ID are replaced, others stay",
        description="Import a CSV file, all of it or nothing. Rows with a known ID are replaced, others stay. "
        "`parley assignments --help` names the columns.",
        formatter_class=_Help,
    )
    importing.add_argument("file", type=Path, metavar="FILE.csv", help="UTF-8 text with comma or semicolon")
    importing.set_defaults(act=import_assignments)


def _add_looking(add: Add) -> None:
    cases_command = add("cases", cases, "list the open cases: stage, who is awaited, what is due next")
    cases_command.add_argument("--all", action="store_true", help="closed ones too")
    cases_command.add_argument("--json", action="store_true", help="one JSON object a case")
    for name, act, text in (
        ("show", show, "show one case: parties, items, clocks, letters, mails"),
        ("why", why, "tell one case's story: what happened and why, who is awaited, what comes next and when"),
    ):
        command = add(name, act, text)
        command.add_argument("case", metavar="CASE", help="its number: D-1042 or 1042")
        command.add_argument("--json", action="store_true", help="as JSON")
        if name == "why":
            command.add_argument(
                "--at",
                metavar="TIME",
                help="as it stood then, or as it will if nobody acts, such as 2026-12-01",
            )
    policy_command = add(
        "policy",
        policy,
        "show the policy in force, and where each line comes from",
        "Reads PARLEY_POLICY, or the file given. Exit status 2, with every wrong line, if it cannot be in force.",
    )
    policy_command.add_argument("file", nargs="?", type=Path, metavar="FILE.toml", help="a file to try instead")
    policy_command.add_argument("--json", action="store_true", help="one JSON object a line")
    letters_command = add(
        "letters",
        letters,
        "show the letters with sample facts, as they would leave",
        "Without a name it lists them. Reads PARLEY_TEMPLATES and PARLEY_POLICY.",
    )
    letters_command.add_argument("name", metavar="NAME", nargs="?", help="a letter, such as notice")
    letters_command.add_argument(
        "--html", metavar="DIR", type=Path, help="write every sample as an HTML file to this folder"
    )
    letters_command.add_argument("--json", action="store_true", help="one JSON object a sample")


def _add_reporting(add: Add) -> None:
    export_command = add(
        "export",
        export,
        "write a case's evidence: what each side said, what was asked and sent when, the outcome",
        "Staff see everything; --for worker or client holds only what that party may see. Prints JSON with hashes; "
        "--html writes one page to be printed. The hash of the whole is that of the JSON without it.",
    )
    export_command.add_argument("case", metavar="CASE", help="its number: D-1042 or 1042")
    export_command.add_argument(
        "--for", dest="reader", choices=("worker", "client", "staff"), default="staff", help="who reads it (staff)"
    )
    export_command.add_argument("--html", type=Path, metavar="FILE", help="write the page, instead of JSON")
    export_command.add_argument("--json", action="store_true", help="JSON, also where --html is given")
    report: argparse.ArgumentParser = add(
        "report", lambda _: _usage(report), "say how this installation does: fairness", "Reads the database."
    )
    kinds = report.add_subparsers(title="reports", metavar="fairness")
    fair = kinds.add_parser(
        "fairness",
        help="what each side was given: time, letters, reminders, extensions, holds",
        description="What each side was given, worker and client, opener and respondent, so that unequal treatment "
        "shows. Counted from the record of every case.",
        formatter_class=_Help,
    )
    fair.add_argument("--since", metavar="DATE", help="only cases opened then or later, such as 2026-11-01")
    fair.add_argument("--json", action="store_true", help="one JSON object a side")
    fair.set_defaults(act=report_fairness)
    simulate_command = add(
        "simulate",
        simulate,
        "play synthetic parties through the real procedure, and compare what two policies lead to",
        "Nothing is read, stored or sent. The same parties meet both policies: what differs, the policy did. How they "
        "answer stands in a file; --parties takes your own (docs/simulator.md).",
    )
    simulate_command.add_argument("--policy", type=Path, metavar="FILE", help="default: the policy in force")
    simulate_command.add_argument("--against", type=Path, metavar="FILE", help="a second policy to compare with")
    simulate_command.add_argument("--cases", type=int, default=10_000, metavar="N", help="how many (default: 10000)")
    simulate_command.add_argument("--seed", type=int, default=1, metavar="N", help="other parties (default: 1)")
    simulate_command.add_argument("--parties", type=Path, metavar="FILE", help="how parties and staff behave")
    simulate_command.add_argument(
        "--history", action="store_true", help="play this installation's own cases instead; reads the database"
    )
    simulate_command.add_argument("--html", type=Path, metavar="FILE", help="write a page with charts, too")
    simulate_command.add_argument("--json", action="store_true", help="one JSON object a policy")


# --- Running ----------------------------------------------------------------------------------------------------------


def run(given: argparse.Namespace) -> int:
    """`parley run`."""
    from bot import app
    from bot.flows.policy import PolicyError
    from bot.settings import SettingsError, load
    from bot.storage.schema import NewerSchema
    from bot.storage.store import InUse
    from bot.telemetry import LogFormat, set_up_logs

    stopping = app.by_signal()
    try:
        settings = load(os.environ, ENV_FILE)
        values = app.load_values(settings)
    except (SettingsError, PolicyError) as wrong:
        raise Stop(f"Parley cannot start:\n{_indented(wrong)}", USAGE) from None
    _mind_database(settings.database_url)
    set_up_logs(LogFormat.JSON if given.log == "json" else LogFormat.CONSOLE)
    try:
        app.run(settings, values, stopping)
    except (app.CannotListen, app.NotMigrated, NewerSchema, InUse) as wrong:
        raise Stop(f"Parley cannot start: {wrong}") from None
    return OK


def sandbox(given: argparse.Namespace) -> int:
    """`parley sandbox`."""
    from bot.app import by_signal
    from bot.flows.policy import PolicyError

    try:
        from bot.sandbox import run as sandbox_run
    except ImportError as wrong:
        raise Stop(f"The sandbox needs {wrong.name}: pip install 'parley[sandbox]'") from None
    stopping = by_signal()
    in_force = _policy(None)
    at = _moment("--at", given.at, in_force) if given.at else None
    options = sandbox_run.Options(given.port, given.data, at, not given.no_browser)
    try:
        sandbox_run.run(options, os.environ, stopping, lambda text: print(text, flush=True))
    except (RuntimeError, PolicyError) as wrong:
        raise Stop(f"The sandbox cannot start: {wrong}") from None
    return OK


def migrate(_: argparse.Namespace) -> int:
    """`parley migrate`."""
    from bot.storage import schema

    url = _database_url()
    with _database_errors():
        try:
            done = schema.migrate(url)
        except RuntimeError as wrong:
            raise Stop(f"Nothing was changed: {wrong}") from None
    print("The schema is now this version's." if done else "The schema is this version's already.")
    return OK


def doctor(given: argparse.Namespace) -> int:
    """`parley doctor`."""
    from bot.doctor import check_up

    wrong = False
    for check in check_up(os.environ, ENV_FILE):
        wrong = wrong or not check.ok
        if given.json:
            _print_json({"check": check.name, "ok": check.ok, "found": check.found, "hint": check.hint})
        else:
            print(f"{'ok  ' if check.ok else 'FAIL'}  {check.name}: {check.found}")
            if check.hint:
                print(_indented(check.hint, "      "))
    return WRONG if wrong else OK


# --- Reading ----------------------------------------------------------------------------------------------------------


def triage(given: argparse.Namespace) -> int:
    """`parley triage`."""
    from bot.flows.triage import as_json, read
    from bot.mail.parse import Unreadable, parse

    known = _known(given.known) if given.known else ()
    status = OK
    for name in given.files:
        try:
            mail = parse(_raw(name), given.authserv_id)
            _print_json(as_json(read(mail, known), mail, name))
        except (OSError, Unreadable) as wrong:
            reason = wrong.strerror if isinstance(wrong, OSError) and wrong.strerror else str(wrong)
            _print_json({"file": name, "error": reason})
            status = WRONG
    return status


def _raw(name: str) -> bytes:
    if name == "-":
        return sys.stdin.buffer.read(RAW_BYTES_MAX)
    with Path(name).open("rb") as file:
        return file.read(RAW_BYTES_MAX)


def _known(path: Path) -> "tuple[Known, ...]":
    """The cases of a JSON-lines file. Raises `Stop` with the first wrong line."""
    from bot.flows.case import Kind
    from bot.flows.triage import Known

    names = ("assignment_ids", "worker", "client", "message_ids", "reply_addresses")
    found = []
    try:
        lines = path.read_text("utf-8-sig").splitlines()
    except OSError as wrong:
        raise Stop(f"{path}: cannot be read: {wrong.strerror}", USAGE) from None
    except UnicodeDecodeError:
        raise Stop(f"{path}: is not UTF-8 text", USAGE) from None
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            case = json.loads(line)
            label = case.get("number") or case["case"]
            lists = {name: tuple(str(each) for each in _as_list(case.get(name))) for name in names}
            found.append(
                Known(number=str(label), kind=None if (kind := case.get("kind")) is None else Kind(kind), **lists)
            )
        except (ValueError, KeyError, TypeError, AttributeError):
            should = (
                '{"number": "D-1042", "kind": "payment", "assignment_ids": ["4471829360"], "worker": [], "client": []}'
            )
            raise Stop(f"{path}, line {number}: it should be an object such as {should}", USAGE) from None
    return tuple(found)


def _as_list(value: object) -> list[object]:
    if value is None:
        return []
    return list(value) if isinstance(value, list | tuple) else [value]


def replay(given: argparse.Namespace) -> int:
    """`parley replay`."""
    with _store() as store:
        with store.read() as tx:
            rows = tx.inbox.quarantined(limit=10_000)
        if not given.numbers and not given.all:
            for row in rows:
                facts = {"number": row.id, "received_at": row.received_at.isoformat(), "reason": row.reason}
                if given.json:
                    _print_json(facts)
                else:
                    print(f"{row.id:>8}  {row.received_at:%Y-%m-%d %H:%M} UTC  {_shown(row.reason)}")
            if not rows and not given.json:
                print("Nothing lies in quarantine.")
            return OK
        if not rows and given.all:
            print("Nothing lies in quarantine.")
            return OK
        there = {row.id for row in rows}
        wanted = sorted(there) if given.all else given.numbers
        unknown = [str(number) for number in wanted if number not in there]
        if unknown:
            raise Stop(f"Not in quarantine: {', '.join(unknown)}. `parley replay` lists what is.")
        with store.begin() as tx:
            for number in wanted:
                tx.inbox.replay(number)
    print(f"{len(wanted)} to be read again; the running bot does it within a second.")
    return OK


def import_assignments(given: argparse.Namespace) -> int:
    """`parley assignments import`."""
    from bot.directory import Directory, ImportRefused

    try:
        text = given.file.read_text("utf-8-sig")
    except OSError as wrong:
        raise Stop(f"{given.file}: cannot be read: {wrong.strerror}") from None
    except UnicodeDecodeError:
        raise Stop(f"{given.file}: is not UTF-8 text; save it as CSV UTF-8") from None
    with _store() as store:
        try:
            count = Directory(store).take_in(text)
        except ImportRefused as wrong:
            raise Stop(f"{given.file}: nothing was imported:\n{_indented(wrong)}") from None
    print(f"{count} assignments imported.")
    return OK


# --- Looking ----------------------------------------------------------------------------------------------------------


def cases(given: argparse.Namespace) -> int:
    """`parley cases`."""
    policy_in_force = _policy(None)
    with _store() as store, store.read() as tx:
        found = list(tx.cases.all(open_only=not given.all))
    rows = []
    for case in found:
        if given.json:
            _print_json(case_json(case))
            continue
        soonest = min((clock for clock in case.clocks if not clock.held_by), key=lambda c: c.due_at, default=None)
        due = (
            f"{_local(soonest.due_at, policy_in_force)} {soonest.what.replace('_', ' ')} {soonest.who}"
            if soonest
            else "-"
        )
        awaited = " ".join(case.awaits()) or "-"
        rows.append((case.label, case.kind or "-", case.stage, " ".join(case.assignment_ids) or "-", awaited, due))
    if rows:
        _print_table(("case", "kind", "stage", "assignment", "awaits", "next"), rows)
    elif not given.json:
        print("No cases." if given.all else "No open cases; `parley cases --all` lists closed ones.")
    return OK


def show(given: argparse.Namespace) -> int:
    """`parley show`."""
    number = _number(given.case)
    policy_in_force = _policy(None)
    with _store() as store, store.read() as tx:
        case = _case(tx.cases.get(number), given.case)
        letters_sent, mails = tx.outbox.letters(number), tx.mails.of_case(number)
        links = tx.cases.links(number)
    if given.json:
        whole = case_json(case)
        whole["letters"] = [
            {
                "number": each.posting.number,
                "name": each.posting.name,
                "to": each.posting.recipient,
                "state": each.state,
            }
            for each in letters_sent
        ]
        whole["parties"] = [
            {
                "role": party.role,
                "name": party.name,
                "addresses": [
                    {"address": each.address, "source": each.source, "bounced": each.bounced} for each in party.contacts
                ],
            }
            for party in (case.worker, case.client)
        ]
        whole["mails"] = [
            {
                "mail": each.mail_id,
                "filed_at": each.filed_at.isoformat(),
                "party": each.party,
                "state": each.filing.state,
                "from": each.filing.sender,
                "subject": each.filing.subject,
            }
            for each in mails
        ]
        whole["links"] = [{"case": f"D-{other}", "why": reason} for other, reason in links]
        _print_json(whole)
        return OK
    from bot.flows.why import next_steps, summary

    print(summary(case))
    for party in (case.worker, case.client):
        addresses = ", ".join(f"{c.address} ({'bounced' if c.bounced else c.source})" for c in party.contacts)
        print(f"\n{party.role}: {party.name or 'name not known'}; {addresses or 'no address'}")
        for item in case.items:
            if item.role is party.role:
                extra = ", ".join(
                    filter(None, (item.provenance or "", f"by {item.by}" if item.by else "", item.reason))
                )
                print(f"  {item.name:<20} {item.state}{f' ({extra})' if extra else ''}")
    _print_section(
        "Waiting for staff", [f"{wait.text} (since {_local(wait.since, policy_in_force)})" for wait in case.waits]
    )
    _print_section(
        "Next", [f"{_local(step.at, policy_in_force)}  {step.text}" for step in next_steps(case, policy_in_force)]
    )
    _print_section("Holds", [hold.why for hold in case.holds])
    _print_section(
        "Letters",
        [
            f"{each.posting.number:>3}  {each.posting.name:<16} {each.posting.role or '':<7} {each.state}"
            f"{f' {_local(each.sent_at, policy_in_force)}' if each.sent_at else ''}"
            for each in letters_sent
        ],
    )
    _print_section(
        "Mails",
        [
            f"{_local(each.filed_at, policy_in_force)}  {each.party or 'unknown':<7} {each.filing.state:<12} "
            f"{_shown(each.filing.sender)}: {_shown(each.filing.subject)}"
            for each in mails
        ],
    )
    _print_section("Linked", [f"D-{other}: {reason}" for other, reason in links])
    return OK


def why(given: argparse.Namespace) -> int:
    """`parley why`."""
    from bot.flows.why import next_steps, tell
    from bot.reports.story import NoStory, story

    number, policy_in_force = _number(given.case), _policy(None)
    at = _moment("--at", given.at, policy_in_force, whole_day=True) if given.at else None
    with _store() as store, store.read() as tx:
        case = _case(tx.cases.get(number), given.case)
        try:
            found = story(tx, case, datetime.now(UTC), policy_in_force, at)
        except NoStory as wrong:
            raise Stop(f"--at {given.at}: {wrong}") from None
    case, history = found.case, found.history
    if given.json:
        _print_json(
            {
                "case": case.label,
                "happened": [
                    {
                        "at": told.event.at.isoformat(),
                        "by": told.event.by,
                        "event": type(told.event.fact).__name__,
                        "because": told.because.text,
                        "rule": told.because.rule,
                        "quote": told.because.quote,
                    }
                    for told in history
                ],
                "next": [
                    {
                        "at": step.at.isoformat(),
                        "party": step.party,
                        "what": step.what,
                        "text": step.text,
                        "rule": step.rule,
                    }
                    for step in next_steps(case, policy_in_force)
                ],
            }
        )
    else:
        if found.supposed:
            by_then = _local(found.now, policy_in_force)
            print(f"This lies ahead: it is what would have happened by {by_then} if nobody acts.\n")
        told_lines = tell(case, history, found.letters, found.now, policy_in_force).splitlines()
        print("\n".join(_shown(line) for line in told_lines))
    return OK


def policy(given: argparse.Namespace) -> int:
    """`parley policy`."""
    in_force = _policy(given.file)
    if given.json:
        for entry in in_force.entries():
            _print_json({"key": entry.key, "value": entry.value, "source": entry.source})
    else:
        print(in_force.to_toml(), end="")
    return OK


def letters(given: argparse.Namespace) -> int:
    """`parley letters`."""
    from bot.flows.case import Party
    from bot.flows.letters import LETTERS, Wording, check, render
    from bot.flows.samples import samples
    from bot.settings import SettingsError, load_templates

    if given.name and given.name not in LETTERS:
        raise Stop(f"There is no letter “{given.name}”; there are: {', '.join(LETTERS)}.", USAGE)
    in_force = _policy(None)
    try:
        wording = Wording(load_templates(_named_files()[1]), in_force.wording)
    except SettingsError as wrong:
        raise Stop(f"The templates cannot be used:\n{_indented(wrong)}", USAGE) from None
    if not given.name and not given.html and not given.json:
        print("\n".join(LETTERS))
        return OK
    if given.html:
        try:
            given.html.mkdir(parents=True, exist_ok=True)
        except OSError as wrong:
            raise Stop(f"{given.html}: cannot be a folder for the letters: {wrong.strerror}") from None
    wrong_templates = check(wording)
    if wrong_templates:
        raise Stop("The templates cannot be used:\n" + _indented("\n".join(wrong_templates)), USAGE)
    for number, sample in enumerate(each for each in samples() if given.name in (None, each.letter.name)):
        letter = sample.letter
        drawn = render(letter, "D-1042", Party(letter.role), in_force.week.zone, wording)
        parts = (letter.name, str(letter.facts["kind"]) or "unsorted", f"{sample.opener}-opens", f"to-{letter.role}")
        title = "-".join(filter(None, (*parts, sample.variant.replace(" ", "-"))))
        if given.html:
            (given.html / f"{number:03}-{title}.html").write_text(drawn.html, "utf-8")
        elif given.json:
            _print_json({"letter": letter.name, "sample": title, "subject": drawn.subject, "text": drawn.text})
        else:
            print(f"--- {title} ---\nSubject: {drawn.subject}\n\n{drawn.text}")
    if given.html:
        print(f"The letters are in {given.html}.")
    return OK


# --- What the commands share ------------------------------------------------------------------------------------------


def case_json(case: "Case") -> dict[str, object]:
    """A case as `--json` shows it; moments are ISO 8601 with offset."""
    return {
        "case": case.label,
        "kind": case.kind,
        "stage": case.stage,
        "opener": case.opener,
        "opened_at": case.opened_at.isoformat() if case.opened_at else None,
        "assignment_ids": list(case.assignment_ids),
        "awaits": list(case.awaits()),
        "waits": [wait.text for wait in case.waits],
        "owner": case.owner,
        "items": [
            {"role": item.role, "item": item.name, "state": item.state, "provenance": item.provenance}
            for item in case.items
        ],
        "due": [
            {"at": clock.due_at.isoformat(), "party": clock.who, "what": clock.what, "held": bool(clock.held_by)}
            for clock in sorted(case.clocks, key=lambda clock: clock.due_at)
        ],
        "holds": [hold.why for hold in case.holds],
        "impasse": case.impasse,
        "closed": case.closed,
        "outcome": case.outcome.code if case.outcome else None,
    }


# --- Reporting --------------------------------------------------------------------------------------------------------


def simulate(given: argparse.Namespace) -> int:
    """`parley simulate`."""
    from bot.reports.simulate import CASES_MAX, Plan, measure, run, table
    from bot.reports.simulate.history import replay
    from bot.reports.simulate.people import WrongPeople, load

    if not 1 <= given.cases <= CASES_MAX:
        raise Stop(f"--cases {given.cases}: should be from 1 to {CASES_MAX:,}.", USAGE)
    if given.html and find_spec("matplotlib") is None:
        raise Stop("The page's charts need matplotlib: pip install 'parley[reports]'", USAGE)
    try:
        people = load(given.parties)
    except WrongPeople as wrong:
        raise Stop(f"The parties cannot be played:\n{_indented(wrong)}", USAGE) from None
    files = [given.policy, *([given.against] if given.against else [])]
    policies = [_policy(each) for each in files]
    names = [each.stem if each else "the policy in force" for each in files]
    plan = Plan(people, given.cases, given.seed)
    if given.history:
        histories = _histories()
        if not histories:
            raise Stop("There are no cases yet whose history could be played.")
        replayed = [replay(histories, each, datetime.now(UTC)) for each in policies]
        played = [each.figures for each in replayed]
        refused = ", ".join(f"{each.refused} under {name}" for each, name in zip(replayed, names, strict=True))
        note = f"{len(histories)} own cases; decisions of people that did not fit: {refused}."
    else:
        bars = [_bar(name, given.cases) for name in names]
        cores = os.cpu_count() or 1
        played = [run(each, plan, cores, bar) for each, bar in zip(policies, bars, strict=True)]
        source = given.parties or "parties.toml as shipped"
        note = f"{given.cases:,} synthetic cases over a year, seed {given.seed}. Assumptions: {source}."
    measured = [measure(cases, each, plan) for cases, each in zip(played, policies, strict=True)]
    if given.html:
        from bot.reports.simulate.page import page

        _write(given.html, page(names, measured, played, note))
    if given.json:
        for name, each in zip(names, measured, strict=True):
            _print_json({"policy": name, **table.as_json(each)})
        return OK
    print(f"{note}\n")
    for heads, shown in (
        (names, table.rows(measured)),
        (names, table.ended(measured)),
        (table.sides(names), table.fairness(measured)),
    ):
        _print_table(("", *heads), [(name, *cells) for name, cells in shown])
        print()
    print(table.AVERAGES)
    return OK


def export(given: argparse.Namespace) -> int:
    """`parley export`."""
    from bot.flows.case import Role
    from bot.reports.evidence import gather, pack, page

    number, in_force = _number(given.case), _policy(None)
    reader = None if given.reader == "staff" else Role(given.reader)
    with _store() as store, store.read() as tx:
        found = pack(gather(tx, _case(tx.cases.get(number), given.case)), reader, in_force, datetime.now(UTC))
    if given.html:
        _write(given.html, page(found, in_force))
        print(f"{given.html}: the evidence of {found['case']} for {found['made_for']}", file=sys.stderr)
    if given.json or not given.html:
        _print_json(found)
    return OK


def report_fairness(given: argparse.Namespace) -> int:
    """`parley report fairness`."""
    from bot.reports.fairness import as_json, by_part, by_role, gather, rows

    in_force = _policy(None)
    since = _moment("--since", given.since, in_force) if given.since else None
    with _store() as store, store.read() as tx:
        cases = gather(tx, since)
    tables = (by_role(cases, in_force), by_part(cases, in_force))
    if given.json:
        for each in tables:
            for side, what in each.items():
                _print_json({"side": side, **as_json(what)})
        return OK
    print(f"{len(cases)} cases\n")
    for each in tables:
        _print_table(("", *each), rows(each))
        print()
    return OK


def _moment(option: str, text: str, in_force: "Policy", *, whole_day: bool = False) -> datetime:
    """A moment as an operator types it, UTC; in the policy's zone unless it has an offset.

    A date alone is its beginning, or with `whole_day` its end.
    """
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise Stop(f"{option} {text}: it should be a time such as 2026-09-14 or 2026-09-14T10:00", USAGE) from None
    if whole_day and found.time() == time():
        found = datetime.combine(found.date(), time.max, found.tzinfo)
    zone = in_force.calendar(None).local(datetime.now(UTC)).tzinfo
    return (found if found.tzinfo else found.replace(tzinfo=zone)).astimezone(UTC)


def _histories() -> "list[tuple[int, list[Event]]]":
    """The events of every case whose words were not erased."""
    with _store() as store, store.read() as tx:
        recorded = [(case.number, tx.events.history(case.number)) for case in tx.cases.all()]
    read = [(number, [each.event for each in lines if each.event], len(lines)) for number, lines in recorded]
    return [(number, events) for number, events, count in read if events and len(events) == count]


def _bar(name: str, total: int) -> "Callable[[int], None]":
    """A progress bar on stderr, if that is a terminal."""
    done = 0

    def more(count: int) -> None:
        nonlocal done
        done += count
        if sys.stderr.isatty():
            filled = round(30 * done / total)
            print(f"\r{name} [{'#' * filled}{' ' * (30 - filled)}] {done:,} of {total:,}", end="", file=sys.stderr)
            if done >= total:
                print(file=sys.stderr)

    return more


def _write(path: Path, text: str) -> None:
    """Write a file as a whole or not at all. Raises `Stop` if it cannot be written."""
    draft = path.with_name(f".{path.name}.part")
    try:
        draft.write_text(text, encoding="utf-8")
        draft.replace(path)
    except OSError as wrong:
        draft.unlink(missing_ok=True)
        raise Stop(f"{path} cannot be written: {wrong.strerror}.") from None


@contextmanager
def _store() -> "Iterator[Store]":
    """The database of the settings, at this version's schema. Raises `Stop` with what to do otherwise."""
    from bot.storage.schema import SchemaState, schema_state
    from bot.storage.store import Store, sqlite_path

    url = _database_url()
    path = sqlite_path(url)
    if path and not path.exists():  # Looking must not make it.
        raise Stop(f"There is no database {path} yet: run `parley migrate`, or start the bot once.")
    with _database_errors():
        store = Store(url)
        try:
            state = schema_state(store.engine)
            if state is SchemaState.EMPTY:
                raise Stop("The database is empty: run `parley migrate`, or start the bot once.")
            if state is SchemaState.OLD:
                raise Stop("The database was made by an earlier version: stop the bot and run `parley migrate`.")
            if state is SchemaState.NEWER:
                raise Stop("The database was made by a later version of Parley, or by something else.")
            yield store
        finally:
            store.close()


@contextmanager
def _database_errors() -> Iterator[None]:
    from bot.storage.store import DatabaseUnreachable

    try:
        yield
    except DatabaseUnreachable as wrong:
        raise Stop(f"The database cannot be reached: {wrong.orig or wrong}") from None


def _database_url() -> str:
    from bot.settings import SettingsError, load_database_url

    try:
        url = load_database_url(os.environ, ENV_FILE)
    except SettingsError as wrong:
        raise Stop(str(wrong), USAGE) from None
    _mind_database(url)
    return url


def _mind_database(url: str) -> None:
    """Raises `Stop` for what no waiting would mend: a file that is something else, a driver that is not there."""
    from bot.storage.store import sqlite_path

    if url.startswith("postgresql") and find_spec("psycopg") is None:
        raise Stop("PostgreSQL needs its driver, which is not installed: pip install 'parley[postgres]'", USAGE)
    path = sqlite_path(url)
    if path is None or not path.is_file():
        return
    with path.open("rb") as file:
        beginning = file.read(len(SQLITE_BEGINS))
    if beginning and beginning != SQLITE_BEGINS:
        raise Stop(f"{path} is no SQLite database; check PARLEY_DATABASE_URL.", USAGE)


def _named_files() -> tuple[Path | None, Path | None]:
    """The policy's file and the templates' folder, as `run` would find them.

    Without complete settings only the environment is asked, not the `.env` file.
    """
    from bot.settings import SettingsError, load

    try:
        settings = load(os.environ, ENV_FILE)
    except SettingsError:
        policy_file, templates = (os.environ.get(name, "").strip() for name in ("PARLEY_POLICY", "PARLEY_TEMPLATES"))
        return Path(policy_file) if policy_file else None, Path(templates) if templates else None
    return settings.policy, settings.templates


def _policy(path: Path | None) -> "Policy":
    """The policy of `path`, else of PARLEY_POLICY, else the defaults."""
    from bot.flows.policy import PolicyError
    from bot.settings import load_policy

    try:
        return load_policy(path or _named_files()[0])
    except PolicyError as wrong:
        raise Stop(f"The policy cannot be in force:\n{_indented(wrong)}", USAGE) from None


def _number(text: str) -> int:
    digits = text.strip().upper().removeprefix("D-")
    if not digits.isascii() or not digits.isdigit() or len(digits) > 9:
        raise Stop(f"“{text}” is no case: write D-1042 or 1042.", USAGE)
    return int(digits)


def _case(found: "Case | None", asked: str) -> "Case":
    if found is None:
        raise Stop(f"There is no case {asked}; `parley cases --all` lists them.")
    return found


def _local(moment: datetime, in_force: "Policy") -> str:
    return f"{in_force.calendar(None).local(moment):%a %Y-%m-%d %H:%M %Z}"


def _shown(text: str) -> str:
    """Words of a mail, without what would steer a terminal."""
    return "".join(each if each.isprintable() else " " for each in text)


def _print_json(value: dict[str, object]) -> None:
    print(json.dumps(value, ensure_ascii=sys.stdout.encoding.lower() != "utf-8"))


def _print_table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
    widths = [max(len(str(row[column])) for row in (head, *rows)) for column in range(len(head))]
    for row in (head, *rows):
        print("  ".join(str(cell).ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _print_section(title: str, lines: Sequence[str]) -> None:
    if lines:
        print(f"\n{title}")
        for line in lines:
            print(f"  {line}")


def _indented(text: object, by: str = "  ") -> str:
    return "\n".join(f"{by}{line}" for line in str(text).splitlines())


def _usage(asked: argparse.ArgumentParser) -> NoReturn:
    raise Stop(asked.format_help().rstrip(), USAGE)


if __name__ == "__main__":
    sys.exit(main())
