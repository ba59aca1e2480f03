"""Stored Slack events read again: a message in an intake channel becomes a Mail, all else is only kept.

A note in a case's thread stays in Slack: nothing that staff type there goes anywhere by itself.
"""

import json
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from slack_sdk import WebClient

from bot.casework import Office
from bot.flows.mail import Address, Mail, Nature, Verdict
from bot.storage.inbox import SLACK, InboxRow
from bot.storage.store import Store
from bot.telemetry import log

TRIES_MAX = 5
PAGE = 100
PAGES_MAX = 100
TEXT_CHARS_MAX = 40_000
PLAIN_SUBTYPES = frozenset(("", "bot_message", "file_share", "thread_broadcast"))
_ENTITIES = (("&lt;", "<"), ("&gt;", ">"), ("&amp;", "&"))
_LOG = log("slack")

TakeIn = Callable[[InboxRow, Mail], None]
"""Applies a message as if it were a mail, and marks its row in the inbox as done. It may raise."""


@dataclass(frozen=True, slots=True)
class Message:
    """A message as somebody wrote it; `at` is UTC, `thread_ts` empty for one that is not in a thread.

    `address` is whose words a person says these are, in a form; a message of Slack's has none.
    """

    channel: str
    ts: str
    thread_ts: str
    user: str
    text: str
    at: datetime
    address: str = ""


def read(raw: bytes) -> Message | None:
    """The message in a stored event; None for every other event. Raises `ValueError` if it is no event at all."""
    body: Mapping[str, Any] = json.loads(raw)
    event = body.get("event") or {}
    if event.get("type") != "message" or str(event.get("subtype") or "") not in PLAIN_SUBTYPES:
        return None
    ts = str(event.get("ts") or "")
    return Message(
        channel=str(event.get("channel") or ""),
        ts=ts,
        thread_ts=str(event.get("thread_ts") or ""),
        user=str(event.get("user") or ""),
        text=_unescaped(str(event.get("text") or ""))[:TEXT_CHARS_MAX],
        at=datetime.fromtimestamp(float(ts), UTC),
        address=str(event.get("address") or ""),
    )


def written_down(message: Message) -> bytes:
    """A message that a person typed into a form, to be stored as an event is, so that it can be `read` again."""
    event = {
        "type": "message",
        "channel": message.channel,
        "ts": f"{message.at.timestamp():.6f}",
        "user": message.user,
        "text": _escaped(message.text),
        "address": message.address,
    }
    return json.dumps({"type": "form", "event": event}).encode()


def key_of(body: Mapping[str, Any]) -> str:
    """What an event is known by, for ever: a message by its place, however it came; all else by Slack's own id."""
    event = body.get("event") or {}
    if event.get("type") == "message" and str(event.get("subtype") or "") in PLAIN_SUBTYPES:
        return f"slack:{event.get('channel')}:{event.get('ts')}"
    return f"slack:{body['event_id']}"


def catch_up(client: WebClient, office: Office, channel: str) -> int:
    """Store the channel's messages since the last look that no event brought; returns how many those are.

    The first look only remembers where the channel ends: what was said before us is not ours. Raises what slack_sdk
    and the store raise; nothing is passed over then.
    """
    name = f"slack:{channel}"
    with office.store.read() as tx:
        since = tx.beats.cursor(name).slack_ts
    found = list(_history(client, channel, since)) if since else []
    latest = max((str(each.get("ts")) for each in found), default=since or f"{office.now().timestamp():.6f}")
    count = 0
    with office.store.begin() as tx:
        for message in reversed(found):
            body = {"type": "event_callback", "event": {"type": "message", **message, "channel": channel}}
            put = tx.inbox.put(SLACK, f"{name}:{message.get('ts')}", json.dumps(body).encode(), office.now())
            count += put.new
        tx.beats.move_slack(latest, name)
    return count


def _history(client: WebClient, channel: str, since: str) -> Iterator[Mapping[str, Any]]:
    """The channel's plain messages after `since`, latest first."""
    asked: dict[str, str | int] = {"channel": channel, "oldest": since, "limit": PAGE}
    for _ in range(PAGES_MAX):
        answer = client.api_call("conversations.history", http_verb="GET", params=asked).data
        page = answer if isinstance(answer, Mapping) else {}
        yield from (each for each in page.get("messages") or () if str(each.get("subtype") or "") in PLAIN_SUBTYPES)
        cursor = str((page.get("response_metadata") or {}).get("next_cursor") or "")
        if not cursor:
            return
        asked["cursor"] = cursor


def as_mail(message: Message) -> Mail:
    """The message as triage reads it. Nobody vouches for its sender, so a person sorts the case.

    The first line stands for the subject.
    """
    return Mail(
        message_id=None,
        in_reply_to=(),
        references=(),
        date=message.at,
        utc_offset_minutes=None,
        sender=Address("", message.address),
        reply_to=(),
        to=(),
        cc=(),
        recipients=(),
        subject=message.text.strip().partition("\n")[0][:200],
        text=message.text,
        reply_text=None,
        links=(),
        attachments=(),
        nature=Nature.PERSON,
        signals=(),
        bounce=None,
        returns_on=None,
        verdict=Verdict.NONE,
        verdict_reason="it was written in Slack",
        defects=(),
    )


class Events:
    """Applies the Slack events that the middleware stored, oldest first."""

    def __init__(self, store: Store, intake_channels: Collection[str], take_in: TakeIn) -> None:
        self._store, self._channels, self._take_in = store, frozenset(intake_channels), take_in

    def run_once(self) -> int:
        """Apply what is new; returns how many. One that fails is tried again, then quarantined with its reason."""
        count = 0
        while True:
            with self._store.begin() as tx:
                rows = tx.inbox.claim_new(limit=1, source=SLACK)
            if not rows:
                return count
            self._apply(rows[0])
            count += 1

    def _apply(self, row: InboxRow) -> None:
        try:
            message = read(row.raw)
            if message and message.channel in self._channels and message.thread_ts in ("", message.ts):
                self._take_in(row, as_mail(message))
                return
            with self._store.begin() as tx:
                tx.inbox.done(row.id)
        except Exception as wrong:  # noqa: BLE001 - the recurring job's loop: said, tried again, then quarantined.
            self._fail(row, wrong)

    def _fail(self, row: InboxRow, wrong: Exception) -> None:
        reason = f"{type(wrong).__name__}: {wrong}"[:300]
        _LOG.warning("event failed", inbox_id=row.id, error=type(wrong).__name__, exc_info=wrong)
        with self._store.begin() as tx:
            tries = tx.inbox.retry(row.id, reason, timedelta(seconds=2.0 ** min(row.tries, 6)))
            if tries >= TRIES_MAX:
                tx.inbox.quarantine(row.id, f"failed {tries} times: {reason}")


def _escaped(text: str) -> str:
    for entity, sign in reversed(_ENTITIES):
        text = text.replace(sign, entity)
    return text


def _unescaped(text: str) -> str:
    """The characters that Slack escapes. Source: Slack, "Formatting text", escaping."""
    for entity, sign in _ENTITIES:
        text = text.replace(entity, sign)
    return text
