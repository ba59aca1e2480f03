"""`parley why`: the story of a case in plain words, held by snapshots in tests/why.

After a change of words: `SNAPSHOTS=update python -m pytest tests/test_why.py`, then read the difference.
"""

import os
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import get_args

import pytest

from bot.flows import events
from bot.flows.case import (
    Case,
    Clock,
    Closing,
    Contact,
    Hold,
    Impasse,
    Item,
    ItemName,
    ItemState,
    Kind,
    Outcome,
    Party,
    Provenance,
    Role,
    Stage,
    Topic,
    Wait,
    What,
    Who,
)
from bot.flows.effects import Because
from bot.flows.happened import what_happened
from bot.flows.mail import Verdict
from bot.flows.why import Sent, Told, next_steps, summary, tell
from bot.settings import load_policy
from tests.play import Play

SNAPSHOTS = Path(__file__).parent / "why"
POLICY = load_policy(None)
T0 = datetime(2026, 3, 2, 15, tzinfo=UTC)  # Monday, 10:00 in New York.
DAY = timedelta(days=1)
NOW = T0 + 3 * DAY
FREE = events.Free(T0, T0)

MAIL = events.MailFacts(
    mail_id=7,
    message_id="<m1@worker.example>",
    references=(),
    sender="wanda@worker.example",
    sender_name="Wanda",
    subject="Not paid",
    text="On 20 February I handed the work in.",
    at=T0,
    verdict=Verdict.PASS,
    verdict_reason="dmarc=pass",
    items=(events.ItemFound(ItemName.TIMELINE, 0.93, Provenance.DIRECT, "On 20 February I handed the work in."),),
    assignment_ids=("4471829360",),
)


def told(fact: events.Fact, by: str, days: float, because: Because) -> Told:
    return Told(events.Event(f"e{days}", T0 + days * DAY, by, fact, FREE), because)


def sorting() -> str:
    case = Case(
        1043,
        opened_at=T0,
        waits=(Wait("sorting", "Say what this is: rating, payment, another case, or no dispute.", T0),),
        clocks=(Clock(Who.STAFF, What.NUDGE, Topic.STAFF, T0 + DAY, asked_at=T0),),
    )
    mail = replace(MAIL, items=(), assignment_ids=(), verdict=Verdict.FAIL)
    history = (told(events.CaseOpened(mail, None, None, "D-1042"), "sender", 0, Because("Unsure: 55 % rating.")),)
    return tell(case, history, (), NOW, POLICY)


ASKED = T0 + DAY
DEADLINE, END = datetime(2026, 3, 10, 14, tzinfo=UTC), datetime(2026, 3, 13, 14, tzinfo=UTC)

ANSWERING = Case(
    1042,
    kind=Kind.PAYMENT,
    stage=Stage.ANSWERING,
    opener=Role.WORKER,
    opened_at=T0,
    subject="Payment dispute",
    assignment_ids=("4471829360",),
    worker=Party(Role.WORKER, "Wanda", "mail", contacts=(Contact("wanda@worker.example", "mail"),), written=1),
    client=Party(Role.CLIENT, "Carl", "directory", written=2),
    items=(
        Item(Role.WORKER, ItemName.ASSIGNMENT_ID, ItemState.ACCEPTED),
        Item(Role.WORKER, ItemName.TIMELINE, ItemState.ACCEPTED),
        Item(Role.CLIENT, ItemName.ANSWER, ItemState.REQUESTED, asked=(ASKED,)),
    ),
    clocks=(
        Clock(Who.CLIENT, What.REMIND, Topic.REQUEST, T0 + 3 * DAY, 2, ASKED, 0, DEADLINE, END),
        Clock(Who.WORKER, What.STATUS, Topic.STATUS, T0 + 4 * DAY, 1),
    ),
    letters=2,
)
HISTORY = (
    told(
        events.CaseOpened(MAIL, Kind.PAYMENT, Role.WORKER),
        "worker",
        0,
        Because("The worker wrote in: a payment dispute.", "triage.sure_above", "On 20 February I handed the work in."),
    ),
    told(
        events.ClockDue(Who.CLIENT, What.SEND_NOTICE, Topic.NOTICE, T0 + DAY),
        "clock",
        1,
        Because("The pause is over. The client gets the notice.", "notice.pause"),
    ),
    told(events.Claimed("Robin"), "Robin", 1.1, Because("Robin took the case.")),
)
LETTERS = (
    Sent("receipt", 1, Role.WORKER, "sent", T0, "250 2.0.0 Ok: queued as 4F2", Because("The worker wrote in.")),
    Sent("notice", 2, Role.CLIENT, "sent", ASKED, "250 OK", Because("The pause is over.", "request.deadline")),
    Sent("reminder", 3, Role.CLIENT, "ready", None, "", Because("The client has not sent: answer.", "request.remind")),
)


def answering() -> str:
    return tell(ANSWERING, HISTORY, LETTERS, NOW, POLICY)


def held() -> str:
    clocks = tuple(replace(clock, held_by=("mail:9",), held_since=NOW) for clock in ANSWERING.clocks[:1])
    case = replace(
        ANSWERING,
        owner="Robin",
        flags=("legal_threat",),
        clocks=clocks,
        holds=(Hold("mail:9", (Role.CLIENT,), "An unconfirmed mail may be the client's answer.", NOW, "rule"),),
        waits=(Wait("mail:9", "Say whether the unconfirmed mail is from a party.", NOW),),
    )
    mail = replace(MAIL, mail_id=9, sender="someone@elsewhere.example")
    last = told(
        events.MailSuggested(Role.CLIENT, mail, "unknown address"), "someone", 3, Because("Filed, unconfirmed.")
    )
    bounced = (Sent("reminder", 3, Role.CLIENT, "dead", NOW, "550 5.1.1 No such user", Because("No answer.")),)
    return tell(case, (*HISTORY, last), (*LETTERS[:2], *bounced), NOW, POLICY)


def impasse() -> str:
    case = replace(
        ANSWERING,
        stage=Stage.IMPASSE,
        impasse=Impasse.NO_RESPONSE,
        impasse_role=Role.CLIENT,
        waits=(Wait("impasse", "Confirm the impasse: no response.", NOW),),
        clocks=(Clock(Who.STAFF, What.NUDGE, Topic.STAFF, NOW + DAY, asked_at=NOW, step=1),),
    )
    return tell(case, HISTORY, LETTERS, NOW, POLICY)


def resolved() -> str:
    case = replace(
        ANSWERING,
        stage=Stage.RESOLVED,
        outcome=Outcome("partly_paid", "A half was agreed.", "Robin", NOW, (4, 5), NOW),
        clocks=(Clock(Who.STAFF, What.WAKE, Topic.WINDOW, NOW + 28 * DAY),),
    )
    fact = events.OutcomeRecorded("Robin", "partly_paid", "A half was agreed.")
    return tell(case, (*HISTORY, told(fact, "Robin", 3, Because("Robin decided.", "limits.undo"))), (), NOW, POLICY)


def closed() -> str:
    return tell(replace(ANSWERING, stage=Stage.CLOSED, closed=Closing.SETTLED, clocks=()), (), (), NOW, POLICY)


STORIES = {story.__name__: story for story in (sorting, answering, held, impasse, resolved, closed)}
if os.environ.get("SNAPSHOTS") == "update":
    for name, story in STORIES.items():
        (SNAPSHOTS / f"{name}.txt").write_text(story(), encoding="utf-8")


@pytest.mark.parametrize("name", STORIES)
def test_a_story_reads_as_its_snapshot(name: str) -> None:
    assert STORIES[name]() == (SNAPSHOTS / f"{name}.txt").read_text(encoding="utf-8")


def test_the_folder_holds_exactly_the_stories() -> None:
    assert {path.stem for path in SNAPSHOTS.iterdir()} == set(STORIES)


# --- Events -----------------------------------------------------------------------------------------------------------

SENTENCES: Mapping[events.Fact, str] = {
    events.CaseOpened(MAIL, Kind.PAYMENT, Role.WORKER, linked_to=1043): (
        "mail 7 opened a payment dispute [assignment 4471829360, timeline (93%)]; it goes together with D-1043"
    ),
    events.PartyWrote(Role.CLIENT, replace(MAIL, intent="provides_item", items=(), unread_files=("a.pdf",))): (
        "mail 7 came from the client, read as “provides item” [assignment 4471829360, unread file a.pdf]"
    ),
    events.MailSuggested(None, MAIL, "no authentication"): (
        "mail 7 from wanda@worker.example may belong here, unconfirmed: no authentication"
    ),
    events.PartyAway(
        Role.CLIENT, 8, date(2026, 3, 9)
    ): "an automatic answer (mail 8) says that the client is away until 09 Mar 2026",
    events.LetterBounced(Role.CLIENT, 2, "carl@client.example", "550 no such user"): (
        "letter 2 to the client came back from carl@client.example: 550 no such user"
    ),
    events.ClockDue(Who.CLIENT, What.FINAL, Topic.REQUEST, T0): "the deadline of the client came: final notice",
    events.TimeLost(T0, NOW): "Parley did not run from 15:00 to 15:00",
    events.LetterLate(3, "reminder", Role.CLIENT): "letter 3 (reminder) to the client did not leave and was taken back",
    events.LetterFailed(3, "reminder", Role.CLIENT, "unknown", "connection lost"): (
        "letter 3 (reminder) to the client may or may not have left: connection lost"
    ),
    events.LetterSettled(3, Role.CLIENT, True, "it is in the Sent folder"): (
        "letter 3 to the client did leave: it is in the Sent folder"
    ),
    events.Claimed("Robin"): "Robin took the case",
    events.Sorted("Robin", Kind.RATING, Role.CLIENT): "Robin sorted it: a rating dispute, opened by the client",
    events.Dismissed("Robin", 1040, "the same dispute"): "Robin put it into D-1040: the same dispute",
    events.ContactSet(
        "Robin", Role.CLIENT, "c@client.example"
    ): "Robin set the address of the client: c@client.example",
    events.NoticeReleased("Robin"): "Robin sent the notice",
    events.HoldPlaced("Robin", (Role.WORKER, Role.CLIENT), "in hospital"): (
        "Robin stopped the clocks of the worker and the client: in hospital"
    ),
    events.HoldEnded("Robin"): "Robin ended every hold of staff",
    events.Extended("Robin", Role.CLIENT, "asked for it"): "Robin gave the client more time: asked for it",
    events.ItemAccepted("Robin", ItemName.TIMELINE): "Robin accepted the timeline",
    events.ItemRejected("Robin", ItemName.TIMELINE, "no dates"): "Robin did not accept the timeline: no dates",
    events.ItemWaived("Robin", ItemName.ASSIGNMENT_ID, ""): "Robin said that the assignment id is not needed",
    events.Released("Robin", 3): "Robin released statement 3 to the other side",
    events.TalksSkipped("Robin", "both said no"): "Robin skipped the talks: both said no",
    events.ImpasseProposed("Robin", Impasse.NO_AGREEMENT): "Robin proposed an impasse: no agreement",
    events.ImpasseConfirmed("Robin"): "Robin confirmed the impasse",
    events.OutcomeRecorded(
        "Robin", "not_owed", "Paid\nbefore."
    ): "Robin recorded the outcome not owed, on these grounds: Paid before.",
    events.SenderConfirmed("Robin", Role.WORKER, replace(MAIL, items=(), assignment_ids=(), verdict=Verdict.NONE)): (
        "Robin confirmed that mail 7 is from the worker [authentication none]"
    ),
    events.MailDismissed("Robin", 9): "Robin said that mail 9 is not from a party",
    events.StaffReplied("Robin", Role.WORKER, "Hello."): "Robin wrote to the worker",
    events.Undone("Robin", 4): "Robin took back letter 4",
    events.FlagLooked("Robin", "legal_threat"): "Robin looked at the flag “legal threat”",
    events.Linked("Robin", 1050, "the same\npair"): "Robin linked it to D-1050: the same pair",
    events.Unlinked("Robin", 1050): "Robin took the link to D-1050 away",
    events.AssignmentTaken("Robin", "4471829360"): "Robin made assignment 4471829360 a case of its own",
    events.MailTaken("Robin", 9, 1050): "Robin put mail 9 to D-1050",
    events.MergeUndone("Robin", 1050, (9,)): "Robin made D-1050 a case of its own again",
}


@pytest.mark.parametrize(("fact", "sentence"), SENTENCES.items(), ids=lambda value: type(value).__name__)
def test_an_event_is_told_in_one_sentence(fact: events.Fact, sentence: str) -> None:
    assert what_happened(fact, lambda moment: f"{moment:%H:%M}") == sentence


def test_every_kind_of_event_has_a_sentence() -> None:
    assert {type(fact) for fact in SENTENCES} == set(get_args(events.Fact))


@pytest.mark.parametrize("what", What)
def test_every_clock_that_comes_due_is_told(what: What) -> None:
    for topic in Topic:
        fact = events.ClockDue(Who.CLIENT, what, topic, T0)
        assert len(what_happened(fact, str)) > 10


def test_words_of_people_cannot_write_into_the_terminal() -> None:
    fact = events.TalksSkipped("Robin", "fine\n\x1b[2J  Nobody is awaited.\x00")
    said = what_happened(fact, str)
    assert "\n" not in said
    assert "\x1b" not in said
    story = tell(ANSWERING, (told(fact, "Robin", 1, Because("x", "", "a\n\x1b[1mb" + "c" * 500)),), (), NOW, POLICY)
    assert "\x1b" not in story
    assert "…”" in story


# --- What comes next --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("topic", Topic)
@pytest.mark.parametrize("what", What)
@pytest.mark.parametrize("who", Who)
def test_every_clock_says_what_it_will_do_and_by_which_line(who: Who, what: What, topic: Topic) -> None:
    if who is Who.STAFF and what is not What.NUDGE and what is not What.WAKE:
        return
    for step in range(3):
        case = replace(ANSWERING, clocks=(Clock(who, what, topic, T0, letter=1, step=step),))
        (ahead,) = next_steps(case, POLICY)
        assert (ahead.at, ahead.party, ahead.what) == (T0, who, what)
        assert ahead.text.endswith(".")
        if ahead.rule:
            assert POLICY.quote(ahead.rule)


def test_next_steps_come_soonest_first_and_held_ones_last() -> None:
    first, second = ANSWERING.clocks
    case = replace(
        ANSWERING, clocks=(replace(first, held_by=("staff",)), second, replace(second, due_at=T0, who=Who.CLIENT))
    )
    assert [step.at for step in next_steps(case, POLICY)] == [T0, second.due_at, first.due_at]
    assert next_steps(case, POLICY)[-1].held_by == ("staff",)


@pytest.mark.parametrize("stage", Stage)
def test_the_summary_is_one_paragraph_in_every_stage(stage: Stage) -> None:
    for case in (Case(1042, stage=stage), replace(ANSWERING, stage=stage, closing=Closing.SETTLED, doubts=("sender",))):
        said = summary(case)
        assert said.startswith("D-1042: a ")
        assert "\n" not in said
        assert "None" not in said


def test_a_clock_whose_letter_has_not_left_says_what_it_waits_for() -> None:
    unsent = (LETTERS[0], replace(LETTERS[1], state="unknown"))
    assert "waits for: letter 2, which has not left" in tell(ANSWERING, HISTORY, unsent, NOW, POLICY)
    assert "waits for:" not in tell(ANSWERING, HISTORY, LETTERS, NOW, POLICY)


def test_a_ladder_that_a_hold_keeps_from_being_announced_says_so() -> None:
    clock = Clock(Who.CLIENT, What.REMIND, Topic.REQUEST, T0, asked_at=T0, held_by=("staff",), held_since=T0)
    (step,) = next_steps(replace(ANSWERING, clocks=(clock,)), POLICY)
    assert step.text == "What the client is asked for is sent when its hold ends."


def test_a_rule_that_the_policy_no_longer_has_is_shown_as_it_is() -> None:
    history = (told(events.Claimed("Robin"), "Robin", 0, Because("x", "request.of_old")),)
    assert "rule: request.of_old" in tell(ANSWERING, history, (), NOW, POLICY)


def test_a_played_dispute_is_told_from_the_first_mail_to_the_impasse() -> None:
    play = Play()
    play.complete_payment()
    play.wait_while(lambda play: play.case.stage is not Stage.IMPASSE)
    history = tuple(Told(event, decision.because) for event, decision in zip(play.events, play.decisions, strict=True))
    letters = tuple(
        Sent(one.name, one.number, one.role, "sent", play.sent_at[one.number], "250 OK", one.because)
        for one in play.letters
    )
    story = tell(play.case, history, letters, play.now, POLICY)
    parts = (
        "opened a payment dispute",
        "notice to the client, left",
        "reminder to the client, left",
        "final to the client, left",
    )
    places = [story.index(part) for part in parts]
    assert places == sorted(places)
    assert 'policy [request] end = "8 business days"' in story
    assert "Staff: Confirm the impasse" in story
