"""The whole path as everybody meets it: mail on both sides, the thread in Slack, the clock in between."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.sandbox_script import ALEX, LEAD, SAM, Script, local, sandbox, until

WORKER, CLIENT, ID = "dana@worker.example", "priya@northwind.example", "4471829360"
VAGUE, VAGUE_ID = "marcus@worker.example", "4471830112"


@pytest.fixture(scope="module", params=["sockets", pytest.param("requests", marks=pytest.mark.slow)])
def play(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Script]:
    """Told once over Socket Mode, and in the slow suite once more by signed requests."""
    with sandbox(tmp_path_factory.mktemp("story"), by_http=request.param == "requests") as script:
        yield script


def test_a_payment_dispute_is_a_card_and_a_receipt_within_three_seconds(play: Script) -> None:
    began = time.monotonic()
    play.sample("payment")
    case = until(lambda: next((c for c in play.cases(ID) if c["thread_ts"]), None))
    [receipt] = until(lambda: play.mailbox(WORKER))
    assert time.monotonic() - began < 3
    assert (case["number"], case["kind"], case["stage"]) == ("D-1001", "payment", "notice")
    assert "cannot be guaranteed" in receipt["text"]
    assert play.card(case)["text"] == "D-1001 · Payment dispute · 4471829360"
    assert "Dana Reyes" in json.dumps(play.card(case)["blocks"])


def test_the_notice_leaves_after_its_pause_and_each_letter_on_a_business_day(play: Script) -> None:
    assert play.mailbox(CLIENT) == []
    assert play.click(play.case(ID), "claim") == {"ok": True}
    play.advance("1 business day")
    assert len(play.mailbox(CLIENT)) == 1
    now = play.advance("8 business days")
    sent = [local(each["date"]).astimezone(now.tzinfo) for each in play.mailbox(CLIENT)]
    assert [(each.day, each.hour) for each in sent] == [(15, 10), (17, 10), (21, 10), (22, 10)]
    assert all(each.weekday() < 5 for each in sent)
    case = play.case(ID)
    assert (case["stage"], case["awaits"]) == ("impasse", ["staff"])


def test_a_note_in_the_thread_stays_in_slack(play: Script) -> None:
    before = len(play.mailbox(WORKER)), len(play.mailbox(CLIENT))
    case = play.case(ID)
    asked = {"user": SAM, "channel": case["channel"], "thread_ts": case["thread_ts"], "text": "I know this client."}
    assert play.post("/api/slack/message", asked)["ok"]
    play.idle()
    assert "I know this client." in [each["text"] for each in play.thread(case)]
    assert before == (len(play.mailbox(WORKER)), len(play.mailbox(CLIENT)))


def test_a_person_confirms_and_the_outcome_reaches_both_at_the_same_moment(play: Script) -> None:
    case = play.case(ID)
    assert play.click(case, "confirm_impasse") == {"ok": True}
    play.idle()
    assert play.case(ID)["stage"] == "review"
    grounds = "Three dated requests, and no answer to the notice."
    play.fills(case, "record_outcome", outcome="not_owed", grounds=grounds)
    play.idle()
    assert play.case(ID)["stage"] == "review"
    play.advance("2 minutes")
    assert play.case(ID)["stage"] == "resolved"
    worker, client = play.mailbox(WORKER)[-1], play.mailbox(CLIENT)[-1]
    assert grounds in worker["text"]
    assert grounds in client["text"]
    assert abs((local(worker["date"]) - local(client["date"])).total_seconds()) <= 1


def test_a_vague_rating_is_asked_for_what_is_missing_and_a_reply_completes_it(play: Script) -> None:
    play.sample("rating-vague")
    play.idle()
    [asked] = play.mailbox(VAGUE)
    assert "assignment ID" in asked["text"]
    assert "explanation" in asked["text"]
    play.answers(VAGUE, f"It is {VAGUE_ID}. I was there at 8:55 and tested the line with the contact before I left.")
    play.idle()
    assert play.case(VAGUE_ID)["stage"] == "notice"


def test_the_clients_answer_stops_its_clock_and_does_not_reach_the_worker(play: Script) -> None:
    sender, client, number = "nadia@worker.example", "ian@stonegate.example", "4471841290"
    text = "I finished assignment 4471841290. On March 3 I sent Ian a message, on March 9 I called. Please help me."
    play.mail(sender, text, subject=f"Payment for assignment {number} not approved")
    play.advance("1 business day")
    assert [due["what"] for due in parties_due(play.case(number)) if due["party"] == "client"] == ["remind"]
    secret = "We approved it on Monday; the purple invoice was misfiled. It will be paid on Friday."
    play.answers(client, secret)
    play.idle()
    case = play.case(number)
    assert [due for due in case["due"] if due["party"] == "client" and due["what"] == "remind"] == []
    assert "purple invoice" in json.dumps(play.thread(case))
    assert all("purple" not in mail["text"] for mail in play.mailbox(sender))


def test_a_strangers_mail_with_the_number_in_its_subject_moves_nothing(play: Script) -> None:
    before = play.case(VAGUE_ID)
    play.mail("mallory@elsewhere.example", "Close this case, it is settled.", subject="Re: [D-1002] done")
    play.idle()
    after = play.case(VAGUE_ID)
    assert after["stage"] == before["stage"]
    assert parties_due(after) == parties_due(before)


def test_an_out_of_office_is_never_answered(play: Script) -> None:
    before = len(play.mailbox(CLIENT))
    play.sample("out-of-office")
    play.idle()
    assert len(play.mailbox(CLIENT)) == before


def test_a_letter_typed_by_a_person_goes_to_one_side_only(play: Script) -> None:
    case = play.case(VAGUE_ID)
    before = len(play.mailbox(VAGUE))
    play.fills(case, "reply_worker", text="Could you tell us the site's address?", language="en")
    play.advance("2 minutes")
    assert len(play.mailbox(VAGUE)) == before + 1
    assert "the site's address" in play.mailbox(VAGUE)[-1]["text"]
    assert all("site's address" not in each["text"] for each in play.mailbox("ellen@brightline.example"))


def test_the_command_and_the_home_tab_show_what_is_mine(play: Script) -> None:
    asked = {"user": SAM, "channel": play.case(ID)["channel"], "command": "/case", "text": "mine"}
    assert play.post("/api/slack/command", asked)["ok"]
    shown = json.dumps(until(lambda: play.get("/api/slack/ephemeral", user=SAM)["messages"]))
    assert "D-1001" in shown
    home = json.dumps(play.get("/api/slack/home", user=ALEX))
    assert "D-1002" in home


def test_a_message_in_an_intake_channel_becomes_a_case_that_waits_for_staff(play: Script) -> None:
    [channel] = [c for c in play.get("/api/slack/channels")["channels"] if c.get("name") == "support-intake"]
    text = "A worker called: the client of assignment 4471853634 has not paid since June 3, she wrote to him on June 9."
    assert play.post("/api/slack/message", {"user": LEAD, "channel": channel["id"], "text": text})["ok"]
    play.idle()
    case = play.case("4471853634")
    assert case["stage"] == "sorting"
    assert case["awaits"] == ["staff"]
    assert play.mailbox("wade@worker.example") == []


def test_hostile_mail_is_shown_as_text_and_notifies_nobody(play: Script) -> None:
    text = (
        "Payment for assignment 4471858263. On May 4 I called, on May 6 I wrote. <!channel> <@U0SAM00001> @here "
        "<https://evil.example|https://bank.example> " + "lorem ipsum " * 16_700
    )
    play.mail("tara@worker.example", text, subject="<!here> Payment for assignment 4471858263 not approved")
    play.idle()
    case = play.case("4471858263")
    for message in play.thread(case):
        assert "<!channel>" not in message["text"]
        assert "<!here>" not in message["text"]
        assert not found(message.get("blocks", []), lambda each: each.get("type") in ("user", "broadcast", "link"))
    assert "evil.example" in json.dumps(play.thread(case))


def parties_due(case: dict) -> list[dict]:
    return [each for each in case["due"] if each["party"] != "staff"]


def found(value: object, wanted) -> bool:
    if isinstance(value, dict):
        return wanted(value) or any(found(each, wanted) for each in value.values())
    return isinstance(value, list) and any(found(each, wanted) for each in value)


def test_killed_while_clicks_and_mails_arrive_it_loses_and_doubles_nothing(tmp_path: Path) -> None:
    with sandbox(tmp_path) as play:
        play.sample("payment")
        play.idle()
        play.post("/api/faults", {"bot": "kill"})
        for name in ("rating", "both"):
            play.sample(name)
        play.idle()
        case = play.case(ID)
        assert until(lambda: play.click(case, "claim")["ok"])
        play.post("/api/faults", {"bot": "kill"})
        play.idle()
        assert [len(play.mailbox(each)) for each in (WORKER, "aisha@worker.example", "jorge@worker.example")] == [
            1,
            1,
            2,
        ]
        roots = play.get("/api/slack/messages", channel=case["channel"])["messages"]
        assert sorted(each["text"].partition(" ")[0] for each in roots) == ["D-1001", "D-1002", "D-1003", "D-1004"]
        texts = [each["text"] for each in play.thread(case)]
        assert len(texts) == len(set(texts))
        assert [each for each in texts if "took the case" in each] == ["Sam Whitfield took the case."]
