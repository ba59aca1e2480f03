"""What persons do in Slack, for the sandbox's page and for tests: write, click, submit, type commands.

Each act does what Slack's client would: it refuses what a person could not do, sends the app what Slack would send,
waits for the acknowledgement and carries out what the answer asks for. The readers show what a person sees.
"""

from __future__ import annotations

from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotYet
from dataclasses import dataclass, field

from bot.sandbox.slack import chat, checks, files, forms, mrkdwn, payloads, reactions, views
from bot.sandbox.slack.arguments import Refused
from bot.sandbox.slack.checks import elements_of
from bot.sandbox.slack.shapes import Json, Obj, clone, flag, listed, obj, objs, text
from bot.sandbox.slack.state import Delivery, Envelope, Kind, Notified, Outcome, Room, Shown, Workspace

REQUIRED = "Please complete this required field."


@dataclass(frozen=True, slots=True)
class Answer:
    """How an act ended. `error`: a word; `errors`: what stands under the fields of a form, by action_id.

    `ts`: of the message written; `body`: what the app said in its acknowledgement.
    """

    ok: bool
    error: str = ""
    errors: dict[str, str] = field(default_factory=dict)
    ts: str = ""
    body: Json = None

    def as_json(self) -> Obj:
        """`{ok: true}`, or `{ok: false, error | errors}`; `ts` of a new message along with it."""
        answer: Obj = {"ok": self.ok}
        if self.error:
            answer["error"] = self.error
        if self.errors:
            answer["errors"] = dict(self.errors)
        return answer | ({"ts": self.ts} if self.ts else {})


@dataclass(frozen=True, slots=True)
class Spot:
    """Where somebody clicks: on a message of a channel, or in a view (a modal's or a Home tab)."""

    channel: str = ""
    message_ts: str = ""
    view_id: str = ""


class CannotDo(Exception):
    """A person could not do this in Slack; the argument is the error's word."""


@dataclass(frozen=True, slots=True)
class _Place:
    """Where an element stands: in a message (with its channel) or in a view."""

    blocks: list[Obj]
    entered: dict[str, dict[str, Obj]]
    room: Room | None = None
    message: Obj | None = None
    shown: Shown | None = None


class People:
    """Acts and readers. Every act waits at most `patience_s` for the app."""

    def __init__(self, space: Workspace, patience_s: float = 3.5) -> None:
        self.space = space
        self.patience_s = patience_s
        self._entered: dict[tuple[str, str], dict[str, dict[str, Obj]]] = {}

    # --- Writing -----------------------------------------------------------------------------------------------------

    def post_as(self, user: str, channel: str, words: str, thread_ts: str | None = None) -> Answer:
        """Write a message as typed: `<@U…>`, `@name`, `@here`, links and addresses become what Slack makes of them.

        The message stands even if the app does not acknowledge the event.
        """
        space = self.space
        try:
            with space.lock:
                room = self._room(user, channel)
                self._can_write(room, thread_ts)
                body, block = mrkdwn.typed(words, space.handles())
                if not body.strip():
                    raise CannotDo("no_text")
                message = space.user_message(user, body, block)
                space.notify(room, text(message, "ts"), mrkdwn.mentions(body), "client")
                sent = space.add(room, message, thread_ts or "")
        except CannotDo as refusal:
            return Answer(ok=False, error=str(refusal))
        self._await(sent)
        return Answer(ok=True, ts=text(message, "ts"))

    def edit_as(self, user: str, channel: str, ts: str, words: str) -> Answer:
        """Change one's own message; the app gets a message_changed."""
        space = self.space
        try:
            with space.lock:
                room, _ = self._own(user, channel, ts)
                body, block = mrkdwn.typed(words, space.handles())
                sent = space.edit(room, ts, {"text": body, "blocks": space.with_ids([block])}, user)
        except CannotDo as refusal:
            return Answer(ok=False, error=str(refusal))
        self._await(sent)
        return Answer(ok=True, ts=ts)

    def delete_as(self, user: str, channel: str, ts: str) -> Answer:
        """Delete one's own message; the app gets a message_deleted."""
        try:
            with self.space.lock:
                room, _ = self._own(user, channel, ts)
                sent = self.space.remove(room, ts)
        except CannotDo as refusal:
            return Answer(ok=False, error=str(refusal))
        self._await(sent)
        return Answer(ok=True)

    def share_file(self, user: str, channel: str, name: str, content: bytes, words: str = "") -> Answer:
        """Upload a file into a channel; the app gets the message (file_share) and a file_shared."""
        space = self.space
        try:
            with space.lock:
                room = self._room(user, channel)
                self._can_write(room, None)
                record = files.new_file(space, name, len(content), user)
                record.content = content
                body, block = mrkdwn.typed(words, space.handles())
                message = space.user_message(user, body, block) if words else space.user_message(user, "", {})
                if not words:
                    message.pop("blocks")
                files.share(space, room, message, [record])
        except CannotDo as refusal:
            return Answer(ok=False, error=str(refusal))
        return Answer(ok=True, ts=text(message, "ts"))

    def react_as(self, user: str, channel: str, ts: str, name: str) -> Answer:
        """Put a reaction on a message."""
        try:
            with self.space.lock:
                room = self._room(user, channel)
                if ts not in room.messages:
                    raise CannotDo("message_not_found")
                reactions.react(self.space, room, room.messages[ts], name, user)
        except (CannotDo, Refused) as refusal:
            return Answer(ok=False, error=str(refusal))
        return Answer(ok=True)

    def join(self, user: str, channel: str) -> Answer:
        """A person (or the app itself, invited) becomes a member; the app gets a member_joined_channel if it is in."""
        with self.space.lock:
            room = self.space.rooms.get(channel)
            if room is None or user not in self.space.people:
                return Answer(ok=False, error="channel_not_found" if room is None else "user_not_found")
            if user in room.members:
                return Answer(ok=True)
            room.members.append(user)
            self.space.changed()
            letter = "G" if room.kind is Kind.PRIVATE else "C"
            event: Obj = {"type": "member_joined_channel", "user": user, "channel": channel, "channel_type": letter}
            event |= {"team": self.space.team_id, "event_ts": self.space.ts()}
            sent = self.space.emit("member_joined_channel", event) if self.space.bot_in(room) else []
        self._await(sent)
        return Answer(ok=True)

    def open_home(self, user: str) -> Answer:
        """Open the app's Home tab; the app gets an app_home_opened."""
        if user not in self.space.people:
            return Answer(ok=False, error="user_not_found")
        with self.space.lock:
            sent = self.space.emit("app_home_opened", payloads.home_opened(self.space, user))
        self._await(sent)
        return Answer(ok=True)

    # --- Clicking ----------------------------------------------------------------------------------------------------

    def typed(self, user: str, view_id: str, values: dict[str, Json]) -> Answer:
        """Fill fields of the modal a person sees, by action_id, without submitting it."""
        try:
            errors = self._enter(user, self._open_modal(user, view_id), values)
            return Answer(ok=not errors, errors=errors)
        except (CannotDo, Refused) as refusal:
            return Answer(ok=False, error=str(refusal))

    def click(self, user: str, spot: Spot, action_id: str, block_id: str | None = None, value: Json = None) -> Answer:
        """Press a button or choose in a menu of a message or of a view.

        For a button `value` only says which one, when several share the action id; for a menu it is the choice: the
        option's value or text, a user's or channel's id, a date. A confirmation dialog is confirmed.
        """
        try:
            with self.space.lock:
                place = self._place(user, spot)
                block, element = self._element(place.blocks, action_id, block_id, value)
            state = self._choose(user, place, block, element, value)
            with self.space.lock:
                payload = self._clicked(user, place)
                payload["actions"] = [payloads.action(self.space, block, element, state)]
            return self._interact(payload)
        except (CannotDo, forms.Unfit) as refusal:
            return Answer(ok=False, error=str(refusal))

    def _clicked(self, user: str, place: _Place) -> Obj:
        if place.shown is not None:
            return payloads.click_in_view(self.space, user, place.shown)
        if place.room is None or place.message is None:
            raise CannotDo("message_not_found")
        return payloads.click_in_message(self.space, user, place.room, place.message, place.entered)

    def _choose(self, user: str, place: _Place, block: Obj, element: Obj, value: Json) -> Obj:
        """What the element holds after the click; kept, so that the next payload shows it."""
        if text(element, "type") == "button":
            return {}
        choices = self._choices(user, place, block, element, value)
        state = forms.fill(element, value, choices)
        self._check_people(state)
        place.entered.setdefault(text(block, "block_id"), {})[text(element, "action_id")] = state
        return state

    def suggest(self, user: str, view_id: str, action_id: str, typed: str) -> list[Obj]:
        """The options the app offers for what is typed into an external select of a view."""
        with self.space.lock:
            place = self._place(user, Spot(view_id=view_id))
            block, element = self._element(place.blocks, action_id, None, None)
        return self._choices(user, place, block, element, typed) or []

    def _choices(self, user: str, place: _Place, block: Obj, element: Obj, typed: Json) -> list[Obj] | None:
        """Ask the app for the options of an external select; None for every other element."""
        if not text(element, "type").endswith("external_select"):
            return None
        with self.space.lock:
            query = typed if isinstance(typed, str) else ""
            payload = payloads.suggestion(self.space, user, block, element, query)
            where = self._clicked(user, place)
            payload |= {k: where[k] for k in ("container", "view", "channel", "message") if k in where}
        outcome = self._deliver(Delivery(Envelope.INTERACTIVE, payload, answers=True))
        if not outcome.acked or checks.options_answer(outcome.body):
            raise CannotDo(_failure(outcome) if not outcome.acked else "invalid_options")
        return forms.seen_options(outcome.body)

    def _interact(self, payload: Obj) -> Answer:
        if not self.space.manifest.interactive:
            return Answer(ok=False, error="interactivity_not_enabled")
        outcome = self._deliver(Delivery(Envelope.INTERACTIVE, payload))
        return Answer(ok=True) if outcome.acked else Answer(ok=False, error=_failure(outcome))

    # --- Modals ------------------------------------------------------------------------------------------------------

    def submit(self, user: str, view_id: str, values: dict[str, Json] | None = None) -> Answer:
        """Fill the fields of the modal a person sees, by action_id, and submit it.

        Refused with `errors` by action_id when a field is wrong or a required one empty, as Slack's client does it, or
        when the app's answer says so.
        """
        try:
            shown = self._open_modal(user, view_id)
            if not obj(shown.view, "submit"):
                raise CannotDo("no_submit")
            errors = self._enter(user, shown, values or {})
            shown = self._open_modal(user, view_id)  # A choice on the way may have changed the view.
            errors |= {action: why for action, why in _missing(shown).items() if action not in errors}
            if errors:
                return Answer(ok=False, errors=errors)
            with self.space.lock:
                payload = payloads.submission(self.space, user, shown)
            outcome = self._deliver(Delivery(Envelope.INTERACTIVE, payload, answers=True))
            if not outcome.acked:
                raise CannotDo(_failure(outcome))
            with self.space.lock:
                return self._submitted(user, shown, outcome.body)
        except CannotDo as refusal:
            return Answer(ok=False, error=str(refusal))
        except Refused as refusal:
            return Answer(ok=False, error=str(refusal))

    def close(self, user: str, view_id: str, *, everything: bool = False) -> Answer:
        """Close the view on top (or the whole modal); the app gets a view_closed if it asked for it."""
        try:
            shown = self._open_modal(user, view_id)
        except CannotDo as refusal:
            return Answer(ok=False, error=str(refusal))
        with self.space.lock:
            everything = everything or flag(shown.view, "clear_on_close")
            payload = payloads.closed(self.space, user, shown, cleared=everything)
            self.space.close_views(user, everything=everything)
        return self._interact(payload) if flag(shown.view, "notify_on_close") else Answer(ok=True)

    def _open_modal(self, user: str, view_id: str) -> Shown:
        top = self.space.top(user)
        if top is None or text(top.view, "id") != view_id:
            raise CannotDo("view_not_open")
        return top

    def _enter(self, user: str, shown: Shown, values: dict[str, Json]) -> dict[str, str]:
        """Put the values in; a choice outside an input block is told to the app at once, as in Slack."""
        errors: dict[str, str] = {}
        view_id = text(shown.view, "id")
        for action_id, value in values.items():
            current = self._open_modal(user, view_id)
            block, element = self._element(objs(current.view, "blocks"), action_id, None, None)
            place = _Place(objs(current.view, "blocks"), current.entered, shown=current)
            try:
                state = self._choose(user, place, block, element, value)
            except forms.Unfit as why:
                errors[action_id] = str(why)
                continue
            if text(block, "type") != "input" or flag(block, "dispatch_action"):
                with self.space.lock:
                    payload = self._clicked(user, place)
                    payload["actions"] = [payloads.action(self.space, block, element, state)]
                self._interact(payload)
        return errors

    def _submitted(self, user: str, shown: Shown, answer: Json) -> Answer:
        """Carry out the answer to a submission. Source: Slack, "Modals", response actions."""
        match text(answer, "response_action"):
            case "":
                self._close_unless_replaced(user, shown)
            case "clear":
                self.space.close_views(user, everything=True)
            case "errors":
                return self._field_errors(shown, obj(answer, "errors"))
            case "update" | "push" as how:
                view = obj(answer, "view")
                problems = checks.view(view, "modal")
                if problems:
                    raise Refused("invalid_arguments", problems)
                if how == "push":
                    views.show(self.space, view, user)
                else:
                    views.replace_view(self.space, shown, view)
            case other:
                raise CannotDo(f"invalid_response_action: {other}")
        return Answer(ok=True, body=answer)

    def _close_unless_replaced(self, user: str, shown: Shown) -> None:
        """An empty answer closes the view, unless the app has opened another one meanwhile."""
        top = self.space.top(user)
        if top is not None and text(top.view, "id") == text(shown.view, "id"):
            self.space.close_views(user)

    def _field_errors(self, shown: Shown, errors: Obj) -> Answer:
        """Errors by block_id, given back by action_id; Slack refuses the answer if a block is not an input block."""
        inputs = {text(b, "block_id"): b for b in objs(shown.view, "blocks") if text(b, "type") == "input"}
        if not errors or any(block_id not in inputs for block_id in errors):
            raise CannotDo("invalid_errors")
        named = {text(obj(inputs[block_id], "element"), "action_id"): str(why) for block_id, why in errors.items()}
        return Answer(ok=False, errors=named)

    # --- Commands and shortcuts --------------------------------------------------------------------------------------

    def command(self, user: str, channel: str, command: str, words: str = "") -> Answer:
        """Type a slash command in a channel (they do not work in threads). The answer is shown as Slack shows it."""
        space = self.space
        try:
            with space.lock:
                room = self._room(user, channel)
                if command not in space.manifest.commands:
                    raise CannotDo("invalid_command")
                payload = payloads.command(space, user, room, command, words)
            outcome = self._deliver(Delivery(Envelope.COMMAND, payload, answers=True))
            if not outcome.acked:
                raise CannotDo(_failure(outcome))
            body: Json = {"text": outcome.body} if isinstance(outcome.body, str) else outcome.body
            if isinstance(body, dict) and body:
                with space.lock:
                    chat.post_said(space, chat.said(space, body, room.id, command), body, room.id, user)
            return Answer(ok=True, body=body)
        except CannotDo as refusal:
            return Answer(ok=False, error=str(refusal))
        except Refused as refusal:
            return Answer(ok=False, error=str(refusal))

    def shortcut(self, user: str, callback_id: str, channel: str = "", message_ts: str = "") -> Answer:
        """Run a shortcut: on a message when one is named, else a global one."""
        space = self.space
        known = space.manifest.message_shortcuts if message_ts else space.manifest.global_shortcuts
        if callback_id not in known:
            return Answer(ok=False, error="unknown_shortcut")
        try:
            with space.lock:
                if message_ts:
                    room = self._room(user, channel)
                    if message_ts not in room.messages:
                        raise CannotDo("message_not_found")
                    message = room.messages[message_ts]
                    payload = payloads.message_shortcut(space, user, callback_id, room, message)
                elif user not in space.people:
                    raise CannotDo("user_not_found")
                else:
                    payload = payloads.global_shortcut(space, user, callback_id)
        except CannotDo as refusal:
            return Answer(ok=False, error=str(refusal))
        return self._interact(payload)

    # --- Reading -----------------------------------------------------------------------------------------------------

    def channels(self) -> list[Obj]:
        """Every conversation, as conversations.info gives it."""
        with self.space.lock:
            return [self.space.channel_object(room) for room in self.space.rooms.values()]

    def users(self) -> list[Obj]:
        """Every member, as users.info gives it."""
        return [self.space.user_object(person) for person in self.space.people.values()]

    def messages(self, channel: str, thread_ts: str | None = None) -> list[Obj]:
        """As conversations.history gives them, newest first, metadata included; a thread as conversations.replies."""
        with self.space.lock:
            room = self.space.rooms.get(channel)
            if room is None:
                return []
            if thread_ts:
                root = [room.messages[thread_ts]] if thread_ts in room.messages else []
                return [self.space.shown(room, message) for message in root + self.space.replies_of(room, thread_ts)]
            roots = [
                message
                for message in room.messages.values()
                if text(message, "thread_ts") in ("", text(message, "ts"))
                or text(message, "subtype") == "thread_broadcast"
            ]
            return [self.space.shown(room, message) for message in reversed(roots)]

    def home(self, user: str) -> Obj | None:
        """The Home tab a user sees; None before the app has published one."""
        with self.space.lock:
            view_id = self.space.homes.get(user)
            return payloads.seen_view(self.space.views[view_id]) if view_id else None

    def views(self, user: str) -> list[Obj]:
        """The modal's views, the one on top last; empty when none is open."""
        with self.space.lock:
            return [payloads.seen_view(self.space.views[view_id]) for view_id in self.space.stacks.get(user, [])]

    def modal(self, user: str) -> Obj | None:
        """The view on top of the user's modal; None when none is open."""
        stack = self.views(user)
        return stack[-1] if stack else None

    def ephemerals(self, user: str) -> list[Obj]:
        """What only this user saw, oldest first, each with its `channel`."""
        with self.space.lock:
            return [clone(message) for reader, message in self.space.ephemerals if reader == user]

    def notified(self) -> list[Notified]:
        """Whom the app's (and people's) messages notified, in order."""
        with self.space.lock:
            return list(self.space.notified)

    # --- What the acts share -----------------------------------------------------------------------------------------

    def _room(self, user: str, channel: str) -> Room:
        if user not in self.space.people:
            raise CannotDo("user_not_found")
        if channel == self.space.app.user_id:
            return self.space.im(user)
        room = self.space.rooms.get(channel)
        if room is None and channel == f"D{user[1:]}":
            room = self.space.im(user)
        if room is None:
            raise CannotDo("channel_not_found")
        if user not in room.members:
            raise CannotDo("not_in_channel")
        return room

    def _can_write(self, room: Room, thread_ts: str | None) -> None:
        if room.archived:
            raise CannotDo("is_archived")
        if thread_ts and thread_ts not in room.messages:
            raise CannotDo("thread_not_found")

    def _own(self, user: str, channel: str, ts: str) -> tuple[Room, Obj]:
        room = self._room(user, channel)
        if ts not in room.messages:
            raise CannotDo("message_not_found")
        if text(room.messages[ts], "user") != user:
            raise CannotDo("not_your_message")
        return room, room.messages[ts]

    def _place(self, user: str, spot: Spot) -> _Place:
        space, view_id, message_ts = self.space, spot.view_id, spot.message_ts
        if user not in space.people:
            raise CannotDo("user_not_found")
        if view_id:
            shown = space.views.get(view_id)
            top = space.top(user)
            on_top = top is not None and text(top.view, "id") == view_id
            if shown is None or shown.user != user or not (on_top or space.homes.get(user) == view_id):
                raise CannotDo("view_not_open")
            return _Place(objs(shown.view, "blocks"), shown.entered, shown=shown)
        room = self._room(user, spot.channel)
        message = room.messages.get(message_ts) or self._ephemeral(user, room, message_ts)
        entered = self._entered.setdefault((user, message_ts), {})
        return _Place(objs(message, "blocks"), entered, room=room, message=message)

    def _ephemeral(self, user: str, room: Room, ts: str) -> Obj:
        for reader, message in self.space.ephemerals:
            if reader == user and text(message, "ts") == ts and text(message, "channel") == room.id:
                return message
        raise CannotDo("message_not_found")

    def _element(self, blocks: list[Obj], action_id: str, block_id: str | None, value: Json) -> tuple[Obj, Obj]:
        """The one element meant. Several with the same action_id are told apart by block_id or a button's value."""
        found = [
            (block, element)
            for block in blocks
            if block_id in (None, text(block, "block_id"))
            for element in elements_of(block)
            if text(element, "action_id") == action_id
        ]
        buttons = [(b, e) for b, e in found if text(e, "type") == "button"]
        if value is not None and buttons:
            found = [(b, e) for b, e in buttons if value in (text(e, "value"), text(obj(e, "text"), "text"))]
        if not found:
            raise CannotDo(f"no_such_element: {action_id}")
        if len(found) > 1:
            raise CannotDo(f"ambiguous_element: {action_id}")
        return found[0]

    def _check_people(self, state: Obj) -> None:
        for user in forms.chosen_users(state):
            if user not in self.space.people:
                raise forms.Unfit(f"No such user: {user}")

    def _deliver(self, delivery: Delivery) -> Outcome:
        if self.space.deliver is None:
            return Outcome(acked=False, reason="connection_failed")
        try:
            return self.space.deliver(delivery).result(self.patience_s)
        except NotYet:
            return Outcome(acked=False, reason="timeout")

    def _await(self, sent: list[Future[Outcome]]) -> None:
        """Until the events are acknowledged, or long enough: what happened in Slack has happened anyway."""
        for future in sent:
            try:
                future.result(self.patience_s)
            except NotYet:
                return


def _missing(shown: Shown) -> dict[str, str]:
    """Required inputs that are empty. Source: Slack, "Input block", optional."""
    values = forms.state_of(objs(shown.view, "blocks"), shown.entered)
    missing: dict[str, str] = {}
    for block in objs(shown.view, "blocks"):
        if text(block, "type") != "input" or flag(block, "optional"):
            continue
        action_id = text(obj(block, "element"), "action_id")
        if forms.is_empty(obj(obj(values, text(block, "block_id")), action_id)):
            missing[action_id] = REQUIRED
    return missing


def _failure(outcome: Outcome) -> str:
    """The word Slack's client shows: operation_timeout after three silent seconds, dispatch_failed otherwise."""
    return "operation_timeout" if outcome.reason in ("timeout", "http_timeout") else "dispatch_failed"


def as_list(messages: list[Obj]) -> list[Json]:
    """Messages as a JSON list."""
    return listed(messages)
