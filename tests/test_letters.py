"""Every letter, as its reader sees it: the snapshots in tests/letters, and the rules that hold for all of them.

After a change of words: `SNAPSHOTS=update python -m pytest tests/test_letters.py`, then read the difference.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from html import escape
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import pytest

from bot.flows import letters
from bot.flows.case import ItemName, Kind, Party, Role, Stage
from bot.flows.decide import OUTCOMES
from bot.flows.effects import Letter
from bot.flows.events import ImpasseConfirmed, OutcomeRecorded, Released, StaffReplied, TalksSkipped
from bot.flows.letters import LETTERS, MissingFacts, Rendered, Wording, loaded, render
from bot.flows.policy import Wording as Words
from bot.flows.samples import Sample, samples
from tests.play import ID, LISTING, Play, found

ROOT = Path(__file__).resolve().parent.parent
SNAPSHOTS = Path(__file__).parent / "letters"

WORDS = Words(
    language="en",
    operator="the support team",
    marketplace="the marketplace",
    signature="The support team",
    person="To reach a person, write so in your reply; somebody of the support team reads it.",
    footer="",
)
FOLDER = ROOT / "bot" / "letters"
TEMPLATES = {path.relative_to(FOLDER).as_posix(): path.read_text() for path in FOLDER.rglob("*.md")}
WORDING = Wording(TEMPLATES, WORDS)
SAMPLES = samples()
BY_PERSON = {"reply", "outcome"}
MONEY = {"payment": "Payment cannot be guaranteed.", "client": "We do not decide whether money is due"}


def drawn(letter: Letter, name: str = "Dana Reyes", zone: str = "America/New_York", named_by: str = "mail") -> Rendered:
    return render(letter, "D-1042", Party(letter.role, name, named_by), zone, WORDING)


def file_of(sample: Sample) -> str:
    kind = sample.letter.facts["kind"]
    return f"{sample.letter.name}-{kind}-{sample.opener}-opens.txt" if kind else f"{sample.letter.name}.txt"


def snapshots() -> dict[str, str]:
    """What each file of the folder should hold: all samples of one letter, kind and opener, one after the other."""
    held: dict[str, str] = {}
    for sample in SAMPLES:
        shown = drawn(sample.letter)
        about = f"{f' ({sample.variant})' if sample.variant else ''}"
        head = f"#### To the {sample.letter.role}{about}\n\nSubject: {shown.subject}\n\n"
        held[file_of(sample)] = held.get(file_of(sample), "") + head + shown.text + "\n"
    return held


EXPECTED = snapshots()
if os.environ.get("SNAPSHOTS") == "update":
    for path in SNAPSHOTS.glob("*.txt"):
        path.unlink()
    for name, text in EXPECTED.items():
        (SNAPSHOTS / name).write_text(text, encoding="utf-8")


def one(name: str, kind: str = "payment", variant: str | None = None, role: Role | None = None) -> Letter:
    """The first sample of that letter, opened by the worker where the letter has an opener."""
    return next(
        sample.letter
        for sample in SAMPLES
        if sample.letter.name == name and sample.letter.facts["kind"] in (kind, "")
        if variant in (None, sample.variant) and role in (None, sample.letter.role)
    )


def ids(sample: Sample) -> str:
    return f"{file_of(sample).removesuffix('.txt')} to {sample.letter.role} {sample.variant}".strip()


def of(name: str) -> list[Sample]:
    return [sample for sample in SAMPLES if sample.letter.name == name]


every_letter = pytest.mark.parametrize("name", LETTERS)


# --- The table and the folder ---------------------------------------------------------------------------------------


def test_the_folder_holds_exactly_the_snapshots_of_the_table() -> None:
    assert {path.name for path in SNAPSHOTS.iterdir()} == set(EXPECTED)


@pytest.mark.parametrize("name", EXPECTED)
def test_a_letter_reads_as_its_snapshot(name: str) -> None:
    assert (SNAPSHOTS / name).read_text(encoding="utf-8") == EXPECTED[name]


def test_every_letter_has_a_template_and_samples_of_both_kinds_and_both_openers() -> None:
    assert {name.removesuffix(".md") for name in TEMPLATES} == {*LETTERS, "_parts"}
    assert {sample.letter.name for sample in SAMPLES} == set(LETTERS)
    for name in set(LETTERS) - {"receipt_sorting", "receipt_danger"}:
        seen = {(s.letter.facts["kind"], s.opener) for s in SAMPLES if s.letter.name == name}
        assert len(seen) == 4, name


def test_the_documentation_lists_every_letter() -> None:
    rows = re.findall(r"^\| (`[^|]+`) \|", (ROOT / "docs" / "letters.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(re.findall("`([a-z_]+)`", " ".join(rows))) == sorted(LETTERS)


# --- What every letter keeps to -------------------------------------------------------------------------------------


@every_letter
def test_it_uses_no_loaded_word(name: str) -> None:
    for sample in of(name):
        assert loaded(drawn(sample.letter).text) == ()


@pytest.mark.parametrize("text", ["You failed to answer", "They REFUSED it", "your claims", "you will be paid", "must"])
def test_loaded_words_are_seen(text: str) -> None:
    assert loaded(text) != ()


@every_letter
def test_a_letter_about_money_says_what_cannot_be_promised_to_that_side(name: str) -> None:
    for sample in of(name):
        text = " ".join(drawn(sample.letter).text.split())
        payment = sample.letter.facts["kind"] == "payment"
        worker = sample.letter.role is Role.WORKER
        assert (MONEY["payment"] in text) is (payment and worker)
        assert (MONEY["client"] in text) is (payment and not worker)


@every_letter
def test_a_machines_letter_says_so_and_a_persons_does_not(name: str) -> None:
    for sample in of(name):
        says = "written and sent by a machine" in " ".join(drawn(sample.letter).text.split())
        assert says is (sample.letter.name not in BY_PERSON)


@every_letter
def test_it_says_how_to_reach_a_person_and_what_silence_means(name: str) -> None:
    for sample in of(name):
        text = " ".join(drawn(sample.letter).text.split())
        if sample.letter.name == "reply":
            continue
        assert "Just reply to this mail." in text
        assert WORDS.person in text
        if not sample.letter.name.startswith("receipt_"):
            assert re.search("[Ii]f you do not answer", text)


ORDER = ("What we ask", "What we still ask", "By when", "What happens next", "If you do not answer", "What we cannot")


@every_letter
def test_the_parts_come_in_one_order(name: str) -> None:
    for sample in of(name):
        lines = drawn(sample.letter).text.splitlines()
        heads = [line for line, under in pairwise(lines) if line and set(under) == {"-"}]
        ranks = [rank for head in heads for rank, start in enumerate(ORDER) if head.startswith(start)]
        assert ranks == sorted(ranks)
        if sample.letter.name != "reply":
            assert heads[-1] == "How to reach a person"


@every_letter
def test_plain_text_is_narrow_and_free_of_marks(name: str) -> None:
    for sample in of(name):
        shown = drawn(sample.letter)
        assert max(map(len, shown.text.splitlines())) <= 76
        assert not re.search(r"\*\*|\{\{|\{%|[\ue000-\uf8ff]|\n\n\n", shown.text)
        assert shown.text.endswith("\n")
        assert not shown.text.endswith("\n\n")
        assert "\n" not in shown.subject


MIRROR = {"worker": "client", "client": "worker"}


@pytest.mark.parametrize("name", [name for name in EXPECTED if "-rating-worker-opens" in name])
def test_worker_and_client_get_the_mirrored_letter(name: str) -> None:
    other = EXPECTED[name.replace("-worker-opens", "-client-opens")]
    swapped = re.sub("worker|client", lambda match: MIRROR[match[0]], other)
    assert swapped.split() == EXPECTED[name].split()


@every_letter
def test_a_reply_that_quotes_the_letter_brings_no_dates_of_ours_as_a_timeline(name: str) -> None:
    """Examples leave dates and facts open, so that our own words are never read as the party's."""
    for sample in of(name):
        text = " ".join(drawn(sample.letter).text.split())
        for example in re.findall("“(.*?)”", text):
            assert "[" in example or example == "no answer", example
            assert not re.search(r"\d", example)


def stories() -> list[Play]:
    """Cases played through `decide`, so that the facts it gives are those that the templates ask for."""
    silent, asked, settled, decided = Play(), Play(), Play(), Play()
    silent.complete_payment()
    silent.wait_while(lambda play: play.case.stage is not Stage.IMPASSE)
    silent.happen(ImpasseConfirmed("Robin"))
    asked.opens(Kind.RATING)
    asked.writes(Role.WORKER, assignment_ids=(ID,), listings=(LISTING,))
    asked.wait_while(lambda play: play.case.stage is not Stage.CLOSED)
    asked.writes(Role.WORKER, items=found(ItemName.WORKER_EXPLANATION), assignment_ids=(ID,))
    settled.complete_rating(Role.CLIENT)
    settled.wait("3 business days")
    settled.writes(Role.WORKER, "It is settled.", intent="resolved")
    settled.writes(Role.CLIENT, "Yes.", intent="resolved")
    decided.complete_payment(Role.CLIENT)
    decided.wait("2 business days")
    decided.answers(Role.WORKER)
    for statement in decided.case.statements:
        decided.happen(Released("Robin", statement.number))
    decided.happen(StaffReplied("Robin", Role.CLIENT, "We are on it."))
    decided.happen(TalksSkipped("Robin", "Both said no."))
    decided.happen(OutcomeRecorded("Robin", "partly_paid", "A half was agreed."))
    return [silent, asked, settled, decided]


def test_letters_as_decided_can_be_rendered() -> None:
    letters_seen = [letter for play in stories() for letter in (*play.letters, *play.outbox)]
    assert len({letter.name for letter in letters_seen}) > 12
    for letter in letters_seen:
        shown = drawn(letter)
        assert shown.subject.startswith("[D-1042] ")
        assert loaded(shown.text.replace("It is settled.", "")) == ()


# --- HTML ---------------------------------------------------------------------------------------------------------


class Structure(HTMLParser):
    """The tags of a document: which, with what attributes, and whether they close in order."""

    VOID = frozenset({"meta", "br", "hr"})

    def __init__(self, document: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(document)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.words.append(data)

    def said(self) -> str:
        return " ".join(" ".join(self.words).split())

    def count(self, tag: str) -> int:
        return sum(name == tag for name, _ in self.tags)


ALLOWED = frozenset(
    (
        *("html", "head", "meta", "title", "style", "body", "table", "tr", "td", "blockquote", "div", "span"),
        *("h1", "h2", "p", "ol", "ul", "li", "strong", "em", "br", "a"),
    )
)


@every_letter
def test_html_is_one_column_of_known_tags_that_loads_nothing(name: str) -> None:
    for sample in of(name):
        document = drawn(sample.letter).html
        shown = Structure(document)
        assert shown.open == []
        assert {tag for tag, _ in shown.tags} <= ALLOWED
        assert not re.search(r"https?:|url\(|@import|<script|<img|<link|javascript:", document)
        assert "max-width:600px" in document
        assert "prefers-color-scheme:dark" in document
        assert not re.search("[\ue000-\uf8ff]", document)
        styled = [
            tag for tag, attributes in shown.tags if tag in {"p", "h1", "h2", "li"} and not attributes.get("style")
        ]
        assert styled == []
        if sample.letter.name != "reply":
            assert shown.count("h1") == 1


@every_letter
def test_html_and_text_say_the_same(name: str) -> None:
    for sample in of(name):
        shown = drawn(sample.letter)
        in_text = set(re.findall(r"\w+", re.sub(r"(?m)^\d\. ", "", shown.text)))
        in_html = set(re.findall(r"\w+", Structure(shown.html).said()))
        assert in_text <= in_html


# --- Moments --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("zone", "said"),
    [
        ("America/New_York", "Monday, 9 March 2026, 10:00 (New York time, UTC−4)"),
        ("Europe/London", "Monday, 9 March 2026, 14:00 (London time, UTC)"),
        ("Asia/Kolkata", "Monday, 9 March 2026, 19:30 (Kolkata time, UTC+5:30)"),
        ("Pacific/Kiritimati", "Tuesday, 10 March 2026, 04:00 (Kiritimati time, UTC+14)"),
        ("America/Argentina/Buenos_Aires", "Monday, 9 March 2026, 11:00 (Buenos Aires time, UTC−3)"),
        ("UTC", "Monday, 9 March 2026, 14:00 (UTC)"),
        ("Etc/GMT+5", "Monday, 9 March 2026, 09:00 (UTC−5)"),
    ],
)
def test_a_deadline_is_drawn_with_weekday_date_time_and_zone_of_its_reader(zone: str, said: str) -> None:
    assert said in " ".join(drawn(one("notice"), zone=zone).text.split())


# --- Words of others are data -----------------------------------------------------------------------------------------

HOSTILE = (
    "# Big\n\n[click](https://evil.example) <img src=x onerror=alert(1)> ![i](https://evil.example/x.png)\n"
    "{{ 7 * 7 }} {% raw %} **bold** `code` &amp; <b>b</b>\n> quoted\n\n| a | b |\n"
    "\ue0000\ue001 \ue002q1\ue003 \x00\x1b[31m"
)
PLACES = [
    ("release", "statement"),
    ("request", "reason"),
    ("outcome", "grounds"),
    ("reply", "text"),
    ("reply", "by_name"),
]


@pytest.mark.parametrize(("name", "fact"), PLACES)
def test_words_of_people_stay_words(name: str, fact: str) -> None:
    letter = one(name, variant="with a reason" if name == "request" else None)
    plain = Structure(drawn(letter).html)
    shown = drawn(replace(letter, facts={**letter.facts, fact: HOSTILE}))
    html = Structure(shown.html)
    assert [tag for tag, _ in html.tags] == [tag for tag, _ in plain.tags]
    assert "<img src=x onerror=alert(1)>" in html.said()
    assert "{{ 7 * 7 }}" in shown.text
    assert "[click](https://evil.example)" in shown.text
    assert "<b>" not in shown.html
    assert "\x00" not in shown.text + shown.html


@pytest.mark.parametrize("fact", ["assignment_ids", "unread_files"])
def test_lists_of_names_stay_words(fact: str) -> None:
    letter = one("receipt", variant="a person looks first")
    shown = drawn(
        replace(letter, facts={**letter.facts, fact: ("<script>x</script>\n\n# a", "[b](https://evil.example)")})
    )
    assert "<script" not in shown.html
    assert Structure(shown.html).count("a") == 0
    assert "[b](https://evil.example)" in shown.text


def test_a_statement_stands_verbatim_in_a_quote() -> None:
    statement = "  First line, with   spaces.\r\n\r\n" + "long " * 40 + "end.\nLast <line>"
    letter = one("release")
    shown = drawn(replace(letter, facts={**letter.facts, "statement": statement}))
    lines = [line.rstrip() for line in statement.replace("\r\n", "\n").split("\n")]
    assert "\n".join(f"> {line}".rstrip() for line in lines) in shown.text
    assert "Last &lt;line&gt;</blockquote>" in shown.html


@pytest.mark.parametrize("name", [name for name in LETTERS if name != "release"])
def test_only_a_release_shows_a_statement(name: str) -> None:
    letter = one(name)
    shown = drawn(replace(letter, facts={**letter.facts, "statement": "SECRET WORDS"}))
    assert "SECRET" not in shown.text + shown.html


def test_a_subject_is_one_line_of_bounded_length() -> None:
    letter = one("notice")
    shown = drawn(replace(letter, facts={**letter.facts, "subject": "Payment\r\nBcc: all@evil.example " + "x" * 500}))
    assert shown.subject.startswith("[D-1042] Payment Bcc: all@evil.example xxx")
    assert len(shown.subject) < 220


@pytest.mark.parametrize(
    ("name", "greeting"),
    [
        ("Dana Reyes", "Hello Dana Reyes,"),
        ("Zoë O’Neill-Łuć", "Hello Zoë O’Neill-Łuć,"),
        ("", "Hello,"),
        ("dana@evil.example", "Hello,"),
        ("visit evil.example", "Hello,"),
        ("<b>Dana</b>", "Hello,"),
        ("Dana\nBcc: x", "Hello,"),
        ("D" * 200, "Hello,"),
    ],
)
def test_a_name_is_greeted_only_if_it_looks_like_one(name: str, greeting: str) -> None:
    assert greeting in drawn(one("notice"), name=name).text.splitlines()


def test_a_name_from_the_directory_waits_until_the_case_is_sure() -> None:
    letter = one("notice")
    unsure = replace(letter, facts={**letter.facts, "listed": False})
    assert "Hello Dana Reyes," in drawn(letter, named_by="directory").text
    assert "Dana" not in "".join((drawn(unsure, named_by="directory").text, drawn(unsure, named_by="directory").html))
    assert "Hello Dana Reyes," in drawn(unsure, named_by="mail").text


@pytest.mark.parametrize("kind", OUTCOMES)
def test_every_outcome_has_a_phrase_of_its_own(kind: str) -> None:
    codes = [s for s in SAMPLES if s.letter.name == "outcome" and s.letter.facts["kind"] == kind]
    phrases = {drawn(s.letter).text for s in codes if s.letter.role is Role.WORKER and s.opener is Role.WORKER}
    assert len(phrases) == len(next(table for name, table in OUTCOMES.items() if name == kind)) + 1


def test_a_fact_that_is_missing_is_named() -> None:
    letter = one("final")
    with pytest.raises(MissingFacts, match=r"letter final: asked_at, end missing"):
        drawn(replace(letter, facts={k: v for k, v in letter.facts.items() if k not in {"end", "asked_at"}}))


# --- The wording ----------------------------------------------------------------------------------------------------


def spoiled(**files: str | None) -> tuple[str, ...]:
    changed = {**TEMPLATES, **{f"{name}.md": text for name, text in files.items() if text is not None}}
    for name in (name for name, text in files.items() if text is None):
        del changed[f"{name}.md"]
    return letters.check(Wording(changed, WORDS))


def test_the_shipped_wording_has_no_problem() -> None:
    assert letters.check(WORDING) == ()


def test_every_missing_template_is_named() -> None:
    assert spoiled(notice=None, final=None) == (
        "notice.md: the template is missing",
        "final.md: the template is missing",
    )


def test_a_missing_part_is_named() -> None:
    assert 'notice.md: uses "_parts.md", which is missing' in spoiled(_parts=None)


def test_an_unknown_fact_is_named() -> None:
    (problem,) = spoiled(notice="Hello {{ surname }}")
    assert problem.startswith('notice.md: "surname" is not a fact of this letter; it has assignment_ids,')


def test_a_slip_of_the_pen_is_named_with_its_line() -> None:
    (problem,) = spoiled(notice="one\n\n{% if %}")
    assert problem.startswith("notice.md line 3: ")


def test_an_unknown_letter_is_named() -> None:
    (problem,) = spoiled(notise="x")
    assert problem.startswith("notise.md: there is no letter of this name")


def test_what_only_shows_when_run_is_found() -> None:
    (problem,) = spoiled(final='{% import "_parts.md" as say %}{{ say.nothing_of_the_kind() }}')
    assert problem.startswith("final.md: ")
    assert "nothing_of_the_kind" in problem


@pytest.mark.parametrize("source", ["{{ ''.__class__.__mro__ }}", "{{ missing.__class__ }}", "\ue0000\ue001"])
def test_a_template_can_reach_nothing_outside(source: str) -> None:
    assert spoiled(final=source) != ()


def test_equal_wordings_have_equal_hashes_and_others_do_not() -> None:
    again = Wording(dict(reversed(TEMPLATES.items())), WORDS)
    assert (again, again.hash, hash(again)) == (WORDING, WORDING.hash, hash(WORDING))
    assert Wording({**TEMPLATES, "notice.md": "x"}, WORDS).hash != WORDING.hash
    assert Wording(TEMPLATES, replace(WORDS, footer="x")).hash != WORDING.hash


def test_another_language_is_another_folder() -> None:
    german = {f"de/{name}": text.replace("Hello", "Guten Tag") for name, text in TEMPLATES.items()}
    german = {name: text.replace('"_parts.md"', '"de/_parts.md"') for name, text in german.items()}
    wording = Wording({**TEMPLATES, **german}, WORDS)
    assert letters.check(wording) == ()
    letter = one("notice")
    shown = render(letter, "D-1042", Party(letter.role, "Dana", "mail", lang="de"), "Europe/Berlin", wording)
    assert "Guten Tag Dana," in shown.text
    assert "Montag, 9. März 2026, 15:00" in shown.text
    assert '<html lang="de"' in shown.html
    other = render(letter, "D-1042", Party(letter.role, "Dana", "mail", lang="fr"), "Europe/Paris", wording)
    assert "Hello Dana," in other.text
    assert letters.check(Wording({**TEMPLATES, **german, "de/final.md": "{{ x }}"}, WORDS)) != ()


def test_the_operators_words_and_footer_are_data_too() -> None:
    words = replace(WORDS, operator="<b>team</b> *A*", footer="Example GmbH <x>, 1 Example Street")
    letter = one("notice")
    shown = render(letter, "D-1042", Party(letter.role), "UTC", Wording(TEMPLATES, words))
    assert "<b>team</b> *A*" in " ".join(shown.text.split())
    assert "&lt;b&gt;team&lt;/b&gt; *A*" in shown.html
    assert shown.text.endswith("\nExample GmbH <x>, 1 Example Street\n")
    assert "Example GmbH &lt;x&gt;" in shown.html


def test_links_of_a_template_are_kept_if_they_are_safe() -> None:
    source = "[guide](https://guide.example/a) [x](javascript:alert(1)) [y](http://plain.example)"
    wording = Wording({**TEMPLATES, "reply.md": source}, WORDS)
    shown = render(one("reply"), "D-1042", Party(Role.WORKER), "UTC", wording)
    assert "guide (https://guide.example/a)" in shown.text
    targets = [attributes.get("href") for tag, attributes in Structure(shown.html).tags if tag == "a"]
    assert targets == ["https://guide.example/a"]


def documents() -> Iterator[tuple[str, str]]:
    """Each letter that looks different, and some with words that are hard to lay out, as HTML."""
    for sample in SAMPLES:
        if sample.opener is Role.WORKER:
            yield ids(sample), drawn(sample.letter).html
    long = "w" * 300
    release, receipt = one("release"), one("receipt", variant="a person looks first")
    yield "long statement", drawn(replace(release, facts={**release.facts, "statement": f"{long}\n{long}"})).html
    names = {**receipt.facts, "unread_files": (f"{long}.pdf",), "assignment_ids": (long,), "subject": long}
    yield "long names", drawn(replace(receipt, facts=names)).html


# --- In a browser ---------------------------------------------------------------------------------------------------

PHONE_PX = 360

QUIET = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
)
MEASURE = """
<pre id="wide"></pre>
<script>
addEventListener("load", () => {
  const pages = [...document.querySelectorAll("iframe")].map(f => [f.title, f.contentDocument.documentElement]);
  const wide = pages.filter(([, page]) => page.scrollWidth > page.clientWidth).map(([title]) => title);
  document.getElementById("wide").textContent = `seen ${pages.length}\\n${wide.join("\\n")}`;
});
</script>
"""


@pytest.mark.browser
def test_no_letter_scrolls_sideways_on_a_phone(tmp_path: Path) -> None:
    shown = dict(documents())
    frames = [
        f'<iframe width="{PHONE_PX}" height="700" title="{escape(name)}" srcdoc="{escape(document)}"></iframe>'
        for name, document in shown.items()
    ]
    page = tmp_path / "letters.html"
    page.write_text(f"<!DOCTYPE html>{''.join(frames)}{MEASURE}", encoding="utf-8")
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or "chromium"
    asked = [browser, *QUIET, f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom", page.as_uri()]
    said = subprocess.run(asked, capture_output=True, text=True, timeout=120, check=True).stdout
    measured = re.search(r'<pre id="wide">(.*?)</pre>', said, re.DOTALL)
    assert measured
    assert measured[1].strip() == f"seen {len(shown)}"
