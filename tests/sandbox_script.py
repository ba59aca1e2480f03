"""The sandbox as a script of an outsider uses it: the API over HTTP, nothing else."""

import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import httpx

from bot.sandbox.house import Sandbox
from bot.sandbox.run import manifest, serving

START = "2026-09-14T10:00:00-04:00"
SAM, ALEX, LEAD = "U0SAM00001", "U0ALEX0001", "U0LEAD0001"


def local(text: str) -> datetime:
    return datetime.fromisoformat(text)


class Script:
    """What a script asks and reads."""

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

    # --- Mail ---------------------------------------------------------------------------------------------------------

    def sample(self, name: str) -> str:
        [mail] = [each for each in self.get("/api/state")["samples"] if each["name"] == name]
        return str(self.post("/api/mail", {key: mail[key] for key in ("from", "subject", "text")})["message_id"])

    def mail(self, sender: str, text: str, **more: str) -> str:
        return str(self.post("/api/mail", {"from": sender, "text": text, **more})["message_id"])

    def answers(self, sender: str, text: str) -> str:
        """A reply to the latest letter that this person got."""
        return self.mail(sender, text, in_reply_to=self.mailbox(sender)[-1]["message_id"])

    def mailbox(self, address: str) -> list[dict]:
        return list(self.get(f"/api/mailbox/{address}"))

    def subjects(self, address: str) -> list[str]:
        return [mail["subject"] for mail in self.mailbox(address)]

    # --- Cases and time -----------------------------------------------------------------------------------------------

    def case(self, assignment_id: str) -> dict:
        [case] = self.cases(assignment_id)
        return case

    def cases(self, assignment_id: str) -> list[dict]:
        return [case for case in self.get("/api/state")["cases"] if assignment_id in case["assignment_ids"]]

    def idle(self) -> None:
        assert self.post("/api/idle")["ok"]

    def advance(self, span: str) -> datetime:
        answer = self.post("/api/clock", {"advance": span})
        assert answer["settled"]
        return local(answer["now"])

    # --- Slack --------------------------------------------------------------------------------------------------------

    def card(self, case: dict) -> dict:
        return self.thread(case)[0]

    def thread(self, case: dict) -> list[dict]:
        found = self.get("/api/slack/messages", channel=case["channel"], thread_ts=case["thread_ts"])
        return list(found["messages"])

    def click(self, case: dict, action: str, value: str | None = None, user: str = SAM) -> dict:
        asked = {"user": user, "channel": case["channel"], "message_ts": case["thread_ts"], "action_id": action}
        return dict(self.post("/api/slack/click", asked | ({"value": value} if value else {})))

    def form(self, user: str = SAM) -> dict:
        return dict(until(lambda: self.get("/api/slack/views", user=user)))

    def submits(self, user: str = SAM, **values: str) -> dict:
        view = self.form(user)
        return dict(self.post("/api/slack/submit", {"user": user, "view_id": view["id"], "values": values}))

    def fills(self, case: dict, action: str, value: str | None = None, user: str = SAM, **values: str) -> None:
        """A click, and the form that opens, filled."""
        assert self.click(case, action, value, user) == {"ok": True}
        assert self.submits(user, **values) == {"ok": True}
        until(lambda: self.get("/api/slack/views", user=user) is None)


def until(found: Callable, timeout_s: float = 10.0):
    end = time.monotonic() + timeout_s
    while not (value := found()):
        assert time.monotonic() < end
        time.sleep(0.02)
    return value


@contextmanager
def sandbox(folder: Path, *, by_http: bool = False) -> Iterator[Script]:
    """The whole sandbox, Slack included, behind its API."""
    listening = socket.create_server(("127.0.0.1", 0))
    house = Sandbox(folder, dict(os.environ), local(START), manifest(), by_http=by_http)
    with listening, house, serving(house, listening) as address, httpx.Client(base_url=address, timeout=200) as http:
        yield Script(http)
