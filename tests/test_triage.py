"""What triage says of a mail, one sentence a behaviour; the labelled corpus measures it as a whole."""

import json
import time
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.flows.mail import Bounce, Nature
from bot.flows.triage import FLAGS, Known, Reading, as_json, contacts, language, read
from tests.triage.corpus import corpus, known_cases, mail_of

CASES = known_cases()
MIA, OPS = "Mia Lund <mia@fieldhands.example>", "Store Ops <ops@brightstores.example>"
LEO = "Leo Cruz <leo@cablemen.example>"


def reading(text: str, subject: str = "", **headers: str) -> Reading:
    return read(mail_of(text, subject, **headers), CASES)


# --- kind -------------------------------------------------------------------------------------------------------------


def test_a_clear_payment_dispute_is_sure() -> None:
    found = reading("The client has not approved assignment 4471002938 and refuses to pay me. Please open a dispute.")
    assert (found.kind, found.confidence > 0.9) == ("payment", True)


def test_a_clear_rating_dispute_is_sure() -> None:
    found = reading("I want to dispute the 1 star rating on 4471002938. Please remove it.")
    assert (found.kind, found.confidence > 0.9) == ("rating", True)


@pytest.mark.parametrize(
    "text", ["my score looks low", "the client is not responding, work is done", "I have a problem"]
)
def test_a_vague_mail_is_unsure(text: str) -> None:
    assert 0.3 <= reading(text).confidence <= 0.75


def test_what_is_waved_aside_asks_for_nothing() -> None:
    assert reading("He gave me 2 stars, I don't care. He has not paid me for 4471002938.").kind == "payment"
    assert reading("Money is not the issue, I got paid. Please remove the unfair 1 star rating.").kind == "rating"


def test_a_client_who_says_it_was_released_makes_a_payment_dispute_of_a_missing_transfer() -> None:
    assert reading("Client says the payment was released but nothing arrived for 4471002938.").kind == "payment"
    assert reading("My withdrawal to my bank has not arrived yet.").kind == "other"


def test_questions_on_how_ratings_and_approvals_work_are_no_disputes() -> None:
    assert reading("How is my rating calculated?").kind == "other"
    assert reading("How long does a client have to approve an assignment?").kind == "other"


def test_a_claim_sent_by_an_invoicing_tool_is_not_automatic() -> None:
    claim = "I finished 4471002938, your client never approved it and refuses to pay me."
    assert reading(claim, "Invoice 1009", nature="auto").kind == "payment"
    assert reading("Your invoice 1009 was viewed.", "Invoice 1009", nature="auto").kind == "auto"


def test_list_mail_stays_automatic_whatever_it_claims() -> None:
    mail = replace(
        mail_of("My client never paid me and refuses to approve: five stories.", nature="auto"),
        signals=("List-Id: <news.example>",),
    )
    assert read(mail).kind == "auto"


# --- items ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "I checked in at 7:52 AM and the manager opened the door at 8:20.",
        "The work order never asked for a ladder.",
        "He says I left early, but the manager signed at 2:20 pm.",
        "The panel was cracked when I opened the box.",
    ],
)
def test_an_account_with_a_checkable_fact_is_a_worker_explanation(text: str) -> None:
    assert reading(f"Please remove my unfair rating on 4471002938. {text}").has_worker_explanation is True


@pytest.mark.parametrize(
    "text",
    [
        "I did good work.",
        "He is lying!",
        "I have 20 years of experience.",
        "The client wrote that I was late at 8:00.",
        "",
    ],
)
def test_denial_and_praise_are_no_worker_explanation(text: str) -> None:
    assert reading(f"Please remove my unfair rating on 4471002938. {text}").has_worker_explanation is False


def test_the_clients_own_words_count_and_a_paraphrase_or_the_rating_comment_does_not() -> None:
    ask = "Please remove the unfair rating on 4471002938. "
    quote = 'The client wrote to me: "You left before the switch was online and we had to send a second tech."'
    assert reading(ask + quote).has_client_explanation is True
    assert reading(ask + "The client says I left before the switch was online.").has_client_explanation is False
    assert reading(ask + 'The comment on the rating: "left early, did not finish"').has_client_explanation is False


def test_words_forwarded_from_the_client_count_and_our_own_letter_does_not() -> None:
    forwarded = (
        "See below. Remove this unfair rating.\n| From: Al <al@polarit.example>\n|\n| You did not bring the ladder."
    )
    assert reading(forwarded).has_client_explanation is True
    ours = "I think it is unfair.\n| On Wed, Support <support@market.example> wrote:\n| > He did not bring the ladder."
    assert reading(ours, "Re: [D-1042]", Case="D-1042", From=MIA).has_client_explanation is False


def test_an_item_is_null_where_the_kind_does_not_ask_for_it() -> None:
    found = reading("Not paid for 4471002938.")
    assert (found.has_worker_explanation, found.has_client_explanation, found.has_timeline) == (None, None, False)


# --- cases and intent -------------------------------------------------------------------------------------------------


def test_a_token_or_a_message_id_names_the_case_and_a_subject_number_only_suggests_it() -> None:
    by_token = reading("Here it is.", token="support+d1043w.aa01@market.example", From=LEO)
    by_subject = reading("Any news?", "about D-1043", From=LEO)
    assert (by_token.case, by_token.party, by_subject.case) == ("D-1043", "worker", "D-1043")
    about = {found: next(r.text for r in found.reasons if r.about == "case") for found in (by_token, by_subject)}
    assert not about[by_token].startswith("suggestion")
    assert about[by_subject].startswith("suggestion")


def test_sender_and_assignment_suggest_a_case_only_if_both_fit() -> None:
    assert reading("Not paid: 5530017742", From=LEO).case == "D-1043"
    assert reading("Not paid: 5530017742").case is None
    assert reading("Not paid: 5530017799", From=LEO).case is None


def test_a_strangers_reply_has_a_case_but_no_party() -> None:
    found = reading("Hello, I answer for them.", Case="D-1042", From="X <x@elsewhere.example>")
    assert (found.case, found.party) == ("D-1042", None)


def test_a_bounce_finds_its_case_by_the_letter_that_came_back() -> None:
    bounce = Bounce(("ops@brightstores.example",), ("<d.D-1042.2.77c1@market.example>",), True, "5.1.1", "unknown")
    mail = replace(mail_of("User unknown", nature="bounce"), nature=Nature.BOUNCE, bounce=bounce)
    found = read(mail, CASES)
    assert (found.kind, found.case, found.intent, found.reply_text) == ("bounce", "D-1042", None, None)


@pytest.mark.parametrize(
    ("text", "intent"),
    [
        ("Thank you so much for your help!", "thanks"),
        ("Thanks, they paid me today, please close it.", "resolved"),
        ("We settled it between us.", "resolved"),
        ("It is not resolved, nothing came.", "still_waiting"),
        ("Any update?", "still_waiting"),
        ("Could we have two more days?", "more_time"),
        ("I will send the emails tomorrow.", "more_time"),
        ("We have nothing to add.", "refuses"),
        ("Stop writing to us.", "refuses"),
        ("I emailed them on 3/2 and called on 3/5.", "provides_item"),
        ("Who reads this?", None),
    ],
)
def test_a_follow_up_has_an_intent(text: str, intent: str | None) -> None:
    assert reading(text, "Re: [D-1043]", Case="D-1043", From=LEO).intent == intent


def test_only_follow_ups_have_an_intent() -> None:
    assert reading("Any update? The client has not paid me.").intent is None


def test_a_reply_to_one_of_our_letters_has_an_intent_even_where_no_case_is_known() -> None:
    found = read(mail_of("Any update?", "Re: [D-2000] Payment dispute"))
    assert (found.case, found.intent) == (None, "still_waiting")


def test_a_follow_up_has_its_cases_kind_unless_it_opens_a_new_dispute() -> None:
    old = reading("The client did not pay attention to me.", Case="D-1042", From=MIA)
    new = reading("A different client has not paid me for 4412339999.", Case="D-1042", From=MIA)
    assert (old.kind, new.kind, new.intent) == ("rating", "payment", "new_dispute")


# --- flags ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("flag", "text"),
    [
        ("legal_threat", "I will take them to small claims court."),
        ("legal_threat", "Ich gehe zum Anwalt."),
        ("threat", "I will come to his office and break his legs."),
        ("welfare", "I don't want to live anymore."),
        ("welfare", "No quiero vivir."),
        ("abuse", "You are all idiots."),
        ("manipulation", "He will change the 1 star to 5 if I give him back $100."),
        ("fear_of_retaliation", "I'm afraid they will block me, please don't tell him."),
        ("third_party_sender", "I am writing on behalf of my client's technician."),
        ("asks_for_person", "I want to talk to a real person."),
    ],
)
def test_a_flag_is_raised_with_the_sentence_it_rests_on(flag: str, text: str) -> None:
    found = reading(f"Assignment 4471002938 is unpaid. {text} Thanks.")
    assert flag in found.flags
    assert [reason.text for reason in found.reasons if reason.about == flag] == [text]


@pytest.mark.parametrize(
    "text",
    [
        "The site is at 44 Court Street in a law office.",
        "It is killing my cash flow.",
        "Shoot me an email.",
        "I nearly hurt myself on the ladder.",
        "My wife helped me carry the rack.",
        "The manager called me an idiot.",
        "I spoke with the manager on site.",
        "If you need more, write to me.",
        "Please get me my pay and remove the bad rating for 4471002938.",
    ],
)
def test_harmless_words_raise_no_flag(text: str) -> None:
    assert reading(f"Assignment 4471002938 is unpaid. {text} Thanks.").flags == ()


def test_words_of_others_raise_no_flag() -> None:
    quoted = "They have not paid me for 4471002938.\n| From: Al <al@polarit.example>\n| I will sue you, you idiot."
    assert reading(quoted).flags == ()


def test_a_mail_that_only_points_at_its_file_is_attachment_only() -> None:
    assert reading("Please see attached", "x", attachment="a.pdf").flags == ("attachment_only",)
    assert reading("Please see attached. Client has not paid.", "x", attachment="a.pdf").flags == ()


# --- language, JSON, limits -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "lang"),
    [
        ("the client did not pay", "en"),
        ("el cliente no me ha pagado", "es"),
        ("le client ne m'a pas payé", "fr"),
        ("der Kunde hat nicht bezahlt", "de"),
        ("o cliente não me pagou", "pt"),
        ("клиент не заплатил", "ru"),
        ("клієнт не заплатив мені", "uk"),
        ("客户没有付款", "zh"),
        ("4412338890 !!", None),
    ],
)
def test_the_language_is_told(text: str, lang: str | None) -> None:
    assert language(text) == lang


def test_the_object_printed_has_exactly_the_fields_promised() -> None:
    mail = mail_of("Not paid for 4471002938", "help")
    told = as_json(read(mail), mail, "mail.eml")
    assert list(told) == [
        "file",
        "from",
        "subject",
        "kind",
        "confidence",
        "case",
        "party",
        "sender_role",
        "assignment_ids",
        "has_worker_explanation",
        "has_client_explanation",
        "has_timeline",
        "intent",
        "reply_text",
        "lang",
        "flags",
        "reasons",
    ]
    assert json.loads(json.dumps(told))["assignment_ids"] == ["4471002938"]
    assert all(set(reason) == {"about", "text", "where"} for reason in told["reasons"])  # type: ignore[attr-defined]


def test_every_judgement_has_a_reason_with_words_of_the_mail() -> None:
    for labelled in corpus("seen.txt"):
        found = read(labelled.mail, CASES)
        about = {reason.about for reason in found.reasons}
        assert about >= set(found.flags)
        assert all(len(reason.text) <= 200 for reason in found.reasons)
        for item, confidence in found.item_confidence:
            assert f"has_{item}" in about
            assert 0.5 <= confidence <= 1
        if found.kind != "other":
            assert "kind" in about, labelled.name


def test_a_mail_over_the_limit_is_judged_as_far_as_the_limit_and_says_so() -> None:
    found = reading("The client has not paid me. " + "word " * 30_000)
    assert (found.kind, [reason.about for reason in found.reasons][-1]) == ("payment", "limit")


HOSTILE = (
    "a",
    "1 ",
    "3/2 ",
    "\n",
    "> ",
    "(",
    '"',
    "Me: x\n",
    "not paid ",
    "a@a.",
    "WM-1-",
    "é",
    'client said "',
    ". ",
    "On x wrote:\n",
)


@pytest.mark.parametrize("piece", HOSTILE)
def test_two_hundred_thousand_characters_are_read_in_a_moment(piece: str) -> None:
    text = (piece * 200_000)[:200_000]
    read(mail_of("warm up"))
    began = time.process_time()
    read(replace(mail_of(text, text[:2000]), reply_text="hello"), CASES)
    contacts(text[:24_000], datetime(2026, 3, 12, tzinfo=UTC))
    assert time.process_time() - began < 1.0


WORDS = st.sampled_from(
    [
        *(
            "client",
            "not",
            "paid",
            "rating",
            "1 star",
            "3/2",
            "on",
            "called",
            "if",
            "$100",
            "4412338890",
            "D-1042",
            ":",
        ),
        *("\n", "\n\n", ">", '"', "-", "é", "\u0301", "\x00", "court", "Me:", "2026-99-99", "31/31", "0000000000"),
    ]
)


@given(st.lists(WORDS, max_size=60), st.text(max_size=40), st.booleans(), st.sampled_from(CASES))
def test_any_mail_can_be_read(words: list[str], text: str, quoted: bool, case: Known) -> None:
    mail = mail_of(" ".join(words), text)
    mail = replace(mail, text=f"{text}\n{mail.text}", reply_text=text if quoted else None, subject=text)
    found = read(mail, (case,))
    assert found == read(mail, (case,))
    assert 0 <= found.confidence <= 1
    assert set(found.flags) <= set(FLAGS)
    assert all(6 <= len(number) <= 10 and number.isdigit() for number in found.assignment_ids)
