"""From stored bytes to facts: which case a mail belongs to, whose words they are, and what moves nothing."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.message import EmailMessage
from pathlib import Path

import pytest

from bot.casework import Happening, Identity, Office
from bot.directory import Directory
from bot.flows import tokens
from bot.flows.case import Case, Closing, ItemName, ItemState, Kind, Provenance, Role, Stage
from bot.flows.events import CaseOpened, Dismissed, Sorted
from bot.flows.letters import Wording
from bot.intake import Intake, Signs
from bot.settings import load_policy, load_templates
from bot.storage.inbox import MAIL
from bot.storage.mails import MailState
from bot.storage.outbox import Attempt, OutboxRow, OutState
from bot.storage.store import Store
from bot.telemetry import Metrics

pytest_plugins = ["tests.databases"]

MONDAY = datetime(2026, 3, 9, 15, 0, tzinfo=UTC)
ID = "4471829360"
SUPPORT = "support@market.example"
SECRET = "a-secret-of-the-tests"
WANDA, CARL = "wanda@worker.example", "carl@client.example"
POLICY = load_policy(None)
WORDING = Wording(load_templates(None), POLICY.wording)
DIRECTORY = (
    "assignment_id,worker_name,worker_email,client_name,client_email\n"
    f"{ID},Wanda Worker,{WANDA},Carl Client,{CARL}\n"
    "8812345678,Walt,walt@worker.example,Clara,clara@client.example\n"
)
PAYMENT = (
    f"Hello, my payment for assignment {ID} is overdue. I finished the job on March 2.\n"
    "I wrote to the client on Tuesday, March 3 and asked for approval, no answer.\n"
    "On Friday, March 6 I called them and left a message, still nothing.\n"
)
VAGUE = "Hi, a client gave me an unfair 1-star rating. Please remove it."
ANSWER = "We rejected the work because two of the five cables were not labelled. We asked for it on March 4."


@dataclass
class World:
    """A store, an office and an intake; people write, and the inbox is read at once."""

    store: Store
    now: datetime = MONDAY
    mails: int = 0
    office: Office = field(init=False)
    intake: Intake = field(init=False)

    def __post_init__(self) -> None:
        identity = Identity(SUPPORT, "market.example", (SECRET,), "Support")
        self.office = Office(self.store, POLICY, WORDING, identity, lambda: self.now)
        signs = Signs(SUPPORT, (SECRET,), "mx.market.example")
        self.intake = Intake(self.office, self.store, POLICY, signs, Metrics())
        Directory(self.store).take_in(DIRECTORY)

    def writes(self, sender: str, text: str, subject: str = "Help", **headers: str) -> int:
        """A mail arrives and is read. `auth` is pass, fail or none. Returns its row in the inbox."""
        self.mails += 1
        mail = EmailMessage()
        auth = headers.pop("auth", "pass")
        if auth != "none":
            mail["Authentication-Results"] = f"mx.market.example; dmarc={auth} header.from={sender.split('@')[1]}"
        mail["From"], mail["Subject"] = sender, subject
        mail["To"] = headers.pop("To", SUPPORT)
        mail["Message-ID"] = headers.pop("Message_ID", f"<m{self.mails}@{sender.split('@')[1]}>")
        mail["Date"] = "Mon, 09 Mar 2026 14:00:00 +0000"
        for name, value in headers.items():
            mail[name.replace("_", "-")] = value
        mail.set_content(text)
        return self.arrives(mail.as_bytes())

    def arrives(self, raw: bytes) -> int:
        with self.store.begin() as tx:
            row = tx.inbox.put(MAIL, f"imap:1:{self.mails}:{len(raw)}", raw, self.now)
        self.intake.run_once()
        return row.id

    def replies(self, sender: str, letter: OutboxRow, text: str, **headers: str) -> int:
        """An answer as a mail client writes it, to the letter's Reply-To."""
        body = letter.posting.body
        quoted = "\n".join(f"> {line}" for line in str(body["text"]).splitlines())
        given = {"To": str(body["reply_to"]), "In_Reply_To": str(body["message_id"]), **headers}
        return self.writes(
            sender, f"{text}\n\nOn Monday, Support wrote:\n{quoted}\n", f"Re: {body['subject']}", **given
        )

    def delivers(self) -> None:
        with self.store.begin() as tx:
            tx.beats.polled(self.now)
            for row in tx.outbox.claim("d", self.now, POLICY.limits.undo.elapsed, 50):
                attempt = Attempt(row.id, "d", row.attempt)
                assert tx.outbox.intent(attempt)
                assert tx.outbox.sent(attempt, self.now)

    def notices(self) -> Case:
        """A payment case of Wanda's whose client has just had its notice."""
        self.writes(WANDA, PAYMENT)
        self.delivers()
        self.now = POLICY.calendar(None).after(self.now, POLICY.notice.pause)
        with self.store.begin() as tx:
            tx.beats.beat("tick", self.now)
        self.office.tick()
        self.delivers()
        return self.case()

    def cases(self) -> list[Case]:
        with self.store.read() as tx:
            return list(tx.cases.all())

    def case(self) -> Case:
        (case,) = self.cases()
        return case

    def letter(self, role: Role) -> OutboxRow:
        """The last letter to a party of the first case."""
        with self.store.read() as tx:
            return [row for row in tx.outbox.letters(1001) if row.posting.role is role][-1]

    def filed(self, mail: int) -> tuple[tuple[int | None, MailState, str], ...]:
        with self.store.read() as tx:
            return tuple((row.case, row.filing.state, row.filing.threaded_by) for row in tx.mails.filed(mail))

    def quarantine(self) -> list[str]:
        with self.store.read() as tx:
            return [row.reason for row in tx.inbox.quarantined()]


@pytest.fixture
def world(tmp_path: Path, sqlite_template: Path) -> Iterator[World]:
    shutil.copy(sqlite_template, tmp_path / "parley.db")
    store = Store(f"sqlite:///{tmp_path / 'parley.db'}")
    yield World(store)
    store.close()


# --- New mail ---------------------------------------------------------------------------------------------------------


def test_a_complete_payment_dispute_opens_a_case_with_the_client_from_the_directory(world: World) -> None:
    mail = world.writes(WANDA, PAYMENT)
    case = world.case()
    assert (case.kind, case.opener, case.stage) == (Kind.PAYMENT, Role.WORKER, Stage.NOTICE)
    assert (case.assignment_ids, case.client.address) == ((ID,), CARL)
    assert case.doubts == ()
    assert world.filed(mail) == ((1001, MailState.FILED, ""),)


def test_a_client_who_opens_is_told_from_the_worker_by_the_directory(world: World) -> None:
    world.writes(
        CARL, f"About assignment {ID}: the worker says payment is overdue but we never got the report. Dispute."
    )
    assert {case.opener for case in world.cases()} == {Role.CLIENT}


def test_a_vague_rating_mail_is_asked_for_the_id_and_the_explanation(world: World) -> None:
    world.writes(WANDA, VAGUE)
    case = world.case()
    assert (case.kind, case.stage) == (Kind.RATING, Stage.GATHERING)
    assert [item.name for item in case.wanted_from(Role.WORKER)] == [
        ItemName.ASSIGNMENT_ID,
        ItemName.WORKER_EXPLANATION,
    ]
    text = str(world.letter(Role.WORKER).posting.body["text"]).lower()
    assert "assignment" in text


def test_a_mail_that_raises_both_opens_two_linked_cases(world: World) -> None:
    world.writes(
        WANDA,
        f"For assignment {ID} the client gave me an unfair 1 star rating, please review the rating. "
        "Also I was never paid for this assignment, the payment is three weeks overdue.",
    )
    assert {case.kind for case in world.cases()} == {Kind.RATING, Kind.PAYMENT}
    with world.store.read() as tx:
        assert [other for other, _ in tx.cases.links(1001)] == [1002]


def test_what_is_no_dispute_opens_nothing_and_gets_no_letter(world: World) -> None:
    mail = world.writes(WANDA, "Hello, where do I find my tax form 1099 for last year? Thank you.")
    assert world.cases() == []
    assert world.filed(mail) == ((None, MailState.NOT_DISPUTE, ""),)


def test_spam_is_ignored(world: World) -> None:
    mail = world.writes(
        "win@lotto.example",
        "CONGRATULATIONS!!! You won 1,000,000 USD in our lottery. Click http://lotto.example to claim your prize now. "
        "Buy cheap SEO services, guaranteed backlinks, limited offer.",
    )
    assert world.cases() == []
    assert world.filed(mail)[0][1] in (MailState.IGNORED, MailState.NOT_DISPUTE)


def test_failed_authentication_waits_in_sorting_and_gets_no_letter(world: World) -> None:
    world.writes(WANDA, PAYMENT, auth="fail")
    case = world.case()
    assert (case.stage, case.letters) == (Stage.SORTING, 0)


def test_a_sender_nobody_vouches_for_waits_in_sorting(world: World) -> None:
    world.writes(WANDA, PAYMENT, auth="none")
    assert world.case().stage is Stage.SORTING


def test_our_own_mail_is_ignored(world: World) -> None:
    mail = world.writes(SUPPORT, PAYMENT)
    assert world.cases() == []
    assert world.filed(mail) == ((None, MailState.IGNORED, ""),)


def test_a_file_that_nobody_has_read_waits_for_staff(world: World) -> None:
    mail = EmailMessage()
    mail["Authentication-Results"] = "mx.market.example; dmarc=pass"
    mail["From"], mail["To"], mail["Subject"] = WANDA, SUPPORT, f"Payment overdue for assignment {ID}"
    mail["Message-ID"] = "<file@worker.example>"
    mail.set_content(f"My payment for assignment {ID} is overdue, the client does not pay. The timeline is attached.")
    mail.add_attachment(b"%PDF-1.4 " + b"x" * 30_000, maintype="application", subtype="pdf", filename="timeline.pdf")
    world.arrives(mail.as_bytes())
    item = world.case().item(ItemName.TIMELINE)
    assert item
    assert (item.state, item.provenance) == (ItemState.RECEIVED, Provenance.ATTACHMENT)


# --- Answers ----------------------------------------------------------------------------------------------------------


def test_a_reply_by_token_completes_the_opening(world: World) -> None:
    world.writes(WANDA, VAGUE)
    mail = world.replies(
        WANDA,
        world.letter(Role.WORKER),
        f"The assignment is {ID}. I arrived at 8:55, replaced the cable, tested it and the manager signed the form at "
        "11:30. The rating says I never came, which is wrong: the check-in log shows my arrival.",
    )
    assert world.case().stage is Stage.NOTICE
    assert world.filed(mail) == ((1001, MailState.FILED, "token"),)


def test_a_reply_to_the_plain_address_is_found_by_our_message_id(world: World) -> None:
    case = world.notices()
    assert case.stage is Stage.ANSWERING
    mail = world.replies(CARL, world.letter(Role.CLIENT), ANSWER, To=SUPPORT)
    assert world.case().stage is Stage.TALKS
    assert world.filed(mail) == ((1001, MailState.FILED, "message_id"),)


def test_a_reply_to_a_party_s_own_earlier_mail_is_found_by_its_message_id(world: World) -> None:
    world.writes(WANDA, VAGUE, Message_ID="<first@worker.example>")
    mail = world.writes(WANDA, "One more thing, it was a Monday.", "Re: Help", In_Reply_To="<first@worker.example>")
    assert world.filed(mail) == ((1001, MailState.FILED, "references"),)


def test_the_client_s_answer_does_not_reach_the_worker(world: World) -> None:
    world.notices()
    world.replies(CARL, world.letter(Role.CLIENT), ANSWER)
    with world.store.read() as tx:
        to_worker = [str(row.posting.body) for row in tx.outbox.letters(1001) if row.posting.role is Role.WORKER]
    assert not any("labelled" in body or CARL in body for body in to_worker)


def test_an_unknown_address_with_a_token_is_filed_unconfirmed_and_holds_the_clocks(world: World) -> None:
    world.notices()
    mail = world.replies("assistant@client.example", world.letter(Role.CLIENT), ANSWER)
    case = world.case()
    assert case.stage is Stage.ANSWERING
    assert [hold.id for hold in case.holds] == [f"mail:{mail}"]
    assert world.filed(mail) == ((1001, MailState.UNCONFIRMED, "token"),)


def test_a_failed_authentication_with_a_token_is_not_the_party_s_mail(world: World) -> None:
    world.notices()
    world.replies(CARL, world.letter(Role.CLIENT), ANSWER, auth="fail")
    assert world.case().stage is Stage.ANSWERING
    assert world.case().suggested


def test_a_token_without_authentication_is_enough_for_the_party_it_names(world: World) -> None:
    world.notices()
    world.replies(CARL, world.letter(Role.CLIENT), ANSWER, auth="none")
    assert world.case().stage is Stage.TALKS


def test_a_token_of_one_side_does_not_speak_for_the_other_without_authentication(world: World) -> None:
    world.notices()
    world.replies(CARL, world.letter(Role.WORKER), ANSWER, auth="none")
    assert world.case().stage is Stage.ANSWERING
    world.replies(CARL, world.letter(Role.WORKER), ANSWER, auth="pass")
    with world.store.read() as tx:
        parties = [row.party for row in tx.mails.of_case(1001)]
    assert parties == [Role.WORKER, Role.WORKER, Role.CLIENT]


def test_a_forged_token_binds_nothing(world: World) -> None:
    world.notices()
    forged = tokens.reply_address(SUPPORT, tokens.token("another-secret-of-theirs", 1001, Role.CLIENT))
    mail = world.writes("stranger@else.example", "We will never pay.", "Hello", To=forged)
    assert all(case != 1001 for case, _, _ in world.filed(mail))
    assert world.cases()[0].stage is Stage.ANSWERING


def test_a_stranger_with_the_number_in_the_subject_moves_nothing_but_keeps_the_end_from_coming(world: World) -> None:
    world.notices()
    world.writes("stranger@else.example", "Close this case, everything is settled.", "Re: [D-1001] Payment dispute")
    first, second = world.cases()
    assert (first.stage, first.closing) == (Stage.ANSWERING, None)
    assert [hold.id.partition(":")[0] for hold in first.holds] == ["subject"]
    assert second.stage is Stage.SORTING
    assert "suggestion" in [wait.about for wait in second.waits]


def test_a_party_that_writes_afresh_about_its_assignment_is_only_suggested_and_its_clocks_are_held(
    world: World,
) -> None:
    world.notices()
    world.writes(CARL, f"About the overdue payment for assignment {ID}: we will approve it on Friday, March 13.")
    first, second = world.cases()
    assert first.held(Role.CLIENT)
    assert second.stage is Stage.SORTING


# --- Machines ---------------------------------------------------------------------------------------------------------


def test_an_out_of_office_is_never_answered_and_holds_the_clocks_until_its_date(world: World) -> None:
    world.notices()
    letters = world.case().letters
    world.replies(
        CARL, world.letter(Role.CLIENT), "I am out of office until March 12, 2026.", Auto_Submitted="auto-replied"
    )
    case = world.case()
    assert case.letters == letters
    assert [hold.id for hold in case.holds] == ["away:client"]


def test_automatic_mail_of_nobody_is_ignored(world: World) -> None:
    mail = world.writes("noreply@shop.example", "Your order has shipped.", "Order 123", Auto_Submitted="auto-generated")
    assert world.filed(mail) == ((None, MailState.IGNORED, ""),)


def bounce(letter: OutboxRow, status: str = "5.1.1", action: str = "failed") -> bytes:
    """A delivery status notification as Postfix writes it."""
    message_id, to = letter.posting.message_id, letter.posting.recipient
    return (
        "From: MAILER-DAEMON@mx.client.example\r\nTo: support@market.example\r\nSubject: Undelivered Mail\r\n"
        "Auto-Submitted: auto-replied\r\n"
        'Content-Type: multipart/report; report-type=delivery-status; boundary="b"\r\n\r\n'
        "--b\r\nContent-Type: text/plain\r\n\r\nI'm sorry, your message could not be delivered.\r\n"
        "--b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.client.example\r\n\r\n"
        f"Final-Recipient: rfc822; {to}\r\nAction: {action}\r\nStatus: {status}\r\n"
        "Diagnostic-Code: smtp; 550 no such user\r\n\r\n"
        f"--b\r\nContent-Type: text/rfc822-headers\r\n\r\nMessage-ID: {message_id}\r\n\r\n--b--\r\n"
    ).encode()


def test_a_bounce_stops_the_clock_of_its_letter_and_asks_for_another_address(world: World) -> None:
    world.notices()
    world.arrives(bounce(world.letter(Role.CLIENT)))
    case = world.case()
    assert [wait.about for wait in case.waits] == ["address:client"]
    assert case.client.address is None


def test_a_delay_is_no_bounce(world: World) -> None:
    world.notices()
    world.arrives(bounce(world.letter(Role.CLIENT), "4.4.1", "delayed"))
    assert world.case().holds == ()


def test_a_bounce_of_an_unknown_letter_proves_that_it_left(world: World) -> None:
    world.writes(WANDA, PAYMENT)
    with world.store.begin() as tx:
        (row,) = tx.outbox.claim("d", world.now, POLICY.limits.undo.elapsed, 50)
        attempt = Attempt(row.id, "d", row.attempt)
        assert tx.outbox.intent(attempt)
        assert tx.outbox.unknown(attempt, "cut after the final dot")
    with world.store.begin() as tx:
        tx.beats.beat("tick", world.now)
    world.office.tick()
    world.arrives(bounce(world.letter(Role.WORKER)))
    assert world.letter(Role.WORKER).state is OutState.SENT
    assert [wait.about for wait in world.case().waits] == ["address:worker"]


# --- What goes wrong --------------------------------------------------------------------------------------------------


def test_a_mail_nobody_wrote_is_quarantined_and_the_one_behind_it_is_read(world: World) -> None:
    with world.store.begin() as tx:
        tx.inbox.put(MAIL, "imap:1:900", b"Subject: no sender\r\n\r\nHello\r\n", world.now)
    world.writes(WANDA, PAYMENT)
    assert len(world.cases()) == 1
    (reason,) = world.quarantine()
    assert "From" in reason


def test_a_mail_that_cannot_be_applied_is_tried_again_and_then_quarantined(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("the disk is full")

    monkeypatch.setattr(world.office, "advance", broken)
    with world.store.begin() as tx:
        row_id = tx.inbox.put(MAIL, "imap:1:901", f"From: {WANDA}\r\n\r\n{PAYMENT}".encode(), world.now).id
    for _ in range(5):
        with world.store.read() as tx:
            row = tx.inbox.get(row_id)
        assert row
        world.intake.take_in(row)
    (reason,) = world.quarantine()
    assert reason == "failed 5 times: RuntimeError: the disk is full"


def test_the_same_mail_read_twice_changes_nothing(world: World) -> None:
    mail = world.writes(WANDA, PAYMENT)
    before = world.case()
    with world.store.read() as tx:
        row = tx.inbox.get(mail)
    assert row
    world.intake.take_in(row)
    assert world.case() == before


def test_a_sorted_mail_is_read_again_in_the_light_of_its_kind(world: World) -> None:
    mail = world.writes(WANDA, PAYMENT, auth="none")
    facts = world.intake.read_again(mail, world.case(), Kind.PAYMENT, Role.WORKER)
    assert facts
    assert (facts.assignment_ids, [item.name for item in facts.items]) == ((ID,), [ItemName.TIMELINE])
    assert world.intake.read_again(9999, world.case(), Kind.PAYMENT, Role.WORKER) is None


def test_cases_are_opened_by_the_office_alone(world: World) -> None:
    mail = world.writes(WANDA, "Hello, where do I find my tax form for last year?")
    facts = world.intake.read_again(mail, Case(0), Kind.RATING, Role.WORKER)
    assert facts
    world.office.advance((Happening(None, f"open:{mail}", "U1", CaseOpened(facts, Kind.RATING, Role.WORKER)),))
    assert world.case().stage is Stage.GATHERING


def test_a_late_reply_to_a_merged_case_finds_the_one_that_goes_on(world: World) -> None:
    world.writes(WANDA, f"Please help with the payment for {ID}.", "Not paid")
    world.delivers()
    duplicate, asked = world.case(), world.letter(Role.WORKER)
    world.writes(WANDA, PAYMENT, "Payment overdue")
    survivor = world.cases()[-1]
    assert survivor.number != duplicate.number
    world.office.advance(
        [
            Happening(survivor.number, "sorted", "Ana", Sorted("Ana", Kind.PAYMENT, Role.WORKER)),
            Happening(duplicate.number, "merged", "Ana", Dismissed("Ana", survivor.number, "the same")),
        ]
    )
    before = len(world.cases()[-1].statements)
    row = world.replies(WANDA, asked, "One more thing: I called again on March 7.")
    stays, goes_on = world.cases()[0], world.cases()[-1]
    assert stays.closed is Closing.DUPLICATE
    assert len(goes_on.statements) == before + 1
    assert goes_on.statements[-1].mail_id == row
    with world.store.read() as tx:
        assert [mail.case for mail in tx.mails.filed(row)] == [survivor.number]
