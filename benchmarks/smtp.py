"""How fast letters are written and handed to a mail server: reused connections against a new one each, with and without
a durable commit at the gate.

    .venv/bin/python -m benchmarks.smtp [LETTERS]

The server runs in a process of its own, on loopback. Figures go into `docs/delivery.md`.
"""

import multiprocessing
import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TypeVar

from bot.mail.compose import Outgoing, compose
from bot.mail.smtp import Envelope, Gate, Outcome, Server, deliver_batch
from bot.settings import Security, SmtpUrl
from tests.smtpdoor import Door

T = TypeVar("T")

TEXT = "Hello Ada,\n\nyour message about assignment 4471829360 has arrived. — We will write to you again.\n\n" * 8
LETTER = Outgoing(
    name="receipt",
    subject="[D-1042] Your payment dispute: what happens next",
    text=TEXT,
    html="".join(f"<p>{paragraph}</p>\n" for paragraph in TEXT.split("\n\n")),
    to="ada@worker.example",
    to_name="Ada Ångström",
    from_address="support@market.example",
    from_name="Market Support",
    reply_to="support+w1042abc@market.example",
    message_id="<d.1042.1.0f3c9a@market.example>",
    in_reply_to="<first@worker.example>",
    references=("<first@worker.example>",),
    auto_submitted="auto-generated",
    date=datetime(2026, 3, 2, 15, 4, 5, tzinfo=UTC),
)


def serve(told: Connection) -> None:
    """The server's process: says its port, ends when told to."""
    with Door() as door:
        told.send(door.port)
        told.recv()


def show(what: str, many: Sequence[T], work: Callable[[T], object], count: int | None = None) -> None:
    """Prints how many letters a second `work` did over `many`; `count` where one of `many` is more than one letter."""
    began = time.perf_counter()
    for each in many:
        work(each)
    print(f"{what:40}{(count or len(many)) / (time.perf_counter() - began):10,.0f} a second")


def opened(_: Envelope) -> bool:
    """A gate that costs nothing."""
    return True


def with_the_standard_library() -> bytes:
    """The same letter by `email.message`, for comparison."""
    mail = EmailMessage(policy=SMTP)
    mail["From"], mail["To"] = f"{LETTER.from_name} <{LETTER.from_address}>", LETTER.to
    mail["Subject"], mail["Message-ID"] = LETTER.subject, LETTER.message_id
    mail["References"], mail["Reply-To"] = " ".join(LETTER.references), LETTER.reply_to
    mail.set_content(LETTER.text)
    mail.add_alternative(LETTER.html, subtype="html")
    return mail.as_bytes()


def send(port: int, letters: list[Envelope], connections: int, gate: Gate) -> None:
    """One batch; every letter has to be accepted."""
    outcomes: list[Outcome] = []
    url = SmtpUrl("127.0.0.1", port, "", "", Security.CLEAR)
    deliver_batch(Server(url, "bot.example", connections), letters, gate, lambda _, outcome: outcomes.append(outcome))
    wrong = [outcome for outcome in outcomes if type(outcome).__name__ != "Accepted"]
    if wrong or len(outcomes) != len(letters):
        raise SystemExit(f"{len(letters)} letters, {len(outcomes)} outcomes, not accepted: {wrong[:3]}")


def durable(folder: str) -> Gate:
    """A gate as costly as a commit: one small write, flushed to the disk."""
    file = os.open(Path(folder, "journal"), os.O_WRONLY | os.O_CREAT)

    def gate(letter: Envelope) -> bool:
        os.write(file, b"%d\n" % letter.id)
        os.fsync(file)
        return True

    return gate


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
    numbered = [replace(LETTER, message_id=f"<d.1042.{n}.0f3c9a@market.example>") for n in range(count)]
    letters = [Envelope(n, each.from_address, (each.to,), compose(each)) for n, each in enumerate(numbered)]
    few = letters[: count // 10]
    print(f"{count} letters of {len(letters[0].content):,} bytes")
    show("compose", numbered, compose)
    show("compose with email.message", few, lambda _: with_the_standard_library())
    ours, theirs = multiprocessing.get_context("spawn").Pipe()
    server = multiprocessing.get_context("spawn").Process(target=serve, args=(theirs,))
    server.start()
    port = ours.recv()
    show("send, 1 connection", [letters], lambda each: send(port, each, 1, opened), count)
    show("send, 3 connections", [letters], lambda each: send(port, each, 3, opened), count)
    with tempfile.TemporaryDirectory() as folder:
        gate = durable(folder)
        show("send, 3 connections, fsync at the gate", [letters], lambda each: send(port, each, 3, gate), count)
    show("send, a new connection each", few, lambda each: send(port, [each], 1, opened))
    ours.send("end")
    server.join()


if __name__ == "__main__":
    main()
