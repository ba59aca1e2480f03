"""The sandbox over HTTP: what people do and see, as JSON for scripts; docs/sandbox.md describes every address."""

import asyncio
import base64
import binascii
import json
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime
from email.message import EmailMessage
from email.utils import parseaddr
from functools import partial
from typing import TypeVar

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from bot.flows.case import Case
from bot.mail.decode import message_ids
from bot.sandbox import people
from bot.sandbox.child import BotDown
from bot.sandbox.house import ImapFault, Sandbox, Step
from bot.sandbox.imap import MailboxDown
from bot.sandbox.mail import SUPPORT, Auth, Refused, SmtpFault, shown
from bot.sandbox.samples import SAMPLES
from bot.sandbox.slack import Answer, Fault, People, Spot
from bot.sandbox.slack.shapes import Json, Obj, items, listed, obj, parse_obj, text, texts
from bot.storage.cases import Place

BODY_BYTES_MAX = 64 * 1024 * 1024
EVENTS_S = 0.5
HOME_S = 3.0
"""How long a bot may take to draw the Home tab; one that does not leaves the last one standing."""
HOSTS = ["127.0.0.1", "localhost"]
SLACK_FAULTS = (Fault.OK, Fault.DOWN, Fault.LIMITED, Fault.LOSE_EVENTS)

T = TypeVar("T", Auth, SmtpFault, ImapFault)

NO_SLACK: Obj = {"ok": False, "error": "no_slack"}


class Wrong(ValueError):
    """A request that cannot be carried out; the argument says what would be right."""


class Api:
    """The addresses under /api, on one sandbox."""

    def __init__(self, house: Sandbox) -> None:
        self._house = house
        self._closing = False

    def close(self) -> None:
        """End the streams of events."""
        self._closing = True

    def routes(self) -> list[Route]:
        reads: dict[str, Callable[[Request], Json]] = {
            "/api/state": self._state,
            "/api/mailbox/{address}": self._mailbox,
            "/api/slack/channels": self._channels,
            "/api/slack/messages": self._messages,
            "/api/slack/home": self._home,
            "/api/slack/views": self._views,
            "/api/slack/ephemeral": self._ephemeral,
        }
        acts: dict[str, Callable[[Obj], Json]] = {
            "/api/mail": self._mail,
            "/api/clock": self._clock,
            "/api/idle": self._idle,
            "/api/faults": self._faults,
            "/api/slack/message": self._slack(_message),
            "/api/slack/click": self._slack(_click),
            "/api/slack/submit": self._slack(_submit),
            "/api/slack/close": self._slack(_close),
            "/api/slack/command": self._slack(_command),
            "/api/slack/shortcut": self._slack(_shortcut),
        }
        return [
            *(Route(path, _reading(read), methods=["GET"]) for path, read in reads.items()),
            *(Route(path, _acting(act), methods=["POST"]) for path, act in acts.items()),
            Route("/api/events", self._events, methods=["GET"]),
        ]

    # --- State --------------------------------------------------------------------------------------------------------

    def _state(self, _: Request) -> Json:
        with self._house.store.read() as tx:
            cases = [_case(case, tx.cases.place(case.number)) for case in tx.cases.all()]
        return {
            "now": self._house.now().isoformat(),
            "cases": listed(cases),
            "directory": [
                {
                    "assignment_id": each.id,
                    "worker": {"name": each.worker.name, "email": each.worker.email},
                    "client": {"name": each.client.name, "email": each.client.email},
                }
                for each in people.ASSIGNMENTS
            ],
            "staff": [{"user": each.user, "name": each.name, "lead": each.lead} for each in people.STAFF],
            "samples": [
                {
                    "name": each.name,
                    "title": each.title,
                    "shows": each.shows,
                    "from": each.sender,
                    "subject": each.subject,
                    "text": each.written(self._house.now()),
                }
                for each in SAMPLES
            ],
            "support": SUPPORT,
            "zone": self._house.calendar.zone,
            "slack": self._house.slack is not None,
            "faults": self._in_force(),
        }

    def _events(self, _: Request) -> Response:
        """Server-sent events: one whenever something changed, so that the page asks anew."""
        return StreamingResponse(self._stream(), media_type="text/event-stream", headers={"cache-control": "no-store"})

    async def _stream(self) -> AsyncIterator[str]:
        seen = -1
        while not self._closing:
            if self._house.version != seen:
                seen = self._house.version
                yield f"data: {seen}\n\n"
            await asyncio.sleep(EVENTS_S)

    # --- Mail ---------------------------------------------------------------------------------------------------------

    def _mailbox(self, request: Request) -> Json:
        received = self._house.post.received(request.path_params["address"])
        return json_list([shown(raw) for raw in received])

    def _mail(self, asked: Obj) -> Json:
        """Write a mail and deliver it by SMTP."""
        auth = _choice(Auth, asked, "auth", Auth.PASS)
        raw = _raw(asked) if "raw" in asked else b""
        sender = parseaddr(text(asked, "from") or str(shown(raw)["from"]))[1]
        if "@" not in sender:
            raise Wrong('"from" should be a mail address')
        to, cc = _addresses(asked, "to"), _addresses(asked, "cc")
        answered = self._answered(text(asked, "in_reply_to"))
        if answered and not to:
            to = [str(answered["reply_to"] or answered["from"])]
        to = to or [SUPPORT]
        raw = raw or self._written(asked, to, cc, answered).as_bytes()
        recipients = [address for _, address in map(parseaddr, (*to, *cc)) if address]
        try:
            self._house.post.hand_in(sender, recipients, raw, auth)
        except Refused as wrong:
            raise Wrong(f"the mail server refused it: {wrong}") from wrong
        self._house.changed()
        found = message_ids(str(shown(raw)["message_id"] or ""))
        return {"message_id": found[0] if found else None}

    def _answered(self, message_id: str) -> dict[str, object] | None:
        """The mail that is answered, as the person has it; only its Message-ID where nobody has it; None: none."""
        if not message_id:
            return None
        for raw in self._house.post.everything():
            if (mail := shown(raw))["message_id"] == message_id:
                return mail
        return {"message_id": message_id, "references": [], "subject": "", "reply_to": None, "from": SUPPORT}

    def _written(self, asked: Obj, to: list[str], cc: list[str], answered: dict[str, object] | None) -> EmailMessage:
        """A mail as a mail client writes it."""
        if "text" not in asked:
            raise Wrong('"text" (or "raw") is missing')
        mail = EmailMessage()
        sender = text(asked, "from")
        known = {person.email: person.name for each in people.ASSIGNMENTS for person in (each.worker, each.client)}
        name = known.get(sender.lower())
        subject = text(asked, "subject")
        if answered and not subject:
            subject = f"Re: {str(answered['subject']).removeprefix('Re: ')}"
        try:
            mail["From"] = f"{name} <{sender}>" if name else sender
            mail["To"] = ", ".join(to)
            if cc:
                mail["Cc"] = ", ".join(cc)
            mail["Subject"] = subject
        except ValueError as wrong:
            raise Wrong(f"this cannot stand in a header: {wrong}") from None
        mail["Message-ID"] = f"<{uuid.uuid4()}@{parseaddr(sender)[1].rpartition('@')[2]}>"
        if answered:
            mail["In-Reply-To"] = str(answered["message_id"])
            references = answered["references"]
            earlier = [str(each) for each in references] if isinstance(references, list) else []
            mail["References"] = " ".join([*earlier, str(answered["message_id"])])
        mail.set_content(text(asked, "text"))
        return mail

    # --- Time and faults ----------------------------------------------------------------------------------------------

    def _clock(self, asked: Obj) -> Json:
        to = text(asked, "to")
        try:
            if to:
                moment = datetime.fromisoformat(to)
                if moment.tzinfo is None:
                    raise Wrong('"to" needs an offset, such as 2026-09-14T10:00:00-04:00')
                done = self._house.advance_to(moment)
            else:
                done = self._house.advance(text(asked, "advance"))
        except Step as wrong:
            raise Wrong(str(wrong)) from None
        except ValueError as wrong:
            if isinstance(wrong, Wrong):
                raise
            raise Wrong(f'"to" should be a moment such as 2026-09-14T10:00:00-04:00: {wrong}') from None
        return {"now": self._house.now().isoformat(), "settled": done}

    def _idle(self, _: Obj) -> Json:
        done = self._house.idle()
        return {"ok": done, "now": self._house.now().isoformat()}

    def _faults(self, asked: Obj) -> Json:
        """Set what is named; all of it is checked before anything is done."""
        unknown = sorted(asked.keys() - {"smtp", "imap", "slack", "bot"})
        if unknown:
            raise Wrong(f"there is no fault of {', '.join(unknown)}; there are smtp, imap, slack and bot")
        smtp = _choice(SmtpFault, asked, "smtp", self._house.post.smtp_fault)
        imap = _choice(ImapFault, asked, "imap", ImapFault.OK if self._house.post.imap_open else ImapFault.DOWN)
        bot = text(asked, "bot", "ok")
        if bot not in ("ok", "kill"):
            raise Wrong('"bot" can only be "kill"')
        slack = text(asked, "slack")
        if slack and slack not in SLACK_FAULTS:
            raise Wrong(f'"slack" should be one of {", ".join(SLACK_FAULTS)}')
        if slack and self._house.slack is None:
            return NO_SLACK
        if "smtp" in asked:
            self._house.post.set_smtp(smtp)
        if "imap" in asked:
            self._house.post.set_imap(imap is ImapFault.OK)
        if slack and self._house.slack is not None:
            self._house.slack.set_fault(Fault(slack))
        if bot == "kill":
            self._house.bot.kill()
        return {"ok": True, "faults": self._in_force()}

    def _in_force(self) -> Obj:
        slack = self._house.slack
        return {
            "smtp": self._house.post.smtp_fault.value,
            "imap": "ok" if self._house.post.imap_open else "down",
            "slack": slack.faults.current.value if slack else "ok",
        }

    # --- Slack --------------------------------------------------------------------------------------------------------

    def _slack(self, act: Callable[[People, Obj], Answer]) -> Callable[[Obj], Json]:
        """The act of a person in Slack, answered after the bot's acknowledgement."""

        def carry_out(asked: Obj) -> Json:
            slack = self._house.slack
            return act(slack.people, asked).as_json() if slack else NO_SLACK

        return carry_out

    def _channels(self, _: Request) -> Json:
        slack = self._house.slack
        return {"ok": True, "channels": listed(slack.people.channels())} if slack else NO_SLACK

    def _messages(self, request: Request) -> Json:
        slack, asked = self._house.slack, request.query_params
        if slack is None:
            return NO_SLACK
        found = slack.people.messages(asked.get("channel", ""), asked.get("thread_ts"))
        return {"ok": True, "messages": listed(found), "has_more": False}

    def _home(self, request: Request) -> Json:
        """The Home tab as the person sees it who opens it now: the bot is told, and draws it anew."""
        slack, user = self._house.slack, request.query_params.get("user", "")
        if slack is None:
            return NO_SLACK
        before = slack.people.home(user)
        opened = slack.people.open_home(user)
        if not opened.ok:
            return opened.as_json()
        end = time.monotonic() + HOME_S
        while (shown := slack.people.home(user)) == before and time.monotonic() < end:
            time.sleep(0.02)
        return shown

    def _views(self, request: Request) -> Json:
        slack = self._house.slack
        return slack.people.modal(request.query_params.get("user", "")) if slack else NO_SLACK

    def _ephemeral(self, request: Request) -> Json:
        slack = self._house.slack
        if slack is None:
            return NO_SLACK
        return {"ok": True, "messages": listed(slack.people.ephemerals(request.query_params.get("user", "")))}


def application(api: Api, *more: Route) -> Starlette:
    """All addresses. A page elsewhere in the browser must not reach them: only loopback's names are answered to."""
    hosts = Middleware(TrustedHostMiddleware, allowed_hosts=HOSTS)
    return Starlette(routes=[*api.routes(), *more], middleware=[hosts])


def _reading(read: Callable[[Request], Json]) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        return JSONResponse(await run_in_threadpool(read, request))

    return endpoint


def _acting(act: Callable[[Obj], Json]) -> Callable[[Request], Awaitable[Response]]:
    """The act of a JSON body; what is wrong with it is answered with 400, what does not work with 503."""

    async def endpoint(request: Request) -> Response:
        length = request.headers.get("content-length", "0")
        if not length.isdigit() or int(length) > BODY_BYTES_MAX:
            return JSONResponse({"ok": False, "error": f"at most {BODY_BYTES_MAX} bytes"}, 413)
        body = await request.body()
        try:
            asked = parse_obj(body or b"{}")
            return JSONResponse(await run_in_threadpool(partial(act, asked)))
        except (BotDown, MailboxDown) as wrong:
            return JSONResponse({"ok": False, "error": str(wrong)}, 503)
        except ValueError as wrong:
            return JSONResponse({"ok": False, "error": str(wrong)}, 400)

    return endpoint


def _case(case: Case, place: Place | None) -> Obj:
    due = [clock for clock in sorted(case.clocks, key=lambda clock: clock.due_at) if not clock.held_by]
    awaits: list[Json] = [who.value for who in case.awaits()]
    return {
        "number": case.label,
        "kind": case.kind,
        "stage": case.stage,
        "assignment_ids": list(case.assignment_ids),
        "awaits": awaits,
        "channel": place.channel if place else None,
        "thread_ts": place.card_ts if place else None,
        "due": [{"at": clock.due_at.isoformat(), "party": clock.who, "what": clock.what} for clock in due],
        "waits": [wait.text for wait in case.waits],
        "holds": [hold.why for hold in case.holds],
    }


# --- What persons do in Slack -----------------------------------------------------------------------------------------


def _message(slack: People, asked: Obj) -> Answer:
    thread_ts = text(asked, "thread_ts") or None
    return slack.post_as(text(asked, "user"), text(asked, "channel"), text(asked, "text"), thread_ts)


def _click(slack: People, asked: Obj) -> Answer:
    spot = Spot(text(asked, "channel"), text(asked, "message_ts"), text(asked, "view_id"))
    block_id = text(asked, "block_id") or None
    if "values" in asked:
        typed = slack.typed(text(asked, "user"), spot.view_id, obj(asked, "values"))
        if not typed.ok:
            return typed
    return slack.click(text(asked, "user"), spot, text(asked, "action_id"), block_id, asked.get("value"))


def _submit(slack: People, asked: Obj) -> Answer:
    return slack.submit(text(asked, "user"), text(asked, "view_id"), obj(asked, "values"))


def _close(slack: People, asked: Obj) -> Answer:
    return slack.close(text(asked, "user"), text(asked, "view_id"))


def _command(slack: People, asked: Obj) -> Answer:
    return slack.command(text(asked, "user"), text(asked, "channel"), text(asked, "command"), text(asked, "text"))


def _shortcut(slack: People, asked: Obj) -> Answer:
    where = (text(asked, "channel"), text(asked, "message_ts"))
    return slack.shortcut(text(asked, "user"), text(asked, "callback_id"), *where)


# --- Reading what is asked --------------------------------------------------------------------------------------------


def _addresses(asked: Obj, key: str) -> list[str]:
    """One address, several with commas, or a list."""
    if items(asked, key):
        return texts(asked, key)
    return [each.strip() for each in text(asked, key).split(",") if each.strip()]


def _raw(asked: Obj) -> bytes:
    try:
        return base64.b64decode(text(asked, "raw"), validate=True)
    except binascii.Error as wrong:
        raise Wrong(f'"raw" should be a whole mail in base64: {wrong}') from None


def _choice(kind: type[T], asked: Obj, key: str, default: T) -> T:
    named = text(asked, key)
    if not named:
        return default
    try:
        return kind(named)
    except ValueError:
        raise Wrong(f'"{key}" should be one of {", ".join(kind)}') from None


def json_list(values: list[dict[str, object]]) -> Json:
    """Plain values as JSON values."""
    found: Json = json.loads(json.dumps(values))
    return found
