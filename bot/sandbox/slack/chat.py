"""chat.*: posts, updates, ephemerals, checked and recorded; and what comes back over response addresses."""

from __future__ import annotations

from bot.sandbox.slack import checks, mrkdwn
from bot.sandbox.slack.access import need, room_of, writable
from bot.sandbox.slack.arguments import Arguments, Refused
from bot.sandbox.slack.shapes import Json, Obj, clone, flag, text
from bot.sandbox.slack.state import (
    RESPONSE_URL_S,
    RESPONSE_URL_USES,
    Room,
    Workspace,
)


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


def trace(space: Workspace, room: Room, message: Obj, args: Arguments, method: str) -> None:
    """Record whom the message notifies and where it links, text and blocks both (in doubt the text counts too)."""
    names, blocks = space.handles(), message.get("blocks")
    ts, parse = text(message, "ts"), _parse(args, "client" if method == "chat.update" else "none")
    in_text = mrkdwn.mentions(text(message, "text"), parse=parse, names=names)
    space.notify(room, ts, in_text + mrkdwn.mentions_in_blocks(blocks, names), method)
    unfurls = args.flag("unfurl_links") or args.flag("unfurl_media", True)
    for link in mrkdwn.links(text(message, "text")) + mrkdwn.links_in_blocks(blocks):
        space.links.append((room.id, ts, link, unfurls))


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


def content(args: Arguments, most: int) -> tuple[str, list[Obj]]:
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


def thread_of(room: Room, args: Arguments) -> str:
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
    room = writable(space, args.text("channel"))
    _customised(space, args)
    body, blocks = content(args, checks.MESSAGE_TEXT_MAX)
    metadata, thread_ts = _metadata(args), thread_of(room, args)
    message = space.bot_message(body, blocks)
    if metadata is not None:
        message["metadata"] = metadata
    if thread_ts and args.flag("reply_broadcast"):
        message["subtype"] = "thread_broadcast"
    trace(space, room, message, args, "chat.postMessage")
    space.add(room, message, thread_ts)
    return {"channel": room.id, "ts": text(message, "ts"), "message": clone(message)}


def chat_update(space: Workspace, args: Arguments) -> Obj:
    """chat.update. `parse` defaults to client here (measured: traps; Slack, "chat.update")."""
    room = room_of(space, args.text("channel"))
    message = _own_message(space, room, args.text("ts"), "cant_update_message")
    body, blocks = content(args, checks.UPDATE_TEXT_MAX)
    metadata = _metadata(args)
    changes: Obj = {"text": body, "blocks": space.with_ids(blocks) if args.has("blocks") else []}
    if metadata is not None:
        changes["metadata"] = metadata
    trace(space, room, message | changes, args, "chat.update")
    space.edit(room, args.text("ts"), changes, space.app.user_id)
    return {"channel": room.id, "ts": args.text("ts"), "text": body, "message": clone(message)}


def chat_delete(space: Workspace, args: Arguments) -> Obj:
    """chat.delete"""
    room = room_of(space, args.text("channel"))
    _own_message(space, room, args.text("ts"), "cant_delete_message")
    space.remove(room, args.text("ts"))
    return {"channel": room.id, "ts": args.text("ts")}


def chat_post_ephemeral(space: Workspace, args: Arguments) -> Obj:
    """chat.postEphemeral"""
    room = writable(space, args.text("channel"))
    if args.text("user") not in room.members:
        raise Refused("user_not_in_channel")
    _customised(space, args)
    body, blocks = content(args, checks.MESSAGE_TEXT_MAX)
    thread_ts = thread_of(room, args)
    message = space.bot_message(body, blocks) | {"channel": room.id}
    if thread_ts:
        message["thread_ts"] = thread_ts
    trace(space, room, message, args, "chat.postEphemeral")
    space.ephemerals.append((args.text("user"), message))
    space.changed()
    return {"message_ts": text(message, "ts")}


def chat_get_permalink(space: Workspace, args: Arguments) -> Obj:
    """chat.getPermalink"""
    room = room_of(space, args.text("channel"))
    ts = args.text("message_ts")
    if ts not in room.messages:
        raise Refused("message_not_found")
    thread = text(room.messages[ts], "thread_ts")
    tail = f"?thread_ts={thread}&cid={room.id}" if thread and thread != ts else ""
    host = f"https://{space.domain}.slack.example"
    return {"channel": room.id, "permalink": f"{host}/archives/{room.id}/p{ts.replace('.', '')}{tail}"}


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
    words, blocks = content(args, checks.MESSAGE_TEXT_MAX)
    message = space.bot_message(words, blocks)
    trace(space, space.rooms[channel], message, args, method)
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
