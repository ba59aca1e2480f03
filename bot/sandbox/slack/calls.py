"""What each Web API method does to the workspace, and when it refuses.

One function a method; the error codes are those of the method's page in Slack's reference.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import TypeAlias

from bot.sandbox.slack import checks, mrkdwn
from bot.sandbox.slack.arguments import Arguments, Refused
from bot.sandbox.slack.shapes import Json, Obj, clone, flag, listed, objs, strings, text, texts
from bot.sandbox.slack.state import (
    RESPONSE_URL_S,
    RESPONSE_URL_USES,
    SCOPE_WORD,
    STACK_MAX,
    TRIGGER_S,
    Kind,
    Person,
    Room,
    Shown,
    StoredFile,
    Workspace,
)

Call: TypeAlias = "Callable[[Workspace, Arguments], Obj]"


# --- What several methods ask ----------------------------------------------------------------------------------------


def need(space: Workspace, *scopes: str) -> None:
    """Refuse unless one of the scopes was granted. Source: Slack, "Web API", missing_scope."""
    if scopes and not any(scope in space.manifest.scopes for scope in scopes):
        provided = ",".join(sorted(space.manifest.scopes))
        raise Refused("missing_scope", needed=",".join(scopes), provided=provided)


def _room(space: Workspace, channel: str, word: str = "") -> Room:
    """The conversation, if the app can see it; `word` is the scope asked for on it: read, history.

    Private conversations that the app is not in do not exist for it. Source: Slack, "Conversations API".
    """
    room = space.rooms.get(channel)
    if room is None or (room.kind is not Kind.PUBLIC and not space.bot_in(room)):
        raise Refused("channel_not_found")
    if word:
        need(space, f"{SCOPE_WORD[room.kind]}:{word}")
    return room


def _writable(space: Workspace, channel: str) -> Room:
    """The conversation for a post: the app is in it, it is not archived. A user's id means their direct messages."""
    if channel in space.people and channel != space.app.user_id:
        room = space.im(channel)
    else:
        room = _room(space, channel)
    if room.archived:
        raise Refused("is_archived")
    if not space.bot_in(room) and "chat:write.public" not in space.manifest.scopes:
        raise Refused("not_in_channel")
    if room.kind is Kind.IM and not space.manifest.messages_tab:
        raise Refused("messages_tab_disabled")
    return room


def _blocks(args: Arguments) -> list[Obj]:
    """The blocks of a message, checked."""
    if not args.has("blocks"):
        return []
    blocks = args.json("blocks", "invalid_blocks_format")
    if not isinstance(blocks, list):
        raise Refused("invalid_blocks_format")
    problems = checks.message_blocks(blocks)
    if problems:
        raise Refused("invalid_blocks", problems)
    if checks.text_length(blocks) > checks.BLOCKS_TEXT_MAX:
        raise Refused("msg_blocks_too_long")
    return [block for block in blocks if isinstance(block, dict)]


def _words(args: Arguments, most: int) -> str:
    """The text of a message, when there is one. Source: Slack, "chat.postMessage", "chat.update" (msg_too_long)."""
    body = args.text("text")
    if len(body) > most:
        raise Refused("msg_too_long")
    return body


def _metadata(args: Arguments) -> Json:
    if not args.has("metadata"):
        return None
    metadata = args.json("metadata", "invalid_metadata_format")
    error = checks.metadata(metadata)
    if error:
        raise Refused(error)
    return metadata


def _parse(args: Arguments, default: str) -> str:
    """How the text is parsed; link_names finds names as `full` does. Source: Slack, "chat.postMessage", parse."""
    parse = args.text("parse", default)
    if parse not in ("none", "full", "client", "mrkdwn", "false"):
        raise Refused("invalid_arguments", ("[ERROR] parse must be none, full or client",))
    return "full" if args.flag("link_names") else parse


def _trace(space: Workspace, room: Room, message: Obj, args: Arguments, method: str) -> None:
    """Record whom the message notifies and where it links, text and blocks both (in doubt the text counts too)."""
    names, blocks = space.handles(), message.get("blocks")
    ts, parse = text(message, "ts"), _parse(args, "client" if method == "chat.update" else "none")
    in_text = mrkdwn.mentions(text(message, "text"), parse=parse, names=names)
    space.notify(room, ts, in_text + mrkdwn.mentions_in_blocks(blocks, names), method)
    unfurls = args.flag("unfurl_links") or args.flag("unfurl_media", True)
    for link in mrkdwn.links(text(message, "text")) + mrkdwn.links_in_blocks(blocks):
        space.links.append((room.id, ts, link, unfurls))


def _valid_ts(value: str, error: str) -> float:
    try:
        return float(value)
    except ValueError:
        raise Refused(error) from None


def _page(args: Arguments, found: list[Obj], size: int) -> tuple[list[Obj], str]:
    """One page of a list and the cursor of the next one. Source: Slack, "Pagination"."""
    start = 0
    if args.has("cursor"):
        try:
            start = int(base64.b64decode(args.text("cursor"), validate=True).removeprefix(b"at:"))
        except ValueError:
            raise Refused("invalid_cursor") from None
    after = start + size
    cursor = base64.b64encode(f"at:{after}".encode()).decode() if after < len(found) else ""
    return found[start:after], cursor


def _own_message(space: Workspace, room: Room, ts: str, error: str) -> Obj:
    message = room.messages.get(ts)
    if message is None:
        raise Refused("message_not_found")
    if text(message, "bot_id") != space.app.bot_id:
        raise Refused(error)
    return message


def _customised(space: Workspace, args: Arguments) -> None:
    """A name or icon of its own needs a scope. Source: Slack, "chat.postMessage", authorship."""
    if any(args.has(name) for name in ("username", "icon_emoji", "icon_url")):
        need(space, "chat:write.customize")
    if args.flag("as_user"):
        raise Refused("as_user_not_supported")


# --- auth, team, bots ------------------------------------------------------------------------------------------------


def auth_test(space: Workspace, _args: Arguments) -> Obj:
    """auth.test"""
    return {
        "url": f"https://{space.domain}.slack.example/",
        "team": space.team_name,
        "user": space.people[space.app.user_id].name,
        "team_id": space.team_id,
        "user_id": space.app.user_id,
        "bot_id": space.app.bot_id,
        "is_enterprise_install": False,
    }


def team_info(space: Workspace, args: Arguments) -> Obj:
    """team.info"""
    if args.has("team") and args.text("team") != space.team_id:
        raise Refused("team_not_found")
    team: Obj = {"id": space.team_id, "name": space.team_name, "domain": space.domain, "email_domain": "", "icon": {}}
    return {"team": team}


def bots_info(space: Workspace, args: Arguments) -> Obj:
    """bots.info"""
    if args.has("bot") and args.text("bot") != space.app.bot_id:
        raise Refused("bot_not_found")
    bot: Obj = {
        "id": space.app.bot_id,
        "deleted": False,
        "name": space.manifest.name,
        "updated": 1,
        "app_id": space.app.app_id,
        "user_id": space.app.user_id,
        "icons": {},
    }
    return {"bot": bot}


# --- chat ------------------------------------------------------------------------------------------------------------


def _content(args: Arguments, most: int) -> tuple[str, list[Obj]]:
    """The text and blocks of a message; legacy attachments are the one thing Slack takes and the stand-in does not."""
    blocks, body = _blocks(args), _words(args, most)
    if args.has("markdown_text"):
        if body or blocks:
            raise Refused("markdown_text_conflict")
        body = args.text("markdown_text")
    if args.has("attachments"):
        raise Refused("invalid_attachments", ("[ERROR] attachments are not spoken here: use blocks",))
    if not body and not blocks:
        raise Refused("no_text")
    return body, blocks


def _thread(room: Room, args: Arguments) -> str:
    """The thread a post goes into: its root must be there and be a root."""
    thread_ts = args.text("thread_ts")
    if thread_ts:
        root = room.messages.get(thread_ts)
        if root is None:
            raise Refused("thread_not_found")
        if text(root, "thread_ts") not in ("", thread_ts):
            raise Refused("cannot_reply_to_message")
    return thread_ts


def chat_post_message(space: Workspace, args: Arguments) -> Obj:
    """chat.postMessage"""
    room = _writable(space, args.text("channel"))
    _customised(space, args)
    body, blocks = _content(args, checks.MESSAGE_TEXT_MAX)
    metadata, thread_ts = _metadata(args), _thread(room, args)
    message = space.bot_message(body, blocks)
    if metadata is not None:
        message["metadata"] = metadata
    if thread_ts and args.flag("reply_broadcast"):
        message["subtype"] = "thread_broadcast"
    _trace(space, room, message, args, "chat.postMessage")
    space.add(room, message, thread_ts)
    return {"channel": room.id, "ts": text(message, "ts"), "message": clone(message)}


def chat_update(space: Workspace, args: Arguments) -> Obj:
    """chat.update. `parse` defaults to client here (measured: traps; Slack, "chat.update")."""
    room = _room(space, args.text("channel"))
    message = _own_message(space, room, args.text("ts"), "cant_update_message")
    body, blocks = _content(args, checks.UPDATE_TEXT_MAX)
    metadata = _metadata(args)
    changes: Obj = {"text": body, "blocks": space.with_ids(blocks) if args.has("blocks") else []}
    if metadata is not None:
        changes["metadata"] = metadata
    _trace(space, room, message | changes, args, "chat.update")
    space.edit(room, args.text("ts"), changes, space.app.user_id)
    return {"channel": room.id, "ts": args.text("ts"), "text": body, "message": clone(message)}


def chat_delete(space: Workspace, args: Arguments) -> Obj:
    """chat.delete"""
    room = _room(space, args.text("channel"))
    _own_message(space, room, args.text("ts"), "cant_delete_message")
    space.remove(room, args.text("ts"))
    return {"channel": room.id, "ts": args.text("ts")}


def chat_post_ephemeral(space: Workspace, args: Arguments) -> Obj:
    """chat.postEphemeral"""
    room = _writable(space, args.text("channel"))
    if args.text("user") not in room.members:
        raise Refused("user_not_in_channel")
    _customised(space, args)
    body, blocks = _content(args, checks.MESSAGE_TEXT_MAX)
    thread_ts = _thread(room, args)
    message = space.bot_message(body, blocks) | {"channel": room.id}
    if thread_ts:
        message["thread_ts"] = thread_ts
    _trace(space, room, message, args, "chat.postEphemeral")
    space.ephemerals.append((args.text("user"), message))
    space.changed()
    return {"message_ts": text(message, "ts")}


def chat_get_permalink(space: Workspace, args: Arguments) -> Obj:
    """chat.getPermalink"""
    room = _room(space, args.text("channel"))
    ts = args.text("message_ts")
    if ts not in room.messages:
        raise Refused("message_not_found")
    thread = text(room.messages[ts], "thread_ts")
    tail = f"?thread_ts={thread}&cid={room.id}" if thread and thread != ts else ""
    host = f"https://{space.domain}.slack.example"
    return {"channel": room.id, "permalink": f"{host}/archives/{room.id}/p{ts.replace('.', '')}{tail}"}


# --- conversations ---------------------------------------------------------------------------------------------------


def conversations_info(space: Workspace, args: Arguments) -> Obj:
    """conversations.info"""
    room = _room(space, args.text("channel"), "read")
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
    page, cursor = _page(args, [space.channel_object(room) for room in rooms], size)
    return {"channels": listed(page), "response_metadata": {"next_cursor": cursor}}


def conversations_members(space: Workspace, args: Arguments) -> Obj:
    """conversations.members"""
    room = _room(space, args.text("channel"), "read")
    size = args.whole("limit", 100, 1000, "invalid_limit")
    page, cursor = _page(args, [{"id": member} for member in room.members], size)
    members = strings([text(member, "id") for member in page])
    return {"members": members, "response_metadata": {"next_cursor": cursor}}


def _window(args: Arguments, found: list[Obj]) -> list[Obj]:
    """Messages between oldest and latest; the bounds themselves only with `inclusive`."""
    oldest = _valid_ts(args.text("oldest", "0"), "invalid_ts_oldest")
    latest = _valid_ts(args.text("latest", "inf"), "invalid_ts_latest")
    inclusive = args.flag("inclusive")

    def within(message: Obj) -> bool:
        at = float(text(message, "ts"))
        return oldest < at < latest or (inclusive and at in (oldest, latest))

    return [message for message in found if within(message)]


def _paged_messages(space: Workspace, room: Room, args: Arguments, found: list[Obj], size: int) -> Obj:
    page, cursor = _page(args, found, size)
    whole = args.flag("include_all_metadata")
    answer: Obj = {
        "messages": [space.shown(room, message, all_metadata=whole) for message in page],
        "has_more": bool(cursor),
    }
    return answer | ({"response_metadata": {"next_cursor": cursor}} if cursor else {})


def conversations_history(space: Workspace, args: Arguments) -> Obj:
    """conversations.history: newest first, thread replies only if broadcast."""
    room = _room(space, args.text("channel"), "history")
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
    room = _room(space, args.text("channel"), "history")
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
    room = _room(space, args.text("channel"))
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
        return {"channel": {"id": _room(space, args.text("channel")).id}}
    users = [user for user in args.text("users").split(",") if user]
    if not users:
        raise Refused("users_list_not_supplied")
    if any(user not in space.people for user in users):
        raise Refused("user_not_found")
    if len(users) > 1:
        raise Refused("method_not_supported_for_channel_type")
    room = space.im(users[0])
    return {"channel": space.channel_object(room) if args.flag("return_im") else {"id": room.id}}


# --- users and groups ------------------------------------------------------------------------------------------------


def _person(space: Workspace, user: str) -> Person:
    if user not in space.people:
        raise Refused("user_not_found")
    return space.people[user]


def users_info(space: Workspace, args: Arguments) -> Obj:
    """users.info"""
    return {"user": space.user_object(_person(space, args.text("user")))}


def users_list(space: Workspace, args: Arguments) -> Obj:
    """users.list"""
    size = args.whole("limit", 1000, 1000, "invalid_arguments")
    page, cursor = _page(args, [space.user_object(person) for person in space.people.values()], size)
    return {"members": listed(page), "cache_ts": 1, "response_metadata": {"next_cursor": cursor}}


def usergroups_list(space: Workspace, args: Arguments) -> Obj:
    """usergroups.list"""
    group = space.usergroup
    if group is None:
        raise Refused("plan_upgrade_required")
    one: Obj = {
        "id": group.id,
        "team_id": space.team_id,
        "is_usergroup": True,
        "is_subteam": True,
        "name": group.handle,
        "handle": group.handle,
        "description": "",
        "is_external": False,
        "date_create": 1,
        "date_update": 1,
        "date_delete": 0,
        "auto_type": None,
        "user_count": len(group.users),
    }
    if args.flag("include_users"):
        one["users"] = strings(group.users)
    return {"usergroups": [one]}


def usergroups_users_list(space: Workspace, args: Arguments) -> Obj:
    """usergroups.users.list"""
    if space.usergroup is None:
        raise Refused("plan_upgrade_required")
    if args.text("usergroup") != space.usergroup.id:
        raise Refused("no_such_subteam")
    return {"users": strings(space.usergroup.users)}


# --- views -----------------------------------------------------------------------------------------------------------


def _view(space: Workspace, args: Arguments, kind: str, replaces: str = "") -> Obj:
    """The view argument, checked; an external_id is taken once a team, by the view it `replaces` again."""
    view = args.json("view", "invalid_arguments")
    if checks.view_too_large(view):
        raise Refused("view_too_large")
    problems = checks.view(view, kind)
    if problems or not isinstance(view, dict):
        raise Refused("invalid_arguments", problems or ("[ERROR] must be an object [json-pointer:/view]",))
    external = text(view, "external_id")
    taken = [i for i, shown in space.views.items() if external and text(shown.view, "external_id") == external]
    if any(view_id != replaces for view_id in taken):
        raise Refused("duplicate_external_id")
    return view


def use_trigger(space: Workspace, args: Arguments) -> tuple[str, str]:
    """The user and the modal a trigger_id stands for; it works once, for three seconds."""
    trigger = space.triggers.get(args.text("trigger_id") or args.text("interactivity_pointer"))
    if trigger is None:
        raise Refused("invalid_trigger_id")
    if trigger.used:
        raise Refused("exchanged_trigger_id")
    if space.stopwatch() - trigger.issued_s > TRIGGER_S:
        raise Refused("expired_trigger_id")
    trigger.used = True
    return trigger.user, trigger.view_id


def views_open(space: Workspace, args: Arguments) -> Obj:
    """views.open: a new modal for the user who clicked."""
    view = _view(space, args, "modal")
    user, _ = use_trigger(space, args)
    space.close_views(user, everything=True)
    return {"view": clone(show(space, view, user).view)}


def views_push(space: Workspace, args: Arguments) -> Obj:
    """views.push: a view on top of the modal in which the user clicked; three at most."""
    view = _view(space, args, "modal")
    user, inside = use_trigger(space, args)
    if not inside or inside not in space.views or not space.stacks.get(user):
        raise Refused("not_found")
    return {"view": clone(show(space, view, user).view)}


def show(space: Workspace, source: Obj, user: str) -> Shown:
    """Put a checked view on top of a user's stack. Refused when three are there."""
    stack = space.stacks.setdefault(user, [])
    if len(stack) >= STACK_MAX:
        raise Refused("push_limit_reached")
    shown = space.view(source, user, root=stack[0] if stack else "", previous=stack[-1] if stack else "")
    view_id = text(shown.view, "id")
    space.views[view_id] = shown
    stack.append(view_id)
    space.changed()
    return shown


def replace_view(space: Workspace, shown: Shown, source: Obj) -> Shown:
    """Show another view in place of this one; what was entered stays where block and action ids are the same."""
    old = shown.view
    root, previous = text(old, "root_view_id"), text(old, "previous_view_id")
    fresh = space.view(source, shown.user, root=root, previous=previous, view_id=text(old, "id"))
    kept = {text(block, "block_id") for block in objs(fresh.view, "blocks")}
    fresh.entered = {block_id: states for block_id, states in shown.entered.items() if block_id in kept}
    space.views[text(old, "id")] = fresh
    space.changed()
    return fresh


def views_update(space: Workspace, args: Arguments) -> Obj:
    """views.update: by view_id or external_id, only if `hash` still fits."""
    if not args.has("view_id") and not args.has("external_id"):
        raise Refused("invalid_arguments", ("[ERROR] view_id or external_id is needed",))
    shown = space.views.get(args.text("view_id"))
    if shown is None and args.has("external_id"):
        fitting = [s for s in space.views.values() if text(s.view, "external_id") == args.text("external_id")]
        shown = fitting[0] if fitting else None
    if shown is None:
        raise Refused("not_found")
    view = _view(space, args, text(shown.view, "type"), replaces=text(shown.view, "id"))
    if args.has("hash") and args.text("hash") != text(shown.view, "hash"):
        raise Refused("hash_conflict")
    return {"view": clone(replace_view(space, shown, view).view)}


def views_publish(space: Workspace, args: Arguments) -> Obj:
    """views.publish: a user's Home tab."""
    if not space.manifest.home_tab:
        raise Refused("not_enabled")
    user = args.text("user_id")
    if user not in space.people:
        raise Refused("invalid_arguments", ("[ERROR] invalid user_id [json-pointer:/user_id]",))
    old = space.homes.get(user, "")
    view = _view(space, args, "home", replaces=old)
    if args.has("hash") and (not old or args.text("hash") != text(space.views[old].view, "hash")):
        raise Refused("hash_conflict")
    if old:
        return {"view": clone(replace_view(space, space.views[old], view).view)}
    shown = space.view(view, user)
    space.homes[user] = text(shown.view, "id")
    space.views[text(shown.view, "id")] = shown
    space.changed()
    return {"view": clone(shown.view)}


# --- reactions -------------------------------------------------------------------------------------------------------


def reactions_add(space: Workspace, args: Arguments) -> Obj:
    """reactions.add"""
    room = _room(space, args.text("channel"))
    _valid_ts(args.text("timestamp"), "bad_timestamp")
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
    room = _room(space, args.text("channel"))
    message = room.messages.get(args.text("timestamp"))
    if message is None:
        raise Refused("message_not_found")
    return {"type": "message", "channel": room.id, "message": space.shown(room, message)}


# --- files -----------------------------------------------------------------------------------------------------------


def files_get_upload_url(space: Workspace, args: Arguments) -> Obj:
    """files.getUploadURLExternal"""
    size = args.whole("length", 1, 1_000_000_000, "invalid_arguments")
    record = new_file(space, args.text("filename"), size, space.app.user_id)
    file_id = text(record.info, "id")
    return {"upload_url": f"{space.base_url}/upload/v1/{file_id}", "file_id": file_id}


def new_file(space: Workspace, name: str, size: int, user: str) -> StoredFile:
    """A file object without its bytes. Source: Slack, "File object"."""
    file_id = space.new_id("F")
    url = f"{space.base_url}/files-pri/{space.team_id}-{file_id}"
    kind = name.rsplit(".", 1)[-1].lower() if "." in name else "text"
    info: Obj = {
        "id": file_id,
        "created": int(space.clock()),
        "timestamp": int(space.clock()),
        "name": name,
        "title": name,
        "mimetype": _MIMES.get(kind, "application/octet-stream"),
        "filetype": kind,
        "pretty_type": kind.upper(),
        "user": user,
        "user_team": space.team_id,
        "editable": False,
        "size": size,
        "mode": "hosted",
        "is_external": False,
        "external_type": "",
        "is_public": False,
        "public_url_shared": False,
        "display_as_bot": False,
        "username": "",
        "url_private": f"{url}/{name}",
        "url_private_download": f"{url}/download/{name}",
        "permalink": f"https://{space.domain}.slack.example/files/{user}/{file_id}/{name}",
        "channels": [],
        "groups": [],
        "ims": [],
        "shares": {},
        "has_rich_preview": False,
        "file_access": "visible",
    }
    space.files[file_id] = StoredFile(info)
    return space.files[file_id]


_MIMES = {
    "txt": "text/plain",
    "csv": "text/csv",
    "json": "application/json",
    "html": "text/html",
    "pdf": "application/pdf",
    "png": "image/png",
    "jpg": "image/jpeg",
    "zip": "application/zip",
    "eml": "message/rfc822",
}


def files_complete_upload(space: Workspace, args: Arguments) -> Obj:
    """files.completeUploadExternal: the files appear, in a channel if one is named."""
    wanted = args.json("files", "invalid_arguments")
    if not isinstance(wanted, list) or not wanted or any(not text(item, "id") for item in wanted):
        raise Refused("invalid_arguments", ("[ERROR] files must be a list of objects with id",))
    records = [space.files.get(text(item, "id")) for item in wanted]
    found = [record for record in records if record is not None and record.content is not None and not record.shared]
    if len(found) != len(wanted):
        raise Refused("file_not_found")
    room = _writable(space, args.text("channel_id")) if args.has("channel_id") else None
    thread_ts = _thread(room, args) if room else ""
    for record, item in zip(found, wanted, strict=True):
        record.shared = True
        record.info["title"] = text(item, "title") or record.info["title"]
    if room:
        message = space.bot_message(args.text("initial_comment"), [])
        share(space, room, message, found, thread_ts)
    return {"files": [clone(record.info) for record in found]}


def share(space: Workspace, room: Room, message: Obj, records: list[StoredFile], thread_ts: str = "") -> list[Json]:
    """Put a message with files into a conversation; the app gets the message and a file_shared each."""
    for record in records:
        record.shared = True
        where = {Kind.PUBLIC: "channels", Kind.PRIVATE: "groups", Kind.IM: "ims"}[room.kind]
        record.info[where] = strings([room.id])
        record.info["shares"] = {
            "public" if room.kind is Kind.PUBLIC else "private": {room.id: [{"ts": text(message, "ts")}]},
        }
    files = listed([clone(record.info) for record in records])
    message |= {"subtype": "file_share", "files": files, "upload": False, "display_as_bot": False}
    space.add(room, message, thread_ts)
    for record in records:
        file_id, user = text(record.info, "id"), text(message, "user")
        event: Obj = {"type": "file_shared", "file_id": file_id, "user_id": user, "file": {"id": file_id}}
        if space.bot_in(room):
            space.emit("file_shared", event | {"channel_id": room.id, "event_ts": space.ts()})
    return files


def files_info(space: Workspace, args: Arguments) -> Obj:
    """files.info"""
    record = space.files.get(args.text("file"))
    if record is None or not record.shared:
        raise Refused("file_not_found")
    mine = text(record.info, "user") == space.app.user_id
    seen = any(space.bot_in(room) for room in space.rooms.values() if _holds(room, record))
    if not mine and not seen:
        raise Refused("file_not_found")
    return {"file": clone(record.info), "comments": [], "response_metadata": {"next_cursor": ""}}


def _holds(room: Room, record: StoredFile) -> bool:
    wanted = text(record.info, "id")
    return any(text(f, "id") == wanted for m in room.messages.values() for f in objs(m, "files"))


# --- response_url ----------------------------------------------------------------------------------------------------


def respond(space: Workspace, secret: str, body: Obj) -> None:
    """A post to a response_url. Source: Slack, "Handling user interaction", message responses."""
    address = space.reply_addresses.get(secret)
    if address is None:
        raise Refused("invalid_url")
    from_now = space.stopwatch() - address.issued_s
    if from_now > RESPONSE_URL_S or address.uses >= RESPONSE_URL_USES:
        raise Refused("expired_url")
    if flag(body, "delete_original"):
        _replace(space, address.channel, address.message_ts, address.user, None)
    else:
        message = said(space, body, address.channel, "response_url")
        if flag(body, "replace_original") and address.message_ts:
            _replace(space, address.channel, address.message_ts, address.user, message)
        else:
            post_said(space, message, body, address.channel, address.user)
    address.uses += 1


_SAID = frozenset(
    {"text", "blocks", "attachments", "response_type", "replace_original", "delete_original", "thread_ts"}
    | {"unfurl_links", "unfurl_media", "mrkdwn", "parse", "link_names", "metadata"}
)


def said(space: Workspace, body: Obj, channel: str, method: str) -> Obj:
    """The message in an answer to a command or a post to a response_url, checked like any other message."""
    unknown = sorted(set(body) - _SAID)
    if unknown:
        raise Refused("invalid_arguments", tuple(f"[ERROR] unknown argument: {name}" for name in unknown))
    args = Arguments(body)
    words, blocks = _content(args, checks.MESSAGE_TEXT_MAX)
    message = space.bot_message(words, blocks)
    _trace(space, space.rooms[channel], message, args, method)
    return message


def post_said(space: Workspace, message: Obj, body: Obj, channel: str, user: str) -> None:
    """Show such an answer: to everybody if `in_channel`, else to the one who asked."""
    if text(body, "response_type") == "in_channel":
        thread = text(body, "thread_ts")
        space.add(space.rooms[channel], message, thread if thread in space.rooms[channel].messages else "")
    else:
        if text(body, "thread_ts"):
            message["thread_ts"] = text(body, "thread_ts")
        space.ephemerals.append((user, message | {"channel": channel}))
        space.changed()


def _replace(space: Workspace, channel: str, ts: str, user: str, message: Obj | None) -> None:
    """Replace or delete the message (or the ephemeral one) that was clicked."""
    changes: Obj = {"text": text(message, "text"), "blocks": message.get("blocks")} if message else {}
    for index, (reader, shown) in enumerate(space.ephemerals):
        if reader == user and text(shown, "ts") == ts:
            if message:
                space.ephemerals[index] = (reader, shown | changes)
            else:
                del space.ephemerals[index]
            space.changed()
            return
    room = space.rooms[channel]
    if ts in room.messages and message:
        space.edit(room, ts, changes, space.app.user_id)
    elif ts in room.messages:
        space.remove(room, ts)


CALLS: dict[str, Call] = {
    "auth.test": auth_test,
    "team.info": team_info,
    "bots.info": bots_info,
    "chat.postMessage": chat_post_message,
    "chat.update": chat_update,
    "chat.delete": chat_delete,
    "chat.postEphemeral": chat_post_ephemeral,
    "chat.getPermalink": chat_get_permalink,
    "conversations.info": conversations_info,
    "conversations.list": conversations_list,
    "conversations.members": conversations_members,
    "conversations.history": conversations_history,
    "conversations.replies": conversations_replies,
    "conversations.join": conversations_join,
    "conversations.open": conversations_open,
    "users.info": users_info,
    "users.list": users_list,
    "usergroups.list": usergroups_list,
    "usergroups.users.list": usergroups_users_list,
    "views.open": views_open,
    "views.push": views_push,
    "views.update": views_update,
    "views.publish": views_publish,
    "reactions.add": reactions_add,
    "reactions.get": reactions_get,
    "files.getUploadURLExternal": files_get_upload_url,
    "files.completeUploadExternal": files_complete_upload,
    "files.info": files_info,
}
"""Every method of the table but apps.connections.open, which needs the sockets."""
