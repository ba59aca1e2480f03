"""The table of calls: which function carries out which Web API method.

Each function takes the workspace and the checked arguments, returns the answer without its `ok`, and raises Refused
with the error code of the method's page in Slack's reference.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from bot.sandbox.slack import chat, conversations, files, members, reactions, views
from bot.sandbox.slack.arguments import Arguments
from bot.sandbox.slack.shapes import Obj
from bot.sandbox.slack.state import Workspace

Call: TypeAlias = "Callable[[Workspace, Arguments], Obj]"

CALLS: dict[str, Call] = {
    "auth.test": members.auth_test,
    "team.info": members.team_info,
    "bots.info": members.bots_info,
    "chat.postMessage": chat.chat_post_message,
    "chat.update": chat.chat_update,
    "chat.delete": chat.chat_delete,
    "chat.postEphemeral": chat.chat_post_ephemeral,
    "chat.getPermalink": chat.chat_get_permalink,
    "conversations.info": conversations.conversations_info,
    "conversations.list": conversations.conversations_list,
    "conversations.members": conversations.conversations_members,
    "conversations.history": conversations.conversations_history,
    "conversations.replies": conversations.conversations_replies,
    "conversations.join": conversations.conversations_join,
    "conversations.open": conversations.conversations_open,
    "users.info": members.users_info,
    "users.list": members.users_list,
    "usergroups.list": members.usergroups_list,
    "usergroups.users.list": members.usergroups_users_list,
    "views.open": views.views_open,
    "views.push": views.views_push,
    "views.update": views.views_update,
    "views.publish": views.views_publish,
    "reactions.add": reactions.reactions_add,
    "reactions.get": reactions.reactions_get,
    "files.getUploadURLExternal": files.files_get_upload_url,
    "files.completeUploadExternal": files.files_complete_upload,
    "files.info": files.files_info,
}
"""Every method of the table but apps.connections.open, which needs the sockets."""
