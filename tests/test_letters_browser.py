"""The letters on a phone, in a real browser: none of them scrolls sideways."""

import html
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.test_letters import documents

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
        f'<iframe title="{html.escape(name)}" width="{PHONE_PX}" height="700" srcdoc="{html.escape(document)}"></iframe>'
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
