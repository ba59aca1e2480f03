"""What a person can put into the elements of a message or modal, and the `state.values` Slack makes of it."""

from __future__ import annotations

import re
from datetime import date

from bot.sandbox.slack.checks import elements_of, options_of
from bot.sandbox.slack.shapes import Json, Obj, flag, listed, number, obj, objs, strings, text, texts

_OPTION_FIELDS = ("static_select", "external_select", "radio_buttons", "overflow")
_OPTIONS_FIELDS = ("multi_static_select", "multi_external_select", "checkboxes")
_WORD_FIELDS = ("plain_text_input", "email_text_input", "url_text_input", "number_input")
_KEYS = {
    "users_select": "selected_user",
    "conversations_select": "selected_conversation",
    "channels_select": "selected_channel",
    "datepicker": "selected_date",
    "timepicker": "selected_time",
    "datetimepicker": "selected_date_time",
    "multi_users_select": "selected_users",
    "multi_conversations_select": "selected_conversations",
    "multi_channels_select": "selected_channels",
    "rich_text_input": "rich_text_value",
    "file_input": "files",
}
"""Where the value stands in an element's state. Source: Slack, "view_submission payloads", state values."""


class Unfit(Exception):
    """The value cannot be entered here; the message is what Slack's client would say."""


def key_of(kind: str) -> str:
    """Under which name the value of an element of this type stands in its state and action."""
    if kind in _OPTION_FIELDS:
        return "selected_option"
    if kind in _OPTIONS_FIELDS:
        return "selected_options"
    return _KEYS.get(kind, "value")


def initial(element: Obj) -> Obj:
    """The state of an element nobody has touched: its initial value, or empty."""
    kind = text(element, "type")
    key = key_of(kind)
    first = element.get("initial_" + (key.removeprefix("selected_") if key.startswith("selected_") else "value"))
    empty: Json = [] if key.endswith("s") and key != "files" else None
    return {"type": kind, key: first if first is not None else empty}


def is_empty(state: Obj) -> bool:
    """Whether nothing has been entered."""
    return state.get(key_of(text(state, "type"))) in (None, "", [])


def state_of(blocks: list[Obj], entered: dict[str, dict[str, Obj]]) -> Obj:
    """`state.values`: block_id → action_id → state, of every element that holds a value."""
    values: Obj = {}
    for block in blocks:
        mine: Obj = {}
        for element in elements_of(block):
            if text(element, "type") in ("button", "overflow", "image"):
                continue
            action = text(element, "action_id")
            mine[action] = entered.get(text(block, "block_id"), {}).get(action) or initial(element)
        if mine:
            values[text(block, "block_id")] = mine
    return values


def fill(element: Obj, value: Json, choices: list[Obj] | None = None) -> Obj:
    """The state after a person entered `value`. Raises Unfit when Slack's client would not let them.

    `choices`: the options of an external select, as the bot gave them. Options are named by value or by their text.
    """
    kind = text(element, "type")
    options = options_of(element) if choices is None else choices
    if value is None or value == "":
        return {"type": kind, key_of(kind): [] if key_of(kind).endswith("s") else None}
    if kind in _OPTION_FIELDS:
        return {"type": kind, "selected_option": _option(options, value)}
    if kind in _OPTIONS_FIELDS:
        return {"type": kind, "selected_options": listed(_several(element, options, value))}
    if kind in _WORD_FIELDS:
        return {"type": kind, "value": _words(element, value)}
    if kind.startswith("multi_"):
        return {"type": kind, key_of(kind): strings([_word(item) for item in _list(value)])}
    return {"type": kind, key_of(kind): _plain_value(kind, value)}


def _plain_value(kind: str, value: Json) -> Json:
    match kind:
        case "datepicker":
            try:
                return date.fromisoformat(_word(value)).isoformat()
            except ValueError:
                raise Unfit(f"Not a date: {value}") from None
        case "timepicker":
            if not re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d", _word(value)):
                raise Unfit(f"Not a time: {value}")
            return value
        case "datetimepicker":
            if not isinstance(value, int):
                raise Unfit(f"Not a time in epoch seconds: {value}")
            return value
        case "rich_text_input" | "file_input":
            return value
        case _:
            return _word(value)


def _words(element: Obj, value: Json) -> str:
    """Text within min_length and max_length; numbers and addresses as the client checks them."""
    words = str(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else _word(value)
    most, least = number(element, "max_length") or 3000, number(element, "min_length") or 0
    if len(words) > most:
        raise Unfit(f"Please shorten this to {most} characters or fewer.")
    if len(words) < least:
        raise Unfit(f"Please lengthen this to {least} characters or more.")
    match text(element, "type"):
        case "number_input" if not re.fullmatch(
            r"-?\d+(\.\d+)?" if flag(element, "is_decimal_allowed") else r"-?\d+", words
        ):
            raise Unfit("Must be a valid number.")
        case "email_text_input" if not re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s]+", words):
            raise Unfit("Must be a valid email address.")
        case "url_text_input" if not re.match(r"https?://\S+$", words):
            raise Unfit("Must be a valid URL.")
        case _:
            return words


def _several(element: Obj, options: list[Obj], value: Json) -> list[Obj]:
    chosen = [_option(options, item) for item in _list(value)]
    most = number(element, "max_selected_items")
    if most is not None and len(chosen) > most:
        raise Unfit(f"You can select at most {most}.")
    return chosen


def _option(options: list[Obj], value: Json) -> Obj:
    for option in options:
        if text(option, "value") == value:
            return option
    for option in options:
        if text(obj(option, "text"), "text") == value:
            return option
    raise Unfit(f"No such option: {value}")


def _list(value: Json) -> list[Json]:
    return value if isinstance(value, list) else [value]


def _word(value: Json) -> str:
    if not isinstance(value, str):
        raise Unfit(f"Not a text: {value}")
    return value


def seen_options(answer: Json) -> list[Obj]:
    """The options in an answer to a block_suggestion, those in groups included."""
    return objs(answer, "options") + [o for group in objs(answer, "option_groups") for o in objs(group, "options")]


def chosen_users(state: Obj) -> list[str]:
    """The users a state names, for checking that they are there."""
    one = text(state, "selected_user")
    return ([one] if one else []) + texts(state, "selected_users")
