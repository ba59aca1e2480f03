"""The stand-in on the wire: Slack's Web API, Socket Mode, file and response addresses on one loopback port."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import ClassVar, Self
from urllib.parse import parse_qsl
from weakref import WeakValueDictionary

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket
from uvicorn.protocols.http.h11_impl import H11Protocol

from bot.sandbox.slack import arguments, chat
from bot.sandbox.slack.access import need
from bot.sandbox.slack.arguments import Refused
from bot.sandbox.slack.calls import CALLS
from bot.sandbox.slack.courier import ACK_S, Courier, Hook, post, signed
from bot.sandbox.slack.faults import Fault, Faults
from bot.sandbox.slack.methods import METHODS, Method, Token
from bot.sandbox.slack.people import People
from bot.sandbox.slack.rates import Rates
from bot.sandbox.slack.shapes import Json, Obj, parse_obj, text
from bot.sandbox.slack.state import Workspace

START_S = 10.0
TICKET_S = 30.0
"""An apps.connections.open address is good for one connection, soon."""


@dataclass(frozen=True, slots=True)
class Options:
    """How this stand-in behaves.

    `hook`: HTTP mode instead of Socket Mode; `refresh_s`: age at which a socket is refreshed (None: never), `warning_s`
    after its warning; `ping_s` between the server's pings.
    """

    port: int = 0
    hook: Hook | None = None
    ack_s: float = ACK_S
    rates: bool = True
    refresh_s: float | None = None
    warning_s: float = 10.0
    ping_s: float = 5.0


class _Protocol(H11Protocol):
    """Keeps the open connections by address, so that a fault can cut one."""

    open_connections: ClassVar[WeakValueDictionary[tuple[int, int], asyncio.Transport]] = WeakValueDictionary()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # As uvicorn's own.
        super().connection_made(transport)
        if self.client and self.server and self.server[1]:
            self.open_connections[(self.client[1], self.server[1])] = transport


class SlackStandIn:
    """Slack, as far as the bot can tell. `start` returns when it answers, `stop` leaves nothing behind."""

    def __init__(self, space: Workspace, options: Options | None = None) -> None:
        self.options = options or Options()
        self.space = space
        self.faults = Faults()
        self.rates = Rates(space.stopwatch, on=self.options.rates)
        hook = self.options.hook
        self.courier = Courier(space.clock, self.faults, hook=hook, ack_s=self.options.ack_s)
        self.people = People(space, patience_s=self.options.ack_s + 0.5)
        self.requests: list[tuple[str, Obj]] = []
        self._tickets: dict[str, float] = {}
        self._listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listener.bind(("127.0.0.1", self.options.port))
        self.port: int = self._listener.getsockname()[1]
        self._ready = threading.Event()
        self._server = uvicorn.Server(self._config())
        self._thread = threading.Thread(target=self._run, name="slack-stand-in", daemon=True)

    @property
    def api_url(self) -> str:
        """The base_url for slack_sdk, SLACK_API_URL for the bot."""
        return f"http://127.0.0.1:{self.port}/api/"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Serve. Raises RuntimeError when the server does not come up."""
        self.space.base_url = f"http://127.0.0.1:{self.port}"
        self.space.deliver = self.courier.send
        self._listener.listen(128)  # From here on calls wait instead of being refused.
        self._thread.start()
        if not self._ready.wait(START_S):
            raise RuntimeError("the Slack stand-in did not start")

    def stop(self) -> None:
        """Close sockets, give up deliveries, end the thread."""
        self._server.should_exit = True
        if self._thread.is_alive():
            self._thread.join(START_S)
        self._listener.close()

    def wait_connected(self, lines: int = 1, timeout_s: float = 10.0) -> bool:
        """Whether so many sockets were open at once within the time."""
        end = time.monotonic() + timeout_s
        while time.monotonic() < end:
            if len(self.courier.lines) >= lines:
                return True
            time.sleep(0.01)
        return False

    @property
    def connections(self) -> int:
        """Open sockets."""
        return len(self.courier.lines)

    def hang_up(self) -> None:
        """Close every socket without a word; the bot may come back at once."""
        self._soon(self.courier.hang_up())

    def refresh(self, most: int | None = None) -> None:
        """Ask sockets to reconnect (all, or at most so many), as Slack does every few hours."""
        for line in tuple(self.courier.lines)[:most]:
            self._soon(self.courier.refresh(line, self.options.warning_s))

    def set_fault(self, fault: Fault, *, methods: tuple[str, ...] = (), times: int | None = None) -> None:
        """From now on fail like this (`faults.set` has more to choose); `down` hangs up the sockets too."""
        self.faults.set(fault, methods=methods, times=times)
        if fault is Fault.DOWN:
            self.hang_up()

    def verify_request_url(self) -> bool:
        """Whether the request URL answers Slack's url_verification. Source: Slack, "url_verification"."""
        hook = self.options.hook
        if hook is None:
            return False
        challenge = uuid.uuid4().hex
        payload: Obj = {"token": self.space.app.verification, "challenge": challenge, "type": "url_verification"}
        body = json.dumps(payload).encode()
        headers = signed(hook.signing_secret, body) | {"Content-Type": "application/json"}
        outcome = post(hook.url, body, headers, self.options.ack_s)
        return outcome.acked and challenge in (outcome.body, text(outcome.body, "challenge"))

    # --- The server --------------------------------------------------------------------------------------------------

    def _config(self) -> uvicorn.Config:
        return uvicorn.Config(
            self._application(),
            http=_Protocol,
            ws="websockets-sansio",
            ws_ping_interval=self.options.ping_s,
            log_config=None,
            access_log=False,
            timeout_graceful_shutdown=1,
            timeout_keep_alive=60,
        )

    def _run(self) -> None:
        self._server.run(sockets=[self._listener])

    def _soon(self, work: Awaitable[None]) -> None:
        loop = self.courier.loop
        if loop is None:
            raise RuntimeError("the Slack stand-in is not running")

        async def carry_out() -> None:
            await work

        asyncio.run_coroutine_threadsafe(carry_out(), loop)

    @asynccontextmanager
    async def _lifespan(self, _: Starlette) -> AsyncIterator[None]:
        self.courier.loop = asyncio.get_running_loop()
        self._ready.set()
        yield
        self.courier.loop = None
        await self.courier.stop()
        for address, transport in list(_Protocol.open_connections.items()):
            if address[1] == self.port:
                transport.abort()  # Whoever has not answered the farewell by now is not waited for.

    def _application(self) -> Starlette:
        methods = ["GET", "POST"]
        return Starlette(
            lifespan=self._lifespan,
            routes=[
                Route("/api/{method}", self._guarded(self._api), methods=methods),
                Route("/upload/v1/{file_id}", self._guarded(self._upload), methods=methods),
                Route("/files-pri/{path:path}", self._guarded(self._file), methods=methods),
                Route("/actions/{team}/{secret}", self._guarded(self._respond), methods=methods),
                Route("/", lambda _: PlainTextResponse("Sign in to Sandbox")),
                WebSocketRoute("/link/", self._socket),
            ],
        )

    def _guarded(self, handler: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
        """Faults that strike before anything is read."""

        async def guarded(request: Request) -> Response:
            method = request.path_params.get("method", "")
            if self.faults.take(Fault.DOWN, method):
                return await self._cut(request)
            if self.faults.take(Fault.UNAVAILABLE, method):
                return PlainTextResponse("upstream connect error", status_code=503)
            if self.faults.take(Fault.SLOW, method):
                await asyncio.sleep(self.faults.delay_s)
            return await handler(request)

        return guarded

    async def _cut(self, request: Request) -> Response:
        """Close the connection without an answer."""
        if request.client is not None:
            transport = _Protocol.open_connections.get((request.client.port, self.port))
            if transport is not None:
                transport.abort()
        for _ in range(3):
            await asyncio.sleep(0)  # Let the server see that the connection is gone: it then sends nothing.
        return Response()

    # --- Web API -----------------------------------------------------------------------------------------------------

    async def _api(self, request: Request) -> Response:
        name: str = request.path_params["method"]
        method = METHODS.get(name)
        if method is None:
            return JSONResponse({"ok": False, "error": "unknown_method", "req_method": name})
        try:
            values = await _values(request, method)
            self._authorise(request, method, values)
        except Refused as refusal:
            return JSONResponse(refusal.body())
        wait_s = self.rates.wait_s(method, _word(values.get("channel")))
        if self.faults.take(Fault.LIMITED, name):
            wait_s = self.faults.retry_after_s
        if wait_s:
            limited = {"ok": False, "error": "ratelimited"}
            return JSONResponse(limited, status_code=429, headers={"Retry-After": str(wait_s)})
        self.requests.append((name, values))
        answer = self._answer(method, values)
        if method.writes and answer["ok"] is True and self.faults.take(Fault.LOSE_REPLY, name):
            return await self._cut(request)
        scopes = ",".join(sorted(self.space.manifest.scopes))
        accepted = ",".join(sorted(method.scopes))
        headers = {"x-oauth-scopes": scopes, "x-accepted-oauth-scopes": accepted, "x-slack-req-id": uuid.uuid4().hex}
        return JSONResponse(answer, headers=headers)

    def _answer(self, method: Method, values: Obj) -> Obj:
        try:
            args = arguments.check(method, values)
            if method.name == "apps.connections.open":
                return self._new_ticket()
            if not method.name.startswith("conversations."):  # Those need the scope of the channel's kind.
                need(self.space, *sorted(method.scopes))
            with self.space.lock:
                return {"ok": True} | CALLS[method.name](self.space, args)
        except Refused as refusal:
            return refusal.body()

    def _authorise(self, request: Request, method: Method, values: Obj) -> None:
        """The right token. Source: Slack, "Web API", authentication."""
        header = request.headers.get("authorization", "")
        token = header.removeprefix("Bearer ") if header.startswith("Bearer ") else _word(values.get("token"))
        if not token:
            raise Refused("not_authed")
        app = self.space.app
        kinds = {app.bot_token: Token.BOT, app.app_token: Token.APP}
        if token not in kinds:
            raise Refused("invalid_auth")
        if kinds[token] is not method.token:
            raise Refused("not_allowed_token_type")

    def _new_ticket(self) -> Obj:
        ticket = uuid.uuid4().hex
        self._tickets[ticket] = time.monotonic()
        return {"ok": True, "url": f"ws://127.0.0.1:{self.port}/link/?ticket={ticket}&app_id={self.space.app.app_id}"}

    # --- Socket Mode -------------------------------------------------------------------------------------------------

    async def _socket(self, websocket: WebSocket) -> None:
        issued = self._tickets.pop(websocket.query_params.get("ticket", ""), None)
        if issued is None or time.monotonic() - issued > TICKET_S or self.faults.take(Fault.DOWN):
            await websocket.close()
            return
        hello: Obj = {
            "type": "hello",
            "connection_info": {"app_id": self.space.app.app_id},
            "debug_info": {
                "host": "applink-sandbox",
                "build_number": 1,
                "approximate_connection_time": int(self.options.refresh_s or 18060),
            },
        }
        ageing = asyncio.create_task(self._age(websocket))
        try:
            await self.courier.serve(websocket, hello)
        finally:
            ageing.cancel()

    async def _age(self, websocket: WebSocket) -> None:
        if self.options.refresh_s is None:
            return
        await asyncio.sleep(self.options.refresh_s)
        for line in tuple(self.courier.lines):
            if line.socket is websocket:
                await self.courier.refresh(line, self.options.warning_s)

    # --- Files and response addresses --------------------------------------------------------------------------------

    async def _upload(self, request: Request) -> Response:
        """The address from files.getUploadURLExternal takes the bytes. Source: Slack, "Working with files"."""
        content = await request.body()
        record = self.space.files.get(request.path_params["file_id"])
        if record is None or record.content is not None or len(content) != record.info["size"]:
            return PlainTextResponse("no such upload, or another length", status_code=400)
        record.content = content
        return PlainTextResponse(f"OK - {len(content)}")

    async def _file(self, request: Request) -> Response:
        """url_private, for the bot's token and with files:read; without, Slack redirects to its sign-in page."""
        file_id = str(request.path_params["path"]).split("/")[0].removeprefix(f"{self.space.team_id}-")
        record = self.space.files.get(file_id)
        right = request.headers.get("authorization") == f"Bearer {self.space.app.bot_token}"
        if not right or "files:read" not in self.space.manifest.scopes:
            return RedirectResponse("/", status_code=302)
        if record is None or record.content is None or not record.shared:
            return PlainTextResponse("not found", status_code=404)
        return Response(record.content, media_type=text(record.info, "mimetype"))

    async def _respond(self, request: Request) -> Response:
        try:
            body = parse_obj(await request.body())
        except ValueError:
            return PlainTextResponse("invalid_payload", status_code=400)
        try:
            with self.space.lock:
                chat.respond(self.space, request.path_params["secret"], body)
        except Refused as refusal:
            return JSONResponse(refusal.body(), status_code=404 if refusal.error.endswith("_url") else 200)
        return PlainTextResponse("ok")


async def _values(request: Request, method: Method) -> Obj:
    """The arguments, from the query, a form or a JSON body; JSON only where the method reads it.

    Source: Slack, "Web API", content types; slack_sdk sends forms for most and JSON for chat.* and views.*.
    """
    values: Obj = dict(parse_qsl(request.url.query, keep_blank_values=True))
    body = await request.body()
    kind = request.headers.get("content-type", "").split(";")[0].strip()
    if not body:
        return values
    if kind == "application/json":
        if not method.json:
            raise Refused("invalid_post_type")
        try:
            return values | parse_obj(body)
        except ValueError:
            raise Refused("invalid_json") from None
    if kind != "application/x-www-form-urlencoded":
        raise Refused("invalid_post_type")
    try:
        return values | dict(parse_qsl(body.decode(), keep_blank_values=True))
    except UnicodeDecodeError:
        raise Refused("invalid_form_data") from None


def _word(value: Json) -> str:
    return value if isinstance(value, str) else ""
