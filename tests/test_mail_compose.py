"""A letter becomes a mail: readable by the standard library's parser, the same bytes each time, and injection-proof."""

import email
import email.policy
from dataclasses import replace
from datetime import UTC, datetime
from email.message import EmailMessage, MIMEPart

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.mail.compose import Outgoing, Uncomposable, addr_spec, compose, needs_utf8

LETTER = Outgoing(
    name="receipt",
    subject="[D-1042] Your payment dispute: what happens next",
    text="Hello Ada,\n\nwe have your message.\n\n-- \nSupport\n",
    html="<p>Hello Ada,</p><p>we have your message.</p>",
    to="ada@worker.example",
    to_name="Ada Worker",
    from_address="support@market.example",
    from_name="Market Support",
    reply_to="support+w1042abc@market.example",
    message_id="<d.1042.1.0f3c9a@market.example>",
    in_reply_to="<first@worker.example>",
    references=("<first@worker.example>",),
    auto_submitted="auto-replied",
    date=datetime(2026, 3, 2, 15, 4, 5, tzinfo=UTC),
)


def read(letter: Outgoing) -> EmailMessage:
    message = email.message_from_bytes(compose(letter), policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    assert not message.defects
    return message


def parts(letter: Outgoing) -> list[str]:
    return [content(part) for part in read(letter).iter_parts()]


def content(part: MIMEPart) -> str:
    return str(part.get_content()).replace("\r\n", "\n")


def test_every_header_of_a_letter_says_what_the_letter_says():
    mail = read(LETTER)
    assert {name: str(value) for name, value in mail.items() if name != "Content-Type"} == {
        "From": "Market Support <support@market.example>",
        "To": "Ada Worker <ada@worker.example>",
        "Reply-To": "Market Support <support+w1042abc@market.example>",
        "Subject": "[D-1042] Your payment dispute: what happens next",
        "Date": "Mon, 02 Mar 2026 15:04:05 +0000",
        "Message-ID": "<d.1042.1.0f3c9a@market.example>",
        "In-Reply-To": "<first@worker.example>",
        "References": "<first@worker.example>",
        "Auto-Submitted": "auto-replied",
        "X-Auto-Response-Suppress": "OOF, AutoReply",
        "MIME-Version": "1.0",
    }


def test_text_comes_first_and_html_after_it():
    mail = read(LETTER)
    assert mail.get_content_type() == "multipart/alternative"
    assert [part.get_content_type() for part in mail.iter_parts()] == ["text/plain", "text/html"]
    assert parts(LETTER)[0] == LETTER.text


def test_a_letter_without_html_is_plain_text():
    mail = read(replace(LETTER, html=""))
    assert mail.get_content_type() == "text/plain"
    assert content(mail) == LETTER.text


def test_what_a_person_sent_is_not_marked_as_a_machines():
    mail = read(replace(LETTER, auto_submitted=""))
    assert "Auto-Submitted" not in mail
    assert "X-Auto-Response-Suppress" not in mail


def test_no_letter_is_bulk_mail():
    assert b"precedence" not in compose(LETTER).lower()


def test_the_same_letter_gives_the_same_bytes():
    assert compose(LETTER) == compose(LETTER)


@pytest.mark.parametrize(
    "text",
    [
        "Grüße aus Köln – bis bald\n",
        "日本語の手紙です。" * 40 + "\n",
        "a" * 3000 + "\n",
        ".\n..\n.leading dots\n",
        "trailing blanks   \nand a tab\t\nend\n",
        "emoji 👩‍🚀 and = signs ==\n",
    ],
)
def test_any_text_arrives_as_it_was_written_over_a_seven_bit_wire(text):
    octets = compose(replace(LETTER, text=text, html=f"<p>{text}</p>"))
    assert octets.isascii()
    assert b"\n" not in octets.replace(b"\r\n", b"")
    assert b"\r" not in octets.replace(b"\r\n", b"")
    assert max(len(line) for line in octets.split(b"\r\n")) <= 78
    assert parts(replace(LETTER, text=text))[0] == text


def test_a_name_that_is_not_ascii_is_encoded_and_read_back():
    mail = read(replace(LETTER, to_name="Zoë Ångström-日本", subject="[D-1042] Größe: " + "ä" * 120))
    assert mail["To"].addresses[0].display_name == "Zoë Ångström-日本"
    assert mail["Subject"] == "[D-1042] Größe: " + "ä" * 120


def test_a_name_with_specials_is_quoted():
    mail = read(replace(LETTER, to_name='O\'Hara, Jo "JJ" (\\ACME)'))
    assert mail["To"].addresses[0].display_name == 'O\'Hara, Jo "JJ" (\\ACME)'
    assert mail["To"].addresses[0].addr_spec == "ada@worker.example"


@pytest.mark.parametrize(
    "name",
    ["security@bank.example", "See https://phish.example", "www.phish.example", "=?utf-8?b?YUBi?=", "\u202e\u200b"],
)
def test_a_strangers_name_that_poses_as_an_address_or_link_is_not_shown(name):
    assert compose(replace(LETTER, to_name=name)).count(b"To: <ada@worker.example>\r\n") == 1


@pytest.mark.parametrize("broken", ["a\r\nBcc: eve@evil.example", "a\nBcc: eve@evil.example", "a\rBcc: x\r\n\r\nbody"])
def test_nothing_in_a_name_or_subject_starts_a_header(broken):
    mail = read(replace(LETTER, subject=broken, to_name=broken, from_name=broken))
    assert "Bcc" not in mail
    assert len(list(mail.iter_parts())) == 2


def test_long_subjects_are_folded_and_very_long_ones_cut():
    subject = "[D-1042] " + "word " * 200
    mail = compose(replace(LETTER, subject=subject))
    assert max(len(line) for line in mail.split(b"\r\n")) <= 78
    assert str(read(replace(LETTER, subject=subject))["Subject"]).endswith("word…")


def test_an_ascii_subject_that_looks_encoded_is_shown_as_it_was_written():
    assert read(replace(LETTER, subject="[D-1] =?utf-8?q?hi?= there"))["Subject"] == "[D-1] =?utf-8?q?hi?= there"


def test_references_keep_the_first_and_the_latest_twenty():
    many = tuple(f"<{n}@worker.example>" for n in range(100))
    kept = str(read(replace(LETTER, references=many))["References"]).split()
    assert kept == [many[0], *many[-20:]]


def test_a_long_message_id_is_never_broken_or_encoded():
    long = "<" + "x" * 180 + "@worker.example>"
    octets = compose(replace(LETTER, in_reply_to=long, references=("<a@b.example>", long)))
    assert octets.count(long.encode()) == 2
    assert b"=?" not in octets


@pytest.mark.parametrize(
    "bad", ["<a b@c>", "a@b", "<a@b>\r\nBcc: e@e.example", "<" + "x" * 400 + "@y>", "<ü@b.example>"]
)
def test_a_strangers_malformed_message_id_is_left_out(bad):
    mail = read(replace(LETTER, in_reply_to=bad, references=(bad, "<ok@b.example>")))
    assert "In-Reply-To" not in mail
    assert mail["References"] == "<ok@b.example>"


@pytest.mark.parametrize(
    "address",
    [
        *(
            "",
            "ada",
            "ada@",
            "@x.example",
            "a b@x.example",
            "a@x.example, b@x.example",
            "<a@x.example>",
            "a@x_y.example",
        ),
        *("a\r\n@x.example", '"a b"@x.example', "a..b@x.example", "a@-x.example", "x" * 65 + "@x.example", "a@b@c d"),
    ],
)
def test_an_address_that_is_not_one_plain_mailbox_is_refused(address):
    with pytest.raises(Uncomposable):
        compose(replace(LETTER, to=address))


def test_domains_are_written_in_ascii_and_only_local_parts_need_smtputf8():
    assert addr_spec("ada@bücher.example") == "ada@xn--bcher-kva.example"
    assert not needs_utf8("ada@bücher.example")
    assert needs_utf8("zoë@worker.example")
    assert "To: Ada Worker <zoë@worker.example>\r\n".encode() in compose(replace(LETTER, to="zoë@worker.example"))


@pytest.mark.parametrize(
    "broken",
    [
        replace(LETTER, date=datetime(2026, 3, 2)),  # noqa: DTZ001 - naive on purpose
        replace(LETTER, message_id="d.1042"),
        replace(LETTER, auto_submitted="yes"),
    ],
)
def test_a_letter_without_what_every_mail_needs_is_refused(broken):
    with pytest.raises(Uncomposable):
        compose(broken)


def test_the_outbox_body_is_read_and_says_what_is_wrong_with_it():
    body = {
        "name": "receipt",
        "subject": "s",
        "text": "t",
        "html": "",
        "to": "ada@worker.example",
        "from": "support@market.example",
        "message_id": "<a@b>",
        "references": ["<x@y>"],
    }
    letter = Outgoing.read(body, LETTER.date)
    assert (letter.to, letter.references, letter.date) == ("ada@worker.example", ("<x@y>",), LETTER.date)
    assert Outgoing.read({**body, "references": None}, LETTER.date).references == ()
    for wrong in ({"to": None}, {"references": 3}, {"subject": 7}, {"from": None}):
        with pytest.raises(Uncomposable, match=next(iter(wrong))):
            Outgoing.read({**body, **wrong}, LETTER.date)


@given(st.text(max_size=400), st.text(max_size=120), st.text(max_size=600))
@settings(max_examples=60, deadline=None)
def test_whatever_people_write_the_mail_is_well_formed(subject, name, text):
    octets = compose(replace(LETTER, subject=subject, to_name=name, from_name=name, text=text, html=text))
    assert octets.isascii()
    mail = email.message_from_bytes(octets, policy=email.policy.compat32)
    body = {"MIME-Version", "Content-Type", "Content-Transfer-Encoding"}
    assert set(mail.keys()) - body == set(read(LETTER).keys()) - body
    assert len(mail.get_payload()) == 2 if text else not mail.is_multipart()
