"""What the environment says: addresses, accounts and secrets, typed, and wrong ones named all at once.

Also the door to the files that are handed into the core as values: the policy, the letters' templates, the holidays.
pydantic-settings and holidays take a second to import; they are imported when they are used, because commands such as
`parley triage` need neither.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from difflib import get_close_matches
from enum import StrEnum
from functools import lru_cache
from importlib.resources import files
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit

from bot.flows.policy import Policy, PolicyError, parse

DATABASE_URL = "sqlite:///parley.db"
PREFIXES = ("PARLEY_", "SLACK_")
SECRET_CHARS_MIN = 16
QUOTED_CHARS_MAX = 80
TEMPLATE_BYTES_MAX = 100_000
LANGUAGE = re.compile("[a-z]{2,3}")
HOLIDAY_YEARS_BACK, HOLIDAY_YEARS_AHEAD = 1, 5
PLATFORMS = {"DYNO": "Heroku", "K_SERVICE": "Cloud Run"}
"""Variables that a platform sets whose disk is empty after each restart."""


class SettingsError(ValueError):
    """Settings that cannot be used; `problems` has one sentence for each wrong one. Secret values are never in it."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class Mode(StrEnum):
    """Whether letters leave: `shadow` reads everything, shows in Slack what it would do, and mails nobody."""

    LIVE = "live"
    SHADOW = "shadow"


class ReplyAddress(StrEnum):
    """Whether Reply-To carries the token behind a plus sign; off: for mail servers that do not know plus addresses."""

    PLUS = "plus"
    OFF = "off"


class OAuthProvider(StrEnum):
    """Whose OAuth the mailbox asks for in place of a password."""

    M365 = "m365"
    GOOGLE = "google"


class Security(StrEnum):
    """How a connection is encrypted; `clear` only on this machine."""

    TLS = "tls"
    STARTTLS = "starttls"
    CLEAR = "clear"


class StaffKind(StrEnum):
    """Where Slack keeps the list of those who may act."""

    GROUP = "group"
    CHANNEL = "channel"
    USERS = "users"


@dataclass(frozen=True, slots=True)
class HostPort:
    """An address to listen on or to connect to; an IPv6 host without brackets."""

    host: str
    port: int


@dataclass(frozen=True, slots=True)
class ImapUrl:
    """The mailbox to read. `tls` is false on this machine only; `password` may be empty with OAuth."""

    host: str
    port: int
    user: str
    password: str = field(repr=False)
    folder: str
    tls: bool


@dataclass(frozen=True, slots=True)
class SmtpUrl:
    """The server that takes our letters. No login if `user` is empty; `password` may be empty with OAuth."""

    host: str
    port: int
    user: str
    password: str = field(repr=False)
    security: Security


@dataclass(frozen=True, slots=True)
class StaffSource:
    """Who may act: one user group, the members of one channel, or the users named."""

    kind: StaffKind
    ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Slack:
    """A complete set of Slack settings. Socket Mode if `app_token` is set, else HTTP with `signing_secret`."""

    bot_token: str = field(repr=False)
    app_token: str | None = field(repr=False)
    signing_secret: str | None = field(repr=False)
    cases_channel: str
    staff: StaffSource
    leads: tuple[str, ...]
    intake_channels: tuple[str, ...]
    api_url: str


@dataclass(frozen=True, slots=True)
class OAuth:
    """A complete set of OAuth client settings. `tenant` is set for m365, `refresh_token` for google."""

    provider: OAuthProvider
    client_id: str
    client_secret: str = field(repr=False)
    tenant: str | None
    refresh_token: str | None = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything `parley run` takes from its environment; see `docs/settings.md`. Secrets are not in the repr."""

    secret: tuple[str, ...] = field(repr=False)
    """The first signs, all verify."""
    mail_address: str
    imap_url: ImapUrl
    smtp_url: SmtpUrl
    slack_bot_token: str | None = field(default=None, repr=False)
    slack_app_token: str | None = field(default=None, repr=False)
    slack_signing_secret: str | None = field(default=None, repr=False)
    cases_channel: str | None = None
    staff: StaffSource | None = None
    slack_api_url: str = "https://slack.com/api/"
    leads: tuple[str, ...] = ()
    intake_channels: tuple[str, ...] = ()
    database_url: str = field(default=DATABASE_URL, repr=False)
    policy: Path | None = None
    templates: Path | None = None
    mode: Mode = Mode.LIVE
    mail_since: date | None = None
    authserv_id: str | None = None
    reply_address: ReplyAddress = ReplyAddress.PLUS
    sent_folder: str | None = None
    copy_address: str | None = None
    mail_oauth: OAuthProvider | None = None
    mail_oauth_client_id: str | None = None
    mail_oauth_client_secret: str | None = field(default=None, repr=False)
    mail_oauth_tenant: str | None = None
    mail_oauth_refresh_token: str | None = field(default=None, repr=False)
    clamd: HostPort | Path | None = None
    http: HostPort | None = None

    @property
    def slack(self) -> Slack | None:
        """The Slack settings as a whole; None: Parley works by mail alone."""
        if self.slack_bot_token is None or self.cases_channel is None or self.staff is None:
            return None
        return Slack(
            bot_token=self.slack_bot_token,
            app_token=self.slack_app_token,
            signing_secret=self.slack_signing_secret,
            cases_channel=self.cases_channel,
            staff=self.staff,
            leads=self.leads,
            intake_channels=self.intake_channels,
            api_url=self.slack_api_url,
        )

    @property
    def oauth(self) -> OAuth | None:
        """The OAuth settings as a whole; None: the mailbox takes a password."""
        if self.mail_oauth is None or self.mail_oauth_client_id is None or self.mail_oauth_client_secret is None:
            return None
        return OAuth(
            provider=self.mail_oauth,
            client_id=self.mail_oauth_client_id,
            client_secret=self.mail_oauth_client_secret,
            tenant=self.mail_oauth_tenant,
            refresh_token=self.mail_oauth_refresh_token,
        )


def load(environ: Mapping[str, str], env_file: Path | None = None) -> Settings:
    """The settings of `environ`, and of a `.env` file for names that are not set there; an empty value is not set.

    Raises `SettingsError` that names every missing and every wrong setting at once.
    """
    given = _given(environ, env_file)
    values, problems = _parsed(given, SETTINGS)
    problems += _incomplete(values, given)
    problems += _misspelt(given)
    problems += _ephemeral(str(values.get("database_url", DATABASE_URL)), environ)
    if problems:
        raise SettingsError(tuple(problems))
    return Settings(**values)


def load_database_url(environ: Mapping[str, str], env_file: Path | None = None) -> str:
    """`PARLEY_DATABASE_URL` alone, for commands that only read or migrate the store.

    Raises `SettingsError` as `load` does, for this setting.
    """
    given = _given(environ, env_file)
    values, problems = _parsed(given, tuple(each for each in SETTINGS if each.field == "database_url"))
    url = str(values.get("database_url", DATABASE_URL))
    problems += _ephemeral(url, environ)
    if problems:
        raise SettingsError(tuple(problems))
    return url


def load_policy(path: Path | None, year: int | None = None) -> Policy:
    """The defaults, overridden by what the file at `path` names; None: the defaults.

    Holidays are known from the year before `year` to five years after it; None: this year. Raises `PolicyError` with
    the file's name and every wrong line in it.
    """
    defaults = files("bot").joinpath("policy.toml").read_text("utf-8")
    where = str(path) if path else "policy"
    try:
        text = path.read_text("utf-8-sig") if path else ""
        return parse(text, defaults, Holidays(year or datetime.now(UTC).year))
    except PolicyError as wrong:
        raise PolicyError(wrong.problems, where) from None
    except OSError as wrong:
        raise PolicyError((f"cannot be read: {wrong.strerror}",), where) from None
    except UnicodeDecodeError:
        raise PolicyError(("is not UTF-8 text",), where) from None


def load_templates(path: Path | None) -> dict[str, str]:
    """The letters' templates by file name: those shipped and, in their place or in another language, those of `path`.

    `notice.md` in the folder `path` takes the place of the one shipped; `de/notice.md` is the same letter in German.
    Names that begin with a dot are left out. Raises `SettingsError` that names every file which is none of the letters,
    is too large, or cannot be read.
    """
    letters = files("bot").joinpath("letters")
    templates = {each.name: each.read_text("utf-8") for each in letters.iterdir() if each.name.endswith(".md")}
    shipped = tuple(sorted(templates))
    problems: list[str] = []
    for name, file in _files(path).items() if path else ():
        try:
            templates[name] = _template(file, shipped)
        except OSError as wrong:
            problems.append(f"{file}: cannot be read: {wrong.strerror}")
        except ValueError as wrong:
            problems.append(f"{file}: {wrong}")
    if problems:
        raise SettingsError(tuple(problems))
    return dict(sorted(templates.items()))


@dataclass(frozen=True, slots=True)
class Holidays(Mapping[str, frozenset[date]]):
    """The public holidays of countries ("US") and regions ("US-CA") around `year`; computed when first asked for."""

    year: int

    def __getitem__(self, name: str) -> frozenset[date]:
        if name not in self:
            raise KeyError(name)
        return _holidays(name, self.year)

    def __contains__(self, name: object) -> bool:
        return name in _countries()

    def __iter__(self) -> Iterator[str]:
        return iter(_countries())

    def __len__(self) -> int:
        return len(_countries())


@lru_cache(maxsize=1)
def _countries() -> tuple[str, ...]:
    from holidays import list_supported_countries

    supported = list_supported_countries(include_aliases=False)
    return tuple(sorted({*supported, *(f"{code}-{part}" for code, parts in supported.items() for part in parts)}))


@lru_cache(maxsize=64)
def _holidays(name: str, year: int) -> frozenset[date]:
    from holidays import country_holidays

    country, _, region = name.partition("-")
    years = range(year - HOLIDAY_YEARS_BACK, year + HOLIDAY_YEARS_AHEAD + 1)
    return frozenset(country_holidays(country, subdiv=region or None, years=years))


def _files(folder: Path) -> dict[str, Path]:
    """What is in a folder of templates and in its folders that are named like a language, by relative name."""
    try:
        seen = sorted(each for each in folder.iterdir() if not each.name.startswith("."))
        languages = [each for each in seen if each.is_dir() and LANGUAGE.fullmatch(each.name)]
        inside = [each for language in languages for each in sorted(language.iterdir())]
    except OSError as wrong:
        raise SettingsError((f"{wrong.filename}: cannot be read: {wrong.strerror}",)) from None
    found = [each for each in (*seen, *inside) if each not in languages and not each.name.startswith(".")]
    return {each.relative_to(folder).as_posix(): each for each in found}


def _template(file: Path, letters: tuple[str, ...]) -> str:
    if file.name not in letters or not file.is_file():
        near = get_close_matches(file.name, letters, n=1)
        meant = f"did you mean {near[0]}?" if near else f"the letters are {', '.join(letters)}"
        raise ValueError(f"there is no such letter; {meant}")
    if file.stat().st_size > TEMPLATE_BYTES_MAX:
        raise ValueError(f"larger than {TEMPLATE_BYTES_MAX} bytes")
    try:
        return file.read_text("utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError("is not UTF-8 text") from None


def _given(environ: Mapping[str, str], env_file: Path | None) -> dict[str, str]:
    """What is set, by name: `environ` before the `.env` file, without empty values."""
    from pydantic_settings import BaseSettings, DotEnvSettingsSource, SettingsConfigDict

    class Environment(BaseSettings):
        model_config = SettingsConfigDict(extra="allow", case_sensitive=True)

    try:
        found = DotEnvSettingsSource(Environment, env_file=env_file, env_file_encoding="utf-8-sig")()
    except UnicodeDecodeError:
        raise SettingsError((f"{env_file}: is not UTF-8 text",)) from None
    found |= {name: text for name, text in environ.items() if name.startswith(PREFIXES) and text.strip()}
    return {name: text.strip() for name, text in found.items() if isinstance(text, str) and text.strip()}


def _parsed(given: Mapping[str, str], settings: tuple["Setting", ...]) -> tuple[dict[str, Any], list[str]]:
    """The values by field, and what is wrong. A wrong secret is not quoted."""
    values: dict[str, Any] = {}
    problems: list[str] = []
    for each in settings:
        if (text := given.get(each.name)) is not None:
            try:
                values[each.field] = each.parse(text)
            except ValueError as wrong:
                quoted = "" if each.secret else f' "{text[:QUOTED_CHARS_MAX]}"'
                problems.append(f"{each.name}{quoted}: {wrong}; it should be {each.should}")
    return values, problems


def _incomplete(values: Mapping[str, object], given: Mapping[str, str]) -> list[str]:
    """What is missing: required settings, and the rest of a group of which some are set."""
    known = {each.name: each for each in SETTINGS}
    missing = [name for name in REQUIRED if name not in given]
    problems = [f"{name} is missing: it should be {known[name].should}" for name in missing]
    problems += _incomplete_slack(given)
    oauth = {each.name for each in SETTINGS if each.name.startswith("PARLEY_MAIL_OAUTH")} & given.keys()
    needed = ["PARLEY_MAIL_OAUTH", "PARLEY_MAIL_OAUTH_CLIENT_ID", "PARLEY_MAIL_OAUTH_CLIENT_SECRET"]
    if values.get("mail_oauth") is OAuthProvider.M365:
        needed.append("PARLEY_MAIL_OAUTH_TENANT")
    if values.get("mail_oauth") is OAuthProvider.GOOGLE:
        needed.append("PARLEY_MAIL_OAUTH_REFRESH_TOKEN")
    problems += [f"{name} is missing: OAuth needs it" for name in needed if oauth and name not in given]
    for name, url in (("PARLEY_IMAP_URL", values.get("imap_url")), ("PARLEY_SMTP_URL", values.get("smtp_url"))):
        if isinstance(url, ImapUrl | SmtpUrl) and url.user and not url.password and not oauth:
            problems.append(f"{name}: the password is missing; it should be {known[name].should}")
    return problems


def _incomplete_slack(given: Mapping[str, str]) -> list[str]:
    inbound = ("SLACK_APP_TOKEN", "SLACK_SIGNING_SECRET")
    rest = ("SLACK_BOT_TOKEN", "PARLEY_CASES_CHANNEL", "PARLEY_STAFF")
    if not any(name in given for name in (*inbound, *rest)):
        return []
    missing = [name for name in rest if name not in given]
    if not any(name in given for name in inbound):
        missing.insert(0, "SLACK_APP_TOKEN (for Socket Mode) or SLACK_SIGNING_SECRET (for HTTP)")
    problems = [f"{name} is missing: the Slack settings come all or none" for name in missing]
    if "SLACK_SIGNING_SECRET" in given and "SLACK_APP_TOKEN" not in given and "PARLEY_HTTP" not in given:
        problems.append("PARLEY_HTTP is missing: without SLACK_APP_TOKEN Slack calls /slack/events at that address")
    return problems


def _misspelt(given: Mapping[str, str]) -> list[str]:
    """Names of ours that nobody reads, if they look like a slip; others may be meant for somebody else."""
    known = [each.name for each in SETTINGS]
    slips = [(name, get_close_matches(name, known, n=1, cutoff=0.85)) for name in given if name not in known]
    return [f"{name} is not a setting: did you mean {near[0]}?" for name, near in slips if near]


def _ephemeral(database_url: str, environ: Mapping[str, str]) -> list[str]:
    platform = next((PLATFORMS[name] for name in PLATFORMS if environ.get(name)), None)
    if platform is None or not database_url.startswith("sqlite:"):
        return []
    wrong = f"SQLite cannot be used on {platform}, whose disk is empty after each restart"
    right = "add a PostgreSQL database and write postgresql+psycopg://user:password@host:port/name"
    return [f"PARLEY_DATABASE_URL: {wrong}; {right}"]


# Parsers: each takes the text of a setting, and raises `ValueError` with what is wrong, never with the text itself.


def _secret(text: str) -> tuple[str, ...]:
    secrets = tuple(part.strip() for part in text.split(","))
    if any(len(secret) < SECRET_CHARS_MIN for secret in secrets):
        raise ValueError("too short" if len(secrets) == 1 else "one of its parts is too short")
    return secrets


def _plain(text: str) -> str:
    if not text.isprintable():
        raise ValueError("it has characters that cannot be printed")
    return text


def _word(text: str) -> str:
    if not _plain(text).isascii() or " " in text:
        raise ValueError("it must be one word of ASCII characters")
    return text


def _address(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*", text):
        raise ValueError("not a mail address")
    return text.lower()


def _token(prefix: str) -> Callable[[str], str]:
    def parse_token(text: str) -> str:
        if not _word(text).startswith(prefix):
            raise ValueError(f"it does not begin with {prefix}")
        return text

    return parse_token


def _ids(text: str, kinds: str) -> tuple[str, ...]:
    ids = tuple(part.strip() for part in text.split(",") if part.strip())
    if not ids or not all(re.fullmatch(rf"[{kinds}][A-Z0-9]+", each) for each in ids):
        raise ValueError("ids are asked for, not names")
    return ids


def _users(text: str) -> tuple[str, ...]:
    return _ids(text, "UW")


def _channels(text: str) -> tuple[str, ...]:
    return _ids(text, "CG")


def _channel(text: str) -> str:
    channels = _channels(text)
    if len(channels) > 1:
        raise ValueError("only one channel can be named")
    return channels[0]


def _staff(text: str) -> StaffSource:
    ids = _ids(text, "SCGUW")
    kinds = {"S": StaffKind.GROUP, "C": StaffKind.CHANNEL, "G": StaffKind.CHANNEL}
    found = {kinds.get(each[0], StaffKind.USERS) for each in ids}
    if len(found) > 1 or (found != {StaffKind.USERS} and len(ids) > 1):
        raise ValueError("one group, one channel, or users only")
    return StaffSource(found.pop(), ids)


def _imap_url(text: str) -> ImapUrl:
    url = _url(text, ("imaps", "imap"))
    tls = url.scheme == "imaps"
    host, port = _host_port(url, 993 if tls else 143, clear=not tls)
    user, password = _login(url)
    if not user:
        raise ValueError("the user is missing")
    return ImapUrl(host, port, user, password, _decoded(url.path.removeprefix("/")) or "INBOX", tls)


def _smtp_url(text: str) -> SmtpUrl:
    kinds = {"smtps": (Security.TLS, 465), "smtp+starttls": (Security.STARTTLS, 587), "smtp": (Security.CLEAR, 25)}
    url = _url(text, tuple(kinds))
    if url.path not in ("", "/"):
        raise ValueError("nothing may follow the port; percent-encode / in user and password")
    security, port = kinds[url.scheme]
    host, port = _host_port(url, port, clear=security is Security.CLEAR)
    return SmtpUrl(host, port, *_login(url), security)


def _url(text: str, schemes: tuple[str, ...]) -> SplitResult:
    _word(text)
    try:
        url = urlsplit(text)
    except ValueError:
        raise ValueError("not a URL") from None
    if url.scheme not in schemes:
        raise ValueError(f"it must begin with {' or '.join(f'{scheme}://' for scheme in schemes)}")
    if url.query or url.fragment:
        raise ValueError("percent-encode ? and # in user and password")
    return url


def _login(url: SplitResult) -> tuple[str, str]:
    return _decoded(url.username or ""), _decoded(url.password or "")


def _decoded(text: str) -> str:
    if re.search(r"%(?![0-9A-Fa-f]{2})", text):
        raise ValueError("a % stands alone; it is written %25")
    try:
        decoded = unquote(text, errors="strict")
    except UnicodeDecodeError:
        raise ValueError("percent-encoded characters must be UTF-8") from None
    return _plain(decoded)


def _host_port(url: SplitResult, default: int, clear: bool) -> tuple[str, int]:
    """Host and port. A clear-text connection is refused unless it stays on this machine."""
    try:
        port = default if url.port is None else url.port
    except ValueError:
        raise ValueError("the port must be a number up to 65535; percent-encode : / @ in user and password") from None
    if not url.hostname:
        raise ValueError("the host is missing")
    if port == 0:
        raise ValueError("the port cannot be 0")
    if clear and not _is_loopback(url.hostname):
        raise ValueError(f"{url.scheme}:// sends the password in clear text, and is for this machine only")
    return url.hostname, port


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _listen(text: str) -> HostPort:
    return _host_and_port(text, 0)


def _clamd(text: str) -> HostPort | Path:
    return Path(text) if text.startswith("/") else _host_and_port(text, 1)


def _host_and_port(text: str, lowest: int) -> HostPort:
    found = re.fullmatch(r"(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9.-]+)):(\d{1,5})", text)
    if found is None or not lowest <= int(found[3]) <= 65535:
        raise ValueError("not a host and a port")
    return HostPort(found[1] or found[2], int(found[3]))


def _api_url(text: str) -> str:
    url = _url(text, ("https", "http"))
    _host_port(url, 443, clear=url.scheme == "http")
    return f"{text.rstrip('/')}/"


def _database_url(text: str) -> str:
    scheme, found, rest = text.partition("://")
    if scheme in ("postgres", "postgresql"):
        raise ValueError("the driver must be named: write postgresql+psycopg:// in place of what stands before //")
    if scheme not in ("sqlite", "postgresql+psycopg") or not found:
        raise ValueError("neither SQLite nor PostgreSQL")
    if scheme == "sqlite" and (not rest.startswith("/") or rest in ("/", "/:memory:")):
        raise ValueError("a file is needed: nothing may be lost at a restart")
    return text


def _file(text: str) -> Path:
    if not Path(text).is_file():
        raise ValueError("there is no such file")
    return Path(text)


def _folder(text: str) -> Path:
    if not Path(text).is_dir():
        raise ValueError("there is no such folder")
    return Path(text)


def _date(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ValueError("not a date") from None


def _mode(text: str) -> Mode:
    return Mode(_one_of(text, tuple(Mode)))


def _reply_address(text: str) -> ReplyAddress:
    return ReplyAddress(_one_of(text, tuple(ReplyAddress)))


def _oauth(text: str) -> OAuthProvider:
    return OAuthProvider(_one_of(text, tuple(OAuthProvider)))


def _one_of(text: str, choices: tuple[str, ...]) -> str:
    if text not in choices:
        raise ValueError("there is no such choice")
    return text


@dataclass(frozen=True, slots=True)
class Setting:
    """One variable: its name, its field of `Settings`, how it is read, what it should be; `secret`: never quoted."""

    name: str
    field: str
    parse: Callable[[str], object]
    should: str
    secret: bool = False


SETTINGS = (
    Setting(
        "PARLEY_SECRET",
        "secret",
        _secret,
        f"at least {SECRET_CHARS_MIN} random characters without comma, or new,old while it is being changed",
        secret=True,
    ),
    Setting(
        "PARLEY_MAIL_ADDRESS", "mail_address", _address, "the support address, such as support@marketplace.example"
    ),
    Setting(
        "PARLEY_IMAP_URL",
        "imap_url",
        _imap_url,
        "imaps://user:password@host:port/FOLDER, percent-encoded (imap:// on this machine only)",
        secret=True,
    ),
    Setting(
        "PARLEY_SMTP_URL",
        "smtp_url",
        _smtp_url,
        "smtps:// or smtp+starttls://user:password@host:port, percent-encoded (smtp:// on this machine only)",
        secret=True,
    ),
    Setting("SLACK_BOT_TOKEN", "slack_bot_token", _token("xoxb-"), "the bot user's token, xoxb-…", secret=True),
    Setting("SLACK_APP_TOKEN", "slack_app_token", _token("xapp-"), "the app-level token, xapp-…", secret=True),
    Setting("SLACK_SIGNING_SECRET", "slack_signing_secret", _word, "the app's signing secret", secret=True),
    Setting("PARLEY_CASES_CHANNEL", "cases_channel", _channel, "the id of a channel, such as C0123456789"),
    Setting(
        "PARLEY_STAFF",
        "staff",
        _staff,
        "the id of a user group (S…), of a channel (C…), or of users, with commas (U…,U…)",
    ),
    Setting("SLACK_API_URL", "slack_api_url", _api_url, "https://slack.com/api/ (http:// on this machine only)"),
    Setting("PARLEY_LEADS", "leads", _users, "ids of users, with commas (U…,U…)"),
    Setting("PARLEY_INTAKE_CHANNELS", "intake_channels", _channels, "ids of channels, with commas (C…,C…)"),
    Setting(
        "PARLEY_DATABASE_URL",
        "database_url",
        _database_url,
        "sqlite:///FILE (sqlite:////PATH from the root) or postgresql+psycopg://user:password@host:port/name",
        secret=True,
    ),
    Setting("PARLEY_POLICY", "policy", _file, "the path of a TOML file"),
    Setting("PARLEY_TEMPLATES", "templates", _folder, "the path of a folder of letters, *.md"),
    Setting("PARLEY_MODE", "mode", _mode, "live or shadow"),
    Setting("PARLEY_MAIL_SINCE", "mail_since", _date, "a date such as 2026-01-31"),
    Setting("PARLEY_AUTHSERV_ID", "authserv_id", _word, "the name in our own server's Authentication-Results header"),
    Setting("PARLEY_REPLY_ADDRESS", "reply_address", _reply_address, "plus or off"),
    Setting("PARLEY_SENT_FOLDER", "sent_folder", _plain, "the name of a mail folder, such as Sent"),
    Setting("PARLEY_COPY_ADDRESS", "copy_address", _address, "a mail address that gets a copy of each letter"),
    Setting("PARLEY_MAIL_OAUTH", "mail_oauth", _oauth, "m365 or google"),
    Setting("PARLEY_MAIL_OAUTH_CLIENT_ID", "mail_oauth_client_id", _word, "the client id of the app registration"),
    Setting(
        "PARLEY_MAIL_OAUTH_CLIENT_SECRET",
        "mail_oauth_client_secret",
        _word,
        "the client secret of the app registration",
        secret=True,
    ),
    Setting("PARLEY_MAIL_OAUTH_TENANT", "mail_oauth_tenant", _word, "the directory (tenant) id, for m365"),
    Setting(
        "PARLEY_MAIL_OAUTH_REFRESH_TOKEN",
        "mail_oauth_refresh_token",
        _word,
        "the mailbox's refresh token, for google",
        secret=True,
    ),
    Setting("PARLEY_CLAMD", "clamd", _clamd, "host:port, or the path of a socket"),
    Setting("PARLEY_HTTP", "http", _listen, "host:port to listen on, such as 127.0.0.1:8080"),
)
"""Every setting there is, in the order of `docs/settings.md`."""

REQUIRED = ("PARLEY_SECRET", "PARLEY_MAIL_ADDRESS", "PARLEY_IMAP_URL", "PARLEY_SMTP_URL")
