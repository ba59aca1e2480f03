"""Tokens and Message-IDs: they come back from the world, so everything that is not exactly ours must be refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.flows.case import Role
from bot.flows.tokens import message_id, read_message_id, read_token, reply_address, token, token_in

OLD, NEW = "the old secret", "the new secret"
SUPPORT = "support@market.example"
CASES = st.integers(1, 999_999_999)
ROLES = st.sampled_from(Role)


@given(CASES, ROLES)
def test_a_token_names_its_case_and_party_whatever_becomes_of_its_case(case, role):
    made = token(NEW, case, role)
    assert read_token((NEW,), made) == (case, role)
    assert read_token((NEW,), made.upper()) == (case, role)
    assert token_in(reply_address(SUPPORT, made).title(), SUPPORT) == made


@given(CASES, st.integers(1, 999_999))
def test_a_message_id_names_its_case_and_letter(case, n):
    made = message_id(NEW, case, n, "market.example")
    assert made.startswith(f"<d.{case}.{n}.")
    assert made.endswith("@market.example>")
    assert read_message_id((NEW,), f" {made.upper()}\r\n") == (case, n)


def test_every_secret_in_use_is_accepted_and_no_other():
    made = token(OLD, 1042, Role.WORKER)
    assert read_token((NEW, OLD), made) == (1042, Role.WORKER)
    assert read_token((NEW,), made) is None
    assert read_token((), made) is None
    assert read_message_id((NEW,), message_id(OLD, 1042, 1, "market.example")) is None


def test_the_signature_covers_case_party_and_purpose():
    made = token(NEW, 1042, Role.WORKER)
    mac = made.split(".")[1]
    assert read_token((NEW,), f"d1043w.{mac}") is None
    assert read_token((NEW,), f"d1042c.{mac}") is None
    assert read_message_id((NEW,), f"<d.1042.1.{mac}@market.example>") is None
    assert len(mac) * 5 >= 64


@pytest.mark.parametrize(
    "text", ["", "d1042w", "d1042w.", "d01042w.aaaaaaaaaaaaaaaa", "d١٠٤٢w.aaaaaaaaaaaaaaaa", "+" * 9999]
)
def test_what_is_not_a_token_is_none(text):
    assert read_token((NEW,), text) is None


@given(st.text())
def test_no_text_of_the_world_is_read_as_ours(text):
    assert read_token((NEW,), text) is None
    assert read_message_id((NEW,), text) is None
    token_in(text, SUPPORT)


@pytest.mark.parametrize(
    ("address", "found"),
    [
        ("support+abc@market.example", "abc"),
        ("Support+ABC@Market.example", "abc"),
        ("support+abc@alias.example", "abc"),
        ("support@market.example", None),
        ("support+@market.example", None),
        ("other+abc@market.example", None),
        ("support+abc", None),
    ],
)
def test_the_token_stands_after_the_plus_sign_of_our_own_address(address, found):
    assert token_in(address, SUPPORT) == found


def test_an_empty_secret_signs_nothing():
    with pytest.raises(ValueError, match="empty"):
        token("", 1, Role.CLIENT)
