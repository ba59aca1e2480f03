"""What a follow-up wants: it answers, settles, refuses, asks for time, waits, thanks, or opens something new."""

from collections.abc import Iterable

from bot.flows.mail import Mail
from bot.flows.triage.claims import STRONG
from bot.flows.triage.kind import Scores
from bot.flows.triage.passages import Passage, Voice, compiled
from bot.flows.triage.values import Known, Reason

_NOT_RESOLVED = (
    r"\b(?:not|isn't|never|don't|do not|nothing|hasn't|haven't|unless|"
    r"if)\b(?: \w+){0,4} (?:resolved|settled|close|closed|paid|solved|withdraw\w*)\b|"
    r"\bdon't close\b"
)
_RESOLVED = (
    r"\b(?:(?:has |have |been |is |was |got |it's |now |all )(?:\w+ )?(?:resolved|settled|"
    r"solved|sorted(?: out)?|taken care of|worked out)|settled with|we settled|"
    r"they (?:have )?paid(?: me)?|(?:i|he|she|it|this) (?:was|got|has been|have been|"
    r"been) paid|paid me|"
    r"payment (?:arrived|came|received|went through|landed)|received (?:the|my) (?:payment|"
    r"money)|(?:client|he|she|they|buyer) (?:changed|removed|corrected|fixed|updated) (?:the|"
    r"my) rating|"
    r"withdraw(?:ing|n)?|drop (?:the|my|this)|close (?:it|this|the (?:case|dispute)|my)|"
    r"(?:mark|consider) (?:it |this )?(?:as )?closed|can be closed|cancel (?:the|my|"
    r"this) (?:dispute|case|request|complaint)|no need to go on|we'?re good(?: now)?|"
    r"no longer need|please close|we (?:have |just |now |already )*(?:approved|paid|"
    r"released) (?:it|this|the (?:assignment|payment|full amount|work))|payment (?:went out|"
    r"has been (?:sent|made|released))|changed my mind|never ?mind|resuelto|ya me pagaron|"
    r"pueden cerrar|cerrar el caso|erledigt|bezahlt worden|resolu|regle|resolvido|"
    r"ja me pagaram)\b"
)
_MORE_TIME = (
    r"\b(?:(?:more|extra|additional|some|a little|a bit of|bit more) time|(?:few|"
    r"couple(?: of)?|two|three|\d) more days|extension|extend|(?:a|one|another|"
    r"\d) weeks? more|another (?:week|day|few days)|(?:until|till|by) (?:next )?"
    r"(?:mon|tues|wednes|thurs|fri|satur|sun)day (?:to|for)|have until|give (?:us|me) until|"
    r"(?:will|'ll|can) (?:send|reply|answer|get back|respond|provide|"
    r"write)\b.{0,40}\b(?:tomorrow|tonight|next week|(?:on|by) (?:mon|tues|wednes|thurs|fri|"
    r"satur|sun)day|in a few days|later|as soon as)|"
    r"allow us|bear with|mas tiempo|unos dias mas|plus de temps|mehr zeit|fristverlangerung|"
    r"mais tempo|need (?:until|till))\b"
)
_REFUSES = (
    r"\b(?:(?:not going to|won'?t|will not|refuse to|decline to|don't (?:want|wish) to|"
    r"do not (?:want|wish) to|not willing to|no intention (?:to|of)) (?:be )?(?:comment\w*|"
    r"answer\w*|respond\w*|repl\w+|provid\w+|explain\w*|participat\w+|send\w*|discuss\w*|"
    r"engag\w+|chang\w+|tak\w+ part)|"
    r"nothing (?:to add|more to say|further|else to)|no (?:further )?comment|"
    r"stop (?:e-?mailing|writing|contacting|bothering|sending)|leave (?:us|me) alone|"
    r"do not contact|don't contact|(?:our|the) (?:rating|decision) (?:stands|is final)|"
    r"no pienso|keine stellungnahme)\b"
)
_WAITING = (
    r"\b(?:any (?:update|news|progress|word)|still (?:nothing|waiting|no|haven't|have not|not|"
    r"havent|hasn't)|(?:have you|did you) hear\w*|heard (?:anything|back|from)|what(?:'s|"
    r" is) (?:the status|happening|going on|next)|what happens next|status|"
    r"how (?:much )?long(?:er)?|"
    r"follow(?:ing)? up|checking (?:in|on)|when will (?:i|you|this)|nothing (?:came|yet|"
    r"has happened|happened)|not resolved|it has been \w+ (?:days|weeks)|alguna novedad|"
    r"sigo esperando|des nouvelles|gibt es neuigkeiten|alguma novidade|bump)\b"
)
_THANKS = (
    r"^(?:\W|ok(?:ay)?|great|thanks?|thank you|thx|ty|many|much|so|very|a lot|lots|"
    r"appreciate[ds]?|appreciated|it|that|this|you|for|your|the|help|quick|reply|response|"
    r"update|got|received|noted|perfect|understood|cheers|muchas|gracias|danke|vielen|dank|"
    r"merci|beaucoup|obrigad[oa]|muito|best|regards|sounds|good|will do|everything|all|"
    r"support|team|hi|hello|dear|everyone|and|again|kind|sincerely|de|nada|message|"
    r"letting me know|info\w*)+$"
)
_PERSON = r"\b(?:talk|speak|call)\b.{0,30}\b(?:person|human|someone|somebody|me)\b|\bphone number\b"
_NEW = (
    r"\b(?:another (?:problem|issue|dispute|client|assignment|thing|case|job)|"
    r"(?:a )?different (?:client|assignment|buyer|job|case)|new (?:dispute|case|problem|issue|"
    r"one)|separate (?:issue|dispute|case)|not about this case|second dispute|"
    r"other assignment|otro (?:cliente|problema|trabajo))\b"
)


def intent(
    mail: Mail, passages: Iterable[Passage], new: Reason | None, items_there: bool
) -> tuple[str | None, tuple[Reason, ...]]:
    """The intent of a person's follow-up and the sentence it rests on; None where it only asks or says something else.

    `new`: the sentence that opens a new dispute, if any. `items_there`: its new words hold an item or name an
    assignment.
    """
    own = tuple(passage for passage in passages if passage.where == "body" and passage.voice is Voice.SENDER)
    if new is not None:
        return "new_dispute", (new,)
    resolved = _first(own, _RESOLVED)
    contradicted = _first(own, _NOT_RESOLVED)
    if resolved is not None and contradicted is None:
        return "resolved", (resolved,)
    if own and all(_only_thanks(passage.low, mail) for passage in own):
        return "thanks", (own[0].reason("intent"),)
    for name, pattern in (("refuses", _REFUSES), ("more_time", _MORE_TIME)):
        hit = _first(own, pattern)
        if hit is not None and not (name == "refuses" and items_there):
            return name, (hit,)
    waiting = _first(own, _WAITING) or (contradicted if resolved is not None else None)
    if waiting is not None and not items_there:
        return "still_waiting", (waiting,)
    return _answers(mail, own, items_there)


def _answers(mail: Mail, own: tuple[Passage, ...], items_there: bool) -> tuple[str | None, tuple[Reason, ...]]:
    """Whether what is left is an answer, good enough or not; a bare question or a wish for a person is none."""
    statements = tuple(
        p
        for p in own
        if not p.text.rstrip().endswith("?") and len(p.low.split()) >= 3 and not compiled(_PERSON).search(p.low)
    )
    if items_there or statements or mail.attachments or any(compiled(r"\d{6}").search(passage.low) for passage in own):
        told = statements or own
        return "provides_item", (told[0].reason("intent"),) if told else ()
    return None, ()


def _first(own: tuple[Passage, ...], pattern: str) -> Reason | None:
    return next((passage.reason("intent") for passage in own if compiled(pattern).search(passage.low)), None)


def _only_thanks(low: str, mail: Mail) -> bool:
    name = mail.sender.name.lower().split()
    words = low[:200].strip(" .,!:;-)(").split()
    left = " ".join(word for word in words if word.strip(".,!-") not in name)
    return len(words) <= 25 and (not left or compiled(_THANKS).match(left) is not None)


def opens_new(passages: Iterable[Passage], case: Known, scores: Scores, ids: tuple[str, ...]) -> Reason | None:
    """The sentence that shows a follow-up to open a new dispute: another assignment, or the other kind, and a claim."""
    own = tuple(passage for passage in passages if passage.where == "body" and passage.voice is Voice.SENDER)
    other = scores.payment if case.kind == "rating" else scores.rating if case.kind == "payment" else 0.0
    mine = scores.rating if case.kind == "rating" else scores.payment
    foreign = [number for number in ids if case.assignment_ids and number not in case.assignment_ids]
    said = _first(own, _NEW)
    if max(other, mine) >= STRONG and said is not None:
        return said
    if foreign and max(other, mine) >= STRONG:
        return next(
            (passage.reason("intent") for passage in own if foreign[0][-4:] in passage.low),
            own[0].reason("intent") if own else None,
        )
    if other >= 2.2 and mine < STRONG and own:
        return own[0].reason("intent")
    return None
