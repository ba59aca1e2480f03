"""Frozen values of the core to rows and JSON, and back to values that are equal.

Only this module knows pydantic; types are read from the dataclasses, so a field added there with a default is stored
from then on, and rows without it are read with the default.
"""

import json
from collections.abc import Mapping
from typing import Any, Generic, TypeVar, get_args

from pydantic import TypeAdapter

from bot.flows.case import Case, Clock, Item, Party, Statement
from bot.flows.effects import Because
from bot.flows.events import Event, Fact

T = TypeVar("T")

FACTS: Mapping[str, type[Fact]] = {kind.__name__: kind for kind in get_args(Fact)}
"""Every fact by the name it is stored under."""


class Unreadable(ValueError):
    """Something in the store that this version cannot read; the message names it."""


def dumps(value: object) -> str:
    """JSON in one fixed form, which hashes rest on. Lone surrogates, which no database takes, are left out."""
    text = json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return text.encode("utf-8", "ignore").decode()


def loads(text: str) -> dict[str, Any]:
    """A JSON object that `dumps` wrote. Raises `Unreadable`."""
    found = json.loads(text)
    if not isinstance(found, dict):
        raise Unreadable(f"not a JSON object: {text[:80]!r}")
    return found


class Shape(Generic[T]):
    """How a frozen value lies in a row: `columns` as they are, `apart` elsewhere, the others as JSON in `rest`."""

    def __init__(self, kind: type[T], columns: tuple[str, ...], apart: tuple[str, ...] = ()) -> None:
        self._adapter: TypeAdapter[T] = TypeAdapter(kind)
        self._columns = columns
        self._excluded = {*columns, *apart}

    def row(self, value: T) -> dict[str, Any]:
        """The columns of `columns`, and `rest`."""
        rest = self._adapter.dump_python(value, mode="json", exclude=self._excluded)
        return {**{name: getattr(value, name) for name in self._columns}, "rest": dumps(rest)}

    def value(self, row: Mapping[str, Any], **apart: object) -> T:
        """The value of a row; `apart` gives the fields that lie elsewhere."""
        rest = loads(row["rest"])
        return self._adapter.validate_python({**rest, **{name: row[name] for name in self._columns}, **apart})


CASE = Shape(
    Case,
    ("number", "version", "kind", "stage", "opener", "owner", "subject", "opened_at"),
    ("assignment_ids", "worker", "client", "items", "statements", "clocks"),
)
PARTY = Shape(Party, ("role", "name", "zone", "lang"), ("contacts",))
ITEM = Shape(Item, ("role", "state", "provenance", "mail_id", "by", "reason"), ("name",))
STATEMENT = Shape(Statement, ("number", "role", "mail_id", "text", "released_at", "by"))
CLOCK = Shape(Clock, ("who", "what", "topic", "due_at", "letter", "held_since"), ("held_by",))
EVENT = Shape(Event, ("id", "by"), ("fact",))

_FACT: Mapping[str, TypeAdapter[Fact]] = {name: TypeAdapter(kind) for name, kind in FACTS.items()}
_BECAUSE = TypeAdapter(Because)


def event_body(event: Event) -> str:
    """All of an event but its id, `by` and the fact's kind, as one JSON object."""
    fact = _FACT[type(event.fact).__name__].dump_python(event.fact, mode="json")
    return dumps({"event": loads(EVENT.row(event)["rest"]), "fact": fact})


def read_event(row: Mapping[str, Any]) -> Event:
    """The event of a row with `id by kind body`. Raises `Unreadable` for a kind of fact that is not known."""
    adapter = _FACT.get(row["kind"])
    if adapter is None:
        raise Unreadable(f"event {row['id']}: there is no fact {row['kind']!r} in this version")
    body = loads(row["body"])
    fact = adapter.validate_python(body["fact"])
    return EVENT.value({"id": row["id"], "by": row["by"], "rest": dumps(body["event"])}, fact=fact)


def because_text(because: Because) -> str:
    return dumps(_BECAUSE.dump_python(because, mode="json"))


def read_because(text: str) -> Because:
    return _BECAUSE.validate_json(text)
