"""One Markdown source, two forms: plain text that reads well alone, and an HTML mail that reads well on a phone.

What people wrote is not in the source. A sign from Unicode's private area holds its place and is replaced at the very
end, in one pass, escaped: so nobody's words become a link, a header or mark-up, and a source is read only once.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from html import escape
from string import Template

from markdown_it import MarkdownIt
from markdown_it.token import Token

WIDTH_CHARS = 76
"""Plain text is wrapped at this width. Source: RFC 5322 §2.1.1 asks for at most 78."""

SIGNS = re.compile("[\ue000-\ue003]")
"""What no template may hold."""

_INLINE = re.compile("\ue000(\\d+)\ue001")
_ALONE = re.compile("\ue002([qw])(\\d+)\ue003")
_ALONE_IN_HTML = re.compile(rf"<p [^>]*>{_ALONE.pattern}</p>")
_UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
"""Control characters, and those that turn the direction of what follows."""

_MARKDOWN = MarkdownIt("commonmark", {"html": False, "xhtmlOut": False}).disable(
    ["image", "autolink", "code", "fence", "backticks"]
)
_MARKDOWN.validateLink = lambda url: url.startswith(("https://", "mailto:"))  # type: ignore[method-assign]  # Its hook.


def sign(place: int) -> str:
    """What stands in a source for the words at `place` of the list that comes with it."""
    return f"\ue000{place}\ue001"


def quoted(sign: str) -> str:
    """The sign for somebody's words that stand as a block quote, line for line as they were written."""
    return sign.replace("\ue000", "\n\n\ue002q").replace("\ue001", "\ue003\n\n")


def written(sign: str) -> str:
    """The sign for words of our own staff, which are the letter's text, with their paragraphs."""
    return sign.replace("\ue000", "\n\n\ue002w").replace("\ue001", "\ue003\n\n")


def one_line(text: str) -> str:
    """`text` without line breaks, control characters and signs that turn the direction of reading."""
    return " ".join(_UNSEEN.sub(" ", text).split())


@dataclass(frozen=True, slots=True)
class Block:
    """A stretch of plain text. `how` is `h1 h2 p box` or, for somebody's words, `q w`.

    `first` stands before its first line, `rest` before the others; `close`: no empty line before it.
    """

    how: str
    text: str
    first: str
    rest: str
    close: bool


@dataclass(frozen=True, slots=True)
class Page:
    """A source as both forms, with signs still in the place of words."""

    blocks: tuple[Block, ...]
    html: str


@lru_cache(maxsize=2048)
def read(source: str) -> Page:
    """Reads CommonMark without HTML, images and code; a block quote is a box, and its first paragraph the label."""
    tokens = _MARKDOWN.parse(source)
    blocks = tuple(_blocks(tokens))
    _dress(tokens)
    return Page(blocks, _ALONE_IN_HTML.sub(_alone_in_html, _MARKDOWN.renderer.render(tokens, _MARKDOWN.options, {})))


# --- Plain text -----------------------------------------------------------------------------------------------------


def text(page: Page, words: Sequence[str], footer: str) -> str:
    """The page as plain text, wrapped; ends with a line end. `words` are what its signs stand for."""
    parts: list[str] = []
    for block in page.blocks:
        if parts:
            parts.append("\n" if block.close else "\n\n")
        parts.append(_drawn(block, words))
    if footer.strip():
        parts.append("\n\n" + _wrapped(one_line(footer), "", ""))
    return "".join(parts) + "\n"


def _blocks(tokens: Sequence[Token]) -> Iterator[Block]:
    indents: list[str] = []
    mark = ""
    boxed = near = False
    for place, token in enumerate(tokens):
        match token.type:
            case "bullet_list_open" | "ordered_list_open":
                near = False
            case "list_item_open":
                mark = f"{token.info}{token.markup} " if token.info else "- "
                indents.append(" " * len(mark))
            case "list_item_close":
                indents.pop()
            case "blockquote_open" | "blockquote_close":
                boxed, near = token.type == "blockquote_open", False
            case "inline":
                opened = tokens[place - 1]
                rest = "".join(indents)
                first = "".join(indents[:-1]) + mark if mark else rest
                yield _block(_plain(token), opened, first, rest, boxed=boxed, near=near)
                mark, near = "", True
            case _:
                pass  # The rest of Markdown's tokens, a set that is not ours, closes what was opened.


def _block(line: str, opened: Token, first: str, rest: str, *, boxed: bool, near: bool) -> Block:  # noqa: PLR0913
    close = near and (boxed or opened.hidden)
    if alone := _ALONE.fullmatch(line):
        return Block(alone[1], sign(int(alone[2])), first, rest, close)
    if boxed:
        label = "" if near else ":"
        return Block("box", line + label, first + "    ", rest + "    ", close)
    return Block(opened.tag, line, first, rest, close)


def _plain(inline: Token) -> str:
    """The words of a line of Markdown without its marks; a link's target stands behind it."""
    parts: list[str] = []
    target = ""
    for token in inline.children or []:
        match token.type:
            case "softbreak":
                parts.append(" ")
            case "hardbreak":
                parts.append("\n")
            case "link_open":
                target = str(token.attrGet("href"))
            case "link_close":
                parts.append(f" ({target})")
            case _:
                parts.append(token.content)
    return "".join(parts)


def _drawn(block: Block, words: Sequence[str]) -> str:
    def line(match: re.Match[str]) -> str:
        return one_line(words[int(match[1])])

    match block.how:
        case "q":
            said = _lines(_said(block.text, words))
            return "\n".join(f"{block.rest}> {part}".rstrip() for part in said)
        case "w":
            said = _lines(_said(block.text, words))
            return "\n".join(_wrapped(part, block.rest, block.rest) for part in said)
        case "h1" | "h2":
            title = _INLINE.sub(line, block.text)
            underline = ("=" if block.how == "h1" else "-") * min(len(title), WIDTH_CHARS)
            return f"{_wrapped(title, '', '')}\n{underline}"
        case _:
            parts = _INLINE.sub(line, block.text).split("\n")
            rest = [_wrapped(part, block.rest, block.rest) for part in parts[1:]]
            return "\n".join([_wrapped(parts[0], block.first, block.rest), *rest])


def _said(text: str, words: Sequence[str]) -> str:
    return _INLINE.sub(lambda match: words[int(match[1])], text)


def _lines(said: str) -> list[str]:
    """Somebody's words, line by line, without empty lines around them and without control characters."""
    lines = [_UNSEEN.sub("", line).rstrip() for line in said.replace("\r\n", "\n").replace("\r", "\n").split("\n")]
    filled = [place for place, line in enumerate(lines) if line]
    return lines[filled[0] : filled[-1] + 1] if filled else []


def _wrapped(text: str, first: str, rest: str) -> str:
    """`text` in lines of at most `WIDTH_CHARS`; a longer word stands alone and whole."""
    lines: list[str] = []
    line = first
    started = False
    for word in text.split():
        if started and len(line) + 1 + len(word) > WIDTH_CHARS:
            lines.append(line)
            line, started = rest, False
        line += f" {word}" if started else word
        started = True
    return "\n".join([*lines, line.rstrip()])


# --- HTML -----------------------------------------------------------------------------------------------------------

_FONT = "-apple-system,BlinkMacSystemFont,'Segoe UI',Roboto,Helvetica,Arial,sans-serif"
_STYLES = {
    "h1": "margin:0 0 20px;font-size:23px;line-height:1.3;font-weight:700;color:#14213d",
    "h2": "margin:30px 0 8px;font-size:17px;line-height:1.35;font-weight:700;color:#14213d",
    "p": "margin:0 0 14px",
    "ol": "margin:0 0 14px;padding:0 0 0 24px",
    "ul": "margin:0 0 14px;padding:0 0 0 22px",
    "li": "margin:0 0 8px;padding:0 0 0 4px",
    "a": "color:#1d4ed8",
    "box": "margin:16px 0 18px;padding:14px 16px;background:#fff6e0;border-left:5px solid #c77700;border-radius:6px",
    "label": "margin:0 0 4px;font-size:14px;line-height:1.4;color:#6b4300",
    "day": "margin:0;font-size:17px;line-height:1.4;color:#3d2600",
    "quoted": "margin:0 0 16px;padding:12px 16px;background:#eef1f6;border-left:5px solid #8a97ad;border-radius:6px;"
    "white-space:pre-wrap",
    "written": "margin:0 0 18px;white-space:pre-wrap",
}
# Mail programs that know dark mode read this; all others use the styles in the tags.
_DARK = (
    ":root{color-scheme:light dark;supported-color-schemes:light dark}"
    "@media (prefers-color-scheme:dark){"
    ".page{background:#14161a!important}.card{background:#1f2228!important;border-color:#343943!important}"
    ".body{color:#e6e8ec!important}.head,.foot{color:#b4bac6!important;border-color:#343943!important}"
    ".h1,.h2{color:#ffffff!important}.a{color:#9dbdff!important}"
    ".box{background:#3a2c0d!important;border-color:#f0a93b!important}"
    ".label{color:#f2d39b!important}.day{color:#fff1d6!important}"
    ".quoted{background:#2b303a!important;border-color:#77839a!important}}"
)
_DOCUMENT = Template(
    f"""<!DOCTYPE html>
<html lang="$language" dir="auto">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="supported-color-schemes" content="light dark">
<meta name="format-detection" content="telephone=no, date=no, address=no, email=no, url=no">
<title>$title</title>
<style>{_DARK}</style>
</head>
<body class="page" style="margin:0;padding:0;background:#eef0f3;-webkit-text-size-adjust:100%">
<table class="page" role="presentation" width="100%" cellpadding="0" cellspacing="0" border="0" \
style="table-layout:fixed;background:#eef0f3">
<tr><td align="center" style="padding:16px 8px 28px">
<table class="card" role="presentation" width="100%" cellpadding="0" cellspacing="0" border="0" \
style="table-layout:fixed;max-width:600px;background:#ffffff;border:1px solid #dde1e8;border-radius:10px;\
font-family:{_FONT}">
<tr><td class="head" style="padding:14px 20px;border-bottom:1px solid #e6e9ef;font-size:14px;line-height:1.4;\
color:#556070;overflow-wrap:anywhere;word-break:break-word">$title</td></tr>
<tr><td class="body" style="padding:22px 20px 10px;font-size:16px;line-height:1.55;color:#1f2733;\
overflow-wrap:anywhere;word-break:break-word">
$body</td></tr>
$foot</table>
</td></tr>
</table>
</body>
</html>
"""
)
_FOOT = Template(
    '<tr><td class="foot" style="padding:12px 20px 16px;border-top:1px solid #e6e9ef;font-size:13px;line-height:1.5;'
    'color:#556070;overflow-wrap:anywhere;word-break:break-word">$footer</td></tr>\n'
)


@dataclass(frozen=True, slots=True)
class Frame:
    """What stands around a letter's text: the line above it, its language (ISO 639-1), a last line (may be empty)."""

    title: str
    language: str
    footer: str


def document(page: Page, words: Sequence[str], frame: Frame) -> str:
    """The page as a whole HTML document: one column of at most 600 px, nothing loaded from elsewhere."""

    def line(match: re.Match[str]) -> str:
        said = escape(one_line(words[int(match[1])]))
        return f'<span style="white-space:nowrap">{said}</span>' if _LABEL.fullmatch(said) else said

    def lines(match: re.Match[str]) -> str:
        return escape("\n".join(_lines(words[int(match[2])])))

    return _DOCUMENT.substitute(
        language=escape(frame.language),
        title=escape(frame.title),
        body=_BOTH.sub(lambda match: line(match) if match[1] else lines(match), page.html),
        foot=_FOOT.substitute(footer=escape(one_line(frame.footer))) if frame.footer.strip() else "",
    )


_LABEL = re.compile(r"[A-Z]+-\d+")
"""A case's number, which stays on one line."""

_BOTH = re.compile("\ue000(\\d+)\ue001|\ue002[qw](\\d+)\ue003")


def _dress(tokens: Sequence[Token]) -> None:
    """Gives each tag its style, in the tag itself: many mail programs read no style sheet."""
    boxed = ""
    for token in tokens:
        style = token.tag
        if token.type == "blockquote_open":
            style = "box"
            boxed = "label"
        elif token.type == "blockquote_close":
            boxed = ""
        elif token.type == "paragraph_open" and boxed:
            style, boxed = boxed, "day"
        _dress(token.children or ())
        if token.nesting == 1 and style in _STYLES:
            token.attrSet("class", style)
            token.attrSet("style", _STYLES[style])


def _alone_in_html(match: re.Match[str]) -> str:
    style = "quoted" if match[1] == "q" else "written"
    tag = "blockquote" if match[1] == "q" else "div"
    return f'<{tag} class="{style}" dir="auto" style="{_STYLES[style]}">\ue002{match[1]}{match[2]}\ue003</{tag}>'
