"""Dated contacts: what is one, what is not, and what they say about time."""

from datetime import UTC, datetime

import pytest

from bot.flows.triage import contacts, read
from tests.triage.corpus import mail_of

NOW = datetime(2026, 3, 12, 15, 0, tzinfo=UTC)


def times(text: str) -> list[str]:
    return [contact.placed for contact in contacts(text, NOW)]


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("I messaged him on 3/2, 3/5 and 3/9.", 3),
        ("On March 3, I called the client, on March 5, I wrote again.", 2),
        ("Submitted Monday. He rejected it Tuesday.", 2),
        ("On Monday I called and emailed them.", 2),
        ("Day 1 I sent the sign-off. Day 11 I called.", 2),
        ("He sent it back twice. First on Feb 25, then on Feb 27.", 2),
        ("Yesterday I texted, two days ago I called.", 2),
        ("On September 20 I sent Ian a message, on October 2 I called.", 2),  # Last year's, not next autumn's.
        ("The job is overdue. 2026-03-02: wrote to the client. 2026-03-07: phoned him, no answer.", 2),
        ("Le escribí el 3 de marzo y lo llamé el lunes.", 2),
        ("Ich habe am 2. März geschrieben und am 6. März angerufen.", 2),
        ("Je l'ai appelé lundi et je lui ai écrit hier.", 2),
        ("Liguei na segunda e mandei mensagem ontem.", 2),
        ("Mon 3/2 10:14 Client: soon\nTue 3/3 09:00 Me: any news?", 2),
        ("[3/4/26, 9:14 AM] Dan: hello\n[3/4/26, 9:20 AM] Me: hi", 2),
        ("I emailed the client on March 3.", 1),
        ("I worked on February 3 and February 5.", 0),
        ("I told the client many times, for weeks.", 0),
        ("I wrote to support on March 1 and March 4.", 0),
        ("I called you on March 1 and emailed you on March 4.", 0),
        ("They will call me on April 3.", 0),
        ("Not approved since January 3.", 0),
        ("He did not answer on time, 2 of 5 stars.", 0),
    ],
)
def test_contacts_are_counted_where_they_are_placed_in_time(text: str, count: int) -> None:
    assert len(times(text)) == count, times(text)


def test_a_contact_keeps_its_sentence_and_the_words_that_place_it() -> None:
    (contact,) = contacts("Nothing new. I called the client on March 3, 2026.", NOW)
    assert (contact.text, contact.placed) == ("I called the client on March 3, 2026.", "march 3, 2026")


def test_without_a_date_of_the_mail_contacts_are_still_found() -> None:
    assert len(contacts("I called on 3/2 and wrote on 3/5.", None)) == 2


@pytest.mark.parametrize(
    ("text", "early"),
    [
        ("Approved March 4 with net 30, they never answer and won't pay.", True),
        ("Approved January 4 with net 30 and still not paid.", False),
        ("Terms are net 30 and it's day 12, they refuse to pay.", True),
        ("Payment is due on March 20 but he refuses to pay.", True),
        ("Payment was due on March 1 and they have not paid.", False),
        ("I know it is not due yet, but they said they won't pay.", True),
        ("They have not paid me. My rent is due on April 1.", False),
    ],
)
def test_terms_that_have_not_run_out_are_flagged(text: str, early: bool) -> None:
    assert ("not_yet_due" in read(mail_of(text)).flags) is early


@pytest.mark.parametrize(
    ("text", "fresh"),
    [
        ("Not paid. I asked the client this morning.", True),
        ("Not paid. I messaged them two hours ago.", True),
        ("Not paid. I called him yesterday.", True),
        ("Not paid. I called him on 3/11.", True),
        ("Not paid. I called him on 3/9.", False),
        ("Not paid. I called him three days ago.", False),
        ("Not paid. He rejected my work yesterday.", False),
    ],
)
def test_a_client_written_to_in_the_last_48_hours_is_flagged(text: str, fresh: bool) -> None:
    assert ("under_48h" in read(mail_of(text)).flags) is fresh
