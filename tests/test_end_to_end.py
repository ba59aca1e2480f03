"""A dispute from first mail to deadline, on real servers: Dovecot, Postfix, and the bot in a process of its own."""

import json
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.flows.case import Closing, Impasse, Stage
from tests.running import ID, Running, body, until
from tests.servers import Dovecot, Postfix, dovecot, postfix

pytestmark = pytest.mark.servers

PAYMENT = f"""Hello,

my payment for assignment {ID} is overdue. I finished the job on March 2 and submitted it the same day.
I wrote to the client on Tuesday, March 3 and asked for approval, no answer.
On Friday, March 6 I called them and left a message, still nothing.
Please help.

Wanda
"""


@pytest.fixture(scope="module")
def mail_servers() -> Iterator[tuple[Dovecot, Postfix]]:
    with dovecot() as mailbox, postfix(mailbox.lmtp_port) as server:
        yield mailbox, server


@pytest.fixture
def bot(mail_servers: tuple[Dovecot, Postfix], tmp_path: Path) -> Iterator[Running]:
    running = Running(tmp_path, *mail_servers)
    running.start()
    yield running
    print(running.log())  # Shown with a failed test.
    if running.process and running.process.poll() is None:
        assert running.stop() == 0, running.log()


def stage(bot: Running) -> Stage | None:
    return next((case.stage for case in bot.cases()), None)


def test_a_payment_dispute_runs_from_the_first_mail_to_a_proposed_impasse(bot: Running) -> None:
    bot.write(bot.worker, "Not paid", PAYMENT)
    receipt = bot.got(bot.worker, 1)[0]
    assert "cannot be guaranteed" in body(receipt)
    letters = bot.got(bot.client, 4, within_s=60)
    until(lambda: stage(bot) is Stage.IMPASSE, "the impasse is proposed")
    assert len(bot.mailbox(bot.client)) == 4
    assert [case.impasse for case in bot.cases()] == [Impasse.NO_RESPONSE]
    assert all(letter["Subject"] == letters[0]["Subject"] for letter in letters)
    assert letters[1]["In-Reply-To"] == letters[0]["Message-ID"]
    assert {str(letter["Auto-Submitted"]) for letter in letters} == {"auto-generated"}
    told = bot.parley("why", bot.cases()[0].label)
    assert told.returncode == 0
    for words in ("reminder", "final", "did not answer", "Who is awaited"):
        assert words in told.stdout
    shown = json.loads(bot.parley("cases", "--json").stdout)
    assert shown["stage"] == "impasse"


def test_a_reply_to_a_reminder_stops_the_clock(bot: Running) -> None:
    bot.write(bot.worker, "Not paid", PAYMENT)
    reminder = bot.got(bot.client, 2, within_s=60)[-1]
    bot.write(bot.client, f"Re: {reminder['Subject']}", "We approved the work and will pay on March 20.", reminder)
    until(lambda: stage(bot) is Stage.TALKS, "the answer is taken in")
    count = len(bot.got(bot.client, 3))
    time.sleep(8)  # Real servers and real seconds: the next reminder would have left by now.
    assert len(bot.mailbox(bot.client)) == count
    assert all(clock.who != "client" or clock.what == "status" for case in bot.cases() for clock in case.clocks)


def test_a_vague_rating_mail_is_asked_and_a_reply_completes_it(bot: Running) -> None:
    bot.write(bot.worker, "Unfair rating", "Hi, a client gave me an unfair 1-star rating. Please remove it. Wanda")
    asked = bot.got(bot.worker, 1)[-1]
    assert "assignment" in body(asked).lower()
    answer = (
        f"The assignment is {ID}. I arrived on site at 8:55, replaced the cable and tested it with the manager, who "
        "signed the form at 11:30. The rating says I never came, which is wrong: the check-in log shows my arrival."
    )
    bot.write(bot.worker, f"Re: {asked['Subject']}", answer, asked)
    until(lambda: stage(bot) in (Stage.NOTICE, Stage.ANSWERING), "the reply completes the opening")


def test_nothing_is_lost_or_doubled_when_the_bot_is_killed_in_the_middle(bot: Running) -> None:
    for number in range(6):
        bot.write(
            bot.worker, f"Unfair rating {number}", f"A client gave me an unfair rating, number {number}. Please help."
        )
    for pause_s in (0.3, 1.1, 0.6, 1.7):
        time.sleep(pause_s)
        bot.kill()
        bot.start()
    letters = bot.got(bot.worker, 6, within_s=60)
    until(lambda: len(bot.cases()) == 6, "a case for each mail")
    time.sleep(3)
    letters = bot.mailbox(bot.worker)
    ids = Counter(str(letter["Message-ID"]) for letter in letters)
    assert set(ids.values()) == {1}
    first_letters = Counter(str(letter["Subject"]) for letter in letters)
    assert len(first_letters) == 6


def test_what_cannot_be_read_is_quarantined_and_the_mail_behind_it_is_read(bot: Running) -> None:
    nested = b"From: a@b.example\r\nSubject: deep\r\n"
    for level in range(2000):
        nested += b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (level, level)
    bot.dovecot.deliver(nested + b"\r\nend\r\n", bot.support)
    bot.dovecot.deliver(b"Subject: nobody wrote this\r\n\r\nHello\r\n", bot.support)
    bot.write(bot.worker, "Not paid", PAYMENT)
    until(lambda: stage(bot) is not None, "the mail behind is read")
    listed = bot.parley("replay", "--json").stdout.splitlines()
    assert len(listed) == 2
    assert any("From" in json.loads(line)["reason"] for line in listed)


def test_an_opener_who_is_silent_closes_the_case_as_incomplete(bot: Running) -> None:
    bot.write(bot.worker, "Unfair rating", "A client gave me an unfair rating. Please help.")
    until(lambda: stage(bot) is Stage.CLOSED, "the case closes", within_s=60)
    assert [case.closed for case in bot.cases()] == [Closing.INCOMPLETE]
    assert len(bot.mailbox(bot.worker)) == 4
