"""The bodies Slack sends when somebody clicks, submits, types a command or runs a shortcut, in full.

Source: Slack, "Interaction payloads" (block_actions, view, shortcut, block_suggestion), "Slash commands".
Bolt reads fields that look optional (a `view` without `type` makes it fail: measured), so all that the reference
shows is there.
"""

from __future__ import annotations

from bot.sandbox.slack import forms
from bot.sandbox.slack.shapes import Obj, clone, objs, text
from bot.sandbox.slack.state import Kind, Room, Shown, Workspace


def _common(space: Workspace, kind: str, user: str) -> Obj:
    name = space.people[user].name
    return {
        "type": kind,
        "user": {"id": user, "username": name, "name": name, "team_id": space.team_id},
        "api_app_id": space.app.app_id,
        "token": space.app.verification,
        "team": {"id": space.team_id, "domain": space.domain},
        "enterprise": None,
        "is_enterprise_install": False,
    }


def _channel(room: Room) -> Obj:
    return {"id": room.id, "name": "directmessage" if room.kind is Kind.IM else room.name}


def seen_view(shown: Shown) -> Obj:
    """A view as it is sent to the app, with what was entered in `state`."""
    view = clone(shown.view)
    view["state"] = {"values": forms.state_of(objs(view, "blocks"), shown.entered)}
    return view


def click_in_message(space: Workspace, user: str, room: Room, message: Obj, entered: dict[str, dict[str, Obj]]) -> Obj:
    """block_actions from a message, without its `actions`."""
    ts = text(message, "ts")
    ephemeral = ts not in room.messages
    container: Obj = {"type": "message", "message_ts": ts, "channel_id": room.id, "is_ephemeral": ephemeral}
    if text(message, "thread_ts"):
        container["thread_ts"] = text(message, "thread_ts")
    body = _common(space, "block_actions", user) | {
        "container": container,
        "trigger_id": space.trigger(user),
        "channel": _channel(room),
        "state": {"values": forms.state_of(objs(message, "blocks"), entered)},
        "response_url": space.reply_address(room.id, user, ts, ephemeral=ephemeral),
    }
    return body if ephemeral else body | {"message": space.shown(room, message)}


def click_in_view(space: Workspace, user: str, shown: Shown) -> Obj:
    """block_actions from a modal or a Home tab, without its `actions`."""
    view_id = text(shown.view, "id")
    in_modal = text(shown.view, "type") == "modal"
    return _common(space, "block_actions", user) | {
        "container": {"type": "view", "view_id": view_id},
        "trigger_id": space.trigger(user, view_id if in_modal else ""),
        "view": seen_view(shown),
    }


def action(space: Workspace, block: Obj, element: Obj, state: Obj) -> Obj:
    """One entry of `actions`: the element, where it stands, and what was chosen."""
    body: Obj = {
        "type": text(element, "type"),
        "action_id": text(element, "action_id"),
        "block_id": text(block, "block_id"),
        "action_ts": space.ts(),
    }
    for name in ("text", "value", "style", "placeholder", "url"):
        if name in element:
            body[name] = element[name]
    return body | {key: value for key, value in state.items() if key != "type"}


def submission(space: Workspace, user: str, shown: Shown) -> Obj:
    """view_submission."""
    return _common(space, "view_submission", user) | {
        "trigger_id": space.trigger(user, text(shown.view, "id")),
        "view": seen_view(shown),
        "response_urls": [],
    }


def closed(space: Workspace, user: str, shown: Shown, *, cleared: bool) -> Obj:
    """view_closed."""
    return _common(space, "view_closed", user) | {"view": seen_view(shown), "is_cleared": cleared}


def global_shortcut(space: Workspace, user: str, callback_id: str) -> Obj:
    """shortcut."""
    return _common(space, "shortcut", user) | {
        "callback_id": callback_id,
        "trigger_id": space.trigger(user),
        "action_ts": space.ts(),
    }


def message_shortcut(space: Workspace, user: str, callback_id: str, room: Room, message: Obj) -> Obj:
    """message_action."""
    return _common(space, "message_action", user) | {
        "callback_id": callback_id,
        "trigger_id": space.trigger(user),
        "action_ts": space.ts(),
        "channel": _channel(room),
        "message_ts": text(message, "ts"),
        "message": space.shown(room, message),
        "response_url": space.reply_address(room.id, user, text(message, "ts")),
    }


def suggestion(space: Workspace, user: str, block: Obj, element: Obj, value: str) -> Obj:
    """block_suggestion, without the place it is asked from."""
    return _common(space, "block_suggestion", user) | {
        "action_id": text(element, "action_id"),
        "block_id": text(block, "block_id"),
        "value": value,
    }


def command(space: Workspace, user: str, room: Room, name: str, words: str) -> Obj:
    """A slash command's form fields."""
    return {
        "token": space.app.verification,
        "team_id": space.team_id,
        "team_domain": space.domain,
        "channel_id": room.id,
        "channel_name": "directmessage" if room.kind is Kind.IM else room.name,
        "user_id": user,
        "user_name": space.people[user].name,
        "command": name,
        "text": words,
        "api_app_id": space.app.app_id,
        "is_enterprise_install": "false",
        "response_url": space.reply_address(room.id, user),
        "trigger_id": space.trigger(user),
    }


def home_opened(space: Workspace, user: str) -> Obj:
    """app_home_opened, with the Home tab's view when there is one."""
    event: Obj = {
        "type": "app_home_opened",
        "user": user,
        "channel": space.im(user).id,
        "tab": "home",
        "event_ts": space.ts(),
    }
    home = space.homes.get(user)
    return event | ({"view": seen_view(space.views[home])} if home else {})
