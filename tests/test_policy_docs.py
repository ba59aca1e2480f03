"""docs/policy.md promises what the code does: each example in it is run."""

import re
from datetime import date
from pathlib import Path

import pytest

from bot.flows.policy import PolicyError, parse

ROOT = Path(__file__).resolve().parent.parent
DEFAULTS = (ROOT / "bot" / "policy.toml").read_text("utf-8")
DOC = (ROOT / "docs" / "policy.md").read_text("utf-8")
EXAMPLES = re.findall(r"^```toml\n(.*?)^```$", DOC, re.MULTILINE | re.DOTALL)
HOLIDAYS = {"US": frozenset[date](), "DE-BE": frozenset({date(2026, 3, 8)})}


@pytest.mark.parametrize("example", EXAMPLES)
def test_every_example_is_a_policy(example):
    assert parse(example, DEFAULTS, HOLIDAYS).calendar(None).zone


def test_the_whole_of_it_is_what_is_shipped():
    assert EXAMPLES[-1] == DEFAULTS, "copy bot/policy.toml into docs/policy.md, section “All of it”"


def test_the_operators_examples_change_something():
    unchanged = parse("", DEFAULTS, HOLIDAYS)
    assert [parse(example, DEFAULTS, HOLIDAYS) == unchanged for example in EXAMPLES] == [False, False, False, True]


def test_the_messages_shown_are_the_messages_given():
    wrong = '[request]\n\ndeadlin = "3 days"\n\n\n[calendar]\n\nzone = "Amerika/New_York"\n'
    with pytest.raises(PolicyError) as refused:
        parse(wrong, DEFAULTS, HOLIDAYS)
    assert f"```text\n{PolicyError(refused.value.problems, 'our.toml')}\n```" in DOC


PROCEDURE = (ROOT / "docs" / "procedure.md").read_text("utf-8")


def test_every_default_in_the_procedure_is_the_one_shipped():
    shipped = parse("", DEFAULTS, HOLIDAYS)
    told = re.findall(r"^\| (.*?) \|.*\| `([a-z]+\.[a-z_]+)` \|$", PROCEDURE, re.MULTILINE)
    told += re.findall(r"(`[^`]*`[^|`]*)\(`([a-z]+\.[a-z_]+)`\)", PROCEDURE)
    assert len(told) > 18
    for values, key in told:
        for value in re.findall(r"`([^`]+)`", values):
            assert value in shipped.quote(key), f"{key} is no longer {value}"


def test_the_procedures_example_is_a_policy():
    [example] = re.findall(r"^```toml\n(.*?)^```$", PROCEDURE, re.MULTILINE | re.DOTALL)
    assert parse(example, DEFAULTS, HOLIDAYS) != parse("", DEFAULTS, HOLIDAYS)
