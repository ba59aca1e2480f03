"""The rare turns of the procedure: several holds, letters that did not leave, releases and notices taken back."""

from dataclasses import replace
from datetime import date, timedelta

import pytest

from bot.flows.case import Closing, Hold, Impasse, ItemName, ItemState, Kind, Role, Stage, Topic, What, Who
from bot.flows.events import (
    CaseOpened,
    ContactSet,
    Extended,
    FlagLooked,
    HoldEnded,
    HoldPlaced,
    ImpasseProposed,
    ItemAccepted,
    ItemRejected,
    LetterBounced,
    LetterLate,
    LetterSettled,
    MailSuggested,
    NoticeReleased,
    OutcomeRecorded,
    Released,
    SenderConfirmed,
    Sorted,
    TimeLost,
    Undone,
)
from bot.flows.mail import Verdict
from tests.play import (
    ADDRESS,
    ID,
    LISTING,
    MONDAY,
    OWN,
    POLICY,
    Play,
    at_impasse,
    complete,
    found,
    in_review,
    in_talks,
    mail,
    noticed,
    resolved,
)

WORKER, CLIENT = Role.WORKER, Role.CLIENT


def both_commenting() -> Play:
    """Talks in which each side has had the other's statement."""
    play = in_talks()
    play.happen(Released("U1", 2))
    play.happen(Released("U1", 1))
    play.wait("61 seconds")
    return play


def number_of(play: Play, name: str, role: Role) -> int:
    return next(letter.number for letter in reversed(play.letters) if letter.name == name and letter.role is role)


# --- Talks -----------------------------------------------------------------------------------------------------------


def test_both_sides_are_asked_to_agree_when_the_later_time_to_comment_is_over() -> None:
    play = in_talks()
    play.happen(Released("U1", 2))
    play.wait("1 business day")
    play.happen(Released("U1", 1))
    play.wait("2 business days")
    assert "agree" not in play.got(WORKER)
    play.wait("2 business days")
    assert play.last(WORKER).name == play.last(CLIENT).name == "agree"


def test_a_further_release_never_shortens_the_time_to_comment() -> None:
    play = both_commenting()
    before = play.due(Who.WORKER)
    play.writes(CLIENT, "One more remark.")
    play.happen(Released("U1", play.case.statements[-1].number))
    assert play.due(Who.WORKER) >= before


def test_a_release_is_taken_back_within_its_undo_and_can_be_done_again() -> None:
    play = in_talks()
    play.happen(Released("U1", 2))
    play.happen(Undone("U1", play.outbox[-1].number))
    play.wait("61 seconds")
    assert "release" not in play.got(WORKER)
    assert "statement:2" in play.waits
    assert not play.happen(Released("U1", 2)).refused


def test_danger_takes_back_a_release_that_has_not_left() -> None:
    play = in_talks()
    play.happen(Released("U1", 2))
    play.writes(CLIENT, "I will find him.", flags=("threat",))
    play.wait("1 business day")
    assert "release" not in play.got(WORKER)


def test_a_release_that_did_not_leave_is_written_again_or_waits_for_a_hold() -> None:
    play = both_commenting()
    play.happen(LetterSettled(number_of(play, "release", WORKER), WORKER, left=False, evidence="not in Sent"))
    assert play.outbox[-1].name == "release"
    held = both_commenting()
    held.happen(HoldPlaced("U1", (WORKER,), "Call first."))
    held.happen(LetterSettled(number_of(held, "release", WORKER), WORKER, left=False, evidence="not in Sent"))
    clock = held.case.clock(Who.WORKER, What.FINAL)
    assert clock
    assert clock.letter is None
    held.happen(HoldEnded("U1"))
    held.wait("61 seconds")
    assert held.got(WORKER).count("release") == 2


def test_lost_time_moves_the_time_to_agree_and_says_so_but_not_the_time_to_comment() -> None:
    play = both_commenting()
    letters = len(play.letters)
    play.now += timedelta(hours=2)
    play.happen(TimeLost(play.now - timedelta(hours=2), play.now))
    assert len(play.letters) == letters
    play.wait("4 business days")
    assert play.last(WORKER).name == "agree"
    until = play.due(Who.WORKER)
    play.now += timedelta(hours=2)
    play.happen(TimeLost(play.now - timedelta(hours=2), play.now))
    assert play.last(WORKER).facts["agree_until"] == play.due(Who.WORKER) > until


# --- Before the notice -----------------------------------------------------------------------------------------------


def test_a_date_that_comes_up_during_the_pause_delays_the_notice() -> None:
    play = complete(Kind.PAYMENT)
    play.writes(WORKER, "I wrote to them again an hour ago.", flags=("under_48h",))
    play.wait("1 business day")
    assert play.got(CLIENT) == []
    clock = play.case.clock(Who.CLIENT, What.WAKE)
    assert clock
    assert clock.topic is Topic.SLEEP
    play.wait("2 business days")
    assert play.got(CLIENT) == ["notice"]


def test_an_item_rejected_during_the_pause_takes_the_case_back_to_gathering() -> None:
    play = complete(Kind.PAYMENT)
    play.happen(ItemRejected("U1", ItemName.TIMELINE, "The dates are of another job."))
    assert play.at(Stage.GATHERING)
    assert play.last(WORKER).facts["reason"] == "The dates are of another job."


def test_a_wrong_assignment_id_takes_the_directorys_contact_out_of_the_case() -> None:
    play = complete(Kind.PAYMENT)
    play.happen(ItemRejected("U1", ItemName.ASSIGNMENT_ID, "It is another job's."))
    assert (play.case.assignment_ids, play.case.client.contacts, play.case.client.name) == ((), (), "")
    written = complete(Kind.PAYMENT)
    written.writes(CLIENT, "I heard of this.")
    written.happen(ItemRejected("U1", ItemName.ASSIGNMENT_ID, "It is another job's."))
    assert written.case.client.knows(ADDRESS[CLIENT])


def test_what_has_not_come_cannot_be_rejected() -> None:
    play = Play()
    play.opens(Kind.RATING)
    assert "nothing to reject" in play.happen(ItemRejected("U1", ItemName.WORKER_EXPLANATION, "No.")).refused


def test_two_assignments_of_different_clients_make_a_person_look() -> None:
    other = replace(LISTING, assignment_id="8812345678", client_email="clara@client.example")
    play = Play()
    play.complete_payment(assignment_ids=(ID, "8812345678"), listings=(LISTING, other))
    assert "parties" in play.case.doubts
    assert play.case.client.address == ADDRESS[CLIENT]


def test_a_later_listing_never_redirects_a_letter_to_another_address() -> None:
    play = complete(Kind.PAYMENT)
    other = replace(LISTING, assignment_id="8812345678", client_email="clara@client.example", client_name="Clara")
    play.writes(WORKER, "Also 8812345678.", assignment_ids=("8812345678",), listings=(other,))
    assert (play.case.client.address, play.case.client.name) == (ADDRESS[CLIENT], "Carl Client")


def test_a_name_in_the_senders_mail_is_the_partys_until_the_directory_knows_better() -> None:
    play = Play()
    play.opens(Kind.RATING, sender_name="Wanda W.")
    assert (play.case.worker.name, play.case.worker.named_by) == ("Wanda W.", "mail")


def test_a_notice_that_a_person_sent_can_be_taken_back_within_its_undo() -> None:
    play = Play()
    play.complete_payment(kind_confidence=0.5)
    play.happen(NoticeReleased("U1"))
    notice = play.outbox[-1].number
    play.happen(Undone("U1", notice))
    play.wait("2 business days")
    assert play.got(CLIENT) == []
    assert (play.case.stage, play.waits) == (Stage.NOTICE, ["notice"])


def test_a_letter_that_has_left_and_carries_dates_cannot_be_undone() -> None:
    play = noticed()
    assert "has left" in play.happen(Undone("U1", number_of(play, "notice", CLIENT))).refused
    assert "no letter 99" in play.happen(Undone("U1", 99)).refused


# --- Sorting ---------------------------------------------------------------------------------------------------------


def test_the_same_mail_in_two_cases_is_noted() -> None:
    play = Play()
    play.happen(CaseOpened(mail(assignment_ids=(ID,)), Kind.RATING, WORKER, linked_to=1041))
    assert "It goes together with D-1041." in play.notes


def test_sorting_needs_an_address_of_the_one_who_opened_it() -> None:
    play = Play()
    play.happen(CaseOpened(mail(sender="", channel="slack"), None, None))
    assert "no address" in play.happen(Sorted("U1", Kind.RATING, WORKER)).refused


def test_a_case_sorted_anew_while_its_ladder_runs_is_asked_for_what_the_kind_needs() -> None:
    play = Play()
    play.opens(Kind.RATING)
    play.happen(Sorted("U1", Kind.PAYMENT, WORKER))
    assert play.last(WORKER).facts["missing"] == ("assignment_id", "timeline")
    held = Play()
    held.opens(Kind.RATING)
    held.happen(HoldPlaced("U1", (WORKER,), "Call first."))
    held.happen(Sorted("U1", Kind.PAYMENT, WORKER))
    assert held.got(WORKER) == ["receipt"]
    held.happen(HoldEnded("U1"))
    assert held.last(WORKER).facts["missing"] == ("assignment_id", "timeline")


def test_the_holds_of_a_case_that_the_other_side_opened_are_the_other_sides() -> None:
    play = Play()
    play.opens(None, WORKER)
    play.happen(HoldPlaced("U1", (WORKER,), "Call first."))
    play.case = replace(
        play.case,
        holds=(*play.case.holds, Hold("bounce:client", (CLIENT,), "Mail came back.", MONDAY, "rule")),
        client=replace(play.case.client, contacts=play.case.worker.contacts),
    )
    play.happen(Sorted("U1", Kind.RATING, CLIENT))
    assert {hold.id: hold.roles for hold in play.case.holds} == {"staff": (CLIENT,), "bounce:worker": (WORKER,)}


# --- Answers ---------------------------------------------------------------------------------------------------------


def test_danger_after_the_outcome_gets_its_plain_receipt_and_changes_nothing() -> None:
    play = resolved()
    play.writes(WORKER, "I know where you live.", flags=("threat",))
    assert play.at(Stage.RESOLVED)
    assert play.last(WORKER).name == "receipt_danger"


def test_asking_for_time_where_none_runs_is_for_a_person() -> None:
    play = in_talks()
    play.writes(CLIENT, "I need more time.", intent="more_time")
    assert "reply" in play.waits


def test_an_empty_mail_at_an_impasse_is_no_answer() -> None:
    play = at_impasse()
    play.writes(CLIENT, "  ")
    assert play.at(Stage.IMPASSE)


def test_an_empty_mail_in_the_talks_is_only_filed() -> None:
    play = in_talks()
    waits = play.waits
    play.writes(CLIENT, " ")
    assert play.waits == waits


def test_settled_by_an_opener_whose_letters_are_held_is_for_a_person() -> None:
    play = noticed()
    play.writes(CLIENT, "I will find her.", flags=("threat",))
    play.writes(WORKER, "It is settled.", intent="resolved")
    assert play.case.closing is None
    assert "reply" in play.waits


def test_an_unconfirmed_mail_from_the_other_sides_address_is_not_this_sides() -> None:
    play = noticed()
    theirs = mail(WORKER, "We approve.", mail_id=71)
    play.happen(MailSuggested(CLIENT, theirs, "not authenticated"))
    assert "address of the worker" in play.happen(SenderConfirmed("U1", CLIENT, theirs)).refused


def test_a_mail_without_a_sender_adds_no_address() -> None:
    play = noticed()
    nobody = mail(CLIENT, "We approve.", mail_id=72, sender="", items=found(ItemName.ANSWER))
    play.happen(MailSuggested(CLIENT, nobody, "from the intake channel"))
    play.happen(SenderConfirmed("U1", CLIENT, nobody))
    assert play.at(Stage.TALKS)
    assert [contact.address for contact in play.case.client.contacts] == [ADDRESS[CLIENT]]


def test_no_response_is_not_proposed_while_an_answer_waits_for_staff() -> None:
    play = noticed()
    play.writes(CLIENT, "It is complicated.")
    assert "The answer is here" in play.happen(ImpasseProposed("U1", Impasse.NO_RESPONSE)).refused


def test_an_outcome_ends_an_offered_closing() -> None:
    play = in_review()
    play.writes(WORKER, "It is settled.", intent="resolved")
    assert play.case.closing
    play.happen(OutcomeRecorded("U1", "paid", "Agreed."))
    assert play.case.closing is None


# --- Letters that did not leave --------------------------------------------------------------------------------------


def test_a_final_notice_that_did_not_leave_is_due_again_when_a_hold_ends() -> None:
    play = noticed()
    play.wait("5 business days")
    final = number_of(play, "final", CLIENT)
    play.happen(HoldPlaced("U1", (CLIENT,), "Call first."))
    play.happen(LetterSettled(final, CLIENT, left=False, evidence="not in Sent"))
    assert play.case.clock(Who.CLIENT, What.FINAL)
    play.happen(HoldEnded("U1"))
    play.wait("1 minute")
    assert play.got(CLIENT).count("final") == 2


def test_a_reminder_that_did_not_leave_is_not_written_under_a_hold() -> None:
    play = noticed()
    play.wait("2 business days")
    reminder = number_of(play, "reminder", CLIENT)
    play.happen(HoldPlaced("U1", (CLIENT,), "Call first."))
    play.happen(LetterSettled(reminder, CLIENT, left=False, evidence="not in Sent"))
    assert play.got(CLIENT).count("reminder") == 1


def test_an_extension_that_did_not_leave_is_said_again() -> None:
    play = noticed()
    play.happen(Extended("U1", CLIENT, "Ill."))
    play.happen(LetterLate(number_of(play, "extended", CLIENT), "extended", CLIENT))
    assert play.got(CLIENT).count("extended") == 2


def test_news_that_did_not_leave_is_made_up_for_by_a_status_line() -> None:
    play = noticed()
    play.happen(Extended("U1", CLIENT, "Ill."))
    told = play.got(WORKER).count("status")
    play.happen(LetterLate(number_of(play, "extended_other", WORKER), "extended_other", WORKER))
    assert play.got(WORKER).count("status") == told + 1


def test_an_outcome_that_did_not_leave_is_written_again_to_that_side() -> None:
    play = resolved()
    play.happen(LetterSettled(number_of(play, "outcome", CLIENT), CLIENT, left=False, evidence="not in Sent"))
    play.wait("61 seconds")
    assert play.got(CLIENT).count("outcome") == 2
    assert play.got(WORKER).count("outcome") == 1


def test_a_persons_words_that_did_not_leave_are_for_a_person() -> None:
    play = noticed()
    play.happen(LetterSettled(77, CLIENT, left=False, evidence="not in Sent"))
    assert "reply" in play.waits


def test_a_closing_that_could_not_be_said_is_said_again_or_the_case_stays_open() -> None:
    play = complete(Kind.RATING)
    play.writes(WORKER, "Please close it.", intent="resolved")
    letter = number_of(play, "closing", WORKER)
    play.happen(LetterSettled(letter, WORKER, left=False, evidence="not in Sent"))
    assert play.got(WORKER).count("closing") == 2
    play.happen(HoldPlaced("U1", (WORKER,), "Call first."))
    play.happen(LetterSettled(number_of(play, "closing", WORKER), WORKER, left=False, evidence="not in Sent"))
    assert play.case.closing is None
    assert "reply" in play.waits


def test_a_closing_that_one_side_could_not_be_told_of_still_closes_by_the_other() -> None:
    play = noticed()
    play.writes(WORKER, "It is settled.", intent="resolved")
    play.happen(HoldPlaced("U1", (CLIENT,), "Call first."))
    play.happen(LetterSettled(number_of(play, "closing", CLIENT), CLIENT, left=False, evidence="not in Sent"))
    play.wait("2 business days")
    assert play.case.closed is Closing.SETTLED


# --- New addresses ---------------------------------------------------------------------------------------------------


def bounced(play: Play, role: Role) -> Play:
    play.happen(LetterBounced(role, None, ADDRESS[role], "550 no such user"))
    return play


def test_at_a_new_address_the_opener_is_told_of_the_notice_again() -> None:
    play = bounced(complete(Kind.PAYMENT), WORKER)
    play.happen(ContactSet("U1", WORKER, "wanda@new.example"))
    assert play.got(WORKER) == ["receipt", "complete"]


def test_at_a_new_address_the_outcome_is_said_again() -> None:
    play = bounced(resolved(), CLIENT)
    play.happen(ContactSet("U1", CLIENT, "carl@new.example"))
    play.wait("61 seconds")
    assert play.got(CLIENT).count("outcome") == 2


def test_at_a_new_address_an_offered_closing_is_said_again() -> None:
    play = noticed()
    play.writes(WORKER, "It is settled.", intent="resolved")
    bounced(play, CLIENT)
    play.happen(ContactSet("U1", CLIENT, "carl@new.example"))
    assert play.last(CLIENT).name == "closing"


def test_at_a_new_address_a_party_that_owes_nothing_hears_how_it_stands() -> None:
    play = in_review()
    status = play.got(WORKER).count("status")
    bounced(play, WORKER)
    play.happen(ContactSet("U1", WORKER, "wanda@new.example"))
    assert play.got(WORKER).count("status") == status + 1


# --- Holds -----------------------------------------------------------------------------------------------------------


def test_a_hold_placed_again_for_the_other_side_holds_both() -> None:
    play = noticed()
    play.happen(HoldPlaced("U1", (CLIENT,), "Call first."))
    play.happen(HoldPlaced("U1", (WORKER,), "Both now."))
    assert [hold.roles for hold in play.case.holds] == [(WORKER, CLIENT)]


def test_danger_in_a_mail_of_nobody_holds_both_sides() -> None:
    play = noticed()
    play.happen(MailSuggested(None, mail(sender="x@y.example", mail_id=73, flags=("threat",)), "unknown"))
    assert next(hold for hold in play.case.holds if hold.id == "danger").roles == (WORKER, CLIENT)
    play.happen(FlagLooked("U1", "threat"))
    assert not play.case.has_hold("danger")


def test_a_flag_that_holds_nothing_is_only_noted() -> None:
    play = noticed()
    before = play.case.holds
    play.happen(FlagLooked("U1", "abuse"))
    assert play.case.holds == before


def test_a_reply_that_reopens_by_the_other_side_asks_the_one_who_owes() -> None:
    play = Play()
    play.opens(Kind.RATING)
    play.wait("8 business days")
    play.case = replace(play.case, client=complete(Kind.PAYMENT).case.client)
    play.writes(CLIENT, "I would like to say something.")
    assert play.at(Stage.GATHERING)
    assert play.last(CLIENT).name == "reopened"
    assert play.last(WORKER).name == "request"


def test_a_closed_case_that_was_complete_is_announced_again_after_a_mail_of_the_other_side() -> None:
    play = complete(Kind.RATING)
    play.writes(WORKER, "Please close it.", intent="resolved")
    play.wait("2 business days")
    play.writes(CLIENT, "It is not settled for us.")
    assert play.last(CLIENT).name == "reopened"
    assert play.at(Stage.NOTICE)


def test_a_case_closed_while_its_answer_was_there_goes_on_to_the_talks() -> None:
    play = noticed()
    play.writes(WORKER, "It is settled.", intent="resolved")
    play.wait("2 business days")
    answer = play.case.item(ItemName.ANSWER)
    assert answer
    play.case = play.case.with_item(replace(answer, state=ItemState.ACCEPTED))
    play.writes(WORKER, "It is not.")
    assert play.at(Stage.TALKS)


def test_a_braked_opener_still_hears_of_its_case_at_its_free_moment() -> None:
    play = Play(braked=(WORKER,))
    play.opens(Kind.RATING)
    assert play.got(WORKER) == ["receipt"]


@pytest.mark.parametrize("verdict", [Verdict.NONE, Verdict.FAIL])
def test_a_status_line_is_never_the_first_that_somebody_hears(verdict: Verdict) -> None:
    play = Play()
    play.opens(None, verdict=verdict)
    play.wait("5 business days")
    assert "status" not in play.got(WORKER)


def test_who_would_first_have_heard_an_outcome_that_was_undone_is_promised_no_status_line_before_the_next() -> None:
    play = complete(Kind.RATING)
    play.happen(HoldPlaced("U1", (WORKER, CLIENT), "Call first."))
    play.happen(ItemAccepted("U1", OWN[CLIENT]))
    play.happen(HoldEnded("U1"))
    play.wait("1 business day")
    assert play.at(Stage.REVIEW)
    play.happen(OutcomeRecorded("U1", "kept", "Both sides were heard."))
    play.happen(Undone("U1", None))
    assert play.case.clock(Who.CLIENT, What.STATUS) is None
    play.wait("4 business days")
    assert play.got(CLIENT) == []
    play.happen(OutcomeRecorded("U2", "changed", "Both sides were heard."))
    play.wait("61 seconds")
    assert play.got(CLIENT) == ["outcome"]
    assert play.case.client.told == play.last(CLIENT).number


def test_who_would_first_have_heard_a_release_that_was_taken_back_has_heard_nothing() -> None:
    play = Play()
    play.complete_payment()
    play.happen(ItemAccepted("U1", ItemName.ANSWER))
    play.wait("1 business day")
    assert play.at(Stage.TALKS)
    play.happen(Released("U1", 1))
    play.happen(Undone("U1", play.case.letters))
    assert play.case.client.told is None
    assert play.case.statements[0].released_at is None


def test_a_closing_that_nobody_heard_of_leaves_no_status_line_waiting_for_it() -> None:
    play = Play()
    play.complete_rating(listings=())
    play.happen(Undone("U1", 1))
    play.smtp = False
    play.writes(WORKER, "Please close it.", intent="resolved")
    play.writes(CLIENT, "What is this about?")
    play.smtp = True
    assert play.case.clock(Who.WORKER, What.STATUS) is None
    play.writes(WORKER, "Then go on.")
    play.wait("5 business days")
    assert play.got(WORKER) == ["receipt", "filed", "status"]


def test_a_zone_learned_with_a_mail_counts_for_the_letter_that_the_mail_leads_to() -> None:
    play = Play()
    play.opens(Kind.RATING, assignment_ids=(ID,))
    play.writes(WORKER, "Please close it.", intent="resolved")
    play.wait("3 business days")
    assert play.at(Stage.CLOSED)
    play.writes(CLIENT, "It is not settled.", listings=(replace(LISTING, worker_zone="America/Los_Angeles"),))
    play.wait("1 business day")
    request = play.last(WORKER)
    assert request.name == "request"
    assert POLICY.calendar("America/Los_Angeles").is_working(request.not_before)


def test_a_payment_without_a_due_date_sleeps_for_nobody() -> None:
    play = Play()
    play.complete_payment(listings=(replace(LISTING, due_on=date(2026, 3, 20), approved_on=date(2026, 3, 1)),))
    assert "sleep_until" not in play.last(WORKER).facts
