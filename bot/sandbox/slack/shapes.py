"""JSON as typed values: the one place where bytes from the wire become something the type checker knows."""

from __future__ import annotations

import copy
import json
from typing import TypeAlias

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"
Obj: TypeAlias = "dict[str, Json]"


def parse(raw: str | bytes) -> Json:
    """The value of a JSON text. Raises ValueError when it is not JSON."""
    value: Json = json.loads(raw)
    return value


def parse_obj(raw: str | bytes) -> Obj:
    """The value of a JSON text that must be an object. Raises ValueError otherwise."""
    value = parse(raw)
    if not isinstance(value, dict):
        raise ValueError(f"not a JSON object: {type(value).__name__}")
    return value


def text(source: Json, key: str, default: str = "") -> str:
    """The string under `key`, or `default` when it is absent or something else."""
    value = source.get(key) if isinstance(source, dict) else None
    return value if isinstance(value, str) else default


def flag(source: Json, key: str, default: bool = False) -> bool:
    """The boolean under `key`, or `default` when it is absent or something else."""
    value = source.get(key) if isinstance(source, dict) else None
    return value if isinstance(value, bool) else default


def number(source: Json, key: str) -> int | float | None:
    """The number under `key`; None when it is absent or something else."""
    value = source.get(key) if isinstance(source, dict) else None
    return value if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def obj(source: Json, key: str) -> Obj:
    """The object under `key`; empty when it is absent or something else."""
    value = source.get(key) if isinstance(source, dict) else None
    return value if isinstance(value, dict) else {}


def items(source: Json, key: str) -> list[Json]:
    """The list under `key`; empty when it is absent or something else."""
    value = source.get(key) if isinstance(source, dict) else None
    return value if isinstance(value, list) else []


def objs(source: Json, key: str) -> list[Obj]:
    """The objects in the list under `key`."""
    return [item for item in items(source, key) if isinstance(item, dict)]


def texts(source: Json, key: str) -> list[str]:
    """The strings in the list under `key`."""
    return [item for item in items(source, key) if isinstance(item, str)]


def clone(source: Obj) -> Obj:
    """A copy that shares nothing with `source`."""
    return copy.deepcopy(source)


def strings(values: tuple[str, ...] | list[str]) -> list[Json]:
    """A list of strings as a JSON list (lists are invariant: the type checker wants it said)."""
    return list(values)


def listed(values: list[Obj]) -> list[Json]:
    """A list of objects as a JSON list."""
    return list(values)
