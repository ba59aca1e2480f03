"""The comparison as one self-contained page with charts, to be read on a screen or printed."""

from collections.abc import Sequence
from html import escape
from io import StringIO

from matplotlib import rc_context
from matplotlib.figure import Figure

from bot.reports.sheet import sheet, table
from bot.reports.simulate import Measures
from bot.reports.simulate import table as words
from bot.reports.simulate.case import Figures

COLOURS = ("#1f5fbf", "#c76a00")


def page(names: Sequence[str], measured: Sequence[Measures], played: Sequence[Sequence[Figures]], note: str) -> str:
    """The page, HTML. `names` are the policies'; `played` are their cases; `note` says what was played."""
    figures = "figures"
    parts = [
        f"<p>{escape(note)}</p>",
        table("Measures", ("", *names), _flat(words.rows(measured)), figures),
        f"<h2>How long a case takes</h2><figure>{_days(names, played)}</figure>",
        f"<h2>How many letters a case takes</h2><figure>{_letters(names, played)}</figure>",
        table("How the cases ended", ("", *names), _flat(words.ended(measured)), figures),
        table("What each side was given", ("", *words.sides(names)), _flat(words.fairness(measured)), figures),
        f"<p>{escape(words.AVERAGES)}</p>",
    ]
    return sheet(f"What {' and '.join(names)} would lead to", parts)


def _flat(rows: Sequence[words.Row]) -> list[tuple[str, ...]]:
    return [(name, *cells) for name, cells in rows]


def _days(names: Sequence[str], played: Sequence[Sequence[Figures]]) -> str:
    """The share of cases that had ended within so many days."""
    figure = Figure(figsize=(8, 3.2), layout="constrained")
    axes = figure.add_subplot()
    for name, cases, colour in zip(names, played, COLOURS, strict=False):
        days = sorted(each.days for each in cases if each.days is not None)
        axes.step(days, [100 * (n + 1) / len(cases) for n in range(len(days))], label=name, color=colour, where="post")
    axes.set_xlabel("days since the first mail")
    axes.set_ylabel("cases that ended, %")
    axes.set_ylim(0, 100)
    axes.set_xlim(0)
    return _drawn(figure)


def _letters(names: Sequence[str], played: Sequence[Sequence[Figures]]) -> str:
    figure = Figure(figsize=(8, 2.8), layout="constrained")
    axes = figure.add_subplot()
    counted = [[each.worker.letters + each.client.letters for each in cases] for cases in played]
    most = max((max(counts, default=0) for counts in counted), default=0)
    axes.hist(
        counted,
        bins=[n - 0.5 for n in range(most + 2)],
        weights=[[100 / len(counts)] * len(counts) for counts in counted],
        label=list(names),
        color=list(COLOURS[: len(names)]),
    )
    axes.set_xlabel("letters to both sides together")
    axes.set_ylabel("cases, %")
    return _drawn(figure)


def _drawn(figure: Figure) -> str:
    """The figure as SVG, the same bytes for the same figures."""
    axes = figure.axes[0]
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="#e6e9ef")
    axes.set_axisbelow(True)
    if len(axes.get_legend_handles_labels()[1]) > 1:
        axes.legend(frameon=False)
    text = StringIO()
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "parley", "font.family": "sans-serif"}):
        figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None})
    return text.getvalue().partition("<svg")[2].join(("<svg", ""))
