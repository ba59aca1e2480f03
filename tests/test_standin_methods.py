"""The stand-in's table of methods: it is Slack's, and every call is held to it."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from slack_sdk.errors import SlackApiError

from bot.sandbox.slack import Options, SlackStandIn
from bot.sandbox.slack.calls import CALLS
from bot.sandbox.slack.faults import Fault
from bot.sandbox.slack.methods import METHODS
from bot.sandbox.slack.rates import Rates
from tests.standin_world import ANA, CASES, SCOPES, Hands, standing, web_client

PUBLISHED = Path(__file__).resolve().parent.parent.parent / "shared" / "slack" / "methods.json"


@pytest.fixture(scope="module")
def hands() -> Hands:
    return Hands()


@pytest.fixture(scope="module")
def slack(hands: Hands) -> Iterator[SlackStandIn]:
    with standing(hands) as standin:
        yield standin


def refusal(slack: SlackStandIn, method: str, *, token: str | None = None, **arguments) -> dict:
    with pytest.raises(SlackApiError) as caught:
        web_client(slack, token).api_call(method, params=arguments)
    answer = caught.value.response.data
    assert isinstance(answer, dict)
    return answer


@pytest.mark.skipif(not PUBLISHED.exists(), reason="needs shared/slack/methods.json beside the repository")
@pytest.mark.parametrize("name", METHODS)
def test_the_table_says_what_slack_publishes(name: str) -> None:
    ours, theirs = METHODS[name], json.loads(PUBLISHED.read_text())[name]
    assert ours.required | {"token"} == set(theirs["args"]["required"])
    assert ours.required | ours.optional | {"token"} == set(theirs["args"]["properties"])
    assert ours.scopes == set(theirs["scope"].get("bot", []))
    assert ours.tier == theirs["rate_limits"]
    assert ours.json == bool(theirs["json_input_supported"])
    assert (theirs["http_method"] == "POST") or not ours.writes


def test_every_method_of_the_table_can_be_called() -> None:
    assert set(METHODS) - set(CALLS) == {"apps.connections.open"}


def test_a_method_that_slack_does_not_have_is_unknown(slack: SlackStandIn) -> None:
    assert refusal(slack, "chat.postLetter")["error"] == "unknown_method"


def test_an_unknown_argument_is_refused_by_name(slack: SlackStandIn) -> None:
    answer = refusal(slack, "chat.postMessage", channel=CASES, text="x", thread="1.2")
    assert answer["error"] == "invalid_arguments"
    assert answer["response_metadata"]["messages"] == ["[ERROR] unknown argument: thread"]


def test_a_missing_argument_is_refused_by_name(slack: SlackStandIn) -> None:
    answer = refusal(slack, "chat.update", channel=CASES, text="x")
    assert answer["response_metadata"]["messages"] == ["[ERROR] missing required field: ts"]


def test_tokens_are_told_apart(slack: SlackStandIn) -> None:
    assert refusal(slack, "auth.test", token="xoxb-wrong")["error"] == "invalid_auth"
    assert refusal(slack, "auth.test", token="")["error"] == "not_authed"
    app_token = slack.space.app.app_token
    assert refusal(slack, "users.list", token=app_token)["error"] == "not_allowed_token_type"
    assert refusal(slack, "apps.connections.open")["error"] == "not_allowed_token_type"
    assert web_client(slack, app_token).apps_connections_open(app_token=app_token)["url"].startswith("ws://127.0.0.1:")


def test_a_json_body_is_read_only_where_slack_reads_it(slack: SlackStandIn) -> None:
    client = web_client(slack)
    with pytest.raises(SlackApiError) as caught:
        client.api_call("users.info", json={"user": ANA})
    assert caught.value.response["error"] == "invalid_post_type"
    assert client.api_call("chat.postMessage", json={"channel": CASES, "text": "x"})["ok"]


@pytest.mark.parametrize(
    ("lacking", "method", "arguments", "needed"),
    [
        ("chat:write", "chat.postMessage", {"channel": CASES, "text": "x"}, "chat:write"),
        ("channels:history", "conversations.history", {"channel": CASES}, "channels:history"),
        ("users:read", "users.info", {"user": ANA}, "users:read"),
        ("usergroups:read", "usergroups.users.list", {"usergroup": "S0STAFF001"}, "usergroups:read"),
        ("channels:join", "conversations.join", {"channel": CASES}, "channels:join"),
    ],
)
def test_a_scope_the_manifest_lacks_is_named(lacking: str, method: str, arguments: dict, needed: str) -> None:
    with standing(Hands(), scopes=[scope for scope in SCOPES if scope != lacking]) as slack:
        answer = refusal(slack, method, **arguments)
    assert (answer["error"], answer["needed"]) == ("missing_scope", needed)
    assert needed not in answer["provided"].split(",")


def test_a_channel_takes_a_short_burst_and_then_one_message_a_second() -> None:
    hands = Hands()
    with standing(hands, Options(rates=True)) as slack:
        client = web_client(slack)
        for _ in range(3):
            client.chat_postMessage(channel=CASES, text="x")
        with pytest.raises(SlackApiError) as caught:
            client.chat_postMessage(channel=CASES, text="x")
        assert caught.value.response.status_code == 429
        assert caught.value.response.headers["Retry-After"] == "1"
        hands.stopwatch_s += 1
        client.chat_postMessage(channel=CASES, text="x")


def test_a_tier_is_its_calls_a_minute() -> None:
    now = [0.0]
    rates = Rates(lambda: now[0])
    method = METHODS["users.list"]
    assert [rates.wait_s(method, "") for _ in range(21)] == [0] * 20 + [3]
    now[0] += 3
    assert [rates.wait_s(method, "") for _ in range(2)] == [0, 3]


def test_slack_down_unavailable_and_limiting(slack: SlackStandIn) -> None:
    client = web_client(slack)
    slack.set_fault(Fault.DOWN)
    with pytest.raises(OSError, match=r"closed|reset"):
        client.auth_test()
    slack.set_fault(Fault.UNAVAILABLE)
    with pytest.raises(SlackApiError) as caught:
        client.auth_test()
    assert caught.value.response.status_code == 503
    slack.set_fault(Fault.LIMITED, methods=("auth.test",))
    with pytest.raises(SlackApiError, match="ratelimited"):
        client.auth_test()
    client.team_info()
    slack.set_fault(Fault.OK)
    assert client.auth_test()["user_id"] == slack.space.app.user_id


def test_a_lost_reply_leaves_the_message_and_no_answer(slack: SlackStandIn) -> None:
    client = web_client(slack)
    before = len(slack.people.messages(CASES))
    slack.set_fault(Fault.LOSE_REPLY, times=1)
    client.users_list()  # A read is never ambiguous.
    with pytest.raises(OSError, match=r"closed|reset"):
        client.chat_postMessage(channel=CASES, text="once")
    assert len(slack.people.messages(CASES)) == before + 1
    client.chat_postMessage(channel=CASES, text="again")
    slack.set_fault(Fault.OK)
