"""What methods ask first: may the app see this conversation, write to it, has it the scope; and pages of lists."""

from __future__ import annotations

import base64

from bot.sandbox.slack.arguments import Arguments, Refused
from bot.sandbox.slack.shapes import Obj
from bot.sandbox.slack.state import (
    SCOPE_WORD,
    Kind,
    Room,
    Workspace,
)


def need(space: Workspace, *scopes: str) -> None:
    """Refuse unless one of the scopes was granted. Source: Slack, "Web API", missing_scope."""
    if scopes and not any(scope in space.manifest.scopes for scope in scopes):
        provided = ",".join(sorted(space.manifest.scopes))
        raise Refused("missing_scope", needed=",".join(scopes), provided=provided)


def room_of(space: Workspace, channel: str, word: str = "") -> Room:
    """The conversation, if the app can see it; `word` is the scope asked for on it: read, history.

    Private conversations that the app is not in do not exist for it. Source: Slack, "Conversations API".
    """
    room = space.rooms.get(channel)
    if room is None or (room.kind is not Kind.PUBLIC and not space.bot_in(room)):
        raise Refused("channel_not_found")
    if word:
        need(space, f"{SCOPE_WORD[room.kind]}:{word}")
    return room


def writable(space: Workspace, channel: str) -> Room:
    """The conversation for a post: the app is in it, it is not archived. A user's id means their direct messages."""
    if channel in space.people and channel != space.app.user_id:
        room = space.im(channel)
    else:
        room = room_of(space, channel)
    if room.archived:
        raise Refused("is_archived")
    if not space.bot_in(room) and "chat:write.public" not in space.manifest.scopes:
        raise Refused("not_in_channel")
    if room.kind is Kind.IM and not space.manifest.messages_tab:
        raise Refused("messages_tab_disabled")
    return room


def valid_ts(value: str, error: str) -> float:
    try:
        return float(value)
    except ValueError:
        raise Refused(error) from None


def page_of(args: Arguments, found: list[Obj], size: int) -> tuple[list[Obj], str]:
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
