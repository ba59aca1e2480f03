"""The running bot and Slack: its sockets, its door for signed requests, what it says while Slack is away."""

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.app import App, load_values, prepare_database, real_times, serve
from bot.handlers.messages import catch_up
from bot.sandbox.slack import Fault, Options, SlackStandIn
from bot.sandbox.slack.courier import post, signed
from bot.settings import HostPort
from bot.storage.inbox import SLACK
from tests.handlers_world import World, world
from tests.servers import free_port
from tests.standin_world import ANA, BEN, CASES, PING_S, QUIET, Hands, standing, web_client
from tests.terminal import complete
from tests.test_app import health, running, until

pytest_plugins = ["tests.commands"]

SECRET = "a-signing-secret"
JSON = {"Content-Type": "application/json"}


def slack_settings(slack: SlackStandIn) -> dict[str, str]:
    return {
        "SLACK_BOT_TOKEN": slack.space.app.bot_token,
        "SLACK_APP_TOKEN": slack.space.app.app_token,
        "SLACK_API_URL": slack.api_url,
        "PARLEY_CASES_CHANNEL": CASES,
        "PARLEY_STAFF": f"{ANA},{BEN}",
        "PARLEY_LEADS": BEN,
    }


def test_it_holds_two_sockets_and_says_when_slack_goes_and_comes(tmp_path: Path) -> None:
    with standing(Hands(), Options(rates=False, ping_s=PING_S)) as slack:
        settings = complete(tmp_path, PARLEY_HTTP=f"127.0.0.1:{free_port()}", **slack_settings(slack))
        with running(settings) as port:
            assert slack.wait_connected(2)
            until(lambda: health(port)["parts"].get("slack", {}).get("ok"), "Slack works")
            slack.set_fault(Fault.DOWN)
            until(lambda: not health(port)["parts"]["slack"]["ok"], "it is said")
            slack.set_fault(Fault.OK)
            until(lambda: health(port)["parts"]["slack"]["ok"], "it is back")


@pytest.fixture
def by_http(tmp_path: Path) -> Iterator[tuple[App, str]]:
    """The bot as Slack calls it: by requests to that address."""
    with standing(Hands(), Options(rates=False, ping_s=PING_S)) as slack:
        given = slack_settings(slack) | {"SLACK_SIGNING_SECRET": SECRET, "PARLEY_HTTP": "127.0.0.1:1"}
        del given["SLACK_APP_TOKEN"]
        settings = complete(tmp_path, **given)
        prepare_database(settings.database_url, real_times().machine())
        bot = App(settings, load_values(settings), real_times())
        port = free_port()
        server = serve(HostPort("127.0.0.1", port), bot)
        until(lambda: server.started, "it listens")
        yield bot, f"http://127.0.0.1:{port}/slack/events"
        server.should_exit = True
        for each in threading.enumerate():
            if each.name == "http":
                each.join(10)
        bot.store.close()


def test_a_request_with_a_bad_signature_or_an_old_one_is_refused_and_a_good_one_is_stored(by_http) -> None:
    bot, url = by_http
    event = {"type": "message", "channel": CASES, "ts": "1800000000.000100", "user": ANA, "text": "Hello."}
    body = json.dumps({"type": "event_callback", "event_id": "Ev1", "event": event}).encode()
    assert not post(url, body, signed("another-secret", body) | JSON, 3).acked
    assert not post(url, body, signed(SECRET, body, int(time.time()) - 301) | JSON, 3).acked
    assert stored(bot) == 0
    assert post(url, body, signed(SECRET, body) | JSON, 3).acked
    assert stored(bot) == 1


def stored(bot: App) -> int:
    with bot.store.begin() as tx:
        return len(tx.inbox.claim_new(limit=9, source=SLACK))


def unread(made: World) -> list[str]:
    with made.store.begin() as tx:
        return [json.loads(row.raw)["event"]["text"] for row in tx.inbox.claim_new(limit=9, source=SLACK)]


def test_what_slack_never_told_is_read_from_the_channels_history_once(tmp_path: Path) -> None:
    with world(tmp_path) as made:
        client, people = web_client(made.slack), made.slack.people
        made.slack.set_fault(Fault.LOSE_EVENTS)
        assert people.post_as(ANA, CASES, "Said before we came.").ok
        assert catch_up(client, made.office, CASES) == 0
        with made.store.begin() as tx:
            tx.beats.move_slack("1700000000.000000", f"slack:{CASES}")
        assert people.post_as(ANA, CASES, "Nobody was told of this.").ok
        assert catch_up(client, made.office, CASES) == 2
        assert catch_up(client, made.office, CASES) == 0
        assert unread(made) == ["Said before we came.", "Nobody was told of this."]


def test_doctor_tells_the_workspace_the_channel_and_who_may_act(parley, set_up, monkeypatch, tmp_path) -> None:
    (tmp_path / "wrong.toml").write_text("wrong")
    monkeypatch.setenv("PARLEY_POLICY", "wrong.toml")  # It spares the look at every letter.
    with standing(Hands(), Options(rates=False, ping_s=PING_S)) as slack:
        for name, text in slack_settings(slack).items():
            monkeypatch.setenv(name, text)
        found = {each["check"]: (each["ok"], each["found"]) for each in parley("doctor", "--json").objects}
        assert found["slack"][0]
        assert found["channel"] == (True, "#cases")
        assert found["staff"] == (True, "2 may act, 1 of them as lead")
        monkeypatch.setenv("PARLEY_CASES_CHANNEL", QUIET)
        quiet = next(each for each in parley("doctor", "--json").objects if each["check"] == "channel")
        assert (quiet["ok"], "/invite @Parley" in quiet["hint"]) == (False, True)
        monkeypatch.setenv("SLACK_BOT_TOKEN", "xoxb-1-wrong")
        refused = next(each for each in parley("doctor", "--json").objects if each["check"] == "slack")
        assert (refused["ok"], refused["found"]) == (False, "Slack refuses: invalid_auth")
