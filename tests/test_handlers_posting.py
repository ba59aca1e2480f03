"""Cards and notes carried to Slack: once each, in their thread, inert, and found again instead of posted twice."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from bot.flows.case import Impasse, Role
from bot.flows.events import ImpasseProposed, StaffReplied
from bot.handlers.posting import EVENT_TYPE, Fenced, Later, Posted
from bot.handlers.slack import read_staff, web_client
from bot.sandbox.slack import Fault
from bot.settings import StaffKind, StaffSource
from bot.storage.outbox import Attempt, OutState
from tests.handlers_world import World, world
from tests.standin_world import ANA, BEN, CASES, LEA

EVIL = "<!channel> <@U0ANA00001> <https://evil.example|support> @here http://evil.example"


@pytest.fixture
def office(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path) as made:
        yield made


def words(message: dict) -> str:
    """All text of a message's blocks."""
    return " ".join(str(leaf) for block in message["blocks"] for leaf in texts(block))


def texts(value: object) -> Iterator[str]:
    match value:
        case {"text": str(text)}:
            yield text
        case dict():
            for each in value.values():
                yield from texts(each)
        case list():
            for each in value:
                yield from texts(each)
        case _:
            pass


def test_a_new_case_has_one_card_and_its_notes_in_the_thread(office: World) -> None:
    number = office.opens("I wrote to them on Monday and on Tuesday.")
    assert all(isinstance(each, Posted) for each in office.posts())
    [card] = office.roots()
    assert card["ts"] == office.card_ts(number)
    assert card["metadata"]["event_type"] == EVENT_TYPE
    assert str(number) not in str(card["metadata"])
    [note] = office.thread(number)
    assert "I wrote to them on Monday and on Tuesday." in words(note)
    assert "Letter 1 to the worker: receipt" in words(note)


def test_the_card_is_changed_in_place_as_the_case_goes_on(office: World) -> None:
    number = office.answering()
    office.posts()
    office.answers(number, "We approved it on Monday.")
    office.posts()
    [card] = office.roots()
    assert "Both sides were heard" in words(card)
    assert "We approved it on Monday." in words(office.thread(number)[-1])


def test_what_a_mail_says_notifies_nobody_and_links_nowhere(office: World) -> None:
    number = office.opens(EVIL * 100 + "x" * 200_000)
    office.posts()
    note = office.thread(number)[0]
    assert "<!channel>" in words(note)
    assert not office.slack.people.notified()
    assert not office.slack.space.links


def test_a_nudge_of_a_case_that_nobody_took_calls_the_channel(office: World) -> None:
    number = office.answering()
    office.happens(number, ImpasseProposed("Ana Anders", Impasse.NO_RESPONSE))
    office.posts()
    assert not office.slack.people.notified()
    office.now += timedelta(days=1, hours=1)
    office.office.tick()
    office.posts()
    assert {each.who for each in office.slack.people.notified()} == {"here"}


def test_posts_keep_a_second_between_them(office: World) -> None:
    office.opens()
    office.opens("Another one.")
    outcomes = office.posts()
    assert len(outcomes) == 4
    assert office.watch.pauses == [1.0, 1.0, 1.0]


def test_a_lost_answer_is_found_again_instead_of_posted_twice(office: World) -> None:
    number = office.opens()
    office.slack.set_fault(Fault.LOSE_REPLY, methods=("chat.postMessage",), times=1)
    assert isinstance(office.posts()[-1], Later)
    assert all(isinstance(each, Posted) for each in office.posts())
    assert len(office.roots()) == 1
    office.happens(number, StaffReplied("Ana Anders", Role.WORKER, "Hello."))
    office.slack.set_fault(Fault.LOSE_REPLY, methods=("chat.postMessage",), times=1)
    assert isinstance(office.posts()[-1], Later)
    office.posts()
    assert len(office.thread(number)) == 2
    assert len(office.roots()) == 1


def test_slack_away_means_later(office: World) -> None:
    office.opens()
    office.slack.set_fault(Fault.DOWN)
    assert isinstance(office.posts()[-1], Later)
    office.slack.set_fault(Fault.OK)
    office.posts()
    assert len(office.roots()) == 1


def test_a_closed_gate_posts_nothing(office: World) -> None:
    office.opens()
    [row] = office.claims()
    assert isinstance(office.poster.post(row, lambda: False), Fenced)
    assert office.roots() == []


def test_a_bot_killed_around_a_post_leaves_nothing_lost_and_nothing_twice(office: World) -> None:
    number = office.opens()
    [card] = office.claims()
    assert isinstance(office.poster.post(card, lambda: office.passes(card)), Posted)
    _becomes_unknown(office, card.id)
    assert office.poster.reconcile() == 1
    with office.store.read() as tx:
        settled = tx.outbox.get(card.id)
    assert settled is not None
    assert settled.state is OutState.SENT
    [note] = office.claims()
    office.passes(note)  # And killed before the call.
    _becomes_unknown(office, note.id)
    assert office.poster.reconcile() == 1
    assert office.poster.reconcile() == 0
    office.posts()
    assert len(office.roots()) == len(office.thread(number)) == 1


def _becomes_unknown(office: World, row_id: int) -> None:
    with office.store.begin() as tx:
        row = tx.outbox.get(row_id)
        assert row is not None
        assert tx.outbox.unknown(Attempt(row.id, "poster", row.attempt), "the bot stopped")


def test_a_deleted_card_is_posted_again(office: World) -> None:
    number = office.opens()
    office.posts()
    first = office.card_ts(number)
    web_client(office.slack.space.app.bot_token, office.slack.api_url).chat_delete(channel=CASES, ts=first)
    office.happens(number, StaffReplied("Ana Anders", Role.WORKER, "Hello."))
    office.posts()
    assert office.card_ts(number) != first
    assert len(office.thread(number)) == 1


def test_a_letter_that_a_person_wrote_can_be_undone_from_the_thread(office: World) -> None:
    number = office.opens()
    office.happens(number, StaffReplied("Ana Anders", Role.WORKER, "Hello."))
    office.posts()
    buttons = [each for block in office.thread(number)[-1]["blocks"] for each in block.get("elements", [])]
    assert [each["value"] for each in buttons if each.get("action_id") == "undo"] == ["2"]


def test_staff_are_those_named_those_of_the_group_or_those_in_the_channel(office: World) -> None:
    client = web_client(office.slack.space.app.bot_token, office.slack.api_url)
    named = read_staff(client, StaffSource(StaffKind.USERS, (ANA,)), (BEN,))
    assert [(each.user, each.name, each.lead) for each in named] == [
        (ANA, "Ana Anders", False),
        (BEN, "Ben Bose", True),
    ]
    assert [each.user for each in read_staff(client, StaffSource(StaffKind.GROUP, ("S0STAFF001",)), ())] == [ANA, BEN]
    members = read_staff(client, StaffSource(StaffKind.CHANNEL, (CASES,)), ())
    assert {each.user for each in members} == {ANA, BEN, LEA}
