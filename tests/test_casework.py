"""Office: one transaction for a case, its record and its effects; the same on both engines."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from threading import Barrier, Thread

import pytest

from bot.casework import BATCH, Advanced, Erased, Happening, Identity, Office, Result, UnknownCase, joined
from bot.flows import tokens
from bot.flows.case import Case, Closing, ItemName, Kind, Role, Stage, What, Who
from bot.flows.decide import decide
from bot.flows.effects import Because, Card, Letter, Note, Sending, Value
from bot.flows.events import (
    CaseOpened,
    Claimed,
    ClockDue,
    ContactSet,
    Dismissed,
    Fact,
    ItemFound,
    LetterBounced,
    LetterLate,
    LetterSettled,
    Listing,
    MailDismissed,
    MailFacts,
    MailSuggested,
    PartyWrote,
    SenderConfirmed,
    StaffReplied,
    TimeLost,
    Undone,
)
from bot.flows.letters import Wording
from bot.flows.mail import Verdict
from bot.settings import Mode, ReplyAddress, load_policy, load_templates
from bot.storage.inbox import MAIL, SLACK, InboxState
from bot.storage.mails import Filing, MailState
from bot.storage.outbox import Attempt, OutboxRow, OutState, Posting
from bot.storage.store import Store
from tests.play import found

pytest_plugins = ["tests.databases"]

MONDAY = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)  # 10:00 in New York, a plain working Monday.
POLICY = load_policy(None, 2026)
WORDING = Wording(load_templates(None), POLICY.wording)
IDENTITY = Identity(
    "support@market.example", "market.example", ("a secret of the tests",), "Market Support", slack=True
)
ID = "4471829360"
WANDA, CARL = "wanda@worker.example", "carl@client.example"
LISTING = Listing(ID, "Wanda Worker", WANDA, "Carl Client", CARL)
REPLY: dict[str, Value] = {
    "subject": "Payment dispute",
    "kind": "payment",
    "side": "respondent",
    "role": "client",
    "other": "worker",
    "claims_money": False,
    "assignment_ids": (),
    "listed": False,
    "text": "Please call us.",
    "by_name": "Sam",
}
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


@dataclass
class World:
    """An office whose business clock the test moves, and whose letters leave when the test delivers."""

    store: Store
    now: datetime = MONDAY
    identity: Identity = IDENTITY
    office: Office = field(init=False)
    mails: int = 0

    def __post_init__(self) -> None:
        self.office = Office(self.store, POLICY, WORDING, self.identity, lambda: self.now)

    def mail(self, sender: str = WANDA, text: str = "Please help.", **facts: object) -> MailFacts:
        """A mail in the inbox, as intake would read it."""
        self.mails += 1
        with self.store.begin() as tx:
            stored = tx.inbox.put(MAIL, f"mail {self.mails}", f"{sender} {self.mails}".encode(), self.now)
        plain = MailFacts(
            mail_id=stored.id,
            message_id=f"<m{stored.id}@mail.example>",
            references=(),
            sender=sender,
            sender_name="",
            subject="Dispute",
            text=text,
            at=self.now,
            verdict=Verdict.PASS,
            verdict_reason="dmarc=pass",
        )
        return replace(plain, **facts)  # type: ignore[arg-type]  # Field names are checked by replace itself.

    def payment(self, assignment: str = ID, client: str = CARL, sender: str = WANDA) -> CaseOpened:
        listing = replace(LISTING, assignment_id=assignment, client_email=client, worker_email=sender)
        mail = self.mail(sender)
        mail = replace(mail, assignment_ids=(assignment,), listings=(listing,), items=found(ItemName.TIMELINE))
        return CaseOpened(mail, Kind.PAYMENT, Role.WORKER)

    def happens(self, case: int | None, fact: Fact, name: str | None = None) -> Case:
        event = name or f"event {self.mails} {type(fact).__name__} {self.now.isoformat()}"
        (result,) = self.office.advance((Happening(case, event, "test", fact),))
        assert not result.refused, result.refused
        return result.case

    def opens(self, **kwargs: str) -> int:
        return self.happens(None, self.payment(**kwargs)).number

    def polls(self) -> None:
        with self.store.begin() as tx:
            tx.beats.polled(self.now)
            for row in tx.inbox.claim_new(100):
                tx.inbox.done(row.id)

    def delivers(self) -> list[str]:
        """All letters that may leave now; gives their names."""
        self.polls()
        left: list[str] = []
        with self.store.begin() as tx:
            while rows := tx.outbox.claim("deliverer", self.now, MINUTE, 10):
                for row in rows:
                    attempt = Attempt(row.id, "deliverer", row.attempt)
                    assert tx.outbox.intent(attempt)
                    assert tx.outbox.sent(attempt, self.now)
                    left.append(row.posting.name)
        return left

    def beats(self) -> int:
        """One beat, with no downtime before it; returns what it applied."""
        with self.store.begin() as tx:
            tx.beats.beat("tick", self.now)
        return self.office.tick()

    def wait(self, span: timedelta) -> list[str]:
        """Time passes; everything that is due on the way happens at its own moment. Gives the letters that left."""
        until, left = self.now + span, self.delivers()
        while self.now < until:
            with self.store.read() as tx:
                moments = (tx.cases.next_due(self.now), tx.outbox.next_due(self.now), until)
            self.now = min(each for each in moments if each)
            self.polls()
            while self.beats():
                pass
            left += self.delivers()
        return left

    def case(self, number: int) -> Case:
        with self.store.read() as tx:
            found = tx.cases.get(number)
        assert found
        return found

    def letters(self, number: int) -> tuple[OutboxRow, ...]:
        with self.store.read() as tx:
            return tx.outbox.letters(number)


@pytest.fixture
def world(store: Store) -> World:
    return World(store)


def test_a_mail_opens_case_1001_and_everything_about_it_is_stored_at_once(world):
    fact = world.payment()
    filing = Filing(fact.mail.mail_id, MailState.FILED, fact.mail.message_id, MONDAY, WANDA, "Dispute")
    (opened,) = world.office.advance((Happening(None, "mail 1", WANDA, fact),), filing)
    assert (opened.case.number, opened.result, opened.case.stage) == (1001, Result.APPLIED, Stage.NOTICE)
    assert world.case(1001) == opened.case
    (receipt,) = world.letters(1001)
    assert (receipt.posting.name, receipt.posting.recipient, receipt.state) == ("receipt", WANDA, OutState.READY)
    with world.store.read() as tx:
        (mail,) = tx.mails.filed(fact.mail.mail_id)
        assert (mail.case, mail.party, mail.filing) == (1001, Role.WORKER, filing)
        assert tx.inbox.counts()[InboxState.DONE] == 1
        assert tx.mails.by_message_id((str(fact.mail.message_id),)) == (mail,)
        assert tx.cases.with_address(CARL) == ((1001, Role.CLIENT),)
        assert tx.cases.with_assignment((ID,)) == (1001,)
        (known,) = tx.cases.known((1001,))
        assert known.message_ids == (fact.mail.message_id, receipt.posting.message_id)
        assert tx.knowledge.version(POLICY.hash) == POLICY.canonical()


def test_an_event_applied_twice_changes_nothing(world):
    fact = world.payment()
    once = world.office.advance((Happening(None, "mail 1", WANDA, fact),))
    twice = world.office.advance((Happening(None, "mail 1", WANDA, fact), Happening(1001, "mail 1", WANDA, fact)))
    assert [result.result for result in twice] == [Result.KNOWN, Result.KNOWN]
    assert twice[0].case == once[0].case
    assert twice[0].because == once[0].because
    assert len(world.office.history(1001)) == 1
    assert len(world.letters(1001)) == 1


def test_the_same_event_twice_in_one_call_is_applied_once(world):
    fact = world.payment()
    results = world.office.advance((Happening(None, "mail 1", WANDA, fact), Happening(None, "mail 1", WANDA, fact)))
    assert [result.result for result in results] == [Result.APPLIED, Result.KNOWN]
    assert {result.case.number for result in results} == {1001}


def test_one_mail_that_raises_both_opens_two_linked_cases(world):
    payment = world.payment()
    rating = replace(payment, kind=Kind.RATING)
    filing = Filing(payment.mail.mail_id, MailState.FILED)
    world.office.advance(
        (Happening(None, "1:payment", WANDA, payment), Happening(None, "1:rating", WANDA, rating)), filing
    )
    with world.store.read() as tx:
        assert tx.cases.links(1001) == ((1002, "the same mail, or the same people"),)
        assert tx.cases.links(1002) == ((1001, "the same mail, or the same people"),)
        assert [row.case for row in tx.mails.filed(payment.mail.mail_id)] == [1001, 1002]
    first = world.office.history(1001)[0].event
    assert first is not None
    assert isinstance(first.fact, CaseOpened)
    assert first.fact.linked_to == 1002


def test_a_refusal_changes_and_stores_nothing(world):
    number = world.opens()
    before = world.case(number)
    (result,) = world.office.advance((Happening(number, "click 1", "U1", Undone("U1")),))
    assert result.result is Result.REFUSED
    assert result.refused
    assert (result.case, world.case(number)) == (before, before)
    assert len(world.office.history(number)) == 1


def test_an_unknown_case_is_an_error_and_stores_nothing(world):
    fact = world.payment()
    with pytest.raises(UnknownCase, match="D-77"):
        world.office.advance((Happening(None, "mail 1", WANDA, fact), Happening(77, "click", "U1", Claimed("U1"))))
    with pytest.raises(UnknownCase, match="only a mail opens a case"):
        world.office.advance((Happening(None, "click", "U1", Claimed("U1")),))
    with world.store.read() as tx:
        assert tx.cases.numbers() == ()
        assert tx.outbox.counts() == {}


def test_a_mail_of_no_case_is_filed_and_a_person_can_open_one_from_it_later(world):
    fact = world.payment()
    world.office.advance((), Filing(fact.mail.mail_id, MailState.NOT_DISPUTE, sender=WANDA))
    with world.store.read() as tx:
        assert [row.case for row in tx.mails.in_state(MailState.NOT_DISPUTE)] == [None]
    filing = Filing(fact.mail.mail_id, MailState.FILED, sender=WANDA)
    world.office.advance((Happening(None, "click 1", "U1", fact),), filing)
    with world.store.read() as tx:
        (row,) = tx.mails.filed(fact.mail.mail_id)
    assert (row.case, row.party, row.filing.state, row.filing.threaded_by) == (
        1001,
        Role.WORKER,
        MailState.FILED,
        "staff",
    )


def test_a_letter_holds_all_that_its_mail_needs(world):
    number = world.opens()
    (row,) = world.letters(number)
    body = row.posting.body
    secret = IDENTITY.secrets
    assert body["subject"].startswith("[D-1001] ")
    assert "D-1001" in body["text"] or body["text"]
    assert body["html"].startswith("<!")
    assert (body["to"], body["from"], body["from_name"]) == (WANDA, "support@market.example", "Market Support")
    assert tokens.read_message_id(secret, body["message_id"]) == (1001, 1)
    token = tokens.token_in(body["reply_to"], IDENTITY.address)
    assert token
    assert tokens.read_token(secret, token) == (1001, Role.WORKER)
    assert body["in_reply_to"] == "<m1@mail.example>"
    assert body["references"] == ["<m1@mail.example>"]
    assert body["auto_submitted"] == "auto-replied"
    assert row.posting.message_id == body["message_id"]


def test_a_party_s_thread_never_names_the_other_s_letters(world):
    number = world.opens()
    world.wait(2 * DAY)
    by_role = {role: [row for row in world.letters(number) if row.posting.role is role] for role in Role}
    (notice,) = by_role[Role.CLIENT]
    assert notice.posting.body["in_reply_to"] == ""
    assert notice.posting.body["references"] == []
    assert notice.posting.body["auto_submitted"] == "auto-generated"
    world.wait(2 * DAY)
    reminder = next(row for row in world.letters(number) if row.posting.name == "reminder")
    assert reminder.posting.body["references"] == [notice.posting.message_id]
    assert reminder.posting.body["in_reply_to"] == notice.posting.message_id


def test_without_plus_addresses_replies_go_to_the_plain_address(store):
    world = World(store, identity=replace(IDENTITY, reply=ReplyAddress.OFF))
    number = world.opens()
    assert world.letters(number)[0].posting.body["reply_to"] == IDENTITY.address


def test_a_silent_client_is_reminded_twice_and_then_an_impasse_is_proposed(world):
    number = world.opens()
    assert world.delivers() == ["receipt"]
    assert world.wait(20 * DAY).count("reminder") == 2
    case = world.case(number)
    assert (case.stage, case.impasse_role) == (Stage.IMPASSE, Role.CLIENT)
    to_client = [row.posting.name for row in world.letters(number) if row.posting.role is Role.CLIENT]
    assert to_client[:4] == ["notice", "reminder", "reminder", "final"]
    assert world.office.replay(number) == case
    with world.store.read() as tx:
        assert tx.events.verify(number) == ()


def test_a_clock_does_not_run_before_its_letter_has_left(world):
    number = world.opens()
    assert world.delivers() == ["receipt"]
    world.now += 2 * DAY
    world.beats()
    clock = world.case(number).clock(Who.CLIENT, What.REMIND)
    assert clock
    with world.store.read() as tx:  # Only the mail server is away.
        assert Who.CLIENT not in [each.who for each in tx.cases.due(clock.due_at, 100)]
    assert world.delivers() == ["notice"]
    with world.store.read() as tx:
        assert Who.CLIENT in [each.who for each in tx.cases.due(clock.due_at, 100)]


def test_a_clock_does_not_run_on_an_address_that_bounced(world):
    number = world.opens()
    world.wait(2 * DAY)
    clock = world.case(number).clock(Who.CLIENT, What.REMIND)
    assert clock
    with world.store.read() as tx:
        assert Who.CLIENT in [each.who for each in tx.cases.due(clock.due_at, 100)]
    world.happens(number, LetterBounced(Role.CLIENT, 2, CARL, "550 no such user"))
    with world.store.read() as tx:
        assert Who.CLIENT not in [each.who for each in tx.cases.due(clock.due_at, 100)]
    assert world.case(number).client.contacts[-1].bounced


def test_a_letter_without_address_is_held_with_the_reason(world):
    number = world.opens()
    world.wait(2 * DAY)
    world.happens(number, LetterBounced(Role.CLIENT, 2, CARL, "550 no such user"))
    with world.store.begin() as tx:  # As if the letter had been decided just before the bounce was known.
        case = tx.cases.lock((number,))[number]
        letter = Letter(9, "reply", Role.CLIENT, REPLY, Because("a test"), Sending.PERSON, world.now)
        world.office._carry(tx, case, letter, "test", world.now)
    row = world.letters(number)[-1]
    assert (row.posting.recipient, row.state) == ("", OutState.HELD)
    assert row.posting.reason == "no usable address of the client is known"
    assert world.wait(1 * HOUR) == []


def test_in_shadow_mode_letters_are_held_and_no_clock_runs(store):
    world = World(store, identity=replace(IDENTITY, mode=Mode.SHADOW))
    number = world.opens()
    assert world.wait(30 * DAY) == []
    assert {(row.state, row.posting.reason) for row in world.letters(number)} == {(OutState.HELD, "shadow")}
    assert "reminder" not in {row.posting.name for row in world.letters(number)}


def test_going_live_asks_afresh_what_was_only_written_in_shadow_mode(store):
    world = World(store, identity=replace(IDENTITY, mode=Mode.SHADOW))
    number = world.opens()
    world.wait(30 * DAY)
    shadow = {row.posting.number for row in world.letters(number)}
    world.office = Office(store, POLICY, WORDING, IDENTITY, lambda: world.now)
    assert world.wait(3 * DAY)
    letters = world.letters(number)
    sent = [row.posting for row in letters if row.state is OutState.SENT]
    assert {row.posting.number for row in letters if row.state is OutState.CANCELLED} == shadow
    assert sent[0].name == "receipt"
    assert min(posting.not_before for posting in sent) > MONDAY + 29 * DAY


def test_an_answer_takes_an_unsent_reminder_back(world):
    number = world.opens()
    world.wait(2 * DAY)
    clock = world.case(number).clock(Who.CLIENT, What.REMIND)
    assert clock
    world.now = clock.due_at
    world.polls()
    assert world.beats() >= 1
    reminder = next(row for row in world.letters(number) if row.posting.name == "reminder")
    assert reminder.state is OutState.READY
    mail = world.mail(CARL, "Approved on Monday.", items=found(ItemName.ANSWER), intent="provides_item")
    world.happens(number, PartyWrote(Role.CLIENT, mail))
    assert next(row for row in world.letters(number) if row.id == reminder.id).state is OutState.CANCELLED


def test_danger_takes_back_what_has_not_left_to_the_other_side_and_it_is_decided_anew(world):
    number = world.opens()
    world.wait(2 * DAY)
    clock = world.case(number).clock(Who.CLIENT, What.REMIND)
    assert clock
    world.now = clock.due_at
    world.polls()
    assert world.beats() >= 1
    danger = world.mail(WANDA, "He said he will hurt me.", flags=("threat",), intent=None)
    world.happens(number, PartyWrote(Role.WORKER, danger))
    assert world.beats() >= 1
    reminder = next(row for row in world.letters(number) if row.posting.name == "reminder")
    assert reminder.state is OutState.CANCELLED
    assert "reminder" not in world.wait(10 * DAY)


def test_the_end_waits_for_a_poll_and_for_the_mail_it_brought(world):
    number = world.opens()
    while not (clock := world.case(number).clock(Who.CLIENT, What.LAPSE)) or not world.letters(number)[-1].sent_at:
        world.wait(12 * HOUR)
    world.now = clock.due_at + MINUTE
    with world.store.begin() as tx:
        tx.beats.beat("tick", world.now)
        tx.beats.polled(clock.due_at - MINUTE)
    world.office.tick()
    assert world.case(number).stage is Stage.ANSWERING
    with world.store.read() as tx:
        assert tx.beats.cursor().wanted
    answer = world.mail(CARL)
    with world.store.begin() as tx:
        tx.beats.polled(world.now)
    world.office.tick()
    assert world.case(number).stage is Stage.ANSWERING
    with world.store.begin() as tx:
        tx.inbox.done(answer.mail_id)
    world.office.tick()
    assert world.case(number).stage is Stage.IMPASSE


def test_lost_time_is_given_back_once(world):
    number = world.opens()
    world.wait(2 * DAY)
    before = world.case(number).clock(Who.CLIENT, What.REMIND)
    assert before
    world.now += 1 * DAY
    world.office.tick()
    after = world.case(number).clock(Who.CLIENT, What.REMIND)
    assert after
    assert after.due_at - before.due_at == DAY
    kinds = [recorded.kind for recorded in world.office.history(number)]
    assert kinds.count(TimeLost.__name__) == 1
    world.now += MINUTE
    world.office.tick()
    assert [recorded.kind for recorded in world.office.history(number)] == kinds


def test_time_lost_is_given_back_even_if_the_bot_stops_right_after_its_first_beat(world):
    number = world.opens()
    world.wait(2 * DAY)
    world.now += 1 * DAY
    world.office._beat(world.now)  # And then the machine stops.
    world.now += MINUTE
    World(world.store, world.now).office.tick()
    assert TimeLost.__name__ in [recorded.kind for recorded in world.office.history(number)]
    with world.store.read() as tx:
        assert set(tx.beats.all()) == {"tick"}


def test_a_late_letter_is_cancelled_and_decided_anew(world):
    number = world.opens()
    world.delivers()
    notice_at = world.case(number).clock(Who.CLIENT, What.SEND_NOTICE) or world.case(number).clock(
        Who.WORKER, What.SEND_NOTICE
    )
    assert notice_at
    world.now = notice_at.due_at
    world.beats()
    notice = world.letters(number)[-1]
    assert (notice.posting.name, notice.state) == ("notice", OutState.READY)
    assert notice.posting.late_after
    for _ in range(20):  # Six hours of beats during which no letter leaves.
        world.now += 20 * MINUTE
        world.beats()
    rows = world.letters(number)
    assert next(row for row in rows if row.id == notice.id).state is OutState.CANCELLED
    assert rows[-1].posting.name == "notice"
    assert rows[-1].id != notice.id
    assert LetterLate.__name__ in [recorded.kind for recorded in world.office.history(number)]


def test_a_case_hears_once_of_a_letter_that_is_dead_or_unknown_and_how_that_ended(world):
    number = world.opens()
    (row,) = world.letters(number)
    with world.store.begin() as tx:
        (claimed,) = tx.outbox.claim("me", world.now, MINUTE, 1)
        attempt = Attempt(row.id, "me", claimed.attempt)
        tx.outbox.intent(attempt)
        tx.outbox.unknown(attempt, "cut after the final dot")
    assert world.office.tick() == 1
    assert world.office.tick() == 0
    world.happens(number, LetterSettled(1, Role.WORKER, True, "found in the Sent folder"))
    assert world.letters(number)[0].state is OutState.SENT
    (again,) = world.office.advance((Happening(number, "x", "U1", LetterSettled(1, Role.WORKER, False, "")),))
    assert again.refused == "Letter 1 is sent; only an unknown letter can be settled."


def test_a_letter_can_be_undone_only_until_its_intent(world):
    number = world.opens()
    world.delivers()
    world.happens(number, StaffReplied("U1", Role.WORKER, "We are looking into it."))
    letter = world.case(number).letters
    world.now += 2 * MINUTE
    with world.store.begin() as tx:
        (claimed,) = tx.outbox.claim("me", world.now, MINUTE, 1)
        tx.outbox.intent(Attempt(claimed.id, "me", claimed.attempt))
    (late,) = world.office.advance((Happening(number, "undo 1", "U1", Undone("U1", letter)),))
    assert late.result is Result.REFUSED
    world.happens(number, StaffReplied("U1", Role.WORKER, "And another thing."))
    world.happens(number, Undone("U1", letter + 1))
    assert world.letters(number)[-1].state is OutState.CANCELLED


def test_a_third_unasked_letter_of_other_cases_waits_for_the_next_day(world):
    numbers = [world.opens(assignment=f"44718293{n}", sender=f"w{n}@worker.example") for n in (10, 11, 12)]
    world.delivers()
    world.wait(30 * HOUR)
    notices = [row for number in numbers for row in world.letters(number) if row.posting.name == "notice"]
    days = sorted(row.posting.not_before.date() for row in notices)
    assert len(days) == 3
    assert days[0] == days[1] < days[2]
    assert [
        row.posting.not_before.astimezone(UTC).hour for row in notices if row.posting.not_before.date() == days[2]
    ] == [14]


@pytest.mark.parametrize(("own", "delayed"), [(True, False), (False, True)])
def test_only_letters_of_other_cases_delay_a_case(world, own, delayed):
    number, other = world.opens(), world.opens(assignment="5571829360", sender="x@worker.example")
    with world.store.begin() as tx:
        for n in (8, 9):
            posting = Posting(f"test {n}", MAIL, CARL, "status", {}, world.now, number if own else other)
            tx.outbox.enqueue(replace(posting, role=Role.CLIENT, number=n, sending=Sending.UNASKED), world.now)
    world.happens(number, Claimed("U1"))
    event = world.office.history(number)[-1].event
    assert event is not None
    assert (event.free.client.date() > world.now.date()) == delayed
    assert event.free.worker == world.now


def test_automatic_answers_to_one_address_are_braked(world):
    number = world.opens()
    for _ in range(8):
        world.now += MINUTE
        world.happens(number, PartyWrote(Role.WORKER, world.mail(text="Any news?")))
    letters = [row.posting for row in world.letters(number)]
    answers = [row for row in letters if row.sending is Sending.ANSWER and row.role is Role.WORKER]
    assert len(answers) <= POLICY.limits.answers_a_day
    last = world.office.history(number)[-1].event
    assert last is not None
    assert last.braked == (Role.WORKER,)


def test_slack_rows_are_written_only_where_slack_is_and_cards_come_together(store):
    world = World(store)
    number = world.opens()
    world.happens(number, Claimed("U1"))
    with store.begin() as tx:
        rows = tx.outbox.claim("me", world.now, MINUTE, 10, SLACK)
        assert [row.posting.name for row in rows] == ["card"]
        assert tx.outbox.counts()[(SLACK, OutState.READY)] >= 2
    world.happens(number, PartyWrote(Role.WORKER, world.mail()))
    with store.read() as tx:
        cards = [row for row in tx.outbox.in_state(OutState.READY) if row.posting.name == "card"]
        assert len(cards) == 1  # The first is being drawn; another will show what changed since.


def test_without_slack_nothing_is_written_for_it(store):
    world = World(store, identity=replace(IDENTITY, slack=False))
    world.opens()
    with store.read() as tx:
        assert {channel for channel, _ in tx.outbox.counts()} == {MAIL}


def test_an_unconfirmed_mail_becomes_the_party_s_when_a_person_says_so(world):
    number = world.opens()
    mail = world.mail("wanda.private@home.example", "It is me.")
    suggested = MailSuggested(Role.WORKER, mail, "unknown address")
    filing = Filing(mail.mail_id, MailState.UNCONFIRMED)
    world.office.advance((Happening(number, "mail 2", "unknown", suggested),), filing)
    with world.store.read() as tx:
        assert [row.mail_id for row in tx.mails.in_state(MailState.UNCONFIRMED)] == [mail.mail_id]
    world.happens(number, SenderConfirmed("U1", Role.WORKER, mail))
    with world.store.read() as tx:
        (row,) = tx.mails.filed(mail.mail_id)
    assert (row.filing.state, row.party) == (MailState.FILED, Role.WORKER)
    other = world.mail("stranger@else.example")
    filing = Filing(other.mail_id, MailState.UNCONFIRMED)
    world.office.advance((Happening(number, "mail 3", "unknown", MailSuggested(None, other, "number only")),), filing)
    world.happens(number, MailDismissed("U1", other.mail_id))
    with world.store.read() as tx:
        assert tx.mails.filed(other.mail_id)[0].filing.state is MailState.IGNORED


def test_a_duplicate_is_linked_to_the_case_it_belongs_to(world):
    first = world.opens()
    fact = CaseOpened(world.mail("someone@else.example"), None, None, suggests=f"D-{first}")
    second = world.happens(None, fact).number
    case = world.happens(second, Dismissed("U1", first, ""))
    assert (case.stage, case.closed) == (Stage.CLOSED, Closing.DUPLICATE)
    with world.store.read() as tx:
        assert tx.cases.links(second) == ((first, "the same dispute"),)


def test_a_new_address_counts_for_the_daily_limit(world):
    number = world.opens()
    case = world.happens(number, ContactSet("U1", Role.CLIENT, "accounts@client.example", "Carla"))
    assert case.client.address == "accounts@client.example"
    assert world.office.replay(number) == case


def test_a_clock_that_was_overtaken_is_not_recorded(world):
    number = world.opens()
    stale = ClockDue(Who.CLIENT, What.REMIND, world.case(number).clocks[0].topic, MONDAY)
    (result,) = world.office.advance((Happening(number, "clock 1", "clock", stale),))
    assert result.result is Result.MOOT
    assert len(world.office.history(number)) == 1


def test_what_breaks_one_case_does_not_stop_the_others(world, monkeypatch):
    numbers = [
        world.opens(assignment=f"55718293{n}", sender=f"x{n}@worker.example", client=f"y{n}@client.example")
        for n in (1, 2, 3)
    ]
    world.delivers()
    real: Callable[..., object] = decide

    def broken(case, event, now, policy):
        if case.number == numbers[1]:
            raise RuntimeError("a bug")
        return real(case, event, now, policy)

    monkeypatch.setattr("bot.casework.decide", broken)
    world.now += 2 * DAY
    with pytest.raises(ExceptionGroup, match="could not be applied"):
        world.beats()
    assert [world.case(number).stage for number in numbers] == [Stage.ANSWERING, Stage.NOTICE, Stage.ANSWERING]


def test_more_clocks_than_a_batch_come_due_at_once(world):
    count = BATCH + 7
    happenings = [
        Happening(None, f"m{n}", "w", world.payment(f"6{n:09}", f"c{n}@client.example", f"w{n}@worker.example"))
        for n in range(count)
    ]
    world.office.advance(happenings)
    world.delivers()
    world.now += 2 * DAY
    assert world.beats() == count
    assert world.beats() == 0


def test_erased_words_are_gone_and_the_chain_still_holds(world):
    number = world.opens()
    world.happens(number, Claimed("U1"))
    with world.store.begin() as tx:
        assert tx.events.erase(number) == 2
        assert tx.events.verify(number) == ()
    assert [recorded.event for recorded in world.office.history(number)] == [None, None]
    with pytest.raises(Erased):
        world.office.replay(number)
    world.happens(number, StaffReplied("U1", Role.WORKER, "Hello."))
    with world.store.read() as tx:
        assert tx.events.verify(number) == ()


def test_an_event_keeps_the_moment_it_counts_from(world):
    number = world.opens()
    world.now += HOUR
    fact = PartyWrote(Role.WORKER, world.mail())
    world.office.advance((Happening(number, "late mail", WANDA, fact, MONDAY + MINUTE),))
    recorded = world.office.history(number)[-1]
    assert recorded.event is not None
    assert (recorded.event.at, recorded.at) == (MONDAY + MINUTE, MONDAY + HOUR)
    assert recorded.event.fact == fact
    assert world.office.replay(number) == world.case(number)


def test_the_same_mail_read_by_two_processes_opens_one_case(world):
    fact = world.payment()
    barrier, results = Barrier(2), list[Advanced]()

    def work() -> None:
        office = World(world.store).office
        barrier.wait()
        results.extend(
            office.advance((Happening(None, "mail 1", WANDA, fact),), Filing(fact.mail.mail_id, MailState.FILED))
        )

    threads = [Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(result.result for result in results) == [Result.APPLIED, Result.KNOWN]
    with world.store.read() as tx:
        assert tx.cases.numbers() == (1001,)
        assert len(tx.mails.filed(fact.mail.mail_id)) == 1


def test_a_case_opened_twice_at_the_same_moment_without_a_mail_to_file_is_one(world):
    fact = world.payment()
    barrier, results = Barrier(4), list[Advanced]()

    def work() -> None:
        office = World(world.store).office
        office.advance(())
        barrier.wait()
        results.extend(office.advance((Happening(None, "command 1", "U1", fact),)))

    threads = [Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(result.result for result in results) == [Result.APPLIED, *[Result.KNOWN] * 3]
    with world.store.read() as tx:
        assert len(tx.cases.numbers()) == 1


def test_clicks_on_one_case_at_the_same_time_follow_each_other(world):
    number = world.opens()
    barrier, errors = Barrier(4), []

    def work(name: str) -> None:
        office = World(world.store).office
        barrier.wait()
        try:
            for n in range(5):
                office.advance((Happening(number, f"{name} {n}", name, StaffReplied(name, Role.WORKER, f"{n}")),))
        except Exception as error:  # noqa: BLE001 - a thread's errors are looked at below.
            errors.append(error)

    threads = [Thread(target=work, args=(f"U{n}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert errors == []
    assert world.case(number).version == 21
    assert [recorded.seq for recorded in world.office.history(number)] == list(range(1, 22))
    assert world.office.replay(number) == world.case(number)


def test_items_found_keep_their_confidence(world):
    items = (ItemFound(ItemName.TIMELINE, 0.123456789, found(ItemName.TIMELINE)[0].provenance, "…"),)
    number = world.happens(None, CaseOpened(world.mail(items=items), Kind.PAYMENT, Role.WORKER)).number
    event = world.office.history(number)[0].event
    assert event is not None
    assert isinstance(event.fact, CaseOpened)
    assert event.fact.mail.items == items


def test_what_one_decision_says_is_one_post_but_for_who_is_called_and_a_second_quotation() -> None:
    why = Because("a rule")
    said = (Note("First.", why), Card(), Note("Second.", why, quote="Her words."), Note("Look!", why, mention="lead"))
    assert joined((*said, Note("Third.", why), Note("Fourth.", why, quote="His words."))) == (
        Note("First.\nSecond.\nThird.", why, quote="Her words."),
        Card(),
        Note("Look!", why, mention="lead"),
        Note("Fourth.", why, quote="His words."),
    )
