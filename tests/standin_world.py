"""A small workspace in the Slack stand-in, with clocks that tests move, and the real slack_sdk and Bolt against it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from slack_bolt import App
from slack_bolt.adapter.socket_mode import SocketModeHandler
from slack_sdk import WebClient

from bot.sandbox.slack import (
    Channel,
    Clocks,
    Kind,
    Options,
    Person,
    SlackStandIn,
    UserGroup,
    Workspace,
    read_manifest,
)

PING_S = 0.1
"""Slack's pings wake the client's reading thread, which else holds its lock for three seconds against a close."""

ANA, BEN, LEA = "U0ANA00001", "U0BEN00001", "U0LEA00001"
CASES, QUIET, SECRET, OLD = "C0CASES001", "C0QUIET001", "C0SECRET01", "C0OLD00001"

SCOPES = [
    *("app_mentions:read", "channels:history", "channels:join", "channels:read", "chat:write", "commands"),
    *("files:read", "files:write", "groups:history", "groups:read", "im:history", "im:read", "im:write"),
    *("reactions:read", "reactions:write", "team:read", "usergroups:read", "users:read", "users:read.email"),
]
EVENTS = [
    *("app_home_opened", "app_mention", "file_shared", "member_joined_channel"),
    *("message.channels", "message.groups", "message.im", "reaction_added"),
]


def manifest(scopes: list[str] | None = None) -> dict:
    """A manifest as `manifest.yml` gives it once parsed."""
    return {
        "display_information": {"name": "Parley"},
        "features": {
            "app_home": {"home_tab_enabled": True, "messages_tab_enabled": True},
            "slash_commands": [{"command": "/case", "description": "Cases"}],
            "shortcuts": [
                {"name": "New", "type": "global", "callback_id": "new_case", "description": "x"},
                {"name": "Open", "type": "message", "callback_id": "open_case", "description": "x"},
            ],
        },
        "oauth_config": {"scopes": {"bot": SCOPES if scopes is None else scopes}},
        "settings": {
            "event_subscriptions": {"bot_events": EVENTS},
            "interactivity": {"is_enabled": True},
            "socket_mode_enabled": True,
        },
    }


@dataclass
class Hands:
    """Two clocks that only tests move."""

    wall_s: float = 1_800_000_000.0
    stopwatch_s: float = 100.0

    def clocks(self) -> Clocks:
        return Clocks(wall=lambda: self.wall_s, stopwatch=lambda: self.stopwatch_s)


def workspace(hands: Hands, scopes: list[str] | None = None, *, group: bool = True) -> Workspace:
    people = [
        Person(ANA, "ana", "Ana Anders", "ana@support.example"),
        Person(BEN, "ben", "Ben Bose", "ben@support.example"),
        Person(LEA, "lea", "Lea Lund", "lea@support.example"),
    ]
    channels = [
        Channel(CASES, "cases", (ANA, BEN, LEA)),
        Channel(QUIET, "quiet", (ANA,), bot=False),
        Channel(SECRET, "secret", (LEA,), Kind.PRIVATE, bot=False),
        Channel(OLD, "old", (ANA,), archived=True),
    ]
    return Workspace(
        users=people,
        channels=channels,
        manifest=read_manifest(manifest(scopes)),
        usergroup=UserGroup("S0STAFF001", "staff", (ANA, BEN)) if group else None,
        clocks=hands.clocks(),
    )


def web_client(slack: SlackStandIn, token: str | None = None) -> WebClient:
    app = slack.space.app
    return WebClient(token=app.bot_token if token is None else token, base_url=slack.api_url, retry_handlers=[])


@contextmanager
def standing(hands: Hands, options: Options | None = None, scopes: list[str] | None = None) -> Iterator[SlackStandIn]:
    with SlackStandIn(workspace(hands, scopes), options or Options(rates=False, ping_s=PING_S)) as slack:
        yield slack


@dataclass
class Seen:
    """What the bot's listeners received, in order."""

    events: list[dict] = field(default_factory=list)
    retries: list[tuple[str, str]] = field(default_factory=list)
    bodies: list[dict] = field(default_factory=list)

    def of(self, kind: str) -> list[dict]:
        return [event for event in self.events if event["type"] == kind]

    def body(self, kind: str) -> dict:
        return next(body for body in reversed(self.bodies) if body.get("type", "command") == kind)


@contextmanager
def connected(slack: SlackStandIn, app: App, sockets: int = 2) -> Iterator[list[SocketModeHandler]]:
    """The app on so many Socket Mode connections, all of them up."""
    handlers = [SocketModeHandler(app, slack.space.app.app_token) for _ in range(sockets)]
    try:
        for handler in handlers:
            handler.connect()
        assert slack.wait_connected(sockets)
        yield handlers
    finally:
        for handler in handlers:
            handler.close()
