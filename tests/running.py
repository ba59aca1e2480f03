"""`parley run` as a process of its own between a real mailbox and a real mail server, with a policy in seconds."""

import email
import email.utils
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from email.message import EmailMessage, Message
from email.policy import default
from pathlib import Path
from typing import TypeVar

from imapclient import IMAPClient

from bot.flows.case import Case
from bot.storage.store import Store
from tests.servers import PASSWORD, Dovecot, Postfix

ID = "4471829360"
POLICY = """\
[calendar]
zone = "UTC"
hours = "00:00-24:00"
workdays = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
holidays = []
[request]
remind = ["{0} seconds", "{1} seconds"]
deadline = "{2} seconds"
end = "{3} seconds"
[notice]
pause = "1 second"
[status]
payment = "1 hour"
rating = "1 hour"
[limits]
letters_a_day = 50
answers_a_day = 50
"""
DIRECTORY = f"""assignment_id,worker_name,worker_email,client_name,client_email
{ID},Wanda Worker,{{worker}},Carl Client,{{client}}
8812345678,Walt Worker,walt@worker.example,Clara Client,clara@client.example
"""

T = TypeVar("T")


def until(found: Callable[[], T | None], what: str, within_s: float = 30) -> T:
    """What `found` gives once it is true; an assertion with `what` if it never is."""
    end = time.monotonic() + within_s
    while time.monotonic() < end:
        value = found()
        if value:
            return value
        time.sleep(0.1)
    raise AssertionError(f"{what}: not within {within_s} s")


@dataclass
class Running:
    """Settings, folder, addresses and process of one bot. `kill` is SIGKILL, `stop` SIGTERM."""

    folder: Path
    dovecot: Dovecot
    postfix: Postfix
    seconds: tuple[int, int, int, int] = (3, 6, 9, 12)
    process: "subprocess.Popen[bytes] | None" = None
    extra: dict[str, str] = field(default_factory=dict)
    tag: str = field(default_factory=lambda: uuid.uuid4().hex[:8])

    def __post_init__(self) -> None:
        self.support, self.worker, self.client = (
            f"{name}-{self.tag}@{domain}.example"
            for name, domain in (("support", "parley"), ("wanda", "worker"), ("carl", "client"))
        )
        (self.folder / "policy.toml").write_text(POLICY.format(*self.seconds), "utf-8")
        directory = DIRECTORY.format(worker=self.worker, client=self.client)
        (self.folder / "directory.csv").write_text(directory, "utf-8")
        assert self.parley("migrate").returncode == 0
        assert self.parley("assignments", "import", "directory.csv").returncode == 0

    @property
    def environ(self) -> dict[str, str]:
        user = self.support.replace("@", "%40")
        return {
            **{name: value for name, value in os.environ.items() if not name.startswith(("PARLEY_", "SLACK_"))},
            "PARLEY_SECRET": "a-secret-of-the-tests-long-enough",
            "PARLEY_MAIL_ADDRESS": self.support,
            "PARLEY_IMAP_URL": f"imap://{user}:{PASSWORD}@127.0.0.1:{self.dovecot.imap_port}/INBOX",
            "PARLEY_SMTP_URL": f"smtp://127.0.0.1:{self.postfix.port}",
            "PARLEY_DATABASE_URL": f"sqlite:///{self.folder / 'parley.db'}",
            "PARLEY_POLICY": str(self.folder / "policy.toml"),
            "PARLEY_AUTHSERV_ID": "mx.parley.example",
            **self.extra,
        }

    def parley(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Run one command to its end."""
        return subprocess.run(
            [sys.executable, "-m", "bot.cli", *arguments],
            cwd=self.folder,
            env={**self.environ, "PYTHONPATH": str(Path(__file__).parent.parent)},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def start(self) -> None:
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "bot.cli", "run"],
                cwd=self.folder,
                env={**self.environ, "PYTHONPATH": str(Path(__file__).parent.parent)},
                stdout=log,
                stderr=log,
            )

    def kill(self) -> None:
        assert self.process
        self.process.kill()
        self.process.wait(10)

    def stop(self) -> int:
        assert self.process
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)

    def log(self) -> str:
        return (self.folder / "log").read_text("utf-8", "replace")

    # --- People -------------------------------------------------------------------------------------------------------

    def write(self, sender: str, subject: str, text: str, answers: "Message | None" = None) -> str:
        """A person writes to support, or answers a letter as a mail client would. Returns the Message-ID."""
        mail = EmailMessage()
        mail["From"], mail["Subject"] = sender, subject
        mail["To"] = answers["Reply-To"] if answers else self.support
        mail["Message-ID"] = f"<{uuid.uuid4()}@{sender.partition('@')[2]}>"
        mail["Date"] = email.utils.formatdate()
        mail["Authentication-Results"] = f"mx.parley.example; dmarc=pass header.from={sender.partition('@')[2]}"
        if answers:
            mail["In-Reply-To"] = mail["References"] = answers["Message-ID"]
            quoted = "\n".join(f"> {line}" for line in body(answers).splitlines())
            text = f"{text}\n\nOn Monday, Support <{self.support}> wrote:\n{quoted}\n"
        mail.set_content(text)
        self.postfix.send(mail.as_bytes(), str(mail["To"]), sender)
        return str(mail["Message-ID"])

    def mailbox(self, address: str) -> list[Message]:
        """What a person has received, oldest first."""
        with IMAPClient("127.0.0.1", self.dovecot.imap_port, ssl=False) as client:
            client.login(address, PASSWORD)
            client.select_folder("INBOX", readonly=True)
            uids = client.search("ALL")
            raws = client.fetch(uids, ["BODY.PEEK[]"]) if uids else {}
            client.logout()
        return [email.message_from_bytes(raws[uid][b"BODY[]"], policy=default) for uid in sorted(raws)]

    def got(self, address: str, count: int, within_s: float = 30) -> list[Message]:
        """The mailbox once it holds so many letters."""
        return until(
            lambda: found if len(found := self.mailbox(address)) >= count else None, f"{count} to {address}", within_s
        )

    def cases(self) -> list[Case]:
        store = Store(self.environ["PARLEY_DATABASE_URL"])
        try:
            with store.read() as tx:
                return list(tx.cases.all())
        finally:
            store.close()


def body(mail: Message) -> str:
    """The plain text of a letter."""
    assert isinstance(mail, EmailMessage)
    part = mail.get_body(("plain",))
    assert part is not None
    return str(part.get_content())
