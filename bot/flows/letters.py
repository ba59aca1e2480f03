"""Every letter's words: a template, its facts and one addressee become subject, plain text and HTML.

What people wrote (names, statements, grounds, file names) never passes through Jinja2 or Markdown: templates see a sign
in its place, and `page` puts it in at the very end.
"""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache
from hashlib import sha256
from json import dumps
from types import MappingProxyType
from unicodedata import category

from babel.core import Locale, UnknownLocaleError
from babel.dates import format_date, format_time, get_timezone_location
from jinja2 import DictLoader, StrictUndefined, TemplateError, TemplateSyntaxError, meta
from jinja2.sandbox import ImmutableSandboxedEnvironment
from whenever import Instant

from bot.flows import page
from bot.flows.case import Party
from bot.flows.effects import Letter, Value
from bot.flows.policy import Wording as Words
from bot.flows.samples import samples

SUBJECT_CHARS_MAX = 200
NAME_CHARS_MAX = 60

_COMMON = "subject kind side role other claims_money assignment_ids listed"
_FACTS: Mapping[str, str] = {
    "receipt": "has missing invited unread_files relayed"
    " deadline? end? remind_first? notice_on? notice_by_person? sleep_until? sleep_why?",
    "receipt_sorting": "",
    "receipt_danger": "",
    "partial": "has missing unread_files deadline? end?",
    "complete": "has unread_files notice_on notice_by_person sleep_until? sleep_why? relayed",
    "request": "missing reason deadline end",
    "notice": "missing opener_role deadline end",
    "reminder": "missing step asked_at deadline end",
    "final": "missing asked_at end",
    "answer_received": "has unread_files next",
    "filed": "stage person",
    "status": "stage awaits since next_at?",
    "release": "statement from_role comment_until agree_until",
    "agree": "agree_until",
    "impasse": "impasse silent",
    "outcome": "code grounds reconsider_until reconsidered?",
    "closing": "how closes_on",
    "settled_question": "",
    "reopened": "missing deadline? end?",
    "reconsideration": "",
    "extended": "deadline? end?",
    "extended_other": "until",
    "catch_up": "missing deadline? end?",
    "reply": "text by_name",
}

LETTERS: tuple[str, ...] = tuple(_FACTS)
"""The name of every letter; each has a template `<name>.md`."""

_CODES = frozenset(
    (
        *("kind", "side", "role", "other", "opener_role", "from_role", "has", "missing"),
        *("stage", "awaits", "next", "code", "impasse", "how", "sleep_why"),
    )
)
"""Facts whose values are words of ours, which templates compare; every other text is somebody's own words."""

_CODE = re.compile(r"[a-z_]*")


class MissingFacts(ValueError):
    """A letter was decided without facts that its template needs; the message names them."""


@dataclass(frozen=True, slots=True)
class Rendered:
    """A letter as it will be sent. `subject` is one line; `text` ends with a line end; `html` is a whole document."""

    subject: str
    text: str
    html: str


@dataclass(frozen=True, slots=True)
class Wording:
    """The templates by file name (`notice.md`, `_parts.md`; another language in its folder, `de/notice.md`), and the
    words of this operator.

    Equal wordings have equal `hash`es (SHA-256, hex). Compiled templates are kept with the value.
    """

    templates: Mapping[str, str] = field(hash=False)
    words: Words
    hash: str = field(init=False)
    _environment: ImmutableSandboxedEnvironment = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "templates", MappingProxyType(dict(sorted(self.templates.items()))))
        object.__setattr__(self, "hash", sha256(self.canonical().encode()).hexdigest())
        object.__setattr__(self, "_environment", _environment(self.templates))

    def canonical(self) -> str:
        """All of it as JSON with sorted keys: what the store keeps of a wording that was in force."""
        whole = {"templates": dict(self.templates), "words": asdict(self.words)}
        return dumps(whole, ensure_ascii=False, sort_keys=True)

    def filled(self, name: str, facts: Mapping[str, object]) -> str:
        """The template `name` with these facts; raises what Jinja2 raises."""
        return self._environment.get_template(name).render(facts)

    @property
    def languages(self) -> tuple[str, ...]:
        """The languages there are templates in, the operator's own (the files without a folder) first."""
        folders = {name.partition("/")[0] for name in self.templates if "/" in name}
        return (self.words.language, *sorted(folders - {self.words.language}))

    def folder(self, language: str) -> str:
        """Where the templates of `language` are: "de/", or "" for the operator's own, also where there are none."""
        return f"{language}/" if any(name.startswith(f"{language}/") for name in self.templates) else ""


def render(letter: Letter, label: str, party: Party, zone: str, wording: Wording) -> Rendered:
    """The letter to `party`, whose case is `label` ("D-1042"); its moments are drawn in `zone`, an IANA name.

    `listed` in the facts allows the name that the directory gives the addressee; without it only a name from its own
    mail or from staff is used. The other side's name and address are never used. Raises `MissingFacts`, and whatever
    the template raises (`check` finds that at the start).
    """
    language = party.lang if wording.folder(party.lang) else wording.words.language
    held = _Held(language, zone, wording.words)
    read = page.read(_markdown(letter, label, party, held, wording))
    words = page.one_line(str(letter.facts["subject"]))[:SUBJECT_CHARS_MAX]
    footer = wording.words.footer
    return Rendered(
        subject=f"[{label}] {words}",
        text=page.text(read, held.texts, footer),
        html=page.document(read, held.texts, page.Frame(f"{label} · {words}", language, footer)),
    )


def check(wording: Wording) -> tuple[str, ...]:
    """What is wrong with the templates, one sentence each, by file: missing, not readable, or asking for unknown facts.

    Run at start: it also fills in every sample letter, so that nothing is left to be found when a letter is due.
    """
    found: list[str] = []
    for folder in dict.fromkeys(wording.folder(language) for language in ("", *wording.languages)):
        found += [f"{name}: the template is missing" for name in _needed(folder) if name not in wording.templates]
    found += [problem for name in wording.templates for problem in _problems(name, wording)]
    if not found:
        found += [problem for language in wording.languages for problem in _trials(language, wording)]
    return tuple(dict.fromkeys(found))


LOADED: tuple[str, ...] = (
    *(r"claim(s|ed|ing|ant)?", r"accus\w*", r"alleg\w*", r"fault\w*", r"guilt\w*", r"blam\w*", r"victim\w*"),
    *(r"fail(s|ed|ure|ing)?", r"refus\w*", r"ignor\w*", r"reject\w*", r"complain\w*", r"defendant", r"plaintiff"),
    *(
        r"opponent",
        r"perpetrator",
        r"offen[cds]\w*",
        r"violat\w*",
        r"breach\w*",
        r"penal\w*",
        r"punish\w*",
        r"sanction\w*",
    ),
    *(r"dishonest\w*", r"li(e|es|ed|ar)", r"fraud\w*", r"cheat\w*", r"innocent", r"wrongdoing", r"misconduct"),
    *(r"unfortunately", r"obviously", r"clearly", r"of course", r"simply", r"demand\w*", r"threat\w*", r"verdict"),
    *(
        r"against (you|the (worker|client))",
        r"w[io]n(s|ner|ning)?",
        r"los(e|es|er|ing)",
        r"must",
        r"asap",
        r"immediately",
    ),
    *(r"we (promise|ensure|assure|expect)", r"(surely|certainly|likely|probably)", r"you will (get|receive|be paid)"),
    *(r"will be (paid|changed|removed|kept)", r"(we|can|do) guarantee", r"in your favou?r", r"good chance"),
)
"""Words (regular expressions) that take a side, blame, press or foretell; no sentence of ours holds one."""

_LOADED = re.compile(rf"\b(?:{'|'.join(LOADED)})\b", re.IGNORECASE)


def loaded(text: str) -> tuple[str, ...]:
    """The loaded words in `text`, in order; empty: it is neutral."""
    return tuple(match.group() for match in _LOADED.finditer(text))


# --- Checking -------------------------------------------------------------------------------------------------------


def _needed(folder: str) -> tuple[str, ...]:
    return tuple(f"{folder}{name}.md" for name in LETTERS)


def _problems(name: str, wording: Wording) -> list[str]:
    """What the source of one template shows without running it."""
    source = wording.templates[name]
    letter = name.rpartition("/")[2].removesuffix(".md")
    if not letter.startswith("_") and letter not in _FACTS:
        return [f"{name}: there is no letter of this name; there are {', '.join(LETTERS)}"]
    if page.SIGNS.search(source):
        return [f"{name}: holds a sign of Unicode's private area (U+E000 to U+E003), which Parley uses itself"]
    try:
        tree = wording._environment.parse(source)
    except TemplateSyntaxError as error:
        return [f"{name} line {error.lineno}: {error.message}"]
    known = set(_GLOBALS)
    if letter in _FACTS:
        known |= {"label", "name", *_names(letter), *_COMMON.split()}
    unknown = sorted(meta.find_undeclared_variables(tree) - known)
    files = {file for file in meta.find_referenced_templates(tree) if file is not None}
    return [
        *(f'{name}: "{fact}" is not a fact of this letter; it has {", ".join(sorted(known))}' for fact in unknown),
        *(f'{name}: uses "{file}", which is missing' for file in sorted(files) if file not in wording.templates),
    ]


def _trials(language: str, wording: Wording) -> list[str]:
    found = []
    for sample in samples():
        try:
            party = Party(sample.letter.role, "Dana Reyes", "mail", lang=language)
            _markdown(sample.letter, "D-1042", party, _Held(language, "America/New_York", wording.words), wording)
        except (TemplateError, TypeError, ValueError, LookupError) as error:
            found.append(f"{wording.folder(language)}{sample.letter.name}.md: {error}")
    return found


# --- Facts to context -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Moment:
    """A moment as its reader's wall clock shows it: "Wednesday, 11 March 2026", "15:00", "New York", "UTC−4".

    `place` is empty for UTC and for zones that are mere offsets.
    """

    at: datetime
    day: str
    clock: str
    place: str
    offset: str


class _Held:
    """The words of one letter that templates never see: `keep` gives the sign that stands for them."""

    def __init__(self, language: str, zone: str, words: Words) -> None:
        self.texts = [words.operator, words.marketplace, words.signature, words.person]
        self.language = language
        self.zone = zone

    def keep(self, text: str) -> str:
        """The sign for `text`; nothing stands for nothing, so that a template can ask `if reason`."""
        if not text.strip():
            return ""
        self.texts.append(text)
        return page.sign(len(self.texts) - 1)

    def moment(self, at: datetime) -> Moment:
        local = Instant(at).to_tz(self.zone).to_stdlib()
        locale = _locale(self.language)
        day = format_date(local, "EEEE, d MMMM y" if locale.language == "en" else "full", locale)
        place = _place(self.zone, self.language)
        keep = self.keep
        clock = format_time(local, "HH:mm", locale=locale)
        return Moment(at, keep(day), keep(clock), keep(place), keep(_offset(local)))


def _markdown(letter: Letter, label: str, party: Party, held: _Held, wording: Wording) -> str:
    """The template filled in: Markdown with signs in the place of words that are not ours."""
    facts = _context(letter, held)
    facts["label"] = held.keep(label)
    facts["name"] = held.keep(_greeted(party, listed=letter.facts["listed"] is True))
    return wording.filled(f"{wording.folder(party.lang)}{letter.name}.md", facts)


def _names(letter: str) -> dict[str, bool]:
    """The facts of a letter, and whether each may be absent."""
    return {fact.rstrip("?"): fact.endswith("?") for fact in _FACTS[letter].split()}


def _context(letter: Letter, held: _Held) -> dict[str, object]:
    names = dict.fromkeys(_COMMON.split(), False) | _names(letter.name)
    missing = [name for name, optional in names.items() if not optional and name not in letter.facts]
    if missing:
        raise MissingFacts(f"letter {letter.name}: {', '.join(missing)} missing from its facts")
    return {name: _shown(name, letter.facts.get(name), held) for name in names}


def _shown(name: str, value: Value | None, held: _Held) -> object:
    match value:
        case datetime():
            return held.moment(value)
        case str() if name in _CODES and _CODE.fullmatch(value):
            return str(value)
        case str():
            return held.keep(value)
        case tuple() if name in _CODES and all(_CODE.fullmatch(part) for part in value):
            return tuple(map(str, value))
        case tuple():
            return tuple(held.keep(part) for part in value)
        case bool() | int() | None:
            return value


def _greeted(party: Party, *, listed: bool) -> str:
    """The addressee's name, if it may be used and looks like one: no address, no link, no mark-up."""
    name = page.one_line(party.name)
    if (party.named_by == "directory" and not listed) or len(name) > NAME_CHARS_MAX or re.search(r"\.\S", name):
        return ""
    return name if all(sign in " .'’-" or category(sign)[0] in "LM" for sign in name) else ""


@lru_cache(maxsize=64)
def _locale(language: str) -> Locale:
    try:
        return Locale.parse(language.replace("-", "_"))
    except (UnknownLocaleError, ValueError):
        return Locale("en")


@lru_cache(maxsize=1024)
def _place(zone: str, language: str) -> str:
    if zone == "UTC" or "/" not in zone or zone.startswith("Etc/"):
        return ""
    return get_timezone_location(zone, locale=_locale(language), return_city=True).rpartition("/")[2]


def _offset(local: datetime) -> str:
    minutes = (local.utcoffset() or timedelta()) // timedelta(minutes=1)
    hours, rest = divmod(abs(minutes), 60)
    sign = "−" if minutes < 0 else "+"
    return "UTC" if minutes == 0 else f"UTC{sign}{hours}{f':{rest:02}' if rest else ''}"


# --- Templates ------------------------------------------------------------------------------------------------------

_GLOBALS = {name: page.sign(place) for place, name in enumerate(("operator", "marketplace", "signature", "person"))}
"""The operator's words in templates, in the order in which `_Held` begins."""


def _environment(templates: Mapping[str, str]) -> ImmutableSandboxedEnvironment:
    environment = ImmutableSandboxedEnvironment(
        loader=DictLoader(templates),
        undefined=StrictUndefined,
        autoescape=False,  # The result is Markdown; `page` escapes.
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
        cache_size=-1,
    )
    environment.globals.update(_GLOBALS)
    environment.filters.update(quoted=page.quoted, written=page.written)
    return environment
