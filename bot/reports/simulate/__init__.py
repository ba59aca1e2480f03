"""Plays synthetic parties through the real `decide` under one policy or two, and compares what comes of it.

The same cases, people and answer times meet each policy: what differs, the policy did. Nothing is read or stored.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import chain
from statistics import mean, median, quantiles

from bot.flows.case import Role
from bot.flows.policy import Policy
from bot.reports.simulate.case import Figures, Side, simulate
from bot.reports.simulate.people import Draw, People

BATCH = 100
YEAR = timedelta(days=365)
CASES_MAX = 1_000_000

Progress = Callable[[int], None]
"""Told how many more cases have been played."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is played: so many cases, opened over a year from `begins_at` (UTC), and followed for half a year more."""

    people: People
    cases: int = 10_000
    seed: int = 1
    begins_at: datetime = datetime(2026, 1, 5, 15, 0, tzinfo=UTC)

    def opened_at(self, case: int) -> datetime:
        """Spread evenly, so that a day's cases do not depend on how many there are in all."""
        return self.begins_at + YEAR * (case / self.cases)

    @property
    def until(self) -> datetime:
        return self.begins_at + YEAR * 1.5


@dataclass(frozen=True, slots=True)
class Fairness:
    """What a side was given, on average over the cases in which it was asked for something."""

    letters: float
    reminders: float
    extensions: float
    holds: float
    lapsed: float
    hours: float


@dataclass(frozen=True, slots=True)
class Measures:
    """What a policy leads to. Days are calendar days; shares are from 0 to 1."""

    cases: int
    letters_a_case: float
    days_median: float
    days_p90: float
    impasse_share: float
    incomplete_share: float
    open_share: float
    touches_a_case: float
    touches_a_day: float
    ended: tuple[tuple[str, int], ...]
    fairness: tuple[tuple[Role, Fairness], ...]


def run(policy: Policy, plan: Plan, processes: int = 1, progress: Progress = lambda _: None) -> tuple[Figures, ...]:
    """Every case of the plan under a policy, in order; the same for any number of processes."""
    batches = [range(start, min(start + BATCH, plan.cases)) for start in range(0, plan.cases, BATCH)]
    return tuple(chain.from_iterable(_told(_batches(policy, plan, batches, processes), progress)))


def measure(figures: Sequence[Figures], policy: Policy, plan: Plan) -> Measures:
    """What the figures come to. Raises `ValueError` if there are none."""
    if not figures:
        raise ValueError("no case was played")
    days = sorted(each.days for each in figures if each.days is not None) or [0.0]
    touches = sum(each.touches for each in figures)
    calendar = policy.calendar(None)
    office_days = calendar.working_between(plan.begins_at, plan.begins_at + YEAR) / _a_day(policy)
    ended = Counter(each.ended for each in figures)
    return Measures(
        cases=len(figures),
        letters_a_case=mean(each.worker.letters + each.client.letters for each in figures),
        days_median=median(days),
        days_p90=quantiles(days, n=10)[-1] if len(days) > 1 else days[0],
        impasse_share=mean(each.impasse for each in figures),
        incomplete_share=ended["incomplete"] / len(figures),
        open_share=ended["open"] / len(figures),
        touches_a_case=touches / len(figures),
        touches_a_day=touches / office_days,
        ended=tuple(ended.most_common()),
        fairness=tuple((role, _fairness([_side(each, role) for each in figures])) for role in Role),
    )


def _a_day(policy: Policy) -> timedelta:
    hours = policy.week.hours
    opens, closes = (timedelta(hours=each.hour, minutes=each.minute) for each in (hours.opens, hours.closes))
    return (closes or timedelta(days=1)) - opens


def _side(figures: Figures, role: Role) -> Side:
    return figures.worker if role is Role.WORKER else figures.client


def _fairness(sides: Sequence[Side]) -> Fairness:
    asked = [side for side in sides if side.asked] or [Side()]
    return Fairness(
        letters=mean(side.letters for side in asked),
        reminders=mean(side.reminders for side in asked),
        extensions=mean(side.extensions for side in asked),
        holds=mean(side.holds for side in asked),
        lapsed=mean(side.lapsed for side in asked),
        hours=mean(side.given_s for side in asked) / 3600,
    )


def _told(batches: Iterator[tuple[Figures, ...]], progress: Progress) -> Iterator[tuple[Figures, ...]]:
    for batch in batches:
        progress(len(batch))
        yield batch


def _batches(policy: Policy, plan: Plan, batches: Sequence[range], processes: int) -> Iterator[tuple[Figures, ...]]:
    if processes <= 1:
        yield from (_batch(policy, plan, batch) for batch in batches)
        return
    with ProcessPoolExecutor(processes) as pool:
        yield from pool.map(_batch, *zip(*((policy, plan, batch) for batch in batches), strict=True))


def _batch(policy: Policy, plan: Plan, cases: range) -> tuple[Figures, ...]:
    return tuple(
        simulate(policy, plan.people, Draw(plan.seed, case), plan.opened_at(case), plan.until) for case in cases
    )
