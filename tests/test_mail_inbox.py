"""The mailbox reader against real IMAP servers; where one must misbehave to the byte, against a few scripted lines."""

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Self

import pytest
from imapclient import IMAPClient

from bot.flows.mail import Verdict
from bot.mail.inbox import KEYWORD, PACE, Desk, Fetched, Pace, Reader, pause_s
from bot.mail.parse import parse
from bot.settings import ImapUrl
from tests.servers import SUPPORT, Dovecot, Pymap, dovecot, free_port, postfix, pymap

QUICK = replace(PACE, poll_every_s=1.0, connect_timeout_s=1.0, read_timeout_s=2.0, pause_max_s=0.3)
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


@dataclass
class Office:
    """Stands where the store stands: remembers what it was given, and in which order things happened."""

    mails: list[Fetched] = field(default_factory=list)
    polls: list[datetime] = field(default_factory=list)
    told: list[tuple[bool, str]] = field(default_factory=list)
    known: set[tuple[str | None, str]] = field(default_factory=set)
    at: tuple[int, int] | None = None
    wanted: bool = False
    broken: bool = False
    on_store: Callable[[], None] = lambda: None

    def store(self, mails: Sequence[Fetched]) -> None:
        if self.broken:
            raise OSError("the database cannot be reached")
        self.on_store()
        for mail in mails:
            if (mail.message_id, mail.sha256) not in self.known:
                self.known.add((mail.message_id, mail.sha256))
                self.mails.append(mail)
        self.at = (mails[-1].uidvalidity, mails[-1].uid)

    def polled(self, at: datetime) -> None:
        self.polls.append(at)
        self.wanted = False

    def desk(self) -> Desk:
        return Desk(
            cursor=lambda: self.at,
            store=self.store,
            polled=self.polled,
            wanted=lambda: self.wanted,
            told=lambda reachable, reason: self.told.append((reachable, reason)),
            now=lambda: datetime.now(UTC),
            jitter=lambda: 0.0,
        )

    def subjects(self) -> list[str]:
        return [mail.raw.split(b"Subject: ")[1].split(b"\r\n")[0].decode() for mail in self.mails]


def until(true: Callable[[], bool], within_s: float = 15.0) -> None:
    end = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


@contextlib.contextmanager
def reading(url: ImapUrl, office: Office, pace: Pace = QUICK, since: datetime = LONG_AGO) -> Iterator[Reader]:
    reader = Reader(url, since, office.desk(), pace)
    reader.start()
    try:
        yield reader
    finally:
        reader.stop()


def mail(subject: str, body: str = "hello", message_id: str = "") -> bytes:
    named = message_id or f"<{subject.replace(' ', '-')}@worker.example>"
    head = f"From: dana@worker.example\r\nTo: {SUPPORT}\r\nSubject: {subject}\r\nMessage-ID: {named}\r\n"
    return (head + f"\r\n{body}\r\n").encode()


def put(server: Pymap, raw: bytes, at: datetime | None = None) -> None:
    with IMAPClient("127.0.0.1", server.port, ssl=False) as client:
        client.login(server.url().user, server.url().password)
        client.append("INBOX", raw, msg_time=at)


@pytest.fixture
def server() -> Iterator[Pymap]:
    with pymap() as running:
        yield running


RECENTLY = datetime.now(UTC) - timedelta(hours=1)


def test_what_is_there_is_stored_with_its_key_and_what_comes_follows_at_once(server):
    put(server, mail("first"))
    office = Office()
    with reading(server.url(), office, replace(QUICK, poll_every_s=30.0), since=RECENTLY):
        until(lambda: len(office.polls) == 1)
        put(server, mail("second"))
        until(lambda: len(office.mails) == 2, within_s=5)  # By IDLE: the next poll is 30 seconds away.
    first, second = office.mails
    assert office.subjects() == ["first", "second"]
    assert first.raw == mail("first")
    assert first.key == f"imap:{first.uidvalidity}:{first.uid}"
    assert second.uid == first.uid + 1
    assert first.message_id == "<first@worker.example>"
    assert first.cut is None
    assert first.internaldate.tzinfo is not None
    assert office.told[-1] == (True, "")


def test_mail_received_before_the_given_moment_is_left_alone(server):
    put(server, mail("old"), datetime.now(UTC) - timedelta(hours=3))
    put(server, mail("new"))
    office = Office()
    with reading(server.url(), office, since=RECENTLY):
        until(lambda: bool(office.polls))
    assert office.subjects() == ["new"]


def test_somebody_who_waits_for_a_poll_gets_one_and_a_wake_gives_one_too(server):
    office = Office()
    with reading(server.url(), office, replace(QUICK, poll_every_s=60.0), since=RECENTLY) as reader:
        until(lambda: len(office.polls) == 1)
        office.wanted = True
        until(lambda: len(office.polls) == 2, within_s=4)
        reader.wake()
        until(lambda: len(office.polls) == 3, within_s=4)


def test_nothing_is_marked_as_seen(server):
    put(server, mail("first"))
    office = Office()
    with reading(server.url(), office, since=RECENTLY):
        until(lambda: bool(office.polls))
    with IMAPClient("127.0.0.1", server.port, ssl=False) as client:
        client.login(server.url().user, server.url().password)
        client.select_folder("INBOX", readonly=True)
        (flags,) = client.get_flags([office.mails[0].uid]).values()
    assert b"\\Seen" not in flags


def test_a_mail_over_the_limit_comes_cut_with_its_reason_and_the_one_behind_it_whole(server):
    put(server, mail("huge", "x" * 50_000))
    put(server, mail("next"))
    office = Office()
    with reading(server.url(), office, replace(QUICK, size_bytes_max=10_000, cut_bytes=2_000), since=RECENTLY):
        until(lambda: bool(office.polls))
    huge, following = office.mails
    assert huge.cut is not None
    assert "over the limit of 10000" in huge.cut
    assert len(huge.raw) == 2_000
    assert huge.size_bytes > 50_000
    assert huge.message_id == "<huge@worker.example>"
    assert following.cut is None


def test_a_store_that_fails_loses_nothing_and_is_told(server):
    put(server, mail("first"))
    office = Office(broken=True)
    with reading(server.url(), office, since=RECENTLY):
        until(lambda: any("database" in reason for _, reason in office.told))
        assert office.polls == []
        office.broken = False
        until(lambda: bool(office.polls))
    assert office.subjects() == ["first"]


def test_a_server_that_dies_and_returns_with_another_uidvalidity_is_read_again_without_doubles():
    port = free_port()
    office = Office()
    with contextlib.ExitStack() as stack:
        with pymap(port) as before:
            put(before, mail("first"))
            stack.enter_context(reading(before.url(), office, since=RECENTLY))
            until(lambda: bool(office.polls))
        until(lambda: not office.told[-1][0])
        with pymap(port) as after:
            put(after, mail("first"))
            put(after, mail("second"))
            until(lambda: len(office.mails) == 2)
    assert office.subjects() == ["first", "second"]
    assert len({one.uidvalidity for one in office.mails}) == 2


def test_an_unreachable_server_is_told_and_tried_again_until_it_is_there():
    port = free_port()
    office = Office()
    url = ImapUrl("127.0.0.1", port, "support", "a-password", "INBOX", False)
    with reading(url, office, since=RECENTLY):
        until(lambda: len(office.told) >= 2)
        assert not office.told[-1][0]
        assert "refused" in office.told[-1][1]
        with pymap(port):
            until(lambda: bool(office.polls))
            assert office.told[-1] == (True, "")


def test_a_refused_login_is_told_without_the_password(server):
    office = Office()
    with reading(replace(server.url(), password="not-this-one"), office):
        until(lambda: bool(office.told))
    assert not office.told[0][0]
    assert "not-this-one" not in office.told[0][1]


def test_the_pause_between_attempts_doubles_up_to_its_limit_and_is_spread():
    assert [pause_s(n, 1.0, 60.0) for n in (1, 2, 3, 7, 400)] == [1.0, 2.0, 4.0, 60.0, 60.0]
    assert pause_s(3, 0.0, 60.0) == 2.0


# --- a server that misbehaves ------------------------------------------------------------------------------

HELLO = b"* OK [CAPABILITY IMAP4rev1 IDLE] ready\r\n"
SELECTED = b"* %d EXISTS\r\n* OK [UIDVALIDITY 7] .\r\n* OK [UIDNEXT %d] .\r\n* OK [PERMANENTFLAGS (\\Seen)] .\r\n"


class Scripted:
    """A loopback IMAP server that answers each command as told: for servers that break off or go silent."""

    def __init__(self, answer: Callable[[str, bytes], bytes | None], uidnext: int = 1) -> None:
        self.connections = 0
        self._answer = answer
        self._uidnext = uidnext
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open = True
        threading.Thread(target=self._serve, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._open = False
        self._listener.close()

    def url(self) -> ImapUrl:
        return ImapUrl("127.0.0.1", self._listener.getsockname()[1], "support", "a-password", "INBOX", False)

    def _serve(self) -> None:
        while self._open:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._talk, args=(connection,), daemon=True).start()

    def _talk(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rb") as lines, contextlib.suppress(OSError):
            connection.sendall(HELLO)
            for line in lines:
                tag, _, command = line.rstrip(b"\r\n").partition(b" ")
                name = command.decode().removeprefix("UID ").split(" ")[0].upper()
                reply = self._answer(name, command)
                if reply is None:
                    return
                if not reply:
                    if name == "SELECT":
                        reply = SELECTED % (self._uidnext - 1, self._uidnext)
                    elif name == "CAPABILITY":
                        reply = b"* CAPABILITY IMAP4rev1 IDLE\r\n"
                    reply += b"%s OK done\r\n"
                first, _, later = reply.replace(b"%s", tag).partition(b"|")
                connection.sendall(first)
                if later:
                    time.sleep(0.2)  # A packet of its own, as a server would send it.
                    connection.sendall(later)


def test_a_bye_in_idle_is_a_disconnect_and_does_not_spin():
    def answer(name: str, command: bytes) -> bytes | None:
        return b"+ idling\r\n|* BYE going down\r\n" if name == "IDLE" else b""

    office = Office()
    with Scripted(answer) as server, reading(server.url(), office):
        until(lambda: server.connections >= 2)
        assert any("BYE" in reason for _, reason in office.told)
        assert server.connections < 20


def test_a_connection_that_closes_in_idle_is_a_disconnect_and_does_not_spin():
    idles: list[bytes] = []

    def answer(name: str, command: bytes) -> bytes | None:
        if name == "IDLE":
            idles.append(command)
            return None
        return b""

    office = Office()
    with Scripted(answer) as server, reading(server.url(), office):
        until(lambda: server.connections >= 3)
        assert len(idles) <= server.connections
        assert not all(reachable for reachable, _ in office.told)


def test_a_server_that_goes_silent_is_given_up_after_the_read_timeout():
    def answer(name: str, command: bytes) -> bytes | None:
        return b"* OK thinking\r\n" if name == "SELECT" else b""

    office = Office()
    with Scripted(answer) as server, reading(server.url(), office, replace(QUICK, read_timeout_s=0.3)):
        until(lambda: server.connections >= 2)
        assert "timed out" in office.told[0][1]


def test_a_stop_does_not_wait_for_a_silent_server():
    def answer(name: str, command: bytes) -> bytes | None:
        return b"* OK thinking\r\n" if name == "SELECT" else b""

    office = Office()
    with Scripted(answer) as server:
        reader = Reader(server.url(), LONG_AGO, office.desk(), replace(QUICK, read_timeout_s=60.0))
        reader.start()
        until(lambda: server.connections == 1)
        begun = time.monotonic()
        reader.stop()
        assert time.monotonic() - begun < 2.0
        until(lambda: not reader.alive, within_s=1)


def test_a_mail_on_which_the_server_breaks_off_is_given_up_with_its_reason_and_those_behind_it_are_read():
    def answer(name: str, command: bytes) -> bytes | None:
        if name == "SEARCH":
            return b"* SEARCH 1 2 3\r\n%s OK done\r\n"
        if name == "FETCH" and b"RFC822.SIZE" in command:
            line = b'* %d FETCH (UID %d RFC822.SIZE 30 INTERNALDATE "01-Feb-2026 10:00:00 +0000")\r\n'
            return b"".join(line % (uid, uid) for uid in (1, 2, 3)) + b"%s OK done\r\n"
        if name == "FETCH":
            uids = [int(uid) for uid in command.split()[2].split(b",")]
            if 2 in uids:
                return None
            raw = b"Subject: m\r\n\r\nhi"
            parts = b"".join(b"* %d FETCH (UID %d BODY[] {%d}\r\n%b)\r\n" % (u, u, len(raw), raw) for u in uids)
            return parts + b"%s OK done\r\n"
        return b""

    office = Office()
    # Three like mails without Message-ID would be one to the store; the keys tell them apart here.
    stored: list[Fetched] = []
    desk = replace(office.desk(), store=stored.extend, cursor=lambda: (7, stored[-1].uid) if stored else None)
    with Scripted(answer, uidnext=4) as server:
        reader = Reader(server.url(), LONG_AGO, desk, QUICK)
        reader.start()
        until(lambda: len(stored) == 3)
        reader.stop()
    assert [one.uid for one in stored] == [1, 2, 3]
    assert [one.cut is None for one in stored] == [True, False, True]
    assert "failed 3 times" in (stored[1].cut or "")


# --- Debian's Dovecot -----------------------------------------------------------------------------------------


@pytest.fixture
def mailbox() -> Iterator[Dovecot]:
    with dovecot() as running:
        yield running


@pytest.mark.servers
def test_dovecot_mail_is_stored_before_it_is_marked_with_our_keyword(mailbox):
    mailbox.deliver(mail("first"))
    marked_when_stored: list[tuple[bytes, ...]] = []

    def look() -> None:
        with IMAPClient("127.0.0.1", mailbox.imap_port, ssl=False) as client:
            client.login(SUPPORT, mailbox.url().password)
            client.select_folder("INBOX", readonly=True)
            marked_when_stored.extend(client.get_flags(client.search()).values())

    office = Office(on_store=look)
    with reading(mailbox.url(), office, replace(QUICK, poll_every_s=30.0)):
        until(lambda: bool(office.polls))
        mailbox.deliver(mail("second"))
        until(lambda: len(office.mails) == 2, within_s=5)
    assert KEYWORD not in marked_when_stored[0]
    marked_when_stored.clear()
    look()
    assert all(KEYWORD in flags and b"\\Seen" not in flags for flags in marked_when_stored)
    assert office.mails[0].raw.endswith(mail("first"))


@pytest.mark.servers
def test_dovecot_a_mail_nested_2000_deep_and_one_without_from_do_not_stop_those_behind_them(mailbox):
    deep = b"From: a@worker.example\r\n" + b"Content-Type: multipart/mixed; boundary=b\r\n\r\n"
    deep += b"".join(
        b"--b%s\r\nContent-Type: multipart/mixed; boundary=b%d\r\n\r\n" % (b"" if n == 1 else b"%d" % (n - 1), n)
        for n in range(1, 2000)
    )
    mailbox.deliver(deep)
    mailbox.deliver(b"Subject: nobody\r\n\r\nhi\r\n")
    mailbox.deliver(mail("behind"))
    office = Office()
    with reading(mailbox.url(), office):
        until(lambda: len(office.mails) == 3)
    assert office.mails[0].raw.endswith(deep)


@pytest.mark.servers
def test_dovecot_many_mails_come_in_windows_and_batches_each_once(mailbox):
    for number in range(120):
        mailbox.deliver(mail(f"number {number}"))
    office = Office()
    with reading(mailbox.url(), office, replace(QUICK, window_uids=50, batch_mails=7)):
        until(lambda: len(office.polls) >= 2, within_s=30)
    assert office.subjects() == [f"number {number}" for number in range(120)]


@pytest.mark.servers
def test_dovecot_a_folder_that_is_not_there_is_told(mailbox):
    office = Office()
    with reading(mailbox.url(folder="Nowhere"), office):
        until(lambda: bool(office.told))
    assert not office.told[0][0]


@pytest.mark.servers
def test_a_mail_through_postfix_and_dovecot_keeps_its_token_and_its_authentication(mailbox):
    stamped = b"Authentication-Results: mx.parley.example; dmarc=pass\r\n" + mail("first")
    office = Office()
    with postfix(mailbox.lmtp_port) as mta, reading(mailbox.url(), office, replace(QUICK, poll_every_s=30.0)):
        until(lambda: bool(office.polls))
        mta.send(stamped, "support+tok.abc@parley.example")
        until(lambda: bool(office.mails))
    read = parse(office.mails[0].raw, "mx.parley.example")
    assert read.verdict is Verdict.PASS
    assert read.recipients == ("support+tok.abc@parley.example", SUPPORT)
