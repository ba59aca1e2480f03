"""The procedure where things cross: letters that did not leave, holds that come in between, people who think again.

Each test is a short story played through `decide`, as in `test_decide_stories`.
"""

from dataclasses import replace
from datetime import date, datetime, timedelta

import pytest

from bot.flows.case import (
    Case,
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
from bot.flows.effects import Note, Sending
from bot.flows.events import (
    CaseOpened,
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
)

WORKER, CLIENT = Role.WORKER, Role.CLIENT
EVENING = datetime.fromisoformat("2026-03-03T23:00:00+00:00")  # Tuesday, 18:00 in New York.


def vague(kind: Kind = Kind.PAYMENT) -> Play:
    play = Play()
    play.opens(kind)
    return play


def bounce(play: Play, role: Role) -> None:
    letter = play.last(role)
    play.bounced.add(letter.number)
    play.happen(LetterBounced(role, letter.number, ADDRESS[role], "550 no such user"))


def new_address(play: Play, role: Role) -> None:
    play.happen(ContactSet("U1", role, f"new.{ADDRESS[role]}"))
    play.wait("1 business hour")


# --- What a mail brings ---------------------------------------------------------------------------------------------


def test_words_relayed_while_the_client_is_asked_do_not_stand_in_for_its_answer() -> None:
    play = noticed(Kind.RATING)
    play.writes(WORKER, "They wrote: bad work.", items=found(ItemName.CLIENT_EXPLANATION))
    item = play.case.item(ItemName.CLIENT_EXPLANATION)
    assert item
    assert item.state is ItemState.REQUESTED
    assert play.case.statements[-1].provenance is Provenance.RELAYED
    play.wait("2 business days")
    assert play.last(CLIENT).facts["missing"] == ("client_explanation",)


def test_words_relayed_do_not_displace_those_the_client_wrote_itself() -> None:
    play = complete(Kind.RATING)
    play.writes(CLIENT, "I was not happy.", items=found(OWN[CLIENT], confidence=0.4))
    play.writes(WORKER, "They wrote: all fine.", items=found(OWN[CLIENT]))
    item = play.case.item(OWN[CLIENT])
    assert item
    assert (item.state, item.provenance) == (ItemState.RECEIVED, Provenance.DIRECT)


def test_what_the_opener_owes_is_asked_of_the_opener_though_the_other_side_relays_it() -> None:
    play = Play()
    play.opens(None, kind_confidence=0.4, assignment_ids=(ID,), listings=(LISTING,))
    play.happen(HoldPlaced("U1", (WORKER, CLIENT), "Call first."))
    play.happen(Sorted("U1", Kind.RATING, WORKER))
    play.writes(CLIENT, "They wrote to me: it was good work.", items=found(ItemName.WORKER_EXPLANATION))
    play.happen(HoldEnded("U1"))
    play.wait("1 business day")
    assert play.last(WORKER).name == "receipt"
    assert play.last(WORKER).facts["missing"] == ("worker_explanation",)
    assert play.case.statements[-1].provenance is Provenance.RELAYED


def test_an_answer_that_came_before_the_notice_makes_it_unnecessary() -> None:
    play = complete(Kind.PAYMENT)
    play.writes(CLIENT, "We pay on Friday.", items=found(ItemName.ANSWER))
    play.wait("1 business day")
    assert play.at(Stage.TALKS)
    assert "notice" not in play.got(CLIENT)


def test_an_answer_before_the_notice_that_waits_for_staff_is_not_asked_for_again() -> None:
    play = complete(Kind.PAYMENT)
    play.writes(CLIENT, "See the file.", unread_files=("answer.pdf",))
    play.wait("1 business day")
    assert play.at(Stage.ANSWERING)
    assert play.waits == ["item:answer"]
    assert "notice" not in play.got(CLIENT)
    play.happen(ItemRejected("U1", ItemName.ANSWER, "The file is empty."))
    play.wait("1 business hour")
    assert play.last(CLIENT).name == "request"


def test_a_rejected_assignment_id_is_only_replaced_by_an_id() -> None:
    play = complete(Kind.PAYMENT)
    play.happen(ItemRejected("U1", ItemName.ASSIGNMENT_ID, "This is a phone number."))
    assert play.at(Stage.GATHERING)
    assert play.last(WORKER).facts["reason"] == "This is a phone number."
    assert play.last(WORKER).facts["missing"] == ("assignment_id",)
    assert (play.case.client.contacts, play.case.client.name) == ((), "")
    play.writes(WORKER, "What do you mean?")
    assert play.at(Stage.GATHERING)
    play.writes(WORKER, "Sorry.", assignment_ids=(ID,), listings=(LISTING,))
    assert play.at(Stage.NOTICE)
    assert play.case.client.address == ADDRESS[CLIENT]


def test_a_rejected_assignment_id_does_not_lose_a_party_that_wrote_itself() -> None:
    play = complete(Kind.PAYMENT)
    play.writes(CLIENT, "I heard there is a dispute?")
    play.happen(ItemRejected("U1", ItemName.ASSIGNMENT_ID, "It is about another one."))
    assert play.case.client.address == ADDRESS[CLIENT]


def test_another_assignment_never_redirects_letters_to_another_client() -> None:
    play = noticed()
    other = replace(LISTING, assignment_id="999", client_name="Somebody Else", client_email="else@client.example")
    play.writes(WORKER, "Also 999.", assignment_ids=("999",), listings=(other,))
    assert play.case.client.address == ADDRESS[CLIENT]
    assert play.case.client.name == "Carl Client"


def test_assignments_of_different_clients_make_a_person_send_the_notice() -> None:
    other = replace(LISTING, assignment_id="999", client_email="else@client.example")
    play = Play()
    play.complete_payment(assignment_ids=(ID, "999"), listings=(LISTING, other))
    assert play.case.doubts == ("parties",)


def test_a_listing_without_a_name_or_an_address_leaves_what_is_known() -> None:
    play = Play()
    play.complete_payment(listings=(replace(LISTING, client_name="", client_email=""),))
    assert (play.case.client.name, play.case.client.contacts) == ("", ())
    assert "assignment" in play.case.doubts


def test_a_party_keeps_its_name_and_address_when_its_mail_shows_none() -> None:
    play = Play()
    play.opens(Kind.RATING, sender_name="Wanda W.")
    play.writes(WORKER, "And more.", sender="", message_id=None)
    assert play.case.worker.name == "Wanda W."
    assert play.case.worker.last_message_id == "<m1@worker.example>"


def test_a_message_without_an_address_is_sorted_by_a_person_who_gives_one_first() -> None:
    play = Play()
    play.complete_payment(sender="", channel="slack")
    assert (play.case.stage, play.letters) == (Stage.SORTING, [])
    assert "no address" in play.happen(Sorted("U1", Kind.PAYMENT, WORKER)).refused
    play.happen(ContactSet("U1", WORKER, ADDRESS[WORKER]))
    play.happen(Sorted("U1", Kind.PAYMENT, WORKER))
    assert play.got(WORKER) == ["receipt"]


def test_who_asks_for_a_person_waits_for_one_until_a_person_writes() -> None:
    play = Play()
    play.opens(Kind.RATING, flags=("asks_for_person",))
    assert "reply" in play.waits
    play.happen(StaffReplied("U1", WORKER, "Here I am."))
    assert "reply" not in play.waits


def test_two_cases_of_one_mail_name_each_other() -> None:
    play = Play()
    play.happen(CaseOpened(mail(), Kind.RATING, WORKER, linked_to=1041))
    assert any("D-1041" in note for note in play.notes)


# --- Sorting anew ---------------------------------------------------------------------------------------------------


def test_a_sorted_case_that_the_directory_does_not_know_waits_for_a_person_with_the_notice() -> None:
    play = Play()
    play.opens(None, kind_confidence=0.4, assignment_ids=(ID,))
    play.happen(Sorted("U1", Kind.PAYMENT, WORKER, mail(assignment_ids=(ID,), items=found(ItemName.TIMELINE))))
    assert play.case.doubts == ("assignment",)
    play.wait("3 business days")
    assert play.waits == ["notice"]


def test_an_id_known_from_an_earlier_mail_is_not_asked_for_after_sorting() -> None:
    play = Play()
    play.opens(None, assignment_ids=(ID,))
    play.happen(Sorted("U1", Kind.RATING, WORKER))
    assert play.last(WORKER).facts["missing"] == ("worker_explanation",)


def test_sorting_a_case_in_notice_as_the_other_kind_asks_for_that_kinds_items() -> None:
    play = complete(Kind.PAYMENT)
    play.happen(Sorted("U1", Kind.RATING, WORKER))
    assert play.at(Stage.GATHERING)
    assert play.last(WORKER).facts["missing"] == ("worker_explanation",)
    play.wait("3 business days")
    assert play.got(CLIENT) == []


def test_sorting_a_case_anew_keeps_what_it_announced() -> None:
    play = vague(Kind.RATING)
    play.happen(Extended("U1", WORKER, "Ill."))
    announced = play.case.clock(Who.WORKER, What.FINAL)
    play.happen(Sorted("U1", Kind.PAYMENT, WORKER))
    clock = play.case.clock(Who.WORKER, What.REMIND)
    assert announced
    assert clock
    assert clock.end_at == announced.end_at


def test_sorting_while_letters_are_held_writes_the_receipt_when_the_hold_ends() -> None:
    play = vague(Kind.RATING)
    play.happen(HoldPlaced("U1", (WORKER,), "A call first."))
    play.happen(Sorted("U1", Kind.PAYMENT, WORKER))
    assert play.got(WORKER) == ["receipt"]
    play.happen(HoldEnded("U1"))
    assert play.got(WORKER) == ["receipt", "receipt"]
    assert "timeline" in play.last(WORKER).facts["missing"]  # type: ignore[operator]


def test_danger_in_an_unsorted_mail_holds_the_other_side_also_after_the_sides_are_exchanged() -> None:
    play = Play()
    play.opens(None, None, sender=ADDRESS[CLIENT], flags=("threat",))
    play.happen(PartyAway(WORKER, 9, date(2026, 3, 5)))
    play.happen(Sorted("U1", Kind.RATING, CLIENT))
    assert [(hold.id, hold.roles) for hold in play.case.holds] == [("danger", (WORKER,))]
    assert play.got(CLIENT) == []
    play.happen(FlagLooked("U1", "threat"))
    assert play.got(CLIENT) == ["receipt"]


def test_a_case_exchanged_forgets_whom_the_directory_named_for_the_wrong_role() -> None:
    play = complete(Kind.PAYMENT)
    play.happen(MailSuggested(CLIENT, mail(CLIENT, mail_id=70), "no authentication"))
    play.writes(WORKER, "Please close it.", intent="resolved")
    play.happen(Sorted("U1", Kind.PAYMENT, CLIENT))
    assert (play.case.worker.contacts, play.case.worker.name) == ((), "")
    assert [hold.id for hold in play.case.holds] == ["mail:70"]
    assert play.case.closing is None
    assert play.case.suggested[0].role is WORKER


def test_a_bounce_at_an_address_that_both_sides_have_stops_both() -> None:
    shared = ADDRESS[WORKER]
    play = Play()
    play.opens(None, None, sender=shared)
    named = mail(CLIENT, sender=shared, assignment_ids=(ID,), listings=(replace(LISTING, worker_email=shared),))
    play.happen(Sorted("U1", Kind.RATING, CLIENT, named))
    play.happen(LetterBounced(CLIENT, None, shared, "550"))
    assert {hold.id for hold in play.case.holds} == {"bounce:worker", "bounce:client"}
    play.happen(ContactSet("U1", WORKER, "wanda@new.example"))
    assert {hold.id for hold in play.case.holds} == {"bounce:client"}
    assert "Find another address for the client." in [wait.text for wait in play.case.waits]


def test_a_bounce_that_comes_after_the_sides_were_exchanged_finds_its_party() -> None:
    play = Play()
    play.opens(None, None, sender=ADDRESS[CLIENT])
    play.happen(Sorted("U1", Kind.RATING, CLIENT))
    play.happen(LetterBounced(WORKER, 1, ADDRESS[CLIENT], "550"))
    assert play.waits == ["address:client"]


def test_a_hold_of_one_side_follows_it_when_the_sides_are_exchanged() -> None:
    play = Play()
    play.opens(None, None, sender=ADDRESS[CLIENT])
    bounce_id = play.letters[-1].number
    play.happen(LetterBounced(WORKER, bounce_id, ADDRESS[CLIENT], "550"))
    play.happen(ContactSet("U1", CLIENT, "w@worker.example"))
    play.happen(ContactSet("U1", WORKER, "c@client.example"))
    play.happen(LetterBounced(WORKER, bounce_id, "c@client.example", "550"))
    play.happen(ContactSet("U1", WORKER, "d@client.example"))
    play.happen(HoldPlaced("U1", (WORKER,), "A call."))
    play.happen(LetterBounced(CLIENT, None, "w@worker.example", "550"))
    play.happen(Sorted("U1", Kind.RATING, CLIENT))
    assert {(hold.id, hold.roles) for hold in play.case.holds} == {("staff", (CLIENT,)), ("bounce:worker", (WORKER,))}


# --- Notice ---------------------------------------------------------------------------------------------------------


def test_no_notice_goes_out_without_an_address_even_if_the_id_was_waived() -> None:
    play = vague()
    play.happen(ItemWaived("U1", ItemName.ASSIGNMENT_ID, "Known."))
    play.writes(WORKER, items=found(ItemName.TIMELINE))
    play.wait("5 business days")
    assert play.waits == ["notice"]


def test_a_notice_whose_facts_got_a_later_date_meanwhile_waits_for_it() -> None:
    play = complete(Kind.PAYMENT)
    play.writes(WORKER, "I asked them an hour ago.", flags=("under_48h",))
    play.wait("1 business day")
    assert play.got(CLIENT) == []
    play.wait("1 business day")
    assert play.got(CLIENT) == ["notice"]


def test_the_clients_own_words_about_48_hours_delay_nothing() -> None:
    play = complete(Kind.PAYMENT)
    play.writes(CLIENT, "They wrote to me yesterday.", flags=("under_48h",))
    assert play.case.not_before is None


def test_a_timeline_rejected_in_notice_takes_the_case_back_to_gathering() -> None:
    play = complete(Kind.PAYMENT)
    play.happen(ItemRejected("U1", ItemName.TIMELINE, "It names no dates."))
    assert play.at(Stage.GATHERING)
    assert play.last(WORKER).name == "request"
    play.wait("2 business days")
    assert play.got(CLIENT) == []


def test_what_has_not_come_cannot_be_rejected() -> None:
    assert "not come yet" in vague().happen(ItemRejected("U1", ItemName.TIMELINE, "No.")).refused


def test_a_notice_taken_back_before_it_left_waits_for_a_person_again() -> None:
    play = complete(Kind.PAYMENT)
    play.happen(NoticeReleased("U1"))
    play.happen(Undone("U1", play.outbox[-1].number))
    assert play.at(Stage.NOTICE)
    assert play.waits == ["notice"]
    play.wait("2 business days")
    assert play.got(CLIENT) == []
    assert not play.case.client.reached
    play.happen(NoticeReleased("U1"))
    play.wait("61 seconds")
    assert play.got(CLIENT) == ["notice"]
    assert "has left" in play.happen(Undone("U1", play.last(CLIENT).number)).refused


def test_a_held_opener_is_told_of_the_notice_when_the_hold_ends() -> None:
    play = vague()
    play.happen(HoldPlaced("U1", (WORKER,), "A call first."))
    play.writes(WORKER, items=found(ItemName.TIMELINE), assignment_ids=(ID,), listings=(LISTING,))
    assert play.got(WORKER) == ["receipt", "filed"]
    assert play.at(Stage.GATHERING)
    play.happen(HoldEnded("U1"))
    assert play.last(WORKER).name == "complete"
    assert play.at(Stage.NOTICE)


def test_while_the_other_side_is_held_a_person_sends_the_notice() -> None:
    play = vague()
    play.happen(HoldPlaced("U1", (CLIENT,), "On the phone with them."))
    play.writes(WORKER, items=found(ItemName.TIMELINE), assignment_ids=(ID,), listings=(LISTING,))
    assert play.last(WORKER).facts["notice_by_person"]
    assert "notice" in play.waits


def test_what_staff_accept_at_night_is_told_in_the_morning_with_the_pause_counted_from_there() -> None:
    play = Play()
    play.complete_payment(items=found(ItemName.TIMELINE, confidence=0.4))
    play.now = EVENING
    play.happen(ItemAccepted("U1", ItemName.TIMELINE))
    assert play.outbox[-1].sending is Sending.UNASKED
    assert play.outbox[-1].facts["notice_on"] == play.outbox[-1].not_before + timedelta(days=1)


# --- The ladder -----------------------------------------------------------------------------------------------------


def test_a_ladder_asks_for_nothing_once_everything_is_here_although_the_mail_was_dangerous() -> None:
    play = noticed()
    play.writes(CLIENT, "We pay Friday, and I know where you live.", flags=("threat",), items=found(ItemName.ANSWER))
    assert play.at(Stage.TALKS)
    assert play.last(CLIENT).name == "receipt_danger"
    play.wait("10 business days")
    assert "reminder" not in play.got(CLIENT)


def test_an_opener_who_completes_the_case_with_a_threat_is_not_reminded_of_it() -> None:
    play = vague()
    given = {"items": found(ItemName.TIMELINE), "assignment_ids": (ID,), "listings": (LISTING,)}
    play.writes(WORKER, "Pay or else.", flags=("threat",), **given)
    assert play.got(WORKER) == ["receipt", "receipt_danger"]
    play.wait("10 business days")
    assert play.at(Stage.GATHERING)
    assert "reminder" not in play.got(WORKER)
    play.happen(FlagLooked("U1", "threat"))
    assert play.at(Stage.NOTICE)
    assert play.last(WORKER).name == "complete"


def test_a_reminder_later_than_the_deadline_is_left_out() -> None:
    play = noticed()
    slow = POLICY.calendar(None).after
    request = replace(POLICY.request, remind=(POLICY.request.remind[0], POLICY.request.end))
    play.policy = replace(POLICY, request=request)
    deadline = slow(play.last(CLIENT).not_before, POLICY.request.deadline)
    play.wait("3 business days")
    clock = play.case.clock(Who.CLIENT, What.FINAL)
    assert clock
    assert clock.due_at == deadline


def test_without_reminders_the_final_notice_comes_first() -> None:
    play = Play(policy=replace(POLICY, request=replace(POLICY.request, remind=())))
    play.opens(Kind.RATING)
    assert "remind_first" not in play.last(WORKER).facts
    play.wait("8 business days")
    assert play.got(WORKER) == ["receipt", "final"]


def test_a_new_request_never_cuts_short_what_an_extension_announced() -> None:
    play = noticed()
    play.happen(Extended("U1", CLIENT, "Ill."))
    announced = play.last(CLIENT).facts["end"]
    bounce(play, CLIENT)
    new_address(play, CLIENT)
    assert play.last(CLIENT).name == "notice"
    assert play.last(CLIENT).facts["end"] == announced


def test_words_at_an_impasse_that_may_be_the_answer_count_as_one_until_staff_have_read_them() -> None:
    play = at_impasse()
    play.writes(CLIENT, "I need more time.", intent="more_time")
    assert play.at(Stage.IMPASSE)
    assert "reply" in play.waits
    play.writes(CLIENT, "It is complicated.")
    assert play.at(Stage.ANSWERING)
    assert "item:answer" in play.waits


def test_an_answer_accepted_at_an_impasse_of_no_agreement_moves_nothing() -> None:
    play = in_talks()
    play.happen(ImpasseProposed("U1", Impasse.NO_AGREEMENT))
    play.happen(ItemAccepted("U1", ItemName.ANSWER))
    assert play.at(Stage.IMPASSE)


def test_an_answer_that_waits_for_staff_is_no_silence() -> None:
    play = noticed()
    play.writes(CLIENT, "It is complicated.")
    assert "answer is here" in play.happen(ImpasseProposed("U1", Impasse.NO_RESPONSE)).refused


def test_a_second_mail_while_the_answer_waits_for_staff_is_filed() -> None:
    play = noticed()
    play.writes(CLIENT, "It is complicated.")
    play.writes(CLIENT, "Did you get my mail?")
    assert play.got(CLIENT) == ["notice", "answer_received", "filed"]


def test_asking_for_more_time_again_or_with_no_deadline_waits_for_a_persons_reply() -> None:
    play = noticed()
    play.happen(Extended("U1", CLIENT, "Ill."))
    play.writes(CLIENT, "Still more time, please.", intent="more_time")
    assert "reply" in play.waits


def test_a_request_for_more_time_is_moot_once_the_answer_is_here() -> None:
    play = noticed()
    play.writes(CLIENT, "I need more time.", intent="more_time")
    play.answers()
    assert play.waits == ["release"]


def test_out_of_office_answers_hold_five_days_in_all_and_not_anew_each_time() -> None:
    play = noticed()
    play.happen(PartyAway(CLIENT, 9, date(2026, 5, 5)))
    play.wait("2 business days")
    play.happen(PartyAway(CLIENT, 10, date(2026, 5, 5)))
    wake = play.case.clock(Who.CLIENT, What.WAKE)
    assert wake
    assert f"{wake.due_at:%d}" == "10"


def test_a_request_kept_back_while_the_party_was_away_is_written_when_it_is_back() -> None:
    play = noticed()
    play.happen(PartyAway(CLIENT, 9, date(2026, 3, 6)))
    play.writes(CLIENT, "It is complicated.")
    play.happen(PartyAway(CLIENT, 10, date(2026, 3, 6)))
    play.happen(HoldPlaced("U1", (CLIENT,), "A call."))
    play.happen(ItemRejected("U1", ItemName.ANSWER, "No date."))
    assert "request" not in play.got(CLIENT)
    play.happen(HoldEnded("U1"))
    play.wait("1 business hour")
    assert play.last(CLIENT).name == "request"


# --- Letters that did not leave ---------------------------------------------------------------------------------------


def test_a_receipt_that_could_not_leave_is_written_as_a_receipt_again() -> None:
    play = Play(smtp=False)
    play.opens(Kind.RATING)
    play.wait("5 business hours")
    play.smtp = True
    play.wait("1 second")
    assert play.got(WORKER) == ["receipt"]
    assert play.last(WORKER).facts["missing"] == ("assignment_id", "worker_explanation")


def test_a_final_notice_overtaken_by_a_hold_is_written_when_the_hold_ends() -> None:
    play = noticed()
    clock = play.case.clock(Who.CLIENT, What.REMIND)
    assert clock
    play.wait("4 business days")
    play.smtp = False
    play.wait("1 business day")
    assert play.outbox[-1].name == "final"
    play.happen(HoldPlaced("U1", (CLIENT,), "A call."))
    assert play.outbox == []
    play.smtp = True
    play.wait("5 business days")
    assert "final" not in play.got(CLIENT)
    play.happen(HoldEnded("U1"))
    play.wait("1 business hour")
    assert play.got(CLIENT)[-1] == "final"
    assert play.got(CLIENT).count("final") == 1


def test_a_reminder_overtaken_by_a_hold_is_not_written_again() -> None:
    play = noticed()
    play.smtp = False
    play.wait("2 business days")
    assert "reminder" in [letter.name for letter in play.outbox]
    play.happen(HoldPlaced("U1", (CLIENT,), "A call."))
    assert "reminder" not in [letter.name for letter in play.outbox]


@pytest.mark.parametrize("name", ["extended", "catch_up"])
def test_new_dates_that_could_not_be_told_are_told_as_they_are_then(name: str) -> None:
    play = noticed()
    play.smtp = False
    if name == "extended":
        play.happen(Extended("U1", CLIENT, "Ill."))
    else:
        play.now += timedelta(hours=3)
        play.happen(TimeLost(play.now - timedelta(hours=3), play.now))
    play.wait("5 business hours")
    play.smtp = True
    play.wait("1 business hour")
    assert play.last(CLIENT).name == name
    clock = play.case.clock(Who.CLIENT, What.REMIND, What.FINAL)
    assert clock
    assert play.last(CLIENT).facts["end"] == clock.end_at


def test_after_the_deadline_new_dates_name_only_the_end() -> None:
    play = noticed()
    play.wait("6 business days")
    play.now += timedelta(hours=3)
    play.happen(TimeLost(play.now - timedelta(hours=3), play.now))
    assert play.last(CLIENT).name == "catch_up"
    assert "deadline" not in play.last(CLIENT).facts
    assert play.last(CLIENT).facts["end"] == play.due(Who.CLIENT, What.LAPSE)


def test_news_that_could_not_leave_is_made_up_for_by_a_status_line() -> None:
    play = in_review()
    play.happen(LetterSettled(play.last(WORKER).number, WORKER, left=False, evidence="bounced log", name="impasse"))
    assert play.last(WORKER).name == "status"
    assert play.last(WORKER).facts["stage"] == "review"


def test_a_lost_receipt_whose_item_waits_for_staff_is_written_again_and_status_lines_rest_on_it() -> None:
    play = Play(smtp=False)
    play.complete_payment(items=found(ItemName.TIMELINE, confidence=0.4), assignment_ids=())
    play.happen(ItemWaived("U1", ItemName.ASSIGNMENT_ID, "Known."))
    play.wait("5 business hours")
    play.smtp = True
    play.wait("1 second")
    assert play.got(WORKER) == ["receipt"]
    play.wait("3 business days")
    assert play.got(WORKER) == ["receipt", "status"]


def test_a_reply_that_did_not_leave_is_put_to_a_person_again() -> None:
    play = noticed()
    play.happen(StaffReplied("U1", CLIENT, "Could you call us?"))
    number = play.outbox[-1].number
    play.happen(LetterFailed(number, "reply", CLIENT, "unknown", "cut"))
    play.happen(LetterSettled(number, CLIENT, left=False, evidence="not in Sent", name="reply"))
    assert play.waits == ["reply"]


def test_an_outcome_that_did_not_leave_goes_out_again_to_that_side_alone() -> None:
    play = resolved()
    number = play.last(CLIENT).number
    play.happen(LetterSettled(number, CLIENT, left=False, evidence="not in Sent", name="outcome"))
    play.wait("61 seconds")
    assert play.got(CLIENT).count("outcome") == 2
    assert play.got(WORKER).count("outcome") == 1
    assert play.case.outcome
    assert play.last(CLIENT).number in play.case.outcome.letters


def test_a_release_that_did_not_leave_goes_out_again_with_new_dates() -> None:
    play = in_talks()
    play.happen(Released("U1", 2))
    play.smtp = False
    play.wait("5 business hours")
    play.smtp = True
    play.wait("61 seconds")
    assert play.last(WORKER).facts["statement"] == "We approved it on Monday."
    assert play.due(Who.WORKER, What.FINAL) == play.last(WORKER).facts["comment_until"]
    assert play.case.statements[1].by == "U1"


def test_a_release_lost_under_a_hold_goes_out_when_it_ends() -> None:
    play = in_talks()
    play.happen(Released("U1", 2))
    number = play.outbox[-1].number
    play.outbox.clear()
    play.happen(HoldPlaced("U1", (WORKER,), "A call."))
    play.happen(LetterSettled(number, WORKER, left=False, evidence="not in Sent", name="release"))
    assert "release" not in play.got(WORKER)
    play.happen(HoldEnded("U1"))
    play.wait("61 seconds")
    assert play.last(WORKER).name == "release"


def test_a_status_line_that_has_not_left_is_overtaken_by_the_next() -> None:
    play = in_review()
    play.smtp = False
    play.wait("5 business days")
    assert [letter.name for letter in play.outbox if letter.role is WORKER] == ["status"]


# --- New addresses --------------------------------------------------------------------------------------------------


def test_a_bounced_receipt_in_notice_is_said_again_and_the_pause_starts_anew() -> None:
    play = complete(Kind.PAYMENT)
    bounce(play, WORKER)
    play.wait("5 business days")
    assert play.got(CLIENT) == []
    new_address(play, WORKER)
    assert play.last(WORKER).name == "complete"
    play.wait("1 business day")
    assert play.got(CLIENT) == ["notice"]


def test_a_receipt_that_bounced_while_staff_hold_the_case_is_said_again_when_the_hold_ends() -> None:
    play = complete(Kind.PAYMENT)
    bounce(play, WORKER)
    play.happen(HoldPlaced("U1", (WORKER,), "A call."))
    new_address(play, WORKER)
    assert play.got(WORKER) == ["receipt"]
    play.wait("3 business days")
    assert play.got(CLIENT) == []
    play.happen(HoldEnded("U1"))
    assert play.got(WORKER) == ["receipt", "complete"]
    play.wait("1 business day")
    assert play.at(Stage.ANSWERING)


def test_a_bounced_release_goes_to_the_new_address_and_not_a_request() -> None:
    play = in_talks()
    play.happen(Released("U1", 2))
    play.wait("61 seconds")
    bounce(play, WORKER)
    play.happen(ContactSet("U1", WORKER, "new@worker.example"))
    play.wait("61 seconds")
    assert play.got(WORKER)[-2:] == ["release", "release"]


def test_a_bounced_letter_that_asked_to_agree_is_said_again_at_the_new_address() -> None:
    play = in_talks()
    play.happen(Released("U1", 2))
    play.wait("4 business days")
    bounce(play, CLIENT)
    play.wait("10 business days")
    assert play.at(Stage.TALKS)  # The worker's time is over, but nobody is judged unheard.
    new_address(play, CLIENT)
    assert play.last(CLIENT).name == "agree"
    play.wait("5 business days")
    assert play.at(Stage.IMPASSE)


def test_a_bounced_outcome_goes_to_the_new_address() -> None:
    play = resolved()
    bounce(play, CLIENT)
    assert play.waits == ["address:client"]
    play.happen(ContactSet("U1", CLIENT, "new@client.example"))
    play.wait("61 seconds")
    assert play.got(CLIENT)[-1] == "outcome"


def test_a_bounced_closing_is_said_again_and_closes_when_both_had_their_days() -> None:
    play = noticed()
    play.writes(WORKER, "It is settled.", intent="resolved")
    bounce(play, CLIENT)
    play.wait("5 business days")
    assert play.at(Stage.ANSWERING)
    new_address(play, CLIENT)
    assert play.last(CLIENT).name == "closing"
    play.wait("2 business days")
    assert play.at(Stage.CLOSED)


def test_a_party_of_whom_nothing_is_asked_hears_at_its_new_address_how_it_stands() -> None:
    play = noticed()
    bounce(play, WORKER)
    new_address(play, WORKER)
    assert play.last(WORKER).name == "status"


def test_an_address_given_before_anything_was_written_changes_no_letters() -> None:
    play = complete(Kind.PAYMENT)
    play.happen(LetterBounced(CLIENT, None, ADDRESS[CLIENT], ""))
    new_address(play, CLIENT)
    assert play.got(CLIENT) == []


def test_a_bounce_on_a_closed_case_asks_nobody_until_it_is_open_again() -> None:
    play = vague()
    play.happen(Dismissed("U1", 1001, ""))
    bounce(play, WORKER)
    assert play.waits == []
    play.writes(WORKER, "It is another case.")
    assert "address:worker" in play.waits
    assert play.case.awaits() == (Who.WORKER, Who.STAFF)
    play.happen(ContactSet("U1", WORKER, "new@worker.example"))
    assert play.last(WORKER).name == "request"


# --- Holds ----------------------------------------------------------------------------------------------------------


def test_danger_takes_back_a_request_that_has_not_left_and_it_is_asked_again_afterwards() -> None:
    play = noticed()
    play.now = EVENING
    play.writes(CLIENT, "It is complicated.")
    play.happen(ItemRejected("U1", ItemName.ANSWER, "No date."))
    assert play.outbox[-1].name == "request"
    play.writes(WORKER, "They will regret it.", flags=("threat",))
    assert play.outbox == []
    assert play.case.clock(Who.CLIENT, What.REMIND) is not None
    play.wait("2 business days")
    assert "request" not in play.got(CLIENT)
    play.happen(FlagLooked("U1", "threat"))
    play.wait("1 business hour")
    assert play.last(CLIENT).name == "request"
    assert play.last(CLIENT).facts["reason"] == "No date."


def test_danger_calls_somebody_at_once() -> None:
    play = noticed()
    decision = play.writes(CLIENT, "I know where you live.", flags=("threat",))
    assert [e.mention for e in decision.effects if isinstance(e, Note) and e.mention] == ["channel"]


def test_danger_from_both_sides_holds_both() -> None:
    play = noticed()
    play.writes(WORKER, "Or else.", flags=("threat",))
    play.writes(CLIENT, "Or else yourself.", flags=("threat",))
    assert [hold.roles for hold in play.case.holds] == [(WORKER, CLIENT)]
    assert play.last(CLIENT).name == "receipt_danger"


def test_under_danger_the_other_side_gets_no_letter_at_all_and_a_status_line_afterwards() -> None:
    play = noticed()
    play.writes(WORKER, "Or else.", flags=("threat",))
    play.answers()
    assert play.at(Stage.TALKS)
    assert play.got(CLIENT) == ["notice"]
    assert "flag" in play.happen(StaffReplied("U1", CLIENT, "Hello")).refused
    play.happen(FlagLooked("U1", "threat"))
    assert play.got(CLIENT) == ["notice", "status"]


def test_another_flag_does_not_end_the_hold_of_a_threat() -> None:
    play = noticed()
    play.writes(WORKER, "Or else.", flags=("threat", "abuse"))
    play.happen(FlagLooked("U1", "abuse"))
    assert [hold.id for hold in play.case.holds] == ["danger"]


def test_danger_takes_back_a_release_and_an_outcome_that_have_not_left() -> None:
    play = in_talks()
    play.happen(Released("U1", 2))
    play.writes(CLIENT, "They will regret it.", flags=("threat",))
    play.wait("61 seconds")
    assert "release" not in play.got(WORKER)
    assert play.case.statements[1].released_at is None
    assert "statement:2" in play.waits
    review = in_review()
    review.happen(OutcomeRecorded("U1", "paid", "Agreed."))
    review.writes(CLIENT, "They will regret it.", flags=("threat",))
    review.wait("61 seconds")
    assert review.at(Stage.REVIEW)
    assert "outcome" not in review.got(WORKER) + review.got(CLIENT)
    assert review.case.outcome is None


def test_danger_leaves_a_release_to_the_writer_alone() -> None:
    play = in_talks()
    play.happen(Released("U1", 2))
    play.writes(WORKER, "They will regret it.", flags=("threat",))
    play.wait("61 seconds")
    assert "release" in play.got(WORKER)
    review = in_review()
    review.writes(CLIENT, "They will regret it.", flags=("threat",))
    assert review.at(Stage.REVIEW)


def test_danger_after_closing_is_still_shown_and_reopens_nothing() -> None:
    play = resolved()
    play.wait("20 business days")
    play.writes(CLIENT, "You will regret this.", flags=("threat",))
    assert play.at(Stage.CLOSED)
    assert play.waits == ["flag:danger"]
    assert play.last(CLIENT).name == "receipt_danger"
    play.happen(FlagLooked("U1", "threat"))
    assert (play.waits, play.case.clocks) == ([], ())


def test_what_nobody_has_looked_at_outlives_the_closing() -> None:
    play = vague()
    play.happen(MailSuggested(CLIENT, mail(sender="x@y.example", mail_id=80), "unknown address", binds=False))
    play.happen(LetterFailed(1, "receipt", WORKER, "unknown", "cut"))
    play.happen(Dismissed("U1", None, "x"))
    assert play.waits == ["mail:80", "letter:1"]


def test_a_threat_in_an_unconfirmed_mail_holds_letters_to_both() -> None:
    play = noticed()
    facts = mail(sender="x@y.example", mail_id=80, flags=("threat",))
    play.happen(MailSuggested(None, facts, "unknown address"))
    assert play.waits == ["mail:80", "flag:danger"]
    assert {role for hold in play.case.holds for role in hold.roles} == {WORKER, CLIENT}


def test_a_subject_number_alone_holds_back_no_request() -> None:
    play = noticed()
    play.writes(CLIENT, "It is complicated.")
    play.happen(MailSuggested(CLIENT, mail(sender="x@y.example", mail_id=80), "subject only", binds=False))
    play.happen(ItemRejected("U1", ItemName.ANSWER, "No date."))
    play.wait("1 business hour")
    assert play.last(CLIENT).name == "request"


def test_a_confirmed_impasse_is_told_to_a_held_side_when_the_hold_ends() -> None:
    play = at_impasse()
    play.happen(HoldPlaced("U1", (CLIENT,), "A call."))
    play.happen(ImpasseConfirmed("U1"))
    assert play.last(WORKER).name == "impasse"
    assert "impasse" not in play.got(CLIENT)
    play.happen(HoldEnded("U1"))
    play.wait("1 business hour")
    assert play.last(CLIENT).name == "status"


def test_a_wider_hold_grows_and_keeps_its_beginning() -> None:
    play = noticed()
    play.happen(HoldPlaced("U1", (CLIENT,), "One."))
    play.wait("1 business day")
    play.happen(HoldPlaced("U1", (WORKER,), "Two."))
    (hold,) = play.case.holds
    assert (hold.roles, hold.since) == ((WORKER, CLIENT), MONDAY + timedelta(days=1))


def test_ending_a_legal_hold_by_hand_ends_its_clock() -> None:
    play = vague()
    play.writes(WORKER, "My lawyer is ready.", flags=("legal_threat",))
    play.happen(HoldEnded("U1", "legal"))
    assert play.case.clock(Who.STAFF, What.WAKE) is None
    assert play.case.clock(Who.WORKER, What.REMIND)


def test_a_legal_threat_in_an_answer_moves_the_case_and_waits_with_letters() -> None:
    play = noticed()
    play.writes(CLIENT, "See you in court; we pay Friday.", flags=("legal_threat",), items=found(ItemName.ANSWER))
    assert play.at(Stage.TALKS)
    assert "held" in play.happen(Released("U1", 2)).refused


# --- Talks ----------------------------------------------------------------------------------------------------------


def test_two_statements_released_within_a_minute_both_arrive() -> None:
    play = in_talks()
    play.writes(CLIENT, "And one more thing.")
    play.happen(Released("U1", 2))
    play.happen(Released("U1", 3))
    play.wait("61 seconds")
    assert play.got(WORKER)[-2:] == ["release", "release"]


def test_who_still_has_time_to_comment_is_waited_for() -> None:
    play = in_talks()
    play.happen(Released("U1", 2))
    play.wait("2 business days")
    play.happen(Released("U1", 1))
    play.wait("1 business day")
    assert "agree" not in play.got(WORKER) + play.got(CLIENT)
    play.wait("3 business days")
    assert play.last(WORKER).name == play.last(CLIENT).name == "agree"
    assert play.last(CLIENT).facts["agree_until"] >= next(  # type: ignore[operator]
        letter.facts["agree_until"] for letter in play.letters if letter.name == "release" and letter.role is CLIENT
    )


def test_more_time_to_agree_for_one_side_keeps_the_impasse_away() -> None:
    play = in_talks()
    play.happen(Released("U1", 2))
    play.wait("4 business days")
    play.happen(Extended("U1", CLIENT, "Ill."))
    play.wait("5 business days")
    assert play.at(Stage.TALKS)
    play.wait("2 business days")
    assert play.at(Stage.IMPASSE)


def test_more_time_to_comment_is_given_and_told() -> None:
    play = in_talks()
    play.happen(Released("U1", 2))
    play.wait("1 business day")
    due = play.due(Who.WORKER, What.FINAL)
    play.happen(Extended("U1", WORKER, "Ill."))
    assert play.due(Who.WORKER, What.FINAL) == POLICY.calendar(None).after(due, POLICY.limits.extension)
    assert play.last(WORKER).name == "extended"
    play.wait_while(lambda p: "agree" not in p.got(WORKER))
    assert play.at(Stage.TALKS)


def test_time_lost_in_the_talks_is_given_back_and_the_new_end_is_told() -> None:
    play = in_talks()
    play.happen(Released("U1", 2))
    play.wait("1 business day")
    due = play.due(Who.WORKER, What.FINAL)
    play.now += timedelta(hours=3)
    play.happen(TimeLost(play.now - timedelta(hours=3), play.now))
    assert play.due(Who.WORKER, What.FINAL) == due + timedelta(hours=3)
    assert play.last(WORKER).name == "release"
    play.wait("4 business days")
    play.now += timedelta(hours=1)
    play.happen(TimeLost(play.now - timedelta(hours=1), play.now))
    assert play.last(WORKER).name == "agree"
    assert play.last(WORKER).facts["agree_until"] == play.due(Who.WORKER, What.LAPSE)


def test_a_held_side_is_asked_to_agree_when_its_hold_ends() -> None:
    play = in_talks()
    play.happen(Released("U1", 2))
    play.happen(HoldPlaced("U1", (CLIENT,), "A call."))
    play.wait("20 business days")
    assert play.at(Stage.TALKS)
    play.happen(HoldEnded("U1"))
    play.wait("1 business hour")
    assert play.last(CLIENT).name == "agree"


def test_a_release_taken_back_is_none() -> None:
    play = in_talks()
    play.happen(Released("U1", 2))
    play.happen(Undone("U2", play.outbox[-1].number))
    play.wait("61 seconds")
    assert "release" not in play.got(WORKER)
    assert "statement:2" in play.waits
    play.happen(Released("U1", 2))
    play.wait("61 seconds")
    assert play.last(WORKER).name == "release"


def test_nothing_is_released_to_a_side_without_an_address() -> None:
    play = in_talks()
    play.happen(HoldEnded("U1"))
    contacts = tuple(replace(contact, bounced=True) for contact in play.case.worker.contacts)
    play.case = replace(play.case, worker=replace(play.case.worker, contacts=contacts))
    assert "no address" in play.happen(Released("U1", 2)).refused


def test_an_empty_mail_in_the_talks_is_filed() -> None:
    play = in_talks()
    play.writes(WORKER, "  ")
    assert play.waits == ["release"]
    assert play.last(WORKER).name == "filed"


def test_skipping_the_talks_forgets_what_could_have_been_released() -> None:
    play = in_talks()
    play.writes(WORKER, "I disagree with that.")
    play.happen(TalksSkipped("U1", "Clear."))
    assert play.waits == ["review"]


# --- Settling -------------------------------------------------------------------------------------------------------


def test_an_answer_takes_back_the_closing_that_the_other_side_has_not_got_yet() -> None:
    play = noticed()
    play.now = EVENING
    play.writes(WORKER, "It is settled.", intent="resolved")
    play.writes(WORKER, "No wait.", intent="still_waiting")
    play.wait("1 business day")
    assert "closing" not in play.got(CLIENT)


def test_status_lines_rest_on_a_letter_that_was_not_taken_back() -> None:
    play = vague()
    bounce(play, WORKER)
    play.smtp = False
    play.happen(ContactSet("U1", WORKER, "new@worker.example"))
    play.happen(HoldPlaced("U1", (WORKER,), "A call."))
    play.writes(WORKER, "It is settled.", intent="resolved")
    given = {"items": found(ItemName.TIMELINE), "assignment_ids": (ID,), "listings": ()}
    play.writes(WORKER, "No, pay or else.", flags=("threat",), **given)
    play.smtp = True
    play.happen(HoldEnded("U1"))
    play.wait("3 business days")
    assert play.got(WORKER) == ["receipt", "receipt_danger", "status"]


def test_a_closing_waits_until_both_have_had_their_two_days() -> None:
    play = noticed()
    play.smtp = False
    play.writes(WORKER, "It is settled.", intent="resolved")
    play.smtp = True
    play.sent_at |= {letter.number: play.now for letter in play.outbox if letter.role is WORKER}
    play.outbox = [letter for letter in play.outbox if letter.role is CLIENT]
    play.smtp = False
    play.wait("3 business days")
    assert play.at(Stage.ANSWERING)
    play.smtp = True
    play.wait("1 business hour")
    assert play.last(CLIENT).name == "closing"
    play.wait("2 business days")
    assert play.at(Stage.CLOSED)


def test_a_closing_that_a_held_side_cannot_get_closes_when_the_other_has_had_its_days() -> None:
    play = noticed()
    play.now = EVENING
    play.writes(WORKER, "It is settled.", intent="resolved")
    play.happen(HoldPlaced("U1", (CLIENT,), "A call."))
    assert play.outbox == []
    play.wait("3 business days")
    assert play.case.closed is Closing.SETTLED


def test_a_closing_that_nobody_could_be_told_of_is_off() -> None:
    play = complete(Kind.PAYMENT)
    play.writes(WORKER, "Please close it.", intent="resolved")
    play.happen(HoldPlaced("U1", (WORKER,), "A call."))
    play.happen(LetterSettled(play.last(WORKER).number, WORKER, left=False, evidence="not in Sent", name="closing"))
    assert play.case.closing is None
    assert "reply" in play.waits


def test_a_danger_held_opener_who_says_it_is_settled_waits_for_a_person() -> None:
    play = noticed()
    play.writes(CLIENT, "Or else.", flags=("threat",))
    play.writes(WORKER, "It is settled.", intent="resolved")
    assert play.case.closing is None
    assert "reply" in play.waits
    assert "closing" not in play.got(WORKER)


def test_settled_while_the_outcome_is_on_its_way_changes_nothing() -> None:
    play = in_review()
    play.happen(OutcomeRecorded("U1", "paid", "Agreed."))
    play.writes(WORKER, "It is settled.", intent="resolved")
    assert play.case.closing is None
    play.wait("61 seconds")
    assert play.at(Stage.RESOLVED)


def test_an_outcome_ends_an_offered_closing() -> None:
    play = in_review()
    play.writes(WORKER, "It is settled.", intent="resolved")
    play.happen(OutcomeRecorded("U1", "paid", "Agreed."))
    play.wait("5 business days")
    assert play.at(Stage.RESOLVED)


def test_settled_or_nothing_at_all_neither_reopens_nor_asks_to_reconsider() -> None:
    play = resolved()
    play.writes(WORKER, "All is well.", intent="resolved")
    play.writes(WORKER, "   ")
    assert play.at(Stage.RESOLVED)
    assert play.last(WORKER).name == "filed"
    play.wait("20 business days")
    play.writes(WORKER, "All is well.", intent="resolved")
    assert play.at(Stage.CLOSED)


# --- Reopening ------------------------------------------------------------------------------------------------------


def settled_by(play: Play) -> Play:
    play.writes(WORKER, "It is settled.", intent="resolved")
    play.wait("2 business days")
    assert play.at(Stage.CLOSED)
    return play


def test_a_reply_of_the_silent_side_reopens_and_is_asked_for_its_answer() -> None:
    play = settled_by(noticed())
    play.writes(CLIENT, "It is not settled!", intent="still_waiting")
    assert play.at(Stage.ANSWERING)
    assert play.last(CLIENT).name == "reopened"
    assert play.last(CLIENT).facts["missing"] == ("answer",)
    assert "filed" not in play.got(WORKER)


def test_a_reply_that_brings_the_answer_reopens_and_goes_on() -> None:
    play = settled_by(noticed())
    play.answers()
    assert play.at(Stage.TALKS)
    assert play.last(CLIENT).facts["missing"] == ()


def test_a_reply_of_the_other_side_to_a_case_that_was_never_noticed_asks_the_opener_afresh() -> None:
    play = vague()
    play.writes(CLIENT, "What is this?", sender=ADDRESS[CLIENT])
    play.wait("8 business days")
    assert play.case.closed is Closing.INCOMPLETE
    play.writes(CLIENT, "Hello?")
    assert play.at(Stage.GATHERING)
    assert play.last(CLIENT).name == "reopened"
    play.wait("1 business hour")
    assert play.last(WORKER).name == "request"


def test_a_reply_of_the_other_side_to_a_withdrawn_case_announces_the_notice_anew() -> None:
    play = complete(Kind.PAYMENT)
    play.writes(CLIENT, "What is this?")
    settled_by(play)
    play.writes(CLIENT, "I do want to answer.")
    assert play.at(Stage.NOTICE)
    assert play.last(CLIENT).name == "reopened"
    assert play.last(WORKER).name == "complete"


def test_a_reopened_case_at_an_impasse_waits_for_its_confirmation_again() -> None:
    play = settled_by(at_impasse())
    play.writes(WORKER, "It is not.")
    assert play.at(Stage.IMPASSE)
    assert play.waits == ["impasse"]
    assert play.last(WORKER).name == "reopened"


def test_a_reopened_case_whose_answer_waits_for_staff_goes_on_waiting() -> None:
    play = noticed()
    play.writes(CLIENT, "It is complicated.")
    settled_by(play)
    play.writes(WORKER, "It is not.")
    assert play.waits == ["item:answer"]


def test_a_case_that_was_no_dispute_asks_a_person() -> None:
    play = vague()
    play.happen(Dismissed("U1", None, "A question."))
    play.writes(WORKER, "But it is!")
    assert play.waits == ["reply"]


# --- Staff ----------------------------------------------------------------------------------------------------------


def test_a_new_wait_does_not_put_off_an_older_one() -> None:
    play = at_impasse()
    nudge = play.due(Who.STAFF, What.NUDGE)
    play.wait("5 business hours")
    play.happen(MailSuggested(CLIENT, mail(sender="x@y.example", mail_id=80), "unknown address"))
    assert play.due(Who.STAFF, What.NUDGE) == nudge


def test_after_the_digest_something_new_starts_the_ladder_again() -> None:
    play = at_impasse()
    play.wait("5 business days")
    play.happen(MailSuggested(CLIENT, mail(sender="x@y.example", mail_id=80), "unknown address"))
    assert play.due(Who.STAFF, What.NUDGE) == POLICY.calendar(None).after(play.now, POLICY.staff.nudge)


def test_danger_comes_first_in_the_staff_ladder() -> None:
    play = at_impasse()
    play.writes(WORKER, "Or else.", flags=("threat",))
    assert play.due(Who.STAFF, What.NUDGE) == POLICY.calendar(None).after(play.now, POLICY.staff.danger)


def test_the_person_who_undid_an_outcome_may_record_it_again() -> None:
    play = resolved()
    play.writes(WORKER, "New papers.")
    play.happen(OutcomeRecorded("U2", "paid", "They settle it."))
    play.happen(Undone("U2"))
    assert not play.happen(OutcomeRecorded("U2", "paid", "They settle it all.")).refused


def test_an_outcome_that_is_leaving_cannot_be_undone() -> None:
    play = in_review()
    play.happen(OutcomeRecorded("U1", "paid", "Agreed."))
    play.now += timedelta(seconds=61)
    assert "no outcome" in play.happen(Undone("U1", play.outbox[-1].number)).refused


def test_an_outcome_may_be_undone_by_the_number_of_one_of_its_letters() -> None:
    play = in_review()
    play.happen(OutcomeRecorded("U1", "paid", "Agreed."))
    play.happen(Undone("U1", play.outbox[-1].number))
    assert play.case.outcome is None


@pytest.mark.parametrize("letter", [0, 99])
def test_a_letter_that_does_not_exist_cannot_be_taken_back(letter: int) -> None:
    assert "no letter" in noticed().happen(Undone("U1", letter)).refused


def test_a_letter_that_dates_rest_on_is_not_taken_back() -> None:
    play = vague()
    assert "dates" in play.happen(Undone("U1", 1)).refused


def test_a_status_line_still_comes_after_a_first_reply_was_taken_back() -> None:
    play = complete(Kind.PAYMENT)
    play.writes(CLIENT, "What is this?", flags=("threat",))
    play.happen(StaffReplied("U1", CLIENT, "Hello."))
    play.happen(Undone("U1", play.outbox[-1].number))
    play.happen(FlagLooked("U1", "threat"))
    play.wait("3 business days")
    assert "status" in play.got(CLIENT)


def test_a_mail_is_confirmed_once_and_never_against_the_other_sides_address() -> None:
    play = noticed()
    stranger = mail(CLIENT, "We approved it.", sender="cc@elsewhere.example", mail_id=77)
    play.happen(MailSuggested(CLIENT, stranger, "unknown address"))
    assert not play.happen(SenderConfirmed("U1", CLIENT, stranger)).refused
    assert "counts already" in play.happen(SenderConfirmed("U2", CLIENT, stranger)).refused
    theirs = mail(WORKER, "It is settled.", mail_id=78)
    assert "of the worker" in play.happen(SenderConfirmed("U1", CLIENT, theirs)).refused


def test_a_confirmed_mail_without_an_address_adds_none() -> None:
    play = noticed()
    facts = mail(CLIENT, "By phone: we approved it.", sender="", mail_id=77)
    play.happen(SenderConfirmed("U1", CLIENT, facts))
    assert len(play.case.client.contacts) == 1


def test_items_outside_their_stage_are_only_noted() -> None:
    play = noticed()
    play.happen(ItemRejected("U1", ItemName.TIMELINE, "It names no dates."))
    assert play.at(Stage.ANSWERING)
    assert play.got(WORKER) == ["receipt"]
    play.happen(ItemAccepted("U1", ItemName.TIMELINE))
    assert play.at(Stage.ANSWERING)


# --- Time -----------------------------------------------------------------------------------------------------------


def test_a_status_line_says_since_when_it_waits_and_for_whom() -> None:
    play = noticed()
    play.wait("2 business days")
    status = next(letter for letter in play.letters if letter.name == "status")
    assert (status.role, status.facts["awaits"]) == (WORKER, "client")
    assert status.facts["since"] == MONDAY + timedelta(days=1)
    review = in_review()
    confirmed = review.now
    review.wait("2 business days")
    assert (review.last(CLIENT).facts["awaits"], review.last(CLIENT).facts["since"]) == ("staff", confirmed)


def test_when_nobody_owes_anything_a_status_line_says_so() -> None:
    play = Play()
    play.complete_payment(listings=(replace(LISTING, due_on=date(2026, 3, 20)),))
    play.wait("2 business days")
    assert play.last(WORKER).name == "status"
    assert play.last(WORKER).facts["awaits"] == ""


def test_a_case_that_never_opened_answers_every_stray_event() -> None:
    play = Play()
    play.happen(ClockDue(Who.STAFF, What.NUDGE, Topic.STAFF, MONDAY))
    play.happen(LetterLate(1, "notice", CLIENT))
    play.happen(TimeLost(MONDAY - timedelta(hours=1), MONDAY))
    assert play.case.stage is Case(1042).stage


def test_time_lost_moves_only_what_came_after() -> None:
    play = noticed()
    due = play.due(Who.CLIENT)
    play.wait("1 business day")
    play.now += timedelta(hours=2)
    play.happen(TimeLost(play.now - timedelta(hours=2), play.now))
    assert play.due(Who.CLIENT) == later(due, 0) + timedelta(hours=2)


def test_a_failed_authentication_gets_no_letter_also_when_the_mail_is_dangerous() -> None:
    play = Play()
    play.opens(Kind.RATING, verdict=Verdict.FAIL, flags=("threat",))
    assert play.letters == []
    assert play.waits == ["sorting", "flag:danger"]


def test_a_late_answer_rejected_under_a_hold_gets_its_two_days_when_the_hold_ends() -> None:
    play = at_impasse()
    play.writes(CLIENT, "It is complicated.")
    play.happen(HoldPlaced("U1", (CLIENT,), "A call."))
    play.happen(ItemRejected("U1", ItemName.ANSWER, "No date."))
    assert "request" not in play.got(CLIENT)
    play.wait("5 business days")
    play.happen(HoldEnded("U1"))
    play.wait("1 business hour")
    assert play.last(CLIENT).name == "request"
    clock = play.case.clock(Who.CLIENT, What.LAPSE)
    assert clock
    assert clock.topic is Topic.PARTIAL
    assert clock.due_at == POLICY.calendar(None).after(play.last(CLIENT).not_before, POLICY.limits.partial)


def test_a_braked_answer_that_must_be_said_waits_for_the_free_moment() -> None:
    play = vague(Kind.RATING)
    play.now = EVENING
    play.braked = (WORKER,)
    play.writes(WORKER, assignment_ids=(ID,), listings=(LISTING,))
    assert (play.outbox[-1].name, play.outbox[-1].sending) == ("partial", Sending.UNASKED)


def test_a_name_given_by_staff_outlives_a_wrong_assignment_id() -> None:
    play = complete(Kind.PAYMENT)
    play.happen(ContactSet("U1", CLIENT, "boss@client.example", "The Boss"))
    play.happen(ItemRejected("U1", ItemName.ASSIGNMENT_ID, "It is about another one."))
    assert play.case.client.name == "The Boss"
    assert [contact.address for contact in play.case.client.contacts] == ["boss@client.example"]


def test_a_clock_handed_over_although_it_is_held_changes_nothing() -> None:
    play = noticed()
    play.happen(HoldPlaced("U1", (CLIENT,), "A call."))
    (clock,) = [each for each in play.case.clocks if each.held_by and each.topic is Topic.REQUEST]
    before = play.case
    play.happen(ClockDue(clock.who, clock.what, clock.topic, clock.due_at))
    assert replace(play.case, version=before.version) == before


def test_a_threat_that_nobody_has_looked_at_outlives_the_closing() -> None:
    play = vague()
    play.writes(WORKER, "Or else.", flags=("threat",))
    play.wait("8 business days")
    assert play.case.closed is Closing.INCOMPLETE
    assert play.waits == ["flag:danger"]


def test_a_request_that_bounced_is_asked_again_at_the_new_address_when_the_closing_is_called_off() -> None:
    play = vague()
    play.happen(ContactSet("U1", WORKER, "second@worker.example"))
    bounce(play, WORKER)
    play.writes(WORKER, "Please close it.", intent="resolved")
    play.happen(ContactSet("U1", WORKER, "third@worker.example"))
    play.writes(WORKER, "No, please go on.")
    play.wait("3 business days")
    assert play.got(WORKER) == ["receipt", "closing", "closing", "filed", "request", "reminder"]


def test_a_closing_that_bounced_is_offered_again_at_the_new_address_and_closes_when_its_days_are_over() -> None:
    play = complete(Kind.PAYMENT)
    play.writes(WORKER, "Please close it.", intent="resolved")
    bounce(play, WORKER)
    new_address(play, WORKER)
    assert play.got(WORKER) == ["receipt", "closing", "closing"]
    play.wait("3 business days")
    assert play.case.closed is Closing.WITHDRAWN


def test_a_letter_that_could_not_leave_before_the_sides_were_exchanged_is_forgotten_by_whom_it_was_for() -> None:
    play = Play()
    play.opens(Kind.RATING, assignment_ids=(ID,), listings=(LISTING,))
    play.bounced.add(1)
    play.happen(LetterBounced(WORKER, 1, ADDRESS[WORKER], "550"))
    play.smtp = False
    play.happen(ContactSet("U1", WORKER, "other@worker.example"))
    play.happen(Sorted("U1", Kind.RATING, CLIENT))
    play.writes(CLIENT, "It is settled.", intent="resolved")
    play.writes(CLIENT, "One more thing.")
    assert play.case.client.told not in play.cancelled
    status = play.case.clock(Who.CLIENT, What.STATUS)
    assert status is None or status.letter not in play.cancelled
