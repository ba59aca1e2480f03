"""The outbox carried to a real mail server on loopback: in order, at the rate allowed, retried, told, never twice."""

import email
import email.policy
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.casework import Identity, Office
from bot.delivery import DEFERRED, GIVE_UP, NO_SLACK, OUTAGE_LONGEST, Delivery, Terms, Watch, after
from bot.flows.case import Case, Role
from bot.flows.effects import Sending
from bot.flows.events import Fact, LetterFailed, LetterLate, LetterSettled
from bot.flows.letters import Wording
from bot.mail.smtp import Accepted, Deferred, Fenced, Patience, Refused, Server, Unknown
from bot.settings import Security, SmtpUrl, load_templates
from bot.storage.outbox import OutboxRow, OutState, Posting
from bot.storage.schema import migrate
from bot.storage.store import Store
from bot.telemetry import Health, Metrics
from tests.play import POLICY
from tests.smtpdoor import CUT, HANG, OK, Door

START = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)
CASE, OTHER = 1001, 1002
WORKER, CLIENT = "ada@worker.example", "bob@client.example"
IDENTITY = Identity("support@market.example", "market.example", ("a secret of the tests",), "Market Support")
WORDING = Wording(load_templates(None), POLICY.wording)
PATIENCE = Patience(connect_s=2, command_s=2, data_s=2, answer_s=0.3)


@dataclass
class Clock:
    now: datetime = START

    def __call__(self) -> datetime:
        return self.now

    def move(self, **span: float) -> None:
        self.now += timedelta(**span)


@dataclass
class House:
    """A store, a mail server and deliverers over them; `told` is what a case was told."""

    url: str
    door: Door
    business: Clock = field(default_factory=Clock)
    machine: Clock = field(default_factory=Clock)
    metrics: Metrics = field(default_factory=Metrics)

    def __post_init__(self) -> None:
        self.store = Store(self.url, self.machine)
        self.office = Office(self.store, POLICY, WORDING, IDENTITY, self.business)
        self.health = Health(self.machine)

    def delivery(self, owner: str = "one", **terms) -> Delivery:
        url = SmtpUrl("127.0.0.1", self.door.port, "", "", Security.CLEAR)
        given = {"server": Server(url, "bot.example", 2, PATIENCE), **terms}
        watch = Watch(self.health, self.metrics)
        return Delivery(self.office, Terms(owner=owner, **given), watch, self.machine, lambda: 0.0)

    def told(self, case: int = CASE) -> list[Fact]:
        """What the case was told by delivery, in order, once the office has ticked."""
        self.office.tick()
        return [each.event.fact for each in self.office.history(case) if each.event]

    def enqueue(self, number: int, to: str = WORKER, case: int = CASE, **more) -> None:
        posting = Posting(
            key=f"{case}:{number}",
            channel="mail",
            recipient=to,
            name="receipt",
            body={
                "subject": f"[D-{case}] letter {number}",
                "text": f"Letter {number}.\n",
                "html": "<p>Letter</p>",
                "to": to,
                "from": IDENTITY.address,
                "from_name": IDENTITY.name,
                "message_id": f"<d.{case}.{number}.abc@market.example>",
            },
            not_before=self.business.now,
            case=case,
            role=Role.WORKER if to == WORKER else Role.CLIENT,
            number=number,
            sending=Sending.UNASKED,
            message_id=f"<d.{case}.{number}.abc@market.example>",
        )
        with self.store.begin() as tx:
            assert tx.outbox.enqueue(replace(posting, **more), self.business.now)

    def row(self, number: int, case: int = CASE) -> OutboxRow:
        with self.store.read() as tx:
            row = tx.outbox.letter(case, number)
        assert row is not None
        return row

    def state(self, number: int, case: int = CASE) -> OutState:
        return self.row(number, case).state

    def arrived(self) -> list[str]:
        return [str(read(taken.content)["Subject"]) for taken in self.door.taken]


def read(content: bytes) -> EmailMessage:
    mail = email.message_from_bytes(content, policy=email.policy.default)
    assert isinstance(mail, EmailMessage)
    return mail


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with two cases, to be copied: a migration for each test would take longer than the tests."""
    path = tmp_path_factory.mktemp("filled") / "parley.db"
    migrate(f"sqlite:///{path}")
    store = Store(f"sqlite:///{path}")
    with store.begin() as tx:
        for number in (CASE, OTHER):
            tx.cases.save(Case(number), None, START)
    store.close()  # The last connection: what stood in the write-ahead log is in the file now.
    return path


@pytest.fixture
def house(tmp_path: Path, filled: Path) -> Iterator[House]:
    path = shutil.copy(filled, tmp_path / "parley.db")
    with Door() as door:
        house = House(f"sqlite:///{path}", door)
        yield house
        house.store.close()


# --- the schedule ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("attempts", "wait"), [(1, 1), (2, 5), (3, 15), (4, 30), (5, 60), (6, 120), (7, 120), (60, 120)]
)
def test_a_refusal_for_now_is_tried_again_ever_more_seldom(attempts, wait):
    assert after(attempts, timedelta(), Deferred(451, "later"), 0) == timedelta(minutes=wait)


@pytest.mark.parametrize(("attempts", "wait_s"), [(1, 1), (2, 2), (3, 4), (7, 64), (8, 120), (10_000, 120)])
def test_a_server_that_is_away_is_tried_soon(attempts, wait_s):
    assert after(attempts, timedelta(), Deferred(None, "away"), 0) == timedelta(seconds=wait_s)


def test_a_letter_is_given_up_when_refused_or_after_five_days():
    assert after(1, timedelta(), Refused(550, "no"), 0) is None
    assert after(1, GIVE_UP, Deferred(451, "later"), 0) is None
    assert after(1, GIVE_UP, Deferred(None, "away"), 0) is None


@given(st.integers(1, 10**6), st.sampled_from([None, 421, 451]), st.floats(0, 0.999))
def test_a_wait_is_never_nothing_and_never_longer_than_the_longest(attempts, code, jitter):
    wait = after(attempts, timedelta(), Deferred(code, "x"), jitter)
    longest = OUTAGE_LONGEST if code is None else DEFERRED[-1]
    assert wait is not None
    assert timedelta() < wait <= longest * 1.2


# --- what goes well --------------------------------------------------------------------------------------------------


def test_a_letter_that_is_due_leaves_once_and_is_recorded_with_the_servers_words(house):
    house.enqueue(1)
    delivery = house.delivery()
    assert delivery.step() == 1
    assert delivery.step() == 0
    row = house.row(1)
    assert (row.state, row.sent_at, row.evidence) == (OutState.SENT, START, "250 2.0.0 taken as 1")
    assert row.wire == house.door.taken[0].content
    assert house.health.report()["smtp"].ok


def test_a_letter_shows_recipient_message_id_and_the_date_of_its_first_intent(house):
    house.enqueue(1)
    house.delivery().step()
    mail = read(house.door.taken[0].content)
    assert mail["To"] == WORKER
    assert mail["From"] == "Market Support <support@market.example>"
    assert mail["Message-ID"] == "<d.1001.1.abc@market.example>"
    assert mail["Date"] == "Mon, 02 Mar 2026 15:00:00 +0000"


def test_a_letter_waits_for_its_moment_on_the_business_clock(house):
    house.enqueue(1, not_before=START + timedelta(hours=1))
    delivery = house.delivery()
    house.machine.move(hours=2)
    assert delivery.step() == 0
    house.business.move(hours=1)
    assert delivery.step() == 1


def test_letters_to_one_party_of_a_case_leave_in_order_and_others_do_not_wait(house):
    house.door.script("RCPT", "451 4.3.0 later")
    house.enqueue(1)
    delivery = house.delivery()
    delivery.step()
    house.enqueue(2)
    house.enqueue(3, to=CLIENT)
    house.enqueue(1, case=OTHER)
    while delivery.step():
        pass
    assert sorted(house.arrived()) == ["[D-1001] letter 3", "[D-1002] letter 1"]  # Over connections of their own.
    house.machine.move(minutes=2)
    while delivery.step():
        pass
    assert house.arrived()[2:] == ["[D-1001] letter 1", "[D-1001] letter 2"]


def test_a_copy_goes_along_and_its_refusal_is_only_noted(house):
    house.door.script("RCPT", OK, "550 5.1.1 no such mailbox")
    house.enqueue(1)
    house.delivery(copy_address="copy@market.example").step()
    assert house.door.taken[0].recipients == (f"<{WORKER}>",)
    assert house.row(1).evidence == "250 2.0.0 taken as 1; copy@market.example: 550 5.1.1 no such mailbox"


def test_no_more_letters_leave_in_a_minute_than_allowed(house):
    for number in range(1, 6):
        house.enqueue(number, to=f"party{number}@worker.example", role=Role.WORKER)
    delivery = house.delivery(letters_a_minute=3)
    delivery.step()
    assert delivery.step() == 0
    assert len(house.arrived()) == 3
    house.machine.move(minutes=1)
    delivery.step()
    assert len(house.arrived()) == 5


# --- refusals and outages --------------------------------------------------------------------------------------------


def test_a_refusal_for_now_is_tried_again_with_the_same_bytes_and_date(house):
    house.door.script("text", "451 4.7.1 greylisted", OK)
    house.enqueue(1)
    delivery = house.delivery()
    delivery.step()
    row = house.row(1)
    assert (row.state, row.posting.reason) == (OutState.READY, "451 4.7.1 greylisted")
    house.business.move(minutes=30)
    assert delivery.step() == 0
    house.machine.move(minutes=1)
    delivery.step()
    assert house.state(1) is OutState.SENT
    assert house.door.taken[0].content == row.wire
    assert read(house.door.taken[0].content)["Date"] == "Mon, 02 Mar 2026 15:00:00 +0000"


def test_a_refusal_for_good_is_told_to_the_case_once(house):
    house.door.always("RCPT", "550 5.1.1 no such user")
    house.enqueue(1)
    delivery = house.delivery()
    for _ in range(3):
        delivery.step()
        house.office.tick()
    assert house.state(1) is OutState.DEAD
    assert house.told() == [LetterFailed(1, "receipt", Role.WORKER, "dead", "550 5.1.1 no such user")]


def test_a_letter_that_cannot_be_written_as_a_mail_is_dead_and_stops_no_other(house):
    house.enqueue(1, to="not an address", role=Role.WORKER)
    house.enqueue(2, to=CLIENT)
    house.delivery().step()
    assert (house.state(1), house.state(2)) == (OutState.DEAD, OutState.SENT)
    assert "not a mail address" in house.row(1).posting.reason
    assert house.health.report()["smtp"].ok


def test_a_server_that_is_away_loses_nothing_and_is_left_alone_in_between(house):
    house.door.always("connect", CUT)
    for number in (1, 2, 3):
        house.enqueue(number, to=f"party{number}@worker.example", role=Role.WORKER)
    delivery = house.delivery()
    delivery.step()
    assert not house.health.report()["smtp"].ok
    tries = house.door.connections
    delivery.step()
    assert house.door.connections == tries
    for _ in range(5):
        house.machine.move(minutes=3)
        delivery.step()
    assert house.door.connections == tries + 5
    house.door.always("connect", OK)
    house.machine.move(minutes=3)
    while delivery.step():
        pass
    assert sorted(house.arrived()) == [f"[D-1001] letter {number}" for number in (1, 2, 3)]
    assert house.health.report()["smtp"].ok


def test_a_server_that_is_away_at_the_start_is_told_before_any_letter_and_so_is_its_return(house):
    house.door.always("connect", "421 4.3.2 closed")
    delivery = house.delivery()
    delivery.step()
    assert "421 4.3.2 closed" in house.health.report()["smtp"].reason
    house.door.always("connect", OK)
    delivery.step()
    assert not house.health.report()["smtp"].ok
    house.machine.move(seconds=1)
    delivery.step()
    assert house.health.report()["smtp"].ok
    tries = house.door.connections
    delivery.step()
    assert house.door.connections == tries


def test_a_letter_that_always_breaks_the_line_does_not_keep_the_others_from_leaving(house):
    house.door.script("RCPT", CUT, OK, CUT, OK)
    house.enqueue(1)
    house.enqueue(1, case=OTHER)
    delivery = house.delivery(server=Server(SmtpUrl("127.0.0.1", house.door.port, "", "", Security.CLEAR), "b", 1))
    for _ in range(4):
        delivery.step()
        house.machine.move(seconds=3)
    assert "[D-1002] letter 1" in house.arrived()


# --- unknown ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("end", [CUT, HANG])
def test_an_unknown_letter_is_told_and_never_sent_again_by_itself(house, end):
    house.door.script("text", end)
    house.enqueue(1)
    delivery = house.delivery()
    delivery.step()
    assert house.state(1) is OutState.UNKNOWN
    for _ in range(5):
        house.business.move(days=1)
        house.machine.move(days=1)
        delivery.step()
    assert len(house.door.taken) == 1
    [fact] = house.told()
    assert isinstance(fact, LetterFailed)
    assert (fact.state, fact.letter) == ("unknown", 1)


def test_an_unknown_letter_does_not_block_a_later_one(house):
    house.door.script("text", CUT)
    house.enqueue(1)
    house.enqueue(2)
    delivery = house.delivery()
    delivery.step()
    house.machine.move(minutes=1)
    delivery.step()
    assert (house.state(1), house.state(2)) == (OutState.UNKNOWN, OutState.SENT)


def test_our_message_id_in_the_sent_folder_settles_an_unknown_letter(house):
    house.door.script("text", CUT)
    house.enqueue(1)
    delivery = house.delivery()
    delivery.step()
    row = house.row(1)
    assert delivery.seen((row.posting.message_id, "<stranger@x.example>"), "in the Sent folder") == 1
    assert delivery.seen((row.posting.message_id,), "in the Sent folder") == 0
    row = house.row(1)
    assert (row.state, row.evidence) == (OutState.SENT, "in the Sent folder")
    assert house.told() == [LetterSettled(1, Role.WORKER, True, "in the Sent folder")]


def test_a_person_settles_that_an_unknown_letter_did_not_leave(house):
    house.door.script("text", CUT)
    house.enqueue(1)
    delivery = house.delivery()
    delivery.step()
    row = house.row(1)
    house.office.tick()
    assert delivery.settle(row.id, False, "U123 asked the worker", by="U123")
    assert not delivery.settle(row.id, True, "second thoughts")
    assert house.state(1) is OutState.CANCELLED
    assert house.told()[-1] == LetterSettled(1, Role.WORKER, False, "U123 asked the worker")


@pytest.mark.parametrize(
    ("answer", "state", "left"),
    [
        (Accepted("250 at last"), OutState.SENT, [True]),
        (Refused(550, "no"), OutState.CANCELLED, [False]),
        (Unknown("silence"), OutState.UNKNOWN, []),
    ],
)
def test_an_answer_after_the_intent_ran_out_settles_what_had_become_unknown(house, answer, state, left):
    house.enqueue(1)
    slow, other = house.delivery("slow"), house.delivery("other")
    with house.store.begin() as tx:
        [row] = tx.outbox.claim("slow", START, timedelta(minutes=5), 1)
    assert slow._begin(row, b"bytes")
    house.machine.move(hours=1)
    other.step()
    assert house.state(1) is OutState.UNKNOWN
    slow._record(row, answer)
    assert house.state(1) is state
    assert [fact.left for fact in house.told() if isinstance(fact, LetterSettled)] == left


# --- fencing, lateness, polls ----------------------------------------------------------------------------------------


def test_a_letter_cancelled_after_its_claim_does_not_leave(house):
    house.enqueue(1)
    delivery = house.delivery()

    def cancel() -> bool:
        with house.store.begin() as tx:
            return bool(tx.outbox.cancel(CASE, (1,), "a reply crossed it"))

    begin = delivery._begin
    delivery._begin = lambda row, wire: cancel() and begin(row, wire)
    delivery.step()
    assert house.state(1) is OutState.CANCELLED
    assert house.door.taken == []


def test_a_claim_that_ran_out_is_another_deliverers_and_only_one_sends(house):
    house.enqueue(1)
    with house.store.begin() as tx:
        [row] = tx.outbox.claim("frozen", START, timedelta(minutes=5), 1)
    frozen = house.delivery("frozen")
    house.machine.move(minutes=6)
    house.delivery("other").step()
    assert not frozen._begin(row, b"bytes")
    assert len(house.door.taken) == 1


def test_a_dated_letter_that_is_late_is_cancelled_and_told_once(house):
    house.enqueue(1, late_after=START + timedelta(hours=4))
    house.business.move(hours=4, seconds=1)
    delivery = house.delivery()
    assert delivery.step() == 0
    assert house.told() == [LetterLate(1, "receipt", Role.WORKER)]
    assert house.state(1) is OutState.CANCELLED
    delivery.step()
    assert house.door.taken == []


def test_a_letter_that_turns_late_between_claim_and_gate_does_not_leave(house):
    house.enqueue(1, late_after=START + timedelta(hours=4))
    with house.store.begin() as tx:
        [row] = tx.outbox.claim("one", START, timedelta(minutes=5), 1)
    house.business.move(hours=5)
    assert not house.delivery()._begin(row, b"bytes")


def test_a_reminder_asks_for_a_poll_and_leaves_only_after_it(house):
    house.enqueue(1, after_poll=True)
    delivery = house.delivery()
    assert delivery.step() == 0
    with house.store.begin() as tx:
        assert tx.beats.cursor().wanted
        tx.inbox.put("mail", "7", b"the answer", START)
        tx.beats.polled(START + timedelta(seconds=1))
    assert delivery.step() == 0
    with house.store.begin() as tx:
        [mail] = tx.inbox.claim_new()
        tx.inbox.done(mail.id)
    assert delivery.step() == 1
    assert house.state(1) is OutState.SENT


def test_one_poll_is_asked_for_and_not_one_each_second(house):
    house.enqueue(1, after_poll=True)
    delivery = house.delivery()
    for _ in range(3):
        delivery.step()
        house.business.move(seconds=1)
    with house.store.read() as tx:
        assert tx.beats.cursor().poll_wanted_at == START


# --- stopping, Slack, figures ----------------------------------------------------------------------------------------


def test_a_stopped_deliverer_begins_nothing_and_gives_back_what_it_claimed(house):
    house.enqueue(1)
    delivery = house.delivery()
    with house.store.begin() as tx:
        [row] = tx.outbox.claim("one", START, timedelta(minutes=5), 1)
    delivery.stop()
    assert not delivery._begin(row, b"bytes")
    assert delivery.step() == 0
    delivery.leave()
    assert house.state(1) is OutState.READY


def test_without_slack_its_rows_are_closed_with_that_evidence(house):
    posting = Posting("card:1001", "slack", "C1", "card", {}, START, case=CASE)
    with house.store.begin() as tx:
        tx.outbox.enqueue(posting, START)
    assert house.delivery().step() == 1
    with house.store.read() as tx:
        [row] = tx.outbox.in_state(OutState.SENT)
    assert row.evidence == NO_SLACK


def test_with_slack_a_row_is_posted_behind_the_gate(house):
    posting = Posting("note:1001:1", "slack", "C1", "note", {"text": "hello"}, START, case=CASE)
    with house.store.begin() as tx:
        tx.outbox.enqueue(posting, START)
    posted = []

    def post(row, gate):
        assert gate()
        posted.append(row.posting.body)
        return Accepted("1700000000.000100")

    house.delivery(post=post).step()
    assert posted == [{"text": "hello"}]
    with house.store.read() as tx:
        [row] = tx.outbox.in_state(OutState.SENT)
    assert row.evidence == "1700000000.000100"


def test_a_post_whose_fate_is_unknown_is_settled_like_a_letter(house):
    with house.store.begin() as tx:
        tx.outbox.enqueue(Posting("note:1001:1", "slack", "C1", "note", {}, START, case=CASE), START)
    delivery = house.delivery(post=lambda row, gate: Unknown("the line was cut") if gate() else Fenced())
    delivery.step()
    with house.store.read() as tx:
        [row] = tx.outbox.in_state(OutState.UNKNOWN)
    assert delivery.settle(row.id, True, "found by its metadata")
    with house.store.read() as tx:
        assert [row.evidence for row in tx.outbox.in_state(OutState.SENT)] == ["found by its metadata"]


def test_a_stopped_deliverer_leaves_slack_alone_too(house):
    with house.store.begin() as tx:
        tx.outbox.enqueue(Posting("note:1001:1", "slack", "C1", "note", {}, START, case=CASE), START)
    delivery = house.delivery()
    delivery.stop()
    assert delivery.step() == 0


def test_an_outcome_that_the_store_would_not_take_is_recorded_by_the_next_step(house):
    house.enqueue(1)
    delivery = house.delivery()
    whole, broken = house.store, Store("sqlite:////nonexistent/parley.db")
    begin = delivery._begin

    def gate(row, wire):
        opened = begin(row, wire)
        delivery._store = broken
        return opened

    delivery._begin = gate
    with pytest.raises(Exception, match="unable to open"):
        delivery.step()
    assert house.state(1) is OutState.INTENT
    delivery._store = whole
    delivery.step()
    broken.close()
    assert house.state(1) is OutState.SENT
    assert len(house.door.taken) == 1


def test_figures_say_how_attempts_ended_and_what_waits(house):
    house.door.script("RCPT", "550 no", OK)
    house.enqueue(1)
    house.enqueue(2, to=CLIENT)
    house.enqueue(3, not_before=START + timedelta(days=1))
    delivery = house.delivery(server=Server(SmtpUrl("127.0.0.1", house.door.port, "", "", Security.CLEAR), "b", 1))
    delivery.step()
    delivery.observe()
    shown = house.metrics.exposition(house.health).decode().splitlines()
    for line in (
        'parley_letters_total{outcome="accepted"} 1.0',
        'parley_letters_total{outcome="refused"} 1.0',
        'parley_outbox{state="ready"} 1.0',
        'parley_outbox{state="sent"} 1.0',
        'parley_outbox{state="dead"} 1.0',
        'parley_outbox{state="unknown"} 0.0',
    ):
        assert line in shown
