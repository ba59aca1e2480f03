"""Slack as the running bot is on it: who may act, what comes in by socket or signed request, what goes out.

Nothing here beats the time or decides; `bot.app` calls each part when its beat comes.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from slack_bolt import BoltRequest
from slack_sdk.errors import SlackApiError, SlackClientError

from bot.casework import Office
from bot.handlers.desk import Desk, ReadAgain
from bot.handlers.door import build
from bot.handlers.messages import Events, TakeIn, catch_up
from bot.handlers.posting import Pace, Poster
from bot.handlers.slack import error_of, read_staff, web_client
from bot.handlers.sockets import Sockets
from bot.settings import Slack
from bot.telemetry import log

STAFF_EVERY = timedelta(minutes=10)
DRAIN_S = 5.0
_LOG = log("slack")

TROUBLE = (SlackClientError, OSError)
"""What Slack and the way to it raise. A refusal (`SlackApiError`) is one of them."""


@dataclass(frozen=True, slots=True)
class Hands:
    """What the outer layers lend: reading mail again, taking a message in as a mail, and waking the beats."""

    read_again: ReadAgain
    take_in: TakeIn
    wake: Callable[[], None]


@dataclass(frozen=True, slots=True)
class Reply:
    """What a request to `/slack/events` is answered with."""

    status: int
    headers: Mapping[str, str]
    body: str


def real_pace() -> Pace:
    """One message a second and channel, on the machine's clock."""
    return Pace(time.monotonic, time.sleep)


class Workspace:
    """One workspace and the settings for it. `machine` gives the machine's time, UTC."""

    def __init__(self, office: Office, slack: Slack, hands: Hands, machine: Callable[[], datetime], pace: Pace) -> None:
        self._office, self._slack, self._machine = office, slack, machine
        self._client = web_client(slack.bot_token, slack.api_url)
        self._desk = Desk(office, self._client, hands.read_again, hands.wake)
        self._door = build(self._desk, None if slack.app_token else slack.signing_secret)
        self.by_http = not slack.app_token
        """Slack calls us at /slack/events, instead of us holding connections."""
        self._sockets = Sockets(self._door, slack.app_token, time.monotonic) if slack.app_token else None
        self._staff_at: datetime | None = None
        self.poster = Poster(office, self._client, slack.cases_channel, pace)
        self.events = Events(office.store, slack.intake_channels, hands.take_in)

    # --- Coming in ----------------------------------------------------------------------------------------------------

    def mind(self) -> str:
        """Know who may act, and keep the connections open; returns what is wrong, empty if nothing is.

        Raises what the store raises.
        """
        try:
            self._read_staff()
            if self._sockets is not None and self._sockets.mind() == 0:
                return "no Socket Mode connection is open"
        except SlackApiError as refusal:
            return f"Slack refuses: {error_of(refusal)}"
        except TROUBLE as trouble:
            return f"Slack cannot be reached: {type(trouble).__name__}: {trouble}"[:300]
        return ""

    def catch_up(self) -> int:
        """Store what was written in the intake channels and never arrived as an event; returns how many messages.

        Source: Slack's status page, 2025-02-26: events of 16 hours were never sent.
        """
        try:
            return sum(catch_up(self._client, self._office, each) for each in self._slack.intake_channels)
        except TROUBLE as trouble:
            _LOG.warning("not caught up", error=type(trouble).__name__)
            return 0

    def dispatch(self, body: str, headers: Mapping[str, str]) -> Reply:
        """Answer one request to `/slack/events`; its signature is checked before anything else."""
        told = self._door.dispatch(BoltRequest(body=body, headers={name: [text] for name, text in headers.items()}))
        return Reply(told.status, told.first_headers_without_set_cookie(), told.body or "")

    def close(self) -> None:
        """Let what was clicked come to its acknowledgement, then hang up."""
        self._desk.under_way.wait(DRAIN_S)
        if self._sockets is not None:
            self._sockets.close()

    def _read_staff(self) -> None:
        """Every ten minutes, and at the start until it works."""
        now = self._machine()
        if self._staff_at is not None and now - self._staff_at < STAFF_EVERY:
            return
        members = read_staff(self._client, self._slack.staff, self._slack.leads)
        with self._office.store.begin() as tx:
            if members != tx.knowledge.staff():
                tx.knowledge.set_staff(members)
        self._staff_at = now
