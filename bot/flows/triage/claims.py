"""Claims: the rules that hear a rating contested, or money missed, each with its weight."""

from bot.flows.triage.passages import Passage, compiled
from bot.flows.triage.values import Reason

# Sums of weights: below WEAK says little, from STRONG on the matter is plain.
STRONG = 1.5
WEAK = 0.9

RATING = (
    r"\b(?:ratings?|rated|rate (?:me|us|him|wrong)|raitings?|rattings?|rateing|score ?cards?|"
    r"my scores?|stars?|feedback|dinged|"
    r"reviews? (?:he|she|they|the client|left|that|says|for|on|from)|(?:bad|negative|poor|"
    r"awful|terrible|horrible|false|fake|unfair|one|two|[1-5])(?:[- ]stars?)?[- ]reviews?|"
    r"(?:late|no-show|cancellation|negative|bad) marks?|marked (?:me )?(?:as )?(?:late|"
    r"no-?show)|timeliness|thumbs down|"
    r"calific\w+|valoraci\w+|puntuaci\w+|estrellas?|resenas?|note (?:injuste|de \d|d'une?)|"
    r"ma note|la note|mauvaise note|evaluations?|etoiles?|avis (?:negatif|injuste)|"
    r"bewert\w+|sternen?|avaliac\w+|estrelas?|nota (?:baixa|ruim|injusta)|recensione|"
    r"stelle?)\b"
)
_CONTEST = (
    r"\b(?:disput\w+|appeal\w*|contest\w*|challeng\w+|unfair\w*|unjust\w*|undeserved|(?:not|"
    r"isn't|wasn't|isnt|dont think its|don't think (?:it's|its|that's|"
    r"this is)) (?:\w+ )?(?:fair|fare|right|just|true|correct|deserved|accurate|earned)|"
    r"(?:don't|dont|didn't|not) deserve|neither is right|wrong(?:ly)?|incorrect\w*|inaccurate|"
    r"false\w*|lies?|lied|lying|remov\w+|delet?\w*|take (?:it|this|that|the \w+|"
    r"action) (?:down|off|away|on)|taken (?:down|off)|"
    r"changed?|correct(?:ed)?|fix(?:ed)?|revis(?:e|ed|it)|reconsider\w*|re-?evaluat\w*|"
    r"overturn\w*|revers\w+|adjust\w*|erase|look(?:ed)? (?:at|into)|look into|"
    r"have .{0,30}\breviewed|(?:please|kindly|you|and|to) (?:\w+ )?(?:review|check)|"
    r"review (?:it|both)|investigat\w+|retaliat\w+|revenge|blackmail|stand by|(?:it|"
    r"rating) (?:stays|stands)|disagree|mistake|accident\w*|meant|"
    r"injust\w+|reclam\w+|quit(?:en|ar|e)|elimin\w+|borr(?:ar|en)|revis(?:en|ar)|retir\w+|"
    r"supprim\w+|losch\w*|entfern\w+|anfecht\w+|falsch\w*|ungerecht\w*|apag(?:ar|uem)|remover|"
    r"no es just[oa]|stimmt nicht|nao e just[oa]|pas d'accord|nicht einverstanden|"
    r"no estoy de acuerdo|nao concordo|"
    r"que faire)\b"
)
_LOW_MARK = (
    r"\b(?:(?:1|2|3|one|two|three|zero|0|low|bad|poor|negative|awful|terrible|worst|horrible|"
    r"wrong|single)[- ](?:out of (?:5|five)\b|(?:of )?stars?\b|ratings?\b|reviews?\b|"
    r"scores?\b|marks?\b|feedback\b)|"
    r"(?:stars?|score|rating) (?:\w+ )?(?:went|go(?:es|ing)?|dropped|fell) down|(?:rated?|"
    r"rating|gave|give|got|me|an?|of|the) [123]/5|marked (?:me |"
    r"him )?(?:as )?(?:an? )?(?:late|no[- ]show)|"
    r"(?:rating|score) (?:\w+ )?(?:dropped|went down|fell)|schlecht bewertet|calificaron mal|"
    r"mal calificad\w+|avaliou mal|mal note|"
    r""
    r"score is \d\d now|una estrella|1 estrella|mala (?:calificacion|valoracion)|"
    r"(?:calificacion|valoracion) (?:mala|baja)|1 etoile|une etoile|"
    r"mauvaise note|note basse|schlechte bewertung|einem stern|1 stern|1 estrela|uma estrela|"
    r"(?:rated?|gave|give|received|got) (?:\w+ ){0,3}(?:a )?[123](?: out of)?\b|"
    r"dinged my rating)"
)
GOOD_MARK = (
    r"\b(?:(?:5|five|great|excellent|perfect|good|high|4\.\d)[- ]?(?:stars?|ratings?|reviews?|"
    r"feedback)|(?:rating|score) went (?:up|from)|went up|100 ?%)\b"
)
ASKS_HOW = (
    r"^(?:hi,? |hello,? |just curious,? |quick question:? |so )?(?:how (?:is|are|do|does|long|"
    r"can|much|many)|who can|what (?:is|are|does|do|happens|counts|should)|where (?:can|do|"
    r"is)|when (?:are|do|does|is)|"
    r"does (?:an?|the|my) |do (?:old|ratings|clients|i)|can (?:i|you) (?:see|tell me how|"
    r"explain)|is there a way to see|will i be)\b"
)
_IMAGINED = (
    r"\b(?:afraid|scared|worr(?:y|ied)|nervous|fear|if (?:i|he|she|they|this)|in case|(?:will|"
    r"'ll|going to|might|would) (?:\w+ )?(?:leave|give|rate)|threat\w+)\b"
)
_GIVEN = (
    r"\b(?:gave|given|left|got|received|rated|remov\w+|dispute|contest|blackmail|the (?:1|one|"
    r"2|two|3|three)[- ]star)\b"
)
_DISMISSED = (
    r"\b(?:(?:don't|dont|do not|doesn't) (?:really )?care|not the (?:issue|point|problem)|"
    r"isn't the (?:issue|point)|whatever|not (?:about|worried about|bothered by|why)|"
    r"can live with|is fine|was fine|no complaints?|never mind the|"
    r"that's ok|no problem with|leave the)\b"
)

_NOT_DONE = (
    r"(?:haven'?t|hasn'?t|have not|has not|didn'?t|did not|never|wasn'?t|isn'?t|is not|"
    r"aren'?t|are not|won'?t|wont|will not|wouldn'?t|doesn'?t|dosn'?t|does not|don'?t want to|"
    r"do not want to|not|nor|neither|cannot|can'?t|nobody|no one|refus\w+ to|declin\w+ to|"
    r"without|nie)"
)
_PAYING = (
    r"(?:paid|payed|pay(?! attention)|pays|paying|approve[sd]?|aproved?|aprove|approving|"
    r"approved|released?|"
    r"reimbursed?|compensated|paymets?|the money)"
)
_UNMET = tuple(
    (tuple(near.split("|")), weight, pattern)
    for near, weight, pattern in (
        (
            "cent|dime|penny",
            2.0,
            (
                r"\b(?:seen|received|got|gotten|see) (?:a|one|any) (?:single )?(?:red )?(?:cent|dime|"
                r"penny)\b"
            ),
        ),
        (
            "late|overdue|delayed|missing",
            1.8,
            (
                r"\b(?:pay(?:ment|check)?|money) (?:is |was |has been |still )*(?:late|overdue|missing|"
                r"delayed|outstanding)\b|\b(?:late|overdue|outstanding|delayed) payment\b"
            ),
        ),
        (
            "wait",
            1.9,
            (
                r"\bwait(?:ing)? (?:on|for) (?:the |their |client |his |her |my |an )*(?:approval|payment|"
                r"pay\b)"
            ),
        ),
        (
            "less",
            2.0,
            (
                r"\b(?:approved|paid|released)(?: \w+){0,4} less\b|\bless than (?:the |we |was |"
                r"what )?(?:\w+ )?agreed\b"
            ),
        ),
        ("disputed", 1.6, r"\b(?:invoice|pay\w*|hours|work) (?:has been |was |is )?(?:being )?disputed\b"),
        (
            "back|refund|mistake",
            1.8,
            (
                r"\b(?:want|get|need|claim) (?:the|our|my) (?:payment|money|funds) back\b|\brefund (?:us|"
                r"from the (?:worker|tech\w*))\b|\bapproved\b.{0,40}\bby mistake\b"
            ),
        ),
        (
            "accounting|soon|week|nobody pay",
            1.2,
            (
                r"\b(?:accounting|invoice|payment|check) (?:is )?(?:working on it|next week|"
                r"is (?:on its way|coming))|\bnobody paying me\b"
            ),
        ),
        (
            "paid|pay|appro|aprov|releas|reimb|compens|money",
            2.2,
            rf"\b{_NOT_DONE}(?: (?!how|if|when|what)[\w'-]+){{0,4}}? {_PAYING}\b",
        ),
        ("unpaid|npay|nonpay", 2.2, r"\b(?:unpaid|non-?payment|nonpaid|unpayed)\b"),
        (
            "no ",
            2.0,
            (
                r"\bno (?:approval|payment|pay(?:out)?)\b|\bno money (?:yet|came|from|received)\b|"
                r"\bno approved\b"
            ),
        ),
        (
            "ow|out $|cheat",
            2.2,
            (
                r"\b(?:owes?|owed|still owe) (?:me|us|him|her|my)\b|\bowes\b|\bi'm (?:still )?out \$|"
                r"\bcheated (?:me|him|us) out\b|\bstill owe\b"
            ),
        ),
        (
            "refus|declin|reject|den|withh|sending|won't|wont|not approve",
            2.2,
            (
                r"\b(?:refus\w+|declin\w+|reject\w+|den(?:ied|ies|y|ying)|withh(?:e|"
                r"o)ld\w*)(?: (?!to review)[\w'-]+){0,4}? (?:pay\w*|approv\w*|money|deliverables?|"
                r"closeout|close-out|charge|funds|work|them|it|again|photos|invoice)\b"
            ),
        ),
        (
            "refus|reimb|not in the budget",
            1.8,
            (
                r"\breimbursement (?:refused|denied|rejected)\b|\bnot in the budget\b|"
                r"\bpayment (?:refused|denied|declined|missing)\b"
            ),
        ),
        (
            "back",
            1.8,
            (
                r"\b(?:sen(?:t|d|ding|ds)|took|taken|take) (?:my |the |it |our )?(?:deliverables|approval|"
                r"closeout|work|payment)? ?back\b"
            ),
        ),
        (
            "reduc|cut|deduct|short|dock|took|less|underpaid|lower",
            2.2,
            (
                r"\b(?:reduced?|cut|deduct(?:ed|ion|ing)?|shorted|short-?paid|docked|underpaid|"
                r"took)(?: (?!part)[\w'$-]+){0,4}? (?:\$ ?\d+|my pay\w*|pay(?:ment)?|rate|hours|off|from)|"
                r"\bdeduction\b|\bshorted\b"
            ),
        ),
        (
            "money|pay",
            1.8,
            (
                r"\bwhere(?:'s| is|s)? (?:is )?my (?:money|pay\w*)|\bmoney problem\b|\brate dispute\b|"
                r"\bmissing (?:pay\w*|money|\d)"
            ),
        ),
        (
            "my ",
            1.6,
            (
                r"\b(?:want|need|wait(?:ing)? for|waiting on|recei?ve|get|give me|demand|release|"
                r"recive) (?:me )?(?:for )?(?:my|the|full|our) (?:full |missing |remaining |"
                r"rest of )?(?:money|pay\w*|full amount|approval|amount|\d+ dollars|\$ ?\d+)"
            ),
        ),
        (
            "$|dollar",
            1.4,
            (
                r"\bwant (?:my |the )?(?:\$ ?\d+|\d+ dollars)|\bthe \$?\d+ (?:dollars )?(?:he|they|"
                r"she) owes?"
            ),
        ),
        (
            "pending",
            2.0,
            (
                r"\b(?:sitting|stuck|been|still|shows?|is)(?: \w+){0,3} (?:in )?pending\b|"
                r"\bpending (?:approval|payment)\b|\bapproval (?:is )?pending\b"
            ),
        ),
        ("my approval|the approval", 1.6, r"\b(?:sitting on|holding|blocking) (?:my|the) (?:approval|pay\w*|money)"),
        (
            "paid",
            1.6,
            (
                r"\b(?:(?:to|help me|please) (?:get|be) |get (?=me|this|it|him))"
                r"(?:me |this |it |him )?paid\b(?! (?:faster|on time|by check|"
                r"weekly|daily|sooner|fine|in|quickly|yesterday|today))"
            ),
        ),
        ("me ", 1.4, r"\bpay me\b|\bget me (?:paid|my)\b"),
        (
            "pay",
            1.5,
            (
                r"\bmy pay\w* (?:please|pls)|\brecive my pay\w+|\bpayment (?:dispute|problem|issue|"
                r"missing)\b|\bdisput\w+ (?:the |this |my |a |both the )?pay\w*"
            ),
        ),
        (
            "only",
            2.0,
            (
                r"\b(?:only (?:paid|approved)|only (?:received|got|pay(?:ing)?|"
                r"release[ds]?) (?:me )?(?:half|part|\$?\d+)|(?:only )?pa(?:y|id) (?:only )?half|"
                r"partial(?:ly)? pa\w+|paid only|approved only|approved \d|approved the \w+ only|"
                r"paid \d+)\b"
            ),
        ),
        (
            "came|come|arriv|receiv",
            1.8,
            (
                r"\b(?:nothing|no payment|no money|never)(?: (?:ever|has|is|yet))* (?:came|come|arrived?|"
                r"received?)\b|\bnot received (?:any|my|the) (?:pay\w*|money)"
            ),
        ),
        (
            "approve job|to approve",
            1.6,
            r"\btell (?:the |this )?(?:client|buyer|customer|them|him) (?:to )?(?:approve|pay)",
        ),
        (
            "demand|insist|want|overbill|harass|unless",
            1.8,
            (
                r"\b(?:demand\w*|insist\w*)(?: [\w'-]+){0,5}? (?:pay\w*|money|\$ ?\d+|\d+ dollars)|"
                r"\bwants (?:to be paid|(?:full |more |extra )?pay\w*)\b|"
                r"\bunless (?:we|i) pay\b|"
                r"\boverbilled\b"
            ),
        ),
        (
            "pag",
            2.2,
            (
                r"\bno (?:me |nos |le )?(?:han |ha |quiere |quieren |ha sido |fue )?(?:pag\w+)|"
                r"\bpago (?:pendiente|no)\b|\bnao (?:me |nos )?(?:foi )?(?:pag\w+|receb\w+)|"
                r"\bpagamento (?:nao|pendente|atrasado)\b|\bnem pagou\b|\b(?:quiere|quieren) pagar\b|"
                r"\b(?:rebaj|descont|reduj|redujer)\w+\b.{0,40}\bpago\b|\bque me paguen\b|\bme deben?\b|"
                r"\bme deve[mn]?\b"
            ),
        ),
        ("aprueb|aprob|aprov", 2.0, r"\bno (?:me |lo |la )?(?:ha )?(?:aprueb\w+|aprob\w+)|\bnao (?:aprov\w+)"),
        (
            "pay",
            2.2,
            (
                r"\b(?:pas|jamais|non) (?:ete |encore ete |encore )?pay\w+|\brefuse (?:de |"
                r"toujours de )?(?:me )?(?:payer|paiement)|\breduit mon paiement|\bimpaye\w*|"
                r"\bpaiement (?:refuse|manquant|en attente)\b"
            ),
        ),
        (
            "zahl|frei",
            2.2,
            (
                r"\b(?:nicht|nie|noch nicht|bis heute nicht) (?:be)?zahl\w+|\bzahlt (?:mir |"
                r"mich )?(?:nicht|nie)|\bzahlung (?:fehlt|nicht|verweigert|offen)|"
                r"\bnicht frei(?:gegeben)?\b|\bunbezahlt\w*"
            ),
        ),
    )
)
_SILENT = (
    r"\b(?:(?:not|n't|doesn't|dosnt|don't|never|no|nobody|nao|"
    r"no me) (?:\w+ ){0,2}?(?:answer\w*|repl\w+|respon\w+|picks? up|call back|contesta\w*|"
    r"responde\w*)|ghost(?:ed|ing)|unresponsive|ignor\w+|crickets|silen(?:t|ce)|impasse|(?:no|"
    r"without|without an|without any|sans) (?:answer|reply|response|reaction)|not respond\w*|"
    r"not answering|reagiert nicht|(?:nothing|not a word) (?:after|since)|"
    r"antwortet nicht|sans reponse|no contesta)\b"
)
PAY_TOPIC = (
    r"\b(?:pay\w*|paid|approv\w+|close-?out|deliverables|money|invoice|(?:work|job|"
    r"assignment) (?:is |was |has been )?(?:done|finished|completed?))\b"
)
PARTY = (
    r"\b(?:client|cliant|buyer|customer|custmer|company|technician|tech|contractor|cliente|"
    r"kunde|kunden)s?\b"
)


Told = tuple[tuple[Passage, float], ...]


def rating_claim(told: Told) -> tuple[float, tuple[Reason, ...]]:
    """How strongly a mail contests a rating or asks to act on one. `told`: passages with the weight of their author."""
    score, mentions, dismissed = 0.0, 0.0, False
    reasons: list[Reason] = []
    since_topic = 9
    for passage, weight in told:
        low = passage.low
        topic = compiled(RATING).search(low) is not None
        low_mark = compiled(_LOW_MARK).search(low) is not None
        contest = compiled(_CONTEST).search(low) is not None
        asks_how = compiled(ASKS_HOW).search(low) is not None and not (
            (topic or low_mark) and contest and compiled(r"\b(?:my|this|me|i got)\b").search(low)
        )
        praised = compiled(GOOD_MARK).search(low) is not None and not low_mark
        since_topic = 0 if topic or low_mark else since_topic + 1
        if (topic or low_mark) and compiled(_DISMISSED).search(low):
            # "I got paid, it's the rating": what is waved aside is the other matter.
            dismissed = (
                compiled(r"it'?s (?:about )?the rating|money is not|pay(?:ment)? is(?:n't| not)").search(low) is None
                or dismissed
            )
            continue
        if (
            asks_how
            or (praised and not contest)
            or (compiled(_IMAGINED).search(low) and not compiled(_GIVEN).search(low))
        ):
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


def payment_claim(told: Told) -> tuple[float, tuple[Reason, ...]]:
    """How strongly a mail says that money for an assignment is not approved, not paid, cut or refused."""
    score, silent = 0.0, 0.0
    reasons: list[Reason] = []
    for passage, weight in told:
        low = passage.low
        if (compiled(ASKS_HOW).search(low) and not compiled(PARTY).search(low)) or compiled(
            r"\bnot (?:about )?the money\b"
        ).search(low):
            continue
        gains = [
            gain
            for near, gain, pattern in _UNMET
            if any(word in low for word in near) and compiled(pattern).search(low)
        ]
        if gains:
            score += weight * (max(gains) if score < 2 else 0.5) + 0.2 * (len(gains) - 1) * weight
            reasons.append(passage.reason("payment"))
        if compiled(_SILENT).search(low):
            silent = 0.6
    if score < WEAK and silent:
        # Nobody says "not paid", but pay or approval was asked for and met silence.
        asked = next(
            (passage for passage, _ in told if passage.where != "subject" and compiled(PAY_TOPIC).search(passage.low)),
            None,
        )
        if asked is not None and score < WEAK:
            return score + 1.3, (*reasons, asked.reason("payment"))
    return (score + silent if score >= WEAK else score), tuple(reasons[:4])
