"""The sandbox's page in the browser: one template, one style sheet and a few scripts, all of our own."""

from collections.abc import Callable
from importlib.resources import files

from jinja2 import Environment
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

SIDES = ("worker", "client")
FILES = ("page.css", "page.js", "slack.js", "blocks.js", "dom.js")
TYPES = {"css": "text/css", "js": "text/javascript"}
POLICY = {
    "content-security-policy": "default-src 'self'; img-src data:; frame-ancestors 'none'",
    "cache-control": "no-store",
}


def routes() -> list[Route]:
    """The page at `/`, and what it loads."""
    template = Environment(autoescape=True).from_string(_text("index.html"))
    html = template.render(sides=SIDES)

    def index(_: Request) -> Response:
        return HTMLResponse(html, headers=POLICY)

    return [Route("/", index), *(Route(f"/{name}", _file(name)) for name in FILES)]


def _file(name: str) -> Callable[[Request], Response]:
    media = TYPES[name.rpartition(".")[2]]

    def answer(_: Request) -> Response:
        return Response(_text(name), media_type=media, headers=POLICY)

    return answer


def _text(name: str) -> str:
    return files("bot.sandbox.page").joinpath(name).read_text("utf-8")
