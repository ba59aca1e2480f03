"""The value a received mail becomes: everything the rest of the product may know of it, and no more.

`bot.mail.parse` makes it from raw bytes; triage, intake and the letters read it. It holds no bytes and no
`EmailMessage`: those stay behind the doors of `bot.mail` and `bot.storage`.
"""

import datetime as dt
from dataclasses import dataclass
from enum import StrEnum


class Nature(StrEnum):
    """Who is speaking: only a person's mail may move a case."""

    PERSON = "person"
    AUTO = "auto"
    BOUNCE = "bounce"


class Verdict(StrEnum):
    """What our own mail server found about the sender's authentication (RFC 8601).

    `NONE` means that no trusted result was there; it is not a pass.
    """

    PASS = "pass"
    FAIL = "fail"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Address:
    """A mailbox: the display name as shown (may be empty) and the addr-spec, lower-cased."""

    name: str
    address: str


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that came with a mail. `text` is set for txt, csv and attached mails only; other files are never read."""

    name: str
    content_type: str
    size_bytes: int
    sha256: str
    text: str | None


@dataclass(frozen=True, slots=True)
class Bounce:
    """What a delivery status notification says of one of our letters. Source: RFC 3464.

    `message_ids` are Message-IDs found in the returned part, the headers and In-Reply-To/References, most telling
    first; `permanent` is false for a delay or a 4.x.x status.
    """

    recipients: tuple[str, ...]
    message_ids: tuple[str, ...]
    permanent: bool
    status: str
    diagnostic: str


@dataclass(frozen=True, slots=True)
class Mail:
    """One received mail, read as far as it goes.

    Message-IDs keep their angle brackets. `date` is UTC-aware or None; `utc_offset_minutes` is what the Date header
    claimed, shown to staff only. `text` is the whole body as plain text, quotes included; `reply_text` is the sender's
    new text, or None where nothing is quoted or forwarded. `recipients` are all addresses the mail was delivered to,
    as far as its headers say (Delivered-To, X-Original-To, To, Cc), for finding our reply token. `links` are link
    targets that stand only in the HTML. `signals` say why `nature` is what it is, `defects` what could not be read.
    `returns_on` is the date an out-of-office gives for the writer's return.
    """

    message_id: str | None
    in_reply_to: tuple[str, ...]
    references: tuple[str, ...]
    date: dt.datetime | None
    utc_offset_minutes: int | None
    sender: Address
    reply_to: tuple[Address, ...]
    to: tuple[Address, ...]
    cc: tuple[Address, ...]
    recipients: tuple[str, ...]
    subject: str
    text: str
    reply_text: str | None
    links: tuple[str, ...]
    attachments: tuple[Attachment, ...]
    nature: Nature
    signals: tuple[str, ...]
    bounce: Bounce | None
    returns_on: dt.date | None
    verdict: Verdict
    verdict_reason: str
    defects: tuple[str, ...]

    @property
    def words(self) -> str:
        """What the sender newly wrote: `reply_text` where there is a quote, else the whole `text`."""
        return self.text if self.reply_text is None else self.reply_text
