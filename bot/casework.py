"""The only writer of cases: takes what happened, lets `decide` say what follows, and stores all of it at once.

One transaction each: claim the event, lock and load the case, decide, save, and put the effects into the outbox.
Nothing here talks to anybody; delivery carries the effects out later.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, time, timedelta
from enum import StrEnum

from bot.flows import tokens
from bot.flows.calendar import Calendar
from bot.flows.case import Case, Closing, Contact, Party, Role, What
from bot.flows.decide import decide
from bot.flows.effects import Because, Cancel, Card, Decision, Effect, Letter, Note, Sending
from bot.flows.events import (
    CaseOpened,
    ClockDue,
    ContactSet,
    Dismissed,
    Event,
    Fact,
    Free,
    LetterBounced,
    LetterFailed,
    LetterLate,
    LetterSettled,
    Linked,
    MailDismissed,
    MailFacts,
    MailSuggested,
    MailTaken,
    MergeUndone,
    PartyAway,
    PartyWrote,
    SenderConfirmed,
    Sorted,
    TimeLost,
    Undone,
    Unlinked,
)
from bot.flows.letters import Wording, render
from bot.flows.policy import Policy
from bot.settings import Mode, ReplyAddress
from bot.storage.cases import DueClock
from bot.storage.events import Recorded, Versions
from bot.storage.inbox import MAIL, SLACK
from bot.storage.mails import Filing, MailState
from bot.storage.outbox import OutboxRow, OutState, Posting, Written
from bot.storage.store import Store, Tx

BEAT = "tick"
"""The beat whose gaps are downtime."""

BATCH = 50
"""How many events go into one transaction of a tick: on SQLite everybody else waits meanwhile."""

THREAD = "thread"
"""The recipient of a case's notes and cards: they keep their order among themselves."""

CARD = "card"
NOTE = "note"
REFERENCES_MAX = 20
CROWDED_DAYS_MAX = 30
"""The daily limit of letters delays a letter no further than this."""

_LOST = "lost:"
SHADOW = "shadow"
"""Why a letter is held that was written in shadow mode."""
_CANCELLABLE = (OutState.READY, OutState.CLAIMED, OutState.HELD)


class UnknownCase(LookupError):
    """There is no case of that number."""


class Erased(LookupError):
    """The words of a case's record were erased, so it cannot be played again."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Who we are in mail, and how we work: the first secret signs, all verify.

    `domain` is that of our Message-IDs. In shadow mode letters are written and held, so no clock they announce runs.
    `slack` says whether notes and cards are wanted.
    """

    address: str
    domain: str
    secrets: tuple[str, ...] = field(repr=False)
    name: str = ""
    reply: ReplyAddress = ReplyAddress.PLUS
    mode: Mode = Mode.LIVE
    slack: bool = False


@dataclass(frozen=True, slots=True)
class Happening:
    """A fact on its way to a case; `case` None opens a new one. `at` is when it counts, None for now.

    `id` names the event for ever: a second happening with the same id changes nothing.
    """

    case: int | None
    id: str
    by: str
    fact: Fact
    at: datetime | None = None


class Result(StrEnum):
    """What became of a happening. KNOWN: it was applied before. MOOT: overtaken, nothing to record."""

    APPLIED = "applied"
    KNOWN = "known"
    MOOT = "moot"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Advanced:
    """A happening's case as it is now, and why. `refused` says what would be right; nothing is stored then."""

    id: str
    case: Case
    result: Result
    because: Because = field(default_factory=lambda: Because(""))
    refused: str = ""


class Office:
    """Takes what happened and what came due. `now` gives the business clock, UTC-aware; it may be moved."""

    def __init__(
        self, store: Store, policy: Policy, wording: Wording, identity: Identity, now: Callable[[], datetime]
    ) -> None:
        self.store = store
        self.policy = policy
        self.wording = wording
        self.identity = identity
        self.now = now
        self._versions_kept = False

    # --- What happened ----------------------------------------------------------------------------------------------

    def advance(self, happenings: Sequence[Happening], filing: Filing | None = None) -> tuple[Advanced, ...]:
        """Apply what happened, in this order and in one transaction; results in the same order.

        `filing` is the mail it was read from: filed at each case, or at none, and done in the inbox, in the same
        transaction. Of a mail that is done already only what is new is applied: a person made a case of it after all.
        Cases opened by the same mail are linked.
        Raises `UnknownCase`; nothing is stored then.
        """
        with self.store.begin() as tx:
            self._keep_versions(tx)
            first = filing is None or tx.inbox.done(filing.inbox_id)
            results = self._apply(tx, happenings)
            if filing is not None and first:
                _file(tx, filing, happenings, results, self.now())
            elif filing is not None:
                _attach(tx, filing, happenings, results)
        self._versions_kept = True
        return results

    def history(self, case: int) -> tuple[Recorded, ...]:
        """All that happened in a case, in order."""
        with self.store.read() as tx:
            return tx.events.history(case)

    def replay(self, case: int) -> Case:
        """The case as its record alone makes it, under the policy now in force, each event decided at its own time.

        Raises `UnknownCase`, or `Erased` where words are missing.
        """
        history = self.history(case)
        if not history:
            raise UnknownCase(f"there is no case D-{case}")
        made = Case(case)
        for recorded in history:
            if recorded.event is None:
                raise Erased(f"the words of event {recorded.seq} of D-{case} were erased")
            made = decide(made, recorded.event, recorded.at, self.policy).case
        return made

    # --- What came due ----------------------------------------------------------------------------------------------

    def tick(self) -> int:
        """Apply all that came due by now; returns how many events that were.

        Time that was lost is given back first. What fails is left out, so that it holds up nothing else, and raised at
        the end, as an `ExceptionGroup`.
        """
        now, failures = self.now(), list[Exception]()
        lost = self._beat(now)
        applied = sum(
            self._advance_each(batch, failures)
            for found in (self._time_lost(lost), self._shadows(), self._letters_stuck(now), self._due(now))
            for batch in _batches(found)
        )
        if failures:
            raise ExceptionGroup(f"{len(failures)} events could not be applied", failures)
        if lost:
            with self.store.begin() as tx:
                tx.beats.forget(*lost)
        return applied

    def _beat(self, now: datetime) -> dict[str, datetime]:
        """Note the beat, and after a gap what was lost, so that it is given back even after another crash.

        Returns the downtimes that are to be given back: a name, and when each was over.
        """
        with self.store.begin() as tx:
            before = tx.beats.beat(BEAT, now)
            if before is not None and now - before > self.policy.limits.downtime.elapsed:
                tx.beats.beat(f"{_LOST}{before.isoformat()}", now)
            return {name: until for name, until in tx.beats.all().items() if name.startswith(_LOST)}

    def _time_lost(self, lost: dict[str, datetime]) -> Iterator[Happening]:
        for name, until in lost.items():
            since = datetime.fromisoformat(name.removeprefix(_LOST))
            with self.store.read() as tx:
                numbers = tx.cases.with_party_clocks()
            for number in numbers:
                yield Happening(number, f"{name}:{number}", "clock", TimeLost(since, until))

    def _shadows(self) -> Iterator[Happening]:
        """Gone live: what was only written in shadow mode is decided afresh, with dates that count from now."""
        if self.identity.mode is Mode.SHADOW:
            return
        with self.store.read() as tx:
            held = tx.outbox.held_for(SHADOW)
        for row, number, role in _letters(held):
            fact = LetterLate(number, row.posting.name, role, shadow=True)
            yield Happening(row.posting.case, f"late:{row.id}", "delivery", fact)

    def _letters_stuck(self, now: datetime) -> Iterator[Happening]:
        """Letters that are too late, and letters that are dead or unknown and whose case does not know it yet."""
        with self.store.read() as tx:
            late, failed = tx.outbox.late(now), tx.outbox.untold()
        for row, number, role in _letters(late):
            yield Happening(row.posting.case, f"late:{row.id}", "delivery", LetterLate(number, row.posting.name, role))
        for row, number, role in _letters(failed):
            fact = LetterFailed(number, row.posting.name, role, row.state, row.posting.reason)
            yield Happening(row.posting.case, f"failed:{row.id}:{row.state}", "delivery", fact)

    def _due(self, now: datetime) -> Iterator[Happening]:
        """The due clocks, earliest first. A party's end waits for a poll no earlier than it, and for its mail."""
        with self.store.read() as tx:
            polled_at = tx.beats.cursor().polled_at
            unread = polled_at is None or tx.inbox.unread(MAIL, polled_at)
            batch = tx.cases.due(now, BATCH)
        poll_wanted = False
        while batch:
            for clock in batch:
                if clock.what is What.LAPSE and (unread or polled_at is None or polled_at < clock.due_at):
                    poll_wanted = poll_wanted or polled_at is None or polled_at < clock.due_at
                    continue
                yield _clock_due(clock)
            if len(batch) < BATCH:
                break
            with self.store.read() as tx:
                batch = tx.cases.due(now, BATCH, batch[-1])
        if poll_wanted:
            with self.store.begin() as tx:
                tx.beats.want_poll(now)

    def _advance_each(self, happenings: Sequence[Happening], failures: list[Exception]) -> int:
        """Apply a batch; where that fails, one by one, so that only what is broken stays behind."""
        try:
            return _count(self.advance(happenings))
        except Exception as error:  # noqa: BLE001 - what breaks one case must not stop the others.
            if len(happenings) == 1:
                failures.append(error)
                return 0
        return sum(self._advance_each((each,), failures) for each in happenings)

    # --- One transaction --------------------------------------------------------------------------------------------

    def _keep_versions(self, tx: Tx) -> None:
        if not self._versions_kept:
            tx.knowledge.remember_version("policy", self.policy.hash, self.policy.canonical())
            tx.knowledge.remember_version("wording", self.wording.hash, self.wording.canonical())

    def _apply(self, tx: Tx, happenings: Sequence[Happening]) -> tuple[Advanced, ...]:
        """Locks in one order everywhere: ids of cases to be opened, cases by number, addresses."""
        tx.cases.guard([each.id for each in happenings if each.case is None])
        cases = tx.cases.lock([each.case for each in happenings if each.case is not None])
        claimed = tx.events.claimed([each.id for each in happenings])
        cases |= tx.cases.many([number for number in claimed.values() if number not in cases])
        happenings = _numbered(happenings, claimed, tx)
        tx.cases.guard(sorted({address for each in happenings for address in _addresses(each, cases)}))
        now, results = self.now(), []  # After the locks: no case sees time run backwards.
        for each in happenings:
            number = each.case or 0
            if each.case not in cases and not isinstance(each.fact, CaseOpened):
                raise UnknownCase(f"there is no case D-{each.case}")
            if each.id in claimed:
                results.append(_as_before(tx, each.id, cases[claimed[each.id]]))
                continue
            result = self._take(tx, each, cases.get(number), now)
            claimed |= {each.id: number} if result.result is Result.APPLIED else {}
            cases[number] = result.case
            results.append(result)
        return tuple(results)

    def _take(self, tx: Tx, happening: Happening, before: Case | None, now: datetime) -> Advanced:
        case, fact = before or Case(happening.case or 0), happening.fact
        verdict = _checked(tx, case, fact, now)
        if verdict is not None:
            return Advanced(happening.id, case, verdict[0], refused=verdict[1])
        free, braked = self._free(tx, case, fact, now)
        event = Event(happening.id, happening.at or now, happening.by, fact, free, braked)
        decision = decide(case, event, now, self.policy)
        if decision.refused:
            return Advanced(event.id, case, Result.REFUSED, refused=decision.refused)
        self._store(tx, before, event, decision, now)
        return Advanced(event.id, decision.case, Result.APPLIED, decision.because)

    def _store(self, tx: Tx, before: Case | None, event: Event, decision: Decision, now: datetime) -> None:
        case = decision.case
        tx.cases.save(case, before, now)
        versions = Versions(self.policy.hash, self.wording.hash)
        tx.events.append(case.number, event, decision.because, now, versions)
        # The card first: a thread hangs on it.
        effects = joined(decision.effects)
        for index, effect in sorted(enumerate(effects), key=lambda each: not isinstance(each[1], Card)):
            self._carry(tx, case, effect, f"{event.id}:{index}", now)
        tx.cases.save_clocks(case, before)
        _settle_around(tx, case.number, event.fact)

    # --- Effects ----------------------------------------------------------------------------------------------------

    def _carry(self, tx: Tx, case: Case, effect: Effect, key: str, now: datetime) -> None:
        match effect:
            case Letter():
                tx.outbox.enqueue(self._posting(tx, case, effect), now)
            case Cancel(letters, why, to):
                tx.outbox.cancel(case.number, letters, why)
                if to is not None:
                    tx.outbox.overtake(case.number, to, now)
            case Note(text, because, quote, mention):
                if self.identity.slack:
                    body = {"text": text, "quote": quote, "mention": mention}
                    note = Posting(f"{NOTE}:{key}", SLACK, THREAD, NOTE, body, now, case.number, because=because)
                    tx.outbox.enqueue(note, now)
            case Card():
                if self.identity.slack and not tx.outbox.touch(case.number, SLACK, CARD):
                    card = Posting(f"{CARD}:{key}", SLACK, THREAD, CARD, {}, now, case.number)
                    tx.outbox.enqueue(card, now)

    def _posting(self, tx: Tx, case: Case, letter: Letter) -> Posting:
        """The letter as it will leave: rendered, addressed, and in its party's own thread."""
        party = case.party(letter.role)
        zone = party.zone or self.policy.week.zone
        rendered = render(letter, case.label, party, zone, self.wording)
        secret = self.identity.secrets[0]
        message_id = tokens.message_id(secret, case.number, letter.number, self.identity.domain)
        in_reply_to, references = _thread(party, tx.outbox.thread(case.number, letter.role), letter.sending)
        state, reason = self._leaves(party)
        body = {
            "name": letter.name,
            "subject": rendered.subject,
            "text": rendered.text,
            "html": rendered.html,
            "to": party.address or "",
            "to_name": party.name if party.named_by != "directory" or letter.facts.get("listed") is True else "",
            "from": self.identity.address,
            "from_name": self.identity.name,
            "reply_to": self._reply_to(case.number, letter.role),
            "message_id": message_id,
            "in_reply_to": in_reply_to,
            "references": references,
            "auto_submitted": _AUTO_SUBMITTED[letter.sending],
        }
        return Posting(
            key=f"{MAIL}:{case.number}:{letter.number}",
            channel=MAIL,
            recipient=party.address or "",
            name=letter.name,
            body=body,
            not_before=letter.not_before,
            case=case.number,
            role=letter.role,
            number=letter.number,
            sending=letter.sending,
            message_id=message_id,
            because=letter.because,
            late_after=letter.late_after,
            after_poll=letter.after_poll,
            state=state,
            reason=reason,
        )

    def _leaves(self, party: Party) -> tuple[OutState, str]:
        if self.identity.mode is Mode.SHADOW:
            return OutState.HELD, SHADOW
        if party.address is None:
            return OutState.HELD, f"no usable address of the {party.role} is known"
        return OutState.READY, ""

    def _reply_to(self, case: int, role: Role) -> str:
        if self.identity.reply is ReplyAddress.OFF:
            return self.identity.address
        return tokens.reply_address(self.identity.address, tokens.token(self.identity.secrets[0], case, role))

    # --- The first free moment --------------------------------------------------------------------------------------

    def _free(self, tx: Tx, case: Case, fact: Fact, now: datetime) -> tuple[Free, tuple[Role, ...]]:
        """Each party's first free moment for an unasked letter, and the parties that have had their answers of the day.

        Source: policy `[limits] letters_a_day` (of other cases only) and `answers_a_day`, counted by the party's day.
        """
        parties = {role: _reach(case, fact, role) for role in Role}
        known = [party.address for party in parties.values() if party.address]
        written = tx.outbox.written(known, now - timedelta(days=2))
        free, braked = {}, []
        for role, party in parties.items():
            calendar = self.policy.calendar(party.zone)
            mine = [each for each in written if each.address == party.address]
            crowding = [each for each in mine if each.sending is Sending.UNASKED and each.case != case.number]
            free[role] = _first_free(calendar, now, crowding, self.policy.limits.letters_a_day)
            answers = [each for each in mine if each.sending is Sending.ANSWER]
            if sum(calendar.day(each.at) == calendar.day(now) for each in answers) >= self.policy.limits.answers_a_day:
                braked.append(role)
        return Free(free[Role.WORKER], free[Role.CLIENT]), tuple(braked)


_AUTO_SUBMITTED = {Sending.ANSWER: "auto-replied", Sending.UNASKED: "auto-generated", Sending.PERSON: ""}


def _first_free(calendar: Calendar, now: datetime, crowding: Sequence[Written], limit: int) -> datetime:
    """The first working moment of a day on which fewer than `limit` letters of other cases leave."""
    moment = calendar.next_working(now)
    for _ in range(CROWDED_DAYS_MAX):
        day = calendar.day(moment)
        if sum(calendar.day(each.at) == day for each in crowding) < limit:
            break
        midnight = datetime.combine(day + timedelta(days=1), time(), calendar.local(moment).tzinfo)
        moment = calendar.next_working(midnight.astimezone(UTC))
    return moment


def _reach(case: Case, fact: Fact, role: Role) -> Party:
    """The party as the event may leave it: with the address and zone that the fact brings, where the case has none."""
    party, mail = case.party(role), _mail_of(fact)
    if isinstance(fact, ContactSet) and fact.role is role:
        return replace(party, contacts=(Contact(fact.address.strip().lower(), "staff"),))
    if mail is None:
        return party
    listing = next(iter(mail.listings), None)
    if listing is not None:
        zone = listing.worker_zone if role is Role.WORKER else listing.client_zone
        listed = listing.worker_email if role is Role.WORKER else listing.client_email
        party = replace(party, zone=party.zone or zone)
        if party.address is None:
            party = replace(party, contacts=(Contact(listed, "directory"),))
    writer = Role.WORKER if isinstance(fact, CaseOpened) and fact.opener is None else _writer(fact)
    if writer is role and not isinstance(fact, MailSuggested):
        party = replace(party, contacts=(Contact(mail.sender, "mail"),))
    return party


def _mail_of(fact: Fact) -> MailFacts | None:
    if isinstance(fact, CaseOpened | PartyWrote | MailSuggested | SenderConfirmed | Sorted):
        return fact.mail
    return None


def _writer(fact: Fact) -> Role | None:
    """The party whose mail, machine or address the fact is about."""
    if isinstance(fact, PartyWrote | MailSuggested | SenderConfirmed | PartyAway | LetterBounced):
        return fact.role
    return fact.opener if isinstance(fact, CaseOpened | Sorted) else None


def _addresses(happening: Happening, cases: dict[int, Case]) -> Iterator[str]:
    case = cases.get(happening.case or 0, Case(0))
    for role in Role:
        if address := _reach(case, happening.fact, role).address:
            yield address


def _thread(party: Party, own: tuple[str, ...], sending: Sending) -> tuple[str, tuple[str, ...]]:
    """In-Reply-To and References: the party's own thread and our letters to that party, the latest last.

    Source: RFC 5322 §3.6.4. Of a long thread the first and the latest are kept.
    """
    theirs = party.last_message_id
    latest = theirs if theirs and (sending is Sending.ANSWER or not own) else own[-1] if own else ""
    thread = (*party.references, *((theirs,) if theirs else ()), *own)
    references = (*(each for each in dict.fromkeys(thread) if each != latest), *((latest,) if latest else ()))
    if len(references) > REFERENCES_MAX:
        references = (references[0], *references[1 - REFERENCES_MAX :])
    return latest, references


def _numbered(happenings: Sequence[Happening], claimed: dict[str, int], tx: Tx) -> tuple[Happening, ...]:
    """The happenings with numbers for the cases they open; two cases opened by one mail name each other."""
    opening = [each for each in happenings if each.case is None and each.id not in claimed]
    for each in opening:
        if not isinstance(each.fact, CaseOpened):
            raise UnknownCase(f"{each.id}: only a mail opens a case, not {type(each.fact).__name__}")
    ids = list(dict.fromkeys(each.id for each in opening))
    numbers = dict(zip(ids, tx.cases.new_numbers(len(ids)), strict=True))
    numbered = [replace(each, case=numbers.get(each.id, claimed.get(each.id, each.case))) for each in happenings]
    return tuple(_linked(each, numbered) if each.id in numbers else each for each in numbered)


def _linked(happening: Happening, others: Iterable[Happening]) -> Happening:
    fact = happening.fact
    if not isinstance(fact, CaseOpened) or fact.linked_to is not None:
        return happening
    for other in others:
        twin = isinstance(other.fact, CaseOpened) and other.fact.mail.mail_id == fact.mail.mail_id
        if twin and other.id != happening.id:
            return replace(happening, fact=replace(fact, linked_to=other.case))
    return happening


def _checked(tx: Tx, case: Case, fact: Fact, now: datetime) -> tuple[Result, str] | None:
    """Whether the fact still stands against what the outbox and the clocks say; None: it does.

    A late or settled letter changes its row here, before it is decided: the two must not come apart.
    """
    if isinstance(fact, ClockDue):
        clocks = [(c.who, c.what, c.topic, c.due_at) for c in case.clocks if not c.held_by]
        return None if (fact.who, fact.what, fact.topic, fact.due_at) in clocks else (Result.MOOT, "")
    if isinstance(fact, TimeLost):
        began_later = case.opened_at is None or case.opened_at >= fact.until
        return (Result.MOOT, "") if began_later else None
    if isinstance(fact, LetterLate):
        cancelled = tx.outbox.cancel(case.number, (fact.letter,), "it could not leave in time")
        return None if cancelled else (Result.MOOT, "")
    if isinstance(fact, LetterSettled):
        row = tx.outbox.letter(case.number, fact.letter)
        if row is None or not tx.outbox.settle(row.id, fact.left, fact.evidence, now):
            state = row.state if row else "not there"
            return Result.REFUSED, f"Letter {fact.letter} is {state}; only an unknown letter can be settled."
    if isinstance(fact, Undone):
        return _undoable(tx, case, fact)
    refused = _elsewhere(tx, case, fact)
    return (Result.REFUSED, refused) if refused else None


def _elsewhere(tx: Tx, case: Case, fact: Fact) -> str:
    """Why the other case that a person named cannot be meant; empty: it can.

    Nothing goes to a case that was itself put to another one, so that no chain of merges ever comes back.
    """
    match fact:
        case Dismissed(into=int(number)) | MailTaken(into=number) | Linked(other=number):
            other = tx.cases.get(number)
            if other is None or number == case.number:
                return f"Name another case that is there; D-{number} is {'this one' if other else 'not there'}."
            if other.closed is Closing.DUPLICATE and not isinstance(fact, Linked):
                survivor = tx.events.merged_into(number)
                return f"D-{number} was itself put to D-{survivor}: name that one."
        case Unlinked(other=number) if all(number != linked for linked, _ in tx.cases.links(case.number)):
            return f"{case.label} is not linked to D-{number}."
        case _:
            pass
    return ""


def _undoable(tx: Tx, case: Case, fact: Undone) -> tuple[Result, str] | None:
    """An undo comes too late once a letter has passed its intent."""
    outcome = case.outcome.letters if case.outcome else ()
    letters = outcome if fact.letter is None or fact.letter in outcome else (fact.letter,)
    for number in letters:
        row = tx.outbox.letter(case.number, number)
        if row is None or row.state not in _CANCELLABLE:
            return Result.REFUSED, f"Letter {number} has already left, or is about to; it cannot be taken back."
    return None


def joined(effects: Sequence[Effect]) -> tuple[Effect, ...]:
    """The effects with the notes of one decision as one post: Slack takes about one a second and channel.

    A note that calls somebody, or quotes after another did, stays a post of its own.
    """
    made: list[Effect] = []
    at: int | None = None
    for effect in effects:
        first = None if at is None else made[at]
        if isinstance(effect, Note) and not effect.mention:
            if isinstance(first, Note) and at is not None and not (first.quote and effect.quote):
                text, quote = f"{first.text}\n{effect.text}", first.quote or effect.quote
                made[at] = replace(first, text=text, quote=quote)
                continue
            at = len(made)
        made.append(effect)
    return tuple(made)


def _settle_around(tx: Tx, case: int, fact: Fact) -> None:
    """What belongs to the fact outside the case: links, the filing of its mail, the failed letter's row."""
    if isinstance(fact, CaseOpened) and fact.linked_to is not None:
        _link(tx, case, fact.linked_to, "the same mail, or the same people")
    elif isinstance(fact, Dismissed):
        tx.mails.refile_all(case, MailState.SORTING, MailState.NOT_DISPUTE if fact.into is None else MailState.FILED)
        if fact.into is not None:
            _link(tx, case, fact.into, "the same dispute")
    elif isinstance(fact, Sorted):
        tx.mails.refile_all(case, MailState.SORTING, MailState.FILED, fact.opener)
    elif isinstance(fact, SenderConfirmed):
        tx.mails.refile(fact.mail.mail_id, case, MailState.FILED, fact.role)
        tx.mails.also_at(fact.mail.mail_id, case, fact.role, MailState.FILED)
    elif isinstance(fact, MailSuggested):
        tx.mails.also_at(fact.mail.mail_id, case, fact.role, MailState.UNCONFIRMED)
    elif isinstance(fact, MailTaken):
        tx.mails.refile(fact.mail_id, case, MailState.IGNORED)
    elif isinstance(fact, Linked):
        _link(tx, case, fact.other, fact.why or "linked by a person")
    elif isinstance(fact, Unlinked | MergeUndone):
        tx.cases.unlink(case, fact.other)
    elif isinstance(fact, MailDismissed):
        tx.mails.refile(fact.mail_id, case, MailState.IGNORED)
    elif isinstance(fact, LetterFailed):
        row = tx.outbox.letter(case, fact.letter)
        if row is not None:
            tx.outbox.mark_told(row.id)


def _link(tx: Tx, case: int, other: int, why: str) -> None:
    if other != case and tx.cases.exists(other):
        tx.cases.link(case, other, why)


def _file(tx: Tx, filing: Filing, happenings: Sequence[Happening], results: Sequence[Advanced], now: datetime) -> None:
    """File the mail at each case it went to, or at none."""
    for happening, result in zip(happenings, results, strict=True):
        if result.result is not Result.REFUSED:
            tx.mails.add(filing, result.case.number, _writer(happening.fact), now)
    if not any(result.result is not Result.REFUSED for result in results):
        tx.mails.add(filing, None, None, now)


def _attach(tx: Tx, filing: Filing, happenings: Sequence[Happening], results: Sequence[Advanced]) -> None:
    """Bind a mail that lay at no case to the first one opened from it."""
    for happening, result in zip(happenings, results, strict=True):
        if result.result is Result.APPLIED:
            tx.mails.attach(filing.inbox_id, result.case.number, _writer(happening.fact), filing.state)


def _as_before(tx: Tx, event_id: str, case: Case) -> Advanced:
    recorded = tx.events.get(event_id)
    because = recorded.because if recorded is not None else None
    return Advanced(event_id, case, Result.KNOWN, because or Because(""))


def _letters(rows: Iterable[OutboxRow]) -> Iterator[tuple[OutboxRow, int, Role]]:
    """The rows that are letters of a case, with number and party."""
    for row in rows:
        if row.posting.number is not None and row.posting.role is not None:
            yield row, row.posting.number, row.posting.role


def _clock_due(clock: DueClock) -> Happening:
    name = f"clock:{clock.case}:{clock.who}:{clock.what}:{clock.topic}:{clock.due_at.isoformat()}"
    return Happening(clock.case, name, "clock", ClockDue(clock.who, clock.what, clock.topic, clock.due_at))


def _batches(happenings: Iterator[Happening]) -> Iterator[tuple[Happening, ...]]:
    batch: list[Happening] = []
    for each in happenings:
        batch.append(each)
        if len(batch) == BATCH:
            yield tuple(batch)
            batch = []
    if batch:
        yield tuple(batch)


def _count(results: Iterable[Advanced]) -> int:
    return sum(result.result is Result.APPLIED for result in results)
