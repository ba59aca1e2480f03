"""The evidence pack, the fairness report, and a case's story at another moment: from the store, by the commands."""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

import pytest

from bot.flows.case import Impasse, Role, Stage
from bot.flows.events import ImpasseConfirmed, ImpasseProposed, NoticeReleased, OutcomeRecorded, Released
from bot.reports import evidence, fairness
from bot.reports.story import NoStory, story
from bot.storage.outbox import Attempt
from tests.handlers_world import MONDAY, World, world
from tests.play import ADDRESS, POLICY

pytest_plugins = ["tests.commands"]

WORKERS, CLIENTS = "The worker's own words, lime green.", "The client's own words, dark violet."


@pytest.fixture
def made(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path) as opened:
        yield opened


def letters_leave(made: World) -> None:
    """Everything in the outbox that goes by mail, with the server's answer."""
    while True:
        with made.store.begin() as tx:
            rows = tx.outbox.claim("smtp", made.now + timedelta(hours=1), timedelta(minutes=1), 10, "mail")
            for row in rows:
                attempt = Attempt(row.id, "smtp", row.attempt)
                tx.outbox.intent(attempt, b"")
                tx.outbox.sent(attempt, made.now, "250 2.0.0 queued as 7")
        if not rows:
            return


def heard(made: World) -> int:
    """A payment case in which both sides have spoken, and nothing was released."""
    number = made.opens(f"Please help. {WORKERS}")
    letters_leave(made)
    made.now += timedelta(days=1)
    made.happens(number, NoticeReleased("Ana Anders"))
    letters_leave(made)
    made.now += timedelta(days=1)
    made.answers(number, CLIENTS)
    letters_leave(made)
    return number


def packed(made: World, number: int, reader: Role | None) -> dict[str, object]:
    with made.store.read() as tx:
        return evidence.pack(evidence.gather(tx, made.case(number)), reader, POLICY, made.now)


# --- What a party may see ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("reader", "other", "secret"), [("worker", "client", CLIENTS), ("client", "worker", WORKERS)])
def test_a_party_sees_its_own_words_and_never_those_of_the_other_side(made, reader, other, secret) -> None:
    number = heard(made)
    shown = json.dumps(packed(made, number, Role(reader)))
    html = evidence.page(packed(made, number, Role(reader)), POLICY)
    for text in (shown, html):
        assert secret not in text
        assert ADDRESS[Role(other)] not in text
        assert "Ana Anders" not in text
    own = WORKERS if reader == "worker" else CLIENTS
    assert own in shown
    assert f"Please help. {WORKERS}" in json.dumps(packed(made, number, None))
    assert CLIENTS in json.dumps(packed(made, number, None))


def test_what_a_person_released_is_in_the_other_sides_pack(made) -> None:
    number = heard(made)
    statement = next(each for each in made.case(number).statements if each.role is Role.CLIENT)
    made.happens(number, Released("Ana Anders", statement.number))
    found = packed(made, number, Role.WORKER)
    assert CLIENTS in json.dumps(found)
    assert "was released to you" in json.dumps(found["timeline"])


def test_a_letter_that_was_not_sent_is_in_nobodys_pack_but_staffs(made) -> None:
    number = made.opens()
    assert packed(made, number, Role.WORKER)["letters"] == []
    assert len(packed(made, number, None)["letters"]) == 1  # type: ignore[arg-type]
    letters_leave(made)
    found = json.loads(json.dumps(packed(made, number, Role.WORKER)))
    assert [each["server_said"] for each in found["letters"]] == ["250 2.0.0 queued as 7"]
    assert found["letters"][0]["sha256"] == sha256(found["letters"][0]["text"].encode()).hexdigest()


def test_a_pack_that_was_changed_is_seen(made) -> None:
    found = packed(made, heard(made), None)
    assert evidence.verify(found)
    assert evidence.verify(json.loads(json.dumps(found)))
    assert not evidence.verify({**found, "stage": "resolved"})


def test_the_outcome_reaches_the_parties_packs_once_it_is_final(made) -> None:
    number = made.answering()
    made.happens(number, ImpasseProposed("Ana", Impasse.NO_RESPONSE))
    made.happens(number, ImpasseConfirmed("Ana"))
    assert made.case(number).stage is Stage.REVIEW
    made.happens(number, OutcomeRecorded("Ana", "not_owed", "As both wrote."))
    assert packed(made, number, Role.WORKER)["outcome"] is None
    assert packed(made, number, None)["outcome"]["grounds"] == "As both wrote."  # type: ignore[index]
    made.now += timedelta(minutes=2)
    made.office.tick()
    assert packed(made, number, Role.WORKER)["outcome"]["by"] == "Ana"  # type: ignore[index]


def test_the_page_stands_alone_and_shows_mail_as_text(made) -> None:
    number = made.opens("<script>alert(1)</script> & more")
    html = evidence.page(packed(made, number, None), POLICY)
    assert "<script>" not in html
    assert "&lt;script&gt;" in html
    assert not re.search(r"(?:src|href)=", html)


def test_the_page_says_how_it_ended_before_the_letters_and_prints_them_in_full_at_the_end(made) -> None:
    html = evidence.page(packed(made, heard(made), None), POLICY)
    heads = re.findall(r"<h2>(.*?)</h2>", html)
    assert heads[-4:] == ["What happened", "Letters", "How to check it", "The letters in full"]
    assert heads.index("Outcome") < heads.index("What happened")
    assert "We have received your message" in html.partition("The letters in full")[2]


# --- Fairness ---------------------------------------------------------------------------------------------------------


def test_the_report_counts_what_each_side_was_given(made) -> None:
    heard(made)
    with made.store.read() as tx:
        cases = fairness.gather(tx, None)
        later = fairness.gather(tx, made.now + timedelta(days=1))
    sides = fairness.by_role(cases, POLICY)
    assert (sides["worker"].cases, sides["client"].cases) == (1, 1)
    assert (sides["client"].requests, sides["client"].answered, sides["client"].lapsed) == (1, 1, 0)
    assert sides["client"].working == timedelta(hours=8)
    assert fairness.by_part(cases, POLICY)["respondent"] == sides["client"]
    assert later == ()
    assert fairness.rows(sides)[0] == ("Cases in which it was asked for something", "1", "1")


# --- At another moment ------------------------------------------------------------------------------------------------


def test_the_story_is_told_as_it_stood_then(made) -> None:
    number = heard(made)
    with made.store.read() as tx:
        then = story(tx, made.case(number), made.now, POLICY, MONDAY + timedelta(hours=1))
        now = story(tx, made.case(number), made.now, POLICY)
    assert (then.case.stage, now.case.stage) == (Stage.NOTICE, Stage.TALKS)
    assert len(then.history) < len(now.history)
    assert [each.name for each in then.letters] == ["receipt"]
    assert now.case == made.case(number)


def test_before_its_first_mail_there_is_no_story(made) -> None:
    number = heard(made)
    with made.store.read() as tx, pytest.raises(NoStory, match="was opened later, on Mon 02 Mar 2026"):
        story(tx, made.case(number), made.now, POLICY, MONDAY - timedelta(days=1))


def test_ahead_it_is_told_what_would_happen_if_nobody_acted(made) -> None:
    number = made.answering()
    letters_leave(made)
    with made.store.read() as tx:
        ahead = story(tx, made.case(number), made.now, POLICY, made.now + timedelta(days=20))
    assert ahead.supposed
    assert ahead.case.stage is Stage.IMPASSE
    client = [each.name for each in ahead.letters if each.role is Role.CLIENT]
    assert client[:4] == ["notice", "reminder", "reminder", "final"]
    assert made.case(number).stage is Stage.ANSWERING


# --- The commands -----------------------------------------------------------------------------------------------------


def test_the_commands_write_the_evidence_the_report_and_the_story_then(parley, set_up, database, tmp_path) -> None:
    said = parley("export", "D-1001", "--for", "worker")
    assert said.status == 0, said.err
    [found] = said.objects
    assert (found["case"], found["made_for"]) == ("D-1001", "worker")
    assert evidence.verify(found)
    assert parley("export", "1001", "--html", "pack.html").status == 0
    assert "evidence for staff" in (tmp_path / "pack.html").read_text("utf-8")
    report = parley("report", "fairness")
    assert "Reminders and final notices" in report.out
    assert {each["side"] for each in parley("report", "fairness", "--json").objects} == {
        *("worker", "client", "opener", "respondent")
    }
    assert "D-1001" in parley("why", "D-1001", "--at", f"{datetime.now(UTC).date() - timedelta(days=1)}").out


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (("export", "D-77"), 1, "There is no case D-77"),
        (("export", "seven"), 2, "write D-1042"),
        (("why", "D-1001", "--at", "soon"), 2, "--at soon: it should be a time such as"),
        (("why", "D-1001", "--at", "2001-01-01"), 1, "name a later moment"),
        (("report", "fairness", "--since", "x"), 2, "--since x: it should be a time"),
        (("report",), 2, "fairness"),
        (("export", "D-1001", "--html", "no/folder/x.html"), 1, "cannot be written"),
    ],
)
def test_what_cannot_be_done_is_said(parley, set_up, database, arguments, status, said) -> None:
    answer = parley(*arguments)
    assert (answer.status, said in answer.err) == (status, True), answer.err
