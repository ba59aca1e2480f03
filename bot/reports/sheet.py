"""A page that stands alone: its frame, its style and its tables, for the screen, the phone and the printer."""

from collections.abc import Sequence
from html import escape

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #1d2433; max-width: 860px; margin: 24px auto; padding: 0 16px; }
h1 { font-size: 22px; } h2 { font-size: 17px; margin-top: 28px; } h3 { font-size: 15px; margin: 14px 0 4px; }
table { border-collapse: collapse; width: 100%; } th, td { padding: 5px 8px; border-bottom: 1px solid #d9dde5; }
th { font-weight: 600; text-align: left; } td { vertical-align: top; overflow-wrap: break-word; }
.figures th, .figures td { text-align: right; font-variant-numeric: tabular-nums; }
.figures td:first-child, .figures th:first-child { text-align: left; }
svg { width: 100%; height: auto; } p { color: #5b6475; } figure { margin: 12px 0; }
.wide { overflow-x: auto; } tr, figure, .statement { break-inside: avoid; }
.sides { display: grid; grid-template-columns: repeat(auto-fit, minmax(260px, 1fr)); gap: 16px; }
.statement { border-left: 4px solid #d9dde5; padding-left: 10px; margin: 10px 0; }
.words { white-space: pre-wrap; overflow-wrap: anywhere; color: #1d2433; margin: 4px 0; }
small { color: #5b6475; overflow-wrap: anywhere; }
.dated td:first-child { white-space: nowrap; }
@media print {
  body { margin: 0; max-width: none; font-size: 10.5pt; } h2, h3 { break-after: avoid; }
  .letter { break-inside: auto; font-size: 9pt; line-height: 1.35; } .words { orphans: 4; widows: 4; }
}
@media (max-width: 480px) { .dated td:first-child { white-space: normal; } }
"""


def sheet(title: str, parts: Sequence[str]) -> str:
    """The page around its parts, which are HTML already."""
    head = (
        "<!doctype html><html lang='en'><head><meta charset='utf-8'>"
        "<meta name='viewport' content='width=device-width, initial-scale=1'>"
        f"<title>{escape(title)}</title><style>{STYLE}</style></head><body>"
    )
    return "\n".join((head, f"<h1>{escape(title)}</h1>", *parts, "</body></html>"))


def table(title: str, heads: Sequence[str], rows: Sequence[Sequence[str]], kind: str = "") -> str:
    """A table with its title; `kind` `figures` sets all but the first column as numbers. No rows: said so."""
    if not rows:
        return f"<h2>{escape(title)}</h2><p>None.</p>"
    head = "".join(f"<th>{escape(each)}</th>" for each in heads)
    body = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows)
    shown = f"<table class='{kind}'><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    return f"<h2>{escape(title)}</h2><div class='wide'>{shown}</div>"
