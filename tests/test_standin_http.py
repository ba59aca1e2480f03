"""The stand-in and a real Bolt app in HTTP mode: signed requests to /slack/events, resent with their headers."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from slack_bolt import App, BoltRequest

from bot.sandbox.slack import Hook, Options, SlackStandIn
from bot.sandbox.slack.courier import post, signed
from bot.sandbox.slack.people import Spot
from tests.standin_world import ANA, CASES, Hands, Seen, web_client, workspace

SIGNING_SECRET = "a-signing-secret"
BUTTON = {"type": "button", "action_id": "claim", "text": {"type": "plain_text", "text": "Claim"}}


class Door:
    """A plain HTTP server that hands requests to Bolt, as any web framework would; `status` answers instead of it."""

    def __init__(self) -> None:
        self.app: App | None = None
        self.status: int | None = None
        self.headers: list[dict[str, str]] = []
        door = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                sent = {name.lower(): value for name, value in self.headers.items()}
                door.headers.append(sent)
                if door.status is not None or door.app is None:
                    self.answer(door.status or 503, {}, "")
                    return
                reply = door.app.dispatch(BoltRequest(body=body, headers={k: [v] for k, v in sent.items()}))
                self.answer(reply.status, reply.first_headers(), reply.body or "")

            def answer(self, status: int, headers: dict, body: str) -> None:
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body.encode())))
                self.end_headers()
                self.wfile.write(body.encode())

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/slack/events"

    @contextmanager
    def open(self) -> Iterator["Door"]:
        thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield self
        self.server.shutdown()
        self.server.server_close()
        thread.join()


def bolt(slack: SlackStandIn, seen: Seen) -> App:
    app = App(client=web_client(slack), signing_secret=SIGNING_SECRET, process_before_response=True)

    @app.middleware
    def record(body, next):
        seen.bodies.append(body)
        next()

    app.event("message")(lambda: None)
    app.action("claim")(lambda ack: ack())
    app.command("/case")(lambda ack: ack("Done"))
    form = {
        "type": "modal",
        "callback_id": "f",
        "title": {"type": "plain_text", "text": "F"},
        "blocks": [{"type": "divider"}],
    }
    form["submit"] = {"type": "plain_text", "text": "Send"}
    app.shortcut("new_case")(
        lambda ack, body, client: (ack(), client.views_open(trigger_id=body["trigger_id"], view=form))
    )
    app.view("f")(lambda ack: ack(response_action="clear"))
    return app


@pytest.fixture
def hands() -> Hands:
    return Hands()


@pytest.fixture
def seen() -> Seen:
    return Seen()


@pytest.fixture
def door() -> Iterator[Door]:
    with Door().open() as opened:
        yield opened


@pytest.fixture
def slack(hands: Hands, seen: Seen, door: Door) -> Iterator[SlackStandIn]:
    options = Options(rates=False, hook=Hook(door.url, SIGNING_SECRET))
    with SlackStandIn(workspace(hands), options) as standin:
        door.app = bolt(standin, seen)
        yield standin


def until(true: Callable[[], bool], timeout_s: float = 5.0) -> None:
    end = time.monotonic() + timeout_s
    while not true():
        assert time.monotonic() < end
        time.sleep(0.005)


def test_events_clicks_commands_and_forms_arrive_as_signed_requests(
    slack: SlackStandIn, seen: Seen, door: Door
) -> None:
    assert slack.verify_request_url()
    assert slack.people.post_as(ANA, CASES, "hello").ok
    assert seen.body("event_callback")["event"]["text"] == "hello"
    card = web_client(slack).chat_postMessage(
        channel=CASES, text="x", blocks=[{"type": "actions", "elements": [BUTTON]}]
    )
    assert slack.people.click(ANA, Spot(CASES, card["ts"]), "claim").ok
    assert slack.people.command(ANA, CASES, "/case", "x & y=1").ok
    assert seen.body("command")["text"] == "x & y=1"
    assert slack.people.ephemerals(ANA)[-1]["text"] == "Done"
    assert slack.people.shortcut(ANA, "new_case").ok
    view = slack.people.modal(ANA)
    assert view is not None
    assert slack.people.submit(ANA, str(view["id"])).ok
    assert slack.people.modal(ANA) is None
    assert all(headers["x-slack-signature"].startswith("v0=") for headers in door.headers)
    assert not any("x-slack-retry-num" in headers for headers in door.headers)


def test_a_bad_signature_and_an_old_one_are_refused_by_the_bot(slack: SlackStandIn, seen: Seen, door: Door) -> None:
    body = b'{"type": "event_callback", "event": {"type": "message"}}'
    kind = {"Content-Type": "application/json"}
    assert not post(door.url, body, signed("another-secret", body) | kind, 3).acked
    assert not post(door.url, body, signed(SIGNING_SECRET, body, int(time.time()) - 301) | kind, 3).acked
    assert post(door.url, body, signed(SIGNING_SECRET, body) | kind, 3).acked
    assert len(seen.bodies) == 1


def test_an_event_answered_with_an_error_is_resent_with_its_headers(
    slack: SlackStandIn, hands: Hands, door: Door
) -> None:
    door.status = 500
    slack.people.patience_s = 0.2
    slack.people.post_as(ANA, CASES, "hello")
    until(lambda: slack.courier.to_resend == 1 and len(door.headers) == 2)
    assert door.headers[1]["x-slack-retry-num"] == "1"
    assert door.headers[1]["x-slack-retry-reason"] == "http_error"
    door.status = None
    hands.wall_s += 60
    until(lambda: slack.courier.to_resend == slack.courier.under_way == 0)
    assert door.headers[2]["x-slack-retry-num"] == "2"
    assert len(door.headers) == 3
    door.status = 500
    assert slack.people.command(ANA, CASES, "/case", "x").error == "dispatch_failed"
    assert len(door.headers) == 4
