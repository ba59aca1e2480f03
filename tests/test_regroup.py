"""Cases and mails that belong elsewhere: merged, split, moved, linked, and each of it undone."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.casework import Happening, Result
from bot.flows.case import Closing, ItemName, ItemState, Kind, Role, Stage, What, Who
from bot.flows.effects import Note
from bot.flows.events import (
    AssignmentTaken,
    CaseOpened,
    Dismissed,
    Linked,
    MailSuggested,
    MailTaken,
    MergeUndone,
    Released,
    SenderConfirmed,
    Undone,
    Unlinked,
)
from tests.handlers_world import World, world
from tests.play import ID, LISTING, Play, complete, found, in_talks, mail, noticed

OTHER = "4471830112"


@pytest.fixture
def made(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path) as opened:
        yield opened


def refused(made: World, case: int, fact: object) -> str:
    made.events += 1
    [result] = made.office.advance((Happening(case, f"x{made.events}", "test", fact),))  # type: ignore[arg-type]
    assert result.result is Result.REFUSED
    return result.refused


# --- Merging ----------------------------------------------------------------------------------------------------------


def test_a_merge_is_undone_and_what_is_missing_is_asked_for_again() -> None:
    play = Play()
    play.opens(Kind.PAYMENT)
    play.happen(Dismissed("Ana", 1050, "the same"))
    assert (play.case.stage, play.case.closed) == (Stage.CLOSED, Closing.DUPLICATE)
    play.happen(Undone("Ana"))
    assert play.case.stage is Stage.GATHERING
    assert play.case.closed is None
    assert play.case.clock(Who.WORKER, What.REMIND)
    assert play.got(Role.WORKER)[-1] in ("receipt", "request")


def test_a_complete_case_goes_on_to_its_notice_when_its_merge_is_undone() -> None:
    play = complete(Kind.PAYMENT)
    play.happen(Dismissed("Ana", 1050, ""))
    play.happen(Undone("Ana"))
    play.wait("2 business days")
    assert play.at(Stage.ANSWERING)


def test_only_a_duplicate_can_be_taken_back_so() -> None:
    play = Play()
    play.opens(None, None)
    play.happen(Dismissed("Ana", None, "spam"))
    assert "no outcome" in play.happen(Undone("Ana")).refused


def test_nothing_goes_to_a_case_that_was_itself_put_to_another_one(made) -> None:
    one, two, three = (made.opens(f"Please help, {n}.") for n in range(3))
    made.happens(one, Dismissed("Ana", two, ""))
    assert f"D-{one} was itself put to D-{two}" in refused(made, three, Dismissed("Ana", one, ""))
    assert "this one" in refused(made, two, Dismissed("Ana", two, ""))
    assert "D-77 is not there" in refused(made, two, Dismissed("Ana", 77, ""))
    made.happens(two, Dismissed("Ana", three, ""))
    with made.store.read() as tx:
        assert tx.events.merged_into(one) == two
        assert tx.events.merged_into(two) == three
        assert tx.events.merged_into(three) is None
    assert f"D-{two} was itself put to D-{three}" in refused(made, three, Dismissed("Ana", two, ""))


def test_what_a_merge_brought_goes_back_as_far_as_nothing_was_made_of_it() -> None:
    play = noticed()
    play.writes(Role.WORKER, "It came with the other case.", intent="still_waiting")
    moved = play.case.statements[-1].mail_id
    play.happen(MailSuggested(Role.CLIENT, mail(Role.CLIENT, "So did this.", mail_id=77), "put here"))
    play.answers()
    answer = play.case.statements[-1].mail_id
    play.happen(Released("Ana", play.case.statements[-1].number))
    decision = play.happen(MergeUndone("Ana", 7, (moved, 77, answer, 99)))
    assert [each.moved_to for each in play.case.statements] == [None, 7, None]
    assert play.case.suggested == ()
    notes = [effect.text for effect in decision.effects if isinstance(effect, Note)]
    assert "D-7 is a case of its own again" in notes[0]
    assert f"What mail {answer} says was released to the other side: it stays here. It counts in both." in notes[1]
    assert len(notes) == 2


# --- Splitting --------------------------------------------------------------------------------------------------------


def test_one_of_two_assignments_becomes_a_case_of_its_own_with_a_link(made) -> None:
    facts = made.mail(
        Role.WORKER, "Two jobs.", assignment_ids=(ID, OTHER), listings=(LISTING,), items=found(ItemName.TIMELINE)
    )
    number = made.happens(None, CaseOpened(facts, Kind.PAYMENT, Role.WORKER)).case.number
    part = CaseOpened(facts, Kind.PAYMENT, Role.WORKER, None, number)
    taken = Happening(number, "split", "Ana", AssignmentTaken("Ana", OTHER))
    left, new = made.office.advance((taken, Happening(None, "split:new", "Ana", part)))
    assert left.case.assignment_ids == (ID,)
    assert new.case.number == number + 1
    with made.store.read() as tx:
        assert [other for other, _ in tx.cases.links(number)] == [new.case.number]


def test_a_split_that_cannot_be_is_refused_whole(made) -> None:
    number = made.opens()
    assert "the only assignment" in refused(made, number, AssignmentTaken("Ana", ID))
    assert f"not about assignment {OTHER}; its assignments: {ID}" in refused(
        made, number, AssignmentTaken("Ana", OTHER)
    )
    late = in_talks()
    assert "stay together" in late.happen(AssignmentTaken("Ana", ID)).refused


# --- Moving -----------------------------------------------------------------------------------------------------------


def test_a_moved_mail_takes_what_it_brought_with_it(made) -> None:
    first = made.mail(Role.WORKER, "Help.", assignment_ids=(ID,), listings=(LISTING,))
    one = made.happens(None, CaseOpened(first, Kind.PAYMENT, Role.WORKER)).case.number
    two = made.opens("Another matter.")
    brought = made.mail(Role.WORKER, "On Monday I called, on Friday I wrote.", items=found(ItemName.TIMELINE))
    made.happens(one, SenderConfirmed("Ana", Role.WORKER, brought))
    timeline = made.case(one).item(ItemName.TIMELINE)
    assert timeline
    assert timeline.state is ItemState.ACCEPTED
    here = Happening(one, "move", "Ana", MailTaken("Ana", brought.mail_id, two))
    there = Happening(two, "move:there", "Ana", SenderConfirmed("Ana", Role.WORKER, brought))
    assert [each.result for each in made.office.advance((here, there))] == [Result.APPLIED] * 2
    again = made.case(one).item(ItemName.TIMELINE)
    assert again
    assert again.wanted
    assert made.case(one).stage is Stage.GATHERING
    assert made.case(one).clock(Who.WORKER, What.REMIND)
    assert any(each.mail_id == brought.mail_id for each in made.case(two).statements)


def test_what_cannot_be_moved_any_more_says_why() -> None:
    play = noticed()
    assert "Mail 99 is not in D-1042" in play.happen(MailTaken("Ana", 99, 7)).refused
    assert "opened D-1042" in play.happen(MailTaken("Ana", 1, 7)).refused
    play.writes(Role.WORKER, "Here is my list.", items=found(ItemName.TIMELINE))
    play.answers()
    play.happen(Released("Ana", 1))
    answer = play.case.statements[-1].mail_id
    assert "was taken into account" in play.happen(MailTaken("Ana", answer, 7)).refused


def test_what_the_notice_rests_on_stays() -> None:
    play = Play()
    play.opens(Kind.PAYMENT, assignment_ids=(ID,), listings=(LISTING,))
    play.writes(Role.WORKER, "On Monday I called.", items=found(ItemName.TIMELINE))
    brought = play.case.statements[-1].mail_id
    play.wait("2 business days")
    assert play.at(Stage.ANSWERING)
    assert "on the strength of mail" in play.happen(MailTaken("Ana", brought, 7)).refused


def test_when_the_answer_was_another_cases_the_other_side_is_asked_again() -> None:
    play = in_talks()
    answer = play.case.statements[-1].mail_id
    play.happen(MailTaken("Ana", answer, 7))
    assert play.at(Stage.ANSWERING)
    assert play.case.clock(Who.CLIENT, What.REMIND)
    play.wait("1 business day")
    assert play.got(Role.CLIENT)[-1] == "request"
    play.answers()
    assert play.at(Stage.TALKS)


def test_an_assignment_that_came_with_a_moved_mail_is_asked_for_again() -> None:
    play = Play()
    play.opens(Kind.PAYMENT, items=found(ItemName.TIMELINE))
    play.writes(Role.WORKER, f"It is {ID}.", assignment_ids=(ID,), listings=(LISTING,))
    assert play.at(Stage.NOTICE)
    play.happen(MailTaken("Ana", play.case.statements[-1].mail_id, 7))
    assert play.at(Stage.GATHERING)
    assert play.case.assignment_ids == ()
    assert play.case.clock(Who.WORKER, What.REMIND)


def test_a_mail_that_was_moved_back_counts_again() -> None:
    play = Play()
    play.opens(Kind.PAYMENT, assignment_ids=(ID,), listings=(LISTING,))
    facts = mail(Role.WORKER, "On Monday I called, on Friday I wrote.", items=found(ItemName.TIMELINE), mail_id=40)
    play.happen(SenderConfirmed("Ana", Role.WORKER, facts))
    play.happen(MailTaken("Ana", 40, 7))
    assert play.at(Stage.GATHERING)
    play.happen(SenderConfirmed("Ana", Role.WORKER, facts))
    assert play.at(Stage.NOTICE)


def test_a_mail_that_brought_nothing_leaves_the_case_as_it_was() -> None:
    play = noticed()
    play.writes(Role.WORKER, "Any news?", intent="still_waiting")
    before = play.case
    play.happen(MailTaken("Ana", play.case.statements[-1].mail_id, 7))
    assert play.case.items == before.items
    assert play.case.stage is Stage.ANSWERING
    assert [each.moved_to for each in play.case.statements] == [None, 7]


def test_words_that_moved_away_are_never_released_here_and_their_number_stays_taken() -> None:
    play = noticed()
    play.writes(Role.WORKER, "It is about the other job.", intent="still_waiting")
    moved = play.case.statements[-1]
    play.happen(MailTaken("Ana", moved.mail_id, 7))
    play.answers()
    assert play.case.statements[-1].number == moved.number + 1
    assert "was put to D-7" in play.happen(Released("Ana", moved.number)).refused
    play.happen(Released("Ana", moved.number + 1))
    assert play.case.statements[-1].released_at


# --- Linking ----------------------------------------------------------------------------------------------------------


def test_a_link_is_told_and_taken_away_again(made) -> None:
    one, two = made.opens("One."), made.opens("Two.")
    made.happens(one, Linked("Ana", two, "the same client"))
    with made.store.read() as tx:
        assert tx.cases.links(two) == ((one, "the same client"),)
    assert "not there" in refused(made, one, Linked("Ana", 77, ""))
    made.happens(two, Unlinked("Ana", one))
    with made.store.read() as tx:
        assert tx.cases.links(one) == ()
    assert f"is not linked to D-{two}" in refused(made, one, Unlinked("Ana", two))


def test_a_statement_that_was_released_stays() -> None:
    play = in_talks()
    play.happen(Released("Ana", 2))
    assert play.happen(MailTaken("Ana", play.case.statements[-1].mail_id, 7)).refused
