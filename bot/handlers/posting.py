"""Posts cards and notes: once each, one a second and channel, and reconciled by metadata instead of repeated.

Each new message carries an opaque key of its outbox row. Where it is not known whether an earlier attempt got through,
the channel or the thread is read for that key before anything is posted again. Changing a card may be repeated freely.
"""

import hashlib
import hmac
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError, SlackClientError

from bot.casework import CARD, SHADOW, Office
from bot.flows.case import Case, Statement
from bot.flows.effects import Sending
from bot.handlers.cards import Block, NoteLine, card, fallback, moment, note, title
from bot.handlers.slack import error_of
from bot.storage.cases import Place
from bot.storage.inbox import SLACK
from bot.storage.outbox import OutboxRow, OutState
from bot.storage.store import Tx

EVENT_TYPE = "parley_post"
PACE_S = 1.0
PAGE = 200
PAGES_MAX = 5

WRONG_CONTENT = frozenset(
    ("invalid_blocks", "invalid_blocks_format", "msg_blocks_too_long", "msg_too_long", "no_text", "invalid_arguments")
)
"""Slack will never take this message as it is. Source: Slack, "chat.postMessage", errors."""
GONE = frozenset(("message_not_found", "thread_not_found", "cant_update_message", "edit_window_closed"))
_MAIL_EVENT = re.compile(r"note:mail:(\d+):")


@dataclass(frozen=True, slots=True)
class Posted:
    """It stands in Slack, as the message `ts`."""

    ts: str


@dataclass(frozen=True, slots=True)
class Later:
    """It may be tried again; if it got through after all, the next attempt will find it."""

    reason: str


@dataclass(frozen=True, slots=True)
class Never:
    """Slack refuses it for good."""

    reason: str


@dataclass(frozen=True, slots=True)
class Fenced:
    """The gate was closed: the row is no longer ours to post."""


Outcome = Posted | Later | Never | Fenced


@dataclass(frozen=True, slots=True)
class Pace:
    """The machine's stopwatch and a pause, both in seconds."""

    stopwatch: Callable[[], float]
    pause: Callable[[float], None]


@dataclass(slots=True)
class Poster:
    """Carries the outbox's Slack rows to one channel. One thread at a time calls it."""

    office: Office
    client: WebClient
    channel: str
    pace: Pace
    _posted_at: dict[str, float] = field(default_factory=dict)

    def post(self, row: OutboxRow, gate: Callable[[], bool]) -> Outcome:
        """Post one card or note. `gate` is asked just before; what it forbids is left alone.

        Raises what the store raises, and nothing of Slack's.
        """
        case, place = self._case(row)
        if case is None:
            return Never("there is no such case")
        if not gate():
            return Fenced()
        try:
            if row.posting.name == CARD:
                return self._post_card(row, case, place)
            return self._post_note(row, case, place)
        except SlackApiError as refusal:
            return _refused(error_of(refusal))
        except (SlackClientError, OSError) as trouble:
            return Later(f"{type(trouble).__name__}: {trouble}"[:300])

    def reconcile(self) -> int:
        """Settle the rows of which a stopped bot left nobody knowing whether they got through; returns how many.

        What stands in Slack is `sent`; what does not is cancelled, and put into the outbox again under another key.
        """
        with self.office.store.read() as tx:
            rows = [row for row in tx.outbox.in_state(OutState.UNKNOWN) if row.posting.channel == SLACK]
        return sum(self._settle(row) for row in rows)

    # --- Cards --------------------------------------------------------------------------------------------------------

    def _post_card(self, row: OutboxRow, case: Case, place: Place | None) -> Outcome:
        """Change the card where it stands; post it where it does not stand yet, or was deleted."""
        blocks = card(case, self.office.policy)
        if place is not None:
            try:
                self._send("chat.update", {"channel": place.channel, "ts": place.card_ts}, title(case), blocks)
                return Posted(place.card_ts)
            except SlackApiError as refusal:
                if error_of(refusal) not in GONE:
                    raise
        ts = self._found(row, None) or self._new(row, title(case), blocks, None)
        with self.office.store.begin() as tx:
            tx.cases.set_place(case.number, Place(self.channel, ts))
        return Posted(ts)

    # --- Notes --------------------------------------------------------------------------------------------------------

    def _post_note(self, row: OutboxRow, case: Case, place: Place | None) -> Outcome:
        if place is None:
            return Later("the card does not stand yet")
        ts = self._found(row, place)
        if ts is None:
            said = self._said(row, case)
            try:
                ts = self._new(row, said.text, note(case, said), place)
            except SlackApiError as refusal:
                if error_of(refusal) not in GONE:
                    raise
                self._raise_card(case)
                return Later("the card was deleted; it stands again")
        return Posted(ts)

    def _raise_card(self, case: Case) -> None:
        """The thread is gone with its card: both begin anew."""
        answer = self._send("chat.postMessage", {"channel": self.channel}, title(case), card(case, self.office.policy))
        with self.office.store.begin() as tx:
            tx.cases.set_place(case.number, Place(self.channel, str(answer.get("ts"))))

    def _said(self, row: OutboxRow, case: Case) -> NoteLine:
        """The note with the whole words of its mail, whom it calls, and the letters decided at the same moment."""
        body = row.posting.body
        with self.office.store.read() as tx:
            letters = [
                letter
                for letter in tx.outbox.letters(case.number)
                if letter.created_at == row.created_at and letter.posting.because == row.posting.because
            ]
            mention, here = _called(tx, str(body.get("mention", "")))
        lines = tuple(self._line(letter) for letter in letters)
        by_person = [letter.posting.number for letter in letters if letter.posting.sending is Sending.PERSON]
        mail = _quoted_mail(row, case)
        quote = mail.text if mail else str(body.get("quote", ""))
        undo = by_person[0] if by_person else None
        return NoteLine(str(body.get("text", "")), quote, mention, here, lines, undo, mail.mail_id if mail else None)

    def _line(self, letter: OutboxRow) -> str:
        """A letter that was decided, and when it leaves, or that it does not."""
        posting = letter.posting
        named = f"Letter {posting.number} to the {posting.role}: {posting.name.replace('_', ' ')}"
        at = moment(posting.not_before, self.office.policy)
        if posting.state is OutState.HELD and posting.reason == SHADOW:
            return f"{named}, would leave {at} (shadow mode: nobody is written to)"
        return f"{named}, leaves {at}"

    # --- Slack --------------------------------------------------------------------------------------------------------

    def _new(self, row: OutboxRow, text: str, blocks: Sequence[Block], place: Place | None) -> str:
        to: dict[str, object] = {"channel": self.channel} if place is None else {"channel": place.channel}
        if place is not None:
            to["thread_ts"] = place.card_ts
        to["metadata"] = {"event_type": EVENT_TYPE, "event_payload": {"key": self._keys(row)[0]}}
        try:
            answer = self._send("chat.postMessage", to, text, blocks)
        except SlackApiError as refusal:
            if error_of(refusal) not in WRONG_CONTENT:
                raise
            answer = self._send("chat.postMessage", to, text, ())  # Better a bare line than nothing.
        return str(answer.get("ts"))

    def _send(self, method: str, to: Mapping[str, object], text: str, blocks: Sequence[Block]) -> Mapping[str, object]:
        """One call; a new message waits until the last one in its channel is a second old."""
        message: dict[str, object] = {**to, "text": fallback(text), "parse": "none", "link_names": False}
        if blocks:
            message["blocks"] = list(blocks)
        if method == "chat.postMessage":
            message |= {"unfurl_links": False, "unfurl_media": False}
            self._wait(str(to["channel"]))
        answer = self.client.api_call(method, json=message).data
        return answer if isinstance(answer, Mapping) else {}

    def _wait(self, channel: str) -> None:
        """Source: Slack, "Rate limits": about one message a second and channel."""
        last = self._posted_at.get(channel)
        if last is not None and (left_s := last + PACE_S - self.pace.stopwatch()) > 0:
            self.pace.pause(left_s)
        self._posted_at[channel] = self.pace.stopwatch()

    def _found(self, row: OutboxRow, place: Place | None) -> str | None:
        """The message an earlier attempt left, if there was one: in the thread, or among the channel's latest."""
        if row.attempt <= 1 and row.state is not OutState.UNKNOWN:
            return None
        keys = self._keys(row)
        for message in self._messages(place):
            metadata = message.get("metadata")
            payload = metadata.get("event_payload") if isinstance(metadata, Mapping) else None
            if isinstance(payload, Mapping) and payload.get("key") in keys:
                return str(message.get("ts"))
        return None

    def _messages(self, place: Place | None) -> Iterator[Mapping[str, object]]:
        method = "conversations.history" if place is None else "conversations.replies"
        asked: dict[str, str | int | bool] = {"channel": self.channel, "limit": PAGE, "include_all_metadata": True}
        if place is not None:
            asked |= {"channel": place.channel, "ts": place.card_ts}
        for _ in range(PAGES_MAX if place is None else PAGES_MAX * 4):
            answer = self.client.api_call(method, http_verb="GET", params=asked).data
            page = answer if isinstance(answer, Mapping) else {}
            found, more = page.get("messages"), page.get("response_metadata")
            yield from (each for each in found if isinstance(each, Mapping)) if isinstance(found, list) else ()
            cursor = str(more.get("next_cursor") or "") if isinstance(more, Mapping) else ""
            if not cursor:
                return
            asked["cursor"] = cursor

    def _keys(self, row: OutboxRow) -> list[str]:
        """The row's key as others may read it: it tells nothing. One a secret, the one in use first."""
        name = row.posting.key.encode()
        secrets = self.office.identity.secrets
        return [hmac.new(secret.encode(), name, hashlib.sha256).hexdigest()[:32] for secret in secrets]

    # --- The store ----------------------------------------------------------------------------------------------------

    def _case(self, row: OutboxRow) -> tuple[Case | None, Place | None]:
        number = row.posting.case
        if number is None:
            return None, None
        with self.office.store.read() as tx:
            return tx.cases.get(number), tx.cases.place(number)

    def _settle(self, row: OutboxRow) -> bool:
        case, place = self._case(row)
        if case is None:
            return False
        try:
            is_card = row.posting.name == CARD
            ts = self._found(row, None if is_card else place) if is_card or place else None
        except (SlackClientError, OSError):
            return False
        with self.office.store.begin() as tx:
            if ts and is_card and place is None:
                tx.cases.set_place(case.number, Place(self.channel, ts))
            now = self.office.now()
            settled = tx.outbox.settle(row.id, ts is not None, "found in Slack" if ts else "not in Slack", now)
            if settled and ts is None:
                again = replace(row.posting, key=f"{row.posting.key}:again", state=OutState.READY, reason="")
                tx.outbox.enqueue(again, now)
        return settled


def _called(tx: Tx, mention: str) -> tuple[tuple[str, ...], bool]:
    """The Slack users behind a note's mention: a person by name, `lead`, or the whole `channel`."""
    staff = tx.knowledge.staff() if mention else ()
    users = tuple(
        each.user for each in staff if (each.lead if mention == "lead" else mention in (each.name, each.user))
    )
    return users, bool(mention) and not users


def _quoted_mail(row: OutboxRow, case: Case) -> Statement | None:
    """What the mail says which the note is about; the note itself holds only its beginning."""
    found = _MAIL_EVENT.match(row.posting.key)
    mail_id = int(found[1]) if found and row.posting.body.get("quote") else None
    return next((each for each in case.statements if each.mail_id == mail_id and each.moved_to is None), None)


def _refused(error: str) -> Outcome:
    """What a refusal means: wrong content is never right, all else a person or time can mend."""
    return Never(f"Slack: {error}") if error in WRONG_CONTENT else Later(f"Slack: {error}")
