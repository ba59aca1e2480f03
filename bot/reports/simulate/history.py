"""This installation's own cases, played again under another policy: what came from people stays, what came from time
is decided anew.

A mail that answered a letter stands at its own moment, although under the other policy the letter might not have left
yet; what a person then did where the case is elsewhere is refused, and counted.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from bot.flows.case import Case
from bot.flows.events import ClockDue, Event, LetterFailed, LetterLate, LetterSettled, TimeLost
from bot.flows.policy import Policy
from bot.reports.simulate.case import Figures, Watched, figures

BY_TIME = (ClockDue, TimeLost, LetterLate, LetterFailed, LetterSettled)


@dataclass(frozen=True, slots=True)
class Replayed:
    """What the cases come to; `refused` decisions of people did not fit the other policy's case."""

    figures: tuple[Figures, ...]
    refused: int


def replay(cases: Iterable[tuple[int, Sequence[Event]]], policy: Policy, until: datetime) -> Replayed:
    """Each case by its number and its events in order, up to `until` (UTC)."""
    made: list[Figures] = []
    refused = 0
    for number, events in cases:
        played = Watched(policy, Case(number), events[0].at)
        for event in events:
            if isinstance(event.fact, BY_TIME):
                continue
            played.wait_until(max(event.at, played.now))
            refused += bool(played.happen(event.fact, event.by).refused)
        played.wait_until(max(until, played.now + timedelta(seconds=1)))
        made.append(figures(played, events[0].at))
    return Replayed(tuple(made), refused)
