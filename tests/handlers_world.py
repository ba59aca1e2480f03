"""An office with a real store, the Slack stand-in around it, and the rows of the outbox posted when a test says so."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bot.casework import Advanced, Happening, Identity, Office
from bot.flows.case import Case, ItemName, Kind, Role
from bot.flows.events import CaseOpened, Fact, MailFacts, NoticeReleased, PartyWrote
from bot.flows.letters import Wording
from bot.handlers.posting import Fenced, Later, Never, Outcome, Pace, Posted, Poster
from bot.sandbox.slack import Options, SlackStandIn
from bot.settings import load_templates
from bot.storage.inbox import MAIL
from bot.storage.knowledge import StaffMember
from bot.storage.outbox import Attempt, OutboxRow
from bot.storage.schema import migrate
from bot.storage.store import Store
from tests.play import ADDRESS, ID, LISTING, POLICY, found, mail
from tests.standin_world import ANA, BEN, CASES, PING_S, Hands, standing, web_client

MONDAY = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)
WORDING = Wording(load_templates(None), POLICY.wording)
IDENTITY = Identity("support@market.example", "market.example", ("a secret of the tests",), "Market", slack=True)
MINUTE = timedelta(minutes=1)


@dataclass
class Stopwatch:
    """Machine's seconds that pass only in pauses."""

    now_s: float = 0.0
    pauses: list[float] = field(default_factory=list)

    def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now_s += seconds


@dataclass
class World:
    """Cases, and what stands in Slack of them."""

    store: Store
    slack: SlackStandIn
    now: datetime = MONDAY
    watch: Stopwatch = field(default_factory=Stopwatch)
    office: Office = field(init=False)
    poster: Poster = field(init=False)
    mails: int = 0
    events: int = 0

    def __post_init__(self) -> None:
        self.office = Office(self.store, POLICY, WORDING, IDENTITY, lambda: self.now)
        pace = Pace(lambda: self.watch.now_s, self.watch.pause)
        self.poster = Poster(self.office, web_client(self.slack), CASES, pace)
        with self.store.begin() as tx:
            tx.knowledge.set_staff([StaffMember(ANA, "Ana Anders"), StaffMember(BEN, "Ben Bose", lead=True)])

    # --- What happens -------------------------------------------------------------------------------------------------

    def mail(self, role: Role = Role.WORKER, text: str = "Please help.", **facts: object) -> MailFacts:
        self.mails += 1
        with self.store.begin() as tx:
            stored = tx.inbox.put(MAIL, f"mail {self.mails}", f"{text} {self.mails}".encode(), self.now)
            tx.inbox.done(stored.id)
        message_id = f"<m{stored.id}@mail.example>"
        return replace(
            mail(role, text, at=self.now),
            mail_id=stored.id,
            message_id=message_id,
            **facts,  # type: ignore[arg-type]
        )

    def happens(self, case: int | None, fact: Fact, name: str = "") -> Advanced:
        self.events += 1
        (result,) = self.office.advance((Happening(case, name or f"e{self.events}", "test", fact),))
        assert not result.refused, result.refused
        return result

    def opens(self, text: str = "Please help.", kind: Kind | None = Kind.PAYMENT) -> int:
        """A worker's first mail: complete for a payment case; of no kind it waits to be sorted."""
        facts: dict[str, object] = {}
        if kind is not None:
            facts = {"assignment_ids": (ID,), "listings": (LISTING,), "items": found(ItemName.TIMELINE)}
        read = self.mail(Role.WORKER, text, **facts)
        return self.happens(None, CaseOpened(read, kind, Role.WORKER), f"mail:{read.mail_id}:{kind}").case.number

    def answering(self) -> int:
        """A payment case whose client has been asked."""
        number = self.opens()
        self.happens(number, NoticeReleased("Ana Anders"))
        return number

    def answers(self, number: int, text: str = "We approved it on Monday.") -> None:
        read = self.mail(Role.CLIENT, text, items=found(ItemName.ANSWER), intent="provides_item")
        self.happens(number, PartyWrote(Role.CLIENT, read), f"mail:{read.mail_id}:D-{number}")

    # --- Posting ------------------------------------------------------------------------------------------------------

    def claims(self) -> tuple[OutboxRow, ...]:
        with self.store.begin() as tx:
            return tx.outbox.claim("poster", self.now, MINUTE, 10, "slack")

    def passes(self, row: OutboxRow) -> bool:
        with self.store.begin() as tx:
            return tx.outbox.intent(Attempt(row.id, "poster", row.attempt))

    def posts(self) -> list[Outcome]:
        """Everything that may be posted now, as delivery does it; stops at the first that has to wait."""
        outcomes: list[Outcome] = []
        while rows := self.claims():
            for row in rows:
                outcomes.append(self.poster.post(row, lambda row=row: self.passes(row)))  # type: ignore[misc]
                self._record(row, outcomes[-1])
            if any(isinstance(each, Later) for each in outcomes):
                break
        return outcomes

    def _record(self, row: OutboxRow, outcome: Outcome) -> None:
        attempt = Attempt(row.id, "poster", row.attempt)
        with self.store.begin() as tx:
            match outcome:
                case Posted(ts):
                    tx.outbox.sent(attempt, self.now, ts)
                case Later(reason):
                    tx.outbox.retry(attempt, timedelta(), reason)
                case Never(reason):
                    tx.outbox.dead(attempt, reason)
                case Fenced():
                    tx.outbox.retry(attempt, timedelta(), "")

    # --- What is to be seen -------------------------------------------------------------------------------------------

    def case(self, number: int) -> Case:
        with self.store.read() as tx:
            case = tx.cases.get(number)
        assert case is not None
        return case

    def card_ts(self, number: int) -> str:
        with self.store.read() as tx:
            place = tx.cases.place(number)
        assert place is not None
        assert place.channel == CASES
        return place.card_ts

    def roots(self) -> list[dict]:
        return list(reversed(self.slack.people.messages(CASES)))

    def thread(self, number: int) -> list[dict]:
        return self.slack.people.messages(CASES, self.card_ts(number))[1:]

    def letters(self, number: int) -> list[str]:
        with self.store.read() as tx:
            rows = tx.outbox.letters(number)
        return [f"{row.posting.name} to {row.posting.role}, {row.state}" for row in rows]

    def text(self, number: int, letter: int) -> str:
        with self.store.read() as tx:
            row = tx.outbox.letter(number, letter)
        assert row is not None
        return str(row.posting.body["text"])


@contextmanager
def world(folder: Path, options: Options | None = None) -> Iterator[World]:
    url = f"sqlite:///{folder / 'parley.db'}"
    migrate(url)
    store = Store(url)
    with standing(Hands(), options or Options(rates=False, ping_s=PING_S)) as slack:
        yield World(store, slack)
    store.close()


__all__ = ["ADDRESS", "MONDAY", "World", "world"]
