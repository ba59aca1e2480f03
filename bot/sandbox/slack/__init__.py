"""A strict double of Slack at the wire, for the sandbox and for tests: it knows nothing of the bot."""

from bot.sandbox.slack.courier import Hook
from bot.sandbox.slack.faults import Fault
from bot.sandbox.slack.manifest import Manifest
from bot.sandbox.slack.manifest import read as read_manifest
from bot.sandbox.slack.people import Answer, People, Spot
from bot.sandbox.slack.state import Channel, Clocks, Kind, Person, UserGroup, Workspace
from bot.sandbox.slack.web import Options, SlackStandIn

__all__ = [
    "Answer",
    "Channel",
    "Clocks",
    "Fault",
    "Hook",
    "Kind",
    "Manifest",
    "Options",
    "People",
    "Person",
    "SlackStandIn",
    "Spot",
    "UserGroup",
    "Workspace",
    "read_manifest",
]
