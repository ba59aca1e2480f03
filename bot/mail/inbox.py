"""Reads the support mailbox: every mail is in our store, as raw bytes, before anything is marked on the server.

People read this mailbox too, so nothing is moved, deleted or marked as seen. The store's cursor is the record of what
was read; the keyword left on the server is a courtesy.
"""

import hashlib
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from imapclient import IMAPClient, SocketTimeout
from imapclient.exceptions import IMAPClientAbortError, IMAPClientError, ProtocolError

from bot.mail.decode import message_ids
from bot.settings import ImapUrl

KEYWORD = b"$ParleyRead"


@dataclass(frozen=True, slots=True)
class Fetched:
    """One mail as the server gave it.

    `key` is unique while the server keeps its UIDVALIDITY; after a change the same mail comes again under a new key, to
    be recognised by `message_id` and `sha256` together. `cut` is set where `raw` is not the whole mail, and says why:
    such a mail belongs in quarantine. `internaldate` is UTC.
    """

    key: str
    uidvalidity: int
    uid: int
    raw: bytes
    size_bytes: int
    sha256: str
    message_id: str | None
    internaldate: datetime
    cut: str | None


@dataclass(frozen=True, slots=True)
class Desk:
    """Everything outside that the reader calls, from its own thread.

    `cursor` gives the last (UIDVALIDITY, UID) stored, or None. `store` commits the mails and the cursor of the last one
    before it returns; a mail it already has it leaves out. `polled` learns that all mail that was there at that moment
    (on `now`'s clock) is stored. `wanted` says whether somebody waits for a poll; asked every second.
    `told` learns whether the mailbox can be reached, and if not, why. `jitter` gives numbers from 0 to 1.
    """

    cursor: Callable[[], tuple[int, int] | None]
    store: Callable[[Sequence[Fetched]], None]
    polled: Callable[[datetime], None]
    wanted: Callable[[], bool]
    told: Callable[[bool, str], None]
    now: Callable[[], datetime]
    jitter: Callable[[], float]


@dataclass(frozen=True, slots=True)
class Pace:
    """How often and how much. Source for renewing IDLE: RFC 2177 §3 allows 29 minutes, firewalls far less."""

    poll_every_s: float = 60.0
    idle_renew_s: float = 600.0
    connect_timeout_s: float = 10.0
    read_timeout_s: float = 30.0
    pause_max_s: float = 60.0
    size_bytes_max: int = 35 * 1024 * 1024
    cut_bytes: int = 256 * 1024
    batch_mails: int = 50
    batch_bytes: int = 8 * 1024 * 1024
    window_uids: int = 5_000


PACE = Pace()
_TRIES_A_MAIL = 3
_SLICE_S = 1.0


def password_login(client: IMAPClient, url: ImapUrl) -> None:
    """Logs in with user and password."""
    client.login(url.user, url.password)


def connect(url: ImapUrl, login: Callable[[IMAPClient, ImapUrl], None], pace: Pace = PACE) -> IMAPClient:
    """A logged-in connection with time-outs on every step. Raises OSError or IMAPClientError."""
    patience = SocketTimeout(connect=pace.connect_timeout_s, read=pace.read_timeout_s)
    client = IMAPClient(url.host, port=url.port, ssl=url.tls, timeout=patience)
    client.normalise_times = False
    try:
        login(client, url)
    except BaseException:
        _throw_away(client)
        raise
    return client


@dataclass(frozen=True, slots=True)
class Seen:
    """What a mailbox is like: how many mails it holds, whether it pushes new ones, whether it takes our keyword."""

    mails: int
    idle: bool
    keyword: bool


def look(url: ImapUrl, login: Callable[[IMAPClient, ImapUrl], None] = password_login) -> Seen:
    """Logs in, looks at the folder without changing anything, and leaves. Raises OSError or IMAPClientError."""
    client = connect(url, login)
    try:
        folder: Mapping[bytes, object] = client.select_folder(url.folder, readonly=True)
        idle = bool(client.has_capability("IDLE"))
        flags: Mapping[bytes, object] = client.select_folder(url.folder)
        seen = Seen(_number(folder.get(b"EXISTS")), idle, _may_mark(flags.get(b"PERMANENTFLAGS")))
        client.logout()
        return seen
    finally:
        _throw_away(client)


def pause_s(attempt: int, jitter: float, longest_s: float) -> float:
    """How long to wait before connecting again: doubling from one second, up to `longest_s`.

    `attempt` counts from 1; `jitter` (0 to 1) spreads the wait over its upper half.
    """
    return float(min(longest_s, 2.0 ** min(attempt - 1, 16)) * (0.5 + jitter / 2))


class Disconnected(Exception):
    """The server ended the connection, or went silent in a way that means the same."""


class Reader:
    """The mailbox reader, in a thread of its own, on one connection at a time.

    `since` (aware): mail that the server received before it is left alone. `login` may be exchanged for OAuth.
    """

    def __init__(
        self,
        url: ImapUrl,
        since: datetime,
        desk: Desk,
        pace: Pace = PACE,
        login: Callable[[IMAPClient, ImapUrl], None] = password_login,
    ) -> None:
        self._url, self._since, self._desk, self._pace, self._login = url, since, desk, pace, login
        self._stopped = threading.Event()
        self._woken = threading.Event()
        self._thread = threading.Thread(target=self._run, name="mailbox", daemon=True)
        self._client: IMAPClient | None = None
        self._scanned = (0, 0)
        self._singly_to = (0, 0)
        self._failures: dict[tuple[int, int], int] = {}

    def start(self) -> None:
        """Begins to read, and goes on until `stop`."""
        self._thread.start()

    def wake(self) -> None:
        """Asks for a poll now; it begins within a second."""
        self._woken.set()

    def stop(self) -> None:
        """Ends the reading; returns within two seconds, whatever the server does."""
        self._stopped.set()
        self._woken.set()
        if self._thread.ident is None:
            return
        self._thread.join(1.2)
        if self._thread.is_alive() and (client := self._client) is not None:
            _cut_off(client)
            self._thread.join(0.6)

    @property
    def alive(self) -> bool:
        """Whether the thread runs."""
        return self._thread.is_alive()

    def _run(self) -> None:
        attempt = 0
        while not self._stopped.is_set():
            before = self._scanned
            polls = 0
            try:
                for _ in self._session():
                    polls += 1
            except Exception as error:  # noqa: BLE001  The outermost loop of a recurring job: said, and tried again.
                if self._stopped.is_set():
                    return
                attempt = 1 if polls or self._scanned != before else attempt + 1
                self._desk.told(False, f"{type(error).__name__}: {error}"[:300])
                self._stopped.wait(pause_s(attempt, self._desk.jitter(), self._pace.pause_max_s))

    def _session(self) -> Iterator[None]:
        """One connection, from login to its end; yields after each complete poll."""
        client = connect(self._url, self._login, self._pace)
        self._client = client
        try:
            can_idle = bool(client.has_capability("IDLE"))
            while not self._stopped.is_set():
                self._woken.clear()
                if self._poll(client):
                    self._desk.told(True, "")
                    yield
                if can_idle:
                    self._idle(client)
                else:
                    self._wait()
            client.logout()
        finally:
            self._client = None
            _throw_away(client)

    # --- waiting for mail ---------------------------------------------------------------------------------------------

    def _due(self, since_s: float) -> bool:
        waited_s = time.monotonic() - since_s
        return (
            self._stopped.is_set()
            or self._woken.is_set()
            or waited_s >= min(self._pace.poll_every_s, self._pace.idle_renew_s)
            or self._desk.wanted()
        )

    def _wait(self) -> None:
        start_s = time.monotonic()
        while not self._due(start_s):
            self._woken.wait(min(_SLICE_S, self._pace.poll_every_s))

    def _idle(self, client: IMAPClient) -> None:
        """Waits in IDLE until mail is announced or a poll is due. Raises Disconnected."""
        start_s = time.monotonic()
        client.idle()
        while not self._due(start_s):
            slice_s = min(_SLICE_S, self._pace.poll_every_s)
            begun_s = time.monotonic()
            told = client.idle_check(timeout=slice_s)
            if any(line and line[0] == b"BYE" for line in told):
                raise Disconnected("the server said BYE")
            if not told and time.monotonic() - begun_s < slice_s / 2:
                raise Disconnected("the server closed the connection")
            if any(len(line) > 1 and line[1] in (b"EXISTS", b"RECENT") for line in told):
                break
        client.idle_done()

    # --- one poll -----------------------------------------------------------------------------------------------------

    def _poll(self, client: IMAPClient) -> bool:
        """Stores every mail above the cursor, in order. Returns False if it was stopped on the way."""
        at = self._desk.now()
        folder: Mapping[bytes, object] = client.select_folder(self._url.folder)
        uidvalidity = _number(folder.get(b"UIDVALIDITY"))
        marks = _may_mark(folder.get(b"PERMANENTFLAGS"))
        for uids in self._unread(client, folder, uidvalidity):
            for batch in self._batches(client, uids):
                if self._stopped.is_set():
                    return False
                self._desk.store(self._fetched(client, uidvalidity, batch))
                marks = marks and _mark(client, [one.uid for one in batch])
                self._scanned = (uidvalidity, batch[-1].uid)
            self._scanned = (uidvalidity, uids[-1])
        self._desk.polled(at)
        return True

    def _unread(self, client: IMAPClient, folder: Mapping[bytes, object], uidvalidity: int) -> Iterator[list[int]]:
        """UIDs above the cursor, window by window: one SEARCH over a large mailbox overruns the client's line limit."""
        cursor = self._desk.cursor()
        known = [at[1] for at in (cursor, self._scanned) if at is not None and at[0] == uidvalidity]
        first = max(known, default=0) + 1
        day = (self._since - timedelta(days=1)).strftime("%d-%b-%Y")  # SINCE knows only days, in the server's zone.
        end = _number(folder.get(b"UIDNEXT")) - 1
        small = _number(folder.get(b"EXISTS")) <= self._pace.window_uids
        while first <= end or end < 0:
            last = "*" if small or end < 0 else str(min(end, first + self._pace.window_uids - 1))
            # "n:*" names the last mail even where its UID is below n.
            uids = sorted(uid for uid in client.search(["UID", f"{first}:{last}", "SINCE", day]) if uid >= first)
            if uids:
                yield uids
            if last == "*":
                return
            first = int(last) + 1
            self._scanned = (uidvalidity, int(last))

    def _batches(self, client: IMAPClient, uids: list[int]) -> Iterator[list["_Due"]]:
        """The mails to fetch, in runs of limited number and size; those received before `since` left out."""
        batch: list[_Due] = []
        size = 0
        for start in range(0, len(uids), 500):
            answer = client.fetch(uids[start : start + 500], ["RFC822.SIZE", "INTERNALDATE"])
            for uid in uids[start : start + 500]:
                if uid not in answer:
                    continue  # Gone since the search.
                due = _Due(
                    uid,
                    _number(answer[uid].get(b"RFC822.SIZE")),
                    _moment(answer[uid].get(b"INTERNALDATE"), self._desk.now()),
                )
                if due.internaldate < self._since:
                    continue
                if batch and (len(batch) >= self._pace.batch_mails or size + due.size_bytes > self._pace.batch_bytes):
                    yield batch
                    batch, size = [], 0
                batch.append(due)
                size += min(due.size_bytes, self._pace.size_bytes_max)
        if batch:
            yield batch

    def _fetched(self, client: IMAPClient, uidvalidity: int, batch: list["_Due"]) -> list[Fetched]:
        """The mails of a batch; one by one where the batch as a whole has failed before, or one is too large."""
        whole = [due.uid for due in batch if due.size_bytes <= self._pace.size_bytes_max]
        raws: dict[int, bytes] = {}
        if (uidvalidity, batch[-1].uid) > self._singly_to:
            try:
                raws = _bodies(client, whole)
            except (IMAPClientError, OSError):
                self._singly_to = (uidvalidity, batch[-1].uid)
                raise
        found: list[Fetched] = []
        for due in batch:
            raw, cut = raws.get(due.uid), None
            if raw is None:
                raw, cut = self._one(client, uidvalidity, due)
            found.append(_mail(uidvalidity, due, raw, cut))
        return found

    def _one(self, client: IMAPClient, uidvalidity: int, due: "_Due") -> tuple[bytes, str | None]:
        """A mail by itself, or what can be had of it and why that is not all.

        After `_TRIES_A_MAIL` failures it is given up with its reason, so that it never blocks those behind it.
        """
        failures = self._failures.get((uidvalidity, due.uid), 0)
        if failures >= _TRIES_A_MAIL:
            return b"", f"the server failed {failures} times to give this mail"
        try:
            if due.size_bytes > self._pace.size_bytes_max:
                raw = _beginning(client, due.uid, self._pace.cut_bytes)
                return raw, f"{due.size_bytes} bytes, over the limit of {self._pace.size_bytes_max}"
            raw = _bodies(client, [due.uid]).get(due.uid, b"")
            return raw, None if raw else "the server gave no content"
        except (IMAPClientAbortError, ProtocolError, OSError):
            self._failures[(uidvalidity, due.uid)] = failures + 1
            raise
        except IMAPClientError as error:
            return b"", f"the server refused to give this mail: {error}"[:300]


@dataclass(frozen=True, slots=True)
class _Due:
    """A mail to fetch; `internaldate` is UTC."""

    uid: int
    size_bytes: int
    internaldate: datetime


def _bodies(client: IMAPClient, uids: list[int]) -> dict[int, bytes]:
    answer = client.fetch(uids, ["BODY.PEEK[]"]) if uids else {}
    return {uid: raw for uid in uids if isinstance(raw := answer.get(uid, {}).get(b"BODY[]"), bytes) and raw}


def _beginning(client: IMAPClient, uid: int, size_bytes: int) -> bytes:
    answer = client.fetch([uid], [f"BODY.PEEK[]<0.{size_bytes}>"]).get(uid, {})
    raw = next((value for name, value in answer.items() if name.startswith(b"BODY[]")), b"")
    return raw[:size_bytes] if isinstance(raw, bytes) else b""


_MESSAGE_ID = re.compile(rb"^message-id[ \t]*:((?:[^\r\n]|\r?\n[ \t]){0,2000})", re.I | re.M)


def _mail(uidvalidity: int, due: _Due, raw: bytes, cut: str | None) -> Fetched:
    head = re.split(rb"\r?\n\r?\n", raw, maxsplit=1)[0]
    named = _MESSAGE_ID.search(head)
    ids = message_ids(named.group(1).decode("utf-8", "replace")) if named else ()
    return Fetched(
        key=f"imap:{uidvalidity}:{due.uid}",
        uidvalidity=uidvalidity,
        uid=due.uid,
        raw=raw,
        size_bytes=due.size_bytes,
        sha256=hashlib.sha256(raw).hexdigest(),
        message_id=ids[0] if ids else None,
        internaldate=due.internaldate,
        cut=cut,
    )


def _may_mark(flags: object) -> bool:
    return isinstance(flags, tuple) and (b"\\*" in flags or KEYWORD in flags)


def _mark(client: IMAPClient, uids: list[int]) -> bool:
    """Leaves our keyword on the mails. Returns False where the server refuses it, so that it is not asked again."""
    try:
        client.add_flags(uids, [KEYWORD], silent=True)
    except (IMAPClientAbortError, ProtocolError):
        raise
    except IMAPClientError:
        return False
    return True


def _number(value: object) -> int:
    return value if isinstance(value, int) else 0


def _moment(value: object, otherwise: datetime) -> datetime:
    """An INTERNALDATE in UTC; one that cannot be read counts as just now, so that its mail is not passed over."""
    return (value if isinstance(value, datetime) else otherwise).astimezone(UTC)


def _cut_off(client: IMAPClient) -> None:
    """Ends a command that is stuck in another thread: closing the file under it would wait for its lock."""
    try:
        client.socket().shutdown(socket.SHUT_RDWR)
    except (OSError, IMAPClientError):
        pass  # It ended by itself in the meantime.


def _throw_away(client: IMAPClient) -> None:
    try:
        client.shutdown()
    except (OSError, IMAPClientError):
        pass  # It was broken already; nothing is left to close.
