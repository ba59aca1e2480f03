"""Cuts a mail into sentences, each with its place and its author, because every rule is about who said what where."""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import lru_cache

from bot.flows.mail import Mail
from bot.flows.triage.values import Known, Reason

CHARS_JUDGED_MAX = 24_000
ATTACHMENT_CHARS_JUDGED_MAX = 12_000
SENTENCE_CHARS_MAX = 400
REASON_CHARS_MAX = 200


class Voice(StrEnum):
    """Whose words a passage holds. `SENDER` is the writer of this mail, `OTHER` the side the writer is at odds with."""

    SENDER = "sender"
    OTHER = "other"
    WORKER = "worker"
    CLIENT = "client"
    US = "us"


@dataclass(frozen=True, slots=True)
class Passage:
    """A sentence: as written, and `low`: lower case, no accents, straight quotes, single spaces.

    `stamped` is when a pasted chat line or a quoted mail says that it was written, as it stands there.
    """

    text: str
    low: str
    where: str
    voice: Voice
    stamped: str | None = None

    def reason(self, about: str) -> Reason:
        """This sentence as the reason for a judgement."""
        text = self.text if len(self.text) <= REASON_CHARS_MAX else self.text[: REASON_CHARS_MAX - 1].rstrip() + "…"
        return Reason(about, text, self.where)


_STRAIGHT = str.maketrans(
    {
        "’": "'",
        "‘": "'",
        "´": "'",
        "`": "'",
        "“": '"',
        "”": '"',
        "„": '"',
        "«": '"',
        "»": '"',
        "–": "-",
        "—": "-",
        "‑": "-",
        "\u00ad": None,
        "\u200b": None,
        "ß": "ss",
        "…": "...",
    }
)


def plain(text: str) -> str:
    """Lower case without accents, with straight quotes and single spaces; what all rules are matched against."""
    low = text.translate(_STRAIGHT).lower()
    if not low.isascii():
        low = "".join(c for c in unicodedata.normalize("NFKD", low) if not unicodedata.combining(c))
    return " ".join(low.split())


@lru_cache(maxsize=1024)
def compiled(pattern: str) -> re.Pattern[str]:
    """The pattern, compiled when it is first needed: most mails need few, and start-up must stay short."""
    return re.compile(pattern)


_END = re.compile(r"(?<=[.!?…])[\"')\]]?\s+(?=[\"'(¿¡\[]?\w)")
_ABBREVIATED = re.compile(r"(?:^|[\s(.])(?:mr|mrs|ms|dr|no|nr|st|vs|ca|approx|\w|\d{1,2})\.$", re.I)


def sentences(text: str) -> Iterator[str]:
    """The sentences of a text, in order. Wrapped lines are joined; chat lines, lists and headings stay apart.

    None is longer than SENTENCE_CHARS_MAX.
    """
    for block in _unwrapped(text):
        start = 0
        for end in _END.finditer(block):
            if not _ABBREVIATED.search(block[max(start, end.start() - 8) : end.start()]):
                yield from _short(block[start : end.start() + 1])
                start = end.end()
        yield from _short(block[start:])


def _short(sentence: str) -> Iterator[str]:
    rest = sentence.strip()
    while len(rest) > SENTENCE_CHARS_MAX:
        cut = rest.rfind(" ", SENTENCE_CHARS_MAX // 2, SENTENCE_CHARS_MAX)
        cut = SENTENCE_CHARS_MAX if cut < 0 else cut
        yield rest[:cut]
        rest = rest[cut:].strip()
    if rest:
        yield rest


def _unwrapped(text: str) -> Iterator[str]:
    held: list[str] = []
    for line in text.splitlines():
        line = line.strip()
        # A line that is long and does not end a sentence was wrapped by the mail program.
        wrapped = bool(held) and len(held[-1]) >= 50 and held[-1][-1] not in ".!?:" and line[:1] not in "-*•[\"'>"
        if held and not (line and wrapped and not chat_line(line)):
            yield " ".join(held)
            held = []
        if line:
            held.append(line)
    if held:
        yield " ".join(held)


_DAY = r"(?:mon|tue|tues|wed|thu|thur|thurs|fri|sat|sun)(?:[a-z]{0,6})?"
_STAMP = (
    rf"(?:{_DAY},? +)?"
    r"(?:\d{4}-\d\d-\d\d|\d{1,2}[/.]\d{1,2}(?:[/.]\d{2,4})?|(?:jan|feb|mar|apr|may|jun|jul|"
    r"aug|sep|oct|nov|dec)[a-z]{0,6} \d{1,2}(?:, \d{4})?)?"
    r"(?:,? *(?:at )?\d{1,2}:\d\d(?::\d\d)? *(?:[ap]\.?m\.?)?)?"
)
_CHAT = re.compile(
    rf"^[\[(]?(?P<stamp>{_STAMP})[\])]? *[-–|]? *(?P<who>[^\W\d][\w .'()-]{{0,38}}?): +(?P<said>\S.*)$", re.I
)
_WHO_SENDER = {"me", "i", "myself", "us", "yo", "ich", "moi", "eu"}
_WHO_CLIENT = ("client", "buyer", "customer", "company", "cliente", "kunde", "manager", "dispatch")
_WHO_WORKER = ("worker", "tech", "technician", "contractor", "provider", "tecnico", "techniker")


@dataclass(frozen=True, slots=True)
class ChatLine:
    """A line pasted from a chat: when (may be empty), who, what."""

    stamp: str
    who: str
    said: str


def chat_line(line: str) -> ChatLine | None:
    """The line as a chat line, if it reads like one: a time and a name, or a word for a side, then a colon."""
    match = _CHAT.match(line[:600])
    if match is None:
        return None
    stamp, who = match["stamp"].strip(), plain(match["who"])
    if not re.search(r"\d", stamp) and who.split(" ")[0] not in _WHO_SENDER and who not in (*_WHO_CLIENT, *_WHO_WORKER):
        return None
    return ChatLine(stamp, who, match["said"])


def _voice_of(who: str, writer: str) -> Voice:
    """Whose words a chat line holds, by the name before its colon; `writer` is the sender's display name."""
    if who.split(" ")[0] in _WHO_SENDER or (writer and who.split(" ")[0] == plain(writer).split(" ")[0]):
        return Voice.SENDER
    if "support" in who:
        return Voice.US
    if any(word in who for word in _WHO_CLIENT):
        return Voice.CLIENT
    return Voice.WORKER if any(word in who for word in _WHO_WORKER) else Voice.OTHER


_ADDRESS = re.compile(r"[\w.+'-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){0,8}")
_WROTE = re.compile(
    (
        r"^(?:on|le|am|el|em|il|op)\b.{4,250}\b(?:wrote|a écrit|schrieb|escribi[óo]|escreveu|"
        r"ha scritto|schreef)\b.{0,80}:?$"
    ),
    re.I,
)
_FROM = re.compile(r"^\*?(?:from|von|de|da|van)\*?\s?:\s*\*?\s*(?P<who>\S.*)$", re.I)
_SENT = re.compile(
    (
        r"^\*?(?:sent|date|gesendet|datum|enviado(?: el)?|envoyé|fecha|"
        r"data)\*?\s?:\s*(?P<when>\S.*)$"
    ),
    re.I,
)
_OTHER_HEADER = re.compile(r"^\*?(?:to|cc|an|para|à|subject|betreff|asunto|objet|assunto|reply-to)\*?\s?:", re.I)
_RULE = re.compile(
    (
        r"^[-_=* ]{3,}|forwarded message|original message|weitergeleitete nachricht|"
        r"mensaje reenviado"
    ),
    re.I,
)


@dataclass(frozen=True, slots=True)
class _Author:
    voice: Voice
    stamped: str | None


def _author_of(line: str, mail: Mail, known: tuple[Known, ...]) -> Voice:
    """Whose words follow an attribution line or a From: line."""
    addresses = [found.lower() for found in _ADDRESS.findall(line[:600])]
    ours = {address.address for address in mail.to} | set(mail.recipients)
    sides = {address for case in known for address in (*case.worker, *case.client)}
    for address in addresses:
        if any(address in case.worker for case in known):
            return Voice.WORKER
        if any(address in case.client for case in known):
            return Voice.CLIENT
        if address == mail.sender.address:
            return Voice.SENDER
        if address in ours - sides or address.startswith(("support", "no-reply", "noreply", "notification")):
            return Voice.US
    low, name = plain(line), plain(mail.sender.name)
    if name and name in low:
        return Voice.SENDER
    return Voice.US if not addresses and compiled(r"\bsupport\b").search(low) else Voice.OTHER


def _quoted(mail: Mail, lines: list[str], known: tuple[Known, ...], bound: bool) -> Iterator[tuple[str, _Author]]:
    """The quoted lines with their authors. Without any attribution, a reply to one of our letters quotes us."""
    author = _Author(Voice.US if bound else Voice.OTHER, None)
    for raw in lines:
        line = raw.lstrip("> \t").strip()
        if _WROTE.match(line[:400]):
            author = _Author(_author_of(line, mail, known), line)
        elif match := _FROM.match(line[:400]):
            author = _Author(_author_of(match["who"], mail, known), None)
        elif match := _SENT.match(line[:200]):
            author = replace(author, stamped=match["when"])
        elif not (_OTHER_HEADER.match(line[:80]) or _RULE.search(line[:60])):
            yield line, author


_HANDS_OVER = (
    r"\b(?:client|buyer|customer|he|she|they|company|manager|cliente|kunde)\b.{0,40}"
    r"\b(?:wrote|said|told|replied|answered|sent|texted|response|reply|answer|words|message|"
    r"explanation)\b.{0,40}:$"
)


def _new(mail: Mail, text: str, where: str) -> Iterator[Passage]:
    """The writer's own passages; chat lines and what "the client wrote:" hands over are given to their authors."""
    handed_over = False
    for block in re.split(r"\n\s*\n", text):
        first = True
        for sentence in sentences(block):
            chat = chat_line(sentence)
            voice = Voice.OTHER if handed_over else Voice.SENDER
            said, stamped = sentence, None
            if chat is not None:
                voice, said, stamped = _voice_of(chat.who, mail.sender.name), chat.said, chat.stamp or None
            low = plain(said)
            if (
                first
                and handed_over
                and compiled(r"\b(?:i|my|me)\b").search(low)
                and not compiled(r"\byour?\b").search(low)
            ):
                voice = Voice.SENDER
            yield Passage(said, low, where, voice, stamped)
            first = False
            hands = sentence.endswith(":") and compiled(_HANDS_OVER).search(plain(sentence)) is not None
            handed_over = hands or (handed_over and sentence.endswith(":"))
        if not first and not block.rstrip().endswith(":"):
            handed_over = False


def passages(mail: Mail, known: tuple[Known, ...], bound: bool) -> tuple[Passage, ...]:
    """Every sentence of the mail in order: subject, new text, quote, text attachments.

    `bound`: the mail answers one of our letters. At most CHARS_JUDGED_MAX characters of the body and
    ATTACHMENT_CHARS_JUDGED_MAX of all attachments are judged.
    """
    made: list[Passage] = []
    subject = re.sub(r"^(?:\s*(?:re|fwd?|aw|wg|rv|tr|enc|res)\s*:\s*)+", "", mail.subject[:1000], flags=re.I)
    if subject.strip():
        made.append(Passage(subject.strip(), plain(subject), "subject", Voice.SENDER))
    body = mail.text[:CHARS_JUDGED_MAX]
    words = body if mail.reply_text is None else mail.reply_text[:CHARS_JUDGED_MAX]
    made.extend(_new(mail, words, "body"))
    if mail.reply_text is not None:
        own = {line.strip() for line in words.splitlines()}
        lines = [line for line in body.splitlines() if line.strip() not in own]
        for line, author in _joined(_quoted(mail, lines, known, bound)):
            for sentence in sentences(line):
                chat = chat_line(sentence)
                voice = author.voice if chat is None else _voice_of(chat.who, mail.sender.name)
                said = sentence if chat is None else chat.said
                made.append(Passage(said, plain(said), "quote", voice, chat.stamp if chat else author.stamped))
    room = ATTACHMENT_CHARS_JUDGED_MAX
    for attachment in mail.attachments:
        if attachment.text and room > 0:
            made.extend(_new(mail, attachment.text[:room], f"attachment {attachment.name}"))
            room -= len(attachment.text)
    return tuple(made)


def _joined(lines: Iterator[tuple[str, _Author]]) -> Iterator[tuple[str, _Author]]:
    """Consecutive lines of one author as one text, so that wrapped sentences come together again."""
    held: list[str] = []
    author: _Author | None = None
    for line, by in lines:
        if author is not None and by != author:
            yield "\n".join(held), author
            held = []
        author = by
        held.append(line)
    if author is not None:
        yield "\n".join(held), author
