"""The comparison as one self-contained page with charts, to be read on a screen or printed."""

from collections.abc import Sequence
from html import escape
from io import StringIO

from matplotlib import rc_context
from matplotlib.figure import Figure

from bot.reports.simulate import Measures, table
from bot.reports.simulate.case import Figures

COLOURS = ("#1f5fbf", "#c76a00")
AVERAGES = (
    "Averages over the cases in which that side was asked for something. Parties answer in their own time: a "
    "difference here is not unequal treatment unless the other side’s habits were the same."
)
STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #1d2433; max-width: 860px; margin: 24px auto; padding: 0 16px; }
h1 { font-size: 22px; } h2 { font-size: 17px; margin-top: 28px; }
table { border-collapse: collapse; width: 100%; } th, td { padding: 5px 8px; border-bottom: 1px solid #d9dde5; }
th { text-align: left; font-weight: 600; } td { text-align: right; font-variant-numeric: tabular-nums; }
td:first-child, th:first-child { text-align: left; } th { text-align: right; }
svg { width: 100%; height: auto; } p { color: #5b6475; }
.wide { overflow-x: auto; } tr, figure { break-inside: avoid; } figure { margin: 12px 0; }
@media print { body { margin: 0; max-width: none; } h2 { break-after: avoid; } }
"""


def page(names: Sequence[str], measured: Sequence[Measures], played: Sequence[Sequence[Figures]], note: str) -> str:
    """The page, HTML. `names` are the policies'; `played` are their cases; `note` says what was played."""
    parts = [
        "<!doctype html><html lang='en'><head><meta charset='utf-8'>",
        "<meta name='viewport' content='width=device-width, initial-scale=1'>",
        f"<title>Parley: simulation</title><style>{STYLE}</style></head><body>",
        f"<h1>What {escape(' and '.join(names))} would lead to</h1><p>{escape(note)}</p>",
        _table("Measures", names, table.rows(measured)),
        f"<h2>How long a case takes</h2><figure>{_days(names, played)}</figure>",
        f"<h2>How many letters a case takes</h2><figure>{_letters(names, played)}</figure>",
        _table("How the cases ended", names, table.ended(measured)),
        _table("What each side was given", table.sides(names), table.fairness(measured)),
        f"<p>{escape(AVERAGES)}</p>",
        "</body></html>",
    ]
    return "\n".join(parts)


def _table(title: str, heads: Sequence[str], rows: Sequence[table.Row]) -> str:
    head = "".join(f"<th>{escape(each)}</th>" for each in heads)
    body = "".join(
        f"<tr><td>{escape(name)}</td>{''.join(f'<td>{escape(cell)}</td>' for cell in cells)}</tr>"
        for name, cells in rows
    )
    shown = f"<table><thead><tr><th></th>{head}</tr></thead><tbody>{body}</tbody></table>"
    return f"<h2>{escape(title)}</h2><div class='wide'>{shown}</div>"


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
