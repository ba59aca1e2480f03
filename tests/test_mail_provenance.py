"""Who speaks, when a writer is back, and what our own server found of the sender: one line a situation."""

from datetime import date

import pytest

from bot.flows.mail import Nature, Verdict
from bot.mail.parse import parse
from bot.mail.provenance import returns_on

MONDAY = date(2026, 2, 2)


def mail(head: str = "", subject: str = "Rating", sender: str = "dana@worker.example", body: str = "hello") -> bytes:
    block = f"{head}From: {sender}\nSubject: {subject}\nDate: Mon, 2 Feb 2026 09:00:00 +0000\n\n{body}\n"
    return block.replace("\n", "\r\n").encode()


@pytest.mark.parametrize(
    "head",
    [
        "Auto-Submitted: auto-replied\n",
        "Auto-Submitted: auto-generated (a machine)\n",
        "Precedence: bulk\n",
        "Precedence: AUTO_REPLY\n",
        "X-Auto-Response-Suppress: OOF\n",
        "X-Autoreply: yes\n",
        "X-Autorespond: yes\n",
        "List-Id: <news.lists.example>\n",
        "List-Unsubscribe: <mailto:u@lists.example>\n",
        "Feedback-ID: 1:2:3\n",
        "X-Loop: yes\n",
        "Return-Path: <>\n",
        "Delivered-To: Autoresponder\n",
        "Content-Type: multipart/report; report-type=disposition-notification; boundary=b\n",
        "Content-Type: text/calendar; method=REPLY\n",
    ],
)
def test_one_header_is_enough_to_tell_a_machine(head):
    read = parse(mail(head))
    assert read.nature is Nature.AUTO
    assert read.signals


@pytest.mark.parametrize("head", ["Auto-Submitted: no\n", "Precedence: normal\n", "Return-Path: <d@worker.example>\n"])
def test_these_headers_tell_nothing(head):
    assert parse(mail(head)).nature is Nature.PERSON


@pytest.mark.parametrize(
    "sender",
    [
        "no-reply@shop.example",
        "noreply+123@shop.example",
        "do_not_reply@shop.example",
        "billing-noreply@shop.example",
        "mailer-daemon@mx.example",
        "postmaster@mx.example",
        "bounces+1=2@shop.example",
        "notifications@shop.example",
        "techs-bounces@lists.example",
    ],
)
def test_nobody_reads_answers_at_such_an_address(sender):
    assert parse(mail(sender=sender)).nature is Nature.AUTO


@pytest.mark.parametrize("sender", ["noah@worker.example", "norepair@worker.example", "alertsystems@client.example"])
def test_a_person_may_have_a_name_like_that(sender):
    assert parse(mail(sender=sender)).nature is Nature.PERSON


@pytest.mark.parametrize(
    "subject",
    [
        "Automatic reply: Your letter",
        "Auto-Reply: hello",
        "Out of Office: Re: Rating",
        "I am out of the office",
        "OOO until Monday",
        "On vacation",
        "Thank you for contacting Acme",
        "We have received your request",
        "[Ticket #123] has been received",
        "Your ticket 99 has been created",
        "Automatische Antwort: Zahlung",
        "Abwesenheitsnotiz",
        "Réponse automatique : paiement",
        "Absence du bureau",
        "Respuesta automática: pago",
        "Fuera de la oficina",
        "Risposta automatica: voto",
        "Fuori ufficio",
        "Automatisch antwoord: betaling",
        "Afwezig",
        "Resposta automática: nota",
        "Automatiskt svar: betyg",
        "Autosvar: betaling",
        "Automaattinen vastaus: maksu",
        "Odpowiedź automatyczna: płatność",
        "Automatická odpověď: platba",
        "Автоматический ответ: оценка",
        "自动回复: 评分",
        "自動返信: 評価",
        "자동 회신: 평가",
        "Otomatik yanıt: puan",
        "Accepted: Call on Monday",
        "Read: Payment",
    ],
)
def test_a_machine_names_itself_in_the_subject(subject):
    raw = f"From: d@worker.example\r\nSubject: {subject}\r\n\r\nhi\r\n".encode()
    assert parse(raw).nature is Nature.AUTO


@pytest.mark.parametrize(
    "subject",
    [
        "Re: Automatic reply: Payment",
        "AW: Automatische Antwort: Zahlung",
        "Autonomous Systems assignment not paid",
        "Reminder: payment for 4471829360",
        "Payment confirmation never came",
        "Request for payment, assignment not resolved",
        "Canceled: assignment 4471829360",
        "Out of pocket for parts",
        "Auto parts store job, bad rating",
        "Case opened against me",
        "Invoice from Dana Reyes",
    ],
)
def test_a_person_may_write_such_a_subject(subject):
    assert parse(mail(subject=subject)).nature is Nature.PERSON


def test_our_own_letter_coming_back_is_automatic_mail_even_if_a_person_wrote_it():
    ours = parse(mail("Message-ID: <d.1042.3.abcdef0123@parley.example>\n", sender="support@parley.example"))
    theirs = parse(mail("Message-ID: <d.1042.3.abcdef0123@parley.example>\n", sender="dana@worker.example"))
    assert ours.nature is Nature.AUTO
    assert "one of our own letters" in ours.signals
    assert theirs.nature is Nature.PERSON


# --- bounces ------------------------------------------------------------------------------------------------


def report(action: str, status: str) -> bytes:
    head = 'Return-Path: <>\nContent-Type: multipart/report; report-type=delivery-status; boundary="r"\n'
    body = (
        f"--r\nContent-Type: text/plain\n\nA report.\n--r\nContent-Type: message/delivery-status\n\n"
        f"Reporting-MTA: dns; mx.example\n\nFinal-Recipient: rfc822; c@client.example\nAction: {action}\n"
        f"Status: {status}\n\n--r--"
    )
    return mail(head, "Delivery report", "mailer-daemon@mx.example", body)


@pytest.mark.parametrize(
    ("action", "status", "permanent"),
    [("failed", "5.1.1", True), ("delayed", "4.4.7", False), ("failed", "4.2.2", False)],
)
def test_a_report_says_whether_it_is_final(action, status, permanent):
    read = parse(report(action, status))
    assert read.nature is Nature.BOUNCE
    assert read.bounce is not None
    assert read.bounce.permanent is permanent
    assert read.bounce.status == status
    assert read.bounce.recipients == ("c@client.example",)


def test_a_report_of_success_is_automatic_mail_and_no_bounce():
    read = parse(report("delivered", "2.0.0"))
    assert read.nature is Nature.AUTO
    assert read.bounce is None


def test_an_exchange_bounce_without_a_status_part_is_still_one():
    body = "Delivery has failed to these recipients or groups:\n\nc@client.example\n550 5.1.10 RESOLVER.ADR\n"
    head = "In-Reply-To: <d.1042.3.abcdef0123@parley.example>\nX-Failed-Recipients: c@client.example\n"
    read = parse(mail(head, "Undeliverable: [D-1042] Payment", "postmaster@client.example", body))
    assert read.bounce is not None
    assert read.bounce.recipients == ("c@client.example",)
    assert read.bounce.message_ids == ("<d.1042.3.abcdef0123@parley.example>",)
    assert read.bounce.status == "5.1.10"


def test_a_person_who_tells_of_a_bounce_is_a_person():
    read = parse(mail(subject="Undeliverable mail to the client", body="My mail came back: 550 5.1.1 unknown user"))
    assert read.nature is Nature.PERSON
    assert read.bounce is None


# --- out of office ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("I will be back on February 9.", date(2026, 2, 9)),
        ("I'm out until Monday, February 9th and will answer then.", date(2026, 2, 9)),
        ("I am away from 2/1/2026 to 2/6/2026.", date(2026, 2, 7)),
        ("I am out of office through Feb 6, returning Monday, Feb 9.", date(2026, 2, 9)),
        ("Returning to the office on 2026-02-10.", date(2026, 2, 10)),
        ("I will return on 10 February 2026", date(2026, 2, 10)),
        ("I will be back in the office on Thursday.", date(2026, 2, 5)),
        ("Back tomorrow!", date(2026, 2, 3)),
        ("I am on leave until January 4.", None),
        ("I will be out of the office. Back on January 5, 2027.", date(2027, 1, 5)),
        ("Ich bin ab dem 16. Februar wieder im Büro und bis 13.02. nicht erreichbar.", date(2026, 2, 14)),
        ("Ich bin am 16.02.2026 zurück, wieder erreichbar ab 16.02.2026.", date(2026, 2, 16)),
        ("Je serai de retour le 9 février.", date(2026, 2, 9)),
        ("Estaré de vuelta el 9 de febrero.", date(2026, 2, 9)),
        ("Sarò di ritorno il 9 febbraio.", date(2026, 2, 9)),
        ("Ik ben terug op 9 februari.", date(2026, 2, 9)),
        ("Estarei de volta em 9 de fevereiro de 2026.", date(2026, 2, 9)),
        ("I will get back to you as soon as possible.", None),
        ("Back on February 31.", None),
        ("I will be back in 2031.", None),
    ],
)
def test_an_out_of_office_says_when_its_writer_is_back(text, day):
    assert returns_on(text, MONDAY) == day


def test_without_a_date_of_its_own_a_mail_gives_no_return():
    assert returns_on("Back on February 9.", None) is None


# --- sender authentication ----------------------------------------------------------------------------------

OURS = "Authentication-Results: mx.parley.example"
LMTP = "Received: from mx.parley.example ([10.0.0.2])\n\tby imap.parley.example with LMTP id 1\n"
LOOPBACK = "Received: from localhost (localhost [127.0.0.1])\n\tby mx.parley.example (Postfix) with ESMTP id 1\n"
FOREIGN = "Received: from a.example (a.example [203.0.113.5])\n\tby mx.parley.example with ESMTPS id 1\n"
LYING = "Received: from [127.0.0.1] (evil.example [203.0.113.5])\n\tby mx.parley.example with ESMTP id 1\n"
LYING_ENVELOPE = FOREIGN[:-1] + ' (envelope-from <"a by b with LMTP"@evil.example>)\n'
LYING_LMTP = "Received: from evil.example (LMTP [203.0.113.5]) by mx.parley.example with ESMTP id 1\n"


@pytest.mark.parametrize(
    ("head", "verdict"),
    [
        ("", Verdict.NONE),
        (f"{OURS}; dmarc=pass\n", Verdict.PASS),
        (f"{OURS} 1; dmarc=pass (p=none dis=none) header.from=worker.example\n", Verdict.PASS),
        (f"{OURS}; dmarc=pass header.from=other.example\n", Verdict.NONE),
        (f"{OURS}; dmarc=fail; spf=pass smtp.mailfrom=worker.example\n", Verdict.FAIL),
        (f"{OURS}; spf=pass smtp.mailfrom=dana@worker.example\n", Verdict.PASS),
        (f"{OURS}; spf=pass smtp.mailfrom=bounce@mail.worker.example\n", Verdict.PASS),
        (f"{OURS}; spf=pass smtp.mailfrom=dana@other.example\n", Verdict.NONE),
        (f"{OURS}; dkim=pass header.i=@worker.example\n", Verdict.PASS),
        (f"{OURS}; dkim=pass header.d=notworker.example\n", Verdict.NONE),
        (f"{OURS}; dkim=fail header.d=worker.example; spf=softfail\n", Verdict.FAIL),
        (f"{OURS}; dmarc=none; dkim=none; spf=none\n", Verdict.NONE),
        (f"{OURS}; none\n", Verdict.NONE),
        (f'{OURS}; dkim=temperror reason="; dmarc=pass" header.d=x.example\n', Verdict.NONE),
        (f"{OURS}; dkim=neutral (; dmarc=pass) header.d=x.example\n", Verdict.NONE),
        ("Authentication-Results: evil.example; dmarc=pass\n", Verdict.NONE),
        ("Authentication-Results: evil.example; dmarc=pass\n" + f"{OURS}; dmarc=fail\n", Verdict.FAIL),
        (f"{OURS}; dmarc=fail\n{OURS}; dmarc=pass\n", Verdict.FAIL),
        (f"{LMTP}{LOOPBACK}{OURS}; dmarc=pass\n", Verdict.PASS),
        (f"{LMTP}{OURS}; dmarc=pass\n{FOREIGN}", Verdict.PASS),
        (f"{FOREIGN}{OURS}; dmarc=pass\n", Verdict.NONE),
        (f"{LYING}{OURS}; dmarc=pass\n", Verdict.NONE),
        (f"{LYING_LMTP}{OURS}; dmarc=pass\n", Verdict.NONE),
        (f"{LYING_ENVELOPE}{OURS}; dmarc=pass\n", Verdict.NONE),
        (f"ARC-{OURS}; dmarc=pass\n", Verdict.NONE),
    ],
)
def test_the_verdict_is_our_own_servers_topmost_word_and_nobody_elses(head, verdict):
    assert parse(mail(head), "mx.parley.example").verdict is verdict


def test_without_a_name_for_our_server_nothing_is_trusted_and_the_reason_says_what_to_set():
    read = parse(mail(f"{OURS}; dmarc=pass\n"))
    assert read.verdict is Verdict.NONE
    assert "PARLEY_AUTHSERV_ID" in read.verdict_reason
