"""Letters handed to real servers on loopback: each fate is told apart, and none is ever sent twice."""

import asyncio
import socket
import threading
import time
from collections.abc import Iterator

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import Envelope as ReceivedEnvelope

from bot.mail.smtp import (
    Accepted,
    Deferred,
    Envelope,
    Fenced,
    Outcome,
    Patience,
    Refused,
    Server,
    Unknown,
    deliver_batch,
    probe,
    send_batch,
)
from bot.settings import Security, SmtpUrl
from tests.smtpdoor import CUT, HANG, OK, Door, trusting

SHORT = Patience(connect_s=0.4, command_s=0.3, data_s=0.3, answer_s=0.3)
PATIENT = Patience(connect_s=5, command_s=5, data_s=5, answer_s=5)


@pytest.fixture
def door() -> Iterator[Door]:
    with Door() as door:
        yield door


def server(port: int, connections: int = 1, patience: Patience = PATIENT, user: str = "") -> Server:
    url = SmtpUrl("127.0.0.1", port, user, "secret", Security.CLEAR)
    return Server(url, "bot.example", connections, patience)


def letter(number: int, *recipients: str, content: bytes | None = None) -> Envelope:
    to = recipients or (f"party{number}@worker.example",)
    text = content or f"Subject: letter {number}\r\n\r\nHello {number}\r\n.leading dot\r\n".encode()
    return Envelope(number, "support@market.example", to, text)


def send(to: Server, *letters: Envelope, gate=lambda _: True) -> dict[int, Outcome]:
    outcomes: dict[int, Outcome] = {}

    def record(sent: Envelope, outcome: Outcome) -> None:
        assert sent.id not in outcomes
        outcomes[sent.id] = outcome

    deliver_batch(to, letters, gate, record)
    return outcomes


def deferred(outcome: Outcome) -> Deferred:
    assert isinstance(outcome, Deferred)
    return outcome


# --- what goes well --------------------------------------------------------------------------------------------------


def test_a_letter_arrives_byte_for_byte_with_its_envelope(door):
    outcomes = send(server(door.port), letter(1))
    assert outcomes == {1: Accepted("250 2.0.0 taken as 1")}
    [taken] = door.taken
    assert taken.sender == "<support@market.example>"
    assert taken.recipients == ("<party1@worker.example>",)
    assert taken.content == letter(1).content


def test_a_text_that_begins_with_dots_and_ends_without_a_line_arrives_whole(door):
    send(server(door.port), letter(1, content=b".X: y\r\n\r\n..\r\n.\r\nend"))
    assert door.taken[0].content == b".X: y\r\n\r\n..\r\n.\r\nend\r\n"


def test_many_letters_share_one_connection(door):
    outcomes = send(server(door.port), *(letter(n) for n in range(20)))
    assert all(isinstance(outcome, Accepted) for outcome in outcomes.values())
    assert [taken.content for taken in door.taken] == [letter(n).content for n in range(20)]
    assert door.connections == 1


def test_a_batch_uses_at_most_the_connections_allowed(door):
    outcomes = send(server(door.port, connections=3), *(letter(n) for n in range(30)))
    assert len(outcomes) == len(door.taken) == 30
    assert door.connections == 3


def test_aiosmtpd_takes_a_batch_with_fenced_letters_between():
    received: list[tuple[list[str], bytes]] = []

    class Mailbox:
        async def handle_DATA(self, _server: object, _session: object, envelope: ReceivedEnvelope) -> str:  # noqa: N802
            received.append((envelope.rcpt_tos, envelope.original_content or b""))
            return "250 taken"

    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    controller = Controller(Mailbox(), hostname="127.0.0.1", port=port)
    controller.start()
    try:
        outcomes = send(server(port), *(letter(n) for n in range(6)), gate=lambda sent: sent.id % 2 == 0)
    finally:
        controller.stop()
    assert [outcomes[n] == Fenced() for n in range(6)] == [False, True] * 3
    assert received == [([f"party{n}@worker.example"], letter(n).content) for n in (0, 2, 4)]


def test_an_empty_batch_opens_no_connection(door):
    assert send(server(door.port)) == {}
    assert door.connections == 0


def test_an_address_that_is_not_ascii_needs_a_server_that_says_so(door):
    content = "Subject: x\r\nTo: <zoë@worker.example>\r\n\r\nHi\r\n".encode()
    refused = send(server(door.port), letter(1, "zoë@worker.example", content=content), letter(2))
    assert isinstance(refused[1], Refused)
    assert isinstance(refused[2], Accepted)
    with Door("SMTPUTF8", "8BITMIME") as modern:
        assert isinstance(send(server(modern.port), letter(1, "zoë@worker.example", content=content))[1], Accepted)
        assert modern.taken[0].recipients == ("<zoë@worker.example>",)
        assert modern.taken[0].content == content
        assert any("SMTPUTF8" in line for _, line in modern.commands)


# --- refusals --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", ["MAIL", "RCPT", "DATA", "text"])
@pytest.mark.parametrize(
    ("reply", "outcome"),
    [
        ("451 4.3.0 try later", Deferred(451, "4.3.0 try later")),
        ("550 5.1.1 no such user", Refused(550, "5.1.1 no such user")),
    ],
)
def test_a_refusal_at_any_command_concerns_that_letter_only(door, step, reply, outcome):
    door.script(step, OK, reply, OK)
    outcomes = send(server(door.port), letter(1), letter(2), letter(3))
    assert outcomes[2] == outcome
    assert [isinstance(outcomes[n], Accepted) for n in (1, 3)] == [True, True]
    assert [taken.content for taken in door.taken] == [letter(1).content, letter(3).content]
    assert door.connections == 1


def test_a_refused_party_is_refused_even_if_the_copy_would_be_taken(door):
    door.script("RCPT", "550 5.1.1 no such user")
    outcomes = send(server(door.port), letter(1, "gone@worker.example", "copy@market.example"))
    assert outcomes == {1: Refused(550, "5.1.1 no such user")}
    assert door.taken == []


def test_a_refused_copy_stops_nothing_and_is_told(door):
    door.script("RCPT", OK, "552 5.2.2 mailbox full")
    outcomes = send(server(door.port), letter(1, "ada@worker.example", "copy@market.example"))
    assert outcomes == {1: Accepted("250 2.0.0 taken as 1", ("copy@market.example: 552 5.2.2 mailbox full",))}
    assert door.taken[0].recipients == ("<ada@worker.example>",)


def test_all_recipients_refused_for_now_is_tried_again(door):
    door.always("RCPT", "450 4.2.1 greylisted")
    outcomes = send(server(door.port), letter(1, "ada@worker.example", "copy@market.example"), letter(2))
    assert outcomes == {1: Deferred(450, "4.2.1 greylisted"), 2: Deferred(450, "4.2.1 greylisted")}


def test_a_servers_words_are_kept_short_and_printable(door):
    door.script("MAIL", "550 no\x00\x07 " + "x" * 2000)
    [outcome] = send(server(door.port), letter(1)).values()
    assert isinstance(outcome, Refused)
    assert outcome.text.isprintable()
    assert len(outcome.text) == 500


# --- the gate --------------------------------------------------------------------------------------------------------


def test_the_gate_is_asked_when_the_server_is_ready_and_before_the_text(door):
    asked = []

    def gate(sent: Envelope) -> bool:
        asked.append((sent.id, [line.split(" ")[0] for _, line in door.commands][-2:]))
        return True

    send(server(door.port), letter(1), gate=gate)
    assert asked == [(1, ["MAIL", "RCPT"])]


def test_a_letter_fenced_out_leaves_no_trace_and_the_next_one_goes(door):
    outcomes = send(server(door.port), letter(1), letter(2), gate=lambda sent: sent.id != 1)
    assert outcomes[1] == Fenced()
    assert isinstance(outcomes[2], Accepted)
    assert door.said("RSET") == 1
    assert [taken.content for taken in door.taken] == [letter(2).content]


def test_a_refused_recipient_is_never_asked_at_the_gate(door):
    door.always("RCPT", "550 no")
    send(server(door.port), letter(1), gate=lambda _: pytest.fail("asked"))


def test_a_store_that_fails_at_the_gate_stops_the_batch_and_is_told(door):
    def gate(sent: Envelope) -> bool:
        if sent.id == 2:
            raise RuntimeError("database is gone")
        return True

    with pytest.raises(RuntimeError, match="database is gone"):
        send(server(door.port), letter(1), letter(2), letter(3), gate=gate)
    assert [taken.content for taken in door.taken] == [letter(1).content]


def test_a_store_that_fails_to_record_stops_the_batch_and_is_told(door):
    def record(sent: Envelope, outcome: Outcome) -> None:
        raise RuntimeError("database is gone")

    with pytest.raises(RuntimeError, match="database is gone"):
        deliver_batch(server(door.port), [letter(1), letter(2)], lambda _: True, record)
    assert len(door.taken) == 1


def test_a_slow_commit_is_never_taken_for_a_silent_server(door):
    patience = Patience(connect_s=2, command_s=0.2, data_s=0.2, answer_s=0.2)
    held = threading.Event()

    def gate(sent: Envelope) -> bool:
        return not held.wait(0.5)

    outcomes = send(server(door.port, connections=2, patience=patience), letter(1), letter(2), gate=gate)
    assert all(isinstance(outcome, Accepted) for outcome in outcomes.values())


# --- cuts and silence ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", ["connect", "EHLO", "MAIL", "RCPT", "DATA"])
@pytest.mark.parametrize("end", [CUT, HANG])
def test_a_cut_or_silence_before_the_text_is_tried_again(door, step, end):
    door.always(step, end)
    [outcome] = send(server(door.port, patience=SHORT), letter(1)).values()
    assert isinstance(outcome, Deferred)
    assert outcome.code is None
    assert door.taken == []


@pytest.mark.parametrize("end", [CUT, HANG])
def test_a_cut_or_silence_after_the_final_dot_is_unknown(door, end):
    door.always("text", end)
    [outcome] = send(server(door.port, patience=SHORT), letter(1)).values()
    assert isinstance(outcome, Unknown)
    assert len(door.taken) == 1


def test_a_cut_in_the_middle_of_the_text_is_never_taken_as_sent(door):
    door.always("lines", CUT)
    [outcome] = send(server(door.port), letter(1)).values()
    assert isinstance(outcome, Unknown | Deferred)


def test_an_answer_that_is_none_after_the_final_dot_is_unknown(door):
    door.script("text", "hello there")
    assert isinstance(send(server(door.port), letter(1))[1], Unknown)
    door.script("text", "354 again?")
    assert isinstance(send(server(door.port), letter(1))[1], Unknown)


@pytest.mark.parametrize("step", ["MAIL", "RCPT", "DATA"])
@pytest.mark.parametrize("reply", ["gibberish", "199 what", "250-" + "x" * 9000])
def test_an_answer_that_is_none_before_the_text_is_tried_again_on_a_new_connection(door, step, reply):
    door.script(step, reply)
    outcome = deferred(send(server(door.port, patience=SHORT), letter(1))[1])
    assert outcome.code is None
    assert door.taken == []


def test_a_cancelled_batch_closes_its_connections(door):
    door.always("MAIL", HANG)

    async def cancel() -> None:
        batch = asyncio.create_task(send_batch(server(door.port), [letter(1)], lambda _: True, lambda *_: None))
        await asyncio.to_thread(door.wait_for, "MAIL")
        batch.cancel()
        with pytest.raises(asyncio.CancelledError):
            await batch

    asyncio.run(cancel())
    assert door.taken == []


def test_after_an_unknown_no_other_letter_is_begun(door):
    door.script("text", OK, CUT, OK)
    outcomes = send(server(door.port), *(letter(n) for n in range(5)))
    assert isinstance(outcomes[0], Accepted)
    assert isinstance(outcomes[1], Unknown)
    assert all(deferred(outcomes[n]).code is None for n in range(2, 5))
    assert len(door.taken) == 2


def test_a_connection_ended_after_so_many_letters_is_opened_again(door):
    door.script("MAIL", OK, OK, "421 4.4.2 message limit per session reached", OK, OK, CUT)
    outcomes = send(server(door.port), *(letter(n) for n in range(6)))
    assert all(isinstance(outcome, Accepted) for outcome in outcomes.values())
    assert door.connections == 3
    assert [taken.content for taken in door.taken] == [letter(n).content for n in range(6)]


def test_a_server_that_cuts_every_letter_is_not_tried_with_all_of_them(door):
    door.always("MAIL", CUT)
    outcomes = send(server(door.port, connections=2), *(letter(n) for n in range(10)))
    assert all(isinstance(outcome, Deferred) for outcome in outcomes.values())
    assert door.connections == 2


def test_one_connection_refused_leaves_the_letters_to_the_others(door):
    door.script("connect", OK, "421 4.3.2 too many connections")
    outcomes = send(server(door.port, connections=2), *(letter(n) for n in range(8)))
    assert all(isinstance(outcome, Accepted) for outcome in outcomes.values())


def test_a_server_that_is_not_there_defers_every_letter():
    with Door() as gone:
        port = gone.port
    outcomes = send(server(port, connections=3), letter(1), letter(2))
    assert all(isinstance(outcome, Deferred) and outcome.code is None for outcome in outcomes.values())
    assert f"127.0.0.1:{port}" in deferred(outcomes[1]).text


def test_a_silent_server_costs_its_patience_once_and_not_once_a_letter(door):
    door.always("MAIL", HANG)
    began = time.monotonic()
    send(server(door.port, patience=SHORT), *(letter(n) for n in range(10)))
    assert time.monotonic() - began < 2


# --- encryption and login --------------------------------------------------------------------------------------------


def encrypted(port: int, security: Security, **more) -> Server:
    return Server(SmtpUrl("localhost", port, "", "", security), "bot.example", 1, PATIENT, **more)


def test_a_letter_goes_over_implicit_tls():
    with Door(tls=True) as door:
        outcomes = send(encrypted(door.port, Security.TLS, tls=trusting()), letter(1), letter(2))
        assert all(isinstance(outcome, Accepted) for outcome in outcomes.values())
        assert len(door.taken) == 2


def test_a_letter_goes_over_starttls_and_nothing_goes_before_it():
    with Door("STARTTLS") as door:
        assert isinstance(send(encrypted(door.port, Security.STARTTLS, tls=trusting()), letter(1))[1], Accepted)
        assert [line.split(" ")[0] for _, line in door.commands][:3] == ["EHLO", "STARTTLS", "EHLO"]


def test_a_server_without_starttls_gets_no_letter_in_clear_text(door):
    outcome = send(encrypted(door.port, Security.STARTTLS, tls=trusting()), letter(1))[1]
    assert isinstance(outcome, Deferred)
    assert "STARTTLS" in outcome.text
    assert door.said("MAIL") == 0


def test_a_certificate_that_nobody_vouches_for_gets_no_letter():
    with Door("STARTTLS") as door:
        outcome = send(encrypted(door.port, Security.STARTTLS), letter(1))[1]
        assert isinstance(outcome, Deferred)
        assert "certificate" in outcome.text.lower()
        assert door.said("MAIL") == 0


def test_clear_text_over_a_network_is_refused():
    with pytest.raises(ValueError, match="clear text only to this machine"):
        Server(SmtpUrl("mail.example", 25, "", "", Security.CLEAR))
    Server(SmtpUrl("::1", 25, "", "", Security.CLEAR))


def test_a_refused_login_defers_the_batch_and_says_so():
    with Door("AUTH PLAIN") as door:
        door.always("AUTH", "535 5.7.8 bad credentials")
        outcomes = send(server(door.port, user="support"), letter(1), letter(2))
        assert set(outcomes) == {1, 2}
        assert all("refused the login (535 5.7.8 bad credentials)" in deferred(each).text for each in outcomes.values())
        assert door.said("MAIL") == 0


def test_a_login_comes_before_the_first_letter():
    with Door("AUTH PLAIN") as door:
        assert isinstance(send(server(door.port, user="support"), letter(1))[1], Accepted)
        verbs = [line.split(" ")[0] for _, line in door.commands]
        assert verbs.index("AUTH") < verbs.index("MAIL")


def test_an_oauth_token_takes_the_place_of_the_password():
    with Door("AUTH XOAUTH2") as door:
        url = SmtpUrl("127.0.0.1", door.port, "support@market.example", "", Security.CLEAR)
        assert isinstance(send(Server(url, patience=PATIENT, access_token=lambda: "t0ken"), letter(1))[1], Accepted)
        assert door.said("AUTH XOAUTH2") == 1


def test_a_server_is_looked_at_without_sending_anything():
    with Door("AUTH PLAIN") as door:
        assert probe(server(door.port, user="support")) is None
        assert door.said("MAIL") == 0
        assert door.said("QUIT") == 1
        door.always("AUTH", "535 5.7.8 bad credentials")
        assert "refused the login" in (probe(server(door.port, user="support")) or "")


def test_a_server_that_knows_only_helo_is_spoken_to(door):
    door.always("EHLO", "502 5.5.1 not implemented")
    assert isinstance(send(server(door.port), letter(1))[1], Accepted)
