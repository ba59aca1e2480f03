"""Block Kit, views and metadata checked as Slack checks them, so that what passes here passes there.

Each check returns Slack's own kind of messages, `[ERROR] … [json-pointer:/blocks/0/text]`; none means accepted.
Source: Slack, "Block Kit reference" (blocks, elements, composition objects, views), "Message metadata"; the counts and
lengths stand with each shape.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

from bot.sandbox.slack.shapes import Json, Obj, flag, obj, objs, text

MESSAGE_BLOCKS_MAX = 50
VIEW_BLOCKS_MAX = 100
MESSAGE_TEXT_MAX = 40_000
UPDATE_TEXT_MAX = 4_000
BLOCKS_TEXT_MAX = 13_200
VIEW_BYTES_MAX = 250_000
METADATA_BYTES_MAX = 16_000


@dataclass(slots=True)
class Report:
    """What was found wrong so far."""

    messages: list[str] = field(default_factory=list)

    def add(self, message: str, at: str) -> None:
        self.messages.append(f"[ERROR] {message} [json-pointer:{at or '/'}]")


Rule: TypeAlias = "Callable[[Json, str, Report], None]"


def string(most: int, least: int = 1) -> Rule:
    """A string of `least` to `most` characters."""

    def check(value: Json, at: str, report: Report) -> None:
        if not isinstance(value, str):
            report.add("must be a string", at)
        elif len(value) > most:
            report.add(f"must be less than {most + 1} characters", at)
        elif len(value) < least:
            report.add(f"must be more than {least - 1} characters", at)

    return check


def boolean(value: Json, at: str, report: Report) -> None:
    """True or false."""
    if not isinstance(value, bool):
        report.add("must be a boolean", at)


def integer(least: int, most: int) -> Rule:
    """A whole number between both bounds."""

    def check(value: Json, at: str, report: Report) -> None:
        if not isinstance(value, int) or isinstance(value, bool):
            report.add("must be an integer", at)
        elif not least <= value <= most:
            report.add(f"must be between {least} and {most}", at)

    return check


def one_of(*allowed: str) -> Rule:
    """One of a fixed set of strings."""

    def check(value: Json, at: str, report: Report) -> None:
        if value not in allowed:
            report.add(f"must be one of: {', '.join(allowed)}", at)

    return check


def many(rule: Rule, most: int, least: int = 1) -> Rule:
    """A list of `least` to `most` things, each as `rule` wants it."""

    def check(value: Json, at: str, report: Report) -> None:
        if not isinstance(value, list):
            report.add("must be an array", at)
            return
        if len(value) > most:
            report.add(f"no more than {most} items allowed", at)
        if len(value) < least:
            report.add(f"must have at least {least} item", at)
        for index, item in enumerate(value):
            rule(item, f"{at}/{index}", report)

    return check


def shape(required: dict[str, Rule], optional: dict[str, Rule] | None = None) -> Rule:
    """An object with these fields and no others."""
    known = required | (optional or {})

    def check(value: Json, at: str, report: Report) -> None:
        if not isinstance(value, dict):
            report.add("must be an object", at)
            return
        for name in required:
            if name not in value:
                report.add(f"missing required field: {name}", at)
        for name, inner in value.items():
            if name not in known:
                report.add(f"invalid additional property: {name}", at)
            else:
                known[name](inner, f"{at}/{name}", report)

    return check


def by_type(rules: dict[str, Rule], what: str) -> Rule:
    """An object whose `type` says which of `rules` it must follow."""

    def check(value: Json, at: str, report: Report) -> None:
        if not isinstance(value, dict):
            report.add("must be an object", at)
        elif "type" not in value:
            report.add("missing required field: type", at)
        elif text(value, "type") not in rules:
            report.add(f"unsupported type: {text(value, 'type') or value['type']} for {what}", f"{at}/type")
        else:
            rules[text(value, "type")](value, at, report)

    return check


def anything(value: Json, at: str, report: Report) -> None:
    """Accepted as it is."""


# --- Composition objects ---------------------------------------------------------------------------------------------


def plain(most: int) -> Rule:
    """A plain_text object. Source: Slack, "Text object"."""
    return by_type({"plain_text": shape({"type": anything, "text": string(most)}, {"emoji": boolean})}, "plain text")


def any_text(most: int) -> Rule:
    """A plain_text or mrkdwn object. Source: Slack, "Text object"."""
    return by_type(
        {
            "plain_text": shape({"type": anything, "text": string(most)}, {"emoji": boolean}),
            "mrkdwn": shape({"type": anything, "text": string(most)}, {"verbatim": boolean}),
        },
        "text",
    )


CONFIRM = shape(
    {"title": plain(100), "text": any_text(300), "confirm": plain(30), "deny": plain(30)},
    {"style": one_of("primary", "danger")},
)
OPTION = shape(
    {"text": plain(75), "value": string(150)},
    {"description": plain(75), "url": string(3000)},
)
MARKED_OPTION = shape({"text": any_text(75), "value": string(150)}, {"description": any_text(75)})
OPTION_GROUP = shape({"label": plain(75), "options": many(OPTION, 100)})
FILTER = shape(
    {},
    {
        "include": many(one_of("im", "mpim", "private", "public"), 4),
        "exclude_external_shared_channels": boolean,
        "exclude_bot_users": boolean,
    },
)
DISPATCH = shape({}, {"trigger_actions_on": many(one_of("on_enter_pressed", "on_character_entered"), 2)})

# --- Elements --------------------------------------------------------------------------------------------------------

_ACTION: dict[str, Rule] = {"action_id": string(255), "confirm": CONFIRM}
_FOCUS: dict[str, Rule] = {"focus_on_load": boolean, "placeholder": plain(150)}


def _element(required: dict[str, Rule], optional: dict[str, Rule], *, focus: bool = True) -> Rule:
    return shape({"type": anything} | required, _ACTION | (_FOCUS if focus else {}) | optional)


def _menus(name: str, own_required: dict[str, Rule], own: dict[str, Rule], initial: str) -> dict[str, Rule]:
    """A select menu and its multi-select sister. Source: Slack, "Select menu element", "Multi-select menu element"."""
    single = {f"initial_{initial}": OPTION if initial == "option" else string(255)}
    several = {
        f"initial_{initial}s": many(OPTION if initial == "option" else string(255), 100),
        "max_selected_items": integer(1, 100),
    }
    return {
        f"{name}_select": _element(own_required, own | single),
        f"multi_{name}_select": _element(own_required, own | several),
    }


_OPTIONS: dict[str, Rule] = {"options": many(OPTION, 100), "option_groups": many(OPTION_GROUP, 100)}
SELECTS: dict[str, Rule] = {
    **_menus("static", {}, _OPTIONS, "option"),
    **_menus("external", {}, {"min_query_length": integer(0, 3000)}, "option"),
    **_menus("users", {}, {}, "user"),
    **_menus(
        "conversations",
        {},
        {"default_to_current_conversation": boolean, "response_url_enabled": boolean, "filter": FILTER},
        "conversation",
    ),
    **_menus("channels", {}, {"response_url_enabled": boolean}, "channel"),
}
IMAGE_ELEMENT = shape(
    {"type": anything, "alt_text": string(2000, 0)}, {"image_url": string(3000), "slack_file": anything}
)
ELEMENTS: dict[str, Rule] = {
    **SELECTS,
    "button": _element(
        {"text": plain(75)},
        {
            "url": string(3000),
            "value": string(2000),
            "style": one_of("primary", "danger"),
            "accessibility_label": string(75),
        },
        focus=False,
    ),
    "overflow": _element({"options": many(OPTION, 5)}, {}, focus=False),
    "radio_buttons": _element({"options": many(MARKED_OPTION, 10)}, {"initial_option": MARKED_OPTION}),
    "checkboxes": _element({"options": many(MARKED_OPTION, 10)}, {"initial_options": many(MARKED_OPTION, 10)}),
    "datepicker": _element({}, {"initial_date": string(10)}),
    "timepicker": _element({}, {"initial_time": string(5), "timezone": string(100)}),
    "datetimepicker": _element({}, {"initial_date_time": integer(0, 9_999_999_999)}),
    "plain_text_input": _element(
        {},
        {
            "multiline": boolean,
            "initial_value": string(3000, 0),
            "min_length": integer(0, 3000),
            "max_length": integer(1, 3000),
            "dispatch_action_config": DISPATCH,
        },
    ),
    "email_text_input": _element({}, {"initial_value": string(3000, 0), "dispatch_action_config": DISPATCH}),
    "url_text_input": _element({}, {"initial_value": string(3000, 0), "dispatch_action_config": DISPATCH}),
    "number_input": _element(
        {"is_decimal_allowed": boolean},
        {
            "initial_value": string(100),
            "min_value": string(100),
            "max_value": string(100),
            "dispatch_action_config": DISPATCH,
        },
    ),
    "rich_text_input": _element({}, {"initial_value": anything, "dispatch_action_config": DISPATCH}),
    "file_input": _element({}, {"filetypes": many(string(50), 100), "max_files": integer(1, 10)}, focus=False),
    "image": IMAGE_ELEMENT,
}

_SINGLE_SELECTS = frozenset(name for name in SELECTS if not name.startswith("multi_"))
_PICKERS = frozenset({"datepicker", "timepicker"})
IN_ACTIONS = _SINGLE_SELECTS | _PICKERS | {"button", "overflow", "radio_buttons", "checkboxes", "datetimepicker"}
IN_SECTION = frozenset(SELECTS) | _PICKERS | {"button", "overflow", "radio_buttons", "checkboxes", "image"}
IN_INPUT = (
    frozenset(SELECTS)
    | _PICKERS
    | {"radio_buttons", "checkboxes", "datetimepicker", "plain_text_input", "email_text_input", "url_text_input"}
    | {"number_input", "rich_text_input", "file_input"}
)


def _only(names: frozenset[str], where: str) -> Rule:
    return by_type({name: ELEMENTS[name] for name in names}, where)


# --- Rich text -------------------------------------------------------------------------------------------------------

_STYLE = shape(
    {},
    dict.fromkeys(
        ("bold", "italic", "strike", "code", "underline", "highlight", "client_highlight", "unlink"), boolean
    ),
)
RICH_LEAVES: dict[str, Rule] = {
    "text": shape({"type": anything, "text": string(40_000)}, {"style": _STYLE}),
    "emoji": shape({"type": anything, "name": string(100)}, {"unicode": string(100), "style": _STYLE}),
    "link": shape(
        {"type": anything, "url": string(3000)},
        {"text": string(3000, 0), "unsafe": boolean, "style": _STYLE},
    ),
    "user": shape({"type": anything, "user_id": string(50)}, {"style": _STYLE}),
    "usergroup": shape({"type": anything, "usergroup_id": string(50)}, {"style": _STYLE}),
    "channel": shape({"type": anything, "channel_id": string(50)}, {"style": _STYLE}),
    "broadcast": shape({"type": anything, "range": one_of("here", "channel", "everyone")}, {"style": _STYLE}),
    "color": shape({"type": anything, "value": string(50)}, {"style": _STYLE}),
    "date": shape(
        {"type": anything, "timestamp": integer(0, 9_999_999_999), "format": string(255)},
        {"url": string(3000), "fallback": string(255), "style": _STYLE},
    ),
}
_LEAVES = many(by_type(RICH_LEAVES, "rich text element"), 1000, 0)
_RICH_SECTION = shape({"type": anything, "elements": _LEAVES})
RICH_PARTS: dict[str, Rule] = {
    "rich_text_section": _RICH_SECTION,
    "rich_text_list": shape(
        {
            "type": anything,
            "style": one_of("bullet", "ordered"),
            "elements": many(by_type({"rich_text_section": _RICH_SECTION}, "list item"), 1000),
        },
        {"indent": integer(0, 8), "offset": integer(0, 10_000), "border": integer(0, 1)},
    ),
    "rich_text_quote": shape({"type": anything, "elements": _LEAVES}, {"border": integer(0, 1)}),
    "rich_text_preformatted": shape(
        {"type": anything, "elements": _LEAVES}, {"border": integer(0, 1), "language": string(50)}
    ),
}

# --- Blocks ----------------------------------------------------------------------------------------------------------

_CONTEXT_ELEMENT = by_type(
    {
        "image": IMAGE_ELEMENT,
        "plain_text": shape({"type": anything, "text": string(3000)}, {"emoji": boolean}),
        "mrkdwn": shape({"type": anything, "text": string(3000)}, {"verbatim": boolean}),
    },
    "context element",
)


def _block(required: dict[str, Rule], optional: dict[str, Rule] | None = None) -> Rule:
    return shape({"type": anything} | required, {"block_id": string(255)} | (optional or {}))


BLOCKS: dict[str, Rule] = {
    "section": _block(
        {},
        {
            "text": any_text(3000),
            "fields": many(any_text(2000), 10),
            "accessory": _only(IN_SECTION, "section accessory"),
            "expand": boolean,
        },
    ),
    "divider": _block({}),
    "header": _block({"text": plain(150)}),
    "image": _block(
        {"alt_text": string(2000)}, {"image_url": string(3000), "slack_file": anything, "title": plain(2000)}
    ),
    "context": _block({"elements": many(_CONTEXT_ELEMENT, 10)}),
    "actions": _block({"elements": many(_only(IN_ACTIONS, "actions block"), 25)}),
    "input": _block(
        {"label": plain(2000), "element": _only(IN_INPUT, "input block")},
        {"hint": plain(2000), "optional": boolean, "dispatch_action": boolean},
    ),
    "rich_text": _block({"elements": many(by_type(RICH_PARTS, "rich text part"), 1000)}),
    "markdown": _block({"text": string(12_000)}),
}
IN_MESSAGE = frozenset(BLOCKS)
IN_VIEW = frozenset(BLOCKS) - {"markdown"}


def blocks(value: Json, *, most: int, allowed: frozenset[str], at: str) -> tuple[str, ...]:
    """What is wrong with a list of blocks on this surface."""
    report = Report()
    rules = {name: BLOCKS[name] for name in allowed}
    many(by_type(rules, "block"), most, 0)(value, at, report)
    found = [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
    _unique_ids(found, at, report)
    _needs(found, at, report)
    return tuple(report.messages)


def message_blocks(value: Json) -> tuple[str, ...]:
    """What is wrong with a message's blocks: at most 50."""
    return blocks(value, most=MESSAGE_BLOCKS_MAX, allowed=IN_MESSAGE, at="/blocks")


def elements_of(block: Obj) -> list[Obj]:
    """The interactive elements of a block (its input, its accessory, its actions)."""
    match text(block, "type"):
        case "actions":
            return objs(block, "elements")
        case "section":
            return [obj(block, "accessory")] if obj(block, "accessory") else []
        case "input":
            return [obj(block, "element")] if obj(block, "element") else []
        case _:
            return []


def _unique_ids(found: list[Obj], at: str, report: Report) -> None:
    """block_ids once a message or view, action_ids once a block. Source: Slack, "Blocks" and "Block elements"."""
    seen: set[str] = set()
    focused = 0
    for index, block in enumerate(found):
        block_id = text(block, "block_id")
        if block_id and block_id in seen:
            report.add(f"`block_id` already exists: {block_id}", f"{at}/{index}/block_id")
        seen.add(block_id)
        actions: set[str] = set()
        for element in elements_of(block):
            focused += flag(element, "focus_on_load")
            action = text(element, "action_id")
            if action and action in actions:
                report.add(f"`action_id` already exists: {action}", f"{at}/{index}")
            actions.add(action)
    if focused > 1:
        report.add("only one element may have focus_on_load", at)


def _needs(found: list[Obj], at: str, report: Report) -> None:
    """Fields of which one is needed, or only one allowed."""
    for index, block in enumerate(found):
        here = f"{at}/{index}"
        if text(block, "type") == "section" and not ("text" in block or "fields" in block):
            report.add("missing required field: text or fields", here)
        if text(block, "type") == "image" and ("image_url" in block) == ("slack_file" in block):
            report.add("exactly one of image_url and slack_file is needed", here)
        for element in elements_of(block):
            if text(element, "type").endswith("static_select") and ("options" in element) == (
                "option_groups" in element
            ):
                report.add("exactly one of options and option_groups is needed", here)
            _initial(element, here, report)


def _initial(element: Obj, at: str, report: Report) -> None:
    """What is chosen at first must be one of the options, exactly. Source: Slack, "Select menu element"."""
    options = options_of(element)
    if not options or text(element, "type") not in (
        "static_select",
        "multi_static_select",
        "radio_buttons",
        "checkboxes",
    ):
        return
    chosen = objs(element, "initial_options") + (
        [obj(element, "initial_option")] if "initial_option" in element else []
    )
    if any(choice not in options for choice in chosen):
        report.add("initial option must match one of the options", at)
    values = [text(option, "value") for option in options]
    if len(set(values)) != len(values):
        report.add("option values must be unique", at)


def options_of(element: Obj) -> list[Obj]:
    """All options of an element, those in groups included."""
    return objs(element, "options") + [o for group in objs(element, "option_groups") for o in objs(group, "options")]


def text_length(value: Json) -> int:
    """Characters of all texts in blocks; more than about 13,000 are refused with msg_blocks_too_long (measured)."""
    if isinstance(value, list):
        return sum(text_length(item) for item in value)
    if isinstance(value, dict):
        return sum(len(v) if k == "text" and isinstance(v, str) else text_length(v) for k, v in value.items())
    return 0


# --- Views -----------------------------------------------------------------------------------------------------------

_VIEW_COMMON: dict[str, Rule] = {
    "private_metadata": string(3000, 0),
    "callback_id": string(255, 0),
    "external_id": string(255, 0),
}
_VIEWS: dict[str, Rule] = {
    "modal": shape(
        {"type": anything, "title": plain(24), "blocks": anything},
        _VIEW_COMMON
        | {
            "submit": plain(24),
            "close": plain(24),
            "clear_on_close": boolean,
            "notify_on_close": boolean,
            "submit_disabled": boolean,
        },
    ),
    "home": shape({"type": anything, "blocks": anything}, _VIEW_COMMON),
}


def view(value: Json, kind: str) -> tuple[str, ...]:
    """What is wrong with a view; `kind`: modal or home. Source: Slack, "Views" reference."""
    report = Report()
    by_type({kind: _VIEWS[kind]}, "view")(value, "/view", report)
    if isinstance(value, dict) and "blocks" in value:
        report.messages.extend(
            blocks(value["blocks"], most=VIEW_BLOCKS_MAX, allowed=IN_VIEW, at="/view/blocks"),
        )
        has_input = any(text(block, "type") == "input" for block in objs(value, "blocks"))
        if kind == "modal" and has_input and "submit" not in value:
            report.add("missing required field: submit", "/view")
    return tuple(report.messages)


def view_too_large(value: Json) -> bool:
    """Views are limited to 250 KB. Source: Slack, "views.open", error view_too_large."""
    return len(json.dumps(value).encode()) > VIEW_BYTES_MAX


def metadata(value: Json) -> str:
    """The error code for this metadata, or nothing. Source: Slack, "Message metadata"."""
    if not isinstance(value, dict) or set(value) - {"event_type", "event_payload", "entities"}:
        return "invalid_metadata_format"
    if not text(value, "event_type") or not isinstance(value.get("event_payload"), dict):
        return "invalid_metadata_format"
    return "metadata_too_large" if len(json.dumps(value).encode()) > METADATA_BYTES_MAX else ""


def options_answer(value: Json) -> tuple[str, ...]:
    """What is wrong with an answer to a block_suggestion. Source: Slack, "block_suggestion payloads"."""
    report = Report()
    shape({}, {"options": many(OPTION, 100, 0), "option_groups": many(OPTION_GROUP, 100, 0)})(value, "", report)
    return tuple(report.messages)
