"""The Slack app's manifest: as Slack's schema wants it, and with every scope and event the handlers need, no more."""

import json
import re
from pathlib import Path

import jsonschema
import pytest

from bot.flows.decide import OUTCOMES
from bot.handlers.cards import ACTIONS
from bot.handlers.door import COMMAND, NEW_SHORTCUT, OPEN_SHORTCUT
from bot.handlers.modals import FIELDS
from bot.sandbox.slack import read_manifest
from bot.sandbox.slack.manifest import EVENT_SCOPES
from bot.sandbox.slack.methods import METHODS

yaml = pytest.importorskip("yaml", reason="needs PyYAML")
ROOT = Path(__file__).resolve().parent.parent
PUBLISHED = ROOT.parent / "shared" / "slack"
MANIFEST = yaml.safe_load((ROOT / "manifest.yml").read_text("utf-8"))
CALLED = (
    *("chat.postMessage", "chat.update", "conversations.history", "conversations.replies", "conversations.members"),
    *("conversations.info", "auth.test", "apps.connections.open"),
    *("usergroups.users.list", "users.info", "views.open", "views.publish", "views.update"),
)
CHANNEL_KINDS = ("channels:", "groups:")
published = pytest.mark.skipif(not PUBLISHED.exists(), reason="needs shared/slack beside the repository")


def test_the_handlers_and_doctor_call_no_other_method() -> None:
    files = [*(ROOT / "bot" / "handlers").glob("*.py"), ROOT / "bot" / "doctor.py"]
    source = "".join(path.read_text("utf-8") for path in files)
    called = {name for name in METHODS if f'"{name}"' in source or f".{name.replace('.', '_')}(" in source}
    assert called == set(CALLED)


def test_it_asks_for_the_scopes_that_its_calls_and_events_need_and_for_no_others() -> None:
    needed = {"commands"}
    for name in CALLED:
        scopes = METHODS[name].scopes
        kinds = {scope for scope in scopes if scope.startswith(CHANNEL_KINDS)}
        needed |= kinds or scopes
    for event in read_manifest(MANIFEST).events:
        needed |= set(EVENT_SCOPES[event])
    assert read_manifest(MANIFEST).scopes == needed


def test_it_names_the_command_and_shortcuts_that_are_listened_to() -> None:
    manifest = read_manifest(MANIFEST)
    assert manifest.commands == {COMMAND}
    assert manifest.global_shortcuts == {NEW_SHORTCUT}
    assert manifest.message_shortcuts == {OPEN_SHORTCUT}
    assert manifest.interactive
    assert manifest.home_tab


@published
def test_slacks_own_schema_takes_it() -> None:
    jsonschema.validate(MANIFEST, json.loads((PUBLISHED / "manifest.schema.json").read_text("utf-8")))


@published
def test_slack_knows_every_scope_and_event() -> None:
    methods = json.loads((PUBLISHED / "methods.json").read_text("utf-8"))
    events = {each["name"]: each for each in json.loads((PUBLISHED / "events.json").read_text("utf-8"))}
    scoped = [method["scope"] for method in methods.values() if isinstance(method["scope"], dict)]
    known = {scope for scopes in scoped for scope in scopes.get("bot", [])} | {"commands"}
    manifest = read_manifest(MANIFEST)
    assert manifest.scopes <= known | {scope for event in events.values() for scope in event.get("scopes", [])}
    for name in manifest.events:
        assert "Events" in events[name]["APIs"], name
        assert set(events[name]["scopes"]) <= manifest.scopes, name


def test_every_action_and_field_stands_in_the_sandboxs_description() -> None:
    """Outsiders' scripts click and fill by these names."""
    table = (ROOT / "docs" / "sandbox.md").read_text(encoding="utf-8").partition("### Actions and fields")[2]
    told = set(re.findall(r"`([a-z_]+)`", table))
    assert told >= {*ACTIONS, *FIELDS}
    outcomes = set(table.partition("Outcomes of a payment case:")[2].partition("\n\n")[0].replace("`", " ").split())
    assert {code for codes in OUTCOMES.values() for code in codes} <= {each.strip(".;") for each in outcomes}
