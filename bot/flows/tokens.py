"""Signed names for a case and a party: the token in a letter's Reply-To and the letter's Message-ID.

Both come back in a party's mail and say where it belongs. They are signed, so that nobody can make one up, and survive
mail systems that change upper and lower case.
"""

import base64
import hashlib
import hmac
import re

from bot.flows.case import Role

_MAC_BYTES = 10  # 80 bits: sixteen letters of base32, without padding.
_LETTER = {Role.WORKER: "w", Role.CLIENT: "c"}
_ROLE = {letter: role for role, letter in _LETTER.items()}
_TOKEN = re.compile(r"d([1-9][0-9]{0,11})([wc])\.([a-z2-7]{16})", re.ASCII)
_MESSAGE_ID = re.compile(r"<d\.([1-9][0-9]{0,11})\.([1-9][0-9]{0,8})\.([a-z2-7]{16})@[^<>@\s]{1,255}>", re.ASCII)


def token(secret: str, case: int, role: Role) -> str:
    """What stands after the plus sign in a letter's Reply-To, such as `d1042w.…`: names case and party, 80 bits of MAC.

    Raises `ValueError` if the secret is empty.
    """
    named = f"d{case}{_LETTER[role]}"
    return f"{named}.{_mac(secret, 'reply', named)}"


def read_token(secrets: tuple[str, ...], text: str) -> tuple[int, Role] | None:
    """The case and party a token names, if any of the secrets signed it; upper and lower case are alike."""
    found = _TOKEN.fullmatch(text.strip().lower())
    if found is None:
        return None
    case, letter, mac = found.groups()
    return (int(case), _ROLE[letter]) if _signed(secrets, mac, "reply", f"d{case}{letter}") else None


def message_id(secret: str, case: int, n: int, domain: str) -> str:
    """The Message-ID of the case's letter number `n` (from 1), with its angle brackets.

    Raises `ValueError` if the secret is empty.
    Source: RFC 5322 §3.6.4 (unique for ever: case and number are never given twice).
    """
    return f"<d.{case}.{n}.{_mac(secret, 'message', f'{case}.{n}')}@{domain}>"


def read_message_id(secrets: tuple[str, ...], text: str) -> tuple[int, int] | None:
    """The case and the letter's number that one of our Message-IDs names, if any of the secrets signed it.

    The domain is not signed: some mail systems rewrite it.
    """
    found = _MESSAGE_ID.fullmatch(text.strip().lower())
    if found is None:
        return None
    case, n, mac = found.groups()
    return (int(case), int(n)) if _signed(secrets, mac, "message", f"{case}.{n}") else None


def reply_address(support: str, token: str) -> str:
    """The Reply-To of a letter: `support@…` becomes `support+<token>@…`. Source: RFC 5233 §1 (subaddressing)."""
    local, _, domain = support.rpartition("@")
    return f"{local}+{token}@{domain}"


def token_in(address: str, support: str) -> str | None:
    """What stands after the plus sign if `address` is a subaddress of `support`, unread; None if it is not.

    The domain is not compared, since aliases deliver under other domains; the signature is what counts.
    """
    local, _, domain = address.strip().lower().rpartition("@")
    own, _, _ = support.lower().rpartition("@")
    if not domain or not local.startswith(f"{own}+"):
        return None
    return local.removeprefix(f"{own}+") or None


def _mac(secret: str, purpose: str, text: str) -> str:
    if not secret:
        raise ValueError("the secret that signs tokens is empty")
    digest = hmac.digest(secret.encode(), f"parley {purpose}\0{text}".encode(), hashlib.sha256)
    return base64.b32encode(digest[:_MAC_BYTES]).decode().lower()


def _signed(secrets: tuple[str, ...], mac: str, purpose: str, text: str) -> bool:
    # A list, not a generator: every secret is compared, whichever of them matches.
    return any([hmac.compare_digest(mac, _mac(secret, purpose, text)) for secret in secrets])  # noqa: C419
