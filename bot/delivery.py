"""Carries effects out: what stands in the outbox goes to the mail server and to Slack, once, and its fate is recorded.

Nothing flows back into a decision but a delivery's final failure, its cancellation for lateness, or what settled an
unknown one; those enter as events, by the same door as everything else.
"""

import random
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from threading import Event as Flag

from bot.casework import Happening, Office, Result
from bot.flows.events import LetterSettled
from bot.mail.compose import Outgoing, Uncomposable, addr_spec, compose
from bot.mail.smtp import (
    Accepted,
    Deferred,
    Envelope,
    Fenced,
    Outcome,
    Refused,
    Server,
    Unknown,
    deliver_batch,
    probe,
)
from bot.storage.outbox import Attempt, OutboxRow, OutState
from bot.storage.store import Tx
from bot.telemetry import Health, Metrics, log

MAIL = "mail"
SLACK = "slack"
NO_SLACK = "no slack"

DEFERRED = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 15, 30, 60, 120))
"""Waits after the first, second … 4xx for a letter; the last one repeats."""
OUTAGE_FIRST = timedelta(seconds=1)
OUTAGE_LONGEST = timedelta(minutes=2)
GIVE_UP = timedelta(days=5)
SPREAD = 0.2

Post = Callable[[OutboxRow, Callable[[], bool]], Outcome]
"""Posts one Slack row: calls the gate just before it asks Slack to post, leaves the row if that says False."""


@dataclass(frozen=True, slots=True)
class Terms:
    """How letters are sent: by which server; `owner` names this deliverer, and no other.

    `copy_address` gets a copy of each, for evidence. `lease` is how long a claimed batch may wait for its turn;
    `letters_a_minute` holds for this deliverer. `post` None: there is no Slack, and its rows are closed as sent.
    `channels` are those it serves: a Slack that does not answer must not keep letters waiting.
    """

    server: Server
    owner: str
    copy_address: str | None = None
    batch: int = 30
    letters_a_minute: int = 120
    lease: timedelta = timedelta(minutes=5)
    post: Post | None = None
    channels: tuple[str, ...] = ("mail", "slack")


@dataclass(frozen=True, slots=True)
class Watch:
    """Where it is told how delivery goes."""

    health: Health
    metrics: Metrics


def after(attempts: int, age: timedelta, outcome: Refused | Deferred, jitter: float) -> timedelta | None:
    """How long to wait before a letter is tried again; None: give up.

    `attempts` counts from 1; `age` is how long ago the letter might first have left; `jitter` is from 0 up to 1 and
    lengthens the wait by up to a fifth. Our own mail server being away is tried often, since a try costs nothing there.
    Source: RFC 5321 §4.5.4.1 (give up after 4 to 5 days; two tries in the first hour, then every two or three).
    """
    match outcome:
        case Refused():
            return None
        case Deferred(code=code):
            if age >= GIVE_UP:
                return None
            wait = _outage(attempts) if code is None else DEFERRED[min(attempts, len(DEFERRED)) - 1]
            return wait * (1 + SPREAD * jitter)


def _outage(failures: int) -> timedelta:
    """How long to leave the mail server alone after so many failures in a row, counted from 1."""
    return min(OUTAGE_FIRST * (1 << min(failures - 1, 16)), OUTAGE_LONGEST)


class Delivery:
    """One deliverer: claims rows that are due, sends them, records what became of each. Several may share one store.

    `office` gives the store, the business clock (`not_before`, `late_after`, a mail's Date) and the door for events.
    `machine` gives the machine's time (UTC), for rate and back-off; `jitter` a number from 0 up to 1. One thread at a
    time runs `step`. That a letter is late, dead or unknown, the case is told by the office's own tick.
    """

    def __init__(
        self,
        office: Office,
        terms: Terms,
        watch: Watch,
        machine: Callable[[], datetime],
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._office, self._store, self._terms = office, office.store, terms
        self._machine, self._jitter = machine, jitter
        self._health, self._metrics, self._log = watch.health, watch.metrics, log("delivery")
        self._stopping = Flag()
        self._unrecorded: deque[tuple[OutboxRow, Outcome]] = deque()
        self._lately: deque[datetime] = deque()
        self._failures = 0
        self._closed_until: datetime | None = None

    def step(self) -> int:
        """Does what is due now; returns how many rows it dealt with: zero means that there is nothing to do yet.

        Raises what the store raises; outcomes it could not record are kept and recorded by the next step.
        """
        self._record_all()
        with self._store.begin() as tx:
            tx.outbox.expire()
        count = 0
        if MAIL in self._terms.channels:
            self._ask_for_poll()
            count += self._send_mail()
        if SLACK in self._terms.channels:
            count += self._post_to_slack()
        return count

    def stop(self) -> None:
        """From any thread: begin no other letter. The running step returns once those in flight have their answers."""
        self._stopping.set()

    def leave(self) -> None:
        """After the last step: give back what was claimed and not begun."""
        with self._store.begin() as tx:
            tx.outbox.give_back(self._terms.owner)

    def settle(self, row_id: int, left: bool, evidence: str, by: str = "delivery") -> bool:
        """Says, by a person or by evidence, what became of an unknown row. False: it was not unknown."""
        with self._store.read() as tx:
            row = tx.outbox.get(row_id)
        if row is None or row.state is not OutState.UNKNOWN:
            return False
        posting = row.posting
        if posting.number is not None and posting.role is not None:
            fact = LetterSettled(posting.number, posting.role, left, evidence)
            [told] = self._office.advance([Happening(posting.case, f"settled:{row.id}", by, fact)])
            settled = told.result is Result.APPLIED
        else:
            with self._store.begin() as tx:
                settled = tx.outbox.settle(row_id, left, evidence, self._office.now())
        if settled:
            self._log.info("letter settled", outbox=row.id, message_id=posting.message_id, left=left)
        return settled

    def seen(self, message_ids: Sequence[str], evidence: str) -> int:
        """Our own Message-IDs were seen where only sent mail is: the Sent folder, the copy mailbox, a delivery report.

        Settles those that were unknown; returns how many.
        """
        with self._store.read() as tx:
            rows = tx.outbox.by_message_id(message_ids)
        return sum(self.settle(row.id, True, evidence) for row in rows if row.state is OutState.UNKNOWN)

    def observe(self) -> None:
        """Counts the outbox for the metrics; reads the whole table, so once a minute is enough."""
        with self._store.read() as tx:
            counts = tx.outbox.counts()
        states = {state: sum(n for (_, each), n in counts.items() if each is state) for state in OutState}
        self._metrics.outbox({state.value: n for state, n in states.items()})

    # --- before anything leaves --------------------------------------------------------------------------------------

    def _ask_for_poll(self) -> None:
        """A reminder leaves only once the mailbox was looked into after its moment: the answer may be there."""
        now = self._office.now()
        with self._store.read() as tx:
            needed = tx.outbox.poll_needed(now) and not tx.beats.cursor().wanted
        if needed:
            with self._store.begin() as tx:
                tx.beats.want_poll(now)

    # --- mail --------------------------------------------------------------------------------------------------------

    def _send_mail(self) -> int:
        limit = self._allowance()
        if limit == 0:
            return 0
        with self._store.begin() as tx:
            rows = tx.outbox.claim(self._terms.owner, self._office.now(), self._terms.lease, limit, MAIL)
        if not rows:
            self._look_at_server()
        batch = dict(self._composed(rows))
        claimed = {row.id: row for row in rows}
        deliver_batch(
            self._terms.server,
            tuple(batch.values()),
            lambda envelope: self._begin(claimed[envelope.id], envelope.content),
            lambda envelope, outcome: self._record(claimed[envelope.id], outcome),
        )
        return len(rows)

    def _look_at_server(self) -> None:
        """With nothing to send: whether the server is there. Asked at the start, and after trouble until it is back."""
        if self._failures or "smtp" not in self._health.report():
            trouble = probe(self._terms.server)
            if trouble is None:
                self._server_answers()
            else:
                self._server_fails(trouble)

    def _allowance(self) -> int:
        """How many letters may be claimed now: none while the server is left alone, one to see whether it is back."""
        now = self._machine()
        if self._stopping.is_set() or (self._closed_until is not None and now < self._closed_until):
            return 0
        while self._lately and self._lately[0] <= now - timedelta(minutes=1):
            self._lately.popleft()
        most = 1 if self._failures else self._terms.batch
        return max(min(most, self._terms.letters_a_minute - len(self._lately)), 0)

    def _composed(self, rows: Sequence[OutboxRow]) -> Iterator[tuple[int, Envelope]]:
        """The envelopes of the claimed rows; a row that cannot be written as a mail is dead at once."""
        sender, copy = self._office.identity.address, self._terms.copy_address
        for row in rows:
            try:
                to = (row.posting.recipient, *((copy,) if copy else ()))
                yield row.id, Envelope(row.id, sender, tuple(map(addr_spec, to)), self._wire(row))
            except Uncomposable as error:
                self._record(row, Refused(None, str(error)))

    def _wire(self, row: OutboxRow) -> bytes:
        """The bytes of the first intent, or new ones dated now."""
        if row.wire is not None:
            return row.wire
        return compose(Outgoing.read(row.posting.body, self._office.now()))

    def _begin(self, row: OutboxRow, wire: bytes | None) -> bool:
        """The gate: commits the intent. False: cancelled, given to another, late by now, or we are stopping."""
        late = row.posting.late_after is not None and row.posting.late_after < self._office.now()
        if late or self._stopping.is_set():
            return False
        with self._store.begin() as tx:
            return tx.outbox.intent(_attempt(row), wire)

    # --- Slack -------------------------------------------------------------------------------------------------------

    def _post_to_slack(self) -> int:
        if self._stopping.is_set():
            return 0
        with self._store.begin() as tx:
            rows = tx.outbox.claim(self._terms.owner, self._office.now(), self._terms.lease, self._terms.batch, SLACK)
        for row in rows:
            if self._terms.post is not None:
                self._record(row, self._terms.post(row, partial(self._begin, row, None)))
            elif self._begin(row, None):
                self._record(row, Accepted(NO_SLACK))
        return len(rows)

    # --- what became of it -------------------------------------------------------------------------------------------

    def _record(self, row: OutboxRow, outcome: Outcome) -> None:
        """Kept until the store has it: a letter that left must not become unknown because a commit failed once."""
        self._unrecorded.append((row, outcome))
        self._record_all()

    def _record_all(self) -> None:
        while self._unrecorded:
            row, outcome = self._unrecorded[0]
            with self._store.begin() as tx:
                stands = tx.outbox.get(row.id)
                given_up = stands is not None and stands.state is OutState.UNKNOWN
                if not given_up:
                    self._store_outcome(tx, row, outcome)
            if given_up:
                self._settle_after_all(row, outcome)
            self._unrecorded.popleft()
            self._note(row, outcome)

    def _settle_after_all(self, row: OutboxRow, outcome: Outcome) -> None:
        """The answer came after the intent had run out, and the row had become unknown."""
        match outcome:
            case Accepted(response=response):
                self.settle(row.id, True, response)
            case Refused(text=text) | Deferred(text=text):
                self.settle(row.id, False, text)
            case Unknown() | Fenced():
                pass

    def _store_outcome(self, tx: Tx, row: OutboxRow, outcome: Outcome) -> None:
        attempt, now = _attempt(row), self._office.now()
        match outcome:
            case Accepted(response=response, copies_refused=refused):
                tx.outbox.sent(attempt, now, "; ".join((response, *refused)))
            case Unknown(reason=reason):
                tx.outbox.unknown(attempt, reason)
            case Fenced():
                tx.outbox.retry(attempt, timedelta(), row.posting.reason)
            case Refused() | Deferred():
                said = outcome.text if outcome.code is None else f"{outcome.code} {outcome.text}"
                wait = after(row.attempt, now - row.posting.not_before, outcome, self._jitter())
                if wait is None:
                    tx.outbox.dead(attempt, said)
                else:
                    tx.outbox.retry(attempt, wait, said)

    def _note(self, row: OutboxRow, outcome: Outcome) -> None:
        """Log, metrics, health, and how long the server is left alone."""
        name = type(outcome).__name__.lower()
        said = self._log.bind(
            outbox=row.id, case=row.posting.case, message_id=row.posting.message_id, attempt=row.attempt
        )
        if row.posting.channel != MAIL:
            said.info("post", outcome=name)
            return
        self._metrics.letter(name)
        match outcome:
            case Accepted(response=response):
                said.info("letter sent", response=response)
                self._lately.append(self._machine())
                self._server_answers()
            case Refused(code=None, text=text):
                said.error("letter unfit", reason=text)
            case Refused(code=code, text=text):
                said.warning("letter refused", code=code, reason=text)
                self._server_answers()
            case Deferred(code=None, text=text):
                said.warning("letter deferred", reason=text)
                self._server_fails(text)
            case Deferred(code=code, text=text):
                said.warning("letter deferred", code=code, reason=text)
                self._server_answers()
            case Unknown(reason=reason):
                said.error("letter unknown", reason=reason)
                self._lately.append(self._machine())
                self._server_fails(reason)
            case Fenced():
                said.info("letter fenced out")

    def _server_answers(self) -> None:
        self._failures, self._closed_until = 0, None
        self._health.ok("smtp")

    def _server_fails(self, reason: str) -> None:
        """Once for each moment it fails, however many letters of a batch say so."""
        now = self._machine()
        if self._closed_until is None or self._closed_until <= now:
            self._failures += 1
            self._closed_until = now + _outage(self._failures)
        self._health.failing("smtp", reason)


def _attempt(row: OutboxRow) -> Attempt:
    return Attempt(row.id, row.owner or "", row.attempt)
