"""What people must look at before a letter leaves: threats, despair, fear, law, bargains, terms still running."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from bot.flows.mail import Mail
from bot.flows.triage.contacts import dated, moments
from bot.flows.triage.passages import Passage, Voice, compiled
from bot.flows.triage.roles import third_party
from bot.flows.triage.values import Reason

# A bargain names a mark or a complaint, money, and the condition that ties them, in any order.
_MARK = r"\b(?:stars?|ratings?|reviews?|feedback|score|complaint|dispute)\b"
_MONEY = (
    r"(?:\$ ?\d+|\b\d+ (?:dollars|bucks|usd|euros?|less)|\b(?:pay\w*|paid|money|refund|discount|cash|waive|approve|"
    r"give (?:him|them|her|us) back|lower (?:the|my) (?:price|rate|invoice))\b)"
)
_DOES = r"\b(?:leav|giv|remov|chang|drop|delet|withdraw|post|writ|rais|rate|improv)\w*\b"
_IF = r"\b(?:if|unless|in exchange|in return)\b"
_BARGAIN = (
    rf"{_MARK}.{{0,80}}{_IF}.{{0,60}}{_MONEY}|{_IF}.{{0,80}}{_MONEY}.{{0,60}}{_DOES}.{{0,30}}{_MARK}|"
    rf"{_MONEY}.{{0,60}}\b(?:otherwise|or else|or (?:i|he|she|they|we)(?:'ll| will)?)\b.{{0,40}}(?:{_MARK}|\brate\b)|"
    rf"{_MONEY}.{{0,60}}{_MARK} (?:goes away|disappears|will be removed)|"
    r"\b(?:stars?|reviews?|rating) for (?:\$ ?\d|\d+ (?:bucks|dollars|usd))"
)

# flag, words one of which must be there, pattern, pattern that takes it back
_SAID = tuple(
    (flag, tuple(near.split("|")), pattern, unless)
    for flag, near, pattern, unless in (
        (
            "legal_threat",
            (
                "lawyer|attorney|sue|suing|court|legal|lawsuit|labor|litigat|counsel|anwalt|abogad|"
                "avocat|advogad|klage|demand|tribunal|justi|gericht|rechtlich"
            ),
            (
                r"\b(?:small claims|(?:take|taking|drag|see) (?:\w+ ){1,4}(?:to|in) court|(?:to|"
                r"in) court\b|lawsuits?|(?:will|going to|'ll|gonna|shall|am|i'd|could|to) (?:\w+ )?(?:sue|"
                r"suing)|legal (?:action|proceedings|steps|counsel|notice|remedies)|litigation|"
                r"(?:my|our|an?|get|hire|contact\w*|speak to|talk to|call\w*) (?:attorney|lawyer)s?|"
                r"department of labor|labor (?:board|commission\w*|department)|attorney general|"
                r"(?:meinen?|zum|einen) anwalt|rechtliche schritte|"
                r"(?:mi|un|con) abogado|acciones legales|demandar(?:los|lo|le)?|(?:mon|un) avocat|"
                r"tribunal|prud'?hommes|(?:meu|um) advogado|acao judicial|justica)\b"
            ),
            (
                r"\b(?:court (?:street|st|building|house|rd|road|avenue)|courthouse|not (?:going to|gonna|"
                r"planning to) (?:sue|take|hire)|don't want to (?:sue|involve)|(?:threatening|threatens|"
                r"threatened) to sue us|food court|tennis court)\b|\b(?:he|she|they)'s threatening\b"
            ),
        ),
        (
            "threat",
            (
                "know where|kill|hurt|break|beat|burn|shoot|gun|regret|come to|come there|come over|"
                "find him|find you|find them|watch|pay for this|matar|golpe|umbringen|schlag"
            ),
            (
                r"\b(?:i (?:\w+ )?know where (?:he|she|they|you|his|her|their|your)\b|(?:will|'ll|"
                r"going to|gonna|i'd|swear i'm going to|want to) (?:\w+ )?(?:kill|hurt|beat|shoot|burn|"
                r"break|smash|harm|punch|stab|strangle|destroy) (?:\w+ )?(?:him|her|them|you|his|their|"
                r"your|that|this)|"
                r"break his (?:legs|neck|face)|(?:you|he|she|they)(?:'ll| will| 'll) (?:regret|be sorry)|"
                r"watch (?:his|your|their) back|burn (?:it|your|his|their|the) (?:\w+ )?down|"
                r"bring(?:ing)? my gun|with a gun|"
                r"come (?:there|over there|to (?:his|your|their) (?:house|office|home))|(?:lo|los|"
                r"te) voy a (?:matar|golpear)|bringe? (?:ihn|dich|sie) um|je vais (?:le|vous) (?:tuer|"
                r"frapper))\b"
            ),
            r"\b(?:can i|could i|may i|happy to|glad to) (?:come|stop)\b",
        ),
        (
            "welfare",
            (
                "suicid|kill myself|end my life|live anymore|want to live|want to die|be dead|was dead|"
                "were dead|better off|end it all|go on like|no reason to|harm myself|hurt myself|"
                "no way out|see a way out|hopeless|suizid|vivir|umbringen|morir|mourir|morrer|leben|"
                "give up on life|can't go on|cannot go on"
            ),
            (
                r"\b(?:suicid\w*|kill(?:ing)? myself|end(?:ing)? my life|(?:don't|dont|do not|"
                r"no longer) want to (?:live|be alive|be here|wake up)|want to die|(?:if i (?:was|were)|"
                r"wish i (?:was|were)) dead|better off (?:if i (?:was|were) dead|without me|dead)|"
                r"end it all|"
                r"(?:can't|cannot) go on (?:like this|anymore|any more|living)|no reason to (?:live|"
                r"go on)|(?:harm|hurt)(?:ing)? myself|(?:can't|don't|cannot) see (?:a|any) way out|"
                r"no way out (?:of this|for me)|feel(?:ing)? hopeless|completely hopeless|"
                r"no quiero (?:vivir|seguir viviendo)|quiero morir|nicht mehr leben|mich um(?:zu)?bringen|"
                r"plus envie de vivre|quero morrer|nao quero (?:mais )?viver)\b"
            ),
            r"\b(?:hurt myself (?:on|at|when|while|lifting))\b",
        ),
        (
            "abuse",
            (
                "fuck|f**|f***|shit|asshole|bitch|bastard|idiot|moron|scum|crook|thie|stupid|dumb|retard|"
                "piece of|liar|asses|useless|clown|imbec|estupid|arsch|idiota|connard|merde|puta"
            ),
            (
                r"(?:\bf(?:u|\*)[c*]?[k*]+\w*|\bshit\w*|\bass ?holes?\b|\bbitch\w*|\bbastards?\b|"
                r"\bidiots?\b|\bmorons?\b|\bscum(?:bags?)?\b|\byou (?:\w+ ){0,3}(?:crooks|thieves|liars|"
                r"clowns)\b|\byou thieves\b|\bpieces? of (?:garbage|trash|crap)\b|"
                r"\bretard\w*|\b(?:dumb|stupid) (?:people|company|ass\w*|idiots?|jerks?)\b|"
                r"\boff your asses\b|\b(?:arschloch|wichser|connards?|encules?|hijos? de puta|imbeciles?|"
                r"filhos? da puta|idiotas?)\b)"
            ),
            r"\b(?:called|calling|said|wrote|says) (?:me|i was|i am|us) (?:an? )?",
        ),
        (
            "manipulation",
            (
                "if |unless|in exchange|in return|otherwise|goes away|or else|or i|or he|or she|or they|or we|"
                "bucks|$|si |wenn |se "
            ),
            _BARGAIN,
            (
                r"\b(?:if (?:this|it|that) (?:is )?(?:not )?(?:right|possible|helps)|if you (?:need|can|"
                r"could|have)|wondering if)\b"
            ),
        ),
        (
            "fear_of_retaliation",
            (
                "afraid|scared|fear|worr|retaliat|anonym|confidential|don't tell|do not tell|not tell|"
                "not mention|blacklist|miedo|angst|peur|medo|don't share|do not share|keep my name|"
                "between us"
            ),
            (
                r"\b(?:(?:afraid|scared|fear\w*|worr(?:y|ied)|nervous|terrified)\b.{0,80}\b(?:retaliat\w*|"
                r"block\w*|blacklist\w*|los(?:e|ing) (?:\w+ ){0,3}(?:work|jobs?|client|assignments?)|"
                r"bad (?:ones|rating|review)|punish\w*|revenge|more bad|get back at|worse rating|"
                r"no more (?:work|jobs)|speak up)|"
                r"(?:please |pls )?(?:don't|do not|dont) (?:tell|mention|share|reveal|let) (?:him|her|"
                r"them|me|my name|the client|anyone)|(?:stay|keep|remain) (?:\w+ )?anonymous|"
                r"keep (?:my name|me) (?:out|private|anonymous)|miedo (?:a|de) (?:que|represalias)|"
                r"represalias|repressalien|angst,? dass|peur (?:de|que|des represailles)|medo de)\b"
            ),
            (
                r"\bworr(?:y|ied) (?:about )?(?:that )?(?:the payment|not being paid)\b|"
                r"\bdon't let (?:him|her|them) (?:get away|do)\b|\bdon't tell me\b"
            ),
        ),
        (
            "asks_for_person",
            (
                "person|human|someone|somebody|manager|call me|representative|robot|agent|supervisor|"
                "persona|menschen|mitarbeiter|quelqu|pessoa|bot"
            ),
            (
                r"\b(?:(?:talk|speak|chat) (?:to|with) (?:an? )?(?:\w+ )?(?:real |actual |"
                r"live )?(?:person|human(?: being)?|someone|somebody|manager|supervisor|representative|"
                r"agent|rep)\b|(?:real|actual|live) (?:person|human)|human being|"
                r"(?:can|could|would|have|please|will) (?:you |someone |somebody |anyone |"
                r"anybody )?(?:please )?call me\b|(?:someone|somebody) (?:to |please |can )?(?:call|phone|"
                r"ring) me|not (?:a|another) (?:bot|robot|machine|automated)|"
                r"is there (?:an? )?(?:actual )?(?:human|person)|"
                r"hablar con (?:una persona|alguien)|mit (?:einem|einer) (?:menschen|mitarbeiter\w*|"
                r"person) (?:sprechen|reden)|parler (?:a|avec) (?:quelqu'un|une personne)|"
                r"falar com (?:uma pessoa|alguem))\b"
            ),
            r"\b(?:i|we) (?:\w+ )?(?:spoke|talked) (?:to|with)\b",
        ),
    )
)

_NOT_YET = (
    r"\b(?:not (?:yet )?due(?: yet| until| till)|isn't due|not due yet|(?:is|are|be|"
    r"it's) due (?:on|by|in|next)|due (?:on|date)|will be (?:due|paid) (?:on|by)|"
    r"should be paid|payment (?:date|is scheduled)|supposed to (?:be paid|pay) (?:on|by)|"
    r"faellig|fallig am|vence el|echeance)\b"
)
_WAS_DUE = (
    r"\b(?:was due|were due|past due|overdue|over due|was supposed|should have been|"
    r"rent is due)\b"
)
_NET = (
    r"\bnet[- ]?(\d{1,3})\b|\b(\d{1,3})[- ]day (?:payment )?terms\b|\bterms (?:are|of|"
    r"is) (\d{1,3}) days\b"
)
_STARTED = r"\b(?:approv\w+|submitted|completed|finished|invoiced|closed)\b"
_CALM = r"\bnet \d+ mean|\bwhat does net\b"


def said(passages: Iterable[Passage]) -> tuple[Reason, ...]:
    """The flags that the writer's own words raise, each with its sentence (`about` is the flag)."""
    raised: dict[str, Reason] = {}
    for passage in passages:
        if passage.voice is Voice.US or passage.where == "quote":
            continue
        for flag, near, pattern, unless in _SAID:
            if flag in raised or not any(word in passage.low for word in near):
                continue
            if compiled(pattern).search(passage.low) and not compiled(unless).search(passage.low):
                raised[flag] = passage.reason(flag)
    return tuple(raised.values())


def terms_running(passages: Iterable[Passage], when: datetime | None) -> Reason | None:
    """The sentence by whose own words the payment terms have not run out on `when`."""
    if when is None:
        return None
    told = tuple(passage for passage in passages if passage.voice is not Voice.US)
    for passage in told:
        low = passage.low
        if compiled(r"\bnot (?:yet )?due (?:yet|until|till)\b|\bisn't due (?:yet|until|till)\b").search(low):
            return passage.reason("not_yet_due")
        if compiled(_NOT_YET).search(low) and not compiled(_WAS_DUE).search(low):
            ahead = [
                moment.on
                for match, moment in moments(low, when)
                if moment.on and match.lastgroup in ("iso", "md", "dm", "num", "dot", "ord")
            ]
            if any(day > when.date() for day in ahead):
                return passage.reason("not_yet_due")
        if (days := _net_days(low)) is not None and _started_within(told, low, days, when):
            return passage.reason("not_yet_due")
    return None


def _net_days(low: str) -> int | None:
    match = compiled(_NET).search(low)
    if match is None or compiled(_CALM).search(low):
        return None
    return int(next(group for group in match.groups() if group))


def _started_within(told: tuple[Passage, ...], low: str, days: int, when: datetime) -> bool:
    """Whether the approval or submission that started the terms was less than `days` ago."""
    if count := compiled(
        r"\b(?:it'?s|is|now|only|on) day (\d{1,3})\b|\b(\d{1,3}) days (?:ago|in|have passed)\b"
    ).search(low):
        return int(next(group for group in count.groups() if group)) < days
    starts = [
        moment.on
        for passage in told
        if compiled(_STARTED).search(passage.low)
        for _, moment in moments(passage.low, when)
        if moment.on and moment.on <= when.date()
    ]
    return bool(starts) and min(starts) + timedelta(days=days) > when.date()


_TO_CLIENT = (
    r"\b(?:i|we|he|just|and) (?:\w+ ){0,2}?(?:messaged|emailed|e-mailed|texted|called|phoned|"
    r"wrote|asked|contacted|reminded|sent|pinged|submitted)|\bwrote to (?:the client|them|"
    r"him)|\bsent (?:him|them|the client)|\b(?:le escribi|llame|"
    r"ich habe .{0,30}(?:geschrieben|angerufen)|mandei|liguei|je l'ai|je lui ai)\b|"
    r"^(?:messaged|emailed|texted|called|wrote|asked|sent)\b"
)


def client_just_written_to(passages: tuple[Passage, ...], when: datetime | None) -> Reason | None:
    """The sentence that says the client was last written to less than 48 hours before `when`."""
    if when is None:
        return None
    for passage, moment in dated(passages, when):
        theirs = passage.voice in (Voice.OTHER, Voice.CLIENT) or (
            passage.stamped is None and not compiled(_TO_CLIENT).search(passage.low)
        )
        if theirs or passage.where == "subject":
            continue
        if (moment.hours_ago is not None and moment.hours_ago < 48) or (
            moment.on is not None and 0 <= (when.date() - moment.on).days <= 1
        ):
            return passage.reason("under_48h")
    return None


def only_attachment(mail: Mail) -> bool:
    """Whether all the mail has to say is in its files: no words, or no more than "see attached"."""
    low = " ".join(mail.words.lower().split())[:200]
    bare = compiled(
        r"\b(?:hi|hello|dear|team|support|please|pls|kindly|see|find|the|is|in|attached|"
        r"attachment|file|files|document|enclosed|below|my|here|thanks|thank|you|regards|best|"
        r"adjunto|anbei|ci-joint|em anexo)\b"
    ).sub("", low)
    return bool(mail.attachments) and not compiled(r"[^\W\d_]").search(bare)


def flags(mail: Mail, passages: tuple[Passage, ...], ids: tuple[str, ...], kind: str) -> tuple[Reason, ...]:
    """All flags of a mail a person wrote, each as a reason whose `about` is the flag."""
    raised = list(said(passages))
    if kind in ("payment", "both"):
        raised.extend(
            reason
            for reason in (terms_running(passages, mail.date), client_just_written_to(passages, mail.date))
            if reason
        )
    if (reason := third_party(passages)) is not None:
        raised.append(reason)
    if len(ids) > 1 and kind != "other":
        raised.append(Reason("several_assignments", ", ".join(ids)[:200], "body"))
    if only_attachment(mail):
        raised.append(
            Reason("attachment_only", mail.attachments[0].name[:200], f"attachment {mail.attachments[0].name[:100]}")
        )
    return tuple(raised)
