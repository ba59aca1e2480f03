"""The same app in HTTP mode: signed requests to /slack/events are taken, badly signed and old ones refused."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.handlers.desk import Desk
from bot.handlers.door import build
from bot.handlers.slack import web_client
from bot.sandbox.slack import Hook, Options, Spot
from bot.sandbox.slack.courier import post, signed
from bot.storage.inbox import SLACK
from tests.handlers_world import World, world
from tests.standin_world import ANA, CASES
from tests.test_standin_http import SIGNING_SECRET, Door

JSON = {"Content-Type": "application/json"}


@pytest.fixture
def door() -> Iterator[Door]:
    with Door().open() as opened:
        yield opened


@pytest.fixture
def office(tmp_path: Path, door: Door) -> Iterator[World]:
    with world(tmp_path, Options(rates=False, hook=Hook(door.url, SIGNING_SECRET))) as made:
        client = web_client(made.slack.space.app.bot_token, made.slack.api_url)
        desk = Desk(made.office, client, lambda *_: None, lambda: None)
        door.app = build(desk, SIGNING_SECRET)
        yield made


def test_clicks_forms_commands_and_events_work_over_signed_requests(office: World) -> None:
    assert office.slack.verify_request_url()
    number = office.opens()
    office.posts()
    people = office.slack.people
    assert people.click(ANA, Spot(CASES, office.card_ts(number)), "claim").ok
    assert office.case(number).owner == "Ana Anders"
    assert people.click(ANA, Spot(CASES, office.card_ts(number)), "hold").ok
    end = time.monotonic() + 10
    while (view := people.modal(ANA)) is None and time.monotonic() < end:
        time.sleep(0.01)
    assert view is not None
    assert people.submit(ANA, str(view["id"]), {"reason": "A phone call."}).ok
    assert office.case(number).has_hold("staff")
    assert people.command(ANA, CASES, "/case", "mine").ok
    assert people.post_as(ANA, CASES, "Hello.").ok
    with office.store.read() as tx:
        assert tx.inbox.unread(SLACK, office.now)


def test_a_bad_signature_and_an_old_one_are_refused_and_nothing_is_stored(office: World, door: Door) -> None:
    body = b'{"type": "event_callback", "event_id": "Ev1", "event": {"type": "message"}}'
    assert not post(door.url, body, signed("another-secret", body) | JSON, 3).acked
    assert not post(door.url, body, signed(SIGNING_SECRET, body, int(time.time()) - 301) | JSON, 3).acked
    with office.store.read() as tx:
        assert not tx.inbox.unread(SLACK, office.now)
    assert post(door.url, body, signed(SIGNING_SECRET, body) | JSON, 3).acked
    with office.store.read() as tx:
        assert tx.inbox.unread(SLACK, office.now)
