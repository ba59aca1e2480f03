"""A deliverer killed by SIGKILL at the worst moments, as a real process against a real server, and started again."""

import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bot.casework import Identity, Office
from bot.delivery import Delivery, Terms, Watch
from bot.flows.case import Case, Role
from bot.flows.effects import Sending
from bot.flows.letters import Wording
from bot.mail.smtp import Server
from bot.settings import Security, SmtpUrl
from bot.storage.outbox import OutState, Posting
from bot.storage.schema import migrate
from bot.storage.store import Store
from bot.telemetry import Health, Metrics
from tests.play import POLICY
from tests.smtpdoor import HANG, OK, Door

START = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)
CASES = range(1001, 1041)
IDENTITY = Identity("support@market.example", "market.example", ("a secret of the tests",))


def deliverer(url: str, port: int, owner: str, ahead: timedelta = timedelta()) -> Delivery:
    """A deliverer as the bot builds it; `ahead` puts its machine's clock forward."""

    def machine() -> datetime:
        return datetime.now(UTC) + ahead

    url_ = SmtpUrl("127.0.0.1", port, "", "", Security.CLEAR)
    terms = Terms(Server(url_, "bot.example", 3), owner, letters_a_minute=10_000)
    office = Office(Store(url, machine), POLICY, Wording({}, POLICY.wording), IDENTITY, lambda: START)
    return Delivery(office, terms, Watch(Health(machine), Metrics()), machine)


def main(url: str, port: str, owner: str, planted: str = "") -> None:
    """The child: delivers until it is killed. `no-intent` is a planted bug: the gate opens without a commit."""
    delivery = deliverer(url, int(port), owner)
    if planted == "no-intent":
        delivery._begin = lambda row, wire: True  # type: ignore[method-assign]
    print("ready", flush=True)
    while True:
        if not delivery.step():
            time.sleep(0.01)


@contextmanager
def child(url: str, door: Door, owner: str, planted: str = "") -> Iterator[subprocess.Popen[str]]:
    """A delivering process; killed at the end, if not before."""
    command = [sys.executable, "-m", "tests.test_delivery_crash", url, str(door.port), owner, planted]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        try:
            yield process
        finally:
            process.send_signal(signal.SIGKILL)


@pytest.fixture
def url(tmp_path: Path) -> str:
    """A database with one due letter in each of the cases."""
    url = f"sqlite:///{tmp_path}/parley.db"
    migrate(url)
    store = Store(url)
    with store.begin() as tx:
        for case in CASES:
            tx.cases.save(Case(case), None, START)
    store.close()
    return url


def enqueue(url: str, cases: range) -> None:
    store = Store(url)
    with store.begin() as tx:
        for case in cases:
            posting = Posting(
                key=f"{case}:1",
                channel="mail",
                recipient=f"party{case}@worker.example",
                name="receipt",
                body={
                    "subject": f"[D-{case}] hello",
                    "text": "Hello.\n",
                    "to": f"party{case}@worker.example",
                    "from": IDENTITY.address,
                    "message_id": f"<d.{case}.1.abc@market.example>",
                },
                not_before=START,
                case=case,
                role=Role.WORKER,
                number=1,
                sending=Sending.ANSWER,
                message_id=f"<d.{case}.1.abc@market.example>",
            )
            assert tx.outbox.enqueue(posting, START)
    store.close()


def states(url: str) -> Counter[OutState]:
    store = Store(url)
    with store.read() as tx:
        counts = tx.outbox.counts()
    store.close()
    return Counter({state: n for (_, state), n in counts.items() if n})


def run_out(url: str, door: Door, owner: str) -> None:
    """Starts again once every claim and intent of the dead has run out, and delivers what is left."""
    delivery = deliverer(url, door.port, owner, ahead=timedelta(hours=1))
    while delivery.step():
        pass
    delivery._store.close()


def taken(door: Door) -> Counter[bytes]:
    return Counter(
        line for each in door.taken for line in each.content.split(b"\r\n") if line.startswith(b"Message-ID: ")
    )


def test_killed_between_the_final_dot_and_the_answer_a_letter_is_unknown_and_never_sent_again(url):
    enqueue(url, CASES[:1])
    with Door() as door:
        door.script("text", HANG)
        with child(url, door, "first"):
            door.wait_for("TEXT")
        assert states(url) == {OutState.INTENT: 1}
        run_out(url, door, "second")
        assert states(url) == {OutState.UNKNOWN: 1}
        assert len(door.taken) == 1


def test_killed_before_the_text_a_letter_is_sent_by_the_next_start(url):
    enqueue(url, CASES[:1])
    with Door() as door:
        door.script("RCPT", HANG)
        with child(url, door, "first"):
            door.wait_for("RCPT")
        assert states(url) == {OutState.CLAIMED: 1}
        run_out(url, door, "second")
        assert states(url) == {OutState.SENT: 1}
        assert len(door.taken) == 1


def test_without_the_intent_the_same_kill_sends_a_letter_twice(url):
    """The planted bug: these tests would see it."""
    enqueue(url, CASES[:1])
    with Door() as door:
        door.script("text", HANG, OK)
        with child(url, door, "first", "no-intent"):
            door.wait_for("TEXT")
        run_out(url, door, "second")
        assert max(taken(door).values()) == 2


@pytest.mark.slow
def test_many_kills_at_random_moments_lose_nothing_and_double_nothing(url):
    enqueue(url, CASES)
    moments, kills = random.Random(7), 0
    with Door() as door:
        while states(url)[OutState.READY] + states(url)[OutState.CLAIMED] and kills < 12:
            with child(url, door, f"child {kills}"):
                time.sleep(moments.uniform(0.0, 0.03))
            kills += 1
        run_out(url, door, "last")
        counted = states(url)
        assert counted[OutState.SENT] + counted[OutState.UNKNOWN] == len(CASES)
        assert counted[OutState.UNKNOWN] <= kills * 3
        assert max(taken(door).values()) == 1
        assert len(taken(door)) >= counted[OutState.SENT]


if __name__ == "__main__":
    main(*sys.argv[1:])
