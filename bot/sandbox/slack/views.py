"""views.*: modals with their stack, hash and triggers, and Home tabs."""

from __future__ import annotations

from bot.sandbox.slack import checks
from bot.sandbox.slack.arguments import Arguments, Refused
from bot.sandbox.slack.shapes import Obj, clone, objs, text
from bot.sandbox.slack.state import (
    STACK_MAX,
    TRIGGER_S,
    Shown,
    Workspace,
)


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
