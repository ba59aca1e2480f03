"""Which items a mail holds: the worker's explanation, the client's, and a timeline of dated contacts."""

import re
from collections.abc import Iterable, Iterator
from datetime import datetime

from bot.flows.mail import Mail
from bot.flows.triage.contacts import dated
from bot.flows.triage.passages import CHARS_JUDGED_MAX, Passage, Voice, compiled, plain
from bot.flows.triage.values import Found

CONTACTS_NEEDED = 2

# What can be checked about a job: clock times, records, people's acts, the state of the site, counted things.
_FACTS = (
    (
        1.0,
        (
            r"\b\d{1,2}(?::|h|\.)[0-5]\d\b|\b\d{1,2} ?(?:am|pm|a\.m\.|p\.m\.|uhr|h|hs)\b|\ba las \d|"
            r"\bas \d{1,2}h|\b(?:at|for|from|to|until|um|start of) (?:8|9|10|11|12|noon|midnight|"
            r"seven|eight|nine|ten)\b"
        ),
    ),
    (
        1.0,
        (
            r"\b(?:gps|check(?:ed)?[- ]?in|checked out|sign[- ]?off|signed|signature|time ?stamp\w*|"
            r"photos? (?:clearly|show|in|with|of)|pictures? show|in the photos|see the photos|"
            r"log ?book|recorded|logged|screenshots?|video|"
            r"(?:work order|ticket|scope|contract|sow|instructions?) (?:\w+ )?(?:said|says|asked|"
            r"lists?|never|clearly|stated|specif\w+|only)|(?:line|step|page|section) \d)\b"
        ),
    ),
    (
        1.0,
        (
            r"\b(?:manager|supervisor|lead|dispatch\w*|guard|engineer|agent|contact|inspector|noc|"
            r"desk|staff|client|they|he|she|landlord|receptionist|lady|clerk|janitor|"
            r"security)\b(?:,? [\w']+){0,4}? (?:told|can (?:confirm|attest)|said to|asked me to|"
            r"asked us to|confirmed|opened|let me in|kept|signed|"
            r"cancell?ed|moved|changed the (?:start|time|scope)|had not|hadn't|did not (?:bring|"
            r"pick up|have|send|ship)|didn't (?:bring|pick up|have|send|ship)|shipped|"
            r"gave me a written|sent me home|refused to let)\b"
        ),
    ),
    (
        1.0,
        (
            r"\b(?:was|were|is|are|came|arrived|had) (?:\w+ )?(?:closed|locked|cracked|broken|missing|"
            r"dead|damaged|out of stock|wrong part|offline|down|not there|flooded|blocked|cut|"
            r"defective|unavailable|labell?ed|mounted|online|cerrado|fechado|ferme|geschlossen)\b"
        ),
    ),
    (
        1.0,
        (
            r"\b(?:no power|power outage|dead on arrival|power cord|bad (?:cable|drive|part|unit)|"
            r"wrong (?:part|address|model|equipment)|fire (?:alarm|inspector|drill)|alarm company|"
            r"estaba cerrad[oa]|estava fechad[oa]|pas livre|schlussel nicht)\b"
        ),
    ),
    (
        0.6,
        (
            r"\b(?:all|only|both|the) (?:\d{1,3}|two|three|four|five|six|seven|eight|nine|ten|"
            r"twelve) \w+|\binstalled \d+|\b(?:took|waited|for|after) (?:\d{1,3}|two|three|an|"
            r"one) (?:minutes|mins|hours?)\b|\bwarte\w+ bis|\besper(?:e|ei|ado) "
        ),
    ),
    (
        0.6,
        (
            r"\b(?:installed|replaced|mounted|tested|configured|connected|terminated|ran|rebooted|"
            r"scanned|bolted|grounded|arrived|llegue|cheguei|arrive a|vor ort)\b"
        ),
    ),
    (
        0.6,
        (
            r"\b(?:finished|completed|delivered|arrived|submitted|ready)\b.{0,40}\b(?:on (?:time|schedule)|"
            r"(?:before|by|within|ahead of) (?:the )?(?:deadline|schedule|due date))\b|"
            r"\b(?:with|by) the (?:site |store |shop )?(?:manager|contact|supervisor)\b"
        ),
    ),
    (
        0.5,
        (
            r"\b(?:called|phoned) (?:the )?(?:desk|noc|help ?desk|manager|dispatch\w*)\b|"
            r"\bwritten thank you\b|\bnever asked for one\b|\bphotos?\b"
        ),
    ),
)
_ABOUT_RATING = (
    r"\b(?:gave|give|left|rated|received|got|recibi|recebi|dejo|puso)\b.{0,40}\b(?:stars?|"
    r"ratings?|reviews?|estrellas?|calificacion|avaliacao|out of)\b|\bcomment (?:says|was|"
    r"said)\b|\b[123] stars?\b"
)
_ASKED_ABOUT = (
    r"\b(?:asked|messaged|emailed|texted|wrote|contacted)\b.{0,30}\b(?:why|about (?:it|"
    r"the rating|this)|him|them|the client|the buyer)\b|\breminded\b|\b(?:re)?submitted\b"
)
_CONTACT_ONLY = (
    r"\b(?:emailed|messaged|texted|reminded|voice ?mail|follow(?:ed)?[- ]up|call me|my cell|"
    r"my phone|phone number|reach me|talk with|speak (?:to|with))\b"
)
_ACCUSED = (
    r"\b(?:says?|said|claims?|claimed|wrote|according to|comment|complains?|alleges?|accus\w+|"
    r"falsely) \b(?!to\b)"
)
_WITNESS = (
    r"\b(?:work order|ticket|scope|contract|sow|instructions?|line \d+|step \d+|page \d+|log|"
    r"manager|guard|agent|lead|dispatch\w*|noc|engineer|inspector|"
    r"desk)\b(?: \w+){0,2} (?:says?|said|wrote|lists?|stated?)\b"
)
_REBUTS = (
    r"\b(?:but|however|in fact|actually|though|the truth|which is (?:false|wrong)|because)\b|"
    r";|, (?=i (?:was|had|did|came|arrived|finished|called|waited)\b)"
)


def worker_explanation(passages: Iterable[Passage], role: str, follow_up: bool) -> Found:
    """The worker's own account with a checkable fact of the job. Denials, insults and "good work" are none.

    `role` is the sender's; `follow_up`: the mail answers a request for exactly this.
    """
    reasons, total = [], 0.3 if follow_up else 0.0
    for passage in passages:
        if not _by("worker", passage, role) or passage.where == "subject":
            continue
        gain = _facts(passage.low)
        if gain:
            total += gain
            reasons.append(passage.reason("has_worker_explanation"))
    return Found(_sure(total) if reasons else 0.0, tuple(reasons[:3]))


def _facts(low: str) -> float:
    """How much of a sentence can be checked, once what it only reports or asks is set aside."""
    if compiled(_ASKED_ABOUT).search(low) or (
        compiled(_CONTACT_ONLY).search(low) and not compiled(r"\b(?:desk|noc)\b").search(low)
    ):
        return 0.0
    told = _own_part(low)
    if len(told.split()) < 4:
        return 0.0
    return sum(weight for weight, pattern in _FACTS if compiled(pattern).search(told))


def _own_part(low: str) -> str:
    """The parts of a sentence in which the writer tells what happened: before "he says …" and behind "…, but"."""
    accused = compiled(_ACCUSED).search(low) or compiled(_ABOUT_RATING).search(low)
    if accused is None or compiled(_WITNESS).search(low):
        return low
    rebuts = compiled(_REBUTS).search(low, accused.end())
    parts = (low[: accused.start()], low[rebuts.end() :] if rebuts else "")
    return " | ".join(part for part in parts if len(part.split()) >= 4)


def _sure(total: float) -> float:
    return 0.0 if total <= 0 else round(min(0.98, 0.2 + 0.45 * total), 3)


def _by(side: str, passage: Passage, role: str) -> bool:
    """Whether a passage holds the words of `side`, given the sender's role."""
    other = {"worker": "client", "client": "worker"}.get(role, "")
    match passage.voice:
        case Voice.SENDER:
            return role == side
        case Voice.OTHER:
            return other == side
        case Voice.WORKER:
            return side == "worker"
        case Voice.CLIENT:
            return side == "client"
        case Voice.US:
            return False


_REASONS = (
    (
        1.2,
        (
            r"\b(?:because|since he|since she|since the|since only|as the|as he|that is why|"
            r"that's why|therefore|although|even though|due to|reason|after (?:he|she) )\b"
        ),
    ),
    (
        0.8,
        (
            r"\b(?:did not|didn't|never|without|forgot|failed|wouldn't|no[- ]show|left (?!a )(?!me )|"
            r"late|early|missing|unplugged|incomplete|unfinished|not (?:finished|installed|tested|"
            r"working|labell?ed|cleaned)|only \d of \d)\b"
        ),
    ),
    (
        0.8,
        (
            r"\b(?:hours? late|an hour|\d+ (?:hours?|minutes) late|second tech|send (?:my own|another|"
            r"a second)|had to (?:send|reconnect|come|redo|return|fix|call|hire)|damage\w*|broke\w*|"
            r"crooked|mess|dirty|rude|without tools|borrowed|complain\w+|trash|packaging)\b"
        ),
    ),
    (
        1.2,
        (
            r"\b(?:accident\w*|by mistake|meant (?:5|five|for|it|to)|wrong (?:one|tech\w*|worker|"
            r"person|assignment)|clicked)\b"
        ),
    ),
)
_INLINE = (
    r"\b(?:client|buyer|customer|he|she|they|manager|company|cliente)\b[^\"\n]{0,60}\b(?:said|"
    r"wrote|says|writes|replied|answered|texted|told me|me|responded|answer|"
    r"reply)\b[^\"\n]{0,40}\"([^\"]{15,800})\""
)
_ON_THE_RATING = r"\b(?:comment|review|rating|feedback|stars?)\b[^\".]{0,40}$"


def client_explanation(mail: Mail, passages: Iterable[Passage], role: str) -> Found:
    """The client's own words with a concrete reason: written, quoted, forwarded, pasted or attached.

    The comment on the rating itself and the worker's paraphrase are none.
    """
    reasons, total = [], 0.0
    for passage in (*passages, *_inline(mail)):
        if not _by("client", passage, role) or passage.where == "subject":
            continue
        gain = (
            sum(weight for weight, pattern in _REASONS if compiled(pattern).search(passage.low))
            if len(passage.low.split()) >= 4
            else 0.0
        )
        if gain:
            total += gain
            reasons.append(passage.reason("has_client_explanation"))
    return Found(_sure(total) if total >= 0.8 else 0.0, tuple(reasons[:3]))


def _inline(mail: Mail) -> Iterator[Passage]:
    """What stands in quotation marks behind "the client wrote"."""
    low = plain(mail.words[:CHARS_JUDGED_MAX])
    if '"' not in low:
        return
    for match in compiled(_INLINE).finditer(low):
        if not re.search(_ON_THE_RATING, low[max(0, match.start(1) - 50) : match.start(1) - 1]):
            yield Passage(match[1], match[1], "body", Voice.CLIENT)


def timeline(passages: Iterable[Passage], when: datetime | None) -> Found:
    """Two or more contacts or attempts between worker and client, each placed in time."""
    found = dated(passages, when)
    reasons = tuple(dict.fromkeys(passage.reason("has_timeline") for passage, _ in found))
    if len(found) < CONTACTS_NEEDED:
        return Found(0.3 if found else 0.0)
    return Found(min(0.97, 0.6 + 0.12 * len(found)), reasons[:6])
