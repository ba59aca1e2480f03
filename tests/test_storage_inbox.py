"""The inbox, beats, leases and the imported directory, on both engines."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from threading import Barrier, Thread

import pytest

from bot.flows.events import Listing
from bot.flows.mail import Verdict
from bot.storage.inbox import CLAIM, MAIL, SLACK, InboxState, Put
from bot.storage.knowledge import Assignment, Correction, File, StaffMember
from bot.storage.mails import Filing, MailState
from bot.storage.store import Store, database_url

pytest_plugins = ["tests.databases"]

MONDAY = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def put(store, *keys, source=MAIL):
    with store.begin() as tx:
        return [tx.inbox.put(source, key, f"raw {key}".encode(), MONDAY) for key in keys]


def test_a_mail_is_stored_once_whatever_comes_twice(store):
    (first,) = put(store, "INBOX:7:1")
    assert first == Put(1, new=True)
    with store.begin() as tx:
        assert tx.inbox.put(MAIL, "INBOX:7:1", b"other bytes under the same key", MONDAY) == Put(1, new=False)
        assert tx.inbox.put(MAIL, "INBOX:8:93", b"raw INBOX:7:1", MONDAY) == Put(1, new=False)
        assert tx.inbox.put(SLACK, "Ev1", b"raw INBOX:7:1", MONDAY).new


def test_rows_are_read_oldest_first_and_by_one_reader_at_a_time(store, machine):
    put(store, "a", "b", "c")
    put(store, "d", source=SLACK)
    with store.begin() as tx:
        assert [row.external_key for row in tx.inbox.claim_new(2)] == ["a", "b"]
        assert [row.external_key for row in tx.inbox.claim_new(5, MAIL)] == ["c"]
        assert [row.external_key for row in tx.inbox.claim_new(5)] == ["d"]
        assert tx.inbox.claim_new(5) == ()
    machine.wait(CLAIM)
    with store.begin() as tx:
        assert len(tx.inbox.claim_new(5)) == 4


def test_who_is_alone_at_the_store_takes_a_dead_readers_rows_over_at_once(store):
    put(store, "a")
    put(store, "b")
    with store.begin() as tx:
        tx.inbox.claim_new(1)
        tx.inbox.release()
        assert [row.external_key for row in tx.inbox.claim_new(5)] == ["a", "b"]


def test_a_row_is_done_once(store):
    put(store, "a")
    with store.begin() as tx:
        assert tx.inbox.done(1)
        assert not tx.inbox.done(1)
        tx.inbox.quarantine(1, "too late")
        assert tx.inbox.get(1).state is InboxState.DONE


def test_what_cannot_be_read_waits_in_quarantine_with_its_reason_and_can_be_replayed(store):
    put(store, "a", "b")
    with store.begin() as tx:
        tx.inbox.quarantine(1, "nested 2,000 deep")
    with store.begin() as tx:
        (row,) = tx.inbox.quarantined()
        assert (row.id, row.reason, row.tries) == (1, "nested 2,000 deep", 1)
        assert [each.id for each in tx.inbox.claim_new(5)] == [2]
        assert tx.inbox.replay(1)
        assert not tx.inbox.replay(1)
        assert [each.id for each in tx.inbox.claim_new(5)] == [1]
        assert tx.inbox.counts() == {InboxState.NEW: 2, InboxState.DONE: 0, InboxState.QUARANTINED: 0}


def test_a_failed_reading_is_counted_and_tried_again_after_its_wait(store, machine):
    put(store, "a")
    with store.begin() as tx:
        tx.inbox.claim_new(1)
        assert tx.inbox.retry(1, "the directory did not answer", MINUTE) == 1
        assert tx.inbox.claim_new(1) == ()
    machine.wait(MINUTE)
    with store.begin() as tx:
        (row,) = tx.inbox.claim_new(1)
        assert (row.tries, row.reason) == (1, "the directory did not answer")
        assert tx.inbox.retry(1, "again") == 2
        assert tx.inbox.retry(77, "no such row") == 0


def test_it_is_known_whether_mail_stored_by_a_poll_is_still_unread(store):
    put(store, "a")
    with store.begin() as tx:
        assert tx.inbox.unread(MAIL, MONDAY)
        assert not tx.inbox.unread(MAIL, MONDAY - MINUTE)
        assert not tx.inbox.unread(SLACK, MONDAY)
        tx.inbox.done(1)
        assert not tx.inbox.unread(MAIL, MONDAY)


def test_many_readers_never_get_the_same_row(store):
    put(store, *(f"k{n}" for n in range(60)))
    barrier, got = Barrier(4), list[int]()

    def read() -> None:
        barrier.wait()
        while True:
            with store.begin() as tx:
                rows = tx.inbox.claim_new(3)
            if not rows:
                return
            got.extend(row.id for row in rows)

    threads = [Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(got) == list(range(1, 61))


def test_two_processes_that_store_the_same_mail_store_one(store):
    barrier, results = Barrier(4), []

    def work() -> None:
        barrier.wait()
        for n in range(10):
            with store.begin() as tx:
                results.append(tx.inbox.put(MAIL, f"k{n}", f"{n}".encode(), MONDAY))

    threads = [Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(results) == 40
    assert sum(result.new for result in results) == 10
    assert len({result.id for result in results}) == 10


def test_filed_mails_are_found_and_can_be_refiled(store):
    put(store, "a", "b")
    filing = Filing(
        1, MailState.FILED, "<1@x.example>", MONDAY, "a@x.example", "Hi", "D-1", "token", Verdict.PASS, "dmarc"
    )
    with store.begin() as tx:
        tx.mails.add(filing, None, None, MONDAY)
        tx.mails.add(Filing(2, MailState.NOT_DISPUTE), None, None, MONDAY)
        assert tx.mails.filed(1)[0].filing == filing
        assert [row.mail_id for row in tx.mails.by_message_id(("<1@x.example>", "<2@x.example>"))] == [1]
        assert tx.mails.by_message_id(()) == ()
        tx.mails.refile(1, None, MailState.IGNORED)
        assert [row.mail_id for row in tx.mails.in_state(MailState.IGNORED)] == [1]
        assert tx.mails.of_case(1001) == ()


# --- Beats, cursors, leases ------------------------------------------------------------------------------------------


def test_a_beat_gives_the_one_before(store):
    with store.begin() as tx:
        assert tx.beats.beat("tick", MONDAY) is None
        assert tx.beats.beat("tick", MONDAY + MINUTE) == MONDAY
        assert tx.beats.last("tick") == MONDAY + MINUTE
        tx.beats.forget("tick")
        assert tx.beats.last("tick") is None


def test_the_cursor_moves_forward_and_starts_anew_under_another_uidvalidity(store):
    with store.begin() as tx:
        assert tx.beats.cursor().uid is None
        tx.beats.move(7, 4_294_967_295)
        tx.beats.move(7, 5)
        assert (tx.beats.cursor().uidvalidity, tx.beats.cursor().uid) == (7, 4_294_967_295)
        tx.beats.move(8, 1)
        assert (tx.beats.cursor().uidvalidity, tx.beats.cursor().uid) == (8, 1)
        tx.beats.move_slack("1700000000.000100", "C1")
        assert tx.beats.cursor("C1").slack_ts == "1700000000.000100"


def test_a_poll_is_wanted_until_one_began_later(store):
    with store.begin() as tx:
        assert not tx.beats.cursor().wanted
        tx.beats.want_poll(MONDAY)
        assert tx.beats.cursor().wanted
        tx.beats.polled(MONDAY - MINUTE)
        assert tx.beats.cursor().wanted
        tx.beats.polled(MONDAY)
        assert not tx.beats.cursor().wanted


def test_a_lease_is_held_by_one_and_its_token_grows_with_each_holder(store, machine):
    with store.begin() as tx:
        assert tx.beats.take("reader", "one", MINUTE) == 1
        assert tx.beats.take("reader", "one", MINUTE) == 1
        assert tx.beats.take("reader", "two", MINUTE) is None
        assert tx.beats.lease_holder("reader") == "one"
    machine.wait(2 * MINUTE)
    with store.begin() as tx:
        assert not tx.beats.holds("reader", 1)
        assert tx.beats.take("reader", "two", MINUTE) == 2
        assert tx.beats.take("reader", "one", MINUTE) is None
        assert tx.beats.holds("reader", 2)
        tx.beats.release("reader", "one")
        assert tx.beats.holds("reader", 2)
        tx.beats.release("reader", "two")
        assert tx.beats.take("reader", "one", MINUTE) == 3


def test_only_one_of_many_gets_a_free_lease(store):
    barrier, tokens = Barrier(4), []

    def work(name: str) -> None:
        barrier.wait()
        with store.begin() as tx:
            tokens.append(tx.beats.take("reader", name, MINUTE))

    threads = [Thread(target=work, args=(f"{n}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(str(token) for token in tokens) == ["1", "None", "None", "None"]


def test_leases_use_the_database_s_clock_where_no_other_is_given(url):
    store = Store(url)
    with store.begin() as tx:
        assert tx.beats.take("reader", "one", timedelta(hours=1)) == 1
        assert tx.beats.holds("reader", 1)
        assert tx.beats.take("other", "one", timedelta(hours=-1)) == 1
        assert not tx.beats.holds("other", 1)
    store.close()


# --- What is known ---------------------------------------------------------------------------------------------------

LISTING = Listing("4471829360", "Wanda", "Wanda@worker.example", "Carl", "carl@client.example")


def test_assignments_are_imported_and_imported_again(store):
    listing = replace(LISTING, worker_zone="America/Chicago", due_on=date(2026, 3, 1), paid_on=date(2026, 3, 2))
    with store.begin() as tx:
        assert (
            tx.knowledge.import_assignments([Assignment(LISTING), Assignment(replace(LISTING, assignment_id="2"))]) == 2
        )
        assert tx.knowledge.import_assignments([Assignment(listing, "120.50")]) == 1
        assert tx.knowledge.count_assignments() == 2
        (found,) = tx.knowledge.assignments(["4471829360", "9", "4471829360"])
        assert found == Assignment(replace(listing, worker_email="wanda@worker.example"), "120.50")
        assert [each.listing.assignment_id for each in tx.knowledge.all_assignments()] == ["2", "4471829360"]


def test_staff_files_and_corrections_are_kept(store):
    put(store, "a")
    with store.begin() as tx:
        tx.knowledge.set_staff([StaffMember("U1", "Ana"), StaffMember("U2", "Lea", lead=True)])
        tx.knowledge.set_staff([StaffMember("U2", "Lea", lead=True)])
        assert tx.knowledge.staff() == (StaffMember("U2", "Lea", lead=True),)
        digest = tx.knowledge.put_file(File(b"bytes", "text/plain", "notes.txt", 1))
        assert tx.knowledge.put_file(File(b"bytes", "text/plain", "again.txt")) == digest
        assert tx.knowledge.file(digest) == File(b"bytes", "text/plain", "notes.txt", 1)
        assert tx.knowledge.file("none") is None
        correction = Correction(MONDAY, "U1", 1, "kind", "other", "rating")
        tx.knowledge.correct(correction)
        assert tx.knowledge.corrections() == (correction,)


# --- The database itself ---------------------------------------------------------------------------------------------


def test_nothing_of_a_failed_transaction_remains(store):
    with pytest.raises(ZeroDivisionError), store.begin() as tx:
        tx.inbox.retry(tx.beats.beat("tick", MONDAY) or 1 // 0, "")
    with store.read() as tx:
        assert tx.beats.all() == {}


def test_reading_waits_for_no_writer_and_sees_one_state(store):
    with store.begin() as writer, store.read() as reader:
        writer.beats.beat("tick", MONDAY)
        assert reader.beats.all() == {}
    store.ping()


def test_a_read_only_transaction_cannot_write(store):
    with pytest.raises(Exception, match=r"read-?only"), store.read() as tx:
        tx.beats.want_poll(MONDAY)
    put(store, "a")


def test_a_copy_of_a_database_in_use_is_whole(store, tmp_path):
    put(store, "a")
    copy = tmp_path / "copy.db"
    if store.engine.dialect.name == "postgresql":
        with pytest.raises(ValueError, match="pg_dump"):
            store.backup(copy)
        return
    store.backup(copy)
    copied = Store(f"sqlite:///{copy}")
    with copied.read() as tx:
        row = tx.inbox.get(1)
    assert row is not None
    assert row.raw == b"raw a"
    copied.close()


def test_urls_name_our_drivers():
    for url in ("postgres://u@h/d", "postgresql://u@h/d", "postgresql+psycopg://u@h/d"):
        assert database_url(url).drivername == "postgresql+psycopg"
    assert database_url("sqlite:///x.db").database == "x.db"
    with pytest.raises(ValueError, match="mysql"):
        database_url("mysql://u@h/d")
