"""The procedure as it is lived: each test is a short story played through `decide`."""

import itertools
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from bot.flows.case import (
    Closing,
    Impasse,
    ItemName,
    ItemState,
    Kind,
    Provenance,
    Role,
    Stage,
    Topic,
    What,
    Who,
)
from bot.flows.effects import Card, Note, Sending
from bot.flows.events import (
    CaseOpened,
    Claimed,
    ClockDue,
    ContactSet,
    Dismissed,
    Extended,
    FlagLooked,
    HoldEnded,
    HoldPlaced,
    ImpasseConfirmed,
    ImpasseProposed,
    ItemAccepted,
    ItemRejected,
    ItemWaived,
    LetterBounced,
    LetterFailed,
    LetterLate,
    LetterSettled,
    MailDismissed,
    MailSuggested,
    NoticeReleased,
    OutcomeRecorded,
    PartyAway,
    Released,
    SenderConfirmed,
    Sorted,
    StaffReplied,
    TalksSkipped,
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
    later,
    mail,
    noticed,
    resolved,
    unasked,
)

WORKER, CLIENT = Role.WORKER, Role.CLIENT
BOTH_SIDES = pytest.mark.parametrize("opener", list(Role))
BOTH_KINDS = pytest.mark.parametrize("kind", list(Kind))


# --- Opening --------------------------------------------------------------------------------------------------------


@BOTH_KINDS
@BOTH_SIDES
def test_a_complete_dispute_gets_one_receipt_that_announces_the_notice(kind: Kind, opener: Role) -> None:
    play = complete(kind, opener)
    assert play.at(Stage.NOTICE)
    assert play.got(opener) == ["receipt"]
    assert play.got(opener.other) == []
    receipt = play.last(opener)
    assert receipt.facts["notice_on"] == MONDAY + timedelta(days=1)
    assert receipt.facts["missing"] == ()
    assert not receipt.facts["notice_by_person"]
    assert receipt.facts["claims_money"] == (kind is Kind.PAYMENT and opener is WORKER)


@BOTH_KINDS
@BOTH_SIDES
def test_a_vague_mail_is_asked_for_what_is_missing_in_one_letter(kind: Kind, opener: Role) -> None:
    play = Play()
    play.opens(kind, opener)
    own = ItemName.TIMELINE if kind is Kind.PAYMENT else OWN[opener]
    assert play.at(Stage.GATHERING)
    assert play.got(opener) == ["receipt"]
    assert play.last(opener).facts["missing"] == ("assignment_id", own)
    assert play.last(opener).facts["deadline"] == datetime(2026, 3, 9, 14, 0, tzinfo=UTC)
    assert play.last(opener).facts["end"] == datetime(
        2026, 3, 12, 14, 0, tzinfo=UTC
    )  # Daylight saving began on the 8th.
    assert play.case.awaits() == (Who(opener),)


def test_an_opener_who_never_answers_is_reminded_twice_warned_once_and_then_the_case_closes_as_incomplete() -> None:
    play = Play()
    play.opens(Kind.RATING)
    play.wait("8 business days")
    assert play.got(WORKER) == ["receipt", "reminder", "reminder", "final"]
    assert (play.case.stage, play.case.closed) == (Stage.CLOSED, Closing.INCOMPLETE)
    assert play.got(CLIENT) == []
    assert play.case.clocks == ()


def test_a_reply_that_completes_the_opening_stops_the_reminders_and_announces_the_notice() -> None:
    play = Play()
    play.opens(Kind.RATING)
    play.wait("3 business days")
    play.writes(WORKER, items=found(ItemName.WORKER_EXPLANATION), assignment_ids=(ID,), listings=(LISTING,))
    assert play.at(Stage.NOTICE)
    assert play.got(WORKER) == ["receipt", "reminder", "complete"]
    play.wait("1 business day")
    assert play.got(CLIENT) == ["notice"]


def test_a_partial_answer_gets_a_receipt_for_the_rest_and_the_ladder_keeps_its_dates() -> None:
    play = Play()
    play.opens(Kind.RATING)
    due = play.due(Who.WORKER)
    play.writes(WORKER, assignment_ids=(ID,), listings=(LISTING,))
    assert play.got(WORKER) == ["receipt", "partial"]
    assert play.last(WORKER).facts["missing"] == ("worker_explanation",)
    assert play.last(WORKER).facts["has"] == ("assignment_id",)
    assert play.due(Who.WORKER) == due
    play.wait("8 business days")
    assert play.got(WORKER) == ["receipt", "partial", "reminder", "reminder", "final"]


def test_words_that_bring_nothing_are_filed_and_answered_plainly() -> None:
    play = Play()
    play.opens(Kind.RATING)
    play.writes(WORKER, "Please hurry up.")
    assert play.got(WORKER) == ["receipt", "filed"]
    assert play.at(Stage.GATHERING)


def test_below_the_threshold_the_item_waits_for_staff_and_not_for_the_party() -> None:
    play = Play()
    play.complete_payment(items=found(ItemName.TIMELINE, confidence=0.4))
    assert play.at(Stage.GATHERING)
    assert play.waits == ["item:timeline"]
    assert play.case.clock(Who.WORKER, What.REMIND) is None
    assert play.last(WORKER).facts["notice_by_person"]
    play.happen(ItemAccepted("U1", ItemName.TIMELINE))
    assert play.at(Stage.NOTICE)
    assert play.got(WORKER) == ["receipt", "complete"]
    play.wait("1 business day")
    assert play.got(CLIENT) == ["notice"]


def test_a_file_that_nobody_has_read_may_be_the_item_and_a_person_opens_it() -> None:
    play = Play()
    play.complete_payment(items=(), unread_files=("timeline.pdf",))
    item = play.case.item(ItemName.TIMELINE)
    assert item
    assert item.state is ItemState.RECEIVED
    assert item.provenance is Provenance.ATTACHMENT
    assert play.last(WORKER).facts["unread_files"] == ("timeline.pdf",)


def test_an_item_that_staff_reject_is_asked_for_again_with_the_reason() -> None:
    play = Play()
    play.complete_payment(items=(), unread_files=("timeline.pdf",))
    play.happen(ItemRejected("U1", ItemName.TIMELINE, "The file is empty."))
    assert play.last(WORKER).name == "request"
    assert play.last(WORKER).facts["reason"] == "The file is empty."
    assert play.case.awaits() == (Who.WORKER,)


def test_an_item_rejected_where_nobody_is_asked_for_it_only_stays_rejected() -> None:
    play = in_talks()
    letters = len(play.letters)
    play.happen(ItemRejected("U1", ItemName.TIMELINE, "It is about another job."))
    assert len(play.letters) == letters
    item = play.case.item(ItemName.TIMELINE)
    assert item
    assert item.state is ItemState.REJECTED


def test_what_was_accepted_is_not_taken_back_by_a_later_mail() -> None:
    play = complete(Kind.PAYMENT)
    play.writes(WORKER, items=found(ItemName.TIMELINE, confidence=0.1))
    item = play.case.item(ItemName.TIMELINE)
    assert item
    assert item.state is ItemState.ACCEPTED


def test_relayed_words_wait_for_a_person_and_the_client_is_asked_directly() -> None:
    play = Play()
    items = (*found(ItemName.WORKER_EXPLANATION), *found(ItemName.CLIENT_EXPLANATION))
    play.complete_rating(items=items)
    item = play.case.item(ItemName.CLIENT_EXPLANATION)
    assert item
    assert item.state is ItemState.RECEIVED
    assert item.provenance is Provenance.RELAYED
    assert play.last(WORKER).facts["relayed"]
    play.wait("1 business day")
    assert play.got(CLIENT) == ["notice"]
    assert play.last(CLIENT).facts["missing"] == ("client_explanation",)


def test_relayed_words_that_a_person_confirmed_make_the_notice_unnecessary() -> None:
    play = Play()
    play.complete_rating(items=(*found(ItemName.WORKER_EXPLANATION), *found(ItemName.CLIENT_EXPLANATION)))
    play.happen(ItemAccepted("U1", ItemName.CLIENT_EXPLANATION))
    play.wait("1 business day")
    assert play.at(Stage.REVIEW)
    assert play.got(CLIENT) == []


# --- Sorting --------------------------------------------------------------------------------------------------------


def test_an_unsure_mail_waits_in_sorting_with_a_plain_receipt_until_a_person_picks_a_kind() -> None:
    play = Play()
    play.opens(None, kind_confidence=0.4, assignment_ids=(ID,), listings=(LISTING,))
    assert (play.case.stage, play.got(WORKER), play.waits) == (Stage.SORTING, ["receipt_sorting"], ["sorting"])
    play.happen(Sorted("U1", Kind.PAYMENT, WORKER, mail(assignment_ids=(ID,), items=found(ItemName.TIMELINE))))
    assert play.at(Stage.NOTICE)
    assert play.got(WORKER) == ["receipt_sorting", "receipt"]
    assert play.last(WORKER).facts["subject"] == "Payment dispute"


def test_sorting_a_case_as_opened_by_the_client_exchanges_the_two_sides() -> None:
    play = Play()
    play.opens(None, None, sender=ADDRESS[CLIENT])
    play.happen(Sorted("U1", Kind.RATING, CLIENT))
    assert play.case.client.knows(ADDRESS[CLIENT])
    assert not play.case.worker.contacts
    assert {s.role for s in play.case.statements} == {CLIENT}
    assert play.got(CLIENT) == ["receipt"]


def test_a_sorting_case_names_the_case_it_may_belong_to_until_it_is_sorted() -> None:
    play = Play()
    play.happen(CaseOpened(mail(), None, WORKER, suggests="D-1001"))
    assert "suggestion" in play.waits
    play.happen(Sorted("U1", Kind.RATING, WORKER))
    assert "suggestion" not in play.waits


def test_failed_authentication_waits_in_sorting_without_any_letter() -> None:
    play = Play()
    play.complete_payment(verdict=Verdict.FAIL)
    assert (play.case.stage, play.letters) == (Stage.SORTING, [])


def test_a_sender_without_authentication_is_sorted_by_a_person_who_also_sends_the_notice() -> None:
    play = Play()
    facts = mail(assignment_ids=(ID,), listings=(LISTING,), items=found(ItemName.TIMELINE), verdict=Verdict.NONE)
    play.happen(CaseOpened(facts, Kind.PAYMENT, WORKER))
    assert (play.case.stage, play.got(WORKER)) == (Stage.SORTING, ["receipt_sorting"])
    play.happen(Sorted("U1", Kind.PAYMENT, WORKER, facts))
    assert play.at(Stage.NOTICE)
    assert play.case.doubts == ("authentication",)
    play.wait("5 business days")
    assert play.got(CLIENT) == []
    play.happen(NoticeReleased("U1"))
    play.wait("61 seconds")
    assert play.got(CLIENT) == ["notice"]
    assert play.last(CLIENT).sending is Sending.PERSON


def test_a_person_says_that_it_is_no_dispute_or_belongs_to_another_case() -> None:
    play = Play()
    play.opens(None)
    play.happen(Dismissed("U1", None, "A question about tax."))
    assert play.case.closed is Closing.NOT_A_DISPUTE
    play.writes(WORKER, "But listen!")
    assert play.at(Stage.CLOSED)
    assert play.waits == ["reply"]
    other = Play()
    other.opens(None)
    other.happen(Dismissed("U1", 1001, ""))
    assert other.case.closed is Closing.DUPLICATE


def test_a_mail_to_a_case_in_sorting_is_filed_there() -> None:
    play = Play()
    play.opens(None)
    play.writes(WORKER, "One more thing.")
    assert play.got(WORKER) == ["receipt_sorting", "filed"]
    assert len(play.case.statements) == 2


# --- Notice ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("facts", "doubt"),
    [
        ({"kind_confidence": 0.5}, "kind"),
        ({"listings": ()}, "assignment"),
        ({"listings": (replace(LISTING, worker_email="someone@else.example"),)}, "sender"),
        ({"flags": ("not_yet_due",)}, "due"),
    ],
)
def test_a_doubtful_case_waits_for_a_person_to_send_the_notice(facts: dict[str, object], doubt: str) -> None:
    play = Play()
    play.complete_payment(WORKER, **facts)
    assert play.case.doubts == (doubt,)
    assert play.last(WORKER).facts["notice_by_person"]
    play.wait("10 business days")
    assert play.got(CLIENT) == []
    assert play.waits == ["notice"]
    assert ": " in play.case.waits[0].text


def test_no_notice_is_sent_without_an_address_or_past_a_hold() -> None:
    play = Play()
    play.complete_payment(listings=())
    assert "address" in play.happen(NoticeReleased("U1")).refused
    play.happen(ContactSet("U1", CLIENT, "boss@client.example", "The Boss"))
    assert play.case.client.name == "The Boss"
    play.happen(HoldPlaced("U1", (CLIENT,), "The client is being told by phone."))
    assert "held" in play.happen(NoticeReleased("U1")).refused
    play.happen(HoldEnded("U1"))
    assert not play.happen(NoticeReleased("U1")).refused
    assert play.at(Stage.ANSWERING)


def test_a_policy_may_have_a_person_send_every_notice() -> None:
    always = replace(POLICY, notice=replace(POLICY.notice, person=type(POLICY.notice.person)("always")))
    play = Play(policy=always)
    play.complete_payment()
    play.wait("3 business days")
    assert (play.got(CLIENT), play.waits) == ([], ["notice"])


def test_a_payment_not_yet_due_sleeps_until_the_day_after_its_date() -> None:
    play = Play()
    play.complete_payment(listings=(replace(LISTING, due_on=date(2026, 3, 20)),))
    receipt = play.last(WORKER)
    assert receipt.facts["sleep_why"] == "not_yet_due"
    assert receipt.facts["sleep_until"] == datetime(2026, 3, 23, 13, 0, tzinfo=UTC)
    play.wait_until(datetime(2026, 3, 23, 12, 59, tzinfo=UTC))
    assert play.got(CLIENT) == []
    play.wait_until(datetime(2026, 3, 23, 13, 1, tzinfo=UTC))
    assert play.got(CLIENT) == ["notice"]


def test_a_due_date_that_has_passed_delays_nothing() -> None:
    play = Play()
    play.complete_payment(listings=(replace(LISTING, due_on=date(2026, 2, 20)),))
    assert "sleep_until" not in play.last(WORKER).facts


def test_a_client_written_to_under_48_hours_ago_is_left_that_time() -> None:
    play = Play()
    play.complete_payment(flags=("under_48h",))
    assert play.last(WORKER).facts["sleep_why"] == "under_48h"
    assert play.last(WORKER).facts["sleep_until"] == MONDAY + timedelta(hours=48)


def test_a_doubt_that_arises_while_the_case_sleeps_makes_a_person_send_the_notice() -> None:
    play = Play()
    play.complete_payment(flags=("under_48h",))
    play.case = replace(play.case, doubts=("kind",))
    play.wait("3 business days")
    assert (play.got(CLIENT), play.waits) == ([], ["notice"])


def test_mails_before_the_notice_are_filed() -> None:
    play = complete(Kind.PAYMENT)
    play.writes(WORKER, "One more detail.")
    assert play.at(Stage.NOTICE)
    assert play.got(WORKER) == ["receipt", "filed"]
    play.writes(CLIENT, "I heard there is a dispute?")
    assert play.got(CLIENT) == ["filed"]


# --- Answering ------------------------------------------------------------------------------------------------------


@BOTH_KINDS
@BOTH_SIDES
def test_a_silent_respondent_is_reminded_twice_and_then_an_impasse_is_proposed(kind: Kind, opener: Role) -> None:
    play = noticed(kind, opener)
    play.wait("8 business days")
    assert [name for name in play.got(opener.other) if name != "status"] == ["notice", "reminder", "reminder", "final"]
    assert (play.case.stage, play.case.impasse) == (Stage.IMPASSE, Impasse.NO_RESPONSE)
    assert play.waits == ["impasse"]


def test_the_ladder_keeps_its_business_days_and_never_writes_on_a_weekend() -> None:
    play = noticed()
    play.wait("8 business days")
    local = POLICY.calendar(None).local
    days = [f"{local(play.sent_at[letter.number]):%a %d %H:%M}" for letter in play.letters if letter.role is CLIENT]
    assert days == ["Tue 03 10:00", "Thu 05 10:00", "Mon 09 10:00", "Tue 10 10:00"]
    assert f"{local(play.now):%a %d}" == "Fri 13"


def test_a_payment_answer_stops_the_clock_and_goes_to_talks() -> None:
    play = noticed()
    play.answers()
    assert play.at(Stage.TALKS)
    assert play.got(CLIENT) == ["notice", "answer_received"]
    assert play.waits == ["release"]
    assert "We approved it" not in str([letter.facts for letter in play.letters if letter.role is WORKER])


def test_a_rating_answer_goes_straight_to_review() -> None:
    play = noticed(Kind.RATING)
    play.answers()
    assert (play.case.stage, play.waits) == (Stage.REVIEW, ["review"])
    assert play.last(CLIENT).facts["next"] == "review"


def test_words_that_may_be_the_answer_stop_the_clock_and_wait_for_staff() -> None:
    play = noticed()
    play.writes(CLIENT, "It is complicated.")
    assert play.case.awaits() == (Who.STAFF,)
    assert play.waits == ["item:answer"]
    play.happen(ItemRejected("U1", ItemName.ANSWER, "Please give a date or the reason."))
    assert play.last(CLIENT).name == "request"
    play.answers()
    assert play.at(Stage.TALKS)


def test_an_answer_that_staff_accept_or_waive_takes_the_case_on() -> None:
    for fact in (ItemAccepted("U1", ItemName.ANSWER), ItemWaived("U1", ItemName.ANSWER, "Known from the phone call.")):
        play = noticed()
        play.writes(CLIENT, "It is complicated.")
        play.happen(fact)
        assert play.at(Stage.TALKS)


def test_thanks_and_empty_mails_are_no_answer() -> None:
    play = noticed()
    due = play.due(Who.CLIENT)
    play.writes(CLIENT, "Thanks!", intent="thanks")
    play.writes(CLIENT, "  ")
    assert play.due(Who.CLIENT) == due
    assert play.got(CLIENT) == ["notice", "filed"]


def test_asking_for_more_time_offers_staff_one_extension_and_the_other_side_is_told() -> None:
    play = noticed()
    play.writes(CLIENT, "I need a few more days.", intent="more_time")
    assert "more_time:client" in play.waits
    deadline = play.case.clock(Who.CLIENT, What.REMIND)
    assert deadline
    assert deadline.deadline_at
    play.happen(Extended("U1", CLIENT, "On a business trip."))
    assert "more_time:client" not in play.waits
    assert play.last(CLIENT).name == "extended"
    assert play.last(WORKER).name == "extended_other"
    assert play.due(Who.CLIENT) > deadline.deadline_at
    assert "has had" in play.happen(Extended("U1", CLIENT, "Again.")).refused
    play.wait_while(lambda p: p.case.stage is Stage.ANSWERING)
    assert play.got(CLIENT) == ["notice", "filed", "extended", "final"]


def test_after_the_final_notice_an_extension_moves_the_end() -> None:
    play = noticed()
    play.wait("6 business days")
    end = play.due(Who.CLIENT, What.LAPSE)
    play.happen(Extended("U1", CLIENT, "Ill."))
    assert play.due(Who.CLIENT, What.LAPSE) == POLICY.calendar(None).after(end, POLICY.limits.extension)
    assert "deadline" not in play.last(CLIENT).facts


def test_an_extension_needs_a_running_deadline_that_is_not_held_and_a_reason() -> None:
    play = complete(Kind.PAYMENT)
    assert "No deadline" in play.happen(Extended("U1", CLIENT, "Trip.")).refused
    play.wait("1 business day")
    assert "reason" in play.happen(Extended("U1", CLIENT, " ")).refused
    play.happen(HoldPlaced("U1", (CLIENT,), "Call pending."))
    assert "held" in play.happen(Extended("U1", CLIENT, "Trip.")).refused


def test_the_other_side_is_not_told_of_an_extension_before_it_was_written_to_or_while_it_is_held() -> None:
    play = Play()
    play.opens(Kind.RATING)
    play.happen(Extended("U1", WORKER, "Ill."))
    assert play.got(WORKER) == ["receipt", "extended"]
    assert play.got(CLIENT) == []


def test_the_opener_hears_how_it_stands_every_two_days_and_weekly_after_three_unchanged_lines() -> None:
    play = at_impasse()
    play.wait("30 business days")
    sent = [play.sent_at[letter.number] for letter in play.letters if letter.name == "status" and letter.role is WORKER]
    gaps = [(b - a).days for a, b in itertools.pairwise(sent)]
    assert gaps[-3:] == [7, 7, 7]
    assert min(gaps) >= 1


def test_talks_may_be_skipped_once_the_answer_is_here() -> None:
    play = noticed()
    assert "still being waited for" in play.happen(TalksSkipped("U1", "Clear.")).refused
    play.answers()
    play.happen(TalksSkipped("U1", "Nothing to talk about."))
    assert play.at(Stage.REVIEW)


def test_review_may_start_from_answering_when_the_answer_only_waits_to_be_accepted() -> None:
    play = noticed()
    play.writes(CLIENT, "It is complicated.")
    play.happen(TalksSkipped("U1", "Read and understood."))
    assert play.at(Stage.REVIEW)


# --- Talks ----------------------------------------------------------------------------------------------------------


def test_a_released_statement_reaches_the_other_side_word_for_word_and_starts_its_time_to_comment() -> None:
    play = in_talks()
    answer = play.case.statements[-1]
    play.happen(Released("U1", answer.number))
    assert play.got(WORKER)[-1] != "release"
    play.wait("61 seconds")
    release = play.last(WORKER)
    assert (release.name, release.facts["statement"]) == ("release", "We approved it on Monday.")
    play.wait("3 business days")
    assert play.last(WORKER).name == "agree"
    assert play.last(CLIENT).name == "agree"
    play.wait("5 business days")
    assert (play.case.stage, play.case.impasse) == (Stage.IMPASSE, Impasse.NO_AGREEMENT)


def test_a_statement_is_released_once_and_only_if_it_is_there() -> None:
    play = in_talks()
    assert "no statement 9" in play.happen(Released("U1", 9)).refused
    play.happen(Released("U1", 2))
    assert "already" in play.happen(Released("U1", 2)).refused


def test_nothing_is_released_to_a_side_that_is_held() -> None:
    play = in_talks()
    play.happen(HoldPlaced("U1", (WORKER,), "Call first."))
    assert "held" in play.happen(Released("U1", 2)).refused


def test_an_explicit_no_in_the_talks_proposes_an_impasse() -> None:
    play = in_talks()
    play.writes(WORKER, "No, I do not agree.", intent="refuses")
    assert (play.case.stage, play.case.impasse) == (Stage.IMPASSE, Impasse.NO_AGREEMENT)


def test_a_comment_in_the_talks_waits_to_be_released() -> None:
    play = in_talks()
    play.happen(Released("U1", 2))
    play.writes(WORKER, "That is not what we agreed.")
    assert play.waits == ["statement:3"]
    play.happen(Released("U1", 3))
    assert play.waits == []


def test_a_held_side_is_not_asked_to_agree() -> None:
    play = in_talks()
    play.happen(Released("U1", 2))
    play.wait("1 business day")
    play.happen(HoldPlaced("U1", (CLIENT,), "Call first."))
    play.wait("3 business days")
    assert play.last(WORKER).name == "agree"
    assert "agree" not in play.got(CLIENT)


# --- Impasse, review, outcome ---------------------------------------------------------------------------------------


def test_an_answer_before_the_impasse_is_confirmed_counts_as_if_in_time() -> None:
    play = at_impasse()
    play.answers()
    assert play.at(Stage.TALKS)
    assert play.case.impasse is None


def test_a_late_answer_takes_the_case_on_only_once() -> None:
    play = at_impasse()
    play.case = replace(play.case, taken_late=True)
    play.answers()
    assert play.at(Stage.IMPASSE)
    assert play.last(CLIENT).name == "filed"


def late_part() -> Play:
    """The answer came after the impasse was proposed, and staff found that a part is missing."""
    play = at_impasse()
    play.writes(CLIENT, "It is complicated.")
    assert play.at(Stage.ANSWERING)
    play.happen(ItemRejected("U1", ItemName.ANSWER, "Please give a date or the reason."))
    return play


def test_a_late_answer_that_is_only_a_part_gets_two_days_for_the_rest() -> None:
    play = late_part()
    play.wait("1 business hour")
    assert play.last(CLIENT).name == "request"
    assert play.last(CLIENT).facts["reason"] == "Please give a date or the reason."
    clock = play.case.clock(Who.CLIENT, What.LAPSE)
    assert clock
    assert clock.topic is Topic.PARTIAL
    assert clock.due_at == play.last(CLIENT).facts["end"]
    play.wait("2 business days")
    assert (play.case.stage, play.case.impasse) == (Stage.IMPASSE, Impasse.NO_RESPONSE)
    play.writes(CLIENT, "Really, it is.")
    assert play.at(Stage.IMPASSE)


def test_words_of_the_opener_at_an_impasse_go_to_the_file() -> None:
    play = at_impasse()
    play.writes(WORKER, "Any news?", intent="still_waiting")
    assert play.at(Stage.IMPASSE)
    assert play.last(WORKER).name == "filed"


def test_a_confirmed_impasse_settles_the_missing_answer_and_tells_both() -> None:
    play = in_review()
    assert play.at(Stage.REVIEW)
    item = play.case.item(ItemName.ANSWER)
    assert item
    assert item.state is ItemState.NOT_OBTAINABLE
    assert "2026-03-03" in item.reason
    assert play.last(WORKER).name == play.last(CLIENT).name == "impasse"
    assert (play.last(WORKER).facts["silent"], play.last(CLIENT).facts["silent"]) == (False, True)
    assert play.case.owner == "U1"


def test_a_person_may_propose_an_impasse_before_the_clock_does() -> None:
    play = noticed()
    play.happen(ImpasseProposed("U1", Impasse.NO_RESPONSE))
    assert (play.case.stage, play.case.impasse_role) == (Stage.IMPASSE, CLIENT)
    talks = in_talks()
    assert "talks" in talks.happen(ImpasseProposed("U1", Impasse.NO_RESPONSE)).refused
    talks.happen(ImpasseProposed("U1", Impasse.NO_AGREEMENT))
    talks.happen(ImpasseConfirmed("U2"))
    assert talks.at(Stage.REVIEW)
    assert talks.last(WORKER).facts["impasse"] == "no_agreement"


def test_an_outcome_goes_to_both_at_the_same_moment_after_its_undo() -> None:
    play = in_review()
    play.happen(OutcomeRecorded("U1", "paid", "Both sides agree on the date."))
    assert play.at(Stage.REVIEW)
    assert "outcome" not in play.got(WORKER) + play.got(CLIENT)
    play.wait("61 seconds")
    assert play.at(Stage.RESOLVED)
    letters = [letter for letter in play.letters if letter.name == "outcome"]
    assert {letter.role for letter in letters} == set(Role)
    assert len({play.sent_at[letter.number] for letter in letters}) == 1
    play.wait("20 business days")
    assert (play.case.stage, play.case.closed) == (Stage.CLOSED, Closing.OUTCOME)


def test_an_outcome_can_be_undone_until_it_leaves() -> None:
    play = in_review()
    play.happen(OutcomeRecorded("U1", "paid", "Agreed."))
    assert "on its way" in play.happen(OutcomeRecorded("U1", "paid", "Agreed.")).refused
    play.happen(Undone("U2"))
    play.wait("1 hour")
    assert play.at(Stage.REVIEW)
    assert "outcome" not in play.got(WORKER)
    assert "no outcome" in play.happen(Undone("U2")).refused
    assert play.waits == ["review"]


@pytest.mark.parametrize(
    ("fact", "says"),
    [
        (OutcomeRecorded("U1", "changed", "Because."), "paid, partly_paid"),
        (OutcomeRecorded("U1", "paid", "  "), "grounds"),
    ],
)
def test_an_outcome_needs_a_code_of_its_kind_and_grounds(fact: OutcomeRecorded, says: str) -> None:
    assert says in in_review().happen(fact).refused


def test_an_outcome_needs_both_addresses_and_no_danger() -> None:
    play = in_review()
    bounced = replace(play.case.client, contacts=tuple(replace(c, bounced=True) for c in play.case.client.contacts))
    play.case = replace(play.case, client=bounced)
    assert "no address for the client" in play.happen(OutcomeRecorded("U1", "paid", "Agreed.")).refused
    danger = in_review()
    danger.writes(CLIENT, "You will regret this.", flags=("threat",))
    assert "flag" in danger.happen(OutcomeRecorded("U1", "paid", "Agreed.")).refused


def test_a_party_may_ask_once_to_reconsider_and_another_person_decides() -> None:
    play = resolved()
    play.writes(WORKER, "Thank you.", intent="thanks")
    assert play.at(Stage.RESOLVED)
    play.writes(WORKER, "I found the signed form.")
    assert play.at(Stage.REVIEW)
    assert play.last(WORKER).name == "reconsideration"
    assert "another person" in play.happen(OutcomeRecorded("U1", "paid", "Same.")).refused
    play.happen(OutcomeRecorded("U2", "paid", "The form settles it."))
    play.happen(Undone("U2"))
    play.happen(OutcomeRecorded("U3", "paid", "The form settles it."))
    play.wait("61 seconds")
    play.writes(WORKER, "I still disagree.")
    assert play.at(Stage.RESOLVED)
    assert play.waits == ["reply"]


def test_after_the_window_a_first_reply_is_still_reconsidered_and_a_second_is_for_staff() -> None:
    play = resolved()
    play.wait("20 business days")
    play.writes(CLIENT, "New papers.")
    assert play.at(Stage.REVIEW)
    again = resolved()
    again.case = replace(again.case, stage=Stage.CLOSED, closed=Closing.OUTCOME, reconsidered=True)
    again.writes(CLIENT, "New papers.")
    assert (again.case.stage, again.waits) == (Stage.CLOSED, ["reply"])


def test_mail_in_review_goes_to_the_reviewer() -> None:
    play = in_review()
    play.writes(CLIENT, "Here is my answer at last.", items=found(ItemName.ANSWER))
    assert play.at(Stage.REVIEW)
    assert play.last(CLIENT).facts["person"]


# --- Settling -------------------------------------------------------------------------------------------------------


def test_settled_by_the_opener_closes_two_days_later_unless_somebody_answers() -> None:
    play = noticed()
    play.writes(WORKER, "They paid, please close it.", intent="resolved")
    assert play.last(WORKER).name == play.last(CLIENT).name == "closing"
    play.writes(CLIENT, "Yes, all settled.", intent="resolved")
    play.wait("2 business days")
    assert (play.case.stage, play.case.closed) == (Stage.CLOSED, Closing.SETTLED)
    assert "reminder" not in play.got(CLIENT)


def test_an_answer_to_an_offered_closing_keeps_the_case_open_and_gives_the_time_back() -> None:
    play = noticed()
    due = play.due(Who.CLIENT)
    play.writes(WORKER, "It is settled.", intent="resolved")
    play.wait("1 business day")
    play.writes(WORKER, "No wait, it is not.", intent="still_waiting")
    assert play.case.closing is None
    assert play.case.holds == ()
    assert play.due(Who.CLIENT) == later(due, 1)


def test_withdrawn_before_the_notice_concerns_only_the_opener() -> None:
    play = complete(Kind.RATING)
    play.writes(WORKER, "Please close it.", intent="resolved")
    assert play.case.closing is Closing.WITHDRAWN
    play.wait("2 business days")
    assert (play.case.closed, play.got(CLIENT)) == (Closing.WITHDRAWN, [])


def test_settled_by_the_respondent_alone_is_put_to_the_opener_and_closes_nothing() -> None:
    play = noticed()
    play.writes(CLIENT, "We have paid.", intent="resolved")
    assert play.last(WORKER).name == "settled_question"
    play.wait("3 business days")
    assert play.at(Stage.ANSWERING)
    assert play.waits == ["item:answer"]
    assert "reminder" not in play.got(CLIENT)
    sorting = Play()
    sorting.opens(None, None)
    sorting.writes(CLIENT, "We have paid.", intent="resolved")
    assert sorting.at(Stage.SORTING)


def test_approved_and_to_be_paid_is_an_answer_and_a_question_to_the_opener() -> None:
    play = noticed()
    play.writes(CLIENT, "We approved it and pay on March 20.", intent="resolved", items=found(ItemName.ANSWER))
    assert play.at(Stage.TALKS)
    assert play.got(CLIENT) == ["notice", "answer_received"]
    assert play.last(WORKER).name == "settled_question"


@pytest.mark.parametrize("closed", [Closing.INCOMPLETE, Closing.SETTLED])
def test_a_reply_reopens_where_the_case_was_left(closed: Closing) -> None:
    play = Play()
    play.opens(Kind.RATING)
    play.case = replace(play.case, stage=Stage.CLOSED, closed=closed, left=Stage.GATHERING, clocks=())
    play.writes(WORKER, "I have the ID now.", assignment_ids=(ID,), listings=(LISTING,))
    assert play.at(Stage.GATHERING)
    assert play.last(WORKER).name == "reopened"
    assert play.last(WORKER).facts["missing"] == ("worker_explanation",)


def test_a_reopened_case_that_was_complete_announces_its_notice_again() -> None:
    play = complete(Kind.RATING)
    play.writes(WORKER, "Please close it.", intent="resolved")
    play.wait("2 business days")
    play.writes(WORKER, "I was wrong, it is not settled.")
    assert play.at(Stage.NOTICE)
    play.wait("1 business day")
    assert play.got(CLIENT) == ["notice"]


def test_a_reopened_case_asks_the_silent_side_again_or_waits_for_staff() -> None:
    play = noticed()
    play.writes(WORKER, "It is settled.", intent="resolved")
    play.wait("2 business days")
    play.writes(WORKER, "It is not.")
    assert play.at(Stage.ANSWERING)
    assert play.last(CLIENT).name == "request"
    talks = in_talks()
    talks.writes(WORKER, "It is settled.", intent="resolved")
    talks.wait("2 business days")
    talks.writes(WORKER, "It is not.")
    assert (talks.case.stage, talks.waits) == (Stage.TALKS, ["release"])


def test_thanks_never_reopen() -> None:
    play = noticed()
    play.writes(WORKER, "It is settled.", intent="resolved")
    play.wait("2 business days")
    play.writes(WORKER, "Thank you!", intent="thanks")
    assert play.at(Stage.CLOSED)


# --- Holds ----------------------------------------------------------------------------------------------------------


def test_an_unconfirmed_mail_holds_the_clocks_until_a_person_says_who_it_is() -> None:
    play = noticed()
    due = play.due(Who.CLIENT)
    stranger = mail(CLIENT, "We approved it.", sender="cc@elsewhere.example", mail_id=77, items=found(ItemName.ANSWER))
    play.happen(MailSuggested(CLIENT, stranger, "unknown address"))
    assert play.waits == ["mail:77"]
    play.wait("3 business days")
    assert play.got(CLIENT) == ["notice"]
    play.happen(MailDismissed("U1", 77))
    assert play.due(Who.CLIENT) == later(due, 3)
    assert play.case.suggested == ()


def test_a_confirmed_sender_is_the_party_from_then_on() -> None:
    play = noticed()
    stranger = mail(CLIENT, "We approved it.", sender="cc@elsewhere.example", mail_id=77, items=found(ItemName.ANSWER))
    play.happen(MailSuggested(CLIENT, stranger, "unknown address"))
    play.happen(SenderConfirmed("U1", CLIENT, stranger))
    assert play.at(Stage.TALKS)
    assert play.case.client.knows("cc@elsewhere.example")
    play.happen(SenderConfirmed("U1", CLIENT, stranger))
    assert [c.address for c in play.case.client.contacts].count("cc@elsewhere.example") == 1


def test_a_mail_of_nobody_in_particular_holds_both_sides() -> None:
    play = noticed()
    play.happen(MailSuggested(None, mail(sender="x@y.example", mail_id=78), "sender unknown"))
    assert all(clock.held_by for clock in play.case.clocks if clock.who is not Who.STAFF)


def test_a_subject_number_alone_keeps_only_the_end_from_coming() -> None:
    play = noticed()
    play.happen(MailSuggested(None, mail(sender="x@y.example", mail_id=79), "subject only", binds=False))
    play.wait("12 business days")
    assert play.got(CLIENT) == ["notice", "reminder", "reminder", "final"]
    assert play.at(Stage.ANSWERING)
    play.happen(MailDismissed("U1", 79))
    play.wait("8 business days")
    assert play.at(Stage.IMPASSE)


def test_out_of_office_with_a_date_holds_the_clocks_to_that_day_and_one_more() -> None:
    play = noticed()
    play.happen(PartyAway(CLIENT, 9, date(2026, 3, 5)))
    play.wait_until(datetime(2026, 3, 6, 13, 0, tzinfo=UTC))
    assert play.got(CLIENT) == ["notice"]
    play.wait_until(datetime(2026, 3, 6, 14, 1, tzinfo=UTC))
    assert play.case.holds == ()
    assert play.due(Who.CLIENT) > datetime(2026, 3, 6, 14, 1, tzinfo=UTC)


def test_out_of_office_holds_for_five_business_days_at_most() -> None:
    play = noticed()
    play.happen(PartyAway(CLIENT, 9, date(2026, 5, 5)))
    wake = play.case.clock(Who.CLIENT, What.WAKE)
    assert wake
    assert wake.due_at == datetime(2026, 3, 10, 14, 0, tzinfo=UTC)


def test_a_party_that_writes_is_back() -> None:
    play = noticed()
    play.happen(PartyAway(CLIENT, 9, date(2026, 3, 6)))
    play.answers()
    assert play.case.holds == ()
    assert play.case.clock(Who.CLIENT, What.WAKE) is None


@pytest.mark.parametrize("returns_on", [None, date(2026, 2, 27)])
def test_out_of_office_without_a_date_or_with_one_past_changes_nothing(returns_on: date | None) -> None:
    play = noticed()
    play.happen(PartyAway(CLIENT, 9, returns_on))
    assert play.case.holds == ()


def test_a_bounce_stops_the_clock_until_staff_give_another_address_and_the_notice_goes_there() -> None:
    play = noticed()
    notice = play.last(CLIENT)
    play.bounced.add(notice.number)
    play.happen(LetterBounced(CLIENT, notice.number, ADDRESS[CLIENT], "550 no such user"))
    assert play.waits == ["address:client"]
    assert [contact.bounced for contact in play.case.client.contacts] == [True]
    play.wait("10 business days")
    assert play.got(CLIENT) == ["notice"]
    play.happen(ContactSet("U1", CLIENT, "New@Client.example"))
    assert play.case.client.address == "new@client.example"
    assert play.got(CLIENT) == ["notice", "notice"]
    play.wait("8 business days")
    assert play.at(Stage.IMPASSE)


def test_a_new_address_while_another_hold_stands_asks_nothing_yet() -> None:
    play = noticed()
    play.happen(HoldPlaced("U1", (CLIENT,), "Call pending."))
    play.happen(LetterBounced(CLIENT, None, ADDRESS[CLIENT], ""))
    play.happen(ContactSet("U1", CLIENT, "new@client.example"))
    assert play.got(CLIENT) == ["notice"]


@pytest.mark.parametrize("address", ["nobody", "a b@c.example", ADDRESS[WORKER]])
def test_an_address_that_cannot_be_the_partys_is_refused(address: str) -> None:
    assert noticed().happen(ContactSet("U1", CLIENT, address)).refused


@pytest.mark.parametrize("flag", ["threat", "welfare", "fear_of_retaliation"])
def test_danger_holds_every_letter_to_the_other_side_and_the_writer_gets_a_plain_receipt(flag: str) -> None:
    play = Play()
    play.complete_payment(flags=(flag,))
    assert play.got(WORKER) == ["receipt_danger"]
    assert play.waits == ["flag:danger"]
    assert play.due(Who.STAFF, What.NUDGE) == MONDAY + timedelta(hours=4)
    play.wait("5 business days")
    assert play.got(CLIENT) == []
    play.happen(FlagLooked("U1", flag))
    assert play.at(Stage.NOTICE)
    assert play.waits == ["notice"]
    play.happen(NoticeReleased("U1"))
    play.wait("61 seconds")
    assert play.got(CLIENT) == ["notice"]


def test_a_request_kept_back_by_a_hold_is_decided_when_it_ends() -> None:
    play = noticed()
    play.writes(CLIENT, "It is complicated.")
    play.happen(HoldPlaced("U1", (CLIENT,), "Call pending."))
    play.happen(ItemRejected("U1", ItemName.ANSWER, "No date."))
    assert "request" not in play.got(CLIENT)
    play.happen(HoldEnded("U1"))
    assert play.last(CLIENT).name == "request"
    assert play.last(CLIENT).facts["reason"] == "No date."
    assert play.case.clock(Who.CLIENT, What.REMIND)


def test_a_legal_threat_holds_the_next_letter_for_one_business_day_at_most() -> None:
    play = Play()
    play.opens(Kind.RATING, flags=("legal_threat",))
    play.writes(WORKER, "I mean it, my lawyer is ready.", flags=("legal_threat",))
    assert play.got(WORKER) == ["receipt_sorting", "filed"]
    play.wait("1 business day")
    assert play.got(WORKER) == ["receipt_sorting", "filed", "receipt"]
    looked = Play()
    looked.opens(Kind.RATING, flags=("legal_threat",))
    looked.happen(FlagLooked("U1", "legal_threat"))
    assert looked.got(WORKER) == ["receipt_sorting", "receipt"]
    assert looked.case.clock(Who.STAFF, What.WAKE) is None


def test_danger_in_a_later_mail_gets_its_plain_receipt_too() -> None:
    play = noticed()
    play.writes(CLIENT, "I know where you live.", flags=("threat",))
    assert play.last(CLIENT).name == "receipt_danger"
    play.writes(CLIENT, "We approved it.", items=found(ItemName.ANSWER))
    assert play.at(Stage.TALKS)


def test_a_hold_of_staff_needs_a_reason_and_stops_and_starts_the_clocks() -> None:
    play = noticed()
    assert "reason" in play.happen(HoldPlaced("U1", (CLIENT,), "")).refused
    due = play.due(Who.CLIENT)
    play.happen(HoldPlaced("U1", (CLIENT,), "Strike in the client's city."))
    assert play.waits == ["hold"]
    play.wait("10 business days")
    assert play.got(CLIENT) == ["notice"]
    play.happen(HoldEnded("U1"))
    assert play.due(Who.CLIENT) == later(due, 10)
    assert "Nothing" in play.happen(HoldEnded("U1")).refused


def test_holds_that_something_else_settles_are_not_ended_by_hand() -> None:
    play = noticed()
    play.happen(MailSuggested(CLIENT, mail(sender="x@y.example", mail_id=80), "unknown address"))
    assert "settled" in play.happen(HoldEnded("U1", "mail:80")).refused


def test_two_holds_give_the_time_back_once() -> None:
    play = noticed()
    due = play.due(Who.CLIENT)
    play.happen(HoldPlaced("U1", (CLIENT,), "One."))
    play.happen(PartyAway(CLIENT, 9, date(2026, 3, 4)))
    play.wait("3 business days")
    play.happen(HoldEnded("U1"))
    assert play.due(Who.CLIENT) == later(due, 3)


# --- Delivery and downtime --------------------------------------------------------------------------------------------


def test_a_clock_waits_for_its_letter_and_a_late_request_is_decided_anew_with_new_dates() -> None:
    play = complete(Kind.PAYMENT)
    play.smtp = False
    play.wait("1 business day")
    assert play.at(Stage.ANSWERING)
    play.wait("5 business days")
    assert play.got(CLIENT) == []
    play.smtp = True
    play.wait("1 second")
    notice = play.last(CLIENT)
    assert notice.facts["deadline"] == POLICY.calendar(None).after(notice.not_before, POLICY.request.deadline)
    assert play.got(CLIENT) == ["notice"]
    assert play.at(Stage.ANSWERING)


def test_a_receipt_that_could_not_leave_announces_the_notice_anew() -> None:
    play = Play()
    play.smtp = False
    play.complete_payment()
    play.wait("2 business days")
    play.smtp = True
    play.wait("1 second")
    assert play.got(WORKER) == ["receipt"]
    assert play.at(Stage.NOTICE)
    play.wait("1 business day")
    assert play.got(CLIENT) == ["notice"]


def test_a_reminder_that_could_not_leave_is_written_again_or_overtaken_by_the_next_step() -> None:
    play = noticed()
    play.smtp = False
    play.wait("2 business days")
    play.wait("5 business hours")
    play.smtp = True
    play.wait("1 second")
    assert play.got(CLIENT) == ["notice", "reminder"]


def test_a_final_notice_that_left_late_moves_the_end_and_never_earlier() -> None:
    play = noticed()
    play.wait("4 business days")
    play.smtp = False
    play.wait("3 business days")
    play.smtp = True
    play.wait("1 second")
    final = play.last(CLIENT)
    assert final.name == "final"
    assert play.due(Who.CLIENT, What.LAPSE) == final.facts["end"]
    assert play.due(Who.CLIENT, What.LAPSE) > datetime(2026, 3, 13, 14, 0, tzinfo=UTC)


def test_a_due_step_takes_back_an_earlier_one_that_has_not_left() -> None:
    play = noticed()
    play.wait("1 business day")
    clock = play.case.clock(Who.CLIENT, What.REMIND)
    assert clock
    play.now = clock.due_at
    play.smtp = False
    play.happen(ClockDue(clock.who, clock.what, clock.topic, clock.due_at))
    first = play.outbox[-1]
    second = play.case.clock(Who.CLIENT, What.REMIND)
    assert second
    play.happen(ClockDue(second.who, second.what, second.topic, second.due_at))
    assert first.number in play.cancelled


def test_letters_of_the_talks_and_of_extra_time_are_said_again_when_late() -> None:
    play = in_talks()
    play.happen(Released("U1", 2))
    play.wait("2 business days")
    play.smtp = False
    play.wait("3 business days")
    play.smtp = True
    play.wait("1 second")
    assert play.last(WORKER).name == "agree"
    late = late_part()
    clock = late.case.clock(Who.CLIENT, What.LAPSE)
    assert clock
    assert clock.letter
    late.happen(LetterSettled(clock.letter, CLIENT, left=False, evidence="not in the Sent folder"))
    again = late.case.clock(Who.CLIENT, What.LAPSE)
    assert again
    assert again.topic is Topic.PARTIAL
    assert again.letter != clock.letter


def test_a_late_letter_that_nobody_needs_any_more_is_not_written_again() -> None:
    play = noticed()
    letters = len(play.letters)
    play.happen(LetterLate(99, "reminder", CLIENT))
    assert len(play.letters) == letters


def test_a_dead_or_unknown_letter_asks_staff_and_no_clock_moves_on_until_it_is_settled() -> None:
    play = noticed()
    notice = play.last(CLIENT)
    play.happen(LetterFailed(notice.number, "notice", CLIENT, "unknown", "cut after the final dot"))
    assert play.waits == [f"letter:{notice.number}"]
    play.happen(LetterSettled(notice.number, CLIENT, left=True, evidence="found in Sent"))
    assert play.waits == []
    play.happen(LetterFailed(notice.number, "notice", CLIENT, "dead", "550"))
    play.happen(LetterSettled(notice.number, CLIENT, left=False, evidence="U1"))
    assert play.got(CLIENT) == ["notice", "notice"]


def test_time_that_the_bot_did_not_run_is_given_back_with_one_letter() -> None:
    play = noticed()
    due = play.due(Who.CLIENT)
    play.now = MONDAY + timedelta(days=2)
    play.happen(TimeLost(play.now - timedelta(hours=3), play.now))
    assert play.due(Who.CLIENT) == due + timedelta(hours=1)  # It was down from 7:00 to 10:00 in New York.
    assert play.got(CLIENT) == ["notice", "catch_up"]


def test_time_lost_at_night_or_under_a_hold_costs_nobody_anything() -> None:
    play = noticed()
    due = play.due(Who.CLIENT)
    night = datetime(2026, 3, 4, 4, 0, tzinfo=UTC)
    play.now = night + timedelta(hours=2)
    play.happen(TimeLost(night, play.now))
    assert play.due(Who.CLIENT) == due
    play.happen(HoldPlaced("U1", (CLIENT,), "Call."))
    play.happen(TimeLost(night, night + timedelta(hours=24)))
    assert play.due(Who.CLIENT) == due
    assert "catch_up" not in play.got(CLIENT)


def test_a_clock_that_no_longer_runs_or_is_held_changes_nothing_when_due() -> None:
    play = noticed()
    clock = play.case.clock(Who.CLIENT, What.REMIND)
    assert clock
    stray = ClockDue(clock.who, clock.what, clock.topic, clock.due_at - timedelta(days=1))
    before = play.case
    play.happen(stray)
    assert replace(play.case, version=before.version) == before


def test_automatic_answers_beyond_the_brake_wait_or_are_not_written() -> None:
    play = Play(braked=(WORKER,))
    play.now = datetime(2026, 3, 7, 15, 0, tzinfo=UTC)  # A Saturday.
    play.opens(Kind.RATING)
    assert play.letters == []
    assert play.outbox[0].not_before == datetime(2026, 3, 9, 13, 0, tzinfo=UTC)
    play.writes(WORKER, "Hello?")
    assert len(play.outbox) == 1


# --- Staff ----------------------------------------------------------------------------------------------------------


def test_what_waits_for_staff_goes_to_the_owner_then_the_lead_then_the_digest() -> None:
    play = at_impasse()
    play.happen(Claimed("U7"))
    play.wait("4 business days")
    mentions = [e.mention for d in play.decisions for e in d.effects if isinstance(e, Note) and e.mention]
    assert mentions == ["U7", "lead"]
    assert play.case.clock(Who.STAFF, What.NUDGE)


def test_a_reply_by_staff_leaves_after_its_undo_and_can_be_taken_back() -> None:
    play = noticed()
    play.happen(StaffReplied("U1", CLIENT, "Could you call us?"))
    number = play.outbox[-1].number
    play.happen(Undone("U1", number))
    play.wait("61 seconds")
    assert "reply" not in play.got(CLIENT)
    play.happen(StaffReplied("U1", CLIENT, "Could you call us?"))
    play.wait("61 seconds")
    assert play.last(CLIENT).facts["text"] == "Could you call us?"
    assert "text" in play.happen(StaffReplied("U1", CLIENT, " ")).refused


def test_nobody_writes_to_a_side_without_an_address() -> None:
    play = Play()
    play.opens(Kind.RATING)
    assert "no address" in play.happen(StaffReplied("U1", CLIENT, "Hello")).refused


@pytest.mark.parametrize(
    "fact",
    [
        Sorted("U1", Kind.RATING, WORKER),
        Dismissed("U1", None, "x"),
        NoticeReleased("U1"),
        Released("U1", 1),
        ImpasseConfirmed("U1"),
        OutcomeRecorded("U1", "paid", "x"),
    ],
)
def test_what_does_not_fit_the_stage_is_refused_with_the_stages_it_fits(fact: object) -> None:
    play = noticed()
    before = play.case
    decision = play.happen(fact)  # type: ignore[arg-type]
    assert "answering" in decision.refused
    assert "possible in" in decision.refused
    assert (decision.effects, play.case) == ((), before)


def test_a_closed_case_takes_no_hold_and_no_item_and_an_unknown_item_is_named() -> None:
    play = Play()
    play.opens(None)
    play.happen(Dismissed("U1", None, "x"))
    assert "closed" in play.happen(HoldPlaced("U1", (CLIENT,), "x")).refused
    assert "closed" in play.happen(ItemWaived("U1", ItemName.TIMELINE, "x")).refused
    assert "does not need" in noticed().happen(ItemAccepted("U1", ItemName.WORKER_EXPLANATION)).refused


def test_a_waived_item_that_is_not_the_last_only_shortens_the_list() -> None:
    play = Play()
    play.opens(Kind.RATING)
    play.happen(ItemWaived("U1", ItemName.ASSIGNMENT_ID, "Known from the phone."))
    assert play.at(Stage.GATHERING)
    assert [str(item.name) for item in play.case.wanted_from(WORKER)] == ["worker_explanation"]


def test_a_waived_answer_at_an_impasse_takes_the_case_on() -> None:
    play = at_impasse()
    play.happen(ItemWaived("U1", ItemName.ANSWER, "Told by phone."))
    assert play.at(Stage.TALKS)


# --- Always ---------------------------------------------------------------------------------------------------------


def test_no_name_of_the_directory_stands_in_a_letter_before_the_notice() -> None:
    play = complete(Kind.PAYMENT)
    assert play.last(WORKER).facts["listed"] is False
    play.wait("1 business day")
    assert play.last(CLIENT).facts["listed"] is True


def test_every_decision_redraws_the_card_and_says_why() -> None:
    play = noticed()
    play.wait("8 business days")
    for decision in play.decisions:
        assert isinstance(decision.effects[-1], Card)
        assert decision.because.text


def test_unasked_letters_keep_the_recipients_working_hours() -> None:
    play = noticed()
    play.wait("30 business days")
    calendar = POLICY.calendar(None)
    assert unasked(play, CLIENT)
    assert all(calendar.is_working(play.sent_at[letter.number]) for letter in unasked(play, CLIENT))


def test_deciding_twice_gives_the_same() -> None:
    one, two = noticed(), noticed()
    assert one.case == two.case
    assert one.letters == two.letters
