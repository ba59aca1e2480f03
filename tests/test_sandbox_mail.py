"""The sandbox's mail: doors, routing, stamps, faults, and pymap brought back with its mails when it hangs."""

import imaplib
import os
import signal
import smtplib
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email import message_from_bytes

import pytest

from bot.flows.mail import Verdict
from bot.mail.parse import parse
from bot.sandbox import imap
from bot.sandbox.clock import Clock
from bot.sandbox.mail import AUTHSERV_ID, SUPPORT, Auth, Post, Refused, SmtpFault, depth, shown

NOW = datetime(2026, 9, 14, 14, tzinfo=UTC)
WORKER, CLIENT = "wanda@worker.example", "carl@client.example"


def mail(text: str = "Hello", more: str = "") -> bytes:
    return f"From: Wanda <{WORKER}>\r\nSubject: A question\r\n{more}\r\n{text}\r\n".encode()


@pytest.fixture(scope="module")
def post(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Post]:
    post = Post(tmp_path_factory.mktemp("post"), lambda: NOW)
    post.start()
    post.wait_ready()
    yield post
    post.stop()


@pytest.fixture(autouse=True)
def well(post: Post) -> Iterator[None]:
    yield
    post.set_smtp(SmtpFault.OK)
    post.set_imap(True)


def inbox(post: Post) -> list[bytes]:
    """The support mailbox over the wire, as the bot reads it."""
    line = imaplib.IMAP4("127.0.0.1", post.imap_port, timeout=10)
    line.login(imap.USER, imap.PASSWORD)
    line.select("INBOX", readonly=True)
    _, told = line.search(None, "ALL")
    found = [line.fetch(number.decode(), "(INTERNALDATE RFC822)")[1] for number in told[0].split()]
    line.logout()
    return [each[0][1] for each in found if isinstance(each[0], tuple)]


def letter(post: Post, to: str = WORKER, text: str = "A letter") -> None:
    with smtplib.SMTP("127.0.0.1", post.bot_port, timeout=5) as line:
        line.sendmail(SUPPORT, [to], f"From: {SUPPORT}\r\nSubject: S\r\n\r\n{text}\r\n".encode())


def test_mail_to_support_and_its_reply_addresses_goes_to_the_mailbox_that_the_bot_reads(post: Post) -> None:
    before = len(inbox(post))
    post.hand_in(WORKER, [SUPPORT], mail("first"))
    post.hand_in(WORKER, ["Support+abc.def@parley.example"], mail("second"))
    texts = [raw.rsplit(b"\r\n\r\n", 1)[1] for raw in inbox(post)[before:]]
    assert texts == [b"first\r\n", b"second\r\n"]


def test_mail_to_anybody_else_is_kept_by_address(post: Post) -> None:
    letter(post, CLIENT, "for Carl")
    assert shown(post.received(CLIENT.upper())[-1])["text"] == "for Carl\n"
    assert b"for Carl" not in b"".join(inbox(post))


@pytest.mark.parametrize(
    ("auth", "verdict"), [(Auth.PASS, Verdict.PASS), (Auth.FAIL, Verdict.FAIL), (Auth.NONE, Verdict.NONE)]
)
def test_the_door_says_what_it_found_out_about_the_sender(post: Post, auth: Auth, verdict: Verdict) -> None:
    post.hand_in(WORKER, [SUPPORT], mail(auth), auth)
    raw = inbox(post)[-1]
    assert parse(raw, AUTHSERV_ID).verdict is verdict
    assert b"X-Sandbox" not in raw


def test_a_forged_finding_is_taken_out(post: Post) -> None:
    forged = f"Authentication-Results: {AUTHSERV_ID};\r\n dmarc=pass header.from=worker.example\r\n"
    post.hand_in(WORKER, [SUPPORT], mail("forged", forged), Auth.FAIL)
    raw = inbox(post)[-1]
    assert raw.count(b"Authentication-Results") == 1
    assert parse(raw, AUTHSERV_ID).verdict is Verdict.FAIL


def test_a_mail_without_a_date_is_dated_now_and_one_with_a_date_keeps_it(post: Post) -> None:
    post.hand_in(WORKER, [SUPPORT], mail("undated"))
    assert parse(inbox(post)[-1]).date == NOW
    post.hand_in(WORKER, [SUPPORT], mail("dated", "Date: Mon, 07 Sep 2026 08:00:00 -0400\r\n"))
    assert parse(inbox(post)[-1]).date == NOW - timedelta(days=7, hours=2)


def test_the_door_refuses_what_would_break_the_mailbox(post: Post) -> None:
    head = "".join(f"Content-Type: multipart/mixed; boundary=b{n}\r\n\r\n--b{n}\r\n" for n in range(150))
    with pytest.raises(Refused, match="nested 150 deep"):
        post.hand_in(WORKER, [SUPPORT], f"From: {WORKER}\r\n{head}".encode())
    with pytest.raises(Refused, match="552"):
        post.hand_in(WORKER, [SUPPORT], mail() + b"x" * 36_700_161)


def test_parts_side_by_side_are_not_deep() -> None:
    side = b"--a\r\nContent-Type: message/rfc822\r\n\r\nSubject: x\r\n\r\nx\r\n"
    assert depth(b"Content-Type: multipart/mixed; boundary=a\r\n\r\n" + side * 200 + b"--a--\r\n") == 2


def test_long_lines_and_bare_line_feeds_pass(post: Post) -> None:
    post.hand_in(WORKER, [SUPPORT], f"From: {WORKER}\nSubject: long\n\n{'x' * 20_000}\n".encode())
    assert len(message_from_bytes(inbox(post)[-1]).get_payload()) == 20_002


def _talk_on(line: smtplib.SMTP) -> None:
    for _ in range(50):
        line.noop()
        time.sleep(0.02)


def test_the_bots_server_can_be_down_and_come_back(post: Post) -> None:
    with smtplib.SMTP("127.0.0.1", post.bot_port, timeout=5) as open_before:
        post.set_smtp(SmtpFault.DOWN)
        with pytest.raises(smtplib.SMTPServerDisconnected):
            _talk_on(open_before)
        with pytest.raises((smtplib.SMTPException, OSError)):
            letter(post)
        post.hand_in(WORKER, [SUPPORT], mail("people still write"))
        post.set_smtp(SmtpFault.OK)
        letter(post)


def test_the_bots_server_can_refuse_every_recipient(post: Post) -> None:
    post.set_smtp(SmtpFault.REFUSE)
    with pytest.raises(smtplib.SMTPRecipientsRefused):
        letter(post)


def test_a_cut_after_the_final_dot_delivers_the_letter_and_answers_nothing(post: Post) -> None:
    before = len(post.received(WORKER))
    post.set_smtp(SmtpFault.CUT)
    with pytest.raises(smtplib.SMTPServerDisconnected):
        letter(post)
    assert len(post.received(WORKER)) == before + 1


def test_the_mailbox_can_be_out_of_reach_while_mail_still_comes_in(post: Post) -> None:
    post.set_imap(False)
    with pytest.raises((OSError, imaplib.IMAP4.abort)):
        inbox(post)
    post.hand_in(WORKER, [SUPPORT], mail("meanwhile"))
    post.set_imap(True)
    assert b"meanwhile" in inbox(post)[-1]


@pytest.mark.parametrize("how", [signal.SIGSTOP, pytest.param(signal.SIGKILL, marks=pytest.mark.slow)])
def test_a_mailbox_that_hangs_or_died_comes_back_with_all_its_mail(post: Post, how: signal.Signals) -> None:
    before = inbox(post)
    os.kill(post.inbox.process_id or 0, how)
    line = post.inbox._line
    assert line is not None
    line.sock.settimeout(0.5)  # In place of a quarter of a minute.
    post.hand_in(WORKER, [SUPPORT], mail("after"))
    assert inbox(post)[:-1] == before


def test_a_clock_can_be_held_moved_and_let_go() -> None:
    machine = [NOW]
    clock = Clock.at(NOW + timedelta(days=3), lambda: machine[0])
    machine[0] += timedelta(seconds=5)
    assert clock.now() == NOW + timedelta(days=3, seconds=5)
    assert clock.hold() == clock.hold(NOW)  # It never goes back.
    clock.hold(NOW + timedelta(days=4))
    machine[0] += timedelta(hours=1)
    assert clock.now() == NOW + timedelta(days=4)
    clock.run()
    machine[0] += timedelta(seconds=1)
    assert clock.now() == NOW + timedelta(days=4, seconds=1)
