"""What a person sees and does in a real browser: the sandbox's page, and letters as they are rendered."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from bot import cli
from tests.sandbox_script import Script, sandbox
from tests.webdriver import Browser, browser, until

pytestmark = pytest.mark.browser

SLACK = "section[@id='slack']"


@pytest.fixture(scope="module")
def play(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Script]:
    with sandbox(tmp_path_factory.mktemp("box")) as script:
        yield script


@pytest.fixture
def page(play: Script, tmp_path: Path) -> Iterator[Browser]:
    with browser(tmp_path) as window:
        window.resize(1400, 900)
        window.open(str(play.http.base_url))
        yield window


def test_a_newcomer_sends_a_sample_works_the_case_and_moves_the_clock(page: Browser, play: Script) -> None:
    page.click("Write to support", "section[@data-side='worker']")
    page.choose("section[data-side=worker] .sample select", "payment")
    page.click("Send", "section[@data-side='worker']")
    page.shows("We have received your message")
    page.shows("D-1001 · Payment dispute · 4471829360")
    page.run("document.querySelectorAll('#slack .messages button')[0].click()")
    page.click("Take the case", SLACK)
    page.shows("Sam Whitfield took the case.")
    page.click("Reply to worker", SLACK)
    page.type("dialog textarea", "Could you send the photos?")
    page.click("Preview with my words", "dialog")
    page.shows("This is about a payment, case D-1001.")
    page.click("Send", "dialog")
    until(lambda: page.run("return !document.querySelector('dialog').open"), "the form closes")
    page.click("+ 1 business day")
    page.shows("We ask for your side")
    assert "Could you send the photos?" in play.mailbox("dana@worker.example")[-1]["text"]


def test_what_did_not_change_stays_under_the_pointer(page: Browser, play: Script) -> None:
    page.shows("Worker’s mailbox")
    play.mail("dana@worker.example", "Please help me with my rating.", subject="Rating")
    page.shows("We have received your message")
    page.run("for (const each of document.querySelectorAll('article')) each.marked = true")
    before = len(play.get("/api/state")["cases"])
    play.mail("dana@worker.example", "And with another one.", subject="Another rating")
    until(lambda: len(play.get("/api/state")["cases"]) > before, "another case")
    play.idle()
    until(lambda: page.run("return [...document.querySelectorAll('article')].some((e) => !e.marked)"), "what is new")
    left = page.run("return [...document.querySelectorAll('article')].filter((e) => e.marked).length")
    assert isinstance(left, int)
    assert left >= 1


def test_a_form_with_nothing_in_it_says_what_is_missing(page: Browser) -> None:
    page.click("Home", SLACK)
    page.click("Open a case by hand", SLACK)
    page.click("Open", "dialog")
    page.shows("Please complete this required field.")
    page.click("Cancel", "dialog")
    until(lambda: page.run("return !document.querySelector('dialog').open"), "the form closes")


def test_mail_is_shown_as_text_and_runs_nothing(page: Browser, play: Script) -> None:
    words = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"
    play.mail("priya@northwind.example", f"{words} Hello.", to="dana@worker.example", subject=words)
    page.shows("<script>document.title='owned'</script> Hello.")
    assert page.run("return document.title") == "Parley sandbox"


@pytest.mark.parametrize("width", [390, 1400])
def test_the_page_is_never_wider_than_its_window(page: Browser, width: int) -> None:
    page.resize(width, 900)
    page.shows("Worker’s mailbox")
    assert page.run("return document.documentElement.scrollWidth <= window.innerWidth")


def test_letters_fit_a_phone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.main(["letters", "--html", "letters"]) == 0
    files = sorted((tmp_path / "letters").glob("*.html"))
    frames = "".join(f'<iframe width="390" height="800" src="letters/{each.name}"></iframe>' for each in files)
    (tmp_path / "all.html").write_text(frames, encoding="utf-8")
    with browser(tmp_path) as window:
        window.open(f"file://{tmp_path / 'all.html'}")
        widths = window.run(
            "return [...document.querySelectorAll('iframe')].map((e) => e.contentDocument.documentElement.scrollWidth)"
        )
    assert isinstance(widths, list)
    assert len(widths) == len(files) > 180
    assert max(widths) <= 390
