"""The real Bolt app against the stand-in: clicks, forms, commands and events, over Socket Mode."""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from bot.flows.case import Case, Impasse, ItemName, ItemState, Kind, Role, Stage
from bot.flows.events import CaseOpened, ImpasseProposed, MailFacts, MailSuggested, PartyWrote
from bot.handlers import modals
from bot.handlers.cards import ACTIONS
from bot.handlers.desk import Desk
from bot.handlers.door import STRANGER, build
from bot.handlers.messages import Events
from bot.handlers.slack import web_client
from bot.sandbox.slack import Spot
from bot.storage.inbox import SLACK, InboxState
from bot.storage.mails import Filing, MailState
from tests.handlers_world import World, world
from tests.play import ID, LISTING, found
from tests.standin_world import ANA, BEN, CASES, LEA, connected


@dataclass
class Slack:
    """The world with the bot on its sockets."""

    world: World
    woken: list[int] = field(default_factory=list)
    read: dict[int, MailFacts] = field(default_factory=dict)

    def read_again(self, mail_id: int, case: Case, kind: Kind, role: Role) -> MailFacts | None:
        return self.read.get(mail_id)

    def desk(self) -> Desk:
        slack = self.world.slack
        client = web_client(slack.space.app.bot_token, slack.api_url)
        return Desk(self.world.office, client, self.read_again, lambda: self.woken.append(1))

    # --- What a person does -------------------------------------------------------------------------------------------

    def click(self, number: int, action: str, value: str | None = None, user: str = ANA) -> None:
        self.world.posts()
        made = (each for each in self.world.thread(number) if f"'{action}'" in str(each) and f"'{value}'" in str(each))
        spot = Spot(CASES, next((each["ts"] for each in made), self.world.card_ts(number)))
        answer = self.world.slack.people.click(user, spot, action, value=value)
        assert answer.ok, answer

    def form(self, user: str = ANA) -> dict:
        """The form that opens."""
        return until(lambda: self.world.slack.people.modal(user))

    def submit(self, user: str = ANA, **values: str) -> dict:
        answer = self.world.slack.people.submit(user, str(self.form(user)["id"]), dict(values))
        return answer.as_json()

    def fills(self, number: int, action: str, value: str | None = None, **values: str) -> None:
        self.click(number, action, value)
        assert self.submit(**values) == {"ok": True}
        until(lambda: self.world.slack.people.modal(ANA) is None)

    def told(self, user: str = ANA) -> str:
        """What only this person is told."""
        return str(until(lambda: self.world.slack.people.ephemerals(user))[-1]["text"])

    def stage(self, number: int) -> Stage:
        return self.world.case(number).stage


def until(found: Callable, timeout_s: float = 10.0):
    """Waits for another thread, never for a clock that the test could move itself."""
    end = time.monotonic() + timeout_s
    while not (value := found()):
        assert time.monotonic() < end
        time.sleep(0.01)
    return value


def words(view: object) -> str:
    return json.dumps(view, ensure_ascii=False)


@pytest.fixture
def slack(tmp_path: Path) -> Iterator[Slack]:
    with world(tmp_path) as made:
        bot = Slack(made)
        with connected(made.slack, build(bot.desk()), 1):
            yield bot


def test_a_click_is_decided_before_it_is_acknowledged(slack: Slack) -> None:
    number = slack.world.opens()
    slack.click(number, "claim")
    assert slack.world.case(number).owner == "Ana Anders"
    assert slack.woken


def test_who_is_not_of_the_staff_is_told_so_and_nothing_happens(slack: Slack) -> None:
    number = slack.world.opens()
    slack.click(number, "claim", user=LEA)
    assert slack.told(LEA) == STRANGER
    assert slack.world.case(number).owner is None
    slack.world.slack.people.command(LEA, CASES, "/case", "mine")
    assert slack.told(LEA) == STRANGER
    slack.world.slack.people.shortcut(LEA, "new_case")
    assert STRANGER in words(slack.form(LEA))


def test_what_cannot_be_is_refused_with_what_would_be_right(slack: Slack) -> None:
    number = slack.world.opens()
    slack.world.posts()
    card = slack.world.card_ts(number)
    slack.fills(number, "send_notice")
    slack.world.slack.people.click(ANA, Spot(CASES, card), "send_notice")  # The card is as it was before.
    assert "This cannot be sent" in words(slack.form())
    answer = slack.submit()
    assert answer["ok"] is True
    assert "this is possible in notice" in words(slack.form())


def test_the_notice_is_sent_with_its_preview(slack: Slack) -> None:
    number = slack.world.opens()
    slack.click(number, "send_notice")
    shown = words(slack.form())
    assert "carl@client.example" in shown
    assert "4471829360" in shown
    assert slack.submit() == {"ok": True}
    assert slack.stage(number) is Stage.ANSWERING
    assert "notice to client, ready" in slack.world.letters(number)


def test_a_reply_goes_to_the_party_named_with_the_words_typed(slack: Slack) -> None:
    number = slack.world.opens()
    slack.click(number, "reply_worker")
    view = slack.form()
    assert "Wanda Worker <wanda@worker.example>" in words(view)
    assert modals.YOUR_WORDS in words(view)
    assert slack.submit(text="Please call us & ask for <Ana>.", language="en") == {"ok": True}
    assert slack.world.letters(number)[-1] == "reply to worker, ready"
    assert "Please call us & ask for <Ana>." in slack.world.text(number, 2)


def test_the_preview_shows_the_letter_with_the_words_typed_so_far(slack: Slack) -> None:
    number = slack.world.opens()
    slack.click(number, "reply_worker")
    view, people = slack.form(), slack.world.slack.people
    assert people.click(ANA, Spot(view_id=str(view["id"])), "text", value="My very own words.").ok
    assert people.click(ANA, Spot(view_id=str(view["id"])), "preview").ok
    until(lambda: "My very own words." in json.dumps(slack.form()["blocks"]))
    assert slack.submit() == {"ok": True}
    assert "My very own words." in slack.world.text(number, 2)


def test_an_empty_reason_is_refused_at_its_field(slack: Slack) -> None:
    number = slack.world.opens()
    slack.click(number, "hold")
    assert slack.submit(reason="  ")["errors"] == {
        "reason": "A reason is needed; it stands in the case for everybody who asks why."
    }
    assert slack.submit(reason="A phone call.") == {"ok": True}
    assert slack.world.case(number).has_hold("staff")
    slack.click(number, "resume")
    assert not slack.world.case(number).holds


def test_a_case_goes_from_answer_to_outcome_by_clicks_alone(slack: Slack) -> None:
    number = slack.world.answering()
    slack.world.answers(number)
    assert slack.stage(number) is Stage.TALKS
    slack.click(number, "release")
    assert "Please help." in words(slack.form())
    assert slack.submit() == {"ok": True}
    slack.fills(number, "skip_talks", reason="Both asked for a decision.")
    assert slack.stage(number) is Stage.REVIEW
    slack.click(number, "record_outcome")
    assert "both sides at the same moment" in words(slack.form())
    assert slack.submit(outcome="scheduled", grounds="It is paid on Friday.") == {"ok": True}
    assert slack.stage(number) is Stage.REVIEW
    assert [each for each in slack.world.letters(number) if each.startswith("outcome")] == [
        "outcome to worker, ready",
        "outcome to client, ready",
    ]
    slack.click(number, "undo")
    assert slack.world.case(number).outcome is None


def test_an_item_is_asked_for_again_or_waived(slack: Slack) -> None:
    number = slack.world.answering()
    slack.fills(number, "reject_item", item="timeline", reason="Say when you wrote.")
    slack.fills(number, "waive", item="answer", reason="They called.")
    item = slack.world.case(number).item(ItemName.ANSWER)
    assert item is not None
    assert item.state is ItemState.WAIVED


def test_more_time_and_another_address(slack: Slack) -> None:
    number = slack.world.answering()
    slack.fills(number, "extend", reason="They asked for it.")
    assert slack.world.case(number).client.extended
    slack.fills(number, "set_contact", "client", address="boss@client.example", text="Bo Boss")
    assert slack.world.case(number).client.address == "boss@client.example"
    slack.click(number, "set_contact", "worker")
    assert "is not a mail address" in slack.submit(address="nonsense")["errors"]["address"]


def test_an_impasse_is_confirmed_with_one_click(slack: Slack) -> None:
    number = slack.world.answering()
    slack.world.happens(number, ImpasseProposed("Ben Bose", Impasse.NO_RESPONSE))
    slack.click(number, "confirm_impasse")
    assert slack.stage(number) is Stage.REVIEW


def unsorted(slack: Slack) -> int:
    number = slack.world.opens("Something about money.", None)
    with slack.world.store.begin() as tx:
        mail_id = slack.world.case(number).statements[0].mail_id
        filing = Filing(mail_id, MailState.SORTING, sender="wanda@worker.example")
        tx.mails.add(filing, number, Role.WORKER, slack.world.now)
    facts = slack.world.mail(assignment_ids=(ID,), listings=(LISTING,), items=found(ItemName.TIMELINE))
    slack.read[mail_id] = replace(facts, mail_id=mail_id)
    return number


def test_a_mail_is_sorted_with_one_click(slack: Slack) -> None:
    number = unsorted(slack)
    slack.click(number, "sort_payment")
    case = slack.world.case(number)
    assert (case.kind, case.stage) == (Kind.PAYMENT, Stage.NOTICE)


def test_a_mail_that_raises_both_becomes_two_cases(slack: Slack) -> None:
    number = unsorted(slack)
    slack.click(number, "sort_both")
    with slack.world.store.read() as tx:
        cases = list(tx.cases.all())
        assert [link[0] for link in tx.cases.links(number)] == [number + 1]
    assert [case.kind for case in cases] == [Kind.RATING, Kind.PAYMENT]


def test_a_mail_that_belongs_to_another_case_is_put_there(slack: Slack) -> None:
    other = slack.world.opens()
    number = unsorted(slack)
    slack.click(number, "sort_attach")
    assert "another case" in slack.submit(case="D-9")["errors"]["case"]
    assert slack.submit(case=f"D-{other}") == {"ok": True}
    assert slack.stage(number) is Stage.CLOSED
    assert len(slack.world.case(other).statements) == 2


def test_a_mail_that_is_no_dispute_closes_its_case(slack: Slack) -> None:
    number = unsorted(slack)
    slack.fills(number, "sort_no", reason="A question about tax.")
    assert slack.stage(number) is Stage.CLOSED


def test_an_unconfirmed_mail_is_the_partys_with_one_click_or_nobodys(slack: Slack) -> None:
    number = slack.world.answering()
    for _ in range(2):
        facts = slack.world.mail(Role.CLIENT, "We paid.", sender="c@other.example")
        slack.read[facts.mail_id] = facts
        slack.world.happens(number, MailSuggested(Role.CLIENT, facts, "the address is not known"))
    first, second = (each.mail_id for each in slack.world.case(number).suggested)
    slack.click(number, "same_party", str(first))
    slack.click(number, "sort_no", f"mail:{second}")
    case = slack.world.case(number)
    assert not case.suggested
    assert [statement.text for statement in case.statements if statement.role is Role.CLIENT] == ["We paid."]


def test_the_same_click_twice_changes_nothing(slack: Slack) -> None:
    number = slack.world.opens()
    people, before = slack.world.slack.people, slack.world.case(number).version
    slack.click(number, "claim")
    slack.click(number, "claim")
    assert slack.world.case(number).version == before + 2  # Two clicks are two events, each applied once.
    assert people.messages(CASES)


def test_the_command_shows_finds_explains_and_helps(slack: Slack) -> None:
    number = slack.world.opens()
    people = slack.world.slack.people

    def says(text: str) -> str:
        assert people.command(ANA, CASES, "/case", text).ok
        return words(people.ephemerals(ANA)[-1])

    assert "claim" in says(f"D-{number}")
    assert "What happened" in says(f"why D-{number}")
    assert f"D-{number}" in says("find wanda@worker.example")
    assert "Nothing was found" in says("find nobody")
    assert "no case" in says("mine")
    assert "There is no such case" in says("D-9")
    assert "/case find" in says("help")
    slack.click(number, "claim")
    assert f"D-{number}" in says("mine")


def test_a_case_is_opened_by_hand(slack: Slack) -> None:
    assert slack.world.slack.people.command(ANA, CASES, "/case", "new").ok
    assert slack.submit(address="new@worker.example", text="They called about payment.") == {"ok": True}
    [case] = opened(slack)
    assert (case.stage, case.came_by, case.worker.address) == (Stage.SORTING, "slack", "new@worker.example")


def test_a_case_is_opened_from_a_message(slack: Slack) -> None:
    people = slack.world.slack.people
    ts = people.post_as(BEN, CASES, "A worker called: not paid.").ts
    assert people.shortcut(ANA, "open_case", CASES, ts).ok
    assert "A worker called: not paid." in words(slack.form())
    assert slack.submit(text="A worker called: not paid.") == {"ok": True}
    assert opened(slack)[0].stage is Stage.SORTING


def opened(slack: Slack) -> list[Case]:
    with slack.world.store.read() as tx:
        return list(tx.cases.all())


def test_the_home_tab_lists_what_there_is_to_do(slack: Slack) -> None:
    number = slack.world.answering()
    facts = slack.world.mail(text="How is tax handled?")
    slack.read[facts.mail_id] = facts
    with slack.world.store.begin() as tx:
        filing = Filing(facts.mail_id, MailState.NOT_DISPUTE, sender="t@worker.example", subject="Tax <!channel>")
        tx.mails.add(filing, None, None, slack.world.now)
    slack.click(number, "claim")
    people = slack.world.slack.people
    people.open_home(ANA)
    home = until(lambda: people.home(ANA))
    assert "Mine (1)" in words(home)
    assert "Tax <!channel>" in words(home)
    assert people.click(ANA, Spot(view_id=str(home["id"])), "open_case").ok
    until(lambda: "To be sorted (1)" in words(people.home(ANA)))
    people.open_home(LEA)
    assert "support team" in words(until(lambda: people.home(LEA)))


def test_events_are_stored_once_before_they_are_acknowledged_and_a_note_stays_in_slack(slack: Slack) -> None:
    number = slack.world.opens()
    slack.world.posts()
    people, letters = slack.world.slack.people, slack.world.letters(number)
    assert people.post_as(ANA, CASES, "I think the client is right.", slack.world.card_ts(number)).ok
    taken: list = []
    events = Events(slack.world.store, (CASES,), lambda row, mail: taken.append(mail))
    with slack.world.store.read() as tx:
        assert tx.inbox.unread(SLACK, slack.world.now)
    assert events.run_once() >= 1
    assert taken == []
    assert slack.world.letters(number) == letters


def test_a_message_in_an_intake_channel_is_read_like_a_mail(slack: Slack) -> None:
    people = slack.world.slack.people
    people.post_as(ANA, CASES, "Worker <w@x.example> was not paid & asks for help")
    taken: list = []

    def take(row, mail) -> None:
        taken.append(mail)
        with slack.world.store.begin() as tx:
            tx.inbox.done(row.id)

    events = Events(slack.world.store, (CASES,), take)
    events.run_once()
    [mail] = taken
    assert "was not paid & asks for help" in mail.text
    assert mail.sender.address == ""
    assert events.run_once() == 0


def test_an_event_that_cannot_be_applied_is_quarantined_with_its_reason(slack: Slack) -> None:
    with slack.world.store.begin() as tx:
        bad = tx.inbox.put(SLACK, "slack:bad", b"not json", slack.world.now)
    events = Events(slack.world.store, (CASES,), lambda row, mail: None)
    for _ in range(5):
        events._apply(_row(slack, bad.id))
    row = _row(slack, bad.id)
    assert row.state is InboxState.QUARANTINED
    assert "JSONDecodeError" in row.reason


def _row(slack: Slack, row_id: int):
    with slack.world.store.read() as tx:
        row = tx.inbox.get(row_id)
    assert row is not None
    return row


def test_every_action_and_field_is_one_that_was_promised() -> None:
    promised = """claim reply_worker reply_client sort_payment sort_rating sort_attach sort_no set_contact send_notice
    hold resume extend accept_item reject_item waive release skip_talks confirm_impasse record_outcome same_party
    sort_both open_case undo"""
    assert set(ACTIONS) == set(promised.split())
    assert set(modals.FIELDS) == {*("text", "language", "outcome", "grounds", "address", "case", "reason", "item")}


# --- What belongs together or apart -----------------------------------------------------------------------------------


def says(slack: Slack, text: str) -> str:
    before = len(slack.world.slack.people.ephemerals(ANA))
    assert slack.world.slack.people.command(ANA, CASES, "/case", text).ok
    return str(until(lambda: slack.world.slack.people.ephemerals(ANA)[before:])[-1]["text"])


def test_two_cases_are_linked_and_unlinked_by_a_command(slack: Slack) -> None:
    one, two = slack.world.opens("One."), slack.world.opens("Two.")
    assert says(slack, f"link D-{one} D-{two} the same client") == f"D-{one} and D-{two}: linked."
    assert says(slack, f"unlink {two} {one}") == f"D-{two} and D-{one}: unlinked."
    assert "is not linked to" in says(slack, f"unlink {two} {one}")
    assert "Write it as: /case link" in says(slack, "link them")


def test_an_assignment_is_split_off_by_a_command(slack: Slack) -> None:
    both = slack.world.mail(
        Role.WORKER, "Two jobs.", assignment_ids=(ID, "4471830112"), listings=(LISTING,), items=found(ItemName.TIMELINE)
    )
    number = slack.world.happens(None, CaseOpened(both, Kind.PAYMENT, Role.WORKER)).case.number
    with slack.world.store.begin() as tx:
        tx.mails.add(Filing(both.mail_id, MailState.FILED), number, Role.WORKER, slack.world.now)
    slack.read[both.mail_id] = both
    assert "is a case of its own" in says(slack, f"split D-{number} 4471830112")
    assert slack.world.case(number).assignment_ids == (ID,)
    assert slack.world.case(number + 1).assignment_ids == ("4471830112",)
    assert "the only assignment" in says(slack, f"split D-{number} {ID}")


def test_a_mail_in_the_thread_is_put_to_another_case(slack: Slack) -> None:
    one, two = slack.world.answering(), slack.world.opens("Two.")
    facts = slack.world.mail(Role.WORKER, "It is about the other one.")
    slack.read[facts.mail_id] = facts
    slack.world.happens(one, PartyWrote(Role.WORKER, facts), f"mail:{facts.mail_id}:D-{one}")
    slack.world.posts()
    slack.fills(one, "sort_attach", f"mail:{facts.mail_id}", case=f"D-{two}")
    assert [each.moved_to for each in slack.world.case(one).statements] == [None, two]
    assert facts.mail_id in [each.mail_id for each in slack.world.case(two).statements]


def test_a_case_goes_to_another_one_with_all_its_mails_and_comes_back_with_them(slack: Slack) -> None:
    other, number = slack.world.opens("One."), slack.world.opens("Two.")
    more = slack.world.mail(Role.WORKER, "I forgot something.")
    slack.world.happens(number, PartyWrote(Role.WORKER, more), f"mail:{more.mail_id}:D-{number}")
    mails = [each.mail_id for each in slack.world.case(number).statements]
    for mail_id in mails:
        slack.read[mail_id] = replace(more, mail_id=mail_id)
    slack.world.posts()
    slack.fills(number, "sort_attach", f"mail:{mails[0]}", case=f"D-{other}")
    assert slack.stage(number) is Stage.CLOSED
    assert [each.mail_id for each in slack.world.case(other).statements][1:] == mails
    slack.world.posts()
    slack.click(number, "undo", "duplicate")
    assert slack.stage(number) is Stage.GATHERING or slack.stage(number) is Stage.NOTICE
    assert [each.moved_to for each in slack.world.case(other).statements] == [None, number, number]
    with slack.world.store.read() as tx:
        assert tx.cases.links(number) == ()


def test_a_merged_case_is_taken_back_with_one_click(slack: Slack) -> None:
    other, number = slack.world.opens("One."), unsorted(slack)
    slack.fills(number, "sort_attach", case=f"D-{other}")
    assert slack.stage(number) is Stage.CLOSED
    slack.click(number, "undo")
    assert slack.stage(number) is Stage.SORTING


def test_an_unconfirmed_mail_is_put_to_another_case(slack: Slack) -> None:
    one, two = slack.world.answering(), slack.world.opens("Two.")
    facts = slack.world.mail(Role.CLIENT, "We paid.", sender="c@other.example")
    slack.read[facts.mail_id] = facts
    slack.world.happens(one, MailSuggested(Role.CLIENT, facts, "unknown address"))
    slack.fills(one, "sort_attach", f"mail:{facts.mail_id}", case=f"D-{two}")
    assert slack.world.case(one).suggested == ()
    assert [each.mail_id for each in slack.world.case(two).suggested] == [facts.mail_id]
