"""The support mailbox of the sandbox: pymap as a child process behind a relay.

pymap stops answering for good on some mails and keeps everything in memory. So it runs apart, is started again when it
hangs or dies, and gets back every mail that was ever put into it. The bot connects to the relay, which can be shut.
"""

import asyncio
import imaplib
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

USER, PASSWORD = "support", "sandbox"
START_S = 30.0
ANSWER_S = 15.0
WATCH_S = 5.0
CHUNK_BYTES = 65_536


class MailboxDown(RuntimeError):
    """pymap could not be started, or does not take a mail even after a new start."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A mail in the mailbox, with the moment at which it came (aware)."""

    raw: bytes
    at: datetime


class Mailbox:
    """The one mailbox. `put` returns when the mail is in it; thread-safe. `log` is where pymap's own words go."""

    def __init__(self, log: Path) -> None:
        self.port = free_port()
        self._log = log
        self._kept: list[Kept] = []
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None
        self._line: imaplib.IMAP4 | None = None
        self._watch = threading.Thread(target=self._watch_over, name="mailbox-watch", daemon=True)

    def start(self) -> None:
        """Returns when the mailbox answers. Raises MailboxDown."""
        with self._lock:
            self._start()
        self._watch.start()

    def stop(self) -> None:
        self._closing.set()
        with self._lock:
            self._end()

    def put(self, raw: bytes, at: datetime) -> None:
        """Put a mail in, dated by the server as `at`. Raises MailboxDown."""
        with self._lock:
            mail = Kept(raw, at)
            self._kept.append(mail)
            try:
                self._append(mail)
            except (OSError, imaplib.IMAP4.error):
                self._start_again()

    @property
    def kept(self) -> tuple[Kept, ...]:
        """Every mail that was put in, oldest first."""
        return tuple(self._kept)

    @property
    def process_id(self) -> int | None:
        """pymap's process, for a test that lets it hang."""
        return self._process.pid if self._process else None

    def _append(self, mail: Kept) -> None:
        line = self._line
        if line is None:
            raise OSError("no connection to the mailbox")
        answer, told = line.append("INBOX", "", imaplib.Time2Internaldate(mail.at), mail.raw)
        if answer != "OK":
            raise OSError(f"the mailbox refused a mail: {told!r}")

    def _start(self) -> None:
        command = [str(pymap_program()), "--host", "127.0.0.1", "--port", str(self.port), "--no-tls"]
        command += ["--no-service", "managesieve", "--no-service", "admin"]
        command += ["dict", "--demo-user", USER, "--demo-password", PASSWORD]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        end = time.monotonic() + START_S
        while time.monotonic() < end and self._process.poll() is None:
            with suppress(OSError, imaplib.IMAP4.error):
                self._line = imaplib.IMAP4("127.0.0.1", self.port, timeout=ANSWER_S)
                self._line.login(USER, PASSWORD)
                return
            self._closing.wait(0.05)
        self._end()
        raise MailboxDown(f"pymap did not start; what it said is in {self._log}")

    def _start_again(self) -> None:
        """From nothing, with every mail that was there: in the same order, with the same dates."""
        self._end()
        self._start()
        try:
            for mail in self._kept:
                self._append(mail)
        except (OSError, imaplib.IMAP4.error) as wrong:
            raise MailboxDown(f"the mailbox does not take its mails back: {wrong}") from wrong

    def _end(self) -> None:
        if self._line is not None:
            with suppress(OSError):
                self._line.shutdown()
            self._line = None
        if self._process is not None:
            self._process.kill()  # Nothing in it is worth a farewell.
            self._process.wait()
            self._process = None

    def _watch_over(self) -> None:
        while not self._closing.wait(WATCH_S):
            with self._lock:
                if self._closing.is_set():
                    return
                try:
                    if self._line is None or self._line.noop()[0] != "OK":
                        raise OSError("no answer")
                except (OSError, imaplib.IMAP4.error):
                    with suppress(MailboxDown):  # Said in pymap's log; tried again at the next look.
                        self._start_again()


class Relay:
    """What the bot connects to in place of pymap itself. `shut` cuts every connection and takes no new one."""

    def __init__(self, target: Callable[[], int]) -> None:
        self._target = target
        self._open = True
        self._writers: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None
        self.port = 0

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
        self._cut()

    async def turn(self, open_: bool) -> None:
        """Open, or shut."""
        self._open = open_
        if not open_:
            self._cut()

    def _cut(self) -> None:
        for writer in tuple(self._writers):
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ends = {writer}
        try:
            if not self._open:
                raise ConnectionRefusedError
            inner, outer = await asyncio.open_connection("127.0.0.1", self._target())
            ends.add(outer)
            self._writers |= ends
            ways = (asyncio.create_task(_pass(reader, outer)), asyncio.create_task(_pass(inner, writer)))
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            for each in ends:
                each.close()
        except (OSError, asyncio.CancelledError):
            for each in ends:
                each.transport.abort()
        finally:
            self._writers -= ends


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while chunk := await reader.read(CHUNK_BYTES):
            writer.write(chunk)
            await writer.drain()


def free_port() -> int:
    """A port on loopback that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def pymap_program() -> Path:
    """pymap's own command, beside our Python or on the path. Raises MailboxDown with the way to install it."""
    beside = Path(sys.executable).with_name("pymap")
    found = beside if beside.exists() else shutil.which("pymap")
    if not found:
        raise MailboxDown("pymap is not installed: pip install 'parley[sandbox]'")
    return Path(found)
