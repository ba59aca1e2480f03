"""The workspace: people, channels, messages, views, files, and everything Slack remembers of them.

Nothing here knows HTTP or sockets: `calls` is what the app may do with it, `people` what persons do, `deliver` where
events go. One lock guards it all.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from dataclasses import dataclass, field
from enum import StrEnum

from bot.sandbox.slack import mrkdwn
from bot.sandbox.slack.checks import elements_of
from bot.sandbox.slack.manifest import Manifest
from bot.sandbox.slack.shapes import Json, Obj, clone, listed, obj, objs, strings, text

TRIGGER_S = 3.0
"""A trigger_id lives three seconds. Source: Slack, "Handling user interaction", trigger_id."""

RESPONSE_URL_S, RESPONSE_URL_USES = 1800.0, 5
"""A response_url lives 30 minutes and five uses. Source: Slack, "Handling user interaction", message responses."""

STACK_MAX = 3
"""Views in a modal at a time. Source: Slack, "Modals", view stack."""


class Kind(StrEnum):
    """What a conversation is; its scopes and events follow from it."""

    PUBLIC = "channel"
    PRIVATE = "group"
    IM = "im"


SCOPE_WORD = {Kind.PUBLIC: "channels", Kind.PRIVATE: "groups", Kind.IM: "im"}


@dataclass(frozen=True, slots=True)
class Person:
    """A member of the workspace. `name` is the handle, without the at sign; `zone` an IANA name."""

    id: str
    name: str
    real_name: str = ""
    email: str = ""
    zone: str = "America/New_York"
    is_bot: bool = False


@dataclass(frozen=True, slots=True)
class Channel:
    """A channel as it is at the start. `members`: user ids; `bot`: whether the app has been invited."""

    id: str
    name: str
    members: tuple[str, ...] = ()
    kind: Kind = Kind.PUBLIC
    bot: bool = True
    archived: bool = False


@dataclass(frozen=True, slots=True)
class UserGroup:
    """A user group `S…` (paid plans only; without one usergroups.* answers plan_upgrade_required)."""

    id: str
    handle: str
    users: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class App:
    """The app's ids and tokens in this workspace."""

    app_id: str = "A0PARLEY01"
    bot_id: str = "B0PARLEY01"
    user_id: str = "U0PARLEY01"
    bot_token: str = "xoxb-sandbox-0001"
    app_token: str = "xapp-1-sandbox-0001"
    verification: str = "sandbox-verification"


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a delivery to the bot ended: acknowledged with this body, or not, for this reason (Slack's retry reasons)."""

    acked: bool
    reason: str = ""
    body: Json = None


class Envelope(StrEnum):
    """What is delivered. Source: Slack, "Using Socket Mode", envelopes."""

    EVENT = "events_api"
    INTERACTIVE = "interactive"
    COMMAND = "slash_commands"


@dataclass(frozen=True, slots=True)
class Delivery:
    """One thing to be delivered to the bot; events are resent, the others never."""

    kind: Envelope
    payload: Obj
    answers: bool = False


@dataclass(frozen=True, slots=True)
class Notified:
    """Somebody was notified: `who` as written (here, channel, everyone, `U…`, `S…`), `users` the people reached."""

    channel: str
    ts: str
    who: str
    users: tuple[str, ...]
    via: str
    method: str


@dataclass(frozen=True, slots=True)
class Clocks:
    """The two clocks. `wall`: epoch seconds, for timestamps and resends; `stopwatch`: seconds, for expiry and rates."""

    wall: Callable[[], float] = time.time
    stopwatch: Callable[[], float] = time.monotonic


@dataclass(slots=True)
class Room:
    """A conversation as it is now. `messages` by ts, in order; thread replies among them."""

    id: str
    name: str
    kind: Kind
    members: list[str]
    archived: bool
    messages: dict[str, Obj] = field(default_factory=dict)


@dataclass(slots=True)
class Shown:
    """A view somebody sees: a modal's or a Home tab; `entered` is what they put in: block_id → action_id → state."""

    view: Obj
    user: str
    entered: dict[str, dict[str, Obj]] = field(default_factory=dict)


@dataclass(slots=True)
class Trigger:
    """A right to open one modal. `issued_s` on the stopwatch; `view_id` of the modal it was issued in, or empty."""

    user: str
    issued_s: float
    view_id: str
    used: bool = False


@dataclass(slots=True)
class ReplyAddress:
    """What a response_url stands for."""

    channel: str
    user: str
    message_ts: str
    ephemeral: bool
    issued_s: float
    uses: int = 0


@dataclass(slots=True)
class StoredFile:
    """A file: its public object and, once uploaded, its bytes. `shared` once completed."""

    info: Obj
    content: bytes | None = None
    shared: bool = False


class Workspace:
    """All of it, as it is now."""

    def __init__(
        self,
        *,
        users: Iterable[Person],
        channels: Iterable[Channel],
        manifest: Manifest,
        usergroup: UserGroup | None = None,
        clocks: Clocks | None = None,
    ) -> None:
        self.app = App()
        self.manifest = manifest
        self.usergroup = usergroup
        self.clock = (clocks or Clocks()).wall
        self.stopwatch = (clocks or Clocks()).stopwatch
        self.team_id, self.team_name, self.domain = "T0SANDBOX1", "Sandbox", "sandbox"
        self.lock = threading.RLock()
        bot = Person(self.app.user_id, manifest.name.lower().replace(" ", "_"), manifest.name, is_bot=True)
        self.people: dict[str, Person] = {p.id: p for p in (*users, bot)}
        self.rooms: dict[str, Room] = {c.id: self._room(c) for c in channels}
        self.views: dict[str, Shown] = {}
        self.stacks: dict[str, list[str]] = {}
        self.homes: dict[str, str] = {}
        self.files: dict[str, StoredFile] = {}
        self.ephemerals: list[tuple[str, Obj]] = []
        self.notified: list[Notified] = []
        self.links: list[tuple[str, str, mrkdwn.Link, bool]] = []
        self.triggers: dict[str, Trigger] = {}
        self.reply_addresses: dict[str, ReplyAddress] = {}
        self.base_url = "http://127.0.0.1"
        self.deliver: Callable[[Delivery], Future[Outcome]] | None = None
        self.changed: Callable[[], None] = lambda: None
        self._counter = itertools.count(1)
        self._last_us = 0

    def _room(self, channel: Channel) -> Room:
        members = list(channel.members) + ([self.app.user_id] if channel.bot else [])
        return Room(channel.id, channel.name, channel.kind, list(dict.fromkeys(members)), channel.archived)

    # --- Names and numbers -------------------------------------------------------------------------------------------

    def ts(self) -> str:
        """A new timestamp, later than every one before: `seconds.microseconds`, the id of a message in its channel."""
        with self.lock:
            self._last_us = max(int(self.clock() * 1_000_000), self._last_us + 1)
            return f"{self._last_us // 1_000_000}.{self._last_us % 1_000_000:06d}"

    def new_id(self, prefix: str) -> str:
        """A new id: a letter or two and a number, as long as Slack's."""
        return f"{prefix}0{next(self._counter):08d}"

    def handles(self) -> dict[str, str]:
        """Handle to user id."""
        return {p.name: p.id for p in self.people.values()}

    def bot_in(self, room: Room) -> bool:
        """Whether the app is a member of the conversation."""
        return self.app.user_id in room.members

    def im(self, user: str) -> Room:
        """The direct conversation of the app with a user, opened when it is not yet there."""
        room_id = f"D{user[1:]}"
        if room_id not in self.rooms:
            self.rooms[room_id] = Room(room_id, user, Kind.IM, [user, self.app.user_id], archived=False)
        return self.rooms[room_id]

    # --- Messages ----------------------------------------------------------------------------------------------------

    def user_message(self, user: str, body: str, block: Obj) -> Obj:
        """A person's message as Slack stores it, without channel and thread."""
        return {
            "user": user,
            "type": "message",
            "ts": self.ts(),
            "client_msg_id": f"00000000-0000-4000-8000-{next(self._counter):012d}",
            "text": body,
            "team": self.team_id,
            "blocks": self.with_ids([block]),
        }

    def bot_message(self, body: str, blocks: list[Obj]) -> Obj:
        """The app's message as Slack stores it, without channel and thread."""
        return {
            "user": self.app.user_id,
            "type": "message",
            "ts": self.ts(),
            "bot_id": self.app.bot_id,
            "app_id": self.app.app_id,
            "text": body,
            "team": self.team_id,
            "bot_profile": {
                "id": self.app.bot_id,
                "app_id": self.app.app_id,
                "user_id": self.app.user_id,
                "name": self.manifest.name,
                "deleted": False,
                "updated": 1,
                "team_id": self.team_id,
            },
            "blocks": self.with_ids(blocks),
        }

    def add(self, room: Room, message: Obj, thread_ts: str = "") -> list[Future[Outcome]]:
        """Put a message into a conversation and tell the app what it subscribed to; returns the deliveries."""
        with self.lock:
            if thread_ts:
                message["thread_ts"] = thread_ts
                message["parent_user_id"] = text(room.messages[thread_ts], "user")
            room.messages[text(message, "ts")] = message
            self.changed()
            return self._tell(room, self._seen(message))

    def edit(self, room: Room, ts: str, changes: Obj, editor: str) -> list[Future[Outcome]]:
        """Change a message in place; the app gets a message_changed."""
        with self.lock:
            message = room.messages[ts]
            before = clone(message)
            message.update(changes)
            message["edited"] = {"user": editor, "ts": self.ts()}
            self.changed()
            event: Obj = {"type": "message", "subtype": "message_changed", "message": self._seen(message)}
            return self._tell(room, event | {"previous_message": self._seen(before), "hidden": True, "ts": self.ts()})

    def remove(self, room: Room, ts: str) -> list[Future[Outcome]]:
        """Delete a message; the app gets a message_deleted."""
        with self.lock:
            before = room.messages.pop(ts)
            self.changed()
            event: Obj = {"type": "message", "subtype": "message_deleted", "previous_message": self._seen(before)}
            return self._tell(room, event | {"deleted_ts": ts, "hidden": True, "ts": self.ts()})

    def replies_of(self, room: Room, ts: str) -> list[Obj]:
        """The replies of a thread, oldest first, without the root."""
        return [m for m in room.messages.values() if text(m, "thread_ts") == ts and text(m, "ts") != ts]

    def shown(self, room: Room, message: Obj, *, all_metadata: bool = True) -> Obj:
        """A message as conversations.history and replies give it: with the thread's counts on the root."""
        seen = self._seen(message)
        replies = self.replies_of(room, text(message, "ts"))
        if replies:
            users = list(dict.fromkeys(text(reply, "user") for reply in replies))
            seen |= {
                "thread_ts": text(message, "ts"),
                "reply_count": len(replies),
                "reply_users_count": len(users),
                "latest_reply": text(replies[-1], "ts"),
                "reply_users": strings(users),
                "is_locked": False,
                "subscribed": False,
            }
        if not all_metadata and "metadata" in seen:
            # Without include_all_metadata the payload is left out. Source: Slack, "Message metadata", retrieving.
            seen["metadata"] = {"event_type": text(obj(seen, "metadata"), "event_type")}
        return seen

    def _seen(self, message: Obj) -> Obj:
        return clone({key: value for key, value in message.items() if not key.startswith("_")})

    def with_ids(self, blocks: list[Obj]) -> list[Json]:
        """Blocks as Slack gives them back: with the block and action ids it made up, and text defaults said."""
        filled = [clone(block) for block in blocks]
        for block in filled:
            block.setdefault("block_id", self.new_id("b"))
            for element in elements_of(block):
                if text(element, "type") != "image":
                    element.setdefault("action_id", self.new_id("a"))
        _say_defaults(listed(filled))
        return listed(filled)

    # --- Events ------------------------------------------------------------------------------------------------------

    def _tell(self, room: Room, event: Obj) -> list[Future[Outcome]]:
        """The message event of the conversation's kind, and an app_mention when the app is addressed."""
        if not self.bot_in(room):
            return []
        word = {Kind.PUBLIC: "channels", Kind.PRIVATE: "groups", Kind.IM: "im"}[room.kind]
        where: Obj = {"channel": room.id, "event_ts": text(event, "ts"), "channel_type": room.kind.value}
        sent = self.emit(f"message.{word}", event | where)
        if f"<@{self.app.user_id}>" in text(event, "text") and text(event, "user") != self.app.user_id:
            mention = {key: value for key, value in event.items() if key not in ("parent_user_id", "subtype")}
            sent += self.emit("app_mention", mention | {"type": "app_mention", "channel": room.id} | where)
        return sent

    def emit(self, name: str, event: Obj) -> list[Future[Outcome]]:
        """Send the app an event, if its manifest subscribes to it. Source: Slack, "Events API", event wrapper."""
        if self.deliver is None or not self.manifest.sends(name):
            return []
        authorization: Obj = {
            "enterprise_id": None,
            "team_id": self.team_id,
            "user_id": self.app.user_id,
            "is_bot": True,
            "is_enterprise_install": False,
        }
        payload: Obj = {
            "token": self.app.verification,
            "team_id": self.team_id,
            "context_team_id": self.team_id,
            "context_enterprise_id": None,
            "api_app_id": self.app.app_id,
            "event": clone(event),
            "type": "event_callback",
            "event_id": self.new_id("Ev"),
            "event_time": int(self.clock()),
            "authorizations": [authorization],
            "is_ext_shared_channel": False,
            "event_context": self.new_id("4-"),
        }
        return [self.deliver(Delivery(Envelope.EVENT, payload))]

    def notify(self, room: Room, ts: str, found: Iterable[mrkdwn.Mention], method: str) -> None:
        """Record whom a message notifies."""
        for mention in found:
            if mention.who in ("here", "channel", "everyone"):
                users = tuple(member for member in room.members if not self.people[member].is_bot)
            elif self.usergroup and mention.who == self.usergroup.id:
                users = self.usergroup.users
            else:
                users = (mention.who,) if mention.who in self.people else ()
            self.notified.append(Notified(room.id, ts, mention.who, users, mention.via, method))

    # --- Triggers and addresses --------------------------------------------------------------------------------------

    def trigger(self, user: str, view_id: str = "") -> str:
        """A new trigger_id for what this user just did."""
        with self.lock:
            number = next(self._counter)
            trigger_id = f"{number}.{number * 7919}.{number * 104729:032x}"
            self.triggers[trigger_id] = Trigger(user, self.stopwatch(), view_id)
            return trigger_id

    def reply_address(self, channel: str, user: str, message_ts: str = "", *, ephemeral: bool = False) -> str:
        """A new response_url."""
        with self.lock:
            secret = f"{next(self._counter):024d}"
            self.reply_addresses[secret] = ReplyAddress(channel, user, message_ts, ephemeral, self.stopwatch())
            return f"{self.base_url}/actions/{self.team_id}/{secret}"

    # --- Views -------------------------------------------------------------------------------------------------------

    def view(self, source: Obj, user: str, *, root: str = "", previous: str = "", view_id: str = "") -> Shown:
        """A view as Slack gives it back, made from what the app sent. Source: Slack, "views.open", response."""
        own_id = view_id or self.new_id("V")
        seen: Obj = {
            "id": own_id,
            "team_id": self.team_id,
            "type": text(source, "type"),
            "blocks": self.with_ids(objs(source, "blocks")),
            "private_metadata": text(source, "private_metadata"),
            "callback_id": text(source, "callback_id"),
            "state": {"values": {}},
            "hash": f"{int(self.clock())}.{next(self._counter):08x}",
            "title": source.get("title", {"type": "plain_text", "text": "View Title", "emoji": True}),
            "clear_on_close": source.get("clear_on_close", False),
            "notify_on_close": source.get("notify_on_close", False),
            "close": source.get("close"),
            "submit": source.get("submit"),
            "previous_view_id": previous or None,
            "root_view_id": root or own_id,
            "app_id": self.app.app_id,
            "external_id": text(source, "external_id"),
            "app_installed_team_id": self.team_id,
            "bot_id": self.app.bot_id,
        }
        return Shown(seen, user)

    def top(self, user: str) -> Shown | None:
        """The modal a user sees now, if any."""
        stack = self.stacks.get(user, [])
        return self.views[stack[-1]] if stack else None

    def close_views(self, user: str, *, everything: bool = False) -> None:
        """Close the top view of a user's modal, or the whole stack."""
        with self.lock:
            stack = self.stacks.get(user, [])
            while stack:
                del self.views[stack.pop()]
                if not everything:
                    break
            self.changed()

    # --- What is shown of people and channels ------------------------------------------------------------------------

    def user_object(self, person: Person) -> Obj:
        """A user as users.info gives it. Source: Slack, "User object"."""
        profile: Obj = {
            "real_name": person.real_name or person.name,
            "real_name_normalized": person.real_name or person.name,
            "display_name": person.name,
            "display_name_normalized": person.name,
            "team": self.team_id,
        }
        if person.email and "users:read.email" in self.manifest.scopes:
            profile["email"] = person.email
        if person.is_bot:
            profile |= {"api_app_id": self.app.app_id, "bot_id": self.app.bot_id}
        return {
            "id": person.id,
            "team_id": self.team_id,
            "name": person.name,
            "deleted": False,
            "real_name": person.real_name or person.name,
            "tz": person.zone,
            "profile": profile,
            "is_admin": False,
            "is_owner": False,
            "is_restricted": False,
            "is_ultra_restricted": False,
            "is_bot": person.is_bot,
            "is_app_user": False,
            "updated": 1,
        }

    def channel_object(self, room: Room) -> Obj:
        """A conversation as conversations.info gives it. Source: Slack, "Conversation object"."""
        common: Obj = {
            "id": room.id,
            "created": 1,
            "is_archived": room.archived,
            "is_im": room.kind is Kind.IM,
            "is_mpim": False,
            "is_org_shared": False,
            "context_team_id": self.team_id,
            "updated": 1,
        }
        if room.kind is Kind.IM:
            return common | {"user": room.name, "is_open": True, "priority": 0}
        return common | {
            "name": room.name,
            "name_normalized": room.name,
            "is_channel": room.kind is Kind.PUBLIC,
            "is_group": room.kind is Kind.PRIVATE,
            "is_private": room.kind is Kind.PRIVATE,
            "is_member": self.bot_in(room),
            "is_general": False,
            "is_shared": False,
            "creator": room.members[0] if room.members else "",
            "topic": {"value": "", "creator": "", "last_set": 0},
            "purpose": {"value": "", "creator": "", "last_set": 0},
            "num_members": len(room.members),
        }


def _say_defaults(value: Json) -> None:
    """Slack gives text objects back with `emoji` and `verbatim` said."""
    if isinstance(value, list):
        for item in value:
            _say_defaults(item)
    elif isinstance(value, dict):
        if text(value, "type") == "plain_text":
            value.setdefault("emoji", True)
        elif text(value, "type") == "mrkdwn":
            value.setdefault("verbatim", False)
        for key, item in value.items():
            if key != "event_payload":
                _say_defaults(item)
