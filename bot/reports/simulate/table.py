"""The measures of one policy or two as rows of words, for the terminal and the page alike."""

from collections.abc import Sequence

from bot.flows.case import Role
from bot.reports.simulate import Fairness, Measures

Row = tuple[str, tuple[str, ...]]
"""What is measured, and each policy's figure."""

AVERAGES = (
    "Averages over the cases in which that side was asked for something. Parties answer in their own time: a "
    "difference here is not unequal treatment unless the other side’s habits were the same."
)
"""What stands below `fairness`."""


def rows(measured: Sequence[Measures]) -> list[Row]:
    """What a policy costs and brings."""
    return [
        ("Cases played", tuple(f"{each.cases:,}" for each in measured)),
        ("Letters a case", tuple(f"{each.letters_a_case:.1f}" for each in measured)),
        ("Days to the end, median", tuple(f"{each.days_median:.1f}" for each in measured)),
        ("Days to the end, 90 of 100 within", tuple(f"{each.days_p90:.1f}" for each in measured)),
        ("Came to an impasse", tuple(_share(each.impasse_share) for each in measured)),
        ("Closed as incomplete", tuple(_share(each.incomplete_share) for each in measured)),
        ("Still open half a year later", tuple(_share(each.open_share) for each in measured)),
        ("Staff decisions a case", tuple(f"{each.touches_a_case:.1f}" for each in measured)),
        ("Staff decisions a working day", tuple(f"{each.touches_a_day:.1f}" for each in measured)),
    ]


def ended(measured: Sequence[Measures]) -> list[Row]:
    """How the cases ended, the most frequent first."""
    found = [dict(each.ended) for each in measured]
    names = sorted({name for each in found for name in each}, key=lambda name: (-found[0].get(name, 0), name))
    return [
        (
            name.replace("_", " "),
            tuple(_share(each.get(name, 0) / total.cases) for each, total in zip(found, measured, strict=True)),
        )
        for name in names
    ]


def sides(names: Sequence[str]) -> tuple[str, ...]:
    """The heads of `fairness`: worker and client, of each policy where there are two."""
    return tuple(f"{name}: {side}" if len(names) > 1 else str(side) for name in names for side in Role)


def fairness(measured: Sequence[Measures]) -> list[Row]:
    """What each side was given, worker and client in turn for each policy."""

    def row(name: str, shown: str, value: str) -> Row:
        sides = [dict(each.fairness)[role] for each in measured for role in Role]
        return name, tuple(format(getattr(side, value), shown) for side in sides)

    return [
        row("Letters", ".2f", "letters"),
        row("Reminders and final notices", ".2f", "reminders"),
        row("Hours from request to answer or end", ".0f", "hours"),
        row("Extensions", ".3f", "extensions"),
        row("Holds", ".3f", "holds"),
        row("Time ran out", ".3f", "lapsed"),
    ]


def as_json(measured: Measures) -> dict[str, object]:
    """The same as plain numbers."""
    sides: dict[str, object] = {str(role): _plain(side) for role, side in measured.fairness}
    return {
        "cases": measured.cases,
        "letters_a_case": measured.letters_a_case,
        "days_median": measured.days_median,
        "days_p90": measured.days_p90,
        "impasse_share": measured.impasse_share,
        "incomplete_share": measured.incomplete_share,
        "open_share": measured.open_share,
        "touches_a_case": measured.touches_a_case,
        "touches_a_day": measured.touches_a_day,
        "ended": dict(measured.ended),
        "fairness": sides,
    }


def _plain(side: Fairness) -> dict[str, float]:
    return {
        "letters": side.letters,
        "reminders": side.reminders,
        "hours": side.hours,
        "extensions": side.extensions,
        "holds": side.holds,
        "lapsed": side.lapsed,
    }


def _share(share: float) -> str:
    return f"{share:.1%}"
