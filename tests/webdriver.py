"""A real browser for tests: Chromium, driven over the WebDriver protocol that Debian's chromedriver speaks.

Source: W3C, "WebDriver": the few commands used here.
"""

import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from tests.servers import free_port

ARGUMENTS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync"),
    *("--no-first-run", "--disable-component-update", "--disable-quic", "--disable-dev-shm-usage"),
    "--allow-file-access-from-files",  # Files of one folder are strangers to each other, unless told otherwise.
)


class Browser:
    """One window. `find` waits for what its scripts still have to draw."""

    def __init__(self, http: httpx.Client, session: str) -> None:
        self._http, self._session = http, session

    def open(self, url: str) -> None:
        self._post("url", {"url": url})

    def resize(self, width: int, height: int) -> None:
        self._post("window/rect", {"width": width, "height": height})

    def run(self, script: str) -> object:
        """The value of a script's `return`."""
        return self._post("execute/sync", {"script": script, "args": []})

    def text(self) -> str:
        """All that is to be read on the page."""
        return str(self.run("return document.body.innerText"))

    def shows(self, words: str) -> None:
        until(lambda: words in self.text(), words)

    def click(self, words: str, within: str = "body") -> None:
        """Press the button that says so, once it is there and can be pressed."""
        path = f'//{within}//button[normalize-space()="{words}" and not(@disabled)]'
        until(lambda: self._pressed(path), words)

    def type(self, selector: str, words: str) -> None:
        until(lambda: self._found("css selector", selector), selector)
        element = self._found("css selector", selector)[0]
        self._post(f"element/{element}/clear", {})
        self._post(f"element/{element}/value", {"text": words})

    def choose(self, selector: str, value: str) -> None:
        """Choose in a menu, as a person's choice: with its event."""
        script = (
            f"const f = document.querySelector({selector!r}); f.value = {value!r}; f.dispatchEvent(new Event('change'))"
        )
        self.run(script)

    def _pressed(self, path: str) -> bool:
        """Whether it was there to be pressed; what was drawn anew in between is looked for again, as a person would."""
        found = self._found("xpath", path)
        answer = self._ask(f"element/{found[0]}/click", {}) if found else {"error": "no such element"}
        if isinstance(answer, dict) and answer["error"] not in ("no such element", "stale element reference"):
            raise AssertionError(f"{path}: {answer['error']}: {answer['message'][:300]}")
        return answer is None

    def _found(self, using: str, value: str) -> list[str]:
        found = self._post("elements", {"using": using, "value": value})
        return [next(iter(each.values())) for each in found] if isinstance(found, list) else []

    def _post(self, path: str, asked: dict[str, object]) -> object:
        answer = self._ask(path, asked)
        if isinstance(answer, dict) and "error" in answer:
            raise AssertionError(f"{path}: {answer['error']}: {answer['message'][:300]}")
        return answer

    def _ask(self, path: str, asked: dict[str, object]) -> object:
        value: object = self._http.post(f"/session/{self._session}/{path}", json=asked).json()["value"]
        return value


def until(found: Callable[[], object], what: str, within_s: float = 15) -> None:
    end = time.monotonic() + within_s
    while not found():
        assert time.monotonic() < end, f"not to be seen: {what}"
        time.sleep(0.05)


@contextmanager
def browser(folder: Path) -> Iterator[Browser]:
    """A browser with a new profile in `folder`; it ends with its driver."""
    port = free_port()
    driver = subprocess.Popen(
        [shutil.which("chromedriver") or "chromedriver", f"--port={port}"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as http:
            until(lambda: _ready(http), "the driver")
            options = {"args": [*ARGUMENTS, f"--user-data-dir={folder / 'profile'}"]}
            wanted = {"capabilities": {"alwaysMatch": {"goog:chromeOptions": options}}}
            session = http.post("/session", json=wanted).json()["value"]
            assert "sessionId" in session, session
            yield Browser(http, session["sessionId"])
            http.delete(f"/session/{session['sessionId']}")
    finally:
        driver.terminate()
        driver.wait(10)


def _ready(http: httpx.Client) -> bool:
    try:
        return bool(http.get("/status").json()["value"]["ready"])
    except httpx.HTTPError:
        return False
