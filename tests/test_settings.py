"""The settings: what is read, what is refused, and that no secret is ever told."""

import json
import re
import subprocess
import sys
from dataclasses import MISSING, fields
from datetime import date
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bot.flows.policy import PolicyError
from bot.settings import (
    REQUIRED,
    SETTINGS,
    Holidays,
    HostPort,
    ImapUrl,
    Mode,
    OAuth,
    OAuthProvider,
    ReplyAddress,
    Security,
    Settings,
    SettingsError,
    Slack,
    SmtpUrl,
    StaffKind,
    StaffSource,
    load,
    load_database_url,
    load_policy,
    load_templates,
)

ROOT = Path(__file__).resolve().parent.parent
MINIMUM = {
    "PARLEY_SECRET": "correct-horse-battery",
    "PARLEY_MAIL_ADDRESS": "support@marketplace.example",
    "PARLEY_IMAP_URL": "imaps://support%40marketplace.example:hunter%3A2@imap.marketplace.example/INBOX",
    "PARLEY_SMTP_URL": "smtp+starttls://support:hunter2@smtp.marketplace.example",
}
SLACK = {
    "SLACK_BOT_TOKEN": "xoxb-1-abc",
    "SLACK_APP_TOKEN": "xapp-1-abc",
    "PARLEY_CASES_CHANNEL": "C0123",
    "PARLEY_STAFF": "S0123",
}
OAUTH = {
    "PARLEY_MAIL_OAUTH": "m365",
    "PARLEY_MAIL_OAUTH_CLIENT_ID": "client",
    "PARLEY_MAIL_OAUTH_CLIENT_SECRET": "client-hunter2",
    "PARLEY_MAIL_OAUTH_TENANT": "tenant",
}


def refused(**changes):
    with pytest.raises(SettingsError) as wrong:
        load({**MINIMUM, **changes})
    return wrong.value.problems


def told(environ):
    """All that can be read on a terminal of the settings, or of their refusal."""
    try:
        return repr(load(environ))
    except SettingsError as wrong:
        return str(wrong)


def settings(**changes):
    return load({**MINIMUM, **changes})


def test_the_four_required_settings_are_enough():
    found = settings()
    assert found.secret == ("correct-horse-battery",)
    assert found.mail_address == "support@marketplace.example"
    assert found.imap_url == ImapUrl(
        "imap.marketplace.example", 993, "support@marketplace.example", "hunter:2", "INBOX", tls=True
    )
    assert found.smtp_url == SmtpUrl("smtp.marketplace.example", 587, "support", "hunter2", Security.STARTTLS)
    assert found.slack is None
    assert found.oauth is None
    assert found.database_url == "sqlite:///parley.db"
    assert (found.mode, found.reply_address) == (Mode.LIVE, ReplyAddress.PLUS)
    assert (found.leads, found.intake_channels) == ((), ())
    assert (found.policy, found.templates, found.mail_since, found.clamd, found.http) == (None,) * 5


def test_everything_missing_is_named_at_once_with_what_it_should_be():
    with pytest.raises(SettingsError) as wrong:
        load({})
    assert [problem.split(" is missing: it should be ")[0] for problem in wrong.value.problems] == list(REQUIRED)
    assert str(wrong.value).splitlines() == list(wrong.value.problems)


def test_wrong_and_missing_ones_are_named_together():
    problems = refused(
        PARLEY_SECRET="short",
        PARLEY_MAIL_ADDRESS="",
        PARLEY_MODE="lve",
        PARLEY_HTTP="8080",
        SLACK_BOT_TOKEN="xoxb-1",
        PARLEY_LEAD="U0123",
        PARLEY_MAIL_OAUTH_TENANT="tenant",
        DYNO="web.1",
    )
    assert [problem.split()[0].strip(":") for problem in problems] == [
        "PARLEY_SECRET",
        "PARLEY_MODE",
        "PARLEY_HTTP",
        "PARLEY_MAIL_ADDRESS",
        "SLACK_APP_TOKEN",
        "PARLEY_CASES_CHANNEL",
        "PARLEY_STAFF",
        "PARLEY_MAIL_OAUTH",
        "PARLEY_MAIL_OAUTH_CLIENT_ID",
        "PARLEY_MAIL_OAUTH_CLIENT_SECRET",
        "PARLEY_LEAD",
        "PARLEY_DATABASE_URL",
    ]
    assert problems[1] == 'PARLEY_MODE "lve": there is no such choice; it should be live or shadow'


def test_a_secret_is_a_pair_while_it_is_changed():
    assert settings(PARLEY_SECRET="new-secret-0123456, old-secret-0123456").secret == (
        "new-secret-0123456",
        "old-secret-0123456",
    )
    assert "one of its parts is too short" in refused(PARLEY_SECRET="new-secret-0123456,")[0]


@pytest.mark.parametrize(
    ("url", "found"),
    [
        ("imaps://u:p@mail.example", ImapUrl("mail.example", 993, "u", "p", "INBOX", tls=True)),
        ("imaps://u:p@mail.example:1993/", ImapUrl("mail.example", 1993, "u", "p", "INBOX", tls=True)),
        ("imaps://u:p@mail.example/Team/In%20box", ImapUrl("mail.example", 993, "u", "p", "Team/In box", tls=True)),
        ("imaps://u@x.example:p@mail.example", ImapUrl("mail.example", 993, "u@x.example", "p", "INBOX", tls=True)),
        ("imaps://u:%25%3A%2F%40%23@mail.example", ImapUrl("mail.example", 993, "u", "%:/@#", "INBOX", tls=True)),
        ("imaps://u:%C3%A4@mail.example", ImapUrl("mail.example", 993, "u", "ä", "INBOX", tls=True)),
        ("imap://u:p@localhost", ImapUrl("localhost", 143, "u", "p", "INBOX", tls=False)),
        ("imap://u:p@[::1]:1143", ImapUrl("::1", 1143, "u", "p", "INBOX", tls=False)),
    ],
)
def test_a_mailbox_is_read_from_its_url(url, found):
    assert settings(PARLEY_IMAP_URL=url).imap_url == found


@pytest.mark.parametrize(
    ("url", "found"),
    [
        ("smtps://u:p@mail.example", SmtpUrl("mail.example", 465, "u", "p", Security.TLS)),
        ("smtp+starttls://u:p@mail.example:2587/", SmtpUrl("mail.example", 2587, "u", "p", Security.STARTTLS)),
        ("smtp://127.0.0.1:2525", SmtpUrl("127.0.0.1", 2525, "", "", Security.CLEAR)),
        ("smtps://relay.example", SmtpUrl("relay.example", 465, "", "", Security.TLS)),
    ],
)
def test_a_mail_server_is_read_from_its_url(url, found):
    assert settings(PARLEY_SMTP_URL=url).smtp_url == found


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("imap://u:hunter2@mail.example", "imap:// sends the password in clear text, and is for this machine only"),
        ("imap://u:hunter2@localhost.example", "for this machine only"),
        ("pop3://u:hunter2@mail.example", "it must begin with imaps:// or imap://"),
        ("u:hunter2@mail.example", "it must begin with imaps:// or imap://"),
        ("imaps://u:hunter2@", "the host is missing"),
        ("imaps://mail.example", "the user is missing"),
        ("imaps://u@mail.example", "the password is missing"),
        ("imaps://u:hunter2@mail.example:0", "the port cannot be 0"),
        ("imaps://u:hunter2@mail.example:70000", "the port must be a number up to 65535"),
        ("imaps://u:hunter2/x@mail.example", "percent-encode : / @ in user and password"),
        ("imaps://u:hunter2#x@mail.example", "percent-encode ? and # in user and password"),
        ("imaps://u:hunter2%@mail.example", "a % stands alone; it is written %25"),
        ("imaps://u:hunter2%FF@mail.example", "must be UTF-8"),
        ("imaps://u:hunter2%0D%0A@mail.example", "characters that cannot be printed"),
        ("imaps://u:hunter2@[mail.example", "not a URL"),
        ("imaps://u:hunter 2@mail.example", "one word of ASCII characters"),
    ],
)
def test_a_wrong_mailbox_is_refused_without_telling_the_password(url, says):
    (problem,) = refused(PARLEY_IMAP_URL=url)
    assert problem.startswith("PARLEY_IMAP_URL: ")
    assert says in problem
    assert "it should be imaps://user:password@host:port/FOLDER" in problem
    assert "hunter2" not in problem


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("smtp://u:hunter2@mail.example", "clear text"),
        ("smtps://u:hunter2@mail.example/x", "nothing may follow the port"),
        ("smtps://u@mail.example", "the password is missing"),
    ],
)
def test_a_wrong_mail_server_is_refused_without_telling_the_password(url, says):
    (problem,) = refused(PARLEY_SMTP_URL=url)
    assert says in problem
    assert "hunter2" not in problem


def test_a_complete_set_of_slack_settings_is_one_value():
    found = settings(**SLACK, PARLEY_LEADS="U1, U2", PARLEY_INTAKE_CHANNELS="C1,G2")
    assert found.slack == Slack(
        bot_token="xoxb-1-abc",
        app_token="xapp-1-abc",
        signing_secret=None,
        cases_channel="C0123",
        staff=StaffSource(StaffKind.GROUP, ("S0123",)),
        leads=("U1", "U2"),
        intake_channels=("C1", "G2"),
        api_url="https://slack.com/api/",
    )
    assert found.leads == ("U1", "U2")
    assert found.intake_channels == ("C1", "G2")


@pytest.mark.parametrize("left_out", sorted(SLACK))
def test_some_slack_settings_are_refused_naming_the_missing(left_out):
    (problem,) = refused(**{name: text for name, text in SLACK.items() if name != left_out})
    assert problem.startswith(left_out)
    assert problem.endswith("is missing: the Slack settings come all or none")


def test_slack_over_http_needs_an_address_to_be_called_at():
    over_http = {**SLACK, "SLACK_APP_TOKEN": "", "SLACK_SIGNING_SECRET": "0123abcd"}
    (problem,) = refused(**over_http)
    assert problem.startswith("PARLEY_HTTP is missing")
    found = settings(**over_http, PARLEY_HTTP="0.0.0.0:8080")
    assert found.http == HostPort("0.0.0.0", 8080)
    assert found.slack is not None
    assert (found.slack.app_token, found.slack.signing_secret) == (None, "0123abcd")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("S0123", StaffSource(StaffKind.GROUP, ("S0123",))),
        ("C0123", StaffSource(StaffKind.CHANNEL, ("C0123",))),
        ("U0123, W0456", StaffSource(StaffKind.USERS, ("U0123", "W0456"))),
    ],
)
def test_staff_is_a_group_a_channel_or_users(text, found):
    assert settings(**{**SLACK, "PARLEY_STAFF": text}).staff == found


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("PARLEY_STAFF", "S1,U2", "one group, one channel, or users only"),
        ("PARLEY_STAFF", "S1,S2", "one group, one channel, or users only"),
        ("PARLEY_STAFF", "@support", "ids are asked for, not names"),
        ("PARLEY_CASES_CHANNEL", "#disputes", "ids are asked for, not names"),
        ("PARLEY_CASES_CHANNEL", "C1,C2", "only one channel can be named"),
        ("SLACK_BOT_TOKEN", "xapp-1-abc", "it does not begin with xoxb-"),
        ("SLACK_API_URL", "http://slack.example/api/", "for this machine only"),
    ],
)
def test_a_wrong_slack_setting_says_what_it_should_be(name, text, says):
    (problem,) = refused(**{**SLACK, name: text})
    assert problem.startswith(name)
    assert f"{says}" in problem


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("PARLEY_MAIL_ADDRESS", "Support <support@marketplace.example>", "not a mail address"),
        ("PARLEY_LEADS", ",", "ids are asked for, not names"),
        ("PARLEY_DATABASE_URL", "postgres://u:hunter2@db.example/parley", "write postgresql+psycopg://"),
        ("PARLEY_DATABASE_URL", "mysql://u:hunter2@db.example/parley", "neither SQLite nor PostgreSQL"),
        ("PARLEY_DATABASE_URL", "sqlite://", "a file is needed"),
        ("PARLEY_DATABASE_URL", "sqlite:///:memory:", "a file is needed"),
        ("PARLEY_DATABASE_URL", "parley.db", "neither SQLite nor PostgreSQL"),
        ("PARLEY_POLICY", "nowhere.toml", "there is no such file"),
        ("PARLEY_TEMPLATES", "nowhere", "there is no such folder"),
        ("PARLEY_MAIL_SINCE", "31.01.2026", "not a date; it should be a date such as 2026-01-31"),
        ("PARLEY_REPLY_ADDRESS", "minus", "it should be plus or off"),
        ("PARLEY_AUTHSERV_ID", "mx one", "one word of ASCII characters"),
        ("PARLEY_SENT_FOLDER", "Sent\x07", "cannot be printed"),
        ("PARLEY_CLAMD", "host", "it should be host:port, or the path of a socket"),
        ("PARLEY_CLAMD", "host:0", "not a host and a port"),
        ("PARLEY_HTTP", "127.0.0.1:70000", "not a host and a port"),
    ],
)
def test_a_wrong_setting_says_what_it_should_be(name, text, says):
    (problem,) = refused(**{name: text})
    assert problem.startswith(name)
    assert says in problem
    assert "hunter2" not in problem


def test_the_optional_settings_are_read(tmp_path):
    (tmp_path / "our.toml").touch()
    found = settings(
        PARLEY_DATABASE_URL="postgresql+psycopg://u:hunter2@db.example/parley",
        PARLEY_POLICY=str(tmp_path / "our.toml"),
        PARLEY_TEMPLATES=str(tmp_path),
        PARLEY_MODE="shadow",
        PARLEY_MAIL_SINCE="2026-01-31",
        PARLEY_AUTHSERV_ID="mx.marketplace.example",
        PARLEY_REPLY_ADDRESS="off",
        PARLEY_SENT_FOLDER="Gesendete Objekte",
        PARLEY_COPY_ADDRESS="Copies@marketplace.example",
        PARLEY_CLAMD="/run/clamd.sock",
        PARLEY_HTTP="[::1]:0",
        SLACK_API_URL="http://127.0.0.1:8801/api",
    )
    assert found.database_url == "postgresql+psycopg://u:hunter2@db.example/parley"
    assert (found.policy, found.templates) == (tmp_path / "our.toml", tmp_path)
    assert (found.mode, found.reply_address) == (Mode.SHADOW, ReplyAddress.OFF)
    assert found.mail_since == date(2026, 1, 31)
    assert (found.sent_folder, found.copy_address) == ("Gesendete Objekte", "copies@marketplace.example")
    assert found.clamd == Path("/run/clamd.sock")
    assert settings(PARLEY_CLAMD="localhost:3310").clamd == HostPort("localhost", 3310)
    assert found.http == HostPort("::1", 0)
    assert found.slack_api_url == "http://127.0.0.1:8801/api/"


def test_oauth_takes_the_place_of_the_password():
    without_password = {**OAUTH, "PARLEY_IMAP_URL": "imaps://support%40marketplace.example@outlook.example"}
    found = settings(**without_password)
    assert found.imap_url.password == ""
    assert found.oauth == OAuth(OAuthProvider.M365, "client", "client-hunter2", "tenant", None)
    google = {**OAUTH, "PARLEY_MAIL_OAUTH": "google"}
    assert refused(**google) == ("PARLEY_MAIL_OAUTH_REFRESH_TOKEN is missing: OAuth needs it",)
    assert settings(**google, PARLEY_MAIL_OAUTH_REFRESH_TOKEN="token").oauth is not None


@pytest.mark.parametrize(("variable", "platform"), [("DYNO", "Heroku"), ("K_SERVICE", "Cloud Run")])
def test_sqlite_is_refused_where_the_disk_is_ephemeral(variable, platform):
    (problem,) = refused(**{variable: "web.1"})
    assert problem.startswith(f"PARLEY_DATABASE_URL: SQLite cannot be used on {platform}")
    assert "postgresql+psycopg://" in problem
    assert settings(**{variable: "web.1"}, PARLEY_DATABASE_URL="postgresql+psycopg://u:p@db.example/parley")


def test_the_database_alone_is_enough_for_commands_that_read_the_store():
    assert load_database_url({}) == "sqlite:///parley.db"
    assert load_database_url({"PARLEY_DATABASE_URL": "sqlite:////srv/parley.db"}) == "sqlite:////srv/parley.db"
    with pytest.raises(SettingsError, match="Heroku"):
        load_database_url({"DYNO": "web.1"})
    with pytest.raises(SettingsError, match="neither SQLite"):
        load_database_url({"PARLEY_DATABASE_URL": "oracle://x"})


def test_the_environment_wins_over_the_env_file(tmp_path):
    env_file = tmp_path / ".env"
    lines = [f"{name}='{text}'" for name, text in MINIMUM.items()]
    env_file.write_text(
        "\n".join(["\ufeff# ours", *lines, "PARLEY_MODE=shadow", "PARLEY_LEADS=", "OTHER=1", "export X=2"])
    )
    assert load({}, env_file).mode is Mode.SHADOW
    assert load({"PARLEY_MODE": "live", "PARLEY_SECRET": " "}, env_file).mode is Mode.LIVE
    assert load({"PARLEY_MODE": "live"}, env_file).secret == ("correct-horse-battery",)
    with pytest.raises(SettingsError, match="PARLEY_SECRET is missing"):
        load({}, tmp_path / "nowhere")


def test_an_env_file_that_is_not_utf_8_is_refused(tmp_path):
    env_file = tmp_path / ".env"
    env_file.write_bytes(b"PARLEY_SECRET=\xff\xfe")
    with pytest.raises(SettingsError, match="is not UTF-8 text"):
        load(MINIMUM, env_file)


def test_foreign_names_are_left_alone_and_slips_are_not():
    assert settings(PARLEY_UNHEARD_OF_THING="1", SLACK_CLI_CHANNEL="x", PATH="/bin")
    assert refused(PARLEY_SECERT="x") == ("PARLEY_SECERT is not a setting: did you mean PARLEY_SECRET?",)


SECRETS = {
    "PARLEY_SECRET": "hunter2-hunter2-hunter2",
    "PARLEY_IMAP_URL": "imaps://u:hunter2@imap.marketplace.example",
    "PARLEY_SMTP_URL": "smtps://u:hunter2@smtp.marketplace.example",
    "PARLEY_DATABASE_URL": "postgresql+psycopg://u:hunter2@db.example/parley",
    "SLACK_BOT_TOKEN": "xoxb-hunter2",
    "SLACK_APP_TOKEN": "xapp-hunter2",
    "SLACK_SIGNING_SECRET": "hunter2",
    "PARLEY_MAIL_OAUTH_CLIENT_SECRET": "hunter2",
    "PARLEY_MAIL_OAUTH_REFRESH_TOKEN": "hunter2",
}


def test_no_secret_is_in_the_repr():
    found = settings(**{**SLACK, **OAUTH, **SECRETS})
    for shown in (found, found.slack, found.oauth, found.imap_url, found.smtp_url):
        assert "hunter2" not in repr(shown)
        assert "hunter2" not in str(shown)
    assert {each.name for each in SETTINGS if each.secret} == set(SECRETS)


@given(st.sampled_from(sorted(SECRETS)), st.text(st.characters(codec="utf-8"), max_size=30), st.booleans())
@example("PARLEY_IMAP_URL", "://a:b@c:d", True)
def test_whatever_a_secret_setting_holds_it_is_read_or_refused_without_being_told(name, junk, scheme):
    text = f"{SECRETS[name].partition('//')[0]}//user:hunter2{junk}@host{junk}" if scheme else f"hunter2{junk}"
    assert "hunter2" not in told({**MINIMUM, **SLACK, **OAUTH, name: text})


# Policy, templates, holidays


def test_the_default_policy_knows_the_holidays_of_the_united_states():
    calendar = load_policy(None, 2026).calendar(None)
    assert date(2026, 11, 26) in calendar.holidays  # Thanksgiving
    assert date(2026, 7, 3) in calendar.holidays  # Independence Day, observed
    assert {day.year for day in calendar.holidays} >= set(range(2025, 2032))


def test_a_policy_file_may_name_countries_and_regions(tmp_path):
    (tmp_path / "our.toml").write_text('\ufeff[calendar]\nholidays = ["US-CA", "DE-BE"]\n')
    calendar = load_policy(tmp_path / "our.toml", 2026).calendar(None)
    assert date(2026, 3, 31) in calendar.holidays  # César Chávez Day
    assert date(2026, 3, 8) in calendar.holidays  # Frauentag
    assert load_policy(tmp_path / "our.toml", 2026) == load_policy(tmp_path / "our.toml", 2026)


@pytest.mark.parametrize("name", ["XX", "US-XX", "us", "-", ""])
def test_an_unknown_country_or_region_is_refused(tmp_path, name):
    path = tmp_path / "our.toml"
    path.write_text(f'[calendar]\nholidays = ["{name}"]\n')
    with pytest.raises(PolicyError, match=re.escape(f"{path}: line 2: [calendar] holidays")):
        load_policy(path)


def test_the_holidays_are_a_table_of_countries_and_regions():
    table = Holidays(2026)
    assert {"US", "US-CA", "DE", "DE-BE", "GB-SCT"} <= set(table)
    assert len(table) == len(set(table)) > 200
    assert table["US-CA"] > frozenset({date(2026, 3, 31)})
    with pytest.raises(KeyError):
        table["XX"]


def test_a_policy_that_cannot_be_read_is_refused_by_name(tmp_path):
    with pytest.raises(PolicyError, match=r"nowhere\.toml: cannot be read: No such file"):
        load_policy(tmp_path / "nowhere.toml")
    (tmp_path / "our.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(PolicyError, match=r"our\.toml: is not UTF-8 text"):
        load_policy(tmp_path / "our.toml")


def test_neither_settings_nor_holidays_are_imported_for_a_policy_without_a_calendar():
    code = (
        "import json, sys; from bot.settings import load_policy; sure = load_policy(None).triage.sure_above; "
        "print(json.dumps([sure, *(name for name in ('pydantic', 'holidays') if name in sys.modules)]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    assert json.loads(done.stdout) == [0.8]


def test_the_templates_shipped_are_overridden_by_file_name(tmp_path):
    shipped = load_templates(None)
    assert shipped["notice.md"]
    (tmp_path / "notice.md").write_text("\ufeffOur own notice.")
    (tmp_path / ".hidden").write_text("x")
    (tmp_path / "de").mkdir()
    (tmp_path / "de" / "notice.md").write_text("Eine Nachricht.")
    (tmp_path / "de" / ".hidden").write_text("x")
    found = load_templates(tmp_path)
    assert found == {**shipped, "notice.md": "Our own notice.", "de/notice.md": "Eine Nachricht."}
    assert list(found) == sorted(found)


def test_a_templates_folder_with_wrong_files_is_refused_naming_each(tmp_path):
    (tmp_path / "notise.md").write_text("x")
    (tmp_path / "zzzzzz").write_text("x")
    (tmp_path / "notice.md").write_bytes(b"\xff")
    (tmp_path / "final.md").write_text("x" * 100_001)
    (tmp_path / "status.md").mkdir()
    (tmp_path / "letters").mkdir()
    with pytest.raises(SettingsError) as wrong:
        load_templates(tmp_path)
    said = {problem.removeprefix(f"{tmp_path}/").partition(":")[0]: problem for problem in wrong.value.problems}
    assert set(said) == {"notise.md", "zzzzzz", "notice.md", "final.md", "status.md", "letters"}
    assert "there is no such letter; did you mean notice.md?" in said["notise.md"]
    assert "the letters are _parts.md, agree.md" in said["zzzzzz"]
    assert "is not UTF-8 text" in said["notice.md"]
    assert "larger than 100000 bytes" in said["final.md"]


def test_a_templates_folder_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(SettingsError, match="cannot be read: No such file"):
        load_templates(tmp_path / "nowhere")


# docs/settings.md


def documented():
    rows = re.findall(
        r"^\| `([A-Z0-9_]+)` \|([^|]*)\|([^|]*)\|(.*)\|$", (ROOT / "docs" / "settings.md").read_text(), re.M
    )
    return {name: (needed.strip(), default.strip()) for name, needed, default, _ in rows}


def test_the_table_lists_exactly_the_settings_in_their_order():
    assert list(documented()) == [each.name for each in SETTINGS]
    assert {each.field for each in SETTINGS} == {each.name for each in fields(Settings)}
    assert [each.field for each in SETTINGS] == [each.name for each in fields(Settings)]


def test_the_table_says_what_is_required_and_which_default_there_is():
    defaults = {each.name: each.default for each in fields(Settings)}
    for each in SETTINGS:
        needed, default = documented()[each.name]
        assert (needed == "yes") == (each.name in REQUIRED) == (defaults[each.field] is MISSING)
        if isinstance(defaults[each.field], str):
            assert default == f"`{defaults[each.field]}`"


def test_the_first_env_file_is_one(tmp_path):
    (shown,) = re.findall(r"^```sh\n(.*?)^```$", (ROOT / "docs" / "settings.md").read_text(), re.M | re.S)
    (tmp_path / ".env").write_text(shown)
    assert load({}, tmp_path / ".env").imap_url.password == "pass:word"
