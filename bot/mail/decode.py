"""Turns what stands on the wire into words: charsets, transfer encodings, header words, parameters, addresses.

The standard library raises or loops on one mail in a few hundred; these readers never raise, are linear in their
input, and leave a replacement character where nothing better can be read.
"""

import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import Message
from urllib.parse import unquote_to_bytes

from bot.flows.mail import Address

HEADER_CHARS_MAX = 64_000
ADDRESSES_MAX = 500


@dataclass(frozen=True, slots=True)
class Headers:
    """A header block in its order, names lower-cased, values unfolded but not yet decoded from RFC 2047."""

    lines: tuple[tuple[str, str], ...]

    def all(self, name: str) -> tuple[str, ...]:
        """Every value of that header, topmost first; `name` in lower case."""
        return tuple(value for key, value in self.lines if key == name)

    def first(self, name: str) -> str:
        """The topmost value, or an empty text."""
        return next((value for key, value in self.lines if key == name), "")

    def has(self, name: str) -> bool:
        """Whether the header is there at all, even empty."""
        return any(key == name for key, _ in self.lines)


def headers(part: Message) -> Headers:
    """The headers of a part that was parsed as Latin-1. Bytes above 127 are read as UTF-8, else as Windows-1252."""
    return Headers(tuple((name.lower(), _unfolded(str(value))) for name, value in part.raw_items()))


def _unfolded(value: str) -> str:
    value = value[:HEADER_CHARS_MAX]
    if not value.isascii():
        value = text_of(value.encode("latin-1", "replace"), "")[0]
    return clean(re.sub(r"[\r\n]+", "", value)).strip()


# --- charsets -----------------------------------------------------------------------------------------------

_WIDER = {
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "x-gbk": "gb18030",
    "iso-2022-jp": "iso2022_jp_ext",
    "ks_c_5601-1987": "cp949",
    "ks_c_5601": "cp949",
    "euc-kr": "cp949",
    "shift_jis": "cp932",
    "shift-jis": "cp932",
    "x-sjis": "cp932",
    "big5": "big5hkscs",
    "iso-8859-8-i": "iso-8859-8",
    "iso-8859-9": "cp1254",
    "iso-8859-11": "cp874",
    "tis-620": "cp874",
    "unicode-1-1-utf-7": "utf-7",
    "utf8mb4": "utf-8",
    "macintosh": "mac_roman",
    "x-mac-roman": "mac_roman",
}
_LATIN = frozenset(
    {
        "",
        "us-ascii",
        "ascii",
        "ansi_x3.4-1968",
        "iso-8859-1",
        "iso8859-1",
        "iso_8859-1",
        "latin1",
        "latin-1",
        "cp1252",
        "windows-1252",
        "x-unknown",
        "unknown-8bit",
        "8bit",
        "binary",
        "default",
        "utf-8",
        "utf8",
    }
)
_NOT_A_CHARSET = re.compile(
    r"idna|punycode|escape|undefined|mbcs|oem|rot|palmos|hex|zip|bz2|zlib|uu|base64|quopri", re.I
)


def text_of(octets: bytes, label: str) -> tuple[str, bool]:
    """Decodes by the label, or by what the bytes show where the label is known to lie.

    Returns the text, and whether the label was one we know. Latin labels often hide UTF-8, and UTF-8 labels
    Windows-1252; the narrow Asian labels are read by their supersets.
    """
    label = re.sub(r"[^a-z0-9_.:-]", "", label.strip().lower().split(";")[0])
    if label in _LATIN or label.startswith(("utf-8", "utf8")):
        return _latin(octets), True
    try:
        if _NOT_A_CHARSET.search(label):
            raise LookupError(label)
        return octets.decode(_WIDER.get(label, label), "replace"), True
    except (LookupError, ValueError, AssertionError):
        return _latin(octets), False


_MULTIBYTE = re.compile(rb"[\xc2-\xf4][\x80-\xbf]")


def _latin(octets: bytes) -> str:
    try:
        return octets.decode("utf-8-sig")
    except UnicodeDecodeError:
        return octets.decode("utf-8" if _MULTIBYTE.search(octets) else "cp1252", "replace")


_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\x85\u2028\u2029\ufeff\ud800-\udfff]")
_BREAKS = "\x0b\x0c\x85\u2028\u2029"


def clean(text: str) -> str:
    """Without NUL, lone surrogates and other control characters, which no database column takes; lines end in `\\n`."""
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    return _CONTROL.sub(_stand_in, text)


def _stand_in(found: re.Match[str]) -> str:
    char = found.group()
    if char in _BREAKS:
        return "\n"
    return "\ufffd" if "\ud800" <= char <= "\udfff" else ""


# --- transfer encodings -------------------------------------------------------------------------------------

_NOT_BASE64 = re.compile(rb"[^A-Za-z0-9+/=\r\n]")


def octets_of(payload: bytes, encoding: str) -> tuple[bytes, str]:
    """Undoes a Content-Transfer-Encoding as far as possible. Returns the bytes and a defect, empty if there is none."""
    match encoding.strip().lower().strip("\"';"):
        case "" | "7bit" | "8bit" | "binary" | "7-bit" | "8-bit" | "none":
            return payload, ""
        case "base64":
            return _base64(payload)
        case "quoted-printable" | "quotedprintable" | "qp":
            return binascii.a2b_qp(payload), ""
        case "x-uuencode" | "uuencode" | "uue" | "x-uue":
            return _uuencoded(payload)
        case other:
            return payload, f"unknown transfer encoding {other[:40]!r}"


def _base64(payload: bytes) -> tuple[bytes, str]:
    strange = len(_NOT_BASE64.findall(payload.strip()))
    if strange * 10 > len(payload):
        return payload, "base64 was announced, but the text is not encoded"
    out: list[bytes] = []
    cut = False
    # Padding in the middle: a mailer encoded in pieces and joined them.
    for piece in re.split(rb"=+", re.sub(rb"[^A-Za-z0-9+/=]", b"", payload)):
        if len(piece) % 4 == 1:
            piece, cut = piece[:-1], True
        out.append(binascii.a2b_base64(piece + b"=" * (-len(piece) % 4)))
    return b"".join(out), "broken base64" if strange or cut else ""


def _uuencoded(payload: bytes) -> tuple[bytes, str]:
    out: list[bytes] = []
    defect = ""
    for line in payload.split(b"\n"):
        line = line.rstrip(b"\r")
        if not line or line.startswith(b"begin ") or line == b"end":
            continue
        try:
            out.append(binascii.a2b_uu(line))
        except binascii.Error:
            # Many encoders pad wrongly; the length byte says how much of the line counts.
            count = (((line[0] - 32) & 63) * 4 + 5) // 3
            try:
                out.append(binascii.a2b_uu(line[:count]))
            except binascii.Error:
                defect = "broken uuencoding"
    return b"".join(out), defect


# --- header words -------------------------------------------------------------------------------------------

_WORD = re.compile(r"=\?([\w.:+-]{1,60})(?:\*[\w-]{0,20})?\?([bBqQ])\?([^\n]{0,2000}?)\?=")


def words(value: str) -> str:
    """A header's encoded words decoded; neighbouring words of one charset are joined before decoding, since mailers
    split them inside characters. Source: RFC 2047 §2, §6.2."""
    if "=?" not in value:
        return value
    out: list[str] = []
    pending: list[tuple[str, bytes]] = []
    end = 0
    for found in _WORD.finditer(value):
        between = value[end : found.start()]
        if between.strip() or not pending:
            out.append(_joined(pending))
            out.append(between)
            pending = []
        charset, way, body = found.groups()
        pending.append((charset.lower(), _word_octets(way, body)))
        end = found.end()
    out.append(_joined(pending))
    out.append(value[end:])
    return clean("".join(out))


def _word_octets(way: str, body: str) -> bytes:
    raw = body.encode("utf-8", "replace")
    if way in "bB":
        return _base64(raw)[0]
    return binascii.a2b_qp(raw, header=True)


def _joined(pending: list[tuple[str, bytes]]) -> str:
    out: list[str] = []
    start = 0
    for at, (charset, _) in enumerate(pending):
        if at + 1 == len(pending) or pending[at + 1][0] != charset:
            out.append(text_of(b"".join(octets for _, octets in pending[start : at + 1]), charset)[0])
            start = at + 1
    return "".join(out)


def one_line(value: str) -> str:
    """A header as a person reads it: decoded, in one line, single blanks."""
    return " ".join(words(value).split())


# --- parameters ---------------------------------------------------------------------------------------------

_PARAM = re.compile(r';\s*([^\s=;"]{1,60})\s*=\s*("(?:[^"\\]|\\.)*"?|[^;]*)', re.S)


def params(value: str) -> tuple[str, dict[str, str]]:
    """A structured header's main value in lower case, and its parameters; continuations and charsets put together.

    Source: RFC 2045 §5.1, RFC 2231 §3, §4. Encoded words in parameters are wrong but common, so they are read too.
    """
    main = re.split(r"[;\s]", value.strip(), maxsplit=1)[0].strip().lower().strip('"')
    plain: dict[str, str] = {}
    pieces: dict[str, list[tuple[int, bool, str]]] = {}
    for found in _PARAM.finditer(";" + value.partition(";")[2]):
        name, text = found.group(1).lower(), found.group(2).strip()
        if text.startswith('"'):
            text = re.sub(r"\\(.)", r"\1", text[1:].removesuffix('"'))
        shape = re.fullmatch(r"([^*]+)\*(?:(\d{1,4})(\*)?)?", name)
        if shape is None:
            plain.setdefault(name, one_line(text))
        elif shape.group(2) is None:
            pieces.setdefault(shape.group(1), []).append((0, True, text))
        else:
            pieces.setdefault(shape.group(1), []).append((int(shape.group(2)), shape.group(3) is not None, text))
    for name, parts in pieces.items():
        plain[name] = _rfc2231(sorted(parts)[:200])
    return main, plain


def _rfc2231(parts: list[tuple[int, bool, str]]) -> str:
    charset = ""
    octets = bytearray()
    for at, (_, encoded, text) in enumerate(parts):
        if at == 0 and encoded and text.count("'") >= 2:
            charset, _, text = text.split("'", 2)
        octets += unquote_to_bytes(text) if encoded else text.encode()
    return clean(text_of(bytes(octets), charset)[0])


# --- addresses ----------------------------------------------------------------------------------------------

_ENCODED_BRACKET = re.compile(r"=\?[\w.:+*-]{1,60}\?[qQ]\?[^?\s]{0,300}<")
_ADDR_SPEC = re.compile(r"[^\s<>()\[\],;:\"@\\]{1,128}@(?:\[[0-9A-Fa-f:.]{2,60}\]|[^\s<>()\[\],;:\"@\\]{1,255})")


def addresses(value: str) -> tuple[Address, ...]:
    """The mailboxes of an address header, groups opened, at most `ADDRESSES_MAX`; what holds no address is left out.

    Source: RFC 5322 §3.4, read tolerantly: bare addresses, comments as names, missing commas and brackets.
    """
    if _ENCODED_BRACKET.search(value):
        value = words(value)  # Some mailers encode the whole header, brackets and all.
    found = [address for piece in _mailboxes(value) if (address := _mailbox(piece)) is not None]
    if not found and "=?" in value:
        found = [address for piece in _mailboxes(words(value)) if (address := _mailbox(piece)) is not None]
    return tuple(found[:ADDRESSES_MAX])


def _mailboxes(value: str) -> Iterator[str]:
    """Splits at the commas, semicolons and group names that stand outside quotes, comments and angle brackets."""
    start, depth, quoted, angled, at = 0, 0, False, False, 0
    while at < len(value):
        char = value[at]
        if char == "\\":
            at += 1
        elif char == '"' and depth == 0:
            quoted = not quoted
        elif quoted:
            pass
        elif char == "(":
            depth += 1
        elif char == ")":
            depth = max(0, depth - 1)
        elif depth:
            pass
        elif char == "<":
            angled = True
        elif char == ">" and angled:
            angled = False
            yield value[start : at + 1]  # Here, not at the comma, which some mailers forget.
            start = at + 1
        elif char in ",;" and not angled:
            yield value[start:at]
            start = at + 1
        elif char == ":" and not angled and "@" not in value[start:at]:
            start = at + 1  # A group's name, or a stray "mailto:".
        at += 1
    if quoted or depth:
        # A quote or comment that never ends would swallow the list: read the rest bracket by bracket.
        yield from (piece + ">" for piece in value[start:].split(">"))
    else:
        yield value[start:]


def _mailbox(piece: str) -> Address | None:
    piece = piece.strip()
    if not piece:
        return None
    bracket = piece.rfind("<")
    spec = piece[bracket + 1 :].split(">")[0] if bracket >= 0 else piece
    found = _ADDR_SPEC.search(spec) or _quoted_local(spec) or _ADDR_SPEC.search(piece)
    if found is None:
        return None
    name = piece[:bracket] if bracket >= 0 else _comment(piece)
    return Address(_name(name), normal(found.group()))


def _quoted_local(spec: str) -> re.Match[str] | None:
    return re.search(r'"[^"\n]{1,128}"@[^\s<>()",;:]{1,255}', spec)


def _comment(piece: str) -> str:
    start, end = piece.find("("), piece.rfind(")")
    return piece[start + 1 : end] if 0 <= start < end else ""


def _name(text: str) -> str:
    text = text.strip(" ,;")
    if text.startswith('"'):
        text = re.sub(r"\\(.)", r"\1", text.strip('"'))
    return one_line(text).strip("\"' ")[:200]


def normal(address: str) -> str:
    """An addr-spec as we compare it: lower case, the domain in its ASCII form. Source: RFC 5890 (IDNA)."""
    local, _, domain = address.strip().strip(".'").rpartition("@")
    domain = domain.rstrip(".").lower()
    if not domain.isascii():
        try:
            domain = domain.encode("idna").decode("ascii")
        except UnicodeError:
            pass  # Not a name that DNS could hold; kept as written, so that it matches nothing else.
    return f"{local.lower()}@{domain}" if local else domain


_MESSAGE_ID = re.compile(r"<([^<>]{1,990})>")


def message_ids(value: str) -> tuple[str, ...]:
    """The Message-IDs of a header, each with its angle brackets, in order and once. Source: RFC 5322 §3.6.4."""
    found = ["<" + "".join(text.split()) + ">" for text in _MESSAGE_ID.findall(value)]
    if not found:
        found = [f"<{text}>" for text in value.split() if "@" in text and len(text) <= 990][:1]
    return tuple(dict.fromkeys(found))
