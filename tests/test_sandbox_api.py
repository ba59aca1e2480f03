"""The sandbox end to end over its API: the real bot in a process of its own, real mail, a clock that is moved."""

import base64
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import httpx
import pytest

from bot.sandbox import people
from bot.sandbox.house import Sandbox, next_monday
from bot.sandbox.page import FILES
from bot.sandbox.run import serving
from bot.settings import load_policy
from tests.standin_world import manifest

SUPPORT, WORKER, CLIENT = "support@parley.example", "dana@worker.example", "priya@northwind.example"
START = "2026-09-14T10:00:00-04:00"


class Client:
    """The API as a script uses it."""

    def __init__(self, http: httpx.Client) -> None:
        self.http = http

    def get(self, path: str, **asked: str):
        answer = self.http.get(path, params=asked)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def post(self, path: str, asked: dict | None = None, status: int = 200):
        answer = self.http.post(path, json=asked or {})
        assert answer.status_code == status, answer.text
        return answer.json()

    def sample(self, name: str) -> str:
        [mail] = [each for each in self.get("/api/state")["samples"] if each["name"] == name]
        asked = {key: mail[key] for key in ("from", "subject", "text")}
        return str(self.post("/api/mail", asked)["message_id"])

    def mailbox(self, address: str) -> list[dict]:
        return list(self.get(f"/api/mailbox/{address}"))

    def cases(self, assignment_id: str) -> list[dict]:
        return [case for case in self.get("/api/state")["cases"] if assignment_id in case["assignment_ids"]]

    def idle(self) -> None:
        assert self.post("/api/idle")["ok"]

    def advance(self, span: str) -> datetime:
        answer = self.post("/api/clock", {"advance": span})
        assert answer["settled"]
        return datetime.fromisoformat(answer["now"])


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    folder = tmp_path_factory.mktemp("sandbox")
    listening = socket.create_server(("127.0.0.1", 0))
    house = Sandbox(folder, dict(os.environ), datetime.fromisoformat(START))
    with listening, house, serving(house, listening) as address, httpx.Client(base_url=address, timeout=200) as http:
        yield Client(http)


def local(text: str) -> datetime:
    return datetime.fromisoformat(text)


def test_the_state_tells_who_lives_here_and_what_time_it_is(sandbox: Client) -> None:
    state = sandbox.get("/api/state")
    assert local(state["now"]) >= local(START)
    assert len(state["directory"]) == 20
    assert state["directory"][0]["assignment_id"] == "4471829360"
    assert [each["lead"] for each in state["staff"]] == [False, False, True]
    assert {each["name"] for each in state["samples"]} >= {"payment", "rating-vague"}


def test_a_payment_dispute_runs_to_its_impasse_with_every_letter_at_its_own_time(sandbox: Client) -> None:
    sandbox.sample("payment")
    sandbox.idle()
    [receipt] = sandbox.mailbox(WORKER)
    [case] = sandbox.cases("4471829360")
    assert (case["number"], case["kind"], case["stage"]) == ("D-1001", "payment", "notice")
    assert [due["what"] for due in case["due"] if due["what"] == "send_notice"] == ["send_notice"]
    assert receipt["headers"]["Auto-Submitted"] == "auto-replied"
    assert sandbox.mailbox(CLIENT) == []

    sandbox.advance("1 business day")
    assert len(sandbox.mailbox(CLIENT)) == 1
    now = sandbox.advance("8 business days")
    sent = [local(each["date"]).astimezone(now.tzinfo) for each in sandbox.mailbox(CLIENT)]
    assert [(each.day, each.hour) for each in sent] == [(15, 10), (17, 10), (21, 10), (22, 10)]
    [case] = sandbox.cases("4471829360")
    assert (case["stage"], case["awaits"]) == ("impasse", ["staff"])


def test_a_reply_goes_to_the_letters_reply_address_and_finds_its_case(sandbox: Client) -> None:
    sandbox.sample("rating-vague")
    sandbox.idle()
    asked = sandbox.mailbox("marcus@worker.example")[-1]
    text = "It is assignment 4471830112. I was there at 8:55 and tested the line with the site contact before I left."
    answer = {"from": "marcus@worker.example", "in_reply_to": asked["message_id"], "text": text}
    sandbox.post("/api/mail", answer)
    sandbox.idle()
    [case] = sandbox.cases("4471830112")
    assert case["stage"] == "notice"
    assert "+" in asked["reply_to"]
    assert sandbox.mailbox("marcus@worker.example")[-1]["in_reply_to"].endswith("@worker.example>")


def test_a_killed_bot_comes_back_at_the_same_now_and_has_lost_nothing(sandbox: Client) -> None:
    before = local(sandbox.get("/api/state")["now"])
    killer = threading.Thread(target=sandbox.post, args=("/api/faults", {"bot": "kill"}))
    killer.start()
    sandbox.sample("rating")
    killer.join()
    sandbox.idle()
    assert (local(sandbox.get("/api/state")["now"]) - before).total_seconds() < 60
    assert len(sandbox.mailbox("aisha@worker.example")) == 1


def test_a_letter_waits_while_the_mail_server_is_away_and_leaves_once_when_it_is_back(sandbox: Client) -> None:
    sandbox.post("/api/faults", {"smtp": "down"})
    sandbox.sample("both")
    sandbox.idle()
    assert sandbox.mailbox("jorge@worker.example") == []
    assert len(sandbox.cases("4471833520")) == 2
    sandbox.post("/api/faults", {"smtp": "ok"})
    sandbox.idle()
    assert len(sandbox.mailbox("jorge@worker.example")) == 2


def test_a_raw_mail_is_delivered_as_it_is(sandbox: Client) -> None:
    raw = b"From: Priya <priya@northwind.example>\nSubject: Automatic reply\nAuto-Submitted: auto-replied\n\nAway.\n"
    answer = sandbox.post("/api/mail", {"from": CLIENT, "raw": base64.b64encode(raw).decode()})
    assert answer == {"message_id": None}
    sandbox.post("/api/mail", {"from": CLIENT, "to": "tom@lakeside.example", "subject": "Hi", "text": "Just us."})
    assert sandbox.mailbox("tom@lakeside.example")[-1]["text"] == "Just us.\n"


@pytest.mark.parametrize(
    ("path", "asked", "said"),
    [
        ("/api/clock", {"advance": "soon"}, "not a whole number"),
        ("/api/clock", {"to": "2026-09-01T10:00:00-04:00"}, "only moves forward"),
        ("/api/clock", {"to": "2026-10-01T10:00:00"}, "needs an offset"),
        ("/api/mail", {"from": "nobody", "text": "x"}, "mail address"),
        ("/api/mail", {"from": "a@b.example"}, "missing"),
        ("/api/mail", {"from": "a@b.example", "raw": "%"}, "base64"),
        ("/api/mail", {"from": "a@b.example", "text": "x", "auth": "maybe"}, "pass, fail, none"),
        ("/api/faults", {"smtp": "sleepy"}, "down, refuse, cut"),
        ("/api/faults", {"disk": "full"}, "disk"),
    ],
)
def test_what_cannot_be_done_is_refused_with_what_would_be_right(
    sandbox: Client, path: str, asked: dict, said: str
) -> None:
    assert said in sandbox.post(path, asked, 400)["error"]


def test_without_slack_its_addresses_say_so(sandbox: Client) -> None:
    said = {"ok": False, "error": "no_slack"}
    assert sandbox.get("/api/slack/messages", channel="C1") == said
    assert sandbox.post("/api/slack/click", {"user": "U1", "action_id": "claim"}) == said
    assert sandbox.post("/api/faults", {"slack": "down"}) == said


def test_the_page_shows_four_panes_and_loads_nothing_from_elsewhere(sandbox: Client) -> None:
    page = sandbox.http.get("/")
    assert re.findall(r"<h2>(.*?)</h2>", page.text) == ["Worker’s mailbox", "Client’s mailbox", "Slack", "Clock"]
    loaded = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert [sandbox.http.get(each).status_code for each in loaded if not each.startswith("data:")] == [200, 200]
    assert "default-src 'self'" in page.headers["content-security-policy"]
    scripts = "".join(sandbox.http.get(f"/{name}").raise_for_status().text for name in FILES)
    assert set(re.findall(r'from "\./(\w+\.js)"', scripts)) < set(FILES)
    assert "innerHTML" not in scripts
    assert not re.search(r"https?://", scripts)


def test_the_page_hears_of_a_change_at_once(sandbox: Client) -> None:
    with sandbox.http.stream("GET", "/api/events") as events:
        lines = (line for line in events.iter_lines() if line)
        first = next(lines)
        sandbox.post("/api/mail", {"from": CLIENT, "to": "tom@lakeside.example", "subject": "Hi", "text": "Again."})
        assert next(lines) != first


def test_a_page_from_elsewhere_is_not_answered(sandbox: Client) -> None:
    assert sandbox.http.get("/api/state", headers={"Host": "rebound.example"}).status_code == 400


def test_the_sandbox_opens_on_a_monday_at_ten() -> None:
    policy = load_policy(None)
    monday = next_monday(local("2026-09-14T09:00:00-04:00"), policy)
    assert monday == local("2026-09-21T10:00:00-04:00")
    assert next_monday(local("2026-10-28T09:00:00-04:00"), policy) == local("2026-11-02T10:00:00-05:00")


def test_the_directory_names_everybody_once() -> None:
    addresses = [person.email for each in people.ASSIGNMENTS for person in (each.worker, each.client)]
    assert len(set(addresses)) == 40
    assert len({each.id for each in people.ASSIGNMENTS}) == 20


@pytest.mark.slow
def test_the_command_is_ready_when_its_state_answers_and_stops_cleanly(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "bot.cli", "sandbox", "--port", str(port), "--no-browser", "--data", "data"]
    command += ["--at", "2026-09-16T10:00"]
    environ = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)}
    with subprocess.Popen(command, cwd=tmp_path, env=environ, stdout=subprocess.PIPE, text=True) as process:
        state = until_answered(f"http://127.0.0.1:{port}/api/state")
        assert state["now"].startswith("2026-09-16T10:0")
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
        assert process.stdout
        assert f"http://127.0.0.1:{port}" in process.stdout.read()
    assert (tmp_path / "data" / "parley.db").exists()
    again = subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, text=True, check=False, timeout=60)
    assert (again.returncode, "name a new folder" in again.stderr) == (1, True)


def until_answered(url: str) -> dict:
    end = time.monotonic() + 90
    while time.monotonic() < end:
        try:
            return dict(httpx.get(url, timeout=5).raise_for_status().json())
        except httpx.HTTPError:
            time.sleep(0.2)
    raise AssertionError("no answer")


def test_with_slack_its_addresses_show_and_do_what_people_can(tmp_path: Path) -> None:
    listening = socket.create_server(("127.0.0.1", 0))
    quiet = manifest()
    del quiet["settings"]["event_subscriptions"]  # Nobody is there to hear of events.
    house = Sandbox(tmp_path, {}, local(START), quiet)
    assert house.slack is not None
    house.slack.start()
    with listening, serving(house, listening) as address, httpx.Client(base_url=address) as http:
        client, user = Client(http), people.STAFF[0].user
        assert [each["name"] for each in client.get("/api/slack/channels")["channels"]] == [
            "disputes",
            "support-intake",
        ]
        assert client.get("/api/slack/messages", channel=people.CASES_CHANNEL)["messages"] == []
        assert client.get("/api/slack/views", user=user) is None
        asked = {"user": user, "channel": people.CASES_CHANNEL, "command": "/nothing", "text": ""}
        assert client.post("/api/slack/command", asked) == {"ok": False, "error": "invalid_command"}
        assert client.post("/api/faults", {"slack": "lose_events"})["faults"]["slack"] == "lose_events"
        asked = {"user": user, "channel": people.CASES_CHANNEL, "text": "Good morning"}
        assert client.post("/api/slack/message", asked)["ok"]
        [message] = client.get("/api/slack/messages", channel=people.CASES_CHANNEL)["messages"]
        assert message["text"] == "Good morning"
        assert float(message["ts"]) == pytest.approx(local(START).timestamp(), abs=60)
    house.stop()
