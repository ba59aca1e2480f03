"""Dated contacts between worker and client: what makes a timeline, and when the client was last written to."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import islice

from bot.flows.triage.passages import Passage, Voice, chat_line, compiled, plain, sentences

CONTACTS_MAX = 60
MOMENTS_MAX = 12
AHEAD_MAX = timedelta(days=92)
"""A date without a year that would be further ahead is meant as past."""


@dataclass(frozen=True, slots=True)
class Contact:
    """One contact or attempt: the sentence that tells of it, and the words that place it in time, as written."""

    text: str
    placed: str


@dataclass(frozen=True, slots=True)
class Moment:
    """Words that place something in time. `on` is the day they mean, where they tell and the mail is dated.

    `hours_ago` is set where they count back in hours or name a part of this or the last day.
    """

    placed: str
    on: date | None
    hours_ago: float | None = None


_MONTHS = {
    month: number
    for number, months in enumerate(
        (
            "jan january enero janvier januar janeiro",
            "feb february febrero fevrier februar fevereiro",
            "mar march marzo mars marz marco",
            "apr april abril avril",
            "may mayo mai maio",
            "jun june junio juin juni junho",
            "jul july julio juillet juli julho",
            "aug august agosto aout",
            "sep sept september septiembre septembre setembro",
            "oct october octubre octobre oktober outubro okt",
            "nov november noviembre novembre novembro",
            "dec december diciembre decembre dezember dezembro dez dic",
        ),
        1,
    )
    for month in months.split()
}
_MONTH = "|".join(sorted(_MONTHS, key=len, reverse=True))
_WEEKDAYS = {
    name: number
    for number, names in enumerate(
        (
            "monday lunes lundi montag segunda mon",
            "tuesday martes mardi dienstag terca tue tues",
            "wednesday miercoles mercredi mittwoch quarta wed",
            "thursday jueves jeudi donnerstag quinta thu thur thurs",
            "friday viernes vendredi freitag sexta fri",
            "saturday sabado samedi samstag sat",
            "sunday domingo dimanche sonntag sun",
        )
    )
    for name in names.split()
}
_LONG = "|".join(
    name for name in _WEEKDAYS if len(name) > 5 and name not in ("segunda", "terca", "quarta", "quinta", "sexta")
)
_LONG += "|lunes|lundi|mardi|jeudi|sabado|wed|tues|thurs"
_TIME = (
    r"(?P<iso>\b20\d\d-\d\d?-\d\d?\b)"
    rf"|(?P<md>\b(?:{_MONTH})\.? \d{{1,2}}(?:st|nd|rd|th)?\b(?!:\d)(?:,? 20\d\d\b)?)"
    rf"|(?P<dm>\b\d{{1,2}}(?:st|nd|rd|th|er|\.|º)? (?:of |de |"
    rf"do )?(?:{_MONTH})\b(?:,? (?:de )?20\d\d\b)?)"
    r"|(?P<num>(?<![\w/.$-])(?:0?[1-9]|[12]\d|3[01])[/-](?:0?[1-9]|[12]\d|"
    r"3[01])(?:[/-](?:20)?\d\d)?(?![\w/]|-\d|\.\d| ?(?:stars?|hours?|hrs?|out)\b))"
    r"|(?P<dot>(?<![\w/.$])(?:0?[1-9]|[12]\d|3[01])\.(?:0?[1-9]|"
    r"1[0-2])\.(?:(?:20)?\d\d)?(?!\d))"
    r"|(?P<ord>\bthe \d{1,2}(?:st|nd|rd|th)\b)"
    rf"|(?P<wd>\b(?:{_LONG})s?\b|\b(?:na|na ultima|e na|no|desde) (?:segunda|terca|quarta|"
    rf"quinta|sexta)(?:-feira)?\b|\b(?:mon|tue|thu|fri|sat|sun)\b(?=,? \d))"
    r"|(?P<hours>\b(?:an|a few|one|two|three|four|five|six|\d{1,2}) (?:hours?|hrs?|minutes?|"
    r"mins?) ago\b|\bjust now\b|\bright away\b|\bhace (?:una|dos|\d{1,2}) horas?\b)"
    r"|(?P<ago>\b(?:a|one|two|three|four|five|six|seven|ten|\d{1,3}) (?:days?|weeks?) (?:ago|"
    r"before|earlier|later)\b|\bhace (?:un|dos|tres|\d{1,2}) dias?\b|\bil y a \d{1,2} jours\b|"
    r"\bvor \d{1,2} tagen\b)"
    r"|(?P<word>\b(?:yesterday|today|tonight|this (?:morning|afternoon|evening)|last (?:night|"
    r"week)|(?:the )?same day|(?:the )?next (?:day|morning)|the day after|the following day|"
    r"ayer|anteayer|hoy|esta manana|hier|avant-hier|ce matin|gestern|vorgestern|heute|ontem|"
    r"anteontem|hoje)\b)"
    r"|(?P<day>\bday \d{1,3}\b|\bd\+\d{1,3}\b)"
)
_COUNT = {
    "a": 1,
    "an": 1,
    "one": 1,
    "two": 2,
    "three": 3,
    "four": 4,
    "five": 5,
    "six": 6,
    "seven": 7,
    "ten": 10,
    "un": 1,
    "una": 1,
    "dos": 2,
    "tres": 3,
}
_BACK = {
    "yesterday": 1,
    "ayer": 1,
    "hier": 1,
    "gestern": 1,
    "ontem": 1,
    "anteayer": 2,
    "avant-hier": 2,
    "vorgestern": 2,
    "anteontem": 2,
    "last night": 1,
    "last week": 7,
    "today": 0,
    "tonight": 0,
    "hoy": 0,
    "heute": 0,
    "hoje": 0,
    "esta manana": 0,
    "ce matin": 0,
}


def moments(low: str, when: datetime | None) -> Iterator[tuple[re.Match[str], Moment]]:
    """The first MOMENTS_MAX expressions of time in a plain text (see `passages.plain`), with the days they mean.

    They are seen from `when`, UTC; None: the days stay unknown.
    """
    for match in islice(compiled(_TIME).finditer(low), MOMENTS_MAX):
        yield match, Moment(match[0], _day(match, when.date()) if when else None, _hours(match))


def _hours(match: re.Match[str]) -> float | None:
    text = match[0]
    if match.lastgroup == "hours":
        first = re.search(r"\d+", text)
        count = float(first[0]) if first else float(next((_COUNT[word] for word in text.split() if word in _COUNT), 1))
        return count / 60 if "min" in text else count
    return (
        20.0
        if text == "last night"
        else 1.0
        if text in ("this morning", "today", "this afternoon", "ce matin", "esta manana")
        else None
    )


def _day(match: re.Match[str], today: date) -> date | None:
    text = match[0]
    numbers = [int(number) for number in re.findall(r"\d+", text)]
    match match.lastgroup:
        case "iso":
            return _date(numbers[0], numbers[1], numbers[2])
        case "md" | "dm":
            month = next((_MONTHS[word] for word in re.findall(r"[a-z]+", text) if word in _MONTHS), 0)
            return _near(today, month, numbers[0], numbers[1] if len(numbers) > 1 else None)
        case "num":
            first, second, *year = numbers
            month, day = (second, first) if first > 12 else (first, second)
            return _near(today, month, day, year[0] if year else None)
        case "dot":
            return _near(today, numbers[1], numbers[0], numbers[2] if len(numbers) > 2 else None)
        case "ord":
            return _near(today, today.month, numbers[0], None)
        case "wd":
            number = next((number for name, number in _WEEKDAYS.items() if re.search(rf"\b{name}", text)), 0)
            return today - timedelta(days=(today.weekday() - number) % 7 or 7)
        case "hours":
            return today
        case "ago":
            count = numbers[0] if numbers else next((_COUNT[word] for word in text.split() if word in _COUNT), 1)
            return today - timedelta(days=count * (7 if "week" in text else 1))
        case "word":
            return None if text not in _BACK else today - timedelta(days=_BACK[text])
        case _:
            return None


def _near(today: date, month: int, day: int, year: int | None) -> date | None:
    """The date meant; without a year, the one nearest to today, but not far ahead: people tell of what was."""
    if year is not None:
        return _date(year + 2000 if year < 100 else year, month, day)
    tries = [found for found in (_date(today.year + step, month, day) for step in (-1, 0, 1)) if found]
    told = [found for found in tries if found - today <= AHEAD_MAX]
    return min(told, key=lambda found: abs((found - today).days), default=None)


def _date(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None


_CONTACT = re.compile(
    r"\b(?:messag(?:ed?|es|ing)|e-?mail(?:ed|s|ing)?|mailed|wrote|written|writing|text(?:ed|"
    r"s)|call(?:ed|s|ing)?|phoned|rang|spoke|talk(?:ed|s)?|contact(?:ed|ing)|reach(?:ed)? out|"
    r"follow(?:ed)?[ -]?up|followup|remind(?:ed|ers?)?|asked|asks|asking|repl(?:y|ied|ies)|"
    r"respon(?:ded|se|ds)|answer(?:ed|s)?|(?:re-?)?submitted|(?:re-?)?submit|uploaded|"
    r"(?:re)?sent|"
    r"reject(?:ed|s)|declin(?:ed|es)|refus(?:ed|es)|approved|approves|returned|voice ?mail|"
    r"ping(?:ed)?|told|said|says|promised|discussed|chatted|met with|complained to|noted?|"
    r"hung up|picks? up|took (?:it|the approval) back|sending|"
    r"escrib\w+|llam(?:e|o|amos)|mand(?:e|o)|envi(?:e|o)|contest(?:o|e)|respondio|rechazo|"
    r"hable|appele\w*|ecrit|envoye\w*|relance\w*|repondu|"
    r"geschrieben|angerufen|geschickt|eingereicht|geantwortet|abgelehnt|erinnert|schrieb|rief|"
    r"liguei|escrevi|mandei|enviei|respondeu|recusou|cobrei)\b"
)
_WORK = re.compile(
    r"\b(?:work(?:ed|ing)?|complet(?:ed|ion|e)|compleat|finish(?:ed)?|perform(?:ed)?|"
    r"arriv(?:ed|al)|on[- ]?site|installed|did (?:the|this|that|a)|job (?:was|on|date)|"
    r"check(?:ed)?[ -]in|start(?:ed|s)?|visits?|"
    r"scheduled|hired|engaged|done|termin(?:e|ado)|abgeschlossen|fiz|realice|unpaid|overdue)\b"
)
_SUPPORT = re.compile(
    r"\bsupport\b|\byour (?:team|line|office|hotline|help ?desk|agents?|staff)\b|\b(?:wrote|"
    r"written|e-?mailed|messaged|called|contacted|told|asked|texted)(?: to)? you\b(?! (?:that|"
    r"guys are))|"
    r"\b(?:opened|submitted) a (?:support )?(?:ticket|case|dispute)\b"
)
_DENIED = re.compile(
    r"\b(?:not|never|n't|[a-z]+n't|havent|hasnt|didnt|dont|doesnt|wont|neither|nor|no|without|"
    r"nobody|no one|nie|pas|nicht|nao|sin|sem|keine?)(?: \w+){0,2} "
    r"(?:approved?|approves|answer\w*|repl\w+|respon\w+|call(?:ed)?|contact\w*|submitted|"
    r"contest\w*|said|back)\b"
)
_AHEAD = re.compile(
    r"\b(?:due|will|going to|should be|shall|until|deadline|expect\w*|'ll|supposed|"
    r"next (?:week|monday|tuesday|wednesday|thursday|friday)|by (?:mon|tues|wednes|thurs|"
    r"fri)day|if|since|seit|desde|depuis)\b"
)
_CLAUSE = re.compile(
    r"[,;:()]| - | (?:and|then|but|y|und|et|e|aber|mais|pero|while|when|after|though|"
    r"although)(?= )"
)
_GOES_ON = (
    r"(?:first|then|and|again|also|once|twice|second|third|finally|lastly|- |on |in |\d|"
    r"monday|tuesday|wednesday|thursday|friday|saturday|sunday)"
)
_PAIR = re.compile(
    r"\b(?:called|texted|emailed|e-mailed|messaged|wrote|phoned)(?:,| and|"
    r" &) (?:then )?(?:also )?(?:called|texted|emailed|e-mailed|messaged|wrote|phoned)\b"
)


def contacts(text: str, when: datetime | None) -> tuple[Contact, ...]:
    """The contacts between worker and client that a text places in time, in its order, at most CONTACTS_MAX.

    `when` is the date of the mail (UTC) or None. Work dates and contacts with support are left out.
    """
    made: list[Contact] = []
    mode = None
    for sentence in sentences(text):
        chat = chat_line(sentence)
        if chat is not None and chat.stamp and "support" not in chat.who.lower():
            made.append(Contact(sentence, chat.stamp))
        else:
            found, mode = placed(plain(sentence), when, mode)
            made.extend(Contact(sentence, moment.placed) for moment in found)
        if len(made) >= CONTACTS_MAX:
            break
    return tuple(made[:CONTACTS_MAX])


def placed(low: str, when: datetime | None, mode: str | None = None) -> tuple[tuple[Moment, ...], str | None]:
    """The moments at which a plain sentence places a contact, and what it is about: "contact", "work" or "support".

    `mode` is what the sentence before was about: "He rejected it twice. First on 3/2, then on 3/5." goes on with it.
    """
    goes_on = mode if mode != "work" and compiled(_GOES_ON).match(low) else None
    mode = goes_on
    made: list[Moment] = []
    waiting: list[Moment] = []
    before = ""
    for clause in _clauses(low):
        told = _CONTACT.search(_DENIED.sub(" ", clause))
        if _SUPPORT.search(clause):
            mode = "support"
        elif told:
            mode = "contact"
        elif _WORK.search(clause):
            mode = "work"
        times = _placing(clause, told, when)
        if mode is None:
            waiting.extend(times)
            continue
        if mode == "contact":
            made.extend((*waiting, *times))
            if made and not times and told and _PAIR.search(before + clause):
                made.append(made[-1])  # "On Monday I called and emailed" are two.
        if mode == "work" and times and not told:
            mode = None
        waiting, before = [], clause
    return tuple(made), mode


def _placing(clause: str, told: re.Match[str] | None, when: datetime | None) -> list[Moment]:
    """The moments of a clause that can place a contact: not ones to come, nor what lies behind "since" or "until"."""
    ahead = _AHEAD.search(clause)
    if ahead is not None and (told is None or told.start() > ahead.start()):
        return []
    return [moment for _, moment in moments(clause, when) if not _future(moment, when)]


def _future(moment: Moment, when: datetime | None) -> bool:
    return when is not None and moment.on is not None and moment.on > when.date() + timedelta(days=1)


def _clauses(low: str) -> Iterator[str]:
    """The clauses of a sentence; a comma inside "March 3, 2026" does not part them."""
    start = 0
    for cut in _CLAUSE.finditer(low):
        if cut[0] == "," and re.match(r" 20\d\d\b", low[cut.end() : cut.end() + 6]):
            continue
        if low[start : cut.start()].strip():
            yield low[start : cut.start()]
        start = cut.start() if cut[0].startswith(" ") else cut.end()
    if low[start:].strip():
        yield low[start:]


def dated(passages: Iterable[Passage], when: datetime | None) -> tuple[tuple[Passage, Moment], ...]:
    """Every contact of a mail placed in time, with the passage that tells of it: narrated, pasted or quoted."""
    found: list[tuple[Passage, Moment]] = []
    seen: set[tuple[str, str]] = set()
    mode = None
    for passage in passages:
        if passage.voice is Voice.US:
            continue
        if passage.stamped is not None:
            # Every line of a chat is a contact; all sentences of one quoted mail are one.
            key = (passage.stamped, "" if passage.where == "quote" else passage.low)
            if key not in seen:
                seen.add(key)
                day = next((moment.on for _, moment in moments(plain(passage.stamped), when)), None)
                found.append((passage, Moment(passage.stamped, day)))
            continue
        if passage.where != "subject":
            told, mode = placed(passage.low, when, mode)
            found.extend((passage, moment) for moment in told)
        if len(found) >= CONTACTS_MAX:
            break
    return tuple(found[:CONTACTS_MAX])
