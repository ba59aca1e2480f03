"""How synthetic parties and staff behave: shares and answer times, from a file that an operator can change.

Drawn numbers come from a seed and a name, never from a stream: the same party answers alike under two policies.
"""

import tomllib
from bisect import bisect_left
from dataclasses import dataclass, fields
from importlib.resources import files
from pathlib import Path
from random import Random

from bot.flows.calendar import Span

Steps = tuple[tuple[float, Span], ...]


class WrongPeople(ValueError):
    """A file of parties that cannot be used. `problems` names every wrong line and what would be right."""

    def __init__(self, problems: tuple[str, ...], where: str) -> None:
        super().__init__("\n".join(f"{where}: {problem}" for problem in problems))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class Opening:
    """Shares of all cases, 0 to 1; see parties.toml."""

    payment: float
    client_opens: float
    complete: float
    listed: float
    unsure: float
    settles_itself: float


@dataclass(frozen=True, slots=True)
class Habits:
    """How one side answers, as shares of its requests; `answers` is a distribution of times."""

    silent: float
    stirred: float
    partial: float
    more_time: float
    out_of_office: float
    bounce: float
    answers: Steps


@dataclass(frozen=True, slots=True)
class Talking:
    settles: float
    refuses: float


@dataclass(frozen=True, slots=True)
class Working:
    """How fast staff act on what waits for them."""

    acts: Steps


@dataclass(frozen=True, slots=True)
class People:
    """Everybody in a simulation."""

    cases: Opening
    worker: Habits
    client: Habits
    talks: Talking
    staff: Working

    def mirrored(self) -> "People":
        """The same with the habits of worker and client exchanged."""
        return People(self.cases, self.client, self.worker, self.talks, self.staff)


class Draw:
    """Numbers of one case: the same seed, case and name give the same number, whatever else was drawn."""

    __slots__ = ("_begin",)

    def __init__(self, seed: int, case: int) -> None:
        self._begin = f"{seed}:{case}:"

    def share(self, name: str) -> float:
        """From 0 up to 1."""
        return Random(self._begin + name).random()

    def below(self, name: str, share: float) -> bool:
        return self.share(name) < share

    def time(self, name: str, steps: Steps) -> tuple[Span, float]:
        """A step of a distribution, and which part of it (0 to 1) has passed."""
        at = self.share(name)
        index = min(bisect_left([upto for upto, _ in steps], at), len(steps) - 1)
        before = steps[index - 1][0] if index else 0.0
        width = steps[index][0] - before
        return steps[index][1], (at - before) / width if width else 1.0


def load(path: Path | None) -> People:
    """The people of a file; None: those shipped. Raises `WrongPeople` that names every wrong line."""
    where = str(path) if path else "parties.toml"
    try:
        text = path.read_text("utf-8") if path else files(__package__).joinpath("parties.toml").read_text("utf-8")
        given = tomllib.loads(text)
    except OSError as wrong:
        raise WrongPeople((f"cannot be read: {wrong.strerror}",), where) from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as wrong:
        raise WrongPeople((f"is no TOML: {wrong}",), where) from None
    problems: list[str] = []
    kinds = {"cases": Opening, "worker": Habits, "client": Habits, "talks": Talking, "staff": Working}
    problems += [f"[{name}] is unknown; there are {', '.join(kinds)}" for name in given if name not in kinds]
    read: dict[str, dict[str, float | Steps]] = {}
    for section, kind in kinds.items():
        read[section] = _section(section, given.get(section), [each.name for each in fields(kind)], problems)
    if problems:
        raise WrongPeople(tuple(problems), where)
    return People(
        Opening(**read["cases"]),  # type: ignore[arg-type]  # Every value was checked by its name above.
        Habits(**read["worker"]),  # type: ignore[arg-type]
        Habits(**read["client"]),  # type: ignore[arg-type]
        Talking(**read["talks"]),  # type: ignore[arg-type]
        Working(**read["staff"]),  # type: ignore[arg-type]
    )


def _section(section: str, given: object, names: list[str], problems: list[str]) -> dict[str, float | Steps]:
    if not isinstance(given, dict):
        problems.append(f"[{section}] is missing; it holds {', '.join(names)}")
        return {}
    problems += [f"[{section}] {key} is unknown; there are {', '.join(names)}" for key in given if key not in names]
    read: dict[str, float | Steps] = {}
    for name in names:
        try:
            found = given.get(name)
            read[name] = _steps(found) if name in ("answers", "acts") else _share(found)
        except ValueError as wrong:
            problems.append(f"[{section}] {name}: {wrong}")
    return read


def _share(found: object) -> float:
    if isinstance(found, bool) or not isinstance(found, int | float) or not 0 <= found <= 1:
        raise ValueError(f"should be a share from 0 to 1, not {found!r}")
    return float(found)


def _steps(found: object) -> Steps:
    right = 'should be steps such as [[0.5, "1 day"], [1.0, "5 days"]], their shares growing up to 1.0'
    if not isinstance(found, list) or not found:
        raise ValueError(f"{right}, not {found!r}")
    steps: list[tuple[float, Span]] = []
    for each in found:
        if not isinstance(each, list) or len(each) != 2 or not isinstance(each[1], str):
            raise ValueError(f"{right}, not {each!r}")
        steps.append((_share(each[0]), Span.parse(each[1])))
    shares = [share for share, _ in steps]
    if sorted(set(shares)) != shares or shares[-1] != 1.0:
        raise ValueError(right)
    return tuple(steps)
