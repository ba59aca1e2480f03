"""auth.*, team.*, bots.*, users.* and usergroups.*: who is here."""

from __future__ import annotations

from bot.sandbox.slack.access import page_of
from bot.sandbox.slack.arguments import Arguments, Refused
from bot.sandbox.slack.shapes import Obj, listed, strings
from bot.sandbox.slack.state import (
    Person,
    Workspace,
)


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
    page, cursor = page_of(args, [space.user_object(person) for person in space.people.values()], size)
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
