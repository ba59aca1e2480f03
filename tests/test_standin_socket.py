"""The stand-in and a real Bolt app over Socket Mode: events, clicks, modals, commands, and what goes wrong."""

import time
from collections.abc import Callable, Iterator

import pytest
from slack_bolt import App
from slack_bolt.adapter.socket_mode import SocketModeHandler

from bot.sandbox.slack import Fault, Options, SlackStandIn
from bot.sandbox.slack.people import REQUIRED, Spot
from tests.standin_world import ANA, BEN, CASES, PING_S, QUIET, Hands, Seen, connected, standing, web_client


def plain(words: str) -> dict:
    return {"type": "plain_text", "text": words}


def modal(*blocks: dict, callback: str = "form", **more) -> dict:
    shown = {"type": "modal", "callback_id": callback, "title": plain("Form"), "submit": plain("Send"), **more}
    return shown | {"blocks": list(blocks)}


def field(action: str, kind: str = "plain_text_input", *, optional: bool = False, **more) -> dict:
    element = {"type": kind, "action_id": action, **more}
    return {
        "type": "input",
        "block_id": f"b_{action}",
        "label": plain(action),
        "optional": optional,
        "element": element,
    }


FORM = modal(
    field("text"),
    field("who", "users_select", optional=True),
    field("case", "external_select", optional=True, min_query_length=0),
    notify_on_close=True,
)
CARD = [
    {
        "type": "actions",
        "block_id": "buttons",
        "elements": [
            {"type": "button", "action_id": "claim", "text": plain("Claim"), "value": "D-1"},
            {"type": "button", "action_id": "reply", "text": plain("Reply"), "value": "D-1"},
            {"type": "button", "action_id": "nobody", "text": plain("Nobody")},
            {
                "type": "static_select",
                "action_id": "menu",
                "options": [{"text": plain("First"), "value": "1"}, {"text": plain("Second"), "value": "2"}],
            },
        ],
    }
]


def bolt(slack: SlackStandIn, seen: Seen) -> App:
    """A bot that does a little of everything."""
    app = App(client=web_client(slack), process_before_response=True, ignoring_self_events_enabled=False)

    @app.middleware
    def record(body, request, next):
        seen.bodies.append(body)
        if "event" in body:
            seen.events.append(body["event"])
            number = request.headers.get("x-slack-retry-num", ["0"])[0]
            seen.retries.append((number, request.headers.get("x-slack-retry-reason", [""])[0]))
        next()

    app.event("message")(lambda: None)
    for kind in ("app_mention", "app_home_opened", "member_joined_channel", "reaction_added", "file_shared"):
        app.event(kind)(lambda: None)
    for action in ("claim", "menu"):
        app.action(action)(lambda ack: ack())
    app.action("reply")(lambda ack, body, client: (ack(), client.views_open(trigger_id=body["trigger_id"], view=FORM)))
    app.options("case")(lambda ack: ack(options=[{"text": plain("D-7 rating"), "value": "D-7"}]))

    @app.view("form")
    def submitted(ack, view):
        words = view["state"]["values"]["b_text"]["text"]["value"]
        match words:
            case "bad":
                ack(response_action="errors", errors={"b_text": "Say it kindly."})
            case "wrong":
                ack(response_action="errors", errors={"b_nowhere": "?"})
            case "next":
                ack(response_action="push", view=modal(field("text"), callback="second"))
            case "other":
                ack(response_action="update", view=modal(field("text"), callback="second"))
            case _:
                ack()

    app.view("second")(lambda ack: ack(response_action="clear"))
    app.view_closed("form")(lambda ack: ack())
    app.command("/case")(lambda ack, command: ack(f"You said {command['text']}") if command["text"] else ack())
    app.shortcut("new_case")(
        lambda ack, body, client: (ack(), client.views_open(trigger_id=body["trigger_id"], view=FORM))
    )
    app.shortcut("open_case")(lambda ack: ack())
    return app


@pytest.fixture(scope="module")
def room() -> Iterator[tuple[SlackStandIn, Seen, Hands]]:
    hands, seen = Hands(), Seen()
    with standing(hands) as slack, connected(slack, bolt(slack, seen)):
        yield slack, seen, hands


@pytest.fixture
def slack(room: tuple[SlackStandIn, Seen, Hands]) -> SlackStandIn:
    standin, seen, _ = room
    standin.set_fault(Fault.OK)
    standin.space.close_views(ANA, everything=True)
    seen.events.clear()
    seen.retries.clear()
    seen.bodies.clear()
    return standin


@pytest.fixture
def seen(room: tuple[SlackStandIn, Seen, Hands]) -> Seen:
    return room[1]


@pytest.fixture
def hands(room: tuple[SlackStandIn, Seen, Hands]) -> Hands:
    return room[2]


def until(true: Callable[[], bool], timeout_s: float = 5.0) -> None:
    """Waits for another process's thread, never for a clock that the test could move itself."""
    end = time.monotonic() + timeout_s
    while not true():
        assert time.monotonic() < end
        time.sleep(0.005)


def card(slack: SlackStandIn) -> Spot:
    posted = web_client(slack).chat_postMessage(channel=CASES, text="card", blocks=CARD)
    return Spot(CASES, posted["ts"])


def form(slack: SlackStandIn) -> str:
    assert slack.people.click(ANA, card(slack), "reply").ok
    view = slack.people.modal(ANA)
    assert view is not None
    return str(view["id"])


def test_a_message_reaches_the_bot_in_full(slack: SlackStandIn, seen: Seen) -> None:
    written = slack.people.post_as(ANA, CASES, "mail a@b.example & <tell> me")
    event = seen.of("message")[-1]
    assert event["text"] == "mail <mailto:a@b.example|a@b.example> &amp; &lt;tell&gt; me"
    assert (event["user"], event["channel"], event["channel_type"], event["ts"]) == (ANA, CASES, "channel", written.ts)
    assert event["blocks"][0]["elements"][0]["elements"][0] == {"type": "text", "text": "mail "}
    body = seen.body("event_callback")
    assert body["event_id"].startswith("Ev")
    assert body["authorizations"][0]["user_id"] == slack.space.app.user_id


def test_a_thread_reply_names_its_root(slack: SlackStandIn, seen: Seen) -> None:
    root = slack.people.post_as(ANA, CASES, "root")
    slack.people.post_as(BEN, CASES, "reply", root.ts)
    assert (seen.events[-1]["thread_ts"], seen.events[-1]["parent_user_id"]) == (root.ts, ANA)


def test_the_bots_own_posts_changes_and_deletions_come_back_as_events(slack: SlackStandIn, seen: Seen) -> None:
    client = web_client(slack)
    ts = client.chat_postMessage(channel=CASES, text="one")["ts"]
    client.chat_update(channel=CASES, ts=ts, text="two", parse="none")
    client.chat_delete(channel=CASES, ts=ts)
    until(lambda: len(seen.events) == 3)
    by_kind = {event.get("subtype", "posted"): event for event in seen.events}
    assert by_kind["posted"]["bot_id"] == slack.space.app.bot_id
    changed = by_kind["message_changed"]
    assert (changed["previous_message"]["text"], changed["message"]["text"]) == ("one", "two")
    assert by_kind["message_deleted"]["deleted_ts"] == ts


def test_a_mention_a_reaction_a_newcomer_and_a_file_are_told(slack: SlackStandIn, seen: Seen) -> None:
    written = slack.people.post_as(ANA, CASES, f"<@{slack.space.app.user_id}> hello")
    slack.people.react_as(BEN, CASES, written.ts, "eyes")
    slack.people.share_file(ANA, CASES, "proof.txt", b"words", "see this")
    slack.space.rooms[CASES].members.remove(BEN)
    slack.people.join(BEN, CASES)
    until(lambda: len(seen.events) == 6)
    assert seen.of("app_mention")[0]["ts"] == written.ts
    assert seen.of("reaction_added")[0]["item"]["ts"] == written.ts
    assert seen.of("member_joined_channel")[0]["user"] == BEN
    shared = next(event for event in seen.of("message") if event.get("subtype") == "file_share")
    assert shared["files"][0]["id"] == seen.of("file_shared")[0]["file_id"]


def test_nothing_is_told_of_channels_the_bot_is_not_in(slack: SlackStandIn, seen: Seen) -> None:
    assert slack.people.post_as(ANA, QUIET, "psst").ok
    slack.people.post_as(ANA, CASES, "loud")
    assert [event["channel"] for event in seen.events] == [CASES]


def test_both_sockets_take_turns(slack: SlackStandIn) -> None:
    before = [line.carried for line in slack.courier.lines]
    for number in range(6):
        slack.people.post_as(ANA, CASES, str(number))
    assert [line.carried - was for line, was in zip(slack.courier.lines, before, strict=True)] == [3, 3]


def test_a_click_brings_the_whole_payload(slack: SlackStandIn, seen: Seen) -> None:
    spot = card(slack)
    assert slack.people.click(ANA, spot, "claim").as_json() == {"ok": True}
    body = seen.body("block_actions")
    (action,) = body["actions"]
    assert (action["action_id"], action["value"], action["block_id"]) == ("claim", "D-1", "buttons")
    assert body["container"] == {
        "type": "message",
        "message_ts": spot.message_ts,
        "channel_id": CASES,
        "is_ephemeral": False,
    }
    assert body["message"]["ts"] == spot.message_ts
    assert body["response_url"].startswith("http://127.0.0.1:")
    assert slack.people.click(ANA, spot, "menu", value="Second").ok
    body = seen.body("block_actions")
    assert body["actions"][0]["selected_option"]["value"] == "2"
    assert body["state"]["values"]["buttons"]["menu"]["selected_option"]["value"] == "2"


def test_a_click_on_nothing_is_refused_and_one_nobody_hears_is_shown(slack: SlackStandIn, seen: Seen) -> None:
    spot = card(slack)
    assert slack.people.click(ANA, spot, "missing").error == "no_such_element: missing"
    assert slack.people.click(ANA, Spot(CASES, "1.000001"), "claim").error == "message_not_found"
    assert slack.people.click("U0STRANGE1", spot, "claim").error == "user_not_found"
    assert slack.people.click(ANA, spot, "menu", value="Third").error == "No such option: Third"
    assert slack.people.click(ANA, spot, "menu", block_id="other", value="1").error == "no_such_element: menu"
    assert not [body for body in seen.bodies if body.get("type") == "block_actions"]


def test_a_form_is_opened_filled_and_submitted(slack: SlackStandIn, seen: Seen) -> None:
    view_id = form(slack)
    answer = slack.people.submit(ANA, view_id, {"text": "hello", "who": BEN, "case": "D-7"})
    assert answer.as_json() == {"ok": True}
    values = seen.body("view_submission")["view"]["state"]["values"]
    assert values["b_text"]["text"] == {"type": "plain_text_input", "value": "hello"}
    assert values["b_who"]["who"] == {"type": "users_select", "selected_user": BEN}
    assert values["b_case"]["case"]["selected_option"]["value"] == "D-7"
    assert seen.body("block_suggestion")["value"] == "D-7"
    assert slack.people.modal(ANA) is None


def test_a_form_is_refused_by_the_client_and_by_the_bot(slack: SlackStandIn, seen: Seen) -> None:
    view_id = form(slack)
    assert slack.people.submit(ANA, view_id).as_json() == {"ok": False, "errors": {"text": REQUIRED}}
    assert not [body for body in seen.bodies if body.get("type") == "view_submission"]
    assert slack.people.submit(ANA, view_id, {"text": "bad"}).errors == {"text": "Say it kindly."}
    assert slack.people.submit(ANA, view_id, {"text": "wrong"}).error == "invalid_errors"
    assert slack.people.submit(ANA, view_id, {"missing": "x"}).error == "no_such_element: missing"
    assert slack.people.submit(ANA, view_id, {"who": "U0STRANGE1"}).errors["who"] == "No such user: U0STRANGE1"
    assert slack.people.submit(BEN, view_id, {"text": "x"}).error == "view_not_open"
    assert slack.people.modal(ANA) is not None


def test_a_form_may_push_update_and_clear(slack: SlackStandIn) -> None:
    view_id = form(slack)
    assert slack.people.submit(ANA, view_id, {"text": "next"}).ok
    first, second = slack.people.views(ANA)
    assert second["previous_view_id"] == first["id"] == view_id
    assert slack.people.submit(ANA, str(second["id"]), {"text": "x"}).ok
    assert slack.people.views(ANA) == []
    view_id = form(slack)
    assert slack.people.submit(ANA, view_id, {"text": "other"}).ok
    assert [view["callback_id"] for view in slack.people.views(ANA)] == ["second"]


def test_a_closed_form_is_told_when_asked_for(slack: SlackStandIn, seen: Seen) -> None:
    assert slack.people.close(ANA, form(slack)).ok
    assert seen.body("view_closed")["is_cleared"] is False


def test_a_command_is_answered_to_the_one_who_typed_it(slack: SlackStandIn, seen: Seen) -> None:
    assert slack.people.command(ANA, CASES, "/case", "D-1").ok
    assert slack.people.ephemerals(ANA)[-1]["text"] == "You said D-1"
    body = seen.body("command")
    assert (body["channel_name"], body["user_name"], body["text"]) == ("cases", "ana", "D-1")
    assert slack.people.command(ANA, CASES, "/other").error == "invalid_command"
    assert slack.people.command(BEN, QUIET, "/case").error == "not_in_channel"


def test_shortcuts_run_on_messages_and_anywhere(slack: SlackStandIn, seen: Seen) -> None:
    written = slack.people.post_as(BEN, CASES, "please look")
    assert slack.people.shortcut(ANA, "open_case", CASES, written.ts).ok
    assert seen.body("message_action")["message"]["text"] == "please look"
    assert slack.people.shortcut(ANA, "new_case").ok
    assert slack.people.modal(ANA) is not None
    assert slack.people.shortcut(ANA, "open_case").error == "unknown_shortcut"


def test_the_home_tab_is_opened_and_clicked(slack: SlackStandIn, seen: Seen) -> None:
    web_client(slack).views_publish(user_id=ANA, view={"type": "home", "blocks": CARD})
    assert slack.people.open_home(ANA).ok
    home = seen.of("app_home_opened")[0]["view"]
    assert (seen.of("app_home_opened")[0]["tab"], home["type"]) == ("home", "home")
    assert slack.people.click(ANA, Spot(view_id=home["id"]), "claim").ok
    assert seen.body("block_actions")["container"] == {"type": "view", "view_id": home["id"]}
    assert slack.people.click(BEN, Spot(view_id=home["id"]), "claim").error == "view_not_open"


def test_an_ephemeral_button_can_be_clicked_by_its_reader(slack: SlackStandIn, seen: Seen) -> None:
    posted = web_client(slack).chat_postEphemeral(channel=CASES, user=ANA, text="x", blocks=CARD)
    assert slack.people.click(ANA, Spot(CASES, posted["message_ts"]), "claim").ok
    assert seen.body("block_actions")["container"]["is_ephemeral"] is True
    assert slack.people.click(BEN, Spot(CASES, posted["message_ts"]), "claim").error == "message_not_found"


def test_events_may_be_lost_for_good(slack: SlackStandIn, seen: Seen) -> None:
    slack.set_fault(Fault.LOSE_EVENTS)
    assert slack.people.post_as(ANA, CASES, "unheard").ok
    slack.set_fault(Fault.OK)
    slack.people.post_as(ANA, CASES, "heard")
    assert [event["text"] for event in seen.events] == ["heard"]


def test_an_event_nobody_acknowledged_is_resent_at_once_then_in_a_minute_then_in_five() -> None:
    hands, seen = Hands(), Seen()
    with (
        standing(hands, Options(rates=False, ack_s=0.2, ping_s=PING_S)) as slack,
        connected(slack, bolt(slack, seen), 1),
    ):
        slack.set_fault(Fault.LOSE_ACKS)
        slack.people.post_as(ANA, CASES, "again")
        until(lambda: slack.courier.to_resend == 1 and len(seen.retries) == 2)
        assert seen.retries == [("0", ""), ("1", "timeout")]
        hands.wall_s += 59
        assert slack.courier.to_resend == 1
        hands.wall_s += 1
        until(lambda: slack.courier.to_resend == 1 and len(seen.retries) == 3)
        slack.set_fault(Fault.OK)
        hands.wall_s += 300
        until(lambda: slack.courier.to_resend == slack.courier.under_way == 0)
        assert seen.retries[2:] == [("2", "timeout"), ("3", "timeout")]
        assert len({body["event_id"] for body in seen.bodies}) == 1


def test_a_click_that_is_not_acknowledged_fails_and_is_never_resent() -> None:
    seen = Seen()
    with standing(Hands(), Options(rates=False, ack_s=0.2, ping_s=PING_S)) as slack:
        with connected(slack, bolt(slack, seen), 1):
            spot = card(slack)
            assert slack.people.click(ANA, spot, "nobody").error == "operation_timeout"
            assert [body["type"] for body in seen.bodies].count("block_actions") == 1
            assert slack.courier.to_resend == 0
        until(lambda: slack.connections == 0)
        assert slack.people.click(ANA, spot, "claim").error == "dispatch_failed"
        assert slack.people.command(ANA, CASES, "/case", "x").error == "dispatch_failed"


def test_a_refresh_moves_the_bot_to_a_new_socket_and_loses_nothing() -> None:
    seen = Seen()
    with (
        standing(Hands(), Options(rates=False, ping_s=PING_S)) as slack,
        connected(slack, bolt(slack, seen)) as handlers,
    ):
        before = [handler.client.session_id() for handler in handlers]
        slack.refresh()
        for number in range(20):
            assert slack.people.post_as(ANA, CASES, str(number)).ok
        until(lambda: not {handler.client.session_id() for handler in handlers} & set(before))
        until(lambda: slack.connections == 2)
        until(lambda: {event["text"] for event in seen.events} == {str(number) for number in range(20)})
        assert all(handler.client.is_connected() for handler in handlers)


def test_a_socket_of_a_certain_age_is_refreshed() -> None:
    seen = Seen()
    options = Options(rates=False, refresh_s=0.5, ping_s=PING_S)
    with standing(Hands(), options) as slack, connected(slack, bolt(slack, seen), 1) as (handler,):
        before = handler.client.session_id()
        until(lambda: handler.client.session_id() != before)


def test_down_hangs_up_the_sockets() -> None:
    with standing(Hands()) as slack:
        app = bolt(slack, Seen())
        handler = SocketModeHandler(app, slack.space.app.app_token, auto_reconnect_enabled=False)
        handler.connect()
        assert slack.wait_connected(1)
        slack.set_fault(Fault.DOWN)
        until(lambda: slack.connections == 0)
        assert slack.people.command(ANA, CASES, "/case", "x").error == "dispatch_failed"
        handler.close()
