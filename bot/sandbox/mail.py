"""The sandbox's mail: two SMTP doors, the support mailbox behind IMAP, and everybody else's mailbox.

People write through one door, which checks and stamps as a marketplace's own server would; the bot sends through the
other, which can be made to fail. What goes to the support address lands in the mailbox that the bot reads.
"""

import asyncio
import email.utils
import re
import smtplib
import threading
from collections import defaultdict
from collections.abc import Callable, Coroutine, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime
from email import message_from_bytes, policy
from email.errors import MessageError
from email.message import EmailMessage, Message
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeVar

from aiosmtpd.smtp import SMTP, Envelope, Session

from bot.sandbox.imap import Mailbox, MailboxDown, Relay

SUPPORT = "support@parley.example"
AUTHSERV_ID = "mx.parley.example"
SIZE_BYTES_MAX = 35 * 1024 * 1024
DEPTH_MAX = 100
START_S = 40.0
AUTH = b"X-Sandbox-Auth: "
"""The first line of a mail from the sandbox's own page or API; the door takes it out and stamps accordingly."""

T = TypeVar("T")


class SmtpFault(StrEnum):
    """How the bot's own mail server fails. `down`: no connection. `refuse`: every recipient is refused for good. `cut`:
    the letter is delivered and the line cut before the answer to the final dot."""

    OK = "ok"
    DOWN = "down"
    REFUSE = "refuse"
    CUT = "cut"


class Auth(StrEnum):
    """What the door finds out about a sender."""

    PASS = "pass"
    FAIL = "fail"
    NONE = "none"


class Refused(Exception):
    """A door did not take a mail; the argument is its answer."""


class Post:
    """All of the mail. `now` is business time, aware, in the zone in which the doors date. Thread-safe.

    `changed` is called whenever somebody has received something.
    """

    def __init__(self, folder: Path, now: Callable[[], datetime], changed: Callable[[], None] = lambda: None) -> None:
        self.now = now
        self.changed = changed
        self.smtp_fault = SmtpFault.OK
        self.imap_open = True
        self.inbox = Mailbox(folder / "pymap.log")
        self._received: defaultdict[str, list[bytes]] = defaultdict(list)
        self._relay = Relay(lambda: self.inbox.port)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="mail", daemon=True)
        self._doors: list[asyncio.Server] = []
        self._talks: set[_Talk] = set()
        self._starter = ThreadPoolExecutor(1, "mailbox-start")
        self._starting: Future[None] | None = None
        self.people_port = self.bot_port = 0

    @property
    def imap_port(self) -> int:
        """Where the bot reads the support mailbox (user and password: `bot.sandbox.imap`)."""
        return self._relay.port

    def start(self) -> None:
        """Returns when all doors are open; the mailbox behind them starts meanwhile (`wait_ready`)."""
        self._thread.start()
        self._wait(self._open())
        self._starting = self._starter.submit(self.inbox.start)

    def wait_ready(self) -> None:
        """Returns when the mailbox answers. Raises MailboxDown."""
        if self._starting is not None:
            self._starting.result()

    def stop(self) -> None:
        """Close all doors and forget all mail; also where not all of it had started."""
        if self._thread.is_alive():
            with suppress(TimeoutError):
                self._wait(self._close())
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(5)
        self._starter.shutdown()
        self.inbox.stop()
        if not self._loop.is_running():
            self._loop.close()

    def received(self, address: str) -> tuple[bytes, ...]:
        """What this person has received, oldest first."""
        return tuple(self._received[address.lower()])

    def everything(self) -> tuple[bytes, ...]:
        """What anybody but support has received."""
        return tuple(raw for mails in tuple(self._received.values()) for raw in mails)

    def hand_in(self, sender: str, recipients: Iterable[str], raw: bytes, auth: Auth = Auth.PASS) -> None:
        """Somebody sends a mail, by SMTP through the people's door. Raises Refused with the door's answer."""
        content = AUTH + auth.value.encode() + b"\r\n" + re.sub(rb"\r\n|\r|\n", b"\r\n", raw)
        try:
            with smtplib.SMTP("127.0.0.1", self.people_port, "sender.example", timeout=120) as line:
                line.ehlo()
                options = ["SMTPUTF8"] if line.has_extn("smtputf8") else []
                failed = line.sendmail(sender, list(recipients), content, mail_options=options)
        except smtplib.SMTPResponseException as wrong:
            said = wrong.smtp_error
            text = said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)
            raise Refused(f"{wrong.smtp_code} {text}") from wrong
        except smtplib.SMTPRecipientsRefused as wrong:
            raise Refused(str(wrong.recipients)) from wrong
        if failed:
            raise Refused(str(failed))

    def set_smtp(self, fault: SmtpFault) -> None:
        """From now on the bot's door fails like this; `down` cuts the open connections too."""
        self.smtp_fault = fault
        if fault is SmtpFault.DOWN:
            self._loop.call_soon_threadsafe(self._hang_up)

    def set_imap(self, open_: bool) -> None:
        """Whether the bot can reach the support mailbox. Mail is taken in either way."""
        self.imap_open = open_
        self._wait(self._relay.turn(open_))

    # --- The loop -----------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()

    def _wait(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(START_S)

    async def _open(self) -> None:
        await self._relay.start()
        for of_bot in (False, True):
            door = await self._loop.create_server(lambda of_bot=of_bot: _Talk(self, of_bot), "127.0.0.1", 0)  # type: ignore[misc]  # mypy does not infer a lambda with a default.
            self._doors.append(door)
        self.people_port, self.bot_port = (int(door.sockets[0].getsockname()[1]) for door in self._doors)

    async def _close(self) -> None:
        for door in self._doors:
            door.close()
        self._hang_up(everybody=True)
        await self._relay.stop()
        rest = asyncio.all_tasks() - {asyncio.current_task()}
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)

    def _hang_up(self, everybody: bool = False) -> None:
        for talk in tuple(self._talks):
            if everybody or talk.of_bot:
                talk.cut()

    # --- Taking a mail in ---------------------------------------------------------------------------------------------

    def take(self, recipients: Iterable[str], raw: bytes) -> None:
        """Lay a mail into the mailboxes of its recipients, `support+token@` into support's. Raises MailboxDown."""
        names = {_mailbox_of(address) for address in recipients}
        for name in sorted(names - {SUPPORT}):
            self._received[name].append(raw)
        if SUPPORT in names:
            self.inbox.put(raw, self.now())
        self.changed()

    def stamped(self, raw: bytes, sender: str, recipients: Iterable[str]) -> bytes:
        """The mail as a server passes it on: with what it found out on top, and a Date unless there is one.

        Lines that claim to be our own findings are taken out. Source: RFC 8601 §5; RFC 6409 §8.1 (Date).
        """
        auth = Auth.PASS
        if raw.startswith(AUTH):
            line, _, raw = raw.partition(b"\r\n")
            auth = Auth(line.removeprefix(AUTH).decode())
        head, gap, body = raw.partition(b"\r\n\r\n")
        own = rb"(?im)^authentication-results:[ \t]*(?:\r\n[ \t]+)?" + re.escape(AUTHSERV_ID.encode())
        head = re.sub(own + rb"\b[^\r\n]*(?:\r\n[ \t][^\r\n]*)*(?:\r\n|\Z)", b"", head)
        found = message_from_bytes(head + b"\r\n\r\n", policy=policy.compat32)
        domain = (_from_domain(found) or sender).rpartition("@")[2].lower()
        findings = {
            Auth.PASS: f"dmarc=pass header.from={domain}",
            Auth.FAIL: f"dmarc=fail header.from={domain}",
            Auth.NONE: "none",
        }
        date = email.utils.format_datetime(self.now())
        lines = [f"Delivered-To: {address}" for address in recipients if _mailbox_of(address) == SUPPORT]
        lines += [f"Authentication-Results: {AUTHSERV_ID}; {findings[auth]}"]
        lines += [f"Received: from sender.example ([192.0.2.1]) by {AUTHSERV_ID} with ESMTP; {date}"]
        lines += [] if "Date" in found else [f"Date: {date}"]
        stamp = "".join(f"{line}\r\n" for line in lines).encode("utf-8", "replace")
        return stamp + head.removesuffix(b"\r\n") + gap + body


class _Talk(SMTP):
    """One SMTP conversation at a door."""

    line_length_limit = SIZE_BYTES_MAX  # Broken mail has long lines; refusing it is not what this door is for.

    def __init__(self, post: Post, of_bot: bool) -> None:
        handler = _Rules(post, of_bot, self)
        super().__init__(handler, data_size_limit=SIZE_BYTES_MAX, enable_SMTPUTF8=True, hostname=AUTHSERV_ID)
        self.of_bot = of_bot
        self._post = post
        self._shut = of_bot and post.smtp_fault is SmtpFault.DOWN

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if self._shut and isinstance(transport, asyncio.Transport):
            transport.abort()
            return
        super().connection_made(transport)
        self._post._talks.add(self)

    def cut(self) -> None:
        """Close the connection without a word."""
        if isinstance(self.transport, asyncio.Transport):
            self.transport.abort()

    def connection_lost(self, error: Exception | None) -> None:
        self._post._talks.discard(self)
        if not self._shut:
            super().connection_lost(error)


class _Rules:
    """What a door takes and what it does with it."""

    def __init__(self, post: Post, of_bot: bool, talk: _Talk) -> None:
        self._post, self._of_bot, self._talk = post, of_bot, talk

    async def handle_RCPT(  # noqa: N802 - aiosmtpd calls it so.
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self._of_bot and self._post.smtp_fault is SmtpFault.REFUSE:
            return "550 5.1.1 There is no such mailbox"
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(options)
        return "250 2.1.5 OK"

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        raw, sender, recipients = envelope.content, envelope.mail_from or "", tuple(envelope.rcpt_tos)
        if not isinstance(raw, bytes):
            return "554 5.6.0 No content"
        if (deep := depth(raw)) > DEPTH_MAX:
            return f"554 5.6.0 Parts nested {deep} deep; at most {DEPTH_MAX} are taken"
        if not self._of_bot:
            raw = self._post.stamped(raw, sender, recipients)
        try:
            await asyncio.to_thread(self._post.take, recipients, raw)
        except MailboxDown as wrong:
            return f"451 4.3.0 {wrong}"
        if self._of_bot and self._post.smtp_fault is SmtpFault.CUT:
            self._talk.cut()
        return "250 2.0.0 OK"


_NESTS = re.compile(
    rb"^(?:--(?P<line>[^\r\n]{1,300})|content-type:[ \t\r\n]*(?:multipart|message)/"
    rb"(?P<rest>[^\r\n]*(?:\r?\n[ \t][^\r\n]*)*))",
    re.I | re.M,
)
_BOUNDARY = re.compile(rb"boundary\s*=\s*(?:\"([^\"\r\n]{1,300})\"|([^\s;]{1,300}))", re.I)


def depth(raw: bytes) -> int:
    """How deep parts stand in each other, counted on their lines: a parser would break on what this door is to stop."""
    within: list[bytes] = []
    deepest = 0
    for found in _NESTS.finditer(raw):
        line = found.group("line")
        if line is None:
            named = _BOUNDARY.search(found.group("rest"))
            within.append((named.group(1) or named.group(2)) if named else b"")
            deepest = max(deepest, len(within))
        elif (name := line.rstrip()) in within:
            del within[within.index(name) + 1 :]
        elif (name := name.removesuffix(b"--")) in within:
            del within[within.index(name) :]
    return deepest


def _mailbox_of(address: str) -> str:
    """`Support+token@Parley.example` is support's mailbox."""
    local, _, domain = address.strip().lower().rpartition("@")
    return f"{local.partition('+')[0]}@{domain}" if domain == SUPPORT.rpartition("@")[2] else f"{local}@{domain}"


def _from_domain(head: Message) -> str:
    try:
        return email.utils.parseaddr(str(head.get("From", "")))[1]
    except (MessageError, ValueError, IndexError):  # The standard library's readers raise on broken headers.
        return ""


# --- Mail as people see it --------------------------------------------------------------------------------------------


def shown(raw: bytes) -> dict[str, object]:
    """A received mail as a mail client shows it; what cannot be read is left out. `date` is ISO 8601 with offset."""
    mail = message_from_bytes(raw, policy=policy.default)
    headers: dict[str, str] = {}
    for name in mail:
        key, value = str(name), "\n".join(_values(mail, str(name)))
        headers.setdefault(key, value)
    low = {name.lower(): value for name, value in headers.items()}
    return {
        "message_id": low.get("message-id"),
        "in_reply_to": low.get("in-reply-to"),
        "references": low.get("references", "").split(),
        "from": low.get("from", ""),
        "to": low.get("to", ""),
        "reply_to": low.get("reply-to"),
        "subject": low.get("subject", ""),
        "date": _iso(low.get("date", "")),
        "text": _body(mail, "plain"),
        "html": _body(mail, "html"),
        "headers": headers,
    }


def _values(mail: EmailMessage, name: str) -> list[str]:
    try:
        return [str(value) for value in mail.get_all(name, [])]
    except (MessageError, ValueError, IndexError, RecursionError):
        return []


def _iso(date: str) -> str | None:
    try:
        return email.utils.parsedate_to_datetime(date).isoformat()
    except ValueError:
        return None


def _body(mail: EmailMessage, kind: str) -> str:
    try:
        part = mail.get_body((kind,))
        return str(part.get_content()).replace("\r\n", "\n") if part is not None else ""
    except (MessageError, ValueError, LookupError, RecursionError):
        return ""
