"""Hands composed letters to the mail server: a batch over a few reused connections at once, each one's fate told apart.

The only coroutines in the product, and aiosmtplib's only door besides doctor. What may never happen here: a letter sent
twice because nobody knew whether it had left, and a letter sent in clear text over a network.
"""

import asyncio
import ssl
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import partial
from ipaddress import ip_address

import aiosmtplib

from bot.settings import Security, SmtpUrl

REPLY_CHARS_MAX = 500


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait, in seconds. Our side gives up on a command early, since it can be tried again; on the answer to
    a whole letter it never does before the ten minutes that servers may take. Source: RFC 5321 §4.5.3.2."""

    connect_s: float = 30
    command_s: float = 60
    data_s: float = 120
    answer_s: float = 600


@dataclass(frozen=True, slots=True)
class Server:
    """The server that takes our letters. `hello` is the name we give ourselves; `tls` replaces the system's trust.

    `access_token` gives an OAuth token and is used in place of the password; it may block.
    Raises: ValueError, for clear text to anything but this machine.
    """

    url: SmtpUrl
    hello: str = "localhost"
    connections: int = 3  # What Microsoft 365 allows a mailbox.
    patience: Patience = Patience()
    tls: ssl.SSLContext | None = None
    access_token: Callable[[], str] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if self.url.security is Security.CLEAR and not _loopback(self.url.host):
            raise ValueError(f"clear text only to this machine, not to {self.url.host}: use smtps or smtp+starttls")


@dataclass(frozen=True, slots=True)
class Envelope:
    """One composed letter. `id` is its row's; the first of `recipients` is the party, any others only get a copy."""

    id: int
    sender: str
    recipients: tuple[str, ...]
    content: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Accepted:
    """The server took the letter. `copies_refused`: the copies it did not take, with what it said."""

    response: str
    copies_refused: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Refused:
    """The server will never take it (5xx). `code` None: it was never asked, for the letter is no mail at all."""

    code: int | None
    text: str


@dataclass(frozen=True, slots=True)
class Deferred:
    """The letter has certainly not left and may be tried again. `code` None: the trouble is not this letter, but the
    server as a whole (unreachable, login refused, cut off, silent)."""

    code: int | None
    text: str


@dataclass(frozen=True, slots=True)
class Unknown:
    """Our final dot went out and no answer came back: it may have left or not."""

    reason: str


@dataclass(frozen=True, slots=True)
class Fenced:
    """The gate was closed: the letter is no longer ours to send."""


Outcome = Accepted | Refused | Deferred | Unknown | Fenced
Gate = Callable[[Envelope], bool]
Record = Callable[[Envelope, Outcome], None]


def deliver_batch(server: Server, letters: Sequence[Envelope], gate: Gate, record: Record) -> None:
    """Sends the letters over at most `server.connections` connections at once; returns when each has its outcome.

    `gate` is called when the server is ready for the letter's text, and commits the intent; False: the letter stays.
    `record` is called once a letter, as soon as its outcome is known. Both run in one thread, not the caller's. Once
    nobody knows of one letter whether it left, no other is begun.

    Raises: whatever `gate` or `record` raised first, after the letters in flight have been brought to their end.
    """
    if letters:
        asyncio.run(send_batch(server, letters, gate, record))


async def send_batch(server: Server, letters: Sequence[Envelope], gate: Gate, record: Record) -> None:
    """`deliver_batch` inside a running event loop; a cancelled batch closes its connections."""
    tls = _tls(server)
    with ThreadPoolExecutor(1, "outbox") as commits:
        batch = _Batch(deque(letters), gate, record, commits)
        await asyncio.gather(*(_lane(server, tls, batch) for _ in range(min(server.connections, len(letters)))))
        for letter in tuple(batch.waiting):
            await batch.settle(letter, Deferred(None, batch.trouble))
    if batch.error is not None:
        raise batch.error


def probe(server: Server) -> str | None:
    """Connects, greets and logs in as for letters, and leaves. Returns why letters cannot be handed over, or None."""
    return asyncio.run(_probe(server))


async def _probe(server: Server) -> str | None:
    client = _client(server, _tls(server))
    try:
        trouble = await _connect(client, server)
        await _leave(client)
    finally:
        client.close()
    return trouble


def _tls(server: Server) -> ssl.SSLContext | None:
    """Made once a batch: reading the system's certificates takes longer than a letter."""
    if server.url.security is Security.CLEAR:
        return None
    return server.tls or ssl.create_default_context()


class _Batch:
    """What the lanes share: the letters still waiting, why no more should begin, and the door to the store.

    Commits run in one thread of their own, so that a slow one never looks like a silent server.
    """

    def __init__(self, waiting: deque[Envelope], gate: Gate, record: Record, commits: ThreadPoolExecutor) -> None:
        self.waiting = waiting
        self.trouble = ""
        self.stopped = False
        self.error: Exception | None = None
        self._gate, self._record, self._commits = gate, record, commits

    def next(self) -> Envelope | None:
        return self.waiting.popleft() if self.waiting and not self.stopped else None

    async def opens(self, letter: Envelope) -> bool:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._commits, self._gate, letter)
        except Exception as error:  # noqa: BLE001 - raised by send_batch
            self._fail(error)
            return False

    async def settle(self, letter: Envelope, outcome: Outcome) -> None:
        if isinstance(outcome, Unknown):
            self.stop(f"not tried: {outcome.reason}")
        if isinstance(outcome, Fenced) and self.error is not None:
            return  # The store broke at the gate: nothing left, and its claim runs out by itself.
        try:
            await asyncio.get_running_loop().run_in_executor(self._commits, self._record, letter, outcome)
        except Exception as error:  # noqa: BLE001 - raised by send_batch
            self._fail(error)

    def stop(self, why: str) -> None:
        self.stopped, self.trouble = True, why

    def _fail(self, error: Exception) -> None:
        self.error = self.error or error
        self.stop("not tried: the store failed")
        self.waiting.clear()  # Their claims run out; nothing could be recorded of them now.


async def _lane(server: Server, tls: ssl.SSLContext | None, batch: _Batch) -> None:
    """One connection's work. A lane that cannot connect leaves the letters to the others."""
    worthwhile = True
    while worthwhile and batch.waiting and not batch.stopped:
        client = _client(server, tls)
        async with AsyncExitStack() as stack:
            stack.callback(_hang_up, client)  # However it ends: after a cancelled command replies would pair wrongly.
            if (trouble := await _connect(client, server)) is not None:
                batch.trouble = batch.trouble or trouble
                return
            worthwhile = await _converse(client, server.patience, batch)
            await _leave(client)


async def _converse(client: aiosmtplib.SMTP, patience: Patience, batch: _Batch) -> bool:
    """Sends letters until none waits or the connection is gone. Returns whether to connect again: it had served."""
    answered = 0
    while (letter := batch.next()) is not None:
        outcome = await _offer(client, letter)
        if answered and isinstance(outcome, Deferred) and not client.is_connected:
            batch.waiting.appendleft(letter)  # Servers end a connection after so many letters: it is not this one's.
            return True
        if not isinstance(outcome, Ready):
            await batch.settle(letter, outcome)
        elif await batch.opens(letter):
            sent = await _hand_over(client, letter, outcome, patience)
            await batch.settle(letter, sent)
            answered += isinstance(sent, Accepted)
        else:
            await batch.settle(letter, Fenced())
            await _reset(client)
        if not client.is_connected:
            batch.trouble = batch.trouble or "not tried: the mail server had cut the connection"
            return answered > 0
    return False


# --- one letter ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Ready:
    """The server took sender and recipient, and waits for the text."""

    copies_refused: tuple[str, ...] = ()


async def _offer(client: aiosmtplib.SMTP, letter: Envelope) -> Ready | Refused | Deferred:
    """MAIL and RCPT. A copy that is refused stops nothing; the party's address decides."""
    utf8 = not all(address.isascii() for address in (letter.sender, *letter.recipients))
    if utf8 and not client.supports_extension("smtputf8"):
        return Refused(553, "5.6.7 the mail server cannot write to an address that is not ASCII (no SMTPUTF8)")
    options, encoding = (("SMTPUTF8", "BODY=8BITMIME"), "utf-8") if utf8 else ((), "ascii")
    party, *copies = letter.recipients
    refused = []
    try:
        await client.mail(letter.sender, options=options, encoding=encoding)
        await client.rcpt(party, encoding=encoding)
        for copy in copies:
            try:
                await client.rcpt(copy, encoding=encoding)
            except aiosmtplib.SMTPRecipientRefused as error:
                refused.append(f"{copy}: {error.code} {_plain(error.message)}")
    except aiosmtplib.SMTPResponseException as error:
        await _reset(client)
        return _turned_down(client, error.code, error.message)
    except (aiosmtplib.SMTPException, OSError) as error:
        client.close()
        return Deferred(None, f"cut off or silent before the letter's text: {_plain(str(error))}")
    return Ready(tuple(refused))


async def _hand_over(
    client: aiosmtplib.SMTP, letter: Envelope, ready: Ready, patience: Patience
) -> Accepted | Refused | Deferred | Unknown:
    """DATA, the text, the final dot, the answer. `SMTP.data` does the same in one call, and so cannot say whether a cut
    came before the text went out, which is harmless, or after it."""
    try:
        go_ahead = await client.execute_command(b"DATA", timeout=patience.data_s)
        if go_ahead.code != aiosmtplib.SMTPStatus.start_input:
            await _reset(client)
            return _turned_down(client, go_ahead.code, go_ahead.message)
        if client.protocol is None:
            raise aiosmtplib.SMTPServerDisconnected("Connection lost")
        client.protocol.write(_dotted(letter.content))
    except (aiosmtplib.SMTPException, OSError) as error:
        client.close()
        return Deferred(None, f"cut off or silent before the letter's text: {_plain(str(error))}")
    try:
        answer = await client.protocol.read_response(timeout=patience.answer_s)
    except (aiosmtplib.SMTPException, OSError) as error:
        client.close()
        return Unknown(f"no answer after the final dot: {_plain(str(error))}")
    match answer.code // 100:
        case 2:
            return Accepted(_plain(f"{answer.code} {answer.message}"), ready.copies_refused)
        case 4 | 5:
            return _turned_down(client, answer.code, answer.message)
        case _:
            client.close()
            return Unknown(f"an answer that is none after the final dot: {answer.code} {_plain(answer.message)}")


def _turned_down(client: aiosmtplib.SMTP, code: int, text: str) -> Refused | Deferred:
    """By the first digit; what SMTP does not know as a refusal ends the connection. Source: RFC 5321 §4.2.1."""
    match code // 100:
        case 5:
            return Refused(code, _plain(text))
        case 4:
            return Deferred(code, _plain(text))
        case _:
            client.close()
            return Deferred(None, f"an answer that is none: {code} {_plain(text)}")


def _dotted(content: bytes) -> bytes:
    """The text with its leading dots doubled, and the end. Source: RFC 5321 §4.5.2. Lines end in CRLF already."""
    stuffed = content.replace(b"\r\n.", b"\r\n..")
    if stuffed.startswith(b"."):
        stuffed = b"." + stuffed
    return stuffed + (b".\r\n" if stuffed.endswith(b"\r\n") else b"\r\n.\r\n")


def _plain(text: str) -> str:
    """A server's words on one line, printable and short: replies may hold anything."""
    words = "".join(char if char.isprintable() else " " for char in text[: REPLY_CHARS_MAX * 2])
    return " ".join(words.split())[:REPLY_CHARS_MAX]


# --- the connection --------------------------------------------------------------------------------------------------


def _client(server: Server, tls: ssl.SSLContext | None) -> aiosmtplib.SMTP:
    url, token = server.url, server.access_token
    return aiosmtplib.SMTP(
        hostname=url.host,
        port=url.port,
        username=url.user or None,
        password=url.password if url.user and token is None else None,
        oauth_token_generator=None if token is None else partial(asyncio.to_thread, token),
        local_hostname=server.hello,
        timeout=server.patience.command_s,
        use_tls=url.security is Security.TLS,
        start_tls=url.security is Security.STARTTLS,  # Never None, which falls back to clear text without a word.
        tls_context=tls,
    )


async def _connect(client: aiosmtplib.SMTP, server: Server) -> str | None:
    """Greeting, encryption, login, EHLO. Returns None, or in plain words why the server cannot be used."""
    where = f"{server.url.host}:{server.url.port}"
    try:
        await client.connect(timeout=server.patience.connect_s)
        if client.is_ehlo_or_helo_needed:
            try:
                await client.ehlo()
            except aiosmtplib.SMTPHeloError:
                await client.helo()
    except aiosmtplib.SMTPAuthenticationError as error:
        return f"{where} refused the login ({error.code} {_plain(error.message)}): check user and password"
    except aiosmtplib.SMTPResponseException as error:
        return f"{where} refused the connection ({error.code} {_plain(error.message)})"
    except (aiosmtplib.SMTPException, OSError) as error:
        return f"{where} cannot be used: {_plain(str(error))}"
    return None


async def _reset(client: aiosmtplib.SMTP) -> None:
    """Forgets the letter begun, without which the next MAIL gets 503; a connection that cannot is given up."""
    try:
        if client.is_connected:
            await client.rset()
    except (aiosmtplib.SMTPException, OSError):
        client.close()


async def _leave(client: aiosmtplib.SMTP) -> None:
    try:
        if client.is_connected:
            await client.quit(timeout=2)
    except (aiosmtplib.SMTPException, OSError):
        pass  # All letters have their answers; the farewell is a courtesy.


def _hang_up(client: aiosmtplib.SMTP) -> None:
    """Ends the connection at once, also where the server takes no more of what was written to it."""
    if isinstance(client.transport, asyncio.WriteTransport):
        client.transport.abort()
    client.close()


def _loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
