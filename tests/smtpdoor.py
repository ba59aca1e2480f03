"""A real SMTP server on loopback whose every reply can be scripted: refuse at any command, cut the line, fall silent.

It keeps what it took and every command it was given, so that a test can count what really went over the wire.
"""

import contextlib
import socketserver
import ssl
import tempfile
import threading
from collections import defaultdict, deque
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

CUT = "cut"
"""Close the connection instead of answering."""
HANG = "hang"
"""Never answer; the connection stays open until the door closes."""
OK = None
"""As a well-behaved server would."""

# A throw-away pair for `localhost` and 127.0.0.1, trusted by nobody but these tests.
CERTIFICATE = """\
-----BEGIN CERTIFICATE-----
MIIBaDCCAQ2gAwIBAgIBATAKBggqhkjOPQQDAjAUMRIwEAYDVQQDDAlsb2NhbGhv
c3QwIBcNMjAwMTAxMDAwMDAwWhgPMjEyMDAxMDEwMDAwMDBaMBQxEjAQBgNVBAMM
CWxvY2FsaG9zdDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABDa8YUR85WZXcQhp
0Z/A6DMNXAZQi6wiVKyC1LFmzWQG+mJtnCwRmjuBJUPI834IU1+wb1HxHxocDJre
9m4fRCajTjBMMBoGA1UdEQQTMBGCCWxvY2FsaG9zdIcEfwAAATAPBgNVHRMBAf8E
BTADAQH/MB0GA1UdDgQWBBT7xdl871+OaG+p87SMr+kcwaoGfjAKBggqhkjOPQQD
AgNJADBGAiEA64sqToKupJWP7dmZ6KgrcYvcWxrhwQU2HhOrqdbdfe0CIQCgO85H
xfipnEY1y3Xkpv25nkLNpexo/udTbd9IqUFPuQ==
-----END CERTIFICATE-----
"""
KEY = """\
-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgJFxKq0RA3fnhUm7c
xbG/AJ/6bZc4cUunEWVgIvyzJDyhRANCAAQ2vGFEfOVmV3EIadGfwOgzDVwGUIus
IlSsgtSxZs1kBvpibZwsEZo7gSVDyPN+CFNfsG9R8R8aHAya3vZuH0Qm
-----END PRIVATE KEY-----
"""


@dataclass(frozen=True, slots=True)
class Taken:
    """One mail the server took, dots unstuffed. `connection` counts from 1."""

    connection: int
    sender: str
    recipients: tuple[str, ...]
    content: bytes


class Door:
    """Listens at once; use as a context manager. `extensions` are announced after EHLO.

    `script(step, *replies)` queues replies for a step, one each time it is reached; `always(step, reply)` answers it so
    from then on. Steps: `connect EHLO HELO AUTH STARTTLS MAIL RCPT DATA lines text RSET QUIT`; `lines` comes after the
    first line of a letter, `text` after its final dot. A letter counts as taken unless `text` is answered 4xx or 5xx.
    """

    def __init__(self, *extensions: str, tls: bool = False, port: int = 0) -> None:
        self.extensions = extensions
        self.taken: list[Taken] = []
        self.commands: list[tuple[int, str]] = []
        self.connections = 0
        self.reached = threading.Condition()
        self.closing = threading.Event()
        self._queued: dict[str, deque[str | None]] = defaultdict(deque)
        self._always: dict[str, str | None] = {}
        self._server = _Server(("127.0.0.1", port), _Talk)
        self._server.door, self._server.implicit_tls = self, tls
        self.port = int(self._server.server_address[1])
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), name="smtpdoor")
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self.closing.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def script(self, step: str, *replies: str | None) -> None:
        self._queued[step].extend(replies)

    def always(self, step: str, reply: str | None) -> None:
        self._always[step] = reply

    def said(self, verb: str) -> int:
        """How often that command came."""
        return sum(line.upper().startswith(verb) for _, line in tuple(self.commands))

    def wait_for(self, verb: str, times: int = 1, timeout_s: float = 10) -> None:
        """Returns once that command came so often; `text` counts final dots."""
        with self.reached:
            assert self.reached.wait_for(lambda: self.said(verb) >= times, timeout_s), f"no {verb} in {timeout_s} s"

    def reply(self, step: str, default: str) -> str:
        with self.reached:
            queued = self._queued[step]
            return (queued.popleft() if queued else self._always.get(step)) or default

    def noted(self, connection: int, line: str) -> None:
        with self.reached:
            self.commands.append((connection, line))
            self.reached.notify_all()


def trusting() -> ssl.SSLContext:
    """A client's context that trusts the door's certificate and no other."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=CERTIFICATE)
    return context


def _serving() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.TemporaryDirectory() as folder:
        pair = Path(folder, "pair.pem")
        pair.write_text(KEY + CERTIFICATE)
        context.load_cert_chain(pair)
    return context


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 64
    door: Door
    implicit_tls: bool


class _Over(Exception):
    """The conversation ends here."""


class _Talk(socketserver.StreamRequestHandler):
    """One connection."""

    server: _Server
    disable_nagle_algorithm = True

    def setup(self) -> None:
        super().setup()
        self.door = self.server.door
        with self.door.reached:
            self.door.connections += 1
            self.number = self.door.connections
        self.sender, self.recipients = "", list[str]()

    def handle(self) -> None:
        with contextlib.suppress(_Over, OSError):
            if self.server.implicit_tls:
                self.encrypt()
            self.answer("connect", "220 door.example ESMTP")
            while line := self.rfile.readline(4096).decode("utf-8", "replace").rstrip("\r\n"):
                self.door.noted(self.number, line)
                self.obey(line)

    def finish(self) -> None:
        with contextlib.suppress(OSError):
            super().finish()
        with contextlib.suppress(OSError):
            self.request.close()

    def encrypt(self) -> None:
        self.request = _serving().wrap_socket(self.request, server_side=True)
        self.rfile, self.wfile = self.request.makefile("rb"), self.request.makefile("wb", 0)

    def answer(self, step: str, default: str) -> str:
        """Says the scripted reply, or the default; returns what was said."""
        said = self.door.reply(step, default)
        self.say(said)
        return said

    def say(self, said: str) -> None:
        if said == CUT:
            raise _Over
        if said == HANG:
            self.door.closing.wait()
            raise _Over
        self.wfile.write(said.encode() + b"\r\n")

    def obey(self, line: str) -> None:
        verb = line.split(" ")[0].upper()
        match verb:
            case "EHLO":
                names = ("door.example", *self.door.extensions)
                self.answer(verb, "\r\n".join([*(f"250-{name}" for name in names[:-1]), f"250 {names[-1]}"]))
            case "AUTH":
                self.answer(verb, "235 2.7.0 welcome")
            case "STARTTLS":
                self.answer(verb, "220 go ahead")
                self.encrypt()
            case "MAIL" if self.sender:
                self.wfile.write(b"503 5.5.1 nested MAIL\r\n")
            case "MAIL":
                if self.answer(verb, "250 ok").startswith("2"):
                    self.sender, self.recipients = line[len("MAIL FROM:") :].split(" ")[0], []
            case "RCPT":
                if self.answer(verb, "250 ok").startswith("2"):
                    self.recipients.append(line[len("RCPT TO:") :])
            case "DATA":
                if self.answer(verb, "354 go ahead").startswith("354"):
                    self.text()
                self.sender, self.recipients = "", []
            case "RSET":
                self.sender, self.recipients = "", []
                self.answer(verb, "250 ok")
            case "QUIT":
                self.answer(verb, "221 bye")
                raise _Over
            case "HELO":
                self.answer(verb, "250 door.example")
            case _:
                self.wfile.write(b"500 what?\r\n")

    def text(self) -> None:
        lines = []
        while (line := self.rfile.readline()) != b".\r\n":
            if not line:
                raise _Over
            lines.append(line[1:] if line.startswith(b".") else line)
            if len(lines) == 1 and self.door.reply("lines", "") == CUT:
                raise _Over
        taken = Taken(self.number, self.sender, tuple(self.recipients), b"".join(lines))
        said = self.door.reply("text", f"250 2.0.0 taken as {len(self.door.taken) + 1}")
        if said[:1] not in "45":
            self.door.taken.append(taken)
        self.door.noted(self.number, "text")
        self.say(said)
