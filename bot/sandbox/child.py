"""The bot as a child process: started, told to move its clock or to be idle, killed, started again at the same now."""

import json
import os
import secrets
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path

import bot
from bot.sandbox.clock import Clock
from bot.sandbox.inside import PATIENCE_S, TOKEN

START_S = 60.0
STOP_S = 30.0
TRIES_MAX = 3
"""A bot that dies so often before it answers will not do better the next time."""


class BotDown(RuntimeError):
    """The bot does not start, or does not answer; the argument says where it said why."""


class Child:
    """One bot at a time. Whatever ends it, it is started again, until `stop`. Thread-safe.

    `clock` is the sandbox's: the bot's runs with the same offset, and while it walks this one stands where it is.
    """

    def __init__(self, environ: Mapping[str, str], folder: Path, clock: Clock) -> None:
        self._environ, self._folder, self._clock = dict(environ), folder, clock
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._token = secrets.token_hex(16)
        self._process: subprocess.Popen[bytes] | None = None
        self._line: socket.socket | None = None
        self._ready = threading.Event()
        self._stopping = threading.Event()
        self._asking = threading.Lock()
        self._minder = threading.Thread(target=self._mind, name="bot-minder", daemon=True)

    @property
    def log(self) -> Path:
        """What the bot says."""
        return self._folder / "bot.log"

    def start(self) -> None:
        """Returns when the bot works. Raises BotDown."""
        self._minder.start()
        self._wait_ready()

    def stop(self) -> None:
        """As `parley run` ends on SIGTERM: what is in flight comes to its end."""
        self._stopping.set()
        if self._process is not None:
            self._process.terminate()
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(STOP_S)
            self._process.kill()
        self._listener.close()
        self._minder.join(STOP_S)

    def kill(self) -> None:
        """SIGKILL; returns when the bot works again. Raises BotDown."""
        process = self._process
        self._ready.clear()
        if process is not None:
            process.kill()
            process.wait()
        self._wait_ready()

    def advance(self, to: datetime, polls: bool = True, patient: bool = True) -> bool:
        """Walk the clock to `to`; a bot that is killed on the way goes on from where it was.

        False: at some moment something was still in flight when patience ended. Raises BotDown.
        """
        return self._ask({"to": to.isoformat(), "polls": polls, "patient": patient})

    def idle(self, polls: bool = True, patient: bool = True) -> bool:
        """Wait until nothing is in flight; False: something still was when patience ended. Raises BotDown."""
        return self._ask({"to": None, "polls": polls, "patient": patient})

    def _ask(self, asked: dict[str, object]) -> bool:
        with self._asking:
            for _ in range(TRIES_MAX):
                self._wait_ready()
                line = self._line
                try:
                    return self._answer(asked, line)
                except (OSError, ValueError):
                    self._give_up(line)
            raise BotDown(f"the bot does not answer; see {self.log}")

    def _answer(self, asked: dict[str, object], line: socket.socket | None) -> bool:
        if line is None:
            raise OSError("no line")
        line.sendall(json.dumps(asked).encode() + b"\n")
        with line.makefile("r", encoding="utf-8") as wire:
            for text in wire:
                told = json.loads(text)
                if "now" in told:
                    self._clock.hold(datetime.fromisoformat(told["now"]))
                    continue
                self._clock.follow(timedelta(microseconds=told["offset_us"]))
                return bool(told["done"])
        raise OSError("the line ended")

    def _give_up(self, line: socket.socket | None) -> None:
        """A bot whose line is broken is at its end, or hangs."""
        end = time.monotonic() + STOP_S
        while line is not None and self._line is line and time.monotonic() < end:
            if self._process is not None:
                self._process.kill()
            time.sleep(0.02)

    def _wait_ready(self) -> None:
        end = time.monotonic() + START_S
        while not self._ready.wait(0.2):
            if time.monotonic() > end or self._stopping.is_set() or not self._minder.is_alive():
                raise BotDown(f"the bot does not start; see {self.log}")

    def _mind(self) -> None:
        """Start the bot, and start it again whenever it ends, but not one that never comes to work."""
        failures = 0
        while not self._stopping.is_set() and failures < TRIES_MAX:
            failures = 0 if self._live() else failures + 1

    def _live(self) -> bool:
        """One bot from start to end; whether it came to work."""
        offset_us = self._clock.run() // timedelta(microseconds=1)
        command = [sys.executable, "-m", "bot.sandbox.inside"]
        command += ["--control", str(self._listener.getsockname()[1]), "--offset-us", str(offset_us)]
        path = os.pathsep.join((str(Path(bot.__file__).parent.parent), os.environ.get("PYTHONPATH", "")))
        environ = {**self._environ, TOKEN: self._token, "PYTHONPATH": path.rstrip(os.pathsep)}
        with self.log.open("ab") as log:
            process = subprocess.Popen(command, cwd=self._folder, env=environ, stdout=log, stderr=log)
        self._process = process
        line = self._connected(process)
        if line is not None:
            with line:
                self._line = line
                self._ready.set()
                process.wait()
                self._ready.clear()
                self._line = None
        process.kill()
        process.wait()
        return line is not None

    def _connected(self, process: "subprocess.Popen[bytes]") -> socket.socket | None:
        """The line of the bot once it works; None: it ended before, or we stop."""
        self._listener.settimeout(0.2)
        end = time.monotonic() + START_S
        while time.monotonic() < end and process.poll() is None and not self._stopping.is_set():
            try:
                line, _ = self._listener.accept()
            except OSError:
                continue
            line.settimeout(START_S)
            with suppress(OSError, ValueError), line.makefile("r", encoding="utf-8") as wire:
                if json.loads(wire.readline()).get("token") == self._token:
                    line.settimeout(PATIENCE_S * 2)
                    return line
            line.close()
        return None
