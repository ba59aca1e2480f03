"""What `parley doctor` looks at: everything that must be right before Monday, each with a hint for its failure.

It changes nothing and sends nothing: it logs in, looks, and leaves.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError, SlackClientError

from bot.flows import letters
from bot.flows.letters import Wording
from bot.flows.policy import Policy, PolicyError
from bot.handlers.slack import error_of, read_staff, web_client
from bot.mail.inbox import KEYWORD, look
from bot.mail.smtp import Server, probe
from bot.settings import Settings, SettingsError, Slack, load, load_policy, load_templates
from bot.storage.mails import MailState
from bot.storage.schema import SchemaState, schema_state
from bot.storage.store import DatabaseUnreachable, Store, sqlite_path


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at: what was found, and, where it is wrong or could be better, what to do."""

    name: str
    ok: bool
    found: str
    hint: str = ""


def check_up(environ: Mapping[str, str], env_file: Path | None) -> Iterator[Check]:
    """Every check in the order of a first installation, each yielded as soon as it is done.

    Without usable settings nothing else can be looked at.
    """
    try:
        settings = load(environ, env_file)
    except SettingsError as wrong:
        yield Check("settings", False, f"{len(wrong.problems)} wrong or missing", str(wrong))
        return
    yield Check("settings", True, f"complete, mode {settings.mode}")
    policy = None
    try:
        policy = load_policy(settings.policy)
        yield Check("policy", True, f"{settings.policy or 'the defaults'}, zone {policy.week.zone}")
    except PolicyError as wrong:
        yield Check("policy", False, f"{len(wrong.problems)} wrong lines", str(wrong))
    if policy:
        yield _templates(settings, policy)
    yield from _database(settings)
    yield _mailbox(settings)
    yield _mail_server(settings)
    yield _authentication(settings)
    if settings.slack is None:
        yield Check("slack", True, "not set: Parley works by mail alone", "docs/settings.md lists the Slack settings.")
    else:
        yield from _slack(settings.slack)


def _templates(settings: Settings, policy: Policy) -> Check:
    try:
        wrong = letters.check(Wording(load_templates(settings.templates), policy.wording))
    except SettingsError as problem:
        wrong = problem.problems
    where = str(settings.templates or "as shipped")
    if wrong:
        return Check("templates", False, f"{where}: {len(wrong)} wrong", "\n".join(wrong))
    return Check("templates", True, f"{where}: every letter can be written")


def _database(settings: Settings) -> Iterator[Check]:
    """The database, and what only a database at this version's schema can tell."""
    path = sqlite_path(settings.database_url)
    if path and not path.exists():
        hint = "" if path.parent.is_dir() else f"Make the folder {path.parent} first."
        yield Check("database", not hint, f"{path.name} is not there yet; `parley run` makes it", hint)
        return
    try:
        store = Store(settings.database_url)
    except ModuleNotFoundError:
        hint = "Install it: pip install 'parley[postgres]'"
        yield Check("database", False, "the driver of PostgreSQL is not installed", hint)
        return
    try:
        state = schema_state(store.engine)
        if state is SchemaState.NEWER:
            hint = "Start the version of Parley that made it, check PARLEY_DATABASE_URL, or restore a backup."
            yield Check("database", False, "made by a later version of Parley, or by something else", hint)
            return
        if state is not SchemaState.CURRENT:
            yield Check("database", False, f"the schema is {state}", "Run `parley migrate`; stop the bot before it.")
            return
        yield Check("database", True, f"{store.engine.dialect.name}, schema of this version")
        yield from _store(store)
    except Exception as wrong:  # noqa: BLE001 - whatever the driver says, it is shown.
        said = wrong.orig if isinstance(wrong, DatabaseUnreachable) else str(wrong).partition("\n")[0]
        hint = "Check PARLEY_DATABASE_URL: a file that Parley made, or a server that runs and lets this machine in."
        yield Check("database", False, f"cannot be used: {str(said)[:200]}", hint)
    finally:
        store.close()


def _store(store: Store) -> Iterator[Check]:
    with store.read() as tx:
        assignments = tx.knowledge.count_assignments()
        quarantined = tx.inbox.quarantined(limit=1)
        unconfirmed = tx.mails.in_state(MailState.UNCONFIRMED, limit=1)
        beat = tx.beats.last("tick")
    yield Check(
        "directory",
        assignments > 0,
        f"{assignments} assignments",
        ""
        if assignments
        else "Import them: parley assignments import FILE.csv. Without, every notice waits for a person.",
    )
    if quarantined:
        yield Check("quarantine", False, "mails lie in quarantine", "`parley replay` lists them with their reasons.")
    if unconfirmed:
        yield Check("unconfirmed mail", True, "some waits for staff", "`parley cases` shows which cases wait.")
    ago = f"{(datetime.now(UTC) - beat).total_seconds():.0f} s ago" if beat else "never"
    yield Check("last beat of the bot", True, ago)


def _mailbox(settings: Settings) -> Check:
    try:
        seen = look(settings.imap_url)
    except Exception as wrong:  # noqa: BLE001 - whatever the server or the network says, it is shown.
        return Check("mailbox", False, f"{type(wrong).__name__}: {str(wrong)[:200]}", _IMAP_HINT)
    hints = [] if seen.idle else ["The server cannot push new mail (IDLE): it is polled once a minute."]
    hints += (
        [] if seen.keyword else [f"It takes no keyword {KEYWORD.decode()}: mails that were read are not marked there."]
    )
    return Check("mailbox", True, f"{settings.imap_url.folder}: {seen.mails} mails", "\n".join(hints))


_IMAP_HINT = (
    "Check PARLEY_IMAP_URL: imaps://user:password@host:993/INBOX, with @ : / in user or password percent-encoded.\n"
    "Many providers need an app password, or OAuth (PARLEY_MAIL_OAUTH)."
)


def _mail_server(settings: Settings) -> Check:
    url = settings.smtp_url
    wrong = probe(Server(url, hello=settings.mail_address.rpartition("@")[2]))
    if wrong:
        hint = "Check PARLEY_SMTP_URL: smtps://user:password@host:465 or smtp+starttls://user:password@host:587."
        return Check("mail server", False, wrong[:300], hint)
    return Check("mail server", True, f"{url.host}:{url.port} takes our login, {url.security}")


def _slack(slack: Slack) -> Iterator[Check]:
    """The token, the channels and the staff; Slack is only asked, nothing is posted."""
    client = web_client(slack.bot_token, slack.api_url)
    try:
        team = client.auth_test().get("team")
        yield Check("slack", True, f"workspace {team}, {'Socket Mode' if slack.app_token else 'HTTP'}")
        if slack.app_token:
            client.apps_connections_open(app_token=slack.app_token)
        for channel in (slack.cases_channel, *slack.intake_channels):
            yield _channel(client, channel)
        staff = read_staff(client, slack.staff, slack.leads)
        hint = "" if staff else "Check PARLEY_STAFF: a user group S…, a channel C…, or users U…,U…"
        yield Check(
            "staff", bool(staff), f"{len(staff)} may act, {sum(each.lead for each in staff)} of them as lead", hint
        )
    except SlackApiError as refusal:
        yield Check("slack", False, f"Slack refuses: {error_of(refusal)}", _SLACK_HINT)
    except (SlackClientError, OSError) as trouble:
        yield Check("slack", False, f"cannot be reached: {type(trouble).__name__}: {str(trouble)[:200]}", _SLACK_HINT)


def _channel(client: WebClient, channel: str) -> Check:
    found = client.conversations_info(channel=channel).get("channel") or {}
    name, there = f"#{found.get('name') or channel}", bool(found.get("is_member"))
    return Check("channel", there, name, "" if there else f"Invite the bot: type /invite @Parley in {name}.")


_SLACK_HINT = (
    "Check SLACK_BOT_TOKEN (xoxb-…), SLACK_APP_TOKEN (xapp-…) and the ids of the channels; after a change of\n"
    "manifest.yml install the app into the workspace again. Step by step: docs/slack-setup.md"
)


def _authentication(settings: Settings) -> Check:
    if settings.authserv_id:
        return Check("sender authentication", True, f"results of {settings.authserv_id} are believed")
    hint = (
        "Set PARLEY_AUTHSERV_ID to the name your mail server puts first into Authentication-Results.\n"
        "Without it no sender is authenticated, and a person has to sort every new mail."
    )
    return Check("sender authentication", False, "PARLEY_AUTHSERV_ID is not set", hint)
