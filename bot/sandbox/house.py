"""The whole sandbox, wired: a folder, a clock, the mail, Slack, and the real bot among them."""

import secrets
import socket
import threading
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from bot import app
from bot.directory import Directory
from bot.flows.calendar import Span
from bot.flows.policy import Policy
from bot.sandbox import imap, people
from bot.sandbox.child import Child
from bot.sandbox.clock import Clock, machine_now
from bot.sandbox.mail import AUTHSERV_ID, SUPPORT, Post, SmtpFault
from bot.sandbox.slack import Channel, Clocks, Fault, Hook, Person, SlackStandIn, Workspace, read_manifest
from bot.sandbox.slack import Options as SlackOptions
from bot.sandbox.slack.shapes import Json
from bot.settings import load_policy
from bot.storage.store import Store

ADVANCE_DAYS_MAX = 800
PASSED_ON = ("PARLEY_POLICY", "PARLEY_TEMPLATES")
"""The settings that hold in the sandbox, too: a policy and letters of one's own can be tried here."""


class Step(ValueError):
    """The clock cannot be moved so; the argument says what would be right."""


class ImapFault(StrEnum):
    OK = "ok"
    DOWN = "down"


class Sandbox:
    """Everything but the page. `manifest` is the Slack app's, parsed; None: no Slack, the bot works by mail alone.
    `by_http`: Slack calls the bot by signed requests instead of Socket Mode.

    `environ` is the sandbox's own environment; nothing of it steers the bot but `PASSED_ON`. Raises `PolicyError`.
    """

    def __init__(
        self,
        folder: Path,
        environ: Mapping[str, str],
        at: datetime | None = None,
        manifest: Json = None,
        *,
        by_http: bool = False,
    ) -> None:
        named = environ.get("PARLEY_POLICY", "").strip()
        self.policy = load_policy(Path(named) if named else None)
        self.calendar = self.policy.calendar(None)
        self.folder = folder
        self.clock = Clock.at(at or next_monday(machine_now(), self.policy))
        self._changes = threading.Condition()
        self.version = 0
        self.post = Post(folder, lambda: self.calendar.local(self.clock.now()), self.changed)
        self._hook = Hook(f"http://127.0.0.1:{_free_port()}/slack/events", secrets.token_hex(16)) if by_http else None
        self.slack = None if manifest is None else stand_in(manifest, self.clock, self._hook)
        if self.slack is not None:
            self.slack.space.changed = self.changed
        self.url = f"sqlite:///{folder / 'parley.db'}"
        self._environ = environ
        self._moving = threading.Lock()
        self.child: Child | None = None
        self.store = Store(self.url)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Returns when all of it works. Raises `MailboxDown` or `BotDown`."""
        try:
            self.post.start()
            app.prepare_database(self.url, machine_now())
            Directory(self.store).take_in(people.directory_csv())
            if self.slack is not None:
                self.slack.start()
            self.child = Child(self._settings(), self.folder, self.clock)
            self.child.start()
            self.post.wait_ready()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """The bot first, while what it talks to is still there."""
        if self.child is not None:
            self.child.stop()
        if self.slack is not None:
            self.slack.stop()
        self.post.stop()
        self.store.close()
        self.changed()

    @property
    def bot(self) -> Child:
        if self.child is None:
            raise RuntimeError("the sandbox was not started")
        return self.child

    # --- Time ---------------------------------------------------------------------------------------------------------

    def now(self) -> datetime:
        """Business time in the policy's zone."""
        return self.calendar.local(self.clock.now())

    def advance(self, span: str) -> bool:
        """Move the clock by a span as policy writes it. Raises Step or `BotDown`; False: not all came to its end.

        The span counts from when all that was sent by now has arrived: a mail's own clocks are no moment behind it.
        """
        self.idle()
        try:
            to = self.calendar.after(self.clock.now(), Span.parse(span))
        except ValueError as wrong:
            raise Step(str(wrong)) from None
        return self.advance_to(to)

    def advance_to(self, to: datetime) -> bool:
        """Move the clock to a moment (aware). Raises Step or `BotDown`; False: not all came to its end."""
        with self._moving:
            ahead = to - self.clock.now()
            if ahead < timedelta(seconds=-1):
                raise Step(f"the clock only moves forward, and it is {self.now():%a %Y-%m-%d %H:%M:%S %Z} already")
            if ahead > timedelta(days=ADVANCE_DAYS_MAX):
                raise Step(f"at most {ADVANCE_DAYS_MAX} days at a time")
            done = self.bot.advance(to.astimezone(UTC), *self._well())
        self.changed()
        return done

    def idle(self) -> bool:
        """Wait until nothing that is due now is in flight; False: something still was when patience ended."""
        done = self.bot.idle(*self._well())
        self.changed()
        return done

    def _well(self) -> tuple[bool, bool]:
        """Whether the mailbox can be reached, and whether everything can."""
        slack = self.slack is None or self.slack.faults.current is Fault.OK
        return self.post.imap_open, self.post.imap_open and self.post.smtp_fault is SmtpFault.OK and slack

    # --- What the page waits for --------------------------------------------------------------------------------------

    def changed(self) -> None:
        """Something a person could see is different now."""
        with self._changes:
            self.version += 1
            self._changes.notify_all()

    def wait_changed(self, since: int, timeout_s: float) -> int:
        """Returns the version once it is another than `since`, or after the time."""
        with self._changes:
            self._changes.wait_for(lambda: self.version != since, timeout_s)
            return self.version

    # --- The bot's settings -------------------------------------------------------------------------------------------

    def _settings(self) -> dict[str, str]:
        kept = {name: text for name, text in self._environ.items() if not _steers(name)}
        passed = {
            name: str(Path(text).absolute()) for name in PASSED_ON if (text := self._environ.get(name, "").strip())
        }
        return {
            **kept,
            **passed,
            "PARLEY_SECRET": secrets.token_hex(16),
            "PARLEY_MAIL_ADDRESS": SUPPORT,
            "PARLEY_IMAP_URL": f"imap://{imap.USER}:{imap.PASSWORD}@127.0.0.1:{self.post.imap_port}/INBOX",
            "PARLEY_SMTP_URL": f"smtp://127.0.0.1:{self.post.bot_port}",
            "PARLEY_DATABASE_URL": self.url,
            "PARLEY_AUTHSERV_ID": AUTHSERV_ID,
            **(slack_settings(self.slack, self._hook) if self.slack else {}),
        }


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def _steers(name: str) -> bool:
    """Whether a variable would steer the bot: settings, and proxies, which slack_sdk uses for this machine, too."""
    return name.startswith(("PARLEY_", "SLACK_")) or name.lower().endswith("_proxy")


def stand_in(manifest: Json, clock: Clock, hook: Hook | None = None) -> SlackStandIn:
    """Slack with the sandbox's staff in it, dated by its clock. Its rates are off: a walked clock has no seconds."""
    users = tuple(each.user for each in people.STAFF)
    space = Workspace(
        users=[Person(each.user, each.handle, each.name, f"{each.handle}@parley.example") for each in people.STAFF],
        channels=[
            Channel(people.CASES_CHANNEL, "disputes", users),
            Channel(people.INTAKE_CHANNEL, "support-intake", users),
        ],
        manifest=read_manifest(manifest),
        clocks=Clocks(wall=lambda: clock.now().timestamp()),
    )
    return SlackStandIn(space, SlackOptions(rates=False, hook=hook))


def slack_settings(slack: SlackStandIn, hook: Hook | None) -> dict[str, str]:
    """The bot's settings for that Slack."""
    inbound = {"SLACK_APP_TOKEN": slack.space.app.app_token}
    if hook is not None:
        inbound = {"SLACK_SIGNING_SECRET": hook.signing_secret, "PARLEY_HTTP": urlsplit(hook.url).netloc}
    return {
        **inbound,
        "SLACK_BOT_TOKEN": slack.space.app.bot_token,
        "SLACK_API_URL": slack.api_url,
        "PARLEY_CASES_CHANNEL": people.CASES_CHANNEL,
        "PARLEY_INTAKE_CHANNELS": people.INTAKE_CHANNEL,
        "PARLEY_STAFF": ",".join(each.user for each in people.STAFF),
        "PARLEY_LEADS": ",".join(each.user for each in people.STAFF if each.lead),
    }


def next_monday(after: datetime, policy: Policy) -> datetime:
    """10:00 of the first Monday later than the day of `after`, in the policy's zone."""
    local = policy.calendar(None).local(after)
    days = 7 - local.weekday()
    return (local.replace(hour=10, minute=0, second=0, microsecond=0, tzinfo=None) + timedelta(days=days)).replace(
        tzinfo=local.tzinfo
    )
