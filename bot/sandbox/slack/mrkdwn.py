"""Whom a text would notify and where it would link: what Slack does with mrkdwn, as facts that a test can assert on.

In doubt this module counts a mention: a test that says "nobody was notified" must not be right by luck.
Source: Slack, "Formatting text for app surfaces" (special mentions, escaping, automatic parsing), "chat.postMessage"
(`parse`, `link_names`), "Rich text block".
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from bot.sandbox.slack.shapes import Json, Obj, flag, listed, text

_SEQUENCE = re.compile(r"<([@#!]?)([^<>|]*)(?:\|([^<>]*))?>")
_BARE = re.compile(r"(?<![\w<!@])@(channel|here|everyone)\b")
_URL = re.compile(r"https?://[^\s<>|]+[^\s<>|.,;:!?)\]\"']")
_EMAIL = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
_TYPED = re.compile(
    r"(?P<keep><(?:@[UW][A-Z0-9]+|#C[A-Z0-9]+(?:\|[^<>]*)?|!(?:here|channel|everyone))>)"
    rf"|(?P<url>{_URL.pattern})|(?P<email>{_EMAIL.pattern})|(?P<at>(?<![\w])@[\w.-]*\w)"
)


@dataclass(frozen=True, slots=True)
class Mention:
    """Somebody a text would notify: `who` is here, channel, everyone, a user or a group id; `via`: where it stood."""

    who: str
    via: str


@dataclass(frozen=True, slots=True)
class Link:
    """A link a reader could follow; `label` is shown instead of the address, empty when the address itself is."""

    url: str
    label: str


def mentions(
    body: str, *, parse: str = "none", names: dict[str, str] | None = None, via: str = "text"
) -> tuple[Mention, ...]:
    """Whom mrkdwn `body` notifies.

    `<!channel>`, `<!here>`, `<!everyone>`, `<!subteam^S…>` and `<@U…>` always do; bare `@channel` and `@name`
    when `parse` is `full` or `client` (what link_names does). `names`: handle to user id.
    """
    found = [_sequence(m, via) for m in _SEQUENCE.finditer(body)]
    if parse in ("full", "client"):
        found += [Mention(m.group(1), via) for m in _BARE.finditer(body)]
        found += [
            Mention(user, via)
            for name, user in (names or {}).items()
            if re.search(rf"(?<![\w<!@])@{re.escape(name)}\b", body)
        ]
    return tuple(dict.fromkeys(m for m in found if m))


def _sequence(match: re.Match[str], via: str) -> Mention | None:
    sigil, target = match.group(1), match.group(2)
    if sigil == "@":
        return Mention(target, via)
    if sigil == "!" and target in ("channel", "here", "everyone", "group"):
        return Mention("channel" if target == "group" else target, via)
    if sigil == "!" and target.startswith("subteam^"):
        return Mention(target.removeprefix("subteam^"), via)
    return None


def links(body: str) -> tuple[Link, ...]:
    """The links that mrkdwn `body` makes, labelled ones and bare addresses."""
    labelled = [Link(m.group(2), m.group(3) or "") for m in _SEQUENCE.finditer(body) if not m.group(1) and m.group(2)]
    bare = [Link(m.group(0), "") for m in _URL.finditer(_SEQUENCE.sub(" ", body))]
    return tuple(labelled + bare)


def mentions_in_blocks(value: Json, names: dict[str, str], via: str = "blocks") -> tuple[Mention, ...]:
    """Whom blocks notify: mrkdwn texts (parsed further unless `verbatim`), markdown blocks and rich text elements."""
    found: list[Mention] = []
    for node in _nodes(value):
        match text(node, "type"):
            case "mrkdwn":
                how = "none" if flag(node, "verbatim") else "client"
                found += mentions(text(node, "text"), parse=how, names=names, via=via)
            case "markdown":
                found += mentions(text(node, "text"), parse="client", names=names, via=via)
            case "user" if "user_id" in node:
                found.append(Mention(text(node, "user_id"), via))
            case "usergroup" if "usergroup_id" in node:
                found.append(Mention(text(node, "usergroup_id"), via))
            case "broadcast" if "range" in node:
                found.append(Mention(text(node, "range"), via))
    return tuple(dict.fromkeys(found))


def links_in_blocks(value: Json) -> tuple[Link, ...]:
    """The links that blocks make."""
    found: list[Link] = []
    for node in _nodes(value):
        match text(node, "type"):
            case "mrkdwn" | "markdown":
                found += links(text(node, "text"))
            case "link" if "url" in node:
                found.append(Link(text(node, "url"), text(node, "text")))
            case "button" if "url" in node:
                found.append(Link(text(node, "url"), "button"))
    return tuple(found)


def _nodes(value: Json) -> Iterable[Obj]:
    if isinstance(value, list):
        for item in value:
            yield from _nodes(item)
    elif isinstance(value, dict):
        yield value
        for item in value.values():
            yield from _nodes(item)


def escape(body: str) -> str:
    """The three characters Slack escapes. Source: Slack, "Formatting text", escaping."""
    return body.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def typed(body: str, names: dict[str, str]) -> tuple[str, Obj]:
    """What Slack's client makes of words a person typed: the mrkdwn `text` and its rich_text block.

    `<@U…>`, `@handle` and `@here` become mentions, web and mail addresses become links
    (`<mailto:a@b.example|a@b.example>`), the rest is escaped. `names`: handle to user id.
    """
    out: list[str] = []
    leaves: list[Obj] = []
    at = 0
    for match in _TYPED.finditer(body):
        _plain_part(body[at : match.start()], out, leaves)
        _typed_part(match, names, out, leaves)
        at = match.end()
    _plain_part(body[at:], out, leaves)
    section: Obj = {"type": "rich_text_section", "elements": listed(leaves)}
    return "".join(out), {"type": "rich_text", "elements": [section]}


def _plain_part(part: str, out: list[str], leaves: list[Obj]) -> None:
    if part:
        out.append(escape(part))
        leaves.append({"type": "text", "text": part})


def _typed_part(match: re.Match[str], names: dict[str, str], out: list[str], leaves: list[Obj]) -> None:
    word = match.group(0)
    if match.group("url"):
        out.append(f"<{escape(word)}>")
        leaves.append({"type": "link", "url": word})
    elif match.group("email"):
        out.append(f"<mailto:{word}|{word}>")
        leaves.append({"type": "link", "url": f"mailto:{word}", "text": word})
    elif match.group("keep"):
        out.append(word)
        leaves.append(_mention_leaf(word[1], word[2:-1].split("|")[0]))
    elif word[1:] in ("here", "channel", "everyone"):
        out.append(f"<!{word[1:]}>")
        leaves.append({"type": "broadcast", "range": word[1:]})
    elif word[1:] in names:
        out.append(f"<@{names[word[1:]]}>")
        leaves.append({"type": "user", "user_id": names[word[1:]]})
    else:
        _plain_part(word, out, leaves)


def _mention_leaf(sigil: str, target: str) -> Obj:
    match sigil:
        case "@":
            return {"type": "user", "user_id": target}
        case "#":
            return {"type": "channel", "channel_id": target}
        case _:
            return {"type": "broadcast", "range": target}
