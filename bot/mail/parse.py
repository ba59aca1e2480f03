"""Raw bytes in, a `Mail` out: read as far as it goes, with a name for everything that could not be read.

The bytes are the record and are never written again from what was parsed. Anything that may cost more than its size is
measured before it is parsed, so that one mail can neither stop the reader nor fill the memory.
"""

import hashlib
import re
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from email import message_from_string, policy
from email.message import Message
from email.utils import parsedate_tz

from bot.flows.mail import Address, Attachment, Mail, Nature
from bot.mail import provenance, reply
from bot.mail.decode import (
    ADDRESSES_MAX,
    HEADER_CHARS_MAX,
    Headers,
    addresses,
    clean,
    headers,
    message_ids,
    normal,
    octets_of,
    one_line,
    params,
    text_of,
)
from bot.mail.markup import HTML_CHARS_MAX, links, page, readable, tidy


@dataclass(frozen=True, slots=True)
class Limits:
    """What a mail may cost. Beyond the first four it is quarantined; the others cut, and the cut is a defect."""

    size_bytes: int = 35 * 1024 * 1024
    depth: int = 100
    parts: int = 1_000
    header_lines: int = 5_000
    subject_chars: int = 1_000
    text_chars: int = 500_000
    attachment_chars: int = 200_000
    references: int = 200
    attachments: int = 200


LIMITS = Limits()


class Unreadable(Exception):
    """The mail cannot be read safely, or names nobody who wrote it: it belongs in quarantine, with this reason."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def parse(raw: bytes, authserv_id: str | None = None, limits: Limits = LIMITS) -> Mail:
    """Reads a mail. `authserv_id` is the name under which our own server writes Authentication-Results, if it does.

    Raises Unreadable: larger, deeper or of more parts or headers than `limits` allow, or without a sender.
    """
    raw = raw.lstrip(b"\r\n")
    _check(raw, limits)
    raw, defects = _mended(raw)
    # As Latin-1 every byte is one character; given bytes, the stdlib would decode bodies by their lying labels.
    message = message_from_string(raw.decode("latin-1"), policy=policy.compat32)
    block = headers(message)
    sender, odd = _sender(block)
    found = _Body(limits, defects + odd)
    found.read(message)
    plain, html = found.plain(), found.html()
    tree = page(html) if html else None
    text = _body_text(plain, readable(tree) if tree is not None else "")
    subject = found.shortened(one_line(block.first("subject")))
    text = found.bounded(text)
    when, offset = found.dated(block)
    letter = provenance.Letterhead(block, sender, subject)
    nature, signals, bounce = provenance.nature(letter, message, text)
    # A bounce quotes our own letter; there is nothing of its sender's to find.
    new = None if nature is Nature.BOUNCE else reply.split(text, html or None, subject)
    if not text.strip() and not found.attachments:
        found.defects.append("no body")
    verdict, verdict_reason = provenance.verdict(block, sender, authserv_id)
    ids = message_ids(block.first("message-id"))
    references = tuple(one for value in block.all("references") for one in message_ids(value))
    return Mail(
        message_id=ids[0] if ids else None,
        in_reply_to=tuple(one for value in block.all("in-reply-to") for one in message_ids(value))[: limits.references],
        references=references
        if len(references) <= limits.references
        else references[:1] + references[1 - limits.references :],
        date=when,
        utc_offset_minutes=offset,
        sender=sender,
        reply_to=_all_addresses(block, "reply-to"),
        to=_all_addresses(block, "to"),
        cc=_all_addresses(block, "cc"),
        recipients=_recipients(block),
        subject=subject,
        text=text,
        reply_text=new,
        links=tuple(link for link in links(tree) if link not in plain) if tree is not None else (),
        attachments=tuple(found.attachments),
        nature=nature,
        signals=signals,
        bounce=bounce,
        returns_on=_returns_on(nature, text if new is None else new, when, offset),
        verdict=verdict,
        verdict_reason=verdict_reason,
        defects=tuple(dict.fromkeys(found.defects)),
    )


def _returns_on(nature: Nature, text: str, when: datetime | None, offset: int | None) -> date | None:
    if nature is not Nature.AUTO or when is None:
        return None
    return provenance.returns_on(text, (when + timedelta(minutes=offset or 0)).date())


# --- before parsing -----------------------------------------------------------------------------------------

_HEADER_LINE = re.compile(rb"(?:From |[!-9;-~]+[ \t]*:|[ \t])")
_NESTS = re.compile(rb"^content-type:[ \t\r\n]*(?:multipart/|message/)", re.I | re.M)
_MILESTONE = re.compile(
    rb"^(?:--(?P<line>[^\r\n]{1,300})|(?P<blank>)\r?$"
    rb"|content-type:[ \t\r\n]*(?P<type>multipart|message)/(?P<rest>[^\r\n]*(?:\r?\n[ \t][^\r\n]*)*))",
    re.I | re.M,
)
_BOUNDARY = re.compile(rb"boundary\s*=\s*(?:\"([^\"\r\n]{1,300})\"|([^\s;]{1,300}))", re.I)


def _check(raw: bytes, limits: Limits) -> None:
    if len(raw) > limits.size_bytes:
        raise Unreadable(f"{len(raw)} bytes, over the limit of {limits.size_bytes}")
    if not raw:
        raise Unreadable("an empty mail")
    nesting = sum(1 for _ in _NESTS.finditer(raw))
    if nesting > limits.depth and (depth := _depth(raw)) > limits.depth:
        raise Unreadable(f"parts nested {depth} deep, over the limit of {limits.depth}")
    if (parts := _boundary_lines(raw)) > limits.parts:
        raise Unreadable(f"{parts} parts, over the limit of {limits.parts}")
    head = raw[: _head_end(raw)]
    if (count := head.count(b"\n")) > limits.header_lines:
        raise Unreadable(f"{count} header lines, over the limit of {limits.header_lines}")


def _depth(raw: bytes) -> int:
    """How deep the parts stand in each other, counted on the lines that open and close them, without building a tree.

    Boundary lines close what was opened inside them, so a thousand parts side by side are one deep.
    """
    open_parts: list[bytes] = []
    deepest, in_head, attached = 0, True, False
    for found in _MILESTONE.finditer(raw):
        line = found.group("line")
        if line is not None:
            name = line.rstrip()
            level = _level(open_parts, name.removesuffix(b"--") if name not in open_parts else name)
            if level >= 0:
                closing = name not in open_parts
                del open_parts[level if closing else level + 1 :]
                in_head, attached = not closing, False
        elif found.group("blank") is not None:
            in_head, attached = in_head and attached, False
        elif in_head:
            boundary = _BOUNDARY.search(found.group("rest"))
            attached = found.group("type").lower() == b"message"
            open_parts.append(b"" if attached or boundary is None else (boundary.group(1) or boundary.group(2)))
            deepest = max(deepest, len(open_parts))
    return deepest


def _level(open_parts: list[bytes], name: bytes) -> int:
    for level in range(len(open_parts) - 1, -1, -1):
        if open_parts[level] and open_parts[level] == name:
            return level
    return -1


def _boundary_lines(raw: bytes) -> int:
    """How many parts the declared boundaries cut the mail into."""
    names = {found.group(1) or found.group(2) for found in _BOUNDARY.finditer(raw)}
    if not names:
        return 0
    return sum(1 for found in re.finditer(rb"^--([^\r\n]{1,300})\r?$", raw, re.M) if found.group(1).rstrip() in names)


def _head_end(raw: bytes) -> int:
    found = re.search(rb"\r?\n\r?\n", raw)
    return found.start() + 1 if found else len(raw)


def _mended(raw: bytes) -> tuple[bytes, list[str]]:
    """Without the lines in the header block that are no headers.

    The standard library takes all below such a line for the body. A line is left out only where another header follows;
    otherwise it is the body, begun without an empty line.
    """
    end = _head_end(raw)
    lines = raw[:end].splitlines(keepends=True)
    bad = {
        at
        for at, line in enumerate(lines[:-1])
        if not _HEADER_LINE.match(line) and re.match(rb"[!-9;-~]+[ \t]*:", lines[at + 1])
    }
    if not bad:
        return raw, []
    return b"".join(line for at, line in enumerate(lines) if at not in bad) + raw[end:], [
        f"{len(bad)} malformed header line{'s' if len(bad) > 1 else ''} left out"
    ]


# --- headers ------------------------------------------------------------------------------------------------


def _sender(block: Headers) -> tuple[Address, list[str]]:
    """The first mailbox in From, else Sender's, and what was odd about it. Source: RFC 5322 §3.6.2."""
    lines = block.all("from")
    if not lines:
        raise Unreadable("no From header")
    odd = ["more than one From header"] if len(lines) > 1 else []
    if any(len(line) >= HEADER_CHARS_MAX for line in lines):
        odd.append("From header cut")
    named = [address for line in lines for address in addresses(line)]
    if named:
        return named[0], odd + (["more than one author in From"] if len({one.address for one in named}) > 1 else [])
    for other in ("sender", "return-path"):
        if fallback := addresses(block.first(other)):
            return fallback[0], [*odd, f"From holds no address; taken from {other.title()}"]
    bare = re.search(r"<([\w.+-]{1,64})>|^\s*([\w.+-]{1,64})\s*$", lines[0])
    if bare is None:
        raise Unreadable(f"From holds no address: {one_line(lines[0])[:80]!r}")
    return Address(one_line(lines[0].partition("<")[0]).strip('" '), (bare.group(1) or bare.group(2)).lower()), [
        *odd,
        "From holds no domain",
    ]


def _all_addresses(block: Headers, name: str) -> tuple[Address, ...]:
    return tuple(address for value in block.all(name) for address in addresses(value))[:ADDRESSES_MAX]


def _recipients(block: Headers) -> tuple[str, ...]:
    """Every address the mail was delivered to, as far as told; LMTP servers tell it only in their Received line."""
    names = ("delivered-to", "x-original-to", "envelope-to", "x-envelope-to", "x-forwarded-to", "resent-to", "to", "cc")
    told = re.findall(r"\bfor\s+<([^<>\s]{3,320})>", " ".join(block.all("received")[:3]))
    found = [normal(address) for address in told if "@" in address]
    found += [address.address for name in names for address in _all_addresses(block, name)]
    return tuple(dict.fromkeys(found))[:ADDRESSES_MAX]


_YEAR_MIN, _YEAR_MAX = 1990, 2099


def read_date(value: str) -> tuple[datetime | None, int | None]:
    """A Date header as UTC, and the offset from UTC in minutes that it claimed; None where it is not to be believed.

    "-0000" claims nothing, so the time is UTC with no offset. Source: RFC 5322 §3.3.
    """
    try:
        parsed = parsedate_tz(one_line(value)[:200])
        if parsed is None:
            return None, None
        year, month, day, hour, minute, second = parsed[:6]
        if not _YEAR_MIN <= year <= _YEAR_MAX:
            return None, None
        offset_s = None if re.search(r"-0000\b", value) else parsed[9]
        if offset_s is not None and abs(offset_s) > 15 * 3600:
            return None, None
        local = datetime(year, month, day, hour, minute, min(second, 59), tzinfo=UTC)
        return local - timedelta(seconds=offset_s or 0), None if offset_s is None else offset_s // 60
    except (ValueError, TypeError, IndexError, OverflowError):
        return None, None


# --- the body -----------------------------------------------------------------------------------------------

_NOT_TEXT_HERE = re.compile(r"html|browser|e-?mail (?:client|program)|mail ?reader|view this", re.I)
_TEXT_FILE = re.compile(r"\.(?:txt|text|csv|tsv|log|md)$", re.I)


def _body_text(plain: str, from_html: str) -> str:
    """The part a person wrote: plain text, unless it only says that there is another."""
    if not from_html.strip():
        return plain
    stub = len(plain) < 300 and len(from_html) > 2 * len(plain) and _NOT_TEXT_HERE.search(plain) is not None
    return from_html if not plain.strip() or stub else plain


@dataclass(slots=True)
class _Body:
    """What the walk through the parts has found so far."""

    limits: Limits
    defects: list[str]
    attachments: list[Attachment] = field(default_factory=list)
    _plain: list[str] = field(default_factory=list)
    _html: list[str] = field(default_factory=list)
    _only_html: list[str] = field(default_factory=list)

    def plain(self) -> str:
        return "\n".join(piece for piece in self._plain if piece.strip())

    def html(self) -> str:
        return "<br>".join(self._html)

    def bounded(self, text: str) -> str:
        if len(text) <= self.limits.text_chars:
            return text
        self.defects.append(f"body cut to {self.limits.text_chars} of {len(text)} characters")
        return text[: self.limits.text_chars]

    def shortened(self, subject: str) -> str:
        if len(subject) <= self.limits.subject_chars:
            return subject
        self.defects.append(f"subject cut to {self.limits.subject_chars} of {len(subject)} characters")
        return subject[: self.limits.subject_chars]

    def dated(self, block: Headers) -> tuple[datetime | None, int | None]:
        """The Date, unless no clock could have shown it, or it is over a year past the moment we received the mail."""
        value = block.first("date")
        if not value:
            self.defects.append("no Date header")
            return None, None
        when, offset = read_date(value)
        received, _ = read_date(block.first("received").rpartition(";")[2])
        if when is None or (received is not None and when > received + timedelta(days=366)):
            self.defects.append(f"absurd Date: {one_line(value)[:60]!r}")
            return None, None
        return when, offset

    def read(self, part: Message) -> None:
        """Walks a part and those inside it; at most `limits.depth` deep, which was checked before."""
        block = headers(part)
        kind, given = params(block.first("content-type"))
        if not part.is_multipart() and kind.startswith("multipart/"):
            self.defects.append("a multipart without parts, read as text")
            kind = "text/plain"
        if "/" not in kind:
            kind = part.get_default_type()
        name = _file_name(block, given)
        disposition = params(block.first("content-disposition"))[0]
        inner = part.get_payload()
        if kind.startswith("multipart/") and isinstance(inner, list):
            self._read_multipart(kind, [piece for piece in inner if isinstance(piece, Message)])
        elif kind in ("message/rfc822", "message/global") and isinstance(inner, list):
            self._attach_mail(part, name)
        elif (
            kind in ("text/plain", "text/html", "text/enriched", "text/richtext")
            and disposition != "attachment"
            and not name
        ):
            self._read_text(part, kind, given)
        elif kind not in ("application/pgp-signature", "application/pkcs7-signature", "application/x-pkcs7-signature"):
            self._attach(part, kind, given, name)

    def _read_multipart(self, kind: str, pieces: list[Message]) -> None:
        if kind == "multipart/encrypted":
            self.defects.append("encrypted, not read")
        if not pieces:
            self.defects.append("a multipart without parts")
        if kind != "multipart/alternative":
            for piece in pieces:
                self.read(piece)
            return
        # The same words several times over: each kind of text is kept once, the last of its kind wins nothing.
        plain, html = len(self._plain), len(self._html)
        for piece in pieces:
            main = params(headers(piece).first("content-type"))[0]
            if main == "text/plain" and len(self._plain) > plain and self._plain[-1].strip():
                continue
            if main == "text/html" and len(self._html) > html:
                continue
            self.read(piece)
        if len(self._plain) > plain and len(self._html) == html and self._html:
            self._html.append(_as_html(self._plain[-1]))

    def _octets(self, part: Message) -> bytes:
        payload = part.get_payload()
        if not isinstance(payload, str):
            return b""
        octets, defect = octets_of(
            payload.encode("latin-1", "replace"), headers(part).first("content-transfer-encoding")
        )
        if defect:
            self.defects.append(defect)
        return octets

    def _text(self, part: Message, given: dict[str, str]) -> str:
        charset = given.get("charset", "")
        text, known = text_of(self._octets(part), charset)
        if not known:
            self.defects.append(f"unknown charset {charset[:40]!r}")
        return clean(text)

    def _read_text(self, part: Message, kind: str, given: dict[str, str]) -> None:
        text = self._text(part, given)
        if kind == "text/html":
            if len(text) > HTML_CHARS_MAX:
                self.defects.append(f"HTML cut to {HTML_CHARS_MAX} of {len(text)} characters")
            self._html.append(text)
            return
        if kind in ("text/enriched", "text/richtext"):
            text = re.sub(r"<[^<>\n]{1,100}>", "", text)
        elif given.get("format", "").lower() == "flowed":
            text = unflowed(text, given.get("delsp", "").lower() == "yes")
        self._plain.append(tidy(text))

    def _attach(self, part: Message, kind: str, given: dict[str, str], name: str) -> None:
        if len(self.attachments) >= self.limits.attachments:
            self.defects.append(f"more than {self.limits.attachments} attachments, the rest left out")
            return
        if kind in ("application/pkcs7-mime", "application/x-pkcs7-mime") and not self._plain:
            self.defects.append("encrypted or signed (S/MIME), not read")
        if kind == "application/ms-tnef":
            self.defects.append("winmail.dat is not read")
        octets = self._octets(part)
        text = None
        if kind in ("text/plain", "text/csv", "text/tab-separated-values", "text/rfc822-headers") or (
            _TEXT_FILE.search(name)
            and kind in ("application/octet-stream", "application/csv", "application/vnd.ms-excel")
        ):
            text = self._cut(text_of(octets, given.get("charset", ""))[0], name)
        self.attachments.append(Attachment(name, kind[:100], len(octets), hashlib.sha256(octets).hexdigest(), text))

    def _cut(self, text: str, name: str) -> str:
        text = clean(text)
        if len(text) > self.limits.attachment_chars:
            self.defects.append(f"{name or 'an attachment'} cut to {self.limits.attachment_chars} characters")
        return text[: self.limits.attachment_chars]

    def _attach_mail(self, part: Message, name: str) -> None:
        """An attached mail, as its main headers and its text, so that triage can read what the other side wrote."""
        if len(self.attachments) >= self.limits.attachments:
            return
        pieces = part.get_payload()
        mail = (
            next((piece for piece in pieces if isinstance(piece, Message)), None) if isinstance(pieces, list) else None
        )
        if mail is None:
            self.defects.append("an attached mail without content")
            return
        block = headers(mail)
        inner = _Body(self.limits, [])
        inner.read(mail)
        html = inner.html()
        body = _body_text(inner.plain(), readable(page(html)) if html else "")
        told = [f"{label}: {one_line(block.first(label.lower()))}" for label in ("From", "To", "Date", "Subject")]
        text = self._cut("\n".join(told) + "\n\n" + body, name)
        octets = text.encode()
        title = name or f"{one_line(block.first('subject'))[:80] or 'mail'}.eml"
        self.attachments.append(
            Attachment(title, "message/rfc822", len(octets), hashlib.sha256(octets).hexdigest(), text)
        )
        self.attachments.extend(inner.attachments[: self.limits.attachments - len(self.attachments)])
        self.defects.extend(f"in an attached mail: {defect}" for defect in inner.defects)


def _as_html(plain: str) -> str:
    escaped = plain.replace("&", "&amp;").replace("<", "&lt;").replace("\n", "<br>")
    return f"<div>{escaped}</div>"


def _file_name(block: Headers, given: dict[str, str]) -> str:
    named = params(block.first("content-disposition"))[1].get("filename", "") or given.get("name", "")
    return re.sub(r"^.*[/\\]", "", " ".join(named.split()))[:200]


def unflowed(text: str, del_sp: bool) -> str:
    """Lines that the sender's program broke are joined again; quote depth is kept. Source: RFC 3676 §4."""
    out: list[str] = []
    open_depth = -1
    for line in text.split("\n"):
        depth = len(line) - len(line.lstrip(">"))
        words = line[depth:].removeprefix(" ")
        flows = words.endswith(" ") and words != "-- "
        if flows and del_sp:
            words = words[:-1]
        if open_depth == depth and words != "-- ":
            out[-1] += words
        else:
            out.append(">" * depth + (" " if depth else "") + words)
        open_depth = depth if flows else -1
    return "\n".join(out)
