"""Which case a mail belongs to, which party it comes from, and for whom the writer speaks."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from bot.flows.mail import Mail
from bot.flows.triage.passages import Passage, Voice, compiled
from bot.flows.triage.values import Known, Reason

_NUMBER = re.compile(r"\bD-(\d{1,9})\b", re.I)
_OUR_MESSAGE_ID = re.compile(r"^<d\.", re.I)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a mail belongs: the known case, if any, and the sender's party in it.

    `sure` is 1 for a token or a Message-ID, less for what only suggests. `bound`: the mail answers one of our letters,
    even where its case is not among the known ones.
    """

    case: Known | None
    party: str | None
    sure: float
    bound: bool
    reasons: tuple[Reason, ...]


def place(mail: Mail, known: tuple[Known, ...], ids: tuple[str, ...]) -> Place:
    """Finds the case: by reply address, then Message-ID; subject number or sender and assignment only suggest one."""
    case, sure, reason = _case(mail, known, ids)
    party = None if case is None else party_of(mail.sender.address, case)
    cited = (*mail.in_reply_to, *mail.references)
    bound = (
        sure == 1.0
        or _NUMBER.search(mail.subject[:300]) is not None
        or any(_OUR_MESSAGE_ID.match(mid) for mid in cited)
    )
    return Place(case, party, sure, bound, () if reason is None else (reason,))


def party_of(address: str, case: Known) -> str | None:
    """The party of a case that an address is known for."""
    if address in case.worker:
        return "worker"
    return "client" if address in case.client else None


def _case(mail: Mail, known: tuple[Known, ...], ids: tuple[str, ...]) -> tuple[Known | None, float, Reason | None]:
    recipients = {
        recipient.lower() for recipient in (*mail.recipients, *(address.address for address in (*mail.to, *mail.cc)))
    }
    returned = mail.bounce.message_ids if mail.bounce is not None else ()
    cited = {*mail.in_reply_to, *mail.references, *returned}
    for case in known:
        if address := recipients.intersection(case.reply_addresses):
            return case, 1.0, Reason("case", min(address), "header To")
    for case in known:
        if message_id := cited.intersection(case.message_ids):
            return (
                case,
                1.0,
                Reason("case", min(message_id), "header In-Reply-To" if mail.in_reply_to else "header References"),
            )
    numbers = {f"D-{number}" for number in _NUMBER.findall(mail.subject[:300])}
    named = [case for case in known if case.number.upper() in numbers]
    if len(named) == 1:
        return named[0], 0.85, Reason("case", f"suggestion: {mail.subject[:180]}", "subject")
    by_both = [case for case in known if set(ids) & set(case.assignment_ids) and party_of(mail.sender.address, case)]
    if len(by_both) == 1:
        shared = min(set(ids) & set(by_both[0].assignment_ids))
        return (
            by_both[0],
            0.7,
            Reason("case", f"suggestion: {mail.sender.address} and assignment {shared}", "header From"),
        )
    return None, 0.0, None


_THIRD = (
    r"\b(?:(?:on|in) behalf of|(?:i am|i'm|we are|this is) (?:\w+ )?(?:writing|emailing|"
    r"asking) (?:this )?for (?:my|mr|ms|our)|i (?:am|do) (?:the )?(?:bookkeep\w+|accountant|"
    r"assistant)|i do the (?:books|bookkeeping)|"
    r"(?:i am|i'm) (?:the |an? )?(?:counsel|attorney|lawyer|bookkeeper|accountant|wife|"
    r"husband|spouse|daughter|son|mother|father|assistant|secretary)\b(?! to)|(?:i|we|"
    r"our firm) represents?\b|counsel for|"
    r"writing for my (?:husband|wife|son|daughter|boss|father|mother|brother|friend|partner)|"
    r"my (?:husband|wife|son|daughter|father|mother|brother)(?:'s| \w+)? (?:unpaid|rating|"
    r"does field|completed|did|worked|finished|job|assignment)|"
    r"escribo (?:por|en nombre de) mi|im namen (?:von|meine\w)|au nom de)"
)
_THIRD_NOT = r"\bmy (?:wife|husband|son|daughter|brother|father) (?:helped|and i|was with|came|drove)\b"

_WORKER = (
    (
        3.0,
        (
            r"\b(?:pay|paid|owes?|owe|reimburse|rated?|gave|give|left) (?:me|us|him|my)\b|"
            r"\bmy (?:husband'?s|son'?s) (?:unpaid|rating|job)|\bnot (?:been )?paying me\b"
        ),
    ),
    (
        3.0,
        (
            r"\bmy (?:\w+ )?(?:ratings?|stars?|score ?card|scores?|pay\w*|money|approval|closeout|"
            r"deliverables|work|timeliness|withdrawal|1099|w-9|earnings|profile|feedback)\b"
        ),
    ),
    (
        2.0,
        (
            r"\b(?:the|my|a|this|that|your|same|different) (?:\w+ )?(?:client|cliant|buyer|customer|"
            r"custmer)s?\b|\b(?:client|buyer|customer) (?:refus|hasn|has|won|wont|does|is|say|appro|"
            r"rejec|decl|rate|never|of|cancel|ignor|left|cut|left)|\b(?:el|o|le|der|dem|"
            r"den) (?:cliente|client|kunden?)\b|\bkunde zahlt"
        ),
    ),
    (
        1.5,
        (
            r"\bi (?:\w+ )?(?:arrived|finished|completed|did|checked in|installed|uploaded|submitted|"
            r"worked|got|was on ?site|had to cancel|disput\w+|received)\b|\bim? compleat|"
            r"\bi am doing work\b|\bhavent been paid\b|\b(?:unpaid|not paid|bad rating|"
            r"unfair rating)\b"
        ),
    ),
    (
        1.5,
        (
            r"\b(?:i'm new|as a (?:worker|tech)|drug test|background check|can't log in|log in|"
            r"take assignments|badge|looking for work|jobs for me|withdraw\w*|payouts?|"
            r"my rating calculated|see my ratings|trabajo|auftrag|mission|servico|trabalho|"
            r"asignacion)\b"
        ),
    ),
    (
        1.0,
        (
            r"\b(?:i|me|my)\b.*\b(?:assignments?|jobs?|app|account|ratings?|approv\w+|stars?|"
            r"support agent)\b|\b(?:assignment|job|gig|ratings?|stars?|net \d+|approve|payments?|paid|"
            r"kudos|support agent)\b"
        ),
    ),
)
_CLIENT = (
    (
        3.0,
        (
            r"\b(?:the|our|a|this|that) (?:\w+ )?(?:tech|technician|worker|contractor|provider|"
            r"freelancer|installer)\b(?! (?:the|had a) )"
        ),
    ),
    (
        3.0,
        (
            r"\bwe (?:need|want|would like) to (?:cancel|book|hire|post)|we (?:\w+ )?(?:hired|engaged|"
            r"rated|posted|declined|reject\w+|did not approve|are a retail|are not going to pay|"
            r"gave)\b|\brating (?:we|i) (?:gave|left)\b|\bi (?:accidentally )?(?:gave|"
            r"rated) (?:the (?:wrong )?(?:tech\w*|worker)|him|her)\b|\bi rated the wrong|"
            r"\bour (?:rating|store|stores|manager had)\b"
        ),
    ),
    (
        2.5,
        (
            r"\b(?:post \d* ?assignments?|add funds|how to post|book him again|our accounting|"
            r"copies of all invoices|invoices for)\b|\bwe (?:will|can|have|already) (?:approve|pay|"
            r"release|paid)\b|\bmy client declined\b"
        ),
    ),
)
_NEITHER = (
    r"\b(?:reporter|press (?:team|inquiry)|are you hiring|hiring\?|my resume|journalist|"
    r"customer service people|law enforcement|subpoena)\b"
)


def speaks_for(
    mail: Mail, passages: Iterable[Passage], where: Place, kind: str, known: tuple[Known, ...]
) -> tuple[str, tuple[Reason, ...]]:
    """Whom the writer speaks for: worker, client or other. A known address decides; else the words do."""
    address = mail.sender.address
    by_address = where.party or next((party for case in known if (party := party_of(address, case))), None)
    if kind in ("bounce", "spam"):
        return "other", ()
    if by_address is not None:
        return by_address, (Reason("sender_role", address, "header From"),)
    if kind == "auto":
        return "other", ()
    own = tuple(passage for passage in passages if passage.voice is Voice.SENDER and passage.where != "quote")
    if any(compiled(_NEITHER).search(passage.low) for passage in own):
        return "other", ()
    worker, client = _weigh(own, _WORKER), _weigh(own, _CLIENT)
    if kind in ("rating", "payment", "both"):
        return ("client", client[1]) if client[0] > worker[0] else ("worker", worker[1])
    if max(worker[0], client[0]) < 1.0:
        return "other", ()
    return ("client", client[1]) if client[0] > worker[0] else ("worker", worker[1])


def _weigh(own: tuple[Passage, ...], cues: tuple[tuple[float, str], ...]) -> tuple[float, tuple[Reason, ...]]:
    """Each cue counts once; the sentence of the weightiest is the reason."""
    total, best = 0.0, 0.0
    reasons: tuple[Reason, ...] = ()
    for weight, pattern in cues:
        hit = next((passage for passage in own if compiled(pattern).search(passage.low)), None)
        if hit is not None:
            total += weight
            if weight > best:
                best, reasons = weight, (hit.reason("sender_role"),)
    return total, reasons


def third_party(passages: Iterable[Passage]) -> Reason | None:
    """The sentence in which somebody says that they write for a party."""
    for passage in passages:
        if (
            passage.voice is Voice.SENDER
            and compiled(_THIRD).search(passage.low)
            and not compiled(_THIRD_NOT).search(passage.low)
        ):
            return passage.reason("third_party_sender")
    return None
