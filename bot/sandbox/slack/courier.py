"""Delivers to the bot what happens in the workspace, by socket or signed request, and resends events as Slack does.

Events that are not acknowledged within three seconds are resent at once, after a minute and after five more; clicks,
submissions and commands never. Source: Slack, "Events API", retries; "Using Socket Mode"; measured (traps).
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import http.client
import json
import threading
import time
import uuid
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from urllib.parse import urlencode, urlsplit

from starlette.websockets import WebSocket, WebSocketDisconnect

from bot.sandbox.slack.faults import Fault, Faults
from bot.sandbox.slack.shapes import Json, Obj, parse, parse_obj, text
from bot.sandbox.slack.state import Delivery, Envelope, Outcome

RESEND_AFTER_S = (0.0, 60.0, 300.0)
"""How long Slack waits before each of its three retries. Source: Slack, "Events API", error handling."""

ACK_S = 3.0
SOCKETS_MAX = 10
"""Connections an app may have at a time. Source: Slack, "Using Socket Mode"."""

_POLL_S = 0.02


@dataclass(frozen=True, slots=True)
class Hook:
    """HTTP mode: where requests go, and the secret they are signed with."""

    url: str
    signing_secret: str


@dataclass(slots=True)
class Line:
    """One Socket Mode connection. `warned`: told to reconnect; used only while there is no other."""

    socket: WebSocket
    warned: bool = False
    carried: int = 0


class Courier:
    """Carries deliveries. `send` may be called from any thread once the server's loop is known."""

    def __init__(
        self, clock: Callable[[], float], faults: Faults, *, hook: Hook | None = None, ack_s: float = ACK_S
    ) -> None:
        self.clock = clock
        self.faults = faults
        self.hook = hook
        self.ack_s = ack_s
        self.lines: list[Line] = []
        self.loop: asyncio.AbstractEventLoop | None = None
        self.attempts = 0
        self._turn = 0
        self._waiting: dict[str, asyncio.Future[Outcome]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._under_way = 0
        self._to_resend = 0
        self._guard = threading.Lock()
        self._threads = ThreadPoolExecutor(max_workers=8, thread_name_prefix="slack-hook")

    @property
    def under_way(self) -> int:
        """Deliveries whose acknowledgement is awaited right now."""
        return self._under_way

    @property
    def to_resend(self) -> int:
        """Events that wait for a later retry."""
        return self._to_resend

    def send(self, delivery: Delivery) -> Future[Outcome]:
        """Deliver; the future has the outcome once acknowledged, or when an event is put off until a later resend."""
        done: Future[Outcome] = Future()
        if delivery.kind is Envelope.EVENT and self.faults.take(Fault.LOSE_EVENTS):
            done.set_result(Outcome(acked=False, reason="lost"))
            return done
        loop = self.loop
        if loop is None:
            done.set_result(Outcome(acked=False, reason="connection_failed"))
            return done
        with self._guard:
            self._under_way += 1
        try:
            loop.call_soon_threadsafe(self._begin, delivery, done)
        except RuntimeError:  # The loop has been closed: the stand-in is stopping.
            self._count(under_way=-1)
            done.set_result(Outcome(acked=False, reason="connection_failed"))
        return done

    def _begin(self, delivery: Delivery, done: Future[Outcome]) -> None:
        task = asyncio.get_running_loop().create_task(self._carry(delivery, done))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def stop(self) -> None:
        """Give up what is not delivered."""
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _carry(self, delivery: Delivery, done: Future[Outcome]) -> None:
        outcome, tries = Outcome(acked=False, reason="cancelled"), 0
        try:
            try:
                outcome = await self._attempt(delivery, 0, "")
            finally:
                self._count(under_way=-1)
            while not outcome.acked and delivery.kind is Envelope.EVENT and tries < len(RESEND_AFTER_S):
                if outcome.reason == "no_retry":
                    break
                if RESEND_AFTER_S[tries] > 0 and not done.done():
                    done.set_result(outcome)  # Whoever waits for the bot need not wait for a later resend.
                await self._wait(RESEND_AFTER_S[tries])
                tries += 1
                self._count(under_way=1)
                try:
                    outcome = await self._attempt(delivery, tries, outcome.reason)
                finally:
                    self._count(under_way=-1)
        finally:
            if not done.done():
                done.set_result(outcome)

    def _count(self, *, under_way: int = 0, to_resend: int = 0) -> None:
        with self._guard:
            self._under_way += under_way
            self._to_resend += to_resend

    async def _wait(self, seconds: float) -> None:
        """Until the handed-in clock has moved on by so much; it may jump."""
        due = self.clock() + seconds
        self._count(to_resend=1)
        try:
            while self.clock() < due:  # noqa: ASYNC110  # A clock that is handed in cannot wake us.
                await asyncio.sleep(_POLL_S)
        finally:
            self._count(to_resend=-1)

    async def _attempt(self, delivery: Delivery, number: int, reason: str) -> Outcome:
        self.attempts += 1
        if self.faults.take(Fault.DOWN):
            return Outcome(acked=False, reason="connection_failed")
        if self.hook is not None:
            hook = self.hook
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._threads, self._request, hook, delivery, number, reason)
        return await self._over_socket(delivery, number, reason)

    # --- Socket Mode -------------------------------------------------------------------------------------------------

    async def _over_socket(self, delivery: Delivery, number: int, reason: str) -> Outcome:
        """One envelope over the next connection in turn. Source: Slack, "Using Socket Mode", several connections."""
        open_lines = [line for line in self.lines if not line.warned] or self.lines
        if not open_lines:
            return Outcome(acked=False, reason="connection_failed")
        self._turn += 1
        line = open_lines[self._turn % len(open_lines)]
        envelope_id = str(uuid.uuid4())
        envelope: Obj = {
            "envelope_id": envelope_id,
            "payload": delivery.payload,
            "type": delivery.kind.value,
            "accepts_response_payload": delivery.answers,
        }
        if delivery.kind is Envelope.EVENT:
            envelope |= {"retry_attempt": number, "retry_reason": reason}
        answer: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._waiting[envelope_id] = answer
        line.carried += 1
        try:
            await line.socket.send_text(json.dumps(envelope))
            return await asyncio.wait_for(answer, self.ack_s)
        except TimeoutError:
            return Outcome(acked=False, reason="timeout")
        except (RuntimeError, WebSocketDisconnect):
            return Outcome(acked=False, reason="connection_failed")
        finally:
            del self._waiting[envelope_id]

    async def serve(self, socket: WebSocket, hello: Obj) -> None:
        """One connection from hello to its end. An eleventh is turned away."""
        await socket.accept()
        if len(self.lines) >= SOCKETS_MAX:
            await socket.send_text(json.dumps({"type": "disconnect", "reason": "too_many_websockets"}))
            await socket.close()
            return
        line = Line(socket)
        self.lines.append(line)
        try:
            await socket.send_text(json.dumps(hello | {"num_connections": len(self.lines)}))
            while True:
                self._acknowledged(await socket.receive_text())
        except (WebSocketDisconnect, RuntimeError, KeyError):
            pass  # The other side is gone, or this side closed it.
        finally:
            self.lines.remove(line)

    def _acknowledged(self, message: str) -> None:
        """Counts on whatever socket it comes: after a reconnect the SDK acknowledges over the new one (measured)."""
        try:
            ack = parse_obj(message)
        except ValueError:
            return
        answer = self._waiting.get(text(ack, "envelope_id"))
        if answer is None or answer.done() or self.faults.take(Fault.LOSE_ACKS):
            return
        answer.set_result(Outcome(acked=True, body=ack.get("payload")))

    async def refresh(self, line: Line, warning_s: float) -> None:
        """Slack's refresh of a connection: a warning, then the disconnect. Source: Slack, "Using Socket Mode"."""
        line.warned = True
        info: Obj = {"debug_info": {"host": "applink-sandbox"}}
        await line.socket.send_text(json.dumps({"type": "disconnect", "reason": "warning"} | info))
        await asyncio.sleep(warning_s)
        if line in self.lines:
            try:
                await line.socket.send_text(json.dumps({"type": "disconnect", "reason": "refresh_requested"} | info))
                await line.socket.close()
            except (RuntimeError, WebSocketDisconnect):
                pass  # The client was faster.

    async def hang_up(self) -> None:
        """Close every connection without a word."""
        for line in tuple(self.lines):
            try:
                await line.socket.close(code=1001)
            except (RuntimeError, WebSocketDisconnect):
                pass  # Closed already.

    # --- HTTP mode ---------------------------------------------------------------------------------------------------

    def _request(self, hook: Hook, delivery: Delivery, number: int, reason: str) -> Outcome:
        body, content_type = encode(delivery)
        headers = signed(hook.signing_secret, body) | {"Content-Type": content_type, "User-Agent": "Slackbot 1.0"}
        if number:
            headers |= {"X-Slack-Retry-Num": str(number), "X-Slack-Retry-Reason": reason}
        return post(hook.url, body, headers, self.ack_s)


def encode(delivery: Delivery) -> tuple[bytes, str]:
    """A delivery as a request body. Source: Slack, "Events API"; "Handling user interaction"; "Slash commands"."""
    form = "application/x-www-form-urlencoded"
    match delivery.kind:
        case Envelope.EVENT:
            return json.dumps(delivery.payload).encode(), "application/json"
        case Envelope.INTERACTIVE:
            return urlencode({"payload": json.dumps(delivery.payload)}).encode(), form
        case Envelope.COMMAND:
            return urlencode({name: str(value) for name, value in delivery.payload.items()}).encode(), form


def signed(secret: str, body: bytes, at: int | None = None) -> dict[str, str]:
    """The two headers of a request from Slack. Source: Slack, "Verifying requests from Slack"."""
    stamp = str(int(time.time()) if at is None else at)  # The real time: the other side checks its age.
    mac = hmac.new(secret.encode(), b"v0:" + stamp.encode() + b":" + body, hashlib.sha256).hexdigest()
    return {"X-Slack-Request-Timestamp": stamp, "X-Slack-Signature": f"v0={mac}"}


def post(url: str, body: bytes, headers: dict[str, str], timeout_s: float) -> Outcome:
    """Send a request and read the acknowledgement in its answer. Straight to the address: no proxy."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port or 80, timeout=timeout_s)
    try:
        connection.request("POST", parts.path or "/", body, headers)
        answer = connection.getresponse()
        content = answer.read()
    except TimeoutError:
        return Outcome(acked=False, reason="http_timeout")
    except (OSError, http.client.HTTPException):
        return Outcome(acked=False, reason="connection_failed")
    finally:
        connection.close()
    if answer.status != 200:
        stop = answer.getheader("X-Slack-No-Retry") == "1"
        return Outcome(acked=False, reason="no_retry" if stop else "http_error")
    return Outcome(acked=True, body=_answer(content, answer.getheader("Content-Type") or ""))


def _answer(content: bytes, content_type: str) -> Json:
    if not content:
        return None
    if content_type.startswith("application/json"):
        try:
            return parse(content)
        except ValueError:
            return content.decode(errors="replace")
    return content.decode(errors="replace")
