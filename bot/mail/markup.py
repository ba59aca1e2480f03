"""HTML in mail, read as a person would see it: hidden text dropped, tags gone, link targets told."""

import re

from inscriptis import get_text
from inscriptis.css_profiles import CSS_PROFILES
from inscriptis.model.config import ParserConfig
from lxml.etree import LxmlError  # type: ignore[import-untyped]  # lxml ships no types
from selectolax.lexbor import LexborHTMLParser, LexborNode

from bot.mail.decode import clean

HTML_CHARS_MAX = 500_000
DEPTH_MAX = 1_000
LINKS_MAX = 200
LINK_CHARS_MAX = 2_000

_CONFIG = ParserConfig(css=CSS_PROFILES["strict"])
_HIDDEN = re.compile(
    r"display\s*:\s*none|visibility\s*:\s*hidden|mso-hide\s*:\s*all|opacity\s*:\s*0(?:\.0+)?\s*(?:;|!|$)"
    r"|font-size\s*:\s*0(?:\.0+)?(?:px|pt|em|%)?\s*(?:;|!|$)|max-height\s*:\s*0(?:px)?\s*(?:;|!|$)",
    re.I,
)
_BLOCK = re.compile(r"<(?:br|hr|/p|/div|/tr|/li|/h[1-6]|/blockquote|/table|/ul|/ol|/pre)\b[^<>]{0,2000}>", re.I)
_TAG = re.compile(r"</?[A-Za-z!][^<>]{0,2000}>")
_NESTING = re.compile(
    r"<(/?)(?!(?:p|li|td|tr|th|dd|dt|option|br|hr|img|meta|link|input|col|area|base|wbr|tbody|o:p)\b)[A-Za-z][A-Za-z0-9:]*",
    re.I,
)
_MARK = "\ue000"


def page(html: str) -> LexborHTMLParser:
    """The parsed page without scripts, comments' contents and everything a reader would not see."""
    html = clean(html[:HTML_CHARS_MAX])
    if _depth(html) > DEPTH_MAX:
        # The tree builder takes a minute at a depth of 100,000: keep the words, give up the layout.
        html = _TAG.sub(lambda found: "<br>" if _BLOCK.match(found.group()) else " ", html)
    tree = LexborHTMLParser(html)
    gone = tree.css("script,style,head,title,template,noscript,object,svg,[hidden]")
    gone += [node for node in tree.css("[style]") if _HIDDEN.search(node.attributes.get("style") or "")]
    for node in gone:
        drop(node)
    return tree


def _depth(html: str) -> int:
    """How deep the open tags go, counted without building a tree; closing tags that are optional do not count."""
    deepest = depth = 0
    for found in _NESTING.finditer(html):
        depth = max(0, depth - 1) if found.group(1) else depth + 1
        deepest = max(deepest, depth)
    return deepest


def drop(node: LexborNode) -> None:
    """Takes a node out of its page; harmless if an ancestor is already gone."""
    if node.parent is not None and node.tag not in ("html", "body"):
        node.decompose()


def readable(tree: LexborHTMLParser) -> str:
    """The page's text, laid out with inscriptis; where that loses text (it stops at libxml2's depth of 255, silently),
    plainly, block by block."""
    html = tree.html or ""
    bare = tree.root.text(deep=True, separator=" ") if tree.root is not None else ""
    weight = len("".join(bare.split()))
    if weight == 0:
        return ""
    try:
        laid_out = get_text(html, _CONFIG)
    except (LxmlError, ValueError, RecursionError, LookupError, AttributeError):
        laid_out = ""
    if len("".join(laid_out.split())) < weight * 0.9:
        laid_out = _plain(html)
    return tidy(laid_out)


def _plain(html: str) -> str:
    tree = LexborHTMLParser(_BLOCK.sub(lambda found: _MARK + found.group(), html))
    text = tree.root.text(deep=True, separator="") if tree.root is not None else ""
    return re.sub(r" *\ue000 *", "\n", " ".join(text.split()))


def tidy(text: str) -> str:
    """Text with plain blanks, no trailing ones, and never more than one empty line in a row."""
    text = re.sub("[\u200b\u200c\u200d\u2060\u00ad\u034f]", "", text).replace("\u00a0", " ").replace("\u202f", " ")
    text = "\n".join([line.rstrip(" \t") for line in text.split("\n")])
    return re.sub(r"\n{3,}", "\n\n", text).strip("\n")


def links(tree: LexborHTMLParser) -> tuple[str, ...]:
    """The web targets of the page's links, in order and once; at most `LINKS_MAX`."""
    found: dict[str, None] = {}
    for node in tree.css("a[href],area[href]"):
        target = (node.attributes.get("href") or "").strip()
        if re.match(r"https?://\S", target, re.I) and len(target) <= LINK_CHARS_MAX:
            found[clean(target)] = None
        if len(found) == LINKS_MAX:
            break
    return tuple(found)
