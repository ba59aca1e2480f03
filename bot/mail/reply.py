"""Finds the sender's new words in a mail that also carries somebody else's: a reply's quote, a forwarded mail.

HTML is cut at the marks that mail programs leave; what they leave unmarked, and plain text, falls to rules about
lines. Where the rules leave nothing, everything is kept: words lost are worse than words twice.
"""

import re
from dataclasses import dataclass

from selectolax.lexbor import LexborHTMLParser, LexborNode

from bot.mail.markup import drop, page, readable, tidy


def split(text: str, html: str | None, subject: str) -> str | None:
    """The sender's new text, above, between and below what is quoted or forwarded; None where nothing is.

    Kept: greeting, typed name, a bare company line. Left out: attribution lines, quotes, "Sent from my …", phone,
    address and title lines, disclaimers, list footers. `text` is the whole body; `html` the HTML part, if there is one,
    which is read first because its marks are surer; `subject` tells a reply ("Re:") from a first mail where a line
    alone would not.
    """
    answers = _ANSWER.match(subject) is not None
    if html is not None:
        tree = page(html)
        if _cut(tree):
            new, _ = _without_quotes(readable(tree), answers, marked=True)
            return _without_signatures(new) or tidy(text).strip()
    new, quotes = _without_quotes(tidy(text), answers, marked=False)
    if not quotes:
        return None
    return _without_signatures(new) or tidy(text).strip()


_ANSWER = re.compile(r"\s*(?:re|aw|antw|sv|vs|r|rif|ref|odp|ynt|回复|答复|回覆)(?:\[\d+\])?\s*[:：]", re.I)


# --- HTML ---------------------------------------------------------------------------------------------------

_QUOTE_NODES = (
    ".gmail_attr",
    "blockquote.gmail_quote",
    ".yahoo_quoted",
    '[id^="yahoo_quoted"]',
    ".moz-cite-prefix",
    ".moz-forward-container",
    ".moz-email-headers-table",
    'blockquote[type="cite"]',
    ".protonmail_quote",
    ".tutanota_quote",
    ".zmail_extra",
    ".front-blockquote",
    ".freshdesk_quote",
    '[data-marker="__QUOTED_TEXT__"]',
    '[id$="OLK_SRC_BODY_SECTION"]',
    '[id$="mail-editor-reference-message-container"]',
    ".ms-outlook-mobile-reference-message",
    'div[name="quote"]',
    "#isForwardContent",
    "#isReplyContent",
    "#reply-intro",
    "#replyBody",
)
_QUOTE_STARTS = (
    '[id$="divRplyFwdMsg"]',
    "#stopSpelling",
    "#zwchr",
    '[data-marker="__DIVIDER__"]',
)
_FORWARDED = re.compile(r"^[\s\-_]*(?:-{3,}|begin forwarded|(?:from|von|de|da|van)\s*:)", re.I)


def _cut(tree: LexborHTMLParser) -> bool:
    """Takes the marked quotes out of the page. Returns whether there were any."""
    found = False
    for node in tree.css("div.gmail_quote"):
        # Answers between the quotes stand inside this box too; only a forwarded mail fills it whole.
        attribution = node.css_first(".gmail_attr")
        forwarded = attribution is not None and _FORWARDED.match(attribution.text())
        if forwarded or node.css_first("blockquote") is None:
            found = True
            drop(node)
    for node in tree.css(",".join(_QUOTE_STARTS)):
        found = True
        _drop_from(node)
    for node in tree.css("div[style],td[style]"):
        if "border-top" in (node.attributes.get("style") or "").lower() and _is_header_block(node.text(separator="\n")):
            found = True
            _drop_from(node)
    for node in tree.css(",".join(_QUOTE_NODES)):
        found = True
        drop(node)
    for node in tree.css("blockquote[style]"):
        if "border-left" in (node.attributes.get("style") or "").lower():
            found = True
            drop(node)
    return found


def _drop_from(node: LexborNode) -> None:
    """Takes out a node and all that follows it on the page."""
    at: LexborNode | None = node
    while at is not None and at.tag not in ("html", "body"):
        while (following := at.next) is not None:
            following.decompose()
        at = at.parent
    drop(node)


# --- lines: what is quoted ----------------------------------------------------------------------------------

_QUOTED = re.compile(r"^[ \t]{0,3}(?:>|&gt;|»)|^\s?[A-Z]{2,3}>(?!\w)")
_LABELS = {
    label: kind
    for kind, labels in {
        "from": "from von de da van från fra od от 发件人 寄件者 差出人 보낸사람 lähettäjä kimden "
        "expéditeur remitente mittente",
        "date": "sent date gesendet datum envoyé enviado fecha inviato data verzonden "
        "skickat sendt wysłano дата отправлено 发送时间 日期 日時 送信日時 날짜 lähetetty tarih",
        "to": "to an à para a aan till til do кому 收件人 宛先 받는사람 vastaanottaja kime destinataire destinatario",
        "subject": "subject betreff objet asunto oggetto onderwerp assunto ämne emne "
        "temat тема 主题 主旨 件名 제목 aihe konu",
        "other": "cc kopie copie copia reply-to antwort-an importance wichtigkeit priority attachments anlagen 抄送",
    }.items()
    for label in labels.split()
}
_LABEL_LINE = re.compile(r"^[\s*_>]*([^\W\d_][\w\- ]{0,20}?)\s?[*_]*\s*[:：]+[*_]*\s*(.*)$")
_ONE_LINE_HEADERS = re.compile(
    r"^[\s*]*(?:From|Von|De|Da|Van)\s?:.{3,200}\b(?:Sent|Date|Gesendet|Datum|Envoyé|Enviado|Fecha|Inviato|Verzonden)\s?:"
    r".{3,200}\b(?:To|An|À|Para|A|Aan|Subject|Betreff|Objet|Asunto|Oggetto|Onderwerp)\s?:",
    re.I,
)
_SEPARATOR = re.compile(
    r"""^\s*(?:
    [-_=*\s]{2,}\s*(?:original(?:\s+(?:message|appointment|e?-?mail|nachricht))|forwarded\s+(?:message|by\b.*
        |mail)|reply\s+message|ursprüngliche\s+(?:nachricht|mail)
      | weitergeleitete\s+nachricht|message\s+(?:d['’]origine|transféré|original)|courriel\s+original
          |mensaje\s+(?:original|reenviado)|messaggio\s+(?:originale|inoltrato)
      | oorspronkelijk\s+bericht|doorgestuurd\s+bericht|mensagem\s+(?:original|encaminhada)
          |ursprungligt\s+meddelande|vidarebefordrat\s+meddelande
      | oprindelig\s+meddelelse|opprinnelig\s+melding|wiadomość\s+oryginalna|исходное\s+сообщение
          |пересылаемое\s+сообщение|原始邮件|原始郵件|转发的邮件|元のメッセージ|original\s+message\s+from\b.*)
      \s*[-_=*:]*
  | (?:begin\s+forwarded\s+message|anfang\s+der\s+weitergeleiteten\s+(?:nachricht|e-?mail)
      |début\s+du\s+message\s+(?:réexpédié|transféré)|inicio\s+del\s+mensaje\s+reenviado
      | inizio\s+messaggio\s+inoltrato|begin\s+doorgestuurd\s+bericht|início\s+da\s+mensagem\s+(?:encaminhada
          |reenviada))\s*[:：]?
  | \W{0,10}(?:please\s+)?(?:type|write|reply|enter)\s+(?:your\s+reply\s+)?above\s+this\s+line.*
  )\s*$""",
    re.I | re.X,
)
_WROTE = (
    r"wrote|writes|schrieb(?:en)?|geschrieben|a\s+écrit|écrivait|escribió|escribio|ha\s+escrito|escreveu|ha\s+scritto|scrive|scrisse|schreef|heeft\s+(?:het\s+volgende\s+)?geschreven"
    r"|skrev|kirjoitti|napisał(?:a|\(a\))?|napsal(?:\(a\)|a)?|írta|a\s+scris|написал(?:а|\(а\))?|пишет|έγραψε|yazdı|şunu\s+yazdı|写道|寫道|のメール|님이\s+작성"
)
_ATTRIBUTION = re.compile(
    rf"""^\s*(?:
    (?:on|in\s+a\s+message|at|am|den|le|el|il|op|em|dnia|w\s+dniu|dne|в
        |в\s+письме)\b.{{4,400}}?\b(?:{_WROTE})(?:\s.{{1,160}})?
  | .{{2,300}}?(?:{_WROTE})(?:\s+(?:on|am|le|el|il|op|em|den)\b.{{4,120}}|\s+(?:the\s+following|folgendes))?
  | (?:quoting|zitat\s+von|citando|quoted\s+from)\s.{{3,200}}
  | \d{{4}}[-/.年]\s?\d{{1,2}}[-/.月]\s?\d{{1,2}}.{{0,60}}[<(\[]\S+@\S+[>)\]]
  )\s*[:：]\s*$""",
    re.I | re.X,
)
_PLACED = re.compile(r"@|\b\d{1,2}[:.h]\d{2}\b|\b20\d\d\b|\b\d{1,2}[./-]\d{1,2}\b|年")


_LINES_MAX = 10_000
_LINE_CHARS_MAX = 500
_BREAK = re.compile(r"[a-z]{3}[.!?]\s+[A-Z]")


@dataclass(frozen=True, slots=True)
class _Found:
    """Lines that introduce a quote, up to `end`.

    `sure`: they can be nothing else, whatever follows. `placed`: they name a moment, as a mail program does.
    """

    end: int
    sure: bool
    placed: bool


def _without_quotes(text: str, answers: bool, *, marked: bool) -> tuple[list[list[str]], bool]:
    """The new text in runs between the quotes, and whether there were quotes.

    `marked`: the quotes themselves are already gone (HTML), so what follows an attribution is the sender's own.
    """
    lines = text.split("\n")
    runs: list[list[str]] = [[]]
    quotes = marked
    at = 0
    while at < len(lines):
        if _QUOTED.match(lines[at]):
            runs.append([])
            quotes = True
            at += 1
            continue
        # Beyond these, only the marks at the line's start count: no program writes introductions like that.
        short = at < _LINES_MAX and len(lines[at]) <= _LINE_CHARS_MAX
        found = _introduction(lines, at) if short else None
        if found is None or not _opens_quote(found, lines, answers):
            runs[-1].append(lines[at])
            at += 1
            continue
        quotes = True
        runs.append([])
        at = found.end
        if not marked and not _QUOTED.match(_next(lines, at)):
            break  # An unmarked quote goes down to the end.
    return runs, quotes


def _next(lines: list[str], at: int) -> str:
    return next((line for line in lines[at:] if line.strip()), "")


def _opens_quote(found: _Found, lines: list[str], answers: bool) -> bool:
    """Whether an introduction is one, and not the sender's own "then the client wrote:" before words pasted in."""
    if found.sure or _QUOTED.match(_next(lines, found.end)):
        return True
    return found.placed and answers and not any(_QUOTED.match(line) for line in lines[found.end :])


def _introduction(lines: list[str], at: int) -> _Found | None:
    line = lines[at]
    if not line.strip():
        return None
    if _SEPARATOR.match(line):
        return _Found(_header_end(lines, at + 1), True, True)
    if _ONE_LINE_HEADERS.match(line):
        return _Found(at + 1, True, True)
    if re.fullmatch(r"\s*[-_=*]{8,}\s*", line):
        end = _header_end(lines, at + 1)
        return _Found(end, True, True) if end > at + 1 else None
    end = _header_end(lines, at)
    return _Found(end, True, True) if end > at else _attribution(lines, at)


def _attribution(lines: list[str], at: int) -> _Found | None:
    """An attribution, which mail programs wrap over up to four lines."""
    joined = ""
    for end in range(at, min(at + 4, len(lines))):
        if not lines[end].strip() or (end > at and _QUOTED.match(lines[end])) or len(joined) > 400:
            return None
        joined = f"{joined} {lines[end][:_LINE_CHARS_MAX].strip()}".strip(" *_")
        if joined.endswith((":", "：")):
            if not _ATTRIBUTION.match(joined) or _BREAK.search(joined):
                return None
            return _Found(end + 1, "@" in joined, _PLACED.search(joined) is not None)
    return None


def _header_end(lines: list[str], start: int) -> int:
    """Where a block of From, Sent, To, Subject lines ends that begins at `start`; `start` itself if there is none."""
    at = start
    while at < len(lines) and at < start + 2 and not lines[at].strip():
        at += 1
    kinds: set[str] = set()
    end = start
    for n in range(at, min(at + 24, len(lines))):
        kind = _kind(lines[n])
        if kind is not None:
            kinds.add(kind)
            end = n + 1
        elif not lines[n].strip():
            # Some programs set the headers apart with empty lines.
            if n + 1 >= len(lines) or _kind(lines[n + 1]) is None:
                break
        elif end == n and n > at and (lines[n][:1].isspace() or "@" in lines[n]):
            end = n + 1  # A long list of recipients, folded.
        else:
            break
    return end if "from" in kinds and len(kinds & {"date", "to", "subject"}) >= 2 else start


def _kind(line: str) -> str | None:
    found = _LABEL_LINE.match(line[:_LINE_CHARS_MAX])
    if found is None:
        return None
    return _LABELS.get(re.sub(r" (?:on|el|am|le|il|op|em)$", "", found.group(1).strip().lower()))


def _is_header_block(text: str) -> bool:
    """Whether an HTML box begins with From, Sent, To; its text comes in pieces, one a tag."""
    pieces = [piece.strip() for piece in text.split("\n") if piece.strip()][:30]
    kinds = {_LABELS.get(piece.split(":")[0].strip().lower()) for piece in pieces if ":" in piece}
    return bool(pieces) and _kind(pieces[0]) == "from" and len(kinds & {"date", "to", "subject"}) >= 2


# --- lines: what a mail program or a company adds -----------------------------------------------------------

_DELIMITER = re.compile(r"^\s*(?:--|—|–)\s*$")
_SENT_FROM = re.compile(
    r"""^\W*(?:
    (?:sent|verschickt|gesendet|envoyé|enviado|inviato|verzonden|verstuurd|skickat|sendt)\s+(?:from|via|with
        |using|von|mit|über|aus|depuis|de|desde|do|da|dal|del|met|vanaf|från|fra)\s+
      (?:my|meinem|mon|mi|il\s+mio|mio|mijn|meu|min|the\s+all|outlook|mail\b|yahoo|proton|samsung|aol|gmail|gmx
          |web\.de|iphone|ipad|android|blackberry|windows|mailbird|spark|superhuman|front|tutanota|a\s+mobile
          |handheld|mobile).{0,120}
  | (?:von\s+meinem|mit\s+der\s+gmx|von\s+unterwegs).{0,60}(?:gesendet|gesendet\.)?
  | (?:get|holen\s+sie\s+sich|télécharge[rz]|obtene[rd]?|obtén|scarica|ottieni|download
      |baixar)\s+outlook\s+(?:for|für|pour|para|per|voor)\b.{0,120}
  | outlook\s+(?:for|für|pour|para|per|voor)\s+(?:ios|android|mac)\b.{0,120}
  | sent\s+on\s+the\s+go.{0,60} | virus-?free\.?.{0,120} | (?:this\s+email\s+has\s+been\s+checked\s+for\s+viruses
      |avg|avast).{0,120}
  )$""",
    re.I | re.X,
)
_PICTURE = re.compile(r"^\W*(?:\[(?:cid|image|https?)[:\s][^\]]*\]|<?cid:\S+>?|image\d*\.(?:png|jpe?g|gif))\W*$", re.I)
_DISCLAIMER = re.compile(
    r"""^\W*(?:
    (?:confidentiality|privacy|legal|important|privileged|security|disclaimer|notice|caution|warning
        |external\s+e?-?mail|attention)\b[\w\s/&]{0,40}(?:notice|disclaimer|statement|warning|:|\])
  | (?:this|the)\s+(?:e-?mail|message|communication|transmission|electronic\s+mail|information|content
      |contents)\b.{0,200}\b(?:confidential|intended|privileged|solely|proprietary)
  | if\s+you\s+(?:are\s+not|have\s+received\s+this).{0,80}(?:intended|in\s+error|recipient)
  | (?:caution|external)\b.{0,40}(?:originated|outside|external)
  | please\s+consider\s+the\s+environment | think\s+(?:green|before\s+you\s+print)
  | diese\s+(?:e-?mail|nachricht)\b.{0,160}(?:vertraulich|bestimmt) | ce\s+(?:message|courriel
      |mail)\b.{0,200}(?:confidentiel|destin) | este\s+(?:correo|mensaje|mensagem
      |e-?mail)\b.{0,200}(?:confidencial|dirigido|destin)
  | (?:questo|il\s+presente)\s+(?:messaggio|e-?mail)\b.{0,200}(?:riservat|confidenzial|destinat) | (?:deze
      |dit)\s+(?:e-?mail|bericht)\b.{0,200}(?:vertrouwelijk|bestemd)
  )""",
    re.I | re.X,
)
_FOOTER = re.compile(
    r"""^\W*(?:you\ received\ this\ (?:message|e-?mail)\ because\ you | to\ unsubscribe\ (?:from|send|,|click
        |please) | unsubscribe\b.{0,60}$ | to\ view\ this\ discussion\ (?:on|visit)
    | .{1,60}\ mailing\ list$ | manage\ your\ (?:subscription|notification) )""",
    re.I | re.X,
)
_SIGN_OFF = re.compile(
    r"""^\W*(?:(?:many\ |kind(?:est)?\ |warm(?:est)?\ |best\ |with\ (?:best\ |kind\ )?)?regards
        | thanks?(?:\ (?:you|again|so\ much|a\ lot|in\ advance|and\ regards|and\ best.{0,20}))*
        | thank\ you.{0,25} | best(?:\ wishes)? | cheers | sincerely(?:\ yours)? | yours.{0,15}
        | respectfully.{0,15} | br | rgds | all\ the\ best | take\ care | ty | thx
    | mit\ (?:freundlichen|besten|herzlichen)\ gr(?:ü|ue)(?:ß|ss)en | (?:viele|beste|liebe|sch(?:ö|oe)ne
        |freundliche)\ gr(?:ü|ue)(?:ß|ss)e | mfg | vg | lg | danke.{0,20}
    | (?:bien\ )?cordialement | bien\ à\ vous | salutations.{0,20} | merci.{0,20} | (?:saludos|un\ saludo
        |atentamente|gracias).{0,20} | (?:cordiali|distinti)\ saluti | grazie.{0,20}
        | (?:met\ vriendelijke\ )?groet(?:en)? | mvg | bedankt.{0,10} | atenciosamente | obrigad[oa].{0,20}
        | abraços? )\W*$""",
    re.I | re.X,
)
_PHONE_WORDS = re.compile(
    r"\b(?:tel(?:e(?:ph|f)on[eo]?|éphone)?|phone|ph|mobile?|mobil|cell(?:ular)?|office|work|home|fax|direct|main|ext|x|call|text|or|toll|free|handy|büro|portable|bureau|fijo|móvil|"
    r"celular|whatsapp|o|m|p|c|t|f|w|d|h)\b",
    re.I,
)
_LABELLED = re.compile(
    r"^\W*(?:tel|phone|ph|mob|cell|fax|office|direct|[ompctfwd]\s*[:.|]|handy|telefon|téléphone)", re.I
)
_ADDRESS = re.compile(
    r"""^\W*(?:
      \d{1,6}[A-Z]?\s+(?:[\w.'#-]+\s+){1,5}?(?i:st|street|ave|avenue|rd|road|blvd|boulevard|dr|drive|ln|lane|way
          |ct|court|pl|place|plaza|hwy|highway|pkwy|parkway|cir|circle|trail|loop|square)\b\.?(?:[,#].{0,80})?
    | (?i:suite|ste|unit|floor|apt)\.?\s+\S{1,8}
    | (?i:p\.?\s?o\.?\s+box)\s+\d+.{0,60}
    | [A-Z][A-Za-z .'-]{1,40},?\s+[A-Z]{2}\.?\s+\d{5}(?:-\d{4})?(?:\s*,?\s*(?:USA|US))?
    | [\w .-]{3,30}(?:stra(?:ß|ss)e|str\.|weg|platz|allee|gasse)\s*\d{1,4}\s?[a-z]?(?:,.{0,40})?
    | (?:[A-Z]{1,2}-)?\d{5}\s+[A-ZÄÖÜ][\w.ß-]{2,30}
    | \d{1,4},?\s+(?:bis\s+)?(?:rue|avenue|boulevard|place|chemin)\s.{2,60}
    )\W*$""",
    re.X,
)
_TITLE = re.compile(
    r"""\b(?:manager|director|technician|tech|engineer|owner|founder|co-founder|ceo|cto|coo|cfo|president|vp
        |supervisor|coordinator|specialist|administrator|consultant|representative|
    accountant|bookkeeper|dispatcher|attorney|paralegal|assistant|analyst|contractor|officer|partner|installer
        |electrician|geschäftsführer(?:in)?|leiter(?:in)?|techniker(?:in)?|inhaber(?:in)?|
    gérante?|directrice|directeur|technicien(?:ne)?|gerente|técnico|tecnico|directora?|responsable|responsabile
        |eigenaar|monteur)\b""",
    re.I | re.X,
)
_COMPANY = re.compile(
    r"\b(?:llc|inc|ltd|gmbh|corp|co|company|llp|ag|sarl|s\.?a|s\.?r\.?l|b\.?v|pty|services|solutions|group|systems)\b\.?\W*$",
    re.I,
)
_WEB = re.compile(
    r"^\W*(?:(?:e-?mail|mail|web|www|website|url|e|w)\s*[:|]?\s*)?(?:<?(?:mailto:)?[^\s@<>|]+@[^\s@<>|]+>?|(?:https?://|www\.)\S+)(?:\s*[|<].{0,100})?\W*$",
    re.I,
)
_SOCIAL = re.compile(r"^\W*(?:(?:linkedin|twitter|facebook|instagram|youtube|x|website|blog)\b\W*){1,6}$", re.I)
_SIGNATURE_LINES_MAX = 15


def _without_signatures(runs: list[list[str]]) -> str:
    kept = [trimmed for run in runs if (trimmed := _trimmed(run))]
    return tidy("\n\n".join(kept)).strip()


def _trimmed(run: list[str]) -> str:
    lines = [line for line in _before_delimiter(run) if not _added(line)]
    lines = _signature_cleared(_without_disclaimers(lines))
    return "\n".join(lines).strip("\n ")


def _added(line: str) -> bool:
    return len(line) <= 200 and (_SENT_FROM.match(line) or _PICTURE.match(line)) is not None


def _before_delimiter(run: list[str]) -> list[str]:
    filled = 0
    cut = len(run)
    for at in range(len(run) - 1, -1, -1):
        if filled > _SIGNATURE_LINES_MAX:
            break
        if len(run[at]) <= 10 and _DELIMITER.match(run[at]):
            cut = at
        filled += bool(run[at].strip())
    return run[:cut]


def _without_disclaimers(lines: list[str]) -> list[str]:
    kept: list[str] = []
    skipping = False
    for line in lines:
        if len(line) <= 200 and _FOOTER.match(line):
            while kept and re.fullmatch(r"[\s\-_=*]*", kept[-1]):
                kept.pop()
            break
        if not line.strip():
            skipping = False
        elif _DISCLAIMER.match(line[:_LINE_CHARS_MAX]):
            skipping = True
        if not skipping:
            kept.append(line)
    while kept and re.fullmatch(r"[\s\-_=*]*", kept[-1]):
        kept.pop()
    return kept


def _signature_cleared(lines: list[str]) -> list[str]:
    """Without the lines that a signature adds to a name: phone, address, title, web.

    A signature is what follows the last closing formula; without one, the short lines at the end, if one of them is
    surely such a line.
    """
    start = _signature_start(lines)
    block = lines[start:]
    sure = [line for line in block if _contact(line)]
    named = False
    kept: list[str] = []
    for line in block:
        if not line.strip():
            kept.append(line)
        elif _contact(line) or (named and _is_title(line)):
            continue
        else:
            kept.append(line)
            named = True
    if not sure and not any(_SIGN_OFF.match(line) for line in lines[max(0, start - 1) : start]):
        return lines
    return lines[:start] + kept


def _signature_start(lines: list[str]) -> int:
    filled = [at for at, line in enumerate(lines) if line.strip()]
    for at in reversed(filled[-_SIGNATURE_LINES_MAX:]):
        if len(lines[at]) <= 50 and _SIGN_OFF.match(lines[at]):
            return at + 1
    start = len(lines)
    for at in reversed(filled[-8:]):
        if len(lines[at]) > 70 or (re.search(r"[.!?,:;]\s*$", lines[at]) and not _contact(lines[at])):
            break
        start = at
    return start


def _contact(line: str) -> bool:
    line = line.strip(" *|\t")
    if len(line) > 200 or "assignment" in line.lower():
        return False
    return _is_phone(line) or any(rule.match(line) for rule in (_ADDRESS, _WEB, _SOCIAL))


def _is_phone(line: str) -> bool:
    digits = re.sub(r"\D", "", line)
    if not 7 <= len(digits) <= 45:
        return False
    if re.search(r"[^\W\d_]", _PHONE_WORDS.sub("", line)):
        return False
    # Ten digits in a row without a label or a blank are as likely an assignment ID.
    return _LABELLED.match(line) is not None or (
        re.fullmatch(r"[#\s]*\d{6,10}\s*", line) is None and not _DATE.match(line)
    )


_DATE = re.compile(r"^\W*(?:\d{4}-\d{1,2}-\d{1,2}|\d{1,2}[/.]\d{1,2}[/.]\d{2,4})\b")


def _is_title(line: str) -> bool:
    plain = line.strip()
    return (
        len(plain) <= 60
        and len(plain.split()) <= 8
        and _TITLE.search(plain) is not None
        and all(word[:1].isupper() or len(word) <= 3 for word in re.findall(r"[^\W\d_]+", plain))
        and _COMPANY.search(plain) is None
        and not plain.endswith((".", "!", "?"))
    )
