"""conversations.*: what channels there are, who is in them, what was said."""

from __future__ import annotations

from bot.sandbox.slack.access import need, page_of, room_of, valid_ts
from bot.sandbox.slack.arguments import Arguments, Refused
from bot.sandbox.slack.shapes import Obj, listed, strings, text
from bot.sandbox.slack.state import (
    SCOPE_WORD,
    Kind,
    Room,
    Workspace,
)


def conversations_info(space: Workspace, args: Arguments) -> Obj:
    """conversations.info"""
    room = room_of(space, args.text("channel"), "read")
    channel = space.channel_object(room)
    if not args.flag("include_num_members"):
        channel.pop("num_members", None)
    return {"channel": channel}


_KINDS = {"public_channel": Kind.PUBLIC, "private_channel": Kind.PRIVATE, "im": Kind.IM}


def conversations_list(space: Workspace, args: Arguments) -> Obj:
    """conversations.list"""
    types = [kind.strip() for kind in args.text("types", "public_channel").split(",")]
    if any(kind not in (*_KINDS, "mpim") for kind in types):
        raise Refused("invalid_types")
    kinds = [_KINDS[kind] for kind in types if kind in _KINDS]
    for kind in kinds:
        need(space, f"{SCOPE_WORD[kind]}:read")
    rooms = [
        room
        for room in space.rooms.values()
        if room.kind in kinds
        and (room.kind is Kind.PUBLIC or space.bot_in(room))
        and not (room.archived and args.flag("exclude_archived"))
    ]
    size = args.whole("limit", 100, 1000, "invalid_limit")
    page, cursor = page_of(args, [space.channel_object(room) for room in rooms], size)
    return {"channels": listed(page), "response_metadata": {"next_cursor": cursor}}


def conversations_members(space: Workspace, args: Arguments) -> Obj:
    """conversations.members"""
    room = room_of(space, args.text("channel"), "read")
    size = args.whole("limit", 100, 1000, "invalid_limit")
    page, cursor = page_of(args, [{"id": member} for member in room.members], size)
    members = strings([text(member, "id") for member in page])
    return {"members": members, "response_metadata": {"next_cursor": cursor}}


def _window(args: Arguments, found: list[Obj]) -> list[Obj]:
    """Messages between oldest and latest; the bounds themselves only with `inclusive`."""
    oldest = valid_ts(args.text("oldest", "0"), "invalid_ts_oldest")
    latest = valid_ts(args.text("latest", "inf"), "invalid_ts_latest")
    inclusive = args.flag("inclusive")

    def within(message: Obj) -> bool:
        at = float(text(message, "ts"))
        return oldest < at < latest or (inclusive and at in (oldest, latest))

    return [message for message in found if within(message)]


def _paged_messages(space: Workspace, room: Room, args: Arguments, found: list[Obj], size: int) -> Obj:
    page, cursor = page_of(args, found, size)
    whole = args.flag("include_all_metadata")
    answer: Obj = {
        "messages": [space.shown(room, message, all_metadata=whole) for message in page],
        "has_more": bool(cursor),
    }
    return answer | ({"response_metadata": {"next_cursor": cursor}} if cursor else {})


def conversations_history(space: Workspace, args: Arguments) -> Obj:
    """conversations.history: newest first, thread replies only if broadcast."""
    room = room_of(space, args.text("channel"), "history")
    if not space.bot_in(room):
        raise Refused("not_in_channel")
    size = args.whole("limit", 100, 999, "invalid_arguments")
    roots = [m for m in room.messages.values() if _is_root(m) or text(m, "subtype") == "thread_broadcast"]
    answer = _paged_messages(space, room, args, _window(args, roots)[::-1], size)
    return answer | {"pin_count": 0, "channel_actions_ts": None, "channel_actions_count": 0}


def _is_root(message: Obj) -> bool:
    return text(message, "thread_ts") in ("", text(message, "ts"))


def conversations_replies(space: Workspace, args: Arguments) -> Obj:
    """conversations.replies: the root first, then oldest first; of a reply's own ts only that reply."""
    room = room_of(space, args.text("channel"), "history")
    if not space.bot_in(room):
        raise Refused("not_in_channel")
    root = room.messages.get(args.text("ts"))
    if root is None:
        raise Refused("thread_not_found")
    size = args.whole("limit", 1000, 1000, "invalid_arguments")
    replies = _window(args, space.replies_of(room, text(root, "ts"))) if _is_root(root) else []
    return _paged_messages(space, room, args, [root, *replies], size)


def conversations_join(space: Workspace, args: Arguments) -> Obj:
    """conversations.join"""
    need(space, "channels:join")
    room = room_of(space, args.text("channel"))
    if room.kind is not Kind.PUBLIC:
        raise Refused("method_not_supported_for_channel_type")
    if room.archived:
        raise Refused("is_archived")
    already = space.bot_in(room)
    if not already:
        room.members.append(space.app.user_id)
        space.changed()
    answer: Obj = {"channel": space.channel_object(room)}
    return answer | ({"warning": "already_in_channel"} if already else {})


def conversations_open(space: Workspace, args: Arguments) -> Obj:
    """conversations.open: direct messages of one user."""
    need(space, "im:write")
    if args.has("channel"):
        return {"channel": {"id": room_of(space, args.text("channel")).id}}
    users = [user for user in args.text("users").split(",") if user]
    if not users:
        raise Refused("users_list_not_supplied")
    if any(user not in space.people for user in users):
        raise Refused("user_not_found")
    if len(users) > 1:
        raise Refused("method_not_supported_for_channel_type")
    room = space.im(users[0])
    return {"channel": space.channel_object(room) if args.flag("return_im") else {"id": room.id}}
