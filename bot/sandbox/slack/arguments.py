"""A call's arguments as Slack reads them, and the refusals for arguments it does not."""

from __future__ import annotations

from dataclasses import dataclass

from bot.sandbox.slack.methods import Method
from bot.sandbox.slack.shapes import Json, Obj, parse, strings


class Refused(Exception):
    """Slack says no: an error code, and with some of them what exactly is wrong."""

    def __init__(self, error: str, messages: tuple[str, ...] = (), **more: str) -> None:
        super().__init__(f"{error} {' '.join(messages)}".strip())
        self.error = error
        self.messages = messages
        self.more = more

    def body(self) -> Obj:
        """The answer on the wire. Source: Slack, "Web API", evaluating responses."""
        answer: Obj = {"ok": False, "error": self.error, **self.more}
        if self.messages:
            listed = strings(self.messages)
            answer |= {"response_metadata": {"messages": listed}}
            if self.error == "invalid_blocks":
                answer |= {"errors": strings([m.removeprefix("[ERROR] ") for m in self.messages])}
        return answer


@dataclass(frozen=True, slots=True)
class Arguments:
    """The arguments of one call, from query, form or JSON body. An empty value counts as absent."""

    values: Obj

    def has(self, name: str) -> bool:
        """Whether the argument was given."""
        return self.values.get(name) not in (None, "")

    def text(self, name: str, default: str = "") -> str:
        """A string argument; numbers are taken as their digits."""
        value = self.values.get(name)
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return str(value)
        return value if isinstance(value, str) and value else default

    def flag(self, name: str, default: bool = False) -> bool:
        """A boolean argument: true and false, 1 and 0, as words or values."""
        value = self.values.get(name)
        if value in (True, "true", "True", "1", 1):
            return True
        if value in (False, "false", "False", "0", 0):
            return False
        return default

    def whole(self, name: str, default: int, most: int, error: str) -> int:
        """A number between 1 and `most`; refused with `error` when it is none."""
        given = self.text(name)
        if not given:
            return default
        if not given.isdigit() or not 1 <= int(given) <= most:
            raise Refused(error)
        return int(given)

    def json(self, name: str, error: str) -> Json:
        """An argument that is JSON, as a string in forms and as a value in JSON bodies; refused with `error`."""
        value = self.values.get(name)
        if not isinstance(value, str):
            return value
        try:
            return parse(value)
        except ValueError:
            raise Refused(error) from None


ANYWHERE = frozenset({"token", "team_id"})
"""Taken everywhere: Bolt's client in a listener puts team_id into every call (measured)."""


def check(method: Method, values: Obj) -> Arguments:
    """The call's arguments, or the refusal for a missing or unknown one.

    Slack ignores most arguments it does not know; the stand-in refuses them by name, because they are always mistakes.
    """
    given: Obj = {name: value for name, value in values.items() if name not in ANYWHERE and value is not None}
    unknown = sorted(set(given) - method.required - method.optional)
    if unknown:
        raise Refused("invalid_arguments", tuple(f"[ERROR] unknown argument: {name}" for name in unknown))
    missing = sorted(name for name in method.required if given.get(name) in (None, ""))
    if missing:
        raise Refused("invalid_arguments", tuple(f"[ERROR] missing required field: {name}" for name in missing))
    return Arguments(given)
