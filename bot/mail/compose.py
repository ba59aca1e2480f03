"""Turns a frozen letter into the bytes that go over the wire: built once, the same each time from the same letter.

The headers are written here and not by the standard library: its generator folds long Message-IDs into encoded words,
which no mail program threads by, and takes many times as long. Nothing a stranger wrote can start a header.
"""

import base64
import hashlib
import quopri
import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime

SUBJECT_CHARS_MAX = 250
NAME_CHARS_MAX = 64
ADDRESS_BYTES_MAX = 254  # Source: RFC 5321 §4.5.3.1.3, less the angle brackets.
REFERENCES_LATEST = 20
MESSAGE_ID_CHARS_MAX = 250
LINE_CHARS = 78  # Source: RFC 5322 §2.1.1.


class Uncomposable(ValueError):
    """A letter that cannot be written as a mail, now or later; the text says which part is wrong."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A letter as the outbox keeps it: all that its mail shows. `name` is its template.

    Message-IDs keep their angle brackets; `references` are oldest first. `auto_submitted` is `auto-generated`,
    `auto-replied` or empty for what a person sent (RFC 3834 §5). `date` is zone-aware: the first intent's.
    """

    name: str
    subject: str
    text: str
    html: str
    to: str
    to_name: str
    from_address: str
    from_name: str
    reply_to: str
    message_id: str
    in_reply_to: str
    references: tuple[str, ...]
    auto_submitted: str
    date: datetime

    @classmethod
    def read(cls, body: Mapping[str, object], date: datetime) -> "Outgoing":
        """Reads the outbox's `body`, which has these fields by name, the sender's address as `from`, and no date.

        Raises: Uncomposable, naming the key that is missing or of the wrong type.
        """
        return cls(
            name=_text(body, "name", ""),
            subject=_text(body, "subject"),
            text=_text(body, "text"),
            html=_text(body, "html", ""),
            to=_text(body, "to"),
            to_name=_text(body, "to_name", ""),
            from_address=_text(body, "from"),
            from_name=_text(body, "from_name", ""),
            reply_to=_text(body, "reply_to", ""),
            message_id=_text(body, "message_id"),
            in_reply_to=_text(body, "in_reply_to", ""),
            references=_texts(body, "references"),
            auto_submitted=_text(body, "auto_submitted", ""),
            date=date,
        )


def compose(letter: Outgoing) -> bytes:
    """The whole mail: RFC 5322 headers, then text and HTML as alternatives, lines ending in CRLF.

    Seven-bit throughout, unless the recipient's address itself is not ASCII (`needs_utf8`): then the header `To` is
    UTF-8 and the mail needs SMTPUTF8. The same letter gives the same bytes.

    Raises: Uncomposable, where an address, the Message-ID or the date is missing or malformed.
    Source: RFC 5322, RFC 2047, RFC 2046 §5.1.4, RFC 3834 §5; [MS-OXCMAIL] for X-Auto-Response-Suppress.
    """
    boundary = "=_" + hashlib.sha256(letter.message_id.encode()).hexdigest()[:32]
    head = "\r\n".join(_headers(letter))
    if not letter.html:
        return f"{head}\r\n".encode() + _part("plain", letter.text)
    return b"".join(
        (
            f'{head}\r\nContent-Type: multipart/alternative;\r\n boundary="{boundary}"\r\n\r\n'.encode(),
            f"--{boundary}\r\n".encode(),
            _part("plain", letter.text),
            f"\r\n--{boundary}\r\n".encode(),
            _part("html", letter.html),
            f"\r\n--{boundary}--\r\n".encode(),
        )
    )


def needs_utf8(address: str) -> bool:
    """Whether that address can only be written with SMTPUTF8 (RFC 6531): its local part is not ASCII."""
    return not address.rpartition("@")[0].isascii()


def addr_spec(address: str) -> str:
    """The address as it goes on the wire, its domain in ASCII.

    Raises: Uncomposable, for anything but one plain mailbox: no display name, comment, route, quotes or spaces.
    """
    local, at, domain = address.strip().rpartition("@")
    if not (at and _LOCAL.fullmatch(local)) or ".." in local or local.startswith(".") or local.endswith("."):
        raise Uncomposable(f"not a mail address: {address!r}")
    try:
        ascii_domain = domain.encode("idna").decode()
    except UnicodeError as error:
        raise Uncomposable(f"not a mail domain: {domain!r}") from error
    if not _DOMAIN.fullmatch(ascii_domain) or len(f"{local}@{ascii_domain}".encode()) > ADDRESS_BYTES_MAX:
        raise Uncomposable(f"not a mail address: {address!r}")
    return f"{local}@{ascii_domain}"


# --- reading the outbox's body ---------------------------------------------------------------------------------------


def _text(body: Mapping[str, object], key: str, default: str | None = None) -> str:
    found = body.get(key)
    if found is None and default is not None:
        return default
    if not isinstance(found, str):
        raise Uncomposable(f"the letter's {key!r} should be a text, and is {type(found).__name__}")
    return found


def _texts(body: Mapping[str, object], key: str) -> tuple[str, ...]:
    found = body.get(key)
    if isinstance(found, str):
        return tuple(found.split())
    if not isinstance(found, list | tuple | None):
        raise Uncomposable(f"the letter's {key!r} should be a list of texts, and is {type(found).__name__}")
    return tuple(one for one in found or () if isinstance(one, str))


# --- headers ---------------------------------------------------------------------------------------------------------

_LOCAL = re.compile(r"[\w.!#$%&'*+/=?^`{|}~-]{1,64}")
_DOMAIN = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)*")
_MESSAGE_ID = re.compile(r"<[!-;=?-~]+>")
_ATOM_WORDS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~ -]+")
_POSING = re.compile(r"@|://|\bwww\.|=\?", re.IGNORECASE)
_AUTO_SUBMITTED = ("", "auto-generated", "auto-replied")


def _headers(letter: Outgoing) -> Iterator[str]:
    if letter.date.tzinfo is None:
        raise Uncomposable(f"a letter's date needs its zone: {letter.date.isoformat()}")
    if not _message_id(letter.message_id):
        raise Uncomposable(f"not a Message-ID: {letter.message_id!r}")
    if letter.auto_submitted not in _AUTO_SUBMITTED:
        raise Uncomposable(f"Auto-Submitted should be one of {_AUTO_SUBMITTED}, and is {letter.auto_submitted!r}")
    yield _mailbox("From", letter.from_name, letter.from_address)
    yield _mailbox("To", letter.to_name, letter.to)
    if letter.reply_to:
        yield _mailbox("Reply-To", letter.from_name, letter.reply_to)
    yield _folded("Subject", _words(_inert(letter.subject, SUBJECT_CHARS_MAX), len("Subject: ")))
    yield f"Date: {format_datetime(letter.date)}"
    yield f"Message-ID: {letter.message_id}"
    if _message_id(letter.in_reply_to):
        yield _folded("In-Reply-To", (letter.in_reply_to,))
    if references := _bounded(letter.references):
        yield _folded("References", references)
    if letter.auto_submitted:
        yield f"Auto-Submitted: {letter.auto_submitted}"
        yield "X-Auto-Response-Suppress: OOF, AutoReply"
    yield "MIME-Version: 1.0"


def _message_id(text: str) -> bool:
    return len(text) <= MESSAGE_ID_CHARS_MAX and _MESSAGE_ID.fullmatch(text) is not None


def _bounded(references: tuple[str, ...]) -> tuple[str, ...]:
    """The thread's first Message-ID and its latest ones: what RFC 5537 §3.4.4 keeps when a list grows too long."""
    sound = tuple(dict.fromkeys(one for one in references if _message_id(one)))
    return sound if len(sound) <= REFERENCES_LATEST + 1 else (sound[0], *sound[-REFERENCES_LATEST:])


def _mailbox(header: str, name: str, address: str) -> str:
    shown = _inert(name, NAME_CHARS_MAX)
    spec = f"<{addr_spec(address)}>"
    if not shown or _POSING.search(shown):  # A name that poses as another address or a link is not shown.
        return _folded(header, (spec,))
    if not shown.isascii():
        return _folded(header, (*_encoded(shown, len(header) + 2), spec))
    if not _ATOM_WORDS.fullmatch(shown):
        shown = '"' + shown.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return _folded(header, (*shown.split(" "), spec))


def _inert(text: str, chars_max: int) -> str:
    """One line without control, format characters, blanks joined, cut at `chars_max` with an ellipsis."""
    visible = "".join(
        " " if char.isspace() or unicodedata.category(char) in ("Cc", "Zl", "Zp") else char
        for char in text[: chars_max * 8]
        if char.isspace() or unicodedata.category(char) not in ("Cf", "Cs", "Co", "Cn")
    )
    line = " ".join(visible.split())
    return line if len(line) <= chars_max else line[: chars_max - 1].rstrip() + "…"


def _words(text: str, used: int) -> tuple[str, ...]:
    words = tuple(text.split(" "))
    if text.isascii() and "=?" not in text and all(len(word) <= LINE_CHARS - used for word in words):
        return words
    return _encoded(text, used)


def _encoded(text: str, used: int) -> tuple[str, ...]:
    """Encoded words (RFC 2047) of at most 75 characters, none splitting a character; `used` are taken by the header."""
    words, chunk = [], b""
    room = (LINE_CHARS - 1 - used - 12) // 4 * 3
    for char in text:
        octets = char.encode()
        if len(chunk) + len(octets) > room:
            words.append(chunk)
            chunk, room = b"", 45
        chunk += octets
    return tuple(f"=?utf-8?b?{base64.b64encode(word).decode()}?=" for word in (*words, chunk))


def _folded(header: str, words: tuple[str, ...]) -> str:
    lines, line = [], f"{header}:"
    for number, word in enumerate(words):
        if number and len(line) + 1 + len(word) > LINE_CHARS:
            lines.append(line)
            line = ""
        line += f" {word}"
    return "\r\n".join((*lines, line))


# --- body ------------------------------------------------------------------------------------------------------------


def _part(subtype: str, text: str) -> bytes:
    """One text part with its own headers. ASCII in short lines goes as it is, the rest in the shorter encoding."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "").rstrip("\n") + "\n"
    octets = lines.encode("utf-8", "replace")
    encoding, encoded = "7bit", octets
    if not (octets.isascii() and all(len(line) <= LINE_CHARS for line in octets.split(b"\n"))):
        encoding, encoded = "quoted-printable", quopri.encodestring(octets)
        if len(encoded) > len(octets) * 1.5:
            encoding, encoded = "base64", base64.encodebytes(octets.replace(b"\n", b"\r\n"))
    charset = "us-ascii" if octets.isascii() else "utf-8"
    head = f"Content-Type: text/{subtype}; charset={charset}\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n"
    return head.encode() + encoded.replace(b"\n", b"\r\n")
