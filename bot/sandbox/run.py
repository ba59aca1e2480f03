"""`parley sandbox` from start to end: the folder, the sandbox, its page, and a clean stop."""

import os
import socket
import sys
import tempfile
import threading
import webbrowser
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import uvicorn
import yaml

import bot
from bot.sandbox import page
from bot.sandbox.api import Api, application
from bot.sandbox.house import Sandbox
from bot.sandbox.slack.shapes import Json

PORT = 8800


class CannotStart(RuntimeError):
    """The sandbox cannot be opened so; the argument says what would be right."""


@dataclass(frozen=True, slots=True)
class Options:
    """`port` 0: any free one. `data` None: a new folder, removed at the end. `at` None: next Monday, 10:00."""

    port: int = PORT
    data: Path | None = None
    at: datetime | None = None
    browser: bool = True


def run(options: Options, environ: Mapping[str, str], stopping: threading.Event, say: Callable[[str], None]) -> None:
    """Open the sandbox, and close it when `stopping` is set.

    Raises `CannotStart`, `PolicyError`, `MailboxDown` or `BotDown`.
    """
    listening = _listening(options.port)
    with listening, _folder(options.data) as folder:
        say("starting the mail server and the bot …")
        with Sandbox(folder, environ, options.at, manifest()) as house, serving(house, listening) as address:
            say(_welcome(house, address))
            if options.browser and _has_display():
                webbrowser.open(address)
            stopping.wait()
            say("stopping …")


@contextmanager
def serving(house: Sandbox, listening: socket.socket) -> Iterator[str]:
    """The API and the page over HTTP, in a thread of their own; gives the address."""
    api = Api(house)
    site = application(api, *page.routes())
    config = uvicorn.Config(site, log_config=None, access_log=False, ws="none", timeout_graceful_shutdown=2)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=([listening],), name="page", daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        api.close()
        server.should_exit = True
        thread.join(10)


def manifest() -> Json:
    """The Slack app's manifest: in the repository, or, once installed, beside this file. Raises `CannotStart`."""
    for folder in (Path(bot.__file__).parent.parent, Path(__file__).parent):
        if (named := folder / "manifest.yml").is_file():
            found: Json = yaml.safe_load(named.read_text(encoding="utf-8"))
            return found
    raise CannotStart("manifest.yml is missing: it belongs beside the folder `bot`")


def _listening(port: int) -> socket.socket:
    try:
        return socket.create_server(("127.0.0.1", port))
    except OSError as wrong:
        raise CannotStart(f"port {port} cannot be used: {wrong.strerror}; name another with --port") from None


@contextmanager
def _folder(named: Path | None) -> Iterator[Path]:
    if named is None:
        with tempfile.TemporaryDirectory(prefix="parley-sandbox-", ignore_cleanup_errors=True) as folder:
            yield Path(folder)
        return
    if (named / "parley.db").exists():
        raise CannotStart(f"{named} was a sandbox before, and mailboxes end with it: name a new folder")
    named.mkdir(parents=True, exist_ok=True)
    yield named.absolute()


def _welcome(house: Sandbox, address: str) -> str:
    return (
        f"The sandbox is open at {address}\n"
        f"It is {house.now():%A, %B %d %Y, %H:%M %Z} in there.\n"
        "Try first: send the sample “Payment dispute, complete” as the worker and see its card in Slack; then move\n"
        "the clock by a business day, and the client gets a notice.\n"
        f"What the bot says goes to {house.bot.log}. Ctrl-C closes the sandbox."
    )


def _has_display() -> bool:
    """Whether a browser would open in a window, not in this terminal."""
    return sys.platform in ("darwin", "win32") or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
