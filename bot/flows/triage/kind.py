"""What a mail is about: rules that add up to a score a kind, so that the sums can be read, tested and combined."""

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass

from bot.flows.mail import Mail, Nature
from bot.flows.triage.passages import Passage, Voice, compiled
from bot.flows.triage.values import Reason

STRONG = 1.5
WEAK = 0.9

RATING = (
    r"\b(?:ratings?|rated|rate (?:me|us|him|wrong)|raitings?|rattings?|rateing|score ?cards?|my scores?|stars?|feedback|dinged|"
    r"reviews? (?:he|she|they|the client|left|that|says|for|on|from)|(?:bad|negative|poor|awful|terrible|horrible|false|fake|unfair|one|two|[1-5])(?:[- ]stars?)?[- ]reviews?|"
    r"(?:late|no-show|cancellation|negative|bad) marks?|marked (?:me )?(?:as )?(?:late|no-?show)|timeliness|thumbs down|"
    r"calificaci\w+|valoraci\w+|puntuaci\w+|estrellas?|resenas?|note (?:injuste|de \d|d'une?)|ma note|la note|mauvaise note|evaluations?|etoiles?|avis (?:negatif|injuste)|"
    r"bewert\w+|sternen?|avaliac\w+|estrelas?|nota (?:baixa|ruim|injusta)|recensione|stelle?)\b"
)
_CONTEST = (
    r"\b(?:disput\w+|appeal\w*|contest\w*|challeng\w+|unfair\w*|unjust\w*|undeserved|(?:not|isn't|wasn't|isnt|dont think its|don't think (?:it's|its|that's|this is)) (?:\w+ )?(?:fair|fare|right|just|true|correct|deserved|accurate|earned)|"
    r"(?:don't|dont|didn't|not) deserve|neither is right|wrong(?:ly)?|incorrect\w*|inaccurate|false\w*|lies?|lied|lying|remov\w+|delet?\w*|take (?:it|this|that|the \w+|action) (?:down|off|away|on)|taken (?:down|off)|"
    r"changed?|correct(?:ed)?|fix(?:ed)?|revis(?:e|ed|it)|reconsider\w*|re-?evaluat\w*|overturn\w*|revers\w+|adjust\w*|erase|look(?:ed)? (?:at|into)|look into|"
    r"have .{0,30}\breviewed|(?:please|kindly|you|and|to) (?:\w+ )?(?:review|check)|review (?:it|both)|investigat\w+|retaliat\w+|revenge|blackmail|stand by|(?:it|rating) (?:stays|stands)|disagree|mistake|accident\w*|meant|"
    r"injust\w+|reclam\w+|quit(?:en|ar|e)|elimin\w+|borr(?:ar|en)|revis(?:en|ar)|retir\w+|supprim\w+|losch\w*|entfern\w+|anfecht\w+|falsch\w*|ungerecht\w*|apag(?:ar|uem)|remover|"
    r"no es just[oa])\b"
)
_LOW_MARK = (
    r"\b(?:(?:1|2|3|one|two|three|zero|0|low|bad|poor|negative|awful|terrible|worst|horrible|wrong|single)[- ](?:out of (?:5|five)\b|(?:of )?stars?\b|ratings?\b|reviews?\b|scores?\b|marks?\b|feedback\b)|"
    r"(?:stars?|score|rating) (?:\w+ )?(?:went|go(?:es|ing)?|dropped|fell) down|(?:1|2|3)/5|score is \d\d now|una estrella|1 estrella|mala (?:calificacion|valoracion)|(?:calificacion|valoracion) (?:mala|baja)|1 etoile|une etoile|"
    r"einem stern|1 stern|1 estrela|uma estrela|(?:rated?|gave|give|received|got) (?:\w+ ){0,3}(?:a )?[123](?: out of)?\b|dinged my rating)"
)
_GOOD_MARK = r"\b(?:(?:5|five|great|excellent|perfect|good|high|4\.\d)[- ]?(?:stars?|ratings?|reviews?|feedback)|(?:rating|score) went (?:up|from)|went up|100 ?%)\b"
_ASKS_HOW = (
    r"^(?:hi,? |hello,? |just curious,? |quick question:? |so )?(?:how (?:is|are|do|does|long|can|much|many)|who can|what (?:is|are|does|do|happens|counts|should)|where (?:can|do|is)|when (?:are|do|does|is)|"
    r"does (?:an?|the|my) |do (?:old|ratings|clients|i)|can (?:i|you) (?:see|tell me how|explain)|is there a way to see|will i be)\b"
)
_DISMISSED = (
    r"\b(?:(?:don't|dont|do not|doesn't) (?:really )?care|not the (?:issue|point|problem)|isn't the (?:issue|point)|whatever|not (?:about|worried about|bothered by|why)|can live with|is fine|was fine|no complaints?|never mind the|"
    r"that's ok|no problem with|leave the)\b"
)

_NOT_DONE = r"(?:haven'?t|hasn'?t|have not|has not|didn'?t|did not|never|wasn'?t|isn'?t|is not|aren'?t|are not|won'?t|wont|will not|wouldn'?t|doesn'?t|dosn'?t|does not|don'?t want to|do not want to|not|nor|neither|cannot|can'?t|nobody|no one|refus\w+ to|declin\w+ to|without|nie)"
_PAYING = r"(?:paid|payed|pay|pays|paying|approve[sd]?|aproved?|aprove|approving|approved|released?|reimbursed?|compensated|paymets?|the money)"
_UNMET = tuple(
    (tuple(near.split("|")), weight, pattern)
    for near, weight, pattern in (
        ("paid|pay|appro|aprov|releas|reimb|compens|money", 2.2, rf"\b{_NOT_DONE}(?: (?!how|if|when|what)[\w'-]+){{0,4}}? {_PAYING}\b"),
        ("unpaid|npay|nonpay", 2.2, r"\b(?:unpaid|non-?payment|nonpaid|unpayed)\b"),
        ("no ", 2.0, r"\bno (?:approval|payment|pay(?:out)?|money)\b|\bno approved\b"),
        ("ow|out $|cheat", 2.2, r"\b(?:owes?|owed|still owe) (?:me|us|him|her|my)\b|\bowes\b|\bi'm (?:still )?out \$|\bcheated (?:me|him|us) out\b|\bstill owe\b"),
        ("refus|declin|reject|den|withh|sending|won't|wont|not approve", 2.2, r"\b(?:refus\w+|declin\w+|reject\w+|den(?:ied|ies|y|ying)|withh(?:e|o)ld\w*)(?: (?!to review)[\w'-]+){0,4}? (?:pay\w*|approv\w*|money|deliverables?|closeout|close-out|charge|funds|work|them|it|again|photos|invoice)\b"),
        ("refus|reimb|not in the budget", 1.8, r"\breimbursement (?:refused|denied|rejected)\b|\bnot in the budget\b|\bpayment (?:refused|denied|declined|missing)\b"),
        ("back", 1.8, r"\b(?:sen(?:t|d|ding|ds)|took|taken|take) (?:my |the |it |our )?(?:deliverables|approval|closeout|work|payment)? ?back\b"),
        ("reduc|cut|deduct|short|dock|took|less|underpaid|lower", 2.2, r"\b(?:reduced?|cut|deduct(?:ed|ion|ing)?|shorted|short-?paid|docked|underpaid|took)(?: (?!part)[\w'$-]+){0,4}? (?:\$ ?\d+|my pay\w*|pay(?:ment)?|rate|hours|off|from)|\bdeduction\b|\bshorted\b"),
        ("money|pay", 1.8, r"\bwhere(?:'s| is|s)? (?:is )?my (?:money|pay\w*)|\bmoney problem\b|\brate dispute\b|\bmissing (?:pay\w*|money|\d)"),
        ("my ", 1.6, r"\b(?:want|need|wait(?:ing)? for|waiting on|recei?ve|get|give me|demand|release|recive) (?:me )?(?:for )?(?:my|the|full|our) (?:full |missing |remaining |rest of )?(?:money|pay\w*|full amount|approval|amount|\d+ dollars|\$ ?\d+)"),
        ("$|dollar", 1.4, r"\bwant (?:my |the )?(?:\$ ?\d+|\d+ dollars)|\bthe \$?\d+ (?:dollars )?(?:he|they|she) owes?"),
        ("pending", 2.0, r"\b(?:sitting|stuck|been|still|shows?|is)(?: \w+){0,3} (?:in )?pending\b|\bpending (?:approval|payment)\b|\bapproval (?:is )?pending\b"),
        ("my approval|the approval", 1.6, r"\b(?:sitting on|holding|blocking) (?:my|the) (?:approval|pay\w*|money)"),
        ("paid", 1.6, r"\b(?:get|getting|got|be) (?:me |this |it |him )?paid\b(?! (?:faster|on time|by check|weekly|daily|sooner|fine|in|quickly|yesterday|today))"),
        ("me ", 1.4, r"\bpay me\b|\bget me (?:paid|my)\b"),
        ("pay", 1.5, r"\bmy pay\w* (?:please|pls)|\brecive my pay\w+|\bpayment (?:dispute|problem|issue|missing)\b|\bdisput\w+ (?:the |this |my |a |both the )?pay\w*"),
        ("only", 2.0, r"\b(?:only (?:paid|approved)|paid only|approved only|approved \d|approved the \w+ only|paid \d+)\b"),
        ("came|come|arriv|receiv", 1.8, r"\b(?:nothing|no payment|no money|never)(?: (?:ever|has|is|yet))* (?:came|come|arrived?|received?)\b|\bnot received (?:any|my|the) (?:pay\w*|money)"),
        ("approve job|to approve", 1.6, r"\btell (?:the |this )?(?:client|buyer|customer|them|him) (?:to )?(?:approve|pay)"),
        ("demand|insist|wants to be paid|overbill|harass", 1.8, r"\b(?:demand\w*|insist\w*)(?: [\w'-]+){0,5}? (?:pay\w*|money)\b|\bwants to be paid\b|\boverbilled\b"),
        ("pag", 2.2, r"\bno (?:me |nos |le )?(?:han |ha |quiere |quieren |ha sido |fue )?(?:pag\w+)|\bpago (?:pendiente|no)\b|\bnao (?:me |nos )?(?:foi )?(?:pag\w+|receb\w+)|\bpagamento (?:nao|pendente|atrasado)\b|\bnem pagou\b|\b(?:quiere|quieren) pagar\b"),
        ("aprueb|aprob|aprov", 2.0, r"\bno (?:me |lo |la )?(?:ha )?(?:aprueb\w+|aprob\w+)|\bnao (?:aprov\w+)"),
        ("pay", 2.2, r"\b(?:pas|jamais|non) (?:ete |encore ete |encore )?pay\w+|\brefuse (?:de |toujours de )?(?:me )?(?:payer|paiement)|\breduit mon paiement|\bimpaye\w*|\bpaiement (?:refuse|manquant|en attente)\b"),
        ("zahl|frei", 2.2, r"\b(?:nicht|nie|noch nicht|bis heute nicht) (?:be)?zahl\w+|\bzahlt (?:mir |mich )?(?:nicht|nie)|\bzahlung (?:fehlt|nicht|verweigert|offen)|\bnicht frei(?:gegeben)?\b|\bunbezahlt\w*"),
    )
)  # fmt: skip
_SILENT = (
    r"\b(?:(?:not|n't|doesn't|dosnt|don't|never|no|nobody|nao|no me) (?:\w+ ){0,2}?(?:answer\w*|repl\w+|respon\w+|picks? up|call back|contesta\w*|responde\w*)|ghost(?:ed|ing)|unresponsive|ignor\w+|crickets|silen(?:t|ce)|impasse|no (?:answer|reply|response)|(?:nothing|not a word) (?:after|since)|"
    r"antwortet nicht|sans reponse|no contesta)\b"
)
_PAY_TOPIC = r"\b(?:pay\w*|paid|approv\w+|close-?out|deliverables|money|invoice)\b"
_PARTY = r"\b(?:client|cliant|buyer|customer|custmer|company|technician|tech|contractor|cliente|kunde|kunden)s?\b"
_HOUSEKEEPING = (
    r"\b(?:1099|w-?9|w2|tax(?:es)?|withdraw\w*|ach|direct deposit|bank account|my bank|routing|payouts?|log ?in|password|locked out|reset|background check|drug test|insurance|hiring|resume|press team|reporter|"
    r"how to post|add funds|app crash\w*|profile photo|add (?:a )?user|phishing|suspicious|hacked|logged into|jobs? for me|looking for work|update my|change my)\b"
)
_CLIENT_SAYS_RELEASED = r"\b(?:client|buyer|customer|company|they|he|she)\b.{0,40}\b(?:says?|said|tells?|claims?|told)\b.{0,40}\b(?:paid|released|sent|send|payment)\b"
_TROUBLE = r"\b(?:problem|help|issue|trouble|call me|dispute|complain\w*)\b"

_SPAM = tuple(
    (tuple(near.split("|")), weight, pattern)
    for near, weight, pattern in (
        ("seo|backlink|guest post|google", 2.2, r"\b(?:seo (?:services?|expert|agency)|backlinks?|guest posts?|rank(?:ing)? (?:#?1 )?on google|first page of google)\b"),
        ("verify|confirm|suspend|click", 1.6, r"\b(?:verify|confirm|validate|update) your (?:\w+ )?(?:account|identity|password|mailbox|details|payment)\b"),
        ("account|suspended|payment", 1.2, r"\byour (?:account|mailbox|payment|access) (?:will be|has been|is|was) (?:closed|suspended|limited|locked|on hold|deactivated)"),
        ("unusual", 1.4, r"\bunusual (?:activity|sign-?in|login)"),
        ("click", 1.0, r"\bclick(?:ing)? (?:the |this |on |here|below)"),
        ("minute|demo|schedule a call|call this week", 1.4, r"\b(?:15|10|20|fifteen|ten|quick)[- ]minutes? (?:call|chat|demo)|\bschedule a (?:call|demo|meeting)\b|\bqualified (?:demos|leads)\b|\bworth a .{0,20}call"),
        ("we offer|we provide|we are a|our services|i help|we help", 1.2, r"\b(?:we (?:offer|provide|are a (?:leading|manufacturer|professional|company))|our services|(?:i|we) help (?:companies|businesses|marketplaces|brands)\b)"),
        ("outsourc|web development|app development|/hour", 1.4, r"\b(?:outsourc\w+|web (?:design|development)|mobile app development)\b"),
        ("not interested|unsubscribe|opt out|reply stop", 1.0, r"\bnot interested,? (?:just )?reply|\bunsubscribe\b|\bopt[- ]?out\b|\breply stop\b"),
        ("came across|noticed your", 1.0, r"\b(?:i|we) (?:came across|noticed|visited) your (?:website|company|site|profile)"),
        ("lottery|inherit|deceased|beneficiary|next of kin|fund", 2.4, r"\b(?:lottery|inheritance|deceased|next of kin|beneficiary|transfer (?:of )?the funds?|business proposal)\b"),
        ("million|usd|$", 0.8, r"\b(?:usd|us\$|\$) ?\d{1,3}(?:,\d{3}){2,}|\bmillion (?:usd|dollars)"),
        ("gift card", 2.6, r"\bgift cards?\b"),
        ("bitcoin|btc|crypto|invest", 1.8, r"\b(?:bitcoins?|btc|crypto\w*|forex)\b|\bguaranteed .{0,12}returns?\b|\binvest \d"),
        ("limited time|best price|moq|factory|wholesale|free quote|affordable|discount", 1.3, r"\b(?:limited time|best price|moq|factory price|wholesale|free quote|affordable price|\d+% off|special offer)\b"),
        ("dear ", 0.7, r"\bdear (?:friend|manager|user|customer|beneficiary|sir/madam|valued)\b"),
        ("viagra|casino|loan|pills", 2.2, r"\b(?:viagra|cialis|casino|payday loans?|business loans?|pills)\b"),
        ("enable content|macro", 2.0, r"\benable (?:content|macros|editing)\b"),
        ("kindly find attached|overdue invoice|remittance", 1.2, r"\b(?:kindly find attached|see attached (?:remittance|swift))\b"),
    )
)  # fmt: skip
_RISKY_FILE = re.compile(r"\.(?:html?|exe|scr|js|vbs|iso|lnk|docm|xlsm|bat|hta)$", re.I)
_AUTO_SUBJECT = re.compile(
    r"^\s*(?:auto(?:matic)?[- ]?(?:reply|response|matische antwort)|auto: |automatische antwort|out of (?:the )?office|ooo\b|abwesen|r[ée]ponse automatique|respuesta autom|resposta autom|autosvar|"
    r"(?:your )?(?:request|ticket) (?:received|created)|accepted: |declined: |tentative: |canceled event|undeliver|delivery status)",
    re.I,
)


@dataclass(frozen=True, slots=True)
class Scores:
    """The sums of the rules: below WEAK says little, from STRONG on the matter is plain. Reasons: the sentences that counted."""

    rating: float
    payment: float
    spam: float
    housekeeping: float
    trouble: float
    reasons: tuple[Reason, ...]


@dataclass(frozen=True, slots=True)
class Kind:
    """The kind chosen, how sure, and on what."""

    kind: str
    confidence: float
    reasons: tuple[Reason, ...]


def scored(passages: Iterable[Passage], links: int, file_names: Iterable[str]) -> Scores:
    """The scores of a mail's own words; words of others count half, our own letters not at all."""
    told = tuple((passage, weight) for passage in passages if (weight := _weight(passage)))
    rating, on_rating = _rating(told)
    payment, on_payment = _payment(told)
    spam, on_spam = _spam(told, links, file_names)
    housekeeping = sum(compiled(_HOUSEKEEPING).search(passage.low) is not None for passage, _ in told)
    released = any(compiled(_CLIENT_SAYS_RELEASED).search(passage.low) for passage, _ in told)
    if housekeeping and not released and not any(compiled(_PARTY).search(passage.low) for passage, _ in told):
        payment *= 0.3
    trouble = sum(compiled(_TROUBLE).search(passage.low) is not None for passage, _ in told)
    return Scores(rating, payment, spam, float(housekeeping), float(trouble), (*on_rating, *on_payment, *on_spam))


def _weight(passage: Passage) -> float:
    if passage.voice is Voice.US:
        return 0.0
    return 0.5 if passage.where == "quote" or passage.voice is not Voice.SENDER else 1.0


def _rating(told: tuple[tuple[Passage, float], ...]) -> tuple[float, tuple[Reason, ...]]:
    score, mentions, dismissed = 0.0, 0.0, False
    reasons: list[Reason] = []
    since_topic = 9
    for passage, weight in told:
        low = passage.low
        topic = compiled(RATING).search(low) is not None
        low_mark = compiled(_LOW_MARK).search(low) is not None
        contest = compiled(_CONTEST).search(low) is not None
        asks_how = compiled(_ASKS_HOW).search(low) is not None and not (
            (topic or low_mark) and contest and compiled(r"\b(?:my|this|me|i got)\b").search(low)
        )
        praised = compiled(_GOOD_MARK).search(low) is not None and not low_mark
        since_topic = 0 if topic or low_mark else since_topic + 1
        if (topic or low_mark) and compiled(_DISMISSED).search(low):
            # "I got paid, it's the rating": what is waved aside is the other matter.
            dismissed = compiled(r"it'?s (?:about )?the rating|money is not|pay(?:ment)? is(?:n't| not)").search(low) is None or dismissed
            continue
        if asks_how or (praised and not contest):
            continue
        gain = 0.0
        if topic and contest:
            gain = 2.2 if score < 2 else 0.6
        elif low_mark:
            gain = 1.3 if score < 2 else 0.3
        elif topic:
            gain = 0.4 if mentions < 0.8 else 0.0
            mentions += gain
        elif contest and since_topic <= 3:
            gain = 1.2 if score < 2 else 0.2
        if gain:
            score += gain * weight
            reasons.append(passage.reason("rating"))
    return (score * 0.25 if dismissed else score), tuple(reasons[:4])


def _payment(told: tuple[tuple[Passage, float], ...]) -> tuple[float, tuple[Reason, ...]]:
    score, silent = 0.0, 0.0
    reasons: list[Reason] = []
    for passage, weight in told:
        low = passage.low
        if (compiled(_ASKS_HOW).search(low) and not compiled(_PARTY).search(low)) or compiled(r"\bnot (?:about )?the money\b").search(low):
            continue
        gains = [gain for near, gain, pattern in _UNMET if any(word in low for word in near) and compiled(pattern).search(low)]
        if gains:
            score += weight * (max(gains) if score < 2 else 0.5) + 0.2 * (len(gains) - 1) * weight
            reasons.append(passage.reason("payment"))
        if compiled(_SILENT).search(low):
            silent = 0.6
    if score < WEAK and silent:
        # Nobody says "not paid", but pay or approval was asked for and met silence.
        asked = next((passage for passage, _ in told if passage.where != "subject" and compiled(_PAY_TOPIC).search(passage.low)), None)
        if asked is not None and score < WEAK:
            return score + 1.3, (*reasons, asked.reason("payment"))
    return (score + silent if score >= WEAK else score), tuple(reasons[:4])


def _spam(told: tuple[tuple[Passage, float], ...], links: int, file_names: Iterable[str]) -> tuple[float, tuple[Reason, ...]]:
    score = 0.0
    reasons: list[Reason] = []
    for passage, weight in told:
        for near, gain, pattern in _SPAM:
            if any(word in passage.low for word in near) and compiled(pattern).search(passage.low):
                score += gain * weight
                reasons.append(passage.reason("spam"))
    if score and links:
        score += 0.5
    for name in file_names:
        if _RISKY_FILE.search(name):
            score += 0.8
            reasons.append(Reason("spam", name[:200], f"attachment {name[:100]}"))
    return score, tuple(reasons[:4])


def certainty(score: float) -> float:
    """A score as a probability: 1.0 is a coin's toss, 2.2 is nine in ten."""
    return round(1 / (1 + math.exp(-1.9 * (score - 1.0))), 3)


def kind_of(mail: Mail, scores: Scores, identified: bool) -> Kind:
    """The first kind that fits, in the order of the labelling rules. `identified`: the mail names an assignment."""
    machine = _machine(mail, scores)
    if machine is not None:
        return machine
    reasons = {about: tuple(reason for reason in scores.reasons if reason.about == about) for about in ("rating", "payment", "spam")}
    lift = 0.3 if identified else 0.0
    rating, payment = scores.rating + (lift if scores.rating >= WEAK else 0), scores.payment + (lift if scores.payment >= WEAK else 0)
    if scores.spam >= STRONG and scores.spam > max(rating, payment) - 0.4 and not identified:
        return Kind("spam", certainty(scores.spam), _about(reasons["spam"]))
    if rating >= STRONG and payment >= STRONG:
        return Kind("both", round(certainty(min(rating, payment)) * 0.97, 3), _about(reasons["rating"][:2] + reasons["payment"][:2]))
    top, name = max((rating, "rating"), (payment, "payment"))
    if top >= WEAK:
        return Kind(name, certainty(top), _about(reasons[name]))
    return Kind("other", _otherness(mail, scores, top), ())


def _about(reasons: tuple[Reason, ...]) -> tuple[Reason, ...]:
    return tuple(Reason("kind", reason.text, reason.where) for reason in reasons[:3])


def _otherness(mail: Mail, scores: Scores, top: float) -> float:
    """How sure it is that a person's mail is no dispute: little is sure of a mail that says little."""
    words = len(mail.words.split())
    sure = 0.95 if scores.housekeeping else 0.85
    sure -= 0.35 * min(1.0, top) + 0.3 * min(1.0, scores.spam / STRONG)
    if words < 12 or (scores.trouble and not scores.housekeeping):
        sure -= 0.3
    return round(max(0.3, sure if words else 0.4), 3)


def _machine(mail: Mail, scores: Scores) -> Kind | None:
    """A bounce or automatic mail; None if a person wrote it, though a tool may have sent it."""
    why = Reason("kind", (mail.signals[0] if mail.signals else mail.subject)[:200], "header " + (mail.signals[0].split(":")[0] if mail.signals else "Subject"))
    if mail.nature is Nature.BOUNCE or mail.bounce is not None:
        return Kind("bounce", 0.98, (why,))
    answered = _AUTO_SUBJECT.match(mail.subject[:200]) is not None
    if mail.nature is Nature.AUTO:
        claims = max(scores.rating, scores.payment) >= 2.0 and not answered
        listed = any("list-" in signal.lower() or "precedence" in signal.lower() for signal in mail.signals)
        personal = compiled(r"\b(?:i|my|me|we)\b").search(" ".join(mail.words[:4000].lower().split())) is not None
        return None if claims and personal and not listed else Kind("auto", 0.97, (why,))
    return Kind("auto", 0.85, (Reason("kind", mail.subject[:200], "subject"),)) if answered else None
