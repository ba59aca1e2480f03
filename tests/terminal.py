"""What the tests of the commands have in common: settings, a table of assignments, a few mails, and what was said.

The fixtures are in `tests/commands.py`.
"""

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bot.settings import Settings, load

ROOT = Path(__file__).parent.parent
ID = "4471829360"
SETTINGS = {
    "PARLEY_SECRET": "a-secret-of-the-tests-long-enough",
    "PARLEY_MAIL_ADDRESS": "support@parley.example",
    "PARLEY_IMAP_URL": "imap://support:a-password@127.0.0.1:1/INBOX",
    "PARLEY_SMTP_URL": "smtp://127.0.0.1:1",
    "PARLEY_AUTHSERV_ID": "mx.parley.example",
}
"""Complete; nobody listens on port 1."""
DIRECTORY = f"""assignment_id,worker_name,worker_email,client_name,client_email
{ID},Wanda Worker,wanda@worker.example,Carl Client,carl@client.example
"""
HEAD = """From: Wanda <wanda@worker.example>
To: support@parley.example
Authentication-Results: mx.parley.example; dmarc=pass header.from=worker.example
"""
PAYMENT = f"""{HEAD}Subject: Not paid =?utf-8?q?=1b=5b31m=c2=9b?=
Message-ID: <1@worker.example>

Hello,

my payment for assignment {ID} is overdue. I finished the job on March 2 and submitted it the same day.
I wrote to the client on Tuesday, March 3 and asked for approval, no answer.
On Friday, March 6 I called them and left a message, still nothing.

Wanda
"""
RATING = f"{HEAD}Subject: Unfair rating\nMessage-ID: <2@worker.example>\n\nA client gave me an unfair rating. Help.\n"
NOBODY = "Subject: nobody wrote this\n\nHello\n"


def _monday() -> datetime:
    """10:00 in New York on a plain working Monday of this year, whose holidays are known."""
    day = datetime(datetime.now(UTC).year, 3, 1, 15, tzinfo=UTC)
    return day + timedelta(days=-day.weekday() % 7)


MONDAY = _monday()


def complete(folder: Path, **more: str) -> Settings:
    """Settings with a database in that folder."""
    return load(SETTINGS | {"PARLEY_DATABASE_URL": f"sqlite:///{folder / 'parley.db'}"} | more)


@contextmanager
def somebody_listening() -> Iterator[int]:
    """A port on loopback that is taken."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        yield int(taken.getsockname()[1])


@dataclass(frozen=True, slots=True)
class Said:
    """What a command left: its exit status and what it wrote."""

    status: int
    out: str
    err: str

    @property
    def objects(self) -> list[dict]:
        return [json.loads(line) for line in self.out.splitlines()]
