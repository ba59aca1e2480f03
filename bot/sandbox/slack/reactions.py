"""reactions.*: a name under a message, once for each user."""

from __future__ import annotations

from bot.sandbox.slack.access import room_of, valid_ts
from bot.sandbox.slack.arguments import Arguments, Refused
from bot.sandbox.slack.shapes import Obj, listed, objs, strings, text, texts
from bot.sandbox.slack.state import (
    Room,
    Workspace,
)


def reactions_add(space: Workspace, args: Arguments) -> Obj:
    """reactions.add"""
    room = room_of(space, args.text("channel"))
    valid_ts(args.text("timestamp"), "bad_timestamp")
    message = room.messages.get(args.text("timestamp"))
    if message is None:
        raise Refused("message_not_found")
    name = args.text("name").strip(":")
    if not name.replace("_", "").replace("-", "").replace("+", "").replace(":", "").isalnum():
        raise Refused("invalid_name")
    react(space, room, message, name, space.app.user_id)
    return {}


def react(space: Workspace, room: Room, message: Obj, name: str, user: str) -> None:
    """Put a reaction on a message; refused when it is there already."""
    reactions = objs(message, "reactions")
    mine = next((reaction for reaction in reactions if text(reaction, "name") == name), None)
    if mine is None:
        mine = {"name": name, "users": [], "count": 0}
        reactions.append(mine)
    users = texts(mine, "users")
    if user in users:
        raise Refused("already_reacted")
    users.append(user)
    mine |= {"users": strings(users), "count": len(users)}
    message["reactions"] = listed(reactions)
    space.changed()
    if space.bot_in(room):
        item: Obj = {"type": "message", "channel": room.id, "ts": text(message, "ts")}
        event: Obj = {"type": "reaction_added", "user": user, "reaction": name, "item_user": text(message, "user")}
        space.emit("reaction_added", event | {"item": item, "event_ts": space.ts()})


def reactions_get(space: Workspace, args: Arguments) -> Obj:
    """reactions.get"""
    if not args.has("timestamp"):
        raise Refused("no_item_specified")
    room = room_of(space, args.text("channel"))
    message = room.messages.get(args.text("timestamp"))
    if message is None:
        raise Refused("message_not_found")
    return {"type": "message", "channel": room.id, "message": space.shown(room, message)}
