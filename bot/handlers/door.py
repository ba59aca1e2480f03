"""The Bolt app: every event stored before its acknowledgement, every click decided inside its request, staff only.

With `process_before_response` an acknowledgement leaves after the listener, and none if it raises: then Slack sends
an event again, and shows a person that the click failed.
"""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from slack_bolt import Ack, App, BoltContext, BoltResponse, Respond
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError, SlackClientError

from bot.handlers.actions import NeedsForm, Refusal, act
from bot.handlers.cards import ACTIONS, Block, fallback
from bot.handlers.commands import answer
from bot.handlers.desk import Ask, Desk, clicked, submitted
from bot.handlers.home import home, stranger
from bot.handlers.messages import key_of
from bot.handlers.modals import PREVIEW, field_block, form, has_field, notice
from bot.handlers.regroup import VERBS, regroup
from bot.handlers.slack import error_of
from bot.storage.inbox import SLACK
from bot.telemetry import log

COMMAND = "/case"
OPEN_SHORTCUT = "open_case"
"""The message shortcut that makes a case of a message."""
NEW_SHORTCUT = "new_case"
"""The global shortcut."""
STRANGER = "Only the support team can do that. If you belong to it, ask an administrator to add you to the staff list."
_REFUSED, _FORM = "parley_refused", "parley_form"
_ANY = re.compile(".*", re.S)
_LOG = log("slack")

Payload = Mapping[str, Any]


def build(desk: Desk, signing_secret: str | None = None) -> App:
    """The app, to be put on Socket Mode connections or behind `/slack/events`; `signing_secret` is for the latter."""
    app = App(
        client=desk.client,
        signing_secret=signing_secret,
        request_verification_enabled=signing_secret is not None,
        process_before_response=True,
        token_verification_enabled=False,
    )
    app.middleware(_counting(desk))
    app.middleware(_keeping(desk))
    app.middleware(_staff_only(desk))
    for action in ACTIONS:
        app.action(action)(ack=_deciding(desk), lazy=[_following(desk)])
    for action in (PREVIEW, "item"):
        app.action(action)(ack=_acked, lazy=[_redrawing(desk)])
    app.command(COMMAND)(ack=_commanded(desk), lazy=[_opening(desk)])
    app.shortcut(NEW_SHORTCUT)(ack=_acked, lazy=[_opening(desk)])
    app.shortcut(OPEN_SHORTCUT)(ack=_acked, lazy=[_opening(desk)])
    app.view(_ANY)(_submitting(desk))
    app.event("app_home_opened")(ack=_acked, lazy=[_home_opened(desk)])
    _catch_all(app)
    return app


def _catch_all(app: App) -> None:
    """What nobody listens to is acknowledged all the same: else Slack repeats it, or warns the person."""
    app.event(_ANY)(_acked)
    app.action(_ANY)(_acked)
    app.shortcut(_ANY)(_acked)
    app.command(_ANY)(_acked)
    app.options(_ANY)(_acked)
    app.view_closed(_ANY)(_acked)


def _acked(ack: Ack) -> None:
    ack()


# --- Before everything ------------------------------------------------------------------------------------------------


def _counting(desk: Desk) -> Callable[..., BoltResponse]:
    """Who stops the bot waits for what is under way: `close` of a socket does not."""

    def count(next: Callable[[], BoltResponse]) -> BoltResponse:
        with desk.under_way:
            return next()

    return count


def _keeping(desk: Desk) -> Callable[..., BoltResponse | None]:
    """Events are stored as they came, once each, before anybody reads them."""

    def keep(body: Payload, next: Callable[[], BoltResponse]) -> BoltResponse | None:
        if body.get("type") == "event_callback":
            raw = json.dumps(body, sort_keys=True).encode()
            with desk.office.store.begin() as tx:
                put = tx.inbox.put(SLACK, key_of(body), raw, desk.office.now())
            if put.new:
                desk.wake()
        return next()

    return keep


def _staff_only(desk: Desk) -> Callable[..., BoltResponse | None]:
    """Who is not of the staff is told so, politely, and nothing else happens."""

    def check(
        body: Payload, client: WebClient, respond: Respond, next: Callable[[], BoltResponse]
    ) -> BoltResponse | None:
        user = _user(body)
        if user is None or desk.member(user) is not None:
            return next()
        if "command" in body:
            refusal = {"response_type": "ephemeral", "text": STRANGER}
            return BoltResponse(status=200, body=json.dumps(refusal), headers={"content-type": "application/json"})
        _tell(body, client, respond, STRANGER)
        return BoltResponse(status=200, body="")

    return check


def _user(body: Payload) -> str | None:
    """The person behind a click, a form, a command or a shortcut; None for an event."""
    if "event" in body:
        return None
    who = body.get("user")
    return str(who["id"]) if isinstance(who, Mapping) else body.get("user_id")


def _by(desk: Desk, user: str) -> str:
    member = desk.member(user)
    return member.name if member else user


def _tell(body: Payload, client: WebClient, respond: Respond, text: str) -> None:
    """Say something to the one who clicked: where it was clicked, or in a form where there is no such place."""
    try:
        if body.get("response_url"):
            respond(text=fallback(text), response_type="ephemeral", replace_original=False)
        elif body.get("trigger_id"):
            client.views_open(trigger_id=str(body["trigger_id"]), view=notice(text))
    except (SlackClientError, OSError) as trouble:
        _LOG.warning("refusal not shown", error=type(trouble).__name__)


# --- Clicks -----------------------------------------------------------------------------------------------------------


def _deciding(desk: Desk) -> Callable[..., None]:
    """Decided and stored inside the request; what is left to show follows after the acknowledgement."""

    def decide(body: Payload, ack: Ack, context: BoltContext) -> None:
        ask = clicked(body)
        match act(desk, ask, _by(desk, ask.user)):
            case NeedsForm():
                context[_FORM] = True
            case Refusal(text):
                context[_REFUSED] = text
            case None:
                pass
        ack()  # After the commit: no acknowledgement without a record.

    return decide


def _following(desk: Desk) -> Callable[..., None]:
    def follow(body: Payload, context: BoltContext, client: WebClient, respond: Respond) -> None:
        ask = clicked(body)
        if context.get(_FORM):
            _open_form(client, str(body["trigger_id"]), form(desk, ask, _by(desk, ask.user)))
        elif context.get(_REFUSED):
            _tell(body, client, respond, str(context[_REFUSED]))
        elif isinstance(view := body.get("view"), Mapping) and view.get("type") == "home":
            client.views_publish(user_id=ask.user, view=home(desk, _by(desk, ask.user)))

    return follow


def _open_form(client: WebClient, trigger_id: str, view: Block) -> None:
    try:
        client.views_open(trigger_id=trigger_id, view=view)
    except SlackApiError as refusal:  # A trigger lives three seconds; the person clicks again.
        _LOG.warning("form not opened", error=error_of(refusal))


# --- Forms ------------------------------------------------------------------------------------------------------------


def _submitting(desk: Desk) -> Callable[..., None]:
    def submit(body: Payload, ack: Ack) -> None:
        ask = submitted(body).ask
        refusal = act(desk, ask, _by(desk, ask.user))
        if not isinstance(refusal, Refusal):
            ack()
            return
        field = _field_of(body["view"]["blocks"], refusal.field)
        if field:
            ack(response_action="errors", errors={field_block(field): refusal.text[:2000]})
        else:
            ack(response_action="update", view=notice(refusal.text))

    return submit


def _field_of(blocks: list[object], wanted: str) -> str:
    """The field under which a refusal is shown: the one it names, else the first that takes words."""
    return next((each for each in (wanted, "address", "text", "grounds", "reason") if has_field(blocks, each)), "")


def _redrawing(desk: Desk) -> Callable[..., None]:
    """The form again, with the letter as it would be with what stands in the fields now."""

    def redraw(body: Payload, client: WebClient) -> None:
        if not body.get("view"):
            return
        made = submitted(body)
        view = form(desk, made.ask, _by(desk, made.ask.user))
        try:
            client.views_update(view_id=made.view_id, hash=made.hash, view=view)
        except SlackApiError as refusal:  # Submitted or closed meanwhile.
            _LOG.info("form not redrawn", error=error_of(refusal))

    return redraw


# --- Commands, shortcuts, the Home tab --------------------------------------------------------------------------------


def _commanded(desk: Desk) -> Callable[..., None]:
    def command(body: Payload, ack: Ack) -> None:
        text = str(body.get("text") or "").strip()
        if text.lower() == "new":
            ack()
            return
        by = _by(desk, str(body["user_id"]))
        if text.partition(" ")[0].lower() in VERBS:
            said = regroup(desk, text, by, f"slack:{body['user_id']}:{body['trigger_id']}")
            ack(response_type="ephemeral", text=fallback(said))
            return
        blocks = answer(desk, text, by)
        ack(response_type="ephemeral", text=fallback(f"{COMMAND} {text}"), blocks=list(blocks))

    return command


def _opening(desk: Desk) -> Callable[..., None]:
    """The form for a case by hand; from a message, with what the message says."""

    def opening(body: Payload, client: WebClient) -> None:
        if "command" in body and str(body.get("text") or "").strip().lower() != "new":
            return
        user, message = _user(body) or "", body.get("message")
        said = str(message.get("text") or "") if isinstance(message, Mapping) else ""
        ask = Ask("open_case", None, "", "", user, {"text": said} if said else None)
        _open_form(client, str(body["trigger_id"]), form(desk, ask, _by(desk, user)))

    return opening


def _home_opened(desk: Desk) -> Callable[..., None]:
    def opened(event: Payload, client: WebClient) -> None:
        user = str(event.get("user") or "")
        member = desk.member(user)
        client.views_publish(user_id=user, view=home(desk, member.name) if member else stranger())

    return opened
