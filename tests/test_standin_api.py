"""The stand-in's Web API through the real slack_sdk: messages, threads, views, files, and the refusals on the way."""

import json
import urllib.request
from collections.abc import Iterator

import pytest
from slack_sdk.errors import SlackApiError

from bot.sandbox.slack import SlackStandIn
from bot.sandbox.slack.shapes import objs
from tests.standin_world import ANA, BEN, CASES, LEA, OLD, QUIET, SECRET, Hands, standing, web_client

HOME = {"type": "home", "blocks": [{"type": "divider"}]}
MODAL = {"type": "modal", "title": {"type": "plain_text", "text": "Title"}, "blocks": [{"type": "divider"}]}


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[SlackStandIn, Hands]]:
    hands = Hands()
    with standing(hands) as standin:
        yield standin, hands


@pytest.fixture
def hands(server: tuple[SlackStandIn, Hands]) -> Hands:
    return server[1]


@pytest.fixture
def slack(server: tuple[SlackStandIn, Hands]) -> SlackStandIn:
    """The same server, with an empty workspace."""
    space = server[0].space
    for room in space.rooms.values():
        room.messages.clear()
    for kept in (space.views, space.stacks, space.homes, space.files, space.triggers):
        kept.clear()
    space.ephemerals.clear()
    space.notified.clear()
    space.links.clear()
    return server[0]


def error_of(slack: SlackStandIn, method: str, **arguments) -> str:
    with pytest.raises(SlackApiError) as caught:
        web_client(slack).api_call(method, json=arguments)
    return caught.value.response["error"]


def test_a_message_is_posted_updated_and_deleted(slack: SlackStandIn) -> None:
    client = web_client(slack)
    posted = client.chat_postMessage(channel=CASES, text="one", metadata={"event_type": "k", "event_payload": {"a": 1}})
    assert posted["message"]["bot_id"] == slack.space.app.bot_id
    client.chat_update(channel=CASES, ts=posted["ts"], text="two", parse="none")
    (message,) = client.conversations_history(channel=CASES)["messages"]
    assert (message["text"], message["edited"]["user"]) == ("two", slack.space.app.user_id)
    assert message["metadata"] == {"event_type": "k"}
    whole = client.conversations_history(channel=CASES, include_all_metadata=True)["messages"][0]
    assert whole["metadata"]["event_payload"] == {"a": 1}
    assert client.chat_getPermalink(channel=CASES, message_ts=posted["ts"])["permalink"].endswith(
        posted["ts"].replace(".", "")
    )
    client.chat_delete(channel=CASES, ts=posted["ts"])
    assert client.conversations_history(channel=CASES)["messages"] == []


def test_a_thread_is_read_root_first_and_counted_on_its_root(slack: SlackStandIn) -> None:
    client = web_client(slack)
    root = client.chat_postMessage(channel=CASES, text="root")["ts"]
    replies = [client.chat_postMessage(channel=CASES, thread_ts=root, text=f"r{n}")["ts"] for n in range(3)]
    slack.people.post_as(ANA, CASES, "mine", root)
    read = client.conversations_replies(channel=CASES, ts=root, limit=3)
    assert [m["text"] for m in read["messages"]] == ["root", "r0", "r1"]
    assert read["has_more"]
    rest = client.conversations_replies(
        channel=CASES, ts=root, limit=3, cursor=read["response_metadata"]["next_cursor"]
    )
    assert [m["text"] for m in rest["messages"]] == ["r2", "mine"]
    (only,) = client.conversations_history(channel=CASES)["messages"]
    assert (only["reply_count"], only["reply_users"]) == (4, [slack.space.app.user_id, ANA])
    later = client.conversations_replies(channel=CASES, ts=root, oldest=replies[1])["messages"]
    assert [m["text"] for m in later] == ["root", "r2", "mine"]


def test_history_is_newest_first_between_oldest_and_latest(slack: SlackStandIn) -> None:
    client = web_client(slack)
    stamps = [client.chat_postMessage(channel=CASES, text=str(n))["ts"] for n in range(4)]
    read = client.conversations_history(channel=CASES, oldest=stamps[0], latest=stamps[3])
    assert [m["text"] for m in read["messages"]] == ["2", "1"]
    inclusive = client.conversations_history(channel=CASES, oldest=stamps[0], latest=stamps[3], inclusive=True)
    assert [m["text"] for m in inclusive["messages"]] == ["3", "2", "1", "0"]
    assert error_of(slack, "conversations.history", channel=CASES, oldest="soon") == "invalid_ts_oldest"
    assert error_of(slack, "conversations.history", channel=CASES, cursor="??") == "invalid_cursor"


def test_timestamps_are_unique_even_when_the_clock_stands_still(slack: SlackStandIn, hands: Hands) -> None:
    client = web_client(slack)
    stamps = [client.chat_postMessage(channel=CASES, text="x")["ts"] for _ in range(5)]
    assert len(set(stamps)) == 5
    assert all(stamp.startswith(str(int(hands.wall_s))) for stamp in stamps)


@pytest.mark.parametrize(
    ("method", "arguments", "error"),
    [
        ("chat.postMessage", {"channel": "C0NOWHERE1", "text": "x"}, "channel_not_found"),
        ("chat.postMessage", {"channel": "cases", "text": "x"}, "channel_not_found"),
        ("chat.postMessage", {"channel": QUIET, "text": "x"}, "not_in_channel"),
        ("chat.postMessage", {"channel": SECRET, "text": "x"}, "channel_not_found"),
        ("chat.postMessage", {"channel": OLD, "text": "x"}, "is_archived"),
        ("chat.postMessage", {"channel": CASES}, "no_text"),
        ("chat.postMessage", {"channel": CASES, "text": "x" * 40_001}, "msg_too_long"),
        ("chat.postMessage", {"channel": CASES, "text": "x", "blocks": "[{"}, "invalid_blocks_format"),
        ("chat.postMessage", {"channel": CASES, "text": "x", "blocks": [{"type": "x"}]}, "invalid_blocks"),
        ("chat.postMessage", {"channel": CASES, "text": "x", "thread_ts": "1.000001"}, "thread_not_found"),
        ("chat.postMessage", {"channel": CASES, "text": "x", "username": "Boss"}, "missing_scope"),
        ("chat.postMessage", {"channel": CASES, "text": "x", "as_user": True}, "as_user_not_supported"),
        ("chat.postMessage", {"channel": CASES, "text": "x", "metadata": {"a": 1}}, "invalid_metadata_format"),
        ("chat.postMessage", {"channel": CASES, "text": "x", "attachments": [{"text": "y"}]}, "invalid_attachments"),
        ("chat.update", {"channel": CASES, "ts": "1.000001", "text": "x"}, "message_not_found"),
        ("chat.delete", {"channel": CASES, "ts": "1.000001"}, "message_not_found"),
        ("chat.postEphemeral", {"channel": CASES, "user": "U0STRANGE1", "text": "x"}, "user_not_in_channel"),
        ("conversations.history", {"channel": QUIET}, "not_in_channel"),
        ("conversations.join", {"channel": OLD}, "is_archived"),
        ("reactions.add", {"channel": CASES, "name": "eyes", "timestamp": "1.000001"}, "message_not_found"),
        ("views.publish", {"user_id": ANA, "view": MODAL}, "invalid_arguments"),
        ("views.open", {"trigger_id": "1.2.3", "view": MODAL}, "invalid_trigger_id"),
        ("views.update", {"view_id": "V1", "view": MODAL}, "not_found"),
    ],
)
def test_what_slack_refuses_is_refused_with_its_word(
    slack: SlackStandIn, method: str, arguments: dict, error: str
) -> None:
    assert error_of(slack, method, **arguments) == error


def test_a_thread_is_refused_to_others_and_to_replies(slack: SlackStandIn) -> None:
    theirs = slack.people.post_as(ANA, CASES, "mine").ts
    reply = slack.people.post_as(BEN, CASES, "reply", theirs).ts
    assert error_of(slack, "chat.update", channel=CASES, ts=theirs, text="x") == "cant_update_message"
    assert error_of(slack, "chat.delete", channel=CASES, ts=theirs) == "cant_delete_message"
    assert error_of(slack, "chat.postMessage", channel=CASES, thread_ts=reply, text="x") == "cannot_reply_to_message"
    own = web_client(slack).chat_postMessage(channel=CASES, text="x")["ts"]
    assert error_of(slack, "chat.update", channel=CASES, ts=own, text="x" * 4_001) == "msg_too_long"


def test_blocks_that_are_too_long_together_are_refused(slack: SlackStandIn) -> None:
    blocks = [{"type": "section", "text": {"type": "plain_text", "text": "x" * 2900}}] * 5
    assert error_of(slack, "chat.postMessage", channel=CASES, text="x", blocks=blocks) == "msg_blocks_too_long"


def test_bad_blocks_are_explained_with_their_place(slack: SlackStandIn) -> None:
    with pytest.raises(SlackApiError) as caught:
        web_client(slack).chat_postMessage(
            channel=CASES, text="x", blocks=[{"type": "header", "text": {"type": "plain_text", "text": "x" * 151}}]
        )
    said = "must be less than 151 characters [json-pointer:/blocks/0/text/text]"
    assert caught.value.response["response_metadata"]["messages"] == [f"[ERROR] {said}"]
    assert caught.value.response["errors"] == [said]


def test_blocks_come_back_with_the_ids_slack_makes_up(slack: SlackStandIn) -> None:
    button = {"type": "button", "text": {"type": "plain_text", "text": "Go"}}
    posted = web_client(slack).chat_postMessage(
        channel=CASES, text="x", blocks=[{"type": "actions", "elements": [button]}]
    )
    (block,) = posted["message"]["blocks"]
    assert block["block_id"]
    assert block["elements"][0]["action_id"]
    assert block["elements"][0]["text"]["emoji"] is True


def test_who_was_notified_is_on_record(slack: SlackStandIn) -> None:
    client = web_client(slack)
    inert = {
        "type": "rich_text",
        "elements": [{"type": "rich_text_section", "elements": [{"type": "text", "text": "<!channel> <@U0ANA00001>"}]}],
    }
    client.chat_postMessage(channel=CASES, text="&lt;!channel&gt; @ana", blocks=[inert])
    assert slack.people.notified() == []
    client.chat_postMessage(channel=CASES, text="<!here> <!subteam^S0STAFF001> <@U0LEA00001>")
    assert [(n.who, n.users) for n in slack.people.notified()] == [
        ("here", (ANA, BEN, LEA)),
        ("S0STAFF001", (ANA, BEN)),
        (LEA, (LEA,)),
    ]
    client.chat_postMessage(channel=CASES, text="@ana", link_names=True)
    assert slack.people.notified()[-1].users == (ANA,)


def test_an_update_parses_like_a_client_unless_told_not_to(slack: SlackStandIn) -> None:
    client = web_client(slack)
    ts = client.chat_postMessage(channel=CASES, text="x")["ts"]
    client.chat_update(channel=CASES, ts=ts, text="@channel", parse="none")
    assert slack.people.notified() == []
    client.chat_update(channel=CASES, ts=ts, text="@channel")
    assert [n.method for n in slack.people.notified()] == ["chat.update"]


def test_links_and_whether_they_unfurl_are_on_record(slack: SlackStandIn) -> None:
    client = web_client(slack)
    client.chat_postMessage(
        channel=CASES, text="<https://evil.example|https://bank.example>", unfurl_links=False, unfurl_media=False
    )
    ((_, _, link, unfurls),) = slack.space.links
    assert (link.url, link.label, unfurls) == ("https://evil.example", "https://bank.example", False)


def test_people_channels_and_groups_are_listed_in_pages(slack: SlackStandIn) -> None:
    client = web_client(slack)
    assert [page["members"][0]["name"] for page in client.users_list(limit=1)][:3] == ["ana", "ben", "lea"]
    assert client.users_info(user=ANA)["user"]["profile"]["email"] == "ana@support.example"
    assert client.conversations_members(channel=CASES)["members"] == [ANA, BEN, LEA, slack.space.app.user_id]
    listed = client.conversations_list(types="public_channel,private_channel")["channels"]
    assert {c["id"]: c["is_member"] for c in listed} == {CASES: True, QUIET: False, OLD: True}
    assert client.conversations_info(channel=CASES)["channel"]["name"] == "cases"
    assert client.usergroups_list(include_users=True)["usergroups"][0]["users"] == [ANA, BEN]
    assert client.usergroups_users_list(usergroup="S0STAFF001")["users"] == [ANA, BEN]
    assert client.team_info()["team"]["id"] == slack.space.team_id
    assert client.bots_info(bot=slack.space.app.bot_id)["bot"]["app_id"] == slack.space.app.app_id


def test_without_a_user_group_slack_asks_for_a_paid_plan(slack: SlackStandIn) -> None:
    group, slack.space.usergroup = slack.space.usergroup, None
    assert error_of_form(slack, "usergroups.users.list", usergroup="S0STAFF001") == "plan_upgrade_required"
    slack.space.usergroup = group
    assert error_of_form(slack, "usergroups.users.list", usergroup="S0OTHER001") == "no_such_subteam"


def error_of_form(slack: SlackStandIn, method: str, **arguments) -> str:
    with pytest.raises(SlackApiError) as caught:
        web_client(slack).api_call(method, params=arguments)
    return caught.value.response["error"]


def test_a_direct_message_goes_to_a_user_id(slack: SlackStandIn) -> None:
    client = web_client(slack)
    room = client.conversations_open(users=ANA)["channel"]["id"]
    assert client.chat_postMessage(channel=ANA, text="hello")["channel"] == room
    assert slack.people.messages(room)[0]["text"] == "hello"


def test_an_ephemeral_message_is_seen_by_one_person_only(slack: SlackStandIn) -> None:
    web_client(slack).chat_postEphemeral(channel=CASES, user=ANA, text="for you")
    assert [m["text"] for m in slack.people.ephemerals(ANA)] == ["for you"]
    assert slack.people.ephemerals(BEN) == []
    assert slack.people.messages(CASES) == []


def test_a_reaction_stands_once(slack: SlackStandIn) -> None:
    client = web_client(slack)
    ts = slack.people.post_as(ANA, CASES, "x").ts
    client.reactions_add(channel=CASES, name="eyes", timestamp=ts)
    assert client.reactions_get(channel=CASES, timestamp=ts)["message"]["reactions"][0]["count"] == 1
    with pytest.raises(SlackApiError, match="already_reacted"):
        client.reactions_add(channel=CASES, name="eyes", timestamp=ts)


def test_a_trigger_works_once_and_for_three_seconds(slack: SlackStandIn, hands: Hands) -> None:
    client = web_client(slack)
    trigger = slack.space.trigger(ANA)
    view = client.views_open(trigger_id=trigger, view=MODAL)["view"]
    assert slack.people.modal(ANA) == view
    assert (view["root_view_id"], view["previous_view_id"], view["state"]) == (view["id"], None, {"values": {}})
    assert error_of(slack, "views.open", trigger_id=trigger, view=MODAL) == "exchanged_trigger_id"
    late = slack.space.trigger(ANA)
    hands.stopwatch_s += 3.1
    assert error_of(slack, "views.open", trigger_id=late, view=MODAL) == "expired_trigger_id"


def test_three_views_stack_and_no_fourth(slack: SlackStandIn) -> None:
    client = web_client(slack)
    view = client.views_open(trigger_id=slack.space.trigger(ANA), view=MODAL)["view"]
    for _ in range(2):
        pushed = client.views_push(trigger_id=slack.space.trigger(ANA, view["id"]), view=MODAL)["view"]
        assert (pushed["root_view_id"], pushed["previous_view_id"]) == (view["root_view_id"], view["id"])
        view = pushed
    trigger = slack.space.trigger(ANA, view["id"])
    assert error_of(slack, "views.push", trigger_id=trigger, view=MODAL) == "push_limit_reached"
    assert len(slack.people.views(ANA)) == 3
    slack.people.close(ANA, view["id"])
    assert len(slack.people.views(ANA)) == 2
    assert error_of(slack, "views.push", trigger_id=slack.space.trigger(BEN), view=MODAL) == "not_found"


def test_an_update_with_an_old_hash_conflicts(slack: SlackStandIn) -> None:
    client = web_client(slack)
    view = client.views_open(trigger_id=slack.space.trigger(ANA), view={**MODAL, "external_id": "one"})["view"]
    newer = client.views_update(view_id=view["id"], view=MODAL | {"external_id": "one"}, hash=view["hash"])["view"]
    assert newer["id"] == view["id"]
    assert error_of(slack, "views.update", view_id=view["id"], view=MODAL, hash=view["hash"]) == "hash_conflict"
    client.views_update(external_id="one", view=MODAL | {"external_id": "one"})
    twice = {"trigger_id": slack.space.trigger(BEN), "view": MODAL | {"external_id": "one"}}
    assert error_of(slack, "views.open", **twice) == "duplicate_external_id"


def test_a_bad_view_is_explained(slack: SlackStandIn) -> None:
    with pytest.raises(SlackApiError) as caught:
        web_client(slack).views_open(trigger_id=slack.space.trigger(ANA), view={"type": "modal", "blocks": []})
    assert caught.value.response["error"] == "invalid_arguments"
    assert caught.value.response["response_metadata"]["messages"] == [
        "[ERROR] missing required field: title [json-pointer:/view]"
    ]


def test_a_home_tab_is_published_for_each_user(slack: SlackStandIn) -> None:
    client = web_client(slack)
    first = client.views_publish(user_id=ANA, view=HOME)["view"]
    second = client.views_publish(user_id=ANA, view=HOME, hash=first["hash"])["view"]
    assert first["id"] == second["id"]
    assert slack.people.home(ANA) == second
    assert slack.people.home(BEN) is None
    assert error_of(slack, "views.publish", user_id=ANA, view=HOME, hash=first["hash"]) == "hash_conflict"


def test_a_file_is_uploaded_shared_and_downloaded_with_the_token(slack: SlackStandIn) -> None:
    client = web_client(slack)
    done = client.files_upload_v2(channel=CASES, filename="pack.txt", content="words", initial_comment="the pack")
    (message,) = slack.people.messages(CASES)
    assert slack.people.notified() == []
    assert (message["text"], objs(message, "files")[0]["name"]) == ("the pack", "pack.txt")
    info = client.files_info(file=done["file"]["id"])["file"]
    wanted = urllib.request.Request(
        info["url_private_download"], headers={"Authorization": f"Bearer {slack.space.app.bot_token}"}
    )
    with urllib.request.urlopen(wanted) as answer:
        assert answer.read() == b"words"
    with urllib.request.urlopen(info["url_private_download"]) as answer:
        assert answer.read() == b"Sign in to Sandbox"
    assert error_of_form(slack, "files.info", file="F000") == "file_not_found"


def respond(url: str, body: dict) -> str:
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.read().decode()
    except urllib.error.HTTPError as refused:
        with refused:
            return json.loads(refused.read())["error"]


def test_a_response_url_is_good_for_five_answers_and_half_an_hour(slack: SlackStandIn, hands: Hands) -> None:
    url = slack.space.reply_address(CASES, ANA)
    assert respond(url, {"text": "only you"}) == "ok"
    assert respond(url, {"text": "all", "response_type": "in_channel"}) == "ok"
    assert [m["text"] for m in slack.people.ephemerals(ANA)] == ["only you"]
    assert [m["text"] for m in slack.people.messages(CASES)] == ["all"]
    for _ in range(3):
        respond(url, {"text": "x"})
    assert respond(url, {"text": "x"}) == "expired_url"
    late = slack.space.reply_address(CASES, ANA)
    hands.stopwatch_s += 1801
    assert respond(late, {"text": "x"}) == "expired_url"


def test_a_response_url_replaces_the_message_it_belongs_to(slack: SlackStandIn) -> None:
    client = web_client(slack)
    ts = client.chat_postMessage(channel=CASES, text="one")["ts"]
    url = slack.space.reply_address(CASES, ANA, ts)
    respond(url, {"text": "two", "replace_original": True})
    assert [m["text"] for m in slack.people.messages(CASES)] == ["two"]
    respond(url, {"delete_original": True})
    assert slack.people.messages(CASES) == []
