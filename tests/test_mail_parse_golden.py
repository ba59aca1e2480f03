"""The folder `tests/mails` is the table of tests: each `name.eml` is read, and what its `name.json` tells must hold."""

import dataclasses
import json
from datetime import date, datetime
from enum import StrEnum
from pathlib import Path

import pytest

from bot.mail.parse import parse

FOLDER = Path(__file__).parent / "mails"
NAMES = sorted(path.stem for path in FOLDER.glob("*.eml"))


def plain(value: object) -> object:
    """A value as JSON tells it."""
    match value:
        case StrEnum():
            return value.value
        case datetime() | date():
            return value.isoformat()
        case tuple():
            return [plain(one) for one in value]
        case _ if dataclasses.is_dataclass(value):
            return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
        case _:
            return value


def told(found: object, expected: object) -> object:
    """What was found, narrowed to the fields that the table names, so that a difference reads well."""
    if isinstance(expected, dict) and isinstance(found, dict):
        return {key: told(found.get(key), expected[key]) for key in expected}
    if isinstance(expected, list) and isinstance(found, list) and len(found) == len(expected):
        return [told(one, other) for one, other in zip(found, expected, strict=True)]
    return found


def test_every_mail_has_its_expectation_and_every_expectation_its_mail():
    assert sorted(path.stem for path in FOLDER.glob("*.json")) == NAMES
    assert len(NAMES) >= 30


@pytest.mark.parametrize("name", NAMES)
def test_the_mail_is_read_as_the_table_says(name):
    expected = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    mail = parse((FOLDER / f"{name}.eml").read_bytes(), "mx.parley.example")
    for words in expected.pop("text_has", []):
        assert words in mail.text
    for words in expected.pop("text_lacks", []):
        assert words not in mail.text
    assert told(plain(mail), expected) == expected
