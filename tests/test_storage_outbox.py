"""The outbox: once each, in order, and never by two deliverers; with crashes as values of time."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from threading import Barrier, Thread

import pytest

from bot.flows.case import Case, Clock, Contact, Party, Role, Topic, What, Who
from bot.flows.effects import Because, Sending
from bot.storage.inbox import MAIL, SLACK
from bot.storage.outbox import INTENT, Attempt, OutState, Posting, Written

pytest_plugins = ["tests.databases"]

MONDAY = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)
SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
WANDA, CARL = "wanda@worker.example", "carl@client.example"


@pytest.fixture
def out(store):
    """A store with two cases."""
    with store.begin() as tx:
        for number in (1001, 1002):
            tx.cases.save(Case(number, version=1), None, MONDAY)
    return store


def letter(number: int, recipient: str = WANDA, case: int = 1001, **changed: object) -> Posting:
    plain = Posting(
        key=f"mail:{case}:{number}",
        channel=MAIL,
        recipient=recipient,
        name="reminder",
        body={"subject": f"[D-{case}] Payment dispute", "references": ["<1@x.example>"]},
        not_before=MONDAY,
        case=case,
        role=Role.WORKER if recipient == WANDA else Role.CLIENT,
        number=number,
        sending=Sending.UNASKED,
        message_id=f"<d.{case}.{number}.mac@market.example>",
        because=Because("the clock came due", "request.remind"),
    )
    return replace(plain, **changed)  # type: ignore[arg-type]  # Field names are checked by replace itself.


def enqueue(store, *postings: Posting) -> None:
    with store.begin() as tx:
        for posting in postings:
            tx.outbox.enqueue(posting, MONDAY)


def claim(store, owner: str = "one", now: datetime = MONDAY, limit: int = 10) -> dict[tuple[int, int], Attempt]:
    """What a deliverer gets, by case and number."""
    with store.begin() as tx:
        rows = tx.outbox.claim(owner, now, MINUTE, limit)
    return {(row.posting.case, row.posting.number): Attempt(row.id, owner, row.attempt) for row in rows}


def do(store, what: str, *arguments: object) -> object:
    with store.begin() as tx:
        return getattr(tx.outbox, what)(*arguments)


def send(store, attempt: Attempt) -> None:
    assert do(store, "intent", attempt)
    assert do(store, "sent", attempt, MONDAY)


def states(store, case: int = 1001) -> list[OutState]:
    with store.read() as tx:
        return [row.state for row in tx.outbox.letters(case)]


def test_a_row_comes_back_as_it_was_put_and_its_key_is_put_once(out):
    posting = letter(1, late_after=MONDAY + HOUR, after_poll=True)
    with out.begin() as tx:
        assert tx.outbox.enqueue(posting, MONDAY)
        assert not tx.outbox.enqueue(replace(posting, name="other"), MONDAY)
        row = tx.outbox.letter(1001, 1)
        assert row is not None
        assert row.posting == posting
        assert (row.attempt, row.owner, row.wire, row.sent_at, row.created_at) == (0, None, None, None, MONDAY)
        assert tx.outbox.by_message_id((str(posting.message_id),)) == (row,)
        assert tx.outbox.by_message_id(()) == ()


def test_letters_of_a_case_to_one_recipient_leave_in_order(out):
    enqueue(out, letter(1), letter(2), letter(3, CARL), letter(1, case=1002))
    first = claim(out)
    assert set(first) == {(1001, 1), (1001, 3), (1002, 1)}
    assert claim(out) == {}
    assert do(out, "intent", first[1001, 1])
    assert claim(out) == {}
    assert do(out, "sent", first[1001, 1], MONDAY)
    assert set(claim(out)) == {(1001, 2)}


def test_a_back_off_keeps_the_order(out, machine):
    enqueue(out, letter(1), letter(2))
    assert do(out, "retry", claim(out)[1001, 1], MINUTE, "451 try later")
    assert claim(out) == {}
    machine.wait(MINUTE)
    assert set(claim(out)) == {(1001, 1)}


@pytest.mark.parametrize("end", ["unknown", "dead", "held", "cancelled"])
def test_what_is_settled_or_stuck_blocks_nobody(out, end):
    enqueue(out, letter(1, state=OutState.HELD if end == "held" else OutState.READY), letter(2))
    if end in ("unknown", "dead"):
        attempt = claim(out)[1001, 1]
        do(out, "intent", attempt)
        assert do(out, end, attempt, "why")
    elif end == "cancelled":
        assert do(out, "cancel", 1001, (1,), "why") == (1,)
    assert states(out)[0] is OutState(end)
    assert set(claim(out)) == {(1001, 2)}


def test_an_answer_does_not_wait_for_an_earlier_letter_that_may_only_leave_later(out):
    enqueue(out, letter(1, not_before=MONDAY + HOUR), letter(2))
    assert set(claim(out)) == {(1001, 2)}
    assert set(claim(out, now=MONDAY + HOUR)) == set()  # The later letter is under way and left first.


def test_nothing_leaves_early_and_nothing_dated_leaves_late(out):
    enqueue(out, letter(1, not_before=MONDAY + HOUR, late_after=MONDAY + 2 * HOUR))
    assert claim(out, now=MONDAY + HOUR - SECOND) == {}
    with out.read() as tx:
        assert tx.outbox.late(MONDAY + 2 * HOUR) == ()
        assert [row.posting.number for row in tx.outbox.late(MONDAY + 2 * HOUR + SECOND)] == [1]
        assert tx.outbox.next_due(MONDAY) == MONDAY + HOUR
        assert tx.outbox.next_due(MONDAY + HOUR) == MONDAY + 2 * HOUR
        assert tx.outbox.next_due(MONDAY + 2 * HOUR) is None
    assert claim(out, now=MONDAY + 2 * HOUR + SECOND) == {}
    assert set(claim(out, now=MONDAY + 2 * HOUR)) == {(1001, 1)}


def test_a_reminder_waits_for_a_poll_later_than_its_moment_and_for_the_mail_it_brought(out):
    enqueue(out, letter(1, after_poll=True))
    assert claim(out) == {}
    with out.begin() as tx:
        assert not tx.outbox.poll_needed(MONDAY - SECOND)
        assert tx.outbox.poll_needed(MONDAY)
        tx.beats.polled(MONDAY - SECOND)
        assert tx.outbox.poll_needed(MONDAY)
        tx.beats.polled(MONDAY + MINUTE)
        assert not tx.outbox.poll_needed(MONDAY + MINUTE)
        mail = tx.inbox.put(MAIL, "k", b"an answer", MONDAY + MINUTE)
    assert claim(out, now=MONDAY + HOUR) == {}
    with out.begin() as tx:
        tx.inbox.done(mail.id)
        tx.inbox.put(MAIL, "k2", b"stored after that poll", MONDAY + 2 * MINUTE)
        tx.inbox.put(SLACK, "k3", b"not a mail", MONDAY)
    assert set(claim(out, now=MONDAY + HOUR)) == {(1001, 1)}


def test_a_clock_runs_only_while_the_address_its_letter_went_to_has_not_bounced(out):
    clock = Clock(Who.CLIENT, What.REMIND, Topic.REQUEST, MONDAY + HOUR, letter=1)
    held = replace(clock, topic=Topic.AGREE, held_by=("staff",), held_since=MONDAY)
    staff = Clock(Who.STAFF, What.NUDGE, Topic.STAFF, MONDAY)
    enqueue(out, letter(1, CARL))
    saved = Case(1001, version=1)

    def save(**changed: object) -> None:
        nonlocal saved
        before, saved = saved, replace(saved, version=saved.version + 1, **changed)  # type: ignore[arg-type]
        with out.begin() as tx:
            tx.cases.save(saved, before, MONDAY)
            tx.cases.save_clocks(saved, before)

    def due() -> list[Who]:
        with out.read() as tx:
            assert tx.cases.next_due(MONDAY) == MONDAY + HOUR
            return [each.who for each in tx.cases.due(MONDAY + HOUR, 10)]

    here, gone = Contact(CARL, "directory"), Contact(CARL, "directory", bounced=True)
    save(clocks=(clock, held, staff), client=Party(Role.CLIENT, contacts=(here,)))
    assert due() == [Who.STAFF]
    send(out, claim(out)[1001, 1])
    assert due() == [Who.STAFF, Who.CLIENT]
    save(client=Party(Role.CLIENT, contacts=(gone,)))
    assert due() == [Who.STAFF]
    save(client=Party(Role.CLIENT, contacts=(gone, here)))
    assert due() == [Who.STAFF, Who.CLIENT]
    with out.read() as tx:
        assert tx.cases.with_party_clocks() == (1001,)
        (first, second) = tx.cases.due(MONDAY + HOUR, 10)
        assert tx.cases.due(MONDAY + HOUR, 10, first) == (second,)
        assert tx.cases.due(MONDAY + HOUR, 10, second) == ()
        assert tx.cases.due(MONDAY, 10) == (first,)


# --- One attempt passes intent ---------------------------------------------------------------------------------------


def test_a_crash_after_the_claim_gives_the_row_back(out, machine):
    enqueue(out, letter(1))
    old = claim(out)[1001, 1]
    assert do(out, "expire") == (0, 0)
    machine.wait(MINUTE)
    assert do(out, "expire") == (1, 0)
    new = claim(out, "two")[1001, 1]
    assert (old.number, new.number) == (1, 2)
    assert not do(out, "intent", old)
    send(out, new)
    assert states(out) == [OutState.SENT]


def test_a_crash_after_the_intent_is_unknown_and_never_sent_again(out, machine):
    enqueue(out, letter(1))
    attempt = claim(out)[1001, 1]
    assert do(out, "intent", attempt, b"the mail as it goes on the wire")
    machine.wait(MINUTE)
    assert do(out, "expire") == (0, 0)
    machine.wait(INTENT)
    assert do(out, "expire") == (0, 1)
    assert claim(out, "two") == {}
    with out.read() as tx:
        (row,) = tx.outbox.in_state(OutState.UNKNOWN)
        assert [each.id for each in tx.outbox.untold()] == [row.id]
    assert row.wire == b"the mail as it goes on the wire"
    assert do(out, "sent", attempt, MONDAY, "250 ok, after all")
    assert states(out) == [OutState.SENT]


def test_who_is_alone_at_the_store_takes_a_dead_deliverers_rows_over_at_once(out):
    enqueue(out, letter(1))
    enqueue(out, letter(1, case=1002))
    attempts = claim(out)
    assert do(out, "intent", attempts[1002, 1])
    with out.begin() as tx:
        assert tx.outbox.expire(everything=True) == (1, 1)
    assert list(claim(out, "two")) == [(1001, 1)]
    assert states(out, 1002) == [OutState.UNKNOWN]


def test_a_claimer_that_slept_cannot_pass_intent_twice(out):
    enqueue(out, letter(1))
    attempt = claim(out)[1001, 1]
    assert do(out, "intent", attempt)
    assert not do(out, "intent", attempt)
    assert not do(out, "intent", replace(attempt, owner="two"))


def test_the_bytes_of_the_first_intent_are_kept(out):
    enqueue(out, letter(1))
    attempt = claim(out)[1001, 1]
    do(out, "intent", attempt, b"first")
    assert do(out, "retry", attempt, timedelta(), "421 closing")
    again = claim(out)[1001, 1]
    do(out, "intent", again, b"second")
    with out.read() as tx:
        assert tx.outbox.get(again.id).wire == b"first"
        assert tx.outbox.get(999) is None


def test_a_letter_taken_back_does_not_leave_and_one_past_its_intent_is_not_taken_back(out):
    enqueue(out, letter(1), letter(2, CARL), letter(3, case=1002))
    attempts = claim(out)
    assert do(out, "intent", attempts[1001, 2])
    assert do(out, "cancel", 1001, (1, 2, 3), "answered") == (1,)
    assert not do(out, "intent", attempts[1001, 1])
    assert not do(out, "retry", attempts[1001, 1], MINUTE, "")
    assert states(out) == [OutState.CANCELLED, OutState.INTENT]
    assert states(out, 1002) == [OutState.CLAIMED]


def test_an_unknown_letter_is_settled_by_evidence_once(out):
    enqueue(out, letter(1), letter(2, CARL))
    for attempt in claim(out).values():
        do(out, "intent", attempt)
        do(out, "unknown", attempt, "cut")
    with out.begin() as tx:
        first, second = tx.outbox.letters(1001)
        assert tx.outbox.settle(first.id, True, "in the Sent folder", MONDAY + HOUR)
        assert tx.outbox.settle(second.id, False, "asked the server's admin", MONDAY)
        assert not tx.outbox.settle(second.id, True, "", MONDAY)
        first, second = tx.outbox.letters(1001)
    assert (first.state, first.sent_at, first.evidence) == (OutState.SENT, MONDAY + HOUR, "in the Sent folder")
    assert (second.state, second.sent_at) == (OutState.CANCELLED, None)


def test_a_deliverer_gives_back_what_it_has_not_begun(out):
    enqueue(out, letter(1), letter(2, CARL))
    attempts = claim(out)
    do(out, "intent", attempts[1001, 1])
    assert do(out, "give_back", "one") == 1
    assert states(out) == [OutState.INTENT, OutState.READY]


def test_after_a_restore_nothing_leaves_until_a_person_lets_it(out):
    enqueue(
        out, letter(1), letter(2, CARL), letter(3, case=1002), letter(4, "", state=OutState.HELD, reason="no address")
    )
    do(out, "intent", claim(out, limit=1)[1001, 1])
    assert do(out, "hold_unsent", "restored from a backup") == 2
    assert states(out) == [OutState.UNKNOWN, OutState.HELD, OutState.HELD]
    assert claim(out) == {}
    with out.begin() as tx:
        letters = tx.outbox.letters(1001)
        assert tx.outbox.release(letters[1].id)
        assert not tx.outbox.release(letters[2].id)  # There is no address to send it to.
    assert set(claim(out)) == {(1001, 2)}


def test_failures_are_told_once(out):
    enqueue(out, letter(1))
    attempt = claim(out)[1001, 1]
    do(out, "dead", attempt, "550 no such user")
    with out.begin() as tx:
        (row,) = tx.outbox.untold()
        assert row.posting.reason == "550 no such user"
        tx.outbox.mark_told(row.id)
        assert tx.outbox.untold() == ()


def test_channels_are_delivered_apart(out):
    enqueue(
        out, letter(1), replace(letter(2), channel=SLACK, recipient="thread", number=None, message_id=None, name="card")
    )
    with out.begin() as tx:
        (card,) = tx.outbox.claim("one", MONDAY, MINUTE, 10, SLACK)
        assert card.posting.name == "card"
        assert not tx.outbox.touch(1001, SLACK, "card")
        assert tx.outbox.counts() == {(MAIL, OutState.READY): 1, (SLACK, OutState.CLAIMED): 1}
        assert tx.outbox.in_flight(MONDAY) == 2
        assert tx.outbox.in_flight(MONDAY - SECOND) == 0


def test_what_was_written_to_an_address_is_known_across_cases(out):
    enqueue(out, letter(1), letter(1, case=1002, not_before=MONDAY + HOUR), letter(2, CARL))
    send(out, claim(out)[1001, 1])
    do(out, "cancel", 1001, (2,), "")
    with out.read() as tx:
        assert set(tx.outbox.written((WANDA, CARL), MONDAY)) == {
            Written(WANDA, 1001, Sending.UNASKED, MONDAY),
            Written(WANDA, 1002, Sending.UNASKED, MONDAY + HOUR),
        }
        assert tx.outbox.written((WANDA,), MONDAY + 2 * HOUR) == ()
        assert tx.outbox.written((), MONDAY) == ()
        assert tx.outbox.thread(1001, Role.WORKER) == ("<d.1001.1.mac@market.example>",)
        assert tx.outbox.thread(1001, Role.CLIENT) == ()


def test_the_machine_s_clock_and_the_business_clock_are_apart(out, machine):
    enqueue(out, letter(1))
    attempt = claim(out, now=MONDAY + 1000 * HOUR)[1001, 1]
    assert do(out, "expire") == (0, 0)  # The business clock leapt; the claim is a second old.
    machine.wait(MINUTE)
    assert do(out, "expire") == (1, 0)
    assert not do(out, "intent", attempt)


# --- Several deliverers ----------------------------------------------------------------------------------------------


def test_two_deliverers_never_get_the_same_row_and_keep_the_order(out):
    for number in range(1, 41):
        enqueue(out, letter(number, WANDA if number % 2 else CARL, 1001 + number % 4 // 2))
    barrier, claimed, sent, errors = Barrier(4), list[int](), [], []

    def work(owner: str) -> None:
        barrier.wait()
        try:
            idle = 0
            while idle < 50:
                rows = claim(out, owner, limit=2)
                idle = 0 if rows else idle + 1
                claimed.extend(attempt.id for attempt in rows.values())
                for key, attempt in rows.items():
                    if do(out, "intent", attempt):
                        sent.append(key)
                        assert do(out, "sent", attempt, MONDAY)
        except Exception as error:  # noqa: BLE001 - a thread's errors are looked at below.
            errors.append(error)

    threads = [Thread(target=work, args=(f"d{n}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert errors == []
    assert len(claimed) == len(set(claimed)) == 40
    assert sorted(number for _, number in sent) == list(range(1, 41))
    for case in (1001, 1002):
        for parity in (0, 1):
            own = [number for of, number in sent if of == case and number % 2 == parity]
            assert own == sorted(own)


def test_of_a_cancellation_and_an_intent_at_the_same_moment_one_wins(out):
    for number in range(1, 13):
        enqueue(out, letter(number, f"w{number}@worker.example"))
    attempts = claim(out, limit=20)
    barrier, passed, cancelled = Barrier(2), set[int](), set[int]()

    def deliver() -> None:
        barrier.wait()
        passed.update(number for (_, number), attempt in attempts.items() if do(out, "intent", attempt))

    def decide() -> None:
        barrier.wait()
        for number in range(12, 0, -1):
            with out.begin() as tx:
                cancelled.update(tx.outbox.cancel(1001, (number,), "answered"))

    threads = [Thread(target=deliver), Thread(target=decide)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert passed | cancelled == set(range(1, 13))
    assert passed & cancelled == set()
