"""The Web API methods that the stand-in speaks, with what Slack's reference says of each; any other is unknown.

Source: Slack, "Web API methods" (each method's page: arguments, scopes, rate tier, content types).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum


class Token(StrEnum):
    """Which of the app's tokens a method takes. Source: Slack, "Tokens"."""

    BOT = "bot"
    APP = "app"


@dataclass(frozen=True, slots=True)
class Method:
    """One method.

    `scopes`: none needed if empty; one of them is enough, for conversations.* the one of the channel's kind.
    `tier` t1 to t4: 1, 20, 50, 100 calls a minute; t5: special. `json`: a JSON body is read, else only form and query.
    `writes`: something changes in the workspace, so a lost reply is ambiguous.
    """

    name: str
    required: frozenset[str]
    optional: frozenset[str]
    scopes: frozenset[str]
    tier: str
    json: bool
    writes: bool
    token: Token = Token.BOT


READ_KINDS = "channels:read groups:read im:read mpim:read"
HISTORY_KINDS = "channels:history groups:history im:history mpim:history"
_POST = "as_user attachments blocks icon_emoji icon_url link_names markdown_text metadata parse text thread_ts username"


def _get(name: str, arguments: str, scopes: str, tier: str, *, json: bool = False) -> Method:
    return replace(_method(name, arguments, scopes, tier), json=json)


def _post(name: str, arguments: str, scopes: str, tier: str, *, json: bool = True) -> Method:
    return replace(_method(name, arguments, scopes, tier), json=json, writes=True)


def _method(name: str, arguments: str, scopes: str, tier: str) -> Method:
    """`arguments`: names, the required ones with an exclamation mark; the token is understood."""
    names = arguments.split()
    return Method(
        name=name,
        required=frozenset(n[:-1] for n in names if n.endswith("!")),
        optional=frozenset(n for n in names if not n.endswith("!")),
        scopes=frozenset(scopes.split()),
        tier=tier,
        json=False,
        writes=False,
        token=Token.APP if name.startswith("apps.") else Token.BOT,
    )


_ALL = (
    _get("auth.test", "", "", "t5", json=True),
    _get("apps.connections.open", "", "", "t3", json=True),
    _post(
        "chat.postMessage",
        f"channel! {_POST} mrkdwn reply_broadcast unfurl_links unfurl_media current_draft_last_updated_ts",
        "chat:write",
        "t5",
    ),
    _post(
        "chat.update",
        "channel! ts! as_user attachments blocks file_ids link_names markdown_text metadata parse reply_broadcast text"
        " unfurled_attachments",
        "chat:write",
        "t3",
    ),
    _post("chat.delete", "channel! ts! as_user", "chat:write", "t3"),
    _post("chat.postEphemeral", f"channel! user! {_POST}", "chat:write", "t4"),
    _get("chat.getPermalink", "channel! message_ts!", "", "t5"),
    _get("conversations.info", "channel! include_locale include_num_members", READ_KINDS, "t3"),
    _get("conversations.list", "cursor exclude_archived limit team_id types", READ_KINDS, "t2"),
    _get("conversations.members", "channel! cursor limit", READ_KINDS, "t4"),
    _get(
        "conversations.history",
        "channel! cursor include_all_metadata inclusive latest limit oldest",
        HISTORY_KINDS,
        "t3",
        json=True,
    ),
    _get(
        "conversations.replies",
        "channel! ts! cursor include_all_metadata inclusive latest limit oldest",
        HISTORY_KINDS,
        "t3",
    ),
    _post("conversations.join", "channel!", "channels:join", "t3"),
    _post(
        "conversations.open",
        "channel prevent_creation return_im users",
        "channels:manage groups:write im:write mpim:write",
        "t3",
    ),
    _get("users.info", "user! include_locale", "users:read", "t4"),
    _get("users.list", "cursor include_locale limit team_id", "users:read", "t2"),
    _get("usergroups.list", "include_count include_disabled include_users team_id", "usergroups:read", "t2"),
    _get("usergroups.users.list", "usergroup! include_disabled team_id", "usergroups:read", "t2"),
    _post("views.open", "view! trigger_id interactivity_pointer", "", "t4"),
    _post("views.push", "view! trigger_id interactivity_pointer", "", "t4"),
    _post("views.update", "view! external_id hash view_id", "", "t4"),
    _post("views.publish", "user_id! view! hash interactivity_pointer", "", "t4"),
    _post("reactions.add", "channel! name! timestamp!", "reactions:write", "t3"),
    _get("reactions.get", "channel file file_comment full timestamp", "reactions:read", "t3"),
    _post("files.getUploadURLExternal", "filename! length! alt_txt snippet_type", "files:write", "t4", json=False),
    _post(
        "files.completeUploadExternal",
        "files! blocks channel_id channels icon_emoji icon_url initial_comment thread_ts username",
        "files:write",
        "t4",
    ),
    _get("files.info", "file! count cursor limit page", "files:read", "t4"),
    _get("team.info", "domain team", "team:read", "t3", json=True),
    _get("bots.info", "bot team_id", "users:read", "t3"),
)

METHODS: dict[str, Method] = {method.name: method for method in _ALL}
