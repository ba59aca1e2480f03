"""What every surface in Slack shares: whose desk it is, who asks for what, and the one way to the office.

Slack's payloads are read here into values; none of them goes further in.
"""

import json
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

from slack_sdk import WebClient

from bot.casework import Happening, Office, Result
from bot.flows.case import Case, Kind, Role
from bot.flows.events import MailFacts
from bot.handlers.cards import case_of
from bot.storage.knowledge import StaffMember
from bot.storage.mails import Filing

ReadAgain = Callable[[int, Case, Kind, Role], MailFacts | None]
"""A stored mail, by its row in the inbox, read as a mail of this case, kind and party."""


class UnderWay:
    """How many requests are between their arrival and their acknowledgement; each is one `with`, in any thread."""

    def __init__(self) -> None:
        self._count = 0
        self._changed = threading.Condition()

    def __enter__(self) -> None:
        with self._changed:
            self._count += 1

    def __exit__(self, kind: type[BaseException] | None, wrong: BaseException | None, at: TracebackType | None) -> None:
        with self._changed:
            self._count -= 1
            self._changed.notify_all()

    def wait(self, timeout_s: float) -> bool:
        """Returns once none is left; False: some still was after that time."""
        with self._changed:
            return self._changed.wait_for(lambda: self._count == 0, timeout_s)


@dataclass(frozen=True, slots=True)
class Desk:
    """What the handlers work with. `wake` is called once something was stored or decided; it returns at once."""

    office: Office
    client: WebClient
    read_again: ReadAgain
    wake: Callable[[], None]
    under_way: UnderWay = field(default_factory=UnderWay)

    def member(self, user: str) -> StaffMember | None:
        """Who this is, if it is one of those who may act."""
        with self.office.store.read() as tx:
            return next((each for each in tx.knowledge.staff() if each.user == user), None)

    def case(self, number: int) -> Case | None:
        with self.office.store.read() as tx:
            return tx.cases.get(number)

    def opening_mail(self, case: Case) -> int | None:
        """The mail that opened the case, by its row in the inbox."""
        with self.office.store.read() as tx:
            return next((mail.mail_id for mail in tx.mails.of_case(case.number)), None)

    def advance(self, happenings: Sequence[Happening], filing: Filing | None = None) -> str:
        """Apply what a person asked for; returns the refusal, or nothing. Raises what the store raises."""
        results = self.office.advance(happenings, filing)
        self.wake()
        return " ".join(each.refused for each in results if each.result is Result.REFUSED)


@dataclass(frozen=True, slots=True)
class Ask:
    """What a person asks for: by a click, or by a filled form.

    `act` is the action id; `detail` tells which one (a role, a hold, a mail, a statement); `values` are the form's
    fields by action id, None before there was a form. `id` names the request for ever.
    """

    act: str
    case: int | None
    detail: str
    id: str
    user: str
    values: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Form:
    """The form in which an ask was made: its view, to be drawn anew only if it has not changed since (`hash`)."""

    ask: Ask
    view_id: str
    hash: str


def clicked(body: Mapping[str, Any]) -> Ask:
    """A click on a button of a message or of the Home tab."""
    action = body["actions"][0]
    user, act = str(body["user"]["id"]), str(action["action_id"])
    case = case_of(str(action.get("block_id", "")))
    return Ask(act, case, str(action.get("value") or ""), f"slack:{user}:{action['action_ts']}:{act}", user)


def submitted(body: Mapping[str, Any]) -> Form:
    """A form, sent or in the making."""
    view = body["view"]
    about = json.loads(view.get("private_metadata") or "{}")
    values = {
        action_id: _entered(state) for block in view["state"]["values"].values() for action_id, state in block.items()
    }
    view_id, user = str(view["id"]), str(body["user"]["id"])
    number = about.get("case")
    ask = Ask(
        str(about.get("act", "")),
        number if isinstance(number, int) else None,
        str(about.get("detail", "")),
        f"slack:{view_id}:{view['hash']}",
        user,
        values,
    )
    return Form(ask, view_id, str(view["hash"]))


def _entered(state: Mapping[str, Any]) -> str:
    chosen = state.get("selected_option")
    return str(chosen["value"] if chosen else state.get("value") or "")


def metadata(ask: Ask) -> str:
    """What a form must remember of the ask it is about."""
    return json.dumps({"act": ask.act, "case": ask.case, "detail": ask.detail})
