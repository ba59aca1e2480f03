"""What the app's manifest allows it: scopes, events, commands, shortcuts, surfaces."""

from __future__ import annotations

from dataclasses import dataclass

from bot.sandbox.slack.shapes import Json, flag, obj, objs, text, texts

EVENT_SCOPES: dict[str, tuple[str, ...]] = {
    "message.channels": ("channels:history",),
    "message.groups": ("groups:history",),
    "message.im": ("im:history",),
    "message.mpim": ("mpim:history",),
    "app_mention": ("app_mentions:read",),
    "app_home_opened": (),
    "member_joined_channel": ("channels:read", "groups:read"),
    "reaction_added": ("reactions:read",),
    "file_shared": ("files:read",),
}
"""The events the stand-in sends and the scopes of which one is needed. Source: Slack, "Events" (each event's page)."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """The parts of a manifest (schema version 2) that change what Slack does. Source: Slack, "App manifests"."""

    name: str
    scopes: frozenset[str]
    events: frozenset[str]
    commands: frozenset[str]
    global_shortcuts: frozenset[str]
    message_shortcuts: frozenset[str]
    interactive: bool
    home_tab: bool
    messages_tab: bool

    def sends(self, event: str) -> bool:
        """Whether the app is sent this event: subscribed to it, and with a scope for it."""
        needed = EVENT_SCOPES[event]
        return event in self.events and (not needed or any(scope in self.scopes for scope in needed))


def read(source: Json) -> Manifest:
    """The manifest in a parsed `manifest.yml` (or JSON). What is absent is off, as in Slack."""
    features, settings = obj(source, "features"), obj(source, "settings")
    shortcuts = objs(features, "shortcuts")
    home = obj(features, "app_home")
    return Manifest(
        name=text(obj(source, "display_information"), "name", "App"),
        scopes=frozenset(texts(obj(obj(source, "oauth_config"), "scopes"), "bot")),
        events=frozenset(texts(obj(settings, "event_subscriptions"), "bot_events")),
        commands=frozenset(text(command, "command") for command in objs(features, "slash_commands")),
        global_shortcuts=_shortcuts(shortcuts, "global"),
        message_shortcuts=_shortcuts(shortcuts, "message"),
        interactive=flag(obj(settings, "interactivity"), "is_enabled"),
        home_tab=flag(home, "home_tab_enabled"),
        messages_tab=flag(home, "messages_tab_enabled", True),
    )


def _shortcuts(shortcuts: list[dict[str, Json]], kind: str) -> frozenset[str]:
    return frozenset(text(shortcut, "callback_id") for shortcut in shortcuts if text(shortcut, "type") == kind)
