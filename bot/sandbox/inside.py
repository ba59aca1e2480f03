"""The bot as the sandbox runs it: the same `App`, with a clock that the sandbox moves, and a line that it is told by.

The line is a connection to the sandbox on loopback; one JSON object a line each way. `{"do": "advance", "to": …}` walks
the business clock, `{"do": "idle"}` waits until nothing is in flight. When the line ends, the bot stops.
"""

import argparse
import itertools
import json
import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TextIO

from bot import app as house
from bot.casework import BEAT
from bot.handlers.posting import Pace
from bot.sandbox.clock import Clock, machine_now
from bot.settings import load
from bot.storage.cases import DueClock
from bot.storage.inbox import InboxState
from bot.storage.outbox import OutState
from bot.telemetry import LogFormat, set_up_logs

PATIENCE_S = 180.0
"""How long one moment may take: a row that a killed bot was at is kept from its successor for two minutes."""

PAUSE_S = 0.02
TOKEN = "SANDBOX_TOKEN"


@dataclass(frozen=True, slots=True)
class Told:
    """What the sandbox asks: `to` None: be idle. `polls`: the mailbox can be reached; `patient`: so can all else."""

    to: datetime | None
    polls: bool
    patient: bool


@dataclass(frozen=True, slots=True)
class Open:
    """What is not done yet at a moment: new mail and events, due clocks, rows on their way, stuck letters, a poll."""

    new: int
    due: tuple[DueClock, ...]
    flying: int
    stuck: int
    rows: tuple[tuple[str, OutState, int], ...]
    poll: bool

    def waits(self, told: Told) -> bool:
        """Whether somebody else is still at something: the reader, a server, Slack."""
        return (self.poll and told.polls) or (told.patient and bool(self.new or self.flying))


class Walk:
    """Moves the clock of a started `app`; `say` learns each moment before anything is done at it."""

    def __init__(self, app: house.App, clock: Clock, say: Callable[[datetime], None]) -> None:
        self._app, self._clock, self._say = app, clock, say

    def obey(self, told: Told) -> bool:
        """Do as told; False: something was still in flight after `PATIENCE_S`."""
        with house.by_hand(self._app) as one_round:
            if told.to is None:
                self._ask_for_poll()
                return self._settle(told, one_round)
            try:
                return self._advance(told, told.to, one_round)
            finally:
                self._clock.run()

    def _advance(self, told: Told, to: datetime, one_round: Callable[[], None]) -> bool:
        """Every due moment up to `to`, in order and each at its own time."""
        self._say(self._clock.hold())
        self._ask_for_poll()
        done = self._settle(told, one_round)
        for moment in self._moments(to):
            self._say(self._clock.hold(moment))
            with self._app.store.begin() as tx:
                # The beats since the last moment found nothing due; of them only the last leaves a trace.
                tx.beats.beat(BEAT, moment)
            done = self._settle(told, one_round) and done
        return done

    def _moments(self, to: datetime) -> Iterator[datetime]:
        while (now := self._clock.now()) < to:
            with self._app.store.read() as tx:
                found = (tx.cases.next_due(now), tx.outbox.next_due(now))
                late = tx.outbox.late(now + timedelta(microseconds=1), 1)
            # Late is what is past its moment, not what is at it.
            moments = [each for each in found if each] + ([now + timedelta(microseconds=1)] if late else [])
            yield min([*moments, to])

    def _settle(self, told: Told, one_round: Callable[[], None]) -> bool:
        """Rounds of beats until one changes nothing and nobody else is at something."""
        end = time.monotonic() + PATIENCE_S
        before = self._look()
        while True:
            one_round()
            after = self._look()
            if after == before and not after.waits(told):
                return True
            if time.monotonic() > end:
                return False
            if after == before:
                time.sleep(PAUSE_S)
            before = after

    def _look(self) -> Open:
        now = self._clock.now()
        with self._app.store.read() as tx:
            return Open(
                new=tx.inbox.counts()[InboxState.NEW],
                due=tx.cases.due(now, 100),
                flying=tx.outbox.in_flight(now),
                stuck=len(tx.outbox.late(now)) + len(tx.outbox.untold()),
                rows=tuple((*key, count) for key, count in sorted(tx.outbox.counts().items())),
                poll=tx.beats.cursor().wanted,
            )

    def _ask_for_poll(self) -> None:
        """What lies in the mailbox by now belongs to this moment."""
        with self._app.store.begin() as tx:
            tx.beats.want_poll(self._clock.now())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--control", type=int, required=True, help="the sandbox's port")
    parser.add_argument("--offset-us", type=int, required=True, help="business clock minus machine's, microseconds")
    given = parser.parse_args()
    stopping = house.by_signal()
    line = socket.create_connection(("127.0.0.1", given.control))
    set_up_logs(LogFormat.CONSOLE)
    clock = Clock(timedelta(microseconds=given.offset_us))
    settings = load(os.environ)
    # A walked clock has no seconds: every look at the stopwatch is one later than the last.
    pace = Pace(itertools.count(1.0).__next__, lambda _: None)
    app = house.App(settings, house.load_values(settings), house.Times(clock.now, machine_now), pace)
    house.prepare_database(settings.database_url, machine_now())
    server = house.serve(settings.http, app) if settings.http else None
    app.start()
    with line, line.makefile("rw", encoding="utf-8", newline="\n") as wire:
        _say(wire, {"token": os.environ[TOKEN]})
        walk = Walk(app, clock, lambda moment: _say(wire, {"now": moment.isoformat()}))
        threading.Thread(target=_listen, args=(wire, walk, clock, stopping), daemon=True).start()
        stopping.wait()
        line.shutdown(socket.SHUT_RDWR)
        app.stop()
    if server:
        server.should_exit = True
    return 0


def _listen(wire: TextIO, walk: Walk, clock: Clock, stopping: threading.Event) -> None:
    try:
        for text in wire:
            asked = json.loads(text)
            to = datetime.fromisoformat(asked["to"]).astimezone(UTC) if asked["to"] else None
            done = walk.obey(Told(to, asked["polls"], asked["patient"]))
            _say(wire, {"done": done, "offset_us": clock.offset // timedelta(microseconds=1)})
    except (OSError, ValueError):
        pass  # The sandbox is gone, or closes the line while we stop.
    finally:
        stopping.set()


def _say(wire: TextIO, told: dict[str, object]) -> None:
    wire.write(json.dumps(told) + "\n")
    wire.flush()


if __name__ == "__main__":
    sys.exit(main())
